/* Replaces every `grad(y, x)` by the graph that computes it.
 *
 * The graph is copied in ascending id. At the first GRAD of some y one sweep answers all GRADs of
 * that y. Inner gradients have lower ids, so they are already plain nodes when an outer y is swept:
 * this is all that second and higher derivatives need. Bodies of loops are differentiated when the
 * loop is copied, for the same reason. Last, loops that gradients extended take the place of what
 * they extend.
 *
 * Why here and not earlier: the front end then treats a gradient as a value like any other.
 * Postcondition: no GRAD node; outputs, writes and guard as before. Cost: linear in the copied
 * graph plus, per y, what lies between it and its xs. Source: Griewank and Walther, Evaluating
 * Derivatives, 2008, chapter 3 (adjoints); Pearlmutter and Siskind 2008 (closure). */
#include "compiler/autodiff/autodiff.h"
#include "compiler/autodiff/body_grads.h"
#include "compiler/autodiff/flow.h"
#include "compiler/autodiff/inline_once.h"
#include "compiler/autodiff/nograd.h"
#include "compiler/autodiff/sweep.h"

typedef struct Autodiff {
    const Graph *from;
    Graph *to;
    Sweep *sweep;
    NodeId *map;         /* node of `from` -> node of `to` */
    uint32_t *next;      /* GRAD -> next GRAD of the same y; UINT32_MAX ends */
    uint32_t *first;     /* y -> its first GRAD */
    VEC(NodeId) xs;      /* of the current sweep, nodes of `to` */
    VEC(uint32_t) grads; /* and their GRAD nodes in `from` */
    VEC(NodeId) results;
    bool *poisoned; /* node of `from` that depends on a gradient already reported */
    bool stopped;   /* the node limit was reached: nothing more is differentiated */
} Autodiff;

/* In the graph or in a body, as deep as loops are nested. */
static bool has_grad(const Graph *g) {
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (n->op == OP_GRAD) return true;
        if (n->op == OP_SCAN && has_grad(g->bodies.data[n->attr[0]])) return true;
    }
    return false;
}

static void group_by_y(Autodiff *ad, const bool *live) {
    uint32_t size = graph_size(ad->from);
    ad->next = ARENA_ARRAY(ad->from->ctx->arena, uint32_t, size);
    ad->first = ARENA_ARRAY(ad->from->ctx->arena, uint32_t, size);
    for (uint32_t i = 0; i < size; i++) ad->first[i] = UINT32_MAX;
    for (uint32_t i = size; i-- > 0;) {
        const GNode *n = graph_node(ad->from, (NodeId){i});
        if (n->op != OP_GRAD || !live[i]) continue;
        ad->next[i] = ad->first[n->args[0].id];
        ad->first[n->args[0].id] = i;
    }
}

static bool is_constant(const Graph *g, NodeId id) {
    const GNode *n = graph_node(g, id);
    while (n->op == OP_BROADCAST || n->op == OP_RESHAPE) n = graph_node(g, n->args[0]);
    return n->nargs == 0 && (n->op == OP_CONST || n->op == OP_IOTA || n->op == OP_SIZE);
}

static NodeId zeros_for(const Autodiff *ad, uint32_t grad) {
    const GNode *n = graph_node(ad->from, (NodeId){grad});
    Shape shape = graph_shape(ad->from, (NodeId){grad});
    return g_const(ad->to, n->dtype, &shape, 0.0, n->span);
}

/* The xs of this y that can be asked for; the others are reported. An x that comes after y cannot
 * be part of it, and is not copied yet. */
static void gather_targets(Autodiff *ad, uint32_t grad) {
    Arena *arena = ad->to->ctx->arena;
    ad->xs.len = ad->grads.len = ad->results.len = 0;
    for (; grad != UINT32_MAX; grad = ad->next[grad]) {
        const GNode *n = graph_node(ad->from, (NodeId){grad});
        NodeId y = n->args[0], x = n->args[1];
        ad->map[grad] = NODE_NONE;
        if (ad->stopped || ad->poisoned[y.id] || (x.id < y.id && ad->poisoned[x.id])) continue;
        if (is_constant(ad->from, x)) {
            nograd_constant(ad->from, x, n->span);
        } else if (x.id > y.id) {
            nograd_report(ad->from, y, &x, 1, n->span);
        } else {
            vec_push(arena, &ad->xs, ad->map[x.id]);
            vec_push(arena, &ad->grads, grad);
            vec_push(arena, &ad->results, NODE_NONE);
        }
    }
}

/* What y depends on through differentiable edges in the graph as it was written, where a gradient
 * depends on all that its own y depends on. */
static const bool *written_reach(const Autodiff *ad, NodeId y) {
    bool *reached = ARENA_ARRAY(ad->from->ctx->arena, bool, y.id + 1);
    reached[y.id] = true;
    flow_collect(ad->from, reached, y.id + 1);
    return reached;
}

/* Where nothing arrived: 0 if y depends on x as written, by way of an inner gradient that happens
 * not to (the second derivative of a linear function); else it is reported. */
static void take_results(Autodiff *ad, NodeId y, NodeId written_y) {
    uint32_t missing = 0;
    Span span = {0};
    const bool *reached = NULL;
    for (uint32_t i = 0; i < ad->xs.len; i++) {
        uint32_t grad = ad->grads.data[i];
        const GNode *n = graph_node(ad->from, (NodeId){grad});
        ad->map[grad] = ad->results.data[i];
        if (!node_is_none(ad->results.data[i])) continue;
        if (!reached) reached = written_reach(ad, written_y);
        if (reached[n->args[1].id]) {
            ad->map[grad] = zeros_for(ad, grad);
            continue;
        }
        if (missing == 0) span = n->span;
        ad->xs.data[missing++] = ad->xs.data[i];
    }
    if (missing) nograd_report(ad->to, y, ad->xs.data, missing, span);
}

static void differentiate(Autodiff *ad, uint32_t first) {
    const GNode *n = graph_node(ad->from, (NodeId){first});
    NodeId y = ad->map[n->args[0].id];
    gather_targets(ad, first);
    if (ad->xs.len) {
        uint32_t errors = diags_errors(ad->to->ctx->diags);
        Shape rank0 = {.rank = 0};
        NodeId one = g_const(ad->to, graph_node(ad->to, y)->dtype, &rank0, 1.0, n->span);
        SweepSeed seed = {y, one};
        sweep_run(ad->sweep, &seed, 1, ad->xs.data, ad->xs.len, ad->results.data, n->span);
        ad->stopped = diags_errors(ad->to->ctx->diags) != errors;
        if (!ad->stopped) take_results(ad, y, n->args[0]);
    }
    /* after an error, something of the right shape */
    for (uint32_t grad = first; grad != UINT32_MAX; grad = ad->next[grad]) {
        ad->poisoned[grad] = node_is_none(ad->map[grad]);
        if (ad->poisoned[grad]) ad->map[grad] = zeros_for(ad, grad);
    }
}

static Graph *differentiated(const Graph *g);

/* The attributes of a loop whose body may hold gradients of its own: those come first. */
static const int64_t *plain_body(Autodiff *ad, NodeId loop) {
    const GNode *n = graph_node(ad->from, loop);
    Graph *body = ad->from->bodies.data[n->attr[0]], *plain = differentiated(body);
    int64_t *attr = ARENA_ARRAY(ad->to->ctx->arena, int64_t, n->nattr);
    memcpy(attr, n->attr, n->nattr * sizeof *attr);
    if (plain != body) {
        body_grads_check(ad->from, loop);
        attr[0] = graph_body(ad->to, plain);
    }
    return attr;
}

static void copy_node(Autodiff *ad, uint32_t id) {
    const GNode *n = graph_node(ad->from, (NodeId){id});
    Shape shape = graph_shape(ad->from, (NodeId){id});
    NodeId *args = ARENA_ARRAY(ad->to->ctx->arena, NodeId, n->nargs);
    for (uint32_t i = 0; i < n->nargs; i++) {
        args[i] = ad->map[n->args[i].id];
        if (ad->poisoned[n->args[i].id]) ad->poisoned[id] = true;
    }
    uint32_t errors = diags_errors(ad->to->ctx->diags);
    const int64_t *attr = n->op == OP_SCAN ? plain_body(ad, (NodeId){id}) : n->attr;
    ad->map[id] =
        graph_add(ad->to, n->op, n->dtype, &shape, args, n->nargs, attr, n->nattr, n->span);
    if (diags_errors(ad->to->ctx->diags) != errors) ad->stopped = true;
}

static void copy_roots(Autodiff *ad) {
    const Graph *from = ad->from;
    for (uint32_t i = 0; i < from->outputs.len; i++)
        graph_output(ad->to, from->outputs.data[i].name, ad->map[from->outputs.data[i].node.id]);
    for (uint32_t i = 0; i < from->writes.len; i++)
        graph_write(ad->to, from->writes.data[i].slot, ad->map[from->writes.data[i].node.id]);
    if (!node_is_none(from->guard)) ad->to->guard = ad->map[from->guard.id];
}

static Graph *differentiated(const Graph *g) {
    if (!has_grad(g)) return (Graph *)g;
    Arena *arena = g->ctx->arena;
    uint32_t size = graph_size(g);
    Autodiff ad = {.from = g, .to = graph_like(g)};
    bool *live = ARENA_ARRAY(arena, bool, size);
    bool *done = ARENA_ARRAY(arena, bool, size); /* by y */
    graph_live(g, live);
    ad.sweep = sweep_create(ad.to);
    ad.map = ARENA_ARRAY(arena, NodeId, size);
    ad.poisoned = ARENA_ARRAY(arena, bool, size);
    group_by_y(&ad, live);
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (!live[i]) continue;
        if (n->op != OP_GRAD) {
            copy_node(&ad, i);
        } else if (!done[n->args[0].id]) {
            done[n->args[0].id] = true;
            differentiate(&ad, i);
        }
    }
    copy_roots(&ad);
    NodeId *places = ARENA_ARRAY(arena, NodeId, graph_size(ad.to));
    return families_replace(sweep_families(ad.sweep), ad.to, places);
}

Graph *autodiff_run(const Graph *g) {
    return inline_once(differentiated(g));
}
