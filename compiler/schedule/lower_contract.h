/* What lower_contract.c and tile.c share. */
#ifndef BMC_SCHEDULE_LOWER_CONTRACT_H
#define BMC_SCHEDULE_LOWER_CONTRACT_H

#include "compiler/schedule/lower.h"

/* A window of an operand: label `pos` counts windows, label `tap` their taps. */
typedef struct Slide {
    WindowAxis w;
    DimId source;      /* elements of the windowed axis */
    DimId windows;     /* size of `pos` */
    uint32_t pos, tap; /* labels */
    TapKnown *known;   /* in the Lower */
} Slide;

typedef struct Contract {
    NodeId node, a, b;
    uint32_t outer, reduced; /* labels 0 .. outer-1 are the result's, then the reduced ones */
    DType dtype;             /* of the accumulator */
    DimId k;                 /* elements of one sum */
    bool flat_k;             /* the reduced axes are one stretch in both operands */
    DimId size[2 * RANK_MAX];
    uint32_t label_a[RANK_MAX], label_b[RANK_MAX]; /* of each operand axis */
    bool in_a[2 * RANK_MAX], in_b[2 * RANK_MAX];
    Slide slides[TAPS_KNOWN_MAX]; /* slide.c; none until slides_find */
    uint32_t slide_count;
} Contract;

Contract contract_of(const Sched *s, NodeId n);
/* Does it sum over the windows of an operand, their taps being axes of the result? */
bool contract_sums_windows(const Sched *s, const Contract *c);
Contract contract_labels(const Sched *s, NodeId n); /* before groups: but for flat_k */
ExprId contract_step(Lower *l, const Contract *c, ExprId acc, const ExprId *label);
bool contract_chunked(const Sched *s, const Contract *c); /* k may exceed one chunk */
ExprId contract_add_chunk(Lower *l, const Contract *c, ExprId chunk, ExprId acc, ExprId part);
/* Opens the loops over k in [from, to) and fills the reduced labels. */
void contract_enter_k(Lower *l, const Contract *c, ExprId from, ExprId to, ExprId *label);

/* ---- tile_near.c */
ExprId near_load(Lower *l, const Contract *c, const ExprId *label);

/* ---- slide.c: contractions over windows */
void slides_find(Lower *l, Contract *c);
/* Opens the loops over k in [from, to), in which only taps that exist remain where that can be had
 * by the loops' bounds; labels of the result are known. `row`: a label whose values stand in the
 * registers of a tile, or NONE. */
void slides_enter_k(Lower *l, const Contract *c, uint32_t row, ExprId from, ExprId to,
                    ExprId *label);
/* One reduced label, wholly; labels below it have their values. */
void slides_enter_label(Lower *l, const Contract *c, uint32_t row, uint32_t number, ExprId *label);
/* The window that `label` counts the taps (or the windows) of, or NULL. */
const Slide *slide_with(const Contract *c, uint32_t label, bool tap);
/* From here every tap is tested again. */
void slides_forget(Lower *l);

#endif
