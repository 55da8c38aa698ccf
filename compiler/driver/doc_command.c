/* bmc doc: the reference of a file, from its own comments; and help on the prelude's definitions.
 */
#include "compiler/driver/help_topics.h"
#include "compiler/syntax/signature.h"
#include "compiler/syntax/syntax.h"

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
                    syntax_signature(s->ctx, item));
        if (item->doc) text_printf(t, "\n%s\n", item->doc);
    }
}

ExitCode command_doc(Session *s) {
    if (!session_words(s, 0, 1)) return EXIT_CODE_USAGE;
    Text t = {.arena = s->ctx->arena};
    if (s->options.words.len == 0) {
        help_page(s, &t);
        return session_write(s, text_str(&t), t.len);
    }
    const char *path = s->options.words.data[0];
    uint32_t file = session_read(s, path);
    if (file == 0) return EXIT_CODE_INPUT;
    Node *tree = syntax_parse(s->ctx, file);
    if (diags_errors(s->ctx->diags) > 0) return EXIT_CODE_INPUT;
    text_printf(&t, "# %s\n", path);
    for (size_t i = 0; i < sizeof SECTION_ORDER / sizeof *SECTION_ORDER; i++)
        add_section(s, &t, tree, SECTION_ORDER[i]);
    return session_write(s, text_str(&t), t.len);
}
