/* Region allocator: everything a compilation makes dies with its arena.
 *
 * arena_alloc never returns NULL. When memory runs out (or a test makes the n-th request fail) it
 * jumps to the recovery point that `arena_on_oom` set, so no caller checks and no caller leaks:
 * whatever was half built lives in the arena and goes with it. Without a recovery point it aborts.
 */
#ifndef BMC_SUPPORT_ARENA_H
#define BMC_SUPPORT_ARENA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

/* NULL only when the first block cannot be had. `on_oom` may be NULL. */
Arena *arena_create(void);
void arena_destroy(Arena *arena);
/* All later failures longjmp(*recovery, 1). The caller owns `recovery`; NULL switches it off. */
void arena_on_oom(Arena *arena, jmp_buf *recovery);

/* 16-byte aligned, zero-filled. size_bytes may be 0. */
void *arena_alloc(Arena *arena, size_t size_bytes);
/* count * size_bytes, overflow-checked (overflow counts as out of memory). */
void *arena_array(Arena *arena, size_t count, size_t size_bytes);
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t len);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list args);
/* Bytes handed out so far (for limits and --time-passes). */
size_t arena_used_bytes(const Arena *arena);

/* Fails the n-th block request from now on (1 = next), for out-of-memory tests; 0 switches off.
 * The counter is the arena's own: there is no global state. */
void arena_fail_after(Arena *arena, size_t nth_block);

#define ARENA_NEW(arena, T)      ((T *)arena_alloc((arena), sizeof(T)))
#define ARENA_ARRAY(arena, T, n) ((T *)arena_array((arena), (n), sizeof(T)))

#endif
