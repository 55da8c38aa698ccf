/* Which machine the code is for: names as clang's -march takes them, checked here because LLVM
 * would only print a warning about a name it does not know. Fused multiply-add is part of the
 * numeric contract, so processors without it are refused. */
#include "compiler/codegen/codegen_internal.h"
#include <string.h>

/* All of `wanted` ("+fma,+avx2") are listed in `features`, as whole names. */
static bool has_features(const char *features, const char *wanted) {
    while (*wanted) {
        size_t len = strcspn(wanted, ",");
        const char *at = features;
        while (*at && (strncmp(at, wanted, len) != 0 || (at[len] != ',' && at[len] != '\0'))) {
            at += strcspn(at, ",");
            if (*at) at++;
        }
        if (!*at) return false;
        wanted += len + (wanted[len] == ',');
    }
    return true;
}

static char *copied(Context *ctx, char *llvm_text) {
    char *text = arena_strdup(ctx->arena, llvm_text);
    LLVMDisposeMessage(llvm_text);
    return text;
}

static bool no_fma(Context *ctx, const Machine *machine, const char *name) {
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0},
                        "`%s` has no fused multiply-add (FMA), which compiled models need", name);
    diag_help(d, "%s", machine->without);
    return false;
}

static const Machine *host_machine(Context *ctx) {
    return machine_find(copied(ctx, LLVMGetDefaultTargetTriple()));
}

static bool resolve_native(Context *ctx, const Machine *machine, Target *out) {
    out->cpu = copied(ctx, LLVMGetHostCPUName());
    out->march = out->cpu;
    out->features = copied(ctx, LLVMGetHostCPUFeatures());
    for (uint32_t i = 0; i < machine->width_count; i++) {
        const NativeWidth *w = &machine->widths[i];
        if (!has_features(out->features, w->features)) continue;
        out->vector_bytes = w->vector_bytes;
        out->vector_registers = w->vector_registers;
        return true;
    }
    return no_fma(ctx, machine, out->cpu);
}

/* Processors of other machines by that name: the mistake may be in --target. */
static const Machine *machine_of_processor(const char *name) {
    const Machine *m;
    for (uint32_t i = 0; (m = machine_at(i)) != NULL; i++)
        for (uint32_t k = 0; k < m->processor_count; k++)
            if (strcmp(m->processors[k].name, name) == 0) return m;
    return NULL;
}

static bool unknown_processor(Context *ctx, const Machine *machine, const char *name,
                              const char *near) {
    const Machine *other = machine_of_processor(name);
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0}, "unknown processor `%s` of `%s`", name,
                        machine->triple);
    if (other)
        diag_help(d, "it belongs to another target: `--target=%s`", other->triple);
    else if (near)
        diag_help(d, "did you mean `%s`?", near);
    diag_help(d, "`-march=native` compiles for this machine; `%s` runs on most of `%s`",
              machine->usual, machine->triple);
    return false;
}

static bool resolve_named(Context *ctx, const Machine *machine, const char *name, Target *out) {
    Nearest near = {.wanted = name};
    for (uint32_t i = 0; i < machine->processor_count; i++) {
        const Processor *p = &machine->processors[i];
        nearest_offer(&near, p->name);
        if (strcmp(name, p->name) != 0) continue;
        if (p->vector_bytes == 0) return no_fma(ctx, machine, name);
        out->cpu = p->cpu ? p->cpu : p->name;
        out->features = p->features;
        out->vector_bytes = p->vector_bytes;
        out->vector_registers = p->vector_registers;
        return true;
    }
    return unknown_processor(ctx, machine, name, near.best);
}

static bool unknown_machine(Context *ctx, const char *name) {
    Text known = {.arena = ctx->arena};
    const Machine *m;
    for (uint32_t i = 0; (m = machine_at(i)) != NULL; i++)
        if (machine_has_code(m)) text_printf(&known, "%s`%s`", i ? ", " : "", m->triple);
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0}, "cannot compile for `%s`", name);
    diag_note(d, "this bmc makes code for %s", text_str(&known));
    diag_help(d, "leave `--target` out to compile for this machine");
    return false;
}

static bool resolve_triple(Context *ctx, const char *wanted, Target *out) {
    char *given = wanted ? arena_strdup(ctx->arena, wanted) : NULL;
    out->triple =
        copied(ctx, given ? LLVMNormalizeTargetTriple(given) : LLVMGetDefaultTargetTriple());
    out->machine = machine_find(out->triple);
    if (!out->machine || !machine_has_code(out->machine) || !strstr(out->triple, "-linux"))
        return unknown_machine(ctx, wanted ? wanted : out->triple);
    return true;
}

static bool resolve_processor(Context *ctx, const Machine *machine, const char *cpu, Target *out) {
    if (cpu && strcmp(cpu, "native") != 0) return resolve_named(ctx, machine, cpu, out);
    if (machine == host_machine(ctx)) return resolve_native(ctx, machine, out);
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0},
                        "`-march=native` is this machine, which is no `%s`", machine->triple);
    diag_help(d, "name a processor, or leave `-march` out for `%s`", machine->usual);
    return false;
}

bool target_resolve(Context *ctx, const CodegenOptions *options, Target *out) {
    *out = (Target){.level = options->level};
    if (!resolve_triple(ctx, options->triple, out)) return false;
    const Machine *machine = out->machine;
    machine->initialise();
    const char *cpu = options->cpu;
    if (!cpu && machine != host_machine(ctx)) cpu = machine->usual;
    out->march = cpu;
    if (!resolve_processor(ctx, machine, cpu, out)) return false;
    if (strcmp(machine->arch, "x86_64") == 0) out->level_needed = out->vector_bytes == 64 ? 4 : 3;
    out->software_half = machine->half && !has_features(out->features, machine->half);
    return true;
}

bool codegen_target(Context *ctx, const CodegenOptions *options, CodeTarget *out) {
    Target t;
    *out = (CodeTarget){0};
    if (!target_resolve(ctx, options, &t)) return false;
    strncpy(out->triple, t.triple, sizeof out->triple - 1);
    strncpy(out->cpu, t.cpu, sizeof out->cpu - 1);
    out->vector_bytes = t.vector_bytes;
    out->vector_registers = t.vector_registers;
    return true;
}

/* Only what is known to run: this machine's own name, and the named ones that ask for nothing that
 * it lacks. Another processor's code may use instructions that this one lacks, and would die of
 * them. */
bool target_runs_here(Context *ctx, const Target *t) {
    Target host = {0};
    const Machine *machine = host_machine(ctx);
    if (!machine || !resolve_native(ctx, machine, &host)) return false;
    bool level = strcmp(t->cpu, "x86-64-v3") == 0 ||
                 (strcmp(t->cpu, "x86-64-v4") == 0 && host.vector_bytes == 64);
    bool generic = strncmp(t->cpu, "generic", 7) == 0 && has_features(host.features, t->features);
    if (t->machine == machine && (level || generic || strcmp(t->cpu, host.cpu) == 0)) return true;
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0},
                        "code for `%s` may not run on this machine, a `%s`", t->march, host.cpu);
    diag_help(d, "leave `-march` out to run the model here; `-o FILE.so` compiles for elsewhere");
    return false;
}

/* The caller disposes of it. Level 0 still selects instructions properly: LLVM's fast path would
 * not even keep vectors in registers. */
LLVMTargetMachineRef target_machine(const Target *t) {
    LLVMTargetRef target;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(t->triple, &target, &message)) {
        LLVMDisposeMessage(message);
        return NULL;
    }
    LLVMCodeGenOptLevel level = t->level <= 1   ? LLVMCodeGenLevelLess
                                : t->level == 2 ? LLVMCodeGenLevelDefault
                                                : LLVMCodeGenLevelAggressive;
    LLVMTargetMachineOptionsRef options = LLVMCreateTargetMachineOptions();
    LLVMTargetMachineOptionsSetCPU(options, t->cpu);
    LLVMTargetMachineOptionsSetFeatures(options, t->features);
    if (t->machine->abi) LLVMTargetMachineOptionsSetABI(options, t->machine->abi);
    LLVMTargetMachineOptionsSetCodeGenOptLevel(options, level);
    LLVMTargetMachineOptionsSetRelocMode(options, LLVMRelocPIC);
    LLVMTargetMachineRef machine = LLVMCreateTargetMachineWithOptions(target, t->triple, options);
    LLVMDisposeTargetMachineOptions(options);
    return machine;
}

void target_key(const Target *t, Text *out) {
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    text_printf(out, "LLVM %u.%u.%u %s %s %s %u %u O%d", major, minor, patch, t->triple, t->cpu,
                t->features, (unsigned)t->vector_bytes, (unsigned)t->vector_registers, t->level);
    text_add_n(out, "", 1);
}
