/* Sizes as integer polynomials in normal form.
 *
 * Normal form: terms in descending graded lexicographic order (degree first, then the symbols,
 * lower numbers first), no zero coefficient, at most one term per product of symbols. Two sizes
 * that are equal as polynomials have the same terms, so interning them gives equality by id. The
 * order is multiplicative, so ordinary long division decides whether one size divides another. */
#include "compiler/graph/dim.h"

#include "compiler/support/context.h"
#include "compiler/support/vec.h"

enum {
    TERM_MAX = 48,   /* terms of one size */
    DEGREE_MAX = 12, /* symbols multiplied in one term */
    WORK_MAX = 1000  /* symbols visited to evaluate one size, through all its quotients */
};

typedef struct Term {
    int64_t coefficient;
    uint32_t degree;
    uint32_t symbols[DEGREE_MAX]; /* ascending, repeated for powers */
} Term;

typedef struct Poly { /* under construction; `overflow` swallows everything */
    uint32_t count;
    bool overflow;
    Term terms[TERM_MAX];
} Poly;

typedef struct Interned {
    const Term *terms;
    uint32_t count, hash;
    uint32_t work; /* symbols visited to evaluate it: bounds recursion into quotients */
    bool overflow;
} Interned;

typedef struct Symbol {
    Sym name;
    int64_t bound;
} Symbol;
typedef struct Quotient {
    DimId a, b;
} Quotient;

struct DimTable {
    Arena *arena;
    VEC(Interned) dims;
    VEC(Symbol) symbols;
    VEC(Quotient) quotients;
    uint32_t *slots; /* open addressing: id + 1, or 0 */
    uint32_t slot_count;
};

/* ---- terms */

/* > 0 when a comes first. */
static int term_order(const Term *a, const Term *b) {
    if (a->degree != b->degree) return a->degree > b->degree ? 1 : -1;
    for (uint32_t i = 0; i < a->degree; i++)
        if (a->symbols[i] != b->symbols[i]) return a->symbols[i] < b->symbols[i] ? 1 : -1;
    return 0;
}

static void poly_add_term(Poly *p, const Term *term) {
    if (p->overflow || term->coefficient == 0) return;
    uint32_t at = 0;
    while (at < p->count && term_order(&p->terms[at], term) > 0) at++;
    if (at < p->count && term_order(&p->terms[at], term) == 0) {
        int64_t *c = &p->terms[at].coefficient;
        if (__builtin_add_overflow(*c, term->coefficient, c)) {
            p->overflow = true;
        } else if (*c == 0) {
            memmove(&p->terms[at], &p->terms[at + 1], (p->count - at - 1) * sizeof(Term));
            p->count--;
        }
        return;
    }
    if (p->count == TERM_MAX) {
        p->overflow = true;
        return;
    }
    memmove(&p->terms[at + 1], &p->terms[at], (p->count - at) * sizeof(Term));
    p->terms[at] = *term;
    p->count++;
}

static bool term_mul(const Term *a, const Term *b, Term *out) {
    Term r = {0};
    if (__builtin_mul_overflow(a->coefficient, b->coefficient, &r.coefficient)) return false;
    if (a->degree + b->degree > DEGREE_MAX) return false;
    uint32_t i = 0, j = 0;
    while (i < a->degree || j < b->degree) {
        bool from_a = j == b->degree || (i < a->degree && a->symbols[i] <= b->symbols[j]);
        r.symbols[r.degree++] = from_a ? a->symbols[i++] : b->symbols[j++];
    }
    *out = r;
    return true;
}

/* a / b when b's symbols are among a's and the coefficient divides. */
static bool term_div(const Term *a, const Term *b, Term *out) {
    Term r = {0};
    if (b->coefficient == 0 || (a->coefficient == INT64_MIN && b->coefficient == -1)) return false;
    if (a->coefficient % b->coefficient != 0) return false;
    r.coefficient = a->coefficient / b->coefficient;
    uint32_t j = 0;
    for (uint32_t i = 0; i < a->degree; i++) {
        if (j < b->degree && a->symbols[i] == b->symbols[j])
            j++;
        else
            r.symbols[r.degree++] = a->symbols[i];
    }
    *out = r;
    return j == b->degree;
}

/* ---- interning */

static uint32_t poly_hash(const Poly *p) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < p->count; i++) {
        h = (h ^ (uint64_t)p->terms[i].coefficient) * UINT64_C(0x100000001b3);
        for (uint32_t k = 0; k < p->terms[i].degree; k++)
            h = (h ^ (p->terms[i].symbols[k] + 1u)) * UINT64_C(0x100000001b3);
        h ^= h >> 29;
    }
    return (uint32_t)(h ^ (h >> 32)) ^ (p->overflow ? 0x9e3779b9u : 0u);
}

static bool poly_same(const Poly *p, const Interned *d) {
    if (p->overflow || d->overflow) return p->overflow == d->overflow;
    if (p->count != d->count) return false;
    for (uint32_t i = 0; i < p->count; i++)
        if (p->terms[i].coefficient != d->terms[i].coefficient ||
            term_order(&p->terms[i], &d->terms[i]) != 0)
            return false;
    return true;
}

static void table_grow(DimTable *t) {
    uint32_t count = t->slot_count ? 2 * t->slot_count : 64;
    uint32_t *slots = ARENA_ARRAY(t->arena, uint32_t, count);
    for (uint32_t i = 0; i < t->dims.len; i++) {
        uint32_t at = t->dims.data[i].hash & (count - 1);
        while (slots[at]) at = (at + 1) & (count - 1);
        slots[at] = i + 1;
    }
    t->slots = slots;
    t->slot_count = count;
}

static uint32_t poly_work(const DimTable *t, const Poly *p) {
    uint32_t work = 1; /* operands have at most WORK_MAX each, so this cannot overflow */
    for (uint32_t i = 0; i < p->count; i++)
        for (uint32_t k = 0; k < p->terms[i].degree; k++) {
            DimId a, b;
            work++;
            if (dim_quotient(t, p->terms[i].symbols[k], &a, &b))
                work += t->dims.data[a.id].work + t->dims.data[b.id].work;
        }
    return work;
}

static DimId poly_intern(DimTable *t, Poly *p) {
    uint32_t work = p->overflow ? 1 : poly_work(t, p);
    if (work > WORK_MAX) p->overflow = true;
    if (p->overflow) p->count = 0;
    if (2 * (t->dims.len + 1) > t->slot_count) table_grow(t);
    uint32_t hash = poly_hash(p), at = hash & (t->slot_count - 1);
    for (; t->slots[at]; at = (at + 1) & (t->slot_count - 1)) {
        const Interned *d = &t->dims.data[t->slots[at] - 1];
        if (d->hash == hash && poly_same(p, d)) return (DimId){t->slots[at] - 1};
    }
    Interned d = {.count = p->count, .hash = hash, .work = work, .overflow = p->overflow};
    Term *terms = ARENA_ARRAY(t->arena, Term, p->count);
    if (p->count) memcpy(terms, p->terms, p->count * sizeof(Term));
    d.terms = terms;
    vec_push(t->arena, &t->dims, d);
    t->slots[at] = t->dims.len;
    return (DimId){t->dims.len - 1};
}

static const Interned *dim_get(const DimTable *t, DimId d) {
    if (d.id >= t->dims.len) BUG("dim %u of a table of %u", d.id, t->dims.len);
    return &t->dims.data[d.id];
}

static void poly_start(Poly *p) {
    p->count = 0;
    p->overflow = false;
}

static void poly_from(const DimTable *t, DimId d, Poly *p) {
    const Interned *in = dim_get(t, d);
    p->count = in->count;
    p->overflow = in->overflow;
    if (in->count) memcpy(p->terms, in->terms, in->count * sizeof(Term));
}

/* ---- construction */

DimTable *dims_create(Arena *arena) {
    DimTable *t = ARENA_NEW(arena, DimTable);
    t->arena = arena;
    table_grow(t);
    return t;
}

DimId dim_const(DimTable *t, int64_t value) {
    Poly p;
    poly_start(&p);
    poly_add_term(&p, &(Term){.coefficient = value});
    return poly_intern(t, &p);
}

static DimId dim_of_symbol(DimTable *t, uint32_t symbol) {
    Poly p;
    poly_start(&p);
    poly_add_term(&p, &(Term){.coefficient = 1, .degree = 1, .symbols = {symbol}});
    return poly_intern(t, &p);
}

DimId dim_symbol(DimTable *t, Sym name, int64_t bound) {
    Symbol s = {name, bound};
    vec_push(t->arena, &t->symbols, s);
    return dim_of_symbol(t, t->symbols.len - 1);
}

uint32_t dim_symbol_count(const DimTable *t) {
    return t->symbols.len;
}

static Symbol *symbol_get(const DimTable *t, uint32_t symbol) {
    if (symbol >= t->symbols.len) BUG("dim symbol %u of %u", symbol, t->symbols.len);
    return &t->symbols.data[symbol];
}

Sym dim_symbol_name(const DimTable *t, uint32_t symbol) {
    return symbol_get(t, symbol)->name;
}
int64_t dim_symbol_bound(const DimTable *t, uint32_t symbol) {
    return symbol_get(t, symbol)->bound;
}
void dim_set_bound(DimTable *t, uint32_t symbol, int64_t bound) {
    symbol_get(t, symbol)->bound = bound;
}

int32_t dim_as_symbol(const DimTable *t, DimId d) {
    const Interned *in = dim_get(t, d);
    if (in->count != 1 || in->terms[0].degree != 1 || in->terms[0].coefficient != 1) return -1;
    uint32_t symbol = in->terms[0].symbols[0];
    return symbol < DIM_QUOTIENT ? (int32_t)symbol : -1;
}

/* ---- arithmetic */

DimId dim_add(DimTable *t, DimId a, DimId b) {
    Poly p;
    const Interned *y = dim_get(t, b);
    poly_from(t, a, &p);
    if (y->overflow) p.overflow = true;
    for (uint32_t i = 0; i < y->count; i++) poly_add_term(&p, &y->terms[i]);
    return poly_intern(t, &p);
}

DimId dim_sub(DimTable *t, DimId a, DimId b) {
    return dim_add(t, a, dim_mul(t, b, dim_const(t, -1)));
}

DimId dim_mul(DimTable *t, DimId a, DimId b) {
    Poly p;
    poly_start(&p);
    const Interned *x = dim_get(t, a), *y = dim_get(t, b);
    p.overflow = x->overflow || y->overflow;
    for (uint32_t i = 0; i < x->count && !p.overflow; i++)
        for (uint32_t j = 0; j < y->count && !p.overflow; j++) {
            Term term;
            if (term_mul(&x->terms[i], &y->terms[j], &term))
                poly_add_term(&p, &term);
            else
                p.overflow = true;
        }
    return poly_intern(t, &p);
}

/* Long division by the leading term; exact in Z[symbols] if and only if every leading term of the
 * remainder divides. The leading term falls in a well-ordered set, so it ends. */
static bool poly_divide(const DimTable *t, DimId a, DimId b, Poly *quotient) {
    const Interned *y = dim_get(t, b);
    Poly rest;
    poly_from(t, a, &rest);
    poly_start(quotient);
    if (rest.overflow || y->overflow || y->count == 0) return false;
    while (rest.count && !rest.overflow && !quotient->overflow) {
        Term factor, part;
        if (!term_div(&rest.terms[0], &y->terms[0], &factor)) return false;
        poly_add_term(quotient, &factor);
        factor.coefficient = -factor.coefficient;
        for (uint32_t i = 0; i < y->count; i++) {
            if (!term_mul(&factor, &y->terms[i], &part)) return false;
            poly_add_term(&rest, &part);
        }
    }
    return !rest.overflow && !quotient->overflow;
}

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static DimId dim_opaque(DimTable *t, DimId a, DimId b) {
    for (uint32_t i = 0; i < t->quotients.len; i++)
        if (dim_same(t->quotients.data[i].a, a) && dim_same(t->quotients.data[i].b, b))
            return dim_of_symbol(t, DIM_QUOTIENT | i);
    Quotient q = {a, b};
    vec_push(t->arena, &t->quotients, q);
    return dim_of_symbol(t, DIM_QUOTIENT | (t->quotients.len - 1));
}

/* floor((c·q + r) / c) = q + floor(r / c): what divides comes out, the rest has coefficients in
 * [0, c), so sizes that differ by a multiple of c share one opaque symbol. */
static DimId dim_floor_by_const(DimTable *t, DimId a, int64_t c) {
    Poly whole, rest;
    poly_start(&whole);
    poly_start(&rest);
    const Interned *x = dim_get(t, a);
    for (uint32_t i = 0; i < x->count; i++) {
        Term w = x->terms[i], r = x->terms[i];
        w.coefficient = floor_div(x->terms[i].coefficient, c);
        r.coefficient = x->terms[i].coefficient - w.coefficient * c;
        poly_add_term(&whole, &w);
        poly_add_term(&rest, &r);
    }
    bool rest_is_const = rest.count == 0 || (rest.count == 1 && rest.terms[0].degree == 0);
    DimId q = poly_intern(t, &whole);
    if (rest_is_const) return q;
    return dim_add(t, q, dim_opaque(t, poly_intern(t, &rest), dim_const(t, c)));
}

DimId dim_div(DimTable *t, DimId a, DimId b, bool *exact) {
    Poly quotient;
    *exact = false;
    if (dim_equals(t, b, 0)) BUG("a size divided by 0");
    if (dim_is_overflow(t, a)) return a;
    if (dim_is_overflow(t, b)) return b;
    if (poly_divide(t, a, b, &quotient)) {
        *exact = true;
        return poly_intern(t, &quotient);
    }
    if (dim_is_const(t, b)) {
        int64_t c = dim_value(t, b);
        if (c > 0) return dim_floor_by_const(t, a, c);
        DimId minus_one = dim_const(t, -1);
        if (c != INT64_MIN) return dim_floor_by_const(t, dim_mul(t, a, minus_one), -c);
    }
    return dim_opaque(t, a, b);
}

/* ---- questions */

bool dim_valid(const DimTable *t, DimId d) {
    return d.id < t->dims.len;
}
bool dim_is_overflow(const DimTable *t, DimId d) {
    return dim_get(t, d)->overflow;
}

bool dim_is_const(const DimTable *t, DimId d) {
    const Interned *in = dim_get(t, d);
    return !in->overflow && (in->count == 0 || (in->count == 1 && in->terms[0].degree == 0));
}

int64_t dim_value(const DimTable *t, DimId d) {
    if (!dim_is_const(t, d)) BUG("dim %u is not a constant", d.id);
    const Interned *in = dim_get(t, d);
    return in->count ? in->terms[0].coefficient : 0;
}

bool dim_equals(const DimTable *t, DimId d, int64_t value) {
    return dim_is_const(t, d) && dim_value(t, d) == value;
}

typedef struct Evaluation {
    const DimTable *table;
    const int64_t *symbols;
    bool at_bounds; /* every symbol at its bound; `symbols` is not looked at */
} Evaluation;

static bool eval_dim(const Evaluation *e, DimId d, int64_t *out);

/* The recursion visits at most WORK_MAX symbols: poly_intern refuses sizes that need more. */
static bool eval_symbol(const Evaluation *e, uint32_t symbol, int64_t *out) {
    DimId a, b;
    int64_t x, y;
    if (!dim_quotient(e->table, symbol, &a, &b)) {
        if (e->at_bounds)
            *out = symbol_get(e->table, symbol)->bound;
        else if (e->symbols)
            *out = e->symbols[symbol];
        return e->at_bounds || e->symbols;
    }
    if (!eval_dim(e, a, &x) || !eval_dim(e, b, &y) || y == 0) return false;
    if (x == INT64_MIN && y == -1) return false;
    *out = floor_div(x, y);
    return true;
}

static bool eval_dim(const Evaluation *e, DimId d, int64_t *out) {
    const Interned *in = dim_get(e->table, d);
    int64_t sum = 0;
    if (in->overflow) return false;
    for (uint32_t i = 0; i < in->count; i++) {
        int64_t product = in->terms[i].coefficient;
        for (uint32_t k = 0; k < in->terms[i].degree; k++) {
            int64_t value;
            if (!eval_symbol(e, in->terms[i].symbols[k], &value)) return false;
            if (__builtin_mul_overflow(product, value, &product)) return false;
        }
        if (__builtin_add_overflow(sum, product, &sum)) return false;
    }
    *out = sum;
    return true;
}

bool dim_eval(const DimTable *t, DimId d, const int64_t *symbols, int64_t *out) {
    return eval_dim(&(Evaluation){t, symbols, false}, d, out);
}

int64_t dim_bound(const DimTable *t, DimId d) {
    int64_t value;
    return eval_dim(&(Evaluation){t, NULL, true}, d, &value) ? value : INT64_MAX;
}

void dim_terms(const DimTable *t, DimId d, DimVisit visit, void *user) {
    const Interned *in = dim_get(t, d);
    if (in->overflow) BUG("terms of a size that overflowed");
    for (uint32_t i = 0; i < in->count; i++)
        visit(user, in->terms[i].coefficient, in->terms[i].symbols, in->terms[i].degree);
}

bool dim_quotient(const DimTable *t, uint32_t symbol, DimId *a, DimId *b) {
    if (symbol < DIM_QUOTIENT) return false;
    uint32_t index = symbol & ~DIM_QUOTIENT;
    if (index >= t->quotients.len) BUG("quotient %u of %u", index, t->quotients.len);
    *a = t->quotients.data[index].a;
    *b = t->quotients.data[index].b;
    return true;
}

bool dim_has_symbol(const DimTable *t, DimId d, uint32_t symbol) {
    const Interned *in = dim_get(t, d);
    for (uint32_t i = 0; i < in->count; i++)
        for (uint32_t k = 0; k < in->terms[i].degree; k++) {
            DimId a, b;
            if (in->terms[i].symbols[k] == symbol) return true;
            if (dim_quotient(t, in->terms[i].symbols[k], &a, &b) &&
                (dim_has_symbol(t, a, symbol) || dim_has_symbol(t, b, symbol)))
                return true;
        }
    return false;
}

/* A copy of its terms is walked, since making sizes may move the table; the recursion is bounded as
 * that of eval_symbol is. */
DimId dim_bind(DimTable *t, DimId d, uint32_t symbol, int64_t value) {
    if (!dim_has_symbol(t, d, symbol)) return d;
    Interned in = *dim_get(t, d);
    DimId sum = dim_const(t, 0);
    for (uint32_t i = 0; i < in.count; i++) {
        DimId product = dim_const(t, in.terms[i].coefficient);
        for (uint32_t k = 0; k < in.terms[i].degree; k++) {
            DimId factor, a, b;
            bool exact;
            if (in.terms[i].symbols[k] == symbol)
                factor = dim_const(t, value);
            else if (dim_quotient(t, in.terms[i].symbols[k], &a, &b) &&
                     !dim_equals(t, b = dim_bind(t, b, symbol, value), 0))
                factor = dim_div(t, dim_bind(t, a, symbol, value), b, &exact);
            else
                factor = dim_of_symbol(t, in.terms[i].symbols[k]);
            product = dim_mul(t, product, factor);
        }
        sum = dim_add(t, sum, product);
    }
    return sum;
}

/* ---- printing */

static void print_symbol(Text *out, const DimTable *t, uint32_t symbol) {
    DimId a, b;
    if (!dim_quotient(t, symbol, &a, &b)) {
        text_add(out, symbol_get(t, symbol)->name->text);
        return;
    }
    text_add(out, "floor((");
    dim_print(out, t, a);
    text_add(out, ") / (");
    dim_print(out, t, b);
    text_add(out, "))");
}

static void print_term(Text *out, const DimTable *t, const Term *term, bool first) {
    bool negative = term->coefficient < 0;
    uint64_t magnitude =
        negative ? UINT64_C(0) - (uint64_t)term->coefficient : (uint64_t)term->coefficient;
    if (!first)
        text_add(out, negative ? " - " : " + ");
    else if (negative)
        text_char(out, '-');
    bool one = magnitude == 1 && term->degree > 0;
    if (!one) text_printf(out, "%llu", (unsigned long long)magnitude);
    for (uint32_t i = 0; i < term->degree; i++) {
        if (i > 0 || !one) text_char(out, '*');
        print_symbol(out, t, term->symbols[i]);
    }
}

void dim_print(Text *out, const DimTable *t, DimId d) {
    const Interned *in = dim_get(t, d);
    if (in->overflow)
        text_add(out, "too large");
    else if (in->count == 0)
        text_char(out, '0');
    for (uint32_t i = 0; i < in->count; i++) print_term(out, t, &in->terms[i], i == 0);
}
