/* Index notation and the tensor functions: two ways to say one thing agree, and first and second
 * derivatives agree with differences. In f64, by the reference evaluator. */
#include "tests/kit/tensor_cases.h"
#include "tests/sema/machine.h"
#include <math.h>

enum { ROWS = 3, X_COUNT = ROWS * 6 };

typedef struct Operands {
    double x[X_COUNT], v[3], m[16], t[ROWS * 20];
    int32_t i[ROWS];
    void *in[5];
} Operands;

static void operands(Operands *o) {
    static const double v[3] = {0.5, -1.25, 2};
    static const int32_t i[ROWS] = {2, 0, 1};
    for (int k = 0; k < X_COUNT; k++) o->x[k] = 0.3 + 0.11 * (k * 7 % X_COUNT);
    for (int k = 0; k < 16; k++) o->m[k] = 0.25 * (k * 5 % 16) - 1.7;
    for (int k = 0; k < ROWS * 20; k++) o->t[k] = 0.1 * (k * 11 % (ROWS * 20)) - 1.9;
    memcpy(o->v, v, sizeof v);
    memcpy(o->i, i, sizeof i);
    void *in[5] = {o->x, o->v, o->m, o->t, o->i};
    memcpy(o->in, in, sizeof in);
}

static const double *run(Machine *m, const char *name, Operands *o, size_t *count) {
    Tensor *out = machine_run(m, name, ROWS, o->in);
    ck_assert_int_eq(out[0].dtype, DTYPE_F64);
    ck_assert_uint_eq(m->flags, 0);
    *count = tensor_count(&out[0]);
    return out[0].data;
}

static void agree(const char *what, const TensorCase *c, const double *a, const double *b, size_t n,
                  double eps) {
    for (size_t k = 0; k < n; k++)
        ck_assert_msg(fabs(a[k] - b[k]) <= eps * (1 + fabs(b[k])),
                      "%s\n%s element %zu: %.12g, %.12g", c->body, what, k, a[k], b[k]);
}

/* d loss / dx by central differences against what `slope` says. */
static void check_slope(Machine *m, const TensorCase *c, Operands *o, const char *loss,
                        const char *slope) {
    size_t n;
    const double *got = run(m, slope, o, &n), step = 1e-5;
    double want[X_COUNT];
    ck_assert_uint_eq(n, X_COUNT);
    for (int k = 0; k < X_COUNT; k++) {
        double at = o->x[k];
        o->x[k] = at + step;
        double up = run(m, loss, o, &n)[0];
        o->x[k] = at - step;
        want[k] = (up - run(m, loss, o, &n)[0]) / (2 * step);
        o->x[k] = at;
    }
    agree(slope, c, got, want, X_COUNT, 2e-6);
}

START_TEST(tensor_case) {
    const TensorCase *c = &TENSOR_CASES[_i];
    char source[4096];
    tensor_case_source(source, sizeof source, c, "f64", true);
    Machine m = machine_open(source, NULL, 0);
    Operands o;
    operands(&o);
    size_t n, same_n;
    const double *got = run(&m, "f", &o, &n);
    if (c->same) {
        const double *want = run(&m, "same", &o, &same_n);
        ck_assert_msg(n == same_n, "%s: %zu elements, not %zu", c->body, n, same_n);
        agree("value", c, got, want, n, 1e-13);
    }
    if (c->smooth) {
        check_slope(&m, c, &o, "loss", "g");
        check_slope(&m, c, &o, "slope", "h");
    }
    machine_close(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tensors");
    TCase *tc = tcase_create("tensors");
    tcase_add_loop_test(tc, tensor_case, 0, TENSOR_CASE_COUNT);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
