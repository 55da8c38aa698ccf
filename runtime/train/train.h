/* Training and testing as the `train` and `test` blocks of a model say, for any model descriptor
 * (JIT-compiled or from a .so). Nothing here prints: what happens is told by events; progress.c and
 * events_json.c render events to text. Every failure is a status and a report that says where in
 * the .bm it comes from. docs/runtime.md explains order, seeds and saving; docs/checkpoint.md the
 * files. */
#ifndef BMRT_TRAIN_H
#define BMRT_TRAIN_H

#include <signal.h>

#include "runtime/include/bmrt.h"

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

typedef struct BmrtHooks BmrtHooks; /* core/hooks.h: for tests of failing calls */

typedef struct BmrtMetric {
    const char *name; /* "loss" */
    double value;     /* may be NaN */
} BmrtMetric;

typedef enum BmrtEventKind {
    BMRT_EVENT_BEGIN, /* a train block starts: epochs, steps, rows, name are set */
    BMRT_EVENT_TICK,  /* now and then within an epoch (options.tick_seconds): running train metrics
                       */
    BMRT_EVENT_EPOCH, /* an epoch (or the last, unfinished one) is over: train and valid metrics */
    BMRT_EVENT_TEST,  /* a test block was evaluated: name, metrics in `train` */
    BMRT_EVENT_SAVED, /* path */
    BMRT_EVENT_WARNING, /* message */
    BMRT_EVENT_FOLD,  /* a fold is trained: epoch (its number), epochs (folds), its valid metrics */
    BMRT_EVENT_FOLDS, /* all folds: epochs, metrics: the means, valid: the standard deviations */
    BMRT_EVENT_DATA,  /* a data block was read and cleaned: name, rows, dropped, duplicates, missing
                       */
    BMRT_EVENT_SHOW,  /* message: lines of text that a `show` of a debug build says */
    BMRT_EVENT_BEST,  /* a block that keeps its best epoch ends with that epoch's weights: name,
                         epoch,  the valid metric that chose it */
    BMRT_EVENT_END    /* steps, seconds, weights_sha256 */
} BmrtEventKind;

typedef struct BmrtEvent {
    BmrtEventKind kind;
    const char *name;                /* of the train or test block; NULL: the unnamed one */
    int64_t epoch;                   /* from 1 */
    int64_t epochs;                  /* planned; 0: the block counts steps */
    int64_t step, steps;             /* done in this block, and planned */
    int64_t epoch_step, epoch_steps; /* done in this epoch, and steps of a whole epoch */
    int64_t rows;                    /* of the train (or test) split */
    uint32_t metric_count, valid_count;
    const BmrtMetric
        *metrics; /* EPOCH, TICK: row-weighted mean over the epoch so far; TEST: its own */
    const BmrtMetric *valid; /* EPOCH */
    double seconds; /* EPOCH: this epoch, valid included; TEST: the test; END, TICK: since BEGIN */
    const char *path;            /* SAVED */
    const char *message;         /* WARNING, SHOW */
    const char *weights_sha256;  /* END: 64 hex digits over parameters, states and fits */
    int64_t first_step;          /* steps this block had done before this run (resumed) */
    int64_t dropped, duplicates; /* DATA: rows left out */
    uint32_t field_count;        /* DATA */
    const BmrtField *fields;
    const int64_t *missing; /* DATA: per field, missing cells in the rows that are left */
} BmrtEvent;

typedef struct BmrtTrainOptions { /* zero it, set size_bytes, then what you need */
    uint32_t size_bytes;
    const char *block;     /* name of the train (test) block to run; NULL: all in file order */
    const char *data_dir;  /* --data; NULL: model_dir */
    const char *model_dir; /* folder of the .bm; NULL: the current folder */
    int allow_paths;       /* data paths may be absolute, climb, or follow symlinks out */
    int32_t threads;       /* 0: all CPUs this process may use */
    int seed_given;        /* 1: `seed` stands instead of every train block's own */
    uint64_t seed;
    uint32_t fold;                  /* of k folds, run this one only, from 1; 0: all */
    const char *init_path;          /* weights to start from; test: the weights to test */
    const char *const *init_only;   /* of init_path only what lies at or below these; none: all */
    const char *const *init_rename; /* pairs: a path in that file, its path in the model */
    uint32_t init_only_count, init_rename_count;
    const char *resume_path; /* checkpoint to continue; bmrt_resume_path finds the newest */
    const char *save_path;   /* instead of the block's; NULL: as the block says */
    int save_nothing;        /* write no file at all */
    double save_seconds;     /* least time between two saves that only guard against loss; 0: 30 s;
                                negative: save at every epoch */
    double tick_seconds;     /* 0: no TICK events */
    const volatile sig_atomic_t *stop; /* nonzero: save and return after the step in progress */
    void (*event)(void *user,
                  const BmrtEvent *event); /* may be NULL; called on the calling thread */
    void *user;
    const BmrtHooks *hooks; /* NULL: libc */
} BmrtTrainOptions;

typedef struct BmrtReport { /* what became of it */
    BmrtStatus status;
    int interrupted;       /* stopped by *options.stop; status is BMRT_OK */
    uint32_t line, column; /* in the .bm, of the block, source or field to blame; 0: none */
    const char *file;      /* ... in this file; NULL: the model's own; owned by the model */
    char message[2048];    /* headline; "" when all is well */
    char note[2048];       /* further lines, or "" */
    int64_t steps;         /* done, over all blocks run */
} BmrtReport;

/* Runs the train blocks, saves, then runs every test block whose data has rows (on the best weights
 * where the block saves the best), and ends with END. Returns report->status; report may be NULL.
 * ARGUMENT: a NULL, a size_bytes that is not this version's, a block or fold that is not there, a
 * block without data. IO, FORMAT: a data, weights or checkpoint file. MISMATCH: weights that do not
 * fit. NUMERIC: a loss that is not finite, a label out of range. MEMORY. The message says more. */
BmrtStatus bmrt_train(const BmrtModel *model, const BmrtTrainOptions *options, BmrtReport *report);

/* Runs the test blocks on the weights in options->init_path (required). Statuses as bmrt_train. */
BmrtStatus bmrt_test(const BmrtModel *model, const BmrtTrainOptions *options, BmrtReport *report);

/* Where the first (or the named) train block saves: options->save_path, the block's path, or
 * STEM.safetensors. 0 when it does not fit, or for a NULL. What `test` and `run` read when no
 * --init is given. */
int bmrt_save_path(const BmrtModel *model, const BmrtTrainOptions *options, char *out, size_t size);
/* The file `--resume` continues from: STEM.resume.safetensors beside the save path when it exists,
 * else the save path. 0 when neither exists or it does not fit, or for a NULL. */
int bmrt_resume_path(const BmrtModel *model, const BmrtTrainOptions *options, char *out,
                     size_t size);

/* ------------------------------------------------------------------ rendering */

/* An event of NULL gives "", a text of NULL counts as "", an `out` of NULL as size 0. */

/* One JSON object without a newline, for the kinds EPOCH, TEST, SAVED, WARNING and END; "" for
 * others. As snprintf: writes at most size - 1 bytes, returns the length needed. Non-finite
 * numbers: null. */
size_t bmrt_event_json(const BmrtEvent *event, char *out, size_t size);
/* A JSON string with its quotes; invalid UTF-8 becomes U+FFFD. As snprintf. */
size_t bmrt_json_string(const char *text, char *out, size_t size);

/* One line of text for people ("epoch 3/10  loss 0.3812  accuracy 0.8601  | valid ...  1.9 s"),
 * without a newline at its end (TEST: one line a metric); "" for BEGIN and TICK. `color`: ANSI
 * colors. As snprintf. */
size_t bmrt_event_line(const BmrtEvent *event, int color, char *out, size_t size);
/* The progress bar of a TICK (or BEGIN) for a terminal of `width` columns, starting with \r and
 * clearing the rest of the line: "\r epoch 3/10 ████▌   57%  1620 step/s  ETA 4 s  loss 0.38".
 * As snprintf. bmrt_progress_clear removes it. */
size_t bmrt_progress_bar(const BmrtEvent *event, int width, int color, int unicode, char *out,
                         size_t size);
const char *bmrt_progress_clear(void);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
