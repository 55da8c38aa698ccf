/* Index arithmetic as sums. An index is flattened to  constant + lane * l + sum of coefficient *
 * atoms in the present environment (unrolled variables are numbers there), then coded from the
 * outermost loop inwards: the part that an inner loop does not change is computed before that loop,
 * and the constant ends up in the displacement of the address. */
#include "compiler/codegen/emit.h"

enum { LINEAR_DEPTH = 64 };

static int64_t mul_wrap(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static int64_t add_wrap(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static bool term_same(const Term *a, const Term *b) {
    if (a->natoms != b->natoms) return false;
    for (uint32_t i = 0; i < a->natoms; i++)
        if (a->atoms[i] != b->atoms[i]) return false;
    return true;
}

/* out += factor * t, terms kept in order of their atoms so that equal sums are equal bytes. */
static bool term_add(Linear *out, const Term *t, int64_t factor) {
    int64_t coefficient = mul_wrap(t->coefficient, factor);
    for (uint32_t i = 0; i < out->nterms; i++) {
        if (!term_same(&out->terms[i], t)) continue;
        out->terms[i].coefficient = add_wrap(out->terms[i].coefficient, coefficient);
        if (out->terms[i].coefficient == 0) {
            out->nterms--;
            memmove(&out->terms[i], &out->terms[i + 1], (out->nterms - i) * sizeof out->terms[0]);
        }
        return true;
    }
    if (coefficient == 0) return true;
    if (out->nterms == LINEAR_TERMS) return false;
    uint32_t at = out->nterms++;
    while (at > 0 && out->terms[at - 1].atoms[0] > t->atoms[0]) {
        out->terms[at] = out->terms[at - 1];
        at--;
    }
    out->terms[at] = *t;
    out->terms[at].coefficient = coefficient;
    return true;
}

static bool linear_add(Linear *out, const Linear *in, int64_t factor) {
    out->constant = add_wrap(out->constant, mul_wrap(in->constant, factor));
    out->lane = add_wrap(out->lane, mul_wrap(in->lane, factor));
    for (uint32_t i = 0; i < in->nterms; i++)
        if (!term_add(out, &in->terms[i], factor)) return false;
    return true;
}

static bool term_product(const Term *a, const Term *b, Term *out) {
    if (a->natoms + b->natoms > TERM_ATOMS) return false;
    *out = (Term){.coefficient = mul_wrap(a->coefficient, b->coefficient)};
    for (uint32_t i = 0, j = 0; i < a->natoms || j < b->natoms;) {
        bool first = j == b->natoms || (i < a->natoms && a->atoms[i] <= b->atoms[j]);
        out->atoms[out->natoms++] = first ? a->atoms[i++] : b->atoms[j++];
    }
    return true;
}

static bool linear_product(Linear *out, const Linear *a, const Linear *b) {
    if (a->nterms == 0 && a->lane == 0) return linear_add(out, b, a->constant);
    if (b->nterms == 0 && b->lane == 0) return linear_add(out, a, b->constant);
    if (a->lane != 0 || b->lane != 0) return false; /* the lane's step is not a constant */
    Linear rest = *b;
    rest.constant = 0;
    if (!linear_add(out, a, b->constant) || !linear_add(out, &rest, a->constant)) return false;
    for (uint32_t i = 0; i < a->nterms; i++)
        for (uint32_t j = 0; j < b->nterms; j++) {
            Term t;
            if (!term_product(&a->terms[i], &b->terms[j], &t) || !term_add(out, &t, 1))
                return false;
        }
    return true;
}

static bool linear_var(const Emit *e, ExprId id, VarId var, Linear *out) {
    const VarState *v = &e->vars[var.id];
    if (e->vector.open && e->vector.var.id == var.id) {
        out->lane = 1;
    } else if (!v->value) {
        out->constant = v->copy;
    } else {
        Term t = {.coefficient = 1, .natoms = 1, .atoms = {id.id}};
        return term_add(out, &t, 1);
    }
    return true;
}

static bool linear_at(Emit *e, ExprId id, Linear *out, uint32_t depth) {
    const Expr *x = &e->k->exprs.data[id.id];
    *out = (Linear){0};
    if (x->kind == EXPR_CONST) {
        out->constant = (int64_t)x->imm;
        return true;
    }
    if (x->kind == EXPR_VAR) return linear_var(e, id, x->var, out);
    bool sum = x->kind == EXPR_OP && x->nargs == 2 && depth < LINEAR_DEPTH &&
               (x->op == OP_ADD || x->op == OP_SUB || x->op == OP_MUL);
    if (sum) {
        Linear a, b;
        if (!linear_at(e, x->args[0], &a, depth + 1) || !linear_at(e, x->args[1], &b, depth + 1))
            return false;
        bool fits = x->op == OP_MUL
                        ? linear_product(out, &a, &b)
                        : linear_add(out, &a, 1) && linear_add(out, &b, x->op == OP_ADD ? 1 : -1);
        if (fits) return true;
        *out = (Linear){0};
    }
    if (expr_varies(e, id)) return false;
    Term t = {.coefficient = 1, .natoms = 1, .atoms = {id.id}};
    return term_add(out, &t, 1);
}

/* False when the index varies with the lane in another way than lane * constant. */
bool linear_of(Emit *e, ExprId id, Linear *out) {
    return linear_at(e, id, out, 0);
}

/* ------------------------------------------------------------------ code */

uint32_t linear_term_depth(const Emit *e, const Term *t) {
    uint32_t depth = 0;
    for (uint32_t i = 0; i < t->natoms; i++) {
        ExprId atom = {t->atoms[i]};
        uint32_t d = e->facts[atom.id].movable ? expr_depth(e, atom) : e->depth;
        if (d > depth) depth = d;
    }
    return depth;
}

static LLVMValueRef atom_value(Emit *e, ExprId atom) {
    const Expr *x = &e->k->exprs.data[atom.id];
    if (x->kind == EXPR_VAR) return e->vars[x->var.id].value;
    if (x->kind == EXPR_LO) return e->lo;
    if (x->kind == EXPR_HI) return e->hi;
    return emit_value(e, atom);
}

static LLVMValueRef term_code(Emit *e, const Term *t) {
    LLVMValueRef product = atom_value(e, (ExprId){t->atoms[0]});
    for (uint32_t i = 1; i < t->natoms; i++)
        product = LLVMBuildMul(e->b, product, atom_value(e, (ExprId){t->atoms[i]}), "");
    if (t->coefficient != 1)
        product = LLVMBuildMul(e->b, product, const_i64(e, t->coefficient), "");
    return product;
}

/* The value without the lane part; *depth: where it was placed. NULL when it is zero and nothing.
 */
LLVMValueRef linear_code(Emit *e, const Linear *l, uint32_t *depth) {
    LLVMValueRef sum = NULL;
    uint32_t placed = 0;
    for (uint32_t d = 0; d <= e->depth; d++) {
        for (uint32_t i = 0; i < l->nterms; i++) {
            if (linear_term_depth(e, &l->terms[i]) != d) continue;
            /* Atoms may need code of their own, placed by themselves: ask for them first. */
            for (uint32_t a = 0; a < l->terms[i].natoms; a++)
                atom_value(e, (ExprId){l->terms[i].atoms[a]});
            Where w = place_at(e, d);
            LLVMValueRef term = term_code(e, &l->terms[i]);
            sum = sum ? LLVMBuildAdd(e->b, sum, term, "") : term;
            place_restore(e, w);
            placed = d;
        }
    }
    *depth = placed;
    return sum;
}

/* Uniform I64 value, memoised. */
LLVMValueRef emit_index(Emit *e, ExprId id) {
    LLVMValueRef value = memo_find(e, id, 0);
    if (value) return value;
    Linear l;
    uint32_t depth;
    if (!linear_of(e, id, &l)) BUG("kernel %s: a uniform index varies", e->k->name);
    bool itself = l.nterms == 1 && l.constant == 0 && l.terms[0].coefficient == 1 &&
                  l.terms[0].natoms == 1 && l.terms[0].atoms[0] == id.id;
    if (itself) return emit_value(e, id);
    value = linear_code(e, &l, &depth);
    Where w = place_at(e, depth);
    if (!value)
        value = const_i64(e, l.constant);
    else if (l.constant != 0)
        value = LLVMBuildAdd(e->b, value, const_i64(e, l.constant), "");
    place_restore(e, w);
    memo_put(e, id, 0, depth, value);
    return value;
}

int64_t number_gcd(int64_t a, int64_t b) {
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (y != 0) {
        uint64_t t = x % y;
        x = y;
        y = t;
    }
    return x > INT64_MAX ? 1 : (int64_t)x;
}

static int64_t atom_multiple(const Emit *e, ExprId atom) {
    const Expr *x = &e->k->exprs.data[atom.id];
    if (x->kind == EXPR_VAR) return e->vars[x->var.id].multiple;
    if (x->kind == EXPR_LO && e->k->parallel) return kernel_row_multiple(e->k);
    return 1;
}

/* 0 when the value is 0. */
int64_t linear_multiple(const Emit *e, const Linear *l) {
    int64_t multiple = number_gcd(l->constant, 0);
    for (uint32_t i = 0; i < l->nterms; i++) {
        int64_t term = l->terms[i].coefficient;
        for (uint32_t a = 0; a < l->terms[i].natoms; a++)
            if (__builtin_mul_overflow(term, atom_multiple(e, (ExprId){l->terms[i].atoms[a]}),
                                       &term))
                return 1;
        multiple = number_gcd(multiple, term);
    }
    return multiple;
}
