/* Parts: opening, closing, and turning them into objects on as many threads as there are CPUs.
 * Threads share nothing but the counter they take parts from: every part has its own LLVM context,
 * every thread its own target machine. */
#include "compiler/codegen/code_part.h"
#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

double time_now_us(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* ------------------------------------------------------------------ attributes */

static LLVMContextRef context_of(LLVMValueRef function) {
    return LLVMGetModuleContext(LLVMGetGlobalParent(function));
}

void attribute_add(LLVMValueRef function, unsigned index, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    if (kind == 0) BUG("LLVM has no attribute %s", name);
    LLVMAddAttributeAtIndex(function, index,
                            LLVMCreateEnumAttribute(context_of(function), kind, 0));
}

static void attribute_text(LLVMValueRef function, const char *name, const char *value) {
    LLVMAttributeRef a = LLVMCreateStringAttribute(
        context_of(function), name, (unsigned)strlen(name), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, a);
}

void function_attributes(const Target *target, LLVMValueRef function) {
    attribute_add(function, LLVMAttributeFunctionIndex, "nounwind");
    attribute_text(function, "target-cpu", target->cpu);
    if (target->features[0]) attribute_text(function, "target-features", target->features);
    if (target->vector_bytes >= 32) /* LLVM would halve AVX-512 for some processors */
        attribute_text(function, "prefer-vector-width", target->vector_bytes == 64 ? "512" : "256");
}

/* ------------------------------------------------------------------ a part */

static void zeros_add(CodePart *part) {
    LLVMTypeRef type = LLVMArrayType2(LLVMInt64TypeInContext(part->llvm), 8);
    part->zeros = LLVMAddGlobal(part->module, type, "zeros");
    LLVMSetInitializer(part->zeros, LLVMConstNull(type));
    LLVMSetLinkage(part->zeros, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(part->zeros, 1);
    LLVMSetAlignment(part->zeros, 64);
}

void part_open(CodeModule *m, CodePart *part, const char *name) {
    part->llvm = LLVMContextCreate();
    part->module = LLVMModuleCreateWithNameInContext(name, part->llvm);
    LLVMSetTarget(part->module, m->target.triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->machine);
    LLVMSetModuleDataLayout(part->module, layout);
    LLVMDisposeTargetData(layout);
    zeros_add(part);
}

static void part_forget(CodePart *part) {
    if (part->module) LLVMDisposeModule(part->module);
    if (part->llvm) LLVMContextDispose(part->llvm);
    part->module = NULL;
    part->llvm = NULL;
}

void part_close(CodePart *part) {
    if (part->object) LLVMDisposeMemoryBuffer(part->object);
    part->object = NULL;
    part_forget(part);
}

bool part_recall(CodeModule *m, CodePart *part) {
    const char *bytes;
    size_t size;
    if (!m->store->find(m->store->user, m->ctx->arena, part->key.data, part->key.len, &bytes,
                        &size))
        return false;
    part->object = LLVMCreateMemoryBufferWithMemoryRange(bytes, size, "kept", 0);
    return true;
}

void part_verify(const CodePart *part) {
    char *message = NULL;
    if (!part->module) return;
    if (LLVMVerifyModule(part->module, LLVMReturnStatusAction, &message))
        BUG("LLVM refuses the module: %s", message);
    LLVMDisposeMessage(message);
}

/* ------------------------------------------------------------------ objects */

enum { WORKERS_MAX = 16 };
typedef struct Workshop {
    CodeModule *m;
    CodePart **parts; /* those that are still to be made, the heaviest first */
    uint32_t count;
    atomic_uint next;
} Workshop;

/* A target machine costs as much as a small kernel and knows the processors it has seen, so it is
 * made once a thread. */
static void workshop_work(Workshop *w, LLVMTargetMachineRef machine) {
    for (;;) {
        uint32_t number = atomic_fetch_add(&w->next, 1);
        if (number >= w->count) return;
        CodePart *part = w->parts[number];
        char *message = NULL;
        if (LLVMTargetMachineEmitToMemoryBuffer(machine, part->module, LLVMObjectFile, &message,
                                                &part->object))
            part->problem = message;
    }
}

static void *workshop_thread(void *user) {
    Workshop *w = user;
    LLVMTargetMachineRef machine = target_machine(&w->m->target);
    if (!machine) return NULL;
    workshop_work(w, machine);
    LLVMDisposeTargetMachine(machine);
    return NULL;
}

static int by_weight(const void *a, const void *b) {
    const CodePart *x = *(CodePart *const *)a, *y = *(CodePart *const *)b;
    return x->weight < y->weight ? 1 : x->weight > y->weight ? -1 : 0;
}

/* Weights lie in the head, and change with every training: a copy of them would fill the cache and
 * never be found again. */
static const CodeStore *head_store(const CodeModule *m) {
    for (uint32_t i = 0; i < m->program->slots.len; i++)
        if (m->program->slots.data[i].initial) return NULL;
    return m->store;
}

/* The head's code needs no key of its own making: its bitcode is one. */
static void head_key(CodeModule *m, CodePart *head) {
    LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(head->module);
    head->key.arena = m->ctx->arena;
    text_add_n(&head->key, "head", 5);
    target_key(&m->target, &head->key);
    text_add_n(&head->key, LLVMGetBufferStart(bitcode), LLVMGetBufferSize(bitcode));
    LLVMDisposeMemoryBuffer(bitcode);
}

/* The caller works too; a thread that cannot be started is only missing. */
static void workshop_run(Workshop *w) {
    pthread_t threads[WORKERS_MAX];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t helpers = 0;
    atomic_init(&w->next, 0);
    while (helpers + 1 < w->count && (long)helpers + 1 < cpus && helpers < WORKERS_MAX &&
           pthread_create(&threads[helpers], NULL, workshop_thread, w) == 0)
        helpers++;
    workshop_work(w, w->m->machine);
    for (uint32_t i = 0; i < helpers; i++) pthread_join(threads[i], NULL);
}

void module_objects(CodeModule *m) {
    CodePart *head = m->parts.data[0];
    if (head->object) return;
    double start = time_now_us();
    Workshop w = {.m = m, .parts = ARENA_ARRAY(m->ctx->arena, CodePart *, m->parts.len)};
    const CodeStore *keep_head = head_store(m);
    if (keep_head) head_key(m, head);
    if (!keep_head || !part_recall(m, head)) w.parts[w.count++] = head;
    for (uint32_t i = 1; i < m->parts.len; i++)
        if (!m->parts.data[i]->object) w.parts[w.count++] = m->parts.data[i];
    qsort(w.parts, w.count, sizeof w.parts[0], by_weight);
    workshop_run(&w);
    for (uint32_t i = 0; i < w.count; i++) {
        CodePart *part = w.parts[i];
        if (!part->object) BUG("LLVM could not generate code: %s", part->problem);
        if (part == head ? keep_head : m->store)
            m->store->keep(m->store->user, part->key.data, part->key.len,
                           LLVMGetBufferStart(part->object), LLVMGetBufferSize(part->object));
        if (part != head) part_forget(part);
    }
    m->us[TIME_OBJECT] = time_now_us() - start;
}

void codegen_object(CodeModule *m) {
    module_objects(m);
}
