/* Any bytes as a program: parsed, checked, built into graphs, differentiated and simplified. What
 * is refused has an error; what is accepted has graphs that verify. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/opt/opt.h"
#include "compiler/sema/sema.h"
#include "compiler/syntax/syntax.h"
#include "tests/fuzz/fuzz_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Context *ctx = context_create();
    const uint32_t file = sources_add(ctx->sources, "f.bm", (const char *)data, (uint32_t)size, 0);
    const Node *tree = syntax_parse(ctx, file);
    const SemaOptions options = {.stem = "model", .roots = SEMA_ALL};
    Program *p = diags_errors(ctx->diags) ? NULL : sema_run(ctx, tree, &options);
    fuzz_require(p || diags_errors(ctx->diags) > 0, "a refusal says why");
    for (uint32_t i = 0; p && i < p->entries.len; i++) {
        graph_verify(p->entries.data[i].graph);
        const Graph *g = autodiff_run(p->entries.data[i].graph);
        if (g && !diags_errors(ctx->diags)) graph_verify(g);
    }
    Text out = {.arena = ctx->arena};
    for (uint32_t i = 0; i < diags_count(ctx->diags); i++)
        diag_render(&out, ctx->sources, diags_get(ctx->diags, i), 0);
    context_destroy(ctx);
    return 0;
}
