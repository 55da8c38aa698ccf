/* What opt_loops takes out of loops: the loop that is left is as small as it should be, and no bit
 * of any result changes. */
#include "compiler/graph/scan.h"
#include "compiler/opt/opt.h"
#include "tests/sema/machine.h"

typedef struct Case {
    const char *source;       /* the body of `export fn f(x[2, T, 3], w[3, 4], v[4])`; T is 5 */
    const char *scan;         /* carries, sequences, captures, yields of each loop that is left */
    uint32_t outside, inside; /* contractions */
} Case;

static const Case CASES[] = {
    /* x @ w is computed for all t before the loop; it comes in as the only sequence */
    {"y = scan xt = x along 1 with h = zeros([2, 4]) { h = tanh(xt @ w + h * v); yield h }\n"
     "return y",
     "1 1 1 1;", 1, 0},
    /* so is what comes from elementwise values and views of it */
    {"y = scan xt = x along 1 with h = zeros([4, 2]) { h = h + (relu(xt * 2) @ w).T; yield h }\n"
     "return y",
     "1 1 0 1;", 1, 0},
    {"y = scan xt = x along 1 with h = zeros([2, 2]) { h = h * 0.5 + xt[:, :2] @ w[:2, :2]; yield "
     "h }\nreturn y",
     "1 1 0 1;", 1, 0},
    /* h @ u stays, it needs the iteration before */
    {"u = w[:, :3]\ny = scan xt = x along 1 with h = zeros([2, 3]) { h = tanh(xt @ u + h @ u); "
     "yield h }\nreturn y",
     "1 1 1 1;", 1, 1},
    /* a yield that is the contraction itself needs no loop */
    {"y = scan xt = x along 1 { yield xt @ w }\nreturn y", "", 1, 0},
    /* the last iteration only: nothing is yielded */
    {"y = scan xt = x along 1 with h = zeros([2, 4]) { h = xt @ w + h; yield exp(h) }\nreturn h",
     "1 1 0 0;", 1, 0},
    /* a carry that only feeds itself, and its sequence */
    {"z = x * 2\ny = scan xt = x, zt = z along 1 with h = zeros([2, 3]), c = zeros([2, 3]) {\n"
     "h = h + xt; c = c + zt\nyield h }\nreturn y",
     "1 1 0 1;", 0, 0},
    /* a carry that never changes */
    {"y = scan xt = x along 1 with h = zeros([2, 3]), k = v[0] { h = h + xt * k; yield h }\n"
     "return y",
     "1 1 1 1;", 0, 0},
    /* the same in every iteration: once, before the loop */
    {"y = scan xt = x along 1 with h = zeros([2, 3]) { h = h + xt * exp(sum(v)); yield h }\n"
     "return y",
     "1 1 1 1;", 0, 0},
    {"y = scan xt = x along 1 with h = zeros([2, 3]) { h = h + xt; yield w @ v }\nreturn y", "", 1,
     0},
    /* constants and positions are made inside */
    {"y = scan xt = x[0], t = iota(T) along 0 { yield xt * f32(t) }\nreturn y", "0 1 0 1;", 0, 0},
    {"k = ones([2, T, 3]) * 3\ny = scan xt = x, kt = k along 1 with h = zeros([2, 3]) { h = h + xt "
     "* kt; yield h }\nreturn y",
     "1 1 0 1;", 0, 0},
    /* one sequence given twice, one value yielded twice */
    {"a, b = scan xt = x, zt = x along 1 with h = zeros([2, 3]) { h = h * zt + xt; yield h, h }\n"
     "return a * b",
     "1 1 0 1;", 0, 0},
    /* a loop of one iteration */
    {"y = scan xt = x[:, :1] along 1 with h = ones([2, 3]) { h = h + xt; yield h }\nreturn y", "",
     0, 0},
    /* of inner loops, too */
    {"y = scan xt = x along 1 { z = scan e = xt along 0 with a = zeros([3]) { a = a + e * "
     "exp(v[0]); yield a }\nyield z }\nreturn y",
     "0 1 1 1;1 1 1 1;", 0, 0},
    /* gradients: the two loops are as small, and dw is one contraction */
    {"y = scan xt = x along 1 with h = zeros([2, 4]) { h = tanh(xt @ w + h * v); yield h }\n"
     "return grad(sum(y * y), w)",
     NULL, 0, 0},
    {"y = scan xt = x along 1 with h = zeros([2, 4]) { h = tanh(xt @ w + h * v); yield h }\n"
     "return grad(sum(grad(sum(y * y), w)), v)",
     NULL, 0, 0},
};

static void describe(const Graph *g, Text *loops, uint32_t *contracts, uint32_t *inside) {
    bool *live = ARENA_ARRAY(g->ctx->arena, bool, graph_size(g));
    graph_live(g, live);
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        *contracts += live[i] && n->op == OP_CONTRACT;
        if (!live[i] || n->op != OP_SCAN) continue;
        Scan s = scan_of(g, (NodeId){i});
        text_printf(loops, "%u %u %u %u;", s.carries, s.sequences, s.captures, s.yields);
        describe(s.body, loops, inside, inside);
    }
}

START_TEST(what_is_left) {
    const Case *c = &CASES[_i];
    char *source = malloc(strlen(c->source) + 200);
    sprintf(source, "export fn f(x[2, T, 3], w[3, 4], v[4]) {\n%s\n}\n", c->source);
    Machine m = machine_open(source, NULL, 0);
    float x[30], w[12], v[4] = {0.5f, -0.25f, 0.75f, -1};
    for (int i = 0; i < 30; i++) x[i] = (float)(i % 7) * 0.3f - 0.8f;
    for (int i = 0; i < 12; i++) w[i] = (float)(i % 5) * 0.4f - 0.7f;
    Entry *entry = (Entry *)(uintptr_t)machine_entry(&m, "f");
    void *inputs[3];
    for (uint32_t i = 0; i < entry->graph->inputs.len; i++) {
        char name = entry->graph->inputs.data[i].name->text[0];
        inputs[i] = name == 'x' ? (void *)x : name == 'w' ? (void *)w : (void *)v;
    }
    const Graph *plain = opt_fold(opt_simplify(autodiff_run(entry->graph)));
    entry->graph = (Graph *)(uintptr_t)plain;
    Tensor *want = machine_run(&m, "f", 5, inputs);
    entry->graph = opt_loops(plain);
    graph_verify(entry->graph);
    ck_assert_ptr_eq(opt_loops(entry->graph), entry->graph);
    Tensor *got = machine_run(&m, "f", 5, inputs);
    ck_assert_uint_eq(tensor_bytes(got), tensor_bytes(want));
    ck_assert_msg(memcmp(got->data, want->data, tensor_bytes(want)) == 0, "%s: other bits", source);
    Text loops = {.arena = m.ctx->arena};
    uint32_t outside = 0, inside = 0;
    describe(entry->graph, &loops, &outside, &inside);
    if (c->scan) {
        ck_assert_msg(strcmp(text_str(&loops), c->scan) == 0, "%s: %s", source, text_str(&loops));
        ck_assert_msg(outside == c->outside && inside == c->inside, "%s: %u, %u contractions",
                      source, outside, inside);
    }
    machine_close(&m);
    free(source);
}
END_TEST

int main(void) {
    Suite *s = suite_create("loops");
    TCase *t = tcase_create("loops");
    tcase_add_loop_test(t, what_is_left, 0, sizeof CASES / sizeof *CASES);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
