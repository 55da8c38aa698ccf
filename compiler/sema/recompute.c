/* `checkpoint(e)`: the value of e, computed again for the gradient instead of kept. What e adds to
 * the graph becomes the body of a loop that runs once (graph/scan.h), whose adjoint keeps nothing
 * of it; autodiff dissolves such loops when it is through (docs/autodiff.md). */
#include "compiler/sema/recompute.h"
#include "compiler/graph/scan.h"
#include "compiler/sema/loops.h"

typedef struct Region {
    Graph *g;
    uint32_t first; /* nodes from here on are e's */
    VEC(NodeId) results;
    bool *inside;
    NodeId gradient; /* a GRAD inside, or NODE_NONE */
    Graph *body;
    VEC(NodeId) captured;
} Region;

/* Inputs and parameters are there anyway, whenever they were first asked for. */
static bool is_inside(const Region *r, NodeId id) {
    const GNode *n = graph_node(r->g, id);
    if (id.id < r->first || n->op == OP_INPUT || n->op == OP_READ) return false;
    return n->op != OP_TAKE || n->args[0].id >= r->first;
}

static void flatten(Sema *s, Region *r, Value v, Span span) {
    if (v.kind == V_TENSOR) {
        NodeId node = tensor_node(s, v, span);
        if (!node_is_none(node)) vec_push(s->arena, &r->results, node);
    } else if (v.kind == V_TUPLE || v.kind == V_LIST) {
        for (uint32_t i = 0; i < v.as.list.count; i++) flatten(s, r, v.as.list.items[i], span);
    }
}

static void find_region(Sema *s, Region *r) {
    uint32_t size = graph_size(r->g);
    r->inside = ARENA_ARRAY(s->arena, bool, size);
    r->gradient = NODE_NONE;
    for (uint32_t i = 0; i < r->results.len; i++)
        r->inside[r->results.data[i].id] = is_inside(r, r->results.data[i]);
    for (uint32_t i = size; i-- > 0;) {
        const GNode *n = graph_node(r->g, (NodeId){i});
        if (!r->inside[i]) continue;
        if (n->op == OP_GRAD) r->gradient = (NodeId){i};
        for (uint32_t k = 0; k < n->nargs; k++)
            if (is_inside(r, n->args[k])) r->inside[n->args[k].id] = true;
    }
}

static NodeId captured(Sema *s, Region *r, NodeId *map, NodeId id) {
    if (node_is_none(map[id.id])) {
        Shape shape = graph_shape(r->g, id);
        const char *name = arena_printf(s->arena, "captured%u", r->captured.len);
        const GNode *n = graph_node(r->g, id);
        map[id.id] = g_input(r->body, ctx_sym(s->ctx, name), n->dtype, &shape, n->span);
        vec_push(s->arena, &r->captured, id);
    }
    return map[id.id];
}

static NodeId once(Sema *s, Region *r, Span span) {
    uint32_t size = graph_size(r->g);
    NodeId *map = ARENA_ARRAY(s->arena, NodeId, size);
    int64_t *axis = ARENA_ARRAY(s->arena, int64_t, r->results.len);
    r->body = scan_body(r->g);
    for (uint32_t i = 0; i < size; i++) map[i] = NODE_NONE;
    for (uint32_t i = 0; i < r->g->bodies.len; i++)
        vec_push(s->arena, &r->body->bodies, r->g->bodies.data[i]);
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(r->g, (NodeId){i});
        if (!r->inside[i]) continue;
        Shape shape = graph_shape(r->g, (NodeId){i});
        NodeId *args = ARENA_ARRAY(s->arena, NodeId, n->nargs ? n->nargs : 1);
        for (uint32_t k = 0; k < n->nargs; k++)
            args[k] =
                r->inside[n->args[k].id] ? map[n->args[k].id] : captured(s, r, map, n->args[k]);
        map[i] =
            graph_add(r->body, n->op, n->dtype, &shape, args, n->nargs, n->attr, n->nattr, n->span);
    }
    Sym name = ctx_sym(s->ctx, "yield");
    for (uint32_t i = 0; i < r->results.len; i++) {
        NodeId id = r->results.data[i];
        graph_output(r->body, name, r->inside[id.id] ? map[id.id] : captured(s, r, map, id));
    }
    Scan scan = {.body = r->body,
                 .captures = r->captured.len,
                 .yields = r->results.len,
                 .once = true,
                 .trip = dim_const(r->g->dims, 1),
                 .yield_axis = axis};
    return g_scan(r->g, &scan, r->captured.data, span);
}

/* v with its tensors replaced by the loop's results. */
static Value rebuilt(Sema *s, Region *r, Value v, NodeId loop, uint32_t *next, Span span) {
    if (v.kind == V_TENSOR) {
        NodeId id = r->results.data[*next];
        Shape shape = graph_shape(r->g, id);
        NodeId taken = g_take(r->g, loop, (*next)++, span);
        if (r->inside[id.id]) v.as.tensor.node = g_reshape(r->g, taken, &shape, span);
    } else if (v.kind == V_TUPLE || v.kind == V_LIST) {
        Value list = value_list(s, v.as.list.items, v.as.list.count);
        for (uint32_t i = 0; i < v.as.list.count; i++)
            list.as.list.items[i] = rebuilt(s, r, v.as.list.items[i], loop, next, span);
        list.kind = v.kind;
        return list;
    }
    return v;
}

Value checkpoint_form(Sema *s, const Node *e) {
    if (e->count != 2 || e->kids[1]->name) {
        Diag *d = sema_error(s, E_ARGUMENT, e->span, "`checkpoint` takes one expression");
        diag_help(d, "`y = checkpoint(block(x))`");
        return POISON;
    }
    const Node *inner = e->kids[1]->kind == NODE_ARG ? node_kid(e->kids[1], 0) : e->kids[1];
    if (!s->build) return eval(s, inner);
    uint32_t shown = s->build->shown.len;
    Region r = {.g = sema_graph(s), .first = graph_size(sema_graph(s))};
    bool done = false;
    Value v = inner->kind == NODE_SCAN ? scan_in_segments(s, inner, &done) : eval(s, inner);
    if (value_is_poison(v)) return POISON;
    if (v.kind != V_TENSOR && v.kind != V_TUPLE && v.kind != V_LIST) {
        Diag *d = sema_error(s, E_KIND, inner->span, "`checkpoint` wants tensors, but `%s` is %s",
                             node_text(s, inner), value_kind_name(v.kind));
        diag_help(d, "apply it to what is expensive to keep: `checkpoint(block(x))`");
        return POISON;
    }
    if (done) return v;
    flatten(s, &r, v, inner->span);
    uint32_t own = r.results.len;
    for (uint32_t i = shown; i < s->build->shown.len; i++)
        vec_push(s->arena, &r.results, s->build->shown.data[i].node);
    find_region(s, &r);
    if (!node_is_none(r.gradient))
        return sema_unsupported(s, e->span, "a gradient inside `checkpoint`");
    bool any = false;
    for (uint32_t i = 0; i < r.results.len; i++) any |= r.inside[r.results.data[i].id];
    if (!any) return v;
    uint32_t next = 0;
    NodeId loop = once(s, &r, e->span);
    layer_flops_repeated(s, loop);
    v = rebuilt(s, &r, v, loop, &next, e->span);
    INVARIANT(next == own);
    for (uint32_t i = shown; i < s->build->shown.len; i++, next++) {
        NodeId *node = &s->build->shown.data[i].node;
        Shape shape = graph_shape(r.g, *node);
        NodeId taken = g_take(r.g, loop, next, e->span);
        if (r.inside[node->id]) *node = g_reshape(r.g, taken, &shape, e->span);
    }
    return v;
}
