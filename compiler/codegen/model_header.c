/* The typed C header of a compiled model. It needs nothing but <stdint.h> and <stddef.h>, is safe
 * to include from C++, and says of every function its shapes, dtypes and errors. */
#include "compiler/codegen/api_functions.h"
#include "compiler/codegen/codegen_internal.h"
#include "runtime/include/bare.h"
#include <ctype.h>

typedef struct Header {
    Text *out;
    const Program *p;
    const char *upper;       /* the stem, for macros */
    VEC(const char *) names; /* parameter names taken in the function at hand */
} Header;

static const char *const c_types[DTYPE_COUNT] = {
    [DTYPE_F64] = "double",    [DTYPE_F32] = "float",    [DTYPE_F16] = "uint16_t",
    [DTYPE_BF16] = "uint16_t", [DTYPE_I64] = "int64_t",  [DTYPE_I32] = "int32_t",
    [DTYPE_I16] = "int16_t",   [DTYPE_I8] = "int8_t",    [DTYPE_U64] = "uint64_t",
    [DTYPE_U32] = "uint32_t",  [DTYPE_U16] = "uint16_t", [DTYPE_U8] = "uint8_t",
    [DTYPE_BOOL] = "uint8_t",
};

/* Text with $ replaced by the stem. */
static void put_stem(Header *h, const char *text) {
    for (; *text; text++)
        if (*text == '$')
            text_add(h->out, strncmp(text, "$_MEMORY", 8) == 0 ? h->upper : h->p->stem);
        else
            text_char(h->out, *text);
}

/* A parameter name that C and C++ accept and that is free in this function. */
static const char *parameter_name(Header *h, const char *wanted) {
    Arena *arena = h->p->ctx->arena;
    char *name = arena_strdup(arena, wanted);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_') *c = '_';
    if (!name[0] || isdigit((unsigned char)name[0])) name = arena_printf(arena, "v%s", name);
    for (bool taken = true; taken;) {
        taken = is_c_keyword(name) || strcmp(name, "m") == 0 || strcmp(name, h->p->stem) == 0;
        for (uint32_t i = 0; i < h->names.len; i++) taken |= strcmp(name, h->names.data[i]) == 0;
        if (taken) name = arena_printf(arena, "%s_", name);
    }
    vec_push(arena, &h->names, (const char *)name);
    return name;
}

static void put_shape(Header *h, const Shape *shape) {
    text_char(h->out, '[');
    for (uint32_t i = 0; i < shape->rank; i++) {
        if (i) text_add(h->out, ", ");
        dim_print(h->out, h->p->dims, shape->dims[i]);
    }
    text_char(h->out, ']');
}

/* strings: 1 + the vocabulary; 0: numbers. */
static void put_value(Header *h, const char *name, const char *direction, const Shape *shape,
                      DType dtype, uint32_t strings) {
    text_printf(h->out, " *   %-3s %s ", direction, name);
    put_shape(h, shape);
    if (strings) {
        const BmrtVocabulary *v = &h->p->vocabularies.data[strings - 1];
        const BmrtData *data = &h->p->data.data[v->data];
        text_printf(h->out, " strings of %s.%s%s", data->name, data->fields[v->field].name,
                    *direction == 'o' ? ", which the handle owns" : "");
        return;
    }
    text_printf(h->out, " %s", dtype_name(dtype));
    if (dtype == DTYPE_BOOL) text_add(h->out, " (a byte, 0 or 1)");
    if (dtype == DTYPE_F16 || dtype == DTYPE_BF16) text_add(h->out, " (its 16 bits)");
}

typedef struct EntryText { /* of one typed function */
    EntrySymbols symbols;
    const char **dims, **inputs, **outputs; /* parameter names */
} EntryText;

static void entry_names(Header *h, const Entry *entry, EntryText *t) {
    const Graph *g = entry->graph;
    uint32_t outputs = entry_outputs(entry);
    Arena *arena = h->p->ctx->arena;
    h->names.len = 0;
    t->dims = ARENA_ARRAY(arena, const char *, t->symbols.table.len);
    t->inputs = ARENA_ARRAY(arena, const char *, g->inputs.len);
    t->outputs = ARENA_ARRAY(arena, const char *, outputs);
    for (uint32_t i = 0; i < t->symbols.table.len; i++)
        t->dims[i] = parameter_name(h, dim_symbol_name(h->p->dims, t->symbols.table.data[i])->text);
    for (uint32_t i = 0; i < g->inputs.len; i++)
        t->inputs[i] = parameter_name(h, g->inputs.data[i].name->text);
    for (uint32_t i = 0; i < outputs; i++)
        t->outputs[i] = parameter_name(h, g->outputs.data[i].name->text);
}

static void entry_comment(Header *h, const Entry *entry, const EntryText *t, bool step) {
    const Graph *g = entry->graph;
    text_add(h->out, step ? "/* One training step: updates the weights, gives the metrics.\n"
                          : "/* Runs the function.\n");
    bool index = false;
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        const GraphInput *in = &g->inputs.data[i];
        const uint32_t text = entry->input_strings ? entry->input_strings[i] : 0;
        Shape given = graph_input_given(in);
        put_value(h, t->inputs[i], "in", &given, in->dtype, text);
        if (in->fallback) text_add(h->out, "; NULL: the default");
        if (!text && in->is_index && in->index_limit > 0) {
            text_printf(h->out, ", each in [0, %lld)", (long long)in->index_limit);
            index = true;
        }
        text_char(h->out, '\n');
    }
    for (uint32_t i = 0; i < entry_outputs(entry); i++) {
        Shape shape = graph_shape(g, g->outputs.data[i].node);
        put_value(h, t->outputs[i], "out", &shape, graph_node(g, g->outputs.data[i].node)->dtype,
                  entry->output_strings ? entry->output_strings[i] : 0);
        text_char(h->out, '\n');
    }
    text_add(h->out,
             " * Arrays are dense and row-major and belong to the caller; in and out must not "
             "overlap.\n * Errors: ARGUMENT (a NULL), SHAPE (a negative size), MEMORY, BUSY");
    if (step || index) text_add(h->out, ",\n *   NUMERIC (");
    if (index) text_add(h->out, "an index out of range");
    if (step) text_add(h->out, index ? ", a loss that is not finite" : "a loss that is not finite");
    if (step || index) text_add(h->out, step ? ": no weight has changed)" : ")");
    text_add(h->out, ". */\n");
}

static bool is_text(const uint32_t *strings, uint32_t i) {
    return strings && strings[i] != 0;
}

static void put_entry(void *user, const ApiEntry *api) {
    Header *h = user;
    const Entry *entry = &h->p->entries.data[api->entry];
    const Graph *g = entry->graph;
    EntryText text = {0}, *t = &text;
    graph_symbols(h->p, g, &t->symbols);
    entry_names(h, entry, t);
    entry_comment(h, entry, t, api->step);
    text_printf(h->out, "int %s_%s(%s *m", h->p->stem, api->name, h->p->stem);
    for (uint32_t i = 0; i < t->symbols.table.len; i++)
        text_printf(h->out, ", int64_t %s", t->dims[i]);
    for (uint32_t i = 0; i < g->inputs.len; i++)
        text_printf(h->out, ", const %s *%s",
                    is_text(entry->input_strings, i) ? "char *const"
                                                     : c_types[g->inputs.data[i].dtype],
                    t->inputs[i]);
    for (uint32_t i = 0; i < entry_outputs(entry); i++)
        text_printf(h->out, ", %s *%s",
                    is_text(entry->output_strings, i)
                        ? "const char *"
                        : c_types[graph_node(g, g->outputs.data[i].node)->dtype],
                    t->outputs[i]);
    text_add(h->out, ");\n\n");
}

static void put_slots(Header *h) {
    if (h->p->slots.len == 0) return;
    put_stem(h, "/* Parameters and states, for $_get and $_set:\n");
    for (uint32_t i = 0; i < h->p->slots.len; i++) {
        const Slot *s = &h->p->slots.data[i];
        text_printf(h->out, " *   %s [", s->path->text);
        for (uint32_t d = 0; d < s->rank; d++)
            text_printf(h->out, "%s%lld", d ? ", " : "", (long long)s->dims[d]);
        text_printf(h->out, "] %s\n", dtype_name(s->dtype));
    }
    text_add(h->out, " */\n");
}

static const char opening[] = "/* $.h: the compiled model `$`. Made by bmc; do not edit.\n"
                              " * ";

static const char *const linking[] = {
    [HEADER_LIBRARY] =
        "Link with $.so (`cc main.c ./$.so -Wl,-rpath,FOLDER`) or open it by dlopen.",
    [HEADER_ARCHIVE] = "Link with $.a: `cc main.c $.a -pthread`. It needs the C library only, and\n"
                       " * several models fit into one program.",
    [HEADER_OBJECT] = "Link with $.o and the runtime of an installed bmc:\n"
                      " * `cc main.c $.o -lbmrt -lz -lm -pthread` (pkg-config bmrt says where).",
};

static const char linking_bare[] =
    "Link with $.a: no operating system and no library is needed, but a memcpy.";

static const char statuses[] =
    "\n *\n"
    " * Functions return 0 or a code: 1 ARGUMENT, 2 SHAPE, 3 MEMORY, 4 IO, 5 FORMAT, 6 MISMATCH,\n"
    " * 7 NUMERIC, 8 BUSY; $_error says more. A handle serves one thread at a time: BUSY "
    "otherwise. */\n";

static void put_constants(Header *h, const HeaderOptions *o) {
    if (o->static_batch > 0) {
        put_stem(h, "/* The one batch that $ is compiled for. */\n");
        text_printf(h->out, "#define %s_BATCH %lld\n", h->upper, (long long)o->static_batch);
    }
    if (o->memory_bytes > 0) {
        put_stem(h,
                 "/* What $_open wants: weights, scratch memory of the calls and the handle. */\n");
        text_printf(h->out, "#define %s_MEMORY_BYTES %lld\n", h->upper, (long long)o->memory_bytes);
        text_printf(h->out, "#define %s_MEMORY_ALIGNMENT %d\n", h->upper, BMRT_BARE_ALIGNMENT);
    }
    if (o->workspace_bytes < 0) return;
    put_stem(
        h, "/* No call needs more scratch memory than this; a handle has it from $_open on. */\n");
    text_printf(h->out, "#define %s_WORKSPACE_BYTES %lld\n\n", h->upper,
                (long long)o->workspace_bytes);
}

void codegen_header(Text *out, const Program *p, const HeaderOptions *options) {
    Header header = {.out = out, .p = p}, *h = &header;
    Text guard = {.arena = p->ctx->arena};
    for (const char *c = p->stem; *c; c++) text_char(&guard, (char)toupper((unsigned char)*c));
    put_stem(h, opening);
    put_stem(h, options->memory_bytes > 0 ? linking_bare : linking[options->what]);
    put_stem(h, statuses);
    h->upper = text_str(&guard);
    text_printf(out, "#ifndef %s_MODEL_H\n#define %s_MODEL_H\n\n", h->upper, h->upper);
    text_add(out, "#include <stddef.h>\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" "
                  "{\n#endif\n\n");
    put_constants(h, options);
    put_stem(h, "typedef struct $ $;\n\n");
    uint32_t count;
    const ApiFunction *functions = api_functions(options->memory_bytes > 0, &count);
    for (uint32_t i = 0; i < count; i++) {
        const ApiFunction *f = &functions[i];
        text_add(out, "/* ");
        put_stem(h, options->single_thread && f->comment_single ? f->comment_single : f->comment);
        bool pointer = f->returns[strlen(f->returns) - 1] == '*';
        text_printf(out, " */\n%s%s%s_%s(", f->returns, pointer ? "" : " ", p->stem, f->name);
        put_stem(h, f->params);
        text_add(out, ");\n");
    }
    put_slots(h);
    text_char(out, '\n');
    api_entries(p, put_entry, h);
    text_add(out, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}
