/* Reading a safetensors file: the frame, the coverage of the data, the checksum. */
#include "runtime/core/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/core/sha256.h"

#define HEADER_LIMIT ((int64_t)100000000) /* the format's own */

static int by_name(const void *a, const void *b) {
    return strcmp(((const BmrtTensor *)a)->name, ((const BmrtTensor *)b)->name);
}

static int by_place(const void *a, const void *b) {
    const BmrtTensor *x = a, *y = b;
    if (x->data != y->data) return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The tensors must cover the data exactly: a gap could hide something, an overlap is damage. */
static BmrtStatus check_coverage(BmrtTensorFile *f, const char *path, const char *data,
                                 int64_t data_bytes, BmrtMessage *message) {
    int64_t at = 0;
    if (f->tensor_count) qsort(f->tensors, f->tensor_count, sizeof *f->tensors, by_place);
    for (uint32_t i = 0; i < f->tensor_count; i++) {
        const int64_t begin = (const char *)f->tensors[i].data - data;
        if (begin != at)
            return bmrt_fail(
                message, BMRT_FORMAT,
                "`%s` is not a valid safetensors file: tensor `%s` starts at data byte "
                "%lld, but the one before it ends at %lld",
                path, f->tensors[i].name, (long long)begin, (long long)at);
        at = begin + f->tensors[i].bytes;
    }
    if (at != data_bytes)
        return bmrt_fail(message, BMRT_FORMAT,
                         "`%s` is damaged: its tensors take %lld bytes, but %lld are there", path,
                         (long long)at, (long long)data_bytes);
    if (f->tensor_count) qsort(f->tensors, f->tensor_count, sizeof *f->tensors, by_name);
    for (uint32_t i = 1; i < f->tensor_count; i++)
        if (strcmp(f->tensors[i - 1].name, f->tensors[i].name) == 0)
            return bmrt_fail(message, BMRT_FORMAT,
                             "`%s` is not a valid safetensors file: tensor `%s` is there twice",
                             path, f->tensors[i].name);
    return BMRT_OK;
}

/* The checksum is over the whole file with its own 64 digits read as zeros. The digits are found in
 * the raw header as the only place that says "bmc.sha256":"<digits>". */
static BmrtStatus check_sum(BmrtTensorFile *f, const char *path, BmrtMessage *message) {
    static const char mark[] = "\"" BMRT_KEY_CHECKSUM "\":\"";
    const char *said = bmrt_tensors_metadata(f, BMRT_KEY_CHECKSUM);
    if (!said) {
        if (!bmrt_tensors_metadata(f, BMRT_KEY_FORMAT)) return BMRT_OK; /* not written by bmc */
        return bmrt_fail(message, BMRT_FORMAT, "`%s` is damaged: its checksum is missing", path);
    }
    const char *raw = f->content.data, *end = raw + 8 + f->header_bytes, *at = raw + 8;
    const int64_t mark_bytes = (int64_t)sizeof mark - 1;
    while (end - at >= mark_bytes && memcmp(at, mark, (size_t)mark_bytes) != 0) at++;
    at += mark_bytes;
    if (end - at < 64)
        return bmrt_fail(message, BMRT_FORMAT, "`%s` is damaged: its checksum is malformed", path);
    char zeros[64], digits[65];
    BmrtSha256 sum;
    memset(zeros, '0', sizeof zeros);
    bmrt_sha256_start(&sum);
    bmrt_sha256_add(&sum, raw, (size_t)(at - raw));
    bmrt_sha256_add(&sum, zeros, sizeof zeros);
    bmrt_sha256_add(&sum, at + 64, (size_t)(f->content_bytes - (at + 64 - raw)));
    bmrt_sha256_hex(&sum, digits);
    if (strcmp(digits, said) != 0)
        return bmrt_fail(message, BMRT_FORMAT,
                         "`%s` is damaged: its checksum does not fit its content", path);
    f->checked = 1;
    return BMRT_OK;
}

static BmrtStatus read_content(BmrtTensorFile *f, const char *path, BmrtMessage *message) {
    uint64_t length = 0;
    if (f->content_bytes < 8)
        return bmrt_fail(message, BMRT_FORMAT,
                         "`%s` is not a safetensors file: %lld bytes are too few", path,
                         (long long)f->content_bytes);
    for (int i = 7; i >= 0; i--) length = length << 8 | (unsigned char)f->content.data[i];
    if (length > (uint64_t)HEADER_LIMIT || (int64_t)length > f->content_bytes - 8)
        return bmrt_fail(
            message, BMRT_FORMAT,
            "`%s` is not a safetensors file, or it is cut: a header of %llu bytes in a "
            "file of %lld",
            path, (unsigned long long)length, (long long)f->content_bytes);
    f->header_bytes = (int64_t)length;
    f->header = bmrt_new(f->hooks, f->header_bytes + 1, 1);
    if (!f->header) return bmrt_fail(message, BMRT_MEMORY, "no memory to read `%s`", path);
    memcpy(f->header, f->content.data + 8, length);
    const char *data = f->content.data + 8 + length;
    const int64_t data_bytes = f->content_bytes - 8 - f->header_bytes;
    BmrtStatus status = bmrt_tensors_parse(f, path, data, data_bytes, message);
    if (status == BMRT_OK) status = check_coverage(f, path, data, data_bytes, message);
    return status == BMRT_OK ? check_sum(f, path, message) : status;
}

BmrtStatus bmrt_tensors_read(const BmrtHooks *hooks, const char *path, BmrtTensorFile *out,
                             BmrtMessage *message) {
    *out = (BmrtTensorFile){.hooks = hooks};
    BmrtStatus status =
        bmrt_file_read(hooks, path, INT64_MAX / 4, &out->content, &out->content_bytes, message);
    if (status == BMRT_OK) status = read_content(out, path, message);
    if (status != BMRT_OK) bmrt_tensors_free(out);
    return status;
}

void bmrt_tensors_free(BmrtTensorFile *f) {
    if (!f->hooks) return;
    bmrt_delete(f->hooks, f->tensors, f->tensor_room, sizeof *f->tensors);
    bmrt_delete(f->hooks, f->metadata, f->metadata_room, sizeof *f->metadata);
    bmrt_delete(f->hooks, f->dims, f->dim_room, sizeof *f->dims);
    bmrt_delete(f->hooks, f->header, f->header_bytes + 1, 1);
    bmrt_block_free(f->hooks, &f->content);
    *f = (BmrtTensorFile){.hooks = f->hooks};
}

const BmrtTensor *bmrt_tensors_find(const BmrtTensorFile *f, const char *name) {
    const BmrtTensor key = {.name = name};
    if (f->tensor_count == 0) return NULL;
    return bsearch(&key, f->tensors, f->tensor_count, sizeof key, by_name);
}

const char *bmrt_tensors_metadata(const BmrtTensorFile *f, const char *key) {
    for (uint32_t i = 0; i < f->metadata_count; i++)
        if (strcmp(f->metadata[i].key, key) == 0) return f->metadata[i].value;
    return NULL;
}
