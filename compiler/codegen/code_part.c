/* Parts: opening, closing, and turning them into objects on as many threads as there are CPUs.
 * Threads share nothing but the counter they take parts from: every part has its own LLVM context
 * and target machine. */
#include "compiler/codegen/code_part.h"
#include <llvm-c/Analysis.h>
#include <pthread.h>
#include <stdatomic.h>
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

void part_open(CodePart *part, const Target *target, const char *name) {
    part->machine = target_machine(target);
    if (!part->machine) BUG("LLVM was linked without the target %s", target->triple);
    part->llvm = LLVMContextCreate();
    part->module = LLVMModuleCreateWithNameInContext(name, part->llvm);
    LLVMSetTarget(part->module, target->triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(part->machine);
    LLVMSetModuleDataLayout(part->module, layout);
    LLVMDisposeTargetData(layout);
    zeros_add(part);
}

void part_close(CodePart *part) {
    if (part->object) LLVMDisposeMemoryBuffer(part->object);
    LLVMDisposeModule(part->module);
    LLVMContextDispose(part->llvm);
    LLVMDisposeTargetMachine(part->machine);
}

void part_verify(const CodePart *part) {
    char *message = NULL;
    if (LLVMVerifyModule(part->module, LLVMReturnStatusAction, &message))
        BUG("LLVM refuses the module: %s", message);
    LLVMDisposeMessage(message);
}

/* ------------------------------------------------------------------ objects */

typedef struct Workshop {
    CodeModule *m;
    atomic_uint next;
} Workshop;

static void part_compile(CodePart *part, bool keep_module) {
    /* Code generation rewrites the module; a module that is the whole program is still wanted as
     * text. */
    LLVMModuleRef module = keep_module ? LLVMCloneModule(part->module) : part->module;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(part->machine, module, LLVMObjectFile, &message,
                                            &part->object))
        part->problem = message;
    if (keep_module) LLVMDisposeModule(module);
}

static void *workshop_run(void *user) {
    Workshop *w = user;
    for (;;) {
        uint32_t number = atomic_fetch_add(&w->next, 1);
        if (number >= w->m->part_count) return NULL;
        part_compile(&w->m->parts[number], w->m->part_count == 1);
    }
}

/* The caller works too; a thread that cannot be started is only missing. */
void module_objects(CodeModule *m) {
    if (m->parts[0].object) return;
    double start = time_now_us();
    Workshop workshop = {.m = m};
    atomic_init(&workshop.next, 0);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t helpers = 0;
    pthread_t threads[PARTS_MAX];
    while (helpers + 1 < m->part_count && (long)helpers + 1 < cpus &&
           pthread_create(&threads[helpers], NULL, workshop_run, &workshop) == 0)
        helpers++;
    workshop_run(&workshop);
    for (uint32_t i = 0; i < helpers; i++) pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < m->part_count; i++)
        if (!m->parts[i].object) BUG("LLVM could not generate code: %s", m->parts[i].problem);
    m->us[TIME_OBJECT] = time_now_us() - start;
}

void codegen_object(CodeModule *m) {
    module_objects(m);
}
