/* A step's effects (writes, guard, index inputs), failures, and the folding of constants. */
#include "tests/interp/interp_fixture.h"

/* ---- a step */

static float slot(int which, int i) {
    return ((float *)slot_values[which].data)[i];
}

START_TEST(writes_happen_after_everything) {
    float start[2][2] = {{1, 2}, {30, 40}};
    for (int i = 0; i < 2; i++) memcpy(slot_values[i].data, start[i], sizeof start[i]);
    NodeId w = g_read(g, 0, nowhere), v = g_read(g, 1, nowhere);
    graph_write(g, 0, v); /* a swap */
    graph_write(g, 1, w);
    EXPECT(g_binary(g, OP_ADD, w, v, nowhere), 31, 42);
    ck_assert(slot(0, 0) == 30 && slot(0, 1) == 40 && slot(1, 0) == 1 && slot(1, 1) == 2);
    graph_write(g, 0, g_binary(g, OP_ADD, w, w, nowhere));
    graph_write(g, 1, g_binary(g, OP_ADD, w, v, nowhere));
    EXPECT(w, 30, 40); /* an output shows what the step found */
    ck_assert(slot(0, 0) == 60 && slot(0, 1) == 80 && slot(1, 0) == 31 && slot(1, 1) == 42);
}
END_TEST

START_TEST(a_guard_that_is_not_finite_writes_nothing) {
    NodeId w = g_read(g, 0, nowhere), loss = input(DTYPE_F32, VALUES(nan_), 0);
    graph_write(g, 0, g_unary(g, OP_NEG, g_unary(g, OP_EXP, w, nowhere), nowhere));
    g->guard = loss;
    evaluate(loss);
    ck_assert_uint_eq(run.flags, INTERP_NONFINITE);
    ck_assert(slot(0, 0) == 0);
    *(float *)inputs[0].data = 1;
    evaluate(loss);
    ck_assert_uint_eq(run.flags, 0);
    ck_assert(slot(0, 0) == -1);
}
END_TEST

START_TEST(an_index_input_out_of_range_writes_nothing) {
    NodeId w = g_read(g, 0, nowhere), label = input(DTYPE_I32, VALUES(3, 10), 1, 2);
    g->inputs.data[0].is_index = true;
    g->inputs.data[0].index_limit = 10;
    graph_write(g, 0, g_unary(g, OP_EXP, w, nowhere));
    evaluate(label);
    ck_assert_uint_eq(run.flags, INTERP_INPUT);
    ck_assert(slot(0, 0) == 0);
    ((int32_t *)inputs[0].data)[1] = 9;
    evaluate(label);
    ck_assert_uint_eq(run.flags, 0);
    ck_assert(slot(0, 0) == 1);
}
END_TEST

static void count_values(void *user, NodeId id, const Tensor *value) {
    (void)id;
    ck_assert_ptr_nonnull(value->data);
    ++*(int *)user;
}

START_TEST(observe_sees_every_live_value_once) {
    int seen = 0;
    NodeId x = input(DTYPE_F32, VALUES(1, 2), 1, 2), y = g_unary(g, OP_EXP, x, nowhere);
    g_unary(g, OP_LOG, x, nowhere); /* dead */
    run.observe = count_values;
    run.user = &seen;
    evaluate(g_binary(g, OP_ADD, y, x, nowhere));
    ck_assert_int_eq(seen, 3);
}
END_TEST

START_TEST(a_size_that_overflows_is_a_diagnostic) {
    Shape s = {.rank = 2, .dims = {B, n(INT64_C(1) << 40)}};
    batch = INT64_C(1) << 40;
    graph_output(g, ctx_sym(ctx, "y"), g_const(g, DTYPE_F32, &s, 0, nowhere));
    ck_assert(!interp_run(g, &run));
    ck_assert_uint_eq(diags_errors(ctx->diags), 1);
}
END_TEST

/* Whatever block request fails, the run jumps out before it holds a value (leaks show under ASan).
 */
START_TEST(running_out_of_memory_leaks_nothing) {
    Shape big = {.rank = 1, .dims = {n(40000)}};
    NodeId x = g_const(g, DTYPE_F64, &big, 1, nowhere);
    for (int i = 0; i < 8; i++) {
        x = g_unary(g, OP_EXP, x, nowhere);
        graph_output(g, ctx_sym(ctx, "y"), x);
    }
    volatile int jumps = 0, finished = 0;
    for (volatile size_t nth = 1; nth <= 12; nth++) {
        run.arena = arena_create();
        jmp_buf recovery;
        if (setjmp(recovery) == 0) {
            arena_on_oom(run.arena, &recovery);
            arena_fail_after(run.arena, nth);
            ck_assert(interp_run(g, &run));
            finished++;
        } else {
            jumps++;
        }
        arena_destroy(run.arena);
    }
    ck_assert_int_gt(jumps, 2);
    ck_assert_int_gt(finished, 0);
}
END_TEST

/* ---- folding */

START_TEST(constants_fold) {
    Shape s = {.rank = 1, .dims = {n(3)}}, by_batch = {.rank = 1, .dims = {B}};
    NodeId i = g_iota(g, DTYPE_F32, &s, 0, nowhere), c = g_const(g, DTYPE_F32, &s, 2, nowhere);
    NodeId y = g_binary(g, OP_MUL, i, c, nowhere);
    Tensor t;
    ck_assert(interp_constant(g, y, ctx->arena, &t));
    ck_assert(at(&t, 0) == 0 && at(&t, 1) == 2 && at(&t, 2) == 4);
    ck_assert(interp_constant(g, g_size(g, DTYPE_I64, n(8), nowhere), ctx->arena, &t));
    ck_assert(at(&t, 0) == 8);
    ck_assert(!interp_constant(g, g_size(g, DTYPE_I64, B, nowhere), ctx->arena, &t));
    ck_assert(!interp_constant(g, g_iota(g, DTYPE_F32, &by_batch, 0, nowhere), ctx->arena, &t));
    ck_assert(!interp_constant(g, g_random(g, &s, 1, 0, nowhere), ctx->arena, &t));
    ck_assert(!interp_constant(g, g_read(g, 0, nowhere), ctx->arena, &t));
    NodeId whole = g_iota(g, DTYPE_I32, &s, 0, nowhere),
           zero = g_const_int(g, DTYPE_I32, &s, 0, nowhere);
    ck_assert(!interp_constant(g, g_binary(g, OP_DIV, whole, zero, nowhere), ctx->arena, &t));
}
END_TEST

int main(void) {
    Suite *s = suite_create("interp_step");
    TCase *c = tcase_create("interp_step");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, writes_happen_after_everything);
    tcase_add_test(c, a_guard_that_is_not_finite_writes_nothing);
    tcase_add_test(c, an_index_input_out_of_range_writes_nothing);
    tcase_add_test(c, observe_sees_every_live_value_once);
    tcase_add_test(c, a_size_that_overflows_is_a_diagnostic);
    tcase_add_test(c, running_out_of_memory_leaks_nothing);
    tcase_add_test(c, constants_fold);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
