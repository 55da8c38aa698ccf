/* Identities of elementwise ops. Floats: only what holds for every operand, infinities, NaN and
 * both zeros included. So x + 0 stays (-0 + 0 is +0) and x + -0, x - 0 go; x * 0 stays; x - x
 * stays. */
#include "compiler/opt/simplify.h"
#include <math.h>

static bool is_op(const Simplify *s, NodeId id, Op op) {
    return graph_node(s->g, id)->op == op;
}
static NodeId inside(const Simplify *s, NodeId id) {
    return graph_node(s->g, id)->args[0];
}

/* dim as a number */
NodeId simplify_size(Simplify *s, const GNode *n) {
    DimId dim = {(uint32_t)n->attr[0]};
    if (!dim_is_const(s->g->dims, dim)) return NODE_NONE;
    Shape rank0 = {.rank = 0};
    int64_t value = dim_value(s->g->dims, dim);
    return dtype_is_float(n->dtype) ? g_const(s->g, n->dtype, &rank0, (double)value, n->span)
                                    : g_const_int(s->g, n->dtype, &rank0, value, n->span);
}

/* ---- unary */
NodeId simplify_neg(Simplify *s, const GNode *n) {
    return is_op(s, n->args[0], OP_NEG) ? inside(s, n->args[0]) : NODE_NONE;
}

static bool has_sign(DType t) {
    return dtype_is_float(t) || dtype_is_signed(t);
}

/* |-x| = |x|, ||x|| = |x| */
NodeId simplify_abs(Simplify *s, const GNode *n) {
    if (is_op(s, n->args[0], OP_ABS)) return n->args[0];
    if (!has_sign(n->dtype) || !is_op(s, n->args[0], OP_NEG)) return NODE_NONE;
    return simple_unary(s, OP_ABS, inside(s, n->args[0]), n->span);
}

NodeId simplify_idempotent(Simplify *s, const GNode *n) {
    return is_op(s, n->args[0], n->op) ? n->args[0] : NODE_NONE;
}

NodeId simplify_not(Simplify *s, const GNode *n) {
    return is_op(s, n->args[0], OP_NOT) ? inside(s, n->args[0]) : NODE_NONE;
}

NodeId simplify_stop(Simplify *s, const GNode *n) {
    (void)s;
    return n->args[0];
}

/* Every value of `from` is one of `to`, with its sign and nothing lost. */
static bool is_lossless(DType from, DType to) {
    if (from == to || from == DTYPE_BOOL) return true;
    uint32_t from_bits = 8 * dtype_bytes(from), to_bits = 8 * dtype_bytes(to);
    if (dtype_is_float(from)) {
        bool narrow = from == DTYPE_F16 || from == DTYPE_BF16;
        return to == DTYPE_F64 || (to == DTYPE_F32 && narrow);
    }
    if (to == DTYPE_F64) return from_bits <= 32;
    if (to == DTYPE_F32) return from_bits <= 16;
    if (!dtype_is_integer(to)) return false;
    if (dtype_is_signed(from)) return dtype_is_signed(to) && to_bits > from_bits;
    return to_bits > from_bits;
}

/* The second of two casts, when the first lost nothing. Integers wrap between integers but saturate
 * when they come from a float: i8 -> f32 -> u8 is not i8 -> u8. */
NodeId simplify_cast(Simplify *s, const GNode *n) {
    if (!is_op(s, n->args[0], OP_CAST)) return NODE_NONE;
    NodeId x = inside(s, n->args[0]);
    DType from = graph_node(s->g, x)->dtype, between = operand(s, n, 0)->dtype;
    if (!is_lossless(from, between)) return NODE_NONE;
    bool saturates = dtype_is_float(between) && dtype_is_integer(n->dtype);
    if (saturates && !dtype_is_float(from) && !is_lossless(from, n->dtype)) return NODE_NONE;
    return simple_with(s, n, &x);
}

/* ---- sums */
NodeId simplify_add(Simplify *s, const GNode *n) {
    NodeId a = n->args[0], b = n->args[1];
    double zero = dtype_is_float(n->dtype) ? -0.0 : 0.0;
    if (is_number(s, b, zero)) return a;
    if (is_number(s, a, zero)) return b;
    if (is_op(s, b, OP_NEG)) return simple_binary(s, OP_SUB, a, inside(s, b), n->span);
    if (is_op(s, a, OP_NEG)) return simple_binary(s, OP_SUB, b, inside(s, a), n->span);
    /* A sum starts at +0, so it is never -0, and +0 changes nothing. */
    if (is_number(s, b, 0.0) && is_op(s, a, OP_SUM)) return a;
    if (is_number(s, a, 0.0) && is_op(s, b, OP_SUM)) return b;
    return NODE_NONE;
}

NodeId simplify_sub(Simplify *s, const GNode *n) {
    NodeId a = n->args[0], b = n->args[1];
    if (is_number(s, b, 0.0)) return a;
    if (is_op(s, b, OP_NEG)) return simple_binary(s, OP_ADD, a, inside(s, b), n->span);
    if (dtype_is_float(n->dtype))
        return is_number(s, a, -0.0) ? simple_unary(s, OP_NEG, b, n->span) : NODE_NONE;
    if (is_number(s, a, 0.0)) return simple_unary(s, OP_NEG, b, n->span);
    return node_same(a, b) && !may_be_absent(s, a) ? simple_const(s, n, 0) : NODE_NONE;
}

/* ---- products */
/* x · k and -x · k */
static NodeId scaled(Simplify *s, const GNode *n, NodeId x, NodeId k) {
    double value;
    if (!graph_const_value(s->g, k, &value)) return NODE_NONE;
    if (value == 1) return x;
    if (value == -1 && has_sign(n->dtype)) return simple_unary(s, OP_NEG, x, n->span);
    if (value == 0 && dtype_is_integer(n->dtype) && !may_be_absent(s, x)) return k;
    if (dtype_is_float(n->dtype) && is_op(s, x, OP_NEG))
        return simple_binary(s, OP_MUL, inside(s, x), simple_const(s, n, -value), n->span);
    return NODE_NONE;
}

NodeId simplify_mul(Simplify *s, const GNode *n) {
    NodeId a = n->args[0], b = n->args[1];
    NodeId found = scaled(s, n, a, b);
    if (node_is_none(found)) found = scaled(s, n, b, a);
    if (node_is_none(found) && is_op(s, a, OP_NEG) && is_op(s, b, OP_NEG))
        found = simple_binary(s, OP_MUL, inside(s, a), inside(s, b), n->span);
    return found;
}

/* 1 / value when both are powers of two that the dtype holds: then x / value = x · (1 / value),
 * both being the same number rounded once. */
static bool exact_reciprocal(DType t, double value, double *out) {
    int exponent;
    if (value == 0 || !isfinite(value) || fabs(frexp(value, &exponent)) != 0.5) return false;
    *out = 1 / value;
    return isfinite(*out) && dtype_word_to_f64(t, dtype_word_from_f64(t, *out)) == *out;
}

NodeId simplify_div(Simplify *s, const GNode *n) {
    NodeId a = n->args[0], b = n->args[1];
    double value, reciprocal;
    if (is_number(s, b, 1)) return a;
    if (!dtype_is_float(n->dtype)) return NODE_NONE;
    if (is_op(s, a, OP_NEG) && is_op(s, b, OP_NEG))
        return simple_binary(s, OP_DIV, inside(s, a), inside(s, b), n->span);
    if (!graph_const_value(s->g, b, &value)) return NODE_NONE;
    if (is_op(s, a, OP_NEG))
        return simple_binary(s, OP_DIV, inside(s, a), simple_const(s, n, -value), n->span);
    if (!exact_reciprocal(n->dtype, value, &reciprocal)) return NODE_NONE;
    return simple_binary(s, OP_MUL, a, simple_const(s, n, reciprocal), n->span);
}

/* x^0 … x^4 by multiplications from left to right (docs/numerics.md). */
NodeId simplify_pow(Simplify *s, const GNode *n) {
    double value;
    if (!graph_const_value(s->g, n->args[1], &value)) return NODE_NONE;
    if (value != floor(value) || value < 0 || value > 4) return NODE_NONE;
    NodeId x = n->args[0], result = x;
    if (value == 0) return may_be_absent(s, x) ? NODE_NONE : simple_const(s, n, 1);
    for (int i = 1; i < (int)value; i++) result = simple_binary(s, OP_MUL, result, x, n->span);
    return result;
}

/* max(x, x), max(x, -inf), and what a bound of the same kind already says: max(max(x, c), c). */
NodeId simplify_extremum(Simplify *s, const GNode *n) {
    NodeId a = n->args[0], b = n->args[1];
    double neutral = n->op == OP_MAX ? -INFINITY : INFINITY;
    if (node_same(a, b)) return a;
    for (int side = 0; side < 2; side++) {
        NodeId x = side ? b : a, y = side ? a : b;
        const GNode *inner = graph_node(s->g, x);
        if (dtype_is_float(n->dtype) && is_number(s, y, neutral)) return x;
        if (inner->op == n->op && (node_same(inner->args[0], y) || node_same(inner->args[1], y)))
            return x;
    }
    return NODE_NONE;
}

/* ---- conditions */
NodeId simplify_compare(Simplify *s, const GNode *n) {
    if (!node_same(n->args[0], n->args[1]) || may_be_absent(s, n->args[0])) return NODE_NONE;
    if (n->op == OP_LESS) return simple_const(s, n, 0); /* also for NaN */
    return dtype_is_float(operand(s, n, 0)->dtype) ? NODE_NONE : simple_const(s, n, 1);
}

NodeId simplify_logic(Simplify *s, const GNode *n) {
    NodeId a = n->args[0], b = n->args[1];
    if (node_same(a, b)) return a;
    if (n->dtype != DTYPE_BOOL) return NODE_NONE;
    double neutral = n->op == OP_AND ? 1 : 0;
    for (int side = 0; side < 2; side++) {
        NodeId x = side ? b : a, y = side ? a : b;
        if (is_number(s, y, neutral)) return x;
        if (is_number(s, y, 1 - neutral) && !may_be_absent(s, x)) return y;
    }
    return NODE_NONE;
}

/* Rules that drop an operand; see may_be_absent. */
static NodeId select_less(Simplify *s, const GNode *n) {
    NodeId c = n->args[0], a = n->args[1], b = n->args[2];
    const GNode *chosen = graph_node(s->g, a), *other = graph_node(s->g, b);
    if (node_same(a, b) && !may_be_absent(s, c)) return a;
    if (is_number(s, c, 1) && !may_be_absent(s, b)) return a;
    if (is_number(s, c, 0) && !may_be_absent(s, a)) return b;
    if (chosen->op == OP_SELECT && node_same(chosen->args[0], c) &&
        !may_be_absent(s, chosen->args[2]))
        return simple_select(s, c, chosen->args[1], b, n->span);
    if (other->op == OP_SELECT && node_same(other->args[0], c) && !may_be_absent(s, other->args[1]))
        return simple_select(s, c, a, other->args[2], n->span);
    return NODE_NONE;
}

/* ---- one mask for relu and dropout */

static NodeId find_like(const Simplify *s, const GNode *like, Op op, const NodeId *args,
                        uint32_t count) {
    Shape shape = node_shape(like);
    return graph_find(s->g, op, like->dtype, &shape, args, count, NULL, 0);
}

/* Splits k · x into a number k ≥ 1 and x; k is NODE_NONE when there is none. */
static NodeId split_scale(const Simplify *s, NodeId id, NodeId *k) {
    const GNode *n = graph_node(s->g, id);
    *k = NODE_NONE;
    for (uint32_t i = 0; n->op == OP_MUL && i < 2; i++) {
        double value;
        if (!graph_const_value(s->g, n->args[i], &value) || !(value >= 1) || isinf(value)) continue;
        *k = n->args[i];
        return n->args[1 - i];
    }
    return id;
}

/* In  u = select(c, k·r, 0)  and, backwards,  select(0 < r, k·select(c, h, 0), 0)  with k ≥ 1: the
 * two masks are one, 0 < u. So the backward pass needs neither r nor c, only u, which the next
 * layer keeps anyway. Where c is false both give +0; where it is true, k·r > 0 exactly when r > 0.
 */
static NodeId select_one_mask(Simplify *s, const GNode *n) {
    const GNode *positive = operand(s, n, 0);
    if (!dtype_is_float(n->dtype) || positive->op != OP_LESS || !is_number(s, n->args[2], 0.0) ||
        !is_number(s, positive->args[0], 0.0))
        return NODE_NONE;
    NodeId k, r = positive->args[1], zero = n->args[2];
    const GNode *dropped = graph_node(s->g, split_scale(s, n->args[1], &k));
    if (graph_node(s->g, r)->dtype != n->dtype || dropped->op != OP_SELECT ||
        !is_number(s, dropped->args[2], 0.0))
        return NODE_NONE;
    NodeId scaled_r = r, c = dropped->args[0], h = dropped->args[1];
    if (!node_is_none(k)) {
        scaled_r = find_like(s, n, OP_MUL, (NodeId[]){r, k}, 2);
        if (node_is_none(scaled_r)) scaled_r = find_like(s, n, OP_MUL, (NodeId[]){k, r}, 2);
        if (node_is_none(scaled_r)) return NODE_NONE;
    }
    NodeId u = find_like(s, n, OP_SELECT, (NodeId[]){c, scaled_r, zero}, 3);
    if (node_is_none(u)) return NODE_NONE;
    NodeId mask = simple_binary(s, OP_LESS, positive->args[0], u, n->span);
    NodeId value = node_is_none(k) ? h : simple_binary(s, OP_MUL, k, h, n->span);
    return simple_select(s, mask, value, zero, n->span);
}

NodeId simplify_select(Simplify *s, const GNode *n) {
    NodeId c = n->args[0], a = n->args[1], b = n->args[2];
    NodeId less = select_less(s, n);
    if (node_is_none(less)) less = select_one_mask(s, n);
    if (!node_is_none(less)) return less;
    if (is_op(s, c, OP_NOT)) return simple_select(s, inside(s, c), b, a, n->span);
    if (n->dtype == DTYPE_BOOL && is_number(s, a, 1) && is_number(s, b, 0)) return c;
    if (n->dtype == DTYPE_BOOL && is_number(s, a, 0) && is_number(s, b, 1))
        return simple_unary(s, OP_NOT, c, n->span);
    return NODE_NONE;
}

/* 1 · b + c is one rounded sum. */
NodeId simplify_fma(Simplify *s, const GNode *n) {
    for (uint32_t i = 0; i < 2; i++)
        if (is_number(s, n->args[i], 1))
            return simple_binary(s, OP_ADD, n->args[1 - i], n->args[2], n->span);
    return NODE_NONE;
}
