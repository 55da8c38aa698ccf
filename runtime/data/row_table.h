/* Columns that grow row by row while a file of unknown length is read. */
#ifndef BMRT_ROW_TABLE_H
#define BMRT_ROW_TABLE_H

#include "runtime/core/names.h"
#include "runtime/data/array.h"

typedef struct BmrtTable {
    const BmrtHooks *hooks;
    const BmrtField *fields;
    uint32_t field_count;
    int64_t rows, room;
    int64_t *row_bytes; /* per field */
    BmrtBlock *blocks;
    BmrtNames *names; /* per field, of kind CATEGORY; the caller's, shared by all files */
} BmrtTable;

/* Bytes of one row of a field; -1: too many. */
int64_t bmrt_field_row_bytes(const BmrtField *field);

/* Free it whatever open returns. */
BmrtStatus bmrt_table_open(BmrtTable *t, const BmrtHooks *hooks, const BmrtField *fields,
                           uint32_t field_count, BmrtNames *names, BmrtMessage *message);
/* Room for one more row, which bmrt_table_cell then gives and `rows` counts at once. */
BmrtStatus bmrt_table_add(BmrtTable *t, BmrtMessage *message);
static inline void *bmrt_table_cell(const BmrtTable *t, uint32_t field) {
    return t->blocks[field].data + (t->rows - 1) * t->row_bytes[field];
}
/* The columns as arrays, whose owner is then `arrays`; the table is empty. */
void bmrt_table_take(BmrtTable *t, BmrtArray *arrays);
void bmrt_table_free(BmrtTable *t);

#endif
