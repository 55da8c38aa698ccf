/* contract: a sum of products over labels (docs/numerics.md, contract).
 *
 * k runs row-major over the reduced labels in the order written. Chunk c is k in [4096 c, 4096 c +
 * 4096): it starts at +0 and is one chain acc = fma(a, b, acc). The result is chunk 0, then + chunk
 * 1, and so on. A term is absent when either factor is. */
#include "compiler/interp/interp_internal.h"

#include <math.h>
#include <stdlib.h>

enum { LABEL_MAX = 2 * RANK_MAX };

typedef struct Contraction {
    int64_t size[LABEL_MAX];
    size_t stride[2][LABEL_MAX]; /* of each operand along each label; 0 where it has none */
    uint32_t labels, kept;
    size_t terms;
    size_t *offset[2]; /* by k */
} Contraction;

static bool contraction_make(const Eval *e, Contraction *c) {
    *c = (Contraction){
        .kept = e->n->rank, .labels = e->n->rank + (uint32_t)e->n->attr[0], .terms = 1};
    for (uint32_t operand = 0, at = 1; operand < 2; operand++) {
        const Tensor *x = &e->args[operand]->tensor;
        size_t stride[RANK_MAX];
        tensor_strides(x, stride);
        for (uint32_t i = 0; i < x->rank; i++, at++) {
            c->size[e->n->attr[at]] = x->dims[i];
            c->stride[operand][e->n->attr[at]] = stride[i];
        }
    }
    uint32_t reduced = c->labels - c->kept;
    for (uint32_t i = c->kept; i < c->labels; i++) c->terms *= (size_t)c->size[i];
    for (uint32_t operand = 0; operand < 2; operand++) {
        c->offset[operand] = scratch_alloc(c->terms, sizeof(size_t));
        if (!c->offset[operand]) return false;
        for (size_t k = 0; k < c->terms; k++) {
            int64_t index[LABEL_MAX];
            position_split(c->size + c->kept, reduced, k, index);
            for (uint32_t i = 0; i < reduced; i++)
                c->offset[operand][k] += (size_t)index[i] * c->stride[operand][c->kept + i];
        }
    }
    return true;
}

static void contraction_free(Contraction *c) {
    free(c->offset[0]);
    free(c->offset[1]);
}

typedef struct Term {
    size_t a, b; /* positions */
} Term;

static bool term_present(const Eval *e, Term t) {
    return (!e->args[0]->absent || !e->args[0]->absent[t.a]) &&
           (!e->args[1]->absent || !e->args[1]->absent[t.b]);
}

#define CONTRACT_CHAIN(Type, load, fma_)                                                           \
    static Type contract_##Type(const Eval *e, const Contraction *c, Term base) {                  \
        const Tensor *a = &e->args[0]->tensor, *b = &e->args[1]->tensor;                           \
        Type result = 0;                                                                           \
        for (size_t chunk = 0; chunk < c->terms; chunk += CONTRACT_CHUNK) {                        \
            Type acc = 0;                                                                          \
            for (size_t k = chunk; k < chunk + CONTRACT_CHUNK && k < c->terms; k++) {              \
                Term t = {base.a + c->offset[0][k], base.b + c->offset[1][k]};                     \
                if (term_present(e, t)) acc = fma_(load(a, t.a), load(b, t.b), acc);               \
            }                                                                                      \
            result = chunk == 0 ? acc : result + acc;                                              \
        }                                                                                          \
        return result;                                                                             \
    }
CONTRACT_CHAIN(float, load_f32, fmaf)
CONTRACT_CHAIN(double, load_f64, fma)

static int64_t contract_whole(const Eval *e, const Contraction *c, Term base) {
    uint64_t acc = 0; /* wraps; the order does not matter */
    for (size_t k = 0; k < c->terms; k++) {
        Term t = {base.a + c->offset[0][k], base.b + c->offset[1][k]};
        if (!term_present(e, t)) continue;
        acc += (uint64_t)load_int(&e->args[0]->tensor, t.a) *
               (uint64_t)load_int(&e->args[1]->tensor, t.b);
    }
    return (int64_t)acc;
}

bool eval_CONTRACT(Eval *e) {
    Contraction c;
    bool made = contraction_make(e, &c);
    for (size_t i = 0; made && i < e->count; i++) {
        int64_t index[RANK_MAX];
        Term base = {0, 0};
        position_split(e->out->tensor.dims, e->n->rank, i, index);
        for (uint32_t label = 0; label < c.kept; label++) {
            base.a += (size_t)index[label] * c.stride[0][label];
            base.b += (size_t)index[label] * c.stride[1][label];
        }
        if (e->n->dtype == DTYPE_F64)
            store_f64(&e->out->tensor, i, contract_double(e, &c, base));
        else if (dtype_is_float(e->n->dtype))
            store_f32(&e->out->tensor, i, contract_float(e, &c, base));
        else
            store_int(&e->out->tensor, i, contract_whole(e, &c, base));
    }
    contraction_free(&c);
    return made;
}
