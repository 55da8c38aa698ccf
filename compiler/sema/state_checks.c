/* States that nothing writes, and what a function that wants to own something should be instead. */
#include "compiler/sema/elaborate.h"

const char *written_text(Sema *s, const Node *n) {
    const Source *source = sources_get(s->ctx->sources, n->span.file);
    return arena_strndup(s->arena, source->text + n->span.begin, n->span.end - n->span.begin);
}

/* Tensors are data, what is no tensor is a setting. */
const char *as_layer(Sema *s, const Node *fn) {
    Text t = {.arena = s->arena};
    text_printf(&t, "layer %s", fn->name->text);
    for (int data = 0; data < 2; data++) {
        bool first = true;
        for (uint32_t k = 0; k < 2; k++) {
            const Node *list = node_kid(fn, k);
            for (uint32_t i = 0; list && i < list->count; i++) {
                const Node *par = list->kids[i], *dims = node_kid(par, 0);
                bool tensor =
                    dims || (node_kid(par, 1) && type_dtype(node_kid(par, 1)) != DTYPE_COUNT);
                if (tensor != (data == 1)) continue;
                text_printf(&t, "%s%s", first ? "(" : ", ", written_text(s, par));
                first = false;
            }
        }
        if (!first || data == 1) text_add(&t, first ? "()" : ")");
    }
    if (node_kid(fn, 2)) text_printf(&t, " %s", written_text(s, node_kid(fn, 2)));
    return text_str(&t);
}

static bool is_written(const Node *n, Sym name) {
    if (!n) return false;
    if (n->kind == NODE_UPDATE) {
        const Node *t = node_kid(n, 0);
        for (uint32_t i = 0; t && i < t->count; i++)
            if (t->kids[i]->kind == NODE_NAME && t->kids[i]->name == name) return true;
    }
    for (uint32_t i = 0; i < n->count; i++)
        if (is_written(n->kids[i], name)) return true;
    return false;
}

/* The assignment that has `name` among its targets. */
static const Node *hiding_assignment(const Node *n, Sym name) {
    if (!n) return NULL;
    if (n->kind == NODE_ASSIGN) {
        const Node *t = node_kid(n, 0);
        for (uint32_t i = 0; t && i < t->count; i++)
            if (t->kids[i]->kind == NODE_NAME && t->kids[i]->name == name) return n;
    }
    for (uint32_t i = 0; i < n->count; i++) {
        const Node *found = hiding_assignment(n->kids[i], name);
        if (found) return found;
    }
    return NULL;
}

static void check_in(Sema *s, const Node *n, const Node *body) {
    if (!n) return;
    if (n->kind == NODE_STATE && node_kid(n, 0) && node_kid(n, 0)->name) {
        Sym name = node_kid(n, 0)->name;
        if (is_written(body, name)) return;
        const Node *hides = hiding_assignment(body, name);
        const Node *targets = hides ? node_kid(hides, 0) : NULL;
        Diag *d = sema_error(s, E_STATE, hides ? targets->span : n->span,
                             hides ? "state `%s` is never written; this `=` makes a local that "
                                     "hides it"
                                   : "state `%s` is never written",
                             name->text);
        if (hides) diag_label(d, n->span, "declared here");
        const Node *value = hides && targets->count == 1 ? node_kid(hides, 1) : NULL;
        DiagFix fix = {.span = hides ? hides->span : n->span};
        if (value)
            fix.text = arena_printf(s->arena, "%s := %s", name->text, written_text(s, value));
        if (value)
            diag_fix(d, fix, "write `%s`", fix.text);
        else
            diag_help(d, "it is written with `:=`: `%s := ...`", name->text);
        return;
    }
    for (uint32_t i = 0; i < n->count; i++) check_in(s, n->kids[i], body);
}

void check_states(Sema *s, const Node *body) {
    check_in(s, body, body);
}
