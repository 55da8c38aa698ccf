/* Lowering: a group's kernel as loops. Shared by the lower_*.c files, vectorise.c and tile.c. */
#ifndef BMC_SCHEDULE_LOWER_H
#define BMC_SCHEDULE_LOWER_H

#include "compiler/schedule/sched.h"

/* A position in a tensor: one I64 expression per axis, or its row-major position (flat). */
typedef struct Index {
    bool flat;
    bool row; /* flat: in row `Lower.row` of the leading axis; `pos` counts within the row */
    ExprId pos;
    ExprId axis[RANK_MAX];
    ExprId pred; /* false: the position may lie outside, nothing must be loaded; or EXPR_NONE */
} Index;

enum { OPEN_MAX = 6 };

/* Taps of window `axis` of a node that the loops around keep inside the source: no test is needed.
 * `position`: where they are in the source, or EXPR_NONE: as the indices say. */
typedef struct TapKnown {
    NodeId window;
    uint32_t axis;
    bool known;
    ExprId position;
} TapKnown;
enum { TAPS_KNOWN_MAX = 6 };

/* tile_near.c: blocks of an operand of the contraction, turned, that stand in the first cache. */
typedef struct Near {
    bool on;
    uint32_t which; /* operand */
    uint32_t position, width;
    ExprId start, k, column; /* of the tile's place in the buffer; the first k and column there */
} Near;

/* ahead.c: which of how many tiles this one is, and how far away the next block of k is. */
typedef struct Ahead {
    ExprId tile;
    int64_t tiles, block; /* tiles 0: nothing is asked for early */
} Ahead;

typedef struct Memo Memo;
typedef struct Lower {
    Sched *s;
    LoopProgram *p;
    Kernel *k;
    Group *group;
    uint32_t number;
    bool nested; /* statements go to `parent`; else to the kernel's top level */
    StmtId parent;
    ExprId row;           /* the position on the parallel axis 0, or EXPR_NONE */
    bool split_rows;      /* partial.c: a summed element's leading axis is the row */
    DimId extent;         /* of the parallel axis */
    bool vector;          /* a VECTOR loop is open */
    uint32_t lanes;       /* f32 lanes of a machine vector */
    VarId open[OPEN_MAX]; /* UNROLL and VECTOR variables around here */
    uint32_t open_count;
    ExprId present; /* of the value evaluated last: false where it is absent; or EXPR_NONE */
    TapKnown taps[TAPS_KNOWN_MAX];
    uint32_t tap_count;
    Near near;
    Ahead ahead;
    ExprId panel, row_panel; /* tile.c: the first column of the tile, the first row */
    Memo *memo;
    double visited;      /* the share of the domain that the loops visit; 0: all */
    VEC(NodeId) scalars; /* rank-0 values computed at the kernel's start: Sched.scalar */
} Lower;

typedef ExprId (*LowerRule)(Lower *l, NodeId n, const Index *at);

/* ---- expressions */
static inline ExprId l_int(Lower *l, int64_t v) {
    return loop_int(l->p, l->k, v);
}
static inline ExprId l_dim(Lower *l, DimId d) {
    return loop_of_dim(l->p, l->k, d);
}
static inline ExprId l_add(Lower *l, ExprId a, ExprId b) {
    return loop_add(l->p, l->k, a, b);
}
static inline ExprId l_sub(Lower *l, ExprId a, ExprId b) {
    return loop_sub(l->p, l->k, a, b);
}
static inline ExprId l_mul(Lower *l, ExprId a, ExprId b) {
    return loop_mul(l->p, l->k, a, b);
}
ExprId l_op(Lower *l, Op op, DType dtype, ExprId a, ExprId b);
ExprId l_select(Lower *l, DType dtype, ExprId cond, ExprId a, ExprId b);
ExprId l_cast(Lower *l, DType to, ExprId a);
ExprId l_div(Lower *l, ExprId a, ExprId b); /* I64 floor quotient, non-negative */
ExprId l_mod(Lower *l, ExprId a, ExprId b);
ExprId l_min(Lower *l, ExprId a, ExprId b); /* I64 */
ExprId l_max(Lower *l, ExprId a, ExprId b);
ExprId l_and(Lower *l, ExprId a, ExprId b); /* bool; EXPR_NONE is true */
ExprId l_bits(Lower *l, DType dtype, uint64_t bits);
ExprId l_reg(Lower *l, RegId r);
ExprId l_var(Lower *l, VarId v);
DType l_dtype(const Lower *l, ExprId e);

/* ---- statements at the current place */
void l_set(Lower *l, RegId r, ExprId value);
void l_flag(Lower *l, ExprId cond, uint32_t bits);
/* The current place: save with l_place, enter a loop, restore with l_return. */
typedef struct LowerPlace {
    bool nested, vector;
    StmtId parent;
    uint32_t open_count;
    ExprId row;
} LowerPlace;
LowerPlace l_place(const Lower *l);
void l_return(Lower *l, LowerPlace at);
/* Opens a loop and stays inside it. */
void l_enter_for(Lower *l, VarId v, ExprId from, ExprId to, int64_t step);
void l_enter_unroll(Lower *l, VarId v, uint32_t count);
void l_enter_copies(Lower *l, VarId v, uint32_t first, uint32_t count); /* from copy `first` */
void l_enter_vector(Lower *l, VarId v, uint32_t lanes, ExprId limit);
VarId l_new_var(Lower *l, const char *name);
/* A register over all open variables, and over `extra` when not NULL. */
RegId l_new_reg(Lower *l, const char *name, DType dtype, const VarId *extra);

/* ---- positions */
/* As one expression per axis of `n`. */
void index_axes(Lower *l, NodeId n, const Index *at, ExprId *axis);
/* Row-major position in a tensor of `n`'s dims. */
ExprId index_position(Lower *l, NodeId n, const Index *at);
/* The axes of a flat position over some dims, last fastest. */
void split_position(Lower *l, ExprId pos, const DimId *dims, uint32_t rank, ExprId *axis);
/* Is the position's leading axis the kernel's row? */
bool index_in_row(const Lower *l, NodeId n, const Index *at);
/* Position in the buffer that holds the value, and how threads reach it there. */
ExprId slab_position(Lower *l, NodeId n, const Slab *slab, const Index *at);
Access slab_access(const Lower *l, NodeId n, const Slab *slab, const Index *at);

/* ---- values */
ExprId lower_value(Lower *l, NodeId n, const Index *at);
/* Its value, and in *present (EXPR_NONE: always) whether it is there: a tap of a window may be
 * absent, and then the value is of no use. */
ExprId lower_tap(Lower *l, NodeId n, const Index *at, ExprId *present);
void lower_bind(Lower *l, NodeId n, const Index *at, ExprId value);
ExprId lower_load(Lower *l, NodeId n, uint32_t buffer, const Slab *slab, const Index *at);
void memo_clear(Lower *l);
/* Stores all targets at one position of the domain. */
void lower_targets(Lower *l, const Index *at);
/* Computes rank-0 values once, at the kernel's start. */
void lower_scalars(Lower *l);
void access_note(Lower *l, uint32_t position, Access a);
bool lower_is_inline(const Lower *l, NodeId n); /* evaluated here, not loaded */

/* ---- one rule per op that is no plain elementwise op; ops.def names them */
#define RULE_LEAF(name) ExprId lower_##name(Lower *l, NodeId n, const Index *at);
#define RULE_UNARY(name)
#define RULE_BINARY(name)
#define RULE_TERNARY(name)
#define RULE_VIEW(name)                  RULE_LEAF(name)
#define RULE_REDUCE(name)                RULE_LEAF(name)
#define RULE_CONTRACT(name)              RULE_LEAF(name)
#define RULE_INDEX(name)                 RULE_LEAF(name)
#define RULE_LOOP(name)                  RULE_LEAF(name)
#define RULE_GRAD(name)                  RULE_LEAF(name)
#define OP(name, text, arity, cls, diff) RULE_##cls(name)
#include "compiler/graph/ops.def"
#undef OP
#undef RULE_LEAF
#undef RULE_UNARY
#undef RULE_BINARY
#undef RULE_TERNARY
#undef RULE_VIEW
#undef RULE_REDUCE
#undef RULE_CONTRACT
#undef RULE_INDEX
#undef RULE_LOOP
#undef RULE_GRAD
ExprId lower_elementwise(Lower *l, NodeId n, const Index *at);

/* ---- copies with one axis moved last (layout.c decides them) */
uint32_t pack_axes(const Sched *s, const Group *pack, uint32_t *order); /* node axis of each axis */
ExprId pack_load(Lower *l, const Group *pack, const Index *at);
void pack_store(Lower *l, const Group *pack, const Index *at);
/* The value is a load, or one of bf16 widened, or one of f32 rounded to bf16: that load. */
bool pack_plain_load(const Lower *l, ExprId value, Expr *load, bool *rounds);
bool pack_matrix(Lower *l); /* the whole kernel; false: the operand is no matrix */
void pack_panels(Lower *l); /* pack_panel.c: the whole kernel */
ExprId panel_load(Lower *l, const Group *pack, const Index *at);

/* ---- lower_reduce.c, for blocks of a sum */
/* Element k of what `sum` adds up, +0 where `pred` is false. */
ExprId reduce_element(Lower *l, NodeId sum, const Index *at, ExprId k, ExprId pred);
/* Elements [from, to), one block, with the lanes in a vector. */
ExprId reduce_block(Lower *l, NodeId sum, const Index *at, ExprId from, ExprId to);
ExprId reduce_tree(Lower *l, Op op, DType dtype, RegId lanes, VarId var);
/* ---- partial.c */
void lower_partials(Lower *l); /* the whole kernel */
ExprId partial_total(Lower *l, NodeId sum, const Index *at);

/* ---- put.c: all stores replace one position of one axis; NODE_NONE: they do not */
NodeId put_wanted(const Lower *l, uint32_t *axis);
ExprId put_position(Lower *l, NodeId at, uint32_t axis); /* at the kernel's start */

/* ---- columns.c: a sum down the columns */
bool columns_wanted(const Lower *l);
void lower_columns(Lower *l);

/* ---- whole kernels */
void lower_loops(Lower *l);          /* vectorise.c: a loop nest over the domain */
void lower_constants(Lower *l);      /* lower_leaf.c: a CONST of many words */
void lower_scatter(Lower *l);        /* lower_index.c */
void lower_sort(Lower *l);           /* lower_sort.c */
void lower_extern(Lower *l);         /* lower_extern.c */
bool lower_tiles(Lower *l);          /* tile.c: contract; false: not of a shape it takes */
void lower_tile_parts(Lower *l);     /* ... the blocks of one, for partial.c */
void lower_attention(Lower *l);      /* lower_attention.c */
void lower_attention_grad(Lower *l); /* lower_attention_grad.c */

#endif
