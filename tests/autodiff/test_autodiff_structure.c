/* What autodiff builds, node by node, for graphs small enough to check by hand: the produced graph
 * is what runs, so a useless node is a fault. */
#include "compiler/autodiff/autodiff.h"
#include "tests/kit/graph_kit.h"

static void check(Kit *k, const char *name) {
    Graph *d = autodiff_run(k->g);
    ck_assert_uint_eq(diags_errors(k->ctx->diags), 0);
    graph_verify(d);
    for (uint32_t i = 0; i < graph_size(d); i++)
        ck_assert_int_ne(graph_node(d, (NodeId){i})->op, OP_GRAD);
    char path[128];
    snprintf(path, sizeof path, "autodiff/golden/%s.graph", name);
    kit_golden_graph(k->ctx, path, d);
    kit_destroy(k);
}

static void output_grad(Kit *k, const char *name, NodeId y, NodeId x) {
    kit_output(k, name, g_grad(k->g, y, x, nowhere));
}

START_TEST(without_grad_the_graph_itself) {
    Kit k = kit_create(NULL, 0);
    kit_output(&k, "y", kit_input(&k, "x", DTYPE_F32, SHAPE(2)));
    ck_assert_ptr_eq(autodiff_run(k.g), k.g);
    kit_destroy(&k);
}
END_TEST

/* dx = g @ wᵀ, dw = xᵀ @ g, both contractions, none transposed first. */
START_TEST(matmul) {
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F32, SHAPE(2, 3));
    NodeId w = kit_input(&k, "w", DTYPE_F32, SHAPE(3, 4));
    NodeId weight = kit_input(&k, "weight", DTYPE_F32, SHAPE(2, 4));
    NodeId y = kit_sum_all(&k, g_binary(k.g, OP_MUL, weight, kit_matmul(&k, x, w), nowhere));
    output_grad(&k, "dx", y, x);
    output_grad(&k, "dw", y, w);
    check(&k, "matmul");
}
END_TEST

/* An outer product is no contraction: nothing is summed. */
START_TEST(matrix_vector) {
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F32, SHAPE(2, 3)),
           w = kit_input(&k, "w", DTYPE_F32, SHAPE(3));
    NodeId weight = kit_input(&k, "weight", DTYPE_F32, SHAPE(2));
    NodeId y = g_contract(k.g, x, (uint32_t[]){0, 1}, w, (uint32_t[]){1}, (uint32_t[]){0}, 1,
                          (uint32_t[]){1}, 1, nowhere);
    NodeId loss = kit_sum_all(&k, g_binary(k.g, OP_MUL, weight, y, nowhere));
    output_grad(&k, "dx", loss, x);
    output_grad(&k, "dw", loss, w);
    check(&k, "matrix_vector");
}
END_TEST

/* dense, relu, dense, softmax cross-entropy, mean over a batch known at run time. */
START_TEST(classifier) {
    Kit k = kit_create(NULL, 0);
    Graph *g = k.g;
    DimId batch = dim_symbol(k.dims, ctx_sym(k.ctx, "B"), 128);
    Shape rows = SHAPE(1, 4), labels = {.rank = 1, .dims = {batch}};
    rows.dims[0] = batch;
    NodeId x = kit_input(&k, "x", DTYPE_F32, rows),
           label = kit_input(&k, "label", DTYPE_I32, labels);
    NodeId w1 = kit_input(&k, "w1", DTYPE_F32, SHAPE(4, 5)),
           b1 = kit_input(&k, "b1", DTYPE_F32, SHAPE(5));
    NodeId w2 = kit_input(&k, "w2", DTYPE_F32, SHAPE(5, 3)),
           b2 = kit_input(&k, "b2", DTYPE_F32, SHAPE(3));
    NodeId z1 = kit_matmul(&k, x, w1);
    z1 = g_binary(g, OP_ADD, z1, kit_row(&k, b1, z1), nowhere);
    NodeId h = g_binary(g, OP_MAX, z1, kit_splat(&k, z1, 0), nowhere);
    NodeId z2 = kit_matmul(&k, h, w2);
    z2 = g_binary(g, OP_ADD, z2, kit_row(&k, b2, z2), nowhere);
    NodeId top =
        g_unary(g, OP_STOP, g_reduce(g, OP_REDUCE_MAX, z2, (uint32_t[]){1}, 1, nowhere), nowhere);
    NodeId z = g_binary(g, OP_SUB, z2, kit_column(&k, top, z2), nowhere);
    NodeId sum = g_reduce(g, OP_SUM, g_unary(g, OP_EXP, z, nowhere), (uint32_t[]){1}, 1, nowhere);
    NodeId lp =
        g_binary(g, OP_SUB, z, kit_column(&k, g_unary(g, OP_LOG, sum, nowhere), z), nowhere);
    NodeId row = g_iota(g, DTYPE_I32, &labels, 0, nowhere);
    NodeId hit = g_gather(g, lp, (NodeId[]){row, label}, (uint32_t[]){0, 1}, 2, nowhere);
    NodeId mean =
        g_binary(g, OP_DIV, kit_sum_all(&k, hit), g_size(g, DTYPE_F32, batch, nowhere), nowhere);
    NodeId loss = g_unary(g, OP_NEG, mean, nowhere);
    kit_output(&k, "loss", loss);
    output_grad(&k, "dw1", loss, w1);
    output_grad(&k, "db1", loss, b1);
    output_grad(&k, "dw2", loss, w2);
    output_grad(&k, "db2", loss, b2);
    check(&k, "classifier");
}
END_TEST

/* (x^3)'' = 6x: the second gradient is asked of the first. */
START_TEST(second_derivative) {
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F64, (Shape){.rank = 0});
    NodeId y = g_binary(k.g, OP_POW, x, kit_splat(&k, x, 3), nowhere);
    NodeId dy = g_grad(k.g, y, x, nowhere);
    kit_output(&k, "dy", dy);
    output_grad(&k, "d2y", dy, x);
    check(&k, "second_derivative");
}
END_TEST

/* Embedding: rows may repeat, so the adjoint is a scatter. */
START_TEST(embedding) {
    Kit k = kit_create(NULL, 0);
    NodeId table = kit_input(&k, "table", DTYPE_F32, SHAPE(10, 4));
    NodeId ids = kit_input(&k, "ids", DTYPE_I32, SHAPE(2, 3));
    NodeId e = g_gather(k.g, table, &ids, (uint32_t[]){0}, 1, nowhere);
    output_grad(&k, "dtable", kit_sum_all(&k, g_binary(k.g, OP_MUL, e, e, nowhere)), table);
    check(&k, "embedding");
}
END_TEST

/* A value in the middle, and one that several consumers read: adjoints add in descending id. */
START_TEST(fan_out) {
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F32, SHAPE(3));
    NodeId m = g_unary(k.g, OP_EXP, x, nowhere);
    NodeId a = g_unary(k.g, OP_SIN, m, nowhere), b = g_unary(k.g, OP_COS, m, nowhere);
    NodeId c = g_unary(k.g, OP_NEG, m, nowhere);
    NodeId sum = g_binary(k.g, OP_ADD, g_binary(k.g, OP_ADD, a, b, nowhere), c, nowhere);
    output_grad(&k, "dm", kit_sum_all(&k, sum), m);
    check(&k, "fan_out");
}
END_TEST

/* Dropout and a division by a constant: select keeps the adjoint off the dropped elements. */
START_TEST(dropout) {
    Kit k = kit_create(NULL, 0);
    Shape shape = SHAPE(2, 3);
    NodeId x = kit_input(&k, "x", DTYPE_F32, shape);
    NodeId draw = g_random(k.g, &shape, 77, 0, nowhere);
    NodeId kept = g_binary(k.g, OP_LESS, draw, kit_splat(&k, draw, 0.8), nowhere);
    NodeId scaled = g_binary(k.g, OP_DIV, x, kit_splat(&k, x, 0.8), nowhere);
    NodeId y = g_select(k.g, kept, scaled, kit_splat(&k, x, 0), nowhere);
    output_grad(&k, "dx", kit_sum_all(&k, g_binary(k.g, OP_MUL, y, y, nowhere)), x);
    check(&k, "dropout");
}
END_TEST

/* Strided slice, pad, concat and reverse undo each other's moves. */
START_TEST(moves) {
    Kit k = kit_create(NULL, 0);
    DimTable *t = k.dims;
    NodeId x = kit_input(&k, "x", DTYPE_F32, SHAPE(7));
    DimId first = dim_const(t, 1), extent = dim_const(t, 3), two = dim_const(t, 2);
    NodeId s = g_slice(k.g, x, &first, &extent, (int64_t[]){2}, nowhere);
    NodeId r = g_reverse(k.g, s, (uint32_t[]){0}, 1, nowhere);
    NodeId c = g_concat(k.g, (NodeId[]){r, x}, 2, 0, nowhere);
    Shape rank0 = {.rank = 0};
    NodeId zero = g_const(k.g, DTYPE_F32, &rank0, 0, nowhere);
    NodeId p = g_pad(k.g, c, zero, &first, &two, (int64_t[]){1}, nowhere);
    output_grad(&k, "dx", kit_sum_all(&k, g_binary(k.g, OP_MUL, p, p, nowhere)), x);
    check(&k, "moves");
}
END_TEST

/* A 1-D convolution: windows of 3, stride 2, dilation 1, margins 1. */
START_TEST(convolution) {
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F32, SHAPE(9)), w = kit_input(&k, "w", DTYPE_F32, SHAPE(3));
    NodeId seen = g_window(k.g, x, &(WindowAxis){0, 3, 2, 1, 1, 1, 1}, 1, nowhere);
    NodeId y = g_contract(k.g, seen, (uint32_t[]){0, 1}, w, (uint32_t[]){1}, (uint32_t[]){0}, 1,
                          (uint32_t[]){1}, 1, nowhere);
    NodeId loss = kit_sum_all(&k, g_binary(k.g, OP_MUL, y, y, nowhere));
    output_grad(&k, "dx", loss, x);
    output_grad(&k, "dw", loss, w);
    check(&k, "convolution");
}
END_TEST

/* Gradients of one y share their sweep: asking for two adds only what the second alone needs. */
START_TEST(one_sweep_for_one_y) {
    Kit k = kit_create(NULL, 0);
    NodeId x = kit_input(&k, "x", DTYPE_F64, SHAPE(2)), z = kit_input(&k, "z", DTYPE_F64, SHAPE(2));
    NodeId y =
        kit_sum_all(&k, g_unary(k.g, OP_TANH, g_binary(k.g, OP_MUL, x, z, nowhere), nowhere));
    output_grad(&k, "dx", y, x);
    output_grad(&k, "dz", y, z);
    output_grad(&k, "dx_again", y, x);
    check(&k, "one_sweep_for_one_y");
}
END_TEST

/* Parameters are differentiated as READ nodes; a write of the updated value stays a write. */
START_TEST(parameter_update) {
    Kit k = kit_create(NULL, 0);
    kit_destroy(&k);
    Context *ctx = context_create();
    Slot slot = {.path = ctx_sym(ctx, "net.w"), .dtype = DTYPE_F32, .rank = 1, .dims = {3}};
    DimTable *dims = dims_create(ctx->arena);
    k = (Kit){.ctx = ctx, .dims = dims, .g = graph_create(ctx, dims, &slot, 1)};
    NodeId w = g_read(k.g, 0, nowhere);
    NodeId loss = kit_sum_all(&k, g_binary(k.g, OP_POW, w, kit_splat(&k, w, 2), nowhere));
    NodeId step =
        g_binary(k.g, OP_MUL, kit_splat(&k, w, 0.125), g_grad(k.g, loss, w, nowhere), nowhere);
    kit_output(&k, "loss", loss);
    graph_write(k.g, 0, g_binary(k.g, OP_SUB, w, step, nowhere));
    k.g->guard = loss;
    check(&k, "parameter_update");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("autodiff structure");
    TCase *tests = tcase_create("structure");
    tcase_add_test(tests, without_grad_the_graph_itself);
    tcase_add_test(tests, matmul);
    tcase_add_test(tests, matrix_vector);
    tcase_add_test(tests, classifier);
    tcase_add_test(tests, second_derivative);
    tcase_add_test(tests, embedding);
    tcase_add_test(tests, fan_out);
    tcase_add_test(tests, dropout);
    tcase_add_test(tests, moves);
    tcase_add_test(tests, convolution);
    tcase_add_test(tests, one_sweep_for_one_y);
    tcase_add_test(tests, parameter_update);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
