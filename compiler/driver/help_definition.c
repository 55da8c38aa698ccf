/* bmc help NAME: the prelude's own comments. */
#include "compiler/driver/help_topics.h"
#include "compiler/prelude/prelude.h"
#include "compiler/syntax/signature.h"
#include "compiler/syntax/syntax.h"

static void add_definition(Session *s, Text *t, const Node *item, const char *file) {
    text_printf(t, "%s    (%s)\n", syntax_signature(s->ctx, item), file);
    if (item->doc) text_printf(t, "\n%s\n", item->doc);
}

bool help_definition(Session *s, Text *t, const char *name, Nearest *near) {
    Sym wanted = ctx_sym(s->ctx, name);
    for (const BmcPrelude *file = BMC_PRELUDE; file->name; file++) {
        uint32_t id = sources_add(s->ctx->sources, file->name, file->text, file->len, 1);
        const Node *tree = syntax_parse(s->ctx, id);
        for (uint32_t i = 0; i < tree->count; i++) {
            const Node *item = tree->kids[i];
            if (item == NULL || item->name == NULL || !syntax_signature(s->ctx, item)) continue;
            nearest_offer(near, item->name->text);
            if (item->name != wanted) continue;
            add_definition(s, t, item, file->name);
            return true;
        }
    }
    return false;
}
