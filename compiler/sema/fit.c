/* `fit(e)`: statistics. The expression is evaluated once over a whole column, its value is kept in
 * a slot of the weights, and everything else reads that slot: so what serving sees is what training
 * saw.
 *
 * In a `data` block the graph under construction is of one row. `fit` opens a second graph in which
 * every value of the row is a column of all train rows: names are looked up as usual, and a tensor
 * of the row graph is replaced by its copy with a leading axis. In an export, `fit` reads columns
 * of a split (`d.valid.x`) instead, and the parameters as they are when weights are saved. */
#include "compiler/sema/elaborate.h"

#include <math.h>

enum { FIT_BOUND = 1024 };

/* ------------------------------------------------------------------ values of rows as columns */

static NodeId field_column(Sema *s, Fit *fit, uint32_t number, Span span) {
    const GraphInput *in = &fit->row->inputs.data[number];
    if (!node_is_none(fit->inputs[number])) return fit->inputs[number];
    Shape shape = {.rank = in->shape.rank + 1};
    shape.dims[0] = fit->lead;
    memcpy(shape.dims + 1, in->shape.dims, in->shape.rank * sizeof *shape.dims);
    return fit->inputs[number] = g_input(sema_graph(s), in->name, in->dtype, &shape, span);
}

static Value tensor_column(Sema *s, Value v, Span span) {
    Fit *fit = s->fit;
    Graph part = *fit->row;
    NodeId out = NODE_NONE;
    part.outputs.data = NULL;
    part.outputs.len = part.outputs.cap = 0;
    part.writes.len = 0;
    graph_output(&part, ctx_sym(s->ctx, "value"), v.as.tensor.node);
    bool *live = ARENA_ARRAY(s->arena, bool, graph_size(&part));
    graph_live(&part, live);
    for (uint32_t i = 0; i < graph_size(&part); i++) {
        const GNode *n = graph_node(&part, (NodeId){i});
        if (!live[i] || n->op != OP_INPUT) continue;
        if (n->rank + 1 > RANK_MAX) return sema_unsupported(s, span, "a row of so many axes");
        field_column(s, fit, (uint32_t)n->attr[0], n->span);
    }
    if (!batch_rows(s, &part, fit->inputs, fit->lead, &out, span)) return POISON;
    Value column = value_tensor(s, out);
    column.decl = v.decl;
    return column;
}

Value fit_view(Sema *s, Value v, Span span) {
    if (v.kind == V_TENSOR && s->fit->row && v.as.tensor.graph == s->fit->row)
        return tensor_column(s, v, span);
    if (v.kind != V_LIST && v.kind != V_TUPLE && v.kind != V_RECORD) return v;
    Value *items = ARENA_ARRAY(s->arena, Value, v.as.list.count);
    for (uint32_t i = 0; i < v.as.list.count; i++) items[i] = fit_view(s, v.as.list.items[i], span);
    v.as.list.items = items;
    return v;
}

/* ------------------------------------------------------------------ columns of a split */

Value fit_split_column(Sema *s, DataBlock *d, int32_t split, const Node *e) {
    Fit *fit = s->fit;
    if (!fit || fit->row) {
        Diag *g = sema_error(s, E_DATA, e->span, "rows of a split are only there for `fit(...)`");
        diag_help(g, "in an export: `fit(quantile(score(%s.valid.%s), 0.99))`", d->node->name->text,
                  e->name->text);
        return POISON;
    }
    if ((fit->block && fit->block != d) || (fit->split >= 0 && fit->split != split)) {
        sema_error(s, E_DATA, e->span, "one `fit` reads the rows of one split only");
        return POISON;
    }
    if (!d->has[split]) {
        sema_error(s, E_DATA, e->span, "data `%s` has no %s rows", d->node->name->text,
                   SPLIT_NAMES[split]);
        return POISON;
    }
    fit->block = d;
    fit->split = split;
    const GraphOutput *column = data_column(d, e->name);
    const GNode *n = graph_node(d->row, column->node);
    Graph *g = sema_graph(s);
    for (uint32_t i = 0; i < g->inputs.len; i++)
        if (g->inputs.data[i].name == e->name) return fit->columns[i];
    if (g->inputs.len == FIT_COLUMNS_MAX || n->rank == RANK_MAX)
        return sema_unsupported(s, e->span, "a `fit` over so many columns");
    Shape shape = {.rank = n->rank + 1, .dims = {fit->lead}};
    memcpy(shape.dims + 1, n->dims, n->rank * sizeof *n->dims);
    uint32_t at = g->inputs.len;
    return fit->columns[at] = value_tensor(s, g_input(g, e->name, n->dtype, &shape, e->span));
}

/* ------------------------------------------------------------------ statistics by their names */

/* Inside `fit`, a user's `mean` and the like skip missing cells: the prelude has them under these
 * names. */
Value fit_statistic(Sema *s, const Node *callee) {
    static const char *const names[] = {"mean", "std",    "var",      "min",  "max",
                                        "sum",  "median", "quantile", "count"};
    Binding *b = scope_find(s->scope, callee->name);
    if (span_in_prelude(s, callee->span) || (b && !(b->def && span_in_prelude(s, b->def->span))))
        return NONE;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], callee->name->text) != 0) continue;
        Sym name = ctx_sym(s->ctx, arena_printf(s->arena, "column_%s", names[i]));
        Binding *column = scope_find_here(s->prelude, name);
        return column ? binding_value(s, column, callee->span) : NONE;
    }
    return NONE;
}

/* ------------------------------------------------------------------ the form */

/* NAME.COLUMN.fitN or EXPORT.fitN: the n-th statistic evaluated for that column. */
static Sym next_path(Sema *s) {
    const char *block = s->rows ? s->rows_block->node->name->text : s->export_name;
    uint32_t ordinal = 1;
    for (uint32_t i = 0; i < s->fit_columns.len; i++)
        ordinal += s->fit_columns.data[i] == s->fit_column;
    vec_push(s->arena, &s->fit_columns, s->fit_column);
    return ctx_sym(s->ctx, s->rows
                               ? arena_printf(s->arena, "%s.%s.fit%u", block,
                                              s->fit_column ? s->fit_column->text : "rows", ordinal)
                               : arena_printf(s->arena, "%s.fit%u", block, ordinal));
}

static bool fit_allowed(Sema *s, const Node *e) {
    if (e->count != 2 || e->kids[1]->name) {
        sema_error(s, E_ARGUMENT, e->span, "`fit` takes one expression");
        return false;
    }
    if (s->fit) {
        Diag *d = sema_error(s, E_LEAK, e->span, "a `fit` inside a `fit`");
        diag_help(d, "name the inner one on a line of its own: `middle = fit(median(x))`");
        return false;
    }
    if (s->dropping) {
        Diag *d = sema_error(s, E_LEAK, e->span, "`drop` comes before statistics");
        diag_note(d, "the order is: drop, dedup, split, transforms");
        return false;
    }
    if (s->build && (s->rows || s->export_name)) return true;
    Diag *d = sema_error(s, E_LEAK, e->span,
                         "`fit` belongs to the transforms of a data block, or to an export");
    const Node *what = node_kid(e->kids[1], 0);
    bool block = false;
    for (const Frame *f = s->frame; f; f = f->up)
        block |= f->def && (f->def->kind == NODE_TRAIN || f->def->kind == NODE_TEST);
    diag_note(d, "it is evaluated once over all rows of a split and saved with the weights");
    if (block)
        diag_help(d, "name it in the data block, `m = fit(%s)`: `m` is a column here",
                  node_text(s, what));
    return false;
}

/* A constant shape: one value for all rows. */
static bool fit_slot(Sema *s, Value v, Sym path, const Node *e, Slot *slot) {
    Shape shape = tensor_shape(s, v);
    *slot = (Slot){.path = path,
                   .kind = SLOT_FIT,
                   .dtype = tensor_dtype(s, v),
                   .rank = shape.rank,
                   .span = e->span};
    for (uint32_t i = 0; i < shape.rank; i++) {
        if (dim_is_const(s->program->dims, shape.dims[i])) {
            slot->dims[i] = dim_value(s->program->dims, shape.dims[i]);
            continue;
        }
        Diag *d = sema_error(s, E_LEAK, e->span, "`fit` wants one value for all rows, got %s",
                             shape_string(s, &shape, NULL));
        diag_help(d, "a statistic: mean std var min max sum median quantile count");
        return false;
    }
    return true;
}

static void add_fit_entry(Sema *s, const Fit *fit, Sym path, Span span) {
    if (!(s->options->roots & SEMA_TRAIN)) return;
    int32_t entry = (int32_t)entry_add(s, path->text, BMRT_ENTRY_FIT, fit->build.g, span);
    if (fit->row) {
        vec_push(s->arena, &fit->block->fits, entry);
        return;
    }
    BmrtStatistic statistic = {
        .entry = entry, .data = fit->block->index, .split = (BmrtSplit)fit->split};
    vec_push(s->arena, &s->program->statistics, statistic);
}

static int32_t make_fit(Sema *s, Sym path, const Node *e) {
    Fit fit = {.block = s->rows ? s->rows_block : NULL, .row = s->rows ? s->build->g : NULL};
    bool rows = s->rows, training = s->training, ok;
    int32_t slot = -1;
    Slot made;
    fit.split = -1;
    fit.lead = dim_symbol(s->program->dims, ctx_sym(s->ctx, "N"), FIT_BOUND);
    uint32_t inputs = fit.row ? fit.row->inputs.len : 0;
    fit.inputs = ARENA_ARRAY(s->arena, NodeId, inputs + 1);
    for (uint32_t i = 0; i < inputs; i++) fit.inputs[i] = NODE_NONE;
    build_begin(s, &fit.build);
    fit.build.g->guard = NODE_NONE;
    s->fit = &fit;
    s->rows = s->training = false;
    Value v = to_tensor(s, eval(s, node_kid(e->kids[1], 0)), DTYPE_COUNT, e->span);
    NodeId node = value_is_poison(v) ? NODE_NONE : tensor_node(s, v, e->span);
    if (!node_is_none(node) && !dtype_is_float(tensor_dtype(s, v))) {
        node = g_cast(sema_graph(s), DTYPE_F32, node, e->span);
        v = value_tensor(s, node);
    }
    ok = !node_is_none(node) && fit_slot(s, v, path, e, &made);
    if (ok && !fit.row && !fit.block) {
        sema_error(s, E_DATA, e->span, "this `fit` reads no rows");
        ok = false;
    }
    if (ok) {
        SlotInfo info = {.init = value_real(NAN)};
        slot = (int32_t)slot_add(s, &made, &info);
        graph_write(fit.build.g, (uint32_t)slot, node);
        add_fit_entry(s, &fit, path, e->span);
    }
    s->rows = rows;
    s->training = training;
    s->fit = NULL;
    build_end(s, &fit.build);
    return slot;
}

Value fit_form(Sema *s, const Node *e) {
    if (!fit_allowed(s, e)) return POISON;
    Sym path = next_path(s);
    int32_t slot = slot_find(s, path);
    if (slot < 0) slot = make_fit(s, path, e);
    return slot < 0 ? POISON : read_slot(s, (uint32_t)slot, e->span);
}
