/* Index notation: `sum[i, ...](e)` and its like over the indices it names. */
#include "compiler/sema/index_space.h"

static const ReductionName REDUCTIONS[] = {
    {"sum", OP_SUM, false, false},        {"mean", OP_SUM, true, false},
    {"max", OP_REDUCE_MAX, false, false}, {"min", OP_REDUCE_MIN, false, false},
    {"argmax", OP_ARGMAX, false, false},  {"argmin", OP_ARGMAX, false, true},
    {"prod", OP_COUNT, false, false}};

static const ReductionName *reduction(const char *name) {
    for (size_t i = 0; i < sizeof REDUCTIONS / sizeof *REDUCTIONS; i++)
        if (strcmp(REDUCTIONS[i].name, name) == 0) return &REDUCTIONS[i];
    return NULL;
}

bool index_reduction_name(const char *name) {
    return reduction(name) != NULL;
}

bool index_is_reduction(Sema *s, const Node *e) {
    const Node *callee = node_kid(e, 0);
    const Node *name = callee && callee->kind == NODE_INDEX ? node_kid(callee, 0) : NULL;
    if (!name || name->kind != NODE_NAME || !reduction(name->name->text)) return false;
    Binding *b = scope_find(s->scope, name->name);
    return !b || (b->def && b->def->kind == NODE_FN);
}

Indexed index_reduce_axes(IndexSpace *ix, Indexed a, Op op, const uint32_t *gone, uint32_t count,
                          Span span) {
    uint32_t axes[RANK_MAX], n = 0, k = 0;
    if (ix->failed) return a;
    for (uint32_t i = 0; i < a.rank; i++) {
        if (index_has(gone, count, a.labels[i]))
            axes[n++] = i;
        else
            a.labels[k++] = a.labels[i];
    }
    a.rank = k;
    if (n == 0) return a;
    if (op == OP_COUNT) {
        a.v = tensor_product(ix->s, a.v, axes, n, span);
        return value_is_poison(a.v) ? index_fail(ix) : a;
    }
    NodeId x = tensor_node(ix->s, a.v, span);
    if (node_is_none(x)) return index_fail(ix);
    a.v = value_tensor(ix->s, g_reduce(sema_graph(ix->s), op, x, axes, n, span));
    return a;
}

/* The labels that `sum[i, ...]` names. */
static uint32_t reduced_labels(IndexSpace *ix, const Node *names, const uint32_t *own,
                               uint32_t *out) {
    uint32_t n = 0;
    for (uint32_t i = 1; i < names->count; i++) {
        bool row = names->kids[i]->kind == NODE_ELLIPSIS;
        for (uint32_t k = 0; k < (row ? ix->row_rank : 1) && n < RANK_MAX; k++)
            out[n++] = row ? ix->row[k] : own[i];
    }
    return n;
}

static bool ranges_known(IndexSpace *ix, const uint32_t *labels, uint32_t count, Span span) {
    for (uint32_t i = 0; i < count; i++) {
        if (ix->labels[labels[i]].known) continue;
        const Label *l = &ix->labels[labels[i]];
        sema_error(ix->s, E_INDEX, span, "index `%s` has no range",
                   l->name ? l->name->text : "...");
        return false;
    }
    return true;
}

/* Adding up what does not change along an index is a slip, not a factor n. */
static bool all_occur(IndexSpace *ix, const Indexed *v, const ReductionName *r,
                      const uint32_t *labels, uint32_t count, Span span) {
    for (uint32_t i = 0; i < count; i++) {
        if (index_has(v->labels, v->rank, labels[i])) continue;
        const Label *l = &ix->labels[labels[i]];
        Diag *d = sema_error(ix->s, E_INDEX, span, "index `%s` does not occur in what `%s` reduces",
                             l->name ? l->name->text : "...", r->name);
        diag_help(d, "leave it out of `%s[...]`", r->name);
        return false;
    }
    return true;
}

static Indexed reduced_value(IndexSpace *ix, const Node *arg, const ReductionName *r,
                             const uint32_t *labels, uint32_t count) {
    Sema *s = ix->s;
    if (r->op == OP_SUM && arg->kind == NODE_BINARY && arg->name->text[0] == '*')
        return index_product(ix, arg, labels, count);
    Indexed v = index_eval(ix, arg);
    if (ix->failed || !all_occur(ix, &v, r, labels, count, arg->span)) return index_fail(ix);
    DType t = tensor_dtype(s, v.v);
    if (t == DTYPE_BOOL) {
        Diag *d = sema_error(s, E_DTYPE, arg->span, "`%s` of bools", r->name);
        if (!propose_around(s, d, arg->span, strcmp(r->name, "mean") ? "i32" : "f32", "convert it"))
            diag_help(d, "write `i32(...)` or `f32(...)` around the condition");
        return index_fail(ix);
    }
    if (r->least) v.v = tensor_descending(s, v.v, arg->span);
    return value_is_poison(v.v) ? index_fail(ix)
                                : index_reduce_axes(ix, v, r->op, labels, count, arg->span);
}

/* The indices that the brackets name; own[i]: label of names->kids[i]. */
static bool read_names(IndexSpace *ix, const Node *names, const ReductionName *r, uint32_t *own) {
    Sema *s = ix->s;
    if (r->op == OP_ARGMAX && names->count != 2) {
        sema_error(s, E_INDEX, names->span, "`%s[...]` finds the position on one index", r->name);
        return false;
    }
    for (uint32_t i = 1; i < names->count; i++) {
        const Node *at = names->kids[i];
        if (at->kind == NODE_NAME) {
            own[i] = index_add(ix, at->name, at->span);
        } else if (at->kind != NODE_ELLIPSIS || r->op == OP_ARGMAX) {
            sema_error(s, E_INDEX, at->span, "the brackets of `%s` hold names of indices", r->name);
            return false;
        }
    }
    return !ix->failed;
}

Indexed index_reduce(IndexSpace *ix, const Node *e) {
    Sema *s = ix->s;
    const Node *names = node_kid(e, 0);
    const ReductionName *r = reduction(node_kid(names, 0)->name->text);
    const Node *arg = e->count == 2 ? node_kid(e->kids[1], 0) : NULL;
    uint32_t *own = ARENA_ARRAY(s->arena, uint32_t, names->count + 1), labels[RANK_MAX];
    uint32_t first = ix->count;
    if (!arg) {
        sema_error(s, E_ARGUMENT, e->span, "`%s[...]` takes one expression", r->name);
        return index_fail(ix);
    }
    if (!read_names(ix, names, r, own)) return index_fail(ix);
    index_ranges(ix, arg);
    if (ix->failed) return index_fail(ix);
    uint32_t count = reduced_labels(ix, names, own, labels);
    if (!ranges_known(ix, labels, count, names->span)) return index_fail(ix);
    Indexed v = reduced_value(ix, arg, r, labels, count);
    for (uint32_t i = first; i < ix->count; i++) ix->labels[i].active = false;
    if (ix->failed || !r->mean) return v;
    DimId size = dim_const(s->program->dims, 1);
    for (uint32_t i = 0; i < count; i++)
        size = dim_mul(s->program->dims, size, ix->labels[labels[i]].size);
    v.v = op_binary(s, e, "/", v.v, value_dim(s, size));
    return value_is_poison(v.v) ? index_fail(ix) : v;
}
