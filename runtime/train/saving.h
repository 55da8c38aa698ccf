/* Where and when a train block saves. */
#ifndef BMRT_SAVING_H
#define BMRT_SAVING_H

#include "runtime/train/position.h"
#include "runtime/train/session.h"

typedef struct BmrtSaver {
    BmrtSession *s;
    const BmrtTrain *train;
    char path[BMRT_PATH_MAX]; /* what the block promises */
    char
        resume[BMRT_PATH_MAX]; /* BEST only: the latest state, to resume from; removed at the end */
    double saved_at;           /* seconds; start of the block before the first save */
    int64_t saved_iteration;   /* -1: none by this run */
} BmrtSaver;

/* Resolves the paths and makes sure that the folder can be written, before anything is trained. */
BmrtStatus bmrt_saver_open(BmrtSaver *out, BmrtSession *s, const BmrtTrain *train);
/* Saves to the block's path. */
BmrtStatus bmrt_saver_save(BmrtSaver *saver, const BmrtPosition *position, uint32_t metrics);
/* The latest state, so that the run can go on: `urgent` at once, else when the last save is old. */
BmrtStatus bmrt_saver_guard(BmrtSaver *saver, const BmrtPosition *position, uint32_t metrics,
                            bool urgent);
/* Removes the file that only served resuming. */
void bmrt_saver_done(BmrtSaver *saver);

#endif
