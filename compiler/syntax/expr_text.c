/* An expression as one line of source, for messages. Parentheses stand where the program had them
 * and where the tree needs them. */
#include "compiler/syntax/syntax.h"

/* How tightly a node holds together; a kid that holds less gets parentheses. */
typedef enum Level {
    LEVEL_EXPR,
    LEVEL_PIPE,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_SUM,
    LEVEL_TERM,
    LEVEL_UNARY,
    LEVEL_POSTFIX
} Level;

static const struct Operator {
    const char *name;
    Level level, left, right;
} OPERATORS[] = {
    {"or", LEVEL_OR, LEVEL_OR, LEVEL_AND},          {"and", LEVEL_AND, LEVEL_AND, LEVEL_NOT},
    {"<", LEVEL_NOT, LEVEL_SUM, LEVEL_SUM},         {"<=", LEVEL_NOT, LEVEL_SUM, LEVEL_SUM},
    {">", LEVEL_NOT, LEVEL_SUM, LEVEL_SUM},         {">=", LEVEL_NOT, LEVEL_SUM, LEVEL_SUM},
    {"==", LEVEL_NOT, LEVEL_SUM, LEVEL_SUM},        {"!=", LEVEL_NOT, LEVEL_SUM, LEVEL_SUM},
    {"+", LEVEL_SUM, LEVEL_SUM, LEVEL_TERM},        {"-", LEVEL_SUM, LEVEL_SUM, LEVEL_TERM},
    {"*", LEVEL_TERM, LEVEL_TERM, LEVEL_UNARY},     {"/", LEVEL_TERM, LEVEL_TERM, LEVEL_UNARY},
    {"%", LEVEL_TERM, LEVEL_TERM, LEVEL_UNARY},     {"@", LEVEL_TERM, LEVEL_TERM, LEVEL_UNARY},
    {"^", LEVEL_UNARY, LEVEL_POSTFIX, LEVEL_UNARY},
};

static const struct Operator *operator_of(const Node *node) {
    for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
        if (!strcmp(OPERATORS[i].name, node->name->text)) return &OPERATORS[i];
    BUG("no operator `%s`", node->name->text);
}

static Level level_of(const Node *node) {
    switch (node->kind) {
    case NODE_LAMBDA:
    case NODE_SCAN:
    case NODE_REPEAT: return LEVEL_EXPR;
    case NODE_PIPE: return LEVEL_PIPE;
    case NODE_BINARY: return operator_of(node)->level;
    case NODE_UNARY: return strcmp(node->name->text, "not") ? LEVEL_UNARY : LEVEL_NOT;
    default: return LEVEL_POSTFIX;
    }
}

static void add(Text *out, const Node *node, Level least);

static void add_from(Text *out, const Node *node, uint32_t from, const char *open,
                     const char *close) {
    text_add(out, open);
    for (uint32_t i = from; i < node->count; i++) {
        if (i > from) text_add(out, ", ");
        add(out, node->kids[i], LEVEL_EXPR);
    }
    text_add(out, close);
}

static void add_string(Text *out, const Node *node) {
    text_char(out, '"');
    for (uint32_t i = 0; i < node->text_len; i++) {
        char c = node->text[i];
        if (c == '"' || c == '\\') text_char(out, '\\');
        if (c == '\n' || c == '\t')
            text_add(out, c == '\n' ? "\\n" : "\\t");
        else
            text_char(out, c);
    }
    text_char(out, '"');
}

static void add_binary(Text *out, const Node *node) {
    const struct Operator *op = operator_of(node);
    bool tight = op->name[0] == '^';
    add(out, node->kids[0], op->left);
    text_printf(out, tight ? "%s" : " %s ", op->name);
    add(out, node->kids[1], op->right);
}

static void add_unary(Text *out, const Node *node) {
    bool is_not = level_of(node) == LEVEL_NOT;
    text_add(out, is_not ? "not " : "-");
    add(out, node->kids[0], is_not ? LEVEL_NOT : LEVEL_UNARY);
}

static void add_lambda(Text *out, const Node *node) {
    const Node *names = node->kids[0];
    add_from(out, names, 0, names->count == 1 ? "" : "(", names->count == 1 ? "" : ")");
    text_add(out, " -> ");
    add(out, node->kids[1], LEVEL_EXPR);
}

static void add_scan(Text *out, const Node *node) {
    add_from(out, node->kids[0], 0, "scan ", " along ");
    add(out, node->kids[1], LEVEL_PIPE);
    if (node->kids[2]) add_from(out, node->kids[2], 0, " with ", "");
    text_add(out, " { ... }");
}

static void add_repeat(Text *out, const Node *node) {
    text_add(out, "repeat ");
    add(out, node->kids[0], LEVEL_EXPR);
    if (node->name) text_printf(out, " as %s", node->name->text);
    text_add(out, " { ... }");
}

static void add_range(Text *out, const Node *node) {
    if (node->kids[0]) add(out, node->kids[0], LEVEL_EXPR);
    text_char(out, ':');
    if (node->kids[1]) add(out, node->kids[1], LEVEL_EXPR);
}

static void add_named(Text *out, const Node *node) {
    if (node->name) text_printf(out, "%s = ", node->name->text);
    add(out, node->kids[0], node->kind == NODE_BIND ? LEVEL_PIPE : LEVEL_EXPR);
}

static void add_pipe(Text *out, const Node *node) {
    add(out, node->kids[0], LEVEL_PIPE);
    text_add(out, " |> ");
    add(out, node->kids[1], LEVEL_POSTFIX);
}

static void add_bare(Text *out, const Node *node) {
    switch (node->kind) {
    case NODE_NAME: text_add(out, node->name->text); break;
    case NODE_NUMBER: text_add(out, node->text); break;
    case NODE_STRING: add_string(out, node); break;
    case NODE_BOOL: text_add(out, node->number != 0 ? "true" : "false"); break;
    case NODE_TUPLE: add_from(out, node, 0, "(", ")"); break;
    case NODE_DIMS: add_from(out, node, 0, "[", "]"); break;
    case NODE_LIST: add_from(out, node, 0, "", ""); break;
    case NODE_CALL:
    case NODE_INDEX:
        add(out, node->kids[0], LEVEL_POSTFIX);
        add_from(out, node, 1, node->kind == NODE_CALL ? "(" : "[",
                 node->kind == NODE_CALL ? ")" : "]");
        break;
    case NODE_MEMBER:
        add(out, node->kids[0], LEVEL_POSTFIX);
        text_printf(out, ".%s", node->name->text);
        break;
    case NODE_ARG:
    case NODE_BIND: add_named(out, node); break;
    case NODE_RANGE: add_range(out, node); break;
    case NODE_ELLIPSIS: text_printf(out, "...%s", node->name ? node->name->text : ""); break;
    case NODE_UNARY: add_unary(out, node); break;
    case NODE_BINARY: add_binary(out, node); break;
    case NODE_PIPE: add_pipe(out, node); break;
    case NODE_LAMBDA: add_lambda(out, node); break;
    case NODE_SCAN: add_scan(out, node); break;
    case NODE_REPEAT: add_repeat(out, node); break;
    default: text_printf(out, "<%s>", node_kind_name(node->kind)); break;
    }
}

static void add(Text *out, const Node *node, Level least) {
    bool parens = (node->flags & NODE_FLAG_PAREN) || level_of(node) < least;
    if (parens) text_char(out, '(');
    add_bare(out, node);
    if (parens) text_char(out, ')');
}

void syntax_expr_text(Text *out, const Node *expr) {
    add(out, expr, LEVEL_EXPR);
}
