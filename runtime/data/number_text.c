/* Text to numbers. A mantissa below 2^53 times a power of ten up to 10^22 is exact in one operation
 * (Clinger 1990); the rest goes to strtod. */
#include "runtime/data/number_text.h"

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT_MAX = 400 };

static const char not_a_number[] = "is not a number";

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Case does not matter; `word` is lower case. */
static bool is_word(const char *text, size_t length, const char *word) {
    if (strlen(word) != length) return false;
    for (size_t i = 0; i < length; i++)
        if ((text[i] | 0x20) != word[i]) return false;
    return true;
}

typedef struct Decimal {
    bool negative, exact; /* exact: digits holds all of the mantissa */
    uint64_t digits;
    int64_t exponent; /* of ten */
} Decimal;

static const char *take_digits(const char *at, const char *end, Decimal *d, bool fraction,
                               bool *any) {
    for (; at < end && is_digit(*at); at++) {
        *any = true;
        if (d->digits > (UINT64_MAX - 9) / 10) {
            d->exact = false;
            continue;
        }
        d->digits = d->digits * 10 + (uint64_t)(*at - '0');
        d->exponent -= fraction;
    }
    return at;
}

static bool parse_decimal(const char *at, const char *end, Decimal *d) {
    bool any = false;
    *d = (Decimal){.exact = true};
    if (at < end && (*at == '-' || *at == '+')) d->negative = *at++ == '-';
    at = take_digits(at, end, d, false, &any);
    if (at < end && *at == '.') at = take_digits(at + 1, end, d, true, &any);
    if (!any) return false;
    if (at == end || (*at != 'e' && *at != 'E')) return at == end;
    bool negative = false;
    int64_t exponent = 0;
    if (++at < end && (*at == '-' || *at == '+')) negative = *at++ == '-';
    if (at == end) return false;
    for (; at < end && is_digit(*at); at++)
        if (exponent < 100000) exponent = exponent * 10 + (*at - '0');
    d->exponent += negative ? -exponent : exponent;
    return at == end;
}

/* strtod wants the decimal point of the process's locale and a zero byte. */
static const char *slow_decimal(const char *text, size_t length, double *out) {
    char copy[NUMBER_TEXT_MAX + 8];
    if (length > NUMBER_TEXT_MAX) return "is longer than a number may be (400 characters)";
    const struct lconv *locale = localeconv();
    const char *point = locale && *locale->decimal_point ? locale->decimal_point : ".";
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '.') {
            copy[n++] = text[i];
            continue;
        }
        const size_t bytes = strlen(point) < 4 ? strlen(point) : 1;
        memcpy(copy + n, point, bytes);
        n += bytes;
    }
    copy[n] = 0;
    char *end;
    *out = strtod(copy, &end);
    return *end ? not_a_number : NULL;
}

static const char *parse_double(const char *text, size_t length, double *out) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    Decimal d;
    if (!parse_decimal(text, text + length, &d)) {
        const bool sign = length && (*text == '-' || *text == '+');
        const char *word = text + sign;
        if (is_word(text, length, "nan"))
            *out = NAN;
        else if (is_word(word, length - sign, "inf") || is_word(word, length - sign, "infinity"))
            *out = *text == '-' ? -INFINITY : INFINITY;
        else
            return not_a_number;
        return NULL;
    }
    if (!d.exact || d.digits > (uint64_t)1 << 53 || d.exponent > 22 || d.exponent < -22)
        return slow_decimal(text, length, out);
    const double value = (double)d.digits;
    *out = d.exponent < 0 ? value / tens[-d.exponent] : value * tens[d.exponent];
    if (d.negative) *out = -*out;
    return NULL;
}

/* ------------------------------------------------------------------ integers */

static const char *parse_integer(const char *text, size_t length, uint64_t *magnitude,
                                 bool *negative) {
    size_t i = 0;
    *negative = false;
    *magnitude = 0;
    if (length && (*text == '-' || *text == '+')) *negative = text[i++] == '-';
    if (i == length) return not_a_number;
    for (; i < length && is_digit(text[i]); i++)
        if (__builtin_mul_overflow(*magnitude, 10, magnitude) ||
            __builtin_add_overflow(*magnitude, (uint64_t)(text[i] - '0'), magnitude))
            return "is out of range";
    if (i == length) return NULL;
    double value;
    return parse_double(text, length, &value) == NULL ? "is not a whole number" : not_a_number;
}

static const struct {
    BmrtDtype dtype;
    uint64_t largest, smallest; /* the latter without its sign */
} RANGES[] = {{BMRT_I64, INT64_MAX, (uint64_t)INT64_MAX + 1},
              {BMRT_I32, INT32_MAX, (uint64_t)INT32_MAX + 1},
              {BMRT_I16, INT16_MAX, (uint64_t)INT16_MAX + 1},
              {BMRT_I8, INT8_MAX, (uint64_t)INT8_MAX + 1},
              {BMRT_U64, UINT64_MAX, 0},
              {BMRT_U32, UINT32_MAX, 0},
              {BMRT_U16, UINT16_MAX, 0},
              {BMRT_U8, UINT8_MAX, 0}};

static const char *store_integer(const char *text, size_t length, BmrtDtype dtype, void *to) {
    uint64_t magnitude;
    bool negative;
    const char *wrong = parse_integer(text, length, &magnitude, &negative);
    if (wrong) return wrong;
    for (size_t i = 0; i < sizeof RANGES / sizeof *RANGES; i++) {
        if (RANGES[i].dtype != dtype) continue;
        if (magnitude > (negative ? RANGES[i].smallest : RANGES[i].largest))
            return "is out of range";
        const uint64_t bits = negative ? 0 - magnitude : magnitude;
        const uint32_t bits32 = (uint32_t)bits;
        const uint16_t bits16 = (uint16_t)bits;
        const uint8_t bits8 = (uint8_t)bits;
        switch (bmrt_dtype_bytes(dtype)) { /* whatever the machine's byte order */
        case 8: memcpy(to, &bits, 8); break;
        case 4: memcpy(to, &bits32, 4); break;
        case 2: memcpy(to, &bits16, 2); break;
        default: memcpy(to, &bits8, 1);
        }
        return NULL;
    }
    return "cannot be read as this type from text";
}

static const char *store_bool(const char *text, size_t length, void *to) {
    static const struct {
        const char *word;
        uint8_t value;
    } words[] = {{"0", 0}, {"1", 1}, {"false", 0}, {"true", 1}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const bool digit = is_digit(*words[i].word);
        if (digit ? length != 1 || *text != *words[i].word : !is_word(text, length, words[i].word))
            continue;
        *(uint8_t *)to = words[i].value;
        return NULL;
    }
    return "is not a bool: 0 1 true false";
}

const char *bmrt_number_parse(const char *text, size_t length, BmrtDtype dtype, void *to) {
    while (length && (*text == ' ' || *text == '\t')) text++, length--;
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
    if (length == 0) return "is empty";
    if (dtype == BMRT_BOOL) return store_bool(text, length, to);
    if (dtype != BMRT_F32 && dtype != BMRT_F64) return store_integer(text, length, dtype, to);
    double value = 0;
    const char *wrong = parse_double(text, length, &value);
    if (wrong) return wrong;
    const float single = (float)value;
    if (dtype == BMRT_F64)
        memcpy(to, &value, sizeof value);
    else
        memcpy(to, &single, sizeof single);
    return NULL;
}
