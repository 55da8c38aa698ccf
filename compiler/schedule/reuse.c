/* One buffer for several values, within a phase.
 *
 * Between barriers threads run at their own pace, so the planner cannot overlay two buffers there.
 * But where all kernels reach a value by the rows of one partition, a thread only touches its own
 * rows; the next value of the same dtype, shape and partition may take over the whole buffer once
 * the last reader of the first one has run: each thread's rows are free when that thread gets
 * there. In a loop it gets there in every iteration. This keeps a deep row-wise model in a few
 * buffers, which stay in cache. Only within a phase: behind a barrier the planner may put anything
 * there, and a buffer kept for a value to come would lie idle.
 *
 * Why not in plan_memory.c: the values then are one buffer, so the independent checker needs no
 * exception. Precondition: the order is known. Cost: O(buffers * kinds). */
#include "compiler/schedule/sched.h"
#include <stdlib.h>

typedef struct Use {
    bool used, rows;      /* rows: by every kernel, over one extent and grain */
    uint32_t first, last; /* positions in the order */
    uint32_t first_phase, last_phase;
    DimId extent;
    int64_t grain;
} Use;

static void use_note(Use *use, const Group *g, uint32_t position, uint32_t at) {
    const Kernel *k = g->kernel;
    bool rows = g->access.data[position] == ACCESS_ROWS;
    if (!use->used) {
        *use = (Use){.used = true,
                     .rows = rows,
                     .first = at,
                     .last = at,
                     .extent = k->extent,
                     .grain = k->grain};
        return;
    }
    use->last = at;
    use->rows &= rows && dim_same(use->extent, k->extent) && use->grain == k->grain;
}

static void phases_note(const LoopProgram *p, Use *uses, Arena *arena) {
    uint32_t *phase = ARENA_ARRAY(arena, uint32_t, p->order.len + 1);
    for (uint32_t i = 0; i < p->order.len; i++) {
        OrderKind kind = p->order.data[i].kind;
        phase[i + 1] = phase[i] + (kind == ORDER_BARRIER || kind == ORDER_GUARD);
    }
    for (uint32_t i = 0; i < p->buffers.len && p->order.len > 0; i++) {
        uses[i].first_phase = phase[uses[i].first];
        uses[i].last_phase = phase[uses[i].last];
    }
}

static void use_in_loop(void *user, uint32_t buffer, uint32_t begin, uint32_t end, bool through) {
    Use *use = (Use *)user + buffer;
    if (!through) return;
    if (begin < use->first) use->first = begin;
    if (end > use->last) use->last = end;
}

static Use *uses_collect(Sched *s) {
    const LoopProgram *p = s->out;
    Use *uses = ARENA_ARRAY(s->arena, Use, p->buffers.len);
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        if (o->kind == ORDER_GUARD) uses[o->number].rows = false;
        if (o->kind != ORDER_RUN) continue;
        const Group *g = s->kernel_groups.data[o->number];
        for (uint32_t b = 0; b < g->kernel->buffers.len; b++)
            use_note(&uses[g->kernel->buffers.data[b]], g, b, i);
    }
    loop_lives(s, use_in_loop, uses);
    phases_note(p, uses, s->arena);
    return uses;
}

static bool may_share(const LoopProgram *p, const Use *uses, uint32_t a, uint32_t b) {
    const LoopBuffer *x = &p->buffers.data[a], *y = &p->buffers.data[b];
    return x->dtype == y->dtype && dim_same(x->count, y->count) && uses[a].last < uses[b].first &&
           uses[a].last_phase == uses[b].first_phase && dim_same(uses[a].extent, uses[b].extent) &&
           uses[a].grain == uses[b].grain;
}

typedef struct Start {
    uint32_t first, buffer;
} Start;

static int earlier(const void *a, const void *b) {
    const Start *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->buffer < y->buffer ? -1 : 1;
}

/* Fills into[]: the buffer each buffer becomes. */
static void share(Sched *s, Use *uses, uint32_t *into) {
    LoopProgram *p = s->out;
    VEC(Start) starts = {0};
    VEC(uint32_t) kept = {0};
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        Start start = {uses[i].first, i};
        into[i] = i;
        if (uses[i].used && uses[i].rows && p->buffers.data[i].storage == STORAGE_ARENA)
            vec_push(s->arena, &starts, start);
    }
    if (starts.len > 0) qsort(starts.data, starts.len, sizeof *starts.data, earlier);
    for (uint32_t i = 0; i < starts.len; i++) {
        uint32_t b = starts.data[i].buffer, found = NONE;
        for (uint32_t k = 0; k < kept.len && found == NONE; k++)
            if (may_share(p, uses, kept.data[k], b)) found = kept.data[k];
        if (found == NONE) {
            vec_push(s->arena, &kept, b);
            continue;
        }
        into[b] = found;
        uses[found].last = uses[b].last;
        uses[found].last_phase = uses[b].last_phase;
        p->buffers.data[b].count = dim_const(s->dims, 0);
    }
}

void reuse_buffers(Sched *s) {
    if (!s->options.memory_plan || !s->options.fusion) return;
    uint32_t *into = ARENA_ARRAY(s->arena, uint32_t, s->out->buffers.len);
    share(s, uses_collect(s), into);
    for (uint32_t i = 0; i < s->out->kernels.len; i++) {
        Kernel *k = s->out->kernels.data[i];
        for (uint32_t b = 0; b < k->buffers.len; b++) k->buffers.data[b] = into[k->buffers.data[b]];
    }
}
