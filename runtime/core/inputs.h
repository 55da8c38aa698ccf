/* What is looked at in the inputs of a call before an entry runs. */
#ifndef BMRT_INPUTS_H
#define BMRT_INPUTS_H

#include <stdbool.h>

#include "runtime/include/bmrt.h"

/* The value at `at` of an integer array; unsigned 64-bit values above the signed range are far
 * beyond any limit, so they may saturate. */
static inline int64_t bmrt_index_at(BmrtDtype dtype, const void *data, int64_t at) {
    switch (dtype) {
    case BMRT_I64: return ((const int64_t *)data)[at];
    case BMRT_I32: return ((const int32_t *)data)[at];
    case BMRT_I16: return ((const int16_t *)data)[at];
    case BMRT_I8: return ((const int8_t *)data)[at];
    case BMRT_U64: return ((const int64_t *)data)[at] < 0 ? INT64_MAX : ((const int64_t *)data)[at];
    case BMRT_U32: return ((const uint32_t *)data)[at];
    case BMRT_U16: return ((const uint16_t *)data)[at];
    case BMRT_U8: return ((const uint8_t *)data)[at];
    default: return 0; /* not an index dtype: never out of range */
    }
}

static inline bool bmrt_all_in_range(BmrtDtype dtype, const void *data, int64_t count,
                                     int64_t limit) {
    bool bad = false;
    if (dtype == BMRT_I32 && limit <= INT32_MAX) { /* labels: the one case worth vectorising */
        const int32_t *p = data;
        const uint32_t top = (uint32_t)limit;
        for (int64_t i = 0; i < count; i++) bad |= (uint32_t)p[i] >= top;
        return !bad;
    }
    for (int64_t i = 0; i < count; i++)
        bad |= (uint64_t)bmrt_index_at(dtype, data, i) >= (uint64_t)limit;
    return !bad;
}

/* The inputs with what stands in for those the caller left out; `filled` when there are any. */
static inline const void *const *
bmrt_with_fallbacks(const BmrtEntry *entry, const void *const *inputs, const void **filled) {
    bool any = false;
    for (uint32_t i = 0; i < entry->input_count && i < BMRT_FALLBACK_INPUTS_MAX; i++) {
        const bool absent = !inputs[i] && entry->inputs[i].fallback;
        filled[i] = absent ? entry->inputs[i].fallback : inputs[i];
        any |= absent;
    }
    return any ? filled : inputs;
}

#endif
