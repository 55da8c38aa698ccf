/* The memory of a handle without an operating system: how much there must be, and where what lies.
 */
#ifndef BMRT_BARE_H
#define BMRT_BARE_H

#include <stdint.h>

enum { BMRT_BARE_ALIGNMENT = 64, BMRT_BARE_HANDLE_BYTES = 256 };

static inline int64_t bmrt_bare_round(int64_t bytes) {
    return (bytes + 63) & ~(int64_t)63;
}

/* Handle, offsets of all entries' buffers, slots, arena, one after the other; the last two with a
 * vector behind them. -1: it overflows. The compiler says it in the model's header. */
static inline int64_t bmrt_bare_bytes(int64_t buffers, int64_t slots_bytes, int64_t arena_bytes) {
    int64_t sum = BMRT_BARE_HANDLE_BYTES + 2 * 64 + 3 * 63;
    if (__builtin_add_overflow(sum, buffers * (int64_t)sizeof(int64_t), &sum) ||
        __builtin_add_overflow(sum, slots_bytes, &sum) ||
        __builtin_add_overflow(sum, arena_bytes, &sum))
        return -1;
    return bmrt_bare_round(sum);
}

#endif
