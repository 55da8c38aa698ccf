/* Loops: what a body need not do is taken out of it.
 *
 * - results that nothing reads go, with the carries, sequences and captured values that only they
 *   needed; a carry that never changes is its first value
 * - values that are the same in every iteration are computed once, before the loop; constants are
 *   made inside
 * - a contraction of a stream (computed from elements of sequences only) with a fixed value is one
 *   contraction over all iterations before the loop: x @ w of a recurrent layer
 * - a loop of one iteration is its body
 *
 * Why here and not in LLVM: it sees no tensors. All of it keeps every bit: the order of a
 * contraction's k does not change. Precondition: no GRAD. Postcondition: none of it applies.
 * Cost: linear in the bodies, times a few rounds. Source: docs/scan.md. */
#include "compiler/opt/loop_edit.h"
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

enum { ROUNDS_MAX = 6 };

typedef struct Walk {
    const Graph *from;
    Graph *to;
    Arena *arena;
    NodeId *map;
    NodeId **results; /* per SCAN of `from`: per result, its value in `to` */
    bool **used;
} Walk;

static NodeId input_node(const Graph *body, uint32_t input) {
    for (uint32_t i = 0; i < graph_size(body); i++) {
        const GNode *n = graph_node(body, (NodeId){i});
        if (n->op == OP_INPUT && n->attr[0] == input) return (NodeId){i};
    }
    return NODE_NONE;
}

static NodeId output_of(const LoopEdit *e, uint32_t i) {
    return e->body->outputs.data[i].node;
}

/* ------------------------------------------------------------------ what is wanted */

/* Marks live[] and wanted[] of results: those that are used, and the carries that these need. */
static void want(const LoopEdit *e, bool *live, bool *wanted) {
    uint32_t results = e->old.carries + e->old.yields;
    memcpy(wanted, e->used, results * sizeof *wanted);
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < results; i++)
            if (wanted[i]) live[output_of(e, i).id] = true;
        for (uint32_t i = graph_size(e->body); i-- > 0;) {
            const GNode *n = graph_node(e->body, (NodeId){i});
            for (uint32_t k = 0; live[i] && k < n->nargs; k++) live[n->args[k].id] = true;
        }
        for (uint32_t i = 0; i < graph_size(e->body); i++) {
            const GNode *n = graph_node(e->body, (NodeId){i});
            if (!live[i] || n->op != OP_INPUT) continue;
            uint32_t carry = (uint32_t)n->attr[0] - 1;
            if (n->attr[0] == 0 || carry >= e->old.carries || wanted[carry]) continue;
            wanted[carry] = more = true;
        }
    }
}

/* ------------------------------------------------------------------ what depends on what */

static Dependence input_depends(LoopEdit *e, uint32_t id, const GNode *n) {
    uint32_t input = (uint32_t)n->attr[0];
    if (input == 0) return TURN;
    if (input <= e->old.carries) {
        if (output_of(e, input - 1).id != id) return TURN;
        e->fixed[id] = e->operands[input - 1];
        return FIXED;
    }
    if (input <= e->old.carries + e->old.sequences) {
        uint32_t sequence = input - 1 - e->old.carries;
        const GNode *whole = graph_node(e->to, e->operands[input - 1]);
        if (whole->op == OP_IOTA && whole->attr[0] == e->old.sequence_axis[sequence]) return TURN;
        e->fixed[id] = fixed_element(e, sequence);
        return node_is_none(e->fixed[id]) ? STREAM : FIXED;
    }
    e->fixed[id] = e->operands[input - 1];
    return FIXED;
}

/* What may set a flag of the step runs only if the loop does; loops and draws stay. */
static bool must_stay(const GNode *n) {
    OpClass cls = op_info(n->op)->cls;
    bool divides = n->op == OP_DIV || n->op == OP_MOD;
    return cls == CLASS_INDEX || cls == CLASS_LOOP || (divides && !dtype_is_float(n->dtype));
}

static Dependence node_depends(LoopEdit *e, const GNode *n) {
    if (must_stay(n)) return TURN;
    Dependence d = FIXED;
    for (uint32_t k = 0; k < n->nargs; k++)
        if (e->depends[n->args[k].id] > d) d = e->depends[n->args[k].id];
    bool stays = !hoist_knows(e, n) || (e->old.segments && n->op == OP_CONTRACT);
    return d == STREAM && stays ? TURN : d;
}

static void classify(LoopEdit *e, const bool *live) {
    for (uint32_t i = 0; i < graph_size(e->body); i++) {
        const GNode *n = graph_node(e->body, (NodeId){i});
        e->fixed[i] = e->all[i] = NODE_NONE;
        if (!live[i]) continue;
        bool passes_on = op_is_elementwise(n->op) || op_info(n->op)->cls == CLASS_VIEW;
        e->absent[i] = n->op == OP_WINDOW;
        for (uint32_t k = 0; passes_on && k < n->nargs; k++)
            e->absent[i] = e->absent[i] || e->absent[n->args[k].id];
        e->depends[i] = n->op == OP_INPUT ? input_depends(e, i, n) : node_depends(e, n);
    }
}

static bool is_made_inside(const GNode *n) {
    return (n->op == OP_CONST && n->nattr == 1) || n->op == OP_SIZE || n->op == OP_IOTA;
}

/* Captured values, streams and what is fixed come in from outside; views stay, they cost nothing
 * and what they show may be smaller. */
static bool comes_in(const LoopEdit *e, uint32_t i) {
    const GNode *n = graph_node(e->body, (NodeId){i});
    if (e->depends[i] == TURN) return false;
    if (e->depends[i] == STREAM) return n->op == OP_CONTRACT;
    if (n->op == OP_INPUT) return true;
    return !is_made_inside(n) && op_info(n->op)->cls != CLASS_VIEW && !e->absent[i];
}

static void choose(LoopEdit *e, const bool *wanted) {
    for (uint32_t i = 0; i < e->old.carries + e->old.yields; i++) {
        NodeId node = output_of(e, i);
        bool outside = i >= e->old.carries && e->depends[node.id] == FIXED && !e->absent[node.id];
        if (wanted[i] && !outside) e->inside[node.id] = true;
        if (wanted[i] && outside) e->pick[node.id] = true;
    }
    for (uint32_t i = graph_size(e->body); i-- > 0;) {
        const GNode *n = graph_node(e->body, (NodeId){i});
        if (!e->inside[i]) continue;
        if (comes_in(e, i)) {
            e->pick[i] = true;
            continue;
        }
        for (uint32_t k = 0; k < n->nargs; k++) e->inside[n->args[k].id] = true;
    }
}

/* ------------------------------------------------------------------ the new loop */

typedef struct NewLoop {
    Graph *body;
    VEC(NodeId) operands;
    VEC(int64_t) sequence_axis, yield_axis;
    VEC(NodeId) yields; /* nodes of the new body */
    NodeId *copy;       /* per node of the old body */
    uint32_t carries, sequences;
} NewLoop;

static NodeId new_input(LoopEdit *e, NewLoop *l, const char *kind, NodeId operand, const GNode *n) {
    Shape shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    const char *name = arena_printf(e->arena, "%s%u", kind, l->operands.len);
    vec_push(e->arena, &l->operands, operand);
    return g_input(l->body, ctx_sym(e->to->ctx, name), n->dtype, &shape, n->span);
}

static bool is_fixed_carry(const LoopEdit *e, uint32_t i) {
    const GNode *n = graph_node(e->body, output_of(e, i));
    return n->op == OP_INPUT && n->attr[0] == 1 + i;
}

static void add_carries(LoopEdit *e, NewLoop *l, const bool *wanted) {
    for (uint32_t i = 0; i < e->old.carries; i++) {
        if (!wanted[i] || is_fixed_carry(e, i)) continue;
        NodeId in = input_node(e->body, scan_carry_input(&e->old, i));
        NodeId made =
            new_input(e, l, "carry", e->operands[i], graph_node(e->body, output_of(e, i)));
        if (!node_is_none(in)) l->copy[in.id] = made;
        l->carries++;
    }
}

/* A sequence that is there already, or NODE_NONE. */
static NodeId known_input(const NewLoop *l, NodeId operand, int64_t axis) {
    for (uint32_t i = l->carries; i < l->operands.len; i++) {
        bool sequence = i < l->carries + l->sequences;
        if (!node_same(l->operands.data[i], operand) || sequence != (axis >= 0)) continue;
        if (sequence && l->sequence_axis.data[i - l->carries] != axis) continue;
        return input_node(l->body, 1 + i);
    }
    return NODE_NONE;
}

static void add_sequence(LoopEdit *e, NewLoop *l, uint32_t id, NodeId operand, int64_t axis) {
    l->copy[id] = known_input(l, operand, axis);
    if (!node_is_none(l->copy[id])) return;
    l->copy[id] = new_input(e, l, "element", operand, graph_node(e->body, (NodeId){id}));
    vec_push(e->arena, &l->sequence_axis, axis);
    l->sequences++;
}

static void add_inputs(LoopEdit *e, NewLoop *l, const bool *wanted) {
    add_carries(e, l, wanted);
    for (uint32_t i = 0; i < graph_size(e->body); i++) {
        const GNode *n = graph_node(e->body, (NodeId){i});
        if (!e->inside[i] || e->depends[i] != STREAM) continue;
        if (e->pick[i])
            add_sequence(e, l, i, e->all[i], 0);
        else if (n->op == OP_INPUT)
            add_sequence(e, l, i, e->operands[n->attr[0] - 1],
                         e->old.sequence_axis[n->attr[0] - 1 - e->old.carries]);
    }
    for (uint32_t i = 0; i < graph_size(e->body); i++) {
        if (!e->inside[i] || !e->pick[i] || e->depends[i] != FIXED) continue;
        const GNode *value = graph_node(e->to, e->fixed[i]);
        if (is_made_inside(value)) {
            l->copy[i] = rewrite_add(l->body, value);
            continue;
        }
        l->copy[i] = known_input(l, e->fixed[i], -1);
        if (node_is_none(l->copy[i]))
            l->copy[i] = new_input(e, l, "captured", e->fixed[i], graph_node(e->body, (NodeId){i}));
    }
}

/* Element t of positions is computed from t. */
static NodeId position(LoopEdit *e, NewLoop *l, const GNode *n) {
    (void)e;
    NodeId at = {0};
    Shape shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    if (n->dtype != DTYPE_I64) at = g_cast(l->body, n->dtype, at, n->span);
    return shape.rank ? g_splat(l->body, at, &shape, n->span) : at;
}

static NodeId copy_into(Graph *to, const Graph *from, const GNode *n, const NodeId *copy) {
    GNode own = *n;
    NodeId *args = ARENA_ARRAY(to->ctx->arena, NodeId, n->nargs + 1);
    for (uint32_t k = 0; k < n->nargs; k++) args[k] = copy[n->args[k].id];
    own.args = args;
    if (n->op == OP_SCAN) {
        int64_t *attr = ARENA_ARRAY(to->ctx->arena, int64_t, n->nattr);
        memcpy(attr, n->attr, n->nattr * sizeof *attr);
        attr[0] = graph_body(to, from->bodies.data[n->attr[0]]);
        own.attr = attr;
    }
    return rewrite_add(to, &own);
}

static void copy_inside(LoopEdit *e, NewLoop *l) {
    for (uint32_t i = 0; i < graph_size(e->body); i++) {
        const GNode *n = graph_node(e->body, (NodeId){i});
        if (!e->inside[i] || e->pick[i]) continue;
        if (n->op != OP_INPUT)
            l->copy[i] = copy_into(l->body, e->body, n, l->copy);
        else if (n->attr[0] == 0)
            l->copy[i] = (NodeId){0};
        else if (n->attr[0] > e->old.carries && e->depends[i] == TURN)
            l->copy[i] = position(e, l, n);
    }
}

static uint32_t add_yield(LoopEdit *e, NewLoop *l, NodeId node, int64_t axis) {
    for (uint32_t i = 0; i < l->yields.len; i++)
        if (node_same(l->yields.data[i], node) && l->yield_axis.data[i] == axis) return i;
    vec_push(e->arena, &l->yields, node);
    vec_push(e->arena, &l->yield_axis, axis);
    return l->yields.len - 1;
}

/* A yield that needs no loop: the same in every iteration, or a whole sequence. */
static NodeId yield_outside(LoopEdit *e, uint32_t yield) {
    NodeId node = output_of(e, e->old.carries + yield);
    const GNode *n = graph_node(e->body, node);
    int64_t axis = e->old.yield_axis[yield];
    NodeId whole = NODE_NONE;
    if (e->depends[node.id] == STREAM && n->op == OP_INPUT) {
        if (e->old.sequence_axis[n->attr[0] - 1 - e->old.carries] == axis)
            return e->operands[n->attr[0] - 1];
        return NODE_NONE;
    }
    if (e->depends[node.id] == STREAM && e->pick[node.id]) whole = e->all[node.id];
    if (!node_is_none(whole)) {
        uint32_t perm[RANK_MAX];
        for (uint32_t i = 0; i <= n->rank; i++) perm[i] = i < (uint64_t)axis ? i + 1 : i;
        perm[axis] = 0;
        return axis == 0 ? whole : g_permute(e->to, whole, perm, e->span);
    }
    if (e->depends[node.id] != FIXED || e->absent[node.id]) return NODE_NONE;
    Shape to = {.rank = n->rank + 1};
    int32_t from[RANK_MAX];
    for (uint32_t i = 0, k = 0; i <= n->rank; i++) {
        from[i] = i == (uint64_t)axis ? -1 : (int32_t)k;
        to.dims[i] = i == (uint64_t)axis ? e->old.trip : n->dims[k++];
    }
    const GNode *value = graph_node(e->to, e->fixed[node.id]);
    if (value->op == OP_CONST && value->nattr == 1)
        return graph_add(e->to, OP_CONST, n->dtype, &to, NULL, 0, value->attr, 1, n->span);
    return g_broadcast(e->to, e->fixed[node.id], &to, from, e->span);
}

/* Whether a pass that changed nothing made this body: bodies that print alike are equal. */
static bool is_as_before(const LoopEdit *e, const Graph *body) {
    Text a = {.arena = e->arena}, b = {.arena = e->arena};
    graph_print(&a, body);
    graph_print(&b, e->body);
    return strcmp(text_str(&a), text_str(&b)) == 0;
}

static void new_loop(LoopEdit *e, const bool *wanted, NodeId *results) {
    uint32_t carries = e->old.carries, yields = e->old.yields, size = graph_size(e->body);
    Context *ctx = e->to->ctx;
    NewLoop l = {.body = scan_body(e->to), .copy = ARENA_ARRAY(e->arena, NodeId, size)};
    uint32_t *number = ARENA_ARRAY(e->arena, uint32_t, carries + yields + 1);
    add_inputs(e, &l, wanted);
    copy_inside(e, &l);
    for (uint32_t i = 0, k = 0; i < carries; i++) {
        number[i] = UINT32_MAX;
        if (wanted[i] && is_fixed_carry(e, i)) results[i] = e->operands[i];
        if (!wanted[i] || is_fixed_carry(e, i)) continue;
        graph_output(l.body, ctx_sym(ctx, "next"), l.copy[output_of(e, i).id]);
        number[i] = k++;
    }
    for (uint32_t i = 0; i < yields; i++) {
        number[carries + i] = UINT32_MAX;
        if (!wanted[carries + i]) continue;
        results[carries + i] = yield_outside(e, i);
        if (node_is_none(results[carries + i]))
            number[carries + i] = l.carries + add_yield(e, &l, l.copy[output_of(e, carries + i).id],
                                                        e->old.yield_axis[i]);
    }
    for (uint32_t i = 0; i < l.yields.len; i++)
        graph_output(l.body, ctx_sym(ctx, "yield"), l.yields.data[i]);
    if (l.carries + l.yields.len == 0) return;
    Scan s = {.body = is_as_before(e, l.body) ? e->body : l.body,
              .carries = l.carries,
              .sequences = l.sequences,
              .captures = l.operands.len - l.carries - l.sequences,
              .yields = l.yields.len,
              .reverse = e->old.reverse,
              .segments = e->old.segments,
              .trip = e->old.trip,
              .sequence_axis = l.sequence_axis.data,
              .yield_axis = l.yield_axis.data};
    NodeId scan = g_scan(e->to, &s, l.operands.data, e->span);
    for (uint32_t i = 0; i < carries + yields; i++)
        if (e->used[i] && number[i] != UINT32_MAX)
            results[i] = g_take(e->to, scan, number[i], e->span);
}

/* ------------------------------------------------------------------ one iteration */

static NodeId first_element(LoopEdit *e, uint32_t sequence) {
    NodeId whole = e->operands[e->old.carries + sequence];
    const GNode *n = graph_node(e->to, whole);
    Shape shape = {.rank = 0};
    for (uint32_t i = 0; i < n->rank; i++)
        if (i != (uint64_t)e->old.sequence_axis[sequence]) shape.dims[shape.rank++] = n->dims[i];
    return g_reshape(e->to, whole, &shape, e->span);
}

static NodeId stacked_once(LoopEdit *e, NodeId value, int64_t axis) {
    Shape shape = graph_shape(e->to, value), to = {.rank = shape.rank + 1};
    for (uint32_t i = 0, k = 0; i < to.rank; i++)
        to.dims[i] = i == (uint64_t)axis ? e->old.trip : shape.dims[k++];
    return g_reshape(e->to, value, &to, e->span);
}

static void body_once(LoopEdit *e, const bool *live, NodeId *results) {
    NodeId *copy = ARENA_ARRAY(e->arena, NodeId, graph_size(e->body));
    for (uint32_t i = 0; i < graph_size(e->body); i++) {
        const GNode *n = graph_node(e->body, (NodeId){i});
        if (!live[i]) continue;
        uint32_t input = n->op == OP_INPUT ? (uint32_t)n->attr[0] : 0;
        Shape scalar = {.rank = 0};
        if (n->op != OP_INPUT)
            copy[i] = copy_into(e->to, e->body, n, copy);
        else if (input == 0)
            copy[i] = g_const_int(e->to, DTYPE_I64, &scalar, 0, n->span);
        else if (input > e->old.carries && input <= e->old.carries + e->old.sequences)
            copy[i] = first_element(e, input - 1 - e->old.carries);
        else
            copy[i] = e->operands[input - 1];
    }
    for (uint32_t i = 0; i < e->old.carries + e->old.yields; i++) {
        if (!e->used[i]) continue;
        results[i] = copy[output_of(e, i).id];
        if (i >= e->old.carries)
            results[i] = stacked_once(e, results[i], e->old.yield_axis[i - e->old.carries]);
    }
}

/* ------------------------------------------------------------------ the walk */

static void rewrite_loop(Walk *w, uint32_t id, const GNode *n, const NodeId *args) {
    Scan old = scan_of(w->from, (NodeId){id});
    uint32_t size = graph_size(old.body), results = old.carries + old.yields;
    LoopEdit e = {.to = w->to,
                  .old = old,
                  .operands = args,
                  .used = w->used[id],
                  .span = n->span,
                  .arena = w->arena,
                  .body = old.body,
                  .depends = ARENA_ARRAY(w->arena, Dependence, size),
                  .absent = ARENA_ARRAY(w->arena, bool, size),
                  .inside = ARENA_ARRAY(w->arena, bool, size),
                  .pick = ARENA_ARRAY(w->arena, bool, size),
                  .fixed = ARENA_ARRAY(w->arena, NodeId, size),
                  .all = ARENA_ARRAY(w->arena, NodeId, size)};
    bool *live = ARENA_ARRAY(w->arena, bool, size);
    bool *wanted = ARENA_ARRAY(w->arena, bool, results + 1);
    w->results[id] = ARENA_ARRAY(w->arena, NodeId, results + 1);
    want(&e, live, wanted);
    if (dim_equals(w->from->dims, old.trip, 1)) {
        body_once(&e, live, w->results[id]);
        return;
    }
    classify(&e, live);
    choose(&e, wanted);
    hoist(&e);
    new_loop(&e, wanted, w->results[id]);
}

static void find_used(Walk *w, const bool *live) {
    for (uint32_t i = 0; i < graph_size(w->from); i++) {
        const GNode *n = graph_node(w->from, (NodeId){i});
        if (n->op == OP_SCAN)
            w->used[i] = ARENA_ARRAY(w->arena, bool, n->attr[1] + n->attr[4] + 1);
        else if (n->op == OP_TAKE && live[i])
            w->used[n->args[0].id][n->attr[0]] = true;
    }
}

/* Bodies may have other numbers in the two graphs. */
static bool same_node(const Graph *a, const Graph *b, NodeId id) {
    GNode x = *graph_node(a, id), y = *graph_node(b, id);
    if (x.op == OP_SCAN && y.op == OP_SCAN) {
        if (a->bodies.data[x.attr[0]] != b->bodies.data[y.attr[0]]) return false;
        x.attr++, x.nattr--;
        y.attr++, y.nattr--;
    }
    return node_equal(&x, &y);
}

static Graph *loops_once(const Graph *g) {
    uint32_t size = graph_size(g);
    Arena *arena = g->ctx->arena;
    Walk w = {.from = g,
              .to = graph_like(g),
              .arena = arena,
              .map = ARENA_ARRAY(arena, NodeId, size),
              .results = ARENA_ARRAY(arena, NodeId *, size),
              .used = ARENA_ARRAY(arena, bool *, size)};
    bool *live = ARENA_ARRAY(arena, bool, size), same = true;
    w.to->bodies.len = 0;
    graph_live(g, live);
    find_used(&w, live);
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        same = same && live[i];
        if (!live[i]) continue;
        NodeId *args = ARENA_ARRAY(arena, NodeId, n->nargs + 1);
        for (uint32_t k = 0; k < n->nargs; k++) args[k] = w.map[n->args[k].id];
        GNode own = *n;
        own.args = args;
        if (n->op == OP_SCAN)
            rewrite_loop(&w, i, n, args);
        else if (n->op == OP_TAKE)
            w.map[i] = w.results[n->args[0].id][n->attr[0]];
        else
            w.map[i] = rewrite_add(w.to, &own);
    }
    rewrite_roots(g, w.to, w.map);
    for (uint32_t i = 0; same && i < size; i++)
        same = i < graph_size(w.to) && same_node(g, w.to, (NodeId){i});
    return same ? (Graph *)g : w.to;
}

Graph *opt_loops(const Graph *g) {
    const Graph *now = opt_bodies(g, opt_loops);
    for (int round = 0; round < ROUNDS_MAX && now->bodies.len; round++) {
        Graph *next = loops_once(now);
        if (next == now) break;
        now = opt_fold(opt_simplify(next));
    }
    return (Graph *)now;
}
