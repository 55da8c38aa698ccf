/* How a sequence calls a kernel: void NAME.call(ptr words, i64 lo, i64 hi, ptr frame) takes the
 * kernel's own arguments from words and calls it. The kernel itself keeps one parameter a buffer,
 * because only parameters can be `noalias`. */
#include "compiler/codegen/codegen_internal.h"

LLVMValueRef kernel_call_emit(CodeModule *m, CodePart *part, LLVMValueRef kernel) {
    LLVMContextRef c = part->llvm;
    LLVMTypeRef pointer = LLVMPointerTypeInContext(c, 0), i64 = LLVMInt64TypeInContext(c);
    LLVMTypeRef own[] = {pointer, i64, i64, pointer};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(c), own, 4, 0);
    LLVMTypeRef called = LLVMGlobalGetValueType(kernel);
    size_t len;
    const char *name = arena_printf(m->ctx->arena, "%s.call", LLVMGetValueName2(kernel, &len));
    LLVMValueRef function = LLVMAddFunction(part->module, name, type);
    function_attributes(&m->target, function);
    LLVMBuilderRef b = LLVMCreateBuilderInContext(c);
    LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(c, function, "entry"));
    uint32_t count = LLVMCountParams(kernel), words = count - 3;
    LLVMTypeRef *types = ARENA_ARRAY(m->ctx->arena, LLVMTypeRef, count);
    LLVMValueRef *args = ARENA_ARRAY(m->ctx->arena, LLVMValueRef, count);
    LLVMGetParamTypes(called, types);
    for (uint32_t i = 0; i < words; i++) {
        LLVMValueRef at = LLVMConstInt(i64, i, 0);
        LLVMValueRef word = LLVMBuildGEP2(b, i64, LLVMGetParam(function, 0), &at, 1, "");
        args[i] = LLVMBuildLoad2(b, types[i], word, "");
    }
    for (uint32_t i = words; i < count; i++) args[i] = LLVMGetParam(function, i - words + 1);
    LLVMBuildCall2(b, called, kernel, args, count, "");
    LLVMBuildRetVoid(b);
    LLVMDisposeBuilder(b);
    return function;
}
