/* What the machine can do, on as many threads as the model runs on: the best of several short runs
 * of the loops that codegen makes for it, because anything else the machine does only slows them.
 */
#include "compiler/driver/profile.h"
#include "runtime/core/memory.h"
#include "runtime/core/team.h"
#include <time.h>

enum {
    FMA_ROUNDS = 1 << 14,
    FMA_RUNS = 600,          /* of 0.05 ms: one of them is not disturbed */
    MEMORY_BYTES = 48 << 20, /* an array; three of them are beyond last-level caches of 100 MB */
    MEMORY_RUNS = 4,
    CACHE_BYTES = 128 << 10, /* an array of one thread; three of them fit 512 KB */
    CACHE_ROUNDS = 64,
    CACHE_RUNS = 12
};

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double best_ns(BmrtTeam *team, BmrtEntryFn run, BmrtFrame *frame, int runs) {
    double best = 0;
    for (int i = 0; i < runs; i++) {
        const double start = now_ns();
        bmrt_team_run(team, run, frame);
        const double ns = now_ns() - start;
        if (i == 0 || ns < best) best = ns;
    }
    return best;
}

/* GB/s of `rounds` triads over `elements` of each thread. */
static double triad_gbs(BmrtTeam *team, int32_t threads, const CodeProbes *probes, BmrtFrame *frame,
                        int64_t elements, uint64_t rounds, int runs) {
    frame->symbols = &elements;
    frame->step = rounds;
    const double ns = best_ns(team, probes->triad, frame, runs);
    return 12.0 * (double)elements * threads * (double)rounds / ns;
}

static void measure(BmrtTeam *team, const CodeProbes *probes, char *const arrays[3],
                    MachinePeak *out) {
    const int32_t threads = out->threads;
    const void *inputs[] = {arrays[0], arrays[1]};
    void *outputs[] = {arrays[2]};
    BmrtFrame frame = {.inputs = inputs, .outputs = outputs, .progress = 0.5, .step = FMA_ROUNDS};
    const double fma = best_ns(team, probes->fma, &frame, FMA_RUNS);
    out->fma_gflops = probes->fma_flops * FMA_ROUNDS * threads / fma;
    const int64_t part = MEMORY_BYTES / 4 / threads / 64 * 64;
    out->memory_gbs = triad_gbs(team, threads, probes, &frame, part, 1, MEMORY_RUNS);
    out->cache_gbs =
        triad_gbs(team, threads, probes, &frame, CACHE_BYTES / 4, CACHE_ROUNDS, CACHE_RUNS);
}

bool machine_peak(Context *ctx, const CodegenOptions *options, int32_t threads, MachinePeak *out) {
    const BmrtHooks *hooks = bmrt_hooks_default();
    CodeProbes probes;
    *out = (MachinePeak){.threads = threads};
    if (!codegen_probes(ctx, options, &probes)) return false;
    int error = 0;
    BmrtTeam *team = threads > 1 ? bmrt_team_create(hooks, threads, &error) : NULL;
    BmrtBlock blocks[3] = {{0}, {0}, {0}};
    char *arrays[3];
    int64_t bytes = MEMORY_BYTES;
    if ((int64_t)CACHE_BYTES * threads > bytes) bytes = (int64_t)CACHE_BYTES * threads;
    bool fine = threads == 1 || team != NULL;
    for (int i = 0; i < 3 && fine; i++) {
        fine = bmrt_block_alloc(hooks, &blocks[i], bytes);
        if (fine) memset(blocks[i].data, 0, (size_t)bytes); /* its pages are there from now on */
        arrays[i] = blocks[i].data;
    }
    if (fine)
        measure(team, &probes, arrays, out);
    else
        ctx_error(ctx, E_RUN_MEMORY, (Span){0},
                  "no memory or threads to measure the machine on %d threads", threads);
    for (int i = 0; i < 3; i++) bmrt_block_free(hooks, &blocks[i]);
    bmrt_team_destroy(team);
    codegen_probes_free(&probes);
    return fine;
}
