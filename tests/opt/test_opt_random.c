/* Every pass on random graphs: outputs, written slots and flags must keep every bit (NaNs are all
 * equal). Rows of simplify that may change rounding are kept out of these graphs. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/opt/opt.h"
#include "tests/kit/evaluate.h"
#include "tests/kit/random_graph.h"

enum { TRIALS = 4000, NODES = 40 };

typedef struct Pass {
    const char *name;
    Graph *(*run)(const Graph *);
} Pass;

static const Pass passes[] = {{"simplify", opt_simplify}, {"fold", opt_fold}, {"loops", opt_loops},
                              {"cse", opt_cse},           {"dce", opt_dce},   {"seal", opt_seal}};

typedef struct World { /* values of one trial */
    Tensor inputs[GROW_MAX];
    Tensor slots[2];
    Arena *arena;
} World;

static void fill(Random *r, Tensor *t) {
    static const double special[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1e-40, 3e38};
    size_t count = tensor_count(t), bytes = dtype_bytes(t->dtype);
    for (size_t i = 0; i < count; i++) {
        double value = random_below(r, 4) ? random_between(r, -3, 3) : special[random_below(r, 9)];
        int64_t word = dtype_is_float(t->dtype)
                           ? dtype_word_from_f64(t->dtype, value)
                           : dtype_word_from_int(t->dtype, (int64_t)random_below(r, 5) - 2);
        if (t->dtype == DTYPE_BOOL) word = random_below(r, 2);
        memcpy((char *)t->data + i * bytes, &word, bytes);
    }
}

static Tensor make(World *world, Random *r, const Graph *g, DType dtype, const Shape *shape) {
    Tensor t = {.dtype = dtype, .rank = shape->rank};
    for (uint32_t i = 0; i < shape->rank; i++)
        ck_assert(dim_eval(g->dims, shape->dims[i], (int64_t[]){GROW_BATCH}, &t.dims[i]));
    t.data = arena_alloc(world->arena, tensor_bytes(&t) + 1);
    fill(r, &t);
    return t;
}

static void make_world(World *world, Random *r, const Graph *g) {
    for (uint32_t i = 0; i < g->inputs.len; i++)
        world->inputs[i] = make(world, r, g, g->inputs.data[i].dtype, &g->inputs.data[i].shape);
    for (uint32_t i = 0; i < 2; i++) {
        Shape shape = {.rank = g->slots[i].rank};
        for (uint32_t k = 0; k < shape.rank; k++)
            shape.dims[k] = dim_const(g->dims, g->slots[i].dims[k]);
        world->slots[i] = make(world, r, g, g->slots[i].dtype, &shape);
    }
}

static void canonical(Tensor *t) {
    size_t count = tensor_count(t), bytes = dtype_bytes(t->dtype);
    if (!dtype_is_float(t->dtype)) return;
    for (size_t i = 0; i < count; i++) {
        int64_t word = 0, nan = dtype_word_from_f64(t->dtype, NAN);
        memcpy(&word, (char *)t->data + i * bytes, bytes);
        if (isnan(dtype_word_to_f64(t->dtype, word)))
            memcpy((char *)t->data + i * bytes, &nan, bytes);
    }
}

typedef struct Result {
    const Tensor *outputs;
    Tensor slots[2];
    uint32_t flags;
} Result;

static Result run(const World *world, const Graph *g) {
    Result r;
    for (int i = 0; i < 2; i++) {
        r.slots[i] = world->slots[i];
        size_t bytes = tensor_bytes(&world->slots[i]);
        r.slots[i].data = arena_alloc(world->arena, bytes + 1);
        memcpy(r.slots[i].data, world->slots[i].data, bytes);
    }
    r.outputs =
        evaluate(g, world->inputs, r.slots, (int64_t[]){GROW_BATCH}, world->arena, &r.flags);
    for (uint32_t i = 0; i < g->outputs.len; i++) canonical((Tensor *)&r.outputs[i]);
    for (int i = 0; i < 2; i++) canonical(&r.slots[i]);
    return r;
}

static bool same_tensor(const Tensor *a, const Tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank && tensor_bytes(a) == tensor_bytes(b) &&
           memcmp(a->data, b->data, tensor_bytes(a)) == 0;
}

static void print_both(Context *ctx, const Graph *a, const Graph *b) {
    Text text = {.arena = ctx->arena};
    graph_print(&text, a);
    graph_print(&text, b);
    fputs(text_str(&text), stderr);
}

static void compare(Context *ctx, const char *pass, int trial, const Graph *a, const Graph *b,
                    const Result *x, const Result *y) {
    bool same = a->outputs.len == b->outputs.len && (y->flags & ~x->flags) == 0;
    int64_t at = same ? -1 : -2;
    for (uint32_t i = 0; same && i < a->outputs.len; i++) {
        same = a->outputs.data[i].name == b->outputs.data[i].name &&
               same_tensor(&x->outputs[i], &y->outputs[i]);
        at = i;
    }
    for (int i = 0; same && i < 2; i++) same = same_tensor(&x->slots[i], &y->slots[i]);
    if (same) return;
    print_both(ctx, a, b);
    ck_abort_msg("%s changed a result of trial %d (output %lld, flags %u and %u)", pass, trial,
                 (long long)at, x->flags, y->flags);
}

static uint32_t contracts(const Graph *g) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph_size(g); i++)
        count += graph_node(g, (NodeId){i})->op == OP_CONTRACT;
    return count;
}

typedef struct Trial {
    Context *ctx;
    Grow *grow;
    Slot slots[2];
} Trial;

static void open_trial(Trial *t, uint64_t seed, uint32_t nodes) {
    Context *ctx = context_create();
    DimTable *dims = dims_create(ctx->arena);
    t->ctx = ctx;
    t->slots[0] = (Slot){.path = ctx_sym(ctx, "w"), .dtype = DTYPE_F32, .rank = 2, .dims = {2, 3}};
    t->slots[1] =
        (Slot){.path = ctx_sym(ctx, "t"), .kind = SLOT_STATE, .dtype = DTYPE_F64, .rank = 0};
    Grow *w = t->grow = ARENA_NEW(ctx->arena, Grow);
    w->kit = (Kit){.ctx = ctx, .dims = dims, .g = graph_create(ctx, dims, t->slots, 2)};
    w->g = w->kit.g;
    w->random.state = seed;
    w->batch = dim_symbol(dims, ctx_sym(ctx, "B"), 8);
    grow_graph(w, nodes);
}

/* Runs all passes over `g`. False when it held a sum of products, which may change rounding. */
static bool check_passes(Trial *t, const Graph *g, int trial, uint32_t *removed) {
    World world = {.arena = arena_create()};
    make_world(&world, &t->grow->random, g);
    const Graph *before = g;
    Result old = run(&world, before);
    bool exact = true;
    for (size_t i = 0; exact && i < sizeof passes / sizeof *passes; i++) {
        Graph *after = passes[i].run(before);
        ck_assert_uint_eq(diags_errors(t->ctx->diags), 0);
        graph_verify(after);
        exact = contracts(after) <= contracts(before);
        Result new = run(&world, after);
        if (exact) compare(t->ctx, passes[i].name, trial, before, after, &old, &new);
        if (!after->sealed && passes[i].run(after) != after) {
            print_both(t->ctx, after, passes[i].run(after));
            ck_abort_msg("%s of trial %d has something left to do", passes[i].name, trial);
        }
        before = after;
    }
    *removed += graph_size(g) > graph_size(before) ? graph_size(g) - graph_size(before) : 0;
    arena_destroy(world.arena);
    return exact;
}

START_TEST(passes_keep_every_bit) {
    uint32_t exact = 0, removed = 0;
    for (int i = 0; i < TRIALS / 4; i++) {
        Trial t;
        int trial = 4 * i + _i;
        open_trial(&t, (uint64_t)trial, NODES);
        Grow *w = t.grow;
        for (uint32_t k = 0; k < w->count; k++)
            if (_i % 2 || below(w, 6) == 0) kit_output(&w->kit, "out", w->pool[k]);
        NodeId read = g_read(w->g, 0, nowhere);
        graph_write(w->g, 0, g_binary(w->g, OP_ADD, read, partner(w, read), nowhere));
        exact += check_passes(&t, w->g, trial, &removed);
        context_destroy(t.ctx);
    }
    ck_assert_uint_ge(exact, TRIALS / 4 * 9 / 10);
    ck_assert_uint_gt(removed, TRIALS / 4); /* the graphs do give the passes work */
}
END_TEST

/* Some float of the graph and its gradients by earlier floats. */
static void ask_for_gradients(Grow *w) {
    NodeId y = pick_type(w, dtype_is_float);
    if (node_is_none(y)) return;
    NodeId loss = kit_sum_all(&w->kit, y);
    for (int i = 0; i < 3; i++) {
        NodeId x = pick_type(w, dtype_is_float);
        if (node_is_none(x) || x.id > y.id) continue;
        NodeId d = g_grad(w->g, loss, x, nowhere);
        kit_output(&w->kit, "d", d);
        if (i == 2) kit_output(&w->kit, "dd", g_grad(w->g, kit_sum_all(&w->kit, d), x, nowhere));
    }
}

/* The same on what autodiff makes of random graphs, second derivatives included. */
START_TEST(passes_keep_every_bit_of_gradients) {
    uint32_t exact = 0, tried = 0, removed = 0;
    for (int i = 0; i < TRIALS / 4; i++) {
        Trial t;
        int trial = 4 * i + _i;
        open_trial(&t, (uint64_t)trial + 1000000, NODES / 2);
        ask_for_gradients(t.grow);
        Graph *d = autodiff_run(t.grow->g);
        bool exists = diags_errors(t.ctx->diags) == 0 && d != t.grow->g;
        if (exists) {
            graph_verify(d);
            tried++;
            exact += check_passes(&t, d, trial, &removed);
        }
        context_destroy(t.ctx);
    }
    ck_assert_uint_ge(tried, TRIALS / 40);
    ck_assert_uint_ge(exact, tried * 8 / 10);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes on random graphs");
    TCase *tests = tcase_create("random");
    tcase_set_timeout(tests, 200);
    tcase_add_loop_test(tests, passes_keep_every_bit, 0, 4);
    tcase_add_loop_test(tests, passes_keep_every_bit_of_gradients, 0, 4);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
