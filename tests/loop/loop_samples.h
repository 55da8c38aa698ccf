/* A small loop program that several tests start from: y[i] = x[i] * 2 + acc over a batch, 16 lanes.
 */
#ifndef BMC_TEST_LOOP_SAMPLES_H
#define BMC_TEST_LOOP_SAMPLES_H

#include "compiler/loop/loop.h"

typedef struct Sample {
    Context *ctx;
    Program program;
    Entry entry;
    LoopProgram *p;
    DimId batch;
} Sample;

static inline void sample_open(Sample *s, int64_t bound) {
    memset(s, 0, sizeof *s);
    s->ctx = context_create();
    s->program.ctx = s->ctx;
    s->program.stem = "sample";
    s->program.source = "";
    s->program.dims = dims_create(s->ctx->arena);
    s->program.init_entry = -1;
    s->batch = dim_symbol(s->program.dims, ctx_sym(s->ctx, "B"), bound);
    s->entry.name = "entry";
    s->entry.kind = BMRT_ENTRY_EXPORT;
    s->p = loop_program_create(s->ctx, &s->program, &s->entry);
}

static inline void sample_close(Sample *s) {
    context_destroy(s->ctx);
}

static inline uint32_t sample_buffer(Sample *s, const char *name, Storage storage, uint32_t number,
                                     DType dtype, DimId count) {
    LoopBuffer b = {
        .name = name, .storage = storage, .number = number, .dtype = dtype, .count = count};
    vec_push(s->ctx->arena, &s->p->buffers, b);
    return s->p->buffers.len - 1;
}

static inline void sample_run(Sample *s, OrderKind kind, uint32_t number) {
    Order o = {.kind = kind, .number = number};
    vec_push(s->ctx->arena, &s->p->order, o);
}

#endif
