/* bmc lsp: the language server, on standard input and output. */
#include "compiler/driver/cli_session.h"
#include "compiler/driver/use_file.h"
#include "compiler/lsp/server.h"

/* As on the command line, but into the context of one analysis. */
static bool open_used(void *user, Context *ctx, Span at, const char *path, SemaFile *out) {
    Session analysis = *(const Session *)user;
    analysis.ctx = ctx;
    return use_file_open(&analysis, at, path, out);
}

ExitCode command_lsp(Session *s) {
    if (!session_words(s, 0, 0)) return EXIT_CODE_USAGE;
    UseFiles files = {open_used, s};
    return lsp_serve(stdin, s->out, BMC_VERSION, &files) == 0 ? EXIT_CODE_OK : EXIT_CODE_RUN;
}
