/* Blocks copied transposed: rows into registers, a tree of shuffles, columns out. The tree is dear
 * to compile, so each part has one routine for it, which all kernels call; a block that is not
 * whole goes through a whole one on the stack. Blocks of bf16 are widened as they are read,
 * and f32 may be rounded to bf16 and back.
 *
 * Stages: pairs of rows are interleaved by one element, then by two, within stretches of four
 * elements; then stretches of four are gathered from every fourth row. */
#include "compiler/codegen/emit.h"

#include <stdio.h>

enum { BLOCK_MAX = 16 };

typedef struct Routine {
    Emit *e;
    uint32_t lanes;
    DType from; /* of the source: f32 or bf16 */
    bool rounds;
    LLVMTypeRef source, element; /* in memory, of both */
    LLVMValueRef function;
} Routine;

static LLVMValueRef element_at(Emit *e, LLVMTypeRef type, LLVMValueRef base, LLVMValueRef index) {
    return LLVMBuildGEP2(e->b, type, base, &index, 1, "");
}

static LLVMValueRef row_at(Emit *e, LLVMTypeRef type, LLVMValueRef base, LLVMValueRef step,
                           uint32_t row) {
    return element_at(e, type, base, LLVMBuildMul(e->b, step, const_i64(e, row), ""));
}

/* Within each stretch of four: `width` elements of a, of b, of a ... from the first or second half.
 */
static LLVMValueRef interleave(Routine *r, LLVMValueRef a, LLVMValueRef b, uint32_t width,
                               uint32_t half) {
    int order[BLOCK_MAX];
    for (uint32_t i = 0; i < r->lanes; i++) {
        uint32_t within = i % 4, other = within / width % 2;
        uint32_t from = half * 2 + (width == 1 ? within / 2 : within % 2);
        order[i] = (int)(i / 4 * 4 + from + other * r->lanes);
    }
    return shuffle(r->e, a, b, order, r->lanes);
}

/* Stretches first, first + 2 (of 16 lanes) or `first` (of 8) of a, then those of b. */
static LLVMValueRef stretches(Routine *r, LLVMValueRef a, LLVMValueRef b, uint32_t first) {
    int order[BLOCK_MAX];
    for (uint32_t i = 0; i < r->lanes; i++) {
        uint32_t half = r->lanes / 2, stretch = first + i % half / 4 * 2;
        order[i] = (int)(stretch * 4 + i % 4 + (i / half) * r->lanes);
    }
    return shuffle(r->e, a, b, order, r->lanes);
}

/* out[4 * s + c] = stretch s of v[c], v[4 + c], ... */
static void gather_stretches(Routine *r, LLVMValueRef *v) {
    LLVMValueRef out[BLOCK_MAX];
    for (uint32_t c = 0; c < 4 && r->lanes == 8; c++)
        for (uint32_t s = 0; s < 2; s++) out[4 * s + c] = stretches(r, v[c], v[4 + c], s);
    for (uint32_t c = 0; c < 4 && r->lanes == 16; c++)
        for (uint32_t odd = 0; odd < 2; odd++) {
            LLVMValueRef low = stretches(r, v[c], v[4 + c], odd);
            LLVMValueRef high = stretches(r, v[8 + c], v[12 + c], odd);
            out[4 * odd + c] = stretches(r, low, high, 0);
            out[8 + 4 * odd + c] = stretches(r, low, high, 1);
        }
    if (r->lanes > 4) memcpy(v, out, r->lanes * sizeof *v);
}

static void transpose_registers(Routine *r, LLVMValueRef *v) {
    LLVMValueRef t[BLOCK_MAX];
    for (uint32_t i = 0; i < r->lanes; i += 2)
        for (uint32_t half = 0; half < 2; half++)
            t[i + half] = interleave(r, v[i], v[i + 1], 1, half);
    for (uint32_t i = 0; i < r->lanes; i += 4)
        for (uint32_t c = 0; c < 4; c++)
            v[i + c] = interleave(r, t[i + c / 2], t[i + 2 + c / 2], 2, c % 2);
    gather_stretches(r, v);
}

static LLVMValueRef vector_read(Routine *r, LLVMValueRef from) {
    LLVMValueRef v = LLVMBuildLoad2(r->e->b, LLVMVectorType(r->source, r->lanes), from, "");
    LLVMSetAlignment(v, dtype_bytes(r->from));
    if (r->rounds) v = emit_cast(r->e, DTYPE_BF16, DTYPE_F32, v);
    return r->from == DTYPE_F32 && !r->rounds ? v : emit_cast(r->e, DTYPE_F32, DTYPE_BF16, v);
}
static void vector_write(Routine *r, LLVMValueRef v, LLVMValueRef to) {
    LLVMSetAlignment(LLVMBuildStore(r->e->b, v, to), 4);
}

static void whole_block(Routine *r, LLVMValueRef from, LLVMValueRef from_step, LLVMValueRef to,
                        LLVMValueRef to_step) {
    LLVMValueRef v[BLOCK_MAX];
    for (uint32_t i = 0; i < r->lanes; i++)
        v[i] = vector_read(r, row_at(r->e, r->source, from, from_step, i));
    transpose_registers(r, v);
    for (uint32_t i = 0; i < r->lanes; i++)
        vector_write(r, v[i], row_at(r->e, r->element, to, to_step, i));
}

/* A loop of `rows` rows of `columns` elements from one place to another, by masks. */
static void copy_rows(Routine *r, LLVMTypeRef type, LLVMValueRef from, LLVMValueRef from_step,
                      LLVMValueRef to, LLVMValueRef to_step, LLVMValueRef rows,
                      LLVMValueRef columns) {
    Emit *e = r->e;
    LLVMTypeRef vector = LLVMVectorType(type, r->lanes);
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c), pointer = LLVMPointerTypeInContext(e->c, 0);
    LLVMTypeRef over[] = {vector, pointer};
    LLVMValueRef lanes = lane_numbers(e, i64, r->lanes);
    LLVMValueRef mask = LLVMBuildICmp(e->b, LLVMIntULT, lanes, splat(e, columns, r->lanes), "");
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b);
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(e->c, r->function, "row");
    LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(e->c, r->function, "rows");
    LLVMBuildBr(e->b, body);
    LLVMPositionBuilderAtEnd(e->b, body);
    LLVMValueRef row = LLVMBuildPhi(e->b, i64, ""), zero = const_i64(e, 0);
    LLVMValueRef source = element_at(e, type, from, LLVMBuildMul(e->b, row, from_step, ""));
    LLVMValueRef target = element_at(e, type, to, LLVMBuildMul(e->b, row, to_step, ""));
    LLVMValueRef load[] = {source, mask, LLVMConstNull(vector)};
    LLVMValueRef v = call_intrinsic(e, "llvm.masked.load", over, 2, load, 3);
    LLVMValueRef store[] = {v, target, mask};
    call_intrinsic(e, "llvm.masked.store", over, 2, store, 3);
    LLVMValueRef next = LLVMBuildAdd(e->b, row, const_i64(e, 1), "");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, rows, ""), body, after);
    LLVMAddIncoming(row, &zero, &before, 1);
    LLVMAddIncoming(row, &next, &body, 1);
    LLVMPositionBuilderAtEnd(e->b, after);
}

static LLVMTypeRef routine_type(Emit *e) {
    LLVMTypeRef pointer = LLVMPointerTypeInContext(e->c, 0), i64 = LLVMInt64TypeInContext(e->c);
    LLVMTypeRef types[] = {pointer, i64, pointer, i64, i64, i64};
    return LLVMFunctionType(LLVMVoidTypeInContext(e->c), types, 6, 0);
}

/* The block itself, come from `entry`; or the one on the stack, come from `copied`. */
static void whole_of_two(Routine *r, LLVMValueRef *a, LLVMValueRef before, LLVMValueRef after,
                         LLVMBasicBlockRef entry, LLVMBasicBlockRef copied) {
    Emit *e = r->e;
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c), pointer = LLVMPointerTypeInContext(e->c, 0);
    LLVMValueRef full = const_i64(e, r->lanes);
    LLVMBasicBlockRef sides[] = {entry, copied};
    LLVMValueRef from[] = {a[0], before}, to[] = {a[2], after};
    LLVMValueRef from_step[] = {a[1], full}, to_step[] = {a[3], full};
    LLVMValueRef source = LLVMBuildPhi(e->b, pointer, ""), step = LLVMBuildPhi(e->b, i64, "");
    LLVMValueRef target = LLVMBuildPhi(e->b, pointer, ""), along = LLVMBuildPhi(e->b, i64, "");
    LLVMAddIncoming(source, from, sides, 2);
    LLVMAddIncoming(step, from_step, sides, 2);
    LLVMAddIncoming(target, to, sides, 2);
    LLVMAddIncoming(along, to_step, sides, 2);
    whole_block(r, source, step, target, along);
}

/* (from, step, to, step, rows, columns), rows and columns at least 1: what is not whole is copied
 * to a whole block on the stack, transposed to another, and copied from there. */
static LLVMValueRef routine_make(Emit *e, uint32_t lanes, DType from, bool rounds) {
    Routine r = {.e = e, .lanes = lanes, .from = from, .rounds = rounds};
    LLVMBuilderRef outside = e->b;
    char name[32];
    snprintf(name, sizeof name, "transpose.%s%u",
             rounds              ? "rounded."
             : from == DTYPE_F32 ? ""
                                 : "bf16.",
             lanes);
    r.element = LLVMFloatTypeInContext(e->c);
    r.source = type_memory(e, from);
    r.function = LLVMAddFunction(e->part->module, name, routine_type(e));
    LLVMSetLinkage(r.function, LLVMInternalLinkage);
    function_attributes(e->target, r.function);
    attribute_add(r.function, LLVMAttributeFunctionIndex, "noinline");
    LLVMValueRef a[6];
    LLVMGetParams(r.function, a);
    e->b = LLVMCreateBuilderInContext(e->c);
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(e->c, r.function, "entry");
    LLVMBasicBlockRef ragged = LLVMAppendBasicBlockInContext(e->c, r.function, "ragged");
    LLVMBasicBlockRef whole = LLVMAppendBasicBlockInContext(e->c, r.function, "whole");
    LLVMBasicBlockRef spread = LLVMAppendBasicBlockInContext(e->c, r.function, "spread");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(e->c, r.function, "done");
    LLVMPositionBuilderAtEnd(e->b, entry);
    LLVMValueRef full = const_i64(e, lanes), block = const_i64(e, (int64_t)lanes * lanes);
    LLVMValueRef before = LLVMBuildArrayAlloca(e->b, r.source, block, "before");
    LLVMValueRef after = LLVMBuildArrayAlloca(e->b, r.element, block, "after");
    LLVMSetAlignment(before, 64);
    LLVMSetAlignment(after, 64);
    LLVMValueRef fits = LLVMBuildAnd(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, a[4], full, ""),
                                     LLVMBuildICmp(e->b, LLVMIntEQ, a[5], full, ""), "");
    LLVMBuildCondBr(e->b, fits, whole, ragged);
    LLVMPositionBuilderAtEnd(e->b, ragged);
    copy_rows(&r, r.source, a[0], a[1], before, full, a[4], a[5]);
    LLVMBasicBlockRef copied = LLVMGetInsertBlock(e->b);
    LLVMBuildBr(e->b, whole);
    LLVMPositionBuilderAtEnd(e->b, whole);
    whole_of_two(&r, a, before, after, entry, copied);
    LLVMBuildCondBr(e->b, fits, done, spread);
    LLVMPositionBuilderAtEnd(e->b, spread);
    copy_rows(&r, r.element, after, full, a[2], a[3], a[5], a[4]);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
    LLVMBuildRetVoid(e->b);
    LLVMDisposeBuilder(e->b);
    e->b = outside;
    return r.function;
}

void emit_transpose(Emit *e, const Stmt *s) {
    uint32_t number = s->count == 4 ? 0 : s->count == 8 ? 1 : 2;
    bool widens = e->p->buffers.data[e->k->buffers.data[s->source]].dtype == DTYPE_BF16;
    DType source = widens ? DTYPE_BF16 : DTYPE_F32; /* whatever four bytes are, they are moved */
    LLVMValueRef *routine = &e->part->transposes[s->rounds ? 2 : widens][number];
    if (!*routine) *routine = routine_make(e, s->count, source, s->rounds);
    LLVMValueRef from = emit_index(e, s->value), to = emit_index(e, s->index);
    LLVMValueRef args[] = {element_at(e, type_memory(e, source), e->buffers[s->source], from),
                           const_i64(e, s->source_step),
                           element_at(e, LLVMFloatTypeInContext(e->c), e->buffers[s->buffer], to),
                           const_i64(e, s->target_step),
                           emit_index(e, s->from),
                           emit_index(e, s->to)};
    LLVMBuildCall2(e->b, routine_type(e), *routine, args, 6, "");
    memo_changed(e, buffer_bit(s->buffer));
}
