/* `checkpoint(scan ...)` of T iterations, T known: an outer loop over segments of about sqrt(T)
 * iterations, each a loop of its own that runs in `checkpoint` (a loop that runs once, scan.h).
 * What is kept for the gradient is the carries where segments begin; the backward loop takes the
 * segments from the last to the first and runs each again before it goes back through it
 * (Griewank 1992; Chen et al. 2016). Iterations that are left over are a segment after the others.
 *
 * The body is that of the plain loop, its iteration's number counted through: draws are the same.
 */
#include "compiler/sema/segments.h"

typedef struct Segments {
    const Scan *s; /* the loop to be cut */
    Graph *inner;  /* its body, with one captured value more: the number of the first iteration */
    int64_t trip, size, count, rest;
    Span span;
} Segments;

/* ------------------------------------------------------------------ sizes */

/* The divisor of `trip` that is nearest to its root, within a factor of two; else the root. */
static int64_t segment_size(int64_t trip) {
    int64_t root = 1;
    while (root < trip / root || root * root < trip) root++;
    for (int64_t d = 0; d <= root; d++) {
        int64_t less = root - d, more = root + d;
        if (less >= (root + 1) / 2 && trip % less == 0) return less;
        if (more <= 2 * root && more <= trip / 2 && trip % more == 0) return more;
    }
    return root;
}

static bool ranks_fit(const Scan *s) {
    const Graph *body = s->body;
    for (uint32_t i = 0; i < s->sequences; i++)
        if (body->inputs.data[scan_sequence_input(s, i)].shape.rank + 2 > RANK_MAX) return false;
    for (uint32_t i = 0; i < s->carries + s->yields; i++) {
        uint32_t rank = graph_shape(body, body->outputs.data[i].node).rank;
        if (rank + (i < s->carries ? 1 : 2) > RANK_MAX) return false;
    }
    return true;
}

bool segments_possible(const Graph *g, const Scan *s) {
    return dim_is_const(g->dims, s->trip) && dim_value(g->dims, s->trip) >= 4 && ranks_fit(s);
}

/* ------------------------------------------------------------------ the body of an iteration */

static NodeId like_input(Graph *to, const GraphInput *in, const Shape *shape, Span span) {
    return g_input(to, in->name, in->dtype, shape, span);
}

/* The same body, but its iteration's number is `first` (the last input) plus the own one. */
static Graph *shifted_body(const Graph *outer, const Graph *from, Span span) {
    Arena *arena = outer->ctx->arena;
    Graph *body = scan_body(outer);
    uint32_t size = graph_size(from);
    NodeId *input = ARENA_ARRAY(arena, NodeId, from->inputs.len);
    NodeId *map = ARENA_ARRAY(arena, NodeId, size + 1);
    Shape scalar = {.rank = 0};
    for (uint32_t i = 1; i < from->inputs.len; i++)
        input[i] = like_input(body, &from->inputs.data[i], &from->inputs.data[i].shape, span);
    NodeId first = g_input(body, ctx_sym(outer->ctx, "first"), DTYPE_I64, &scalar, span);
    input[0] = g_binary(body, OP_ADD, first, (NodeId){0}, span);
    for (uint32_t i = 0; i < from->bodies.len; i++)
        vec_push(arena, &body->bodies, from->bodies.data[i]);
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(from, (NodeId){i});
        if (n->op == OP_INPUT) {
            map[i] = input[n->attr[0]];
            continue;
        }
        Shape shape = graph_shape(from, (NodeId){i});
        NodeId *args = ARENA_ARRAY(arena, NodeId, n->nargs + 1);
        for (uint32_t k = 0; k < n->nargs; k++) args[k] = map[n->args[k].id];
        map[i] =
            graph_add(body, n->op, n->dtype, &shape, args, n->nargs, n->attr, n->nattr, n->span);
    }
    for (uint32_t i = 0; i < from->outputs.len; i++)
        graph_output(body, from->outputs.data[i].name, map[from->outputs.data[i].node.id]);
    return body;
}

/* ------------------------------------------------------------------ one segment */

static Shape with_axis(Shape shape, int64_t axis, DimId size) {
    for (int64_t i = shape.rank; i > axis; i--) shape.dims[i] = shape.dims[i - 1];
    shape.dims[axis] = size;
    shape.rank++;
    return shape;
}

/* An input of the plain loop's body as a segment of `size` iterations sees it. */
static Shape segment_input(const Segments *c, Graph *g, uint32_t input, int64_t size) {
    const Scan *s = c->s;
    Shape shape = s->body->inputs.data[input].shape;
    uint32_t sequence = input - scan_sequence_input(s, 0);
    if (input < scan_sequence_input(s, 0) || sequence >= s->sequences) return shape;
    return with_axis(shape, s->sequence_axis[sequence], dim_const(g->dims, size));
}

/* The inputs of a graph that contains a segment; the first iteration's number is not among them. */
static uint32_t segment_inputs(const Segments *c, Graph *to, int64_t size, NodeId *input) {
    const Graph *body = c->s->body;
    for (uint32_t i = 1; i < body->inputs.len; i++) {
        Shape shape = segment_input(c, to, i, size);
        input[i - 1] = like_input(to, &body->inputs.data[i], &shape, c->span);
    }
    return body->inputs.len - 1;
}

/* Adds to g a segment that runs once; operands and results are those of the plain loop, with the
 * first iteration's number as the last operand. */
static void add_segment(const Segments *c, Graph *g, int64_t size, const NodeId *operands,
                        NodeId *results) {
    const Scan *s = c->s;
    Context *ctx = g->ctx;
    uint32_t count = s->carries + s->yields;
    Graph *once = scan_body(g);
    NodeId *input = ARENA_ARRAY(ctx->arena, NodeId, c->inner->inputs.len);
    Shape scalar = {.rank = 0};
    uint32_t inputs = segment_inputs(c, once, size, input);
    input[inputs++] = g_input(once, ctx_sym(ctx, "first"), DTYPE_I64, &scalar, c->span);
    Scan inner = *s;
    inner.body = c->inner;
    inner.captures++;
    inner.trip = dim_const(g->dims, size);
    NodeId loop = g_scan(once, &inner, input, c->span);
    for (uint32_t i = 0; i < count; i++)
        graph_output(once, ctx_sym(ctx, "yield"), g_take(once, loop, i, c->span));
    Scan run = {.body = once,
                .captures = inputs,
                .yields = count,
                .once = true,
                .trip = dim_const(g->dims, 1),
                .yield_axis = ARENA_ARRAY(ctx->arena, int64_t, count + 1)};
    NodeId all = g_scan(g, &run, operands, c->span);
    for (uint32_t i = 0; i < count; i++) {
        Shape shape = graph_shape(once, once->outputs.data[i].node);
        results[i] = g_reshape(g, g_take(g, all, i, c->span), &shape, c->span);
    }
}

/* ------------------------------------------------------------------ all of them */

static NodeId part_of(const Segments *c, Graph *g, NodeId whole, int64_t axis, int64_t first,
                      int64_t extent) {
    Shape shape = graph_shape(g, whole);
    if (extent == c->trip) return whole;
    DimId from[RANK_MAX], size[RANK_MAX];
    int64_t step[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) {
        from[i] = dim_const(g->dims, i == (uint32_t)axis ? first : 0);
        size[i] = i == (uint32_t)axis ? dim_const(g->dims, extent) : shape.dims[i];
        step[i] = 1;
    }
    return g_slice(g, whole, from, size, step, c->span);
}

static NodeId number(const Segments *c, Graph *g, int64_t value) {
    Shape scalar = {.rank = 0};
    return g_const_int(g, DTYPE_I64, &scalar, value, c->span);
}

/* The loop over whole segments. */
static void add_loop(const Segments *c, Graph *g, const NodeId *operands, NodeId *results) {
    const Scan *s = c->s;
    Arena *arena = g->ctx->arena;
    uint32_t count = s->carries + s->yields, nargs = s->carries + s->sequences + s->captures;
    Graph *body = scan_body(g);
    NodeId *args = ARENA_ARRAY(arena, NodeId, nargs + 1);
    NodeId *input = ARENA_ARRAY(arena, NodeId, nargs + 1);
    NodeId *inside = ARENA_ARRAY(arena, NodeId, count + 1);
    uint32_t inputs = segment_inputs(c, body, c->size, input);
    input[inputs] = g_binary(body, OP_MUL, (NodeId){0}, number(c, body, c->size), c->span);
    add_segment(c, body, c->size, input, inside);
    for (uint32_t i = 0; i < count; i++)
        graph_output(body, s->body->outputs.data[i].name, inside[i]);
    memcpy(args, operands, nargs * sizeof *args);
    for (uint32_t i = 0; i < s->sequences; i++) {
        NodeId *whole = &args[s->carries + i];
        int64_t axis = s->sequence_axis[i];
        *whole = part_of(c, g, *whole, axis, 0, c->count * c->size);
        Shape shape = graph_shape(g, *whole);
        shape.dims[axis] = dim_const(g->dims, c->size);
        shape = with_axis(shape, axis, dim_const(g->dims, c->count));
        *whole = g_reshape(g, *whole, &shape, c->span);
    }
    Scan outer = *s;
    outer.body = body;
    outer.segments = true;
    outer.trip = dim_const(g->dims, c->count);
    NodeId loop = g_scan(g, &outer, args, c->span);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = g_take(g, loop, i, c->span);
        if (i < s->carries) continue;
        Shape shape = graph_shape(body, inside[i]);
        shape.dims[s->yield_axis[i - s->carries]] = dim_const(g->dims, c->count * c->size);
        results[i] = g_reshape(g, results[i], &shape, c->span);
    }
}

static void add_rest(const Segments *c, Graph *g, const NodeId *operands, NodeId *results) {
    const Scan *s = c->s;
    uint32_t nargs = s->carries + s->sequences + s->captures;
    int64_t first = c->count * c->size;
    NodeId *args = ARENA_ARRAY(g->ctx->arena, NodeId, nargs + 1);
    memcpy(args, operands, nargs * sizeof *args);
    for (uint32_t i = 0; i < s->sequences; i++)
        args[s->carries + i] =
            part_of(c, g, args[s->carries + i], s->sequence_axis[i], first, c->rest);
    args[nargs] = number(c, g, first);
    add_segment(c, g, c->rest, args, results);
}

NodeId *segments_add(Graph *g, const Scan *s, const NodeId *operands, Span span) {
    Arena *arena = g->ctx->arena;
    INVARIANT(segments_possible(g, s));
    uint32_t count = s->carries + s->yields, nargs = s->carries + s->sequences + s->captures;
    Segments c = {.s = s, .trip = dim_value(g->dims, s->trip), .span = span};
    c.size = segment_size(c.trip);
    c.count = c.trip / c.size;
    c.rest = c.trip % c.size;
    c.inner = shifted_body(g, s->body, span);
    NodeId *results = ARENA_ARRAY(arena, NodeId, count + 1);
    add_loop(&c, g, operands, results);
    if (c.rest == 0) return results;
    NodeId *args = ARENA_ARRAY(arena, NodeId, nargs + 1);
    NodeId *last = ARENA_ARRAY(arena, NodeId, count + 1);
    memcpy(args, operands, nargs * sizeof *args);
    memcpy(args, results, s->carries * sizeof *args);
    add_rest(&c, g, args, last);
    for (uint32_t i = s->carries; i < count; i++) {
        NodeId parts[2] = {results[i], last[i]};
        last[i] = g_concat(g, parts, 2, (uint32_t)s->yield_axis[i - s->carries], span);
    }
    return last;
}
