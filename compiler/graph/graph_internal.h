/* What the files of this folder share and nobody else sees. */
#ifndef BMC_GRAPH_INTERNAL_H
#define BMC_GRAPH_INTERNAL_H

#include "compiler/graph/graph.h"

/* A node on its way in: what the caller said, and what the op's rule makes of it. */
typedef struct Candidate {
    Graph *g;
    Op op;
    const NodeId *args;
    uint32_t nargs;
    const int64_t *attr;
    uint32_t nattr;
    /* given: DTYPE_COUNT / NULL when the caller left it to the rule */
    DType dtype;
    const Shape *given;
    /* result */
    DType result_dtype;
    Shape result;
    const char
        *problem; /* "contract C3: ...", the constraint of docs/ops.md that is broken; or NULL */
} Candidate;

static inline const GNode *operand(const Candidate *c, uint32_t i) {
    return graph_node(c->g, c->args[i]);
}

/* In a rule, whose candidate is `c`: leaves it with the constraint that is broken. */
#define REQUIRE(cond, text)                                                                        \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            c->problem = (text);                                                                   \
            return;                                                                                \
        }                                                                                          \
    } while (0)

/* Runs the op's rule: fills result_dtype and result, or problem. */
void shape_infer(Candidate *c);

/* The rules that stand in shape_loop.c. */
void shape_SCAN(Candidate *c);
void shape_TAKE(Candidate *c);

/* ... in attention_op.c. */
void shape_ATTENTION(Candidate *c);
void shape_ATTENTION_GRAD(Candidate *c);

/* ... in extern.c. */
void shape_EXTERN(Candidate *c);

/* BUG with the problem and the operands. */
_Noreturn void candidate_bug(const Candidate *c);

/* BUG when two nodes are equal or the index does not find one (graph.c). */
void graph_verify_interned(const Graph *g);

#endif
