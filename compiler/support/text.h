/* Interned text (`Sym`: equal text, equal pointer), string builder, spelling distance. */
#ifndef BMC_SUPPORT_TEXT_H
#define BMC_SUPPORT_TEXT_H

#include "compiler/support/arena.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct SymText {
    uint32_t len, hash;
    char text[]; /* NUL-terminated */
} SymText;
typedef const SymText *Sym;

typedef struct Interner Interner;
Interner *interner_create(Arena *arena);
Sym intern(Interner *interner, const char *text);
Sym intern_n(Interner *interner, const char *text, size_t len);

/* String builder; text is always NUL-terminated once anything was added. */
typedef struct Text {
    Arena *arena;
    char *data;
    size_t len, cap;
} Text;
void text_add(Text *t, const char *s);
void text_add_n(Text *t, const char *s, size_t len);
void text_char(Text *t, char c);
void text_printf(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Shortest decimal that reads back as the same double; integers print without a point. */
void text_number(Text *t, double value);
const char *text_str(Text *t); /* "" when empty */

/* Damerau-Levenshtein distance, cut off at `limit` + 1. */
uint32_t edit_distance(const char *a, const char *b, uint32_t limit);
/* Feeds "did you mean": the nearest of the offered names within 2 edits (1 for names of <= 3
 * letters), ties to the first offered. */
typedef struct Nearest {
    const char *wanted;
    const char *best; /* NULL: nothing near */
    uint32_t distance;
} Nearest;
void nearest_offer(Nearest *n, const char *candidate);

/* 64-bit hash of text, stable for ever: it is part of the random-number contract
 * (docs/numerics.md). FNV-1a, then the splitmix64 finaliser. */
uint64_t hash64(const char *text, size_t len);

#endif
