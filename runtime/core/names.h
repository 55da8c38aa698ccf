/* Sets of strings, numbered in order of their first appearance. */
#ifndef BMRT_NAMES_H
#define BMRT_NAMES_H

#include "runtime/core/memory.h"

typedef struct BmrtNames {
    const BmrtHooks *hooks;
    char *text; /* one after the other, each ended by a zero byte */
    int64_t used, text_room;
    int64_t *start; /* name i begins at text + start[i] */
    int64_t count, start_room;
    uint32_t *table; /* open addressing: 1 + number; 0: free */
    int64_t table_size;
} BmrtNames;

void bmrt_names_open(BmrtNames *names, const BmrtHooks *hooks);
void bmrt_names_free(BmrtNames *names);
/* The number (from 0) of a string, which is added when it is new. `text` needs no zero byte at its
 * end and must not hold one. -1: no memory. */
int64_t bmrt_names_add(BmrtNames *names, const char *text, size_t length);
int64_t bmrt_names_find(const BmrtNames *names, const char *text, size_t length); /* -1: none */
/* Valid until the next add. */
static inline const char *bmrt_names_get(const BmrtNames *names, int64_t number) {
    return names->text + names->start[number];
}

#endif
