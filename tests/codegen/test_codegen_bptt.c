/* Gradients through `scan` in whole programs, against the same program written out without a loop:
 * backpropagation through time, of second order (a recurrent critic with a gradient penalty),
 * gradients of single rows, models as captured values. Compiled code gives the evaluator's bits. */
#include "tests/codegen/program_entry.h"
#include "tests/kit/evaluate.h"
#include <math.h>

#define CELL                                                                                       \
    "layer cell(n: dim)(x[B, d], h[B, n]) -> [B, n] {\n"                                           \
    "  param w[d, n] init glorot\n"                                                                \
    "  param u[n, n] init glorot\n"                                                                \
    "  param b[n] init zeros\n"                                                                    \
    "  return tanh(x @ w + h @ u + b)\n"                                                           \
    "}\n"
#define LOOPED                                                                                     \
    "model net(x[B, 3, 4]) -> [B, 5] {\n"                                                          \
    "  c = cell(5)\n"                                                                              \
    "  y = scan xt = x along 1 with h = zeros([B, 5]) {\n"                                         \
    "    h = c(xt, h)\n"                                                                           \
    "    yield h * h\n"                                                                            \
    "  }\n"                                                                                        \
    "  return h + sum(y, axis = 1)\n"                                                              \
    "}\n"
#define WRITTEN_OUT                                                                                \
    "model net(x[B, 3, 4]) -> [B, 5] {\n"                                                          \
    "  c = cell(5)\n"                                                                              \
    "  h1 = c(x[:, 0], zeros([B, 5]))\n"                                                           \
    "  h2 = c(x[:, 1], h1)\n"                                                                      \
    "  h3 = c(x[:, 2], h2)\n"                                                                      \
    "  return h3 + (h1 * h1 + h2 * h2 + h3 * h3)\n"                                                \
    "}\n"

typedef struct Pair {
    const char *looped, *written_out;
} Pair;
#define BOTH(entry)                                                                                \
    { CELL LOOPED entry, CELL WRITTEN_OUT entry }
static const Pair pairs[] = {
    BOTH("export fn f(x[B, 3, 4]) -> [B, 3, 4] = grad(sum(net(x) * net(x)), x)\n"),
    BOTH("export fn f(x[B, 3, 4]) -> [] = total(grad(mean(net(x)), net), w -> sum(w * w))\n"),
    /* the critic's penalty, by the critic's weights and by its input */
    BOTH("fn penalty(x[B, 3, 4]) -> [] {\n"
         "  g = grad(sum(net(x)), x)\n"
         "  size = sqrt(sum(g * g, axis = [1, 2]) + 0.01)\n"
         "  return mean((size - 1) ^ 2)\n"
         "}\n"
         "export fn f(x[B, 3, 4]) -> [] =\n"
         "  total(grad(penalty(x) - mean(net(x)), net), w -> sum(w * w))\n"),
    BOTH("fn inner(x[B, 3, 4]) -> [B, 3, 4] = grad(sum(net(x) ^ 2), x)\n"
         "export fn f(x[B, 3, 4]) -> [B, 3, 4] = grad(sum(inner(x) ^ 2), x)\n"),
    /* each row's own gradient, and a gradient of those */
    {CELL WRITTEN_OUT "export fn f(x[2, 3, 4]) -> [2] {\n"
                      "  g = scan r = x along 0 {\n"
                      "    yield grad(sum(net(expand(r)) ^ 2), net)\n"
                      "  }\n"
                      "  return total(g, w -> sum(reshape(w * w, [2, count(w) / 2]), axis = 1))\n"
                      "}\n",
     CELL WRITTEN_OUT "fn one(r[1, 3, 4]) -> [] =\n"
                      "  total(grad(sum(net(r) ^ 2), net), w -> sum(w * w))\n"
                      "export fn f(x[2, 3, 4]) -> [2] = stack([one(x[0:1]), one(x[1:2])])\n"},
    {CELL LOOPED "export fn f(x[2, 3, 4]) -> [2, 3, 4] {\n"
                 "  g = scan r = x along 0 {\n"
                 "    yield grad(sum(net(expand(r)) ^ 2), r)\n"
                 "  }\n"
                 "  return grad(sum(g * g), x)\n"
                 "}\n",
     CELL WRITTEN_OUT "fn inner(x[B, 3, 4]) -> [B, 3, 4] = grad(sum(net(x) ^ 2), x)\n"
                      "export fn f(x[2, 3, 4]) -> [2, 3, 4] = grad(sum(inner(x) ^ 2), x)\n"}};

static const float *result(Context *ctx, const char *text, size_t *count) {
    Program *p = elaborate(ctx, text);
    const Graph *g = sealed(entry_f(p)->graph);
    ck_assert_uint_eq(diags_errors(ctx->diags), 0);
    Tensor *slots = ARENA_ARRAY(ctx->arena, Tensor, g->slot_count + 1);
    Random r = {5};
    for (uint32_t i = 0; i < g->slot_count; i++) {
        slots[i] = (Tensor){.dtype = DTYPE_F32, .rank = g->slots[i].rank};
        memcpy(slots[i].dims, g->slots[i].dims, sizeof slots[i].dims);
        float *data = ARENA_ARRAY(ctx->arena, float, tensor_count(&slots[i]));
        for (size_t k = 0; k < tensor_count(&slots[i]); k++)
            data[k] = (float)random_between(&r, -0.7, 0.7);
        slots[i].data = data;
    }
    float x[24];
    for (int i = 0; i < 24; i++) x[i] = (float)random_between(&r, -1, 1);
    Tensor input = {.dtype = DTYPE_F32, .rank = 3, .dims = {2, 3, 4}, .data = x};
    int64_t symbols[16];
    for (int i = 0; i < 16; i++) symbols[i] = 2;
    const Tensor *out = evaluate(g, &input, slots, symbols, ctx->arena, NULL);
    *count = tensor_count(out);
    return out->data;
}

START_TEST(as_written_out) {
    Context *ctx = context_create();
    size_t n, m;
    const float *a = result(ctx, pairs[_i].written_out, &n);
    const float *b = result(ctx, pairs[_i].looped, &m);
    ck_assert_uint_eq(n, m);
    double size = 0;
    for (size_t i = 0; i < n; i++) size += fabs((double)a[i]);
    ck_assert(size > 1e-3);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) <= 2e-5f * fmaxf(1, fabsf(a[i])), "%zu: %g, wanted %g", i,
                      (double)b[i], (double)a[i]);
    context_destroy(ctx);
    compare_program("m.bm", pairs[_i].looped, 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("backpropagation through time");
    TCase *tc = tcase_create("scan");
    tcase_add_loop_test(tc, as_written_out, 0, sizeof pairs / sizeof *pairs);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
