/* Slots to safetensors files, and the fingerprint of the weights. */
#include "runtime/core/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/core/core.h"
#include "runtime/core/sha256.h"

enum { AUTO_PAIRS = 6 };

static BmrtTensor slot_tensor(const BmrtHandle *h, const BmrtSlot *s) {
    return (BmrtTensor){s->path, s->dtype, s->rank, s->dims, h->slots.data + s->offset, s->bytes};
}

static BmrtStatus save_slots(BmrtHandle *h, const char *path, int all,
                             const char *const *metadata) {
    const uint32_t slots = h->model->slot_count, room = slots + h->model->vocabulary_count;
    uint32_t count = 0;
    BmrtTensor *tensors = bmrt_new(h->hooks, room, sizeof *tensors);
    if (!tensors) return bmrt_fail(&h->message, BMRT_MEMORY, "no memory to save `%s`", path);
    for (uint32_t i = 0; i < slots; i++)
        if (all || h->model->slots[i].kind != BMRT_SLOT_OPTIMIZER)
            tensors[count++] = slot_tensor(h, &h->model->slots[i]);
    count += bmrt_vocabulary_tensors(h, tensors + count);
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
