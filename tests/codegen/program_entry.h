/* Programs whose one export is called `f`: from text to its entry, and what it needs of memory. */
#ifndef BMC_TESTS_CODEGEN_PROGRAM_ENTRY_H
#define BMC_TESTS_CODEGEN_PROGRAM_ENTRY_H

#include "tests/codegen/program_compare.h"

static inline Program *elaborate(Context *ctx, const char *text) {
    uint32_t file = sources_add(ctx->sources, "m.bm", text, (uint32_t)strlen(text), 0);
    SemaOptions options = {.stem = "model", .roots = SEMA_EXPORTS};
    Program *p = sema_run(ctx, syntax_parse(ctx, file), &options);
    for (uint32_t i = 0; i < diags_count(ctx->diags); i++) {
        Text out = {.arena = ctx->arena};
        diag_render(&out, ctx->sources, diags_get(ctx->diags, i), 0);
        fputs(text_str(&out), stderr);
    }
    ck_assert(p != NULL);
    return p;
}

static inline Entry *entry_f(Program *p) {
    for (uint32_t i = 0; i < p->entries.len; i++)
        if (strcmp(p->entries.data[i].name, "f") == 0) return &p->entries.data[i];
    ck_abort_msg("no entry");
    return NULL;
}

/* Work space of `f`, as planned. */
static inline int64_t arena_bytes(const char *text) {
    Context *ctx = context_create();
    Program *p = elaborate(ctx, text);
    Entry *entry = entry_f(p);
    entry->graph = (Graph *)(uintptr_t)sealed(entry->graph);
    ScheduleOptions options;
    schedule_options_default(&options);
    const LoopProgram *l = schedule_entry(ctx, p, entry, &options);
    ck_assert_ptr_nonnull(l);
    int64_t bytes = l->arena_bytes;
    context_destroy(ctx);
    return bytes;
}

#endif
