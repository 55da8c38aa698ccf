/* Elementwise ops: operands at the same position, one operation. */
#include "compiler/schedule/lower.h"

/* Integer division flags a zero divisor; the operation itself gives 0 then. */
static void flag_division(Lower *l, const GNode *x, ExprId divisor) {
    double value;
    if (graph_const_value(l->s->graph, x->args[1], &value) && value != 0) return;
    if (l->k->exprs.data[divisor.id].kind == EXPR_CONST && l->k->exprs.data[divisor.id].imm != 0)
        return;
    DType t = node_of(l->s, x->args[1])->dtype;
    l_flag(l, l_op(l, OP_EQUAL, DTYPE_BOOL, divisor, l_bits(l, t, 0)), BMRT_FLAG_DIVISION);
}

ExprId lower_elementwise(Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    ExprId args[3];
    for (uint32_t i = 0; i < x->nargs; i++) args[i] = lower_value(l, x->args[i], at);
    if (x->op == OP_STOP) return args[0];
    if (x->op == OP_CAST && l_dtype(l, args[0]) == x->dtype) return args[0];
    if ((x->op == OP_DIV || x->op == OP_MOD) && dtype_is_integer(x->dtype))
        flag_division(l, x, args[1]);
    return loop_op(l->p, l->k, x->op, x->dtype, args, x->nargs);
}
