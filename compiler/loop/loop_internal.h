/* Shared by the files of this folder only. */
#ifndef BMC_LOOP_INTERNAL_H
#define BMC_LOOP_INTERNAL_H

#include "compiler/loop/loop.h"

/* Hash table of a kernel's expressions, and for each the variables it may depend on. */
typedef struct ExprIndex {
    uint32_t *slots; /* expression id + 1, or 0; open addressing */
    uint32_t slot_count; /* power of two */
    VEC(uint64_t) masks;
} ExprIndex;

/* The bits of `value` in `dtype`: floats rounded to nearest even once, integers truncated. */
uint64_t loop_const_bits(DType dtype, double value);

#endif
