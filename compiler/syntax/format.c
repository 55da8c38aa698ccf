/* `bmc fmt`: parse, lay the tokens out anew, and check that the result means the same. */
#include "compiler/syntax/format.h"

static const char *tree_text(Context *ctx, uint32_t file) {
    Text text = {.arena = ctx->arena};
    syntax_print(&text, syntax_parse(ctx, file));
    return text_str(&text);
}

/* A formatter that changes a program would be worse than none. */
static void check_same(Context *ctx, uint32_t file, const Text *formatted) {
    const Source *source = sources_get(ctx->sources, file);
    Context trial = *ctx;
    trial.diags = diags_create(ctx->arena);
    trial.sources = sources_create(ctx->arena);
    uint32_t before = sources_add(trial.sources, source->name, source->text, source->len, 0);
    uint32_t after = sources_add(trial.sources, source->name, formatted->len ? formatted->data : "",
                                 (uint32_t)formatted->len, 0);
    if (strcmp(tree_text(&trial, before), tree_text(&trial, after)) || diags_errors(trial.diags))
        BUG("formatting %s would change its meaning", source->name);
}

bool syntax_format(Context *ctx, uint32_t file, Text *out) {
    Parser parser = {0};
    parser_run(&parser, ctx, file, false);
    if (parser.mistakes) return false;
    Formatter formatter = {0};
    format_collect(&formatter, &parser);
    format_breaks(&formatter);
    format_align(&formatter);
    Text formatted = {.arena = ctx->arena};
    format_write(&formatter, &formatted);
    check_same(ctx, file, &formatted);
    text_add_n(out, text_str(&formatted), formatted.len);
    return true;
}
