/* The shape rules: what each op gives, and that every constraint of docs/ops.md is enforced. */
#include "compiler/graph/graph_internal.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>

static Context *ctx;
static Graph *g;
static DimId B;
static Slot slots[1];
static const Span nowhere = {0};

static DimId n(int64_t value) {
    return dim_const(g->dims, value);
}
static Shape shape(uint32_t rank, const DimId *dims) {
    Shape s = {.rank = rank};
    for (uint32_t i = 0; i < rank; i++) s.dims[i] = dims[i];
    return s;
}
#define SHAPE(...)                                                                                 \
    shape(sizeof((DimId[]){__VA_ARGS__}) / sizeof(DimId), (const DimId[]){__VA_ARGS__})

static void setup(void) {
    ctx = context_create();
    DimTable *dims = dims_create(ctx->arena);
    B = dim_symbol(dims, ctx_sym(ctx, "B"), 64);
    slots[0] = (Slot){.path = ctx_sym(ctx, "w"), .dtype = DTYPE_F32, .rank = 2, .dims = {4, 5}};
    g = graph_create(ctx, dims, slots, 1);
}
static void teardown(void) {
    context_destroy(ctx);
}

static NodeId input(DType t, Shape s) {
    Sym name = ctx_sym(ctx, arena_printf(ctx->arena, "x%u", g->inputs.len));
    return g_input(g, name, t, &s, nowhere);
}

static const char *type_of(NodeId id) {
    const GNode *node = graph_node(g, id);
    Text out = {.arena = ctx->arena};
    text_add(&out, dtype_name(node->dtype));
    for (uint32_t i = 0; i < node->rank; i++) {
        text_char(&out, ' ');
        dim_print(&out, g->dims, node->dims[i]);
    }
    return text_str(&out);
}

/* What the rules say to a combination; "" when they accept it. */
static const char *problem(Op op, DType t, const Shape *given, const NodeId *args, uint32_t nargs,
                           const int64_t *attr, uint32_t nattr) {
    Candidate c = {.g = g,
                   .op = op,
                   .dtype = t,
                   .given = given,
                   .args = args,
                   .nargs = nargs,
                   .attr = attr,
                   .nattr = nattr};
    shape_infer(&c);
    return c.problem ? c.problem : "";
}
#define ARGS(...) (const NodeId[]){__VA_ARGS__}, sizeof((NodeId[]){__VA_ARGS__}) / sizeof(NodeId)
#define ATTR(...) (const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)
#define NONE_ARGS NULL, 0
#define NO_ATTR   NULL, 0

/* The message must begin with the constraint's number. */
#define REFUSED(number, ...)                                                                       \
    do {                                                                                           \
        const char *why = problem(__VA_ARGS__);                                                    \
        ck_assert_msg(strncmp(why, number ":", strlen(number) + 1) == 0, "wanted %s, got `%s`",    \
                      number, why);                                                                \
    } while (0)
#define ACCEPTED(...) ck_assert_str_eq(problem(__VA_ARGS__), "")

START_TEST(leaves) {
    Shape s = SHAPE(n(2), n(3));
    ck_assert_str_eq(type_of(input(DTYPE_F32, SHAPE(B, n(784)))), "f32 B 784");
    ck_assert_str_eq(type_of(g_read(g, 0, nowhere)), "f32 4 5");
    REFUSED("C1", OP_INPUT, DTYPE_COUNT, NULL, NONE_ARGS, ATTR(1));
    REFUSED("C1", OP_READ, DTYPE_COUNT, NULL, NONE_ARGS, ATTR(1));
    REFUSED("C1", OP_READ, DTYPE_COUNT, NULL, NONE_ARGS, ATTR(-1));
    REFUSED("C1", OP_CONST, DTYPE_COUNT, &s, NONE_ARGS, ATTR(0));
    REFUSED("C1", OP_CONST, DTYPE_F32, NULL, NONE_ARGS, ATTR(0));
    REFUSED("C2", OP_CONST, DTYPE_F32, &s, NONE_ARGS, ATTR(0, 1, 2));
    REFUSED("C2", OP_CONST, DTYPE_F32, &s, NONE_ARGS, NO_ATTR);
    REFUSED("C3", OP_CONST, DTYPE_I8, &s, NONE_ARGS, ATTR(256));
    REFUSED("C3", OP_CONST, DTYPE_I8, &s, NONE_ARGS, ATTR(-1));
    REFUSED("C3", OP_CONST, DTYPE_BOOL, &s, NONE_ARGS, ATTR(2));
    ACCEPTED(OP_CONST, DTYPE_F32, &s, NONE_ARGS, ATTR(0, 1, 2, 3, 4, 5));
    REFUSED("C1", OP_IOTA, DTYPE_BOOL, &s, NONE_ARGS, ATTR(0));
    REFUSED("C2", OP_IOTA, DTYPE_I32, &s, NONE_ARGS, ATTR(2));
    REFUSED("C1", OP_RANDOM, DTYPE_F32, NULL, NONE_ARGS, ATTR(1, 0));
    REFUSED("C2", OP_RANDOM, DTYPE_F32, &s, NONE_ARGS, ATTR(1, 65536));
    REFUSED("C2", OP_SIZE, DTYPE_I64, NULL, NONE_ARGS, ATTR(100000));
    REFUSED("C1", OP_SIZE, DTYPE_BOOL, NULL, NONE_ARGS, ATTR(0));
    REFUSED("C2", OP_CLOCK, DTYPE_F32, NULL, NONE_ARGS, ATTR(3));
}
END_TEST

START_TEST(elementwise) {
    NodeId x = input(DTYPE_F32, SHAPE(B, n(3))), y = input(DTYPE_F32, SHAPE(B, n(3)));
    NodeId z = input(DTYPE_F32, SHAPE(B, n(4))), d = input(DTYPE_F64, SHAPE(B, n(3)));
    NodeId i = input(DTYPE_I32, SHAPE(B, n(3))), b = input(DTYPE_BOOL, SHAPE(B, n(3)));
    NodeId scalar = input(DTYPE_F32, (Shape){.rank = 0});
    ck_assert_str_eq(type_of(g_binary(g, OP_ADD, x, y, nowhere)), "f32 B 3");
    ck_assert_str_eq(type_of(g_binary(g, OP_LESS, x, y, nowhere)), "bool B 3");
    ck_assert_str_eq(type_of(g_binary(g, OP_EQUAL, b, b, nowhere)), "bool B 3");
    ck_assert_str_eq(type_of(g_select(g, b, i, i, nowhere)), "i32 B 3");
    ck_assert_str_eq(type_of(g_cast(g, DTYPE_U8, b, nowhere)), "u8 B 3");
    REFUSED("E1", OP_ADD, DTYPE_COUNT, NULL, ARGS(x, z), NO_ATTR);
    REFUSED("E1", OP_ADD, DTYPE_COUNT, NULL, ARGS(x, scalar), NO_ATTR);
    REFUSED("E2", OP_ADD, DTYPE_COUNT, NULL, ARGS(x, d), NO_ATTR);
    REFUSED("C1", OP_ADD, DTYPE_COUNT, NULL, ARGS(b, b), NO_ATTR);
    REFUSED("C1", OP_EXP, DTYPE_COUNT, NULL, ARGS(i), NO_ATTR);
    REFUSED("C1", OP_POW, DTYPE_COUNT, NULL, ARGS(i, i), NO_ATTR);
    REFUSED("C1", OP_FMA, DTYPE_COUNT, NULL, ARGS(i, i, i), NO_ATTR);
    REFUSED("C1", OP_AND, DTYPE_COUNT, NULL, ARGS(x, y), NO_ATTR);
    REFUSED("C1", OP_LESS, DTYPE_COUNT, NULL, ARGS(b, b), NO_ATTR);
    REFUSED("C1", OP_SELECT, DTYPE_COUNT, NULL, ARGS(i, i, i), NO_ATTR);
    REFUSED("E2", OP_SELECT, DTYPE_COUNT, NULL, ARGS(b, x, d), NO_ATTR);
    REFUSED("C1", OP_CAST, DTYPE_COUNT, NULL, ARGS(x), NO_ATTR);
    ck_assert_str_ne(problem(OP_ADD, DTYPE_COUNT, NULL, ARGS(x, y), ATTR(1)), "");
    ck_assert_str_ne(problem(OP_ADD, DTYPE_COUNT, NULL, ARGS(x), NO_ATTR), "");
    ck_assert_str_ne(problem(OP_ADD, DTYPE_F64, NULL, ARGS(x, y), NO_ATTR), "");
    ck_assert_str_ne(problem(OP_NEG, DTYPE_COUNT, NULL, ARGS((NodeId){99}), NO_ATTR), "");
    Shape wrong = SHAPE(B, n(4));
    ck_assert_str_ne(problem(OP_NEG, DTYPE_COUNT, &wrong, ARGS(x), NO_ATTR), "");
}
END_TEST

START_TEST(views) {
    NodeId x = input(DTYPE_F32, SHAPE(B, n(6))), v = input(DTYPE_F32, (Shape){.rank = 0});
    Shape three = SHAPE(B, n(2), n(3)), flat = SHAPE(dim_mul(g->dims, B, n(6))),
          bad = SHAPE(B, n(5));
    ck_assert_str_eq(type_of(g_reshape(g, x, &three, nowhere)), "f32 B 2 3");
    ck_assert_str_eq(type_of(g_reshape(g, x, &flat, nowhere)), "f32 6*B");
    REFUSED("C2", OP_RESHAPE, DTYPE_COUNT, &bad, ARGS(x), NO_ATTR);
    REFUSED("C1", OP_RESHAPE, DTYPE_COUNT, NULL, ARGS(x), NO_ATTR);
    ck_assert_str_eq(type_of(g_permute(g, x, (uint32_t[]){1, 0}, nowhere)), "f32 6 B");
    REFUSED("C1", OP_PERMUTE, DTYPE_COUNT, NULL, ARGS(x), ATTR(0, 0));
    REFUSED("C1", OP_PERMUTE, DTYPE_COUNT, NULL, ARGS(x), ATTR(0, 2));
    REFUSED("C1", OP_PERMUTE, DTYPE_COUNT, NULL, ARGS(x), ATTR(0));
    Shape wide = SHAPE(n(7), B, n(6));
    ck_assert_str_eq(type_of(g_broadcast(g, x, &wide, (int32_t[]){-1, 0, 1}, nowhere)),
                     "f32 7 B 6");
    REFUSED("C1", OP_BROADCAST, DTYPE_COUNT, &wide, ARGS(x), ATTR(-1, 0));
    REFUSED("C2", OP_BROADCAST, DTYPE_COUNT, &wide, ARGS(x), ATTR(-1, 0, -1));
    REFUSED("C2", OP_BROADCAST, DTYPE_COUNT, &wide, ARGS(x), ATTR(-1, 1, 0));
    Shape stretched = SHAPE(n(2), B, n(7));
    REFUSED("C3", OP_BROADCAST, DTYPE_COUNT, &stretched, ARGS(x), ATTR(-1, 0, 1));
    ck_assert_str_eq(type_of(g_reverse(g, x, (uint32_t[]){0, 1}, 2, nowhere)), "f32 B 6");
    REFUSED("C1", OP_REVERSE, DTYPE_COUNT, NULL, ARGS(x), ATTR(1, 0));
    REFUSED("C1", OP_REVERSE, DTYPE_COUNT, NULL, ARGS(x), ATTR(2));
    NodeId pad =
        g_pad(g, x, v, (DimId[]){n(1), n(0)}, (DimId[]){B, n(2)}, (int64_t[]){0, 2}, nowhere);
    ck_assert_str_eq(type_of(pad), "f32 2*B + 1 18");
    REFUSED("C1", OP_PAD, DTYPE_COUNT, NULL, ARGS(x, x), ATTR(0, 0, 0, 0, 0, 0));
    REFUSED("C2", OP_PAD, DTYPE_COUNT, NULL, ARGS(x, v), ATTR(0, 0, 0));
    REFUSED("C3", OP_PAD, DTYPE_COUNT, NULL, ARGS(x, v),
            ATTR(n(0).id, n(0).id, 0, n(-1).id, n(0).id, 0));
    REFUSED("C3", OP_PAD, DTYPE_COUNT, NULL, ARGS(x, v),
            ATTR(n(0).id, n(0).id, -1, n(0).id, n(0).id, 0));
}
END_TEST

START_TEST(slices) {
    NodeId x = input(DTYPE_F32, SHAPE(B, n(6)));
    NodeId y = g_slice(g, x, (DimId[]){n(0), n(1)}, (DimId[]){B, n(3)}, (int64_t[]){1, 2}, nowhere);
    ck_assert_str_eq(type_of(y), "f32 B 3");
    Shape s = SHAPE(B, n(3)), longer = SHAPE(dim_add(g->dims, B, n(1)), n(6));
    int64_t zero = n(0).id;
    REFUSED("C4", OP_SLICE, DTYPE_COUNT, &s, ARGS(x), ATTR(zero, 1, n(2).id, 2));
    REFUSED("C4", OP_SLICE, DTYPE_COUNT, &longer, ARGS(x), ATTR(zero, 1, zero, 1));
    REFUSED("C3", OP_SLICE, DTYPE_COUNT, &s, ARGS(x), ATTR(zero, 1, zero, 0));
    REFUSED("C2", OP_SLICE, DTYPE_COUNT, &s, ARGS(x), ATTR(zero, 1, n(-1).id, 1));
    REFUSED("C1", OP_SLICE, DTYPE_COUNT, NULL, ARGS(x), ATTR(zero, 1, zero, 1));
    Shape empty = SHAPE(B, n(0));
    ACCEPTED(OP_SLICE, DTYPE_COUNT, &empty, ARGS(x), ATTR(zero, 1, n(6).id, 1));
}
END_TEST

START_TEST(concat_and_window) {
    NodeId x = input(DTYPE_F32, SHAPE(B, n(6))), y = input(DTYPE_F32, SHAPE(B, n(2)));
    NodeId i = input(DTYPE_I32, SHAPE(B, n(6))), deep = input(DTYPE_F32, SHAPE(B, n(6), n(1)));
    ck_assert_str_eq(type_of(g_concat(g, (NodeId[]){x, y}, 2, 1, nowhere)), "f32 B 8");
    REFUSED("C3", OP_CONCAT, DTYPE_COUNT, NULL, ARGS(x, y), ATTR(0));
    REFUSED("C2", OP_CONCAT, DTYPE_COUNT, NULL, ARGS(x, i), ATTR(0));
    REFUSED("C2", OP_CONCAT, DTYPE_COUNT, NULL, ARGS(x, deep), ATTR(0));
    REFUSED("C1", OP_CONCAT, DTYPE_COUNT, NULL, ARGS(x, y), ATTR(2));
    int64_t w[7] = {1, 3, 2, 1, 1, 1, 1}; /* (6 + 2 - 2 - 1) / 2 + 1 = 3 windows of 3 taps */
    NodeId win = graph_add(g, OP_WINDOW, DTYPE_COUNT, NULL, &x, 1, w, 7, nowhere);
    ck_assert_str_eq(type_of(win), "f32 B 3 3");
    int64_t over_batch[7] = {0, 3, 1, 2, 2, 2, 1}; /* B + 4 - 4 - 1 + 1 = B windows */
    win = graph_add(g, OP_WINDOW, DTYPE_COUNT, NULL, &x, 1, over_batch, 7, nowhere);
    ck_assert_str_eq(type_of(win), "f32 B 6 3");
    REFUSED("C1", OP_WINDOW, DTYPE_COUNT, NULL, ARGS(x), ATTR(1, 3, 1, 1, 0, 0));
    REFUSED("C2", OP_WINDOW, DTYPE_COUNT, NULL, ARGS(x), ATTR(2, 3, 1, 1, 0, 0, 1));
    REFUSED("C3", OP_WINDOW, DTYPE_COUNT, NULL, ARGS(x), ATTR(1, 0, 1, 1, 0, 0, 1));
    REFUSED("C3", OP_WINDOW, DTYPE_COUNT, NULL, ARGS(x), ATTR(1, INT64_MAX, 1, 3, 0, 0, 1));
    REFUSED("C4", OP_WINDOW, DTYPE_COUNT, NULL, ARGS(x), ATTR(1, 7, 1, 1, 0, 0, 1));
}
END_TEST

START_TEST(reductions_and_contract) {
    NodeId x = input(DTYPE_F32, SHAPE(B, n(6), n(5))), b = input(DTYPE_BOOL, SHAPE(B));
    NodeId w = input(DTYPE_F32, SHAPE(n(7), n(6))), d = input(DTYPE_F64, SHAPE(n(7), n(6)));
    ck_assert_str_eq(type_of(g_reduce(g, OP_SUM, x, (uint32_t[]){0, 2}, 2, nowhere)), "f32 6");
    ck_assert_str_eq(type_of(g_reduce(g, OP_ARGMAX, x, (uint32_t[]){1}, 1, nowhere)), "i32 B 5");
    REFUSED("C1", OP_SUM, DTYPE_COUNT, NULL, ARGS(b), ATTR(0));
    REFUSED("C2", OP_SUM, DTYPE_COUNT, NULL, ARGS(x), NO_ATTR);
    REFUSED("C2", OP_SUM, DTYPE_COUNT, NULL, ARGS(x), ATTR(1, 1));
    REFUSED("C2", OP_SUM, DTYPE_COUNT, NULL, ARGS(x), ATTR(3));
    REFUSED("C3", OP_ARGMAX, DTYPE_COUNT, NULL, ARGS(x), ATTR(0, 1));
    NodeId y = g_contract(g, x, (uint32_t[]){9, 4, 7}, w, (uint32_t[]){2, 4}, (uint32_t[]){7, 9, 2},
                          3, (uint32_t[]){4}, 1, nowhere);
    ck_assert_str_eq(type_of(y), "f32 5 B 7");
    ACCEPTED(OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(w, w), ATTR(2, 0, 1, 0, 1));
    REFUSED("C1", OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(w, d), ATTR(2, 0, 1, 0, 1));
    REFUSED("C1", OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(b, b), ATTR(1, 0, 0));
    REFUSED("C2", OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(w, w), ATTR(1, 0, 1, 0));
    REFUSED("C3", OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(w, w), ATTR(1, 0, 0, 0, 1));
    REFUSED("C4", OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(w, w), ATTR(1, 0, 1, 1, 0));
    REFUSED("C5", OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(w, w), ATTR(1, 0, 3, 1, 3));
    REFUSED("C6", OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(w, w), ATTR(3, 0, 1, 0, 1));
    REFUSED("C6", OP_CONTRACT, DTYPE_COUNT, NULL, ARGS(w, w), ATTR(-1, 0, 1, 0, 1));
}
END_TEST

START_TEST(indexing_and_grad) {
    NodeId x = input(DTYPE_F32, SHAPE(n(9), n(6), n(5))), i = input(DTYPE_I32, SHAPE(B, n(2)));
    NodeId j = input(DTYPE_I64, SHAPE(B, n(2))), k = input(DTYPE_I32, SHAPE(B));
    NodeId none = input(DTYPE_F32, SHAPE(n(0), n(6)));
    ck_assert_str_eq(type_of(g_gather(g, x, (NodeId[]){i, j}, (uint32_t[]){0, 2}, 2, nowhere)),
                     "f32 B 2 6");
    REFUSED("C1", OP_GATHER, DTYPE_COUNT, NULL, ARGS(x), NO_ATTR);
    REFUSED("C1", OP_GATHER, DTYPE_COUNT, NULL, ARGS(x, i, j), ATTR(2, 0));
    REFUSED("C2", OP_GATHER, DTYPE_COUNT, NULL, ARGS(x, x), ATTR(0));
    REFUSED("C3", OP_GATHER, DTYPE_COUNT, NULL, ARGS(x, i, k), ATTR(0, 1));
    REFUSED("C7", OP_GATHER, DTYPE_COUNT, NULL, ARGS(none, k), ATTR(0));
    Shape s = SHAPE(n(9), n(5));
    NodeId u = input(DTYPE_F32, SHAPE(B, n(5))), wrong = input(DTYPE_F32, SHAPE(B, n(4)));
    ck_assert_str_eq(type_of(g_scatter_add(g, &s, u, &k, (uint32_t[]){0}, 1, nowhere)), "f32 9 5");
    REFUSED("C5", OP_SCATTER_ADD, DTYPE_COUNT, NULL, ARGS(u, k), ATTR(0));
    REFUSED("C6", OP_SCATTER_ADD, DTYPE_COUNT, &s, ARGS(wrong, k), ATTR(0));
    NodeId y = input(DTYPE_F32, (Shape){.rank = 0});
    ck_assert_str_eq(type_of(g_grad(g, y, x, nowhere)), "f32 9 6 5");
    REFUSED("C1", OP_GRAD, DTYPE_COUNT, NULL, ARGS(x, x), NO_ATTR);
    REFUSED("C2", OP_GRAD, DTYPE_COUNT, NULL, ARGS(y, i), NO_ATTR);
}
END_TEST

START_TEST(wrong_nodes_are_bugs) {
    NodeId x = input(DTYPE_F32, SHAPE(B, n(3))), z = input(DTYPE_F32, SHAPE(B, n(4)));
    g_binary(g, OP_ADD, x, z, nowhere);
}
END_TEST

int main(void) {
    Suite *s = suite_create("shape");
    TCase *c = tcase_create("shape");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, leaves);
    tcase_add_test(c, elementwise);
    tcase_add_test(c, views);
    tcase_add_test(c, slices);
    tcase_add_test(c, concat_and_window);
    tcase_add_test(c, reductions_and_contract);
    tcase_add_test(c, indexing_and_grad);
    tcase_add_test_raise_signal(c, wrong_nodes_are_bugs, SIGABRT);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
