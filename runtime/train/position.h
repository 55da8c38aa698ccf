/* Where a training run stands beyond the tensors and counters of its handle: what a checkpoint's
 * metadata must hold so that the run goes on bit for bit. */
#ifndef BMRT_POSITION_H
#define BMRT_POSITION_H

#include "runtime/core/safetensors.h"

enum { BMRT_METRICS_MAX = 64, BMRT_POSITION_TEXT = 24 };

typedef struct BmrtPosition {
    uint64_t block;                      /* train block in progress */
    uint64_t seed, rows, batch, shuffle; /* must be the same when resumed */
    uint64_t epoch_rows;                 /* rows seen in the epoch in progress */
    double sums[BMRT_METRICS_MAX];       /* ... and the row-weighted sums of their metrics */
    double best;                         /* of the metric that decides what is saved */
    uint64_t best_epoch;                 /* 0: none yet */
    double patience_best;
    uint64_t patience_epochs; /* epochs since that improved */
    uint64_t patience_seen;   /* 0: patience_best is not set */
    uint64_t stopped;         /* 1: by patience */
} BmrtPosition;

/* Alternating keys and values, NULL-terminated, for bmrt_save. */
typedef struct BmrtPositionText {
    const char *pairs[2 * (16 + BMRT_METRICS_MAX) + 1];
    char keys[BMRT_METRICS_MAX][BMRT_POSITION_TEXT];
    char values[16 + BMRT_METRICS_MAX][BMRT_POSITION_TEXT];
} BmrtPositionText;

void bmrt_position_write(const BmrtPosition *position, uint32_t metrics, BmrtPositionText *out);
/* false: the file holds no (or a damaged) position. */
bool bmrt_position_read(const BmrtTensorFile *file, BmrtPosition *out);

#endif
