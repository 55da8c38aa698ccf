/* Runs one entry twice: by the reference evaluator, and scheduled, by the loop interpreter; all
 * outputs, slots and flags must be the same bits (NaNs are one value). */
#ifndef BMC_TESTS_COMPARE_KIT_H
#define BMC_TESTS_COMPARE_KIT_H

#include "compiler/interp/interp.h"
#include "compiler/schedule/schedule.h"
#include "loop_interp.h"
#include <math.h>
#include <stdlib.h>

typedef struct Compare {
    Context *ctx;
    const Program *program;
    const Entry *entry;
    int64_t symbols[8];
    uint64_t seed;      /* of the values */
    double index_limit; /* integer inputs lie in [0, index_limit) */
    /* what was made */
    Tensor *inputs, *slots;
    uint64_t random;
    InterpRun reference; /* its results */
    Tensor *want;        /* slots as it leaves them */
} Compare;

static inline uint64_t compare_random(Compare *c) {
    uint64_t z = c->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Small numbers with few bits set so that sums round rarely, mixed with awkward ones. */
static inline double compare_value(Compare *c) {
    uint64_t r = compare_random(c);
    if (r % 97 == 0) return r & 128 ? -0.0 : 0.0;
    return ((double)(int64_t)(r >> 40) - 8388608.0) / 4194304.0;
}

static inline void compare_fill(Compare *c, Tensor *t) {
    t->data = arena_alloc(c->ctx->arena, tensor_bytes(t) + 1);
    for (size_t i = 0; i < tensor_count(t); i++) {
        int64_t word;
        if (dtype_is_float(t->dtype))
            word = dtype_word_from_f64(t->dtype, compare_value(c));
        else if (t->dtype == DTYPE_BOOL)
            word = (int64_t)(compare_random(c) & 1);
        else
            word = dtype_word_from_int(
                t->dtype, (int64_t)(compare_random(c) % (uint64_t)(c->index_limit + 0.5)));
        memcpy((char *)t->data + i * dtype_bytes(t->dtype), &word, dtype_bytes(t->dtype));
    }
}

static inline void compare_inputs(Compare *c) {
    const Graph *g = c->entry->graph;
    c->random = c->seed;
    if (c->index_limit == 0) c->index_limit = 3;
    c->inputs = ARENA_ARRAY(c->ctx->arena, Tensor, g->inputs.len);
    c->slots = ARENA_ARRAY(c->ctx->arena, Tensor, g->slot_count);
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        const GraphInput *in = &g->inputs.data[i];
        Tensor *t = &c->inputs[i];
        *t = (Tensor){.dtype = in->dtype, .rank = in->shape.rank};
        for (uint32_t k = 0; k < t->rank; k++)
            if (!dim_eval(g->dims, in->shape.dims[k], c->symbols, &t->dims[k])) BUG("size");
        compare_fill(c, t);
    }
    for (uint32_t i = 0; i < g->slot_count; i++) {
        c->slots[i] = (Tensor){.dtype = g->slots[i].dtype, .rank = g->slots[i].rank};
        memcpy(c->slots[i].dims, g->slots[i].dims, sizeof c->slots[i].dims);
        compare_fill(c, &c->slots[i]);
        if (g->slots[i].kind == SLOT_OPTIMIZER) /* second moments are not negative */
            for (size_t k = 0; k < tensor_count(&c->slots[i]); k++) {
                char *at = (char *)c->slots[i].data + k * dtype_bytes(c->slots[i].dtype);
                at[dtype_bytes(c->slots[i].dtype) - 1] &= 0x7F;
            }
    }
}

static inline Tensor compare_copy(Compare *c, const Tensor *t) {
    Tensor copy = *t;
    copy.data = arena_alloc(c->ctx->arena, tensor_bytes(t) + 1);
    memcpy(copy.data, t->data, tensor_bytes(t));
    return copy;
}

static inline const char *compare_tensor(Compare *c, const char *name, const Tensor *want,
                                         const void *got) {
    uint32_t bytes = dtype_bytes(want->dtype);
    for (size_t i = 0; i < tensor_count(want); i++) {
        int64_t a = 0, b = 0;
        memcpy(&a, (const char *)want->data + i * bytes, bytes);
        memcpy(&b, (const char *)got + i * bytes, bytes);
        if (a == b) continue;
        bool floats = dtype_is_float(want->dtype);
        double x = dtype_word_to_f64(want->dtype, a), y = dtype_word_to_f64(want->dtype, b);
        if (floats && isnan(x) && isnan(y)) continue;
        return arena_printf(c->ctx->arena, "%s[%zu] is %.17g, should be %.17g", name, i, y, x);
    }
    return NULL;
}

/* Runs the reference evaluator once: what everything else is compared with. False: it refuses. */
static inline bool compare_reference(Compare *c) {
    const Graph *g = c->entry->graph;
    c->want = ARENA_ARRAY(c->ctx->arena, Tensor, g->slot_count + 1);
    for (uint32_t i = 0; i < g->slot_count; i++) c->want[i] = compare_copy(c, &c->slots[i]);
    c->reference = (InterpRun){.symbols = c->symbols,
                               .inputs = c->inputs,
                               .slots = c->want,
                               .seed = 42,
                               .step = 7,
                               .progress = 0.25,
                               .epoch = 1.5,
                               .iteration = 7,
                               .arena = c->ctx->arena};
    return interp_run(g, &c->reference);
}

/* NULL when both agree, else what differs. `arena`: for this run alone. */
static inline const char *compare_program(Compare *c, const LoopProgram *p, uint32_t threads,
                                          Arena *arena) {
    const Graph *g = c->entry->graph;
    if (!p) return "not scheduled";
    void **slots = ARENA_ARRAY(arena, void *, g->slot_count + 1);
    void **outputs = ARENA_ARRAY(arena, void *, g->outputs.len + 1);
    const void **inputs = ARENA_ARRAY(arena, const void *, g->inputs.len + 1);
    for (uint32_t i = 0; i < g->slot_count; i++) {
        slots[i] = arena_alloc(arena, tensor_bytes(&c->slots[i]) + 1);
        memcpy(slots[i], c->slots[i].data, tensor_bytes(&c->slots[i]));
    }
    for (uint32_t i = 0; i < g->inputs.len; i++) inputs[i] = c->inputs[i].data;
    for (uint32_t i = 0; i < g->outputs.len; i++)
        outputs[i] = arena_alloc(arena, tensor_bytes(&c->reference.outputs[i]) + 1);
    LoopRun run = {.symbols = c->symbols,
                   .symbol_count = sizeof c->symbols / sizeof c->symbols[0],
                   .inputs = inputs,
                   .outputs = outputs,
                   .slots = slots,
                   .seed = 42,
                   .step = 7,
                   .progress = 0.25,
                   .epoch = 1.5,
                   .iteration = 7,
                   .threads = threads};
    loop_interpret(p, &run);
    if (run.problem) return run.problem;
    const char *problem = NULL;
    for (uint32_t i = 0; i < g->outputs.len && !problem; i++)
        problem =
            compare_tensor(c, g->outputs.data[i].name->text, &c->reference.outputs[i], outputs[i]);
    for (uint32_t i = 0; i < g->slot_count && !problem; i++)
        problem = compare_tensor(c, g->slots[i].path->text, &c->want[i], slots[i]);
    if (!problem && run.flags != c->reference.flags)
        problem = arena_printf(c->ctx->arena, "flags are %u, should be %u", run.flags,
                               c->reference.flags);
    return problem;
}

/* With each of the thread counts whose bit is set in `counts`. */
static inline const char *compare_threads(Compare *c, const LoopProgram *p, uint32_t counts,
                                          const char *what) {
    for (uint32_t threads = 1; threads < 32; threads++) {
        if (!(counts >> threads & 1)) continue;
        Arena *arena = arena_create();
        const char *problem = compare_program(c, p, threads, arena);
        arena_destroy(arena);
        if (problem) return arena_printf(c->ctx->arena, "%s%u threads: %s", what, threads, problem);
    }
    return NULL;
}

/* As it is, and with its first run-time size known to be what it is (with `known` threads). */
static inline const char *compare_run(Compare *c, const ScheduleOptions *options, uint32_t counts,
                                      uint32_t known) {
    const LoopProgram *p = schedule_entry(c->ctx, c->program, c->entry, options);
    const char *problem = compare_threads(c, p, counts, "");
    if (problem || dim_symbol_count(c->program->dims) == 0) return problem;
    p = schedule_variant(c->ctx, c->program, c->entry, options, 0, c->symbols[0]);
    return compare_threads(c, p, known, "one size known, ");
}

/* Every option, and among them several thread counts; BMC_THOROUGH=1: every option with every
 * count. */
static inline const char *compare_all(Compare *c) {
    static const uint32_t counts[] = {1u << 1 | 1u << 7, 1u << 2, 1u << 3,
                                      1u << 7,           1u << 1, 1u << 3};
    const uint32_t all = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 7;
    const bool thorough = getenv("BMC_THOROUGH") != NULL;
#ifdef __SANITIZE_ADDRESS__ /* slow, and each kind of code is looked at often enough */
    const uint32_t step = 3;
#else
    const uint32_t step = 1;
#endif
    if (!compare_reference(c)) return "the reference evaluator failed";
    for (uint32_t variant = 0; variant < 6; variant += step) {
        ScheduleOptions o;
        schedule_options_default(&o);
        o.fusion = variant != 1;
        o.memory_plan = variant != 2;
        o.strip_bytes = variant > 1 ? 256 : 0;
        if (variant == 3) o.vector_bytes = 32, o.vector_registers = 16;
        if (variant == 4) o.vector_bytes = 16, o.vector_registers = 16;
        if (variant == 5) o.vector_bytes = 32, o.fusion = false;
        const char *problem = thorough ? compare_run(c, &o, all, all)
                                       : compare_run(c, &o, counts[variant], counts[5 - variant]);
        if (problem)
            return arena_printf(c->ctx->arena, "fusion %d, plan %d, vectors of %u bytes, %s",
                                o.fusion, o.memory_plan, o.vector_bytes, problem);
    }
    return NULL;
}

#endif
