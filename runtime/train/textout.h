/* Text into a caller's buffer, counted like snprintf: what does not fit is dropped but counted. */
#ifndef BMRT_TEXTOUT_H
#define BMRT_TEXTOUT_H

#include <stddef.h>

#include "runtime/core/message.h"

typedef struct BmrtTextOut {
    char *out;
    size_t size, used; /* used may pass size */
} BmrtTextOut;

BmrtTextOut bmrt_textout(char *out, size_t size);
void bmrt_textout_put(BmrtTextOut *t, const char *text);
void bmrt_textout_bytes(BmrtTextOut *t, const char *bytes, size_t count);
void bmrt_textout_format(BmrtTextOut *t, const char *format, ...) BMRT_PRINTF(2, 3);
/* The shortest decimal form that reads back as the same double, with a point in any locale;
 * not finite: null. */
void bmrt_textout_exact(BmrtTextOut *t, double value);
/* For people: four significant decimals. */
void bmrt_textout_number(BmrtTextOut *t, double value);

#endif
