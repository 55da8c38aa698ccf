/* Reading an array file: header, limits, memory, content, byte order, element order, checks. */
#include "runtime/data/array.h"

#include <string.h>

#include "runtime/data/reader.h"

BmrtStatus bmrt_read_header_bytes(BmrtStream *s, void *out, int64_t bytes) {
    int64_t got;
    const BmrtStatus status = bmrt_stream_read(s, out, bytes, &got);
    if (status != BMRT_OK || got == bytes) return status;
    if (s->position == 0) return bmrt_fail(s->message, BMRT_FORMAT, "%s is empty", s->name);
    return bmrt_fail(s->message, BMRT_FORMAT, "%s is cut off in its header, after %lld bytes",
                     s->name, (long long)s->position);
}

static BmrtStatus count_elements(BmrtStream *s, BmrtArray *a) {
    bool fits = true;
    a->elements = 1;
    for (uint32_t i = 0; i < a->rank; i++)
        fits = fits && !__builtin_mul_overflow(a->elements, a->dims[i], &a->elements);
    fits = fits &&
           !__builtin_mul_overflow(a->elements, (int64_t)bmrt_dtype_bytes(a->dtype), &a->bytes);
    if (fits && a->bytes <= bmrt_stream_limit(s)) return BMRT_OK;
    bmrt_fail(s->message, BMRT_FORMAT, "%s says it holds ", s->name);
    bmrt_message_add_shape(s->message, a->dtype, a->rank, a->dims);
    bmrt_message_add(s->message, ", but it has only %lld bytes%s", (long long)s->file_bytes,
                     s->gzip ? " (compressed): too few for any compression" : "");
    return BMRT_FORMAT;
}

static BmrtStatus read_content(BmrtStream *s, BmrtArray *a) {
    int64_t got, header = s->position;
    uint8_t extra;
    BmrtStatus status = bmrt_stream_read(s, a->block.data, a->bytes, &got);
    if (status != BMRT_OK) return status;
    if (got < a->bytes) {
        bmrt_fail(s->message, BMRT_FORMAT, "%s is cut off: its header says ", s->name);
        bmrt_message_add_shape(s->message, a->dtype, a->rank, a->dims);
        bmrt_message_add(s->message, ", %lld bytes, but only %lld follow it", (long long)a->bytes,
                         (long long)got);
        return BMRT_FORMAT;
    }
    /* Also makes zlib compare its checksum. */
    status = bmrt_stream_read(s, &extra, 1, &got);
    if (status != BMRT_OK || got == 0) return status;
    bmrt_fail(s->message, BMRT_FORMAT, "%s is longer than its header says: ", s->name);
    bmrt_message_add_shape(s->message, a->dtype, a->rank, a->dims);
    bmrt_message_add(s->message, " ends at byte %lld%s", (long long)(header + a->bytes),
                     s->gzip ? " of the content" : "");
    return BMRT_FORMAT;
}

static void swap_bytes(BmrtArray *a) {
    const size_t size = bmrt_dtype_bytes(a->dtype);
    uint8_t *at = (uint8_t *)a->block.data;
    for (int64_t i = 0; i < a->elements && size > 1; i++, at += size)
        for (size_t j = 0; j < size / 2; j++) {
            const uint8_t byte = at[j];
            at[j] = at[size - 1 - j];
            at[size - 1 - j] = byte;
        }
}

/* First axis fastest to last axis fastest. */
static BmrtStatus reorder(BmrtStream *s, BmrtArray *a) {
    const size_t size = bmrt_dtype_bytes(a->dtype);
    int64_t strides[BMRT_ARRAY_RANK_MAX], index[BMRT_ARRAY_RANK_MAX] = {0}, from = 0, stride = 1;
    BmrtBlock block;
    if (a->rank < 2 || a->elements == 0) return BMRT_OK;
    if (!bmrt_block_alloc(s->hooks, &block, a->bytes))
        return bmrt_fail(s->message, BMRT_MEMORY, "no memory to read `%s`", s->name);
    for (uint32_t i = 0; i < a->rank; i++) {
        strides[i] = stride;
        stride *= a->dims[i];
    }
    for (int64_t to = 0; to < a->elements; to++) {
        memcpy(block.data + (size_t)to * size, a->block.data + (size_t)from * size, size);
        for (uint32_t axis = a->rank; axis-- > 0;) {
            from += strides[axis];
            if (++index[axis] < a->dims[axis]) break;
            from -= strides[axis] * a->dims[axis];
            index[axis] = 0;
        }
    }
    bmrt_block_free(s->hooks, &a->block);
    a->block = block;
    return BMRT_OK;
}

/* Compiled code takes a bool's byte to be 0 or 1. */
static BmrtStatus check_bools(BmrtStream *s, const BmrtArray *a) {
    for (int64_t i = 0; a->dtype == BMRT_BOOL && i < a->elements; i++)
        if ((uint8_t)a->block.data[i] > 1)
            return bmrt_fail(s->message, BMRT_FORMAT, "%s: element %lld is %u, not a bool", s->name,
                             (long long)i, (uint8_t)a->block.data[i]);
    return BMRT_OK;
}

static BmrtStatus read_array(BmrtStream *s, BmrtFormat format, BmrtArray *out) {
    BmrtLayout layout;
    BmrtStatus status = format == BMRT_FORMAT_NPY ? bmrt_npy_header(s, out, &layout)
                                                  : bmrt_idx_header(s, out, &layout);
    if (status == BMRT_OK) status = count_elements(s, out);
    if (status != BMRT_OK) return status;
    if (!bmrt_block_alloc(s->hooks, &out->block, out->bytes))
        return bmrt_fail(s->message, BMRT_MEMORY, "no memory for %s: %lld bytes", s->name,
                         (long long)out->bytes);
    status = read_content(s, out);
    if (status == BMRT_OK && layout.swapped) swap_bytes(out);
    if (status == BMRT_OK && layout.fortran) status = reorder(s, out);
    return status == BMRT_OK ? check_bools(s, out) : status;
}

BmrtStatus bmrt_array_read(const BmrtHooks *hooks, const char *path, BmrtFormat format,
                           BmrtArray *out, BmrtMessage *message) {
    BmrtStream stream;
    *out = (BmrtArray){.rank = 0};
    if (format != BMRT_FORMAT_IDX && format != BMRT_FORMAT_NPY)
        return bmrt_fail(message, BMRT_ARGUMENT, "`%s`: this format is not supported yet", path);
    BmrtStatus status = bmrt_stream_open(&stream, hooks, path, message);
    if (status == BMRT_OK) status = read_array(&stream, format, out);
    bmrt_stream_close(&stream);
    if (status != BMRT_OK) bmrt_array_free(hooks, out);
    return status;
}

BmrtFormat bmrt_array_format(const char *path) {
    size_t n = strlen(path);
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0) n -= 3;
    return n > 4 && memcmp(path + n - 4, ".npy", 4) == 0 ? BMRT_FORMAT_NPY : BMRT_FORMAT_IDX;
}

void bmrt_array_free(const BmrtHooks *hooks, BmrtArray *array) {
    bmrt_block_free(hooks, &array->block);
}
