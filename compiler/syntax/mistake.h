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

/* Rules about definitions and about words in the wrong place (mistake_places.c). */
MistakeRule mistake_foreign_word, mistake_misplaced_word, mistake_stray_else,
    mistake_setting_outside, mistake_top_level, mistake_bad_start, mistake_export_other,
    mistake_use_path, mistake_missing_equals, mistake_missing_list, mistake_header,
    mistake_reserved_name, mistake_missing_name, mistake_setting_without_colon;

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
const char *mistake_source(const Mistake *m, uint32_t begin, uint32_t end);
uint32_t mistake_previous_end(const Mistake *m);
uint32_t mistake_begin(const Mistake *m);      /* of the refused token */
char mistake_next_character(const Mistake *m); /* after the refused token and blanks */
bool token_is_connector(int kind);             /* stands between parts of a statement: `over` */
bool token_is_definition(int kind);            /* fn, layer, optimizer, model */
/* The indent of the statement that opened the innermost bracket. */
uint32_t mistake_open_indent(const Mistake *m);
/* The first token of the expression that ends before `at`, at the same bracket depth. */
uint32_t mistake_expr_start(const Mistake *m);
/* Offset where what goes on at `from`, `depth` brackets deep, ends: at a newline, `;`, `#` or a
 * bracket that closes none of its own; an expression also at a comma or `{`. */
uint32_t mistake_expr_end(const Mistake *m, uint32_t from, uint32_t depth, bool statement);

/* ---- saying */
Span mistake_span(const Mistake *m);
Span mistake_after_previous(const Mistake *m);
/* The refused token, or the end of the line before when it starts a new line or is none. */
Span mistake_place(const Mistake *m);
/* Does a new line start between this token and the one before it? */
bool mistake_on_new_line(const Mistake *m, uint32_t index);
#define mistake_error(m, span, ...) parser_error((m)->parser, E_SYNTAX, (span), __VA_ARGS__)
/* A rewrite showing the whole statement; add edits in order of place. */
Fix *mistake_fix(Mistake *m, Diag *diag, const char *label, const char *otherwise);
void fix_edit(Fix *fix, uint32_t begin, uint32_t end, const char *text);

#endif
