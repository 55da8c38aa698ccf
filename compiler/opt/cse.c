/* Common subexpressions. Hash-consing already makes equal nodes one; what is left is a + b against
 * b + a. Operands of commutative ops are put in ascending id, after which the new graph merges
 * them. Exact: IEEE addition, multiplication, maximum and minimum do not depend on the order of two
 * operands (NaN payloads are not observable). Why here and not in LLVM: it sees loops, not tensors.
 * Precondition: no GRAD (max and min give ties to their second operand). Cost: linear. */
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

static bool is_commutative(Op op) {
    static const Op ops[] = {OP_ADD, OP_MUL, OP_MAX, OP_MIN, OP_EQUAL, OP_AND, OP_OR, OP_FMA};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i] == op) return true;
    return false;
}

static bool is_unordered(const Graph *g, const GNode *n) {
    (void)g;
    return is_commutative(n->op) && n->args[0].id > n->args[1].id;
}

static NodeId visit(Rewrite *r, const GNode *n) {
    if (!is_unordered(r->to, n)) return rewrite_copy(r, n);
    NodeId args[3] = {n->args[1], n->args[0]};
    if (n->nargs == 3) args[2] = n->args[2];
    GNode ordered = *n;
    ordered.args = args;
    return rewrite_copy(r, &ordered);
}

Graph *opt_cse(const Graph *g) {
    return rewrite_where(opt_bodies(g, opt_cse), is_unordered, visit, NULL);
}
