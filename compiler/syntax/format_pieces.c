/* Formatter: from tokens and the gaps between them to pieces, and the blanks between two. */
#include "compiler/syntax/format.h"

#include "grammar/bmc.tab.h"

/* Adds the comments of text[begin, end), which holds nothing else but blanks, newlines and `;`.
 * Returns the newlines after the last of them. */
static uint32_t collect_gap(Formatter *f, uint32_t begin, uint32_t end, uint32_t open,
                            uint32_t depth) {
    uint32_t newlines = 0;
    for (uint32_t at = begin; at < end; at++) {
        if (f->text[at] == '\n') newlines++;
        if (f->text[at] != '#') continue;
        uint32_t stop = at;
        while (stop < end && f->text[stop] != '\n') stop++;
        uint32_t trimmed = stop;
        while (strchr(" \t\r", f->text[trimmed - 1])) trimmed--;
        Piece piece = {.kind = PIECE_COMMENT,
                       .begin = at,
                       .end = trimmed,
                       .newlines = newlines,
                       .open = open,
                       .depth = depth,
                       .close = PIECE_NONE};
        if (f->pieces.len == 0) piece.newlines = 1;
        vec_push(f->ctx->arena, &f->pieces, piece);
        newlines = 0;
        at = stop - 1;
    }
    return newlines;
}

void format_collect(Formatter *f, const Parser *parser) {
    f->ctx = parser->ctx;
    f->text = parser->text;
    uint32_t *piece_of = ARENA_ARRAY(f->ctx->arena, uint32_t, parser->tokens.len + 1);
    uint32_t end = 0;
    bool starts = true;
    for (uint32_t i = 0; i < parser->tokens.len; i++) {
        const Token *t = &parser->tokens.data[i];
        starts = starts || t->kind == TOKEN_NL;
        if (t->kind == TOKEN_NL) continue;
        uint32_t open = t->open_token == TOKEN_NONE ? PIECE_NONE : piece_of[t->open_token];
        uint32_t newlines = collect_gap(f, end, t->begin, open, t->depth);
        bool closes = t->kind == ')' || t->kind == ']' || t->kind == '}';
        Piece piece = {.kind = t->kind,
                       .begin = t->begin,
                       .end = t->end,
                       .newlines = newlines,
                       .open = open,
                       .depth = t->depth,
                       .close = PIECE_NONE,
                       .starts = starts && !closes};
        piece_of[i] = f->pieces.len;
        if (closes) f->pieces.data[open].close = f->pieces.len;
        vec_push(f->ctx->arena, &f->pieces, piece);
        starts = t->kind == '{';
        end = t->end;
    }
    collect_gap(f, end, parser->len, PIECE_NONE, 0);
}

uint32_t format_width(const Formatter *f, uint32_t piece) {
    const Piece *p = &f->pieces.data[piece];
    uint32_t width = 0;
    for (uint32_t i = p->begin; i < p->end; i++)
        width += ((unsigned char)f->text[i] & 0xc0) != 0x80; /* UTF-8 continuation bytes */
    return width;
}

char format_inside(const Formatter *f, uint32_t piece) {
    uint32_t open = f->pieces.data[piece].open;
    return open == PIECE_NONE ? 0 : (char)f->pieces.data[open].kind;
}

bool format_ends_value(int kind) {
    return kind == TOKEN_NAME || kind == TOKEN_NUMBER || kind == TOKEN_STRING ||
           kind == TOKEN_TRUE || kind == TOKEN_FALSE || kind == ')' || kind == ']' || kind == '}' ||
           kind == TOKEN_ELLIPSIS;
}

static int kind_at(const Formatter *f, uint32_t piece) {
    return piece < f->pieces.len ? f->pieces.data[piece].kind : 0;
}

static bool is_unary_minus(const Formatter *f, uint32_t piece) {
    return kind_at(f, piece) == '-' && (piece == 0 || !format_ends_value(kind_at(f, piece - 1)));
}

/* `4*n` inside [ ]: a product of two plain words or numbers needs no blanks there. */
static bool is_tight_product(const Formatter *f, uint32_t op) {
    int kind = kind_at(f, op), left = kind_at(f, op - 1), right = kind_at(f, op + 1);
    if ((kind != '*' && kind != '/' && kind != '%') || format_inside(f, op) != '[') return false;
    int after = kind_at(f, op + 2), before = op >= 2 ? kind_at(f, op - 2) : 0;
    return (left == TOKEN_NAME || left == TOKEN_NUMBER) && before != '.' &&
           (right == TOKEN_NAME || right == TOKEN_NUMBER) && after != '(' && after != '[' &&
           after != '.' && after != '^' && before != '^';
}

uint32_t format_gap(const Formatter *f, uint32_t piece) {
    int left = kind_at(f, piece - 1), right = kind_at(f, piece);
    if (right == PIECE_COMMENT) return 2;
    if (left == '{' || right == '}') return left == '{' && right == '}' ? 0 : 1;
    if (left == '(' || left == '[' || right == ')' || right == ']' || right == ',') return 0;
    if (left == ',') return 1;
    if (right == ':') return 0;
    if (left == ':') return format_inside(f, piece) == '[' ? 0 : 1;
    if (right == '.') return left == TOKEN_NUMBER; /* `2 .T`: `2.` is no number */
    if (left == '.' || (left == TOKEN_ELLIPSIS && right == TOKEN_NAME)) return 0;
    if (right == '(' || right == '[')
        if ((format_ends_value(left) && left != '}') || (left == TOKEN_STEP && right == '('))
            return 0;
    if (left == '^' || right == '^' || is_unary_minus(f, piece - 1)) return 0;
    return is_tight_product(f, piece) || is_tight_product(f, piece - 1) ? 0 : 1;
}
