/* The context of one compilation, and the abort for bugs. */
#include "compiler/support/context.h"

#include <stdio.h>
#include <stdlib.h>

Context *context_create(void) {
    Arena *arena = arena_create();
    if (!arena) return NULL;
    jmp_buf recovery;
    if (setjmp(recovery)) {
        arena_destroy(arena);
        return NULL;
    }
    arena_on_oom(arena, &recovery);
    Context *ctx = ARENA_NEW(arena, Context);
    ctx->arena = arena;
    ctx->names = interner_create(arena);
    ctx->sources = sources_create(arena);
    ctx->diags = diags_create(arena);
    ctx->node_limit = 1000000;
    arena_on_oom(arena, NULL);
    return ctx;
}

void context_destroy(Context *ctx) {
    if (ctx) arena_destroy(ctx->arena);
}

_Noreturn void bug_at(const char *file, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "bmc: internal error at %s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputs("\nThis is a bug of bmc, not of your program. Please report it with the input.\n",
          stderr);
    va_end(args);
    abort();
}
