/* What expressions mean: each case is an exported function whose result is known. */
#include "tests/sema/machine.h"
#include <math.h>

/* x [B, 3] = 1 2 3 / 4 5 6, v [3] = 10 20 30, i [B] = 2 0 (i32), s = 0.5 */
typedef struct Case {
    const char *source; /* the body of `export fn f(...)`, items before it after a '|' */
    uint32_t count;
    double want[12];
} Case;

static const Case CASES[] = {
    /* operators and broadcasting */
    {"x + v", 6, {11, 22, 33, 14, 25, 36}},
    {"v - x", 6, {9, 18, 27, 6, 15, 24}},
    {"x * s", 6, {0.5, 1, 1.5, 2, 2.5, 3}},
    {"x / sum(x, axis = 1, keep = true)", 6, {1 / 6., 2 / 6., 0.5, 4 / 15., 5 / 15., 0.4}},
    {"x ^ 2", 6, {1, 4, 9, 16, 25, 36}},
    {"-x ^ 2", 6, {-1, -4, -9, -16, -25, -36}},
    {"2 ^ -1 + s", 1, {1}},
    {"x ^ -1", 6, {1, 0.5, 1 / 3., 0.25, 0.2, 1 / 6.}},
    {"x % 4", 6, {1, 2, 3, 0, 1, 2}},
    {"f32(x >= 3)", 6, {0, 0, 1, 1, 1, 1}},
    {"f32(x != 3 and not (x > 5))", 6, {1, 1, 0, 1, 1, 0}},
    {"select(x > 3, x, -x)", 6, {-1, -2, -3, 4, 5, 6}},
    {"x @ v", 2, {140, 320}},
    {"x @ x.T", 4, {14, 32, 32, 77}},
    {"v @ x.T", 2, {140, 320}},
    {"1 / 3 * 3 * v", 3, {10, 20, 30}},
    /* reductions and shapes */
    {"sum(x)", 1, {21}},
    {"sum(x, 0)", 3, {5, 7, 9}},
    {"sum(x, axis = [0, 1])", 1, {21}},
    {"max(x, axis = -1)", 2, {3, 6}},
    {"mean(x, axis = -1)", 2, {2, 5}},
    {"sq(reshape(concat([v, v, v], axis = 0), [3, 3]))|fn sq(x[a, b]) = sum(x, axis = a)",
     3,
     {30, 60, 90}},
    {"sq(reshape(concat([v, v, v], axis = 0), [3, 3]))|fn sq(x[..., b]) = sum(x, axis = b)",
     3,
     {60, 60, 60}},
    {"var(x, axis = -1)", 2, {2 / 3., 2 / 3.}},
    {"f32(argmax(x, axis = 0))", 3, {1, 1, 1}},
    {"reshape(x, [3, count(x) / 3])", 6, {1, 2, 3, 4, 5, 6}},
    {"x.T", 6, {1, 4, 2, 5, 3, 6}},
    {"concat([x, x * 10], axis = -1)", 12, {1, 2, 3, 10, 20, 30, 4, 5, 6, 40, 50, 60}},
    {"stack([v, v + 1])", 6, {10, 11, 20, 21, 30, 31}},
    {"reverse(v, 0)", 3, {30, 20, 10}},
    {"clip(v, 15, 25)", 3, {15, 20, 25}},
    {"squeeze(expand(v, 1))", 3, {10, 20, 30}},
    {"[1, 2] @ [[1, 2], [3, 4]]", 2, {7, 10}},
    {"shape(x)[1] * s", 1, {1.5}},
    {"rank(x) * s", 1, {1}},
    {"chunk(concat([v, v], axis = 0), 2)[1]", 3, {10, 20, 30}},
    /* slices and gathers */
    {"x[:, 1]", 2, {2, 5}},
    {"x[:, -1]", 2, {3, 6}},
    {"x[0]", 3, {1, 2, 3}},
    {"x[:, 1:]", 4, {2, 3, 5, 6}},
    {"x[..., 0:-1]", 4, {1, 2, 4, 5}},
    {"v[i]", 2, {30, 10}},
    {"x[:, i]", 4, {3, 1, 6, 4}},
    {"x[1, i]", 2, {6, 4}},
    /* functions */
    {"relu(x - 3)", 6, {0, 0, 0, 1, 2, 3}},
    {"leaky_relu(0.1)(x - 3)", 6, {-0.2, -0.1, 0, 1, 2, 3}},
    {"v |> clip(15, 25)", 3, {15, 20, 25}},
    {"v |> twice(n -> n + 1)|fn twice(f: fn)(x[...]) = f(f(x))", 3, {12, 22, 32}},
    {"pick(v, k = 2)|fn pick(x[n], k: int = 0) = x[k]", 1, {30}},
    {"(a + b) * s|fn pair() { return 1, 2 }\nlet a = pair()[0]\nlet b = pair()[1]", 1, {1.5}},
    {"total([v, v])|fn total(l: list) = sum(l[0] + l[1])", 1, {120}},
    {"sum(softmax(x), axis = -1)", 2, {1, 1}},
    {"logsumexp(x)", 2, {3.40760596, 6.40760596}},
    {"exp(log_softmax(x)) - softmax(x)", 6, {0, 0, 0, 0, 0, 0}},
    {"sigmoid(v * 0)", 3, {0.5, 0.5, 0.5}},
    {"silu(v / 10)", 3, {0.7310585786, 1.7615941559, 2.8577223805}},
    {"gelu(v / 10)", 3, {0.8413447461, 1.9544997361, 2.9959503059}},
    {"softplus(v - 20)", 3, {4.5398899e-5, 0.6931471806, 10.0000454}},
    {"elu(1)(v - 20)", 3, {-0.9999546, 0, 10}},
    {"huber(1)(v, v + [0.5, 2, 0])", 1, {(0.125 + 1.5) / 3}},
    {"binary_cross_entropy(s, 1)", 1, {0.4740769842}},
    {"cross_entropy(x, i)", 1, {(0.40760596 + 2.40760596) / 2}},
    {"cross_entropy(x, i, smooth = 0.3)", 1, {1.40760596}},
    {"accuracy(x, i)", 1, {0.5}},
    {"top(2)(x, i)", 1, {0.5}},
    {"mae(x, 0 * x)", 1, {3.5}},
    {"one_hot(i, 3)", 6, {0, 0, 1, 1, 0, 0}},
    {"grad(sum(x * x), x)", 6, {2, 4, 6, 8, 10, 12}},
    {"grad(sum(grad(sum(v * v * v), v)), v)", 3, {60, 120, 180}},
    {"saliency(z -> sum(z * z))(v)", 3, {20, 40, 60}},
    {"fgsm(z -> -sum(z), 1)(v)", 3, {9, 19, 29}},
    {"x |> attention(x, x)", 6, {3.9999, 4.9999, 5.9999, 4, 5, 6}},
    /* static control */
    {"{ y = v\n if rank(x) == 2 { y = y + 1 } else { y = y + 2 }\n return y }", 3, {11, 21, 31}},
    {"{ y = v\n repeat 3 as k { y = y + k }\n return y }", 3, {13, 23, 33}},
    {"{ y = v\n repeat [1, 10] as k { z = k\n y = y + z }\n return y }", 3, {21, 31, 41}},
    {"{ a, b = v, s\n return a * b }", 3, {5, 10, 15}},
    {"{ assert rank(v) == 1, \"rank {v}\"\n return v }", 3, {10, 20, 30}},
    {"{ if training { return v }\n return 2 * v }", 3, {20, 40, 60}},
    /* index notation */
    {"{ y[b, j] = x[b, j] * v[j]\n return y }", 6, {10, 40, 90, 40, 100, 180}},
    {"{ y[j, b] = x[b, j]\n return y }", 6, {1, 4, 2, 5, 3, 6}},
    {"{ y[b] = sum[j](x[b, j] * v[j])\n return y }", 2, {140, 320}},
    {"{ y[b, c] = sum[j](x[b, j] * x[c, j])\n return y }", 4, {14, 32, 32, 77}},
    {"sum[b, j](x[b, j])", 1, {21}},
    {"sum[b, j](x[b, j] * v[j] * x[b, j])", 1, {1 * 10 + 4 * 20 + 9 * 30 + 160 + 500 + 1080}},
    {"{ m[j] = mean[b](x[b, j])\n return m }", 3, {2.5, 3.5, 4.5}},
    {"{ m[b] = max[...](x[b, ...])\n return m }", 2, {3, 6}},
    {"{ y[..., j] = x[..., j] - v[j] / 10\n return y }", 6, {0, 0, 0, 3, 3, 3}},
    {"{ y[b] = x[b, i[b]]\n return y }", 2, {3, 4}},
    {"{ y[b] = v[i[b]] + x[b, 0]\n return y }", 2, {31, 14}},
    {"{ y[b, j] = exp(0 * x[b, j]) + f32(j)\n return y }", 6, {1, 2, 3, 1, 2, 3}},
    {"{ m[t, u] = f32(u <= t) where t < 2, u < 3\n return m }", 6, {1, 0, 0, 1, 1, 0}},
    {"{ y[b] = 2 * sum[j](x[b, j] * 3 * v[j]) where b < B\n return y }", 2, {840, 1920}},
    {"{ o[b, c] = x[b, 0] * x[c, 1]\n return o }", 4, {2, 5, 8, 20}},
    {"{ y[j] = relu(v[j] - 15)\n return y }", 3, {0, 5, 15}},
    {"{ y[b] = sum[j](x[b, j]) * sum[j](v[j])\n return y }", 2, {360, 900}},
};

static void check_case(const Case *c) {
    const char *bar = strchr(c->source, '|');
    if (bar && bar[1] == '>') bar = strchr(bar + 2, '|');
    int body = bar ? (int)(bar - c->source) : (int)strlen(c->source);
    char source[1024];
    snprintf(source, sizeof source, "%s\nexport fn f(x[B, 3], v[3], i[B]: i32, s: f32) %s %.*s\n",
             bar ? bar + 1 : "", c->source[0] == '{' ? "" : "=", body, c->source);
    Machine m = machine_open(source, NULL, 0);
    float x[6] = {1, 2, 3, 4, 5, 6}, v[3] = {10, 20, 30}, s = 0.5f;
    int32_t i[2] = {2, 0};
    void *in[4] = {x, v, i, &s};
    Tensor *out = machine_run(&m, "f", 2, in);
    ck_assert_msg(tensor_count(&out[0]) == c->count && out[0].dtype == DTYPE_F32, "%s", source);
    for (uint32_t k = 0; k < c->count; k++) {
        double got = (double)((float *)out[0].data)[k], eps = 1e-6 * (1 + fabs(c->want[k]));
        if (strstr(c->source, "attention")) eps = 1e-4;
        ck_assert_msg(fabs(got - c->want[k]) <= eps, "%s element %u: %.9g, want %.9g", source, k,
                      got, c->want[k]);
    }
    machine_close(&m);
}

START_TEST(expressions) {
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) check_case(&CASES[i]);
}
END_TEST

/* ------------------------------------------------------------------ -D */

static double defined(const char *name, const char *text) {
    Define d = {name, text};
    Machine m =
        machine_open("let width = 2\nlet twice = 2 * width\nlet on = true\nlet tag = \"a\"\n"
                     "export fn f(x: f32) -> [] {\n  y = x * twice\n"
                     "  if on { y = y + 1 }\n  if tag == \"b\" { y = -y }\n  return y\n}\n",
                     &d, 1);
    float x = 1;
    void *in[1] = {&x};
    double r = (double)scalar(machine_run(&m, "f", 1, in));
    machine_close(&m);
    return r;
}
START_TEST(defines_recompute_later_lets) {
    near(defined("width", "2"), 5, 0);
    near(defined("width", "10"), 21, 0);
    near(defined("twice", "1.5"), 2.5, 0);
    near(defined("on", "false"), 4, 0);
    near(defined("tag", "b"), -5, 0);
}
END_TEST

/* ------------------------------------------------------------------ paths */

static void has_slots(const char *source, const char *const *want, uint32_t count) {
    Machine m = machine_open(source, NULL, 0);
    Text all = {.arena = m.ctx->arena};
    for (uint32_t i = 0; i < m.p->slots.len; i++)
        text_printf(&all, "%s\n", m.p->slots.data[i].path->text);
    ck_assert_msg(m.p->slots.len == count, "slots are\n%s", text_str(&all));
    for (uint32_t i = 0; i < count; i++) ck_assert_str_eq(m.p->slots.data[i].path->text, want[i]);
    machine_close(&m);
}
START_TEST(paths) {
    static const char *const want[] = {"net.pos",
                                       "net.block1.0.dense1.w",
                                       "net.block1.0.dense2.w",
                                       "net.block1.1.dense1.w",
                                       "net.block1.1.dense2.w",
                                       "net.tie.w",
                                       "net.dense3.w",
                                       "net.head.0.1.w",
                                       "train.opt.net.pos.v",
                                       "train.opt.net.block1.0.dense1.w.v",
                                       "train.opt.net.block1.0.dense2.w.v",
                                       "train.opt.net.block1.1.dense1.w.v",
                                       "train.opt.net.block1.1.dense2.w.v",
                                       "train.opt.net.tie.w.v",
                                       "train.opt.net.dense3.w.v",
                                       "train.opt.net.head.0.1.w.v"};
    has_slots("let deep = false\n"
              "layer block()(x[B, d]) -> [B, d] =\n"
              "  x |> dense(d, relu, bias = false) |> dense(d, bias = false)\n"
              "model net(x[B, 4]) -> [B, 4] {\n"
              "  param pos[4] init zeros\n"
              "  x = x + pos\n"
              "  repeat 2 { x = x |> block }\n"
              "  tie = dense(4, bias = false)\n"
              "  x = tie(tie(x))\n"
              "  if deep { x = x |> dense(4) }\n" /* counted, although folded away */
              "  x = x |> dense(4, bias = false)\n"
              "  repeat 1 { repeat 2 as k { if k == 1 { head = dense(4, bias = false)\n x = "
              "head(x) } } }\n"
              "  return x\n"
              "}\n"
              "train { step(x[B, 4]) {\n"
              "  opt = sgd(0.1, momentum = 0.9)\n"
              "  repeat 2 { minimize mean(net(x)) over net with opt }\n} }\n",
              want, 16);
}
END_TEST

START_TEST(two_models_and_a_bound_optimizer) {
    Machine m = machine_open(
        "model gen(z[B, 2]) -> [B, 3] = z |> dense(3)\n"
        "model critic(x[B, 3]) -> [B] = x |> dense(1) |> squeeze\n"
        "train { step(x[B, 3]) {\n"
        "  opt = adam(1e-2)\n"
        "  repeat 2 {\n"
        "    fake = stop(gen(normal([B, 2])))\n"
        "    e = uniform([B, 1])\n"
        "    xi = e * x + (1 - e) * fake\n"
        "    g = grad(sum(critic(xi)), xi)\n"
        "    gp = mean((norm(g, axis = -1) - 1)^2)\n"
        "    minimize mean(critic(fake)) - mean(critic(x)) + 10 * gp over critic with opt\n"
        "  }\n"
        "  maximize mean(critic(gen(normal([B, 2])))) over gen with adam(1e-2)\n"
        "  metric gp = gp2(critic, x)\n} }\n"
        "fn gp2(c: fn, x[B, 3]) -> [] = mean(norm(grad(sum(c(x)), x), axis = -1))\n",
        NULL, 0);
    float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 0, 1};
    void *in[1] = {x};
    machine_run(&m, "init", 4, NULL);
    machine_run(&m, "step", 4, in);
    near(*(double *)(void *)machine_slot(&m, "train.opt.critic.dense1.w.t"), 2, 0);
    near(*(double *)(void *)machine_slot(&m, "train.adam2.gen.dense1.w.t"), 1, 0);
    for (int i = 0; i < 200; i++) {
        m.step++;
        machine_run(&m, "step", 4, in);
    }
    near(scalar(machine_run(&m, "step", 4, in)), 1, 0.3);
    machine_close(&m);
}
END_TEST

static bool draws_from(const Graph *g, const char *site) {
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (n->op == OP_RANDOM && (uint64_t)n->attr[0] == hash64(site, strlen(site))) return true;
    }
    return false;
}
START_TEST(sites_of_draws) { /* docs/numerics.md, random numbers */
    Machine m = machine_open("layer noise()(x[B]) -> [B] {\n"
                             "  repeat 2 as i { x = x + uniform(shape(x)) }\n  return x\n}\n"
                             "model net(x[B]) -> [B] {\n  param w[2, 3] init glorot\n"
                             "  y = x |> noise |> dropout(0.5)\n"
                             "  repeat 2 { y = y |> dropout(0.1) }\n  return y\n}\n"
                             "train { step(x[B]) {\n  metric a = mean(net(x)) + mean(net(2 * x))\n"
                             "  metric b = random([])\n} }\n",
                             NULL, 0);
    static const char *const sites[] = {
        "net.noise1#0/1@0/1",   "net.noise1#0/1@1/1",   "net.noise1#1/1@1/1", "net.dropout1#0/3/1",
        "net.dropout2.0#0/3/1", "net.dropout2.1#1/3/1", "train#0/5"};
    const Graph *g = machine_entry(&m, "step")->graph;
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++)
        ck_assert_msg(draws_from(g, sites[i]), "no draw at %s", sites[i]);
    ck_assert(draws_from(machine_entry(&m, "init")->graph, "net.w#0/0/3/1"));
    machine_close(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("language");
    TCase *tc = tcase_create("language");
    tcase_add_test(tc, expressions);
    tcase_add_test(tc, defines_recompute_later_lets);
    tcase_add_test(tc, paths);
    tcase_add_test(tc, sites_of_draws);
    tcase_add_test(tc, two_models_and_a_bound_optimizer);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
