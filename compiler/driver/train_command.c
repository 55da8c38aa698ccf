/* bmc train and bmc test: compile into this process, let the runtime do the work, show its events.
 */
#include "compiler/driver/model_run.h"
#include "compiler/driver/table.h"
#include "runtime/train/train.h"
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Ctrl-C.  SIGINT and SIGTERM are blocked everywhere; a thread waits for them and raises the
 * flag that the trainer looks at between two steps. A second one ends the program at once. */

typedef struct Interrupt {
    volatile sig_atomic_t stop;
    pthread_t thread;
    sigset_t signals, before;
    bool running;
} Interrupt;

static void *interrupt_wait(void *argument) {
    Interrupt *in = argument;
    int number = 0;
    while (sigwait(&in->signals, &number) == 0 && number != SIGUSR2) {
        if (in->stop) _exit(EXIT_CODE_INTERRUPTED);
        in->stop = 1;
    }
    return NULL;
}

static void interrupt_open(Interrupt *in) {
    *in = (Interrupt){0};
    sigemptyset(&in->signals);
    sigaddset(&in->signals, SIGINT);
    sigaddset(&in->signals, SIGTERM);
    sigaddset(&in->signals, SIGUSR2); /* ends the wait */
    pthread_sigmask(SIG_BLOCK, &in->signals, &in->before);
    in->running = pthread_create(&in->thread, NULL, interrupt_wait, in) == 0;
    if (!in->running)
        pthread_sigmask(SIG_SETMASK, &in->before, NULL); /* then Ctrl-C just ends bmc */
}

static void interrupt_close(Interrupt *in) {
    if (!in->running) return;
    pthread_kill(in->thread, SIGUSR2);
    pthread_join(in->thread, NULL);
    pthread_sigmask(SIG_SETMASK, &in->before, NULL);
}

/* ---- events */

typedef struct Display {
    Session *s;
    const Pipeline *p;
    bool bar;  /* a bar is on the terminal now */
    bool told; /* the line about the model is out */
} Display;

static int terminal_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void show_bar(Display *d, const BmrtEvent *e) {
    char line[1024];
    if (!d->s->progress) return;
    bmrt_progress_bar(e, terminal_width(), d->s->color, 1, line, sizeof line);
    fputs(line, d->s->err);
    fflush(d->s->err);
    d->bar = true;
}

static void clear_bar(Display *d) {
    if (!d->bar) return;
    fputs(bmrt_progress_clear(), d->s->err);
    fflush(d->s->err);
    d->bar = false;
}

/* "235,146 parameters, 60,000 rows, 1,875 steps an epoch; compiled in 0.24 s" */
static void show_begin(Display *d, const BmrtEvent *e) {
    if (d->told || d->s->quiet || d->s->json) return;
    const BmrtModel *model = codegen_jit_model(d->p->jit);
    int64_t parameters = 0;
    double seconds = 0;
    for (uint32_t i = 0; i < model->slot_count; i++)
        if (model->slots[i].kind == BMRT_SLOT_PARAM)
            parameters += model->slots[i].bytes / (int64_t)bmrt_dtype_bytes(model->slots[i].dtype);
    for (int i = 0; i < PASS_COUNT; i++) seconds += d->p->pass_us[i] * 1e-6;
    Arena *arena = d->s->ctx->arena;
    fprintf(d->s->out, "%s parameters, %s rows, %s steps an epoch; compiled in %.2f s\n",
            table_count(arena, (double)parameters), table_count(arena, (double)e->rows),
            table_count(arena, (double)e->epoch_steps), seconds);
    fflush(d->s->out);
    d->told = true;
}

static bool is_quiet_event(const Session *s, BmrtEventKind kind) {
    return s->quiet && kind != BMRT_EVENT_TEST && kind != BMRT_EVENT_WARNING &&
           kind != BMRT_EVENT_SHOW;
}

static void on_event(void *user, const BmrtEvent *e) {
    Display *d = user;
    if (e->kind == BMRT_EVENT_BEGIN) show_begin(d, e);
    if (e->kind == BMRT_EVENT_BEGIN || e->kind == BMRT_EVENT_TICK) {
        show_bar(d, e);
        return;
    }
    clear_bar(d);
    char line[4096];
    FILE *to = d->s->out;
    line[0] = '\0';
    if (d->s->json) {
        bmrt_event_json(e, line, sizeof line);
    } else if (!is_quiet_event(d->s, e->kind)) {
        bmrt_event_line(e, d->s->color && isatty(STDOUT_FILENO), line, sizeof line);
        if (e->kind == BMRT_EVENT_WARNING) to = d->s->err;
    }
    if (*line == '\0') return;
    fprintf(to, "%s\n", line);
    fflush(to);
}

/* ---- the commands */

static BmrtTrainOptions runtime_options(const Pipeline *p, const Interrupt *in, Display *display) {
    const Options *o = &p->session->options;
    return (BmrtTrainOptions){
        .size_bytes = sizeof(BmrtTrainOptions),
        .block = o->words.len > 1 ? o->words.data[1] : NULL,
        .data_dir = o->value[OPTION_data],
        .model_dir = model_folder(p),
        .allow_paths = option_given(o, OPTION_allow_paths),
        .threads = (int32_t)option_number(o, OPTION_threads, 0),
        .seed_given = option_given(o, OPTION_seed),
        .seed = option_number(o, OPTION_seed, 0),
        .init_path = o->value[OPTION_init],
        .init_only = o->only.data,
        .init_only_count = o->only.len,
        .init_rename = o->renames.data,
        .init_rename_count = o->renames.len / 2,
        .fold = (uint32_t)option_number(o, OPTION_fold, 0),
        .save_path = o->value[OPTION_save],
        .tick_seconds = p->session->progress ? 0.1 : 0,
        .stop = &in->stop,
        .event = on_event,
        .user = display,
    };
}

typedef BmrtStatus (*RuntimeFn)(const BmrtModel *model, const BmrtTrainOptions *options,
                                BmrtReport *report);

static ExitCode run_blocks(Pipeline *p, BmrtTrainOptions *options, RuntimeFn run,
                           Display *display) {
    BmrtReport report = {0};
    BmrtStatus status = run(codegen_jit_model(p->jit), options, &report);
    clear_bar(display);
    if (status != BMRT_OK) {
        Diag *d =
            model_run_error_at(p, status, report.file, report.line, report.column, report.message);
        model_run_notes(d, report.note);
        return EXIT_CODE_RUN;
    }
    if (!report.interrupted) return EXIT_CODE_OK;
    if (!p->session->quiet && !p->session->json)
        fprintf(p->session->err, "interrupted after %lld steps; go on with `--resume`\n",
                (long long)report.steps);
    return EXIT_CODE_INTERRUPTED;
}

static ExitCode train_model(Pipeline *p, BmrtTrainOptions *options, Display *display) {
    const char *resume = p->session->options.value[OPTION_resume];
    char path[4096];
    if (resume && *resume == '\0') {
        if (!bmrt_resume_path(codegen_jit_model(p->jit), options, path, sizeof path)) {
            Diag *d = session_error(p->session, E_RUN_IO, "there is no run to go on with");
            diag_note(d, "neither the checkpoint nor the weights of an earlier run are there");
            diag_help(d, "start one by leaving out `--resume`, or name its file: `--resume=FILE`");
            return EXIT_CODE_RUN;
        }
        resume = path;
    }
    options->resume_path = resume;
    return run_blocks(p, options, bmrt_train, display);
}

static ExitCode test_model(Pipeline *p, BmrtTrainOptions *options, Display *display) {
    char path[4096];
    if (options->init_path == NULL)
        options->init_path = model_weights(p, options, path, sizeof path);
    if (options->init_path == NULL) return EXIT_CODE_RUN;
    return run_blocks(p, options, bmrt_test, display);
}

typedef ExitCode (*ModelFn)(Pipeline *p, BmrtTrainOptions *options, Display *display);

/* A misspelt --data must not fall back to the model's folder in silence. */
static bool check_data_folder(Session *s) {
    const char *folder = s->options.value[OPTION_data];
    struct stat facts;
    if (folder == NULL || (stat(folder, &facts) == 0 && S_ISDIR(facts.st_mode))) return true;
    session_error(s, E_RUN_IO, "`--data %s`: there is no such folder", folder);
    return false;
}

/* --only and --rename say what to take from --init. */
static bool check_init_options(Session *s) {
    static const OptionId parts[] = {OPTION_only, OPTION_rename};
    for (int i = 0; i < 2; i++) {
        if (!option_given(&s->options, parts[i]) || option_given(&s->options, OPTION_init))
            continue;
        Diag *d =
            session_error(s, E_OPTION, "`%s` goes with `--init`", option_info(parts[i])->spelling);
        diag_help(d, "`--init FILE.safetensors` names the weights to start from");
        return false;
    }
    return true;
}

/* The blocks that the command runs must be there; named ones by that name. */
static ExitCode check_blocks(const Pipeline *p, const char *kind) {
    bool train = p->session->options.command == COMMAND_train;
    uint32_t count = train ? p->program->train.len : p->program->test.len;
    const Options *o = &p->session->options;
    if (count == 0) {
        Diag *d =
            session_error(p->session, E_BLOCK, "`%s` has no %s block", o->words.data[0], kind);
        diag_help(d, "what such a block says: `%s { data: ... }`", kind);
        return EXIT_CODE_INPUT;
    }
    if (o->words.len < 2) return EXIT_CODE_OK;
    Nearest near = {.wanted = o->words.data[1]};
    for (uint32_t i = 0; i < count; i++) {
        const char *name = train ? p->program->train.data[i].name : p->program->test.data[i].name;
        if (name && strcmp(name, near.wanted) == 0) return EXIT_CODE_OK;
        if (name) nearest_offer(&near, name);
    }
    Diag *d = session_error(p->session, E_OPTION, "`%s` has no %s block `%s`", o->words.data[0],
                            kind, near.wanted);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    return EXIT_CODE_USAGE;
}

/* `devices: 8` is a wish for many machines or cards. One is what there is; the user says so. */
static bool check_devices(const Pipeline *p) {
    Session *s = p->session;
    const char *given = s->options.value[OPTION_devices];
    for (uint32_t i = 0; i < p->program->train.len && s->options.command == COMMAND_train; i++) {
        const BmrtTrain *t = &p->program->train.data[i];
        if (given ? strcmp(given, "1") == 0 : t->devices <= 1) continue;
        Diag *d = session_error(s, E_UNSUPPORTED, "training on %s devices is not supported yet",
                                given ? given
                                      : arena_printf(s->ctx->arena, "%lld", (long long)t->devices));
        diag_help(d, "`--devices 1` trains here; results do not depend on the number of devices");
        return false;
    }
    return true;
}

static ExitCode compile_and(Session *s, uint32_t roots, ModelFn work) {
    if (!session_words(s, 1, 2)) return EXIT_CODE_USAGE;
    if (!check_data_folder(s)) return EXIT_CODE_RUN;
    if (!check_init_options(s)) return EXIT_CODE_USAGE;
    Pipeline p;
    ExitCode code = EXIT_CODE_INPUT;
    const char *kind = command_info(s->options.command)->name;
    bool fine =
        pipeline_open(&p, s, s->options.words.data[0], roots) && pipeline_run(&p, PASS_elaborate);
    if (fine) {
        code = check_blocks(&p, kind);
        if (code == EXIT_CODE_OK && !check_devices(&p)) code = EXIT_CODE_INPUT;
        fine = code == EXIT_CODE_OK;
        code = fine ? EXIT_CODE_INPUT : code;
    }
    if (fine && pipeline_run(&p, PASS_jit)) {
        session_show(s); /* warnings come before the work */
        Interrupt interrupt;
        interrupt_open(&interrupt);
        Display display = {.s = s, .p = &p};
        BmrtTrainOptions options = runtime_options(&p, &interrupt, &display);
        code = work(&p, &options, &display);
        interrupt_close(&interrupt);
    }
    pipeline_close(&p);
    return code;
}

ExitCode command_train(Session *s) {
    return compile_and(s, SEMA_TRAIN | SEMA_TEST, train_model);
}

ExitCode command_test(Session *s) {
    return compile_and(s, SEMA_TEST, test_model);
}
