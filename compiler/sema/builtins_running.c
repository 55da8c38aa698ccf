/* Running totals: `cumsum(x, axis)`, `cumprod(x, axis)`, and a product over a size that only a run
 * knows. One loop along the axis that carries the total so far, so the order is that of the axis.
 */
#include "compiler/graph/scan.h"
#include "compiler/sema/elaborate.h"

/* all: every total; else only the last. */
static NodeId running_total(Sema *s, NodeId x, uint32_t axis, Op op, bool all, Span span) {
    Graph *g = sema_graph(s);
    const GNode n = *graph_node(g, x);
    Shape element = {.rank = 0};
    for (uint32_t i = 0; i < n.rank; i++)
        if (i != axis) element.dims[element.rank++] = n.dims[i];
    int64_t along = axis;
    int64_t neutral = op == OP_MUL ? 1 : 0;
    NodeId first = dtype_is_float(n.dtype) ? g_const(g, n.dtype, &element, (double)neutral, span)
                                           : g_const_int(g, n.dtype, &element, neutral, span);
    Graph *body = scan_body(g);
    NodeId total = g_input(body, ctx_sym(s->ctx, "carry0"), n.dtype, &element, span);
    NodeId next = g_input(body, ctx_sym(s->ctx, "element1"), n.dtype, &element, span);
    next = g_binary(body, op, total, next, span);
    graph_output(body, ctx_sym(s->ctx, "next"), next);
    if (all) graph_output(body, ctx_sym(s->ctx, "yield"), next);
    Scan scan = {.body = body,
                 .carries = 1,
                 .sequences = 1,
                 .yields = all,
                 .trip = n.dims[axis],
                 .sequence_axis = &along,
                 .yield_axis = &along};
    NodeId operands[] = {first, x};
    return g_take(g, g_scan(g, &scan, operands, span), all, span);
}

NodeId product_along(Sema *s, NodeId x, uint32_t axis, Span span) {
    return running_total(s, x, axis, OP_MUL, false, span);
}

static Value running(Sema *s, const BuiltinCall *c) {
    Value v = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]);
    uint32_t axes[RANK_MAX], count;
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v);
    if (tensor_dtype(s, v) == DTYPE_BOOL) {
        Diag *d = sema_error(s, E_DTYPE, c->span, "`%s` of bools", c->builtin->name);
        if (!propose_around(s, d, c->spans[0], "i32", "convert them first"))
            diag_help(d, "convert them first: `i32(...)`");
        return POISON;
    }
    if (!axes_of(s, c->args[1], &shape, c->spans[1], axes, &count)) return POISON;
    if (count != 1) {
        Diag *d = sema_error(s, E_AXIS, c->span, "`%s` goes along one axis of %s", c->builtin->name,
                             shape_string(s, &shape, v.decl));
        diag_help(d, "say which: `%s(x, axis = -1)`", c->builtin->name);
        return POISON;
    }
    NodeId x = tensor_node(s, v, c->span);
    if (node_is_none(x)) return POISON;
    return value_tensor(s, running_total(s, x, axes[0], (Op)c->builtin->op, true, c->span));
}

const Builtin BUILTINS_RUNNING[] = {{"cumsum", "x, axis?", running, OP_ADD},
                                    {"cumprod", "x, axis?", running, OP_MUL},
                                    {NULL, NULL, NULL, 0}};
