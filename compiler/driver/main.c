/* The `bmc` program: read the command line, run one command, show what it reported. */
#include "compiler/driver/cli_session.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

typedef ExitCode (*CommandFn)(Session *s);
static const CommandFn COMMAND_FUNCTIONS[] = {
#define COMMAND(name, arguments, summary, text) command_##name,
#include "compiler/driver/commands.def"
#undef COMMAND
};

/* BUG() has printed where; a bug of bmc leaves with its own exit code instead of a signal. */
static void on_abort(int signal_number) {
    (void)signal_number;
    static const char text[] = "bmc: internal error, see above; unless memory ran out, this is a "
                               "bug of bmc: please report it\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(EXIT_CODE_BUG);
}

static bool want_color(const Options *o) {
    const char *when = o->value[OPTION_color];
    if (when && strcmp(when, "always") == 0) return true;
    if (when && strcmp(when, "never") == 0) return false;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color && *no_color) return false;
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static void session_configure(Session *s) {
    const Options *o = &s->options;
    s->json = option_given(o, OPTION_json);
    s->quiet = option_given(o, OPTION_quiet);
    s->verbose = option_given(o, OPTION_verbose);
    s->color = want_color(o);
    s->progress = isatty(STDERR_FILENO) && !s->quiet && !s->json;
    diags_warnings_are_errors(s->ctx->diags, option_given(o, OPTION_werror));
}

static ExitCode run(Session *s, int argc, char **argv) {
    jmp_buf recovery;
    if (setjmp(recovery)) {
        fputs("bmc: error: out of memory\n", s->err);
        return EXIT_CODE_RUN;
    }
    arena_on_oom(s->ctx->arena, &recovery);
    bool understood = options_parse(s->ctx, argc, argv, &s->options);
    session_configure(s);
    ExitCode code = EXIT_CODE_USAGE;
    if (argc < 2) { /* asked for nothing: say what there is, but as a mistake */
        s->out = s->err;
        command_help(s);
    } else if (understood)
        code = COMMAND_FUNCTIONS[s->options.command](s);
    session_show(s);
    return code;
}

int main(int argc, char **argv) {
    Session session = {.ctx = context_create(), .out = stdout, .err = stderr};
    if (session.ctx == NULL) {
        fputs("bmc: error: out of memory\n", stderr);
        return EXIT_CODE_RUN;
    }
    signal(SIGABRT, on_abort);
    signal(SIGPIPE, SIG_IGN); /* a reader that left is a failed write, reported below */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that grows beyond `ulimit -f` */
    ExitCode code = run(&session, argc, argv);
    context_destroy(session.ctx);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE)
            fprintf(stderr, "bmc: error: cannot write standard output: %s\n", strerror(errno));
        if (code == EXIT_CODE_OK) code = EXIT_CODE_RUN;
    }
    return (int)code;
}
