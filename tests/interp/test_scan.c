/* Loops in the evaluator: carries, sequences along any axis, yields, direction, draws. */
#include "compiler/graph/scan.h"
#include "tests/interp/interp_fixture.h"

static const Shape scalar = {.rank = 0};

/* x [2, 3] scanned along axis 1: the running sum over time, yielded on `yield_axis`. */
static NodeId running_sum(NodeId x, int64_t yield_axis, bool reverse, NodeId *loop) {
    Graph *body = scan_body(g);
    Shape row = {.rank = 1, .dims = {n(2)}};
    NodeId total = g_input(body, ctx_sym(ctx, "total"), DTYPE_F32, &row, nowhere);
    NodeId element = g_input(body, ctx_sym(ctx, "x"), DTYPE_F32, &row, nowhere);
    NodeId next = g_binary(body, OP_ADD, total, element, nowhere);
    graph_output(body, ctx_sym(ctx, "total"), next);
    graph_output(body, ctx_sym(ctx, "y"), next);
    int64_t axis = 1;
    Scan s = {.body = body,
              .carries = 1,
              .sequences = 1,
              .yields = 1,
              .reverse = reverse,
              .trip = n(3),
              .sequence_axis = &axis,
              .yield_axis = &yield_axis};
    NodeId operands[] = {g_const(g, DTYPE_F32, &row, 100, nowhere), x};
    *loop = g_scan(g, &s, operands, nowhere);
    return g_take(g, *loop, 1, nowhere);
}

START_TEST(carries_run_along_an_axis) {
    NodeId x = input(DTYPE_F32, VALUES(1, 2, 3, 10, 20, 30), 2, 2, 3), loop;
    EXPECT(running_sum(x, 1, false, &loop), 101, 103, 106, 110, 130, 160);
    EXPECT(running_sum(x, 0, false, &loop), 101, 110, 103, 130, 106, 160);
    EXPECT(g_take(g, loop, 0, nowhere), 106, 160);
    EXPECT(running_sum(x, 1, true, &loop), 106, 105, 103, 160, 150, 130);
    graph_verify(g);
}
END_TEST

START_TEST(equal_loops_are_one) {
    NodeId x = input(DTYPE_F32, VALUES(1, 2, 3, 10, 20, 30), 2, 2, 3), a, b;
    running_sum(x, 1, false, &a);
    running_sum(x, 1, false, &b);
    ck_assert(node_same(a, b));
    ck_assert_uint_eq(g->bodies.len, 1);
    running_sum(x, 1, true, &b);
    ck_assert(!node_same(a, b));
    ck_assert_uint_eq(g->bodies.len, 1);
}
END_TEST

/* Two carries that change places, over a trip that only the run knows. */
static NodeId swap(void) {
    Graph *body = scan_body(g);
    NodeId a = g_input(body, ctx_sym(ctx, "a"), DTYPE_F32, &scalar, nowhere);
    NodeId b = g_input(body, ctx_sym(ctx, "b"), DTYPE_F32, &scalar, nowhere);
    graph_output(body, ctx_sym(ctx, "a"), b);
    graph_output(body, ctx_sym(ctx, "b"), a);
    Scan s = {.body = body, .carries = 2, .trip = B};
    NodeId operands[] = {g_const(g, DTYPE_F32, &scalar, 1, nowhere),
                         g_const(g, DTYPE_F32, &scalar, 2, nowhere)};
    return g_take(g, g_scan(g, &s, operands, nowhere), 0, nowhere);
}

START_TEST(all_carries_change_at_once) {
    NodeId first = swap();
    for (batch = 0; batch < 5; batch++) EXPECT(first, batch % 2 ? 2 : 1);
}
END_TEST

/* Draw t of the loop is the draw outside at the mixed site. */
START_TEST(draws_are_keyed_by_the_iteration) {
    Graph *body = scan_body(g);
    graph_output(body, ctx_sym(ctx, "r"), g_random_at(body, &scalar, 77, 5, (NodeId){0}, nowhere));
    Scan s = {.body = body, .yields = 1, .trip = n(3), .yield_axis = &(int64_t){0}};
    NodeId drawn = g_take(g, g_scan(g, &s, NULL, nowhere), 0, nowhere);
    run.seed = 9;
    run.step = 4;
    double at[3];
    for (int t = 0; t < 3; t++) at[t] = (double)philox_uniform(9, philox_site_at(77, t), 4, 5, 0);
    EXPECT(drawn, at[0], at[1], at[2]);
    ck_assert(at[0] != at[1] && at[1] != at[2]);
}
END_TEST

START_TEST(a_loop_prints_with_its_body) {
    NodeId x = input(DTYPE_F32, VALUES(1, 2, 3, 10, 20, 30), 2, 2, 3), loop;
    graph_output(g, ctx_sym(ctx, "y"), running_sum(x, 1, true, &loop));
    Text text = {.arena = ctx->arena};
    graph_print(&text, g);
    ck_assert_str_eq(text_str(&text), "graph {\n"
                                      "  input x: f32[2, 3]\n"
                                      "  %0 = const 1e+02 : f32[2]\n"
                                      "  %1 = input x : f32[2, 3]\n"
                                      "  %2 = scan %0, %1 trip 3, carries 1, sequences [1], yields "
                                      "[1], reverse : bool[]\n"
                                      "    graph {\n"
                                      "      input iteration: i64[]\n"
                                      "      input total: f32[2]\n"
                                      "      input x: f32[2]\n"
                                      "      %0 = input total : f32[2]\n"
                                      "      %1 = input x : f32[2]\n"
                                      "      %2 = add %0, %1 : f32[2]\n"
                                      "      output total = %2\n"
                                      "      output y = %2\n"
                                      "    }\n"
                                      "  %3 = take %2 [1] : f32[2, 3]\n"
                                      "  output y = %3\n"
                                      "}\n");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("scan");
    TCase *tc = tcase_create("loops");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, carries_run_along_an_axis);
    tcase_add_test(tc, equal_loops_are_one);
    tcase_add_test(tc, all_carries_change_at_once);
    tcase_add_test(tc, draws_are_keyed_by_the_iteration);
    tcase_add_test(tc, a_loop_prints_with_its_body);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
