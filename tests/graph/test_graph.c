/* Hash-consing, canonical forms, roots, liveness, the verifier's refusals, limits, printing. */
#include "compiler/graph/graph.h"

#include "runtime/include/bmrt.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static Context *ctx;
static Graph *g;
static DimId B;
static Slot slots[2];
static const Span nowhere = {0};

static DimId n(int64_t value) {
    return dim_const(g->dims, value);
}
static Shape matrix(DimId rows, DimId columns) {
    return (Shape){.rank = 2, .dims = {rows, columns}};
}
static Sym name(const char *text) {
    return ctx_sym(ctx, text);
}

static void setup(void) {
    ctx = context_create();
    DimTable *dims = dims_create(ctx->arena);
    B = dim_symbol(dims, name("B"), 128);
    slots[0] = (Slot){.path = name("net.dense1.w"), .dtype = DTYPE_F32, .rank = 2, .dims = {4, 6}};
    slots[1] = (Slot){.path = name("net.dense1.b"), .dtype = DTYPE_F32, .rank = 1, .dims = {4}};
    g = graph_create(ctx, dims, slots, 2);
}
static void teardown(void) {
    context_destroy(ctx);
}

static NodeId input(const char *text, DimId rows, DimId columns) {
    Shape s = matrix(rows, columns);
    return g_input(g, name(text), DTYPE_F32, &s, nowhere);
}

/* ---- dtypes */

START_TEST(dtypes_are_the_runtimes) {
#define DTYPE(name_, text, bytes, cls, st) ck_assert_int_eq((int)DTYPE_##name_, (int)BMRT_##name_);
    DTYPES(DTYPE)
#undef DTYPE
    ck_assert_int_eq((int)DTYPE_COUNT, (int)BMRT_DTYPE_COUNT);
    ck_assert(dtype_find("bf16") == DTYPE_BF16 && dtype_find("float") == DTYPE_COUNT);
    ck_assert(dtype_is_integer(DTYPE_U8) && !dtype_is_signed(DTYPE_U8) &&
              !dtype_is_integer(DTYPE_BOOL));
}
END_TEST

/* Every f16 and bf16 pattern survives the way through a double; halfway cases go to even. */
START_TEST(small_floats_convert_both_ways) {
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        double h = f16_to_f64((uint16_t)bits), b = bf16_to_f64((uint16_t)bits);
        ck_assert(isnan(h) ? isnan(f16_to_f64(f16_from_f64(h))) : f16_from_f64(h) == bits);
        ck_assert(isnan(b) ? isnan(bf16_to_f64(bf16_from_f64(b))) : bf16_from_f64(b) == bits);
    }
    ck_assert_uint_eq(f16_from_f64(65519.999), 0x7bff);
    ck_assert_uint_eq(f16_from_f64(65520), 0x7c00);
    ck_assert_uint_eq(f16_from_f64(0x1p-25), 0);
    ck_assert_uint_eq(f16_from_f64(0x1.8p-25), 1);
    ck_assert_uint_eq(f16_from_f64(1 + 0x1p-11), 0x3c00);
    ck_assert_uint_eq(f16_from_f64(1 + 0x3p-11), 0x3c02);
    ck_assert_uint_eq(bf16_from_f64(-0x1p-134), 0x8000);
    ck_assert_uint_eq(bf16_from_f64(0x1.ffp127), 0x7f80);
    ck_assert_uint_eq(f16_from_f64(-1e300), 0xfc00);
}
END_TEST

/* ---- hash-consing */

START_TEST(equal_nodes_are_one) {
    NodeId x = input("x", B, n(6)), y = input("y", B, n(6));
    NodeId a = g_binary(g, OP_ADD, x, y, nowhere);
    uint32_t size = graph_size(g);
    ck_assert(node_same(a, g_binary(g, OP_ADD, x, y, nowhere)));
    ck_assert_uint_eq(graph_size(g), size);
    ck_assert(!node_same(a, g_binary(g, OP_ADD, y, x, nowhere)));
    ck_assert(!node_same(a, g_binary(g, OP_SUB, x, y, nowhere)));
    ck_assert(!node_same(g_read(g, 0, nowhere), g_read(g, 1, nowhere)));
    ck_assert(node_same(g_read(g, 1, nowhere), g_read(g, 1, nowhere)));
    Shape s = matrix(n(2), n(2)), t = matrix(n(2), n(3));
    ck_assert(node_same(g_random(g, &s, 7, 0, nowhere), g_random(g, &s, 7, 0, nowhere)));
    ck_assert(!node_same(g_random(g, &s, 7, 0, nowhere), g_random(g, &s, 7, 1, nowhere)));
    ck_assert(!node_same(g_random(g, &s, 7, 0, nowhere), g_random(g, &t, 7, 0, nowhere)));
    ck_assert(!node_same(g_const(g, DTYPE_F32, &s, 0.0, nowhere),
                         g_const(g, DTYPE_F32, &s, -0.0, nowhere)));
    ck_assert(node_same(g_const(g, DTYPE_F32, &s, (double)NAN, nowhere),
                        g_const(g, DTYPE_F32, &s, (double)NAN, nowhere)));
}
END_TEST

START_TEST(the_table_grows) {
    NodeId x = input("x", B, n(6)), first[3000];
    Shape s = matrix(n(1), n(1));
    for (int i = 0; i < 3000; i++) first[i] = g_const(g, DTYPE_F32, &s, i, nowhere);
    for (int i = 0; i < 3000; i++)
        ck_assert(node_same(first[i], g_const(g, DTYPE_F32, &s, i, nowhere)));
    ck_assert(graph_node(g, x)->op == OP_INPUT);
    graph_verify(g);
}
END_TEST

START_TEST(the_first_place_that_made_a_node_is_kept) {
    NodeId x = input("x", B, n(6));
    NodeId a = g_unary(g, OP_NEG, x, (Span){1, 10, 20});
    ck_assert(node_same(a, g_unary(g, OP_NEG, x, (Span){1, 30, 40})));
    ck_assert_uint_eq(graph_node(g, a)->span.begin, 10);
}
END_TEST

/* ---- canonical forms */

START_TEST(views_that_do_nothing_are_their_operand) {
    NodeId x = input("x", B, n(6));
    Shape s = matrix(B, n(6)), scalar = {.rank = 0};
    DimId zero[2] = {n(0), n(0)};
    ck_assert(node_same(x, g_reshape(g, x, &s, nowhere)));
    ck_assert(node_same(x, g_cast(g, DTYPE_F32, x, nowhere)));
    ck_assert(node_same(x, g_permute(g, x, (uint32_t[]){0, 1}, nowhere)));
    ck_assert(node_same(x, g_broadcast(g, x, &s, (int32_t[]){0, 1}, nowhere)));
    ck_assert(node_same(x, g_slice(g, x, zero, s.dims, (int64_t[]){1, 1}, nowhere)));
    ck_assert(node_same(x, g_reverse(g, x, NULL, 0, nowhere)));
    ck_assert(node_same(x, g_concat(g, &x, 1, 0, nowhere)));
    NodeId v = g_const(g, DTYPE_F32, &scalar, 0, nowhere);
    ck_assert(node_same(x, g_pad(g, x, v, zero, zero, (int64_t[]){0, 0}, nowhere)));
    NodeId square = input("s", n(3), n(3));
    ck_assert(!node_same(square, g_permute(g, square, (uint32_t[]){1, 0}, nowhere)));
    ck_assert(!node_same(square, g_reverse(g, square, (uint32_t[]){0}, 1, nowhere)));
    ck_assert(!node_same(x, g_unary(g, OP_STOP, x, nowhere)));
}
END_TEST

START_TEST(a_constant_of_equal_words_has_one) {
    Shape s = matrix(n(1), n(3));
    int64_t same[3] = {7, 7, 7}, other[3] = {7, 7, 8};
    NodeId a = graph_add(g, OP_CONST, DTYPE_I32, &s, NULL, 0, same, 3, nowhere);
    ck_assert(node_same(a, g_const_int(g, DTYPE_I32, &s, 7, nowhere)));
    ck_assert_uint_eq(graph_node(g, a)->nattr, 1);
    NodeId b = graph_add(g, OP_CONST, DTYPE_I32, &s, NULL, 0, other, 3, nowhere);
    ck_assert_uint_eq(graph_node(g, b)->nattr, 3);
}
END_TEST

START_TEST(constant_values) {
    Shape s = {.rank = 0};
    double v;
    ck_assert(graph_const_value(g, g_const(g, DTYPE_F32, &s, 0.1, nowhere), &v));
    ck_assert(v == (double)0.1f);
    ck_assert(graph_const_value(g, g_const_int(g, DTYPE_I8, &s, -3, nowhere), &v) && v == -3);
    ck_assert(graph_const_value(g, g_const_int(g, DTYPE_U8, &s, -3, nowhere), &v) && v == 253);
    ck_assert(graph_const_value(g, g_const(g, DTYPE_BF16, &s, 1.00390625, nowhere), &v) && v == 1);
    ck_assert(graph_const_value(g, g_const(g, DTYPE_U8, &s, 300, nowhere), &v) && v == 255);
    ck_assert(!graph_const_value(g, g_const_int(g, DTYPE_I64, &s, INT64_MAX, nowhere), &v));
    ck_assert(!graph_const_value(g, g_size(g, DTYPE_F32, B, nowhere), &v));
}
END_TEST

/* ---- roots */

static void build_layer(void) {
    NodeId x = input("x", B, n(6)), w = g_read(g, 0, nowhere), b = g_read(g, 1, nowhere);
    NodeId y = g_contract(g, x, (uint32_t[]){0, 2}, w, (uint32_t[]){1, 2}, (uint32_t[]){0, 1}, 2,
                          (uint32_t[]){2}, 1, nowhere);
    Shape s = matrix(B, n(4)), scalar = {.rank = 0};
    y = g_binary(g, OP_ADD, y, g_broadcast(g, b, &s, (int32_t[]){-1, 0}, nowhere), nowhere);
    NodeId zero = g_splat(g, g_const(g, DTYPE_F32, &scalar, 0, nowhere), &s, nowhere);
    y = g_binary(g, OP_MAX, y, zero, nowhere);
    g_unary(g, OP_EXP, y, nowhere); /* dead */
    NodeId loss = g_reduce(g, OP_SUM, y, (uint32_t[]){0, 1}, 2, nowhere);
    NodeId step = g_const(g, DTYPE_F32, &(Shape){.rank = 1, .dims = {n(4)}}, 0.1, nowhere);
    graph_output(g, name("loss"), loss);
    graph_write(g, 1, g_binary(g, OP_SUB, b, step, nowhere));
    g->guard = loss;
}

START_TEST(liveness_and_work) {
    build_layer();
    graph_verify(g);
    bool live[64];
    graph_live(g, live);
    uint32_t dead = 0;
    for (uint32_t i = 0; i < graph_size(g); i++)
        if (!live[i]) {
            dead++;
            ck_assert(graph_node(g, (NodeId){i})->op == OP_EXP);
        }
    ck_assert_uint_eq(dead, 1);
    /* contract 2·B·4·6; add, max: B·4 each; sum B·4; sub 4 */
    ck_assert(graph_flops(g) == 2.0 * 128 * 4 * 6 + 3 * 128 * 4 + 4);
}
END_TEST

START_TEST(a_slot_is_written_once) {
    NodeId b = g_read(g, 1, nowhere), minus = g_unary(g, OP_NEG, b, nowhere);
    graph_write(g, 1, b);
    graph_write(g, 1, minus);
    ck_assert_uint_eq(g->writes.len, 1);
    ck_assert(node_same(g->writes.data[0].node, minus));
}
END_TEST

START_TEST(like_has_inputs_but_no_nodes) {
    build_layer();
    Graph *like = graph_like(g);
    ck_assert_uint_eq(like->inputs.len, 1);
    ck_assert_uint_eq(graph_size(like), 0);
    ck_assert_uint_eq(like->outputs.len, 0);
    ck_assert(node_is_none(like->guard));
}
END_TEST

START_TEST(the_node_limit_is_reported_once) {
    ctx->node_limit = 20;
    NodeId x = input("x", B, n(6));
    for (int i = 0; i < 200; i++) {
        x = g_binary(g, OP_ADD, x, x, nowhere);
        ck_assert_uint_eq(graph_node(g, x)->rank, 2);
    }
    ck_assert_uint_eq(diags_errors(ctx->diags), 1);
    ck_assert(diags_get(ctx->diags, 0)->code == E_LIMIT);
    ck_assert_uint_le(graph_size(g), 22);
}
END_TEST

/* ---- the verifier */

START_TEST(verifier_refuses_a_wrong_write) {
    graph_write(g, 1, g_read(g, 0, nowhere));
    graph_verify(g);
}
END_TEST
START_TEST(verifier_refuses_a_wrong_guard) {
    g->guard = input("x", B, n(6));
    graph_verify(g);
}
END_TEST
START_TEST(verifier_refuses_stop_when_sealed) {
    graph_output(g, name("y"), g_unary(g, OP_STOP, input("x", B, n(6)), nowhere));
    g->sealed = true;
    graph_verify(g);
}
END_TEST
START_TEST(verifier_refuses_a_forged_shape) {
    NodeId y = g_unary(g, OP_NEG, input("x", B, n(6)), nowhere);
    g->nodes.data[y.id].rank = 1;
    graph_verify(g);
}
END_TEST
START_TEST(verifier_refuses_a_forged_operand) {
    NodeId x = input("x", B, n(6)), y = g_unary(g, OP_NEG, x, nowhere);
    g->nodes.data[y.id].args = &(const NodeId){7};
    graph_verify(g);
}
END_TEST
START_TEST(verifier_refuses_a_twin) {
    NodeId x = input("x", B, n(6)), y = g_unary(g, OP_NEG, x, nowhere);
    g_unary(g, OP_ABS, x, nowhere);
    g->nodes.data[y.id].op = OP_ABS;
    graph_verify(g);
}
END_TEST
START_TEST(nothing_enters_a_sealed_graph) {
    NodeId x = input("x", B, n(6));
    g->sealed = true;
    g_unary(g, OP_NEG, x, nowhere);
}
END_TEST

/* ---- printing */

/* Compares with tests/graph/golden/NAME; BMC_BLESS=1 writes it instead. */
static void golden(const char *file, const char *text) {
    const char *path = arena_printf(ctx->arena, "%s/tests/graph/golden/%s", BMC_SOURCE_DIR, file);
    if (getenv("BMC_BLESS")) {
        FILE *f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
        return;
    }
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s is missing: BMC_BLESS=1 makes it", path);
    Text want = {.arena = ctx->arena};
    for (int c = fgetc(f); c != EOF; c = fgetc(f)) text_char(&want, (char)c);
    fclose(f);
    ck_assert_str_eq(text, text_str(&want));
}

static const char *printed(void) {
    Text out = {.arena = ctx->arena};
    graph_print(&out, g);
    return text_str(&out);
}

START_TEST(layer_prints_as_the_golden_file) {
    build_layer();
    golden("layer.txt", printed());
    Text dot = {.arena = ctx->arena};
    graph_dot(&dot, g);
    golden("layer.dot", text_str(&dot));
}
END_TEST

START_TEST(every_attribute_prints_as_the_golden_file) {
    Shape scalar = {.rank = 0}, s = matrix(n(2), n(3)), big = matrix(n(4), n(5));
    NodeId x = input("x", B, n(6)), v = g_const(g, DTYPE_F32, &scalar, 0.1, nowhere);
    int64_t words[20], window[7] = {1, 3, 2, 1, 1, 1, 1}, clock = 1;
    NodeId i, y[24];
    uint32_t count = 0;
    for (int k = 0; k < 20; k++) words[k] = k;
    y[count++] = g_const(g, DTYPE_F64, &s, 1.0 / 3, nowhere);
    y[count++] = g_const(g, DTYPE_F32, &s, -(double)INFINITY, nowhere);
    y[count++] = g_const(g, DTYPE_F16, &s, 65504, nowhere);
    y[count++] = g_const(g, DTYPE_BF16, &s, -0.0, nowhere);
    y[count++] = g_const_int(g, DTYPE_I8, &s, -128, nowhere);
    y[count++] = g_const_int(g, DTYPE_U64, &s, -1, nowhere);
    y[count++] = g_const_int(g, DTYPE_BOOL, &s, 1, nowhere);
    y[count++] = graph_add(g, OP_CONST, DTYPE_I32, &big, NULL, 0, words, 20, nowhere);
    y[count++] = graph_add(g, OP_CONST, DTYPE_I32, &s, NULL, 0, words, 6, nowhere);
    y[count++] = g_iota(g, DTYPE_I32, &s, 1, nowhere);
    y[count++] = g_random(g, &s, 0xabcdef, 3, nowhere);
    y[count++] = g_size(g, DTYPE_F32, dim_mul(g->dims, B, n(3)), nowhere);
    y[count++] = graph_add(g, OP_CLOCK, DTYPE_F32, NULL, NULL, 0, &clock, 1, nowhere);
    y[count++] =
        g_slice(g, x, (DimId[]){n(0), n(1)}, (DimId[]){B, n(3)}, (int64_t[]){1, 2}, nowhere);
    y[count++] =
        g_pad(g, x, v, (DimId[]){n(1), n(0)}, (DimId[]){n(0), B}, (int64_t[]){0, 2}, nowhere);
    y[count++] = g_reverse(g, x, (uint32_t[]){0, 1}, 2, nowhere);
    y[count++] = g_permute(g, x, (uint32_t[]){1, 0}, nowhere);
    y[count++] = g_concat(g, (NodeId[]){x, x}, 2, 0, nowhere);
    y[count++] = graph_add(g, OP_WINDOW, DTYPE_COUNT, NULL, &x, 1, window, 7, nowhere);
    y[count++] = g_reduce(g, OP_ARGMAX, x, (uint32_t[]){1}, 1, nowhere);
    i = g_reduce(g, OP_ARGMAX, x, (uint32_t[]){1}, 1, nowhere);
    y[count++] = g_gather(g, g_read(g, 0, nowhere), &i, (uint32_t[]){1}, 1, nowhere);
    y[count++] = g_cast(g, DTYPE_BF16, x, nowhere);
    for (uint32_t k = 0; k < count; k++)
        graph_output(g, name(arena_printf(ctx->arena, "y%u", k)), y[k]);
    graph_verify(g);
    golden("attributes.txt", printed());
}
END_TEST

START_TEST(text_does_not_depend_on_the_order_of_building) {
    NodeId x = input("x", B, n(6)), a, b;
    a = g_unary(g, OP_EXP, x, nowhere);
    b = g_unary(g, OP_NEG, x, nowhere);
    graph_output(g, name("y"), g_binary(g, OP_ADD, a, b, nowhere));
    const char *first = printed();
    g = graph_create(ctx, g->dims, slots, 2);
    x = input("x", B, n(6));
    g_unary(g, OP_ABS, x, nowhere); /* unused */
    b = g_unary(g, OP_NEG, x, nowhere);
    a = g_unary(g, OP_EXP, x, nowhere);
    graph_output(g, name("y"), g_binary(g, OP_ADD, a, b, nowhere));
    ck_assert_str_eq(first, printed());
}
END_TEST

START_TEST(a_deep_graph_prints_without_recursion) {
    NodeId x = input("x", n(1), n(1));
    for (int i = 0; i < 200000; i++) x = g_unary(g, i % 2 ? OP_NEG : OP_ABS, x, nowhere);
    graph_output(g, name("y"), x);
    ck_assert_uint_gt(strlen(printed()), 200000);
}
END_TEST

static void add_death(TCase *c, const TTest *test) {
    tcase_add_test_raise_signal(c, test, SIGABRT);
}

int main(void) {
    Suite *s = suite_create("graph");
    TCase *c = tcase_create("graph");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, dtypes_are_the_runtimes);
    tcase_add_test(c, small_floats_convert_both_ways);
    tcase_add_test(c, equal_nodes_are_one);
    tcase_add_test(c, the_table_grows);
    tcase_add_test(c, the_first_place_that_made_a_node_is_kept);
    tcase_add_test(c, views_that_do_nothing_are_their_operand);
    tcase_add_test(c, a_constant_of_equal_words_has_one);
    tcase_add_test(c, constant_values);
    tcase_add_test(c, liveness_and_work);
    tcase_add_test(c, a_slot_is_written_once);
    tcase_add_test(c, like_has_inputs_but_no_nodes);
    tcase_add_test(c, the_node_limit_is_reported_once);
    add_death(c, verifier_refuses_a_wrong_write);
    add_death(c, verifier_refuses_a_wrong_guard);
    add_death(c, verifier_refuses_stop_when_sealed);
    add_death(c, verifier_refuses_a_forged_shape);
    add_death(c, verifier_refuses_a_forged_operand);
    add_death(c, verifier_refuses_a_twin);
    add_death(c, nothing_enters_a_sealed_graph);
    tcase_add_test(c, layer_prints_as_the_golden_file);
    tcase_add_test(c, every_attribute_prints_as_the_golden_file);
    tcase_add_test(c, text_does_not_depend_on_the_order_of_building);
    tcase_add_test(c, a_deep_graph_prints_without_recursion);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
