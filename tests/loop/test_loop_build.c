/* Interning, folding of index arithmetic, affine questions, constants. */
#include "tests/loop/loop_samples.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>

static Sample s;
static Kernel *k;
static VarId i, j;
static ExprId vi, vj;

static void setup(void) {
    sample_open(&s, 100);
    k = loop_kernel(s.p, "k", (Span){0});
    i = loop_var(s.p, k, "i");
    j = loop_var(s.p, k, "j");
    vi = loop_of_var(s.p, k, i);
    vj = loop_of_var(s.p, k, j);
}
static void teardown(void) {
    sample_close(&s);
}

static ExprId n(int64_t v) {
    return loop_int(s.p, k, v);
}
static ExprId add(ExprId a, ExprId b) {
    return loop_add(s.p, k, a, b);
}
static ExprId sub(ExprId a, ExprId b) {
    return loop_sub(s.p, k, a, b);
}
static ExprId mul(ExprId a, ExprId b) {
    return loop_mul(s.p, k, a, b);
}
static ExprId quotient(ExprKind kind, ExprId a, ExprId b) {
    Expr e = {.kind = kind, .dtype = DTYPE_I64, .nargs = 2, .args = {a, b}};
    return loop_expr(s.p, k, &e);
}
#define SAME(a, b) ck_assert_uint_eq((a).id, (b).id)

START_TEST(equal_expressions_have_equal_ids) {
    SAME(add(vi, vj), add(vj, vi));
    SAME(mul(vi, n(4)), mul(n(4), vi));
    ck_assert_uint_ne(sub(vi, vj).id, sub(vj, vi).id);
    Expr a = {.kind = EXPR_VAR, .dtype = DTYPE_I64, .var = i, .imm = 77, .buffer = 3};
    SAME(loop_expr(s.p, k, &a), vi); /* fields the kind does not use do not matter */
}
END_TEST

START_TEST(ten_thousand_expressions_keep_their_ids) {
    for (int64_t v = 0; v < 10000; v++) n(v * 7919);
    uint32_t before = k->exprs.len;
    for (int64_t v = 9999; v >= 0; v--)
        ck_assert_int_eq((int64_t)k->exprs.data[n(v * 7919).id].imm, v * 7919);
    ck_assert_uint_eq(k->exprs.len, before);
}
END_TEST

START_TEST(constants_fold_and_move_outwards) {
    SAME(add(n(2), n(3)), n(5));
    SAME(add(vi, n(0)), vi);
    SAME(mul(vi, n(1)), vi);
    SAME(mul(vi, n(0)), n(0));
    SAME(add(add(vi, n(3)), add(vj, n(4))), add(add(vi, vj), n(7)));
    SAME(mul(add(vi, n(3)), n(5)), add(mul(vi, n(5)), n(15)));
    SAME(mul(mul(vi, n(3)), n(5)), mul(vi, n(15)));
    SAME(sub(add(vi, n(3)), vi), n(3));
    SAME(sub(add(vi, n(3)), n(3)), vi);
    SAME(sub(n(10), n(3)), n(7));
    SAME(quotient(EXPR_IDIV, mul(vi, n(12)), n(4)), mul(vi, n(3)));
    SAME(quotient(EXPR_IMOD, mul(vi, n(12)), n(4)), n(0));
    SAME(quotient(EXPR_IDIV, n(17), n(5)), n(3));
    SAME(quotient(EXPR_IMOD, n(17), n(5)), n(2));
    SAME(quotient(EXPR_IDIV, vi, n(1)), vi);
    SAME(loop_of_dim(s.p, k, dim_const(s.program.dims, 9)), n(9));
    /* wraps, as the machine does */
    SAME(add(n(INT64_MAX), n(1)), n(INT64_MIN));
}
END_TEST

START_TEST(affine_finds_base_and_coefficient) {
    ExprId base;
    int64_t c;
    ExprId b = loop_of_dim(s.p, k, s.batch);
    ExprId e = add(mul(add(mul(vi, n(28)), vj), n(3)), n(2)); /* (i*28 + j)*3 + 2 */
    ck_assert(loop_affine(s.p, k, e, i, &base, &c));
    ck_assert_int_eq(c, 84);
    SAME(base, add(mul(vj, n(3)), n(2)));
    ck_assert(loop_affine(s.p, k, e, j, &base, &c));
    ck_assert_int_eq(c, 3);
    ck_assert(loop_affine(s.p, k, mul(vj, b), i, &base, &c));
    ck_assert_int_eq(c, 0);
    ck_assert(!loop_affine(s.p, k, mul(vi, b), i, &base, &c)); /* coefficient unknown */
    ck_assert(!loop_affine(s.p, k, quotient(EXPR_IDIV, vi, n(3)), i, &base, &c));
    ck_assert(loop_affine(s.p, k, sub(vj, mul(vi, n(2))), i, &base, &c));
    ck_assert_int_eq(c, -2);
    SAME(base, vj);
}
END_TEST

START_TEST(dependence_goes_through_registers_and_trees) {
    VarId over[] = {i};
    RegId r = loop_reg(s.p, k, "acc", DTYPE_F32, over, 1);
    ExprId read = loop_of_reg(s.p, k, r);
    Expr t = {.kind = EXPR_TREE, .op = OP_ADD, .dtype = DTYPE_F32, .reg = r, .var = i};
    ExprId tree = loop_expr(s.p, k, &t);
    ck_assert(loop_depends(k, read, i));
    ck_assert(!loop_depends(k, read, j));
    ck_assert(!loop_depends(k, tree, i));
}
END_TEST

static uint64_t bits(DType t, double v) {
    ExprId e = loop_const(s.p, k, t, v);
    return k->exprs.data[e.id].imm;
}

START_TEST(constants_round_once) {
    ck_assert_uint_eq(bits(DTYPE_F16, 1.0), 0x3C00);
    ck_assert_uint_eq(bits(DTYPE_F16, -0.0), 0x8000);
    ck_assert_uint_eq(bits(DTYPE_F16, 65504.0), 0x7BFF);
    ck_assert_uint_eq(bits(DTYPE_F16, 65519.999), 0x7BFF);
    ck_assert_uint_eq(bits(DTYPE_F16, 65520.0), 0x7C00);
    ck_assert_uint_eq(bits(DTYPE_F16, 0x1p-24), 0x0001);
    ck_assert_uint_eq(bits(DTYPE_F16, 0x1p-25), 0x0000); /* a tie goes to even */
    ck_assert_uint_eq(bits(DTYPE_F16, 0x1.8p-25), 0x0001);
    ck_assert_uint_eq(bits(DTYPE_F16, 0x1p-14), 0x0400);
    /* Through f32 this would round twice: 1 + 2^-11 + 2^-40 is above the tie. */
    ck_assert_uint_eq(bits(DTYPE_F16, 1.0 + 0x1p-11 + 0x1p-40), 0x3C01);
    ck_assert_uint_eq(bits(DTYPE_F16, 1.0 + 0x1p-11), 0x3C00);
    ck_assert_uint_eq(bits(DTYPE_BF16, 1.0), 0x3F80);
    ck_assert_uint_eq(bits(DTYPE_BF16, 3.4e38), 0x7F80);
    ck_assert_uint_eq(bits(DTYPE_BF16, 0x1p-133), 0x0001);
    ck_assert_uint_eq(bits(DTYPE_F16, (double)NAN) & 0x7E00, 0x7E00);
    ck_assert_uint_eq(bits(DTYPE_I8, -1), 0xFF);
    ck_assert_uint_eq(bits(DTYPE_BOOL, 3), 1);
    ck_assert_uint_eq(bits(DTYPE_U64, 18446744073709549568.0), 18446744073709549568u);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop_build");
    TCase *t = tcase_create("build");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, equal_expressions_have_equal_ids);
    tcase_add_test(t, ten_thousand_expressions_keep_their_ids);
    tcase_add_test(t, constants_fold_and_move_outwards);
    tcase_add_test(t, affine_finds_base_and_coefficient);
    tcase_add_test(t, dependence_goes_through_registers_and_trees);
    tcase_add_test(t, constants_round_once);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
