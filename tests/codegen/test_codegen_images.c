/* Training steps over so many images that sums go in blocks by all threads, and kernels in strips:
 * compiled with several numbers of threads and processors, against the reference evaluator. */
#include "tests/codegen/program_compare.h"

/* Stride, dilation, groups, margins of unequal size; pooling; statistics over all positions. */
static const char *const PROGRAMS[] = {
    "model net(x[B, 21, 20, 3]) -> [B, 4] {\n"
    "  h = x |> conv2d(16, bias = false) |> batchnorm |> relu\n"
    "  h = relu(h + (h |> conv2d(16, bias = false) |> batchnorm))\n"
    "  return h |> conv2d(5, stride = 2, pad = [[0, 1], [2, 1]]) |> global_avgpool |> dense(4)\n"
    "}\n",
    "model net(x[B, 22, 21, 4]) -> [B, 4] {\n"
    "  h = x |> conv2d(18, pad = \"valid\", act = relu) |> conv2d(20, k = 3, dilation = 2, act = "
    "relu)\n"
    "  return h |> maxpool(2) |> flatten |> dense(4)\n"
    "}\n",
    "model net(x[B, 20, 24, 6]) -> [B, 4] {\n"
    "  h = x |> conv2d(12, groups = 3, act = relu) |> conv2d(12, groups = 12, k = 5) |> batchnorm\n"
    "  return h |> avgpool(3, stride = 2) |> flatten |> dense(4)\n"
    "}\n"};
static const char *const SIZES[] = {"21, 20, 3", "22, 21, 4", "20, 24, 6"};
static const int64_t ROWS[] = {45, 39, 41};

START_TEST(images) {
    char text[2048];
    snprintf(text, sizeof text,
             "%s\ntrain {\n  batch: 48\n  steps: 2\n  step(x[B, %s], y[B]: i32) {\n"
             "    minimize cross_entropy(net(x), y) over net with sgd(lr = 0.05, momentum = 0.9)\n"
             "  }\n}\n",
             PROGRAMS[_i], SIZES[_i]);
    compare_program("images", text, ROWS[_i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("images");
    TCase *tc = tcase_create("images");
    tcase_add_loop_test(tc, images, 0, sizeof PROGRAMS / sizeof *PROGRAMS);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
