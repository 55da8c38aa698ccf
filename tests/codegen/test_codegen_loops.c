/* Loops, registers, lanes, trees, addresses, draws, flags, guards and shares of threads: hand-built
 * loop programs, compiled for two machines and run by several teams, against the interpreter. */
#include "tests/codegen/codegen_kit.h"
#include "tests/loop/loop_samples.h"
#include "tests/schedule/loop_interp.h"
#include <math.h>
#include <stdio.h>

enum { BOUND = 50, DATA_BYTES = 1 << 14, SLACK = 64 };

static Sample s;
static LoopProgram *p;
static Kernel *k;
static uint32_t inputs, outputs;
static char *in_data[4], *want[4], *got[4];

static void setup(void) {
    sample_open(&s, BOUND);
    p = s.p;
    inputs = outputs = 0;
    for (int i = 0; i < 4; i++) {
        in_data[i] = malloc(DATA_BYTES);
        want[i] = calloc(1, DATA_BYTES);
        got[i] = malloc(DATA_BYTES);
    }
}

static void teardown(void) {
    for (int i = 0; i < 4; i++) {
        free(in_data[i]);
        free(want[i]);
        free(got[i]);
    }
    sample_close(&s);
}

/* ---- short ways to write loop IR */

static DimId fixed(int64_t n) {
    return dim_const(s.program.dims, n);
}
static DimId rows_of(int64_t n) {
    return dim_mul(s.program.dims, s.batch, fixed(n));
}

static void kernel(const char *name, DimId extent, int64_t grain) {
    k = loop_kernel(p, name, (Span){0});
    k->parallel = grain > 0;
    if (grain > 0) {
        k->extent = extent;
        k->grain = grain;
    }
    sample_run(&s, ORDER_RUN, p->kernels.len - 1);
}
/* Program buffers; `use` makes them positions of the present kernel. */
static uint32_t buffer(const char *name, Storage storage, uint32_t *counter, DType t, DimId size) {
    uint32_t number = (*counter)++;
    return sample_buffer(&s, arena_printf(s.ctx->arena, "%s%u", name, number), storage, number, t,
                         size);
}
static uint32_t in(DType t, DimId size) {
    return buffer("in", STORAGE_INPUT, &inputs, t, size);
}
static uint32_t out(DType t, DimId size) {
    return buffer("out", STORAGE_OUTPUT, &outputs, t, size);
}
static uint32_t use(uint32_t buffer, bool write) {
    return loop_use(p, k, buffer, write);
}

static VarId var(const char *name) {
    return loop_var(p, k, name);
}
static ExprId of(VarId v) {
    return loop_of_var(p, k, v);
}
static ExprId n(int64_t value) {
    return loop_int(p, k, value);
}
static ExprId add(ExprId a, ExprId b) {
    return loop_add(p, k, a, b);
}
static ExprId mul(ExprId a, ExprId b) {
    return loop_mul(p, k, a, b);
}
static ExprId leaf(ExprKind kind) {
    Expr e = {.kind = kind, .dtype = DTYPE_I64};
    return loop_expr(p, k, &e);
}
static ExprId two(ExprKind kind, ExprId a, ExprId b) {
    Expr e = {.kind = kind, .dtype = DTYPE_I64, .nargs = 2, .args = {a, b}};
    return loop_expr(p, k, &e);
}
static ExprId f32(double v) {
    return loop_const(p, k, DTYPE_F32, v);
}
static ExprId op2(Op op, ExprId a, ExprId b) {
    ExprId args[] = {a, b};
    DType t = k->exprs.data[a.id].dtype;
    return loop_op(p, k, op, op == OP_LESS || op == OP_EQUAL ? DTYPE_BOOL : t, args, 2);
}
static ExprId cast(DType to, ExprId a) {
    return loop_op(p, k, OP_CAST, to, &a, 1);
}
static ExprId load(uint32_t position, ExprId at) {
    return loop_load(p, k, position, at);
}
static ExprId load_where(uint32_t position, ExprId at, ExprId pred, ExprId other) {
    Expr e = {.kind = EXPR_LOAD,
              .nargs = 3,
              .args = {at, pred, other},
              .buffer = position,
              .dtype = p->buffers.data[k->buffers.data[position]].dtype};
    return loop_expr(p, k, &e);
}
static StmtId serial(const StmtId *parent, VarId v, ExprId from, ExprId to, int64_t step) {
    return loop_for(p, k, parent, LOOP_SERIAL, v, from, to, step, 0, EXPR_NONE);
}
static StmtId unroll(const StmtId *parent, VarId v, uint32_t count) {
    return loop_for(p, k, parent, LOOP_UNROLL, v, EXPR_NONE, EXPR_NONE, 0, count, EXPR_NONE);
}
static StmtId vector(const StmtId *parent, VarId v, uint32_t lanes, ExprId limit) {
    return loop_for(p, k, parent, LOOP_VECTOR, v, EXPR_NONE, EXPR_NONE, 0, lanes, limit);
}
static StmtId rows(VarId v) {
    return serial(NULL, v, leaf(EXPR_LO), leaf(EXPR_HI), 1);
}
static void store(const StmtId *parent, uint32_t position, ExprId at, ExprId value) {
    loop_store(p, k, parent, position, at, value, EXPR_NONE);
}
static RegId reg(const char *name, DType t, const VarId *vars, uint32_t count) {
    return loop_reg(p, k, name, t, vars, count);
}
static ExprId read_reg(RegId r) {
    return loop_of_reg(p, k, r);
}
static ExprId random_at(ExprId element, uint64_t site, uint64_t draw) {
    Expr e = {.kind = EXPR_RANDOM,
              .dtype = DTYPE_F32,
              .nargs = 1,
              .args = {element},
              .imm = site,
              .imm2 = draw};
    return loop_expr(p, k, &e);
}

/* ---- running */

static void data_fill(void) {
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        const LoopBuffer *b = &p->buffers.data[i];
        if (b->storage != STORAGE_INPUT) continue;
        char *to = in_data[b->number];
        for (uint32_t e = 0; e < DATA_BYTES / dtype_bytes(b->dtype); e++) {
            double v = b->dtype == DTYPE_BOOL  ? e % 3 == 0
                       : b->dtype == DTYPE_I32 ? (double)((e * 7 + 3) % 20)
                                               : ((double)(e * 37 % 101) - 50) / 8;
            int64_t word = dtype_word_from_f64(b->dtype, v);
            memcpy(to + e * dtype_bytes(b->dtype), &word, dtype_bytes(b->dtype));
        }
    }
}

static uint32_t run_compiled(const BmrtModel *model, int64_t batch, int32_t threads) {
    uint32_t flags = 0;
    int64_t symbols[] = {batch};
    for (int i = 0; i < 4; i++) memset(got[i], 0x5A, DATA_BYTES);
    BmrtFrame frame = {.inputs = (const void *const *)in_data,
                       .outputs = (void *const *)got,
                       .symbols = symbols,
                       .seed = 42,
                       .step = 9,
                       .iteration = 9,
                       .epoch = 1.25,
                       .progress = 0.5,
                       .flags = &flags};
    team_run(&model->entries[0], &frame, threads);
    return flags;
}

static void outputs_agree(int64_t batch, int32_t threads, const char *cpu) {
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        const LoopBuffer *b = &p->buffers.data[i];
        int64_t count;
        if (b->storage != STORAGE_OUTPUT) continue;
        ck_assert(dim_eval(s.program.dims, b->count, &batch, &count));
        size_t bytes = (size_t)count * dtype_bytes(b->dtype);
        for (size_t at = 0; at < bytes; at++)
            ck_assert_msg(want[b->number][at] == got[b->number][at],
                          "%s: byte %zu of %zu: %02x wanted, %02x; B = %lld, %d threads, %s",
                          b->name, at, bytes, (unsigned char)want[b->number][at],
                          (unsigned char)got[b->number][at], (long long)batch, threads,
                          cpu ? cpu : "native");
        for (size_t at = bytes; at < bytes + SLACK; at++)
            ck_assert_msg(got[b->number][at] == 0x5A, "%s: written behind its end", b->name);
    }
}

static void check(void) {
    static const char *const cpus[] = {NULL, "x86-64-v3"};
    static const int64_t batches[] = {0, 1, 7, 33, 50};
    static const int32_t threads[] = {1, 2, 3, 7};
    loop_verify(p);
    data_fill();
    for (int c = 0; c < 2; c++) {
        Compiled compiled = compile_for(s.ctx, &s.program, &p, 1, cpus[c]);
        for (int b = 0; b < 5; b++)
            for (int t = 0; t < 4; t++) {
                for (int i = 0; i < 4; i++) memset(want[i], 0x5A, DATA_BYTES);
                LoopRun run = {.symbols = &batches[b],
                               .inputs = (const void *const *)in_data,
                               .outputs = (void **)want,
                               .seed = 42,
                               .step = 9,
                               .iteration = 9,
                               .epoch = 1.25,
                               .progress = 0.5,
                               .threads = (uint32_t)threads[t]};
                loop_interpret(p, &run);
                ck_assert_msg(run.problem == NULL, "%s", run.problem);
                uint32_t flags = run_compiled(compiled.model, batches[b], threads[t]);
                ck_assert_uint_eq(flags, run.flags);
                outputs_agree(batches[b], threads[t], cpus[c]);
            }
        compiled_close(&compiled);
    }
}

/* ---- programs */

/* 16 lanes over 37 columns, then the tree: a row sum as docs/numerics.md wants it. */
START_TEST(row_sum) {
    uint32_t x = in(DTYPE_F32, rows_of(37)), y = out(DTYPE_F32, rows_of(1));
    kernel("row_sum", s.batch, 2);
    uint32_t from = use(x, false), to = use(y, true);
    VarId i = var("i"), j = var("j"), v = var("v");
    RegId acc = reg("acc", DTYPE_F32, &v, 1);
    StmtId row = rows(i), lanes = vector(&row, v, 16, EXPR_NONE);
    loop_set(p, k, &lanes, acc, f32(0));
    StmtId blocks = serial(&row, j, n(0), n(37), 16);
    lanes = vector(&blocks, v, 16, loop_sub(p, k, n(37), of(j)));
    ExprId at = add(mul(of(i), n(37)), add(of(j), of(v)));
    loop_set(p, k, &lanes, acc, op2(OP_ADD, read_reg(acc), load(from, at)));
    Expr tree = {.kind = EXPR_TREE, .op = OP_ADD, .dtype = DTYPE_F32, .reg = acc, .var = v};
    store(&row, to, of(i), loop_expr(p, k, &tree));
    check();
}
END_TEST

/* The maximum keeps lanes beyond the limit: 0 loaded there must not win over negative numbers. */
START_TEST(row_maximum_of_negatives) {
    uint32_t x = in(DTYPE_F32, rows_of(21)), y = out(DTYPE_F32, rows_of(1));
    kernel("row_max", s.batch, 1);
    uint32_t from = use(x, false), to = use(y, true);
    VarId i = var("i"), j = var("j"), v = var("v");
    RegId acc = reg("acc", DTYPE_F32, &v, 1);
    StmtId row = rows(i), lanes = vector(&row, v, 16, EXPR_NONE);
    loop_set(p, k, &lanes, acc, f32(-INFINITY));
    StmtId blocks = serial(&row, j, n(0), n(21), 16);
    lanes = vector(&blocks, v, 16, loop_sub(p, k, n(21), of(j)));
    ExprId at = add(mul(of(i), n(21)), add(of(j), of(v)));
    ExprId x_at = load(from, at), size = loop_op(p, k, OP_ABS, DTYPE_F32, &x_at, 1);
    ExprId value = op2(OP_SUB, f32(-0.25), size); /* -0.25 in a lane that loads nothing */
    loop_set(p, k, &lanes, acc, op2(OP_MAX, read_reg(acc), value));
    Expr tree = {.kind = EXPR_TREE, .op = OP_MAX, .dtype = DTYPE_F32, .reg = acc, .var = v};
    store(&row, to, of(i), loop_expr(p, k, &tree));
    check();
}
END_TEST

/* A column sum: 16 unrolled copies, each a vector of columns, and a tree over the copies. */
START_TEST(column_sum) {
    uint32_t x = in(DTYPE_F64, rows_of(19)), y = out(DTYPE_F64, fixed(19));
    kernel("column_sum", fixed(19), 8);
    uint32_t from = use(x, false), to = use(y, true);
    VarId i = var("i"), j = var("j"), c = var("c"), v = var("v");
    VarId over[] = {c, v};
    RegId acc = reg("acc", DTYPE_F64, over, 2);
    StmtId columns = serial(NULL, j, leaf(EXPR_LO), leaf(EXPR_HI), 8);
    ExprId left = loop_sub(p, k, leaf(EXPR_HI), of(j));
    StmtId copies = unroll(&columns, c, 16), lanes = vector(&copies, v, 8, left);
    loop_set(p, k, &lanes, acc, loop_const(p, k, DTYPE_F64, 0));
    StmtId down = serial(&columns, i, n(0), loop_of_dim(p, k, s.batch), 16);
    copies = unroll(&down, c, 16);
    lanes = vector(&copies, v, 8, left);
    ExprId at = add(mul(add(of(i), of(c)), n(19)), add(of(j), of(v)));
    ExprId here = op2(OP_LESS, add(of(i), of(c)), loop_of_dim(p, k, s.batch));
    ExprId x_at = load_where(from, at, here, loop_const(p, k, DTYPE_F64, 0));
    loop_set(p, k, &lanes, acc, op2(OP_ADD, read_reg(acc), x_at));
    lanes = vector(&columns, v, 8, left);
    Expr tree = {.kind = EXPR_TREE, .op = OP_ADD, .dtype = DTYPE_F64, .reg = acc, .var = c};
    store(&lanes, to, add(of(j), of(v)), loop_expr(p, k, &tree));
    check();
}
END_TEST

/* Strided, reversed, gathered and scattered lanes; a division of the index; a constant limit. */
START_TEST(every_kind_of_address) {
    uint32_t x = in(DTYPE_F32, fixed(400)), at = in(DTYPE_I32, rows_of(12));
    uint32_t y = out(DTYPE_F32, rows_of(72)), z = out(DTYPE_BOOL, rows_of(12));
    kernel("addresses", s.batch, 1);
    uint32_t from = use(x, false), index = use(at, false), to = use(y, true), bits = use(z, true);
    VarId i = var("i"), v = var("v"), u = var("u");
    StmtId row = rows(i), lanes = vector(&row, v, 16, n(12));
    ExprId line = mul(of(i), n(12)), here = add(line, of(v));
    ExprId base = mul(of(i), n(72));
    ExprId kinds[] = {
        load(from, add(mul(of(v), n(5)), of(i))),             /* strided */
        load(from, add(loop_sub(p, k, n(60), of(v)), of(i))), /* backwards, masked */
        load(from, cast(DTYPE_I64, load(index, here))),       /* gathered */
        load(from, add(two(EXPR_IDIV, here, n(7)), two(EXPR_IMOD, here, n(5)))),
        load_where(from, add(mul(of(v), n(100)), n(0)), op2(OP_LESS, of(v), n(4)), f32(-1)),
        cast(DTYPE_F32, add(mul(of(v), n(3)), of(i)))};
    for (int q = 0; q < 6; q++) /* stored with stride 6: scattered under a limit */
        store(&lanes, to, add(base, add(mul(of(v), n(6)), n(q))), kinds[q]);
    store(&lanes, bits, here, op2(OP_LESS, kinds[0], kinds[2]));
    (void)u;
    check();
}
END_TEST

/* The same without a limit: plain strided and reversed vectors. */
START_TEST(whole_strided_vectors) {
    uint32_t x = in(DTYPE_F32, fixed(400)), y = out(DTYPE_F32, rows_of(32)),
             h = in(DTYPE_BOOL, fixed(400));
    kernel("strided", s.batch, 1);
    uint32_t from = use(x, false), to = use(y, true), flag = use(h, false);
    VarId i = var("i"), v = var("v");
    StmtId row = rows(i), lanes = vector(&row, v, 16, EXPR_NONE);
    ExprId base = mul(of(i), n(32));
    ExprId back = load(from, add(loop_sub(p, k, n(40), of(v)), of(i)));
    ExprId args[] = {load(flag, add(mul(of(v), n(3)), of(i))), back, f32(7)};
    store(&lanes, to, add(base, mul(of(v), n(2))), loop_op(p, k, OP_SELECT, DTYPE_F32, args, 3));
    store(&lanes, to, add(base, add(mul(of(v), n(2)), n(1))), load(from, mul(of(v), n(4))));
    check();
}
END_TEST

/* Draws: aligned lanes (one block for four), unaligned ones, scalars; two sites in one kernel. */
START_TEST(draws) {
    uint32_t y = out(DTYPE_F32, rows_of(48)), z = out(DTYPE_F32, rows_of(13)),
             w = out(DTYPE_F32, rows_of(1));
    kernel("draws", s.batch, 1);
    uint32_t to = use(y, true), odd = use(z, true), one = use(w, true);
    VarId i = var("i"), j = var("j"), v = var("v");
    StmtId row = rows(i), blocks = serial(&row, j, n(0), n(48), 16);
    StmtId lanes = vector(&blocks, v, 16, EXPR_NONE);
    ExprId at = add(mul(of(i), n(48)), add(of(j), of(v)));
    store(&lanes, to, at, random_at(at, 0x123456789abcdef0u, 2));
    lanes = vector(&row, v, 16, n(13));
    at = add(mul(of(i), n(13)), of(v));
    store(&lanes, odd, at, random_at(at, 99, 0));
    store(&row, one, of(i), op2(OP_ADD, random_at(of(i), 99, 1), random_at(of(i), 100, 1)));
    check();
}
END_TEST

/* Values carried round a loop that may not run, one that runs once, and one with a run-time start.
 */
START_TEST(registers_through_loops) {
    uint32_t x = in(DTYPE_F32, fixed(400)), y = out(DTYPE_F32, rows_of(4));
    kernel("carried", s.batch, 3);
    uint32_t from = use(x, false), to = use(y, true);
    VarId i = var("i"), j = var("j"), q = var("q"), c = var("c");
    RegId a = reg("a", DTYPE_F32, NULL, 0), b = reg("b", DTYPE_F32, &c, 1);
    StmtId row = rows(i);
    loop_set(p, k, &row, a, f32(1));
    StmtId copies = unroll(&row, c, 3);
    loop_set(p, k, &copies, b, cast(DTYPE_F32, of(c)));
    StmtId some = serial(&row, j, of(i), n(30), 4); /* does not run for late rows */
    StmtId inner = serial(&some, q, n(0), of(j), 1);
    ExprId turn = op2(OP_MUL, read_reg(a), f32(0.5));
    loop_set(p, k, &inner, a, op2(OP_ADD, turn, load(from, add(of(j), of(q)))));
    copies = unroll(&some, c, 3);
    loop_set(p, k, &copies, b, op2(OP_SUB, read_reg(a), read_reg(b)));
    StmtId once = serial(&row, q, n(5), n(6), 1);
    loop_set(p, k, &once, a, op2(OP_ADD, read_reg(a), cast(DTYPE_F32, of(q))));
    StmtId never = serial(&row, q, n(6), n(6), 1);
    loop_set(p, k, &never, a, f32(1000));
    ExprId base = mul(of(i), n(4));
    store(&row, to, base, read_reg(a));
    copies = unroll(&row, c, 3);
    store(&copies, to, add(base, add(of(c), n(1))), read_reg(b));
    check();
}
END_TEST

/* A value loaded before a store to the same buffer is not the value after it. */
START_TEST(stores_are_seen) {
    uint32_t y = out(DTYPE_F32, rows_of(16)), z = out(DTYPE_F32, rows_of(16));
    kernel("seen", s.batch, 1);
    uint32_t to = use(y, true), copy = use(z, true);
    VarId i = var("i"), v = var("v"), r = var("r");
    StmtId row = rows(i), lanes = vector(&row, v, 16, EXPR_NONE);
    ExprId at = add(mul(of(i), n(16)), of(v));
    store(&lanes, to, at, cast(DTYPE_F32, of(v)));
    StmtId again = serial(&row, r, n(0), n(3), 1);
    lanes = vector(&again, v, 16, EXPR_NONE);
    store(&lanes, copy, at, load(to, at));
    store(&lanes, to, at, op2(OP_ADD, load(to, at), load(copy, at)));
    store(&lanes, copy, at, op2(OP_MUL, load(to, at), f32(3)));
    store(&lanes, to, at, op2(OP_SUB, load(copy, at), load(to, at)));
    RegId a = reg("a", DTYPE_F32, NULL, 0);
    ExprId twice = op2(OP_MUL, read_reg(a), f32(2)), first = mul(of(i), n(16));
    loop_set(p, k, &row, a, load(to, add(first, n(3))));
    store(&row, copy, first, twice);
    loop_set(p, k, &row, a, load(to, add(first, n(4))));
    store(&row, copy, add(first, n(1)), twice);
    check();
}
END_TEST

/* Predicated scalar stores and loads, flags raised by one lane, clocks and run-time sizes. */
START_TEST(predicates_flags_and_clocks) {
    uint32_t x = in(DTYPE_F32, fixed(400)), y = out(DTYPE_F32, rows_of(2));
    kernel("fill", s.batch, 1);
    uint32_t to = use(y, true);
    VarId i = var("i");
    StmtId row = rows(i);
    Expr clock = {.kind = EXPR_CLOCK, .dtype = DTYPE_F32, .imm = 1};
    store(&row, to, mul(of(i), n(2)), loop_expr(p, k, &clock));
    clock.imm = 2;
    ExprId size = cast(DTYPE_F32, loop_of_dim(p, k, rows_of(3)));
    store(&row, to, add(mul(of(i), n(2)), n(1)), op2(OP_ADD, loop_expr(p, k, &clock), size));
    kernel("pick", s.batch, 1);
    to = use(y, true);
    uint32_t from = use(x, false);
    i = var("i");
    row = rows(i);
    ExprId third = op2(OP_EQUAL, two(EXPR_IMOD, of(i), n(3)), n(0));
    ExprId far = load_where(from, mul(of(i), n(100)), op2(OP_LESS, of(i), n(4)), f32(-5));
    loop_store(p, k, &row, to, mul(of(i), n(2)), far, third);
    VarId v = var("v");
    StmtId lanes = vector(&row, v, 8, n(5));
    loop_flag(p, k, &lanes, op2(OP_EQUAL, add(of(v), of(i)), n(36)), BMRT_FLAG_DIVISION);
    lanes = vector(&row, v, 8, n(5)); /* only inactive lanes are 6 */
    loop_flag(p, k, &lanes, op2(OP_EQUAL, of(v), n(6)), BMRT_FLAG_NONFINITE);
    loop_flag(p, k, &row, op2(OP_LESS, n(48), of(i)), BMRT_FLAG_INDEX);
    check();
}
END_TEST

/* What one thread wrote, others read behind the barrier; a guard that stands in the way. */
static void guarded(double loss_value) {
    uint32_t x = in(DTYPE_F32, rows_of(1)), y = out(DTYPE_F32, rows_of(1)),
             loss = out(DTYPE_F32, fixed(1));
    uint32_t t = sample_buffer(&s, "t", STORAGE_ARENA, 0, DTYPE_F32, rows_of(1));
    p->buffers.data[t].last = 5;
    p->arena_bytes = 256;
    kernel("produce", s.batch, 2);
    uint32_t from = use(x, false), to = use(t, true), too = use(y, true);
    VarId i = var("i");
    StmtId row = rows(i);
    store(&row, to, of(i), op2(OP_MUL, load(from, of(i)), f32(3)));
    store(&row, too, of(i), f32(-1));
    kernel("loss", s.batch, 0);
    store(NULL, use(loss, true), n(0), f32(loss_value));
    sample_run(&s, ORDER_BARRIER, 0);
    sample_run(&s, ORDER_GUARD, loss);
    kernel("consume", s.batch, 1);
    from = use(t, false);
    to = use(y, true);
    i = var("i");
    row = rows(i);
    ExprId other = loop_sub(p, k, loop_sub(p, k, loop_of_dim(p, k, s.batch), n(1)), of(i));
    store(&row, to, of(i), load(from, other));
    check();
}
START_TEST(barrier_and_passed_guard) {
    guarded(0.5);
}
END_TEST
START_TEST(barrier_and_failed_guard) {
    guarded((double)NAN);
}
END_TEST
START_TEST(barrier_and_infinite_guard) {
    guarded(-INFINITY);
}
END_TEST

/* Kernels that differ only in buffers share a function; those that differ in a constant do not. */
START_TEST(equal_kernels_are_shared) {
    uint32_t x = in(DTYPE_F32, rows_of(1)), w = in(DTYPE_F32, rows_of(1));
    uint32_t y = out(DTYPE_F32, rows_of(1)), z = out(DTYPE_F32, rows_of(1)),
             u = out(DTYPE_F32, rows_of(1));
    uint32_t pairs[][2] = {{x, y}, {w, z}, {x, u}};
    for (int q = 0; q < 3; q++) {
        kernel("scale", s.batch, 1);
        uint32_t from = use(pairs[q][0], false), to = use(pairs[q][1], true);
        VarId i = var("i");
        StmtId row = rows(i);
        ExprId seen = random_at(of(i), (uint64_t)q, 0);
        store(&row, to, of(i),
              op2(OP_ADD, seen, op2(OP_MUL, load(from, of(i)), f32(q == 2 ? 3 : 2))));
    }
    check();
    CodegenOptions options = {.level = 2};
    CodeModule *m = codegen_module(s.ctx, &s.program, &p, 1, &options);
    Text text = {.arena = s.ctx->arena};
    codegen_text(m, CODE_LLVM, &text);
    uint32_t functions = 0;
    for (const char *at = text_str(&text); (at = strstr(at, "define internal void @k")); at++)
        functions++;
    ck_assert_uint_eq(functions, 4); /* two kernels, and how a sequence calls each */
    codegen_destroy(m);
}
END_TEST

/* Code for another processor is made but not run. */
START_TEST(foreign_code_is_not_loaded) {
    uint32_t y = out(DTYPE_F32, rows_of(1));
    kernel("one", s.batch, 1);
    uint32_t to = use(y, true);
    VarId i = var("i");
    StmtId row = rows(i);
    store(&row, to, of(i), f32(1));
    CodegenOptions options = {.level = 2, .cpu = "silvermont"};
    ck_assert_ptr_null(codegen_module(s.ctx, &s.program, &p, 1, &options));
    CodegenOptions native = {.level = 2};
    CodeTarget here;
    ck_assert(codegen_target(s.ctx, &native, &here));
    options.cpu = strcmp(here.cpu, "lunarlake") == 0 ? "znver3" : "lunarlake";
    CodeModule *m = codegen_module(s.ctx, &s.program, &p, 1, &options);
    ck_assert_ptr_nonnull(m);
    ck_assert_ptr_null(codegen_jit(m));
    ck_assert_uint_eq(diags_errors(s.ctx->diags), 2);
    codegen_destroy(m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_loops");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, row_sum);
    tcase_add_test(t, row_maximum_of_negatives);
    tcase_add_test(t, column_sum);
    tcase_add_test(t, every_kind_of_address);
    tcase_add_test(t, whole_strided_vectors);
    tcase_add_test(t, draws);
    tcase_add_test(t, registers_through_loops);
    tcase_add_test(t, stores_are_seen);
    tcase_add_test(t, predicates_flags_and_clocks);
    tcase_add_test(t, barrier_and_passed_guard);
    tcase_add_test(t, barrier_and_failed_guard);
    tcase_add_test(t, barrier_and_infinite_guard);
    tcase_add_test(t, equal_kernels_are_shared);
    tcase_add_test(t, foreign_code_is_not_loaded);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
