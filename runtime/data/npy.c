/* npy, versions 1 to 3: a magic string, a version, the length of a header, and the header: a Python
 * dict literal {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. Only such dicts of
 * plain dtypes are read; object, structured, string and complex arrays are refused by name. */
#include "runtime/data/reader.h"

#include <stdio.h>
#include <string.h>

#include "runtime/core/file.h"

enum { HEADER_MAX = 1 << 16 };

typedef struct Literal { /* what is left of the header */
    const char *at, *end;
} Literal;

static bool accept(Literal *l, char c) {
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\n' || *l->at == '\t')) l->at++;
    if (l->at >= l->end || *l->at != c) return false;
    l->at++;
    return true;
}

static bool word(Literal *l, const char *text) {
    const size_t n = strlen(text);
    (void)accept(l, 0); /* skips spaces */
    if ((size_t)(l->end - l->at) < n || memcmp(l->at, text, n) != 0) return false;
    l->at += n;
    return true;
}

/* A quoted string without escapes. */
static bool quoted(Literal *l, char *out, size_t size) {
    const char quote = accept(l, '\'') ? '\'' : accept(l, '"') ? '"' : 0;
    size_t n = 0;
    if (!quote) return false;
    for (; l->at < l->end && *l->at != quote; l->at++) {
        if (*l->at == '\\' || n + 1 >= size) return false;
        out[n++] = *l->at;
    }
    out[n] = 0;
    return accept(l, quote);
}

static bool shape(Literal *l, BmrtArray *out) {
    if (!accept(l, '(')) return false;
    while (!accept(l, ')')) {
        int64_t dim = 0;
        if (out->rank == BMRT_ARRAY_RANK_MAX || l->at >= l->end || *l->at < '0' || *l->at > '9')
            return false;
        for (; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++)
            if (__builtin_mul_overflow(dim, 10, &dim) ||
                __builtin_add_overflow(dim, *l->at - '0', &dim))
                return false;
        (void)accept(l, 'L'); /* as Python 2 wrote them */
        out->dims[out->rank++] = dim;
        if (!accept(l, ',') && (l->at >= l->end || *l->at != ')')) return false;
    }
    return true;
}

/* "<f4": byte order, kind, bytes. */
static bool descr(const char *text, BmrtArray *out, BmrtLayout *layout) {
    static const struct {
        char name[3];
        BmrtDtype dtype;
    } kinds[] = {{"f2", BMRT_F16}, {"f4", BMRT_F32}, {"f8", BMRT_F64}, {"i1", BMRT_I8},
                 {"i2", BMRT_I16}, {"i4", BMRT_I32}, {"i8", BMRT_I64}, {"u1", BMRT_U8},
                 {"u2", BMRT_U16}, {"u4", BMRT_U32}, {"u8", BMRT_U64}, {"b1", BMRT_BOOL}};
    if (!*text || !strchr("<>|=", *text)) return false;
    layout->swapped = *text == (bmrt_little_endian() ? '>' : '<');
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(text + 1, kinds[i].name) != 0) continue;
        out->dtype = kinds[i].dtype;
        return bmrt_dtype_bytes(out->dtype) == 1 || *text != '|';
    }
    return false;
}

static BmrtStatus refuse(BmrtStream *s, const char *why) {
    return bmrt_fail(s->message, BMRT_FORMAT, "%s is not an npy file that can be read: %s", s->name,
                     why);
}

static BmrtStatus dict(BmrtStream *s, Literal *l, BmrtArray *out, BmrtLayout *layout) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    unsigned seen = 0;
    char key[32], type[32];
    if (!accept(l, '{')) return refuse(s, "its header is not a dict");
    while (!accept(l, '}')) {
        unsigned k = 0;
        if (!quoted(l, key, sizeof key) || !accept(l, ':')) return refuse(s, "a malformed header");
        while (k < 3 && strcmp(key, keys[k]) != 0) k++;
        if (k == 3 || seen & 1u << k) return refuse(s, "an unknown or repeated key in its header");
        seen |= 1u << k;
        if (k == 0 && accept(l, '[')) return refuse(s, "it holds records, not numbers");
        if (k == 0 && !quoted(l, type, sizeof type)) return refuse(s, "a malformed dtype");
        if (k == 0 && !descr(type, out, layout))
            return bmrt_fail(s->message, BMRT_FORMAT,
                             "%s holds elements of type `%s`, which cannot be read", s->name, type);
        if (k == 1) layout->fortran = word(l, "True");
        if (k == 1 && !layout->fortran && !word(l, "False"))
            return refuse(s, "fortran_order is neither True nor False");
        if (k == 2 && !shape(l, out)) return refuse(s, "a malformed shape");
        if (!accept(l, ',') && (l->at >= l->end || *l->at != '}'))
            return refuse(s, "a malformed header");
    }
    (void)accept(l, 0);
    if (seen != 7) return refuse(s, "its header lacks descr, fortran_order or shape");
    return l->at == l->end ? BMRT_OK : refuse(s, "something follows the dict in its header");
}

BmrtStatus bmrt_npy_header(BmrtStream *s, BmrtArray *out, BmrtLayout *layout) {
    uint8_t magic[8], length[4] = {0};
    *layout = (BmrtLayout){.swapped = false};
    BmrtStatus status = bmrt_read_header_bytes(s, magic, sizeof magic);
    if (status != BMRT_OK) return status;
    if (memcmp(magic, "\x93NUMPY", 6) != 0) return refuse(s, "it does not start with \\x93NUMPY");
    if (magic[6] < 1 || magic[6] > 3 || magic[7] != 0) return refuse(s, "an unknown version");
    status = bmrt_read_header_bytes(s, length, magic[6] == 1 ? 2 : 4);
    if (status != BMRT_OK) return status;
    const int64_t bytes = (int64_t)length[3] << 24 | length[2] << 16 | length[1] << 8 | length[0];
    if (bytes > HEADER_MAX) return refuse(s, "its header is longer than 65,536 bytes");
    char *text = bmrt_new(s->hooks, bytes + 1, 1);
    if (!text) return bmrt_fail(s->message, BMRT_MEMORY, "no memory to read `%s`", s->name);
    status = bmrt_read_header_bytes(s, text, bytes);
    Literal l = {text, text + bytes};
    if (status == BMRT_OK) status = dict(s, &l, out, layout);
    bmrt_delete(s->hooks, text, bytes + 1, 1);
    return status;
}

BmrtStatus bmrt_npy_write(const BmrtHooks *hooks, const char *path, BmrtDtype dtype, uint32_t rank,
                          const int64_t *dims, const void *data, BmrtMessage *message) {
    static const char types[BMRT_DTYPE_COUNT][4] = {"<f8", "<f4", "<f2", "",    "<i8", "<i4", "<i2",
                                                    "|i1", "<u8", "<u4", "<u2", "|u1", "|b1"};
    char head[512] = "\x93NUMPY\x01";
    int64_t bytes = (int64_t)bmrt_dtype_bytes(dtype);
    BmrtOutput out;
    if (rank > BMRT_ARRAY_RANK_MAX || (unsigned)dtype >= BMRT_DTYPE_COUNT || !*types[dtype])
        return bmrt_fail(message, BMRT_ARGUMENT, "npy files cannot hold %s arrays of rank %u",
                         bmrt_dtype_name(dtype), rank);
    int n = 10 + snprintf(head + 10, sizeof head - 10,
                          "{'descr': '%s', 'fortran_order': False, 'shape': (", types[dtype]);
    for (uint32_t i = 0; i < rank; i++) {
        n += snprintf(head + n, sizeof head - (size_t)n, "%lld,%s", (long long)dims[i],
                      i + 1 < rank ? " " : "");
        if (dims[i] < 0 || __builtin_mul_overflow(bytes, dims[i], &bytes))
            return bmrt_fail(message, BMRT_SHAPE, "an array too large to write");
    }
    n += snprintf(head + n, sizeof head - (size_t)n, "), }");
    while ((n + 1) % 64) head[n++] = ' ';
    head[n++] = '\n';
    head[8] = (char)((n - 10) & 255);
    head[9] = (char)((n - 10) >> 8);
    BmrtStatus status = bmrt_output_open(hooks, path, &out, message);
    if (status == BMRT_OK) status = bmrt_output_write(&out, head, (size_t)n, message);
    if (status == BMRT_OK) status = bmrt_output_write(&out, data, (size_t)bytes, message);
    return status == BMRT_OK ? bmrt_output_commit(&out, message) : status;
}
