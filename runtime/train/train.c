/* Whole runs: open the model, load the data, run the blocks. */
#include <stdio.h>
#include <string.h>

#include "runtime/train/position.h"
#include "runtime/train/session.h"

static bool chosen(const char *wanted, const char *name) {
    return !wanted || (name && strcmp(wanted, name) == 0);
}

static bool any_train(const BmrtModel *m, const char *block) {
    for (uint32_t i = 0; i < m->train_count; i++)
        if (chosen(block, m->train[i].name)) return true;
    return false;
}

static bool any_test(const BmrtModel *m, const char *block) {
    for (uint32_t i = 0; i < m->test_count; i++)
        if (chosen(block, m->test[i].name)) return true;
    return false;
}

/* Splits of data block `d` that the run reads. */
static unsigned wanted_splits(const BmrtSession *s, int32_t d, bool train) {
    unsigned wanted = 0;
    const BmrtModel *m = s->model;
    for (uint32_t i = 0; train && i < m->train_count; i++) {
        const BmrtTrain *t = &m->train[i];
        if (t->data != d || !chosen(s->options->block, t->name)) continue;
        wanted |= 1u << BMRT_SPLIT_TRAIN;
        if (t->valid.eval_entry >= 0) wanted |= 1u << BMRT_SPLIT_VALID;
    }
    for (uint32_t i = 0; train && i < m->statistic_count; i++)
        if (m->statistics[i].data == d) wanted |= 1u << m->statistics[i].split;
    for (uint32_t i = 0; i < m->test_count; i++)
        if (m->test[i].data == d && (train || chosen(s->options->block, m->test[i].name)))
            wanted |= 1u << m->test[i].split;
    return wanted;
}

/* What cleaning found, where it found something. */
static void tell_counts(BmrtSession *s, const BmrtDataset *data) {
    bool any = data->counts.dropped > 0 || data->counts.duplicates > 0;
    for (uint32_t f = 0; f < data->recipe->field_count; f++) {
        any |= data->counts.missing[f] > 0;
        if (data->counts.unnamed[f] > 0)
            bmrt_warn(s, "field `%s`: %lld names beyond `max = %lld` count as unknown",
                      data->recipe->fields[f].name, (long long)data->counts.unnamed[f],
                      (long long)data->recipe->fields[f].category_max);
    }
    if (any)
        bmrt_emit(s, (BmrtEvent){.kind = BMRT_EVENT_DATA,
                                 .name = data->recipe->name,
                                 .rows = data->counts.rows,
                                 .dropped = data->counts.dropped,
                                 .duplicates = data->counts.duplicates,
                                 .missing = data->counts.missing,
                                 .fields = data->recipe->fields,
                                 .field_count = data->recipe->field_count});
}

/* The statistics of the train rows; those that came with weights stand. */
static BmrtStatus fit_data(BmrtSession *s) {
    BmrtMessage message;
    for (uint32_t d = 0; d < s->model->data_count; d++) {
        if (!s->data[d].splits[BMRT_SPLIT_TRAIN].present) continue;
        const BmrtStatus status = bmrt_dataset_fit(&s->data[d], s->handle, &message);
        if (status != BMRT_OK) return bmrt_report(s, status, &message);
    }
    return BMRT_OK;
}

static BmrtStatus load_data(BmrtSession *s, bool train) {
    const BmrtTrainOptions *o = s->options;
    const BmrtPaths paths = {o->data_dir, o->model_dir, o->allow_paths};
    BmrtFault fault = {.line = 0};
    BmrtLoad load = {.paths = &paths, .handle = s->handle, .fold = s->fold};
    s->data = bmrt_new(s->hooks, s->model->data_count, sizeof *s->data);
    if (!s->data) return bmrt_report_text(s, BMRT_MEMORY, "no memory for the data");
    for (uint32_t d = 0; d < s->model->data_count; d++) {
        load.wanted = wanted_splits(s, (int32_t)d, train);
        if (!load.wanted) continue;
        const BmrtStatus status =
            bmrt_dataset_load(&s->data[d], &s->model->data[d], s->hooks, &load, &fault);
        if (status == BMRT_OK) tell_counts(s, &s->data[d]);
        if (status == BMRT_OK) continue;
        s->report->file = s->model->data[d].file;
        s->report->line = fault.line;
        s->report->column = fault.column;
        return bmrt_report(s, status, &fault.message);
    }
    return BMRT_OK;
}

static void tell_shown(void *user, const char *text) {
    bmrt_emit(user, (BmrtEvent){.kind = BMRT_EVENT_SHOW, .message = text});
}

static BmrtStatus open_model(BmrtSession *s, uint64_t seed) {
    const BmrtStatus status =
        bmrt_open_hooked(&s->handle, s->model, NULL, seed, s->options->threads, s->hooks);
    if (status == BMRT_OK) return bmrt_set_show(s->handle, tell_shown, s);
    if (!s->handle) return bmrt_report_text(s, status, "no memory for the model");
    return bmrt_report_handle(s, status);
}

static BmrtStatus load_weights(BmrtSession *s, const char *path, const BmrtLoadPart *part) {
    BmrtTensorFile file;
    BmrtMessage message;
    BmrtStatus status = bmrt_tensors_read(s->hooks, path, &file, &message);
    if (status != BMRT_OK) return bmrt_report(s, status, &message);
    status = bmrt_load_tensors(s->handle, &file, path, BMRT_LOAD_WEIGHTS, part);
    bmrt_tensors_free(&file);
    return status == BMRT_OK ? status : bmrt_report_handle(s, status);
}

static BmrtStatus load_init(BmrtSession *s) {
    const BmrtTrainOptions *o = s->options;
    const BmrtLoadPart part = {o->init_only, o->init_only_count, o->init_rename,
                               o->init_rename_count};
    return load_weights(s, o->init_path, &part);
}

/* `init:` of a block. The file lies where data lie, or in the current folder, where training leaves
 * its weights. */
static BmrtStatus load_block_init(BmrtSession *s, const BmrtTrain *t) {
    const BmrtTrainOptions *o = s->options;
    char path[BMRT_PATH_MAX];
    BmrtMessage message, here;
    BmrtStatus status = bmrt_path_resolve(&(BmrtPaths){o->data_dir, o->model_dir, o->allow_paths},
                                          t->init_path, path, &message);
    if (status == BMRT_IO && bmrt_path_resolve(&(BmrtPaths){NULL, ".", o->allow_paths},
                                               t->init_path, path, &here) == BMRT_OK)
        status = BMRT_OK;
    if (status != BMRT_OK) {
        s->report->line = t->line;
        s->report->column = t->column;
        return bmrt_report(s, status, &message);
    }
    status = load_weights(s, path,
                          &(BmrtLoadPart){.only = t->init_only, .only_count = t->init_only_count});
    if (status == BMRT_OK) return status;
    s->report->line = t->line;
    s->report->column = t->column;
    return status;
}

static BmrtStatus resume(BmrtSession *s, const char *path, BmrtPosition *position) {
    BmrtTensorFile file;
    BmrtMessage message;
    char source[24];
    BmrtStatus status = bmrt_tensors_read(s->hooks, path, &file, &message);
    if (status != BMRT_OK) return bmrt_report(s, status, &message);
    snprintf(source, sizeof source, "%016llx", (unsigned long long)s->model->source_hash);
    const char *then = bmrt_tensors_metadata(&file, "bmc.source");
    if (!bmrt_position_read(&file, position) || position->block >= s->model->train_count ||
        !chosen(s->options->block, s->model->train[position->block].name))
        status = bmrt_report_text(s, BMRT_MISMATCH, "`%s` holds no position to resume from", path);
    else if ((status = bmrt_load_tensors(s->handle, &file, path, BMRT_LOAD_ALL, NULL)) != BMRT_OK)
        bmrt_report_handle(s, status);
    else if (then && strcmp(then, source) != 0)
        bmrt_warn(s, "the model file has changed since `%s` was written", path);
    bmrt_tensors_free(&file);
    return status;
}

static BmrtStatus run_test(BmrtSession *s, const BmrtTest *test, bool skip) {
    BmrtMetric metrics[BMRT_METRICS_MAX];
    const double started = bmrt_seconds();
    if (test->data < 0 || test->data >= (int32_t)s->model->data_count ||
        test->eval.metric_count > BMRT_METRICS_MAX)
        return bmrt_report_text(s, BMRT_MISMATCH, "a damaged descriptor of a test block");
    const BmrtDataset *data = &s->data[test->data];
    if (!data->splits[test->split].present) {
        if (!skip)
            return bmrt_report_text(s, BMRT_ARGUMENT, "data `%s` has no rows to test on",
                                    s->model->data[test->data].name);
        bmrt_warn(s, "data `%s` has no rows to test on", s->model->data[test->data].name);
        return BMRT_OK;
    }
    const BmrtStatus status =
        bmrt_evaluate(s, &test->eval, data, test->split, test->batch, metrics);
    if (status == BMRT_OK)
        bmrt_emit(s, (BmrtEvent){.kind = BMRT_EVENT_TEST,
                                 .name = test->name,
                                 .rows = data->splits[test->split].count,
                                 .metric_count = test->eval.metric_count,
                                 .metrics = metrics,
                                 .seconds = bmrt_seconds() - started});
    return status;
}

static BmrtStatus run_tests(BmrtSession *s, const char *block, bool skip) {
    BmrtStatus status = BMRT_OK;
    for (uint32_t i = 0; status == BMRT_OK && i < s->model->test_count; i++) {
        s->report->interrupted = bmrt_stopped(s);
        if (s->report->interrupted) return BMRT_OK;
        if (chosen(block, s->model->test[i].name)) status = run_test(s, &s->model->test[i], skip);
    }
    return status;
}

static BmrtStatus run_blocks(BmrtSession *s, BmrtPosition *position, bool resumed) {
    const BmrtModel *m = s->model;
    BmrtStatus status = BMRT_OK;
    for (uint64_t i = position->block; i < m->train_count; i++) {
        if (!chosen(s->options->block, m->train[i].name)) continue;
        if (!resumed) {
            *position = (BmrtPosition){.block = i};
            bmrt_set_iteration(s->handle, 0);
            if (m->train[i].init_path && !s->options->init_path)
                status = load_block_init(s, &m->train[i]);
            if (status != BMRT_OK) return status;
        }
        resumed = false;
        status = bmrt_run_block(s, position);
        s->report->steps += bmrt_iteration(s->handle);
        if (status != BMRT_OK || s->report->interrupted) return status;
    }
    return status;
}

static BmrtStatus train(BmrtSession *s) {
    const BmrtTrainOptions *o = s->options;
    BmrtPosition position = {.block = 0};
    uint32_t first = 0;
    while (first < s->model->train_count && !chosen(o->block, s->model->train[first].name)) first++;
    if (!any_train(s->model, o->block))
        return o->block
                   ? bmrt_report_text(s, BMRT_ARGUMENT, "there is no train block `%s`", o->block)
                   : bmrt_report_text(s, BMRT_ARGUMENT, "the model has no train block");
    BmrtStatus status = open_model(s, o->seed_given ? o->seed : s->model->train[first].seed);
    if (status == BMRT_OK && o->init_path) status = load_init(s);
    if (status == BMRT_OK && o->resume_path) status = resume(s, o->resume_path, &position);
    if (status == BMRT_OK) status = load_data(s, true);
    if (status == BMRT_OK) status = fit_data(s);
    if (status == BMRT_OK) status = run_blocks(s, &position, o->resume_path != NULL);
    if (status != BMRT_OK || s->report->interrupted) return status;
    status = run_tests(s, NULL, true);
    if (status != BMRT_OK || s->report->interrupted) return status;
    char digest[65];
    bmrt_weights_sha256(s->handle, digest);
    bmrt_emit(s, (BmrtEvent){.kind = BMRT_EVENT_END,
                             .step = s->report->steps,
                             .steps = s->report->steps,
                             .seconds = bmrt_seconds() - s->started,
                             .weights_sha256 = digest});
    return BMRT_OK;
}

static BmrtStatus test(BmrtSession *s) {
    const BmrtTrainOptions *o = s->options;
    if (!any_test(s->model, o->block))
        return o->block
                   ? bmrt_report_text(s, BMRT_ARGUMENT, "there is no test block `%s`", o->block)
                   : bmrt_report_text(s, BMRT_ARGUMENT, "the model has no test block");
    if (!o->init_path) return bmrt_report_text(s, BMRT_ARGUMENT, "no weights to test");
    BmrtStatus status = open_model(s, o->seed);
    if (status == BMRT_OK) status = load_init(s);
    if (status == BMRT_OK) status = load_data(s, false);
    return status == BMRT_OK ? run_tests(s, o->block, false) : status;
}

void bmrt_session_clear(BmrtSession *s) {
    for (uint32_t d = 0; s->data && d < s->model->data_count; d++) bmrt_dataset_free(&s->data[d]);
    bmrt_delete(s->hooks, s->data, s->model->data_count, sizeof *s->data);
    bmrt_close(s->handle);
    s->data = NULL;
    s->handle = NULL;
}

/* Once, or once for each fold of the first block's data. */
static BmrtStatus train_or_folds(BmrtSession *s) {
    const BmrtModel *m = s->model;
    uint32_t first = 0;
    while (first < m->train_count && !chosen(s->options->block, m->train[first].name)) first++;
    if (first < m->train_count) s->folds = bmrt_fold_count(m, &m->train[first]);
    if (s->folds) return bmrt_cross_validate(s, &m->train[first], train);
    if (!s->options->fold) return train(s);
    return bmrt_report_text(s, BMRT_ARGUMENT,
                            "a fold is asked for, but the data has none\n"
                            "`split: folds(5)` makes five");
}

static BmrtStatus test_fold(BmrtSession *s) {
    s->fold = s->options->fold ? s->options->fold - 1 : 0;
    return test(s);
}

static BmrtStatus run(const BmrtModel *model, const BmrtTrainOptions *options, BmrtReport *report,
                      BmrtStatus (*what)(BmrtSession *)) {
    BmrtReport ignored;
    BmrtSession s = {.model = model, .options = options, .report = report ? report : &ignored};
    memset(s.report, 0, sizeof *s.report);
    if (!model || !options || options->size_bytes != sizeof *options)
        return bmrt_report_text(&s, BMRT_ARGUMENT, "wrong arguments");
    s.hooks = options->hooks ? options->hooks : bmrt_hooks_default();
    s.started = bmrt_seconds();
    s.report->status = what(&s);
    bmrt_session_clear(&s);
    return s.report->status;
}

BmrtStatus bmrt_train(const BmrtModel *model, const BmrtTrainOptions *options, BmrtReport *report) {
    return run(model, options, report, train_or_folds);
}

BmrtStatus bmrt_test(const BmrtModel *model, const BmrtTrainOptions *options, BmrtReport *report) {
    return run(model, options, report, test_fold);
}
