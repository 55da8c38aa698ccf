/* bmc doc: the reference of a file, from its own comments; and help on the prelude's definitions.
 */
#include "compiler/driver/help_topics.h"
#include "compiler/syntax/syntax.h"

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

const char *definition_signature(Session *s, const Node *item) {
    static const bool DEFINES[NODE_KIND_COUNT] = {
        [NODE_LET] = true,       [NODE_FN] = true,    [NODE_LAYER] = true,
        [NODE_OPTIMIZER] = true, [NODE_MODEL] = true, [NODE_DATA] = true,
    };
    if (!DEFINES[item->kind]) return NULL;
    const Source *source = sources_get(s->ctx->sources, item->span.file);
    const Node *body = item_body(item);
    uint32_t begin = item->span.begin, end = body ? body->span.begin : item->span.end;
    while (end > begin && strchr(" \t\r\n={", source->text[end - 1])) end--;
    Text t = {.arena = s->ctx->arena};
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

static const char *const SECTIONS[NODE_KIND_COUNT] = {
    [NODE_LET] = "Settings (`-D name=value`)",
    [NODE_DATA] = "Data",
    [NODE_MODEL] = "Models",
    [NODE_LAYER] = "Layers",
    [NODE_FN] = "Functions",
    [NODE_OPTIMIZER] = "Optimizers",
};
static const NodeKind SECTION_ORDER[] = {NODE_LET,   NODE_DATA, NODE_MODEL,
                                         NODE_LAYER, NODE_FN,   NODE_OPTIMIZER};

static void add_section(Session *s, Text *t, const Node *tree, NodeKind kind) {
    bool first = true;
    for (uint32_t i = 0; i < tree->count; i++) {
        const Node *item = tree->kids[i];
        if (item == NULL || item->kind != kind) continue;
        if (first) text_printf(t, "\n## %s\n", SECTIONS[kind]);
        first = false;
        text_printf(t, "\n### %s\n\n    %s\n", item->name ? item->name->text : "",
                    definition_signature(s, item));
        if (item->doc) text_printf(t, "\n%s\n", item->doc);
    }
}

ExitCode command_doc(Session *s) {
    if (!session_words(s, 1, 1)) return EXIT_CODE_USAGE;
    const char *path = s->options.words.data[0];
    uint32_t file = session_read(s, path);
    if (file == 0) return EXIT_CODE_INPUT;
    Node *tree = syntax_parse(s->ctx, file);
    if (diags_errors(s->ctx->diags) > 0) return EXIT_CODE_INPUT;
    Text t = {.arena = s->ctx->arena};
    text_printf(&t, "# %s\n", path);
    for (size_t i = 0; i < sizeof SECTION_ORDER / sizeof *SECTION_ORDER; i++)
        add_section(s, &t, tree, SECTION_ORDER[i]);
    return session_write(s, text_str(&t), t.len);
}
