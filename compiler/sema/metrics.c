/* A metric's value on a split is as if the batch were the whole split. A graph of metrics is cut at
 * the reductions over the batch: their results are what EVAL gives for a batch, FINISH has them as
 * inputs (combined over all batches) and computes the rest with B = all rows.
 *
 * That is right when the part below the cuts treats every row alike and alone: then the reduction
 * over all rows is the combination of the reductions over batches. Where a row's value depends on
 * other rows, on the number of rows or on a row's position, the graph is not split, and EVAL needs
 * all rows in one call. */
#include "compiler/sema/elaborate.h"

typedef enum Part {
    PART_FREE, /* no rows in it, not derived from rows */
    PART_ROWS, /* one value per row */
    PART_CUT,  /* reduction over the rows */
    PART_WHOLE /* computed from cuts or from the number of rows */
} Part;

typedef struct Splitter {
    Sema *s;
    const Graph *g;
    uint32_t symbol;
    Part *part;
    uint32_t *axis; /* of PART_ROWS: where the batch is */
    BmrtCombine *combine;
} Splitter;

/* The one axis whose size is c * B; false when another axis has B in it. -1: none has. */
static bool batch_axis(const Splitter *sp, const DimId *dims, uint32_t rank, int32_t *axis) {
    *axis = -1;
    for (uint32_t i = 0; i < rank; i++) {
        if (!dim_has_symbol(sp->g->dims, dims[i], sp->symbol)) continue;
        bool exact;
        uint32_t symbols = dim_symbol_count(sp->g->dims);
        int64_t *zero = ARENA_ARRAY(sp->s->arena, int64_t, symbols);
        int64_t at_zero = 1, at_one, at_two;
        (void)exact;
        for (uint32_t k = 0; k < symbols; k++) zero[k] = 1;
        zero[sp->symbol] = 0;
        bool ok = dim_eval(sp->g->dims, dims[i], zero, &at_zero);
        zero[sp->symbol] = 1;
        ok = ok && dim_eval(sp->g->dims, dims[i], zero, &at_one);
        zero[sp->symbol] = 2;
        ok = ok && dim_eval(sp->g->dims, dims[i], zero, &at_two);
        if (!ok || at_zero != 0 || at_two != 2 * at_one || *axis >= 0) return false;
        *axis = (int32_t)i;
    }
    return true;
}

static bool has_axis(const int64_t *attr, uint32_t count, uint32_t axis) {
    for (uint32_t i = 0; i < count; i++)
        if (attr[i] == axis) return true;
    return false;
}

static bool classify_contract(Splitter *sp, const GNode *n, uint32_t id, int32_t out_axis) {
    const GNode *a = graph_node(sp->g, n->args[0]);
    bool ra = sp->part[n->args[0].id] == PART_ROWS, rb = sp->part[n->args[1].id] == PART_ROWS;
    int64_t la = ra ? n->attr[1 + sp->axis[n->args[0].id]] : -1;
    int64_t lb = rb ? n->attr[1 + a->rank + sp->axis[n->args[1].id]] : -1;
    if (ra && rb && la != lb) return false;
    int64_t label = ra ? la : lb;
    if (out_axis >= 0) { /* the batch stays */
        sp->part[id] = PART_ROWS;
        sp->axis[id] = (uint32_t)out_axis;
        return label == out_axis;
    }
    if (label < n->rank) return false;
    sp->part[id] = PART_CUT;
    sp->combine[id] = BMRT_COMBINE_SUM;
    return true;
}

static bool classify_reduce(Splitter *sp, const GNode *n, uint32_t id, int32_t out_axis) {
    if (!has_axis(n->attr, n->nattr, sp->axis[n->args[0].id])) {
        sp->part[id] = PART_ROWS;
        sp->axis[id] = (uint32_t)out_axis;
        return out_axis >= 0;
    }
    if (n->op == OP_ARGMAX || out_axis >= 0) return false;
    sp->part[id] = PART_CUT;
    sp->combine[id] = n->op == OP_SUM          ? BMRT_COMBINE_SUM
                      : n->op == OP_REDUCE_MAX ? BMRT_COMBINE_MAX
                                               : BMRT_COMBINE_MIN;
    return true;
}

/* Views that leave every row where it is. */
static bool view_keeps_rows(const Splitter *sp, const GNode *n, int32_t out_axis) {
    const GNode *x = graph_node(sp->g, n->args[0]);
    uint32_t in = sp->axis[n->args[0].id];
    if (out_axis < 0) return false;
    switch (n->op) {
    case OP_RESHAPE: return in == 0 && out_axis == 0;
    case OP_PERMUTE:
    case OP_BROADCAST: return n->attr[out_axis] == in;
    case OP_REVERSE: return !has_axis(n->attr, n->nattr, in);
    case OP_CONCAT: return n->attr[0] != in;
    case OP_SLICE:
    case OP_PAD: return (uint32_t)out_axis == in && dim_same(n->dims[out_axis], x->dims[in]);
    default: return false;
    }
}

/* x[row, ...] with the row's own number as index, or a table looked up per row. */
static bool gather_keeps_rows(const Splitter *sp, const GNode *n, int32_t out_axis) {
    bool rows = sp->part[n->args[0].id] == PART_ROWS;
    for (uint32_t i = 1; i < n->nargs; i++) {
        if (rows && n->attr[i - 1] == sp->axis[n->args[0].id]) {
            const GNode *index = graph_node(sp->g, n->args[i]);
            if (index->op != OP_IOTA || index->attr[0] != out_axis) return false;
            rows = false;
        } else if (sp->part[n->args[i].id] == PART_ROWS &&
                   sp->axis[n->args[i].id] != (uint32_t)out_axis) {
            return false;
        }
    }
    return !rows && out_axis >= 0;
}

static bool is_row_number(const Splitter *sp, NodeId id) {
    const GNode *n = graph_node(sp->g, id);
    return n->op == OP_IOTA && dim_has_symbol(sp->g->dims, n->dims[n->attr[0]], sp->symbol);
}

static bool classify(Splitter *sp, const bool *live);

/* A loop whose body treats every row alone is such a value itself; not one that goes along the
 * rows. */
static bool classify_scan(const Splitter *sp, const GNode *n) {
    const Graph *body = sp->g->bodies.data[n->attr[0]];
    uint32_t size = graph_size(body);
    Arena *arena = sp->s->arena;
    if (dim_has_symbol(sp->g->dims, (DimId){(uint32_t)n->attr[6]}, sp->symbol)) return false;
    Splitter inner = {.s = sp->s,
                      .g = body,
                      .symbol = sp->symbol,
                      .part = ARENA_ARRAY(arena, Part, size),
                      .axis = ARENA_ARRAY(arena, uint32_t, size),
                      .combine = ARENA_ARRAY(arena, BmrtCombine, size)};
    bool *live = ARENA_ARRAY(arena, bool, size);
    graph_live(body, live);
    if (!classify(&inner, live)) return false;
    for (uint32_t i = 0; i < size; i++)
        if (live[i] && inner.part[i] >= PART_CUT) return false;
    return true;
}

static bool classify_loop(Splitter *sp, const GNode *n, uint32_t id, int32_t out_axis) {
    if (n->op == OP_SCAN) return classify_scan(sp, n);
    if (n->op == OP_TAKE && out_axis < 0) sp->part[id] = PART_FREE; /* no row went into it */
    return n->op == OP_TAKE;
}

static bool classify_rows(Splitter *sp, const GNode *n, uint32_t id) {
    int32_t axis;
    if (!batch_axis(sp, n->dims, n->rank, &axis)) return false;
    for (uint32_t i = 0; i < n->nargs; i++) {
        if (sp->part[n->args[i].id] >= PART_CUT) return false;
        if (is_row_number(sp, n->args[i]) && n->op != OP_GATHER) return false;
    }
    sp->part[id] = PART_ROWS;
    sp->axis[id] = axis < 0 ? 0 : (uint32_t)axis;
    switch (op_info(n->op)->cls) {
    case CLASS_LEAF: return axis >= 0 && n->op != OP_RANDOM;
    case CLASS_UNARY:
    case CLASS_BINARY:
    case CLASS_TERNARY: return axis >= 0;
    case CLASS_VIEW:
        if (sp->part[n->args[0].id] != PART_ROWS) /* broadcast of a value without rows */
            return n->op == OP_BROADCAST && axis >= 0;
        for (uint32_t i = 1; n->op == OP_CONCAT && i < n->nargs; i++)
            if (sp->axis[n->args[i].id] != sp->axis[n->args[0].id]) return false;
        return view_keeps_rows(sp, n, axis);
    case CLASS_REDUCE: return classify_reduce(sp, n, id, axis);
    case CLASS_CONTRACT: return classify_contract(sp, n, id, axis);
    case CLASS_LOOP: return classify_loop(sp, n, id, axis);
    case CLASS_INDEX: return n->op == OP_GATHER && gather_keeps_rows(sp, n, axis);
    default: return false;
    }
}

static bool classify(Splitter *sp, const bool *live) {
    for (uint32_t id = 0; id < graph_size(sp->g); id++) {
        const GNode *n = graph_node(sp->g, (NodeId){id});
        if (!live[id]) continue;
        bool rows = false, whole = false;
        for (uint32_t i = 0; i < n->rank; i++)
            rows |= dim_has_symbol(sp->g->dims, n->dims[i], sp->symbol);
        for (uint32_t i = 0; i < n->nargs; i++) {
            rows |= sp->part[n->args[i].id] == PART_ROWS;
            whole |= sp->part[n->args[i].id] >= PART_CUT;
        }
        if (n->op == OP_SIZE)
            whole |= dim_has_symbol(sp->g->dims, (DimId){(uint32_t)n->attr[0]}, sp->symbol);
        if (n->op == OP_GRAD) return false;
        sp->part[id] = whole ? PART_WHOLE : PART_FREE;
        if (rows && !classify_rows(sp, n, id)) return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the two graphs */

static NodeId copy_node(Graph *to, const GNode *n, const NodeId *copy, const Graph *from) {
    Shape shape = {.rank = n->rank};
    NodeId *args = ARENA_ARRAY(from->ctx->arena, NodeId, n->nargs + 1);
    memcpy(shape.dims, n->dims, n->rank * sizeof *n->dims);
    for (uint32_t k = 0; k < n->nargs; k++) args[k] = copy[n->args[k].id];
    return graph_add(to, n->op, n->dtype, &shape, args, n->nargs, n->attr, n->nattr, n->span);
}

/* Cuts that FINISH reads: reached from the outputs without passing another cut. */
static void finish_needs(const Splitter *sp, bool *needed) {
    for (uint32_t i = 0; i < sp->g->outputs.len; i++) needed[sp->g->outputs.data[i].node.id] = true;
    for (uint32_t id = graph_size(sp->g); id-- > 0;) {
        const GNode *n = graph_node(sp->g, (NodeId){id});
        if (!needed[id] || sp->part[id] == PART_CUT) continue;
        for (uint32_t k = 0; k < n->nargs; k++) needed[n->args[k].id] = true;
    }
}

/* copy[node of the metrics graph]: the node here, or NODE_NONE */
static Graph *eval_graph(Splitter *sp, const bool *needed, Sym *names, NodeId *copy) {
    Graph *e = graph_like(sp->g);
    uint32_t cuts = 0;
    e->guard = NODE_NONE;
    for (uint32_t id = 0; id < graph_size(sp->g); id++) copy[id] = NODE_NONE;
    for (uint32_t id = 0; id < graph_size(sp->g); id++) {
        if (sp->part[id] == PART_WHOLE) continue;
        const GNode *n = graph_node(sp->g, (NodeId){id});
        bool skip = false;
        for (uint32_t k = 0; k < n->nargs; k++) skip |= sp->part[n->args[k].id] >= PART_CUT;
        if (skip) continue;
        copy[id] = copy_node(e, n, copy, sp->g);
        if (!needed[id] || sp->part[id] != PART_CUT) continue;
        names[id] = ctx_sym(sp->s->ctx, arena_printf(sp->s->arena, "part%u", cuts++));
        graph_output(e, names[id], copy[id]);
    }
    return e;
}

static Graph *finish_graph(Splitter *sp, const bool *needed, const Sym *names) {
    Graph *f = graph_create(sp->s->ctx, sp->g->dims, sp->g->slots, sp->g->slot_count);
    f->externs = sp->g->externs;
    NodeId *copy = ARENA_ARRAY(sp->s->arena, NodeId, graph_size(sp->g));
    f->guard = NODE_NONE;
    for (uint32_t i = 0; i < sp->g->bodies.len; i++)
        vec_push(sp->s->arena, &f->bodies, sp->g->bodies.data[i]);
    for (uint32_t id = 0; id < graph_size(sp->g); id++) {
        const GNode *n = graph_node(sp->g, (NodeId){id});
        if (!needed[id]) continue;
        if (sp->part[id] == PART_CUT) {
            Shape shape = graph_shape(sp->g, (NodeId){id});
            copy[id] = g_input(f, names[id], n->dtype, &shape, n->span);
        } else {
            copy[id] = copy_node(f, n, copy, sp->g);
        }
    }
    for (uint32_t i = 0; i < sp->g->outputs.len; i++)
        graph_output(f, sp->g->outputs.data[i].name, copy[sp->g->outputs.data[i].node.id]);
    return f;
}

static void whole_eval(Sema *s, const Build *b, const char *prefix, Span span, BmrtEval *out) {
    out->eval_entry = (int32_t)entry_add(s, arena_printf(s->arena, "%s.eval", prefix),
                                         BMRT_ENTRY_EVAL, b->g, span);
    out->finish_entry = -1;
    shows_add(s, b, (uint32_t)out->eval_entry, NULL);
}

void split_metrics(Sema *s, const Build *build, uint32_t symbol, const char *prefix, Span span,
                   BmrtEval *out) {
    Graph *g = build->g;
    uint32_t size = graph_size(g);
    Splitter sp = {.s = s,
                   .g = g,
                   .symbol = symbol,
                   .part = ARENA_ARRAY(s->arena, Part, size),
                   .axis = ARENA_ARRAY(s->arena, uint32_t, size),
                   .combine = ARENA_ARRAY(s->arena, BmrtCombine, size)};
    const char **metrics = ARENA_ARRAY(s->arena, const char *, g->outputs.len);
    for (uint32_t i = 0; i < g->outputs.len; i++) metrics[i] = g->outputs.data[i].name->text;
    out->metrics = metrics;
    out->metric_count = g->outputs.len;
    g->guard = NODE_NONE;
    g->writes.len = 0; /* an evaluation changes nothing */
    bool *live = ARENA_ARRAY(s->arena, bool, size);
    graph_live(g, live);
    bool ok = classify(&sp, live);
    bool *needed = ARENA_ARRAY(s->arena, bool, size);
    Sym *names = ARENA_ARRAY(s->arena, Sym, size);
    finish_needs(&sp, needed);
    bool any = false;
    for (uint32_t id = 0; id < size && ok; id++) {
        if (needed[id] && sp.part[id] == PART_ROWS) ok = false;
        any |= needed[id] && sp.part[id] == PART_CUT;
    }
    if (!ok || !any) {
        whole_eval(s, build, prefix, span, out);
        return;
    }
    for (uint32_t id = 0; id < size; id++) /* dead nodes need no copy */
        if (!live[id]) sp.part[id] = PART_WHOLE;
    NodeId *copy = ARENA_ARRAY(s->arena, NodeId, size);
    Graph *e = eval_graph(&sp, needed, names, copy), *f = finish_graph(&sp, needed, names);
    BmrtCombine *combine = ARENA_ARRAY(s->arena, BmrtCombine, e->outputs.len);
    uint32_t k = 0;
    for (uint32_t id = 0; id < size; id++)
        if (needed[id] && sp.part[id] == PART_CUT) combine[k++] = sp.combine[id];
    out->combine = combine;
    out->eval_entry =
        (int32_t)entry_add(s, arena_printf(s->arena, "%s.eval", prefix), BMRT_ENTRY_EVAL, e, span);
    shows_add(s, build, (uint32_t)out->eval_entry, copy);
    out->finish_entry = (int32_t)entry_add(s, arena_printf(s->arena, "%s.finish", prefix),
                                           BMRT_ENTRY_FINISH, f, span);
}
