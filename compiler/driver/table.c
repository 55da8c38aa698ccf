/* Text tables. A rule is a row of NULL cells. */
#include "compiler/driver/table.h"
#include <stdio.h>
#include <string.h>

void table_open(Table *t, Arena *arena, const char *align) {
    *t = (Table){.arena = arena, .align = align};
}

void table_add(Table *t, const char *const *cells) {
    for (size_t i = 0; t->align[i]; i++) vec_push(t->arena, &t->cells, cells[i]);
}

void table_line(Table *t) {
    for (size_t i = 0; t->align[i]; i++) vec_push(t->arena, &t->cells, NULL);
}

const char *table_count(Arena *arena, double value) {
    char digits[64];
    int len = snprintf(digits, sizeof digits, "%.0f", value);
    Text out = {.arena = arena};
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-') text_char(&out, ',');
        text_char(&out, digits[i]);
    }
    return text_str(&out);
}

static size_t cell_width(const char *cell) {
    size_t n = 0;
    for (; cell && *cell; cell++) n += ((unsigned char)*cell & 0xc0) != 0x80;
    return n;
}

static void pad(Text *out, size_t count, char c) {
    while (count-- > 0) text_char(out, c);
}

static void print_cell(Text *out, const char *cell, size_t width, bool right, bool last) {
    size_t gap = width - cell_width(cell);
    if (cell == NULL) {
        pad(out, width, '-');
    } else if (right) {
        pad(out, gap, ' ');
        text_add(out, cell);
    } else {
        text_add(out, cell);
        if (!last) pad(out, gap, ' ');
    }
    if (!last) text_add(out, cell == NULL ? "--" : "  ");
}

void table_print(Table *t, Text *out) {
    size_t columns = strlen(t->align);
    size_t *width = ARENA_ARRAY(t->arena, size_t, columns);
    for (uint32_t i = 0; i < t->cells.len; i++) {
        size_t w = cell_width(t->cells.data[i]);
        if (w > width[i % columns]) width[i % columns] = w;
    }
    for (uint32_t i = 0; i < t->cells.len; i++) {
        size_t column = i % columns;
        bool last = column == columns - 1;
        print_cell(out, t->cells.data[i], width[column], t->align[column] == '>', last);
        if (last) text_char(out, '\n');
    }
}
