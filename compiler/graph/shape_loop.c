/* The rules of the loop ops (docs/ops.md, Loops): what a SCAN's attributes, operands and body must
 * agree on, and what its results are. */
#include "compiler/graph/graph_internal.h"
#include "compiler/graph/scan.h"

static bool value_is(const GNode *x, DType dtype, const Shape *shape) {
    if (x->dtype != dtype || x->rank != shape->rank) return false;
    for (uint32_t i = 0; i < x->rank; i++)
        if (!dim_same(x->dims[i], shape->dims[i])) return false;
    return true;
}

/* `x` without axis `axis`, which has size `trip`. */
static bool is_sequence_of(const GNode *x, const GraphInput *element, int64_t axis, DimId trip) {
    Shape rest = {.rank = 0};
    if (axis < 0 || axis >= (int64_t)x->rank || !dim_same(x->dims[axis], trip)) return false;
    for (uint32_t i = 0; i < x->rank; i++)
        if (i != (uint32_t)axis) rest.dims[rest.rank++] = x->dims[i];
    if (rest.rank != element->shape.rank || x->dtype != element->dtype) return false;
    for (uint32_t i = 0; i < rest.rank; i++)
        if (!dim_same(rest.dims[i], element->shape.dims[i])) return false;
    return true;
}

static bool scan_attributes(const Candidate *c) {
    if (c->nattr < 7 || c->attr[0] < 0 || c->attr[0] >= c->g->bodies.len) return false;
    for (uint32_t i = 1; i < 5; i++)
        if (c->attr[i] < 0 || c->attr[i] > UINT16_MAX) return false;
    DimId trip = {(uint32_t)c->attr[6]};
    bool once = (c->attr[5] & SCAN_ONCE) != 0, again = (c->attr[5] & SCAN_AGAIN) != 0;
    if (c->attr[5] > (SCAN_REVERSE | SCAN_ONCE | SCAN_AGAIN | SCAN_SEGMENTS) || (again && !once))
        return false;
    return c->attr[6] >= 0 && dim_valid(c->g->dims, trip) &&
           (!once || dim_equals(c->g->dims, trip, 1)) && c->nattr == 7 + c->attr[2] + c->attr[4] &&
           c->nargs == c->attr[1] + c->attr[2] + c->attr[3];
}

static void scan_inputs(Candidate *c, const Graph *body) {
    uint32_t carries = (uint32_t)c->attr[1], sequences = (uint32_t)c->attr[2];
    DimId trip = {(uint32_t)c->attr[6]};
    const GraphInput *first = body->inputs.data;
    REQUIRE(body->inputs.len == 1 + c->nargs && first->dtype == DTYPE_I64 && first->shape.rank == 0,
            "C2: the body takes the iteration (i64, rank 0) and one input for each operand");
    for (uint32_t i = 0; i < c->nargs; i++) {
        const GraphInput *in = &first[1 + i];
        if (i >= carries && i < carries + sequences)
            REQUIRE(is_sequence_of(operand(c, i), in, c->attr[7 + i - carries], trip),
                    "C3: a sequence is the body's input with an axis of size trip more");
        else
            REQUIRE(value_is(operand(c, i), in->dtype, &in->shape),
                    "C4: carries and captured values have the dtype and shape of the body's input");
    }
}

void shape_SCAN(Candidate *c) {
    REQUIRE(scan_attributes(c), "C1: a body, counts, a trip, an axis for each sequence and yield");
    const Graph *body = c->g->bodies.data[c->attr[0]];
    uint32_t carries = (uint32_t)c->attr[1], yields = (uint32_t)c->attr[4];
    scan_inputs(c, body);
    if (c->problem) return;
    REQUIRE(body->outputs.len == carries + yields && body->writes.len == 0 &&
                node_is_none(body->guard) && body->slot_count == 0,
            "C5: the body gives the carries and yields, and has no slots, writes or guard");
    for (uint32_t i = 0; i < carries; i++)
        REQUIRE(value_is(graph_node(body, body->outputs.data[i].node),
                         body->inputs.data[1 + i].dtype, &body->inputs.data[1 + i].shape),
                "C6: a carry leaves the body with the dtype and shape it came in with");
    for (uint32_t i = 0; i < yields; i++) {
        uint32_t rank = graph_node(body, body->outputs.data[carries + i].node)->rank;
        int64_t axis = c->attr[7 + c->attr[2] + i];
        REQUIRE(rank < RANK_MAX && axis >= 0 && axis <= (int64_t)rank,
                "C7: the new axis of a yield lies within its rank");
    }
    c->result_dtype = DTYPE_BOOL;
}

void shape_TAKE(Candidate *c) {
    const GNode *loop = operand(c, 0);
    REQUIRE(loop->op == OP_SCAN, "C1: the operand is a scan");
    REQUIRE(c->nattr == 1 && c->attr[0] >= 0 && c->attr[0] < loop->attr[1] + loop->attr[4],
            "C2: the attribute numbers a result of the scan");
    const Graph *body = c->g->bodies.data[loop->attr[0]];
    NodeId node = body->outputs.data[c->attr[0]].node;
    Shape inner = graph_shape(body, node);
    c->result_dtype = graph_node(body, node)->dtype;
    c->result = inner;
    if (c->attr[0] < loop->attr[1]) return;
    uint32_t axis = (uint32_t)loop->attr[7 + loop->attr[2] + c->attr[0] - loop->attr[1]];
    c->result.rank = inner.rank + 1;
    for (uint32_t i = axis; i < inner.rank; i++) c->result.dims[i + 1] = inner.dims[i];
    c->result.dims[axis] = (DimId){(uint32_t)loop->attr[6]};
}
