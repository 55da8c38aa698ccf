/* `checkpoint(e)` in whole programs: the values are those of e, gradients too, of second order and
 * inside a loop; compiled code gives the evaluator's bits; and memory gets smaller. */
#include "tests/codegen/program_entry.h"
#include "tests/kit/evaluate.h"
#include <math.h>

/* %s: `` or `checkpoint`. */
#define MODEL                                                                                      \
    "layer block(d: dim)(x[B, d]) -> [B, d] {\n"                                                   \
    "  return x + (x |> dense(2 * d) |> tanh |> dense(d))\n"                                       \
    "}\n"                                                                                          \
    "model net(x[B, 4]) -> [B, 4] {\n"                                                             \
    "  h = x\n"                                                                                    \
    "  repeat 3 {\n"                                                                               \
    "    h = %s(h |> block(4))\n"                                                                  \
    "  }\n"                                                                                        \
    "  return h\n"                                                                                 \
    "}\n"
static const char *const ENTRIES[] = {
    "export fn f(x[B, 4]) -> [B, 4] = net(x)\n",
    "export fn f(x[B, 4]) -> [B, 4] = grad(sum(net(x) * net(x)), x)\n",
    "export fn f(x[B, 4]) -> [B, 4] {\n"
    "  g = grad(sum(net(x) * x), x)\n"
    "  return grad(sum(g * g), x)\n"
    "}\n",
    "export fn f(x[B, 4]) -> [] {\n"
    "  g = grad(sum(net(x) * x), net)\n"
    "  return total(grad(total(g, w -> sum(w * w)), net), w -> sum(w * w))\n"
    "}\n",
    "export fn f(x[B, 4]) -> [B, 4] {\n"
    "  y = scan t = iota(3) along 0 with h = x {\n"
    "    h = tanh(net(h))\n"
    "    yield h\n"
    "  }\n"
    "  return grad(sum(y * y), x)\n"
    "}\n",
    "export fn f(x[B, 4]) -> [B, 4] {\n"
    "  y = net(x)\n"
    "  return grad(sum(y * random([B, 4])), x)\n"
    "}\n"};

static uint32_t count_op(const Graph *g, Op op) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph_size(g); i++) count += graph_node(g, (NodeId){i})->op == op;
    for (uint32_t i = 0; i < g->bodies.len; i++) count += count_op(g->bodies.data[i], op);
    return count;
}

/* The entry's result on random parameters and inputs, the same for both texts. */
static const float *result(Context *ctx, const char *text, size_t *count, uint32_t *again) {
    Program *p = elaborate(ctx, text);
    const Graph *g = sealed(entry_f(p)->graph);
    *again = count_op(g, OP_AGAIN);
    Tensor *slots = ARENA_ARRAY(ctx->arena, Tensor, g->slot_count + 1);
    Random r = {5};
    for (uint32_t i = 0; i < g->slot_count; i++) {
        slots[i] = (Tensor){.dtype = DTYPE_F32, .rank = g->slots[i].rank};
        memcpy(slots[i].dims, g->slots[i].dims, sizeof slots[i].dims);
        size_t n = tensor_count(&slots[i]);
        float *data = ARENA_ARRAY(ctx->arena, float, n);
        for (size_t k = 0; k < n; k++) data[k] = (float)random_between(&r, -0.7, 0.7);
        slots[i].data = data;
    }
    float x[8] = {0.3f, -0.2f, 0.9f, 0.1f, -0.6f, 0.5f, 0.4f, -1};
    Tensor input = {.dtype = DTYPE_F32, .rank = 2, .dims = {2, 4}, .data = x};
    int64_t symbols[16];
    for (int i = 0; i < 16; i++) symbols[i] = 2;
    const Tensor *out = evaluate(g, &input, slots, symbols, ctx->arena, NULL);
    *count = tensor_count(out);
    return out->data;
}

START_TEST(same_values) {
    char plain[2048], thin[2048], format[2048];
    snprintf(format, sizeof format, MODEL "%s", "%s", ENTRIES[_i]);
    snprintf(plain, sizeof plain, format, "");
    snprintf(thin, sizeof thin, format, "checkpoint");
    Context *ctx = context_create();
    size_t n, m;
    uint32_t none, again;
    const float *a = result(ctx, plain, &n, &none), *b = result(ctx, thin, &m, &again);
    ck_assert_uint_eq(n, m);
    ck_assert_uint_eq(none, 0);
    if (_i == 0)
        ck_assert_uint_eq(again, 0); /* nothing to compute again */
    else
        ck_assert_uint_gt(again, 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) <= 2e-5f * fmaxf(1, fabsf(a[i])), "%zu: %g, wanted %g", i,
                      (double)b[i], (double)a[i]);
    if (_i == 0) ck_assert(memcmp(a, b, n * sizeof *a) == 0);
    context_destroy(ctx);
    compare_program("m.bm", thin, 3);
}
END_TEST

/* Twelve blocks: what a block keeps is freed before the next one is computed again. */
START_TEST(less_memory) {
    static const char model[] =
        "layer block(d: dim)(x[B, T, d]) -> [B, T, d] {\n"
        "  return x + (x |> layernorm |> dense(4 * d) |> gelu |> dense(d))\n"
        "}\n"
        "model net(x[B, T, 64]) -> [B, T, 64] {\n"
        "  h = x\n"
        "  repeat 12 {\n"
        "    h = %s(h |> block(64))\n"
        "  }\n"
        "  return h\n"
        "}\n"
        "export fn f(x[B, 16, 64]) -> [] =\n"
        "  total(grad(sum(net(x) * net(x)), net), w -> sum(w * w))\n";
    char plain[1024], thin[1024];
    snprintf(plain, sizeof plain, model, "");
    snprintf(thin, sizeof thin, model, "checkpoint");
    int64_t kept = arena_bytes(plain), again = arena_bytes(thin);
    ck_assert_msg(again * 3 < kept, "%lld bytes, %lld without", (long long)again, (long long)kept);
}
END_TEST

/* Masks of dropout are drawn again, not kept: of eight that would take half a megabyte each, two
 * at most are there at once. */
START_TEST(masks_are_drawn_again) {
    static const char model[] = "layer spoil()(x[B, n]) -> [B, n] {\n"
                                "  return select(bernoulli(0.5, shape(x)), x * 2, 0)\n"
                                "}\n"
                                "layer block()(x[B, 32]) -> [B, 32] {\n"
                                "  return x |> dense(2048)%s |> dense(32)\n"
                                "}\n"
                                "model net(x[B, 32]) -> [B, 32] {\n"
                                "  h = x\n"
                                "  repeat 8 {\n"
                                "    h = checkpoint(h |> block)\n"
                                "  }\n"
                                "  return h\n"
                                "}\n"
                                "export fn f(x[B, 32]) -> [] =\n"
                                "  total(grad(sum(net(x) * net(x)), net), w -> sum(w * w))\n";
    char plain[sizeof model + 32], masked[sizeof model + 32];
    snprintf(plain, sizeof plain, model, "");
    snprintf(masked, sizeof masked, model, " |> spoil");
    int64_t without = arena_bytes(plain), with = arena_bytes(masked);
    ck_assert_msg(with - without <= 2 * 256 * 2048, "%lld bytes, %lld without masks",
                  (long long)with, (long long)without);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recompute");
    TCase *tc = tcase_create("checkpoint");
    tcase_add_loop_test(tc, same_values, 0, sizeof ENTRIES / sizeof *ENTRIES);
    tcase_add_test(tc, less_memory);
    tcase_add_test(tc, masks_are_drawn_again);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
