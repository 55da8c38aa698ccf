/* bmc lsp: the language server, on standard input and output. */
#include "compiler/driver/extern_library.h"
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
    Pipeline p = {.session = s, .ctx = s->ctx}; /* of it, only the libraries */
    UseFiles files = {.open = open_used, .user = s};
    if (s->options.libraries.len) {
        files.find_extern = extern_library_find;
        files.extern_user = &p;
    }
    int failed = lsp_serve(stdin, s->out, BMC_VERSION, &files);
    extern_library_close(&p);
    return failed ? EXIT_CODE_RUN : EXIT_CODE_OK;
}
