/* Arguments meet parameters: order and names, kinds, dtypes, and named dims. A name in the brackets
 * of a parameter is the size of that name when one is in scope, else a new dim bound here. */
#include "compiler/sema/bind.h"

Sym ellipsis_sym(Sema *s) {
    return ctx_sym(s->ctx, "...");
}

DType type_dtype(const Node *type) {
    return type && type->name && type->count == 0 ? dtype_find(type->name->text) : DTYPE_COUNT;
}

bool list_is_defaults(const Node *list) {
    for (uint32_t i = 0; i < list->count; i++)
        if (!node_kid(list->kids[i], 2)) return false;
    return true;
}

const char *def_name(const Node *def) {
    return def && def->name ? def->name->text : "this function";
}

/* What one parameter is being bound to, for messages. */
typedef struct Slotting {
    const Node *par, *def;
    Scope *into;
    Span span;
    Value value;
    const Node *node, *list; /* the argument, or NULL; the parameters */
    const Args *args;
    const int32_t *given; /* argument of each parameter, or -1 */
    Shape *want;          /* the value's shape in the names of the sizes bound before */
} Slotting;

static const char *par_string(Sema *s, const Node *par) {
    const Node *dims = node_kid(par, 0), *type = node_kid(par, 1);
    return arena_printf(s->arena, "%s%s%s%s", par->name->text, dims ? node_text(s, dims) : "",
                        type && type->name ? ": " : "", type && type->name ? type->name->text : "");
}

static bool wrong_shape(Sema *s, const Slotting *b, Code code, const char *why) {
    const char *got = value_shape_string(s, b->value);
    Diag *d = sema_error(s, code, b->span, "`%s` wants `%s`%s, got %s", def_name(b->def),
                         par_string(s, b->par), why, got);
    diag_caret(d, "%s", got);
    if (!span_in_prelude(s, b->par->span))
        diag_label(d, b->par->span, "`%s` is declared here", b->par->name->text);
    else
        diag_note(d, "declared in the prelude: %s", signature_text(s, b->def));
    sema_decl_label(s, d, b->value, NULL);
    return false;
}

/* ------------------------------------------------------------------ dims */

/* The static size that a name already stands for; NULL: the name is free to be bound. */
Binding *known_dim(Sema *s, Scope *into, Sym name) {
    Binding *b = scope_find(into, name);
    if (!b) return NULL;
    if (b->def && b->def->kind != NODE_LET) return NULL;
    Value v = binding_value(s, b, b->span);
    b = scope_find(into, name);
    return v.kind == V_NUM || v.kind == V_DIM ? b : NULL;
}

static const char *binding_text(Sema *s, const Slotting *b) {
    return arena_printf(s->arena, "`%s` of `%s`", b->par->name->text, def_name(b->def));
}

static bool check_dim(Sema *s, const Slotting *b, Value want, DimId got, const Node *elem,
                      uint32_t axis) {
    DimId w;
    if (!value_as_dim(s, want, &w)) {
        if (value_is_poison(want)) return false;
        sema_error(s, E_KIND, elem->span, "a size must be a whole number, got %s",
                   value_string(s, want));
        return false;
    }
    if (dims_unify(s, w, got, b->span, binding_text(s, b))) {
        if (b->want) b->want->dims[axis] = w;
        return true;
    }
    Text tw = {.arena = s->arena}, tg = {.arena = s->arena};
    dim_print(&tw, s->program->dims, w);
    dim_print(&tg, s->program->dims, got);
    const char *written = node_text(s, elem);
    const char *why = strcmp(written, text_str(&tw)) == 0
                          ? arena_printf(s->arena, " (%s is not %s)", text_str(&tg), written)
                          : arena_printf(s->arena, " with %s = %s (not %s)", written, text_str(&tw),
                                         text_str(&tg));
    return wrong_shape(s, b, E_SHAPE, why);
}

static bool match_name(Sema *s, const Slotting *b, const Node *elem, DimId got, uint32_t axis) {
    Binding *known = known_dim(s, b->into, elem->name);
    if (known) return check_dim(s, b, known->value, got, elem, axis);
    Value v = value_dim(s, got);
    v.dim_name = elem->name;
    scope_set(s, b->into, elem->name, v, elem->span);
    return true;
}

static Value row_value(Sema *s, const Shape *shape, uint32_t from, uint32_t count) {
    Value row = value_list(s, NULL, 0);
    row.as.list.items = ARENA_ARRAY(s->arena, Value, count);
    row.as.list.count = count;
    for (uint32_t i = 0; i < count; i++) row.as.list.items[i] = value_dim(s, shape->dims[from + i]);
    return row;
}

/* The row agrees with the one bound before, or a run will tell. */
static bool row_agrees(Sema *s, const Slotting *b, Value known, Value row, uint32_t axis) {
    if (value_same(s, known, row) == 1) return true;
    if (known.as.list.count != row.as.list.count) return false;
    for (uint32_t i = 0; i < row.as.list.count; i++) {
        DimId have, got;
        if (!value_as_dim(s, known.as.list.items[i], &have) ||
            !value_as_dim(s, row.as.list.items[i], &got) ||
            !dims_unify(s, have, got, b->span, binding_text(s, b)))
            return false;
        if (b->want) b->want->dims[axis + i] = have;
    }
    return true;
}

/* Of the tensors that share the row, the one that wants to lose a last axis of 1. */
static void propose_squeeze(Sema *s, const Slotting *b, Diag *d) {
    for (uint32_t i = 0; b->list && i < b->list->count; i++) {
        const Node *dims = node_kid(b->list->kids[i], 0);
        if (!dims || dims->count != 1 || dims->kids[0]->kind != NODE_ELLIPSIS || b->given[i] < 0)
            continue;
        const Node *other = b->args->nodes[b->given[i]];
        Value v = b->args->values[b->given[i]];
        if (b->list->kids[i] == b->par) return;
        const Node *column = NULL;
        if (other && squeeze_would_fit(s, v, b->value, b->span, "...")) column = other;
        if (b->node && squeeze_would_fit(s, b->value, v, b->span, "...")) column = b->node;
        if (column) {
            DiagFix fix = {.span = column->span, .text = squeezed_text(s, column)};
            diag_fix(d, fix, "drop the last axis: `%s`", fix.text);
        }
        return;
    }
}

static bool match_row(Sema *s, const Slotting *b, const Node *elem, Value row, uint32_t axis) {
    Sym dots = ellipsis_sym(s);
    Binding *known = scope_find_here(b->into, dots);
    if (known && row_agrees(s, b, known->value, row, axis)) {
        if (elem->name) scope_set(s, b->into, elem->name, known->value, elem->span);
        return true;
    }
    if (known) {
        Shape a = {.rank = known->value.as.list.count};
        for (uint32_t i = 0; i < a.rank; i++)
            value_as_dim(s, known->value.as.list.items[i], &a.dims[i]);
        const char *first = shape_string(s, &a, NULL), *got = value_string(s, row);
        const Node *dims = node_kid(b->par, 0);
        Diag *d;
        if (dims->count == 1) {
            d = sema_error(s, E_BROADCAST, b->span,
                           "`%s` wants tensors of one shape `[...]`, got %s and %s",
                           def_name(b->def), first, got);
            diag_caret(d, "%s and %s", first, got);
        } else {
            d = sema_error(s, E_SHAPE, b->span, "`%s` wants `%s` with ... = %s, got %s",
                           def_name(b->def), par_string(s, b->par), first,
                           value_shape_string(s, b->value));
        }
        if (span_in_prelude(s, b->par->span))
            diag_note(d, "declared in the prelude: %s", signature_text(s, b->def));
        if (dims->count == 1 && a.rank != row.as.list.count) propose_squeeze(s, b, d);
        return false;
    }
    scope_set(s, b->into, dots, row, elem->span);
    if (elem->name) scope_set(s, b->into, elem->name, row, elem->span);
    return true;
}

static bool match_dims(Sema *s, const Slotting *b, const Node *dims, const Shape *shape) {
    uint32_t fixed = 0, axis = 0;
    bool row = false;
    for (uint32_t i = 0; i < dims->count; i++) {
        if (dims->kids[i]->kind == NODE_ELLIPSIS)
            row = true;
        else
            fixed++;
    }
    if (shape->rank < fixed || (!row && shape->rank != fixed))
        return wrong_shape(s, b, E_RANK,
                           arena_printf(s->arena, " with %s%u %s", row ? "at least " : "", fixed,
                                        fixed == 1 ? "axis" : "axes"));
    for (uint32_t i = 0; i < dims->count; i++) {
        const Node *elem = dims->kids[i];
        bool ok;
        if (elem->kind == NODE_ELLIPSIS) {
            uint32_t count = shape->rank - fixed;
            ok = match_row(s, b, elem, row_value(s, shape, axis, count), axis);
            axis += count;
        } else if (elem->kind == NODE_NAME) {
            ok = match_name(s, b, elem, shape->dims[axis], axis);
            axis++;
        } else {
            Scope *scope = s->scope;
            s->scope = b->into;
            Value want = eval(s, elem);
            s->scope = scope;
            ok = check_dim(s, b, want, shape->dims[axis], elem, axis);
            axis++;
        }
        if (!ok) return false;
    }
    return true;
}

bool eval_shape(Sema *s, const Node *dims, Shape *out) {
    *out = shape_scalar();
    if (!dims) return true;
    Value v = eval_dims(s, dims);
    return !value_is_poison(v) && value_to_shape(s, v, out, dims->span);
}

bool value_to_shape(Sema *s, Value v, Shape *out, Span span) {
    *out = shape_scalar();
    if (value_is_poison(v)) return false;
    if (v.kind != V_LIST || v.as.list.count > RANK_MAX) {
        sema_error(s, E_KIND, span, "a shape like `[B, 10]` with at most %d axes is needed, got %s",
                   RANK_MAX, value_string(s, v));
        return false;
    }
    for (uint32_t i = 0; i < v.as.list.count; i++) {
        if (value_as_dim(s, v.as.list.items[i], &out->dims[i])) continue;
        Number *n = v.as.list.items[i].kind == V_NUM ? &v.as.list.items[i].as.num : NULL;
        if (n && n->exact && n->d != 1)
            sema_error(s, E_DIVISION, span, "%lld does not divide by %lld: a size must be whole",
                       (long long)n->n, (long long)n->d);
        else
            sema_error(s, E_KIND, span, "a size must be a whole number, got %s",
                       value_string(s, v.as.list.items[i]));
        return false;
    }
    out->rank = v.as.list.count;
    return true;
}

/* ------------------------------------------------------------------ kinds */

static bool is_num(Sema *s, Value v) {
    if (v.kind == V_NUM || v.kind == V_DIM) return true;
    if (v.kind != V_TENSOR) return false;
    return tensor_shape(s, v).rank == 0 && dtype_is_float(tensor_dtype(s, v));
}
static bool is_int(Sema *s, Value v) {
    int64_t i;
    (void)s;
    return value_is_int(v, &i) || v.kind == V_DIM;
}
static bool is_bool(Sema *s, Value v) {
    (void)s;
    return v.kind == V_BOOL;
}
static bool is_str(Sema *s, Value v) {
    (void)s;
    return v.kind == V_STR;
}
static bool is_dim(Sema *s, Value v) {
    DimId d;
    return value_as_dim(s, v, &d);
}
static bool is_shape(Sema *s, Value v) {
    DimId d;
    if (v.kind != V_LIST) return false;
    for (uint32_t i = 0; i < v.as.list.count; i++)
        if (!value_as_dim(s, v.as.list.items[i], &d)) return false;
    return true;
}
static bool is_axis(Sema *s, Value v) {
    return v.kind == V_ALL || is_int(s, v) || (v.kind == V_LIST);
}
static bool is_list(Sema *s, Value v) {
    (void)s;
    return v.kind == V_LIST || v.kind == V_TUPLE;
}
static bool is_fn(Sema *s, Value v) {
    (void)s;
    return v.kind == V_FN || v.kind == V_BUILTIN || v.kind == V_INSTANCE || v.kind == V_DTYPE ||
           v.kind == V_LAYER;
}
static bool is_params(Sema *s, Value v) {
    (void)s;
    return v.kind == V_BUNDLE || v.kind == V_INSTANCE;
}

typedef struct KindRow {
    const char *name, *wants;
    bool (*fits)(Sema *, Value);
} KindRow;
static const KindRow KINDS[] = {{"num", "a number or a rank-0 tensor", is_num},
                                {"int", "a whole number", is_int},
                                {"bool", "`true` or `false`", is_bool},
                                {"str", "a string", is_str},
                                {"dim", "a size", is_dim},
                                {"shape", "a shape", is_shape},
                                {"axis", "an axis, a list of axes or `all`", is_axis},
                                {"list", "a list", is_list},
                                {"fn", "a function", is_fn},
                                {"params", "a model or its parameters", is_params}};

bool kind_is_known(const char *name) {
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (strcmp(KINDS[i].name, name) == 0) return true;
    return false;
}

void kinds_offer(Nearest *near) {
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) nearest_offer(near, KINDS[i].name);
}

static bool bind_static(Sema *s, const Slotting *b, Value v) {
    const Node *type = node_kid(b->par, 1);
    scope_set(s, b->into, b->par->name, v, b->par->name_span);
    if (!type || !type->name) return true;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (strcmp(KINDS[i].name, type->name->text) != 0) continue;
        if (KINDS[i].fits(s, v)) return true;
        Diag *d =
            sema_error(s, E_ARGUMENT, b->span, "`%s` of `%s` wants %s, got %s", b->par->name->text,
                       def_name(b->def), KINDS[i].wants,
                       v.kind == V_NUM || v.kind == V_STR || v.kind == V_BOOL || v.kind == V_LIST
                           ? value_string(s, v)
                           : value_kind_name(v.kind));
        if (b->def && b->def->name) diag_note(d, "declared as %s", signature_text(s, b->def));
        return false;
    }
    if (!type_is_known(type)) return false;
    sema_error(s, E_UNSUPPORTED, type->span, "the type `%s` is not supported yet here",
               type->name->text);
    return false;
}

/* ------------------------------------------------------------------ one parameter */

bool type_is_str(const Node *type) {
    return type && type->name && strcmp(type->name->text, "str") == 0;
}

/* The field as the file may well hold it. */
static void propose_field(Sema *s, Diag *d, const Node *field, DType to) {
    const Node *dims = node_kid(field, 0), *column = node_kid(field, 2);
    Text t = {.arena = s->arena};
    text_printf(&t, "%s%s: %s", field->name->text, dims ? written_text(s, dims) : "",
                dtype_name(to));
    if (column) text_printf(&t, " = %s", written_text(s, column));
    DiagFix fix = {.span = field->span, .text = text_str(&t)};
    diag_fix(d, fix, "`field %s` if the file holds whole numbers", fix.text);
    if (!dims)
        diag_help(d, "`field %s: category([\"no\", \"yes\"])`, with your names, if it holds names",
                  field->name->text);
}

/* Strings go through functions untouched, up to the `encode` that makes numbers of them. */
static bool bind_strings(Sema *s, Slotting *b, Value v) {
    const Node *dims = node_kid(b->par, 0);
    Graph *g = sema_graph(s);
    Shape shape = graph_shape(g, v.as.strings.node), none = shape_scalar();
    if (v.as.strings.input >= 0 && (uint32_t)v.as.strings.input < g->inputs.len)
        shape = graph_input_given(&g->inputs.data[v.as.strings.input]);
    b->value = value_tensor(s, v.as.strings.node);
    if (dims ? !match_dims(s, b, dims, &shape) : !shape_same(&shape, &none)) {
        if (!dims) wrong_shape(s, b, E_RANK, " without axes");
        return false;
    }
    v.decl = b->par;
    scope_set(s, b->into, b->par->name, v, b->par->name_span);
    return true;
}

static bool bind_tensor(Sema *s, Slotting *b, Value v, bool *deferred) {
    const Node *dims = node_kid(b->par, 0);
    DType want = type_dtype(node_kid(b->par, 1));
    *deferred = false;
    if (v.kind == V_NUM || v.kind == V_DIM || v.kind == V_BOOL) {
        *deferred = true;
        scope_set(s, b->into, b->par->name, v, b->par->name_span);
        return true;
    }
    if (v.kind == V_LIST) v = to_tensor(s, v, want, b->span);
    if (value_is_poison(v)) return false;
    if (v.kind == V_STRINGS && type_is_str(node_kid(b->par, 1))) return bind_strings(s, b, v);
    if (v.kind != V_TENSOR) {
        Diag *d = sema_error(s, E_ARGUMENT, b->span, "`%s` of `%s` wants a tensor `%s`, got %s",
                             b->par->name->text, def_name(b->def), par_string(s, b->par),
                             value_kind_name(v.kind));
        if (v.kind == V_INSTANCE) diag_help(d, "apply it: `%s(...)`", v.as.instance->path);
        return false;
    }
    b->value = v;
    DType got = tensor_dtype(s, v);
    bool fits = want == DTYPE_COUNT ? dtype_is_float(got) : got == want;
    if (!fits) {
        Diag *d = sema_error(s, E_DTYPE, b->span, "`%s` wants `%s`%s, got %s", def_name(b->def),
                             par_string(s, b->par), want == DTYPE_COUNT ? " of floats" : "",
                             dtype_name(got));
        diag_caret(d, "%s", dtype_name(got));
        const Node *field = v.decl && v.decl->kind == NODE_FIELD ? node_kid(v.decl, 0) : NULL;
        DType to = want == DTYPE_COUNT ? DTYPE_F32 : want;
        if (field) {
            diag_label(d, field->span, "read from the file as %s", dtype_name(got));
            propose_field(s, d, field, to);
        } else {
            sema_decl_label(s, d, v, NULL);
        }
        if (b->node) propose_conversion(s, d, b->node, to);
        return false;
    }
    Shape shape = tensor_shape(s, v), named = shape;
    Shape none = shape_scalar();
    b->want = &named;
    if (dims ? !match_dims(s, b, dims, &shape) : !shape_same(&shape, &none)) {
        if (!dims) wrong_shape(s, b, E_RANK, " without axes");
        return false;
    }
    v = tensor_as(s, v, &named, b->span);
    if (!span_in_prelude(s, b->par->span)) v.decl = b->par;
    scope_set(s, b->into, b->par->name, v, b->par->name_span);
    return !value_is_poison(v);
}

/* A static number given for a tensor takes the shape that the other arguments fixed. */
static bool bind_deferred(Sema *s, const Slotting *b, Value v) {
    const Node *dims = node_kid(b->par, 0);
    Shape shape = shape_scalar();
    if (dims) {
        if (!scope_find_here(b->into, ellipsis_sym(s)))
            scope_set(s, b->into, ellipsis_sym(s), value_list(s, NULL, 0), b->span);
        for (uint32_t i = 0; i < dims->count; i++)
            if (dims->kids[i]->kind == NODE_NAME && !known_dim(s, b->into, dims->kids[i]->name)) {
                sema_error(s, E_UNKNOWN_DIM, b->span,
                           "nothing says how large `%s` of `%s` is when it is the number %s",
                           dims->kids[i]->name->text, b->par->name->text, value_string(s, v));
                return false;
            }
        Scope *scope = s->scope;
        s->scope = b->into;
        bool ok = eval_shape(s, dims, &shape);
        s->scope = scope;
        if (!ok) return false;
    }
    Value t = to_tensor(s, v, type_dtype(node_kid(b->par, 1)), b->span);
    if (!value_is_poison(t)) t = tensor_broadcast_to(s, t, &shape, b->span);
    scope_set(s, b->into, b->par->name, t, b->par->name_span);
    return !value_is_poison(t);
}

/* ------------------------------------------------------------------ lists */

static void unknown_argument(Sema *s, const Node *list, Sym name, const Node *def, Span span) {
    Nearest near = {.wanted = name->text};
    Text all = {.arena = s->arena};
    for (uint32_t i = 0; i < list->count; i++) {
        nearest_offer(&near, list->kids[i]->name->text);
        text_printf(&all, "%s%s", i ? " " : "", list->kids[i]->name->text);
    }
    Diag *d =
        sema_error(s, E_ARGUMENT, span, "`%s` has no parameter `%s`", def_name(def), name->text);
    if (near.best && span.end - span.begin == strlen(name->text))
        propose_name(d, span, near.best);
    else if (near.best)
        diag_help(d, "did you mean `%s`?", near.best);
    diag_help(d, "parameters here: %s", text_str(&all));
}

/* given[i]: which argument is for parameter i, or -1. */
static bool match_arguments(Sema *s, const Node *list, const Args *args, int32_t *given,
                            const Node *def, Span span) {
    bool ok = true;
    uint32_t next = 0;
    for (uint32_t i = 0; i < list->count; i++) given[i] = -1;
    for (uint32_t a = 0; a < args->count; a++) {
        Span at = args->nodes[a] ? args->nodes[a]->span : span;
        uint32_t i = next;
        if (args->names[a] && args->name_spans && args->name_spans[a].file)
            at = args->name_spans[a];
        if (args->names[a]) {
            for (i = 0; i < list->count && list->kids[i]->name != args->names[a];) i++;
            if (i == list->count) {
                unknown_argument(s, list, args->names[a], def, at);
                ok = false;
                continue;
            }
        } else {
            next++;
        }
        if (i >= list->count) {
            Diag *d =
                sema_error(s, E_ARGUMENT, at, "`%s` takes %u argument%s, got %u", def_name(def),
                           list->count, list->count == 1 ? "" : "s", args->count);
            if (def && def->name) diag_note(d, "declared as %s", signature_text(s, def));
            return false;
        }
        if (given[i] >= 0) {
            sema_error(s, E_ARGUMENT, at, "`%s` is given twice", list->kids[i]->name->text);
            ok = false;
        }
        given[i] = (int32_t)a;
    }
    return ok;
}

static bool missing_argument(Sema *s, const Node *par, const Node *def, Span span) {
    Diag *d = sema_error(s, E_ARGUMENT, span, "`%s` lacks the argument `%s`", def_name(def),
                         par_string(s, par));
    if (def && def->name) diag_note(d, "declared as %s", signature_text(s, def));
    return false;
}

bool bind_list(Sema *s, const Node *list, const Args *args, Scope *into, const Node *def,
               const Node *call, Span span) {
    (void)call;
    uint32_t n = list->count;
    int32_t *given = ARENA_ARRAY(s->arena, int32_t, n);
    bool *late = ARENA_ARRAY(s->arena, bool, n);
    for (uint32_t i = 0; i < n; i++)
        if (list->kids[i]->kind != NODE_PAR) return false;
    bool ok = match_arguments(s, list, args, given, def, span);
    for (uint32_t i = 0; i < n; i++) {
        const Node *par = list->kids[i], *dims = node_kid(par, 0), *init = node_kid(par, 2);
        Value v = POISON;
        Span at = span;
        if (given[i] >= 0) {
            v = args->values[given[i]];
            if (args->nodes[given[i]]) at = args->nodes[given[i]]->span;
        } else if (init) {
            Scope *scope = s->scope;
            s->scope = into;
            v = eval(s, init);
            s->scope = scope;
        } else if (ok) {
            ok = missing_argument(s, par, def, span);
        }
        Slotting b = {.par = par, .def = def, .into = into, .span = at, .value = v};
        b.list = list;
        b.args = args;
        b.given = given;
        if (given[i] >= 0) b.node = args->nodes[given[i]];
        scope_set(s, into, par->name, v, par->name_span);
        if (value_is_poison(v)) {
            ok = false;
            continue;
        }
        DType dtype = type_dtype(node_kid(par, 1));
        bool tensor = dims || (dtype != DTYPE_COUNT && dtype != DTYPE_BOOL);
        if (!(tensor ? bind_tensor(s, &b, v, &late[i]) : bind_static(s, &b, v))) ok = false;
    }
    for (uint32_t i = 0; i < n && ok; i++) {
        if (!late[i]) continue;
        Binding *bound = scope_find_here(into, list->kids[i]->name);
        Span at = given[i] >= 0 && args->nodes[given[i]] ? args->nodes[given[i]]->span : span;
        Slotting b = {.par = list->kids[i], .def = def, .into = into, .span = at};
        b.value = bound->value;
        if (!bind_deferred(s, &b, bound->value)) ok = false;
    }
    return ok;
}
