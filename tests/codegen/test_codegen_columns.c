/* Sums down the columns of a matrix give the evaluator's bits: columns that fill panels, vectors or
 * neither, rows that fill the lanes or not, several blocks, operands computed on the way, and what
 * follows the sum. */
#include "tests/codegen/program_entry.h"

/* The bound of B is 256 rows; only operands of 4 MiB at the bound take this way. */
static const char *const programs[] = {
    "export fn f(x[B, 4096]) -> [4096] = sum(x, axis = 0)\n",
    "export fn f(x[B, 4100]) -> [4100] = tanh(sum(x, axis = 0))\n",
    "export fn f(x[B, 4161], y[B, 4161]) -> [4161] = sum(tanh(x) + y, axis = 0) / 3\n",
    "export fn f(x[B, 48, 144], w[144]) -> [144] = w - 0.1 * sum(x, axis = [0, 1])\n",
    "export fn f(x[B, 121, 34]) -> [34] = sum(x, axis = [0, 1])\n",
    "export fn f(x[5003, 210]) -> [210] = sum(x, axis = 0)\n",
    "export fn f(x[4099, 256]) -> [256] = sum(x, axis = 0)\n",
    "export fn f(x[B, 2080]: f64) -> [2080]: f64 = sum(x, axis = 0)\n",
    "export fn f(x[B, 4130]: i32) -> [4130]: i32 = sum(x, axis = 0)\n",
    "model m(x[B, 40]) -> [B, 4112] = x |> dense(4112, tanh)\n"
    "export fn f(x[B, 40]) -> [4112] {\n"
    "  y = m(x)\n"
    "  return grad(sum(y * y), m.dense1.b)\n"
    "}\n"};

START_TEST(same_bits) {
    static const int64_t rows[] = {1, 16, 23, 64};
    for (int i = 0; i < 4; i++) compare_program("columns", programs[_i], rows[i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen columns");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, same_bits, 0, sizeof programs / sizeof *programs);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
