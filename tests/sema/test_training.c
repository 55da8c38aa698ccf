/* Programs that run: training by the reference evaluator reaches what mathematics says. */
#include "tests/sema/machine.h"
#include <math.h>

/* ------------------------------------------------------------------ linear regression */

START_TEST(own_loss_and_optimizer_reach_least_squares) {
    Machine m = machine_open("model line(x[B, n]) -> [B] {\n"
                             "  param w[n] init zeros\n"
                             "  param b init zeros\n"
                             "  return x @ w + b\n"
                             "}\n"
                             "fn my_mse(p[B], y[B]) -> [] {\n"
                             "  e[i] = (p[i] - y[i])^2\n"
                             "  return sum[i](e[i]) / B\n"
                             "}\n"
                             "optimizer descend(lr: num)(w[...], g[...]) { w := w - lr * g }\n"
                             "train {\n"
                             "  step(x[B, 2], y[B]) {\n"
                             "    loss = my_mse(line(x), y)\n"
                             "    descend(0.2)(line, grad(loss, line))\n"
                             "    metric loss = loss\n"
                             "  }\n"
                             "}\n",
                             NULL, 0);
    float x[12] = {0, 1, 1, 0, 1, 1, -1, 0.5f, 0.25f, -1, 2, 0}, y[6];
    for (int i = 0; i < 6; i++) y[i] = 3 * x[2 * i] - 2 * x[2 * i + 1] + 0.5f;
    void *in[2] = {x, y};
    machine_run(&m, "init", 6, NULL);
    float loss = 0;
    for (int i = 0; i < 2000; i++) loss = scalar(machine_run(&m, "step", 6, in));
    near(loss, 0, 1e-9);
    near(machine_slot(&m, "line.w")[0], 3, 1e-4);
    near(machine_slot(&m, "line.w")[1], -2, 1e-4);
    near(machine_slot(&m, "line.b")[0], 0.5, 1e-4);
    machine_close(&m);
}
END_TEST

/* ------------------------------------------------------------------ optimizers */

/* loss = sum(c w + w^2 / 2), so g = c + w: a trajectory that can be followed in doubles. */
static const char *const BOWL = "model m(c[n]) -> [] {\n"
                                "  param w[3] init 0.5\n"
                                "  return sum(c * w + w * w / 2)\n"
                                "}\n"
                                "train {\n"
                                "  step(c[3]) {\n"
                                "    loss = m(c)\n"
                                "    minimize loss over m with RULE\n"
                                "    metric loss = loss\n"
                                "  }\n"
                                "}\n";

typedef void (*Rule)(double *w, double g, double *a, double *b, int t);
static void follow(const char *rule, Rule reference, double eps) {
    char source[1024];
    const char *at = strstr(BOWL, "RULE");
    snprintf(source, sizeof source, "%.*s%s%s", (int)(at - BOWL), BOWL, rule, at + 4);
    Machine m = machine_open(source, NULL, 0);
    float c[3] = {1, -2, 0.01f};
    double w[3] = {0.5, 0.5, 0.5}, a[3] = {0}, b[3] = {0};
    void *in[1] = {c};
    machine_run(&m, "init", 3, NULL);
    for (int t = 1; t <= 25; t++) {
        machine_run(&m, "step", 3, in);
        for (int i = 0; i < 3; i++) reference(&w[i], (double)c[i] + w[i], &a[i], &b[i], t);
        for (int i = 0; i < 3; i++) near(machine_slot(&m, "m.w")[i], w[i], eps);
    }
    machine_close(&m);
}

static void sgd_plain(double *w, double g, double *a, double *b, int t) {
    (void)a, (void)b, (void)t;
    *w -= 0.1 * g;
}
static void sgd_full(double *w, double g, double *v, double *b, int t) {
    (void)b, (void)t;
    double d = g + 0.01 * *w;
    *v = 0.9 * *v + d;
    *w -= 0.05 * (d + 0.9 * *v);
}
static void adam_rule(double *w, double g, double *m, double *v, int t) {
    *m = 0.9 * *m + 0.1 * g;
    *v = 0.999 * *v + 0.001 * g * g;
    *w -= 0.02 / (1 - pow(0.9, t)) * *m / (sqrt(*v) / sqrt(1 - pow(0.999, t)) + 1e-8);
}
static void rmsprop_rule(double *w, double g, double *v, double *b, int t) {
    (void)b, (void)t;
    *v = 0.9 * *v + 0.1 * g * g;
    *w -= 0.01 * g / (sqrt(*v) + 1e-7);
}
START_TEST(optimizers_follow_their_formulas) {
    follow("sgd(0.1)", sgd_plain, 1e-6);
    follow("sgd(0.05, momentum = 0.9, nesterov = true, decay = 0.01)", sgd_full, 1e-5);
    follow("adam(0.02)", adam_rule, 2e-6);
    follow("adamw(0.02, decay = 0.5)", adam_rule, 2e-6); /* rank 1 is not decayed */
    follow("rmsprop(0.01)", rmsprop_rule, 2e-6);
}
END_TEST

START_TEST(adamw_decays_matrices) {
    Machine m =
        machine_open("model m(c[2]) -> [] {\n  param w[1, 2] init 1\n"
                     "  return sum(c * w[0]) * 0\n}\n"
                     "train { step(c[2]) { minimize m(c) over m with adamw(0.1, decay = 0.5) } }\n",
                     NULL, 0);
    float c[2] = {1, 1};
    void *in[1] = {c};
    machine_run(&m, "init", 1, NULL);
    machine_run(&m, "step", 1, in);
    near(machine_slot(&m, "m.w")[0], 0.95, 1e-6);
    machine_close(&m);
}
END_TEST

START_TEST(tiny_moments_become_zero) {
    Machine m = machine_open("model m(c[1]) -> [] {\n  param w[1] init 0\n  return sum(c * w)\n}\n"
                             "train { step(c[1]) { minimize m(c) over m with adam(0) } }\n",
                             NULL, 0);
    float c[1] = {1e-25f};
    void *in[1] = {c};
    machine_run(&m, "init", 1, NULL);
    machine_run(&m, "step", 1, in);
    near(machine_slot(&m, "train.adam1.m.w.m")[0], 1e-26, 1e-30);
    ck_assert(machine_slot(&m, "train.adam1.m.w.v")[0] == 0);
    for (int i = 0; i < 200; i++) {
        c[0] = 0;
        machine_run(&m, "step", 1, in);
    }
    ck_assert(machine_slot(&m, "train.adam1.m.w.m")[0] == 0);
    machine_close(&m);
}
END_TEST

/* ------------------------------------------------------------------ states and modes */

START_TEST(batchnorm_trains_and_infers) {
    Machine m = machine_open("model m(x[B, 2]) -> [B, 2] = x |> batchnorm\n"
                             "train { step(x[B, 2]) {\n"
                             "  y = m(x)\n  z = m(x)\n" /* one evaluation: one state write */
                             "  metric a = y[0, 0]\n  metric b = z[0, 0]\n} }\n"
                             "export fn apply(x[B, 2]) -> [B, 2] = m(x)\n",
                             NULL, 0);
    float x[4] = {0, 10, 2, 30};
    void *in[1] = {x};
    machine_run(&m, "init", 2, NULL);
    Tensor *out = machine_run(&m, "step", 2, in);
    near(scalar(&out[0]), -1 / sqrt(1 + 1e-5), 1e-6);
    ck_assert(scalar(&out[0]) == scalar(&out[1]));
    near(machine_slot(&m, "m.batchnorm1.running_mean")[1], 0.1 * 20, 1e-5);
    near(machine_slot(&m, "m.batchnorm1.running_var")[1], 0.9 + 0.1 * 200,
         1e-4); /* 100 * 2 / (2 - 1) */
    out = machine_run(&m, "apply", 2, in);
    near(((float *)out[0].data)[1], (10 - 2) / sqrt(20.9 + 1e-5), 1e-4);
    machine_close(&m);
}
END_TEST

START_TEST(dropout_draws_once_and_vanishes) {
    Machine m = machine_open("model m(x[B, n]) -> [B, n] = x |> dropout(0.25)\n"
                             "train { step(x[B, 64]) {\n"
                             "  metric same = sum(abs(m(x) - m(x)))\n"
                             "  metric kept = mean(f32(m(x) > 0))\n"
                             "  metric mean = mean(m(x))\n"
                             "  metric off = mean(infer(m(x)))\n"
                             "  metric other = sum(abs(m(x) - m(2 * x) / 2))\n} }\n",
                             NULL, 0);
    float *x = malloc(64 * 64 * sizeof *x);
    for (int i = 0; i < 64 * 64; i++) x[i] = 1;
    void *in[1] = {x};
    Tensor *out = machine_run(&m, "step", 64, in);
    ck_assert(scalar(&out[0]) == 0);
    near(scalar(&out[1]), 0.75, 0.03);
    near(scalar(&out[2]), 1, 0.04);
    ck_assert(scalar(&out[3]) == 1);
    ck_assert(scalar(&out[4]) > 0); /* another input is another evaluation: fresh draws */
    machine_close(&m);
    free(x);
}
END_TEST

START_TEST(draws_change_with_the_step_only) {
    Machine m = machine_open("export fn draw(x[B]) -> [B] = x + uniform([B])\n", NULL, 0);
    float x[8] = {0}, first[8];
    void *in[1] = {x};
    Tensor *out = machine_run(&m, "draw", 8, in);
    memcpy(first, out[0].data, sizeof first);
    out = machine_run(&m, "draw", 8, in);
    ck_assert(memcmp(first, out[0].data, sizeof first) == 0);
    m.step = 1;
    out = machine_run(&m, "draw", 8, in);
    ck_assert(memcmp(first, out[0].data, sizeof first) != 0);
    machine_close(&m);
}
END_TEST

START_TEST(schedules) {
    Machine m =
        machine_open("model m(c[1]) -> [] {\n  param w[1] init 0\n  return sum(c * w)\n}\n"
                     "train { steps: 10\n step(c[1]) {\n minimize m(c) over m with sgd(cosine(1))\n"
                     "  metric cos = cosine(2, warmup = 0.1, low = 0.5)\n"
                     "  metric lin = linear_decay(2)\n"
                     "  metric dec = step_decay(1, 0.5, 3)\n  metric k = constant(3)\n} }\n",
                     NULL, 0);
    float c[1] = {1};
    void *in[1] = {c};
    machine_run(&m, "init", 1, NULL);
    m.progress = 0.05;
    m.epoch = 7;
    Tensor *out = machine_run(&m, "step", 1, in);
    near(scalar(&out[0]), 1, 1e-6);
    near(scalar(&out[1]), 1.9, 1e-6);
    near(scalar(&out[2]), 0.25, 1e-6);
    near(scalar(&out[3]), 3, 0);
    m.progress = 0.55;
    out = machine_run(&m, "step", 1, in);
    near(scalar(&out[0]), 0.5 + 1.5 * 0.5, 1e-6);
    machine_close(&m);
}
END_TEST

/* ------------------------------------------------------------------ metrics over a split */

START_TEST(metrics_of_batches_equal_those_of_the_whole) {
    Machine m =
        machine_open("data d {\n  test: npy(x = \"x.npy\", y = \"y.npy\")\n"
                     "  field x[3]: f32\n  field y: i32\n}\n"
                     "model net(x[B, 3]) -> [B, 3] { param w[3, 3] init glorot\n return x @ w }\n"
                     "test {\n  data: d\n"
                     "  metric ce = cross_entropy(net(x), y)\n"
                     "  metric acc = accuracy(net(x), y)\n"
                     "  metric biggest = max(net(x))\n"
                     "  metric rmse = sqrt(mse(net(x), one_hot(y, 3)))\n"
                     "  metric size = l2(net)\n}\n",
                     NULL, 0);
    const BmrtEval *e = &m.p->test.data[0].eval;
    ck_assert_int_ge(e->finish_entry, 0);
    float x[24];
    int32_t y[8];
    for (int i = 0; i < 24; i++) x[i] = (float)((i * 7919) % 23) / 7 - 1.5f;
    for (int i = 0; i < 8; i++) y[i] = (i * 5) % 3;
    machine_run(&m, "init", 8, NULL);
    void *all[2] = {x, y}, *head[2] = {x, y}, *tail[2] = {x + 15, y + 5};
    Graph *g = m.p->entries.data[e->eval_entry].graph;
    uint32_t parts = g->outputs.len;
    Tensor *whole = machine_run(&m, "test.eval", 8, all);
    Tensor *a = machine_run(&m, "test.eval", 5, head), *b = machine_run(&m, "test.eval", 3, tail);
    float combined[8];
    void *one[8], *two[8];
    for (uint32_t i = 0; i < parts; i++) {
        float u = scalar(&a[i]), v = scalar(&b[i]);
        combined[i] = e->combine[i] == BMRT_COMBINE_SUM ? u + v : u > v ? u : v;
        one[i] = whole[i].data;
        two[i] = &combined[i];
    }
    Tensor *f = machine_run(&m, "test.finish", 8, one), *h = machine_run(&m, "test.finish", 8, two);
    for (uint32_t i = 0; i < e->metric_count; i++) near(scalar(&f[i]), scalar(&h[i]), 1e-5);
    const float *w = machine_slot(&m, "net.w");
    double ce = 0, acc = 0, big = -1e9, se = 0, l2 = 0;
    for (int r = 0; r < 8; r++) {
        double z[3], s = 0;
        int best = 0;
        for (int k = 0; k < 3; k++) {
            z[k] = 0;
            for (int i = 0; i < 3; i++) z[k] += (double)x[3 * r + i] * (double)w[3 * i + k];
            s += exp(z[k]);
            if (z[k] > z[best]) best = k;
            if (z[k] > big) big = z[k];
            se += pow(z[k] - (k == y[r]), 2);
        }
        ce += log(s) - z[y[r]];
        acc += best == y[r];
    }
    for (int i = 0; i < 9; i++) l2 += (double)w[i] * (double)w[i];
    near(scalar(&f[0]), ce / 8, 1e-5);
    near(scalar(&f[1]), acc / 8, 1e-6);
    near(scalar(&f[2]), big, 1e-5);
    near(scalar(&f[3]), sqrt(se / 24), 1e-5);
    near(scalar(&f[4]), l2, 1e-5);
    machine_close(&m);
}
END_TEST

START_TEST(metrics_that_mix_rows_are_not_split) {
    static const char *const bodies[] = {
        "mean(abs(x - mean(x)))",       "sum(x / count(x))", "x[0]", "max(x) - mean(reverse(x, 0))",
        "sum(x * f32(iota(count(x))))", "sum(x[1:])"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char source[512];
        snprintf(source, sizeof source,
                 "data d {\n test: npy(x = \"x.npy\")\n field x: f32\n}\n"
                 "test {\n data: d\n metric v = %s\n}\n",
                 bodies[i]);
        Machine m = machine_open(source, NULL, 0);
        ck_assert_msg(m.p->test.data[0].eval.finish_entry < 0, "%s was split", bodies[i]);
        machine_close(&m);
    }
}
END_TEST

/* ------------------------------------------------------------------ rows */

START_TEST(row_transforms_are_batched) {
    Machine m =
        machine_open("let k = 3\ndata d {\n  train: npy(x = \"x.npy\", i = \"i.npy\")\n"
                     "  field x[k, 2]: f32\n  field i: i32\n"
                     "  s = sum(x, axis = 0) @ [[1, 2], [3, 4]]\n"
                     "  t = x.T\n  p = x[i]\n  q = concat([x[0], [7, 8]], axis = 0)\n"
                     "  r = reverse(x[1:], axis = 0)\n  z = pad_with(x[0], [1], [0], 9)\n"
                     "  a[u] = sum[v](x[v, u] * x[v, u])\n  f = 2.5\n}\n"
                     "export fn e(x[B, k, 2], i[B]: i32) -> [B, 2] = d.encode(x = x, i = i).p\n",
                     NULL, 0);
    float x[12] = {1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6};
    int32_t i[2] = {2, 1};
    void *in[2] = {x, i};
    Tensor *out = machine_run(&m, "d.rows", 2, in);
    static const char *const names[] = {"x", "i", "s", "t", "p", "q", "r", "z", "a", "f"};
    static const float want[10][12] = {{0},
                                       {0},
                                       {45, 66, -45, -66},
                                       {1, 3, 5, 2, 4, 6, -1, -3, -5, -2, -4, -6},
                                       {5, 6, -3, -4},
                                       {1, 2, 7, 8, -1, -2, 7, 8},
                                       {5, 6, 3, 4, -5, -6, -3, -4},
                                       {9, 1, 2, 9, -1, -2},
                                       {35, 56, 35, 56},
                                       {2.5f, 2.5f}};
    const Graph *g = machine_entry(&m, "d.rows")->graph;
    ck_assert_uint_eq(g->outputs.len, 10);
    for (uint32_t c = 0; c < 10; c++) {
        ck_assert_str_eq(g->outputs.data[c].name->text, names[c]);
        for (size_t k = 0; c >= 2 && k < tensor_count(&out[c]); k++)
            near(((float *)out[c].data)[k], want[c][k], 0);
    }
    out = machine_run(&m, "e", 2, in);
    near(((float *)out[0].data)[0], 5, 0);
    near(((float *)out[0].data)[2], -3, 0);
    machine_close(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("training");
    TCase *tc = tcase_create("training");
    tcase_add_test(tc, own_loss_and_optimizer_reach_least_squares);
    tcase_add_test(tc, optimizers_follow_their_formulas);
    tcase_add_test(tc, adamw_decays_matrices);
    tcase_add_test(tc, tiny_moments_become_zero);
    tcase_add_test(tc, batchnorm_trains_and_infers);
    tcase_add_test(tc, dropout_draws_once_and_vanishes);
    tcase_add_test(tc, draws_change_with_the_step_only);
    tcase_add_test(tc, schedules);
    tcase_add_test(tc, metrics_of_batches_equal_those_of_the_whole);
    tcase_add_test(tc, metrics_that_mix_rows_are_not_split);
    tcase_add_test(tc, row_transforms_are_batched);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
