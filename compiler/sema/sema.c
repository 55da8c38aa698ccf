/* The whole elaboration: declarations, names, roots. */
#include "compiler/sema/elaborate.h"
#include "compiler/sema/use_files.h"

/* ------------------------------------------------------------------ declarations */

static bool named_item(const Node *item) {
    return item->name && item->kind != NODE_TRAIN && item->kind != NODE_TEST;
}

static void declare_items(Sema *s, const Node *file, Scope *scope) {
    for (uint32_t i = 0; i < file->count; i++) {
        const Node *item = file->kids[i];
        if (!named_item(item)) continue;
        if (name_is_fixed(item->name->text))
            sema_error(s, E_DUPLICATE, item->name_span, "`%s` is a name of the language itself",
                       item->name->text);
        Binding *old = scope_find_here(scope, item->name);
        if (old) {
            Diag *d = sema_error(s, E_DUPLICATE, item->name_span, "`%s` is defined twice",
                                 item->name->text);
            diag_label(d, old->span, "first here");
            continue;
        }
        Binding b = {.name = item->name, .span = item->name_span, .def = item};
        vec_push(s->arena, &scope->names, b);
    }
}

void declare_file(Sema *s, const Node *file, Scope *scope) {
    declare_items(s, file, scope);
    use_files(s, file, scope);
}

static void check_block_names(Sema *s, const Node *file) {
    const Node *unnamed = NULL;
    for (uint32_t i = 0; i < file->count; i++) {
        const Node *item = file->kids[i];
        if (item->kind != NODE_TRAIN) continue;
        if (!item->name && unnamed) {
            Diag *d = sema_error(s, E_BLOCK, item->span, "a second train block without a name");
            diag_label(d, unnamed->span, "the first one");
            diag_help(d, "`train warmup { ... }`");
        }
        if (!item->name) unnamed = item;
        for (uint32_t k = 0; k < i && item->name; k++)
            if (file->kids[k]->name == item->name)
                sema_error(s, E_DUPLICATE, item->name_span, "`%s` is defined twice",
                           item->name->text);
    }
}

static void check_defines(Sema *s, const Node *file) {
    for (uint32_t i = 0; i < s->options->define_count; i++) {
        const char *name = s->options->defines[i].name;
        Nearest near = {.wanted = name};
        bool found = false;
        for (uint32_t k = 0; k < file->count; k++) {
            if (file->kids[k]->kind != NODE_LET) continue;
            found |= strcmp(file->kids[k]->name->text, name) == 0;
            nearest_offer(&near, file->kids[k]->name->text);
        }
        if (found) continue;
        Diag *d = ctx_error(s->ctx, E_DEFINE, (Span){0}, "-D %s=%s: the file has no `let %s`", name,
                            s->options->defines[i].text, name);
        if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    }
}

/* ------------------------------------------------------------------ definitions without a root */

static Value generic_setting(Sema *s, const Node *par) {
    const Node *type = node_kid(par, 1);
    if (type && type->name && strcmp(type->name->text, "dim") == 0 && !node_kid(par, 0))
        return value_dim(s, dim_symbol(s->program->dims, par->name, 64));
    return POISON;
}

/* Inputs with a new run-time dim for every free name; false when the list cannot be made up. */
static bool generic_inputs(Sema *s, Graph *g, const Node *list, Scope *probe, Args *args) {
    *args = (Args){.values = ARENA_ARRAY(s->arena, Value, list->count + 1),
                   .nodes = ARENA_ARRAY(s->arena, const Node *, list->count + 1),
                   .names = ARENA_ARRAY(s->arena, Sym, list->count + 1)};
    for (uint32_t i = 0; i < list->count; i++) {
        const Node *par = list->kids[i], *dims = node_kid(par, 0), *type = node_kid(par, 1);
        if (node_kid(par, 2)) break; /* has a default, and so have those after it */
        DType dtype = type ? type_dtype(type) : DTYPE_F32;
        Value v = POISON;
        if (!dims && (!type || dtype == DTYPE_COUNT)) {
            v = generic_setting(s, par);
            scope_set(s, probe, par->name, v, par->name_span);
        } else if (dtype != DTYPE_COUNT) {
            Shape shape;
            for (uint32_t k = 0; dims && k < dims->count; k++) {
                const Node *e = dims->kids[k];
                if (e->kind == NODE_ELLIPSIS) return false;
                Binding *known = e->kind == NODE_NAME ? scope_find(probe, e->name) : NULL;
                if (e->kind != NODE_NAME ||
                    (known && (!known->def || known->def->kind == NODE_LET)))
                    continue;
                DimId d = dim_symbol(s->program->dims, e->name, 64);
                scope_set(s, probe, e->name, value_dim(s, d), e->span);
            }
            Scope *saved = s->scope;
            s->scope = probe;
            bool ok = eval_shape(s, dims, &shape);
            s->scope = saved;
            if (!ok) return false;
            v = value_tensor(s, g_input(g, par->name, dtype, &shape, par->span));
            v.decl = par;
        }
        if (value_is_poison(v)) return false;
        args->values[args->count] = v;
        args->nodes[args->count++] = par;
    }
    return true;
}

/* A model or layer that no root uses is elaborated with run-time dims, so that its mistakes show.
 */
static void check_generic(Sema *s, const Node *def) {
    uint32_t done;
    if (ptrmap_get(&s->reached, def, &done)) return;
    bool layer = def->kind == NODE_LAYER, two = layer && node_kid(def, 1);
    Scope *home = use_scope(s, def->span.file), *probe = scope_new(s, home, true);
    Build build;
    Args settings = {.count = 0}, args;
    build_begin(s, &build);
    Frame f;
    s->scope = home;
    frame_push(s, &f, NULL, NULL, (Span){0});
    f.base = true;
    f.root = "check";
    s->generic = s->training = true;
    s->doubt = false;
    s->made_up = two;
    const Node *list = node_kid(def, two ? 1 : 0);
    bool ok = true;
    if (two) ok = generic_inputs(s, build.g, node_kid(def, 0), probe, &settings);
    Value inst = POISON;
    if (ok && !layer) inst = binding_value(s, scope_find(home, def->name), def->name_span);
    if (ok && !layer && inst.kind == V_INSTANCE && inst.as.instance->inner) {
        const Node *inner = inst.as.instance->inner->def;
        list = node_kid(inner, node_kid(inner, 1) ? 1 : 0);
        for (uint32_t i = 0; i < inst.as.instance->inner->settings->names.len; i++)
            vec_push(s->arena, &probe->names, inst.as.instance->inner->settings->names.data[i]);
    }
    ok = ok && list && generic_inputs(s, build.g, list, probe, &args);
    if (ok && layer) {
        inst = instance_new(s, def, home, &settings, def, NULL, def->name_span);
        if (inst.kind == V_INSTANCE) inst.as.instance->rooted = true;
    }
    if (ok && inst.kind == V_INSTANCE) instance_apply(s, inst.as.instance, &args, NULL, (Span){0});
    s->generic = false;
    s->training = false;
    frame_pop(s, &f);
    build_end(s, &build);
}

bool model_declared(Sema *s, Instance *inst, const Node *e) {
    uint32_t at;
    const Node *def = inst->def, *list = node_kid(def, node_kid(def, 1) && def->kind != NODE_MODEL);
    if (ptrmap_get(&s->path_index, ctx_sym(s->ctx, inst->path), &at)) return true;
    Scope *saved = s->scope, *probe = scope_new(s, inst->env, true);
    for (uint32_t i = 0; i < inst->settings->names.len; i++)
        vec_push(s->arena, &probe->names, inst->settings->names.data[i]);
    Build build;
    Args args;
    Frame f;
    build_begin(s, &build);
    frame_push(s, &f, NULL, NULL, (Span){0});
    f.base = true;
    f.root = "declared";
    s->scope = inst->env;
    s->discovering = true;
    s->declared = inst;
    s->declared_for = e;
    uint32_t errors = diags_errors(s->ctx->diags);
    bool ok = generic_inputs(s, build.g, list, probe, &args);
    if (ok) {
        instance_apply(s, inst, &args, NULL, (Span){0});
        ok = diags_errors(s->ctx->diags) == errors;
    } else if (diags_errors(s->ctx->diags) == errors) {
        Diag *d = sema_error(s, E_INSTANCE, e->span,
                             "nothing applies `%s`, so `%s` has no layers to take one of",
                             inst->path, inst->path);
        diag_label(d, list->span, "these do not say all that would be needed to make them");
        diag_help(d, "give each argument its axes, as in `x[B, 8]`, or apply `%s` in an export",
                  inst->path);
    }
    s->declared = NULL;
    s->discovering = false;
    s->scope = saved;
    frame_pop(s, &f);
    build_end(s, &build);
    return ok;
}

/* ------------------------------------------------------------------ roots */

static void declare_data(Sema *s) {
    for (uint32_t f = 0; f < use_count(s); f++) {
        const Node *file = use_tree(s, f);
        for (uint32_t i = 0; i < file->count; i++) extern_declare(s, file->kids[i], NULL);
    }
    for (uint32_t f = 0; f < use_count(s); f++) {
        const Node *file = use_tree(s, f);
        for (uint32_t i = 0; i < file->count; i++)
            if (file->kids[i]->kind == NODE_DATA) data_declare(s, file->kids[i]);
    }
}

/* What no root reached, of this file and the used ones. */
static void check_rest(Sema *s) {
    static const NodeKind KINDS[] = {NODE_MODEL, NODE_LAYER};
    for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++)
        for (uint32_t f = 0; f < use_count(s); f++) {
            const Node *file = use_tree(s, f);
            for (uint32_t i = 0; i < file->count; i++)
                if (file->kids[i]->kind == KINDS[k]) check_generic(s, file->kids[i]);
        }
}

static void run_roots(Sema *s) {
    const Node *file = s->file;
    uint32_t tests = 0;
    declare_data(s);
    for (uint32_t i = 0; i < s->data.len; i++)
        if (s->options->roots & (SEMA_TRAIN | SEMA_TEST))
            data_entries(s, s->data.data[i]);
        else
            data_rows(s, s->data.data[i]);
    for (uint32_t i = 0; i < file->count; i++)
        if (file->kids[i]->kind == NODE_LET)
            binding_value(s, scope_find(s->user, file->kids[i]->name), file->kids[i]->name_span);
    if (s->options->roots & SEMA_TRAIN)
        for (uint32_t i = 0; i < file->count; i++)
            if (file->kids[i]->kind == NODE_TRAIN) make_train(s, file->kids[i]);
    if (s->options->roots & SEMA_TEST)
        for (uint32_t i = 0; i < file->count; i++)
            if (file->kids[i]->kind == NODE_TEST) make_test(s, file->kids[i], tests++);
    for (uint32_t i = 0; i < file->count; i++)
        if (file->kids[i]->kind == NODE_FN && (file->kids[i]->flags & NODE_FLAG_EXPORT))
            make_export(s, file->kids[i], s->user);
    check_rest(s);
    for (uint32_t i = 0; i < file->count; i++)
        if ((file->kids[i]->flags & NODE_FLAG_EXPORT) && file->kids[i]->kind != NODE_FN)
            sema_error(s, E_SYNTAX, file->kids[i]->span, "only a `fn` can be exported");
}

static void finish_graphs(Sema *s) {
    Program *p = s->program;
    for (uint32_t i = 0; i < p->entries.len; i++) {
        p->entries.data[i].graph->slots = p->slots.data;
        p->entries.data[i].graph->slot_count = p->slots.len;
    }
}

static Sema *sema_create(Context *ctx, const Node *file, const SemaOptions *options) {
    Sema *s = ARENA_NEW(ctx->arena, Sema);
    s->ctx = ctx;
    s->arena = ctx->arena;
    s->options = options;
    s->file = file;
    Program *p = ARENA_NEW(s->arena, Program);
    s->program = p;
    p->ctx = ctx;
    p->stem = options->stem;
    p->dims = dims_create(s->arena);
    p->init_entry = -1;
    return s;
}

/* Without warnings that -Werror counts among them. */
static uint32_t mistakes(const Diags *diags) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < diags_count(diags); i++)
        count += diags_get(diags, i)->severity == SEVERITY_ERROR;
    return count;
}

static Program *run(Sema *s) {
    Context *ctx = s->ctx;
    const Node *file = s->file;
    Program *p = s->program;
    uint32_t before = diags_errors(ctx->diags), wrong = mistakes(ctx->diags);
    s->prelude = prelude_scope(s);
    s->user = scope_new(s, s->prelude, true);
    s->user->file = true;
    s->scope = s->user;
    use_main(s);
    declare_file(s, file, s->user);
    p->source = use_source(s);
    check_block_names(s, file);
    check_defines(s, file);
    bool ends = use_resolve(s);
    if (ends) run_roots(s);
    if (mistakes(ctx->diags) != wrong) return NULL;
    warn_file(s);
    if (diags_errors(ctx->diags) != before) return NULL; /* -Werror */
    make_init(s);
    finish_graphs(s);
    return diags_errors(ctx->diags) == before ? p : NULL;
}

Program *sema_try_program(Context *ctx, const Node *file, const SemaOptions *options) {
    return run(sema_create(ctx, file, options));
}

Program *sema_run(Context *ctx, const Node *file, const SemaOptions *options) {
    Sema *s = sema_create(ctx, file, options);
    Program *p = run(s);
    if (!p) fixes_check(s);
    return p;
}
