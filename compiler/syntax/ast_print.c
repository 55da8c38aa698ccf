/* The tree as indented text, one node a line:
 *
 *   let width
 *     number 256
 *
 * An absent kid prints as `-`. Two files mean the same exactly when this text is equal. */
#include "compiler/syntax/syntax.h"

static void add_quoted(Text *out, const char *text, uint32_t len) {
    text_char(out, '"');
    for (uint32_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            text_add(out, "\\n");
        else if (c == '"' || c == '\\')
            text_printf(out, "\\%c", c);
        else if (c < 32 || c == 127)
            text_printf(out, "\\x%02x", c);
        else
            text_char(out, (char)c);
    }
    text_char(out, '"');
}

static void print_head(Text *out, const Node *node) {
    static const struct {
        uint32_t flag;
        const char *text;
    } FLAGS[] = {{NODE_FLAG_EXPORT, " export"},   {NODE_FLAG_MAXIMIZE, " maximize"},
                 {NODE_FLAG_INTEGER, " integer"}, {NODE_FLAG_TUPLE, " tuple"},
                 {NODE_FLAG_PAREN, " parens"},    {NODE_FLAG_BLOCK_BODY, " block-body"},
                 {NODE_FLAG_EXTERN, " extern"}};
    text_add(out, node_kind_name(node->kind));
    if (node->name) text_printf(out, " %s", node->name->text);
    if (node->kind == NODE_NUMBER) text_printf(out, " %s", node->text);
    if (node->kind == NODE_BOOL) text_add(out, node->number != 0 ? " true" : " false");
    if (node->kind == NODE_STRING || node->kind == NODE_USE) {
        text_char(out, ' ');
        add_quoted(out, node->text, node->text_len);
    }
    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++)
        if (node->flags & FLAGS[i].flag) text_add(out, FLAGS[i].text);
    if (node->doc) {
        text_add(out, " doc ");
        add_quoted(out, node->doc, (uint32_t)strlen(node->doc));
    }
    text_char(out, '\n');
}

static void print_indented(Text *out, const Node *node, uint32_t indent) {
    for (uint32_t i = 0; i < indent; i++) text_char(out, ' ');
    if (!node) {
        text_add(out, "-\n");
        return;
    }
    print_head(out, node);
    for (uint32_t i = 0; i < node->count; i++) print_indented(out, node->kids[i], indent + 2);
}

void syntax_print(Text *out, const Node *node) {
    print_indented(out, node, 0);
}
