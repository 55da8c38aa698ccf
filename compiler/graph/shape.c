/* One rule per op of ops.def: which operands and attributes it takes, and the dtype and shape of
 * its result. `C1`, `C2` … are the constraints of docs/ops.md. graph_add and the verifier both run
 * these, so there is one statement of each constraint. */
#include "compiler/graph/graph_internal.h"

/* ---- small helpers */

static bool is_numeric(DType t) {
    return t < DTYPE_COUNT && t != DTYPE_BOOL;
}
static bool is_logical(DType t) {
    return t == DTYPE_BOOL || dtype_is_integer(t);
}

static bool same_dims(const GNode *a, const GNode *b) {
    if (a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (!dim_same(a->dims[i], b->dims[i])) return false;
    return true;
}

static void like_operand(Candidate *c, uint32_t i) {
    c->result_dtype = operand(c, i)->dtype;
    c->result = graph_shape(c->g, c->args[i]);
}

static bool axes_ascending(const Candidate *c, uint32_t first, uint32_t count, uint32_t rank) {
    for (uint32_t i = 0; i < count; i++) {
        int64_t axis = c->attr[first + i];
        if (axis < 0 || axis >= (int64_t)rank) return false;
        if (i > 0 && axis <= c->attr[first + i - 1]) return false;
    }
    return true;
}

static bool dim_attr(const Candidate *c, uint32_t i, DimId *out) {
    if (c->attr[i] < 0 || c->attr[i] > UINT32_MAX) return false;
    *out = (DimId){(uint32_t)c->attr[i]};
    return dim_valid(c->g->dims, *out);
}

/* False only when it is certain: sizes with symbols are checked when they are bound. */
static bool maybe_nonnegative(const Candidate *c, DimId d) {
    DimTable *t = c->g->dims;
    return !dim_is_const(t, d) || dim_value(t, d) >= 0;
}

static DimId element_count(const Candidate *c, const DimId *dims, uint32_t rank) {
    DimId count = dim_const(c->g->dims, 1);
    for (uint32_t i = 0; i < rank; i++) count = dim_mul(c->g->dims, count, dims[i]);
    return count;
}

/* ---- leaves */

static void shape_INPUT(Candidate *c) {
    REQUIRE(c->nattr == 1 && c->attr[0] >= 0 && c->attr[0] < c->g->inputs.len,
            "C1: the attribute numbers an input of the graph");
    const GraphInput *in = &c->g->inputs.data[c->attr[0]];
    c->result_dtype = in->dtype;
    c->result = in->shape;
}

static void shape_READ(Candidate *c) {
    REQUIRE(c->nattr == 1 && c->attr[0] >= 0 && c->attr[0] < c->g->slot_count,
            "C1: the attribute numbers a slot");
    const Slot *slot = &c->g->slots[c->attr[0]];
    c->result_dtype = slot->dtype;
    c->result.rank = slot->rank;
    for (uint32_t i = 0; i < slot->rank; i++)
        c->result.dims[i] = dim_const(c->g->dims, slot->dims[i]);
}

static void shape_CONST(Candidate *c) {
    REQUIRE(c->given && c->dtype < DTYPE_COUNT, "C1: dtype and shape are given");
    REQUIRE(c->nattr >= 1, "C2: one word, or one an element");
    c->result_dtype = c->dtype;
    c->result = *c->given;
    if (c->nattr > 1) {
        DimId count = element_count(c, c->given->dims, c->given->rank);
        REQUIRE(dim_equals(c->g->dims, count, c->nattr), "C2: one word, or one an element");
    }
    uint32_t bits = 8 * dtype_bytes(c->dtype);
    for (uint32_t i = 0; i < c->nattr && bits < 64; i++)
        REQUIRE((uint64_t)c->attr[i] >> bits == 0, "C3: words are zero-extended element bits");
    for (uint32_t i = 0; i < c->nattr && c->dtype == DTYPE_BOOL; i++)
        REQUIRE(c->attr[i] <= 1, "C3: words are zero-extended element bits");
}

static void shape_IOTA(Candidate *c) {
    REQUIRE(c->given && is_numeric(c->dtype), "C1: a numeric dtype and a shape are given");
    REQUIRE(c->nattr == 1 && axes_ascending(c, 0, 1, c->given->rank), "C2: one axis of the shape");
    c->result_dtype = c->dtype;
    c->result = *c->given;
}

static void shape_RANDOM(Candidate *c) {
    REQUIRE(c->given != NULL, "C1: a shape is given");
    REQUIRE((c->nattr == 2 || c->nattr == 3) && c->attr[1] >= 0 && c->attr[1] < 65536,
            "C2: a site key and a draw below 65536");
    c->result_dtype = DTYPE_F32;
    c->result = *c->given;
}

static void shape_RANDOM_AT(Candidate *c) {
    const GNode *iteration = operand(c, 0);
    REQUIRE(iteration->dtype == DTYPE_I64 && iteration->rank == 0, "C3: an i64 of rank 0");
    shape_RANDOM(c);
}

static void shape_SIZE(Candidate *c) {
    DimId d;
    REQUIRE(is_numeric(c->dtype), "C1: a numeric dtype is given");
    REQUIRE(c->nattr == 1 && dim_attr(c, 0, &d), "C2: the attribute is a dim");
    c->result_dtype = c->dtype;
}

static void shape_CLOCK(Candidate *c) {
    REQUIRE(is_numeric(c->dtype), "C1: a numeric dtype is given");
    REQUIRE(c->nattr == 1 && c->attr[0] >= 0 && c->attr[0] <= 2, "C2: the attribute is 0, 1 or 2");
    c->result_dtype = c->dtype;
}

/* ---- elementwise: each states which dtypes it takes; shapes are checked before */

static void elementwise_float(Candidate *c) {
    REQUIRE(dtype_is_float(operand(c, 0)->dtype), "C1: float operands");
    like_operand(c, 0);
}
static void elementwise_numeric(Candidate *c) {
    REQUIRE(is_numeric(operand(c, 0)->dtype), "C1: numeric operands");
    like_operand(c, 0);
}
static void elementwise_logical(Candidate *c) {
    REQUIRE(is_logical(operand(c, 0)->dtype), "C1: bool or integer operands");
    like_operand(c, 0);
}

static void shape_NEG(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_ABS(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_SIGN(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_FLOOR(Candidate *c) {
    elementwise_float(c);
}
static void shape_EXP(Candidate *c) {
    elementwise_float(c);
}
static void shape_LOG(Candidate *c) {
    elementwise_float(c);
}
static void shape_EXPM1(Candidate *c) {
    elementwise_float(c);
}
static void shape_LOG1P(Candidate *c) {
    elementwise_float(c);
}
static void shape_SQRT(Candidate *c) {
    elementwise_float(c);
}
static void shape_SIN(Candidate *c) {
    elementwise_float(c);
}
static void shape_COS(Candidate *c) {
    elementwise_float(c);
}
static void shape_TANH(Candidate *c) {
    elementwise_float(c);
}
static void shape_ERF(Candidate *c) {
    elementwise_float(c);
}
static void shape_CAST(Candidate *c) {
    REQUIRE(c->dtype < DTYPE_COUNT, "C1: the dtype to cast to is given");
    like_operand(c, 0);
    c->result_dtype = c->dtype;
}
static void shape_NOT(Candidate *c) {
    elementwise_logical(c);
}
static void shape_STOP(Candidate *c) {
    like_operand(c, 0);
}
static void shape_ADD(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_SUB(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_MUL(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_DIV(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_MOD(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_POW(Candidate *c) {
    elementwise_float(c);
}
static void shape_MAX(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_MIN(Candidate *c) {
    elementwise_numeric(c);
}
static void shape_LESS(Candidate *c) {
    elementwise_numeric(c);
    c->result_dtype = DTYPE_BOOL;
}
static void shape_EQUAL(Candidate *c) {
    like_operand(c, 0);
    c->result_dtype = DTYPE_BOOL;
}
static void shape_AND(Candidate *c) {
    elementwise_logical(c);
}
static void shape_OR(Candidate *c) {
    elementwise_logical(c);
}
static void shape_SELECT(Candidate *c) {
    REQUIRE(operand(c, 0)->dtype == DTYPE_BOOL, "C1: the condition is bool");
    REQUIRE(operand(c, 1)->dtype == operand(c, 2)->dtype, "C2: both choices have one dtype");
    like_operand(c, 1);
}
static void shape_FMA(Candidate *c) {
    elementwise_float(c);
}

/* ---- views */

static void shape_RESHAPE(Candidate *c) {
    const GNode *x = operand(c, 0);
    REQUIRE(c->given != NULL && c->nattr == 0, "C1: a shape is given");
    REQUIRE(dim_same(element_count(c, x->dims, x->rank),
                     element_count(c, c->given->dims, c->given->rank)),
            "C2: the element count stays");
    c->result_dtype = x->dtype;
    c->result = *c->given;
}

static void shape_PERMUTE(Candidate *c) {
    const GNode *x = operand(c, 0);
    bool seen[RANK_MAX] = {false};
    REQUIRE(c->nattr == x->rank, "C1: one operand axis for each result axis");
    c->result_dtype = x->dtype;
    c->result.rank = x->rank;
    for (uint32_t i = 0; i < x->rank; i++) {
        int64_t axis = c->attr[i];
        REQUIRE(axis >= 0 && axis < (int64_t)x->rank && !seen[axis], "C1: a permutation");
        seen[axis] = true;
        c->result.dims[i] = x->dims[axis];
    }
}

static void shape_BROADCAST(Candidate *c) {
    const GNode *x = operand(c, 0);
    REQUIRE(c->given && c->nattr == c->given->rank,
            "C1: a shape, and one attribute per axis of it");
    int64_t next = 0;
    for (uint32_t i = 0; i < c->nattr; i++) {
        if (c->attr[i] == -1) continue;
        REQUIRE(c->attr[i] == next && next < (int64_t)x->rank,
                "C2: every operand axis once, ascending");
        REQUIRE(dim_same(c->given->dims[i], x->dims[next]), "C3: kept axes keep their size");
        next++;
    }
    REQUIRE(next == (int64_t)x->rank, "C2: every operand axis once, ascending");
    c->result_dtype = x->dtype;
    c->result = *c->given;
}

static void shape_SLICE(Candidate *c) {
    const GNode *x = operand(c, 0);
    DimTable *t = c->g->dims;
    REQUIRE(c->given && c->given->rank == x->rank, "C1: an extent for every axis");
    REQUIRE(c->nattr == 2 * x->rank, "C1: first and step for every axis");
    for (uint32_t i = 0; i < x->rank; i++) {
        DimId first, extent = c->given->dims[i];
        int64_t step = c->attr[2 * i + 1];
        REQUIRE(dim_attr(c, 2 * i, &first) && maybe_nonnegative(c, first), "C2: first ≥ 0");
        REQUIRE(step >= 1, "C3: step ≥ 1");
        if (dim_equals(t, extent, 0)) continue;
        /* last = first + (extent - 1)·step ≤ size - 1 */
        DimId reach = dim_mul(t, dim_sub(t, extent, dim_const(t, 1)), dim_const(t, step));
        DimId spare = dim_sub(t, dim_sub(t, x->dims[i], dim_const(t, 1)), dim_add(t, first, reach));
        REQUIRE(maybe_nonnegative(c, spare), "C4: the slice lies inside the operand");
    }
    c->result_dtype = x->dtype;
    c->result = *c->given;
}

static void shape_PAD(Candidate *c) {
    const GNode *x = operand(c, 0), *value = operand(c, 1);
    DimTable *t = c->g->dims;
    REQUIRE(value->rank == 0 && value->dtype == x->dtype, "C1: a rank-0 value of the dtype");
    REQUIRE(c->nattr == 3 * x->rank, "C2: low, high, interior for every axis");
    c->result_dtype = x->dtype;
    c->result.rank = x->rank;
    for (uint32_t i = 0; i < x->rank; i++) {
        DimId low, high, size = x->dims[i];
        int64_t interior = c->attr[3 * i + 2];
        REQUIRE(dim_attr(c, 3 * i, &low) && dim_attr(c, 3 * i + 1, &high), "C2: margins are dims");
        REQUIRE(maybe_nonnegative(c, low) && maybe_nonnegative(c, high) && interior >= 0,
                "C3: margins ≥ 0");
        if (interior > 0 && !dim_equals(t, size, 0)) { /* size + (size - 1)·interior */
            DimId gaps = dim_sub(t, size, dim_const(t, 1));
            size = dim_add(t, size, dim_mul(t, gaps, dim_const(t, interior)));
        }
        c->result.dims[i] = dim_add(t, dim_add(t, low, size), high);
    }
}

static void shape_REVERSE(Candidate *c) {
    REQUIRE(axes_ascending(c, 0, c->nattr, operand(c, 0)->rank), "C1: axes, ascending");
    like_operand(c, 0);
}

static void shape_AGAIN(Candidate *c) {
    REQUIRE(c->nattr == 1, "C1: a site");
    like_operand(c, 0);
}

static void shape_CONCAT(Candidate *c) {
    const GNode *x = operand(c, 0);
    REQUIRE(c->nattr == 1 && axes_ascending(c, 0, 1, x->rank), "C1: one axis");
    uint32_t axis = (uint32_t)c->attr[0];
    like_operand(c, 0);
    for (uint32_t k = 1; k < c->nargs; k++) {
        const GNode *y = operand(c, k);
        REQUIRE(y->dtype == x->dtype && y->rank == x->rank, "C2: parts of one dtype and rank");
        for (uint32_t i = 0; i < x->rank; i++)
            REQUIRE(i == axis || dim_same(x->dims[i], y->dims[i]), "C3: other axes agree");
        c->result.dims[axis] = dim_add(c->g->dims, c->result.dims[axis], y->dims[axis]);
    }
}

/* What is left of a windowed axis behind its first window: margins and elements less the reach of
 * the taps. False: it does not fit 64 bits. */
static bool window_room(const Candidate *c, const WindowAxis *w, DimId size, DimId *room) {
    DimTable *t = c->g->dims;
    int64_t span, spacing = w->spacing;
    if (__builtin_mul_overflow(w->dilation, w->size - 1, &span) ||
        __builtin_sub_overflow(w->low, span, &span) ||
        __builtin_add_overflow(span, w->high, &span) ||
        __builtin_sub_overflow(span, spacing, &span))
        return false;
    *room = dim_add(t, dim_mul(t, size, dim_const(t, spacing)), dim_const(t, span));
    return true;
}

static void shape_WINDOW(Candidate *c) {
    const GNode *x = operand(c, 0);
    DimTable *t = c->g->dims;
    uint32_t count = c->nattr / WINDOW_WORDS;
    GNode n = {.op = OP_WINDOW, .nattr = c->nattr, .attr = c->attr};
    REQUIRE(count >= 1 && c->nattr == WINDOW_WORDS * count && x->rank + count <= RANK_MAX,
            "C1: seven entries for every windowed axis");
    like_operand(c, 0);
    for (uint32_t k = 0; k < count; k++) {
        WindowAxis w = window_axis(&n, k);
        DimId room;
        bool exact;
        REQUIRE(w.axis >= 0 && w.axis < (int64_t)x->rank &&
                    (k == 0 || w.axis > window_axis(&n, k - 1).axis),
                "C2: axes, ascending");
        REQUIRE(w.size >= 1 && w.stride >= 1 && w.dilation >= 1 && w.spacing >= 1,
                "C3: size, stride, dilation, spacing ≥ 1");
        REQUIRE(window_room(c, &w, x->dims[w.axis], &room), "C3: sizes fit 64 bits");
        REQUIRE(maybe_nonnegative(c, room), "C4: at least one window fits");
        DimId steps = dim_div(t, room, dim_const(t, w.stride), &exact);
        c->result.dims[w.axis] = dim_add(t, steps, dim_const(t, 1));
        c->result.dims[c->result.rank++] = dim_const(t, w.size);
    }
}

/* ---- reductions */

static void reduce_axes(Candidate *c) {
    const GNode *x = operand(c, 0);
    REQUIRE(is_numeric(x->dtype), "C1: a numeric operand");
    REQUIRE(c->nattr >= 1 && axes_ascending(c, 0, c->nattr, x->rank), "C2: axes, ascending");
    c->result_dtype = x->dtype;
    uint32_t next = 0;
    for (uint32_t i = 0; i < x->rank; i++) {
        if (next < c->nattr && c->attr[next] == (int64_t)i)
            next++;
        else
            c->result.dims[c->result.rank++] = x->dims[i];
    }
}

static void shape_SUM(Candidate *c) {
    reduce_axes(c);
}
static void shape_REDUCE_MAX(Candidate *c) {
    reduce_axes(c);
}
static void shape_REDUCE_MIN(Candidate *c) {
    reduce_axes(c);
}
static void shape_ARGMAX(Candidate *c) {
    REQUIRE(c->nattr == 1, "C3: one axis");
    reduce_axes(c);
    c->result_dtype = DTYPE_I32;
}

static void shape_CONTRACT(Candidate *c) {
    const GNode *a = operand(c, 0), *b = operand(c, 1);
    enum { LABEL_MAX = 2 * RANK_MAX };
    DimId size[LABEL_MAX];
    bool seen[LABEL_MAX] = {false};
    uint32_t labels = 0;
    REQUIRE(a->dtype == b->dtype && is_numeric(a->dtype), "C1: two operands of one numeric dtype");
    REQUIRE(c->nattr == 1 + a->rank + b->rank, "C2: reduced count and a label for every axis");
    for (uint32_t k = 0, at = 1; k < 2; k++) {
        const GNode *x = k == 0 ? a : b;
        bool here[LABEL_MAX] = {false};
        for (uint32_t i = 0; i < x->rank; i++, at++) {
            int64_t label = c->attr[at];
            REQUIRE(label >= 0 && label < LABEL_MAX && !here[label],
                    "C3: an operand has a label once");
            here[label] = true;
            REQUIRE(!seen[label] || dim_same(size[label], x->dims[i]),
                    "C4: axes of one label have one size");
            seen[label] = true;
            size[label] = x->dims[i];
            if (label + 1 > (int64_t)labels) labels = (uint32_t)label + 1;
        }
    }
    for (uint32_t i = 0; i < labels; i++) REQUIRE(seen[i], "C5: labels are dense from 0");
    REQUIRE(c->attr[0] >= 0 && c->attr[0] <= (int64_t)labels &&
                labels - (uint32_t)c->attr[0] <= RANK_MAX,
            "C6: the reduced labels come after the result's");
    c->result_dtype = a->dtype;
    c->result.rank = labels - (uint32_t)c->attr[0];
    for (uint32_t i = 0; i < c->result.rank; i++) c->result.dims[i] = size[i];
}

/* ---- indexing */

/* Operands 1… are integers of one shape; attr names their axes among `rank`. */
static void index_operands(Candidate *c, uint32_t rank) {
    REQUIRE(c->nargs >= 2 && c->nattr == c->nargs - 1 && axes_ascending(c, 0, c->nattr, rank),
            "C1: an axis for every index, ascending");
    for (uint32_t k = 1; k < c->nargs; k++) {
        REQUIRE(dtype_is_integer(operand(c, k)->dtype), "C2: indices are integers");
        REQUIRE(same_dims(operand(c, k), operand(c, 1)), "C3: indices share one shape");
    }
}

static void indexed_axes_not_empty(Candidate *c, const DimId *dims) {
    for (uint32_t k = 0; k < c->nattr; k++)
        REQUIRE(!dim_equals(c->g->dims, dims[c->attr[k]], 0), "C7: an indexed axis is not empty");
}

/* index shape, then the axes of x that are not indexed */
static void indexed_shape(Candidate *c, const DimId *dims, uint32_t rank, Shape *out) {
    *out = graph_shape(c->g, c->args[1]);
    REQUIRE(out->rank + rank - c->nattr <= RANK_MAX, "C4: the rank is at most 12");
    uint32_t next = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (next < c->nattr && c->attr[next] == (int64_t)i)
            next++;
        else
            out->dims[out->rank++] = dims[i];
    }
}

static void shape_GATHER(Candidate *c) {
    const GNode *x = operand(c, 0);
    index_operands(c, x->rank);
    if (!c->problem) indexed_axes_not_empty(c, x->dims);
    if (c->problem) return;
    c->result_dtype = x->dtype;
    indexed_shape(c, x->dims, x->rank, &c->result);
}

static void shape_ARGSORT(Candidate *c) {
    const GNode *x = operand(c, 0);
    REQUIRE(is_numeric(x->dtype) && c->nattr == 0, "C1: a numeric operand");
    REQUIRE(x->rank >= 1 && x->rank < RANK_MAX, "C2: at least one axis, at most 11");
    like_operand(c, 0);
    c->result_dtype = DTYPE_I32;
    c->result.dims[c->result.rank++] = x->dims[x->rank - 1];
    c->result.dims[x->rank - 1] = dim_const(c->g->dims, 2);
}

static void shape_SCATTER_ADD(Candidate *c) {
    const GNode *updates = operand(c, 0);
    Shape expected;
    REQUIRE(c->given && is_numeric(updates->dtype), "C5: a shape, and numeric updates");
    index_operands(c, c->given->rank);
    if (!c->problem) indexed_axes_not_empty(c, c->given->dims);
    if (c->problem) return;
    indexed_shape(c, c->given->dims, c->given->rank, &expected);
    if (c->problem) return;
    REQUIRE(expected.rank == updates->rank, "C6: updates are shaped as a gather's result");
    for (uint32_t i = 0; i < expected.rank; i++)
        REQUIRE(dim_same(expected.dims[i], updates->dims[i]),
                "C6: updates are shaped as a gather's result");
    c->result_dtype = updates->dtype;
    c->result = *c->given;
}

static void shape_GRAD(Candidate *c) {
    const GNode *y = operand(c, 0), *x = operand(c, 1);
    REQUIRE(y->rank == 0 && dtype_is_float(y->dtype), "C1: y is a rank-0 float");
    REQUIRE(dtype_is_float(x->dtype), "C2: x is a float");
    like_operand(c, 1);
}

/* ---- the table, and what all ops share */

static void (*const rules[OP_COUNT])(Candidate *) = {
#define OP(name, text, arity, cls, diff) shape_##name,
#include "compiler/graph/ops.def"
#undef OP
};

static void operands_exist(Candidate *c) {
    int arity = op_info(c->op)->arity;
    bool any = c->nargs >= 1 || c->op == OP_SCAN;
    REQUIRE(arity < 0 ? any : c->nargs == (uint32_t)arity, "the number of operands");
    for (uint32_t i = 0; i < c->nargs; i++)
        REQUIRE(c->args[i].id < graph_size(c->g), "an operand is no node of this graph");
    REQUIRE(!c->given || c->given->rank <= RANK_MAX, "the rank is at most 12");
    for (uint32_t i = 0; c->given && i < c->given->rank; i++)
        REQUIRE(dim_valid(c->g->dims, c->given->dims[i]) && maybe_nonnegative(c, c->given->dims[i]),
                "a dim of the shape is not a size");
}

static void elementwise_operands(Candidate *c) {
    uint32_t first = c->op == OP_SELECT ? 1 : 0;
    REQUIRE(c->nattr == 0, "elementwise ops take no attributes");
    for (uint32_t i = 1; i < c->nargs; i++) {
        REQUIRE(same_dims(operand(c, 0), operand(c, i)), "E1: operands of one shape");
        REQUIRE(i <= first || operand(c, first)->dtype == operand(c, i)->dtype,
                "E2: operands of one dtype");
    }
}

static void agrees_with_given(Candidate *c) {
    REQUIRE(c->dtype >= DTYPE_COUNT || c->dtype == c->result_dtype,
            "the given dtype is not the op's");
    if (!c->given) return;
    REQUIRE(c->given->rank == c->result.rank, "the given shape is not the op's");
    for (uint32_t i = 0; i < c->result.rank; i++)
        REQUIRE(dim_same(c->given->dims[i], c->result.dims[i]), "the given shape is not the op's");
}

void shape_infer(Candidate *c) {
    c->problem = NULL;
    operands_exist(c);
    if (!c->problem && op_is_elementwise(c->op)) elementwise_operands(c);
    if (!c->problem) rules[c->op](c);
    if (!c->problem) agrees_with_given(c);
}
