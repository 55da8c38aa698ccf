/* Reports, events and the clock of a run. */
#include "runtime/train/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

double bmrt_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

BmrtStatus bmrt_report(BmrtSession *s, BmrtStatus status, const BmrtMessage *message) {
    BmrtReport *r = s->report;
    const size_t head = strcspn(message->text, "\n");
    const char *note = message->text[head] ? message->text + head + 1 : "";
    r->status = status;
    memcpy(r->message, message->text, head);
    r->message[head] = 0;
    snprintf(r->note, sizeof r->note, "%s", note);
    return status;
}

BmrtStatus bmrt_report_text(BmrtSession *s, BmrtStatus status, const char *format, ...) {
    BmrtMessage message;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message.text, sizeof message.text, format, arguments);
    va_end(arguments);
    return bmrt_report(s, status, &message);
}

BmrtStatus bmrt_report_handle(BmrtSession *s, BmrtStatus status) {
    return bmrt_report(s, status, &s->handle->message);
}

void bmrt_emit(const BmrtSession *s, BmrtEvent event) {
    if (s->options->event) s->options->event(s->options->user, &event);
}

void bmrt_warn(const BmrtSession *s, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bmrt_emit(s, (BmrtEvent){.kind = BMRT_EVENT_WARNING, .message = text});
}

BmrtStatus bmrt_bind_columns(BmrtSession *s, const BmrtEntry *entry, const BmrtBatcher *batch,
                             const void **inputs) {
    for (uint32_t i = 0; i < entry->input_count; i++) {
        const BmrtValue *v = &entry->inputs[i];
        inputs[i] = bmrt_batcher_column(batch, v);
        if (!inputs[i])
            return bmrt_report_text(s, BMRT_MISMATCH,
                                    "`%s` wants a column `%s` of another type or size", entry->name,
                                    v->name);
    }
    return BMRT_OK;
}

BmrtStatus bmrt_report_batch(BmrtSession *s, BmrtStatus status, const BmrtDataset *data,
                             BmrtSplit part, const uint32_t *order, int64_t first) {
    static const char *const names[BMRT_SPLIT_COUNT] = {"data", "train", "valid", "test"};
    const int64_t bad = s->handle->bad_row;
    bmrt_report_handle(s, status);
    if (bad < 0) return status;
    snprintf(
        s->report->note, sizeof s->report->note,
        "row %lld of this batch is row %lld of the %s files, counted from 0; nothing was written",
        (long long)bad, order ? (long long)order[bad] : (long long)(first + bad), names[part]);
    for (uint32_t f = 0; f < data->recipe->field_count; f++) {
        const BmrtField *field = &data->recipe->fields[f];
        if (strcmp(field->name, s->handle->bad_input) != 0) continue;
        s->report->file = data->recipe->file;
        s->report->line = field->line;
        s->report->column = field->column;
    }
    return status;
}
