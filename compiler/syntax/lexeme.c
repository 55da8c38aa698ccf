/* Single tokens: reserved words, settings and names; numbers; strings; and characters of other
 * languages, each answered with what bmc writes instead. */
#include "compiler/syntax/lexer.h"

#include "grammar/bmc.tab.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- words */

static const struct Reserved {
    const char *word;
    int token;
} RESERVED[] = {
    {"along", TOKEN_ALONG},
    {"and", TOKEN_AND},
    {"as", TOKEN_AS},
    {"assert", TOKEN_ASSERT},
    {"data", TOKEN_DATA},
    {"else", TOKEN_ELSE},
    {"export", TOKEN_EXPORT},
    {"extern", TOKEN_EXTERN},
    {"false", TOKEN_FALSE},
    {"field", TOKEN_FIELD},
    {"fn", TOKEN_FN},
    {"if", TOKEN_IF},
    {"init", TOKEN_INIT},
    {"layer", TOKEN_LAYER},
    {"let", TOKEN_LET},
    {"maximize", TOKEN_MAXIMIZE},
    {"metric", TOKEN_METRIC},
    {"minimize", TOKEN_MINIMIZE},
    {"model", TOKEN_MODEL},
    {"not", TOKEN_NOT},
    {"optimizer", TOKEN_OPTIMIZER},
    {"or", TOKEN_OR},
    {"over", TOKEN_OVER},
    {"param", TOKEN_PARAM},
    {"repeat", TOKEN_REPEAT},
    {"return", TOKEN_RETURN},
    {"scan", TOKEN_SCAN},
    {"state", TOKEN_STATE},
    {"step", TOKEN_STEP},
    {"test", TOKEN_TEST},
    {"train", TOKEN_TRAIN},
    {"true", TOKEN_TRUE},
    {"use", TOKEN_USE},
    {"where", TOKEN_WHERE},
    {"with", TOKEN_WITH},
    {"yield", TOKEN_YIELD},
};

const char *syntax_reserved_word(uint32_t i) {
    return i < sizeof RESERVED / sizeof *RESERVED ? RESERVED[i].word : NULL;
}

int lexer_reserved(const char *word, size_t len) {
    size_t low = 0, high = sizeof RESERVED / sizeof *RESERVED;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strncmp(word, RESERVED[middle].word, len);
        if (order == 0 && RESERVED[middle].word[len]) order = -1;
        if (order == 0) return RESERVED[middle].token;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return 0;
}

/* The text after the blanks that follow `offset`, on the same line. */
static const char *next_on_line(const Parser *parser, uint32_t offset) {
    const char *at = parser->text + offset;
    return at + strspn(at, " \t\r");
}

int lexer_word(Parser *parser, SyntaxValue *value, Span at) {
    const char *word = parser->text + at.begin;
    uint32_t len = at.end - at.begin, depth = parser->brackets.len;
    char inside = depth ? parser->brackets.data[depth - 1].open : '{';
    const char *next = next_on_line(parser, at.end);
    int last = parser->last_kind;
    bool starts = inside == '{' && (last == 0 || last == TOKEN_NL || last == '{');
    value->name = intern_n(parser->ctx->names, word, len);
    if (starts && next[0] == ':' && next[1] != '=') return TOKEN_KEY;
    int reserved = lexer_reserved(word, len);
    bool plain = last == '.' || (inside == '(' && depth && next[0] == '=' && next[1] != '=');
    return reserved && !plain ? reserved : TOKEN_NAME;
}

/* ---------------------------------------------------------------- numbers */

static Node *literal(Parser *parser, NodeKind kind, Span at) {
    Node *node = ARENA_NEW(parser->ctx->arena, Node);
    node->kind = kind;
    node->span = node->name_span = at;
    return node;
}

/* strtod reads the point of the host program's locale. */
static double read_decimal(Arena *arena, const char *digits) {
    const char *point = localeconv()->decimal_point;
    const char *dot = strchr(digits, '.');
    if (dot && strcmp(point, ".") != 0)
        digits = arena_printf(arena, "%.*s%s%s", (int)(dot - digits), digits, point, dot + 1);
    return strtod(digits, NULL);
}

int lexer_number(Parser *parser, SyntaxValue *value, Span at) {
    Node *node = literal(parser, NODE_NUMBER, at);
    uint32_t len = at.end - at.begin, count = 0;
    node->text = arena_strndup(parser->ctx->arena, parser->text + at.begin, len);
    node->text_len = len;
    char *digits = arena_alloc(parser->ctx->arena, len + 1);
    for (uint32_t i = 0; i < len; i++)
        if (node->text[i] != '_') digits[count++] = node->text[i];
    node->number = read_decimal(parser->ctx->arena, digits);
    if (!strpbrk(digits, ".eE")) node->flags |= NODE_FLAG_INTEGER;
    value->node = node;
    if (isinf(node->number)) {
        Diag *diag = parser_error(parser, E_NUMBER, at, "`%s` is too large a number", node->text);
        diag_help(diag, "the largest is 1.7976931348623157e308; infinity is written `inf`");
        node->number = 0;
    } else if ((node->flags & NODE_FLAG_INTEGER) && node->number >= 9007199254740992.0 &&
               strcmp(digits, "9007199254740992") != 0) { /* 2^53 + 1 reads as 2^53 */
        Diag *diag = parser_error(parser, E_NUMBER, at, "`%s` is too large an integer", node->text);
        diag_help(diag, "integers are exact up to 9007199254740992 (2^53)");
        node->number = 0;
    }
    return TOKEN_NUMBER;
}

int lexer_bad_number(Parser *parser, SyntaxValue *value, Span at) {
    const char *text = parser->text + at.begin;
    uint32_t len = at.end - at.begin;
    char last = text[len - 1];
    Diag *diag = parser_error(parser, E_NUMBER, at, "`%.*s` is not a number", (int)len, text);
    if (text[0] == '0' && len > 1 && strchr("xXbBoO", text[1]))
        diag_help(diag, "numbers are decimal");
    else if (last == '.')
        diag_help(diag, "a digit must follow the point: `%.*s0`", (int)len, text);
    else if (last == 'e' || last == 'E')
        diag_help(diag, "a digit must follow the exponent's `%c`: `%.*s3`", last, (int)len, text);
    else if (last == '_' || strstr(arena_strndup(parser->ctx->arena, text, len), "__"))
        diag_help(diag, "`_` stands between two digits: `200_000`");
    else
        diag_help(diag, "numbers look like `3`, `0.5`, `1e-3`, `200_000`; a name starts with a "
                        "letter; a product needs its `*`");
    value->node = literal(parser, NODE_NUMBER, at);
    value->node->text = "0";
    value->node->text_len = 1;
    return TOKEN_NUMBER;
}

/* ---------------------------------------------------------------- strings */

int lexer_string(Parser *parser, SyntaxValue *value, Span at) {
    Node *node = literal(parser, NODE_STRING, at);
    char *text = arena_alloc(parser->ctx->arena, at.end - at.begin);
    uint32_t len = 0;
    for (uint32_t i = at.begin + 1; i + 1 < at.end; i++) {
        char c = parser->text[i];
        if (c == '\\') {
            static const char FROM[] = "nt\"\\", TO[] = "\n\t\"\\";
            char escape = parser->text[++i];
            const char *known = escape ? strchr(FROM, escape) : NULL;
            c = known ? TO[known - FROM] : escape;
            if (!known) {
                Diag *diag = parser_error(parser, E_STRING, parser_span(parser, i - 1, i + 1),
                                          "`\\%c` means nothing in a string", escape);
                diag_help(diag, "a string knows `\\n` `\\t` `\\\"` `\\\\`");
            }
        }
        text[len++] = c;
    }
    node->text = text;
    node->text_len = len;
    value->node = node;
    return TOKEN_STRING;
}

int lexer_bad_string(Parser *parser, SyntaxValue *value, Span at) {
    const char *text = parser->text + at.begin;
    if (text[0] == '\'') {
        uint32_t inner = at.end - at.begin - 1;
        bool closed = inner > 0 && text[inner] == '\'';
        if (closed) inner--;
        Diag *diag = parser_error(parser, E_STRING,
                                  closed ? at : parser_span(parser, at.begin, at.begin + 1),
                                  "strings stand in double quotes");
        if (closed) diag_help(diag, "`\"%.*s\"`", (int)inner, text + 1);
    } else {
        Diag *diag = parser_error(parser, E_STRING, at, "this string has no closing `\"`");
        diag_help(diag, "a string ends on the line it starts on; a line break in it is `\\n`");
    }
    parser->statement_damaged = true;
    value->node = literal(parser, NODE_STRING, at);
    value->node->text = "";
    return TOKEN_STRING;
}

/* ---------------------------------------------------------------- what other languages write */

static const struct Foreign {
    const char *text;
    int token; /* taken for it, so that one mistake is one message; 0: none */
    const char *help;
} FOREIGN[] = {
    {"**", '^', "powers are written `x^2`"},
    {"^=", '=', NULL},
    {"&&", TOKEN_AND, "write `and`"},
    {"&", TOKEN_AND, "write `and`"},
    {"||", TOKEN_OR, "write `or`"},
    {"|", 0, "write `or` between conditions, `x |> f` to apply `f`"},
    {"//", '/', "`/` divides; comments start with `#`; `floor(a / b)` rounds down"},
    {"++", '+', "write `x + 1`"},
    {"=>", TOKEN_ARROW, "a function value is `x -> x * x`; \"at least\" is `>=`"},
    {"!", TOKEN_NOT, "write `not`"},
    {"~", TOKEN_NOT, "write `not`"},
    {"?", 0, "a choice between two values is `select(condition, a, b)`"},
};

int lexer_foreign(Parser *parser, const char *text, Span at) {
    const struct Foreign *found = NULL;
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++)
        if (!strcmp(FOREIGN[i].text, text)) found = &FOREIGN[i];
    Diag *diag = parser_error(parser, E_LEX, at, "there is no operator `%s`", text);
    if (found && found->help) {
        diag_help(diag, "%s", found->help);
    } else { /* += and its family */
        diag_help(diag, "a new value with the old name: `x = x %c ...`", text[0]);
        diag_help(diag, "a write to a param or state: `x := x %c ...`", text[0]);
    }
    if (found && !found->token) parser->statement_damaged = true;
    return found ? found->token : '=';
}

static const struct Lookalike {
    uint32_t character;
    int token;
    const char *meant;
} LOOKALIKES[] = {
    {0x201c, 0, "\""},
    {0x201d, 0, "\""},
    {0x2018, 0, "\""},
    {0x2019, 0, "\""},
    {0xab, 0, "\""},
    {0xbb, 0, "\""},
    {0x201e, 0, "\""},
    {0x2212, '-', "-"},
    {0x2013, '-', "-"},
    {0x2014, '-', "-"},
    {0xd7, '*', "*"},
    {0xb7, '*', "*"},
    {0x22c5, '*', "*"},
    {0xf7, '/', "/"},
    {0x2264, TOKEN_LESS_EQUAL, "<="},
    {0x2265, TOKEN_GREATER_EQUAL, ">="},
    {0x2260, TOKEN_UNEQUAL, "!="},
    {0x2192, TOKEN_ARROW, "->"},
    {0x2026, TOKEN_ELLIPSIS, "..."},
    {0x221e, 0, "inf"},
    {0x3c0, 0, "pi"},
    {0x2211, 0, "sum"},
    {0x2207, 0, "grad"},
    {0xb2, 0, "^2"},
    {0xb3, 0, "^3"},
    {0x221a, 0, "sqrt"},
};

/* The character at `text`; 0xffffffff when it is not well-formed UTF-8. *len: its bytes, >= 1. */
static uint32_t decode(const char *text, uint32_t available, uint32_t *len) {
    const unsigned char *byte = (const unsigned char *)text;
    *len = 1;
    if (byte[0] < 0x80) return byte[0];
    uint32_t need = byte[0] >= 0xf0 && byte[0] < 0xf5   ? 4
                    : byte[0] >= 0xe0 && byte[0] < 0xf0 ? 3
                    : byte[0] >= 0xc2 && byte[0] < 0xe0 ? 2
                                                        : 0;
    if (need == 0 || need > available) return UINT32_MAX;
    uint32_t character = byte[0] & (0x7fu >> need);
    for (uint32_t i = 1; i < need; i++) {
        if ((byte[i] & 0xc0) != 0x80) return UINT32_MAX;
        character = character << 6 | (byte[i] & 0x3f);
    }
    static const uint32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = character >= 0xd800 && character <= 0xdfff;
    if (character < LEAST[need] || character > 0x10ffff || surrogate) return UINT32_MAX;
    *len = need;
    return character;
}

static bool is_blank(uint32_t character) {
    return character == 0xa0 || character == 0x3000 || character == 0xfeff ||
           (character >= 0x2000 && character <= 0x200b);
}

int lexer_unknown(Parser *parser, SyntaxValue *value, Span at) {
    (void)value;
    uint32_t len;
    uint32_t c = decode(parser->text + at.begin, parser->len - at.begin, &len);
    if (c == UINT32_MAX || (c == 0xfeff && at.begin == 0)) { /* reported for the file; a BOM */
        if (c == UINT32_MAX) parser->statement_damaged = true;
        return 0;
    }
    const char *text = parser->text + at.begin;
    for (size_t i = 0; i < sizeof LOOKALIKES / sizeof *LOOKALIKES; i++) {
        if (LOOKALIKES[i].character != c) continue;
        Diag *diag = parser_error(parser, E_LEX, at, "`%.*s` starts no token", (int)len, text);
        diag_help(diag, "write `%s`", LOOKALIKES[i].meant);
        if (!LOOKALIKES[i].token) parser->statement_damaged = true;
        return LOOKALIKES[i].token;
    }
    if (parser->statement_damaged) return 0;
    parser->statement_damaged = true;
    if (is_blank(c)) {
        parser->statement_damaged = false;
        Diag *diag = parser_error(parser, E_LEX, at, "a blank that is no space (U+%04X)", c);
        diag_help(diag, "replace it by a space; it often comes with text copied from a page");
    } else if (c < 32 || c == 127) {
        parser_error(parser, E_LEX, at, "the control character 0x%02x", c);
    } else {
        Diag *diag = parser_error(parser, E_LEX, at, "`%.*s` starts no token", (int)len, text);
        if (c >= 0x80)
            diag_help(diag, "names are made of the letters a to z and A to Z, digits and `_`; any "
                            "text may stand in strings and comments");
        else if (c == '\\')
            diag_help(diag, "lines go on by themselves inside brackets, after an operator and "
                            "before `|>`");
    }
    return 0;
}

void lexer_check_encoding(Parser *parser) {
    for (uint32_t i = 0, len; i < parser->len; i += len) {
        uint32_t c = decode(parser->text + i, parser->len - i, &len);
        if (c != 0 && c != UINT32_MAX) continue;
        unsigned byte = (unsigned char)parser->text[i];
        Diag *diag = parser_error(parser, E_LEX, parser_span(parser, i, i + 1),
                                  "the byte 0x%02x is no text", byte);
        if (c == 0) {
            diag_note(diag, "a file with NUL bytes is not a program; nothing of it was read");
            parser->stopped = true;
        } else {
            diag_help(diag, "save the file as UTF-8");
        }
        return;
    }
}
