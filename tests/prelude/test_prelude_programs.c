/* The prelude in programs: compiled code gives the reference evaluator's bits; every definition is
 * used by some program of the tests or examples; initialisers give what they promise. */
#define _GNU_SOURCE
#include "compiler/include/bmc.h"
#include "compiler/prelude/prelude.h"
#include "tests/codegen/program_compare.h"
#include <ctype.h>
#include <dirent.h>

enum { PATHS_MAX = 512 };

typedef struct Paths {
    char *items[PATHS_MAX];
    int count;
} Paths;

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All *.bm below `folder`, which is not deep. */
static void find_programs(const char *folder, int depth, Paths *out) {
    DIR *dir = opendir(folder);
    ck_assert_msg(dir != NULL && depth < 8, "%s", folder);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        size_t n = strlen(e->d_name);
        char path[1024];
        if (e->d_name[0] == '.') continue;
        ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s", folder, e->d_name), sizeof path);
        if (n > 3 && strcmp(e->d_name + n - 3, ".bm") == 0) {
            ck_assert_int_lt(out->count, PATHS_MAX);
            out->items[out->count++] = strdup(path);
        } else if (e->d_type == DT_DIR) {
            find_programs(path, depth + 1, out);
        }
    }
    closedir(dir);
    qsort(out->items, (size_t)out->count, sizeof *out->items, by_name);
}

static void paths_free(Paths *p) {
    for (int i = 0; i < p->count; i++) free(p->items[i]);
}

static char *read_text(const char *path) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    char *text = calloc(1, 1 << 18);
    size_t n = fread(text, 1, (1 << 18) - 1, f);
    fclose(f);
    ck_assert_uint_lt(n, (1 << 18) - 1);
    return text;
}

static const char *const COMPARED[] = {
    "torch/activations.bm", "torch/convolutions.bm",  "torch/losses.bm",
    "torch/layers.bm",      "torch/training.bm",      "programs/init.bm",
    "torch/recurrent.bm",   "programs/sequences.bm",  "programs/data.bm",
    "programs/training.bm", "programs/attribution.bm"};

START_TEST(same_bits) {
    char path[512];
    snprintf(path, sizeof path, BMC_SOURCE_DIR "/tests/prelude/%s", COMPARED[_i]);
    char *text = read_text(path);
    compare_program(path, text, 3);
    free(text);
}
END_TEST

static int words_in(const char *text, const char *word) {
    size_t n = strlen(word);
    bool comment = false;
    int found = 0;
    for (const char *at = text; *at; at++) {
        if (*at == '#') comment = true;
        if (*at == '\n') comment = false;
        if (comment || strncmp(at, word, n) != 0) continue;
        bool before = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
        found += before && !isalnum((unsigned char)at[n]) && at[n] != '_';
    }
    return found;
}

START_TEST(every_definition_is_used) {
    Paths paths = {.count = 0};
    find_programs(BMC_SOURCE_DIR "/tests", 0, &paths);
    find_programs(BMC_SOURCE_DIR "/examples", 0, &paths);
    char *texts[PATHS_MAX];
    for (int i = 0; i < paths.count; i++) texts[i] = read_text(paths.items[i]);
    Context *ctx = context_create();
    int unused = 0, defined = 0;
    for (const BmcPrelude *file = BMC_PRELUDE; file->name; file++) {
        uint32_t id = sources_add(ctx->sources, file->name, file->text, file->len, 1);
        const Node *tree = syntax_parse(ctx, id);
        for (uint32_t k = 0; k < tree->count; k++) {
            const Node *item = tree->kids[k];
            if (!item || !item->name) continue;
            bool used = false;
            for (int i = 0; i < paths.count && !used; i++)
                used = words_in(texts[i], item->name->text) > 0;
            for (const BmcPrelude *by = BMC_PRELUDE; by->name && !used; by++) /* by another one */
                used = words_in(by->text, item->name->text) > (by == file);
            ck_assert_msg(item->doc != NULL, "`%s` of %s lacks a comment that says what it is",
                          item->name->text, file->name);
            defined++;
            if (used) continue;
            unused++;
            printf("`%s` of %s is used by no program of tests/ or examples/\n", item->name->text,
                   file->name);
        }
    }
    context_destroy(ctx);
    for (int i = 0; i < paths.count; i++) free(texts[i]);
    paths_free(&paths);
    ck_assert_int_gt(defined, 100);
    ck_assert_int_eq(unused, 0);
}
END_TEST

/* ---- initialisers */

typedef struct Moments {
    double mean, deviation, low, high;
} Moments;

static Moments moments_of(const float *x, int n) {
    Moments m = {0, 0, x[0], x[0]};
    for (int i = 0; i < n; i++) m.mean += (double)x[i] / n;
    for (int i = 0; i < n; i++)
        m.deviation += ((double)x[i] - m.mean) * ((double)x[i] - m.mean) / n;
    m.deviation = sqrt(m.deviation);
    for (int i = 0; i < n; i++) m.low = fmin(m.low, x[i]), m.high = fmax(m.high, x[i]);
    return m;
}

typedef struct Start {
    const char *init;
    double mean, deviation, bound; /* of a [200, 100] matrix */
} Start;
static const Start STARTS[] = {
    {"zeros", 0, 0, 0},
    {"ones", 1, 0, 1},
    {"full(0.5)", 0.5, 0, 0.5},
    {"gaussian(0.1)", 0, 0.1, 1},
    {"truncated_normal(0.1)", 0, 0.0879626, 0.2},
    {"uniform_between(-1, 3)", 1, 1.154701, 3},
    {"glorot", 0, 0.0816497, 0.1414214},
    {"glorot_normal", 0, 0.0816497, 1},
    {"he", 0, 0.1, 1},
    {"he_uniform", 0, 0.1, 0.1732051},
    {"lecun", 0, 0.0707107, 1},
    {"lecun_uniform", 0, 0.0707107, 0.1224745},
    {"orthogonal(1)", 0, 0.0707107, 1},
};

static BmrtHandle *open_text(const char *text, BmcModel **model) {
    BmcOptions options = {.size_bytes = sizeof options, .level = 1};
    ck_assert_int_eq(bmc_compile_text("m.bm", text, strlen(text), &options, model), BMC_OK);
    BmrtHandle *h;
    ck_assert_int_eq(bmrt_open(&h, bmc_model(*model), NULL, 3, 1), BMRT_OK);
    return h;
}

START_TEST(moments) {
    const Start *s = &STARTS[_i];
    enum { N = 200 * 100 };
    char text[256];
    float *x = calloc(N, sizeof *x);
    BmcModel *model;
    snprintf(text, sizeof text,
             "model m() -> [] {\n  param w[200, 100] init %s\n  return sum(w)\n}\n"
             "export fn f() -> [] = m()\n",
             s->init);
    BmrtHandle *h = open_text(text, &model);
    ck_assert_int_eq(bmrt_get(h, "m.w", x, N * sizeof *x), BMRT_OK);
    Moments m = moments_of(x, N);
    double slack = 4 * (s->deviation + 1e-9) / sqrt(N); /* four standard errors */
    ck_assert_msg(fabs(m.mean - s->mean) <= slack, "%s: mean %g", s->init, m.mean);
    ck_assert_msg(fabs(m.deviation - s->deviation) <= 2 * slack, "%s: deviation %g", s->init,
                  m.deviation);
    ck_assert_msg(fmax(fabs(m.low), fabs(m.high)) <= s->bound * (1 + 1e-6), "%s: %g to %g", s->init,
                  m.low, m.high);
    bmrt_close(h);
    bmc_close(model);
    free(x);
}
END_TEST

START_TEST(orthogonal) {
    char *text = read_text(BMC_SOURCE_DIR "/tests/prelude/programs/init.bm");
    BmcModel *model;
    BmrtHandle *h = open_text(text, &model);
    float tall[9], wide[16], diagonal[12];
    void *out[2] = {tall, wide};
    int32_t entry = bmrt_entry_find(bmc_model(model), "gram");
    ck_assert_int_eq(bmrt_call(h, (uint32_t)entry, NULL, NULL, out), BMRT_OK);
    for (int i = 0; i < 9; i++) ck_assert_double_eq_tol((double)tall[i], i % 4 ? 0 : 4, 1e-5);
    for (int i = 0; i < 16; i++) ck_assert_double_eq_tol((double)wide[i], i % 5 ? 0 : 1, 3e-6);
    ck_assert_int_eq(bmrt_get(h, "starts.m", diagonal, sizeof diagonal), BMRT_OK);
    for (int i = 0; i < 12; i++) ck_assert(diagonal[i] == (i / 3 == i % 3));
    bmrt_close(h);
    bmc_close(model);
    free(text);
}
END_TEST

/* Writing place by place into a cache is the same function as seeing the whole. */
START_TEST(cache_agrees_with_the_whole) {
    char *text = read_text(BMC_SOURCE_DIR "/tests/prelude/programs/sequences.bm");
    static const char *const names[] = {"wq", "wk", "wv", "wo"};
    enum { N = 2 * 6 * 8 };
    BmcModel *model;
    BmrtHandle *h = open_text(text, &model);
    float x[N], results[2][N], w[64];
    for (int i = 0; i < 4; i++) { /* both have the same weights */
        char path[64];
        snprintf(path, sizeof path, "reader.cached_multihead1.%s", names[i]);
        ck_assert_int_eq(bmrt_get(h, path, w, sizeof w), BMRT_OK);
        snprintf(path, sizeof path, "writer.look.%s", names[i]);
        ck_assert_int_eq(bmrt_set(h, path, w, sizeof w), BMRT_OK);
    }
    for (int i = 0; i < N; i++) x[i] = (float)sin(i * i);
    for (int k = 0; k < 2; k++) {
        int32_t entry = bmrt_entry_find(bmc_model(model), k ? "steps" : "whole");
        const int64_t rows = 2;
        ck_assert_int_eq(
            bmrt_call(h, (uint32_t)entry, &rows, (const void *[]){x}, (void *[]){results[k]}),
            BMRT_OK);
    }
    double largest = 0;
    for (int i = 0; i < N; i++) {
        ck_assert_float_eq_tol(results[0][i], results[1][i], 2e-6f);
        largest = fmax(largest, fabs((double)results[0][i]));
    }
    ck_assert_double_gt(largest, 0.1);
    bmrt_close(h);
    bmc_close(model);
    free(text);
}
END_TEST

/* The factor halves once the loss has stood still for `patience` steps, and not before. */
START_TEST(plateau_waits) {
    BmcModel *model;
    BmrtHandle *h = open_text("model control(loss[]) -> [] = loss |> plateau(0.5, patience = 3, "
                              "smooth = 0)\n"
                              "train {\n  steps: 9\n  step(l[]) { metric rate = control(l) }\n}\n",
                              &model);
    static const float losses[] = {3, 2, 2, 2, 2, 1, 1, 1, 1}, scales[] = {1, 1, 1, 1, 0.5f, 0.5f};
    int32_t entry = bmc_model(model)->train[0].step_entry;
    for (int i = 0; i < 9; i++) {
        float rate, scale;
        const void *in[] = {&losses[i]};
        void *out[] = {&rate};
        ck_assert_int_eq(bmrt_step(h, (uint32_t)entry, NULL, in, out), BMRT_OK);
        ck_assert_int_eq(bmrt_get(h, "control.plateau1.scale", &scale, sizeof scale), BMRT_OK);
        ck_assert_float_eq(scale, i < 6 ? scales[i] : i < 8 ? 0.5f : 0.25f);
    }
    bmrt_close(h);
    bmc_close(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("programs of the prelude");
    TCase *tests = tcase_create("programs");
    tcase_add_loop_test(tests, same_bits, 0, sizeof COMPARED / sizeof *COMPARED);
    tcase_add_test(tests, every_definition_is_used);
    tcase_add_loop_test(tests, moments, 0, sizeof STARTS / sizeof *STARTS);
    tcase_add_test(tests, orthogonal);
    tcase_add_test(tests, cache_agrees_with_the_whole);
    tcase_add_test(tests, plateau_waits);
    tcase_set_timeout(tests, 280);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
