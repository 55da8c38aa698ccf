/* How bmc speaks: diagnostics, files, exit codes. */
#include "compiler/driver/cli_session.h"
#include "compiler/driver/file_output.h"
#include "compiler/support/json.h"
#include <ctype.h>

enum { SOURCE_LIMIT_BYTES = 16 << 20 }; /* a model is text written by hand */

uint32_t session_read(Session *s, const char *path) {
    size_t len = 0;
    char *text = file_read(s->ctx, path, SOURCE_LIMIT_BYTES, &len);
    if (text == NULL) return 0;
    const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;
    return sources_add(s->ctx->sources, name, text, (uint32_t)len, 0);
}

static void show_json(Session *s, const Diag *d) {
    Text t = {.arena = s->ctx->arena};
    json_open(&t, NULL, '{');
    json_text(&t, "event", d->severity == SEVERITY_ERROR ? "error" : "warning");
    json_text(&t, "code", code_info(d->code)->id);
    if (d->span.file) {
        Place place = sources_place(s->ctx->sources, d->span);
        json_text(&t, "file", place.name);
        json_integer(&t, "line", place.line);
        json_integer(&t, "column", place.column);
    }
    json_text(&t, "message", d->message);
    if (d->notes.len) {
        json_open(&t, "notes", '[');
        for (uint32_t i = 0; i < d->notes.len; i++) json_text(&t, NULL, d->notes.data[i]);
        json_close(&t, ']');
    }
    if (d->helps.len) {
        json_open(&t, "helps", '[');
        for (uint32_t i = 0; i < d->helps.len; i++) json_text(&t, NULL, d->helps.data[i]);
        json_close(&t, ']');
    }
    json_close(&t, '}');
    fprintf(s->out, "%s\n", text_str(&t));
}

void session_show(Session *s) {
    const Diags *diags = s->ctx->diags;
    Text t = {.arena = s->ctx->arena};
    fflush(s->out);
    for (; s->shown < diags_count(diags); s->shown++) {
        Diag d = *diags_get(diags, s->shown);
        if (option_given(&s->options, OPTION_werror)) d.severity = SEVERITY_ERROR;
        if (s->json)
            show_json(s, &d);
        else
            diag_render(&t, s->ctx->sources, &d, s->color);
    }
    fputs(text_str(&t), s->err);
    fflush(s->json ? s->out : s->err);
}

ExitCode session_exit(const Session *s, ExitCode otherwise) {
    return diags_errors(s->ctx->diags) > 0 ? EXIT_CODE_INPUT : otherwise;
}

ExitCode session_write(Session *s, const char *text, size_t len) {
    const char *path = s->options.value[OPTION_output];
    if (path && strcmp(path, "-") != 0)
        return file_replace(s->ctx, path, text, len) ? EXIT_CODE_OK : EXIT_CODE_RUN;
    fwrite(text, 1, len, s->out);
    return EXIT_CODE_OK; /* main checks standard output once, at the end */
}

const char *session_stem(Session *s, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t len = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    char *stem = arena_strndup(s->ctx->arena, name, len);
    for (char *c = stem; *c; c++)
        if (!isalnum((unsigned char)*c)) *c = '_';
    if (*stem == '\0' || isdigit((unsigned char)*stem))
        return arena_printf(s->ctx->arena, "m%s", stem);
    return stem;
}

bool session_words(Session *s, uint32_t low, uint32_t high) {
    const CommandInfo *c = command_info(s->options.command);
    uint32_t given = s->options.words.len;
    if (given >= low && given <= high) return true;
    Diag *d = given < low
                  ? session_error(s, E_OPTION, "`bmc %s` wants more than it got", c->name)
                  : session_error(s, E_OPTION, "`bmc %s` does not know what to do with `%s`",
                                  c->name, s->options.words.data[high]);
    diag_help(d, "usage: bmc %s %s", c->name, c->arguments);
    return false;
}
