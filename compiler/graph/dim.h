/* Sizes. A dim is a polynomial with integer coefficients over named run-time symbols (the batch
 * `B`, a sequence length `T`), kept in normal form and interned: equal sizes have equal ids.
 *
 * A size that is not a polynomial (an exact quotient that does not simplify) becomes an opaque
 * symbol standing for floor(a / b), interned by its operands, so it still compares by id. */
#ifndef BMC_GRAPH_DIM_H
#define BMC_GRAPH_DIM_H

#include "compiler/support/text.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct DimId {
    uint32_t id;
} DimId;
typedef struct DimTable DimTable;

/* Run-time symbols are numbered from 0 in the order they are made. */
DimTable *dims_create(Arena *arena);
DimId dim_const(DimTable *t, int64_t value);
/* A new run-time symbol; two with one name are two symbols. `bound` is the largest value that
 * memory is planned for. */
DimId dim_symbol(DimTable *t, Sym name, int64_t bound);
uint32_t dim_symbol_count(const DimTable *t);
Sym dim_symbol_name(const DimTable *t, uint32_t symbol);
int64_t dim_symbol_bound(const DimTable *t, uint32_t symbol);
void dim_set_bound(DimTable *t, uint32_t symbol, int64_t bound);
/* The symbol's number when `d` is exactly one symbol, else -1. */
int32_t dim_as_symbol(const DimTable *t, DimId d);

DimId dim_add(DimTable *t, DimId a, DimId b);
DimId dim_sub(DimTable *t, DimId a, DimId b);
DimId dim_mul(DimTable *t, DimId a, DimId b);
/* a / b when it divides for every value of the symbols; else *exact = false and the floor. */
DimId dim_div(DimTable *t, DimId a, DimId b, bool *exact);

static inline bool dim_same(DimId a, DimId b) {
    return a.id == b.id;
}
/* The id belongs to this table. */
bool dim_valid(const DimTable *t, DimId d);
/* A size whose coefficients overflow 64 bits, or with too many terms: no value, an infinite bound.
 * Everything computed from it is such a size too. */
bool dim_is_overflow(const DimTable *t, DimId d);
bool dim_is_const(const DimTable *t, DimId d);
int64_t dim_value(const DimTable *t, DimId d); /* of a const; BUG otherwise */
bool dim_equals(const DimTable *t, DimId d, int64_t value);
/* Value for given symbol values (indexed by symbol number). False on overflow. */
bool dim_eval(const DimTable *t, DimId d, const int64_t *symbols, int64_t *out);
int64_t dim_bound(const DimTable *t, DimId d); /* value with every symbol at its bound; saturates */
/* Calls visit for each term: coefficient and the symbols multiplied (repeated for powers). A symbol
 * >= DIM_QUOTIENT is an opaque quotient: ask dim_quotient; only smaller ones index a run's symbol
 * values. Used to emit code for a size. */
#define DIM_QUOTIENT UINT32_C(0x80000000)
typedef void (*DimVisit)(void *user, int64_t coefficient, const uint32_t *symbols, uint32_t count);
void dim_terms(const DimTable *t, DimId d, DimVisit visit, void *user);
/* If `symbol` stands for a quotient, its operands; else false. */
bool dim_quotient(const DimTable *t, uint32_t symbol, DimId *a, DimId *b);
bool dim_has_symbol(const DimTable *t, DimId d, uint32_t symbol);
/* The size where `symbol` is `value`. */
DimId dim_bind(DimTable *t, DimId d, uint32_t symbol, int64_t value);

/* "128", "B", "2*B + 1". */
void dim_print(Text *out, const DimTable *t, DimId d);

#endif
