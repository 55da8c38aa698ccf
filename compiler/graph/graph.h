/* The graph: immutable, hash-consed nodes over the primitives of ops.def.
 *
 * A Graph is one entry of the compiled model (a training step, a test step, an exported function,
 * the initialisation). Equal op, operands, dtype, shape and attributes give the same id, so common
 * subexpressions never exist twice. Operands always have lower ids: ascending id is a topological
 * order. Passes read one graph and return a new one. */
#ifndef BMC_GRAPH_GRAPH_H
#define BMC_GRAPH_GRAPH_H

#include "compiler/graph/dim.h"
#include "compiler/graph/dtype.h"
#include "compiler/support/context.h"

typedef enum Op {
#define OP(name, text, arity, cls, diff) OP_##name,
#include "compiler/graph/ops.def"
#undef OP
    OP_COUNT
} Op;

typedef enum OpClass {
    CLASS_LEAF,
    CLASS_UNARY,
    CLASS_BINARY,
    CLASS_TERNARY,
    CLASS_VIEW,
    CLASS_REDUCE,
    CLASS_CONTRACT,
    CLASS_INDEX,
    CLASS_LOOP,
    CLASS_GRAD
} OpClass;

typedef struct OpInfo {
    const char *name;
    int arity;
    OpClass cls;
    bool differentiable;
} OpInfo;
const OpInfo *op_info(Op op);
bool op_is_elementwise(Op op); /* UNARY, BINARY, TERNARY */

enum { RANK_MAX = 12 };

typedef struct NodeId {
    uint32_t id;
} NodeId;
#define NODE_NONE ((NodeId){UINT32_MAX})
static inline bool node_same(NodeId a, NodeId b) {
    return a.id == b.id;
}
static inline bool node_is_none(NodeId a) {
    return a.id == UINT32_MAX;
}

typedef struct Shape {
    uint32_t rank;
    DimId dims[RANK_MAX];
} Shape;

typedef struct GNode {
    Op op;
    DType dtype;
    uint32_t rank;
    const DimId *dims; /* interned */
    uint32_t nargs, nattr;
    const NodeId *args;
    const int64_t *attr; /* meaning per op: ops.def; dims stand as DimId.id */
    Span span;           /* the first source place that made it */
} GNode;
/* Same op, dtype, shape, operands and attributes: what makes two nodes of one graph the same. */
bool node_equal(const GNode *a, const GNode *b);

/* One windowed axis of OP_WINDOW. Tap t of window o stands at o·stride + t·dilation - low on an
 * axis whose elements lie `spacing` apart; taps before, behind and between them are absent. Margins
 * below 0 cut off. */
typedef struct WindowAxis {
    int64_t axis, size, stride, dilation, low, high, spacing;
} WindowAxis;
enum { WINDOW_WORDS = 7 }; /* of attr, per axis, in this order */
static inline uint32_t window_count(const GNode *n) {
    return n->nattr / WINDOW_WORDS;
}
static inline WindowAxis window_axis(const GNode *n, uint32_t i) {
    const int64_t *w = n->attr + (size_t)WINDOW_WORDS * i;
    return (WindowAxis){w[0], w[1], w[2], w[3], w[4], w[5], w[6]};
}
bool window_has_absent(const GNode *n); /* some tap may not exist */

/* A parameter or state: it outlives the step. Shared by all graphs of a program. */
typedef enum SlotKind { SLOT_PARAM, SLOT_STATE, SLOT_OPTIMIZER, SLOT_FIT } SlotKind;
typedef struct Slot {
    Sym path; /* "net.dense1.w" */
    SlotKind kind;
    DType dtype;
    uint32_t rank;
    int64_t dims[RANK_MAX];
    Span span;
    const void *initial; /* embedded weights: its bytes; NULL: none */
} Slot;

typedef struct GraphInput {
    Sym name;
    DType dtype;
    Shape shape;
    bool is_index; /* elements are positions (labels, ids): checked before the first write */
    Span span;
    int64_t index_limit;     /* with is_index: they must lie in [0, index_limit) */
    const int64_t *fallback; /* rank 0: the word of its value when the caller gives none; or NULL */
    int64_t per_string; /* > 0: the caller gives texts, the last axis numbers each one's words */
} GraphInput;
/* The shape that a caller gives it in. */
static inline Shape graph_input_given(const GraphInput *in) {
    Shape shape = in->shape;
    shape.rank -= in->per_string > 0;
    return shape;
}
typedef struct GraphOutput {
    Sym name;
    NodeId node;
} GraphOutput;
typedef struct GraphWrite { /* the slot's value after the step; every slot at most once */
    uint32_t slot;
    NodeId node;
} GraphWrite;

/* A condition on run-time sizes: value >= 0 (zero: == 0). text: "m.bm:3:9 `+` needs T = P". */
typedef struct GraphCheck {
    DimId value;
    bool zero;
    const char *text;
    Span span;
} GraphCheck;

typedef struct ExternTable ExternTable; /* extern.h */

typedef struct Graph Graph;
struct Graph {
    Context *ctx;
    DimTable *dims;    /* shared by all graphs of a program */
    const Slot *slots; /* shared; owned by the program */
    uint32_t slot_count;
    const ExternTable *externs; /* shared; NULL: none */
    VEC(GraphInput) inputs;
    VEC(GraphOutput) outputs;
    VEC(GraphWrite) writes;
    VEC(GraphCheck) checks; /* asked for by graph_require */
    VEC(Graph *) bodies;    /* of its scans: scan.h */
    NodeId guard; /* rank-0 float: when not finite, the step writes nothing; or NODE_NONE */
    bool bf16;    /* `precision: bf16`: contractions see their operands rounded (opt/precision.c) */
    bool sealed;
    /* private to graph.c */
    VEC(GNode) nodes;
    struct GraphIndex *index;
};

Graph *graph_create(Context *ctx, DimTable *dims, const Slot *slots, uint32_t slot_count);
/* A new, empty graph with the same inputs, dims and slots (for passes). Outputs are not copied. */
Graph *graph_like(const Graph *g);
uint32_t graph_size(const Graph *g);
const GNode *graph_node(const Graph *g, NodeId id);
Shape graph_shape(const Graph *g, NodeId id);

/* The one door by which nodes enter. Infers dtype and shape (shape rules of ops.def) when the op
 * determines them; `dtype`/`shape` are needed for leaves, cast, reshape, broadcast, slice and
 * scatter_add and may be DTYPE_COUNT / NULL elsewhere. A wrong combination is a BUG: the caller
 * (sema) checks what users can get wrong. Reports E_LIMIT once and returns a const when the node
 * limit is reached. */
NodeId graph_add(Graph *g, Op op, DType dtype, const Shape *shape, const NodeId *args,
                 uint32_t nargs, const int64_t *attr, uint32_t nattr, Span span);

/* The node that graph_add would return without adding anything, or NODE_NONE. All of dtype and
 * shape must be given. */
NodeId graph_find(const Graph *g, Op op, DType dtype, const Shape *shape, const NodeId *args,
                  uint32_t nargs, const int64_t *attr, uint32_t nattr);

/* ---- thin builders (builders.c); all operands of elementwise ops must have equal shapes */
NodeId g_input(Graph *g, Sym name, DType dtype, const Shape *shape, Span span);
/* An input that nothing reads yet becomes one of texts, with `each` numbers a text. False: it has
 * no room for a further axis. */
bool graph_input_texts(Graph *g, NodeId input, int64_t each);
NodeId g_read(Graph *g, uint32_t slot, Span span);
NodeId g_const(Graph *g, DType dtype, const Shape *shape, double value, Span span);
NodeId g_const_int(Graph *g, DType dtype, const Shape *shape, int64_t value, Span span);
NodeId g_iota(Graph *g, DType dtype, const Shape *shape, uint32_t axis, Span span);
NodeId g_random(Graph *g, const Shape *shape, uint64_t key, uint32_t draw, Span span);
NodeId g_size(Graph *g, DType dtype, DimId dim, Span span);
NodeId g_unary(Graph *g, Op op, NodeId a, Span span);
NodeId g_cast(Graph *g, DType to, NodeId a, Span span);
NodeId g_binary(Graph *g, Op op, NodeId a, NodeId b, Span span);
NodeId g_select(Graph *g, NodeId cond, NodeId a, NodeId b, Span span);
NodeId g_reshape(Graph *g, NodeId a, const Shape *to, Span span);
NodeId g_permute(Graph *g, NodeId a, const uint32_t *perm, Span span);
/* from[i]: operand axis of result axis i, or -1. */
NodeId g_broadcast(Graph *g, NodeId a, const Shape *to, const int32_t *from, Span span);
/* Broadcast of a rank-0 value. */
NodeId g_splat(Graph *g, NodeId a, const Shape *to, Span span);
NodeId g_slice(Graph *g, NodeId a, const DimId *first, const DimId *extent, const int64_t *step,
               Span span);
NodeId g_pad(Graph *g, NodeId a, NodeId value, const DimId *low, const DimId *high,
             const int64_t *interior, Span span);
NodeId g_reverse(Graph *g, NodeId a, const uint32_t *axes, uint32_t count, Span span);
/* Axes ascending. Result: x's axes, the windowed ones counting windows, then one of taps each. */
NodeId g_window(Graph *g, NodeId x, const WindowAxis *axes, uint32_t count, Span span);
/* x for a second computation, which starts when `token` (any value) is there: not merged with x,
 * nor with another site's. */
NodeId g_again(Graph *g, NodeId x, NodeId token, uint32_t site, Span span);
NodeId g_concat(Graph *g, const NodeId *parts, uint32_t count, uint32_t axis, Span span);
NodeId g_reduce(Graph *g, Op op, NodeId a, const uint32_t *axes, uint32_t count, Span span);
/* Labels: small ints; `out` lists the result's labels in order, `reduced` the order k runs. */
NodeId g_contract(Graph *g, NodeId a, const uint32_t *la, NodeId b, const uint32_t *lb,
                  const uint32_t *out, uint32_t nout, const uint32_t *reduced, uint32_t nreduced,
                  Span span);
NodeId g_gather(Graph *g, NodeId x, const NodeId *index, const uint32_t *axes, uint32_t count,
                Span span);
/* Positions in ascending order of the last axis, and the ranks: [..., 2, n] i32. */
NodeId g_argsort(Graph *g, NodeId x, Span span);
NodeId g_scatter_add(Graph *g, const Shape *shape, NodeId updates, const NodeId *index,
                     const uint32_t *axes, uint32_t count, Span span);
NodeId g_grad(Graph *g, NodeId y, NodeId x, Span span);

void graph_output(Graph *g, Sym name, NodeId node);
void graph_write(Graph *g, uint32_t slot, NodeId node); /* replaces an earlier write of the slot */

/* The graph runs only where the condition holds; entries check it before they do anything. */
void graph_require(Graph *g, DimId value, bool zero, const char *text, Span span);
/* All conditions on sizes: those required, and those that live nodes have (slices, margins), of the
 * bodies of scans too. In the arena of the context. */
const GraphCheck *graph_size_checks(const Graph *g, uint32_t *count);
bool graph_check_holds(const Graph *g, const GraphCheck *check, const int64_t *symbols);

/* True and the value when the node is a CONST with one word for all elements. */
bool graph_const_value(const Graph *g, NodeId id, double *value);
/* Does attribute `position` of such a node hold the id of a dim? */
bool op_attribute_is_dim(Op op, uint32_t position);
/* The graph where run-time size `symbol` is `value`; not sealed. known_size.c */
Graph *graph_bind(const Graph *g, uint32_t symbol, int64_t value);
/* Marks what outputs, writes and guard reach. live[graph_size]. */
void graph_live(const Graph *g, bool *live);

/* Every rule of docs/ops.md on every node; BUG with the node's text when one is broken. */
void graph_verify(const Graph *g);
/* Canonical text: nodes renumbered in order of first use from the roots, no pointers. */
void graph_print(Text *out, const Graph *g);
void graph_print_node(Text *out, const Graph *g, NodeId id);
void graph_dot(Text *out, const Graph *g); /* Graphviz */
/* Float work of one evaluation with every symbol at its bound: 2 per multiply-add of contract, 1
 * per other elementwise or reduced element. */
double graph_flops(const Graph *g);
/* ... of the contractions alone, which is what a share of the multiply-add peak is a share of. */
double graph_contract_flops(const Graph *g);

#endif
