/* Growing columns: all fields grow together, each by doubling. */
#include "runtime/data/row_table.h"

#include <string.h>

enum { FIRST_ROWS = 256 };

int64_t bmrt_field_row_bytes(const BmrtField *field) {
    int64_t bytes = (int64_t)bmrt_dtype_bytes(field->dtype);
    for (uint32_t i = 0; i < field->rank; i++)
        if (field->dims[i] < 0 || __builtin_mul_overflow(bytes, field->dims[i], &bytes)) return -1;
    return bytes;
}

BmrtStatus bmrt_table_open(BmrtTable *t, const BmrtHooks *hooks, const BmrtField *fields,
                           uint32_t field_count, BmrtNames *names, BmrtMessage *message) {
    *t = (BmrtTable){.hooks = hooks, .fields = fields, .field_count = field_count, .names = names};
    t->row_bytes = bmrt_new(hooks, field_count, sizeof *t->row_bytes);
    t->blocks = bmrt_new(hooks, field_count, sizeof *t->blocks);
    if (!t->row_bytes || !t->blocks)
        return bmrt_fail(message, BMRT_MEMORY, "no memory to read rows");
    for (uint32_t f = 0; f < field_count; f++) {
        t->row_bytes[f] = bmrt_field_row_bytes(&fields[f]);
        if (t->row_bytes[f] < 0 || fields[f].rank >= BMRT_ARRAY_RANK_MAX)
            return bmrt_fail(message, BMRT_ARGUMENT, "a row of `%s` is too large", fields[f].name);
    }
    return BMRT_OK;
}

static BmrtStatus grow(BmrtTable *t, BmrtMessage *message) {
    const int64_t room = t->room ? 2 * t->room : FIRST_ROWS;
    for (uint32_t f = 0; f < t->field_count; f++) {
        BmrtBlock larger;
        int64_t bytes;
        if (__builtin_mul_overflow(room, t->row_bytes[f], &bytes) ||
            !bmrt_block_alloc(t->hooks, &larger, bytes))
            return bmrt_fail(message, BMRT_MEMORY, "no memory for %lld rows", (long long)room);
        if (t->rows) memcpy(larger.data, t->blocks[f].data, (size_t)(t->rows * t->row_bytes[f]));
        bmrt_block_free(t->hooks, &t->blocks[f]);
        t->blocks[f] = larger;
    }
    t->room = room;
    return BMRT_OK;
}

BmrtStatus bmrt_table_add(BmrtTable *t, BmrtMessage *message) {
    if (t->rows == UINT32_MAX)
        return bmrt_fail(message, BMRT_FORMAT, "more than %u rows", UINT32_MAX);
    if (t->rows == t->room) {
        const BmrtStatus status = grow(t, message);
        if (status != BMRT_OK) return status;
    }
    t->rows++;
    return BMRT_OK;
}

void bmrt_table_take(BmrtTable *t, BmrtArray *arrays) {
    for (uint32_t f = 0; f < t->field_count; f++) {
        const BmrtField *field = &t->fields[f];
        BmrtArray *a = &arrays[f];
        *a = (BmrtArray){.dtype = field->dtype, .rank = field->rank + 1, .block = t->blocks[f]};
        a->dims[0] = t->rows;
        for (uint32_t i = 0; i < field->rank; i++) a->dims[i + 1] = field->dims[i];
        a->bytes = t->rows * t->row_bytes[f]; /* fits: the block was allocated */
        a->elements = a->bytes / (int64_t)bmrt_dtype_bytes(field->dtype);
        t->blocks[f] = (BmrtBlock){NULL, 0};
    }
    t->rows = t->room = 0;
}

void bmrt_table_free(BmrtTable *t) {
    if (!t->hooks) return;
    for (uint32_t f = 0; t->blocks && f < t->field_count; f++)
        bmrt_block_free(t->hooks, &t->blocks[f]);
    bmrt_delete(t->hooks, t->blocks, t->field_count, sizeof *t->blocks);
    bmrt_delete(t->hooks, t->row_bytes, t->field_count, sizeof *t->row_bytes);
    *t = (BmrtTable){.hooks = NULL};
}
