/* Names, before anything is evaluated: every name of the file is looked up once, in the scope where
 * it stands, so that unknown names are reported even in definitions that nothing uses; and what can
 * be told from the tree alone: parameters in a `fn`, states that are never written, definitions
 * that use themselves. */
#include "compiler/sema/bind.h"
#include "compiler/sema/cycles.h"

typedef struct Inner { /* a name of a block that has ended */
    Sym name;
    Span span;
    const Node *around; /* the `if`, `repeat` or `scan` */
} Inner;
typedef struct Resolver {
    Sema *s;
    Scope *scope, *top; /* where it stands; the file's */
    const Node *def;    /* the item being resolved */
    uint32_t item;      /* its number among the file's items */
    const Node *file;
    uint32_t loops;       /* `scan` and `repeat` around */
    const Node *scan;     /* the innermost `scan` around, or NULL */
    Scope *indices;       /* of the index statement around, or NULL */
    bool columns_unknown; /* a block whose data is unknown: names may be columns */
    VEC(Edge) edges;
    VEC(Inner) inner;   /* of this definition */
    const Node *around; /* whose block is next */
} Resolver;

static void visit(Resolver *r, const Node *n);

static void declare(Resolver *r, Sym name, Span span) {
    scope_set(r->s, r->scope, name, POISON, span);
}

static Scope *open_scope(Resolver *r) {
    Scope *outer = r->scope;
    r->scope = scope_new(r->s, outer, false);
    return outer;
}

static void visit_kids(Resolver *r, const Node *n) {
    for (uint32_t i = 0; n && i < n->count; i++) visit(r, n->kids[i]);
}

/* ------------------------------------------------------------------ unknown names */

/* The name is bound, but in a block that has ended. */
static bool stayed_inside(Resolver *r, const Node *n) {
    const Inner *found = NULL;
    for (uint32_t i = 0; i < r->inner.len; i++)
        if (r->inner.data[i].name == n->name) found = &r->inner.data[i];
    if (!found) return false;
    const char *name = n->name->text, *around = node_kind_name(found->around->kind);
    Diag *d = sema_error(r->s, E_NAME, n->span, "`%s` is known only inside the `%s`", name, around);
    diag_label(d, found->span, "first bound here");
    bool scan = found->around->kind == NODE_SCAN;
    diag_note(d,
              scan ? "names of one iteration of a `%s` end with it"
                   : "`%s` rebinds names from outside; names first bound inside stay inside",
              around);
    if (scan)
        diag_help(d, "carry it, `with %s = ...`, or `yield` it", name);
    else
        diag_help(d, "bind `%s` before the `%s`", name, around);
    return true;
}

static void use_name(Resolver *r, const Node *n) {
    Binding *b = scope_find(r->scope, n->name);
    if (!b) {
        if (!name_is_special(n->name->text) && !r->columns_unknown && !stayed_inside(r, n))
            report_unknown(r->s, r->scope, n);
        return;
    }
    if (!b->def || !r->file) return;
    for (uint32_t i = 0; i < r->file->count; i++)
        if (r->file->kids[i] == b->def) {
            Edge e = {.from = r->item, .to = i};
            vec_push(r->s->arena, &r->edges, e);
        }
}

/* ------------------------------------------------------------------ expressions */

static bool is_reduction_name(const Node *n) {
    return n && n->kind == NODE_NAME && index_reduction_name(n->name->text);
}

static void visit_call(Resolver *r, const Node *n) {
    const Node *callee = node_kid(n, 0);
    bool reduction = callee && callee->kind == NODE_INDEX && is_reduction_name(node_kid(callee, 0));
    Scope *outer = r->scope;
    if (reduction) {
        open_scope(r);
        for (uint32_t i = 1; i < callee->count; i++)
            if (callee->kids[i]->kind == NODE_NAME)
                declare(r, callee->kids[i]->name, callee->kids[i]->span);
    } else {
        visit(r, callee);
    }
    for (uint32_t i = 1; i < n->count; i++) visit_kids(r, n->kids[i]);
    r->scope = outer;
}

static void visit_lambda(Resolver *r, const Node *n) {
    const Node *names = node_kid(n, 0);
    Scope *outer = open_scope(r);
    for (uint32_t i = 0; names && i < names->count; i++)
        if (names->kids[i]->kind == NODE_NAME)
            declare(r, names->kids[i]->name, names->kids[i]->span);
    visit(r, node_kid(n, 1));
    r->scope = outer;
}

static void visit_member(Resolver *r, const Node *n) {
    const Node *of = node_kid(n, 0);
    if (of && of->kind == NODE_NAME && r->def && r->def->kind == NODE_TRAIN &&
        (strcmp(of->name->text, "valid") == 0 || strcmp(of->name->text, "train") == 0))
        return;
    visit(r, of);
}

static void visit_scan(Resolver *r, const Node *n) {
    const Node *over = node_kid(n, 0), *with = node_kid(n, 2);
    for (uint32_t i = 0; over && i < over->count; i++) visit_kids(r, over->kids[i]);
    for (uint32_t i = 0; with && i < with->count; i++) visit_kids(r, with->kids[i]);
    visit(r, node_kid(n, 1));
    for (uint32_t i = 0; with && i < with->count; i++) /* carries live on afterwards */
        declare(r, with->kids[i]->name, with->kids[i]->name_span);
    Scope *outer = open_scope(r);
    for (uint32_t i = 0; over && i < over->count; i++)
        declare(r, over->kids[i]->name, over->kids[i]->name_span);
    const Node *around = r->scan;
    r->scan = n;
    r->around = n;
    r->loops++;
    visit(r, node_kid(n, 3));
    r->loops--;
    r->scan = around;
    r->scope = outer;
}

static void visit_yield(Resolver *r, const Node *n) {
    visit_kids(r, n);
    if (r->loops) return;
    Diag *d = sema_error(r->s, E_SYNTAX, n->span, "`yield` outside a `scan` or `repeat`");
    diag_help(d, "to give the value of a function or layer, `return` it");
}

static void visit_return(Resolver *r, const Node *n) {
    visit_kids(r, n);
    if (!r->scan) return;
    Diag *d = sema_error(r->s, E_SYNTAX, n->span, "`return` inside a `scan`: every iteration runs");
    diag_help(d, "`yield` the value of an iteration, or carry it on and `return` it afterwards");
}

/* ------------------------------------------------------------------ statements */

static void declare_targets(Resolver *r, const Node *t) {
    if (!t) return;
    if (t->kind == NODE_NAME)
        declare(r, t->name, t->span);
    else if (t->kind == NODE_TUPLE || t->kind == NODE_LIST)
        for (uint32_t i = 0; i < t->count; i++) declare_targets(r, t->kids[i]);
    else if (t->kind == NODE_INDEX && node_kid(t, 0) && node_kid(t, 0)->kind == NODE_NAME)
        declare(r, node_kid(t, 0)->name, node_kid(t, 0)->span);
}

/* A place in brackets of an index statement. */
static void visit_place(Resolver *r, const Node *n) {
    if (n->kind != NODE_NAME || scope_find(r->scope, n->name) || name_is_special(n->name->text)) {
        visit(r, n);
        return;
    }
    report_no_index(r->s, r->scope, n);
    scope_set(r->s, r->indices, n->name, POISON, n->span); /* told once a statement */
}

static void visit_index(Resolver *r, const Node *n) {
    visit(r, node_kid(n, 0));
    for (uint32_t i = 1; i < n->count; i++) (r->indices ? visit_place : visit)(r, n->kids[i]);
}

/* Whether a `sum[name]` or its like stands in n. */
static bool reduces_over(const Node *n, Sym name) {
    if (!n) return false;
    if (n->kind == NODE_INDEX && is_reduction_name(node_kid(n, 0)))
        for (uint32_t i = 1; i < n->count; i++)
            if (n->kids[i]->kind == NODE_NAME && n->kids[i]->name == name) return true;
    for (uint32_t i = 0; i < n->count; i++)
        if (reduces_over(n->kids[i], name)) return true;
    return false;
}

/* `where i < n`: i may be an index of a reduction inside the value. */
static void visit_where(Resolver *r, const Node *where, const Node *value) {
    for (uint32_t i = 0; where && i < where->count; i++) {
        const Node *c = where->kids[i], *name = node_kid(c, 0);
        if (c->kind == NODE_BINARY && name->kind == NODE_NAME && reduces_over(value, name->name))
            visit(r, node_kid(c, 1));
        else
            visit(r, c);
    }
}

static void visit_assign(Resolver *r, const Node *n) {
    const Node *targets = node_kid(n, 0);
    Scope *outer = r->scope;
    if (targets && targets->count == 1 && targets->kids[0]->kind == NODE_INDEX) {
        const Node *index = targets->kids[0];
        open_scope(r);
        r->indices = r->scope;
        for (uint32_t i = 1; i < index->count; i++)
            if (index->kids[i]->kind == NODE_NAME)
                declare(r, index->kids[i]->name, index->kids[i]->span);
    }
    visit(r, node_kid(n, 1));
    visit_where(r, node_kid(n, 2), node_kid(n, 1));
    r->scope = outer;
    r->indices = NULL;
    /* inside `if` and `repeat`, an outer name is rebound; a new one stays inside */
    declare_targets(r, targets);
}

static void visit_block(Resolver *r, const Node *n) {
    const Node *around = r->around;
    Scope *outer = open_scope(r);
    r->around = NULL;
    visit_kids(r, n);
    for (uint32_t i = 0; around && i < r->scope->names.len; i++) {
        const Binding *b = &r->scope->names.data[i];
        if (scope_find(outer, b->name)) continue;
        Inner inner = {b->name, b->span, around};
        vec_push(r->s->arena, &r->inner, inner);
    }
    r->scope = outer;
}

static void visit_if(Resolver *r, const Node *n) {
    visit(r, node_kid(n, 0));
    for (uint32_t i = 1; i < n->count; i++) {
        r->around = n;
        visit(r, n->kids[i]);
    }
    r->around = NULL;
}

static void visit_repeat(Resolver *r, const Node *n) {
    visit(r, node_kid(n, 0));
    Scope *outer = open_scope(r);
    if (n->name) declare(r, n->name, n->name_span);
    r->loops++;
    r->around = n;
    visit(r, node_kid(n, 1));
    r->loops--;
    r->scope = outer;
}

static void visit_slot(Resolver *r, const Node *n) {
    const Node *par = node_kid(n, 0);
    if (!par || par->kind != NODE_PAR) return;
    if (r->def && r->def->kind == NODE_FN) {
        Diag *d = sema_error(r->s, E_PURITY, n->span, "a `fn` cannot own %s",
                             n->kind == NODE_PARAM ? "parameters" : "state");
        Span fn = {r->def->span.file, r->def->span.begin, r->def->span.begin + 2};
        diag_label(d, r->def->flags & NODE_FLAG_EXPORT ? r->def->name_span : fn,
                   "this is a function: calling it twice would have to mean the same weights, or "
                   "different ones");
        const Node *body = node_kid(r->def, 3);
        Span head = {r->def->span.file, r->def->span.begin, body ? body->span.begin : 0};
        DiagFix fix = {.span = head, .interface = true};
        const char *layer = as_layer(r->s, r->def);
        fix.text = arena_printf(r->s->arena, "%s ", layer);
        diag_fix(d, fix, "make it a layer, settings first: `%s`", layer);
    }
    check_type(r->s, node_kid(par, 1), true);
    visit(r, node_kid(par, 0));
    visit(r, node_kid(n, 1));
    declare(r, par->name, par->name_span);
}

static void visit_piece(void *user, const Node *value) {
    visit(user, value);
}

static void visit_assert(Resolver *r, const Node *n) {
    const Node *message = node_kid(n, 1);
    visit(r, node_kid(n, 0));
    if (message && message->kind == NODE_STRING)
        message_values(r->s, message, visit_piece, r);
    else
        visit(r, message);
}

static const Node *slot_of(const Node *n, Sym name) {
    if (!n) return NULL;
    if ((n->kind == NODE_PARAM || n->kind == NODE_STATE) && node_kid(n, 0) &&
        node_kid(n, 0)->name == name)
        return n;
    for (uint32_t i = 0; i < n->count; i++) {
        const Node *found = slot_of(n->kids[i], name);
        if (found) return found;
    }
    return NULL;
}

static bool is_parameter(const Node *def, Sym name) {
    const Node *list = node_kid(def, node_kid(def, 1) ? 1 : 0);
    for (uint32_t i = 0; list && i < list->count; i++)
        if (list->kids[i]->name == name) return true;
    return false;
}

/* `:=` writes states; in an optimizer also its arguments. */
static void visit_update(Resolver *r, const Node *n) {
    const Node *targets = node_kid(n, 0);
    visit_kids(r, n);
    for (uint32_t i = 0; targets && r->def && i < targets->count; i++) {
        const Node *t = targets->kids[i];
        if (t->kind != NODE_NAME) continue;
        bool rule = r->def->kind == NODE_OPTIMIZER;
        const Node *slot = slot_of(r->def, t->name);
        if ((slot && (slot->kind == NODE_STATE || rule)) || (rule && is_parameter(r->def, t->name)))
            continue;
        if (slot) {
            Diag *d = sema_error(r->s, E_WRITE, t->span,
                                 "only an optimizer may write the param `%s`", t->name->text);
            diag_label(d, slot->span, "declared here");
            diag_help(d, "declare it `state` if the layer itself changes it");
            continue;
        }
        Binding *b = scope_find(r->scope, t->name);
        if (!b) continue;
        Diag *d =
            sema_error(r->s, E_WRITE, t->span, "`%s` is no `state` of this body", t->name->text);
        if (!span_in_prelude(r->s, b->span))
            diag_label(d, b->span, "`%s` is bound here", t->name->text);
        diag_help(d, "name a new value with `=`");
    }
}

static void visit_minimize(Resolver *r, const Node *n) {
    if (!r->def || r->def->kind == NODE_TRAIN) {
        visit_kids(r, n);
        return;
    }
    const char *word = n->flags & NODE_FLAG_MAXIMIZE ? "maximize" : "minimize";
    Diag *d =
        sema_error(r->s, E_WRITE, n->span, "`%s` belongs in the `step` of a train block", word);
    diag_help(d, "`train { step(x, y) { %s ... } }`", word);
}

/* ------------------------------------------------------------------ definitions */

/* A bare name in the brackets of a parameter is bound there unless it is known. */
static void declare_dims(Resolver *r, const Node *dims) {
    for (uint32_t i = 0; dims && i < dims->count; i++) {
        const Node *e = dims->kids[i];
        if (e->kind == NODE_NAME && !scope_find(r->scope, e->name))
            declare(r, e->name, e->span);
        else if (e->kind == NODE_ELLIPSIS && e->name)
            declare(r, e->name, e->span);
        else if (e->kind != NODE_NAME && e->kind != NODE_ELLIPSIS)
            visit(r, e);
    }
}

static void declare_list(Resolver *r, const Node *list) {
    check_list_types(r->s, list);
    for (uint32_t i = 0; list && i < list->count; i++) {
        const Node *par = list->kids[i];
        if (par->kind != NODE_PAR) continue;
        declare_dims(r, node_kid(par, 0));
        visit(r, node_kid(par, 2));
        Binding *b = scope_find_here(r->scope, par->name);
        if (b && b->span.begin != par->name_span.begin && r->def && r->def->kind != NODE_TRAIN) {
            Diag *d = sema_error(r->s, E_DUPLICATE, par->name_span, "`%s` is declared twice",
                                 par->name->text);
            diag_label(d, b->span, "first here");
        }
        declare(r, par->name, par->name_span);
    }
}

static uint32_t mentions(const Node *n, Sym name) {
    if (!n) return 0;
    uint32_t count = n->kind == NODE_NAME && n->name == name;
    for (uint32_t i = 0; i < n->count; i++) count += mentions(n->kids[i], name);
    return count;
}

/* A dim that is bound once, never used, and spelt almost like a `let` is likely a mistake. */
static void check_new_dims(Resolver *r, const Node *def, const Node *list) {
    for (uint32_t i = 0; list && i < list->count; i++) {
        const Node *dims = node_kid(list->kids[i], 0);
        for (uint32_t k = 0; dims && k < dims->count; k++) {
            const Node *e = dims->kids[k];
            if (e->kind != NODE_NAME || e->name->len < 3 || scope_find(r->top, e->name) ||
                mentions(def, e->name) != 1)
                continue;
            Nearest near = {.wanted = e->name->text};
            for (uint32_t b = 0; b < r->top->names.len; b++)
                if (r->top->names.data[b].def->kind == NODE_LET)
                    nearest_offer(&near, r->top->names.data[b].name->text);
            if (!near.best) continue;
            Diag *d = ctx_warning(r->s->ctx, W_NEW_DIM, e->span, "new dim `%s`; did you mean `%s`?",
                                  e->name->text, near.best);
            diag_help(d,
                      "a name in the brackets of a parameter that is not in scope binds a new dim");
        }
    }
}

static void visit_definition(Resolver *r, const Node *n) {
    bool model = n->kind == NODE_MODEL;
    Scope *outer = open_scope(r);
    declare_list(r, node_kid(n, 0));
    if (!model) declare_list(r, node_kid(n, 1));
    const Node *result = node_kid(n, model ? 1 : 2), *body = node_kid(n, model ? 2 : 3);
    for (uint32_t i = 0; result && i < result->count; i++) {
        declare_dims(r, node_kid(result->kids[i], 0));
        check_type(r->s, node_kid(result->kids[i], 1), node_kid(result->kids[i], 0) != NULL);
    }
    visit(r, body);
    check_new_dims(r, n, node_kid(n, 0));
    if (!model) check_new_dims(r, n, node_kid(n, 1));
    if (n->kind != NODE_FN) check_states(r->s, body);
    if (n->kind == NODE_OPTIMIZER && !node_kid(n, 1)) {
        Diag *d =
            sema_error(r->s, E_ARGUMENT, n->name_span,
                       "optimizer `%s` needs two lists: settings, then tensors", n->name->text);
        const Node *list = node_kid(n, 0);
        DiagFix fix = {.span = {n->span.file, n->name_span.end, n->name_span.end}, .text = "()"};
        if (list)
            diag_fix(d, fix, "`optimizer %s()%s`", n->name->text, written_text(r->s, list));
        else
            diag_help(d, "`optimizer %s()(w[...], g[...])`", n->name->text);
    }
    r->scope = outer;
}

/* ------------------------------------------------------------------ blocks */

static void visit_source_args(Resolver *r, const Node *e) {
    if (!e || e->kind != NODE_CALL) return;
    for (uint32_t i = 1; i < e->count; i++) {
        const Node *value = node_kid(e->kids[i], 0);
        if (value && value->kind == NODE_CALL)
            visit_source_args(r, value);
        else
            visit(r, value);
    }
}

static void declare_fields(Resolver *r, const Node *data) {
    for (uint32_t i = 0; i < data->count; i++) {
        const Node *entry = data->kids[i];
        const Node *par = entry->kind == NODE_FIELD ? node_kid(entry, 0) : NULL;
        if (par) declare(r, par->name, par->name_span);
    }
}

/* Settings that are expressions over the fields, not files or ways to split. */
static bool is_cleaning(const Node *setting) {
    return strcmp(setting->name->text, "drop") == 0 || strcmp(setting->name->text, "dedup") == 0;
}

/* Dims, and the arguments of `category(...)`. */
static void visit_field(Resolver *r, const Node *par) {
    const Node *type = node_kid(par, 1);
    visit(r, node_kid(par, 0));
    for (uint32_t i = 0; type && i < type->count; i++) visit_kids(r, type->kids[i]);
    visit(r, node_kid(par, 2));
}

static void visit_data(Resolver *r, const Node *n) {
    Scope *outer = open_scope(r);
    declare_fields(r, n);
    for (uint32_t i = 0; i < n->count; i++) {
        const Node *entry = n->kids[i];
        if (entry->kind == NODE_SETTING && !is_cleaning(entry))
            visit_source_args(r, node_kid(entry, 0));
        else if (entry->kind == NODE_FIELD && node_kid(entry, 0))
            visit_field(r, node_kid(entry, 0));
        else if (entry->kind == NODE_SETTING)
            visit(r, node_kid(entry, 0));
        else
            visit(r, entry);
    }
    r->scope = outer;
}

/* Fields and transformed names of the data that the block reads. */
static void declare_columns(Resolver *r, const Node *block) {
    const Node *setting = block_setting(block, "data");
    const Node *e = setting ? node_kid(setting, 0) : NULL;
    if (e && e->kind == NODE_MEMBER) e = node_kid(e, 0);
    if (!e || e->kind != NODE_NAME) return;
    Binding *b = scope_find(r->scope, e->name);
    if (!b || !b->def || b->def->kind != NODE_DATA) {
        r->columns_unknown = true;
        return;
    }
    declare_fields(r, b->def);
    for (uint32_t i = 0; i < b->def->count; i++)
        if (b->def->kids[i]->kind == NODE_ASSIGN) declare_targets(r, node_kid(b->def->kids[i], 0));
}

/* A name that means nothing is told with the classes there are, by train_settings.c. */
static void visit_precision(Resolver *r, const Node *e) {
    if (e && (e->kind != NODE_NAME || scope_find(r->scope, e->name))) visit(r, e);
}

/* `data: NAME` or `data: NAME.split`. */
static void visit_data_name(Resolver *r, const Node *e) {
    const Node *root = e && e->kind == NODE_MEMBER ? node_kid(e, 0) : e;
    if (!root || root->kind != NODE_NAME || scope_find(r->scope, root->name)) {
        visit(r, e);
        return;
    }
    report_no_data(r->s, r->top, root);
}

static void visit_train(Resolver *r, const Node *n) {
    Scope *outer = open_scope(r);
    const Node *data = block_setting(n, "data");
    if (data) visit_data_name(r, node_kid(data, 0));
    declare_columns(r, n);
    for (uint32_t i = 0; i < n->count; i++) {
        const Node *entry = n->kids[i];
        if (entry == data) continue;
        if (entry->kind == NODE_SETTING &&
            (strcmp(entry->name->text, "stop") == 0 || strcmp(entry->name->text, "save") == 0)) {
            visit_source_args(r, node_kid(entry, 0));
        } else if (entry->kind == NODE_SETTING && strcmp(entry->name->text, "precision") == 0) {
            visit_precision(r, node_kid(entry, 0));
        } else if (entry->kind == NODE_SETTING || entry->kind == NODE_METRIC) {
            visit_kids(r, entry);
        } else if (entry->kind == NODE_STEP) {
            Scope *block = open_scope(r);
            declare_list(r, node_kid(entry, 0));
            visit_kids(r, node_kid(entry, 1));
            r->scope = block;
        }
    }
    r->columns_unknown = false;
    r->scope = outer;
}

typedef void (*Visitor)(Resolver *, const Node *);
static const Visitor VISITORS[NODE_KIND_COUNT] = {[NODE_NAME] = use_name,
                                                  [NODE_CALL] = visit_call,
                                                  [NODE_LAMBDA] = visit_lambda,
                                                  [NODE_INDEX] = visit_index,
                                                  [NODE_MINIMIZE] = visit_minimize,
                                                  [NODE_MEMBER] = visit_member,
                                                  [NODE_SCAN] = visit_scan,
                                                  [NODE_YIELD] = visit_yield,
                                                  [NODE_RETURN] = visit_return,
                                                  [NODE_ASSIGN] = visit_assign,
                                                  [NODE_BLOCK] = visit_block,
                                                  [NODE_REPEAT] = visit_repeat,
                                                  [NODE_IF] = visit_if,
                                                  [NODE_UPDATE] = visit_update,
                                                  [NODE_PARAM] = visit_slot,
                                                  [NODE_STATE] = visit_slot,
                                                  [NODE_ASSERT] = visit_assert,
                                                  [NODE_FN] = visit_definition,
                                                  [NODE_LAYER] = visit_definition,
                                                  [NODE_MODEL] = visit_definition,
                                                  [NODE_OPTIMIZER] = visit_definition,
                                                  [NODE_DATA] = visit_data,
                                                  [NODE_TRAIN] = visit_train,
                                                  [NODE_TEST] = visit_train,
                                                  [NODE_TYPE] = NULL};

static void visit(Resolver *r, const Node *n) {
    if (!n || n->kind == NODE_TYPE || n->kind == NODE_POISON || n->kind == NODE_USE) return;
    if (VISITORS[n->kind])
        VISITORS[n->kind](r, n);
    else
        visit_kids(r, n);
}

bool resolve_file(Sema *s, const Node *file, Scope *scope) {
    Resolver r = {.s = s, .scope = scope, .top = scope, .file = file};
    for (uint32_t i = 0; i < file->count; i++) {
        r.def = file->kids[i];
        r.inner.len = 0;
        r.item = i;
        if (r.def->kind == NODE_LET)
            visit_kids(&r, r.def);
        else
            visit(&r, r.def);
    }
    return !cycles_report(s, file, r.edges.data, r.edges.len);
}
