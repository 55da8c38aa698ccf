/* Settings of `train` blocks that change what a step does: `freeze`, `clip`, `accumulate`, `init`,
 * and the machine's: `devices`, `precision`. */
#include "compiler/sema/blocks.h"
#include "compiler/sema/bundles.h"

/* ------------------------------------------------------------------ paths of parts of models */

/* "net.body" of `net.body`; NULL: not such an expression. */
static const char *part_path(Sema *s, const Node *e) {
    if (!e) return NULL;
    if (e->kind == NODE_NAME) {
        Binding *b = scope_find(s->user, e->name);
        if (!b || !b->def || b->def->kind != NODE_MODEL) return NULL;
        return e->name->text;
    }
    const char *of = e->kind == NODE_MEMBER ? part_path(s, node_kid(e, 0)) : NULL;
    return of ? arena_printf(s->arena, "%s.%s", of, e->name->text) : NULL;
}

static bool add_path(Sema *s, const Node *e, const char *what, PartPaths *out) {
    const char *path = part_path(s, e);
    if (path) {
        vec_push(s->arena, &out->paths, path);
        vec_push(s->arena, &out->spans, e->span);
        return true;
    }
    const Node *root = e;
    while (root->kind == NODE_MEMBER && node_kid(root, 0)) root = node_kid(root, 0);
    if (root->kind == NODE_NAME && !scope_find(s->user, root->name)) return false; /* told before */
    Diag *d = sema_error(s, E_BLOCK, e->span, "`%s` wants models or parts of them", what);
    diag_help(d, "`%s[net.body]`, a path as `bmc explain` shows it",
              strcmp(what, "freeze") == 0 ? "freeze: " : "only = ");
    return false;
}

/* `[net.body, net.head]`, or one path without brackets. */
static bool read_paths(Sema *s, const Node *e, const char *what, PartPaths *out) {
    if (!e) return false;
    if (e->kind != NODE_DIMS) return add_path(s, e, what, out);
    bool ok = true;
    for (uint32_t i = 0; i < e->count; i++) ok &= add_path(s, e->kids[i], what, out);
    return ok;
}

/* Every path must be that of something the block used. */
static bool check_paths(Sema *s, const PartPaths *p) {
    bool ok = true;
    for (uint32_t i = 0; i < p->paths.len; i++) {
        const char *path = p->paths.data[i];
        Nearest near = {.wanted = path};
        bool found = false;
        for (uint32_t k = 0; k < s->program->slots.len && !found; k++) {
            const Slot *slot = &s->program->slots.data[k];
            if (slot->kind == SLOT_OPTIMIZER || slot->kind == SLOT_FIT) continue;
            found = path_within(slot->path->text, path);
            char *part = arena_strdup(s->arena, slot->path->text);
            for (char *dot = part + strlen(part); dot; dot = strrchr(part, '.')) {
                *dot = '\0';
                nearest_offer(&near, arena_strdup(s->arena, part));
            }
        }
        if (found) continue;
        Diag *d =
            sema_error(s, E_NAME, p->spans.data[i], "there are no parameters below `%s`", path);
        if (near.best) propose_name(d, p->spans.data[i], near.best);
        ok = false;
    }
    return ok;
}

bool read_freeze(Sema *s, const Node *block, PartPaths *out) {
    const Node *setting = block_setting(block, "freeze");
    *out = (PartPaths){.paths = {0}};
    return !setting || read_paths(s, node_kid(setting, 0), "freeze", out);
}

bool check_freeze(Sema *s, const PartPaths *frozen) {
    return check_paths(s, frozen);
}

/* ------------------------------------------------------------------ init */

static bool init_usage(Sema *s, const Node *setting) {
    Diag *d = sema_error(s, E_BLOCK, setting->span, "no such way to start");
    diag_help(d, "`init: \"base.safetensors\"`, or a part of it: "
                 "`init: load(\"base.safetensors\", only = [net.body])`");
    return false;
}

bool read_init(Sema *s, const Node *block, BmrtTrain *train) {
    const Node *setting = block_setting(block, "init");
    if (!setting) return true;
    const Node *e = node_kid(setting, 0), *path = e;
    PartPaths only = {.paths = {0}};
    train->line = sources_place(s->ctx->sources, setting->span).line;
    train->column = sources_place(s->ctx->sources, setting->span).column;
    if (e->kind == NODE_CALL) {
        const Node *callee = node_kid(e, 0);
        if (callee->kind != NODE_NAME || strcmp(callee->name->text, "load") != 0 || e->count < 2)
            return init_usage(s, setting);
        path = node_kid(e->kids[1], 0);
        if (e->kids[1]->name || e->count > 3) return init_usage(s, setting);
        if (e->count == 3) {
            const Node *arg = e->kids[2];
            if (!arg->name || strcmp(arg->name->text, "only") != 0) return init_usage(s, setting);
            if (!read_paths(s, node_kid(arg, 0), "only", &only)) return false;
        }
    }
    Value v = eval(s, path);
    if (value_is_poison(v)) return false;
    if (v.kind != V_STR) return init_usage(s, setting);
    train->init_path = v.as.str;
    train->init_only = only.paths.data;
    train->init_only_count = only.paths.len;
    return check_paths(s, &only);
}

/* ------------------------------------------------------------------ the machine */

/* What other systems call the two classes, and what comes near. */
static const char *precision_near(const char *word) {
    static const char *const other[][2] = {
        {"bfloat16", "bf16"}, {"bfloat", "bf16"}, {"b16", "bf16"},     {"half", "bf16"},
        {"f16", "bf16"},      {"fp16", "bf16"},   {"float16", "bf16"}, {"mixed", "bf16"},
        {"float32", "f32"},   {"fp32", "f32"},    {"float", "f32"},    {"single", "f32"},
        {"full", "f32"},      {"default", "f32"}, {"exact", "f32"},    {"f64", "f32"},
        {"tf32", "f32"},      {"highest", "f32"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(other[i][0], word) == 0) return other[i][1];
    Nearest near = {.wanted = word};
    nearest_offer(&near, "f32");
    nearest_offer(&near, "bf16");
    return near.best;
}

static bool wrong_precision(Sema *s, const Node *setting, const char *got, const char *word) {
    Diag *d = sema_error(s, E_BLOCK, setting->span, "`precision` is `f32` or `bf16`, got %s", got);
    const char *near = word ? precision_near(word) : NULL;
    if (near) diag_help(d, "did you mean `precision: %s`?", near);
    diag_help(d, "`bf16` rounds the operands of contractions, which sum in f32; types, weights and "
                 "the optimizer's state stay f32");
    return false;
}

bool read_machine(Sema *s, const Node *block, BmrtTrain *train, bool *bf16) {
    train->devices = 1;
    *bf16 = false;
    if (!setting_int(s, block, "devices", 1, &train->devices)) return false;
    const Node *precision = block_setting(block, "precision");
    if (!precision) return true;
    const Node *e = node_kid(precision, 0);
    if (e->kind == NODE_NAME && !scope_find(s->scope, e->name) && !name_is_special(e->name->text))
        return wrong_precision(s, precision, arena_printf(s->arena, "`%s`", e->name->text),
                               e->name->text);
    Value v = eval(s, e);
    if (value_is_poison(v)) return false;
    *bf16 = v.kind == V_DTYPE && v.as.dtype == DTYPE_BF16;
    if (*bf16 || (v.kind == V_DTYPE && v.as.dtype == DTYPE_F32)) return true;
    const char *word = v.kind == V_DTYPE ? dtype_name(v.as.dtype)
                       : v.kind == V_STR ? v.as.str
                                         : NULL;
    return wrong_precision(s, precision, value_string(s, v), word);
}

/* `accumulate` belongs to the short form, which knows what one update is. */
bool check_short_settings(Sema *s, const Node *block) {
    const Node *setting = find_step(block) ? block_setting(block, "accumulate") : NULL;
    if (!setting) return true;
    Diag *d =
        sema_error(s, E_BLOCK, setting->span,
                   "`accumulate` goes with `loss` and `optimizer`, not with a `step` of its own");
    diag_help(d, "accumulate with `loss:` and `optimizer:`, or use a larger `batch:`");
    return false;
}

/* ------------------------------------------------------------------ clip */

Value clip_gradient(Sema *s, const Node *block, Value g) {
    const Node *setting = block_setting(block, "clip");
    if (!setting || value_is_poison(g)) return g;
    const Node *e = node_kid(setting, 0);
    Value limit = eval(s, e);
    if (value_is_poison(limit)) return POISON;
    if (limit.kind != V_TENSOR && (limit.kind != V_NUM || !(value_number(limit) > 0))) {
        Diag *d = sema_error(s, E_BLOCK, setting->span, "`clip` wants a length above 0, got %s",
                             value_string(s, limit));
        diag_note(d, "gradients are scaled so that the norm of all of them together is at most it");
        return POISON;
    }
    Binding *rule = scope_find_here(s->prelude, ctx_sym(s->ctx, "clip_norm"));
    INVARIANT(rule != NULL);
    Value values[2] = {g, limit};
    const Node *nodes[2] = {NULL, e};
    Sym names[2] = {NULL, NULL};
    Args args = {.values = values, .nodes = nodes, .names = names, .count = 2};
    return call_value(s, binding_value(s, rule, e->span), &args, e, e->span);
}

/* ------------------------------------------------------------------ accumulate */

static uint32_t accumulator(Sema *s, const char *path, const Slot *like, const Node *setting) {
    Sym name = ctx_sym(s->ctx, path);
    int32_t found = slot_find(s, name);
    if (found >= 0) return (uint32_t)found;
    Slot slot = {.path = name, .kind = SLOT_OPTIMIZER, .dtype = DTYPE_F32, .span = setting->span};
    if (like) {
        slot.dtype = like->dtype;
        slot.rank = like->rank;
        memcpy(slot.dims, like->dims, sizeof slot.dims);
    }
    SlotInfo info = {.init = value_int(0)};
    return slot_add(s, &slot, &info);
}

/* With a_0 = 0, n_0 = 0: a_i = a_{i-1} + B_i g_i,  n_i = n_{i-1} + B_i,  for the batches i = 1 ...
 * k of a group in ascending order; the update sees a_k / n_k, the gradient of the mean loss over
 * the rows of the whole group when the loss of a batch is a mean over its rows. Micro: writes a_i,
 * n_i and gives NONE; else gives a_k / n_k and writes 0. */
Value accumulate_gradient(Sema *s, const BlockRun *run, Value model, Value g) {
    const Node *setting = block_setting(run->node, "accumulate");
    if (value_is_poison(g) || run->accumulate == 1) return g;
    const Node *e = node_kid(setting, 0);
    Bundle *parts, *weights, *mean = ARENA_NEW(s->arena, Bundle);
    mean->graph = sema_graph(s);
    if (!value_as_bundle(s, g, &parts, e->span) || !value_as_bundle(s, model, &weights, e->span))
        return POISON;
    mean->items = ARENA_ARRAY(s->arena, BundleItem, parts->count);
    uint32_t rows =
        accumulator(s, arena_printf(s->arena, "%s.accumulate.rows", run->root), NULL, setting);
    Value count = to_tensor(s, value_dim(s, run->rows), DTYPE_F32, e->span);
    Value n = op_binary(s, e, "+", read_slot(s, rows, e->span), count);
    for (uint32_t i = 0; i < parts->count; i++) {
        const BundleItem *part = &parts->items[i];
        const Slot *of = &s->program->slots.data[bundle_find(weights, part->path, i)->slot];
        const char *path = arena_printf(s->arena, "%s.accumulate.%s", run->root, of->path->text);
        Slot like = *of;
        uint32_t slot = accumulator(s, path, &like, setting);
        Value b = like.dtype == DTYPE_F32
                      ? count
                      : to_tensor(s, value_dim(s, run->rows), like.dtype, e->span);
        Value sum = op_binary(s, e, "+", read_slot(s, slot, e->span),
                              op_binary(s, e, "*", bundle_tensor(parts, i), b));
        if (value_is_poison(sum)) return POISON;
        write_slot(s, slot, run->micro ? sum : value_int(0), e->span);
        Value all = n;
        if (like.dtype != DTYPE_F32)
            all = value_tensor(s, g_cast(sema_graph(s), like.dtype, n.as.tensor.node, e->span));
        Value v = op_binary(s, e, "/", sum, all);
        if (value_is_poison(v)) return POISON;
        mean->items[mean->count++] =
            (BundleItem){.path = part->path, .slot = -1, .node = v.as.tensor.node};
    }
    write_slot(s, rows, run->micro ? n : value_int(0), e->span);
    return run->micro ? NONE : (Value){.kind = V_BUNDLE, .as.bundle = mean};
}
