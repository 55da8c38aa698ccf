/* extern: the gradient is a second C function, which gives the adjoints of all float arguments at
 * once; each operand takes its slice. Without one there is no gradient: unlike `floor`, nobody
 * says that it is zero, so that is an error and no cut. */
#include "compiler/autodiff/adjoint.h"
#include "compiler/graph/extern.h"

static void no_gradient(const Adjoint *a, const GraphExtern *f) {
    bool second = extern_is_gradient(&a->node);
    Diag *d = ctx_error(a->graph->ctx, E_NOGRAD, a->node.span,
                        second ? "the gradient of `%s` has no gradient itself"
                               : "`%s` has no gradient: it is a C function",
                        f->name->text);
    if (f->span.file) diag_label(d, f->span, "declared here");
    if (!second)
        diag_help(d,
                  "name the function that computes it: `extern fn %s(...) -> [...] grad %s_grad`",
                  f->name->text, f->name->text);
    diag_help(d, "`stop(%s(...))` takes it as a constant", f->name->text);
}

static NodeId slice_of(const Adjoint *a, NodeId all, DimId offset, uint32_t operand) {
    Graph *g = a->graph;
    Shape shape = adjoint_operand_shape(a, operand);
    DimId count = dim_const(g->dims, 1);
    int64_t step = 1;
    for (uint32_t i = 0; i < shape.rank; i++) count = dim_mul(g->dims, count, shape.dims[i]);
    NodeId part = g_slice(g, all, &offset, &count, &step, a->node.span);
    return build_reshape(a, part, &shape);
}

void adjoint_EXTERN(Adjoint *a) {
    const GNode *n = &a->node;
    const GraphExtern *f = extern_of(a->graph, n);
    bool wanted = false;
    for (uint32_t i = 0; i < n->nargs; i++)
        wanted |= dtype_is_float(graph_node(a->graph, n->args[i])->dtype) && adjoint_wants(a, i);
    if (!wanted) return;
    if (!f->gradient || extern_is_gradient(n)) {
        no_gradient(a, f);
        return;
    }
    NodeId *args = ARENA_ARRAY(a->graph->ctx->arena, NodeId, n->nargs + 2);
    for (uint32_t i = 0; i < n->nargs; i++) args[i] = n->args[i];
    args[n->nargs] = a->self;
    args[n->nargs + 1] = a->grad;
    NodeId all = g_extern_gradient(a->graph, (uint32_t)n->attr[0], args, n->nargs + 2, n->span);
    ExternResult *results;
    uint32_t count = extern_results(a->graph, graph_node(a->graph, all), &results);
    for (uint32_t i = 0; i < count; i++)
        if (adjoint_wants(a, results[i].like))
            adjoint_give(a, results[i].like, slice_of(a, all, results[i].offset, results[i].like));
}
