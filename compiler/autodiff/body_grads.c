/* A gradient in a body is answered within the body, where values from outside are inputs without a
 * history. When one of them was computed from x, the gradient by x would lack that part: refused.
 */
#include "compiler/autodiff/body_grads.h"
#include "compiler/autodiff/flow.h"
#include "compiler/autodiff/nograd.h"

typedef struct BodyGrad { /* a gradient by input `x`, of what depends on the flagged inputs */
    uint32_t x;
    bool *inputs;
    Span span;
} BodyGrad;
typedef VEC(BodyGrad) BodyGrads;

static BodyGrad body_grad(const Graph *body, bool *reached, NodeId x, Span span) {
    BodyGrad found = {.x = (uint32_t)graph_node(body, x)->attr[0], .span = span};
    found.inputs = ARENA_ARRAY(body->ctx->arena, bool, body->inputs.len);
    flow_collect(body, reached, graph_size(body));
    for (uint32_t i = 0; i < graph_size(body); i++) {
        const GNode *n = graph_node(body, (NodeId){i});
        if (n->op == OP_INPUT && reached[i]) found.inputs[n->attr[0]] = true;
    }
    return found;
}

/* As deep as loops are nested. */
static BodyGrads body_grads(const Graph *body) {
    BodyGrads all = {0};
    Arena *arena = body->ctx->arena;
    uint32_t size = graph_size(body);
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(body, (NodeId){i});
        if (n->op == OP_GRAD && graph_node(body, n->args[1])->op == OP_INPUT) {
            bool *reached = ARENA_ARRAY(arena, bool, size);
            reached[n->args[0].id] = true;
            vec_push(arena, &all, body_grad(body, reached, n->args[1], n->span));
        }
        if (n->op != OP_SCAN) continue;
        BodyGrads inner = body_grads(body->bodies.data[n->attr[0]]);
        for (uint32_t k = 0; k < inner.len; k++) {
            const BodyGrad *found = &inner.data[k];
            if (found->x == 0 || graph_node(body, n->args[found->x - 1])->op != OP_INPUT) continue;
            bool *reached = ARENA_ARRAY(arena, bool, size);
            for (uint32_t a = 0; a < n->nargs; a++)
                if (a + 1 != found->x && found->inputs[a + 1]) reached[n->args[a].id] = true;
            vec_push(arena, &all, body_grad(body, reached, n->args[found->x - 1], found->span));
        }
    }
    return all;
}

void body_grads_check(const Graph *g, NodeId loop) {
    Scan s = scan_of(g, loop);
    const GNode *n = graph_node(g, loop);
    BodyGrads all = body_grads(s.body);
    for (uint32_t i = 0; i < all.len; i++) {
        uint32_t x = all.data[i].x;
        if (x < scan_capture_input(&s, 0)) continue; /* a value of the iteration */
        NodeId wanted = n->args[x - 1];
        for (uint32_t a = 0; a < n->nargs; a++) {
            if (a + 1 == x || !all.data[i].inputs[a + 1]) continue;
            bool *reached = ARENA_ARRAY(g->ctx->arena, bool, n->args[a].id + 1);
            reached[n->args[a].id] = true;
            flow_collect(g, reached, n->args[a].id + 1);
            if (wanted.id > n->args[a].id || !reached[wanted.id]) continue;
            nograd_outside(g, wanted, n->args[a], all.data[i].span);
            break;
        }
    }
}
