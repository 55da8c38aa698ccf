/* bmc fmt: files in canonical form. */
#include "compiler/driver/cli_session.h"
#include "compiler/driver/file_output.h"
#include "compiler/syntax/syntax.h"

/* Counts in *changed a file that would change; writes it unless --check was given. */
static ExitCode format_file(Session *s, const char *path, uint32_t *changed) {
    uint32_t file = session_read(s, path);
    Text text = {.arena = s->ctx->arena};
    if (file == 0 || !syntax_format(s->ctx, file, &text)) return EXIT_CODE_INPUT;
    const Source *source = sources_get(s->ctx->sources, file);
    bool same = text.len == source->len && memcmp(text_str(&text), source->text, text.len) == 0;
    if (!same) (*changed)++;
    if (option_given(&s->options, OPTION_check)) {
        if (!same) fprintf(s->out, "%s\n", path);
        return EXIT_CODE_OK;
    }
    if (strcmp(path, "-") == 0) {
        fwrite(text_str(&text), 1, text.len, s->out);
        return EXIT_CODE_OK;
    }
    if (same) return EXIT_CODE_OK;
    return file_replace(s->ctx, path, text_str(&text), text.len) ? EXIT_CODE_OK : EXIT_CODE_RUN;
}

ExitCode command_fmt(Session *s) {
    if (!session_words(s, 1, UINT32_MAX)) return EXIT_CODE_USAGE;
    uint32_t changed = 0;
    ExitCode worst = EXIT_CODE_OK;
    for (uint32_t i = 0; i < s->options.words.len; i++) {
        ExitCode code = format_file(s, s->options.words.data[i], &changed);
        if (code > worst) worst = code;
    }
    if (worst == EXIT_CODE_OK && changed > 0 && option_given(&s->options, OPTION_check))
        return EXIT_CODE_INPUT;
    return worst;
}
