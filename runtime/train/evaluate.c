/* Metrics over a split, as if the batch were the whole split: EVAL on batches in file order, its
 * partial results combined in f64 in ascending order and rounded once, then FINISH. */
#include <math.h>
#include <string.h>

#include "runtime/train/session.h"

enum { EVALUATE_ROWS = 1024 }; /* a batch, when the block does not say */

typedef struct Partial { /* one output of EVAL */
    BmrtBlock block;     /* as the entry writes it; later the combined value */
    double *total;
    int64_t elements;
} Partial;

typedef struct Evaluation {
    BmrtSession *s;
    const BmrtEval *eval;
    const BmrtEntry *entry;
    BmrtBatcher batch;
    Partial *partial;    /* per output of EVAL */
    const void **inputs; /* of EVAL */
    void **outputs;
} Evaluation;

double bmrt_scalar(BmrtDtype dtype, const void *data) {
    switch (dtype) {
    case BMRT_F64: return *(const double *)data;
    case BMRT_F32: return (double)*(const float *)data;
    case BMRT_I64: return (double)*(const int64_t *)data;
    case BMRT_I32: return (double)*(const int32_t *)data;
    case BMRT_BOOL:
    case BMRT_U8: return (double)*(const uint8_t *)data;
    default: return NAN;
    }
}

static void store_scalar(BmrtDtype dtype, void *data, double value) {
    switch (dtype) {
    case BMRT_F64: *(double *)data = value; break;
    case BMRT_F32: *(float *)data = (float)value; break;
    case BMRT_I64: *(int64_t *)data = (int64_t)value; break;
    default: *(int32_t *)data = (int32_t)value;
    }
}

/* IEEE 754-2019 maximum: NaN wins, -0 < +0. */
static double larger(double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    return a > b || (a == b && !signbit(a)) ? a : b;
}

static double combined(BmrtCombine how, double total, double value) {
    switch (how) {
    case BMRT_COMBINE_MAX: return larger(total, value);
    case BMRT_COMBINE_MIN: return -larger(-total, -value);
    default: return total + value;
    }
}

static BmrtStatus no_memory(Evaluation *e) {
    return bmrt_report_text(e->s, BMRT_MEMORY, "no memory to evaluate");
}

/* Partial results must not depend on the batch's size. */
static BmrtStatus make_partial(Evaluation *e, uint32_t i, int64_t rows) {
    const BmrtValue *v = &e->entry->outputs[i];
    const BmrtHooks *hooks = e->s->hooks;
    Partial *p = &e->partial[i];
    int64_t one, bytes, rows_less = rows > 1 ? rows - 1 : 2;
    const bool known = bmrt_dims_elements(v->rank, v->dims, &rows, &p->elements) &&
                       bmrt_dims_elements(v->rank, v->dims, &rows_less, &one);
    const bool plain = v->dtype == BMRT_F32 || v->dtype == BMRT_F64 || v->dtype == BMRT_I32 ||
                       v->dtype == BMRT_I64;
    if (!known || (e->eval->finish_entry >= 0 && (one != p->elements || !plain)) ||
        __builtin_mul_overflow(p->elements, (int64_t)bmrt_dtype_bytes(v->dtype), &bytes))
        return bmrt_report_text(e->s, BMRT_MISMATCH,
                                "`%s`: output `%s` cannot be combined over batches", e->entry->name,
                                v->name);
    p->total = bmrt_new(hooks, p->elements, sizeof *p->total);
    if (!p->total || !bmrt_block_alloc(hooks, &p->block, bytes)) return no_memory(e);
    e->outputs[i] = p->block.data;
    return BMRT_OK;
}

static BmrtStatus open_evaluation(Evaluation *e, const BmrtDataset *data, int64_t rows) {
    const BmrtHooks *hooks = e->s->hooks;
    BmrtMessage message;
    BmrtStatus status = BMRT_OK;
    e->partial = bmrt_new(hooks, e->entry->output_count, sizeof *e->partial);
    e->inputs = bmrt_new(hooks, e->entry->input_count, sizeof *e->inputs);
    e->outputs = bmrt_new(hooks, e->entry->output_count, sizeof *e->outputs);
    if (!e->partial || !e->inputs || !e->outputs) return no_memory(e);
    for (uint32_t i = 0; status == BMRT_OK && i < e->entry->output_count; i++)
        status = make_partial(e, i, rows);
    if (status != BMRT_OK) return status;
    status = bmrt_batcher_open(&e->batch, e->s->handle, hooks, data, data->recipe->rows_entry, rows,
                               &message);
    return status == BMRT_OK ? status : bmrt_report(e->s, status, &message);
}

static void close_evaluation(Evaluation *e) {
    const BmrtHooks *hooks = e->s->hooks;
    for (uint32_t i = 0; e->partial && i < e->entry->output_count; i++) {
        bmrt_delete(hooks, e->partial[i].total, e->partial[i].elements, sizeof(double));
        bmrt_block_free(hooks, &e->partial[i].block);
    }
    bmrt_delete(hooks, e->partial, e->entry->output_count, sizeof *e->partial);
    bmrt_delete(hooks, e->inputs, e->entry->input_count, sizeof *e->inputs);
    bmrt_delete(hooks, e->outputs, e->entry->output_count, sizeof *e->outputs);
    bmrt_batcher_free(&e->batch);
}

static BmrtStatus run_batch(Evaluation *e, const BmrtRows *split, int64_t first, int64_t count) {
    BmrtSession *s = e->s;
    BmrtMessage message;
    int64_t symbol;
    const uint32_t *order = split->order ? split->order + first : NULL;
    BmrtStatus status = bmrt_batcher_make(&e->batch, split->part, order, first, count, &message);
    if (status != BMRT_OK) return bmrt_report(s, status, &message);
    status = bmrt_bind_columns(s, e->entry, &e->batch, e->inputs);
    if (status != BMRT_OK) return status;
    status = bmrt_rows_symbols(e->entry, count, &symbol, &message);
    if (status != BMRT_OK) return bmrt_report(s, status, &message);
    status = bmrt_call(s->handle, (uint32_t)e->eval->eval_entry, &symbol, e->inputs, e->outputs);
    if (status != BMRT_OK)
        return bmrt_report_batch(s, status, e->batch.data, split->part, order, first);
    if (e->eval->finish_entry < 0) return BMRT_OK;
    for (uint32_t i = 0; i < e->entry->output_count; i++) {
        const BmrtDtype dtype = e->entry->outputs[i].dtype;
        const size_t size = bmrt_dtype_bytes(dtype);
        Partial *p = &e->partial[i];
        for (int64_t k = 0; k < p->elements; k++) {
            const double value = bmrt_scalar(dtype, p->block.data + (size_t)k * size);
            p->total[k] = first == 0 ? value : combined(e->eval->combine[i], p->total[k], value);
        }
    }
    return BMRT_OK;
}

/* FINISH takes EVAL's outputs by name; where the names differ, in order. */
static BmrtStatus bind_finish(Evaluation *e, const BmrtEntry *finish, const void **inputs) {
    for (uint32_t i = 0; i < finish->input_count; i++) {
        uint32_t at = 0;
        while (at < e->entry->output_count &&
               strcmp(e->entry->outputs[at].name, finish->inputs[i].name) != 0)
            at++;
        if (at == e->entry->output_count && finish->input_count == at) at = i;
        if (at == e->entry->output_count || e->entry->outputs[at].dtype != finish->inputs[i].dtype)
            return bmrt_report_text(e->s, BMRT_MISMATCH, "`%s` gives no `%s` to `%s`",
                                    e->entry->name, finish->inputs[i].name, finish->name);
        inputs[i] = e->partial[at].block.data;
    }
    return BMRT_OK;
}

static BmrtStatus finish_metrics(Evaluation *e, int64_t rows, double *values, void **outputs,
                                 const void **inputs) {
    const BmrtEntry *finish = &e->s->model->entries[e->eval->finish_entry];
    BmrtStatus status = bind_finish(e, finish, inputs);
    if (finish->symbol_count > 1) /* only the number of rows is known here */
        return bmrt_report_text(e->s, BMRT_MISMATCH, "`%s` wants more sizes than its rows",
                                finish->name);
    for (uint32_t i = 0; i < e->entry->output_count; i++) {
        const BmrtDtype dtype = e->entry->outputs[i].dtype;
        Partial *p = &e->partial[i];
        for (int64_t k = 0; k < p->elements; k++)
            store_scalar(dtype, p->block.data + (size_t)k * bmrt_dtype_bytes(dtype), p->total[k]);
    }
    for (uint32_t i = 0; i < finish->output_count; i++) {
        if (finish->outputs[i].rank != 0)
            return bmrt_report_text(e->s, BMRT_MISMATCH, "metric `%s` is not a single number",
                                    finish->outputs[i].name);
        outputs[i] = &values[i];
    }
    if (status == BMRT_OK) {
        status = bmrt_call(e->s->handle, (uint32_t)e->eval->finish_entry, &rows, inputs, outputs);
        if (status != BMRT_OK) bmrt_report_handle(e->s, status);
    }
    return status;
}

static BmrtStatus name_metrics(Evaluation *e, const BmrtEntry *entry, void *const *outputs,
                               BmrtMetric *metrics) {
    for (uint32_t m = 0; m < e->eval->metric_count; m++) {
        uint32_t at = 0;
        while (at < entry->output_count &&
               strcmp(entry->outputs[at].name, e->eval->metrics[m]) != 0)
            at++;
        if (at == entry->output_count && e->eval->metric_count == at) at = m;
        if (at == entry->output_count || entry->outputs[at].rank != 0)
            return bmrt_report_text(e->s, BMRT_MISMATCH, "`%s` gives no metric `%s`", entry->name,
                                    e->eval->metrics[m]);
        metrics[m].name = e->eval->metrics[m];
        metrics[m].value = bmrt_scalar(entry->outputs[at].dtype, outputs[at]);
    }
    return BMRT_OK;
}

static BmrtStatus finish(Evaluation *e, int64_t rows, BmrtMetric *metrics) {
    const BmrtHooks *hooks = e->s->hooks;
    if (e->eval->finish_entry < 0) return name_metrics(e, e->entry, e->outputs, metrics);
    const BmrtEntry *entry = &e->s->model->entries[e->eval->finish_entry];
    double *values = bmrt_new(hooks, entry->output_count, sizeof *values);
    void **outputs = bmrt_new(hooks, entry->output_count, sizeof *outputs);
    const void **inputs = bmrt_new(hooks, entry->input_count, sizeof *inputs);
    BmrtStatus status = values && outputs && inputs
                            ? finish_metrics(e, rows, values, outputs, inputs)
                            : no_memory(e);
    if (status == BMRT_OK) status = name_metrics(e, entry, outputs, metrics);
    bmrt_delete(hooks, values, entry->output_count, sizeof *values);
    bmrt_delete(hooks, outputs, entry->output_count, sizeof *outputs);
    bmrt_delete(hooks, inputs, entry->input_count, sizeof *inputs);
    return status;
}

BmrtStatus bmrt_evaluate(BmrtSession *s, const BmrtEval *eval, const BmrtDataset *data,
                         BmrtSplit split, int64_t batch, BmrtMetric *metrics) {
    const BmrtRows *rows = &data->splits[split];
    if (eval->eval_entry < 0 || eval->eval_entry >= (int32_t)s->model->entry_count ||
        eval->finish_entry >= (int32_t)s->model->entry_count)
        return bmrt_report_text(s, BMRT_MISMATCH, "the model's descriptor names no eval entry");
    Evaluation e = {.s = s, .eval = eval, .entry = &s->model->entries[eval->eval_entry]};
    if (batch <= 0) batch = EVALUATE_ROWS;
    if (batch > rows->count || eval->finish_entry < 0) batch = rows->count;
    BmrtStatus status = open_evaluation(&e, data, batch);
    for (int64_t first = 0; status == BMRT_OK && first < rows->count; first += batch) {
        const int64_t left = rows->count - first;
        status = run_batch(&e, rows, first, left < batch ? left : batch);
    }
    if (status == BMRT_OK) status = finish(&e, rows->count, metrics);
    close_evaluation(&e);
    return status;
}
