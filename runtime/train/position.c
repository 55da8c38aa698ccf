/* A position as metadata: decimal numbers; doubles as the decimal value of their 64 bits, because
 * text must not round them. */
#include "runtime/train/position.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct Entry {
    const char *key;
    size_t offset; /* of a uint64_t or double */
} Entry;

static const Entry entries[] = {{"train.block", offsetof(BmrtPosition, block)},
                                {"train.seed", offsetof(BmrtPosition, seed)},
                                {"train.rows", offsetof(BmrtPosition, rows)},
                                {"train.batch", offsetof(BmrtPosition, batch)},
                                {"train.shuffle", offsetof(BmrtPosition, shuffle)},
                                {"train.epoch_rows", offsetof(BmrtPosition, epoch_rows)},
                                {"train.best", offsetof(BmrtPosition, best)},
                                {"train.best_epoch", offsetof(BmrtPosition, best_epoch)},
                                {"train.patience_best", offsetof(BmrtPosition, patience_best)},
                                {"train.patience_epochs", offsetof(BmrtPosition, patience_epochs)},
                                {"train.patience_seen", offsetof(BmrtPosition, patience_seen)},
                                {"train.stopped", offsetof(BmrtPosition, stopped)}};
enum { ENTRIES = sizeof entries / sizeof *entries };

static void put(BmrtPositionText *out, uint32_t at, const char *key, const void *value) {
    uint64_t bits;
    memcpy(&bits, value, sizeof bits);
    snprintf(out->values[at], sizeof out->values[at], "%llu", (unsigned long long)bits);
    out->pairs[2 * at] = key;
    out->pairs[2 * at + 1] = out->values[at];
}

void bmrt_position_write(const BmrtPosition *position, uint32_t metrics, BmrtPositionText *out) {
    uint32_t at = 0;
    for (; at < ENTRIES; at++)
        put(out, at, entries[at].key, (const char *)position + entries[at].offset);
    for (uint32_t m = 0; m < metrics && m < BMRT_METRICS_MAX; m++, at++) {
        snprintf(out->keys[m], sizeof out->keys[m], "train.sum%u", m);
        put(out, at, out->keys[m], &position->sums[m]);
    }
    out->pairs[2 * at] = NULL;
}

static bool get(const BmrtTensorFile *file, const char *key, void *value) {
    const char *text = bmrt_tensors_metadata(file, key);
    uint64_t bits = 0;
    if (!text || !*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        if (__builtin_mul_overflow(bits, 10, &bits) ||
            __builtin_add_overflow(bits, (uint64_t)(*text - '0'), &bits))
            return false;
    }
    memcpy(value, &bits, sizeof bits);
    return true;
}

bool bmrt_position_read(const BmrtTensorFile *file, BmrtPosition *out) {
    char key[BMRT_POSITION_TEXT];
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < ENTRIES; i++)
        if (!get(file, entries[i].key, (char *)out + entries[i].offset)) return false;
    for (uint32_t m = 0; m < BMRT_METRICS_MAX; m++) {
        snprintf(key, sizeof key, "train.sum%u", m);
        if (!get(file, key, &out->sums[m])) break;
    }
    return true;
}
