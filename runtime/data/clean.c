/* `drop:` and `dedup:`. Rows are not moved: what is left is a list of row numbers, so that messages
 * can still name a row of the file. */
#include "runtime/data/clean.h"

#include <math.h>
#include <string.h>

#include "runtime/data/row_table.h"

enum { DROP_ROWS = 4096 };

static BmrtStatus no_memory(const BmrtDataset *data, BmrtMessage *message) {
    return bmrt_fail(message, BMRT_MEMORY, "no memory to clean data `%s`", data->recipe->name);
}

static const char *row_at(const BmrtArray *a, int64_t row_bytes, int64_t row) {
    return a->block.data + row * (a->row_step ? a->row_step : row_bytes);
}

/* ------------------------------------------------------------------ drop */

/* The block's compiled condition on all rows, in batches. */
static BmrtStatus mark_dropped(const BmrtDataset *data, BmrtSplit part, BmrtHandle *handle,
                               uint8_t *out, BmrtMessage *message) {
    BmrtBatcher batch;
    const int64_t rows = data->part_rows[part];
    const int32_t entry = data->recipe->drop_entry;
    if (!handle) return bmrt_fail(message, BMRT_ARGUMENT, "`drop:` needs an open model");
    BmrtStatus status = bmrt_batcher_open(&batch, handle, data->hooks, data, entry,
                                          rows < DROP_ROWS ? rows : DROP_ROWS, message);
    if (status == BMRT_OK) {
        const BmrtEntry *e = &bmrt_model(handle)->entries[entry];
        if (e->output_count != 1 || e->outputs[0].dtype != BMRT_BOOL || e->outputs[0].rank != 1)
            status = bmrt_fail(message, BMRT_MISMATCH, "`%s` gives no bool for a row", e->name);
    }
    for (int64_t first = 0; status == BMRT_OK && first < rows; first += DROP_ROWS) {
        const int64_t left = rows - first, count = left < DROP_ROWS ? left : DROP_ROWS;
        status = bmrt_batcher_make(&batch, part, NULL, first, count, message);
        if (status == BMRT_OK) memcpy(out + first, batch.columns[0], (size_t)count);
    }
    bmrt_batcher_free(&batch);
    return status;
}

/* ------------------------------------------------------------------ dedup */

typedef struct Duplicates {
    const BmrtDataset *data;
    const BmrtArray *arrays;
    int64_t row_bytes[BMRT_DEDUP_MAX];
    uint32_t *table; /* 1 + row number; 0: free */
    uint64_t mask;
} Duplicates;

static uint64_t hash_row(const Duplicates *d, int64_t row) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < d->data->recipe->dedup_count; i++) {
        const char *at = row_at(&d->arrays[d->data->recipe->dedup[i]], d->row_bytes[i], row);
        for (int64_t k = 0; k < d->row_bytes[i]; k++)
            hash = (hash ^ (unsigned char)at[k]) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 32;
}

static bool rows_equal(const Duplicates *d, int64_t a, int64_t b) {
    bool equal = true;
    for (uint32_t i = 0; equal && i < d->data->recipe->dedup_count; i++) {
        const BmrtArray *array = &d->arrays[d->data->recipe->dedup[i]];
        equal = memcmp(row_at(array, d->row_bytes[i], a), row_at(array, d->row_bytes[i], b),
                       (size_t)d->row_bytes[i]) == 0;
    }
    return equal;
}

/* True when an earlier row that was kept is equal. */
static bool seen_before(Duplicates *d, int64_t row) {
    uint64_t at = hash_row(d, row) & d->mask;
    for (; d->table[at]; at = (at + 1) & d->mask)
        if (rows_equal(d, (int64_t)d->table[at] - 1, row)) return true;
    d->table[at] = (uint32_t)row + 1;
    return false;
}

static BmrtStatus mark_duplicates(BmrtDataset *data, BmrtSplit part, uint8_t *out,
                                  BmrtMessage *message) {
    const BmrtData *recipe = data->recipe;
    const int64_t rows = data->part_rows[part];
    Duplicates d = {.data = data, .arrays = data->fields[part]};
    int64_t size = 16;
    if (recipe->dedup_count > BMRT_DEDUP_MAX)
        return bmrt_fail(message, BMRT_ARGUMENT, "`dedup:` of more than %d fields", BMRT_DEDUP_MAX);
    while (size < 2 * rows) size *= 2;
    for (uint32_t i = 0; i < recipe->dedup_count; i++)
        d.row_bytes[i] = bmrt_field_row_bytes(&recipe->fields[recipe->dedup[i]]);
    d.table = bmrt_new(data->hooks, size, sizeof *d.table);
    if (!d.table) return no_memory(data, message);
    d.mask = (uint64_t)size - 1;
    for (int64_t row = 0; row < rows; row++) {
        if (out[row] || !seen_before(&d, row)) continue;
        out[row] = 1;
        data->counts.duplicates++;
    }
    bmrt_delete(data->hooks, d.table, size, sizeof *d.table);
    return BMRT_OK;
}

/* ------------------------------------------------------------------ counting and keeping */

static int64_t missing_in_row(const BmrtField *field, const char *at, int64_t bytes) {
    int64_t count = 0;
    if (field->kind == BMRT_FIELD_TOKENS) return *(const int32_t *)(const void *)at < 0;
    const int64_t n = bytes / (int64_t)bmrt_dtype_bytes(field->dtype);
    for (int64_t i = 0; i < n; i++) {
        if (field->kind == BMRT_FIELD_CATEGORY)
            count += ((const int32_t *)(const void *)at)[i] == 0;
        else if (field->dtype == BMRT_F32)
            count += isnan(((const float *)(const void *)at)[i]) != 0;
        else if (field->dtype == BMRT_F64)
            count += isnan(((const double *)(const void *)at)[i]) != 0;
    }
    return count;
}

static bool is_text(const BmrtData *recipe, BmrtSplit part, uint32_t field) {
    for (uint32_t i = 0; i < recipe->source_count; i++) {
        const BmrtSource *source = &recipe->sources[i];
        if (source->split == part && source->format == BMRT_FORMAT_CSV &&
            (source->field < 0 || source->field == (int32_t)field))
            return true;
    }
    return false;
}

/* Only text has missing cells; binary fields may share memory at odd addresses. */
static void count_missing(BmrtDataset *data, BmrtSplit part, const uint8_t *out) {
    const BmrtData *recipe = data->recipe;
    for (uint32_t f = 0; f < recipe->field_count; f++) {
        const BmrtField *field = &recipe->fields[f];
        const int64_t bytes = bmrt_field_row_bytes(field);
        if (field->kind == BMRT_FIELD_NAMES || !is_text(recipe, part, f)) continue;
        for (int64_t row = 0; row < data->part_rows[part]; row++)
            if (!out || !out[row])
                data->counts.missing[f] +=
                    missing_in_row(field, row_at(&data->fields[part][f], bytes, row), bytes);
    }
}

static BmrtStatus keep_rows(BmrtDataset *data, BmrtSplit part, const uint8_t *out,
                            BmrtMessage *message) {
    BmrtRows *kept = &data->kept[part];
    int64_t count = 0;
    for (int64_t row = 0; row < data->part_rows[part]; row++) count += !out[row];
    if (count == 0)
        return bmrt_fail(message, BMRT_FORMAT,
                         "data `%s`: cleaning leaves none of %lld rows\n%lld match `drop:`, %lld "
                         "are duplicates",
                         data->recipe->name, (long long)data->part_rows[part],
                         (long long)data->counts.dropped, (long long)data->counts.duplicates);
    kept->order = bmrt_new(data->hooks, count, sizeof *kept->order);
    if (!kept->order) return no_memory(data, message);
    kept->count = count;
    int64_t to = 0;
    for (int64_t row = 0; row < data->part_rows[part]; row++)
        if (!out[row]) kept->order[to++] = (uint32_t)row;
    return BMRT_OK;
}

BmrtStatus bmrt_clean_part(BmrtDataset *data, BmrtSplit part, BmrtHandle *handle,
                           BmrtMessage *message) {
    const BmrtData *recipe = data->recipe;
    const int64_t rows = data->part_rows[part];
    BmrtStatus status = BMRT_OK;
    data->counts.rows += rows;
    data->kept[part] = (BmrtRows){part, rows, NULL, 1};
    if (recipe->drop_entry < 0 && recipe->dedup_count == 0) {
        count_missing(data, part, NULL);
        return BMRT_OK;
    }
    uint8_t *out = bmrt_new(data->hooks, rows, 1);
    if (!out) return no_memory(data, message);
    if (recipe->drop_entry >= 0) status = mark_dropped(data, part, handle, out, message);
    for (int64_t row = 0; row < rows; row++) data->counts.dropped += out[row];
    if (status == BMRT_OK && recipe->dedup_count)
        status = mark_duplicates(data, part, out, message);
    if (status == BMRT_OK) count_missing(data, part, out);
    if (status == BMRT_OK) status = keep_rows(data, part, out, message);
    bmrt_delete(data->hooks, out, rows, 1);
    return status;
}
