/* A whole program, from its text to machine code: every entry gives the reference evaluator's bits.
 */
#ifndef BMC_TESTS_CODEGEN_PROGRAM_COMPARE_H
#define BMC_TESTS_CODEGEN_PROGRAM_COMPARE_H

#include "compiler/autodiff/autodiff.h"
#include "compiler/opt/opt.h"
#include "compiler/sema/sema.h"
#include "compiler/syntax/syntax.h"
#include "tests/codegen/compare.h"

static inline const Graph *sealed(const Graph *g) {
    g = opt_simplify(autodiff_run(g));
    return opt_seal(opt_precision(opt_attention(opt_dce(opt_cse(opt_loops(opt_fold(g)))))));
}

/* As if the entry belonged to a train block with `precision: bf16`. */
static inline void narrow(Graph *g) {
    g->bf16 = true;
    for (uint32_t i = 0; i < g->bodies.len; i++) narrow(g->bodies.data[i]);
}

/* Every run-time dim of one name has one size, so that symbols can be told by their names. */
static inline void choose_sizes(const Program *p, int64_t *symbols, int64_t rows) {
    for (uint32_t i = 0; i < dim_symbol_count(p->dims); i++)
        symbols[i] = strcmp(dim_symbol_name(p->dims, i)->text, "T") == 0 ? 3 : rows;
}

/* find: the C functions of `extern fn`, or NULL. choices: of the schedule, or NULL. */
static inline void compare_text(const char *path, const char *text, int64_t rows,
                                SemaFindExtern find, bool bf16, const ScheduleChoices *choices) {
    Context *ctx = context_create();
    uint32_t file = sources_add(ctx->sources, path, text, (uint32_t)strlen(text), 0);
    SemaOptions options = {.stem = "model", .roots = SEMA_ALL, .find_extern = find, .debug = true};
    Program *p = sema_run(ctx, syntax_parse(ctx, file), &options);
    for (uint32_t i = 0; !p && i < diags_count(ctx->diags); i++) {
        Text out = {.arena = ctx->arena};
        diag_render(&out, ctx->sources, diags_get(ctx->diags, i), 0);
        fputs(text_str(&out), stderr);
    }
    ck_assert_msg(p != NULL, "%s does not elaborate", path);
    int64_t *symbols = ARENA_ARRAY(ctx->arena, int64_t, dim_symbol_count(p->dims) + 1);
    choose_sizes(p, symbols, rows);
    for (uint32_t i = 0; i < dim_symbol_count(p->dims); i++)
        ck_assert_int_ge(dim_symbol_bound(p->dims, i), symbols[i]); /* the plan holds */
    Random r = {1};
    for (uint32_t i = 0; i < p->entries.len; i++) {
        Entry entry = p->entries.data[i];
        Program one = *p;
        one.entries.data = &entry;
        one.entries.len = one.entries.cap = 1;
        one.init_entry = entry.kind == BMRT_ENTRY_INIT ? 0 : -1;
        one.data.len = one.train.len = one.test.len = 0;
        one.statistics.len = one.vocabularies.len = 0;
        entry.input_strings = entry.output_strings = NULL; /* the numbers behind them */
        if (bf16) narrow(entry.graph);
        entry.graph = (Graph *)(uintptr_t)sealed(entry.graph);
        Compare c = {.ctx = ctx,
                     .program = &one,
                     .graph = entry.graph,
                     .symbols = symbols,
                     .seed = 42,
                     .step = 7,
                     .fusion = true,
                     .memory_plan = true,
                     .choices = choices,
                     .label = entry.name};
        ck_assert_msg(compare_run(&c, &r, false), "%s: %s is not scheduled", path, entry.name);
    }
    context_destroy(ctx);
}

static inline void compare_externs(const char *path, const char *text, int64_t rows,
                                   SemaFindExtern find) {
    compare_text(path, text, rows, find, false, NULL);
}

static inline void compare_program(const char *path, const char *text, int64_t rows) {
    compare_text(path, text, rows, NULL, false, NULL);
}

#endif
