/* Builtins on elements and reductions. Static numbers fold with bmc's own functions, never the
 * host's. */
#include "compiler/graph/mathfn.h"
#include "compiler/sema/elaborate.h"
#include <math.h>

/* ------------------------------------------------------------------ one operand */

static double static_unary(Sema *s, Op op, double x) {
    switch (op) {
    case OP_ABS: return x < 0 ? -x : x;
    case OP_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
    case OP_FLOOR: return floor(x);
    case OP_SQRT: return sqrt(x); /* correctly rounded everywhere */
    default: return math_run_f64(math_program(s->arena, op, DTYPE_F64), x, 0);
    }
}

static bool works_on_integers(Op op) {
    return op == OP_ABS || op == OP_SIGN || op == OP_FLOOR;
}

static Value unary(Sema *s, const BuiltinCall *c) {
    Value v = c->args[0];
    Op op = (Op)c->builtin->op;
    if (v.kind == V_NUM) {
        int64_t i;
        if (works_on_integers(op) && value_is_int(v, &i) && i != INT64_MIN)
            return value_int(op == OP_ABS    ? (i < 0 ? -i : i)
                             : op == OP_SIGN ? (i > 0) - (i < 0)
                                             : i);
        double x = static_unary(s, op, value_number(v));
        if (op == OP_FLOOR && x > -9e15 && x < 9e15) return value_int((int64_t)x);
        return value_real(x);
    }
    v = to_tensor(s, v, DTYPE_COUNT, c->spans[0]);
    if (value_is_poison(v)) return POISON;
    DType t = tensor_dtype(s, v);
    if (!dtype_is_float(t) && !(dtype_is_integer(t) && works_on_integers(op))) {
        Diag *d = sema_error(s, E_DTYPE, c->span, "`%s` wants floats, got %s", c->builtin->name,
                             dtype_name(t));
        if (!propose_around(s, d, c->spans[0], "f32", "convert first"))
            diag_help(d, "convert first: `%s(f32(...))`", c->builtin->name);
        return POISON;
    }
    if (op == OP_FLOOR && !dtype_is_float(t)) return v;
    NodeId a = tensor_node(s, v, c->span);
    return node_is_none(a) ? POISON : value_tensor(s, g_unary(sema_graph(s), op, a, c->span));
}

static Value stop(Sema *s, const BuiltinCall *c) {
    Value v = c->args[0];
    if (v.kind != V_TENSOR) return v;
    NodeId a = tensor_node(s, v, c->span);
    return node_is_none(a) ? POISON : value_tensor(s, g_unary(sema_graph(s), OP_STOP, a, c->span));
}

/* ------------------------------------------------------------------ two and three operands */

static Value extremum(Sema *s, const BuiltinCall *c) {
    Value a = c->args[0], b = c->args[1];
    bool max = c->builtin->op == OP_MAX;
    if (a.kind == V_NUM && b.kind == V_NUM)
        return (value_number(a) < value_number(b)) == max ? b : a;
    if (!unify_dtype(s, c->span, c->builtin->name, &a, &b) ||
        !broadcast_pair(s, c->span, c->builtin->name, &a, &b))
        return POISON;
    if (tensor_dtype(s, a) == DTYPE_BOOL) {
        sema_error(s, E_DTYPE, c->span, "`%s` of bools", c->builtin->name);
        return POISON;
    }
    NodeId x = tensor_node(s, a, c->span), y = tensor_node(s, b, c->span);
    if (node_is_none(x) || node_is_none(y)) return POISON;
    return value_tensor(s, g_binary(sema_graph(s), (Op)c->builtin->op, x, y, c->span));
}

static Value select_value(Sema *s, const BuiltinCall *c) {
    Value cond = c->args[0], a = c->args[1], b = c->args[2];
    if (cond.kind == V_BOOL) return cond.as.truth ? a : b;
    if (cond.kind != V_TENSOR || tensor_dtype(s, cond) != DTYPE_BOOL) {
        sema_error(s, E_DTYPE, c->spans[0], "`select` wants a bool first, got %s",
                   cond.kind == V_TENSOR ? dtype_name(tensor_dtype(s, cond))
                                         : value_kind_name(cond.kind));
        return POISON;
    }
    if (!unify_dtype(s, c->span, "select", &a, &b) ||
        !broadcast_pair(s, c->span, "select", &a, &b) ||
        !broadcast_pair(s, c->span, "select", &cond, &a) ||
        !broadcast_pair(s, c->span, "select", &a, &b))
        return POISON;
    NodeId k = tensor_node(s, cond, c->span), x = tensor_node(s, a, c->span),
           y = tensor_node(s, b, c->span);
    if (node_is_none(k) || node_is_none(x) || node_is_none(y)) return POISON;
    return value_tensor(s, g_select(sema_graph(s), k, x, y, c->span));
}

/* ------------------------------------------------------------------ reductions */

/* A statistic of one row says nothing: the column's has to be asked for with `fit`. */
static bool leaks(Sema *s, const BuiltinCall *c, const Shape *shape) {
    if (!s->rows || shape->rank) return false;
    const char *name = c->builtin->name;
    const Node *call = c->node;
    for (const Frame *f = s->frame; f && f->def; f = f->up)
        if (f->def->kind == NODE_FN && span_in_prelude(s, f->def->span)) {
            name = f->def->name->text;
            call = f->call;
        }
    Diag *d = sema_error(s, E_LEAK, c->span,
                         "`%s` of one row of a scalar field is the value itself", name);
    diag_note(d, "expressions in a data block run row by row; statistics must say which rows they "
                 "see");
    if (call) {
        DiagFix fix = {.span = call->span,
                       .text = arena_printf(s->arena, "fit(%s)", node_text(s, call))};
        diag_fix(d, fix, "`%s` is computed once over the train split and saved with the weights",
                 fix.text);
    } else {
        diag_help(d,
                  "`fit(%s(...))` is computed once over the train split and saved with the weights",
                  name);
    }
    if (strcmp(name, "mean") == 0 || strcmp(name, "std") == 0)
        diag_help(d, "or `standardize(x)` instead of `(x - mean(x)) / std(x)`");
    return true;
}

static Value keep_axes(Sema *s, Value v, const Shape *from, const uint32_t *axes, uint32_t count,
                       Span span) {
    Shape to = *from;
    for (uint32_t i = 0; i < count; i++) to.dims[axes[i]] = dim_const(s->program->dims, 1);
    return tensor_reshape(s, v, &to, span);
}

static bool keep_wanted(Sema *s, const BuiltinCall *c, bool *keep) {
    *keep = false;
    if (c->count < 3 || c->args[2].kind == V_NONE) return true;
    if (c->args[2].kind != V_BOOL) {
        sema_error(s, E_ARGUMENT, c->spans[2], "`keep` of `%s` wants `true` or `false`",
                   c->builtin->name);
        return false;
    }
    *keep = c->args[2].as.truth;
    return true;
}

static Value reduce(Sema *s, const BuiltinCall *c) {
    Value v = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]);
    bool keep;
    if (value_is_poison(v) || !keep_wanted(s, c, &keep)) return POISON;
    Shape shape = tensor_shape(s, v);
    uint32_t axes[RANK_MAX], count;
    if (leaks(s, c, &shape)) return POISON;
    if (tensor_dtype(s, v) == DTYPE_BOOL) {
        Diag *d = sema_error(s, E_DTYPE, c->span, "`%s` of bools", c->builtin->name);
        bool mean = strcmp(c->builtin->name, "mean") == 0;
        if (!propose_around(s, d, c->spans[0], mean ? "f32" : "i32", "convert first"))
            diag_help(d, "count with `sum(i32(...))`, average with `mean(f32(...))`");
        return POISON;
    }
    if (!axes_of(s, c->args[1], &shape, c->spans[1], axes, &count)) return POISON;
    NodeId a = tensor_node(s, v, c->span);
    if (node_is_none(a)) return POISON;
    if (count == 0) return v;
    Value r = value_tensor(s, g_reduce(sema_graph(s), (Op)c->builtin->op, a, axes, count, c->span));
    return keep ? keep_axes(s, r, &shape, axes, count, c->span) : r;
}

static Value argmax(Sema *s, const BuiltinCall *c) {
    Value v = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]);
    bool keep;
    if (value_is_poison(v) || !keep_wanted(s, c, &keep)) return POISON;
    Shape shape = tensor_shape(s, v);
    uint32_t axes[RANK_MAX], count;
    Value axis = c->args[1].kind == V_NONE && shape.rank == 1 ? value_int(0) : c->args[1];
    if (!axes_of(s, axis, &shape, c->spans[1], axes, &count)) return POISON;
    if (count != 1) {
        sema_error(s, E_AXIS, c->span, "`%s` wants one axis of %s", c->builtin->name,
                   shape_string(s, &shape, v.decl));
        return POISON;
    }
    if (tensor_dtype(s, v) == DTYPE_BOOL) {
        sema_error(s, E_DTYPE, c->span, "`%s` of bools", c->builtin->name);
        return POISON;
    }
    v = tensor_here(s, v, c->span);
    if (value_is_poison(v)) return POISON;
    if (c->builtin->op == OP_MIN) v = tensor_descending(s, v, c->span);
    NodeId a = v.as.tensor.node;
    Value r = value_tensor(s, g_reduce(sema_graph(s), OP_ARGMAX, a, axes, 1, c->span));
    return keep ? keep_axes(s, r, &shape, axes, 1, c->span) : r;
}

/* ------------------------------------------------------------------ classes */

void mark_index(Sema *s, Value index, DimId size) {
    GraphInput *in = build_input(s->build, index.as.tensor.node); /* of the batch */
    if (!in || !dtype_is_integer(in->dtype) || !dim_is_const(s->program->dims, size)) return;
    int64_t limit = dim_value(s->program->dims, size);
    if (!in->is_index || limit < in->index_limit) in->index_limit = limit;
    in->is_index = true;
}

/* is_class(ids[...], k) -> bool [..., k]: true where the last position is the class. Ids that come
 * straight from the data are checked against k before a step writes anything. */
static Value is_class(Sema *s, const BuiltinCall *c) {
    Value ids = to_tensor(s, c->args[0], DTYPE_I32, c->spans[0]);
    DimId k;
    if (value_is_poison(ids)) return POISON;
    if (!value_as_dim(s, c->args[1], &k) || !dtype_is_integer(tensor_dtype(s, ids))) {
        sema_error(s, E_ARGUMENT, c->span, "`is_class` wants integers and a size");
        return POISON;
    }
    Graph *g = sema_graph(s);
    ids = tensor_here(s, ids, c->span);
    if (value_is_poison(ids)) return POISON;
    NodeId a = ids.as.tensor.node;
    Shape shape = tensor_shape(s, ids), to = shape;
    if (shape.rank == RANK_MAX) return POISON;
    mark_index(s, ids, k);
    int32_t from[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) from[i] = (int32_t)i;
    from[shape.rank] = -1;
    to.dims[to.rank++] = k;
    NodeId wide = g_broadcast(g, a, &to, from, c->span);
    NodeId at = g_iota(g, tensor_dtype(s, ids), &to, shape.rank, c->span);
    return value_tensor(s, g_binary(g, OP_EQUAL, at, wide, c->span));
}

/* is_zero(x): the number 0, known at compile time. What a definition asks before it spends anything
 * on a setting that is off; a tensor (a schedule) is on. */
static Value is_zero(Sema *s, const BuiltinCall *c) {
    (void)s;
    return value_bool(c->args[0].kind == V_NUM && value_number(c->args[0]) == 0);
}

/* is_number(x): known at compile time, so that it can be asserted something about. */
static Value is_number(Sema *s, const BuiltinCall *c) {
    (void)s;
    return value_bool(c->args[0].kind == V_NUM);
}

const Builtin BUILTINS_MATH[] = {{"exp", "x", unary, OP_EXP},
                                 {"log", "x", unary, OP_LOG},
                                 {"expm1", "x", unary, OP_EXPM1},
                                 {"log1p", "x", unary, OP_LOG1P},
                                 {"sqrt", "x", unary, OP_SQRT},
                                 {"sin", "x", unary, OP_SIN},
                                 {"cos", "x", unary, OP_COS},
                                 {"tanh", "x", unary, OP_TANH},
                                 {"erf", "x", unary, OP_ERF},
                                 {"abs", "x", unary, OP_ABS},
                                 {"sign", "x", unary, OP_SIGN},
                                 {"floor", "x", unary, OP_FLOOR},
                                 {"stop", "x", stop, OP_STOP},
                                 {"maximum", "a, b", extremum, OP_MAX},
                                 {"minimum", "a, b", extremum, OP_MIN},
                                 {"select", "cond, a, b", select_value, OP_SELECT},
                                 {"sum", "x, axis?, keep?", reduce, OP_SUM},
                                 {"max", "x, axis?, keep?", reduce, OP_REDUCE_MAX},
                                 {"min", "x, axis?, keep?", reduce, OP_REDUCE_MIN},
                                 {"argmax", "x, axis?, keep?", argmax, OP_ARGMAX},
                                 {"argmin", "x, axis?, keep?", argmax, OP_MIN},
                                 {"is_class", "ids, k", is_class, 0},
                                 {"is_zero", "x", is_zero, 0},
                                 {"is_number", "x", is_number, 0},
                                 {NULL, NULL, NULL, 0}};
