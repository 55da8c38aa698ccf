/* Sizes: normal form, interning, division, overflow. */
#include "compiler/graph/dim.h"
#include "compiler/support/context.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>

static Context *ctx;
static DimTable *t;
static DimId B, T;

static void setup(void) {
    ctx = context_create();
    t = dims_create(ctx->arena);
    B = dim_symbol(t, ctx_sym(ctx, "B"), 128);
    T = dim_symbol(t, ctx_sym(ctx, "T"), 20);
}
static void teardown(void) {
    context_destroy(ctx);
}

static DimId n(int64_t value) {
    return dim_const(t, value);
}
static const char *text(DimId d) {
    Text out = {.arena = ctx->arena};
    dim_print(&out, t, d);
    return text_str(&out);
}

START_TEST(constants_are_interned) {
    ck_assert(dim_same(n(7), dim_add(t, n(3), n(4))));
    ck_assert(dim_same(n(0), dim_sub(t, n(3), n(3))));
    ck_assert_int_eq(dim_value(t, dim_mul(t, n(-3), n(5))), -15);
    ck_assert(dim_equals(t, n(0), 0));
    ck_assert(!dim_is_const(t, B));
    ck_assert_str_eq(text(n(0)), "0");
    ck_assert_str_eq(text(n(-4)), "-4");
}
END_TEST

START_TEST(equal_polynomials_have_equal_ids) {
    /* (B + T)² = B² + 2BT + T² */
    DimId sum = dim_add(t, B, T);
    DimId square = dim_mul(t, sum, sum);
    DimId expanded = dim_add(t, dim_mul(t, T, T), dim_mul(t, B, B));
    expanded = dim_add(t, dim_mul(t, dim_mul(t, n(2), T), B), expanded);
    ck_assert(dim_same(square, expanded));
    ck_assert_str_eq(text(square), "B*B + 2*B*T + T*T");
    ck_assert(!dim_same(B, dim_symbol(t, ctx_sym(ctx, "B"), 5)));
    ck_assert_str_eq(text(dim_sub(t, n(1), dim_mul(t, n(2), B))), "-2*B + 1");
}
END_TEST

START_TEST(symbols_are_recognised) {
    ck_assert_int_eq(dim_as_symbol(t, B), 0);
    ck_assert_int_eq(dim_as_symbol(t, T), 1);
    ck_assert_int_eq(dim_as_symbol(t, dim_add(t, B, n(1))), -1);
    ck_assert_int_eq(dim_as_symbol(t, dim_mul(t, B, n(2))), -1);
    ck_assert_int_eq(dim_as_symbol(t, n(4)), -1);
    ck_assert(dim_has_symbol(t, dim_mul(t, B, T), 1));
    ck_assert(!dim_has_symbol(t, dim_mul(t, B, B), 1));
    ck_assert_uint_eq(dim_symbol_count(t), 2);
}
END_TEST

START_TEST(division_is_exact_where_it_can_be) {
    bool exact;
    DimId product = dim_mul(t, dim_add(t, B, n(3)), dim_sub(t, T, n(1)));
    ck_assert(dim_same(dim_div(t, product, dim_add(t, B, n(3)), &exact), dim_sub(t, T, n(1))));
    ck_assert(exact);
    ck_assert(dim_same(dim_div(t, dim_mul(t, n(12), B), n(4), &exact), dim_mul(t, n(3), B)));
    ck_assert(exact);
    ck_assert(dim_same(dim_div(t, n(-7), n(2), &exact), n(-4)));
    ck_assert(!exact);
    ck_assert(dim_same(dim_div(t, n(0), B, &exact), n(0)));
    ck_assert(exact);
}
END_TEST

START_TEST(floors_share_one_opaque_symbol) {
    bool exact;
    DimId half = dim_div(t, B, n(2), &exact);
    ck_assert(!exact);
    ck_assert(dim_same(half, dim_div(t, B, n(2), &exact)));
    /* floor((B + 6) / 2) = floor(B / 2) + 3, floor((2B + 1) / 2) = B */
    ck_assert(dim_same(dim_div(t, dim_add(t, B, n(6)), n(2), &exact), dim_add(t, half, n(3))));
    ck_assert(dim_same(dim_div(t, dim_add(t, dim_mul(t, B, n(2)), n(1)), n(2), &exact), B));
    ck_assert(!exact);
    ck_assert_str_eq(text(half), "floor((B) / (2))");
    ck_assert_int_eq(dim_as_symbol(t, half), -1);
    ck_assert_uint_eq(dim_symbol_count(t), 2);
    ck_assert(dim_has_symbol(t, half, 0));
    int64_t value, at[2] = {7, 3};
    ck_assert(dim_eval(t, half, at, &value));
    ck_assert_int_eq(value, 3);
    ck_assert(dim_eval(t, dim_div(t, B, T, &exact), at, &value));
    ck_assert_int_eq(value, 2);
    at[1] = 0;
    ck_assert(!dim_eval(t, dim_div(t, B, T, &exact), at, &value));
}
END_TEST

START_TEST(negative_divisors_floor) {
    bool exact;
    int64_t value, at[2] = {7, 3};
    ck_assert(dim_eval(t, dim_div(t, B, n(-2), &exact), at, &value));
    ck_assert_int_eq(value, -4);
}
END_TEST

START_TEST(evaluation_and_bounds) {
    DimId d = dim_add(t, dim_mul(t, dim_mul(t, B, T), n(3)), n(1));
    int64_t value, at[2] = {2, 5};
    ck_assert(dim_eval(t, d, at, &value));
    ck_assert_int_eq(value, 31);
    ck_assert_int_eq(dim_bound(t, d), 3 * 128 * 20 + 1);
    dim_set_bound(t, 0, 10);
    ck_assert_int_eq(dim_bound(t, d), 601);
    ck_assert_int_eq(dim_symbol_bound(t, 0), 10);
    at[0] = INT64_MAX / 2;
    ck_assert(!dim_eval(t, d, at, &value));
    dim_set_bound(t, 0, INT64_MAX);
    ck_assert_int_eq(dim_bound(t, d), INT64_MAX);
}
END_TEST

START_TEST(overflow_poisons_and_nothing_wraps) {
    DimId big = dim_mul(t, n(INT64_MAX), n(2));
    int64_t value, at[2] = {1, 1};
    ck_assert(dim_is_overflow(t, big));
    ck_assert(!dim_is_const(t, big));
    ck_assert(dim_is_overflow(t, dim_add(t, big, B)));
    ck_assert(dim_is_overflow(t, dim_sub(t, B, big)));
    ck_assert(dim_same(big, dim_mul(t, big, n(3))));
    ck_assert(!dim_eval(t, big, at, &value));
    ck_assert_int_eq(dim_bound(t, big), INT64_MAX);
    ck_assert_str_eq(text(big), "too large");
    ck_assert(dim_is_overflow(t, dim_sub(t, n(INT64_MIN), n(1))));
    bool exact;
    ck_assert(dim_is_overflow(t, dim_div(t, big, B, &exact)));
    ck_assert(!exact);
}
END_TEST

START_TEST(deep_and_wide_sizes_are_refused_not_slow) {
    bool exact;
    DimId d = B;
    for (int i = 0; i < 200; i++) /* each level would double the work of evaluating it */
        d = dim_div(t, dim_add(t, dim_mul(t, d, d), n(1)), n(3), &exact);
    ck_assert(dim_is_overflow(t, d));
    DimId sum = n(1), power = n(1);
    for (int i = 0; i < 60; i++) sum = dim_add(t, sum, dim_symbol(t, ctx_sym(ctx, "s"), 3));
    ck_assert(dim_is_overflow(t, sum));
    for (int i = 0; i < 20; i++) power = dim_mul(t, power, B);
    ck_assert(dim_is_overflow(t, power));
}
END_TEST

typedef struct Sum {
    const int64_t *at;
    int64_t total;
} Sum;
static void add_term(void *user, int64_t coefficient, const uint32_t *symbols, uint32_t count) {
    Sum *s = user;
    for (uint32_t i = 0; i < count; i++) coefficient *= s->at[symbols[i]];
    s->total += coefficient;
}

START_TEST(terms_rebuild_the_value) {
    DimId d = dim_sub(t, dim_mul(t, dim_add(t, B, n(2)), dim_mul(t, T, T)), n(9));
    int64_t at[2] = {4, 3}, value;
    Sum s = {at, 0};
    dim_terms(t, d, add_term, &s);
    ck_assert(dim_eval(t, d, at, &value));
    ck_assert_int_eq(s.total, value);
    ck_assert_int_eq(value, 6 * 9 - 9);
}
END_TEST

/* Random polynomials: evaluation is a ring homomorphism, and (p·q)/q = p. */
START_TEST(arithmetic_agrees_with_evaluation) {
    uint32_t state = 12345;
    for (int round = 0; round < 500; round++) {
        DimId p[2];
        int64_t v[2], at[2] = {round % 7 + 1, round % 5 + 1}, got;
        for (int k = 0; k < 2; k++) {
            p[k] = n(1 + (int64_t)(state % 3));
            for (int i = 0; i < 3; i++) {
                state = state * 1664525u + 1013904223u;
                DimId s = (state >> 16) & 1 ? B : T;
                DimId c = n((int64_t)((state >> 20) % 5) - 2);
                p[k] = (state >> 24) & 1 ? dim_add(t, dim_mul(t, p[k], s), c)
                                         : dim_add(t, p[k], dim_mul(t, c, s));
            }
            ck_assert(dim_eval(t, p[k], at, &v[k]));
        }
        ck_assert(dim_eval(t, dim_add(t, p[0], p[1]), at, &got) && got == v[0] + v[1]);
        ck_assert(dim_eval(t, dim_sub(t, p[0], p[1]), at, &got) && got == v[0] - v[1]);
        DimId product = dim_mul(t, p[0], p[1]);
        ck_assert(dim_eval(t, product, at, &got) && got == v[0] * v[1]);
        if (dim_equals(t, p[1], 0)) continue;
        bool exact;
        ck_assert(dim_same(dim_div(t, product, p[1], &exact), p[0]) && exact);
    }
}
END_TEST

START_TEST(dividing_by_zero_is_a_bug) {
    bool exact;
    dim_div(t, B, n(0), &exact);
}
END_TEST

int main(void) {
    Suite *s = suite_create("dim");
    TCase *c = tcase_create("dim");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, constants_are_interned);
    tcase_add_test(c, equal_polynomials_have_equal_ids);
    tcase_add_test(c, symbols_are_recognised);
    tcase_add_test(c, division_is_exact_where_it_can_be);
    tcase_add_test(c, floors_share_one_opaque_symbol);
    tcase_add_test(c, negative_divisors_floor);
    tcase_add_test(c, evaluation_and_bounds);
    tcase_add_test(c, overflow_poisons_and_nothing_wraps);
    tcase_add_test(c, deep_and_wide_sizes_are_refused_not_slow);
    tcase_add_test(c, terms_rebuild_the_value);
    tcase_add_test(c, arithmetic_agrees_with_evaluation);
    tcase_add_test_raise_signal(c, dividing_by_zero_is_a_bug, SIGABRT);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
