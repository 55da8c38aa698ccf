/* Readers that fill all fields of a data block from files: text tables and binary records. */
#ifndef BMRT_READ_ROWS_H
#define BMRT_READ_ROWS_H

#include "runtime/data/dataset.h"
#include "runtime/data/row_table.h"

/* One file of the source, its rows added to the table. */
BmrtStatus bmrt_csv_rows(BmrtTable *t, const BmrtSource *source, const char *path,
                         BmrtFault *fault);
BmrtStatus bmrt_record_rows(BmrtTable *t, const BmrtSource *source, const char *path,
                            BmrtMessage *message);
/* The numbers of a file as rows of the one field: windows share their memory. */
BmrtStatus bmrt_element_rows(const BmrtHooks *hooks, const BmrtField *field,
                             const BmrtSource *source, const char *path, BmrtArray *out,
                             BmrtMessage *message);

#endif
