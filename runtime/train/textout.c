/* Counted text output; numbers independent of the host's locale. */
#include "runtime/train/textout.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

BmrtTextOut bmrt_textout(char *out, size_t size) {
    if (!out) size = 0;
    if (size) out[0] = 0;
    return (BmrtTextOut){out, size, 0};
}

void bmrt_textout_bytes(BmrtTextOut *t, const char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++, t->used++)
        if (t->used + 1 < t->size) t->out[t->used] = bytes[i];
    if (t->size) t->out[t->used < t->size ? t->used : t->size - 1] = 0;
}

void bmrt_textout_put(BmrtTextOut *t, const char *text) {
    bmrt_textout_bytes(t, text, strlen(text));
}

void bmrt_textout_format(BmrtTextOut *t, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (n > 0) bmrt_textout_put(t, text);
}

static void put_with_point(BmrtTextOut *t, char *text) {
    char *comma = strchr(text, ',');
    if (comma) *comma = '.';
    bmrt_textout_put(t, text);
}

void bmrt_textout_exact(BmrtTextOut *t, double value) {
    char text[40];
    if (!isfinite(value)) {
        bmrt_textout_put(t, "null");
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    put_with_point(t, text);
}

void bmrt_textout_number(BmrtTextOut *t, double value) {
    char text[40];
    const double size = fabs(value);
    if (isnan(value))
        snprintf(text, sizeof text, "nan");
    else if (size == 0 || (size >= 0.001 && size < 1000))
        snprintf(text, sizeof text, "%.4f", value);
    else
        snprintf(text, sizeof text, "%.4g", value);
    put_with_point(t, text);
}
