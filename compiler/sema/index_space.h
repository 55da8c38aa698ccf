/* Index notation, shared by its files: the indices of one statement and values over them. */
#ifndef BMC_SEMA_INDEX_SPACE_H
#define BMC_SEMA_INDEX_SPACE_H

#include "compiler/sema/elaborate.h"

enum { LABEL_MAX = 48 };

typedef struct Label {
    Sym name;    /* NULL: one axis of `...` */
    bool active; /* its name can be used now */
    bool known;
    bool given; /* by `where`: places where it stands alone need only be large enough */
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
    const Node *target, *value; /* the statement, to try changes of it; or NULL */
    const Node *where;          /* its conditions; used[i]: one has found its index */
    bool *where_used;
} IndexSpace;

/* A value for every combination of its labels; axis i of the tensor is labels[i], ascending. A
 * value without labels may be static. */
typedef struct Indexed {
    Value v;
    uint32_t labels[RANK_MAX], rank;
} Indexed;

int32_t index_label(const IndexSpace *ix, Sym name); /* -1: no index */
/* A new index; takes its range from `where` if that names it. */
uint32_t index_add(IndexSpace *ix, Sym name, Span span);
bool index_mentions(const IndexSpace *ix, const Node *e); /* any index, at any depth */
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
/* v with these labels on its axes; of one that stands twice, the diagonal. */
Indexed index_labelled(IndexSpace *ix, Value v, const uint32_t *labels, uint32_t rank, Span span);

/* index_reduce.c, index_product.c */
typedef struct ReductionName {
    const char *name;
    Op op; /* OP_COUNT: the product */
    bool mean, least;
} ReductionName;
Indexed index_reduce(IndexSpace *ix, const Node *call);
/* Sums (OP_SUM …) axes of one value away. */
Indexed index_reduce_axes(IndexSpace *ix, Indexed a, Op op, const uint32_t *gone, uint32_t count,
                          Span span);
/* sum over `summed` of the product `e`. */
Indexed index_product(IndexSpace *ix, const Node *e, const uint32_t *summed, uint32_t count);

/* The same of values, as `einsum` has them. */
Indexed index_contract(IndexSpace *ix, const Indexed *factors, uint32_t nfactors,
                       const uint32_t *summed, uint32_t count, const Node *e);
/* The value with its axes in the order of `labels`, repeated along those it lacks. */
Value index_result(IndexSpace *ix, Indexed r, const uint32_t *labels, uint32_t rank, Span span);

/* index_affine.c: position = first + Σ scale·index */
typedef struct Affine {
    uint32_t labels[RANK_MAX], count;
    DimId scale[RANK_MAX], first;
} Affine;
/* False: `e` is no such place (nothing is reported, unless ix->failed). */
bool index_is_affine(IndexSpace *ix, const Node *e, Affine *out);
bool index_affine(IndexSpace *ix, const Node *e, Affine *out);
/* Every index has a range and the place stays on an axis of `size`. False: reported. */
bool index_fits(IndexSpace *ix, const Affine *a, DimId size, const Node *at);
/* Replaces the axis of *v by one axis for each index (labels: in their order). False: no views say
 * it, nothing changed. */
bool index_split(IndexSpace *ix, const Affine *a, Value *v, uint32_t axis, uint32_t *labels,
                 Span span);
/* x with one axis cut; x itself when that is all of it. */
NodeId index_slice(Sema *s, NodeId x, uint32_t axis, DimId first, DimId extent, int64_t step,
                   Span span);

#endif
