/* Attention in whole programs: it is recognised, with its gradient; compiled code gives the
 * evaluator's bits for odd sizes, masks and layouts; the values are those of the plain form within
 * rounding; what else reads the weights keeps the plain form; memory does not grow with t·s. */
#include "compiler/graph/attention_op.h"
#include "tests/codegen/program_entry.h"
#include <math.h>

static uint32_t count_op(const Graph *g, Op op) {
    uint32_t count = 0;
    bool *live = ARENA_ARRAY(g->ctx->arena, bool, graph_size(g));
    graph_live(g, live);
    for (uint32_t i = 0; i < graph_size(g); i++)
        count += live[i] && graph_node(g, (NodeId){i})->op == op;
    return count;
}

/* %d: t, s, d, e; %s: settings, a mask's parameter. */
static const char *text_of(Context *ctx, int t, int s, int d, int e, const char *settings,
                           const char *mask) {
    return arena_printf(
        ctx->arena,
        "export fn f(q[B, 2, %d, %d], k[B, 2, %d, %d], v[B, 2, %d, %d], g[B, 2, %d, %d]%s)\n"
        "    -> ([B, 2, %d, %d], [B, 2, %d, %d], [B, 2, %d, %d], [B, 2, %d, %d]) {\n"
        "  o = attention(q, k, v%s)\n"
        "  loss = sum(o * g)\n"
        "  return o, grad(loss, q), grad(loss, k), grad(loss, v)\n"
        "}\n",
        t, d, s, d, s, e, t, e, mask, t, e, t, d, s, d, s, e, settings);
}

typedef struct Case {
    int t, s, d, e;
    const char *settings, *mask;
} Case;

static const Case cases[] = {
    {8, 8, 16, 16, ", causal = true", ""},
    {37, 37, 32, 16, ", causal = true", ""},
    {1, 1, 16, 32, ", causal = true", ""},
    {64, 64, 32, 32, ", causal = true", ""},
    {70, 70, 64, 64, ", causal = true", ""},
    {13, 21, 16, 48, "", ""},
    {1, 9, 16, 16, "", ""},
    {17, 33, 16, 16, ", mask = m", ", m[B, 1, 1, 33]: bool"},
    {33, 33, 16, 16, ", causal = true, mask = m", ", m[B, 1, 1, 33]: bool"},
    {9, 32, 16, 16, ", mask = m", ", m[B, 2, 9, 32]: bool"},
};
enum { CASES = sizeof cases / sizeof *cases };

static const char *case_text(Context *ctx, int i) {
    const Case *c = &cases[i];
    return text_of(ctx, c->t, c->s, c->d, c->e, c->settings, c->mask);
}

START_TEST(recognised) {
    Context *ctx = context_create();
    const Graph *g = sealed(entry_f(elaborate(ctx, case_text(ctx, _i)))->graph);
    bool fused = cases[_i].t > 1; /* of one position nothing but products is left */
    ck_assert_uint_eq(count_op(g, OP_ATTENTION), fused ? 2 : 0);
    ck_assert_uint_eq(count_op(g, OP_ATTENTION_GRAD), fused ? 3 : 0);
    ck_assert(!fused || count_op(g, OP_CONTRACT) == 0);
    context_destroy(ctx);
}
END_TEST

START_TEST(same_bits) {
    Context *ctx = context_create();
    compare_program("attention", case_text(ctx, _i), _i % 2 ? 3 : 17);
    context_destroy(ctx);
}
END_TEST

/* ------------------------------------------------------------------ against the plain form */

static const Graph *plain(const Graph *g) {
    return opt_seal(opt_dce(opt_cse(opt_loops(opt_fold(opt_simplify(autodiff_run(g)))))));
}

static InterpRun evaluate(Context *ctx, const Graph *g, bool hide_rows) {
    Tensor *inputs = ARENA_ARRAY(ctx->arena, Tensor, g->inputs.len);
    int64_t *symbols = ARENA_ARRAY(ctx->arena, int64_t, 8);
    Random r = {7};
    for (int i = 0; i < 8; i++) symbols[i] = 2;
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        const GraphInput *in = &g->inputs.data[i];
        inputs[i] = (Tensor){.dtype = in->dtype, .rank = in->shape.rank};
        for (uint32_t k = 0; k < in->shape.rank; k++)
            ck_assert(dim_eval(g->dims, in->shape.dims[k], symbols, &inputs[i].dims[k]));
        size_t count = tensor_count(&inputs[i]);
        inputs[i].data = arena_alloc(ctx->arena, tensor_bytes(&inputs[i]) + 1);
        for (size_t k = 0; k < count; k++)
            if (in->dtype == DTYPE_BOOL)
                ((uint8_t *)inputs[i].data)[k] = !hide_rows && random_below(&r, 4) != 0;
            else
                ((float *)inputs[i].data)[k] = (float)random_between(&r, -1, 1);
    }
    InterpRun run = {.symbols = symbols, .inputs = inputs, .arena = ctx->arena};
    ck_assert(interp_run(g, &run));
    return run;
}

START_TEST(values_of_the_plain_form) {
    Context *ctx = context_create();
    Program *p = elaborate(ctx, case_text(ctx, _i));
    const Graph *entry = entry_f(p)->graph;
    InterpRun want = evaluate(ctx, plain(entry), false), got = evaluate(ctx, sealed(entry), false);
    for (uint32_t i = 0; i < entry->outputs.len; i++)
        for (size_t k = 0; k < tensor_count(&want.outputs[i]); k++) {
            float a = ((float *)want.outputs[i].data)[k], b = ((float *)got.outputs[i].data)[k];
            /* a row that sees nothing makes NaN of pairs that causality takes away, too; here they
             * are absent */
            bool fewer = isnan(a) && cases[_i].mask[0] && strstr(cases[_i].settings, "causal");
            ck_assert_msg(fewer || (isnan(a) && isnan(b)) ||
                              fabsf(a - b) <= 2e-6f * fmaxf(1, fabsf(a)),
                          "output %u [%zu]: %g and %g", i, k, (double)a, (double)b);
        }
    context_destroy(ctx);
}
END_TEST

/* A row that may look nowhere is NaN, in the result and in what depends on it. */
START_TEST(rows_that_see_nothing) {
    Context *ctx = context_create();
    const Graph *g = sealed(entry_f(elaborate(ctx, case_text(ctx, 7)))->graph);
    InterpRun run = evaluate(ctx, g, true);
    ck_assert_uint_eq(count_op(g, OP_ATTENTION), 2);
    for (uint32_t i = 0; i < 2; i++)
        for (size_t k = 0; k < tensor_count(&run.outputs[i]); k++)
            ck_assert(isnan(((float *)run.outputs[i].data)[k]) || i > 0);
    context_destroy(ctx);
}
END_TEST

/* ------------------------------------------------------------------ what stays as it was */

static const char *const unfused[] = {
    /* the weights are a result */
    "export fn f(q[B, 8, 16], k[B, 8, 16], v[B, 8, 16]) -> ([B, 8, 16], [B, 8, 8]) {\n"
    "  a = attention_weights(q, k)\n"
    "  return a @ v, a\n"
    "}\n",
    /* a second derivative */
    "export fn f(q[B, 8, 16], k[B, 8, 16], v[B, 8, 16]) -> [B, 8, 16] {\n"
    "  o = attention(q, k, v, true)\n"
    "  g = grad(sum(o * o), q)\n"
    "  return grad(sum(g * g), k)\n"
    "}\n",
    /* widths that fill no vector */
    "export fn f(q[B, 8, 12], k[B, 8, 12], v[B, 8, 16]) -> [B, 8, 16] = attention(q, k, v)\n"};

START_TEST(left_alone) {
    Context *ctx = context_create();
    const Graph *g = sealed(entry_f(elaborate(ctx, unfused[_i]))->graph);
    ck_assert_uint_eq(count_op(g, OP_ATTENTION_GRAD), 0);
    if (_i != 1) ck_assert_uint_eq(count_op(g, OP_ATTENTION), 0);
    context_destroy(ctx);
    compare_program("unfused", unfused[_i], 3);
}
END_TEST

/* ------------------------------------------------------------------ layers */

static const char *const layers[] = {
    "model m(x[B, 21, 32]) -> [B, 21, 32] = x |> multihead(2, causal = true)\n"
    "export fn f(x[B, 21, 32], g[B, 21, 32]) -> [B, 21, 32] = grad(sum(m(x) * m(x) * g), x)\n",
    "model m(x[B, 16, 32]) -> [B, 16, 32] = x |> multihead(2, rotate = true, kv_heads = 1)\n"
    "export fn f(x[B, 16, 32], g[B, 16, 32]) -> [B, 16, 32] = grad(sum(m(x) * m(x) * g), x)\n",
    "model m(x[B, 9, 32], y[B, 13, 32], see[B, 13]: bool) -> [B, 9, 32] =\n"
    "  multihead(2, bias = true)(x, y, see)\n"
    "export fn f(x[B, 9, 32], y[B, 13, 32], see[B, 13]: bool, g[B, 9, 32]) -> [B, 13, 32] =\n"
    "  grad(sum(m(x, y, see) * m(x, y, see) * g), y)\n"};

START_TEST(layers_take_it) {
    Context *ctx = context_create();
    const Graph *g = sealed(entry_f(elaborate(ctx, layers[_i]))->graph);
    ck_assert_uint_eq(count_op(g, OP_ATTENTION), 2);
    ck_assert_uint_eq(count_op(g, OP_ATTENTION_GRAD), _i == 2 ? 2 : 3); /* no dq is asked for */
    context_destroy(ctx);
    compare_program("layer", layers[_i], 17);
}
END_TEST

/* Twice the positions: about twice the memory, where the plain form has four times. */
START_TEST(memory_is_linear) {
    int64_t bytes[2];
    Context *ctx = context_create();
    for (int i = 0; i < 2; i++)
        bytes[i] = arena_bytes(text_of(ctx, 512 << i, 512 << i, 16, 16, ", causal = true", ""));
    ck_assert_int_lt(bytes[1], 2 * bytes[0] + bytes[0] / 10);
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen attention");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, recognised, 0, CASES);
    tcase_add_loop_test(t, same_bits, 0, CASES);
    tcase_add_loop_test(t, values_of_the_plain_form, 0, CASES);
    tcase_add_test(t, rows_that_see_nothing);
    tcase_add_loop_test(t, left_alone, 0, 3);
    tcase_add_loop_test(t, layers_take_it, 0, 3);
    tcase_add_test(t, memory_is_linear);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
