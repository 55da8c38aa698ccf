/* What the lexer, the grammar's actions and the messages share while one file is parsed. */
#ifndef BMC_SYNTAX_PARSER_H
#define BMC_SYNTAX_PARSER_H

#include "compiler/support/vec.h"
#include "compiler/syntax/syntax.h"

typedef struct NodeList {
    Node **data;
    uint32_t len, cap;
} NodeList;

typedef union SyntaxValue {
    Node *node;
    NodeList *list;
    Sym name;
} SyntaxValue;

enum {
    SYNTAX_TOKENS = 512,       /* above every token number of the grammar */
    BRACKET_DEPTH_LIMIT = 200, /* open brackets at one place */
    MISTAKE_LIMIT = 100        /* then the rest of the file is not read */
};

/* A token as delivered to the grammar. Comments are no tokens: they stand in the gaps. */
typedef struct Token {
    int kind;
    uint32_t begin, end;
    uint32_t depth;      /* brackets open before it */
    uint32_t open_token; /* the token that opened the innermost of them, TOKEN_NONE */
} Token;
#define TOKEN_NONE UINT32_MAX

typedef struct Bracket {
    char open;       /* ( [ { */
    uint32_t offset; /* in the text */
    uint32_t token;  /* its index, TOKEN_NONE when it was opened while tokens were skipped */
    uint32_t indent; /* of the statement it belongs to */
} Bracket;

/* A rewrite that may cure a mistake: offered as help only if the rewritten file parses further. */
typedef struct Fix {
    Diag *diag;
    const char *label;     /* "parentheses"; NULL for none */
    const char *otherwise; /* the help when the rewrite does not help; NULL for none */
    uint32_t begin, end;   /* the stretch of source shown, edits applied */
    struct FixEdit {
        uint32_t begin, end; /* replaced */
        const char *text;
    } edits[3];
    uint32_t edit_count;
} Fix;

typedef struct Parser {
    Context *ctx;
    uint32_t file;
    const char *text;
    uint32_t len, offset;
    uint32_t statement_indent;        /* of the line on which the current statement starts */
    uint32_t line_start, line_indent; /* of the line being read; a tab counts as one column */
    void *scanner;

    VEC(Token) tokens;
    VEC(Bracket) brackets;
    int last_kind;       /* last token seen, also while skipping; 0 before the first */
    VEC(Token) pending;  /* closers made up for a bracket that is never closed */
    uint32_t pending_at; /* how many of them were delivered */

    bool skipping;        /* after a mistake: until the statement ends */
    uint32_t skip_braces; /* `{` open around that statement */
    uint32_t skip_indent;
    bool skip_brace;        /* a `{` is missing: a `}` on the same line would be its partner */
    uint32_t drop_until;    /* tokens before this offset are ignored: a block without its `{` */
    bool statement_damaged; /* a lexical mistake was reported: its consequences stay silent */
    bool line_damaged;      /* the same of the statement that the last NL ended */
    bool stopped;           /* too deep or too large: only the end of file follows */
    bool speculative;       /* a trial parse: offers no fixes */
    bool part;              /* what stands in braces in a string, not a file */
    uint32_t misindented;   /* offset of a `{` whose `}` is indented differently, TOKEN_NONE */

    uint32_t closed_early; /* offset of a `}` amid a line that closed a block of several lines */

    NodeList items;
    VEC(Fix) fixes;
    uint32_t mistakes; /* errors reported by this parse */
} Parser;

/* Which tokens the grammar would have taken, by token number. */
typedef struct SyntaxExpected {
    bool token[SYNTAX_TOKENS];
} SyntaxExpected;

/* Runs the grammar over one file. `parser` must be zero; its fields may be read afterwards. */
void parser_run(Parser *parser, Context *ctx, uint32_t file, bool speculative);

/* ---- from the generated parser (grammar/bmc.y) */
const char *syntax_token_name(int token); /* "`let`", "a name", "'('" */
int bmc_parse(Parser *parser);
int bmc_lex(SyntaxValue *value, Span *span, Parser *parser);

/* ---- mistakes */
#define parser_error(parser, code, span, ...)                                                      \
    (parser_count_mistake(parser), ctx_error((parser)->ctx, (code), (span), __VA_ARGS__))
void parser_count_mistake(Parser *parser);
void parser_syntax_error(Parser *parser, const SyntaxExpected *expected); /* mistake.c */
void parser_too_deep(Parser *parser, Span at);
void parser_misplaced(Parser *parser, uint32_t at, const char *word);
Span parser_span(const Parser *parser, uint32_t begin, uint32_t end);
Span parser_token_span(const Parser *parser, uint32_t token);
/* Appends the fixes that help to their diagnostics (fix.c). */
void parser_try_fixes(Parser *parser);

/* ---- building the tree (ast_build.c); every function may be given POISON and stays silent then */
#define NODE_KIDS(...)                                                                             \
    (Node *[]){__VA_ARGS__}, (uint32_t)(sizeof((Node *[]){__VA_ARGS__}) / sizeof(Node *))

Node *node_make(Parser *parser, NodeKind kind, Span span, Sym name, Span name_span,
                Node *const *kids, uint32_t count, const NodeList *more);
NodeList *list_start(Parser *parser, Node *first);
NodeList *list_add(Parser *parser, NodeList *list, Node *node);
Sym parser_name(Parser *parser, const char *text);
void parser_item(Parser *parser, Node *item);
void node_name(Parser *parser, Node *node, Sym name, Span name_span);
void node_body(Parser *parser, Node *definition, const Node *body);
Node *node_use(Parser *parser, const Node *path, Span span);
/* The second symbol of an `extern fn`; `word` must be `grad`. */
Node *node_extern_grad(Parser *parser, Sym word, Span word_span, Sym symbol, Span symbol_span);
Node *node_default(Parser *parser, Node *par, Node *value, Span span);
Node *node_binary(Parser *parser, const char *op, Span op_span, Node *left, Node *right, Span span);
Node *node_unary(Parser *parser, const char *op, Span op_span, Node *operand, Span span);
/* CALL and INDEX: what stands before the bracket, then the list. */
Node *node_after(Parser *parser, NodeKind kind, Node *what, const NodeList *list, Span span);
Node *node_minimize(Parser *parser, Node *value, const NodeList *targets, Span span);
/* An expression statement; a lone `repeat` is a statement of its own. */
Node *node_statement(Parser *parser, const NodeList *exprs, Span span);
/* The left sides are checked here: E_TARGET when they are no names. */
Node *node_assign(Parser *parser, const NodeList *targets, Span arrow, const NodeList *values,
                  Node *where, Span span);
Node *node_update(Parser *parser, const NodeList *targets, Span arrow, Node *value, Span span);
Node *node_lambda(Parser *parser, Node *names, Span names_span, Node *value, Span span);
Node *node_parenthesised(Parser *parser, const NodeList *exprs, Span span);
/* DIMS used as a value: no slices inside. */
Node *node_list_literal(Parser *parser, Node *dims);

#endif
