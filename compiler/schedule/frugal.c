/* A sequence of kernels that needs little memory.
 *
 * What lives at once depends on the order: a gradient chain that runs right after its forward pass
 * frees what the pass kept, and a weight's gradient that waits keeps two activations. The least
 * peak is NP-hard to find (register sufficiency, Sethi 1975), so three orders are made and
 * measured:
 *
 *   listed     as the graph has them, writes last
 *   ascending  listed, but a step that does not add memory goes at once
 *   depth      the same, and of the others the one enabled last goes first: one of many independent
 *              chains is followed to its end
 *
 * Steps that wait for nothing (a transposed weight, a mask) go just before the first one that needs
 * them. The guard is a step too: what writes slots comes after it, what is an output or may raise a
 * flag before it. The smallest peak wins; of nearly equal ones the earlier in this list. Cost:
 * O(touches + steps log steps). */
#include "compiler/schedule/order.h"

/* ------------------------------------------------------------------ what a step touches */

static double buffer_bytes(const Sched *s, uint32_t buffer) {
    const LoopBuffer *b = &s->out->buffers.data[buffer];
    if (b->storage != STORAGE_ARENA) return 0;
    return (double)dim_bound(s->dims, b->count) * dtype_bytes(b->dtype);
}

static bool step_is_hoisted(const Deps *d, uint32_t step) {
    return step < d->count && d->s->groups.data[step]->hoisted;
}

/* Of a body: what comes from outside or goes there, and what is made before the loop, lives
 * throughout. */
static bool *throughout_mark(const Deps *d) {
    const Sched *s = d->s;
    bool *marked = ARENA_ARRAY(s->arena, bool, s->out->buffers.len + 1);
    if (!s->body) return marked;
    const Scan *scan = &s->body->scan;
    for (uint32_t i = 0; i < scan->body->inputs.len; i++)
        if (s->body->inputs[i].buffer != NONE) marked[s->body->inputs[i].buffer] = true;
    for (uint32_t i = 0; i < scan->carries + scan->yields; i++)
        if (s->body->results[i].buffer != NONE) marked[s->body->results[i].buffer] = true;
    for (uint32_t i = 0; i < d->count; i++) {
        const Group *g = s->groups.data[i];
        for (uint32_t k = 0; g->hoisted && k < g->touches.len; k++)
            marked[g->touches.data[k].buffer] = true;
    }
    return marked;
}

/* A loop needs what its body needs at once, and all of what lives through it. */
static double loop_transient(Footprint *f, const Deps *d, uint32_t step) {
    Deps inner = deps_of(d->s->groups.data[step]->inner);
    Footprint own = footprint_of(&inner);
    double bytes = sequence_choose(&inner, &own).peak;
    for (uint32_t i = 0; i < f->touched[step].len; i++) {
        uint32_t b = f->touched[step].data[i];
        if (f->uses[b] == 1 && own.bytes[b] == 0) bytes += f->bytes[b];
    }
    return bytes;
}

static void touched_collect(Footprint *f, const Deps *d, const bool *throughout) {
    Sched *s = d->s;
    uint32_t *seen = ARENA_ARRAY(s->arena, uint32_t, s->out->buffers.len + 1);
    for (uint32_t i = 0; i < d->count; i++) {
        const Group *g = s->groups.data[i];
        for (uint32_t k = 0; !g->hoisted && k < g->touches.len; k++) {
            uint32_t b = g->touches.data[k].buffer;
            if (seen[b] == i + 1 || throughout[b]) continue;
            seen[b] = i + 1;
            f->bytes[b] = buffer_bytes(s, b);
            if (f->bytes[b] == 0) continue;
            vec_push(s->arena, &f->touched[i], b);
            f->uses[b]++;
            f->user[b] ^= i;
        }
    }
}

Footprint footprint_of(const Deps *d) {
    Sched *s = d->s;
    uint32_t buffers = s->out->buffers.len + 1;
    Footprint f = {0};
    f.touched = ARENA_ARRAY(s->arena, Numbers, d->count + 1);
    f.transient = ARENA_ARRAY(s->arena, double, d->count + 1);
    f.bytes = ARENA_ARRAY(s->arena, double, buffers);
    f.uses = ARENA_ARRAY(s->arena, uint32_t, buffers);
    f.user = ARENA_ARRAY(s->arena, uint32_t, buffers);
    touched_collect(&f, d, throughout_mark(d));
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->s->groups.data[i]->inner) f.transient[i] = loop_transient(&f, d, i);
        uint32_t kept = 0;
        for (uint32_t k = 0; k < f.touched[i].len; k++) {
            uint32_t b = f.touched[i].data[k];
            if (f.uses[b] > 1) {
                f.touched[i].data[kept++] = b;
                continue;
            }
            if (!d->s->groups.data[i]->inner) f.transient[i] += f.bytes[b];
        }
        f.touched[i].len = kept;
    }
    return f;
}

/* ------------------------------------------------------------------ one sequence */

typedef struct Offer {
    bool grows; /* the memory in use */
    uint32_t stamp, step;
} Offer;

typedef struct Search {
    const Deps *d;
    const Footprint *f;
    bool depth;
    bool *source, *done, *on;         /* on: per buffer, in use */
    uint32_t *missing, *stamp, *left; /* per step, per step, per buffer */
    uint32_t *user, *mark, *taken;    /* per buffer */
    Numbers *sources;                 /* per step: sources it needs */
    VEC(Offer) heap;
    uint32_t clock, now;
    Sequence out;
} Search;

static bool entry_before(const Search *x, const Offer *a, const Offer *b) {
    if (a->grows != b->grows) return !a->grows;
    if (x->depth && a->stamp != b->stamp) return a->stamp > b->stamp;
    return a->step < b->step;
}

static void heap_swap(Search *x, uint32_t a, uint32_t b) {
    Offer entry = x->heap.data[a];
    x->heap.data[a] = x->heap.data[b];
    x->heap.data[b] = entry;
}

static void heap_push(Search *x, Offer entry) {
    vec_push(x->d->s->arena, &x->heap, entry);
    for (uint32_t i = x->heap.len - 1;
         i > 0 && entry_before(x, &x->heap.data[i], &x->heap.data[(i - 1) / 2]); i = (i - 1) / 2)
        heap_swap(x, i, (i - 1) / 2);
}

static uint32_t heap_pop(Search *x) {
    uint32_t step = x->heap.data[0].step, i = 0;
    x->heap.data[0] = x->heap.data[--x->heap.len];
    for (;;) {
        uint32_t best = i;
        for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < x->heap.len; k++)
            if (entry_before(x, &x->heap.data[k], &x->heap.data[best])) best = k;
        if (best == i) return step;
        heap_swap(x, i, best);
        i = best;
    }
}

static double change_of(Search *x, uint32_t step) {
    double change = 0;
    for (uint32_t i = 0; i < x->f->touched[step].len; i++) {
        uint32_t b = x->f->touched[step].data[i];
        if (x->mark[b] != x->now) {
            x->mark[b] = x->now;
            x->taken[b] = 0;
            if (!x->on[b]) change += x->f->bytes[b];
        }
        if (++x->taken[b] == x->left[b]) change -= x->f->bytes[b];
    }
    return change;
}

static void offer(Search *x, uint32_t step) {
    double change = 0;
    x->now++;
    for (uint32_t i = 0; i < x->sources[step].len; i++)
        if (!x->done[x->sources[step].data[i]]) change += change_of(x, x->sources[step].data[i]);
    change += change_of(x, step);
    heap_push(x, (Offer){change > 0, x->stamp[step], step});
}

static bool is_candidate(const Search *x, uint32_t step) {
    return !x->done[step] && !x->source[step] && x->missing[step] == 0;
}

static void take(Search *x, uint32_t step) {
    x->done[step] = true;
    x->out.at[x->out.count++] = step;
    for (uint32_t i = 0; i < x->f->touched[step].len; i++) {
        uint32_t b = x->f->touched[step].data[i];
        x->on[b] = true;
        x->user[b] ^= step;
        if (--x->left[b] == 1 && is_candidate(x, x->user[b])) offer(x, x->user[b]);
    }
    for (uint32_t i = 0; i < x->d->after[step].len && !x->source[step]; i++) {
        uint32_t next = x->d->after[step].data[i];
        if (--x->missing[next] > 0) continue;
        x->stamp[next] = ++x->clock;
        offer(x, next);
    }
}

static void search_begin(Search *x) {
    const Deps *d = x->d;
    uint32_t steps = d->count + 1, buffers = d->s->out->buffers.len + 1;
    Arena *arena = d->s->arena;
    x->out.at = ARENA_ARRAY(arena, uint32_t, steps);
    x->source = ARENA_ARRAY(arena, bool, steps);
    x->done = ARENA_ARRAY(arena, bool, steps);
    x->on = ARENA_ARRAY(arena, bool, buffers);
    x->missing = ARENA_ARRAY(arena, uint32_t, steps);
    x->stamp = ARENA_ARRAY(arena, uint32_t, steps);
    x->left = ARENA_ARRAY(arena, uint32_t, buffers);
    x->user = ARENA_ARRAY(arena, uint32_t, buffers);
    x->mark = ARENA_ARRAY(arena, uint32_t, buffers);
    x->taken = ARENA_ARRAY(arena, uint32_t, buffers);
    x->sources = ARENA_ARRAY(arena, Numbers, steps);
    memcpy(x->left, x->f->uses, buffers * sizeof *x->left);
    memcpy(x->user, x->f->user, buffers * sizeof *x->user);
    memcpy(x->missing, d->waits, steps * sizeof *x->missing);
}

static Sequence search(const Deps *d, const Footprint *f, bool depth) {
    Search x = {.d = d, .f = f, .depth = depth};
    uint32_t steps = d->count + (d->guard ? 1 : 0);
    search_begin(&x);
    for (uint32_t i = 0; i < steps; i++) {
        x.done[i] = step_is_hoisted(d, i);
        for (uint32_t k = 0; x.done[i] && k < d->after[i].len; k++)
            x.missing[d->after[i].data[k]]--;
    }
    for (uint32_t i = 0; i < steps; i++) {
        x.source[i] = !x.done[i] && x.missing[i] == 0 && d->after[i].len > 0;
        for (uint32_t k = 0; x.source[i] && k < d->after[i].len; k++)
            vec_push(d->s->arena, &x.sources[d->after[i].data[k]], i);
    }
    for (uint32_t i = 0; i < steps; i++) x.missing[i] -= x.sources[i].len;
    for (uint32_t i = 0; i < steps; i++)
        if (is_candidate(&x, i)) offer(&x, i);
    while (x.heap.len > 0) {
        uint32_t step = heap_pop(&x);
        if (x.done[step]) continue;
        for (uint32_t i = 0; i < x.sources[step].len; i++)
            if (!x.done[x.sources[step].data[i]]) take(&x, x.sources[step].data[i]);
        take(&x, step);
    }
    return x.out;
}

static Sequence listed(const Deps *d) {
    Sequence q = {.at = ARENA_ARRAY(d->s->arena, uint32_t, d->count + 1)};
    bool guarded = !d->guard;
    for (uint32_t i = 0; i < d->count; i++) {
        const Group *g = d->s->groups.data[i];
        if (g->hoisted) continue;
        if (!guarded && g->phase != PHASE_COMPUTE) {
            guarded = true;
            q.at[q.count++] = d->count;
        }
        q.at[q.count++] = i;
    }
    if (!guarded) q.at[q.count++] = d->count;
    return q;
}

/* ------------------------------------------------------------------ the choice */

static void measure(const Deps *d, const Footprint *f, Sequence *q) {
    uint32_t buffers = d->s->out->buffers.len + 1;
    uint32_t *left = ARENA_ARRAY(d->s->arena, uint32_t, buffers);
    memcpy(left, f->uses, buffers * sizeof *left);
    q->live = ARENA_ARRAY(d->s->arena, double, q->count + 1);
    double live = 0;
    for (uint32_t i = 0; i < q->count; i++) {
        const Numbers *touched = &f->touched[q->at[i]];
        for (uint32_t k = 0; k < touched->len; k++)
            if (left[touched->data[k]] == f->uses[touched->data[k]])
                live += f->bytes[touched->data[k]];
        q->live[i] = live + f->transient[q->at[i]];
        if (q->live[i] > q->peak) q->peak = q->live[i];
        for (uint32_t k = 0; k < touched->len; k++)
            if (--left[touched->data[k]] == 0) live -= f->bytes[touched->data[k]];
    }
}

Sequence sequence_choose(const Deps *d, const Footprint *f) {
    Sequence all[] = {listed(d), search(d, f, false), search(d, f, true)};
    uint32_t count = sizeof all / sizeof *all, chosen = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].count != all[0].count)
            BUG("entry %s: %u of %u steps can be put in order", d->s->entry->name, all[i].count,
                all[0].count);
        measure(d, f, &all[i]);
    }
    double least = all[0].peak;
    for (uint32_t i = 1; i < count; i++)
        if (all[i].peak < least) least = all[i].peak;
    double enough = least * 1.02 > SMALL_BYTES ? least * 1.02 : SMALL_BYTES;
    while (all[chosen].peak > enough) chosen++;
    return all[chosen];
}
