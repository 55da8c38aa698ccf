/* What every stage of one compilation shares. No globals: two contexts never meet. */
#ifndef BMC_SUPPORT_CONTEXT_H
#define BMC_SUPPORT_CONTEXT_H

#include "compiler/support/arena.h"
#include "compiler/support/diag.h"
#include "compiler/support/source.h"
#include "compiler/support/text.h"

typedef struct Context {
    Arena *arena;
    Interner *names;
    Sources *sources;
    Diags *diags;
    Span call; /* elaboration: the call of the user's own text that stands for prelude code */
    uint32_t node_limit; /* graph nodes a compilation may make; 0: the default of 1,000,000 */
} Context;

/* NULL when out of memory. */
Context *context_create(void);
void context_destroy(Context *ctx);

#define ctx_error(ctx, code, span, ...)                                                            \
    diag_report((ctx)->diags, SEVERITY_ERROR, (code), (span), __VA_ARGS__)
#define ctx_warning(ctx, code, span, ...)                                                          \
    diag_report((ctx)->diags, SEVERITY_WARNING, (code), (span), __VA_ARGS__)
#define ctx_sym(ctx, s) intern((ctx)->names, (s))

/* A bug of bmc, never of its input: prints file, line and message, and aborts. */
_Noreturn void bug_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define INVARIANT(cond)                                                                            \
    do {                                                                                           \
        if (!(cond)) BUG("broken invariant: %s", #cond);                                           \
    } while (0)

#endif
