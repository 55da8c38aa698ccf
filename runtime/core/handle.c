/* A handle: a model's slots, its arena, its thread team and its counters. */
#include "runtime/core/core.h"

#include <string.h>

static BmrtStatus check_model(const BmrtModel *m, BmrtMessage *message) {
    if (m->abi != BMRT_ABI || m->size_bytes != sizeof(BmrtModel))
        return bmrt_fail(message, BMRT_MISMATCH,
                         "the model was compiled for runtime ABI %u (%u bytes), this is %u (%zu "
                         "bytes): compile it again",
                         m->abi, m->size_bytes, BMRT_ABI, sizeof(BmrtModel));
    for (uint32_t i = 0; i < m->slot_count; i++) {
        const BmrtSlot *s = &m->slots[i];
        if (s->offset < 0 || s->offset % 64 || s->bytes < 0 ||
            s->bytes > m->slots_bytes - s->offset)
            return bmrt_fail(message, BMRT_MISMATCH, "the model's descriptor is damaged: slot `%s`",
                             s->path);
    }
    for (uint32_t i = 0; i < m->vocabulary_count; i++) {
        const BmrtVocabulary *v = &m->vocabularies[i];
        if (v->data < 0 || v->data >= (int32_t)m->data_count ||
            v->field >= m->data[v->data].field_count)
            return bmrt_fail(message, BMRT_MISMATCH,
                             "the model's descriptor is damaged: vocabulary `%s`", v->path);
    }
    if (m->init_entry >= (int32_t)m->entry_count)
        return bmrt_fail(message, BMRT_MISMATCH, "the model's descriptor is damaged: init entry");
    return BMRT_OK;
}

static BmrtStatus make_plans(BmrtHandle *h) {
    const BmrtModel *m = h->model;
    h->plans = bmrt_new(h->hooks, m->entry_count, sizeof *h->plans);
    bool ok = h->plans != NULL;
    for (uint32_t e = 0; ok && e < m->entry_count; e++) {
        const BmrtEntry *entry = &m->entries[e];
        h->plans[e].offsets = bmrt_new(h->hooks, entry->buffer_count, sizeof(int64_t));
        ok = h->plans[e].offsets != NULL;
        for (uint32_t b = 0; ok && b < entry->buffer_count; b++)
            h->plans[e].offsets[b] = entry->buffers[b].offset;
    }
    return ok ? BMRT_OK : bmrt_fail(&h->message, BMRT_MEMORY, "no memory for the model's plans");
}

static BmrtStatus make_team(BmrtHandle *h, int32_t threads) {
    BmrtTeam *team = NULL;
    int error = 0;
    if (threads < 0 || threads > bmrt_team_most())
        return bmrt_fail(&h->message, BMRT_ARGUMENT, "%d threads: must be 0 (all CPUs) to %d%s",
                         threads, bmrt_team_most(),
                         bmrt_team_most() > 1 ? "" : " in a library for a single thread");
    if (threads == 0) threads = bmrt_cpu_count();
    if (threads > 1 && !(team = bmrt_team_create(h->hooks, threads, &error)))
        return bmrt_fail(&h->message, BMRT_MEMORY, "cannot start %d threads: %s", threads,
                         strerror(error));
    bmrt_team_destroy(h->team);
    h->team = team;
    h->threads = threads;
    return BMRT_OK;
}

static BmrtStatus make_slots(BmrtHandle *h) {
    if (h->model->slots_bytes < 0 || !bmrt_block_alloc(h->hooks, &h->slots, h->model->slots_bytes))
        return bmrt_fail(&h->message, BMRT_MEMORY, "no memory for the weights (%lld bytes)",
                         (long long)h->model->slots_bytes);
    memset(h->slots.data, 0, h->slots.bytes);
    return BMRT_OK;
}

static BmrtStatus run_init_entry(BmrtHandle *h) {
    bool wrote;
    if (h->model->init_entry < 0) return BMRT_OK;
    const BmrtEntry *entry = &h->model->entries[h->model->init_entry];
    if (entry->symbol_count || entry->input_count || entry->output_count)
        return bmrt_fail(&h->message, BMRT_MISMATCH, "the model's init entry takes arguments");
    return bmrt_entry_run(h, (uint32_t)h->model->init_entry, NULL, NULL, NULL, 0, &wrote);
}

/* Weights that the model carries are copied; the init entry runs only when some slot has none. */
static BmrtStatus initialise(BmrtHandle *h) {
    const BmrtModel *m = h->model;
    uint32_t carried = 0;
    for (uint32_t i = 0; i < m->slot_count; i++) carried += m->slots[i].initial != NULL;
    BmrtStatus status = carried < m->slot_count ? run_init_entry(h) : BMRT_OK;
    for (uint32_t i = 0; i < m->slot_count && status == BMRT_OK; i++) {
        const BmrtSlot *s = &m->slots[i];
        if (s->initial) memcpy((char *)h->slots.data + s->offset, s->initial, (size_t)s->bytes);
    }
    return status;
}

/* Whether a file of weights gives every slot its value: a library for serving then opens without
 * drawing weights that would be replaced at once, which takes longer than reading them. */
static bool file_gives_all(const BmrtModel *m) {
    for (uint32_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].kind != BMRT_SLOT_PARAM && m->slots[i].kind != BMRT_SLOT_STATE)
            return false;
    return true;
}

static BmrtStatus first_values(BmrtHandle *h, const char *weights) {
    const bool from_file = weights && file_gives_all(h->model);
    BmrtStatus status = from_file ? BMRT_OK : initialise(h);
    if (status != BMRT_OK || !weights) return status;
    status = bmrt_load(h, weights);
    if (status != BMRT_OK && from_file) (void)initialise(h); /* the message is the file's */
    return status;
}

/* Calls of an export for one row, or of what has no sizes, find their scratch memory: they allocate
 * nothing, from the first on. */
static BmrtStatus reserve_exports(BmrtHandle *h) {
    BmrtStatus status = BMRT_OK;
    for (uint32_t e = 0; e < h->model->entry_count && status == BMRT_OK; e++) {
        const BmrtEntry *entry = &h->model->entries[e];
        if (entry->kind != BMRT_ENTRY_EXPORT && entry->kind != BMRT_ENTRY_STEP) continue;
        if (entry->symbol_count == 0)
            status = bmrt_arena_reserve(h, entry->name, entry->arena_bytes);
        for (uint32_t v = 0; v < entry->variant_count && status == BMRT_OK; v++)
            if (entry->variants[v].value == 1)
                status = bmrt_arena_reserve(h, entry->name, entry->variants[v].arena_bytes);
    }
    return status;
}

static BmrtStatus choose_version(BmrtHandle *h, const BmrtModel *model) {
    const char *problem = "";
    h->model = model;
    if (!model->choose) return BMRT_OK;
    const BmrtVersion *v = model->choose(model, &problem);
    if (!v) {
        h->model = NULL;
        return bmrt_fail(&h->message, BMRT_MISMATCH, "%s %s", problem,
                         model->versions[model->version_count - 1].processor);
    }
    h->chosen = *model;
    h->chosen.entries = v->entries;
    h->chosen.target = v->target;
    h->model = &h->chosen;
    return BMRT_OK;
}

BmrtStatus bmrt_open_hooked(BmrtHandle **out, const BmrtModel *model, const char *weights,
                            uint64_t seed, int32_t threads, const BmrtHooks *hooks) {
    if (!out) return BMRT_ARGUMENT;
    *out = NULL;
    if (!hooks) hooks = bmrt_hooks_default();
    BmrtHandle *h = hooks->alloc(hooks->user, sizeof *h, 64);
    if (!h) return BMRT_MEMORY;
    memset(h, 0, sizeof *h);
    h->hooks = hooks;
    h->seed = seed;
    *out = h;
    if (!model) return bmrt_fail(&h->message, BMRT_ARGUMENT, "no model");
    BmrtStatus status = check_model(model, &h->message);
    if (status != BMRT_OK) return status;
    status = choose_version(h, model);
    if (status != BMRT_OK) return status;
    status = make_slots(h);
    if (status == BMRT_OK) status = bmrt_vocabularies_open(h);
    if (status == BMRT_OK) status = make_plans(h);
    if (status == BMRT_OK) status = make_team(h, threads);
    if (status == BMRT_OK) status = first_values(h, weights);
    if (status == BMRT_OK) status = reserve_exports(h);
    return status;
}

BmrtStatus bmrt_open(BmrtHandle **out, const BmrtModel *model, const char *weights, uint64_t seed,
                     int32_t threads) {
    return bmrt_open_hooked(out, model, weights, seed, threads, NULL);
}

void bmrt_close(BmrtHandle *h) {
    if (!h) return;
    const BmrtHooks *hooks = h->hooks;
    bmrt_team_destroy(h->team);
    for (uint32_t e = 0; h->plans && e < h->model->entry_count; e++) {
        const BmrtEntry *entry = &h->model->entries[e];
        bmrt_delete(hooks, h->plans[e].offsets, entry->buffer_count, sizeof(int64_t));
        bmrt_delete(hooks, h->plans[e].larger, entry->buffer_count, sizeof(int64_t));
        bmrt_delete(hooks, h->plans[e].symbols, entry->symbol_count, sizeof(int64_t));
    }
    if (h->plans) bmrt_delete(hooks, h->plans, h->model->entry_count, sizeof *h->plans);
    if (h->model) bmrt_vocabularies_close(h);
    bmrt_block_free(hooks, &h->arena);
    bmrt_block_free(hooks, &h->slots);
    hooks->release(hooks->user, h, sizeof *h);
}

BmrtStatus bmrt_handle_enter(BmrtHandle *h) {
    if (!h) return BMRT_ARGUMENT;
    if (atomic_exchange_explicit(&h->busy, 1, memory_order_acquire)) return BMRT_BUSY;
    /* A handle whose opening failed keeps its message and refuses everything. */
    if (!h->plans) {
        atomic_store_explicit(&h->busy, 0, memory_order_release);
        return BMRT_ARGUMENT;
    }
    h->message.text[0] = 0;
    return BMRT_OK;
}

BmrtStatus bmrt_handle_leave(BmrtHandle *h, BmrtStatus status) {
    atomic_store_explicit(&h->busy, 0, memory_order_release);
    return status;
}

const char *bmrt_error(const BmrtHandle *h) {
    return h ? h->message.text : "no memory for a handle";
}

const char *bmrt_target(const BmrtHandle *h) {
    return h && h->model ? h->model->target : "";
}

const BmrtModel *bmrt_model(const BmrtHandle *h) {
    return h ? h->model : NULL;
}

BmrtStatus bmrt_set_threads(BmrtHandle *h, int32_t threads) {
    const BmrtStatus status = bmrt_handle_enter(h);
    return status != BMRT_OK ? status : bmrt_handle_leave(h, make_team(h, threads));
}

BmrtStatus bmrt_set_seed(BmrtHandle *h, uint64_t seed) {
    const BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    h->seed = seed;
    return bmrt_handle_leave(h, BMRT_OK);
}

BmrtStatus bmrt_set_show(BmrtHandle *h, BmrtShowFn show, void *user) {
    BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    h->show = show;
    h->show_user = user;
    return bmrt_handle_leave(h, BMRT_OK);
}

BmrtStatus bmrt_set_schedule(BmrtHandle *h, int64_t steps, int64_t steps_per_epoch) {
    const BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    if (steps < 0 || steps_per_epoch < 0)
        return bmrt_handle_leave(h, bmrt_fail(&h->message, BMRT_ARGUMENT,
                                              "a schedule of %lld steps, %lld an epoch",
                                              (long long)steps, (long long)steps_per_epoch));
    h->steps = steps;
    h->steps_per_epoch = steps_per_epoch;
    return bmrt_handle_leave(h, BMRT_OK);
}

int64_t bmrt_iteration(const BmrtHandle *h) {
    return h ? h->iteration : 0;
}

void bmrt_set_iteration(BmrtHandle *h, int64_t iteration) {
    if (bmrt_handle_enter(h) != BMRT_OK) return;
    h->iteration = iteration < 0 ? 0 : iteration;
    bmrt_handle_leave(h, BMRT_OK);
}

static const BmrtSlot *find_slot(BmrtHandle *h, const char *path, const void *data, size_t bytes) {
    for (uint32_t i = 0; path && data && i < h->model->slot_count; i++) {
        const BmrtSlot *s = &h->model->slots[i];
        if (strcmp(s->path, path) != 0) continue;
        if ((uint64_t)s->bytes == bytes) return s;
        bmrt_fail(&h->message, BMRT_ARGUMENT, "`%s` has %lld bytes: ", path, (long long)s->bytes);
        bmrt_message_add_shape(&h->message, s->dtype, s->rank, s->dims);
        bmrt_message_add(&h->message, "; %zu were given", bytes);
        return NULL;
    }
    bmrt_fail(&h->message, BMRT_ARGUMENT,
              path && data ? "the model has no parameter or state `%s`" : "a null argument",
              path ? path : "");
    return NULL;
}

BmrtStatus bmrt_get(BmrtHandle *h, const char *path, void *data, size_t bytes) {
    const BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    const BmrtSlot *slot = find_slot(h, path, data, bytes);
    if (slot) memcpy(data, h->slots.data + slot->offset, bytes);
    return bmrt_handle_leave(h, slot ? BMRT_OK : BMRT_ARGUMENT);
}

BmrtStatus bmrt_set(BmrtHandle *h, const char *path, const void *data, size_t bytes) {
    const BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    const BmrtSlot *slot = find_slot(h, path, data, bytes);
    if (slot) memcpy(h->slots.data + slot->offset, data, bytes);
    return bmrt_handle_leave(h, slot ? BMRT_OK : BMRT_ARGUMENT);
}
