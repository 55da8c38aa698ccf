/* What an entry does, as data: which kernel runs next, on which rows, with which arguments, and
 * where threads meet. The compiler writes one BmrtSequence an entry, the runtime's core goes
 * through it (core/sequence.c). So the code of a model does not grow with its depth, only this
 * table does. Not a public header: compiler and runtime core of one version share it, inside one
 * .so or process. */
#ifndef BMRT_SEQUENCE_H
#define BMRT_SEQUENCE_H

#include "runtime/include/bmrt.h"

/* A kernel's code: its arguments as 64-bit words, the rows [lo, hi) of its parallel axis. */
typedef void (*BmrtKernelFn)(const uint64_t *words, int64_t lo, int64_t hi, BmrtFrame *frame);

/* Where an argument comes from; BmrtWord.number counts the elements of that array. */
typedef enum BmrtWordSource {
    BMRT_FROM_ARENA,    /* frame->arena + frame->offsets[number] */
    BMRT_FROM_SLOTS,    /* frame->slots + constants[number] */
    BMRT_FROM_INPUT,    /* frame->inputs[number] */
    BMRT_FROM_OUTPUT,   /* frame->outputs[number] */
    BMRT_FROM_TABLE,    /* tables[number]: data of the program */
    BMRT_FROM_SYMBOL,   /* frame->symbols[number] */
    BMRT_FROM_COUNT,    /* the iteration of the open loop at nesting depth `number` */
    BMRT_FROM_CONSTANT, /* constants[number]: the key of a random site */
    BMRT_SOURCE_COUNT
} BmrtWordSource;
typedef struct BmrtWord {
    uint32_t source, number;
} BmrtWord;

typedef enum BmrtStepKind {
    BMRT_STEP_RUN,        /* kernels[number] on words [first, first + words), rows of `share` */
    BMRT_STEP_BARRIER,    /* all threads meet */
    BMRT_STEP_GUARD,      /* the float (words == 2: double) at word `first` must be finite, or the
                             entry ends here for all threads; carries its own barrier */
    BMRT_STEP_LOOP_BEGIN, /* loops[number]; `first`: the step of its END */
    BMRT_STEP_LOOP_END    /* `first`: the step of its BEGIN */
} BmrtStepKind;

enum { BMRT_SHARE_ALONE = UINT16_MAX }; /* thread 0 runs it, with lo = 0 and hi = 1 */

typedef struct BmrtStep {
    uint8_t kind;
    uint8_t together; /* RUN: this and the next together - 1 steps run on `rows` of the thread's
                         rows, then on the next ones (0, 1: by itself, on all) */
    uint16_t share;   /* RUN: number of a BmrtShare, or BMRT_SHARE_ALONE */
    uint32_t number, first, words;
    uint32_t rows;
} BmrtStep;

/* Thread t of T gets the grains [n*t/T, n*(t+1)/T) of n = ceil(extent / grain). */
typedef struct BmrtShare {
    BmrtDim extent;
    int64_t grain;
} BmrtShare;

typedef struct BmrtLoop { /* 0 .. trip-1, or down from trip-1 */
    BmrtDim trip;
    uint32_t depth; /* how many loops are open around it */
    int32_t reverse;
} BmrtLoop;

typedef struct BmrtSequence {
    uint32_t step_count, share_count;
    uint32_t loop_depth; /* how many loops are open at most */
    uint32_t words_max;  /* of one kernel */
    const BmrtStep *steps;
    const BmrtWord *words;
    const BmrtKernelFn *kernels;
    const BmrtShare *shares;
    const BmrtLoop *loops;
    const void *const *tables;
    const uint64_t *constants;
} BmrtSequence;

/* Elements of the room that a thread needs to go through it: a share's rows, a loop's count and
 * trip, a kernel's words. */
#define BMRT_SEQUENCE_ROOM(s)                                                                      \
    ((size_t)2 * (s)->share_count + (size_t)2 * (s)->loop_depth + (s)->words_max)

/* Goes through the sequence as thread `thread` of `threads`. `room`: BMRT_SEQUENCE_ROOM elements of
 * the thread's own; they need not be initialised. Never allocates. */
void bmrt_sequence_run(const BmrtSequence *s, BmrtFrame *frame, int32_t thread, int32_t threads,
                       uint64_t *room);

/* The same for a profiler: `mark` is called when the thread enters (position BMRT_MARK_BEGIN),
 * after each step but those of loops (its number) and when the thread leaves (BMRT_MARK_END). */
typedef void (*BmrtMark)(void *user, int32_t thread, int32_t threads, uint32_t position);
#define BMRT_MARK_BEGIN UINT32_MAX
#define BMRT_MARK_END   (UINT32_MAX - 1)
void bmrt_sequence_mark(const BmrtSequence *s, BmrtFrame *frame, int32_t thread, int32_t threads,
                        uint64_t *room, BmrtMark mark, void *user);

#endif
