/* Running one entry: check the sizes, check the indices, plan, enter the team, read the flags.
 *
 * Inputs used as positions are checked here, before anything runs, so that a label out of range is
 * named with its row and nothing has been written. */
#include "runtime/core/core.h"
#include "runtime/core/inputs.h"

#include <string.h>

/* ALONE_NS: below this, waking a worker that sleeps costs more than it can save; what has no sizes
 * is a service's call for one row, which comes now and then (compiler/schedule/variants.c). */
enum { TEAM_NS = 3000, MEETING_NS = 1000, ALONE_NS = 40000 };

int32_t bmrt_entry_find(const BmrtModel *m, const char *name) {
    for (uint32_t i = 0; m && name && i < m->entry_count; i++)
        if (strcmp(m->entries[i].name, name) == 0) return (int32_t)i;
    return -1;
}

static bool within_bounds(const BmrtEntry *entry, const int64_t *symbols) {
    for (uint32_t i = 0; i < entry->symbol_count; i++)
        if (symbols[i] > entry->symbol_bounds[i]) return false;
    return true;
}

static BmrtStatus too_large(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols) {
    bmrt_fail(&h->message, BMRT_SHAPE, "`%s` cannot run at these sizes:", entry->name);
    for (uint32_t i = 0; i < entry->symbol_count; i++)
        bmrt_message_add(&h->message, "%s %s = %lld", i ? "," : "", entry->symbol_names[i],
                         (long long)symbols[i]);
    return BMRT_SHAPE;
}

/* Conditions on the sizes: BMRT_SHAPE with the first that does not hold and the sizes given. */
static BmrtStatus check_sizes(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols) {
    for (uint32_t i = 0; i < entry->check_count; i++) {
        const BmrtCheck *check = &entry->checks[i];
        int64_t value;
        bool holds = bmrt_dim_value(&check->value, symbols, &value);
        if (holds && (!check->zero || value == 0)) continue;
        (void)too_large(h, entry, symbols);
        bmrt_message_add(&h->message, "; %s", check->text);
        return BMRT_SHAPE;
    }
    return BMRT_OK;
}

static BmrtStatus index_error(BmrtHandle *h, const BmrtValue *v, const int64_t *symbols,
                              const void *data, int64_t count) {
    int64_t at = 0, rows = 1;
    while ((uint64_t)bmrt_index_at(v->dtype, data, at) < (uint64_t)v->index_limit) at++;
    if (v->rank > 0) (void)bmrt_dim_value(&v->dims[0], symbols, &rows);
    const int64_t row_elements = count / rows;
    h->bad_row = at / row_elements;
    h->bad_input = v->name;
    bmrt_fail(&h->message, BMRT_NUMERIC, "row %lld of `%s`", (long long)(at / row_elements),
              v->name);
    if (row_elements > 1)
        bmrt_message_add(&h->message, ", element %lld,", (long long)(at % row_elements));
    bmrt_message_add(&h->message, " is %lld, but must lie in 0 … %lld",
                     (long long)bmrt_index_at(v->dtype, data, at), (long long)v->index_limit - 1);
    return BMRT_NUMERIC;
}

static BmrtStatus check_value(BmrtHandle *h, const BmrtEntry *entry, const BmrtValue *v,
                              const int64_t *symbols, const void *data, bool input) {
    int64_t count, bytes;
    if (!bmrt_dims_elements(v->rank, v->dims, symbols, &count) ||
        __builtin_mul_overflow(count, (int64_t)bmrt_dtype_bytes(v->dtype), &bytes))
        return too_large(h, entry, symbols);
    if (!data && v->fallback) return BMRT_OK;
    if (!data && count > 0)
        return bmrt_fail(&h->message, BMRT_ARGUMENT, "`%s`: %s `%s` is a null pointer", entry->name,
                         input ? "input" : "output", v->name);
    if (input && v->index_limit > 0 && !bmrt_all_in_range(v->dtype, data, count, v->index_limit))
        return index_error(h, v, symbols, data, count);
    return BMRT_OK;
}

static BmrtStatus check_arguments(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                                  const void *const *inputs, void *const *outputs) {
    BmrtStatus status = BMRT_OK;
    if ((entry->symbol_count && !symbols) || (entry->input_count && !inputs) ||
        (entry->output_count && !outputs))
        return bmrt_fail(&h->message, BMRT_ARGUMENT, "`%s`: a null argument", entry->name);
    for (uint32_t i = 0; i < entry->symbol_count; i++)
        if (symbols[i] < 0) return too_large(h, entry, symbols);
    status = check_sizes(h, entry, symbols);
    for (uint32_t i = 0; status == BMRT_OK && i < entry->input_count; i++)
        status = check_value(h, entry, &entry->inputs[i], symbols, inputs[i], true);
    for (uint32_t i = 0; status == BMRT_OK && i < entry->output_count; i++)
        status = check_value(h, entry, &entry->outputs[i], symbols, outputs[i], false);
    return status;
}

/* Plans for symbols beyond the bounds; the last plan is kept, since batches of one size follow each
 * other. */
static BmrtStatus plan_larger(BmrtHandle *h, uint32_t number, const int64_t *symbols) {
    const BmrtEntry *entry = &h->model->entries[number];
    BmrtEntryPlan *plan = &h->plans[number];
    const size_t symbol_bytes = entry->symbol_count * sizeof *symbols;
    if (plan->larger_valid && memcmp(plan->symbols, symbols, symbol_bytes) == 0) return BMRT_OK;
    plan->larger_valid = false;
    if (!plan->larger) plan->larger = bmrt_new(h->hooks, entry->buffer_count, sizeof(int64_t));
    if (!plan->symbols) plan->symbols = bmrt_new(h->hooks, entry->symbol_count, sizeof(int64_t));
    plan->larger_bytes = plan->larger && plan->symbols
                             ? bmrt_plan(h->hooks, entry, symbols, plan->larger)
                             : BMRT_PLAN_MEMORY;
    if (plan->larger_bytes == BMRT_PLAN_OVERFLOW) return too_large(h, entry, symbols);
    if (plan->larger_bytes < 0)
        return bmrt_fail(&h->message, BMRT_MEMORY, "no memory to plan `%s`", entry->name);
    memcpy(plan->symbols, symbols, symbol_bytes);
    plan->larger_valid = true;
    return BMRT_OK;
}

static const BmrtVariant *variant_for(const BmrtEntry *entry, const int64_t *symbols) {
    for (uint32_t i = 0; i < entry->variant_count; i++)
        if (symbols[entry->variants[i].symbol] == entry->variants[i].value)
            return &entry->variants[i];
    return NULL;
}

/* The arena only grows. The old one goes first: entries keep nothing in it between calls. */
BmrtStatus bmrt_arena_reserve(BmrtHandle *h, const char *what, int64_t bytes) {
    if (h->arena.data && bytes <= (int64_t)h->arena.bytes - 64) return BMRT_OK;
    bmrt_block_free(h->hooks, &h->arena);
    if (bmrt_block_alloc(h->hooks, &h->arena, bytes)) return BMRT_OK;
    return bmrt_fail(&h->message, BMRT_MEMORY, "no memory to run `%s`: it needs %lld bytes", what,
                     (long long)bytes);
}

static BmrtStatus judge_flags(BmrtHandle *h, const BmrtEntry *entry, bool *wrote) {
    const uint32_t flags = h->flags;
    *wrote = (flags & (BMRT_FLAG_NONFINITE | BMRT_FLAG_INPUT)) == 0;
    if (flags == 0) return BMRT_OK;
    if (flags & BMRT_FLAG_NONFINITE)
        return bmrt_fail(&h->message, BMRT_NUMERIC,
                         "the loss is not finite at step %lld; nothing was written",
                         (long long)h->iteration + 1);
    if (flags & (BMRT_FLAG_INPUT | BMRT_FLAG_INDEX))
        return bmrt_fail(&h->message, BMRT_NUMERIC, "an index computed in `%s` is out of range%s",
                         entry->name, *wrote ? "" : "; nothing was written");
    return bmrt_fail(&h->message, BMRT_NUMERIC, "an integer division by zero in `%s`", entry->name);
}

/* Starting the workers and ending a run cost about a microsecond, a meeting half of one: below a
 * few microseconds of work the caller is faster alone. */
static bool worth_a_team(const BmrtEntry *entry, const int64_t *symbols) {
    double share = 1;
    if (entry->symbol_count == 0 && entry->kind == BMRT_ENTRY_EXPORT && entry->work_ns < ALONE_NS)
        return false;
    for (uint32_t i = 0; i < entry->symbol_count; i++)
        if (entry->symbol_bounds[i] > 0)
            share *= (double)symbols[i] / (double)entry->symbol_bounds[i];
    const double ns = entry->work_ns_one + share * (entry->work_ns - entry->work_ns_one);
    return entry->work_ns <= 0 || ns > TEAM_NS + MEETING_NS * (double)entry->meetings;
}

BmrtStatus bmrt_entry_run(BmrtHandle *h, uint32_t number, const int64_t *symbols,
                          const void *const *inputs, void *const *outputs, uint64_t step,
                          bool *wrote) {
    *wrote = false;
    h->bad_row = -1;
    if (number >= h->model->entry_count)
        return bmrt_fail(&h->message, BMRT_ARGUMENT, "the model has no entry %u", number);
    const BmrtEntry *entry = &h->model->entries[number];
    BmrtStatus status = check_arguments(h, entry, symbols, inputs, outputs);
    if (status != BMRT_OK) return status;
    const bool planned = within_bounds(entry, symbols);
    if (!planned && (status = plan_larger(h, number, symbols)) != BMRT_OK) return status;
    const BmrtEntryPlan *plan = &h->plans[number];
    const BmrtVariant *variant = planned ? variant_for(entry, symbols) : NULL;
    const int64_t needs = variant ? variant->arena_bytes : entry->arena_bytes;
    status = bmrt_arena_reserve(h, entry->name, planned ? needs : plan->larger_bytes);
    if (status != BMRT_OK) return status;
    BmrtShows shows = {0};
    if (entry->show_count &&
        (status = bmrt_shows_open(h, entry, symbols, outputs, &shows)) != BMRT_OK)
        return status;
    h->flags = 0;
    const void *filled[BMRT_FALLBACK_INPUTS_MAX];
    inputs = bmrt_with_fallbacks(entry, inputs, filled);
    BmrtFrame frame = {.arena = h->arena.data,
                       .offsets = variant   ? variant->offsets
                                  : planned ? plan->offsets
                                            : plan->larger,
                       .slots = h->slots.data,
                       .inputs = inputs,
                       .outputs = shows.all ? shows.all : outputs,
                       .symbols = symbols,
                       .seed = h->seed,
                       .step = step,
                       .iteration = (double)h->iteration,
                       .flags = &h->flags};
    if (h->steps > 0) frame.progress = (double)h->iteration / (double)h->steps;
    if (h->steps_per_epoch > 0) frame.epoch = (double)(h->iteration / h->steps_per_epoch);
    const bool team = variant ? !variant->alone : worth_a_team(entry, symbols);
    bmrt_team_run_entry(team ? h->team : NULL, variant ? variant->run : entry->run, &frame);
    if (shows.all) {
        bmrt_shows_tell(h, entry, symbols, &shows);
        bmrt_shows_close(h, entry, &shows);
    }
    return judge_flags(h, entry, wrote);
}

/* A statistic is NaN until it has been fitted. */
static BmrtStatus check_fits(BmrtHandle *h, const BmrtEntry *entry) {
    for (uint32_t i = 0; i < entry->fit_count; i++) {
        const BmrtSlot *slot = &h->model->slots[entry->fits[i]];
        const char *at = h->slots.data + slot->offset;
        float single;
        if (slot->dtype != BMRT_F32 || slot->bytes < 4) continue;
        memcpy(&single, at, sizeof single);
        if (single == single) continue;
        return bmrt_fail(&h->message, BMRT_MISMATCH,
                         "`%s` needs the statistic `%s`, which training has not fitted yet",
                         entry->name, slot->path);
    }
    return BMRT_OK;
}

BmrtStatus bmrt_call(BmrtHandle *h, uint32_t entry, const int64_t *symbols,
                     const void *const *inputs, void *const *outputs) {
    BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    /* Step 0 is initialisation. An export that draws has its own count of calls. */
    uint64_t step = (uint64_t)h->iteration + 1;
    bool wrote, strings = false;
    if (entry < h->model->entry_count) {
        const BmrtEntry *e = &h->model->entries[entry];
        if (e->kind == BMRT_ENTRY_INIT) step = 0;
        status = check_fits(h, e);
        if (status != BMRT_OK) return bmrt_handle_leave(h, status);
        if (e->kind == BMRT_ENTRY_EXPORT && e->draws) step = ++h->draws;
        strings = bmrt_entry_has_strings(e);
    }
    status = strings ? bmrt_entry_run_strings(h, entry, symbols, inputs, outputs, step, &wrote)
                     : bmrt_entry_run(h, entry, symbols, inputs, outputs, step, &wrote);
    return bmrt_handle_leave(h, status);
}

BmrtStatus bmrt_step(BmrtHandle *h, uint32_t entry, const int64_t *symbols,
                     const void *const *inputs, void *const *outputs) {
    BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    bool wrote;
    status = bmrt_entry_run(h, entry, symbols, inputs, outputs, (uint64_t)h->iteration + 1, &wrote);
    if (wrote) h->iteration++;
    return bmrt_handle_leave(h, status);
}

int64_t bmrt_workspace(const BmrtHandle *h, uint32_t number, const int64_t *symbols) {
    if (!h || !h->plans || number >= h->model->entry_count) return -1;
    const BmrtEntry *entry = &h->model->entries[number];
    for (uint32_t i = 0; i < entry->symbol_count; i++)
        if (!symbols || symbols[i] < 0) return -1;
    const BmrtVariant *variant = within_bounds(entry, symbols) ? variant_for(entry, symbols) : NULL;
    if (variant) return variant->arena_bytes;
    if (within_bounds(entry, symbols)) return entry->arena_bytes;
    int64_t *offsets = bmrt_new(h->hooks, entry->buffer_count, sizeof *offsets);
    const int64_t bytes = offsets ? bmrt_plan(h->hooks, entry, symbols, offsets) : BMRT_PLAN_MEMORY;
    bmrt_delete(h->hooks, offsets, entry->buffer_count, sizeof *offsets);
    return bytes;
}
