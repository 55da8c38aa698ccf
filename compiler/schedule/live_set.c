/* The live set: the least that any plan of this order needs.
 *
 * A value lives from the kernel that begins to store it to the last one that reads it, and in a
 * loop from its beginning to its end where it is shared with the outside or goes from one iteration
 * to the next. The largest sum of what lives at one kernel is the bound beside which the arena is
 * reported: it knows nothing of barriers, of holes between buffers or of values that share a
 * buffer. Precondition: the order is known, no values share a buffer yet. Cost: O(order + buffers).
 */
#include "compiler/schedule/sched.h"

typedef struct Life { /* positions in the order, both included */
    bool used;
    uint32_t first, last;
} Life;

static void note(Life *life, uint32_t at) {
    if (!life->used) life->first = at;
    life->last = at;
    life->used = true;
}

static void through_loop(void *user, uint32_t buffer, uint32_t begin, uint32_t end, bool through) {
    Life *life = (Life *)user + buffer;
    if (!through) return;
    if (begin < life->first) life->first = begin;
    if (end > life->last) life->last = end;
}

int64_t live_set(Sched *s) {
    const LoopProgram *p = s->out;
    Life *lives = ARENA_ARRAY(s->arena, Life, p->buffers.len + 1);
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        if (o->kind == ORDER_GUARD) note(&lives[o->number], i);
        if (o->kind != ORDER_RUN) continue;
        const Kernel *k = p->kernels.data[o->number];
        for (uint32_t b = 0; b < k->buffers.len; b++) note(&lives[k->buffers.data[b]], i);
    }
    loop_lives(s, through_loop, lives);
    double *change = ARENA_ARRAY(s->arena, double, p->order.len + 1), live = 0, most = 0;
    for (uint32_t b = 0; b < p->buffers.len; b++) {
        const LoopBuffer *x = &p->buffers.data[b];
        if (!lives[b].used || x->storage != STORAGE_ARENA) continue;
        double bytes = (double)dim_bound(s->dims, x->count) * dtype_bytes(x->dtype);
        change[lives[b].first] += bytes;
        change[lives[b].last + 1] -= bytes;
    }
    for (uint32_t i = 0; i < p->order.len; i++) {
        live += change[i];
        if (live > most) most = live;
    }
    return most < 9e18 ? (int64_t)most : INT64_MAX;
}
