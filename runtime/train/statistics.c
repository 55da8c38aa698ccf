/* Statistics that exports take of a split's columns: `fit(quantile(score(d.valid.x), 0.99))`. They
 * depend on the weights, so they are computed anew whenever weights are saved, each by its FIT
 * entry over all rows of the split at once. */
#include "runtime/train/session.h"

static BmrtStatus run_statistic(BmrtSession *s, const BmrtStatistic *statistic) {
    const BmrtEntry *entry = &s->model->entries[statistic->entry];
    const BmrtDataset *data = &s->data[statistic->data];
    const BmrtRows *rows = &data->splits[statistic->split];
    BmrtBatcher batch = {.hooks = NULL};
    BmrtMessage message;
    int64_t symbol;
    if (!rows->present)
        return bmrt_report_text(s, BMRT_ARGUMENT, "data `%s` has no rows for `%s`",
                                data->recipe->name, entry->name);
    const void **inputs = bmrt_new(s->hooks, entry->input_count, sizeof *inputs);
    BmrtStatus status = inputs
                            ? bmrt_rows_symbols(entry, rows->count, &symbol, &message)
                            : bmrt_fail(&message, BMRT_MEMORY, "no memory for `%s`", entry->name);
    if (status == BMRT_OK)
        status = bmrt_batcher_open(&batch, s->handle, s->hooks, data, data->recipe->rows_entry,
                                   rows->count, &message);
    if (status == BMRT_OK)
        status = bmrt_batcher_make(&batch, rows->part, rows->order, 0, rows->count, &message);
    if (status != BMRT_OK) {
        bmrt_report(s, status, &message);
    } else if ((status = bmrt_bind_columns(s, entry, &batch, inputs)) == BMRT_OK) {
        status = bmrt_call(s->handle, (uint32_t)statistic->entry, &symbol, inputs, NULL);
        if (status != BMRT_OK) bmrt_report_handle(s, status);
    }
    bmrt_batcher_free(&batch);
    bmrt_delete(s->hooks, inputs, entry->input_count, sizeof *inputs);
    return status;
}

BmrtStatus bmrt_run_statistics(BmrtSession *s) {
    BmrtStatus status = BMRT_OK;
    for (uint32_t i = 0; status == BMRT_OK && i < s->model->statistic_count; i++) {
        const BmrtStatistic *statistic = &s->model->statistics[i];
        if (statistic->entry < 0 || statistic->entry >= (int32_t)s->model->entry_count ||
            statistic->data < 0 || statistic->data >= (int32_t)s->model->data_count)
            return bmrt_report_text(s, BMRT_MISMATCH, "a damaged descriptor of a statistic");
        status = run_statistic(s, statistic);
    }
    return status;
}
