/* The math functions against MPFR, their special values against C99 Annex F, and Philox against the
 * published vectors.
 *
 *   BMC_MATH_SAMPLES=2000000 BMC_MATH_REPORT=1 build/tests/test_mathfn
 *
 * samples more and prints the largest error of each function: the table of docs/numerics.md. */
#include "compiler/graph/mathfn.h"

#include <check.h>
#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>

static Context *ctx;
static void setup(void) {
    ctx = context_create();
}
static void teardown(void) {
    context_destroy(ctx);
}

/* ---- error in units in the last place */

typedef struct Format {
    int fraction, min_exponent;
    double largest;
} Format;
static const Format formats[] = {
    [DTYPE_F32] = {23, -126, 0x1.fffffep127}, [DTYPE_F64] = {52, -1022, 0x1.fffffffffffffp1023}};

/* |got - exact| in ulps of the format at `exact`; 0 for equal infinities or NaNs, INFINITY when
 * only one is special and rounding does not explain it. */
static double error_ulps(mpfr_t exact, double got, const Format *f) {
    if (mpfr_nan_p(exact)) return isnan(got) ? 0 : (double)INFINITY;
    if (isnan(got)) return (double)INFINITY;
    if (mpfr_zero_p(exact)) return got == 0 ? 0 : (double)INFINITY;
    if (mpfr_inf_p(exact)) return isinf(got) ? 0 : (double)INFINITY;
    long exponent = mpfr_get_exp(exact) - 1;
    if (exponent < f->min_exponent) exponent = f->min_exponent;
    mpfr_t d;
    mpfr_init2(d, 160);
    if (isinf(got)) { /* stands for the first value beyond the largest */
        if (mpfr_sgn(exact) * (got > 0 ? 1 : -1) < 0) return (double)INFINITY;
        mpfr_set_d(d, copysign(f->largest, got), MPFR_RNDN);
        mpfr_mul_d(d, d, 1 + ldexp(1, -f->fraction - 1), MPFR_RNDN);
    } else {
        mpfr_set_d(d, got, MPFR_RNDN);
    }
    bool overflow = isinf(got) && mpfr_cmpabs(exact, d) >= 0;
    mpfr_sub(d, d, exact, MPFR_RNDN);
    mpfr_mul_2si(d, d, f->fraction - exponent, MPFR_RNDN);
    double ulps = fabs(mpfr_get_d(d, MPFR_RNDN));
    mpfr_clear(d);
    return overflow ? 0 : ulps;
}

/* Instructions that are not constants, for the report. */
static uint32_t work(const MathProgram *p) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->count; i++) count += p->code[i].op != MATH_CONST;
    return count;
}

static double run(const MathProgram *p, double x, double y) {
    return p->dtype == DTYPE_F32 ? (double)math_run_f32(p, (float)x, (float)y)
                                 : math_run_f64(p, x, y);
}

/* ---- sampling */

static uint64_t next(uint64_t *s) { /* splitmix64 */
    uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static double unit(uint64_t *s) {
    return (double)(next(s) >> 11) * 0x1p-53;
}

/* Every exponent alike, with either sign. */
static double any_value(uint64_t *s, DType t) {
    uint64_t bits = next(s);
    if (t == DTYPE_F64) return dtype_word_to_f64(t, (int64_t)bits);
    return dtype_word_to_f64(t, (int64_t)(bits >> 32));
}
static double round_to(DType t, double x) {
    return t == DTYPE_F32 ? (double)(float)x : x;
}

typedef struct Function {
    const char *name;
    Op op;
    int (*exact)(mpfr_t, const mpfr_t, mpfr_rnd_t);
    double bound[2];  /* f64, f32: ulps */
    double range;     /* where the function does something, */
    double beyond[2]; /* and |x| from which it is documented to give NaN (0: nowhere) */
} Function;
static const Function functions[] = {
    {"exp", OP_EXP, mpfr_exp, {1.1, 1.1}, 800, {0, 0}},
    {"log", OP_LOG, mpfr_log, {1, 1}, 3, {0, 0}},
    {"expm1", OP_EXPM1, mpfr_expm1, {1.3, 1.3}, 3, {0, 0}},
    {"log1p", OP_LOG1P, mpfr_log1p, {1.5, 1.5}, 3, {0, 0}},
    {"sin", OP_SIN, mpfr_sin, {1.3, 1.3}, 200, {0x1p40, 0x1p20}},
    {"cos", OP_COS, mpfr_cos, {1.3, 1.3}, 200, {0x1p40, 0x1p20}},
    {"tanh", OP_TANH, mpfr_tanh, {2, 2}, 4, {0, 0}},
    {"erf", OP_ERF, mpfr_erf, {1.2, 1.2}, 6, {0, 0}},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static long samples(void) {
    const char *text = getenv("BMC_MATH_SAMPLES");
    return text ? strtol(text, NULL, 10) : 40000;
}

START_TEST(functions_stay_within_their_bounds) {
    const Function *fn = &functions[_i / 2];
    DType t = _i % 2 ? DTYPE_F32 : DTYPE_F64;
    const MathProgram *p = math_program(ctx->arena, fn->op, t);
    uint64_t state = 42;
    double worst = 0, at = 0;
    mpfr_t exact, in;
    mpfr_init2(exact, 140);
    mpfr_init2(in, 53);
    for (long i = 0; i < samples(); i++) {
        double scale = i % 4 == 0 ? fn->range : i % 4 == 1 ? 1.5 : fn->range / 30;
        double x = i % 4 == 3 ? any_value(&state, t) : round_to(t, (2 * unit(&state) - 1) * scale);
        double limit = fn->beyond[t];
        if (limit > 0 && fabs(x) > limit) {
            ck_assert_msg(isnan(run(p, x, 0)), "%s(%a)", fn->name, x);
            continue;
        }
        if ((fn->op == OP_LOG || fn->op == OP_LOG1P) && i % 2) x = fabs(x);
        mpfr_set_d(in, x, MPFR_RNDN);
        fn->exact(exact, in, MPFR_RNDN);
        double ulps = error_ulps(exact, run(p, x, 0), &formats[t]);
        if (ulps > worst) {
            worst = ulps;
            at = x;
        }
    }
    mpfr_clear(exact);
    mpfr_clear(in);
    if (getenv("BMC_MATH_REPORT"))
        printf("%s %s %.3f ulp at %a, %u instructions\n", fn->name, dtype_name(t), worst, at,
               work(p));
    ck_assert_msg(worst <= fn->bound[t], "%s %s: %.3f ulp at %a", fn->name, dtype_name(t), worst,
                  at);
}
END_TEST

START_TEST(pow_stays_within_its_bound) {
    DType t = _i ? DTYPE_F32 : DTYPE_F64;
    const MathProgram *p = math_program(ctx->arena, OP_POW, t);
    uint64_t state = 7;
    double worst = 0, at[2] = {0, 0}, widest = t == DTYPE_F32 ? 300 : 2200;
    mpfr_t exact, base, power;
    mpfr_init2(exact, 140);
    mpfr_init2(base, 53);
    mpfr_init2(power, 53);
    for (long i = 0; i < samples(); i++) {
        double x = i % 2 ? any_value(&state, t) : round_to(t, unit(&state) * (i % 4 ? 2 : 30));
        double log2x = log2(fabs(x)), y = (2 * unit(&state) - 1) * 6;
        if (i % 3 == 0 && isfinite(log2x) && log2x != 0) y = y / 6 * widest / log2x;
        if (i % 3 == 1) y = floor(y);
        y = round_to(t, y);
        mpfr_set_d(base, x, MPFR_RNDN);
        mpfr_set_d(power, y, MPFR_RNDN);
        mpfr_pow(exact, base, power, MPFR_RNDN);
        double ulps = error_ulps(exact, run(p, x, y), &formats[t]);
        if (ulps > worst) {
            worst = ulps;
            at[0] = x;
            at[1] = y;
        }
    }
    mpfr_clear(exact);
    mpfr_clear(base);
    mpfr_clear(power);
    if (getenv("BMC_MATH_REPORT"))
        printf("pow %s %.3f ulp at %a ^ %a, %u instructions\n", dtype_name(t), worst, at[0], at[1],
               work(p));
    ck_assert_msg(worst <= 1.5, "pow %s: %.3f ulp at %a ^ %a", dtype_name(t), worst, at[0], at[1]);
}
END_TEST

/* ---- special values: the same as libm's, sign of zero included */

static bool same_value(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b && signbit(a) == signbit(b);
}

START_TEST(special_values_are_those_of_annex_f) {
    static const double edges[] = {0.0, -0.0, INFINITY, -INFINITY, NAN,
                                   -1,  -2.5, 0x1p-149, -0x1p-149, 0x1p-1074};
    static double (*const libm[])(double) = {exp, log, expm1, log1p, NULL, NULL, tanh, erf};
    for (int k = 0; k < FUNCTIONS; k++)
        for (int d = 0; d < 2; d++) {
            DType t = d ? DTYPE_F32 : DTYPE_F64;
            const MathProgram *p = math_program(ctx->arena, functions[k].op, t);
            ck_assert(isnan(run(p, (double)NAN, 0)));
            for (int i = 0; i < 5; i++) {
                double x = edges[i], got = run(p, x, 0);
                double want = libm[k]                     ? libm[k](x)
                              : isinf(x)                  ? (double)NAN
                              : functions[k].op == OP_SIN ? sin(x)
                                                          : cos(x);
                ck_assert_msg(same_value(got, want), "%s(%a) = %a", functions[k].name, x, got);
            }
        }
    for (int d = 0; d < 2; d++) {
        DType t = d ? DTYPE_F32 : DTYPE_F64;
        const MathProgram *log_program = math_program(ctx->arena, OP_LOG, t);
        ck_assert(isnan(run(log_program, -1, 0)));
        ck_assert(isnan(run(log_program, -0x1p-149, 0)));
        ck_assert(same_value(run(log_program, 1, 0), 0.0));
        const MathProgram *log1p_program = math_program(ctx->arena, OP_LOG1P, t);
        ck_assert(same_value(run(log1p_program, -1, 0), -(double)INFINITY));
        ck_assert(isnan(run(log1p_program, -1.5, 0)));
        ck_assert(same_value(run(log1p_program, 0x1p-120, 0), 0x1p-120));
        const MathProgram *expm1_program = math_program(ctx->arena, OP_EXPM1, t);
        ck_assert(same_value(run(expm1_program, -200, 0), -1.0));
        ck_assert(same_value(run(expm1_program, -0x1p-120, 0), -0x1p-120));
        ck_assert(same_value(run(math_program(ctx->arena, OP_EXP, t), 0, 0), 1.0));
        ck_assert(same_value(run(math_program(ctx->arena, OP_TANH, t), 50, 0), 1.0));
        ck_assert(same_value(run(math_program(ctx->arena, OP_TANH, t), -50, 0), -1.0));
        ck_assert(same_value(run(math_program(ctx->arena, OP_ERF, t), -50, 0), -1.0));
    }
}
END_TEST

START_TEST(pow_special_values_are_those_of_annex_f) {
    static const double edges[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1,    -1,      2,        -2,
                                   0.5, -0.5, 3,        -3,        2.5, -2.5, 0x1p100, -0x1p100, 4};
    enum { EDGES = sizeof edges / sizeof *edges };
    for (int d = 0; d < 2; d++) {
        const MathProgram *p = math_program(ctx->arena, OP_POW, d ? DTYPE_F32 : DTYPE_F64);
        for (int i = 0; i < EDGES; i++)
            for (int k = 0; k < EDGES; k++) {
                double x = edges[i], y = edges[k], want = pow(x, y), got = run(p, x, y);
                if (d) want = (double)(float)want;
                bool close =
                    same_value(want, got) || (isfinite(want) && signbit(want) == signbit(got) &&
                                              fabs(want - got) <= fabs(want) * 0x1p-22);
                ck_assert_msg(close, "pow(%a, %a) = %a, not %a", x, y, got, want);
            }
    }
}
END_TEST

START_TEST(exp_rounds_subnormal_results_once) {
    const MathProgram *p = math_program(ctx->arena, OP_EXP, DTYPE_F32);
    for (float x = -103.97f; x < -87.0f; x = nextafterf(x, 0.0f) + 0.001f) {
        float got = math_run_f32(p, x, 0), want = (float)exp((double)x);
        ck_assert_msg(fabsf(got - want) <= 0x1p-149f, "exp(%a) = %a", (double)x, (double)got);
    }
    ck_assert(math_run_f32(p, -104.0f, 0) == 0.0f);
    ck_assert(isinf(math_run_f32(p, 88.73f, 0)));
    ck_assert(isfinite(math_run_f32(p, 88.72f, 0)));
}
END_TEST

START_TEST(programs_are_well_formed) {
    static const Op ops[] = {OP_EXP, OP_LOG,  OP_EXPM1, OP_LOG1P, OP_SIN,
                             OP_COS, OP_TANH, OP_ERF,   OP_POW};
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++)
        for (int d = 0; d < 2; d++) {
            const MathProgram *p = math_program(ctx->arena, ops[k], d ? DTYPE_F32 : DTYPE_F64);
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq(p->operands, ops[k] == OP_POW ? 2 : 1);
            ck_assert_uint_le(p->count, 200);
            ck_assert(p->code[p->count - 1].op != MATH_CONST);
            for (uint32_t i = 0; i < p->count; i++) {
                const MathInstr *in = &p->code[i];
                if (in->op == MATH_CONST) continue;
                ck_assert_uint_lt(in->a, p->operands + i);
                ck_assert_uint_lt(in->b, p->operands + i);
                ck_assert_uint_lt(in->c, p->operands + i);
            }
        }
    ck_assert_ptr_null(math_program(ctx->arena, OP_SQRT, DTYPE_F32));
    ck_assert_ptr_null(math_program(ctx->arena, OP_EXP, DTYPE_F16));
}
END_TEST

/* ---- Philox: known answers of the Random123 distribution */

START_TEST(philox_matches_the_published_vectors) {
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        philox4x32_10(known[i].counter, known[i].key, out);
        for (int k = 0; k < 4; k++) ck_assert_uint_eq(out[k], known[i].out[k]);
    }
}
END_TEST

START_TEST(uniform_numbers_follow_the_contract) {
    /* key = seed xor site, counter = (element / 4, step·2^16 + draw), word = element mod 4 */
    uint64_t seed = UINT64_C(0x0123456789abcdef), site = UINT64_C(0xfedcba9876543210), step = 70000;
    uint64_t element = (UINT64_C(5) << 33) + 6, key = seed ^ site, time = step * 65536 + 9;
    uint32_t counter[4] = {(uint32_t)(element / 4), (uint32_t)(element / 4 >> 32), (uint32_t)time,
                           (uint32_t)(time >> 32)};
    uint32_t keys[2] = {(uint32_t)key, (uint32_t)(key >> 32)}, out[4];
    philox4x32_10(counter, keys, out);
    float want = (float)(out[2] >> 8) * 0x1p-24f;
    ck_assert(philox_uniform(seed, site, step, 9, element) == want);
    double sum = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        float u = philox_uniform(1, 2, 3, 0, i);
        ck_assert(u >= 0 && u < 1);
        sum += (double)u;
    }
    ck_assert(fabs(sum / 100000 - 0.5) < 0.005); /* 5 standard deviations */
}
END_TEST

int main(void) {
    Suite *s = suite_create("mathfn");
    TCase *c = tcase_create("mathfn");
    tcase_set_timeout(c, 3000);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, functions_stay_within_their_bounds, 0, 2 * FUNCTIONS);
    tcase_add_loop_test(c, pow_stays_within_its_bound, 0, 2);
    tcase_add_test(c, special_values_are_those_of_annex_f);
    tcase_add_test(c, pow_special_values_are_those_of_annex_f);
    tcase_add_test(c, exp_rounds_subnormal_results_once);
    tcase_add_test(c, programs_are_well_formed);
    tcase_add_test(c, philox_matches_the_published_vectors);
    tcase_add_test(c, uniform_numbers_follow_the_contract);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
