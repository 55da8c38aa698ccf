/* codegen_module: from loop programs to one LLVM module, and from that to text, files and objects.
 */
#include "compiler/codegen/codegen_internal.h"
#include <llvm-c/Analysis.h>
#include <time.h>

double time_now_us(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* ------------------------------------------------------------------ attributes */

void attribute_add(CodeModule *m, LLVMValueRef function, unsigned index, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    if (kind == 0) BUG("LLVM has no attribute %s", name);
    LLVMAddAttributeAtIndex(function, index, LLVMCreateEnumAttribute(m->llvm, kind, 0));
}

static void attribute_text(CodeModule *m, LLVMValueRef function, const char *name,
                           const char *value) {
    LLVMAttributeRef a = LLVMCreateStringAttribute(m->llvm, name, (unsigned)strlen(name), value,
                                                   (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, a);
}

void function_attributes(CodeModule *m, LLVMValueRef function) {
    attribute_add(m, function, LLVMAttributeFunctionIndex, "nounwind");
    attribute_text(m, function, "target-cpu", m->target.cpu);
    if (m->target.features[0]) attribute_text(m, function, "target-features", m->target.features);
    attribute_text(m, function, "prefer-vector-width",
                   m->target.vector_bytes == 64 ? "512" : "256");
}

/* ------------------------------------------------------------------ making the module */

static uint64_t key_hash(const Text *key) {
    return hash64(key->data, key->len);
}

SharedKernel kernel_function(CodeModule *m, const LoopProgram *p, Kernel *k,
                             const KernelSignature *signature) {
    Text key = {.arena = m->ctx->arena};
    kernel_canonical(p, k, signature, &key);
    uint64_t hash = key_hash(&key);
    for (uint32_t i = 0; i < m->kernels.len; i++) {
        const SharedKernel *s = &m->kernels.data[i];
        if (s->hash == hash && s->key_len == key.len && memcmp(s->key, key.data, key.len) == 0)
            return *s;
    }
    SharedKernel made = kernel_emit(m, p, k, signature);
    made.hash = hash;
    made.key = key.data;
    made.key_len = key.len;
    vec_push(m->ctx->arena, &m->kernels, made);
    return made;
}

/* Slots lie one after another at multiples of 64 bytes. */
static bool slots_layout(CodeModule *m) {
    const Program *p = m->program;
    m->slot_offsets = ARENA_ARRAY(m->ctx->arena, int64_t, p->slots.len);
    for (uint32_t i = 0; i < p->slots.len; i++) {
        const Slot *s = &p->slots.data[i];
        int64_t bytes = (int64_t)dtype_bytes(s->dtype), next;
        bool overflow = false;
        for (uint32_t d = 0; d < s->rank; d++)
            overflow |= __builtin_mul_overflow(bytes, s->dims[d], &bytes);
        overflow |= __builtin_add_overflow(bytes, 63, &next);
        m->slot_offsets[i] = m->slots_bytes;
        overflow |= __builtin_add_overflow(m->slots_bytes, next & ~(int64_t)63, &m->slots_bytes);
        if (overflow) {
            ctx_error(m->ctx, E_LIMIT, s->span, "the parameters are too large: `%s` overflows",
                      s->path->text);
            return false;
        }
    }
    return true;
}

static void zeros_emit(CodeModule *m) {
    LLVMTypeRef type = LLVMArrayType2(LLVMInt64TypeInContext(m->llvm), 8);
    m->zeros = LLVMAddGlobal(m->module, type, "zeros");
    LLVMSetInitializer(m->zeros, LLVMConstNull(type));
    LLVMSetLinkage(m->zeros, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(m->zeros, 1);
    LLVMSetAlignment(m->zeros, 64);
}

static void module_check(CodeModule *m) {
    char *message = NULL;
    if (LLVMVerifyModule(m->module, LLVMReturnStatusAction, &message))
        BUG("LLVM refuses the module: %s", message);
    LLVMDisposeMessage(message);
}

static void module_emit(CodeModule *m) {
    Arena *arena = m->ctx->arena;
    zeros_emit(m);
    m->symbols = ARENA_ARRAY(arena, EntrySymbols, m->entry_count);
    m->entry_functions = ARENA_ARRAY(arena, LLVMValueRef, m->entry_count);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        entry_symbols(m->entries[i], &m->symbols[i]);
        m->entry_functions[i] = entry_function(m, i);
    }
    descriptor_emit(m);
    wrappers_emit(m);
    if (m->debug_verify) module_check(m);
}

CodeModule *codegen_module(Context *ctx, const Program *program, LoopProgram *const *entries,
                           uint32_t entry_count, const CodegenOptions *options) {
    double start = time_now_us();
    CodeModule *m = ARENA_NEW(ctx->arena, CodeModule);
    m->ctx = ctx;
    m->program = program;
    m->entries = entries;
    m->entry_count = entry_count;
    m->debug_verify = options->debug_verify;
    if (!target_resolve(ctx, options, &m->target) || !slots_layout(m)) return NULL;
    m->machine = target_machine(ctx, &m->target);
    if (!m->machine) return NULL;
    m->llvm = LLVMContextCreate();
    m->module = LLVMModuleCreateWithNameInContext(program->stem, m->llvm);
    LLVMSetTarget(m->module, m->target.triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->machine);
    LLVMSetModuleDataLayout(m->module, layout);
    LLVMDisposeTargetData(layout);
    module_emit(m);
    if (m->failed) {
        codegen_destroy(m);
        return NULL;
    }
    m->us[TIME_EMIT] = time_now_us() - start;
    return m;
}

void codegen_destroy(CodeModule *m) {
    if (!m) return;
    if (m->object) LLVMDisposeMemoryBuffer(m->object);
    LLVMDisposeModule(m->module);
    LLVMContextDispose(m->llvm);
    LLVMDisposeTargetMachine(m->machine);
}

void codegen_times(const CodeModule *m, double us[4]) {
    memcpy(us, m->us, sizeof m->us);
}
