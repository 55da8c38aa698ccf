/* Gradients and updates: `grad(y, x)` over values and bundles, optimizer rules applied over
 * bundles, and `minimize ... over ... with ...`. */
#include "compiler/sema/blocks.h"
#include "compiler/sema/bundles.h"

/* ------------------------------------------------------------------ gradients */

/* What `from` depends on; `stop` and writes cut. */
static bool *reachable(Sema *s, NodeId from) {
    const Graph *g = s->build->g;
    bool *mark = ARENA_ARRAY(s->arena, bool, graph_size(g));
    mark[from.id] = true;
    for (uint32_t i = from.id + 1; i-- > 0;) {
        if (!mark[i]) continue;
        const GNode *n = graph_node(g, (NodeId){i});
        if (n->op == OP_STOP) continue;
        for (uint32_t k = 0; k < n->nargs; k++) mark[n->args[k].id] = true;
    }
    return mark;
}

/* The version of a parameter that the loss read. */
static bool version_read(Sema *s, uint32_t slot, const bool *mark, uint32_t size, NodeId *out,
                         Span span) {
    uint32_t found = 0;
    for (int32_t i = s->build->latest.data[slot]; i >= 0; i = s->build->history.data[i].before) {
        SlotVersion v = s->build->history.data[i];
        if (v.node.id >= size || !mark[v.node.id]) continue;
        if (found && node_same(*out, v.node)) continue;
        *out = v.node;
        found++;
    }
    const char *path = s->program->slots.data[slot].path->text;
    if (found == 1) return true;
    if (found == 0) {
        Diag *d = sema_error(s, E_NOGRAD, span, "the loss does not depend on `%s`", path);
        Span declared = s->program->slots.data[slot].span;
        if (!span_in_prelude(s, declared)) diag_label(d, declared, "`%s` is declared here", path);
        diag_help(d, "minimize over the part of the model that the loss uses");
        return false;
    }
    sema_error(s, E_NOGRAD, span, "the loss reads two versions of `%s`: before and after a write",
               path);
    return false;
}

static bool item_frozen(Sema *s, const BundleItem *item) {
    return item->slot >= 0 && is_frozen(s, s->program->slots.data[item->slot].path->text);
}

static Value bundle_gradient(Sema *s, NodeId y, Value x, Span span) {
    Bundle *of, *out = ARENA_NEW(s->arena, Bundle);
    out->graph = sema_graph(s);
    if (!value_as_bundle(s, x, &of, span)) return POISON;
    if (of->count == 0) {
        Diag *d = sema_error(s, E_NOGRAD, span, "`%s` has no parameters here",
                             x.kind == V_INSTANCE ? x.as.instance->path : "this");
        diag_help(d, "compute the loss from the model first");
        return POISON;
    }
    uint32_t size = graph_size(s->build->g);
    bool *mark = reachable(s, y);
    out->items = ARENA_ARRAY(s->arena, BundleItem, of->count);
    for (uint32_t i = 0; i < of->count; i++) {
        if (item_frozen(s, &of->items[i])) continue;
        NodeId at = tensor_node(s, bundle_tensor(of, i), span);
        if (of->items[i].slot >= 0) {
            if (!version_read(s, (uint32_t)of->items[i].slot, mark, size, &at, span)) return POISON;
        } else if (at.id >= size || !mark[at.id]) {
            sema_error(s, E_NOGRAD, span, "the loss does not depend on `%s`", of->items[i].path);
            return POISON;
        }
        out->items[out->count++] = (BundleItem){
            .path = of->items[i].path, .slot = -1, .node = g_grad(s->build->g, y, at, span)};
    }
    if (out->count == 0) {
        sema_error(s, E_NOGRAD, span, "all parameters of `%s` are frozen",
                   x.kind == V_INSTANCE ? x.as.instance->path : "this");
        return POISON;
    }
    vec_push(s->arena, &s->build->objectives, y);
    return (Value){.kind = V_BUNDLE, .as.bundle = out};
}

static const char *argument_text(Sema *s, const Node *call, uint32_t i, const char *otherwise) {
    if (call && call->kind == NODE_MINIMIZE)
        return node_text(s, i == 0 ? node_kid(call, 0) : node_kid(node_kid(call, 1), 0));
    if (!call || call->kind != NODE_CALL || call->count < i + 2) return otherwise;
    return node_text(s, node_kid(call->kids[i + 1], 0));
}

Value gradient(Sema *s, Value y, Value x, const Node *call, Span span) {
    y = to_tensor(s, y, DTYPE_COUNT, span);
    if (value_is_poison(y) || value_is_poison(x)) return POISON;
    Shape shape = tensor_shape(s, y);
    const char *name = argument_text(s, call, 0, "the value");
    if (shape.rank != 0 || !dtype_is_float(tensor_dtype(s, y))) {
        bool minimize = call && call->kind == NODE_MINIMIZE;
        const char *who = !minimize                          ? "grad"
                          : call->flags & NODE_FLAG_MAXIMIZE ? "maximize"
                                                             : "minimize";
        Span at = minimize ? node_kid(call, 0)->span : span;
        Diag *d = sema_error(s, E_NOGRAD, at, "`%s` wants one number, but `%s` is %s %s", who, name,
                             dtype_name(tensor_dtype(s, y)), shape_string(s, &shape, y.decl));
        diag_help(d,
                  minimize ? "`mean(%s)` or `sum(%s)` is one number"
                           : "take the gradient of `sum(%s)` or `mean(%s)`",
                  name, name);
        return POISON;
    }
    NodeId loss = tensor_node(s, y, span);
    if (node_is_none(loss)) return POISON;
    if (x.kind != V_TENSOR) return bundle_gradient(s, loss, x, span);
    NodeId at = tensor_node(s, x, span);
    if (node_is_none(at)) return POISON;
    if (!dtype_is_float(tensor_dtype(s, x))) {
        sema_error(s, E_NOGRAD, span, "no gradient with respect to %s values",
                   dtype_name(tensor_dtype(s, x)));
        return POISON;
    }
    if (at.id > loss.id || !reachable(s, loss)[at.id]) {
        sema_error(s, E_NOGRAD, span, "`%s` does not depend on `%s`", name,
                   argument_text(s, call, 1, "it"));
        return POISON;
    }
    return value_tensor(s, g_grad(s->build->g, loss, at, span));
}

/* ------------------------------------------------------------------ rules */

/* One rule on one tensor. `path`: root of its states. */
static bool rule_one(Sema *s, Instance *rule, const Args *args, const char *path, const Node *call,
                     Span span) {
    const Node *def = rule->def, *list = node_kid(def, 1);
    Scope *scope = scope_new(s, rule->env, true), *saved = s->scope;
    for (uint32_t i = 0; i < rule->settings->names.len; i++)
        vec_push(s->arena, &scope->names, rule->settings->names.data[i]);
    if (!bind_list(s, list, args, scope, def, call, span)) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        Binding *b = scope_find_here(scope, list->kids[i]->name);
        if (b->value.kind == V_TENSOR && b->value.as.tensor.slot >= 0)
            b->value = (Value){.kind = V_SLOT, .as.slot = b->value.as.tensor.slot};
    }
    Instance *own = ARENA_NEW(s->arena, Instance);
    *own = *rule;
    own->path = path;
    own->rooted = rule->rooted;
    Frame f;
    frame_push(s, &f, def, call, span);
    f.owner = own;
    f.base = true;
    f.evaluation = 0;
    f.settings = rule->settings;
    s->scope = scope;
    ptrmap_put(s, &s->reached, def, 1);
    bool no_value;
    run_body(s, node_kid(def, 3), &no_value);
    s->scope = saved;
    frame_pop(s, &f);
    return true;
}

/* The parameters that a rule may change: those that are not frozen. */
static Bundle *unfrozen(Sema *s, const Bundle *all) {
    Bundle *b = ARENA_NEW(s->arena, Bundle);
    b->graph = all->graph;
    b->items = ARENA_ARRAY(s->arena, BundleItem, all->count);
    for (uint32_t i = 0; i < all->count; i++)
        if (!item_frozen(s, &all->items[i])) b->items[b->count++] = all->items[i];
    return b;
}

static Value rule_over(Sema *s, Instance *rule, const Args *args, const Node *call, Span span) {
    Bundle *all, **bundles = ARENA_ARRAY(s->arena, Bundle *, args->count);
    if (!value_as_bundle(s, args->values[0], &all, span)) return POISON;
    Bundle *target = bundles[0] = unfrozen(s, all);
    const char *whose =
        args->values[0].kind == V_INSTANCE ? args->values[0].as.instance->path : NULL;
    for (uint32_t a = 1; a < args->count; a++) {
        Value v = args->values[a];
        if (v.kind != V_BUNDLE && v.kind != V_INSTANCE) continue;
        if (!value_as_bundle(s, v, &bundles[a], span)) return POISON;
        bool whole = bundles[a]->count == all->count; /* only a gradient leaves out the frozen */
        if (!bundles_fit(s, whole ? all : target, bundles[a], whose,
                         args->nodes[a] ? args->nodes[a]->span : span))
            return POISON;
    }
    Args one = {.values = ARENA_ARRAY(s->arena, Value, args->count),
                .nodes = args->nodes,
                .names = args->names,
                .count = args->count};
    for (uint32_t i = 0; i < target->count; i++) {
        const BundleItem *item = &target->items[i];
        const char *path = item->path;
        for (uint32_t a = 0; a < args->count; a++) {
            one.values[a] = args->values[a];
            if (!bundles[a]) continue;
            const BundleItem *part = bundle_find(bundles[a], item->path, i);
            one.values[a] = bundle_tensor(bundles[a], (uint32_t)(part - bundles[a]->items));
            one.values[a].as.tensor.slot = part->slot;
        }
        if (item->slot >= 0) path = s->program->slots.data[item->slot].path->text;
        if (!rule_one(s, rule, &one, arena_printf(s->arena, "%s.%s", rule->path, path), call, span))
            return POISON;
    }
    return NONE;
}

Value rule_apply(Sema *s, Instance *rule, const Args *args, const Node *call, Span span) {
    if (s->no_updates) return NONE;
    rule->named = true;
    if (!node_kid(rule->def, 1)) return POISON; /* the resolver said so */
    if (!s->build || args->count == 0) {
        sema_error(s, E_ARGUMENT, span, "`%s` wants a model and its gradient",
                   rule->def->name->text);
        return POISON;
    }
    if (!rule->rooted) {
        Diag *d =
            sema_error(s, E_INSTANCE, span, "`%s` cannot be applied here", rule->def->name->text);
        diag_help(d, "optimizers run in the `step` of a `train` block");
        return POISON;
    }
    ValueKind kind = args->values[0].kind;
    if (kind == V_BUNDLE || kind == V_INSTANCE) return rule_over(s, rule, args, call, span);
    if (kind == V_TENSOR && args->values[0].as.tensor.slot >= 0) {
        const char *path = rule->path;
        if (is_frozen(s, s->program->slots.data[args->values[0].as.tensor.slot].path->text))
            return NONE;
        if (s->frame->def->kind != NODE_OPTIMIZER)
            path = arena_printf(s->arena, "%s.%s", rule->path,
                                s->program->slots.data[args->values[0].as.tensor.slot].path->text);
        return rule_one(s, rule, args, path, call, span) ? NONE : POISON;
    }
    sema_error(s, E_WRITE, span, "`%s` updates parameters, but its first argument is %s",
               rule->def->name->text, value_kind_name(kind));
    return POISON;
}

void exec_minimize(Sema *s, const Node *stmt) {
    if (s->no_updates) return;
    if (s->frame->def && s->frame->def->kind != NODE_TRAIN) return; /* the resolver said so */
    const Node *what = node_kid(stmt, 0);
    Value loss = eval(s, what);
    if (!value_is_poison(loss) && (stmt->flags & NODE_FLAG_MAXIMIZE))
        loss = op_unary(s, what, "-", to_tensor(s, loss, DTYPE_COUNT, what->span));
    for (uint32_t i = 1; i < stmt->count; i++) {
        const Node *target = stmt->kids[i];
        Value model = eval(s, node_kid(target, 0)), rule = eval(s, node_kid(target, 1));
        if (value_is_poison(loss) || value_is_poison(model) || value_is_poison(rule)) continue;
        if (rule.kind != V_INSTANCE || rule.as.instance->def->kind != NODE_OPTIMIZER) {
            Diag *d = sema_error(
                s, E_KIND, node_kid(target, 1)->span, "`with` wants an optimizer, got %s",
                rule.kind == V_OPTIMIZER ? "one without its settings" : value_kind_name(rule.kind));
            if (rule.kind == V_OPTIMIZER) propose_call(s, d, node_kid(target, 1));
            continue;
        }
        Value g = gradient(s, loss, model, stmt, node_kid(target, 0)->span);
        const Frame *f = s->frame;
        while (f && !(f->def && f->def->kind == NODE_TRAIN)) f = f->up;
        if (f && !value_is_poison(g)) g = clip_gradient(s, f->def, g);
        if (value_is_poison(g)) continue;
        Value values[2] = {model, g};
        const Node *nodes[2] = {node_kid(target, 0), what};
        Sym names[2] = {NULL, NULL};
        Args args = {.values = values, .nodes = nodes, .names = names, .count = 2};
        rule_apply(s, rule.as.instance, &args, target, target->span);
    }
}
