/* What the two attention kernels share (lower_attention.c, lower_attention_grad.c). */
#ifndef BMC_SCHEDULE_LOWER_ATTENTION_H
#define BMC_SCHEDULE_LOWER_ATTENTION_H

#include "compiler/graph/attention_op.h"
#include "compiler/schedule/lower.h"

enum { ATTENTION_LANES = 16, ATTENTION_PANEL = 32 }; /* columns of scores made at once */

/* One kernel: for each batch position, blocks of `rows` rows. Work memory per thread: kᵀ (and of
 * the gradient vᵀ), then the scores of a block of rows and their adjoints. */
typedef struct Attend {
    Lower *l;
    Attention a;
    NodeId node;
    uint32_t rows;          /* of a register tile, 8 or 4 */
    uint32_t vectors;       /* of 16 columns, 2 or 1 */
    ExprId batch[RANK_MAX]; /* the position */
    ExprId t, s;
    DimId slab_size, stride;
    int64_t d, e;
    uint32_t scratch;               /* buffer's position in the kernel */
    ExprId slab;                    /* where the thread's part of it begins */
    int64_t values, scores, slopes; /* rows of it where vᵀ, scores and their adjoints begin */
    VarId r, v, lane;
} Attend;

/* Rows [i, i + rows) of a block. */
typedef struct RowBlock {
    ExprId i;
    uint32_t rows;
    ExprId end;  /* of the columns they look at */
    ExprId full; /* of those that all of them do */
} RowBlock;

/* Calls `head` at every batch position, inside the kernel's loops. */
void attend_heads(Attend *x, void (*head)(Attend *x));
/* Calls `block` for all rows: blocks of `rows`, then single ones. */
void attend_blocks(Attend *x, void (*block)(Attend *x, const RowBlock *b));

/* Element (t or s, d or e) of an operand. */
ExprId attend_operand(Attend *x, NodeId n, AttentionValue v, ExprId row, ExprId column);
/* The buffer of part `part`, or NONE: nobody wants it. */
const Target *attend_target(const Attend *x, uint32_t part);
uint32_t attend_store_buffer(Attend *x, const Target *t);
ExprId attend_position(Attend *x, const Target *t, AttentionValue v, ExprId row, ExprId column);

ExprId attend_scratch(Attend *x, ExprId row, ExprId column); /* its value */
void attend_scratch_set(Attend *x, ExprId row, ExprId column, ExprId value);
/* Copies an operand to work memory, transposed: its rows become columns. */
void attend_pack(Attend *x, NodeId n, AttentionValue v, int64_t first, int64_t width);

/* Registers of a tile of `rows` rows: over the rows (when more than one), the vectors, the lanes.
 */
RegId attend_register(Attend *x, const char *name, uint32_t rows, bool vectors, bool lanes);
/* Opens loops over a tile's rows [first, rows), vectors and lanes; the row and the column there. */
typedef struct TilePlace {
    ExprId row, column; /* counted from the tile's corner */
} TilePlace;
TilePlace attend_enter(Attend *x, uint32_t first, uint32_t rows, uint32_t vectors, bool lanes);

/* reg = Σ a[row, c]·workmemory[c + first][j + column], c < width: a panel of scores. */
void attend_panel(Attend *x, const RowBlock *b, RegId acc, NodeId a, AttentionValue v,
                  int64_t first, int64_t width, ExprId j);
/* May pair (row, column) look? EXPR_NONE: no mask. */
ExprId attend_mask(Attend *x, ExprId row, ExprId column);
/* For each tile of columns of `width`: acc = Σ_j scores[row][j]·b[j, column], j over what the rows
 * look at, then `finish`. `rows0`: row of work memory where the factors begin. */
typedef void (*TileFinish)(Attend *x, const RowBlock *b, RegId acc, ExprId column0,
                           uint32_t vectors, void *user);
void attend_products(Attend *x, const RowBlock *b, int64_t rows0, NodeId n, AttentionValue v,
                     int64_t width, TileFinish finish, void *user);

#endif
