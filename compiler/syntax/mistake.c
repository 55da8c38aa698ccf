/* Syntax errors: gathers the place, asks the rules of mistake_rules.c for the cause, and falls back
 * to naming what was expected. Then sets the lexer to skip to the end of the damaged statement. */
#include "compiler/syntax/mistake.h"
#include "compiler/syntax/lexer.h"

#include "grammar/bmc.tab.h"

/* ---------------------------------------------------------------- looking */

const Token *mistake_token(const Mistake *m, uint32_t index) {
    return &m->parser->tokens.data[index];
}

bool mistake_expects(const Mistake *m, int token) {
    return m->expected->token[token];
}

bool mistake_expects_value(const Mistake *m) {
    return mistake_expects(m, TOKEN_NUMBER) && mistake_expects(m, TOKEN_NAME);
}

bool mistake_in_entries(const Mistake *m) {
    return m->block == TOKEN_DATA || m->block == TOKEN_TRAIN || m->block == TOKEN_TEST;
}

bool token_is_reserved(int kind) {
    return kind >= TOKEN_LET && kind <= TOKEN_FALSE;
}

bool token_starts_value(int kind) {
    return kind == TOKEN_NAME || kind == TOKEN_NUMBER || kind == TOKEN_STRING ||
           kind == TOKEN_TRUE || kind == TOKEN_FALSE;
}

bool token_ends_value(int kind) {
    return token_starts_value(kind) || kind == ')' || kind == ']' || kind == '}' ||
           kind == TOKEN_ELLIPSIS;
}

bool token_is_comparison(int kind) {
    return kind == '<' || kind == '>' || kind == TOKEN_LESS_EQUAL || kind == TOKEN_GREATER_EQUAL ||
           kind == TOKEN_EQUAL || kind == TOKEN_UNEQUAL;
}

bool token_is_operator(int kind) {
    return token_is_comparison(kind) || kind == '+' || kind == '-' || kind == '*' || kind == '/' ||
           kind == '%' || kind == '@' || kind == '^' || kind == TOKEN_AND || kind == TOKEN_OR;
}

bool mistake_token_is(const Mistake *m, uint32_t index, const char *word) {
    const Token *t = mistake_token(m, index);
    size_t len = strlen(word);
    return t->end - t->begin == len && !memcmp(m->parser->text + t->begin, word, len);
}

const char *mistake_text(const Mistake *m, uint32_t index) {
    const Token *t = mistake_token(m, index);
    Arena *arena = m->parser->ctx->arena;
    if (t->kind == TOKEN_NL)
        return t->begin >= m->parser->len && m->parser->part ? "`}`"
               : t->begin >= m->parser->len                  ? "the end of the file"
               : m->parser->text[t->begin] == ';'            ? "`;`"
                                                             : "the end of the line";
    uint32_t len = t->end - t->begin;
    if (t->kind == TOKEN_STRING && len > 24) return "this string";
    if (len > 40) return "this word";
    return arena_printf(arena, "`%.*s`", (int)len, m->parser->text + t->begin);
}

const char *mistake_source(const Mistake *m, uint32_t begin, uint32_t end) {
    return arena_strndup(m->parser->ctx->arena, m->parser->text + begin, end - begin);
}

uint32_t mistake_previous_end(const Mistake *m) {
    return mistake_token(m, m->at - 1)->end;
}

uint32_t mistake_begin(const Mistake *m) {
    return mistake_token(m, m->at)->begin;
}

/* The character after the refused token and blanks. */
char mistake_next_character(const Mistake *m) {
    const char *at = m->parser->text + mistake_token(m, m->at)->end;
    return at[strspn(at, " \t")];
}

/* Words that stand between parts of a statement. */
bool token_is_connector(int kind) {
    return kind == TOKEN_OVER || kind == TOKEN_WITH || kind == TOKEN_ALONG || kind == TOKEN_AS ||
           kind == TOKEN_WHERE || kind == TOKEN_INIT || kind == TOKEN_ELSE || kind == TOKEN_AND ||
           kind == TOKEN_OR;
}

bool token_is_definition(int kind) {
    return kind == TOKEN_FN || kind == TOKEN_LAYER || kind == TOKEN_OPTIMIZER ||
           kind == TOKEN_MODEL;
}

/* Is this token one that no value before it reaches across? */
static bool bounds_expression(int kind) {
    static const bool BOUNDS[SYNTAX_TOKENS] = {
        ['='] = true,
        [','] = true,
        [':'] = true,
        ['{'] = true,
        [TOKEN_UPDATE] = true,
        [TOKEN_ARROW] = true,
        [TOKEN_NL] = true,
        [TOKEN_RETURN] = true,
        [TOKEN_YIELD] = true,
        [TOKEN_MINIMIZE] = true,
        [TOKEN_MAXIMIZE] = true,
        [TOKEN_OVER] = true,
        [TOKEN_WITH] = true,
        [TOKEN_ALONG] = true,
        [TOKEN_ASSERT] = true,
        [TOKEN_IF] = true,
        [TOKEN_REPEAT] = true,
        [TOKEN_INIT] = true,
        [TOKEN_WHERE] = true,
    };
    return BOUNDS[kind];
}

uint32_t mistake_expr_start(const Mistake *m) {
    uint32_t depth = mistake_token(m, m->at)->depth, start = m->at;
    for (uint32_t i = m->at; i-- > m->first;) {
        const Token *t = mistake_token(m, i);
        bool closer = t->kind == ')' || t->kind == ']' || t->kind == '}';
        uint32_t level = closer ? t->depth - 1 : t->depth; /* a closer's depth is the inside's */
        if (level < depth || (level == depth && bounds_expression(t->kind))) break;
        if (level == depth) start = i;
    }
    return start;
}

uint32_t mistake_expr_end(const Mistake *m, uint32_t from, uint32_t depth, bool statement) {
    const char *text = m->parser->text;
    uint32_t at = from, end = from, braces = 0;
    for (; at < m->parser->len; at++) {
        char c = text[at];
        if (c == '"')
            for (at++; at < m->parser->len && text[at] != '"' && text[at] != '\n'; at++) {
            }
        if (c == '(' || c == '[') depth++;
        if (c == '{' && statement) braces++;
        bool closes = c == ')' || c == ']' || c == '}';
        if (closes && c == '}' && braces > 0)
            braces--;
        else if (closes && depth-- == 0)
            break;
        if (c == '#' || (depth == 0 && c == '\n')) break;
        if (depth == 0 && braces == 0 && (c == ';' || (!statement && (c == '{' || c == ','))))
            break;
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') end = at + 1;
    }
    return end < m->parser->len ? end : m->parser->len;
}

/* The first token of the statement that holds token `at`. */
static uint32_t statement_start(const Parser *parser, uint32_t at) {
    uint32_t brace = parser->tokens.data[at].open_token;
    while (brace != TOKEN_NONE && parser->tokens.data[brace].kind != '{')
        brace = parser->tokens.data[brace].open_token;
    uint32_t level = brace == TOKEN_NONE ? 0 : parser->tokens.data[brace].depth + 1;
    uint32_t start = brace == TOKEN_NONE ? 0 : brace + 1;
    for (uint32_t i = at; i-- > start;)
        if (parser->tokens.data[i].kind == TOKEN_NL && parser->tokens.data[i].depth <= level)
            return i + 1;
    return start;
}

/* What the `{` with this index belongs to. */
static int block_kind(const Parser *parser, uint32_t brace) {
    if (brace == TOKEN_NONE) return 0;
    uint32_t start = statement_start(parser, brace);
    int kind = parser->tokens.data[start].kind;
    return kind == TOKEN_EXPORT || kind == TOKEN_EXTERN ? TOKEN_FN : kind;
}

static Mistake gather(Parser *parser, const SyntaxExpected *expected) {
    uint32_t at = parser->tokens.len - 1;
    const Token *token = &parser->tokens.data[at];
    Mistake m = {.parser = parser,
                 .expected = expected,
                 .at = at,
                 .got = token->kind,
                 .open_token = token->open_token};
    m.first = statement_start(parser, at);
    if (m.first < at) m.previous = parser->tokens.data[at - 1].kind;
    m.starter = parser->tokens.data[m.first].kind;
    if (m.starter == TOKEN_EXPORT && m.first < at && m.previous != TOKEN_EXPORT)
        m.starter = TOKEN_FN;
    if (token->open_token != TOKEN_NONE)
        m.bracket = (char)parser->tokens.data[token->open_token].kind;
    uint32_t brace = token->open_token;
    while (brace != TOKEN_NONE && parser->tokens.data[brace].kind != '{')
        brace = parser->tokens.data[brace].open_token;
    m.block = block_kind(parser, brace);
    return m;
}

uint32_t mistake_open_indent(const Mistake *m) {
    const Parser *parser = m->parser;
    for (uint32_t i = parser->brackets.len; i-- > 0;)
        if (parser->brackets.data[i].token == m->open_token) return parser->brackets.data[i].indent;
    return 0;
}

/* ---------------------------------------------------------------- saying */

Span mistake_span(const Mistake *m) {
    return parser_token_span(m->parser, m->at);
}

Span mistake_after_previous(const Mistake *m) {
    if (m->at == 0) return mistake_span(m);
    uint32_t end = mistake_token(m, m->at - 1)->end;
    return parser_span(m->parser, end, end + 1);
}

bool mistake_on_new_line(const Mistake *m, uint32_t index) {
    if (index == 0) return true;
    uint32_t end = mistake_token(m, index - 1)->end, begin = mistake_token(m, index)->begin;
    return memchr(m->parser->text + end, '\n', begin - end) != NULL;
}

Span mistake_place(const Mistake *m) {
    bool none = m->got == TOKEN_NL || mistake_on_new_line(m, m->at);
    return none && m->at ? mistake_after_previous(m) : mistake_span(m);
}

Fix *mistake_fix(Mistake *m, Diag *diag, const char *label, const char *otherwise) {
    Fix fix = {.diag = diag, .label = label, .otherwise = otherwise};
    const Token *at = mistake_token(m, m->at);
    fix.begin = mistake_token(m, m->first)->begin;
    uint32_t depth = at->depth - mistake_token(m, m->first)->depth;
    fix.end = at->kind == TOKEN_NL ? at->begin : mistake_expr_end(m, at->begin, depth, true);
    vec_push(m->parser->ctx->arena, &m->parser->fixes, fix);
    return &m->parser->fixes.data[m->parser->fixes.len - 1];
}

void fix_edit(Fix *fix, uint32_t begin, uint32_t end, const char *text) {
    INVARIANT(fix->edit_count < sizeof fix->edits / sizeof *fix->edits);
    fix->edits[fix->edit_count++] = (struct FixEdit){begin, end, text};
}

/* "expected a value, `)` or `,`": groups of tokens have one name. */
static const char *expected_text(const Mistake *m) {
    const char *names[16];
    uint32_t count = 0;
    bool value = mistake_expects_value(m), operators = mistake_expects(m, '+');
    if (value) names[count++] = "a value";
    if (operators) names[count++] = "an operator";
    for (int token = 1; token < SYNTAX_TOKENS && count < 16; token++) {
        if (!mistake_expects(m, token)) continue;
        bool of_value = token_starts_value(token) || strchr("([-", token < 128 ? token : '.') ||
                        token == TOKEN_NOT || token == TOKEN_SCAN || token == TOKEN_REPEAT;
        bool of_operators = token_is_operator(token) || token == '.' || token == '(' ||
                            token == '[' || token == TOKEN_PIPE || token == TOKEN_ARROW;
        if ((value && of_value) || (operators && of_operators)) continue;
        const char *name = syntax_token_name(token);
        if (name[0] == '\'') name = arena_printf(m->parser->ctx->arena, "`%c`", name[1]);
        names[count++] = name;
    }
    if (count == 0) return "the end of the file";
    if (count > 6) return "something else here";
    Text out = {.arena = m->parser->ctx->arena};
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_add(&out, i + 1 == count ? " or " : ", ");
        text_add(&out, names[i]);
    }
    return text_str(&out);
}

static void report(Mistake *m) {
    for (MistakeRule *const *rule = MISTAKE_RULES; *rule; rule++)
        if ((*rule)(m)) return;
    const char *got = mistake_text(m, m->at);
    if (m->previous)
        mistake_error(m, mistake_span(m), "expected %s after %s, found %s", expected_text(m),
                      mistake_text(m, m->at - 1), got);
    else
        mistake_error(m, mistake_span(m), "expected %s, found %s", expected_text(m), got);
}

/* A line starts with `{`, or with `else` after a `}`: the lexer joins it to the line before. */
void parser_misplaced(Parser *parser, uint32_t at, const char *word) {
    if (parser->skipping || !parser->tokens.len) return;
    uint32_t end = parser->tokens.data[parser->tokens.len - 1].end, line = end;
    while (line > 0 && parser->text[line - 1] != '\n') line--;
    uint32_t word_end = at + (uint32_t)strlen(word);
    Diag *diag = parser_error(parser, E_SYNTAX, parser_span(parser, at, word_end),
                              "`%s` must stand on the line of what it belongs to", word);
    diag_note(diag, "a newline ends a statement");
    Fix fix = {.diag = diag, .begin = line, .end = word_end};
    fix_edit(&fix, end, at, " ");
    vec_push(parser->ctx->arena, &parser->fixes, fix);
    parser->statement_damaged = true; /* if the statement takes no block, that is known already */
}

/* ---------------------------------------------------------------- resuming */

static void skip_statement(const Mistake *m) {
    Parser *parser = m->parser;
    if (m->got == '}' && m->bracket) return;
    uint32_t braces = 0;
    for (uint32_t i = 0; i < parser->brackets.len; i++)
        braces += parser->brackets.data[i].open == '{';
    if (m->got == '{' && braces > 0) braces--;
    uint32_t start = mistake_token(m, m->first)->begin;
    while (start > 0 && parser->text[start - 1] != '\n') start--;
    /* indented, yet outside of all blocks: one was closed too early, and goes on */
    parser->skip_indent = braces ? lexer_indent(parser, start) : 0;
    parser->skip_braces = braces;
    parser->skip_brace = mistake_expects(m, '{');
    parser->skipping = m->got != TOKEN_NL;
    if (m->got == TOKEN_NL && parser->text[mistake_token(m, m->at)->begin] == '\n')
        lexer_drop_block(parser, mistake_token(m, m->at)->end, parser->skip_indent);
}

void parser_syntax_error(Parser *parser, const SyntaxExpected *expected) {
    if (parser->stopped || !parser->tokens.len) return;
    Mistake m = gather(parser, expected);
    bool silent = m.got == TOKEN_NL ? parser->line_damaged : parser->statement_damaged;
    if (!silent) report(&m);
    if (parser->pending_at >= parser->pending.len) skip_statement(&m);
}
