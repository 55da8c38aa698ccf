/* Bytes of UTF-8 against UTF-16 units: a sequence of four bytes is two units, any other one. Broken
 * UTF-8 counts one unit a byte, so no position is ever lost. */
#include "compiler/lsp/text_position.h"

#include <stdbool.h>

static uint32_t sequence_length(const char *text, uint32_t left) {
    unsigned char c = (unsigned char)*text;
    uint32_t n = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF8 ? 4 : 1;
    if (n > left) return 1;
    for (uint32_t i = 1; i < n; i++)
        if (((unsigned char)text[i] & 0xC0) != 0x80) return 1;
    return n;
}

Position position_of(const char *text, uint32_t length, uint32_t offset) {
    Position p = {0, 0};
    for (uint32_t i = 0; i < offset && i < length;) {
        uint32_t n = sequence_length(text + i, length - i);
        if (text[i] == '\n') {
            p.line++;
            p.character = 0;
        } else {
            p.character += n == 4 ? 2 : 1;
        }
        i += n;
    }
    return p;
}

uint32_t position_offset(const char *text, uint32_t length, Position p) {
    uint32_t i = 0;
    for (uint32_t line = 0; line < p.line && i < length; i++)
        if (text[i] == '\n') line++;
    for (uint32_t character = 0; character < p.character && i < length && text[i] != '\n';) {
        uint32_t n = sequence_length(text + i, length - i);
        character += n == 4 ? 2 : 1;
        i += n;
    }
    return i;
}

json_t *range_json(const char *text, uint32_t length, uint32_t begin, uint32_t end) {
    Position from = position_of(text, length, begin), to = position_of(text, length, end);
    return json_pack("{s:{s:I,s:I},s:{s:I,s:I}}", "start", "line", (json_int_t)from.line,
                     "character", (json_int_t)from.character, "end", "line", (json_int_t)to.line,
                     "character", (json_int_t)to.character);
}

bool position_read(const json_t *value, Position *out) {
    const json_t *line = json_object_get(value, "line");
    const json_t *character = json_object_get(value, "character");
    if (!json_is_integer(line) || !json_is_integer(character)) return false;
    json_int_t l = json_integer_value(line), c = json_integer_value(character);
    if (l < 0 || c < 0 || l > UINT32_MAX || c > UINT32_MAX) return false;
    *out = (Position){(uint32_t)l, (uint32_t)c};
    return true;
}
