/* C functions called from compiled code get the arrays that the reference evaluator shows them, and
 * what they write arrives: operands in buffers, behind views, inside loops; gradients too. */
#include "tests/codegen/program_compare.h"
#include <math.h>

static int64_t elements(const BmrtExternArray *a) {
    int64_t n = 1;
    for (uint32_t i = 0; i < a->rank; i++) n *= a->dims[i];
    return n;
}

/* x / (1 + |x|) */
static void softsign(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out) {
    const float *x = in[0].data;
    float *y = out[0].data;
    ck_assert_uint_eq(in_count, 1);
    ck_assert_uint_eq(in[0].dtype, BMRT_F32);
    ck_assert_int_eq(elements(&in[0]), elements(&out[0]));
    for (int64_t i = 0; i < elements(&in[0]); i++) y[i] = x[i] / (1 + fabsf(x[i]));
}

static void softsign_grad(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out) {
    const float *x = in[0].data, *y = in[1].data, *g = in[2].data;
    float *dx = out[0].data;
    ck_assert_uint_eq(in_count, 3);
    for (int64_t i = 0; i < elements(&in[0]); i++) {
        float k = 1 + fabsf(x[i]);
        dx[i] = g[i] / (k * k) + 0 * y[i];
    }
}

/* y[b, o] = sum_i x[b, i] w[o, i] * scale, for pick[b] != 0, else -1 */
static void mix(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out) {
    const float *x = in[0].data, *w = in[1].data, *scale = in[3].data;
    const int32_t *pick = in[2].data;
    float *y = out[0].data;
    int64_t rows = in[0].dims[0], n = in[0].dims[1], m = in[1].dims[0];
    ck_assert_uint_eq(in_count, 4);
    ck_assert_uint_eq(in[2].dtype, BMRT_I32);
    ck_assert_uint_eq(in[3].rank, 0);
    ck_assert_int_eq(out[0].dims[1], m);
    for (int64_t b = 0; b < rows; b++)
        for (int64_t o = 0; o < m; o++) {
            float sum = 0;
            for (int64_t i = 0; i < n; i++) sum += x[b * n + i] * w[o * n + i];
            y[b * m + o] = pick[b] ? sum * scale[0] : -1;
        }
}

/* Of x, w and scale: `pick` is no float. */
static void mix_grad(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out) {
    const float *x = in[0].data, *w = in[1].data, *scale = in[3].data, *g = in[5].data;
    const int32_t *pick = in[2].data;
    float *dx = out[0].data, *dw = out[1].data, *ds = out[2].data;
    int64_t rows = in[0].dims[0], n = in[0].dims[1], m = in[1].dims[0];
    ck_assert_uint_eq(in_count, 6);
    ck_assert_int_eq(out[1].dims[0], m);
    ck_assert_uint_eq(out[2].rank, 0);
    for (int64_t i = 0; i < rows * n; i++) dx[i] = 0;
    for (int64_t i = 0; i < m * n; i++) dw[i] = 0;
    ds[0] = 0;
    for (int64_t b = 0; b < rows; b++)
        for (int64_t o = 0; pick[b] && o < m; o++)
            for (int64_t i = 0; i < n; i++) {
                dx[b * n + i] += g[b * m + o] * w[o * n + i] * scale[0];
                dw[o * n + i] += g[b * m + o] * x[b * n + i] * scale[0];
                ds[0] += g[b * m + o] * x[b * n + i] * w[o * n + i];
            }
}

/* All elements are above the limit. */
static void above(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out) {
    const double *x = in[0].data;
    bool *y = out[0].data;
    ck_assert_uint_eq(in_count, 2);
    ck_assert_uint_eq(in[0].dtype, BMRT_F64);
    ck_assert_uint_eq(out[0].dtype, BMRT_BOOL);
    for (int64_t i = 0; i < elements(&in[0]); i++)
        y[i] = x[i] > (double)((const int64_t *)in[1].data)[0];
}

static BmrtExternFn find(void *user, const char *name, const char **missing) {
    static const struct {
        const char *name;
        BmrtExternFn call;
    } functions[] = {{"softsign", softsign},
                     {"softsign_grad", softsign_grad},
                     {"mix", mix},
                     {"mix_grad", mix_grad},
                     {"above", above}};
    (void)user;
    (void)missing;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strcmp(functions[i].name, name) == 0) return functions[i].call;
    return NULL;
}

#define SOFTSIGN "extern fn softsign(x[...]) -> [...] grad softsign_grad\n"
#define MIX      "extern fn mix(x[B, n], w[m, n], pick[B]: i32, scale: f32) -> [B, m] grad mix_grad\n"
static const char *const programs[] = {
    SOFTSIGN "export fn f(x[B, 3]) = softsign(x)\n",
    SOFTSIGN "export fn f(x[B, 3]) = 2 * softsign(x.T + 1) - 1\n"
             "export fn g(x[B, 3]) = grad(sum(x * softsign(x * x)), x)\n",
    SOFTSIGN "export fn views(x[B, 6]) = sum(softsign(reshape(x, [B, 2, 3])[:, 1, :]), axis = 1)\n"
             "export fn number(x[B, 6]) = softsign(mean(x))\n"
             "export fn twice(x[B, 6]) = softsign(softsign(x))\n"
             "export fn both(x[B, 6]) -> ([B, 6], [B, 6]) {\n  y = softsign(x)\n  return y, y\n}\n",
    MIX "export fn f(x[B, 4], w[5, 4], p[B]: i32) = mix(x, w, p, 0.5)\n"
        "export fn dx(x[B, 4], w[5, 4], p[B]: i32) = grad(sum(mix(x, w, p, 0.5) * 3), x)\n"
        "export fn dw(x[B, 4], w[5, 4], p[B]: i32) = grad(sum(exp(0.1 * mix(x, w, p, 2))), w)\n"
        "export fn ds(x[B, 4], w[5, 4], p[B]: i32) = grad(sum(mix(x, w, p, mean(x))), x)\n",
    "extern fn above(x[B, n]: f64, limit: i64) -> [B, n]: bool\n"
    "export fn f(x[B, 3]) = select(above(f64(x), 0), x, -x)\n",
    SOFTSIGN "fn walk(x[B, T, 3]) {\n"
             "  ys = scan v = x along 1 with h = zeros([B, 3]) {\n"
             "    h = softsign(v + 0.5 * h)\n    yield softsign(h)\n  }\n  return ys\n}\n"
             "export fn f(x[B, T, 3]) = walk(x)\n"
             "export fn direct(x[B, T, 3]) {\n"
             "  ys = scan v = x along 1 { yield softsign(v) }\n  return ys\n}\n"
             "export fn g(x[B, T, 3]) = grad(sum(walk(x) * walk(x)), x)\n",
    SOFTSIGN "model net(x[B, 3]) {\n  param w[4, 3] init glorot\n  return softsign(x @ w.T)\n}\n"
             "export fn f(x[B, 3]) = net(x)\n",
};

START_TEST(program_with_functions) {
    for (int64_t rows = 1; rows < 20; rows += 8) compare_externs("m.bm", programs[_i], rows, find);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("extern");
    TCase *tc = tcase_create("extern");
    tcase_add_loop_test(tc, program_with_functions, 0, sizeof programs / sizeof programs[0]);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
