/* Runs the cases of *.faults (README.md): right place, right code, right words, no noise. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/sema/sema.h"
#include "compiler/syntax/syntax.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILES_MAX = 32, CASE_MAX = 8192 };
static char files[FILES_MAX][512];
static int file_count;

typedef struct Fault {
    char title[200], source[CASE_MAX], wants[CASE_MAX];
    int line; /* of the title in its file */
} Fault;

/* The next case; false at the end of the file. */
static bool fault_read(FILE *f, Fault *fault, char *pending, int *line) {
    char text[1024];
    memset(fault->source, 0, sizeof fault->source);
    memset(fault->wants, 0, sizeof fault->wants);
    if (!*pending) return false;
    snprintf(fault->title, sizeof fault->title, "%.190s", pending + 3);
    fault->title[strcspn(fault->title, "\n")] = '\0';
    fault->line = *line;
    *pending = '\0';
    while (fgets(text, sizeof text, f)) {
        ++*line;
        if (strncmp(text, "== ", 3) == 0) {
            strcpy(pending, text);
            break;
        }
        char *into = strncmp(text, "-> ", 3) == 0 ? fault->wants : fault->source;
        ck_assert(strlen(into) + strlen(text) < CASE_MAX);
        strcat(into, text);
    }
    return true;
}

static Context *compile(const char *source) {
    Context *ctx = context_create();
    uint32_t file = sources_add(ctx->sources, "case.bm", source, (uint32_t)strlen(source), 0);
    Node *tree = syntax_parse(ctx, file);
    SemaOptions options = {.stem = "model", .roots = SEMA_ALL, .identity = "case.bm"};
    Program *program = sema_run(ctx, tree, &options);
    for (uint32_t i = 0; program && i < program->entries.len; i++)
        autodiff_run(program->entries.data[i].graph);
    return ctx;
}

static bool any_has(const char *const *texts, uint32_t count, const char *part) {
    for (uint32_t i = 0; i < count; i++)
        if (strstr(texts[i], part)) return true;
    return false;
}

static bool place_is(Context *ctx, Span span, unsigned line, unsigned column) {
    if (span.file == 0) return false;
    Place p = sources_place(ctx->sources, span);
    return strcmp(p.name, "case.bm") == 0 && p.line == line && p.column == column;
}

static bool label_has(Context *ctx, const Diag *d, const char *want) {
    unsigned line, column;
    int used = 0;
    if (sscanf(want, "%u:%u %n", &line, &column, &used) != 2) return false;
    for (uint32_t i = 0; i < d->labels.len; i++)
        if (place_is(ctx, d->labels.data[i].span, line, column) &&
            strstr(d->labels.data[i].text, want + used))
            return true;
    return false;
}

/* One `->` line against the diagnostic it belongs to. NULL: fine. */
static const char *want_check(Context *ctx, const Diag *d, const char *want) {
    unsigned line, column;
    char code[8];
    int used = 0;
    if (strncmp(want, "help ", 5) == 0)
        return any_has(d->helps.data, d->helps.len, want + 5) ? NULL : "no such help";
    if (strncmp(want, "note ", 5) == 0)
        return any_has(d->notes.data, d->notes.len, want + 5) ? NULL : "no such note";
    if (strncmp(want, "caret ", 6) == 0)
        return d->caret && strstr(d->caret, want + 6) ? NULL : "no such text at the caret";
    if (strncmp(want, "label ", 6) == 0)
        return label_has(ctx, d, want + 6) ? NULL : "no such label";
    if (sscanf(want, "%u:%u %7s %n", &line, &column, code, &used) != 3)
        return "the case cannot be read";
    if (!place_is(ctx, d->span, line, column)) return "another place";
    if (strcmp(code_info(d->code)->id, code) != 0) return "another code";
    return strstr(d->message, want + used) ? NULL : "another headline";
}

static bool opens(const char *want) {
    return want[0] >= '0' && want[0] <= '9';
}

static int fault_run(const char *file, const Fault *fault) {
    Context *ctx = compile(fault->source);
    const char *problem = NULL;
    static char wants[CASE_MAX];
    strcpy(wants, fault->wants);
    uint32_t next = 0, count = diags_count(ctx->diags);
    const Diag *d = NULL;
    char *want = wants, *wrong = NULL;
    while (*want && !problem) {
        char *end = strchr(want, '\n');
        *end = '\0';
        want += 3;
        if (opens(want)) d = next < count ? diags_get(ctx->diags, next++) : NULL;
        problem = d ? want_check(ctx, d, want) : "this is not said";
        wrong = want;
        want = end + 1;
    }
    if (!problem && next < count) problem = "more is said";
    if (problem) {
        Text t = {.arena = ctx->arena};
        for (uint32_t i = 0; i < count; i++)
            diag_render(&t, ctx->sources, diags_get(ctx->diags, i), 0);
        printf("%s:%d: %s: %s\n  wanted: %s\n%s\n", file, fault->line, fault->title, problem,
               wrong ? wrong : "", t.len ? text_str(&t) : "(nothing was said)");
    }
    context_destroy(ctx);
    return problem != NULL;
}

START_TEST(faults) {
    static Fault fault;
    char pending[1024] = "";
    int line = 1, failed = 0, count = 0;
    FILE *f = fopen(files[_i], "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(pending, sizeof pending, f));
    for (; fault_read(f, &fault, pending, &line); count++) failed += fault_run(files[_i], &fault);
    fclose(f);
    ck_assert_int_gt(count, 0);
    ck_assert_msg(failed == 0, "%s: %d of %d cases", files[_i], failed, count);
}
END_TEST

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

int main(void) {
    DIR *folder = opendir(BMC_SOURCE_DIR "/tests/faults");
    for (struct dirent *e; folder && (e = readdir(folder)) && file_count < FILES_MAX;)
        if (strstr(e->d_name, ".faults"))
            snprintf(files[file_count++], sizeof files[0], "%s/tests/faults/%.200s", BMC_SOURCE_DIR,
                     e->d_name);
    if (folder) closedir(folder);
    qsort(files, (size_t)file_count, sizeof files[0], by_name);
    Suite *suite = suite_create("faults");
    TCase *tc = tcase_create("faults");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, faults, 0, file_count);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner) + (file_count == 0);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
