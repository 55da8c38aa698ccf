/* One train block: epochs of shuffled batches, metrics, early stop, saving.
 *
 * Everything that decides the weights' bits is a function of (program, seed, iteration): the order
 * of an epoch, the batches, the draws. So a run that was stopped and resumed writes the same
 * weights as one that was not. Time decides only when guarding copies are saved. */
#include <math.h>
#include <string.h>

#include "runtime/data/shuffle.h"
#include "runtime/train/position.h"
#include "runtime/train/saving.h"
#include "runtime/train/session.h"

typedef struct Loop {
    BmrtSession *s;
    const BmrtTrain *train;
    const BmrtEntry *step;
    const BmrtDataset *data;
    const BmrtRows *rows;
    BmrtPosition *at;
    BmrtSaver saver;
    BmrtBatcher batch;
    uint32_t *order;     /* of the epoch, when shuffled */
    int64_t order_epoch; /* -1: none yet */
    int64_t batch_rows, epoch_steps, total_steps, first_step;
    const void **inputs;
    void **outputs;
    BmrtBlock *made; /* the step's outputs */
    uint32_t metric_count;
    uint32_t metric_output[BMRT_METRICS_MAX];
    BmrtMetric metrics[BMRT_METRICS_MAX];
    BmrtMetric valid[BMRT_METRICS_MAX];
    double block_started, epoch_started, ticked;
} Loop;

/* ------------------------------------------------------------------ events */

static void loop_metrics(Loop *l) {
    for (uint32_t m = 0; m < l->metric_count; m++) {
        l->metrics[m].name = l->step->outputs[l->metric_output[m]].name;
        l->metrics[m].value = l->at->epoch_rows ? l->at->sums[m] / (double)l->at->epoch_rows : NAN;
    }
}

/* `done`: the epoch that has just ended still counts as the current one. */
static BmrtEvent loop_event(Loop *l, BmrtEventKind kind, bool done) {
    const int64_t iteration = bmrt_iteration(l->s->handle);
    const int64_t last = done && iteration > 0 ? iteration - 1 : iteration;
    return (BmrtEvent){.kind = kind,
                       .name = l->train->name,
                       .epoch = last / l->epoch_steps + 1,
                       .epochs = l->train->epochs,
                       .step = iteration,
                       .steps = l->total_steps,
                       .epoch_step = iteration - last / l->epoch_steps * l->epoch_steps,
                       .epoch_steps = l->epoch_steps,
                       .rows = l->rows->count,
                       .metric_count = l->metric_count,
                       .metrics = l->metrics,
                       .seconds = bmrt_seconds() - l->block_started,
                       .first_step = l->first_step};
}

static void tick(Loop *l) {
    const double every = l->s->options->tick_seconds;
    if (every <= 0) return;
    const double now = bmrt_seconds();
    if (now - l->ticked < every) return;
    l->ticked = now;
    loop_metrics(l);
    bmrt_emit(l->s, loop_event(l, BMRT_EVENT_TICK, true));
}

/* ------------------------------------------------------------------ opening and closing */

static BmrtStatus no_memory(Loop *l) {
    return bmrt_report_text(l->s, BMRT_MEMORY, "no memory to train");
}

static BmrtStatus check_block(Loop *l) {
    const BmrtTrain *t = l->train;
    const char *name = t->name ? t->name : "train";
    if (t->data < 0 || t->data >= (int32_t)l->s->model->data_count)
        return bmrt_report_text(l->s, BMRT_ARGUMENT,
                                "`%s` has no `data:`: a host program drives its steps", name);
    if (t->step_entry < 0 || t->step_entry >= (int32_t)l->s->model->entry_count ||
        (t->epochs > 0) == (t->steps > 0) || t->batch < 0 ||
        (t->accumulate > 1 &&
         (t->accumulate_entry < 0 || t->accumulate_entry >= (int32_t)l->s->model->entry_count)))
        return bmrt_report_text(l->s, BMRT_MISMATCH, "`%s`: a damaged descriptor", name);
    l->data = &l->s->data[t->data];
    l->rows = &l->data->splits[BMRT_SPLIT_TRAIN];
    l->step = &l->s->model->entries[t->step_entry];
    if (!l->rows->present)
        return bmrt_report_text(l->s, BMRT_ARGUMENT, "data `%s` has no train rows",
                                l->data->recipe->name);
    if (t->valid.eval_entry >= 0 && !l->data->splits[BMRT_SPLIT_VALID].present)
        return bmrt_report_text(l->s, BMRT_ARGUMENT, "data `%s` has no valid rows",
                                l->data->recipe->name);
    if (t->valid.metric_count > BMRT_METRICS_MAX)
        return bmrt_report_text(l->s, BMRT_ARGUMENT, "more than %d metrics", BMRT_METRICS_MAX);
    return BMRT_OK;
}

static BmrtStatus make_outputs(Loop *l) {
    for (uint32_t i = 0; i < l->step->output_count; i++) {
        const BmrtValue *v = &l->step->outputs[i];
        int64_t elements, bytes;
        if (!bmrt_dims_elements(v->rank, v->dims, &l->batch_rows, &elements) ||
            __builtin_mul_overflow(elements, (int64_t)bmrt_dtype_bytes(v->dtype), &bytes) ||
            !bmrt_block_alloc(l->s->hooks, &l->made[i], bytes))
            return no_memory(l);
        l->outputs[i] = l->made[i].data;
        if (i >= l->train->metric_count) continue; /* a `return` of the step: not a metric */
        if (v->rank != 0)
            return bmrt_report_text(l->s, BMRT_MISMATCH, "a metric that is not one number");
        if (l->metric_count == BMRT_METRICS_MAX)
            return bmrt_report_text(l->s, BMRT_ARGUMENT, "more than %d metrics", BMRT_METRICS_MAX);
        l->metric_output[l->metric_count++] = i;
    }
    return BMRT_OK;
}

static BmrtStatus plan_steps(Loop *l) {
    const BmrtTrain *t = l->train;
    l->batch_rows = t->batch > 0 && t->batch < l->rows->count ? t->batch : l->rows->count;
    l->epoch_steps = (l->rows->count + l->batch_rows - 1) / l->batch_rows;
    l->total_steps = t->steps;
    if (t->epochs > 0 && __builtin_mul_overflow(t->epochs, l->epoch_steps, &l->total_steps))
        return bmrt_report_text(l->s, BMRT_ARGUMENT, "%lld epochs are too many",
                                (long long)t->epochs);
    const BmrtStatus status = bmrt_set_schedule(l->s->handle, l->total_steps, l->epoch_steps);
    return status == BMRT_OK ? status : bmrt_report_handle(l->s, status);
}

static BmrtStatus open_loop(Loop *l) {
    const BmrtHooks *hooks = l->s->hooks;
    BmrtMessage message;
    int64_t symbol;
    BmrtStatus status = check_block(l);
    if (status == BMRT_OK) status = plan_steps(l);
    if (status == BMRT_OK) status = bmrt_saver_open(&l->saver, l->s, l->train);
    if (status != BMRT_OK) return status;
    l->inputs = bmrt_new(hooks, l->step->input_count, sizeof *l->inputs);
    l->outputs = bmrt_new(hooks, l->step->output_count, sizeof *l->outputs);
    l->made = bmrt_new(hooks, l->step->output_count, sizeof *l->made);
    if (l->train->shuffle) l->order = bmrt_new(hooks, l->rows->count, sizeof *l->order);
    if (!l->inputs || !l->outputs || !l->made || (l->train->shuffle && !l->order))
        return no_memory(l);
    status = make_outputs(l);
    if (status != BMRT_OK) return status;
    status = bmrt_rows_symbols(l->step, l->batch_rows, &symbol, &message);
    if (status == BMRT_OK)
        status = bmrt_batcher_open(&l->batch, l->s->handle, hooks, l->data,
                                   l->data->recipe->train_rows_entry, l->batch_rows, &message);
    return status == BMRT_OK ? status : bmrt_report(l->s, status, &message);
}

static void close_loop(Loop *l) {
    const BmrtHooks *hooks = l->s->hooks;
    if (!l->step) return;
    for (uint32_t i = 0; l->made && i < l->step->output_count; i++)
        bmrt_block_free(hooks, &l->made[i]);
    bmrt_delete(hooks, l->made, l->step->output_count, sizeof *l->made);
    bmrt_delete(hooks, l->inputs, l->step->input_count, sizeof *l->inputs);
    bmrt_delete(hooks, l->outputs, l->step->output_count, sizeof *l->outputs);
    bmrt_delete(hooks, l->order, l->rows->count, sizeof *l->order);
    bmrt_batcher_free(&l->batch);
}

/* A resumed block must be the one that was interrupted. */
static BmrtStatus check_resumed(Loop *l, uint64_t seed) {
    const struct {
        const char *what;
        uint64_t then, now;
    } same[] = {{"rows", l->at->rows, (uint64_t)l->rows->count},
                {"batch", l->at->batch, (uint64_t)l->batch_rows},
                {"shuffle", l->at->shuffle, l->train->shuffle != 0},
                {"seed", l->at->seed, seed}};
    for (unsigned i = 0; i < sizeof same / sizeof *same && l->at->rows; i++)
        if (same[i].then != same[i].now)
            return bmrt_report_text(
                l->s, BMRT_MISMATCH, "the checkpoint is of a run with %s = %llu; here it is %llu",
                same[i].what, (unsigned long long)same[i].then, (unsigned long long)same[i].now);
    l->at->rows = (uint64_t)l->rows->count;
    l->at->batch = (uint64_t)l->batch_rows;
    l->at->shuffle = l->train->shuffle != 0;
    l->at->seed = seed;
    const BmrtStatus status = bmrt_set_seed(l->s->handle, seed);
    return status == BMRT_OK ? status : bmrt_report_handle(l->s, status);
}

/* ------------------------------------------------------------------ steps */

/* The epoch's order depends on (seed, epoch) only; the split's own order is kept. */
static const uint32_t *epoch_order(Loop *l, int64_t epoch) {
    const int64_t count = l->rows->count;
    if (!l->train->shuffle) return l->rows->order;
    if (l->order_epoch == epoch) return l->order;
    for (int64_t i = 0; i < count; i++)
        l->order[i] = l->rows->order ? l->rows->order[i] : (uint32_t)i;
    bmrt_shuffle(l->order, count, BMRT_FOR_SHUFFLE, l->at->seed, (uint64_t)epoch);
    l->order_epoch = epoch;
    return l->order;
}

/* Of every `accumulate` batches of an epoch the last updates the weights; so does the last batch of
 * an epoch and of the run, on what has come together until then. */
static uint32_t step_of(const Loop *l, int64_t iteration) {
    const int64_t within = iteration % l->epoch_steps + 1;
    const bool due = l->train->accumulate <= 1 || within % l->train->accumulate == 0 ||
                     within == l->epoch_steps || iteration + 1 == l->total_steps;
    return (uint32_t)(due ? l->train->step_entry : l->train->accumulate_entry);
}

static BmrtStatus run_step(Loop *l) {
    BmrtSession *s = l->s;
    BmrtMessage message;
    const int64_t iteration = bmrt_iteration(s->handle);
    const uint32_t entry = step_of(l, iteration);
    const int64_t first = iteration % l->epoch_steps * l->batch_rows;
    const int64_t left = l->rows->count - first;
    const int64_t count = left < l->batch_rows ? left : l->batch_rows;
    const uint32_t *order = epoch_order(l, iteration / l->epoch_steps);
    if (order) order += first;
    BmrtStatus status = bmrt_batcher_make(&l->batch, l->rows->part, order, first, count, &message);
    if (status != BMRT_OK) return bmrt_report(s, status, &message);
    status = bmrt_bind_columns(s, &s->model->entries[entry], &l->batch, l->inputs);
    if (status != BMRT_OK) return status;
    status = bmrt_step(s->handle, entry, &count, l->inputs, l->outputs);
    if (status != BMRT_OK)
        return bmrt_report_batch(s, status, l->data, l->rows->part, order, first);
    for (uint32_t m = 0; m < l->metric_count; m++) {
        const uint32_t output = l->metric_output[m];
        l->at->sums[m] +=
            bmrt_scalar(l->step->outputs[output].dtype, l->outputs[output]) * (double)count;
    }
    l->at->epoch_rows += (uint64_t)count;
    return BMRT_OK;
}

/* ------------------------------------------------------------------ epochs */

static const BmrtMetric *find_valid(const Loop *l, const char *name) {
    for (uint32_t m = 0; name && m < l->train->valid.metric_count; m++)
        if (strcmp(l->valid[m].name, name) == 0) return &l->valid[m];
    return NULL;
}

/* NaN never improves on anything. */
static bool improves(double value, double best, bool any, int highest) {
    if (isnan(value)) return false;
    return !any || (highest ? value > best : value < best);
}

static bool update_best(Loop *l, int64_t epoch) {
    const BmrtMetric *m = find_valid(l, l->train->save_metric);
    if (l->train->save != BMRT_SAVE_BEST || !m) return false;
    if (!improves(m->value, l->at->best, l->at->best_epoch > 0, l->train->save_highest))
        return false;
    l->at->best = m->value;
    l->at->best_epoch = (uint64_t)epoch;
    return true;
}

static void update_patience(Loop *l) {
    const BmrtMetric *m = find_valid(l, l->train->patience_metric);
    if (l->train->patience <= 0 || !m) return;
    l->at->patience_epochs++;
    if (improves(m->value, l->at->patience_best, l->at->patience_seen,
                 l->train->patience_highest)) {
        l->at->patience_best = m->value;
        l->at->patience_seen = 1;
        l->at->patience_epochs = 0;
    }
    if (l->at->patience_epochs < (uint64_t)l->train->patience) return;
    l->at->stopped = 1;
    bmrt_warn(l->s, "stopped early: valid %s has not improved for %lld epochs",
              l->train->patience_metric, (long long)l->train->patience);
}

static BmrtStatus save_epoch(Loop *l, int64_t epoch, bool best) {
    const BmrtTrain *t = l->train;
    const bool due =
        t->save == BMRT_SAVE_EVERY && t->save_every_epochs > 0 && epoch % t->save_every_epochs == 0;
    if (best || due) return bmrt_saver_save(&l->saver, l->at, l->metric_count);
    if (t->save == BMRT_SAVE_EVERY) return BMRT_OK;
    return bmrt_saver_guard(&l->saver, l->at, l->metric_count, false);
}

static BmrtStatus end_epoch(Loop *l, bool whole) {
    BmrtStatus status = BMRT_OK;
    BmrtEvent event = loop_event(l, BMRT_EVENT_EPOCH, true);
    loop_metrics(l);
    if (l->train->valid.eval_entry >= 0) {
        status = bmrt_evaluate(l->s, &l->train->valid, l->data, BMRT_SPLIT_VALID, l->batch_rows,
                               l->valid);
        if (status != BMRT_OK) return status;
        event.valid = l->valid;
        event.valid_count = l->train->valid.metric_count;
    }
    event.seconds = bmrt_seconds() - l->epoch_started;
    bmrt_emit(l->s, event);
    l->at->epoch_rows = 0;
    memset(l->at->sums, 0, sizeof l->at->sums);
    const bool best = update_best(l, event.epoch);
    if (whole) update_patience(l);
    status = save_epoch(l, event.epoch, best);
    l->epoch_started = bmrt_seconds();
    return status;
}

static bool finished(const Loop *l) {
    return bmrt_iteration(l->s->handle) >= l->total_steps || l->at->stopped;
}

static BmrtStatus run_steps(Loop *l) {
    BmrtStatus status = BMRT_OK;
    const int64_t every = l->train->save == BMRT_SAVE_EVERY ? l->train->save_every_steps : 0;
    while (status == BMRT_OK && !finished(l)) {
        if (bmrt_stopped(l->s)) {
            l->s->report->interrupted = 1;
            if (bmrt_iteration(l->s->handle) == 0) return BMRT_OK;
            return bmrt_saver_guard(&l->saver, l->at, l->metric_count, true);
        }
        status = run_step(l);
        if (status != BMRT_OK) return status;
        const int64_t iteration = bmrt_iteration(l->s->handle);
        const bool whole = iteration % l->epoch_steps == 0;
        if (whole || iteration == l->total_steps)
            status = end_epoch(l, whole);
        else
            tick(l);
        if (status == BMRT_OK && every > 0 && iteration % every == 0 &&
            l->saver.saved_iteration != iteration)
            status = bmrt_saver_save(&l->saver, l->at, l->metric_count);
    }
    return status;
}

/* What the block promises to leave behind: the last weights, or the best. */
static BmrtStatus finish_block(Loop *l, bool trained) {
    BmrtSession *s = l->s;
    BmrtTensorFile file;
    BmrtMessage message;
    BmrtStatus status = BMRT_OK;
    const bool best = l->train->save == BMRT_SAVE_BEST && l->at->best_epoch > 0;
    if (!best && trained && l->saver.saved_iteration != bmrt_iteration(s->handle))
        status = bmrt_saver_save(&l->saver, l->at, l->metric_count);
    if (l->train->save == BMRT_SAVE_BEST && !best)
        bmrt_warn(s, "no epoch was the best: the last weights stand");
    if (status != BMRT_OK || !best) return status;
    if (s->options->save_nothing) {
        bmrt_warn(s, "the best weights were not saved: the last ones stand");
        return BMRT_OK;
    }
    status = bmrt_tensors_read(s->hooks, l->saver.path, &file, &message);
    if (status != BMRT_OK) return bmrt_report(s, status, &message);
    status = bmrt_load_tensors(s->handle, &file, l->saver.path, BMRT_LOAD_WEIGHTS, NULL);
    bmrt_tensors_free(&file);
    if (status != BMRT_OK) return bmrt_report_handle(s, status);
    bmrt_saver_done(&l->saver);
    const BmrtMetric chosen = {l->train->save_metric, l->at->best};
    bmrt_emit(s, (BmrtEvent){.kind = BMRT_EVENT_BEST,
                             .name = l->train->name,
                             .epoch = (int64_t)l->at->best_epoch,
                             .metric_count = 1,
                             .metrics = &chosen});
    return BMRT_OK;
}

BmrtStatus bmrt_run_block(BmrtSession *s, BmrtPosition *position) {
    const BmrtTrain *train = &s->model->train[position->block];
    Loop l = {.s = s, .train = train, .at = position, .order_epoch = -1};
    const uint64_t seed = s->options->seed_given ? s->options->seed : train->seed;
    BmrtStatus status = open_loop(&l);
    if (status == BMRT_OK) status = check_resumed(&l, seed);
    if (status == BMRT_OK) {
        const bool trained = !finished(&l);
        l.first_step = bmrt_iteration(s->handle);
        l.block_started = l.epoch_started = l.ticked = bmrt_seconds();
        bmrt_emit(s, loop_event(&l, BMRT_EVENT_BEGIN, false));
        status = run_steps(&l);
        if (status == BMRT_OK && !s->report->interrupted) status = finish_block(&l, trained);
    }
    close_loop(&l);
    return status;
}
