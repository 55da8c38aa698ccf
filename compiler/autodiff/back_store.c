/* Store or compute again? The backward iteration reads values of the forward one. Contractions,
 * reductions, gathers, inner loops and the math functions are handed over as further yields of the
 * forward loop; elementwise arithmetic, views and random draws are computed again from those.
 * What is the same in every iteration is computed once, before the backward loop. */
#include "compiler/autodiff/back_loop.h"

static bool is_costly(const GNode *n) {
    static const Op math[] = {OP_EXP, OP_LOG,  OP_EXPM1, OP_LOG1P, OP_SQRT, OP_SIN,
                              OP_COS, OP_TANH, OP_ERF,   OP_POW,   OP_TAKE};
    OpClass cls = op_info(n->op)->cls;
    if (cls == CLASS_CONTRACT || cls == CLASS_REDUCE || cls == CLASS_INDEX) return true;
    for (size_t i = 0; i < sizeof math / sizeof *math; i++)
        if (math[i] == n->op) return true;
    return false;
}

bool back_is_stored(const LoopAdjoint *l, NodeId node) {
    const GNode *n = work_node(l, node);
    if (n->op == OP_INPUT) return work_source(l, node)->kind == SOURCE_CARRY;
    if (l->s.once) return false; /* that is what `checkpoint` asks for */
    return l->primal[node.id] && l->variation[node.id] == VARIES_BY_ITERATION &&
           !l->absent[node.id] && n->rank < RANK_MAX && is_costly(n);
}

Stored *back_store(LoopAdjoint *l, NodeId node) {
    if (l->stored_at[node.id] == 0) {
        Stored stored = {.node = node, .outer = NODE_NONE};
        vec_push(l->outer->ctx->arena, &l->stored, stored);
        l->stored_at[node.id] = l->stored.len;
    }
    return &l->stored.data[l->stored_at[node.id] - 1];
}

/* Leaves and views of what comes in cost nothing inside. */
static bool is_hoisted(const LoopAdjoint *l, NodeId node) {
    const GNode *n = work_node(l, node);
    return !l->s.once && l->variation[node.id] == VARIES_BY_LOOP && n->op != OP_INPUT &&
           n->op != OP_SCAN && op_info(n->op)->cls != CLASS_VIEW && !l->absent[node.id];
}

void back_plan_store(LoopAdjoint *l) {
    for (uint32_t i = 0; i < l->s.carries; i++)
        if (l->carried[i] && !node_is_none(l->carry_share[i]))
            l->needed[l->carry_share[i].id] = true;
    for (uint32_t i = 0; i < l->yields.len; i++) l->needed[l->yields.data[i].node.id] = true;
    for (uint32_t i = 0; i < l->sums.len; i++) l->needed[l->sums.data[i].id] = true;
    for (uint32_t i = graph_size(l->work); i-- > 0;) {
        NodeId node = {i};
        if (!l->needed[i]) continue;
        if (back_is_stored(l, node)) {
            back_store(l, node)->inside = true;
        } else if (is_hoisted(l, node)) {
            l->hoisted[i] = true;
        } else {
            const GNode *n = work_node(l, node);
            for (uint32_t k = 0; k < n->nargs; k++) l->needed[n->args[k].id] = true;
        }
    }
}

/* ---- the extended loop */

/* New values are stacked along the axis of what the loop takes or yields, so that factors of a sum
 * over the iterations lie alike. */
int64_t back_usual_axis(const LoopAdjoint *l, NodeId node) {
    int64_t axis = l->s.sequences ? l->s.sequence_axis[0] : l->s.yields ? l->s.yield_axis[0] : 0;
    int64_t rank = (int64_t)work_node(l, node)->rank;
    return axis < rank ? axis : rank;
}

/* A value that the loop yields already keeps its number; true when some must be added. */
static bool number_stored(LoopAdjoint *l) {
    uint32_t results = l->s.carries + l->s.yields, next = results;
    for (uint32_t i = 0; i < l->stored.len; i++) {
        Stored *stored = &l->stored.data[i];
        stored->result = UINT32_MAX;
        for (uint32_t k = l->s.carries; k < results && stored->result == UINT32_MAX; k++) {
            if (!node_same(l->outputs[k], stored->node)) continue;
            stored->result = k;
            stored->axis = l->s.yield_axis[k - l->s.carries];
        }
        if (stored->result < UINT32_MAX) continue;
        stored->result = next++;
        stored->axis = back_usual_axis(l, stored->node);
    }
    return next > results;
}

static Graph *extended_body(LoopAdjoint *l) {
    Arena *arena = l->outer->ctx->arena;
    const Graph *body = l->s.body;
    uint32_t size = graph_size(l->work), results = l->s.carries + l->s.yields;
    bool *used = ARENA_ARRAY(arena, bool, size);
    NodeId *map = ARENA_ARRAY(arena, NodeId, size);
    for (uint32_t i = 0; i < results; i++) used[l->outputs[i].id] = true;
    for (uint32_t i = 0; i < l->stored.len; i++) used[l->stored.data[i].node.id] = true;
    for (uint32_t i = size; i-- > 0;) {
        const GNode *n = work_node(l, (NodeId){i});
        for (uint32_t k = 0; used[i] && k < n->nargs; k++) used[n->args[k].id] = true;
    }
    Graph *to = graph_create(l->outer->ctx, l->outer->dims, NULL, 0);
    to->externs = l->outer->externs;
    for (uint32_t i = 0; i < body->inputs.len; i++)
        vec_push(arena, &to->inputs, body->inputs.data[i]);
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = work_node(l, (NodeId){i});
        if (!used[i]) continue;
        NodeId *args = ARENA_ARRAY(arena, NodeId, n->nargs ? n->nargs : 1);
        for (uint32_t k = 0; k < n->nargs; k++) args[k] = map[n->args[k].id];
        map[i] = loop_copy_node(to, l->work, n, args);
    }
    for (uint32_t i = 0; i < results; i++)
        graph_output(to, body->outputs.data[i].name, map[l->outputs[i].id]);
    for (uint32_t i = 0; i < l->stored.len; i++) {
        const Stored *stored = &l->stored.data[i];
        if (stored->result < results) continue;
        Sym name = ctx_sym(l->outer->ctx, arena_printf(arena, "kept%u", stored->result));
        graph_output(to, name, map[stored->node.id]);
    }
    return to;
}

void back_extend(LoopAdjoint *l) {
    if (number_stored(l)) {
        Scan s = l->s;
        s.body = extended_body(l);
        s.yields = s.body->outputs.len - s.carries;
        int64_t *axis = ARENA_ARRAY(l->outer->ctx->arena, int64_t, s.yields);
        memcpy(axis, l->s.yield_axis, l->s.yields * sizeof *axis);
        for (uint32_t i = 0; i < l->stored.len; i++)
            if (l->stored.data[i].result >= s.carries)
                axis[l->stored.data[i].result - s.carries] = l->stored.data[i].axis;
        s.yield_axis = axis;
        uint32_t size = graph_size(l->outer);
        NodeId extended = g_scan(l->outer, &s, l->a->node.args, l->span);
        family_extend(l->families, l->loop, extended, extended.id >= size);
    }
    for (uint32_t i = 0; i < l->stored.len; i++) {
        Stored *stored = &l->stored.data[i];
        stored->outer = family_take(l->families, l->loop, stored->result, l->span);
    }
}

/* ---- what is the same in every iteration */

NodeId back_outside(LoopAdjoint *l, NodeId node) {
    Arena *arena = l->outer->ctx->arena;
    bool *used = ARENA_ARRAY(arena, bool, node.id + 1);
    used[node.id] = true;
    for (uint32_t i = node.id + 1; i-- > 0;) {
        const GNode *n = work_node(l, (NodeId){i});
        used[i] = used[i] && node_is_none(l->outside[i]);
        for (uint32_t k = 0; used[i] && k < n->nargs; k++) used[n->args[k].id] = true;
    }
    for (uint32_t i = 0; i <= node.id; i++) {
        const GNode *n = work_node(l, (NodeId){i});
        if (!used[i]) continue;
        INVARIANT(l->variation[i] != VARIES_BY_ITERATION);
        if (n->op == OP_INPUT) {
            l->outside[i] = work_source(l, (NodeId){i})->outer;
            continue;
        }
        NodeId *args = ARENA_ARRAY(arena, NodeId, n->nargs ? n->nargs : 1);
        for (uint32_t k = 0; k < n->nargs; k++) args[k] = l->outside[n->args[k].id];
        l->outside[i] = loop_copy_node(l->outer, l->work, n, args);
    }
    return l->outside[node.id];
}
