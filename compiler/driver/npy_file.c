/* NumPy's .npy format (numpy.lib.format): magic, version, header length, a Python dict literal with
 * `descr`, `fortran_order` and `shape`, padding, then the elements. */
#include "compiler/driver/arrays.h"
#include "compiler/driver/file_output.h"
#include <inttypes.h>
#include <stdlib.h>

static const char MAGIC[] = "\x93NUMPY";
enum { NPY_HEADER_LIMIT = 1 << 16 };
#define NPY_FILE_LIMIT ((size_t)1 << 36)

static const struct {
    const char *descr;
    BmrtDtype dtype;
} DESCRS[] = {{"<f8", BMRT_F64}, {"<f4", BMRT_F32}, {"<f2", BMRT_F16}, {"<i8", BMRT_I64},
              {"<i4", BMRT_I32}, {"<i2", BMRT_I16}, {"|i1", BMRT_I8},  {"<u8", BMRT_U64},
              {"<u4", BMRT_U32}, {"<u2", BMRT_U16}, {"|u1", BMRT_U8},  {"|b1", BMRT_BOOL}};

static bool npy_fail(Context *ctx, const char *path, const char *why) {
    ctx_error(ctx, E_RUN_FORMAT, ((Span){0}), "`%s` cannot be read as .npy: %s", path, why);
    return false;
}

/* The text after `'key':`, blanks skipped; NULL when the key is not there. */
static const char *header_value(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (at == NULL) return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':') at++;
    return at;
}

static bool header_dtype(const char *header, BmrtDtype *out) {
    const char *at = header_value(header, "'descr'");
    for (size_t i = 0; at && i < sizeof DESCRS / sizeof *DESCRS; i++) {
        if (at[0] != '\'' || strncmp(at + 1, DESCRS[i].descr, 3) != 0 || at[4] != '\'') continue;
        *out = DESCRS[i].dtype;
        return true;
    }
    return false;
}

static bool header_shape(const char *header, Array *out) {
    const char *at = header_value(header, "'shape'");
    if (at == NULL || *at++ != '(') return false;
    for (out->rank = 0;;) {
        while (*at == ' ' || *at == ',') at++;
        if (*at == ')') return true;
        char *end = NULL;
        long long dim = strtoll(at, &end, 10);
        if (end == at || dim < 0 || out->rank == ARRAY_RANK_MAX) return false;
        out->dims[out->rank++] = dim;
        at = end;
    }
}

static bool npy_header(Context *ctx, const char *path, const char *file, size_t len, Array *out,
                       size_t *begin) {
    const unsigned char *u = (const unsigned char *)file;
    if (len < 10 || memcmp(file, MAGIC, 6) != 0)
        return npy_fail(ctx, path, "it does not start as one");
    bool wide = u[6] >= 2;
    if (u[6] < 1 || u[6] > 3 || (wide && len < 12)) return npy_fail(ctx, path, "unknown version");
    size_t header_len = u[8] | (size_t)u[9] << 8;
    if (wide) header_len |= (size_t)u[10] << 16 | (size_t)u[11] << 24;
    size_t from = wide ? 12 : 10;
    if (header_len > NPY_HEADER_LIMIT || len - from < header_len)
        return npy_fail(ctx, path, "its header is cut off");
    const char *header = arena_strndup(ctx->arena, file + from, header_len);
    const char *order = header_value(header, "'fortran_order'");
    if (order == NULL || !header_shape(header, out))
        return npy_fail(ctx, path, "its header is damaged");
    if (!header_dtype(header, &out->dtype))
        return npy_fail(ctx, path, "its dtype is not supported (little-endian numbers are)");
    if (strncmp(order, "False", 5) != 0 && out->rank > 1)
        return npy_fail(ctx, path, "it is in Fortran order; save numpy.ascontiguousarray(x)");
    *begin = from + header_len;
    return true;
}

bool npy_read(Context *ctx, const char *path, Array *out) {
    size_t len = 0, begin = 0;
    char *file = file_read(ctx, path, NPY_FILE_LIMIT, &len);
    *out = (Array){0};
    if (file == NULL || !npy_header(ctx, path, file, len, out, &begin)) return false;
    int64_t n = array_elements(out);
    size_t element = bmrt_dtype_bytes(out->dtype), present = len - begin;
    if (n < 0 || (uint64_t)n > present / element || (size_t)n * element != present) {
        ctx_error(ctx, E_RUN_FORMAT, ((Span){0}),
                  "`%s` is damaged: its shape wants %" PRId64
                  " elements of %zu bytes, it holds %zu bytes",
                  path, n, element, present);
        return false;
    }
    out->bytes = present;
    out->data = arena_alloc(ctx->arena, present); /* the header may leave the data unaligned */
    memcpy(out->data, file + begin, present);
    return true;
}

bool npy_write(Context *ctx, const char *path, const Array *a) {
    const char *descr = NULL;
    for (size_t i = 0; i < sizeof DESCRS / sizeof *DESCRS; i++)
        if (DESCRS[i].dtype == a->dtype) descr = DESCRS[i].descr;
    if (descr == NULL) {
        ctx_error(ctx, E_UNSUPPORTED, ((Span){0}), ".npy has no %s", array_dtype_name(a->dtype));
        return false;
    }
    Text header = {.arena = ctx->arena}, file = {.arena = ctx->arena};
    text_printf(&header, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t i = 0; i < a->rank; i++) text_printf(&header, "%" PRId64 ",", a->dims[i]);
    text_add(&header, "), }");
    while ((10 + header.len + 1) % 64 != 0) text_char(&header, ' ');
    text_char(&header, '\n');
    text_add_n(&file, MAGIC, 6);
    text_add_n(&file, "\x01\x00", 2);
    text_char(&file, (char)(header.len & 0xff));
    text_char(&file, (char)(header.len >> 8));
    text_add_n(&file, header.data, header.len);
    text_add_n(&file, a->data, a->bytes);
    return file_replace(ctx, path, file.data, file.len);
}
