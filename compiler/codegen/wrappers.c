/* The typed C functions of a compiled model, STEM_open ... STEM_predict, as code: each sets up the
 * arguments of one runtime function and calls it. */
#include "compiler/codegen/api_functions.h"
#include "compiler/codegen/codegen_internal.h"

typedef struct Wrap {
    CodeModule *m;
    LLVMContextRef c;
    LLVMBuilderRef b;
    LLVMTypeRef pointer, i32, i64;
    LLVMValueRef function;
} Wrap;

static LLVMTypeRef wrap_type(Wrap *w, char how) {
    if (how == 'i' || how == 'z') return w->i32;
    return how == 'l' || how == 'u' || how == 'Z' ? w->i64 : w->pointer;
}

static LLVMValueRef runtime_function(Wrap *w, const char *name, LLVMTypeRef type) {
    LLVMValueRef f = LLVMGetNamedFunction(w->m->module, name);
    return f ? f : LLVMAddFunction(w->m->module, name, type);
}

static void function_open(Wrap *w, const char *name, LLVMTypeRef type) {
    w->function = LLVMAddFunction(
        w->m->module, arena_printf(w->m->ctx->arena, "%s_%s", w->m->program->stem, name), type);
    /* they run before it is known what the processor has */
    Target any = w->m->target;
    if (w->m->version_count)
        any = (Target){.machine = any.machine, .cpu = "x86-64", .features = ""};
    function_attributes(&any, w->function);
    LLVMPositionBuilderAtEnd(w->b, LLVMAppendBasicBlockInContext(w->c, w->function, "entry"));
}

static void return_call(Wrap *w, LLVMTypeRef type, LLVMValueRef f, LLVMValueRef *args,
                        unsigned count) {
    LLVMValueRef v = LLVMBuildCall2(w->b, type, f, args, count, "");
    if (LLVMGetReturnType(type) == LLVMVoidTypeInContext(w->c))
        LLVMBuildRetVoid(w->b);
    else
        LLVMBuildRet(w->b, v);
}

static LLVMTypeRef return_type(Wrap *w, const char *c_type) {
    if (strcmp(c_type, "void") == 0) return LLVMVoidTypeInContext(w->c);
    if (strcmp(c_type, "int") == 0) return w->i32;
    return strcmp(c_type, "int64_t") == 0 ? w->i64 : w->pointer;
}

/* The number of the entry whose name the caller gave; a wrong name gives -1, which the runtime
 * refuses. */
static LLVMValueRef entry_number(Wrap *w, LLVMValueRef name) {
    LLVMTypeRef types[] = {w->pointer, w->pointer};
    LLVMTypeRef type = LLVMFunctionType(w->i32, types, 2, 0);
    LLVMValueRef args[] = {w->m->descriptor, name};
    return LLVMBuildCall2(w->b, type, runtime_function(w, "bmrt_entry_find", type), args, 2, "");
}

static void wrap_function(Wrap *w, const ApiFunction *api) {
    LLVMTypeRef own[8], target[8];
    LLVMValueRef args[8];
    unsigned nown = 0, count = (unsigned)strlen(api->pass);
    INVARIANT(count <= 8);
    for (unsigned i = 0; i < count; i++) {
        target[i] = api->pass[i] == 'E' ? w->i32 : wrap_type(w, api->pass[i]);
        if (!strchr("M0zZ", api->pass[i])) own[nown++] = wrap_type(w, api->pass[i]);
    }
    LLVMTypeRef returns = return_type(w, api->returns);
    function_open(w, api->name, LLVMFunctionType(returns, own, nown, 0));
    nown = 0;
    for (unsigned i = 0; i < count; i++) {
        char how = api->pass[i];
        if (how == 'M')
            args[i] = w->m->descriptor;
        else if (strchr("0zZ", how))
            args[i] = LLVMConstNull(target[i]);
        else
            args[i] = LLVMGetParam(w->function, nown++);
        if (how == 'E') args[i] = entry_number(w, args[i]);
    }
    LLVMTypeRef type = LLVMFunctionType(returns, target, count, 0);
    return_call(w, type, runtime_function(w, api->target, type), args, count);
}

/* ------------------------------------------------------------------ entries */

/* An array on the stack of `count` of the function's parameters from `first` on. */
static LLVMValueRef parameter_array(Wrap *w, LLVMTypeRef type, uint32_t first, uint32_t count) {
    LLVMValueRef length = LLVMConstInt(w->i32, count ? count : 1, 0);
    LLVMValueRef array = LLVMBuildArrayAlloca(w->b, type, length, "");
    for (uint32_t i = 0; i < count; i++) {
        LLVMValueRef at = LLVMConstInt(w->i64, i, 0);
        LLVMBuildStore(w->b, LLVMGetParam(w->function, first + i),
                       LLVMBuildGEP2(w->b, type, array, &at, 1, ""));
    }
    return array;
}

static void wrap_entry(void *user, const ApiEntry *api) {
    Wrap *w = user;
    Arena *arena = w->m->ctx->arena;
    const Entry *entry = &w->m->program->entries.data[api->entry];
    const Graph *g = entry->graph;
    uint32_t outputs = entry_outputs(entry);
    uint32_t dims = w->m->symbols[api->entry].table.len;
    VEC(LLVMTypeRef) types = {0};
    vec_push(arena, &types, w->pointer);
    for (uint32_t i = 0; i < dims; i++) vec_push(arena, &types, w->i64);
    for (uint32_t i = 0; i < g->inputs.len + outputs; i++) vec_push(arena, &types, w->pointer);
    function_open(w, api->name, LLVMFunctionType(w->i32, types.data, types.len, 0));
    LLVMValueRef args[] = {LLVMGetParam(w->function, 0), LLVMConstInt(w->i32, api->entry, 0),
                           parameter_array(w, w->i64, 1, dims),
                           parameter_array(w, w->pointer, 1 + dims, g->inputs.len),
                           parameter_array(w, w->pointer, 1 + dims + g->inputs.len, outputs)};
    LLVMTypeRef call[] = {w->pointer, w->i32, w->pointer, w->pointer, w->pointer};
    LLVMTypeRef type = LLVMFunctionType(w->i32, call, 5, 0);
    const char *target = api->step ? "bmrt_step" : "bmrt_call";
    return_call(w, type, runtime_function(w, target, type), args, 5);
}

void wrappers_emit(CodeModule *m) {
    Wrap wrap = {.m = m,
                 .c = m->llvm,
                 .b = LLVMCreateBuilderInContext(m->llvm),
                 .pointer = LLVMPointerTypeInContext(m->llvm, 0),
                 .i32 = LLVMInt32TypeInContext(m->llvm),
                 .i64 = LLVMInt64TypeInContext(m->llvm)};
    uint32_t count;
    const ApiFunction *functions = api_functions(m->freestanding, &count);
    for (uint32_t i = 0; i < count; i++) wrap_function(&wrap, &functions[i]);
    if (m->entry_count == m->program->entries.len) api_entries(m->program, wrap_entry, &wrap);
    LLVMDisposeBuilder(wrap.b);
}
