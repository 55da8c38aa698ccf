/* Errors of sema: blame the user's line rather than the prelude, tell how one came there, and say
 * each mistake once however often its body is elaborated. */
#include "compiler/sema/elaborate.h"

bool span_in_prelude(Sema *s, Span span) {
    if (!span.file) return false;
    return sources_get(s->ctx->sources, span.file)->is_prelude != 0;
}

const char *place_string(Sema *s, Span span) {
    Place p = sources_place(s->ctx->sources, span);
    return arena_printf(s->arena, "%s:%u:%u", p.name, p.line, p.column);
}

const char *node_text(Sema *s, const Node *node) {
    Text t = {.arena = s->arena};
    syntax_expr_text(&t, node);
    return text_str(&t);
}

static void par_text(Sema *s, Text *t, const Node *par) {
    const Node *dims = node_kid(par, 0), *type = node_kid(par, 1), *init = node_kid(par, 2);
    text_add(t, par->name->text);
    if (dims) syntax_expr_text(t, dims);
    if (type && type->name) text_printf(t, ": %s", type->name->text);
    if (init) text_printf(t, " = %s", node_text(s, init));
}

const char *signature_text(Sema *s, const Node *def) {
    Text t = {.arena = s->arena};
    text_printf(&t, "%s %s", node_kind_name(def->kind), def->name ? def->name->text : "");
    for (uint32_t k = 0; k < 2; k++) {
        const Node *list = node_kid(def, k);
        if (!list || list->kind != NODE_LIST) continue;
        text_char(&t, '(');
        for (uint32_t i = 0; i < list->count; i++) {
            if (i) text_add(&t, ", ");
            if (list->kids[i]->kind == NODE_PAR) par_text(s, &t, list->kids[i]);
        }
        text_char(&t, ')');
    }
    return text_str(&t);
}

static bool already_said(Sema *s, Code code, Span span) {
    for (uint32_t i = 0; i < s->seen_spans.len; i++) {
        Span t = s->seen_spans.data[i];
        if (s->seen_codes.data[i] == code && t.file == span.file && t.begin == span.begin &&
            t.end == span.end)
            return true;
    }
    vec_push(s->arena, &s->seen_spans, span);
    vec_push(s->arena, &s->seen_codes, code);
    return false;
}

static void settings_text(Sema *s, Text *t, const Frame *f) {
    const Node *list = node_kid(f->def, 0);
    if (!f->settings || !list || list->kind != NODE_LIST) return;
    text_char(t, '(');
    bool first = true;
    for (uint32_t i = 0; i < list->count && i < 4; i++) {
        Binding *b = scope_find_here(f->settings, list->kids[i]->name);
        if (!b || b->value.kind == V_POISON) continue;
        text_printf(t, "%s%s = ", first ? "" : ", ", list->kids[i]->name->text);
        value_text(s, t, b->value);
        first = false;
    }
    text_char(t, ')');
}

/* "in layer mlp(width = 128), instantiated by model `net` at f.bm:7:13", innermost first. */
static void chain_notes(Sema *s, Diag *d, Span shown) {
    uint32_t said = 0;
    for (const Frame *f = s->frame; f && f->up && said < 6; f = f->up) {
        if (!f->def || !f->def->name || !f->up->def) continue;
        if (f->def->kind == NODE_MODEL || f->def->kind == NODE_LAMBDA) continue;
        if (span_in_prelude(s, f->call_span) || f->up->def == f->def) continue;
        if (f->call_span.begin == shown.begin && f->call_span.file == shown.file) continue;
        Text t = {.arena = s->arena};
        text_printf(&t, "in %s %s", node_kind_name(f->def->kind), f->def->name->text);
        settings_text(s, &t, f);
        text_printf(&t, ", used by %s", node_kind_name(f->up->def->kind));
        if (f->up->def->name) text_printf(&t, " `%s`", f->up->def->name->text);
        text_printf(&t, " at %s", place_string(s, f->call_span));
        diag_note(d, "%s", text_str(&t));
        said++;
    }
}

Diag *sema_error(Sema *s, Code code, Span span, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    const char *message = arena_vprintf(s->arena, format, ap);
    va_end(ap);
    Span shown = span;
    const Frame *culprit = NULL;
    if (span_in_prelude(s, span))
        for (const Frame *f = s->frame; f; f = f->up)
            if (f->call_span.file && !span_in_prelude(s, f->call_span)) {
                shown = f->call_span;
                culprit = f;
                break;
            }
    if (s->quiet) {
        s->quiet_failed = true;
        Diag *silent = ARENA_NEW(s->arena, Diag);
        silent->arena = s->arena;
        return silent;
    }
    bool unsure =
        s->generic && (s->doubt || code == E_STATIC || (s->made_up && code == E_DIVISION));
    if (unsure) s->doubt = true;
    bool given_up = s->work_reported && code != E_LIMIT;
    if (unsure || given_up || already_said(s, code, shown)) {
        Diag *silent = ARENA_NEW(s->arena, Diag);
        silent->arena = s->arena;
        return silent;
    }
    Diag *d = ctx_error(s->ctx, code, shown, "%s", message);
    if (culprit && culprit->def && code != E_LEAK) {
        Place p = sources_place(s->ctx->sources, span);
        uint32_t skip = 0;
        while (skip < p.line_len && p.line_text[skip] == ' ') skip++;
        diag_note(d, "in the prelude, %s: `%.*s`", signature_text(s, culprit->def),
                  (int)(p.line_len - skip), p.line_text + skip);
    }
    chain_notes(s, d, shown);
    return d;
}

Value sema_unsupported(Sema *s, Span span, const char *what) {
    sema_error(s, E_UNSUPPORTED, span, "%s is not supported yet", what);
    return POISON;
}

/* The one name of the activation that is this size; NULL: none, or several. */
static const char *name_of_size(Sema *s, int64_t size) {
    const char *found = NULL;
    for (Scope *scope = s->scope; scope && !scope->file; scope = scope->parent)
        for (uint32_t i = 0; i < scope->names.len; i++) {
            const Binding *b = &scope->names.data[i];
            int64_t value;
            if (!value_is_int(b->value, &value) || value != size) continue;
            if (found && strcmp(found, b->name->text) != 0) return NULL;
            found = b->name->text;
        }
    return found;
}

const char *sized_names(Sema *s, const Shape *shape, bool numbers) {
    const DimTable *dims = s->program->dims;
    Text t = {.arena = s->arena};
    text_char(&t, '[');
    for (uint32_t i = 0; i < shape->rank; i++) {
        bool fixed = dim_is_const(dims, shape->dims[i]);
        const char *name = fixed ? name_of_size(s, dim_value(dims, shape->dims[i])) : NULL;
        if (i) text_add(&t, ", ");
        if (name) text_printf(&t, numbers ? "%s=" : "%s", name);
        if (!name || numbers) dim_print(&t, dims, shape->dims[i]);
    }
    text_char(&t, ']');
    return text_str(&t);
}

void carry_help(Sema *s, Diag *d, const Node *bind, const Shape *wanted) {
    const Node *first = node_kid(bind, 0);
    DiagFix fix = {.span = first->span};
    if (first->kind == NODE_CALL && first->count == 2 && node_kid(first, 0)->kind == NODE_NAME &&
        node_kid(node_kid(first, 1), 0)->kind == NODE_DIMS) {
        const char *maker = node_kid(first, 0)->name->text;
        if (strcmp(maker, "zeros") == 0 || strcmp(maker, "ones") == 0)
            fix.text = arena_printf(s->arena, "%s(%s)", maker, sized_names(s, wanted, false));
    } else if (first->kind == NODE_NUMBER && first->number == 0) {
        fix.text = arena_printf(s->arena, "zeros(%s)", sized_names(s, wanted, false));
    }
    if (fix.text) diag_fix(d, fix, "did you mean `%s = %s`?", bind->name->text, fix.text);
}

void sema_decl_label(Sema *s, Diag *d, Value v, const char *name) {
    if (!v.decl || span_in_prelude(s, v.decl->span)) return;
    if (v.decl->kind == NODE_BIND) {
        Shape shape = tensor_shape(s, v);
        diag_label(d, v.decl->span, "`%s` is a carry of this scan and starts as %s",
                   v.decl->name->text, sized_names(s, &shape, false));
        return;
    }
    const Node *par = v.decl->kind == NODE_FIELD ? node_kid(v.decl, 0) : NULL;
    const Node *decl = par ? par : v.decl;
    const char *called = name ? name : decl->name ? decl->name->text : "it";
    diag_label(d, decl->span, "`%s` is declared here", called);
}
