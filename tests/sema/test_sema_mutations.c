/* Damaged programs: whatever a slip of the keyboard makes of a program, sema answers with
 * diagnostics or with a program whose graphs verify; it never crashes. BMC_MUTATIONS=n runs n of
 * each file. */
#include "compiler/autodiff/autodiff.h"
#include "tests/sema/dump.h"
#include <check.h>
#include <ctype.h>
#include <dirent.h>

typedef struct Random {
    uint64_t state;
} Random;
static uint32_t draw(Random *r, uint32_t below) {
    r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below ? (uint32_t)((r->state >> 33) % below) : 0;
}

enum { TOKEN_MAX = 4000 };
typedef struct Tokens {
    const char *at[TOKEN_MAX];
    uint32_t len[TOKEN_MAX], count;
} Tokens;

static void tokenize(const char *text, Tokens *t) {
    t->count = 0;
    while (*text && t->count < TOKEN_MAX) {
        const char *from = text;
        if (isalnum((unsigned char)*text) || *text == '_')
            while (isalnum((unsigned char)*text) || *text == '_') text++;
        else if (*text == ' ')
            while (*text == ' ') text++;
        else
            text++;
        t->at[t->count] = from;
        t->len[t->count++] = (uint32_t)(text - from);
    }
}

static const char *const SPICE[] = {
    "0",  "1", "-1",  "7",  "0.5", "1e30",     "all",   "[]",  "[2]",  "...",
    "x",  "y", "net", "()", "B",   "training", "\"s\"", "sum", "@",    "^",
    ":=", "=", "|>",  "\n", ",",   ":",        "true",  "f32", "grad", "999999999999"};

static void mutate(const Tokens *t, Random *r, Text *out) {
    uint32_t edits = 1 + draw(r, 3), place[3], kind[3], other[3];
    for (uint32_t e = 0; e < edits; e++) {
        place[e] = draw(r, t->count);
        kind[e] = draw(r, 5);
        other[e] = draw(r, t->count);
    }
    for (uint32_t i = 0; i < t->count; i++) {
        bool keep = true;
        for (uint32_t e = 0; e < edits; e++) {
            if (place[e] != i) continue;
            uint32_t o = other[e];
            if (kind[e] == 0) keep = false;
            if (kind[e] == 1) text_add_n(out, t->at[i], t->len[i]);
            if (kind[e] == 2) keep = false, text_add_n(out, t->at[o], t->len[o]);
            if (kind[e] == 3)
                keep = false, text_add(out, SPICE[o % (sizeof SPICE / sizeof *SPICE)]);
            if (kind[e] == 4) text_add_n(out, t->at[o], t->len[o]);
        }
        if (keep) text_add_n(out, t->at[i], t->len[i]);
    }
}

/* The last program, so that a crash can be looked at. */
static void remember(const char *text) {
    const char *path = getenv("BMC_MUTATION_FILE");
    FILE *f = path ? fopen(path, "wb") : NULL;
    if (!f) return;
    fputs(text, f);
    fclose(f);
}

static void survive(const Tokens *t, uint64_t seed) {
    Context *ctx = context_create();
    Random r = {seed * UINT64_C(0x9E3779B97F4A7C15) + 1};
    Text text = {.arena = ctx->arena};
    mutate(t, &r, &text);
    remember(text_str(&text));
    SemaOptions options = {.stem = "model", .roots = SEMA_ALL};
    Program *p = elaborate_text(ctx, "mutant.bm", text_str(&text), &options);
    ck_assert_msg(p != NULL || diags_errors(ctx->diags) > 0, "refused without a word:\n%s",
                  text_str(&text));
    for (uint32_t i = 0; p && i < p->entries.len; i++) {
        graph_verify(p->entries.data[i].graph);
        const Graph *g = autodiff_run(p->entries.data[i].graph);
        if (g && !diags_errors(ctx->diags)) graph_verify(g);
    }
    Text out = {.arena = ctx->arena};
    dump_diags(ctx, &out);
    context_destroy(ctx);
}

static void mutate_folder(const char *folder, uint32_t rounds) {
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    Tokens *t = malloc(sizeof *t);
    for (struct dirent *e; (e = readdir(dir));) {
        size_t n = strlen(e->d_name), len;
        char path[1024];
        if (n < 4 || strcmp(e->d_name + n - 3, ".bm") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        char *text = read_text(path, &len);
        tokenize(text, t);
        for (uint32_t i = 0; i < rounds; i++) survive(t, i);
        free(text);
    }
    free(t);
    closedir(dir);
}

START_TEST(damaged_programs) {
    const char *wanted = getenv("BMC_MUTATIONS");
    uint32_t rounds = wanted ? (uint32_t)strtoul(wanted, NULL, 10) : 20;
    mutate_folder(BMC_SOURCE_DIR "/tests/sema/programs", rounds);
    mutate_folder(BMC_SOURCE_DIR "/examples/fashion_mnist", rounds);
    mutate_folder(BMC_SOURCE_DIR "/examples/linear_regression", rounds);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sema mutations");
    TCase *tc = tcase_create("mutations");
    tcase_add_test(tc, damaged_programs);
    tcase_set_timeout(tc, 3000);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
