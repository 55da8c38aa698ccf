/* Identities: the same bits for less work. The table below is the whole pass; docs/passes.md lists
 * the few rows that change rounding (marked R) and docs/numerics.md allows them before the seal.
 *
 * Why here and not in LLVM: it may not touch float arithmetic, and it never sees a tensor.
 * Precondition: no GRAD (autodiff has run). Postcondition: no row applies to any node; no STOP.
 * Cost: linear in the graph times the rows of an op; rules inside rules stop at a fixed depth. */
#include "compiler/opt/simplify.h"
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"
#include <math.h>

enum { DEPTH_MAX = 24, ROUNDS_MAX = 8 };

/* In order; the first that answers wins. */
static const struct Row {
    Op op;
    SimplifyRule rule;
} rows[] = {
    {OP_SIZE, simplify_size},
    {OP_NEG, simplify_neg},
    {OP_ABS, simplify_abs},
    {OP_FLOOR, simplify_idempotent},
    {OP_SIGN, simplify_idempotent},
    {OP_NOT, simplify_not},
    {OP_STOP, simplify_stop},
    {OP_CAST, simplify_cast},
    {OP_ADD, simplify_add},
    {OP_SUB, simplify_sub},
    {OP_MUL, simplify_mul},
    {OP_DIV, simplify_div},
    {OP_POW, simplify_pow}, /* R: x^3 is x*x*x */
    {OP_MAX, simplify_extremum},
    {OP_MIN, simplify_extremum},
    {OP_LESS, simplify_compare},
    {OP_EQUAL, simplify_compare},
    {OP_AND, simplify_logic},
    {OP_OR, simplify_logic},
    {OP_SELECT, simplify_select},
    {OP_FMA, simplify_fma},
    {OP_RESHAPE, simplify_reshape},
    {OP_PERMUTE, simplify_permute},
    {OP_BROADCAST, simplify_broadcast},
    {OP_REVERSE, simplify_reverse},
    {OP_SLICE, simplify_slice},
    {OP_CONCAT, simplify_concat},
    {OP_SUM, simplify_unit_axes},
    {OP_REDUCE_MAX, simplify_unit_axes},
    {OP_REDUCE_MIN, simplify_unit_axes},
    {OP_SUM, simplify_sum_of_products}, /* R: a sum of products is a contract */
    {OP_CONTRACT, simplify_contract_units},
    {OP_CONTRACT, simplify_contract_operands},
    {OP_GATHER, simplify_gather},
};

static NodeId try_rules(Simplify *s, const GNode *n) {
    NodeId id = NODE_NONE;
    if (op_is_elementwise(n->op)) id = simplify_spread_operands(s, n);
    if (op_info(n->op)->cls == CLASS_VIEW) id = simplify_constant_view(s, n);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && node_is_none(id); i++)
        if (rows[i].op == n->op) id = rows[i].rule(s, n);
    return id;
}

NodeId simple_add(Simplify *s, const GNode *n) {
    if (s->depth < DEPTH_MAX) {
        s->depth++;
        NodeId id = try_rules(s, n);
        s->depth--;
        if (!node_is_none(id)) return id;
    }
    return rewrite_add(s->g, n);
}

NodeId simple_with(Simplify *s, const GNode *n, const NodeId *args) {
    GNode other = *n;
    other.args = args;
    return simple_add(s, &other);
}

NodeId simple_unary(Simplify *s, Op op, NodeId a, Span span) {
    GNode n = *graph_node(s->g, a);
    n.op = op;
    n.args = &a;
    n.nargs = 1;
    n.nattr = 0;
    n.span = span;
    return simple_add(s, &n);
}

NodeId simple_binary(Simplify *s, Op op, NodeId a, NodeId b, Span span) {
    GNode n = *graph_node(s->g, a);
    if (op == OP_LESS || op == OP_EQUAL) n.dtype = DTYPE_BOOL;
    n.op = op;
    n.args = (NodeId[]){a, b};
    n.nargs = 2;
    n.nattr = 0;
    n.span = span;
    return simple_add(s, &n);
}

NodeId simple_select(Simplify *s, NodeId condition, NodeId a, NodeId b, Span span) {
    GNode n = *graph_node(s->g, a);
    n.op = OP_SELECT;
    n.args = (NodeId[]){condition, a, b};
    n.nargs = 3;
    n.nattr = 0;
    n.span = span;
    return simple_add(s, &n);
}

NodeId simple_view(Simplify *s, Op op, NodeId x, const Shape *to, const int64_t *attr,
                   uint32_t nattr, Span span) {
    GNode n = {.op = op,
               .dtype = graph_node(s->g, x)->dtype,
               .rank = to->rank,
               .dims = to->dims,
               .nargs = 1,
               .nattr = nattr,
               .args = &x,
               .attr = attr,
               .span = span};
    return simple_add(s, &n);
}

NodeId simple_const(Simplify *s, const GNode *n, double value) {
    Shape shape = node_shape(n);
    return g_const(s->g, n->dtype, &shape, value, n->span);
}

bool is_number(const Simplify *s, NodeId id, double value) {
    double found;
    return graph_const_value(s->g, id, &found) && found == value &&
           (found != 0 || signbit(found) == signbit(value));
}

bool may_be_absent(Simplify *s, NodeId id) {
    for (uint32_t i = s->absence->maybe.len; i <= id.id; i++) {
        const GNode *n = graph_node(s->g, (NodeId){i});
        bool passes_on = op_is_elementwise(n->op) || op_info(n->op)->cls == CLASS_VIEW;
        bool maybe = window_has_absent(n);
        for (uint32_t k = 0; passes_on && k < n->nargs; k++)
            maybe = maybe || s->absence->maybe.data[n->args[k].id];
        vec_push(s->g->ctx->arena, &s->absence->maybe, maybe);
    }
    return s->absence->maybe.data[id.id];
}

static NodeId visit(Rewrite *r, const GNode *n) {
    Simplify s = {.g = r->to, .absence = r->user};
    return simple_add(&s, n);
}

/* One walk does nearly everything, since operands come first. A later walk sees what rules built
 * below the depth limit, and nodes that the first left without a reader. */
Graph *opt_simplify(const Graph *g) {
    const Graph *now = opt_bodies(g, opt_simplify);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        Absence absence = {0};
        Graph *next = rewrite_graph(now, visit, &absence);
        if (next == now) break;
        now = next;
    }
    return (Graph *)now;
}
