/* Loops: a scan node becomes a loop of the order around the kernels of its body.
 *
 * The body is planned like an entry, by a Sched of its own that adds its kernels and buffers to the
 * same program. Nothing is copied to get in or out: captured values are read where they lie, an
 * element of a sequence is a slab of the whole, a yield is stored to its slab, and a carry lives in
 * the buffer that holds the loop's result after the last iteration. Inside the slabs' positions the
 * iteration's number is a size like any other, so kernels take it as they take the batch.
 *
 * Precondition: operands of a scan are stored (fuse.c). Cost: that of planning the body. */
#include "compiler/schedule/sched.h"

bool group_is_loop(const Sched *s, const Group *g) {
    return !node_is_none(g->core) && node_of(s, g->core)->op == OP_SCAN;
}

/* ------------------------------------------------------------------ slabs */

const Slab *slab_fix(Sched *s, const Shape *whole, const Slab *slab, uint32_t axis, DimId at) {
    Slab *made = ARENA_NEW(s->arena, Slab);
    if (slab) {
        *made = *slab;
    } else {
        made->rank = whole->rank;
        for (uint32_t i = 0; i < whole->rank; i++) {
            made->dims[i] = whole->dims[i];
            made->axis[i] = (int32_t)i;
        }
    }
    for (uint32_t i = 0; i < made->rank; i++) {
        if (made->axis[i] == (int32_t)axis) {
            made->axis[i] = -1;
            made->at[i] = at;
        } else if (made->axis[i] > (int32_t)axis) {
            made->axis[i]--;
        }
    }
    return made;
}

bool slab_is_prefix(const Slab *slab) {
    bool kept = false;
    for (uint32_t i = 0; i < slab->rank; i++) {
        if (slab->axis[i] < 0 && kept) return false;
        kept |= slab->axis[i] >= 0;
    }
    return true;
}

/* ------------------------------------------------------------------ results and first values */

static void results_find(Sched *s, Group *g, const Scan *scan) {
    for (uint32_t i = 0; i < scan->carries + scan->yields; i++)
        g->results[i] = (Binding){NONE, NULL};
    for (uint32_t i = 0; i < g->targets.len; i++) {
        Target *t = &g->targets.data[i];
        NodePlan *p = plan_of(s, t->node);
        if (p->buffer == NONE) p->buffer = t->buffer = node_arena_buffer(s, t->node);
        g->results[node_of(s, t->node)->attr[0]] = (Binding){p->buffer, p->slab};
    }
}

/* The carry's first value is computed right where the carry lives when nobody else wants it. */
static void carry_begin(Sched *s, NodeId first, Binding *carry) {
    NodePlan *p = plan_of(s, first);
    bool own = s->user_first[first.id + 1] - s->user_first[first.id] == 1;
    if (carry->buffer == NONE) *carry = (Binding){node_arena_buffer(s, first), NULL};
    if (p->group != NONE && p->buffer == NONE) {
        p->buffer = own ? carry->buffer : node_arena_buffer(s, first);
        p->slab = own ? carry->slab : NULL;
        Group *g = s->groups.data[p->group];
        for (uint32_t i = 0; i < g->targets.len; i++)
            if (node_same(g->targets.data[i].node, first) && g->targets.data[i].from == NONE) {
                g->targets.data[i].buffer = p->buffer;
                g->targets.data[i].slab = p->slab;
            }
        if (own) return;
    }
    Target copy = {first, carry->buffer, p->buffer, carry->slab, p->slab};
    group_copy(s, copy, PHASE_COMPUTE);
}

/* Later loops first: where a loop begins with what another one gave, the other one stores it there.
 */
void loops_assign(Sched *s) {
    for (uint32_t i = s->groups.len; i-- > 0;) {
        Group *g = s->groups.data[i];
        if (!group_is_loop(s, g)) continue;
        Scan scan = scan_of(s->graph, g->core);
        g->results = ARENA_ARRAY(s->arena, Binding, scan.carries + scan.yields);
        results_find(s, g, &scan);
        for (uint32_t c = 0; c < scan.carries; c++)
            carry_begin(s, node_of(s, g->core)->args[c], &g->results[c]);
    }
}

/* ------------------------------------------------------------------ the body */

static Binding operand_binding(const Sched *s, NodeId operand) {
    const NodePlan *p = plan_of(s, operand);
    if (p->buffer == NONE) BUG("operand %u of a loop is not stored", operand.id);
    return (Binding){p->buffer, p->slab};
}

static void inputs_bind(Sched *s, const Group *g, Body *body, Binding *inputs) {
    const Scan *scan = &body->scan;
    const NodeId *args = node_of(s, g->core)->args;
    inputs[0] = (Binding){NONE, NULL};
    for (uint32_t i = 0; i < scan->carries; i++) inputs[scan_carry_input(scan, i)] = g->results[i];
    for (uint32_t i = 0; i < scan->sequences; i++) {
        NodeId whole = args[scan->carries + i];
        Binding b = operand_binding(s, whole);
        Shape shape = graph_shape(s->graph, whole);
        b.slab = slab_fix(s, &shape, b.slab, (uint32_t)scan->sequence_axis[i], body->iteration);
        inputs[scan_sequence_input(scan, i)] = b;
    }
    for (uint32_t i = 0; i < scan->captures; i++)
        inputs[scan_capture_input(scan, i)] =
            operand_binding(s, args[scan->carries + scan->sequences + i]);
}

/* A stacked result has the yield's dims with the new axis between them. */
static Shape stacked_shape(const Scan *scan, uint32_t yield) {
    Shape inner = graph_shape(scan->body, scan->body->outputs.data[scan->carries + yield].node);
    Shape whole = {.rank = inner.rank + 1};
    uint32_t axis = (uint32_t)scan->yield_axis[yield];
    for (uint32_t i = 0; i < whole.rank; i++)
        whole.dims[i] = i == axis ? scan->trip : inner.dims[i < axis ? i : i - 1];
    return whole;
}

static void results_bind(Sched *s, const Group *g, const Body *body, Binding *results) {
    const Scan *scan = &body->scan;
    for (uint32_t i = 0; i < scan->carries + scan->yields; i++) {
        results[i] = g->results[i];
        if (i < scan->carries || results[i].buffer == NONE) continue;
        Shape whole = stacked_shape(scan, i - scan->carries);
        uint32_t axis = (uint32_t)scan->yield_axis[i - scan->carries];
        results[i].slab = slab_fix(s, &whole, results[i].slab, axis, body->iteration);
    }
}

void lower_loop(Sched *s, Group *g) {
    Body *body = ARENA_NEW(s->arena, Body);
    body->scan = scan_of(s->graph, g->core);
    const char *name = arena_printf(s->arena, "t%u", s->out->loops.len);
    body->iteration =
        dim_symbol(s->dims, ctx_sym(s->ctx, name), dim_bound(s->dims, body->scan.trip));
    OrderLoop loop = {.symbol = (uint32_t)dim_as_symbol(s->dims, body->iteration),
                      .trip = body->scan.trip,
                      .reverse = body->scan.reverse};
    g->number = s->out->loops.len;
    vec_push(s->arena, &s->out->loops, loop);
    Binding *inputs = ARENA_ARRAY(s->arena, Binding, body->scan.body->inputs.len);
    Binding *results = ARENA_ARRAY(s->arena, Binding, body->scan.carries + body->scan.yields);
    inputs_bind(s, g, body, inputs);
    results_bind(s, g, body, results);
    body->inputs = inputs;
    body->results = results;
    Sched *inner = ARENA_NEW(s->arena, Sched);
    *inner = (Sched){.ctx = s->ctx,
                     .arena = s->arena,
                     .root = s->root,
                     .body = body,
                     .program = s->program,
                     .entry = s->entry,
                     .graph = body->scan.body,
                     .dims = s->dims,
                     .options = s->options,
                     .out = s->out};
    schedule_graph(inner);
    groups_hoist(inner);
    g->inner = inner;
}

/* ------------------------------------------------------------------ the same in every iteration */

static bool node_is_fixed(const Sched *s, NodeId id, const bool *fixed) {
    const GNode *n = node_of(s, id);
    if (n->op == OP_INPUT) return n->attr[0] >= scan_capture_input(&s->body->scan, 0);
    if (n->op == OP_SCAN || n->op == OP_TAKE) return false;
    for (uint32_t i = 0; i < n->nargs; i++)
        if (!fixed[n->args[i].id]) return false;
    return true;
}

/* The loop may run zero times: what could raise a flag must not run before it. */
static bool may_flag(const Kernel *k) {
    for (uint32_t i = 0; i < k->stmts.len; i++)
        if (k->stmts.data[i].kind == STMT_FLAG) return true;
    return false;
}

/* Neither a result of this loop nor a carry that a loop inside begins with and then changes. */
static bool is_temporary(const Sched *s, uint32_t buffer) {
    const Body *b = s->body;
    for (uint32_t i = 0; i < b->scan.carries + b->scan.yields; i++)
        if (b->results[i].buffer == buffer) return false;
    for (uint32_t i = 0; i < s->groups.len; i++) {
        const Group *g = s->groups.data[i];
        if (!group_is_loop(s, g)) continue;
        Scan scan = scan_of(s->graph, g->core);
        for (uint32_t c = 0; c < scan.carries; c++)
            if (g->results[c].buffer == buffer) return false;
    }
    return true;
}

static bool group_is_fixed(const Sched *s, const Group *g, const bool *fixed) {
    if (g->inner || g->phase != PHASE_COMPUTE || may_flag(g->kernel)) return false;
    if (!node_is_none(g->core) && !fixed[g->core.id]) return false;
    if (!node_is_none(g->transposed) && !fixed[g->transposed.id]) return false;
    for (uint32_t i = 0; i < g->targets.len; i++) {
        const Target *t = &g->targets.data[i];
        if (t->from != NONE || !fixed[t->node.id] || !is_temporary(s, t->buffer)) return false;
    }
    /* what it reads must be there before the loop: a fixed value that may raise a flag is not */
    for (uint32_t i = 0; i < g->reads.len; i++) {
        uint32_t from = plan_of(s, g->reads.data[i])->group;
        if (from != NONE && s->groups.data[from] != g && !s->groups.data[from]->hoisted)
            return false;
    }
    return true;
}

/* A copy of captured weights with another axis last is the case that matters: once a call instead
 * of once an iteration. */
void groups_hoist(Sched *s) {
    bool *fixed = ARENA_ARRAY(s->arena, bool, s->size);
    for (uint32_t i = 0; i < s->size; i++)
        fixed[i] = s->plan[i].live && node_is_fixed(s, (NodeId){i}, fixed);
    for (uint32_t i = 0; i < s->groups.len; i++)
        s->groups.data[i]->hoisted = group_is_fixed(s, s->groups.data[i], fixed);
}

/* ------------------------------------------------------------------ lives */

static void touches_count(const LoopProgram *p, uint32_t from, uint32_t to, uint32_t *touches,
                          bool *read_first) {
    for (uint32_t i = from; i <= to; i++) {
        const Order *o = &p->order.data[i];
        if (o->kind == ORDER_GUARD) touches[o->number]++;
        if (o->kind != ORDER_RUN) continue;
        const Kernel *k = p->kernels.data[o->number];
        for (uint32_t b = 0; b < k->buffers.len; b++)
            if (touches[k->buffers.data[b]]++ == 0)
                read_first[k->buffers.data[b]] = !k->writes.data[b];
    }
}

void loop_lives(Sched *s, LoopLife visit, void *user) {
    const LoopProgram *p = s->out;
    if (p->loops.len == 0) return;
    uint32_t *total = ARENA_ARRAY(s->arena, uint32_t, p->buffers.len);
    uint32_t *inside = ARENA_ARRAY(s->arena, uint32_t, p->buffers.len);
    bool *read_first = ARENA_ARRAY(s->arena, bool, p->buffers.len);
    VEC(uint32_t) begins = {0};
    touches_count(p, 0, p->order.len - 1, total, read_first);
    for (uint32_t end = 0; end < p->order.len; end++) {
        if (p->order.data[end].kind == ORDER_LOOP_BEGIN) vec_push(s->arena, &begins, end);
        if (p->order.data[end].kind != ORDER_LOOP_END) continue;
        uint32_t begin = begins.data[--begins.len];
        memset(inside, 0, p->buffers.len * sizeof *inside);
        touches_count(p, begin, end, inside, read_first);
        for (uint32_t b = 0; b < p->buffers.len; b++)
            if (inside[b] > 0) visit(user, b, begin, end, inside[b] < total[b] || read_first[b]);
    }
}
