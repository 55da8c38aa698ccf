/* One run of the `bmc` program: its options, its context, and how it speaks to the user. This
 * folder is the only place that prints. */
#ifndef BMC_DRIVER_CLI_SESSION_H
#define BMC_DRIVER_CLI_SESSION_H

#include "compiler/driver/options.h"
#include <stdio.h>

typedef enum ExitCode { /* documented in docs/cli.md and `bmc help exit-codes` */
                        EXIT_CODE_OK = 0,
                        EXIT_CODE_INPUT =
                            1, /* the program or its settings are wrong; nothing was run */
                        EXIT_CODE_USAGE = 2, /* the command line is wrong */
                        EXIT_CODE_RUN = 3,   /* reading data, training, calling or writing failed */
                        EXIT_CODE_BUG = 4,   /* a bug of bmc */
                        EXIT_CODE_INTERRUPTED = 130
} ExitCode;

typedef struct Session {
    Context *ctx;
    Options options;
    FILE *out, *err;
    bool json, color, quiet, verbose;
    bool progress;  /* standard error is a terminal, and a bar is welcome */
    uint32_t shown; /* diagnostics already shown */
} Session;

/* What each command implements. Diagnostics in the context are shown by the caller. */
#define COMMAND(name, arguments, summary, text) ExitCode command_##name(Session *s);
#include "compiler/driver/commands.def"
#undef COMMAND

/* Reads a .bm file into the context; 0, with E_FILE, when that fails. "-": standard input. */
uint32_t session_read(Session *s, const char *path);
/* Shows the diagnostics that were not shown yet: standard error, or JSON on standard output. */
void session_show(Session *s);
/* Writes text to the -o file (atomically: a temporary file, then rename) or to standard output. */
ExitCode session_write(Session *s, const char *text, size_t len);
/* EXIT_CODE_INPUT when errors were reported, else `otherwise`. */
ExitCode session_exit(const Session *s, ExitCode otherwise);
/* "width" of "models/width.bm", made a C identifier. */
const char *session_stem(Session *s, const char *path);
/* At least `low` and at most `high` words are wanted; E_OPTION else. */
bool session_words(Session *s, uint32_t low, uint32_t high);

/* `Error` without a place in a source file. */
#define session_error(s, code, ...) ctx_error((s)->ctx, (code), ((Span){0}), __VA_ARGS__)

#endif
