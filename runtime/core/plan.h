/* Dims at given symbol values, and memory plans for symbols beyond the compiled bounds. */
#ifndef BMRT_PLAN_H
#define BMRT_PLAN_H

#include <stdbool.h>

#include "runtime/core/hooks.h"

/* The dim's value; false when it overflows or is negative (*out is then the negative value or 0).
 */
bool bmrt_dim_value(const BmrtDim *dim, const int64_t *symbols, int64_t *out);
/* Product of the dims; false on overflow or a negative dim. Rank 0: 1. */
bool bmrt_dims_elements(uint32_t rank, const BmrtDim *dims, const int64_t *symbols, int64_t *out);

enum { BMRT_PLAN_OVERFLOW = -1, BMRT_PLAN_MEMORY = -2 };
/* Bytes of arena `entry` needs at these symbols, and the buffers' offsets (64-byte aligned). Two
 * buffers share bytes only if their live ranges [first, last] do not meet. Cost: quadratic in the
 * number of buffers. Negative: why not. */
int64_t bmrt_plan(const BmrtHooks *hooks, const BmrtEntry *entry, const int64_t *symbols,
                  int64_t *offsets);

#endif
