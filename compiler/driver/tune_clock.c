/* How long each item of an entry's order takes when nothing disturbs it.
 *
 * Other programs take the processor away now and then, for longer than most kernels run; that only
 * ever adds. So each run of a kernel is a sample of its own, and a low quantile of them counts, not
 * their sum: a kernel that runs 128 times in a loop has 128 chances a step. */
#include "compiler/driver/profile.h"
#include "compiler/driver/tune.h"
#include <stdlib.h>

enum { SAMPLES = 256, QUANTILE = 5 /* a fifth are shorter */ };

struct TuneClock {
    bool on;
    uint32_t positions, steps;
    uint64_t last;
    uint64_t *calls; /* per position */
    float *ticks;    /* per position: the latest SAMPLES */
};

TuneClock *tune_clock(Arena *arena, uint32_t positions) {
    TuneClock *c = ARENA_NEW(arena, TuneClock);
    *c = (TuneClock){.positions = positions};
    c->calls = ARENA_ARRAY(arena, uint64_t, positions);
    c->ticks = ARENA_ARRAY(arena, float, (size_t)positions *SAMPLES);
    tune_clock_clear(c);
    return c;
}

void tune_clock_clear(TuneClock *c) {
    for (uint32_t i = 0; i < c->positions; i++) c->calls[i] = 0;
    c->steps = 0;
    c->on = false;
}

void tune_clock_step(TuneClock *c, bool on) {
    c->on = on;
    c->steps += on;
}

void tune_clock_mark(void *user, int32_t thread, int32_t threads, uint32_t position) {
    TuneClock *c = user;
    (void)thread;
    (void)threads;
    const uint64_t now = recorder_ticks();
    if (c->on && position < c->positions)
        c->ticks[(size_t)position * SAMPLES + c->calls[position]++ % SAMPLES] =
            (float)(now - c->last);
    c->last = now;
}

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double tune_clock_ticks(TuneClock *c, uint32_t position) {
    const uint64_t calls = c->calls[position];
    if (calls == 0 || c->steps == 0) return 0;
    float *samples = c->ticks + (size_t)position * SAMPLES;
    const size_t count = calls < SAMPLES ? (size_t)calls : SAMPLES;
    qsort(samples, count, sizeof *samples, by_value);
    return (double)samples[count / QUANTILE] * (double)calls / c->steps;
}
