/* Whole programs, from their text to machine code: every entry of tests/sema/programs gives the
 * reference evaluator's bits. BMC_PROGRAM=X.bm BMC_ROWS=3 in the environment compares that one
 * program instead (3: every size known only at run time, but T). */
#include "tests/codegen/program_compare.h"

static char *read_program(const char *path) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    char *text = calloc(1, 1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    ck_assert_uint_gt(n, 0);
    return text;
}

static const char *const PROGRAMS[] = {BMC_SOURCE_DIR "/tests/sema/programs/tiny.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/gan.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/rich.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/expressions.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/outer_values.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/named_models.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/order.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/sizes.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/effects.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/settings.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/bundles_in_loops.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/conv.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/data_block.bm",
                                       BMC_SOURCE_DIR "/examples/linear_regression/linreg.bm",
                                       BMC_SOURCE_DIR "/examples/tabular/churn.bm",
                                       BMC_SOURCE_DIR "/examples/q_learning/model.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/show.bm"};

START_TEST(programs) {
    const char *one = getenv("BMC_PROGRAM"), *rows = getenv("BMC_ROWS");
    if (one && _i > 0) return;
    const char *path = one ? one : PROGRAMS[_i];
    char *text = read_program(path);
    compare_program(path, text, rows ? atoll(rows) : 3); /* 3: within every batch of these files */
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("programs");
    TCase *tc = tcase_create("programs");
    tcase_add_loop_test(tc, programs, 0, sizeof PROGRAMS / sizeof *PROGRAMS);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
