/* OP_ATTENTION and OP_ATTENTION_GRAD: softmax(q·kᵀ·scale)·v and its gradient as one op each, made
 * by opt/attention.c. docs/ops.md says what they compute.
 *
 * Axes have roles, so that operands and results keep the layout they lie in: 0 .. batch-1 are the
 * batch (and the heads), then come t (positions that look), s (positions looked at), d (width of q
 * and k) and e (width of v).
 * attr: [part, causal, bits of the scale, batch, then the roles of the axes of q, k, v, o and, of a
 * gradient, of do, dq, dk, dv]. Parts of an attention: 0 the result, 1 the logarithm of the sum of
 * each row [batch.., t]; of a gradient: 0 dq, 1 dk, 2 dv. Nodes that differ in the part only are
 * results of one computation.
 * Operands: q, k, v; of a gradient also o, the logarithms, do; last maybe a mask [batch.., t, s].
 */
#ifndef BMC_GRAPH_ATTENTION_H
#define BMC_GRAPH_ATTENTION_H

#include "compiler/graph/graph.h"

typedef enum AttentionValue {
    ATTENTION_Q,
    ATTENTION_K,
    ATTENTION_V,
    ATTENTION_O,
    ATTENTION_DO,
    ATTENTION_DQ,
    ATTENTION_DK,
    ATTENTION_DV,
    ATTENTION_VALUES
} AttentionValue;
enum { ROLE_T, ROLE_S, ROLE_D, ROLE_E, ROLES }; /* behind those of the batch */
enum { ATTENTION_ATTR = 4 };                    /* words before the roles */

typedef struct Attention {
    bool gradient, causal;
    uint32_t part, batch, rank; /* rank of q, k, v and o: batch + 2 */
    float scale;
    const int64_t *roles[ATTENTION_VALUES]; /* of the axes of each; NULL: not of this op */
    NodeId q, k, v, o, sums, d_o, mask;     /* or NODE_NONE */
    DimId dims[RANK_MAX + ROLES];           /* by role */
} Attention;

static inline bool op_is_attention(Op op) {
    return op == OP_ATTENTION || op == OP_ATTENTION_GRAD;
}
Attention attention_of(const Graph *g, const GNode *n);
/* Is `b` another part of what `a` is a part of? */
bool attention_same(const GNode *a, const GNode *b);
/* A part; attr as above. */
NodeId g_attention(Graph *g, bool gradient, uint32_t part, const NodeId *args, uint32_t nargs,
                   const int64_t *attr, uint32_t nattr, Span span);

#endif
