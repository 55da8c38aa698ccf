/* `data` blocks: the row transforms that make columns of fields, their entries, and their use on
 * new data. */
#include "compiler/sema/use_files.h"

DataBlock *data_find(Sema *s, const Node *node) {
    for (uint32_t i = 0; i < s->data.len; i++)
        if (s->data.data[i]->node == node) return s->data.data[i];
    return NULL;
}

static bool fail(DataBlock *d) {
    d->poisoned = true;
    return false;
}

/* ------------------------------------------------------------------ transforms */

static void add_column(Sema *s, DataBlock *d, Sym name) {
    for (uint32_t i = 0; i < d->columns.len; i++)
        if (d->columns.data[i] == name) return;
    vec_push(s->arena, &d->columns, name);
}

static void run_transforms(Sema *s, DataBlock *d, Scope *scope) {
    for (uint32_t i = 0; i < d->node->count; i++) {
        const Node *entry = d->node->kids[i];
        if (entry->kind == NODE_ASSIGN) {
            const Node *target = node_kid(entry, 0);
            while (target && target->kind != NODE_NAME && target->count) target = target->kids[0];
            s->fit_column = target && target->kind == NODE_NAME ? target->name : NULL;
            exec(s, entry);
        } else if (entry->kind == NODE_METRIC || entry->kind == NODE_STEP)
            sema_error(s, E_BLOCK, entry->span, "`%s` belongs in a train block",
                       node_kind_name(entry->kind));
    }
    for (uint32_t i = 0; i < scope->names.len; i++) {
        const Binding *b = &scope->names.data[i];
        if (!is_tokens_field(b->value) || b->value.decl->name != b->name) add_column(s, d, b->name);
    }
}

static bool column_outputs(Sema *s, DataBlock *d, Scope *scope, Graph *g) {
    for (uint32_t i = 0; i < d->columns.len; i++) {
        Binding *b = scope_find_here(scope, d->columns.data[i]);
        Value v = to_tensor(s, b->value, DTYPE_COUNT, b->span);
        if (value_is_poison(v)) return fail(d);
        graph_output(g, b->name, v.as.tensor.node);
    }
    return true;
}

static const Node *field_par(const DataBlock *d, Sym name) {
    for (uint32_t i = 0; i < d->node->count; i++) {
        const Node *entry = d->node->kids[i];
        const Node *par = entry->kind == NODE_FIELD ? node_kid(entry, 0) : NULL;
        if (par && par->name == name) return par;
    }
    return d->node;
}

static void bind_fields(Sema *s, DataBlock *d, Graph *g, Scope *scope) {
    const BmrtData *data = &s->program->data.data[d->index];
    for (uint32_t i = 0; i < data->field_count; i++) {
        const BmrtField *f = &data->fields[i];
        Shape shape = {.rank = f->rank};
        for (uint32_t k = 0; k < f->rank; k++)
            shape.dims[k] = dim_const(s->program->dims, f->dims[k]);
        Sym name = ctx_sym(s->ctx, f->name);
        const Node *par = field_par(d, name);
        NodeId node = g_input(g, name, (DType)f->dtype, &shape, par->span);
        if (f->kind == BMRT_FIELD_TOKENS) {
            scope_set(s, scope, name, tokens_field(s, d, f, node, par), par->span);
            continue;
        }
        Value v = value_tensor(s, node);
        v.decl = par->kind == NODE_PAR ? par : NULL;
        scope_set(s, scope, name, v, par->span);
    }
}

/* `drop:` as a graph of one output, or the transforms as a graph of the columns. */
static bool run_rows(Sema *s, DataBlock *d, const Node *drop, Scope *scope, Graph *g) {
    if (!drop) {
        run_transforms(s, d, scope);
        return column_outputs(s, d, scope, g);
    }
    const Node *e = node_kid(drop, 0);
    Value v = eval(s, e);
    if (v.kind == V_BOOL) v = to_tensor(s, v, DTYPE_BOOL, e->span);
    if (value_is_poison(v)) return fail(d);
    if (v.kind != V_TENSOR || tensor_dtype(s, v) != DTYPE_BOOL || tensor_shape(s, v).rank) {
        Diag *diag = sema_error(s, E_DATA, e->span, "`drop` wants one bool a row, got %s",
                                value_shape_string(s, v));
        diag_help(diag, "`drop: missing(x) or x < 0`");
        return fail(d);
    }
    NodeId node = tensor_node(s, v, e->span);
    if (node_is_none(node)) return fail(d);
    graph_output(g, ctx_sym(s->ctx, "drop"), node);
    return true;
}

static Graph *row_graph(Sema *s, DataBlock *d, bool training, const Node *drop) {
    Build build;
    Scope *saved = s->scope, *scope = scope_new(s, use_scope(s, d->node->span.file), true);
    bool was_training = s->training, was_rows = s->rows;
    DataBlock *was_block = s->rows_block;
    build_begin(s, &build);
    bind_fields(s, d, build.g, scope);
    Frame f;
    frame_push(s, &f, d->node, NULL, (Span){0});
    f.base = true;
    f.owner = NULL;
    f.root = d->node->name->text;
    s->scope = scope;
    s->training = training;
    s->rows = true;
    s->rows_block = d;
    s->dropping = drop != NULL;
    s->fit_columns.len = 0;
    bool ok = run_rows(s, d, drop, scope, build.g);
    s->dropping = false;
    s->rows_block = was_block;
    s->rows = was_rows;
    s->training = was_training;
    s->scope = saved;
    frame_pop(s, &f);
    build_end(s, &build);
    return ok ? build.g : NULL;
}

static bool graphs_equal(Sema *s, const Graph *a, const Graph *b) {
    Text ta = {.arena = s->arena}, tb = {.arena = s->arena};
    graph_print(&ta, a);
    graph_print(&tb, b);
    return strcmp(text_str(&ta), text_str(&tb)) == 0;
}

bool data_rows(Sema *s, DataBlock *d) {
    if (d->poisoned || d->row) return !d->poisoned;
    if (d->building) {
        sema_error(s, E_RECURSION, d->node->name_span, "data `%s` uses its own columns",
                   d->node->name->text);
        return fail(d);
    }
    d->building = true;
    Build *outer = s->build;
    s->build = NULL;
    d->row = row_graph(s, d, false, NULL);
    Graph *train = d->row ? row_graph(s, d, true, NULL) : NULL;
    const Node *drop = block_setting(d->node, "drop");
    if (drop && train) d->drop = row_graph(s, d, false, drop);
    s->build = outer;
    d->building = false;
    if (!d->row || !train || (drop && !d->drop)) return fail(d);
    if (!graphs_equal(s, d->row, train)) d->row_train = train;
    return true;
}

const GraphOutput *data_column(DataBlock *d, Sym name) {
    for (uint32_t i = 0; d->row && i < d->row->outputs.len; i++)
        if (d->row->outputs.data[i].name == name) return &d->row->outputs.data[i];
    return NULL;
}

/* ------------------------------------------------------------------ entries */

enum { ROWS_BOUND = 1024 };

static int32_t rows_entry(Sema *s, DataBlock *d, const Graph *row, const char *suffix) {
    Build build;
    build_begin(s, &build);
    Sym n = ctx_sym(s->ctx, "N");
    DimId lead = dim_symbol(s->program->dims, n, ROWS_BOUND);
    NodeId *inputs = ARENA_ARRAY(s->arena, NodeId, row->inputs.len);
    NodeId *outputs = ARENA_ARRAY(s->arena, NodeId, row->outputs.len);
    for (uint32_t i = 0; i < row->inputs.len; i++) {
        const GraphInput *in = &row->inputs.data[i];
        Shape shape = {.rank = in->shape.rank + 1};
        if (in->shape.rank == RANK_MAX) return -1;
        shape.dims[0] = lead;
        memcpy(shape.dims + 1, in->shape.dims, in->shape.rank * sizeof *shape.dims);
        inputs[i] = g_input(build.g, in->name, in->dtype, &shape, in->span);
    }
    bool ok = batch_rows(s, row, inputs, lead, outputs, d->node->span);
    for (uint32_t i = 0; ok && i < row->outputs.len; i++)
        graph_output(build.g, row->outputs.data[i].name, outputs[i]);
    build_end(s, &build);
    if (!ok) return -1;
    const char *name = arena_printf(s->arena, "%s.%s", d->node->name->text, suffix);
    return (int32_t)entry_add(s, name, BMRT_ENTRY_ROWS, build.g, d->node->span);
}

static BmrtDim constant_dim(Sema *s, int64_t value) {
    BmrtTerm *term = ARENA_NEW(s->arena, BmrtTerm);
    term->coefficient = value;
    return (BmrtDim){.count = value ? 1 : 0, .terms = term};
}

static void describe_columns(Sema *s, DataBlock *d, BmrtData *data) {
    BmrtValue *columns = ARENA_ARRAY(s->arena, BmrtValue, d->row->outputs.len);
    uint32_t *symbol = ARENA_NEW(s->arena, uint32_t);
    for (uint32_t i = 0; i < d->row->outputs.len; i++) {
        const GNode *n = graph_node(d->row, d->row->outputs.data[i].node);
        BmrtDim *dims = ARENA_ARRAY(s->arena, BmrtDim, n->rank + 1);
        BmrtTerm *lead = ARENA_NEW(s->arena, BmrtTerm);
        *lead = (BmrtTerm){.coefficient = 1, .count = 1, .symbols = symbol};
        dims[0] = (BmrtDim){.count = 1, .terms = lead};
        for (uint32_t k = 0; k < n->rank; k++)
            dims[k + 1] = constant_dim(s, dim_value(s->program->dims, n->dims[k]));
        columns[i] = (BmrtValue){.name = d->row->outputs.data[i].name->text,
                                 .dtype = (BmrtDtype)n->dtype,
                                 .rank = n->rank + 1,
                                 .dims = dims};
    }
    data->columns = columns;
    data->column_count = d->row->outputs.len;
}

bool data_entries(Sema *s, DataBlock *d) {
    if (!data_rows(s, d)) return false;
    if (s->program->data.data[d->index].rows_entry >= 0) return true;
    int32_t rows = rows_entry(s, d, d->row, "rows"), train = rows;
    if (d->row_train) train = rows_entry(s, d, d->row_train, "rows.train");
    BmrtData *data = &s->program->data.data[d->index];
    data->rows_entry = rows;
    data->train_rows_entry = train;
    if (d->drop) data->drop_entry = rows_entry(s, d, d->drop, "drop");
    data = &s->program->data.data[d->index];
    data->fit_entries = d->fits.data;
    data->fit_count = d->fits.len;
    describe_columns(s, d, data);
    return rows >= 0 && train >= 0;
}

/* ------------------------------------------------------------------ NAME.x(v), NAME.encode(...) */

Value data_member(Sema *s, Value v, const Node *e) {
    DataBlock *d = v.as.data.block;
    const char *name = e->name->text;
    for (int k = BMRT_SPLIT_TRAIN; k < BMRT_SPLIT_COUNT; k++)
        if (strcmp(name, SPLIT_NAMES[k]) == 0) {
            v.as.data.split = k;
            return v;
        }
    if (!data_rows(s, d)) return POISON;
    if (v.as.data.split >= 0 && data_column(d, e->name))
        return fit_split_column(s, d, v.as.data.split, e);
    if (strcmp(name, "encode") == 0 || data_column(d, e->name) ||
        data_text_field(&s->program->data.data[d->index], name)) {
        Value c = {.kind = V_COLUMN};
        c.as.data.block = d;
        c.as.data.column = strcmp(name, "encode") == 0 ? NULL : e->name;
        return c;
    }
    Diag *g = sema_error(s, E_NAME, e->name_span, "data `%s` has no column or split `%s`",
                         d->node->name->text, name);
    Nearest near = {.wanted = name};
    for (uint32_t i = 0; i < d->row->outputs.len; i++)
        nearest_offer(&near, d->row->outputs.data[i].name->text);
    for (int k = BMRT_SPLIT_TRAIN; k < BMRT_SPLIT_COUNT; k++) nearest_offer(&near, SPLIT_NAMES[k]);
    if (near.best) propose_name(g, e->name_span, near.best);
    return POISON;
}

/* needed[i]: output `at` depends on field i. */
static void needed_fields(Sema *s, const Graph *row, NodeId at, bool *needed) {
    bool *mark = ARENA_ARRAY(s->arena, bool, graph_size(row));
    mark[at.id] = true;
    for (uint32_t i = at.id + 1; i-- > 0;) {
        const GNode *n = graph_node(row, (NodeId){i});
        if (!mark[i]) continue;
        if (n->op == OP_INPUT) needed[n->attr[0]] = true;
        for (uint32_t k = 0; k < n->nargs; k++) mark[n->args[k].id] = true;
    }
}

/* Which argument is for which field; given[i] = -1: none. */
static bool match_fields(Sema *s, const Graph *row, const Args *args, const bool *wanted,
                         int32_t *given, Span span) {
    uint32_t next = 0, n = row->inputs.len;
    for (uint32_t i = 0; i < n; i++) given[i] = -1;
    for (uint32_t a = 0; a < args->count; a++) {
        Span at = args->nodes[a] ? args->nodes[a]->span : span;
        uint32_t i = 0;
        if (args->names[a]) {
            while (i < n && row->inputs.data[i].name != args->names[a]) i++;
        } else {
            while (next < n && !wanted[next]) next++;
            i = next++;
        }
        if (i >= n || given[i] >= 0) {
            Diag *d = sema_error(s, E_ARGUMENT, at,
                                 args->names[a] ? "no field `%s` is wanted here"
                                                : "one argument too many%s",
                                 args->names[a] ? args->names[a]->text : "");
            Nearest near = {.wanted = args->names[a] ? args->names[a]->text : ""};
            for (uint32_t k = 0; k < n; k++) nearest_offer(&near, row->inputs.data[k].name->text);
            if (near.best) diag_help(d, "did you mean `%s`?", near.best);
            return false;
        }
        given[i] = (int32_t)a;
    }
    return true;
}

static bool field_input(Sema *s, const DataBlock *d, const GraphInput *in, Value v, Span span,
                        DimId *lead, bool *led, NodeId *out) {
    if (v.kind == V_STRINGS) v = strings_encode(s, v, d, in->name, span);
    v = to_tensor(s, v, in->dtype, span);
    if (value_is_poison(v)) return false;
    Shape shape = tensor_shape(s, v);
    bool fits = tensor_dtype(s, v) == in->dtype;
    uint32_t extra = shape.rank == in->shape.rank + 1 ? 1 : 0;
    fits = fits && shape.rank == in->shape.rank + extra;
    for (uint32_t i = 0; fits && i < in->shape.rank; i++)
        fits = dim_same(shape.dims[i + extra], in->shape.dims[i]);
    DimId first = extra ? shape.dims[0] : dim_const(s->program->dims, 1);
    if (fits && *led && !dim_same(*lead, first)) fits = false;
    if (!fits) {
        sema_error(s, tensor_dtype(s, v) == in->dtype ? E_SHAPE : E_DTYPE, span,
                   "field `%s` holds %s %s (with a leading axis for many rows), got %s %s",
                   in->name->text, dtype_name(in->dtype), shape_string(s, &in->shape, NULL),
                   dtype_name(tensor_dtype(s, v)), shape_string(s, &shape, v.decl));
        return false;
    }
    *lead = first;
    *led = true;
    *out = tensor_node(s, v, span);
    if (node_is_none(*out)) return false;
    if (!extra) {
        Shape to = {.rank = in->shape.rank + 1};
        to.dims[0] = first;
        memcpy(to.dims + 1, in->shape.dims, in->shape.rank * sizeof *to.dims);
        *out = g_reshape(sema_graph(s), *out, &to, span);
    }
    return true;
}

/* The transform with only the outputs in `want` kept. */
static Graph *narrowed(const Graph *row, const bool *want) {
    Graph *g = ARENA_NEW(row->ctx->arena, Graph);
    *g = *row;
    g->outputs.data = ARENA_ARRAY(row->ctx->arena, GraphOutput, row->outputs.len);
    g->outputs.len = g->outputs.cap = 0;
    g->outputs.cap = row->outputs.len;
    for (uint32_t i = 0; i < row->outputs.len; i++)
        if (want[i]) g->outputs.data[g->outputs.len++] = row->outputs.data[i];
    return g;
}

static void choose_outputs(Sema *s, const Graph *row, Sym only, const int32_t *given, bool *want,
                           bool *needed) {
    for (uint32_t i = 0; i < row->outputs.len; i++) {
        bool *needs = ARENA_ARRAY(s->arena, bool, row->inputs.len);
        needed_fields(s, row, row->outputs.data[i].node, needs);
        want[i] = only ? row->outputs.data[i].name == only : true;
        for (uint32_t k = 0; k < row->inputs.len && !only && want[i]; k++)
            if (needs[k] && given[k] < 0) want[i] = false;
        for (uint32_t k = 0; k < row->inputs.len && want[i]; k++) needed[k] |= needs[k];
    }
}

/* `NAME.text(...)` */
static Value text_is_no_column(Sema *s, const DataBlock *d, Sym field, Span span) {
    const char *block = d->node->name->text;
    Diag *e =
        sema_error(s, E_DATA, span, "`%s` of data `%s` is a text, no column", field->text, block);
    diag_help(e, "`%s.encode(%s = ...)` gives the columns that `tokens` makes of it", block,
              field->text);
    return POISON;
}

Value data_encode(Sema *s, DataBlock *d, const Args *args, Sym only, Span span) {
    if (!data_rows(s, d) || !s->build) return POISON;
    if (only && !data_column(d, only)) return text_is_no_column(s, d, only, span);
    const Graph *row = d->row;
    uint32_t n = row->inputs.len;
    bool *wanted = ARENA_ARRAY(s->arena, bool, n), *needed = ARENA_ARRAY(s->arena, bool, n);
    bool *want = ARENA_ARRAY(s->arena, bool, row->outputs.len);
    int32_t *given = ARENA_ARRAY(s->arena, int32_t, n);
    if (only)
        needed_fields(s, row, data_column(d, only)->node, wanted);
    else
        memset(wanted, 1, n);
    if (!match_fields(s, row, args, wanted, given, span)) return POISON;
    choose_outputs(s, row, only, given, want, needed);
    NodeId *inputs = ARENA_ARRAY(s->arena, NodeId, n);
    DimId lead = dim_const(s->program->dims, 1);
    bool led = false, many = true;
    for (uint32_t i = 0; i < n; i++) {
        if (given[i] < 0) {
            if (!needed[i]) continue;
            sema_error(s, E_ARGUMENT, span, "the field `%s` is needed here",
                       row->inputs.data[i].name->text);
            return POISON;
        }
        Value v = args->values[given[i]];
        Span at = args->nodes[given[i]] ? args->nodes[given[i]]->span : span;
        if (!field_input(s, d, &row->inputs.data[i], v, at, &lead, &led, &inputs[i])) return POISON;
        if (v.kind == V_STRINGS) v = value_tensor(s, v.as.strings.node);
        if (v.kind != V_TENSOR || tensor_shape(s, v).rank == row->inputs.data[i].shape.rank)
            many = false;
    }
    Graph *part = narrowed(row, want);
    NodeId *outputs = ARENA_ARRAY(s->arena, NodeId, part->outputs.len + 1);
    if (!batch_rows(s, part, inputs, lead, outputs, span)) return POISON;
    Value record = {.kind = V_RECORD, .as.list = {.count = part->outputs.len}};
    record.as.list.items = ARENA_ARRAY(s->arena, Value, part->outputs.len);
    record.as.list.names = ARENA_ARRAY(s->arena, Sym, part->outputs.len);
    for (uint32_t i = 0; i < part->outputs.len; i++) {
        Value v = value_tensor(s, outputs[i]);
        if (!many) {
            Shape shape = graph_shape(part, part->outputs.data[i].node);
            v = tensor_reshape(s, v, &shape, span);
        }
        record.as.list.items[i] = v;
        record.as.list.names[i] = part->outputs.data[i].name;
    }
    return only ? record.as.list.items[0] : record;
}
