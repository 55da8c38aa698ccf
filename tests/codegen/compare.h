/* One graph, twice: by the reference evaluator and compiled; the same bits are expected in outputs,
 * slots and flags, for several numbers of threads. NaNs are made alike first (their payload is not
 * observable). */
#ifndef BMC_TESTS_CODEGEN_COMPARE_H
#define BMC_TESTS_CODEGEN_COMPARE_H

#include "compiler/interp/interp.h"
#include "compiler/schedule/schedule.h"
#include "tests/codegen/codegen_kit.h"
#include "tests/kit/random.h"
#include <math.h>
#include <stdio.h>

typedef struct Compare {
    Context *ctx;
    Program *program;
    const Graph *graph;
    const int64_t *symbols; /* by DimTable number */
    uint64_t seed, step;
    bool fusion, memory_plan;
    const char *label;
    const ScheduleChoices *choices; /* NULL: as found */
} Compare;

static inline size_t value_count(const Compare *c, const Shape *shape) {
    size_t count = 1;
    for (uint32_t i = 0; i < shape->rank; i++) {
        int64_t d;
        ck_assert(dim_eval(c->program->dims, shape->dims[i], c->symbols, &d));
        count *= (size_t)d;
    }
    return count;
}

static inline Tensor value_tensor(const Compare *c, DType dtype, const Shape *shape) {
    Tensor t = {.dtype = dtype, .rank = shape->rank};
    for (uint32_t i = 0; i < shape->rank; i++)
        ck_assert(dim_eval(c->program->dims, shape->dims[i], c->symbols, &t.dims[i]));
    t.data = arena_alloc(c->ctx->arena, tensor_bytes(&t) + 64);
    return t;
}

static inline double special_number(Random *r) {
    static const double numbers[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1e-40, 65520, 1e30};
    return random_below(r, 12) == 0 ? numbers[random_below(r, 10)] : random_between(r, -3, 3);
}

static inline void tensor_fill(Random *r, Tensor *t, int64_t limit, bool special) {
    uint32_t bytes = dtype_bytes(t->dtype);
    for (size_t i = 0; i < tensor_count(t); i++) {
        int64_t word;
        if (limit > 0)
            word = dtype_word_from_int(t->dtype, random_below(r, (uint32_t)limit));
        else if (t->dtype == DTYPE_BOOL)
            word = random_below(r, 2);
        else if (dtype_is_float(t->dtype))
            word = dtype_word_from_f64(t->dtype,
                                       special ? special_number(r) : random_between(r, -1, 1));
        else
            word = dtype_word_from_int(t->dtype, (int64_t)random_below(r, 300) - 20);
        memcpy((char *)t->data + i * bytes, &word, bytes);
    }
}

static inline bool words_agree(DType t, const char *a, const char *b) {
    int64_t x = 0, y = 0;
    memcpy(&x, a, dtype_bytes(t));
    memcpy(&y, b, dtype_bytes(t));
    if (x == y) return true;
    if (!dtype_is_float(t)) return false;
    double u = dtype_word_to_f64(t, x), v = dtype_word_to_f64(t, y);
    return u != u && v != v;
}

static inline void tensor_agree(const Compare *c, const char *what, const char *name, DType t,
                                size_t count, const void *want, const void *got, int threads,
                                const char *cpu) {
    uint32_t bytes = dtype_bytes(t);
    for (size_t i = 0; i < count; i++) {
        const char *a = (const char *)want + i * bytes, *b = (const char *)got + i * bytes;
        if (words_agree(t, a, b)) continue;
        int64_t x = 0, y = 0;
        memcpy(&x, a, bytes);
        memcpy(&y, b, bytes);
        ck_abort_msg("%s: %s %s (%s) element %zu of %zu: %g wanted, %g got (%llx, %llx), "
                     "%d threads, %s",
                     c->label, what, name, dtype_name(t), i, count, dtype_word_to_f64(t, x),
                     dtype_word_to_f64(t, y), (long long)x, (long long)y, threads,
                     cpu ? cpu : "native");
    }
}

typedef struct Reference {
    Tensor *inputs, *slots, *before;
    InterpRun run;
} Reference;

static inline void reference_run(Compare *c, Random *r, bool special, Reference *out) {
    const Graph *g = c->graph;
    Arena *arena = c->ctx->arena;
    out->inputs = ARENA_ARRAY(arena, Tensor, g->inputs.len);
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        const GraphInput *in = &g->inputs.data[i];
        out->inputs[i] = value_tensor(c, in->dtype, &in->shape);
        tensor_fill(r, &out->inputs[i], in->is_index ? in->index_limit : 0, special);
    }
    uint32_t slots = c->program->slots.len;
    out->slots = ARENA_ARRAY(arena, Tensor, slots);
    out->before = ARENA_ARRAY(arena, Tensor, slots);
    for (uint32_t i = 0; i < slots; i++) {
        const Slot *s = &c->program->slots.data[i];
        Tensor t = {.dtype = s->dtype, .rank = s->rank};
        memcpy(t.dims, s->dims, sizeof t.dims);
        t.data = arena_alloc(arena, tensor_bytes(&t));
        tensor_fill(r, &t, 0, special);
        out->slots[i] = out->before[i] = t;
        out->before[i].data = arena_alloc(arena, tensor_bytes(&t));
        memcpy(out->before[i].data, t.data, tensor_bytes(&t));
    }
    out->run = (InterpRun){.symbols = c->symbols,
                           .inputs = out->inputs,
                           .slots = out->slots,
                           .seed = c->seed,
                           .step = c->step,
                           .progress = 0.25,
                           .epoch = 1.5,
                           .iteration = (double)c->step,
                           .arena = arena,
                           .outputs = ARENA_ARRAY(arena, Tensor, g->outputs.len + 1)};
    ck_assert(interp_run(g, &out->run));
}

static inline void compiled_run(Compare *c, const BmrtModel *model, const BmrtEntry *entry,
                                const Reference *ref, int32_t threads, const char *cpu) {
    const Graph *g = c->graph;
    Arena *arena = c->ctx->arena;
    char *slots = aligned_alloc(64, ((size_t)model->slots_bytes + 127) / 64 * 64);
    const void **inputs = ARENA_ARRAY(arena, const void *, g->inputs.len + 1);
    void **outputs = ARENA_ARRAY(arena, void *, g->outputs.len + 1);
    int64_t symbols[16];
    uint32_t flags = 0;
    for (uint32_t i = 0; i < model->slot_count; i++)
        memcpy(slots + model->slots[i].offset, ref->before[i].data, (size_t)model->slots[i].bytes);
    for (uint32_t i = 0; i < g->inputs.len; i++) inputs[i] = ref->inputs[i].data;
    for (uint32_t i = 0; i < g->outputs.len; i++) {
        size_t bytes = tensor_bytes(&ref->run.outputs[i]);
        outputs[i] = malloc(bytes + 1); /* malloc: so that sanitizers see the end */
        memset(outputs[i], 0x5A, bytes + 1);
    }
    for (uint32_t i = 0; i < entry->symbol_count; i++)
        for (uint32_t s = 0; s < dim_symbol_count(c->program->dims); s++)
            if (strcmp(entry->symbol_names[i], dim_symbol_name(c->program->dims, s)->text) == 0)
                symbols[i] = c->symbols[s];
    BmrtFrame frame = {.slots = slots,
                       .inputs = inputs,
                       .outputs = outputs,
                       .symbols = symbols,
                       .seed = c->seed,
                       .step = c->step,
                       .progress = 0.25,
                       .epoch = 1.5,
                       .iteration = (double)c->step,
                       .flags = &flags};
    team_run(entry, &frame, threads);
    ck_assert_msg(flags == ref->run.flags, "%s: flags %u wanted, %u got, %d threads", c->label,
                  ref->run.flags, flags, threads);
    bool skipped = (flags & (BMRT_FLAG_NONFINITE | BMRT_FLAG_INPUT)) != 0;
    for (uint32_t i = 0; i < g->outputs.len; i++) {
        const Tensor *want = &ref->run.outputs[i];
        if (!skipped)
            tensor_agree(c, "output", g->outputs.data[i].name->text, want->dtype,
                         tensor_count(want), want->data, outputs[i], threads, cpu);
        free(outputs[i]);
    }
    for (uint32_t i = 0; i < model->slot_count; i++)
        tensor_agree(c, "slot", model->slots[i].path, ref->slots[i].dtype,
                     tensor_count(&ref->slots[i]), ref->slots[i].data,
                     slots + model->slots[i].offset, threads, cpu);
    free(slots);
}

/* The variants that fit the sizes. */
static inline void variants_run(Compare *c, const BmrtModel *model, const Reference *ref,
                                int32_t threads, const char *cpu) {
    BmrtEntry entry = model->entries[0];
    for (uint32_t i = 0; i < entry.variant_count; i++) {
        const BmrtVariant *v = &entry.variants[i];
        for (uint32_t s = 0; s < dim_symbol_count(c->program->dims); s++) {
            const char *name = dim_symbol_name(c->program->dims, s)->text;
            if (strcmp(entry.symbol_names[v->symbol], name) != 0) continue;
            BmrtBuffer *buffers = ARENA_ARRAY(c->ctx->arena, BmrtBuffer, v->buffer_count);
            for (uint32_t b = 0; b < v->buffer_count; b++) buffers[b].offset = v->offsets[b];
            entry.buffers = buffers;
            entry.buffer_count = v->buffer_count;
            entry.run = v->run;
            entry.arena_bytes = v->arena_bytes;
            if (c->symbols[s] == v->value) compiled_run(c, model, &entry, ref, threads, cpu);
            break;
        }
    }
}

/* False when the scheduler refuses the graph as not supported yet. */
static inline bool compare_run(Compare *c, Random *r, bool special) {
    static const char *const cpus[] = {NULL, "x86-64-v3"};
    static const int32_t threads[] = {1, 2, 3, 7};
    Reference ref;
    reference_run(c, r, special, &ref);
#ifdef __SANITIZE_ADDRESS__ /* looks at the compiler: machine code is not instrumented */
    const int cpu_count = 1, thread_step = 2;
#else
    const int cpu_count = 2, thread_step = 1;
#endif
    for (int cpu = 0; cpu < cpu_count; cpu++) {
        CodegenOptions options = {.cpu = cpus[cpu], .level = 2, .debug_verify = true};
        CodeTarget target;
        ck_assert(codegen_target(c->ctx, &options, &target));
        ScheduleOptions how = {.vector_bytes = target.vector_bytes,
                               .vector_registers = target.vector_registers,
                               .strip_bytes = cpu == 1 ? 256 : 0,
                               .fusion = c->fusion,
                               .memory_plan = c->memory_plan,
                               .variants = true,
                               .choices = c->choices};
        LoopProgram *p = schedule_entry(c->ctx, c->program, &c->program->entries.data[0], &how);
        if (!p && diags_get(c->ctx->diags, 0)->code == E_UNSUPPORTED) return false;
        ck_assert_msg(p != NULL, "%s: not scheduled: %s", c->label,
                      diags_get(c->ctx->diags, 0)->message);
        if (getenv("DUMP")) {
            Text text = {.arena = c->ctx->arena};
            loop_print(&text, p);
            puts(text_str(&text));
        }
        Compiled compiled = compile_for(c->ctx, c->program, &p, 1, cpus[cpu]);
        if (getenv("DUMP")) {
            Text text = {.arena = c->ctx->arena};
            codegen_text(compiled.module, CODE_LLVM, &text);
            puts(text_str(&text));
        }
        for (int t = 0; t < 4; t += thread_step) {
            compiled_run(c, compiled.model, &compiled.model->entries[0], &ref, threads[t],
                         cpus[cpu]);
            variants_run(c, compiled.model, &ref, threads[t], cpus[cpu]);
        }
        compiled_close(&compiled);
    }
    return true;
}

#endif
