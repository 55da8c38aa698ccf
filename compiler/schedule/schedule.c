/* One entry, from its sealed graph to a loop program. The passes stand here in order; each is
 * described in its own file. */
#include "compiler/schedule/sched.h"

enum { CONST_WORDS_MAX = 1 << 22 };

void schedule_options_default(ScheduleOptions *o) {
    *o = (ScheduleOptions){.vector_bytes = 64,
                           .vector_registers = 32,
                           .fusion = true,
                           .memory_plan = true,
                           .variants = true};
}

/* What this version cannot lower is refused here, with its place, before any work. */
static bool supported(const Sched *s, const Graph *g) {
    uint32_t size = graph_size(g);
    bool *live = ARENA_ARRAY(s->arena, bool, size), fine = true;
    graph_live(g, live);
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (!live[i]) continue;
        const char *what = NULL;
        if (n->op == OP_GRAD) BUG("entry %s: a gradient reached the schedule", s->entry->name);
        if (n->op == OP_CONST && n->nattr > CONST_WORDS_MAX)
            what = "a constant of more than 4,194,304 elements";
        if (!what) continue;
        ctx_error(s->ctx, E_UNSUPPORTED, n->span, "%s is not supported yet", what);
        fine = false;
    }
    for (uint32_t i = 0; i < g->bodies.len; i++) fine &= supported(s, g->bodies.data[i]);
    return fine;
}

void schedule_graph(Sched *s) {
    s->size = graph_size(s->graph);
    s->plan = ARENA_ARRAY(s->arena, NodePlan, s->size);
    s->stamp = ARENA_ARRAY(s->arena, uint32_t, 2 * (size_t)s->size);
    s->scalar = ARENA_ARRAY(s->arena, ExprId, s->size);
    for (uint32_t i = 0; i < s->size; i++) s->scalar[i] = EXPR_NONE;
    fuse_nodes(s);
    group_nodes(s);
    buffers_assign(s);
    groups_order(s);
    for (uint32_t i = 0; i < s->groups.len; i++) lower_group(s, i);
}

static LoopProgram *schedule_program(Context *ctx, const Program *program, const Entry *entry,
                                     const ScheduleOptions *options) {
    Sched s = {.ctx = ctx,
               .arena = ctx->arena,
               .program = program,
               .entry = entry,
               .graph = entry->graph,
               .dims = program->dims,
               .options = *options};
    s.root = &s;
    INVARIANT(entry->graph->sealed);
    if (!supported(&s, s.graph)) return NULL;
    s.out = loop_program_create(ctx, program, entry);
    schedule_graph(&s);
    plan_threads(&s);
    s.out->live_bytes_max = live_set(&s);
    strips_choose(&s);
    reuse_buffers(&s);
    if (!plan_memory(&s)) return NULL;
    loop_work_slices(s.out);
    loop_verify(s.out);
    loop_verify_memory(s.out);
    return s.out;
}

LoopProgram *schedule_variant(Context *ctx, const Program *program, const Entry *entry,
                              const ScheduleOptions *options, uint32_t symbol, int64_t value) {
    Entry *one = ARENA_NEW(ctx->arena, Entry);
    *one = *entry;
    one->graph = graph_bind(entry->graph, symbol, value);
    one->graph->sealed = true;
    return schedule_program(ctx, program, one, options);
}

LoopProgram *schedule_entry(Context *ctx, const Program *program, const Entry *entry,
                            const ScheduleOptions *options) {
    LoopProgram *p = schedule_program(ctx, program, entry, options);
    LoopVariant v;
    if (!p || !options->variants || !variant_of_one(program, entry, &v)) return p;
    v.program = schedule_variant(ctx, program, entry, options, v.symbol, v.value);
    if (!v.program) return NULL;
    v.alone = variant_is_small(v.program);
    vec_push(ctx->arena, &p->variants, v);
    return p;
}
