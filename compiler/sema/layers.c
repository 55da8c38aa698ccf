/* The rows of `bmc explain`: one per layer instance, in the order they are applied. Parameters and
 * work are a layer's own, without those of the layers inside it, so that a column can be summed. */
#include "compiler/sema/elaborate.h"

uint32_t layer_reserve(Sema *s, Instance *inst) {
    Program *p = s->program;
    uint32_t known;
    Sym path = ctx_sym(s->ctx, inst->path);
    if (ptrmap_get(&s->layer_index, path, &known)) return UINT32_MAX;
    ptrmap_put(s, &s->layer_index, path, p->layers.len);
    LayerInfo info = {.path = inst->path, .span = inst->span};
    info.what = inst->creator ? node_text(s, inst->creator) : inst->def->name->text;
    vec_push(s->arena, &p->layers, info);
    return p->layers.len - 1;
}

static double elements(Sema *s, const int64_t *ones, const DimId *dims, uint32_t rank) {
    double count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t v;
        if (dim_eval(s->program->dims, dims[i], ones, &v)) count *= (double)v;
    }
    return count;
}

static double loop_flops(Sema *s, const Graph *g, const GNode *n, const int64_t *ones);

/* 2 per multiply-add of a contraction, 1 per element of other arithmetic, with every run-time
 * size 1. */
static double node_flops(Sema *s, const Graph *g, const GNode *n, const int64_t *ones) {
    double own = elements(s, ones, n->dims, n->rank);
    switch (op_info(n->op)->cls) {
    case CLASS_UNARY:
    case CLASS_BINARY:
    case CLASS_TERNARY: return n->op == OP_CAST || n->op == OP_STOP ? 0 : own;
    case CLASS_REDUCE: {
        const GNode *a = graph_node(g, n->args[0]);
        return elements(s, ones, a->dims, a->rank);
    }
    case CLASS_CONTRACT: {
        const GNode *a = graph_node(g, n->args[0]), *b = graph_node(g, n->args[1]);
        double k = 1;
        int64_t out = n->rank, reduced = n->attr[0];
        for (int64_t label = out; label < out + reduced; label++) {
            const GNode *of = NULL;
            uint32_t axis = 0;
            for (uint32_t i = 0; i < a->rank; i++)
                if (n->attr[1 + i] == label) of = a, axis = i;
            for (uint32_t i = 0; i < b->rank && !of; i++)
                if (n->attr[1 + a->rank + i] == label) of = b, axis = i;
            if (of) k *= elements(s, ones, &of->dims[axis], 1);
        }
        return 2 * own * k;
    }
    case CLASS_LOOP: return n->op == OP_SCAN ? loop_flops(s, g, n, ones) : 0;
    default: return 0;
    }
}

static double loop_flops(Sema *s, const Graph *g, const GNode *n, const int64_t *ones) {
    const Graph *body = g->bodies.data[n->attr[0]];
    DimId trip = {(uint32_t)n->attr[6]};
    double total = 0;
    for (uint32_t i = 0; i < graph_size(body); i++)
        total += node_flops(s, body, graph_node(body, (NodeId){i}), ones);
    return total * elements(s, ones, &trip, 1);
}

/* What a `checkpoint` says once more: it was counted when its value was evaluated. */
void layer_flops_repeated(Sema *s, NodeId once) {
    const Graph *g = s->build->g;
    uint32_t symbols = dim_symbol_count(s->program->dims);
    int64_t *ones = ARENA_ARRAY(s->arena, int64_t, symbols + 1);
    for (uint32_t i = 0; i < symbols; i++) ones[i] = 1;
    s->nested_flops += node_flops(s, g, graph_node(g, once), ones) * loop_repeats(s->build);
}

double layer_row(Sema *s, Instance *inst, Value result, uint32_t first_node, uint32_t row) {
    const Graph *g = s->build->g;
    uint32_t symbols = dim_symbol_count(s->program->dims);
    int64_t *ones = ARENA_ARRAY(s->arena, int64_t, symbols + 1);
    for (uint32_t i = 0; i < symbols; i++) ones[i] = 1;
    double total = 0;
    if (row != UINT32_MAX || s->nested_flops > 0)
        for (uint32_t i = first_node; i < graph_size(g); i++)
            total += node_flops(s, g, graph_node(g, (NodeId){i}), ones);
    total *= loop_repeats(s->build);
    if (row == UINT32_MAX) return total;
    LayerInfo *info = &s->program->layers.data[row];
    info->flops = total - s->nested_flops;
    info->params = inst->own_params;
    info->param_bytes = inst->own_bytes;
    if (result.kind == V_TUPLE && result.as.list.count) result = result.as.list.items[0];
    if (result.kind == V_TENSOR) {
        info->dtype = tensor_dtype(s, result);
        info->shape = tensor_shape(s, result);
    }
    return total;
}
