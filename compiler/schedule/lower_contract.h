/* What lower_contract.c and tile.c share. */
#ifndef BMC_SCHEDULE_LOWER_CONTRACT_H
#define BMC_SCHEDULE_LOWER_CONTRACT_H

#include "compiler/schedule/lower.h"

typedef struct Contract {
    NodeId node, a, b;
    uint32_t outer, reduced; /* labels 0 .. outer-1 are the result's, then the reduced ones */
    DType dtype;             /* of the accumulator */
    DimId k;                 /* elements of one sum */
    bool flat_k;             /* the reduced axes are one stretch in both operands */
    DimId size[2 * RANK_MAX];
    uint32_t label_a[RANK_MAX], label_b[RANK_MAX]; /* of each operand axis */
    bool in_a[2 * RANK_MAX], in_b[2 * RANK_MAX];
} Contract;

Contract contract_of(const Sched *s, NodeId n);
ExprId contract_step(Lower *l, const Contract *c, ExprId acc, const ExprId *label);
bool contract_chunked(const Sched *s, const Contract *c); /* k may exceed one chunk */
ExprId contract_add_chunk(Lower *l, const Contract *c, ExprId chunk, ExprId acc, ExprId part);
/* Opens the loops over k in [from, to) and fills the reduced labels. */
void contract_enter_k(Lower *l, const Contract *c, ExprId from, ExprId to, ExprId *label);

#endif
