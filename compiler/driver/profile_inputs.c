/* Inputs for a profile without data. What a kernel costs hardly depends on values, as long as they
 * are ordinary numbers: no denormals, no indices out of range. */
#include "compiler/driver/profile_inputs.h"
#include "runtime/core/plan.h"
#include <stdlib.h>

/* splitmix64 (Steele, Lea, Flood 2014): the i-th number of one fixed sequence. */
static uint64_t mixed(uint64_t i) {
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The high half of an f32 is the nearest bf16 below it. f16: 1.0 or 0.5, whose bits need no
 * conversion. */
static void put_float(BmrtDtype dtype, uint64_t word, char *out) {
    const double value = (double)(word >> 40) * 0x1p-24;
    const float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    const uint16_t brain = (uint16_t)(bits >> 16), half = word >> 63 ? 0x3c00 : 0x3800;
    switch (dtype) {
    case BMRT_F64: memcpy(out, &value, sizeof value); break;
    case BMRT_F16: memcpy(out, &half, sizeof half); break;
    case BMRT_BF16: memcpy(out, &brain, sizeof brain); break;
    default: memcpy(out, &single, sizeof single); break;
    }
}

static void fill(const BmrtValue *v, size_t count, char *out) {
    const size_t bytes = bmrt_dtype_bytes(v->dtype);
    uint64_t limit = v->index_limit > 0 ? (uint64_t)v->index_limit : bytes == 1 ? 128 : 256;
    if (v->dtype == BMRT_BOOL) limit = 2;
    for (size_t i = 0; i < count; i++) {
        const uint64_t word = mixed(i);
        if (v->dtype <= BMRT_BF16) {
            put_float(v->dtype, word, out + i * bytes);
        } else {
            const uint64_t value = (word >> 32) % limit; /* little-endian: its low bytes */
            memcpy(out + i * bytes, &value, bytes);
        }
    }
}

static void *room(Context *ctx, const BmrtEntry *entry, const BmrtValue *v, const int64_t *symbols,
                  size_t *count) {
    int64_t elements, bytes;
    if (v->vocabulary) {
        Diag *d = ctx_error(ctx, E_UNSUPPORTED, (Span){0},
                            "`%s` takes or gives strings (`%s`), which no input can be made up for",
                            entry->name, v->name);
        diag_help(d, "profile the `train` block, which sees numbers");
        return NULL;
    }
    if (!bmrt_dims_elements(v->rank, v->dims, symbols, &elements) ||
        __builtin_mul_overflow(elements, (int64_t)bmrt_dtype_bytes(v->dtype), &bytes) ||
        bytes > INT64_MAX - 128) {
        Diag *d =
            ctx_error(ctx, E_RUN_SHAPE, (Span){0},
                      "`%s` of `%s` is too large at the sizes planned for", v->name, entry->name);
        for (uint32_t i = 0; i < entry->symbol_count; i++)
            diag_help(d, "give a size: `%s=...`", entry->symbol_names[i]);
        return NULL;
    }
    *count = (size_t)elements;
    void *memory = aligned_alloc(64, ((size_t)bytes + 127) / 64 * 64);
    if (!memory)
        ctx_error(ctx, E_RUN_MEMORY, (Span){0}, "no memory for `%s` of `%s`: %lld bytes", v->name,
                  entry->name, (long long)bytes);
    return memory;
}

bool made_inputs(Context *ctx, const BmrtEntry *entry, const int64_t *symbols, MadeInputs *out) {
    const uint32_t in = entry->input_count, all = in + entry->output_count;
    *out = (MadeInputs){.inputs = ARENA_ARRAY(ctx->arena, const void *, in),
                        .outputs = ARENA_ARRAY(ctx->arena, void *, entry->output_count),
                        .owned = ARENA_ARRAY(ctx->arena, void *, all),
                        .count = all};
    for (uint32_t i = 0; i < all; i++) {
        const BmrtValue *v = i < in ? &entry->inputs[i] : &entry->outputs[i - in];
        size_t count = 0;
        out->owned[i] = room(ctx, entry, v, symbols, &count);
        if (!out->owned[i]) return false;
        if (i < in) {
            fill(v, count, out->owned[i]);
            out->inputs[i] = out->owned[i];
        } else {
            out->outputs[i - in] = out->owned[i];
        }
    }
    return true;
}

void made_inputs_free(MadeInputs *made) {
    for (uint32_t i = 0; i < made->count; i++) free(made->owned[i]);
    made->count = 0;
}
