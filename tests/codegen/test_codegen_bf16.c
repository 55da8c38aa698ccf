/* `precision: bf16`: contractions whose operands are stored in two bytes, in every way that they go
 * through the schedule (panels, blocks turned, few rows, windows, loops, attention), compiled and
 * compared with the reference evaluator bit for bit: for 1, 2, 3 and 7 threads, AVX-512 and
 * x86-64-v3. What is stored, and that gradients stay close to those of f32, is tested too. */
#include "tests/codegen/program_entry.h"
#include <math.h>

typedef struct Case {
    const char *why, *text;
} Case;

#define PRODUCT(m, n, k)                                                                           \
    "export fn forward" #m "_" #n "_" #k "(x[" #m ", " #k "], w[" #k ", " #n "]) -> [" #m ", " #n  \
    "] = x @ w\n"
#define BY_X(m, n, k)                                                                              \
    "export fn dx" #m "_" #n "_" #k "(dy[" #m ", " #n "], w[" #k ", " #n "]) -> [" #m ", " #k      \
    "] = dy @ w.T\n"
#define BY_W(m, n, k)                                                                              \
    "export fn dw" #m "_" #n "_" #k "(x[" #m ", " #k "], dy[" #m ", " #n "]) -> [" #k ", " #n      \
    "] = x.T @ dy\n"
#define ALL(m, n, k) PRODUCT(m, n, k) BY_X(m, n, k) BY_W(m, n, k)

static const Case CASES[] = {
    {"off every tile", ALL(37, 53, 29)},
    {"rows left of tiles, columns left of panels", ALL(100, 100, 100)},
    {"a turned copy larger than the second-level cache", BY_X(19, 130, 800)},
    {"columns copied in panels", PRODUCT(67, 530, 130)},
    {"rows copied in panels", BY_W(520, 70, 72)},
    {"blocks of k", BY_W(1100, 96, 104) BY_W(4500, 30, 40)},
    {"panels and two chunks", BY_X(20, 4200, 40)},
    {"few rows", PRODUCT(1, 530, 70) PRODUCT(3, 515, 70) PRODUCT(12, 100, 70)},
    {"few rows, blocks turned on the way", BY_X(1, 75, 50) BY_X(3, 70, 130) BY_X(12, 64, 100)},
    {"few columns", ALL(70, 1, 90) ALL(40, 10, 24)},
    {"what is a byte needs no rounding",
     "export fn f(x[20, 40]: u8, w[40, 30]) -> [20, 30] = f32(x) @ w\n"},
    {"an epilogue, views, an operand that is used as it is too",
     "export fn f(x[40, 100], w[60, 100], b[60]) -> [40, 60] = relu(x[:, 10:90] @ w[:, 10:90].T + "
     "b) + x[:, 40:] @ (w[:, 40:] * w[:, 40:])\n"},
    {"a batch of any size",
     "export fn f(x[B, 50], w[30, 50], v[50, 30]) -> [B, 30] = x @ w.T + x @ v\n"},
    {"a column more than whole vectors, narrow elements (LLVM stores four bytes of one lane)",
     "export fn f(x[19, 20], w[20, 33]) -> ([19, 33]: bf16, [19, 33]: u8, [19, 33]: i16) {\n"
     "  y = x @ w\n  return bf16(y), u8(y), i16(y)\n}\n"},
    {"a perceptron's step",
     "model net(x[B, 70]) -> [B, 5] = x |> dense(96, relu) |> dropout(0.2) |> dense(33, gelu) |> "
     "dense(5)\n"
     "train {\n  batch: 32\n  steps: 2\n  step(x[B, 70], y[B]: i32) {\n"
     "    minimize cross_entropy(net(x), y) over net with adam(0.01)\n  }\n}\n"},
    {"convolutions, strides, depthwise, pooling",
     "model net(x[B, 12, 12, 3]) -> [B, 4] {\n"
     "  x = x |> conv2d(16, 3, pad = 1) |> batchnorm |> relu |> maxpool(2)\n"
     "  x = x |> conv2d(24, 3, stride = 2, act = relu) |> flatten\n"
     "  return x |> dense(4)\n}\n"
     "train {\n  batch: 32\n  steps: 2\n  step(x[B, 12, 12, 3], y[B]: i32) {\n"
     "    minimize cross_entropy(net(x), y) over net with sgd(0.01)\n  }\n}\n"},
    {"a recurrent layer",
     "model net(x[B, T, 10]) -> [B, 4] = x |> lstm(24) |> mean(axis = 1) |> dense(4)\n"
     "train {\n  batch: 32\n  steps: 2\n  step(x[B, 7, 10], y[B]: i32) {\n"
     "    minimize cross_entropy(net(x), y) over net with sgd(0.01)\n  }\n}\n"},
    {"attention",
     "model net(x[B, T, 32]) -> [B, T, 32] = x |> layernorm |> multihead(2, causal = true)\n"
     "train {\n  batch: 32\n  steps: 2\n  step(x[B, 37, 32]) {\n"
     "    minimize mse(net(x), x) over net with sgd(0.01)\n  }\n}\n"},
};

START_TEST(compiled_equals_reference) {
    compare_text(CASES[_i].why, CASES[_i].text, 19, NULL, true, NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bf16");
    TCase *tc = tcase_create("bf16");
    tcase_add_loop_test(tc, compiled_equals_reference, 0, sizeof CASES / sizeof *CASES);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
