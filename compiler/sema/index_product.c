/* Index notation: products under a sum. `sum[i, j](a[i] * b[i, j] * c[j])` becomes a chain of
 * `contract` of two factors each, in the order of fewest multiplications.
 *
 * All orders are compared by dynamic programming over the sets of factors (Lam, Sadayappan, Wenger
 * 1997). Run-time sizes count as NOMINAL_SIZE, so that the order, and with it every bit of the
 * result, does not depend on them. Of equal costs the one further left wins: factors are taken from
 * left to right where nothing speaks against it. */
#include "compiler/sema/index_space.h"

enum { FACTOR_MAX = 12, NOMINAL_SIZE = 64 };

typedef struct Product {
    Indexed factors[FACTOR_MAX];
    uint32_t count;
    VEC(Value) scalars; /* without indices: multiplied in at the end */
} Product;

static bool flatten(IndexSpace *ix, const Node *e, Product *p) {
    if (e->kind == NODE_BINARY && strcmp(e->name->text, "*") == 0)
        return flatten(ix, node_kid(e, 0), p) && flatten(ix, node_kid(e, 1), p);
    Indexed v = index_eval(ix, e);
    if (ix->failed) return false;
    if (v.rank == 0) {
        vec_push(ix->s->arena, &p->scalars, v.v);
        return true;
    }
    if (p->count == FACTOR_MAX) {
        sema_error(ix->s, E_LIMIT, e->span, "a product of more than %d factors", FACTOR_MAX);
        ix->failed = true;
        return false;
    }
    p->factors[p->count++] = v;
    return true;
}

static Indexed multiply(IndexSpace *ix, Indexed a, Indexed b, const Node *e) {
    Indexed r = {.rank = index_union(a.labels, a.rank, b.labels, b.rank, r.labels)};
    Value x = index_spread(ix, a, r.labels, r.rank, e->span);
    Value y = index_spread(ix, b, r.labels, r.rank, e->span);
    r.v = op_binary(ix->s, e, "*", x, y);
    return value_is_poison(r.v) ? index_fail(ix) : r;
}

/* One binary step of a product: labels in `gone` end here. They run in the order of sum[...]. */
static Indexed contract_two(IndexSpace *ix, Indexed a, Indexed b, const uint32_t *gone,
                            uint32_t ngone, const Node *e) {
    Sema *s = ix->s;
    uint32_t only_a[RANK_MAX], only_b[RANK_MAX], both[RANK_MAX], na = 0, nb = 0, n = 0;
    for (uint32_t i = 0; i < ngone; i++) {
        bool in_a = index_has(a.labels, a.rank, gone[i]),
             in_b = index_has(b.labels, b.rank, gone[i]);
        if (in_a && in_b)
            both[n++] = gone[i];
        else if (in_a)
            only_a[na++] = gone[i];
        else if (in_b)
            only_b[nb++] = gone[i];
    }
    a = index_reduce_axes(ix, a, OP_SUM, only_a, na, e->span);
    b = index_reduce_axes(ix, b, OP_SUM, only_b, nb, e->span);
    if (n == 0) return multiply(ix, a, b, e);
    if (!unify_dtype(s, e->span, "*", &a.v, &b.v)) return index_fail(ix);
    Indexed r = {.rank = 0};
    uint32_t merged[RANK_MAX];
    uint32_t m = index_union(a.labels, a.rank, b.labels, b.rank, merged);
    for (uint32_t i = 0; i < m; i++)
        if (!index_has(both, n, merged[i])) r.labels[r.rank++] = merged[i];
    NodeId x = tensor_node(s, a.v, e->span), y = tensor_node(s, b.v, e->span);
    if (node_is_none(x) || node_is_none(y)) return index_fail(ix);
    r.v = value_tensor(
        s, g_contract(sema_graph(s), x, a.labels, y, b.labels, r.labels, r.rank, both, n, e->span));
    return r;
}

/* ------------------------------------------------------------------ the order */

typedef struct Order {
    const Product *p;
    double size[LABEL_MAX];
    uint64_t summed;                 /* set of labels */
    uint64_t labels[FACTOR_MAX];     /* of each factor */
    double cost[1 << FACTOR_MAX];    /* of a set of factors */
    uint16_t right[1 << FACTOR_MAX]; /* the set on the right of its last product */
} Order;

static double nominal_size(Sema *s, DimId d) {
    DimTable *t = s->program->dims;
    uint32_t count = dim_symbol_count(t);
    int64_t *symbols = ARENA_ARRAY(s->arena, int64_t, count + 1), value;
    for (uint32_t i = 0; i < count; i++) symbols[i] = NOMINAL_SIZE;
    return dim_eval(t, d, symbols, &value) && value > 1 ? (double)value : 1;
}

static uint64_t labels_of(const Order *o, uint32_t set) {
    uint64_t inside = 0, outside = 0;
    for (uint32_t i = 0; i < o->p->count; i++) {
        if (set >> i & 1)
            inside |= o->labels[i];
        else
            outside |= o->labels[i];
    }
    return inside & (outside | ~o->summed);
}

/* Multiplications of one product: one for every combination of its labels. */
static double product_cost(const Order *o, uint64_t labels) {
    double cost = 1;
    for (uint32_t i = 0; i < LABEL_MAX; i++)
        if (labels >> i & 1) cost *= o->size[i];
    return cost;
}

static void best_split(Order *o, uint32_t set) {
    uint32_t last = 1u << (31 - __builtin_clz(set));
    o->cost[set] = -1;
    /* right sides: the last factor alone first, then every other set that holds it */
    for (uint32_t rest = 0;; rest = (rest - (set & ~last)) & (set & ~last)) {
        uint32_t right = rest | last, left = set & ~right;
        if (left == 0) break;
        double cost = o->cost[left] + o->cost[right] +
                      product_cost(o, labels_of(o, left) | labels_of(o, right));
        if (o->cost[set] < 0 || cost < o->cost[set]) {
            o->cost[set] = cost;
            o->right[set] = (uint16_t)right;
        }
    }
}

static Order *find_order(IndexSpace *ix, const Product *p, const uint32_t *summed, uint32_t count) {
    Order *o = ARENA_NEW(ix->s->arena, Order);
    o->p = p;
    for (uint32_t i = 0; i < count; i++) o->summed |= UINT64_C(1) << summed[i];
    for (uint32_t i = 0; i < p->count; i++)
        for (uint32_t k = 0; k < p->factors[i].rank; k++) {
            uint32_t label = p->factors[i].labels[k];
            o->labels[i] |= UINT64_C(1) << label;
            if (o->size[label] == 0) o->size[label] = nominal_size(ix->s, ix->labels[label].size);
        }
    for (uint32_t set = 1; set < 1u << p->count; set++)
        if (set & (set - 1)) best_split(o, set);
    return o;
}

/* The product of a set of factors; labels that nothing outside has are summed on the way. */
static Indexed contract_set(IndexSpace *ix, const Order *o, uint32_t set, const uint32_t *summed,
                            uint32_t count, const Node *e) {
    if (!(set & (set - 1))) return o->p->factors[__builtin_ctz(set)];
    Indexed a = contract_set(ix, o, set & ~o->right[set], summed, count, e);
    Indexed b = contract_set(ix, o, o->right[set], summed, count, e);
    uint64_t keep = labels_of(o, set);
    uint32_t gone[RANK_MAX], n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!(keep >> summed[i] & 1)) gone[n++] = summed[i];
    return ix->failed ? index_fail(ix) : contract_two(ix, a, b, gone, n, e);
}

static bool all_float(Sema *s, const Product *p) {
    for (uint32_t i = 0; i < p->count; i++)
        if (!dtype_is_float(tensor_dtype(s, p->factors[i].v))) return false;
    return true;
}

static Indexed product_value(IndexSpace *ix, const Product *p, const uint32_t *summed,
                             uint32_t count, const Node *e) {
    Indexed v;
    if (p->count >= 2 && all_float(ix->s, p)) {
        const Order *o = find_order(ix, p, summed, count);
        v = contract_set(ix, o, (1u << p->count) - 1, summed, count, e);
    } else {
        v = p->count ? p->factors[0] : (Indexed){.v = value_int(1)};
        for (uint32_t i = 1; i < p->count && !ix->failed; i++)
            v = multiply(ix, v, p->factors[i], e);
        if (!ix->failed) v = index_reduce_axes(ix, v, OP_SUM, summed, count, e->span);
    }
    return v;
}

Indexed index_contract(IndexSpace *ix, const Indexed *factors, uint32_t nfactors,
                       const uint32_t *summed, uint32_t count, const Node *e) {
    Product *p = ARENA_NEW(ix->s->arena, Product);
    if (nfactors > FACTOR_MAX) {
        sema_error(ix->s, E_LIMIT, e->span, "a product of more than %d factors", FACTOR_MAX);
        return index_fail(ix);
    }
    p->count = nfactors;
    memcpy(p->factors, factors, nfactors * sizeof *factors);
    return product_value(ix, p, summed, count, e);
}

Indexed index_product(IndexSpace *ix, const Node *e, const uint32_t *summed, uint32_t count) {
    Product *p = ARENA_NEW(ix->s->arena, Product);
    if (!flatten(ix, e, p)) return index_fail(ix);
    Indexed v = product_value(ix, p, summed, count, e);
    for (uint32_t i = 0; i < p->scalars.len && !ix->failed; i++) {
        v.v = op_binary(ix->s, e, "*", v.v, p->scalars.data[i]);
        if (value_is_poison(v.v)) return index_fail(ix);
    }
    return v;
}
