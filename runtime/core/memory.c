/* Blocks and small allocations over the hooks. */
#define _DEFAULT_SOURCE /* madvise */
#include "runtime/core/memory.h"

#include <string.h>
#include <sys/mman.h>

#define HUGE_BYTES ((int64_t)1 << 21)

bool bmrt_block_alloc(const BmrtHooks *hooks, BmrtBlock *out, int64_t bytes) {
    int64_t rounded;
    *out = (BmrtBlock){NULL, 0};
    if (bytes < 0 || __builtin_add_overflow(bytes, 64 + HUGE_BYTES, &rounded)) return false;
    const int64_t unit = bytes >= HUGE_BYTES ? HUGE_BYTES : 64;
    rounded = (bytes + 64 + unit - 1) / unit * unit;
    void *data = hooks->alloc(hooks->user, (size_t)rounded, (size_t)unit);
    if (!data) return false;
#ifdef MADV_HUGEPAGE
    /* Advice only: where it is refused, small pages serve. */
    if (unit == HUGE_BYTES) (void)madvise(data, (size_t)rounded, MADV_HUGEPAGE);
#endif
    *out = (BmrtBlock){data, (size_t)rounded};
    return true;
}

void bmrt_block_free(const BmrtHooks *hooks, BmrtBlock *block) {
    if (block->data) hooks->release(hooks->user, block->data, block->bytes);
    *block = (BmrtBlock){NULL, 0};
}

void *bmrt_new(const BmrtHooks *hooks, int64_t count, size_t size) {
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((uint64_t)count, size, &bytes)) return NULL;
    if (bytes > PTRDIFF_MAX) return NULL;
    void *memory = hooks->alloc(hooks->user, bytes ? bytes : 1, 16);
    if (memory) memset(memory, 0, bytes);
    return memory;
}

void bmrt_delete(const BmrtHooks *hooks, void *memory, int64_t count, size_t size) {
    const size_t bytes = (size_t)count * size;
    if (memory) hooks->release(hooks->user, memory, bytes ? bytes : 1);
}
