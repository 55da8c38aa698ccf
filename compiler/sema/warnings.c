/* Warnings: what is allowed but probably a mistake. From the tree alone, after names are resolved,
 * of the main file only, and only when nothing is wrong with it. A name that begins with `_` is
 * never warned about. */
#include "compiler/sema/elaborate.h"

/* ------------------------------------------------------------------ who reads a name */

static bool is_word(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "{name + 1}" in the message of an assert reads it. */
static bool text_reads(const Node *string, Sym name) {
    const char *text = string->text;
    uint32_t braces = 0;
    for (uint32_t i = 0; text && i + name->len < string->text_len; i++) {
        braces += text[i] == '{';
        braces -= text[i] == '}' && braces;
        if (braces && !is_word(text[i]) && !is_word(text[i + 1 + name->len]) &&
            strncmp(text + i + 1, name->text, name->len) == 0)
            return true;
    }
    return false;
}

static bool reads(const Node *n, Sym name);

static bool kids_read(const Node *n, uint32_t from, Sym name) {
    for (uint32_t i = from; n && i < n->count; i++)
        if (reads(n->kids[i], name)) return true;
    return false;
}

/* On the left of `=` only the indices of `z[i, 2*j]` are read. */
static bool target_reads(const Node *t, Sym name) {
    if (!t || t->kind == NODE_NAME) return false;
    if (t->kind == NODE_INDEX) return kids_read(t, 1, name);
    for (uint32_t i = 0; i < t->count; i++)
        if (target_reads(t->kids[i], name)) return true;
    return false;
}

static bool reads(const Node *n, Sym name) {
    if (!n) return false;
    if (n->kind == NODE_NAME || n->kind == NODE_ELLIPSIS) return n->name == name;
    if (n->kind == NODE_STRING) return text_reads(n, name);
    if (n->kind == NODE_ASSIGN) return target_reads(node_kid(n, 0), name) || kids_read(n, 1, name);
    return kids_read(n, 0, name);
}

/* ------------------------------------------------------------------ locals */

typedef struct Body {
    Sema *s;
    const Node *def, *file;
    VEC(Sym) said;
} Body;

static bool once(Body *b, Sym name) {
    for (uint32_t i = 0; i < b->said.len; i++)
        if (b->said.data[i] == name) return false;
    vec_push(b->s->arena, &b->said, name);
    return true;
}

static const Node *let_of(const Node *file, Sym name) {
    for (uint32_t i = 0; i < file->count; i++)
        if (file->kids[i]->kind == NODE_LET && file->kids[i]->name == name) return file->kids[i];
    return NULL;
}

static const Node *target_name(const Node *t) {
    if (t && t->kind == NODE_INDEX) t = node_kid(t, 0);
    return t && t->kind == NODE_NAME ? t : NULL;
}

/* A later assignment in a nested block may rebind, so a name is judged over its whole definition.
 */
static void check_target(Body *b, const Node *t, bool alone) {
    const Node *name = target_name(t);
    if (!name || name->name->text[0] == '_') return;
    const Node *let = let_of(b->file, name->name);
    if (let && once(b, name->name)) {
        Diag *d = ctx_warning(b->s->ctx, W_SHADOW, name->span, "`%s` hides the `let` of that name",
                              name->name->text);
        diag_label(d, let->name_span, "this one keeps its value");
        diag_help(d, "give the new value a name of its own");
        return;
    }
    if (!alone || reads(b->def, name->name) || !once(b, name->name)) return;
    Diag *d = ctx_warning(b->s->ctx, W_UNUSED, name->span, "`%s` is never used", name->name->text);
    diag_help(d, "leave it out, or call it `_%s`", name->name->text);
}

static void check_assign(Body *b, const Node *assign) {
    const Node *targets = node_kid(assign, 0);
    if (!targets) return;
    const Node *list = targets->count == 1 ? targets->kids[0] : targets;
    bool tuple = list->kind == NODE_TUPLE || list->kind == NODE_LIST, any = false;
    if (!tuple) {
        check_target(b, list, true);
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const Node *name = target_name(list->kids[i]);
        any |= name && reads(b->def, name->name);
    }
    for (uint32_t i = 0; i < list->count; i++) /* one of several results is enough */
        check_target(b, list->kids[i], !any);
}

static void check_statements(Body *b, const Node *n) {
    if (!n) return;
    if (n->kind == NODE_ASSIGN) check_assign(b, n);
    const Node *par = n->kind == NODE_PARAM ? node_kid(n, 0) : NULL;
    if (par && par->name && par->name->text[0] != '_' && !reads(b->def, par->name)) {
        Diag *d = ctx_warning(b->s->ctx, W_UNUSED, par->name_span, "the param `%s` is never used",
                              par->name->text);
        diag_note(d, "no loss depends on it, so it cannot be trained");
    }
    for (uint32_t i = 0; i < n->count; i++) check_statements(b, n->kids[i]);
}

/* ------------------------------------------------------------------ the file */

static bool has_body(const Node *item) {
    return item->kind == NODE_FN || item->kind == NODE_LAYER || item->kind == NODE_MODEL ||
           item->kind == NODE_OPTIMIZER || item->kind == NODE_TRAIN;
}

/* Files without roots are there to be used by others. */
static bool is_library(const Node *file) {
    for (uint32_t i = 0; i < file->count; i++) {
        const Node *item = file->kids[i];
        if (item->kind == NODE_TRAIN || item->kind == NODE_TEST || (item->flags & NODE_FLAG_EXPORT))
            return false;
    }
    return true;
}

static void check_let(Sema *s, const Node *file, const Node *let) {
    if (let->name->text[0] == '_' || is_library(file)) return;
    for (uint32_t i = 0; i < file->count; i++)
        if (file->kids[i] != let && reads(file->kids[i], let->name)) return;
    ctx_warning(s->ctx, W_UNUSED, let->name_span, "`%s` is never used", let->name->text);
}

static bool batch_like(const char *name) {
    static const char *const names[] = {"B", "N", "batch", "Batch", "BATCH", "batch_size", NULL};
    for (const char *const *p = names; *p; p++)
        if (strcmp(*p, name) == 0) return true;
    return false;
}

/* `let B = 64` beside `x[B, 10]`: the batch is no longer what comes in. */
static void check_batch(Sema *s, const Node *file, const Node *list, bool *said) {
    for (uint32_t i = 0; list && i < list->count && !*said; i++) {
        const Node *dims = list->kids[i]->kind == NODE_PAR ? node_kid(list->kids[i], 0) : NULL;
        const Node *first = node_kid(dims, 0);
        if (!first || first->kind != NODE_NAME || !batch_like(first->name->text)) continue;
        const Node *let = let_of(file, first->name);
        if (!let) continue;
        Diag *d = ctx_warning(s->ctx, W_BATCH, first->span,
                              "`%s` is a `let`, so the number of rows is fixed", first->name->text);
        diag_label(d, let->name_span, "fixed here");
        diag_help(d, "rename the `let`: a name that is not in scope is bound to whatever comes in");
        *said = true;
    }
}

static void check_item(Sema *s, const Node *file, const Node *item, bool *batch_said) {
    if (item->kind == NODE_LET) check_let(s, file, item);
    if (!has_body(item)) return;
    Body b = {.s = s, .def = item, .file = file};
    for (uint32_t i = 0; i < item->count; i++) {
        const Node *kid = item->kids[i];
        if (kid && kid->kind == NODE_LIST) check_batch(s, file, kid, batch_said);
        if (kid && kid->kind == NODE_STEP) check_batch(s, file, node_kid(kid, 0), batch_said);
        check_statements(&b, kid);
    }
}

void warn_file(Sema *s) {
    bool batch_said = false;
    for (uint32_t i = 0; i < s->file->count; i++)
        check_item(s, s->file, s->file->kids[i], &batch_said);
}
