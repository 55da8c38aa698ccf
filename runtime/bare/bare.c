/* Handles without an operating system (--freestanding): one block of memory that the caller gives,
 * one thread, no files, no text but constants; of a C library memcpy only. What the functions do is
 * said in runtime/include/bmrt.h; entries have no sizes (--static-batch), so nothing is planned or
 * allocated after open. */
#include "runtime/include/bare.h"

#include <stdatomic.h>

#include "runtime/core/environment.h"
#include "runtime/core/inputs.h"
#include "runtime/core/plan.h"

void *memcpy(void *to, const void *from, size_t bytes);

struct BmrtHandle {
    const BmrtModel *model;
    char *slots, *arena;
    int64_t *offsets; /* of all entries' buffers, one entry after the other */
    const char *message;
    uint64_t seed, draws;
    int64_t iteration, steps, steps_per_epoch;
    uint32_t flags;
    _Atomic uint32_t busy;
    bool ready;
};
_Static_assert(sizeof(BmrtHandle) <= BMRT_BARE_HANDLE_BYTES, "the handle is part of the plan");

BmrtStatus bmrt_bare_open(BmrtHandle **out, const BmrtModel *model, void *memory, size_t bytes);

static BmrtStatus fail(BmrtHandle *h, BmrtStatus status, const char *message) {
    h->message = message;
    return status;
}

static BmrtStatus enter(BmrtHandle *h) {
    if (!h) return BMRT_ARGUMENT;
    if (atomic_exchange_explicit(&h->busy, 1, memory_order_acquire)) return BMRT_BUSY;
    h->message = "";
    return BMRT_OK;
}

static BmrtStatus leave(BmrtHandle *h, BmrtStatus status) {
    atomic_store_explicit(&h->busy, 0, memory_order_release);
    return status;
}

/* ------------------------------------------------------------------ running an entry */

static void no_barrier(BmrtFrame *frame, int32_t thread) {
    (void)frame;
    (void)thread;
}

static BmrtStatus check_value(BmrtHandle *h, const BmrtValue *v, const void *data, bool input) {
    int64_t count;
    if (!data && v->fallback) return BMRT_OK;
    if (!bmrt_dims_elements(v->rank, v->dims, 0, &count))
        return fail(h, BMRT_SHAPE, "a size is out of range");
    if (!data && count > 0)
        return fail(h, BMRT_ARGUMENT,
                    input ? "an input is a null pointer" : "an output is a null pointer");
    if (input && v->index_limit > 0 && !bmrt_all_in_range(v->dtype, data, count, v->index_limit))
        return fail(h, BMRT_NUMERIC, "an index is out of range; nothing was written");
    return BMRT_OK;
}

static BmrtStatus check_values(BmrtHandle *h, const BmrtEntry *entry, const void *const *inputs,
                               void *const *outputs) {
    BmrtStatus status = BMRT_OK;
    for (uint32_t i = 0; status == BMRT_OK && i < entry->input_count; i++)
        status = check_value(h, &entry->inputs[i], inputs[i], true);
    for (uint32_t i = 0; status == BMRT_OK && i < entry->output_count; i++)
        status = check_value(h, &entry->outputs[i], outputs[i], false);
    return status;
}

/* A statistic is NaN until it has been fitted. */
static BmrtStatus check_fits(BmrtHandle *h, const BmrtEntry *entry) {
    for (uint32_t i = 0; i < entry->fit_count; i++) {
        const BmrtSlot *slot = &h->model->slots[entry->fits[i]];
        float single;
        if (slot->dtype != BMRT_F32 || slot->bytes < 4) continue;
        memcpy(&single, h->slots + slot->offset, sizeof single);
        if (single != single) return fail(h, BMRT_MISMATCH, "a statistic has not been fitted yet");
    }
    return BMRT_OK;
}

static BmrtStatus judge_flags(BmrtHandle *h, bool *wrote) {
    *wrote = (h->flags & (BMRT_FLAG_NONFINITE | BMRT_FLAG_INPUT)) == 0;
    if (h->flags == 0) return BMRT_OK;
    if (h->flags & BMRT_FLAG_NONFINITE)
        return fail(h, BMRT_NUMERIC, "the loss is not finite; nothing was written");
    if (h->flags & (BMRT_FLAG_INPUT | BMRT_FLAG_INDEX))
        return fail(h, BMRT_NUMERIC, "a computed index is out of range");
    return fail(h, BMRT_NUMERIC, "an integer division by zero");
}

static const int64_t *entry_offsets(const BmrtHandle *h, uint32_t number) {
    const int64_t *offsets = h->offsets;
    for (uint32_t e = 0; e < number; e++) offsets += h->model->entries[e].buffer_count;
    return offsets;
}

static BmrtStatus run(BmrtHandle *h, uint32_t number, const void *const *inputs,
                      void *const *outputs, uint64_t step, bool *wrote) {
    const BmrtEntry *entry = &h->model->entries[number];
    const void *filled[BMRT_FALLBACK_INPUTS_MAX];
    BmrtFrame frame;
    *wrote = false;
    BmrtStatus status = check_values(h, entry, inputs, outputs);
    if (status != BMRT_OK) return status;
    h->flags = 0;
    frame.arena = h->arena;
    frame.offsets = entry_offsets(h, number);
    frame.slots = h->slots;
    frame.inputs = bmrt_with_fallbacks(entry, inputs, filled);
    frame.outputs = outputs;
    frame.symbols = 0;
    frame.seed = h->seed;
    frame.step = step;
    frame.progress = h->steps > 0 ? (double)h->iteration / (double)h->steps : 0;
    frame.epoch = h->steps_per_epoch > 0 ? (double)(h->iteration / h->steps_per_epoch) : 0;
    frame.iteration = (double)h->iteration;
    frame.flags = &h->flags;
    frame.barrier = no_barrier;
    frame.team = 0;
    frame.skip = 0;
    const BmrtEnvironment caller = bmrt_environment_enter();
    entry->run(&frame, 0, 1);
    bmrt_environment_leave(caller);
    return judge_flags(h, wrote);
}

static BmrtStatus run_checked(BmrtHandle *h, uint32_t number, const void *const *inputs,
                              void *const *outputs, bool training) {
    bool wrote = false;
    BmrtStatus status = enter(h);
    if (status != BMRT_OK) return status;
    if (!h->ready) return leave(h, fail(h, BMRT_ARGUMENT, "the model was not opened"));
    const BmrtEntry *entry = &h->model->entries[number];
    uint64_t step = (uint64_t)h->iteration + 1;
    status = training ? BMRT_OK : check_fits(h, entry);
    if (status == BMRT_OK && !training && entry->draws) step = ++h->draws;
    if (status == BMRT_OK) status = run(h, number, inputs, outputs, step, &wrote);
    if (training && wrote) h->iteration++;
    return leave(h, status);
}

BmrtStatus bmrt_call(BmrtHandle *h, uint32_t entry, const int64_t *symbols,
                     const void *const *inputs, void *const *outputs) {
    (void)symbols;
    return run_checked(h, entry, inputs, outputs, false);
}

BmrtStatus bmrt_step(BmrtHandle *h, uint32_t entry, const int64_t *symbols,
                     const void *const *inputs, void *const *outputs) {
    (void)symbols;
    return run_checked(h, entry, inputs, outputs, true);
}

/* ------------------------------------------------------------------ open */

/* What may be called through a typed function, or runs at open: the rest has sizes. */
static bool is_callable(const BmrtEntry *entry) {
    return entry->kind == BMRT_ENTRY_EXPORT || entry->kind == BMRT_ENTRY_STEP ||
           entry->kind == BMRT_ENTRY_INIT;
}

/* Divides the memory; gives the bytes needed. */
static int64_t lay_out(BmrtHandle *h, char *memory) {
    const BmrtModel *m = h->model;
    int64_t buffers = 0, arena = 0;
    for (uint32_t e = 0; e < m->entry_count; e++) {
        buffers += m->entries[e].buffer_count;
        if (is_callable(&m->entries[e]) && m->entries[e].arena_bytes > arena)
            arena = m->entries[e].arena_bytes;
    }
    h->offsets = (int64_t *)(void *)(memory + BMRT_BARE_HANDLE_BYTES);
    h->slots =
        memory + BMRT_BARE_HANDLE_BYTES + bmrt_bare_round(buffers * (int64_t)sizeof(int64_t));
    h->arena = h->slots + bmrt_bare_round(m->slots_bytes) + 64;
    return bmrt_bare_bytes(buffers, m->slots_bytes, arena);
}

static void fill_offsets(BmrtHandle *h) {
    int64_t *to = h->offsets;
    for (uint32_t e = 0; e < h->model->entry_count; e++)
        for (uint32_t b = 0; b < h->model->entries[e].buffer_count; b++)
            *to++ = h->model->entries[e].buffers[b].offset;
}

static BmrtStatus initialise(BmrtHandle *h) {
    const BmrtModel *m = h->model;
    BmrtStatus status = BMRT_OK;
    uint32_t carried = 0;
    bool wrote;
    volatile int64_t *words = (int64_t *)(void *)h->slots; /* volatile: or it becomes memset */
    for (int64_t i = 0; i < m->slots_bytes / (int64_t)sizeof *words; i++) words[i] = 0;
    for (uint32_t i = 0; i < m->slot_count; i++) carried += m->slots[i].initial != 0;
    if (carried < m->slot_count && m->init_entry >= 0)
        status = run(h, (uint32_t)m->init_entry, 0, 0, 0, &wrote);
    for (uint32_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].initial)
            memcpy(h->slots + m->slots[i].offset, m->slots[i].initial, (size_t)m->slots[i].bytes);
    return status;
}

BmrtStatus bmrt_bare_open(BmrtHandle **out, const BmrtModel *model, void *memory, size_t bytes) {
    if (!out) return BMRT_ARGUMENT;
    *out = 0;
    if (!memory || (uintptr_t)memory % BMRT_BARE_ALIGNMENT) return BMRT_ARGUMENT;
    if (bytes < BMRT_BARE_HANDLE_BYTES) return BMRT_MEMORY;
    BmrtHandle *h = memory;
    *out = h;
    h->model = model;
    h->message = "";
    h->seed = h->draws = 0;
    h->iteration = h->steps = h->steps_per_epoch = 0;
    h->flags = 0;
    h->ready = false;
    atomic_store_explicit(&h->busy, 0, memory_order_relaxed);
    const int64_t needed = lay_out(h, memory);
    if (needed < 0 || bytes < (uint64_t)needed)
        return fail(h, BMRT_MEMORY, "the memory is smaller than the model's header says");
    fill_offsets(h);
    BmrtStatus status = initialise(h);
    h->ready = status == BMRT_OK;
    return status;
}

/* ------------------------------------------------------------------ settings and tensors */

const char *bmrt_error(const BmrtHandle *h) {
    return h ? h->message : "no handle: the memory is missing, misaligned or too small";
}

const char *bmrt_interface(const BmrtModel *model) {
    return model->interface;
}

BmrtStatus bmrt_set_seed(BmrtHandle *h, uint64_t seed) {
    const BmrtStatus status = enter(h);
    if (status != BMRT_OK) return status;
    h->seed = seed;
    return leave(h, BMRT_OK);
}

BmrtStatus bmrt_set_schedule(BmrtHandle *h, int64_t steps, int64_t steps_per_epoch) {
    const BmrtStatus status = enter(h);
    if (status != BMRT_OK) return status;
    if (steps < 0 || steps_per_epoch < 0)
        return leave(h, fail(h, BMRT_ARGUMENT, "a schedule of a negative number of steps"));
    h->steps = steps;
    h->steps_per_epoch = steps_per_epoch;
    return leave(h, BMRT_OK);
}

static bool same_text(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static BmrtStatus copy_slot(BmrtHandle *h, const char *path, void *out, const void *in,
                            size_t bytes) {
    BmrtStatus status = enter(h);
    if (status != BMRT_OK) return status;
    const BmrtSlot *slot = 0;
    for (uint32_t i = 0; path && !slot && i < h->model->slot_count; i++)
        if (same_text(h->model->slots[i].path, path)) slot = &h->model->slots[i];
    if (!h->ready || !path || (!out && !in))
        return leave(h, fail(h, BMRT_ARGUMENT, "a null argument, or the model was not opened"));
    if (!slot) return leave(h, fail(h, BMRT_ARGUMENT, "no parameter or state of that path"));
    if ((uint64_t)slot->bytes != bytes)
        return leave(h, fail(h, BMRT_ARGUMENT, "the parameter or state has another size"));
    if (out)
        memcpy(out, h->slots + slot->offset, bytes);
    else
        memcpy(h->slots + slot->offset, in, bytes);
    return leave(h, BMRT_OK);
}

BmrtStatus bmrt_get(BmrtHandle *h, const char *path, void *data, size_t bytes) {
    return copy_slot(h, path, data, 0, bytes);
}

BmrtStatus bmrt_set(BmrtHandle *h, const char *path, const void *data, size_t bytes) {
    return copy_slot(h, path, 0, data, bytes);
}
