/* Random networks over [B, n] with n up to 100, so that vectors, tiles, tails and unrolled loops
 * are all met: layers, activations, norms, softmax, dropout, views, narrow dtypes; half of them
 * differentiated with the weights written back. Compiled and reference must agree in every bit. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/opt/opt.h"
#include "tests/codegen/compare.h"
#include "tests/kit/graph_kit.h"

enum { SLOTS = 6, WIDE_BATCH_MAX = 40 };
static const int64_t widths[] = {1, 3, 10, 16, 17, 24, 33, 48, 64, 100};

typedef struct Net {
    Kit kit;
    Program program;
    Random random;
    Graph *g;
    DimId batch;
    uint32_t slots_used;
    NodeId x;      /* the running value, f32 [B, n] */
    NodeId labels; /* i32 [B] in [0, 1) ... */
} Net;

static uint32_t below(Net *w, uint32_t n) {
    return random_below(&w->random, n);
}
static NodeId full(Net *w, NodeId like, double v) {
    Shape shape = graph_shape(w->g, like);
    return g_const(w->g, graph_node(w->g, like)->dtype, &shape, v, nowhere);
}
static NodeId two(Net *w, Op op, NodeId a, NodeId b) {
    return g_binary(w->g, op, a, b, nowhere);
}
static NodeId one(Net *w, Op op, NodeId a) {
    return g_unary(w->g, op, a, nowhere);
}
static int64_t width(Net *w, NodeId x) {
    return dim_value(w->kit.dims, graph_shape(w->g, x).dims[1]);
}
static NodeId column(Net *w, NodeId v, NodeId like) {
    return kit_column(&w->kit, v, like);
}
static NodeId row(Net *w, NodeId v, NodeId like) {
    return kit_row(&w->kit, v, like);
}
static NodeId reduce(Net *w, Op op, NodeId x, uint32_t axis) {
    return g_reduce(w->g, op, x, &axis, 1, nowhere);
}

typedef NodeId (*Layer)(Net *w, NodeId x);

static NodeId layer_dense(Net *w, NodeId x) {
    if (w->slots_used == SLOTS) return x;
    Slot *s = &w->program.slots.data[w->slots_used];
    if (s->dims[0] != width(w, x)) return x;
    NodeId y = g_contract(w->g, x, (uint32_t[]){0, 1}, g_read(w->g, w->slots_used++, nowhere),
                          (uint32_t[]){1, 2}, (uint32_t[]){0, 2}, 2, (uint32_t[]){1}, 1, nowhere);
    return two(w, OP_ADD, y, full(w, y, 0.125));
}
static NodeId layer_relu(Net *w, NodeId x) {
    return two(w, OP_MAX, x, full(w, x, 0));
}
static NodeId layer_clip(Net *w, NodeId x) {
    return two(w, OP_MIN, full(w, x, 0.75), two(w, OP_MAX, x, one(w, OP_NEG, full(w, x, 0.5))));
}
static NodeId layer_function(Net *w, NodeId x) {
    static const Op ops[] = {OP_TANH, OP_SIN, OP_COS, OP_ERF, OP_ABS, OP_SIGN, OP_FLOOR};
    return one(w, ops[below(w, 7)], x);
}
static NodeId layer_softmax(Net *w, NodeId x) {
    NodeId top = reduce(w, OP_REDUCE_MAX, x, 1);
    NodeId e = one(w, OP_EXP, two(w, OP_SUB, x, column(w, one(w, OP_STOP, top), x)));
    return two(w, OP_DIV, e, column(w, reduce(w, OP_SUM, e, 1), x));
}
static NodeId layer_norm(Net *w, NodeId x) {
    NodeId count = g_size(w->g, DTYPE_F32, w->batch, nowhere);
    Shape shape = graph_shape(w->g, reduce(w, OP_SUM, x, 0));
    NodeId mean = two(w, OP_DIV, reduce(w, OP_SUM, x, 0), g_splat(w->g, count, &shape, nowhere));
    NodeId d = two(w, OP_SUB, x, row(w, mean, x));
    NodeId v = reduce(w, OP_SUM, two(w, OP_MUL, d, d), 0);
    NodeId root = one(w, OP_SQRT, two(w, OP_ADD, v, full(w, v, 1e-3)));
    return two(w, OP_DIV, d, row(w, root, x));
}
static NodeId layer_dropout(Net *w, NodeId x) {
    Shape shape = graph_shape(w->g, x);
    NodeId u = g_random(w->g, &shape, random_bits(&w->random), below(w, 3), nowhere);
    NodeId kept = two(w, OP_LESS, full(w, u, 0.3), u);
    return g_select(w->g, kept, two(w, OP_DIV, x, full(w, x, 0.7)), full(w, x, 0), nowhere);
}
static NodeId layer_narrow(Net *w, NodeId x) {
    static const DType types[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F64, DTYPE_I32, DTYPE_I8, DTYPE_U16};
    NodeId y = g_cast(w->g, types[below(w, 6)], x, nowhere);
    y = two(w, OP_ADD, two(w, OP_MUL, y, full(w, y, 3)), y);
    if (below(w, 2)) y = two(w, OP_MAX, y, full(w, y, 1));
    return g_cast(w->g, DTYPE_F32, y, nowhere);
}
static NodeId layer_reverse(Net *w, NodeId x) {
    return g_reverse(w->g, x, (uint32_t[]){1}, 1, nowhere);
}
static NodeId layer_concat(Net *w, NodeId x) {
    if (width(w, x) > 50) return x;
    NodeId parts[] = {x, one(w, OP_NEG, x)};
    return g_concat(w->g, parts, 2, 1, nowhere);
}
static NodeId layer_slice(Net *w, NodeId x) {
    int64_t n = width(w, x);
    if (n < 8) return x;
    DimId first[] = {dim_const(w->kit.dims, 0), dim_const(w->kit.dims, 2)};
    int64_t step = 1 + below(w, 2);
    DimId extent[] = {w->batch, dim_const(w->kit.dims, (n - 2 + step - 1) / step)};
    return g_slice(w->g, x, first, extent, (int64_t[]){1, step}, nowhere);
}
static NodeId layer_pad(Net *w, NodeId x) {
    Shape scalar = {.rank = 0};
    DimId zero = dim_const(w->kit.dims, 0), three = dim_const(w->kit.dims, 3);
    if (width(w, x) > 60) return x;
    NodeId value = g_const(w->g, DTYPE_F32, &scalar, 0.5, nowhere);
    return g_pad(w->g, x, value, (DimId[]){zero, three}, (DimId[]){zero, zero}, (int64_t[]){0, 0},
                 nowhere);
}
static NodeId layer_gram(Net *w, NodeId x) { /* x xᵀ x */
    NodeId m = g_contract(w->g, x, (uint32_t[]){0, 2}, x, (uint32_t[]){1, 2}, (uint32_t[]){0, 1}, 2,
                          (uint32_t[]){2}, 1, nowhere);
    m = two(w, OP_MUL, m, full(w, m, 0.01));
    return g_contract(w->g, m, (uint32_t[]){0, 2}, x, (uint32_t[]){2, 1}, (uint32_t[]){0, 1}, 2,
                      (uint32_t[]){2}, 1, nowhere);
}
static NodeId layer_choose(Net *w, NodeId x) {
    NodeId best = reduce(w, OP_ARGMAX, x, 1);
    NodeId odd = two(w, OP_EQUAL, two(w, OP_MOD, best, full(w, best, 2)), full(w, best, 1));
    return g_select(w->g, column(w, odd, x), x, two(w, OP_MUL, x, x), nowhere);
}
static NodeId layer_rows(Net *w, NodeId x) {
    return g_gather(w->g, x, &w->labels, (uint32_t[]){0}, 1, nowhere);
}

static const Layer layers[] = {
    layer_dense,   layer_dense, layer_dense,   layer_relu,   layer_clip,    layer_function,
    layer_softmax, layer_norm,  layer_dropout, layer_narrow, layer_reverse, layer_concat,
    layer_slice,   layer_pad,   layer_gram,    layer_choose, layer_rows};
enum { LAYERS = sizeof layers / sizeof layers[0] };

/* Dense layers need slots of the width they meet, so the network is laid out with slots as it goes.
 */
static void slot_make(Net *w, int64_t in) {
    Slot s = {.path =
                  ctx_sym(w->kit.ctx, arena_printf(w->kit.ctx->arena, "w%u", w->program.slots.len)),
              .kind = SLOT_PARAM,
              .dtype = DTYPE_F32,
              .rank = 2,
              .dims = {in, widths[below(w, 10)]}};
    vec_push(w->kit.ctx->arena, &w->program.slots, s);
}

static void net_make(Net *w, uint64_t seed) {
    *w = (Net){.kit = kit_create(NULL, 0), .random = {seed * 977 + 5}};
    Arena *arena = w->kit.ctx->arena;
    w->program = (Program){
        .ctx = w->kit.ctx, .stem = "wide", .source = "", .init_entry = -1, .dims = w->kit.dims};
    int64_t in = widths[below(w, 10)];
    for (uint32_t i = 0; i < SLOTS; i++)
        slot_make(w, i ? w->program.slots.data[i - 1].dims[1] : in);
    w->g = w->kit.g = graph_create(w->kit.ctx, w->kit.dims, w->program.slots.data, SLOTS);
    w->batch = dim_symbol(w->kit.dims, ctx_sym(w->kit.ctx, "B"), WIDE_BATCH_MAX);
    Shape x = {.rank = 2, .dims = {w->batch, dim_const(w->kit.dims, in)}};
    Shape y = {.rank = 1, .dims = {w->batch}};
    w->x = g_input(w->g, ctx_sym(w->kit.ctx, "x"), DTYPE_F32, &x, nowhere);
    w->labels = g_input(w->g, ctx_sym(w->kit.ctx, "y"), DTYPE_I32, &y, nowhere);
    w->g->inputs.data[1].is_index = true;
    w->g->inputs.data[1].index_limit = 1;
    uint32_t depth = 2 + below(w, 8);
    for (uint32_t i = 0; i < depth; i++) {
        w->x = layers[below(w, LAYERS)](w, w->x);
        if (below(w, 4) == 0)
            graph_output(w->g, ctx_sym(w->kit.ctx, arena_printf(arena, "h%u", i)), w->x);
    }
    graph_output(w->g, ctx_sym(w->kit.ctx, "out"), w->x);
}

/* False when a step (floor, a cast to integers) cuts the gradient off. */
static bool net_differentiate(Net *w) {
    NodeId loss = kit_sum_all(&w->kit, two(w, OP_MUL, w->x, w->x));
    for (uint32_t i = 0; i < w->slots_used; i++) {
        NodeId p = g_read(w->g, i, nowhere), d = g_grad(w->g, loss, p, nowhere);
        graph_write(w->g, i, two(w, OP_SUB, p, two(w, OP_MUL, d, full(w, d, 0.01))));
    }
    w->g->guard = loss;
    graph_output(w->g, ctx_sym(w->kit.ctx, "loss"), loss);
    w->g = autodiff_run(w->g);
    if (diags_errors(w->kit.ctx->diags) == 0) return true;
    ck_assert_int_eq(diags_get(w->kit.ctx->diags, 0)->code, E_NOGRAD);
    return false;
}

static void net_check(uint64_t seed) {
    static const int64_t batches[] = {1, 5, 16, 31, 40};
    Net net, *w = &net;
    net_make(w, seed);
    if (seed % 2 == 0 && !net_differentiate(w)) {
        kit_destroy(&w->kit);
        return;
    }
    Graph *g = opt_seal(opt_dce(opt_cse(opt_fold(opt_simplify(w->g)))));
    Entry entry = {.name = "f", .kind = BMRT_ENTRY_STEP, .graph = g};
    vec_push(w->kit.ctx->arena, &w->program.entries, entry);
    int64_t symbols[] = {batches[below(w, 5)]};
    char label[64];
    snprintf(label, sizeof label, "net %llu", (unsigned long long)seed);
    Compare compare = {.ctx = w->kit.ctx,
                       .program = &w->program,
                       .graph = g,
                       .symbols = symbols,
                       .seed = seed,
                       .step = seed,
                       .fusion = seed % 5 != 1,
                       .memory_plan = seed % 7 != 1,
                       .label = label};
    ck_assert_msg(compare_run(&compare, &w->random, seed % 3 == 1), "%s is not supported", label);
    kit_destroy(&w->kit);
}

START_TEST(compiled_equals_reference) {
    net_check((uint64_t)(number_from("BMC_RANDOM_FIRST", 0) + _i));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_wide");
    TCase *t = tcase_create("wide");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, compiled_equals_reference, 0, number_from("BMC_RANDOM_COUNT", 40));
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
