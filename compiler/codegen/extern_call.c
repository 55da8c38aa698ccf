/* A call of a C function: the arrays' descriptors are written to the stack, then one call of the
 * symbol that the declaration names. */
#include "compiler/codegen/emit.h"
#include <stddef.h>

static LLVMValueRef bytes_after(Emit *e, LLVMValueRef pointer, LLVMValueRef bytes) {
    return LLVMBuildGEP2(e->b, LLVMInt8TypeInContext(e->c), pointer, &bytes, 1, "");
}

static LLVMValueRef number(Emit *e, uint64_t value, bool wide) {
    LLVMTypeRef t = wide ? LLVMInt64TypeInContext(e->c) : LLVMInt32TypeInContext(e->c);
    return LLVMConstInt(t, value, 0);
}

static void member_store(Emit *e, LLVMValueRef base, uint64_t offset, LLVMValueRef value) {
    LLVMBuildStore(e->b, value, bytes_after(e, base, number(e, offset, true)));
}

static void array_write(Emit *e, const LoopArray *a, LLVMValueRef into) {
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c);
    LLVMValueRef dims = LLVMBuildArrayAlloca(e->b, i64, number(e, a->rank + 1, false), "");
    LLVMValueRef width = number(e, dtype_bytes(a->dtype), true);
    LLVMValueRef bytes = LLVMBuildMul(e->b, emit_index(e, a->offset), width, "");
    for (uint32_t i = 0; i < a->rank; i++)
        member_store(e, dims, i * sizeof(int64_t), emit_index(e, a->dims[i]));
    member_store(e, into, offsetof(BmrtExternArray, data),
                 bytes_after(e, e->buffers[a->buffer], bytes));
    member_store(e, into, offsetof(BmrtExternArray, dims), dims);
    member_store(e, into, offsetof(BmrtExternArray, rank), number(e, a->rank, false));
    member_store(e, into, offsetof(BmrtExternArray, dtype), number(e, a->dtype, false));
}

static LLVMValueRef function_declare(Emit *e, const char *name, LLVMTypeRef *type) {
    LLVMTypeRef pointer = LLVMPointerTypeInContext(e->c, 0);
    LLVMTypeRef parameters[] = {pointer, LLVMInt32TypeInContext(e->c), pointer};
    *type = LLVMFunctionType(LLVMVoidTypeInContext(e->c), parameters, 3, 0);
    LLVMValueRef known = LLVMGetNamedFunction(e->part->module, name);
    return known ? known : LLVMAddFunction(e->part->module, name, *type);
}

void emit_call(Emit *e, const Stmt *s) {
    const GraphExtern *f = &e->p->program->externs.items.data[s->callee];
    INVARIANT(e->depth == 0);
    uint64_t size = sizeof(BmrtExternArray);
    LLVMValueRef room = number(e, s->arrays.len * size, false);
    LLVMValueRef all = LLVMBuildArrayAlloca(e->b, LLVMInt8TypeInContext(e->c), room, "arrays");
    LLVMSetAlignment(all, _Alignof(BmrtExternArray));
    for (uint32_t i = 0; i < s->arrays.len; i++)
        array_write(e, &s->arrays.data[i], bytes_after(e, all, number(e, i * size, true)));
    LLVMTypeRef type;
    LLVMValueRef call = function_declare(e, (s->gradient ? f->gradient : f->name)->text, &type);
    LLVMValueRef out = bytes_after(e, all, number(e, s->count * size, true));
    LLVMValueRef args[] = {all, number(e, s->count, false), out};
    LLVMBuildCall2(e->b, type, call, args, 3, "");
    for (uint32_t i = s->count; i < s->arrays.len; i++)
        memo_changed(e, buffer_bit(s->arrays.data[i].buffer));
}
