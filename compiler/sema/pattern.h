/* Axis patterns, "b t (h d) -> b h t d": what `rearrange` and `einsum` read. Names are separated by
 * spaces; a number is an axis of that size; `...` is a row of axes; brackets join axes. */
#ifndef BMC_SEMA_PATTERN_H
#define BMC_SEMA_PATTERN_H

#include "compiler/sema/elaborate.h"

enum { PATTERN_ITEMS = 32, PATTERN_SIDES = 14 };

typedef struct PatternItem {
    const char *name; /* NULL: a number or `...` */
    int64_t number;
    bool row;          /* `...` */
    uint32_t group;    /* items of one axis share it; counted from 0 on each side */
    uint32_t from, to; /* in the text */
} PatternItem;

typedef struct PatternSide { /* the axes of one tensor */
    PatternItem items[PATTERN_ITEMS];
    uint32_t count, groups;
    uint32_t from, to;
} PatternSide;

typedef struct Pattern {
    Sema *s;
    const char *text;
    Span span;                        /* of the argument */
    PatternSide sides[PATTERN_SIDES]; /* the operands', then the result's */
    uint32_t count;
} Pattern;

/* Parses `text`. False: reported, pointing into the string. */
bool pattern_parse(Sema *s, const char *text, Span span, Pattern *out);
/* An error at characters from … to of the pattern. */
Diag *pattern_error(const Pattern *p, uint32_t from, uint32_t to, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The item of that name, or the row (name NULL); NULL: none. */
const PatternItem *pattern_find(const PatternSide *side, const char *name);
/* Every name and `...` stands once on a side. */
bool pattern_unique(const Pattern *p, const PatternSide *side);

#endif
