/* Expressions to values. A walk over the operands collects what has not been computed yet, then it
 * is computed in ascending id (operands first), so expression depth costs no stack. */
#include "compiler/codegen/emit.h"
#include <stdlib.h>

LLVMValueRef splat(Emit *e, LLVMValueRef scalar, uint32_t lanes) {
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), lanes);
    if (LLVMIsConstant(scalar)) return const_like(type, scalar);
    LLVMTypeRef i32 = LLVMInt32TypeInContext(e->c);
    LLVMValueRef first =
        LLVMBuildInsertElement(e->b, LLVMGetPoison(type), scalar, LLVMConstInt(i32, 0, 0), "");
    return LLVMBuildShuffleVector(e->b, first, LLVMGetPoison(type),
                                  LLVMConstNull(LLVMVectorType(i32, lanes)), "");
}

static uint64_t splat_context(uint32_t lanes) {
    return (uint64_t)1 << 63 | lanes;
}

/* A bf16 from memory, the same for all lanes, to be widened. */
static bool widens_uniform(const Emit *e, ExprId id) {
    const Expr *x = &e->k->exprs.data[id.id];
    if (x->kind != EXPR_OP || x->op != OP_CAST || x->dtype != DTYPE_F32) return false;
    const Expr *from = &e->k->exprs.data[x->args[0].id];
    return from->kind == EXPR_LOAD && from->dtype == DTYPE_BF16 && !expr_varies(e, id);
}

/* Its bits go to both halves of every lane (an instruction that reads memory does that), then the
 * lower ones are cleared: a scalar would be widened first and spread from a general register. */
static LLVMValueRef splat_widened(Emit *e, LLVMValueRef bits, uint32_t lanes) {
    LLVMTypeRef i32 = LLVMVectorType(LLVMInt32TypeInContext(e->c), lanes);
    LLVMValueRef both = LLVMBuildBitCast(e->b, splat(e, bits, 2 * lanes), i32, "");
    LLVMValueRef high = LLVMBuildAnd(e->b, both, const_int(i32, 0xFFFF0000u), "");
    return LLVMBuildBitCast(e->b, high, LLVMVectorType(LLVMFloatTypeInContext(e->c), lanes), "");
}

LLVMValueRef emit_vector(Emit *e, ExprId id) {
    bool widens = widens_uniform(e, id);
    LLVMValueRef v = emit_value(e, widens ? e->k->exprs.data[id.id].args[0] : id);
    if (value_is_vector(v)) return v;
    uint64_t context = splat_context(e->vector.lanes);
    LLVMValueRef known = memo_find(e, id, context);
    if (known) return known;
    uint32_t depth = e->facts[id.id].movable ? expr_depth(e, id) : e->depth;
    Where w = place_at(e, depth);
    v = widens ? splat_widened(e, v, e->vector.lanes) : splat(e, v, e->vector.lanes);
    place_restore(e, w);
    memo_put(e, id, context, depth, v);
    return v;
}

/* ------------------------------------------------------------------ registers */

/* Number of the copy that the present values of the register's variables select; `except` (a tree's
 * variable) stands at `except_copy` instead. */
uint32_t reg_copy(const Emit *e, RegId r, const VarId *except, uint32_t except_copy) {
    const LoopReg *reg = &e->k->regs.data[r.id];
    uint32_t copy = 0;
    for (uint32_t i = 0; i < reg->nvars; i++) {
        const VarState *v = &e->vars[reg->vars[i].id];
        if (v->kind == LOOP_VECTOR) continue;
        bool fixed = except && except->id == reg->vars[i].id;
        int64_t at = fixed ? except_copy : v->copy;
        INVARIANT(at >= 0 && at < v->copies);
        copy = copy * v->copies + (uint32_t)at;
    }
    return copy;
}

static LLVMValueRef reg_value(Emit *e, RegId r, uint32_t copy) {
    LLVMValueRef v = e->regs[r.id].copies[copy];
    if (!v)
        BUG("kernel %s: copy %u of register %s is read before it is set", e->k->name, copy,
            e->k->regs.data[r.id].name);
    return v;
}

/* ------------------------------------------------------------------ trees */

static LLVMValueRef tree_step(Emit *e, const Expr *x, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef args[] = {a, b};
    return emit_op(e, x->op, x->dtype, x->dtype, args);
}

/* Lane l with l + 8, then + 4, + 2, + 1. */
static LLVMValueRef tree_of_lanes(Emit *e, const Expr *x, LLVMValueRef v) {
    for (uint32_t half = 8; half > 0; half /= 2) {
        LLVMValueRef low, high;
        if (half == 1) {
            low = LLVMBuildExtractElement(e->b, v, const_i64(e, 0), "");
            high = LLVMBuildExtractElement(e->b, v, const_i64(e, 1), "");
        } else {
            int lanes[16];
            for (uint32_t i = 0; i < 2 * half; i++) lanes[i] = (int)i;
            low = shuffle(e, v, NULL, lanes, half);
            high = shuffle(e, v, NULL, lanes + half, half);
        }
        v = tree_step(e, x, low, high);
    }
    return v;
}

LLVMValueRef emit_tree(Emit *e, const Expr *x) {
    if (e->vars[x->var.id].kind == LOOP_VECTOR)
        return tree_of_lanes(e, x, reg_value(e, x->reg, reg_copy(e, x->reg, NULL, 0)));
    LLVMValueRef v[16];
    for (uint32_t i = 0; i < 16; i++) v[i] = reg_value(e, x->reg, reg_copy(e, x->reg, &x->var, i));
    for (uint32_t half = 8; half > 0; half /= 2)
        for (uint32_t i = 0; i < half; i++) v[i] = tree_step(e, x, v[i], v[i + half]);
    return v[0];
}

/* ------------------------------------------------------------------ nodes */

static LLVMValueRef symbol_value(void *user, uint32_t symbol) {
    Emit *e = user;
    for (uint32_t i = 0; i < e->signature->symbols.len; i++)
        if (e->signature->symbols.data[i] == symbol) return e->symbols[i];
    BUG("kernel %s: symbol %u is not an argument", e->k->name, symbol);
}

static LLVMValueRef quotient(Emit *e, const Expr *x) {
    bool vary = expr_varies(e, x->args[0]) || expr_varies(e, x->args[1]);
    LLVMValueRef a = vary ? emit_vector(e, x->args[0]) : emit_value(e, x->args[0]);
    LLVMValueRef b = vary ? emit_vector(e, x->args[1]) : emit_value(e, x->args[1]);
    return x->kind == EXPR_IDIV ? LLVMBuildUDiv(e->b, a, b, "") : LLVMBuildURem(e->b, a, b, "");
}

static LLVMValueRef frame_field(Emit *e, size_t offset, LLVMTypeRef type) {
    LLVMValueRef at = const_i64(e, (int64_t)offset);
    LLVMTypeRef i8 = LLVMInt8TypeInContext(e->c);
    return LLVMBuildLoad2(e->b, type, LLVMBuildGEP2(e->b, i8, e->frame, &at, 1, ""), "");
}

static LLVMValueRef clock_value(Emit *e, const Expr *x) {
    static const size_t fields[] = {offsetof(BmrtFrame, progress), offsetof(BmrtFrame, epoch),
                                    offsetof(BmrtFrame, iteration)};
    LLVMValueRef v = frame_field(e, fields[x->imm], LLVMDoubleTypeInContext(e->c));
    return emit_cast(e, x->dtype, DTYPE_F64, v);
}

static bool op_is_math(Op op) {
    return op == OP_EXP || op == OP_LOG || op == OP_SIN || op == OP_COS || op == OP_TANH ||
           op == OP_ERF || op == OP_POW || op == OP_EXPM1 || op == OP_LOG1P;
}

static LLVMValueRef node_op(Emit *e, const Expr *x) {
    LLVMValueRef args[3];
    bool vary = false;
    for (uint32_t i = 0; i < x->nargs; i++) vary |= expr_varies(e, x->args[i]);
    for (uint32_t i = 0; i < x->nargs; i++)
        args[i] = vary ? emit_vector(e, x->args[i]) : emit_value(e, x->args[i]);
    DType from = e->k->exprs.data[x->args[x->op == OP_SELECT ? 1 : 0].id].dtype;
    return emit_op(e, x->op, x->dtype, from, args);
}

static LLVMValueRef vector_affine(Emit *e, const Linear *l) {
    uint32_t depth;
    Linear plain = *l;
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c);
    LLVMValueRef base = linear_code(e, &plain, &depth);
    LLVMValueRef lanes[128];
    INVARIANT(e->vector.lanes <= 128);
    for (uint32_t i = 0; i < e->vector.lanes; i++)
        lanes[i] = LLVMConstInt(i64, (uint64_t)l->constant + (uint64_t)l->lane * i, 0);
    LLVMValueRef offsets = LLVMConstVector(lanes, e->vector.lanes);
    return base ? LLVMBuildAdd(e->b, splat(e, base, e->vector.lanes), offsets, "") : offsets;
}

/* Sums and products of I64 go through linear.c, which places and shares them. */
static bool is_sum(const Expr *x) {
    return x->dtype == DTYPE_I64 &&
           (x->kind == EXPR_VAR || x->kind == EXPR_LO || x->kind == EXPR_HI ||
            (x->kind == EXPR_OP && (x->op == OP_ADD || x->op == OP_SUB || x->op == OP_MUL)));
}

static LLVMValueRef node_value(Emit *e, ExprId id, const Expr *x) {
    Linear l;
    switch (x->kind) {
    case EXPR_CONST: return const_bits(e, x->dtype, x->imm);
    case EXPR_LO: return e->lo;
    case EXPR_HI: return e->hi;
    case EXPR_VAR:
        if (!expr_varies(e, id) && e->vars[x->var.id].value) return e->vars[x->var.id].value;
        if (!linear_of(e, id, &l)) BUG("a variable is affine");
        return expr_varies(e, id) ? vector_affine(e, &l) : const_i64(e, l.constant);
    case EXPR_DIM: return dim_code(e->b, e->c, e->p->program->dims, x->dim, symbol_value, e);
    case EXPR_LOAD: return emit_load(e, x);
    case EXPR_REG: return reg_value(e, x->reg, reg_copy(e, x->reg, NULL, 0));
    case EXPR_OP:
        if (is_sum(x) && expr_varies(e, id) && linear_of(e, id, &l)) return vector_affine(e, &l);
        return node_op(e, x);
    case EXPR_IDIV:
    case EXPR_IMOD: return quotient(e, x);
    case EXPR_RANDOM: return emit_random(e, x);
    case EXPR_SITE: return emit_site(e, x);
    case EXPR_CLOCK: return clock_value(e, x);
    case EXPR_TREE: return emit_tree(e, x);
    }
    BUG("unknown expression kind");
}

/* A sum that linear.c can flatten: not the opaque kind that only its own operands explain. */
static bool sum_flat(Emit *e, ExprId id, const Expr *x, Linear *l) {
    return is_sum(x) && linear_of(e, id, l) &&
           !(l->nterms == 1 && l->terms[0].natoms == 1 && l->terms[0].atoms[0] == id.id &&
             x->kind == EXPR_OP);
}

/* Computes one node whose operands are known, in the outermost place allowed. */
static LLVMValueRef node_emit(Emit *e, ExprId id) {
    const Expr *x = &e->k->exprs.data[id.id];
    if (x->kind == EXPR_CONST || x->kind == EXPR_REG) return node_value(e, id, x);
    uint64_t context = memo_context(e, id);
    LLVMValueRef v = memo_find(e, id, context);
    if (v) return v;
    Linear l;
    if (x->kind == EXPR_OP && context == 0 && sum_flat(e, id, x, &l)) return emit_index(e, id);
    uint32_t depth = e->facts[id.id].movable ? expr_depth(e, id) : e->depth;
    Where w = place_at(e, depth);
    v = node_value(e, id, x);
    place_restore(e, w);
    memo_put(e, id, context, depth, v);
    return v;
}

/* Operands that are coded when they are asked for (index arithmetic) are not walked. */
static bool walk_into(Emit *e, ExprId id, const Expr *x, uint32_t operand) {
    Linear l;
    bool index = x->kind == EXPR_RANDOM || x->kind == EXPR_LOAD;
    if (index && operand == 0) return false;
    return !sum_flat(e, id, x, &l);
}

static int by_id(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* LLVM's scheduling and selection take more than linear time in the length of a block, so a long
 * stretch of straight code is cut. The jump to the next block costs nothing: it falls through. */
enum { BLOCK_LOAD_MAX = 1500, MATH_LOAD = 40 };

static void block_cut(Emit *e, Op op) {
    e->block_load += op_is_math(op) ? MATH_LOAD : 1;
    if (e->block_load < BLOCK_LOAD_MAX || e->before) return;
    LLVMBasicBlockRef next = LLVMAppendBasicBlockInContext(e->c, e->function, "on");
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
    e->block_load = 0;
}

LLVMValueRef emit_value(Emit *e, ExprId root) {
    const Expr *x = &e->k->exprs.data[root.id];
    if (x->nargs == 0) return node_emit(e, root);
    LLVMValueRef v = memo_find(e, root, memo_context(e, root));
    if (v) return v;
    VEC(uint32_t) todo = {0};
    uint32_t mark = ++e->mark;
    vec_push(e->arena, &todo, root.id);
    for (uint32_t at = 0; at < todo.len; at++) {
        ExprId id = {todo.data[at]};
        x = &e->k->exprs.data[id.id];
        for (uint32_t i = 0; i < x->nargs; i++) {
            ExprId arg = x->args[i];
            if (e->marks[arg.id] == mark || e->k->exprs.data[arg.id].nargs == 0 ||
                !walk_into(e, id, x, i))
                continue;
            e->marks[arg.id] = mark;
            if (memo_find(e, arg, memo_context(e, arg))) continue;
            vec_push(e->arena, &todo, arg.id);
        }
    }
    if (todo.len > 1) qsort(todo.data, todo.len, sizeof todo.data[0], by_id);
    for (uint32_t at = 0; at < todo.len; at++) {
        block_cut(e, e->k->exprs.data[todo.data[at]].op);
        v = node_emit(e, (ExprId){todo.data[at]});
    }
    return v; /* the root has the highest id */
}
