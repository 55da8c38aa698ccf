/* bmc.h: a model built by calls. The text grows by a line a call; diagnostics of the compiler are
 * told with the value whose line they mean. */
#include "compiler/driver/builder.h"
#include <ctype.h>
#include <stdlib.h>

BmcStatus bmc_builder_open(const char *name, BmcDiagnosticFn on_diagnostic, void *user,
                           BmcBuilder **out) {
    if (out) *out = NULL;
    if (name == NULL || out == NULL) return BMC_ARGUMENT;
    BmcBuilder *b = calloc(1, sizeof *b);
    if (b == NULL) return BMC_MEMORY;
    b->ctx = context_create();
    if (b->ctx == NULL || setjmp(b->recovery)) {
        bmc_builder_close(b);
        return BMC_MEMORY;
    }
    arena_on_oom(b->ctx->arena, &b->recovery);
    b->name = arena_strdup(b->ctx->arena, name);
    b->on_diagnostic = on_diagnostic;
    b->user = user;
    b->text.arena = b->ctx->arena;
    *out = b;
    return BMC_OK;
}

void bmc_builder_close(BmcBuilder *b) {
    if (b == NULL) return;
    if (b->ctx) context_destroy(b->ctx);
    free(b);
}

/* ------------------------------------------------------------------ messages */

enum { SHOWN_BYTES = 60, WRONG_CALLS_MAX = 50 };

const char *builder_shown(BmcBuilder *b, const char *text) {
    char *shown = arena_strndup(b->ctx->arena, text, strnlen(text, SHOWN_BYTES));
    for (char *c = shown; *c; c++)
        if (iscntrl((unsigned char)*c)) *c = '?';
    return shown;
}

/* The place of a wrong call is a comment where its line would stand. */
void builder_wrong(BmcBuilder *b, Code code, const char *help, const char *format, ...) {
    Context *ctx = b->ctx;
    b->wrong = true;
    if (diags_errors(ctx->diags) >= WRONG_CALLS_MAX) return;
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(ctx->arena, format, args);
    va_end(args);
    const uint32_t begin = (uint32_t)b->text.len;
    text_printf(&b->text, "# wrong: %s\n", message);
    vec_push(ctx->arena, &b->line_values, 0);
    const uint32_t file =
        sources_add(ctx->sources, b->name, b->text.data, (uint32_t)b->text.len, 0);
    const Span span = {file, begin, (uint32_t)b->text.len - 1};
    Diag *d = ctx_error(ctx, code, span, "%s", message);
    if (help) diag_help(d, "%s", help);
    const BmcDiagnostic told = embed_diagnostic(ctx->arena, ctx->sources, d);
    if (b->on_diagnostic) b->on_diagnostic(b->user, &told);
}

/* ------------------------------------------------------------------ lines */

static const char *const HEADS[BMC_DEFINITION_COUNT] = {
    [BMC_MODEL] = "model ", [BMC_EXPORT] = "export fn ", [BMC_STEP] = "train",
    [BMC_FUNCTION] = "fn ", [BMC_LAYER] = "layer ",      [BMC_OPTIMIZER] = "optimizer "};

static bool has_settings(BmcDefinition kind) {
    return kind == BMC_LAYER || kind == BMC_OPTIMIZER;
}

static void add_list(Text *t, const char *const *parts, uint32_t count) {
    text_char(t, '(');
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_add(t, ", ");
        text_add(t, parts[i]);
    }
    text_char(t, ')');
}

/* The definition's first line: two of a step. How many. */
static uint32_t add_head(const BmcBuilder *b, Text *t) {
    const bool step = b->kind == BMC_STEP;
    text_add(t, HEADS[b->kind]);
    if (step && *b->title) text_char(t, ' ');
    text_add(t, b->title);
    if (step) text_add(t, " {\n  step");
    if (has_settings(b->kind)) add_list(t, b->settings.data, b->settings.len);
    add_list(t, b->inputs.data, b->inputs.len);
    text_add(t, " {\n");
    return step ? 2 : 1;
}

void builder_line(BmcBuilder *b, uint32_t value, const char *line) {
    if (b->open && !b->has_body) {
        b->has_body = true;
        for (uint32_t n = add_head(b, &b->text); n > 0; n--)
            vec_push(b->ctx->arena, &b->line_values, 0);
    }
    if (b->open) text_add(&b->text, b->kind == BMC_STEP ? "    " : "  ");
    text_printf(&b->text, "%s\n", line);
    vec_push(b->ctx->arena, &b->line_values, value);
}

BmcValue builder_value(BmcBuilder *b, const char *text, bool anywhere, ValueKind kind) {
    BuiltValue value = {text, anywhere ? 0 : b->definition, kind};
    vec_push(b->ctx->arena, &b->values, value);
    return (BmcValue){b->values.len};
}

static bool taken(const BmcBuilder *b, Sym name) {
    for (uint32_t i = 0; i < b->globals.len; i++)
        if (b->globals.data[i] == name) return true;
    for (uint32_t i = 0; i < b->locals.len; i++)
        if (b->locals.data[i] == name) return true;
    for (uint32_t i = 0; i < b->mentioned.len; i++)
        if (b->mentioned.data[i] == name) return true;
    return false;
}

const char *builder_new_name(BmcBuilder *b) {
    const char *name;
    do name = arena_printf(b->ctx->arena, "v%u", ++b->generated);
    while (taken(b, ctx_sym(b->ctx, name)));
    return name;
}

BmcValue builder_bind(BmcBuilder *b, const char *expression) {
    const char *name = builder_new_name(b);
    const BmcValue value = builder_value(b, name, false, VALUE_PLAIN);
    builder_line(b, value.id, arena_printf(b->ctx->arena, "%s = %s", name, expression));
    return value;
}

/* ------------------------------------------------------------------ definitions */

BmcStatus bmc_build_begin(BmcBuilder *b, BmcDefinition kind, const char *name) {
    BUILDER_STATUS(b);
    const bool unnamed = name == NULL && kind == BMC_STEP;
    if ((unsigned)kind >= BMC_DEFINITION_COUNT || (name == NULL && !unnamed)) return BMC_ARGUMENT;
    if (!builder_outside(b, "bmc_build_begin")) return BMC_INPUT;
    b->locals.len = 0;
    if (name && !builder_declare(b, "bmc_build_begin", name, true)) return BMC_INPUT;
    b->open = true;
    b->has_body = false;
    b->kind = kind;
    b->title = unnamed ? "" : arena_strdup(b->ctx->arena, name);
    vec_push(b->ctx->arena, &b->titles, unnamed ? "train" : b->title);
    b->definition = b->titles.len;
    b->settings.len = b->inputs.len = b->layers.len = 0;
    return BMC_OK;
}

BmcStatus bmc_build_end(BmcBuilder *b) {
    BUILDER_STATUS(b);
    if (!builder_inside(b, "bmc_build_end", IN_ANY)) return BMC_INPUT;
    const bool step = b->kind == BMC_STEP;
    if (!b->has_body) add_head(b, &b->text);
    for (uint32_t n = b->has_body ? 0 : step ? 2 : 1; n > 0; n--)
        vec_push(b->ctx->arena, &b->line_values, 0);
    b->open = false;
    b->locals.len = 0;
    if (step) builder_line(b, 0, "  }");
    builder_line(b, 0, "}");
    builder_line(b, 0, "");
    return BMC_OK;
}

BmcValue bmc_build_let(BmcBuilder *b, const char *name, BmcValue value) {
    static const char CALL[] = "bmc_build_let";
    BUILDER_VALUE(b);
    if (name == NULL || !builder_outside(b, CALL)) return (BmcValue){0};
    const char *text = builder_operand(b, CALL, value, VALUE_PLAIN);
    if (text == NULL || !builder_declare(b, CALL, name, true)) return (BmcValue){0};
    const BmcValue let = builder_value(b, arena_strdup(b->ctx->arena, name), true, VALUE_PLAIN);
    builder_line(b, let.id, arena_printf(b->ctx->arena, "let %s = %s", name, text));
    return let;
}

BmcStatus bmc_build_source(BmcBuilder *b, const char *text) {
    BUILDER_STATUS(b);
    if (text == NULL) return BMC_ARGUMENT;
    if (!builder_outside(b, "bmc_build_source")) return BMC_INPUT;
    const size_t len = strlen(text);
    text_add_n(&b->text, text, len);
    if (len == 0 || text[len - 1] != '\n') text_char(&b->text, '\n');
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\n') vec_push(b->ctx->arena, &b->line_values, 0);
    if (len == 0 || text[len - 1] != '\n') vec_push(b->ctx->arena, &b->line_values, 0);
    return BMC_OK;
}

/* ------------------------------------------------------------------ the whole */

const char *bmc_builder_text(BmcBuilder *b) {
    BUILDER_ENTER(b, NULL, NULL);
    if (!b->open || b->has_body) return text_str(&b->text);
    Text shown = {.arena = b->ctx->arena}; /* the head, though more inputs may come */
    text_add_n(&shown, b->text.data, b->text.len);
    add_head(b, &shown);
    return text_str(&shown);
}

/* The compiler's diagnostics, with the value of the line they mean. */
static void tell_value(void *user, const BmcDiagnostic *d) {
    const BmcBuilder *b = user;
    BmcDiagnostic told = *d;
    if (b->on_diagnostic == NULL) return;
    const bool ours = d->file && strcmp(d->file, b->name) == 0;
    if (ours && d->line >= 1 && d->line <= b->line_values.len)
        told.value = b->line_values.data[d->line - 1];
    b->on_diagnostic(b->user, &told);
}

BmcStatus bmc_builder_compile(BmcBuilder *b, const BmcOptions *options, BmcModel **out) {
    if (out) *out = NULL;
    BUILDER_STATUS(b);
    if (out == NULL || options == NULL || options->size_bytes > sizeof(BmcOptions) ||
        options->size_bytes < offsetof(BmcOptions, cache))
        return BMC_ARGUMENT;
    if (!builder_outside(b, "bmc_builder_compile") || b->wrong) return BMC_INPUT;
    BmcOptions own = {0};
    memcpy(&own, options, options->size_bytes);
    own.on_diagnostic = tell_value;
    own.user = b;
    return bmc_compile_text(b->name, text_str(&b->text), b->text.len, &own, out);
}
