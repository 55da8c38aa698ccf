/* Names of the language itself; names that are not there: what is said about them, and which near
 * ones are offered. */
#include "compiler/sema/elaborate.h"

bool name_is_fixed(const char *name) {
    static const char *const special[] = {"training", "all", "pi", "inf", NULL};
    for (const char *const *p = special; *p; p++)
        if (strcmp(*p, name) == 0) return true;
    return dtype_find(name) != DTYPE_COUNT;
}

bool name_is_special(const char *name) {
    return name_is_fixed(name) || builtin_find(name) != NULL;
}

static void offer_builtin(void *user, const char *name) {
    nearest_offer(user, name);
}

void report_unknown(Sema *s, const Scope *from, const Node *n) {
    Nearest near = {.wanted = n->name->text};
    Span where = {0};
    uint32_t best = UINT32_MAX;
    bool many = diags_errors(s->ctx->diags) >= 50; /* more are counted, not shown */
    for (const Scope *scope = many ? NULL : from; scope; scope = scope->parent)
        for (uint32_t i = 0; i < scope->names.len; i++) {
            nearest_offer(&near, scope->names.data[i].name->text);
            if (near.best && near.distance < best) {
                best = near.distance;
                where = scope->names.data[i].span;
            }
        }
    const char *before = near.best;
    if (!many) builtin_each(offer_builtin, &near);
    if (near.best != before) where = (Span){0};
    Diag *d = sema_error(s, E_NAME, n->span, "unknown name `%s`", n->name->text);
    if (!near.best) return;
    DiagFix fix = {.span = n->span, .text = near.best, .keep = true};
    if (where.file && !span_in_prelude(s, where)) {
        diag_label(d, where, "did you mean this?");
        diag_fix(d, fix, "write `%s`", near.best);
    } else {
        diag_fix(d, fix, "did you mean `%s`%s?", near.best, where.file ? " (prelude)" : "");
    }
}

/* x[b, i] in an index statement that has no index i. */
void report_no_index(Sema *s, const Scope *from, const Node *n) {
    const char *name = n->name->text;
    Diag *d = sema_error(s, E_INDEX, n->span,
                         "`%s` is no index: it stands neither on the left nor in `sum[...]`", name);
    Nearest near = {.wanted = name};
    for (const Scope *scope = from; scope; scope = scope->parent)
        for (uint32_t i = 0; i < scope->names.len; i++)
            nearest_offer(&near, scope->names.data[i].name->text);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    diag_help(d, "`sum[%s](...)` sums over it", name);
}

/* `data: NAME`: near names of other things are no help. */
void report_no_data(Sema *s, const Scope *top, const Node *n) {
    Diag *d = sema_error(s, E_NAME, n->span, "there is no data block `%s`", n->name->text);
    Nearest near = {.wanted = n->name->text};
    for (uint32_t i = 0; i < top->names.len; i++) {
        const Binding *b = &top->names.data[i];
        if (b->def && b->def->kind == NODE_DATA) nearest_offer(&near, b->name->text);
    }
    if (near.best)
        diag_help(d, "did you mean `%s`?", near.best);
    else
        diag_help(d, "`data %s { from: csv(\"file.csv\") ... }` says what the rows are",
                  n->name->text);
}
