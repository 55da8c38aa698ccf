/* `show(x, "h")`: x, and in debug runs also a further output of the entry, from which the runtime
 * says shape, range, mean and a corner (runtime/core/show.c). In a `scan` it is one more yield, in
 * a `checkpoint` one more result, so that what is shown is what was computed. */
#include "compiler/sema/bundles.h"

void shows_add(Sema *s, const Build *b, uint32_t number, const NodeId *copy) {
    Entry *e = &s->program->entries.data[number];
    for (uint32_t i = 0; i < b->shown.len; i++) {
        NodeId node = b->shown.data[i].node;
        if (copy) node = copy[node.id];
        if (node_is_none(node)) continue;
        graph_output(e->graph, ctx_sym(s->ctx, b->shown.data[i].title), node);
        e->show_count++;
    }
}

/* "h (net.dense1, m.bm:3:5)", in a `repeat` "h (net 2, m.bm:3:5)". */
static const char *title(Sema *s, const BuiltinCall *c, const char *part) {
    Text t = {.arena = s->arena};
    text_add(&t, c->args[1].kind == V_STR
                     ? c->args[1].as.str
                     : node_text(s, c->node && c->node->kind == NODE_CALL && c->node->count > 1
                                        ? c->node->kids[1]
                                        : c->node));
    if (*part) text_printf(&t, " %s", part);
    text_printf(&t, " (%s", owner_path(s));
    for (uint32_t i = 0; s->frame && i < s->frame->iteration_count; i++)
        text_printf(&t, "%s%u", i ? "." : " ", s->frame->iterations[i]);
    text_printf(&t, ", %s)", place_string(s, c->span));
    return text_str(&t);
}

static bool show_tensor(Sema *s, const BuiltinCall *c, Value v, const char *part) {
    v = to_tensor(s, v, DTYPE_COUNT, c->spans[0]);
    if (value_is_poison(v)) return false;
    NodeId node = tensor_node(s, v, c->spans[0]);
    if (node_is_none(node)) return false;
    if (!s->options->debug) return true;
    Shown shown = {.title = title(s, c, part), .node = node};
    vec_push(s->arena, &s->build->shown, shown);
    return true;
}

static Value show(Sema *s, const BuiltinCall *c) {
    Value v = c->args[0];
    if (c->args[1].kind != V_NONE && c->args[1].kind != V_STR) {
        Diag *d =
            sema_error(s, E_ARGUMENT, c->spans[1], "the name that `show` gives is a string, not %s",
                       value_kind_name(c->args[1].kind));
        diag_help(d, "`show(x, \"x\")`");
        return POISON;
    }
    if (s->rows || s->fit || !s->build) {
        Diag *d = sema_error(s, E_ARGUMENT, c->span,
                             "`show` stands in models, steps and exports, not in %s",
                             s->rows  ? "a data block"
                             : s->fit ? "`fit`"
                                      : "what is known at compile time");
        if (s->rows) diag_help(d, "show the column where it is used: in a `step`, or in the model");
        return POISON;
    }
    if (v.kind != V_BUNDLE && v.kind != V_INSTANCE) return show_tensor(s, c, v, "") ? v : POISON;
    Bundle *b;
    if (!value_as_bundle(s, v, &b, c->spans[0])) return POISON;
    for (uint32_t i = 0; i < b->count; i++)
        if (!show_tensor(s, c, bundle_tensor(b, i), b->items[i].path)) return POISON;
    return v;
}

const Builtin BUILTINS_SHOW[] = {{"show", "x, name?", show, 0}, {NULL, NULL, NULL, 0}};
