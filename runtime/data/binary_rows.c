/* Files of plain numbers, little-endian, plain or gzip: records of all fields one after the other,
 * and runs of one type that are cut into rows or windows. */
#include <string.h>

#include "runtime/data/read_rows.h"
#include "runtime/data/reader.h"

static void swap_elements(char *data, int64_t bytes, size_t size) {
    for (int64_t at = 0; size > 1 && at < bytes; at += (int64_t)size)
        for (size_t j = 0; j < size / 2; j++) {
            const char byte = data[at + (int64_t)j];
            data[at + (int64_t)j] = data[at + (int64_t)(size - 1 - j)];
            data[at + (int64_t)(size - 1 - j)] = byte;
        }
}

/* Compiled code takes a bool's byte to be 0 or 1. */
static BmrtStatus check_bools(const BmrtStream *s, BmrtDtype dtype, const char *data,
                              int64_t bytes) {
    for (int64_t i = 0; dtype == BMRT_BOOL && i < bytes; i++)
        if ((uint8_t)data[i] > 1)
            return bmrt_fail(s->message, BMRT_FORMAT, "%s: byte %lld is %u, not a bool", s->name,
                             (long long)(s->position - bytes + i), (uint8_t)data[i]);
    return BMRT_OK;
}

static BmrtStatus skip_bytes(BmrtStream *s, int64_t skip) {
    char waste[512];
    while (skip > 0) {
        const int64_t take = skip < (int64_t)sizeof waste ? skip : (int64_t)sizeof waste;
        int64_t got;
        const BmrtStatus status = bmrt_stream_read(s, waste, take, &got);
        if (status != BMRT_OK) return status;
        if (got < take)
            return bmrt_fail(s->message, BMRT_FORMAT,
                             "%s has only %lld bytes, fewer than `skip` says", s->name,
                             (long long)s->position);
        skip -= take;
    }
    return BMRT_OK;
}

/* ------------------------------------------------------------------ records */

static BmrtStatus read_record(BmrtTable *t, BmrtStream *s, bool *ended) {
    int64_t got, size = 0;
    const int64_t before = s->position;
    BmrtStatus status = bmrt_table_add(t, s->message);
    for (uint32_t f = 0; f < t->field_count; f++) size += t->row_bytes[f];
    for (uint32_t f = 0; status == BMRT_OK && f < t->field_count; f++) {
        char *to = bmrt_table_cell(t, f);
        const int64_t bytes = t->row_bytes[f];
        status = bmrt_stream_read(s, to, bytes, &got);
        if (status != BMRT_OK) return status;
        if (got < bytes && s->position == before) {
            t->rows--;
            *ended = true;
            return BMRT_OK;
        }
        if (got < bytes)
            return bmrt_fail(s->message, BMRT_FORMAT,
                             "%s ends within a record: the one at byte %lld has %lld of %lld bytes",
                             s->name, (long long)before, (long long)(s->position - before),
                             (long long)size);
        if (!bmrt_little_endian()) swap_elements(to, bytes, bmrt_dtype_bytes(t->fields[f].dtype));
        status = check_bools(s, t->fields[f].dtype, to, bytes);
    }
    return status;
}

BmrtStatus bmrt_record_rows(BmrtTable *t, const BmrtSource *source, const char *path,
                            BmrtMessage *message) {
    BmrtStream stream;
    int64_t size = 0, before = t->rows;
    bool ended = false;
    for (uint32_t f = 0; f < t->field_count; f++)
        if (__builtin_add_overflow(size, t->row_bytes[f], &size) ||
            t->fields[f].kind != BMRT_FIELD_NUMBER)
            return bmrt_fail(message, BMRT_ARGUMENT,
                             "field `%s` cannot be read from binary records", t->fields[f].name);
    if (size == 0) return bmrt_fail(message, BMRT_ARGUMENT, "records of no bytes");
    BmrtStatus status = bmrt_stream_open(&stream, t->hooks, path, message);
    if (status == BMRT_OK) status = skip_bytes(&stream, source->skip);
    while (status == BMRT_OK && !ended) status = read_record(t, &stream, &ended);
    if (status == BMRT_OK && t->rows == before)
        status = bmrt_fail(message, BMRT_FORMAT, "%s holds no records", stream.name);
    bmrt_stream_close(&stream);
    return status;
}

/* ------------------------------------------------------------------ runs of numbers */

/* Everything that follows; grown by doubling up to what the file can hold. */
static BmrtStatus read_rest(BmrtStream *s, BmrtBlock *out, int64_t *bytes) {
    const int64_t limit = bmrt_stream_limit(s);
    int64_t room = s->gzip ? 1 << 20 : s->file_bytes + 1, got;
    BmrtStatus status = BMRT_OK;
    *bytes = 0;
    if (!bmrt_block_alloc(s->hooks, out, room))
        return bmrt_fail(s->message, BMRT_MEMORY, "no memory for %s", s->name);
    for (;;) {
        status = bmrt_stream_read(s, out->data + *bytes, room - *bytes, &got);
        *bytes += got;
        if (status != BMRT_OK || *bytes < room) return status;
        BmrtBlock larger;
        if (room > limit || __builtin_mul_overflow(room, 2, &room) ||
            !bmrt_block_alloc(s->hooks, &larger, room))
            return bmrt_fail(s->message, BMRT_MEMORY, "no memory for %s", s->name);
        memcpy(larger.data, out->data, (size_t)*bytes);
        bmrt_block_free(s->hooks, out);
        *out = larger;
    }
}

static BmrtStatus cut_rows(const BmrtStream *s, const BmrtField *field, const BmrtSource *source,
                           int64_t bytes, BmrtArray *out) {
    const int64_t size = (int64_t)bmrt_dtype_bytes(field->dtype), row = bmrt_field_row_bytes(field);
    const int64_t stride = source->window ? source->stride * size : row;
    if (row <= 0 || stride <= 0 || (source->window && source->window * size != row))
        return bmrt_fail(s->message, BMRT_ARGUMENT,
                         "field `%s` is a row of %lld elements, the source gives rows of %lld",
                         field->name, (long long)(row / size), (long long)source->window);
    if (bytes % size != 0)
        return bmrt_fail(s->message, BMRT_FORMAT,
                         "%s holds %lld bytes, no multiple of the %lld of a %s", s->name,
                         (long long)bytes, (long long)size, bmrt_dtype_name(field->dtype));
    if (bytes < row)
        return bmrt_fail(s->message, BMRT_FORMAT,
                         "%s holds %lld elements, fewer than one row of %lld", s->name,
                         (long long)(bytes / size), (long long)(row / size));
    if (!source->window && bytes % row != 0)
        return bmrt_fail(s->message, BMRT_FORMAT,
                         "%s holds %lld elements, no multiple of a row's %lld", s->name,
                         (long long)(bytes / size), (long long)(row / size));
    const int64_t rows = (bytes - row) / stride + 1;
    if (rows > UINT32_MAX)
        return bmrt_fail(s->message, BMRT_FORMAT, "%s holds %lld rows; %u is the limit", s->name,
                         (long long)rows, UINT32_MAX);
    out->dtype = field->dtype;
    out->rank = field->rank + 1;
    out->dims[0] = rows;
    for (uint32_t i = 0; i < field->rank; i++) out->dims[i + 1] = field->dims[i];
    /* As if the rows did not share memory. */
    if (__builtin_mul_overflow(rows, row, &out->bytes))
        return bmrt_fail(s->message, BMRT_FORMAT, "%s: too many windows", s->name);
    out->elements = out->bytes / size;
    out->row_step = stride;
    return BMRT_OK;
}

BmrtStatus bmrt_element_rows(const BmrtHooks *hooks, const BmrtField *field,
                             const BmrtSource *source, const char *path, BmrtArray *out,
                             BmrtMessage *message) {
    BmrtStream stream;
    int64_t bytes = 0;
    *out = (BmrtArray){.rank = 0};
    BmrtStatus status = bmrt_stream_open(&stream, hooks, path, message);
    if (status == BMRT_OK) status = skip_bytes(&stream, source->skip);
    if (status == BMRT_OK) status = read_rest(&stream, &out->block, &bytes);
    if (status == BMRT_OK) status = cut_rows(&stream, field, source, bytes, out);
    if (status == BMRT_OK && !bmrt_little_endian())
        swap_elements(out->block.data, bytes, bmrt_dtype_bytes(field->dtype));
    if (status == BMRT_OK) status = check_bools(&stream, field->dtype, out->block.data, bytes);
    bmrt_stream_close(&stream);
    if (status != BMRT_OK) bmrt_array_free(hooks, out);
    return status;
}
