/* k folds: the train blocks once for each, with fresh weights, statistics and vocabularies, then
 * mean and standard deviation of what the folds' valid and test rows gave. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/train/session.h"

uint32_t bmrt_fold_count(const BmrtModel *m, const BmrtTrain *train) {
    if (!train || train->data < 0 || train->data >= (int32_t)m->data_count) return 0;
    const BmrtSplitRule *rule = &m->data[train->data].split;
    return rule->kind == BMRT_SPLITBY_FOLDS ? rule->folds : 0;
}

/* a-{fold}.safetensors -> a-3.safetensors; without `{fold}`: a.safetensors -> a.fold3.safetensors
 */
bool bmrt_fold_path(char *path, size_t size, uint32_t fold) {
    char before[BMRT_PATH_MAX];
    const char *mark = strstr(path, "{fold}");
    int n = -1;
    if (snprintf(before, sizeof before, "%s", path) >= (int)sizeof before) return false;
    if (mark) {
        n = snprintf(path, size, "%.*s%u%s", (int)(mark - path), before, fold + 1,
                     before + (mark - path) + 6);
    } else {
        const char *slash = strrchr(before, '/'), *dot = strrchr(before, '.');
        if (!dot || (slash && dot < slash) || dot == before) dot = before + strlen(before);
        n = snprintf(path, size, "%.*s.fold%u%s", (int)(dot - before), before, fold + 1, dot);
    }
    return n > 0 && (size_t)n < size;
}

/* ------------------------------------------------------------------ summaries */

typedef struct Summary { /* per metric: sums over the folds */
    BmrtMetric metrics[BMRT_METRICS_MAX];
    double sum[BMRT_METRICS_MAX], squares[BMRT_METRICS_MAX];
    uint32_t count, folds;
} Summary;

static void add(Summary *total, const BmrtMetric *metrics, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        /* Welford: exact enough for close values, and no folds need be kept. */
        const double n = (double)total->folds + 1, delta = metrics[i].value - total->sum[i];
        total->sum[i] += delta / n;
        total->squares[i] += delta * (metrics[i].value - total->sum[i]);
        total->metrics[i].name = metrics[i].name;
    }
    total->count = count;
    total->folds++;
}

static void tell(BmrtSession *s, Summary *total, const char *name) {
    BmrtMetric deviation[BMRT_METRICS_MAX];
    for (uint32_t i = 0; i < total->count; i++) {
        total->metrics[i].value = total->sum[i];
        deviation[i].name = total->metrics[i].name;
        deviation[i].value =
            total->folds > 1 ? sqrt(total->squares[i] / (double)(total->folds - 1)) : 0;
    }
    bmrt_emit(s, (BmrtEvent){.kind = BMRT_EVENT_FOLDS,
                             .name = name,
                             .epochs = total->folds,
                             .metric_count = total->count,
                             .metrics = total->metrics,
                             .valid_count = total->count,
                             .valid = deviation});
}

static BmrtStatus evaluate_fold(BmrtSession *s, const BmrtTrain *t, Summary *total) {
    BmrtMetric metrics[BMRT_METRICS_MAX];
    const BmrtDataset *data = &s->data[t->data];
    const BmrtStatus status =
        bmrt_evaluate(s, &t->valid, data, BMRT_SPLIT_VALID, t->batch, metrics);
    if (status != BMRT_OK) return status;
    bmrt_emit(s, (BmrtEvent){.kind = BMRT_EVENT_FOLD,
                             .name = t->name,
                             .epoch = (int64_t)s->fold + 1,
                             .epochs = s->folds,
                             .rows = data->splits[BMRT_SPLIT_VALID].count,
                             .metric_count = t->valid.metric_count,
                             .metrics = metrics});
    add(total, metrics, t->valid.metric_count);
    return BMRT_OK;
}

BmrtStatus bmrt_cross_validate(BmrtSession *s, const BmrtTrain *t,
                               BmrtStatus (*train)(BmrtSession *)) {
    const uint32_t only = s->options->fold;
    Summary total = {.count = 0};
    BmrtStatus status = BMRT_OK;
    int64_t steps = 0; /* of all folds; each tells its own */
    if (only > s->folds) return bmrt_report_text(s, BMRT_ARGUMENT, "fold %u of %u", only, s->folds);
    if (s->options->resume_path && !only)
        return bmrt_report_text(s, BMRT_ARGUMENT,
                                "a run over all folds cannot be resumed\nresume one: `--fold N`");
    for (s->fold = only ? only - 1 : 0; status == BMRT_OK && s->fold < s->folds; s->fold++) {
        bmrt_session_clear(s);
        s->report->steps = 0;
        status = train(s);
        steps += s->report->steps;
        if (status == BMRT_OK && s->report->interrupted) return BMRT_OK;
        if (status == BMRT_OK && t->valid.eval_entry >= 0) status = evaluate_fold(s, t, &total);
        if (only) break;
    }
    s->report->steps = steps;
    if (status == BMRT_OK && total.folds > 1) tell(s, &total, t->name);
    return status;
}
