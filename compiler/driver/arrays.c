/* Arrays of `bmc run`: sizes, literals, exact conversion, printing. */
#include "compiler/driver/arrays.h"
#include "compiler/driver/string_arrays.h"
#include "compiler/graph/dtype.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LITERAL_LIMIT = 1 << 20, SHOWN_PER_AXIS = 8, SHOWN_ALL = 256 };

static const char *const DTYPE_NAMES[] = {
    [BMRT_F64] = "f64",  [BMRT_F32] = "f32", [BMRT_F16] = "f16", [BMRT_BF16] = "bf16",
    [BMRT_I64] = "i64",  [BMRT_I32] = "i32", [BMRT_I16] = "i16", [BMRT_I8] = "i8",
    [BMRT_U64] = "u64",  [BMRT_U32] = "u32", [BMRT_U16] = "u16", [BMRT_U8] = "u8",
    [BMRT_BOOL] = "bool"};

const char *array_dtype_name(BmrtDtype t) {
    return DTYPE_NAMES[t];
}

int64_t array_elements(const Array *a) {
    int64_t n = 1;
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->dims[i] < 0 || __builtin_mul_overflow(n, a->dims[i], &n)) return -1;
    return n;
}

bool array_alloc(Context *ctx, Array *a) {
    int64_t n = array_elements(a), bytes = 0;
    if (n < 0 || __builtin_mul_overflow(n, (int64_t)bmrt_dtype_bytes(a->dtype), &bytes) ||
        bytes > INT64_MAX / 2) {
        ctx_error(ctx, E_LIMIT, ((Span){0}), "an array of this shape does not fit into memory");
        return false;
    }
    a->bytes = (size_t)bytes;
    a->data = arena_alloc(ctx->arena, a->bytes);
    return true;
}

/* ---- one element */

typedef struct Number {
    enum { NUMBER_SIGNED, NUMBER_UNSIGNED, NUMBER_FLOAT } kind;
    int64_t i;
    uint64_t u;
    double f;
} Number;

#define ELEMENT(T) (((const T *)a->data)[index])
static Number array_get(const Array *a, int64_t index) {
    switch (a->dtype) {
    case BMRT_F64: return (Number){NUMBER_FLOAT, .f = ELEMENT(double)};
    case BMRT_F32: return (Number){NUMBER_FLOAT, .f = (double)ELEMENT(float)};
    case BMRT_F16: return (Number){NUMBER_FLOAT, .f = f16_to_f64(ELEMENT(uint16_t))};
    case BMRT_BF16: return (Number){NUMBER_FLOAT, .f = bf16_to_f64(ELEMENT(uint16_t))};
    case BMRT_I64: return (Number){NUMBER_SIGNED, .i = ELEMENT(int64_t)};
    case BMRT_I32: return (Number){NUMBER_SIGNED, .i = ELEMENT(int32_t)};
    case BMRT_I16: return (Number){NUMBER_SIGNED, .i = ELEMENT(int16_t)};
    case BMRT_I8: return (Number){NUMBER_SIGNED, .i = ELEMENT(int8_t)};
    case BMRT_U64: return (Number){NUMBER_UNSIGNED, .u = ELEMENT(uint64_t)};
    case BMRT_U32: return (Number){NUMBER_UNSIGNED, .u = ELEMENT(uint32_t)};
    case BMRT_U16: return (Number){NUMBER_UNSIGNED, .u = ELEMENT(uint16_t)};
    case BMRT_U8:
    case BMRT_BOOL: return (Number){NUMBER_UNSIGNED, .u = ELEMENT(uint8_t)};
    default: BUG("array_get of dtype %d", (int)a->dtype);
    }
}
#undef ELEMENT

/* Smallest and largest integer of a dtype; u64's largest does not fit and is handled apart. */
static void integer_range(BmrtDtype t, int64_t *low, int64_t *high) {
    int bits = (int)bmrt_dtype_bytes(t) * 8;
    bool is_signed = t >= BMRT_I64 && t <= BMRT_I8;
    if (t == BMRT_BOOL) {
        *low = 0, *high = 1;
    } else if (bits == 64) {
        *low = is_signed ? INT64_MIN : 0;
        *high = INT64_MAX;
    } else {
        *high = (INT64_C(1) << (bits - is_signed)) - 1;
        *low = is_signed ? -*high - 1 : 0;
    }
}

/* The number as an integer of dtype t, when it is exactly that. */
static bool number_to_integer(Number n, BmrtDtype t, uint64_t *bits) {
    if (n.kind == NUMBER_FLOAT) {
        if (!(n.f >= -9223372036854775808.0 && n.f < 18446744073709551616.0) || floor(n.f) != n.f)
            return false;
        n = n.f < 9223372036854775808.0 ? (Number){NUMBER_SIGNED, .i = (int64_t)n.f}
                                        : (Number){NUMBER_UNSIGNED, .u = (uint64_t)n.f};
    }
    if (n.kind == NUMBER_UNSIGNED) {
        if (n.u > INT64_MAX) {
            *bits = n.u;
            return t == BMRT_U64;
        }
        n.i = (int64_t)n.u;
    }
    int64_t low, high;
    integer_range(t, &low, &high);
    *bits = (uint64_t)n.i;
    return n.i >= low && n.i <= high;
}

static double number_to_double(Number n) {
    return n.kind == NUMBER_FLOAT ? n.f : n.kind == NUMBER_SIGNED ? (double)n.i : (double)n.u;
}

static bool array_put(Array *a, int64_t index, Number n) {
    uint64_t bits = 0;
    switch (a->dtype) {
    case BMRT_F64: ((double *)a->data)[index] = number_to_double(n); return true;
    case BMRT_F32: ((float *)a->data)[index] = (float)number_to_double(n); return true;
    case BMRT_F16: ((uint16_t *)a->data)[index] = f16_from_f64(number_to_double(n)); return true;
    case BMRT_BF16: ((uint16_t *)a->data)[index] = bf16_from_f64(number_to_double(n)); return true;
    default: break;
    }
    if (!number_to_integer(n, a->dtype, &bits)) return false;
    size_t size = bmrt_dtype_bytes(a->dtype); /* little-endian: the low bytes come first */
    memcpy((char *)a->data + (size_t)index * size, &bits, size);
    return true;
}

static void number_text(Text *t, Number n) {
    if (n.kind == NUMBER_FLOAT)
        text_number(t, n.f);
    else if (n.kind == NUMBER_SIGNED)
        text_printf(t, "%" PRId64, n.i);
    else
        text_printf(t, "%" PRIu64, n.u);
}

bool array_convert(Context *ctx, const char *name, const Array *from, BmrtDtype to, Array *out) {
    *out = *from;
    if (from->dtype == to) return true;
    out->dtype = to;
    if (!array_alloc(ctx, out)) return false;
    int64_t n = array_elements(from);
    for (int64_t i = 0; i < n; i++) {
        Number value = array_get(from, i);
        if (array_put(out, i, value)) continue;
        Text t = {.arena = ctx->arena};
        number_text(&t, value);
        ctx_error(ctx, E_RUN_ARGUMENT, ((Span){0}), "input `%s`: %s is no %s (element %" PRId64 ")",
                  name, text_str(&t), DTYPE_NAMES[to], i);
        return false;
    }
    return true;
}

/* ---- literals: number | '[' literal { ',' literal } ']'; all lists of one depth have one length
 */

typedef struct Literal {
    Context *ctx;
    const char *at, *whole;
    VEC(double) values;
    int64_t dims[ARRAY_RANK_MAX]; /* -1: not seen yet */
    uint32_t rank;                /* of the numbers; UINT32_MAX: none seen yet */
} Literal;

static bool literal_fail(Literal *l, const char *why) {
    ctx_error(l->ctx, E_RUN_ARGUMENT, ((Span){0}), "`%s` is no array: %s", l->whole, why);
    return false;
}

static void literal_space(Literal *l) {
    while (*l->at == ' ' || *l->at == '\t' || *l->at == '\n') l->at++;
}

static bool literal_number(Literal *l, uint32_t depth) {
    char *end = NULL;
    double value = strtod(l->at, &end);
    if (end == l->at) return literal_fail(l, "a number is missing");
    if (l->rank != UINT32_MAX && l->rank != depth)
        return literal_fail(l, "numbers stand at different depths");
    if (l->values.len >= LITERAL_LIMIT) return literal_fail(l, "too long; use a .npy file");
    l->rank = depth;
    l->at = end;
    vec_push(l->ctx->arena, &l->values, value);
    return true;
}

static bool literal_value(Literal *l, uint32_t depth) { /* at most ARRAY_RANK_MAX deep */
    literal_space(l);
    if (*l->at != '[') return literal_number(l, depth);
    if (depth == ARRAY_RANK_MAX) return literal_fail(l, "too many axes");
    int64_t count = 0;
    do {
        l->at++; /* '[' or ',' */
        if (!literal_value(l, depth + 1)) return false;
        literal_space(l);
        count++;
    } while (*l->at == ',');
    if (*l->at++ != ']') return literal_fail(l, "a `]` is missing");
    if (l->dims[depth] >= 0 && l->dims[depth] != count)
        return literal_fail(l, "its rows have different lengths");
    l->dims[depth] = count;
    return true;
}

bool array_literal(Context *ctx, const char *text, Array *out) {
    Literal l = {.ctx = ctx, .at = text, .whole = text, .rank = UINT32_MAX};
    for (int i = 0; i < ARRAY_RANK_MAX; i++) l.dims[i] = -1;
    if (!literal_value(&l, 0)) return false;
    literal_space(&l);
    if (*l.at) return literal_fail(&l, "something follows it");
    *out = (Array){.dtype = BMRT_F64, .rank = l.rank};
    memcpy(out->dims, l.dims, sizeof out->dims);
    if (!array_alloc(ctx, out)) return false;
    memcpy(out->data, l.values.data, out->bytes);
    return true;
}

/* ---- printing */

/* The number that f is in dtype t; a text is read as an f64 first, for f16 too. */
static double rounded(BmrtDtype t, double f) {
    switch (t) {
    case BMRT_F16: return f16_to_f64(f16_from_f64(f));
    case BMRT_BF16: return bf16_to_f64(bf16_from_f64(f));
    default: return (double)(float)f;
    }
}

/* The fewest digits that read back as the same number of dtype t, at most 32 bits. */
static void add_float(Text *out, BmrtDtype t, double value) {
    char digits[32];
    int precision = t == BMRT_F32 ? 6 : t == BMRT_F16 ? 3 : 2;
    for (; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (rounded(t, strtod(digits, NULL)) == value) break;
    }
    text_add(out, digits);
}

static void print_element(Text *out, const Array *a, int64_t index, ArrayStyle style) {
    if (a->strings) {
        string_print(out, ((const char *const *)a->data)[index]);
        return;
    }
    Number n = array_get(a, index);
    bool lost = n.kind == NUMBER_FLOAT && !isfinite(n.f);
    if (lost && style == ARRAY_JSON)
        text_add(out, "null");
    else if (n.kind == NUMBER_FLOAT && a->dtype != BMRT_F64 && !lost)
        add_float(out, a->dtype, n.f);
    else
        number_text(out, n);
}

static void print_gap(Text *out, uint32_t axis, bool innermost, ArrayStyle style) {
    if (style == ARRAY_JSON || innermost) {
        text_add(out, style == ARRAY_JSON ? "," : ", ");
        return;
    }
    text_add(out, ",\n");
    for (uint32_t s = 0; s <= axis; s++) text_char(out, ' ');
}

static void print_axis(Text *out, const Array *a, uint32_t axis, int64_t first, ArrayStyle style) {
    if (axis == a->rank) {
        print_element(out, a, first, style);
        return;
    }
    int64_t n = a->dims[axis], stride = 1;
    for (uint32_t i = axis + 1; i < a->rank; i++) stride *= a->dims[i];
    text_char(out, '[');
    for (int64_t i = 0; i < n; i++) {
        if (i) print_gap(out, axis, axis + 1 == a->rank, style);
        if (style == ARRAY_SHORT && n > SHOWN_PER_AXIS && i == SHOWN_PER_AXIS / 2) {
            text_add(out, "...");
            i = n - SHOWN_PER_AXIS / 2 - 1;
            continue;
        }
        print_axis(out, a, axis + 1, first + i * stride, style);
    }
    text_char(out, ']');
}

void array_print(Text *out, const Array *a, ArrayStyle style) {
    if (style == ARRAY_SHORT && array_elements(a) <= SHOWN_ALL) style = ARRAY_FULL;
    print_axis(out, a, 0, 0, style);
}
