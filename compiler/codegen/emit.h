/* The state of emitting one kernel, and what its parts call on each other.
 *
 * Values are SSA from the start: registers are a map from copy to value, and serial loops make phis
 * for the registers they set. Code that depends on no inner loop is placed before that loop as it
 * is made, equal expressions are made once where memory and registers allow: that is all the
 * optimisation the output needs, so no LLVM IR pass runs. */
#ifndef BMC_CODEGEN_EMIT_H
#define BMC_CODEGEN_EMIT_H

#include "compiler/codegen/codegen_internal.h"

enum { EMIT_DEPTH = 65, LINEAR_TERMS = 16, TERM_ATOMS = 3, UNROLL_DEPTH = 200 };

/* A region of code in which every value made earlier dominates what follows: the body of a serial
 * loop, or (depth 0) the function. */
typedef struct Scope {
    uint32_t serial;     /* tells this visit of the depth from earlier ones */
    LLVMValueRef before; /* depth > 0: the branch that enters the loop; code of the outer scope
                            is put in front of it */
} Scope;

typedef struct VarState {
    bool open;
    LoopKind kind;
    uint32_t depth;     /* SERIAL: depth of its scope */
    LLVMValueRef value; /* SERIAL; NULL when the loop runs once: then it is the constant `copy` */
    int64_t copy;       /* UNROLL: the copy being emitted */
    uint32_t copies;    /* the most of any loop over it */
    int64_t multiple;   /* SERIAL: its value is a multiple of this */
} VarState;

typedef struct RegState {
    LLVMValueRef *copies;
    uint32_t count;
    bool masked_sets; /* lanes beyond the limit keep their value when it is set */
} RegState;

typedef struct VectorState {
    bool open;
    VarId var;
    uint32_t lanes;
    ExprId limit;
    LLVMValueRef mask; /* NULL: all lanes */
} VectorState;

/* sum of coefficient * product of atoms, + constant + lane * (lane number). Atoms are expressions
 * that are not sums themselves. */
typedef struct Term {
    int64_t coefficient;
    uint32_t natoms;
    uint32_t atoms[TERM_ATOMS]; /* ascending */
} Term;
typedef struct Linear {
    int64_t constant, lane;
    uint32_t nterms;
    Term terms[LINEAR_TERMS];
} Linear;

typedef struct Memo {
    uint32_t expr; /* + 1; 0: free */
    uint64_t combo, context;
    LLVMValueRef value;
    uint32_t depth, serial;
    uint64_t clock;
} Memo;

/* address + sum of terms, direct-mapped: a collision costs a recomputation. Addresses have numbers:
 * those of the kernel's buffers are their positions. */
enum { ADDRESS_SLOTS = 256 };
typedef struct AddressMemo {
    uint32_t base, number;
    LLVMValueRef value;
    Linear part;
    uint32_t depth, serial;
} AddressMemo;

typedef struct ExprFacts {
    uint64_t deps; /* bits of registers (0-31) and written buffers (32-63) its value depends on */
    bool movable;  /* may be computed earlier and more often than it stands */
} ExprFacts;

typedef struct Emit {
    CodePart *part;
    const Target *target;
    const LoopProgram *p;
    Kernel *k;
    Arena *arena;
    LLVMContextRef c;
    LLVMBuilderRef b;
    LLVMValueRef function, lo, hi, frame;
    LLVMValueRef *buffers;
    const KernelSignature *signature;
    LLVMValueRef *symbols, *keys;
    VarState *vars;
    RegState *regs;
    ExprFacts *facts;
    Scope scopes[EMIT_DEPTH + 1];
    LLVMValueRef before; /* the builder stands in front of this; NULL: at the end of its block */
    uint32_t block_load; /* instructions since the last cut, roughly */
    uint32_t depth, next_serial;
    uint32_t *marks, mark; /* per expression: visited by the walk with this number */
    uint64_t clock, stamps[64];
    VectorState vector;
    Memo *memo;
    uint32_t memo_slots, memo_used;
    struct ForFacts *fors; /* per statement: what a FOR changes */
    AddressMemo addresses[ADDRESS_SLOTS];
    uint32_t address_count;
} Emit;

/* ---- masks.c */
void masked_sets_find(Emit *e); /* sets RegState.masked_sets */

/* ---- memo.c */
typedef struct Where { /* the builder's place, to go back to */
    LLVMBasicBlockRef block;
    LLVMValueRef before; /* NULL: the end of the block */
} Where;
/* Moves the builder to the end of the scope of `depth` seen from here; place_restore goes back. */
Where place_at(Emit *e, uint32_t depth);
void place_restore(Emit *e, Where w);
/* Deepest serial loop the expression depends on, in the present environment. */
uint32_t expr_depth(const Emit *e, ExprId id);
bool expr_varies(const Emit *e, ExprId id); /* over the lanes of the open vector loop */
LLVMValueRef memo_find(Emit *e, ExprId id, uint64_t context);
void memo_put(Emit *e, ExprId id, uint64_t context, uint32_t depth, LLVMValueRef value);
uint64_t memo_context(const Emit *e, ExprId id);
void memo_changed(Emit *e, uint32_t bit); /* a register or buffer changed */
uint32_t reg_bit(RegId r);
uint32_t buffer_bit(uint32_t position);
void facts_make(Emit *e);
/* NULL: not there. */
const AddressMemo *address_cached(Emit *e, uint32_t base, const Linear *part);
/* The number of the new address. */
uint32_t address_cache(Emit *e, uint32_t base, const Linear *part, uint32_t depth,
                       LLVMValueRef value);

/* ---- value.c */
LLVMValueRef emit_value(Emit *e, ExprId id);  /* scalar when uniform, vector when it varies */
LLVMValueRef emit_vector(Emit *e, ExprId id); /* always a vector of the open loop's lanes */
LLVMValueRef splat(Emit *e, LLVMValueRef scalar, uint32_t lanes);
uint32_t reg_copy(const Emit *e, RegId r, const VarId *except, uint32_t except_copy);

/* ---- linear.c */
bool linear_of(Emit *e, ExprId id, Linear *out);
LLVMValueRef emit_index(Emit *e, ExprId id);                         /* uniform I64 */
LLVMValueRef linear_code(Emit *e, const Linear *l, uint32_t *depth); /* lane part left out */
int64_t number_gcd(int64_t a, int64_t b);
int64_t linear_multiple(const Emit *e, const Linear *l); /* its value is a multiple of this */

uint32_t linear_term_depth(const Emit *e, const Term *t);

/* ---- memory_access.c */
LLVMValueRef emit_load(Emit *e, const Expr *x);
void emit_store(Emit *e, const Stmt *s);
void emit_prefetch(Emit *e, const Stmt *s);

/* ---- transpose.c */
void emit_transpose(Emit *e, const Stmt *s);

/* ---- extern_call.c */
void emit_call(Emit *e, const Stmt *s);

/* ---- elementwise.c, convert.c, math.c, random.c: on operands of one form (scalars or vectors) */
LLVMValueRef emit_op(Emit *e, Op op, DType to, DType from, LLVMValueRef *args);
LLVMValueRef emit_max(Emit *e, DType t, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_min(Emit *e, DType t, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_cast(Emit *e, DType to, DType from, LLVMValueRef v);
LLVMValueRef emit_math(Emit *e, Op op, DType t, LLVMValueRef *args);
LLVMValueRef emit_random(Emit *e, const Expr *x);
LLVMValueRef emit_site(Emit *e, const Expr *x);
LLVMValueRef emit_tree(Emit *e, const Expr *x);

/* ---- types.c */
bool value_is_vector(LLVMValueRef v);
LLVMTypeRef type_value(Emit *e, DType t);  /* of one element in a register: bool i1, bf16 i16 */
LLVMTypeRef type_memory(Emit *e, DType t); /* in memory: bool i8 */
LLVMTypeRef type_like(LLVMTypeRef element, LLVMValueRef shape); /* vector when shape is one */
LLVMTypeRef type_bits(Emit *e, LLVMTypeRef t); /* integer type of the same width and lanes */
LLVMValueRef const_like(LLVMTypeRef type, LLVMValueRef scalar); /* splat of a constant */
LLVMValueRef const_int(LLVMTypeRef type, uint64_t value);       /* of an integer (vector) type */
LLVMValueRef const_real(LLVMTypeRef type, double value);
LLVMValueRef const_bits(Emit *e, DType t, uint64_t bits);
LLVMValueRef const_i64(const Emit *e, int64_t value);
LLVMValueRef call_intrinsic(Emit *e, const char *name, LLVMTypeRef *overloads, unsigned noverloads,
                            LLVMValueRef *args, unsigned nargs);
LLVMValueRef shuffle(Emit *e, LLVMValueRef a, LLVMValueRef b, const int *lanes, uint32_t count);
LLVMValueRef lane_numbers(Emit *e, LLVMTypeRef element, uint32_t lanes);

#endif
