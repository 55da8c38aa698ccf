/* A slow interpreter of loop programs, for tests: the second opinion on the scheduler, without
 * LLVM.
 *
 * It simulates T threads, one after another between barriers, and it is strict: an access outside a
 * buffer, a read of bytes this buffer did not write (never written, or written by another buffer
 * that shares them), a register copy read before it is set, and two threads touching one element
 * between two barriers when one of them writes, each stop with a message. */
#ifndef BMC_TESTS_LOOP_INTERP_H
#define BMC_TESTS_LOOP_INTERP_H

#include "compiler/graph/mathfn.h"
#include "compiler/loop/loop.h"

typedef struct LoopRun {
    const int64_t *symbols;    /* by DimTable number */
    uint32_t symbol_count;     /* of them; needed by programs with loops */
    const void *const *inputs; /* as graph->inputs */
    void **outputs;            /* as graph->outputs; caller allocates */
    void **slots;              /* as graph->slots; changed in place */
    uint64_t seed, step;
    double progress, epoch, iteration;
    uint32_t threads;
    /* results */
    uint32_t flags;
    const char *problem; /* NULL when all went well; in the program's arena */
} LoopRun;

void loop_interpret(const LoopProgram *p, LoopRun *run);

/* The functions that were needed so far, made once; begins as zeros but for the arena. */
typedef struct ScalarFunctions {
    Arena *arena;
    const MathProgram *made[OP_COUNT][2]; /* f32, f64 */
    bool asked[OP_COUNT][2];
} ScalarFunctions;

/* One elementwise operation on words (an element's bits, zero-extended); dtype: of the result,
 * from: of the operands (of operands 1 and 2 for select). */
uint64_t scalar_apply(ScalarFunctions *functions, Op op, DType dtype, DType from,
                      const uint64_t *args);

#endif
