/* Golden files: tests/sema/programs/NAME.bm against NAME.out (the elaborated program) or NAME.err
 * (its diagnostics). BMC_BLESS=1 writes them anew. */
#include "tests/sema/dump.h"
#include <check.h>
#include <dirent.h>

static char *dump_file(const char *path, const char *shown, bool *ok) {
    size_t len;
    char *text = read_text(path, &len);
    if (!text) return NULL;
    Context *ctx = context_create();
    SemaOptions options = {.stem = "model", .roots = SEMA_ALL};
    Program *p = elaborate_text(ctx, shown, text, &options);
    Text out = {.arena = ctx->arena};
    dump_diags(ctx, &out);
    if (p) dump_program(p, &out, 1);
    *ok = p != NULL;
    char *result = strdup(text_str(&out));
    context_destroy(ctx);
    free(text);
    return result;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}
static int is_program(const struct dirent *e) {
    size_t n = strlen(e->d_name);
    return n > 3 && strcmp(e->d_name + n - 3, ".bm") == 0;
}

static const char *const FOLDER = BMC_SOURCE_DIR "/tests/sema/programs";

static void compare(const char *golden, const char *got) {
    size_t len;
    if (getenv("BMC_BLESS")) {
        FILE *f = fopen(golden, "wb");
        ck_assert_ptr_nonnull(f);
        fputs(got, f);
        fclose(f);
        return;
    }
    char *want = read_text(golden, &len);
    ck_assert_msg(want != NULL, "%s is missing; got\n%s", golden, got);
    ck_assert_msg(strcmp(want, got) == 0, "%s differs; got\n%s", golden, got);
    free(want);
}

START_TEST(goldens) {
    struct dirent **names;
    int n = scandir(FOLDER, &names, is_program, by_name);
    ck_assert_int_gt(n, 0);
    for (int i = 0; i < n; i++) {
        char path[1024], golden[1024];
        bool ok;
        int stem = (int)strlen(names[i]->d_name) - 3;
        snprintf(path, sizeof path, "%s/%s", FOLDER, names[i]->d_name);
        char *got = dump_file(path, names[i]->d_name, &ok);
        ck_assert_ptr_nonnull(got);
        snprintf(golden, sizeof golden, "%s/%.*s.%s", FOLDER, stem, names[i]->d_name,
                 ok ? "out" : "err");
        compare(golden, got);
        free(got);
        free(names[i]);
    }
    free(names);
}
END_TEST

int main(int argc, char **argv) {
    if (argc > 1) { /* by hand: print what sema makes of a file */
        bool ok;
        char *got = dump_file(argv[1], argv[1], &ok);
        if (got) fputs(got, stdout);
        free(got);
        return ok ? 0 : 1;
    }
    Suite *suite = suite_create("sema");
    TCase *tc = tcase_create("goldens");
    tcase_add_test(tc, goldens);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
