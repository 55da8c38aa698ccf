/* Every change that a message proposes is made, and the program compiled again: the mistake must be
 * gone. Programs: the cases of *.faults, the goldens of tests/sema/programs and
 * tests/syntax/errors.
 */
#include "compiler/sema/sema.h"
#include "compiler/syntax/syntax.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1 << 16 };
typedef struct Tally {
    int programs, fixes;
} Tally;

static Context *compile(const char *text) {
    Context *ctx = context_create();
    uint32_t file = sources_add(ctx->sources, "case.bm", text, (uint32_t)strlen(text), 0);
    const Node *tree = syntax_parse(ctx, file);
    SemaOptions options = {.stem = "model", .roots = SEMA_ALL, .identity = "case.bm"};
    if (diags_errors(ctx->diags) == 0) sema_run(ctx, tree, &options);
    return ctx;
}

/* Where a byte of the old text is in the new one. */
static uint32_t moved(uint32_t at, const DiagFix *fix) {
    int64_t longer = (int64_t)strlen(fix->text) - (int64_t)(fix->span.end - fix->span.begin);
    return at < fix->span.end ? at : (uint32_t)((int64_t)at + longer);
}

static bool is_left(const Context *ctx, const Diag *d, const DiagFix *fix) {
    for (uint32_t i = 0; i < diags_count(ctx->diags); i++) {
        const Diag *now = diags_get(ctx->diags, i);
        if (now->code == d->code && now->span.begin == moved(d->span.begin, fix) &&
            strcmp(now->message, d->message) == 0)
            return true;
    }
    return false;
}

static void try_fix(const char *where, const char *text, const Context *ctx, const Diag *d,
                    const DiagFix *fix) {
    static char changed[2 * TEXT_MAX];
    ck_assert_uint_lt(fix->help, d->helps.len);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)fix->span.begin, text, fix->text,
             text + fix->span.end);
    Context *after = compile(changed);
    bool fewer = fix->interface || diags_errors(after->diags) <= diags_errors(ctx->diags) ||
                 d->code == E_SYNTAX; /* a file that parses is looked at more closely */
    ck_assert_msg(!is_left(after, d, fix) && fewer, "%s: `%s` does not help:\n%s", where,
                  d->helps.data[fix->help], changed);
    context_destroy(after);
}

static void try_program(const char *where, const char *text, Tally *tally) {
    Context *ctx = compile(text);
    for (uint32_t i = 0; i < diags_count(ctx->diags); i++) {
        const Diag *d = diags_get(ctx->diags, i);
        for (uint32_t k = 0; k < d->fixes.len; k++, tally->fixes++)
            try_fix(where, text, ctx, d, &d->fixes.data[k]);
    }
    tally->programs++;
    context_destroy(ctx);
}

/* The programs of a *.faults file, or the whole of another. */
static void try_file(const char *path, bool cases, Tally *tally) {
    static char text[TEXT_MAX];
    char line[2048];
    size_t used = 0;
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        if (cases && strncmp(line, "-> ", 3) == 0) continue;
        if (cases && strncmp(line, "== ", 3) == 0) {
            if (used) try_program(path, text, tally);
            used = 0;
            continue;
        }
        size_t n = strlen(line);
        ck_assert_uint_lt(used + n, sizeof text);
        memcpy(text + used, line, n + 1);
        used += n;
    }
    fclose(f);
    if (used) try_program(path, text, tally);
}

static Tally try_folder(const char *folder, const char *suffix) {
    Tally tally = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", BMC_SOURCE_DIR, folder);
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, suffix) != 0) continue;
        snprintf(path, sizeof path, "%s/%s/%s", BMC_SOURCE_DIR, folder, e->d_name);
        try_file(path, strcmp(suffix, ".faults") == 0, &tally);
    }
    closedir(dir);
    return tally;
}

START_TEST(faults) {
    Tally t = try_folder("tests/faults", ".faults");
    ck_assert_int_ge(t.programs, 150);
    ck_assert_int_ge(t.fixes, 12);
}
END_TEST

START_TEST(programs) {
    Tally t = try_folder("tests/sema/programs", ".bm");
    ck_assert_int_ge(t.programs, 30);
    ck_assert_int_ge(t.fixes, 12);
}
END_TEST

START_TEST(syntax) {
    Tally t = try_folder("tests/syntax/errors", ".bm");
    ck_assert_int_ge(t.programs, 50);
    ck_assert_int_ge(t.fixes, 25);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fixes");
    TCase *tc = tcase_create("fixes");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, faults);
    tcase_add_test(tc, programs);
    tcase_add_test(tc, syntax);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
