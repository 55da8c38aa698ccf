/* Index notation, shared by its two files: the indices of one statement and values over them. */
#ifndef BMC_SEMA_INDEX_SPACE_H
#define BMC_SEMA_INDEX_SPACE_H

#include "compiler/sema/elaborate.h"

enum { LABEL_MAX = 48 };

typedef struct Label {
    Sym name;    /* NULL: one axis of `...` */
    bool active; /* its name can be used now */
    bool known;
    DimId size;
    const char *size_text, *where; /* for messages: "e", "y[b, j]" */
    Span span;
} Label;

typedef struct IndexSpace {
    Sema *s;
    Label labels[LABEL_MAX];
    uint32_t count;
    bool rows_known;                  /* the rank of `...` */
    uint32_t row[RANK_MAX], row_rank; /* its labels */
    bool failed;
} IndexSpace;

/* A value for every combination of its labels; axis i of the tensor is labels[i], ascending. A
 * value without labels may be static. */
typedef struct Indexed {
    Value v;
    uint32_t labels[RANK_MAX], rank;
} Indexed;

int32_t index_label(const IndexSpace *ix, Sym name); /* -1: no index */
uint32_t index_add(IndexSpace *ix, Sym name, Span span);
/* Learns ranges from every place where an index stands alone in brackets. */
void index_ranges(IndexSpace *ix, const Node *e);
Indexed index_eval(IndexSpace *ix, const Node *e);
Indexed index_fail(IndexSpace *ix);
/* Sorts the axes by label. */
Indexed index_sorted(IndexSpace *ix, Value v, const uint32_t *labels, uint32_t rank, Span span);
/* Brings `a` to these labels (ascending, a superset of its own). */
Value index_spread(IndexSpace *ix, Indexed a, const uint32_t *labels, uint32_t rank, Span span);
uint32_t index_union(const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb, uint32_t *out);
bool index_has(const uint32_t *labels, uint32_t rank, uint32_t label);
Indexed index_access(IndexSpace *ix, const Node *e);
Indexed index_reduce(IndexSpace *ix, const Node *call);

#endif
