/* What gradients must satisfy beyond the single op: linearity, kinks and undefined branches, values
 * in the middle, a whole network with a run-time batch, a gradient inside a loss. */
#include "compiler/autodiff/autodiff.h"
#include "tests/kit/evaluate.h"
#include "tests/kit/random.h"
#include <math.h>

typedef struct Setup {
    Kit kit;
    Graph *g;
    Tensor inputs[8];
    Arena *arena;
    int64_t batch; /* value of symbol 0 */
} Setup;

static Setup open_setup(void) {
    Setup s = {.kit = kit_create(NULL, 0), .arena = arena_create()};
    s.g = s.kit.g;
    return s;
}
static void close_setup(Setup *s) {
    arena_destroy(s->arena);
    kit_destroy(&s->kit);
}

/* An f64 vector input with these values. */
static NodeId vector(Setup *s, const double *values, int64_t count) {
    Shape shape = {.rank = 1, .dims = {dim_const(s->kit.dims, count)}};
    char name[8];
    snprintf(name, sizeof name, "x%u", s->g->inputs.len);
    NodeId x = kit_input(&s->kit, name, DTYPE_F64, shape);
    double *data = arena_array(s->arena, (size_t)count, sizeof *data);
    memcpy(data, values, (size_t)count * sizeof *data);
    s->inputs[s->g->inputs.len - 1] = tensor_like(s->g, DTYPE_F64, &shape, data);
    return x;
}
#define VECTOR(s, ...)                                                                             \
    vector(s, (const double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double))

static NodeId op1(Setup *s, Op op, NodeId x) {
    return g_unary(s->g, op, x, nowhere);
}
static NodeId op2(Setup *s, Op op, NodeId x, NodeId y) {
    return g_binary(s->g, op, x, y, nowhere);
}
static NodeId total(Setup *s, NodeId x) {
    return kit_sum_all(&s->kit, x);
}
static NodeId gradient(Setup *s, NodeId y, NodeId x) {
    return g_grad(s->g, y, x, nowhere);
}

static const Tensor *results(Setup *s) {
    Graph *d = autodiff_run(s->g);
    ck_assert_uint_eq(diags_errors(s->kit.ctx->diags), 0);
    graph_verify(d);
    return evaluate(d, s->inputs, NULL, &s->batch, s->arena, NULL);
}
static double at(const Tensor *t, uint32_t i) {
    return ((const double *)t->data)[i];
}

/* The gradient of sum(y) by x must be these numbers. */
static void expect(Setup *s, NodeId y, NodeId x, const double *wanted, size_t count) {
    kit_output(&s->kit, "d", gradient(s, total(s, y), x));
    const Tensor *d = results(s);
    ck_assert_uint_eq(tensor_count(d), count);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_msg(at(d, i) == wanted[i], "element %u: %g, wanted %g", i, at(d, i), wanted[i]);
    close_setup(s);
}
#define EXPECT(s, y, x, ...)                                                                       \
    expect(s, y, x, (const double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double))

START_TEST(relu_at_zero) {
    Setup s = open_setup();
    NodeId x = VECTOR(&s, -1, -0.0, 0, 2, NAN);
    EXPECT(&s, op2(&s, OP_MAX, x, kit_splat(&s.kit, x, 0)), x, 0, 0, 0, 1, 0);
}
END_TEST

START_TEST(ties_go_to_the_second) {
    Setup s = open_setup();
    NodeId x = VECTOR(&s, 1, 2, 3), y = VECTOR(&s, 1, 3, 2);
    NodeId both = op2(&s, OP_ADD, op2(&s, OP_MAX, x, y), op2(&s, OP_MIN, x, y));
    NodeId weighted = op2(&s, OP_MUL, op2(&s, OP_MAX, x, y), kit_splat(&s.kit, x, 3));
    EXPECT(&s, op2(&s, OP_ADD, both, weighted), y, 5, 4, 1);
}
END_TEST

START_TEST(extremum_is_shared_among_ties) {
    Setup s = open_setup();
    NodeId x = VECTOR(&s, 2, 1, 2, 2, 0);
    NodeId top = g_reduce(s.g, OP_REDUCE_MAX, x, (uint32_t[]){0}, 1, nowhere);
    NodeId six = op2(&s, OP_MUL, top, kit_splat(&s.kit, top, 6));
    EXPECT(&s, six, x, 2, 0, 2, 2, 0);
}
END_TEST

START_TEST(abs_at_zero) {
    Setup s = open_setup();
    NodeId x = VECTOR(&s, -3, 0, 4);
    EXPECT(&s, op1(&s, OP_ABS, x), x, -1, 0, 1);
}
END_TEST

/* log of a negative number, and its infinite slope at 0, stay behind the select: in the first
 * derivative and in the second. */
START_TEST(select_keeps_the_other_branch_out) {
    for (int order = 1; order <= 2; order++) {
        Setup s = open_setup();
        NodeId x = VECTOR(&s, -1, 0, 0.5), zero = kit_splat(&s.kit, x, 0);
        NodeId inside = op2(&s, OP_LESS, zero, x);
        NodeId safe = g_select(s.g, inside, x, kit_splat(&s.kit, x, 1), nowhere);
        NodeId y = g_select(s.g, inside, op1(&s, OP_LOG, safe), zero, nowhere);
        if (order == 1)
            EXPECT(&s, y, x, 0, 0, 2);
        else
            EXPECT(&s, gradient(&s, total(&s, y), x), x, 0, 0, -4);
    }
}
END_TEST

/* x^n with both variable: by n at x = 0 it is 0 (not 0 · log 0), by x at n = 0 it is 0. */
START_TEST(power_at_its_edges) {
    for (int order = 1; order <= 2; order++) {
        Setup s = open_setup();
        NodeId x = VECTOR(&s, 0, 0, 2, 3), n = VECTOR(&s, 2, 1, 0, 1);
        NodeId y = op2(&s, OP_POW, x, n);
        NodeId d = order == 1 ? y : gradient(&s, total(&s, y), n);
        kit_output(&s.kit, "dn", gradient(&s, total(&s, d), n));
        kit_output(&s.kit, "dx", gradient(&s, total(&s, y), x));
        const Tensor *r = results(&s);
        for (uint32_t i = 0; i < 4; i++)
            ck_assert(isfinite(at(&r[0], i)) && isfinite(at(&r[1], i)));
        ck_assert(at(&r[0], 0) == 0 && at(&r[0], 1) == 0 && at(&r[1], 2) == 0);
        ck_assert(at(&r[1], 0) == 0 && at(&r[1], 1) == 1 && at(&r[1], 3) == 1);
        close_setup(&s);
    }
}
END_TEST

/* The gradient by a value in the middle sees only what comes after it. */
START_TEST(value_in_the_middle) {
    Setup s = open_setup();
    NodeId x = VECTOR(&s, 2, 3), square = op2(&s, OP_MUL, x, x);
    NodeId y = op2(&s, OP_ADD, op2(&s, OP_MUL, square, square), x);
    EXPECT(&s, y, square, 8, 18);
}
END_TEST

START_TEST(of_itself) {
    Setup s = open_setup();
    NodeId y = total(&s, VECTOR(&s, 2, 3));
    kit_output(&s.kit, "d", gradient(&s, y, y));
    ck_assert(at(results(&s), 0) == 1);
    close_setup(&s);
}
END_TEST

/* The slope of 3x is 3, whose slope is 0: as written it depends on x, so it is no error. */
START_TEST(second_derivative_of_a_line) {
    Setup s = open_setup();
    NodeId x = VECTOR(&s, 2, 3), y = op2(&s, OP_MUL, x, kit_splat(&s.kit, x, 3));
    NodeId slope = gradient(&s, total(&s, y), x);
    EXPECT(&s, slope, x, 0, 0);
}
END_TEST

/* d5/dx5 sin = cos, each derivative asked of the one before. */
START_TEST(fifth_derivative) {
    Setup s = open_setup();
    NodeId x = VECTOR(&s, 0.3, -1.1), y = op1(&s, OP_SIN, x);
    for (int i = 0; i < 5; i++) y = gradient(&s, total(&s, y), x);
    kit_output(&s.kit, "d", y);
    const Tensor *d = results(&s);
    ck_assert(fabs(at(d, 0) - cos(0.3)) < 1e-14 && fabs(at(d, 1) - cos(-1.1)) < 1e-14);
    close_setup(&s);
}
END_TEST

/* grad(a·f + b·h) = a·grad f + b·grad h, for many values. */
START_TEST(linear_in_the_loss) {
    Random random = {.state = 5};
    for (int trial = 0; trial < 50; trial++) {
        Setup s = open_setup();
        double values[6];
        for (int i = 0; i < 6; i++) values[i] = random_between(&random, -2, 2);
        NodeId x = vector(&s, values, 6);
        NodeId f = total(&s, op1(&s, OP_TANH, op2(&s, OP_MUL, x, x)));
        NodeId h = total(&s, op2(&s, OP_MUL, op1(&s, OP_EXP, x), op1(&s, OP_COS, x)));
        NodeId a = kit_splat(&s.kit, f, 1.5), b = kit_splat(&s.kit, f, -0.25);
        NodeId both = op2(&s, OP_ADD, op2(&s, OP_MUL, a, f), op2(&s, OP_MUL, b, h));
        kit_output(&s.kit, "both", gradient(&s, both, x));
        kit_output(&s.kit, "f", gradient(&s, f, x));
        kit_output(&s.kit, "h", gradient(&s, h, x));
        const Tensor *r = results(&s);
        for (uint32_t i = 0; i < 6; i++) {
            double wanted = 1.5 * at(&r[1], i) - 0.25 * at(&r[2], i);
            ck_assert(fabs(at(&r[0], i) - wanted) <= 1e-12 * fmax(1, fabs(wanted)));
        }
        close_setup(&s);
    }
}
END_TEST

/* ---- a network: dense, tanh, dense, softmax cross-entropy; batch at run time */

typedef struct Network {
    Setup s;
    NodeId x, label, w1, b1, w2, loss;
    double data[4][64];
} Network;

static NodeId matrix(Network *n, uint32_t slot, const char *name, Shape shape, int64_t count,
                     Random *random) {
    for (int64_t i = 0; i < count; i++) n->data[slot][i] = random_between(random, -1, 1);
    NodeId id = kit_input(&n->s.kit, name, DTYPE_F64, shape);
    Tensor *t = &n->s.inputs[n->s.g->inputs.len - 1];
    *t = (Tensor){.dtype = DTYPE_F64, .rank = shape.rank, .data = n->data[slot]};
    for (uint32_t i = 0; i < shape.rank; i++)
        ck_assert(dim_eval(n->s.kit.dims, shape.dims[i], &n->s.batch, &t->dims[i]));
    return id;
}

static void build_network(Network *n, int64_t batch, Random *random) {
    n->s = open_setup();
    n->s.batch = batch;
    Kit k = n->s.kit;
    Graph *g = n->s.g;
    DimId rows = dim_symbol(k.dims, ctx_sym(k.ctx, "B"), 16);
    Shape xs = SHAPE(1, 4), labels = {.rank = 1, .dims = {rows}};
    xs.dims[0] = rows;
    n->x = matrix(n, 0, "x", xs, 4 * batch, random);
    n->w1 = matrix(n, 1, "w1", SHAPE(4, 5), 20, random);
    n->b1 = matrix(n, 2, "b1", SHAPE(5), 5, random);
    n->w2 = matrix(n, 3, "w2", SHAPE(5, 3), 15, random);
    n->label = kit_input(&n->s.kit, "label", DTYPE_I32, labels);
    int32_t *ids = arena_array(n->s.arena, (size_t)batch, sizeof *ids);
    for (int64_t i = 0; i < batch; i++) ids[i] = (int32_t)random_below(random, 3);
    n->s.inputs[4] = (Tensor){.dtype = DTYPE_I32, .rank = 1, .dims = {batch}, .data = ids};
    NodeId z = kit_matmul(&k, n->x, n->w1);
    NodeId h = g_unary(g, OP_TANH, g_binary(g, OP_ADD, z, kit_row(&k, n->b1, z), nowhere), nowhere);
    NodeId logits = kit_matmul(&k, h, n->w2);
    NodeId sum =
        g_reduce(g, OP_SUM, g_unary(g, OP_EXP, logits, nowhere), (uint32_t[]){1}, 1, nowhere);
    NodeId norm = kit_column(&k, g_unary(g, OP_LOG, sum, nowhere), logits);
    NodeId lp = g_binary(g, OP_SUB, logits, norm, nowhere);
    NodeId index[2] = {g_iota(g, DTYPE_I32, &labels, 0, nowhere), n->label};
    NodeId hit = g_gather(g, lp, index, (uint32_t[]){0, 1}, 2, nowhere);
    NodeId mean =
        g_binary(g, OP_DIV, kit_sum_all(&k, hit), g_size(g, DTYPE_F64, rows, nowhere), nowhere);
    n->loss = g_unary(g, OP_NEG, mean, nowhere);
}

/* Output `loss` against outputs `d...` = its gradients by the inputs first, first + 1, ... */
static void check_network(Network *n, const Graph *d, uint32_t loss, uint32_t gradients,
                          uint32_t first, uint32_t count) {
    const Tensor *r = evaluate(d, n->s.inputs, NULL, &n->s.batch, n->s.arena, NULL);
    for (uint32_t v = 0; v < count; v++)
        for (uint32_t i = 0; i < tensor_count(&r[gradients + v]); i++) {
            double *value = &n->data[first + v][i], kept = *value;
            *value = kept + 1e-5;
            double above =
                at(&evaluate(d, n->s.inputs, NULL, &n->s.batch, n->s.arena, NULL)[loss], 0);
            *value = kept - 1e-5;
            double below =
                at(&evaluate(d, n->s.inputs, NULL, &n->s.batch, n->s.arena, NULL)[loss], 0);
            *value = kept;
            double slope = (above - below) / 2e-5, a = at(&r[gradients + v], i);
            ck_assert_msg(fabs(a - slope) <= 1e-6 * fmax(1, fabs(a)),
                          "variable %u, element %u: %g, %g", v, i, a, slope);
        }
}

START_TEST(network_with_any_batch) {
    Random random = {.state = 9};
    for (int64_t batch = 1; batch <= 5; batch += 2) {
        Network n;
        build_network(&n, batch, &random);
        NodeId by[] = {n.x, n.w1, n.b1, n.w2};
        kit_output(&n.s.kit, "loss", n.loss);
        for (int i = 0; i < 4; i++) kit_output(&n.s.kit, "d", gradient(&n.s, n.loss, by[i]));
        check_network(&n, autodiff_run(n.s.g), 0, 1, 0, 4);
        close_setup(&n.s);
    }
}
END_TEST

/* The norm of the input's gradient as a loss (WGAN-GP): its gradient by the weights. */
START_TEST(gradient_penalty) {
    Random random = {.state = 10};
    Network n;
    build_network(&n, 3, &random);
    Graph *g = n.s.g;
    NodeId slope = gradient(&n.s, n.loss, n.x);
    NodeId norm =
        g_unary(g, OP_SQRT, total(&n.s, g_binary(g, OP_MUL, slope, slope, nowhere)), nowhere);
    NodeId off = g_binary(g, OP_SUB, norm, kit_splat(&n.s.kit, norm, 1), nowhere);
    NodeId penalty = g_binary(g, OP_MUL, off, off, nowhere);
    NodeId loss = g_binary(g, OP_ADD, n.loss, penalty, nowhere);
    NodeId by[] = {n.w1, n.b1, n.w2};
    kit_output(&n.s.kit, "loss", loss);
    for (int i = 0; i < 3; i++) kit_output(&n.s.kit, "d", gradient(&n.s, loss, by[i]));
    check_network(&n, autodiff_run(g), 0, 1, 1, 3);
    close_setup(&n.s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gradient properties");
    TCase *tests = tcase_create("properties");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, relu_at_zero);
    tcase_add_test(tests, ties_go_to_the_second);
    tcase_add_test(tests, extremum_is_shared_among_ties);
    tcase_add_test(tests, abs_at_zero);
    tcase_add_test(tests, select_keeps_the_other_branch_out);
    tcase_add_test(tests, power_at_its_edges);
    tcase_add_test(tests, value_in_the_middle);
    tcase_add_test(tests, of_itself);
    tcase_add_test(tests, second_derivative_of_a_line);
    tcase_add_test(tests, fifth_derivative);
    tcase_add_test(tests, linear_in_the_loss);
    tcase_add_test(tests, network_with_any_batch);
    tcase_add_test(tests, gradient_penalty);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
