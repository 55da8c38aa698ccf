/* What tile.c, tile_rows.c and tile_choice.c share: the tiles of one contraction. */
#ifndef BMC_SCHEDULE_TILE_H
#define BMC_SCHEDULE_TILE_H

#include "compiler/schedule/lower_contract.h"

/* How the taps of the windows that the rows of a tile are (`Tile.slide`) are known to exist. */
typedef enum RowMode {
    ROWS_TESTED, /* each is tested */
    ROWS_INSIDE, /* the tile is away from the margins */
    ROWS_BY_TAP  /* for each tap in turn, only the rows that have it */
} RowMode;

/* A long sum goes through its operands block by block of k, all tiles of the result for one block
 * before the next, so that the operands come from memory once. What a tile has so far waits in
 * memory: the chain of the chunk, and the sum of the chunks before it. */
typedef enum Stage {
    STAGE_WHOLE,
    STAGE_BLOCK,
    STAGE_LAST,
    STAGE_FINISH,
    STAGE_PART /* of a chunk; threads share the chunks, another kernel adds them up (partial.c) */
} Stage;

typedef struct Tile {
    Contract c;
    Stage stage;
    int64_t k_block;      /* or 0: all of k at once */
    ExprId from, to;      /* BLOCK, LAST, PART: of k */
    uint32_t part, total; /* BLOCK, FINISH (PART: `part`): the kernel's buffers */
    bool even;            /* rows in tiles of nearly one size */
    const Slide *slide;   /* whose windows are the row label, or NULL */
    RowMode mode;
    int64_t phase, first; /* of the tile: rows phase, phase + spacing ...; number of its first */
    uint32_t row_label, vector_label;
    int32_t parallel; /* the leading label, or the vector label of a thin result, or -1 */
    int32_t lead;     /* the first label that is not of one element */
    uint32_t rows, vectors;
    ExprId label[2 * RANK_MAX];
} Tile;

/* ---- tile_choice.c. False: no shape that tiles take. */
bool tile_choose_labels(const Sched *s, Tile *t);
void tile_choose_sizes(const Sched *s, Tile *t, uint32_t lanes);
/* Which label threads share, where the operand is seen through windows. */
void tile_choose_parallel(const Sched *s, Tile *t, uint32_t lanes, int64_t *grain);
/* Is a reduced label one of windows, their taps being the result's? */
bool tile_sums_windows(const Tile *t);
int64_t tile_block_of_k(const Sched *s, const Tile *t);
/* ---- ahead.c: while one block of k is worked on, the next one is asked for */
void ahead_begin(Lower *l, const Tile *t, ExprId i, ExprId j, uint32_t rows, int64_t block);
/* Beside row `segment` of the reduced labels: the tile's share of the same row a block later. */
void ahead_of_row(Lower *l, const Contract *c, ExprId segment);
/* Is what the kernel's epilogue reads (number `read` of the group's) worth asking for early? */
bool ahead_of_epilogue(const Lower *l, const Tile *t, uint32_t read);
/* Its element at the tile's labels. */
void ahead_of_element(Lower *l, const Tile *t, uint32_t read);
/* ---- tile_rows.c: rows that are windows side by side */
/* The row label's value of row q. */
ExprId tile_row_value(Lower *l, const Tile *t, ExprId q);
/* Tells where the tap that its label holds is, in row q. */
void tile_place_tap(Lower *l, const Tile *t, ExprId q);
/* Rows [*from, *to) of a tile of `rows` rows, the first one `first`, have the tap; false: none. */
bool tile_rows_with_tap(const Sched *s, const Tile *t, int64_t tap, int64_t first, uint32_t rows,
                        uint32_t *from, uint32_t *to);
/* Are the tile's rows and all their taps known now? */
bool tile_rows_fixed(const Sched *s, const Tile *t);
/* All of them have all taps. */
bool tile_inside(const Sched *s, const Tile *t, int64_t first, uint32_t rows);

/* ---- tile.c: one tile at row i, column j; of the columns, `limit` or NONE */
void tile_block(Lower *l, Tile *t, uint32_t rows, uint32_t vectors, ExprId i, ExprId j,
                ExprId limit);
ExprId tile_bound(Lower *l, const Tile *t, uint32_t label, bool end); /* of the thread's part */
ExprId tile_steps(Lower *l, ExprId from, ExprId to, uint32_t step);   /* the end of whole steps */

/* ---- tile_near.c: a vector operand whose neighbours are neighbours in k, for few rows */
bool tile_near_wanted(const Sched *s, const Tile *t);
bool tile_near_open(Lower *l, Tile *t); /* false: its blocks cannot be turned */
void tile_near_fill(Lower *l, Tile *t, ExprId column, uint32_t vectors, ExprId from, ExprId to);
int64_t tile_near_block(void); /* of k */

/* ---- tile_panel.c: operands in panels */
uint32_t tile_panel(const Lower *l, const Tile *t); /* columns of the vector operand's, or 0 */
bool tile_rows_outside(const Lower *l, const Tile *t);
bool tile_is_short(const Lower *l, const Tile *t); /* to be walked as if in panels */
void tile_panels(Lower *l, Tile *t);
/* Of k, or 0: all at once. `panels`: the vector operand is in panels. */
int64_t tile_dense_block(const Sched *s, const Tile *t, bool panels);
typedef void (*RowTile)(Lower *l, Tile *t, uint32_t rows, ExprId i, void *user);
/* Whole tiles of rows [from, to), then one of the rows that are left, or single rows. */
void tile_row_loop(Lower *l, Tile *t, ExprId from, ExprId to, RowTile tile, void *user);

#endif
