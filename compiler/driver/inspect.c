/* bmc.h: what the compiler knows of a model, as tables that stand on their own. Everything is
 * copied into an arena of the inspection: it is made by reading the model only, so that several
 * threads may, and it outlives the model. */
#include "compiler/driver/embed.h"
#include <stdlib.h>

typedef struct EntryTables {
    VEC(BmcNodeInfo) nodes;
    VEC(BmcKernelInfo) kernels;
    VEC(BmcBufferInfo) buffers;
} EntryTables;

struct BmcInspection {
    Arena *arena;
    const BmcModel *model; /* while it is made; then NULL */
    VEC(BmcLayerInfo) layers;
    VEC(BmcParameterInfo) parameters;
    VEC(BmcEntryInfo) entries;
    EntryTables *tables; /* per entry */
};

static const Program *program_of(const BmcInspection *i) {
    return i->model->pipeline.program;
}

static const char *copy(BmcInspection *i, const char *text) {
    return text ? arena_strdup(i->arena, text) : NULL;
}

static BmcPlace place_of(BmcInspection *i, Span span) {
    if (span.file == 0) return (BmcPlace){0};
    const Place place = sources_place(i->model->session.ctx->sources, span);
    return (BmcPlace){copy(i, place.name), place.line, place.column};
}

static const char *dim_text(BmcInspection *i, DimId dim) {
    Text text = {.arena = i->arena};
    dim_print(&text, program_of(i)->dims, dim);
    return text_str(&text);
}

static BmcShape shape_of(BmcInspection *i, const DimId *dims, uint32_t rank) {
    const DimTable *table = program_of(i)->dims;
    int64_t *bounds = ARENA_ARRAY(i->arena, int64_t, rank);
    Text text = {.arena = i->arena};
    text_char(&text, '[');
    for (uint32_t d = 0; d < rank; d++) {
        bounds[d] = dim_bound(table, dims[d]);
        if (d) text_add(&text, ", ");
        dim_print(&text, table, dims[d]);
    }
    text_char(&text, ']');
    return (BmcShape){rank, bounds, text_str(&text)};
}

static BmcShape shape_of_numbers(BmcInspection *i, const int64_t *dims, uint32_t rank) {
    int64_t *own = ARENA_ARRAY(i->arena, int64_t, rank);
    Text text = {.arena = i->arena};
    text_char(&text, '[');
    for (uint32_t d = 0; d < rank; d++) {
        own[d] = dims[d];
        text_printf(&text, "%s%lld", d ? ", " : "", (long long)dims[d]);
    }
    text_char(&text, ']');
    return (BmcShape){rank, own, text_str(&text)};
}

/* ------------------------------------------------------------------ of the model */

static void add_layers(BmcInspection *i) {
    const Program *p = program_of(i);
    for (uint32_t k = 0; k < p->layers.len; k++) {
        const LayerInfo *l = &p->layers.data[k];
        BmcLayerInfo row = {copy(i, l->path),
                            copy(i, l->what),
                            (BmrtDtype)l->dtype,
                            shape_of(i, l->shape.dims, l->shape.rank),
                            l->params,
                            l->param_bytes,
                            l->flops,
                            place_of(i, l->span)};
        vec_push(i->arena, &i->layers, row);
    }
}

static void add_parameters(BmcInspection *i) {
    const BmrtModel *m = bmc_model(i->model);
    for (uint32_t k = 0; k < m->slot_count; k++) {
        const BmrtSlot *s = &m->slots[k];
        BmcParameterInfo row = {copy(i, s->path),
                                s->kind,
                                s->dtype,
                                shape_of_numbers(i, s->dims, s->rank),
                                s->offset,
                                s->bytes,
                                place_of(i, program_of(i)->slots.data[k].span)};
        vec_push(i->arena, &i->parameters, row);
    }
}

/* ------------------------------------------------------------------ of an entry */

static const char *node_label(BmcInspection *i, const Graph *g, const GNode *n) {
    if (n->op == OP_INPUT) return copy(i, g->inputs.data[n->attr[0]].name->text);
    if (n->op == OP_READ) return copy(i, g->slots[n->attr[0]].path->text);
    return NULL;
}

/* The nodes that count, numbered without those that do not. */
static void add_nodes(BmcInspection *i, EntryTables *t, const Graph *g) {
    const uint32_t size = graph_size(g);
    bool *live = ARENA_ARRAY(i->arena, bool, size);
    uint32_t *number = ARENA_ARRAY(i->arena, uint32_t, size);
    graph_live(g, live);
    for (uint32_t k = 0; k < size; k++) {
        if (!live[k]) continue;
        const GNode *n = graph_node(g, (NodeId){k});
        uint32_t *operands = ARENA_ARRAY(i->arena, uint32_t, n->nargs);
        for (uint32_t a = 0; a < n->nargs; a++) operands[a] = number[n->args[a].id];
        BmcNodeInfo row = {op_info(n->op)->name,
                           node_label(i, g, n),
                           (BmrtDtype)n->dtype,
                           shape_of(i, n->dims, n->rank),
                           n->nargs,
                           operands,
                           place_of(i, n->span)};
        number[k] = t->nodes.len;
        vec_push(i->arena, &t->nodes, row);
    }
}

static void add_kernels(BmcInspection *i, EntryTables *t, const LoopProgram *l) {
    const DimTable *dims = program_of(i)->dims;
    for (uint32_t k = 0; k < l->kernels.len; k++) {
        const Kernel *kernel = l->kernels.data[k];
        const uint32_t count = kernel->buffers.len;
        uint32_t *buffers = ARENA_ARRAY(i->arena, uint32_t, count);
        uint8_t *writes = ARENA_ARRAY(i->arena, uint8_t, count);
        for (uint32_t b = 0; b < count; b++) {
            buffers[b] = kernel->buffers.data[b];
            writes[b] = kernel->writes.data[b];
        }
        const bool shared = kernel->parallel;
        BmcKernelInfo row = {copy(i, kernel->name),
                             kernel->flops,
                             kernel->bytes,
                             shared,
                             shared ? dim_text(i, kernel->extent) : "1",
                             shared ? dim_bound(dims, kernel->extent) : 1,
                             shared && kernel->grain > 0 ? kernel->grain : 1,
                             count,
                             buffers,
                             writes,
                             place_of(i, kernel->span)};
        vec_push(i->arena, &t->kernels, row);
    }
}

static void add_buffers(BmcInspection *i, EntryTables *t, const LoopProgram *l) {
    static const BmcStorage STORAGES[] = {[STORAGE_ARENA] = BMC_STORAGE_ARENA,
                                          [STORAGE_SLOT] = BMC_STORAGE_PARAMETER,
                                          [STORAGE_INPUT] = BMC_STORAGE_INPUT,
                                          [STORAGE_OUTPUT] = BMC_STORAGE_OUTPUT,
                                          [STORAGE_CONST] = BMC_STORAGE_CONSTANT};
    const DimTable *dims = program_of(i)->dims;
    for (uint32_t k = 0; k < l->buffers.len; k++) {
        const LoopBuffer *b = &l->buffers.data[k];
        const bool arena = b->storage == STORAGE_ARENA;
        BmcBufferInfo row = {.name = copy(i, b->name),
                             .storage = STORAGES[b->storage],
                             .number = b->number,
                             .dtype = (BmrtDtype)b->dtype,
                             .elements_text = dim_text(i, b->count),
                             .elements = dim_bound(dims, b->count),
                             .offset = arena ? b->offset : -1,
                             .first_step = arena ? b->first : 0,
                             .last_step = arena ? b->last : 0};
        if (__builtin_mul_overflow(row.elements, (int64_t)dtype_bytes(b->dtype), &row.bytes))
            row.bytes = INT64_MAX;
        vec_push(i->arena, &t->buffers, row);
    }
}

static void add_entries(BmcInspection *i) {
    const Program *p = program_of(i);
    i->tables = ARENA_ARRAY(i->arena, EntryTables, p->entries.len);
    for (uint32_t k = 0; k < p->entries.len; k++) {
        const Entry *e = &p->entries.data[k];
        const LoopProgram *l = i->model->pipeline.loops[k];
        const LoopWork *work = &i->model->work[k];
        EntryTables *t = &i->tables[k];
        add_nodes(i, t, e->graph);
        add_kernels(i, t, l);
        add_buffers(i, t, l);
        BmcEntryInfo row = {
            copy(i, e->name), e->kind,           t->nodes.len,        t->kernels.len,
            t->buffers.len,   work->meetings,    work->flops,         work->bytes,
            l->arena_bytes,   l->live_bytes_max, place_of(i, e->span)};
        vec_push(i->arena, &i->entries, row);
    }
}

/* ------------------------------------------------------------------ the API */

BmcStatus bmc_inspect(const BmcModel *model, BmcInspection **out) {
    if (out) *out = NULL;
    if (model == NULL || out == NULL) return BMC_ARGUMENT;
    BmcInspection *i = calloc(1, sizeof *i);
    if (i == NULL) return BMC_MEMORY;
    i->arena = arena_create();
    jmp_buf recovery;
    if (i->arena == NULL || setjmp(recovery)) {
        bmc_inspection_close(i);
        return BMC_MEMORY;
    }
    arena_on_oom(i->arena, &recovery);
    i->model = model;
    add_layers(i);
    add_parameters(i);
    add_entries(i);
    i->model = NULL;
    arena_on_oom(i->arena, NULL);
    *out = i;
    return BMC_OK;
}

void bmc_inspection_close(BmcInspection *i) {
    if (i == NULL) return;
    if (i->arena) arena_destroy(i->arena);
    free(i);
}

#define ROW(rows, number) ((number) < (rows).len ? &(rows).data[number] : NULL)

const BmcLayerInfo *bmc_inspect_layer(const BmcInspection *i, uint32_t layer) {
    return i ? ROW(i->layers, layer) : NULL;
}
const BmcParameterInfo *bmc_inspect_parameter(const BmcInspection *i, uint32_t parameter) {
    return i ? ROW(i->parameters, parameter) : NULL;
}
const BmcEntryInfo *bmc_inspect_entry(const BmcInspection *i, uint32_t entry) {
    return i ? ROW(i->entries, entry) : NULL;
}
const BmcNodeInfo *bmc_inspect_node(const BmcInspection *i, uint32_t entry, uint32_t node) {
    return bmc_inspect_entry(i, entry) ? ROW(i->tables[entry].nodes, node) : NULL;
}
const BmcKernelInfo *bmc_inspect_kernel(const BmcInspection *i, uint32_t entry, uint32_t kernel) {
    return bmc_inspect_entry(i, entry) ? ROW(i->tables[entry].kernels, kernel) : NULL;
}
const BmcBufferInfo *bmc_inspect_buffer(const BmcInspection *i, uint32_t entry, uint32_t buffer) {
    return bmc_inspect_entry(i, entry) ? ROW(i->tables[entry].buffers, buffer) : NULL;
}

/* As runtime/core/sequence.c: grains [n*t/T, n*(t+1)/T) of n = ceil(extent / grain). */
BmcStatus bmc_kernel_rows(const BmcKernelInfo *kernel, int64_t extent, int32_t thread,
                          int32_t threads, int64_t *first, int64_t *end) {
    if (kernel == NULL || first == NULL || end == NULL || thread < 0 || thread >= threads ||
        extent < 0 || extent > INT64_MAX / threads - kernel->grain)
        return BMC_ARGUMENT;
    if (!kernel->parallel) {
        *first = 0;
        *end = thread == 0;
        return BMC_OK;
    }
    const int64_t grains = (extent + kernel->grain - 1) / kernel->grain;
    const int64_t to = grains * (thread + 1) / threads * kernel->grain;
    *first = grains * thread / threads * kernel->grain;
    *end = to < extent ? to : extent;
    return BMC_OK;
}
