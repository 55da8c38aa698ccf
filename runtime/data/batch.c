/* Batches: rows gathered by number, then the ROWS entry turns fields into columns.
 *
 * Rows lie scattered in memory, so the gather is bound by latency: the rows to come are prefetched
 * a few ahead. Rows that lie one after the other are not copied at all. */
#include "runtime/data/dataset.h"

#include <string.h>

#include "runtime/core/core.h"
#include "runtime/data/row_table.h"

enum { PREFETCH_ROWS = 6, PREFETCH_BYTES = 1024, LINE = 64 };

BmrtStatus bmrt_rows_symbols(const BmrtEntry *entry, int64_t rows, int64_t *symbols,
                             BmrtMessage *message) {
    bool found = entry->symbol_count <= 1;
    int64_t size;
    symbols[0] = rows;
    for (uint32_t i = 0; i < entry->input_count && found; i++) {
        const BmrtValue *v = &entry->inputs[i];
        found = v->rank > 0 && bmrt_dim_value(&v->dims[0], symbols, &size) && size == rows;
    }
    if (found) return BMRT_OK;
    return bmrt_fail(message, BMRT_SHAPE, "`%s` does not take batches of %lld rows", entry->name,
                     (long long)rows);
}

static int32_t find_value(const BmrtValue *values, uint32_t count, const char *name) {
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(values[i].name, name) == 0) return (int32_t)i;
    return -1;
}

/* The entry's inputs are fields, its outputs the columns. */
static BmrtStatus bind_entry(BmrtBatcher *b, BmrtMessage *message) {
    const BmrtData *recipe = b->data->recipe;
    const BmrtEntry *entry = &bmrt_model(b->handle)->entries[b->entry];
    int64_t one = 1, elements;
    for (uint32_t i = 0; i < entry->input_count; i++) {
        uint32_t f = 0;
        while (f < recipe->field_count &&
               strcmp(recipe->fields[f].name, entry->inputs[i].name) != 0)
            f++;
        if (f == recipe->field_count || recipe->fields[f].dtype != entry->inputs[i].dtype ||
            !bmrt_dims_elements(entry->inputs[i].rank, entry->inputs[i].dims, &one, &elements) ||
            elements * (int64_t)bmrt_dtype_bytes(entry->inputs[i].dtype) !=
                bmrt_field_row_bytes(&recipe->fields[f]))
            return bmrt_fail(message, BMRT_MISMATCH, "`%s` wants a field `%s` of type %s",
                             entry->name, entry->inputs[i].name,
                             bmrt_dtype_name(entry->inputs[i].dtype));
        b->field_of[i] = f;
    }
    return bmrt_rows_symbols(entry, 1, &one, message);
}

static BmrtStatus make_columns(BmrtBatcher *b, BmrtMessage *message) {
    const BmrtEntry *entry = &bmrt_model(b->handle)->entries[b->entry];
    for (uint32_t c = 0; c < entry->output_count; c++) {
        int64_t elements, bytes;
        if (!bmrt_dims_elements(entry->outputs[c].rank, entry->outputs[c].dims, &b->room,
                                &elements) ||
            __builtin_mul_overflow(elements, (int64_t)bmrt_dtype_bytes(entry->outputs[c].dtype),
                                   &bytes))
            return bmrt_fail(message, BMRT_SHAPE, "a batch of %lld rows is too large",
                             (long long)b->room);
        if (!bmrt_block_alloc(b->hooks, &b->made[c], bytes))
            return bmrt_fail(message, BMRT_MEMORY, "no memory for a batch of %lld rows",
                             (long long)b->room);
        b->columns[c] = b->made[c].data;
    }
    return BMRT_OK;
}

static uint32_t column_count(const BmrtBatcher *b) {
    return b->entry < 0 ? b->data->recipe->field_count
                        : bmrt_model(b->handle)->entries[b->entry].output_count;
}

static uint32_t input_count(const BmrtBatcher *b) {
    return b->entry < 0 ? 0 : bmrt_model(b->handle)->entries[b->entry].input_count;
}

BmrtStatus bmrt_batcher_open(BmrtBatcher *b, BmrtHandle *handle, const BmrtHooks *hooks,
                             const BmrtDataset *data, int32_t rows_entry, int64_t room,
                             BmrtMessage *message) {
    const uint32_t fields = data->recipe->field_count;
    *b = (BmrtBatcher){.handle = handle, .hooks = hooks, .data = data, .entry = rows_entry};
    b->room = room;
    if (rows_entry >= (int32_t)bmrt_model(handle)->entry_count)
        return bmrt_fail(message, BMRT_MISMATCH, "data `%s` names no entry", data->recipe->name);
    b->raw = bmrt_new(hooks, fields, sizeof *b->raw);
    b->fields = bmrt_new(hooks, fields, sizeof *b->fields);
    b->made = bmrt_new(hooks, column_count(b), sizeof *b->made);
    b->columns = bmrt_new(hooks, column_count(b), sizeof *b->columns);
    b->inputs = bmrt_new(hooks, input_count(b), sizeof *b->inputs);
    b->field_of = bmrt_new(hooks, input_count(b), sizeof *b->field_of);
    if (!b->raw || !b->fields || !b->made || !b->columns || !b->inputs || !b->field_of)
        return bmrt_fail(message, BMRT_MEMORY, "no memory for batches");
    for (uint32_t f = 0; f < fields; f++) {
        int64_t bytes;
        if (__builtin_mul_overflow(bmrt_field_row_bytes(&data->recipe->fields[f]), room, &bytes) ||
            !bmrt_block_alloc(hooks, &b->raw[f], bytes))
            return bmrt_fail(message, BMRT_MEMORY, "no memory for a batch of %lld rows",
                             (long long)room);
    }
    if (rows_entry < 0) return BMRT_OK;
    const BmrtStatus status = bind_entry(b, message);
    return status == BMRT_OK ? make_columns(b, message) : status;
}

static void prefetch_row(const char *row, size_t bytes) {
    for (size_t at = 0; at < bytes && at < PREFETCH_BYTES; at += LINE) __builtin_prefetch(row + at);
}

static void gather(char *to, const char *from, size_t bytes, size_t step, const uint32_t *order,
                   int64_t count) {
    for (int64_t i = 0; i < count && i < PREFETCH_ROWS; i++)
        prefetch_row(from + order[i] * step, bytes);
    for (int64_t i = 0; i < count; i++, to += bytes) {
        if (i + PREFETCH_ROWS < count) prefetch_row(from + order[i + PREFETCH_ROWS] * step, bytes);
        switch (bytes) { /* labels and other scalars, without a call */
        case 1: *to = from[order[i] * step]; break;
        case 4: memcpy(to, from + order[i] * step, 4); break;
        default: memcpy(to, from + order[i] * step, bytes);
        }
    }
}

/* Rows one after the other that share memory (windows). */
static void gather_run(char *to, const char *from, size_t bytes, size_t step, int64_t count) {
    for (int64_t i = 0; i < count; i++, to += bytes, from += step) memcpy(to, from, bytes);
}

BmrtStatus bmrt_batcher_make(BmrtBatcher *b, BmrtSplit part, const uint32_t *order, int64_t first,
                             int64_t count, BmrtMessage *message) {
    const BmrtData *recipe = b->data->recipe;
    b->rows = count;
    for (uint32_t f = 0; f < recipe->field_count; f++) {
        const size_t bytes = (size_t)bmrt_field_row_bytes(&recipe->fields[f]);
        const BmrtArray *array = &b->data->fields[part][f];
        const char *from = array->block.data;
        const size_t step = array->row_step ? (size_t)array->row_step : bytes;
        b->fields[f] = b->raw[f].data;
        if (order)
            gather(b->raw[f].data, from, bytes, step, order, count);
        else if (step == bytes)
            b->fields[f] = from + (size_t)first * bytes;
        else
            gather_run(b->raw[f].data, from + (size_t)first * step, bytes, step, count);
    }
    if (b->entry < 0) {
        for (uint32_t f = 0; f < recipe->field_count; f++) b->columns[f] = b->fields[f];
        return BMRT_OK;
    }
    for (uint32_t i = 0; i < input_count(b); i++) b->inputs[i] = b->fields[b->field_of[i]];
    BmrtStatus status =
        bmrt_call(b->handle, (uint32_t)b->entry, &count, b->inputs, (void *const *)b->columns);
    if (status != BMRT_OK) *message = b->handle->message;
    return status;
}

const void *bmrt_batcher_column(const BmrtBatcher *b, const BmrtValue *value) {
    const BmrtData *recipe = b->data->recipe;
    int64_t wanted, there = -1;
    BmrtDtype dtype = BMRT_DTYPE_COUNT;
    const void *column = NULL;
    if (!bmrt_dims_elements(value->rank, value->dims, &b->rows, &wanted)) return NULL;
    if (b->entry >= 0) {
        const BmrtEntry *entry = &bmrt_model(b->handle)->entries[b->entry];
        const int32_t c = find_value(entry->outputs, entry->output_count, value->name);
        if (c < 0) return NULL;
        const BmrtValue *output = &entry->outputs[c];
        dtype = output->dtype;
        column = b->columns[c];
        (void)bmrt_dims_elements(output->rank, output->dims, &b->rows, &there);
    }
    for (uint32_t f = 0; b->entry < 0 && f < recipe->field_count; f++) {
        if (strcmp(recipe->fields[f].name, value->name) != 0) continue;
        dtype = recipe->fields[f].dtype;
        column = b->columns[f];
        there =
            bmrt_field_row_bytes(&recipe->fields[f]) / (int64_t)bmrt_dtype_bytes(dtype) * b->rows;
    }
    return dtype == value->dtype && there == wanted ? column : NULL;
}

void bmrt_batcher_free(BmrtBatcher *b) {
    if (!b->hooks) return;
    const uint32_t fields = b->data->recipe->field_count, columns = column_count(b);
    for (uint32_t f = 0; b->raw && f < fields; f++) bmrt_block_free(b->hooks, &b->raw[f]);
    for (uint32_t c = 0; b->made && c < columns; c++) bmrt_block_free(b->hooks, &b->made[c]);
    bmrt_delete(b->hooks, b->raw, fields, sizeof *b->raw);
    bmrt_delete(b->hooks, b->fields, fields, sizeof *b->fields);
    bmrt_delete(b->hooks, b->made, columns, sizeof *b->made);
    bmrt_delete(b->hooks, b->columns, columns, sizeof *b->columns);
    bmrt_delete(b->hooks, b->inputs, input_count(b), sizeof *b->inputs);
    bmrt_delete(b->hooks, b->field_of, input_count(b), sizeof *b->field_of);
    *b = (BmrtBatcher){.hooks = NULL};
}
