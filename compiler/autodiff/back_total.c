/* The adjoint of a captured value is the sum, over the iterations, of what one iteration gives it.
 * Most shares are products of what varies (`hᵀ · dz` for the weights of a cell): their factors are
 * stacked and ONE contraction runs after the loop, over the iterations and the labels that the
 * share itself sums, in the order in which they lie in memory (one stretch, when both factors
 * agree). Ops that are linear in what varies move behind the sum. What is left is stacked and
 * summed where that is no larger than what the loop stacks anyway, else added up in a carry, in the
 * order in which the backward loop runs. */
#include "compiler/autodiff/back_loop.h"

enum { DEPTH_MAX = 64, TIME = 40 /* the label of the iterations; others are below */ };

typedef enum TotalKind {
    TOTAL_APPLY,    /* the node's op on the total of part 0 */
    TOTAL_ADD,      /* of both parts */
    TOTAL_CONTRACT, /* of two stacked factors */
    TOTAL_SCATTER,  /* of stacked updates and indices */
    TOTAL_SUM,      /* not settled yet: the node, or (a SUM) its operand, stacked or carried */
    TOTAL_STACKED,  /* the sum of a stacked value */
    TOTAL_ONLY,     /* the share of the only iteration */
    TOTAL_CARRIED   /* a carry of the backward loop */
} TotalKind;

typedef struct Factor {
    NodeId node;
    uint32_t rank, label[RANK_MAX];
} Factor;

struct Total {
    TotalKind kind;
    NodeId node;
    Total *part[2];
    uint32_t operand; /* APPLY: the one that varies */
    Factor factor[2];
    uint32_t sum; /* CARRIED */
};

static Total *total_new(LoopAdjoint *l, TotalKind kind, NodeId node) {
    Total *t = ARENA_NEW(l->outer->ctx->arena, Total);
    t->kind = kind;
    t->node = node;
    return t;
}

static bool varies(const LoopAdjoint *l, NodeId node) {
    return l->variation[node.id] == VARIES_BY_ITERATION;
}

/* ---- stacked values: sequences, stored values, else further yields of the backward loop */

static bool can_stack(const LoopAdjoint *l, NodeId node) {
    return work_node(l, node)->rank < RANK_MAX && !l->absent[node.id] && varies(l, node);
}

static bool is_sequence(const LoopAdjoint *l, NodeId node) {
    return work_node(l, node)->op == OP_INPUT && work_source(l, node)->kind == SOURCE_SEQUENCE;
}

static bool is_stacked(const LoopAdjoint *l, NodeId node) {
    return is_sequence(l, node) || l->stored_at[node.id] || l->yield_at[node.id];
}

static void stack(LoopAdjoint *l, NodeId node) {
    if (is_sequence(l, node)) return;
    if (back_is_stored(l, node))
        back_store(l, node);
    else if (!l->yield_at[node.id])
        back_yield(l, node, back_usual_axis(l, node));
}

static NodeId stacked(LoopAdjoint *l, NodeId node, int64_t *axis) {
    if (is_sequence(l, node)) {
        *axis = work_source(l, node)->axis;
        return work_source(l, node)->outer;
    }
    if (l->stored_at[node.id]) {
        const Stored *stored = &l->stored.data[l->stored_at[node.id] - 1];
        *axis = stored->axis;
        return stored->outer;
    }
    uint32_t yield = l->yield_at[node.id] - 1;
    *axis = l->yields.data[yield].axis;
    return back_take_yield(l, yield);
}

/* The same with the iterations first. */
static NodeId stacked_first(LoopAdjoint *l, NodeId node) {
    int64_t axis;
    NodeId whole = stacked(l, node, &axis);
    uint32_t perm[RANK_MAX], rank = graph_shape(l->outer, whole).rank;
    perm[0] = (uint32_t)axis;
    for (uint32_t i = 0, next = 1; i < rank; i++)
        if (i != (uint32_t)axis) perm[next++] = i;
    return axis == 0 ? whole : g_permute(l->outer, whole, perm, l->span);
}

/* ---- planning */

/* The factor without the views that only repeat or reorder: its axes labelled as the axes of the
 * product. */
static Factor strip(const LoopAdjoint *l, Factor f) {
    for (;;) {
        const GNode *n = work_node(l, f.node);
        Factor inner = {.rank = f.rank};
        if (n->op == OP_BROADCAST) {
            inner.rank = 0;
            for (uint32_t i = 0; i < n->rank; i++)
                if (n->attr[i] >= 0) inner.label[inner.rank++] = f.label[i];
        } else if (n->op == OP_PERMUTE) {
            for (uint32_t i = 0; i < n->rank; i++) inner.label[n->attr[i]] = f.label[i];
        } else {
            return f;
        }
        inner.node = n->args[0];
        f = inner;
    }
}

static double node_elements(const LoopAdjoint *l, NodeId node) {
    const GNode *n = work_node(l, node);
    return back_elements(l, n->dims, n->rank);
}

static Total *contract_plan(LoopAdjoint *l, NodeId share) {
    const GNode *n = work_node(l, share);
    Total *t = total_new(l, TOTAL_CONTRACT, share);
    for (uint32_t k = 0, at = 1; k < 2; k++) {
        Factor f = {.node = n->args[k], .rank = work_node(l, n->args[k])->rank};
        for (uint32_t i = 0; i < f.rank; i++) f.label[i] = (uint32_t)n->attr[at++];
        t->factor[k] = f;
        if (!can_stack(l, f.node)) return NULL;
    }
    return t;
}

/* An outer product: both factors repeat along the other's axes. */
static Total *product_plan(LoopAdjoint *l, NodeId share) {
    const GNode *n = work_node(l, share);
    Total *t = total_new(l, TOTAL_CONTRACT, share);
    double size = 0;
    uint32_t covered = 0;
    for (uint32_t k = 0; k < 2; k++) {
        Factor f = {.node = n->args[k], .rank = n->rank};
        for (uint32_t i = 0; i < f.rank; i++) f.label[i] = i;
        t->factor[k] = f = strip(l, f);
        for (uint32_t i = 0; i < f.rank; i++) covered |= 1u << f.label[i];
        if (!can_stack(l, f.node)) return NULL;
        size += node_elements(l, f.node);
    }
    bool smaller = size <= node_elements(l, share) && covered == (1u << n->rank) - 1;
    return smaller ? t : NULL;
}

/* Ops that are linear in one operand, the only one that varies. */
static bool is_linear(const LoopAdjoint *l, const GNode *n, uint32_t *operand) {
    switch (n->op) {
    case OP_NEG:
    case OP_RESHAPE:
    case OP_PERMUTE:
    case OP_BROADCAST:
    case OP_REVERSE: *operand = 0; return true;
    case OP_DIV: *operand = 0; return !varies(l, n->args[1]);
    case OP_MUL:
    case OP_CONTRACT:
        *operand = varies(l, n->args[0]) ? 0 : 1;
        return !varies(l, n->args[1 - *operand]) && !l->absent[n->args[1 - *operand].id];
    default: return false;
    }
}

static Total *plan(LoopAdjoint *l, NodeId share, uint32_t depth) {
    const GNode *n = work_node(l, share);
    uint32_t operand;
    Total *t = NULL;
    if (depth == DEPTH_MAX || !varies(l, share) || back_is_stored(l, share))
        return total_new(l, TOTAL_SUM, share);
    if (n->op == OP_ADD && varies(l, n->args[0]) && varies(l, n->args[1])) {
        t = total_new(l, TOTAL_ADD, share);
        for (uint32_t k = 0; k < 2; k++) t->part[k] = plan(l, n->args[k], depth + 1);
    } else if (is_linear(l, n, &operand) && !l->absent[n->args[operand].id]) {
        t = total_new(l, TOTAL_APPLY, share);
        t->operand = operand;
        t->part[0] = plan(l, n->args[operand], depth + 1);
    } else if (n->op == OP_SUM && !l->absent[n->args[0].id]) {
        Total *part = plan(l, n->args[0], depth + 1);
        if (part->kind != TOTAL_SUM) {
            t = total_new(l, TOTAL_APPLY, share);
            t->part[0] = part;
        }
    } else if (n->op == OP_CONTRACT) {
        t = contract_plan(l, share);
    } else if (n->op == OP_MUL) {
        t = product_plan(l, share);
    } else if (n->op == OP_SCATTER_ADD) {
        t = total_new(l, TOTAL_SCATTER, share);
        for (uint32_t k = 0; t && k < n->nargs; k++)
            if (!can_stack(l, n->args[k])) t = NULL;
    }
    return t ? t : total_new(l, TOTAL_SUM, share);
}

static void stack_factors(LoopAdjoint *l, const Total *t) {
    const GNode *n = work_node(l, t->node);
    for (uint32_t k = 0; k < 2 && t->part[k]; k++) stack_factors(l, t->part[k]);
    for (uint32_t k = 0; k < 2 && t->kind == TOTAL_CONTRACT; k++) stack(l, t->factor[k].node);
    for (uint32_t k = 0; k < n->nargs && t->kind == TOTAL_SCATTER; k++) stack(l, n->args[k]);
}

Total *back_total_plan(LoopAdjoint *l, NodeId share) {
    if (l->s.once && work_node(l, share)->rank < RANK_MAX) {
        back_yield(l, share, 0);
        return total_new(l, TOTAL_ONLY, share);
    }
    Total *t = plan(l, share, 0);
    stack_factors(l, t);
    return t;
}

/* ---- settling */

/* The largest value that the forward loop reads or gives in one iteration. */
static double largest_slab(const LoopAdjoint *l) {
    double most = 0;
    const Graph *body = l->s.body;
    for (uint32_t i = 0; i < l->s.carries + l->s.sequences; i++) {
        const Shape *shape = &body->inputs.data[1 + i].shape;
        double size = back_elements(l, shape->dims, shape->rank);
        if (size > most) most = size;
    }
    for (uint32_t i = 0; i < l->s.yields; i++) {
        double size = node_elements(l, l->outputs[l->s.carries + i]);
        if (size > most) most = size;
    }
    return most;
}

static NodeId summand(const LoopAdjoint *l, const Total *t) {
    const GNode *n = work_node(l, t->node);
    return n->op == OP_SUM && can_stack(l, n->args[0]) ? n->args[0] : t->node;
}

void back_total_settle(LoopAdjoint *l, Total *t) {
    for (uint32_t k = 0; k < 2 && t->part[k]; k++) back_total_settle(l, t->part[k]);
    bool both = t->kind == TOTAL_ADD && t->part[0]->kind == TOTAL_CARRIED &&
                t->part[1]->kind == TOTAL_CARRIED;
    if (both && t->part[1]->sum + 1 == l->sums.len && t->part[0]->sum + 2 == l->sums.len) {
        l->sums.len -= 2; /* one carry for both */
    } else if (t->kind != TOTAL_SUM) {
        return;
    } else {
        NodeId x = summand(l, t);
        bool small = !l->s.segments && can_stack(l, x) && node_elements(l, x) <= largest_slab(l);
        if (can_stack(l, x) && (small || is_stacked(l, x))) {
            stack(l, x);
            t->kind = TOTAL_STACKED;
            return;
        }
    }
    t->kind = TOTAL_CARRIED;
    t->sum = l->sums.len;
    vec_push(l->outer->ctx->arena, &l->sums, t->node);
}

/* ---- building */

/* Collects the labels that are summed: the iterations and what the share sums itself. */
static void label_add(uint32_t *reduced, uint32_t *count, uint32_t label, uint32_t rank) {
    if (label < rank) return;
    for (uint32_t i = 0; i < *count; i++)
        if (reduced[i] == label) return;
    reduced[(*count)++] = label;
}

static NodeId build_contract(LoopAdjoint *l, const Total *t) {
    NodeId node[2];
    uint32_t label[2][RANK_MAX], out[RANK_MAX], reduced[2 * RANK_MAX], count = 0;
    const GNode *n = work_node(l, t->node);
    uint32_t nreduced = n->op == OP_CONTRACT ? (uint32_t)n->attr[0] : 0, rank = n->rank;
    for (uint32_t k = 0; k < 2; k++) {
        int64_t axis;
        node[k] = stacked(l, t->factor[k].node, &axis);
        for (uint32_t i = 0, from = 0; i < t->factor[k].rank + 1; i++)
            label[k][i] = i == (uint32_t)axis ? TIME : t->factor[k].label[from++];
    }
    for (uint32_t k = 0; k < 2; k++)
        for (uint32_t i = 0; i < t->factor[k].rank + 1; i++)
            label_add(reduced, &count, label[k][i], rank);
    INVARIANT(count == nreduced + 1);
    for (uint32_t i = 0; i < rank; i++) out[i] = i;
    return g_contract(l->outer, node[0], label[0], node[1], label[1], out, rank, reduced, count,
                      l->span);
}

static NodeId build_scatter(LoopAdjoint *l, const Total *t) {
    const GNode *n = work_node(l, t->node);
    NodeId index[RANK_MAX];
    uint32_t axes[RANK_MAX];
    Shape shape = graph_shape(l->work, t->node);
    for (uint32_t k = 0; k < n->nattr; k++) {
        index[k] = stacked_first(l, n->args[1 + k]);
        axes[k] = (uint32_t)n->attr[k];
    }
    NodeId updates = stacked_first(l, n->args[0]);
    return g_scatter_add(l->outer, &shape, updates, index, axes, n->nattr, l->span);
}

/* Summed over the iterations and, of a SUM, over its axes. */
static NodeId build_stacked(LoopAdjoint *l, const Total *t) {
    const GNode *n = work_node(l, t->node);
    NodeId x = summand(l, t), whole = stacked_first(l, x);
    uint32_t axes[RANK_MAX], count = 0;
    axes[count++] = 0;
    for (uint32_t i = 0; !node_same(x, t->node) && i < n->nattr; i++)
        axes[count++] = (uint32_t)n->attr[i] + 1;
    return g_reduce(l->outer, OP_SUM, whole, axes, count, l->span);
}

static NodeId build_apply(LoopAdjoint *l, const Total *t) {
    const GNode *n = work_node(l, t->node);
    NodeId args[2] = {NODE_NONE, NODE_NONE};
    for (uint32_t k = 0; k < n->nargs; k++)
        args[k] = k == t->operand ? back_total_build(l, t->part[0]) : back_outside(l, n->args[k]);
    return loop_copy_node(l->outer, l->work, n, args);
}

NodeId back_total_build(LoopAdjoint *l, const Total *t) {
    switch (t->kind) {
    case TOTAL_APPLY: return build_apply(l, t);
    case TOTAL_ADD: {
        NodeId left = back_total_build(l, t->part[0]), right = back_total_build(l, t->part[1]);
        return g_binary(l->outer, OP_ADD, left, right, l->span);
    }
    case TOTAL_CONTRACT: return build_contract(l, t);
    case TOTAL_SCATTER: return build_scatter(l, t);
    case TOTAL_STACKED: return build_stacked(l, t);
    case TOTAL_ONLY: {
        Shape shape = graph_shape(l->work, t->node);
        return g_reshape(l->outer, back_take_yield(l, back_yield(l, t->node, 0)), &shape, l->span);
    }
    case TOTAL_CARRIED: return back_take_sum(l, t->sum);
    case TOTAL_SUM: break;
    }
    BUG("a total that was not settled");
}
