/* IDX, the format of the MNIST family: two zero bytes, a type, a rank, the dims and the elements,
 * all big-endian. */
#include "runtime/data/reader.h"

static bool idx_dtype(uint8_t type, BmrtDtype *out) {
    static const struct {
        uint8_t type;
        BmrtDtype dtype;
    } types[] = {{0x08, BMRT_U8},  {0x09, BMRT_I8},  {0x0b, BMRT_I16},
                 {0x0c, BMRT_I32}, {0x0d, BMRT_F32}, {0x0e, BMRT_F64}};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].type != type) continue;
        *out = types[i].dtype;
        return true;
    }
    return false;
}

BmrtStatus bmrt_idx_header(BmrtStream *s, BmrtArray *out, BmrtLayout *layout) {
    uint8_t magic[4], dim[4];
    BmrtStatus status = bmrt_read_header_bytes(s, magic, sizeof magic);
    if (status != BMRT_OK) return status;
    if (magic[0] != 0 || magic[1] != 0)
        return bmrt_fail(s->message, BMRT_FORMAT,
                         "%s is not an IDX file: it starts with the bytes %02x %02x, not 00 00",
                         s->name, magic[0], magic[1]);
    if (!idx_dtype(magic[2], &out->dtype))
        return bmrt_fail(
            s->message, BMRT_FORMAT,
            "%s is not an IDX file: its type byte is %02x, not one of 08 09 0b 0c 0d 0e", s->name,
            magic[2]);
    if (magic[3] < 1 || magic[3] > BMRT_ARRAY_RANK_MAX)
        return bmrt_fail(s->message, BMRT_FORMAT, "%s says it has %u dims; 1 to %d are possible",
                         s->name, magic[3], BMRT_ARRAY_RANK_MAX);
    out->rank = magic[3];
    for (uint32_t i = 0; i < out->rank; i++) {
        status = bmrt_read_header_bytes(s, dim, sizeof dim);
        if (status != BMRT_OK) return status;
        out->dims[i] = (int64_t)dim[0] << 24 | dim[1] << 16 | dim[2] << 8 | dim[3];
    }
    *layout = (BmrtLayout){.swapped = bmrt_little_endian()};
    return BMRT_OK;
}
