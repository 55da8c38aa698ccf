/* The prelude's activations and losses, from source text: their slopes at 0, where a careless
 * formula loses them, and far out, where it overflows. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/opt/opt.h"
#include "compiler/sema/sema.h"
#include "compiler/syntax/syntax.h"
#include "tests/kit/evaluate.h"
#include <math.h>

enum { POINTS = 17 };
static const float points[POINTS] = {-1e4f, -200, -88, -20, -3, -1, -0.5f, -1e-3f, 0,
                                     1e-3f, 0.5f, 1,   3,   20, 88, 200,   1e4f};

/* ---- slopes, in double */
static double logistic(double x) {
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static double slope_sigmoid(double x) {
    return logistic(x) * logistic(-x);
}
static double slope_softplus(double x) {
    return logistic(x);
}
static double slope_silu(double x) {
    return logistic(x) + x * slope_sigmoid(x);
}
static double slope_tanh(double x) {
    return 1 - tanh(x) * tanh(x);
}
static double slope_relu(double x) {
    return x > 0;
}
static double slope_leaky(double x) {
    return x > 0 ? 1 : 0.01;
}
static double slope_elu(double x) {
    return x > 0 ? 1 : exp(x);
}
static double slope_gelu(double x) {
    return 0.5 * (1 + erf(x / sqrt(2))) + x * exp(-x * x / 2) / sqrt(2 * acos(-1));
}
/* of binary_cross_entropy against 0.25, times the count that its mean divides by */
static double slope_bce(double x) {
    return logistic(x) - 0.25;
}

typedef struct Row {
    const char *expression;
    double (*slope)(double x);
} Row;
static const Row rows[] = {
    {"sum(sigmoid(x))", slope_sigmoid},
    {"sum(softplus(x))", slope_softplus},
    {"sum(silu(x))", slope_silu},
    {"sum(tanh(x))", slope_tanh},
    {"sum(relu(x))", slope_relu},
    {"sum(leaky_relu(0.01)(x))", slope_leaky},
    {"sum(elu(1)(x))", slope_elu},
    {"sum(gelu(x))", slope_gelu},
    {"17 * binary_cross_entropy(x, full(0.25)(shape(x)))", slope_bce},
};

static Graph *compile(Context *ctx, const char *text) {
    SemaOptions options = {.stem = "slopes", .roots = SEMA_EXPORTS};
    uint32_t file = sources_add(ctx->sources, "slopes.bm", text, (uint32_t)strlen(text), 0);
    Program *program = sema_run(ctx, syntax_parse(ctx, file), &options);
    for (uint32_t i = 0; i < diags_count(ctx->diags); i++) {
        Text out = {.arena = ctx->arena};
        diag_render(&out, ctx->sources, diags_get(ctx->diags, i), 0);
        fputs(text_str(&out), stderr);
    }
    ck_assert_uint_eq(diags_errors(ctx->diags), 0);
    for (uint32_t i = 0; i < program->entries.len; i++)
        if (strcmp(program->entries.data[i].name, "slope") == 0)
            return opt_simplify(autodiff_run(program->entries.data[i].graph));
    ck_abort_msg("no entry");
    return NULL;
}

START_TEST(slope) {
    Context *ctx = context_create();
    char text[512];
    snprintf(text, sizeof text, "export fn slope(x[n]) -> [n] = grad(%s, x)\n",
             rows[_i].expression);
    Graph *g = compile(ctx, text);
    ck_assert_uint_eq(diags_errors(ctx->diags), 0);
    float data[POINTS];
    memcpy(data, points, sizeof data);
    Tensor x = {.dtype = DTYPE_F32, .rank = 1, .dims = {POINTS}, .data = data};
    int64_t symbols[16];
    for (int i = 0; i < 16; i++) symbols[i] = POINTS;
    Arena *arena = arena_create();
    const float *d = evaluate(g, &x, NULL, symbols, arena, NULL)[0].data;
    for (int i = 0; i < POINTS; i++) {
        double wanted = rows[_i].slope((double)points[i]), error = fabs((double)d[i] - wanted);
        ck_assert_msg(error <= 2e-6 * fmax(1, fabs(wanted)), "%s at %g: %g, wanted %g",
                      rows[_i].expression, (double)points[i], (double)d[i], wanted);
    }
    arena_destroy(arena);
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gradients of the prelude");
    TCase *tests = tcase_create("slopes");
    tcase_add_loop_test(tests, slope, 0, sizeof rows / sizeof *rows);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
