/* Messages of fixed size: a failure must be told even when no memory is left. */
#include "runtime/core/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void message_put(BmrtMessage *message, const char *format, va_list arguments) {
    size_t used = strlen(message->text), room = sizeof message->text - used;
    int need = vsnprintf(message->text + used, room, format, arguments);
    if (need < 0) message->text[used] = 0;
    if (need >= 0 && (size_t)need >= room)
        memcpy(message->text + sizeof message->text - 4, "...", 4);
}

BmrtStatus bmrt_fail(BmrtMessage *message, BmrtStatus status, const char *format, ...) {
    va_list arguments;
    message->text[0] = 0;
    va_start(arguments, format);
    message_put(message, format, arguments);
    va_end(arguments);
    return status;
}

void bmrt_message_add(BmrtMessage *message, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message_put(message, format, arguments);
    va_end(arguments);
}

void bmrt_message_add_shape(BmrtMessage *message, BmrtDtype dtype, uint32_t rank,
                            const int64_t *dims) {
    bmrt_message_add(message, "[");
    for (uint32_t i = 0; i < rank; i++)
        bmrt_message_add(message, "%s%lld", i ? ", " : "", (long long)dims[i]);
    bmrt_message_add(message, "] %s", bmrt_dtype_name(dtype));
}

const char *bmrt_dtype_name(BmrtDtype dtype) {
    static const char names[BMRT_DTYPE_COUNT][5] = {
        "f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool"};
    return (unsigned)dtype < BMRT_DTYPE_COUNT ? names[dtype] : "?";
}
