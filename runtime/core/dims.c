/* The value of sizes: polynomials over the symbols of an entry, overflow-checked. */
#include "runtime/core/plan.h"

/* product *= floor(over / under). The compiler nests quotients a bounded number of times. */
static bool times_quotient(const BmrtQuotient *q, const int64_t *symbols, int64_t *product) {
    int64_t over, under;
    if (!bmrt_dim_value(&q->over, symbols, &over) || !bmrt_dim_value(&q->under, symbols, &under))
        return false;
    return under > 0 && !__builtin_mul_overflow(*product, over / under, product);
}

bool bmrt_dim_value(const BmrtDim *dim, const int64_t *symbols, int64_t *out) {
    int64_t sum = 0;
    *out = 0;
    for (uint32_t t = 0; t < dim->count; t++) {
        const BmrtTerm *term = &dim->terms[t];
        int64_t product = term->coefficient;
        for (uint32_t s = 0; s < term->count; s++)
            if (__builtin_mul_overflow(product, symbols[term->symbols[s]], &product)) return false;
        for (uint32_t q = 0; q < term->quotient_count; q++)
            if (!times_quotient(&term->quotients[q], symbols, &product)) return false;
        if (__builtin_add_overflow(sum, product, &sum)) return false;
    }
    *out = sum;
    return sum >= 0;
}

bool bmrt_dims_elements(uint32_t rank, const BmrtDim *dims, const int64_t *symbols, int64_t *out) {
    int64_t product = 1, dim;
    bool fits = true;
    for (uint32_t i = 0; i < rank; i++) {
        if (!bmrt_dim_value(&dims[i], symbols, &dim)) return false;
        if (dim == 0) { /* whatever the others are */
            *out = 0;
            return true;
        }
        fits = fits && !__builtin_mul_overflow(product, dim, &product);
    }
    *out = product;
    return fits;
}
