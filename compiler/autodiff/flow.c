/* Dependence through differentiable edges. A loop is looked into: carries are followed from one
 * iteration to the next until nothing changes, which takes at most one round for each carry. */
#include "compiler/autodiff/flow.h"

bool flow_passes(const Graph *g, const GNode *node, uint32_t i) {
    return op_info(node->op)->differentiable && dtype_is_float(node->dtype) &&
           dtype_is_float(graph_node(g, node->args[i])->dtype);
}

static bool *flags(const Graph *g, uint32_t count) {
    return ARENA_ARRAY(g->ctx->arena, bool, count ? count : 1);
}

/* Flags of the results of the loops of one graph, made when a TAKE is met. */
typedef struct Loops {
    const Graph *g;
    bool **results; /* by node; NULL in a graph without loops */
} Loops;

static Loops loops_of(const Graph *g) {
    Loops l = {.g = g};
    if (g->bodies.len) l.results = ARENA_ARRAY(g->ctx->arena, bool *, graph_size(g));
    return l;
}

static bool *loop_results(Loops *l, NodeId loop) {
    if (!l->results[loop.id]) {
        Scan s = scan_of(l->g, loop);
        l->results[loop.id] = flags(l->g, s.carries + s.yields);
    }
    return l->results[loop.id];
}

/* ---- backward */

static void collect_loop(Loops *l, NodeId loop, bool *reached) {
    Scan s = scan_of(l->g, loop);
    const GNode *n = graph_node(l->g, loop);
    LoopFlow back = flow_back(l->g, &s, loop_results(l, loop));
    for (uint32_t i = 0; i < n->nargs; i++)
        if (flow_operand(l->g, &s, &back, i)) reached[n->args[i].id] = true;
}

void flow_collect(const Graph *g, bool *reached, uint32_t count) {
    Loops l = loops_of(g);
    for (uint32_t i = count; i-- > 0;) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (!reached[i]) continue;
        if (n->op == OP_SCAN) {
            collect_loop(&l, (NodeId){i}, reached);
        } else if (n->op == OP_TAKE) {
            if (!dtype_is_float(n->dtype)) continue;
            reached[n->args[0].id] = true;
            loop_results(&l, n->args[0])[n->attr[0]] = true;
        } else {
            for (uint32_t k = 0; k < n->nargs; k++)
                if (flow_passes(g, n, k)) reached[n->args[k].id] = true;
        }
    }
}

LoopFlow flow_back(const Graph *g, const Scan *s, const bool *results) {
    const Graph *body = s->body;
    uint32_t inputs = body->inputs.len, outputs = body->outputs.len;
    LoopFlow flow = {.inputs = flags(g, inputs), .results = flags(g, outputs)};
    memcpy(flow.results, results, outputs * sizeof *results);
    for (bool changed = true; changed;) {
        changed = false;
        bool *reached = flags(g, graph_size(body));
        for (uint32_t i = 0; i < outputs; i++)
            if (flow.results[i]) reached[body->outputs.data[i].node.id] = true;
        flow_collect(body, reached, graph_size(body));
        for (uint32_t i = 0; i < graph_size(body); i++) {
            const GNode *n = graph_node(body, (NodeId){i});
            if (n->op != OP_INPUT || !reached[i] || !dtype_is_float(n->dtype)) continue;
            uint32_t input = (uint32_t)n->attr[0];
            flow.inputs[input] = true;
            if (input == 0 || input > s->carries || flow.results[input - 1]) continue;
            flow.results[input - 1] = true;
            changed = true;
        }
    }
    return flow;
}

bool flow_operand(const Graph *g, const Scan *s, const LoopFlow *back, uint32_t operand) {
    if (!dtype_is_float(s->body->inputs.data[1 + operand].dtype)) return false;
    if (back->inputs[1 + operand]) return true;
    bool may_be_idle = !dim_is_const(g->dims, s->trip) || dim_value(g->dims, s->trip) == 0;
    return operand < s->carries && back->results[operand] && may_be_idle;
}

/* ---- forward */

static void spread_loop(Loops *l, NodeId loop, const bool *reached) {
    Scan s = scan_of(l->g, loop);
    const GNode *n = graph_node(l->g, loop);
    bool *operands = flags(l->g, n->nargs);
    for (uint32_t i = 0; i < n->nargs; i++) operands[i] = reached[n->args[i].id];
    l->results[loop.id] = flow_forward(l->g, &s, operands).results;
}

static void spread(const Graph *g, bool *reached) {
    Loops l = loops_of(g);
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (n->op == OP_SCAN) {
            spread_loop(&l, (NodeId){i}, reached);
        } else if (n->op == OP_TAKE) {
            reached[i] = l.results[n->args[0].id][n->attr[0]];
        } else {
            for (uint32_t k = 0; k < n->nargs; k++)
                if (reached[n->args[k].id] && flow_passes(g, n, k)) reached[i] = true;
        }
    }
}

LoopFlow flow_forward(const Graph *g, const Scan *s, const bool *operands) {
    const Graph *body = s->body;
    uint32_t inputs = body->inputs.len, outputs = body->outputs.len;
    LoopFlow flow = {.inputs = flags(g, inputs), .results = flags(g, outputs)};
    for (uint32_t i = 1; i < inputs; i++)
        flow.inputs[i] = operands[i - 1] && dtype_is_float(body->inputs.data[i].dtype);
    for (bool changed = true; changed;) {
        changed = false;
        bool *reached = flags(g, graph_size(body));
        for (uint32_t i = 0; i < graph_size(body); i++) {
            const GNode *n = graph_node(body, (NodeId){i});
            reached[i] = n->op == OP_INPUT && flow.inputs[n->attr[0]];
        }
        spread(body, reached);
        for (uint32_t i = 0; i < outputs; i++) {
            flow.results[i] = reached[body->outputs.data[i].node.id];
            if (i >= s->carries || !flow.results[i] || flow.inputs[1 + i]) continue;
            flow.inputs[1 + i] = true;
            changed = true;
        }
    }
    for (uint32_t i = 0; i < s->carries; i++) /* after no iteration it is the first value */
        flow.results[i] = flow.results[i] || flow.inputs[1 + i];
    return flow;
}
