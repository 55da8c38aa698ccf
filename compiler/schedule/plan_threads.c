/* Which thread does what, and where threads must meet.
 *
 * All row-wise kernels over one extent share one partition of the rows, so a thread that wrote row
 * i is the one that reads it: forward and backward of a batch need no barrier between kernels. A
 * barrier stands only where two kernels touch one buffer, at least one of them writes, and the
 * threads that touch an element may differ. The same question is asked over the back edge of a
 * loop. Cost: O(kernels * buffers). */
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

typedef struct Seen { /* since the last barrier */
    Share read, written;
} Seen;

static bool compatible(const Share *a, const Share *b) {
    if (a->access == ACCESS_NONE || b->access == ACCESS_NONE) return true;
    if (a->access != b->access || a->access == ACCESS_ANY) return false;
    return a->access == ACCESS_THREAD0 || (dim_same(a->extent, b->extent) && a->grain == b->grain);
}

static void merge(Share *into, const Share *share) {
    if (share->access == ACCESS_NONE) return;
    if (into->access == ACCESS_NONE)
        *into = *share;
    else if (!compatible(into, share))
        into->access = ACCESS_ANY;
}

static bool conflicts(const Group *g, const Seen *seen) {
    for (uint32_t i = 0; i < g->touches.len; i++) {
        const Touch *t = &g->touches.data[i];
        const Seen *b = &seen[t->buffer];
        if (!compatible(&b->written, &t->share)) return true;
        if (t->write && !compatible(&b->read, &t->share)) return true;
    }
    return false;
}

static void touch_add(const Touch *t, Seen *seen) {
    merge(&seen[t->buffer].read, &t->share); /* a kernel may read what it writes */
    if (t->write) merge(&seen[t->buffer].written, &t->share);
}

static void touch(const Group *g, Seen *seen) {
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

static void touches_collect(Sched *s, Seen *empty) {
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

/* ------------------------------------------------------------------ the order */

typedef VEC(uint32_t) Numbers;
typedef struct Meeting { /* of the whole program, bodies included */
    Sched *root;
    Seen *seen;
    bool met; /* nothing ran since the last meeting */
} Meeting;
typedef struct Orderer {
    Sched *s;
    Meeting *m;
    Numbers *after;  /* per group: groups that need it done before */
    uint32_t *waits; /* per group: groups it waits for */
    bool *done;
} Orderer;

static void order_push(Meeting *m, OrderKind kind, uint32_t number) {
    Order item = {.kind = kind, .number = number};
    vec_push(m->root->arena, &m->root->out->order, item);
    if (kind == ORDER_RUN) m->met = false;
    if (kind != ORDER_BARRIER && kind != ORDER_GUARD) return;
    m->met = true;
    memset(m->seen, 0, m->root->out->buffers.len * sizeof *m->seen);
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
        const Group *g = o->s->groups.data[i];
        for (uint32_t k = 0; k < g->touches.len; k++) {
            const Touch *t = &g->touches.data[k];
            if (writer[t->buffer] != NONE) edge(o, writer[t->buffer], i);
            for (uint32_t r = 0; t->write && r < readers[t->buffer].len; r++)
                edge(o, readers[t->buffer].data[r], i);
            if (t->write) {
                writer[t->buffer] = i;
                readers[t->buffer].len = 0;
            } else {
                vec_push(o->s->arena, &readers[t->buffer], i);
            }
        }
    }
}

static void run_loop(Meeting *m, const Group *g);

static void run(Orderer *o, uint32_t number) {
    const Group *g = o->s->groups.data[number];
    if (g->inner) {
        run_loop(o->m, g);
    } else {
        order_push(o->m, ORDER_RUN, g->number);
        touch(g, o->m->seen);
    }
    o->done[number] = true;
    for (uint32_t i = 0; i < o->after[number].len; i++) o->waits[o->after[number].data[i]]--;
}

/* Runs what needs no meeting first: kernels that would need one wait until all others are done, so
 * that one barrier serves them all. */
static void phase_order(Orderer *o, uint32_t first, uint32_t end, bool hoisted) {
    uint32_t left = 0;
    for (uint32_t i = first; i < end; i++) left += o->s->groups.data[i]->hoisted == hoisted;
    while (left > 0) {
        uint32_t before = left;
        for (uint32_t i = first; i < end; i++)
            if (!o->done[i] && o->s->groups.data[i]->hoisted == hoisted && o->waits[i] == 0 &&
                !conflicts(o->s->groups.data[i], o->m->seen)) {
                run(o, i);
                left--;
            }
        if (left == before) {
            INVARIANT(!o->m->met);
            order_push(o->m, ORDER_BARRIER, 0);
        }
    }
}

/* What is the same in every iteration runs before the loop. Threads meet there rather than in every
 * iteration. */
static void loop_enter(Orderer *o, uint32_t loop) {
    phase_order(o, 0, o->s->groups.len, true);
    bool conflict = false;
    for (uint32_t i = 0; i < o->s->groups.len; i++) {
        const Group *g = o->s->groups.data[i];
        conflict |= !g->hoisted && conflicts(g, o->m->seen);
    }
    if (conflict) order_push(o->m, ORDER_BARRIER, 0);
    order_push(o->m, ORDER_LOOP_BEGIN, loop);
}

static Orderer orderer_of(Sched *s, Meeting *m) {
    Orderer o = {.s = s, .m = m};
    o.after = ARENA_ARRAY(s->arena, Numbers, s->groups.len);
    o.waits = ARENA_ARRAY(s->arena, uint32_t, s->groups.len);
    o.done = ARENA_ARRAY(s->arena, bool, s->groups.len);
    dependences(&o);
    return o;
}

static void groups_run(Orderer *o) {
    const Sched *s = o->s;
    Meeting *m = o->m;
    uint32_t count = s->groups.len, compute = 0;
    while (compute < count && s->groups.data[compute]->phase == PHASE_COMPUTE) compute++;
    phase_order(o, 0, compute, false);
    if (!node_is_none(s->graph->guard)) {
        if (!m->met) order_push(m, ORDER_BARRIER, 0);
        order_push(m, ORDER_GUARD, plan_of(s, s->graph->guard)->buffer);
    }
    phase_order(o, compute, count, false);
}

/* ------------------------------------------------------------------ loops */

/* Would an iteration that begins at `first` conflict with what the one before it touched since its
 * last barrier? A barrier of an inner loop counts for nothing: that loop may run zero times. */
static bool next_conflicts(const Meeting *m, uint32_t first) {
    const LoopProgram *p = m->root->out;
    uint32_t depth = 0;
    for (uint32_t i = first; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        depth += o->kind == ORDER_LOOP_BEGIN;
        depth -= o->kind == ORDER_LOOP_END;
        if (o->kind == ORDER_BARRIER && depth == 0) return false;
        if (o->kind == ORDER_RUN && conflicts(m->root->kernel_groups.data[o->number], m->seen))
            return true;
    }
    return false;
}

/* Threads meet before the loop rather than in every iteration, and after an iteration only when the
 * next one reads what another thread wrote, or the like. The loop may run zero times: what was
 * touched before it stays touched after it. */
static void run_loop(Meeting *m, const Group *g) {
    uint32_t buffers = m->root->out->buffers.len;
    Orderer o = orderer_of(g->inner, m);
    loop_enter(&o, g->number);
    Seen *before = ARENA_ARRAY(m->root->arena, Seen, buffers);
    memcpy(before, m->seen, buffers * sizeof *before);
    bool met = m->met;
    uint32_t first = m->root->out->order.len;
    groups_run(&o);
    if (next_conflicts(m, first)) order_push(m, ORDER_BARRIER, 0);
    order_push(m, ORDER_LOOP_END, g->number);
    for (uint32_t i = 0; i < buffers; i++) {
        merge(&m->seen[i].read, &before[i].read);
        merge(&m->seen[i].written, &before[i].written);
    }
    m->met &= met;
}

void plan_threads(Sched *s) {
    Meeting m = {.root = s, .met = true};
    m.seen = ARENA_ARRAY(s->arena, Seen, s->out->buffers.len);
    touches_collect(s, m.seen);
    Orderer o = orderer_of(s, &m);
    groups_run(&o);
}
