/* `a @ b`:  [..., m, k] @ [..., k, n] -> [..., m, n];  [..., k] @ [k, n] -> [..., n];
 * [..., k] @ [k] -> [...]. All are one `contract`. */
#include "compiler/sema/elaborate.h"

static const char *operand_name(Sema *s, const Node *e, uint32_t i) {
    const Node *kid = node_kid(e, i);
    return kid ? node_text(s, kid) : "the operand";
}

typedef struct Swap {
    const Node *e;
    Value a, b, result;
} Swap;

static bool swapped(Sema *s, void *user) {
    Swap *w = user;
    w->result = matmul(s, w->e, w->b, w->a);
    return !value_is_poison(w->result);
}

/* e is what the function returns, and the swapped product has the shape that it declares. */
static bool is_declared_result(Sema *s, void *user) {
    const Swap *w = user;
    const Node *def = s->frame ? s->frame->def : NULL, *result = NULL, *body = NULL;
    for (uint32_t i = 0; def && i < def->count; i++) {
        if (!def->kids[i]) continue;
        if (def->kids[i]->kind == NODE_RESULT) result = def->kids[i];
        body = def->kids[i];
    }
    if (body && body->kind == NODE_BLOCK) body = body->count ? body->kids[body->count - 1] : NULL;
    if (body && body->kind == NODE_RETURN) body = node_kid(body, 0);
    while (body && body != w->e && body->kind != NODE_BINARY && body->count == 1)
        body = body->kids[0];
    return result && body == w->e && bind_result(s, result, w->result, s->scope, def, w->e->span);
}

static void propose_swap(Sema *s, Diag *d, const Node *e, Value a, Value b) {
    Swap w = {.e = e, .a = a, .b = b};
    if (!sema_try(s, swapped, &w)) return;
    Shape sa = tensor_shape(s, a), sb = tensor_shape(s, b), to = tensor_shape(s, w.result);
    bool wanted = sema_try(s, is_declared_result, &w);
    DiagFix fix = {
        .span = e->span,
        .text = arena_printf(s->arena, "%s @ %s", operand_name(s, e, 1), operand_name(s, e, 0))};
    diag_fix(d, fix, "swap them: `%s` is %s @ %s -> %s%s", fix.text, shape_string(s, &sb, NULL),
             shape_string(s, &sa, NULL), shape_string(s, &to, NULL),
             wanted ? ", the declared result" : "");
}

static void propose_transpose(Sema *s, Diag *d, const Node *e) {
    DiagFix fix = {
        .span = e->span,
        .text = arena_printf(s->arena, "%s @ %s.T", operand_name(s, e, 0), operand_name(s, e, 1))};
    diag_fix(d, fix, "transpose the second: `%s`", fix.text);
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
        propose_swap(s, d, e, a, b);
    else if (sb.rank == 2 && dim_same(sb.dims[1], x))
        propose_transpose(s, d, e);
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
    uint32_t inner = sb.rank == 1 ? 0 : sb.rank - 2;
    Shape named = sb;
    if (dims_unify(s, sa.dims[sa.rank - 1], sb.dims[inner], e->span, "`@`"))
        named.dims[inner] = sa.dims[sa.rank - 1];
    for (uint32_t i = 0; sb.rank > 2 && sa.rank == sb.rank && i + 2 < sb.rank; i++)
        if (dims_unify(s, sa.dims[i], sb.dims[i], e->span, "`@`")) named.dims[i] = sa.dims[i];
    b = tensor_as(s, b, &named, e->span);
    if (value_is_poison(b)) return POISON;
    sb = named;
    DimId x = sa.dims[sa.rank - 1], y = sb.dims[inner];
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
