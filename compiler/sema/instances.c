/* Layers as instances: their paths, parameters and states, and the rule that applying an instance
 * again to the same values, in the same mode and with no write in between, is one evaluation. */
#include "compiler/sema/bind.h"
#include "compiler/sema/bundles.h"

bool path_below(const char *path, const char *root) {
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && path[n] == '.';
}

/* ------------------------------------------------------------------ slots and graphs */

Build *build_begin(Sema *s, Build *b) {
    *b = (Build){.outer = s->build};
    b->g = graph_create(s->ctx, s->program->dims, s->program->slots.data, s->program->slots.len);
    b->g->externs = &s->program->externs;
    s->build = b;
    return b;
}
void build_end(Sema *s, Build *b) {
    s->build = b->outer;
}

int32_t slot_find(Sema *s, Sym path) {
    uint32_t i;
    return ptrmap_get(&s->slot_index, path, &i) ? (int32_t)i : -1;
}

uint32_t slot_add(Sema *s, const Slot *slot, const SlotInfo *info) {
    Program *p = s->program;
    ptrmap_put(s, &s->slot_index, slot->path, p->slots.len);
    vec_push(s->arena, &p->slots, *slot);
    vec_push(s->arena, &s->slot_info, *info);
    for (Build *b = s->build; b; b = b->outer) {
        if (b->loop) continue;
        b->g->slots = p->slots.data;
        b->g->slot_count = p->slots.len;
    }
    for (uint32_t i = 0; i < p->entries.len; i++) {
        p->entries.data[i].graph->slots = p->slots.data;
        p->entries.data[i].graph->slot_count = p->slots.len;
    }
    return p->slots.len - 1;
}

/* `net.enc` of a model that nothing applies: its own arguments leave a size open. */
static void undeclared_dim(Sema *s, const Node *par) {
    const Instance *model = s->declared;
    const Node *list =
        node_kid(model->def, node_kid(model->def, 1) && model->def->kind != NODE_MODEL);
    Diag *d = sema_error(s, E_UNKNOWN_DIM, s->declared_for->span,
                         "nothing applies `%s`, and its arguments do not say how large `%s.%s` is",
                         model->path, owner_path(s), par->name->text);
    diag_label(d, list->span, "sizes here must be numbers, but for those of the batch");
    diag_help(d, "write them, as in `x[B, 8]`, or apply `%s` in an export", model->path);
}

/* Where an unknown size came from, for E0013. */
static void unknown_dim(Sema *s, const Node *stmt, const Node *par) {
    if (s->declared) {
        undeclared_dim(s, par);
        return;
    }
    Diag *d = sema_error(s, E_UNKNOWN_DIM, par->span,
                         "the size of `%s` is not known at compile time", par->name->text);
    const Node *dims = node_kid(par, 0);
    for (uint32_t i = 0; dims && i < dims->count; i++) {
        const Node *elem = dims->kids[i];
        if (elem->kind != NODE_NAME) continue;
        Binding *b = scope_find(s->scope, elem->name);
        if (!b || b->value.kind != V_DIM) continue;
        if (!span_in_prelude(s, b->span))
            diag_label(d, b->span, "`%s` is bound by a data argument ...", elem->name->text);
        if (s->frame && s->frame->call_span.file && !span_in_prelude(s, s->frame->call_span))
            diag_label(d, s->frame->call_span, "... and this call leaves it to run time");
        diag_help(d, "fix it where it is bound: `[..., 13]` instead of `%s`, or `let %s = 13`",
                  elem->name->text, elem->name->text);
    }
    (void)stmt;
}

static bool init_value(Sema *s, const Node *stmt, SlotInfo *info) {
    const Node *par = node_kid(stmt, 0), *init = node_kid(stmt, 1);
    info->decl = stmt;
    info->init_node = init;
    info->init = value_int(0);
    if (!init) {
        if (stmt->kind == NODE_STATE) return true;
        Diag *d =
            sema_error(s, E_ARGUMENT, par->span, "param `%s` lacks its `init`", par->name->text);
        diag_help(d, "`param %s init glorot`, `zeros`, or a number", node_text(s, par));
        return false;
    }
    Value v = eval(s, init);
    if (value_is_poison(v)) return false;
    bool fits = v.kind == V_NUM || v.kind == V_FN || v.kind == V_BUILTIN;
    if (!fits)
        sema_error(s, E_KIND, init->span, "`init` wants a number or a function of a shape, got %s",
                   value_kind_name(v.kind));
    info->init = v;
    return fits;
}

static bool same_slot(Sema *s, int32_t index, const Slot *slot, const Node *stmt) {
    const Slot *old = &s->program->slots.data[index];
    const Node *maker = s->slot_info.data[index].decl;
    if (maker != stmt) {
        Diag *d = sema_error(s, E_DUPLICATE, stmt->span, "two parameters have the path `%s`",
                             slot->path->text);
        diag_label(d, maker->span, "the other one");
        return false;
    }
    bool same = old->dtype == slot->dtype && old->rank == slot->rank;
    for (uint32_t i = 0; same && i < slot->rank; i++) same = old->dims[i] == slot->dims[i];
    if (same) return true;
    Shape a = {.rank = old->rank}, b = {.rank = slot->rank};
    for (uint32_t i = 0; i < a.rank; i++) a.dims[i] = dim_const(s->program->dims, old->dims[i]);
    for (uint32_t i = 0; i < b.rank; i++) b.dims[i] = dim_const(s->program->dims, slot->dims[i]);
    Diag *d = sema_error(s, E_SHAPE, stmt->span, "`%s` is %s here but %s where it was used before",
                         slot->path->text, shape_string(s, &b, NULL), shape_string(s, &a, NULL));
    diag_help(d, "two uses of one instance need inputs of one size");
    return false;
}

static bool slot_shape(Sema *s, const Node *stmt, const Node *par, Slot *slot, Shape *shape) {
    if (!eval_shape(s, node_kid(par, 0), shape)) return false;
    slot->rank = shape->rank;
    int64_t bytes = dtype_bytes(slot->dtype);
    for (uint32_t i = 0; i < shape->rank; i++) {
        if (!dim_is_const(s->program->dims, shape->dims[i])) {
            if (s->generic) return true;
            unknown_dim(s, stmt, par);
            return false;
        }
        slot->dims[i] = dim_value(s->program->dims, shape->dims[i]);
        if (__builtin_mul_overflow(bytes, slot->dims[i], &bytes) || bytes > (int64_t)1 << 40) {
            sema_error(s, E_LIMIT, par->span, "`%s` would hold more than 2^40 bytes",
                       par->name->text);
            return false;
        }
    }
    return true;
}

void declare_slot(Sema *s, const Node *stmt) {
    const Node *par = node_kid(stmt, 0);
    Frame *f = s->frame;
    if (!par || par->kind != NODE_PAR) return;
    scope_set(s, s->scope, par->name, POISON, par->name_span);
    if (!f->owner || f->def != f->owner->def) return; /* in a fn: the resolver said so */
    Instance *owner = f->owner;
    if (s->rows_block && owner->rooted) {
        const Frame *outer = f; /* the application that stands in the block */
        while (outer->up && outer->up->call) outer = outer->up;
        Diag *d = sema_error(s, E_INSTANCE, outer->call ? outer->call_span : owner->span,
                             "`%s` has parameters, so it cannot be applied in a data block",
                             def_name(outer->def));
        diag_note(d, "rows are transformed before training, its weights change in training");
        diag_help(d, "apply it in the `step`, the `loss` or an export");
        return;
    }
    if (!owner->rooted) {
        Diag *d = sema_error(s, E_INSTANCE, owner->span,
                             "an instance of `%s` owns parameters and can be made only in a model "
                             "or layer",
                             owner->def->name->text);
        diag_help(d, "make it in a `model` and apply the model here");
        return;
    }
    const Node *type = node_kid(par, 1);
    Slot slot = {.kind = stmt->kind == NODE_PARAM ? SLOT_PARAM : SLOT_STATE,
                 .dtype = type ? type_dtype(type) : DTYPE_F32,
                 .span = stmt->span};
    if (f->def->kind == NODE_OPTIMIZER) slot.kind = SLOT_OPTIMIZER;
    slot.path = ctx_sym(s->ctx, arena_printf(s->arena, "%s.%s", owner->path, par->name->text));
    if (slot.dtype == DTYPE_COUNT) {
        if (!type_is_known(type) || kind_is_known(type->name->text)) return; /* told before */
        sema_error(s, E_DTYPE, type->span, "a parameter needs a dtype such as f32");
        return;
    }
    Shape shape;
    SlotInfo info;
    if (!slot_shape(s, stmt, par, &slot, &shape) || !init_value(s, stmt, &info)) return;
    if (s->generic) {
        Graph *root = build_root(s->build)->g;
        NodeId in = g_input(root, slot.path, slot.dtype, &shape, stmt->span);
        Value v = {.kind = V_TENSOR, .as.tensor = {.node = in, .graph = root, .slot = -1}};
        v.decl = par;
        scope_set(s, s->scope, par->name, v, par->name_span);
        return;
    }
    int32_t index = slot_find(s, slot.path);
    if (index >= 0 && !same_slot(s, index, &slot, stmt)) return;
    if (index < 0) index = (int32_t)slot_add(s, &slot, &info);
    int64_t count = 1;
    for (uint32_t i = 0; i < slot.rank; i++) count *= slot.dims[i];
    if (slot.kind == SLOT_PARAM) {
        owner->own_params += count;
        owner->own_bytes += count * dtype_bytes(slot.dtype);
    }
    scope_set(s, s->scope, par->name, (Value){.kind = V_SLOT, .as.slot = index}, par->name_span);
}

bool write_slot(Sema *s, uint32_t index, Value v, Span span) {
    if (value_is_poison(v)) return false;
    const Slot *slot = &s->program->slots.data[index];
    if (slot->kind == SLOT_PARAM && s->frame->def->kind != NODE_OPTIMIZER) {
        Diag *d = sema_error(s, E_WRITE, span, "only an optimizer may write the parameter `%s`",
                             slot->path->text);
        diag_help(d, "declare it `state` if the layer itself changes it");
        return false;
    }
    Shape shape = {.rank = slot->rank};
    for (uint32_t i = 0; i < slot->rank; i++)
        shape.dims[i] = dim_const(s->program->dims, slot->dims[i]);
    v = to_tensor(s, v, slot->dtype, span);
    if (value_is_poison(v)) return false;
    Shape got = tensor_shape(s, v);
    if (tensor_dtype(s, v) != slot->dtype || (got.rank && !shape_same(&got, &shape))) {
        Diag *d =
            sema_error(s, E_SHAPE, span, "`%s` is %s %s, but the value is %s %s", slot->path->text,
                       dtype_name(slot->dtype), shape_string(s, &shape, NULL),
                       dtype_name(tensor_dtype(s, v)), shape_string(s, &got, NULL));
        diag_label(d, slot->span, "declared here");
        return false;
    }
    if (s->build->loop && slot->kind == SLOT_PARAM) {
        sema_unsupported(s, span, "updating parameters inside a `scan`");
        return false;
    }
    v = tensor_broadcast_to(s, v, &shape, span);
    if (!value_is_poison(v)) v.as.tensor.node = tensor_node(s, v, span);
    if (value_is_poison(v) || node_is_none(v.as.tensor.node)) return false;
    read_slot(s, index, span); /* fills the version table */
    slot_written(s, index, v.as.tensor.node, span);
    return true;
}

/* Later reads are new leaves: no gradient flows through a write. */
void slot_written(Sema *s, uint32_t slot, NodeId node, Span span) {
    NodeId next = g_unary(s->build->g, OP_STOP, node, span);
    slot_version(s, slot, next);
    if (s->build->loop)
        loop_write(s, s->build, slot, next);
    else
        graph_write(s->build->g, slot, node);
}

/* ------------------------------------------------------------------ making instances */

static void set_path(Sema *s, Instance *inst, const char *segment) {
    inst->path = inst->base_path[0]
                     ? arena_printf(s->arena, "%s.%s%s", inst->base_path, segment, inst->iterations)
                     : arena_printf(s->arena, "%s%s", segment, inst->iterations);
}

Value instance_new(Sema *s, const Node *def, Scope *env, const Args *settings, const Node *creator,
                   const Node *name_node, Span span) {
    Instance *inst = ARENA_NEW(s->arena, Instance);
    const Frame *f = s->frame;
    inst->def = def;
    inst->env = env;
    inst->creator = creator;
    inst->span = span;
    inst->settings = scope_new(s, env, true);
    if (node_kid(def, 1) && /* a single list is that of the data */
        !bind_list(s, node_kid(def, 0), settings, inst->settings, def, creator, span))
        return POISON;
    NodeKind in = f && f->def ? f->def->kind : NODE_PROGRAM;
    if (def->kind == NODE_OPTIMIZER)
        inst->rooted = in == NODE_TRAIN || in == NODE_OPTIMIZER;
    else
        inst->rooted = (in == NODE_LAYER || in == NODE_MODEL) && (!f->owner || f->owner->rooted);
    inst->base_path = f && (inst->rooted || f->base) ? owner_path(s) : f ? site_path(s) : "";
    Text it = {.arena = s->arena};
    for (uint32_t i = 0; f && i < f->iteration_count; i++)
        text_printf(&it, ".%u", f->iterations[i]);
    inst->iterations = text_str(&it);
    const char *name = name_node ? name_node->name->text : def->name->text;
    uint32_t ordinal = site_ordinal(s, name_node ? name_node : creator);
    set_path(s, inst, arena_printf(s->arena, "%s%u", name, ordinal));
    return (Value){.kind = V_INSTANCE, .as.instance = inst};
}

void instance_bind_name(Sema *s, Instance *inst, Sym name) {
    if (inst->named) return;
    inst->named = true;
    set_path(s, inst, name->text);
}

/* `model NAME (...)` and `model NAME = expr`: one global instance, the root of its paths. */
Value model_instance(Sema *s, const Node *def, Scope *env) {
    Instance *inst = ARENA_NEW(s->arena, Instance);
    inst->def = def;
    inst->env = env;
    inst->settings = scope_new(s, env, true);
    inst->path = def->name->text;
    inst->base_path = "";
    inst->iterations = "";
    inst->rooted = inst->named = inst->model = true;
    inst->span = def->name_span;
    if (!node_kid(def, 0)) {
        Frame f;
        frame_push(s, &f, def, NULL, (Span){0});
        f.owner = inst;
        f.base = true;
        Value v = eval(s, node_kid(def, 2));
        frame_pop(s, &f);
        if (value_is_poison(v)) return POISON;
        if (v.kind != V_INSTANCE || v.as.instance->def->kind == NODE_OPTIMIZER ||
            v.as.instance->named) {
            sema_error(s, E_KIND, node_kid(def, 2)->span,
                       "`model %s = ...` wants a new instance such as `mlp(128)`", def->name->text);
            return POISON;
        }
        inst->inner = v.as.instance;
        inst->inner->path = inst->path;
        inst->inner->named = inst->inner->rooted = true;
        inst->inner->model = true;
    }
    vec_push(s->arena, &s->models, inst);
    return (Value){.kind = V_INSTANCE, .as.instance = inst};
}

static bool claim_path(Sema *s, Instance *inst) {
    Sym path = ctx_sym(s->ctx, inst->path);
    uint32_t at;
    if (!ptrmap_get(&s->path_index, path, &at)) {
        ptrmap_put(s, &s->path_index, path, s->used_instances.len);
        vec_push(s->arena, &s->used_instances, inst);
        return true;
    }
    const Instance *old = s->used_instances.data[at];
    s->used_instances.data[at] = inst;
    if (old->creator == inst->creator) return true;
    Diag *d =
        sema_error(s, E_DUPLICATE, inst->span, "two instances have the path `%s`", inst->path);
    if (old->creator) diag_label(d, old->creator->span, "the other one");
    diag_help(d, "bind one of them to another name");
    return false;
}

/* ------------------------------------------------------------------ applying */

static bool memo_valid(const Build *b, const Memo *m) {
    for (uint32_t i = m->touch_from; i < m->touch_to; i++)
        if (!node_same(b->version.data[b->touches.data[i]], m->after[i - m->touch_from]))
            return false;
    return true;
}

/* Applications that the graphs around a loop made count, but only parameters are sure to be the
 * same inside: the loop may yet write a state. */
static bool memo_usable(Sema *s, const Build *b, const Memo *m) {
    for (uint32_t i = m->touch_from; b != s->build && i < m->touch_to; i++)
        if (s->program->slots.data[b->touches.data[i]].kind != SLOT_PARAM) return false;
    return memo_valid(b, m);
}

static const Memo *memo_find(Sema *s, Sym path, const Value *args, uint32_t count,
                             uint32_t *evaluations, const Build **where) {
    const Memo *found = NULL;
    *evaluations = 0;
    for (const Build *b = s->build; b; b = b->loop ? b->outer : NULL) {
        uint32_t latest = 0;
        ptrmap_get(&b->memo_index, path, &latest);
        for (int32_t i = (int32_t)latest - 1; !found && i >= 0; i = b->memos.data[i].before) {
            const Memo *m = &b->memos.data[i];
            (*evaluations)++;
            if (m->training != s->training || m->arg_count != count) continue;
            if (!substitution_same(m->with, s->substitution, path->text)) continue;
            bool same = true;
            for (uint32_t a = 0; same && a < count; a++)
                same = value_same(s, m->args[a], args[a]) == 1;
            if (same && memo_usable(s, b, m)) found = m, *where = b;
        }
    }
    return found;
}

static void memo_store(Sema *s, Sym path, Value *args, uint32_t count, Value result,
                       uint32_t from) {
    Build *b = s->build;
    uint32_t latest = 0;
    ptrmap_get(&b->memo_index, path, &latest);
    Memo m = {.path = path,
              .training = s->training,
              .with = s->substitution,
              .args = args,
              .arg_count = count,
              .result = result,
              .touch_from = from,
              .touch_to = b->touches.len,
              .before = (int32_t)latest - 1};
    m.after = ARENA_ARRAY(s->arena, NodeId, m.touch_to - from);
    for (uint32_t i = from; i < m.touch_to; i++)
        m.after[i - from] = b->version.data[b->touches.data[i]];
    ptrmap_put(s, &b->memo_index, path, b->memos.len + 1);
    vec_push(s->arena, &b->memos, m);
}

/* Applications in the body of a loop that has ended: they count, and none is found again. */
void memos_spent(Sema *s, const Build *body) {
    for (uint32_t i = 0; i < body->memos.len; i++) {
        memo_store(s, body->memos.data[i].path, NULL, UINT32_MAX, POISON, s->build->touches.len);
    }
}

static bool is_active(const Sema *s, const Instance *inst) {
    for (const Frame *f = s->frame; f; f = f->up)
        if (f->base && f->owner == inst) return true;
    return false;
}

static Value run_instance(Sema *s, Instance *inst, Scope *scope, const Node *call, Span span,
                          uint32_t evaluation) {
    const Node *def = inst->def;
    bool model = def->kind == NODE_MODEL;
    const Node *result = node_kid(def, model ? 1 : 2), *body = node_kid(def, model ? 2 : 3);
    Scope *saved = s->scope;
    Frame f;
    frame_push(s, &f, def, call, span);
    f.owner = inst;
    f.base = true;
    f.evaluation = evaluation;
    f.settings = inst->settings;
    s->scope = scope;
    bool no_value;
    Value v = run_body(s, body, &no_value);
    if (no_value) {
        sema_error(s, E_KIND, def->name_span, "`%s` ends without `return`", def->name->text);
        v = POISON;
    }
    if (!bind_result(s, result, v, scope, def, result_span(s, body, span))) v = POISON;
    s->scope = saved;
    frame_pop(s, &f);
    return v;
}

/* The arguments without `with = p`; *with: p. */
static bool take_with(Sema *s, const Args *args, Args *rest, Bundle **with, Span *at) {
    *rest = *args;
    *with = NULL;
    for (uint32_t i = 0; i < args->count; i++) {
        if (!args->names[i] || strcmp(args->names[i]->text, "with") != 0) continue;
        *at = args->nodes[i] ? args->nodes[i]->span : *at;
        if (!value_as_bundle(s, args->values[i], with, *at)) return false;
        rest->values = ARENA_ARRAY(s->arena, Value, args->count);
        rest->nodes = ARENA_ARRAY(s->arena, const Node *, args->count);
        rest->names = ARENA_ARRAY(s->arena, Sym, args->count);
        rest->count = 0;
        for (uint32_t k = 0; k < args->count; k++) {
            if (k == i) continue;
            rest->values[rest->count] = args->values[k];
            rest->nodes[rest->count] = args->nodes[k];
            rest->names[rest->count++] = args->names[k];
        }
        return true;
    }
    return true;
}

/* The scope of an application: its settings and its bound arguments; NULL: reported. */
static Scope *bind_application(Sema *s, Instance *inst, const Node *list, const Args *args,
                               const Node *call, Span span) {
    const Node *def = inst->def;
    Scope *scope = scope_new(s, inst->env, true);
    if (node_kid(def, 1) && def->kind != NODE_MODEL)
        for (uint32_t i = 0; i < inst->settings->names.len; i++)
            vec_push(s->arena, &scope->names, inst->settings->names.data[i]);
    inst->named = true;
    if (!claim_path(s, inst)) return NULL;
    ptrmap_put(s, &s->reached, def, 1);
    return list && bind_list(s, list, args, scope, def, call, span) ? scope : NULL;
}

static Value evaluate_instance(Sema *s, Instance *inst, const Node *list, Scope *scope,
                               const Node *call, Span span) {
    Value *values = ARENA_ARRAY(s->arena, Value, list->count);
    for (uint32_t i = 0; i < list->count; i++)
        values[i] = scope_find_here(scope, list->kids[i]->name)->value;
    uint32_t evaluations;
    Sym path = ctx_sym(s->ctx, inst->path);
    const Build *where = NULL;
    const Memo *m = memo_find(s, path, values, list->count, &evaluations, &where);
    if (m) {
        uint32_t from = m->touch_from, to = m->touch_to;
        Value result = m->result;
        for (uint32_t i = from; i < to; i++) read_slot(s, where->touches.data[i], span);
        return result;
    }
    uint32_t from = s->build->touches.len, first_node = graph_size(s->build->g);
    double nested = s->nested_flops;
    s->nested_flops = 0;
    inst->own_params = inst->own_bytes = 0;
    uint32_t row = UINT32_MAX;
    if (inst->rooted && !s->generic) row = layer_reserve(s, inst);
    Value v = run_instance(s, inst, scope, call, span, evaluations);
    double total = layer_row(s, inst, v, first_node, row);
    s->nested_flops = nested + total;
    if (v.kind == V_TENSOR) v.decl = NULL;
    memo_store(s, path, values, list->count, v, from);
    return v;
}

Value instance_apply(Sema *s, Instance *inst, const Args *args, const Node *call, Span span) {
    if (inst->inner) inst = inst->inner;
    if (!s->build) {
        sema_error(s, E_STATIC, span, "`%s` cannot be applied where values must be static",
                   inst->path);
        return POISON;
    }
    if (is_active(s, inst)) {
        sema_error(s, E_RECURSION, span, "`%s` is applied inside itself", inst->path);
        return POISON;
    }
    const Node *def = inst->def;
    const Node *list = node_kid(def, def->kind == NODE_MODEL || !node_kid(def, 1) ? 0 : 1);
    Args rest;
    Bundle *with;
    Span with_span = span;
    if (!take_with(s, args, &rest, &with, &with_span)) return POISON;
    Scope *scope = bind_application(s, inst, list, &rest, call, span);
    if (!scope) return POISON;
    bool training = s->training;
    s->training = training && !is_frozen(s, inst->path);
    Substitution own = {.path = inst->path, .bundle = with, .up = s->substitution};
    Substitution *kept = NULL;
    if (with) {
        kept = ARENA_NEW(s->arena, Substitution);
        *kept = own;
        s->substitution = kept;
    }
    Value v = evaluate_instance(s, inst, list, scope, call, span);
    s->substitution = own.up;
    s->training = training;
    return with && !substitution_check(s, kept, with_span) ? POISON : v;
}

/* The name right below `inst` on the way to `path`. */
static void offer_part(Sema *s, Nearest *near, const Instance *inst, const char *path) {
    if (!path_below(path, inst->path)) return;
    const char *part = path + strlen(inst->path) + 1;
    nearest_offer(near, arena_strndup(s->arena, part, strcspn(part, ".")));
}

Value instance_member(Sema *s, Instance *inst, Sym name, const Node *e) {
    if (inst->inner) inst = inst->inner;
    const char *path = arena_printf(s->arena, "%s.%s", inst->path, name->text);
    for (int attempt = 0; attempt < 3; attempt++) {
        int32_t slot = slot_find(s, ctx_sym(s->ctx, path));
        if (slot >= 0) return read_slot(s, (uint32_t)slot, e->span);
        uint32_t at;
        if (ptrmap_get(&s->path_index, ctx_sym(s->ctx, path), &at))
            return (Value){.kind = V_INSTANCE, .as.instance = s->used_instances.data[at]};
        if (!inst->model || s->discovering || attempt == 2) break;
        if (attempt == 0) model_discover(s, inst);
        if (attempt == 1 && !model_declared(s, inst, e)) return POISON;
    }
    if (s->discovering) return POISON; /* what makes it may be found after this graph */
    if (diags_errors(s->ctx->diags)) return POISON; /* what would have made it may have failed */
    Diag *d = sema_error(s, E_NAME, e->name_span, "`%s` has no parameter or layer `%s`", inst->path,
                         name->text);
    Nearest near = {.wanted = name->text};
    for (uint32_t i = 0; i < s->program->slots.len; i++)
        offer_part(s, &near, inst, s->program->slots.data[i].path->text);
    for (uint32_t i = 0; i < s->used_instances.len; i++)
        offer_part(s, &near, inst, s->used_instances.data[i]->path);
    if (near.best) propose_name(d, e->name_span, near.best);
    return POISON;
}
