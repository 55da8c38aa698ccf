/* One kernel to one function: its loops, registers and statements. */
#include "compiler/codegen/emit.h"

typedef struct ForFacts { /* what a FOR's body changes */
    bool *sets;           /* per register */
    uint64_t bits;        /* stamps of registers and buffers */
} ForFacts;

static void emit_list(Emit *e, const StmtId *ids, uint32_t count);

/* ------------------------------------------------------------------ facts about loops */

static void for_facts(Emit *e, const StmtId *ids, uint32_t count, ForFacts *into) {
    const Kernel *k = e->k;
    for (uint32_t i = 0; i < count; i++) {
        const Stmt *s = &k->stmts.data[ids[i].id];
        if (s->kind == STMT_SET) {
            into->sets[s->reg.id] = true;
            into->bits |= 1ull << reg_bit(s->reg);
        } else if (s->kind == STMT_STORE || s->kind == STMT_TRANSPOSE) {
            into->bits |= 1ull << buffer_bit(s->buffer);
        } else if (s->kind == STMT_CALL) {
            for (uint32_t a = s->count; a < s->arrays.len; a++)
                into->bits |= 1ull << buffer_bit(s->arrays.data[a].buffer);
        } else if (s->kind == STMT_FOR) {
            ForFacts *own = &e->fors[ids[i].id];
            own->sets = ARENA_ARRAY(e->arena, bool, k->regs.len);
            for_facts(e, s->body.data, s->body.len, own);
            into->bits |= own->bits;
            for (uint32_t r = 0; r < k->regs.len; r++) into->sets[r] |= own->sets[r];
        }
    }
}

static void copies_count(Emit *e) {
    const Kernel *k = e->k;
    for (uint32_t i = 0; i < k->stmts.len; i++) {
        const Stmt *s = &k->stmts.data[i];
        if (s->kind != STMT_FOR || s->loop == LOOP_SERIAL) continue;
        VarState *v = &e->vars[s->var.id];
        v->kind = s->loop;
        uint32_t copies = s->count + (s->loop == LOOP_UNROLL ? (uint32_t)s->step : 0);
        if (copies > v->copies) v->copies = copies;
    }
    for (uint32_t r = 0; r < k->regs.len; r++) {
        const LoopReg *reg = &k->regs.data[r];
        uint64_t copies = 1;
        for (uint32_t i = 0; i < reg->nvars; i++) {
            const VarState *v = &e->vars[reg->vars[i].id];
            if (v->kind != LOOP_VECTOR) copies *= v->copies;
            if (copies > 1u << 20) BUG("kernel %s: register %s is too large", k->name, reg->name);
        }
        e->regs[r].count = (uint32_t)copies;
        e->regs[r].copies = ARENA_ARRAY(e->arena, LLVMValueRef, copies);
    }
}

/* ------------------------------------------------------------------ loops */

typedef struct SerialLoop {
    LLVMBasicBlockRef pre, body, exit;
    LLVMValueRef next_branch;
    LLVMValueRef **before, **phis; /* per register it sets: values at entry, phis in the body */
} SerialLoop;

static bool const_value(LLVMValueRef v, int64_t *out) {
    if (!LLVMIsAConstantInt(v)) return false;
    *out = LLVMConstIntGetSExtValue(v);
    return true;
}

static void changed_by(Emit *e, const ForFacts *f) {
    for (uint64_t bits = f->bits; bits != 0; bits &= bits - 1)
        memo_changed(e, (uint32_t)__builtin_ctzll(bits));
}

static void scope_open(Emit *e, LLVMValueRef entering_branch) {
    INVARIANT(e->depth + 1 < EMIT_DEPTH);
    e->depth++;
    e->scopes[e->depth] = (Scope){++e->next_serial, entering_branch};
}

/* Registers that the body sets and that had a value before get a phi at its head. */
static void phis_open(Emit *e, const ForFacts *f, SerialLoop *loop) {
    loop->before = ARENA_ARRAY(e->arena, LLVMValueRef *, e->k->regs.len);
    loop->phis = ARENA_ARRAY(e->arena, LLVMValueRef *, e->k->regs.len);
    for (uint32_t r = 0; r < e->k->regs.len; r++) {
        if (!f->sets[r]) continue;
        RegState *reg = &e->regs[r];
        loop->before[r] = ARENA_ARRAY(e->arena, LLVMValueRef, reg->count);
        loop->phis[r] = ARENA_ARRAY(e->arena, LLVMValueRef, reg->count);
        for (uint32_t i = 0; i < reg->count; i++) {
            LLVMValueRef old = reg->copies[i];
            loop->before[r][i] = old;
            if (!old) continue;
            LLVMValueRef phi = LLVMBuildPhi(e->b, LLVMTypeOf(old), "");
            LLVMAddIncoming(phi, &old, &loop->pre, 1);
            loop->phis[r][i] = reg->copies[i] = phi;
        }
    }
}

/* After the loop a register is what the last round left, or, when the body may not have run, what
 * it was before. A copy without an earlier value is not read then (loop.h), so anything will do. */
static void phis_close(Emit *e, const ForFacts *f, SerialLoop *loop, LLVMBasicBlockRef latch,
                       bool may_skip) {
    for (uint32_t r = 0; r < e->k->regs.len; r++) {
        if (!f->sets[r]) continue;
        RegState *reg = &e->regs[r];
        for (uint32_t i = 0; i < reg->count; i++) {
            LLVMValueRef last = reg->copies[i], old = loop->before[r][i];
            if (!last) continue;
            if (loop->phis[r][i]) LLVMAddIncoming(loop->phis[r][i], &last, &latch, 1);
            if (!may_skip) continue;
            LLVMValueRef out = LLVMBuildPhi(e->b, LLVMTypeOf(last), "");
            LLVMValueRef values[] = {last, old ? old : LLVMConstNull(LLVMTypeOf(last))};
            LLVMBasicBlockRef blocks[] = {latch, loop->pre};
            LLVMAddIncoming(out, values, blocks, 2);
            reg->copies[i] = out;
        }
    }
}

/* The body runs exactly once: a scope of its own, but no loop, and the variable is a number. */
static void emit_once(Emit *e, const Stmt *s, int64_t value) {
    VarState *v = &e->vars[s->var.id];
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(e->c, e->function, "once");
    scope_open(e, LLVMBuildBr(e->b, body));
    LLVMPositionBuilderAtEnd(e->b, body);
    *v = (VarState){
        .open = true, .kind = LOOP_SERIAL, .depth = e->depth, .copy = value, .copies = v->copies};
    emit_list(e, s->body.data, s->body.len);
    v->open = false;
    e->depth--;
}

/* Tested at the bottom, guarded at the top unless it is known to run. */
static void emit_loop(Emit *e, StmtId id, LLVMValueRef from, LLVMValueRef to, bool runs) {
    const Stmt *s = &e->k->stmts.data[id.id];
    const ForFacts *f = &e->fors[id.id];
    VarState *v = &e->vars[s->var.id];
    Linear first;
    int64_t multiple = linear_of(e, s->from, &first) ? linear_multiple(e, &first) : 1;
    SerialLoop loop = {.pre = LLVMGetInsertBlock(e->b)};
    loop.body = LLVMAppendBasicBlockInContext(e->c, e->function, e->k->vars.data[s->var.id].name);
    loop.exit = LLVMAppendBasicBlockInContext(e->c, e->function, "after");
    LLVMValueRef enter = runs ? LLVMBuildBr(e->b, loop.body)
                              : LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, from, to, ""),
                                                loop.body, loop.exit);
    scope_open(e, enter);
    LLVMPositionBuilderAtEnd(e->b, loop.body);
    e->block_load = 0;
    LLVMValueRef counter = LLVMBuildPhi(e->b, LLVMInt64TypeInContext(e->c), "");
    LLVMAddIncoming(counter, &from, &loop.pre, 1);
    phis_open(e, f, &loop);
    changed_by(e, f);
    *v = (VarState){.open = true,
                    .kind = LOOP_SERIAL,
                    .depth = e->depth,
                    .value = counter,
                    .copies = v->copies,
                    .multiple = number_gcd(multiple, s->step)};
    emit_list(e, s->body.data, s->body.len);
    v->open = false;
    LLVMValueRef next = LLVMBuildNSWAdd(e->b, counter, const_i64(e, s->step), "");
    LLVMValueRef again = LLVMBuildICmp(e->b, LLVMIntSLT, next, to, "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b);
    LLVMBuildCondBr(e->b, again, loop.body, loop.exit);
    LLVMAddIncoming(counter, &next, &latch, 1);
    e->depth--;
    LLVMPositionBuilderAtEnd(e->b, loop.exit);
    e->block_load = 0;
    phis_close(e, f, &loop, latch, !runs);
    changed_by(e, f);
}

static void emit_serial(Emit *e, StmtId id) {
    const Stmt *s = &e->k->stmts.data[id.id];
    LLVMValueRef from = emit_index(e, s->from), to = emit_index(e, s->to);
    int64_t first, end;
    bool known = const_value(from, &first) && const_value(to, &end);
    if (known && first >= end) return;
    if (known && end - first <= s->step)
        emit_once(e, s, first);
    else
        emit_loop(e, id, from, to, known);
}

static void emit_unrolled(Emit *e, const Stmt *s) {
    VarState *v = &e->vars[s->var.id];
    v->open = true;
    v->kind = LOOP_UNROLL;
    v->value = NULL;
    for (uint32_t copy = 0; copy < s->count; copy++) {
        v->copy = s->step + copy;
        emit_list(e, s->body.data, s->body.len);
    }
    v->open = false;
}

/* Lane l is active when l < limit. The comparison is in i32: a limit beyond the lanes is clamped.
 */
static LLVMValueRef mask_code(Emit *e, ExprId limit, uint32_t lanes) {
    uint64_t context = (uint64_t)1 << 62 | lanes;
    LLVMValueRef mask = memo_find(e, limit, context);
    if (mask) return mask;
    LLVMValueRef n = emit_index(e, limit);
    uint32_t depth = e->facts[limit.id].movable ? expr_depth(e, limit) : e->depth;
    Where w = place_at(e, depth);
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c), i32 = LLVMInt32TypeInContext(e->c);
    LLVMValueRef low[] = {n, const_i64(e, lanes)};
    n = call_intrinsic(e, "llvm.smin", &i64, 1, low, 2);
    LLVMValueRef high[] = {n, const_i64(e, 0)};
    n = LLVMBuildTrunc(e->b, call_intrinsic(e, "llvm.smax", &i64, 1, high, 2), i32, "");
    mask = LLVMBuildICmp(e->b, LLVMIntULT, lane_numbers(e, i32, lanes), splat(e, n, lanes), "");
    place_restore(e, w);
    memo_put(e, limit, context, depth, mask);
    return mask;
}

static LLVMValueRef mask_const(Emit *e, int64_t limit, uint32_t lanes) {
    LLVMValueRef bits[128];
    INVARIANT(lanes <= 128);
    for (uint32_t i = 0; i < lanes; i++)
        bits[i] = LLVMConstInt(LLVMInt1TypeInContext(e->c), i < limit, 0);
    return LLVMConstVector(bits, lanes);
}

static void emit_vectorised(Emit *e, const Stmt *s) {
    LLVMValueRef mask = NULL;
    if (!expr_is_none(s->limit)) {
        int64_t limit;
        if (!const_value(emit_index(e, s->limit), &limit))
            mask = mask_code(e, s->limit, s->count);
        else if (limit <= 0)
            return;
        else if (limit < s->count)
            mask = mask_const(e, limit, s->count);
    }
    VarState *v = &e->vars[s->var.id];
    v->open = true;
    v->kind = LOOP_VECTOR;
    v->value = NULL;
    e->vector = (VectorState){true, s->var, s->count, s->limit, mask};
    emit_list(e, s->body.data, s->body.len);
    e->vector = (VectorState){.open = false};
    v->open = false;
}

/* ------------------------------------------------------------------ effects */

static void emit_set(Emit *e, const Stmt *s) {
    const LoopReg *reg = &e->k->regs.data[s->reg.id];
    RegState *state = &e->regs[s->reg.id];
    bool wide = false;
    for (uint32_t i = 0; i < reg->nvars; i++)
        wide |= e->vector.open && reg->vars[i].id == e->vector.var.id;
    LLVMValueRef v = wide ? emit_vector(e, s->value) : emit_value(e, s->value);
    if (!wide && e->vector.open && expr_varies(e, s->value))
        BUG("kernel %s: register %s takes one value from many lanes", e->k->name, reg->name);
    LLVMValueRef *copy = &state->copies[reg_copy(e, s->reg, NULL, 0)];
    if (wide && e->vector.mask && state->masked_sets && *copy)
        v = LLVMBuildSelect(e->b, e->vector.mask, v, *copy, "");
    *copy = v;
    memo_changed(e, reg_bit(s->reg));
}

static void emit_flag(Emit *e, const Stmt *s) {
    LLVMValueRef any = emit_value(e, s->value);
    if (e->vector.open && (value_is_vector(any) || e->vector.mask)) {
        LLVMValueRef lanes = emit_vector(e, s->value);
        if (e->vector.mask) lanes = LLVMBuildAnd(e->b, lanes, e->vector.mask, "");
        LLVMTypeRef type = LLVMTypeOf(lanes);
        any = call_intrinsic(e, "llvm.vector.reduce.or", &type, 1, &lanes, 1);
    }
    LLVMBasicBlockRef raise = LLVMAppendBasicBlockInContext(e->c, e->function, "flag");
    LLVMBasicBlockRef join = LLVMAppendBasicBlockInContext(e->c, e->function, "unflagged");
    LLVMBuildCondBr(e->b, any, raise, join);
    LLVMPositionBuilderAtEnd(e->b, raise);
    LLVMTypeRef i8 = LLVMInt8TypeInContext(e->c), i32 = LLVMInt32TypeInContext(e->c);
    LLVMValueRef at = const_i64(e, offsetof(BmrtFrame, flags));
    LLVMValueRef flags = LLVMBuildLoad2(e->b, LLVMPointerTypeInContext(e->c, 0),
                                        LLVMBuildGEP2(e->b, i8, e->frame, &at, 1, ""), "");
    LLVMBuildAtomicRMW(e->b, LLVMAtomicRMWBinOpOr, flags, LLVMConstInt(i32, s->bits, 0),
                       LLVMAtomicOrderingMonotonic, 0);
    LLVMBuildBr(e->b, join);
    LLVMPositionBuilderAtEnd(e->b, join);
}

/* Nesting is bounded by loop_verify. */
static void emit_list(Emit *e, const StmtId *ids, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const Stmt *s = &e->k->stmts.data[ids[i].id];
        if (s->kind == STMT_SET)
            emit_set(e, s);
        else if (s->kind == STMT_STORE)
            emit_store(e, s);
        else if (s->kind == STMT_FLAG)
            emit_flag(e, s);
        else if (s->kind == STMT_TRANSPOSE)
            emit_transpose(e, s);
        else if (s->kind == STMT_PREFETCH)
            emit_prefetch(e, s);
        else if (s->kind == STMT_CALL)
            emit_call(e, s);
        else if (s->loop == LOOP_SERIAL)
            emit_serial(e, ids[i]);
        else if (s->loop == LOOP_UNROLL)
            emit_unrolled(e, s);
        else
            emit_vectorised(e, s);
    }
}

/* ------------------------------------------------------------------ the function */

LLVMTypeRef kernel_type(LLVMContextRef c, const Kernel *k, const KernelSignature *s, Arena *arena) {
    VEC(LLVMTypeRef) types = {0};
    LLVMTypeRef pointer = LLVMPointerTypeInContext(c, 0), i64 = LLVMInt64TypeInContext(c);
    for (uint32_t i = 0; i < k->buffers.len; i++) vec_push(arena, &types, pointer);
    uint32_t numbers = s->symbols.len + s->keys.len + 2;
    for (uint32_t i = 0; i < numbers; i++) vec_push(arena, &types, i64);
    vec_push(arena, &types, pointer);
    return LLVMFunctionType(LLVMVoidTypeInContext(c), types.data, types.len, 0);
}

static void kernel_arguments(Emit *e) {
    uint32_t at = 0, buffers = e->k->buffers.len;
    e->buffers = ARENA_ARRAY(e->arena, LLVMValueRef, buffers);
    for (uint32_t i = 0; i < buffers; i++) {
        e->buffers[i] = LLVMGetParam(e->function, at++);
        attribute_add(e->function, at, "noalias");
        if (!e->k->writes.data[i]) attribute_add(e->function, at, "readonly");
    }
    e->symbols = ARENA_ARRAY(e->arena, LLVMValueRef, e->signature->symbols.len);
    for (uint32_t i = 0; i < e->signature->symbols.len; i++)
        e->symbols[i] = LLVMGetParam(e->function, at++);
    e->keys = ARENA_ARRAY(e->arena, LLVMValueRef, e->signature->keys.len);
    for (uint32_t i = 0; i < e->signature->keys.len; i++)
        e->keys[i] = LLVMGetParam(e->function, at++);
    e->lo = LLVMGetParam(e->function, at++);
    e->hi = LLVMGetParam(e->function, at++);
    e->frame = LLVMGetParam(e->function, at);
}

static void emit_body(Emit *e) {
    const Kernel *k = e->k;
    e->b = LLVMCreateBuilderInContext(e->c);
    e->vars = ARENA_ARRAY(e->arena, VarState, k->vars.len);
    e->regs = ARENA_ARRAY(e->arena, RegState, k->regs.len);
    e->fors = ARENA_ARRAY(e->arena, ForFacts, k->stmts.len);
    e->marks = ARENA_ARRAY(e->arena, uint32_t, k->exprs.len);
    e->memo_slots = 256;
    e->memo = ARENA_ARRAY(e->arena, Memo, e->memo_slots);
    ForFacts top = {.sets = ARENA_ARRAY(e->arena, bool, k->regs.len)};
    for_facts(e, k->body.data, k->body.len, &top);
    copies_count(e);
    facts_make(e);
    masked_sets_find(e);
    e->scopes[0].serial = ++e->next_serial;
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->c, e->function, "entry"));
    emit_list(e, k->body.data, k->body.len);
    LLVMBuildRetVoid(e->b);
    LLVMDisposeBuilder(e->b);
}

LLVMValueRef kernel_emit(CodeModule *m, CodePart *part, const LoopProgram *p, Kernel *k,
                         const KernelSignature *signature, const char *name) {
    Arena *arena = m->ctx->arena;
    Emit *e = ARENA_NEW(arena, Emit);
    e->part = part;
    e->target = &m->target;
    e->p = p;
    e->k = k;
    e->arena = arena;
    e->c = part->llvm;
    e->signature = signature;
    e->function = LLVMAddFunction(part->module, name, kernel_type(part->llvm, k, signature, arena));
    function_attributes(&m->target, e->function);
    attribute_add(e->function, LLVMAttributeFunctionIndex, "noinline");
    kernel_arguments(e);
    emit_body(e);
    return e->function;
}
