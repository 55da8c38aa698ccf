/* Vocabularies: the names behind the numbers of category fields. They travel with the weights, turn
 * the strings an export is given into numbers, and numbers back into strings. */
#include <string.h>

#include "runtime/core/core.h"
#include "runtime/core/tokens.h"

BmrtNames *bmrt_vocabulary_of(BmrtHandle *h, const BmrtData *data, uint32_t field) {
    for (uint32_t i = 0; h && i < h->model->vocabulary_count; i++) {
        const BmrtVocabulary *v = &h->model->vocabularies[i];
        if (&h->model->data[v->data] == data && v->field == field) return &h->vocabularies[i];
    }
    return NULL;
}

static const BmrtField *field_of(const BmrtHandle *h, uint32_t number) {
    const BmrtVocabulary *v = &h->model->vocabularies[number];
    return &h->model->data[v->data].fields[v->field];
}

static BmrtStatus misfit(BmrtHandle *h, uint32_t number, const char *path, const char *why) {
    return bmrt_fail(&h->message, BMRT_MISMATCH, "`%s`: the names `%s` %s", path,
                     h->model->vocabularies[number].path, why);
}

static BmrtStatus read_names(BmrtHandle *h, uint32_t number, const BmrtTensor *t, const char *path,
                             BmrtNames *names) {
    const int64_t most = field_of(h, number)->category_max;
    const char *at = t->data, *end = at + t->bytes;
    if (t->dtype != BMRT_U8 || t->rank != 1 || (t->bytes && end[-1] != 0))
        return misfit(h, number, path, "are not text");
    for (; at < end; at += strlen(at) + 1) {
        if (names->count == most)
            return misfit(h, number, path, "are more than the field's `max` permits");
        const int64_t expected = names->count;
        const int64_t got = bmrt_names_add(names, at, strlen(at));
        if (got < 0) return bmrt_fail(&h->message, BMRT_MEMORY, "no memory for the vocabularies");
        if (got != expected) return misfit(h, number, path, "hold one twice");
    }
    return BMRT_OK;
}

BmrtStatus bmrt_vocabularies_open(BmrtHandle *h) {
    const uint32_t count = h->model->vocabulary_count;
    h->vocabularies = bmrt_new(h->hooks, count, sizeof *h->vocabularies);
    bool ok = h->vocabularies != NULL;
    for (uint32_t i = 0; ok && i < count; i++) bmrt_names_open(&h->vocabularies[i], h->hooks);
    for (uint32_t i = 0; ok && i < count; i++) {
        const BmrtField *field = field_of(h, i);
        for (uint32_t k = 0; ok && field->kind == BMRT_FIELD_NAMES && k < field->name_count; k++)
            ok = bmrt_names_add(&h->vocabularies[i], field->names[k], strlen(field->names[k])) >= 0;
    }
    if (!ok) return bmrt_fail(&h->message, BMRT_MEMORY, "no memory for the vocabularies");
    BmrtStatus status = BMRT_OK;
    for (uint32_t i = 0; i < count && status == BMRT_OK; i++) {
        const BmrtVocabulary *v = &h->model->vocabularies[i];
        const BmrtTensor carried = {
            .dtype = BMRT_U8, .rank = 1, .data = v->names, .bytes = v->names_bytes};
        if (v->names) status = read_names(h, i, &carried, h->model->name, &h->vocabularies[i]);
    }
    return status;
}

void bmrt_vocabularies_close(BmrtHandle *h) {
    for (uint32_t i = 0; h->vocabularies && i < h->model->vocabulary_count; i++)
        bmrt_names_free(&h->vocabularies[i]);
    if (h->vocabularies)
        bmrt_delete(h->hooks, h->vocabularies, h->model->vocabulary_count, sizeof *h->vocabularies);
}

/* ------------------------------------------------------------------ with the weights */

uint32_t bmrt_vocabulary_tensors(const BmrtHandle *h, BmrtTensor *out) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->model->vocabulary_count; i++) {
        const BmrtNames *names = &h->vocabularies[i];
        if (field_of(h, i)->kind == BMRT_FIELD_NAMES || names->count == 0) continue;
        out[count++] = (BmrtTensor){.name = h->model->vocabularies[i].path,
                                    .dtype = BMRT_U8,
                                    .rank = 1,
                                    .dims = &names->used,
                                    .data = names->text,
                                    .bytes = names->used};
    }
    return count;
}

BmrtStatus bmrt_vocabularies_load(BmrtHandle *h, const BmrtTensorFile *file, const char *path) {
    for (uint32_t i = 0; i < h->model->vocabulary_count; i++) {
        if (field_of(h, i)->kind == BMRT_FIELD_NAMES) continue;
        const BmrtTensor *t = bmrt_tensors_find(file, h->model->vocabularies[i].path);
        BmrtNames names;
        if (!t) continue;
        bmrt_names_open(&names, h->hooks);
        BmrtStatus status = read_names(h, i, t, path, &names);
        const BmrtNames *now = &h->vocabularies[i];
        if (status == BMRT_OK && h->names_in_use &&
            (now->used != names.used || memcmp(now->text, names.text, (size_t)names.used) != 0))
            status = misfit(h, i, path, "are not those of the rows that are being trained on");
        if (status != BMRT_OK) {
            bmrt_names_free(&names);
            return status;
        }
        bmrt_names_free(&h->vocabularies[i]);
        h->vocabularies[i] = names;
    }
    return BMRT_OK;
}

/* ------------------------------------------------------------------ strings of an export */

static BmrtStatus to_number(BmrtHandle *h, const BmrtValue *v, const char *text, int64_t at,
                            int32_t *out) {
    const uint32_t number = v->vocabulary - 1;
    const BmrtField *field = field_of(h, number);
    const bool fixed = field->kind == BMRT_FIELD_NAMES;
    if (!text)
        return bmrt_fail(&h->message, BMRT_ARGUMENT, "element %lld of `%s` is a null pointer",
                         (long long)at, v->name);
    if (field->kind == BMRT_FIELD_TOKENS) {
        bmrt_tokens_number(field->rule, &h->vocabularies[number], text, v->per_string, out);
        return BMRT_OK;
    }
    const int64_t found = bmrt_names_find(&h->vocabularies[number], text, strlen(text));
    if (found < 0 && fixed)
        return bmrt_fail(&h->message, BMRT_ARGUMENT,
                         "element %lld of `%s` is `%.200s`, none of the names of field `%s`",
                         (long long)at, v->name, text, field->name);
    *out = (int32_t)(fixed ? found : found + 1);
    return BMRT_OK;
}

static const char *to_text(const BmrtHandle *h, const BmrtValue *v, int32_t number) {
    const uint32_t which = v->vocabulary - 1;
    const BmrtNames *names = &h->vocabularies[which];
    const int64_t at = field_of(h, which)->kind == BMRT_FIELD_NAMES ? number : (int64_t)number - 1;
    return at >= 0 && at < names->count ? bmrt_names_get(names, at) : "";
}

bool bmrt_entry_has_strings(const BmrtEntry *entry) {
    bool any = false;
    for (uint32_t i = 0; i < entry->input_count; i++) any |= entry->inputs[i].vocabulary > 0;
    for (uint32_t i = 0; i < entry->output_count; i++) any |= entry->outputs[i].vocabulary > 0;
    return any;
}

static BmrtStatus no_memory(BmrtHandle *h, const BmrtEntry *entry) {
    return bmrt_fail(&h->message, BMRT_MEMORY, "no memory for the strings of `%s`", entry->name);
}

/* Numbers in the place of every string array: `blocks` holds them, inputs first. */
static BmrtStatus translate(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                            const void **inputs, void **outputs, BmrtBlock *blocks) {
    for (uint32_t i = 0; i < entry->input_count + entry->output_count; i++) {
        const bool input = i < entry->input_count;
        const BmrtValue *v = input ? &entry->inputs[i] : &entry->outputs[i - entry->input_count];
        int64_t count;
        if (v->vocabulary == 0) continue;
        const void *given = input ? inputs[i] : outputs[i - entry->input_count];
        if (!bmrt_dims_elements(v->rank, v->dims, symbols, &count) || count > INT32_MAX)
            return bmrt_fail(&h->message, BMRT_SHAPE, "`%s`: `%s` is too large", entry->name,
                             v->name);
        if (!given && count > 0)
            return bmrt_fail(&h->message, BMRT_ARGUMENT, "`%s`: `%s` is a null pointer",
                             entry->name, v->name);
        const int64_t each = input && v->per_string ? v->per_string : 1;
        int64_t bytes;
        if (__builtin_mul_overflow(count, each * (int64_t)sizeof(int32_t), &bytes) ||
            !bmrt_block_alloc(h->hooks, &blocks[i], bytes))
            return no_memory(h, entry);
        int32_t *numbers = (int32_t *)(void *)blocks[i].data;
        const char *const *texts = given;
        for (int64_t k = 0; input && k < count; k++) {
            const BmrtStatus status = to_number(h, v, texts[k], k, &numbers[k * each]);
            if (status != BMRT_OK) return status;
        }
        if (input)
            inputs[i] = numbers;
        else
            outputs[i - entry->input_count] = numbers;
    }
    return BMRT_OK;
}

static void give_texts(const BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                       void *const *outputs, const BmrtBlock *blocks) {
    for (uint32_t i = 0; i < entry->output_count; i++) {
        const BmrtValue *v = &entry->outputs[i];
        int64_t count = 0;
        if (v->vocabulary == 0 || !bmrt_dims_elements(v->rank, v->dims, symbols, &count)) continue;
        const int32_t *numbers = (const int32_t *)(const void *)blocks[entry->input_count + i].data;
        const char **texts = outputs[i];
        for (int64_t k = 0; k < count; k++) texts[k] = to_text(h, v, numbers[k]);
    }
}

BmrtStatus bmrt_entry_run_strings(BmrtHandle *h, uint32_t number, const int64_t *symbols,
                                  const void *const *inputs, void *const *outputs, uint64_t step,
                                  bool *wrote) {
    const BmrtEntry *entry = &h->model->entries[number];
    const uint32_t in = entry->input_count, out = entry->output_count, count = in + out;
    BmrtStatus status = BMRT_ARGUMENT;
    *wrote = false;
    if ((in && !inputs) || (out && !outputs) || (entry->symbol_count && !symbols))
        return bmrt_fail(&h->message, BMRT_ARGUMENT, "`%s`: a null argument", entry->name);
    const void **given = bmrt_new(h->hooks, in, sizeof *given);
    void **taken = bmrt_new(h->hooks, out, sizeof *taken);
    BmrtBlock *blocks = bmrt_new(h->hooks, count, sizeof *blocks);
    if (given && taken && blocks) {
        if (in) memcpy(given, inputs, in * sizeof *given);
        if (out) memcpy(taken, outputs, out * sizeof *taken);
        status = translate(h, entry, symbols, given, taken, blocks);
        if (status == BMRT_OK)
            status = bmrt_entry_run(h, number, symbols, given, taken, step, wrote);
        if (status == BMRT_OK) give_texts(h, entry, symbols, outputs, blocks);
    } else {
        status = no_memory(h, entry);
    }
    for (uint32_t i = 0; blocks && i < count; i++) bmrt_block_free(h->hooks, &blocks[i]);
    bmrt_delete(h->hooks, blocks, count, sizeof *blocks);
    bmrt_delete(h->hooks, taken, out, sizeof *taken);
    bmrt_delete(h->hooks, given, in, sizeof *given);
    return status;
}
