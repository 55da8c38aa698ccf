/* The adjoint of one loop, in the making (docs/scan.md, Backward). Private to the back_*.c files.
 *
 * The working graph holds the loop's body and, after a sweep from its results, the adjoint of one
 * iteration. From it two loops are cut: the forward loop with further yields (what the backward
 * iteration reads and is too costly to compute again), and the backward loop. */
#ifndef BMC_AUTODIFF_BACK_LOOP_H
#define BMC_AUTODIFF_BACK_LOOP_H

#include "compiler/autodiff/adjoint.h"
#include "compiler/autodiff/family.h"

/* What an input of the working graph stands for. */
typedef enum SourceKind {
    SOURCE_ITERATION,
    SOURCE_CARRY,    /* of the forward loop, as the iteration found it; of one that runs once it is
                        a SOURCE_CAPTURE */
    SOURCE_SEQUENCE, /* of the forward loop, or the adjoint of a yield */
    SOURCE_CAPTURE,  /* of the forward loop, or an adjoint that is the same in every iteration */
    SOURCE_ADJOINT   /* of a carry: a carry of the backward loop */
} SourceKind;

typedef struct LoopSource {
    SourceKind kind;
    NodeId outer; /* sequence, capture: the whole; adjoint: its first value */
    int64_t axis; /* sequence: the scanned one */
    NodeId node;  /* the input itself */
} LoopSource;

/* How a value changes from one iteration to the next. */
typedef enum Variation { VARIES_NOT, VARIES_BY_LOOP, VARIES_BY_ITERATION } Variation;

/* A value of the forward body that its loop hands out for every iteration. */
typedef struct Stored {
    NodeId node;
    uint32_t result; /* of the loop */
    NodeId outer;
    int64_t axis;
    bool inside; /* the backward body reads it (else only what comes after the loop does) */
} Stored;

typedef struct LoopYield { /* of the backward loop */
    NodeId node;
    int64_t axis;
} LoopYield;

typedef struct Total Total;

typedef struct LoopAdjoint {
    Adjoint *a;
    Graph *outer;
    Families *families;
    NodeId loop; /* the latest member of the family */
    Scan s;      /* and what it says */
    Span span;
    Graph *work;
    VEC(LoopSource) sources; /* by input number of `work` */
    NodeId *outputs;         /* of the forward body, in `work` */
    bool *primal;            /* by node of `work`: computed by the forward body */
    uint8_t *variation;      /* by node: Variation */
    bool *absent;            /* by node: may have absent elements (taps of a window) */
    /* the adjoint of one iteration: NODE_NONE where there is none */
    NodeId *carry_share, *sequence_share, *capture_share;
    bool *carried; /* carries that have an adjoint */
    Total **totals;
    VEC(Stored) stored;
    uint32_t *stored_at; /* by node: 1 + its place in `stored` */
    VEC(LoopYield) yields;
    uint32_t *yield_at; /* by node: 1 + its place in `yields` */
    VEC(NodeId) sums;   /* shares that a carry of the backward loop adds up */
    bool *needed;       /* by node: stands in the backward body */
    bool *hoisted;      /* by node: the same in every iteration, computed before the loop */
    NodeId *outside;    /* by node: what stands for it in the outer graph */
    NodeId backward;    /* the loop, or NODE_NONE when it has no results */
} LoopAdjoint;

/* back_store.c */
/* Decides what the backward body contains: `needed`, `stored`, `hoisted`. */
void back_plan_store(LoopAdjoint *l);
/* Extends the forward loop; fills result, outer and axis of what is stored. */
void back_extend(LoopAdjoint *l);
/* True for what is handed over rather than computed again. */
bool back_is_stored(const LoopAdjoint *l, NodeId node);
Stored *back_store(LoopAdjoint *l, NodeId node);
int64_t back_usual_axis(const LoopAdjoint *l, NodeId node);
/* The value, outside, of a node that is the same in every iteration. */
NodeId back_outside(LoopAdjoint *l, NodeId node);

/* back_total.c: adjoints of captured values, added up over the iterations. */
Total *back_total_plan(LoopAdjoint *l, NodeId share);
/* Settles how the values are added up, when all totals are planned. */
void back_total_settle(LoopAdjoint *l, Total *t);
NodeId back_total_build(LoopAdjoint *l, const Total *t);

/* back_body.c */
void back_build(LoopAdjoint *l);
/* What the backward loop gives; `back_yield` adds one or finds it. */
uint32_t back_yield(LoopAdjoint *l, NodeId node, int64_t axis);
NodeId back_take_carry(LoopAdjoint *l, uint32_t carry);
NodeId back_take_sum(LoopAdjoint *l, uint32_t sum);
NodeId back_take_yield(LoopAdjoint *l, uint32_t yield);

static inline const GNode *work_node(const LoopAdjoint *l, NodeId id) {
    return graph_node(l->work, id);
}
static inline const LoopSource *work_source(const LoopAdjoint *l, NodeId input) {
    return &l->sources.data[work_node(l, input)->attr[0]];
}
/* Elements with every symbol at its bound. */
double back_elements(const LoopAdjoint *l, const DimId *dims, uint32_t rank);

#endif
