/* Saving policy. LAST and EVERY: one file, always resumable. BEST: that file holds the best epoch
 * (and its optimizer, so that it is resumable too), and the latest state goes to a second file
 * beside it while the run lasts. */
#include "runtime/train/saving.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAVE_SECONDS 30.0

/* The fold whose weights stand for the run: the one asked for, or the first. */
static uint32_t chosen_fold(const BmrtTrainOptions *options) {
    return options->fold ? options->fold - 1 : 0;
}

static const BmrtTrain *chosen_block(const BmrtModel *model, const BmrtTrainOptions *options) {
    for (uint32_t i = 0; i < model->train_count; i++) {
        const char *name = model->train[i].name;
        if (!options->block || (name && strcmp(name, options->block) == 0)) return &model->train[i];
    }
    return NULL;
}

static bool block_path(const BmrtModel *model, const BmrtTrain *train,
                       const BmrtTrainOptions *options, uint32_t fold, char *out, size_t size) {
    const char *path = options->save_path ? options->save_path : train ? train->save_path : NULL;
    const int n =
        path ? snprintf(out, size, "%s", path) : snprintf(out, size, "%s.safetensors", model->name);
    if (n <= 0 || (size_t)n >= size) return false;
    return bmrt_fold_count(model, train) == 0 || bmrt_fold_path(out, size, fold);
}

/* a/net.safetensors -> a/net.resume.safetensors */
static bool resume_path(const char *path, char *out, size_t size) {
    static const char suffix[] = ".safetensors";
    size_t n = strlen(path);
    if (n > sizeof suffix - 1 && strcmp(path + n - (sizeof suffix - 1), suffix) == 0)
        n -= sizeof suffix - 1;
    const int total = snprintf(out, size, "%.*s.resume.safetensors", (int)n, path);
    return total > 0 && (size_t)total < size;
}

int bmrt_save_path(const BmrtModel *model, const BmrtTrainOptions *options, char *out,
                   size_t size) {
    if (!model || !options || !out) return 0;
    return block_path(model, chosen_block(model, options), options, chosen_fold(options), out,
                      size);
}

int bmrt_resume_path(const BmrtModel *model, const BmrtTrainOptions *options, char *out,
                     size_t size) {
    char path[BMRT_PATH_MAX];
    if (!model || !options || !out) return 0;
    if (!block_path(model, chosen_block(model, options), options, chosen_fold(options), path,
                    sizeof path))
        return 0;
    if (resume_path(path, out, size) && access(out, F_OK) == 0) return 1;
    if (access(path, F_OK) != 0) return 0;
    return snprintf(out, size, "%s", path) < (int)size;
}

/* A path written in the model file may not leave the current folder. */
static BmrtStatus check_path(BmrtSaver *saver) {
    const BmrtTrainOptions *options = saver->s->options;
    const char *path = saver->path;
    if (options->save_path || options->allow_paths) return BMRT_OK;
    bool climbs = *path == '/';
    for (const char *at = path; at && !climbs; at = strchr(at, '/')) {
        at += *at == '/';
        climbs = at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2]);
    }
    if (!climbs) return BMRT_OK;
    bmrt_report_text(saver->s, BMRT_ARGUMENT,
                     "the model saves to `%s`, outside the current folder\n--save FILE or "
                     "--allow-paths permits it",
                     path);
    return BMRT_ARGUMENT;
}

BmrtStatus bmrt_saver_open(BmrtSaver *out, BmrtSession *s, const BmrtTrain *train) {
    BmrtOutput probe;
    BmrtMessage message;
    *out = (BmrtSaver){.s = s, .train = train, .saved_at = bmrt_seconds(), .saved_iteration = -1};
    if (s->options->save_nothing) return BMRT_OK;
    if (!block_path(s->model, train, s->options, s->fold, out->path, sizeof out->path) ||
        !resume_path(out->path, out->resume, sizeof out->resume))
        return bmrt_report_text(s, BMRT_ARGUMENT, "the path to save to is too long");
    BmrtStatus status = check_path(out);
    if (status != BMRT_OK) return status;
    status = bmrt_output_open(s->hooks, out->path, &probe, &message);
    if (status != BMRT_OK) return bmrt_report(s, status, &message);
    bmrt_output_abandon(&probe);
    return BMRT_OK;
}

/* gpt-{step}.safetensors -> gpt-1000.safetensors: a file for each save. */
static bool step_path(const char *path, int64_t step, char *out, size_t size) {
    const char *mark = strstr(path, "{step}");
    const int n = mark ? snprintf(out, size, "%.*s%lld%s", (int)(mark - path), path,
                                  (long long)step, mark + 6)
                       : snprintf(out, size, "%s", path);
    return n > 0 && (size_t)n < size;
}

static BmrtStatus save_to(BmrtSaver *saver, const char *pattern, const BmrtPosition *position,
                          uint32_t metrics) {
    BmrtPositionText text;
    BmrtSession *s = saver->s;
    char path[BMRT_PATH_MAX];
    BmrtStatus status = bmrt_run_statistics(s);
    if (status != BMRT_OK) return status;
    bmrt_position_write(position, metrics, &text);
    if (!step_path(pattern, bmrt_iteration(s->handle), path, sizeof path))
        return bmrt_report_text(s, BMRT_ARGUMENT, "the path to save to is too long");
    status = bmrt_save(s->handle, path, 1, text.pairs);
    if (status != BMRT_OK) return bmrt_report_handle(s, status);
    /* What an earlier run left to be resumed from is not this run's. */
    if (saver->saved_iteration < 0 && !s->options->resume_path && pattern == saver->path)
        s->hooks->unlink(s->hooks->user, saver->resume);
    saver->saved_at = bmrt_seconds();
    saver->saved_iteration = bmrt_iteration(s->handle);
    bmrt_emit(s, (BmrtEvent){.kind = BMRT_EVENT_SAVED,
                             .name = saver->train->name,
                             .path = path,
                             .step = saver->saved_iteration});
    return BMRT_OK;
}

BmrtStatus bmrt_saver_save(BmrtSaver *saver, const BmrtPosition *position, uint32_t metrics) {
    if (saver->s->options->save_nothing) return BMRT_OK;
    return save_to(saver, saver->path, position, metrics);
}

BmrtStatus bmrt_saver_guard(BmrtSaver *saver, const BmrtPosition *position, uint32_t metrics,
                            bool urgent) {
    const double wish = saver->s->options->save_seconds;
    const double least = wish == 0 ? SAVE_SECONDS : wish;
    if (saver->s->options->save_nothing) return BMRT_OK;
    if (saver->saved_iteration == bmrt_iteration(saver->s->handle)) return BMRT_OK;
    if (!urgent && bmrt_seconds() - saver->saved_at < least) return BMRT_OK;
    const bool best = saver->train->save == BMRT_SAVE_BEST;
    return save_to(saver, best ? saver->resume : saver->path, position, metrics);
}

void bmrt_saver_done(BmrtSaver *saver) {
    if (saver->s->options->save_nothing || saver->train->save != BMRT_SAVE_BEST) return;
    saver->s->hooks->unlink(saver->s->hooks->user, saver->resume); /* may not be there */
}
