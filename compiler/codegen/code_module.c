/* codegen_module: from loop programs to LLVM modules. */
#include "compiler/codegen/api_functions.h"
#include "compiler/codegen/code_part.h"

/* ------------------------------------------------------------------ making the module */

/* Work of code generation: unrolled copies times the expressions they reach, roughly. */
static uint64_t list_weight(const Kernel *k, const StmtId *ids, uint32_t count, uint64_t copies) {
    uint64_t weight = 0;
    for (uint32_t i = 0; i < count; i++) {
        const Stmt *s = &k->stmts.data[ids[i].id];
        bool unrolled = s->kind == STMT_FOR && s->loop == LOOP_UNROLL;
        weight += copies;
        if (s->kind == STMT_FOR)
            weight += list_weight(k, s->body.data, s->body.len, copies * (unrolled ? s->count : 1));
    }
    return weight;
}

static CodePart *part_lightest(CodeModule *m) {
    CodePart *best = &m->parts[0];
    for (uint32_t i = 1; i < m->part_count; i++)
        if (m->parts[i].weight < best->weight) best = &m->parts[i];
    return best;
}

/* Kernels of other parts are called through hidden functions that part 0 declares. */
static LLVMValueRef kernel_place(CodeModule *m, const LoopProgram *p, Kernel *k,
                                 const KernelSignature *signature) {
    const char *name = arena_printf(m->ctx->arena, "k%u.%s", m->kernels.len, k->name);
    CodePart *part = part_lightest(m);
    part->weight += 20 + k->exprs.len + list_weight(k, k->body.data, k->body.len, 1);
    LLVMValueRef kernel = kernel_emit(m, part, p, k, signature, name);
    LLVMSetLinkage(kernel, LLVMInternalLinkage);
    LLVMValueRef call = kernel_call_emit(m, part, kernel);
    if (part == &m->parts[0]) {
        LLVMSetLinkage(call, LLVMInternalLinkage);
        return call;
    }
    LLVMSetVisibility(call, LLVMHiddenVisibility);
    size_t len;
    LLVMTypeRef nothing = LLVMFunctionType(LLVMVoidTypeInContext(m->llvm), NULL, 0, 0);
    LLVMValueRef declared = LLVMAddFunction(m->module, LLVMGetValueName2(call, &len), nothing);
    LLVMSetVisibility(declared, LLVMHiddenVisibility);
    return declared;
}

uint32_t kernel_function(CodeModule *m, const LoopProgram *p, Kernel *k,
                         const KernelSignature *signature) {
    Text key = {.arena = m->ctx->arena};
    kernel_canonical(p, k, signature, &key);
    uint64_t hash = hash64(key.data, key.len);
    for (uint32_t i = 0; i < m->kernels.len; i++) {
        const SharedKernel *s = &m->kernels.data[i];
        if (s->hash == hash && s->key_len == key.len && memcmp(s->key, key.data, key.len) == 0)
            return i;
    }
    SharedKernel made = {.hash = hash,
                         .key = key.data,
                         .key_len = key.len,
                         .function = kernel_place(m, p, k, signature)};
    vec_push(m->ctx->arena, &m->kernels, made);
    return m->kernels.len - 1;
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

static void module_emit(CodeModule *m) {
    Arena *arena = m->ctx->arena;
    m->symbols = ARENA_ARRAY(arena, EntrySymbols, m->entry_count);
    m->entry_functions = ARENA_ARRAY(arena, LLVMValueRef, m->entry_count);
    for (uint32_t i = 0; i < m->entry_count; i++) entry_symbols(m->entries[i], &m->symbols[i]);
    entries_emit(m);
    descriptor_emit(m);
    wrappers_emit(m);
    for (uint32_t i = 0; m->debug_verify && i < m->part_count; i++) part_verify(&m->parts[i]);
}

static CodeModule *module_make(Context *ctx, const Program *program, LoopProgram *const *entries,
                               uint32_t entry_count, const Target *target, uint32_t parts,
                               bool verify) {
    CodeModule *m = ARENA_NEW(ctx->arena, CodeModule);
    m->ctx = ctx;
    m->program = program;
    m->entries = entries;
    m->entry_count = entry_count;
    m->target = *target;
    m->part_count = parts;
    m->debug_verify = verify;
    if (!slots_layout(m)) return NULL;
    for (uint32_t i = 0; i < parts; i++) part_open(&m->parts[i], target, program->stem);
    m->llvm = m->parts[0].llvm;
    m->module = m->parts[0].module;
    module_emit(m);
    if (!m->failed) return m;
    codegen_destroy(m);
    return NULL;
}

CodeModule *codegen_module(Context *ctx, const Program *program, LoopProgram *const *entries,
                           uint32_t entry_count, const CodegenOptions *options) {
    double start = time_now_us();
    Target target;
    if (!target_resolve(ctx, options, &target)) return NULL;
    if (is_c_keyword(program->stem)) {
        Diag *d = ctx_error(ctx, E_EXPORT_NAME, (Span){0},
                            "`%s` is a keyword of C, so no function can begin with it as a type",
                            program->stem);
        diag_help(d, "give the model file, or the file after `-o`, another name");
        return NULL;
    }
    uint32_t kernels = 0;
    for (uint32_t i = 0; i < entry_count; i++) kernels += entries[i]->kernels.len;
    uint32_t parts = 1 + kernels / KERNELS_PER_PART;
    if (parts > PARTS_MAX) parts = PARTS_MAX;
    CodeModule *m =
        module_make(ctx, program, entries, entry_count, &target, parts, options->debug_verify);
    if (!m) return NULL;
    m->libraries = options->libraries;
    m->library_count = options->library_count;
    m->us[TIME_EMIT] = time_now_us() - start;
    return m;
}

CodeModule *module_whole(CodeModule *m) {
    if (m->part_count == 1) return m;
    if (!m->whole)
        m->whole = module_make(m->ctx, m->program, m->entries, m->entry_count, &m->target, 1,
                               m->debug_verify);
    INVARIANT(m->whole);
    return m->whole;
}

void codegen_destroy(CodeModule *m) {
    if (!m) return;
    if (m->whole) codegen_destroy(m->whole);
    for (uint32_t i = 0; i < m->part_count; i++) part_close(&m->parts[i]);
}

void codegen_times(const CodeModule *m, double us[4]) {
    memcpy(us, m->us, sizeof m->us);
}
