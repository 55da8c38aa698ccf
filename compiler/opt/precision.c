/* `precision: bf16`: every contraction of f32 in the graph sees its operands rounded to bf16 (to
 * nearest, ties to even), and so does attention its q, k, v and the gradient do; products and sums
 * stay f32, in the order they always have. Types do not change, and nothing else is touched.
 *
 * The rounding is a pair of casts, so nothing below this pass has to know of it. It stands below
 * views (a permuted, stretched or windowed value is rounded before, which gives the same elements):
 * each value is rounded once, for the forward and for the backward pass, where it is made, and may
 * be stored in two bytes (schedule/fuse.c).
 *
 * Why here: after differentiation, so that the contractions of the backward pass are rounded as
 * those of the forward pass are, and after attention was found; before sealing, because it changes
 * what the program means.
 * Precondition: no GRAD. Postcondition: each f32 operand of a contraction is, below views, a cast
 * from bf16 or exact in bf16. Cost: linear in operands times views above them. */
#include "compiler/graph/attention_op.h"
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

/* Its elements are elements of its operand, each at another place, and no others. */
static bool only_moves(const GNode *n) {
    return n->op == OP_PERMUTE || n->op == OP_BROADCAST || n->op == OP_SLICE ||
           n->op == OP_REVERSE || n->op == OP_RESHAPE || n->op == OP_WINDOW;
}

/* Eight bits of significand hold it: every value of a byte, and what is bf16 already. */
static bool is_narrow(const Graph *g, const GNode *n) {
    if (n->op != OP_CAST) return false;
    DType from = graph_node(g, n->args[0])->dtype;
    return from == DTYPE_BF16 || from == DTYPE_BOOL || from == DTYPE_U8 || from == DTYPE_I8;
}

static NodeId rounded(Graph *g, NodeId x, Span span) {
    VEC(NodeId) views = {0};
    while (only_moves(graph_node(g, x))) {
        vec_push(g->ctx->arena, &views, x);
        x = graph_node(g, x)->args[0];
    }
    if (!is_narrow(g, graph_node(g, x)))
        x = g_cast(g, DTYPE_F32, g_cast(g, DTYPE_BF16, x, span), span);
    while (views.len > 0) {
        GNode view = *graph_node(g, views.data[--views.len]);
        view.args = &x;
        x = rewrite_add(g, &view);
    }
    return x;
}

/* Which operands enter products: of attention's gradient not o and the logarithms. */
static bool is_factor(const GNode *n, uint32_t position) {
    if (!op_is_attention(n->op)) return true;
    return position <= 2 || (n->op == OP_ATTENTION_GRAD && position == 5);
}

static bool applies(const Graph *g, const GNode *n) {
    return g->bf16 && (n->op == OP_CONTRACT || op_is_attention(n->op)) && n->dtype == DTYPE_F32;
}

static NodeId visit(Rewrite *r, const GNode *n) {
    enum { OPERANDS = 7 };
    if (!applies(r->from, n)) return rewrite_copy(r, n);
    NodeId args[OPERANDS];
    INVARIANT(n->nargs <= OPERANDS);
    for (uint32_t i = 0; i < n->nargs; i++)
        args[i] = is_factor(n, i) ? rounded(r->to, n->args[i], n->span) : n->args[i];
    GNode narrow = *n;
    narrow.args = args;
    return rewrite_add(r->to, &narrow);
}

Graph *opt_precision(const Graph *g) {
    return rewrite_where(opt_bodies(g, opt_precision), applies, visit, NULL);
}
