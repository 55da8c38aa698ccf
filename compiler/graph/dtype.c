/* Element types as one table, and the conversions between numbers and the bits that stand for them.
 */
#include "compiler/graph/dtype.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct DTypeInfo {
    const char *name, *safetensors;
    uint32_t bytes;
    char cls;
} DTypeInfo;

static const DTypeInfo infos[DTYPE_COUNT] = {
#define DTYPE(name, text, bytes, cls, st) {text, st, bytes, cls},
    DTYPES(DTYPE)
#undef DTYPE
};

const char *dtype_name(DType t) {
    return t < DTYPE_COUNT ? infos[t].name : "?";
}
const char *dtype_safetensors(DType t) {
    return t < DTYPE_COUNT ? infos[t].safetensors : "?";
}
uint32_t dtype_bytes(DType t) {
    return t < DTYPE_COUNT ? infos[t].bytes : 0;
}
bool dtype_is_float(DType t) {
    return t < DTYPE_COUNT && infos[t].cls == 'f';
}
bool dtype_is_signed(DType t) {
    return t < DTYPE_COUNT && infos[t].cls == 'i';
}
bool dtype_is_integer(DType t) {
    return t < DTYPE_COUNT && (infos[t].cls == 'i' || infos[t].cls == 'u');
}

DType dtype_find(const char *text) {
    for (uint32_t i = 0; i < DTYPE_COUNT; i++)
        if (strcmp(infos[i].name, text) == 0) return (DType)i;
    return DTYPE_COUNT;
}

/* ---- f16 and bf16. One rounding, to nearest even, straight from the double. */

typedef struct SmallFormat {
    int fraction_bits, exponent_bits;
} SmallFormat;
static const SmallFormat format_f16 = {10, 5}, format_bf16 = {7, 8};

/* |value| = significand · 2^(exponent - fraction_bits): scale so that one unit in the last place is
 * 1, then rint (default rounding: nearest even) is the only inexact step. */
static uint16_t small_from_f64(double value, SmallFormat f) {
    uint16_t sign = (uint16_t)(signbit(value) ? 0x8000u : 0u);
    int bias = (1 << (f.exponent_bits - 1)) - 1;
    uint16_t infinity = (uint16_t)(((1u << f.exponent_bits) - 1u) << f.fraction_bits);
    if (isnan(value)) return (uint16_t)(infinity | (1u << (f.fraction_bits - 1)));
    if (isinf(value)) return (uint16_t)(sign | infinity);
    if (value == 0) return sign;
    int exponent = ilogb(value);
    if (exponent > bias + 1) return (uint16_t)(sign | infinity);
    if (exponent < 1 - bias) exponent = 1 - bias; /* subnormal: the unit stops shrinking */
    double units = rint(ldexp(fabs(value), f.fraction_bits - exponent));
    /* A carry out of the significand moves into the exponent field by itself. */
    uint32_t bits = (uint32_t)units;
    uint32_t field = (uint32_t)(exponent + bias);
    if (bits < (1u << f.fraction_bits)) return (uint16_t)(sign | bits); /* subnormal */
    uint32_t encoded = (field << f.fraction_bits) + (bits - (1u << f.fraction_bits));
    if (encoded > infinity) encoded = infinity;
    return (uint16_t)(sign | encoded);
}

static double small_to_f64(uint16_t bits, SmallFormat f) {
    uint32_t fraction = bits & ((1u << f.fraction_bits) - 1u);
    uint32_t field = ((uint32_t)bits >> f.fraction_bits) & ((1u << f.exponent_bits) - 1u);
    int bias = (1 << (f.exponent_bits - 1)) - 1;
    double value;
    if (field == (1u << f.exponent_bits) - 1u)
        value = fraction ? (double)NAN : (double)INFINITY;
    else if (field == 0)
        value = ldexp((double)fraction, 1 - bias - f.fraction_bits);
    else
        value = ldexp((double)(fraction | (1u << f.fraction_bits)),
                      (int)field - bias - f.fraction_bits);
    return bits & 0x8000u ? -value : value;
}

uint16_t f16_from_f64(double value) {
    return small_from_f64(value, format_f16);
}
double f16_to_f64(uint16_t bits) {
    return small_to_f64(bits, format_f16);
}
uint16_t bf16_from_f64(double value) {
    return small_from_f64(value, format_bf16);
}
double bf16_to_f64(uint16_t bits) {
    return small_to_f64(bits, format_bf16);
}

/* ---- words: an element's bits, zero-extended to 64 */

static uint64_t width_mask(DType t) {
    uint32_t bits = 8 * dtype_bytes(t);
    return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

int64_t dtype_word_from_int(DType t, int64_t value) {
    if (dtype_is_float(t)) return dtype_word_from_f64(t, (double)value);
    if (t == DTYPE_BOOL) return value != 0;
    return (int64_t)((uint64_t)value & width_mask(t));
}

/* Saturates; NaN becomes 0 (docs/numerics.md, conversions). */
static int64_t integer_from_f64(DType t, double value) {
    int bits = (int)(8 * dtype_bytes(t));
    bool is_signed = dtype_is_signed(t);
    double top = ldexp(1.0, is_signed ? bits - 1 : bits); /* first value that does not fit */
    double bottom = is_signed ? -top : 0.0;
    if (isnan(value)) return 0;
    if (value >= top) return (int64_t)(is_signed ? width_mask(t) >> 1 : width_mask(t));
    if (value <= bottom) return is_signed ? (int64_t)(UINT64_C(1) << (bits - 1)) : 0;
    if (is_signed) return (int64_t)((uint64_t)(int64_t)value & width_mask(t));
    return (int64_t)(uint64_t)value;
}

int64_t dtype_word_from_f64(DType t, double value) {
    uint64_t wide = 0;
    uint32_t narrow = 0;
    float rounded;
    switch (t) {
    case DTYPE_F64: memcpy(&wide, &value, sizeof wide); return (int64_t)wide;
    case DTYPE_F32:
        rounded = (float)value;
        memcpy(&narrow, &rounded, sizeof narrow);
        return (int64_t)narrow;
    case DTYPE_F16: return f16_from_f64(value);
    case DTYPE_BF16: return bf16_from_f64(value);
    case DTYPE_BOOL: return value != 0; /* NaN is not 0, hence true */
    default: return integer_from_f64(t, value);
    }
}

int64_t dtype_word_to_int(DType t, int64_t word) {
    uint32_t shift = 64 - 8 * dtype_bytes(t);
    if (dtype_is_signed(t)) return (int64_t)((uint64_t)word << shift) >> shift;
    return (int64_t)((uint64_t)word & width_mask(t));
}

double dtype_word_to_f64(DType t, int64_t word) {
    double wide;
    float narrow;
    uint32_t low = (uint32_t)word;
    switch (t) {
    case DTYPE_F64: memcpy(&wide, &word, sizeof wide); return wide;
    case DTYPE_F32: memcpy(&narrow, &low, sizeof narrow); return (double)narrow;
    case DTYPE_F16: return f16_to_f64((uint16_t)word);
    case DTYPE_BF16: return bf16_to_f64((uint16_t)word);
    case DTYPE_U64: return (double)(uint64_t)word;
    default: return (double)dtype_word_to_int(t, word);
    }
}
