/* Which thread does what, and where threads must meet.
 *
 * All row-wise kernels over one extent share one partition of the rows, so a thread that wrote row
 * i is the one that reads it: forward and backward of a batch need no barrier between kernels. A
 * barrier stands only where two kernels touch one buffer, at least one of them writes, and the
 * threads that touch an element may differ. Cost: O(kernels * buffers). */
#include "compiler/schedule/sched.h"

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
    if (rank == 0) return;
    if (dim_bound(s->dims, dims[0]) >= PARALLEL_MIN_ROWS) {
        *axis = 0;
        *grain = threads_grain(s, dims[0]);
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

typedef struct Share { /* how threads reach a buffer */
    Access access;
    DimId extent;
    int64_t grain;
} Share;
typedef struct Seen { /* since the last barrier */
    Share read, written;
} Seen;

static bool compatible(const Share *a, const Share *b) {
    if (a->access == ACCESS_NONE || b->access == ACCESS_NONE) return true;
    if (a->access != b->access || a->access == ACCESS_ANY) return false;
    return a->access == ACCESS_THREAD0 || (dim_same(a->extent, b->extent) && a->grain == b->grain);
}

static Share share_of(const Group *g, uint32_t position) {
    Share share = {g->access.data[position], g->kernel->extent, g->kernel->grain};
    return share;
}

static void merge(Share *into, const Share *share) {
    if (into->access == ACCESS_NONE)
        *into = *share;
    else if (!compatible(into, share))
        into->access = ACCESS_ANY;
}

static bool conflicts(const Group *g, const Seen *seen) {
    const Kernel *k = g->kernel;
    for (uint32_t i = 0; i < k->buffers.len; i++) {
        const Seen *b = &seen[k->buffers.data[i]];
        Share share = share_of(g, i);
        if (!compatible(&b->written, &share)) return true;
        if (k->writes.data[i] && !compatible(&b->read, &share)) return true;
    }
    return false;
}

static void touch(const Group *g, Seen *seen) {
    const Kernel *k = g->kernel;
    for (uint32_t i = 0; i < k->buffers.len; i++) {
        Share share = share_of(g, i);
        merge(&seen[k->buffers.data[i]].read, &share); /* a kernel may read what it writes */
        if (k->writes.data[i]) merge(&seen[k->buffers.data[i]].written, &share);
    }
}

/* ------------------------------------------------------------------ the order */

typedef VEC(uint32_t) Numbers;
typedef struct Orderer {
    Sched *s;
    Seen *seen;
    bool met;        /* nothing ran since the last meeting */
    Numbers *after;  /* per group: groups that need it done before */
    uint32_t *waits; /* per group: groups it waits for */
    bool *done;
} Orderer;

static void order_push(Orderer *o, OrderKind kind, uint32_t number) {
    Order item = {kind, number};
    vec_push(o->s->arena, &o->s->out->order, item);
    o->met = kind != ORDER_RUN;
    if (o->met) memset(o->seen, 0, o->s->out->buffers.len * sizeof *o->seen);
}

static void edge(Orderer *o, uint32_t from, uint32_t to) {
    if (from == to) return;
    vec_push(o->s->arena, &o->after[from], to);
    o->waits[to]++;
}

/* Who must wait for whom: writers for what was read and written before, readers for writers. */
static void dependences(Orderer *o) {
    uint32_t buffers = o->s->out->buffers.len;
    uint32_t *writer = ARENA_ARRAY(o->s->arena, uint32_t, buffers);
    Numbers *readers = ARENA_ARRAY(o->s->arena, Numbers, buffers);
    for (uint32_t i = 0; i < buffers; i++) writer[i] = NONE;
    for (uint32_t i = 0; i < o->s->groups.len; i++) {
        const Kernel *k = o->s->groups.data[i]->kernel;
        for (uint32_t b = 0; b < k->buffers.len; b++) {
            uint32_t buffer = k->buffers.data[b];
            if (writer[buffer] != NONE) edge(o, writer[buffer], i);
            for (uint32_t r = 0; k->writes.data[b] && r < readers[buffer].len; r++)
                edge(o, readers[buffer].data[r], i);
            if (k->writes.data[b]) {
                writer[buffer] = i;
                readers[buffer].len = 0;
            } else {
                vec_push(o->s->arena, &readers[buffer], i);
            }
        }
    }
}

static void run(Orderer *o, uint32_t number) {
    order_push(o, ORDER_RUN, number);
    touch(o->s->groups.data[number], o->seen);
    o->done[number] = true;
    for (uint32_t i = 0; i < o->after[number].len; i++) o->waits[o->after[number].data[i]]--;
}

/* Runs what needs no meeting first: kernels that would need one wait until all others are done, so
 * that one barrier serves them all. */
static void phase_order(Orderer *o, uint32_t first, uint32_t end) {
    for (uint32_t left = end - first; left > 0;) {
        uint32_t before = left;
        for (uint32_t i = first; i < end; i++)
            if (!o->done[i] && o->waits[i] == 0 && !conflicts(o->s->groups.data[i], o->seen)) {
                run(o, i);
                left--;
            }
        if (left == before) {
            INVARIANT(!o->met);
            order_push(o, ORDER_BARRIER, 0);
        }
    }
}

void plan_threads(Sched *s) {
    Orderer o = {.s = s, .met = true};
    uint32_t count = s->groups.len, compute = 0;
    o.seen = ARENA_ARRAY(s->arena, Seen, s->out->buffers.len);
    o.after = ARENA_ARRAY(s->arena, Numbers, count);
    o.waits = ARENA_ARRAY(s->arena, uint32_t, count);
    o.done = ARENA_ARRAY(s->arena, bool, count);
    dependences(&o);
    while (compute < count && s->groups.data[compute]->phase == PHASE_COMPUTE) compute++;
    phase_order(&o, 0, compute);
    if (!node_is_none(s->graph->guard)) {
        if (!o.met) order_push(&o, ORDER_BARRIER, 0);
        order_push(&o, ORDER_GUARD, plan_of(s, s->graph->guard)->buffer);
    }
    phase_order(&o, compute, count);
}
