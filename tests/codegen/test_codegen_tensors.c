/* Index notation and the tensor functions, compiled: values, first and second derivatives have the
 * reference evaluator's bits. */
#include "tests/codegen/program_compare.h"
#include "tests/kit/tensor_cases.h"

START_TEST(tensor_case) {
    char source[4096];
    tensor_case_source(source, sizeof source, &TENSOR_CASES[_i], "f32", false);
    compare_program("case.bm", source, 2 + _i % 5);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tensors");
    TCase *tc = tcase_create("tensors");
    tcase_add_loop_test(tc, tensor_case, 0, TENSOR_CASE_COUNT);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
