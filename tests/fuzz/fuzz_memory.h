/* The runtime's hooks over one file in memory, so that a reader can be run hundreds of thousands of
 * times a second. They hold what the runtime promises of every input (docs/runtime.md): what was
 * allocated is released, what was opened is closed, and no input makes it ask for more than
 * FUZZ_MEMORY_MAX. A broken promise aborts, which is what a fuzzer looks for. */
#ifndef BMC_TESTS_FUZZ_MEMORY_H
#define BMC_TESTS_FUZZ_MEMORY_H

#include "runtime/core/hooks.h"
#include <stdbool.h>

enum { FUZZ_MEMORY_MAX = 256 << 20 };

typedef struct FuzzMemory {
    const uint8_t *data; /* the file's content; not owned */
    size_t size, position;
    size_t live_bytes;
    long live, files;
} FuzzMemory;

/* Every path names the one file; it cannot be written. */
BmrtHooks fuzz_hooks(FuzzMemory *memory, const uint8_t *data, size_t size);
/* Aborts when something is still allocated or open. */
void fuzz_finish(const FuzzMemory *memory);
/* Aborts unless the condition holds. */
void fuzz_require(bool holds, const char *what);

/* What each target defines; libFuzzer or replay_main.c calls it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
