/* Static values: numbers that stay exact, lists, and how values look in messages. */
#include "compiler/graph/mathfn.h"
#include "compiler/sema/bundles.h"
#include "compiler/sema/elaborate.h"

const Value POISON = {.kind = V_POISON};
const Value NONE = {.kind = V_NONE};

const char *value_kind_name(ValueKind kind) {
    static const char *const names[V_KIND_COUNT] = {[V_POISON] = "a faulty value",
                                                    [V_NONE] = "no value",
                                                    [V_NUM] = "a number",
                                                    [V_BOOL] = "a bool",
                                                    [V_STR] = "a string",
                                                    [V_DIM] = "a run-time size",
                                                    [V_ALL] = "`all`",
                                                    [V_DTYPE] = "a dtype",
                                                    [V_LIST] = "a list",
                                                    [V_TUPLE] = "a tuple",
                                                    [V_FN] = "a function",
                                                    [V_BUILTIN] = "a function",
                                                    [V_LAYER] = "a layer",
                                                    [V_OPTIMIZER] = "an optimizer",
                                                    [V_INSTANCE] = "an instance",
                                                    [V_BUNDLE] = "a bundle of parameters",
                                                    [V_TENSOR] = "a tensor",
                                                    [V_SLOT] = "a parameter",
                                                    [V_DATA] = "a data block",
                                                    [V_RECORD] = "a record of columns",
                                                    [V_COLUMN] = "a column of a data block",
                                                    [V_NAMES] = "the names of a category",
                                                    [V_STRINGS] = "a tensor of strings"};
    return names[kind];
}

Number number_int(int64_t i) {
    return (Number){.exact = true, .n = i, .d = 1, .real = (double)i};
}
Number number_real(double x) {
    return (Number){.exact = false, .real = x};
}
double number_value(Number n) {
    return n.exact ? (n.d == 1 ? (double)n.n : (double)n.n / (double)n.d) : n.real;
}
Value value_int(int64_t i) {
    return (Value){.kind = V_NUM, .as.num = number_int(i)};
}
Value value_real(double x) {
    return (Value){.kind = V_NUM, .as.num = number_real(x)};
}
Value value_bool(bool b) {
    return (Value){.kind = V_BOOL, .as.truth = b};
}
Value value_str(const char *text) {
    return (Value){.kind = V_STR, .as.str = text};
}
Value value_dim(Sema *s, DimId d) {
    if (dim_is_const(s->program->dims, d)) return value_int(dim_value(s->program->dims, d));
    return (Value){.kind = V_DIM, .as.dim = d};
}
Value value_list(Sema *s, const Value *items, uint32_t count) {
    Value v = {.kind = V_LIST, .as.list = {.count = count}};
    v.as.list.items = ARENA_ARRAY(s->arena, Value, count);
    if (count) memcpy(v.as.list.items, items, count * sizeof *items);
    return v;
}
Value value_tensor(Sema *s, NodeId node) {
    return (Value){.kind = V_TENSOR,
                   .as.tensor = {.node = node, .graph = sema_graph(s), .slot = -1}};
}
bool value_is_poison(Value v) {
    return v.kind == V_POISON;
}
bool value_is_int(Value v, int64_t *out) {
    if (v.kind != V_NUM || !v.as.num.exact || v.as.num.d != 1) return false;
    *out = v.as.num.n;
    return true;
}
double value_number(Value v) {
    return number_value(v.as.num);
}
bool value_as_dim(Sema *s, Value v, DimId *out) {
    int64_t i;
    if (v.kind == V_DIM) {
        *out = v.as.dim;
        return true;
    }
    if (!value_is_int(v, &i) || i < 0) return false;
    *out = dim_const(s->program->dims, i);
    return true;
}
bool value_is_static(Value v) {
    if (v.kind == V_LIST || v.kind == V_TUPLE || v.kind == V_RECORD) {
        for (uint32_t i = 0; i < v.as.list.count; i++)
            if (!value_is_static(v.as.list.items[i])) return false;
        return true;
    }
    return v.kind != V_TENSOR && v.kind != V_SLOT && v.kind != V_BUNDLE;
}

int value_same(Sema *s, Value a, Value b) {
    DimId x, y;
    if (a.kind == V_NUM && b.kind == V_NUM) {
        if (a.as.num.exact && b.as.num.exact)
            return a.as.num.n == b.as.num.n && a.as.num.d == b.as.num.d;
        return value_number(a) == value_number(b);
    }
    if ((a.kind == V_DIM || b.kind == V_DIM) && value_as_dim(s, a, &x) && value_as_dim(s, b, &y)) {
        if (dim_same(x, y)) return 1;
        return dim_is_const(s->program->dims, dim_sub(s->program->dims, x, y)) ? 0 : -1;
    }
    if (a.kind != b.kind) return 0;
    switch (a.kind) {
    case V_BOOL: return a.as.truth == b.as.truth;
    case V_STR: return strcmp(a.as.str, b.as.str) == 0;
    case V_DTYPE: return a.as.dtype == b.as.dtype;
    case V_ALL:
    case V_NONE: return 1;
    case V_TENSOR:
        return a.as.tensor.graph == b.as.tensor.graph &&
               node_same(a.as.tensor.node, b.as.tensor.node);
    case V_INSTANCE: return a.as.instance == b.as.instance;
    case V_FN: return a.as.fn == b.as.fn;
    case V_BUNDLE: return bundle_same(a.as.bundle, b.as.bundle);
    case V_BUILTIN: return a.as.builtin == b.as.builtin;
    case V_LIST:
    case V_TUPLE:
        if (a.as.list.count != b.as.list.count) return 0;
        for (uint32_t i = 0; i < a.as.list.count; i++) {
            int same = value_same(s, a.as.list.items[i], b.as.list.items[i]);
            if (same != 1) return same;
        }
        return 1;
    default: return 0;
    }
}

static int64_t gcd(int64_t a, int64_t b) {
    if (a < 0) a = -a;
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a ? a : 1;
}
/* n / d in lowest terms, or the double when that leaves 64 bits. */
static Number ratio(int64_t n, int64_t d) {
    if (n == INT64_MIN || d == INT64_MIN) return number_real((double)n / (double)d);
    int64_t g = gcd(n, d < 0 ? -d : d);
    if (d < 0) g = -g;
    return (Number){.exact = true, .n = n / g, .d = d / g, .real = (double)n / (double)d};
}

static bool exact_add(Number a, Number b, int sign, Number *out) {
    int64_t x, y, n, d;
    if (__builtin_mul_overflow(a.n, b.d, &x) || __builtin_mul_overflow(b.n, a.d, &y) ||
        __builtin_mul_overflow(a.d, b.d, &d))
        return false;
    if (sign > 0 ? __builtin_add_overflow(x, y, &n) : __builtin_sub_overflow(x, y, &n))
        return false;
    *out = ratio(n, d);
    return true;
}
static bool exact_mul(Number a, int64_t n2, int64_t d2, Number *out) {
    int64_t n, d;
    if (__builtin_mul_overflow(a.n, n2, &n) || __builtin_mul_overflow(a.d, d2, &d)) return false;
    *out = ratio(n, d);
    return true;
}
static bool exact_power(Number a, int64_t e, Number *out) {
    Number r = number_int(1);
    if (e < 0 && a.n == 0) return false;
    for (int64_t i = 0; i < (e < 0 ? -e : e); i++) {
        if (i > 64 && a.n != 0 && a.n != 1 && a.n != -1) return false;
        if (i > 4096 || !exact_mul(r, a.n, a.d, &r)) return false;
    }
    *out = e < 0 ? ratio(r.d, r.n) : r;
    return true;
}

static double static_pow(Sema *s, double a, double b) {
    const MathProgram *p = math_program(s->arena, OP_POW, DTYPE_F64);
    return math_run_f64(p, a, b);
}

bool number_op(Sema *s, const char *op, Number a, Number b, Number *out) {
    bool both = a.exact && b.exact;
    double x = number_value(a), y = number_value(b);
    switch (op[0]) {
    case '+':
        if (!both || !exact_add(a, b, 1, out)) *out = number_real(x + y);
        return true;
    case '-':
        if (!both || !exact_add(a, b, -1, out)) *out = number_real(x - y);
        return true;
    case '*':
        if (!both || !exact_mul(a, b.n, b.d, out)) *out = number_real(x * y);
        return true;
    case '/':
        if (y == 0 && b.exact) return false;
        if (!both || !exact_mul(a, b.d, b.n, out)) *out = number_real(x / y);
        return true;
    case '%': {
        if (y == 0) return false;
        if (both && a.d == 1 && b.d == 1) {
            int64_t m = b.n == -1 ? 0 : a.n % b.n;
            if (m != 0 && (m < 0) != (b.n < 0)) m += b.n;
            *out = number_int(m);
            return true;
        }
        double q = x / y;
        q = q < 9e15 && q > -9e15 ? (double)(int64_t)q - (q < (double)(int64_t)q) : q;
        *out = number_real(x - q * y);
        return true;
    }
    default:
        if (both && b.d == 1 && exact_power(a, b.n, out)) return true;
        *out = number_real(static_pow(s, x, y));
        return true;
    }
}

/* ------------------------------------------------------------------ text */

static void list_text(Sema *s, Text *out, Value v) {
    text_char(out, v.kind == V_LIST ? '[' : '(');
    for (uint32_t i = 0; i < v.as.list.count; i++) {
        if (i) text_add(out, ", ");
        value_text(s, out, v.as.list.items[i]);
    }
    text_char(out, v.kind == V_LIST ? ']' : ')');
}

void value_text(Sema *s, Text *out, Value v) {
    switch (v.kind) {
    case V_NUM:
        if (v.as.num.exact && v.as.num.d != 1)
            text_printf(out, "%lld/%lld", (long long)v.as.num.n, (long long)v.as.num.d);
        else
            text_number(out, value_number(v));
        break;
    case V_BOOL: text_add(out, v.as.truth ? "true" : "false"); break;
    case V_STR: text_printf(out, "\"%s\"", v.as.str); break;
    case V_DIM: dim_print(out, s->program->dims, v.as.dim); break;
    case V_ALL: text_add(out, "all"); break;
    case V_DTYPE: text_add(out, dtype_name(v.as.dtype)); break;
    case V_LIST:
    case V_TUPLE: list_text(s, out, v); break;
    case V_FN: text_add(out, v.as.fn->def->name ? v.as.fn->def->name->text : "a function"); break;
    case V_BUILTIN: text_add(out, v.as.builtin->name); break;
    case V_LAYER:
    case V_OPTIMIZER: text_add(out, v.as.fn->def->name->text); break;
    case V_INSTANCE: text_add(out, v.as.instance->path); break;
    case V_DATA: text_add(out, v.as.data.block->node->name->text); break;
    case V_TENSOR: text_add(out, value_shape_string(s, v)); break;
    default: text_add(out, value_kind_name(v.kind)); break;
    }
}

const char *value_string(Sema *s, Value v) {
    Text t = {.arena = s->arena};
    value_text(s, &t, v);
    return text_str(&t);
}

/* ------------------------------------------------------------------ shapes */

Shape shape_scalar(void) {
    return (Shape){.rank = 0};
}
bool shape_same(const Shape *a, const Shape *b) {
    if (a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (!dim_same(a->dims[i], b->dims[i])) return false;
    return true;
}
Shape tensor_shape(Sema *s, Value v) {
    (void)s;
    return graph_shape(v.as.tensor.graph, v.as.tensor.node);
}
DType tensor_dtype(Sema *s, Value v) {
    (void)s;
    return graph_node(v.as.tensor.graph, v.as.tensor.node)->dtype;
}
Value bundle_tensor(const Bundle *b, uint32_t i) {
    return (Value){.kind = V_TENSOR,
                   .as.tensor = {.node = b->items[i].node, .graph = b->graph, .slot = -1}};
}
NodeId tensor_node(Sema *s, Value v, Span span) {
    if (v.as.tensor.graph == sema_graph(s)) return v.as.tensor.node;
    NodeId node = NODE_NONE;
    if (s->build) node = loop_bring(s, s->build, v.as.tensor.graph, v.as.tensor.node, span);
    if (!node_is_none(node)) return node;
    if (s->fit && !s->fit->row) {
        Diag *d = sema_error(s, E_LEAK, span, "`fit` cannot read a value of this call");
        diag_note(d, "it is computed when weights are saved, from the columns of a split");
        diag_help(d,
                  "name the rows: `fit(mean(d.train.x))`, of a data block `d` with a column `x`");
        return NODE_NONE;
    }
    sema_error(s, E_STATIC, span, "this value belongs to another part of the program");
    return NODE_NONE;
}

Value tensor_here(Sema *s, Value v, Span span) {
    v.as.tensor.node = tensor_node(s, v, span);
    v.as.tensor.graph = sema_graph(s);
    return node_is_none(v.as.tensor.node) ? POISON : v;
}

/* The dims written in a declaration, when they stand one to one for the axes of `rank`. */
static const Node *decl_dims(const Node *decl, uint32_t rank) {
    if (!decl || decl->kind != NODE_PAR) return NULL;
    const Node *dims = node_kid(decl, 0);
    if (!dims || dims->count != rank) return NULL;
    for (uint32_t i = 0; i < dims->count; i++)
        if (dims->kids[i]->kind == NODE_ELLIPSIS) return NULL;
    return dims;
}

void shape_text(Sema *s, Text *out, const Shape *shape, const Node *decl) {
    const Node *dims = decl_dims(decl, shape->rank);
    text_char(out, '[');
    for (uint32_t i = 0; i < shape->rank; i++) {
        if (i) text_add(out, ", ");
        if (dims && dims->kids[i]->kind == NODE_NAME &&
            dim_is_const(s->program->dims, shape->dims[i]))
            text_printf(out, "%s=", dims->kids[i]->name->text);
        dim_print(out, s->program->dims, shape->dims[i]);
    }
    text_char(out, ']');
}
const char *shape_string(Sema *s, const Shape *shape, const Node *decl) {
    Text t = {.arena = s->arena};
    shape_text(s, &t, shape, decl);
    return text_str(&t);
}
const char *value_shape_string(Sema *s, Value v) {
    if (v.kind == V_TENSOR) {
        Shape shape = tensor_shape(s, v);
        return shape_string(s, &shape, v.decl);
    }
    if (v.kind == V_NUM || v.kind == V_LIST) return value_string(s, v);
    return value_kind_name(v.kind);
}
