/* Runs a graph node by node in ascending id, which is a topological order. Values live until their
 * last use; writes happen after everything was computed, or not at all. */
#include "compiler/interp/interp_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t tensor_count(const Tensor *t) {
    size_t count = 1;
    for (uint32_t i = 0; i < t->rank; i++) count *= (size_t)t->dims[i];
    return count;
}

size_t tensor_bytes(const Tensor *t) {
    return tensor_count(t) * dtype_bytes(t->dtype);
}

void tensor_strides(const Tensor *t, size_t *strides) {
    size_t stride = 1;
    for (uint32_t i = t->rank; i-- > 0;) {
        strides[i] = stride;
        stride *= (size_t)t->dims[i];
    }
}

void position_split(const int64_t *dims, uint32_t rank, size_t position, int64_t *index) {
    for (uint32_t i = rank; i-- > 0;) {
        index[i] = (int64_t)(position % (size_t)dims[i]);
        position /= (size_t)dims[i];
    }
}

void *scratch_alloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

int64_t run_dim(const Evaluation *run, DimId d) {
    int64_t value = 0;
    if (!dim_eval(run->g->dims, d, run->run->symbols, &value)) BUG("a size without a value");
    return value;
}

/* ---- shapes of this run */

/* False when a size is negative or the bytes do not fit. */
static bool tensor_shape(const Graph *g, const InterpRun *run, DType dtype, const DimId *dims,
                         uint32_t rank, Tensor *out) {
    int64_t bytes = dtype_bytes(dtype);
    out->dtype = dtype;
    out->rank = rank;
    for (uint32_t i = 0; i < rank; i++) {
        if (!dim_eval(g->dims, dims[i], run->symbols, &out->dims[i]) || out->dims[i] < 0)
            return false;
        if (out->dims[i] > 0 && __builtin_mul_overflow(bytes, out->dims[i], &bytes)) return false;
    }
    return bytes >= 0;
}

static bool report_size(const Graph *g, Span span) {
    ctx_error(g->ctx, E_LIMIT, span,
              "a tensor's size overflows 64 bits in the reference evaluator");
    return false;
}
static bool report_memory(const Graph *g, Span span) {
    ctx_error(g->ctx, E_LIMIT, span, "not enough memory for the reference evaluator");
    return false;
}

/* ---- set-up: everything that the arena gives is had before the first value is computed, so that
 * running out of arena memory (which jumps) leaks no value */

static Value *value_of(const Evaluation *e, NodeId id) {
    uint32_t low = 0, high = e->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (e->ids[middle] < id.id)
            low = middle + 1;
        else
            high = middle;
    }
    INVARIANT(low < e->count && e->ids[low] == id.id);
    return &e->values[low];
}

/* Last uses, shapes, math programs. False (with a diagnostic) when a size overflows. */
bool evaluation_prepare(Evaluation *e, Arena *arena) {
    uint32_t widest = 1;
    e->values = ARENA_ARRAY(arena, Value, e->count);
    for (uint32_t i = 0; i < e->count; i++) {
        const GNode *n = graph_node(e->g, (NodeId){e->ids[i]});
        Value *v = &e->values[i];
        const MathProgram **math = &e->math[n->op][n->dtype == DTYPE_F64];
        if (!tensor_shape(e->g, e->run, n->dtype, n->dims, n->rank, &v->tensor))
            return report_size(e->g, n->span);
        if (!*math)
            *math = math_program(arena, n->op, n->dtype == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32);
        if (n->op == OP_SCAN && !loop_prepare(e, (NodeId){e->ids[i]}, v, arena)) return false;
        v->last_use = e->ids[i];
        for (uint32_t k = 0; k < n->nargs; k++) value_of(e, n->args[k])->last_use = e->ids[i];
        if (n->nargs > widest) widest = n->nargs;
    }
    e->args = ARENA_ARRAY(arena, const Value *, widest);
    return true;
}

void evaluation_keep(Evaluation *e, NodeId id) {
    value_of(e, id)->last_use = UINT32_MAX;
}

Tensor *evaluation_value(const Evaluation *e, NodeId id) {
    return &value_of(e, id)->tensor;
}

static Tensor room_for(const Evaluation *e, NodeId id, Arena *arena) {
    Tensor t = value_of(e, id)->tensor;
    t.data = arena_alloc(arena, tensor_bytes(&t));
    return t;
}

/* ---- one node */

static bool (*const rules[OP_COUNT])(Eval *) = {
#define OP(name, text, arity, cls, diff) eval_##name,
#include "compiler/graph/ops.def"
#undef OP
};

static void value_free(Value *v) {
    if (!v->borrowed) free(v->tensor.data);
    free(v->absent);
    if (v->loop) loop_free(v);
    v->tensor.data = NULL;
    v->absent = NULL;
}

static bool may_see_absent(Op op) {
    OpClass cls = op_info(op)->cls;
    return cls == CLASS_VIEW || cls == CLASS_REDUCE || cls == CLASS_CONTRACT ||
           op_is_elementwise(op);
}

static bool run_node(Evaluation *e, uint32_t i) {
    NodeId id = {e->ids[i]};
    const GNode *n = graph_node(e->g, id);
    Value *out = &e->values[i];
    Eval eval = {.run = e,
                 .g = e->g,
                 .n = n,
                 .args = e->args,
                 .out = out,
                 .count = tensor_count(&out->tensor),
                 .math = e->math[n->op][n->dtype == DTYPE_F64]};
    for (uint32_t k = 0; k < n->nargs; k++) {
        e->args[k] = value_of(e, n->args[k]);
        if (e->args[k]->absent && !may_see_absent(n->op))
            BUG("%s of a window that nothing reduced", op_info(n->op)->name);
    }
    if (n->op != OP_INPUT && n->op != OP_READ) {
        out->tensor.data = scratch_alloc(eval.count, dtype_bytes(n->dtype));
        if (!out->tensor.data) return false;
    }
    if (!rules[n->op](&eval)) return false;
    if (e->run->observe) e->run->observe(e->run->user, id, &out->tensor);
    for (uint32_t k = 0; k < n->nargs; k++) {
        Value *operand = value_of(e, n->args[k]);
        if (operand->last_use == id.id) value_free(operand);
    }
    if (out->last_use == id.id) value_free(out);
    return true;
}

bool evaluation_run(Evaluation *e) {
    for (uint32_t i = 0; i < e->count; i++)
        if (!run_node(e, i))
            return report_memory(e->g, graph_node(e->g, (NodeId){e->ids[i]})->span);
    return true;
}

void evaluation_free(Evaluation *e) {
    for (uint32_t i = 0; i < e->count; i++) value_free(&e->values[i]);
}

/* ---- what a step leaves behind */

static void check_index_inputs(Evaluation *e) {
    for (uint32_t i = 0; i < e->g->inputs.len; i++) {
        const GraphInput *in = &e->g->inputs.data[i];
        const Tensor *t = &e->run->inputs[i];
        if (!in->is_index) continue;
        for (size_t k = 0; k < tensor_count(t); k++) {
            int64_t value = load_int(t, k);
            if (value < 0 || value >= in->index_limit) e->flags |= INTERP_INPUT;
        }
    }
}

static void check_guard(Evaluation *e) {
    if (node_is_none(e->g->guard)) return;
    const Tensor *t = &value_of(e, e->g->guard)->tensor;
    double value = t->dtype == DTYPE_F64 ? load_f64(t, 0) : (double)load_f32(t, 0);
    if (!isfinite(value)) e->flags |= INTERP_NONFINITE;
}

/* A write may read a slot that another write replaces, so all values are whole before the first
 * copy; a write whose value IS a slot (a swap) is copied by way of a buffer of its own. */
static bool apply_writes(Evaluation *e) {
    const Graph *g = e->g;
    if (e->flags & (INTERP_NONFINITE | INTERP_INPUT)) return true;
    for (uint32_t i = 0; i < g->writes.len; i++) {
        Value *v = value_of(e, g->writes.data[i].node);
        if (!v->borrowed) continue;
        void *own = scratch_alloc(tensor_bytes(&v->tensor), 1);
        if (!own) return report_memory(g, graph_node(g, g->writes.data[i].node)->span);
        memcpy(own, v->tensor.data, tensor_bytes(&v->tensor));
        v->tensor.data = own;
        v->borrowed = false;
    }
    for (uint32_t i = 0; i < g->writes.len; i++) {
        const Tensor *value = &value_of(e, g->writes.data[i].node)->tensor;
        memcpy(e->run->slots[g->writes.data[i].slot].data, value->data, tensor_bytes(value));
    }
    return true;
}

static void copy_outputs(Evaluation *e) {
    for (uint32_t i = 0; i < e->g->outputs.len; i++) {
        const Tensor *value = &value_of(e, e->g->outputs.data[i].node)->tensor;
        if (tensor_count(value)) memcpy(e->run->outputs[i].data, value->data, tensor_bytes(value));
    }
}

/* Ascending ids of what the roots reach. */
const uint32_t *graph_live_ids(const Graph *g, Arena *arena, uint32_t *count) {
    uint32_t size = graph_size(g);
    bool *live = ARENA_ARRAY(arena, bool, size);
    uint32_t *ids = ARENA_ARRAY(arena, uint32_t, size);
    graph_live(g, live);
    for (uint32_t i = 0; i < size; i++)
        if (live[i]) ids[(*count)++] = i;
    return ids;
}

static bool sizes_hold(const Graph *g, const int64_t *symbols) {
    uint32_t count;
    const GraphCheck *checks = graph_size_checks(g, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (graph_check_holds(g, &checks[i], symbols)) continue;
        ctx_error(g->ctx, E_RUN_SHAPE, checks[i].span, "these sizes do not go together: %s",
                  checks[i].text);
        return false;
    }
    return true;
}

bool interp_run(const Graph *g, InterpRun *run) {
    Evaluation e = {.g = g, .run = run};
    run->flags = 0;
    if (!sizes_hold(g, run->symbols)) return false;
    e.ids = graph_live_ids(g, run->arena, &e.count);
    if (!evaluation_prepare(&e, run->arena)) return false;
    run->outputs = ARENA_ARRAY(run->arena, Tensor, g->outputs.len);
    for (uint32_t i = 0; i < g->outputs.len; i++) {
        evaluation_keep(&e, g->outputs.data[i].node);
        run->outputs[i] = room_for(&e, g->outputs.data[i].node, run->arena);
    }
    for (uint32_t i = 0; i < g->writes.len; i++) evaluation_keep(&e, g->writes.data[i].node);
    if (!node_is_none(g->guard)) evaluation_keep(&e, g->guard);
    bool done = evaluation_run(&e);
    if (done) {
        check_index_inputs(&e);
        check_guard(&e);
        copy_outputs(&e);
        done = apply_writes(&e);
    }
    evaluation_free(&e);
    run->flags = e.flags;
    return done;
}

/* ---- folding */

enum { FOLD_NODES_MAX = 256 }; /* a constant is folded operand by operand: its cone is small */

/* Known without running: no input, slot, random number, clock or run-time size. */
static bool is_constant_node(const Graph *g, const GNode *n) {
    if (n->op == OP_INPUT || n->op == OP_READ || n->op == OP_RANDOM || n->op == OP_CLOCK)
        return false;
    if (n->op == OP_GRAD || op_info(n->op)->cls == CLASS_LOOP) return false;
    if (n->op == OP_SIZE && !dim_is_const(g->dims, (DimId){(uint32_t)n->attr[0]})) return false;
    for (uint32_t k = 0; k < n->rank; k++)
        if (!dim_is_const(g->dims, n->dims[k])) return false;
    return true;
}

/* Inserts `id` into the ascending list; false when it is full. */
static bool list_insert(uint32_t *ids, uint32_t *count, uint32_t id) {
    uint32_t at = *count;
    while (at > 0 && ids[at - 1] > id) at--;
    if (at > 0 && ids[at - 1] == id) return true;
    if (*count == FOLD_NODES_MAX) return false;
    memmove(ids + at + 1, ids + at, (*count - at) * sizeof *ids);
    ids[at] = id;
    ++*count;
    return true;
}

/* What `root` is computed from, ascending. Operands have smaller ids, so they are inserted below
 * the node visited: walking down from the end meets every node once. */
static bool constant_cone(const Graph *g, NodeId root, uint32_t *ids, uint32_t *count) {
    list_insert(ids, count, root.id);
    for (uint32_t seen = 0; seen < *count; seen++) { /* `seen` nodes at the end are done */
        const GNode *n = graph_node(g, (NodeId){ids[*count - 1 - seen]});
        if (!is_constant_node(g, n)) return false;
        for (uint32_t k = 0; k < n->nargs; k++)
            if (!list_insert(ids, count, n->args[k].id)) return false;
    }
    return true;
}

bool interp_constant(const Graph *g, NodeId id, Arena *arena, Tensor *out) {
    uint32_t ids[FOLD_NODES_MAX];
    InterpRun run = {.arena = arena};
    Evaluation e = {.g = g, .run = &run, .ids = ids};
    if (!constant_cone(g, id, ids, &e.count)) return false;
    if (!evaluation_prepare(&e, arena)) return false;
    evaluation_keep(&e, id);
    *out = room_for(&e, id, arena);
    bool done = evaluation_run(&e);
    if (done && tensor_count(out))
        memcpy(out->data, value_of(&e, id)->tensor.data, tensor_bytes(out));
    evaluation_free(&e);
    return done && e.flags == 0; /* what raises a flag is left to run time */
}
