/* bmc lsp: the language server, on standard input and output. */
#include "compiler/driver/cli_session.h"
#include "compiler/lsp/server.h"

ExitCode command_lsp(Session *s) {
    if (!session_words(s, 0, 0)) return EXIT_CODE_USAGE;
    return lsp_serve(stdin, s->out, BMC_VERSION) == 0 ? EXIT_CODE_OK : EXIT_CODE_RUN;
}
