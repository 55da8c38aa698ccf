/* One message of a failed call: a headline, and perhaps further lines that are notes to it. */
#ifndef BMRT_MESSAGE_H
#define BMRT_MESSAGE_H

#include "runtime/include/bmrt.h"

typedef struct BmrtMessage {
    char text[2048];
} BmrtMessage;

#define BMRT_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Sets the message and returns `status`: `return bmrt_fail(m, BMRT_IO, "...", ...)`. */
BmrtStatus bmrt_fail(BmrtMessage *message, BmrtStatus status, const char *format, ...)
    BMRT_PRINTF(3, 4);
/* Adds to the end; what does not fit is cut and ends in "...". */
void bmrt_message_add(BmrtMessage *message, const char *format, ...) BMRT_PRINTF(2, 3);
/* Adds "[60000, 28, 32] u8". */
void bmrt_message_add_shape(BmrtMessage *message, BmrtDtype dtype, uint32_t rank,
                            const int64_t *dims);

const char *bmrt_dtype_name(BmrtDtype dtype); /* "f32"; "?" for none */

#endif
