/* Loop IR: what the machine does, as data. Schedule lowers graphs to it; codegen emits LLVM IR from
 * it and decides nothing. One LoopProgram per entry: kernels, the buffers they touch, and the order
 * (with barriers) in which all threads run them.
 *
 * A kernel is a function over a range [LO, HI) of its parallel axis (or, without one, run by thread
 * 0 only). Its body is a tree of named loops and five kinds of effects: set a register, store,
 * flag, copy a block transposed, call a C function.
 *
 * Loop kinds.  SERIAL: a loop.  UNROLL: `count` copies of the body (count const),
 * numbered from `step`.  VECTOR: one copy
 * whose expressions are vectors of `width` lanes; at most one VECTOR loop is open at a time; with
 * `limit` (i64 expr), lanes l >= limit are inactive: they load nothing, store nothing, flag
 * nothing. One variable may be used by several loops, not nested in each other: that is how an
 * accumulator is initialised, updated and stored by three loops over the same (i, j).
 *
 * Registers. A register has a copy for each combination of the UNROLL/VECTOR variables it is
 * declared over (vars); reading or setting it picks the copy of the variables' current values. It
 * must be set before it is read. Values survive SERIAL loops (the emitter makes the phis).
 *
 * Expressions are interned per kernel: equal ones have equal ids, so one load written many times in
 * unrolled copies is one load where nothing was stored in between. Index arithmetic is I64. */
#ifndef BMC_LOOP_LOOP_H
#define BMC_LOOP_LOOP_H

#include "compiler/graph/program.h"

typedef struct ExprId {
    uint32_t id;
} ExprId;
typedef struct VarId {
    uint32_t id;
} VarId;
typedef struct RegId {
    uint32_t id;
} RegId;
typedef struct StmtId {
    uint32_t id;
} StmtId;
#define EXPR_NONE ((ExprId){UINT32_MAX})
static inline bool expr_is_none(ExprId e) {
    return e.id == UINT32_MAX;
}

typedef enum ExprKind {
    EXPR_CONST,  /* imm: the value's bits (floats: of their dtype) */
    EXPR_VAR,    /* var: I64 */
    EXPR_LO,     /* first index of this thread's range */
    EXPR_HI,     /* one past the last */
    EXPR_DIM,    /* dim: a size as I64 */
    EXPR_LOAD,   /* buffer[args[0]]; args[1]: bool predicate, args[2]: value where it is false; or
                    none */
    EXPR_REG,    /* reg */
    EXPR_OP,     /* op (elementwise ops of ops.def, CAST included) over args */
    EXPR_IDIV,   /* I64 floor quotient of non-negative args[0] by positive args[1] */
    EXPR_IMOD,   /* ... remainder */
    EXPR_RANDOM, /* args[0]: element number I64; args[1]: site as a number (EXPR_SITE), or none and
                    imm: site key; imm2: draw -> F32 */
    EXPR_SITE,   /* imm: site key, args[0]: iteration I64 -> the iteration's own site, I64 */
    EXPR_CLOCK,  /* imm: 0 progress, 1 epoch, 2 iteration; dtype F32 or F64 */
    EXPR_TREE /* 8-4-2-1 tree of register `reg` over its variable `var` (16 copies or lanes) with op
                 ADD, MAX or MIN: lane l with l+8, then +4, +2, +1. The result no longer depends
                 on var. */
} ExprKind;

typedef struct Expr {
    ExprKind kind;
    Op op;
    DType dtype;
    uint32_t nargs;
    ExprId args[3];
    uint32_t buffer; /* LOAD: index into kernel->buffers */
    VarId var;
    RegId reg;
    DimId dim;
    uint64_t imm, imm2;
} Expr;

typedef enum LoopKind { LOOP_SERIAL, LOOP_UNROLL, LOOP_VECTOR } LoopKind;
typedef enum StmtKind {
    STMT_FOR,
    STMT_SET,
    STMT_STORE,
    STMT_FLAG,
    STMT_TRANSPOSE,
    STMT_PREFETCH, /* element `value` of `buffer` will be read: a hint, it need not exist */
    STMT_CALL
} StmtKind;

/* A whole array that a CALL hands over: dense, row-major, from element 0 of a buffer on or later.
 */
typedef struct LoopArray {
    uint32_t buffer; /* position in kernel->buffers */
    ExprId offset;   /* elements before it */
    DType dtype;
    uint32_t rank;
    ExprId dims[RANK_MAX]; /* I64 */
} LoopArray;

typedef struct Stmt {
    StmtKind kind;
    /* FOR */
    LoopKind loop;
    VarId var;
    ExprId from, to; /* SERIAL: i64 */
    int64_t step;    /* SERIAL: > 0.  UNROLL: number of the first copy */
    uint32_t count;  /* UNROLL: copies; VECTOR: lanes (power of two) */
    ExprId limit;    /* VECTOR: active lanes, or EXPR_NONE for all */
    VEC(StmtId) body;
    /* SET: reg = value.  STORE: buffer[index] = value (where pred).  FLAG: if value, OR `bits`. */
    RegId reg;
    uint32_t buffer;
    ExprId index, value, pred;
    uint32_t bits;
    /* TRANSPOSE: buffer[index + c * target_step + r] = source[value + r * source_step + c] for rows
     * r < from and columns c < to, neither more than `count` (4, 8 or 16); elements of 4 bytes, or
     * of bf16 that become f32. Blocks may overlap: what they share gets the same values. */
    uint32_t source;
    int64_t source_step, target_step;
    bool rounds; /* f32 to f32, by way of bf16 */
    /* CALL: a C function of program->externs, at the kernel's top level: `count` arrays it reads,
     * then those it writes */
    uint32_t callee;
    bool gradient;
    VEC(LoopArray) arrays;
} Stmt;

typedef struct LoopVar {
    const char *name; /* "i", "k" ... for dumps */
} LoopVar;
typedef struct LoopReg {
    const char *name;
    DType dtype;
    uint32_t nvars;
    VarId vars[6]; /* UNROLL and VECTOR variables it is expanded over */
} LoopReg;

typedef enum Storage {
    STORAGE_ARENA,
    STORAGE_SLOT,
    STORAGE_INPUT,
    STORAGE_OUTPUT,
    STORAGE_CONST /* read-only data of the program */
} Storage;
typedef struct LoopBuffer { /* of the program */
    const char *name;
    Storage storage;
    uint32_t number;      /* arena buffer, slot, input or output number */
    DType dtype;          /* BOOL is one byte, 0 or 1 */
    DimId count;          /* elements */
    uint32_t first, last; /* ARENA: positions in `order` between which it is live, both included */
    const int64_t *words; /* CONST: an element's bits each; the graph's */
    int64_t offset;       /* ARENA: planned with symbols at their bounds; 64-byte aligned */
} LoopBuffer;

typedef struct Kernel {
    const char *name; /* "net.dense1: contract+relu"; for dumps and the profiler */
    Span span;
    VEC(uint32_t) buffers; /* program buffers it touches; LOAD/STORE name positions in this list */
    VEC(bool) writes;      /* per position */
    VEC(Expr) exprs;
    VEC(Stmt) stmts;
    VEC(LoopVar) vars;
    VEC(LoopReg) regs;
    VEC(StmtId) body;        /* top level */
    bool parallel;           /* false: thread 0 runs it with LO = 0, HI = 1 */
    DimId extent;            /* of the parallel axis */
    int64_t grain;           /* ranges are multiples of it: thread t of T gets grains
                                [n*t/T, n*(t+1)/T) of n = ceil(extent / grain) */
    int64_t strip;           /* within a grain, ranges may be multiples of this */
    const char *problem;     /* of the contraction it computes, or copies an operand of; or NULL */
    const char *choice;      /* ... and in which tiles; for explain */
    double flops, bytes;     /* for explain and profile; of one run, symbols at their bounds */
    double cost;             /* operations weighed by what they cost; 0: as many as flops */
    struct ExprIndex *index; /* private */
} Kernel;

typedef enum OrderKind {
    ORDER_RUN, /* kernel `number` */
    ORDER_BARRIER,
    ORDER_LOOP_BEGIN, /* loop `number`: up to its END once an iteration, by every thread */
    ORDER_LOOP_END,
    ORDER_GUARD /* when buffer `number` (rank-0 float) is not finite, all later kernels are skipped
                   and flag NONFINITE is set. An index out of range only raises its flag (inputs
                   used as positions are checked before the entry runs). Stands after a barrier;
                   carries its own barrier. */
} OrderKind;
/* RUN with `together` > 1: this and the next together - 1 items are RUNs over the same rows; each
 * thread runs all of them on `rows` of its rows, then on the next, until none is left. */
typedef struct Order {
    OrderKind kind;
    uint32_t number;
    uint32_t together;
    int64_t rows; /* a multiple of the kernels' `strip` */
} Order;

/* A loop of the order (a scan of the graph). While it runs, `symbol` of the DimTable is the number
 * of the iteration: 0 .. trip-1, or down from trip-1 with `reverse`. Every thread counts for
 * itself. */
typedef struct OrderLoop {
    uint32_t symbol;
    DimId trip;
    bool reverse;
} OrderLoop;

/* The entry once more, for calls where one size has one value (schedule/variants.c). */
typedef struct LoopVariant {
    uint32_t symbol;
    int64_t value;
    bool alone; /* so little work that waking other threads costs more than they save */
    struct LoopProgram *program;
} LoopVariant;

typedef struct LoopProgram {
    Context *ctx;
    const Program *program;
    const Entry *entry;
    VEC(LoopBuffer) buffers;
    VEC(Kernel *) kernels;
    VEC(Order) order;
    VEC(OrderLoop) loops;
    VEC(LoopVariant) variants; /* the first that fits a call runs; else this program */
    int64_t arena_bytes;
    int64_t live_bytes_max; /* lower bound: the largest sum of live buffers */
} LoopProgram;

/* ---- how much there is to do (loop_work.c): a call's operations and bytes, and roughly the time
 * of one thread, at the bounds of the symbols and with one row */
typedef struct LoopWork {
    double flops, bytes, ns, ns_one_row;
    uint32_t meetings; /* barriers and guards written in the order */
} LoopWork;
LoopWork loop_work(const LoopProgram *p);
/* Makes the bytes of kernels that run in loops those of one iteration: an array that every access
 * reads or writes at a place of the iteration counts as one iteration's part. */
void loop_work_slices(LoopProgram *p);
/* Of each of a kernel's buffers, the bytes that one run touches at most: the buffer's, or inside
 * the loops `open` (outermost first) one iteration's part. */
void loop_kernel_bytes(const LoopProgram *p, const Kernel *k, const uint32_t *open, uint32_t count,
                       double *bytes);

/* ---- building (loop_build.c) */
LoopProgram *loop_program_create(Context *ctx, const Program *program, const Entry *entry);
Kernel *loop_kernel(LoopProgram *p, const char *name, Span span);
/* Position of a program buffer in the kernel's list, added when new; `write` is sticky. */
uint32_t loop_use(LoopProgram *p, Kernel *k, uint32_t program_buffer, bool write);
VarId loop_var(LoopProgram *p, Kernel *k, const char *name);
RegId loop_reg(LoopProgram *p, Kernel *k, const char *name, DType dtype, const VarId *vars,
               uint32_t nvars);
ExprId loop_expr(LoopProgram *p, Kernel *k, const Expr *e); /* interned; folds I64 constants */
ExprId loop_int(LoopProgram *p, Kernel *k, int64_t value);
ExprId loop_const(LoopProgram *p, Kernel *k, DType dtype, double value);
ExprId loop_of_var(LoopProgram *p, Kernel *k, VarId var);
ExprId loop_of_dim(LoopProgram *p, Kernel *k, DimId dim);
ExprId loop_of_reg(LoopProgram *p, Kernel *k, RegId reg);
ExprId loop_op(LoopProgram *p, Kernel *k, Op op, DType dtype, const ExprId *args, uint32_t nargs);
ExprId loop_add(LoopProgram *p, Kernel *k, ExprId a, ExprId b); /* I64 */
ExprId loop_sub(LoopProgram *p, Kernel *k, ExprId a, ExprId b);
ExprId loop_mul(LoopProgram *p, Kernel *k, ExprId a, ExprId b);
ExprId loop_load(LoopProgram *p, Kernel *k, uint32_t position, ExprId index);
/* body NULL: the kernel's top level; else a FOR's body list. */
StmtId loop_for(LoopProgram *p, Kernel *k, const StmtId *parent, LoopKind kind, VarId var,
                ExprId from, ExprId to, int64_t step, uint32_t count, ExprId limit);
StmtId loop_set(LoopProgram *p, Kernel *k, const StmtId *parent, RegId reg, ExprId value);
StmtId loop_store(LoopProgram *p, Kernel *k, const StmtId *parent, uint32_t position, ExprId index,
                  ExprId value, ExprId pred);
/* A hint: element `index` will be read soon; it need not exist. */
StmtId loop_prefetch(LoopProgram *p, Kernel *k, const StmtId *parent, uint32_t position,
                     ExprId index);
StmtId loop_flag(LoopProgram *p, Kernel *k, const StmtId *parent, ExprId cond, uint32_t bits);

/* A block of a matrix in a buffer: element (i, j) at start + i * step + j. */
typedef struct LoopBlock {
    uint32_t buffer;
    ExprId start;
    int64_t step;
    bool rounds; /* of the source: f32 that is rounded to bf16 on the way */
} LoopBlock;
/* Copies `rows` rows of `columns` of `from` to `to`, whose rows they become the columns of. */
StmtId loop_transpose(LoopProgram *p, Kernel *k, const StmtId *parent, LoopBlock from, LoopBlock to,
                      ExprId rows, ExprId columns, uint32_t most);

/* The arrays are copied; those behind the first `inputs` are written. */
StmtId loop_call(LoopProgram *p, Kernel *k, uint32_t callee, bool gradient, const LoopArray *arrays,
                 uint32_t inputs, uint32_t count);

/* index = base + coefficient * var, both free of var: true and the parts. */
bool loop_affine(LoopProgram *p, Kernel *k, ExprId e, VarId var, ExprId *base,
                 int64_t *coefficient);
bool loop_depends(const Kernel *k, ExprId e, VarId var);

/* ---- checking and showing */
void loop_verify(const LoopProgram *p); /* BUG on a broken rule */
/* Independent of the planner: re-derives each buffer's first and last use from `order` and checks
 * that no two live buffers overlap and all fit the arena. */
void loop_verify_memory(const LoopProgram *p);
void loop_print(Text *out, const LoopProgram *p);
/* Whether a symbol of the DimTable is the iteration number of one of the program's loops. */
bool loop_counts(const LoopProgram *p, uint32_t symbol);

#endif
