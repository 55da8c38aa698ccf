/* Loops with random bodies, compiled and compared with the reference evaluator bit for bit: vectors
 * of 64 and 32 bytes, 1 to 7 threads, fused or not, buffers sharing bytes or not, unwritten bytes
 * poisoned. BMC_RANDOM_FIRST and BMC_RANDOM_COUNT choose other loops. */
#include "compiler/graph/sample.h"
#include "compiler/graph/scan.h"
#include "compiler/opt/opt.h"
#include "tests/codegen/compare.h"

static Program program;

static void check(Sample *s, uint64_t seed) {
    Context *ctx = s->graph->ctx;
    program = (Program){.ctx = ctx, .stem = "loops", .source = "", .init_entry = -1};
    program.dims = s->graph->dims;
    for (uint32_t i = 0; i < s->graph->slot_count; i++)
        vec_push(ctx->arena, &program.slots, s->graph->slots[i]);
    Entry entry = {.name = "f", .kind = BMRT_ENTRY_EXPORT, .graph = s->graph};
    s->graph->sealed = true;
    vec_push(ctx->arena, &program.entries, entry);
    int64_t symbols[2] = {s->batch_value, s->steps_value};
    Compare compare = {.ctx = ctx,
                       .program = &program,
                       .graph = s->graph,
                       .symbols = symbols,
                       .seed = 7 + seed,
                       .step = seed % 5,
                       .fusion = seed % 3 != 0,
                       .memory_plan = seed % 4 != 0,
                       .label = arena_printf(ctx->arena, "loops %llu", (unsigned long long)seed)};
    Random random = {seed};
    ck_assert(compare_run(&compare, &random, seed % 2 == 0));
}

START_TEST(random_loops) {
    static const DType types[] = {DTYPE_F32, DTYPE_F64, DTYPE_I32, DTYPE_F32, DTYPE_F16};
    uint64_t seed = (uint64_t)(number_from("BMC_RANDOM_FIRST", 0) + _i);
    Context *ctx = context_create();
    Sample *s = sample_create(ctx, seed);
    s->steps_value = (int64_t)(seed % 4);
    s->max_dim = seed % 3 == 0 ? 20 : 5;
    s->batch_value = seed % 3 == 0 ? 16 : 3;
    sample_loop(s, types[seed % 5], 2 + (uint32_t)(seed % 9));
    s->reuse = true;
    if (seed % 2) sample_loop(s, types[seed % 5], 2 + (uint32_t)(seed % 5));
    check(s, seed);
    context_destroy(ctx);
}
END_TEST

/* ------------------------------------------------------------------ a recurrent layer, as it is
 * used */

static const Span nowhere = {0};

static NodeId matmul(Graph *g, NodeId a, NodeId b) {
    const uint32_t la[] = {0, 2}, lb[] = {2, 1}, out[] = {0, 1}, reduced[] = {2};
    return g_contract(g, a, la, b, lb, out, 2, reduced, 1, nowhere);
}

/* h = tanh(x_t + h @ u), c = c * h_old + h over [batch, T, width] or [T, batch, width]; h is
 * yielded along `axis`. */
static void recurrent(Sample *s, int64_t width, uint32_t axis, bool reverse) {
    Graph *g = s->graph;
    DimId n = dim_const(g->dims, width);
    Shape row = {.rank = 2, .dims = {s->batch, n}}, square = {.rank = 2, .dims = {n, n}};
    Shape whole = {.rank = 3, .dims = {s->batch, s->batch, n}};
    whole.dims[axis] = s->steps;
    Graph *body = scan_body(g);
    Sym name = ctx_sym(g->ctx, "v");
    NodeId h = g_input(body, name, DTYPE_F32, &row, nowhere);
    NodeId c = g_input(body, name, DTYPE_F32, &row, nowhere);
    NodeId x = g_input(body, name, DTYPE_F32, &row, nowhere);
    NodeId u = g_input(body, name, DTYPE_F32, &square, nowhere);
    NodeId next =
        g_unary(body, OP_TANH, g_binary(body, OP_ADD, x, matmul(body, h, u), nowhere), nowhere);
    NodeId cell = g_binary(body, OP_ADD, g_binary(body, OP_MUL, c, h, nowhere), next, nowhere);
    graph_output(body, name, next);
    graph_output(body, name, cell);
    graph_output(body, name, next);
    int64_t at = axis;
    Scan scan = {.body = body,
                 .carries = 2,
                 .sequences = 1,
                 .captures = 1,
                 .yields = 1,
                 .reverse = reverse,
                 .trip = s->steps,
                 .sequence_axis = &at,
                 .yield_axis = &at};
    NodeId zero = g_const(g, DTYPE_F32, &row, 0, nowhere);
    NodeId operands[] = {zero, zero, g_input(g, ctx_sym(g->ctx, "x"), DTYPE_F32, &whole, nowhere),
                         g_input(g, ctx_sym(g->ctx, "u"), DTYPE_F32, &square, nowhere)};
    NodeId loop = g_scan(g, &scan, operands, nowhere);
    graph_output(g, ctx_sym(g->ctx, "last"), g_take(g, loop, 0, nowhere));
    graph_output(g, ctx_sym(g->ctx, "cell"), g_take(g, loop, 1, nowhere));
    graph_output(g, ctx_sym(g->ctx, "all"), g_take(g, loop, 2, nowhere));
}

START_TEST(recurrent_layers) {
    static const int64_t batches[] = {1, 3, 16, 33};
    Context *ctx = context_create();
    Sample *s = sample_create(ctx, 1);
    dim_set_bound(s->graph->dims, 0, 40);
    s->batch_value = batches[_i % 4];
    s->steps_value = _i % 5;
    recurrent(s, _i % 2 ? 48 : 21, (uint32_t)_i / 4 % 2, _i % 3 == 0);
    check(s, 1000 + (uint64_t)_i);
    context_destroy(ctx);
}
END_TEST

/* Captured weights whose rows are long are copied in panels before the loop. */
START_TEST(wide_recurrent_layers) {
    Context *ctx = context_create();
    Sample *s = sample_create(ctx, 1);
    dim_set_bound(s->graph->dims, 0, 40);
    s->batch_value = 17;
    s->steps_value = _i;
    recurrent(s, 512, 1, _i % 2 == 0);
    check(s, 2000 + 3 * (uint64_t)_i + 1);
    context_destroy(ctx);
}
END_TEST

/* dW = x.T dy over batch and time: k is one stretch of both, dy is copied in panels; with a table
 * of constants that is data. */
START_TEST(weight_gradients) {
    Context *ctx = context_create();
    Sample *s = sample_create(ctx, 1);
    Graph *g = s->graph;
    dim_set_bound(g->dims, 0, 40);
    s->batch_value = 21;
    DimId time = dim_const(g->dims, 8), rows = dim_const(g->dims, 70);
    DimId columns = dim_const(g->dims, _i ? 512 : 528);
    Shape left = {.rank = 3, .dims = {s->batch, time, rows}}, right = left;
    right.dims[2] = columns;
    NodeId x = g_input(g, ctx_sym(ctx, "x"), DTYPE_F32, &left, nowhere);
    NodeId dy = g_input(g, ctx_sym(ctx, "dy"), DTYPE_F32, &right, nowhere);
    const uint32_t la[] = {2, 3, 0}, lb[] = {2, 3, 1}, out[] = {0, 1}, reduced[] = {2, 3};
    NodeId dw = g_contract(g, x, la, dy, lb, out, 2, reduced, 2, nowhere);
    int64_t words[70];
    for (int i = 0; i < 70; i++) words[i] = dtype_word_from_f64(DTYPE_F32, 0.25 * i);
    Shape table = {.rank = 1, .dims = {rows}}, square = {.rank = 2, .dims = {rows, columns}};
    NodeId scale = graph_add(g, OP_CONST, DTYPE_F32, &table, NULL, 0, words, 70, nowhere);
    const int32_t from[] = {0, -1};
    NodeId spread = g_broadcast(g, scale, &square, from, nowhere);
    graph_output(g, ctx_sym(ctx, "dw"), g_binary(g, OP_MUL, dw, spread, nowhere));
    graph_output(g, ctx_sym(ctx, "table"), scale);
    check(s, 3001);
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_scan");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, random_loops, 0, number_from("BMC_RANDOM_COUNT", 24));
    tcase_add_loop_test(t, recurrent_layers, 0, 10);
    tcase_add_loop_test(t, wide_recurrent_layers, 0, 3);
    tcase_add_loop_test(t, weight_gradients, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
