/* The formatter's view of a file: a row of pieces (tokens and comments) with the places where the
 * line breaks. Only blanks, line breaks and `;` ever change, so the tree cannot. */
#ifndef BMC_SYNTAX_FORMAT_H
#define BMC_SYNTAX_FORMAT_H

#include "compiler/syntax/parser.h"

enum { FORMAT_COLUMNS = 100 };
#define PIECE_NONE UINT32_MAX

typedef struct Piece {
    int kind;            /* a token, or PIECE_COMMENT */
    uint32_t begin, end; /* in the source */
    uint32_t newlines;   /* before it, in the source */
    uint32_t open;       /* innermost bracket around it (of a closer: its opener), or PIECE_NONE */
    uint32_t depth;      /* brackets around it */
    uint32_t close;      /* of an opener: its closer */
    bool starts;         /* a statement, entry or item starts here */
    bool many_lines;     /* of `{`: its statements stand on lines of their own */
    bool between;        /* of a comment: it stands between statements, not inside one */
    bool break_before, blank_before;
    uint32_t padding;             /* blanks for alignment, besides the usual ones */
    uint32_t column, line_indent; /* of a bracket, once written */
    uint32_t base;                /* of `{`, once written: indent of its `}` */
    bool value_below;             /* of `{`: the statement being written broke after its `=` */
} Piece;
#define PIECE_COMMENT (-1)

typedef struct Formatter {
    Context *ctx;
    const char *text;
    VEC(Piece) pieces;
    bool value_below; /* the same outside of all blocks */
} Formatter;

/* format_pieces.c */
void format_collect(Formatter *f, const Parser *parser);
uint32_t format_width(const Formatter *f, uint32_t piece); /* in characters */
/* Blanks between a piece and the one before it, when they share a line. */
uint32_t format_gap(const Formatter *f, uint32_t piece);
char format_inside(const Formatter *f, uint32_t piece); /* ( [ { or 0 */
bool format_ends_value(int kind);

/* format_lines.c */
void format_breaks(Formatter *f);
void format_align(Formatter *f);
void format_write(Formatter *f, Text *out);

#endif
