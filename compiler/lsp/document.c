/* One analysis has one context: it is thrown away as a whole when the text changes. */
#include "compiler/lsp/document.h"
#include "compiler/autodiff/autodiff.h"
#include "compiler/lsp/text_position.h"
#include "compiler/syntax/syntax.h"

#include <setjmp.h>
#include <stdlib.h>

static char *text_copy(const char *text, size_t length) {
    char *copy = length < UINT32_MAX ? malloc(length + 1) : NULL;
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

bool document_change(Document *d, const char *text, size_t length) {
    char *copy = text_copy(text, length);
    if (!copy) return false;
    free(d->text);
    d->text = copy;
    d->length = (uint32_t)length;
    return true;
}

Document *document_open(const char *uri, const char *text, size_t length) {
    Document *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->uri = text_copy(uri, strlen(uri));
    if (d->uri && document_change(d, text, length)) return d;
    document_close(d);
    return NULL;
}

void document_close(Document *d) {
    if (d->ctx) context_destroy(d->ctx);
    free(d->uri);
    free(d->text);
    free(d);
}

/* ------------------------------------------------------------------ analysis */

/* "file:///home/me/net.bm" -> "/home/me/net.bm"; other schemes stay as they are. */
static const char *uri_path(Arena *arena, const char *uri) {
    static const char scheme[] = "file://";
    if (strncmp(uri, scheme, sizeof scheme - 1) != 0) return uri;
    Text t = {.arena = arena};
    for (const char *c = uri + sizeof scheme - 1; *c; c++) {
        char hex[3] = {c[0] == '%' ? c[1] : '\0', c[0] == '%' && c[1] ? c[2] : '\0', '\0'};
        char *end = hex;
        long byte = strtol(hex, &end, 16);
        if (end == hex + 2 && byte > 0) {
            text_char(&t, (char)byte);
            c += 2;
        } else {
            text_char(&t, *c);
        }
    }
    return t.data ? text_str(&t) : "";
}

static void note_value(void *user, Span span, const char *text) {
    Document *d = user;
    Note note = {span, text};
    if (span.file == d->file) vec_push(d->ctx->arena, &d->notes, note);
}

typedef struct Use { /* of one analysis */
    const UseFiles *files;
    Context *ctx;
} Use;

static bool use_open(void *user, Span at, const char *path, SemaFile *out) {
    const Use *use = user;
    return use->files->open(use->files->user, use->ctx, at, path, out);
}

static void declared_only(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out) {
    (void)in;
    (void)in_count;
    (void)out;
    BUG("an analysis calls no function");
}

static BmrtExternFn take_declared(void *user, const char *name, const char **missing) {
    (void)user;
    (void)name;
    (void)missing;
    return declared_only;
}

static void analyse(Document *d, const UseFiles *files) {
    Context *ctx = d->ctx;
    d->file = sources_add(ctx->sources, uri_path(ctx->arena, d->uri), d->text, d->length, 0);
    d->tree = syntax_parse(ctx, d->file);
    SemaWatch watch = {note_value, d};
    SemaOptions options = {.stem = "model", .roots = SEMA_ALL, .watch = &watch};
    Use use = {files, ctx};
    options.identity = sources_get(ctx->sources, d->file)->name;
    if (files) options.open_file = use_open;
    options.open_user = &use;
    options.find_extern = files && files->find_extern ? files->find_extern : take_declared;
    options.extern_user = files ? files->extern_user : NULL;
    Program *program = sema_run(ctx, d->tree, &options);
    for (uint32_t i = 0; program && i < program->entries.len; i++)
        autodiff_run(program->entries.data[i].graph); /* a gradient that cannot be is found here */
}

void document_analyse(Document *d, const UseFiles *files) {
    jmp_buf recovery;
    if (d->ctx) context_destroy(d->ctx);
    d->tree = NULL;
    memset(&d->notes, 0, sizeof d->notes);
    d->ctx = context_create();
    if (!d->ctx) return;
    if (setjmp(recovery)) {
        context_destroy(d->ctx);
        d->ctx = NULL;
        return;
    }
    arena_on_oom(d->ctx->arena, &recovery);
    analyse(d, files);
    arena_on_oom(d->ctx->arena, NULL);
}

const char *document_value(const Document *d, uint32_t offset, uint32_t *begin, uint32_t *end) {
    const Note *best = NULL;
    for (uint32_t i = 0; d->ctx && i < d->notes.len; i++) {
        const Note *n = &d->notes.data[i];
        if (offset < n->span.begin || offset >= n->span.end) continue;
        if (!best || n->span.end - n->span.begin < best->span.end - best->span.begin) best = n;
    }
    if (!best) return NULL;
    *begin = best->span.begin;
    *end = best->span.end;
    return best->text;
}

/* ------------------------------------------------------------------ diagnostics */

static void add_line(Text *t, const char *lead, const char *line) {
    text_printf(t, "\n%s%s", lead, line);
}

static json_t *related_json(const Document *d, const Diag *diag) {
    json_t *related = json_array();
    for (uint32_t i = 0; i < diag->labels.len; i++) {
        const DiagLabel *label = &diag->labels.data[i];
        if (label->span.file != d->file) continue;
        json_array_append_new(
            related, json_pack("{s:{s:s,s:o},s:s}", "location", "uri", d->uri, "range",
                               range_json(d->text, d->length, label->span.begin, label->span.end),
                               "message", label->text));
    }
    return related;
}

static json_t *diagnostic_json(const Document *d, const Diag *diag) {
    Text t = {.arena = d->ctx->arena};
    Span at = diag->span.file == d->file ? diag->span : (Span){d->file, 0, 0};
    text_add(&t, diag->message);
    if (diag->span.file && diag->span.file != d->file) {
        Place place = sources_place(d->ctx->sources, diag->span);
        text_printf(&t, "\nin %s:%u:%u", place.name, place.line, place.column);
    }
    if (diag->caret) add_line(&t, "", diag->caret);
    for (uint32_t i = 0; i < diag->notes.len; i++) add_line(&t, "note: ", diag->notes.data[i]);
    for (uint32_t i = 0; i < diag->helps.len; i++) add_line(&t, "help: ", diag->helps.data[i]);
    return json_pack(
        "{s:o,s:i,s:s,s:s,s:s,s:o}", "range", range_json(d->text, d->length, at.begin, at.end),
        "severity", diag->severity == SEVERITY_ERROR ? 1 : 2, "code", code_info(diag->code)->id,
        "source", "bmc", "message", text_str(&t), "relatedInformation", related_json(d, diag));
}

json_t *document_diagnostics(const Document *d) {
    json_t *list = json_array();
    for (uint32_t i = 0; d->ctx && i < diags_count(d->ctx->diags); i++)
        json_array_append_new(list, diagnostic_json(d, diags_get(d->ctx->diags, i)));
    return list;
}

/* ------------------------------------------------------------------ formatting */

char *document_formatted(const Document *d) {
    jmp_buf recovery;
    char *volatile copy = NULL; /* set after setjmp */
    Context *ctx = context_create();
    if (!ctx) return NULL;
    if (!setjmp(recovery)) {
        arena_on_oom(ctx->arena, &recovery);
        uint32_t file = sources_add(ctx->sources, "text", d->text, d->length, 0);
        Text t = {.arena = ctx->arena};
        if (syntax_format(ctx, file, &t)) copy = text_copy(t.data ? t.data : "", t.len);
    }
    context_destroy(ctx);
    return copy;
}
