/* Strings in and out of `bmc run`: names of categories. */
#include "compiler/driver/string_arrays.h"
#include "compiler/driver/file_output.h"
#include "runtime/train/train.h"

enum { TEXT_FILE_LIMIT = 1 << 28 };

typedef VEC(const char *) Strings;

bool array_alloc_strings(Context *ctx, Array *a) {
    Array pointers = *a;
    pointers.dtype = BMRT_U64; /* of a pointer's size */
    if (!array_alloc(ctx, &pointers)) return false;
    a->data = pointers.data;
    a->bytes = pointers.bytes;
    a->strings = true;
    return true;
}

static bool finish(Context *ctx, const Strings *all, Array *out) {
    *out = (Array){.dtype = BMRT_I32, .rank = 1, .dims = {all->len}};
    if (!array_alloc_strings(ctx, out)) return false;
    if (all->len) memcpy(out->data, all->data, all->len * sizeof *all->data);
    return true;
}

static bool wrong(Context *ctx, const char *text, const char *why) {
    Diag *d =
        ctx_error(ctx, E_RUN_ARGUMENT, (Span){0}, "`%s` is no list of strings: %s", text, why);
    diag_help(d, "`[first, \"second, with a comma\"]`, or a file of lines: `names.txt`");
    return false;
}

/* A quoted string at *at, with \" and \\ inside; NULL: never closed. */
static const char *quoted(Context *ctx, const char **at) {
    Text t = {.arena = ctx->arena};
    const char *c = *at + 1;
    for (; *c && *c != '"'; c++) {
        if (*c == '\\' && (c[1] == '"' || c[1] == '\\')) c++;
        text_char(&t, *c);
    }
    if (!*c) return NULL;
    *at = c + 1;
    return t.len ? text_str(&t) : "";
}

static const char *plain(Context *ctx, const char **at) {
    size_t length = strcspn(*at, ",]"), used = length;
    while (used && ((*at)[used - 1] == ' ' || (*at)[used - 1] == '\t')) used--;
    const char *text = arena_strndup(ctx->arena, *at, used);
    *at += length;
    return text;
}

static bool list(Context *ctx, const char *text, Array *out) {
    Strings all = {0};
    const char *at = text + 1;
    for (;;) {
        at += strspn(at, " \t");
        if (*at == ']' && all.len == 0) break;
        const char *item = *at == '"' ? quoted(ctx, &at) : plain(ctx, &at);
        if (!item) return wrong(ctx, text, "a quote is never closed");
        vec_push(ctx->arena, &all, item);
        at += strspn(at, " \t");
        if (*at == ']') break;
        if (*at != ',') return wrong(ctx, text, *at ? "a comma is missing" : "`]` is missing");
        at++;
    }
    if (at[1]) return wrong(ctx, text, "something follows it");
    return finish(ctx, &all, out);
}

static bool lines(Context *ctx, const char *path, Array *out) {
    Strings all = {0};
    size_t len;
    char *text = file_read(ctx, path, TEXT_FILE_LIMIT, &len);
    if (!text) return false;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t stop = end ? (size_t)(end - text) : len, used = stop;
        if (used > at && text[used - 1] == '\r') used--;
        vec_push(ctx->arena, &all, (const char *)arena_strndup(ctx->arena, text + at, used - at));
        at = stop + 1;
    }
    return finish(ctx, &all, out);
}

bool array_strings(Context *ctx, const char *text, Array *out) {
    size_t n = strlen(text);
    if (*text == '[') return list(ctx, text, out);
    if (n > 4 && strcmp(text + n - 4, ".txt") == 0) return lines(ctx, text, out);
    Strings one = {0};
    vec_push(ctx->arena, &one, text);
    return finish(ctx, &one, out);
}

void string_print(Text *out, const char *text) {
    size_t need = bmrt_json_string(text, NULL, 0);
    char *json = arena_alloc(out->arena, need + 1);
    bmrt_json_string(text, json, need + 1);
    text_add(out, json);
}
