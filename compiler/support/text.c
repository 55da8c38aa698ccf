/* Interned text, string builder, hashing. See text.h. */
#include "compiler/support/text.h"

#include "compiler/support/context.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- interning: open addressing, grown at 3/4 */

struct Interner {
    Arena *arena;
    Sym *table;
    uint32_t cap, count;
};

static uint32_t short_hash(const char *text, size_t len) {
    return (uint32_t)hash64(text, len);
}

Interner *interner_create(Arena *arena) {
    Interner *i = ARENA_NEW(arena, Interner);
    i->arena = arena;
    i->cap = 256;
    i->table = ARENA_ARRAY(arena, Sym, i->cap);
    return i;
}

static void interner_grow(Interner *i) {
    Sym *old = i->table;
    uint32_t old_cap = i->cap;
    i->cap *= 2;
    i->table = ARENA_ARRAY(i->arena, Sym, i->cap);
    for (uint32_t k = 0; k < old_cap; k++) {
        if (!old[k]) continue;
        uint32_t at = old[k]->hash & (i->cap - 1);
        while (i->table[at]) at = (at + 1) & (i->cap - 1);
        i->table[at] = old[k];
    }
}

Sym intern_n(Interner *i, const char *text, size_t len) {
    INVARIANT(len < UINT32_MAX);
    if (i->count * 4 >= i->cap * 3) interner_grow(i);
    uint32_t hash = short_hash(text, len);
    uint32_t at = hash & (i->cap - 1);
    for (; i->table[at]; at = (at + 1) & (i->cap - 1)) {
        Sym s = i->table[at];
        if (s->hash == hash && s->len == len && !memcmp(s->text, text, len)) return s;
    }
    SymText *made = arena_alloc(i->arena, sizeof *made + len + 1);
    made->len = (uint32_t)len;
    made->hash = hash;
    memcpy(made->text, text, len);
    i->table[at] = made;
    i->count++;
    return made;
}

Sym intern(Interner *i, const char *text) {
    return intern_n(i, text, strlen(text));
}

/* ---- string builder */

static void text_reserve(Text *t, size_t more) {
    size_t need;
    if (__builtin_add_overflow(t->len + 1, more, &need)) BUG("text too long");
    if (need <= t->cap) return;
    size_t cap = t->cap ? t->cap : 64;
    while (cap < need) cap *= 2;
    char *data = arena_alloc(t->arena, cap);
    if (t->len) memcpy(data, t->data, t->len);
    t->data = data;
    t->cap = cap;
}

void text_add_n(Text *t, const char *s, size_t len) {
    text_reserve(t, len);
    if (len) memcpy(t->data + t->len, s, len);
    t->len += len;
    t->data[t->len] = 0;
}

void text_add(Text *t, const char *s) {
    text_add_n(t, s, strlen(s));
}

void text_char(Text *t, char c) {
    text_add_n(t, &c, 1);
}

void text_printf(Text *t, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    INVARIANT(len >= 0);
    text_reserve(t, (size_t)len);
    vsnprintf(t->data + t->len, (size_t)len + 1, format, args);
    va_end(args);
    t->len += (size_t)len;
}

void text_number(Text *t, double value) {
    if (isnan(value) || isinf(value)) {
        text_add(t, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    if (value == floor(value) && fabs(value) < 1e15) {
        text_printf(t, "%.0f", value);
        return;
    }
    char buffer[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buffer, sizeof buffer, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value) break;
    }
    const size_t before = strspn(buffer, "-0123456789"),
                 point = strcspn(buffer + before, "e0123456789");
    text_add_n(t, buffer, before);
    if (point) text_char(t, '.'); /* whatever the host program's locale has there */
    text_add(t, buffer + before + point);
}

const char *text_str(Text *t) {
    return t->data ? t->data : "";
}

/* ---- hashing */

uint64_t hash64(const char *text, size_t len) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    h ^= h >> 30; /* splitmix64 finaliser: FNV alone mixes its high bits badly */
    h *= 0xbf58476d1ce4e5b9u;
    h ^= h >> 27;
    h *= 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}
