/* attention: softmax(q·kᵀ·scale)·v, and the gradient that belongs to it, become one op each.
 *
 *     s = contract(q, k);  a = s·scale;  a = select(mask, a, -inf), once or twice
 *     e = exp(a - max a);  l = sum e;  p = e / l;  o = contract(p, v)
 *     g = contract(do, v) / l;  ds = scale·select(mask, e (g - sum(p g)), 0)
 *     dq = contract(ds, k);  dk = contract(q, ds);  dv = contract(p, do)
 *
 * Why here and not in LLVM: memory of size t·s goes away only if the weights are never a tensor.
 * Why last: the pattern is what simplify leaves of the prelude's words, whoever wrote them; a
 * weight that anything else reads (a second derivative, an output) stays as it is.
 * Precondition: simplified, no GRAD. Postcondition: as before, with rounding changed as
 * docs/numerics.md says. Cost: linear in nodes and uses. */
#include "compiler/graph/attention_op.h"
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

#include <math.h>

enum { MASKS_MAX = 2, PARTS = 5 }; /* o, sums, dq, dk, dv */
enum { PART_O, PART_SUMS, PART_DQ, PART_DK, PART_DV };

typedef struct Found {
    NodeId s, e, p, sum, o;  /* of the pattern */
    NodeId q, k, v, d_o;     /* operands */
    NodeId masks[MASKS_MAX]; /* conditions, the outer one first */
    uint32_t mask_count, batch;
    NodeId mask; /* the one that is no causal one */
    bool causal, gradient;
    float scale;
    NodeId scaled_by; /* the constant, or NODE_NONE */
    Op scale_op;
    NodeId result[PARTS]; /* which node each part stands for, or NODE_NONE */
    int64_t roles[ATTENTION_VALUES][RANK_MAX];
    NodeId made[PARTS]; /* in the new graph */
} Found;

typedef struct Search {
    const Graph *g;
    uint32_t *first, *users; /* users of n: users[first[n] .. first[n + 1]) */
    VEC(Found *) found;
    Found **at; /* per node: the pattern whose part it stands for */
    uint8_t *part;
} Search;

static const GNode *node(const Search *f, NodeId n) {
    return graph_node(f->g, n);
}
static uint32_t users_of(const Search *f, NodeId n) {
    return f->first[n.id + 1] - f->first[n.id];
}
static NodeId user(const Search *f, NodeId n, uint32_t i) {
    return (NodeId){f->users[f->first[n.id] + i]};
}

static void users_collect(Search *f) {
    Arena *arena = f->g->ctx->arena;
    uint32_t size = graph_size(f->g), edges = 0;
    bool *live = ARENA_ARRAY(arena, bool, size);
    graph_live(f->g, live);
    f->first = ARENA_ARRAY(arena, uint32_t, size + 2);
    for (uint32_t i = 0; i < size; i++)
        for (uint32_t k = 0; live[i] && k < node(f, (NodeId){i})->nargs; k++, edges++)
            f->first[node(f, (NodeId){i})->args[k].id + 2]++;
    f->users = ARENA_ARRAY(arena, uint32_t, edges);
    for (uint32_t i = 2; i < size + 2; i++) f->first[i] += f->first[i - 1];
    for (uint32_t i = 0; i < size; i++)
        for (uint32_t k = 0; live[i] && k < node(f, (NodeId){i})->nargs; k++)
            f->users[f->first[node(f, (NodeId){i})->args[k].id + 1]++] = i;
}

static bool is_root(const Search *f, NodeId n) {
    for (uint32_t i = 0; i < f->g->outputs.len; i++)
        if (node_same(f->g->outputs.data[i].node, n)) return true;
    for (uint32_t i = 0; i < f->g->writes.len; i++)
        if (node_same(f->g->writes.data[i].node, n)) return true;
    return node_same(f->g->guard, n);
}

/* Used `count` times, and by nothing else. */
static bool only_used(const Search *f, NodeId n, uint32_t count) {
    return users_of(f, n) == count && !is_root(f, n);
}

static bool constant(const Search *f, NodeId n, double *value) {
    return graph_const_value(f->g, n, value);
}
static bool is_constant(const Search *f, NodeId n, double wanted) {
    double value;
    return constant(f, n, &value) && value == wanted;
}

/* Broadcast of `n` [.., rows] along a new last axis? */
static bool is_row_broadcast(const Search *f, NodeId id, NodeId n) {
    const GNode *b = node(f, id);
    if (b->op != OP_BROADCAST || !node_same(b->args[0], n)) return false;
    for (uint32_t i = 0; i + 1 < b->rank; i++)
        if (b->attr[i] != (int64_t)i) return false;
    return b->attr[b->rank - 1] == -1;
}

static bool is_row_reduction(const Search *f, NodeId id, Op op, NodeId of) {
    const GNode *r = node(f, id);
    return r->op == op && node_same(r->args[0], of) && r->nattr == 1 &&
           r->attr[0] == (int64_t)node(f, of)->rank - 1;
}

/* The only user of `n` that is a row reduction / a broadcast along the rows; or NODE_NONE. */
static NodeId row_user(const Search *f, NodeId n, Op op) {
    for (uint32_t i = 0; i < users_of(f, n); i++) {
        NodeId u = user(f, n, i);
        if (op == OP_BROADCAST ? is_row_broadcast(f, u, n) : is_row_reduction(f, u, op, n))
            return u;
    }
    return NODE_NONE;
}

static NodeId user_with(const Search *f, NodeId n, Op op, uint32_t position) {
    for (uint32_t i = 0; i < users_of(f, n); i++) {
        const GNode *u = node(f, user(f, n, i));
        if (u->op == op && node_same(u->args[position], n)) return user(f, n, i);
    }
    return NODE_NONE;
}

/* ------------------------------------------------------------------ contractions */

/* The roles of the axes of the operand `operand` of a contraction with one summed label, given
 * those of the result's axes and of the summed label. */
static void roles_of(const Search *f, NodeId contract, uint32_t operand, const int64_t *result,
                     int64_t summed, int64_t *roles) {
    const GNode *c = node(f, contract);
    const int64_t *labels = c->attr + 1;
    if (operand == 1) labels += node(f, c->args[0])->rank;
    for (uint32_t i = 0; i < node(f, c->args[operand])->rank; i++)
        roles[i] = labels[i] == (int64_t)c->rank ? summed : result[labels[i]];
}

/* Each role of the batch, and the two others, once. */
static bool roles_are(const int64_t *roles, uint32_t batch, uint32_t a, uint32_t b) {
    uint64_t seen = 0, wanted = ((uint64_t)1 << batch) - 1;
    wanted |= (uint64_t)1 << (batch + a) | (uint64_t)1 << (batch + b);
    for (uint32_t i = 0; i < batch + 2; i++)
        if (roles[i] >= 0) seen |= (uint64_t)1 << roles[i];
    return seen == wanted;
}

/* A contraction [batch.., t, s] over `summed` of a value with t and one with s. */
static bool scores_contraction(const Search *f, NodeId id, uint32_t summed, NodeId *rows,
                               int64_t *row_roles, NodeId *columns, int64_t *column_roles) {
    const GNode *c = node(f, id);
    if (c->op != OP_CONTRACT || c->dtype != DTYPE_F32 || c->attr[0] != 1 || c->rank < 2)
        return false;
    uint32_t batch = c->rank - 2;
    if (node(f, c->args[0])->rank != c->rank || node(f, c->args[1])->rank != c->rank) return false;
    int64_t roles[RANK_MAX];
    for (uint32_t i = 0; i < c->rank; i++) roles[i] = i;
    for (uint32_t i = 0; i < 2; i++) {
        roles_of(f, id, i, roles, batch + summed, row_roles);
        roles_of(f, id, 1 - i, roles, batch + summed, column_roles);
        *rows = c->args[i];
        *columns = c->args[1 - i];
        if (roles_are(row_roles, batch, ROLE_T, summed) &&
            roles_are(column_roles, batch, ROLE_S, summed))
            return true;
    }
    return false;
}

/* A contraction of `weights` [batch.., t, s] over t or s with another value: that value, its roles
 * and those of the result, whose new role is `added`. */
static bool weights_contraction(const Search *f, NodeId id, NodeId weights, uint32_t over,
                                uint32_t added, NodeId *other, int64_t *other_roles,
                                int64_t *result_roles) {
    const GNode *c = node(f, id), *w = node(f, weights);
    if (c->op != OP_CONTRACT || c->dtype != DTYPE_F32 || c->attr[0] != 1 || c->rank != w->rank ||
        node_same(c->args[0], c->args[1]))
        return false;
    uint32_t at = node_same(c->args[0], weights) ? 0 : 1, batch = w->rank - 2;
    *other = c->args[1 - at];
    if (node(f, *other)->rank != w->rank) return false;
    const int64_t *labels = c->attr + 1 + (at == 1 ? node(f, c->args[0])->rank : 0);
    for (uint32_t i = 0; i < w->rank; i++) result_roles[i] = batch + added;
    bool summed = false;
    for (uint32_t i = 0; i < w->rank; i++) {
        if (labels[i] == (int64_t)c->rank) {
            summed = i == batch + over;
        } else {
            result_roles[labels[i]] = i;
        }
    }
    roles_of(f, id, 1 - at, result_roles, batch + over, other_roles);
    uint32_t kept = over == ROLE_S ? ROLE_T : ROLE_S;
    return summed && roles_are(result_roles, batch, kept, added) &&
           roles_are(other_roles, batch, over, added);
}

/* ------------------------------------------------------------------ forward */

/* j <= i, as the prelude writes it: less or equal of two positions. */
static bool is_causal(const Search *f, NodeId id) {
    const GNode *n = node(f, id);
    while (n->op == OP_BROADCAST) {
        const GNode *x = node(f, n->args[0]);
        for (uint32_t i = 1; i <= 2; i++)
            if (x->rank < 2 || n->attr[n->rank - i] != (int64_t)(x->rank - i)) return false;
        n = x;
    }
    if (n->op != OP_OR || n->rank < 2 || !dim_same(n->dims[n->rank - 1], n->dims[n->rank - 2]))
        return false;
    const GNode *a = node(f, n->args[0]), *b = node(f, n->args[1]);
    const GNode *less = a->op == OP_LESS ? a : b, *equal = a->op == OP_LESS ? b : a;
    if (less->op != OP_LESS || equal->op != OP_EQUAL) return false;
    uint32_t at = node_same(less->args[0], equal->args[0]) ? 0 : 1;
    if (!node_same(less->args[0], equal->args[at]) ||
        !node_same(less->args[1], equal->args[1 - at]))
        return false;
    for (uint32_t i = 0; i < 2; i++) { /* j stands along the last axis, i along the one before */
        const GNode *x = node(f, less->args[i]);
        int64_t axis = (int64_t)n->rank - 1 - i;
        if (x->op == OP_BROADCAST) {
            axis = x->attr[axis];
            x = node(f, x->args[0]);
        }
        if (x->op != OP_IOTA || axis < 0 || x->attr[0] != axis) return false;
    }
    return true;
}

static bool read_masks(const Search *f, Found *x, NodeId *scores) {
    x->mask = NODE_NONE;
    while (node(f, *scores)->op == OP_SELECT) {
        const GNode *n = node(f, *scores);
        if (x->mask_count == MASKS_MAX || !is_constant(f, n->args[2], -INFINITY)) return false;
        bool causal = is_causal(f, n->args[0]);
        if (causal ? x->causal : !node_is_none(x->mask)) return false;
        if (causal)
            x->causal = true;
        else
            x->mask = n->args[0];
        x->masks[x->mask_count++] = n->args[0];
        if (x->mask_count > 1 && !only_used(f, *scores, 1)) return false;
        *scores = n->args[1];
    }
    return true;
}

static bool read_scale(const Search *f, Found *x, NodeId *scores) {
    const GNode *n = node(f, *scores);
    double value;
    x->scale = 1;
    x->scaled_by = NODE_NONE;
    if (n->op != OP_MUL && n->op != OP_DIV) return true;
    uint32_t at = constant(f, n->args[1], &value) ? 1 : 0;
    if (!constant(f, n->args[at], &value) || (n->op == OP_DIV && at == 0)) return false;
    x->scale = n->op == OP_DIV ? 1.0f / (float)value : (float)value;
    x->scaled_by = n->args[at];
    x->scale_op = n->op;
    *scores = n->args[1 - at];
    return true;
}

static bool width_fits(const Search *f, const int64_t *roles, NodeId n, int64_t role) {
    const GNode *x = node(f, n);
    for (uint32_t i = 0; i < x->rank; i++)
        if (roles[i] == role)
            return dim_is_const(f->g->dims, x->dims[i]) &&
                   dim_value(f->g->dims, x->dims[i]) % 16 == 0 &&
                   dim_value(f->g->dims, x->dims[i]) > 0 &&
                   dim_value(f->g->dims, x->dims[i]) <= 512;
    return false;
}

/* From e = exp(a - max a) back to q and k, and on to o. */
static bool match_forward(const Search *f, Found *x) {
    const GNode *e = node(f, x->e);
    const GNode *z = node(f, e->args[0]);
    if (e->rank < 2 || e->dtype != DTYPE_F32 || z->op != OP_SUB || !only_used(f, e->args[0], 1))
        return false;
    NodeId a = z->args[0],
           top = node(f, z->args[1])->op == OP_BROADCAST ? node(f, z->args[1])->args[0] : NODE_NONE;
    if (node_is_none(top) || !is_row_broadcast(f, z->args[1], top) ||
        !is_row_reduction(f, top, OP_REDUCE_MAX, a) || !only_used(f, a, 2) ||
        !only_used(f, top, 1) || !only_used(f, z->args[1], 1))
        return false;
    x->batch = e->rank - 2;
    NodeId scores = a;
    if (!read_masks(f, x, &scores)) return false;
    if (!node_same(scores, a) && !only_used(f, scores, 1)) return false;
    NodeId scaled = scores;
    if (!read_scale(f, x, &scores)) return false;
    if (!node_same(scores, scaled) && !only_used(f, scores, 1)) return false;
    x->s = scores;
    if (!scores_contraction(f, x->s, ROLE_D, &x->q, x->roles[ATTENTION_Q], &x->k,
                            x->roles[ATTENTION_K]))
        return false;
    NodeId sum = row_user(f, x->e, OP_SUM);
    if (node_is_none(sum) || !only_used(f, sum, 1)) return false;
    x->sum = row_user(f, sum, OP_BROADCAST);
    x->p = node_is_none(x->sum) ? NODE_NONE : user_with(f, x->e, OP_DIV, 0);
    if (node_is_none(x->p) || !node_same(node(f, x->p)->args[1], x->sum) || is_root(f, x->e) ||
        is_root(f, x->p) || is_root(f, x->sum))
        return false;
    for (uint32_t i = 0; i < users_of(f, x->p) && node_is_none(x->o); i++) {
        NodeId u = user(f, x->p, i);
        if (weights_contraction(f, u, x->p, ROLE_S, ROLE_E, &x->v, x->roles[ATTENTION_V],
                                x->roles[ATTENTION_O]))
            x->o = u;
    }
    return !node_is_none(x->o) && width_fits(f, x->roles[ATTENTION_Q], x->q, x->batch + ROLE_D) &&
           width_fits(f, x->roles[ATTENTION_V], x->v, x->batch + ROLE_E);
}

/* ------------------------------------------------------------------ backward */

/* ds, from e (g - sum(p g)): under the masks, scaled. NODE_NONE: something else. */
static NodeId slopes_of(const Search *f, const Found *x, NodeId product) {
    NodeId at = product;
    for (uint32_t i = 0; i < x->mask_count; i++) {
        if (!only_used(f, at, 1)) return NODE_NONE;
        const GNode *u = node(f, user(f, at, 0));
        bool known = false;
        for (uint32_t k = 0; k < x->mask_count; k++) known |= node_same(x->masks[k], u->args[0]);
        if (u->op != OP_SELECT || !known || !node_same(u->args[1], at) ||
            !is_constant(f, u->args[2], 0))
            return NODE_NONE;
        at = user(f, at, 0);
    }
    if (node_is_none(x->scaled_by)) return at;
    if (!only_used(f, at, 1)) return NODE_NONE;
    const GNode *u = node(f, user(f, at, 0));
    bool scaled = u->op == x->scale_op &&
                  (node_same(u->args[1], x->scaled_by) || node_same(u->args[0], x->scaled_by));
    return scaled ? user(f, at, 0) : NODE_NONE;
}

static bool same_value(const Search *f, NodeId a, const int64_t *roles, NodeId b,
                       const int64_t *others) {
    return node_same(a, b) && memcmp(roles, others, node(f, a)->rank * sizeof *roles) == 0;
}

/* dq and dk, from ds. */
static bool match_slopes(const Search *f, Found *x, NodeId ds) {
    for (uint32_t i = 0; i < users_of(f, ds); i++) {
        NodeId u = user(f, ds, i), other;
        int64_t roles[RANK_MAX];
        if (node_is_none(x->result[PART_DQ]) &&
            weights_contraction(f, u, ds, ROLE_S, ROLE_D, &other, roles, x->roles[ATTENTION_DQ]) &&
            same_value(f, x->k, x->roles[ATTENTION_K], other, roles))
            x->result[PART_DQ] = u;
        else if (node_is_none(x->result[PART_DK]) &&
                 weights_contraction(f, u, ds, ROLE_T, ROLE_D, &other, roles,
                                     x->roles[ATTENTION_DK]) &&
                 same_value(f, x->q, x->roles[ATTENTION_Q], other, roles))
            x->result[PART_DK] = u;
        else
            return false;
    }
    return !is_root(f, ds);
}

/* g = contract(do, v) / l, p g, and what follows. */
static bool match_products(const Search *f, Found *x, NodeId pg) {
    const GNode *n = node(f, pg);
    NodeId g = node_same(n->args[0], x->p) ? n->args[1] : n->args[0];
    const GNode *quotient = node(f, g);
    NodeId v;
    int64_t roles[RANK_MAX];
    if (quotient->op != OP_DIV || !node_same(quotient->args[1], x->sum) || !only_used(f, g, 2) ||
        !only_used(f, pg, 1) || !only_used(f, quotient->args[0], 1) ||
        !scores_contraction(f, quotient->args[0], ROLE_E, &x->d_o, x->roles[ATTENTION_DO], &v,
                            roles) ||
        !same_value(f, x->v, x->roles[ATTENTION_V], v, roles))
        return false;
    NodeId share = row_user(f, pg, OP_SUM);
    if (node_is_none(share) || !only_used(f, share, 1)) return false;
    NodeId negated = user(f, share, 0);
    if (node(f, negated)->op != OP_NEG || !only_used(f, negated, 1)) return false;
    NodeId wide = user(f, negated, 0);
    if (!is_row_broadcast(f, wide, negated) || !only_used(f, wide, 1)) return false;
    NodeId sum = user(f, wide, 0);
    const GNode *add = node(f, sum);
    bool adds = add->op == OP_ADD && (node_same(add->args[0], g) || node_same(add->args[1], g));
    if (!adds || !only_used(f, sum, 1)) return false;
    NodeId product = user(f, sum, 0);
    const GNode *m = node(f, product);
    bool by_e = m->op == OP_MUL && (node_same(m->args[0], x->e) || node_same(m->args[1], x->e));
    NodeId ds = by_e ? slopes_of(f, x, product) : NODE_NONE;
    return !node_is_none(ds) && match_slopes(f, x, ds);
}

/* All that reads p and e belongs to the pattern. */
static bool match_backward(const Search *f, Found *x) {
    NodeId pg = NODE_NONE, d_o;
    int64_t roles[RANK_MAX], result[RANK_MAX];
    for (uint32_t i = 0; i < users_of(f, x->p); i++) {
        NodeId u = user(f, x->p, i);
        if (node_same(u, x->o)) continue;
        if (node(f, u)->op == OP_MUL && node_is_none(pg)) {
            pg = u;
        } else if (node_is_none(x->result[PART_DV]) &&
                   weights_contraction(f, u, x->p, ROLE_T, ROLE_E, &d_o, roles, result)) {
            x->result[PART_DV] = u;
            memcpy(x->roles[ATTENTION_DV], result, sizeof result);
        } else {
            return false;
        }
    }
    if (!node_is_none(pg) && !match_products(f, x, pg)) return false;
    if (!node_is_none(x->result[PART_DV])) {
        if (node_is_none(pg)) return false;
        if (!same_value(f, x->d_o, x->roles[ATTENTION_DO], d_o, roles)) return false;
    }
    uint32_t more = node_is_none(pg) ? 0 : 1;
    x->gradient = more;
    return only_used(f, x->e, 2 + more) && only_used(f, x->sum, 1 + more);
}

/* ------------------------------------------------------------------ results in their layout */

/* Where all that reads a part is one permutation of its axes, the part is made that way. */
static void layout_result(Search *f, Found *x, uint32_t part, AttentionValue v) {
    NodeId id = x->result[part];
    if (node_is_none(id)) return;
    const GNode *p = users_of(f, id) == 1 ? node(f, user(f, id, 0)) : NULL;
    if (p && p->op == OP_PERMUTE && !is_root(f, id)) {
        int64_t roles[RANK_MAX];
        for (uint32_t i = 0; i < p->rank; i++) roles[i] = x->roles[v][p->attr[i]];
        memcpy(x->roles[v], roles, p->rank * sizeof *roles);
        x->result[part] = id = user(f, id, 0);
    }
    f->at[id.id] = x;
    f->part[id.id] = (uint8_t)part;
}

static void search(Search *f) {
    for (uint32_t i = 0; i < graph_size(f->g); i++) {
        NodeId id = {i};
        if (node(f, id)->op != OP_EXP || users_of(f, id) < 2) continue;
        Found *x = ARENA_NEW(f->g->ctx->arena, Found);
        *x = (Found){.e = id, .o = NODE_NONE, .d_o = NODE_NONE};
        for (uint32_t k = 0; k < PARTS; k++) x->result[k] = x->made[k] = NODE_NONE;
        if (!match_forward(f, x) || !match_backward(f, x)) continue;
        x->result[PART_O] = x->o;
        layout_result(f, x, PART_O, ATTENTION_O);
        layout_result(f, x, PART_DQ, ATTENTION_DQ);
        layout_result(f, x, PART_DK, ATTENTION_DK);
        layout_result(f, x, PART_DV, ATTENTION_DV);
        vec_push(f->g->ctx->arena, &f->found, x);
    }
}

/* ------------------------------------------------------------------ the new graph */

static uint32_t attributes(const Found *x, bool gradient, int64_t *attr) {
    uint32_t bits, rank = x->batch + 2, count = ATTENTION_ATTR;
    memcpy(&bits, &x->scale, sizeof bits);
    attr[0] = 0;
    attr[1] = x->causal;
    attr[2] = bits;
    attr[3] = x->batch;
    for (uint32_t v = 0; v < (gradient ? ATTENTION_VALUES : ATTENTION_DO); v++, count += rank)
        for (uint32_t i = 0; i < rank; i++) attr[count + i] = x->roles[v][i];
    return count;
}

/* Parts nobody asked for stand in the layout of their operand. */
static void default_roles(Found *x) {
    size_t bytes = sizeof x->roles[0];
    if (node_is_none(x->result[PART_DQ]))
        memcpy(x->roles[ATTENTION_DQ], x->roles[ATTENTION_Q], bytes);
    if (node_is_none(x->result[PART_DK]))
        memcpy(x->roles[ATTENTION_DK], x->roles[ATTENTION_K], bytes);
    if (node_is_none(x->result[PART_DV]))
        memcpy(x->roles[ATTENTION_DV], x->roles[ATTENTION_V], bytes);
}

static void make_forward(Rewrite *r, Found *x, Span span) {
    NodeId args[4] = {r->map[x->q.id], r->map[x->k.id], r->map[x->v.id]};
    int64_t attr[ATTENTION_ATTR + ATTENTION_VALUES * RANK_MAX];
    uint32_t nargs = 3, nattr = attributes(x, false, attr);
    if (!node_is_none(x->mask)) args[nargs++] = r->map[x->mask.id];
    for (uint32_t part = 0; part < (x->gradient ? 2u : 1u); part++)
        x->made[part] = g_attention(r->to, false, part, args, nargs, attr, nattr, span);
}

static void make_gradient(Rewrite *r, Found *x, Span span) {
    NodeId args[7] = {r->map[x->q.id], r->map[x->k.id],    r->map[x->v.id],
                      x->made[PART_O], x->made[PART_SUMS], r->map[x->d_o.id]};
    int64_t attr[ATTENTION_ATTR + ATTENTION_VALUES * RANK_MAX];
    default_roles(x);
    uint32_t nargs = 6, nattr = attributes(x, true, attr);
    if (!node_is_none(x->mask)) args[nargs++] = r->map[x->mask.id];
    for (uint32_t part = 0; part < 3; part++)
        if (!node_is_none(x->result[PART_DQ + part]))
            x->made[PART_DQ + part] =
                g_attention(r->to, true, part, args, nargs, attr, nattr, span);
}

static NodeId visit(Rewrite *r, const GNode *n) {
    const Search *f = r->user;
    Found *x = f->at[r->now.id];
    if (!x) return rewrite_copy(r, n);
    uint32_t part = f->part[r->now.id];
    if (node_is_none(x->made[PART_O])) make_forward(r, x, node(f, x->o)->span);
    if (part >= PART_DQ && node_is_none(x->made[part])) make_gradient(r, x, node(f, x->o)->span);
    return x->made[part];
}

Graph *opt_attention(const Graph *from) {
    const Graph *g = opt_bodies(from, opt_attention);
    Search f = {.g = g};
    f.at = ARENA_ARRAY(g->ctx->arena, Found *, graph_size(g));
    f.part = ARENA_ARRAY(g->ctx->arena, uint8_t, graph_size(g));
    users_collect(&f);
    search(&f);
    return f.found.len ? opt_dce(rewrite_graph(g, visit, &f)) : (Graph *)g;
}
