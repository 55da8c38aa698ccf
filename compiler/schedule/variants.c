/* Which entries are compiled a second time, for one value of a size: exported functions for a batch
 * of 1, the size that a service calls with. Known, it lets axes of one element vanish: threads
 * share the axis behind them, rows become vectors, offsets become constants. Same bits: nothing in
 * a sealed graph depends on whether a size is known.
 *
 * Which size is the batch: the first axis of the first input that has a run-time size there. */
#include "compiler/schedule/sched.h"

/* Below this (by the estimate of loop_work, which is high for vectors times matrices) a second
 * thread saves some microseconds at best, and costs fifty when it sleeps: a service calls now and
 * then. */
static const double ALONE_NS = 40e3;

/* The check of the entry that no call with that size passes (a slice 1:3 of a batch of 1): the
 * graph would be wrong for it, and nothing would ever run it. NULL: there is none. */
static const GraphCheck *refusal(const Program *program, const Graph *g, const LoopVariant *v) {
    uint32_t count;
    const GraphCheck *checks = graph_size_checks(g, &count);
    for (uint32_t i = 0; i < count; i++) {
        const GraphCheck *check = &checks[i];
        DimId bound = dim_bind(program->dims, check->value, v->symbol, v->value);
        if (!dim_is_const(program->dims, bound)) continue;
        int64_t value = dim_value(program->dims, bound);
        if (check->zero ? value != 0 : value < 0) return check;
    }
    return NULL;
}

/* -1: the entry has none. */
static int32_t batch_symbol(const Program *program, const Entry *entry) {
    int32_t symbol = -1;
    for (uint32_t i = 0; i < entry->graph->inputs.len && symbol < 0; i++) {
        const Shape *shape = &entry->graph->inputs.data[i].shape;
        if (shape->rank) symbol = dim_as_symbol(program->dims, shape->dims[0]);
    }
    return symbol;
}

bool variant_of_one(const Program *program, const Entry *entry, LoopVariant *v) {
    *v = (LoopVariant){.value = 1};
    if (entry->kind != BMRT_ENTRY_EXPORT) return false;
    const int32_t symbol = batch_symbol(program, entry);
    if (symbol < 0) return false;
    v->symbol = (uint32_t)symbol;
    return dim_symbol_bound(program->dims, v->symbol) > 1 && !refusal(program, entry->graph, v);
}

bool variant_is_small(const LoopProgram *p) {
    return loop_work(p).ns < ALONE_NS;
}

bool schedule_fix_batch(Context *ctx, Program *program, int64_t batch) {
    bool fine = true;
    for (uint32_t i = 0; i < program->entries.len; i++) {
        Entry *entry = &program->entries.data[i];
        if (entry->kind != BMRT_ENTRY_EXPORT && entry->kind != BMRT_ENTRY_STEP) continue;
        const int32_t symbol = batch_symbol(program, entry);
        if (symbol < 0) continue;
        const LoopVariant v = {.symbol = (uint32_t)symbol, .value = batch};
        const GraphCheck *check = refusal(program, entry->graph, &v);
        if (check) {
            Diag *d = ctx_error(ctx, E_SHAPE, (Span){0}, "`%s` cannot run at a batch of %lld",
                                entry->name, (long long)batch);
            diag_note(d, "%s", check->text);
            diag_help(d, "`--static-batch` fixes the first size of the first input of every "
                         "`export fn` and training step");
            fine = false;
            continue;
        }
        entry->graph = graph_bind(entry->graph, v.symbol, batch);
        entry->graph->sealed = true;
    }
    return fine;
}
