/* Which machine the code is for: names as clang's -march takes them, checked here because LLVM
 * would only print a warning about a name it does not know. Fused multiply-add is part of the
 * numeric contract, so processors without it are refused. */
#include "compiler/codegen/codegen_internal.h"
#include <llvm-c/Target.h>
#include <string.h>

typedef struct Processor {
    const char *name;
    uint32_t vector_bytes; /* 0: no fused multiply-add */
} Processor;

static const Processor processors[] = {
    {"x86-64", 0},          {"x86-64-v2", 0},      {"core2", 0},         {"nehalem", 0},
    {"westmere", 0},        {"sandybridge", 0},    {"ivybridge", 0},     {"silvermont", 0},
    {"goldmont", 0},        {"bdver1", 0},         {"btver2", 0},        {"x86-64-v3", 32},
    {"haswell", 32},        {"broadwell", 32},     {"skylake", 32},      {"alderlake", 32},
    {"raptorlake", 32},     {"meteorlake", 32},    {"arrowlake", 32},    {"lunarlake", 32},
    {"pantherlake", 32},    {"gracemont", 32},     {"sierraforest", 32}, {"znver1", 32},
    {"znver2", 32},         {"znver3", 32},        {"x86-64-v4", 64},    {"skylake-avx512", 64},
    {"cascadelake", 64},    {"cooperlake", 64},    {"cannonlake", 64},   {"icelake-client", 64},
    {"icelake-server", 64}, {"tigerlake", 64},     {"rocketlake", 64},   {"sapphirerapids", 64},
    {"emeraldrapids", 64},  {"graniterapids", 64}, {"znver4", 64},       {"znver5", 64},
};
enum { PROCESSOR_COUNT = sizeof processors / sizeof processors[0] };

/* `feature` is listed as switched on: "+fma" and not a part of another name. */
static bool has_feature(const char *features, const char *feature) {
    size_t len = strlen(feature);
    for (const char *at = strstr(features, feature); at; at = strstr(at + 1, feature))
        if ((at == features || at[-1] == ',') && (at[len] == ',' || at[len] == '\0')) return true;
    return false;
}

static char *copied(Context *ctx, char *llvm_text) {
    char *text = arena_strdup(ctx->arena, llvm_text);
    LLVMDisposeMessage(llvm_text);
    return text;
}

static bool no_fma(Context *ctx, const char *name) {
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0},
                        "`%s` has no fused multiply-add (FMA), which compiled models need", name);
    diag_help(d, "the oldest that will do is `x86-64-v3` (Intel Haswell, AMD Zen)");
    return false;
}

static bool resolve_native(Context *ctx, Target *out) {
    out->cpu = copied(ctx, LLVMGetHostCPUName());
    out->features = copied(ctx, LLVMGetHostCPUFeatures());
    if (!has_feature(out->features, "+fma") || !has_feature(out->features, "+avx2"))
        return no_fma(ctx, out->cpu);
    bool wide = has_feature(out->features, "+avx512f") && has_feature(out->features, "+avx512vl") &&
                has_feature(out->features, "+avx512bw") && has_feature(out->features, "+avx512dq");
    out->vector_bytes = wide ? 64 : 32;
    return true;
}

static bool resolve_named(Context *ctx, const char *name, Target *out) {
    Nearest near = {.wanted = name};
    for (uint32_t i = 0; i < PROCESSOR_COUNT; i++) {
        nearest_offer(&near, processors[i].name);
        if (strcmp(name, processors[i].name) != 0) continue;
        if (processors[i].vector_bytes == 0) return no_fma(ctx, name);
        out->cpu = processors[i].name;
        out->features = "";
        out->vector_bytes = processors[i].vector_bytes;
        return true;
    }
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0}, "unknown processor `%s`", name);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    diag_help(d, "`-march=native` compiles for this machine; `x86-64-v3` runs wherever FMA is");
    return false;
}

static bool resolve_triple(Context *ctx, const char *wanted, Target *out) {
    if (!wanted) {
        out->triple = copied(ctx, LLVMGetDefaultTargetTriple());
    } else {
        char *text = arena_strdup(ctx->arena, wanted);
        out->triple = copied(ctx, LLVMNormalizeTargetTriple(text));
    }
    bool known = strncmp(out->triple, "x86_64-", 7) == 0 && strstr(out->triple, "linux");
    if (known) return true;
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0}, "cannot compile for `%s`",
                        wanted ? wanted : out->triple);
    diag_note(d, "not supported yet: any target but 64-bit x86 on Linux");
    diag_help(d, "use `--target=x86_64-linux-gnu`, or leave `--target` out");
    return false;
}

bool target_resolve(Context *ctx, const CodegenOptions *options, Target *out) {
    *out = (Target){.level = options->level};
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    if (!resolve_triple(ctx, options->triple, out)) return false;
    bool native = !options->cpu || strcmp(options->cpu, "native") == 0;
    if (native ? !resolve_native(ctx, out) : !resolve_named(ctx, options->cpu, out)) return false;
    out->vector_registers = out->vector_bytes == 64 ? 32 : 16;
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

/* Only what is known to run: this machine's own name, and the generic levels it has. Another
 * processor's code may use instructions that this one lacks, and would die of them. */
bool target_runs_here(Context *ctx, const Target *t) {
    Target host = {0};
    if (!resolve_native(ctx, &host)) return false;
    bool runs = strcmp(t->cpu, host.cpu) == 0 || strcmp(t->cpu, "x86-64-v3") == 0 ||
                (strcmp(t->cpu, "x86-64-v4") == 0 && host.vector_bytes == 64);
    if (runs) return true;
    Diag *d = ctx_error(ctx, E_TARGET_MACHINE, (Span){0},
                        "code for `%s` may not run on this machine, a `%s`", t->cpu, host.cpu);
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
    return LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, level, LLVMRelocPIC,
                                   LLVMCodeModelDefault);
}

void target_key(const Target *t, Text *out) {
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    text_printf(out, "LLVM %u.%u.%u %s %s %s %u %u O%d", major, minor, patch, t->triple, t->cpu,
                t->features, (unsigned)t->vector_bytes, (unsigned)t->vector_registers, t->level);
    text_add_n(out, "", 1);
}
