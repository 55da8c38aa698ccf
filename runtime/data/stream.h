/* Bytes of a data file from its beginning, plain or gzip (by its first two bytes). */
#ifndef BMRT_STREAM_H
#define BMRT_STREAM_H

#include <zlib.h>

#include "runtime/core/memory.h"
#include "runtime/core/message.h"

typedef struct BmrtStream {
    const BmrtHooks *hooks;
    const char *path; /* the caller's; for messages */
    const char *name; /* its last part */
    int file;
    int64_t file_bytes;
    int64_t position; /* bytes given out */
    int gzip, ended, inflating;
    z_stream z;
    uint8_t *buffer;
    int64_t room, held, used; /* of buffer */
    BmrtMessage *message;
} BmrtStream;

/* Close it whatever open returns. */
BmrtStatus bmrt_stream_open(BmrtStream *s, const BmrtHooks *hooks, const char *path,
                            BmrtMessage *message);
/* Up to `bytes`; fewer only at the end. */
BmrtStatus bmrt_stream_read(BmrtStream *s, void *out, int64_t bytes, int64_t *got);
/* The most bytes the stream can hold, so that nothing larger is allocated: the file's size, or 1032
 * times that for gzip (deflate's best ratio). */
int64_t bmrt_stream_limit(const BmrtStream *s);
void bmrt_stream_close(BmrtStream *s);

#endif
