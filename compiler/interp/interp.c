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

static const MathProgram **math_programs(Arena *arena) {
    const MathProgram **programs = ARENA_ARRAY(arena, const MathProgram *, 2 * OP_COUNT);
    for (uint32_t op = 0; op < OP_COUNT; op++) {
        programs[2 * op] = math_program(arena, (Op)op, DTYPE_F32);
        programs[2 * op + 1] = math_program(arena, (Op)op, DTYPE_F64);
    }
    return programs;
}

static void keep(Value *values, NodeId id) {
    values[id.id].last_use = UINT32_MAX;
}

/* UINT32_MAX: to the end; the node's own id: unused. */
static void find_last_uses(const Graph *g, Value *values) {
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        values[i].last_use = i;
        for (uint32_t k = 0; k < n->nargs; k++) values[n->args[k].id].last_use = i;
    }
    for (uint32_t i = 0; i < g->outputs.len; i++) keep(values, g->outputs.data[i].node);
    for (uint32_t i = 0; i < g->writes.len; i++) keep(values, g->writes.data[i].node);
    if (!node_is_none(g->guard)) keep(values, g->guard);
}

static bool prepare(Evaluation *e, const bool *live) {
    const Graph *g = e->g;
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (live[i] && !tensor_shape(g, e->run, n->dtype, n->dims, n->rank, &e->values[i].tensor))
            return report_size(g, n->span);
    }
    return true;
}

static void prepare_outputs(Evaluation *e) {
    InterpRun *run = e->run;
    const Graph *g = e->g;
    run->outputs = ARENA_ARRAY(run->arena, Tensor, g->outputs.len);
    for (uint32_t i = 0; i < g->outputs.len; i++) {
        run->outputs[i] = e->values[g->outputs.data[i].node.id].tensor;
        run->outputs[i].data = arena_alloc(run->arena, tensor_bytes(&run->outputs[i]));
    }
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
    v->tensor.data = NULL;
    v->absent = NULL;
}

static bool may_see_absent(Op op) {
    OpClass cls = op_info(op)->cls;
    return cls == CLASS_VIEW || cls == CLASS_REDUCE || cls == CLASS_CONTRACT ||
           op_is_elementwise(op);
}

static bool run_node(Evaluation *e, uint32_t id, const Value **args) {
    const GNode *n = graph_node(e->g, (NodeId){id});
    Value *out = &e->values[id];
    const MathProgram **math = &e->math[2 * n->op];
    Eval eval = {.run = e,
                 .g = e->g,
                 .n = n,
                 .args = args,
                 .out = out,
                 .count = tensor_count(&out->tensor),
                 .math = math[n->dtype == DTYPE_F64]};
    for (uint32_t k = 0; k < n->nargs; k++) {
        args[k] = &e->values[n->args[k].id];
        if (args[k]->absent && !may_see_absent(n->op))
            BUG("%s of a window that nothing reduced", op_info(n->op)->name);
    }
    if (n->op != OP_INPUT && n->op != OP_READ) {
        out->tensor.data = scratch_alloc(eval.count, dtype_bytes(n->dtype));
        if (!out->tensor.data) return false;
    }
    if (!rules[n->op](&eval)) return false;
    if (e->run->observe) e->run->observe(e->run->user, (NodeId){id}, &out->tensor);
    for (uint32_t k = 0; k < n->nargs; k++)
        if (e->values[n->args[k].id].last_use == id) value_free(&e->values[n->args[k].id]);
    if (out->last_use == id) value_free(out);
    return true;
}

static bool run_nodes(Evaluation *e, const bool *live, const Value **args) {
    for (uint32_t i = 0; i < graph_size(e->g); i++)
        if (live[i] && !run_node(e, i, args))
            return report_memory(e->g, graph_node(e->g, (NodeId){i})->span);
    return true;
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
    const Tensor *t = &e->values[e->g->guard.id].tensor;
    double value = t->dtype == DTYPE_F64 ? load_f64(t, 0) : (double)load_f32(t, 0);
    if (!isfinite(value)) e->flags |= INTERP_NONFINITE;
}

/* A write may read a slot that another write replaces, so all values are whole before the first
 * copy; a write whose value IS a slot (a swap) is copied by way of a buffer of its own. */
static bool apply_writes(Evaluation *e) {
    const Graph *g = e->g;
    if (e->flags & (INTERP_NONFINITE | INTERP_INPUT)) return true;
    for (uint32_t i = 0; i < g->writes.len; i++) {
        Value *v = &e->values[g->writes.data[i].node.id];
        if (!v->borrowed) continue;
        void *own = scratch_alloc(tensor_bytes(&v->tensor), 1);
        if (!own) return report_memory(g, graph_node(g, g->writes.data[i].node)->span);
        memcpy(own, v->tensor.data, tensor_bytes(&v->tensor));
        v->tensor.data = own;
        v->borrowed = false;
    }
    for (uint32_t i = 0; i < g->writes.len; i++) {
        const Tensor *value = &e->values[g->writes.data[i].node.id].tensor;
        memcpy(e->run->slots[g->writes.data[i].slot].data, value->data, tensor_bytes(value));
    }
    return true;
}

static void copy_outputs(Evaluation *e) {
    for (uint32_t i = 0; i < e->g->outputs.len; i++) {
        const Tensor *value = &e->values[e->g->outputs.data[i].node.id].tensor;
        if (tensor_count(value)) memcpy(e->run->outputs[i].data, value->data, tensor_bytes(value));
    }
}

bool interp_run(const Graph *g, InterpRun *run) {
    Arena *arena = run->arena;
    uint32_t size = graph_size(g), widest = 1;
    bool *live = ARENA_ARRAY(arena, bool, size);
    Evaluation e = {.g = g,
                    .run = run,
                    .values = ARENA_ARRAY(arena, Value, size),
                    .math = math_programs(arena)};
    run->flags = 0;
    graph_live(g, live);
    find_last_uses(g, e.values);
    for (uint32_t i = 0; i < size; i++)
        if (graph_node(g, (NodeId){i})->nargs > widest) widest = graph_node(g, (NodeId){i})->nargs;
    const Value **args = ARENA_ARRAY(arena, const Value *, widest);
    if (!prepare(&e, live)) return false;
    prepare_outputs(&e);
    bool done = run_nodes(&e, live, args);
    if (done) {
        check_index_inputs(&e);
        check_guard(&e);
        copy_outputs(&e);
        done = apply_writes(&e);
    }
    for (uint32_t i = 0; i < size; i++) value_free(&e.values[i]);
    run->flags = e.flags;
    return done;
}

/* ---- folding */

static bool depends_on_constants_only(const Graph *g, NodeId root, bool *need) {
    need[root.id] = true;
    for (uint32_t i = root.id + 1; i-- > 0;) {
        if (!need[i]) continue;
        const GNode *n = graph_node(g, (NodeId){i});
        if (n->op == OP_INPUT || n->op == OP_READ || n->op == OP_RANDOM || n->op == OP_CLOCK)
            return false;
        if (n->op == OP_GRAD) return false;
        if (n->op == OP_SIZE && !dim_is_const(g->dims, (DimId){(uint32_t)n->attr[0]})) return false;
        for (uint32_t k = 0; k < n->rank; k++)
            if (!dim_is_const(g->dims, n->dims[k])) return false;
        for (uint32_t k = 0; k < n->nargs; k++) need[n->args[k].id] = true;
    }
    return true;
}

bool interp_constant(const Graph *g, NodeId id, Arena *arena, Tensor *out) {
    uint32_t size = id.id + 1, widest = 1;
    bool *need = ARENA_ARRAY(arena, bool, size);
    if (!depends_on_constants_only(g, id, need)) return false;
    InterpRun run = {.arena = arena};
    Evaluation e = {.g = g,
                    .run = &run,
                    .values = ARENA_ARRAY(arena, Value, size),
                    .math = math_programs(arena)};
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (!need[i]) continue;
        if (n->nargs > widest) widest = n->nargs;
        e.values[i].last_use = i;
        for (uint32_t k = 0; k < n->nargs; k++) e.values[n->args[k].id].last_use = i;
        if (!tensor_shape(g, &run, n->dtype, n->dims, n->rank, &e.values[i].tensor)) return false;
    }
    keep(e.values, id);
    const Value **args = ARENA_ARRAY(arena, const Value *, widest);
    *out = e.values[id.id].tensor;
    out->data = arena_alloc(arena, tensor_bytes(out));
    bool done = true;
    for (uint32_t i = 0; done && i < size; i++)
        if (need[i]) done = run_node(&e, i, args);
    if (done && tensor_count(out))
        memcpy(out->data, e.values[id.id].tensor.data, tensor_bytes(out));
    for (uint32_t i = 0; i < size; i++) value_free(&e.values[i]);
    return done && e.flags == 0; /* what raises a flag is left to run time */
}
