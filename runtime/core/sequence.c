/* Goes through an entry's sequence: what stands around every compiled kernel. A small model's step
 * is a dozen kernels of a few hundred nanoseconds each, so what happens between two kernels counts:
 * an argument is one load and one addition whatever its source, and rows are divided once a call.
 */
#include "runtime/include/sequence.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/core/plan.h"

typedef struct Source { /* argument = element `number` of the array + base */
    const char *array;
    uint64_t base;
} Source;

typedef struct Walk {
    const BmrtSequence *s;
    BmrtFrame *frame;
    int32_t thread, threads;
    uint64_t *rows;                  /* per share: lo, hi */
    uint64_t *counts;                /* per open loop: the number of the iteration */
    uint64_t *left;                  /* per open loop: iterations still to come */
    uint64_t *words;                 /* of the kernel to be called */
    uint64_t strip[2];               /* rows of the steps that run together now */
    uint32_t strip_begin, strip_end; /* those steps; none: 0, 0 */
    Source sources[BMRT_SOURCE_COUNT];
} Walk;

static void sources_open(Walk *w) {
    const BmrtFrame *f = w->frame;
    w->sources[BMRT_FROM_ARENA] = (Source){(const char *)f->offsets, (uint64_t)(uintptr_t)f->arena};
    w->sources[BMRT_FROM_SLOTS] =
        (Source){(const char *)w->s->constants, (uint64_t)(uintptr_t)f->slots};
    w->sources[BMRT_FROM_INPUT] = (Source){(const char *)f->inputs, 0};
    w->sources[BMRT_FROM_OUTPUT] = (Source){(const char *)f->outputs, 0};
    w->sources[BMRT_FROM_TABLE] = (Source){(const char *)w->s->tables, 0};
    w->sources[BMRT_FROM_SYMBOL] = (Source){(const char *)f->symbols, 0};
    w->sources[BMRT_FROM_COUNT] = (Source){(const char *)w->counts, 0};
    w->sources[BMRT_FROM_CONSTANT] = (Source){(const char *)w->s->constants, 0};
}

static inline uint64_t word_value(const Walk *w, BmrtWord word) {
    const Source *source = &w->sources[word.source];
    uint64_t element;
    memcpy(&element, source->array + (size_t)word.number * sizeof element, sizeof element);
    return element + source->base;
}

/* Most sizes are one number, or one symbol: the batch. */
static inline bool size_value(const Walk *w, const BmrtDim *dim, int64_t *out) {
    const BmrtTerm *term = dim->terms;
    if (dim->count != 1 || term->quotient_count > 0 || term->count > 1 ||
        (term->count == 1 && term->coefficient != 1))
        return bmrt_dim_value(dim, w->frame->symbols, out);
    *out = term->count == 1 ? w->frame->symbols[term->symbols[0]] : term->coefficient;
    return *out >= 0;
}

/* The grains [n*t/T, n*(t+1)/T) of n, in rows, the last one cut at the extent. Sizes were checked
 * before the entry was called, so nothing here overflows. */
static inline void share_rows(const Walk *w, const BmrtShare *share, uint64_t *rows) {
    int64_t extent;
    if (!size_value(w, &share->extent, &extent)) extent = 0;
    if (w->threads > 1) {
        const int64_t grains = (extent + share->grain - 1) / share->grain;
        const int64_t hi = grains * (w->thread + 1) / w->threads * share->grain;
        rows[0] = (uint64_t)(grains * w->thread / w->threads * share->grain);
        rows[1] = (uint64_t)(hi < extent ? hi : extent);
    } else {
        rows[0] = 0;
        rows[1] = (uint64_t)extent;
    }
}

static inline void step_run(const Walk *w, const BmrtStep *step) {
    static const uint64_t alone[] = {0, 1};
    const uint64_t *rows = alone;
    if (step->share != BMRT_SHARE_ALONE)
        rows = &w->rows[(size_t)2 * step->share];
    else if (w->thread != 0)
        return;
    if (w->strip_end > 0) rows = w->strip;
    const int64_t lo = (int64_t)rows[0], hi = (int64_t)rows[1];
    if (lo >= hi) return;
    const BmrtWord *words = &w->s->words[step->first];
    for (uint32_t i = 0; i < step->words; i++) w->words[i] = word_value(w, words[i]);
    w->s->kernels[step->number](w->words, lo, hi, w->frame);
}

/* The number of the step to go on with: behind the last step of a strip, the first one again. */
static uint32_t run_next(Walk *w, const BmrtStep *step, uint32_t at) {
    if (step->together > 1 && w->strip_end == 0) {
        const uint64_t *rows = &w->rows[(size_t)2 * step->share];
        w->strip_begin = at;
        w->strip_end = at + step->together;
        w->strip[0] = rows[0];
        w->strip[1] = rows[1] - rows[0] > step->rows ? rows[0] + step->rows : rows[1];
        if (rows[0] >= rows[1]) w->strip[1] = rows[0];
    }
    step_run(w, step);
    if (at + 1 != w->strip_end) return at + 1;
    const BmrtStep *first = &w->s->steps[w->strip_begin];
    const uint64_t hi = w->rows[(size_t)2 * first->share + 1];
    if (w->strip[1] < hi) {
        w->strip[0] = w->strip[1];
        w->strip[1] = hi - w->strip[0] > first->rows ? w->strip[0] + first->rows : hi;
        return w->strip_begin;
    }
    w->strip_end = 0;
    return at + 1;
}

static void step_barrier(const Walk *w) {
    if (w->threads > 1) w->frame->barrier(w->frame, w->thread);
}

/* Whether the number is finite. An all-ones exponent is an infinity or a NaN. */
static bool guard_passes(const Walk *w, const BmrtStep *step) {
    const void *at = (const void *)(uintptr_t)word_value(w, w->s->words[step->first]);
    uint64_t wide, exponent = UINT64_C(0x7ff0000000000000);
    uint32_t narrow;
    if (step->words == 2) {
        memcpy(&wide, at, sizeof wide);
    } else {
        memcpy(&narrow, at, sizeof narrow);
        wide = narrow;
        exponent = 0x7f800000;
    }
    return (wide & exponent) != exponent;
}

/* Thread 0 decides; everyone reads the decision behind the barrier. */
static bool step_guard(const Walk *w, const BmrtStep *step) {
    BmrtFrame *f = w->frame;
    if (w->thread == 0) {
        f->skip = guard_passes(w, step) ? 0 : BMRT_FLAG_NONFINITE;
        if (f->skip)
            atomic_fetch_or_explicit((_Atomic uint32_t *)f->flags, f->skip, memory_order_relaxed);
    }
    step_barrier(w);
    return f->skip == 0;
}

/* The number of the step to go on with. */
static uint32_t loop_begin(Walk *w, const BmrtStep *step, uint32_t at) {
    const BmrtLoop *loop = &w->s->loops[step->number];
    int64_t trip;
    if (!bmrt_dim_value(&loop->trip, w->frame->symbols, &trip) || trip == 0) return step->first + 1;
    w->counts[loop->depth] = loop->reverse ? (uint64_t)(trip - 1) : 0;
    w->left[loop->depth] = (uint64_t)(trip - 1);
    return at + 1;
}

static uint32_t loop_end(Walk *w, const BmrtStep *step, uint32_t at) {
    const BmrtLoop *loop = &w->s->loops[step->number];
    if (w->left[loop->depth] == 0) return at + 1;
    w->left[loop->depth]--;
    w->counts[loop->depth] += loop->reverse ? UINT64_MAX : 1;
    return step->first + 1;
}

/* ------------------------------------------------------------------ */

static inline void walk_open(Walk *w, const BmrtSequence *s, BmrtFrame *frame, int32_t thread,
                             int32_t threads, uint64_t *room) {
    w->s = s;
    w->frame = frame;
    w->thread = thread;
    w->threads = threads;
    w->strip_begin = w->strip_end = 0;
    w->rows = room;
    w->counts = w->rows + (size_t)2 * s->share_count;
    w->left = w->counts + s->loop_depth;
    w->words = w->left + s->loop_depth;
    sources_open(w);
    for (uint32_t i = 0; i < s->share_count; i++)
        share_rows(w, &s->shares[i], &w->rows[(size_t)2 * i]);
}

/* The number of the next step; past the last one when the entry ends here. */
static inline uint32_t step_do(Walk *w, uint32_t at) {
    const BmrtStep *step = &w->s->steps[at];
    switch ((BmrtStepKind)step->kind) {
    case BMRT_STEP_RUN: return run_next(w, step, at);
    case BMRT_STEP_BARRIER: step_barrier(w); break;
    case BMRT_STEP_GUARD: return step_guard(w, step) ? at + 1 : UINT32_MAX;
    case BMRT_STEP_LOOP_BEGIN: return loop_begin(w, step, at);
    case BMRT_STEP_LOOP_END: return loop_end(w, step, at);
    }
    return at + 1;
}

void bmrt_sequence_run(const BmrtSequence *s, BmrtFrame *frame, int32_t thread, int32_t threads,
                       uint64_t *room) {
    Walk w;
    walk_open(&w, s, frame, thread, threads, room);
    for (uint32_t at = 0; at < s->step_count;) at = step_do(&w, at);
}

void bmrt_sequence_mark(const BmrtSequence *s, BmrtFrame *frame, int32_t thread, int32_t threads,
                        uint64_t *room, BmrtMark mark, void *user) {
    mark(user, thread, threads, BMRT_MARK_BEGIN);
    Walk w;
    walk_open(&w, s, frame, thread, threads, room);
    for (uint32_t at = 0; at < s->step_count;) {
        const uint32_t done = at;
        at = step_do(&w, at);
        if (s->steps[done].kind <= BMRT_STEP_GUARD) mark(user, thread, threads, done);
    }
    mark(user, thread, threads, BMRT_MARK_END);
}
