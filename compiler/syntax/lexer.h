/* Decisions of the lexer that regular expressions cannot make; called by grammar/bmc.l. */
#ifndef BMC_SYNTAX_LEXER_H
#define BMC_SYNTAX_LEXER_H

#include "compiler/syntax/parser.h"

/* The span of the next `len` bytes. */
Span lexer_advance(Parser *parser, uint32_t len);
/* Do the newlines (and blank lines and comments) at `at` end a statement? */
bool lexer_newline(Parser *parser, Span at);
/* Does this `;` end a statement? Not an empty one. */
bool lexer_semicolon(Parser *parser, Span at);
/* These return the token to deliver; 0 for none. */
int lexer_word(Parser *parser, SyntaxValue *value, Span at);
int lexer_number(Parser *parser, SyntaxValue *value, Span at);
int lexer_bad_number(Parser *parser, SyntaxValue *value, Span at);
int lexer_string(Parser *parser, SyntaxValue *value, Span at);
int lexer_bad_string(Parser *parser, SyntaxValue *value, Span at);
int lexer_open(Parser *parser, char open, Span at); /* -1: to be ignored */
int lexer_close(Parser *parser, char close, Span at);
/* An operator of another language; a byte or character that starts no token. */
int lexer_foreign(Parser *parser, const char *text, Span at);
int lexer_unknown(Parser *parser, SyntaxValue *value, Span at);

/* Whether a word is reserved, and the token then, else 0. */
int lexer_reserved(const char *word, size_t len);
/* After a mistake in a statement that ends before `from` and stands `indent` deep: lines that are
 * indented deeper, and a `}` as deep, are a block whose `{` was not seen; ignores them. */
void lexer_drop_block(Parser *parser, uint32_t from, uint32_t indent);
/* Blanks at the start of a line. */
uint32_t lexer_indent(const Parser *parser, uint32_t line_start);
/* Reports bytes that are no UTF-8. */
void lexer_check_encoding(Parser *parser);

#endif
