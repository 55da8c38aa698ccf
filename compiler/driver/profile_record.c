/* Recording: one reading of the processor's cycle counter an item. A reading costs about 10 ns
 * where a system's clock costs 25 and more, and it disturbs nothing: each thread writes its own
 * cache lines. Every other step runs without readings inside, so that the report can say what they
 * cost. */
#include "compiler/driver/profile.h"
#include <time.h>

#if defined __x86_64__
uint64_t recorder_ticks(void) {
    return __builtin_ia32_rdtsc();
}
#else
uint64_t recorder_ticks(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#endif

Recorder *recorder_create(Arena *arena, int32_t threads, uint32_t positions) {
    Recorder *r = ARENA_NEW(arena, Recorder);
    size_t bytes = (size_t)threads * sizeof(ThreadRecord) + 64;
    uintptr_t at = (uintptr_t)arena_alloc(arena, bytes); /* the arena aligns to 16 bytes only */
    *r = (Recorder){.threads = threads, .positions = positions, .ns_per_tick = 1};
    r->of_thread = (ThreadRecord *)((at + 63) & ~(uintptr_t)63);
    for (int32_t t = 0; t < threads; t++) {
        r->of_thread[t].ticks = ARENA_ARRAY(arena, uint64_t, positions + 16);
        r->of_thread[t].calls = ARENA_ARRAY(arena, uint64_t, positions + 16);
    }
    return r;
}

static void stamp(ThreadRecord *t, uint32_t position, uint64_t now) {
    if (t->stamp_count < t->stamp_room) t->stamps[t->stamp_count++] = (Stamp){position, now};
}

/* Little work is done by the caller alone, and so is any while other processes hold the CPUs.
 * Steps that another number of threads ran than most are other programs, and are left out. */
void recorder_mark(void *user, int32_t thread, int32_t threads, uint32_t position) {
    Recorder *r = user;
    if (thread == 0) r->ran = threads;
    if (r->mode == RECORD_NOTHING) return;
    ThreadRecord *t = &r->of_thread[thread];
    if (position == BMRT_MARK_BEGIN) {
        t->here = threads == r->team;
        t->begin = t->last = recorder_ticks();
        if (t->here && r->mode == RECORD_TRACE) stamp(t, position, t->begin);
        return;
    }
    if (!t->here) return;
    if (position == BMRT_MARK_END) {
        t->end = recorder_ticks();
        if (r->mode == RECORD_TRACE) stamp(t, position, t->end);
        return;
    }
    if (r->mode == RECORD_STEP) return;
    const uint64_t now = recorder_ticks();
    t->ticks[position] += now - t->last;
    t->calls[position]++;
    t->last = now;
    if (r->mode == RECORD_TRACE) stamp(t, position, now);
}

double recorder_step_ns(const Recorder *r) {
    uint64_t end = 0;
    if (!r->of_thread[0].here) return -1;
    for (int32_t t = 0; t < r->team; t++)
        if (r->of_thread[t].end > end) end = r->of_thread[t].end;
    return (double)(end - r->of_thread[0].begin) * r->ns_per_tick;
}

void recorder_trace_room(Recorder *r, Arena *arena, uint64_t done, uint32_t steps) {
    for (int32_t t = 0; t < r->threads; t++) {
        ThreadRecord *record = &r->of_thread[t];
        uint64_t calls = 0;
        for (uint32_t i = 0; i < r->positions; i++) calls += record->calls[i];
        const uint64_t each = calls / (done ? done : 1) + 3;
        record->stamp_count = 0;
        if (record->stamp_room >= each * steps || each * steps > UINT32_MAX) continue;
        record->stamp_room = (uint32_t)(each * steps);
        record->stamps = ARENA_ARRAY(arena, Stamp, record->stamp_room);
    }
}
