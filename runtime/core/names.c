/* Numbered strings: a growing text, where each begins, and a hash table of the numbers. */
#include "runtime/core/names.h"

#include <string.h>

enum { TABLE_FIRST = 64, TEXT_FIRST = 1024 };

void bmrt_names_open(BmrtNames *names, const BmrtHooks *hooks) {
    *names = (BmrtNames){.hooks = hooks};
}

void bmrt_names_free(BmrtNames *names) {
    if (!names->hooks) return;
    bmrt_delete(names->hooks, names->text, names->text_room, 1);
    bmrt_delete(names->hooks, names->start, names->start_room, sizeof *names->start);
    bmrt_delete(names->hooks, names->table, names->table_size, sizeof *names->table);
    *names = (BmrtNames){.hooks = NULL};
}

/* FNV-1a, its high half folded in since the table takes the low bits. */
static uint64_t hash_bytes(const char *text, size_t length) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

static bool same(const BmrtNames *names, int64_t number, const char *text, size_t length) {
    const char *name = bmrt_names_get(names, number);
    return strlen(name) == length && memcmp(name, text, length) == 0;
}

/* The cell of the table where the string is, or would go. */
static uint32_t *place(const BmrtNames *names, const char *text, size_t length) {
    const uint64_t mask = (uint64_t)names->table_size - 1;
    uint64_t at = hash_bytes(text, length) & mask;
    while (names->table[at] && !same(names, names->table[at] - 1, text, length))
        at = (at + 1) & mask;
    return &names->table[at];
}

int64_t bmrt_names_find(const BmrtNames *names, const char *text, size_t length) {
    return names->table ? (int64_t)*place(names, text, length) - 1 : -1;
}

/* A larger copy of `memory`; NULL: no memory, the old one stands. */
static void *grown(BmrtNames *names, void *memory, int64_t *room, int64_t need, size_t size) {
    int64_t more = *room;
    while (more < need)
        if (__builtin_mul_overflow(more, 2, &more)) return NULL;
    void *larger = bmrt_new(names->hooks, more, size);
    if (!larger) return NULL;
    if (memory) memcpy(larger, memory, (size_t)*room * size);
    bmrt_delete(names->hooks, memory, *room, size);
    *room = more;
    return larger;
}

static bool reserve_text(BmrtNames *names, size_t length) {
    int64_t need;
    if (length > INT64_MAX - 1 || __builtin_add_overflow(names->used, (int64_t)length + 1, &need))
        return false;
    if (!names->text) {
        names->text = bmrt_new(names->hooks, TEXT_FIRST, 1);
        if (!names->text) return false;
        names->text_room = TEXT_FIRST;
    }
    if (need <= names->text_room) return true;
    char *larger = grown(names, names->text, &names->text_room, need, 1);
    if (larger) names->text = larger;
    return larger != NULL;
}

static bool reserve_start(BmrtNames *names) {
    if (!names->start) {
        names->start = bmrt_new(names->hooks, TABLE_FIRST, sizeof *names->start);
        if (!names->start) return false;
        names->start_room = TABLE_FIRST;
    }
    if (names->count < names->start_room) return true;
    int64_t *larger =
        grown(names, names->start, &names->start_room, names->count + 1, sizeof *names->start);
    if (larger) names->start = larger;
    return larger != NULL;
}

/* At most half full, so that searches end. */
static bool reserve_table(BmrtNames *names) {
    if (names->table && names->count + 1 <= names->table_size / 2) return true;
    const int64_t size = names->table ? 2 * names->table_size : TABLE_FIRST;
    uint32_t *table = bmrt_new(names->hooks, size, sizeof *table);
    if (!table) return false;
    bmrt_delete(names->hooks, names->table, names->table_size, sizeof *table);
    names->table = table;
    names->table_size = size;
    for (int64_t i = 0; i < names->count; i++) {
        const char *name = bmrt_names_get(names, i);
        *place(names, name, strlen(name)) = (uint32_t)(i + 1);
    }
    return true;
}

int64_t bmrt_names_add(BmrtNames *names, const char *text, size_t length) {
    const int64_t known = bmrt_names_find(names, text, length);
    if (known >= 0) return known;
    if (names->count >= INT32_MAX || !reserve_text(names, length) || !reserve_start(names) ||
        !reserve_table(names))
        return -1;
    *place(names, text, length) = (uint32_t)(names->count + 1);
    names->start[names->count] = names->used;
    if (length) memcpy(names->text + names->used, text, length);
    names->text[names->used + (int64_t)length] = 0;
    names->used += (int64_t)length + 1;
    return names->count++;
}
