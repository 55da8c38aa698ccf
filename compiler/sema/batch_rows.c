/* Row transforms are written for one row; this copies such a graph with a leading axis, so that one
 * entry transforms many rows. Every op knows where the new axis goes; values that no row reaches
 * stay as they are and are broadcast where they meet rows. */
#include "compiler/sema/elaborate.h"

typedef struct Batching {
    Sema *s;
    const Graph *row;
    Graph *g;
    DimId lead;
    NodeId *copy;  /* per node of row */
    bool *batched; /* has the leading axis */
    bool failed;
    Span span;
} Batching;

static Shape led(const Batching *b, Shape shape) {
    Shape out = {.rank = shape.rank + 1};
    out.dims[0] = b->lead;
    memcpy(out.dims + 1, shape.dims, shape.rank * sizeof *out.dims);
    return out;
}

static NodeId with_lead(Batching *b, NodeId of) {
    NodeId a = b->copy[of.id];
    if (b->batched[of.id]) return a;
    Shape shape = graph_shape(b->row, of), to = led(b, shape);
    int32_t from[RANK_MAX];
    const GNode *n = graph_node(b->row, of);
    if (n->op == OP_CONST && n->nattr == 1)
        return graph_add(b->g, OP_CONST, n->dtype, &to, NULL, 0, n->attr, 1, n->span);
    from[0] = -1;
    for (uint32_t i = 0; i < shape.rank; i++) from[i + 1] = (int32_t)i;
    return g_broadcast(b->g, a, &to, from, b->span);
}

/* ops whose attributes only shift by one axis: fills attr, gives their number */
static uint32_t shifted_attributes(const Batching *b, const GNode *n, int64_t *attr) {
    DimTable *t = b->g->dims;
    int64_t zero = dim_const(t, 0).id;
    uint32_t k = 0;
    switch (n->op) {
    case OP_PERMUTE:
    case OP_BROADCAST:
        attr[k++] = 0;
        for (uint32_t i = 0; i < n->nattr; i++) attr[k++] = n->attr[i] < 0 ? -1 : n->attr[i] + 1;
        return k;
    case OP_SLICE:
        attr[k++] = zero;
        attr[k++] = 1;
        break;
    case OP_PAD:
        attr[k++] = zero;
        attr[k++] = zero;
        attr[k++] = 0;
        break;
    case OP_RESHAPE: return 0;
    default: /* axes */
        for (uint32_t i = 0; i < n->nattr; i++) attr[k++] = n->attr[i] + 1;
        return k;
    }
    for (uint32_t i = 0; i < n->nattr; i++) attr[k++] = n->attr[i];
    return k;
}

static NodeId copy_contract(Batching *b, const GNode *n) {
    const GNode *x = graph_node(b->row, n->args[0]);
    bool lx = b->batched[n->args[0].id], ly = b->batched[n->args[1].id];
    int64_t attr[2 * RANK_MAX + 4];
    uint32_t k = 0;
    attr[k++] = n->attr[0];
    if (lx) attr[k++] = 0;
    for (uint32_t i = 1; i < n->nattr; i++) {
        if (i == 1 + x->rank && ly) attr[k++] = 0;
        attr[k++] = n->attr[i] + 1;
    }
    if (n->nattr == 1 + x->rank && ly) attr[k++] = 0;
    NodeId args[2] = {b->copy[n->args[0].id], b->copy[n->args[1].id]};
    return graph_add(b->g, OP_CONTRACT, DTYPE_COUNT, NULL, args, 2, attr, k, n->span);
}

static NodeId copy_gather(Batching *b, const GNode *n) {
    uint32_t count = n->nargs - 1, axes[RANK_MAX];
    NodeId index[RANK_MAX], x = b->copy[n->args[0].id];
    bool lx = b->batched[n->args[0].id], li = false;
    for (uint32_t i = 0; i < count; i++) li |= b->batched[n->args[i + 1].id];
    for (uint32_t i = 0; i < count; i++) {
        index[i] = li ? with_lead(b, n->args[i + 1]) : b->copy[n->args[i + 1].id];
        axes[i] = (uint32_t)n->attr[i] + (lx ? 1 : 0);
    }
    if (lx && li) { /* each row looks into its own row: the row number is an index too */
        Shape shape = graph_shape(b->g, index[0]);
        for (uint32_t i = count; i-- > 0;) index[i + 1] = index[i], axes[i + 1] = axes[i];
        index[0] = g_iota(b->g, graph_node(b->g, index[1])->dtype, &shape, 0, n->span);
        axes[0] = 0;
        count++;
    }
    NodeId r = g_gather(b->g, x, index, axes, count, n->span);
    if (!lx || li) return r;
    uint32_t rank = graph_shape(b->g, r).rank, at = graph_shape(b->g, index[0]).rank;
    uint32_t perm[RANK_MAX], k = 0;
    perm[k++] = at;
    for (uint32_t i = 0; i < rank; i++)
        if (i != at) perm[k++] = i;
    return g_permute(b->g, r, perm, n->span);
}

static NodeId copy_led(Batching *b, const GNode *n, NodeId id) {
    int64_t attr[3 * RANK_MAX + 8];
    NodeId args[64];
    Shape shape = led(b, graph_shape(b->row, id));
    if (op_is_elementwise(n->op)) {
        for (uint32_t i = 0; i < n->nargs; i++) args[i] = with_lead(b, n->args[i]);
        return graph_add(b->g, n->op, n->dtype, &shape, args, n->nargs, NULL, 0, n->span);
    }
    switch (n->op) {
    case OP_CONTRACT: return copy_contract(b, n);
    case OP_GATHER: return copy_gather(b, n);
    case OP_RANDOM:
        return graph_add(b->g, n->op, n->dtype, &shape, NULL, 0, n->attr, n->nattr, n->span);
    case OP_SCATTER_ADD:
    case OP_WINDOW:
    case OP_SCAN:
    case OP_TAKE:
    case OP_RANDOM_AT:
    case OP_GRAD: break;
    default:
        if (n->nargs > 64 || (n->op == OP_PAD && b->batched[n->args[1].id])) break;
        for (uint32_t i = 0; i < n->nargs; i++)
            args[i] = n->op == OP_PAD && i == 1 ? b->copy[n->args[1].id] : with_lead(b, n->args[i]);
        return graph_add(b->g, n->op, n->dtype, &shape, args, n->nargs, attr,
                         shifted_attributes(b, n, attr), n->span);
    }
    sema_unsupported(b->s, n->span,
                     arena_printf(b->s->arena, "`%s` in a row transform", op_info(n->op)->name));
    b->failed = true;
    return NODE_NONE;
}

bool batch_rows(Sema *s, const Graph *row, const NodeId *inputs, DimId lead, NodeId *outputs,
                Span span) {
    uint32_t size = graph_size(row);
    Batching b = {.s = s,
                  .row = row,
                  .g = sema_graph(s),
                  .lead = lead,
                  .span = span,
                  .copy = ARENA_ARRAY(s->arena, NodeId, size),
                  .batched = ARENA_ARRAY(s->arena, bool, size)};
    bool *live = ARENA_ARRAY(s->arena, bool, size);
    graph_live(row, live);
    for (uint32_t i = 0; i < size && !b.failed; i++) {
        NodeId id = {i};
        const GNode *n = graph_node(row, id);
        if (!live[i]) continue;
        bool any = n->op == OP_RANDOM || n->op == OP_INPUT || n->op == OP_SCAN;
        for (uint32_t k = 0; k < n->nargs; k++) any |= b.batched[n->args[k].id];
        b.batched[i] = any;
        if (n->op == OP_INPUT) {
            b.copy[i] = inputs[n->attr[0]];
        } else if (any) {
            if (n->rank == RANK_MAX) {
                sema_unsupported(s, n->span, "a row of so many axes");
                return false;
            }
            b.copy[i] = copy_led(&b, n, id);
        } else {
            Shape shape = graph_shape(row, id);
            NodeId args[64];
            for (uint32_t k = 0; k < n->nargs && k < 64; k++) args[k] = b.copy[n->args[k].id];
            b.copy[i] =
                graph_add(b.g, n->op, n->dtype, &shape, args, n->nargs, n->attr, n->nattr, n->span);
        }
    }
    for (uint32_t i = 0; i < row->outputs.len && !b.failed; i++)
        outputs[i] = with_lead(&b, row->outputs.data[i].node);
    return !b.failed;
}
