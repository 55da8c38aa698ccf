/* The rules of the loop IR, checked. A broken rule is a bug of the pass that made the program. */
#include "compiler/loop/loop_internal.h"

typedef struct VarUse {     /* how a kernel uses a variable, over all its loops */
    bool used, open, mixed; /* mixed: by loops of several kinds or vectors of several widths */
    LoopKind kind;
    uint32_t count; /* copies or lanes; the largest */
} VarUse;

typedef struct Check {
    const LoopProgram *p;
    const Kernel *k;
    VarUse *vars;
    bool *reg_set;
    bool *seen;    /* statements */
    bool *visited; /* expressions, within one root */
    uint32_t *stack;
    bool vector_open;
} Check;

enum { LOOP_DEPTH = 64 };

#define RULE(cond, ...)                                                                            \
    do {                                                                                           \
        if (!(cond)) rule_broken(c, __VA_ARGS__);                                                  \
    } while (0)

static _Noreturn void rule_broken(const Check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static _Noreturn void rule_broken(const Check *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(c->p->ctx->arena, format, args);
    va_end(args);
    BUG("loop program %s, kernel %s: %s", c->p->entry ? c->p->entry->name : "?",
        c->k ? c->k->name : "-", message);
}

static const Expr *expr_of(const Check *c, ExprId e) {
    RULE(e.id < c->k->exprs.len, "unknown expression %u", e.id);
    return &c->k->exprs.data[e.id];
}
static DType type_of(const Check *c, ExprId e) {
    return expr_of(c, e)->dtype;
}

static bool is_compare(Op op) {
    return op == OP_LESS || op == OP_EQUAL;
}

static void check_op(const Check *c, uint32_t id, const Expr *e) {
    RULE(op_is_elementwise(e->op), "%%%u: `%s` is not elementwise", id, op_info(e->op)->name);
    RULE((int)e->nargs == op_info(e->op)->arity, "%%%u: `%s` has %u operands", id,
         op_info(e->op)->name, e->nargs);
    if (e->op == OP_CAST) return;
    uint32_t first = 0;
    if (e->op == OP_SELECT) {
        RULE(type_of(c, e->args[0]) == DTYPE_BOOL, "%%%u: select on a value that is no bool", id);
        first = 1;
    }
    DType t = type_of(c, e->args[first]);
    for (uint32_t i = first; i < e->nargs; i++)
        RULE(type_of(c, e->args[i]) == t, "%%%u: `%s` of %s and %s", id, op_info(e->op)->name,
             dtype_name(t), dtype_name(type_of(c, e->args[i])));
    DType want = is_compare(e->op) ? DTYPE_BOOL : t;
    RULE(e->dtype == want, "%%%u: `%s` of %s gives %s, not %s", id, op_info(e->op)->name,
         dtype_name(t), dtype_name(want), dtype_name(e->dtype));
}

static void check_load(const Check *c, uint32_t id, const Expr *e) {
    RULE(e->nargs == 1 || e->nargs == 3, "%%%u: load with %u operands", id, e->nargs);
    RULE(e->buffer < c->k->buffers.len, "%%%u: load from unknown buffer %u", id, e->buffer);
    DType t = c->p->buffers.data[c->k->buffers.data[e->buffer]].dtype;
    RULE(e->dtype == t, "%%%u: load of %s from a %s buffer", id, dtype_name(e->dtype),
         dtype_name(t));
    RULE(type_of(c, e->args[0]) == DTYPE_I64, "%%%u: the index of a load is not i64", id);
    if (e->nargs == 3) {
        RULE(type_of(c, e->args[1]) == DTYPE_BOOL, "%%%u: the predicate of a load is no bool", id);
        RULE(type_of(c, e->args[2]) == t, "%%%u: the other value of a load has a wrong dtype", id);
    }
}

static void check_tree(const Check *c, uint32_t id, const Expr *e) {
    RULE(e->reg.id < c->k->regs.len, "%%%u: unknown register", id);
    const LoopReg *reg = &c->k->regs.data[e->reg.id];
    bool over = false;
    for (uint32_t i = 0; i < reg->nvars; i++) over |= reg->vars[i].id == e->var.id;
    RULE(over, "%%%u: tree of %s over a variable it is not expanded over", id, reg->name);
    RULE(c->vars[e->var.id].count == 16, "%%%u: tree over %u copies, not 16", id,
         c->vars[e->var.id].count);
    RULE(e->op == OP_ADD || e->op == OP_MAX || e->op == OP_MIN, "%%%u: tree with `%s`", id,
         op_info(e->op)->name);
    RULE(e->dtype == reg->dtype, "%%%u: tree of another dtype than its register", id);
}

/* What can be said of an expression wherever it stands. */
static void check_expr(const Check *c, uint32_t id) {
    const Expr *e = &c->k->exprs.data[id];
    RULE(e->dtype < DTYPE_COUNT, "%%%u has no dtype", id);
    for (uint32_t i = 0; i < e->nargs; i++)
        RULE(e->args[i].id < id, "%%%u uses %%%u, which is not before it", id, e->args[i].id);
    bool index = e->kind == EXPR_VAR || e->kind == EXPR_LO || e->kind == EXPR_HI ||
                 e->kind == EXPR_DIM || e->kind == EXPR_IDIV || e->kind == EXPR_IMOD;
    RULE(!index || e->dtype == DTYPE_I64, "%%%u: index arithmetic in %s", id, dtype_name(e->dtype));
    if (e->kind == EXPR_OP) check_op(c, id, e);
    if (e->kind == EXPR_LOAD) check_load(c, id, e);
    if (e->kind == EXPR_TREE) check_tree(c, id, e);
    if (e->kind == EXPR_VAR) RULE(e->var.id < c->k->vars.len, "%%%u: unknown variable", id);
    if (e->kind == EXPR_REG) {
        RULE(e->reg.id < c->k->regs.len, "%%%u: unknown register", id);
        RULE(e->dtype == c->k->regs.data[e->reg.id].dtype, "%%%u: register of another dtype", id);
    }
    if (e->kind == EXPR_IDIV || e->kind == EXPR_IMOD)
        RULE(e->nargs == 2 && type_of(c, e->args[0]) == DTYPE_I64 &&
                 type_of(c, e->args[1]) == DTYPE_I64,
             "%%%u: division of something that is not i64", id);
    if (e->kind == EXPR_RANDOM)
        RULE((e->nargs == 1 || (e->nargs == 2 && type_of(c, e->args[1]) == DTYPE_I64)) &&
                 e->dtype == DTYPE_F32 && type_of(c, e->args[0]) == DTYPE_I64,
             "%%%u: malformed random", id);
    if (e->kind == EXPR_SITE)
        RULE(e->nargs == 1 && e->dtype == DTYPE_I64 && type_of(c, e->args[0]) == DTYPE_I64,
             "%%%u: malformed site", id);
    if (e->kind == EXPR_CLOCK)
        RULE(e->imm <= 2 && (e->dtype == DTYPE_F32 || e->dtype == DTYPE_F64),
             "%%%u: malformed clock", id);
}

static void check_reg_open(const Check *c, RegId r, const VarId *except) {
    const LoopReg *reg = &c->k->regs.data[r.id];
    for (uint32_t i = 0; i < reg->nvars; i++) {
        VarId v = reg->vars[i];
        if (except && except->id == v.id)
            RULE(!c->vars[v.id].open, "tree of %s inside a loop over its own variable", reg->name);
        else
            RULE(c->vars[v.id].open, "register %s used outside a loop over %s", reg->name,
                 c->k->vars.data[v.id].name);
    }
}

/* What an expression needs of the place it stands at: variables open, registers set. */
static void check_use(Check *c, ExprId root) {
    uint32_t depth = 0, touched = 0;
    RULE(root.id < c->k->exprs.len, "unknown expression %u", root.id);
    c->stack[depth++] = root.id;
    c->visited[root.id] = true;
    while (touched < depth) { /* the stack keeps what it visited, so that marks can be cleared */
        const Expr *e = &c->k->exprs.data[c->stack[touched++]];
        if (e->kind == EXPR_VAR)
            RULE(c->vars[e->var.id].open, "variable %s used outside its loop",
                 c->k->vars.data[e->var.id].name);
        if (e->kind == EXPR_REG || e->kind == EXPR_TREE) {
            RULE(c->reg_set[e->reg.id], "register %s read before it is set",
                 c->k->regs.data[e->reg.id].name);
            check_reg_open(c, e->reg, e->kind == EXPR_TREE ? &e->var : NULL);
        }
        for (uint32_t i = 0; i < e->nargs; i++)
            if (!c->visited[e->args[i].id]) {
                c->visited[e->args[i].id] = true;
                c->stack[depth++] = e->args[i].id;
            }
    }
    for (uint32_t i = 0; i < depth; i++) c->visited[c->stack[i]] = false;
}

static void check_index(Check *c, ExprId e, const char *what) {
    check_use(c, e);
    RULE(type_of(c, e) == DTYPE_I64, "%s is not i64", what);
}

static void check_call(Check *c, const Stmt *s) {
    RULE(s->callee < c->p->program->externs.items.len, "call of unknown function %u", s->callee);
    RULE(!c->k->parallel, "a call in a parallel kernel");
    RULE(s->count <= s->arrays.len, "a call with fewer arrays than inputs");
    for (uint32_t i = 0; i < s->arrays.len; i++) {
        const LoopArray *a = &s->arrays.data[i];
        RULE(a->buffer < c->k->buffers.len, "call with unknown buffer %u", a->buffer);
        const LoopBuffer *b = &c->p->buffers.data[c->k->buffers.data[a->buffer]];
        RULE(a->dtype == b->dtype, "a call sees %s as %s", b->name, dtype_name(a->dtype));
        bool writable = b->storage != STORAGE_INPUT && b->storage != STORAGE_CONST;
        RULE(i < s->count || (writable && c->k->writes.data[a->buffer]), "a call writes to %s",
             b->name);
        check_index(c, a->offset, "the offset of an array");
        for (uint32_t d = 0; d < a->rank; d++) check_index(c, a->dims[d], "a size of an array");
    }
}

static void check_transpose(Check *c, const Stmt *s) {
    RULE(s->buffer < c->k->buffers.len && s->source < c->k->buffers.len,
         "a transposed copy of unknown buffers");
    const LoopBuffer *from = &c->p->buffers.data[c->k->buffers.data[s->source]];
    const LoopBuffer *to = &c->p->buffers.data[c->k->buffers.data[s->buffer]];
    RULE(s->source != s->buffer, "%s is transposed into itself", to->name);
    RULE(!s->rounds || (from->dtype == DTYPE_F32 && to->dtype == DTYPE_F32),
         "%s is rounded on the way to %s", from->name, to->name);
    bool widens = from->dtype == DTYPE_BF16 && to->dtype == DTYPE_F32;
    RULE(widens || (from->dtype == to->dtype && dtype_bytes(to->dtype) == 4),
         "%s is transposed into %s", from->name, to->name);
    RULE(c->k->writes.data[s->buffer] && to->storage != STORAGE_INPUT &&
             to->storage != STORAGE_CONST,
         "a transposed copy to %s", to->name);
    RULE(s->count == 4 || s->count == 8 || s->count == 16, "transposed blocks of %u", s->count);
    RULE(!c->vector_open, "a transposed copy inside a vector loop");
    check_index(c, s->value, "the start of a block");
    check_index(c, s->index, "the start of a transposed block");
    check_index(c, s->from, "the rows of a block");
    check_index(c, s->to, "the columns of a block");
}

static void check_effect(Check *c, const Stmt *s) {
    if (s->kind == STMT_TRANSPOSE) {
        check_transpose(c, s);
        return;
    }
    if (s->kind == STMT_CALL) {
        check_call(c, s);
        return;
    }
    check_use(c, s->value);
    if (s->kind == STMT_PREFETCH) {
        RULE(s->buffer < c->k->buffers.len, "a hint on unknown buffer %u", s->buffer);
        check_index(c, s->value, "the index of a hint");
    } else if (s->kind == STMT_SET) {
        RULE(s->reg.id < c->k->regs.len, "unknown register");
        const LoopReg *reg = &c->k->regs.data[s->reg.id];
        RULE(type_of(c, s->value) == reg->dtype, "register %s is set to a %s", reg->name,
             dtype_name(type_of(c, s->value)));
        check_reg_open(c, s->reg, NULL);
        c->reg_set[s->reg.id] = true;
    } else if (s->kind == STMT_STORE) {
        RULE(s->buffer < c->k->buffers.len, "store to unknown buffer %u", s->buffer);
        const LoopBuffer *b = &c->p->buffers.data[c->k->buffers.data[s->buffer]];
        RULE(c->k->writes.data[s->buffer], "store to %s, which is not marked written", b->name);
        RULE(b->storage != STORAGE_INPUT && b->storage != STORAGE_CONST, "store to %s", b->name);
        RULE(type_of(c, s->value) == b->dtype, "a %s is stored to %s, which is %s",
             dtype_name(type_of(c, s->value)), b->name, dtype_name(b->dtype));
        check_index(c, s->index, "the index of a store");
        if (expr_is_none(s->pred)) return;
        check_use(c, s->pred);
        RULE(type_of(c, s->pred) == DTYPE_BOOL, "the predicate of a store is no bool");
    } else {
        RULE(type_of(c, s->value) == DTYPE_BOOL, "the condition of a flag is no bool");
        RULE(s->bits != 0, "a flag without bits");
    }
}

static void check_list(Check *c, const StmtId *ids, uint32_t count, uint32_t depth);

static void check_for(Check *c, const Stmt *s, uint32_t depth) {
    RULE(s->var.id < c->k->vars.len, "loop over an unknown variable");
    const char *name = c->k->vars.data[s->var.id].name;
    VarUse *v = &c->vars[s->var.id];
    RULE(!v->open, "loop over %s inside a loop over %s", name, name);
    RULE(depth < LOOP_DEPTH, "loops nested deeper than %d", LOOP_DEPTH);
    if (s->loop == LOOP_SERIAL) {
        check_index(c, s->from, "the start of a loop");
        check_index(c, s->to, "the end of a loop");
        RULE(s->step > 0, "loop over %s with step %lld", name, (long long)s->step);
    } else {
        RULE(s->count > 0, "loop over %s with no copies", name);
        RULE(s->step >= 0 && s->step < 1 << 16 && (s->step == 0 || s->loop == LOOP_UNROLL),
             "loop over %s whose first copy is %lld", name, (long long)s->step);
    }
    bool vector = s->loop == LOOP_VECTOR;
    if (vector) {
        RULE(!c->vector_open, "vector loop over %s inside another", name);
        RULE((s->count & (s->count - 1)) == 0, "loop over %s with %u lanes", name, s->count);
        if (!expr_is_none(s->limit)) check_index(c, s->limit, "the limit of a vector");
        c->vector_open = true;
    }
    v->open = true;
    check_list(c, s->body.data, s->body.len, depth + 1);
    v->open = false;
    if (vector) c->vector_open = false;
}

static void check_list(Check *c, const StmtId *ids, uint32_t count, uint32_t depth) {
    for (uint32_t i = 0; i < count; i++) {
        RULE(ids[i].id < c->k->stmts.len, "unknown statement %u", ids[i].id);
        RULE(!c->seen[ids[i].id], "statement %u stands in two places", ids[i].id);
        c->seen[ids[i].id] = true;
        const Stmt *s = &c->k->stmts.data[ids[i].id];
        if (s->kind == STMT_FOR)
            check_for(c, s, depth);
        else
            check_effect(c, s);
    }
}

/* A register's copies need one meaning of each of its variables. */
static void check_variables(Check *c) {
    for (uint32_t i = 0; i < c->k->stmts.len; i++) {
        const Stmt *s = &c->k->stmts.data[i];
        if (s->kind != STMT_FOR) continue;
        RULE(s->var.id < c->k->vars.len, "loop over an unknown variable");
        VarUse *v = &c->vars[s->var.id];
        if (v->used && (v->kind != s->loop || (s->loop == LOOP_VECTOR && v->count != s->count)))
            v->mixed = true;
        v->used = true;
        v->kind = s->loop;
        uint32_t copies = s->count + (s->loop == LOOP_UNROLL ? (uint32_t)s->step : 0);
        if (copies > v->count) v->count = copies;
    }
    for (uint32_t r = 0; r < c->k->regs.len; r++) {
        const LoopReg *reg = &c->k->regs.data[r];
        uint32_t vectors = 0;
        for (uint32_t i = 0; i < reg->nvars; i++) {
            RULE(reg->vars[i].id < c->k->vars.len, "register %s over an unknown variable",
                 reg->name);
            const VarUse *v = &c->vars[reg->vars[i].id];
            RULE(v->used && v->kind != LOOP_SERIAL,
                 "register %s is expanded over %s, which is neither unrolled nor a vector",
                 reg->name, c->k->vars.data[reg->vars[i].id].name);
            RULE(!v->mixed, "register %s is expanded over %s, whose loops differ in kind or width",
                 reg->name, c->k->vars.data[reg->vars[i].id].name);
            vectors += v->kind == LOOP_VECTOR;
            for (uint32_t j = 0; j < i; j++)
                RULE(reg->vars[i].id != reg->vars[j].id, "register %s twice over one variable",
                     reg->name);
        }
        RULE(vectors <= 1, "register %s over two vector variables", reg->name);
    }
}

static void check_kernel(const LoopProgram *p, const Kernel *k) {
    Arena *arena = p->ctx->arena;
    Check check = {.p = p, .k = k}, *c = &check;
    c->vars = ARENA_ARRAY(arena, VarUse, k->vars.len);
    c->reg_set = ARENA_ARRAY(arena, bool, k->regs.len);
    c->seen = ARENA_ARRAY(arena, bool, k->stmts.len);
    c->visited = ARENA_ARRAY(arena, bool, k->exprs.len);
    c->stack = ARENA_ARRAY(arena, uint32_t, k->exprs.len);
    RULE(k->buffers.len == k->writes.len, "buffers and writes differ in length");
    for (uint32_t i = 0; i < k->buffers.len; i++)
        RULE(k->buffers.data[i] < p->buffers.len, "unknown buffer %u", k->buffers.data[i]);
    RULE(k->grain > 0, "grain %lld", (long long)k->grain);
    check_variables(c);
    for (uint32_t i = 0; i < k->exprs.len; i++) check_expr(c, i);
    check_list(c, k->body.data, k->body.len, 0);
    for (uint32_t i = 0; i < k->stmts.len; i++) RULE(c->seen[i], "statement %u stands nowhere", i);
}

typedef struct DimUse { /* a size of kernel k, in code that stands inside the `open` loops */
    const Check *c;
    const bool *open; /* per loop */
} DimUse;

static void check_iterations(void *user, int64_t coefficient, const uint32_t *symbols,
                             uint32_t count) {
    const DimUse *use = user;
    const Check *c = use->c;
    (void)coefficient;
    for (uint32_t i = 0; i < count; i++) {
        bool counts = loop_counts(c->p, symbols[i]), open = false;
        for (uint32_t l = 0; l < c->p->loops.len; l++)
            open |= use->open[l] && c->p->loops.data[l].symbol == symbols[i];
        RULE(!counts || open, "an iteration's number is used outside its loop");
    }
}

static void check_run(Check *c, uint32_t kernel, const bool *open) {
    RULE(kernel < c->p->kernels.len, "order runs an unknown kernel");
    c->k = c->p->kernels.data[kernel];
    DimUse use = {c, open};
    const DimTable *dims = c->p->program->dims;
    dim_terms(dims, c->k->extent, check_iterations, &use);
    for (uint32_t i = 0; i < c->k->exprs.len; i++)
        if (c->k->exprs.data[i].kind == EXPR_DIM)
            dim_terms(dims, c->k->exprs.data[i].dim, check_iterations, &use);
    c->k = NULL;
}

static void check_together(Check *c, uint32_t at) {
    const LoopProgram *p = c->p;
    const Order *first = &p->order.data[at];
    if (first->together < 2) return;
    RULE(first->together <= p->order.len - at, "more kernels together than there are");
    const Kernel *k = p->kernels.data[first->number];
    for (uint32_t i = at; i < at + first->together; i++) {
        RULE(p->order.data[i].kind == ORDER_RUN, "what runs together is no kernel");
        RULE(i == at || p->order.data[i].together < 2, "kernels run together twice");
        const Kernel *other = p->kernels.data[p->order.data[i].number];
        RULE(other->parallel && dim_same(other->extent, k->extent) && other->grain == k->grain,
             "kernels together over different rows");
        RULE(first->rows > 0 && other->strip > 0 && first->rows % other->strip == 0,
             "kernel %s cannot run on %lld rows", other->name, (long long)first->rows);
    }
}

static void check_order(const LoopProgram *p) {
    Check check = {.p = p}, *c = &check;
    bool after_barrier = true;
    bool *open = ARENA_ARRAY(p->ctx->arena, bool, p->loops.len);
    VEC(uint32_t) nest = {0};
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        if (o->kind == ORDER_RUN) {
            check_run(c, o->number, open);
            check_together(c, i);
        }
        if (o->kind == ORDER_LOOP_BEGIN) {
            RULE(o->number < p->loops.len && !open[o->number], "a loop begins twice");
            open[o->number] = true;
            vec_push(p->ctx->arena, &nest, o->number);
        }
        if (o->kind == ORDER_LOOP_END) {
            RULE(nest.len > 0 && nest.data[nest.len - 1] == o->number, "loops overlap");
            open[nest.data[--nest.len]] = false;
        }
        if (o->kind == ORDER_GUARD) {
            RULE(nest.len == 0, "a guard inside a loop");
            RULE(o->number < p->buffers.len, "guard on an unknown buffer");
            const LoopBuffer *b = &p->buffers.data[o->number];
            RULE(b->dtype == DTYPE_F32 || b->dtype == DTYPE_F64, "guard on %s, which is %s",
                 b->name, dtype_name(b->dtype));
            RULE(dim_equals(p->program->dims, b->count, 1), "guard on %s, which has many elements",
                 b->name);
            RULE(after_barrier, "guard on %s does not stand after a barrier", b->name);
        }
        after_barrier = o->kind == ORDER_BARRIER || o->kind == ORDER_GUARD;
    }
    RULE(nest.len == 0, "a loop does not end");
}

void loop_verify(const LoopProgram *p) {
    for (uint32_t i = 0; i < p->kernels.len; i++) check_kernel(p, p->kernels.data[i]);
    check_order(p);
}
