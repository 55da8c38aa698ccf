/* The records of RFC 4180. A record is found whole in the buffer, which is refilled and grown
 * between; only then are quotes undone, each cell within its own bytes. So most cells are never
 * copied. Lines end in LF or CRLF; quoted cells may hold delimiters, quotes and line ends. */
#include "runtime/data/csv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BUFFER_LEAST = 1 << 12, BUFFER_FIRST = 1 << 18, CELLS_FIRST = 64 };

BmrtStatus bmrt_csv_fail(BmrtCsv *csv, int64_t line, int64_t column, const char *format, ...) {
    char reason[1536];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return bmrt_fail(csv->message, BMRT_FORMAT, "%s:%lld:%lld: %s", csv->stream.name,
                     (long long)line, (long long)column, reason);
}

BmrtStatus bmrt_csv_open(BmrtCsv *csv, const BmrtHooks *hooks, const char *path, char delimiter,
                         BmrtMessage *message) {
    *csv = (BmrtCsv){.hooks = hooks, .message = message, .delimiter = delimiter, .line = 1};
    csv->stream.file = -1;
    BmrtStatus status = bmrt_stream_open(&csv->stream, hooks, path, message);
    if (status != BMRT_OK) return status;
    const int64_t most = bmrt_stream_limit(&csv->stream);
    const int64_t room = most < BUFFER_LEAST   ? BUFFER_LEAST
                         : most < BUFFER_FIRST ? most + 1
                                               : BUFFER_FIRST;
    csv->buffer = bmrt_new(hooks, room, 1);
    csv->cells = bmrt_new(hooks, CELLS_FIRST, sizeof *csv->cells);
    if (csv->buffer) csv->room = room;
    if (csv->cells) csv->cell_room = CELLS_FIRST;
    if (!csv->buffer || !csv->cells)
        return bmrt_fail(message, BMRT_MEMORY, "no memory to read `%s`", csv->stream.name);
    int64_t got;
    status = bmrt_stream_read(&csv->stream, csv->buffer, csv->room, &got);
    csv->end = got;
    csv->ended = got < csv->room;
    if (status != BMRT_OK) return status;
    const unsigned char *first = (const unsigned char *)csv->buffer;
    if (got >= 3 && first[0] == 0xef && first[1] == 0xbb && first[2] == 0xbf) csv->begin = 3;
    if (got >= 2 &&
        ((first[0] == 0xff && first[1] == 0xfe) || (first[0] == 0xfe && first[1] == 0xff)))
        return bmrt_csv_fail(csv, 1, 1, "this is UTF-16 text; UTF-8 is needed");
    return BMRT_OK;
}

void bmrt_csv_close(BmrtCsv *csv) {
    if (!csv->hooks) return;
    bmrt_stream_close(&csv->stream);
    bmrt_delete(csv->hooks, csv->buffer, csv->room, 1);
    bmrt_delete(csv->hooks, csv->cells, csv->cell_room, sizeof *csv->cells);
    *csv = (BmrtCsv){.hooks = NULL};
}

/* More bytes after the record's beginning, which moves to the front of the buffer. */
static BmrtStatus refill(BmrtCsv *csv) {
    int64_t got;
    if (csv->begin == 0 && csv->end == csv->room) {
        if (csv->room >= BMRT_CSV_RECORD_MAX)
            return bmrt_csv_fail(csv, csv->line, 1,
                                 "a record of more than %d bytes: is a quote never closed?",
                                 BMRT_CSV_RECORD_MAX);
        char *larger = bmrt_new(csv->hooks, 2 * csv->room, 1);
        if (!larger)
            return bmrt_fail(csv->message, BMRT_MEMORY, "no memory to read `%s`", csv->stream.name);
        memcpy(larger, csv->buffer, (size_t)csv->end);
        bmrt_delete(csv->hooks, csv->buffer, csv->room, 1);
        csv->buffer = larger;
        csv->room *= 2;
    }
    memmove(csv->buffer, csv->buffer + csv->begin, (size_t)(csv->end - csv->begin));
    csv->end -= csv->begin;
    csv->begin = 0;
    int64_t got_room = csv->room - csv->end;
    const BmrtStatus status =
        bmrt_stream_read(&csv->stream, csv->buffer + csv->end, got_room, &got);
    csv->end += got;
    csv->ended = got < got_room;
    return status;
}

/* ------------------------------------------------------------------ scanning */

typedef struct Scan {
    BmrtCsv *csv;
    int64_t at;               /* in the buffer */
    int64_t line, line_start; /* of the text at `at` */
    int64_t count;
    bool more; /* the record goes on beyond the buffer */
} Scan;

static BmrtStatus add_cell(Scan *s, int64_t begin, int64_t end, int64_t line, int64_t column,
                           bool quoted) {
    BmrtCsv *csv = s->csv;
    if (s->count == BMRT_CSV_CELLS_MAX)
        return bmrt_csv_fail(csv, line, column, "more than %d cells in one record",
                             BMRT_CSV_CELLS_MAX);
    if (s->count == csv->cell_room) {
        BmrtCell *larger = bmrt_new(csv->hooks, 2 * csv->cell_room, sizeof *larger);
        if (!larger)
            return bmrt_fail(csv->message, BMRT_MEMORY, "no memory to read `%s`", csv->stream.name);
        memcpy(larger, csv->cells, (size_t)csv->cell_room * sizeof *larger);
        bmrt_delete(csv->hooks, csv->cells, csv->cell_room, sizeof *larger);
        csv->cells = larger;
        csv->cell_room *= 2;
    }
    csv->cells[s->count++] = (BmrtCell){csv->buffer + begin, end - begin, line, column, quoted};
    return BMRT_OK;
}

/* After the opening quote; leaves `at` behind the closing one. */
static BmrtStatus scan_quoted(Scan *s) {
    BmrtCsv *csv = s->csv;
    const int64_t begin = ++s->at, line = s->line, column = begin - s->line_start;
    for (;; s->at++) {
        if (s->at == csv->end) {
            s->more = !csv->ended;
            return s->more ? BMRT_OK
                           : bmrt_csv_fail(csv, line, column, "this quote is never closed");
        }
        const char c = csv->buffer[s->at];
        if (c == 0) break;
        if (c == '\n') {
            s->line++;
            s->line_start = s->at + 1;
        }
        if (c != '"') continue;
        if (s->at + 1 == csv->end && !csv->ended) {
            s->more = true;
            return BMRT_OK;
        }
        if (s->at + 1 < csv->end && csv->buffer[s->at + 1] == '"') {
            s->at++;
            continue;
        }
        const BmrtStatus status = add_cell(s, begin, s->at, line, column, true);
        s->at++;
        return status;
    }
    return bmrt_csv_fail(csv, s->line, s->at - s->line_start + 1,
                         "a zero byte: this is not a text file");
}

static BmrtStatus wrong_byte(Scan *s, char c) {
    const int64_t column = s->at - s->line_start + 1;
    if (c == 0)
        return bmrt_csv_fail(s->csv, s->line, column, "a zero byte: this is not a text file");
    if (c == '\r')
        return bmrt_csv_fail(s->csv, s->line, column,
                             "a carriage return without a line feed inside a line");
    return bmrt_csv_fail(s->csv, s->line, column,
                         "a quote inside a cell that does not begin with one\nwrite the cell in "
                         "quotes and this one twice: \"5\"\" pipe\"");
}

static BmrtStatus scan_plain(Scan *s) {
    BmrtCsv *csv = s->csv;
    const int64_t begin = s->at;
    const char *text = csv->buffer;
    for (; s->at < csv->end; s->at++) {
        const char c = text[s->at];
        if (c == csv->delimiter || c == '\n') break;
        if (c == '\r') {
            if (s->at + 1 == csv->end) break;
            if (text[s->at + 1] == '\n') break;
        }
        if (c == 0 || c == '\r' || (c == '"' && csv->delimiter != '\n')) return wrong_byte(s, c);
    }
    s->more = !csv->ended && (s->at == csv->end || (text[s->at] == '\r' && s->at + 1 == csv->end));
    return s->more ? BMRT_OK : add_cell(s, begin, s->at, s->line, begin - s->line_start + 1, false);
}

/* What stands behind a cell: true when the record ends there; `at` is then behind its line end. */
static BmrtStatus scan_after(Scan *s, bool *ends) {
    BmrtCsv *csv = s->csv;
    const int64_t left = csv->end - s->at;
    const char c = left ? csv->buffer[s->at] : '\n', next = left > 1 ? csv->buffer[s->at + 1] : 0;
    s->more = !csv->ended && (left == 0 || (c == '\r' && left == 1));
    *ends = c != csv->delimiter || csv->delimiter == '\n' || left == 0;
    if (s->more) return BMRT_OK;
    if (left == 0) return BMRT_OK;
    if (c == csv->delimiter || c == '\n') {
        s->at++;
    } else if (c == '\r' && (next == '\n' || left == 1)) {
        s->at += left == 1 ? 1 : 2;
    } else {
        return bmrt_csv_fail(csv, s->line, s->at - s->line_start + 1,
                             "text behind a closing quote");
    }
    return BMRT_OK;
}

static BmrtStatus scan_record(Scan *s) {
    bool ends = false;
    BmrtStatus status = BMRT_OK;
    while (status == BMRT_OK && !ends && !s->more) {
        const bool quoted =
            s->csv->delimiter != '\n' && s->at < s->csv->end && s->csv->buffer[s->at] == '"';
        status = quoted ? scan_quoted(s) : scan_plain(s);
        if (status == BMRT_OK && !s->more) status = scan_after(s, &ends);
    }
    return status;
}

static void undo_quotes(BmrtCell *cell) {
    char *to = cell->text, *end = cell->text + cell->length;
    for (const char *from = cell->text; from < end; from++) {
        *to++ = *from;
        from += *from == '"'; /* every quote inside stands twice */
    }
    cell->length = to - cell->text;
}

BmrtStatus bmrt_csv_next(BmrtCsv *csv, int64_t *count) {
    *count = 0;
    for (;;) {
        if (csv->begin == csv->end && csv->ended) return BMRT_OK;
        Scan s = {.csv = csv, .at = csv->begin, .line = csv->line, .line_start = csv->begin};
        BmrtStatus status = scan_record(&s);
        if (status != BMRT_OK) return status;
        if (!s.more) {
            for (int64_t i = 0; i < s.count; i++)
                if (csv->cells[i].quoted) undo_quotes(&csv->cells[i]);
            csv->begin = s.at;
            csv->line = s.line + 1;
            *count = s.count;
            return BMRT_OK;
        }
        status = refill(csv);
        if (status != BMRT_OK) return status;
    }
}
