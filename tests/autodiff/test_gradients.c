/* Every differentiable op of ops.def against central differences in f64, first and second
 * derivative, over random shapes: |a - n| / max(1, |a|, |n|) ≤ 1e-6.
 *
 * loss = Σ w ⊙ (y + y²/2) with random w, so that each element of y has its own weight and the
 * second derivative exists for linear ops too. The second check differentiates s = Σ over variables
 * of (Σ v ⊙ dloss/dx + Σ x²/2), v random. */
#include "compiler/autodiff/autodiff.h"
#include "tests/autodiff/op_samples.h"
#include "tests/kit/evaluate.h"

enum { TRIALS = 24, LOOP_TRIALS = 150 /* many kinds of loops */ };

typedef struct Check { /* a differentiated graph and where its results are */
    Sample *sample;
    Graph *graph;
    uint32_t loss, total, first, second; /* outputs; first and second: one a variable */
} Check;

static NodeId half_square_sum(Sample *s, NodeId x) {
    if (graph_node(s->g, x)->dtype != DTYPE_F64) x = g_cast(s->g, DTYPE_F64, x, nowhere);
    NodeId square = g_binary(s->g, OP_MUL, x, x, nowhere);
    return kit_sum_all(&s->kit,
                       g_binary(s->g, OP_MUL, square, kit_splat(&s->kit, x, 0.5), nowhere));
}

static NodeId weighted_sum(Sample *s, NodeId x) {
    if (graph_node(s->g, x)->dtype != DTYPE_F64) x = g_cast(s->g, DTYPE_F64, x, nowhere);
    NodeId weights = floats(s, graph_shape(s->g, x), -1, 1);
    return kit_sum_all(&s->kit, g_binary(s->g, OP_MUL, weights, x, nowhere));
}

static Check build(Sample *s, NodeId y) {
    Check c = {.sample = s};
    Graph *g = s->g;
    NodeId square = g_binary(g, OP_MUL, y, y, nowhere);
    NodeId half = g_binary(g, OP_MUL, square, kit_splat(&s->kit, y, 0.5), nowhere);
    NodeId loss = weighted_sum(s, g_binary(g, OP_ADD, y, half, nowhere));
    NodeId first[VARIABLES_MAX], total = NODE_NONE;
    for (uint32_t i = 0; i < s->variable_count; i++) {
        NodeId x = s->variables[i].node;
        first[i] = g_grad(g, loss, x, nowhere);
        NodeId part =
            g_binary(g, OP_ADD, weighted_sum(s, first[i]), half_square_sum(s, x), nowhere);
        total = node_is_none(total) ? part : g_binary(g, OP_ADD, total, part, nowhere);
    }
    kit_output(&s->kit, "loss", loss);
    kit_output(&s->kit, "total", total);
    c.total = 1;
    c.first = 2;
    c.second = 2 + s->variable_count;
    for (uint32_t i = 0; i < s->variable_count; i++) kit_output(&s->kit, "first", first[i]);
    for (uint32_t i = 0; i < s->variable_count; i++)
        kit_output(&s->kit, "second", g_grad(g, total, s->variables[i].node, nowhere));
    c.graph = autodiff_run(g);
    ck_assert_uint_eq(diags_errors(s->kit.ctx->diags), 0);
    graph_verify(c.graph);
    return c;
}

static Tensor variable_tensor(const Check *c, const Variable *v, Arena *arena) {
    Shape shape = graph_shape(c->sample->g, v->node);
    void *data = arena_array(arena, v->count, 8);
    for (uint32_t i = 0; i < v->count; i++)
        if (v->dtype == DTYPE_F64)
            ((double *)data)[i] = v->value[i];
        else
            ((float *)data)[i] = (float)v->value[i];
    return tensor_like(c->graph, v->dtype, &shape, data);
}

static const Tensor *run(const Check *c, Arena *arena) {
    Tensor inputs[VARIABLES_MAX], slot = {.data = NULL};
    Shape slot_shape = {.rank = 0};
    double nothing[6] = {0};
    slot_shape.rank = c->graph->slots[0].rank;
    for (uint32_t i = 0; i < slot_shape.rank; i++)
        slot_shape.dims[i] = dim_const(c->graph->dims, c->graph->slots[0].dims[i]);
    slot = tensor_like(c->graph, DTYPE_F64, &slot_shape, nothing);
    for (uint32_t i = 0; i < c->sample->variable_count; i++) {
        const Variable *v = &c->sample->variables[i];
        Tensor t = variable_tensor(c, v, arena);
        if (v->input < 0)
            slot = t;
        else
            inputs[v->input] = t;
    }
    return evaluate(c->graph, inputs, &slot, NULL, arena, NULL);
}

static double number(const Tensor *t, uint32_t i) {
    return t->dtype == DTYPE_F64 ? ((const double *)t->data)[i] : ((const float *)t->data)[i];
}

/* (f(x + h) - f(x - h)) / 2h of one output, by one element of one variable. */
static double difference(const Check *c, Variable *v, uint32_t element, uint32_t output) {
    Arena *arena = arena_create();
    double value = v->value[element];
    v->value[element] = value + c->sample->step;
    double above = number(&run(c, arena)[output], 0);
    v->value[element] = value - c->sample->step;
    double below = number(&run(c, arena)[output], 0);
    v->value[element] = value;
    arena_destroy(arena);
    return (above - below) / (2 * c->sample->step);
}

static void compare(const Check *c, const Tensor *results, Op op, int trial, uint32_t first,
                    uint32_t of, const char *order) {
    for (uint32_t i = 0; i < c->sample->variable_count; i++) {
        Variable *v = &c->sample->variables[i];
        const Tensor *gradient = &results[first + i];
        ck_assert_uint_eq(tensor_count(gradient), v->count);
        for (uint32_t k = 0; k < v->count; k++) {
            double a = number(gradient, k), n = difference(c, v, k, of);
            double error = fabs(a - n) / fmax(1, fmax(fabs(a), fabs(n)));
            if (error <= 1e-6) continue;
            Text text = {.arena = c->sample->kit.ctx->arena};
            graph_print(&text, c->graph);
            fprintf(stderr, "%s", text_str(&text));
            ck_abort_msg("%s, trial %d: %s derivative by operand %u, element %u: %.10g, by "
                         "differences %.10g",
                         op_info(op)->name, trial, order, i, k, a, n);
        }
    }
}

static void check_op(Op op, int trial) {
    Context *ctx = context_create();
    DimTable *dims = dims_create(ctx->arena);
    Slot slot = {.path = ctx_sym(ctx, "w"), .dtype = DTYPE_F64, .rank = 2, .dims = {2, 3}};
    Sample *s = ARENA_NEW(ctx->arena, Sample);
    s->kit = (Kit){.ctx = ctx, .dims = dims, .g = graph_create(ctx, dims, &slot, 1)};
    s->g = s->kit.g;
    s->random = (Random){.state = (uint64_t)op * 1000 + (uint64_t)trial};
    s->step = 1e-5;
    Check c = build(s, op_samples[op](s));
    Arena *arena = arena_create();
    const Tensor *results = run(&c, arena);
    compare(&c, results, op, trial, c.first, c.loss, "first");
    compare(&c, results, op, trial, c.second, c.total, "second");
    arena_destroy(arena);
    context_destroy(ctx);
}

START_TEST(op_gradient) {
    Op op = (Op)_i;
    if (!op_info(op)->differentiable || op == OP_EXTERN) return;
    ck_assert(op_samples[op] != NULL);
    int trials = op_info(op)->cls == CLASS_LOOP ? LOOP_TRIALS : TRIALS;
    for (int trial = 0; trial < trials; trial++) check_op(op, trial);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gradients");
    TCase *tests = tcase_create("every op");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, op_gradient, 0, OP_COUNT);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
