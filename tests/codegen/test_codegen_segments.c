/* `checkpoint(scan ...)` in segments: values and gradients by what an iteration reads have the bits
 * of the plain loop (draws inside included), sums over the iterations agree closely; compiled code
 * gives the evaluator's bits; and memory shrinks. */
#include "compiler/graph/scan.h"
#include "tests/codegen/program_entry.h"
#include "tests/kit/evaluate.h"
#include <math.h>

/* Exact: no sum over iterations in the result; else close. `segments`: a trip known. */
typedef struct Case {
    const char *text; /* %s: `keep` or `checkpoint`: a draw's site counts the calls */
    bool exact, segments;
} Case;

#define KEEP "fn keep(y) = y\n"
#define CELL                                                                                       \
    KEEP "layer cell(n: dim)(x[B, d], h[B, n]) -> [B, n] {\n"                                      \
         "  param w[d, n] init glorot\n"                                                           \
         "  param u[n, n] init glorot\n"                                                           \
         "  return tanh(x @ w + h @ u)\n"                                                          \
         "}\n"
/* T iterations over the middle axis, with dropout inside */
#define NET(T)                                                                                     \
    CELL "model net(x[B, " T ", 3]) -> [B, " T ", 5] {\n"                                          \
         "  c = cell(5)\n"                                                                         \
         "  return %s(scan xt = x along 1 with h = zeros([B, 5]) {\n"                              \
         "    h = c(xt, h) * (random([B, 5]) + 0.5)\n"                                             \
         "    yield h\n"                                                                           \
         "  })\n"                                                                                  \
         "}\n"
#define VALUE(T)    "export fn f(x[B, " T ", 3]) -> [B, " T ", 5] = net(x)\n"
#define BY_INPUT(T) "export fn f(x[B, " T ", 3]) -> [B, " T ", 3] = grad(sum(net(x) * net(x)), x)\n"
#define BY_WEIGHTS(T)                                                                              \
    "export fn f(x[B, " T ", 3]) -> [] =\n"                                                        \
    "  total(grad(sum(net(x) * net(x)), net), w -> sum(w * w))\n"
#define SECOND(T)                                                                                  \
    "export fn f(x[B, " T ", 3]) -> [] {\n"                                                        \
    "  g = grad(sum(net(x) ^ 2), x)\n"                                                             \
    "  return total(grad(sum(g * g), net), w -> sum(w * w))\n"                                     \
    "}\n"
/* several sequences, carries and yields, of which one is a count; the carries read afterwards; the
 * iteration's number read; T as given */
#define MANY(T)                                                                                    \
    KEEP "fn net(x[" T ", B, 3]) {\n"                                                              \
         "  y = %s(scan xt = x, zt = sin(x), t = iota(" T ") along 0 with h = zeros([B, 3]),\n"    \
         "      g = ones([B, 3]), n = 0 {\n"                                                       \
         "    k = h\n"                                                                             \
         "    h = tanh(xt * g + 0.5 * h)\n"                                                        \
         "    g = cos(k + zt) * (1 + 0.01 * f32(t))\n"                                             \
         "    n = n + 1\n"                                                                         \
         "    yield (h * g, sum(h, axis = 1))\n"                                                   \
         "  })\n"                                                                                  \
         "  return sum(y[0] * y[0]) + sum(exp(y[1])) + sum(g * h)\n"                               \
         "}\n"                                                                                     \
         "export fn f(x[" T ", B, 3]) -> [" T ", B, 3] = grad(net(x), x)\n"

/* no carry; inside another loop, where a draw's number counts both; a state that the loop writes;
 * gradients inside */
#define MAP                                                                                        \
    KEEP "export fn f(x[10, B, 3]) -> [10, B, 3] {\n"                                              \
         "  y = %s(scan xt = x along 0 { yield exp(sin(xt)) * random([B, 3]) })\n"                 \
         "  return grad(sum(y * y), x)\n"                                                          \
         "}\n"
#define NESTED                                                                                     \
    KEEP "export fn f(x[3, B, 13]) -> [3, B, 13] {\n"                                              \
         "  y = scan xr = x along 0 with s = zeros([B]) {\n"                                       \
         "    z = %s(scan xt = xr along 1 with h = s {\n"                                          \
         "      h = tanh(h * random([B]) + xt)\n"                                                  \
         "      yield h * xt\n"                                                                    \
         "    })\n"                                                                                \
         "    s = h + sum(z, axis = 1)\n"                                                          \
         "    yield z\n"                                                                           \
         "  }\n"                                                                                   \
         "  return grad(sum(y * y) + sum(s), x)\n"                                                 \
         "}\n"
#define GRADIENT_INSIDE                                                                            \
    KEEP "export fn f(x[12, B, 3]) -> [12, B, 3] {\n"                                              \
         "  y = %s(scan xt = x along 0 with h = zeros([B, 3]) {\n"                                 \
         "    v = tanh(h) + xt\n"                                                                  \
         "    h = 0.3 * grad(sum(v * v * v), v)\n"                                                 \
         "    yield h\n"                                                                           \
         "  })\n"                                                                                  \
         "  return grad(sum(y * y), x)\n"                                                          \
         "}\n"
static const Case cases[] = {{NET("12") VALUE("12"), true, true},
                             {NET("12") BY_INPUT("12"), true, true},
                             {NET("12") BY_WEIGHTS("12"), false, true},
                             {NET("12") SECOND("12"), false, true},
                             {NET("7") VALUE("7"), true, true},
                             {NET("7") BY_INPUT("7"), true, true},
                             {NET("7") BY_WEIGHTS("7"), false, true},
                             {NET("7") SECOND("7"), false, true},
                             {NET("5") BY_INPUT("5"), true, true},
                             {NET("3") BY_INPUT("3"), true, false},
                             {NET("T") BY_INPUT("T"), true, false},
                             {MAP, true, true},
                             {NESTED, true, true},
                             {GRADIENT_INSIDE, true, true}};

/* How deep loops lie in each other, those of `checkpoint` not counted. */
static uint32_t loop_depth(const Graph *g) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < graph_size(g); i++) {
        if (graph_node(g, (NodeId){i})->op != OP_SCAN) continue;
        Scan s = scan_of(g, (NodeId){i});
        uint32_t depth = loop_depth(s.body) + (s.once ? 0 : 1);
        if (depth > most) most = depth;
    }
    return most;
}

enum { ROWS = 2, TRIP = 6 };

static int64_t input_count(const Graph *g, const int64_t *symbols, Tensor *input) {
    const GraphInput *in = &g->inputs.data[0];
    *input = (Tensor){.dtype = DTYPE_F32, .rank = in->shape.rank};
    int64_t count = 1;
    for (uint32_t i = 0; i < in->shape.rank; i++) {
        ck_assert(dim_eval(g->dims, in->shape.dims[i], symbols, &input->dims[i]));
        count *= input->dims[i];
    }
    return count;
}

/* The entry's result on random parameters and inputs, the same for both texts. */
static const float *result(Context *ctx, const char *text, size_t *count, uint32_t *depth) {
    Program *p = elaborate(ctx, text);
    *depth = loop_depth(entry_f(p)->graph);
    const Graph *g = sealed(entry_f(p)->graph);
    ck_assert_uint_eq(diags_errors(ctx->diags), 0);
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
    int64_t symbols[16];
    for (uint32_t i = 0; i < 16; i++) symbols[i] = ROWS;
    for (uint32_t i = 0; i < dim_symbol_count(p->dims); i++)
        if (strcmp(dim_symbol_name(p->dims, i)->text, "T") == 0) symbols[i] = TRIP;
    Tensor input;
    int64_t n = input_count(g, symbols, &input);
    float *x = ARENA_ARRAY(ctx->arena, float, (size_t)n);
    for (int64_t i = 0; i < n; i++) x[i] = (float)random_between(&r, -1, 1);
    input.data = x;
    const Tensor *out = evaluate(g, &input, slots, symbols, ctx->arena, NULL);
    *count = tensor_count(out);
    return out->data;
}

static void compare_texts(const char *format, bool exact, bool segments) {
    char plain[2048], thin[2048];
    snprintf(plain, sizeof plain, format, "keep");
    snprintf(thin, sizeof thin, format, "checkpoint");
    Context *ctx = context_create();
    size_t n, m;
    uint32_t one, two;
    const float *a = result(ctx, plain, &n, &one), *b = result(ctx, thin, &m, &two);
    ck_assert_uint_eq(n, m);
    ck_assert_uint_eq(two, segments ? one + 1 : one);
    double size = 0;
    for (size_t i = 0; i < n; i++) size += fabs((double)a[i]);
    ck_assert(size > 1e-3);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(exact ? memcmp(&a[i], &b[i], sizeof *a) == 0
                            : fabsf(a[i] - b[i]) <= 4e-6f * fmaxf(1, fabsf(a[i])),
                      "%zu: %.9g, wanted %.9g", i, (double)b[i], (double)a[i]);
    context_destroy(ctx);
    compare_program("m.bm", thin, 3);
}

START_TEST(as_the_plain_loop) {
    compare_texts(cases[_i].text, cases[_i].exact, cases[_i].segments);
}
END_TEST

START_TEST(many_of_all) {
    compare_texts(MANY("12"), true, true);
    compare_texts(MANY("11"), true, true);
    compare_texts(MANY("16"), true, true);
}
END_TEST

START_TEST(less_memory) {
    static const char model[] =
        KEEP "layer cell(n: dim)(x[B, d], h[B, n], c[B, n]) {\n"
             "  param w[d, 4 * n] init glorot\n"
             "  param u[n, 4 * n] init glorot\n"
             "  z = x @ w + h @ u\n"
             "  c = sigmoid(z[:, 0:n]) * c + sigmoid(z[:, n:2 * n]) * tanh(z[:, 2 * n:3 * n])\n"
             "  return (sigmoid(z[:, 3 * n:4 * n]) * tanh(c), c)\n"
             "}\n"
             "model net(x[8, 256, 64]) -> [8, 64] {\n"
             "  l = cell(64)\n"
             "  y = %s(scan xt = x along 1 with h = zeros([8, 64]), c = zeros([8, 64]) {\n"
             "    h, c = l(xt, h, c)\n"
             "    yield h\n"
             "  })\n"
             "  return mean(y, axis = 1)\n"
             "}\n"
             "export fn f(x[8, 256, 64]) -> [] =\n"
             "  total(grad(sum(net(x) * net(x)), net), w -> sum(w * w))\n";
    char plain[2048], thin[2048];
    snprintf(plain, sizeof plain, model, "keep");
    snprintf(thin, sizeof thin, model, "checkpoint");
    int64_t kept = arena_bytes(plain), again = arena_bytes(thin);
    ck_assert_msg(again * 4 < kept, "%lld bytes, %lld without", (long long)again, (long long)kept);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("segments");
    TCase *tc = tcase_create("checkpoint");
    tcase_add_loop_test(tc, as_the_plain_loop, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tc, many_of_all);
    tcase_add_test(tc, less_memory);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
