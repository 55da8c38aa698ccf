/* Any bytes as a program: parsed and formatted, and what formats must format the same again. */
#include "compiler/syntax/syntax.h"
#include "tests/fuzz/fuzz_memory.h"
#include <string.h>

static void render(Context *ctx) {
    Text out = {.arena = ctx->arena};
    for (uint32_t i = 0; i < diags_count(ctx->diags); i++)
        diag_render(&out, ctx->sources, diags_get(ctx->diags, i), 0);
    fuzz_require(out.len > 0, "a refusal says why");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Context *ctx = context_create();
    const uint32_t file = sources_add(ctx->sources, "f.bm", (const char *)data, (uint32_t)size, 0);
    Text once = {.arena = ctx->arena}, twice = {.arena = ctx->arena};
    if (syntax_format(ctx, file, &once)) {
        const uint32_t again =
            sources_add(ctx->sources, "f.bm", text_str(&once), (uint32_t)once.len, 0);
        fuzz_require(syntax_format(ctx, again, &twice), "what is formatted parses");
        fuzz_require(strcmp(text_str(&once), text_str(&twice)) == 0, "formatting is stable");
    } else {
        render(ctx);
    }
    context_destroy(ctx);
    return 0;
}
