/* Strings in exports: an input `user[B]: str` becomes numbers where `NAME.encode` takes it for a
 * category field, and `NAME.field.name(i)` gives strings back. Inside the graph there are only
 * numbers; the runtime translates at the edge, by the field's vocabulary. */
#include "compiler/sema/elaborate.h"

uint32_t strings_vocabulary(Sema *s, const DataBlock *d, Sym field) {
    Program *p = s->program;
    const BmrtData *data = &p->data.data[d->index];
    int32_t f = data_field_find(data, field->text);
    if (f < 0 || data->fields[f].kind == BMRT_FIELD_NUMBER) return 0;
    for (uint32_t i = 0; i < p->vocabularies.len; i++)
        if (p->vocabularies.data[i].data == d->index &&
            p->vocabularies.data[i].field == (uint32_t)f)
            return i + 1;
    BUG("field `%s` without a vocabulary", field->text);
}

Value strings_input(Sema *s, Graph *g, const Node *par, const Shape *shape) {
    NodeId node = g_input(g, par->name, DTYPE_I32, shape, par->span);
    Value v = {.kind = V_STRINGS, .decl = par};
    v.as.strings.node = node;
    v.as.strings.input = (int32_t)graph_node(g, node)->attr[0];
    while (s->build->input_strings.len < g->inputs.len)
        vec_push(s->arena, &s->build->input_strings, STRINGS_NOT);
    s->build->input_strings.data[v.as.strings.input] = STRINGS_OPEN;
    return v;
}

Value strings_encode(Sema *s, Value v, const DataBlock *d, Sym field, Span span) {
    uint32_t vocabulary = strings_vocabulary(s, d, field);
    if (vocabulary == 0 || v.as.strings.input < 0) {
        Diag *e =
            sema_error(s, E_DTYPE, span, "field `%s` holds numbers, got strings", field->text);
        diag_help(e, "strings stand for category and text fields only");
        return POISON;
    }
    uint32_t *bound = &s->build->input_strings.data[v.as.strings.input];
    if (*bound != STRINGS_OPEN && *bound != vocabulary) {
        sema_error(s, E_DTYPE, span, "these strings are already those of another field");
        return POISON;
    }
    const BmrtField *text = data_text_field(&s->program->data.data[d->index], field->text);
    if (text && *bound == STRINGS_OPEN &&
        !graph_input_texts(s->build->g, v.as.strings.node, text->dims[0])) {
        sema_error(s, E_RANK, span, "these strings have too many axes for their words");
        return POISON;
    }
    *bound = vocabulary;
    return value_tensor(s, v.as.strings.node);
}

Value strings_names(Sema *s, Value names, const Args *args, Span span) {
    if (args->count != 1 || args->names[0]) {
        sema_error(s, E_ARGUMENT, span, "`name` takes the numbers of the category");
        return POISON;
    }
    Value v = to_tensor(s, args->values[0], DTYPE_I32, span);
    if (value_is_poison(v)) return POISON;
    if (!dtype_is_integer(tensor_dtype(s, v))) {
        sema_error(s, E_DTYPE, span, "`name` wants integers, got %s",
                   dtype_name(tensor_dtype(s, v)));
        return POISON;
    }
    NodeId node = tensor_node(s, v, span);
    if (node_is_none(node)) return POISON;
    if (tensor_dtype(s, v) != DTYPE_I32) node = g_cast(sema_graph(s), DTYPE_I32, node, span);
    Value out = {.kind = V_STRINGS};
    out.as.strings.node = node;
    out.as.strings.input = -1;
    out.as.strings.vocabulary = strings_vocabulary(s, names.as.data.block, names.as.data.column);
    return out;
}
