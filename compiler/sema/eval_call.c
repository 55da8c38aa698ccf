/* Calls and pipes: functions run their body in a new activation, layers become instances, instances
 * are applied. */
#include "compiler/sema/recompute.h"

enum { CALL_DEPTH_MAX = 200 };

void frame_push(Sema *s, Frame *f, const Node *def, const Node *call, Span span) {
    Frame *up = s->frame;
    *f = (Frame){.up = up,
                 .def = def,
                 .call = call,
                 .call_span = span,
                 .outer_call = s->ctx->call,
                 .result = NONE};
    if (span.file && !span_in_prelude(s, span)) s->ctx->call = span;
    if (up) {
        f->owner = up->owner;
        f->root = up->root;
        f->evaluation = up->evaluation;
    }
    s->frame = f;
    if (def) sites_number(s, def);
}
void frame_pop(Sema *s, Frame *f) {
    s->frame = f->up;
    s->ctx->call = f->outer_call;
}

bool eval_args(Sema *s, const Node *call, Args *out) {
    uint32_t n = call->count ? call->count - 1 : 0;
    *out = (Args){.values = ARENA_ARRAY(s->arena, Value, n + 1),
                  .nodes = ARENA_ARRAY(s->arena, const Node *, n + 1),
                  .names = ARENA_ARRAY(s->arena, Sym, n + 1),
                  .name_spans = ARENA_ARRAY(s->arena, Span, n + 1),
                  .count = n};
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        const Node *arg = call->kids[i + 1];
        const Node *value = arg->kind == NODE_ARG ? node_kid(arg, 0) : arg;
        out->values[i] = eval(s, value);
        out->nodes[i] = value;
        out->names[i] = arg->kind == NODE_ARG ? arg->name : NULL;
        out->name_spans[i] = arg->name_span;
        ok &= !value_is_poison(out->values[i]);
    }
    return ok;
}

static Args prepend(Sema *s, Value first, const Node *node, const Args *rest) {
    uint32_t n = rest->count + 1;
    Args a = {.values = ARENA_ARRAY(s->arena, Value, n),
              .nodes = ARENA_ARRAY(s->arena, const Node *, n),
              .names = ARENA_ARRAY(s->arena, Sym, n),
              .name_spans = ARENA_ARRAY(s->arena, Span, n),
              .count = n};
    a.values[0] = first;
    a.nodes[0] = node;
    for (uint32_t i = 0; i < rest->count; i++) {
        a.values[i + 1] = rest->values[i];
        a.nodes[i + 1] = rest->nodes[i];
        a.names[i + 1] = rest->names[i];
        if (rest->name_spans) a.name_spans[i + 1] = rest->name_spans[i];
    }
    return a;
}

Value run_body(Sema *s, const Node *body, bool *no_value) {
    if (no_value) *no_value = false;
    if (!body) return POISON;
    if (body->kind != NODE_BLOCK) return eval(s, body);
    exec_block(s, body);
    if (no_value) *no_value = !s->frame->returned;
    return s->frame->returned ? s->frame->result : NONE;
}

Span result_span(const Sema *s, const Node *body, Span otherwise) {
    if (!body) return otherwise;
    const Node *stmt = s->frame->returned ? s->frame->returned_at : NULL;
    if (body->kind != NODE_BLOCK || !stmt) return body->span;
    return stmt->count == 1 ? stmt->kids[0]->span : stmt->span;
}

static bool two_lists(const Node *def) {
    return (def->kind == NODE_FN || def->kind == NODE_LAYER || def->kind == NODE_OPTIMIZER) &&
           node_kid(def, 1);
}

static Value lambda_call(Sema *s, Closure *fn, const Args *args, const Node *call, Span span) {
    const Node *names = node_kid(fn->def, 0);
    if (names->count != args->count) {
        sema_error(s, E_ARGUMENT, span, "this function takes %u argument%s, got %u", names->count,
                   names->count == 1 ? "" : "s", args->count);
        return POISON;
    }
    Scope *scope = scope_new(s, fn->env, true), *saved = s->scope;
    for (uint32_t i = 0; i < args->count; i++)
        scope_set(s, scope, names->kids[i]->name, args->values[i], names->kids[i]->span);
    Frame f;
    frame_push(s, &f, fn->def, call, span);
    s->scope = scope;
    Value v = eval(s, node_kid(fn->def, 1));
    s->scope = saved;
    frame_pop(s, &f);
    return v;
}

static Value function_call(Sema *s, Closure *fn, const Args *args, const Node *call, Span span) {
    const Node *def = fn->def, *list = node_kid(def, fn->settings ? 1 : 0);
    Scope *scope = scope_new(s, fn->env, true), *saved = s->scope;
    if (fn->settings)
        for (uint32_t i = 0; i < fn->settings->names.len; i++)
            vec_push(s->arena, &scope->names, fn->settings->names.data[i]);
    Frame f;
    Value v = POISON;
    if (!bind_list(s, list, args, scope, def, call, span)) return POISON;
    ptrmap_put(s, &s->reached, def, 1);
    if (def->flags & NODE_FLAG_EXTERN) return extern_call(s, def, scope, span);
    frame_push(s, &f, def, call, span);
    f.settings = fn->settings;
    s->scope = scope;
    bool no_value;
    v = run_body(s, node_kid(def, 3), &no_value);
    if (no_value && v.kind == V_NONE) {
        sema_error(s, E_KIND, def->name_span, "`%s` ends without `return`", def->name->text);
        v = POISON;
    }
    bool ok = bind_result(s, node_kid(def, 2), v, scope, def,
                          result_span(s, node_kid(def, 3), def->span));
    s->scope = saved;
    frame_pop(s, &f);
    if (v.kind == V_TENSOR) v.decl = NULL;
    return ok && v.kind != V_NONE ? v : POISON;
}

Value call_closure(Sema *s, Closure *fn, const Args *args, const Node *call, Span span) {
    if (fn->def->kind == NODE_LAMBDA) return lambda_call(s, fn, args, call, span);
    if (two_lists(fn->def) && !fn->settings) {
        Closure *bound = ARENA_NEW(s->arena, Closure);
        *bound = *fn;
        bound->settings = scope_new(s, fn->env, true);
        if (!bind_list(s, node_kid(fn->def, 0), args, bound->settings, fn->def, call, span))
            return POISON;
        return (Value){.kind = V_FN, .as.fn = bound};
    }
    return function_call(s, fn, args, call, span);
}

static Value cast_call(Sema *s, DType to, const Args *args, Span span) {
    if (args->count != 1) {
        sema_error(s, E_ARGUMENT, span, "`%s` takes one argument", dtype_name(to));
        return POISON;
    }
    Value v = args->values[0];
    if (value_is_poison(v)) return v;
    if (v.kind != V_TENSOR) return to_tensor(s, v, v.kind == V_BOOL ? DTYPE_COUNT : to, span);
    NodeId a = tensor_node(s, v, span);
    if (node_is_none(a)) return POISON;
    if (tensor_dtype(s, v) == to) return v;
    Value r = value_tensor(s, g_cast(sema_graph(s), to, a, span));
    r.decl = v.decl;
    return r;
}

static const Node *callee_name(const Node *call) {
    if (!call) return NULL;
    if (call->kind == NODE_NAME) return call;
    if (call->kind == NODE_CALL) return callee_name(node_kid(call, 0));
    return NULL;
}

/* A layer or optimizer definition is called: its settings make an instance. A layer with one list
 * has no settings: the call applies a new instance at once. */
static Value definition_call(Sema *s, Value f, const Args *args, const Node *call, Span span) {
    const Node *def = f.as.fn->def;
    const Node *name = callee_name(call);
    if (two_lists(def)) return instance_new(s, def, f.as.fn->env, args, call, name, span);
    Args none = {.count = 0};
    Value inst = instance_new(s, def, f.as.fn->env, &none, call, name, span);
    return value_is_poison(inst) ? inst : call_value(s, inst, args, call, span);
}

Value call_value(Sema *s, Value f, const Args *args, const Node *call, Span span) {
    if (value_is_poison(f)) return POISON;
    if (!enter(s, span)) return POISON;
    uint32_t depth = 0;
    for (const Frame *k = s->frame; k; k = k->up) depth++;
    Value v = POISON;
    if (depth > CALL_DEPTH_MAX) {
        sema_error(s, E_RECURSION, span, "calls nest more than %d deep", CALL_DEPTH_MAX);
        leave(s);
        return POISON;
    }
    switch (f.kind) {
    case V_FN: v = call_closure(s, f.as.fn, args, call, span); break;
    case V_BUILTIN: v = builtin_call(s, f.as.builtin, args, call, span); break;
    case V_DTYPE: v = cast_call(s, f.as.dtype, args, span); break;
    case V_LAYER:
    case V_OPTIMIZER: v = definition_call(s, f, args, call, span); break;
    case V_INSTANCE:
        v = f.as.instance->def->kind == NODE_OPTIMIZER
                ? rule_apply(s, f.as.instance, args, call, span)
                : instance_apply(s, f.as.instance, args, call, span);
        break;
    case V_NAMES: v = strings_names(s, f, args, span); break;
    case V_COLUMN: v = data_encode(s, f.as.data.block, args, f.as.data.column, span); break;
    default: {
        Diag *d = sema_error(s, E_KIND, span, "%s cannot be called", value_kind_name(f.kind));
        if (f.kind == V_TENSOR) diag_help(d, "multiply with `*`, index with `[...]`");
        break;
    }
    }
    leave(s);
    return v;
}

Value call_one(Sema *s, Value f, Value arg, const Node *call, Span span) {
    const Node *node = !call || call->kind != NODE_PIPE ? call : node_kid(call, 0);
    Sym none = NULL;
    Args args = {.values = &arg, .nodes = &node, .names = &none, .count = 1};
    if (f.kind == V_FN && two_lists(f.as.fn->def) && !f.as.fn->settings &&
        list_is_defaults(node_kid(f.as.fn->def, 0))) {
        Args empty = {.count = 0};
        f = call_closure(s, f.as.fn, &empty, call, span);
    } else if (f.kind == V_LAYER && two_lists(f.as.fn->def)) {
        Args empty = {.count = 0};
        const Node *name = call && call->kind == NODE_PIPE ? callee_name(node_kid(call, 1)) : NULL;
        f = instance_new(s, f.as.fn->def, f.as.fn->env, &empty,
                         call && call->kind == NODE_PIPE ? node_kid(call, 1) : call, name, span);
    }
    return call_value(s, f, &args, call, span);
}

/* ------------------------------------------------------------------ special forms */

static Value infer_form(Sema *s, const Node *e) {
    bool training = s->training;
    s->training = false;
    Value v = e->count == 2 ? eval(s, node_kid(e->kids[1], 0)) : POISON;
    s->training = training;
    if (e->count != 2) sema_error(s, E_ARGUMENT, e->span, "`infer` takes one expression");
    return v;
}
typedef struct Form {
    const char *name;
    Value (*eval)(Sema *, const Node *);
} Form;
static const Form FORMS[] = {
    {"infer", infer_form}, {"fit", fit_form}, {"checkpoint", checkpoint_form}};

Value eval_call(Sema *s, const Node *e) {
    const Node *callee = node_kid(e, 0);
    if (!callee) return POISON;
    if (callee->kind == NODE_NAME && !scope_find(s->scope, callee->name))
        for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++)
            if (strcmp(FORMS[i].name, callee->name->text) == 0) return FORMS[i].eval(s, e);
    if (index_is_reduction(s, e)) return eval_index_reduction(s, e);
    Value f = s->fit && callee->kind == NODE_NAME ? fit_statistic(s, callee) : NONE;
    if (f.kind == V_NONE) f = eval(s, callee);
    Args args;
    bool ok = eval_args(s, e, &args);
    if (!ok || value_is_poison(f)) return POISON;
    return call_value(s, f, &args, e, e->span);
}

Value eval_pipe(Sema *s, const Node *e) {
    Value x = eval(s, node_kid(e, 0));
    const Node *target = node_kid(e, 1);
    if (!target) return POISON;
    if (target->kind != NODE_CALL || index_is_reduction(s, target)) {
        Value f = eval(s, target);
        if (value_is_poison(x) || value_is_poison(f)) return POISON;
        return call_one(s, f, x, e, target->span);
    }
    Value f = eval(s, node_kid(target, 0));
    Args args;
    bool ok = eval_args(s, target, &args);
    if (!ok || value_is_poison(f)) return POISON;
    bool settings = (f.kind == V_FN && two_lists(f.as.fn->def) && !f.as.fn->settings) ||
                    ((f.kind == V_LAYER || f.kind == V_OPTIMIZER) && two_lists(f.as.fn->def));
    if (settings) {
        Value g = call_value(s, f, &args, target, target->span);
        if (value_is_poison(x) || value_is_poison(g)) return POISON;
        return call_one(s, g, x, e, target->span);
    }
    if (value_is_poison(x)) return POISON;
    Args all = prepend(s, x, node_kid(e, 0), &args);
    return call_value(s, f, &all, target, target->span);
}
