/* Every elementwise op on every dtype, and every cast: as vectors with a masked tail, as scalars,
 * and in half-open lanes; all equal to the interpreter of loop programs. */
#include "tests/codegen/codegen_kit.h"
#include "tests/kit/random.h"
#include "tests/loop/loop_samples.h"
#include "tests/schedule/loop_interp.h"
#include <math.h>
#include <stdio.h>

enum { COUNT = 71, LANES = 16, OUTPUTS_MAX = 128, GUARD_BYTES = 64 };

typedef struct Bench {
    Sample s;
    DType dtype;          /* of the operands */
    uint32_t in[3], cond; /* program buffers */
    uint32_t out[OUTPUTS_MAX];
    const char *what[OUTPUTS_MAX];
    uint32_t outs;
    void *data[4];
} Bench;

static uint32_t buffer(Bench *b, Storage storage, uint32_t number, DType t) {
    return sample_buffer(&b->s, arena_printf(b->s.ctx->arena, "%d_%u", (int)storage, number),
                         storage, number, t, dim_const(b->s.program.dims, COUNT));
}

static void bench_open(Bench *b, DType t) {
    *b = (Bench){.dtype = t};
    sample_open(&b->s, 8);
    for (uint32_t i = 0; i < 3; i++) b->in[i] = buffer(b, STORAGE_INPUT, i, t);
    b->cond = buffer(b, STORAGE_INPUT, 3, DTYPE_BOOL);
    Random r = {(uint64_t)t + 1};
    static const double special[] = {0,     -0.0,  1,   -1,   2,    -2,    INFINITY, -INFINITY,
                                     NAN,   1e-40, 3.5, -3.5, 1e10, -1e10, 255.5,    65520,
                                     -1e30, 1e300, 0.5, -0.5, 127,  128,   -128,     2.5};
    uint32_t bytes = dtype_bytes(t);
    for (uint32_t i = 0; i < 4; i++) b->data[i] = calloc(COUNT, 8);
    for (uint32_t k = 0; k < COUNT; k++) {
        for (uint32_t i = 0; i < 3; i++) {
            double v =
                random_below(&r, 3) ? special[random_below(&r, 24)] : random_between(&r, -20, 20);
            int64_t word = dtype_is_float(t) || random_below(&r, 2)
                               ? dtype_word_from_f64(t, v)
                               : dtype_word_from_int(t, (int64_t)random_bits(&r));
            if (t == DTYPE_BOOL) word = random_below(&r, 2);
            memcpy((char *)b->data[i] + k * bytes, &word, bytes);
        }
        ((char *)b->data[3])[k] = (char)random_below(&r, 2);
    }
}

static void bench_close(Bench *b) {
    for (uint32_t i = 0; i < 4; i++) free(b->data[i]);
    sample_close(&b->s);
}

/* The op over operands at `index`. */
static ExprId apply(Bench *b, Kernel *k, Op op, DType to, ExprId index) {
    ExprId args[3];
    uint32_t arity = (uint32_t)op_info(op)->arity;
    for (uint32_t i = 0; i < arity; i++) {
        bool cond = op == OP_SELECT && i == 0;
        uint32_t from = cond ? b->cond : b->in[op == OP_SELECT ? i - 1 : i];
        args[i] = loop_load(b->s.p, k, loop_use(b->s.p, k, from, false), index);
    }
    return loop_op(b->s.p, k, op, to, args, arity);
}

static Kernel *kernel_for(Bench *b, const char *form, Op op, DType to, uint32_t *out) {
    const char *name = arena_printf(b->s.ctx->arena, "%s %s %s -> %s", form, op_info(op)->name,
                                    dtype_name(b->dtype), dtype_name(to));
    Kernel *k = loop_kernel(b->s.p, name, (Span){0});
    ck_assert_uint_lt(b->outs, OUTPUTS_MAX);
    b->what[b->outs] = name;
    b->out[b->outs] = buffer(b, STORAGE_OUTPUT, b->outs, to);
    *out = loop_use(b->s.p, k, b->out[b->outs], true);
    b->outs++;
    sample_run(&b->s, ORDER_RUN, b->s.p->kernels.len - 1);
    return k;
}

static void add_op(Bench *b, Op op, DType to) {
    LoopProgram *p = b->s.p;
    uint32_t out;
    Kernel *k = kernel_for(b, "vector", op, to, &out);
    VarId i = loop_var(p, k, "i"), v = loop_var(p, k, "v");
    StmtId rows = loop_for(p, k, NULL, LOOP_SERIAL, i, loop_int(p, k, 0), loop_int(p, k, COUNT),
                           LANES, 0, EXPR_NONE);
    ExprId left = loop_sub(p, k, loop_int(p, k, COUNT), loop_of_var(p, k, i));
    StmtId lanes = loop_for(p, k, &rows, LOOP_VECTOR, v, EXPR_NONE, EXPR_NONE, 0, LANES, left);
    ExprId at = loop_add(p, k, loop_of_var(p, k, i), loop_of_var(p, k, v));
    loop_store(p, k, &lanes, out, at, apply(b, k, op, to, at), EXPR_NONE);
    k = kernel_for(b, "scalar", op, to, &out);
    i = loop_var(p, k, "i");
    rows = loop_for(p, k, NULL, LOOP_SERIAL, i, loop_int(p, k, 0), loop_int(p, k, COUNT), 1, 0,
                    EXPR_NONE);
    loop_store(p, k, &rows, out, loop_of_var(p, k, i), apply(b, k, op, to, loop_of_var(p, k, i)),
               EXPR_NONE);
}

static bool agree(DType t, const char *a, const char *b) {
    int64_t x = 0, y = 0;
    memcpy(&x, a, dtype_bytes(t));
    memcpy(&y, b, dtype_bytes(t));
    if (x == y) return true;
    double u = dtype_word_to_f64(t, x), v = dtype_word_to_f64(t, y);
    return dtype_is_float(t) && u != u && v != v;
}

static void outputs_agree(Bench *b, void **want, void **got, const char *cpu) {
    for (uint32_t o = 0; o < b->outs; o++) {
        DType t = b->s.p->buffers.data[b->out[o]].dtype;
        uint32_t bytes = dtype_bytes(t);
        for (uint32_t k = 0; k < COUNT; k++) {
            const char *w = (const char *)want[o] + k * bytes,
                       *g = (const char *)got[o] + k * bytes;
            uint64_t x[3] = {0}, y = 0, z = 0;
            for (int i = 0; i < 3; i++)
                memcpy(&x[i], (char *)b->data[i] + k * dtype_bytes(b->dtype),
                       dtype_bytes(b->dtype));
            memcpy(&y, w, bytes);
            memcpy(&z, g, bytes);
            ck_assert_msg(agree(t, w, g),
                          "%s (%s), element %u of %llx %llx %llx: %llx wanted, %llx", b->what[o],
                          cpu ? cpu : "native", k, (unsigned long long)x[0],
                          (unsigned long long)x[1], (unsigned long long)x[2], (unsigned long long)y,
                          (unsigned long long)z);
        }
        for (uint32_t k = 0; k < GUARD_BYTES; k++)
            ck_assert_msg(((char *)got[o])[COUNT * bytes + k] == 0x5A, "%s wrote behind its end",
                          b->what[o]);
    }
}

static void bench_run(Bench *b) {
    static const char *const cpus[] = {NULL, "x86-64-v3"};
    void *want[OUTPUTS_MAX], *got[OUTPUTS_MAX];
    for (uint32_t o = 0; o < b->outs; o++) {
        want[o] = calloc(1, COUNT * 8 + GUARD_BYTES);
        got[o] = calloc(1, COUNT * 8 + GUARD_BYTES);
    }
    loop_verify(b->s.p);
    int64_t symbols[1] = {8};
    LoopRun run = {
        .symbols = symbols, .inputs = (const void *const *)b->data, .outputs = want, .threads = 1};
    loop_interpret(b->s.p, &run);
    ck_assert_msg(run.problem == NULL, "%s", run.problem);
    LoopProgram *p = b->s.p;
    for (int c = 0; c < 2; c++) {
        for (uint32_t o = 0; o < b->outs; o++) memset(got[o], 0x5A, COUNT * 8 + GUARD_BYTES);
        Compiled compiled = compile_for(b->s.ctx, &b->s.program, &p, 1, cpus[c]);
        uint32_t flags = 0;
        BmrtFrame frame = {.inputs = (const void *const *)b->data,
                           .outputs = got,
                           .symbols = symbols,
                           .flags = &flags};
        team_run(&compiled.model->entries[0], &frame, 1);
        outputs_agree(b, want, got, cpus[c]);
        compiled_close(&compiled);
    }
    for (uint32_t o = 0; o < b->outs; o++) {
        free(want[o]);
        free(got[o]);
    }
}

static bool takes(Op op, DType t) {
    static const Op real[] = {OP_FLOOR, OP_EXP, OP_LOG, OP_SQRT, OP_SIN,   OP_COS,
                              OP_TANH,  OP_ERF, OP_POW, OP_FMA,  OP_EXPM1, OP_LOG1P};
    static const Op logic[] = {OP_NOT, OP_AND, OP_OR};
    static const Op any[] = {OP_SELECT, OP_EQUAL, OP_LESS, OP_MAX, OP_MIN, OP_STOP};
    for (size_t i = 0; i < sizeof real / sizeof real[0]; i++)
        if (op == real[i]) return dtype_is_float(t);
    for (size_t i = 0; i < sizeof logic / sizeof logic[0]; i++)
        if (op == logic[i]) return !dtype_is_float(t);
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++)
        if (op == any[i]) return true;
    return t != DTYPE_BOOL;
}

START_TEST(ops_of_dtype) {
    Bench bench, *b = &bench;
    bench_open(b, (DType)_i);
    for (int op = 0; op < OP_COUNT; op++) {
        if (!op_is_elementwise((Op)op) || op == OP_CAST || !takes((Op)op, b->dtype)) continue;
        bool compare = op == OP_LESS || op == OP_EQUAL;
        add_op(b, (Op)op, compare ? DTYPE_BOOL : b->dtype);
    }
    bench_run(b);
    bench_close(b);
}
END_TEST

START_TEST(casts_of_dtype) {
    Bench bench, *b = &bench;
    bench_open(b, (DType)_i);
    for (int to = 0; to < DTYPE_COUNT; to++) add_op(b, OP_CAST, (DType)to);
    bench_run(b);
    bench_close(b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_ops");
    TCase *t = tcase_create("ops");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, ops_of_dtype, 0, DTYPE_COUNT);
    tcase_add_loop_test(t, casts_of_dtype, 0, DTYPE_COUNT);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
