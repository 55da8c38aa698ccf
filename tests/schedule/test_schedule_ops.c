/* Each kind of kernel alone: reductions over any axes, contractions of any labels, views in every
 * place, indexing, and writes whose order matters. */
#include "compare_kit.h"
#include "tests/kit/graph_kit.h"

typedef struct Case {
    Kit k;
    Program program;
    Entry entry;
    DimId b; /* a symbol, bound 40 */
    Slot slots[4];
} Case;

static Case *case_open(uint32_t slots) {
    static const char *const path[] = {"a.w", "a.v", "a.u", "a.s"};
    Context *ctx = context_create();
    Case *c = ARENA_NEW(ctx->arena, Case);
    for (uint32_t i = 0; i < 4; i++)
        c->slots[i] = (Slot){.path = ctx_sym(ctx, path[i]),
                             .dtype = DTYPE_F32,
                             .rank = i == 3 ? 0 : 2,
                             .dims = {24, 24}};
    c->k.ctx = ctx;
    c->k.dims = dims_create(ctx->arena);
    c->k.g = graph_create(ctx, c->k.dims, c->slots, slots);
    c->b = dim_symbol(c->k.dims, ctx_sym(ctx, "B"), 40);
    c->program =
        (Program){.ctx = ctx, .stem = "ops", .source = "", .dims = c->k.dims, .init_entry = -1};
    return c;
}

static void case_check(Case *c, int64_t batch) {
    graph_verify(c->k.g);
    c->k.g->sealed = true;
    c->entry = (Entry){.name = "entry", .kind = BMRT_ENTRY_STEP, .graph = c->k.g};
    Compare x = {
        .ctx = c->k.ctx, .program = &c->program, .entry = &c->entry, .seed = 5, .index_limit = 6};
    x.symbols[0] = batch;
    compare_inputs(&x);
    const char *problem = compare_all(&x);
    ck_assert_msg(!problem, "batch %lld: %s", (long long)batch, problem);
}

static void case_close(Case *c) {
    context_destroy(c->k.ctx);
}

static Shape shape_of(Case *c, uint32_t rank, const int64_t *dims) { /* -1: the symbol */
    Shape s = {.rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        s.dims[i] = dims[i] < 0 ? c->b : dim_const(c->k.dims, dims[i]);
    return s;
}
#define DIMS(...)                                                                                  \
    shape_of(c, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static NodeId input(Case *c, const char *name, DType t, Shape s) {
    return kit_input(&c->k, name, t, s);
}
static NodeId op1(Case *c, Op op, NodeId x) {
    return g_unary(c->k.g, op, x, nowhere);
}
static NodeId op2(Case *c, Op op, NodeId x, NodeId y) {
    return g_binary(c->k.g, op, x, y, nowhere);
}
static NodeId full(Case *c, NodeId like, double v) {
    return kit_splat(&c->k, like, v);
}

/* ------------------------------------------------------------------ reductions */

typedef struct ReduceCase {
    uint32_t rank, count;
    int64_t dims[4];
    uint32_t axes[3];
} ReduceCase;
static const ReduceCase reduce_cases[] = {
    {1, 1, {-1}, {0}},
    {1, 1, {9001}, {0}},
    {1, 1, {5}, {0}},
    {2, 1, {-1, 37}, {1}},
    {2, 1, {-1, 37}, {0}},
    {2, 2, {-1, 37}, {0, 1}},
    {2, 1, {3, 5000}, {1}},
    {2, 1, {5000, 3}, {0}},
    {3, 1, {-1, 6, 18}, {1}},
    {3, 2, {-1, 6, 18}, {1, 2}},
    {3, 2, {-1, 6, 18}, {0, 2}},
    {3, 2, {7, 6, 18}, {0, 1}},
    {4, 2, {3, 4, 5, 17}, {1, 2}},
    {3, 3, {4, -1, 9}, {0, 1, 2}},
    {2, 1, {1, 20}, {0}},
    {2, 1, {8200, 3}, {0}}, /* from here on: blocks by all threads */
    {4, 3, {-1, 15, 15, 6}, {0, 1, 2}},
    {2, 2, {-1, 300}, {0, 1}},
    {2, 1, {8195, 34}, {0}},
};
enum { REDUCE_CASES = sizeof reduce_cases / sizeof reduce_cases[0] };

START_TEST(reductions) {
    const ReduceCase *r = &reduce_cases[_i % REDUCE_CASES];
    static const Op ops[] = {OP_SUM, OP_REDUCE_MAX, OP_REDUCE_MIN, OP_ARGMAX};
    static const DType types[] = {DTYPE_F32, DTYPE_F64, DTYPE_I32, DTYPE_BF16};
    for (uint32_t t = 0; t < 4; t++) {
        Case *c = case_open(0);
        NodeId x = input(c, "x", types[t], shape_of(c, r->rank, r->dims));
        NodeId y = op2(c, OP_MUL, x, x); /* a prologue */
        for (uint32_t i = 0; i < 4; i++) {
            if (ops[i] == OP_ARGMAX && r->count > 1) continue;
            NodeId z = g_reduce(c->k.g, ops[i], i & 1 ? x : y, r->axes, r->count, nowhere);
            char name[8] = {'y', (char)('0' + i), 0};
            kit_output(&c->k, name, ops[i] == OP_ARGMAX ? z : op1(c, OP_NEG, z));
        }
        case_check(c, _i % 2 ? 40 : 13);
        case_close(c);
    }
}
END_TEST

/* ------------------------------------------------------------------ contractions */

typedef struct ContractCase {
    const char *labels; /* "ab,bc->ac"; reduced in the order of first use */
    int64_t size[6];    /* of a, b, c ... ; -1: the symbol */
} ContractCase;
static const ContractCase contract_cases[] = {
    {"ab,bc->ac", {-1, 33, 48}},
    {"ab,cb->ac", {-1, 20, 40}},
    {"ba,bc->ac", {24, -1, 50}},
    {"ba,cb->ac", {30, -1, 17}},
    {"ab,b->a", {-1, 12}},
    {"b,bc->c", {0, 9, 35}},
    {"a,b->ab", {-1, 21}},
    {"ab,ab->a", {-1, 19}},
    {"ab,ab->", {5, 9}},
    {"abc,acd->abd", {3, 10, 7, 20}},
    {"abc,adc->abd", {3, -1, 7, 20}},
    {"abcd,cde->abe", {3, 9, 4, 5, 18}},
    {"abc,cbd->ad", {-1, 3, 4, 33}},
    {"ab,bc->ca", {-1, 33, 48}},
    {"ab,bc->ac", {2, 4100, 20}},
    {"ba,bc->ac", {3, 9000, 5}},
    {"abc,abd->cd", {70, 65, 4, 6}},
    {"ab,ac->abc", {9, 5, 20}},
    {"ab,cd->acbd", {3, 4, 2, 18}},
    {"ab,bc->ac", {1, 30, 200}},
    {"ab,bc->ac", {17, 8, 3}},
    {"abc,cd->abd", {6, -1, 12, 32}},
    {"ab,ac->bc", {0, 20, 20}},
};
enum { CONTRACT_CASES = sizeof contract_cases / sizeof contract_cases[0] };

static uint32_t parse_labels(const char **text, uint32_t *letters) {
    uint32_t count = 0;
    for (; **text >= 'a' && **text <= 'z'; (*text)++) letters[count++] = (uint32_t)(**text - 'a');
    while (**text == ',' || **text == '-' || **text == '>') (*text)++;
    return count;
}

START_TEST(contractions) {
    const ContractCase *x = &contract_cases[_i % CONTRACT_CASES];
    static const DType types[] = {DTYPE_F32, DTYPE_F64, DTYPE_I32, DTYPE_F16};
    for (uint32_t t = 0; t < 4; t++) {
        Case *c = case_open(0);
        uint32_t la[6], lb[6], out[6], reduced[6], nr = 0;
        const char *text = x->labels;
        uint32_t na = parse_labels(&text, la), nb = parse_labels(&text, lb);
        uint32_t no = parse_labels(&text, out);
        int64_t da[6], db[6];
        for (uint32_t i = 0; i < na; i++) {
            bool kept = false;
            for (uint32_t k = 0; k < no; k++) kept |= out[k] == la[i];
            if (!kept) reduced[nr++] = la[i];
            da[i] = x->size[la[i]];
        }
        for (uint32_t i = 0; i < nb; i++) db[i] = x->size[lb[i]];
        NodeId a = input(c, "a", types[t], shape_of(c, na, da));
        NodeId b = input(c, "b", types[t], shape_of(c, nb, db));
        NodeId y = g_contract(c->k.g, a, la, b, lb, out, no, reduced, nr, nowhere);
        NodeId z = op2(c, OP_MAX, op2(c, OP_ADD, y, full(c, y, 1)), full(c, y, 0));
        kit_output(&c->k, "y", y);
        kit_output(&c->k, "z", z);
        if (types[t] == DTYPE_F32) {
            NodeId both = op2(c, OP_MUL, op1(c, OP_EXP, z), op1(c, OP_NEG, y));
            kit_output(&c->k, "both", both);
        }
        case_check(c, _i % 2 ? 40 : 11);
        case_close(c);
    }
}
END_TEST

/* ------------------------------------------------------------------ views */

START_TEST(views) {
    Case *c = case_open(0);
    Graph *g = c->k.g;
    NodeId x = input(c, "x", DTYPE_F32, DIMS(-1, 6, 8)), s = input(c, "s", DTYPE_F32, DIMS(8));
    NodeId e = op2(c, OP_MUL, x, x);
    DimId zero = dim_const(c->k.dims, 0), one = dim_const(c->k.dims, 1);
    DimId two = dim_const(c->k.dims, 2), three = dim_const(c->k.dims, 3);
    Shape flat = DIMS(-1, 48), split = DIMS(-1, 6, 2, 4), unit = DIMS(-1, 1, 6, 1, 8);
    kit_output(&c->k, "flat", g_reshape(g, e, &flat, nowhere));
    kit_output(&c->k, "split", g_reshape(g, e, &split, nowhere));
    kit_output(&c->k, "unit", g_reshape(g, e, &unit, nowhere));
    NodeId p = g_permute(g, e, (uint32_t[]){2, 0, 1}, nowhere);
    kit_output(&c->k, "permute", op1(c, OP_NEG, p));
    Shape mixed = {
        .rank = 2,
        .dims = {dim_mul(c->k.dims, c->b, dim_const(c->k.dims, 8)), dim_const(c->k.dims, 6)}};
    kit_output(&c->k, "mixed", op1(c, OP_ABS, g_reshape(g, p, &mixed, nowhere)));
    NodeId slice = g_slice(g, e, (DimId[]){zero, one, two}, (DimId[]){c->b, three, three},
                           (int64_t[]){1, 2, 2}, nowhere);
    kit_output(&c->k, "slice", slice);
    NodeId v = g_const(g, DTYPE_F32, &(Shape){0}, 2.5, nowhere);
    NodeId pad = g_pad(g, e, v, (DimId[]){one, two, zero}, (DimId[]){two, zero, three},
                       (int64_t[]){0, 1, 2}, nowhere);
    kit_output(&c->k, "pad", op2(c, OP_ADD, pad, pad));
    NodeId back = g_reverse(g, x, (uint32_t[]){0, 2}, 2, nowhere);
    kit_output(&c->k, "reverse", op2(c, OP_SUB, back, e));
    NodeId parts[3] = {x, op1(c, OP_EXP, x), back};
    NodeId joined = g_concat(g, parts, 3, 1, nowhere);
    kit_output(&c->k, "concat", joined);
    kit_output(&c->k, "concat.sum", g_reduce(g, OP_SUM, joined, (uint32_t[]){1}, 1, nowhere));
    Shape like = graph_shape(g, x);
    NodeId wide = g_broadcast(g, op1(c, OP_EXP, s), &like, (int32_t[]){-1, -1, 0}, nowhere);
    kit_output(&c->k, "broadcast", op2(c, OP_MUL, wide, x));
    kit_output(&c->k, "pad.sum", g_reduce(g, OP_SUM, pad, (uint32_t[]){0, 1}, 2, nowhere));
    case_check(c, _i ? 40 : 3);
    case_close(c);
}
END_TEST

/* Sums that share a pass: over x, over what follows from it, and over what follows from a sum. */
START_TEST(sums_together) {
    Case *c = case_open(0);
    static const uint32_t rows[] = {0, 1, 2};
    NodeId x = input(c, "x", DTYPE_F32, DIMS(-1, 16, 15, 21));
    NodeId y = input(c, "y", DTYPE_F32, DIMS(-1, 16, 15, 21));
    NodeId mean = g_reduce(c->k.g, OP_SUM, x, rows, 3, nowhere);
    NodeId both = g_reduce(c->k.g, OP_SUM, op2(c, OP_MUL, x, y), rows, 3, nowhere);
    Shape all = DIMS(-1, 16, 15, 21);
    NodeId back = g_broadcast(c->k.g, mean, &all, (int32_t[]){-1, -1, -1, 0}, nowhere);
    NodeId centred = op2(c, OP_SUB, x, back);
    NodeId square = g_reduce(c->k.g, OP_SUM, op2(c, OP_MUL, centred, centred), rows, 3, nowhere);
    kit_output(&c->k, "mean", mean);
    kit_output(&c->k, "both", op1(c, OP_NEG, both));
    kit_output(&c->k, "square", square);
    kit_output(&c->k, "y", g_reduce(c->k.g, OP_SUM, y, rows, 3, nowhere));
    case_check(c, 40);
    case_close(c);
}
END_TEST

START_TEST(windows) {
    Case *c = case_open(0);
    Graph *g = c->k.g;
    NodeId x = input(c, "x", DTYPE_F32, DIMS(-1, 13, 5)),
           w = input(c, "w", DTYPE_F32, DIMS(5, 3, 18));
    NodeId win = g_window(g, x, &(WindowAxis){1, 3, 2, 2, 0, 0, 1}, 1, nowhere);
    kit_output(&c->k, "max", g_reduce(g, OP_REDUCE_MAX, win, (uint32_t[]){3}, 1, nowhere));
    kit_output(&c->k, "conv",
               g_contract(g, win, (uint32_t[]){0, 1, 2, 3}, w, (uint32_t[]){2, 3, 4},
                          (uint32_t[]){0, 1, 4}, 3, (uint32_t[]){3, 2}, 2, nowhere));
    case_check(c, 6);
    case_close(c);
}
END_TEST

/* The gradient of a convolution's weights over so many windows that threads share their chunks. */
START_TEST(sums_of_windows) {
    static const WindowAxis kinds[] = {
        {1, 3, 1, 1, 1, 1, 1}, {1, 3, 2, 1, 0, 2, 1}, {1, 2, 1, 3, 2, 0, 1}};
    static const int64_t length[] = {450, 900, 450}, places[] = {450, 900, 449};
    Case *c = case_open(0);
    Graph *g = c->k.g;
    NodeId x = input(c, "x", DTYPE_F32, DIMS(-1, length[_i], 3));
    NodeId win = g_window(g, x, &kinds[_i], 1, nowhere);
    NodeId dy = input(c, "dy", DTYPE_F32, DIMS(-1, places[_i] / kinds[_i].stride, 4));
    ck_assert(dim_equals(c->k.dims, graph_node(g, win)->dims[1], places[_i] / kinds[_i].stride));
    NodeId dw = g_contract(g, win, (uint32_t[]){3, 4, 1, 0}, dy, (uint32_t[]){3, 4, 2},
                           (uint32_t[]){0, 1, 2}, 3, (uint32_t[]){3, 4}, 2, nowhere);
    kit_output(&c->k, "dw", op1(c, OP_NEG, dw));
    case_check(c, 40);
    ScheduleOptions usual;
    schedule_options_default(&usual);
    Text text = {.arena = c->k.ctx->arena};
    loop_print(&text, schedule_entry(c->k.ctx, &c->program, &c->entry, &usual));
    ck_assert_ptr_nonnull(strstr(text_str(&text), "blocks of 1 contracts"));
    ck_assert_ptr_nonnull(strstr(text_str(&text), "soon x at ")); /* the next block of k */
    ck_assert_ptr_nonnull(strstr(text_str(&text), "soon dy at "));
    case_close(c);
}
END_TEST

/* ------------------------------------------------------------------ leaves, indexing, integers */

START_TEST(leaves) {
    Case *c = case_open(0);
    Graph *g = c->k.g;
    Shape s = DIMS(-1, 9);
    int64_t words[6];
    for (int i = 0; i < 6; i++) words[i] = dtype_word_from_f64(DTYPE_F32, i * 0.5 - 1);
    Shape three = DIMS(2, 3);
    NodeId table = graph_add(g, OP_CONST, DTYPE_F32, &three, NULL, 0, words, 6, nowhere);
    NodeId random = g_random(g, &s, 99, 1, nowhere);
    kit_output(&c->k, "table", op1(c, OP_NEG, table));
    kit_output(&c->k, "random", op2(c, OP_LESS, random, full(c, random, 0.5)));
    kit_output(&c->k, "iota", g_iota(g, DTYPE_I64, &s, 1, nowhere));
    kit_output(&c->k, "size", g_size(g, DTYPE_F64, dim_mul(c->k.dims, c->b, c->b), nowhere));
    for (int64_t i = 0; i < 3; i++) {
        char name[8] = {'c', (char)('0' + i), 0};
        kit_output(
            &c->k, name,
            graph_add(g, OP_CLOCK, i == 2 ? DTYPE_I32 : DTYPE_F32, NULL, NULL, 0, &i, 1, nowhere));
    }
    case_check(c, 7);
    case_close(c);
}
END_TEST

START_TEST(indexing) {
    Case *c = case_open(0);
    Graph *g = c->k.g;
    NodeId table = input(c, "table", DTYPE_F32, DIMS(5, 48)); /* indices go to 5: one is clamped */
    NodeId ids = input(c, "ids", DTYPE_I32, DIMS(-1, 3)), y = input(c, "y", DTYPE_I64, DIMS(-1));
    NodeId z = input(c, "z", DTYPE_F32, DIMS(-1, 9)), u = input(c, "u", DTYPE_F32, DIMS(-1, 3, 48));
    Shape b = DIMS(-1);
    NodeId rows = g_iota(g, DTYPE_I64, &b, 0, nowhere);
    kit_output(&c->k, "embed",
               op1(c, OP_NEG, g_gather(g, table, &ids, (uint32_t[]){0}, 1, nowhere)));
    kit_output(&c->k, "columns", g_gather(g, table, &y, (uint32_t[]){1}, 1, nowhere));
    NodeId at[2] = {rows, y};
    NodeId hit = g_gather(g, z, at, (uint32_t[]){0, 1}, 2, nowhere);
    kit_output(&c->k, "hit", hit);
    Shape zs = graph_shape(g, z), ts = graph_shape(g, table);
    kit_output(&c->k, "rows", g_scatter_add(g, &zs, hit, at, (uint32_t[]){0, 1}, 2, nowhere));
    NodeId grad = g_scatter_add(g, &ts, op2(c, OP_MUL, u, u), &ids, (uint32_t[]){0}, 1, nowhere);
    kit_output(&c->k, "grad", op2(c, OP_ADD, grad, table));
    Shape narrow = DIMS(6);
    kit_output(&c->k, "counts",
               g_scatter_add(g, &narrow, full(c, y, 1), &y, (uint32_t[]){0}, 1, nowhere));
    case_check(c, _i ? 40 : 4);
    case_close(c);
}
END_TEST

START_TEST(integers) {
    Case *c = case_open(0);
    NodeId x = input(c, "x", DTYPE_I32, DIMS(-1, 5)), y = input(c, "y", DTYPE_I32, DIMS(-1, 5));
    NodeId n = op1(c, OP_NEG, x);
    kit_output(&c->k, "div", op2(c, OP_DIV, n, y)); /* some are 0: flagged */
    kit_output(&c->k, "mod", op2(c, OP_ADD, op2(c, OP_MOD, n, y), x));
    kit_output(&c->k, "safe", op2(c, OP_MOD, n, full(c, n, 3)));
    case_check(c, 21);
    case_close(c);
}
END_TEST

/* ------------------------------------------------------------------ writes */

START_TEST(writes) {
    Case *c = case_open(4);
    Graph *g = c->k.g;
    NodeId w = g_read(g, 0, nowhere), v = g_read(g, 1, nowhere), u = g_read(g, 2, nowhere);
    NodeId s = g_read(g, 3, nowhere), x = input(c, "x", DTYPE_F32, DIMS(24, 24));
    NodeId sum = op2(c, OP_ADD, w, x);
    switch (_i) {
    case 0: /* a swap */
        graph_write(g, 0, v);
        graph_write(g, 1, w);
        break;
    case 1: /* a rotation with values */
        graph_write(g, 0, op2(c, OP_ADD, v, x));
        graph_write(g, 1, op2(c, OP_ADD, u, x));
        graph_write(g, 2, op2(c, OP_ADD, w, x));
        break;
    case 2: /* in place, but from another position */
        graph_write(g, 0, g_permute(g, op2(c, OP_MUL, w, w), (uint32_t[]){1, 0}, nowhere));
        graph_write(g, 1, g_reverse(g, v, (uint32_t[]){0}, 1, nowhere));
        break;
    case 3: /* one value twice, one also an output, one unchanged */
        graph_write(g, 0, sum);
        graph_write(g, 1, sum);
        graph_write(g, 2, u);
        kit_output(&c->k, "sum", sum);
        kit_output(&c->k, "old", w);
        kit_output(&c->k, "old.again", w);
        kit_output(&c->k, "sum.again", sum);
        break;
    case 4: /* momentum: v then w from it; the scalar counts and scales */
        graph_write(g, 3, op2(c, OP_ADD, s, full(c, s, 1)));
        {
            Shape like = graph_shape(g, w);
            NodeId scale = g_splat(g, op1(c, OP_EXP, op1(c, OP_NEG, s)), &like, nowhere);
            NodeId v1 = op2(c, OP_ADD, op2(c, OP_MUL, v, full(c, v, 0.9)), x);
            graph_write(g, 1, v1);
            graph_write(g, 0, op2(c, OP_SUB, w, op2(c, OP_MUL, v1, scale)));
        }
        break;
    case 5: /* a product of the old value with itself, written over it; another slot reads the old
             */
        graph_write(g, 0, kit_matmul(&c->k, w, w));
        graph_write(g, 1, kit_matmul(&c->k, w, v));
        break;
    case 6: /* a guard that is not finite: nothing is written */
        graph_write(g, 0, sum);
        g->guard = g_const(g, DTYPE_F32, &(Shape){0}, (double)INFINITY, nowhere);
        break;
    case 7: /* a finite guard computed from what is written */
        graph_write(g, 0, sum);
        graph_write(g, 1, op2(c, OP_MUL, sum, sum));
        g->guard = kit_sum_all(&c->k, sum);
        kit_output(&c->k, "guard", g->guard);
        break;
    default: /* constants and inputs */
        graph_write(g, 0, x);
        graph_write(g, 1, full(c, v, 3));
        graph_write(g, 2, op2(c, OP_ADD, w, v));
        break;
    }
    case_check(c, 1);
    case_close(c);
}
END_TEST

/* A long chain and a wide tree: expressions stay bounded. */
START_TEST(deep) {
    Case *c = case_open(0);
    NodeId x = input(c, "x", DTYPE_F32, DIMS(-1, 3)), y = x;
    for (int i = 0; i < 1500; i++) y = op2(c, OP_ADD, op2(c, OP_MUL, y, full(c, y, 0.5)), y);
    NodeId z = x;
    for (int i = 0; i < 40; i++) z = op2(c, OP_MUL, z, z);
    kit_output(&c->k, "y", y);
    kit_output(&c->k, "z", z);
    case_check(c, 5);
    case_close(c);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schedule ops");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, reductions, 0, 2 * REDUCE_CASES);
    tcase_add_loop_test(t, contractions, 0, 2 * CONTRACT_CASES);
    tcase_add_loop_test(t, views, 0, 2);
    tcase_add_test(t, sums_together);
    tcase_add_test(t, windows);
    tcase_add_loop_test(t, sums_of_windows, 0, 3);
    tcase_add_test(t, leaves);
    tcase_add_loop_test(t, indexing, 0, 2);
    tcase_add_test(t, integers);
    tcase_add_loop_test(t, writes, 0, 9);
    tcase_add_test(t, deep);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
