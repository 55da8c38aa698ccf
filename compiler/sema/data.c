/* `data` blocks: files, fields, split, and the row transforms that make columns of fields. */
#include "compiler/sema/elaborate.h"

static const SettingSpec DATA_SETTINGS[] = {{"train", true},  {"valid", true},   {"test", true},
                                            {"from", true},   {"split", true},   {"drop", false},
                                            {"dedup", false}, {NULL, false}};

DataBlock *data_find(Sema *s, Sym name) {
    for (uint32_t i = 0; i < s->data.len; i++)
        if (s->data.data[i]->node->name == name) return s->data.data[i];
    return NULL;
}

static bool fail(DataBlock *d) {
    d->poisoned = true;
    return false;
}

/* ------------------------------------------------------------------ fields */

static int32_t field_find(const BmrtData *data, const char *name) {
    for (uint32_t i = 0; i < data->field_count; i++)
        if (strcmp(data->fields[i].name, name) == 0) return (int32_t)i;
    return -1;
}

static void declare_field(Sema *s, DataBlock *d, const Node *entry, BmrtField *out) {
    const Node *par = node_kid(entry, 0), *type = node_kid(par, 1);
    DType dtype = type ? type_dtype(type) : DTYPE_F32;
    Shape shape = shape_scalar();
    Place place = sources_place(s->ctx->sources, entry->span);
    out->name = par->name->text;
    out->line = place.line;
    out->column = place.column;
    if (dtype == DTYPE_COUNT) {
        sema_unsupported(s, type->span, arena_printf(s->arena, "a field of type `%s`",
                                                     type->name ? type->name->text : "?"));
        fail(d);
        return;
    }
    out->dtype = (BmrtDtype)dtype;
    if (!eval_shape(s, node_kid(par, 0), &shape)) {
        fail(d);
        return;
    }
    int64_t *dims = ARENA_ARRAY(s->arena, int64_t, shape.rank);
    int64_t bytes = dtype_bytes(dtype);
    for (uint32_t i = 0; i < shape.rank; i++) {
        dims[i] = dim_value(s->program->dims, shape.dims[i]);
        if (__builtin_mul_overflow(bytes, dims[i], &bytes) || bytes > (int64_t)1 << 32) {
            sema_error(s, E_LIMIT, entry->span, "a row of `%s` is larger than 4 GiB", out->name);
            fail(d);
            return;
        }
    }
    out->rank = shape.rank;
    out->dims = dims;
}

static void declare_fields(Sema *s, DataBlock *d, BmrtData *data) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->node->count; i++) n += d->node->kids[i]->kind == NODE_FIELD;
    BmrtField *fields = ARENA_ARRAY(s->arena, BmrtField, n);
    data->fields = fields;
    for (uint32_t i = 0; i < d->node->count; i++) {
        const Node *entry = d->node->kids[i];
        if (entry->kind != NODE_FIELD || !node_kid(entry, 0)) continue;
        const char *name = node_kid(entry, 0)->name->text;
        if (field_find(data, name) >= 0) {
            sema_error(s, E_DUPLICATE, entry->span, "field `%s` is declared twice", name);
            fail(d);
            continue;
        }
        declare_field(s, d, entry, &fields[data->field_count++]);
    }
    if (n == 0) {
        Diag *e = sema_error(s, E_DATA, d->node->name_span, "data `%s` has no fields",
                             d->node->name->text);
        diag_help(e, "say what a row holds: `field x[28, 28]: u8`");
        fail(d);
    }
}

/* ------------------------------------------------------------------ files */

static const char *const SPLIT_NAMES[BMRT_SPLIT_COUNT] = {"from", "train", "valid", "test"};

static void add_source(Sema *s, BmrtData *data, BmrtSplit split, BmrtFormat format, int32_t field,
                       const char *path, Span span) {
    BmrtSource *all = ARENA_ARRAY(s->arena, BmrtSource, data->source_count + 1);
    if (data->source_count)
        memcpy(all, data->sources, data->source_count * sizeof *all);
    Place place = sources_place(s->ctx->sources, span);
    all[data->source_count++] = (BmrtSource){.split = split, .format = format, .field = field,
                                             .path = path, .line = place.line,
                                             .column = place.column};
    data->sources = all;
}

static void source_argument(Sema *s, DataBlock *d, BmrtData *data, const Node *arg, BmrtSplit split,
                            BmrtFormat format) {
    Value v = eval(s, node_kid(arg, 0));
    int32_t field = arg->name ? field_find(data, arg->name->text)
                              : (data->field_count == 1 ? 0 : -1);
    if (value_is_poison(v)) {
        fail(d);
        return;
    }
    if (v.kind != V_STR) {
        sema_error(s, E_DATA, arg->span, "a file name in quotes is needed, got %s",
                   value_kind_name(v.kind));
        fail(d);
        return;
    }
    if (field < 0) {
        Diag *e = arg->name ? sema_error(s, E_DATA, arg->span, "no field `%s` in data `%s`",
                                         arg->name->text, data->name)
                            : sema_error(s, E_DATA, arg->span, "which field does this file hold?");
        Nearest near = {.wanted = arg->name ? arg->name->text : ""};
        for (uint32_t i = 0; i < data->field_count; i++) nearest_offer(&near, data->fields[i].name);
        if (near.best) diag_help(e, "did you mean `%s`?", near.best);
        else diag_help(e, "write `NAME = \"file\"` with the name of a field");
        fail(d);
        return;
    }
    add_source(s, data, split, format, field, v.as.str, arg->span);
}

static void declare_source(Sema *s, DataBlock *d, BmrtData *data, const Node *setting,
                           BmrtSplit split) {
    static const struct {
        const char *name;
        BmrtFormat format;
    } formats[] = {{"idx", BMRT_FORMAT_IDX}, {"npy", BMRT_FORMAT_NPY}};
    const Node *e = node_kid(setting, 0);
    const Node *callee = e && e->kind == NODE_CALL ? node_kid(e, 0) : NULL;
    uint32_t before = data->source_count;
    d->has[split] = true;
    if (callee && callee->kind == NODE_NAME) {
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
            if (strcmp(formats[f].name, callee->name->text) != 0) continue;
            for (uint32_t i = 1; i < e->count; i++)
                source_argument(s, d, data, e->kids[i], split, formats[f].format);
            for (uint32_t k = 0; k < data->field_count && !d->poisoned; k++) {
                bool found = false;
                for (uint32_t i = before; i < data->source_count; i++)
                    found |= data->sources[i].field == (int32_t)k;
                if (found) continue;
                sema_error(s, E_DATA, e->span, "no file for field `%s` here", data->fields[k].name);
                fail(d);
            }
            return;
        }
    }
    fail(d);
    if (callee && callee->kind == NODE_NAME && builtin_find(callee->name->text)) {
        sema_unsupported(s, e->span, arena_printf(s->arena, "reading with `%s(...)`",
                                                  callee->name->text));
        return;
    }
    Diag *g = sema_error(s, E_DATA, e ? e->span : setting->span,
                         "`%s` wants a source such as idx(x = \"images.gz\")", setting->name->text);
    diag_help(g, "sources: idx npy");
}

/* ------------------------------------------------------------------ split */

static bool split_part(Sema *s, const Node *arg, BmrtSplitRule *rule) {
    Value v = eval(s, node_kid(arg, 0));
    if (value_is_poison(v)) return false;
    const char *name = arg->name ? arg->name->text : "";
    int64_t i;
    if (strcmp(name, "seed") == 0) {
        if (value_is_int(v, &i) && i >= 0) {
            rule->seed = (uint64_t)i;
            return true;
        }
        sema_error(s, E_DATA, arg->span, "`seed` wants a whole number from 0 up, got %s",
                   value_string(s, v));
        return false;
    }
    for (int k = BMRT_SPLIT_TRAIN; k < BMRT_SPLIT_COUNT; k++) {
        if (strcmp(name, SPLIT_NAMES[k]) != 0) continue;
        double x = v.kind == V_NUM ? value_number(v) : -1;
        if (x < 0 || (x >= 1 && !value_is_int(v, &i))) {
            sema_error(s, E_DATA, arg->span,
                       "`%s` wants a fraction below 1 or a number of rows, got %s", name,
                       value_string(s, v));
            return false;
        }
        rule->part[k] = x;
        return true;
    }
    Diag *d = sema_error(s, E_DATA, arg->span, "a split has no `%s`", name);
    diag_help(d, "parts here: train valid test seed");
    return false;
}

static void declare_split(Sema *s, DataBlock *d, BmrtData *data, const Node *setting) {
    const Node *e = node_kid(setting, 0);
    const Node *callee = e && e->kind == NODE_CALL ? node_kid(e, 0) : NULL;
    const char *kind = callee && callee->kind == NODE_NAME ? callee->name->text : "";
    if (strcmp(kind, "random") != 0 && strcmp(kind, "blocks") != 0) {
        fail(d);
        if (strcmp(kind, "folds") == 0) {
            sema_unsupported(s, e->span, "`folds`");
            return;
        }
        Diag *g = sema_error(s, E_DATA, e ? e->span : setting->span, "no such way to split");
        diag_help(g, "`random(valid = 5000, seed = 1)` or `blocks(valid = 0.1)`");
        return;
    }
    data->split.kind = kind[0] == 'r' ? BMRT_SPLITBY_RANDOM : BMRT_SPLITBY_BLOCKS;
    double fractions = 0;
    for (uint32_t i = 1; i < e->count; i++)
        if (!split_part(s, e->kids[i], &data->split)) fail(d);
    for (int k = BMRT_SPLIT_TRAIN; k < BMRT_SPLIT_COUNT; k++) {
        double part = data->split.part[k];
        if (part > 0) d->has[k] = true;
        if (part < 1) fractions += part;
        if (part > 0 && k != BMRT_SPLIT_TRAIN)
            for (uint32_t i = 0; i < data->source_count; i++)
                if (data->sources[i].split == (BmrtSplit)k) {
                    sema_error(s, E_DATA, setting->span,
                               "the %s rows come from their own file and from the split",
                               SPLIT_NAMES[k]);
                    fail(d);
                    break;
                }
    }
    if (fractions > 1 + 1e-9) {
        sema_error(s, E_DATA, setting->span, "the fractions add up to %g, more than 1", fractions);
        fail(d);
    }
    d->has[BMRT_SPLIT_TRAIN] = true;
}

void data_declare(Sema *s, const Node *node) {
    DataBlock *d = ARENA_NEW(s->arena, DataBlock);
    d->node = node;
    d->index = (int32_t)s->program->data.len;
    BmrtData data = {.name = node->name->text, .train_rows_entry = -1, .rows_entry = -1};
    Scope *saved = s->scope;
    s->scope = s->user;
    check_settings(s, node, DATA_SETTINGS, "a data block");
    declare_fields(s, d, &data);
    bool bad_fields = d->poisoned;
    for (int k = 0; k < BMRT_SPLIT_COUNT; k++) {
        const Node *setting = block_setting(node, SPLIT_NAMES[k]);
        if (setting && !d->poisoned) declare_source(s, d, &data, setting, (BmrtSplit)k);
    }
    const Node *split = block_setting(node, "split");
    if (split && !d->poisoned) declare_split(s, d, &data, split);
    if (d->has[BMRT_SPLIT_ALL] && !split) d->has[BMRT_SPLIT_TRAIN] = true;
    if (!d->poisoned && data.source_count == 0) {
        Diag *e = sema_error(s, E_DATA, node->name_span, "data `%s` names no file", data.name);
        diag_help(e, "`train: idx(...)`, `from: npy(...)`");
        fail(d);
    }
    if (d->poisoned) memset(d->has, 1, sizeof d->has);
    d->poisoned = bad_fields; /* wrong files leave the columns worth checking */
    s->scope = saved;
    vec_push(s->arena, &s->program->data, data);
    vec_push(s->arena, &s->data, d);
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
        if (entry->kind == NODE_ASSIGN) exec(s, entry);
        else if (entry->kind == NODE_METRIC || entry->kind == NODE_STEP)
            sema_error(s, E_BLOCK, entry->span, "`%s` belongs in a train block",
                       node_kind_name(entry->kind));
    }
    for (uint32_t i = 0; i < scope->names.len; i++) add_column(s, d, scope->names.data[i].name);
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

static Span field_span(const DataBlock *d, Sym name) {
    for (uint32_t i = 0; i < d->node->count; i++) {
        const Node *entry = d->node->kids[i];
        const Node *par = entry->kind == NODE_FIELD ? node_kid(entry, 0) : NULL;
        if (par && par->name == name) return entry->span;
    }
    return d->node->span;
}

static Graph *row_graph(Sema *s, DataBlock *d, bool training) {
    Build build;
    Scope *saved = s->scope, *scope = scope_new(s, s->user, true);
    bool was_training = s->training, was_rows = s->rows;
    const BmrtData *data = &s->program->data.data[d->index];
    build_begin(s, &build);
    for (uint32_t i = 0; i < data->field_count; i++) {
        const BmrtField *f = &data->fields[i];
        Shape shape = {.rank = f->rank};
        for (uint32_t k = 0; k < f->rank; k++)
            shape.dims[k] = dim_const(s->program->dims, f->dims[k]);
        Sym name = ctx_sym(s->ctx, f->name);
        Span at = field_span(d, name);
        scope_set(s, scope, name,
                  value_tensor(s, g_input(build.g, name, (DType)f->dtype, &shape, at)), at);
    }
    Frame f;
    frame_push(s, &f, d->node, NULL, (Span){0});
    f.base = true;
    f.owner = NULL;
    f.root = d->node->name->text;
    s->scope = scope;
    s->training = training;
    s->rows = true;
    run_transforms(s, d, scope);
    bool ok = column_outputs(s, d, scope, build.g);
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
    d->row = row_graph(s, d, false);
    Graph *train = d->row ? row_graph(s, d, true) : NULL;
    s->build = outer;
    d->building = false;
    if (!d->row || !train) return fail(d);
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
                                 .dtype = (BmrtDtype)n->dtype, .rank = n->rank + 1, .dims = dims};
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
    if (strcmp(name, "encode") == 0 || data_column(d, e->name)) {
        Value c = {.kind = V_COLUMN};
        c.as.data.block = d;
        c.as.data.column = strcmp(name, "encode") == 0 ? NULL : e->name;
        return c;
    }
    Diag *g = sema_error(s, E_NAME, e->name_span, "data `%s` has no column `%s`",
                         d->node->name->text, name);
    Nearest near = {.wanted = name};
    for (uint32_t i = 0; i < d->row->outputs.len; i++)
        nearest_offer(&near, d->row->outputs.data[i].name->text);
    if (near.best) diag_help(g, "did you mean `%s`?", near.best);
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
            sema_error(s, E_ARGUMENT, at, args->names[a] ? "no field `%s` is wanted here"
                                                         : "one argument too many%s",
                       args->names[a] ? args->names[a]->text : "");
            return false;
        }
        given[i] = (int32_t)a;
    }
    return true;
}

static bool field_input(Sema *s, const GraphInput *in, Value v, Span span, DimId *lead, bool *led,
                        NodeId *out) {
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

Value data_encode(Sema *s, DataBlock *d, const Args *args, Sym only, Span span) {
    if (!data_rows(s, d) || !s->build) return POISON;
    const Graph *row = d->row;
    uint32_t n = row->inputs.len;
    bool *wanted = ARENA_ARRAY(s->arena, bool, n), *needed = ARENA_ARRAY(s->arena, bool, n);
    bool *want = ARENA_ARRAY(s->arena, bool, row->outputs.len);
    int32_t *given = ARENA_ARRAY(s->arena, int32_t, n);
    if (only) needed_fields(s, row, data_column(d, only)->node, wanted);
    else memset(wanted, 1, n);
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
        if (!field_input(s, &row->inputs.data[i], v, at, &lead, &led, &inputs[i])) return POISON;
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
