/* The order of kernels, and the barriers in it.
 *
 * frugal.c gives an order that needs little memory. This file follows it, but runs a later kernel
 * first where the next one would need a barrier, so that one barrier serves many: as long as what
 * is in use stays within the budget, which is the sequence's own peak, or a second-level cache's
 * worth where it is below that.
 *
 * Barriers are also what ends lives: between two of them threads run at their own pace, so nothing
 * that is in use there can share bytes (plan_memory.c). Where what is begun since the last barrier
 * would exceed the budget, one is put in: it costs less than a microsecond, the bytes it frees are
 * megabytes.
 *
 * A barrier is needed where kernels conflict (plan_threads.c); the same question is asked over the
 * back edge of a loop. Cost: O(kernels * WINDOW), and the touches. */
#include "compiler/schedule/order.h"

enum { WINDOW = 1024 }; /* places looked ahead */

typedef struct Meeting { /* of the whole program, bodies included */
    Sched *root;
    Seen *seen;
    bool met; /* nothing ran since the last meeting */
} Meeting;

typedef struct Orderer {
    Sched *s;
    Meeting *m;
    Deps deps;
    Footprint footprint;
    Sequence rest; /* from `first` on: what is left, in order */
    uint32_t first;
    uint32_t *left; /* per buffer: steps to come that touch it */
    double live;    /* bytes in use */
    double phase;   /* in use at the last barrier, or begun since */
    double budget;
} Orderer;

static void order_push(Meeting *m, OrderKind kind, uint32_t number) {
    Order item = {.kind = kind, .number = number};
    vec_push(m->root->arena, &m->root->out->order, item);
    if (kind == ORDER_RUN) m->met = false;
    if (kind != ORDER_BARRIER && kind != ORDER_GUARD) return;
    m->met = true;
    memset(m->seen, 0, m->root->out->buffers.len * sizeof *m->seen);
}

/* ------------------------------------------------------------------ dependences */

static void edge(Deps *d, uint32_t from, uint32_t to) {
    if (from == to) return;
    vec_push(d->s->arena, &d->after[from], to);
    d->waits[to]++;
}

/* Writers wait for what was read and written before, readers for writers. */
static void edges_of_buffers(Deps *d) {
    uint32_t buffers = d->s->out->buffers.len;
    uint32_t *writer = ARENA_ARRAY(d->s->arena, uint32_t, buffers);
    Numbers *readers = ARENA_ARRAY(d->s->arena, Numbers, buffers);
    for (uint32_t i = 0; i < buffers; i++) writer[i] = NONE;
    for (uint32_t i = 0; i < d->count; i++) {
        const Group *g = d->s->groups.data[i];
        for (uint32_t k = 0; k < g->touches.len; k++) {
            const Touch *t = &g->touches.data[k];
            if (writer[t->buffer] != NONE) edge(d, writer[t->buffer], i);
            for (uint32_t r = 0; t->write && r < readers[t->buffer].len; r++)
                edge(d, readers[t->buffer].data[r], i);
            if (t->write) {
                writer[t->buffer] = i;
                readers[t->buffer].len = 0;
            } else {
                vec_push(d->s->arena, &readers[t->buffer], i);
            }
        }
    }
}

/* The token of an `again` is read by no kernel, but it says when. */
static void edges_of_reads(Deps *d) {
    const Sched *s = d->s;
    for (uint32_t i = 0; i < d->count; i++) {
        const Group *g = s->groups.data[i];
        for (uint32_t k = 0; k < g->reads.len; k++) {
            uint32_t from = plan_of(s, g->reads.data[k])->group;
            INVARIANT(from == NONE || from <= i);
            if (from != NONE) edge(d, from, i);
        }
    }
}

static bool may_flag(const Group *g) {
    for (uint32_t i = 0; g->inner && i < g->inner->groups.len; i++)
        if (may_flag(g->inner->groups.data[i])) return true;
    for (uint32_t i = 0; !g->inner && i < g->kernel->stmts.len; i++)
        if (g->kernel->stmts.data[i].kind == STMT_FLAG) return true;
    return false;
}

/* Outputs and flags are there whatever the guard says. */
static bool precedes_guard(const Sched *s, const Group *g) {
    uint32_t guard = plan_of(s, s->graph->guard)->buffer;
    if (g->phase != PHASE_COMPUTE) return false;
    for (uint32_t i = 0; i < g->touches.len; i++) {
        const Touch *t = &g->touches.data[i];
        if (t->write && s->out->buffers.data[t->buffer].storage == STORAGE_OUTPUT) return true;
        if (t->buffer == guard) return true;
    }
    return may_flag(g);
}

Deps deps_of(Sched *s) {
    Deps d = {.s = s, .count = s->groups.len};
    d.guard = !s->body && !node_is_none(s->graph->guard);
    d.after = ARENA_ARRAY(s->arena, Numbers, d.count + 1);
    d.waits = ARENA_ARRAY(s->arena, uint32_t, d.count + 1);
    edges_of_buffers(&d);
    edges_of_reads(&d);
    for (uint32_t i = 0; d.guard && i < d.count; i++) {
        const Group *g = s->groups.data[i];
        if (g->phase != PHASE_COMPUTE)
            edge(&d, d.count, i);
        else if (precedes_guard(s, g))
            edge(&d, i, d.count);
    }
    return d;
}

/* ------------------------------------------------------------------ running a step */

static void run_loop(Meeting *m, const Group *g);

static void guard_run(Orderer *o) {
    order_push(o->m, ORDER_GUARD, plan_of(o->s, o->s->graph->guard)->buffer);
    o->phase = o->live;
}

static double begins(const Orderer *o, uint32_t step) {
    double bytes = 0;
    const Numbers *touched = &o->footprint.touched[step];
    for (uint32_t i = 0; i < touched->len; i++)
        if (o->left[touched->data[i]] == o->footprint.uses[touched->data[i]])
            bytes += o->footprint.bytes[touched->data[i]];
    return bytes;
}

static void step_run(Orderer *o, uint32_t step) {
    const double begun = begins(o, step);
    o->live += begun;
    o->phase += begun + o->footprint.transient[step];
    if (step == o->deps.count) {
        guard_run(o);
    } else if (o->s->groups.data[step]->inner) {
        run_loop(o->m, o->s->groups.data[step]);
    } else {
        order_push(o->m, ORDER_RUN, o->s->groups.data[step]->number);
        group_touch(o->s->groups.data[step], o->m->seen);
    }
    const Numbers *touched = &o->footprint.touched[step];
    for (uint32_t i = 0; i < touched->len; i++)
        if (--o->left[touched->data[i]] == 0) o->live -= o->footprint.bytes[touched->data[i]];
    for (uint32_t i = 0; i < o->deps.after[step].len; i++)
        o->deps.waits[o->deps.after[step].data[i]]--;
}

static void barrier(Orderer *o) {
    order_push(o->m, ORDER_BARRIER, 0);
    o->phase = o->live;
}

static bool needs_barrier(const Orderer *o, uint32_t step) {
    if (step == o->deps.count) return !o->m->met;
    return group_conflicts(o->s->groups.data[step], o->m->seen);
}

/* ------------------------------------------------------------------ which step is next */

/* The first place whose step needs no barrier and, run now, keeps everything before it within the
 * budget; or NONE. The next step itself is within it anyway. */
static uint32_t next_place(const Orderer *o) {
    double most = 0; /* of the places passed */
    uint32_t end = o->rest.count - o->first > WINDOW ? o->first + WINDOW : o->rest.count;
    for (uint32_t i = o->first; i < end; i++) {
        uint32_t step = o->rest.at[i];
        double begun = begins(o, step), own = begun + o->footprint.transient[step];
        bool fits = o->phase + own <= o->budget;
        if (i > o->first) fits &= o->live + own <= o->budget && most + begun <= o->budget;
        if (o->deps.waits[step] == 0 && fits && !needs_barrier(o, step)) return i;
        if (o->rest.live[i] > most) most = o->rest.live[i];
    }
    return NONE;
}

/* The step at `place` goes first; what it begins is in use all the while. */
static void place_advance(Orderer *o, uint32_t place) {
    uint32_t step = o->rest.at[place];
    double begun = begins(o, step);
    for (uint32_t i = place; i > o->first; i--) {
        o->rest.at[i] = o->rest.at[i - 1];
        o->rest.live[i] = o->rest.live[i - 1] + begun;
    }
    o->rest.at[o->first] = step;
}

static void sequence_run(Orderer *o) {
    while (o->first < o->rest.count) {
        uint32_t place = next_place(o);
        if (place == NONE && !o->m->met) {
            barrier(o);
            continue;
        }
        if (place == NONE) place = o->first;
        place_advance(o, place);
        step_run(o, o->rest.at[o->first++]);
    }
}

static Orderer orderer_of(Sched *s, Meeting *m) {
    Orderer o = {.s = s, .m = m, .deps = deps_of(s)};
    uint32_t buffers = s->out->buffers.len + 1;
    o.footprint = footprint_of(&o.deps);
    o.rest = sequence_choose(&o.deps, &o.footprint);
    o.left = ARENA_ARRAY(s->arena, uint32_t, buffers);
    memcpy(o.left, o.footprint.uses, buffers * sizeof *o.left);
    const double small = s->body ? LOOP_SMALL_BYTES : SMALL_BYTES;
    o.budget = o.rest.peak * 1.02 > small ? o.rest.peak * 1.02 : small;
    return o;
}

/* ------------------------------------------------------------------ loops */

/* What is the same in every iteration runs before the loop. */
static void hoisted_run(Orderer *o) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < o->deps.count; i++) left += o->s->groups.data[i]->hoisted;
    bool *done = ARENA_ARRAY(o->s->arena, bool, o->deps.count + 1);
    while (left > 0) {
        uint32_t before = left;
        for (uint32_t i = 0; i < o->deps.count; i++) {
            if (done[i] || !o->s->groups.data[i]->hoisted || o->deps.waits[i] > 0 ||
                needs_barrier(o, i))
                continue;
            step_run(o, i);
            done[i] = true;
            left--;
        }
        if (left == before) {
            INVARIANT(!o->m->met);
            barrier(o);
        }
    }
}

/* Threads meet here rather than in every iteration. */
static void loop_enter(Orderer *o, uint32_t loop) {
    hoisted_run(o);
    bool conflict = false;
    for (uint32_t i = 0; i < o->s->groups.len; i++) {
        const Group *g = o->s->groups.data[i];
        conflict |= !g->hoisted && group_conflicts(g, o->m->seen);
    }
    if (conflict) barrier(o);
    order_push(o->m, ORDER_LOOP_BEGIN, loop);
}

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
        if (o->kind == ORDER_RUN &&
            group_conflicts(m->root->kernel_groups.data[o->number], m->seen))
            return true;
    }
    return false;
}

/* An iteration that ends without a barrier runs beside the beginning of the next one: what lives at
 * either end then lives throughout. Where there are barriers anyway and the bytes matter, one more
 * ends it. */
static bool end_frees(const Orderer *o, uint32_t first) {
    const LoopProgram *p = o->m->root->out;
    uint32_t depth = 0;
    bool met = false;
    for (uint32_t i = first; i < p->order.len; i++) {
        depth += p->order.data[i].kind == ORDER_LOOP_BEGIN;
        depth -= p->order.data[i].kind == ORDER_LOOP_END;
        met |= p->order.data[i].kind == ORDER_BARRIER && depth == 0;
    }
    return met && !o->m->met && o->rest.peak > LOOP_SMALL_BYTES;
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
    sequence_run(&o);
    if (next_conflicts(m, first) || end_frees(&o, first)) barrier(&o);
    order_push(m, ORDER_LOOP_END, g->number);
    for (uint32_t i = 0; i < buffers; i++) {
        share_merge(&m->seen[i].read, &before[i].read);
        share_merge(&m->seen[i].written, &before[i].written);
    }
    m->met &= met;
}

void plan_threads(Sched *s) {
    Meeting m = {.root = s, .met = true};
    m.seen = ARENA_ARRAY(s->arena, Seen, s->out->buffers.len);
    touches_collect(s, m.seen);
    Orderer o = orderer_of(s, &m);
    sequence_run(&o);
}
