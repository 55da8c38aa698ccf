/* The reference evaluator against values worked out by hand, and its special values. */
#include "tests/interp/interp_fixture.h"

/* ---- elementwise */

START_TEST(float_arithmetic) {
    DType t = _i ? DTYPE_F32 : DTYPE_F64;
    NodeId a = input(t, VALUES(1, -0.0, inf, 3, 0x1p-149, -7.5), 1, 6);
    NodeId b = input(t, VALUES(2, 0.0, -inf, 0, 0x1p-149, 2), 1, 6);
    EXPECT(g_binary(g, OP_ADD, a, b, nowhere), 3, 0.0, nan_, 3, 0x1p-148, -5.5);
    EXPECT(g_binary(g, OP_SUB, a, b, nowhere), -1, -0.0, inf, 3, 0, -9.5);
    EXPECT(g_binary(g, OP_DIV, a, b, nowhere), 0.5, nan_, nan_, inf, 1, -3.75);
    EXPECT(g_binary(g, OP_MOD, a, b, nowhere), 1, nan_, nan_, nan_, 0, 0.5);
    EXPECT(g_unary(g, OP_NEG, a, nowhere), -1, 0.0, -inf, -3, -0x1p-149, 7.5);
    EXPECT(g_unary(g, OP_ABS, a, nowhere), 1, 0.0, inf, 3, 0x1p-149, 7.5);
    EXPECT(g_unary(g, OP_SIGN, a, nowhere), 1, -0.0, 1, 1, 1, -1);
    EXPECT(g_unary(g, OP_FLOOR, a, nowhere), 1, -0.0, inf, 3, 0, -8);
}
END_TEST

START_TEST(max_and_min_are_ieee_2019) {
    NodeId a = input(DTYPE_F32, VALUES(0.0, -0.0, nan_, 1, nan_, inf, -2), 1, 7);
    NodeId b = input(DTYPE_F32, VALUES(-0.0, 0.0, 1, nan_, nan_, -inf, 3), 1, 7);
    EXPECT(g_binary(g, OP_MAX, a, b, nowhere), 0.0, 0.0, nan_, nan_, nan_, inf, 3);
    EXPECT(g_binary(g, OP_MIN, a, b, nowhere), -0.0, -0.0, nan_, nan_, nan_, -inf, -2);
    EXPECT(g_binary(g, OP_LESS, a, b, nowhere), 0, 0, 0, 0, 0, 0, 1);
    EXPECT(g_binary(g, OP_EQUAL, a, b, nowhere), 1, 1, 0, 0, 0, 0, 0);
    EXPECT(g_select(g, g_binary(g, OP_EQUAL, a, b, nowhere), a, b, nowhere), 0.0, -0.0, 1, nan_,
           nan_, -inf, 3);
}
END_TEST

START_TEST(square_root_and_fma_round_once) {
    NodeId a = input(DTYPE_F32, VALUES(2, -0.0, -1, inf, 0x1p-149), 1, 5);
    EXPECT(g_unary(g, OP_SQRT, a, nowhere), 0x1.6a09e6p+0, -0.0, nan_, inf, 0x1.6a09e6p-75);
    NodeId x = input(DTYPE_F32, VALUES(1 + 0x1p-23), 1, 1),
           y = input(DTYPE_F32, VALUES(-1 - 0x1p-22), 1, 1);
    NodeId args[3] = {x, x, y};
    NodeId f = graph_add(g, OP_FMA, DTYPE_COUNT, NULL, args, 3, NULL, 0, nowhere);
    EXPECT(f, 0x1p-46); /* (1 + u)² - (1 + 2u) = u²: nothing of it survives two roundings */
    EXPECT(g_binary(g, OP_ADD, g_binary(g, OP_MUL, x, x, nowhere), y, nowhere), 0.0);
}
END_TEST

START_TEST(half_precision_computes_in_f32_and_rounds_once) {
    /* 2048 + 1 is a tie in f16 (spacing 2): to even */
    NodeId a = input(DTYPE_F16, VALUES(2048, 65504, 0x1p-24, 1), 1, 4);
    NodeId b = input(DTYPE_F16, VALUES(1, 65504, 0x1p-24, 0x1p-11), 1, 4);
    EXPECT(g_binary(g, OP_ADD, a, b, nowhere), 2048, inf, 0x1p-23, 1);
    NodeId c = input(DTYPE_BF16, VALUES(256, 1), 1, 2),
           d = input(DTYPE_BF16, VALUES(1, 0x1p-8), 1, 2);
    EXPECT(g_binary(g, OP_ADD, c, d, nowhere), 256, 1);
    EXPECT(g_binary(g, OP_MUL, c, d, nowhere), 256, 0x1p-8);
}
END_TEST

START_TEST(integers_wrap_truncate_and_flag) {
    NodeId a = input(DTYPE_I8, VALUES(127, -128, -7, 7, 5, -128), 1, 6);
    NodeId b = input(DTYPE_I8, VALUES(1, -1, 2, -2, 0, 127), 1, 6);
    EXPECT(g_binary(g, OP_ADD, a, b, nowhere), -128, 127, -5, 5, 5, -1);
    EXPECT(g_binary(g, OP_MUL, a, b, nowhere), 127, -128, -14, -14, 0, -128);
    ck_assert_uint_eq(run.flags, 0);
    EXPECT(g_binary(g, OP_DIV, a, b, nowhere), 127, -128, -3, -3, 0, -1);
    ck_assert_uint_eq(run.flags, INTERP_DIVISION);
    EXPECT(g_binary(g, OP_MOD, a, b, nowhere), 0, 0, 1, -1, 0, 126);
    EXPECT(g_unary(g, OP_NEG, a, nowhere), -127, -128, 7, -7, -5, -128);
    EXPECT(g_unary(g, OP_ABS, a, nowhere), 127, -128, 7, 7, 5, -128);
    EXPECT(g_unary(g, OP_NOT, a, nowhere), -128, 127, 6, -8, -6, 127);
    NodeId u = input(DTYPE_U8, VALUES(255, 3, 200), 1, 3),
           v = input(DTYPE_U8, VALUES(1, 5, 7), 1, 3);
    EXPECT(g_binary(g, OP_ADD, u, v, nowhere), 0, 8, 207);
    EXPECT(g_binary(g, OP_SUB, v, u, nowhere), 2, 2, 63);
    EXPECT(g_binary(g, OP_MAX, u, v, nowhere), 255, 5, 200);
    EXPECT(g_binary(g, OP_LESS, u, v, nowhere), 0, 1, 0);
    EXPECT(g_unary(g, OP_SIGN, u, nowhere), 1, 1, 1);
    EXPECT(g_binary(g, OP_AND, u, v, nowhere), 1, 1, 0);
}
END_TEST

START_TEST(wide_integers_keep_all_bits) {
    Shape s = {.rank = 1, .dims = {n(1)}};
    NodeId least = g_const_int(g, DTYPE_I64, &s, INT64_MIN, nowhere);
    NodeId minus = g_const_int(g, DTYPE_I64, &s, -1, nowhere);
    NodeId all = g_const_int(g, DTYPE_U64, &s, -1, nowhere),
           one = g_const_int(g, DTYPE_U64, &s, 1, nowhere);
    Tensor y = evaluate(g_binary(g, OP_DIV, least, minus, nowhere));
    ck_assert_int_eq(*(int64_t *)y.data, INT64_MIN);
    y = evaluate(g_binary(g, OP_MOD, least, minus, nowhere));
    ck_assert_int_eq(*(int64_t *)y.data, 0);
    y = evaluate(g_binary(g, OP_MAX, all, one, nowhere));
    ck_assert_uint_eq(*(uint64_t *)y.data, UINT64_MAX);
    y = evaluate(g_binary(g, OP_DIV, all, g_const_int(g, DTYPE_U64, &s, 10, nowhere), nowhere));
    ck_assert_uint_eq(*(uint64_t *)y.data, UINT64_MAX / 10);
    y = evaluate(g_cast(g, DTYPE_F32, all, nowhere));
    ck_assert(*(float *)y.data == 0x1p64f);
    y = evaluate(g_cast(g, DTYPE_F32,
                        g_const_int(g, DTYPE_I64, &s, (INT64_C(1) << 24) + 1, nowhere), nowhere));
    ck_assert(*(float *)y.data == 0x1p24f);
}
END_TEST

START_TEST(casts_saturate_and_round_once) {
    NodeId x = input(DTYPE_F32, VALUES(nan_, inf, -inf, 300.7, -300.7, -0.9, 127.9), 1, 7);
    EXPECT(g_cast(g, DTYPE_I8, x, nowhere), 0, 127, -128, 127, -128, 0, 127);
    EXPECT(g_cast(g, DTYPE_U8, x, nowhere), 0, 255, 0, 255, 0, 0, 127);
    EXPECT(g_cast(g, DTYPE_BOOL, x, nowhere), 1, 1, 1, 1, 1, 1, 1);
    Tensor y = evaluate(g_cast(g, DTYPE_I64, x, nowhere));
    ck_assert_int_eq(((int64_t *)y.data)[1], INT64_MAX);
    ck_assert_int_eq(((int64_t *)y.data)[2], INT64_MIN);
    NodeId d = input(DTYPE_F64, VALUES(1 + 0x1p-24 + 0x1p-50, 1e300, 0x1p-150, -0.0), 1, 4);
    EXPECT(g_cast(g, DTYPE_F32, d, nowhere), 1 + 0x1p-23, inf, 0, -0.0);
    NodeId i = input(DTYPE_I32, VALUES(-1, 256, 0), 1, 3);
    EXPECT(g_cast(g, DTYPE_U8, i, nowhere), 255, 0, 0);
    EXPECT(g_cast(g, DTYPE_I64, i, nowhere), -1, 256, 0);
    EXPECT(g_cast(g, DTYPE_BOOL, i, nowhere), 1, 1, 0);
    EXPECT(g_cast(g, DTYPE_F32, g_cast(g, DTYPE_BOOL, i, nowhere), nowhere), 1, 1, 0);
}
END_TEST

START_TEST(argsort_is_stable_and_puts_nan_last) {
    NodeId x =
        input(DTYPE_F32, VALUES(3, NAN, -0.0, 0, -inf, 3, NAN, 1, 1, 1, 1, 1, 1, 1), 2, 2, 7);
    EXPECT(g_argsort(g, x, nowhere), 4, 2, 3, 0, 5, 1, 6, 3, 5, 1, 2, 0, 4, 6, 0, 1, 2, 3, 4, 5, 6,
           0, 1, 2, 3, 4, 5, 6);
    NodeId u = input(DTYPE_U8, VALUES(200, 3, 255, 0), 1, 4);
    EXPECT(g_argsort(g, u, nowhere), 3, 1, 0, 2, 2, 1, 3, 0);
    NodeId one = input(DTYPE_I64, VALUES(7), 1, 1);
    EXPECT(g_argsort(g, one, nowhere), 0, 0);
}
END_TEST

START_TEST(math_functions_are_the_programs) {
    static const Op ops[] = {OP_EXP, OP_LOG, OP_EXPM1, OP_LOG1P, OP_SIN, OP_COS, OP_TANH, OP_ERF};
    NodeId x = input(DTYPE_F32, VALUES(0.5, 3, 1e-3), 1, 3), h = g_cast(g, DTYPE_F16, x, nowhere);
    NodeId d = input(DTYPE_F64, VALUES(0.5, 3, 1e-3), 1, 3);
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        const MathProgram *p = math_program(ctx->arena, ops[k], DTYPE_F32);
        const MathProgram *q = math_program(ctx->arena, ops[k], DTYPE_F64);
        float f[3] = {0.5f, 3, 1e-3f};
        EXPECT(g_unary(g, ops[k], x, nowhere), (double)math_run_f32(p, f[0], 0),
               (double)math_run_f32(p, f[1], 0), (double)math_run_f32(p, f[2], 0));
        EXPECT(g_unary(g, ops[k], d, nowhere), math_run_f64(q, 0.5, 0), math_run_f64(q, 3, 0),
               math_run_f64(q, 1e-3, 0));
        double rounded = f16_to_f64(f16_from_f64((double)math_run_f32(p, 3, 0)));
        Tensor y = evaluate(g_unary(g, ops[k], h, nowhere));
        ck_assert(at(&y, 1) == rounded);
    }
    const MathProgram *pow_ = math_program(ctx->arena, OP_POW, DTYPE_F32);
    EXPECT(g_binary(g, OP_POW, x, x, nowhere), 0x1.6a09e6p-1, 27,
           (double)math_run_f32(pow_, 1e-3f, 1e-3f));
}
END_TEST

/* ---- leaves */

START_TEST(leaves) {
    Shape s = {.rank = 2, .dims = {B, n(3)}}, scalar = {.rank = 0};
    run.progress = 0.1;
    run.epoch = 3;
    run.iteration = 16777217;
    run.seed = 9;
    run.step = 4;
    EXPECT(g_iota(g, DTYPE_I32, &s, 1, nowhere), 0, 1, 2, 0, 1, 2);
    EXPECT(g_iota(g, DTYPE_F32, &s, 0, nowhere), 0, 0, 0, 1, 1, 1);
    EXPECT(g_size(g, DTYPE_F32, dim_mul(g->dims, B, n(3)), nowhere), 6);
    EXPECT(g_const(g, DTYPE_F32, &scalar, 0.1, nowhere), (double)0.1f);
    int64_t which[3] = {0, 1, 2};
    EXPECT(graph_add(g, OP_CLOCK, DTYPE_F32, NULL, NULL, 0, &which[0], 1, nowhere), (double)0.1f);
    EXPECT(graph_add(g, OP_CLOCK, DTYPE_I64, NULL, NULL, 0, &which[1], 1, nowhere), 3);
    EXPECT(graph_add(g, OP_CLOCK, DTYPE_F32, NULL, NULL, 0, &which[2], 1, nowhere), 16777216);
    double want[6];
    for (uint64_t i = 0; i < 6; i++) want[i] = (double)philox_uniform(9, 77, 4, 2, i);
    expect(g_random(g, &s, 77, 2, nowhere), want, 6);
}
END_TEST

/* ---- views */

START_TEST(views) {
    NodeId x = input(DTYPE_I32, VALUES(1, 2, 3, 4, 5, 6), 2, 2, 3),
           v = input(DTYPE_I32, VALUES(9), 0);
    EXPECT(g_permute(g, x, (uint32_t[]){1, 0}, nowhere), 1, 4, 2, 5, 3, 6);
    Shape three = {.rank = 2, .dims = {n(3), n(2)}}, wide = {.rank = 3, .dims = {n(2), n(2), n(3)}};
    EXPECT(g_permute(g, g_reshape(g, x, &three, nowhere), (uint32_t[]){1, 0}, nowhere), 1, 3, 5, 2,
           4, 6);
    EXPECT(g_broadcast(g, x, &wide, (int32_t[]){0, -1, 1}, nowhere), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4,
           5, 6);
    EXPECT(g_slice(g, x, (DimId[]){n(0), n(0)}, (DimId[]){n(2), n(2)}, (int64_t[]){1, 2}, nowhere),
           1, 3, 4, 6);
    EXPECT(g_reverse(g, x, (uint32_t[]){1}, 1, nowhere), 3, 2, 1, 6, 5, 4);
    EXPECT(g_reverse(g, x, (uint32_t[]){0, 1}, 2, nowhere), 6, 5, 4, 3, 2, 1);
    EXPECT(g_concat(g, (NodeId[]){x, x}, 2, 1, nowhere), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
    EXPECT(g_pad(g, x, v, (DimId[]){n(0), n(1)}, (DimId[]){n(1), n(0)}, (int64_t[]){0, 1}, nowhere),
           9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6, 9, 9, 9, 9, 9, 9);
}
END_TEST

START_TEST(window_taps_outside_are_absent) {
    /* taps of 3 around every element of [1, inf, 3]; a zero weight outside must not meet anything
     */
    NodeId x = input(DTYPE_F32, VALUES(-1, -2, -4), 1, 3),
           w = input(DTYPE_F32, VALUES(1, 10, 100), 1, 3);
    NodeId win = g_window(g, x, &(WindowAxis){0, 3, 1, 1, 1, 1, 1}, 1, nowhere);
    EXPECT(g_reduce(g, OP_SUM, win, (uint32_t[]){1}, 1, nowhere), -3, -7, -6);
    EXPECT(g_reduce(g, OP_REDUCE_MAX, win, (uint32_t[]){1}, 1, nowhere), -1, -1, -2);
    EXPECT(g_reduce(g, OP_ARGMAX, win, (uint32_t[]){1}, 1, nowhere), 1, 0, 0);
    EXPECT(g_contract(g, win, (uint32_t[]){0, 1}, w, (uint32_t[]){1}, (uint32_t[]){0}, 1,
                      (uint32_t[]){1}, 1, nowhere),
           -210, -421, -42);
    NodeId big = input(DTYPE_F32, VALUES(inf, 1, 1), 1, 3);
    NodeId infinite = g_contract(g, win, (uint32_t[]){0, 1}, big, (uint32_t[]){1}, (uint32_t[]){0},
                                 1, (uint32_t[]){1}, 1, nowhere);
    EXPECT(infinite, -3, -inf, -inf); /* row 0 has no tap for the infinite weight */
}
END_TEST

START_TEST(window_stride_and_dilation) {
    NodeId x = input(DTYPE_F32, VALUES(1, 2, 4, 8, 16, 32, 64), 1, 7);
    WindowAxis apart = {0, 2, 2, 3, 0, 0, 1}; /* windows at 0, 2; taps 3 apart */
    NodeId win = g_window(g, x, &apart, 1, nowhere);
    EXPECT(g_reduce(g, OP_SUM, win, (uint32_t[]){1}, 1, nowhere), 9, 36);
    WindowAxis holes = {0, 3, 1, 1, 1, -9, 2}; /* of [. 1 . 2 . 4 ...], three at a time */
    win = g_window(g, x, &holes, 1, nowhere);
    EXPECT(g_reduce(g, OP_SUM, win, (uint32_t[]){1}, 1, nowhere), 1, 3, 2);
}
END_TEST

/* ---- reductions */

START_TEST(reductions_of_special_values) {
    NodeId x =
        input(DTYPE_F32, VALUES(1, nan_, 3, -0.0, 0.0, -0.0, -5, -inf, -2, nan_, nan_, 9), 2, 4, 3);
    EXPECT(g_reduce(g, OP_REDUCE_MAX, x, (uint32_t[]){1}, 1, nowhere), nan_, 0.0, -2, nan_);
    EXPECT(g_reduce(g, OP_REDUCE_MIN, x, (uint32_t[]){1}, 1, nowhere), nan_, -0.0, -inf, nan_);
    EXPECT(g_reduce(g, OP_ARGMAX, x, (uint32_t[]){1}, 1, nowhere), 1, 0, 2, 0);
    EXPECT(g_reduce(g, OP_SUM, x, (uint32_t[]){1}, 1, nowhere), nan_, 0.0, -inf, nan_);
    NodeId zeros = input(DTYPE_F32, VALUES(-0.0, -0.0), 1, 2);
    EXPECT(g_reduce(g, OP_SUM, zeros, (uint32_t[]){0}, 1, nowhere), 0.0); /* lanes start at +0 */
    NodeId ties = input(DTYPE_I32, VALUES(3, 7, 7, -1), 1, 4);
    EXPECT(g_reduce(g, OP_ARGMAX, ties, (uint32_t[]){0}, 1, nowhere), 1);
    NodeId u = input(DTYPE_U8, VALUES(200, 3, 255, 0), 2, 2, 2);
    EXPECT(g_reduce(g, OP_REDUCE_MAX, u, (uint32_t[]){1}, 1, nowhere), 200, 255);
    EXPECT(g_reduce(g, OP_REDUCE_MIN, u, (uint32_t[]){0, 1}, 2, nowhere), 0);
    EXPECT(g_reduce(g, OP_SUM, u, (uint32_t[]){0}, 1, nowhere), 199, 3);
}
END_TEST

START_TEST(reductions_of_nothing) {
    NodeId x = input(DTYPE_F32, NULL, 2, 2, 0), i = input(DTYPE_I8, NULL, 1, 0);
    EXPECT(g_reduce(g, OP_SUM, x, (uint32_t[]){1}, 1, nowhere), 0.0, 0.0);
    EXPECT(g_reduce(g, OP_REDUCE_MAX, x, (uint32_t[]){1}, 1, nowhere), -inf, -inf);
    EXPECT(g_reduce(g, OP_REDUCE_MIN, x, (uint32_t[]){1}, 1, nowhere), inf, inf);
    EXPECT(g_reduce(g, OP_ARGMAX, x, (uint32_t[]){1}, 1, nowhere), 0, 0);
    EXPECT(g_reduce(g, OP_REDUCE_MAX, i, (uint32_t[]){0}, 1, nowhere), -128);
    EXPECT(g_reduce(g, OP_REDUCE_MIN, i, (uint32_t[]){0}, 1, nowhere), 127);
    expect(g_unary(g, OP_EXP, x, nowhere), NULL, 0);
    EXPECT(g_contract(g, x, (uint32_t[]){0, 1}, x, (uint32_t[]){2, 1}, (uint32_t[]){0, 2}, 2,
                      (uint32_t[]){1}, 1, nowhere),
           0.0, 0.0, 0.0, 0.0);
}
END_TEST

/* Written out once more from docs/numerics.md, with other loops than the evaluator's. */
static float sum_by_the_book(const float *x, size_t count) {
    float total = 0;
    for (size_t block = 0; block * 4096 < count; block++) {
        float lane[16];
        for (size_t l = 0; l < 16; l++) {
            lane[l] = 0;
            for (size_t j = 0; j < 256; j++) {
                size_t k = block * 4096 + j * 16 + l;
                if (k < count) lane[l] = lane[l] + x[k];
            }
        }
        float a[8], b[4];
        for (int i = 0; i < 8; i++) a[i] = lane[i] + lane[i + 8];
        for (int i = 0; i < 4; i++) b[i] = a[i] + a[i + 4];
        float value = (b[0] + b[2]) + (b[1] + b[3]);
        total = block == 0 ? value : total + value;
    }
    return total;
}

static float dot_by_the_book(const float *a, const float *b, size_t count) {
    float result = 0;
    for (size_t chunk = 0; chunk * 4096 < count; chunk++) {
        float acc = 0;
        size_t end = (chunk + 1) * 4096 < count ? (chunk + 1) * 4096 : count;
        for (size_t k = chunk * 4096; k < end; k++) acc = fmaf(a[k], b[k], acc);
        result = chunk == 0 ? acc : result + acc;
    }
    return result;
}

START_TEST(long_sums_run_in_the_documented_order) {
    static const int sizes[] = {1, 2, 15, 16, 17, 100, 4095, 4096, 4097, 8193, 12288};
    int count = sizes[_i];
    double *x = ARENA_ARRAY(ctx->arena, double, (size_t)count);
    double *y = ARENA_ARRAY(ctx->arena, double, (size_t)count);
    float *fx = ARENA_ARRAY(ctx->arena, float, (size_t)count);
    float *fy = ARENA_ARRAY(ctx->arena, float, (size_t)count);
    for (int i = 0; i < count; i++) { /* large and small mixed: any other order gives other bits */
        fx[i] = (philox_uniform(1, 2, 3, 0, (uint64_t)i) - 0.5f) * (i % 7 ? 1.0f : 1000.0f);
        fy[i] = philox_uniform(1, 2, 3, 1, (uint64_t)i) - 0.25f;
        x[i] = (double)fx[i];
        y[i] = (double)fy[i];
    }
    NodeId a = input(DTYPE_F32, x, 1, count), b = input(DTYPE_F32, y, 1, count);
    EXPECT(g_reduce(g, OP_SUM, a, (uint32_t[]){0}, 1, nowhere),
           (double)sum_by_the_book(fx, (size_t)count));
    EXPECT(
        g_contract(g, a, (uint32_t[]){0}, b, (uint32_t[]){0}, NULL, 0, (uint32_t[]){0}, 1, nowhere),
        (double)dot_by_the_book(fx, fy, (size_t)count));
    /* the same numbers as a column and as two axes: k is the row-major number */
    if (count % 3 != 0 && count != 100 && count != 4096) return;
    int rows = count == 100 ? 4 : count == 4096 ? 2 : 3;
    Shape two = {.rank = 2, .dims = {n(rows), n(count / rows)}};
    NodeId a2 = g_reshape(g, a, &two, nowhere), b2 = g_reshape(g, b, &two, nowhere);
    EXPECT(g_reduce(g, OP_SUM, a2, (uint32_t[]){0, 1}, 2, nowhere),
           (double)sum_by_the_book(fx, (size_t)count));
    EXPECT(g_contract(g, a2, (uint32_t[]){0, 1}, b2, (uint32_t[]){0, 1}, NULL, 0,
                      (uint32_t[]){0, 1}, 2, nowhere),
           (double)dot_by_the_book(fx, fy, (size_t)count));
}
END_TEST

START_TEST(contract_orders_k_as_written) {
    /* sum over (i, j) and over (j, i): other chains, other bits */
    NodeId a = input(DTYPE_F32, VALUES(0x1p25, 1, -0x1p25, 1), 2, 2, 2);
    NodeId ones = input(DTYPE_F32, VALUES(1, 1, 1, 1), 2, 2, 2);
    NodeId ij = g_contract(g, a, (uint32_t[]){0, 1}, ones, (uint32_t[]){0, 1}, NULL, 0,
                           (uint32_t[]){0, 1}, 2, nowhere);
    NodeId ji = g_contract(g, a, (uint32_t[]){0, 1}, ones, (uint32_t[]){0, 1}, NULL, 0,
                           (uint32_t[]){1, 0}, 2, nowhere);
    EXPECT(ij, 1); /* 2^25 + 1 - 2^25 + 1: the first 1 is lost */
    EXPECT(ji, 2); /* 2^25 - 2^25 + 1 + 1 */
}
END_TEST

START_TEST(contract_shapes) {
    NodeId a = input(DTYPE_F64, VALUES(1, 2, 3, 4, 5, 6), 2, 2, 3);
    NodeId b = input(DTYPE_F64, VALUES(1, 0, 2, 0, 1, 3), 2, 3, 2);
    EXPECT(g_contract(g, a, (uint32_t[]){0, 2}, b, (uint32_t[]){2, 1}, (uint32_t[]){0, 1}, 2,
                      (uint32_t[]){2}, 1, nowhere),
           8, 9, 20, 18);
    EXPECT(g_contract(g, a, (uint32_t[]){0, 2}, b, (uint32_t[]){2, 1}, (uint32_t[]){1, 0}, 2,
                      (uint32_t[]){2}, 1, nowhere),
           8, 20, 9, 18);
    NodeId u = input(DTYPE_I32, VALUES(1, 2), 1, 2), v = input(DTYPE_I32, VALUES(3, 5), 1, 2);
    EXPECT(g_contract(g, u, (uint32_t[]){0}, v, (uint32_t[]){1}, (uint32_t[]){0, 1}, 2, NULL, 0,
                      nowhere),
           3, 5, 6, 10);
    NodeId h = input(DTYPE_F16, VALUES(2048, 1, 1), 1, 3),
           k = input(DTYPE_F16, VALUES(1, 1, 1), 1, 3);
    EXPECT(
        g_contract(g, h, (uint32_t[]){0}, k, (uint32_t[]){0}, NULL, 0, (uint32_t[]){0}, 1, nowhere),
        2050);
}
END_TEST

/* ---- indexing */

START_TEST(gather_and_scatter) {
    NodeId x = input(DTYPE_F32, VALUES(1, 2, 3, 4, 5, 6), 2, 3, 2);
    NodeId i = input(DTYPE_I32, VALUES(2, 0, 2), 1, 3), j = input(DTYPE_I32, VALUES(1, 0, 0), 1, 3);
    EXPECT(g_gather(g, x, &i, (uint32_t[]){0}, 1, nowhere), 5, 6, 1, 2, 5, 6);
    EXPECT(g_gather(g, x, &j, (uint32_t[]){1}, 1, nowhere), 2, 4, 6, 1, 3, 5, 1, 3, 5);
    EXPECT(g_gather(g, x, (NodeId[]){i, j}, (uint32_t[]){0, 1}, 2, nowhere), 6, 1, 5);
    ck_assert_uint_eq(run.flags, 0);
    NodeId bad = input(DTYPE_I32, VALUES(-1, 3, 1), 1, 3);
    EXPECT(g_gather(g, x, &bad, (uint32_t[]){0}, 1, nowhere), 1, 2, 5, 6, 3, 4);
    ck_assert_uint_eq(run.flags, INTERP_INDEX);
    Shape s = {.rank = 2, .dims = {n(3), n(2)}};
    EXPECT(g_scatter_add(g, &s, x, &i, (uint32_t[]){0}, 1, nowhere), 3, 4, 0, 0, 6, 8);
    /* ascending: 1 + 2^25 loses the 1, then the negative brings back 0 */
    NodeId u = input(DTYPE_F32, VALUES(1, 0x1p25, -0x1p25), 1, 3),
           z = input(DTYPE_I64, VALUES(0, 0, 0), 1, 3);
    Shape one = {.rank = 1, .dims = {n(1)}};
    EXPECT(g_scatter_add(g, &one, u, &z, (uint32_t[]){0}, 1, nowhere), 0.0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("interp");
    TCase *c = tcase_create("interp");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, float_arithmetic, 0, 2);
    tcase_add_test(c, max_and_min_are_ieee_2019);
    tcase_add_test(c, square_root_and_fma_round_once);
    tcase_add_test(c, half_precision_computes_in_f32_and_rounds_once);
    tcase_add_test(c, integers_wrap_truncate_and_flag);
    tcase_add_test(c, wide_integers_keep_all_bits);
    tcase_add_test(c, casts_saturate_and_round_once);
    tcase_add_test(c, math_functions_are_the_programs);
    tcase_add_test(c, argsort_is_stable_and_puts_nan_last);
    tcase_add_test(c, leaves);
    tcase_add_test(c, views);
    tcase_add_test(c, window_taps_outside_are_absent);
    tcase_add_test(c, window_stride_and_dilation);
    tcase_add_test(c, reductions_of_special_values);
    tcase_add_test(c, reductions_of_nothing);
    tcase_add_loop_test(c, long_sums_run_in_the_documented_order, 0, 11);
    tcase_add_test(c, contract_orders_k_as_written);
    tcase_add_test(c, contract_shapes);
    tcase_add_test(c, gather_and_scatter);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
