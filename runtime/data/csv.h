/* Comma-separated text (RFC 4180): one record at a time, cells in place. */
#ifndef BMRT_CSV_H
#define BMRT_CSV_H

#include "runtime/data/stream.h"

typedef struct BmrtCell {
    char *text; /* no zero byte at its end; valid until the next record */
    int64_t length;
    int64_t line, column; /* in the file, from 1; the column counts bytes */
    bool quoted;
} BmrtCell;

typedef struct BmrtCsv {
    BmrtStream stream;
    BmrtMessage *message;
    const BmrtHooks *hooks;
    char delimiter;
    char *buffer; /* the record at buffer + begin, read up to buffer + end */
    int64_t room, begin, end;
    bool ended;   /* nothing follows buffer + end */
    int64_t line; /* of buffer + begin */
    BmrtCell *cells;
    int64_t cell_room;
} BmrtCsv;

enum { BMRT_CSV_RECORD_MAX = 1 << 24, BMRT_CSV_CELLS_MAX = 1 << 16 };

/* Delimiter '\n': no delimiters and no quotes, each line is a record of one cell. Close it whatever
 * open returns. */
BmrtStatus bmrt_csv_open(BmrtCsv *csv, const BmrtHooks *hooks, const char *path, char delimiter,
                         BmrtMessage *message);
/* The next record's cells; *count = 0: the end. A blank line is a record of one empty cell. */
BmrtStatus bmrt_csv_next(BmrtCsv *csv, int64_t *count);
void bmrt_csv_close(BmrtCsv *csv);
/* BMRT_FORMAT with "NAME:LINE:COLUMN: " before the reason. */
BmrtStatus bmrt_csv_fail(BmrtCsv *csv, int64_t line, int64_t column, const char *format, ...)
    BMRT_PRINTF(4, 5);

#endif
