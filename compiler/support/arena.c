/* Region allocator: blocks of doubling size, freed together. See arena.h. */
#include "compiler/support/arena.h"

#include "compiler/support/context.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK_BYTES = 16 * 1024, LARGEST_BLOCK_BYTES = 1024 * 1024, ALIGNMENT = 16 };

typedef struct Block {
    struct Block *next;
    size_t size, used; /* of the payload */
} Block;

struct Arena {
    Block *blocks; /* newest first */
    size_t next_size, used_bytes;
    jmp_buf *recovery;
    size_t fail_after; /* 0: never */
};

static size_t header_bytes(void) {
    return (sizeof(Block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static Block *block_create(size_t size) {
    size_t total;
    if (__builtin_add_overflow(header_bytes(), size, &total)) return NULL;
    Block *b = malloc(total);
    if (!b) return NULL;
    b->next = NULL;
    b->size = size;
    b->used = 0;
    return b;
}

Arena *arena_create(void) {
    Arena *arena = calloc(1, sizeof *arena);
    if (!arena) return NULL;
    arena->blocks = block_create(FIRST_BLOCK_BYTES);
    if (!arena->blocks) {
        free(arena);
        return NULL;
    }
    arena->next_size = 2 * FIRST_BLOCK_BYTES;
    return arena;
}

void arena_destroy(Arena *arena) {
    if (!arena) return;
    for (Block *b = arena->blocks; b;) {
        Block *next = b->next;
        free(b);
        b = next;
    }
    free(arena);
}

void arena_on_oom(Arena *arena, jmp_buf *recovery) {
    arena->recovery = recovery;
}

void arena_fail_after(Arena *arena, size_t nth_block) {
    arena->fail_after = nth_block;
}

static _Noreturn void out_of_memory(Arena *arena) {
    if (arena->recovery) longjmp(*arena->recovery, 1);
    BUG("out of memory, and nobody set a recovery point");
}

static void add_block(Arena *arena, size_t at_least) {
    size_t size = at_least > arena->next_size ? at_least : arena->next_size;
    bool fail = arena->fail_after && --arena->fail_after == 0;
    Block *b = fail ? NULL : block_create(size);
    if (!b) out_of_memory(arena);
    b->next = arena->blocks;
    arena->blocks = b;
    if (arena->next_size < LARGEST_BLOCK_BYTES) arena->next_size *= 2;
}

void *arena_alloc(Arena *arena, size_t size_bytes) {
    if (size_bytes > SIZE_MAX - ALIGNMENT) out_of_memory(arena);
    size_t size = (size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (arena->blocks->size - arena->blocks->used < size) add_block(arena, size);
    Block *b = arena->blocks;
    char *p = (char *)b + header_bytes() + b->used;
    b->used += size;
    arena->used_bytes += size;
    return memset(p, 0, size);
}

void *arena_array(Arena *arena, size_t count, size_t size_bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, size_bytes, &total)) out_of_memory(arena);
    return arena_alloc(arena, total);
}

char *arena_strndup(Arena *arena, const char *text, size_t len) {
    char *copy = arena_alloc(arena, len + 1);
    if (len) memcpy(copy, text, len);
    return copy;
}

char *arena_strdup(Arena *arena, const char *text) {
    return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(Arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    INVARIANT(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, args);
    return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

size_t arena_used_bytes(const Arena *arena) {
    return arena->used_bytes;
}
