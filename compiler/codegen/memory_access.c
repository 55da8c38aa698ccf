/* Loads and stores: scalar, vector, masked, reversed, strided, by pointer per lane. Which one
 * follows from how the index varies with the lane. Nothing is assumed aligned beyond its element:
 * an access that happens to be aligned costs no more. */
#include "compiler/codegen/address.h"

static DType buffer_dtype(const Emit *e, uint32_t position) {
    return e->p->buffers.data[e->k->buffers.data[position]].dtype;
}

static LLVMValueRef gep(Emit *e, LLVMTypeRef element, LLVMValueRef base, LLVMValueRef index) {
    return LLVMBuildGEP2(e->b, element, base, &index, 1, "");
}

/* Prefixes of the address are computed in the outermost scope that knows them, so inside a loop
 * only the part that the loop moves is added. */
LLVMValueRef address_of(Emit *e, uint32_t buffer, const Linear *index) {
    LLVMTypeRef element = type_memory(e, buffer_dtype(e, buffer));
    LLVMValueRef pointer = e->buffers[buffer];
    uint32_t number = buffer;
    Linear part = *index;
    part.constant = 0;
    for (uint32_t d = 0; d <= e->depth && index->nterms > 0; d++) {
        part.nterms = 0;
        for (uint32_t i = 0; i < index->nterms; i++)
            if (linear_term_depth(e, &index->terms[i]) == d)
                part.terms[part.nterms++] = index->terms[i];
        if (part.nterms == 0) continue;
        const AddressMemo *cached = address_cached(e, number, &part);
        if (cached) {
            pointer = cached->value;
            number = cached->number;
            continue;
        }
        uint32_t placed;
        LLVMValueRef sum = linear_code(e, &part, &placed);
        Where w = place_at(e, placed);
        pointer = gep(e, element, pointer, sum);
        place_restore(e, w);
        number = address_cache(e, number, &part, placed, pointer);
    }
    return index->constant ? gep(e, element, pointer, const_i64(e, index->constant)) : pointer;
}

static void align_argument(Emit *e, LLVMValueRef call, unsigned argument, DType t) {
    unsigned kind = LLVMGetEnumAttributeKindForName("align", 5);
    LLVMAddCallSiteAttribute(call, argument + 1,
                             LLVMCreateEnumAttribute(e->c, kind, dtype_bytes(t)));
}

static LLVMValueRef plain_load(Emit *e, LLVMTypeRef type, LLVMValueRef pointer, DType t) {
    LLVMValueRef v = LLVMBuildLoad2(e->b, type, pointer, "");
    LLVMSetAlignment(v, dtype_bytes(t));
    return v;
}

static void plain_store(Emit *e, LLVMValueRef v, LLVMValueRef pointer, DType t) {
    LLVMSetAlignment(LLVMBuildStore(e->b, v, pointer), dtype_bytes(t));
}

/* A byte in memory becomes a bool in a register, and back. */
static LLVMValueRef from_memory(Emit *e, DType t, LLVMValueRef v) {
    if (t != DTYPE_BOOL) return v;
    return LLVMBuildICmp(e->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
}
static LLVMValueRef to_memory(Emit *e, DType t, LLVMValueRef v) {
    if (t != DTYPE_BOOL) return v;
    return LLVMBuildZExt(e->b, v, type_like(LLVMInt8TypeInContext(e->c), v), "");
}

/* ------------------------------------------------------------------ loads */

/* Where the predicate is false the address may be anything: read zeros instead of branching. */
static LLVMValueRef scalar_load(Emit *e, const Expr *x, const Linear *index) {
    DType t = x->dtype;
    LLVMValueRef pointer = address_of(e, x->buffer, index);
    if (x->nargs == 1) return from_memory(e, t, plain_load(e, type_memory(e, t), pointer, t));
    LLVMValueRef pred = emit_value(e, x->args[1]), other = emit_value(e, x->args[2]);
    pointer = LLVMBuildSelect(e->b, pred, pointer, e->part->zeros, "");
    LLVMValueRef v = from_memory(e, t, plain_load(e, type_memory(e, t), pointer, t));
    return LLVMBuildSelect(e->b, pred, v, other, "");
}

/* Lanes that take part: the loop's limit and the access's own predicate; NULL for all. */
static LLVMValueRef lanes_active(Emit *e, ExprId pred) {
    LLVMValueRef own = expr_is_none(pred) ? NULL : emit_vector(e, pred);
    if (!own) return e->vector.mask;
    return e->vector.mask ? LLVMBuildAnd(e->b, own, e->vector.mask, "") : own;
}

static LLVMValueRef masked_load(Emit *e, LLVMTypeRef type, LLVMValueRef pointer, LLVMValueRef mask,
                                LLVMValueRef other, DType t) {
    LLVMTypeRef over[] = {type, LLVMPointerTypeInContext(e->c, 0)};
    LLVMValueRef args[] = {pointer, mask, other};
    LLVMValueRef v = call_intrinsic(e, "llvm.masked.load", over, 2, args, 3);
    align_argument(e, v, 0, t);
    return v;
}

static LLVMValueRef gather(Emit *e, LLVMTypeRef type, LLVMValueRef pointers, LLVMValueRef mask,
                           LLVMValueRef other, DType t) {
    LLVMTypeRef over[] = {type, LLVMTypeOf(pointers)};
    LLVMValueRef args[] = {pointers, mask, other};
    LLVMValueRef v = call_intrinsic(e, "llvm.masked.gather", over, 2, args, 3);
    align_argument(e, v, 0, t);
    return v;
}

static LLVMValueRef mask_all(Emit *e) {
    LLVMTypeRef i1 = LLVMInt1TypeInContext(e->c);
    return const_int(LLVMVectorType(i1, e->vector.lanes), 1);
}

/* One pointer a lane. */
static LLVMValueRef lane_pointers(Emit *e, uint32_t buffer, ExprId index, const Linear *l) {
    LLVMTypeRef element = type_memory(e, buffer_dtype(e, buffer));
    if (!l) return gep(e, element, e->buffers[buffer], emit_vector(e, index));
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c);
    LLVMValueRef numbers = lane_numbers(e, i64, e->vector.lanes);
    LLVMValueRef steps =
        LLVMBuildMul(e->b, numbers, const_int(LLVMTypeOf(numbers), (uint64_t)l->lane), "");
    return gep(e, element, address_of(e, buffer, l), steps);
}

static LLVMValueRef reversed(Emit *e, LLVMValueRef v, uint32_t lanes) {
    int order[128];
    INVARIANT(lanes <= 128);
    for (uint32_t i = 0; i < lanes; i++) order[i] = (int)(lanes - 1 - i);
    return shuffle(e, v, NULL, order, lanes);
}

static LLVMValueRef strided_load(Emit *e, LLVMTypeRef type, uint32_t buffer, const Linear *l,
                                 DType t) {
    LLVMTypeRef element = LLVMGetElementType(type);
    LLVMValueRef base = address_of(e, buffer, l), v = LLVMGetPoison(type);
    for (uint32_t i = 0; i < e->vector.lanes; i++) {
        LLVMValueRef at = gep(e, element, base, const_i64(e, l->lane * (int64_t)i));
        v = LLVMBuildInsertElement(e->b, v, plain_load(e, element, at, t), const_i64(e, i), "");
    }
    return v;
}

static LLVMValueRef vector_load(Emit *e, const Expr *x, LLVMTypeRef type) {
    DType t = x->dtype;
    Linear l;
    bool affine = linear_of(e, x->args[0], &l);
    LLVMValueRef mask = lanes_active(e, x->nargs == 3 ? x->args[1] : EXPR_NONE);
    LLVMValueRef other =
        x->nargs == 3 ? to_memory(e, t, emit_vector(e, x->args[2])) : LLVMConstNull(type);
    if (affine && l.lane == 1) {
        LLVMValueRef pointer = address_of(e, x->buffer, &l);
        return mask ? masked_load(e, type, pointer, mask, other, t)
                    : plain_load(e, type, pointer, t);
    }
    if (affine && l.lane == -1 && !mask) {
        l.constant -= (int64_t)e->vector.lanes - 1;
        return reversed(e, plain_load(e, type, address_of(e, x->buffer, &l), t), e->vector.lanes);
    }
    if (affine && !mask && l.lane != 0) return strided_load(e, type, x->buffer, &l, t);
    LLVMValueRef pointers = lane_pointers(e, x->buffer, x->args[0], affine ? &l : NULL);
    return gather(e, type, pointers, mask ? mask : mask_all(e), other, t);
}

LLVMValueRef emit_load(Emit *e, const Expr *x) {
    bool varies = expr_varies(e, x->args[0]);
    for (uint32_t i = 1; i < x->nargs; i++) varies |= expr_varies(e, x->args[i]);
    if (varies) {
        LLVMTypeRef type = LLVMVectorType(type_memory(e, x->dtype), e->vector.lanes);
        return from_memory(e, x->dtype, vector_load(e, x, type));
    }
    Linear l;
    if (!linear_of(e, x->args[0], &l)) BUG("kernel %s: a uniform index varies", e->k->name);
    return scalar_load(e, x, &l);
}

/* ------------------------------------------------------------------ stores */

static void scalar_store(Emit *e, const Stmt *s) {
    DType t = buffer_dtype(e, s->buffer);
    Linear l;
    if (!linear_of(e, s->index, &l)) BUG("kernel %s: a uniform index varies", e->k->name);
    LLVMValueRef v = to_memory(e, t, emit_value(e, s->value));
    LLVMValueRef pointer = address_of(e, s->buffer, &l);
    if (expr_is_none(s->pred)) {
        plain_store(e, v, pointer, t);
        return;
    }
    LLVMValueRef pred = emit_value(e, s->pred);
    LLVMBasicBlockRef store = LLVMAppendBasicBlockInContext(e->c, e->function, "store");
    LLVMBasicBlockRef join = LLVMAppendBasicBlockInContext(e->c, e->function, "stored");
    LLVMBuildCondBr(e->b, pred, store, join);
    LLVMPositionBuilderAtEnd(e->b, store);
    plain_store(e, v, pointer, t);
    LLVMBuildBr(e->b, join);
    LLVMPositionBuilderAtEnd(e->b, join);
}

static void strided_store(Emit *e, LLVMValueRef v, uint32_t buffer, const Linear *l, DType t) {
    LLVMTypeRef element = LLVMGetElementType(LLVMTypeOf(v));
    LLVMValueRef base = address_of(e, buffer, l);
    for (uint32_t i = 0; i < e->vector.lanes; i++) {
        LLVMValueRef at = gep(e, element, base, const_i64(e, l->lane * (int64_t)i));
        plain_store(e, LLVMBuildExtractElement(e->b, v, const_i64(e, i), ""), at, t);
    }
}

/* The mask is a constant with one lane set: that lane. */
static bool lane_alone(Emit *e, LLVMValueRef mask, uint32_t *lane) {
    uint32_t set = 0;
    if (!mask || !LLVMIsConstant(mask)) return false;
    for (uint32_t i = 0; i < e->vector.lanes; i++) {
        LLVMValueRef bit = LLVMGetAggregateElement(mask, i);
        if (!bit || !LLVMIsAConstantInt(bit)) return false;
        if (LLVMConstIntGetZExtValue(bit) == 0) continue;
        *lane = i;
        set++;
    }
    return set == 1;
}

/* Lanes store in ascending order: with equal addresses the highest lane wins, as in a scalar loop.
 */
static void vector_store(Emit *e, const Stmt *s) {
    DType t = buffer_dtype(e, s->buffer);
    Linear l;
    bool affine = linear_of(e, s->index, &l);
    LLVMValueRef v = to_memory(e, t, emit_vector(e, s->value));
    LLVMValueRef mask = lanes_active(e, s->pred);
    if (affine && l.lane == 1) {
        LLVMValueRef pointer = address_of(e, s->buffer, &l);
        if (!mask) {
            plain_store(e, v, pointer, t);
            return;
        }
        /* LLVM 22 stores the wide element of a truncated vector where a mask has one lane: it would
         * write over the neighbours */
        uint32_t lane;
        if (lane_alone(e, mask, &lane)) {
            v = LLVMBuildExtractElement(e->b, v, const_i64(e, lane), "");
            pointer = gep(e, LLVMTypeOf(v), pointer, const_i64(e, lane));
            plain_store(e, v, pointer, t);
            return;
        }
        LLVMTypeRef over[] = {LLVMTypeOf(v), LLVMPointerTypeInContext(e->c, 0)};
        LLVMValueRef args[] = {v, pointer, mask};
        align_argument(e, call_intrinsic(e, "llvm.masked.store", over, 2, args, 3), 1, t);
        return;
    }
    if (affine && l.lane != 0 && !mask) {
        strided_store(e, v, s->buffer, &l, t);
        return;
    }
    LLVMValueRef pointers = lane_pointers(e, s->buffer, s->index, affine ? &l : NULL);
    LLVMTypeRef over[] = {LLVMTypeOf(v), LLVMTypeOf(pointers)};
    LLVMValueRef args[] = {v, pointers, mask ? mask : mask_all(e)};
    align_argument(e, call_intrinsic(e, "llvm.masked.scatter", over, 2, args, 3), 1, t);
}

void emit_store(Emit *e, const Stmt *s) {
    if (e->vector.open)
        vector_store(e, s);
    else
        scalar_store(e, s);
    memo_changed(e, buffer_bit(s->buffer));
}

/* Into the second-level cache. */
void emit_prefetch(Emit *e, const Stmt *s) {
    Linear l;
    if (!linear_of(e, s->value, &l)) BUG("kernel %s: a uniform index varies", e->k->name);
    LLVMTypeRef i32 = LLVMInt32TypeInContext(e->c), pointer = LLVMPointerTypeInContext(e->c, 0);
    LLVMValueRef args[] = {address_of(e, s->buffer, &l), LLVMConstInt(i32, 0, 0),
                           LLVMConstInt(i32, 2, 0), LLVMConstInt(i32, 1, 0)};
    call_intrinsic(e, "llvm.prefetch", &pointer, 1, args, 4);
}
