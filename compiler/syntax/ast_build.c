/* Making nodes: what the grammar's actions call. Depth is bounded here, the left sides of `=`,
 * `:=` and `->` are checked here. */
#include "compiler/syntax/parser.h"

static Node *poison(Parser *parser, Span span) {
    Node *node = ARENA_NEW(parser->ctx->arena, Node);
    node->kind = NODE_POISON;
    node->span = node->name_span = span;
    return node;
}

Node *node_make(Parser *parser, NodeKind kind, Span span, Sym name, Span name_span,
                Node *const *kids, uint32_t count, const NodeList *more) {
    Arena *arena = parser->ctx->arena;
    uint32_t more_count = more ? more->len : 0;
    Node *node = ARENA_NEW(arena, Node);
    node->kind = kind;
    node->span = span;
    node->name = name;
    node->name_span = name_span;
    node->count = count + more_count;
    node->kids = ARENA_ARRAY(arena, Node *, node->count);
    if (count) memcpy(node->kids, kids, count * sizeof *kids);
    if (more_count) memcpy(node->kids + count, more->data, more_count * sizeof *kids);
    for (uint32_t i = 0; i < node->count; i++) {
        const Node *kid = node->kids[i];
        if (kid && kid->depth >= node->depth) node->depth = kid->depth + 1;
    }
    if (node->depth < NODE_DEPTH_LIMIT) return node;
    parser_too_deep(parser, span);
    return poison(parser, span);
}

NodeList *list_add(Parser *parser, NodeList *list, Node *node) {
    vec_push(parser->ctx->arena, list, node);
    return list;
}

NodeList *list_start(Parser *parser, Node *first) {
    return list_add(parser, ARENA_NEW(parser->ctx->arena, NodeList), first);
}

Sym parser_name(Parser *parser, const char *text) {
    return ctx_sym(parser->ctx, text);
}

void parser_item(Parser *parser, Node *item) {
    list_add(parser, &parser->items, item);
}

void node_name(Parser *parser, Node *node, Sym name, Span name_span) {
    (void)parser;
    node->name = name;
    node->name_span = name_span;
}

void node_body(Parser *parser, Node *definition, const Node *body) {
    (void)parser;
    if (body->kind == NODE_BLOCK) definition->flags |= NODE_FLAG_BLOCK_BODY;
}

Node *node_use(Parser *parser, const Node *path, Span span) {
    Node *node = node_make(parser, NODE_USE, span, NULL, path->span, NULL, 0, NULL);
    node->text = path->text;
    node->text_len = path->text_len;
    return node;
}

Node *node_extern_grad(Parser *parser, Sym word, Span word_span, Sym symbol, Span symbol_span) {
    if (strcmp(word->text, "grad") != 0) {
        Diag *d = parser_error(parser, E_SYNTAX, word_span,
                               "expected `grad` or the end of the line after the result, got `%s`",
                               word->text);
        diag_help(d, "`grad %s` names the C function that computes the gradient", symbol->text);
    }
    return node_make(parser, NODE_NAME, symbol_span, symbol, symbol_span, NULL, 0, NULL);
}

Node *node_default(Parser *parser, Node *par, Node *value, Span span) {
    if (!value || par->kind == NODE_POISON) return par;
    return node_make(parser, NODE_PAR, span, par->name, par->name_span,
                     NODE_KIDS(par->kids[0], par->kids[1], value), NULL);
}

Node *node_binary(Parser *parser, const char *op, Span op_span, Node *left, Node *right,
                  Span span) {
    return node_make(parser, NODE_BINARY, span, parser_name(parser, op), op_span,
                     NODE_KIDS(left, right), NULL);
}

Node *node_unary(Parser *parser, const char *op, Span op_span, Node *operand, Span span) {
    return node_make(parser, NODE_UNARY, span, parser_name(parser, op), op_span, NODE_KIDS(operand),
                     NULL);
}

Node *node_after(Parser *parser, NodeKind kind, Node *what, const NodeList *list, Span span) {
    return node_make(parser, kind, span, NULL, what->span, NODE_KIDS(what), list);
}

Node *node_minimize(Parser *parser, Node *value, const NodeList *targets, Span span) {
    return node_make(parser, NODE_MINIMIZE, span, NULL, value->span, NODE_KIDS(value), targets);
}

Node *node_statement(Parser *parser, const NodeList *exprs, Span span) {
    Node *only = exprs->len == 1 ? exprs->data[0] : NULL;
    if (only && only->kind == NODE_REPEAT && !(only->flags & NODE_FLAG_PAREN)) return only;
    return node_make(parser, NODE_EXPR_STMT, span, NULL, span, NULL, 0, exprs);
}

/* ---------------------------------------------------------------- left sides */

static bool is_index_of_name(const Node *node) {
    return node->kind == NODE_INDEX && node->kids[0]->kind == NODE_NAME;
}

static Node *bad_target(Parser *parser, const Node *node, const char *arrow) {
    if (node->kind == NODE_POISON) return poison(parser, node->span);
    Text shown = {.arena = parser->ctx->arena};
    syntax_expr_text(&shown, node);
    Diag *diag = parser_error(parser, E_TARGET, node->span,
                              "the left of `%s` must be a name, not `%s`", arrow, text_str(&shown));
    if (!strcmp(arrow, "->"))
        diag_help(diag, "a function value reads `x -> x * x` or `(a, b) -> a + b`");
    else if (node->kind == NODE_BINARY || node->kind == NODE_BOOL || node->kind == NODE_NUMBER)
        diag_help(diag, "`==` compares; `=` gives a name to the value on its right");
    else if (is_index_of_name(node))
        diag_help(diag, "`:=` replaces a whole state: `%s := put(%s, at, value, axis = 0)`",
                  node->kids[0]->name->text, node->kids[0]->name->text);
    else if (node->kind == NODE_MEMBER)
        diag_help(diag, "values are never changed in place; give the new value its own name");
    else
        diag_help(diag, "left sides are names `a, b` or indexed names `y[i, j]`");
    return poison(parser, node->span);
}

/* `(a, b) = f()` is `a, b = f()`. */
static void add_targets(Parser *parser, NodeList *out, Node *node, bool may_index,
                        const char *arrow) {
    if (node->kind == NODE_TUPLE)
        for (uint32_t i = 0; i < node->count; i++) {
            Node *part = node->kids[i];
            list_add(parser, out, part->kind == NODE_NAME ? part : bad_target(parser, part, arrow));
        }
    else if (node->kind == NODE_NAME || (may_index && is_index_of_name(node)))
        list_add(parser, out, node);
    else
        list_add(parser, out, bad_target(parser, node, arrow));
}

static Node *target_list(Parser *parser, const NodeList *targets, bool may_index,
                         const char *arrow) {
    NodeList *list = ARENA_NEW(parser->ctx->arena, NodeList);
    for (uint32_t i = 0; i < targets->len; i++)
        add_targets(parser, list, targets->data[i], may_index, arrow);
    Span span = span_join(targets->data[0]->span, targets->data[targets->len - 1]->span);
    return node_make(parser, NODE_LIST, span, NULL, span, NULL, 0, list);
}

Node *node_assign(Parser *parser, const NodeList *targets, Span arrow, const NodeList *values,
                  Node *where, Span span) {
    Node *left = target_list(parser, targets, true, "=");
    Span values_span = span_join(values->data[0]->span, values->data[values->len - 1]->span);
    Node *right = node_make(parser, NODE_LIST, values_span, NULL, values_span, NULL, 0, values);
    return node_make(parser, NODE_ASSIGN, span, NULL, arrow, NODE_KIDS(left, right, where), NULL);
}

Node *node_update(Parser *parser, const NodeList *targets, Span arrow, Node *value, Span span) {
    Node *left = target_list(parser, targets, false, ":=");
    return node_make(parser, NODE_UPDATE, span, NULL, arrow, NODE_KIDS(left, value), NULL);
}

Node *node_lambda(Parser *parser, Node *names, Span names_span, Node *value, Span span) {
    NodeList *list = ARENA_NEW(parser->ctx->arena, NodeList);
    add_targets(parser, list, names, false, "->");
    Node *left = node_make(parser, NODE_LIST, names_span, NULL, names_span, NULL, 0, list);
    return node_make(parser, NODE_LAMBDA, span, NULL, names_span, NODE_KIDS(left, value), NULL);
}

/* ---------------------------------------------------------------- brackets */

Node *node_parenthesised(Parser *parser, const NodeList *exprs, Span span) {
    if (exprs->len > 1) return node_make(parser, NODE_TUPLE, span, NULL, span, NULL, 0, exprs);
    Node *only = exprs->data[0];
    only->span = span;
    only->flags |= NODE_FLAG_PAREN;
    return only;
}

Node *node_list_literal(Parser *parser, Node *dims) {
    for (uint32_t i = 0; i < dims->count; i++) {
        Node *index = dims->kids[i];
        if (index->kind != NODE_RANGE) continue;
        Diag *diag =
            parser_error(parser, E_SYNTAX, index->span,
                         "a list holds values, `:` makes a slice of what stands before `[`");
        diag_help(diag, "slice a value: `x[1:3]`; numbers in a row: `iota(n)`");
        dims->kids[i] = poison(parser, index->span);
    }
    return dims;
}
