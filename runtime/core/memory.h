/* Large blocks: 64-byte aligned (one cache line, one AVX-512 vector); 2 MB and more lie on 2 MB
 * boundaries and ask for huge pages, which doubles streaming bandwidth (docs/runtime.md). */
#ifndef BMRT_MEMORY_H
#define BMRT_MEMORY_H

#include <stdbool.h>

#include "runtime/core/hooks.h"

typedef struct BmrtBlock {
    char *data;
    size_t bytes; /* as allocated */
} BmrtBlock;

/* At least `bytes` plus one vector of slack; not cleared. false: no memory, *out is empty. */
bool bmrt_block_alloc(const BmrtHooks *hooks, BmrtBlock *out, int64_t bytes);
void bmrt_block_free(const BmrtHooks *hooks, BmrtBlock *block);

/* Small things: cleared, `count * size` checked. NULL: no memory or overflow. */
void *bmrt_new(const BmrtHooks *hooks, int64_t count, size_t size);
void bmrt_delete(const BmrtHooks *hooks, void *memory, int64_t count, size_t size);

#endif
