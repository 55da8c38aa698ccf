/* Which thread does what, and when two kernels need a barrier between them.
 *
 * All row-wise kernels over one extent share one partition of the rows, so a thread that wrote row
 * i is the one that reads it: forward and backward of a batch need no barrier between kernels. A
 * barrier stands only where two kernels touch one buffer, at least one of them writes, and the
 * threads that touch an element may differ. Where exactly, order.c decides. */
#include "compiler/schedule/order.h"

enum { PARALLEL_MIN_ROWS = 16, PARALLEL_MIN_WORK = 4096 };

static double work_of(const Sched *s, const Group *g) {
    double work = (double)node_bound(s, g->like);
    if (!node_is_none(g->core)) {
        const GNode *c = node_of(s, g->core);
        for (uint32_t i = 0; i < c->nargs; i++) {
            double operand = (double)node_bound(s, c->args[i]);
            work = c->op == OP_CONTRACT ? work + 4 * operand : work + operand;
        }
    }
    return work;
}

/* One grain an extent, so that all kernels over it share the partition: a row tile, or a whole
 * vector where that still leaves enough pieces for every thread count in use. */
int64_t threads_grain(const Sched *s, DimId extent) {
    bool even = dim_is_const(s->dims, extent) && dim_value(s->dims, extent) % 64 == 0;
    return even ? 2 * ROW_GRAIN : ROW_GRAIN;
}

void threads_choose(const Sched *s, const Group *g, const DimId *dims, uint32_t rank, int32_t *axis,
                    int64_t *grain) {
    *axis = -1;
    *grain = 1;
    uint32_t lead = dims_leading(s, dims, rank);
    if (lead == rank) return;
    bool rows = lead == 0 || dims_leading(s, dims + lead + 1, rank - lead - 1) < rank - lead - 1;
    if (rows && dim_bound(s->dims, dims[lead]) >= PARALLEL_MIN_ROWS) {
        *axis = (int32_t)lead;
        *grain = threads_grain(s, dims[lead]);
        return;
    }
    if (work_of(s, g) < PARALLEL_MIN_WORK) return;
    int64_t most = 1;
    uint32_t last = rank;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t bound = dim_bound(s->dims, dims[i]);
        if (bound > most) {
            *axis = (int32_t)i;
            most = bound;
        }
        if (bound > 1) last = i;
    }
    if (*axis == (int32_t)last) *grain = s->options.vector_bytes / 4;
}

/* ------------------------------------------------------------------ barriers */

static bool compatible(const Share *a, const Share *b) {
    if (a->access == ACCESS_NONE || b->access == ACCESS_NONE) return true;
    if (a->access != b->access || a->access == ACCESS_ANY) return false;
    return a->access == ACCESS_THREAD0 || (dim_same(a->extent, b->extent) && a->grain == b->grain);
}

void share_merge(Share *into, const Share *share) {
    if (share->access == ACCESS_NONE) return;
    if (into->access == ACCESS_NONE)
        *into = *share;
    else if (!compatible(into, share))
        into->access = ACCESS_ANY;
}

bool group_conflicts(const Group *g, const Seen *seen) {
    for (uint32_t i = 0; i < g->touches.len; i++) {
        const Touch *t = &g->touches.data[i];
        const Seen *b = &seen[t->buffer];
        if (!compatible(&b->written, &t->share)) return true;
        if (t->write && !compatible(&b->read, &t->share)) return true;
    }
    return false;
}

static void touch_add(const Touch *t, Seen *seen) {
    share_merge(&seen[t->buffer].read, &t->share); /* a kernel may read what it writes */
    if (t->write) share_merge(&seen[t->buffer].written, &t->share);
}

void group_touch(const Group *g, Seen *seen) {
    for (uint32_t i = 0; i < g->touches.len; i++) touch_add(&g->touches.data[i], seen);
}

/* ------------------------------------------------------------------ what a group touches */

/* A loop touches what its kernels touch. `all` is empty before and after. */
static void touches_of_loop(Sched *s, Group *g, Seen *all) {
    VEC(uint32_t) buffers = {0};
    for (uint32_t i = 0; i < g->inner->groups.len; i++) {
        const Group *part = g->inner->groups.data[i];
        for (uint32_t k = 0; k < part->touches.len; k++) {
            const Touch *t = &part->touches.data[k];
            if (all[t->buffer].read.access == ACCESS_NONE) vec_push(s->arena, &buffers, t->buffer);
            touch_add(t, all);
        }
    }
    for (uint32_t i = 0; i < buffers.len; i++) {
        uint32_t b = buffers.data[i];
        Touch read = {b, false, all[b].read}, write = {b, true, all[b].written};
        vec_push(s->arena, &g->touches, read);
        if (write.share.access != ACCESS_NONE) vec_push(s->arena, &g->touches, write);
        all[b] = (Seen){0};
    }
}

void touches_collect(Sched *s, Seen *empty) {
    for (uint32_t i = 0; i < s->groups.len; i++) {
        Group *g = s->groups.data[i];
        if (g->inner) {
            touches_collect(g->inner, empty);
            touches_of_loop(s, g, empty);
            continue;
        }
        const Kernel *k = g->kernel;
        for (uint32_t b = 0; b < k->buffers.len; b++) {
            Touch t = {
                k->buffers.data[b], k->writes.data[b], {g->access.data[b], k->extent, k->grain}};
            vec_push(s->arena, &g->touches, t);
        }
    }
}
