/* The stream of tokens: which newlines end a statement, which brackets are open, and what is
 * skipped after a mistake so that the next statement is read as if nothing had happened. */
#include "compiler/syntax/lexer.h"

#include "grammar/bmc.tab.h"

int bmc_raw_lex(SyntaxValue *value, Span *span, void *scanner); /* grammar/bmc.l */

Span lexer_advance(Parser *parser, uint32_t len) {
    uint32_t begin = parser->offset;
    parser->offset += len;
    return (Span){parser->file, begin, parser->offset};
}

uint32_t lexer_indent(const Parser *parser, uint32_t line_start) {
    return (uint32_t)strspn(parser->text + line_start, " \t");
}

static Bracket *innermost(Parser *parser) {
    return parser->brackets.len ? &parser->brackets.data[parser->brackets.len - 1] : NULL;
}

/* Newlines count as separators here: outside of all brackets or directly in `{`. */
static bool in_statements(Parser *parser) {
    const Bracket *bracket = innermost(parser);
    return !bracket || bracket->open == '{';
}

static uint32_t open_braces(const Parser *parser) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < parser->brackets.len; i++)
        count += parser->brackets.data[i].open == '{';
    return count;
}

static bool can_end_statement(int token) {
    static const bool ENDS[SYNTAX_TOKENS] = {
        [TOKEN_NAME] = true, [TOKEN_NUMBER] = true, [TOKEN_STRING] = true,
        [TOKEN_TRUE] = true, [TOKEN_FALSE] = true,  [TOKEN_ELLIPSIS] = true,
        [')'] = true,        [']'] = true,          ['}'] = true,
    };
    return ENDS[token];
}

static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz";

/* ---------------------------------------------------------------- brackets */

int lexer_open(Parser *parser, char open, Span at) {
    if (at.begin < parser->drop_until) return open;
    if (open == '{' && parser->last_kind == '{' && !parser->skipping) {
        Diag *diag = parser_error(parser, E_SYNTAX, at, "a block cannot start with a block");
        diag_help(diag, "one `{` is enough; blocks belong to `if`, `repeat`, `scan` or a header");
        return -1;
    }
    if (parser->brackets.len >= BRACKET_DEPTH_LIMIT) {
        parser_too_deep(parser, at);
        return 0;
    }
    uint32_t token = parser->skipping ? TOKEN_NONE : parser->tokens.len;
    Bracket bracket = {open, at.begin, token, parser->statement_indent};
    vec_push(parser->ctx->arena, &parser->brackets, bracket);
    return open;
}

/* Which bracket does this close? A closer also closes what was left open inside: `)` looks no
 * further out than the innermost `{`; `}` looks through everything. */
static uint32_t matching(const Parser *parser, char open) {
    for (uint32_t i = parser->brackets.len; i-- > 0;) {
        if (parser->brackets.data[i].open == open) return i;
        if (open != '{' && parser->brackets.data[i].open == '{') break;
    }
    return TOKEN_NONE;
}

int lexer_close(Parser *parser, char close, Span at) {
    if (at.begin < parser->drop_until) return close;
    if (close == '}' && parser->skipping && parser->skip_brace &&
        open_braces(parser) == parser->skip_braces) {
        parser->skip_brace = false;
        return close;
    }
    uint32_t match = matching(parser, close == ')' ? '(' : close == ']' ? '[' : '{');
    if (match == TOKEN_NONE) return close;
    const Bracket *bracket = &parser->brackets.data[match];
    uint32_t indent = parser->line_indent;
    bool first_on_line = at.begin == parser->line_start + indent;
    if (close == '}' && first_on_line && indent != bracket->indent &&
        parser->misindented == TOKEN_NONE)
        parser->misindented = bracket->offset;
    if (close == '}' && !first_on_line && bracket->offset < parser->line_start)
        parser->closed_early = at.begin;
    parser->statement_indent = bracket->indent;
    parser->brackets.len = match;
    return close;
}

/* ---------------------------------------------------------------- brackets never closed */

static void push_pending(Parser *parser, int kind, uint32_t at) {
    Token token = {.kind = kind, .begin = at, .end = at};
    vec_push(parser->ctx->arena, &parser->pending, token);
}

static void report_never_closed(Parser *parser, uint32_t at) {
    const Bracket *bracket = innermost(parser);
    Span span = parser_span(parser, bracket->offset, bracket->offset + 1);
    Diag *diag = parser_error(parser, E_SYNTAX, span, "`%c` is never closed", bracket->open);
    if (at < parser->len)
        diag_label(diag, parser_span(parser, at, at + 1), "a new definition starts here");
    else
        diag_note(diag, "the file ends inside it");
    if (bracket->open == '{' && parser->misindented != TOKEN_NONE)
        diag_label(diag, parser_span(parser, parser->misindented, parser->misindented + 1),
                   "is a `}` missing for this one? the next `}` is indented differently");
}

/* A definition starts (or the file ends) inside brackets: reports it and makes up the closers. */
static void close_everything(Parser *parser, uint32_t at) {
    if (parser->skipping) { /* what the grammar no longer knows of needs no closer */
        while (parser->brackets.len &&
               (!in_statements(parser) || open_braces(parser) > parser->skip_braces))
            parser->brackets.len--;
        parser->skipping = false;
    }
    if (parser->brackets.len && !parser->statement_damaged) report_never_closed(parser, at);
    while (parser->brackets.len) {
        char open = innermost(parser)->open;
        push_pending(parser, open == '(' ? ')' : open == '[' ? ']' : '}', at);
        parser->brackets.len--;
    }
    push_pending(parser, TOKEN_NL, at);
    parser->statement_damaged = true;
}

/* A word at the very start of a line that can only begin a definition: `let x`, `train {`. */
static bool definition_starts(const Parser *parser, uint32_t at) {
    static const bool ITEM[SYNTAX_TOKENS] = {
        [TOKEN_USE] = true,   [TOKEN_LET] = true,       [TOKEN_FN] = true,    [TOKEN_EXPORT] = true,
        [TOKEN_LAYER] = true, [TOKEN_OPTIMIZER] = true, [TOKEN_MODEL] = true, [TOKEN_DATA] = true,
        [TOKEN_TRAIN] = true, [TOKEN_TEST] = true,      [TOKEN_EXTERN] = true};
    if (at == 0 || parser->text[at - 1] != '\n') return false;
    size_t len = strspn(parser->text + at, LETTERS);
    if (!ITEM[lexer_reserved(parser->text + at, len)]) return false;
    const char *after = parser->text + at + len;
    size_t blanks = strspn(after, " \t");
    char next = after[blanks];
    return blanks > 0 && (next == '_' || next == '"' || next == '{' ||
                          (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z'));
}

/* ---------------------------------------------------------------- newlines */

/* After a mistake a statement also ends, inside ( ) or [ ], before a line that is indented no
 * deeper than the statement itself: a missing `)` must not swallow what follows. */
static bool newline_while_skipping(Parser *parser, uint32_t next) {
    if (open_braces(parser) != parser->skip_braces) return false;
    char c = parser->text[next];
    bool outdented = parser->line_indent <= parser->skip_indent;
    if (!in_statements(parser)) {
        if (!outdented || c == ')' || c == ']') return false;
        while (!in_statements(parser)) parser->brackets.len--;
        return true;
    }
    return can_end_statement(parser->last_kind) || outdented;
}

void lexer_drop_block(Parser *parser, uint32_t from, uint32_t indent) {
    const char *text = parser->text;
    uint32_t line = from, drop_until = 0;
    while (line < parser->len) {
        uint32_t end = line + (uint32_t)strcspn(text + line, "\n");
        uint32_t depth = lexer_indent(parser, line);
        char first = text[line + depth];
        bool empty = first == '\n' || first == '\r' || first == '#';
        if (!empty && depth <= indent) {
            if (drop_until && first == '}' && depth == indent) drop_until = line + depth + 1;
            break;
        }
        if (!empty) drop_until = end;
        line = end + 1;
    }
    parser->drop_until = drop_until;
}

bool lexer_newline(Parser *parser, Span at) {
    uint32_t next = at.end;
    const char *text = parser->text + next;
    parser->line_start = next;
    while (parser->text[parser->line_start - 1] != '\n') parser->line_start--;
    parser->line_indent = lexer_indent(parser, parser->line_start);
    parser->skip_brace = false;
    if (at.begin < parser->drop_until) return false;
    if (parser->last_kind && parser->last_kind != TOKEN_NL && definition_starts(parser, next)) {
        if (parser->brackets.len) close_everything(parser, next);
        return true; /* even if the line before is not finished */
    }
    if (!strncmp(text, "|>", 2) || !strncmp(text, "->", 2)) return false;
    if (parser->skipping) return newline_while_skipping(parser, next);
    if (!in_statements(parser) || !can_end_statement(parser->last_kind)) return false;
    bool next_line = at.begin + 1 == parser->line_start; /* no empty line or comment between */
    const char *joined = *text == '{' && next_line && parser->last_kind != '}' ? "{" : NULL;
    if (parser->last_kind == '}' && strspn(text, LETTERS) == 4 && !strncmp(text, "else", 4))
        joined = "else";
    if (joined) parser_misplaced(parser, next, joined);
    return !joined;
}

bool lexer_semicolon(Parser *parser, Span at) {
    if (at.begin < parser->drop_until) return false;
    if (!in_statements(parser)) {
        if (parser->skipping || parser->statement_damaged) return false;
        const Bracket *open = innermost(parser);
        Diag *diag = parser_error(parser, E_SYNTAX, at, "`;` cannot stand between brackets");
        diag_label(diag, parser_span(parser, open->offset, open->offset + 1),
                   "`%c` is still open here", open->open);
        parser->statement_damaged = true;
        return false;
    }
    return parser->last_kind && parser->last_kind != TOKEN_NL && parser->last_kind != '{';
}

/* ---------------------------------------------------------------- delivery */

static int deliver(Parser *parser, int kind, Span span, uint32_t depth, uint32_t open_token) {
    Token token = {kind, span.begin, span.end, depth, open_token};
    vec_push(parser->ctx->arena, &parser->tokens, token);
    int last = parser->last_kind;
    if (!last || last == TOKEN_NL || last == '{') parser->statement_indent = parser->line_indent;
    parser->last_kind = kind;
    if (kind == TOKEN_NL) {
        parser->line_damaged = parser->statement_damaged;
        parser->statement_damaged = false;
    }
    return kind;
}

/* While skipping: does this token end the damaged statement? */
static bool skip_ends(const Parser *parser, int kind) {
    uint32_t braces = open_braces(parser);
    if (kind == '}') return braces < parser->skip_braces;
    return kind == TOKEN_NL && braces == parser->skip_braces;
}

static int end_of_file(Parser *parser, Span span) {
    if (parser->stopped) return 0;
    if (parser->brackets.len) {
        close_everything(parser, parser->len);
        return TOKEN_NL;
    }
    parser->skipping = false;
    if (parser->tokens.len && parser->last_kind != TOKEN_NL)
        return deliver(parser, TOKEN_NL, span, 0, TOKEN_NONE);
    return 0;
}

int bmc_lex(SyntaxValue *value, Span *span, Parser *parser) {
    for (;;) {
        if (parser->pending_at < parser->pending.len) {
            Token token = parser->pending.data[parser->pending_at++];
            *span = parser_span(parser, token.begin, token.end);
            return deliver(parser, token.kind, *span, 0, TOKEN_NONE);
        }
        const Bracket *inside = innermost(parser);
        uint32_t depth = parser->brackets.len;
        uint32_t open_token = inside ? inside->token : TOKEN_NONE;
        int kind = parser->stopped ? 0 : bmc_raw_lex(value, span, parser->scanner);
        if (kind == 0) {
            *span = parser_span(parser, parser->len, parser->len);
            kind = end_of_file(parser, *span);
            if (parser->pending_at < parser->pending.len) continue;
            return kind;
        }
        if (parser->pending_at < parser->pending.len) continue;
        if (span->begin < parser->drop_until) continue;
        if (kind == TOKEN_NL) { /* a newline may have closed brackets while skipping */
            span->end = span->begin + 1;
            depth = parser->brackets.len;
            open_token = depth ? innermost(parser)->token : TOKEN_NONE;
        }
        if (parser->skipping) {
            if (!skip_ends(parser, kind)) {
                parser->last_kind = kind;
                continue;
            }
            parser->skipping = false;
            if (kind == TOKEN_NL && parser->text[span->begin] == '\n')
                lexer_drop_block(parser, span->end, parser->skip_indent);
        }
        return deliver(parser, kind, *span, depth, open_token);
    }
}
