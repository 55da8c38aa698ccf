/* `show(x, "h")` in a debug build: shape, range, mean and a corner of a tensor, as text for whoever
 * listens. The values are further outputs of the entry, in room that lives as long as the call. */
#include "runtime/core/core.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CORNER_ROWS = 3, CORNER_COLUMNS = 6, SHOW_TEXT_BYTES = 1024, SHOW_RANK_MAX = 16 };

BmrtStatus bmrt_shows_open(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                           void *const *given, BmrtShows *shows) {
    const uint32_t own = entry->output_count, count = entry->show_count;
    bool ok = true;
    shows->all = bmrt_new(h->hooks, (int64_t)own + count, sizeof *shows->all);
    shows->blocks = bmrt_new(h->hooks, count, sizeof *shows->blocks);
    ok = shows->all && shows->blocks;
    if (ok && own) memcpy(shows->all, given, own * sizeof *given);
    for (uint32_t i = 0; ok && i < count; i++) {
        const BmrtValue *v = &entry->shows[i];
        int64_t elements, bytes;
        ok = bmrt_dims_elements(v->rank, v->dims, symbols, &elements) &&
             !__builtin_mul_overflow(elements, (int64_t)bmrt_dtype_bytes(v->dtype), &bytes) &&
             bmrt_block_alloc(h->hooks, &shows->blocks[i], bytes);
        if (ok) shows->all[own + i] = shows->blocks[i].data;
    }
    if (ok) return BMRT_OK;
    bmrt_shows_close(h, entry, shows);
    return bmrt_fail(&h->message, BMRT_MEMORY, "no memory for what `%s` shows", entry->name);
}

void bmrt_shows_close(BmrtHandle *h, const BmrtEntry *entry, BmrtShows *shows) {
    const uint32_t count = entry->show_count;
    for (uint32_t i = 0; shows->blocks && i < count; i++)
        bmrt_block_free(h->hooks, &shows->blocks[i]);
    bmrt_delete(h->hooks, shows->blocks, count, sizeof *shows->blocks);
    bmrt_delete(h->hooks, shows->all, (int64_t)entry->output_count + count, sizeof *shows->all);
    *shows = (BmrtShows){0};
}

/* ------------------------------------------------------------------ one element */

/* IEEE binary16, exactly. */
static double from_half(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double x = fraction, power = 0x1p-24; /* of a fraction's last bit */
    if (exponent == 31) x = fraction ? (double)NAN : (double)INFINITY;
    if (exponent > 0) x += 1024;
    for (int e = 1; e < exponent; e++) power *= 2;
    return (bits >> 15 ? -x : x) * power;
}

static double element(BmrtDtype dtype, const char *data, int64_t i) {
    uint32_t word;
    float single;
    switch (dtype) {
    case BMRT_F64: return ((const double *)(const void *)data)[i];
    case BMRT_F32: return (double)((const float *)(const void *)data)[i];
    case BMRT_F16: return from_half(((const uint16_t *)(const void *)data)[i]);
    case BMRT_BF16:
        word = (uint32_t)((const uint16_t *)(const void *)data)[i] << 16;
        memcpy(&single, &word, sizeof single);
        return (double)single;
    case BMRT_I64: return (double)((const int64_t *)(const void *)data)[i];
    case BMRT_I32: return ((const int32_t *)(const void *)data)[i];
    case BMRT_I16: return ((const int16_t *)(const void *)data)[i];
    case BMRT_I8: return ((const int8_t *)(const void *)data)[i];
    case BMRT_U64: return (double)((const uint64_t *)(const void *)data)[i];
    case BMRT_U32: return ((const uint32_t *)(const void *)data)[i];
    case BMRT_U16: return ((const uint16_t *)(const void *)data)[i];
    case BMRT_U8:
    case BMRT_BOOL: return ((const uint8_t *)(const void *)data)[i];
    default: return (double)NAN;
    }
}

/* ------------------------------------------------------------------ text */

typedef struct ShowText {
    char text[SHOW_TEXT_BYTES];
    size_t used;
} ShowText;

__attribute__((format(printf, 2, 3))) static void put(ShowText *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const size_t room = sizeof t->text - t->used;
    const int need = vsnprintf(t->text + t->used, room, format, arguments);
    va_end(arguments);
    if (need > 0) t->used += (size_t)need < room ? (size_t)need : room - 1;
}

/* "-1.25 to 3.5, mean 0.125, 2 NaN"; what is not finite takes no part in range and mean. */
static void put_range(ShowText *t, BmrtDtype dtype, const char *data, int64_t count) {
    double least = (double)INFINITY, most = -(double)INFINITY, sum = 0;
    int64_t nans = 0, infinities = 0, finite = 0;
    for (int64_t i = 0; i < count; i++) {
        const double x = element(dtype, data, i);
        if (isnan(x)) {
            nans++;
        } else if (isinf(x)) {
            infinities++;
        } else {
            finite++;
            sum += x;
            if (x < least) least = x;
            if (x > most) most = x;
        }
    }
    if (count == 0) put(t, ", empty");
    if (finite && count == 1) put(t, ", %.7g", least);
    if (finite && count > 1) put(t, ", %.7g to %.7g, mean %.7g", least, most, sum / (double)finite);
    if (nans) put(t, ", %lld NaN", (long long)nans);
    if (infinities) put(t, ", %lld infinite", (long long)infinities);
}

/* The first elements along the last two axes, at position 0 of all others. */
static void put_corner(ShowText *t, BmrtDtype dtype, const char *data, uint32_t rank,
                       const int64_t *dims, int64_t count) {
    if (count <= 1) return;
    const int64_t columns = dims[rank - 1], rows = rank > 1 ? dims[rank - 2] : 1;
    for (int64_t r = 0; r < rows && r < CORNER_ROWS; r++) {
        put(t, "   ");
        for (int64_t c = 0; c < columns && c < CORNER_COLUMNS; c++)
            put(t, " %.5g", element(dtype, data, r * columns + c));
        put(t, columns > CORNER_COLUMNS ? " ...\n" : "\n");
    }
    if (rows > CORNER_ROWS || count > rows * columns) put(t, "    ...\n");
}

static void tell(BmrtHandle *h, const BmrtValue *v, const int64_t *symbols, const char *data) {
    ShowText t = {.used = 0};
    int64_t dims[SHOW_RANK_MAX], count = 1;
    put(&t, "%s: [", v->name);
    for (uint32_t i = 0; i < v->rank && i < SHOW_RANK_MAX; i++) {
        (void)bmrt_dim_value(&v->dims[i], symbols, &dims[i]);
        count *= dims[i];
        put(&t, "%s%lld", i ? ", " : "", (long long)dims[i]);
    }
    put(&t, "] %s", bmrt_dtype_name(v->dtype));
    put_range(&t, v->dtype, data, count);
    put(&t, "\n");
    put_corner(&t, v->dtype, data, v->rank, dims, count);
    if (t.used && t.text[t.used - 1] == '\n') t.text[t.used - 1] = 0;
    h->show(h->show_user, t.text);
}

void bmrt_shows_tell(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                     const BmrtShows *shows) {
    for (uint32_t i = 0; h->show && i < entry->show_count; i++)
        tell(h, &entry->shows[i], symbols, shows->blocks[i].data);
}
