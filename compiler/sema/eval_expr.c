/* Expressions: one evaluator per kind of tree node, in a table. */
#include "compiler/sema/bundles.h"
#include "compiler/sema/use_files.h"

enum { DEPTH_MAX = 700, WORK_MAX = 600000, MEMORY_MAX = 160 << 20 };

bool enter(Sema *s, Span span) {
    bool large = arena_used_bytes(s->arena) > MEMORY_MAX;
    if (++s->work > WORK_MAX || large) {
        if (!s->work_reported) {
            s->work_reported = true;
            Diag *d = sema_error(s, E_LIMIT, span, "the program takes too %s to elaborate",
                                 large ? "much memory" : "long");
            if (large)
                diag_note(d, "stopped at %d MiB", MEMORY_MAX >> 20);
            else
                diag_note(d, "stopped after %d evaluations", WORK_MAX);
            diag_help(d, "look for a `repeat` with a large count");
        }
        return false;
    }
    if (s->depth >= DEPTH_MAX) {
        Diag *d = sema_error(s, E_RECURSION, span, "calls and expressions nest more than %d deep",
                             DEPTH_MAX);
        diag_help(d, "there is no recursion; use `repeat`");
        return false;
    }
    s->depth++;
    return true;
}
void leave(Sema *s) {
    s->depth--;
}

void slot_version(Sema *s, uint32_t slot, NodeId node) {
    Build *b = s->build;
    SlotVersion made = {.slot = slot, .node = node, .before = b->latest.data[slot]};
    b->latest.data[slot] = (int32_t)b->history.len;
    b->version.data[slot] = node;
    vec_push(s->arena, &b->history, made);
}

Value read_slot(Sema *s, uint32_t slot, Span span) {
    Build *b = s->build;
    if (!b) {
        sema_error(s, E_STATIC, span, "a parameter where only values known at compile time can be");
        return POISON;
    }
    NodeId stands_in;
    const Node *decl = s->slot_info.data[slot].decl;
    if (s->substitution && substituted(s, slot, &stands_in)) {
        Value v = value_tensor(s, stands_in);
        v.decl = decl ? node_kid(decl, 0) : NULL;
        return v;
    }
    while (b->version.len < s->program->slots.len) {
        vec_push(s->arena, &b->version, NODE_NONE);
        vec_push(s->arena, &b->latest, -1);
    }
    if (node_is_none(b->version.data[slot]))
        slot_version(s, slot, b->loop ? loop_slot(s, b, slot, span) : g_read(b->g, slot, span));
    vec_push(s->arena, &b->touches, slot);
    Value v = value_tensor(s, b->version.data[slot]);
    v.as.tensor.slot = (int32_t)slot;
    v.decl = decl ? node_kid(decl, 0) : NULL;
    return v;
}

/* ------------------------------------------------------------------ names */

static Value define_override(Sema *s, const Node *let, Value normal) {
    const char *text = NULL;
    if (let->span.file != s->file->span.file) return normal; /* -D is for the main file */
    for (uint32_t i = 0; i < s->options->define_count; i++)
        if (strcmp(s->options->defines[i].name, let->name->text) == 0)
            text = s->options->defines[i].text;
    if (!text || value_is_poison(normal)) return normal;
    if (normal.kind == V_STR && text[0] != '"') return value_str(text);
    const char *source = arena_printf(s->arena, "let %s = %s\n", let->name->text, text);
    uint32_t before = diags_errors(s->ctx->diags);
    uint32_t file = sources_add(s->ctx->sources, arena_printf(s->arena, "-D %s", let->name->text),
                                source, (uint32_t)strlen(source), 0);
    const Node *tree = syntax_parse(s->ctx, file);
    if (diags_errors(s->ctx->diags) != before) return POISON;
    const Node *item = tree->count == 1 ? tree->kids[0] : NULL;
    if (!item || item->kind != NODE_LET) {
        sema_error(s, E_DEFINE, let->name_span, "-D %s=%s is not one value", let->name->text, text);
        return POISON;
    }
    Value v = eval(s, node_kid(item, 1));
    if (value_is_poison(v) && diags_errors(s->ctx->diags) == before)
        sema_error(s, E_DEFINE, let->name_span, "-D %s=%s: `%s` names nothing here",
                   let->name->text, text, text);
    if (value_is_poison(v)) return v;
    if (v.kind != normal.kind) { /* a real for an int is the block's business */
        Diag *d = sema_error(s, E_DEFINE, let->name_span, "-D %s=%s gives %s, but `%s` is %s",
                             let->name->text, text, value_kind_name(v.kind), let->name->text,
                             value_kind_name(normal.kind));
        diag_note(d, "the file says `%s`", node_text(s, node_kid(let, 1)));
        return POISON;
    }
    return v;
}

static Value closure_value(Sema *s, ValueKind kind, const Node *def, Scope *env) {
    Closure *fn = ARENA_NEW(s->arena, Closure);
    fn->def = def;
    fn->env = env;
    return (Value){.kind = kind, .as.fn = fn};
}

static Value eval_let(Sema *s, const Node *let) {
    Build *build = s->build;
    s->build = NULL;
    Value v = define_override(s, let, eval(s, node_kid(let, 1)));
    s->build = build;
    const Node *type = node_kid(let, 0);
    int64_t i;
    if (type && type->name && v.kind == V_NUM && strcmp(type->name->text, "int") == 0 &&
        !value_is_int(v, &i)) {
        sema_error(s, E_KIND, let->span, "`%s` is declared int, but is %s", let->name->text,
                   value_string(s, v));
        return POISON;
    }
    return v;
}

static Value eval_definition(Sema *s, const Node *def, Scope *file) {
    switch (def->kind) {
    case NODE_LET: return eval_let(s, def);
    case NODE_FN: return closure_value(s, V_FN, def, file);
    case NODE_LAYER: return closure_value(s, V_LAYER, def, file);
    case NODE_OPTIMIZER: return closure_value(s, V_OPTIMIZER, def, file);
    case NODE_MODEL: return model_instance(s, def, file);
    case NODE_DATA: {
        DataBlock *d = data_find(s, def);
        return d ? (Value){.kind = V_DATA, .as.data = {.block = d, .split = -1}} : POISON;
    }
    default: return POISON;
    }
}

Value binding_value(Sema *s, Binding *b, Span span) {
    if (b->value.kind == V_SLOT) return read_slot(s, (uint32_t)b->value.as.slot, span);
    if (!b->def || b->state == 2) return b->value;
    if (b->state == 1) {
        sema_error(s, E_RECURSION, span, "`%s` is defined by itself", b->name->text);
        return POISON;
    }
    Scope *home = use_scope(s, b->def->span.file);
    Binding *own = scope_find_here(home, b->name);
    if (own && own != b) { /* imported */
        Value v = binding_value(s, own, span);
        use_known(s, scope_find_here(home, own->name));
        return v;
    }
    b->state = 1;
    Scope *scope = s->scope, *file = home;
    Frame *frame = s->frame, top = {.def = NULL};
    s->scope = file;
    s->frame = &top;
    Value v = eval_definition(s, b->def, file);
    s->frame = frame;
    s->scope = scope;
    b = scope_find_here(file, b->name); /* the table may have moved */
    b->value = v;
    b->state = 2;
    watch_value(s, b->span, v);
    return v;
}

Value eval_name(Sema *s, const Node *e) {
    Binding *b = scope_find(s->scope, e->name);
    if (b) {
        Value v = binding_value(s, b, e->span);
        return s->fit ? fit_view(s, v, e->span) : v;
    }
    const char *name = e->name->text;
    if (strcmp(name, "training") == 0) return value_bool(s->training);
    if (strcmp(name, "all") == 0) return (Value){.kind = V_ALL};
    if (strcmp(name, "pi") == 0) return value_real(3.14159265358979323846);
    if (strcmp(name, "inf") == 0) return value_real(__builtin_inf());
    DType t = dtype_find(name);
    if (t != DTYPE_COUNT) return (Value){.kind = V_DTYPE, .as.dtype = t};
    const Builtin *f = builtin_find(name);
    if (f) return (Value){.kind = V_BUILTIN, .as.builtin = f};
    return POISON; /* the resolver said so */
}

/* ------------------------------------------------------------------ literals, lists, operators */

static Value eval_number(Sema *s, const Node *e) {
    (void)s;
    if ((e->flags & NODE_FLAG_INTEGER) && e->number < 9e15) return value_int((int64_t)e->number);
    return value_real(e->number);
}
static Value eval_string(Sema *s, const Node *e) {
    return value_str(arena_strndup(s->arena, e->text, e->text_len));
}
static Value eval_bool(Sema *s, const Node *e) {
    (void)s;
    return value_bool(e->number != 0);
}

Value eval_dims(Sema *s, const Node *e) {
    VEC(Value) items = {0};
    for (uint32_t i = 0; i < e->count; i++) {
        const Node *kid = e->kids[i];
        if (kid->kind == NODE_ELLIPSIS) {
            Binding *b = scope_find(s->scope, kid->name ? kid->name : ellipsis_sym(s));
            if (!b || b->value.kind != V_LIST) {
                sema_error(s, E_NAME, kid->span, "no `...` is bound here");
                return POISON;
            }
            for (uint32_t k = 0; k < b->value.as.list.count; k++)
                vec_push(s->arena, &items, b->value.as.list.items[k]);
            continue;
        }
        if (kid->kind == NODE_RANGE) {
            sema_error(s, E_KIND, kid->span, "a range `a:b` belongs in an index");
            return POISON;
        }
        Value v = eval(s, kid);
        if (value_is_poison(v)) return POISON;
        vec_push(s->arena, &items, v);
    }
    return value_list(s, items.data, items.len);
}

static Value eval_tuple(Sema *s, const Node *e) {
    Value v = value_list(s, NULL, 0);
    v.kind = V_TUPLE;
    v.as.list.items = ARENA_ARRAY(s->arena, Value, e->count);
    for (uint32_t i = 0; i < e->count; i++) v.as.list.items[i] = eval(s, e->kids[i]);
    v.as.list.count = e->count;
    return v;
}

static Value eval_unary(Sema *s, const Node *e) {
    return op_unary(s, e, e->name->text, eval(s, node_kid(e, 0)));
}

static Value eval_binary(Sema *s, const Node *e) {
    Value a = eval(s, node_kid(e, 0));
    const char *op = e->name->text;
    /* static short circuit: `c != out and ...` may guard its right side */
    if (a.kind == V_BOOL && (strcmp(op, "and") == 0 || strcmp(op, "or") == 0))
        if (a.as.truth == (op[0] == 'o')) return a;
    return op_binary(s, e, op, a, eval(s, node_kid(e, 1)));
}

static Value eval_lambda(Sema *s, const Node *e) {
    return closure_value(s, V_FN, e, s->scope);
}
static Value eval_poison(Sema *s, const Node *e) {
    (void)s, (void)e;
    return POISON;
}

typedef Value (*Evaluator)(Sema *, const Node *);
static const Evaluator EVALUATORS[NODE_KIND_COUNT] = {
    [NODE_NAME] = eval_name,     [NODE_NUMBER] = eval_number, [NODE_STRING] = eval_string,
    [NODE_BOOL] = eval_bool,     [NODE_TUPLE] = eval_tuple,   [NODE_CALL] = eval_call,
    [NODE_INDEX] = eval_index,   [NODE_MEMBER] = eval_member, [NODE_UNARY] = eval_unary,
    [NODE_BINARY] = eval_binary, [NODE_PIPE] = eval_pipe,     [NODE_LAMBDA] = eval_lambda,
    [NODE_SCAN] = eval_scan,     [NODE_DIMS] = eval_dims,     [NODE_REPEAT] = eval_repeat,
    [NODE_POISON] = eval_poison};

Value eval(Sema *s, const Node *e) {
    if (!e || !EVALUATORS[e->kind]) {
        if (e) sema_error(s, E_SYNTAX, e->span, "no value stands here");
        return POISON;
    }
    if (!enter(s, e->span)) return POISON;
    Value v = EVALUATORS[e->kind](s, e);
    leave(s);
    watch_value(s, e->span, v);
    return v;
}

bool eval_static_bool(Sema *s, const Node *e, bool *out, const char *what) {
    Value v = eval(s, e);
    if (value_is_poison(v)) return false;
    if (v.kind != V_BOOL) {
        Diag *d = sema_error(s, v.kind == V_TENSOR ? E_STATIC : E_KIND, e->span,
                             "%s wants a bool known at compile time, got %s", what,
                             value_kind_name(v.kind));
        if (v.kind == V_TENSOR) diag_help(d, "choose at run time with `select(c, a, b)`");
        return false;
    }
    *out = v.as.truth;
    return true;
}

bool eval_static_int(Sema *s, const Node *e, int64_t *out, const char *what) {
    Value v = eval(s, e);
    if (value_is_poison(v)) return false;
    if (!value_is_int(v, out)) {
        sema_error(s, v.kind == V_NUM ? E_KIND : E_STATIC, e->span,
                   "%s wants a whole number known at compile time, got %s", what,
                   value_string(s, v));
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ members */

static Value transposed(Sema *s, const Node *e, Value v) {
    Shape shape = tensor_shape(s, v);
    if (shape.rank < 2) {
        sema_error(s, E_RANK, e->span, "`.T` swaps the last two axes, but this is %s",
                   shape_string(s, &shape, v.decl));
        return POISON;
    }
    uint32_t perm[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) perm[i] = i;
    perm[shape.rank - 1] = shape.rank - 2;
    perm[shape.rank - 2] = shape.rank - 1;
    return tensor_permute(s, v, perm, e->span);
}

static Value record_member(Sema *s, const Node *e, Value v) {
    Nearest near = {.wanted = e->name->text};
    for (uint32_t i = 0; i < v.as.list.count; i++) {
        if (v.as.list.names[i] == e->name) return v.as.list.items[i];
        nearest_offer(&near, v.as.list.names[i]->text);
    }
    Diag *d = sema_error(s, E_NAME, e->name_span, "no column `%s` here", e->name->text);
    Text known = {.arena = s->arena};
    for (uint32_t i = 0; i < v.as.list.count; i++)
        text_printf(&known, " %s", v.as.list.names[i]->text);
    diag_note(d, "from the fields that `encode` is given follow:%s",
              known.len ? text_str(&known) : " none");
    if (near.best) propose_name(d, e->name_span, near.best);
    return POISON;
}

Value eval_member(Sema *s, const Node *e) {
    Value v = eval(s, node_kid(e, 0));
    switch (v.kind) {
    case V_POISON: return POISON;
    case V_INSTANCE: return instance_member(s, v.as.instance, e->name, e);
    case V_DATA: return data_member(s, v, e);
    case V_RECORD: return record_member(s, e, v);
    case V_BUNDLE: return bundle_member(s, v.as.bundle, e);
    case V_COLUMN:
        if (v.as.data.column && strcmp(e->name->text, "name") == 0 &&
            strings_vocabulary(s, v.as.data.block, v.as.data.column)) {
            v.kind = V_NAMES;
            return v;
        }
        break;
    case V_TENSOR:
        if (strcmp(e->name->text, "T") == 0) return transposed(s, e, v);
        break;
    default: break;
    }
    Diag *d = sema_error(s, E_NAME, e->name_span, "%s has no member `%s`", value_kind_name(v.kind),
                         e->name->text);
    if (v.kind == V_TENSOR) diag_help(d, "a tensor has `.T`");
    return POISON;
}
