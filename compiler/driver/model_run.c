/* Paths and failures of a running model. */
#include "compiler/driver/model_run.h"
#include <unistd.h>

const char *model_folder(const Pipeline *p) {
    const char *path = p->session->options.words.data[0];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return ".";
    if (slash == path) return "/";
    return arena_strndup(p->ctx->arena, path, (size_t)(slash - path));
}

/* The byte span of one place of the file; columns count characters. */
static Span place_span(const Pipeline *p, const char *name, uint32_t line, uint32_t column) {
    uint32_t file = name ? sources_find(p->ctx->sources, name) : p->file;
    if (file == 0) return (Span){0};
    const Source *source = sources_get(p->ctx->sources, file);
    uint32_t at = 0;
    for (uint32_t l = 1; l < line && at < source->len; at++) l += source->text[at] == '\n';
    for (uint32_t c = 1; c < column && at < source->len; c++) {
        at++;
        while (at < source->len && ((unsigned char)source->text[at] & 0xc0) == 0x80) at++;
    }
    uint32_t end = at;
    while (end < source->len && !strchr(" \t\r\n,:)", source->text[end])) end++;
    return (Span){file, at, end > at ? end : at + 1};
}

_Static_assert(E_RUN_BUSY - E_RUN_ARGUMENT == BMRT_BUSY - BMRT_ARGUMENT,
               "codes.def lists the run-time codes in the order of BmrtStatus");

void model_run_notes(Diag *d, const char *lines) {
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        if (strncmp(lines, "same shape: ", 12) == 0)
            diag_help(d, "%.*s", (int)len, lines);
        else if (len)
            diag_note(d, "%.*s", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

Diag *model_run_error(Pipeline *p, BmrtStatus status, const char *message) {
    return model_run_error_at(p, status, NULL, 0, 0, message);
}

Diag *model_run_error_at(Pipeline *p, BmrtStatus status, const char *file, uint32_t line,
                         uint32_t column, const char *message) {
    Code code = (Code)(E_RUN_ARGUMENT + (status - BMRT_ARGUMENT));
    Span span = line ? place_span(p, file, line, column) : (Span){0};
    if (!*message) message = bmrt_status_name(status);
    size_t head = strcspn(message, "\n");
    Diag *d = ctx_error(p->ctx, code, span, "%.*s", (int)head, message);
    model_run_notes(d, message + head + (message[head] == '\n'));
    return d;
}

/* The file that `save:` names in the model's text: a command that compiles no train block, such as
 * `run`, knows it no other way. NULL: none, or one that is computed. */
static const char *save_in_text(const Pipeline *p) {
    for (uint32_t i = 0; p->tree && i < p->tree->count; i++) {
        const Node *block = p->tree->kids[i];
        for (uint32_t k = 0; block && block->kind == NODE_TRAIN && k < block->count; k++) {
            const Node *entry = block->kids[k], *e = node_kid(entry, 0);
            if (entry->kind != NODE_SETTING || strcmp(entry->name->text, "save") != 0) continue;
            if (e && e->kind == NODE_CALL) e = node_kid(e, 1);
            if (e && e->kind == NODE_ARG) e = node_kid(e, 0);
            return e && e->kind == NODE_STRING ? arena_strndup(p->ctx->arena, e->text, e->text_len)
                                               : NULL;
        }
    }
    return NULL;
}

const char *model_weights(Pipeline *p, const BmrtTrainOptions *options, char *path, size_t size) {
    BmrtTrainOptions named = *options;
    if (!named.save_path && p->program->train.len == 0) named.save_path = save_in_text(p);
    if (!bmrt_save_path(codegen_jit_model(p->jit), &named, path, size)) {
        session_error(p->session, E_RUN_IO, "the path of the weights is too long");
        return NULL;
    }
    if (access(path, F_OK) == 0) return path;
    const char *model = p->session->options.words.data[0];
    Diag *d = session_error(p->session, E_RUN_IO, "there are no weights: no file `%s`", path);
    diag_help(d, "train first: `bmc train %s`", model);
    diag_help(d, "or name the weights: `--init FILE.safetensors`");
    return NULL;
}
