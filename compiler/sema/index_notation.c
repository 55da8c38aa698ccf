/* Index statements: `y[b, o] = sum[i](x[b, i] * w[i, o])`. Names in the left brackets are indices;
 * each takes its range from the places where it stands alone in a bracket, or from `where i < n`.
 * The right side is evaluated to values over indices; a product under a sum becomes `contract`, an
 * access with a tensor among its indices a `gather`, the rest is elementwise over the index space.
 */
#include "compiler/sema/index_space.h"

int32_t index_label(const IndexSpace *ix, Sym name) {
    for (uint32_t i = ix->count; i-- > 0;)
        if (ix->labels[i].active && ix->labels[i].name == name) return (int32_t)i;
    return -1;
}

/* `where i < n`: gives label its range. */
static void where_range(IndexSpace *ix, uint32_t label) {
    Sema *s = ix->s;
    Label *l = &ix->labels[label];
    for (uint32_t i = 0; ix->where && l->name && i < ix->where->count; i++) {
        const Node *c = ix->where->kids[i], *name = node_kid(c, 0);
        if (c->kind != NODE_BINARY || strcmp(c->name->text, "<") != 0 || name->kind != NODE_NAME ||
            name->name != l->name)
            continue;
        ix->where_used[i] = true;
        Value v = eval(s, node_kid(c, 1));
        if (value_as_dim(s, v, &l->size)) {
            l->known = l->given = true;
            l->size_text = node_text(s, node_kid(c, 1));
            l->where = node_text(s, c);
            continue;
        }
        if (!value_is_poison(v))
            sema_error(s, E_INDEX, c->span, "the range of an index must be a size");
        ix->failed = true;
    }
}

uint32_t index_add(IndexSpace *ix, Sym name, Span span) {
    if (ix->count == LABEL_MAX) {
        sema_error(ix->s, E_LIMIT, span, "an index statement with more than %d indices", LABEL_MAX);
        ix->failed = true;
        return LABEL_MAX - 1;
    }
    ix->labels[ix->count] = (Label){.name = name, .active = name != NULL, .span = span};
    where_range(ix, ix->count);
    return ix->count++;
}

Indexed index_fail(IndexSpace *ix) {
    ix->failed = true;
    return (Indexed){.v = POISON};
}

bool index_has(const uint32_t *labels, uint32_t rank, uint32_t label) {
    for (uint32_t i = 0; i < rank; i++)
        if (labels[i] == label) return true;
    return false;
}

uint32_t index_union(const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb,
                     uint32_t *out) {
    uint32_t i = 0, k = 0, n = 0;
    while ((i < na || k < nb) && n < RANK_MAX) {
        uint32_t next = k >= nb || (i < na && a[i] < b[k]) ? a[i] : b[k];
        if (i < na && a[i] == next) i++;
        if (k < nb && b[k] == next) k++;
        out[n++] = next;
    }
    return n;
}

/* ------------------------------------------------------------------ ranges */

static void propose_order(IndexSpace *ix, Diag *d, const Node *access);

static void set_range(IndexSpace *ix, uint32_t label, DimId size, const char *size_text,
                      const Node *access, Span at, const Node *decl) {
    Label *l = &ix->labels[label];
    Sema *s = ix->s;
    const char *where = node_text(s, access);
    if (!l->known) {
        l->known = true;
        l->size = size;
        l->size_text = size_text;
        l->where = where;
        return;
    }
    if (dim_same(l->size, size)) return;
    DimTable *t = s->program->dims;
    DimId spare = dim_sub(t, size, l->size);
    if (l->given && (!dim_is_const(t, spare) || dim_value(t, spare) >= 0)) return;
    const char *index = arena_printf(s->arena, "index `%s`", l->name ? l->name->text : "...");
    if (!l->given && dims_unify(s, l->size, size, at, index)) return;
    Diag *d = sema_error(s, E_INDEX, at, "index `%s` ranges over %s in `%s` but over %s in `%s`",
                         l->name ? l->name->text : "...", l->size_text, l->where, size_text, where);
    if (decl && !span_in_prelude(s, decl->span)) diag_label(d, decl->span, "declared here");
    ix->failed = true;
    if (access->kind == NODE_INDEX && !l->given) propose_order(ix, d, access);
}

static const char *axis_text(Sema *s, const Value *t, const Shape *shape, uint32_t axis) {
    Text text = {.arena = s->arena};
    const Node *dims = t->decl && t->decl->kind == NODE_PAR ? node_kid(t->decl, 0) : NULL;
    if (dims && dims->count == shape->rank && dims->kids[axis]->kind == NODE_NAME)
        return dims->kids[axis]->name->text;
    dim_print(&text, s->program->dims, shape->dims[axis]);
    return text_str(&text);
}

static uint32_t row_label(IndexSpace *ix, uint32_t k, uint32_t rank, const Node *e) {
    if (!ix->rows_known) {
        ix->rows_known = true;
        ix->row_rank = rank;
        for (uint32_t i = 0; i < rank; i++) ix->row[i] = index_add(ix, NULL, e->span);
    }
    if (ix->row_rank == rank) return ix->row[k];
    if (!ix->failed)
        sema_error(ix->s, E_INDEX, e->span, "`...` stands for %u axes here but %u before", rank,
                   ix->row_rank);
    ix->failed = true;
    return 0;
}

static void access_ranges(IndexSpace *ix, const Node *e) {
    Sema *s = ix->s;
    for (uint32_t i = 1; i < e->count; i++)
        if (e->kids[i]->kind != NODE_RANGE) index_ranges(ix, e->kids[i]);
    Value t = eval(s, node_kid(e, 0));
    if (value_is_poison(t)) ix->failed = true;
    if (t.kind != V_TENSOR) return; /* the second walk says so */
    Shape shape = tensor_shape(s, t);
    uint32_t fixed = 0, axis = 0;
    uint32_t slices = 0, row = 0;
    for (uint32_t i = 1; i < e->count; i++) {
        fixed += e->kids[i]->kind != NODE_ELLIPSIS;
        slices += e->kids[i]->kind == NODE_RANGE;
    }
    if (fixed > shape.rank || (fixed < shape.rank && fixed + 1 == e->count)) return;
    uint32_t rank = shape.rank - fixed + slices; /* of the row */
    for (uint32_t i = 1; i < e->count; i++) {
        const Node *at = e->kids[i];
        if (at->kind == NODE_ELLIPSIS) {
            for (uint32_t k = 0; k < shape.rank - fixed && !ix->failed; k++, axis++)
                set_range(ix, row_label(ix, row++, rank, at), shape.dims[axis],
                          axis_text(s, &t, &shape, axis), e, at->span, t.decl);
            if (rank == 0) row_label(ix, 0, 0, at);
            continue;
        }
        if (at->kind == NODE_RANGE && !ix->failed) {
            DimId first, extent;
            if (eval_slice(s, at, shape.dims[axis++], &first, &extent))
                set_range(ix, row_label(ix, row++, rank, at), extent, node_text(s, at), e, at->span,
                          t.decl);
            else
                ix->failed = true;
            continue;
        }
        int32_t label = at->kind == NODE_NAME ? index_label(ix, at->name) : -1;
        if (label >= 0)
            set_range(ix, (uint32_t)label, shape.dims[axis], axis_text(s, &t, &shape, axis), e,
                      e->span, t.decl);
        axis++;
    }
}

void index_ranges(IndexSpace *ix, const Node *e) {
    if (!e || ix->failed || e->kind == NODE_LAMBDA) return;
    if (e->kind == NODE_INDEX) {
        access_ranges(ix, e);
        return;
    }
    uint32_t before = ix->count;
    if (e->kind == NODE_CALL && index_is_reduction(ix->s, e)) {
        const Node *names = node_kid(e, 0); /* inner indices hide outer ones while we walk */
        for (uint32_t i = 1; i < names->count; i++)
            if (names->kids[i]->kind == NODE_NAME)
                index_add(ix, names->kids[i]->name, names->kids[i]->span);
        for (uint32_t i = 1; i < e->count; i++) index_ranges(ix, e->kids[i]);
        for (uint32_t i = before; i < ix->count; i++) ix->labels[i].active = false;
        return;
    }
    for (uint32_t i = e->kind == NODE_CALL ? 1 : 0; i < e->count; i++) index_ranges(ix, e->kids[i]);
}

/* Every condition has given some index its range. */
static void where_all_used(IndexSpace *ix) {
    for (uint32_t i = 0; ix->where && i < ix->where->count && !ix->failed; i++) {
        if (ix->where_used[i]) continue;
        const Node *c = ix->where->kids[i], *name = node_kid(c, 0);
        ix->failed = true;
        if (name && name->kind == NODE_NAME && !scope_find(ix->s->scope, name->name) &&
            !name_is_special(name->name->text))
            continue; /* the resolver said so */
        Diag *d = sema_error(ix->s, E_INDEX, c->span, "`where` gives the range of an index");
        diag_help(d, "`where i < n`, with an index of this statement");
    }
}

/* ------------------------------------------------------------------ values over indices */

Indexed index_sorted(IndexSpace *ix, Value v, const uint32_t *labels, uint32_t rank, Span span) {
    Indexed r = {.rank = rank};
    uint32_t perm[RANK_MAX];
    for (uint32_t i = 0; i < rank; i++) perm[i] = i;
    for (uint32_t i = 1; i < rank; i++)
        for (uint32_t k = i; k > 0 && labels[perm[k]] < labels[perm[k - 1]]; k--) {
            uint32_t t = perm[k];
            perm[k] = perm[k - 1];
            perm[k - 1] = t;
        }
    for (uint32_t i = 0; i < rank; i++) {
        r.labels[i] = labels[perm[i]];
        if (i == 0 || r.labels[i] != r.labels[i - 1]) continue;
        sema_unsupported(ix->s, span, "one index twice in a bracket");
        return index_fail(ix);
    }
    r.v = rank ? tensor_permute(ix->s, v, perm, span) : v;
    return r;
}

Value index_spread(IndexSpace *ix, Indexed a, const uint32_t *labels, uint32_t rank, Span span) {
    Sema *s = ix->s;
    Shape to = {.rank = rank};
    int32_t from[RANK_MAX], next = 0;
    Value v = to_tensor(s, a.v, DTYPE_COUNT, span);
    if (value_is_poison(v)) return v;
    for (uint32_t i = 0; i < rank; i++) {
        to.dims[i] = ix->labels[labels[i]].size;
        from[i] = (uint32_t)next < a.rank && a.labels[next] == labels[i] ? next++ : -1;
    }
    if (a.rank == 0) return tensor_broadcast_to(s, v, &to, span);
    v = tensor_here(s, v, span);
    if (value_is_poison(v)) return v;
    NodeId node = v.as.tensor.node;
    return a.rank == rank ? v : value_tensor(s, g_broadcast(sema_graph(s), node, &to, from, span));
}

static Indexed index_number(IndexSpace *ix, uint32_t label, Span span) {
    if (!ix->labels[label].known) {
        Diag *d = sema_error(ix->s, E_INDEX, span, "index `%s` has no range",
                             ix->labels[label].name->text);
        diag_help(d, "say it: `where %s < n`", ix->labels[label].name->text);
        return index_fail(ix);
    }
    Shape shape = {.rank = 1, .dims = {ix->labels[label].size}};
    Indexed r = {.rank = 1, .labels = {label}};
    r.v = value_tensor(ix->s, g_iota(sema_graph(ix->s), DTYPE_I32, &shape, 0, span));
    return r;
}

static Indexed plain(IndexSpace *ix, const Node *e) {
    Value v = eval(ix->s, e);
    if (value_is_poison(v)) return index_fail(ix);
    if (v.kind == V_TENSOR && tensor_shape(ix->s, v).rank != 0) {
        Shape shape = tensor_shape(ix->s, v);
        Diag *d = sema_error(ix->s, E_INDEX, e->span, "`%s` has axes %s; say which element",
                             node_text(ix->s, e), shape_string(ix->s, &shape, v.decl));
        diag_help(d, "`%s[...]` with an index for each axis", node_text(ix->s, e));
        return index_fail(ix);
    }
    return (Indexed){.v = v};
}

static Indexed binary(IndexSpace *ix, const Node *e) {
    Indexed a = index_eval(ix, node_kid(e, 0)), b = index_eval(ix, node_kid(e, 1)), r = {.rank = 0};
    if (ix->failed) return index_fail(ix);
    if (e->name->text[0] == '@') {
        sema_error(ix->s, E_INDEX, e->span, "`@` in an index statement; write the sum");
        return index_fail(ix);
    }
    r.rank = index_union(a.labels, a.rank, b.labels, b.rank, r.labels);
    /* a value without indices stays static, so that it takes the other side's dtype */
    Value x = a.rank || a.v.kind == V_TENSOR ? index_spread(ix, a, r.labels, r.rank, e->span) : a.v;
    Value y = b.rank || b.v.kind == V_TENSOR ? index_spread(ix, b, r.labels, r.rank, e->span) : b.v;
    r.v = op_binary(ix->s, e, e->name->text, x, y);
    return value_is_poison(r.v) ? index_fail(ix) : r;
}

static Indexed unary(IndexSpace *ix, const Node *e) {
    Indexed a = index_eval(ix, node_kid(e, 0));
    if (ix->failed) return a;
    a.v = op_unary(ix->s, e, e->name->text, a.v);
    return value_is_poison(a.v) ? index_fail(ix) : a;
}

/* Whether `result` is computed from `args` element by element. */
static bool elementwise_of(Sema *s, NodeId result, const NodeId *args, uint32_t count) {
    const Graph *g = sema_graph(s);
    bool *mark = ARENA_ARRAY(s->arena, bool, graph_size(g));
    mark[result.id] = true;
    for (uint32_t i = result.id + 1; i-- > 0;) {
        if (!mark[i]) continue;
        bool is_arg = false;
        for (uint32_t k = 0; k < count; k++) is_arg |= args[k].id == i;
        const GNode *n = graph_node(g, (NodeId){i});
        if (is_arg || n->op == OP_CONST || n->rank == 0) continue;
        bool splat = n->op == OP_BROADCAST && graph_node(g, n->args[0])->rank == 0;
        if (!op_is_elementwise(n->op) && !splat) return false;
        for (uint32_t k = 0; k < n->nargs; k++) mark[n->args[k].id] = true;
    }
    return true;
}

static Indexed call_elementwise(IndexSpace *ix, const Node *e, Value f, Args *args,
                                const Indexed *given) {
    Sema *s = ix->s;
    Indexed r = {.rank = 0};
    for (uint32_t i = 0; i < args->count; i++) {
        uint32_t merged[RANK_MAX];
        uint32_t n = index_union(r.labels, r.rank, given[i].labels, given[i].rank, merged);
        memcpy(r.labels, merged, sizeof merged);
        r.rank = n;
    }
    NodeId *nodes = ARENA_ARRAY(s->arena, NodeId, args->count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < args->count; i++) {
        args->values[i] = given[i].v;
        if (given[i].v.kind != V_TENSOR) continue;
        args->values[i] = index_spread(ix, given[i], r.labels, r.rank, e->span);
        if (value_is_poison(args->values[i])) return index_fail(ix);
        nodes[count++] = args->values[i].as.tensor.node;
    }
    r.v = call_value(s, f, args, e, e->span);
    if (value_is_poison(r.v)) return index_fail(ix);
    if (r.rank == 0) return r;
    Shape want = {.rank = r.rank};
    for (uint32_t i = 0; i < r.rank; i++) want.dims[i] = ix->labels[r.labels[i]].size;
    Shape got = r.v.kind == V_TENSOR ? tensor_shape(s, r.v) : shape_scalar();
    if (r.v.kind == V_TENSOR && shape_same(&want, &got) &&
        elementwise_of(s, r.v.as.tensor.node, nodes, count))
        return r;
    Diag *d = sema_error(s, E_INDEX, e->span, "`%s` does not work element by element",
                         node_text(s, node_kid(e, 0)));
    diag_help(d, "call it on the whole tensor in a statement of its own");
    return index_fail(ix);
}

static Indexed call(IndexSpace *ix, const Node *e) {
    if (index_is_reduction(ix->s, e)) return index_reduce(ix, e);
    Sema *s = ix->s;
    Value f = eval(s, node_kid(e, 0));
    uint32_t n = e->count - 1;
    Args args = {.values = ARENA_ARRAY(s->arena, Value, n + 1),
                 .nodes = ARENA_ARRAY(s->arena, const Node *, n + 1),
                 .names = ARENA_ARRAY(s->arena, Sym, n + 1),
                 .count = n};
    Indexed *given = ARENA_ARRAY(s->arena, Indexed, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const Node *arg = e->kids[i + 1];
        args.nodes[i] = arg->kind == NODE_ARG ? node_kid(arg, 0) : arg;
        args.names[i] = arg->kind == NODE_ARG ? arg->name : NULL;
        given[i] = index_eval(ix, args.nodes[i]);
    }
    if (value_is_poison(f) || ix->failed) return index_fail(ix);
    return call_elementwise(ix, e, f, &args, given);
}

bool index_mentions(const IndexSpace *ix, const Node *e) {
    if (!e) return false;
    if (e->kind == NODE_NAME && index_label(ix, e->name) >= 0) return true;
    for (uint32_t i = 0; i < e->count; i++)
        if (index_mentions(ix, e->kids[i])) return true;
    return false;
}

Indexed index_eval(IndexSpace *ix, const Node *e) {
    if (!e || ix->failed || !enter(ix->s, e->span)) return index_fail(ix);
    Indexed r;
    int32_t label;
    switch (e->kind) {
    case NODE_NAME:
        label = index_label(ix, e->name);
        r = label >= 0 ? index_number(ix, (uint32_t)label, e->span) : plain(ix, e);
        break;
    case NODE_INDEX: r = index_access(ix, e); break;
    case NODE_BINARY: r = binary(ix, e); break;
    case NODE_UNARY: r = unary(ix, e); break;
    case NODE_CALL: r = call(ix, e); break;
    default:
        if (index_mentions(ix, e)) {
            sema_unsupported(ix->s, e->span, "this expression over indices");
            r = index_fail(ix);
        } else {
            r = plain(ix, e);
        }
    }
    leave(ix->s);
    return r;
}

/* ------------------------------------------------------------------ statements */

/* The labels of the left side in order; false: reported. */
static bool left_labels(IndexSpace *ix, const Node *target, const uint32_t *own, uint32_t *labels,
                        uint32_t *rank) {
    *rank = 0;
    for (uint32_t i = 1; i < target->count; i++)
        for (uint32_t k = 1; k < i; k++) {
            const Node *a = target->kids[k], *b = target->kids[i];
            if (a->kind != NODE_NAME || b->kind != NODE_NAME || a->name != b->name) continue;
            Diag *d = sema_error(ix->s, E_INDEX, b->span, "index `%s` stands twice on the left",
                                 b->name->text);
            diag_help(d, "a diagonal is read, not written: `y[i] = x[i, i]`");
            return false;
        }
    for (uint32_t i = 1; i < target->count; i++) {
        bool row = target->kids[i]->kind == NODE_ELLIPSIS;
        if (row && !ix->rows_known) {
            sema_error(ix->s, E_INDEX, target->kids[i]->span, "nothing says what `...` stands for");
            return false;
        }
        uint32_t n = row ? ix->row_rank : 1;
        if (*rank + n > RANK_MAX) {
            sema_error(ix->s, E_LIMIT, target->span, "more than %d axes", RANK_MAX);
            return false;
        }
        for (uint32_t k = 0; k < n; k++) labels[(*rank)++] = row ? ix->row[k] : own[i];
    }
    for (uint32_t i = 0; i < *rank; i++) {
        const Label *l = &ix->labels[labels[i]];
        if (l->known) continue;
        Diag *d = sema_error(ix->s, E_INDEX, l->span, "index `%s` has no range",
                             l->name ? l->name->text : "...");
        if (l->name) diag_help(d, "say it: `where %s < n`", l->name->text);
        return false;
    }
    return true;
}

Value index_result(IndexSpace *ix, Indexed r, const uint32_t *labels, uint32_t rank, Span span) {
    uint32_t sorted[RANK_MAX] = {0}, perm[RANK_MAX] = {0}, n = 0;
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t merged[RANK_MAX];
        n = index_union(sorted, n, &labels[i], 1, merged);
        memcpy(sorted, merged, sizeof merged);
    }
    for (uint32_t i = 0; i < r.rank; i++) {
        if (index_has(sorted, n, r.labels[i])) continue;
        const Label *l = &ix->labels[r.labels[i]];
        Diag *d = sema_error(ix->s, E_INDEX, span, "index `%s` is neither on the left nor summed",
                             l->name ? l->name->text : "...");
        if (l->name) diag_help(d, "`sum[%s](...)`", l->name->text);
        return POISON;
    }
    if (n != rank) {
        sema_error(ix->s, E_INDEX, span, "an index stands twice on the left");
        return POISON;
    }
    Value v = index_spread(ix, r, sorted, n, span);
    if (value_is_poison(v)) return v;
    for (uint32_t i = 0; i < rank; i++)
        for (uint32_t k = 0; k < n; k++)
            if (sorted[k] == labels[i]) perm[i] = k;
    return tensor_permute(ix->s, v, perm, span);
}

/* The whole statement; false: it does not elaborate. */
static bool run_statement(IndexSpace *ix, Value *out) {
    Sema *s = ix->s;
    const Node *target = ix->target;
    uint32_t *own = ARENA_ARRAY(s->arena, uint32_t, target->count + 1);
    ix->where_used = ARENA_ARRAY(s->arena, bool, (ix->where ? ix->where->count : 0) + 1);
    for (uint32_t i = 1; i < target->count; i++) {
        const Node *at = target->kids[i];
        if (at->kind == NODE_NAME) {
            own[i] = index_add(ix, at->name, at->span);
        } else if (at->kind != NODE_ELLIPSIS) {
            sema_error(s, E_INDEX, at->span, "the left brackets hold names of indices");
            ix->failed = true;
        }
    }
    index_ranges(ix, ix->value);
    uint32_t labels[RANK_MAX], rank;
    if (ix->failed || !left_labels(ix, target, own, labels, &rank)) return false;
    Indexed r = index_eval(ix, ix->value);
    where_all_used(ix);
    if (ix->failed) return false;
    *out = index_result(ix, r, labels, rank, ix->value->span);
    return !value_is_poison(*out);
}

/* ------------------------------------------------------------------ another order */

enum { ORDER_MAX = 4 };

typedef struct Reorder {
    const IndexSpace *ix;
    const Node *access;
    Node *changed;
    IndexSpace *found;
} Reorder;

static bool reordered(Sema *s, void *user) {
    Reorder *r = user;
    Value v;
    r->found = ARENA_NEW(s->arena, IndexSpace);
    r->found->s = s;
    r->found->target = r->ix->target;
    r->found->where = r->ix->where;
    r->found->value = node_replaced(s, r->ix->value, r->access, r->changed);
    return run_statement(r->found, &v);
}

/* The next order of places in lexicographic order; false: that was the last. */
static bool next_order(uint32_t *order, uint32_t n) {
    uint32_t i = n - 1, k = n - 1;
    while (i > 0 && order[i - 1] >= order[i]) i--;
    if (i == 0) return false;
    while (order[k] <= order[i - 1]) k--;
    uint32_t raised = order[i - 1];
    order[i - 1] = order[k];
    order[k] = raised;
    for (uint32_t a = i, b = n - 1; a < b; a++, b--) {
        uint32_t t = order[a];
        order[a] = order[b];
        order[b] = t;
    }
    return true;
}

/* Whether the indices of one access only stand in the wrong order: `w[o, j, i]` for `w[o, i, j]`.
 */
static void propose_order(IndexSpace *ix, Diag *d, const Node *access) {
    Sema *s = ix->s;
    uint32_t n = access->count - 1, order[ORDER_MAX];
    if (!ix->target || s->quiet || n < 2 || n > ORDER_MAX) return;
    Reorder r = {.ix = ix, .access = access, .changed = ARENA_NEW(s->arena, Node)};
    *r.changed = *access;
    r.changed->kids = ARENA_ARRAY(s->arena, Node *, access->count);
    r.changed->kids[0] = access->kids[0];
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    while (next_order(order, n)) {
        for (uint32_t i = 0; i < n; i++) r.changed->kids[i + 1] = access->kids[1 + order[i]];
        if (!sema_try(s, reordered, &r)) continue;
        Text agree = {.arena = s->arena};
        for (uint32_t i = 0; i < n; i++) {
            const Node *at = r.changed->kids[i + 1];
            const Label *l = NULL;
            for (uint32_t k = 0; at->kind == NODE_NAME && k < r.found->count; k++)
                if (r.found->labels[k].name == at->name) l = &r.found->labels[k];
            if (l && l->known)
                text_printf(&agree, "%s%s=%s", agree.len ? ", " : ": ", at->name->text,
                            l->size_text);
        }
        DiagFix fix = {.span = access->span, .text = node_text(s, r.changed)};
        diag_fix(d, fix, "`%s` makes every index agree%s", fix.text, text_str(&agree));
        return;
    }
}

void exec_index_assign(Sema *s, const Node *stmt, const Node *target, const Node *value,
                       const Node *where) {
    const Node *name = node_kid(target, 0);
    (void)stmt;
    if (!name || name->kind != NODE_NAME || !s->build) return;
    IndexSpace *ix = ARENA_NEW(s->arena, IndexSpace);
    ix->s = s;
    ix->target = target;
    ix->value = value;
    ix->where = where;
    Value v = POISON;
    if (!run_statement(ix, &v)) v = POISON;
    scope_assign(s, name->name, v, name->span);
}

Value eval_index_reduction(Sema *s, const Node *e) {
    if (!s->build) {
        sema_error(s, E_STATIC, e->span, "a tensor where only values known at compile time can be");
        return POISON;
    }
    IndexSpace *ix = ARENA_NEW(s->arena, IndexSpace);
    ix->s = s;
    Indexed r = index_reduce(ix, e);
    if (ix->failed) return POISON;
    if (r.rank == 0) return r.v;
    sema_error(s, E_INDEX, e->span, "an index is left over");
    return POISON;
}
