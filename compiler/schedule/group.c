/* Which stored nodes share a kernel. Every core has its own; the nodes of its region are stored by
 * it. Other stored nodes of one level and shape join when they share an operand: the update of a
 * parameter and of its moments is one pass over memory, and the same code for every parameter of
 * that shape.
 *
 * Groups are ordered by (level, sequence number). A node may join an earlier group only if nothing
 * it needs comes after that group, and what it needs of the group itself it needs at the same
 * position; so the order stays one in which every value is computed before it is read. */
#include "compiler/schedule/sched.h"

/* TARGETS: a model has hundreds of parameters with a counter each; kernels of a bounded size are
 * equal from one part of the model to the next, and compiled once. A multiple of 1, 2, 3, 4, 6. */
enum { JOIN_WINDOW = 64, JOIN_READS = 64, JOIN_TARGETS = 24 };

static uint64_t dep_stamp(uint32_t level, uint32_t seq) {
    return (uint64_t)level << 32 | (uint64_t)2 * seq;
}

uint32_t group_create(Sched *s, NodeId core, NodeId like, uint32_t level) {
    Group *g = ARENA_NEW(s->arena, Group);
    *g = (Group){.core = core,
                 .like = like,
                 .transposed = NODE_NONE,
                 .pack_buffer = NONE,
                 .packed = {NONE, NONE},
                 .level = level,
                 .seq = s->groups.len};
    vec_push(s->arena, &s->groups, g);
    return s->groups.len - 1;
}

static void group_target(Sched *s, uint32_t number, NodeId n) {
    Target t = {.node = n, .buffer = NONE, .from = NONE};
    vec_push(s->arena, &s->groups.data[number]->targets, t);
    plan_of(s, n)->group = number;
}

/* The latest group `id` needs; odd when it needs it at other positions. */
static uint64_t dep_of(const Sched *s, NodeId id) {
    const GNode *n = node_of(s, id);
    uint32_t level = plan_of(s, id)->level;
    uint64_t dep = dep_stamp(level, 0);
    for (uint32_t i = 0; i < n->nargs; i++) {
        uint64_t a = plan_of(s, n->args[i])->dep;
        if (!op_is_elementwise(n->op) && a != 0) a |= 1;
        if (a > dep) dep = a;
    }
    return dep;
}

typedef struct Shares {
    Sched *s;
    const Group *g;
    Group *into; /* reads_visit: gains what is read, the first few */
    bool found;
} Shares;

static void shares_visit(void *user, NodeId n, bool exact, bool leaf) {
    Shares *sh = user;
    (void)exact;
    /* one number that two kernels read costs nothing; all updates of a model read some */
    if (!leaf || sh->found || node_of(sh->s, n)->rank == 0) return;
    for (uint32_t i = 0; i < sh->g->reads.len && i < JOIN_READS; i++)
        sh->found |= node_same(sh->g->reads.data[i], n);
    for (uint32_t i = 0; i < sh->g->targets.len && i < JOIN_READS; i++)
        sh->found |= node_same(sh->g->targets.data[i].node, n);
}

static void reads_visit(void *user, NodeId n, bool exact, bool leaf) {
    Shares *sh = user;
    (void)exact;
    if (leaf && sh->into->reads.len < JOIN_READS) vec_push(sh->s->arena, &sh->into->reads, n);
}

/* Visits what storing `id` in group `number` would evaluate. */
static void walk_alone(Sched *s, NodeId id, uint32_t number, WalkVisit visit, Shares *sh) {
    uint32_t before = plan_of(s, id)->group;
    Target t = {.node = id, .buffer = NONE, .from = NONE};
    Group alone = {.core = NODE_NONE, .transposed = NODE_NONE};
    alone.targets.data = &t;
    alone.targets.len = 1;
    plan_of(s, id)->group = number;
    walk_group(s, &alone, number, visit, sh);
    plan_of(s, id)->group = before;
}

static bool may_join(Sched *s, NodeId id, uint32_t number) {
    Group *g = s->groups.data[number];
    const NodePlan *p = plan_of(s, id);
    if (!node_is_none(g->core) || !node_is_none(g->transposed) || g->partials.len > 0 ||
        g->level != p->level || !node_same_dims(s, id, g->like) || g->targets.len >= JOIN_TARGETS)
        return false;
    if (p->dep > dep_stamp(g->level, g->seq)) return false;
    if (node_of(s, id)->rank == 0) return true;
    Shares sh = {.s = s, .g = g};
    walk_alone(s, id, number, shares_visit, &sh);
    return sh.found;
}

static void place_pure(Sched *s, NodeId id) {
    uint32_t first = s->groups.len > JOIN_WINDOW ? s->groups.len - JOIN_WINDOW : 0;
    uint32_t number = NONE;
    for (uint32_t i = s->groups.len; s->options.fusion && i-- > first && number == NONE;)
        if (may_join(s, id, i)) number = i;
    if (number == NONE) number = group_create(s, NODE_NONE, id, plan_of(s, id)->level);
    group_target(s, number, id);
    Group *g = s->groups.data[number];
    Shares sh = {.s = s, .into = g};
    if (g->reads.len < JOIN_READS) walk_alone(s, id, number, reads_visit, &sh);
    uint64_t own = dep_stamp(g->level, g->seq);
    if (plan_of(s, id)->dep < own) plan_of(s, id)->dep = own;
}

static void place(Sched *s, NodeId id) {
    const GNode *n = node_of(s, id);
    NodePlan *p = plan_of(s, id);
    p->dep = dep_of(s, id);
    if (node_is_given(s, id)) {
        p->dep = 0;
        return;
    }
    if (p->core) {
        uint32_t packed[2] = {NONE, NONE};
        if (n->op == OP_CONTRACT) layout_contract(s, id, packed);
        if (partial_wanted(s, id)) partial_create(s, id);
        uint32_t number = group_create(s, id, id, p->level);
        memcpy(s->groups.data[number]->packed, packed, sizeof packed);
        s->core_group[p->level / 2] = number;
        p->group = number;
        if (p->stored) group_target(s, number, id);
    } else if (p->stored && plan_in_region(p)) {
        uint32_t number = s->core_group[p->level / 2];
        if (number == NONE) BUG("node %u joins a core that comes later", id.id);
        group_target(s, number, id);
    } else if (p->stored) {
        place_pure(s, id);
    }
}

/* An adopted node can have a lower id than the core that takes it in: such nodes wait for it. */
void group_nodes(Sched *s) {
    s->core_group = ARENA_ARRAY(s->arena, uint32_t, s->core_count + 1);
    for (uint32_t i = 0; i <= s->core_count; i++) s->core_group[i] = NONE;
    VEC(NodeId) waiting = {0};
    for (uint32_t i = 0; i < s->size; i++) {
        NodePlan *p = &s->plan[i];
        if (!p->live) continue;
        bool wait =
            !p->core && p->stored && plan_in_region(p) && s->core_group[p->level / 2] == NONE;
        if (wait) {
            p->dep = dep_stamp(p->level, 0);
            vec_push(s->arena, &waiting, ((NodeId){i}));
        } else {
            place(s, (NodeId){i});
        }
    }
    for (uint32_t i = 0; i < waiting.len; i++)
        group_target(s, s->core_group[plan_of(s, waiting.data[i])->level / 2], waiting.data[i]);
}
