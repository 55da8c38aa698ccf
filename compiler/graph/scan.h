/* The loop: a SCAN node runs its body graph once for each of `trip` iterations. docs/scan.md.
 *
 * A body is a graph of its own, kept in the `bodies` of the graph the node is in (equal bodies are
 * one). Its inputs stand in this order: the iteration's number (I64, rank 0), the carries, one
 * element of each sequence (without the scanned axis), the captured values. Its outputs: the
 * carries' next values, then what it yields. A body reads no slot, writes none and has no guard:
 * parameters and states come in as captured values, and a state that the loop writes is a carry. */
#ifndef BMC_GRAPH_SCAN_H
#define BMC_GRAPH_SCAN_H

#include "compiler/graph/graph.h"

/* bits of the kind attribute */
enum { SCAN_REVERSE = 1, SCAN_ONCE = 2, SCAN_AGAIN = 4, SCAN_SEGMENTS = 8 };

/* What the attributes and operands of a SCAN node say. Operands: `carries` first values, then
 * `sequences`, then `captures`. */
typedef struct Scan {
    const Graph *body;
    uint32_t carries, sequences, captures, yields;
    bool reverse;  /* iterations run from trip - 1 down to 0 */
    bool once;     /* `checkpoint`: one iteration, inlined when autodiff is through with it ... */
    bool again;    /* ... as its backward part: computes anew what the forward part has computed */
    bool segments; /* an iteration is a segment: what it computes is not kept for all of them */
    DimId trip;
    const int64_t *sequence_axis; /* per sequence: its scanned axis, of size trip */
    const int64_t *yield_axis;    /* per yield: where the result has the new axis of size trip */
} Scan;
Scan scan_of(const Graph *g, NodeId scan); /* BUG when it is no SCAN */

/* Position of the first of each kind among the body's inputs. */
static inline uint32_t scan_carry_input(const Scan *s, uint32_t i) {
    (void)s;
    return 1 + i;
}
static inline uint32_t scan_sequence_input(const Scan *s, uint32_t i) {
    return 1 + s->carries + i;
}
static inline uint32_t scan_capture_input(const Scan *s, uint32_t i) {
    return 1 + s->carries + s->sequences + i;
}

/* An empty body for a loop inside `outer`: same dims, no slots; input 0 is the iteration. */
Graph *scan_body(const Graph *outer);
/* Adds the loop. `s->body` (built by scan_body; its outputs are read in order) becomes part of g,
 * or gives way to an equal body already there. `operands` as in Scan. */
NodeId g_scan(Graph *g, const Scan *s, const NodeId *operands, Span span);
/* Result i: i < carries, the carry after the last iteration; else a yield, stacked. */
NodeId g_take(Graph *g, NodeId scan, uint32_t i, Span span);
NodeId g_random_at(Graph *g, const Shape *shape, uint64_t key, uint32_t draw, NodeId iteration,
                   Span span);
/* For passes: the number in g of a body (interned by its text). */
uint32_t graph_body(Graph *g, Graph *body);

#endif
