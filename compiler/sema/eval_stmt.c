/* Statements. `if`, `repeat` and `assert` run now; `=` names a value; `:=` makes the next version
 * of a parameter or state. */
#include "compiler/sema/elaborate.h"

/* `show(x)`, `x |> show("x")` */
static bool is_show(Sema *s, const Node *e) {
    if (e && e->kind == NODE_PIPE) e = node_kid(e, 1);
    if (e && e->kind == NODE_CALL) e = node_kid(e, 0);
    return e && e->kind == NODE_NAME && strcmp(e->name->text, "show") == 0 &&
           !scope_find(s->scope, e->name);
}

static void exec_expr(Sema *s, const Node *stmt) {
    for (uint32_t i = 0; i < stmt->count; i++) {
        Value v = eval(s, stmt->kids[i]);
        if (v.kind == V_NONE || v.kind == V_POISON || is_show(s, stmt->kids[i])) continue;
        Diag *d = sema_error(s, E_UNUSED_VALUE, stmt->kids[i]->span, "this value is not used");
        diag_help(d, "name it with `=`, or end the line before with an operator to go on here");
    }
}

void assign_target(Sema *s, const Node *target, Value v) {
    if (target->kind == NODE_TUPLE || target->kind == NODE_LIST) {
        if (value_is_poison(v)) {
            for (uint32_t i = 0; i < target->count; i++) assign_target(s, target->kids[i], v);
            return;
        }
        if ((v.kind != V_TUPLE && v.kind != V_LIST) || v.as.list.count != target->count) {
            sema_error(s, E_KIND, target->span, "%u names for %s", target->count,
                       v.kind == V_TUPLE || v.kind == V_LIST
                           ? arena_printf(s->arena, "%u values", v.as.list.count)
                           : value_kind_name(v.kind));
            for (uint32_t i = 0; i < target->count; i++) assign_target(s, target->kids[i], POISON);
            return;
        }
        for (uint32_t i = 0; i < target->count; i++)
            assign_target(s, target->kids[i], v.as.list.items[i]);
        return;
    }
    if (target->kind != NODE_NAME) return; /* the parser said so */
    if (v.kind == V_NONE) {
        sema_error(s, E_KIND, target->span, "there is no value to name `%s`", target->name->text);
        v = POISON;
    }
    if (strcmp(target->name->text, "training") == 0) {
        Diag *d = sema_error(s, E_WRITE, target->span, "`training` cannot be set");
        diag_note(d, "it is true in a train step and false in metrics, tests and exports");
        diag_help(d, "`infer(e)` evaluates e as if not training");
        return;
    }
    if (v.kind == V_TENSOR) v.as.tensor.slot = -1;
    scope_assign(s, target->name, v, target->span);
}

static Value list_value(Sema *s, const Node *values) {
    if (values->kind != NODE_LIST) return eval(s, values);
    if (values->count == 1) return eval(s, values->kids[0]);
    Value v = value_list(s, NULL, 0);
    v.kind = V_TUPLE;
    v.as.list.items = ARENA_ARRAY(s->arena, Value, values->count);
    v.as.list.count = values->count;
    for (uint32_t i = 0; i < values->count; i++) v.as.list.items[i] = eval(s, values->kids[i]);
    return v;
}

static void exec_assign(Sema *s, const Node *stmt) {
    const Node *targets = node_kid(stmt, 0), *values = node_kid(stmt, 1);
    const Node *where = node_kid(stmt, 2);
    if (!targets || !values) return;
    const Node *only = targets->count == 1 ? targets->kids[0] : NULL;
    if (only && only->kind == NODE_INDEX) {
        const Node *value = values->count == 1 ? values->kids[0] : NULL;
        if (value) exec_index_assign(s, stmt, only, value, where);
        return;
    }
    if (where) {
        sema_error(s, E_SYNTAX, where->span, "`where` belongs to an index statement");
        return;
    }
    if (only && only->kind == NODE_NAME) {
        Value v = list_value(s, values);
        const Node *made = values->count == 1 ? values->kids[0] : NULL;
        if (v.kind == V_INSTANCE && made && v.as.instance->creator == made)
            instance_bind_name(s, v.as.instance, only->name);
        assign_target(s, only, v);
        return;
    }
    Value v = list_value(s, values);
    assign_target(s, only ? only : targets, v);
}

static void exec_update(Sema *s, const Node *stmt) {
    const Node *targets = node_kid(stmt, 0), *e = node_kid(stmt, 1);
    Value v = eval(s, e);
    if (!targets) return;
    for (uint32_t i = 0; i < targets->count; i++) {
        const Node *t = targets->kids[i];
        if (t->kind != NODE_NAME) {
            if (t->kind != NODE_POISON)
                sema_error(s, E_WRITE, t->span, "`:=` writes a `param` or `state` by its name");
            continue;
        }
        Value item = v;
        if (targets->count > 1 && v.kind == V_TUPLE && v.as.list.count == targets->count)
            item = v.as.list.items[i];
        Binding *b = scope_find(s->scope, t->name);
        if (!b || value_is_poison(b->value)) continue;
        if (b->value.kind != V_SLOT) {
            if (s->frame->def && s->frame->def->kind == NODE_OPTIMIZER)
                sema_error(s, E_WRITE, t->span, "`%s` is %s here, no parameter or state to write",
                           t->name->text, value_kind_name(b->value.kind));
            continue; /* elsewhere the resolver said so */
        }
        write_slot(s, (uint32_t)b->value.as.slot, item, t->span);
    }
}

static Value tuple_value(Sema *s, const Node *stmt) {
    if (stmt->count == 1) return eval(s, stmt->kids[0]);
    Value v = value_list(s, NULL, 0);
    v.kind = V_TUPLE;
    v.as.list.items = ARENA_ARRAY(s->arena, Value, stmt->count + 1);
    v.as.list.count = stmt->count;
    for (uint32_t i = 0; i < stmt->count; i++) v.as.list.items[i] = eval(s, stmt->kids[i]);
    return v;
}

static void exec_return(Sema *s, const Node *stmt) {
    Value v = tuple_value(s, stmt);
    s->frame->returned = true;
    s->frame->returned_at = stmt;
    s->frame->result = v;
}

static void exec_child(Sema *s, const Node *block, Scope *scope) {
    Scope *saved = s->scope;
    s->scope = scope;
    exec_block(s, block);
    s->scope = saved;
}

static void exec_if(Sema *s, const Node *stmt) {
    bool cond;
    if (!eval_static_bool(s, node_kid(stmt, 0), &cond, "`if`")) return;
    const Node *taken = node_kid(stmt, cond ? 1 : 2);
    if (!taken) return;
    if (taken->kind == NODE_IF)
        exec_if(s, taken);
    else
        exec_child(s, taken, scope_new(s, s->scope, false));
}

/* The values `repeat` runs over: 0 .. n-1, or the items of a list. */
static bool repeat_items(Sema *s, const Node *count, Value *list, int64_t *n) {
    Value v = eval(s, count);
    if (value_is_poison(v)) return false;
    *list = v;
    if (v.kind == V_LIST) {
        *n = v.as.list.count;
        return true;
    }
    if (value_is_int(v, n) && *n >= 0) return true;
    sema_error(s, v.kind == V_NUM ? E_KIND : E_STATIC, count->span,
               "`repeat` wants a whole number or a list known at compile time, got %s",
               value_string(s, v));
    return false;
}

/* Values NULL: a statement. */
static bool run_repeat(Sema *s, const Node *stmt, Value *list, int64_t n, Value *values) {
    Frame *f = s->frame;
    Yields *outer = f->yields;
    if (f->iteration_count == ITERATION_MAX || n > UINT32_MAX) {
        sema_error(s, E_LIMIT, stmt->span, "this `repeat` is too large or nested too deeply");
        return false;
    }
    f->iteration_count++;
    bool ok = true;
    for (int64_t i = 0; i < n && !f->returned && ok; i++) {
        if (!enter(s, stmt->span)) break;
        Yields yields = {.wanted = values != NULL, .value = NONE};
        f->yields = &yields;
        f->iterations[f->iteration_count - 1] = (uint32_t)i;
        Scope *scope = scope_new(s, s->scope, false);
        Value item = list->kind == V_LIST ? list->as.list.items[i] : value_int(i);
        if (stmt->name) scope_set(s, scope, stmt->name, item, stmt->name_span);
        exec_child(s, node_kid(stmt, 1), scope);
        if (values) values[i] = yields.value;
        ok = !values || (yields.value.kind != V_NONE && !value_is_poison(yields.value));
        leave(s);
    }
    f->yields = outer;
    f->iteration_count--;
    return ok;
}

static void exec_repeat(Sema *s, const Node *stmt) {
    Value list;
    int64_t n;
    if (repeat_items(s, node_kid(stmt, 0), &list, &n)) run_repeat(s, stmt, &list, n, NULL);
}

/* The values of all iterations on a new first axis; tuples and bundles part by part. */
static Value stack_values(Sema *s, const Value *values, uint32_t n, Span span) {
    Value first = values[0], out;
    if (first.kind == V_TUPLE || first.kind == V_BUNDLE) {
        bool tuple = first.kind == V_TUPLE;
        uint32_t parts = tuple ? first.as.list.count : first.as.bundle->count;
        Value *part = ARENA_ARRAY(s->arena, Value, n);
        Bundle *b = ARENA_NEW(s->arena, Bundle);
        out = value_list(s, NULL, 0);
        out.kind = V_TUPLE;
        out.as.list.items = ARENA_ARRAY(s->arena, Value, parts + 1);
        out.as.list.count = parts;
        b->graph = sema_graph(s);
        b->items = ARENA_ARRAY(s->arena, BundleItem, parts + 1);
        for (uint32_t k = 0; k < parts; k++) {
            for (uint32_t i = 0; i < n; i++) {
                bool fits = values[i].kind == first.kind &&
                            (tuple ? values[i].as.list.count : values[i].as.bundle->count) == parts;
                if (!fits) {
                    sema_error(s, E_KIND, span,
                               "the iterations of this `repeat` yield values of "
                               "different kinds");
                    return POISON;
                }
                part[i] =
                    tuple ? values[i].as.list.items[k] : bundle_tensor(values[i].as.bundle, k);
            }
            Value v = stack_values(s, part, n, span);
            if (value_is_poison(v)) return v;
            out.as.list.items[k] = v;
            if (!tuple)
                b->items[b->count++] = (BundleItem){
                    .path = first.as.bundle->items[k].path, .slot = -1, .node = v.as.tensor.node};
        }
        return tuple ? out : (Value){.kind = V_BUNDLE, .as.bundle = b};
    }
    for (uint32_t i = 1; i < n; i++)
        if (values[i].kind == V_TENSOR && first.kind == V_TENSOR) {
            Shape a = tensor_shape(s, first), b = tensor_shape(s, values[i]);
            if (shape_same(&a, &b)) continue;
            sema_error(s, E_SHAPE, span, "iteration 0 of this `repeat` yields %s, iteration %u %s",
                       shape_string(s, &a, NULL), i, shape_string(s, &b, NULL));
            return POISON;
        }
    return to_tensor(s, value_list(s, values, n), DTYPE_COUNT, span);
}

Value eval_repeat(Sema *s, const Node *e) {
    Value list;
    int64_t n;
    if (!repeat_items(s, node_kid(e, 0), &list, &n)) return POISON;
    if (n == 0) {
        Diag *d = sema_error(s, E_KIND, e->span, "this `repeat` runs 0 times, so it has no value");
        diag_help(d, "as a statement it may run 0 times");
        return POISON;
    }
    Value *values = n <= UINT16_MAX ? ARENA_ARRAY(s->arena, Value, (size_t)n) : NULL;
    if (!values) {
        sema_error(s, E_LIMIT, e->span, "this `repeat` is too large");
        return POISON;
    }
    for (int64_t i = 0; i < n; i++) values[i] = NONE;
    if (!run_repeat(s, e, &list, n, values)) {
        for (int64_t i = 0; i < n; i++)
            if (value_is_poison(values[i])) return POISON;
        Diag *d =
            sema_error(s, E_KIND, e->span, "this `repeat` yields nothing, so it has no value");
        diag_help(d, "`yield y` gives the value of an iteration; all are stacked on a new axis");
        return POISON;
    }
    return s->frame->returned ? POISON : stack_values(s, values, (uint32_t)n, e->span);
}

static void exec_metric(Sema *s, const Node *stmt) {
    if (!s->collect_metrics) {
        sema_error(s, E_METRIC, stmt->span, "a metric belongs in `train`, `test` or their `step`");
        return;
    }
    Value v = eval(s, node_kid(stmt, 0));
    for (uint32_t i = 0; i < s->metric_names.len; i++)
        if (s->metric_names.data[i] == stmt->name) {
            Diag *d = sema_error(s, E_DUPLICATE, stmt->name_span, "metric `%s` is given twice",
                                 stmt->name->text);
            diag_label(d, s->metric_spans.data[i], "first here");
            return;
        }
    v = to_tensor(s, v, DTYPE_COUNT, stmt->span);
    if (v.kind == V_TENSOR && tensor_shape(s, v).rank != 0) {
        Diag *d = sema_error(s, E_METRIC, node_kid(stmt, 0)->span,
                             "metric `%s` must be one number, got %s", stmt->name->text,
                             value_shape_string(s, v));
        diag_help(d, "`mean(...)` over the rows");
        return;
    }
    vec_push(s->arena, &s->metric_names, stmt->name);
    vec_push(s->arena, &s->metric_values, v);
    vec_push(s->arena, &s->metric_spans, stmt->span);
}

static void exec_yield(Sema *s, const Node *stmt) {
    Yields *y = s->frame->yields;
    Value v = tuple_value(s, stmt);
    if (!y) return; /* the resolver said so */
    if (!y->wanted) {
        Diag *d =
            sema_error(s, E_UNUSED_VALUE, stmt->span, "nobody takes what this `repeat` yields");
        diag_help(d, "name it: `ys = repeat ... { ...; yield y }`");
    } else if (y->first) {
        Diag *d = sema_error(s, E_DUPLICATE, stmt->span, "a second `yield` in one iteration");
        diag_label(d, y->first->span, "first here");
        diag_help(d, "yield several values at once: `yield a, b`");
    } else {
        y->first = stmt;
        y->value = v;
    }
}
static void exec_poison(Sema *s, const Node *stmt) {
    (void)s, (void)stmt;
}

typedef void (*Executor)(Sema *, const Node *);
static const Executor EXECUTORS[NODE_KIND_COUNT] = {
    [NODE_EXPR_STMT] = exec_expr, [NODE_ASSIGN] = exec_assign,     [NODE_UPDATE] = exec_update,
    [NODE_RETURN] = exec_return,  [NODE_YIELD] = exec_yield,       [NODE_REPEAT] = exec_repeat,
    [NODE_IF] = exec_if,          [NODE_MINIMIZE] = exec_minimize, [NODE_ASSERT] = exec_assert,
    [NODE_METRIC] = exec_metric,  [NODE_PARAM] = declare_slot,     [NODE_STATE] = declare_slot,
    [NODE_POISON] = exec_poison};

void exec(Sema *s, const Node *stmt) {
    if (!EXECUTORS[stmt->kind]) {
        sema_error(s, E_SYNTAX, stmt->span, "%s cannot stand here", node_kind_name(stmt->kind));
        return;
    }
    if (!enter(s, stmt->span)) return;
    EXECUTORS[stmt->kind](s, stmt);
    leave(s);
}

void exec_block(Sema *s, const Node *block) {
    for (uint32_t i = 0; i < block->count && !s->frame->returned; i++) exec(s, block->kids[i]);
}
