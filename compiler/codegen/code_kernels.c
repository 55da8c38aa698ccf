/* The kernels of a module: equal ones found, spread over parts, emitted. Which kernels share a part
 * follows from the kernels alone, so a part of one program is often a part of another, or of the
 * same program after an edit: its object is what a CodeStore keeps. */
#include "compiler/codegen/code_part.h"
#include <inttypes.h>

/* A part ends behind a kernel whose hash says so (1 in 8), so that a changed kernel moves no
 * boundary but its own, or when it is heavy: parts are also what threads work on side by side. */
enum { PART_ENDS = 7, PART_HEAVY = 800, PART_LIGHT = 120 };

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

uint32_t kernel_number(CodeModule *m, const LoopProgram *p, Kernel *k,
                       const KernelSignature *signature) {
    Text key = {.arena = m->ctx->arena};
    kernel_canonical(p, k, signature, &key);
    uint64_t hash = hash64(key.data, key.len);
    uint32_t twins = 0; /* other kernels of this hash: they need other names */
    for (uint32_t i = 0; i < m->kernels.len; i++) {
        const SharedKernel *s = &m->kernels.data[i];
        if (s->hash != hash) continue;
        if (s->key_len == key.len && memcmp(s->key, key.data, key.len) == 0) return i;
        twins++;
    }
    SharedKernel made = {
        .hash = hash, .key = key.data, .key_len = key.len, .program = p, .kernel = k};
    made.signature = *signature;
    made.weight = 20 + k->exprs.len + list_weight(k, k->body.data, k->body.len, 1);
    made.name = m->is_whole ? arena_printf(m->ctx->arena, "k%u.%s", m->kernels.len, k->name)
                            : arena_printf(m->ctx->arena, "k%016" PRIx64 ".%u", hash, twins);
    vec_push(m->ctx->arena, &m->kernels, made);
    return m->kernels.len - 1;
}

/* ------------------------------------------------------------------ parts */

static LLVMValueRef kernel_into(CodeModule *m, CodePart *part, SharedKernel *s) {
    LLVMValueRef kernel = kernel_emit(m, part, s->program, s->kernel, &s->signature, s->name);
    LLVMSetLinkage(kernel, LLVMInternalLinkage);
    return kernel_call_emit(m, part, kernel);
}

static void key_text(Text *key, const char *text) {
    text_add_n(key, text, strlen(text) + 1);
}

/* Everything that determines the object of kernels [first, end). What version of bmc makes it is
 * known to the store. */
static void part_key(CodeModule *m, uint32_t first, uint32_t end, Text *key) {
    key_text(key, "kernels");
    target_key(&m->target, key);
    for (uint32_t i = first; i < end; i++) {
        const SharedKernel *s = &m->kernels.data[i];
        uint64_t len = s->key_len;
        key_text(key, s->name);
        text_add_n(key, (const char *)&len, sizeof len);
        text_add_n(key, s->key, s->key_len);
    }
}

static void part_make(CodeModule *m, uint32_t first, uint32_t end) {
    CodePart *part = ARENA_NEW(m->ctx->arena, CodePart);
    part->key.arena = m->ctx->arena;
    vec_push(m->ctx->arena, &m->parts, part);
    if (m->store) {
        part_key(m, first, end, &part->key);
        if (part_recall(m, part)) return;
    }
    part_open(m, part, "kernels");
    for (uint32_t i = first; i < end; i++) {
        SharedKernel *s = &m->kernels.data[i];
        LLVMSetVisibility(kernel_into(m, part, s), LLVMHiddenVisibility);
        part->weight += s->weight;
    }
}

static bool part_ends(const SharedKernel *s, uint64_t weight) {
    return weight >= PART_HEAVY || (weight >= PART_LIGHT && (s->hash & PART_ENDS) == 0);
}

/* The head calls kernels of other parts through hidden functions that it declares. */
static void kernels_declare(CodeModule *m) {
    LLVMTypeRef nothing = LLVMFunctionType(LLVMVoidTypeInContext(m->llvm), NULL, 0, 0);
    for (uint32_t i = 0; i < m->kernels.len; i++) {
        SharedKernel *s = &m->kernels.data[i];
        const char *name = arena_printf(m->ctx->arena, "%s.call", s->name);
        s->function = LLVMAddFunction(m->module, name, nothing);
        LLVMSetVisibility(s->function, LLVMHiddenVisibility);
    }
}

void kernels_make(CodeModule *m) {
    uint64_t weight = 0;
    uint32_t first = 0;
    for (uint32_t i = 0; i < m->kernels.len; i++) {
        SharedKernel *s = &m->kernels.data[i];
        if (m->is_whole) {
            s->function = kernel_into(m, m->parts.data[0], s);
            LLVMSetLinkage(s->function, LLVMInternalLinkage);
            continue;
        }
        weight += s->weight;
        if (i + 1 < m->kernels.len && !part_ends(s, weight)) continue;
        part_make(m, first, i + 1);
        first = i + 1;
        weight = 0;
    }
    if (!m->is_whole) kernels_declare(m);
}
