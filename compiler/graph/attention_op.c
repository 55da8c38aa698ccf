/* The attention ops: how their attributes are read, their shape rule, their builder. */
#include "compiler/graph/attention_op.h"
#include "compiler/graph/graph_internal.h"

static uint32_t lists_of(Op op) {
    return op == OP_ATTENTION ? ATTENTION_DO : ATTENTION_VALUES;
}
static uint32_t operands_of(Op op) {
    return op == OP_ATTENTION ? 3 : 6;
}

/* The two roles a value has behind the batch. */
static const uint8_t value_roles[ATTENTION_VALUES][2] = {
    [ATTENTION_Q] = {ROLE_T, ROLE_D},  [ATTENTION_K] = {ROLE_S, ROLE_D},
    [ATTENTION_V] = {ROLE_S, ROLE_E},  [ATTENTION_O] = {ROLE_T, ROLE_E},
    [ATTENTION_DO] = {ROLE_T, ROLE_E}, [ATTENTION_DQ] = {ROLE_T, ROLE_D},
    [ATTENTION_DK] = {ROLE_S, ROLE_D}, [ATTENTION_DV] = {ROLE_S, ROLE_E},
};

static Attention attention_read(Op op, const NodeId *args, uint32_t nargs, const int64_t *attr) {
    Attention a = {.gradient = op == OP_ATTENTION_GRAD,
                   .part = (uint32_t)attr[0],
                   .causal = attr[1] != 0,
                   .batch = (uint32_t)attr[3],
                   .o = NODE_NONE,
                   .sums = NODE_NONE,
                   .d_o = NODE_NONE,
                   .mask = NODE_NONE};
    uint32_t bits = (uint32_t)attr[2];
    memcpy(&a.scale, &bits, sizeof bits);
    a.rank = a.batch + 2;
    for (uint32_t i = 0; i < lists_of(op); i++)
        a.roles[i] = attr + ATTENTION_ATTR + (size_t)i * a.rank;
    a.q = args[0];
    a.k = args[1];
    a.v = args[2];
    if (a.gradient) {
        a.o = args[3];
        a.sums = args[4];
        a.d_o = args[5];
    }
    if (nargs > operands_of(op)) a.mask = args[operands_of(op)];
    return a;
}

static void dims_from(const GNode *x, const int64_t *roles, DimId *dims) {
    for (uint32_t i = 0; i < x->rank; i++) dims[roles[i]] = x->dims[i];
}

static void dims_read(const Graph *g, Attention *a) {
    dims_from(graph_node(g, a->q), a->roles[ATTENTION_Q], a->dims);
    dims_from(graph_node(g, a->k), a->roles[ATTENTION_K], a->dims);
    dims_from(graph_node(g, a->v), a->roles[ATTENTION_V], a->dims);
}

Attention attention_of(const Graph *g, const GNode *n) {
    Attention a = attention_read(n->op, n->args, n->nargs, n->attr);
    dims_read(g, &a);
    return a;
}

bool attention_same(const GNode *a, const GNode *b) {
    return a->op == b->op && op_is_attention(a->op) && a->nargs == b->nargs &&
           a->nattr == b->nattr && memcmp(a->args, b->args, a->nargs * sizeof *a->args) == 0 &&
           memcmp(a->attr + 1, b->attr + 1, (a->nattr - 1) * sizeof *a->attr) == 0;
}

/* Each role of the value once. */
static bool roles_fit(const Attention *a, AttentionValue v) {
    uint64_t seen = 0, wanted = ((uint64_t)1 << a->batch) - 1;
    for (uint32_t i = 0; i < 2; i++) wanted |= (uint64_t)1 << (a->batch + value_roles[v][i]);
    for (uint32_t i = 0; i < a->rank; i++) {
        if (a->roles[v][i] < 0 || a->roles[v][i] >= (int64_t)(a->batch + ROLES)) return false;
        seen |= (uint64_t)1 << a->roles[v][i];
    }
    return seen == wanted;
}

static bool dims_fit(const Candidate *c, const Attention *a, NodeId node, AttentionValue v) {
    const GNode *x = graph_node(c->g, node);
    if (x->rank != a->rank || x->dtype != DTYPE_F32) return false;
    for (uint32_t i = 0; i < x->rank; i++)
        if (!dim_same(x->dims[i], a->dims[a->roles[v][i]])) return false;
    return true;
}

/* [batch.., then `extra` of t and s] */
static bool rows_fit(const Candidate *c, const Attention *a, NodeId node, uint32_t extra,
                     DType dtype) {
    const GNode *x = graph_node(c->g, node);
    if (x->rank != a->batch + extra || x->dtype != dtype) return false;
    for (uint32_t i = 0; i < x->rank; i++)
        if (!dim_same(x->dims[i], a->dims[i])) return false;
    return true;
}

static void result_of(Candidate *c, const Attention *a) {
    static const AttentionValue parts[3] = {ATTENTION_DQ, ATTENTION_DK, ATTENTION_DV};
    c->result_dtype = DTYPE_F32;
    c->result.rank = a->rank;
    if (!a->gradient && a->part == 1) {
        c->result.rank = a->batch + 1;
        for (uint32_t i = 0; i < c->result.rank; i++) c->result.dims[i] = a->dims[i];
        return;
    }
    const int64_t *roles = a->roles[a->gradient ? parts[a->part] : ATTENTION_O];
    for (uint32_t i = 0; i < a->rank; i++) c->result.dims[i] = a->dims[roles[i]];
}

static void shape_attention(Candidate *c) {
    uint32_t least = operands_of(c->op), parts = c->op == OP_ATTENTION ? 2 : 3;
    REQUIRE(c->nargs == least || c->nargs == least + 1,
            "C1: q, k, v, of a gradient o, sums and do, maybe a mask");
    REQUIRE(c->nattr >= ATTENTION_ATTR && c->attr[0] >= 0 && c->attr[0] < parts &&
                c->attr[3] >= 0 && c->attr[3] + 2 < RANK_MAX &&
                c->nattr == ATTENTION_ATTR + lists_of(c->op) * (uint32_t)(c->attr[3] + 2),
            "C2: a part, causal, a scale, the batch's rank, roles of each value's axes");
    Attention a = attention_read(c->op, c->args, c->nargs, c->attr);
    for (uint32_t v = 0; v < lists_of(c->op); v++)
        REQUIRE(roles_fit(&a, (AttentionValue)v), "C3: each role of a value stands there once");
    for (uint32_t i = 0; i < 3; i++)
        REQUIRE(operand(c, i)->rank == a.rank, "C4: f32 operands whose axes of one role agree");
    dims_read(c->g, &a);
    REQUIRE(dims_fit(c, &a, a.q, ATTENTION_Q) && dims_fit(c, &a, a.k, ATTENTION_K) &&
                dims_fit(c, &a, a.v, ATTENTION_V),
            "C4: f32 operands whose axes of one role agree");
    REQUIRE(!a.gradient ||
                (dims_fit(c, &a, a.o, ATTENTION_O) && dims_fit(c, &a, a.d_o, ATTENTION_DO) &&
                 rows_fit(c, &a, a.sums, 1, DTYPE_F32)),
            "C4: f32 operands whose axes of one role agree");
    REQUIRE(node_is_none(a.mask) || rows_fit(c, &a, a.mask, 2, DTYPE_BOOL),
            "C5: a mask is bool [batch.., t, s]");
    REQUIRE(!a.causal || dim_same(a.dims[a.batch + ROLE_T], a.dims[a.batch + ROLE_S]),
            "C6: causal means as many positions that look as are looked at");
    result_of(c, &a);
}

void shape_ATTENTION(Candidate *c) {
    shape_attention(c);
}
void shape_ATTENTION_GRAD(Candidate *c) {
    shape_attention(c);
}

NodeId g_attention(Graph *g, bool gradient, uint32_t part, const NodeId *args, uint32_t nargs,
                   const int64_t *attr, uint32_t nattr, Span span) {
    int64_t *own = ARENA_ARRAY(g->ctx->arena, int64_t, nattr);
    memcpy(own, attr, nattr * sizeof *own);
    own[0] = part;
    return graph_add(g, gradient ? OP_ATTENTION_GRAD : OP_ATTENTION, DTYPE_COUNT, NULL, args, nargs,
                     own, nattr, span);
}
