/* `extern fn`: a C function is declared (checked once, its symbols found) and called. What its
 * result is like must follow from its arguments alone: nothing else is known of it. */
#include "compiler/sema/use_files.h"

/* ------------------------------------------------------------------ declarations */

static bool parameter_check(Sema *s, const Node *def, const Node *par) {
    const Node *type = node_kid(par, 1);
    DType dtype = type_dtype(type);
    Diag *d;
    if (par->kind != NODE_PAR) return false;
    if (node_kid(par, 2)) {
        sema_error(s, E_ARGUMENT, par->span, "`%s` of `%s`: a C function has no default arguments",
                   par->name->text, def->name->text);
        return false;
    }
    bool tensor = (node_kid(par, 0) && (!type || dtype != DTYPE_COUNT)) ||
                  (dtype != DTYPE_COUNT && dtype != DTYPE_BOOL);
    if (tensor) return true;
    d = sema_error(s, E_KIND, par->span, "`%s` of `%s` is no tensor: a C function takes arrays",
                   par->name->text, def->name->text);
    diag_help(d, "one number is `%s: f32`, `%s: i32` or `%s[]`", par->name->text, par->name->text,
              par->name->text);
    return false;
}

/* Is the size bound by a parameter's brackets? */
static bool bound_by(const Node *list, const Node *name) {
    for (uint32_t i = 0; i < list->count; i++) {
        const Node *dims = node_kid(list->kids[i], 0);
        for (uint32_t k = 0; dims && k < dims->count; k++)
            if (dims->kids[k]->kind == name->kind && dims->kids[k]->name == name->name) return true;
    }
    return false;
}

static bool size_check(Sema *s, const Node *def, const Node *size) {
    bool leaf = size->kind == NODE_NAME || size->kind == NODE_ELLIPSIS;
    for (uint32_t i = 0; i < size->count; i++)
        if (!size->kids[i] || !size_check(s, def, size->kids[i])) return false;
    if (!leaf || bound_by(node_kid(def, 0), size)) return true;
    Binding *b =
        size->kind == NODE_NAME ? scope_find(use_scope(s, def->span.file), size->name) : NULL;
    if (b && b->def && b->def->kind == NODE_LET) return true;
    Diag *d = sema_error(s, E_UNKNOWN_DIM, size->span,
                         "no parameter of `%s` says how large `%s` of its result is",
                         def->name->text, node_text(s, size));
    diag_help(d, "use sizes that stand in the parameters' brackets: `extern fn %s(x[B, n]) -> [B]`",
              def->name->text);
    return false;
}

static bool result_check(Sema *s, const Node *def) {
    const Node *result = node_kid(def, 2), *one = node_kid(result, 0), *dims = node_kid(one, 0);
    if (!result || result->count != 1 || !dims) {
        Diag *d = sema_error(s, E_KIND, result ? result->span : def->name_span,
                             "`%s` must say the shape of its one result", def->name->text);
        diag_help(d, "`extern fn %s(x[B, n]) -> [B, n]`; `-> []` is one number", def->name->text);
        return false;
    }
    const Node *type = node_kid(one, 1);
    if (type && type_dtype(type) == DTYPE_COUNT) {
        sema_error(s, E_DTYPE, type->span, "a C function cannot return `%s`",
                   type->name ? type->name->text : "this");
        return false;
    }
    return size_check(s, def, dims);
}

static bool symbol_find(Sema *s, const Node *def, Sym name, Span span, BmrtExternFn *out) {
    const char *missing = "";
    if (strncmp(name->text, "bmrt_", 5) == 0) {
        sema_error(s, E_EXPORT_NAME, span, "`%s`: names that begin with `bmrt_` are the runtime's",
                   name->text);
        return false;
    }
    *out = s->options->find_extern(s->options->extern_user, name->text, &missing);
    if (*out) return true;
    Diag *d = sema_error(s, E_LINK, span, "no allowed library has the C function `%s`", name->text);
    diag_note(d, "%s", missing);
    diag_help(
        d,
        "`void %s(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out)`, see bmrt.h",
        name->text);
    (void)def;
    return false;
}

static bool allowed(Sema *s, const Node *def) {
    if (s->options->find_extern) return true;
    Diag *d = sema_error(s, E_OPTION, def->name_span,
                         "`%s` is a C function, and no library may be called", def->name->text);
    diag_help(d, "`--allow-extern=./libNAME.so` allows the functions of that library");
    diag_note(d, "C code can do anything, so a model alone cannot ask for it");
    return false;
}

#define DECLARATION_WRONG UINT32_MAX

static uint32_t declaration_add(Sema *s, const Node *def) {
    const Node *list = node_kid(def, 0), *gradient = node_kid(def, 4);
    GraphExtern e = {.name = def->name, .span = def->name_span};
    bool ok = true;
    for (uint32_t i = 0; i < list->count; i++) ok &= parameter_check(s, def, list->kids[i]);
    ok = result_check(s, def) && ok && allowed(s, def);
    if (!ok || !symbol_find(s, def, def->name, def->name_span, &e.call)) return DECLARATION_WRONG;
    if (gradient) e.gradient = gradient->name;
    if (gradient && !symbol_find(s, def, gradient->name, gradient->span, &e.call_gradient))
        return DECLARATION_WRONG;
    vec_push(s->arena, &s->program->externs.items, e);
    return s->program->externs.items.len - 1;
}

bool extern_declare(Sema *s, const Node *def, uint32_t *number) {
    uint32_t known;
    if (def->kind != NODE_FN || !(def->flags & NODE_FLAG_EXTERN)) return false;
    if (!ptrmap_get(&s->externs, def, &known)) {
        known = declaration_add(s, def);
        ptrmap_put(s, &s->externs, def, known);
    }
    if (number) *number = known;
    return known != DECLARATION_WRONG;
}

/* ------------------------------------------------------------------ calls */

/* One gradient function fills the adjoints of all float arguments. */
static bool floats_agree(Sema *s, const Node *def, const NodeId *args, uint32_t count, Span span) {
    DType first = DTYPE_COUNT;
    for (uint32_t i = 0; i < count; i++) {
        DType t = graph_node(sema_graph(s), args[i])->dtype;
        if (!dtype_is_float(t)) continue;
        if (first != DTYPE_COUNT && first != t) {
            sema_error(s, E_DTYPE, span,
                       "`%s` has a gradient, so its floats are of one type: got %s and %s",
                       def->name->text, dtype_name(first), dtype_name(t));
            return false;
        }
        first = t;
    }
    return true;
}

/* The declared type, else that of the first float argument, else f32. */
static DType result_dtype(Sema *s, const Node *def, const NodeId *args, uint32_t count) {
    DType declared = type_dtype(node_kid(node_kid(node_kid(def, 2), 0), 1));
    if (declared != DTYPE_COUNT) return declared;
    for (uint32_t i = 0; i < count; i++) {
        DType t = graph_node(sema_graph(s), args[i])->dtype;
        if (dtype_is_float(t)) return t;
    }
    return DTYPE_F32;
}

/* `scope` has the parameters. */
Value extern_call(Sema *s, const Node *def, Scope *scope, Span span) {
    const Node *list = node_kid(def, 0);
    uint32_t number;
    if (!extern_declare(s, def, &number)) return POISON;
    NodeId *args = ARENA_ARRAY(s->arena, NodeId, list->count + 1);
    for (uint32_t i = 0; i < list->count; i++) {
        Value v = scope_find_here(scope, list->kids[i]->name)->value;
        args[i] = v.kind == V_TENSOR ? tensor_node(s, v, span) : NODE_NONE;
        if (node_is_none(args[i])) return POISON;
    }
    if (node_kid(def, 4) && !floats_agree(s, def, args, list->count, span)) return POISON;
    Shape shape;
    Scope *saved = s->scope;
    s->scope = scope;
    bool ok = eval_shape(s, node_kid(node_kid(node_kid(def, 2), 0), 0), &shape);
    s->scope = saved;
    if (!ok) return POISON;
    DType dtype = result_dtype(s, def, args, list->count);
    return value_tensor(s, g_extern(sema_graph(s), number, dtype, &shape, args, list->count, span));
}
