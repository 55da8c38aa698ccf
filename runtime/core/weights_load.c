/* Slots from safetensors files: all of them, or what lies below some paths, under the file's names
 * or others. Loading first compares every slot with the file, then copies: a handle is never left
 * half loaded. */
#include <stdio.h>
#include <string.h>

#include "runtime/core/checkpoint.h"
#include "runtime/core/core.h"

enum { LISTED_MAX = 8 };

typedef struct Loading {
    BmrtHandle *h;
    const BmrtTensorFile *file;
    const char *path; /* of the file, for messages */
    bool optimizer;   /* optimizer slots too */
    const BmrtLoadPart *part;
} Loading;

/* ------------------------------------------------------------------ paths */

static bool within(const char *path, const char *root) {
    const size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '.' || path[n] == '\0');
}

static bool wanted(const Loading *l, const BmrtSlot *s) {
    if (!l->optimizer && s->kind == BMRT_SLOT_OPTIMIZER) return false;
    for (uint32_t i = 0; i < l->part->only_count; i++)
        if (within(s->path, l->part->only[i])) return true;
    return l->part->only_count == 0;
}

/* What `path` is called on the other side; pairs: old, new. From 1: a slot's path -> the file's. */
static const char *renamed(const Loading *l, const char *path, int from, char *out, size_t size) {
    for (uint32_t i = 0; i < l->part->rename_count; i++) {
        const char *root = l->part->rename[2 * i + (uint32_t)from];
        if (!within(path, root)) continue;
        const int n = snprintf(out, size, "%s%s", l->part->rename[2 * i + 1 - (uint32_t)from],
                               path + strlen(root));
        return n > 0 && (size_t)n < size ? out : path;
    }
    return path;
}

static const BmrtTensor *source(const Loading *l, const BmrtSlot *s) {
    char name[1024];
    return bmrt_tensors_find(l->file, renamed(l, s->path, 1, name, sizeof name));
}

static bool fits(const BmrtSlot *s, const BmrtTensor *t) {
    return t && t->dtype == s->dtype && t->rank == s->rank && t->bytes == s->bytes &&
           (s->rank == 0 || memcmp(t->dims, s->dims, s->rank * sizeof *s->dims) == 0);
}

static uint32_t count_misfits(const Loading *l) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->h->model->slot_count; i++) {
        const BmrtSlot *s = &l->h->model->slots[i];
        if (wanted(l, s) && !fits(s, source(l, s))) count++;
    }
    return count;
}

/* ------------------------------------------------------------------ what does not fit */

static void list_missing(Loading *l) {
    uint32_t listed = 0;
    BmrtMessage *m = &l->h->message;
    for (uint32_t i = 0; i < l->h->model->slot_count; i++) {
        const BmrtSlot *s = &l->h->model->slots[i];
        if (!wanted(l, s) || source(l, s)) continue;
        if (listed++ >= LISTED_MAX) continue;
        bmrt_message_add(m, "%s%s ", listed == 1 ? "\nmissing: " : ", ", s->path);
        bmrt_message_add_shape(m, s->dtype, s->rank, s->dims);
    }
    if (listed > LISTED_MAX) bmrt_message_add(m, " and %u more", listed - LISTED_MAX);
}

static void list_misshapen(Loading *l) {
    uint32_t listed = 0;
    BmrtMessage *m = &l->h->message;
    for (uint32_t i = 0; i < l->h->model->slot_count; i++) {
        const BmrtSlot *s = &l->h->model->slots[i];
        const BmrtTensor *t = wanted(l, s) ? source(l, s) : NULL;
        if (!t || fits(s, t) || listed++ >= LISTED_MAX) continue;
        bmrt_message_add(m, "%s%s is ", listed == 1 ? "\nother shape: " : ", ", s->path);
        bmrt_message_add_shape(m, t->dtype, t->rank, t->dims);
        bmrt_message_add(m, " in the file, ");
        bmrt_message_add_shape(m, s->dtype, s->rank, s->dims);
        bmrt_message_add(m, " in the model");
    }
    if (listed > LISTED_MAX) bmrt_message_add(m, " and %u more", listed - LISTED_MAX);
}

static bool used(const Loading *l, const char *name) {
    char path[1024];
    for (uint32_t i = 0; i < l->h->model->vocabulary_count; i++)
        if (strcmp(l->h->model->vocabularies[i].path, name) == 0) return true;
    const char *slot = renamed(l, name, 0, path, sizeof path);
    for (uint32_t i = 0; i < l->h->model->slot_count; i++)
        if (strcmp(l->h->model->slots[i].path, slot) == 0) return true;
    return false;
}

static void list_unused(Loading *l) {
    uint32_t listed = 0;
    BmrtMessage *m = &l->h->message;
    for (uint32_t i = 0; i < l->file->tensor_count && listed <= LISTED_MAX; i++) {
        const BmrtTensor *t = &l->file->tensors[i];
        if (used(l, t->name) || listed++ >= LISTED_MAX) continue;
        bmrt_message_add(m, "%s%s ", listed == 1 ? "\nin the file and unused: " : ", ", t->name);
        bmrt_message_add_shape(m, t->dtype, t->rank, t->dims);
    }
    if (listed > LISTED_MAX) bmrt_message_add(m, " and more");
}

/* A missing tensor and an unused one of the same last name and shape are perhaps the same. */
static void suggest_rename(Loading *l) {
    for (uint32_t i = 0; i < l->h->model->slot_count; i++) {
        const BmrtSlot *s = &l->h->model->slots[i];
        const char *leaf = strrchr(s->path, '.');
        if (!wanted(l, s) || source(l, s) || !leaf || s->rank == 0) continue;
        for (uint32_t k = 0; k < l->file->tensor_count; k++) {
            const BmrtTensor *t = &l->file->tensors[k];
            const char *other = strrchr(t->name, '.');
            if (!other || strcmp(leaf, other) != 0 || !fits(s, t) || used(l, t->name)) continue;
            bmrt_message_add(&l->h->message, "\nsame shape: `--rename %.*s=%.*s`",
                             (int)(other - t->name), t->name, (int)(leaf - s->path), s->path);
            return;
        }
    }
}

/* ------------------------------------------------------------------ loading */

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

static BmrtStatus load_counters(const Loading *l, bool required) {
    uint64_t iteration, seed, draws;
    BmrtHandle *h = l->h;
    if (!parse_u64(bmrt_tensors_metadata(l->file, "bmc.iteration"), &iteration) ||
        !parse_u64(bmrt_tensors_metadata(l->file, "bmc.seed"), &seed) ||
        !parse_u64(bmrt_tensors_metadata(l->file, "bmc.draws"), &draws) || iteration > INT64_MAX)
        return required ? bmrt_fail(&h->message, BMRT_MISMATCH,
                                    "`%s` holds no position to resume from", l->path)
                        : BMRT_OK;
    h->iteration = (int64_t)iteration;
    h->seed = seed;
    h->draws = draws;
    return BMRT_OK;
}

/* A path of `only` or the new name of a rename that no slot has is a mistake. */
static BmrtStatus check_part(const Loading *l) {
    const BmrtModel *m = l->h->model;
    for (uint32_t i = 0; i < l->part->only_count + l->part->rename_count; i++) {
        const uint32_t pair = i - l->part->only_count;
        const char *path =
            i < l->part->only_count ? l->part->only[i] : l->part->rename[2 * pair + 1];
        bool found = false;
        for (uint32_t k = 0; k < m->slot_count && !found; k++)
            found = within(m->slots[k].path, path);
        if (!found)
            return bmrt_fail(&l->h->message, BMRT_MISMATCH,
                             "the model has no parameters below `%s`", path);
    }
    return BMRT_OK;
}

static BmrtStatus load_slots(BmrtHandle *h, const BmrtTensorFile *file, const char *path,
                             BmrtLoadMode mode, const BmrtLoadPart *part) {
    static const BmrtLoadPart whole = {.only_count = 0};
    Loading l = {h, file, path, mode != BMRT_LOAD_WEIGHTS, part ? part : &whole};
    BmrtStatus status = check_part(&l);
    if (status != BMRT_OK) return status;
    if (mode == BMRT_LOAD_FOUND) l.optimizer = count_misfits(&l) == 0;
    if (count_misfits(&l) != 0) {
        bmrt_fail(&h->message, BMRT_MISMATCH, "`%s` does not fit this model", path);
        list_missing(&l);
        list_misshapen(&l);
        if (l.part->only_count == 0) list_unused(&l);
        suggest_rename(&l);
        return BMRT_MISMATCH;
    }
    status = bmrt_vocabularies_load(h, file, path);
    if (status == BMRT_OK && l.optimizer) status = load_counters(&l, mode == BMRT_LOAD_ALL);
    for (uint32_t i = 0; i < h->model->slot_count && status == BMRT_OK; i++) {
        const BmrtSlot *s = &h->model->slots[i];
        if (!wanted(&l, s) || s->bytes == 0) continue;
        memcpy(h->slots.data + s->offset, source(&l, s)->data, (size_t)s->bytes);
    }
    return status;
}

BmrtStatus bmrt_load_tensors(BmrtHandle *h, const BmrtTensorFile *file, const char *path,
                             BmrtLoadMode mode, const BmrtLoadPart *part) {
    const BmrtStatus status = bmrt_handle_enter(h);
    return status != BMRT_OK ? status : bmrt_handle_leave(h, load_slots(h, file, path, mode, part));
}

BmrtStatus bmrt_load(BmrtHandle *h, const char *path) {
    BmrtTensorFile file;
    BmrtStatus status = bmrt_handle_enter(h);
    if (status != BMRT_OK) return status;
    if (!path) return bmrt_handle_leave(h, bmrt_fail(&h->message, BMRT_ARGUMENT, "no path"));
    status = bmrt_tensors_read(h->hooks, path, &file, &h->message);
    if (status == BMRT_OK) {
        status = load_slots(h, &file, path, BMRT_LOAD_FOUND, NULL);
        bmrt_tensors_free(&file);
    }
    return bmrt_handle_leave(h, status);
}
