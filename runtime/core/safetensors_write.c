/* Writing a safetensors file. The header is composed twice by the same code: once to measure, once
 * to fill. It is padded with spaces so that the data start at a multiple of 64 bytes, and tensors
 * stand in order of falling element size, so that each lies aligned in a mapped file. */
#include "runtime/core/safetensors.h"

#include <string.h>

#include "runtime/core/sha256.h"

typedef struct Sink { /* out NULL: only measures */
    char *out;
    int64_t used;
    int64_t digits; /* where the checksum's digits stand */
} Sink;

static void put(Sink *s, const char *text) {
    const size_t n = strlen(text);
    if (s->out) memcpy(s->out + s->used, text, n);
    s->used += (int64_t)n;
}

static void put_number(Sink *s, int64_t value) {
    char digits[24];
    int at = sizeof digits;
    uint64_t rest = (uint64_t)value;
    digits[--at] = 0;
    do digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    put(s, digits + at);
}

static void put_string(Sink *s, const char *text) {
    put(s, "\"");
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        char escaped[7] = {(char)c};
        if (c == '"' || c == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)c;
        } else if (c < 0x20) {
            memcpy(escaped, "\\u00", 4);
            escaped[4] = (char)('0' + (c >> 4));
            escaped[5] = "0123456789abcdef"[c & 15];
        }
        put(s, escaped);
    }
    put(s, "\"");
}

static void put_pair(Sink *s, const char *key, const char *value) {
    put_string(s, key);
    put(s, ":");
    put_string(s, value);
}

static void put_tensor(Sink *s, const BmrtTensor *t, int64_t begin) {
    put(s, ",");
    put_string(s, t->name);
    put(s, ":{\"dtype\":\"");
    put(s, bmrt_tensor_dtypes[t->dtype]);
    put(s, "\",\"shape\":[");
    for (uint32_t i = 0; i < t->rank; i++) {
        if (i) put(s, ",");
        put_number(s, t->dims[i]);
    }
    put(s, "],\"data_offsets\":[");
    put_number(s, begin);
    put(s, ",");
    put_number(s, begin + t->bytes);
    put(s, "]}");
}

/* Element sizes are 8, 4, 2, 1. visit == NULL: stop. */
static const BmrtTensor *next_in_order(const BmrtTensor *tensors, uint32_t count, size_t *size,
                                       uint32_t *index) {
    for (; *size; *size /= 2, *index = 0)
        for (; *index < count; ++*index)
            if (bmrt_dtype_bytes(tensors[*index].dtype) == *size) return &tensors[(*index)++];
    return NULL;
}

static void put_header(Sink *s, const BmrtTensor *tensors, uint32_t count,
                       const char *const *metadata) {
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    const BmrtTensor *t;
    int64_t begin = 0;
    size_t size = 8;
    uint32_t index = 0;
    put(s, "{\"__metadata__\":{");
    put_pair(s, BMRT_KEY_FORMAT, BMRT_FORMAT_VALUE);
    put(s, ",");
    put_pair(s, BMRT_KEY_CHECKSUM, zeros);
    s->digits = s->used - 65;
    for (; metadata && metadata[0] && metadata[1]; metadata += 2) {
        put(s, ",");
        put_pair(s, metadata[0], metadata[1]);
    }
    put(s, "}");
    while ((t = next_in_order(tensors, count, &size, &index)) != NULL) {
        put_tensor(s, t, begin);
        begin += t->bytes;
    }
    put(s, "}");
    while (s->used % 64) put(s, " ");
}

static BmrtStatus write_content(BmrtOutput *out, const Sink *head, const BmrtTensor *tensors,
                                uint32_t count, BmrtMessage *message) {
    const BmrtTensor *t;
    size_t size = 8;
    uint32_t index = 0;
    BmrtStatus status = bmrt_output_write(out, head->out, (size_t)head->used, message);
    while (status == BMRT_OK && (t = next_in_order(tensors, count, &size, &index)) != NULL)
        status = bmrt_output_write(out, t->data, (size_t)t->bytes, message);
    return status == BMRT_OK ? bmrt_output_commit(out, message) : status;
}

static void fill_checksum(Sink *head, const BmrtTensor *tensors, uint32_t count) {
    BmrtSha256 sum;
    char digits[65];
    const BmrtTensor *t;
    size_t size = 8;
    uint32_t index = 0;
    bmrt_sha256_start(&sum);
    bmrt_sha256_add(&sum, head->out, (size_t)head->used);
    while ((t = next_in_order(tensors, count, &size, &index)) != NULL)
        bmrt_sha256_add(&sum, t->data, (size_t)t->bytes);
    bmrt_sha256_hex(&sum, digits);
    memcpy(head->out + head->digits, digits, 64);
}

BmrtStatus bmrt_tensors_write(const BmrtHooks *hooks, const char *path, const BmrtTensor *tensors,
                              uint32_t count, const char *const *metadata, BmrtMessage *message) {
    Sink measure = {NULL, 8, 0}, head = {NULL, 8, 0};
    BmrtOutput out;
    put_header(&measure, tensors, count, metadata);
    head.out = bmrt_new(hooks, measure.used, 1);
    if (!head.out) return bmrt_fail(message, BMRT_MEMORY, "no memory to save `%s`", path);
    put_header(&head, tensors, count, metadata);
    for (int i = 0; i < 8; i++) head.out[i] = (char)((uint64_t)(head.used - 8) >> (8 * i));
    fill_checksum(&head, tensors, count);
    BmrtStatus status = bmrt_output_open(hooks, path, &out, message);
    if (status == BMRT_OK) status = write_content(&out, &head, tensors, count, message);
    bmrt_delete(hooks, head.out, measure.used, 1);
    return status;
}
