/* Rewrites are offered only when they help: each is tried on the whole file, parsed again, and
 * shown when fewer mistakes remain. */
#include "compiler/syntax/parser.h"

enum { FIXES_TRIED = 12, FIX_FILE_BYTES = 1 << 18 };

/* parser->text[begin, end) with the edits applied, which stand in order. */

static void rewrite(Text *out, const Parser *parser, const Fix *fix, uint32_t begin, uint32_t end) {
    uint32_t at = begin;
    for (uint32_t i = 0; i < fix->edit_count; i++) {
        const struct FixEdit *edit = &fix->edits[i];
        if (edit->begin < begin || edit->end > end) continue;
        text_add_n(out, parser->text + at, edit->begin - at);
        text_add(out, edit->text);
        at = edit->end;
    }
    text_add_n(out, parser->text + at, end - at);
}

static uint32_t mistakes_after(const Parser *parser, const Fix *fix) {
    Context trial = *parser->ctx;
    trial.diags = diags_create(trial.arena);
    trial.sources = sources_create(trial.arena);
    Text text = {.arena = trial.arena};
    rewrite(&text, parser, fix, 0, parser->len);
    uint32_t file = sources_add(trial.sources, "", text_str(&text), (uint32_t)text.len, 0);
    Parser again = {0};
    parser_run(&again, &trial, file, true);
    return again.mistakes;
}

/* The rewritten stretch on one line; NULL when a comment or its length forbids that. */
static const char *shown(const Parser *parser, const Fix *fix) {
    Text raw = {.arena = parser->ctx->arena}, line = {.arena = parser->ctx->arena};
    rewrite(&raw, parser, fix, fix->begin, fix->end);
    const char *text = text_str(&raw);
    bool in_string = false;
    for (const char *c = text; *c; c++) {
        if (*c == '"' && (c == text || c[-1] != '\\')) in_string = !in_string;
        if (*c == '#' && !in_string) return NULL;
        if (in_string || !strchr(" \t\r\n", *c))
            text_char(&line, *c);
        else if (line.len && line.data[line.len - 1] != ' ')
            text_char(&line, ' ');
    }
    while (line.len && line.data[line.len - 1] == ' ') line.data[--line.len] = 0;
    return line.len && line.len <= 120 ? text_str(&line) : NULL;
}

static DiagFix whole(const Parser *parser, const Fix *fix) {
    Text text = {.arena = parser->ctx->arena};
    rewrite(&text, parser, fix, fix->begin, fix->end);
    return (DiagFix){
        .span = {parser->file, fix->begin, fix->end}, .text = text_str(&text), .tried = true};
}

void parser_try_fixes(Parser *parser) {
    bool try = parser->len <= FIX_FILE_BYTES && parser->mistakes < MISTAKE_LIMIT;
    for (uint32_t i = 0; i < parser->fixes.len; i++) {
        const Fix *fix = &parser->fixes.data[i];
        const char *line = try && i < FIXES_TRIED ? shown(parser, fix) : NULL;
        if (line && mistakes_after(parser, fix) < parser->mistakes)
            diag_fix(fix->diag, whole(parser, fix), "%s%s`%s`", fix->label ? fix->label : "",
                     fix->label ? ": " : "", line);
        else if (fix->otherwise)
            diag_help(fix->diag, "%s", fix->otherwise);
    }
}
