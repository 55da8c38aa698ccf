/* Shared by the files of this folder only. */
#ifndef BMC_LOOP_INTERNAL_H
#define BMC_LOOP_INTERNAL_H

#include "compiler/loop/loop.h"

enum { LOOP_VARS_MAX = 256 };
/* The set of variables an expression depends on. */
typedef struct VarSet {
    uint64_t words[LOOP_VARS_MAX / 64];
} VarSet;

/* Hash table of a kernel's expressions, and the variables of each. */
typedef struct ExprIndex {
    uint32_t *slots;     /* expression id + 1, or 0; open addressing */
    uint32_t slot_count; /* power of two */
    VEC(VarSet) masks;
} ExprIndex;

#endif
