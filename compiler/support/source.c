/* Source files, spans, places. See source.h. */
#include "compiler/support/source.h"

#include "compiler/support/context.h"
#include "compiler/support/vec.h"

struct Sources {
    Arena *arena;
    VEC(Source) files; /* file id - 1 */
};

Sources *sources_create(Arena *arena) {
    Sources *s = ARENA_NEW(arena, Sources);
    s->arena = arena;
    return s;
}

uint32_t sources_add(Sources *s, const char *name, const char *text, uint32_t len, int is_prelude) {
    Source file = {arena_strdup(s->arena, name), arena_strndup(s->arena, text, len), len,
                   is_prelude};
    vec_push(s->arena, &s->files, file);
    return s->files.len;
}

const Source *sources_get(const Sources *s, uint32_t file) {
    INVARIANT(file >= 1 && file <= s->files.len);
    return &s->files.data[file - 1];
}

uint32_t sources_find(const Sources *s, const char *name) {
    for (uint32_t i = 0; i < s->files.len; i++)
        if (strcmp(s->files.data[i].name, name) == 0) return i + 1;
    return 0;
}

uint32_t sources_count(const Sources *s) {
    return s->files.len;
}

Place sources_place(const Sources *s, Span span) {
    if (span.file == 0) return (Place){"bmc", 0, 0, "", 0};
    const Source *file = sources_get(s, span.file);
    uint32_t at = span.begin < file->len ? span.begin : file->len;
    uint32_t line = 1, start = 0;
    for (uint32_t i = 0; i < at; i++) {
        if (file->text[i] != '\n') continue;
        line++;
        start = i + 1;
    }
    uint32_t column = 1;
    for (uint32_t i = start; i < at; i++)
        column += ((unsigned char)file->text[i] & 0xc0) != 0x80; /* UTF-8 continuation bytes */
    uint32_t end = start;
    while (end < file->len && file->text[end] != '\n') end++;
    return (Place){file->name, line, column, file->text + start, end - start};
}

Span span_join(Span a, Span b) {
    if (a.file == 0) return b;
    if (b.file != a.file) return a;
    return (Span){a.file, a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}
