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

static ScheduleOptions schedule_options(const CodeTarget *target) {
    ScheduleOptions options;
    schedule_options_default(&options);
    options.vector_bytes = target->vector_bytes;
    options.vector_registers = target->vector_registers;
    return options;
}

static LoopProgram **schedule_entries(Pipeline *p, const ScheduleOptions *options) {
    uint32_t count = p->program->entries.len;
    LoopProgram **loops = ARENA_ARRAY(p->ctx->arena, LoopProgram *, count);
    for (uint32_t i = 0; i < count; i++) {
        loops[i] = schedule_entry(p->ctx, p->program, &p->program->entries.data[i], options);
        if (loops[i] == NULL) return NULL;
    }
    return loops;
}

bool pass_schedule(Pipeline *p) {
    if (!codegen_target(p->ctx, &p->codegen, &p->target)) return false;
    if (p->static_batch && !schedule_fix_batch(p->ctx, p->program, p->static_batch)) return false;
    ScheduleOptions options = schedule_options(&p->target);
    if (option_given(&p->session->options, OPTION_tune) && !tune_program(p, &options)) return false;
    p->loops = schedule_entries(p, &options);
    return p->loops != NULL;
}

/* The same entries once more, for the wider vectors. */
static bool emit_version(Pipeline *p) {
    CodegenOptions code = p->codegen;
    CodeTarget target;
    code.cpu = code.version = "x86-64-v4";
    if (!codegen_target(p->ctx, &code, &target)) return false;
    const ScheduleOptions options = schedule_options(&target);
    LoopProgram **loops = schedule_entries(p, &options);
    if (!loops) return false;
    p->version = codegen_module(p->ctx, p->program, loops, p->program->entries.len, &code);
    p->codegen.versions = &p->version;
    p->codegen.version_count = 1;
    return p->version != NULL;
}

bool pass_emit(Pipeline *p) {
    pipeline_cache(p);
    if (p->multiversion && !emit_version(p)) return false;
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
