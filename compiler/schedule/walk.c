/* What a group evaluates and reads: a walk over the expressions of its stores. */
#include "compiler/schedule/sched.h"

typedef struct Walk {
    Sched *s;
    const Group *g;
    uint32_t number;
    VEC(uint64_t) stack; /* node id * 2 + exact */
} Walk;

static void walk_push(Walk *w, NodeId n, bool exact) {
    uint32_t mark = w->s->stamp_now + (exact ? 0 : 1);
    uint32_t *seen = &w->s->stamp[2 * n.id + (exact ? 0 : 1)];
    if (*seen == mark) return;
    *seen = mark;
    vec_push(w->s->arena, &w->stack, (uint64_t)n.id * 2 + (exact ? 1 : 0));
}

/* Loaded from a buffer rather than computed in the group. */
static bool is_leaf(const Sched *s, NodeId n, uint32_t number) {
    const NodePlan *p = plan_of(s, n);
    if (node_is_given(s, n)) return true;
    return p->group != NONE ? p->group != number : p->stored;
}

static void walk_node(Walk *w, NodeId id, bool exact, WalkVisit visit, void *user) {
    const GNode *n = node_of(w->s, id);
    bool leaf = is_leaf(w->s, id, w->number);
    visit(user, id, exact, leaf);
    if (leaf || plan_of(w->s, id)->partial != NONE) return;
    bool same = op_is_elementwise(n->op) || n->op == OP_AGAIN;
    for (uint32_t i = 0; i < n->nargs; i++) {
        bool packed = node_same(id, w->g->core) && i < 2 && w->g->packed[i] != NONE;
        if (!packed) walk_push(w, n->args[i], exact && same);
    }
}

void walk_group(Sched *s, const Group *g, uint32_t number, WalkVisit visit, void *user) {
    Walk w = {.s = s, .g = g, .number = number};
    s->stamp_now += 2;
    if (!node_is_none(g->core)) walk_push(&w, g->core, true);
    if (!node_is_none(g->transposed)) walk_push(&w, g->transposed, false);
    for (uint32_t i = 0; i < g->partials.len; i++)
        for (uint32_t k = 0; k < node_of(s, g->partials.data[i])->nargs; k++)
            walk_push(&w, node_of(s, g->partials.data[i])->args[k], false);
    for (uint32_t i = 0; i < g->targets.len; i++)
        if (g->targets.data[i].from == NONE) walk_push(&w, g->targets.data[i].node, true);
    while (w.stack.len > 0) {
        uint64_t top = w.stack.data[--w.stack.len];
        walk_node(&w, (NodeId){(uint32_t)(top / 2)}, top & 1, visit, user);
    }
}

typedef struct Reads {
    Sched *s;
    Group *g;
} Reads;

static void read_add(void *user, NodeId n, bool exact, bool leaf) {
    Reads *r = user;
    if (!leaf) return;
    for (uint32_t i = 0; i < r->g->reads.len; i++)
        if (node_same(r->g->reads.data[i], n)) {
            r->g->exact.data[i] &= exact;
            return;
        }
    vec_push(r->s->arena, &r->g->reads, n);
    vec_push(r->s->arena, &r->g->exact, exact);
}

void walk_reads(Sched *s, Group *g, uint32_t number) {
    Reads r = {s, g};
    g->reads.len = g->exact.len = 0;
    walk_group(s, g, number, read_add, &r);
}
