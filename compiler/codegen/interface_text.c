/* What a compiled model offers, as one line of JSON inside the model itself (STEM_interface,
 * docs/install.md): functions with the names, dtypes and shapes of their arrays, parameters and
 * states. A binding reads it instead of the C header. Sizes are numbers, or text over the
 * function's `dims`. */
#include "compiler/codegen/api_functions.h"
#include "compiler/codegen/codegen_internal.h"
#include "compiler/support/json.h"

typedef struct InterfaceText {
    Text *out;
    CodeModule *m;
} InterfaceText;

static void put_shape(InterfaceText *t, const Shape *shape) {
    json_open(t->out, "shape", '[');
    for (uint32_t i = 0; i < shape->rank; i++) {
        const DimTable *dims = t->m->program->dims;
        Text text = {.arena = t->out->arena};
        dim_print(&text, dims, shape->dims[i]);
        if (dim_is_const(dims, shape->dims[i]))
            json_integer(t->out, NULL, dim_value(dims, shape->dims[i]));
        else
            json_text(t->out, NULL, text_str(&text));
    }
    json_close(t->out, ']');
}

static void put_value(InterfaceText *t, const char *name, DType dtype, const Shape *shape,
                      bool strings, bool optional) {
    json_open(t->out, NULL, '{');
    json_text(t->out, "name", name);
    json_text(t->out, "dtype", strings ? "str" : dtype_name(dtype));
    put_shape(t, shape);
    if (optional) json_integer(t->out, "optional", 1);
    json_close(t->out, '}');
}

static void put_entry(void *user, const ApiEntry *api) {
    InterfaceText *t = user;
    const Entry *entry = &t->m->program->entries.data[api->entry];
    const Graph *g = entry->graph;
    const EntrySymbols *symbols = &t->m->symbols[api->entry];
    json_open(t->out, NULL, '{');
    json_text(t->out, "name", api->name);
    json_integer(t->out, "entry", api->entry);
    json_text(t->out, "kind", api->step ? "step" : "export");
    json_open(t->out, "dims", '[');
    for (uint32_t i = 0; i < symbols->table.len; i++)
        json_text(t->out, NULL, dim_symbol_name(t->m->program->dims, symbols->table.data[i])->text);
    json_close(t->out, ']');
    json_open(t->out, "inputs", '[');
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        const GraphInput *in = &g->inputs.data[i];
        Shape given = graph_input_given(in);
        put_value(t, in->name->text, in->dtype, &given,
                  entry->input_strings && entry->input_strings[i], in->fallback != NULL);
    }
    json_close(t->out, ']');
    json_open(t->out, "outputs", '[');
    for (uint32_t i = 0; i < g->outputs.len; i++) {
        Shape shape = graph_shape(g, g->outputs.data[i].node);
        put_value(t, g->outputs.data[i].name->text, graph_node(g, g->outputs.data[i].node)->dtype,
                  &shape, entry->output_strings && entry->output_strings[i], false);
    }
    json_close(t->out, ']');
    json_close(t->out, '}');
}

static void put_slot(InterfaceText *t, const Slot *s) {
    static const char *const kinds[] = {[SLOT_PARAM] = "parameter",
                                        [SLOT_STATE] = "state",
                                        [SLOT_OPTIMIZER] = "optimizer",
                                        [SLOT_FIT] = "fit"};
    json_open(t->out, NULL, '{');
    json_text(t->out, "path", s->path->text);
    json_text(t->out, "kind", kinds[s->kind]);
    json_text(t->out, "dtype", dtype_name(s->dtype));
    json_open(t->out, "shape", '[');
    for (uint32_t i = 0; i < s->rank; i++) json_integer(t->out, NULL, s->dims[i]);
    json_close(t->out, ']');
    json_close(t->out, '}');
}

void interface_text(Text *out, CodeModule *m) {
    InterfaceText text = {out, m}, *t = &text;
    const Program *p = m->program;
    json_open(out, NULL, '{');
    json_integer(out, "abi", BMRT_ABI);
    json_text(out, "name", p->stem);
    json_open(out, "functions", '[');
    /* as wrappers_emit: a part of the entries only is for looking at, not for calling */
    if (m->entry_count == p->entries.len) api_entries(p, put_entry, t);
    json_close(out, ']');
    json_open(out, "slots", '[');
    for (uint32_t i = 0; i < p->slots.len; i++) put_slot(t, &p->slots.data[i]);
    json_close(out, ']');
    json_close(out, '}');
}
