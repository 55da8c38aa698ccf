/* One loop while it is rewritten: shared by loops.c and hoist.c. */
#ifndef BMC_OPT_LOOP_EDIT_H
#define BMC_OPT_LOOP_EDIT_H

#include "compiler/graph/scan.h"

/* What a value of the body depends on. */
typedef enum Dependence {
    FIXED,  /* captured values and constants only: the same in every iteration */
    STREAM, /* elements of sequences, too: all iterations could be computed at once */
    TURN    /* carries, the iteration's number, draws */
} Dependence;

typedef struct LoopEdit {
    Graph *to; /* the graph around, being built; `operands` are its nodes */
    Scan old;
    const NodeId *operands;
    const bool *used; /* per result: something reads it */
    Span span;
    Arena *arena;
    const Graph *body;
    Dependence *depends; /* per node of the body */
    bool *absent;        /* ... may have absent elements (windows) */
    bool *inside;        /* ... the new body computes it */
    bool *pick;          /* ... it is computed outside, and comes in */
    NodeId *fixed;       /* ... its value in `to`, where depends is FIXED; or NONE */
    NodeId *all;         /* ... all its values in `to`, iterations first, where it is STREAM */
} LoopEdit;

/* Adds to e->to what computes the picked nodes: fills fixed and all. */
void hoist(LoopEdit *e);
/* Whether hoist can compute all iterations of n at once, its operands given so. */
bool hoist_knows(const LoopEdit *e, const GNode *n);
/* Element of a sequence that is itself the same in every iteration, as a node of e->to. */
NodeId fixed_element(LoopEdit *e, uint32_t sequence);

#endif
