/* The language server: `bmc lsp`. Speaks the Language Server Protocol 3.17 on a pair of streams. */
#ifndef BMC_LSP_SERVER_H
#define BMC_LSP_SERVER_H

#include "compiler/lsp/document.h"

#include <stdio.h>

/* Serves until the client says `exit` or closes the stream. 0: it said `shutdown` before; 1: it did
 * not, or memory ran out. `files`: how `use` reads other files. */
int lsp_serve(FILE *in, FILE *out, const char *version, const UseFiles *files);

#endif
