/* Builtins about lists and bundles, and those that belong to a step: gradients, random numbers and
 * the clock. */
#include "compiler/graph/scan.h"
#include "compiler/sema/bundles.h"

static Value map_list(Sema *s, const BuiltinCall *c, Value list) {
    Value out = value_list(s, NULL, 0);
    out.as.list.items = ARENA_ARRAY(s->arena, Value, list.as.list.count);
    out.as.list.count = list.as.list.count;
    for (uint32_t i = 0; i < list.as.list.count; i++) {
        out.as.list.items[i] = call_one(s, c->args[1], list.as.list.items[i], c->node, c->span);
        if (value_is_poison(out.as.list.items[i])) return POISON;
    }
    return out;
}

/* map(p, f), or map(p, q, f) over two bundles that fit. */
static Value map(Sema *s, const BuiltinCall *c) {
    Value v = c->args[0];
    bool two = c->args[2].kind != V_NONE;
    Value f = c->args[two ? 2 : 1];
    if ((v.kind == V_LIST || v.kind == V_TUPLE) && !two) return map_list(s, c, v);
    Bundle *in, *other = NULL, *out = ARENA_NEW(s->arena, Bundle);
    out->graph = sema_graph(s);
    if (!value_as_bundle(s, v, &in, c->spans[0])) return POISON;
    if (two && (!value_as_bundle(s, c->args[1], &other, c->spans[1]) ||
                !bundles_fit(s, in, other, NULL, c->spans[1])))
        return POISON;
    out->items = ARENA_ARRAY(s->arena, BundleItem, in->count);
    for (uint32_t i = 0; i < in->count; i++) {
        Value values[2] = {bundle_tensor(in, i)};
        const Node *nodes[2] = {NULL, NULL};
        Sym names[2] = {NULL, NULL};
        if (two)
            values[1] = bundle_tensor(
                other, (uint32_t)(bundle_find(other, in->items[i].path, i) - other->items));
        Args args = {.values = values, .nodes = nodes, .names = names, .count = two ? 2 : 1};
        Value t = two ? call_value(s, f, &args, c->node, c->span)
                      : call_one(s, f, values[0], c->node, c->span);
        t = to_tensor(s, t, DTYPE_COUNT, c->span);
        if (value_is_poison(t)) return POISON;
        NodeId node = tensor_node(s, t, c->span);
        if (node_is_none(node)) return POISON;
        out->items[out->count++] =
            (BundleItem){.path = in->items[i].path, .slot = -1, .node = node};
    }
    return (Value){.kind = V_BUNDLE, .as.bundle = out};
}

/* Sum of f over all tensors of a bundle, in the order of their paths in the program. */
static Value total(Sema *s, const BuiltinCall *c) {
    Bundle *in;
    if (!value_as_bundle(s, c->args[0], &in, c->spans[0])) return POISON;
    Value sum = value_int(0);
    for (uint32_t i = 0; i < in->count; i++) {
        Value t = bundle_tensor(in, i);
        t = call_one(s, c->args[1], t, c->node, c->span);
        if (value_is_poison(t)) return POISON;
        sum = i == 0 ? t : op_binary(s, c->node, "+", sum, t);
    }
    return sum;
}

static Value grad(Sema *s, const BuiltinCall *c) {
    if (!s->build) return sema_unsupported(s, c->span, "`grad` outside a graph");
    return gradient(s, c->args[0], c->args[1], c->node, c->span);
}

static Value random_draw(Sema *s, const BuiltinCall *c) {
    Shape shape;
    if (!value_to_shape(s, c->args[0], &shape, c->spans[0])) return POISON;
    if (!s->build || !s->frame) return sema_unsupported(s, c->span, "`random` outside a graph");
    NodeId at = loop_iteration(s);
    uint64_t key = site_key(s, c->node);
    if (!node_is_none(at))
        return value_tensor(s, g_random_at(sema_graph(s), &shape, key, 0, at, c->span));
    return value_tensor(s, g_random(sema_graph(s), &shape, key, 0, c->span));
}

static const Node *train_block(const Sema *s) {
    for (const Frame *f = s->frame; f; f = f->up)
        if (f->def && f->def->kind == NODE_TRAIN) return f->def;
    return NULL;
}

static Value clock_value(Sema *s, const BuiltinCall *c) {
    if (!s->build) {
        Diag *d = sema_error(s, E_STATIC, c->span, "`%s()` is known only in a training step",
                             c->builtin->name);
        diag_help(d, "use it in the settings of the optimizer, not in a `let`");
        return POISON;
    }
    for (const Frame *f = s->frame; f && c->builtin->op == 0; f = f->up) {
        if (!f->def || f->def->kind != NODE_TRAIN || !block_setting(f->def, "data")) continue;
        if (block_setting(f->def, "epochs") || block_setting(f->def, "steps")) continue;
        Diag *d = sema_error(s, E_BLOCK, c->span, "`progress()` of a training without an end");
        diag_help(d, "give the train block `epochs:` or `steps:`");
        return POISON;
    }
    const Node *block = c->builtin->op == 0 ? train_block(s) : NULL;
    if (block && !block_setting(block, "epochs") && !block_setting(block, "steps")) {
        Diag *d =
            sema_error(s, E_BLOCK, c->span, "`progress()` needs to know how long training is");
        diag_help(d, "`epochs: 10` or `steps: 1000` in the train block");
        return POISON;
    }
    Shape scalar = shape_scalar();
    int64_t which = c->builtin->op;
    Graph *root = build_root(s->build)->g;
    NodeId clock = graph_add(root, OP_CLOCK, DTYPE_F32, &scalar, NULL, 0, &which, 1, c->span);
    return (Value){.kind = V_TENSOR, .as.tensor = {.node = clock, .graph = root, .slot = -1}};
}

const Builtin BUILTINS_STATIC[] = {
    {"map", "xs, f, g?", map, 0}, {"total", "xs, f", total, 0}, {NULL, NULL, NULL, 0}};

const Builtin BUILTINS_STEP[] = {
    {"grad", "y, x", grad, 0},         {"random", "shape", random_draw, 0},
    {"progress", "", clock_value, 0},  {"epoch", "", clock_value, 1},
    {"iteration", "", clock_value, 2}, {NULL, NULL, NULL, 0}};
