/* `put` where the value takes the place of what it is put into (KV caches): only one position is
 * visited, and the bits are the reference evaluator's, also for positions outside, for readers of
 * the old value and of the new one, and for values that cannot stand in place. */
#include "program_compare.h"

static const char *const programs[] = {
    /* states: read after it was written; two of them at once; at computed; not in range */
    "layer cached(n: int)(k[B, d], v[B, d], at[]: i32) -> ([B, d], [B, n, d]) {\n"
    "  state keys[4, n, d] init ones\n"
    "  state values[4, n, d] init zeros\n"
    "  keys := put(keys, at % 20, k, axis = 1)\n"
    "  values := put(values, at % 20, v, axis = 1)\n"
    "  return sum(keys * values, axis = 1), values\n"
    "}\n"
    "model net(k[B, 5], v[B, 5], at[]: i32) = cached(16)(k, v, at)\n"
    "export fn one(k[4, 5], v[4, 5], at: i32) = net(k, v, at)\n"
    "export fn low(k[4, 5], v[4, 5], at: i32) = net(k, v, at - 100)\n"
    "export fn huge(k[4, 5], v[4, 5], at: i32) = net(k, v, 2147483647 - at)\n",
    /* the first and the last axis; wide types; many rows */
    "layer first(n: int)(v[d], at[]: i32) -> [n, d] {\n"
    "  state rows[n, d] init ones\n"
    "  state columns[d, n]: f64 init zeros\n"
    "  state marks[70, n]: i32 init zeros\n"
    "  rows := put(rows, at % 9, v, axis = 0)\n"
    "  columns := put(columns, at % 9, f64(v), axis = 1)\n"
    "  marks := put(marks, (at + 3) % 9, i32(iota(70)), axis = 1)\n"
    "  return rows + f32(columns.T) + f32(sum(marks))\n"
    "}\n"
    "model net(v[33], at[]: i32) = first(9)(v, at)\n"
    "export fn one(v[33], at: i32) -> [9, 33] = net(v, at)\n",
    /* the old value is wanted too, after and as an output; a swap of two caches */
    "layer pair(n: int)(k[d], at[]: i32) -> ([n, d], [n, d], [d]) {\n"
    "  state a[n, d] init ones\n"
    "  state b[n, d] init zeros\n"
    "  old = a\n"
    "  a := put(a, at % n, k, axis = 0)\n"
    "  other = b\n"
    "  b := put(old, (at + 1) % n, k * 2, axis = 0)\n"
    "  return old, a + other, sum(old * a, axis = 0)\n"
    "}\n"
    "model net(k[6], at[]: i32) = pair(8)(k, at)\n"
    "export fn one(k[6], at: i32) = net(k, at)\n",
    /* carries of a loop, as a cached decoder writes them; one whose size only a run knows */
    "export fn decode(x[B, 12, 8]) -> [B, 12, 8] {\n"
    "  y = scan xt = x along 1 with keys = zeros([B, 12, 8]), values = zeros([B, 12, 8]), t = "
    "i32(0) {\n"
    "    keys = put(keys, t, xt * 2, axis = 1)\n"
    "    values = put(values, t, xt, axis = 1)\n"
    "    past[b, j] = sum[c](keys[b, j, c] * xt[b, c])\n"
    "    o[b, c] = sum[j](past[b, j] * values[b, j, c])\n"
    "    t = t + 1\n"
    "    yield o\n"
    "  }\n"
    "  return y\n"
    "}\n"
    "export fn ragged(x[B, T]) -> [B, T] {\n"
    "  y = scan xt = x along 1 with kept = zeros([B, T]), t = i32(0) {\n"
    "    kept = put(kept, t - 1, xt, axis = 1)\n"
    "    t = t + 1\n"
    "    yield sum(kept, axis = 1)\n"
    "  }\n"
    "  return y\n"
    "}\n"
    "export fn history(x[B, 6]) -> ([B, 6, 6], [B, 6]) {\n"
    "  all = scan xt = x along 1 with kept = x {\n"
    "    kept = put(kept, i32(xt[0] * 3), xt, axis = 1)\n"
    "    yield kept\n"
    "  }\n"
    "  return all, kept\n"
    "}\n",
};

START_TEST(same_bits) {
    static const int64_t rows[] = {1, 3, 17, 40};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        compare_program("put.bm", programs[_i], rows[i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_put");
    TCase *c = tcase_create("put");
    tcase_add_loop_test(c, same_bits, 0, sizeof programs / sizeof *programs);
    tcase_set_timeout(c, 600);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
