/* The adjoint of a loop (docs/scan.md, Backward): what is asked for, the working graph with the
 * adjoint of one iteration, and the shares of the operands. */
#include "compiler/autodiff/back_loop.h"
#include "compiler/autodiff/flow.h"
#include "compiler/autodiff/sweep.h"

/* All members of a family give their results' adjoints to its root. */
void adjoint_TAKE(Adjoint *a) {
    adjoint_give_result(a, (uint32_t)a->node.attr[0], a->grad);
}

double back_elements(const LoopAdjoint *l, const DimId *dims, uint32_t rank) {
    double count = 1;
    for (uint32_t i = 0; i < rank; i++) count *= (double)dim_bound(l->outer->dims, dims[i]);
    return count;
}

/* ---- the working graph */

static NodeId add_source(LoopAdjoint *l, LoopSource source, const char *name, DType dtype,
                         const Shape *shape) {
    source.node = g_input(l->work, ctx_sym(l->outer->ctx, name), dtype, shape, l->span);
    vec_push(l->outer->ctx->arena, &l->sources, source);
    return source.node;
}

static void copy_inputs(LoopAdjoint *l) {
    const Scan *s = &l->s;
    const NodeId *operands = l->a->node.args;
    for (uint32_t i = 0; i < s->body->inputs.len; i++) {
        const GraphInput *in = &s->body->inputs.data[i];
        LoopSource source = {.kind = SOURCE_ITERATION};
        if (i > 0) source.outer = operands[i - 1];
        if (i > 0) source.kind = s->once ? SOURCE_CAPTURE : SOURCE_CARRY;
        if (i > s->carries) source.kind = SOURCE_SEQUENCE;
        if (i > s->carries + s->sequences) source.kind = SOURCE_CAPTURE;
        if (source.kind == SOURCE_SEQUENCE) source.axis = s->sequence_axis[i - 1 - s->carries];
        add_source(l, source, in->name->text, in->dtype, &in->shape);
    }
}

static void copy_body(LoopAdjoint *l) {
    const Graph *body = l->s.body;
    Arena *arena = l->outer->ctx->arena;
    NodeId *map = ARENA_ARRAY(arena, NodeId, graph_size(body));
    bool *live = ARENA_ARRAY(arena, bool, graph_size(body));
    graph_live(body, live);
    for (uint32_t i = 0; i < graph_size(body); i++) {
        const GNode *n = graph_node(body, (NodeId){i});
        if (!live[i]) continue;
        NodeId *args = ARENA_ARRAY(arena, NodeId, n->nargs ? n->nargs : 1);
        for (uint32_t k = 0; k < n->nargs; k++) args[k] = map[n->args[k].id];
        map[i] = loop_copy_node(l->work, body, n, args);
    }
    l->outputs = ARENA_ARRAY(arena, NodeId, body->outputs.len + 1);
    for (uint32_t i = 0; i < body->outputs.len; i++)
        l->outputs[i] = map[body->outputs.data[i].node.id];
}

/* ---- seeds: the adjoints of the body's results */

/* The carries whose adjoint the backward loop carries: what the asked results depend on, and what
 * depends on a wanted operand. */
static void find_carried(LoopAdjoint *l, const NodeId *adjoints) {
    const Scan *s = &l->s;
    Arena *arena = l->outer->ctx->arena;
    uint32_t results = s->carries + s->yields, operands = l->a->node.nargs;
    bool *given = ARENA_ARRAY(arena, bool, results + 1);
    bool *wanted = ARENA_ARRAY(arena, bool, operands + 1);
    for (uint32_t i = 0; i < results; i++) given[i] = !node_is_none(adjoints[i]);
    for (uint32_t i = 0; i < operands; i++) wanted[i] = adjoint_wants(l->a, i);
    LoopFlow back = flow_back(l->outer, s, given), forward = flow_forward(l->outer, s, wanted);
    l->carried = ARENA_ARRAY(arena, bool, s->carries + 1);
    for (uint32_t i = 0; i < s->carries; i++)
        l->carried[i] = back.results[i] && forward.inputs[scan_carry_input(s, i)];
}

/* The adjoint of a yield is a sequence; or, where it is the same in every iteration (that of a
 * mean), one value spread within the iteration. */
static NodeId yield_adjoint(LoopAdjoint *l, uint32_t yield, NodeId whole, const Shape *element) {
    int64_t axis = l->s.yield_axis[yield];
    const char *name = arena_printf(l->outer->ctx->arena, "dy%u", yield);
    const GNode *n = graph_node(l->outer, whole);
    double value;
    if (graph_const_value(l->outer, whole, &value))
        return g_const(l->work, n->dtype, element, value, l->span);
    if (n->op != OP_BROADCAST || n->attr[axis] >= 0) {
        LoopSource source = {.kind = SOURCE_SEQUENCE, .outer = whole, .axis = axis};
        return add_source(l, source, name, n->dtype, element);
    }
    Shape narrow = graph_shape(l->outer, n->args[0]);
    int32_t from[RANK_MAX];
    for (uint32_t i = 0, k = 0; i < n->rank; i++)
        if (i != (uint32_t)axis) from[k++] = (int32_t)n->attr[i];
    LoopSource source = {.kind = SOURCE_CAPTURE, .outer = n->args[0]};
    NodeId input = add_source(l, source, name, n->dtype, &narrow);
    return g_broadcast(l->work, input, element, from, l->span);
}

static NodeId carry_adjoint(LoopAdjoint *l, uint32_t carry, NodeId first, const Shape *shape) {
    DType dtype = work_node(l, l->outputs[carry])->dtype;
    if (node_is_none(first)) first = g_const(l->outer, dtype, shape, 0, l->span);
    LoopSource source = {.kind = SOURCE_ADJOINT, .outer = first};
    const char *name = arena_printf(l->outer->ctx->arena, "dc%u", carry);
    return add_source(l, source, name, dtype, shape);
}

static uint32_t make_seeds(LoopAdjoint *l, const NodeId *adjoints, SweepSeed *seeds) {
    const Scan *s = &l->s;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->carries + s->yields; i++) {
        bool used = i < s->carries ? l->carried[i] : !node_is_none(adjoints[i]);
        if (!used) continue;
        Shape shape = graph_shape(l->work, l->outputs[i]);
        NodeId adjoint = i < s->carries ? carry_adjoint(l, i, adjoints[i], &shape)
                                        : yield_adjoint(l, i - s->carries, adjoints[i], &shape);
        seeds[count++] = (SweepSeed){l->outputs[i], adjoint};
    }
    return count;
}

/* ---- the adjoint of one iteration */

static bool is_asked(const LoopAdjoint *l, uint32_t input) {
    if (input == 0) return false;
    if (input <= l->s.carries) return l->carried[input - 1];
    return adjoint_wants(l->a, input - 1);
}

/* Nested loops that the sweep extended take the place of what they extend; nodes of the forward
 * body, and results of its extended loops, stay primal. */
static void settle_work(LoopAdjoint *l, Families *families, uint32_t primal_end, NodeId *shares,
                        uint32_t count) {
    Arena *arena = l->outer->ctx->arena;
    Graph *work = l->work;
    NodeId *map = ARENA_ARRAY(arena, NodeId, graph_size(work));
    l->work = families_replace(families, work, map);
    l->primal = ARENA_ARRAY(arena, bool, graph_size(l->work));
    for (uint32_t i = 0; i < graph_size(work); i++) {
        const GNode *n = graph_node(work, (NodeId){i});
        bool stored = n->op == OP_TAKE && family_root(families, n->args[0]).id < primal_end;
        if (i < primal_end || stored) l->primal[map[i].id] = true;
    }
    for (uint32_t i = 0; i < l->s.carries + l->s.yields; i++) l->outputs[i] = map[l->outputs[i].id];
    for (uint32_t i = 0; i < l->sources.len; i++)
        l->sources.data[i].node = map[l->sources.data[i].node.id];
    for (uint32_t i = 0; i < count; i++)
        if (!node_is_none(shares[i])) shares[i] = map[shares[i].id];
}

static bool differentiate_body(LoopAdjoint *l, const NodeId *adjoints) {
    Arena *arena = l->outer->ctx->arena;
    uint32_t inputs = l->s.body->inputs.len, count = 0;
    uint32_t errors = diags_errors(l->outer->ctx->diags);
    NodeId *xs = ARENA_ARRAY(arena, NodeId, inputs), *found = ARENA_ARRAY(arena, NodeId, inputs);
    NodeId *shares = ARENA_ARRAY(arena, NodeId, inputs);
    l->work = graph_create(l->outer->ctx, l->outer->dims, NULL, 0);
    l->work->externs = l->outer->externs;
    copy_inputs(l);
    copy_body(l);
    SweepSeed *seeds = ARENA_ARRAY(arena, SweepSeed, l->s.carries + l->s.yields + 1);
    uint32_t seed_count = make_seeds(l, adjoints, seeds);
    for (uint32_t i = 0; i < inputs; i++)
        if (is_asked(l, i)) xs[count++] = l->sources.data[i].node;
    uint32_t primal_end = graph_size(l->work);
    Sweep *sweep = sweep_create(l->work);
    if (count && seed_count) sweep_run(sweep, seeds, seed_count, xs, count, found, l->span);
    if (diags_errors(l->outer->ctx->diags) != errors || !count || !seed_count) return false;
    for (uint32_t i = 0, k = 0; i < inputs; i++)
        shares[i] = is_asked(l, i) ? found[k++] : NODE_NONE;
    settle_work(l, sweep_families(sweep), primal_end, shares, inputs);
    l->carry_share = shares + 1;
    l->sequence_share = l->carry_share + l->s.carries;
    l->capture_share = l->sequence_share + l->s.sequences;
    return true;
}

/* ---- how values change, and which may have absent elements */

static Variation source_variation(SourceKind kind) {
    return kind == SOURCE_CAPTURE ? VARIES_BY_LOOP : VARIES_BY_ITERATION;
}

static void classify(LoopAdjoint *l) {
    uint32_t size = graph_size(l->work);
    Arena *arena = l->outer->ctx->arena;
    l->variation = ARENA_ARRAY(arena, uint8_t, size);
    l->absent = ARENA_ARRAY(arena, bool, size);
    l->stored_at = ARENA_ARRAY(arena, uint32_t, size);
    l->yield_at = ARENA_ARRAY(arena, uint32_t, size);
    l->needed = ARENA_ARRAY(arena, bool, size);
    l->hoisted = ARENA_ARRAY(arena, bool, size);
    l->outside = ARENA_ARRAY(arena, NodeId, size);
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = work_node(l, (NodeId){i});
        bool passes_on = op_is_elementwise(n->op) || op_info(n->op)->cls == CLASS_VIEW;
        Variation v = VARIES_NOT;
        if (n->op == OP_INPUT) v = source_variation(work_source(l, (NodeId){i})->kind);
        l->absent[i] = n->op == OP_WINDOW && window_has_absent(n);
        for (uint32_t k = 0; k < n->nargs; k++) {
            uint32_t arg = n->args[k].id;
            if (l->variation[arg] > v) v = l->variation[arg];
            l->absent[i] = l->absent[i] || (passes_on && l->absent[arg]);
        }
        l->variation[i] = (uint8_t)v;
        l->outside[i] = NODE_NONE;
    }
}

/* ---- the rule */

static void plan(LoopAdjoint *l) {
    const Scan *s = &l->s;
    l->totals = ARENA_ARRAY(l->outer->ctx->arena, Total *, s->captures + 1);
    for (uint32_t i = 0; i < s->sequences; i++)
        if (!node_is_none(l->sequence_share[i]))
            back_yield(l, l->sequence_share[i], s->sequence_axis[i]);
    for (uint32_t i = 0; i < s->captures; i++)
        if (!node_is_none(l->capture_share[i]))
            l->totals[i] = back_total_plan(l, l->capture_share[i]);
    for (uint32_t i = 0; i < s->captures; i++)
        if (l->totals[i]) back_total_settle(l, l->totals[i]);
}

static void give_shares(LoopAdjoint *l) {
    const Scan *s = &l->s;
    uint32_t operand = 0;
    for (uint32_t i = 0; i < s->carries; i++, operand++)
        if (l->carried[i] && adjoint_wants(l->a, operand))
            adjoint_give(l->a, operand, back_take_carry(l, i));
    for (uint32_t i = 0; i < s->sequences; i++, operand++) {
        if (node_is_none(l->sequence_share[i])) continue;
        uint32_t yield = back_yield(l, l->sequence_share[i], s->sequence_axis[i]);
        adjoint_give(l->a, operand, back_take_yield(l, yield));
    }
    for (uint32_t i = 0; i < s->captures; i++, operand++)
        if (l->totals[i]) adjoint_give(l->a, operand, back_total_build(l, l->totals[i]));
}

void adjoint_SCAN(Adjoint *a) {
    Families *families = sweep_families(a->sweep);
    LoopAdjoint l = {.a = a,
                     .outer = a->graph,
                     .families = families,
                     .loop = family_latest(families, a->self),
                     .span = a->node.span,
                     .backward = NODE_NONE};
    l.s = scan_of(l.outer, l.loop);
    const NodeId *adjoints = adjoint_results(a);
    find_carried(&l, adjoints);
    if (!differentiate_body(&l, adjoints)) return;
    classify(&l);
    plan(&l);
    back_plan_store(&l);
    back_extend(&l);
    back_build(&l);
    give_shares(&l);
}
