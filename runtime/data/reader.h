/* Between array.c, which allocates, fills and checks, and the headers of the formats. */
#ifndef BMRT_READER_H
#define BMRT_READER_H

#include "runtime/data/array.h"
#include "runtime/data/stream.h"

typedef struct BmrtLayout { /* what a header says beside shape and dtype */
    bool swapped;           /* the other byte order than this machine's */
    bool fortran;           /* first axis fastest */
} BmrtLayout;

/* Read the header: dtype, rank and dims of *out. */
BmrtStatus bmrt_idx_header(BmrtStream *s, BmrtArray *out, BmrtLayout *layout);
BmrtStatus bmrt_npy_header(BmrtStream *s, BmrtArray *out, BmrtLayout *layout);

/* All of `bytes`, or BMRT_FORMAT "NAME is cut off in its header". */
BmrtStatus bmrt_read_header_bytes(BmrtStream *s, void *out, int64_t bytes);

static inline bool bmrt_little_endian(void) {
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

#endif
