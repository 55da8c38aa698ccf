/* safetensors files: an 8-byte little-endian header length, a JSON header, the tensors' bytes. The
 * writer adds a SHA-256 of the whole file to the metadata; the reader is strict and believes
 * nothing. docs/checkpoint.md has the format and the checksum. */
#ifndef BMRT_SAFETENSORS_H
#define BMRT_SAFETENSORS_H

#include "runtime/core/file.h"

enum { BMRT_TENSOR_RANK_MAX = 16 };

typedef struct BmrtTensor {
    const char *name;
    BmrtDtype dtype;
    uint32_t rank;
    const int64_t *dims;
    const void *data; /* dense, row-major, little-endian */
    int64_t bytes;
} BmrtTensor;

typedef struct BmrtPair {
    const char *key, *value;
} BmrtPair;

typedef struct BmrtTensorFile { /* what a file holds; everything points into its blocks */
    const BmrtHooks *hooks;
    BmrtBlock content;
    int64_t content_bytes;
    char *header; /* copy with strings unescaped in place */
    int64_t header_bytes;
    BmrtTensor *tensors; /* ascending by name, after reading */
    int64_t *dims;
    uint32_t tensor_count, tensor_room;
    int64_t dim_count, dim_room;
    BmrtPair *metadata;
    uint32_t metadata_count, metadata_room;
    int checked; /* it carried a checksum, and that was right */
} BmrtTensorFile;

/* Writes atomically. metadata: alternating keys and values, NULL-terminated, or NULL. */
BmrtStatus bmrt_tensors_write(const BmrtHooks *hooks, const char *path, const BmrtTensor *tensors,
                              uint32_t count, const char *const *metadata, BmrtMessage *message);
/* Reads and checks: JSON, names, shapes, that the tensors cover the data without gap or overlap,
 * and the checksum when there is one. On failure *out is empty. */
BmrtStatus bmrt_tensors_read(const BmrtHooks *hooks, const char *path, BmrtTensorFile *out,
                             BmrtMessage *message);
void bmrt_tensors_free(BmrtTensorFile *file);
const BmrtTensor *bmrt_tensors_find(const BmrtTensorFile *file, const char *name); /* or NULL */
const char *bmrt_tensors_metadata(const BmrtTensorFile *file, const char *key);    /* or NULL */

/* header.c: parses file->header (header_bytes of JSON) into tensors and metadata; tensors' data are
 * offsets relative to NULL until the reader adds the base. */
BmrtStatus bmrt_tensors_parse(BmrtTensorFile *file, const char *path, const char *data,
                              int64_t data_bytes, BmrtMessage *message);

#define BMRT_KEY_FORMAT   "bmc.format"
#define BMRT_KEY_CHECKSUM "bmc.sha256"
#define BMRT_FORMAT_VALUE "1"
extern const char *const bmrt_tensor_dtypes[BMRT_DTYPE_COUNT]; /* "F32" */

#endif
