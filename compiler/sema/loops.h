/* The body of a `scan` while it is elaborated: shared by captures.c and scan_expr.c. */
#ifndef BMC_SEMA_LOOPS_H
#define BMC_SEMA_LOOPS_H

#include "compiler/graph/scan.h"
#include "compiler/sema/elaborate.h"

typedef enum LoopInputKind {
    LOOP_ITERATION,
    LOOP_CARRY,
    LOOP_SEQUENCE,
    LOOP_CAPTURE,
    LOOP_INPUT_KINDS
} LoopInputKind;
typedef struct LoopInput { /* an input of the body, in the order it was met */
    LoopInputKind kind;
    NodeId outer; /* first value, whole sequence or captured value, in the graph around */
    NodeId inner;
    int64_t axis; /* of a sequence */
    int32_t slot; /* a captured parameter or state, else -1 */
} LoopInput;

struct Loop {
    VEC(LoopInput) inputs;
    PtrMap captured;        /* outer node -> inputs */
    VEC(GraphWrite) writes; /* of the iteration */
    DimId trip;
    NodeId iteration; /* counted over all loops around: what draws are keyed by */
    double repeats;   /* of the body in one run of the entry, with every run-time size 1 */
};

NodeId loop_input(Sema *s, Build *b, LoopInputKind kind, NodeId outer, DType dtype,
                  const Shape *shape, Span span);
/* As eval_scan, but in segments that are run again for the gradient (segments.h) where that is
 * possible; *done says whether it was. */
Value scan_in_segments(Sema *s, const Node *e, bool *done);

#endif
