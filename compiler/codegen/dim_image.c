/* Sizes as constant data: BmrtDim, polynomials over an entry's symbols. */
#include "compiler/codegen/data_image.h"

typedef struct DimImage {
    CodeModule *m;
    const EntrySymbols *symbols;
    VEC(BmrtTerm) terms;
    VEC(LLVMValueRef) lists, quotients; /* per term: its symbols, its quotients */
} DimImage;

/* floor(over / under) of each opaque symbol among the term's. */
static LLVMValueRef quotients_image(const DimImage *d, const uint32_t *symbols, uint32_t count,
                                    uint32_t *found) {
    CodeModule *m = d->m;
    BmrtQuotient *rows = ARENA_ARRAY(m->ctx->arena, BmrtQuotient, count + 1);
    *found = 0;
    for (uint32_t i = 0; i < count; i++) *found += symbols[i] >= DIM_QUOTIENT;
    if (*found == 0) return NULL;
    Image *image = image_new(m, rows, *found * sizeof(BmrtQuotient));
    for (uint32_t i = 0, at = 0; i < count; i++) {
        DimId over, under;
        if (!dim_quotient(m->program->dims, symbols[i], &over, &under)) continue;
        size_t row = at++ * sizeof(BmrtQuotient);
        dim_image(image, row + offsetof(BmrtQuotient, over), d->symbols, over);
        dim_image(image, row + offsetof(BmrtQuotient, under), d->symbols, under);
    }
    return image_finish(image, "quotients");
}

static void dim_term(void *user, int64_t coefficient, const uint32_t *symbols, uint32_t count) {
    DimImage *d = user;
    Arena *arena = d->m->ctx->arena;
    uint32_t *numbers = ARENA_ARRAY(arena, uint32_t, count), plain = 0;
    for (uint32_t i = 0; i < count; i++)
        if (symbols[i] < DIM_QUOTIENT)
            numbers[plain++] = entry_symbol_index(d->symbols, symbols[i]);
    BmrtTerm *term = ARENA_NEW(arena, BmrtTerm);
    LLVMValueRef quotients = quotients_image(d, symbols, count, &term->quotient_count);
    term->coefficient = coefficient;
    term->count = plain;
    vec_push(arena, &d->terms, *term);
    vec_push(arena, &d->lists, bytes_constant(d->m, numbers, plain * sizeof numbers[0]));
    vec_push(arena, &d->quotients, quotients);
}

void dim_image(Image *image, size_t offset, const EntrySymbols *symbols, DimId size) {
    CodeModule *m = image->m;
    DimImage d = {.m = m, .symbols = symbols};
    dim_terms(m->program->dims, size, dim_term, &d);
    Image *terms = image_new(m, d.terms.data, d.terms.len * sizeof(BmrtTerm));
    for (uint32_t i = 0; i < d.terms.len; i++) {
        size_t at = i * sizeof(BmrtTerm);
        image_pointer(terms, at + offsetof(BmrtTerm, symbols), d.lists.data[i]);
        image_pointer(terms, at + offsetof(BmrtTerm, quotients), d.quotients.data[i]);
    }
    uint32_t count = d.terms.len;
    memcpy(image->bytes + offset + offsetof(BmrtDim, count), &count, sizeof count);
    image_pointer(image, offset + offsetof(BmrtDim, terms), image_finish(terms, "terms"));
}
