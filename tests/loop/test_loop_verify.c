/* The verifier and the memory checker accept what is right and abort on each broken rule. */
#include "tests/loop/loop_samples.h"
#include <check.h>
#include <signal.h>
#include <stdlib.h>

static Sample s;
static Kernel *k;
static uint32_t x, y;
static VarId i, v;
static RegId acc;

/* for i from LO to HI: { vector v 16: acc = x[..] ; y[..] = acc } */
static void setup(void) {
    sample_open(&s, 100);
    DimTable *dims = s.program.dims;
    DimId count = dim_mul(dims, s.batch, dim_const(dims, 16));
    uint32_t bx = sample_buffer(&s, "x", STORAGE_INPUT, 0, DTYPE_F32, count);
    uint32_t by = sample_buffer(&s, "y", STORAGE_OUTPUT, 0, DTYPE_F32, count);
    k = loop_kernel(s.p, "copy", (Span){0});
    k->parallel = true;
    k->extent = s.batch;
    x = loop_use(s.p, k, bx, false);
    y = loop_use(s.p, k, by, true);
    i = loop_var(s.p, k, "i");
    v = loop_var(s.p, k, "v");
    acc = loop_reg(s.p, k, "acc", DTYPE_F32, &v, 1);
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    StmtId rows = loop_for(s.p, k, NULL, LOOP_SERIAL, i, loop_expr(s.p, k, &lo),
                           loop_expr(s.p, k, &hi), 1, 0, EXPR_NONE);
    StmtId lanes = loop_for(s.p, k, &rows, LOOP_VECTOR, v, EXPR_NONE, EXPR_NONE, 0, 16, EXPR_NONE);
    ExprId row = loop_mul(s.p, k, loop_of_var(s.p, k, i), loop_int(s.p, k, 16));
    ExprId at = loop_add(s.p, k, row, loop_of_var(s.p, k, v));
    loop_set(s.p, k, &lanes, acc, loop_load(s.p, k, x, at));
    loop_store(s.p, k, &lanes, y, at, loop_of_reg(s.p, k, acc), EXPR_NONE);
    sample_run(&s, ORDER_RUN, 0);
}
static void teardown(void) {
    sample_close(&s);
}

START_TEST(a_good_program_passes) {
    loop_verify(s.p);
    Text out = {.arena = s.ctx->arena};
    loop_print(&out, s.p);
    ck_assert_str_eq(text_str(&out), "program entry arena 0 bytes, at least 0\n"
                                     "buffer x: input 0, f32[16*B]\n"
                                     "buffer y: output 0, f32[16*B]\n"
                                     "kernel 0 \"copy\" over B by 1\n"
                                     "  reads x\n"
                                     "  writes y\n"
                                     "  reg acc: f32 over v\n"
                                     "  %6 = add(mul(i, 16), v)\n"
                                     "  for i from LO to HI\n"
                                     "    vector v 16\n"
                                     "      acc = x[%6]\n"
                                     "      y[%6] = acc\n"
                                     "0: run 0 \"copy\"\n");
}
END_TEST

START_TEST(register_read_before_set) {
    RegId other = loop_reg(s.p, k, "other", DTYPE_F32, NULL, 0);
    loop_store(s.p, k, NULL, y, loop_int(s.p, k, 0), loop_of_reg(s.p, k, other), EXPR_NONE);
    loop_verify(s.p);
}
END_TEST
START_TEST(register_outside_its_loop) {
    loop_store(s.p, k, NULL, y, loop_int(s.p, k, 0), loop_of_reg(s.p, k, acc), EXPR_NONE);
    loop_verify(s.p);
}
END_TEST
START_TEST(variable_outside_its_loop) {
    loop_store(s.p, k, NULL, y, loop_of_var(s.p, k, i), loop_const(s.p, k, DTYPE_F32, 0),
               EXPR_NONE);
    loop_verify(s.p);
}
END_TEST
START_TEST(store_of_another_dtype) {
    loop_store(s.p, k, NULL, y, loop_int(s.p, k, 0), loop_int(s.p, k, 0), EXPR_NONE);
    loop_verify(s.p);
}
END_TEST
START_TEST(store_to_an_input) {
    loop_store(s.p, k, NULL, x, loop_int(s.p, k, 0), loop_const(s.p, k, DTYPE_F32, 0), EXPR_NONE);
    loop_verify(s.p);
}
END_TEST
START_TEST(vector_in_vector) {
    VarId w = loop_var(s.p, k, "w");
    StmtId outer = loop_for(s.p, k, NULL, LOOP_VECTOR, w, EXPR_NONE, EXPR_NONE, 0, 8, EXPR_NONE);
    VarId u = loop_var(s.p, k, "u");
    loop_for(s.p, k, &outer, LOOP_VECTOR, u, EXPR_NONE, EXPR_NONE, 0, 8, EXPR_NONE);
    loop_verify(s.p);
}
END_TEST
START_TEST(lanes_not_a_power_of_two) {
    VarId w = loop_var(s.p, k, "w");
    loop_for(s.p, k, NULL, LOOP_VECTOR, w, EXPR_NONE, EXPR_NONE, 0, 12, EXPR_NONE);
    loop_verify(s.p);
}
END_TEST
START_TEST(operands_of_two_dtypes) {
    ExprId args[] = {loop_const(s.p, k, DTYPE_F32, 1), loop_const(s.p, k, DTYPE_F64, 1)};
    loop_op(s.p, k, OP_ADD, DTYPE_F32, args, 2);
    loop_verify(s.p);
}
END_TEST
START_TEST(guard_without_barrier) {
    uint32_t loss =
        sample_buffer(&s, "loss", STORAGE_OUTPUT, 1, DTYPE_F32, dim_const(s.program.dims, 1));
    sample_run(&s, ORDER_GUARD, loss);
    loop_verify(s.p);
}
END_TEST

/* ---- memory */

static uint32_t arena_buffer(const char *name, uint32_t number, int64_t offset, uint32_t first,
                             uint32_t last) {
    uint32_t b =
        sample_buffer(&s, name, STORAGE_ARENA, number, DTYPE_F32, dim_const(s.program.dims, 16));
    s.p->buffers.data[b].offset = offset;
    s.p->buffers.data[b].first = first;
    s.p->buffers.data[b].last = last;
    return b;
}

/* kernel reads `from` and writes `to`. */
static void step(uint32_t from, uint32_t to) {
    Kernel *step_kernel = loop_kernel(s.p, "step", (Span){0});
    loop_use(s.p, step_kernel, from, false);
    loop_use(s.p, step_kernel, to, true);
    sample_run(&s, ORDER_RUN, s.p->kernels.len - 1);
}

START_TEST(disjoint_lives_may_share_across_a_barrier) {
    uint32_t a = arena_buffer("a", 0, 0, 1, 3), b = arena_buffer("b", 1, 64, 3, 5),
             c = arena_buffer("c", 2, 0, 5, 5);
    s.p->arena_bytes = 128;
    s.p->live_bytes_max = 128;
    step(0, a);
    sample_run(&s, ORDER_BARRIER, 0);
    step(a, b);
    sample_run(&s, ORDER_BARRIER, 0);
    step(b, c);
    loop_verify_memory(s.p);
}
END_TEST
START_TEST(overlap_of_live_buffers) {
    uint32_t a = arena_buffer("a", 0, 0, 1, 3), b = arena_buffer("b", 1, 0, 3, 3);
    s.p->arena_bytes = 64;
    step(0, a);
    sample_run(&s, ORDER_BARRIER, 0);
    step(a, b);
    loop_verify_memory(s.p);
}
END_TEST
START_TEST(sharing_without_a_barrier) {
    uint32_t a = arena_buffer("a", 0, 0, 1, 2), b = arena_buffer("b", 1, 64, 2, 3),
             c = arena_buffer("c", 2, 0, 3, 3);
    s.p->arena_bytes = 128;
    step(0, a);
    step(a, b);
    step(b, c);
    loop_verify_memory(s.p);
}
END_TEST
START_TEST(declared_life_too_short) {
    uint32_t a = arena_buffer("a", 0, 0, 1, 1), b = arena_buffer("b", 1, 64, 2, 2);
    s.p->arena_bytes = 128;
    step(0, a);
    step(a, b);
    loop_verify_memory(s.p);
}
END_TEST
START_TEST(buffer_outside_the_arena) {
    uint32_t a = arena_buffer("a", 0, 64, 1, 1);
    s.p->arena_bytes = 100;
    step(0, a);
    loop_verify_memory(s.p);
}
END_TEST
START_TEST(misaligned_offset) {
    uint32_t a = arena_buffer("a", 0, 32, 1, 1);
    s.p->arena_bytes = 1000;
    step(0, a);
    loop_verify_memory(s.p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop_verify");
    TCase *t = tcase_create("verify");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_good_program_passes);
    tcase_add_test_raise_signal(t, register_read_before_set, SIGABRT);
    tcase_add_test_raise_signal(t, register_outside_its_loop, SIGABRT);
    tcase_add_test_raise_signal(t, variable_outside_its_loop, SIGABRT);
    tcase_add_test_raise_signal(t, store_of_another_dtype, SIGABRT);
    tcase_add_test_raise_signal(t, store_to_an_input, SIGABRT);
    tcase_add_test_raise_signal(t, vector_in_vector, SIGABRT);
    tcase_add_test_raise_signal(t, lanes_not_a_power_of_two, SIGABRT);
    tcase_add_test_raise_signal(t, operands_of_two_dtypes, SIGABRT);
    tcase_add_test_raise_signal(t, guard_without_barrier, SIGABRT);
    tcase_add_test(t, disjoint_lives_may_share_across_a_barrier);
    tcase_add_test_raise_signal(t, overlap_of_live_buffers, SIGABRT);
    tcase_add_test_raise_signal(t, sharing_without_a_barrier, SIGABRT);
    tcase_add_test_raise_signal(t, declared_life_too_short, SIGABRT);
    tcase_add_test_raise_signal(t, buffer_outside_the_arena, SIGABRT);
    tcase_add_test_raise_signal(t, misaligned_offset, SIGABRT);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
