/* Values of a loop's body computed before the loop: once where they are the same in every
 * iteration, for all iterations at once (the iterations as first axis) where they depend on
 * sequences. A contraction keeps the order of its k, so every bit stays. */
#include "compiler/opt/loop_edit.h"
#include "compiler/opt/rewrite.h"

static Shape node_shape(const GNode *n) {
    Shape shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    return shape;
}

static Shape led(const LoopEdit *e, const GNode *n) {
    Shape out = {.rank = n->rank + 1, .dims = {e->old.trip}};
    for (uint32_t i = 0; i < n->rank; i++) out.dims[i + 1] = n->dims[i];
    return out;
}

/* ------------------------------------------------------------------ inputs */

NodeId fixed_element(LoopEdit *e, uint32_t sequence) {
    const GNode *whole = graph_node(e->to, e->operands[e->old.carries + sequence]);
    int64_t axis = e->old.sequence_axis[sequence];
    Shape shape = {.rank = 0};
    for (uint32_t i = 0; i < whole->rank; i++)
        if (i != (uint64_t)axis) shape.dims[shape.rank++] = whole->dims[i];
    if (whole->op == OP_CONST && whole->nattr == 1)
        return graph_add(e->to, OP_CONST, whole->dtype, &shape, NULL, 0, whole->attr, 1,
                         whole->span);
    if (whole->op == OP_IOTA && whole->attr[0] != axis)
        return g_iota(e->to, whole->dtype, &shape,
                      (uint32_t)(whole->attr[0] - (whole->attr[0] > axis)), whole->span);
    if (whole->op != OP_BROADCAST || whole->attr[axis] >= 0) return NODE_NONE;
    int32_t from[RANK_MAX];
    uint32_t k = 0;
    bool same = true;
    for (uint32_t i = 0; i < whole->rank; i++) {
        if (i == (uint64_t)axis) continue;
        from[k] = (int32_t)whole->attr[i];
        same = same && from[k] == (int32_t)k;
        k++;
    }
    const GNode *of = graph_node(e->to, whole->args[0]);
    if (same && of->rank == shape.rank) return whole->args[0];
    return g_broadcast(e->to, whole->args[0], &shape, from, whole->span);
}

static NodeId sequence_first(LoopEdit *e, uint32_t sequence) {
    NodeId whole = e->operands[e->old.carries + sequence];
    uint32_t axis = (uint32_t)e->old.sequence_axis[sequence], perm[RANK_MAX];
    if (axis == 0) return whole;
    perm[0] = axis;
    uint32_t rank = graph_node(e->to, whole)->rank;
    for (uint32_t i = 1; i < rank; i++) perm[i] = i <= axis ? i - 1 : i;
    return g_permute(e->to, whole, perm, e->span);
}

/* ------------------------------------------------------------------ all iterations at once */

bool hoist_knows(const LoopEdit *e, const GNode *n) {
    if (n->rank == RANK_MAX) return false;
    switch (n->op) {
    case OP_PERMUTE:
    case OP_BROADCAST:
    case OP_RESHAPE:
    case OP_SLICE:
    case OP_REVERSE: return true;
    case OP_CONTRACT: /* a table and a stream; two streams would gain nothing */
        return (e->depends[n->args[0].id] == FIXED) != (e->depends[n->args[1].id] == FIXED);
    default: return op_is_elementwise(n->op);
    }
}

/* The values of a body's node with the iterations first. */
static NodeId with_iterations(LoopEdit *e, NodeId id) {
    if (e->depends[id.id] != FIXED) return e->all[id.id];
    const GNode *n = graph_node(e->body, id);
    Shape to = led(e, n);
    const GNode *value = graph_node(e->to, e->fixed[id.id]);
    if (value->op == OP_CONST && value->nattr == 1)
        return graph_add(e->to, OP_CONST, n->dtype, &to, NULL, 0, value->attr, 1, n->span);
    int32_t from[RANK_MAX] = {-1};
    for (uint32_t i = 0; i < n->rank; i++) from[i + 1] = (int32_t)i;
    return g_broadcast(e->to, e->fixed[id.id], &to, from, n->span);
}

static NodeId contract_all(LoopEdit *e, const GNode *n) {
    const GNode *a = graph_node(e->body, n->args[0]);
    bool first = e->depends[n->args[0].id] != FIXED;
    int64_t *attr = ARENA_ARRAY(e->arena, int64_t, n->nattr + 1);
    uint32_t k = 0;
    attr[k++] = n->attr[0];
    for (uint32_t i = 1; i < n->nattr; i++) {
        if (i == (first ? 1 : 1 + a->rank)) attr[k++] = 0;
        attr[k++] = n->attr[i] + 1;
    }
    if (k == n->nattr) attr[k++] = 0; /* the second is of rank 0 */
    NodeId args[2] = {first ? e->all[n->args[0].id] : e->fixed[n->args[0].id],
                      first ? e->fixed[n->args[1].id] : e->all[n->args[1].id]};
    return graph_add(e->to, OP_CONTRACT, DTYPE_COUNT, NULL, args, 2, attr, k, n->span);
}

static NodeId all_of(LoopEdit *e, const GNode *n) {
    if (n->op == OP_INPUT) return sequence_first(e, (uint32_t)n->attr[0] - 1 - e->old.carries);
    if (n->op == OP_CONTRACT) return contract_all(e, n);
    Shape shape = led(e, n);
    int64_t *attr = ARENA_ARRAY(e->arena, int64_t, n->nattr + 2);
    uint32_t k = 0;
    if (n->op == OP_PERMUTE || n->op == OP_BROADCAST) attr[k++] = 0;
    if (n->op == OP_SLICE) {
        attr[k++] = dim_const(e->to->dims, 0).id;
        attr[k++] = 1;
    }
    int64_t shift = n->op == OP_PERMUTE || n->op == OP_BROADCAST || n->op == OP_REVERSE;
    for (uint32_t i = 0; i < n->nattr; i++) attr[k++] = n->attr[i] < 0 ? -1 : n->attr[i] + shift;
    NodeId args[3];
    for (uint32_t i = 0; i < n->nargs; i++) args[i] = with_iterations(e, n->args[i]);
    return graph_add(e->to, n->op, n->dtype, &shape, args, n->nargs, attr, k, n->span);
}

static NodeId fixed_of(LoopEdit *e, const GNode *n) {
    Shape shape = node_shape(n);
    NodeId *args = ARENA_ARRAY(e->arena, NodeId, n->nargs + 1);
    for (uint32_t i = 0; i < n->nargs; i++) args[i] = e->fixed[n->args[i].id];
    return graph_add(e->to, n->op, n->dtype, &shape, args, n->nargs, n->attr, n->nattr, n->span);
}

void hoist(LoopEdit *e) {
    uint32_t size = graph_size(e->body);
    bool *needed = ARENA_ARRAY(e->arena, bool, size);
    for (uint32_t i = size; i-- > 0;) {
        needed[i] = needed[i] || e->pick[i];
        const GNode *n = graph_node(e->body, (NodeId){i});
        for (uint32_t k = 0; needed[i] && k < n->nargs; k++) needed[n->args[k].id] = true;
    }
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(e->body, (NodeId){i});
        if (!needed[i]) continue;
        if (e->depends[i] == STREAM)
            e->all[i] = all_of(e, n);
        else if (node_is_none(e->fixed[i]))
            e->fixed[i] = fixed_of(e, n);
    }
}
