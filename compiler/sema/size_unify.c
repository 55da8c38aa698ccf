/* Sizes that the compiler cannot compare. `T` against `P` may be one size: the program then says so
 * at the door, with a check that every call makes before it does anything. A number against a name
 * (10 against B) stays a mistake: who means B = 10 writes it. */
#include "compiler/sema/elaborate.h"

bool dims_unify(Sema *s, DimId a, DimId b, Span span, const char *what) {
    DimTable *t = s->program->dims;
    if (dim_same(a, b)) return true;
    DimId gap = dim_sub(t, a, b);
    if (s->generic) return false; /* two names of a definition are two sizes: nothing calls it */
    if (!s->build || dim_is_const(t, a) || dim_is_const(t, b) || dim_is_const(t, gap)) return false;
    if (dim_is_overflow(t, gap)) return false;
    Text text = {.arena = s->ctx->arena};
    text_printf(&text, "%s %s needs ", place_string(s, span), what);
    dim_print(&text, t, a);
    text_add(&text, " = ");
    dim_print(&text, t, b);
    graph_require(sema_graph(s), gap, true, text_str(&text), span);
    return true;
}

/* A slice of all of it, whose extents have the other names. */
Value tensor_as(Sema *s, Value v, const Shape *to, Span span) {
    Shape shape = tensor_shape(s, v);
    DimId first[RANK_MAX];
    int64_t step[RANK_MAX];
    NodeId x = tensor_node(s, v, span);
    if (node_is_none(x)) return POISON;
    if (shape_same(&shape, to)) return v;
    for (uint32_t i = 0; i < shape.rank; i++) {
        first[i] = dim_const(s->program->dims, 0);
        step[i] = 1;
    }
    Value r = value_tensor(s, g_slice(sema_graph(s), x, first, to->dims, step, span));
    r.decl = v.decl;
    return r;
}
