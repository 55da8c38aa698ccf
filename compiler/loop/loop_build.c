/* Builds loop programs. Expressions enter through loop_expr only, which interns them per kernel and
 * keeps I64 arithmetic in a normal form: constants folded, the constant term outermost and on the
 * right. Equal addresses then have equal ids, and an address is always "something + constant",
 * which is what the emitter turns into a displacement. */
#include "compiler/loop/loop_internal.h"

enum { INDEX_FIRST_SLOTS = 64 };

LoopProgram *loop_program_create(Context *ctx, const Program *program, const Entry *entry) {
    LoopProgram *p = ARENA_NEW(ctx->arena, LoopProgram);
    p->ctx = ctx;
    p->program = program;
    p->entry = entry;
    return p;
}

Kernel *loop_kernel(LoopProgram *p, const char *name, Span span) {
    Arena *arena = p->ctx->arena;
    Kernel *k = ARENA_NEW(arena, Kernel);
    k->name = arena_strdup(arena, name);
    k->span = span;
    k->grain = 1;
    k->extent = dim_const(p->program->dims, 1);
    k->index = ARENA_NEW(arena, ExprIndex);
    k->index->slot_count = INDEX_FIRST_SLOTS;
    k->index->slots = ARENA_ARRAY(arena, uint32_t, INDEX_FIRST_SLOTS);
    vec_push(arena, &p->kernels, k);
    return k;
}

uint32_t loop_use(LoopProgram *p, Kernel *k, uint32_t program_buffer, bool write) {
    INVARIANT(program_buffer < p->buffers.len);
    for (uint32_t i = 0; i < k->buffers.len; i++)
        if (k->buffers.data[i] == program_buffer) {
            k->writes.data[i] |= write;
            return i;
        }
    vec_push(p->ctx->arena, &k->buffers, program_buffer);
    vec_push(p->ctx->arena, &k->writes, write);
    return k->buffers.len - 1;
}

VarId loop_var(LoopProgram *p, Kernel *k, const char *name) {
    if (k->vars.len == LOOP_VARS_MAX) BUG("kernel %s has too many loop variables", k->name);
    LoopVar var = {arena_strdup(p->ctx->arena, name)};
    vec_push(p->ctx->arena, &k->vars, var);
    return (VarId){k->vars.len - 1};
}

RegId loop_reg(LoopProgram *p, Kernel *k, const char *name, DType dtype, const VarId *vars,
               uint32_t nvars) {
    LoopReg reg = {.name = arena_strdup(p->ctx->arena, name), .dtype = dtype, .nvars = nvars};
    INVARIANT(nvars <= sizeof reg.vars / sizeof reg.vars[0]);
    for (uint32_t i = 0; i < nvars; i++) reg.vars[i] = vars[i];
    vec_push(p->ctx->arena, &k->regs, reg);
    return (RegId){k->regs.len - 1};
}

/* ------------------------------------------------------------------ interning */

/* Fields that the kind does not use are cleared, so that equal expressions are equal bytes. */
static Expr expr_normal(const Expr *e) {
    Expr n = {.kind = e->kind, .dtype = e->dtype, .nargs = e->nargs};
    for (uint32_t i = 0; i < 3; i++) n.args[i] = i < e->nargs ? e->args[i] : EXPR_NONE;
    switch (e->kind) {
    case EXPR_CONST: n.imm = e->imm; break;
    case EXPR_VAR: n.var = e->var; break;
    case EXPR_DIM: n.dim = e->dim; break;
    case EXPR_LOAD: n.buffer = e->buffer; break;
    case EXPR_REG: n.reg = e->reg; break;
    case EXPR_OP: n.op = e->op; break;
    case EXPR_RANDOM:
        n.imm = e->imm;
        n.imm2 = e->imm2;
        break;
    case EXPR_SITE:
    case EXPR_CLOCK: n.imm = e->imm; break;
    case EXPR_TREE:
        n.op = e->op;
        n.reg = e->reg;
        n.var = e->var;
        break;
    case EXPR_LO:
    case EXPR_HI:
    case EXPR_IDIV:
    case EXPR_IMOD: break;
    }
    return n;
}

static uint64_t hash_step(uint64_t h, uint64_t x) {
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

static uint64_t expr_hash(const Expr *e) {
    uint64_t h = hash_step(e->kind, (uint64_t)e->op << 32 | e->dtype);
    for (uint32_t i = 0; i < e->nargs; i++) h = hash_step(h, e->args[i].id);
    h = hash_step(h, (uint64_t)e->buffer << 32 | e->var.id);
    h = hash_step(h, (uint64_t)e->reg.id << 32 | e->dim.id);
    return hash_step(hash_step(h, e->imm), e->imm2);
}

static bool expr_equal(const Expr *a, const Expr *b) {
    if (a->kind != b->kind || a->op != b->op || a->dtype != b->dtype || a->nargs != b->nargs ||
        a->buffer != b->buffer || a->var.id != b->var.id || a->reg.id != b->reg.id ||
        a->dim.id != b->dim.id || a->imm != b->imm || a->imm2 != b->imm2)
        return false;
    for (uint32_t i = 0; i < a->nargs; i++)
        if (a->args[i].id != b->args[i].id) return false;
    return true;
}

static void set_add(VarSet *set, VarId v) {
    set->words[v.id / 64] |= 1ull << (v.id % 64);
}

static VarSet expr_vars(const Kernel *k, const Expr *e) {
    VarSet set = {{0}};
    for (uint32_t i = 0; i < e->nargs; i++)
        for (uint32_t w = 0; w < LOOP_VARS_MAX / 64; w++)
            set.words[w] |= k->index->masks.data[e->args[i].id].words[w];
    if (e->kind == EXPR_VAR) set_add(&set, e->var);
    if (e->kind == EXPR_REG || e->kind == EXPR_TREE) {
        const LoopReg *reg = &k->regs.data[e->reg.id];
        for (uint32_t i = 0; i < reg->nvars; i++)
            if (e->kind == EXPR_REG || reg->vars[i].id != e->var.id) set_add(&set, reg->vars[i]);
    }
    return set;
}

static void index_double(Arena *arena, Kernel *k) {
    ExprIndex *index = k->index;
    uint32_t count = index->slot_count * 2;
    uint32_t *slots = ARENA_ARRAY(arena, uint32_t, count);
    for (uint32_t id = 0; id < k->exprs.len; id++) {
        uint32_t at = (uint32_t)expr_hash(&k->exprs.data[id]) & (count - 1);
        while (slots[at] != 0) at = (at + 1) & (count - 1);
        slots[at] = id + 1;
    }
    index->slots = slots;
    index->slot_count = count;
}

static ExprId expr_intern(LoopProgram *p, Kernel *k, const Expr *raw) {
    ExprIndex *index = k->index;
    Expr e = expr_normal(raw);
    for (uint32_t i = 0; i < e.nargs; i++)
        if (e.args[i].id >= k->exprs.len)
            BUG("kernel %s: operand %u of a new expression is unknown", k->name, i);
    uint32_t at = (uint32_t)expr_hash(&e) & (index->slot_count - 1);
    for (; index->slots[at] != 0; at = (at + 1) & (index->slot_count - 1))
        if (expr_equal(&k->exprs.data[index->slots[at] - 1], &e))
            return (ExprId){index->slots[at] - 1};
    VarSet mask = expr_vars(k, &e);
    vec_push(p->ctx->arena, &k->exprs, e);
    vec_push(p->ctx->arena, &index->masks, mask);
    index->slots[at] = k->exprs.len;
    if (k->exprs.len * 2 > index->slot_count) index_double(p->ctx->arena, k);
    return (ExprId){k->exprs.len - 1};
}

/* ------------------------------------------------------------------ folding of I64 */

static bool const_i64(const Kernel *k, ExprId e, int64_t *value) {
    const Expr *x = &k->exprs.data[e.id];
    if (x->kind != EXPR_CONST || x->dtype != DTYPE_I64) return false;
    *value = (int64_t)x->imm;
    return true;
}

static bool is_i64_op(const Kernel *k, ExprId e, Op op) {
    const Expr *x = &k->exprs.data[e.id];
    return x->kind == EXPR_OP && x->op == op && x->dtype == DTYPE_I64;
}

/* e = rest + c with c constant; rest is EXPR_NONE when e is c. */
static ExprId split_const(const Kernel *k, ExprId e, int64_t *c) {
    if (const_i64(k, e, c)) return EXPR_NONE;
    *c = 0;
    if (is_i64_op(k, e, OP_ADD) && const_i64(k, k->exprs.data[e.id].args[1], c))
        return k->exprs.data[e.id].args[0];
    return e;
}

static int64_t wrap_add(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t wrap_mul(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static ExprId raw_binary(LoopProgram *p, Kernel *k, Op op, ExprId a, ExprId b) {
    bool commutes = op == OP_ADD || op == OP_MUL;
    int64_t unused;
    if (commutes && !const_i64(k, b, &unused) && a.id > b.id) {
        ExprId t = a;
        a = b;
        b = t;
    }
    Expr e = {.kind = EXPR_OP, .op = op, .dtype = DTYPE_I64, .nargs = 2, .args = {a, b}};
    return expr_intern(p, k, &e);
}

static ExprId add_const(LoopProgram *p, Kernel *k, ExprId rest, int64_t c) {
    if (expr_is_none(rest)) return loop_int(p, k, c);
    return c == 0 ? rest : raw_binary(p, k, OP_ADD, rest, loop_int(p, k, c));
}

static ExprId fold_add(LoopProgram *p, Kernel *k, ExprId a, ExprId b) {
    int64_t ca, cb;
    ExprId ra = split_const(k, a, &ca), rb = split_const(k, b, &cb);
    ExprId rest = expr_is_none(ra) ? rb : expr_is_none(rb) ? ra : raw_binary(p, k, OP_ADD, ra, rb);
    return add_const(p, k, rest, wrap_add(ca, cb));
}

static ExprId fold_mul(LoopProgram *p, Kernel *k, ExprId a, ExprId b) {
    int64_t c, inner;
    if (const_i64(k, a, &c)) {
        ExprId t = a;
        a = b;
        b = t;
    }
    if (!const_i64(k, b, &c)) return raw_binary(p, k, OP_MUL, a, b);
    if (c == 0) return loop_int(p, k, 0);
    ExprId rest = split_const(k, a, &inner);
    if (!expr_is_none(rest) && c != 1) {
        int64_t factor;
        if (is_i64_op(k, rest, OP_MUL) && const_i64(k, k->exprs.data[rest.id].args[1], &factor))
            rest =
                fold_mul(p, k, k->exprs.data[rest.id].args[0], loop_int(p, k, wrap_mul(factor, c)));
        else
            rest = raw_binary(p, k, OP_MUL, rest, loop_int(p, k, c));
    }
    return add_const(p, k, rest, wrap_mul(inner, c));
}

static ExprId fold_sub(LoopProgram *p, Kernel *k, ExprId a, ExprId b) {
    int64_t ca, cb;
    if (a.id == b.id) return loop_int(p, k, 0);
    ExprId ra = split_const(k, a, &ca), rb = split_const(k, b, &cb);
    int64_t c = wrap_add(ca, wrap_mul(cb, -1));
    if (expr_is_none(rb)) return add_const(p, k, ra, c);
    if (expr_is_none(ra))
        return add_const(p, k, raw_binary(p, k, OP_MUL, rb, loop_int(p, k, -1)), c);
    if (ra.id == rb.id) return loop_int(p, k, c);
    return add_const(p, k, raw_binary(p, k, OP_SUB, ra, rb), c);
}

/* Floor quotient and remainder: operands are non-negative by contract, so c*x / c is x. */
static ExprId fold_quotient(LoopProgram *p, Kernel *k, ExprKind kind, ExprId a, ExprId b) {
    int64_t n, d, factor;
    bool quotient = kind == EXPR_IDIV;
    if (const_i64(k, b, &d) && d > 0) {
        if (d == 1) return quotient ? a : loop_int(p, k, 0);
        if (const_i64(k, a, &n) && n >= 0) return loop_int(p, k, quotient ? n / d : n % d);
        if (is_i64_op(k, a, OP_MUL) && const_i64(k, k->exprs.data[a.id].args[1], &factor) &&
            factor > 0 && factor % d == 0)
            return quotient
                       ? fold_mul(p, k, k->exprs.data[a.id].args[0], loop_int(p, k, factor / d))
                       : loop_int(p, k, 0);
    }
    Expr e = {.kind = kind, .dtype = DTYPE_I64, .nargs = 2, .args = {a, b}};
    return expr_intern(p, k, &e);
}

ExprId loop_expr(LoopProgram *p, Kernel *k, const Expr *e) {
    if (e->kind == EXPR_IDIV || e->kind == EXPR_IMOD)
        return fold_quotient(p, k, e->kind, e->args[0], e->args[1]);
    if (e->kind == EXPR_DIM && dim_is_const(p->program->dims, e->dim))
        return loop_int(p, k, dim_value(p->program->dims, e->dim));
    if (e->kind == EXPR_OP && e->dtype == DTYPE_I64 && e->nargs == 2) {
        if (e->op == OP_ADD) return fold_add(p, k, e->args[0], e->args[1]);
        if (e->op == OP_SUB) return fold_sub(p, k, e->args[0], e->args[1]);
        if (e->op == OP_MUL) return fold_mul(p, k, e->args[0], e->args[1]);
    }
    return expr_intern(p, k, e);
}

/* ------------------------------------------------------------------ thin builders */

ExprId loop_int(LoopProgram *p, Kernel *k, int64_t value) {
    Expr e = {.kind = EXPR_CONST, .dtype = DTYPE_I64, .imm = (uint64_t)value};
    return expr_intern(p, k, &e);
}

ExprId loop_const(LoopProgram *p, Kernel *k, DType dtype, double value) {
    Expr e = {
        .kind = EXPR_CONST, .dtype = dtype, .imm = (uint64_t)dtype_word_from_f64(dtype, value)};
    return expr_intern(p, k, &e);
}

ExprId loop_of_var(LoopProgram *p, Kernel *k, VarId var) {
    Expr e = {.kind = EXPR_VAR, .dtype = DTYPE_I64, .var = var};
    return expr_intern(p, k, &e);
}

ExprId loop_of_dim(LoopProgram *p, Kernel *k, DimId dim) {
    Expr e = {.kind = EXPR_DIM, .dtype = DTYPE_I64, .dim = dim};
    return loop_expr(p, k, &e);
}

ExprId loop_of_reg(LoopProgram *p, Kernel *k, RegId reg) {
    INVARIANT(reg.id < k->regs.len);
    Expr e = {.kind = EXPR_REG, .dtype = k->regs.data[reg.id].dtype, .reg = reg};
    return expr_intern(p, k, &e);
}

ExprId loop_op(LoopProgram *p, Kernel *k, Op op, DType dtype, const ExprId *args, uint32_t nargs) {
    Expr e = {.kind = EXPR_OP, .op = op, .dtype = dtype, .nargs = nargs};
    INVARIANT(nargs <= 3);
    for (uint32_t i = 0; i < nargs; i++) e.args[i] = args[i];
    return loop_expr(p, k, &e);
}

ExprId loop_add(LoopProgram *p, Kernel *k, ExprId a, ExprId b) {
    return fold_add(p, k, a, b);
}
ExprId loop_sub(LoopProgram *p, Kernel *k, ExprId a, ExprId b) {
    return fold_sub(p, k, a, b);
}
ExprId loop_mul(LoopProgram *p, Kernel *k, ExprId a, ExprId b) {
    return fold_mul(p, k, a, b);
}

ExprId loop_load(LoopProgram *p, Kernel *k, uint32_t position, ExprId index) {
    INVARIANT(position < k->buffers.len);
    Expr e = {.kind = EXPR_LOAD,
              .dtype = p->buffers.data[k->buffers.data[position]].dtype,
              .nargs = 1,
              .args = {index},
              .buffer = position};
    return expr_intern(p, k, &e);
}

/* ------------------------------------------------------------------ statements */

static StmtId stmt_add(LoopProgram *p, Kernel *k, const StmtId *parent, const Stmt *stmt) {
    Arena *arena = p->ctx->arena;
    vec_push(arena, &k->stmts, *stmt);
    StmtId id = {k->stmts.len - 1};
    if (!parent) {
        vec_push(arena, &k->body, id);
        return id;
    }
    INVARIANT(parent->id < id.id && k->stmts.data[parent->id].kind == STMT_FOR);
    vec_push(arena, &k->stmts.data[parent->id].body, id);
    return id;
}

/* Every expression a kind does not use is absent. */
static Stmt stmt_of(StmtKind kind) {
    return (Stmt){.kind = kind,
                  .from = EXPR_NONE,
                  .to = EXPR_NONE,
                  .limit = EXPR_NONE,
                  .index = EXPR_NONE,
                  .value = EXPR_NONE,
                  .pred = EXPR_NONE};
}

StmtId loop_for(LoopProgram *p, Kernel *k, const StmtId *parent, LoopKind kind, VarId var,
                ExprId from, ExprId to, int64_t step, uint32_t count, ExprId limit) {
    Stmt s = stmt_of(STMT_FOR);
    s.loop = kind;
    s.var = var;
    s.from = from;
    s.to = to;
    s.step = step;
    s.count = count;
    s.limit = limit;
    return stmt_add(p, k, parent, &s);
}

StmtId loop_set(LoopProgram *p, Kernel *k, const StmtId *parent, RegId reg, ExprId value) {
    Stmt s = stmt_of(STMT_SET);
    s.reg = reg;
    s.value = value;
    return stmt_add(p, k, parent, &s);
}

StmtId loop_store(LoopProgram *p, Kernel *k, const StmtId *parent, uint32_t position, ExprId index,
                  ExprId value, ExprId pred) {
    INVARIANT(position < k->buffers.len);
    k->writes.data[position] = true;
    Stmt s = stmt_of(STMT_STORE);
    s.buffer = position;
    s.index = index;
    s.value = value;
    s.pred = pred;
    return stmt_add(p, k, parent, &s);
}

StmtId loop_prefetch(LoopProgram *p, Kernel *k, const StmtId *parent, uint32_t position,
                     ExprId index) {
    INVARIANT(position < k->buffers.len);
    Stmt s = stmt_of(STMT_PREFETCH);
    s.buffer = position;
    s.value = index;
    return stmt_add(p, k, parent, &s);
}

StmtId loop_flag(LoopProgram *p, Kernel *k, const StmtId *parent, ExprId cond, uint32_t bits) {
    Stmt s = stmt_of(STMT_FLAG);
    s.value = cond;
    s.bits = bits;
    return stmt_add(p, k, parent, &s);
}

StmtId loop_transpose(LoopProgram *p, Kernel *k, const StmtId *parent, LoopBlock from, LoopBlock to,
                      ExprId rows, ExprId columns, uint32_t most) {
    INVARIANT(from.buffer < k->buffers.len && to.buffer < k->buffers.len);
    k->writes.data[to.buffer] = true;
    Stmt s = stmt_of(STMT_TRANSPOSE);
    s.source = from.buffer;
    s.value = from.start;
    s.source_step = from.step;
    s.rounds = from.rounds;
    s.buffer = to.buffer;
    s.index = to.start;
    s.target_step = to.step;
    s.from = rows;
    s.to = columns;
    s.count = most;
    return stmt_add(p, k, parent, &s);
}

StmtId loop_call(LoopProgram *p, Kernel *k, uint32_t callee, bool gradient, const LoopArray *arrays,
                 uint32_t inputs, uint32_t count) {
    Stmt s = stmt_of(STMT_CALL);
    s.callee = callee;
    s.gradient = gradient;
    s.count = inputs;
    for (uint32_t i = 0; i < count; i++) {
        INVARIANT(arrays[i].buffer < k->buffers.len);
        if (i >= inputs) k->writes.data[arrays[i].buffer] = true;
        vec_push(p->ctx->arena, &s.arrays, arrays[i]);
    }
    return stmt_add(p, k, NULL, &s);
}
