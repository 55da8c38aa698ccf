/* Values behind a core that other kernels compute again instead of loading.
 *
 * Why here and not in LLVM: it spans kernels; what is stored decides what the later ones can know.
 * The gradient of an activation wants half a dozen values of its forward epilogue. All follow from
 * one, what the core gave plus the bias: storing that one and computing the rest again replaces a
 * store and a load of each by a few operations in registers. Same operations, same bits.
 *
 * Precondition: levels and users are known. Postcondition: NodePlan.remade marks nodes that need
 * no buffer; each can be computed from stored ones. Cost: O(nodes of a region ^ 2), regions of more
 * than MEMBERS_MAX are left alone.
 *
 * Source: rematerialisation across a cut, as in Chen et al. 2016 (arXiv 1604.06174), for one
 * element. */
#include "compiler/schedule/sched.h"

enum { MEMBERS_MAX = 96, READERS_MAX = 8 };
enum { WORTH_A_STORE = 16, COST_OPERAND = 6 };

typedef enum Want {
    WANT_INSIDE, /* only the core's kernel reads it */
    WANT_VALUE,  /* other kernels read its value */
    WANT_BUFFER  /* somebody needs it stored */
} Want;

typedef struct Region {
    Sched *s;
    NodeId members[MEMBERS_MAX]; /* the core first, then ascending */
    Want want[MEMBERS_MAX];
    bool known[MEMBERS_MAX]; /* can be computed from what is stored */
    uint32_t count;
    uint32_t readers[READERS_MAX]; /* levels of the kernels that read values */
    uint32_t reader_count;
    bool too_many;
} Region;

static int32_t member_of(const Region *r, NodeId n) {
    for (uint32_t i = 0; i < r->count; i++)
        if (node_same(r->members[i], n)) return (int32_t)i;
    return -1;
}

static void reader_add(Region *r, uint32_t level) {
    for (uint32_t i = 0; i < r->reader_count; i++)
        if (r->readers[i] == level) return;
    if (r->reader_count == READERS_MAX)
        r->too_many = true;
    else
        r->readers[r->reader_count++] = level;
}

static Want want_of_user(const Region *r, NodeId user) {
    const Sched *s = r->s;
    const GNode *u = node_of(s, user);
    const NodePlan *up = plan_of(s, user);
    if (up->absent) return WANT_BUFFER;
    if (up->core)
        return op_info(u->op)->cls == CLASS_REDUCE && u->op != OP_ARGMAX ? WANT_VALUE : WANT_BUFFER;
    if (!op_is_elementwise(u->op)) return WANT_BUFFER;
    return member_of(r, user) >= 0 ? WANT_INSIDE : WANT_VALUE;
}

static Want want_of(Region *r, NodeId n, const bool *root) {
    const Sched *s = r->s;
    Want most = root[n.id] ? WANT_BUFFER : WANT_INSIDE;
    for (uint32_t i = s->user_first[n.id]; i < s->user_first[n.id + 1]; i++) {
        NodeId user = {s->users[i]};
        Want want = want_of_user(r, user);
        if (want > most) most = want;
        if (want == WANT_VALUE) reader_add(r, plan_of(s, user)->level);
    }
    return most;
}

/* ------------------------------------------------------------------ what a cut would do */

/* With member `extra` stored beside those that must be (-1: none): marks what can be computed. */
static bool cut_suffices(Region *r, int32_t extra) {
    for (uint32_t i = 0; i < r->count; i++) {
        const GNode *n = node_of(r->s, r->members[i]);
        bool stored = r->want[i] == WANT_BUFFER || (int32_t)i == extra;
        bool follows = i > 0;
        for (uint32_t k = 0; follows && k < n->nargs; k++) {
            int32_t m = member_of(r, n->args[k]);
            follows = m < 0 || r->known[m];
        }
        r->known[i] = stored || follows;
        if (r->want[i] == WANT_VALUE && !r->known[i]) return false;
    }
    return true;
}

static uint32_t operation_cost(const Region *r, NodeId id) {
    const GNode *n = node_of(r->s, id);
    uint32_t cost = fuse_op_cost(n);
    for (uint32_t k = 0; k < n->nargs; k++)
        if (member_of(r, n->args[k]) < 0 && node_of(r->s, n->args[k])->op != OP_CONST)
            cost += COST_OPERAND;
    return cost;
}

/* The members that computing those in `wanted` evaluates are added to it. */
static uint32_t cone(const Region *r, int32_t extra, bool *wanted) {
    uint32_t cost = 0;
    for (uint32_t i = r->count; i-- > 0;) {
        const GNode *n = node_of(r->s, r->members[i]);
        if (!wanted[i] || r->want[i] == WANT_BUFFER || (int32_t)i == extra) continue;
        cost += operation_cost(r, r->members[i]);
        for (uint32_t k = 0; k < n->nargs; k++) {
            int32_t m = member_of(r, n->args[k]);
            if (m >= 0) wanted[m] = true;
        }
    }
    return cost;
}

static bool read_by(const Region *r, NodeId n, uint32_t level) {
    const Sched *s = r->s;
    for (uint32_t i = s->user_first[n.id]; i < s->user_first[n.id + 1]; i++) {
        NodeId user = {s->users[i]};
        if (plan_of(s, user)->level == level && want_of_user(r, user) == WANT_VALUE) return true;
    }
    return false;
}

/* Operations an element that all readers together do again. */
static uint32_t cut_cost(const Region *r, int32_t extra) {
    uint32_t cost = 0;
    for (uint32_t k = 0; k < r->reader_count; k++) {
        bool wanted[MEMBERS_MAX];
        for (uint32_t i = 0; i < r->count; i++)
            wanted[i] = r->want[i] == WANT_VALUE && read_by(r, r->members[i], r->readers[k]);
        cost += cone(r, extra, wanted);
    }
    return cost;
}

/* What a cut saves, in operations an element; 0 or less: nothing. */
static int64_t cut_gain(Region *r, int32_t extra) {
    if (!cut_suffices(r, extra)) return 0;
    int64_t stores = 0;
    for (uint32_t i = 0; i < r->count; i++) stores += r->want[i] == WANT_VALUE;
    if (extra >= 0 && r->want[extra] != WANT_BUFFER) stores--;
    return stores <= 0 ? 0 : stores * WORTH_A_STORE - (int64_t)cut_cost(r, extra);
}

static void cut_apply(const Region *r, int32_t extra) {
    bool wanted[MEMBERS_MAX];
    for (uint32_t i = 0; i < r->count; i++) wanted[i] = r->want[i] == WANT_VALUE;
    cone(r, extra, wanted);
    for (uint32_t i = 0; i < r->count; i++)
        if (wanted[i] && r->want[i] != WANT_BUFFER && (int32_t)i != extra)
            plan_of(r->s, r->members[i])->remade = true;
}

static void region_cut(Region *r, const bool *root) {
    for (uint32_t i = 0; i < r->count; i++) r->want[i] = want_of(r, r->members[i], root);
    if (r->too_many || r->reader_count == 0) return;
    int32_t best = -1;
    int64_t gain = cut_gain(r, -1);
    for (uint32_t i = 0; i < r->count; i++) {
        int64_t other = cut_gain(r, (int32_t)i);
        if (other <= gain) continue;
        gain = other;
        best = (int32_t)i;
    }
    if (gain > 0) cut_apply(r, best);
}

/* Nodes by level: those of region c are order[first[2c] .. first[2c + 1]), ascending. */
void recompute_choose(Sched *s, const bool *root) {
    uint32_t levels = 2 * s->core_count + 2;
    uint32_t *first = ARENA_ARRAY(s->arena, uint32_t, levels + 2);
    uint32_t *order = ARENA_ARRAY(s->arena, uint32_t, s->size);
    for (uint32_t i = 0; i < s->size; i++)
        if (s->plan[i].live) first[s->plan[i].level + 2]++;
    for (uint32_t i = 2; i < levels + 2; i++) first[i] += first[i - 1];
    for (uint32_t i = 0; i < s->size; i++)
        if (s->plan[i].live) order[first[s->plan[i].level + 1]++] = i;
    Region *r = ARENA_NEW(s->arena, Region);
    for (uint32_t level = 2; level < levels; level += 2) {
        uint32_t from = first[level], to = first[level + 1];
        if (to - from < 2 || to - from > MEMBERS_MAX || !s->plan[order[from]].core) continue;
        *r = (Region){.s = s};
        for (uint32_t i = from; i < to; i++)
            if (op_is_elementwise(node_of(s, (NodeId){order[i]})->op) || s->plan[order[i]].core)
                r->members[r->count++] = (NodeId){order[i]};
        region_cut(r, root);
    }
}
