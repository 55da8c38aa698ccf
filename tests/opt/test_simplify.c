/* Each row of simplify on the smallest graph that shows it, and the rewrites that would be wrong:
 * they must not happen. One golden file holds all results. That the bits stay is test_opt_random's
 * work. */
#include "compiler/opt/opt.h"
#include "tests/kit/graph_kit.h"
#include <math.h>

typedef struct Bench { /* operands that most cases use */
    Kit kit;
    Graph *g;
    NodeId x, y; /* f32[2, 3] */
    NodeId v;    /* f32[3] */
    NodeId i, j; /* i32[4] */
    NodeId p, q; /* bool[2, 3] */
    NodeId z;    /* f32[B, 3] */
} Bench;

static Bench open_bench(void) {
    Kit k = kit_create(NULL, 0);
    Bench b = {.g = k.g};
    Shape batch = SHAPE(1, 3);
    batch.dims[0] = dim_symbol(k.dims, ctx_sym(k.ctx, "B"), 8);
    b.x = kit_input(&k, "x", DTYPE_F32, SHAPE(2, 3));
    b.y = kit_input(&k, "y", DTYPE_F32, SHAPE(2, 3));
    b.v = kit_input(&k, "v", DTYPE_F32, SHAPE(3));
    b.i = kit_input(&k, "i", DTYPE_I32, SHAPE(4));
    b.j = kit_input(&k, "j", DTYPE_I32, SHAPE(4));
    b.p = kit_input(&k, "p", DTYPE_BOOL, SHAPE(2, 3));
    b.q = kit_input(&k, "q", DTYPE_BOOL, SHAPE(2, 3));
    b.z = kit_input(&k, "z", DTYPE_F32, batch);
    b.kit = k;
    return b;
}

static NodeId unary(Bench *b, Op op, NodeId x) {
    return g_unary(b->g, op, x, nowhere);
}
static NodeId binary(Bench *b, Op op, NodeId x, NodeId y) {
    return g_binary(b->g, op, x, y, nowhere);
}
static NodeId number(Bench *b, NodeId like, double value) {
    return kit_splat(&b->kit, like, value);
}
static NodeId sum(Bench *b, NodeId x, uint32_t axis) {
    return g_reduce(b->g, OP_SUM, x, &axis, 1, nowhere);
}
static NodeId reshape(Bench *b, NodeId x, Shape to) {
    return g_reshape(b->g, x, &to, nowhere);
}

typedef struct Case {
    const char *name;
    NodeId (*build)(Bench *b);
} Case;

#define CASE(name, expression)                                                                     \
    static NodeId name(Bench *b) {                                                                 \
        return expression;                                                                         \
    }
CASE(neg_neg, unary(b, OP_NEG, unary(b, OP_NEG, b->x)))
CASE(times_one, binary(b, OP_MUL, number(b, b->x, 1), b->x))
CASE(times_minus_one, binary(b, OP_MUL, b->x, number(b, b->x, -1)))
CASE(times_zero_stays, binary(b, OP_MUL, b->x, number(b, b->x, 0)))
CASE(int_times_zero, binary(b, OP_MUL, b->i, number(b, b->i, 0)))
CASE(plus_zero_stays, binary(b, OP_ADD, b->x, number(b, b->x, 0)))
CASE(plus_minus_zero, binary(b, OP_ADD, b->x, number(b, b->x, -0.0)))
CASE(minus_zero, binary(b, OP_SUB, b->x, number(b, b->x, 0)))
CASE(minus_minus_zero_stays, binary(b, OP_SUB, b->x, number(b, b->x, -0.0)))
CASE(zero_minus_stays, binary(b, OP_SUB, number(b, b->x, 0), b->x))
CASE(sum_plus_zero, binary(b, OP_ADD, sum(b, b->x, 0), number(b, b->v, 0)))
CASE(minus_itself_stays, binary(b, OP_SUB, b->x, b->x))
CASE(int_minus_itself, binary(b, OP_SUB, b->i, b->i))
CASE(add_negated, binary(b, OP_ADD, unary(b, OP_NEG, b->x), b->y))
CASE(sub_negated, binary(b, OP_SUB, b->x, unary(b, OP_NEG, b->y)))
CASE(negated_times_number, binary(b, OP_MUL, unary(b, OP_NEG, b->x), number(b, b->x, 3)))
CASE(divide_by_four, binary(b, OP_DIV, b->x, number(b, b->x, 4)))
CASE(divide_by_three_stays, binary(b, OP_DIV, b->x, number(b, b->x, 3)))
CASE(divide_by_tiny_stays, binary(b, OP_DIV, b->x, number(b, b->x, 0x1p-149)))
CASE(divide_by_zero_stays, binary(b, OP_DIV, b->x, number(b, b->x, 0)))
CASE(int_divide_by_four_stays, binary(b, OP_DIV, b->i, number(b, b->i, 4)))
CASE(cube, binary(b, OP_POW, b->x, number(b, b->x, 3)))
CASE(power_zero, binary(b, OP_POW, b->x, number(b, b->x, 0)))
CASE(power_half_stays, binary(b, OP_POW, b->x, number(b, b->x, 0.5)))
CASE(power_five_stays, binary(b, OP_POW, b->x, number(b, b->x, 5)))
CASE(max_itself, binary(b, OP_MAX, b->x, b->x))
CASE(max_minus_inf, binary(b, OP_MAX, b->x, number(b, b->x, -INFINITY)))
CASE(max_inf_stays, binary(b, OP_MAX, b->x, number(b, b->x, INFINITY)))
CASE(max_of_max, binary(b, OP_MAX, binary(b, OP_MAX, b->x, b->y), b->y))
CASE(less_itself, binary(b, OP_LESS, b->x, b->x))
CASE(equal_itself_stays, binary(b, OP_EQUAL, b->x, b->x))
CASE(int_equal_itself, binary(b, OP_EQUAL, b->i, b->i))
CASE(and_true, binary(b, OP_AND, b->p, number(b, b->p, 1)))
CASE(or_true, binary(b, OP_OR, b->p, number(b, b->p, 1)))
CASE(select_true, g_select(b->g, number(b, b->p, 1), b->x, b->y, nowhere))
CASE(select_same, g_select(b->g, b->p, b->x, b->x, nowhere))
CASE(select_not, g_select(b->g, unary(b, OP_NOT, b->p), b->x, b->y, nowhere))
CASE(select_of_select, g_select(b->g, b->p, g_select(b->g, b->p, b->x, b->y, nowhere),
                                unary(b, OP_EXP, b->x), nowhere))
CASE(select_of_other_stays, g_select(b->g, b->p, g_select(b->g, b->q, b->x, b->y, nowhere),
                                     unary(b, OP_EXP, b->x), nowhere))
CASE(cast_up_down, g_cast(b->g, DTYPE_F32, g_cast(b->g, DTYPE_F64, b->x, nowhere), nowhere))
CASE(cast_down_up_stays, g_cast(b->g, DTYPE_F32, g_cast(b->g, DTYPE_F16, b->x, nowhere), nowhere))
CASE(cast_int_over_float_stays,
     g_cast(b->g, DTYPE_U8, g_cast(b->g, DTYPE_F64, b->i, nowhere), nowhere))
CASE(stop, unary(b, OP_STOP, b->x))
CASE(reshape_reshape, reshape(b, reshape(b, b->x, kit_shape(&b->kit, (int64_t[]){6}, 1)),
                              kit_shape(&b->kit, (int64_t[]){3, 2}, 2)))
CASE(reshape_there_and_back,
     reshape(b, reshape(b, b->x, kit_shape(&b->kit, (int64_t[]){6}, 1)), graph_shape(b->g, b->x)))
CASE(transpose_twice, g_permute(b->g, g_permute(b->g, b->x, (uint32_t[]){1, 0}, nowhere),
                                (uint32_t[]){1, 0}, nowhere))
CASE(reverse_overlapping, g_reverse(b->g, g_reverse(b->g, b->x, (uint32_t[]){0, 1}, 2, nowhere),
                                    (uint32_t[]){1}, 1, nowhere))
CASE(constant_broadcast, kit_row(&b->kit, number(b, b->v, 7), b->x))
CASE(spread_operands,
     binary(b, OP_MUL, unary(b, OP_EXP, kit_row(&b->kit, b->v, b->z)), number(b, b->z, 2)))
CASE(spread_differently_stays,
     binary(b, OP_MUL, kit_row(&b->kit, b->v, b->x), kit_column(&b->kit, sum(b, b->x, 1), b->x)))
CASE(size_of_number, g_size(b->g, DTYPE_F32, dim_const(b->kit.dims, 12), nowhere))
CASE(size_of_batch_stays, g_size(b->g, DTYPE_F32, graph_shape(b->g, b->z).dims[0], nowhere))
CASE(sum_of_one, sum(b, reshape(b, b->v, kit_shape(&b->kit, (int64_t[]){1, 3}, 2)), 0))
CASE(sum_of_one_and_more,
     g_reduce(b->g, OP_SUM, reshape(b, b->x, kit_shape(&b->kit, (int64_t[]){2, 1, 3}, 3)),
              (uint32_t[]){0, 1}, 2, nowhere))
CASE(dot_product_stays, sum(b, binary(b, OP_MUL, b->x, b->y), 1))

/* sum[k](x[i, k] * y[j, k]) */
static NodeId sum_of_products(Bench *b) {
    Shape cube = kit_shape(&b->kit, (int64_t[]){2, 2, 3}, 3);
    NodeId left = g_broadcast(b->g, b->x, &cube, (int32_t[]){0, -1, 1}, nowhere);
    NodeId right = g_broadcast(b->g, b->y, &cube, (int32_t[]){-1, 0, 1}, nowhere);
    return sum(b, binary(b, OP_MUL, left, right), 2);
}

/* Only one side was stretched: a row times a matrix stays a sum in lanes. */
static NodeId matrix_vector_stays(Bench *b) {
    return sum(b, binary(b, OP_MUL, b->x, kit_row(&b->kit, b->v, b->x)), 1);
}

static NodeId contract_of_transposed(Bench *b) {
    NodeId t = g_permute(b->g, b->y, (uint32_t[]){1, 0}, nowhere);
    return kit_matmul(&b->kit, b->x, t);
}

/* The rows of the left operand are all v: one row is enough. */
static NodeId contract_of_broadcast(Bench *b) {
    NodeId t = g_permute(b->g, b->y, (uint32_t[]){1, 0}, nowhere);
    return kit_matmul(&b->kit, kit_row(&b->kit, b->v, b->x), t);
}

/* k is summed in the left operand alone: 3 equal terms are not one. */
static NodeId contract_alone_stays(Bench *b) {
    Shape shape = kit_shape(&b->kit, (int64_t[]){3, 5}, 2);
    NodeId wide = g_broadcast(b->g, b->v, &shape, (int32_t[]){0, -1}, nowhere);
    return g_contract(b->g, wide, (uint32_t[]){0, 1}, b->v, (uint32_t[]){0}, (uint32_t[]){0}, 1,
                      (uint32_t[]){1}, 1, nowhere);
}

/* dense(1) backwards: [2, 1] @ [1, 3] sums nothing. */
static NodeId contract_of_one(Bench *b) {
    NodeId column = reshape(b, sum(b, b->x, 1), kit_shape(&b->kit, (int64_t[]){2, 1}, 2));
    NodeId row = reshape(b, b->v, kit_shape(&b->kit, (int64_t[]){1, 3}, 2));
    return kit_matmul(&b->kit, column, row);
}

static NodeId slice_at(Bench *b, NodeId x, int64_t first, int64_t extent, int64_t step) {
    DimId f = dim_const(b->kit.dims, first), e = dim_const(b->kit.dims, extent);
    return g_slice(b->g, x, &f, &e, &step, nowhere);
}
CASE(slice_of_slice, slice_at(b, slice_at(b, b->i, 1, 3, 1), 0, 2, 2))
CASE(slice_of_concat, slice_at(b, g_concat(b->g, (NodeId[]){b->i, b->j}, 2, 0, nowhere), 5, 2, 1))
CASE(slice_across_concat_stays,
     slice_at(b, g_concat(b->g, (NodeId[]){b->i, b->j}, 2, 0, nowhere), 3, 2, 1))
CASE(concat_of_concat,
     g_concat(b->g, (NodeId[]){g_concat(b->g, (NodeId[]){b->i, b->j}, 2, 0, nowhere), b->i}, 2, 0,
              nowhere))

static NodeId slice_of_pad(Bench *b) {
    DimId low = dim_const(b->kit.dims, 2), high = dim_const(b->kit.dims, 1);
    Shape rank0 = {.rank = 0};
    NodeId zero = g_const_int(b->g, DTYPE_I32, &rank0, 9, nowhere);
    NodeId padded = g_pad(b->g, b->i, zero, &low, &high, (int64_t[]){1}, nowhere);
    return slice_at(b, padded, 2, 4, 2);
}

static NodeId gather_all(Bench *b) {
    Shape at = kit_shape(&b->kit, (int64_t[]){3}, 1);
    NodeId index = g_iota(b->g, DTYPE_I32, &at, 0, nowhere);
    return g_gather(b->g, b->x, &index, (uint32_t[]){1}, 1, nowhere);
}

static NodeId gather_some_stays(Bench *b) {
    Shape at = kit_shape(&b->kit, (int64_t[]){2}, 1);
    NodeId index = g_iota(b->g, DTYPE_I32, &at, 0, nowhere);
    return g_gather(b->g, b->x, &index, (uint32_t[]){1}, 1, nowhere);
}

/* u = dropout(x, p) · k after relu, plus what autodiff makes of it for the adjoint y. */
static NodeId relu_dropout(Bench *b, double k) {
    NodeId zero = number(b, b->x, 0), scale = number(b, b->x, k);
    NodeId r = binary(b, OP_MAX, b->x, zero);
    NodeId u = g_select(b->g, b->p, binary(b, OP_MUL, r, scale), zero, nowhere);
    NodeId g = binary(b, OP_MUL, g_select(b->g, b->p, b->y, zero, nowhere), scale);
    NodeId back = g_select(b->g, binary(b, OP_LESS, zero, r), g, zero, nowhere);
    return binary(b, OP_ADD, u, back);
}
CASE(relu_dropout_one_mask, relu_dropout(b, 1.25))
CASE(relu_dropout_small_scale_stays, relu_dropout(b, 0.5)) /* may underflow to 0 */

#define ROW(name)                                                                                  \
    { #name, name }
static const Case cases[] = {
    ROW(neg_neg),
    ROW(times_one),
    ROW(times_minus_one),
    ROW(times_zero_stays),
    ROW(int_times_zero),
    ROW(plus_zero_stays),
    ROW(plus_minus_zero),
    ROW(minus_zero),
    ROW(minus_minus_zero_stays),
    ROW(zero_minus_stays),
    ROW(sum_plus_zero),
    ROW(minus_itself_stays),
    ROW(int_minus_itself),
    ROW(add_negated),
    ROW(sub_negated),
    ROW(negated_times_number),
    ROW(divide_by_four),
    ROW(divide_by_three_stays),
    ROW(divide_by_tiny_stays),
    ROW(divide_by_zero_stays),
    ROW(int_divide_by_four_stays),
    ROW(cube),
    ROW(power_zero),
    ROW(power_half_stays),
    ROW(power_five_stays),
    ROW(max_itself),
    ROW(max_minus_inf),
    ROW(max_inf_stays),
    ROW(max_of_max),
    ROW(less_itself),
    ROW(equal_itself_stays),
    ROW(int_equal_itself),
    ROW(and_true),
    ROW(or_true),
    ROW(select_true),
    ROW(select_same),
    ROW(select_not),
    ROW(select_of_select),
    ROW(select_of_other_stays),
    ROW(cast_up_down),
    ROW(cast_down_up_stays),
    ROW(cast_int_over_float_stays),
    ROW(stop),
    ROW(reshape_reshape),
    ROW(reshape_there_and_back),
    ROW(transpose_twice),
    ROW(reverse_overlapping),
    ROW(constant_broadcast),
    ROW(spread_operands),
    ROW(spread_differently_stays),
    ROW(size_of_number),
    ROW(size_of_batch_stays),
    ROW(sum_of_one),
    ROW(sum_of_one_and_more),
    ROW(dot_product_stays),
    ROW(sum_of_products),
    ROW(matrix_vector_stays),
    ROW(contract_of_transposed),
    ROW(contract_of_broadcast),
    ROW(contract_alone_stays),
    ROW(contract_of_one),
    ROW(slice_of_slice),
    ROW(slice_of_concat),
    ROW(slice_across_concat_stays),
    ROW(concat_of_concat),
    ROW(slice_of_pad),
    ROW(gather_all),
    ROW(gather_some_stays),
    ROW(relu_dropout_one_mask),
    ROW(relu_dropout_small_scale_stays),
};

/* The nodes of a dump, without its frame and inputs. */
static void add_nodes(Text *out, const char *dump) {
    for (const char *line = dump; *line;) {
        const char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) : strlen(line);
        if (strncmp(line, "  %", 3) == 0 || strncmp(line, "  output", 8) == 0) {
            text_add_n(out, line, len);
            text_char(out, '\n');
        }
        line += len + (end != NULL);
    }
}

START_TEST(rows) {
    Context *all = context_create();
    Text text = {.arena = all->arena};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        Bench b = open_bench();
        kit_output(&b.kit, "r", cases[c].build(&b));
        const Graph *before = opt_dce(b.g);
        Graph *after = opt_simplify(before);
        graph_verify(after);
        bool stays = strstr(cases[c].name, "_stays") != NULL;
        ck_assert_msg(stays == (after == before), "%s", cases[c].name);
        ck_assert_ptr_eq(opt_simplify(after), after);
        Text dump = {.arena = b.kit.ctx->arena};
        graph_print(&dump, after);
        text_printf(&text, "%s\n", cases[c].name);
        add_nodes(&text, text_str(&dump));
        kit_destroy(&b.kit);
    }
    kit_golden("opt/golden/simplify.txt", text_str(&text));
    context_destroy(all);
}
END_TEST

/* a + b and b + a become one node; less keeps its order. */
START_TEST(commutative_operands) {
    Bench b = open_bench();
    NodeId p = binary(&b, OP_ADD, b.y, b.x), q = binary(&b, OP_ADD, b.x, b.y);
    kit_output(&b.kit, "p", binary(&b, OP_SUB, p, q));
    kit_output(&b.kit, "less", binary(&b, OP_LESS, b.y, b.x));
    Graph *after = opt_cse(opt_dce(b.g));
    kit_golden_graph(b.kit.ctx, "opt/golden/cse.graph", after);
    ck_assert_ptr_eq(opt_cse(after), after);
    kit_destroy(&b.kit);
}
END_TEST

/* What only a write or the guard reaches stays; names, order and spans stay. */
START_TEST(roots_are_carried) {
    Context *ctx = context_create();
    DimTable *dims = dims_create(ctx->arena);
    Slot slot = {.path = ctx_sym(ctx, "w"), .dtype = DTYPE_F32, .rank = 1, .dims = {3}};
    Kit k = {.ctx = ctx, .dims = dims, .g = graph_create(ctx, dims, &slot, 1)};
    NodeId w = g_read(k.g, 0, nowhere);
    Span place = {0, 4, 9};
    NodeId e = g_unary(k.g, OP_EXP, g_unary(k.g, OP_STOP, w, nowhere), place);
    g_unary(k.g, OP_SIN, w, nowhere); /* dead */
    NodeId guard = kit_sum_all(&k, g_unary(k.g, OP_COS, w, nowhere));
    kit_output(&k, "second", w);
    kit_output(&k, "first", w);
    graph_write(k.g, 0, e);
    k.g->guard = guard;
    Graph *sealed = opt_seal(opt_dce(opt_cse(k.g)));
    ck_assert(sealed->sealed);
    kit_golden_graph(ctx, "opt/golden/seal.graph", sealed);
    ck_assert_uint_eq(graph_node(sealed, sealed->writes.data[0].node)->span.end, 9);
    ck_assert_uint_eq(graph_size(sealed), 4);
    kit_destroy(&k);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("simplify");
    TCase *tests = tcase_create("rows");
    tcase_add_test(tests, rows);
    tcase_add_test(tests, commutative_operands);
    tcase_add_test(tests, roots_are_carried);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
