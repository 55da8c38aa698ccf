/* Builtins about data: missing cells, sizes and names of categories, and the sources, which mean
 * something only as a setting of a data block. */
#include "compiler/sema/elaborate.h"

static const BmrtField *category_field(Sema *s, Value v) {
    const Node *par = v.decl;
    if (!par || par->kind != NODE_PAR || !node_kid(par, 1) || !node_kid(par, 1)->name) return NULL;
    if (strcmp(node_kid(par, 1)->name->text, "category") != 0) return NULL;
    for (uint32_t i = 0; i < s->program->data.len; i++) {
        const BmrtData *data = &s->program->data.data[i];
        int32_t f = data_field_find(data, par->name->text);
        if (f >= 0 && s->data.data[i] == s->rows_block) return &data->fields[f];
    }
    return NULL;
}

/* NaN for floats; category number 0. What cannot be missing is `false`. */
static Value missing(Sema *s, const BuiltinCall *c) {
    Value v = c->args[0];
    if (v.kind == V_NUM || v.kind == V_BOOL) return value_bool(false);
    if (is_tokens_field(v)) return tokens_missing(s, v, c->span);
    v = to_tensor(s, v, DTYPE_COUNT, c->spans[0]);
    if (value_is_poison(v)) return POISON;
    NodeId a = tensor_node(s, v, c->span);
    if (node_is_none(a)) return POISON;
    Graph *g = sema_graph(s);
    Shape shape = tensor_shape(s, v);
    if (dtype_is_float(tensor_dtype(s, v)))
        return value_tensor(s, g_unary(g, OP_NOT, g_binary(g, OP_EQUAL, a, a, c->span), c->span));
    const BmrtField *field = category_field(s, v);
    if (!field || field->kind != BMRT_FIELD_CATEGORY) return value_bool(false);
    return value_tensor(
        s, g_binary(g, OP_EQUAL, a, g_const_int(g, DTYPE_I32, &shape, 0, c->span), c->span));
}

/* card(films.user), or card(user) within the block: how many numbers a category field can have, 0
 * (unknown) included. */
static Value card(Sema *s, const BuiltinCall *c) {
    Value v = c->args[0];
    const char *name = v.kind == V_COLUMN && v.as.data.column ? v.as.data.column->text : "";
    const BmrtField *own = v.kind == V_TENSOR ? category_field(s, v) : NULL;
    if (is_tokens_field(v) && s->rows_block)
        own = data_text_field(&s->program->data.data[s->rows_block->index], v.decl->name->text);
    if (own)
        return value_int(own->kind == BMRT_FIELD_NAMES ? own->name_count : own->category_max + 1);
    if (v.kind == V_COLUMN) {
        const BmrtData *data = &s->program->data.data[v.as.data.block->index];
        int32_t f = data_field_find(data, name);
        const BmrtField *field = f >= 0 ? &data->fields[f] : NULL;
        if (field && field->kind == BMRT_FIELD_NAMES) return value_int(field->name_count);
        if (field && field->kind != BMRT_FIELD_NUMBER) return value_int(field->category_max + 1);
    }
    Diag *d =
        sema_error(s, E_ARGUMENT, c->span, "`card` wants a category or text field of a data block");
    diag_help(d, "`card(films.user)`, with `field user: category(max = 1000)` in data `films`");
    return POISON;
}

static Value source_elsewhere(Sema *s, const BuiltinCall *c) {
    Diag *d =
        sema_error(s, E_DATA, c->span, "`%s(...)` is a source of a data block", c->builtin->name);
    diag_help(d, "it belongs behind `from:`, `train:`, `valid:` or `test:`");
    return POISON;
}

const Builtin BUILTINS_DATA[] = {{"missing", "x", missing, 0},
                                 {"card", "field", card, 0},
                                 {"tokens", "text, length, max, vocab?, by?", tokens_call, 0},
                                 {"lines", NULL, source_elsewhere, 0},
                                 {"csv", NULL, source_elsewhere, 0},
                                 {"records", NULL, source_elsewhere, 0},
                                 {"bytes", NULL, source_elsewhere, 0},
                                 {"binary", NULL, source_elsewhere, 0},
                                 {"windows", NULL, source_elsewhere, 0},
                                 {NULL, NULL, NULL, 0}};
