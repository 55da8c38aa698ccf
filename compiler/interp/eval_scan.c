/* A loop: the body's graph, evaluated once an iteration. The loop's results are kept beside its
 * (meaningless) value until the last TAKE has copied what it wants. */
#include "compiler/graph/scan.h"
#include "compiler/interp/interp_internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct Loop {
    Scan scan;
    Evaluation body;
    InterpRun run;   /* of the body */
    Tensor *inputs;  /* of the body; data of carries and elements is ours, of the rest borrowed */
    Tensor *results; /* carries, then stacked yields; data NULL before the loop has run */
    int64_t trip;
} Loop;

/* Sizes of one body input or output in this run. */
static bool sized(const Evaluation *e, Tensor *t, DType dtype, const DimId *dims, uint32_t rank) {
    t->dtype = dtype;
    t->rank = rank;
    t->data = NULL;
    for (uint32_t i = 0; i < rank; i++)
        if (!dim_eval(e->g->dims, dims[i], e->run->symbols, &t->dims[i]) || t->dims[i] < 0)
            return false;
    return true;
}

static bool results_size(Evaluation *e, Loop *l) {
    const Scan *s = &l->scan;
    for (uint32_t i = 0; i < s->carries + s->yields; i++) {
        const GNode *n = graph_node(s->body, s->body->outputs.data[i].node);
        Tensor *t = &l->results[i];
        if (!sized(e, t, n->dtype, n->dims, n->rank)) return false;
        if (i < s->carries) continue;
        uint32_t axis = (uint32_t)s->yield_axis[i - s->carries];
        memmove(t->dims + axis + 1, t->dims + axis, (t->rank - axis) * sizeof *t->dims);
        t->dims[axis] = l->trip;
        t->rank++;
    }
    return true;
}

bool loop_prepare(Evaluation *e, NodeId id, Value *v, Arena *arena) {
    Loop *l = ARENA_NEW(arena, Loop);
    l->scan = scan_of(e->g, id);
    const Scan *s = &l->scan;
    l->inputs = ARENA_ARRAY(arena, Tensor, s->body->inputs.len);
    l->results = ARENA_ARRAY(arena, Tensor, s->carries + s->yields);
    bool fine = dim_eval(e->g->dims, s->trip, e->run->symbols, &l->trip) && l->trip >= 0;
    for (uint32_t i = 0; fine && i < s->body->inputs.len; i++) {
        const GraphInput *in = &s->body->inputs.data[i];
        fine = sized(e, &l->inputs[i], in->dtype, in->shape.dims, in->shape.rank);
    }
    if (!fine || !results_size(e, l)) {
        ctx_error(e->g->ctx, E_LIMIT, graph_node(e->g, id)->span,
                  "a loop's sizes overflow in the reference evaluator");
        return false;
    }
    l->run = *e->run;
    l->run.inputs = l->inputs;
    l->run.observe = NULL;
    l->body = (Evaluation){.g = s->body, .run = &l->run};
    l->body.ids = graph_live_ids(s->body, arena, &l->body.count);
    if (!evaluation_prepare(&l->body, arena)) return false;
    for (uint32_t i = 0; i < s->body->outputs.len; i++)
        evaluation_keep(&l->body, s->body->outputs.data[i].node);
    v->loop = l;
    return true;
}

void loop_free(Value *v) {
    Loop *l = v->loop;
    const Scan *s = &l->scan;
    for (uint32_t i = 0; i < s->carries + s->yields; i++) {
        free(l->results[i].data);
        l->results[i].data = NULL;
    }
    for (uint32_t i = 0; i < 1 + s->carries + s->sequences; i++) {
        free(l->inputs[i].data);
        l->inputs[i].data = NULL;
    }
}

/* Copies between a stacked tensor and its element at position `at` of `axis`: for every prefix of
 * the axes before, one run of the axes after. */
static void slab_copy(Tensor *whole, uint32_t axis, int64_t at, Tensor *element, bool into) {
    size_t before = 1, after = dtype_bytes(whole->dtype);
    for (uint32_t i = 0; i < axis; i++) before *= (size_t)whole->dims[i];
    for (uint32_t i = axis + 1; i < whole->rank; i++) after *= (size_t)whole->dims[i];
    for (size_t i = 0; i < before; i++) {
        char *w = (char *)whole->data + (i * (size_t)whole->dims[axis] + (size_t)at) * after;
        char *x = (char *)element->data + i * after;
        if (into)
            memcpy(w, x, after);
        else
            memcpy(x, w, after);
    }
}

static bool room(Tensor *t) {
    t->data = scratch_alloc(tensor_count(t), dtype_bytes(t->dtype));
    return t->data != NULL;
}

static bool rooms(Loop *l) {
    const Scan *s = &l->scan;
    for (uint32_t i = 0; i < s->carries + s->yields; i++)
        if (!room(&l->results[i])) return false;
    for (uint32_t i = 0; i < 1 + s->carries + s->sequences; i++)
        if (!room(&l->inputs[i])) return false;
    return true;
}

static bool iterate(Eval *e, Loop *l, int64_t t) {
    const Scan *s = &l->scan;
    store_int(&l->inputs[0], 0, t);
    for (uint32_t i = 0; i < s->sequences; i++) {
        Tensor whole = e->args[s->carries + i]->tensor;
        slab_copy(&whole, (uint32_t)s->sequence_axis[i], t, &l->inputs[scan_sequence_input(s, i)],
                  false);
    }
    bool done = evaluation_run(&l->body);
    for (uint32_t i = 0; done && i < s->yields; i++) {
        NodeId node = s->body->outputs.data[s->carries + i].node;
        slab_copy(&l->results[s->carries + i], (uint32_t)s->yield_axis[i], t,
                  evaluation_value(&l->body, node), true);
    }
    /* all carries change at once: an output may be another carry's input */
    for (uint32_t i = 0; done && i < s->carries; i++) {
        const Tensor *next = evaluation_value(&l->body, s->body->outputs.data[i].node);
        memcpy(l->results[i].data, next->data, tensor_bytes(next));
    }
    for (uint32_t i = 0; done && i < s->carries; i++)
        memcpy(l->inputs[scan_carry_input(s, i)].data, l->results[i].data,
               tensor_bytes(&l->results[i]));
    evaluation_free(&l->body);
    return done;
}

bool eval_SCAN(Eval *e) {
    Loop *l = e->out->loop;
    const Scan *s = &l->scan;
    if (!rooms(l)) return false;
    for (uint32_t i = 0; i < s->carries; i++) {
        const Tensor *first = &e->args[i]->tensor;
        memcpy(l->results[i].data, first->data, tensor_bytes(first));
        memcpy(l->inputs[scan_carry_input(s, i)].data, first->data, tensor_bytes(first));
    }
    for (uint32_t i = 0; i < s->captures; i++)
        l->inputs[scan_capture_input(s, i)].data =
            e->args[s->carries + s->sequences + i]->tensor.data;
    for (int64_t i = 0; i < l->trip; i++)
        if (!iterate(e, l, s->reverse ? l->trip - 1 - i : i)) return false;
    e->run->flags |= l->body.flags;
    return true;
}

bool eval_TAKE(Eval *e) {
    const Tensor *from = &e->args[0]->loop->results[e->n->attr[0]];
    if (e->count) memcpy(e->out->tensor.data, from->data, tensor_bytes(from));
    return true;
}
