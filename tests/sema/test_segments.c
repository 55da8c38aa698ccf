/* `checkpoint(scan ...)` in segments: gradients by captured values, which are sums over iterations,
 * segments and those left over, against central differences, and second derivatives against
 * differences of the first, in f64; a state written inside. By the reference evaluator. */
#include "tests/sema/machine.h"
#include <check.h>
#include <math.h>

#define PARS(T) "(u[3, 3]: f64, w[2, 3]: f64, x[4, " T ", 2]: f64, h0[4, 3]: f64)"
#define SOURCE(T)                                                                                  \
    "fn e" PARS(                                                                                   \
        T) " {\n"                                                                                  \
           "  y = checkpoint(scan xt = x along 1 with h = h0, s = 0 * h0 {\n"                      \
           "    h = tanh(h @ u + xt @ w)\n"                                                        \
           "    s = s + h * u[0, :]\n"                                                             \
           "    yield h * h\n"                                                                     \
           "  })\n"                                                                                \
           "  return sum(y) + sum(s * h)\n"                                                        \
           "}\n"                                                                                   \
           "fn de" PARS(                                                                           \
               T) " = grad(e(u, w, x, h0), u)\n"                                                   \
                  "export fn loss" PARS(                                                           \
                      T) " = e(u, w, x, h0)\n"                                                     \
                         "export fn g" PARS(                                                       \
                             T) " = de(u, w, x, h0)\n"                                             \
                                "export fn gw" PARS(                                               \
                                    T) " = grad(e(u, w, x, h0), w)\n"                              \
                                       "export fn slope" PARS(                                     \
                                           T) " = sum(de(u, w, x, h0) ^ 2)\n"                      \
                                              "export fn second" PARS(                             \
                                                  T) " = grad(sum(de(u, w, x, h0) ^ 2), u)\n"

static const char *const sources[] = {SOURCE("12"), SOURCE("11"), SOURCE("5"), SOURCE("2")};

typedef struct Operands {
    double u[9], w[6], x[4 * 12 * 2], h0[12];
    void *in[4];
} Operands;

static const double *run(Machine *m, const char *name, Operands *o, size_t *count) {
    Tensor *out = machine_run(m, name, 1, o->in);
    ck_assert_int_eq(out[0].dtype, DTYPE_F64);
    *count = tensor_count(&out[0]);
    return out[0].data;
}

static void check_slope(Machine *m, Operands *o, double *at, size_t count, const char *loss,
                        const char *slope) {
    size_t n, one;
    const double *got = run(m, slope, o, &n), step = 1e-5;
    ck_assert_uint_eq(n, count);
    for (size_t k = 0; k < n; k++) {
        double value = at[k];
        at[k] = value + step;
        double up = run(m, loss, o, &one)[0];
        at[k] = value - step;
        double want = (up - run(m, loss, o, &one)[0]) / (2 * step);
        at[k] = value;
        ck_assert_msg(fabs(got[k] - want) <= 1e-6 * (1 + fabs(want)), "%s %zu: %.12g, %.12g", slope,
                      k, got[k], want);
    }
}

START_TEST(differences) {
    Machine m = machine_open(sources[_i], NULL, 0);
    Operands o;
    for (int k = 0; k < 9; k++) o.u[k] = 0.15 * (k * 5 % 9) - 0.55;
    for (int k = 0; k < 6; k++) o.w[k] = 0.2 * (k * 5 % 6) - 0.45;
    for (int k = 0; k < 12; k++) o.h0[k] = 0.1 * (k * 7 % 12) - 0.5;
    for (int k = 0; k < 4 * 12 * 2; k++) o.x[k] = 0.02 * (k * 37 % 96) - 1;
    void *in[4] = {o.u, o.w, o.x, o.h0};
    memcpy(o.in, in, sizeof in);
    check_slope(&m, &o, o.u, 9, "loss", "g");
    check_slope(&m, &o, o.w, 6, "loss", "gw");
    check_slope(&m, &o, o.u, 9, "slope", "second");
    machine_close(&m);
}
END_TEST

/* A state that the block writes is a carry, of segments too: here it also counts. */
#define STATEFUL                                                                                   \
    "fn keep(y) = y\n"                                                                             \
    "layer acc(d: dim)(x[B, d]) -> [B, d] {\n"                                                     \
    "  state n[d] init zeros\n"                                                                    \
    "  n := 0.9 * n + sum(x, axis = 0)\n"                                                          \
    "  return x * (1 + n)\n"                                                                       \
    "}\n"                                                                                          \
    "model net(x[B, 11, 3]) -> [B, 3] {\n"                                                         \
    "  a = acc(3)\n"                                                                               \
    "  y = %s(scan xt = x along 1 with h = zeros([B, 3]) {\n"                                      \
    "    h = tanh(a(xt) + 0.5 * h) * random([B, 3])\n"                                             \
    "    yield h\n"                                                                                \
    "  })\n"                                                                                       \
    "  return h + sum(y, axis = 1)\n"                                                              \
    "}\n"                                                                                          \
    "export fn f(x[B, 11, 3]) = grad(sum(net(x) ^ 2), x)\n"

START_TEST(written_state) {
    char plain[1024], thin[1024];
    snprintf(plain, sizeof plain, STATEFUL, "keep");
    snprintf(thin, sizeof thin, STATEFUL, "checkpoint");
    Machine a = machine_open(plain, NULL, 0), b = machine_open(thin, NULL, 0);
    float x[2 * 11 * 3];
    for (int k = 0; k < 66; k++) x[k] = 0.03f * (float)(k * 29 % 66) - 1;
    void *in[1] = {x};
    for (int step = 0; step < 2; step++) {
        Tensor *want = machine_run(&a, "f", 2, in), *got = machine_run(&b, "f", 2, in);
        ck_assert_int_eq(memcmp(want[0].data, got[0].data, sizeof x), 0);
        ck_assert_uint_eq(a.p->slots.len, 1);
        ck_assert_int_eq(memcmp(a.slots[0].data, b.slots[0].data, 3 * sizeof(float)), 0);
        ck_assert(fabsf(((const float *)b.slots[0].data)[0]) > 1e-3f);
    }
    machine_close(&a);
    machine_close(&b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("segments");
    TCase *tc = tcase_create("segments");
    tcase_add_loop_test(tc, differences, 0, sizeof sources / sizeof *sources);
    tcase_add_test(tc, written_state);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
