/* Signatures, for `bmc doc`, `bmc help NAME` and editors. */
#include "compiler/syntax/signature.h"

/* The kid where the item's text stops being signature; NULL: all of it is. */
static const Node *item_body(const Node *item) {
    switch (item->kind) {
    case NODE_FN:
    case NODE_LAYER:
    case NODE_OPTIMIZER: return node_kid(item, 3);
    case NODE_MODEL: return node_kid(item, 2);
    case NODE_DATA: return node_kid(item, 0);
    default: return NULL;
    }
}

const char *syntax_signature(Context *ctx, const Node *item) {
    static const bool DEFINES[NODE_KIND_COUNT] = {
        [NODE_LET] = true,       [NODE_FN] = true,    [NODE_LAYER] = true,
        [NODE_OPTIMIZER] = true, [NODE_MODEL] = true, [NODE_DATA] = true,
    };
    if (!DEFINES[item->kind]) return NULL;
    const Source *source = sources_get(ctx->sources, item->span.file);
    const Node *body = item_body(item);
    uint32_t begin = item->span.begin, end = body ? body->span.begin : item->span.end;
    while (end > begin && strchr(" \t\r\n={", source->text[end - 1])) end--;
    Text t = {.arena = ctx->arena};
    bool gap = false;
    if ((item->flags & NODE_FLAG_EXPORT) && strncmp(source->text + begin, "export", 6) != 0)
        text_add(&t, "export ");
    for (uint32_t i = begin; i < end; i++) { /* on one line */
        bool space = strchr(" \t\r\n", source->text[i]) != NULL;
        if (!space && gap && t.len) text_char(&t, ' ');
        if (!space) text_char(&t, source->text[i]);
        gap = space;
    }
    return text_str(&t);
}
