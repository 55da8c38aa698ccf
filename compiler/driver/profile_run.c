/* Running what is profiled: warm-up, then steps timed as wholes and steps whose kernels are timed,
 * in turn, so that a machine that changes its pace changes it for both. Made-up inputs are fed to
 * the entry here; rows of the model's data come through the training loop itself, which is told to
 * save nothing and to stop when there are enough steps. */
#include "compiler/driver/model_run.h"
#include "compiler/driver/profile.h"
#include "compiler/driver/profile_inputs.h"
#include <stdlib.h>
#include <time.h>

enum {
    WARM_STEPS = 3,
    STEPS_LEAST = 4,
    STEPS_MOST = 200000,
    TRACE_STEPS = 3,
    KEPT_BYTES = 64 << 20 /* times of kernels, step by step */
};

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct Run {
    Profile *f;
    uint64_t steps;      /* done, all kinds */
    uint64_t whole_team; /* ... of those, run by all threads */
    double clock_start;  /* beside tick_start: what a tick is worth */
    uint64_t tick_start;
    uint64_t last_end;
    VEC(double) gaps; /* ticks between two steps */
    double told;      /* when progress was shown last */
    volatile sig_atomic_t stop;
} Run;

static void show_progress(Run *run, const char *what) {
    Session *s = run->f->p->session;
    const double now = now_seconds();
    if (!s->progress || now - run->told < 0.1) return;
    run->told = now;
    fprintf(s->err, "\rprofiling %s: %llu steps, %.1f of %.1f s \x1b[K", what,
            (unsigned long long)run->steps, now - run->f->started, run->f->seconds);
    fflush(s->err);
}

static void clear_progress(const Run *run) {
    const Session *s = run->f->p->session;
    if (s->progress && run->told > 0) fputs("\r\x1b[K", s->err);
}

static bool wants_trace(const Profile *f) {
    return option_given(&f->p->session->options, OPTION_trace);
}

static bool enough(const Run *run) {
    const Profile *f = run->f;
    const double spent = now_seconds() - f->started;
    const uint32_t least = f->plain_ns.len < f->marked_ns.len ? f->plain_ns.len : f->marked_ns.len;
    const bool traced = !wants_trace(f) || f->traced >= TRACE_STEPS;
    if (f->plain_ns.len >= STEPS_MOST) return true;
    const bool stopped = spent >= f->seconds && traced;
    return stopped && (least >= STEPS_LEAST || (spent > 4 * f->seconds && least > 0));
}

static uint32_t times_a_step(const Recorder *r) {
    return r->positions * (uint32_t)r->threads;
}

static bool may_keep(const Profile *f) {
    return (size_t)(f->kept.len + 1) * times_a_step(f->recorder) * sizeof(float) <= KEPT_BYTES ||
           f->kept.len < STEPS_LEAST;
}

/* Moves the step's times from the threads' records to a row of their own. */
static void keep_times(Profile *f) {
    Recorder *r = f->recorder;
    float *row = ARENA_ARRAY(f->p->ctx->arena, float, times_a_step(r));
    for (int32_t t = 0; t < r->threads; t++)
        for (uint32_t i = 0; i < r->positions; i++) {
            row[(uint32_t)t * r->positions + i] = (float)r->of_thread[t].ticks[i];
            r->of_thread[t].ticks[i] = 0;
        }
    vec_push(f->p->ctx->arena, &f->kept, row);
}

/* The kind of the next step. Stamps come last, when it is known how many a step has. */
static void before_step(Run *run) {
    Profile *f = run->f;
    if (!f->warm) {
        f->warm = run->steps >= WARM_STEPS && now_seconds() - f->started > 0.1 * f->seconds;
        if (!f->warm) return;
        f->recorder->team = 2 * run->whole_team > run->steps ? f->recorder->threads : 1;
        run->clock_start = now_seconds();
        run->tick_start = recorder_ticks();
    }
    const bool late = now_seconds() - f->started >= f->seconds && f->marked_ns.len >= 2;
    if (wants_trace(f) && late && f->traced < TRACE_STEPS) {
        if (f->traced == 0)
            recorder_trace_room(f->recorder, f->p->ctx->arena, f->marked_ns.len, TRACE_STEPS);
        f->recorder->mode = RECORD_TRACE;
    } else {
        f->recorder->mode = run->steps % 2 && may_keep(f) ? RECORD_KERNELS : RECORD_STEP;
    }
}

/* Times are in ticks until the run is over. */
static void after_step(Run *run) {
    Profile *f = run->f;
    Recorder *r = f->recorder;
    Arena *arena = f->p->ctx->arena;
    run->steps++;
    run->whole_team += r->ran == r->threads;
    if (r->mode == RECORD_NOTHING) return;
    const double ticks = recorder_step_ns(r);
    if (ticks < 0) {
        f->alone++;
    } else {
        if (run->last_end)
            vec_push(arena, &run->gaps, (double)(r->of_thread[0].begin - run->last_end));
        if (r->mode == RECORD_STEP) {
            vec_push(arena, &f->plain_ns, ticks);
        } else {
            vec_push(arena, &f->marked_ns, ticks);
            keep_times(f);
        }
        f->traced += r->mode == RECORD_TRACE;
    }
    run->last_end = ticks < 0 ? 0 : r->of_thread[0].begin + (uint64_t)ticks;
    r->mode = RECORD_NOTHING;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count) {
    if (count == 0) return 0;
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static void finish(Run *run) {
    Profile *f = run->f;
    const double ns = (now_seconds() - run->clock_start) * 1e9;
    const uint64_t ticks = recorder_ticks() - run->tick_start;
    const double each = ticks ? ns / (double)ticks : 1;
    f->recorder->ns_per_tick = each;
    for (uint32_t i = 0; i < f->plain_ns.len; i++) f->plain_ns.data[i] *= each;
    for (uint32_t i = 0; i < f->marked_ns.len; i++) f->marked_ns.data[i] *= each;
    f->data_ns = median(run->gaps.data, run->gaps.len) * each;
    clear_progress(run);
}

/* ---- made-up inputs */

static BmrtStatus run_made(Run *run, BmrtHandle *handle, const MadeInputs *made) {
    Profile *f = run->f;
    const BmrtEntry *entry = &codegen_jit_model(f->p->jit)->entries[f->entry];
    const bool step = entry->kind == BMRT_ENTRY_STEP;
    BmrtStatus status = BMRT_OK;
    while (status == BMRT_OK && !enough(run)) {
        before_step(run);
        status = (step ? bmrt_step : bmrt_call)(handle, f->entry, f->symbols, made->inputs,
                                                made->outputs);
        after_step(run);
        show_progress(run, entry->name);
    }
    return status;
}

static ExitCode run_on_made_inputs(Run *run) {
    Profile *f = run->f;
    Pipeline *p = f->p;
    const Options *o = &p->session->options;
    const BmrtModel *model = codegen_jit_model(p->jit);
    MadeInputs made;
    BmrtHandle *handle = NULL;
    ExitCode code = EXIT_CODE_RUN;
    if (made_inputs(p->ctx, &model->entries[f->entry], f->symbols, &made)) {
        BmrtStatus status = bmrt_open(&handle, model, o->value[OPTION_init],
                                      option_number(o, OPTION_seed, 0), f->recorder->threads);
        if (status == BMRT_OK) status = bmrt_set_schedule(handle, 1000000, 1000);
        if (status == BMRT_OK) status = run_made(run, handle, &made);
        finish(run);
        code = status == BMRT_OK ? EXIT_CODE_OK : EXIT_CODE_RUN;
        if (status != BMRT_OK) {
            Diag *d = model_run_error(p, status, handle ? bmrt_error(handle) : "out of memory");
            if (status == BMRT_NUMERIC) diag_note(d, "the inputs are made up");
            if (status == BMRT_NUMERIC) diag_help(d, "`--data DIR` profiles on the model's data");
        }
        bmrt_close(handle);
    }
    made_inputs_free(&made);
    return code;
}

/* ---- rows of the model's data */

/* The last batch of an epoch may be shorter: it is not like the others. */
static bool next_is_short(const Profile *f, const BmrtEvent *e) {
    const int64_t done = e->epoch_step % e->epoch_steps;
    return done == e->epoch_steps - 1 && e->epoch_steps > 1 &&
           e->rows % (e->epoch_steps ? f->batch : 1) != 0;
}

static void on_event(void *user, const BmrtEvent *e) {
    Run *run = user;
    Profile *f = run->f;
    const bool stepped = e->kind == BMRT_EVENT_TICK || e->kind == BMRT_EVENT_EPOCH;
    if (stepped) after_step(run);
    if (!stepped && e->kind != BMRT_EVENT_BEGIN) return;
    if (e->kind == BMRT_EVENT_BEGIN) f->started = now_seconds(); /* the data are read by now */
    if (enough(run)) run->stop = 1;
    if (next_is_short(f, e))
        run->last_end = 0;
    else
        before_step(run);
    show_progress(run, "the train block");
}

/* The model with train blocks that do not end by themselves. */
static const BmrtModel *endless(Context *ctx, const BmrtModel *model) {
    BmrtModel *copy = ARENA_NEW(ctx->arena, BmrtModel);
    BmrtTrain *train = ARENA_ARRAY(ctx->arena, BmrtTrain, model->train_count);
    *copy = *model;
    copy->train = train;
    for (uint32_t i = 0; i < model->train_count; i++) {
        train[i] = model->train[i];
        train[i].epochs = 0;
        train[i].steps = INT64_C(1) << 40;
        train[i].patience = 0;
    }
    return copy;
}

static ExitCode run_on_data(Run *run) {
    Profile *f = run->f;
    Pipeline *p = f->p;
    const Options *o = &p->session->options;
    const BmrtTrainOptions options = {
        .size_bytes = sizeof options,
        .block = f->block,
        .data_dir = o->value[OPTION_data],
        .model_dir = model_folder(p),
        .allow_paths = option_given(o, OPTION_allow_paths),
        .threads = f->recorder->threads,
        .seed_given = option_given(o, OPTION_seed),
        .seed = option_number(o, OPTION_seed, 0),
        .init_path = o->value[OPTION_init],
        .save_nothing = 1,
        .tick_seconds = 1e-9, /* an event after every step */
        .stop = &run->stop,
        .event = on_event,
        .user = run,
    };
    BmrtReport report = {0};
    BmrtStatus status = bmrt_train(endless(p->ctx, codegen_jit_model(p->jit)), &options, &report);
    finish(run);
    if (status == BMRT_OK) return EXIT_CODE_OK;
    Diag *d =
        model_run_error_at(p, status, report.file, report.line, report.column, report.message);
    model_run_notes(d, report.note);
    return EXIT_CODE_RUN;
}

ExitCode profile_run(Profile *f) {
    Run run = {.f = f};
    f->started = now_seconds();
    run.clock_start = f->started;
    run.tick_start = recorder_ticks();
    const ExitCode code = f->real_data ? run_on_data(&run) : run_on_made_inputs(&run);
    if (code != EXIT_CODE_OK || (f->plain_ns.len > 0 && f->marked_ns.len > 0)) return code;
    Diag *d = session_error(f->p->session, E_RUN_NUMERIC, "no step could be timed");
    if (f->alone)
        diag_note(d, "other programs keep the threads from their CPUs; `--threads 1` needs one");
    else
        diag_note(d, "%llu steps ran, which is not enough", (unsigned long long)run.steps);
    return EXIT_CODE_RUN;
}
