/* Runs a module in this process: the very object file the AOT path writes, loaded by ORC's LLJIT.
 * Its linking layer on x86-64 ELF is JITLink, whose memory is writable while it is filled and
 * executable afterwards, never both (tests/codegen checks /proc/self/maps). */
#include "compiler/codegen/code_part.h"
#include "runtime/include/sequence.h"
#include <llvm-c/LLJIT.h>

struct CodeJit {
    LLVMOrcLLJITRef lljit;
    const BmrtModel *model;
};

/* The typed wrappers (STEM_predict ...) call the runtime that a .so carries. In this process models
 * are driven through their descriptor, so nobody can call a wrapper; the names only have to
 * resolve. */
static void wrapper_called(void) {
    BUG("a typed wrapper was called in a JIT-compiled model");
}

static void check_error(LLVMErrorRef error, const char *what) {
    if (!error) return;
    char *message = LLVMGetErrorMessage(error);
    BUG("%s: %s", what, message);
}

static LLVMOrcExecutorAddress runtime_address(const char *name) {
    if (strcmp(name, SEQUENCE_RUN) == 0)
        return (LLVMOrcExecutorAddress)(uintptr_t)bmrt_sequence_run;
    if (strcmp(name, SEQUENCE_MARK) == 0)
        return (LLVMOrcExecutorAddress)(uintptr_t)bmrt_sequence_mark;
    return (LLVMOrcExecutorAddress)(uintptr_t)wrapper_called;
}

static void runtime_names_define(LLVMOrcLLJITRef lljit, CodeModule *m) {
    LLVMOrcCSymbolMapPair pairs[64];
    size_t count = 0;
    for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f; f = LLVMGetNextFunction(f)) {
        size_t len;
        const char *name = LLVMGetValueName2(f, &len);
        if (!LLVMIsDeclaration(f) || strncmp(name, "bmrt_", 5) != 0) continue;
        INVARIANT(count < sizeof pairs / sizeof pairs[0]);
        pairs[count].Name = LLVMOrcLLJITMangleAndIntern(lljit, name);
        pairs[count].Sym.Address = runtime_address(name);
        pairs[count].Sym.Flags = (LLVMJITSymbolFlags){
            LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
        count++;
    }
    if (count == 0) return;
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, count);
    check_error(LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(lljit), unit), "ORC");
}

/* The functions of `extern fn`, where the driver found them. */
static void externs_define(LLVMOrcLLJITRef lljit, CodeModule *m) {
    const ExternTable *t = &m->program->externs;
    VEC(LLVMOrcCSymbolMapPair) pairs = {0};
    for (uint32_t i = 0; i < 2 * t->items.len; i++) {
        const GraphExtern *e = &t->items.data[i / 2];
        Sym name = i % 2 ? e->gradient : e->name;
        bool known = name == NULL;
        for (uint32_t k = 0; k < i && !known; k++)
            known = (k % 2 ? t->items.data[k / 2].gradient : t->items.data[k / 2].name) == name;
        if (known) continue;
        BmrtExternFn call = i % 2 ? e->call_gradient : e->call;
        LLVMOrcCSymbolMapPair pair = {.Name = LLVMOrcLLJITMangleAndIntern(lljit, name->text)};
        pair.Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)call;
        pair.Sym.Flags = (LLVMJITSymbolFlags){
            LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
        vec_push(m->ctx->arena, &pairs, pair);
    }
    if (pairs.len == 0) return;
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs.data, pairs.len);
    check_error(LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(lljit), unit), "ORC");
}

/* What an entry with time stamps calls. */
static void marks_define(LLVMOrcLLJITRef lljit, CodeModule *m) {
    if (!m->mark) return;
    LLVMOrcCSymbolMapPair pairs[2] = {
        {.Name = LLVMOrcLLJITMangleAndIntern(lljit, MARK_FUNCTION)},
        {.Name = LLVMOrcLLJITMangleAndIntern(lljit, MARK_USER)},
    };
    pairs[0].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)m->mark;
    pairs[0].Sym.Flags.GenericFlags =
        LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable;
    pairs[1].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)m->mark_user;
    pairs[1].Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported;
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, 2);
    check_error(LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(lljit), unit), "ORC");
}

static void part_load(LLVMOrcLLJITRef lljit, const CodePart *part, const char *name) {
    LLVMMemoryBufferRef copy = LLVMCreateMemoryBufferWithMemoryRangeCopy(
        LLVMGetBufferStart(part->object), LLVMGetBufferSize(part->object), name);
    check_error(LLVMOrcLLJITAddObjectFile(lljit, LLVMOrcLLJITGetMainJITDylib(lljit), copy), "ORC");
}

CodeJit *codegen_jit(CodeModule *m) {
    if (!target_runs_here(m->ctx, &m->target)) return NULL;
    module_objects(m);
    double start = time_now_us();
    Arena *arena = m->ctx->arena;
    CodeJit *jit = ARENA_NEW(arena, CodeJit);
    check_error(LLVMOrcCreateLLJIT(&jit->lljit, NULL), "ORC");
    runtime_names_define(jit->lljit, m);
    externs_define(jit->lljit, m);
    marks_define(jit->lljit, m);
    for (uint32_t i = 0; i < m->parts.len; i++)
        part_load(jit->lljit, m->parts.data[i], arena_printf(arena, "%s.%u", m->program->stem, i));
    LLVMOrcExecutorAddress address = 0;
    const char *name = arena_printf(arena, "%s_model", m->program->stem);
    check_error(LLVMOrcLLJITLookup(jit->lljit, &address, name), "ORC");
    jit->model = (const BmrtModel *)(uintptr_t)address;
    m->us[TIME_JIT] = time_now_us() - start;
    return jit;
}

const BmrtModel *codegen_jit_model(const CodeJit *jit) {
    return jit->model;
}

void codegen_jit_destroy(CodeJit *jit) {
    if (!jit) return;
    check_error(LLVMOrcDisposeLLJIT(jit->lljit), "ORC");
}
