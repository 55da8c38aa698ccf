/* Every op alone, and random graphs of all ops: scheduled, they give the reference evaluator's bits
 * whatever the options and the number of threads. */
#include "compare_kit.h"
#include "compiler/graph/sample.h"
#include "tests/kit/graph_kit.h"

static void check_sample(Sample *s, Context *ctx, const char *what, uint64_t seed) {
    Graph *g = s->graph;
    Program program = {
        .ctx = ctx, .stem = "random", .source = "", .dims = g->dims, .init_entry = -1};
    g->sealed = true;
    Entry entry = {.name = "entry", .kind = BMRT_ENTRY_EXPORT, .graph = g};
    Compare c = {.ctx = ctx, .program = &program, .entry = &entry, .seed = seed};
    c.symbols[0] = s->batch_value;
    c.symbols[1] = s->steps_value;
    compare_inputs(&c);
    for (uint32_t i = 0; i < g->inputs.len; i++)
        sample_fill(s, i, c.inputs[i].data, tensor_count(&c.inputs[i]));
    for (uint32_t i = 0; i < g->slot_count; i++)
        sample_fill_slot(s, i, c.slots[i].data, tensor_count(&c.slots[i]));
    const char *problem = compare_all(&c);
    if (problem && getenv("SCHEDULE_DUMP")) {
        Text text = {.arena = ctx->arena};
        graph_print(&text, g);
        puts(text_str(&text));
    }
    ck_assert_msg(!problem, "%s, seed %llu: %s", what, (unsigned long long)seed, problem);
}

START_TEST(every_op) {
    Op op = (Op)_i;
    if (op == OP_GRAD || op == OP_STOP) return;
    for (DType t = DTYPE_F64; t < DTYPE_COUNT; t++)
        for (uint64_t seed = 1; seed <= 4; seed++) {
            Context *ctx = context_create();
            Sample *s = sample_create(ctx, seed * 1000 + t);
            s->max_dim = seed == 4 ? 40 : 5;
            NodeId y = sample_op(s, op, t);
            if (!node_is_none(y)) {
                graph_output(s->graph, ctx_sym(ctx, "y"), y);
                check_sample(s, ctx, op_info(op)->name, seed);
            }
            context_destroy(ctx);
        }
}
END_TEST

START_TEST(graphs) {
    static const DType types[] = {DTYPE_F32, DTYPE_F64, DTYPE_I32, DTYPE_F32, DTYPE_BF16};
    for (uint32_t i = 0; i < 6; i++) {
        uint64_t seed = 100 * (uint64_t)_i + i;
        Context *ctx = context_create();
        Sample *s = sample_create(ctx, seed);
        sample_graph(s, types[seed % 5], 12 + (uint32_t)(seed % 40));
        check_sample(s, ctx, "graph", seed);
        context_destroy(ctx);
    }
}
END_TEST

/* Two loops, the second over what the first gave and other nodes; short and long, with 0 and 1
 * iterations too; small rows and rows that are split among threads. */
START_TEST(loops) {
    static const DType types[] = {DTYPE_F32, DTYPE_F64, DTYPE_I32, DTYPE_F32, DTYPE_BF16};
    for (uint32_t i = 0; i < 8; i++) {
        uint64_t seed = 100 * (uint64_t)_i + i;
        Context *ctx = context_create();
        Sample *s = sample_create(ctx, seed);
        s->steps_value = (int64_t)(seed % 4);
        if (seed % 3 == 0) s->max_dim = 20;
        if (seed % 3 == 0) s->batch_value = 16;
        DType t = types[seed % 5];
        sample_loop(s, t, 2 + (uint32_t)(seed % 9));
        if (seed % 2) {
            s->reuse = true;
            sample_graph(s, t, 4);
            s->reuse = true;
            sample_loop(s, t, 2 + (uint32_t)(seed % 5));
            s->reuse = false;
        }
        check_sample(s, ctx, "loop", seed);
        context_destroy(ctx);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schedule random");
    TCase *t = tcase_create("all");
    int from = 0, to = 20; /* SCHEDULE_SEEDS=a-b: more, for a long run */
    const char *range = getenv("SCHEDULE_SEEDS");
    if (range) sscanf(range, "%d-%d", &from, &to);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_op, 0, OP_COUNT);
    tcase_add_loop_test(t, graphs, from, to);
    tcase_add_loop_test(t, loops, from, to);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
