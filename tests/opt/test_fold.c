/* Folding: what is computed at compile time, what must not be, and that the two rules of simplify
 * that change rounding give what docs/passes.md says they give. */
#include "compiler/opt/opt.h"
#include "tests/kit/evaluate.h"
#include "tests/kit/random.h"
#include <math.h>

static uint32_t count_op(const Graph *g, Op op) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph_size(g); i++) count += graph_node(g, (NodeId){i})->op == op;
    return count;
}

static Graph *fold(Kit *k, NodeId node) {
    kit_output(k, "r", node);
    Graph *g = opt_dce(opt_fold(k->g));
    graph_verify(g);
    ck_assert_ptr_eq(opt_fold(g), g);
    return g;
}

static NodeId table(Kit *k, DType dtype, const double *values, uint32_t count) {
    int64_t words[8192];
    Shape shape = {.rank = 1, .dims = {dim_const(k->dims, count)}};
    for (uint32_t i = 0; i < count; i++) words[i] = dtype_word_from_f64(dtype, values[i]);
    return graph_add(k->g, OP_CONST, dtype, &shape, NULL, 0, words, count, nowhere);
}

/* sqrt(exp(1) + 1) over a batch known only at run time: one number. */
START_TEST(numbers_of_any_shape) {
    Kit k = kit_create(NULL, 0);
    Shape shape = {.rank = 1, .dims = {dim_symbol(k.dims, ctx_sym(k.ctx, "B"), 8)}};
    NodeId one = g_const(k.g, DTYPE_F64, &shape, 1, nowhere);
    NodeId e = g_unary(k.g, OP_EXP, one, nowhere);
    Graph *g = fold(&k, g_unary(k.g, OP_SQRT, g_binary(k.g, OP_ADD, e, one, nowhere), nowhere));
    double value;
    ck_assert_uint_eq(graph_size(g), 1);
    ck_assert(graph_const_value(g, g->outputs.data[0].node, &value));
    ck_assert(fabs(value - sqrt(exp(1) + 1)) < 1e-15);
    kit_destroy(&k);
}
END_TEST

/* 1 + 2^-8 lies between two bf16 and goes to the even one, 1; 1 + 2^-7 is a bf16. */
START_TEST(narrow_contractions_round_their_operands) {
    for (int narrow = 0; narrow < 2; narrow++) {
        Kit k = kit_create(NULL, 0);
        k.g->bf16 = narrow;
        NodeId a = table(&k, DTYPE_F32, (double[]){1 + 0x1p-8, 1 + 0x1p-7}, 2);
        NodeId b = table(&k, DTYPE_F32, (double[]){1, 1 + 0x1p-8}, 2);
        uint32_t label = 0;
        kit_output(&k, "r", g_contract(k.g, a, &label, b, &label, NULL, 0, &label, 1, nowhere));
        kit_output(&k, "s", g_binary(k.g, OP_MUL, a, b, nowhere)); /* stays as it is */
        Graph *g = opt_dce(opt_fold(opt_precision(opt_dce(k.g))));
        double value;
        ck_assert(graph_const_value(g, g->outputs.data[0].node, &value));
        double exact = 1 + 0x1p-8 + (1 + 0x1p-7) * (1 + 0x1p-8);
        ck_assert(narrow ? value == 2 + 0x1p-7 : fabs(value - exact) < 0x1p-22);
        const GNode *s = graph_node(g, g->outputs.data[1].node);
        ck_assert(s->op == OP_CONST && dtype_word_to_f64(DTYPE_F32, s->attr[0]) == 1 + 0x1p-8);
        kit_destroy(&k);
    }
}
END_TEST

START_TEST(tables_are_computed) {
    Kit k = kit_create(NULL, 0);
    NodeId t = table(&k, DTYPE_F32, (double[]){1, 2, 3}, 3);
    NodeId doubled =
        g_binary(k.g, OP_ADD, t, g_reverse(k.g, t, (uint32_t[]){0}, 1, nowhere), nowhere);
    Graph *g = fold(&k, kit_sum_all(&k, g_binary(k.g, OP_MUL, doubled, t, nowhere)));
    double value;
    ck_assert(graph_const_value(g, g->outputs.data[0].node, &value));
    ck_assert(value == 4 * (1 + 2 + 3));
    kit_destroy(&k);
}
END_TEST

START_TEST(large_tables_stay) {
    Kit k = kit_create(NULL, 0);
    double values[5000];
    for (int i = 0; i < 5000; i++) values[i] = i;
    NodeId large = table(&k, DTYPE_F32, values, 5000), small = table(&k, DTYPE_F32, values, 4096);
    Graph *g = fold(&k, g_unary(k.g, OP_EXP, large, nowhere));
    ck_assert_uint_eq(count_op(g, OP_EXP), 1);
    k.g->outputs.len = 0;
    g = fold(&k, g_unary(k.g, OP_EXP, small, nowhere));
    ck_assert_uint_eq(count_op(g, OP_EXP), 0);
    kit_destroy(&k);
}
END_TEST

/* A step that divides by zero or reads out of range says so; a folded one could not. */
START_TEST(what_sets_a_flag_stays) {
    Kit k = kit_create(NULL, 0);
    NodeId t = table(&k, DTYPE_I32, (double[]){1, 2, 3}, 3), zero = kit_splat(&k, t, 0);
    Graph *g = fold(&k, g_binary(k.g, OP_DIV, t, zero, nowhere));
    ck_assert_uint_eq(count_op(g, OP_DIV), 1);
    k.g->outputs.len = 0;
    NodeId one = kit_splat(&k, t, 1);
    g = fold(&k, g_binary(k.g, OP_MOD, one, zero, nowhere));
    ck_assert_uint_eq(count_op(g, OP_MOD), 1);
    k.g->outputs.len = 0;
    g = fold(&k, g_gather(k.g, t, &t, (uint32_t[]){0}, 1, nowhere));
    ck_assert_uint_eq(count_op(g, OP_GATHER), 1);
    k.g->outputs.len = 0;
    g = fold(&k, g_binary(k.g, OP_DIV, t, kit_splat(&k, t, 2), nowhere));
    ck_assert_uint_eq(count_op(g, OP_DIV), 0);
    kit_destroy(&k);
}
END_TEST

/* What folding uncovers is simplified: (3 - 2) * x is x. */
START_TEST(folding_uncovers) {
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F32, SHAPE(3));
    NodeId one = g_binary(k.g, OP_SUB, kit_splat(&k, x, 3), kit_splat(&k, x, 2), nowhere);
    Graph *g = fold(&k, g_binary(k.g, OP_MUL, one, x, nowhere));
    ck_assert_uint_eq(graph_size(g), 1);
    kit_destroy(&k);
}
END_TEST

/* x^3 is (x·x)·x to the bit. */
START_TEST(small_powers) {
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F32, SHAPE(64));
    for (int n = 0; n <= 4; n++)
        kit_output(&k, "p", g_binary(k.g, OP_POW, x, kit_splat(&k, x, n), nowhere));
    Graph *g = opt_simplify(k.g);
    ck_assert_uint_eq(count_op(g, OP_POW), 0);
    Random random = {.state = 3};
    float data[64];
    for (int i = 0; i < 64; i++) data[i] = (float)random_between(&random, -3, 3);
    Arena *arena = arena_create();
    Tensor input = {.dtype = DTYPE_F32, .rank = 1, .dims = {64}, .data = data};
    const Tensor *r = evaluate(g, &input, NULL, NULL, arena, NULL);
    for (int i = 0; i < 64; i++) {
        float p = 1;
        for (int n = 0; n <= 4; n++) {
            ck_assert(((const float *)r[n].data)[i] == p);
            p = n == 0 ? data[i] : p * data[i];
        }
    }
    arena_destroy(arena);
    kit_destroy(&k);
}
END_TEST

/* sum[k](x[i, k] · y[j, k]) as a contraction is as near to the f64 result as the sum was. */
START_TEST(sum_of_products) {
    enum { I = 3, J = 4, K = 700 };
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F32, SHAPE(I, K)),
           y = kit_input(&k, "y", DTYPE_F32, SHAPE(J, K));
    Shape cube = SHAPE(I, J, K);
    NodeId a = g_broadcast(k.g, x, &cube, (int32_t[]){0, -1, 1}, nowhere);
    NodeId b = g_broadcast(k.g, y, &cube, (int32_t[]){-1, 0, 1}, nowhere);
    NodeId product = g_binary(k.g, OP_MUL, a, b, nowhere);
    kit_output(&k, "r", g_reduce(k.g, OP_SUM, product, (uint32_t[]){2}, 1, nowhere));
    Graph *g = opt_dce(opt_simplify(k.g));
    ck_assert_uint_eq(count_op(g, OP_CONTRACT), 1);
    ck_assert_uint_eq(graph_size(g), 3);
    Random random = {.state = 4};
    static float xs[I * K], ys[J * K];
    for (int i = 0; i < I * K; i++) xs[i] = (float)random_between(&random, -1, 1);
    for (int i = 0; i < J * K; i++) ys[i] = (float)random_between(&random, -1, 1);
    Arena *arena = arena_create();
    Tensor inputs[2] = {{.dtype = DTYPE_F32, .rank = 2, .dims = {I, K}, .data = xs},
                        {.dtype = DTYPE_F32, .rank = 2, .dims = {J, K}, .data = ys}};
    const float *r = evaluate(g, inputs, NULL, NULL, arena, NULL)[0].data;
    for (int i = 0; i < I; i++)
        for (int j = 0; j < J; j++) {
            double sum = 0;
            for (int l = 0; l < K; l++) sum += (double)xs[i * K + l] * (double)ys[j * K + l];
            ck_assert(fabs((double)r[i * J + j] - sum) < 1e-4);
        }
    arena_destroy(arena);
    kit_destroy(&k);
}
END_TEST

/* The mask of relu and dropout becomes one; every combination of special values keeps its bits. */
START_TEST(one_mask_for_relu_and_dropout) {
    static const float special[] = {-INFINITY, -1, -1e-45f, -0.0f,    0,  1e-45f,
                                    1e-38f,    1,  3e38f,   INFINITY, NAN};
    enum { N = sizeof special / sizeof *special, ALL = 2 * N * N };
    Kit k = kit_create(NULL, 0);
    Shape shape = SHAPE(ALL);
    NodeId x = kit_input(&k, "x", DTYPE_F32, shape), h = kit_input(&k, "h", DTYPE_F32, shape);
    NodeId kept = kit_input(&k, "kept", DTYPE_BOOL, shape);
    NodeId zero = kit_splat(&k, x, 0), scale = kit_splat(&k, x, 1.25);
    NodeId r = g_binary(k.g, OP_MAX, x, zero, nowhere);
    NodeId scaled = g_binary(k.g, OP_MUL, r, scale, nowhere);
    kit_output(&k, "u", g_select(k.g, kept, scaled, zero, nowhere));
    NodeId g = g_binary(k.g, OP_MUL, g_select(k.g, kept, h, zero, nowhere), scale, nowhere);
    kit_output(&k, "d", g_select(k.g, g_binary(k.g, OP_LESS, zero, r, nowhere), g, zero, nowhere));
    Graph *after = opt_dce(opt_simplify(k.g));
    ck_assert_uint_eq(count_op(after, OP_SELECT), 2); /* one forward, one back */
    static float xs[ALL], hs[ALL];
    static uint8_t keeps[ALL];
    for (int i = 0; i < ALL; i++) {
        xs[i] = special[i % N];
        hs[i] = special[i / N % N];
        keeps[i] = (uint8_t)(i / (N * N));
    }
    Tensor inputs[3] = {{.dtype = DTYPE_F32, .rank = 1, .dims = {ALL}, .data = xs},
                        {.dtype = DTYPE_F32, .rank = 1, .dims = {ALL}, .data = hs},
                        {.dtype = DTYPE_BOOL, .rank = 1, .dims = {ALL}, .data = keeps}};
    Arena *arena = arena_create();
    const Tensor *old = evaluate(k.g, inputs, NULL, NULL, arena, NULL);
    const Tensor *new = evaluate(after, inputs, NULL, NULL, arena, NULL);
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < ALL; i++) {
            float a = ((const float *)old[o].data)[i], b = ((const float *)new[o].data)[i];
            ck_assert_msg((isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0, "%d %g %g", i,
                          (double)a, (double)b);
        }
    arena_destroy(arena);
    kit_destroy(&k);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fold");
    TCase *tests = tcase_create("fold");
    tcase_add_test(tests, numbers_of_any_shape);
    tcase_add_test(tests, narrow_contractions_round_their_operands);
    tcase_add_test(tests, tables_are_computed);
    tcase_add_test(tests, large_tables_stay);
    tcase_add_test(tests, what_sets_a_flag_stays);
    tcase_add_test(tests, folding_uncovers);
    tcase_add_test(tests, small_powers);
    tcase_add_test(tests, sum_of_products);
    tcase_add_test(tests, one_mask_for_relu_and_dropout);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
