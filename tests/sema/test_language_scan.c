/* Loops: what `scan` and `repeat` give, against results computed by hand. */
#include "tests/sema/machine.h"
#include <math.h>

/* x [2, 3] = 1 2 3 / 4 5 6, v [3] = 10 20 30 */
typedef struct Case {
    const char *source; /* statements of `export fn f`, `return` among them; items after a '|' */
    uint32_t count;
    double want[18];
} Case;

static const Case CASES[] = {
    /* carries */
    {"scan t = v along 0 with a = 0 { a = a + t }; return a", 1, {60}},
    {"y = scan t = v along 0 with a = 0 { a = a + t; yield a }; return y", 3, {10, 30, 60}},
    {"y = scan t = v along 0 with a = 0 { yield a; a = a + t }; return y", 3, {0, 10, 30}},
    {"y = scan t = v along 0 with a = 1, b = 1 { a, b = b, a + b; yield a }; return y",
     3,
     {1, 2, 3}},
    {"a = 100; scan t = v along 0 with a = a { a = a + t }; return a", 1, {160}},
    /* a name that is no carry is local */
    {"q = 7; y = scan t = v along 0 { q = t; yield q }; return q + y", 3, {17, 27, 37}},
    {"y = scan t = v along 0 with a = [0, 0] { a = a + [1, 2] * t; yield sum(a) }; return y",
     3,
     {30, 90, 180}},
    {"scan t = v along 0 with a = 0 { repeat 2 { a = a + t } }; return a", 1, {120}},
    {"scan t = v along 0 with a = zeros([2]) { if true { a = 3 } }; return a", 2, {3, 3}},
    /* axes */
    {"y = scan r = x along 0 { yield sum(r) }; return y", 2, {6, 15}},
    {"y = scan c = x along 1 { yield sum(c) }; return y", 3, {5, 7, 9}},
    {"y = scan c = x along -1 { yield c * 2 }; return y", 6, {2, 4, 6, 8, 10, 12}},
    {"y = scan c = x along P with a = zeros([2]) { a = a + c; yield a }; return y",
     6,
     {1, 3, 6, 4, 9, 15}},
    {"y = scan c = x, w = expand(v) along 1 { yield c * w }; return y",
     6,
     {10, 40, 90, 40, 100, 180}},
    /* positions, captured values, sizes */
    {"y = scan t = iota(4) along 0 { yield f32(t) * v[1] }; return y", 4, {0, 20, 40, 60}},
    {"y = scan t = iota(P) along 0 { yield v[t] - P }; return y", 3, {7, 17, 27}},
    /* tuples of yields */
    {"a, b = scan t = v along 0 with c = 0 { c = c + 1; yield t * 2, c }; return a + b",
     3,
     {21, 42, 63}},
    {"a, b = scan c = x along 1 { yield c, max(c) }; return a + b", 6, {5, 7, 9, 8, 10, 12}},
    /* a trip of 0 gives the first values */
    {"scan t = iota(0) along 0 with a = 5 { a = a + 1 }; return a", 1, {5}},
    /* loops in loops */
    {"y = scan r = x along 0 { s = 0\n scan e = r along 0 with s = s { s = s + e }\n yield s }\n"
     "return y",
     2,
     {6, 15}},
    {"y = scan r = x along 0 with a = 0 { z = scan e = r along 0 with a = a { a = a + e; yield a "
     "}\n yield z }\nreturn y",
     6,
     {1, 3, 6, 10, 15, 21}},
    {"y = scan r = iota(2) along 0 { z = scan e = iota(3) along 0 { yield 10 * r + e }; yield z }\n"
     "return f32(y)",
     6,
     {0, 1, 2, 10, 11, 12}},
    /* in functions */
    {"return running(v)|fn running(x[n]) -> [n] {\n y = scan t = x along 0 with a = 0 { a = a + t; "
     "yield a }\n return y }",
     3,
     {10, 30, 60}},
    {"return apply(t -> t * 2, v)|fn apply(f: fn, x[n]) -> [n] = scan t = x along 0 { yield f(t) }",
     3,
     {20, 40, 60}},
    /* gradients inside: of t^2 with respect to t, and of a captured value */
    {"y = scan t = v along 0 { yield grad(t * t, t) }; return y", 3, {20, 40, 60}},
    {"y = scan t = v along 0 { yield sum(grad(sum(x) * t, x)) }; return y", 3, {60, 120, 180}},
    /* through the loop: d sum(a_3) / dv, a_t = a_{t-1} * 2 + v_t */
    {"scan t = v along 0 with a = 0 { a = a * 2 + t }; return grad(a, v)", 3, {4, 2, 1}},
    {"k = sum(v) / 60; y = scan t = v along 0 with a = 1 { a = a * k; yield a }\n"
     "return grad(sum(y), v)",
     3,
     {0.1, 0.1, 0.1}},
    /* running totals */
    {"return cumsum(v)", 3, {10, 30, 60}},
    {"return cumsum(x, axis = 0)", 6, {1, 2, 3, 5, 7, 9}},
    {"return cumprod(x, -1)", 6, {1, 2, 6, 4, 20, 120}},
    {"return f32(cumsum(i32(x), 1))", 6, {1, 3, 6, 4, 9, 15}},
    {"return grad(sum(cumsum(v) * v), v)", 3, {70, 80, 90}},
    {"return grad(sum(cumprod(v)), v)", 3, {621, 310, 200}},
    /* repeat */
    {"y = repeat 3 as i { yield v[i] * 2 }; return y", 3, {20, 40, 60}},
    {"y = repeat 2 as i { a = x * (i + 1)\n yield a }; return y",
     12,
     {1, 2, 3, 4, 5, 6, 2, 4, 6, 8, 10, 12}},
    {"y = repeat [5, 7] as k { yield k }; return y * 1.0", 2, {5, 7}},
    {"a, b = repeat 2 as i { yield v[i], v }; return sum(a) + sum(b)", 1, {150}},
    {"y = repeat 2 as i { z = scan t = v along 0 { yield t * i }; yield z }; return y",
     6,
     {0, 0, 0, 10, 20, 30}},
};

static void check_case(const Case *c) {
    const char *bar = strchr(c->source, '|');
    size_t n = bar ? (size_t)(bar - c->source) : strlen(c->source);
    char *source = malloc(strlen(c->source) + 200);
    sprintf(source, "%s\nexport fn f(x[2, P], v[P]) {\n%.*s\n}\n", bar ? bar + 1 : "", (int)n,
            c->source);
    Machine m = machine_open(source, NULL, 0);
    const Graph *g = machine_entry(&m, "f")->graph;
    float x[6] = {1, 2, 3, 4, 5, 6}, v[3] = {10, 20, 30};
    void *inputs[2] = {NULL, NULL};
    for (uint32_t i = 0; i < g->inputs.len; i++)
        inputs[i] = strcmp(g->inputs.data[i].name->text, "x") == 0 ? x : v;
    Tensor *out = machine_run(&m, "f", 3, inputs);
    ck_assert_msg(tensor_count(&out[0]) == c->count, "%s: %zu elements", source,
                  tensor_count(&out[0]));
    for (uint32_t i = 0; i < c->count; i++) {
        double got = ((const float *)out[0].data)[i];
        ck_assert_msg(fabs(got - c->want[i]) <= 1e-6 * fabs(c->want[i]), "%s: [%u] is %g, not %g",
                      source, i, got, c->want[i]);
    }
    machine_close(&m);
    free(source);
}

START_TEST(values) {
    check_case(&CASES[_i]);
}
END_TEST

int main(void) {
    Suite *s = suite_create("scan");
    TCase *t = tcase_create("scan");
    tcase_add_loop_test(t, values, 0, sizeof CASES / sizeof *CASES);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
