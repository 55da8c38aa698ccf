/* The numbers of categories, and the statistics of the train rows: what the rows of other splits,
 * and of exports, get from the train rows. */
#include <math.h>
#include <string.h>

#include "runtime/core/core.h"
#include "runtime/data/clean.h"
#include "runtime/data/row_table.h"

static BmrtStatus no_memory(const BmrtDataset *data, BmrtMessage *message) {
    return bmrt_fail(message, BMRT_MEMORY, "no memory for the categories of data `%s`",
                     data->recipe->name);
}

static int64_t field_cells(const BmrtField *field) {
    return bmrt_field_row_bytes(field) / (int64_t)sizeof(int32_t);
}

static int32_t *cells_of(const BmrtDataset *data, BmrtSplit part, uint32_t f) {
    return (int32_t *)(void *)data->fields[part][f].block.data;
}

/* map[raw number]: the final one, by first appearance in the train rows. */
static BmrtStatus number_by_train(BmrtDataset *data, uint32_t f, int32_t *map,
                                  BmrtNames *vocabulary, BmrtMessage *message) {
    const BmrtField *field = &data->recipe->fields[f];
    const BmrtRows *train = &data->splits[BMRT_SPLIT_TRAIN];
    const int32_t *cells = cells_of(data, train->part, f);
    const int64_t n = field_cells(field);
    int32_t next = 0;
    for (int64_t r = 0; r < train->count; r++) {
        const int64_t row = train->order ? train->order[r] : r;
        for (int64_t i = 0; i < n; i++) {
            const int32_t raw = cells[row * n + i];
            if (raw == 0 || map[raw]) continue;
            const char *name = bmrt_names_get(&data->names[f], raw - 1);
            if (next >= field->category_max) {
                map[raw] = -1;
                data->counts.unnamed[f]++;
                continue;
            }
            map[raw] = ++next;
            if (vocabulary && bmrt_names_add(vocabulary, name, strlen(name)) < 0)
                return no_memory(data, message);
        }
    }
    return BMRT_OK;
}

void bmrt_number_by_vocabulary(const BmrtDataset *data, uint32_t f, int32_t *map,
                               const BmrtNames *vocabulary) {
    for (int64_t raw = 1; raw <= data->names[f].count; raw++) {
        const char *name = bmrt_names_get(&data->names[f], raw - 1);
        map[raw] = (int32_t)(bmrt_names_find(vocabulary, name, strlen(name)) + 1);
    }
}

static void renumber(BmrtDataset *data, uint32_t f, const int32_t *map) {
    for (int part = 0; part < BMRT_SPLIT_COUNT; part++) {
        if (!data->fields[part]) continue;
        int32_t *cells = cells_of(data, (BmrtSplit)part, f);
        for (int64_t i = 0; i < data->fields[part][f].elements; i++)
            if (cells[i] >= 0) cells[i] = map[cells[i]] > 0 ? map[cells[i]] : 0;
    }
}

static BmrtStatus number_field(BmrtDataset *data, uint32_t f, BmrtHandle *handle,
                               const BmrtPaths *paths, BmrtFault *fault) {
    const BmrtField *field = &data->recipe->fields[f];
    BmrtNames *vocabulary = bmrt_vocabulary_of(handle, data->recipe, f);
    const bool known = vocabulary && vocabulary->count > 0;
    if (!known && !field->words_path && !data->splits[BMRT_SPLIT_TRAIN].present) {
        fault->line = field->line;
        fault->column = field->column;
        return bmrt_fail(&fault->message, BMRT_MISMATCH,
                         "the names of field `%s` are known neither from the weights nor from "
                         "train rows",
                         field->name);
    }
    const int64_t count = data->names[f].count + 1;
    int32_t *map = bmrt_new(data->hooks, count, sizeof *map);
    if (!map) return no_memory(data, &fault->message);
    BmrtStatus status = BMRT_OK;
    if (known)
        bmrt_number_by_vocabulary(data, f, map, vocabulary);
    else if (field->words_path)
        status = bmrt_number_by_file(data, f, paths, map, vocabulary, fault);
    else if (field->kind == BMRT_FIELD_TOKENS)
        status = bmrt_number_by_frequency(data, f, map, vocabulary, &fault->message);
    else
        status = number_by_train(data, f, map, vocabulary, &fault->message);
    if (status == BMRT_OK) renumber(data, f, map);
    bmrt_delete(data->hooks, map, count, sizeof *map);
    return status;
}

BmrtStatus bmrt_number_categories(BmrtDataset *data, BmrtHandle *handle, const BmrtPaths *paths,
                                  BmrtFault *fault) {
    bool loaded = false;
    for (int part = 0; part < BMRT_SPLIT_COUNT; part++) loaded |= data->fields[part] != NULL;
    for (uint32_t f = 0; loaded && f < data->recipe->field_count; f++) {
        const BmrtFieldKind kind = data->recipe->fields[f].kind;
        if (kind != BMRT_FIELD_CATEGORY && kind != BMRT_FIELD_TOKENS) continue;
        const BmrtStatus status = number_field(data, f, handle, paths, fault);
        if (status != BMRT_OK) return status;
        if (handle) handle->names_in_use = true;
    }
    return BMRT_OK;
}

/* ------------------------------------------------------------------ fit */

static bool all_finite(const BmrtHandle *h, const BmrtSlot *slot) {
    const char *at = h->slots.data + slot->offset;
    for (int64_t i = 0; slot->dtype == BMRT_F32 && i < slot->bytes / 4; i++)
        if (!isfinite(((const float *)(const void *)at)[i])) return false;
    for (int64_t i = 0; slot->dtype == BMRT_F64 && i < slot->bytes / 8; i++)
        if (!isfinite(((const double *)(const void *)at)[i])) return false;
    return true;
}

/* NAME.COLUMN.fitN, the slot that the entry of that name writes. */
static const BmrtSlot *slot_of(const BmrtHandle *h, const BmrtEntry *entry) {
    for (uint32_t i = 0; i < h->model->slot_count; i++)
        if (strcmp(h->model->slots[i].path, entry->name) == 0) return &h->model->slots[i];
    return NULL;
}

static BmrtStatus check_fitted(BmrtHandle *h, const BmrtSlot *slot, BmrtMessage *message) {
    if (all_finite(h, slot)) return BMRT_OK;
    return bmrt_fail(
        message, BMRT_NUMERIC,
        "the statistic `%s` of the train rows is not finite\nis there a column without "
        "a single value, or with infinite ones?",
        slot->path);
}

static BmrtStatus run_fit(const BmrtDataset *data, BmrtHandle *handle, const BmrtBatcher *batch,
                          uint32_t entry, BmrtMessage *message) {
    const BmrtEntry *e = &handle->model->entries[entry];
    const BmrtSlot *slot = slot_of(handle, e);
    if (!slot) return bmrt_fail(message, BMRT_MISMATCH, "`%s` fits no slot", e->name);
    if (all_finite(handle, slot)) return BMRT_OK; /* it came with weights */
    const void **inputs = bmrt_new(data->hooks, e->input_count, sizeof *inputs);
    int64_t symbol;
    if (!inputs) return no_memory(data, message);
    BmrtStatus status = bmrt_rows_symbols(e, batch->rows, &symbol, message);
    for (uint32_t i = 0; status == BMRT_OK && i < e->input_count; i++) {
        inputs[i] = bmrt_batcher_column(batch, &e->inputs[i]);
        if (!inputs[i])
            status = bmrt_fail(message, BMRT_MISMATCH, "`%s` wants a field `%s` of another type",
                               e->name, e->inputs[i].name);
    }
    if (status == BMRT_OK) {
        status = bmrt_call(handle, entry, &symbol, inputs, NULL);
        if (status != BMRT_OK) *message = handle->message;
    }
    if (status == BMRT_OK) status = check_fitted(handle, slot, message);
    bmrt_delete(data->hooks, inputs, e->input_count, sizeof *inputs);
    return status;
}

BmrtStatus bmrt_dataset_fit(const BmrtDataset *data, BmrtHandle *handle, BmrtMessage *message) {
    const BmrtRows *train = &data->splits[BMRT_SPLIT_TRAIN];
    const BmrtData *recipe = data->recipe;
    BmrtBatcher batch;
    if (recipe->fit_count == 0) return BMRT_OK;
    if (!train->present)
        return bmrt_fail(message, BMRT_ARGUMENT, "data `%s` has no train rows to fit on",
                         recipe->name);
    BmrtStatus status =
        bmrt_batcher_open(&batch, handle, data->hooks, data, -1, train->count, message);
    if (status == BMRT_OK)
        status = bmrt_batcher_make(&batch, train->part, train->order, 0, train->count, message);
    for (uint32_t i = 0; status == BMRT_OK && i < recipe->fit_count; i++)
        status = run_fit(data, handle, &batch, (uint32_t)recipe->fit_entries[i], message);
    bmrt_batcher_free(&batch);
    return status;
}
