/* `--tune`: which of the ways to compute each contraction is fastest on this machine.
 *
 * The schedule says what could be tried (schedule.h, ScheduleChoices). Each entry is compiled once
 * as found and then with other choices, at most 16 a kernel, all kernels varied at once; both
 * programs run in turn, on one thread, and each kernel's least time decides (tune_measure.c). A
 * choice is taken only where every output and every slot has the very bits of the untuned program,
 * which the tests hold against the reference evaluator. What was found is kept on disk, so the next
 * run measures nothing. Without `--tune` nothing of this is looked at. */
#ifndef BMC_DRIVER_TUNE_H
#define BMC_DRIVER_TUNE_H

#include "compiler/driver/pipeline.h"

typedef struct TuneProblem { /* a contraction, wherever it occurs */
    const char *problem;     /* choice_problem's words */
    const Choice *others;
    uint32_t count;
    Choice trial; /* what the schedule is told now */
    Choice best;  /* all zeros: as found */
    double gain;  /* of its kernels' time: as found by best */
    bool known;   /* from the cache, or measured */
    bool cached;
    bool measured; /* in the entry in progress */
    uint32_t tried, refused;
} TuneProblem;

typedef struct Tuner {
    Pipeline *p;
    ScheduleOptions *options;
    ScheduleChoices choices;
    VEC(TuneProblem) problems;
    CodeStore store; /* the cache's objects, but nothing is kept: most candidates lose */
    double seconds;  /* spent measuring */
    double told;     /* when progress was shown last */
    uint32_t rounds; /* measured */
} Tuner;

/* Finds the choices and puts them into `options`. False with a diagnostic. */
bool tune_program(Pipeline *p, ScheduleOptions *options);

/* ---- tune_clock.c: times of the items of an order, of one thread */
typedef struct TuneClock TuneClock;
TuneClock *tune_clock(Arena *arena, uint32_t positions);
void tune_clock_clear(TuneClock *c);
void tune_clock_step(TuneClock *c, bool on); /* the next step is timed, or not */
/* The BmrtMark of the entry; user: the clock. */
void tune_clock_mark(void *user, int32_t thread, int32_t threads, uint32_t position);
/* Of all runs of the item in a step; 0 where there was none. Sorts the samples. */
double tune_clock_ticks(TuneClock *c, uint32_t position);

/* ---- tune_measure.c */
/* Measures what is not known yet of the entry's kernels. An entry that cannot be run on made-up
 * inputs keeps what was found. False with a diagnostic. */
bool tune_entry(Tuner *t, uint32_t entry);
void tune_progress(Tuner *t, const char *entry, uint32_t round, uint32_t rounds);
TuneProblem *tune_find(Tuner *t, const char *problem);

#endif
