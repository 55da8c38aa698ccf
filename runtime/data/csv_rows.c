/* Cells to fields: which column is whose, missing markers, numbers, categories, words. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/core/tokens.h"
#include "runtime/data/csv.h"
#include "runtime/data/number_text.h"
#include "runtime/data/read_rows.h"

enum { LISTED_COLUMNS = 24, SHOWN_TEXT = 60 };

typedef struct Reader {
    BmrtCsv csv;
    BmrtTable *table;
    const BmrtSource *source;
    BmrtFault *fault;
    int64_t *column_of; /* per field: its first column */
    int64_t columns;    /* of the file; 0: not known yet */
} Reader;

static int64_t field_cells(const BmrtField *field) {
    if (field->kind == BMRT_FIELD_TOKENS) return 1;
    return bmrt_field_row_bytes(field) / (int64_t)bmrt_dtype_bytes(field->dtype);
}

static const char *column_name(const BmrtField *field) {
    return field->text_column ? field->text_column : field->name;
}

/* ------------------------------------------------------------------ which column is whose */

static bool cell_is(const BmrtCell *cell, const char *text) {
    return (size_t)cell->length == strlen(text) && memcmp(cell->text, text, strlen(text)) == 0;
}

static BmrtStatus no_column(Reader *r, const BmrtField *field, int64_t count) {
    r->fault->line = field->line;
    r->fault->column = field->column;
    bmrt_fail(r->csv.message, BMRT_FORMAT,
              "%s has no column `%s` for field `%s`\nits columns are:", r->csv.stream.name,
              column_name(field), field->name);
    for (int64_t i = 0; i < count && i < LISTED_COLUMNS; i++) {
        const int64_t length = r->csv.cells[i].length;
        bmrt_message_add(r->csv.message, "%s `%.*s`", i ? "," : "",
                         (int)(length < SHOWN_TEXT ? length : SHOWN_TEXT), r->csv.cells[i].text);
    }
    if (count > LISTED_COLUMNS) bmrt_message_add(r->csv.message, " ...");
    return BMRT_FORMAT;
}

static BmrtStatus find_columns(Reader *r, int64_t count) {
    for (uint32_t f = 0; f < r->table->field_count; f++) {
        const BmrtField *field = &r->table->fields[f];
        int64_t at = -1;
        for (int64_t i = 0; i < count; i++) {
            const BmrtCell *cell = &r->csv.cells[i];
            if (!cell_is(cell, column_name(field))) continue;
            if (at >= 0)
                return bmrt_csv_fail(&r->csv, cell->line, cell->column,
                                     "a second column `%s`: which is field `%s`?",
                                     column_name(field), field->name);
            at = i;
        }
        if (at < 0) return no_column(r, field, count);
        if (at + field_cells(field) > count)
            return bmrt_csv_fail(&r->csv, r->csv.cells[at].line, r->csv.cells[at].column,
                                 "field `%s` is %lld columns from here on, but only %lld follow",
                                 field->name, (long long)field_cells(field),
                                 (long long)(count - at));
        r->column_of[f] = at;
    }
    r->columns = count;
    return BMRT_OK;
}

/* Without a header: the fields in order. */
static BmrtStatus number_columns(Reader *r, int64_t count) {
    int64_t at = 0;
    for (uint32_t f = 0; f < r->table->field_count; f++) {
        r->column_of[f] = at;
        at += field_cells(&r->table->fields[f]);
    }
    r->columns = count;
    if (at <= count) return BMRT_OK;
    return bmrt_csv_fail(&r->csv, r->csv.cells[0].line, 1,
                         "%lld columns, but the fields of the data block need %lld",
                         (long long)count, (long long)at);
}

/* ------------------------------------------------------------------ one cell */

static bool is_missing(const Reader *r, const BmrtCell *cell) {
    for (uint32_t i = 0; i < r->source->missing_count; i++)
        if (cell_is(cell, r->source->missing[i])) return true;
    return false;
}

static BmrtStatus bad_cell(Reader *r, const BmrtCell *cell, const BmrtField *field,
                           const char *why) {
    const int shown = (int)(cell->length < SHOWN_TEXT ? cell->length : SHOWN_TEXT);
    return bmrt_csv_fail(&r->csv, cell->line, cell->column, "field `%s`: `%.*s`%s %s", field->name,
                         shown, cell->text, cell->length > shown ? "..." : "", why);
}

/* Raw numbers of categories: 0 missing, else 1 + the order of appearance in the files. Their final
 * numbers follow from the train rows, once those are known. */
static BmrtStatus store_category(Reader *r, uint32_t f, const BmrtCell *cell, int32_t *to) {
    const int64_t number = bmrt_names_add(&r->table->names[f], cell->text, (size_t)cell->length);
    if (number < 0)
        return bmrt_fail(r->csv.message, BMRT_MEMORY, "no memory for the names of `%s`",
                         r->table->fields[f].name);
    *to = (int32_t)(number + 1);
    return BMRT_OK;
}

/* Its words, with raw numbers like those of categories; -1 behind the last. */
static BmrtStatus store_text(Reader *r, uint32_t f, const BmrtCell *cell, int32_t *to) {
    const BmrtField *field = &r->table->fields[f];
    BmrtTokens tokens;
    bmrt_tokens_open(&tokens, field->rule, cell->text, (size_t)cell->length);
    for (int64_t i = 0; i < field->dims[0]; i++) {
        to[i] = -1;
        if (!bmrt_tokens_next(&tokens)) continue;
        const int64_t number = bmrt_names_add(&r->table->names[f], tokens.word, tokens.length);
        if (number < 0)
            return bmrt_fail(r->csv.message, BMRT_MEMORY, "no memory for the words of `%s`",
                             field->name);
        to[i] = (int32_t)(number + 1);
    }
    return BMRT_OK;
}

static BmrtStatus store_name(Reader *r, const BmrtField *field, const BmrtCell *cell, int32_t *to) {
    for (uint32_t i = 0; i < field->name_count; i++)
        if (cell_is(cell, field->names[i])) {
            *to = (int32_t)i;
            return BMRT_OK;
        }
    const BmrtStatus status = bad_cell(r, cell, field, "is none of its names");
    for (uint32_t i = 0; i < field->name_count && i < LISTED_COLUMNS; i++)
        bmrt_message_add(r->csv.message, "%s `%s`", i ? "," : "\nthe names are:", field->names[i]);
    return status;
}

static BmrtStatus store_missing(Reader *r, const BmrtField *field, const BmrtCell *cell, char *to) {
    const float nan32 = NAN;
    const double nan64 = NAN;
    if (field->kind == BMRT_FIELD_CATEGORY)
        memset(to, 0, sizeof(int32_t));
    else if (field->kind == BMRT_FIELD_TOKENS)
        memset(to, 0xff, (size_t)bmrt_field_row_bytes(field)); /* -1: no word */
    else if (field->kind == BMRT_FIELD_NUMBER && field->dtype == BMRT_F32)
        memcpy(to, &nan32, sizeof nan32);
    else if (field->kind == BMRT_FIELD_NUMBER && field->dtype == BMRT_F64)
        memcpy(to, &nan64, sizeof nan64);
    else
        return bad_cell(r, cell, field,
                        "is missing, which only floats and `category(max = N)` can be");
    return BMRT_OK;
}

static BmrtStatus store_cell(Reader *r, uint32_t f, const BmrtCell *cell, char *to) {
    const BmrtField *field = &r->table->fields[f];
    if (is_missing(r, cell)) return store_missing(r, field, cell, to);
    if (field->kind == BMRT_FIELD_CATEGORY)
        return store_category(r, f, cell, (int32_t *)(void *)to);
    if (field->kind == BMRT_FIELD_TOKENS) return store_text(r, f, cell, (int32_t *)(void *)to);
    if (field->kind == BMRT_FIELD_NAMES) return store_name(r, field, cell, (int32_t *)(void *)to);
    const char *why = bmrt_number_parse(cell->text, (size_t)cell->length, field->dtype, to);
    return why ? bad_cell(r, cell, field, why) : BMRT_OK;
}

/* ------------------------------------------------------------------ records */

static BmrtStatus store_record(Reader *r, int64_t count) {
    BmrtTable *t = r->table;
    const BmrtCell *cells = r->csv.cells;
    if (count != r->columns)
        return bmrt_csv_fail(&r->csv, cells[0].line, 1, "%lld cells, but %s %lld", (long long)count,
                             r->source->header ? "the header has" : "the first line has",
                             (long long)r->columns);
    BmrtStatus status = bmrt_table_add(t, r->csv.message);
    for (uint32_t f = 0; status == BMRT_OK && f < t->field_count; f++) {
        const int64_t n = field_cells(&t->fields[f]);
        const int64_t size = (int64_t)bmrt_dtype_bytes(t->fields[f].dtype);
        char *to = bmrt_table_cell(t, f);
        for (int64_t i = 0; status == BMRT_OK && i < n; i++)
            status = store_cell(r, f, &cells[r->column_of[f] + i], to + i * size);
    }
    return status;
}

static bool is_blank(const Reader *r, int64_t count) {
    return count == 1 && r->csv.cells[0].length == 0 && !r->csv.cells[0].quoted && r->columns != 1;
}

static BmrtStatus read_records(Reader *r) {
    BmrtStatus status = BMRT_OK;
    int64_t count = 0;
    do status = bmrt_csv_next(&r->csv, &count);
    while (status == BMRT_OK && count && is_blank(r, count));
    if (status == BMRT_OK && count == 0)
        return bmrt_fail(r->csv.message, BMRT_FORMAT, "%s is empty", r->csv.stream.name);
    if (status == BMRT_OK && r->source->header) {
        status = find_columns(r, count);
        if (status == BMRT_OK) status = bmrt_csv_next(&r->csv, &count);
    } else if (status == BMRT_OK) {
        status = number_columns(r, count);
    }
    while (status == BMRT_OK && count > 0) {
        if (!is_blank(r, count)) status = store_record(r, count);
        if (status == BMRT_OK) status = bmrt_csv_next(&r->csv, &count);
    }
    return status;
}

BmrtStatus bmrt_csv_rows(BmrtTable *t, const BmrtSource *source, const char *path,
                         BmrtFault *fault) {
    Reader r = {.table = t, .source = source, .fault = fault};
    for (uint32_t f = 0; f < t->field_count; f++)
        if (t->row_bytes[f] == 0)
            return bmrt_fail(&fault->message, BMRT_ARGUMENT, "field `%s` has no elements",
                             t->fields[f].name);
    r.column_of = bmrt_new(t->hooks, t->field_count, sizeof *r.column_of);
    if (!r.column_of)
        return bmrt_fail(&fault->message, BMRT_MEMORY, "no memory to read `%s`", path);
    BmrtStatus status = bmrt_csv_open(&r.csv, t->hooks, path, source->delimiter, &fault->message);
    if (status == BMRT_OK) status = read_records(&r);
    bmrt_csv_close(&r.csv);
    bmrt_delete(t->hooks, r.column_of, t->field_count, sizeof *r.column_of);
    return status;
}
