/* Fusion: which nodes get a buffer, and which are computed where they are used.
 *
 * Why here and not in LLVM: the sizes, the reuse of a value by several kernels and the exact order
 * of every sum are known here; LLVM sees only loads and stores.
 * Precondition: a sealed graph. Postcondition: every live node is stored or can be evaluated at any
 * position from stored ones, by an expression of bounded depth. Cost: O(edges).
 *
 * A core (contract, reduction, indexing) takes the elementwise nodes behind it into its kernel, the
 * nodes before a reduction are evaluated inside it, views are index maps. What is left to decide is
 * who recomputes: a value that several kernels read is stored when recomputing it costs more than a
 * store and a load. */
#include "compiler/graph/attention_op.h"
#include "compiler/schedule/sched.h"

enum { COST_EXPENSIVE = 16, COST_SCALAR = 24, COST_UNROLLED = 60, COST_LIMIT = 4000 };
enum { DEPTH_LIMIT = 40 };
#define READERS_MANY UINT32_MAX
#define PURE_KEY(id) (0x80000000u | (id))

static bool has_words(const GNode *n) {
    return n->op == OP_CONST && n->nattr > 1 && !node_is_data(n);
}

/* An integer division must be evaluated once for each element, so that it flags division by zero
 * exactly where the reference does, unless the divisor is a constant. */
static bool divides_unsafely(const Sched *s, const GNode *n) {
    double value;
    if ((n->op != OP_DIV && n->op != OP_MOD) || !dtype_is_integer(n->dtype)) return false;
    NodeId d = n->args[1];
    while (node_of(s, d)->op == OP_BROADCAST || node_of(s, d)->op == OP_RESHAPE)
        d = node_of(s, d)->args[0];
    return !graph_const_value(s->graph, d, &value) || value == 0;
}

/* The results of one attention stand side by side; the first is the core, the others are stores of
 * its kernel. */
static NodeId attention_first(const Sched *s, NodeId id) {
    NodeId first = id;
    for (uint32_t i = id.id; op_is_attention(node_of(s, id)->op) && i-- > 0;) {
        if (!attention_same(node_of(s, id), node_of(s, (NodeId){i}))) break;
        if (s->plan[i].live) first = (NodeId){i};
    }
    return first;
}

static bool is_core(const Sched *s, const GNode *n) {
    OpClass cls = op_info(n->op)->cls;
    return cls == CLASS_REDUCE || cls == CLASS_CONTRACT || cls == CLASS_INDEX || n->op == OP_SCAN ||
           has_words(n) || divides_unsafely(s, n);
}

/* A core whose kernel has the loops of its result, so that elementwise nodes fit behind it. */
static bool absorbs(const GNode *n) {
    return n->op != OP_SCATTER_ADD && n->op != OP_CONST && n->op != OP_SCAN && n->op != OP_TAKE &&
           n->op != OP_ARGSORT && n->op != OP_EXTERN && !op_is_attention(n->op);
}

/* Operations an element costs, about; a load counts 1. */
uint32_t fuse_op_cost(const GNode *n) {
    switch (n->op) {
    case OP_CONST:
    case OP_SIZE: return 0;
    case OP_RANDOM:
    case OP_RANDOM_AT: return 80;
    case OP_POW: return 60;
    case OP_EXP:
    case OP_LOG:
    case OP_SIN:
    case OP_COS:
    case OP_TANH:
    case OP_EXPM1:
    case OP_LOG1P:
    case OP_ERF: return 20;
    case OP_DIV:
    case OP_MOD:
    case OP_SQRT: return 8;
    case OP_PAD:
    case OP_CONCAT: return 2;
    case OP_RESHAPE:
    case OP_PERMUTE:
    case OP_BROADCAST:
    case OP_SLICE:
    case OP_REVERSE:
    case OP_AGAIN: return 0;
    default: return 1;
    }
}

static uint32_t level_after(const Sched *s, NodeId arg) {
    uint32_t level = plan_of(s, arg)->level;
    return level == 0 ? 0 : level | 1;
}

/* Passed on by views and elementwise ops; a reduction or contract skips what is absent. */
static bool may_be_absent(const Sched *s, const GNode *n) {
    bool passes_on = op_is_elementwise(n->op) || op_info(n->op)->cls == CLASS_VIEW;
    bool absent = window_has_absent(n);
    for (uint32_t i = 0; passes_on && i < n->nargs; i++) absent |= plan_of(s, n->args[i])->absent;
    return absent;
}

static void set_level(Sched *s, NodeId id) {
    const GNode *n = node_of(s, id);
    NodePlan *p = plan_of(s, id);
    p->absent = may_be_absent(s, n);
    p->taps = n->op == OP_WINDOW;
    for (uint32_t i = 0; op_is_elementwise(n->op) && i < n->nargs; i++)
        p->taps |= plan_of(s, n->args[i])->taps;
    NodeId first = attention_first(s, id);
    if (!node_same(first, id)) {
        p->level = plan_of(s, first)->level;
        return;
    }
    p->core = is_core(s, n) && !p->absent;
    if (p->core) {
        p->level = 2 * ++s->core_count;
        s->core_op[s->core_count] = n->op;
        return;
    }
    if (n->op == OP_TAKE) { /* a store of its loop */
        p->level = plan_of(s, n->args[0])->level;
        return;
    }
    for (uint32_t i = 0; i < n->nargs; i++) {
        bool joins = op_is_elementwise(n->op) && !p->absent && absorbs(node_of(s, n->args[i]));
        uint32_t level = joins ? plan_of(s, n->args[i])->level : level_after(s, n->args[i]);
        if (level > p->level) p->level = level;
    }
}

/* Arithmetic on floats; a multiply-add is two. */
static uint32_t op_flops(const GNode *n) {
    if (!op_is_elementwise(n->op) || !dtype_is_float(n->dtype)) return 0;
    if (n->op == OP_CAST || n->op == OP_STOP || n->op == OP_SELECT) return 0;
    return n->op == OP_FMA ? 2 : 1;
}

static void set_cost(Sched *s, NodeId id) {
    const GNode *n = node_of(s, id);
    NodePlan *p = plan_of(s, id);
    uint64_t cost = fuse_op_cost(n), flops = op_flops(n);
    bool inlines = !p->core && n->op != OP_TAKE && !op_is_attention(n->op) && !node_is_given(s, id);
    p->flat = !inlines || op_is_elementwise(n->op) || n->op == OP_CONST || node_draws(n) ||
              n->op == OP_RESHAPE || n->op == OP_AGAIN ||
              (n->op == OP_BROADCAST && node_of(s, n->args[0])->rank == 0);
    if (p->slab && !slab_is_prefix(p->slab)) p->flat = false;
    for (uint32_t i = 0; inlines && i < n->nargs; i++) {
        const NodePlan *a = plan_of(s, n->args[i]);
        bool loaded = a->core || a->forced || (plan_in_region(a) && !a->remade);
        cost += loaded ? 1 : a->cost;
        flops += loaded ? 0 : a->flops;
        if (!loaded && a->depth + 1 > p->depth) p->depth = a->depth + 1;
        if (!a->flat && !loaded && node_of(s, n->args[i])->rank > 0) p->flat = false;
    }
    p->cost = cost > COST_LIMIT ? COST_LIMIT : (uint32_t)cost;
    bool forced = (p->depth >= DEPTH_LIMIT || cost > COST_LIMIT) && !p->absent;
    if (!inlines || forced) p->depth = 0;
    p->forced = inlines && forced;
    if (p->forced) p->cost = 1;
    p->flops = flops > COST_LIMIT ? COST_LIMIT : (uint32_t)flops;
}

static void users_collect(Sched *s) {
    uint32_t edges = 0;
    s->user_first = ARENA_ARRAY(s->arena, uint32_t, s->size + 1);
    for (uint32_t i = 0; i < s->size; i++) {
        const GNode *n = node_of(s, (NodeId){i});
        for (uint32_t k = 0; s->plan[i].live && k < n->nargs; k++) {
            s->user_first[n->args[k].id + 1]++;
            edges++;
        }
    }
    for (uint32_t i = 0; i < s->size; i++) s->user_first[i + 1] += s->user_first[i];
    s->users = ARENA_ARRAY(s->arena, uint32_t, edges);
    uint32_t *next = ARENA_ARRAY(s->arena, uint32_t, s->size);
    for (uint32_t i = 0; i < s->size; i++) next[i] = s->user_first[i];
    for (uint32_t i = 0; i < s->size; i++) {
        const GNode *n = node_of(s, (NodeId){i});
        for (uint32_t k = 0; s->plan[i].live && k < n->nargs; k++)
            s->users[next[n->args[k].id]++] = i;
    }
}

/* ------------------------------------------------------------------ who reads a node, and how */

typedef struct Demand {
    bool need;     /* must be stored */
    bool address;  /* the reader needs an address */
    bool outside;  /* read by another kernel, or at another position */
    bool repeats;  /* read several times an element */
    bool all;      /* read even where it is not chosen (pad, concat) */
    bool unrolled; /* read behind a contract, whose kernel has a copy per register of its tile */
    uint32_t reader;
} Demand;

static void demand_reader(Demand *d, uint32_t key) {
    if (key == 0) return;
    if (d->reader == 0)
        d->reader = key;
    else if (d->reader != key)
        d->reader = READERS_MANY;
}

/* The kernel in which `user`, as a reader, is evaluated. */
static uint32_t reader_key(const Sched *s, NodeId user) {
    const NodePlan *p = plan_of(s, user);
    if (p->core || plan_in_region(p)) return p->level;
    return p->stored ? PURE_KEY(user.id) : p->reader;
}

static bool wants_address(const GNode *user, uint32_t position) {
    if (op_is_attention(user->op)) return position < (user->op == OP_ATTENTION ? 3 : 6);
    return user->op == OP_CONTRACT || user->op == OP_ARGSORT ||
           (user->op == OP_GATHER && position == 0);
}

/* f32 out of bf16: two bytes are stored, and whoever reads them widens them (a shift). */
bool node_widens(const Sched *s, NodeId id) {
    const GNode *n = node_of(s, id);
    return s->options.fusion && n->op == OP_CAST && n->dtype == DTYPE_F32 &&
           node_of(s, n->args[0])->dtype == DTYPE_BF16;
}

static bool is_addressable_view(const GNode *n) {
    return n->op == OP_PERMUTE || n->op == OP_BROADCAST || n->op == OP_SLICE ||
           n->op == OP_REVERSE || n->op == OP_RESHAPE || n->op == OP_WINDOW || n->op == OP_AGAIN;
}

static void demand_of_view(const Sched *s, NodeId id, NodeId user, Demand *d) {
    const GNode *u = node_of(s, user);
    const NodePlan *up = plan_of(s, user), *p = plan_of(s, id);
    bool dense = p->core || plan_in_region(p) || (node_is_given(s, id) && !p->slab) ||
                 (node_widens(s, id) && !p->slab);
    if (up->address && !up->stored) {
        d->address = true;
        if (u->op == OP_RESHAPE && !dense && !reshape_is_simple(s, user)) d->need = true;
    }
    if (u->op == OP_RESHAPE && !p->flat && !reshape_is_simple(s, user)) d->need = true;
    if (u->op == OP_BROADCAST && u->rank > node_of(s, id)->rank) d->repeats = true;
    if (u->op == OP_WINDOW) d->repeats = d->address = true;
    if (u->op == OP_PAD || u->op == OP_CONCAT) d->all = true;
}

static void demand_of_user(const Sched *s, NodeId id, NodeId user, Demand *d) {
    const GNode *u = node_of(s, user);
    const NodePlan *p = plan_of(s, id), *up = plan_of(s, user);
    if (up->remade) { /* wherever it is read, by kernels of higher levels */
        d->outside = true;
        d->reader = READERS_MANY;
        if (s->core_op[up->level / 2] == OP_CONTRACT) d->unrolled = true;
        return;
    }
    if (u->op == OP_AGAIN && node_same(u->args[1], id) && !node_same(u->args[0], id)) {
        d->need = d->outside = true; /* the token has a buffer: that is what orders kernels */
        return;
    }
    if (node_widens(s, user) && !up->stored) { /* its readers are ours */
        demand_reader(d, up->reader);
        d->address |= up->address;
        d->outside = true;
        d->unrolled |= up->unrolled;
        return;
    }
    demand_reader(d, reader_key(s, user));
    if (up->core || op_is_attention(u->op)) {
        d->outside = true;
        if (u->op == OP_SCAN || u->op == OP_EXTERN) d->need = true;
        for (uint32_t k = 0; k < u->nargs; k++)
            if (node_same(u->args[k], id) && wants_address(u, k)) d->address = true;
    } else if (op_is_elementwise(u->op)) {
        if (up->level != p->level || !plan_in_region(p) || !absorbs(node_of(s, id)))
            d->outside = true;
        if (plan_in_region(up) && up->level != p->level && s->core_op[up->level / 2] == OP_CONTRACT)
            d->unrolled = true;
    } else {
        d->outside = true;
        demand_of_view(s, id, user, d);
    }
}

/* A value of no core that several kernels need is stored by the first core kernel that uses it,
 * when all other readers come later: raises its level to that core's. Not where a tile would unroll
 * much code (random numbers): that has a kernel of its own. */
static void adopt(Sched *s, NodeId id) {
    NodePlan *p = plan_of(s, id);
    uint32_t first = NONE;
    if (p->cost >= COST_UNROLLED) return;
    for (uint32_t i = s->user_first[id.id]; i < s->user_first[id.id + 1]; i++) {
        NodeId user = {s->users[i]};
        const NodePlan *up = plan_of(s, user);
        if (op_is_elementwise(node_of(s, user)->op) && !up->core && plan_in_region(up) &&
            up->level < first)
            first = up->level;
    }
    for (uint32_t i = s->user_first[id.id]; i < s->user_first[id.id + 1]; i++) {
        NodeId user = {s->users[i]};
        const NodePlan *up = plan_of(s, user);
        bool later = up->core ? up->level > first
                              : op_is_elementwise(node_of(s, user)->op) && up->level >= first;
        if (!later) return;
    }
    if (first != NONE) p->level = first;
}

static bool store_pure(const GNode *n, const NodePlan *p, const Demand *d) {
    bool shared = d->reader == READERS_MANY;
    if (d->need || p->forced) return true;
    if (n->op == OP_CONST || n->op == OP_SIZE || n->op == OP_CLOCK) return false;
    if (op_info(n->op)->cls == CLASS_VIEW) return d->address && !is_addressable_view(n);
    if (d->address) return true;
    if (n->rank == 0 && !node_draws(n)) return p->cost > COST_SCALAR && (shared || d->repeats);
    if (d->unrolled && p->cost >= COST_UNROLLED) return true;
    return (shared && p->cost >= COST_EXPENSIVE) || (d->repeats && p->cost > 2) ||
           (d->all && p->cost >= COST_EXPENSIVE);
}

static void decide(Sched *s, NodeId id, const bool *root) {
    const GNode *n = node_of(s, id);
    NodePlan *p = plan_of(s, id);
    Demand d = {.need = root[id.id]};
    for (uint32_t i = s->user_first[id.id]; i < s->user_first[id.id + 1]; i++)
        demand_of_user(s, id, (NodeId){s->users[i]}, &d);
    p->reader = d.reader;
    p->address = d.address;
    p->unrolled = d.unrolled;
    if (n->op == OP_SCAN || n->op == OP_TAKE || node_is_given(s, id)) {
        p->stored = n->op != OP_SCAN; /* what it gives is stored as its takes */
        return;
    }
    if (p->absent) {
        p->stored = d.need = root[id.id]; /* an output has no absent element */
    } else if (!s->options.fusion || has_words(n)) {
        p->stored = true;
    } else if (op_is_attention(n->op)) {
        p->stored = true;
    } else if (node_widens(s, id)) {
        p->stored = d.need || p->forced;
    } else if (p->core || plan_in_region(p)) {
        p->stored = d.need || (d.outside && !p->remade) || p->forced;
    } else {
        p->stored = store_pure(n, p, &d);
        if (p->stored && !d.need && (op_is_elementwise(n->op) || node_draws(n))) adopt(s, id);
    }
}

/* Of a body, yields that nobody takes are no roots. */
static void roots_mark(const Sched *s, bool *root) {
    const Graph *g = s->graph;
    for (uint32_t i = 0; i < g->outputs.len; i++)
        root[g->outputs.data[i].node.id] |= !s->body || s->body->results[i].buffer != NONE;
    for (uint32_t i = 0; i < g->writes.len; i++) root[g->writes.data[i].node.id] = true;
    if (!node_is_none(g->guard)) root[g->guard.id] = true;
}

static void live_mark(const Sched *s, const bool *root, bool *live) {
    for (uint32_t i = s->size; i-- > 0;) {
        const GNode *n = node_of(s, (NodeId){i});
        live[i] |= root[i];
        for (uint32_t k = 0; live[i] && k < n->nargs; k++) live[n->args[k].id] = true;
    }
}

/* A rounded weight (or input) of which only copies are read is rounded where it is copied. */
static void round_in_copies(Sched *s, const bool *root) {
    for (uint32_t i = 0; i < s->size; i++) {
        NodeId id = {i};
        const GNode *n = node_of(s, id);
        NodePlan *p = plan_of(s, id);
        if (!p->live || !p->stored || n->op != OP_CAST || n->dtype != DTYPE_BF16 || root[i] ||
            p->forced || !s->options.fusion)
            continue;
        const GNode *x = node_of(s, n->args[0]);
        if (!node_is_given(s, n->args[0]) || plan_of(s, n->args[0])->slab || x->dtype != DTYPE_F32)
            continue;
        bool copies = true;
        for (uint32_t u = s->user_first[i]; copies && u < s->user_first[i + 1]; u++) {
            NodeId wide = {s->users[u]};
            copies =
                node_widens(s, wide) && !plan_of(s, wide)->stored && layout_copies_all(s, wide);
        }
        if (copies) p->stored = false;
    }
}

void fuse_nodes(Sched *s) {
    bool *live = ARENA_ARRAY(s->arena, bool, s->size), *root = ARENA_ARRAY(s->arena, bool, s->size);
    roots_mark(s, root);
    live_mark(s, root, live);
    s->core_op = ARENA_ARRAY(s->arena, Op, s->size + 1);
    for (uint32_t i = 0; i < s->size; i++) {
        const GNode *n = node_of(s, (NodeId){i});
        s->plan[i] = (NodePlan){.live = live[i], .group = NONE, .buffer = NONE, .partial = NONE};
        if (!live[i]) continue;
        if (s->body && n->op == OP_INPUT && node_is_given(s, (NodeId){i})) {
            s->plan[i].buffer = s->body->inputs[n->attr[0]].buffer;
            s->plan[i].slab = s->body->inputs[n->attr[0]].slab;
        }
        set_level(s, (NodeId){i});
        if (!s->options.fusion && !s->plan[i].core && n->op != OP_TAKE)
            s->plan[i].level |= s->core_count ? 1 : 0;
    }
    users_collect(s);
    if (s->options.fusion) recompute_choose(s, root);
    for (uint32_t i = 0; i < s->size; i++)
        if (live[i]) set_cost(s, (NodeId){i});
    for (uint32_t i = s->size; i-- > 0;)
        if (live[i]) decide(s, (NodeId){i}, root);
    round_in_copies(s, root);
}
