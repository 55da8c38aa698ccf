/* What has been computed already and still holds, and where new code goes.
 *
 * A memoised value is usable when its scope is still the open one of its depth (so it dominates)
 * and nothing it depends on (registers, buffers written by this kernel) changed since. Registers
 * and buffers share 32 stamps each; a shared stamp costs a recomputation, never a wrong value. */
#include "compiler/codegen/emit.h"

Where place_at(Emit *e, uint32_t depth) {
    Where w = {LLVMGetInsertBlock(e->b), e->before};
    if (depth < e->depth) {
        e->before = e->scopes[depth + 1].before;
        LLVMPositionBuilderBefore(e->b, e->before);
    }
    return w;
}

void place_restore(Emit *e, Where w) {
    e->before = w.before;
    if (w.before)
        LLVMPositionBuilderBefore(e->b, w.before);
    else
        LLVMPositionBuilderAtEnd(e->b, w.block);
}

static VarId var_of(uint32_t i) {
    return (VarId){i};
}

uint32_t expr_depth(const Emit *e, ExprId id) {
    uint32_t depth = 0;
    for (uint32_t i = 0; i < e->k->vars.len; i++) {
        const VarState *v = &e->vars[i];
        if (v->open && v->value && v->depth > depth && loop_depends(e->k, id, var_of(i)))
            depth = v->depth;
    }
    return depth;
}

bool expr_varies(const Emit *e, ExprId id) {
    return e->vector.open && loop_depends(e->k, id, e->vector.var);
}

/* Distinguishes the forms of one expression: uniform, splat over n lanes, or varying under a limit.
 */
uint64_t memo_context(const Emit *e, ExprId id) {
    if (!expr_varies(e, id)) return 0;
    return 1 + ((uint64_t)e->vector.lanes << 1) + ((uint64_t)(e->vector.limit.id + 1u) << 16);
}

/* Which copies of the unrolled variables the value belongs to: mixed radix over those it depends
 * on. */
static uint64_t memo_combo(const Emit *e, ExprId id, uint64_t context) {
    uint64_t combo = 0;
    bool limited = context != 0 && e->vector.open && !expr_is_none(e->vector.limit);
    for (uint32_t i = 0; i < e->k->vars.len; i++) {
        const VarState *v = &e->vars[i];
        if (!v->open || v->kind != LOOP_UNROLL) continue;
        if (!loop_depends(e->k, id, var_of(i)) &&
            !(limited && loop_depends(e->k, e->vector.limit, var_of(i))))
            continue;
        bool overflow = __builtin_mul_overflow(combo, (uint64_t)v->copies, &combo) ||
                        __builtin_add_overflow(combo, (uint64_t)v->copy, &combo);
        if (overflow) BUG("kernel %s is unrolled beyond all bounds", e->k->name);
    }
    return combo;
}

static uint64_t memo_hash(uint32_t expr, uint64_t combo, uint64_t context) {
    uint64_t h = (expr ^ (context << 20)) * 0x9E3779B97F4A7C15u ^ combo;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ (h >> 32);
}

static Memo *memo_slot(Memo *memo, uint32_t slots, uint32_t expr, uint64_t combo,
                       uint64_t context) {
    uint32_t at = (uint32_t)memo_hash(expr, combo, context) & (slots - 1);
    while (memo[at].expr != 0 &&
           (memo[at].expr != expr + 1 || memo[at].combo != combo || memo[at].context != context))
        at = (at + 1) & (slots - 1);
    return &memo[at];
}

static bool unchanged_since(const Emit *e, uint64_t deps, uint64_t clock) {
    for (; deps != 0; deps &= deps - 1)
        if (e->stamps[__builtin_ctzll(deps)] > clock) return false;
    return true;
}

LLVMValueRef memo_find(Emit *e, ExprId id, uint64_t context) {
    uint64_t combo = memo_combo(e, id, context);
    const Memo *m = memo_slot(e->memo, e->memo_slots, id.id, combo, context);
    if (m->expr == 0 || m->depth > e->depth || e->scopes[m->depth].serial != m->serial ||
        !unchanged_since(e, e->facts[id.id].deps, m->clock))
        return NULL;
    return m->value;
}

static void memo_double(Emit *e) {
    uint32_t slots = e->memo_slots * 2;
    Memo *memo = ARENA_ARRAY(e->arena, Memo, slots);
    for (uint32_t i = 0; i < e->memo_slots; i++)
        if (e->memo[i].expr != 0)
            *memo_slot(memo, slots, e->memo[i].expr - 1, e->memo[i].combo, e->memo[i].context) =
                e->memo[i];
    e->memo = memo;
    e->memo_slots = slots;
}

void memo_put(Emit *e, ExprId id, uint64_t context, uint32_t depth, LLVMValueRef value) {
    if (e->memo_used * 2 >= e->memo_slots) memo_double(e);
    uint64_t combo = memo_combo(e, id, context);
    Memo *m = memo_slot(e->memo, e->memo_slots, id.id, combo, context);
    if (m->expr == 0) e->memo_used++;
    *m = (Memo){.expr = id.id + 1,
                .combo = combo,
                .context = context,
                .value = value,
                .depth = depth,
                .serial = e->scopes[depth].serial,
                .clock = e->clock};
}

void memo_changed(Emit *e, uint32_t bit) {
    e->stamps[bit] = ++e->clock;
}

uint32_t reg_bit(RegId r) {
    return r.id % 32;
}
uint32_t buffer_bit(uint32_t position) {
    return 32 + position % 32;
}

/* A load may move out of its loop (which may not run at all) only when it is in bounds for certain:
 * a constant index into a buffer of constant size, no predicate. */
static bool load_movable(const Emit *e, const Expr *x) {
    const LoopBuffer *b = &e->p->buffers.data[e->k->buffers.data[x->buffer]];
    const Expr *index = &e->k->exprs.data[x->args[0].id];
    const DimTable *dims = e->p->program->dims;
    return index->kind == EXPR_CONST && dim_is_const(dims, b->count) && (int64_t)index->imm >= 0 &&
           (int64_t)index->imm < dim_value(dims, b->count);
}

void facts_make(Emit *e) {
    const Kernel *k = e->k;
    e->facts = ARENA_ARRAY(e->arena, ExprFacts, k->exprs.len);
    for (uint32_t id = 0; id < k->exprs.len; id++) {
        const Expr *x = &k->exprs.data[id];
        ExprFacts f = {.movable = true};
        for (uint32_t i = 0; i < x->nargs; i++) {
            f.deps |= e->facts[x->args[i].id].deps;
            f.movable &= e->facts[x->args[i].id].movable;
        }
        if (x->kind == EXPR_REG || x->kind == EXPR_TREE) {
            f.deps |= 1ull << reg_bit(x->reg);
            f.movable = false;
        } else if (x->kind == EXPR_LOAD) {
            if (k->writes.data[x->buffer]) f.deps |= 1ull << buffer_bit(x->buffer);
            f.movable &= x->nargs == 1 && !k->writes.data[x->buffer] && load_movable(e, x);
        }
        e->facts[id] = f;
    }
}

/* ------------------------------------------------------------------ addresses */

static bool part_cacheable(const Emit *e, const Linear *part) {
    for (uint32_t i = 0; i < part->nterms; i++)
        for (uint32_t a = 0; a < part->terms[i].natoms; a++) {
            ExprId atom = {part->terms[i].atoms[a]};
            if (!e->facts[atom.id].movable) return false;
            for (uint32_t v = 0; v < e->k->vars.len; v++)
                if (e->vars[v].open && e->vars[v].kind == LOOP_UNROLL &&
                    loop_depends(e->k, atom, var_of(v)))
                    return false;
        }
    return true;
}

static bool part_equal(const Linear *a, const Linear *b) {
    if (a->nterms != b->nterms) return false;
    for (uint32_t i = 0; i < a->nterms; i++) {
        const Term *s = &a->terms[i], *t = &b->terms[i];
        if (s->coefficient != t->coefficient || s->natoms != t->natoms ||
            memcmp(s->atoms, t->atoms, s->natoms * sizeof s->atoms[0]) != 0)
            return false;
    }
    return true;
}

/* By number, not by address: what collides, and so the code, must be the same in every run. */
static AddressMemo *address_slot(Emit *e, uint32_t base, const Linear *part) {
    uint64_t h = base;
    for (uint32_t i = 0; i < part->nterms; i++)
        h = (h ^ part->terms[i].atoms[0] ^ (uint64_t)part->terms[i].coefficient << 8) *
            0x9E3779B97F4A7C15u;
    return &e->addresses[(h >> 32) % ADDRESS_SLOTS];
}

const AddressMemo *address_cached(Emit *e, uint32_t base, const Linear *part) {
    const AddressMemo *m = address_slot(e, base, part);
    if (!m->value || m->base != base || m->depth > e->depth ||
        e->scopes[m->depth].serial != m->serial || !part_equal(&m->part, part))
        return NULL;
    return m;
}

uint32_t address_cache(Emit *e, uint32_t base, const Linear *part, uint32_t depth,
                       LLVMValueRef value) {
    uint32_t number = e->k->buffers.len + e->address_count++;
    if (part_cacheable(e, part))
        *address_slot(e, base, part) = (AddressMemo){.base = base,
                                                     .number = number,
                                                     .value = value,
                                                     .part = *part,
                                                     .depth = depth,
                                                     .serial = e->scopes[depth].serial};
    return number;
}
