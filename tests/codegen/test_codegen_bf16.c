/* `precision: bf16`: contractions whose operands are stored in two bytes, in every way that they go
 * through the schedule (panels, blocks turned, few rows, windows, loops, attention), compiled and
 * compared with the reference evaluator bit for bit: for 1, 2, 3 and 7 threads, AVX-512 and
 * x86-64-v3. What is stored, and that gradients stay close to those of f32, is tested too. */
#include "tests/codegen/program_entry.h"
#include <math.h>

typedef struct Case {
    const char *why, *text;
} Case;

#define PRODUCT(m, n, k)                                                                           \
    "export fn forward" #m "_" #n "_" #k "(x[" #m ", " #k "], w[" #k ", " #n "]) -> [" #m ", " #n  \
    "] = x @ w\n"
#define BY_X(m, n, k)                                                                              \
    "export fn dx" #m "_" #n "_" #k "(dy[" #m ", " #n "], w[" #k ", " #n "]) -> [" #m ", " #k      \
    "] = dy @ w.T\n"
#define BY_W(m, n, k)                                                                              \
    "export fn dw" #m "_" #n "_" #k "(x[" #m ", " #k "], dy[" #m ", " #n "]) -> [" #k ", " #n      \
    "] = x.T @ dy\n"
#define ALL(m, n, k) PRODUCT(m, n, k) BY_X(m, n, k) BY_W(m, n, k)

static const Case CASES[] = {
    {"off every tile", ALL(37, 53, 29)},
    {"rows left of tiles, columns left of panels", ALL(100, 100, 100)},
    {"a turned copy larger than the second-level cache", BY_X(19, 130, 800)},
    {"columns copied in panels", PRODUCT(67, 530, 130)},
    {"rows copied in panels", BY_W(520, 70, 72)},
    {"blocks of k", BY_W(1100, 96, 104) BY_W(4500, 30, 40)},
    {"panels and two chunks", BY_X(20, 4200, 40)},
    {"few rows", PRODUCT(1, 530, 70) PRODUCT(3, 515, 70) PRODUCT(12, 100, 70)},
    {"few rows, blocks turned on the way", BY_X(1, 75, 50) BY_X(3, 70, 130) BY_X(12, 64, 100)},
    {"few columns", ALL(70, 1, 90) ALL(40, 10, 24)},
    {"what is a byte needs no rounding",
     "export fn f(x[20, 40]: u8, w[40, 30]) -> [20, 30] = f32(x) @ w\n"},
    {"an epilogue, views, an operand that is used as it is too",
     "export fn f(x[40, 100], w[60, 100], b[60]) -> [40, 60] = relu(x[:, 10:90] @ w[:, 10:90].T + "
     "b) + x[:, 40:] @ (w[:, 40:] * w[:, 40:])\n"},
    {"a batch of any size",
     "export fn f(x[B, 50], w[30, 50], v[50, 30]) -> [B, 30] = x @ w.T + x @ v\n"},
    {"a column more than whole vectors, narrow elements (LLVM stores four bytes of one lane)",
     "export fn f(x[19, 20], w[20, 33]) -> ([19, 33]: bf16, [19, 33]: u8, [19, 33]: i16) {\n"
     "  y = x @ w\n  return bf16(y), u8(y), i16(y)\n}\n"},
    {"a perceptron's step",
     "model net(x[B, 70]) -> [B, 5] = x |> dense(96, relu) |> dropout(0.2) |> dense(33, gelu) |> "
     "dense(5)\n"
     "train {\n  batch: 32\n  steps: 2\n  step(x[B, 70], y[B]: i32) {\n"
     "    minimize cross_entropy(net(x), y) over net with adam(0.01)\n  }\n}\n"},
    {"convolutions, strides, depthwise, pooling",
     "model net(x[B, 12, 12, 3]) -> [B, 4] {\n"
     "  x = x |> conv2d(16, 3, pad = 1) |> batchnorm |> relu |> maxpool(2)\n"
     "  x = x |> conv2d(24, 3, stride = 2, act = relu) |> flatten\n"
     "  return x |> dense(4)\n}\n"
     "train {\n  batch: 32\n  steps: 2\n  step(x[B, 12, 12, 3], y[B]: i32) {\n"
     "    minimize cross_entropy(net(x), y) over net with sgd(0.01)\n  }\n}\n"},
    {"a recurrent layer",
     "model net(x[B, T, 10]) -> [B, 4] = x |> lstm(24) |> mean(axis = 1) |> dense(4)\n"
     "train {\n  batch: 32\n  steps: 2\n  step(x[B, 7, 10], y[B]: i32) {\n"
     "    minimize cross_entropy(net(x), y) over net with sgd(0.01)\n  }\n}\n"},
    {"an embedding whose positions are computed and may lie outside",
     "model net(i[B]: i32) -> [B, 4] = embedding(10, 4)(i + 3) |> dense(4)\n"
     "train {\n  batch: 32\n  steps: 2\n  step(i[B]: i32, y[B, 4]) {\n"
     "    minimize mse(net(i), y) over net with adam(0.01)\n  }\n}\n"},
    {"attention",
     "model net(x[B, T, 32]) -> [B, T, 32] = x |> layernorm |> multihead(2, causal = true)\n"
     "train {\n  batch: 32\n  steps: 2\n  step(x[B, 37, 32]) {\n"
     "    minimize mse(net(x), x) over net with sgd(0.01)\n  }\n}\n"},
};

START_TEST(compiled_equals_reference) {
    compare_text(CASES[_i].why, CASES[_i].text, 19, NULL, true, NULL);
}
END_TEST

/* ------------------------------------------------------------------ close to f32 */

static const char *const CLOSE[] = {
    "export fn f(x[B, 24], w[24, 40], v[40, 3]) -> ([B, 3], [24, 40], [40, 3], [B, 24]) {\n"
    "  y = tanh(x @ w) @ v\n  loss = sum(y * y)\n"
    "  return y, grad(loss, w), grad(loss, v), grad(loss, x)\n}\n",
    "export fn f(q[B, 2, 9, 16], k[B, 2, 9, 16], v[B, 2, 9, 16]) -> ([B, 2, 9, 16], [B, 2, 9, 16]) "
    "{\n  loss = sum(attention(q, k, v, causal = true) * q)\n"
    "  return grad(loss, k), grad(loss, v)\n}\n",
    "export fn f(x[B, 6, 6, 4], w[3, 3, 4, 8]) -> ([B, 4, 4, 8], [3, 3, 4, 8]) {\n"
    "  y[b, i, j, o] = sum[p, q, c](x[b, i + p, j + q, c] * w[p, q, c, o]) where i < 4, j < 4\n"
    "  loss = sum(y * y * 0.1)\n  return y, grad(loss, w)\n}\n",
};

static InterpRun evaluate(Context *ctx, const char *text, bool bf16, const Graph **out) {
    Program *p = elaborate(ctx, text);
    Graph *g = entry_f(p)->graph;
    if (bf16) narrow(g);
    *out = g = (Graph *)(uintptr_t)sealed(g);
    int64_t symbols[4] = {5, 5, 5, 5};
    Compare c = {.ctx = ctx, .program = p, .graph = g, .symbols = symbols, .label = "close"};
    Random r = {3};
    Reference ref;
    reference_run(&c, &r, false, &ref);
    return ref.run;
}

/* The largest difference against the size of the largest element: two operands of 2^-9 relative
 * error each in every product, and what the layers before bring along. */
START_TEST(gradients_stay_close) {
    Context *ctx = context_create();
    const Graph *g, *h;
    InterpRun wide = evaluate(ctx, CLOSE[_i], false, &g), thin = evaluate(ctx, CLOSE[_i], true, &h);
    for (uint32_t i = 0; i < g->outputs.len; i++) {
        const float *a = wide.outputs[i].data, *b = thin.outputs[i].data;
        double most = 0, apart = 0;
        for (size_t k = 0; k < tensor_count(&wide.outputs[i]); k++) {
            most = fmax(most, fabs((double)a[k]));
            apart = fmax(apart, fabs((double)a[k] - (double)b[k]));
        }
        ck_assert_msg(apart > 0 && apart < 0.02 * most, "result %u: %g of %g", i, apart, most);
    }
    context_destroy(ctx);
}
END_TEST

/* What only contractions read takes two bytes: less work space, and less than f32 takes. */
START_TEST(two_bytes) {
    const char *text = "export fn f(x[B, 512], w[512, 512], v[512, 512]) -> [B, 512] =\n"
                       "    relu(relu(x @ w) @ v) @ w\n";
    Context *ctx = context_create();
    Program *p = elaborate(ctx, text);
    Entry *entry = entry_f(p);
    narrow(entry->graph);
    entry->graph = (Graph *)(uintptr_t)sealed(entry->graph);
    ScheduleOptions options;
    schedule_options_default(&options);
    const LoopProgram *l = schedule_entry(ctx, p, entry, &options);
    uint32_t narrow_buffers = 0;
    for (uint32_t i = 0; i < l->buffers.len; i++)
        narrow_buffers += l->buffers.data[i].dtype == DTYPE_BF16;
    ck_assert_uint_ge(narrow_buffers, 3); /* x and the two activations; weights where copied */
    for (uint32_t i = 0; i < l->buffers.len; i++) {
        const LoopBuffer *b = &l->buffers.data[i];
        bool whole = b->storage == STORAGE_ARENA && b->dtype == DTYPE_F32;
        ck_assert_msg(!whole || strncmp(b->name, "transposed", 10) == 0, "%s is f32", b->name);
    }
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bf16");
    TCase *tc = tcase_create("bf16");
    tcase_add_loop_test(tc, compiled_equals_reference, 0, sizeof CASES / sizeof *CASES);
    tcase_add_loop_test(tc, gradients_stay_close, 0, sizeof CLOSE / sizeof *CLOSE);
    tcase_add_test(tc, two_bytes);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
