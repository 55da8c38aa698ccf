/* The backward loop: the iterations in the other order, its body cut out of the working graph.
 * Carries: the adjoints of the forward carries, then sums of captured values' shares. Sequences:
 * the forward ones that are read, adjoints of yields, stored values. */
#include "compiler/autodiff/back_loop.h"

typedef struct Builder {
    LoopAdjoint *l;
    Graph *body;
    NodeId *map; /* node of the working graph -> node of the body */
    Scan s;
    VEC(NodeId) operands;
    VEC(int64_t) sequence_axis;
    VEC(NodeId) sums; /* inputs */
} Builder;

uint32_t back_yield(LoopAdjoint *l, NodeId node, int64_t axis) {
    for (uint32_t i = 0; i < l->yields.len; i++)
        if (node_same(l->yields.data[i].node, node) && l->yields.data[i].axis == axis) return i;
    LoopYield yield = {node, axis};
    vec_push(l->outer->ctx->arena, &l->yields, yield);
    l->yield_at[node.id] = l->yields.len;
    return l->yields.len - 1;
}

/* ---- inputs */

static NodeId add_input(Builder *b, NodeId like, const char *name, NodeId operand) {
    LoopAdjoint *l = b->l;
    Shape shape = graph_shape(l->work, like);
    DType dtype = work_node(l, like)->dtype;
    vec_push(l->outer->ctx->arena, &b->operands, operand);
    return g_input(b->body, ctx_sym(l->outer->ctx, name), dtype, &shape, l->span);
}

static const char *source_name(const Builder *b, const LoopSource *source) {
    return b->l->work->inputs.data[work_node(b->l, source->node)->attr[0]].name->text;
}

static void add_sources(Builder *b, SourceKind kind) {
    LoopAdjoint *l = b->l;
    for (uint32_t i = 0; i < l->sources.len; i++) {
        const LoopSource *source = &l->sources.data[i];
        bool used = kind == SOURCE_ADJOINT || l->needed[source->node.id];
        if (source->kind != kind || !used) continue;
        b->map[source->node.id] = add_input(b, source->node, source_name(b, source), source->outer);
        if (kind == SOURCE_SEQUENCE)
            vec_push(l->outer->ctx->arena, &b->sequence_axis, source->axis);
    }
}

static void add_carries(Builder *b) {
    LoopAdjoint *l = b->l;
    Arena *arena = l->outer->ctx->arena;
    add_sources(b, SOURCE_ADJOINT);
    for (uint32_t i = 0; i < l->sums.len; i++) {
        NodeId share = l->sums.data[i];
        Shape shape = graph_shape(l->work, share);
        NodeId zero = g_const(l->outer, work_node(l, share)->dtype, &shape, 0, l->span);
        NodeId input = add_input(b, share, arena_printf(arena, "sum%u", i), zero);
        vec_push(arena, &b->sums, input);
    }
    b->s.carries = b->operands.len;
}

static void add_sequences(Builder *b) {
    LoopAdjoint *l = b->l;
    Arena *arena = l->outer->ctx->arena;
    add_sources(b, SOURCE_SEQUENCE);
    for (uint32_t i = 0; i < l->stored.len; i++) {
        const Stored *stored = &l->stored.data[i];
        if (!stored->inside) continue;
        const char *name = arena_printf(arena, "kept%u", stored->result);
        b->map[stored->node.id] = add_input(b, stored->node, name, stored->outer);
        vec_push(arena, &b->sequence_axis, stored->axis);
    }
    b->s.sequences = b->operands.len - b->s.carries;
    b->s.sequence_axis = b->sequence_axis.data;
}

static void add_captures(Builder *b) {
    LoopAdjoint *l = b->l;
    add_sources(b, SOURCE_CAPTURE);
    for (uint32_t i = 0; i < graph_size(l->work); i++) {
        NodeId node = {i};
        if (!l->hoisted[i]) continue;
        const char *name = arena_printf(l->outer->ctx->arena, "same%u", b->operands.len);
        b->map[i] = add_input(b, node, name, back_outside(l, node));
    }
    b->s.captures = b->operands.len - b->s.carries - b->s.sequences;
}

/* ---- body */

static void copy_needed(Builder *b) {
    LoopAdjoint *l = b->l;
    for (uint32_t i = 0; i < graph_size(l->work); i++) {
        const GNode *n = work_node(l, (NodeId){i});
        if (!l->needed[i] || !node_is_none(b->map[i])) continue;
        NodeId *args = ARENA_ARRAY(l->outer->ctx->arena, NodeId, n->nargs ? n->nargs : 1);
        for (uint32_t k = 0; k < n->nargs; k++) args[k] = b->map[n->args[k].id];
        b->map[i] = loop_copy_node(b->body, l->work, n, args);
    }
}

static void add_outputs(Builder *b) {
    LoopAdjoint *l = b->l;
    Context *ctx = l->outer->ctx;
    for (uint32_t i = 0; i < l->s.carries; i++) {
        if (!l->carried[i]) continue;
        Shape shape = graph_shape(l->work, l->outputs[i]);
        NodeId next = node_is_none(l->carry_share[i])
                          ? g_const(b->body, work_node(l, l->outputs[i])->dtype, &shape, 0, l->span)
                          : b->map[l->carry_share[i].id];
        graph_output(b->body, ctx_sym(ctx, arena_printf(ctx->arena, "dc%u", i)), next);
    }
    for (uint32_t i = 0; i < l->sums.len; i++) {
        NodeId share = b->map[l->sums.data[i].id];
        graph_output(b->body, ctx_sym(ctx, arena_printf(ctx->arena, "sum%u", i)),
                     g_binary(b->body, OP_ADD, b->sums.data[i], share, l->span));
    }
    int64_t *axis = ARENA_ARRAY(ctx->arena, int64_t, l->yields.len + 1);
    for (uint32_t i = 0; i < l->yields.len; i++) {
        axis[i] = l->yields.data[i].axis;
        graph_output(b->body, ctx_sym(ctx, arena_printf(ctx->arena, "y%u", i)),
                     b->map[l->yields.data[i].node.id]);
    }
    b->s.yields = l->yields.len;
    b->s.yield_axis = axis;
}

void back_build(LoopAdjoint *l) {
    uint32_t size = graph_size(l->work);
    Builder b = {.l = l, .body = scan_body(l->outer)};
    b.map = ARENA_ARRAY(l->outer->ctx->arena, NodeId, size);
    for (uint32_t i = 0; i < size; i++) b.map[i] = NODE_NONE;
    int64_t first = 0;
    b.map[l->sources.data[0].node.id] =
        graph_add(b.body, OP_INPUT, DTYPE_COUNT, NULL, NULL, 0, &first, 1, l->span);
    add_carries(&b);
    add_sequences(&b);
    add_captures(&b);
    copy_needed(&b);
    add_outputs(&b);
    if (b.body->outputs.len == 0) return;
    b.s.body = b.body;
    b.s.reverse = !l->s.reverse && !l->s.once;
    b.s.once = b.s.again = l->s.once;
    b.s.segments = l->s.segments;
    b.s.trip = l->s.trip;
    l->backward = g_scan(l->outer, &b.s, b.operands.data, l->span);
}

/* ---- results */

static uint32_t carried_before(const LoopAdjoint *l, uint32_t carry) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < carry; i++) count += l->carried[i];
    return count;
}

NodeId back_take_carry(LoopAdjoint *l, uint32_t carry) {
    return g_take(l->outer, l->backward, carried_before(l, carry), l->span);
}

NodeId back_take_sum(LoopAdjoint *l, uint32_t sum) {
    return g_take(l->outer, l->backward, carried_before(l, l->s.carries) + sum, l->span);
}

NodeId back_take_yield(LoopAdjoint *l, uint32_t yield) {
    uint32_t result = carried_before(l, l->s.carries) + l->sums.len + yield;
    return g_take(l->outer, l->backward, result, l->span);
}
