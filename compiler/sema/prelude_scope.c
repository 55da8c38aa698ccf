/* The prelude as a scope. Its names are known from the build (prelude.h); its files are parsed when
 * a program uses one of their names: parsing them all would cost small programs more than
 * everything else. */
#include "compiler/prelude/prelude.h"
#include "compiler/sema/elaborate.h"

Scope *prelude_scope(Sema *s) {
    Scope *scope = scope_new(s, NULL, true);
    scope->file = true;
    scope->reader = s;
    for (const BmcPrelude *p = BMC_PRELUDE; p->name; p++) {
        uint32_t file = sources_add(s->ctx->sources, p->name, p->text, p->len, 1);
        for (const char *at = p->names; *at;) {
            size_t n = strcspn(at, " ");
            Binding b = {
                .name = intern_n(s->ctx->names, at, n), .span = {.file = file}, .unread = file};
            vec_push(s->arena, &scope->names, b);
            at += n + strspn(at + n, " ");
        }
    }
    return scope;
}

void prelude_read(Scope *prelude, uint32_t file) {
    const Node *tree = syntax_parse(prelude->reader->ctx, file);
    uint32_t item = 0;
    for (uint32_t i = 0; i < prelude->names.len; i++) {
        Binding *b = &prelude->names.data[i];
        if (b->unread != file) continue;
        while (item < tree->count && tree->kids[item]->name != b->name) item++;
        if (item == tree->count) BUG("the prelude has no `%s`", b->name->text);
        b->unread = 0;
        b->def = tree->kids[item];
        b->span = b->def->name_span;
    }
}
