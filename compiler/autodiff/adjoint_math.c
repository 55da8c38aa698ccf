/* Adjoints of the elementwise ops. g is the incoming adjoint, y the result. Rules that can use y
 * use it rather than an operand: y usually has to be kept for another reader, the operand seldom.
 */
#include "compiler/autodiff/adjoint.h"

/* Leaves end a path; what arrived there is the answer. */
void adjoint_INPUT(Adjoint *a) {
    (void)a;
}
void adjoint_READ(Adjoint *a) {
    (void)a;
}

void adjoint_GRAD(Adjoint *a) {
    BUG("grad node %u inside a sweep: inner gradients come first", a->self.id);
}

/* ---- unary */
void adjoint_NEG(Adjoint *a) {
    adjoint_give(a, 0, build_neg(a, a->grad));
}

/* g · sign(x): 0 at 0. */
void adjoint_ABS(Adjoint *a) {
    adjoint_give(a, 0, build_mul(a, a->grad, build_unary(a, OP_SIGN, adjoint_operand(a, 0))));
}

void adjoint_EXP(Adjoint *a) {
    adjoint_give(a, 0, build_mul(a, a->grad, a->self));
}

void adjoint_LOG(Adjoint *a) {
    adjoint_give(a, 0, build_div(a, a->grad, adjoint_operand(a, 0)));
}

/* g · (y + 1) */
void adjoint_EXPM1(Adjoint *a) {
    Shape shape = adjoint_operand_shape(a, 0);
    NodeId slope = build_binary(a, OP_ADD, a->self, build_const(a, &shape, 1));
    adjoint_give(a, 0, build_mul(a, a->grad, slope));
}

/* g / (1 + x) */
void adjoint_LOG1P(Adjoint *a) {
    Shape shape = adjoint_operand_shape(a, 0);
    NodeId sum = build_binary(a, OP_ADD, adjoint_operand(a, 0), build_const(a, &shape, 1));
    adjoint_give(a, 0, build_div(a, a->grad, sum));
}

/* g / 2y */
void adjoint_SQRT(Adjoint *a) {
    adjoint_give(a, 0, build_div(a, a->grad, build_binary(a, OP_ADD, a->self, a->self)));
}

void adjoint_SIN(Adjoint *a) {
    adjoint_give(a, 0, build_mul(a, a->grad, build_unary(a, OP_COS, adjoint_operand(a, 0))));
}

void adjoint_COS(Adjoint *a) {
    NodeId sine = build_unary(a, OP_SIN, adjoint_operand(a, 0));
    adjoint_give(a, 0, build_neg(a, build_mul(a, a->grad, sine)));
}

/* g · (1 - y²) */
void adjoint_TANH(Adjoint *a) {
    Shape shape = adjoint_operand_shape(a, 0);
    NodeId square = build_binary(a, OP_MUL, a->self, a->self);
    NodeId slope = build_binary(a, OP_SUB, build_const(a, &shape, 1), square);
    adjoint_give(a, 0, build_mul(a, a->grad, slope));
}

/* (g · 2/√π) · exp(-x²) */
void adjoint_ERF(Adjoint *a) {
    const double two_over_sqrt_pi = 0x1.20dd750429b6dp+0;
    Shape shape = adjoint_operand_shape(a, 0);
    NodeId x = adjoint_operand(a, 0);
    NodeId bell = build_unary(a, OP_EXP, build_neg(a, build_binary(a, OP_MUL, x, x)));
    NodeId scaled = build_mul(a, a->grad, build_const(a, &shape, two_over_sqrt_pi));
    adjoint_give(a, 0, build_mul(a, scaled, bell));
}

/* Between floats; a cast to or from anything else passes nothing on. */
void adjoint_CAST(Adjoint *a) {
    DType from = graph_node(a->graph, adjoint_operand(a, 0))->dtype;
    adjoint_give(a, 0, g_cast(a->graph, from, a->grad, a->node.span));
}

/* ---- binary */
void adjoint_ADD(Adjoint *a) {
    adjoint_give(a, 0, a->grad);
    adjoint_give(a, 1, a->grad);
}

void adjoint_SUB(Adjoint *a) {
    adjoint_give(a, 0, a->grad);
    if (adjoint_wants(a, 1)) adjoint_give(a, 1, build_neg(a, a->grad));
}

void adjoint_MUL(Adjoint *a) {
    if (adjoint_wants(a, 0)) adjoint_give(a, 0, build_mul(a, a->grad, adjoint_operand(a, 1)));
    if (adjoint_wants(a, 1)) adjoint_give(a, 1, build_mul(a, a->grad, adjoint_operand(a, 0)));
}

/* (q, -(q · y)) with q = g / b: one division for both. */
void adjoint_DIV(Adjoint *a) {
    NodeId quotient = build_div(a, a->grad, adjoint_operand(a, 1));
    adjoint_give(a, 0, quotient);
    if (adjoint_wants(a, 1)) adjoint_give(a, 1, build_neg(a, build_mul(a, quotient, a->self)));
}

/* a mod b = a - b · floor(a / b): (g, -(g · floor(a / b))). */
void adjoint_MOD(Adjoint *a) {
    adjoint_give(a, 0, a->grad);
    if (!adjoint_wants(a, 1)) return;
    NodeId ratio = build_binary(a, OP_DIV, adjoint_operand(a, 0), adjoint_operand(a, 1));
    NodeId whole = build_unary(a, OP_FLOOR, ratio);
    adjoint_give(a, 1, build_neg(a, build_mul(a, a->grad, whole)));
}

/* d/dx x^n = n · x^(n-1), n a number: nothing of the exponent is built, and x^0, x^1, x^2 need no
 * power. */
static NodeId power_rule(Adjoint *a, double n) {
    NodeId x = adjoint_operand(a, 0);
    Shape shape = adjoint_operand_shape(a, 0);
    NodeId scaled = build_mul(a, a->grad, build_const(a, &shape, n));
    if (n == 1) return scaled;
    if (n == 2) return build_mul(a, scaled, x);
    NodeId rest = build_binary(a, OP_POW, x, build_const(a, &shape, n - 1));
    return build_mul(a, scaled, rest);
}

/* (g·b·a^(b-1), g·y·log a). Where b = 0 the first is 0, where a = 0 the second is; the selects
 * stand around the operand of log as well, so that derivatives of the rule do not meet 0 · inf
 * either. */
void adjoint_POW(Adjoint *a) {
    NodeId x = adjoint_operand(a, 0), n = adjoint_operand(a, 1);
    Shape shape = adjoint_operand_shape(a, 0);
    double value;
    if (adjoint_wants(a, 0)) {
        if (adjoint_static(a, n, &value)) {
            if (value != 0) adjoint_give(a, 0, power_rule(a, value));
        } else {
            NodeId one = build_const(a, &shape, 1);
            NodeId none = build_binary(a, OP_EQUAL, n, build_const(a, &shape, 0));
            NodeId safe = g_select(a->graph, none, one, n, a->node.span);
            NodeId rest = build_binary(a, OP_POW, x, build_binary(a, OP_SUB, safe, one));
            adjoint_give(a, 0, build_drop(a, none, build_mul(a, build_mul(a, a->grad, n), rest)));
        }
    }
    if (!adjoint_wants(a, 1)) return;
    NodeId zero = build_binary(a, OP_EQUAL, x, build_const(a, &shape, 0));
    NodeId safe = g_select(a->graph, zero, build_const(a, &shape, 1), x, a->node.span);
    NodeId share = build_mul(a, build_mul(a, a->grad, a->self), build_unary(a, OP_LOG, safe));
    adjoint_give(a, 1, build_drop(a, zero, share));
}

/* (select(a > b, g, 0), select(a > b, 0, g)): a tie goes to b. a > b exactly when y > b, NaN and
 * signed zeros included, so the mask comes from y and a need not be kept. */
void adjoint_MAX(Adjoint *a) {
    NodeId first = build_binary(a, OP_LESS, adjoint_operand(a, 1), a->self);
    if (adjoint_wants(a, 0)) adjoint_give(a, 0, build_keep(a, first, a->grad));
    if (adjoint_wants(a, 1)) adjoint_give(a, 1, build_drop(a, first, a->grad));
}

/* As max, with a < b exactly when y < b. */
void adjoint_MIN(Adjoint *a) {
    NodeId first = build_binary(a, OP_LESS, a->self, adjoint_operand(a, 1));
    if (adjoint_wants(a, 0)) adjoint_give(a, 0, build_keep(a, first, a->grad));
    if (adjoint_wants(a, 1)) adjoint_give(a, 1, build_drop(a, first, a->grad));
}

/* ---- ternary */
void adjoint_SELECT(Adjoint *a) {
    NodeId condition = adjoint_operand(a, 0);
    if (adjoint_wants(a, 1)) adjoint_give(a, 1, build_keep(a, condition, a->grad));
    if (adjoint_wants(a, 2)) adjoint_give(a, 2, build_drop(a, condition, a->grad));
}

/* a · b + c */
void adjoint_FMA(Adjoint *a) {
    adjoint_MUL(a);
    adjoint_give(a, 2, a->grad);
}
