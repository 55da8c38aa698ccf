/* An array read from a file, and the readers of single-array files. */
#ifndef BMRT_ARRAY_H
#define BMRT_ARRAY_H

#include "runtime/core/memory.h"
#include "runtime/core/message.h"

enum { BMRT_ARRAY_RANK_MAX = 8 };

typedef struct BmrtArray {
    BmrtDtype dtype;
    uint32_t rank;
    int64_t dims[BMRT_ARRAY_RANK_MAX];
    int64_t elements, bytes;
    int64_t row_step; /* bytes from one row to the next; 0: rows follow each other */
    BmrtBlock block;  /* row-major, in the machine's byte order */
} BmrtArray;

/* Reads IDX or npy, plain or gzip. Nothing is allocated before the file is known to be able to hold
 * what its header says; every malformed file is BMRT_FORMAT with the reason. */
BmrtStatus bmrt_array_read(const BmrtHooks *hooks, const char *path, BmrtFormat format,
                           BmrtArray *out, BmrtMessage *message);
/* The format by name: .npy, .npy.gz; else IDX. */
BmrtFormat bmrt_array_format(const char *path);
void bmrt_array_free(const BmrtHooks *hooks, BmrtArray *array);
/* Writes a version 1.0 npy file atomically. */
BmrtStatus bmrt_npy_write(const BmrtHooks *hooks, const char *path, BmrtDtype dtype, uint32_t rank,
                          const int64_t *dims, const void *data, BmrtMessage *message);

#endif
