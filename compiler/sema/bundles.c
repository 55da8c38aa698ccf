/* Bundles: one tensor per parameter of a model or of a part of it, named by its path below that
 * root. A model where a bundle is wanted is its parameters. Two bundles fit when they have the same
 * paths with the same shapes. */
#include "compiler/sema/bundles.h"

bool path_within(const char *path, const char *root) {
    return strcmp(path, root) == 0 || path_below(path, root);
}

bool is_frozen(Sema *s, const char *path) {
    for (uint32_t i = 0; i < s->frozen.len; i++)
        if (path_within(path, s->frozen.data[i])) return true;
    return false;
}

static Value part_value(const Bundle *b, uint32_t i) {
    Value v = bundle_tensor(b, i);
    v.as.tensor.slot = b->items[i].slot;
    return v;
}

static bool collect(Sema *s, const Instance *inst, Bundle *b, Span span) {
    b->items = ARENA_ARRAY(s->arena, BundleItem, s->program->slots.len);
    for (uint32_t i = 0; i < s->program->slots.len; i++) {
        const Slot *slot = &s->program->slots.data[i];
        if (slot->kind != SLOT_PARAM || !path_below(slot->path->text, inst->path)) continue;
        Value t = read_slot(s, i, span);
        if (value_is_poison(t)) return false;
        b->items[b->count++] = (BundleItem){.path = slot->path->text + strlen(inst->path) + 1,
                                            .slot = (int32_t)i,
                                            .node = t.as.tensor.node};
    }
    return true;
}

bool value_as_bundle(Sema *s, Value v, Bundle **out, Span span) {
    if (v.kind == V_BUNDLE) {
        *out = v.as.bundle;
        return true;
    }
    if (v.kind != V_INSTANCE || v.as.instance->def->kind == NODE_OPTIMIZER) {
        sema_error(s, E_KIND, span, "a model or its parameters is needed here, not %s",
                   value_kind_name(v.kind));
        return false;
    }
    Instance *inst = v.as.instance;
    Bundle *b = ARENA_NEW(s->arena, Bundle);
    b->graph = sema_graph(s);
    *out = b;
    /* nothing has applied it yet: what else does, or what its arguments say, makes its parameters
     */
    for (int attempt = 0; attempt < 3; attempt++) {
        if (!collect(s, inst, b, span)) return false;
        if (b->count) return true;
        if (!inst->model || s->discovering || attempt == 2) break;
        Node at = {.kind = NODE_NAME, .span = span, .name_span = span};
        if (attempt == 0) model_discover(s, inst);
        if (attempt == 1 && !model_declared(s, inst, &at)) return false;
    }
    if (s->discovering) return false; /* what makes them may be found after this graph */
    if (diags_errors(s->ctx->diags)) return false;
    Diag *d = sema_error(s, E_KIND, span, "`%s` has no parameters here", inst->path);
    diag_help(d, "apply it first: parameters are made where a model is applied");
    return false;
}

const BundleItem *bundle_find(const Bundle *b, const char *path, uint32_t likely) {
    if (likely < b->count && strcmp(b->items[likely].path, path) == 0) return &b->items[likely];
    for (uint32_t i = 0; i < b->count; i++)
        if (strcmp(b->items[i].path, path) == 0) return &b->items[i];
    return NULL;
}

/* `g.dense1.w` is a tensor, `g.dense1` a bundle again. */
Value bundle_member(Sema *s, const Bundle *b, const Node *e) {
    const char *name = e->name->text;
    Bundle *part = ARENA_NEW(s->arena, Bundle);
    part->graph = b->graph;
    part->items = ARENA_ARRAY(s->arena, BundleItem, b->count);
    Nearest near = {.wanted = name};
    for (uint32_t i = 0; i < b->count; i++) {
        const char *path = b->items[i].path;
        nearest_offer(&near, arena_strndup(s->arena, path, strcspn(path, ".")));
        if (strcmp(path, name) == 0) return part_value(b, i);
        if (!path_below(path, name)) continue;
        part->items[part->count] = b->items[i];
        part->items[part->count++].path = path + strlen(name) + 1;
    }
    if (part->count) return (Value){.kind = V_BUNDLE, .as.bundle = part};
    Diag *d = sema_error(s, E_NAME, e->name_span, "this bundle has no part `%s`", name);
    if (near.best) propose_name(d, e->name_span, near.best);
    return POISON;
}

int bundle_same(const Bundle *a, const Bundle *b) {
    if (a->count != b->count || a->graph != b->graph) return 0;
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].path, b->items[i].path) != 0 ||
            !node_same(a->items[i].node, b->items[i].node))
            return 0;
    return 1;
}

/* ------------------------------------------------------------------ fitting */

enum { LISTED_MAX = 6 };

static void list_part(Sema *s, Text *t, uint32_t listed, const Bundle *of, const BundleItem *item) {
    if (listed == LISTED_MAX) text_add(t, ", ...");
    if (listed >= LISTED_MAX) return;
    Shape shape = graph_shape(of->graph, item->node);
    text_printf(t, "%s%s %s", listed ? ", " : "", item->path, shape_string(s, &shape, NULL));
}

/* Parts of `a` that `b` lacks. */
static const char *lacking(Sema *s, const Bundle *a, const Bundle *b) {
    Text t = {.arena = s->arena};
    uint32_t listed = 0;
    for (uint32_t i = 0; i < a->count; i++)
        if (!bundle_find(b, a->items[i].path, i)) list_part(s, &t, listed++, a, &a->items[i]);
    return listed ? text_str(&t) : NULL;
}

static const char *misshapen(Sema *s, const Bundle *a, const Bundle *b) {
    Text t = {.arena = s->arena};
    uint32_t listed = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const BundleItem *other = bundle_find(b, a->items[i].path, i);
        if (!other) continue;
        Shape x = graph_shape(a->graph, a->items[i].node);
        Shape y = graph_shape(b->graph, other->node);
        if (shape_same(&x, &y)) continue;
        if (listed++ >= LISTED_MAX) continue;
        text_printf(&t, "%s%s is %s, not %s", listed > 1 ? "; " : "", a->items[i].path,
                    shape_string(s, &y, NULL), shape_string(s, &x, NULL));
    }
    return listed ? text_str(&t) : NULL;
}

bool bundles_fit(Sema *s, const Bundle *want, const Bundle *got, const char *whose, Span span) {
    const char *missing = lacking(s, want, got), *surplus = lacking(s, got, want);
    const char *other = misshapen(s, want, got);
    if (!missing && !surplus && !other) return true;
    Diag *d = whose
                  ? sema_error(s, E_KIND, span, "these parameters do not fit those of `%s`", whose)
                  : sema_error(s, E_KIND, span, "these parameters do not fit the first ones");
    if (missing) diag_note(d, "missing: %s", missing);
    if (surplus) diag_note(d, "surplus: %s", surplus);
    if (other) diag_note(d, "other shape: %s", other);
    diag_help(d, "bundles fit when the paths below their roots and the shapes agree");
    return false;
}

/* ------------------------------------------------------------------ substituted parameters */

static const char *below_root(const Substitution *with, const char *path) {
    return path_below(path, with->path) ? path + strlen(with->path) + 1 : NULL;
}

bool substituted(Sema *s, uint32_t slot, NodeId *out) {
    const Slot *of = &s->program->slots.data[slot];
    if (of->kind != SLOT_PARAM) return false;
    for (Substitution *with = s->substitution; with; with = with->up) {
        const char *path = below_root(with, of->path->text);
        const BundleItem *item = path ? bundle_find(with->bundle, path, with->next++) : NULL;
        if (!item) continue; /* substitution_check tells */
        const GNode *n = graph_node(with->bundle->graph, item->node);
        bool fits = n->rank == of->rank && n->dtype == of->dtype;
        for (uint32_t i = 0; fits && i < of->rank; i++)
            fits = dim_same(n->dims[i], dim_const(s->program->dims, of->dims[i]));
        if (!fits) continue;
        *out = tensor_node(s, bundle_tensor(with->bundle, (uint32_t)(item - with->bundle->items)),
                           of->span);
        return !node_is_none(*out);
    }
    return false;
}

bool substitution_check(Sema *s, const Substitution *with, Span span) {
    Graph *root = build_root(s->build)->g;
    Bundle want = {.items = ARENA_ARRAY(s->arena, BundleItem, s->program->slots.len),
                   .graph = root};
    for (uint32_t i = 0; i < s->program->slots.len; i++) {
        const Slot *slot = &s->program->slots.data[i];
        const char *path = below_root(with, slot->path->text);
        if (slot->kind != SLOT_PARAM || !path) continue;
        want.items[want.count++] =
            (BundleItem){.path = path, .slot = (int32_t)i, .node = g_read(root, i, span)};
    }
    return bundles_fit(s, &want, with->bundle, with->path, span);
}

/* Whether an application of the instance at `path` can tell one substitution from another. */
static bool concerns(const Substitution *with, const char *path) {
    return path_within(path, with->path) || path_below(with->path, path);
}

bool substitution_same(const Substitution *a, const Substitution *b, const char *path) {
    for (;;) {
        while (a && !concerns(a, path)) a = a->up;
        while (b && !concerns(b, path)) b = b->up;
        if (!a || !b) return a == b;
        if (a != b && (strcmp(a->path, b->path) != 0 || !bundle_same(a->bundle, b->bundle)))
            return false;
        a = a->up;
        b = b->up;
    }
}
