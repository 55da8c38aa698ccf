/* Matrix products of the shapes that take different ways through the schedule (panels, blocks of k
 * and of rows, blocks turned on the way, few rows, few columns), compiled and compared with the
 * reference evaluator bit for bit: for 1, 2, 3 and 7 threads, AVX-512 and x86-64-v3. */
#include "tests/codegen/program_compare.h"

typedef struct Case {
    const char *why, *text;
} Case;

#define PRODUCT(m, n, k, type)                                                                     \
    "export fn forward" #m "_" #n "_" #k "(x[" #m ", " #k "]" type ", w[" #k ", " #n "]" type      \
    ") -> [" #m ", " #n "]" type " = x @ w\n"
#define BY_X(m, n, k, type)                                                                        \
    "export fn dx" #m "_" #n "_" #k "(dy[" #m ", " #n "]" type ", w[" #k ", " #n "]" type          \
    ") -> [" #m ", " #k "]" type " = dy @ w.T\n"
#define BY_W(m, n, k, type)                                                                        \
    "export fn dw" #m "_" #n "_" #k "(x[" #m ", " #k "]" type ", dy[" #m ", " #n "]" type          \
    ") -> [" #k ", " #n "]" type " = x.T @ dy\n"
#define ALL(m, n, k, type) PRODUCT(m, n, k, type) BY_X(m, n, k, type) BY_W(m, n, k, type)

static const Case CASES[] = {
    {"off every tile", ALL(37, 53, 29, "")},
    {"rows left of tiles, columns left of panels", ALL(100, 100, 100, "")},
    {"one element past", ALL(17, 33, 65, "")},
    {"f64", ALL(21, 35, 19, ": f64")},
    {"i32", "export fn nt(x[21, 40]: i32, w[70, 40]: i32) -> [21, 70]: i32 {\n"
            "  y[i, j] = sum[k](x[i, k] * w[j, k])\n  return y\n}\n"
            "export fn tn(x[40, 21]: i32, w[40, 70]: i32) -> [21, 70]: i32 {\n"
            "  y[i, j] = sum[k](x[k, i] * w[k, j])\n  return y\n}\n"},
    {"bf16", ALL(21, 70, 40, ": bf16")},
    {"a turned copy larger than the second-level cache", BY_X(19, 130, 800, "")},
    {"columns copied in panels", PRODUCT(67, 530, 130, "")},
    {"rows copied in panels", BY_W(520, 70, 72, "")},
    {"blocks of k in one chunk", BY_W(1100, 96, 104, "")},
    {"blocks of k in two chunks", BY_W(4500, 30, 40, "")},
    {"panels and two chunks", BY_X(20, 4200, 40, "")},
    {"short k over many columns", PRODUCT(101, 260, 48, "")},
    {"few rows", PRODUCT(1, 530, 70, "") PRODUCT(3, 515, 70, "") PRODUCT(12, 100, 70, "")},
    {"few rows, blocks turned on the way", BY_X(1, 75, 50, "") BY_X(3, 70, 130, "")},
    {"the same, wider than a tile", BY_X(1, 100, 200, "") BY_X(12, 64, 100, "")},
    {"the same, two chunks", BY_X(2, 4200, 40, "")},
    {"few columns", ALL(70, 1, 90, "") ALL(70, 3, 90, "") ALL(40, 10, 24, "")},
    {"short k", ALL(40, 40, 1, "") ALL(40, 70, 2, "")},
    {"strided heads", "export fn pv(x[3, 4, 20, 24], w[3, 24, 4, 18]) -> [3, 20, 4, 18] {\n"
                      "  y[b, m, h, n] = sum[k](x[b, h, m, k] * w[b, k, h, n])\n  return y\n}\n"
                      "export fn qk(dy[3, 20, 4, 18], w[3, 24, 4, 18]) -> [3, 4, 20, 24] {\n"
                      "  y[b, h, m, k] = sum[n](dy[b, m, h, n] * w[b, k, h, n])\n  return y\n}\n"
                      "export fn pd(x[3, 4, 20, 24], dy[3, 20, 4, 18]) -> [3, 24, 4, 18] {\n"
                      "  y[b, k, h, n] = sum[m](x[b, h, m, k] * dy[b, m, h, n])\n  return y\n}\n"},
    {"an epilogue, and an operand that is a view",
     "export fn f(x[40, 100], w[60, 100], b[60]) -> [40, 60] = relu(x[:, 10:90] @ w[:, 10:90].T + "
     "b)\n"},
    {"a batch of any size",
     "export fn f(x[B, 50], w[30, 50], v[50, 30]) -> [B, 30] = x @ w.T + x @ v\n"},
};

START_TEST(compiled_equals_reference) {
    compare_program(CASES[_i].why, CASES[_i].text, 19);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gemm");
    TCase *tc = tcase_create("gemm");
    tcase_add_loop_test(tc, compiled_equals_reference, 0, sizeof CASES / sizeof *CASES);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
