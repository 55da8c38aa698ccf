/* Entries that are not blocks: exported functions and the initialisation of all slots. */
#include "compiler/sema/bind.h"
#include "compiler/sema/elaborate.h"

enum { EXPORT_BOUND = 256 };

uint32_t entry_add(Sema *s, const char *name, BmrtEntryKind kind, Graph *g, Span span) {
    Entry e = {.name = name, .kind = kind, .graph = g, .span = span};
    vec_push(s->arena, &s->program->entries, e);
    return s->program->entries.len - 1;
}

/* ------------------------------------------------------------------ exports */

/* Names that the C interface of every model has. */
static const char *const RESERVED[] = {
    "open",  "close", "error",        "train_step", "step",      "get",         "set",
    "save",  "load",  "seed",         "set_seed",   "threads",   "set_threads", "workspace",
    "model", "init",  "set_schedule", "set_show",   "interface", NULL};

static bool reserved(Sema *s, const Node *def) {
    for (const char *const *r = RESERVED; *r; r++)
        if (strcmp(*r, def->name->text) == 0) {
            Diag *d =
                sema_error(s, E_EXPORT_NAME, def->name_span, "an export cannot be called `%s`", *r);
            diag_note(d, "the C interface of every model has a function of that name");
            return true;
        }
    return false;
}

/* `scale: f32 = 1`: what an export takes when its caller gives nothing. */
static bool input_default(Sema *s, const Node *par, bool strings, DType dtype, const Shape *shape,
                          const int64_t **out) {
    const Node *e = node_kid(par, 2);
    Value v = eval(s, e);
    if (value_is_poison(v)) return false;
    if (strings || shape->rank) {
        Diag *d = sema_error(s, E_ARGUMENT, e->span,
                             "only a single number of an export can have a default");
        if (strings || v.kind != V_NUM) {
            diag_help(d, "`%s: %s = 1` is one", par->name->text,
                      strings ? "f32" : dtype_name(dtype));
            return false;
        }
        DiagFix fix = {.span = par->span,
                       .text = arena_printf(s->arena, "%s: %s = %s", par->name->text,
                                            dtype_name(dtype), value_string(s, v))};
        diag_fix(d, fix, "`%s`", fix.text);
        return false;
    }
    if (v.kind != V_NUM && v.kind != V_BOOL) {
        sema_error(s, E_STATIC, e->span,
                   "the default of an export must be a number known at compile time, got %s",
                   value_kind_name(v.kind));
        return false;
    }
    int64_t whole = v.kind == V_BOOL ? v.as.truth : 0;
    int64_t *word = ARENA_NEW(s->arena, int64_t);
    bool exact = v.kind == V_BOOL || value_is_int(v, &whole);
    if (!exact && !dtype_is_float(dtype)) {
        sema_error(s, E_DTYPE, e->span, "`%s` is %s, but its default is %s", par->name->text,
                   dtype_name(dtype), value_string(s, v));
        return false;
    }
    *word = dtype_is_float(dtype)
                ? dtype_word_from_f64(dtype, exact ? (double)whole : value_number(v))
                : dtype_word_from_int(dtype, whole);
    *out = word;
    return true;
}

/* `n: dim`, `steps: int`: a size that the caller gives as a number; brackets after it may name
 * it.
 */
static Value export_size(Sema *s, const Node *par, Scope *probe) {
    Binding *known = scope_find_here(probe, par->name);
    if (node_kid(par, 2)) {
        sema_error(s, E_ARGUMENT, par->span, "`%s` comes from the caller: it has no default",
                   par->name->text);
        return POISON;
    }
    if (known) return known->value;
    Value v = value_dim(s, dim_symbol(s->program->dims, par->name, EXPORT_BOUND));
    v.dim_name = par->name;
    scope_set(s, probe, par->name, v, par->span);
    return v;
}

static bool is_size(const Node *type) {
    return type && type->count == 0 &&
           (strcmp(type->name->text, "dim") == 0 || strcmp(type->name->text, "int") == 0);
}

/* The input of one parameter: names in its brackets become run-time dims. */
static Value export_input(Sema *s, Graph *g, const Node *par, Scope *probe) {
    const Node *dims = node_kid(par, 0), *type = node_kid(par, 1);
    DType dtype = type ? type_dtype(type) : DTYPE_F32;
    if (!dims && is_size(type)) return export_size(s, par, probe);
    bool strings = type && strcmp(type->name->text, "str") == 0;
    if (!strings && (dtype == DTYPE_COUNT || (!dims && !type))) {
        if (type && !type_is_known(type)) return POISON;
        if (type)
            return sema_unsupported(
                s, type->span,
                arena_printf(s->arena, "`%s: %s` in an export", par->name->text, type->name->text));
        Diag *d = sema_error(s, E_ARGUMENT, par->span, "an export must say what `%s` is",
                             par->name->text);
        diag_help(d, "`%s[B, 10]`, `%s: f32`", par->name->text, par->name->text);
        return POISON;
    }
    for (uint32_t i = 0; dims && i < dims->count; i++) {
        const Node *elem = dims->kids[i];
        if (elem->kind == NODE_ELLIPSIS) {
            sema_error(s, E_UNKNOWN_DIM, elem->span, "an export must name each of its axes");
            return POISON;
        }
        if (elem->kind != NODE_NAME) continue;
        Binding *known = scope_find(probe, elem->name);
        if (known && (!known->def || known->def->kind == NODE_LET)) continue;
        DimId d = dim_symbol(s->program->dims, elem->name, EXPORT_BOUND);
        scope_set(s, probe, elem->name, value_dim(s, d), elem->span);
    }
    Shape shape;
    Scope *saved = s->scope;
    s->scope = probe;
    bool ok = eval_shape(s, dims, &shape);
    s->scope = saved;
    if (!ok) return POISON;
    const int64_t *fallback = NULL;
    if (node_kid(par, 2) && !input_default(s, par, strings, dtype, &shape, &fallback))
        return POISON;
    if (strings) return strings_input(s, g, par, &shape);
    NodeId in = g_input(g, par->name, dtype, &shape, par->span);
    g->inputs.data[g->inputs.len - 1].fallback = fallback;
    return value_tensor(s, in);
}

/* strings[i]: the vocabulary of output i, or 0. */
static void export_outputs(Sema *s, Build *build, Value v, const Node *def, uint32_t *strings) {
    uint32_t n = v.kind == V_TUPLE ? v.as.list.count : 1;
    for (uint32_t i = 0; i < n; i++) {
        Value item = v.kind == V_TUPLE ? v.as.list.items[i] : v;
        const char *name = n == 1 ? "out" : arena_printf(s->arena, "out%u", i);
        if (item.kind == V_STRINGS && item.as.strings.input < 0) {
            strings[i] = item.as.strings.vocabulary;
            graph_output(build->g, ctx_sym(s->ctx, name), item.as.strings.node);
            continue;
        }
        item = to_tensor(s, item, DTYPE_COUNT, def->span);
        if (value_is_poison(item)) return;
        NodeId node = tensor_node(s, item, def->span);
        if (!node_is_none(node)) graph_output(build->g, ctx_sym(s->ctx, name), node);
    }
}

static bool strings_known(Sema *s, const Build *build) {
    bool known = true;
    for (uint32_t i = 0; i < build->input_strings.len; i++) {
        if (build->input_strings.data[i] != STRINGS_OPEN) continue;
        const GraphInput *in = &build->g->inputs.data[i];
        Diag *d = sema_error(s, E_DTYPE, in->span, "nothing says what the strings `%s` mean",
                             in->name->text);
        diag_help(d, "give them to `NAME.encode(FIELD = %s)` of a data block", in->name->text);
        known = false;
    }
    return known;
}

bool node_mentions_call(const Node *node, const char *callee) {
    const Node *name = node && node->kind == NODE_CALL ? node_kid(node, 0) : NULL;
    if (name && name->kind == NODE_NAME && strcmp(name->name->text, callee) == 0) return true;
    for (uint32_t i = 0; node && i < node->count; i++)
        if (node_mentions_call(node->kids[i], callee)) return true;
    return false;
}

static void add_export(Sema *s, Build *build, const Node *def, const uint32_t *outputs) {
    while (build->input_strings.len < build->g->inputs.len)
        vec_push(s->arena, &build->input_strings, STRINGS_NOT);
    uint32_t number = entry_add(s, def->name->text, BMRT_ENTRY_EXPORT, build->g, def->span);
    s->program->entries.data[number].input_strings = build->input_strings.data;
    s->program->entries.data[number].output_strings = outputs;
    shows_add(s, build, number, NULL);
}

/* The graph of one export, in build->g; POISON: reported. */
static Value run_export(Sema *s, const Node *def, Scope *scope, Build *build, uint32_t **strings) {
    const Node *list = node_kid(def, 0);
    Args args = {.values = ARENA_ARRAY(s->arena, Value, list->count + 1),
                 .nodes = ARENA_ARRAY(s->arena, const Node *, list->count + 1),
                 .names = ARENA_ARRAY(s->arena, Sym, list->count + 1),
                 .count = list->count};
    Scope *outer = s->scope;
    const char *outer_name = s->export_name;
    Syms outer_columns = s->fit_columns;
    s->fit_columns = (Syms){0};
    s->export_name = def->name->text;
    s->fit_column = NULL;
    build_begin(s, build);
    Frame f;
    s->scope = scope;
    s->training = false;
    frame_push(s, &f, def, NULL, (Span){0});
    f.base = true;
    f.owner = NULL;
    f.root = def->name->text;
    Scope *probe = scope_new(s, scope, true);
    bool ok = true;
    for (uint32_t i = 0; i < list->count; i++) {
        args.values[i] = export_input(s, build->g, list->kids[i], probe);
        args.nodes[i] = list->kids[i];
        ok &= !value_is_poison(args.values[i]);
    }
    Closure fn = {.def = def, .env = scope};
    Value v = ok ? call_closure(s, &fn, &args, def, def->name_span) : POISON;
    *strings = ARENA_ARRAY(s->arena, uint32_t, v.kind == V_TUPLE ? v.as.list.count : 1);
    if (!value_is_poison(v)) export_outputs(s, build, v, def, *strings);
    s->export_name = outer_name;
    s->fit_columns = outer_columns;
    frame_pop(s, &f);
    build_end(s, build);
    s->scope = outer;
    return v;
}

void make_export(Sema *s, const Node *def, Scope *scope) {
    bool wanted =
        (s->options->roots & SEMA_EXPORTS) &&
        (!s->options->only_export || strcmp(s->options->only_export, def->name->text) == 0);
    /* Training fits the statistics of exports, although it makes none. */
    bool statistics = (s->options->roots & SEMA_TRAIN) && node_mentions_call(def, "fit");
    if ((!wanted && !statistics) || !node_kid(def, 0) || reserved(s, def)) return;
    if (node_kid(def, 0)->count > BMRT_FALLBACK_INPUTS_MAX) {
        sema_error(s, E_LIMIT, def->name_span, "an export with more than %d arguments",
                   BMRT_FALLBACK_INPUTS_MAX);
        return;
    }
    if (node_kid(def, 1)) {
        Diag *d =
            sema_error(s, E_EXPORT_NAME, def->name_span, "an export has one list of arguments");
        diag_help(d, "write a second function that fixes the settings");
        return;
    }
    uint32_t errors = diags_errors(s->ctx->diags);
    Build build;
    uint32_t *strings;
    Value v = run_export(s, def, scope, &build, &strings);
    build.g->guard = NODE_NONE;
    if (diags_errors(s->ctx->diags) == errors && !value_is_poison(v) && strings_known(s, &build) &&
        wanted)
        add_export(s, &build, def, strings);
}

static bool is_running(const Sema *s, const Node *def) {
    for (const Frame *f = s->frame; f; f = f->up)
        if (f->def == def) return true;
    return false;
}

/* Elaborates the other exports in graphs that are thrown away: they may apply a model whose
 * parameters this one only names. */
bool exports_discover(Sema *s) {
    bool training = s->training, any = false;
    for (uint32_t i = 0; i < s->file->count; i++) {
        const Node *def = s->file->kids[i];
        Build build;
        uint32_t *strings;
        if (def->kind != NODE_FN || !(def->flags & NODE_FLAG_EXPORT) || is_running(s, def) ||
            !node_kid(def, 0) || node_kid(def, 1))
            continue;
        run_export(s, def, s->user, &build, &strings);
        any = true;
    }
    s->training = training;
    return any;
}

/* ------------------------------------------------------------------ init */

static Value initial_value(Sema *s, const Slot *slot, const SlotInfo *info, const Shape *shape) {
    Span span = slot->span;
    if (info->init.kind == V_NUM) {
        Value v = to_tensor(s, info->init, slot->dtype, span);
        return value_is_poison(v) ? v : tensor_broadcast_to(s, v, shape, span);
    }
    Value sizes = value_list(s, NULL, 0);
    sizes.as.list.items = ARENA_ARRAY(s->arena, Value, shape->rank);
    sizes.as.list.count = shape->rank;
    for (uint32_t i = 0; i < shape->rank; i++)
        sizes.as.list.items[i] = value_dim(s, shape->dims[i]);
    Value v = call_one(s, info->init, sizes, NULL, span);
    v = to_tensor(s, v, slot->dtype, span);
    if (value_is_poison(v)) return v;
    Shape got = tensor_shape(s, v);
    NodeId node = tensor_node(s, v, span);
    if (node_is_none(node)) return POISON;
    if (!shape_same(&got, shape)) {
        sema_error(s, E_SHAPE, span, "the initialiser of `%s` gives %s, not %s", slot->path->text,
                   shape_string(s, &got, NULL), shape_string(s, shape, NULL));
        return POISON;
    }
    if (tensor_dtype(s, v) != slot->dtype)
        v = value_tensor(s, g_cast(sema_graph(s), slot->dtype, node, span));
    return v;
}

/* Every slot gets its first value; draws are keyed by the slot's path. */
void make_init(Sema *s) {
    Build build;
    build_begin(s, &build);
    build.g->guard = NODE_NONE;
    s->training = false;
    s->scope = s->user;
    for (uint32_t i = 0; i < s->program->slots.len; i++) {
        Slot slot = s->program->slots.data[i];
        SlotInfo info = s->slot_info.data[i];
        Shape shape = {.rank = slot.rank};
        for (uint32_t k = 0; k < slot.rank; k++)
            shape.dims[k] = dim_const(s->program->dims, slot.dims[k]);
        Frame f;
        frame_push(s, &f, NULL, NULL, (Span){0});
        f.base = true;
        f.owner = NULL;
        f.root = slot.path->text;
        Value v = initial_value(s, &slot, &info, &shape);
        frame_pop(s, &f);
        if (!value_is_poison(v)) graph_write(build.g, i, v.as.tensor.node);
    }
    build_end(s, &build);
    s->program->init_entry = (int32_t)entry_add(s, "init", BMRT_ENTRY_INIT, build.g, (Span){0});
}
