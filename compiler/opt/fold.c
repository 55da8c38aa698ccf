/* Constant folding: what depends on constants only is computed now, by the reference evaluator, so
 * the bits are those that the step would have computed.
 *
 * Two cases. An op on constants that are one number everywhere, elementwise, gives one number
 * everywhere: evaluated once, at rank 0, whatever the shape (it may have run-time sizes). Any other
 * op on constants is evaluated whole when its result and its operands are at most FOLD_MAX
 * elements: larger tables would cost more to carry in the program than to compute.
 *
 * What folding uncovers is simplified and folded again until nothing changes.
 * Why here and not in LLVM: `exp` and `sum` are ours, LLVM cannot evaluate them.
 * Precondition: no GRAD. Postcondition: no foldable node. Cost: linear, times a few rounds. */
#include "compiler/interp/interp.h"
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

enum { FOLD_MAX = 4096, ROUNDS_MAX = 8 };

static bool is_one_number(const GNode *n) {
    return n->op == OP_CONST && n->nattr == 1;
}

/* Elements, or -1 when not known here or more than FOLD_MAX. */
static int64_t element_count(const Graph *g, const GNode *n) {
    int64_t count = 1;
    for (uint32_t i = 0; i < n->rank; i++) {
        if (!dim_is_const(g->dims, n->dims[i])) return -1;
        if (__builtin_mul_overflow(count, dim_value(g->dims, n->dims[i]), &count)) return -1;
    }
    return count <= FOLD_MAX ? count : -1;
}

static int64_t word_at(const Tensor *t, size_t i) {
    uint64_t word = 0;
    size_t bytes = dtype_bytes(t->dtype);
    switch (bytes) { /* not a copy into the low bytes: those differ with the host's byte order */
    case 1: word = ((const uint8_t *)t->data)[i]; break;
    case 2: word = ((const uint16_t *)t->data)[i]; break;
    case 4: word = ((const uint32_t *)t->data)[i]; break;
    default: word = ((const uint64_t *)t->data)[i]; break;
    }
    return (int64_t)word;
}

/* The value of `id`, an op on constants in r->to, as a constant of `shape`; or NODE_NONE. */
static NodeId evaluate(Rewrite *r, NodeId id, const Shape *shape, Span span) {
    Tensor value;
    Arena *arena = r->to->ctx->arena;
    if (!interp_constant(r->to, id, arena, &value)) return NODE_NONE;
    size_t count = tensor_count(&value);
    int64_t *words = ARENA_ARRAY(arena, int64_t, count ? count : 1);
    for (size_t i = 0; i < count; i++) words[i] = word_at(&value, i);
    return graph_add(r->to, OP_CONST, value.dtype, shape, NULL, 0, words,
                     count ? (uint32_t)count : 1, span);
}

/* n with every operand replaced by its number at rank 0. */
static NodeId fold_number(Rewrite *r, const GNode *n) {
    NodeId args[3];
    Shape rank0 = {.rank = 0}, shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->nargs; i++) {
        const GNode *x = graph_node(r->to, n->args[i]);
        args[i] = graph_add(r->to, OP_CONST, x->dtype, &rank0, NULL, 0, x->attr, 1, x->span);
    }
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    NodeId small = graph_add(r->to, n->op, n->dtype, &rank0, args, n->nargs, NULL, 0, n->span);
    return evaluate(r, small, &shape, n->span);
}

static bool has_zero(const Graph *g, NodeId id) {
    const GNode *n = graph_node(g, id);
    for (uint32_t i = 0; i < n->nattr; i++)
        if (n->attr[i] == 0) return true;
    return false;
}

/* An index out of range and an integer division by zero set a flag of the step: they stay. So do
 * windows, whose taps outside the source are absent, which a constant cannot say. */
static bool must_stay(const Graph *g, const GNode *n) {
    if (op_info(n->op)->cls == CLASS_INDEX || n->op == OP_WINDOW) return true;
    bool divides = n->op == OP_DIV || n->op == OP_MOD;
    return divides && !dtype_is_float(n->dtype) && has_zero(g, n->args[1]);
}

static bool is_foldable(const Graph *g, const GNode *n) {
    if (element_count(g, n) < 0) return false;
    for (uint32_t i = 0; i < n->nargs; i++)
        if (element_count(g, graph_node(g, n->args[i])) < 0) return false;
    return true;
}

static bool is_constant_number(const Graph *g, const GNode *n) {
    if (!op_is_elementwise(n->op)) return false;
    for (uint32_t i = 0; i < n->nargs; i++)
        if (!is_one_number(graph_node(g, n->args[i]))) return false;
    return true;
}

static bool applies(const Graph *g, const GNode *n) {
    for (uint32_t i = 0; i < n->nargs; i++)
        if (graph_node(g, n->args[i])->op != OP_CONST) return false;
    return n->nargs > 0 && !must_stay(g, n) && (is_constant_number(g, n) || is_foldable(g, n));
}

static NodeId visit(Rewrite *r, const GNode *n) {
    if (!applies(r->to, n)) return rewrite_copy(r, n);
    if (is_constant_number(r->to, n)) {
        NodeId folded = fold_number(r, n);
        return node_is_none(folded) ? rewrite_copy(r, n) : folded;
    }
    Shape shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    NodeId whole = rewrite_copy(r, n), folded = evaluate(r, whole, &shape, n->span);
    return node_is_none(folded) ? whole : folded;
}

Graph *opt_fold(const Graph *g) {
    const Graph *now = opt_bodies(g, opt_fold);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        Graph *next = rewrite_where(now, applies, visit, NULL);
        if (next == now) break;
        now = opt_simplify(next);
    }
    return (Graph *)now;
}
