/* Text tables: columns as wide as their widest cell. */
#ifndef BMC_DRIVER_TABLE_H
#define BMC_DRIVER_TABLE_H

#include "compiler/support/text.h"
#include "compiler/support/vec.h"

typedef struct Table {
    Arena *arena;
    const char *align; /* one '<' or '>' a column */
    VEC(const char *) cells;
} Table;

void table_open(Table *t, Arena *arena, const char *align);
/* As many texts as there are columns. */
void table_add(Table *t, const char *const *cells);
#define table_row(t, ...) table_add((t), (const char *const[]){__VA_ARGS__})
void table_line(Table *t); /* a rule across */
/* A number with thousands separators: "1,234,567". */
const char *table_count(Arena *arena, double value);
void table_print(Table *t, Text *out);

#endif
