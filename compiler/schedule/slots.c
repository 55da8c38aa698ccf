/* Where values live, and in which order kernels run.
 *
 * Outputs are stored straight to the caller's arrays. A write goes to the slot in place when the
 * kernel that computes it may run in the write phase, after the guard: then nothing it stores may
 * be wanted before, and nobody may read the slot's old value after it. Everything else takes the
 * long way: a temporary, and a copy at the very end.
 *
 * A loop's body is planned alike: its yields are the outputs, stored to their slabs, and its
 * carries are written as slots are, without a guard. Where a carry is yielded too, one kernel
 * stores both.
 *
 * Postcondition: every stored node and every target has a buffer; groups stand in running order. */
#include "compiler/graph/attention_op.h"
#include "compiler/schedule/sched.h"
#include <stdlib.h>

typedef struct Reader { /* group `group` reads node `node`, which another group (or none) stores */
    uint32_t group;
    bool exact;
} Reader;

/* `node` becomes the value of a slot, or of a carry; `old` reads what it replaces. */
typedef struct Write {
    NodeId node;
    uint32_t slot; /* of an entry */
    Binding carry; /* of a body */
    NodeId old;    /* or NODE_NONE */
} Write;

typedef struct Slots {
    Sched *s;
    Write *writes;
    uint32_t write_count;
    uint32_t *first; /* readers of node n: readers[first[n] .. first[n + 1]) */
    Reader *readers;
    bool *later; /* per group: may run in the write phase */
    bool *is_output;
    bool *is_written; /* per node: some write's value */
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

uint32_t node_arena_buffer(Sched *s, NodeId n) {
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
        if (node_is_data(n)) {
            s->plan[i].buffer = node_buffer(s, (NodeId){i}, "table", STORAGE_CONST, 0);
            s->out->buffers.data[s->plan[i].buffer].words = n->attr;
        }
        if (s->body) continue;
        if (n->op == OP_INPUT) {
            uint32_t number = (uint32_t)n->attr[0];
            s->plan[i].buffer = node_buffer(
                s, (NodeId){i}, s->graph->inputs.data[number].name->text, STORAGE_INPUT, number);
        } else if (n->op == OP_READ) {
            s->plan[i].buffer = slot_buffer(s, (uint32_t)n->attr[0]);
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

/* A kernel that copies a value from one buffer to another. */
void group_copy(Sched *s, Target copy, Phase phase) {
    Group *g = NULL;
    NodeId n = copy.node;
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
    vec_push(s->arena, &g->targets, copy);
}

static void copy_add(Sched *s, NodeId n, uint32_t from, uint32_t to, Phase phase) {
    Target copy = {.node = n, .buffer = to, .from = from, .from_slab = plan_of(s, n)->slab};
    group_copy(s, copy, phase);
}

/* The kernel that computes n stores it at a second place, where it has loops over its result. */
static bool store_also(Sched *s, NodeId n, Binding to) {
    if (plan_of(s, n)->group == NONE) return false;
    Group *g = s->groups.data[plan_of(s, n)->group];
    Op core = node_is_none(g->core) ? OP_COUNT : node_of(s, g->core)->op;
    if (core == OP_SCAN || core == OP_SCATTER_ADD || core == OP_CONST || core == OP_ARGSORT ||
        core == OP_EXTERN || op_is_attention(core))
        return false;
    Target t = {.node = n, .buffer = to.buffer, .from = NONE, .slab = to.slab};
    vec_push(s->arena, &g->targets, t);
    return true;
}

static void store_at(Sched *s, NodeId n, Binding to) {
    NodePlan *p = plan_of(s, n);
    p->buffer = to.buffer;
    p->slab = to.slab;
    Target *t = target_of(s, n);
    t->buffer = to.buffer;
    t->slab = to.slab;
}

/* Yields: to their slabs. */
static void yields_assign(Slots *w) {
    Sched *s = w->s;
    for (uint32_t i = s->body->scan.carries; i < s->graph->outputs.len; i++) {
        NodeId n = s->graph->outputs.data[i].node;
        Binding to = s->body->results[i];
        if (to.buffer == NONE) continue;
        if (plan_of(s, n)->group != NONE && plan_of(s, n)->buffer == NONE) {
            store_at(s, n, to);
        } else if (!store_also(s, n, to)) {
            Target copy = {.node = n,
                           .buffer = to.buffer,
                           .slab = to.slab,
                           .from = plan_of(s, n)->buffer,
                           .from_slab = plan_of(s, n)->slab};
            group_copy(s, copy, PHASE_COMPUTE);
        }
    }
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
    if (group_is_loop(s, g)) return false;
    for (uint32_t i = 0; i < g->targets.len; i++) {
        NodeId n = g->targets.data[i].node;
        bool read = w->first[n.id] != w->first[n.id + 1];
        if (w->is_output[n.id] || node_same(n, s->graph->guard) || !all_readers_later(w, n))
            return false;
        /* Scalars of the update are ready before the guard, where threads meet anyway. */
        if (read && node_of(s, n)->rank == 0 && !s->body) return false;
    }
    return true;
}

/* The largest set of groups that may run after the guard, among those that compute a write. */
static void later_choose(Slots *w) {
    Sched *s = w->s;
    for (uint32_t i = 0; i < s->groups.len; i++) {
        const Group *g = s->groups.data[i];
        for (uint32_t k = 0; k < g->targets.len && s->options.fusion; k++)
            if (g->targets.data[k].from == NONE && w->is_written[g->targets.data[k].node.id])
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
static bool in_place(const Slots *w, const Write *x) {
    const Sched *s = w->s;
    const NodePlan *p = plan_of(s, x->node);
    if (p->group == NONE) return false;
    bool read = w->first[x->node.id] != w->first[x->node.id + 1];
    bool guarded = !s->body && !node_is_none(s->graph->guard);
    if (guarded && (p->buffer != NONE || !w->later[p->group] || read)) return false;
    if (node_is_none(x->old)) return true;
    for (uint32_t i = w->first[x->old.id]; i < w->first[x->old.id + 1]; i++) {
        const Reader *r = &w->readers[i];
        if (r->group == p->group ? !r->exact
                                 : !before(s->groups.data[r->group], s->groups.data[p->group]))
            return false;
    }
    /* A copy of the old value to another slot would come too late. */
    for (uint32_t i = 0; i < w->write_count; i++)
        if (node_same(w->writes[i].node, x->old)) return false;
    return true;
}

/* Will its buffer change in this step, or iteration? */
static bool is_replaced(const Slots *w, NodeId n) {
    if (node_of(w->s, n)->op == OP_READ) return true;
    for (uint32_t i = 0; i < w->write_count; i++)
        if (w->s->body && node_same(w->writes[i].old, n)) return true;
    return false;
}

/* A write of another slot's old value: saved before any slot changes. */
static Binding leaf_saved(const Slots *w, NodeId n) {
    Sched *s = w->s;
    Binding own = {plan_of(s, n)->buffer, plan_of(s, n)->slab};
    if (!is_replaced(w, n)) return own;
    Binding saved = {node_arena_buffer(s, n), NULL};
    copy_add(s, n, own.buffer, saved.buffer, PHASE_COMPUTE);
    return saved;
}

static Binding write_place(const Slots *w, const Write *x) {
    if (w->s->body) return x->carry;
    return (Binding){slot_buffer(w->s, x->slot), NULL};
}

/* Stores the write's value where it belongs as soon as it is known; false: it must be copied. */
static bool write_directly(const Slots *w, const Write *x) {
    if (!in_place(w, x)) return false;
    Binding to = write_place(w, x);
    if (plan_of(w->s, x->node)->buffer != NONE) return store_also(w->s, x->node, to);
    store_at(w->s, x->node, to);
    return true;
}

static void write_copied(const Slots *w, const Write *x) {
    Sched *s = w->s;
    NodePlan *p = plan_of(s, x->node);
    Binding to = write_place(w, x);
    if (p->group == NONE && p->buffer == to.buffer && p->slab == to.slab) return; /* w := w */
    if (p->buffer == NONE) store_at(s, x->node, (Binding){node_arena_buffer(s, x->node), NULL});
    Binding from = leaf_saved(w, x->node);
    Target copy = {x->node, to.buffer, from.buffer, to.slab, from.slab};
    group_copy(s, copy, PHASE_COPY);
}

static void writes_assign(Slots *w) {
    Sched *s = w->s;
    bool *done = ARENA_ARRAY(s->arena, bool, w->write_count);
    for (uint32_t i = 0; i < s->groups.len; i++)
        if (w->later[i]) s->groups.data[i]->phase = PHASE_WRITE;
    for (uint32_t i = 0; i < w->write_count; i++) done[i] = write_directly(w, &w->writes[i]);
    for (uint32_t i = 0; i < w->write_count; i++)
        if (!done[i]) write_copied(w, &w->writes[i]);
}

static NodeId node_reading(const Sched *s, Op op, uint32_t number) {
    for (uint32_t i = 0; i < s->size; i++) {
        const GNode *n = node_of(s, (NodeId){i});
        if (s->plan[i].live && n->op == op && n->attr[0] == (int64_t)number) return (NodeId){i};
    }
    return NODE_NONE;
}

static void writes_collect(Slots *w) {
    Sched *s = w->s;
    w->write_count = s->body ? s->body->scan.carries : s->graph->writes.len;
    w->writes = ARENA_ARRAY(s->arena, Write, w->write_count);
    NodeId *reads = ARENA_ARRAY(s->arena, NodeId, s->graph->slot_count);
    for (uint32_t i = 0; i < s->graph->slot_count; i++) reads[i] = NODE_NONE;
    for (uint32_t i = 0; i < s->size; i++)
        if (s->plan[i].live && node_of(s, (NodeId){i})->op == OP_READ)
            reads[node_of(s, (NodeId){i})->attr[0]] = (NodeId){i};
    for (uint32_t i = 0; i < w->write_count; i++) {
        if (s->body) {
            NodeId old = node_reading(s, OP_INPUT, scan_carry_input(&s->body->scan, i));
            w->writes[i] = (Write){
                .node = s->graph->outputs.data[i].node, .carry = s->body->results[i], .old = old};
        } else {
            const GraphWrite *x = &s->graph->writes.data[i];
            w->writes[i] = (Write){.node = x->node, .slot = x->slot, .old = reads[x->slot]};
        }
        w->is_written[w->writes[i].node.id] = true;
    }
}

void buffers_assign(Sched *s) {
    Slots w = {.s = s};
    w.later = ARENA_ARRAY(s->arena, bool, s->groups.len + s->graph->outputs.len);
    w.is_output = ARENA_ARRAY(s->arena, bool, s->size);
    w.is_written = ARENA_ARRAY(s->arena, bool, s->size);
    s->slot_buffer = ARENA_ARRAY(s->arena, uint32_t, s->graph->slot_count);
    for (uint32_t i = 0; i < s->graph->slot_count; i++) s->slot_buffer[i] = NONE;
    writes_collect(&w);
    leaves_assign(&w);
    if (s->body)
        yields_assign(&w);
    else
        outputs_assign(&w);
    readers_collect(&w);
    later_choose(&w);
    writes_assign(&w);
    loops_assign(s);
    for (uint32_t i = 0; i < s->groups.len; i++) {
        Group *g = s->groups.data[i];
        if (!node_is_none(g->transposed))
            g->pack_buffer =
                buffer_create(s, arena_printf(s->arena, "transposed.%u", s->out->buffers.len),
                              STORAGE_ARENA, 0, node_of(s, g->transposed)->dtype, pack_count(s, g));
        partial_buffers(s, g);
        for (uint32_t k = 0; k < g->targets.len; k++) {
            Target *t = &g->targets.data[k];
            if (t->buffer == NONE)
                t->buffer = plan_of(s, t->node)->buffer = node_arena_buffer(s, t->node);
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
    for (uint32_t i = 0; i < s->size; i++) {
        if (s->plan[i].group != NONE) s->plan[i].group = moved[s->plan[i].group];
        if (s->plan[i].partial != NONE) s->plan[i].partial = moved[s->plan[i].partial];
    }
    for (uint32_t i = 0; i < s->groups.len; i++)
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t *packed = &s->groups.data[i]->packed[k];
            if (*packed != NONE) *packed = moved[*packed];
        }
}
