/* The order of kernels while it is being made: order.c, with frugal.c and plan_threads.c. */
#ifndef BMC_SCHEDULE_ORDER_H
#define BMC_SCHEDULE_ORDER_H

#include "compiler/schedule/sched.h"

typedef struct Seen { /* of a buffer, since the last barrier */
    Share read, written;
} Seen;

typedef VEC(uint32_t) Numbers;

/* A second-level cache's worth: below it memory costs nothing, a barrier does. A loop's body is
 * part of a whole. */
#define SMALL_BYTES      1048576.0
#define LOOP_SMALL_BYTES (SMALL_BYTES / 16)

/* The groups of one plan and who waits for whom. Number `count` is the guard, a step like a group
 * that computes nothing; bodies of loops have none. */
typedef struct Deps {
    Sched *s;
    uint32_t count; /* groups */
    bool guard;
    Numbers *after;  /* per step: steps that need it done before */
    uint32_t *waits; /* per step: how many it waits for */
} Deps;

/* What a step does to the memory in use. Bytes are doubles: exact up to 2^53, and never overflow.
 */
typedef struct Footprint {
    Numbers *touched;  /* per step: buffers of the arena that it touches, each once */
    double *transient; /* per step: bytes that only this step needs */
    double *bytes;     /* per buffer; 0: not counted (lives anyway, or transient) */
    uint32_t *uses;    /* per buffer: steps that touch it */
    uint32_t *user;    /* per buffer: exclusive or of these steps */
} Footprint;

/* A sequence of all steps but hoisted ones that respects the dependences. */
typedef struct Sequence {
    uint32_t *at;
    uint32_t count;
    double *live; /* per place: bytes in use while that step runs */
    double peak;
} Sequence;

/* ---- plan_threads.c */
bool group_conflicts(const Group *g, const Seen *seen);
void group_touch(const Group *g, Seen *seen);
void share_merge(Share *into, const Share *share);
void touches_collect(Sched *s, Seen *empty);

/* ---- order.c */
Deps deps_of(Sched *s);

/* ---- frugal.c */
Footprint footprint_of(const Deps *d);
Sequence sequence_choose(const Deps *d, const Footprint *f);

#endif
