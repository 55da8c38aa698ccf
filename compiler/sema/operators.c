/* Operators on values. Static numbers stay static; a tensor meets its partner by the three
 * broadcast rules of the language: equal shapes, one a suffix of the other, or same rank with a
 * literal 1. Broadcasts become explicit nodes here. */
#include "compiler/sema/elaborate.h"

typedef struct BinaryOp {
    const char *text;
    Op op;
    bool compares, logical;
} BinaryOp;
static const BinaryOp BINARY_OPS[] = {
    {"+", OP_ADD, 0, 0},   {"-", OP_SUB, 0, 0},   {"*", OP_MUL, 0, 0},    {"/", OP_DIV, 0, 0},
    {"%", OP_MOD, 0, 0},   {"^", OP_POW, 0, 0},   {"<", OP_LESS, 1, 0},   {"<=", OP_LESS, 1, 0},
    {">", OP_LESS, 1, 0},  {">=", OP_LESS, 1, 0}, {"==", OP_EQUAL, 1, 0}, {"!=", OP_EQUAL, 1, 0},
    {"and", OP_AND, 0, 1}, {"or", OP_OR, 0, 1}};

static const BinaryOp *binary_op(const char *text) {
    for (size_t i = 0; i < sizeof BINARY_OPS / sizeof *BINARY_OPS; i++)
        if (strcmp(BINARY_OPS[i].text, text) == 0) return &BINARY_OPS[i];
    BUG("unknown operator %s", text);
}

enum { LIST_MAX = 1 << 16 };

static Span span_of(const Node *e) {
    return e ? e->span : (Span){0};
}

/* ------------------------------------------------------------------ to tensors */

static bool fits_integer(DType t, double x, int64_t *out) {
    double lo = dtype_is_signed(t) ? -9.2e18 : 0, hi = 9.2e18;
    uint32_t bits = dtype_bytes(t) * 8;
    if (bits < 64) {
        hi = (double)((int64_t)1 << (dtype_is_signed(t) ? bits - 1 : bits)) - 1;
        if (dtype_is_signed(t)) lo = -hi - 1;
    }
    if (!(x >= lo && x <= hi) || x != (double)(int64_t)x) return false;
    *out = (int64_t)x;
    return true;
}

static Value number_tensor(Sema *s, Value v, DType dtype, Span span) {
    Shape scalar = shape_scalar();
    Graph *g = sema_graph(s);
    int64_t i;
    if (dtype_is_float(dtype))
        return value_tensor(s, g_const(g, dtype, &scalar, value_number(v), span));
    if (dtype != DTYPE_BOOL && value_is_int(v, &i) && fits_integer(dtype, (double)i, &i))
        return value_tensor(s, g_const_int(g, dtype, &scalar, i, span));
    if (dtype != DTYPE_BOOL && fits_integer(dtype, value_number(v), &i))
        return value_tensor(s, g_const_int(g, dtype, &scalar, i, span));
    Diag *d = sema_error(s, E_DTYPE, span, "the number %s does not fit %s", value_string(s, v),
                         dtype_name(dtype));
    diag_help(d, "convert the tensor first: `f32(...)`");
    return POISON;
}

/* A list of numbers is one constant; NONE when it holds something else. */
static Value list_constant(Sema *s, Value v, DType dtype, Span span) {
    uint32_t n = v.as.list.count;
    int64_t *words = ARENA_ARRAY(s->arena, int64_t, n);
    Shape shape = {.rank = 1, .dims = {dim_const(s->program->dims, n)}};
    if (dtype == DTYPE_COUNT) dtype = DTYPE_F32;
    for (uint32_t i = 0; i < n; i++) {
        if (v.as.list.items[i].kind != V_NUM) return NONE;
        Value t = number_tensor(s, v.as.list.items[i], dtype, span);
        if (value_is_poison(t)) return t;
        words[i] = graph_node(sema_graph(s), t.as.tensor.node)->attr[0];
    }
    return value_tensor(s,
                        graph_add(sema_graph(s), OP_CONST, dtype, &shape, NULL, 0, words, n, span));
}

static Value list_tensor(Sema *s, Value v, DType dtype, Span span) {
    uint32_t n = v.as.list.count;
    if (n == 0) {
        sema_error(s, E_KIND, span, "an empty list is no tensor");
        return POISON;
    }
    Value constant = list_constant(s, v, dtype, span);
    if (constant.kind != V_NONE) return constant;
    NodeId *parts = ARENA_ARRAY(s->arena, NodeId, n);
    Shape first = {0};
    for (uint32_t i = 0; i < n; i++) {
        if (v.as.list.items[i].kind == V_TENSOR && dtype == DTYPE_COUNT)
            dtype = tensor_dtype(s, v.as.list.items[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        Value item = to_tensor(s, v.as.list.items[i], dtype, span);
        if (value_is_poison(item)) return POISON;
        Shape shape = tensor_shape(s, item);
        if (i == 0) first = shape;
        if (!shape_same(&first, &shape) || shape.rank + 1 > RANK_MAX ||
            (dtype != DTYPE_COUNT && tensor_dtype(s, item) != dtype)) {
            sema_error(s, E_SHAPE, span, "the elements of a list differ: %s and %s",
                       shape_string(s, &first, NULL), shape_string(s, &shape, NULL));
            return POISON;
        }
        Shape lifted = {.rank = shape.rank + 1};
        lifted.dims[0] = dim_const(s->program->dims, 1);
        for (uint32_t k = 0; k < shape.rank; k++) lifted.dims[k + 1] = shape.dims[k];
        NodeId node = tensor_node(s, item, span);
        if (node_is_none(node)) return POISON;
        parts[i] = g_reshape(sema_graph(s), node, &lifted, span);
    }
    if (n == 1) return value_tensor(s, parts[0]);
    return value_tensor(s, g_concat(sema_graph(s), parts, n, 0, span));
}

Value to_tensor(Sema *s, Value v, DType dtype, Span span) {
    if (value_is_poison(v) || v.kind == V_TENSOR) return v;
    if (!s->build) {
        sema_error(s, E_STATIC, span, "a tensor where only values known at compile time can be");
        return POISON;
    }
    Shape scalar = shape_scalar();
    switch (v.kind) {
    case V_NUM: return number_tensor(s, v, dtype == DTYPE_COUNT ? DTYPE_F32 : dtype, span);
    case V_DIM:
        return value_tensor(s,
                            g_size(sema_graph(s),
                                   dtype == DTYPE_COUNT || dtype == DTYPE_BOOL ? DTYPE_F32 : dtype,
                                   v.as.dim, span));
    case V_BOOL:
        return value_tensor(
            s, g_const_int(sema_graph(s), DTYPE_BOOL, &scalar, v.as.truth ? 1 : 0, span));
    case V_LIST: return list_tensor(s, v, dtype, span);
    default:
        sema_error(s, E_KIND, span, "a tensor or number is needed here, not %s",
                   value_kind_name(v.kind));
        return POISON;
    }
}

/* ------------------------------------------------------------------ broadcasting */

/* Removes the axes of size 1 named by `drop`; looks through the reshape that put them there. */
static NodeId without_ones(Sema *s, NodeId a, const bool *drop, Span span) {
    Graph *g = sema_graph(s);
    Shape shape = graph_shape(g, a), to = {.rank = 0};
    for (uint32_t i = 0; i < shape.rank; i++)
        if (!drop[i]) to.dims[to.rank++] = shape.dims[i];
    const GNode *n = graph_node(g, a);
    if (n->op == OP_RESHAPE) {
        Shape inner = graph_shape(g, n->args[0]);
        if (shape_same(&inner, &to)) return n->args[0];
    }
    return g_reshape(g, a, &to, span);
}

static bool is_one(Sema *s, DimId d) {
    return dim_equals(s->program->dims, d, 1);
}

/* How `from` goes to `to`: false when the language has no rule for it. */
static bool broadcastable(Sema *s, const Shape *from, const Shape *to) {
    if (from->rank > to->rank) return false;
    uint32_t lead = to->rank - from->rank;
    for (uint32_t i = 0; i < from->rank; i++) {
        if (dim_same(from->dims[i], to->dims[lead + i])) continue;
        if (lead || !is_one(s, from->dims[i])) return false;
    }
    return true;
}

Value tensor_broadcast_to(Sema *s, Value v, const Shape *to, Span span) {
    Shape from = tensor_shape(s, v);
    v = tensor_here(s, v, span);
    if (value_is_poison(v)) return v;
    NodeId a = v.as.tensor.node;
    if (shape_same(&from, to)) return v;
    if (!broadcastable(s, &from, to)) {
        sema_error(s, E_BROADCAST, span, "%s does not broadcast to %s",
                   shape_string(s, &from, NULL), shape_string(s, to, NULL));
        return POISON;
    }
    Graph *g = sema_graph(s);
    double constant;
    if (from.rank == 0 && graph_const_value(g, a, &constant)) {
        const GNode *n = graph_node(g, a);
        return value_tensor(s, graph_add(g, OP_CONST, n->dtype, to, NULL, 0, n->attr, 1, span));
    }
    int32_t map[RANK_MAX];
    bool drop[RANK_MAX] = {0};
    uint32_t lead = to->rank - from.rank;
    int32_t next = 0;
    bool any = false;
    for (uint32_t i = 0; i < to->rank; i++) {
        map[i] = -1;
        if (i < lead) continue;
        if (dim_same(from.dims[i - lead], to->dims[i]))
            map[i] = next++;
        else
            drop[i - lead] = any = true;
    }
    if (any) a = without_ones(s, a, drop, span);
    return value_tensor(s, g_broadcast(g, a, to, map, span));
}

/* The common shape of same-rank operands with literal ones, or the larger of suffixes. */
static bool common_shape(Sema *s, const Shape *a, const Shape *b, Shape *out) {
    if (a->rank != b->rank) {
        const Shape *big = a->rank > b->rank ? a : b, *small = a->rank > b->rank ? b : a;
        *out = *big;
        return broadcastable(s, small, big);
    }
    *out = *a;
    for (uint32_t i = 0; i < a->rank; i++) {
        if (dim_same(a->dims[i], b->dims[i])) continue;
        if (is_one(s, a->dims[i]))
            out->dims[i] = b->dims[i];
        else if (!is_one(s, b->dims[i]))
            return false;
    }
    return true;
}

/* An operand of the operator at span becomes `to`. */
static void convert_operand(Sema *s, Diag *d, Span span, uint32_t operand, DType to, DType from) {
    const Node *e = s->operation;
    bool known = e && e->span.file == span.file && e->span.begin == span.begin &&
                 e->span.end == span.end && e->kind == NODE_BINARY;
    diag_note(d, "there is no silent conversion");
    if (known && propose_around(s, d, node_kid(e, operand)->span, dtype_name(to), "convert it"))
        return;
    diag_help(d, "write `%s(...)` around the %s operand", dtype_name(to), dtype_name(from));
}

/* 255.0 is a real number, whatever its value: with integers it is as wrong as a float tensor. */
static bool real_meets_integers(Sema *s, Span span, const char *what, Value number, DType t,
                                bool number_first) {
    if (number.kind != V_NUM || number.as.num.exact || !dtype_is_integer(t)) return false;
    Diag *d = sema_error(s, E_DTYPE, span, "`%s` got %s and the real number %s", what,
                         dtype_name(t), value_string(s, number));
    convert_operand(s, d, span, number_first ? 1 : 0, DTYPE_F32, t);
    return true;
}

bool unify_dtype(Sema *s, Span span, const char *what, Value *a, Value *b) {
    DType ta = a->kind == V_TENSOR ? tensor_dtype(s, *a) : DTYPE_COUNT;
    DType tb = b->kind == V_TENSOR ? tensor_dtype(s, *b) : DTYPE_COUNT;
    if (ta == DTYPE_COUNT && tb == DTYPE_COUNT) {
        if (a->kind == V_BOOL || b->kind == V_BOOL)
            ta = tb = DTYPE_BOOL;
        else
            ta = tb = DTYPE_F32;
    }
    if (real_meets_integers(s, span, what, *a, tb, true) ||
        real_meets_integers(s, span, what, *b, ta, false))
        return false;
    *a = to_tensor(s, *a, tb, span);
    *b = to_tensor(s, *b, ta, span);
    if (value_is_poison(*a) || value_is_poison(*b)) return false;
    ta = tensor_dtype(s, *a);
    tb = tensor_dtype(s, *b);
    if (ta == tb) return true;
    Diag *d =
        sema_error(s, E_DTYPE, span, "`%s` got %s and %s", what, dtype_name(ta), dtype_name(tb));
    DType to = dtype_is_float(ta) == dtype_is_float(tb)
                   ? (dtype_bytes(ta) > dtype_bytes(tb) ? ta : tb)
                   : (dtype_is_float(ta) ? ta : tb);
    convert_operand(s, d, span, to == ta, to, to == ta ? tb : ta);
    return false;
}

static bool is_carry(const Value *v) {
    return v->decl && v->decl->kind == NODE_BIND;
}

/* A carry that does not fit what meets it in the block usually starts with the wrong shape. */
static bool wrong_carry(Sema *s, Span span, const char *what, Value a, Value b) {
    Shape sa = tensor_shape(s, a), sb = tensor_shape(s, b);
    Diag *d = sema_error(s, E_CARRY, span, "`%s` got %s and %s", what, sized_names(s, &sa, true),
                         sized_names(s, &sb, true));
    diag_caret(d, "%s %s %s", sized_names(s, &sa, false), what, sized_names(s, &sb, false));
    sema_decl_label(s, d, a, NULL);
    sema_decl_label(s, d, b, NULL);
    if (is_carry(&a) != is_carry(&b)) {
        const Value *carry = is_carry(&a) ? &a : &b;
        carry_help(s, d, carry->decl, carry == &a ? &sb : &sa);
    }
    return false;
}

/* Axes that may be one size, seen from the right, get the names of a's. */
static bool same_sizes(Sema *s, Span span, const char *what, Value *a, Value *b) {
    Shape sa = tensor_shape(s, *a), sb = tensor_shape(s, *b), to = sb;
    uint32_t shared = sa.rank < sb.rank ? sa.rank : sb.rank;
    for (uint32_t i = 1; i <= shared; i++) {
        DimId x = sa.dims[sa.rank - i], *y = &to.dims[sb.rank - i];
        if (dim_is_const(s->program->dims, x) || dim_is_const(s->program->dims, *y)) continue;
        if (dim_is_const(s->program->dims, dim_sub(s->program->dims, x, *y))) continue;
        if (dims_unify(s, x, *y, span, arena_printf(s->arena, "`%s`", what))) *y = x;
    }
    *b = tensor_as(s, *b, &to, span);
    return !value_is_poison(*b);
}

/* The operand of e that wants to lose a last axis of 1; NULL: none. */
static const Node *column_of(Sema *s, const Node *e, const char *what, Value a, Value b) {
    uint32_t ra = tensor_shape(s, a).rank, rb = tensor_shape(s, b).rank;
    if (!e || e->count != 2) return NULL;
    if (ra == rb + 1 && squeeze_would_fit(s, a, b, e->span, what)) return node_kid(e, 0);
    if (rb == ra + 1 && squeeze_would_fit(s, b, a, e->span, what)) return node_kid(e, 1);
    return NULL;
}

/* e: the expression of the two operands, to propose a change of; or NULL. */
static bool operands_meet(Sema *s, Span span, const char *what, Value *a, Value *b, const Node *e) {
    if (!same_sizes(s, span, what, a, b)) return false;
    Shape sa = tensor_shape(s, *a), sb = tensor_shape(s, *b), to;
    if (!common_shape(s, &sa, &sb, &to)) {
        if (is_carry(a) || is_carry(b)) return wrong_carry(s, span, what, *a, *b);
        const char *ta = shape_string(s, &sa, a->decl), *tb = shape_string(s, &sb, b->decl);
        Diag *d = sema_error(s, E_BROADCAST, span, "`%s` got %s and %s", what, ta, tb);
        diag_caret(d, "%s and %s", ta, tb);
        sema_decl_label(s, d, *a, NULL);
        sema_decl_label(s, d, *b, NULL);
        diag_note(d, "shapes go together when they are equal, one is a suffix of the other, or "
                     "the ranks agree and an axis is literally 1");
        const Node *column = column_of(s, e, what, *a, *b);
        if (column) {
            DiagFix fix = {.span = column->span,
                           .text = arena_printf(s->arena, "(%s)", squeezed_text(s, column))};
            diag_fix(d, fix, "drop the last axis: `%s`", squeezed_text(s, column));
        }
        return false;
    }
    *a = tensor_broadcast_to(s, *a, &to, span);
    *b = tensor_broadcast_to(s, *b, &to, span);
    return !value_is_poison(*a) && !value_is_poison(*b);
}

bool broadcast_pair(Sema *s, Span span, const char *what, Value *a, Value *b) {
    return operands_meet(s, span, what, a, b, NULL);
}

/* ------------------------------------------------------------------ static operands */

static Value static_compare(Sema *s, const Node *e, const char *op, Value a, Value b) {
    if (op[0] == '=' || op[0] == '!') {
        int same = value_same(s, a, b);
        if (same >= 0) return value_bool((same == 1) == (op[0] == '='));
    } else if (a.kind == V_NUM && b.kind == V_NUM) {
        double x = value_number(a), y = value_number(b);
        bool less = op[0] == '<';
        if (op[1] == '=') return value_bool(less ? x <= y : x >= y);
        return value_bool(less ? x < y : x > y);
    } else {
        DimId x, y;
        if (value_as_dim(s, a, &x) && value_as_dim(s, b, &y)) {
            DimId diff = dim_sub(s->program->dims, x, y);
            if (dim_is_const(s->program->dims, diff)) {
                Value zero = value_int(0), v = value_int(dim_value(s->program->dims, diff));
                return static_compare(s, e, op, v, zero);
            }
        } else {
            sema_error(s, E_KIND, e->span, "`%s` cannot compare %s with %s", op,
                       value_kind_name(a.kind), value_kind_name(b.kind));
            return POISON;
        }
    }
    if (s->generic) { /* sizes are made up here: nothing more can be told */
        s->doubt = true;
        return POISON;
    }
    Diag *d = sema_error(s, E_STATIC, e->span, "`%s %s %s` is known at run time only",
                         value_string(s, a), op, value_string(s, b));
    diag_help(d, "fix the size in the declaration, e.g. `x[B, 128]`");
    return POISON;
}

/* Arithmetic with a run-time size; *handled = false when a tensor has to be made of it. */
static Value dim_arithmetic(Sema *s, const Node *e, const char *op, Value a, Value b,
                            bool *handled) {
    DimTable *t = s->program->dims;
    DimId x, y;
    *handled = value_as_dim(s, a, &x) && value_as_dim(s, b, &y);
    if (!*handled) return NONE;
    bool exact = true;
    switch (op[0]) {
    case '+': return value_dim(s, dim_add(t, x, y));
    case '-': return value_dim(s, dim_sub(t, x, y));
    case '*': return value_dim(s, dim_mul(t, x, y));
    case '/':
        if (dim_equals(t, y, 0)) break;
        {
            DimId q = dim_div(t, x, y, &exact);
            if (exact) return value_dim(s, q);
        }
        *handled = false;
        return NONE;
    case '%':
        if (dim_equals(t, y, 0)) break;
        dim_div(t, x, y, &exact);
        if (exact) return value_int(0);
        sema_error(s, E_STATIC, e->span, "`%s %% %s` is known at run time only", value_string(s, a),
                   value_string(s, b));
        return POISON;
    default: *handled = false; return NONE;
    }
    sema_error(s, E_DIVISION, e->span, "division by zero");
    return POISON;
}

static Value static_arithmetic(Sema *s, const Node *e, const char *op, Value a, Value b) {
    Number out;
    if (number_op(s, op, a.as.num, b.as.num, &out)) return (Value){.kind = V_NUM, .as.num = out};
    sema_error(s, E_DIVISION, e->span, "`%s %s %s`: division by zero", value_string(s, a), op,
               value_string(s, b));
    return POISON;
}

static Value static_binary(Sema *s, const Node *e, const BinaryOp *op, Value a, Value b,
                           bool *handled) {
    *handled = true;
    if (op->compares) return static_compare(s, e, op->text, a, b);
    if (op->logical) {
        if (a.kind == V_BOOL && b.kind == V_BOOL)
            return value_bool(op->op == OP_AND ? a.as.truth && b.as.truth
                                               : a.as.truth || b.as.truth);
        sema_error(s, E_KIND, e->span, "`%s` wants two bools, got %s and %s", op->text,
                   value_kind_name(a.kind), value_kind_name(b.kind));
        return POISON;
    }
    if (a.kind == V_NUM && b.kind == V_NUM) return static_arithmetic(s, e, op->text, a, b);
    if (a.kind == V_DIM || b.kind == V_DIM) return dim_arithmetic(s, e, op->text, a, b, handled);
    if (op->op == OP_ADD && a.kind == V_LIST && b.kind == V_LIST && !s->rows) {
        if (a.as.list.count + b.as.list.count > LIST_MAX) {
            sema_error(s, E_LIMIT, e->span, "a list of more than %d elements", LIST_MAX);
            return POISON;
        }
        Value v = value_list(s, NULL, 0);
        v.as.list.count = a.as.list.count + b.as.list.count;
        v.as.list.items = ARENA_ARRAY(s->arena, Value, v.as.list.count);
        memcpy(v.as.list.items, a.as.list.items, a.as.list.count * sizeof(Value));
        for (uint32_t i = 0; i < b.as.list.count; i++)
            v.as.list.items[a.as.list.count + i] = b.as.list.items[i];
        return v;
    }
    *handled = false;
    return NONE;
}

/* ------------------------------------------------------------------ tensors */

/* x^n for a whole n up to 4 multiplies left to right; exact and cheap to differentiate. */
static Value small_power(Sema *s, Value x, int64_t n, Span span) {
    Graph *g = sema_graph(s);
    NodeId a = tensor_node(s, x, span);
    if (node_is_none(a)) return POISON;
    Shape shape = graph_shape(g, a);
    DType t = graph_node(g, a)->dtype;
    if (n == 0) return value_tensor(s, g_const(g, t, &shape, 1, span));
    NodeId r = a;
    for (int64_t i = 1; i < (n < 0 ? -n : n); i++) r = g_binary(g, OP_MUL, r, a, span);
    if (n < 0) r = g_binary(g, OP_DIV, g_const(g, t, &shape, 1, span), r, span);
    return value_tensor(s, r);
}

static Value compare_nodes(Sema *s, const char *op, NodeId a, NodeId b, Span span) {
    Graph *g = sema_graph(s);
    if (op[0] == '=') return value_tensor(s, g_binary(g, OP_EQUAL, a, b, span));
    if (op[0] == '!')
        return value_tensor(s, g_unary(g, OP_NOT, g_binary(g, OP_EQUAL, a, b, span), span));
    NodeId less =
        op[0] == '<' ? g_binary(g, OP_LESS, a, b, span) : g_binary(g, OP_LESS, b, a, span);
    if (op[1] != '=') return value_tensor(s, less);
    /* not "not greater": a comparison with NaN is false */
    return value_tensor(s, g_binary(g, OP_OR, less, g_binary(g, OP_EQUAL, a, b, span), span));
}

/* `bools`: only what a bool operand may do; a number beside it has not got its dtype yet. */
static bool check_operand_dtype(Sema *s, const Node *e, const BinaryOp *op, DType t, bool bools,
                                uint32_t operand) {
    if (op->logical && t != DTYPE_BOOL) {
        sema_error(s, E_DTYPE, e->span, "`%s` wants bools, got %s", op->text, dtype_name(t));
        return false;
    }
    if (!op->logical && t == DTYPE_BOOL && op->op != OP_EQUAL) {
        Diag *d = sema_error(s, E_DTYPE, e->span, "`%s` on bools", op->text);
        if (!e || e->kind != NODE_BINARY ||
            !propose_around(s, d, node_kid(e, operand)->span, "f32", "convert the bool"))
            diag_help(d, "write `f32(...)` or `i32(...)` around the bool");
        return false;
    }
    if (!bools && op->op == OP_POW && !dtype_is_float(t)) {
        sema_error(s, E_DTYPE, e->span, "`^` with this exponent wants floats, got %s",
                   dtype_name(t));
        return false;
    }
    return true;
}

static Value tensor_binary(Sema *s, const Node *e, const BinaryOp *op, Value a, Value b) {
    int64_t n;
    if (op->op == OP_POW && a.kind == V_TENSOR && value_is_int(b, &n) && n >= -4 && n <= 4 &&
        tensor_dtype(s, a) != DTYPE_BOOL && (n >= 0 || dtype_is_float(tensor_dtype(s, a))))
        return small_power(s, a, n, e->span);
    if (a.kind == V_TENSOR && !check_operand_dtype(s, e, op, tensor_dtype(s, a), true, 0))
        return POISON;
    if (b.kind == V_TENSOR && !check_operand_dtype(s, e, op, tensor_dtype(s, b), true, 1))
        return POISON;
    if (!unify_dtype(s, e->span, op->text, &a, &b)) return POISON;
    if (!check_operand_dtype(s, e, op, tensor_dtype(s, a), false, 0)) return POISON;
    if (!operands_meet(s, e->span, op->text, &a, &b, e)) return POISON;
    NodeId x = tensor_node(s, a, e->span), y = tensor_node(s, b, e->span);
    if (node_is_none(x) || node_is_none(y)) return POISON;
    if (op->compares) return compare_nodes(s, op->text, x, y, e->span);
    return value_tensor(s, g_binary(sema_graph(s), op->op, x, y, e->span));
}

Value op_binary(Sema *s, const Node *e, const char *text, Value a, Value b) {
    if (value_is_poison(a) || value_is_poison(b)) return POISON;
    s->operation = e;
    if (text[0] == '@') return matmul(s, e, a, b);
    const BinaryOp *op = binary_op(text);
    if (a.kind != V_TENSOR && b.kind != V_TENSOR) {
        bool handled;
        Value v = static_binary(s, e, op, a, b, &handled);
        if (handled) return v;
    }
    a.dim_name = b.dim_name = NULL;
    return tensor_binary(s, e, op, a, b);
}

Value op_unary(Sema *s, const Node *e, const char *text, Value a) {
    if (value_is_poison(a)) return POISON;
    bool negate = text[0] == '-';
    if (!negate && a.kind == V_BOOL) return value_bool(!a.as.truth);
    if (negate && a.kind == V_NUM) return op_binary(s, e, "-", value_int(0), a);
    if (negate && a.kind == V_DIM)
        return value_dim(s, dim_sub(s->program->dims, dim_const(s->program->dims, 0), a.as.dim));
    a = to_tensor(s, a, DTYPE_COUNT, span_of(e));
    if (value_is_poison(a)) return POISON;
    DType t = tensor_dtype(s, a);
    if ((t == DTYPE_BOOL) == negate) {
        sema_error(s, E_DTYPE, e->span, "`%s` of a %s tensor", text, dtype_name(t));
        return POISON;
    }
    NodeId x = tensor_node(s, a, e->span);
    if (node_is_none(x)) return POISON;
    return value_tensor(s, g_unary(sema_graph(s), negate ? OP_NEG : OP_NOT, x, e->span));
}
