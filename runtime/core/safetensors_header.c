/* The JSON header of a safetensors file, read strictly: exactly the shape
 *   {"__metadata__": {"key": "value", ...}, "name": {"dtype": "F32", "shape": [2, 3],
 *    "data_offsets": [0, 24]}, ...}
 * with each key once and nothing else. Nesting is fixed, so there is no recursion; every count is
 * bounded by the header's length before anything is allocated. */
#include "runtime/core/safetensors.h"

#include <string.h>

enum { METADATA_MAX = 1024 }; /* finding a key twice is quadratic */

typedef struct Reader {
    BmrtTensorFile *file;
    const char *path;
    const char *start;
    char *at, *end;
    int64_t data_bytes;
    BmrtMessage *message;
} Reader;

const char *const bmrt_tensor_dtypes[BMRT_DTYPE_COUNT] = {
    "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"};

static bool refuse(Reader *r, const char *why) {
    bmrt_fail(r->message, BMRT_FORMAT, "`%s` is not a valid safetensors file: header byte %lld: %s",
              r->path, (long long)(r->at - r->start), why);
    return false;
}

static void skip_space(Reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static bool accept(Reader *r, char c) {
    skip_space(r);
    if (r->at >= r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static bool expect(Reader *r, char c) {
    char why[] = "expected `?`";
    why[10] = c;
    return accept(r, c) || refuse(r, why);
}

static bool hex4(Reader *r, uint32_t *out) {
    *out = 0;
    if (r->end - r->at < 4) return refuse(r, "a cut \\u escape");
    for (int i = 0; i < 4; i++, r->at++) {
        const char c = *r->at;
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return refuse(r, "a \\u escape needs four hex digits");
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

static char *put_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

/* After the backslash. An escape is never shorter than what it stands for, so writing in place is
 * safe. */
static bool escape(Reader *r, char **to) {
    static const char from[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    uint32_t code, low;
    if (r->at >= r->end) return refuse(r, "an unfinished string");
    const char *known = *r->at ? strchr(from, *r->at) : NULL;
    if (known) {
        *(*to)++ = plain[known - from];
        r->at++;
        return true;
    }
    if (*r->at++ != 'u') return refuse(r, "an unknown escape");
    if (!hex4(r, &code)) return false;
    if (code >= 0xdc00 && code < 0xe000) return refuse(r, "half of a surrogate pair");
    if (code >= 0xd800 && code < 0xdc00) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
            return refuse(r, "half of a surrogate pair");
        r->at += 2;
        if (!hex4(r, &low)) return false;
        if (low < 0xdc00 || low >= 0xe000) return refuse(r, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code == 0) return refuse(r, "a zero character in a string");
    *to = put_utf8(*to, code);
    return true;
}

/* Bytes of the UTF-8 sequence at `at`; 0: not UTF-8 (overlong and surrogates included). */
static int utf8_length(const char *text, const char *end) {
    const unsigned char *at = (const unsigned char *)text;
    const int n = *at < 0x80                  ? 1
                  : *at >= 0xc2 && *at < 0xe0 ? 2
                  : *at >= 0xe0 && *at < 0xf0 ? 3
                  : *at >= 0xf0 && *at < 0xf5 ? 4
                                              : 0;
    if (n == 0 || end - text < n) return 0;
    for (int i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if (*at == 0xe0 && at[1] < 0xa0) return 0;
    if (*at == 0xed && at[1] > 0x9f) return 0;
    if (*at == 0xf0 && at[1] < 0x90) return 0;
    return *at == 0xf4 && at[1] > 0x8f ? 0 : n;
}

static bool string(Reader *r, const char **out) {
    if (!expect(r, '"')) return false;
    char *to = r->at;
    *out = to;
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\') {
            r->at++;
            if (!escape(r, &to)) return false;
            continue;
        }
        if ((unsigned char)*r->at < 0x20) return refuse(r, "a control character in a string");
        int n = utf8_length(r->at, r->end);
        if (n == 0) return refuse(r, "invalid UTF-8");
        while (n--) *to++ = *r->at++;
    }
    if (r->at >= r->end) return refuse(r, "an unfinished string");
    r->at++;
    *to = 0; /* at the closing quote or before it */
    return true;
}

static bool number(Reader *r, int64_t *out) {
    skip_space(r);
    const char *first = r->at;
    *out = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, *r->at - '0', out))
            return refuse(r, "a number too large");
    if (r->at == first) return refuse(r, "expected a number");
    if (*first == '0' && r->at - first > 1) return refuse(r, "a number with a leading zero");
    return true;
}

static bool dtype(Reader *r, BmrtTensor *t) {
    const char *name;
    if (!string(r, &name)) return false;
    for (int i = 0; i < BMRT_DTYPE_COUNT; i++) {
        if (strcmp(name, bmrt_tensor_dtypes[i]) != 0) continue;
        t->dtype = (BmrtDtype)i;
        return true;
    }
    return refuse(r, "an unknown dtype");
}

static bool shape(Reader *r, BmrtTensor *t) {
    BmrtTensorFile *f = r->file;
    t->dims = f->dims + f->dim_count;
    if (!expect(r, '[')) return false;
    if (accept(r, ']')) return true;
    do {
        if (t->rank == BMRT_TENSOR_RANK_MAX || f->dim_count == f->dim_room)
            return refuse(r, "more dims than can be");
        if (!number(r, &f->dims[f->dim_count])) return false;
        f->dim_count++;
        t->rank++;
    } while (accept(r, ','));
    return expect(r, ']');
}

static bool offsets(Reader *r, BmrtTensor *t, int64_t *begin, int64_t *end) {
    if (!expect(r, '[') || !number(r, begin) || !expect(r, ',') || !number(r, end)) return false;
    if (*begin > *end || *end > r->data_bytes)
        return refuse(r, "data_offsets beyond the file's end");
    t->bytes = *end - *begin;
    return expect(r, ']');
}

static bool size_fits(const BmrtTensor *t) {
    int64_t product = (int64_t)bmrt_dtype_bytes(t->dtype);
    for (uint32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(product, t->dims[i], &product)) return false;
    return product == t->bytes;
}

static bool tensor(Reader *r, const char *name, const char *data) {
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    BmrtTensorFile *f = r->file;
    int64_t begin = 0, end = 0;
    unsigned seen = 0;
    if (f->tensor_count == f->tensor_room) return refuse(r, "more tensors than can be");
    BmrtTensor *t = &f->tensors[f->tensor_count++];
    *t = (BmrtTensor){.name = name};
    if (!expect(r, '{')) return false;
    do {
        const char *key;
        unsigned k = 0;
        if (!string(r, &key)) return false;
        while (k < 3 && strcmp(key, keys[k]) != 0) k++;
        if (k == 3) return refuse(r, "an unknown key of a tensor");
        if (seen & 1u << k) return refuse(r, "a key twice");
        seen |= 1u << k;
        if (!expect(r, ':')) return false;
        if (!(k == 0 ? dtype(r, t) : k == 1 ? shape(r, t) : offsets(r, t, &begin, &end)))
            return false;
    } while (accept(r, ','));
    if (!expect(r, '}')) return false;
    if (seen != 7) return refuse(r, "a tensor needs dtype, shape and data_offsets");
    if (!size_fits(t)) return refuse(r, "a tensor whose shape does not fit its data_offsets");
    t->data = data + begin;
    return true;
}

static bool metadata(Reader *r) {
    BmrtTensorFile *f = r->file;
    if (f->metadata_count) return refuse(r, "__metadata__ twice");
    if (!expect(r, '{')) return false;
    if (accept(r, '}')) return true;
    do {
        if (f->metadata_count == f->metadata_room) return refuse(r, "too many metadata entries");
        BmrtPair *pair = &f->metadata[f->metadata_count++];
        if (!string(r, &pair->key) || !expect(r, ':') || !string(r, &pair->value)) return false;
        for (uint32_t i = 0; i + 1 < f->metadata_count; i++)
            if (strcmp(f->metadata[i].key, pair->key) == 0)
                return refuse(r, "a metadata key twice");
    } while (accept(r, ','));
    return expect(r, '}');
}

static bool header(Reader *r, const char *data) {
    if (!expect(r, '{')) return false;
    if (!accept(r, '}')) {
        do {
            const char *name;
            if (!string(r, &name) || !expect(r, ':')) return false;
            if (!(strcmp(name, "__metadata__") == 0 ? metadata(r) : tensor(r, name, data)))
                return false;
        } while (accept(r, ','));
        if (!expect(r, '}')) return false;
    }
    skip_space(r);
    return r->at == r->end || refuse(r, "something after the header's end");
}

/* Upper bounds from the text, so that nothing grows while parsing. A tensor takes at least 40
 * bytes, a metadata pair 5, a dim 2. */
static bool make_room(BmrtTensorFile *f) {
    int64_t braces = 0, colons = 0;
    for (int64_t i = 0; i < f->header_bytes; i++) {
        braces += f->header[i] == '{';
        colons += f->header[i] == ':';
    }
    const int64_t tensors = f->header_bytes / 20 + 1, pairs = f->header_bytes / 5;
    f->tensor_room = (uint32_t)(braces < tensors ? braces : tensors);
    f->metadata_room = (uint32_t)(colons < pairs ? colons : pairs);
    if (f->metadata_room > METADATA_MAX) f->metadata_room = METADATA_MAX;
    f->dim_room = f->header_bytes / 2;
    f->tensors = bmrt_new(f->hooks, f->tensor_room, sizeof *f->tensors);
    f->metadata = bmrt_new(f->hooks, f->metadata_room, sizeof *f->metadata);
    f->dims = bmrt_new(f->hooks, f->dim_room, sizeof *f->dims);
    return f->tensors && f->metadata && f->dims;
}

BmrtStatus bmrt_tensors_parse(BmrtTensorFile *file, const char *path, const char *data,
                              int64_t data_bytes, BmrtMessage *message) {
    Reader r = {.file = file, .path = path, .start = file->header, .at = file->header};
    r.end = file->header + file->header_bytes;
    r.data_bytes = data_bytes;
    r.message = message;
    if (!make_room(file)) return bmrt_fail(message, BMRT_MEMORY, "no memory to read `%s`", path);
    return header(&r, data) ? BMRT_OK : BMRT_FORMAT;
}
