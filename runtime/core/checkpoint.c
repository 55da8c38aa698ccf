/* Slots to and from safetensors files. Loading first compares every slot with the file, then
 * copies: a handle is never left half loaded. */
#include "runtime/core/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/core/core.h"
#include "runtime/core/sha256.h"

enum { AUTO_PAIRS = 6, LISTED_MAX = 8 };

static BmrtTensor slot_tensor(const BmrtHandle *h, const BmrtSlot *s) {
    return (BmrtTensor){s->path, s->dtype, s->rank, s->dims, h->slots.data + s->offset, s->bytes};
}

static BmrtStatus save_slots(BmrtHandle *h, const char *path, int all,
                             const char *const *metadata) {
    const uint32_t room = h->model->slot_count;
    uint32_t count = 0;
    BmrtTensor *tensors = bmrt_new(h->hooks, room, sizeof *tensors);
    if (!tensors) return bmrt_fail(&h->message, BMRT_MEMORY, "no memory to save `%s`", path);
    for (uint32_t i = 0; i < room; i++)
        if (all || h->model->slots[i].kind != BMRT_SLOT_OPTIMIZER)
            tensors[count++] = slot_tensor(h, &h->model->slots[i]);
    const BmrtStatus status =
        bmrt_tensors_write(h->hooks, path, tensors, count, metadata, &h->message);
    bmrt_delete(h->hooks, tensors, room, sizeof *tensors);
    return status;
}

BmrtStatus bmrt_save(BmrtHandle *h, const char *path, int all, const char *const *metadata) {
    BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    if (!path) return bmrt_handle_leave(h, bmrt_fail(&h->message, BMRT_ARGUMENT, "no path"));
    char numbers[4][24];
    snprintf(numbers[0], sizeof numbers[0], "%016llx", (unsigned long long)h->model->source_hash);
    snprintf(numbers[1], sizeof numbers[1], "%lld", (long long)h->iteration);
    snprintf(numbers[2], sizeof numbers[2], "%llu", (unsigned long long)h->seed);
    snprintf(numbers[3], sizeof numbers[3], "%llu", (unsigned long long)h->draws);
    const char *const own[2 * AUTO_PAIRS] = {
        "bmc.model",     h->model->name ? h->model->name : "",
        "bmc.compiler",  h->model->compiler ? h->model->compiler : "",
        "bmc.source",    numbers[0],
        "bmc.iteration", numbers[1],
        "bmc.seed",      numbers[2],
        "bmc.draws",     numbers[3]};
    int64_t given = 0;
    while (metadata && metadata[given] && metadata[given + 1]) given += 2;
    const int64_t room = 2 * AUTO_PAIRS + given + 1;
    const char **pairs = bmrt_new(h->hooks, room, sizeof *pairs);
    if (!pairs)
        return bmrt_handle_leave(h, bmrt_fail(&h->message, BMRT_MEMORY, "no memory to save"));
    memcpy(pairs, own, sizeof own);
    if (given) memcpy(pairs + 2 * AUTO_PAIRS, metadata, (size_t)given * sizeof *pairs);
    status = save_slots(h, path, all, pairs);
    bmrt_delete(h->hooks, pairs, room, sizeof *pairs);
    return bmrt_handle_leave(h, status);
}

/* ------------------------------------------------------------------ loading */

static bool fits(const BmrtSlot *s, const BmrtTensor *t) {
    return t && t->dtype == s->dtype && t->rank == s->rank && t->bytes == s->bytes &&
           (s->rank == 0 || memcmp(t->dims, s->dims, s->rank * sizeof *s->dims) == 0);
}

static bool wanted(const BmrtSlot *s, bool optimizer) {
    return optimizer || s->kind != BMRT_SLOT_OPTIMIZER;
}

static uint32_t count_misfits(const BmrtHandle *h, const BmrtTensorFile *file, bool optimizer) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->model->slot_count; i++) {
        const BmrtSlot *s = &h->model->slots[i];
        if (wanted(s, optimizer) && !fits(s, bmrt_tensors_find(file, s->path))) count++;
    }
    return count;
}

static bool model_has(const BmrtModel *m, const char *path) {
    for (uint32_t i = 0; i < m->slot_count; i++)
        if (strcmp(m->slots[i].path, path) == 0) return true;
    return false;
}

static void list_missing(BmrtHandle *h, const BmrtTensorFile *file, bool optimizer) {
    uint32_t listed = 0;
    for (uint32_t i = 0; i < h->model->slot_count; i++) {
        const BmrtSlot *s = &h->model->slots[i];
        if (!wanted(s, optimizer) || bmrt_tensors_find(file, s->path)) continue;
        if (listed++ >= LISTED_MAX) continue;
        bmrt_message_add(&h->message, "%s%s ", listed == 1 ? "\nmissing: " : ", ", s->path);
        bmrt_message_add_shape(&h->message, s->dtype, s->rank, s->dims);
    }
    if (listed > LISTED_MAX) bmrt_message_add(&h->message, " and %u more", listed - LISTED_MAX);
}

static void list_misshapen(BmrtHandle *h, const BmrtTensorFile *file, bool optimizer) {
    uint32_t listed = 0;
    for (uint32_t i = 0; i < h->model->slot_count; i++) {
        const BmrtSlot *s = &h->model->slots[i];
        const BmrtTensor *t = bmrt_tensors_find(file, s->path);
        if (!wanted(s, optimizer) || !t || fits(s, t) || listed++ >= LISTED_MAX) continue;
        bmrt_message_add(&h->message, "%s%s is ", listed == 1 ? "\nother shape: " : ", ", s->path);
        bmrt_message_add_shape(&h->message, t->dtype, t->rank, t->dims);
        bmrt_message_add(&h->message, " in the file, ");
        bmrt_message_add_shape(&h->message, s->dtype, s->rank, s->dims);
        bmrt_message_add(&h->message, " in the model");
    }
    if (listed > LISTED_MAX) bmrt_message_add(&h->message, " and %u more", listed - LISTED_MAX);
}

static void list_unused(BmrtHandle *h, const BmrtTensorFile *file) {
    uint32_t listed = 0;
    for (uint32_t i = 0; i < file->tensor_count && listed <= LISTED_MAX; i++) {
        const BmrtTensor *t = &file->tensors[i];
        if (model_has(h->model, t->name) || listed++ >= LISTED_MAX) continue;
        bmrt_message_add(&h->message, "%s%s ", listed == 1 ? "\nin the file and unused: " : ", ",
                         t->name);
        bmrt_message_add_shape(&h->message, t->dtype, t->rank, t->dims);
    }
    if (listed > LISTED_MAX) bmrt_message_add(&h->message, " and more");
}

static bool parse_u64(const char *text, uint64_t *out) {
    uint64_t value = 0;
    if (!text || !*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

static BmrtStatus load_counters(BmrtHandle *h, const BmrtTensorFile *file, const char *path,
                                bool required) {
    uint64_t iteration, seed, draws;
    if (!parse_u64(bmrt_tensors_metadata(file, "bmc.iteration"), &iteration) ||
        !parse_u64(bmrt_tensors_metadata(file, "bmc.seed"), &seed) ||
        !parse_u64(bmrt_tensors_metadata(file, "bmc.draws"), &draws) || iteration > INT64_MAX)
        return required ? bmrt_fail(&h->message, BMRT_MISMATCH,
                                    "`%s` holds no position to resume from", path)
                        : BMRT_OK;
    h->iteration = (int64_t)iteration;
    h->seed = seed;
    h->draws = draws;
    return BMRT_OK;
}

static BmrtStatus load_slots(BmrtHandle *h, const BmrtTensorFile *file, const char *path,
                             BmrtLoadMode mode) {
    const bool optimizer =
        mode == BMRT_LOAD_ALL || (mode == BMRT_LOAD_FOUND && count_misfits(h, file, true) == 0);
    if (count_misfits(h, file, optimizer) != 0) {
        bmrt_fail(&h->message, BMRT_MISMATCH, "`%s` does not fit this model", path);
        list_missing(h, file, optimizer);
        list_misshapen(h, file, optimizer);
        list_unused(h, file);
        return BMRT_MISMATCH;
    }
    if (optimizer) {
        const BmrtStatus status = load_counters(h, file, path, mode == BMRT_LOAD_ALL);
        if (status != BMRT_OK) return status;
    }
    for (uint32_t i = 0; i < h->model->slot_count; i++) {
        const BmrtSlot *s = &h->model->slots[i];
        if (!wanted(s, optimizer) || s->bytes == 0) continue;
        memcpy(h->slots.data + s->offset, bmrt_tensors_find(file, s->path)->data, (size_t)s->bytes);
    }
    return BMRT_OK;
}

BmrtStatus bmrt_load_tensors(BmrtHandle *h, const BmrtTensorFile *file, const char *path,
                             BmrtLoadMode mode) {
    const BmrtStatus status = bmrt_handle_enter(h);
    return status != BMRT_OK ? status : bmrt_handle_leave(h, load_slots(h, file, path, mode));
}

BmrtStatus bmrt_load(BmrtHandle *h, const char *path) {
    BmrtTensorFile file;
    BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    if (!path) return bmrt_handle_leave(h, bmrt_fail(&h->message, BMRT_ARGUMENT, "no path"));
    status = bmrt_tensors_read(h->hooks, path, &file, &h->message);
    if (status == BMRT_OK) {
        status = load_slots(h, &file, path, BMRT_LOAD_FOUND);
        bmrt_tensors_free(&file);
    }
    return bmrt_handle_leave(h, status);
}

/* ------------------------------------------------------------------ fingerprint */

/* The weight whose path follows `after` (NULL: the first) in bytewise order. Selection instead of
 * sorting needs no memory; models have few hundred slots. */
static const BmrtSlot *next_weight(const BmrtModel *m, const char *after) {
    const BmrtSlot *best = NULL;
    for (uint32_t i = 0; i < m->slot_count; i++) {
        const BmrtSlot *s = &m->slots[i];
        if (s->kind == BMRT_SLOT_OPTIMIZER || (after && strcmp(s->path, after) <= 0)) continue;
        if (!best || strcmp(s->path, best->path) < 0) best = s;
    }
    return best;
}

void bmrt_weights_sha256(const BmrtHandle *h, char out[65]) {
    BmrtSha256 sum;
    bmrt_sha256_start(&sum);
    for (const BmrtSlot *s = next_weight(h->model, NULL); s; s = next_weight(h->model, s->path)) {
        bmrt_sha256_add(&sum, s->path, strlen(s->path) + 1);
        bmrt_sha256_add(&sum, h->slots.data + s->offset, (size_t)s->bytes);
    }
    bmrt_sha256_hex(&sum, out);
}
