/* `train` and `test` blocks: the graph of a training step, and the graphs of their metrics on other
 * splits. */
#include "compiler/sema/blocks.h"

const SettingSpec TRAIN_SETTINGS[] = {{"data", true},       {"epochs", true},    {"steps", true},
                                      {"batch", true},      {"shuffle", true},   {"loss", true},
                                      {"optimizer", true},  {"seed", true},      {"stop", true},
                                      {"save", true},       {"shards", false},   {"clip", true},
                                      {"accumulate", true}, {"precision", true}, {"devices", true},
                                      {"freeze", true},     {"init", true},      {NULL, false}};
const SettingSpec TEST_SETTINGS[] = {{"data", true}, {"batch", true}, {NULL, false}};

enum { BATCH_DEFAULT = 256, BATCH_BOUND_ALL = 1024 };

/* ------------------------------------------------------------------ one elaboration of a block */

static bool mentions(const Node *node, Sym name) {
    if (!node) return false;
    if (node->kind == NODE_NAME && node->name == name) return true;
    if (node->kind == NODE_STEP) {
        const Node *list = node_kid(node, 0);
        for (uint32_t i = 0; list && i < list->count; i++)
            if (list->kids[i]->name == name) return true;
    }
    for (uint32_t i = 0; i < node->count; i++)
        if (mentions(node->kids[i], name)) return true;
    return false;
}

/* A column that is the field as the file holds it. */
static const Node *field_named(const Node *data, Sym name) {
    for (uint32_t i = 0; i < data->count; i++) {
        const Node *entry = data->kids[i], *par = node_kid(entry, 0);
        if (entry->kind == NODE_FIELD && par && par->name == name) return entry;
    }
    return NULL;
}

/* The columns that the block mentions become inputs, in the order of the columns. */
static void bind_columns(Sema *s, BlockRun *run, Scope *scope) {
    run->symbol = dim_symbol_count(s->program->dims);
    DimId b = dim_symbol(s->program->dims, ctx_sym(s->ctx, "B"), run->bound);
    run->rows = b;
    if (!run->data) return;
    const Graph *row = run->data->row;
    for (uint32_t i = 0; i < row->outputs.len; i++) {
        Sym name = row->outputs.data[i].name;
        if (!mentions(run->node, name)) continue;
        const GNode *n = graph_node(row, row->outputs.data[i].node);
        Shape shape = {.rank = n->rank + 1, .dims = {b}};
        memcpy(shape.dims + 1, n->dims, n->rank * sizeof *n->dims);
        NodeId in = g_input(run->build.g, name, n->dtype, &shape, n->span);
        Value v = value_tensor(s, in);
        const Node *field = n->op == OP_INPUT ? field_named(run->data->node, name) : NULL;
        Node *decl = ARENA_NEW(s->arena, Node);
        *decl = (Node){.kind = NODE_FIELD, .span = n->span, .name = name};
        v.decl = field ? field : decl;
        scope_set(s, scope, name, v, n->span);
    }
}

static void run_metrics(Sema *s, const Node *node) {
    for (uint32_t i = 0; i < node->count; i++)
        if (node->kids[i]->kind == NODE_METRIC) exec(s, node->kids[i]);
}

/* A step of its own with dims but without data: a host brings the batches. */
static bool host_inputs(Sema *s, BlockRun *run, const Node *list, Args *args, Scope *scope) {
    Scope *probe = scope_new(s, s->user, true);
    DimId b = {0};
    for (uint32_t i = 0; i < list->count; i++) {
        const Node *par = list->kids[i], *dims = node_kid(par, 0), *type = node_kid(par, 1);
        DType dtype = type ? type_dtype(type) : DTYPE_F32;
        Shape shape = {.rank = dims ? dims->count : 0};
        if (dtype == DTYPE_COUNT || !dims) {
            sema_error(s, E_BLOCK, par->span, "without `data:` the step must say the dims of `%s`",
                       par->name->text);
            return false;
        }
        for (uint32_t k = 0; k < dims->count; k++) {
            const Node *elem = dims->kids[k];
            Binding *known = elem->kind == NODE_NAME ? scope_find(probe, elem->name) : NULL;
            if (elem->kind == NODE_NAME &&
                (!known || (known->def && known->def->kind != NODE_LET))) {
                bool first = i == 0 && k == 0;
                uint32_t symbol = dim_symbol_count(s->program->dims);
                b = dim_symbol(s->program->dims, elem->name, first ? run->bound : BATCH_DEFAULT);
                if (first) run->symbol = symbol;
                scope_set(s, probe, elem->name, value_dim(s, b), elem->span);
            }
            Scope *saved = s->scope;
            s->scope = probe;
            Value v = elem->kind == NODE_ELLIPSIS ? POISON : eval(s, elem);
            s->scope = saved;
            if (!value_as_dim(s, v, &shape.dims[k])) {
                sema_error(s, E_UNKNOWN_DIM, elem->span, "this size must be a name or a number");
                return false;
            }
        }
        NodeId in = g_input(run->build.g, par->name, dtype, &shape, par->span);
        args->values[i] = value_tensor(s, in);
    }
    (void)scope;
    return true;
}

static Sym output_name(Sema *s, const Graph *g, const Node *e, uint32_t i, uint32_t count) {
    const char *name = e->kind == NODE_NAME ? e->name->text
                       : count == 1         ? "out"
                                            : arena_printf(s->arena, "out%u", i);
    for (uint32_t k = 0; k < g->outputs.len; k++)
        if (strcmp(g->outputs.data[k].name->text, name) == 0) {
            name = arena_printf(s->arena, "%s_out", name);
            k = UINT32_MAX; /* look again from the first */
        }
    return ctx_sym(s->ctx, name);
}

/* `return a, b` in a step adds outputs after the metrics; they go by their names. */
static void returned_outputs(Sema *s, BlockRun *run) {
    Frame *f = s->frame;
    if (!f->returned || !run->update) return;
    const Node *stmt = f->returned_at;
    Value v = f->result;
    uint32_t n = v.kind == V_TUPLE ? v.as.list.count : 1;
    for (uint32_t i = 0; i < n; i++) {
        const Node *e = n == stmt->count ? stmt->kids[i] : stmt->kids[0];
        Value item = v.kind == V_TUPLE ? v.as.list.items[i] : v;
        if (!value_is_poison(item)) item = to_tensor(s, item, DTYPE_COUNT, e->span);
        NodeId node = value_is_poison(item) ? NODE_NONE : tensor_node(s, item, e->span);
        if (node_is_none(node))
            run->ok = false;
        else
            graph_output(run->build.g, output_name(s, run->build.g, e, i, n), node);
    }
}

static void run_step(Sema *s, BlockRun *run, const Node *step, Scope *scope) {
    const Node *list = node_kid(step, 0);
    uint32_t n = list ? list->count : 0;
    Args args = {.values = ARENA_ARRAY(s->arena, Value, n + 1),
                 .nodes = ARENA_ARRAY(s->arena, const Node *, n + 1),
                 .names = ARENA_ARRAY(s->arena, Sym, n + 1),
                 .count = n};
    if (!run->data && !host_inputs(s, run, list, &args, scope)) {
        run->ok = false;
        return;
    }
    for (uint32_t i = 0; i < n && run->data; i++) {
        const Node *par = list->kids[i];
        Binding *b = scope_find_here(scope, par->name);
        args.nodes[i] = par;
        if (b) {
            args.values[i] = b->value;
            continue;
        }
        Diag *d = sema_error(s, E_NAME, par->name_span, "data `%s` has no column `%s`",
                             run->data->node->name->text, par->name->text);
        Nearest near = {.wanted = par->name->text};
        for (uint32_t k = 0; k < run->data->row->outputs.len; k++)
            nearest_offer(&near, run->data->row->outputs.data[k].name->text);
        if (near.best) propose_name(d, par->name_span, near.best);
        args.values[i] = POISON;
    }
    Scope *inner = scope_new(s, scope, true), *saved = s->scope;
    for (uint32_t i = 0; i < n; i++) { /* a bare parameter is the column as it is */
        const Node *par = list->kids[i];
        if (!node_kid(par, 0) && !node_kid(par, 1))
            scope_set(s, inner, par->name, args.values[i], par->name_span);
    }
    if (n && !bind_list(s, list, &args, inner, step, NULL, step->span)) run->ok = false;
    s->scope = inner;
    exec_block(s, node_kid(step, 1));
    s->scope = saved;
}

/* The one model that the loss reached. */
static Value reached_model(Sema *s, Span span) {
    Instance *found = NULL;
    for (uint32_t i = 0; i < s->models.len; i++) {
        Instance *m = s->models.data[i];
        uint32_t latest;
        if (!ptrmap_get(&s->build->memo_index, ctx_sym(s->ctx, m->path), &latest)) continue;
        if (found) {
            Diag *d = sema_error(s, E_BLOCK, span,
                                 "the loss uses the models `%s` and `%s`: which "
                                 "shall be trained?",
                                 found->path, m->path);
            diag_help(d, "write a `step(...)` with `minimize loss over %s with ...`", found->path);
            return POISON;
        }
        found = m;
    }
    if (found) return (Value){.kind = V_INSTANCE, .as.instance = found};
    sema_error(s, E_BLOCK, span, "the loss uses no model");
    return POISON;
}

static void run_short(Sema *s, BlockRun *run, const Node *loss_setting, const Node *rule_setting) {
    const Node *e = node_kid(loss_setting, 0);
    Value loss = to_tensor(s, eval(s, e), DTYPE_COUNT, e->span);
    if (!value_is_poison(loss)) {
        Shape shape = tensor_shape(s, loss);
        if (shape.rank || !dtype_is_float(tensor_dtype(s, loss))) {
            Diag *d = sema_error(s, E_BLOCK, e->span, "the loss must be one number, got %s",
                                 shape_string(s, &shape, NULL));
            diag_help(d, "`mean(...)` over the rows");
            loss = POISON;
        }
    }
    vec_push(s->arena, &s->metric_names, ctx_sym(s->ctx, "loss"));
    vec_push(s->arena, &s->metric_values, loss);
    vec_push(s->arena, &s->metric_spans, loss_setting->span);
    run_metrics(s, run->node);
    Value rule = eval(s, node_kid(rule_setting, 0));
    if (!run->update || value_is_poison(loss) || value_is_poison(rule)) return;
    if (rule.kind != V_INSTANCE || rule.as.instance->def->kind != NODE_OPTIMIZER) {
        Diag *d = sema_error(s, E_BLOCK, rule_setting->span,
                             "`optimizer` wants an optimizer such as "
                             "adam(), got %s",
                             rule.kind == V_OPTIMIZER ? "one without its settings"
                                                      : value_kind_name(rule.kind));
        if (rule.kind == V_OPTIMIZER) propose_call(s, d, node_kid(rule_setting, 0));
        return;
    }
    Value model = reached_model(s, loss_setting->span);
    Value g = value_is_poison(model) ? POISON : gradient(s, loss, model, NULL, e->span);
    if (!value_is_poison(g) && run->accumulate > 1) g = accumulate_gradient(s, run, model, g);
    if (g.kind == V_NONE) return;
    g = clip_gradient(s, run->node, g);
    if (value_is_poison(g)) return;
    Value values[2] = {model, g};
    const Node *nodes[2] = {NULL, e};
    Sym names[2] = {NULL, NULL};
    Args args = {.values = values, .nodes = nodes, .names = names, .count = 2};
    rule_apply(s, rule.as.instance, &args, node_kid(rule_setting, 0), rule_setting->span);
}

static void metric_outputs(Sema *s, BlockRun *run) {
    for (uint32_t i = 0; i < s->metric_names.len; i++) {
        Value v = s->metric_values.data[i];
        if (value_is_poison(v)) {
            run->ok = false;
            continue;
        }
        NodeId node = v.as.tensor.node;
        if (tensor_dtype(s, v) != DTYPE_F32)
            node = g_cast(run->build.g, DTYPE_F32, node, s->metric_spans.data[i]);
        graph_output(run->build.g, s->metric_names.data[i], node);
    }
}

/* Non-finite objectives make a step write nothing. */
static void set_guard(Sema *s, Build *b, Span span) {
    b->g->guard = NODE_NONE;
    for (uint32_t i = 0; i < b->objectives.len; i++) {
        NodeId y = b->objectives.data[i];
        if (graph_node(b->g, y)->dtype != DTYPE_F32) y = g_cast(b->g, DTYPE_F32, y, span);
        bool seen = false;
        for (uint32_t k = 0; k < i; k++)
            seen |= node_same(b->objectives.data[k], b->objectives.data[i]);
        if (seen) continue;
        b->g->guard = node_is_none(b->g->guard) ? y : g_binary(b->g, OP_ADD, b->g->guard, y, span);
    }
    (void)s;
}

/* What a block that is elaborated inside another one (model_discover) must not touch. */
typedef struct Kept {
    Sym *names;
    Value *values;
    Span *spans;
    const char **frozen;
    uint32_t metrics, frozen_count;
} Kept;

static Kept block_keep(Sema *s) {
    uint32_t n = s->metric_names.len, m = s->frozen.len;
    Kept k = {.metrics = n,
              .frozen_count = m,
              .names = ARENA_ARRAY(s->arena, Sym, n + 1),
              .values = ARENA_ARRAY(s->arena, Value, n + 1),
              .spans = ARENA_ARRAY(s->arena, Span, n + 1),
              .frozen = ARENA_ARRAY(s->arena, const char *, m + 1)};
    for (uint32_t i = 0; i < n; i++) {
        k.names[i] = s->metric_names.data[i];
        k.values[i] = s->metric_values.data[i];
        k.spans[i] = s->metric_spans.data[i];
    }
    for (uint32_t i = 0; i < m; i++) k.frozen[i] = s->frozen.data[i];
    return k;
}

static void block_restore(Sema *s, const Kept *k) {
    s->metric_names.len = s->metric_values.len = s->metric_spans.len = s->frozen.len = 0;
    for (uint32_t i = 0; i < k->metrics; i++) {
        vec_push(s->arena, &s->metric_names, k->names[i]);
        vec_push(s->arena, &s->metric_values, k->values[i]);
        vec_push(s->arena, &s->metric_spans, k->spans[i]);
    }
    for (uint32_t i = 0; i < k->frozen_count; i++) vec_push(s->arena, &s->frozen, k->frozen[i]);
}

static void run_block(Sema *s, BlockRun *run) {
    uint32_t errors = diags_errors(s->ctx->diags);
    bool training = s->training, no_updates = s->no_updates, collect = s->collect_metrics;
    Scope *saved = s->scope, *scope = scope_new(s, s->user, true);
    Kept kept = block_keep(s);
    build_begin(s, &run->build);
    run->build.g->bf16 = run->bf16;
    s->frozen.len = 0;
    for (uint32_t i = 0; run->frozen && i < run->frozen->paths.len; i++)
        vec_push(s->arena, &s->frozen, run->frozen->paths.data[i]);
    Frame f;
    frame_push(s, &f, run->node, NULL, (Span){0});
    f.base = true;
    f.owner = NULL;
    f.root = run->root;
    run->ok = true;
    bind_columns(s, run, scope);
    s->scope = scope;
    s->training = run->training;
    s->no_updates = !run->update;
    s->collect_metrics = true;
    s->metric_names.len = s->metric_values.len = s->metric_spans.len = 0;
    const Node *step = find_step(run->node), *loss = block_setting(run->node, "loss");
    const Node *rule = block_setting(run->node, "optimizer");
    if (loss && rule) {
        run_short(s, run, loss, rule);
    } else {
        run_metrics(s, run->node);
        if (step) run_step(s, run, step, scope);
    }
    metric_outputs(s, run);
    run->metrics = run->build.g->outputs.len;
    returned_outputs(s, run);
    block_restore(s, &kept);
    set_guard(s, &run->build, run->node->span);
    s->collect_metrics = collect;
    s->training = training;
    s->no_updates = no_updates;
    s->scope = saved;
    frame_pop(s, &f);
    build_end(s, &run->build);
    if (diags_errors(s->ctx->diags) != errors) run->ok = false;
}

/* ------------------------------------------------------------------ train */

static bool check_train(Sema *s, const Node *node, const DataBlock *d) {
    const Node *step = find_step(node), *loss = block_setting(node, "loss");
    const Node *rule = block_setting(node, "optimizer");
    uint32_t steps = 0;
    for (uint32_t i = 0; i < node->count; i++) {
        const Node *entry = node->kids[i];
        if (entry->kind == NODE_STEP && ++steps > 1)
            sema_error(s, E_BLOCK, entry->span, "a train block has one `step`");
        if (entry->kind == NODE_FIELD || entry->kind == NODE_ASSIGN)
            sema_error(s, E_BLOCK, entry->span, "%s belongs in a data block",
                       entry->kind == NODE_FIELD ? "`field`" : "a row transform");
    }
    Span at = node->name ? node->name_span : node->span;
    if (step && (loss || rule)) {
        sema_error(s, E_BLOCK, (loss ? loss : rule)->span,
                   "a block has either `step` or `loss` and `optimizer`");
        return false;
    }
    if (!step && (!loss || !rule)) {
        Diag *g = sema_error(s, E_BLOCK, at, "this train block lacks %s",
                             loss   ? "`optimizer`"
                             : rule ? "`loss`"
                                    : "`loss` and `optimizer`");
        diag_help(g, "`loss: cross_entropy(net(x), y)` and `optimizer: adam()`, or a `step(...)`");
        return false;
    }
    if (!d && !step) {
        sema_error(s, E_BLOCK, at, "this train block lacks `data`");
        return false;
    }
    return true;
}

static bool train_settings(Sema *s, const Node *node, DataBlock *d, BmrtTrain *t) {
    bool ok = setting_int(s, node, "epochs", 1, &t->epochs) &&
              setting_int(s, node, "steps", 1, &t->steps) && setting_batch(s, node, &t->batch);
    int64_t seed = 0;
    ok = ok && setting_int(s, node, "seed", 0, &seed);
    t->seed = (uint64_t)seed;
    if (!ok) return false;
    if (t->epochs && t->steps) {
        sema_error(s, E_BLOCK, block_setting(node, "steps")->span,
                   "either `epochs` or `steps`, not both");
        return false;
    }
    if (!t->epochs && !t->steps) t->epochs = 1;
    const Node *shuffle = block_setting(node, "shuffle");
    bool flag = true;
    if (shuffle && !eval_static_bool(s, node_kid(shuffle, 0), &flag, "`shuffle`")) return false;
    t->shuffle = flag;
    if (d && !d->has[BMRT_SPLIT_TRAIN]) {
        sema_error(s, E_DATA, block_setting(node, "data")->span, "data `%s` has no train rows",
                   d->node->name->text);
        return false;
    }
    return true;
}

static const char *prefixed(Sema *s, const Node *node, const char *name) {
    return node->name ? arena_printf(s->arena, "%s.%s", node->name->text, name) : name;
}

void make_train(Sema *s, const Node *node) {
    BmrtTrain t = {.data = -1,
                   .batch = BATCH_DEFAULT,
                   .shards = 1,
                   .shuffle = 1,
                   .name = node->name ? node->name->text : NULL,
                   .step_entry = -1,
                   .accumulate = 1,
                   .accumulate_entry = -1,
                   .valid = {.eval_entry = -1, .finish_entry = -1}};
    DataBlock *d;
    int32_t split = BMRT_SPLIT_TRAIN;
    s->scope = s->user;
    bool known = check_settings(s, node, TRAIN_SETTINGS, "a train block");
    if (!setting_data(s, node, &d, &split)) return;
    /* a misspelt setting explains what is missing */
    if (!known && (!block_setting(node, "loss") || !block_setting(node, "optimizer")) &&
        !find_step(node))
        return;
    PartPaths frozen;
    bool bf16;
    if (!check_train(s, node, d)) return;
    if (!train_settings(s, node, d, &t) || !check_short_settings(s, node) ||
        !read_machine(s, node, &t, &bf16) || !read_freeze(s, node, &frozen) ||
        !setting_int(s, node, "accumulate", 1, &t.accumulate))
        return;
    t.data = d ? d->index : -1;
    BlockRun run = {.node = node,
                    .root = node->name ? node->name->text : "train",
                    .data = d,
                    .bound = t.batch ? t.batch : BATCH_BOUND_ALL,
                    .training = true,
                    .update = true,
                    .frozen = &frozen,
                    .accumulate = t.accumulate,
                    .bf16 = bf16};
    run_block(s, &run);
    if (run.ok && !(check_freeze(s, &frozen) && read_init(s, node, &t))) return;
    bool valid = d && d->has[BMRT_SPLIT_VALID];
    read_stop(s, &run, valid, &t);
    read_save(s, &run, valid, &t);
    if (!run.ok || !(s->options->roots & SEMA_TRAIN)) return;
    t.step_entry =
        (int32_t)entry_add(s, prefixed(s, node, "step"), BMRT_ENTRY_STEP, run.build.g, node->span);
    shows_add(s, &run.build, (uint32_t)t.step_entry, NULL);
    t.metric_count = run.metrics;
    if (t.accumulate > 1) {
        BlockRun micro = run;
        micro.micro = true;
        run_block(s, &micro);
        if (!micro.ok) return;
        t.accumulate_entry = (int32_t)entry_add(s, prefixed(s, node, "accumulate"), BMRT_ENTRY_STEP,
                                                micro.build.g, node->span);
        shows_add(s, &micro.build, (uint32_t)t.accumulate_entry, NULL);
    }
    if (valid) {
        BlockRun eval_run = run;
        eval_run.training = eval_run.update = false;
        run_block(s, &eval_run);
        if (!eval_run.ok) return;
        split_metrics(s, &eval_run.build, eval_run.symbol, prefixed(s, node, "valid"), node->span,
                      &t.valid);
    }
    vec_push(s->arena, &s->program->train, t);
}

/* Elaborates the steps without updates in a graph that is thrown away, so that the parameters of a
 * model are known where only an export names them. */
bool model_discover(Sema *s, Instance *inst) {
    bool any = false;
    (void)inst;
    if (s->discovering) return false;
    s->discovering = true;
    for (uint32_t i = 0; i < s->file->count; i++) {
        const Node *node = s->file->kids[i];
        DataBlock *d;
        int32_t split = 0;
        if (node->kind != NODE_TRAIN) continue;
        Scope *scope = s->scope;
        s->scope = s->user;
        if (setting_data(s, node, &d, &split) && (d || find_step(node))) {
            BlockRun run = {.node = node,
                            .root = node->name ? node->name->text : "train",
                            .data = d,
                            .bound = BATCH_DEFAULT};
            run_block(s, &run);
            any = true;
        }
        s->scope = scope;
    }
    any |= exports_discover(s);
    s->discovering = false;
    return any;
}

/* ------------------------------------------------------------------ test */

/* A model that is trained in small batches may not fit into memory with larger ones. */
static int64_t test_batch(const Sema *s) {
    uint32_t n = s->program->train.len;
    int64_t batch = n ? s->program->train.data[n - 1].batch : 0;
    return batch > 0 && batch < BATCH_DEFAULT ? batch : BATCH_DEFAULT;
}

void make_test(Sema *s, const Node *node, uint32_t ordinal) {
    BmrtTest t = {.name = node->name ? node->name->text : NULL, .data = -1, .batch = test_batch(s)};
    DataBlock *d;
    int32_t split = BMRT_SPLIT_TEST;
    s->scope = s->user;
    check_settings(s, node, TEST_SETTINGS, "a test block");
    if (!setting_data(s, node, &d, &split) || !setting_batch(s, node, &t.batch)) return;
    Span at = node->name ? node->name_span : node->span;
    if (!d) {
        sema_error(s, E_BLOCK, at, "this test block lacks `data`");
        return;
    }
    if (!d->has[split]) {
        static const char *const names[] = {"all", "train", "valid", "test"};
        sema_error(s, E_DATA, block_setting(node, "data")->span, "data `%s` has no %s rows",
                   d->node->name->text, names[split]);
        return;
    }
    if (find_step(node)) {
        sema_error(s, E_BLOCK, find_step(node)->span, "a `step` belongs in a train block");
        return;
    }
    t.data = d->index;
    t.split = (BmrtSplit)split;
    BlockRun run = {.node = node,
                    .root = t.name ? t.name : "test",
                    .data = d,
                    .bound = t.batch ? t.batch : BATCH_BOUND_ALL};
    run_block(s, &run);
    if (!run.ok) return;
    if (run.build.g->outputs.len == 0) {
        Diag *g = sema_error(s, E_BLOCK, at, "this test block has no metric");
        diag_help(g, "`metric accuracy = accuracy(net(x), y)`");
        return;
    }
    const char *prefix = t.name         ? t.name
                         : ordinal == 0 ? "test"
                                        : arena_printf(s->arena, "test%u", ordinal + 1);
    if (!(s->options->roots & SEMA_TEST)) return;
    split_metrics(s, &run.build, run.symbol, prefix, node->span, &t.eval);
    vec_push(s->arena, &s->program->test, t);
}
