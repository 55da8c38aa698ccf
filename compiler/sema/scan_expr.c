/* `y = scan xt = x along T with h = h0 { h = ...; yield h }`: the block is elaborated once, into a
 * graph of its own; the loop is one node (docs/scan.md).
 *
 * While the block is elaborated its graph has inputs in the order they were met, captured values
 * among them. Afterwards what is used is copied into the body, whose inputs stand in the order that
 * graph/scan.h wants; states that the block writes have become carries by then. */
#include "compiler/sema/bundles.h"
#include "compiler/sema/loops.h"
#include "compiler/sema/segments.h"

typedef struct ScanRun {
    const Node *node;
    const Node *over, *with; /* lists of BIND; with may be NULL */
    uint32_t sequences, carries;
    Value *whole, *first;
    int64_t *axis;
    Build build;
    Loop loop;
    Scope *scope;
    Yields yields;
    VEC(NodeId) next; /* of the carries, then those of written states */
    VEC(NodeId) out;  /* the yields' tensors, the losses of gradients inside, what `show` shows */
    uint32_t losses, shown;
    bool *cut;       /* in: may the loop go in segments? out: does it? NULL: no */
    NodeId *results; /* of the loop: carries, then yields */
} ScanRun;

/* ------------------------------------------------------------------ iterations */

NodeId loop_iteration(Sema *s) {
    Build *b = s->build;
    if (!b || !b->loop) return NODE_NONE;
    NodeId own = b->loop->inputs.data[0].inner;
    s->build = b->outer;
    NodeId outer = loop_iteration(s);
    s->build = b;
    if (node_is_none(outer)) return own;
    Span nowhere = {0};
    outer = loop_bring(s, b, b->outer->g, outer, nowhere);
    NodeId trip = g_size(b->g, DTYPE_I64, b->loop->trip, nowhere);
    return g_binary(b->g, OP_ADD, g_binary(b->g, OP_MUL, outer, trip, nowhere), own, nowhere);
}

double loop_repeats(const Build *b) {
    return b->loop ? b->loop->repeats : 1;
}

static double trip_once(Sema *s, DimId trip) {
    uint32_t symbols = dim_symbol_count(s->program->dims);
    int64_t *ones = ARENA_ARRAY(s->arena, int64_t, symbols + 1), n;
    for (uint32_t i = 0; i < symbols; i++) ones[i] = 1;
    return dim_eval(s->program->dims, trip, ones, &n) ? (double)n : 1;
}

/* ------------------------------------------------------------------ the header */

static bool same_trip(Sema *s, ScanRun *r, uint32_t i, DimId n) {
    if (i == 0) r->loop.trip = n;
    if (dim_same(r->loop.trip, n)) return true;
    const Node *a = r->over->kids[0], *b = r->over->kids[i];
    Text ta = {.arena = s->arena}, tb = ta;
    dim_print(&ta, s->program->dims, r->loop.trip);
    dim_print(&tb, s->program->dims, n);
    Diag *d = sema_error(s, E_SHAPE, b->span,
                         "`%s` goes over %s elements, but `%s` over %s: one `scan` goes along "
                         "axes of one size",
                         b->name->text, text_str(&tb), a->name->text, text_str(&ta));
    diag_label(d, a->span, "%s", value_shape_string(s, r->whole[0]));
    diag_caret(d, "%s", value_shape_string(s, r->whole[i]));
    return false;
}

static bool eval_sequences(Sema *s, ScanRun *r) {
    const Node *along = node_kid(r->node, 1);
    for (uint32_t i = 0; i < r->sequences; i++) {
        const Node *bind = r->over->kids[i], *e = node_kid(bind, 0);
        Value v = to_tensor(s, eval(s, e), DTYPE_COUNT, e->span);
        if (value_is_poison(v)) return false;
        Shape shape = tensor_shape(s, v);
        if (shape.rank == 0) {
            Diag *d =
                sema_error(s, E_RANK, e->span, "`scan` goes along an axis, but `%s` is one number",
                           node_text(s, e));
            diag_help(d, "to count, go along `iota(n)`: `scan t = iota(n) along 0 ...`");
            return false;
        }
        r->whole[i] = v;
    }
    Value at = eval(s, along);
    if (value_is_poison(at)) return false;
    for (uint32_t i = 0; i < r->sequences; i++) {
        Shape shape = tensor_shape(s, r->whole[i]);
        uint32_t axes[RANK_MAX], count;
        if (!axes_of(s, at, &shape, along->span, axes, &count)) return false;
        if (count != 1) {
            Diag *d = sema_error(s, E_AXIS, along->span, "`along` wants one axis of %s",
                                 shape_string(s, &shape, r->whole[i].decl));
            diag_help(d, "a number such as `1` or `-1`, or the name of the axis' size");
            return false;
        }
        r->axis[i] = axes[0];
        if (!same_trip(s, r, i, shape.dims[axes[0]])) return false;
    }
    return true;
}

static bool eval_carries(Sema *s, ScanRun *r) {
    for (uint32_t i = 0; i < r->carries; i++) {
        const Node *bind = r->with->kids[i], *e = node_kid(bind, 0);
        Value v = eval(s, e);
        bool fits = v.kind == V_TENSOR || v.kind == V_NUM || v.kind == V_DIM || v.kind == V_BOOL ||
                    v.kind == V_LIST;
        if (!fits && !value_is_poison(v)) {
            sema_error(s, E_KIND, e->span, "a carry is a tensor or a number, but `%s` is %s",
                       bind->name->text, value_kind_name(v.kind));
            return false;
        }
        r->first[i] = to_tensor(s, v, DTYPE_COUNT, e->span);
        if (value_is_poison(r->first[i])) return false;
        for (uint32_t k = 0; k < i; k++)
            if (r->with->kids[k]->name == bind->name) {
                Diag *d = sema_error(s, E_DUPLICATE, bind->span, "carry `%s` is given twice",
                                     bind->name->text);
                diag_label(d, r->with->kids[k]->span, "first here");
                return false;
            }
    }
    return true;
}

/* ------------------------------------------------------------------ the block */

/* Element t of a sequence. Of positions it is computed from the iteration. */
static Value sequence_element(Sema *s, ScanRun *r, uint32_t i) {
    Build *b = &r->build;
    NodeId outer = r->whole[i].as.tensor.node;
    GNode n = *graph_node(b->outer->g, outer);
    Span span = r->over->kids[i]->span;
    Shape shape = {.rank = 0};
    uint32_t axis = (uint32_t)r->axis[i];
    for (uint32_t k = 0; k < n.rank; k++)
        if (k != axis) shape.dims[shape.rank++] = n.dims[k];
    if (n.op == OP_IOTA && n.attr[0] == axis) {
        NodeId at = b->loop->inputs.data[0].inner;
        if (n.dtype != DTYPE_I64) at = g_cast(b->g, n.dtype, at, span);
        return value_tensor(s, shape.rank ? g_splat(b->g, at, &shape, span) : at);
    }
    NodeId in = loop_input(s, b, LOOP_SEQUENCE, outer, n.dtype, &shape, span);
    b->loop->inputs.data[b->loop->inputs.len - 1].axis = r->axis[i];
    return value_tensor(s, in);
}

static void begin(Sema *s, ScanRun *r) {
    Build *outer = s->build;
    DimId trip = r->loop.trip;
    r->build = (Build){.outer = outer, .g = scan_body(outer->g), .loop = &r->loop};
    r->loop.repeats = loop_repeats(outer) * trip_once(s, trip);
    LoopInput iteration = {.kind = LOOP_ITERATION, .inner = {0}, .outer = NODE_NONE, .slot = -1};
    vec_push(s->arena, &r->loop.inputs, iteration);
    s->build = &r->build;
    r->scope = scope_new(s, s->scope, true);
    for (uint32_t i = 0; i < r->carries; i++) {
        const Node *bind = r->with->kids[i];
        Shape shape = tensor_shape(s, r->first[i]);
        Value v = value_tensor(s, loop_input(s, s->build, LOOP_CARRY, r->first[i].as.tensor.node,
                                             tensor_dtype(s, r->first[i]), &shape, bind->span));
        v.decl = bind;
        scope_set(s, r->scope, bind->name, v, bind->span);
    }
    for (uint32_t i = 0; i < r->sequences; i++) {
        const Node *bind = r->over->kids[i];
        scope_set(s, r->scope, bind->name, sequence_element(s, r, i), bind->name_span);
    }
}

static void exec_body(Sema *s, ScanRun *r) {
    Scope *saved = s->scope;
    Yields *outer = s->frame->yields;
    r->yields.wanted = true;
    r->yields.value = NONE;
    s->frame->yields = &r->yields;
    s->scope = scope_new(s, r->scope, false);
    exec_block(s, node_kid(r->node, 3));
    s->scope = saved;
    s->frame->yields = outer;
}

/* ------------------------------------------------------------------ what leaves the block */

static bool wrong_carry(Sema *s, ScanRun *r, uint32_t i, const Binding *b) {
    const Node *bind = r->with->kids[i];
    Shape first = tensor_shape(s, r->first[i]), next = tensor_shape(s, b->value);
    DType from = tensor_dtype(s, r->first[i]), to = tensor_dtype(s, b->value);
    bool shapes = !shape_same(&first, &next);
    const char *a = shapes ? sized_names(s, &first, true) : dtype_name(from);
    const char *z = shapes ? sized_names(s, &next, true) : dtype_name(to);
    Diag *d =
        sema_error(s, E_CARRY, b->span, "the carry `%s` leaves the block as %s, but starts as %s",
                   bind->name->text, z, a);
    diag_caret(d, "%s", z);
    diag_label(d, bind->span, "`%s` is a carry of this scan and starts as %s", bind->name->text, a);
    if (shapes)
        carry_help(s, d, bind, &next);
    else
        propose_conversion(s, d, node_kid(bind, 0), to);
    return false;
}

static bool carry_next(Sema *s, ScanRun *r, uint32_t i) {
    Binding *b = scope_find_here(r->scope, r->with->kids[i]->name);
    Shape shape = tensor_shape(s, r->first[i]);
    if (value_is_poison(b->value)) return false;
    if (b->value.kind != V_TENSOR) {
        b->value = to_tensor(s, b->value, tensor_dtype(s, r->first[i]), b->span);
        if (value_is_poison(b->value)) return false;
        if (tensor_shape(s, b->value).rank == 0)
            b->value = tensor_broadcast_to(s, b->value, &shape, b->span);
        if (value_is_poison(b->value)) return false;
    }
    Shape next = tensor_shape(s, b->value);
    if (!shape_same(&shape, &next) || tensor_dtype(s, b->value) != tensor_dtype(s, r->first[i]))
        return wrong_carry(s, r, i, b);
    NodeId node = tensor_node(s, b->value, b->span);
    vec_push(s->arena, &r->next, node);
    return !node_is_none(node);
}

/* The tensors of a yielded value, in order. */
static bool flatten(Sema *s, ScanRun *r, Value v, Span span) {
    if (v.kind == V_TUPLE) {
        for (uint32_t i = 0; i < v.as.list.count; i++)
            if (!flatten(s, r, v.as.list.items[i], span)) return false;
        return true;
    }
    if (v.kind == V_BUNDLE) {
        for (uint32_t i = 0; i < v.as.bundle->count; i++)
            if (!flatten(s, r, bundle_tensor(v.as.bundle, i), span)) return false;
        return true;
    }
    v = to_tensor(s, v, DTYPE_COUNT, span);
    if (value_is_poison(v)) return false;
    NodeId node = tensor_node(s, v, span);
    if (node_is_none(node)) return false;
    if (tensor_shape(s, v).rank == RANK_MAX) {
        sema_error(s, E_LIMIT, span, "a yield of so many axes");
        return false;
    }
    vec_push(s->arena, &r->out, node);
    return true;
}

static bool collect(Sema *s, ScanRun *r) {
    bool ok = true;
    for (uint32_t i = 0; i < r->carries; i++) ok &= carry_next(s, r, i);
    if (!ok) return false;
    for (uint32_t i = 0; i < r->loop.writes.len; i++)
        vec_push(s->arena, &r->next, r->loop.writes.data[i].node);
    Value y = r->yields.value;
    if (y.kind == V_INSTANCE) {
        Bundle *b;
        if (!value_as_bundle(s, y, &b, r->node->span)) return false;
        r->yields.value = (Value){.kind = V_BUNDLE, .as.bundle = b};
    }
    Span span = r->yields.first ? r->yields.first->span : r->node->span;
    if (r->yields.first && !flatten(s, r, r->yields.value, span)) return false;
    /* a gradient's loss that is not finite guards the step, wherever it was computed */
    r->losses = r->build.objectives.len;
    for (uint32_t i = 0; i < r->losses; i++)
        vec_push(s->arena, &r->out, r->build.objectives.data[i]);
    r->shown = r->build.shown.len;
    for (uint32_t i = 0; i < r->shown; i++)
        vec_push(s->arena, &r->out, r->build.shown.data[i].node);
    return true;
}

/* ------------------------------------------------------------------ the body */

typedef struct Assembly {
    Graph *body;
    Scan scan;
    VEC(NodeId) operands;
    VEC(int64_t) axes;
    NodeId *copy; /* node of the block's graph -> of the body */
    bool *live;
    PtrMap captured; /* outer node -> input of the body */
} Assembly;

static void mark_live(const Graph *g, const NodeId *roots, uint32_t count, bool *live) {
    for (uint32_t i = 0; i < count; i++) live[roots[i].id] = true;
    for (uint32_t i = graph_size(g); i-- > 0;) {
        const GNode *n = graph_node(g, (NodeId){i});
        for (uint32_t k = 0; live[i] && k < n->nargs; k++) live[n->args[k].id] = true;
    }
}

/* The number keeps apart in print what are different inputs. */
static void add_input(Sema *s, ScanRun *r, Assembly *a, const LoopInput *in, const char *kind) {
    const char *name = arena_printf(s->arena, "%s%u", kind, a->operands.len);
    Shape shape = graph_shape(r->build.g, in->inner);
    const GNode *n = graph_node(r->build.g, in->inner);
    a->copy[in->inner.id] = g_input(a->body, ctx_sym(s->ctx, name), n->dtype, &shape, n->span);
    vec_push(s->arena, &a->operands, in->outer);
}

static LoopInput *slot_input(ScanRun *r, uint32_t slot) {
    for (uint32_t i = 0; i < r->loop.inputs.len; i++)
        if (r->loop.inputs.data[i].slot == (int32_t)slot) return &r->loop.inputs.data[i];
    BUG("slot %u is written before it is read", slot);
}

static void order_inputs(Sema *s, ScanRun *r, Assembly *a) {
    a->copy[r->loop.inputs.data[0].inner.id] = (NodeId){0};
    for (uint32_t i = 0; i < r->loop.writes.len; i++)
        slot_input(r, r->loop.writes.data[i].slot)->kind = LOOP_INPUT_KINDS;
    for (uint32_t i = 0; i < r->loop.inputs.len; i++)
        if (r->loop.inputs.data[i].kind == LOOP_CARRY)
            add_input(s, r, a, &r->loop.inputs.data[i], "carry");
    for (uint32_t i = 0; i < r->loop.writes.len; i++)
        add_input(s, r, a, slot_input(r, r->loop.writes.data[i].slot), "carry");
    a->scan.carries = a->operands.len;
    for (uint32_t i = 0; i < r->loop.inputs.len; i++) {
        const LoopInput *in = &r->loop.inputs.data[i];
        if (in->kind != LOOP_SEQUENCE || !a->live[in->inner.id]) continue;
        add_input(s, r, a, in, "element");
        vec_push(s->arena, &a->axes, in->axis);
    }
    a->scan.sequences = a->axes.len;
    for (uint32_t i = 0; i < r->loop.inputs.len; i++) {
        const LoopInput *in = &r->loop.inputs.data[i];
        if (in->kind != LOOP_CAPTURE || !a->live[in->inner.id]) continue;
        const void *key = (const void *)((uintptr_t)(in->outer.id + 1) << 4);
        uint32_t known;
        if (ptrmap_get(&a->captured, key, &known)) {
            a->copy[in->inner.id] = (NodeId){known};
            continue;
        }
        add_input(s, r, a, in, "captured");
        ptrmap_put(s, &a->captured, key, a->copy[in->inner.id].id);
    }
    a->scan.captures = a->operands.len - a->scan.carries - a->scan.sequences;
}

static void copy_block(Sema *s, ScanRun *r, Assembly *a) {
    const Graph *from = r->build.g;
    for (uint32_t i = 0; i < from->bodies.len; i++)
        vec_push(s->arena, &a->body->bodies, from->bodies.data[i]);
    for (uint32_t i = 0; i < graph_size(from); i++) {
        const GNode *n = graph_node(from, (NodeId){i});
        if (!a->live[i] || n->op == OP_INPUT) continue;
        Shape shape = graph_shape(from, (NodeId){i});
        NodeId *args = ARENA_ARRAY(s->arena, NodeId, n->nargs + 1);
        for (uint32_t k = 0; k < n->nargs; k++) args[k] = a->copy[n->args[k].id];
        a->copy[i] =
            graph_add(a->body, n->op, n->dtype, &shape, args, n->nargs, n->attr, n->nattr, n->span);
    }
    Sym next = ctx_sym(s->ctx, "next"), yield = ctx_sym(s->ctx, "yield");
    for (uint32_t i = 0; i < r->next.len; i++)
        graph_output(a->body, next, a->copy[r->next.data[i].id]);
    for (uint32_t i = 0; i < r->out.len; i++)
        graph_output(a->body, yield, a->copy[r->out.data[i].id]);
}

static void add_loop(ScanRun *r, const Scan *scan, const NodeId *operands) {
    Graph *g = r->build.outer->g;
    Span span = r->node->span;
    if (r->cut) *r->cut = segments_possible(g, scan);
    if (r->cut && *r->cut) {
        r->results = segments_add(g, scan, operands, span);
        return;
    }
    uint32_t count = scan->carries + scan->yields;
    NodeId loop = g_scan(g, scan, operands, span);
    r->results = ARENA_ARRAY(g->ctx->arena, NodeId, count + 1);
    for (uint32_t i = 0; i < count; i++) r->results[i] = g_take(g, loop, i, span);
}

static void finish(Sema *s, ScanRun *r) {
    uint32_t size = graph_size(r->build.g);
    Assembly a = {.body = scan_body(r->build.outer->g),
                  .copy = ARENA_ARRAY(s->arena, NodeId, size),
                  .live = ARENA_ARRAY(s->arena, bool, size)};
    mark_live(r->build.g, r->next.data, r->next.len, a.live);
    mark_live(r->build.g, r->out.data, r->out.len, a.live);
    order_inputs(s, r, &a);
    copy_block(s, r, &a);
    int64_t *yield_axis = ARENA_ARRAY(s->arena, int64_t, r->out.len + 1);
    for (uint32_t i = 0; i < r->out.len; i++) { /* back at its place, or last */
        uint32_t rank = graph_node(r->build.g, r->out.data[i])->rank;
        yield_axis[i] = r->axis[0] < (int64_t)rank ? r->axis[0] : rank;
    }
    a.scan.body = a.body;
    a.scan.yields = r->out.len;
    a.scan.trip = r->loop.trip;
    a.scan.sequence_axis = a.axes.data;
    a.scan.yield_axis = yield_axis;
    add_loop(r, &a.scan, a.operands.data);
}

/* ------------------------------------------------------------------ afterwards */

static Value stacked(Sema *s, ScanRun *r, Value like, uint32_t *next) {
    if (like.kind == V_TUPLE) {
        Value v = value_list(s, like.as.list.items, like.as.list.count);
        v.kind = V_TUPLE;
        for (uint32_t i = 0; i < v.as.list.count; i++)
            v.as.list.items[i] = stacked(s, r, like.as.list.items[i], next);
        return v;
    }
    if (like.kind == V_BUNDLE) {
        Bundle *b = ARENA_NEW(s->arena, Bundle);
        b->graph = sema_graph(s);
        b->items = ARENA_ARRAY(s->arena, BundleItem, like.as.bundle->count);
        for (; b->count < like.as.bundle->count; b->count++)
            b->items[b->count] = (BundleItem){.path = like.as.bundle->items[b->count].path,
                                              .slot = -1,
                                              .node = r->results[(*next)++]};
        return (Value){.kind = V_BUNDLE, .as.bundle = b};
    }
    return value_tensor(s, r->results[(*next)++]);
}

static Value results(Sema *s, ScanRun *r) {
    Graph *g = sema_graph(s);
    Span span = r->node->span;
    for (uint32_t i = 0; i < r->carries; i++)
        scope_assign(s, r->with->kids[i]->name, value_tensor(s, r->results[i]),
                     r->with->kids[i]->name_span);
    for (uint32_t i = 0; i < r->loop.writes.len; i++)
        slot_written(s, r->loop.writes.data[i].slot, r->results[r->carries + i], span);
    uint32_t next = r->next.len;
    Value v = r->yields.first ? stacked(s, r, r->yields.value, &next) : NONE;
    for (uint32_t i = 0; i < r->losses; i++) {
        uint32_t axis = 0;
        NodeId all = r->results[r->next.len + r->out.len - r->shown - r->losses + i];
        vec_push(s->arena, &s->build->objectives, g_reduce(g, OP_SUM, all, &axis, 1, span));
    }
    for (uint32_t i = 0; i < r->shown; i++) {
        Shown shown = {
            .title = arena_printf(s->arena, "%s, all iterations", r->build.shown.data[i].title),
            .node = r->results[r->next.len + r->out.len - r->shown + i]};
        vec_push(s->arena, &s->build->shown, shown);
    }
    return v;
}

static void poison_carries(Sema *s, ScanRun *r) {
    for (uint32_t i = 0; i < r->carries; i++)
        scope_assign(s, r->with->kids[i]->name, POISON, r->with->kids[i]->name_span);
}

static Value run_scan(Sema *s, const Node *e, bool *cut) {
    const Node *over = node_kid(e, 0), *with = node_kid(e, 2);
    if (!over || !node_kid(e, 1) || !node_kid(e, 3)) return POISON;
    if (!s->build || !s->frame) {
        sema_error(s, E_STATIC, e->span, "a `scan` where only values known at compile time can be");
        return POISON;
    }
    ScanRun r = {.node = e,
                 .over = over,
                 .with = with,
                 .cut = cut,
                 .sequences = over->count,
                 .carries = with ? with->count : 0};
    r.whole = ARENA_ARRAY(s->arena, Value, r.sequences + 1);
    r.axis = ARENA_ARRAY(s->arena, int64_t, r.sequences + 1);
    r.first = ARENA_ARRAY(s->arena, Value, r.carries + 1);
    bool ok = eval_sequences(s, &r) && eval_carries(s, &r);
    for (uint32_t i = 0; ok && i < r.sequences; i++) {
        r.whole[i].as.tensor.node = tensor_node(s, r.whole[i], e->span);
        ok = !node_is_none(r.whole[i].as.tensor.node);
        r.whole[i].as.tensor.graph = sema_graph(s);
    }
    for (uint32_t i = 0; ok && i < r.carries; i++) {
        r.first[i].as.tensor.node = tensor_node(s, r.first[i], e->span);
        ok = !node_is_none(r.first[i].as.tensor.node);
        r.first[i].as.tensor.graph = sema_graph(s);
    }
    if (!ok) {
        poison_carries(s, &r);
        return POISON;
    }
    begin(s, &r);
    exec_body(s, &r);
    ok = !s->frame->returned && collect(s, &r);
    build_end(s, &r.build);
    memos_spent(s, &r.build);
    if (ok) {
        finish(s, &r);
        return results(s, &r);
    }
    poison_carries(s, &r);
    return POISON;
}

Value eval_scan(Sema *s, const Node *e) {
    return run_scan(s, e, NULL);
}

Value scan_in_segments(Sema *s, const Node *e, bool *done) {
    *done = false;
    return run_scan(s, e, done);
}
