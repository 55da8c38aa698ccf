/* The parse driver: runs flex and bison over one file, gives items their doc comments. */
#include "compiler/syntax/lexer.h"

#include "grammar/bmc.tab.h"

/* grammar/bmc.l */
int bmc_raw_lex_init_extra(Parser *parser, void **scanner);
int bmc_raw_lex_destroy(void *scanner);
struct yy_buffer_state *bmc_raw__scan_buffer(char *text, size_t size_bytes, void *scanner);

enum { FILE_LIMIT_BYTES = 64 << 20 };

Span parser_span(const Parser *parser, uint32_t begin, uint32_t end) {
    return (Span){parser->file, begin, end};
}

Span parser_token_span(const Parser *parser, uint32_t token) {
    const Token *t = &parser->tokens.data[token];
    return parser_span(parser, t->begin, t->end);
}

void parser_count_mistake(Parser *parser) {
    if (++parser->mistakes >= MISTAKE_LIMIT) parser->stopped = true;
}

void parser_too_deep(Parser *parser, Span at) {
    if (parser->stopped) return;
    Diag *diag = parser_error(parser, E_NESTING, at, "this is nested too deeply");
    diag_help(diag, "give parts of it names of their own");
    parser->stopped = true;
}

/* flex wants a writable text that ends in two NULs; all its memory comes from the arena. */
static void scan(Parser *parser) {
    char *buffer = arena_alloc(parser->ctx->arena, (size_t)parser->len + 2);
    memcpy(buffer, parser->text, parser->len);
    bmc_raw_lex_init_extra(parser, &parser->scanner);
    bmc_raw__scan_buffer(buffer, (size_t)parser->len + 2, parser->scanner);
    bmc_parse(parser);
    bmc_raw_lex_destroy(parser->scanner);
}

void parser_run(Parser *parser, Context *ctx, uint32_t file, bool speculative) {
    const Source *source = sources_get(ctx->sources, file);
    parser->ctx = ctx;
    parser->file = file;
    parser->text = source->text;
    parser->len = source->len;
    parser->misindented = TOKEN_NONE;
    parser->closed_early = TOKEN_NONE;
    parser->speculative = speculative;
    parser->line_indent = lexer_indent(parser, 0);
    if (parser->len > FILE_LIMIT_BYTES) {
        parser_error(parser, E_LIMIT, parser_span(parser, 0, 0), "the file is larger than %d MiB",
                     FILE_LIMIT_BYTES >> 20);
        return;
    }
    lexer_check_encoding(parser);
    if (parser->stopped) return;
    scan(parser);
    if (!speculative) parser_try_fixes(parser);
}

/* ---------------------------------------------------------------- doc comments */

typedef struct Line {
    uint32_t begin, end;
} Line;

static Line line_before(const char *text, uint32_t start) {
    Line line = {start - 1, start - 1};
    while (line.begin > 0 && text[line.begin - 1] != '\n') line.begin--;
    return line;
}

/* An empty statement counts as a blank: the formatter drops it. */
static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == ';';
}

/* The text of a comment line without `#` and one blank; *is_doc tells whether it is one: rules
 * like `# -------- shapes` are headings of the file, not documentation of what follows. */
static Line comment_text(const char *text, Line line, bool *is_doc) {
    if (line.begin == 0 && !strncmp(text, "\xef\xbb\xbf", 3)) line.begin = 3; /* byte order mark */
    while (line.begin < line.end && is_blank(text[line.begin])) line.begin++;
    while (line.end > line.begin && strchr(" \t\r", text[line.end - 1])) line.end--;
    *is_doc = line.begin < line.end && text[line.begin] == '#';
    if (!*is_doc) return line;
    line.begin++;
    if (line.begin < line.end && text[line.begin] == ' ') line.begin++;
    *is_doc = strncmp(text + line.begin, "---", 3) && strncmp(text + line.begin, "===", 3);
    return line;
}

static void attach_doc(Context *ctx, const char *text, Node *item) {
    uint32_t start = item->span.begin;
    while (start > 0 && is_blank(text[start - 1])) start--;
    if (start > 0 && text[start - 1] != '\n') return;
    VEC(Line) lines = {0};
    while (start > 0) {
        Line line = line_before(text, start);
        bool is_doc;
        Line shown = comment_text(text, line, &is_doc);
        if (!is_doc) break;
        vec_push(ctx->arena, &lines, shown);
        start = line.begin;
    }
    if (!lines.len) return;
    Text doc = {.arena = ctx->arena};
    for (uint32_t i = lines.len; i-- > 0;) {
        text_add_n(&doc, text + lines.data[i].begin, lines.data[i].end - lines.data[i].begin);
        if (i) text_char(&doc, '\n');
    }
    item->doc = text_str(&doc);
}

Node *syntax_parse(Context *ctx, uint32_t file) {
    Parser parser = {0};
    parser_run(&parser, ctx, file, false);
    Span span = {file, 0, parser.len};
    Node *program = node_make(&parser, NODE_PROGRAM, span, NULL, span, NULL, 0, &parser.items);
    for (uint32_t i = 0; i < program->count; i++)
        if (program->kids[i]->kind != NODE_POISON) attach_doc(ctx, parser.text, program->kids[i]);
    return program;
}

/* ---------------------------------------------------------------- a part of a file */

Node *syntax_parse_expr(Context *ctx, Span part) {
    static const char head[] = "let m = ";
    const uint32_t room = sizeof head - 1;
    INVARIANT(part.begin >= room);
    char *text = arena_alloc(ctx->arena, (size_t)part.end + 1);
    memset(text, ' ', part.end);
    memcpy(text + part.begin - room, head, room);
    memcpy(text + part.begin, sources_get(ctx->sources, part.file)->text + part.begin,
           part.end - part.begin);
    text[part.end] = '\0';
    Parser parser = {.ctx = ctx,
                     .file = part.file,
                     .text = text,
                     .len = part.end,
                     .misindented = TOKEN_NONE,
                     .closed_early = TOKEN_NONE,
                     .speculative = true,
                     .part = true};
    uint32_t errors = diags_errors(ctx->diags);
    parser.line_indent = lexer_indent(&parser, 0);
    scan(&parser);
    if (diags_errors(ctx->diags) != errors || parser.items.len != 1 ||
        parser.items.data[0]->kind != NODE_LET)
        return NULL;
    return node_kid(parser.items.data[0], 1);
}
