/* What the evaluator's files share. */
#ifndef BMC_INTERP_INTERNAL_H
#define BMC_INTERP_INTERNAL_H

#include "compiler/graph/mathfn.h"
#include "compiler/interp/interp.h"

/* A node's value. `absent` marks elements that are not there (window taps outside the source): one
 * byte an element, or NULL when all are there. Reductions and contract skip absent elements. */
typedef struct Value {
    Tensor tensor;
    uint8_t *absent;
    bool borrowed;     /* data belongs to the caller (inputs, slots) */
    uint32_t last_use; /* id of the last node that reads it; its own id: none; UINT32_MAX: kept */
    struct Loop *loop; /* of a SCAN: eval_scan.c */
} Value;

typedef struct Evaluation Evaluation;

/* One node being evaluated. `out` has its dtype, dims and zeroed data. */
typedef struct Eval {
    Evaluation *run;
    const Graph *g;
    const GNode *n;
    const Value *const *args;
    Value *out;
    size_t count;            /* elements of out */
    const MathProgram *math; /* of exp, log, ... in the dtype computed in */
} Eval;

struct Evaluation {
    const Graph *g;
    InterpRun *run;
    const uint32_t *ids; /* ascending: the nodes to evaluate, */
    Value *values;       /* and their values */
    uint32_t count;
    const MathProgram *math[OP_COUNT][2]; /* [op][is f64]: of the ops that occur */
    const Value **args;                   /* room for the operands of one node */
    uint32_t flags;
};

/* ---- interp.c, for a loop's body: prepare once, then for each iteration run, read, free */
bool evaluation_prepare(Evaluation *e, Arena *arena);
bool evaluation_run(Evaluation *e);
Tensor *evaluation_value(const Evaluation *e, NodeId id); /* of a node that was kept */
void evaluation_keep(Evaluation *e, NodeId id);
void evaluation_free(Evaluation *e);
const uint32_t *graph_live_ids(const Graph *g, Arena *arena, uint32_t *count);
/* False (with a diagnostic) when a size overflows. */
bool loop_prepare(Evaluation *e, NodeId id, Value *v, Arena *arena);
void loop_free(Value *v);

enum { SUM_BLOCK = 4096, SUM_LANE_COUNT = 16, CONTRACT_CHUNK = 4096 };

/* ---- element access: floats as float or double, the rest as sign- or zero-extended int64 */
float load_narrow(const Tensor *t, size_t i);             /* f16, bf16 */
static inline float load_f32(const Tensor *t, size_t i) { /* f32, f16, bf16 */
    return t->dtype == DTYPE_F32 ? ((const float *)t->data)[i] : load_narrow(t, i);
}
void store_f32(Tensor *t, size_t i, float value);
static inline double load_f64(const Tensor *t, size_t i) {
    return ((const double *)t->data)[i];
}
void store_f64(Tensor *t, size_t i, double value);
int64_t load_int(const Tensor *t, size_t i);
void store_int(Tensor *t, size_t i, int64_t value); /* wraps */
int64_t load_word(const Tensor *t, size_t i);       /* bits, zero-extended: any dtype */
void store_word(Tensor *t, size_t i, int64_t word);

/* a < b of loaded integers: u64 is the only dtype whose int64 image does not order as its values
 * do. */
static inline bool int_less(DType t, int64_t a, int64_t b) {
    return t == DTYPE_U64 ? (uint64_t)a < (uint64_t)b : a < b;
}

/* ---- positions */
/* Row-major strides, in elements. */
void tensor_strides(const Tensor *t, size_t *strides);
/* Turns a row-major position into one index per axis. */
void position_split(const int64_t *dims, uint32_t rank, size_t position, int64_t *index);

/* malloc(count * size), zeroed and overflow-checked; NULL when short. `count` 0 gives a valid
 * pointer. */
void *scratch_alloc(size_t count, size_t size);

/* The size a dim has in this run; BUG when it overflows (interp_run has checked all). */
int64_t run_dim(const Evaluation *run, DimId d);

/* Each returns false when memory is short. */
#define OP(name, text, arity, cls, diff) bool eval_##name(Eval *e);
#include "compiler/graph/ops.def"
#undef OP

#endif
