/* Growth of arena arrays: doubling; the old storage stays behind in the arena. */
#include "compiler/support/vec.h"

void *vec_grow(Arena *arena, void *data, uint32_t len, uint32_t *cap, size_t elem_bytes) {
    uint32_t new_cap = *cap ? *cap * 2 : 8;
    if (new_cap < *cap) new_cap = UINT32_MAX;
    void *grown = arena_array(arena, new_cap, elem_bytes);
    if (len) memcpy(grown, data, len * elem_bytes);
    *cap = new_cap;
    return grown;
}
