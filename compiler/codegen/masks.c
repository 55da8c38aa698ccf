/* Which registers must keep the lanes beyond a vector loop's limit when they are set.
 *
 * Keeping them costs a blend per set, and usually nobody looks: when a register is set and read
 * only under one limit, whose value does not change between the set and the read, its inactive
 * lanes are never seen. That is so when every variable of the limit is open around all uses of the
 * register (its home), and the first use in the home sets it. Everything else keeps them. */
#include "compiler/codegen/emit.h"

typedef struct RegUse {
    bool used, first_sets, observed;
    uint32_t home; /* length of the common path of all uses */
    uint32_t path[EMIT_DEPTH];
    bool limited; /* `limit` is known */
    ExprId limit; /* EXPR_NONE: all lanes */
} RegUse;

typedef struct Walk {
    const Kernel *k;
    RegUse *uses;
    uint32_t path[EMIT_DEPTH], depth; /* open FORs */
    ExprId limit;
    bool *seen;
    uint32_t *stack;
} Walk;

static void use_note(Walk *w, RegId r, bool sets) {
    RegUse *u = &w->uses[r.id];
    if (!u->used) {
        u->used = true;
        u->first_sets = sets;
        u->home = w->depth;
        memcpy(u->path, w->path, sizeof u->path);
        u->limit = w->limit;
        return;
    }
    uint32_t common = 0;
    while (common < u->home && common < w->depth && u->path[common] == w->path[common]) common++;
    u->home = common;
    if (u->limit.id != w->limit.id) u->observed = true;
}

/* Registers that an expression reads. */
static void reads_note(Walk *w, ExprId root) {
    uint32_t len = 0;
    if (expr_is_none(root)) return;
    w->stack[len++] = root.id;
    w->seen[root.id] = true;
    for (uint32_t at = 0; at < len; at++) {
        const Expr *x = &w->k->exprs.data[w->stack[at]];
        if (x->kind == EXPR_REG) use_note(w, x->reg, false);
        if (x->kind == EXPR_TREE) {
            use_note(w, x->reg, false);
            w->uses[x->reg.id].observed = true;
        }
        for (uint32_t i = 0; i < x->nargs; i++)
            if (!w->seen[x->args[i].id]) {
                w->seen[x->args[i].id] = true;
                w->stack[len++] = x->args[i].id;
            }
    }
    for (uint32_t at = 0; at < len; at++) w->seen[w->stack[at]] = false;
}

static void walk_list(Walk *w, const StmtId *ids, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const Stmt *s = &w->k->stmts.data[ids[i].id];
        if (s->kind != STMT_FOR) {
            if (s->kind == STMT_STORE) {
                reads_note(w, s->index);
                reads_note(w, s->pred);
            }
            reads_note(w, s->value);
            if (s->kind == STMT_SET) use_note(w, s->reg, true);
            continue;
        }
        if (s->loop == LOOP_SERIAL) {
            reads_note(w, s->from);
            reads_note(w, s->to);
        }
        ExprId outer = w->limit;
        if (s->loop == LOOP_VECTOR) w->limit = s->limit;
        w->path[w->depth++] = ids[i].id;
        walk_list(w, s->body.data, s->body.len);
        w->depth--;
        w->limit = outer;
    }
}

/* A copy of the register is always used with one value of an unrolled variable it is expanded over.
 */
static bool has_copies_over(const Kernel *k, const LoopReg *reg, uint32_t v) {
    bool own = false;
    for (uint32_t i = 0; i < reg->nvars; i++) own |= reg->vars[i].id == v;
    for (uint32_t i = 0; own && i < k->stmts.len; i++) {
        const Stmt *s = &k->stmts.data[i];
        if (s->kind == STMT_FOR && s->var.id == v && s->loop != LOOP_UNROLL) return false;
    }
    return own;
}

static bool limit_fixed(const Kernel *k, const RegUse *u, const LoopReg *reg) {
    for (uint32_t v = 0; v < k->vars.len; v++) {
        if (!loop_depends(k, u->limit, (VarId){v})) continue;
        bool open = has_copies_over(k, reg, v);
        for (uint32_t i = 0; i < u->home; i++) open |= k->stmts.data[u->path[i]].var.id == v;
        if (!open) return false;
    }
    return true;
}

void masked_sets_find(Emit *e) {
    const Kernel *k = e->k;
    Walk walk = {.k = k, .limit = EXPR_NONE};
    walk.uses = ARENA_ARRAY(e->arena, RegUse, k->regs.len);
    walk.seen = ARENA_ARRAY(e->arena, bool, k->exprs.len);
    walk.stack = ARENA_ARRAY(e->arena, uint32_t, k->exprs.len);
    walk_list(&walk, k->body.data, k->body.len);
    for (uint32_t r = 0; r < k->regs.len; r++) {
        const RegUse *u = &walk.uses[r];
        bool unseen = u->used && u->first_sets && !u->observed &&
                      (expr_is_none(u->limit) ||
                       (e->facts[u->limit.id].movable && limit_fixed(k, u, &k->regs.data[r])));
        e->regs[r].masked_sets = !unseen;
    }
}
