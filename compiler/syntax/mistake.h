/* A syntax error with what is around it: what the rules of mistake_rules.c look at. */
#ifndef BMC_SYNTAX_MISTAKE_H
#define BMC_SYNTAX_MISTAKE_H

#include "compiler/syntax/parser.h"

typedef struct Mistake {
    Parser *parser;
    const SyntaxExpected *expected;
    uint32_t at;         /* index of the token the grammar refused */
    uint32_t first;      /* index of the first token of its statement, entry or item */
    int got, previous;   /* kinds; previous is 0 when `at` starts the statement */
    int starter;         /* kind of the statement's first token; FN for `export fn` */
    int block;           /* what the innermost `{` belongs to (DATA, FN, IF, ...); 0: none */
    char bracket;        /* innermost bracket open before `at`: ( [ { or 0 */
    uint32_t open_token; /* its index, TOKEN_NONE */
} Mistake;

/* True when the rule recognised the mistake and reported it. */
typedef bool MistakeRule(Mistake *m);
extern MistakeRule *const MISTAKE_RULES[]; /* ends with NULL; the first that matches wins */

/* ---- looking */
const Token *mistake_token(const Mistake *m, uint32_t index);
bool mistake_expects(const Mistake *m, int token);
bool mistake_expects_value(const Mistake *m);
bool mistake_in_entries(const Mistake *m); /* directly in data, train or test */
bool token_is_reserved(int kind);
bool token_starts_value(int kind);
bool token_ends_value(int kind);
bool token_is_operator(int kind); /* binary, not `|>` */
bool token_is_comparison(int kind);
/* The token as written, in backticks, or "the end of the line". */
const char *mistake_text(const Mistake *m, uint32_t index);
bool mistake_token_is(const Mistake *m, uint32_t index, const char *word);
/* The first token of the expression that ends before `at`, at the same bracket depth. */
uint32_t mistake_expr_start(const Mistake *m);
/* Offset where the expression that goes on at `from`, `depth` brackets deep, ends: at a newline,
 * `;`, `#`, `{`, a bracket that closes none of its own, or a comma unless `commas`. */
uint32_t mistake_expr_end(const Mistake *m, uint32_t from, uint32_t depth, bool commas);

/* ---- saying */
Span mistake_span(const Mistake *m);
Span mistake_after_previous(const Mistake *m);
#define mistake_error(m, span, ...) parser_error((m)->parser, E_SYNTAX, (span), __VA_ARGS__)
/* A rewrite showing the whole statement; add edits in order of place. */
Fix *mistake_fix(Mistake *m, Diag *diag, const char *label, const char *otherwise);
void fix_edit(Fix *fix, uint32_t begin, uint32_t end, const char *text);

#endif
