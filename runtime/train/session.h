/* One run of bmrt_train or bmrt_test: the handle, the data, and where failures are reported. */
#ifndef BMRT_SESSION_H
#define BMRT_SESSION_H

#include "runtime/core/checkpoint.h"
#include "runtime/core/core.h"
#include "runtime/data/dataset.h"
#include "runtime/train/position.h"
#include "runtime/train/train.h"

typedef struct BmrtSession {
    const BmrtModel *model;
    const BmrtTrainOptions *options;
    const BmrtHooks *hooks;
    BmrtReport *report;
    BmrtHandle *handle;
    BmrtDataset *data;    /* one a data block; empty until loaded */
    double started;       /* seconds of the monotonic clock */
    uint32_t fold, folds; /* which fold is valid (from 0), of how many; folds 0: no folds */
} BmrtSession;

double bmrt_seconds(void);
/* Splits a message into the report's headline and note; returns status. */
BmrtStatus bmrt_report(BmrtSession *s, BmrtStatus status, const BmrtMessage *message);
BmrtStatus bmrt_report_text(BmrtSession *s, BmrtStatus status, const char *format, ...)
    BMRT_PRINTF(3, 4);
/* The handle's own message. */
BmrtStatus bmrt_report_handle(BmrtSession *s, BmrtStatus status);
void bmrt_emit(const BmrtSession *s, BmrtEvent event);
void bmrt_warn(const BmrtSession *s, const char *format, ...) BMRT_PRINTF(2, 3);
static inline bool bmrt_stopped(const BmrtSession *s) {
    return s->options->stop && *s->options->stop;
}

/* evaluate.c: metrics of a split. metrics: eval->metric_count. batch 0: the runtime's choice. */
BmrtStatus bmrt_evaluate(BmrtSession *s, const BmrtEval *eval, const BmrtDataset *data,
                         BmrtSplit split, int64_t batch, BmrtMetric *metrics);
/* A rank-0 value as a double. */
double bmrt_scalar(BmrtDtype dtype, const void *data);
/* Binds an entry's inputs by name to the batch's columns. */
BmrtStatus bmrt_bind_columns(BmrtSession *s, const BmrtEntry *entry, const BmrtBatcher *batch,
                             const void **inputs);
/* After a refused index: says which row of the data it was, and points to the field. */
BmrtStatus bmrt_report_batch(BmrtSession *s, BmrtStatus status, const BmrtDataset *data,
                             BmrtSplit part, const uint32_t *order, int64_t first);

/* statistics.c: the statistics of exports, with the weights as they are. */
BmrtStatus bmrt_run_statistics(BmrtSession *s);

/* cross_validate.c. How many folds the block's data has; 0: none. */
uint32_t bmrt_fold_count(const BmrtModel *m, const BmrtTrain *train);
/* The file of a fold: `{fold}` replaced, or `.foldN` before the last extension. false: too long. */
bool bmrt_fold_path(char *path, size_t size, uint32_t fold);
/* Runs `train` for every fold (or the one asked for) and tells what they gave. */
BmrtStatus bmrt_cross_validate(BmrtSession *s, const BmrtTrain *t,
                               BmrtStatus (*train)(BmrtSession *));
/* Closes the handle and frees the data. */
void bmrt_session_clear(BmrtSession *s);

/* loop.c: one train block, from wherever `position` stands (position.c). */
struct BmrtPosition;
BmrtStatus bmrt_run_block(BmrtSession *s, struct BmrtPosition *position);

#endif
