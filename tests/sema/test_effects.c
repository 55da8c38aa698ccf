/* Order of effects, modes, parts of models, substituted parameters and the settings of training
 * steps: what they do to numbers. */
#include "tests/sema/machine.h"
#include <math.h>

static float output(Machine *m, const char *entry, const char *name, const Tensor *made) {
    const Graph *g = machine_entry(m, entry)->graph;
    for (uint32_t i = 0; i < g->outputs.len; i++)
        if (strcmp(g->outputs.data[i].name->text, name) == 0) return scalar(&made[i]);
    ck_abort_msg("no output %s", name);
}

/* d/dw (w' u - v)^2 with w' = w - r d/dw (w x - y)^2 */
START_TEST(gradient_through_an_inner_step) {
    Machine m = machine_open("model net(x[]) -> [] {\n  param w init 0.5\n  return w * x\n}\n"
                             "fn quick(p: params, g: params) = map(p, g, (w, d) -> w - 0.1 * d)\n"
                             "train {\n  steps: 1\n  step(x[], y[], u[], v[]) {\n"
                             "    p = quick(net, grad((net(x) - y)^2, net))\n"
                             "    outer = (net(u, with = p) - v)^2\n"
                             "    sgd(0.01)(net, grad(outer, net))\n"
                             "    metric outer = outer\n    metric p = p.w\n  }\n}\n",
                             NULL, 0);
    float x = 1.5f, y = 2, u = -0.5f, v = 1;
    void *in[4] = {&x, &y, &u, &v};
    machine_run(&m, "init", 1, NULL);
    Tensor *out = machine_run(&m, "step", 1, in);
    double w = 0.5, p = w - 0.1 * 2 * 1.5 * (1.5 * w - 2);
    double g = 2 * (p * -0.5 - 1) * -0.5 * (1 - 0.1 * 2 * 1.5 * 1.5);
    near(output(&m, "step", "p", out), p, 1e-6);
    near(output(&m, "step", "outer", out), (p * -0.5 - 1) * (p * -0.5 - 1), 1e-6);
    near(machine_slot(&m, "net.w")[0], w - 0.01 * g, 1e-6);
    machine_close(&m);
}
END_TEST

static const char *const LINE = "data d {\n  train: npy(x = \"x.npy\", y = \"y.npy\")\n"
                                "  field x[2]\n  field y\n}\n"
                                "model net(x[B, 2]) -> [B] {\n  param w[2] init ones\n"
                                "  return x @ w\n}\n"
                                "train {\n  data: d\n  epochs: 1\n  loss: mse(net(x), y)\n"
                                "  optimizer: sgd(0.1)\n";

static Machine line_open(const char *settings) {
    char source[1024];
    snprintf(source, sizeof source, "%s%s}\n", LINE, settings);
    Machine m = machine_open(source, NULL, 0);
    machine_run(&m, "init", 1, NULL);
    return m;
}

START_TEST(accumulated_batches_are_one_large_batch) {
    float x[10] = {1, 2, -1, 0.5f, 3, 1, 0, -2, 0.25f, 4}, y[5] = {1, -1, 2, 0, 3};
    void *all[2] = {x, y}, *first[2] = {x, y}, *second[2] = {x + 4, y + 2};
    Machine one = line_open(""), two = line_open("  accumulate: 2\n");
    machine_run(&one, "step", 5, all);
    machine_run(&two, "accumulate", 2, first);
    near(machine_slot(&two, "net.w")[0], 1, 0);
    near(machine_slot(&two, "train.accumulate.rows")[0], 2, 0);
    machine_run(&two, "step", 3, second);
    near(machine_slot(&two, "train.accumulate.rows")[0], 0, 0);
    for (int i = 0; i < 2; i++) {
        near(machine_slot(&two, "net.w")[i], machine_slot(&one, "net.w")[i], 1e-6);
        near(machine_slot(&two, "train.accumulate.net.w")[i], 0, 0);
        ck_assert_float_ne(machine_slot(&two, "net.w")[i], 1);
    }
    machine_close(&one);
    machine_close(&two);
}
END_TEST

START_TEST(clip_bounds_the_length_of_all_gradients) {
    float x[2] = {3, 4}, y[1] = {0};
    void *in[2] = {x, y};
    Machine free_ = line_open(""), tight = line_open("  clip: 0.5\n"),
            wide = line_open("  clip: 1e9\n");
    machine_run(&free_, "step", 1, in); /* g = 2 * 7 * (3, 4): length 70 */
    machine_run(&tight, "step", 1, in);
    machine_run(&wide, "step", 1, in);
    near(machine_slot(&free_, "net.w")[0], 1 - 0.1 * 42, 1e-5);
    near(machine_slot(&tight, "net.w")[0], 1 - 0.1 * 0.3, 1e-6);
    near(machine_slot(&tight, "net.w")[1], 1 - 0.1 * 0.4, 1e-6);
    near(machine_slot(&wide, "net.w")[0], machine_slot(&free_, "net.w")[0], 0);
    machine_close(&free_);
    machine_close(&tight);
    machine_close(&wide);
}
END_TEST

START_TEST(frozen_parts_stay_and_are_in_infer_mode) {
    Machine m = machine_open("layer noisy()(x[B, n]) -> [B, n] {\n  param a init 2\n"
                             "  state seen init zeros\n  if training { seen := seen + 1 }\n"
                             "  return a * x |> dropout(0.5)\n}\n"
                             "model net(x[B, 64]) -> [B] {\n  body = noisy()\n"
                             "  return x |> body |> dense(1) |> squeeze\n}\n"
                             "train {\n  steps: 1\n  freeze: [net.body]\n"
                             "  step(x[B, 64], y[B]) {\n    loss = mse(net(x), y)\n"
                             "    minimize loss over net with adam(0.1)\n"
                             "    metric loss = loss\n  }\n}\n"
                             "export fn f(x[B, 64]) -> [B] = net(x)\n",
                             NULL, 0);
    float x[64], y[1] = {0.5f};
    for (int i = 0; i < 64; i++) x[i] = (float)(i % 7) - 3;
    void *in[2] = {x, y};
    machine_run(&m, "init", 1, NULL);
    float before = scalar(machine_run(&m, "f", 1, in));
    float loss = output(&m, "step", "loss", machine_run(&m, "step", 1, in));
    near(loss, (before - 0.5f) * (before - 0.5f), 1e-6);
    near(machine_slot(&m, "net.body.a")[0], 2, 0);
    near(machine_slot(&m, "net.body.seen")[0], 0, 0);
    ck_assert_float_ne(scalar(machine_run(&m, "f", 1, in)), before);
    machine_close(&m);
}
END_TEST

START_TEST(writes_are_seen_by_what_follows) {
    Machine m = machine_open("model a(x[]) -> [] {\n  param w init 1\n  return w * x\n}\n"
                             "model b(x[]) -> [] {\n  param w init 1\n  return w * x\n}\n"
                             "train {\n  steps: 1\n  step(x[]) {\n    opt = sgd(0.5)\n"
                             "    maximize a(x) over a with opt\n" /* a.w = 1 + x / 2 */
                             "    minimize a(x) * b(x) over b with opt\n"
                             "    polyak(0.25)(a, b)\n"
                             "    metric late = a(x)\n    return a(x), b(x)\n  }\n}\n",
                             NULL, 0);
    float x = 2;
    void *in[1] = {&x};
    machine_run(&m, "init", 1, NULL);
    Tensor *out = machine_run(&m, "step", 1, in);
    double a = 2, b = 1 - 0.5 * (a * 2) * 2;
    a = a + 0.25 * (b - a);
    near(machine_slot(&m, "b.w")[0], b, 1e-6);
    near(machine_slot(&m, "a.w")[0], a, 1e-6);
    near(output(&m, "step", "late", out), 2 * a, 1e-6);
    near(output(&m, "step", "out0", out), 2 * a, 1e-6);
    near(output(&m, "step", "out1", out), 2 * b, 1e-6);
    machine_close(&m);
}
END_TEST

START_TEST(averages_of_weights) {
    Machine m = machine_open("model a(x[]) -> [] {\n  param w init 7\n  return w * x\n}\n"
                             "model b(x[]) -> [] {\n  param w init 1\n  return w * x\n}\n"
                             "train {\n  steps: 1\n  step(x[]) {\n"
                             "    y = a(x)\n    maximize b(x) over b with sgd(1)\n"
                             "    ema(0.6)(a, b)\n    metric y = y\n  }\n}\n",
                             NULL, 0);
    float x = 1;
    void *in[1] = {&x};
    machine_run(&m, "init", 1, NULL);
    double mean = 7;
    for (int t = 1; t <= 6; t++) {
        machine_run(&m, "step", 1, in);
        double rate = 1.0 / t > 0.4 ? 1.0 / t : 0.4, b = 1 + t;
        mean += rate * (b - mean);
        near(machine_slot(&m, "a.w")[0], mean, 1e-5);
    }
    machine_close(&m);
}
END_TEST

START_TEST(infer_inside_a_step_draws_and_writes_nothing) {
    Machine m = machine_open("layer count(x[B]) -> [B] {\n  state seen init zeros\n"
                             "  if training { seen := seen + 1 }\n  return x |> dropout(0.5)\n}\n"
                             "model net(x[B]) -> [B] {\n  param w init 1\n"
                             "  return w * (x |> count)\n}\n"
                             "train {\n  steps: 1\n  step(x[B]) {\n"
                             "    sure = sum(abs(infer(net(x)) - x))\n"
                             "    loss = sum(net(x))\n    again = sum(net(x))\n"
                             "    minimize loss over net with sgd(0)\n"
                             "    metric sure = sure\n    metric twice = loss - again\n  }\n}\n",
                             NULL, 0);
    float x[4] = {1, 2, 3, 4};
    void *in[1] = {x};
    machine_run(&m, "init", 4, NULL);
    Tensor *out = machine_run(&m, "step", 4, in);
    near(output(&m, "step", "sure", out), 0, 0);
    near(output(&m, "step", "twice", out), 0, 0);
    near(machine_slot(&m, "net.count1.seen")[0], 1, 0);
    machine_close(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("effects");
    TCase *tc = tcase_create("effects");
    tcase_add_test(tc, gradient_through_an_inner_step);
    tcase_add_test(tc, accumulated_batches_are_one_large_batch);
    tcase_add_test(tc, clip_bounds_the_length_of_all_gradients);
    tcase_add_test(tc, frozen_parts_stay_and_are_in_infer_mode);
    tcase_add_test(tc, writes_are_seen_by_what_follows);
    tcase_add_test(tc, averages_of_weights);
    tcase_add_test(tc, infer_inside_a_step_draws_and_writes_nothing);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
