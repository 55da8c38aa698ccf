/* Runs the entries of an elaborated program through differentiation and the reference evaluator. */
#ifndef BMC_TESTS_SEMA_MACHINE_H
#define BMC_TESTS_SEMA_MACHINE_H

#include "compiler/autodiff/autodiff.h"
#include "compiler/interp/interp.h"
#include "tests/sema/dump.h"
#include <check.h>

typedef struct Machine {
    Context *ctx;
    Program *p;
    Tensor *slots;
    uint64_t step;
    double progress, epoch;
    uint32_t flags;
} Machine;

static inline Machine machine_open(const char *source, const Define *defines, uint32_t count) {
    Machine m = {.ctx = context_create()};
    SemaOptions options = {
        .stem = "model", .roots = SEMA_ALL, .defines = defines, .define_count = count};
    m.p = elaborate_text(m.ctx, "test.bm", source, &options);
    if (!m.p) {
        Text out = {.arena = m.ctx->arena};
        dump_diags(m.ctx, &out);
        ck_abort_msg("%s", text_str(&out));
    }
    m.slots = ARENA_ARRAY(m.ctx->arena, Tensor, m.p->slots.len + 1);
    for (uint32_t i = 0; i < m.p->slots.len; i++) {
        const Slot *s = &m.p->slots.data[i];
        Tensor *t = &m.slots[i];
        t->dtype = s->dtype;
        t->rank = s->rank;
        memcpy(t->dims, s->dims, sizeof t->dims);
        t->data = arena_alloc(m.ctx->arena, tensor_bytes(t));
    }
    return m;
}
static inline void machine_close(Machine *m) {
    context_destroy(m->ctx);
}

static inline const Entry *machine_entry(const Machine *m, const char *name) {
    for (uint32_t i = 0; i < m->p->entries.len; i++)
        if (strcmp(m->p->entries.data[i].name, name) == 0) return &m->p->entries.data[i];
    ck_abort_msg("no entry %s", name);
}

/* All run-time dims are `size`. inputs: as the entry's. Gives the outputs. */
static inline Tensor *machine_run(Machine *m, const char *name, int64_t size, void *const *inputs) {
    const Graph *g = autodiff_run(machine_entry(m, name)->graph);
    graph_verify(g);
    Arena *arena = m->ctx->arena;
    uint32_t n = dim_symbol_count(m->p->dims);
    int64_t *symbols = ARENA_ARRAY(arena, int64_t, n + 1);
    for (uint32_t i = 0; i < n; i++) symbols[i] = size;
    Tensor *in = ARENA_ARRAY(arena, Tensor, g->inputs.len + 1);
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        const GraphInput *gi = &g->inputs.data[i];
        in[i].dtype = gi->dtype;
        in[i].rank = gi->shape.rank;
        for (uint32_t k = 0; k < gi->shape.rank; k++)
            ck_assert(dim_eval(m->p->dims, gi->shape.dims[k], symbols, &in[i].dims[k]));
        in[i].data = inputs[i];
    }
    InterpRun run = {.symbols = symbols,
                     .inputs = in,
                     .slots = m->slots,
                     .seed = 1,
                     .step = m->step,
                     .progress = m->progress,
                     .epoch = m->epoch,
                     .outputs = ARENA_ARRAY(arena, Tensor, g->outputs.len + 1),
                     .arena = arena};
    ck_assert(interp_run(g, &run));
    m->flags = run.flags;
    return run.outputs;
}

static inline float *machine_slot(Machine *m, const char *path) {
    for (uint32_t i = 0; i < m->p->slots.len; i++)
        if (strcmp(m->p->slots.data[i].path->text, path) == 0) return m->slots[i].data;
    ck_abort_msg("no slot %s", path);
}
static inline float scalar(const Tensor *t) {
    return *(const float *)t->data;
}
#define near(a, b, eps) ck_assert_double_eq_tol((double)(a), (double)(b), (eps) + 1e-30)

#endif
