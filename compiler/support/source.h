/* Source files and spans. A span is a byte range of one file; lines and columns are computed only
 * when someone looks. Columns count UTF-8 characters from 1. */
#ifndef BMC_SUPPORT_SOURCE_H
#define BMC_SUPPORT_SOURCE_H

#include "compiler/support/arena.h"
#include <stdint.h>

typedef struct Span {
    uint32_t file; /* 0: no place (made by the compiler) */
    uint32_t begin, end;
} Span;

typedef struct Source {
    const char *name; /* as the user gave it, shown in messages */
    const char *text; /* NUL-terminated */
    uint32_t len;
    int is_prelude;
} Source;

typedef struct Sources Sources;
Sources *sources_create(Arena *arena);
/* Copies name and text; returns the file id (from 1). */
uint32_t sources_add(Sources *s, const char *name, const char *text, uint32_t len, int is_prelude);
const Source *sources_get(const Sources *s, uint32_t file);
uint32_t sources_find(const Sources *s, const char *name); /* 0: none of that name */
uint32_t sources_count(const Sources *s);

typedef struct Place {
    const char *name; /* file */
    uint32_t line, column;
    const char *line_text; /* start of the line */
    uint32_t line_len;
} Place;
Place sources_place(const Sources *s, Span span);
/* Covers both; either may have file 0. */
Span span_join(Span a, Span b);

#endif
