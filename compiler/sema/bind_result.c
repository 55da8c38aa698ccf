/* What a function returns meets what it declares: number of results, dtypes, shapes. */
#include "compiler/sema/bind.h"

/* `-> [B]` promises floats, and of an export, which C code calls, f32. */
static bool untyped_result_fits(Sema *s, const Node *rtype, Value v, const Node *def, Span span) {
    DType got = tensor_dtype(s, v);
    bool exported = def->kind == NODE_FN && (def->flags & NODE_FLAG_EXPORT);
    if (exported ? got == DTYPE_F32 : dtype_is_float(got)) return true;
    const char *dims = node_text(s, node_kid(rtype, 0));
    Diag *d = sema_error(s, E_DTYPE, span, "`%s` declares `-> %s`, that is %s, but returns %s",
                         def_name(def), dims, exported ? "f32" : "floats", dtype_name(got));
    diag_label(d, rtype->span, "declared here");
    diag_help(d, "`-> %s: %s`", dims, dtype_name(got));
    return false;
}

static bool bind_one_result(Sema *s, const Node *rtype, Value v, Scope *scope, const Node *def,
                            Span span) {
    const Node *dims = node_kid(rtype, 0), *type = node_kid(rtype, 1);
    if (value_is_poison(v) || (!dims && type_dtype(type) == DTYPE_COUNT)) return true;
    if (v.kind == V_NUM || v.kind == V_DIM) return !dims || dims->count == 0;
    if (type_is_str(type) && v.kind == V_STRINGS) v = value_tensor(s, v.as.strings.node);
    if (v.kind != V_TENSOR || (type_is_str(type) && tensor_dtype(s, v) != DTYPE_I32)) {
        Diag *d = sema_error(s, E_KIND, span, "`%s` declares `-> %s` but returns %s", def_name(def),
                             dims ? node_text(s, dims) : type->name->text, value_kind_name(v.kind));
        if (v.kind == V_INSTANCE || v.kind == V_FN || v.kind == V_LAYER)
            diag_help(d, "apply it to its data: `...(x)`");
        return false;
    }
    DType want = type_dtype(type);
    if (want != DTYPE_COUNT && want != tensor_dtype(s, v)) {
        sema_error(s, E_DTYPE, span, "`%s` declares a result of %s but returns %s", def_name(def),
                   dtype_name(want), dtype_name(tensor_dtype(s, v)));
        return false;
    }
    if (!dims) return true;
    if (!type && !untyped_result_fits(s, rtype, v, def, span)) return false;
    Scope *probe = scope_new(s, scope, true);
    Binding *row = scope_find(scope, ellipsis_sym(s));
    if (row) scope_set(s, probe, ellipsis_sym(s), row->value, row->span);
    Shape shape = tensor_shape(s, v), want_shape;
    uint32_t fixed = 0;
    bool open = false;
    for (uint32_t i = 0; i < dims->count; i++) {
        const Node *kid = dims->kids[i];
        if (kid->kind == NODE_ELLIPSIS)
            open |= !scope_find(probe, kid->name ? kid->name : ellipsis_sym(s));
        else
            fixed++;
        if (kid->kind == NODE_NAME && !known_dim(s, probe, kid->name)) open = true;
    }
    if (open) return shape.rank >= fixed; /* a free name in a result says nothing */
    Scope *saved = s->scope;
    s->scope = probe;
    bool ok = eval_shape(s, dims, &want_shape);
    s->scope = saved;
    if (!ok) return false;
    bool agrees = shape.rank == want_shape.rank;
    const char *what = arena_printf(s->arena, "the result of `%s`", def_name(def));
    for (uint32_t i = 0; agrees && i < shape.rank; i++)
        agrees = dims_unify(s, want_shape.dims[i], shape.dims[i], span, what);
    if (agrees) return true;
    const char *written = node_text(s, dims), *means = shape_string(s, &want_shape, NULL);
    bool plain = strcmp(written, means) == 0;
    Diag *d = sema_error(s, E_SHAPE, span, "`%s` declares `-> %s`%s%s, but returns %s",
                         def_name(def), written, plain ? "" : ", that is ", plain ? "" : means,
                         shape_string(s, &shape, NULL));
    diag_label(d, rtype->span, "declared here");
    return false;
}

bool bind_result(Sema *s, const Node *result, Value v, Scope *scope, const Node *def, Span span) {
    if (!result || value_is_poison(v)) return true;
    if (result->count == 1) /* `-> [B]`, `-> ([B])` */
        return bind_one_result(s, result->kids[0], v, scope, def, span);
    if (v.kind != V_TUPLE || v.as.list.count != result->count) {
        const char *got = v.kind == V_TUPLE ? arena_printf(s->arena, "%u", v.as.list.count) : "one";
        Diag *d = sema_error(s, E_KIND, span, "`%s` declares %u results, but returns %s",
                             def_name(def), result->count, got);
        diag_label(d, result->span, "declared here");
        return false;
    }
    bool ok = true;
    for (uint32_t i = 0; i < result->count; i++)
        ok &= bind_one_result(s, result->kids[i], v.as.list.items[i], scope, def, span);
    return ok;
}
