/* Reading and writing .bm text. */
#ifndef BMC_SYNTAX_SYNTAX_H
#define BMC_SYNTAX_SYNTAX_H

#include "compiler/syntax/ast.h"

/* Parses one file that sources_add has given an id. Always returns a PROGRAM; mistakes are in
 * ctx->diags, several in one run, and POISON stands where they were. */
Node *syntax_parse(Context *ctx, uint32_t file);

/* The expression that `part` of a file holds; NULL with a diagnostic when it is none. Spans are
 * those of the file. At least 8 bytes stand before it (room for a `let`). */
Node *syntax_parse_expr(Context *ctx, Span part);

/* The i-th reserved word, NULL past the last. */
const char *syntax_reserved_word(uint32_t i);

/* The tree as indented s-expressions, one node a line (for --emit=ast and tests). */
void syntax_print(Text *out, const Node *node);

/* The file in canonical form (`bmc fmt`): keeps every comment, is idempotent, and parses to the
 * same tree. Returns false, with diagnostics, when the file does not parse. */
bool syntax_format(Context *ctx, uint32_t file, Text *out);

/* An expression as one line of source text, for messages. */
void syntax_expr_text(Text *out, const Node *expr);

#endif
