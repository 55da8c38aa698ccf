/* Loops that measure the machine: its fastest multiply-adds and its fastest streams, so that a
 * profile can say which share of them a kernel reaches. They are made by LLVM for the same target
 * as the model, because a peak of other instructions would be another peak. */
#include "compiler/codegen/code_part.h"
#include <llvm-c/LLJIT.h>
#include <stddef.h>

struct ProbeCode {
    CodeModule module; /* nothing but what a part needs */
    CodePart part;
    LLVMOrcLLJITRef lljit;
};

typedef struct Probe { /* one function being emitted */
    const Target *target;
    LLVMModuleRef module;
    LLVMContextRef c;
    LLVMBuilderRef b;
    LLVMValueRef function;
    LLVMTypeRef i8, i32, i64, f32, f64, pointer, vector;
    uint32_t lanes;
} Probe;

static Probe probe_open(CodePart *part, const Target *target, const char *name) {
    Probe p = {.target = target, .module = part->module, .c = part->llvm};
    p.i8 = LLVMInt8TypeInContext(p.c);
    p.i32 = LLVMInt32TypeInContext(p.c);
    p.i64 = LLVMInt64TypeInContext(p.c);
    p.f32 = LLVMFloatTypeInContext(p.c);
    p.f64 = LLVMDoubleTypeInContext(p.c);
    p.pointer = LLVMPointerTypeInContext(p.c, 0);
    p.lanes = target->vector_bytes / 4;
    p.vector = LLVMVectorType(p.f32, p.lanes);
    LLVMTypeRef params[] = {p.pointer, p.i32, p.i32};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(p.c), params, 3, 0);
    p.function = LLVMAddFunction(p.module, name, type);
    function_attributes(target, p.function);
    p.b = LLVMCreateBuilderInContext(p.c);
    LLVMPositionBuilderAtEnd(p.b, LLVMAppendBasicBlockInContext(p.c, p.function, "entry"));
    return p;
}

static LLVMValueRef number(const Probe *p, uint64_t value) {
    return LLVMConstInt(p->i64, value, 0);
}
static LLVMValueRef field(const Probe *p, size_t offset, LLVMTypeRef type) {
    LLVMValueRef at = number(p, offset);
    LLVMValueRef address = LLVMBuildGEP2(p->b, p->i8, LLVMGetParam(p->function, 0), &at, 1, "");
    return LLVMBuildLoad2(p->b, type, address, "");
}
static LLVMValueRef pointer_at(const Probe *p, size_t offset, uint64_t index) {
    LLVMValueRef at = number(p, index);
    LLVMValueRef list = field(p, offset, p->pointer);
    return LLVMBuildLoad2(p->b, p->pointer, LLVMBuildGEP2(p->b, p->pointer, list, &at, 1, ""), "");
}
static LLVMValueRef thread_number(const Probe *p) {
    return LLVMBuildSExt(p->b, LLVMGetParam(p->function, 1), p->i64, "");
}

static LLVMValueRef splat(const Probe *p, LLVMValueRef scalar) {
    LLVMValueRef undefined = LLVMGetPoison(p->vector);
    LLVMValueRef first =
        LLVMBuildInsertElement(p->b, undefined, scalar, LLVMConstInt(p->i32, 0, 0), "");
    LLVMTypeRef mask = LLVMVectorType(p->i32, p->lanes);
    return LLVMBuildShuffleVector(p->b, first, undefined, LLVMConstNull(mask), "");
}

static LLVMValueRef fma_call(const Probe *p, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
    unsigned id = LLVMLookupIntrinsicID("llvm.fma", strlen("llvm.fma"));
    LLVMTypeRef overload = p->vector;
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(p->module, id, &overload, 1);
    LLVMValueRef args[] = {x, y, z};
    return LLVMBuildCall2(p->b, LLVMGlobalGetValueType(f), f, args, 3, "");
}

typedef struct Counting { /* for i = 0; i < limit (at least once); i += step */
    LLVMBasicBlockRef body;
    LLVMValueRef i;
} Counting;

static Counting count_begin(const Probe *p) {
    Counting loop;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(p->b);
    LLVMValueRef zero = number(p, 0);
    loop.body = LLVMAppendBasicBlockInContext(p->c, p->function, "loop");
    LLVMBuildBr(p->b, loop.body);
    LLVMPositionBuilderAtEnd(p->b, loop.body);
    loop.i = LLVMBuildPhi(p->b, p->i64, "");
    LLVMAddIncoming(loop.i, &zero, &before, 1);
    return loop;
}

static void count_end(const Probe *p, Counting loop, uint64_t step, LLVMValueRef limit) {
    LLVMValueRef next = LLVMBuildAdd(p->b, loop.i, number(p, step), "");
    LLVMValueRef more = LLVMBuildICmp(p->b, LLVMIntULT, next, limit, "");
    LLVMBasicBlockRef from = LLVMGetInsertBlock(p->b);
    LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(p->c, p->function, "after");
    LLVMAddIncoming(loop.i, &next, &from, 1);
    LLVMBuildCondBr(p->b, more, loop.body, after);
    LLVMPositionBuilderAtEnd(p->b, after);
}

static void probe_close(const Probe *p) {
    LLVMBuildRetVoid(p->b);
    LLVMDisposeBuilder(p->b);
}

/* Enough independent chains to hide the latency of two units; the two factors and the loop keep
 * the other registers. */
enum { CHAINS_MOST = 24 };
static uint32_t chain_count(const Target *t) {
    return t->vector_registers >= 32 ? CHAINS_MOST : 12;
}

/* acc = acc * x + y in every chain. x and y come from memory, so that they are not constants. */
static void fma_emit(CodePart *part, const Target *target) {
    Probe p = probe_open(part, target, "probe_fma");
    LLVMValueRef one = field(&p, offsetof(BmrtFrame, progress), p.f64);
    LLVMValueRef x = splat(&p, LLVMBuildFPTrunc(p.b, one, p.f32, ""));
    LLVMValueRef rounds = field(&p, offsetof(BmrtFrame, step), p.i64);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(p.b);
    Counting loop = count_begin(&p);
    LLVMValueRef chains[CHAINS_MOST], next[CHAINS_MOST];
    const uint32_t count = chain_count(target);
    for (uint32_t k = 0; k < count; k++) {
        chains[k] = LLVMBuildPhi(p.b, p.vector, "");
        LLVMAddIncoming(chains[k], &x, &before, 1);
    }
    for (uint32_t k = 0; k < count; k++) next[k] = fma_call(&p, chains[k], x, x);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(p.b);
    for (uint32_t k = 0; k < count; k++) LLVMAddIncoming(chains[k], &next[k], &from, 1);
    count_end(&p, loop, 1, rounds);
    LLVMValueRef sum = next[0]; /* kept, so that no chain is dead */
    for (uint32_t k = 1; k < count; k++) sum = LLVMBuildFAdd(p.b, sum, next[k], "");
    LLVMValueRef at = LLVMBuildMul(p.b, thread_number(&p), number(&p, p.lanes), "");
    LLVMValueRef out = pointer_at(&p, offsetof(BmrtFrame, outputs), 0);
    LLVMBuildStore(p.b, sum, LLVMBuildGEP2(p.b, p.f32, out, &at, 1, ""));
    probe_close(&p);
}

static LLVMValueRef vector_load(const Probe *p, LLVMValueRef base, LLVMValueRef at) {
    return LLVMBuildLoad2(p->b, p->vector, LLVMBuildGEP2(p->b, p->f32, base, &at, 1, ""), "");
}

/* a[i] = b[i] + 3 c[i] over this thread's part, again and again. */
static void triad_emit(CodePart *part, const Target *target) {
    enum { STEP = 64 };
    Probe p = probe_open(part, target, "probe_triad");
    LLVMValueRef symbols = field(&p, offsetof(BmrtFrame, symbols), p.pointer);
    LLVMValueRef count = LLVMBuildLoad2(p.b, p.i64, symbols, "");
    LLVMValueRef rounds = field(&p, offsetof(BmrtFrame, step), p.i64);
    LLVMValueRef first = LLVMBuildMul(p.b, thread_number(&p), count, "");
    LLVMValueRef a = pointer_at(&p, offsetof(BmrtFrame, outputs), 0);
    LLVMValueRef from[2] = {pointer_at(&p, offsetof(BmrtFrame, inputs), 0),
                            pointer_at(&p, offsetof(BmrtFrame, inputs), 1)};
    LLVMValueRef three = splat(&p, LLVMConstReal(p.f32, 3));
    Counting again = count_begin(&p);
    Counting along = count_begin(&p);
    for (uint32_t k = 0; k < STEP; k += p.lanes) {
        LLVMValueRef at = LLVMBuildAdd(p.b, along.i, first, "");
        at = LLVMBuildAdd(p.b, at, number(&p, k), "");
        LLVMValueRef value =
            fma_call(&p, three, vector_load(&p, from[1], at), vector_load(&p, from[0], at));
        LLVMBuildStore(p.b, value, LLVMBuildGEP2(p.b, p.f32, a, &at, 1, ""));
    }
    count_end(&p, along, STEP, count);
    count_end(&p, again, 1, rounds);
    probe_close(&p);
}

static void check_error(LLVMErrorRef error) {
    if (error) BUG("ORC: %s", LLVMGetErrorMessage(error));
}

static BmrtEntryFn probe_find(LLVMOrcLLJITRef lljit, const char *name) {
    LLVMOrcExecutorAddress address = 0;
    check_error(LLVMOrcLLJITLookup(lljit, &address, name));
    return (BmrtEntryFn)(uintptr_t)address;
}

bool codegen_probes(Context *ctx, const CodegenOptions *options, CodeProbes *out) {
    Target target;
    *out = (CodeProbes){0};
    if (!target_resolve(ctx, options, &target) || !target_runs_here(ctx, &target)) return false;
    target.level = 2;
    struct ProbeCode *code = ARENA_NEW(ctx->arena, struct ProbeCode);
    code->module = (CodeModule){.ctx = ctx, .target = target, .machine = target_machine(&target)};
    if (!code->module.machine) BUG("LLVM was linked without the target %s", target.triple);
    part_open(&code->module, &code->part, "probes");
    fma_emit(&code->part, &target);
    triad_emit(&code->part, &target);
    if (options->debug_verify) part_verify(&code->part);
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(code->module.machine, code->part.module, LLVMObjectFile,
                                            &message, &code->part.object))
        BUG("LLVM: %s", message);
    check_error(LLVMOrcCreateLLJIT(&code->lljit, NULL));
    LLVMMemoryBufferRef copy = LLVMCreateMemoryBufferWithMemoryRangeCopy(
        LLVMGetBufferStart(code->part.object), LLVMGetBufferSize(code->part.object), "probes");
    check_error(
        LLVMOrcLLJITAddObjectFile(code->lljit, LLVMOrcLLJITGetMainJITDylib(code->lljit), copy));
    out->code = code;
    out->fma = probe_find(code->lljit, "probe_fma");
    out->triad = probe_find(code->lljit, "probe_triad");
    out->fma_flops = 2.0 * chain_count(&target) * (target.vector_bytes / 4);
    return true;
}

void codegen_probes_free(CodeProbes *probes) {
    if (!probes->code) return;
    check_error(LLVMOrcDisposeLLJIT(probes->code->lljit));
    part_close(&probes->code->part);
    LLVMDisposeTargetMachine(probes->code->module.machine);
    *probes = (CodeProbes){0};
}
