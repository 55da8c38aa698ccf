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

/* False when no call with that size passes the entry's checks (a slice 1:3 of a batch of 1): the
 * graph would be wrong for it, and nothing would ever run it. */
static bool callable(const Program *program, const Graph *g, const LoopVariant *v) {
    uint32_t count;
    const GraphCheck *checks = graph_size_checks(g, &count);
    for (uint32_t i = 0; i < count; i++) {
        const GraphCheck *check = &checks[i];
        DimId bound = dim_bind(program->dims, check->value, v->symbol, v->value);
        if (!dim_is_const(program->dims, bound)) continue;
        int64_t value = dim_value(program->dims, bound);
        if (check->zero ? value != 0 : value < 0) return false;
    }
    return true;
}

bool variant_of_one(const Program *program, const Entry *entry, LoopVariant *v) {
    *v = (LoopVariant){.value = 1};
    if (entry->kind != BMRT_ENTRY_EXPORT) return false;
    for (uint32_t i = 0; i < entry->graph->inputs.len; i++) {
        const Shape *shape = &entry->graph->inputs.data[i].shape;
        int32_t symbol = shape->rank ? dim_as_symbol(program->dims, shape->dims[0]) : -1;
        if (symbol < 0) continue;
        v->symbol = (uint32_t)symbol;
        return dim_symbol_bound(program->dims, v->symbol) > 1 && callable(program, entry->graph, v);
    }
    return false;
}

bool variant_is_small(const LoopProgram *p) {
    return loop_work(p).ns < ALONE_NS;
}
