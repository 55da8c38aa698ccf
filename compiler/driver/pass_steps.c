/* What each row of passes.def calls. Graph passes work on every entry of the program in turn. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/driver/pipeline.h"
#include "compiler/driver/tune.h"
#include "compiler/opt/opt.h"
#include "compiler/syntax/syntax.h"

bool pass_parse(Pipeline *p) {
    p->tree = syntax_parse(p->ctx, p->file);
    return true;
}

bool pass_elaborate(Pipeline *p) {
    p->program = sema_run(p->ctx, p->tree, &p->sema);
    return p->program != NULL;
}

static bool each_graph(Pipeline *p, Graph *(*pass)(const Graph *g)) {
    for (uint32_t i = 0; i < p->program->entries.len; i++) {
        Entry *e = &p->program->entries.data[i];
        Graph *after = pass(e->graph);
        if (after == NULL) return false;
        e->graph = after;
    }
    return true;
}

bool pass_differentiate(Pipeline *p) {
    return each_graph(p, autodiff_run);
}
bool pass_simplify(Pipeline *p) {
    return each_graph(p, opt_simplify);
}
bool pass_fold(Pipeline *p) {
    return each_graph(p, opt_fold);
}
bool pass_loops(Pipeline *p) {
    return each_graph(p, opt_loops);
}
bool pass_cse(Pipeline *p) {
    return each_graph(p, opt_cse);
}
bool pass_dce(Pipeline *p) {
    return each_graph(p, opt_dce);
}
bool pass_precision(Pipeline *p) {
    return each_graph(p, opt_precision);
}
bool pass_attention(Pipeline *p) {
    return each_graph(p, opt_attention);
}
bool pass_seal(Pipeline *p) {
    return each_graph(p, opt_seal);
}

bool pass_schedule(Pipeline *p) {
    if (!codegen_target(p->ctx, &p->codegen, &p->target)) return false;
    if (p->static_batch && !schedule_fix_batch(p->ctx, p->program, p->static_batch)) return false;
    ScheduleOptions options;
    schedule_options_default(&options);
    options.vector_bytes = p->target.vector_bytes;
    options.vector_registers = p->target.vector_registers;
    if (option_given(&p->session->options, OPTION_tune) && !tune_program(p, &options)) return false;
    uint32_t count = p->program->entries.len;
    p->loops = ARENA_ARRAY(p->ctx->arena, LoopProgram *, count);
    for (uint32_t i = 0; i < count; i++) {
        p->loops[i] = schedule_entry(p->ctx, p->program, &p->program->entries.data[i], &options);
        if (p->loops[i] == NULL) return false;
    }
    return true;
}

bool pass_emit(Pipeline *p) {
    pipeline_cache(p);
    p->module = codegen_module(p->ctx, p->program, p->loops, p->program->entries.len, &p->codegen);
    return p->module != NULL;
}

bool pass_object(Pipeline *p) {
    codegen_object(p->module);
    return true;
}

bool pass_link(Pipeline *p) {
    return codegen_link(p->module, p->library_path);
}

bool pass_jit(Pipeline *p) {
    p->jit = codegen_jit(p->module);
    return p->jit != NULL;
}
