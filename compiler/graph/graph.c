/* The node table: hash-consing, graph_add, roots. Shape rules stand in shape.c.
 *
 * Node arrays live in the compilation's arena and are never freed or changed, so a `const GNode *`
 * stays readable after later additions move the table. */
#include "compiler/graph/graph.h"

#include "compiler/graph/graph_internal.h"

enum { NODE_LIMIT_DEFAULT = 1000000 };

struct GraphIndex {
    uint32_t *slots; /* open addressing: id + 1, or 0 */
    uint32_t count;
    bool limit_reported;
};

static const OpInfo op_infos[OP_COUNT] = {
#define OP(name, text, arity, cls, diff) {text, arity, CLASS_##cls, diff},
#include "compiler/graph/ops.def"
#undef OP
};

const OpInfo *op_info(Op op) {
    if (op >= OP_COUNT) BUG("op %d", (int)op);
    return &op_infos[op];
}

bool op_is_elementwise(Op op) {
    OpClass cls = op_info(op)->cls;
    return cls == CLASS_UNARY || cls == CLASS_BINARY || cls == CLASS_TERNARY;
}

Graph *graph_create(Context *ctx, DimTable *dims, const Slot *slots, uint32_t slot_count) {
    Graph *g = ARENA_NEW(ctx->arena, Graph);
    g->ctx = ctx;
    g->dims = dims;
    g->slots = slots;
    g->slot_count = slot_count;
    g->guard = NODE_NONE;
    g->index = ARENA_NEW(ctx->arena, struct GraphIndex);
    g->index->count = 256;
    g->index->slots = ARENA_ARRAY(ctx->arena, uint32_t, g->index->count);
    return g;
}

Graph *graph_like(const Graph *g) {
    Graph *like = graph_create(g->ctx, g->dims, g->slots, g->slot_count);
    like->externs = g->externs;
    like->bf16 = g->bf16;
    for (uint32_t i = 0; i < g->inputs.len; i++)
        vec_push(g->ctx->arena, &like->inputs, g->inputs.data[i]);
    for (uint32_t i = 0; i < g->checks.len; i++)
        vec_push(g->ctx->arena, &like->checks, g->checks.data[i]);
    /* a copied SCAN keeps its body's number; a pass that changes a body adds the new one */
    for (uint32_t i = 0; i < g->bodies.len; i++)
        vec_push(g->ctx->arena, &like->bodies, g->bodies.data[i]);
    return like;
}

uint32_t graph_size(const Graph *g) {
    return g->nodes.len;
}

const GNode *graph_node(const Graph *g, NodeId id) {
    if (id.id >= g->nodes.len) BUG("node %u of a graph of %u", id.id, g->nodes.len);
    return &g->nodes.data[id.id];
}

Shape graph_shape(const Graph *g, NodeId id) {
    const GNode *n = graph_node(g, id);
    Shape s = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) s.dims[i] = n->dims[i];
    return s;
}

/* ---- hash-consing */

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 32);
}

static uint32_t node_hash(const GNode *n) {
    uint64_t h = mix((uint64_t)n->op * 64 + (uint64_t)n->dtype, n->rank);
    for (uint32_t i = 0; i < n->rank; i++) h = mix(h, n->dims[i].id);
    for (uint32_t i = 0; i < n->nargs; i++) h = mix(h, n->args[i].id);
    for (uint32_t i = 0; i < n->nattr; i++) h = mix(h, (uint64_t)n->attr[i]);
    return (uint32_t)h;
}

bool node_equal(const GNode *a, const GNode *b) {
    if (a->op != b->op || a->dtype != b->dtype || a->rank != b->rank) return false;
    if (a->nargs != b->nargs || a->nattr != b->nattr) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (!dim_same(a->dims[i], b->dims[i])) return false;
    for (uint32_t i = 0; i < a->nargs; i++)
        if (!node_same(a->args[i], b->args[i])) return false;
    return a->nattr == 0 || memcmp(a->attr, b->attr, a->nattr * sizeof *a->attr) == 0;
}

static void index_build(Graph *g, uint32_t count) {
    struct GraphIndex *index = g->index;
    uint32_t *slots = ARENA_ARRAY(g->ctx->arena, uint32_t, count);
    for (uint32_t i = 0; i < g->nodes.len; i++) {
        uint32_t at = node_hash(&g->nodes.data[i]) & (count - 1);
        while (slots[at]) at = (at + 1) & (count - 1);
        slots[at] = i + 1;
    }
    index->slots = slots;
    index->count = count;
}

static void index_grow(Graph *g) {
    index_build(g, 2 * g->index->count);
}

bool graph_input_texts(Graph *g, NodeId input, int64_t each) {
    GNode *n = &g->nodes.data[input.id];
    INVARIANT(n->op == OP_INPUT);
    GraphInput *in = &g->inputs.data[n->attr[0]];
    if (n->rank == RANK_MAX) return false;
    in->shape.dims[in->shape.rank++] = dim_const(g->dims, each);
    in->per_string = each;
    DimId *dims = ARENA_ARRAY(g->ctx->arena, DimId, in->shape.rank);
    memcpy(dims, in->shape.dims, in->shape.rank * sizeof *dims);
    n->dims = dims;
    n->rank = in->shape.rank;
    index_build(g, g->index->count); /* it is found by its shape */
    return true;
}

/* The slot of an equal node, or the free slot where it belongs. */
static uint32_t *index_find(const Graph *g, const GNode *n) {
    struct GraphIndex *index = g->index;
    uint32_t at = node_hash(n) & (index->count - 1);
    while (index->slots[at] && !node_equal(&g->nodes.data[index->slots[at] - 1], n))
        at = (at + 1) & (index->count - 1);
    return &index->slots[at];
}

void graph_verify_interned(const Graph *g) {
    for (uint32_t i = 0; i < g->nodes.len; i++)
        if (*index_find(g, &g->nodes.data[i]) != i + 1)
            BUG("node %u (%s) is not the one its content finds", i,
                op_info(g->nodes.data[i].op)->name);
}

static NodeId node_store(Graph *g, GNode *n, uint32_t *slot) {
    Arena *arena = g->ctx->arena;
    NodeId *args = ARENA_ARRAY(arena, NodeId, n->nargs);
    int64_t *attr = ARENA_ARRAY(arena, int64_t, n->nattr);
    DimId *dims = ARENA_ARRAY(arena, DimId, n->rank);
    if (n->nargs) memcpy(args, n->args, n->nargs * sizeof *args);
    if (n->nattr) memcpy(attr, n->attr, n->nattr * sizeof *attr);
    if (n->rank) memcpy(dims, n->dims, n->rank * sizeof *dims);
    n->args = args;
    n->attr = attr;
    n->dims = dims;
    vec_push(arena, &g->nodes, *n);
    *slot = g->nodes.len;
    return (NodeId){g->nodes.len - 1};
}

/* ---- trivial canonical forms: the operand itself where a view does nothing, one word for a const
 * whose elements are all equal. Nothing here depends on values at run time. */

static bool view_is_identity(const Candidate *c) {
    const GNode *x = graph_node(c->g, c->args[0]);
    if (x->dtype != c->result_dtype || x->rank != c->result.rank) return false;
    for (uint32_t i = 0; i < x->rank; i++)
        if (!dim_same(x->dims[i], c->result.dims[i])) return false;
    switch (c->op) {
    case OP_CAST:
    case OP_RESHAPE:
    case OP_BROADCAST: return true; /* the rules leave only one way to keep the shape */
    case OP_CONCAT: return c->nargs == 1;
    case OP_REVERSE: return c->nattr == 0;
    case OP_PERMUTE:
        for (uint32_t i = 0; i < x->rank; i++)
            if (c->attr[i] != (int64_t)i) return false;
        return true;
    case OP_SLICE:
        for (uint32_t i = 0; i < x->rank; i++) {
            DimId first = {(uint32_t)c->attr[2 * i]};
            if (!dim_equals(c->g->dims, first, 0) || c->attr[2 * i + 1] != 1) return false;
        }
        return true;
    case OP_PAD:
        for (uint32_t i = 0; i < x->rank; i++)
            for (uint32_t k = 0; k < 2; k++)
                if (!dim_equals(c->g->dims, (DimId){(uint32_t)c->attr[3 * i + k]}, 0)) return false;
        return true; /* same size without margins: no interior either, or at most one element */
    default: return false;
    }
}

static void const_canonical(Candidate *c) {
    for (uint32_t i = 1; i < c->nattr; i++)
        if (c->attr[i] != c->attr[0]) return;
    c->nattr = 1;
}

/* ---- the door */

static uint32_t node_limit(const Graph *g) {
    return g->ctx->node_limit ? g->ctx->node_limit : NODE_LIMIT_DEFAULT;
}

static NodeId limit_reached(Candidate *c, Span span) {
    Graph *g = c->g;
    if (!g->index->limit_reported) {
        g->index->limit_reported = true;
        Diag *d = ctx_error(g->ctx, E_LIMIT, span, "the program needs more than %u graph nodes",
                            (unsigned)node_limit(g));
        diag_help(d, "fewer iterations of `repeat`, or smaller static shapes in index statements");
    }
    GNode zero = {.op = OP_CONST,
                  .dtype = c->result_dtype,
                  .rank = c->result.rank,
                  .dims = c->result.dims,
                  .nattr = 1,
                  .attr = &(int64_t){0},
                  .span = span};
    if (2 * (g->nodes.len + 1) > g->index->count) index_grow(g);
    uint32_t *slot = index_find(g, &zero);
    return *slot ? (NodeId){*slot - 1} : node_store(g, &zero, slot);
}

/* Where a node comes from is a line that the user wrote: for prelude code, the call of it. */
static Span user_span(const Graph *g, Span span) {
    if (!span.file || !g->ctx->call.file) return span;
    return sources_get(g->ctx->sources, span.file)->is_prelude ? g->ctx->call : span;
}

NodeId graph_add(Graph *g, Op op, DType dtype, const Shape *shape, const NodeId *args,
                 uint32_t nargs, const int64_t *attr, uint32_t nattr, Span span) {
    Candidate c = {.g = g,
                   .op = op,
                   .args = args,
                   .nargs = nargs,
                   .attr = attr,
                   .nattr = nattr,
                   .dtype = dtype,
                   .given = shape};
    if (g->sealed) BUG("graph_add(%s) to a sealed graph", op_info(op)->name);
    shape_infer(&c);
    if (c.problem) candidate_bug(&c);
    if (nargs > 0 && view_is_identity(&c)) return args[0];
    if (op == OP_CONST) const_canonical(&c);
    GNode n = {.op = op,
               .dtype = c.result_dtype,
               .rank = c.result.rank,
               .dims = c.result.dims,
               .nargs = nargs,
               .args = args,
               .nattr = c.nattr,
               .attr = attr,
               .span = user_span(g, span)};
    if (2 * (g->nodes.len + 1) > g->index->count) index_grow(g);
    uint32_t *slot = index_find(g, &n);
    if (*slot) return (NodeId){*slot - 1};
    if (g->nodes.len >= node_limit(g)) return limit_reached(&c, span);
    return node_store(g, &n, slot);
}

NodeId graph_find(const Graph *g, Op op, DType dtype, const Shape *shape, const NodeId *args,
                  uint32_t nargs, const int64_t *attr, uint32_t nattr) {
    GNode n = {.op = op,
               .dtype = dtype,
               .rank = shape->rank,
               .dims = shape->dims,
               .nargs = nargs,
               .args = args,
               .nattr = nattr,
               .attr = attr};
    const uint32_t *slot = index_find(g, &n);
    return *slot ? (NodeId){*slot - 1} : NODE_NONE;
}

void candidate_bug(const Candidate *c) {
    Text text = {.arena = c->g->ctx->arena};
    for (uint32_t i = 0; i < c->nargs; i++) {
        text_add(&text, "\n  operand ");
        if (c->args[i].id < graph_size(c->g))
            graph_print_node(&text, c->g, c->args[i]);
        else
            text_printf(&text, "%u: no such node", c->args[i].id);
    }
    BUG("graph node `%s`: %s%s", op_info(c->op)->name, c->problem, text_str(&text));
}

/* ---- roots */

void graph_output(Graph *g, Sym name, NodeId node) {
    graph_node(g, node);
    GraphOutput out = {name, node};
    vec_push(g->ctx->arena, &g->outputs, out);
}

void graph_write(Graph *g, uint32_t slot, NodeId node) {
    graph_node(g, node);
    if (slot >= g->slot_count) BUG("write to slot %u of %u", slot, g->slot_count);
    for (uint32_t i = 0; i < g->writes.len; i++)
        if (g->writes.data[i].slot == slot) {
            g->writes.data[i].node = node;
            return;
        }
    GraphWrite w = {slot, node};
    vec_push(g->ctx->arena, &g->writes, w);
}

bool graph_const_value(const Graph *g, NodeId id, double *value) {
    const GNode *n = graph_node(g, id);
    if (n->op != OP_CONST || n->nattr != 1) return false;
    if (n->dtype == DTYPE_I64 || n->dtype == DTYPE_U64) {
        int64_t exact = n->attr[0]; /* beyond 2^53 a double would lie */
        if (exact > (INT64_C(1) << 53) || exact < -(INT64_C(1) << 53)) return false;
    }
    *value = dtype_word_to_f64(n->dtype, n->attr[0]);
    return true;
}

void graph_live(const Graph *g, bool *live) {
    for (uint32_t i = 0; i < g->nodes.len; i++) live[i] = false;
    for (uint32_t i = 0; i < g->outputs.len; i++) live[g->outputs.data[i].node.id] = true;
    for (uint32_t i = 0; i < g->writes.len; i++) live[g->writes.data[i].node.id] = true;
    if (!node_is_none(g->guard)) live[g->guard.id] = true;
    for (uint32_t i = g->nodes.len; i-- > 0;) {
        if (!live[i]) continue;
        const GNode *n = &g->nodes.data[i];
        for (uint32_t k = 0; k < n->nargs; k++) live[n->args[k].id] = true;
    }
}

/* ---- work */

static double node_elements(const Graph *g, const DimId *dims, uint32_t rank) {
    double count = 1;
    for (uint32_t i = 0; i < rank; i++) count *= (double)dim_bound(g->dims, dims[i]);
    return count;
}

static double contract_flops(const Graph *g, const GNode *n) {
    double count = 2 * node_elements(g, n->dims, n->rank);
    uint32_t reduced = (uint32_t)n->attr[0], at = 1;
    for (uint32_t label = n->rank; label < n->rank + reduced; label++) {
        double size = 1;
        at = 1;
        for (uint32_t k = 0; k < 2; k++) {
            const GNode *x = graph_node(g, n->args[k]);
            for (uint32_t i = 0; i < x->rank; i++, at++)
                if (n->attr[at] == label) size = (double)dim_bound(g->dims, x->dims[i]);
        }
        count *= size;
    }
    return count;
}

double graph_contract_flops(const Graph *g) {
    double total = 0;
    bool *live = ARENA_ARRAY(g->ctx->arena, bool, g->nodes.len);
    graph_live(g, live);
    for (uint32_t i = 0; i < g->nodes.len; i++) {
        const GNode *n = &g->nodes.data[i];
        if (live[i] && n->op == OP_CONTRACT) total += contract_flops(g, n);
        if (live[i] && n->op == OP_SCAN)
            total += (double)dim_bound(g->dims, (DimId){(uint32_t)n->attr[6]}) *
                     graph_contract_flops(g->bodies.data[n->attr[0]]);
    }
    return total;
}

double graph_flops(const Graph *g) {
    double total = 0;
    bool *live = ARENA_ARRAY(g->ctx->arena, bool, g->nodes.len);
    graph_live(g, live);
    for (uint32_t i = 0; i < g->nodes.len; i++) {
        const GNode *n = &g->nodes.data[i];
        if (!live[i] || n->nargs == 0) continue;
        const GNode *x = graph_node(g, n->args[0]);
        OpClass cls = op_info(n->op)->cls;
        if (n->op != OP_SCAN && !dtype_is_float(x->dtype) && !dtype_is_float(n->dtype)) continue;
        if (n->op == OP_SCAN)
            total += (double)dim_bound(g->dims, (DimId){(uint32_t)n->attr[6]}) *
                     graph_flops(g->bodies.data[n->attr[0]]);
        else if (n->op == OP_CONTRACT)
            total += contract_flops(g, n);
        else if (cls == CLASS_REDUCE || n->op == OP_SCATTER_ADD)
            total += node_elements(g, x->dims, x->rank);
        else if (op_is_elementwise(n->op) && n->op != OP_CAST && n->op != OP_STOP)
            total += (n->op == OP_FMA ? 2 : 1) * node_elements(g, n->dims, n->rank);
    }
    return total;
}
