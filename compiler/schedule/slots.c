/* Where values live, and in which order kernels run.
 *
 * Outputs are stored straight to the caller's arrays. A write goes to the slot in place when the
 * kernel that computes it may run in the write phase, after the guard: then nothing it stores may
 * be wanted before, and nobody may read the slot's old value after it. Everything else takes the
 * long way: a temporary, and a copy at the very end.
 *
 * Postcondition: every stored node and every target has a buffer; groups stand in running order. */
#include "compiler/schedule/sched.h"
#include <stdlib.h>

typedef struct Reader { /* group `group` reads node `node`, which another group (or none) stores */
    uint32_t group;
    bool exact;
} Reader;

typedef struct Slots {
    Sched *s;
    uint32_t *first; /* readers of node n: readers[first[n] .. first[n + 1]) */
    Reader *readers;
    bool *later; /* per group: may run in the write phase */
    bool *is_output;
    uint32_t *write_of;  /* per node: index of its write, or NONE */
    uint32_t *node_slot; /* per slot: its READ node, or NONE */
} Slots;

uint32_t buffer_create(Sched *s, const char *name, Storage storage, uint32_t number, DType dtype,
                       DimId count) {
    LoopBuffer b = {
        .name = name, .storage = storage, .number = number, .dtype = dtype, .count = count};
    if (storage == STORAGE_ARENA) b.number = s->out->buffers.len;
    vec_push(s->arena, &s->out->buffers, b);
    return s->out->buffers.len - 1;
}

static uint32_t node_buffer(Sched *s, NodeId n, const char *name, Storage storage,
                            uint32_t number) {
    const GNode *x = node_of(s, n);
    return buffer_create(s, name, storage, number, x->dtype, dims_product(s, x->dims, x->rank));
}

static uint32_t arena_buffer(Sched *s, NodeId n) {
    const char *op = op_info(node_of(s, n)->op)->name;
    return node_buffer(s, n, arena_printf(s->arena, "%s.%u", op, s->out->buffers.len),
                       STORAGE_ARENA, 0);
}

static uint32_t slot_buffer(Sched *s, uint32_t slot) {
    if (s->slot_buffer[slot] != NONE) return s->slot_buffer[slot];
    const Slot *x = &s->graph->slots[slot];
    DimId count = dim_const(s->dims, 1);
    for (uint32_t i = 0; i < x->rank; i++)
        count = dim_mul(s->dims, count, dim_const(s->dims, x->dims[i]));
    uint32_t b = buffer_create(s, x->path->text, STORAGE_SLOT, slot, x->dtype, count);
    return s->slot_buffer[slot] = b;
}

/* ------------------------------------------------------------------ leaves and outputs */

static void leaves_assign(Slots *w) {
    Sched *s = w->s;
    for (uint32_t i = 0; i < s->size; i++) {
        const GNode *n = node_of(s, (NodeId){i});
        if (!s->plan[i].live) continue;
        if (n->op == OP_INPUT) {
            uint32_t number = (uint32_t)n->attr[0];
            s->plan[i].buffer = node_buffer(
                s, (NodeId){i}, s->graph->inputs.data[number].name->text, STORAGE_INPUT, number);
        } else if (n->op == OP_READ) {
            s->plan[i].buffer = slot_buffer(s, (uint32_t)n->attr[0]);
            w->node_slot[n->attr[0]] = i;
        }
    }
}

static Target *target_of(Sched *s, NodeId n) {
    Group *g = s->groups.data[plan_of(s, n)->group];
    for (uint32_t i = 0; i < g->targets.len; i++)
        if (node_same(g->targets.data[i].node, n) && g->targets.data[i].from == NONE)
            return &g->targets.data[i];
    BUG("node %u is stored by no target", n.id);
}

/* A kernel that copies a value (n's buffer) to another one. */
static void copy_add(Sched *s, NodeId n, uint32_t from, uint32_t to, Phase phase) {
    Group *g = NULL;
    for (uint32_t i = s->groups.len; i-- > 0 && node_of(s, n)->rank == 0 && !g;) {
        Group *other = s->groups.data[i];
        if (other->phase == phase && phase == PHASE_COPY && node_of(s, other->like)->rank == 0)
            g = other;
    }
    if (!g) {
        uint32_t level = plan_of(s, n)->level;
        uint32_t number = group_create(s, NODE_NONE, n, level == 0 ? 0 : level | 1);
        g = s->groups.data[number];
        g->phase = phase;
    }
    Target t = {n, to, from};
    vec_push(s->arena, &g->targets, t);
}

static void outputs_assign(Slots *w) {
    Sched *s = w->s;
    for (uint32_t i = 0; i < s->graph->outputs.len; i++) {
        NodeId n = s->graph->outputs.data[i].node;
        NodePlan *p = plan_of(s, n);
        uint32_t b = node_buffer(s, n, s->graph->outputs.data[i].name->text, STORAGE_OUTPUT, i);
        if (p->group != NONE && p->buffer == NONE) {
            p->buffer = b;
            target_of(s, n)->buffer = b;
            w->is_output[n.id] = true;
        } else {
            copy_add(s, n, p->buffer, b, PHASE_COMPUTE);
        }
    }
}

/* ------------------------------------------------------------------ writes */

static void readers_collect(Slots *w) {
    Sched *s = w->s;
    uint32_t edges = 0;
    w->first = ARENA_ARRAY(s->arena, uint32_t, s->size + 2);
    for (uint32_t i = 0; i < s->groups.len; i++) {
        Group *g = s->groups.data[i];
        walk_reads(s, g, i);
        for (uint32_t k = 0; k < g->targets.len; k++)
            if (g->targets.data[k].from != NONE) {
                vec_push(s->arena, &g->reads, g->targets.data[k].node);
                vec_push(s->arena, &g->exact, true);
            }
        for (uint32_t k = 0; k < g->reads.len; k++, edges++) w->first[g->reads.data[k].id + 1]++;
    }
    for (uint32_t i = 0; i < s->size; i++) w->first[i + 1] += w->first[i];
    w->readers = ARENA_ARRAY(s->arena, Reader, edges);
    uint32_t *next = ARENA_ARRAY(s->arena, uint32_t, s->size);
    for (uint32_t i = 0; i < s->size; i++) next[i] = w->first[i];
    for (uint32_t i = 0; i < s->groups.len; i++)
        for (uint32_t k = 0; k < s->groups.data[i]->reads.len; k++) {
            Group *g = s->groups.data[i];
            w->readers[next[g->reads.data[k].id]++] = (Reader){i, g->exact.data[k]};
        }
}

static bool all_readers_later(const Slots *w, NodeId n) {
    for (uint32_t i = w->first[n.id]; i < w->first[n.id + 1]; i++)
        if (!w->later[w->readers[i].group]) return false;
    return true;
}

/* May group g wait until after the guard? */
static bool group_may_wait(const Slots *w, uint32_t number) {
    const Sched *s = w->s;
    const Group *g = s->groups.data[number];
    for (uint32_t i = 0; i < g->targets.len; i++) {
        NodeId n = g->targets.data[i].node;
        bool read = w->first[n.id] != w->first[n.id + 1];
        if (w->is_output[n.id] || node_same(n, s->graph->guard) || !all_readers_later(w, n))
            return false;
        /* Scalars of the update are ready before the guard, where threads meet anyway. */
        if (read && node_of(s, n)->rank == 0) return false;
    }
    return true;
}

/* The largest set of groups that may run after the guard, among those that compute a write. */
static void later_choose(Slots *w) {
    Sched *s = w->s;
    for (uint32_t i = 0; i < s->groups.len; i++) {
        const Group *g = s->groups.data[i];
        for (uint32_t k = 0; k < g->targets.len && s->options.fusion; k++)
            if (g->targets.data[k].from == NONE && w->write_of[g->targets.data[k].node.id] != NONE)
                w->later[i] = true;
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < s->groups.len; i++)
            if (w->later[i] && !group_may_wait(w, i)) {
                w->later[i] = false;
                changed = true;
            }
    }
}

static bool before(const Group *a, const Group *b) {
    if (a->phase != b->phase) return a->phase < b->phase;
    return a->level != b->level ? a->level < b->level : a->seq < b->seq;
}

/* The slot's old value may go when its new one is stored: no later reader, and the kernel itself
 * reads each element only before it stores it. */
static bool in_place(const Slots *w, uint32_t slot, NodeId n) {
    const Sched *s = w->s;
    const NodePlan *p = plan_of(s, n);
    if (p->group == NONE || p->buffer != NONE || !w->later[p->group]) return false;
    if (w->first[n.id] != w->first[n.id + 1]) return false;
    if (w->node_slot[slot] == NONE) return true;
    uint32_t old = w->node_slot[slot];
    for (uint32_t i = w->first[old]; i < w->first[old + 1]; i++) {
        const Reader *r = &w->readers[i];
        if (r->group == p->group
                ? !r->exact
                : w->later[r->group] && !before(s->groups.data[r->group], s->groups.data[p->group]))
            return false;
    }
    /* A copy of the old value to another slot would come too late. */
    for (uint32_t i = 0; i < s->graph->writes.len; i++)
        if (s->graph->writes.data[i].node.id == old) return false;
    return true;
}

/* A write of another slot's old value: saved before any slot changes. */
static uint32_t leaf_saved(Sched *s, NodeId n) {
    if (node_of(s, n)->op != OP_READ) return plan_of(s, n)->buffer;
    uint32_t saved = arena_buffer(s, n);
    copy_add(s, n, plan_of(s, n)->buffer, saved, PHASE_COMPUTE);
    return saved;
}

static void writes_assign(Slots *w) {
    Sched *s = w->s;
    for (uint32_t i = 0; i < s->groups.len; i++)
        if (w->later[i]) s->groups.data[i]->phase = PHASE_WRITE;
    uint32_t count = s->graph->writes.len;
    for (uint32_t i = 0; i < count; i++) {
        const GraphWrite *write = &s->graph->writes.data[i];
        NodePlan *p = plan_of(s, write->node);
        if (in_place(w, write->slot, write->node)) {
            p->buffer = slot_buffer(s, write->slot);
            target_of(s, write->node)->buffer = p->buffer;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const GraphWrite *write = &s->graph->writes.data[i];
        NodePlan *p = plan_of(s, write->node);
        uint32_t slot = slot_buffer(s, write->slot);
        if (p->buffer == slot) continue; /* in place, or w := w */
        if (p->buffer == NONE) {
            p->buffer = arena_buffer(s, write->node);
            target_of(s, write->node)->buffer = p->buffer;
        }
        copy_add(s, write->node, leaf_saved(s, write->node), slot, PHASE_COPY);
    }
}

void buffers_assign(Sched *s) {
    Slots w = {.s = s};
    w.later = ARENA_ARRAY(s->arena, bool, s->groups.len + s->graph->outputs.len);
    w.is_output = ARENA_ARRAY(s->arena, bool, s->size);
    w.write_of = ARENA_ARRAY(s->arena, uint32_t, s->size);
    w.node_slot = ARENA_ARRAY(s->arena, uint32_t, s->graph->slot_count);
    s->slot_buffer = ARENA_ARRAY(s->arena, uint32_t, s->graph->slot_count);
    for (uint32_t i = 0; i < s->size; i++) w.write_of[i] = NONE;
    for (uint32_t i = 0; i < s->graph->slot_count; i++) w.node_slot[i] = s->slot_buffer[i] = NONE;
    for (uint32_t i = 0; i < s->graph->writes.len; i++)
        w.write_of[s->graph->writes.data[i].node.id] = i;
    leaves_assign(&w);
    outputs_assign(&w);
    readers_collect(&w);
    later_choose(&w);
    writes_assign(&w);
    for (uint32_t i = 0; i < s->groups.len; i++) {
        Group *g = s->groups.data[i];
        if (!node_is_none(g->transposed))
            g->pack_buffer = node_buffer(
                s, g->transposed, arena_printf(s->arena, "transposed.%u", s->out->buffers.len),
                STORAGE_ARENA, 0);
        for (uint32_t k = 0; k < g->targets.len; k++) {
            Target *t = &g->targets.data[k];
            if (t->buffer == NONE)
                t->buffer = plan_of(s, t->node)->buffer = arena_buffer(s, t->node);
        }
    }
}

static int group_compare(const void *a, const void *b) {
    const Group *x = *(Group *const *)a, *y = *(Group *const *)b;
    return before(x, y) ? -1 : before(y, x) ? 1 : 0;
}

/* Groups are renumbered: nodes follow. */
void groups_order(Sched *s) {
    if (s->groups.len == 0) return;
    uint32_t *moved = ARENA_ARRAY(s->arena, uint32_t, s->groups.len);
    uint32_t *at_seq = ARENA_ARRAY(s->arena, uint32_t, s->groups.len);
    for (uint32_t i = 0; i < s->groups.len; i++) at_seq[s->groups.data[i]->seq] = i;
    qsort(s->groups.data, s->groups.len, sizeof *s->groups.data, group_compare);
    for (uint32_t i = 0; i < s->groups.len; i++) moved[at_seq[s->groups.data[i]->seq]] = i;
    for (uint32_t i = 0; i < s->size; i++)
        if (s->plan[i].group != NONE) s->plan[i].group = moved[s->plan[i].group];
    for (uint32_t i = 0; i < s->groups.len; i++)
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t *packed = &s->groups.data[i]->packed[k];
            if (*packed != NONE) *packed = moved[*packed];
        }
}
