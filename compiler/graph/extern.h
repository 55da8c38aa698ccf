/* C functions in a graph: the table that `extern fn` fills, and the op that calls one of them. */
#ifndef BMC_GRAPH_EXTERN_H
#define BMC_GRAPH_EXTERN_H

#include "compiler/graph/graph.h"
#include "runtime/include/bmrt.h"

typedef struct GraphExtern {
    Sym name, gradient; /* symbols; gradient NULL: it has none */
    BmrtExternFn call, call_gradient;
    Span span; /* of the declaration */
} GraphExtern;
struct ExternTable { /* of a program */
    VEC(GraphExtern) items;
};

const GraphExtern *extern_of(const Graph *g, const GNode *n);
bool extern_is_gradient(const GNode *n);
/* The arguments of a node of OP_EXTERN that is a gradient: without the result and its adjoint. */
uint32_t extern_arguments(const GNode *n);

/* One array that the function fills: shaped like operand `like` (UINT32_MAX: the node itself), and
 * where it begins in the node's value, in elements. */
typedef struct ExternResult {
    uint32_t like;
    DimId offset;
} ExternResult;
/* All of them, in the order of `out`; returns how many. In the arena of the context. */
uint32_t extern_results(const Graph *g, const GNode *n, ExternResult **out);

NodeId g_extern(Graph *g, uint32_t number, DType dtype, const Shape *shape, const NodeId *args,
                uint32_t nargs, Span span);
/* args: those of the call, its result, the result's adjoint. Float arguments have one dtype. */
NodeId g_extern_gradient(Graph *g, uint32_t number, const NodeId *args, uint32_t nargs, Span span);

#endif
