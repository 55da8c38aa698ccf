/* `precision: bf16`: every contraction of f32 in the graph sees its operands rounded to bf16 (to
 * nearest, ties to even); products and sums stay f32, in the order they always have. Types do not
 * change, and nothing but contractions is touched.
 *
 * Why here: after differentiation, so that the contractions of the backward pass are rounded as
 * those of the forward pass are; before sealing, because it changes what the program means.
 * Precondition: no GRAD. Postcondition: each f32 operand of a contraction is a cast from bf16.
 * Cost: linear. */
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

static NodeId rounded(Graph *g, NodeId x, Span span) {
    return g_cast(g, DTYPE_F32, g_cast(g, DTYPE_BF16, x, span), span);
}

static bool applies(const Graph *g, const GNode *n) {
    return g->bf16 && n->op == OP_CONTRACT && n->dtype == DTYPE_F32;
}

static NodeId visit(Rewrite *r, const GNode *n) {
    if (!applies(r->from, n)) return rewrite_copy(r, n);
    NodeId args[2] = {rounded(r->to, n->args[0], n->span), rounded(r->to, n->args[1], n->span)};
    GNode narrow = *n;
    narrow.args = args;
    return rewrite_add(r->to, &narrow);
}

Graph *opt_precision(const Graph *g) {
    return rewrite_where(opt_bodies(g, opt_precision), applies, visit, NULL);
}
