/* From a sealed graph to loop IR: which nodes become kernels (fuse), operand layouts (layout),
 * where values live (plan_memory), which thread does what and where barriers stand (plan_threads),
 * loops (lower), register tiles (tile), vectors (vectorise). Nothing here may change a bit. */
#ifndef BMC_SCHEDULE_SCHEDULE_H
#define BMC_SCHEDULE_SCHEDULE_H

#include "compiler/loop/loop.h"

/* What may be chosen of the kernel of a contraction; no bit of a result depends on it (choice.h).
 * Zero: as the model of the cost finds. */
typedef enum Way { WAY_FOUND, WAY_NEVER, WAY_ALWAYS } Way;
enum { CHOICE_ALL_OF_K = 65535, CHOICE_OFFERS_MAX = 15 };
typedef struct Choice {
    uint32_t rows, vectors;       /* of a register tile */
    uint32_t k_block;             /* of k at once, or CHOICE_ALL_OF_K */
    Way panels, row_panels, near; /* copies of the operands; blocks turned where they are used */
} Choice;
bool choice_same(const Choice *a, const Choice *b);
const char *choice_text(Arena *arena, const Choice *c);
/* What choice_text wrote, and nothing else. */
bool choice_parse(const char *text, size_t len, Choice *out);

/* Who chooses instead. Equal problems are equal words. */
typedef struct ScheduleChoices {
    /* NULL: as found. */
    const Choice *(*find)(void *user, const char *problem);
    /* For each kernel of a contraction, unless NULL: what else could be chosen. */
    void (*offer)(void *user, const char *problem, const Choice *others, uint32_t count);
    void *user;
} ScheduleChoices;

typedef struct ScheduleOptions {
    uint32_t vector_bytes;          /* 64 (AVX-512), 32 (AVX2), 16 */
    uint32_t vector_registers;      /* 32 or 16 */
    bool fusion;                    /* false: every node its own kernel and buffer (for tests) */
    uint32_t strip_bytes;           /* strips.c: what fits the cache of a thread; 0: the usual */
    bool memory_plan;               /* false: every buffer its own place (for tests) */
    bool variants;                  /* programs of their own for a batch of 1 */
    const ScheduleChoices *choices; /* NULL: everything as found */
} ScheduleOptions;
void schedule_options_default(ScheduleOptions *o);

/* The whole way. NULL with a diagnostic when the graph cannot be scheduled (E_UNSUPPORTED,
 * E_LIMIT). */
LoopProgram *schedule_entry(Context *ctx, const Program *program, const Entry *entry,
                            const ScheduleOptions *options);
/* --static-batch: every `export fn` and training step for one batch only; that size is no argument
 * of them then. Reports E_SHAPE when one cannot run at it. */
bool schedule_fix_batch(Context *ctx, Program *program, int64_t batch);
/* The entry where one run-time size has one value; without variants of its own. */
LoopProgram *schedule_variant(Context *ctx, const Program *program, const Entry *entry,
                              const ScheduleOptions *options, uint32_t symbol, int64_t value);

#endif
