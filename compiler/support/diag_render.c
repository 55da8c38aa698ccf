/* Diagnostics as text, the way compilers show them:
 *
 *   file:3:7: error: headline [E0004]
 *      3 |   source line
 *        |   ^~~~ caret text
 *      = note: ...
 */
#include "compiler/support/diag.h"

static const char RESET[] = "\033[0m", BOLD[] = "\033[1m", RED[] = "\033[1;31m",
                  MAGENTA[] = "\033[1;35m", GREEN[] = "\033[1;32m", CYAN[] = "\033[1;36m";

static void paint(Text *out, int color, const char *code) {
    if (color) text_add(out, code);
}

/* Characters of UTF-8 text, counting each once. */
static uint32_t width(const char *text, uint32_t len) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* Terminal escapes and other control characters of a damaged file must not reach the terminal. */
static void add_clean(Text *out, const char *text, uint32_t len) {
    for (uint32_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        text_char(out, c == '\t' ? ' ' : c < 32 || c == 127 ? '?' : (char)c);
    }
}

enum { LINE_SHOWN = 160 }; /* longer source lines are cut around the caret */

static void show_line(Text *out, const Sources *sources, Span span, const char *caret, int color) {
    Place p = sources_place(sources, span);
    if (span.file == 0) return;
    const Source *file = sources_get(sources, span.file);
    uint32_t offset = span.begin < file->len ? span.begin : file->len;
    uint32_t in_line = offset - (uint32_t)(p.line_text - file->text);
    uint32_t from = in_line > LINE_SHOWN - 40 ? in_line - (LINE_SHOWN - 40) : 0;
    while (from > 0 && ((unsigned char)p.line_text[from] & 0xc0) == 0x80) from--;
    uint32_t len = p.line_len - from;
    if (len > LINE_SHOWN) len = LINE_SHOWN;
    text_printf(out, "%5u | ", p.line);
    add_clean(out, p.line_text + from, len);
    text_add(out, "\n      | ");
    uint32_t indent = width(p.line_text + from, in_line - from);
    for (uint32_t i = 0; i < indent; i++) text_char(out, ' ');
    uint32_t end = span.end > span.begin ? span.end - span.begin : 1;
    if (end > p.line_len - in_line) end = p.line_len - in_line;
    uint32_t marks = width(p.line_text + in_line, end);
    if (marks > LINE_SHOWN) marks = LINE_SHOWN;
    paint(out, color, GREEN);
    text_char(out, '^');
    for (uint32_t i = 1; i < marks; i++) text_char(out, '~');
    paint(out, color, RESET);
    if (caret) text_printf(out, " %s", caret);
    text_char(out, '\n');
}

static void show_extra(Text *out, const char *kind, const char *text, int color) {
    text_add(out, "      = ");
    paint(out, color, CYAN);
    text_add(out, kind);
    paint(out, color, RESET);
    text_printf(out, ": %s\n", text);
}

void diag_render(Text *out, const Sources *sources, const Diag *diag, int color) {
    Place p = sources_place(sources, diag->span);
    bool is_error = diag->severity == SEVERITY_ERROR;
    paint(out, color, BOLD);
    if (diag->span.file)
        text_printf(out, "%s:%u:%u: ", p.name, p.line, p.column);
    else
        text_add(out, "bmc: ");
    paint(out, color, is_error ? RED : MAGENTA);
    text_add(out, is_error ? "error: " : "warning: ");
    paint(out, color, RESET);
    paint(out, color, BOLD);
    text_add(out, diag->message);
    paint(out, color, RESET);
    text_printf(out, " [%s]\n", code_info(diag->code)->id);
    show_line(out, sources, diag->span, diag->caret, color);
    for (uint32_t i = 0; i < diag->labels.len; i++) {
        const DiagLabel *label = &diag->labels.data[i];
        Place at = sources_place(sources, label->span);
        if (label->span.file != diag->span.file && label->span.file)
            text_printf(out, "    --> %s:%u:%u\n", at.name, at.line, at.column);
        show_line(out, sources, label->span, label->text, color);
    }
    for (uint32_t i = 0; i < diag->notes.len; i++)
        show_extra(out, "note", diag->notes.data[i], color);
    for (uint32_t i = 0; i < diag->helps.len; i++)
        show_extra(out, "help", diag->helps.data[i], color);
}
