/* Growable arrays in an arena:  VEC(int) v = {0};  vec_push(arena, &v, 3);  v.data[0]; v.len. */
#ifndef BMC_SUPPORT_VEC_H
#define BMC_SUPPORT_VEC_H

#include "compiler/support/arena.h"
#include <stdint.h>
#include <string.h>

#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *data;                                                                                   \
        uint32_t len, cap;                                                                         \
    }

/* Returns the (possibly moved) storage with room for one more element. */
void *vec_grow(Arena *arena, void *data, uint32_t len, uint32_t *cap, size_t elem_bytes);

#define vec_push(arena, v, x)                                                                      \
    do {                                                                                           \
        if ((v)->len == (v)->cap)                                                                  \
            (v)->data = vec_grow((arena), (v)->data, (v)->len, &(v)->cap, sizeof *(v)->data);      \
        (v)->data[(v)->len++] = (x);                                                               \
    } while (0)

#endif
