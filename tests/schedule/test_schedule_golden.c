/* The loop programs of a few small graphs, as text: what fusion, tiles, barriers and the memory
 * plan make of them. Refreshed with BMC_BLESS=1 and reviewed as a diff. */
#include "compare_kit.h"
#include "step_sample.h"

static LoopProgram *schedule(Context *ctx, const Program *program, const Entry *entry) {
    ScheduleOptions o;
    schedule_options_default(&o);
    o.variants = false; /* programs for a batch of 1 would double every page */
    LoopProgram *p = schedule_entry(ctx, program, entry, &o);
    ck_assert_ptr_nonnull(p);
    return p;
}

static void golden(Context *ctx, const char *name, const LoopProgram *p) {
    Text text = {.arena = ctx->arena};
    loop_print(&text, p);
    kit_golden(arena_printf(ctx->arena, "schedule/golden/%s.loop", name), text_str(&text));
}

/* One dense layer and its update: the contraction takes in bias and relu, the gradient's the Adam
 * step of the weight and both moments, in place. */
START_TEST(dense_step) {
    Context *ctx = context_create();
    StepSpec spec = {.batch = 32, .width = {12, 32}, .layers = 1, .dtype = DTYPE_F32};
    StepSample *s = step_sample(ctx, &spec);
    golden(ctx, "dense_step", schedule(ctx, &s->program, &s->entry));
    context_destroy(ctx);
}
END_TEST

typedef struct Sheet {
    Context *ctx;
    Program program;
    Entry entry;
    Kit k;
} Sheet;

static Sheet *sheet_open(void) {
    Context *ctx = context_create();
    Sheet *s = ARENA_NEW(ctx->arena, Sheet);
    s->ctx = s->k.ctx = ctx;
    s->k.dims = dims_create(ctx->arena);
    s->k.g = graph_create(ctx, s->k.dims, NULL, 0);
    s->program = (Program){.ctx = ctx, .stem = "sheet", .source = "", .dims = s->k.dims};
    return s;
}

static void sheet_golden(Sheet *s, const char *name) {
    s->k.g->sealed = true;
    s->entry = (Entry){.name = name, .kind = BMRT_ENTRY_EXPORT, .graph = s->k.g};
    golden(s->ctx, name, schedule(s->ctx, &s->program, &s->entry));
    context_destroy(s->ctx);
}

static Shape matrix(Sheet *s, DimId rows, int64_t columns) {
    return (Shape){.rank = 2, .dims = {rows, dim_const(s->k.dims, columns)}};
}

/* Softmax of rows: four kernels over one partition of the rows, no barrier. */
START_TEST(softmax) {
    Sheet *s = sheet_open();
    Graph *g = s->k.g;
    DimId b = dim_symbol(s->k.dims, ctx_sym(s->ctx, "B"), 64);
    NodeId x = kit_input(&s->k, "x", DTYPE_F32, matrix(s, b, 40));
    NodeId top = g_reduce(g, OP_REDUCE_MAX, x, (uint32_t[]){1}, 1, nowhere);
    NodeId e =
        g_unary(g, OP_EXP, g_binary(g, OP_SUB, x, kit_column(&s->k, top, x), nowhere), nowhere);
    NodeId sum = g_reduce(g, OP_SUM, e, (uint32_t[]){1}, 1, nowhere);
    kit_output(&s->k, "y", g_binary(g, OP_DIV, e, kit_column(&s->k, sum, x), nowhere));
    sheet_golden(s, "softmax");
}
END_TEST

/* x @ w.T: the operand whose rows the vector would cross is transposed first; one barrier. */
START_TEST(transposed) {
    Sheet *s = sheet_open();
    DimId b = dim_symbol(s->k.dims, ctx_sym(s->ctx, "B"), 64);
    NodeId x = kit_input(&s->k, "x", DTYPE_F32, matrix(s, b, 20));
    NodeId w = kit_input(&s->k, "w", DTYPE_F32, matrix(s, dim_const(s->k.dims, 32), 20));
    kit_output(&s->k, "y",
               g_contract(s->k.g, x, (uint32_t[]){0, 1}, w, (uint32_t[]){2, 1}, (uint32_t[]){0, 2},
                          2, (uint32_t[]){1}, 1, nowhere));
    sheet_golden(s, "transposed");
}
END_TEST

/* Pixels to floats and flattened: one pass, nothing stored between. */
START_TEST(flatten) {
    Sheet *s = sheet_open();
    Graph *g = s->k.g;
    DimId b = dim_symbol(s->k.dims, ctx_sym(s->ctx, "B"), 64);
    Shape image = {.rank = 3, .dims = {b, dim_const(s->k.dims, 5), dim_const(s->k.dims, 7)}};
    NodeId x = g_cast(g, DTYPE_F32, kit_input(&s->k, "x", DTYPE_U8, image), nowhere);
    Shape flat = matrix(s, b, 35);
    NodeId y = g_binary(g, OP_DIV, x, kit_splat(&s->k, x, 255), nowhere);
    kit_output(&s->k, "y", g_reshape(g, y, &flat, nowhere));
    sheet_golden(s, "flatten");
}
END_TEST

/* Rows of a table, and what is added to them: the position is one number a row, the columns are
 * vectors, also where the rows' order must be kept. */
START_TEST(embedding) {
    Sheet *s = sheet_open();
    Graph *g = s->k.g;
    DimId b = dim_symbol(s->k.dims, ctx_sym(s->ctx, "B"), 64);
    Shape rows = {.rank = 1, .dims = {b}}, table = matrix(s, dim_const(s->k.dims, 50), 32);
    NodeId w = kit_input(&s->k, "w", DTYPE_F32, table);
    NodeId ids = kit_input(&s->k, "ids", DTYPE_I32, rows);
    NodeId dy = kit_input(&s->k, "dy", DTYPE_F32, matrix(s, b, 32));
    kit_output(&s->k, "y", g_gather(g, w, &ids, (uint32_t[]){0}, 1, nowhere));
    kit_output(&s->k, "dw", g_scatter_add(g, &table, dy, &ids, (uint32_t[]){0}, 1, nowhere));
    sheet_golden(s, "embedding");
}
END_TEST

/* ------------------------------------------------------------------ what the seed example needs */

static uint32_t barriers(const LoopProgram *p) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->order.len; i++) count += p->order.data[i].kind == ORDER_BARRIER;
    return count;
}

/* Forward and backward need one barrier (for the transposed weights), the losses and the guard one.
 */
START_TEST(seed_example_barriers) {
    Context *ctx = context_create();
    StepSpec spec = {.batch = 128,
                     .width = {784, 256, 128, 10},
                     .layers = 3,
                     .dropout = true,
                     .dtype = DTYPE_F32};
    StepSample *s = step_sample(ctx, &spec);
    LoopProgram *p = schedule(ctx, &s->program, &s->entry);
    ck_assert_uint_le(barriers(p), 2);
    ck_assert_uint_le(p->kernels.len, 28);
    ck_assert_int_le(p->arena_bytes, 700000);
    ck_assert_int_ge(p->arena_bytes, p->live_bytes_max);
    uint32_t in_place = 0; /* every weight and moment is written by the kernel of its gradient */
    for (uint32_t i = 0; i < p->kernels.len; i++) {
        const Kernel *k = p->kernels.data[i];
        for (uint32_t b = 0; b < k->buffers.len; b++)
            in_place += k->writes.data[b] &&
                        p->buffers.data[k->buffers.data[b]].storage == STORAGE_SLOT &&
                        strstr(k->name, "copy") == NULL;
    }
    ck_assert_uint_eq(in_place, 18);
    context_destroy(ctx);
}
END_TEST

/* A deep row-wise model needs two buffers, however deep: no barrier, values follow each other. */
START_TEST(deep_inference_memory) {
    Sheet *s = sheet_open();
    DimId b = dim_symbol(s->k.dims, ctx_sym(s->ctx, "B"), 64), n = dim_const(s->k.dims, 32);
    NodeId x = kit_input(&s->k, "x", DTYPE_F32, matrix(s, b, 32));
    for (int i = 0; i < 12; i++) {
        char name[8] = {'w', (char)('a' + i), 0};
        NodeId w = kit_input(&s->k, name, DTYPE_F32, matrix(s, n, 32));
        x = g_unary(s->k.g, OP_TANH, kit_matmul(&s->k, x, w), nowhere);
    }
    kit_output(&s->k, "y", x);
    s->k.g->sealed = true;
    s->entry = (Entry){.name = "deep", .kind = BMRT_ENTRY_EXPORT, .graph = s->k.g};
    const LoopProgram *p = schedule(s->ctx, &s->program, &s->entry);
    ck_assert_uint_eq(barriers(p), 0);
    ck_assert_int_eq(p->arena_bytes, 2 * 64 * 32 * 4);
    context_destroy(s->ctx);
}
END_TEST

/* tanh(u) u goes on to another layer, whose gradient wants four values of u: only u is stored for
 * it, next to what the layer reads. */
START_TEST(activation_gradient) {
    Sheet *s = sheet_open();
    Graph *g = s->k.g;
    DimId b = dim_symbol(s->k.dims, ctx_sym(s->ctx, "B"), 64), n = dim_const(s->k.dims, 32);
    NodeId x = kit_input(&s->k, "x", DTYPE_F32, matrix(s, b, 32));
    NodeId w = kit_input(&s->k, "w", DTYPE_F32, matrix(s, n, 32));
    NodeId v = kit_input(&s->k, "v", DTYPE_F32, matrix(s, n, 32));
    NodeId u = g_unary(g, OP_ABS, kit_matmul(&s->k, x, w), nowhere);
    NodeId t = g_unary(g, OP_TANH, u, nowhere), y = g_binary(g, OP_MUL, t, u, nowhere);
    NodeId slope =
        g_binary(g, OP_SUB, kit_splat(&s->k, t, 1), g_binary(g, OP_MUL, t, t, nowhere), nowhere);
    NodeId back = kit_matmul(&s->k, kit_matmul(&s->k, y, v), v);
    NodeId sum = g_binary(g, OP_ADD, t, g_binary(g, OP_MUL, u, slope, nowhere), nowhere);
    kit_output(&s->k, "dx", g_binary(g, OP_MUL, back, sum, nowhere));
    s->k.g->sealed = true;
    s->entry = (Entry){.name = "slope", .kind = BMRT_ENTRY_EXPORT, .graph = s->k.g};
    const LoopProgram *p = schedule(s->ctx, &s->program, &s->entry);
    ck_assert_uint_eq(p->kernels.len, 3);
    uint32_t writes = 0;
    for (uint32_t i = 0; i < p->kernels.data[0]->buffers.len; i++)
        writes += p->kernels.data[0]->writes.data[i];
    ck_assert_uint_eq(writes, 2); /* u and y */
    context_destroy(s->ctx);
}
END_TEST

/* Two schedules of one entry are the same, to the last offset. */
START_TEST(deterministic) {
    const char *texts[2];
    Context *ctx[2];
    for (int i = 0; i < 2; i++) {
        ctx[i] = context_create();
        StepSpec spec = {
            .batch = 16, .width = {9, 33, 4}, .layers = 2, .dropout = true, .dtype = DTYPE_F32};
        StepSample *s = step_sample(ctx[i], &spec);
        Text text = {.arena = ctx[i]->arena};
        loop_print(&text, schedule(ctx[i], &s->program, &s->entry));
        texts[i] = text_str(&text);
    }
    ck_assert_str_eq(texts[0], texts[1]);
    context_destroy(ctx[0]);
    context_destroy(ctx[1]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schedule golden");
    TCase *t = tcase_create("all");
    tcase_add_test(t, dense_step);
    tcase_add_test(t, softmax);
    tcase_add_test(t, transposed);
    tcase_add_test(t, flatten);
    tcase_add_test(t, embedding);
    tcase_add_test(t, seed_example_barriers);
    tcase_add_test(t, deep_inference_memory);
    tcase_add_test(t, activation_gradient);
    tcase_add_test(t, deterministic);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
