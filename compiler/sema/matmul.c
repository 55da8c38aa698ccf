/* `a @ b`:  [..., m, k] @ [..., k, n] -> [..., m, n];  [..., k] @ [k, n] -> [..., n];
 * [..., k] @ [k] -> [...]. All are one `contract`. */
#include "compiler/sema/elaborate.h"

static const char *operand_name(Sema *s, const Node *e, uint32_t i) {
    const Node *kid = node_kid(e, i);
    return kid ? node_text(s, kid) : "the operand";
}

static Value inner_mismatch(Sema *s, const Node *e, Value a, Value b, DimId x, DimId y) {
    Text tx = {.arena = s->arena}, ty = {.arena = s->arena};
    dim_print(&tx, s->program->dims, x);
    dim_print(&ty, s->program->dims, y);
    Shape sa = tensor_shape(s, a), sb = tensor_shape(s, b);
    Diag *d = sema_error(s, E_MATMUL, e->span,
                         "`@` needs equal inner dims: %s (last of `%s`) against %s (%s of `%s`)",
                         text_str(&tx), operand_name(s, e, 0), text_str(&ty),
                         sb.rank <= 2 ? "first" : "last but one", operand_name(s, e, 1));
    diag_caret(d, "%s @ %s", shape_string(s, &sa, a.decl), shape_string(s, &sb, b.decl));
    sema_decl_label(s, d, a, NULL);
    sema_decl_label(s, d, b, NULL);
    if (sb.rank >= 1 && sa.rank == 2 && dim_same(sb.dims[sb.rank - 1], sa.dims[0]))
        diag_help(d, "swap them: `%s @ %s`", operand_name(s, e, 1), operand_name(s, e, 0));
    else if (sb.rank == 2 && dim_same(sb.dims[1], x))
        diag_help(d, "transpose the second: `%s @ %s.T`", operand_name(s, e, 0),
                  operand_name(s, e, 1));
    return POISON;
}

Value matmul(Sema *s, const Node *e, Value a, Value b) {
    a = to_tensor(s, a, DTYPE_COUNT, e->span);
    b = to_tensor(s, b, DTYPE_COUNT, e->span);
    if (value_is_poison(a) || value_is_poison(b)) return POISON;
    if (!unify_dtype(s, e->span, "@", &a, &b)) return POISON;
    Shape sa = tensor_shape(s, a), sb = tensor_shape(s, b);
    if (sa.rank == 0 || sb.rank == 0) {
        sema_error(s, E_RANK, e->span, "`@` wants at least one axis on both sides, got %s @ %s",
                   shape_string(s, &sa, NULL), shape_string(s, &sb, NULL));
        return POISON;
    }
    if (!dtype_is_float(tensor_dtype(s, a))) {
        sema_error(s, E_DTYPE, e->span, "`@` wants floats, got %s", dtype_name(tensor_dtype(s, a)));
        return POISON;
    }
    DimId x = sa.dims[sa.rank - 1], y = sb.rank == 1 ? sb.dims[0] : sb.dims[sb.rank - 2];
    if (!dim_same(x, y)) return inner_mismatch(s, e, a, b, x, y);
    uint32_t la[RANK_MAX], lb[RANK_MAX], out[RANK_MAX], nout = 0, k = 30, n = 31;
    for (uint32_t i = 0; i + 1 < sa.rank; i++) out[nout++] = la[i] = i;
    la[sa.rank - 1] = k;
    if (sb.rank <= 2) {
        lb[0] = k;
        if (sb.rank == 2) out[nout++] = lb[1] = n;
    } else { /* leading axes pair up */
        if (sa.rank != sb.rank) {
            sema_error(s, E_MATMUL, e->span, "`@` of %s and %s: the leading axes must agree",
                       shape_string(s, &sa, a.decl), shape_string(s, &sb, b.decl));
            return POISON;
        }
        for (uint32_t i = 0; i + 2 < sb.rank; i++) {
            lb[i] = i;
            if (dim_same(sa.dims[i], sb.dims[i])) continue;
            sema_error(s, E_MATMUL, e->span, "`@` of %s and %s: the leading axes must agree",
                       shape_string(s, &sa, a.decl), shape_string(s, &sb, b.decl));
            return POISON;
        }
        lb[sb.rank - 2] = k;
        out[nout++] = lb[sb.rank - 1] = n;
    }
    NodeId na = tensor_node(s, a, e->span), nb = tensor_node(s, b, e->span);
    if (node_is_none(na) || node_is_none(nb)) return POISON;
    return value_tensor(s, g_contract(sema_graph(s), na, la, nb, lb, out, nout, &k, 1, e->span));
}
