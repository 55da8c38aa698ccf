/* The descriptor STEM_model: what the runtime needs to know of a compiled model, as constant data.
 * Slots and entries are described here; data, train and test blocks in recipe_data.c. */
#include "compiler/codegen/data_image.h"

/* The frame and descriptor are the contract with runtime/include/bmrt.h: compiled code reads fields
 * at these offsets, so a change there must not go unnoticed here. */
_Static_assert(BMRT_ABI == 7, "the descriptor below is that of ABI 7");
_Static_assert(sizeof(void *) == 8 && sizeof(int) == 4, "LP64, as on every target");
_Static_assert(offsetof(BmrtFrame, arena) == 0 && offsetof(BmrtFrame, offsets) == 8 &&
                   offsetof(BmrtFrame, slots) == 16 && offsetof(BmrtFrame, inputs) == 24 &&
                   offsetof(BmrtFrame, outputs) == 32 && offsetof(BmrtFrame, symbols) == 40 &&
                   offsetof(BmrtFrame, seed) == 48 && offsetof(BmrtFrame, step) == 56 &&
                   offsetof(BmrtFrame, progress) == 64 && offsetof(BmrtFrame, epoch) == 72 &&
                   offsetof(BmrtFrame, iteration) == 80 && offsetof(BmrtFrame, flags) == 88 &&
                   offsetof(BmrtFrame, barrier) == 96 && offsetof(BmrtFrame, team) == 104 &&
                   offsetof(BmrtFrame, skip) == 112,
               "BmrtFrame is part of the ABI of compiled models");
_Static_assert((int)BMRT_DTYPE_COUNT == (int)DTYPE_COUNT && (int)BMRT_BOOL == (int)DTYPE_BOOL &&
                   (int)BMRT_F32 == (int)DTYPE_F32 && (int)BMRT_I32 == (int)DTYPE_I32,
               "BmrtDtype is DType");
_Static_assert((int)BMRT_SLOT_FIT == (int)SLOT_FIT && (int)BMRT_SLOT_STATE == (int)SLOT_STATE,
               "BmrtSlotKind is SlotKind");

/* ------------------------------------------------------------------ sizes */

static LLVMValueRef dims_image(CodeModule *m, const EntrySymbols *symbols, const DimId *dims,
                               uint32_t rank) {
    BmrtDim *zero = ARENA_ARRAY(m->ctx->arena, BmrtDim, rank);
    Image *image = image_new(m, zero, rank * sizeof(BmrtDim));
    for (uint32_t i = 0; i < rank; i++) dim_image(image, i * sizeof(BmrtDim), symbols, dims[i]);
    return image_finish(image, "dims");
}

/* ------------------------------------------------------------------ entries */

typedef struct ValueRow {
    const char *name;
    DType dtype;
    Shape shape;
    int64_t index_limit;
    uint32_t vocabulary;
    Span span;
    const int64_t *fallback;
    int64_t per_string;
} ValueRow;

static LLVMValueRef values_image(CodeModule *m, const EntrySymbols *symbols, const ValueRow *rows,
                                 uint32_t count) {
    BmrtValue *values = ARENA_ARRAY(m->ctx->arena, BmrtValue, count);
    for (uint32_t i = 0; i < count; i++) {
        values[i].dtype = (BmrtDtype)rows[i].dtype;
        values[i].rank = rows[i].shape.rank;
        values[i].index_limit = rows[i].index_limit;
        values[i].vocabulary = rows[i].vocabulary;
        values[i].per_string = rows[i].per_string;
    }
    Image *image = image_new(m, values, count * sizeof(BmrtValue));
    for (uint32_t i = 0; i < count; i++) {
        size_t at = i * sizeof(BmrtValue);
        image_pointer(image, at + offsetof(BmrtValue, name), text_constant(m, rows[i].name));
        image_pointer(image, at + offsetof(BmrtValue, dims),
                      dims_image(m, symbols, rows[i].shape.dims, rows[i].shape.rank));
        if (rows[i].fallback)
            image_pointer(image, at + offsetof(BmrtValue, fallback),
                          bytes_constant(m, rows[i].fallback, sizeof *rows[i].fallback));
    }
    return image_finish(image, "values");
}

static LLVMValueRef inputs_image(CodeModule *m, const EntrySymbols *symbols, const Entry *entry) {
    const Graph *g = entry->graph;
    ValueRow *rows = ARENA_ARRAY(m->ctx->arena, ValueRow, g->inputs.len);
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        const GraphInput *in = &g->inputs.data[i];
        rows[i] = (ValueRow){in->name->text,
                             in->dtype,
                             graph_input_given(in),
                             in->is_index ? in->index_limit : 0,
                             entry->input_strings ? entry->input_strings[i] : 0,
                             in->span,
                             in->fallback,
                             in->per_string};
    }
    return values_image(m, symbols, rows, g->inputs.len);
}

/* `count` of the graph's outputs from `first` on. */
static LLVMValueRef outputs_image(CodeModule *m, const EntrySymbols *symbols, const Entry *entry,
                                  uint32_t first, uint32_t count) {
    const Graph *g = entry->graph;
    bool strings = entry->output_strings && first < entry_outputs(entry);
    ValueRow *rows = ARENA_ARRAY(m->ctx->arena, ValueRow, count);
    for (uint32_t i = 0; i < count; i++) {
        const GraphOutput *out = &g->outputs.data[first + i];
        const GNode *node = graph_node(g, out->node);
        rows[i] = (ValueRow){out->name->text,
                             node->dtype,
                             graph_shape(g, out->node),
                             0,
                             strings ? entry->output_strings[first + i] : 0,
                             node->span,
                             NULL,
                             0};
    }
    return values_image(m, symbols, rows, count);
}

uint32_t arena_buffer_count(const LoopProgram *p) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->buffers.len; i++)
        if (p->buffers.data[i].storage == STORAGE_ARENA && p->buffers.data[i].number >= count)
            count = p->buffers.data[i].number + 1;
    return count;
}

static LLVMValueRef buffers_image(CodeModule *m, const EntrySymbols *symbols,
                                  const LoopProgram *p) {
    uint32_t count = arena_buffer_count(p);
    BmrtBuffer *rows = ARENA_ARRAY(m->ctx->arena, BmrtBuffer, count);
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        const LoopBuffer *b = &p->buffers.data[i];
        if (b->storage != STORAGE_ARENA) continue;
        rows[b->number].element_bytes = dtype_bytes(b->dtype);
        rows[b->number].first = b->first;
        rows[b->number].last = b->last;
        rows[b->number].offset = b->offset;
    }
    Image *image = image_new(m, rows, count * sizeof(BmrtBuffer));
    for (uint32_t i = 0; i < p->buffers.len; i++)
        if (p->buffers.data[i].storage == STORAGE_ARENA)
            dim_image(image,
                      p->buffers.data[i].number * sizeof(BmrtBuffer) + offsetof(BmrtBuffer, count),
                      symbols, p->buffers.data[i].count);
    return image_finish(image, "buffers");
}

typedef VEC(uint32_t) SlotNumbers;

/* The statistics that the entry reads. */
static void entry_fits(const CodeModule *m, const LoopProgram *p, SlotNumbers *out) {
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        const LoopBuffer *b = &p->buffers.data[i];
        if (b->storage == STORAGE_SLOT && m->program->slots.data[b->number].kind == SLOT_FIT)
            vec_push(m->ctx->arena, out, b->number);
    }
}

static bool entry_draws(const LoopProgram *p) {
    for (uint32_t i = 0; i < p->kernels.len; i++)
        for (uint32_t x = 0; x < p->kernels.data[i]->exprs.len; x++)
            if (p->kernels.data[i]->exprs.data[x].kind == EXPR_RANDOM) return true;
    return false;
}

static bool entry_writes(const LoopProgram *p) {
    for (uint32_t i = 0; i < p->kernels.len; i++) {
        const Kernel *k = p->kernels.data[i];
        for (uint32_t b = 0; b < k->buffers.len; b++)
            if (k->writes.data[b] && p->buffers.data[k->buffers.data[b]].storage == STORAGE_SLOT)
                return true;
    }
    return false;
}

static void symbols_image(Image *image, size_t at, const EntrySymbols *symbols) {
    CodeModule *m = image->m;
    uint32_t count = symbols->table.len;
    const DimTable *dims = m->program->dims;
    int64_t *bounds = ARENA_ARRAY(m->ctx->arena, int64_t, count);
    Image *names = image_new(m, bounds, count * sizeof(char *));
    for (uint32_t i = 0; i < count; i++) {
        bounds[i] = dim_symbol_bound(dims, symbols->table.data[i]);
        image_pointer(names, i * sizeof(char *),
                      text_constant(m, dim_symbol_name(dims, symbols->table.data[i])->text));
    }
    image_pointer(image, at + offsetof(BmrtEntry, symbol_names), image_finish(names, "names"));
    image_pointer(image, at + offsetof(BmrtEntry, symbol_bounds),
                  bytes_constant(m, bounds, count * sizeof bounds[0]));
}

static LLVMValueRef checks_image(CodeModule *m, const EntrySymbols *symbols, const Graph *g,
                                 uint32_t *count) {
    const GraphCheck *checks = graph_size_checks(g, count);
    BmrtCheck *rows = ARENA_ARRAY(m->ctx->arena, BmrtCheck, *count);
    for (uint32_t i = 0; i < *count; i++) rows[i].zero = checks[i].zero;
    Image *image = image_new(m, rows, *count * sizeof(BmrtCheck));
    for (uint32_t i = 0; i < *count; i++) {
        size_t at = i * sizeof(BmrtCheck);
        dim_image(image, at + offsetof(BmrtCheck, value), symbols, checks[i].value);
        image_pointer(image, at + offsetof(BmrtCheck, text), text_constant(m, checks[i].text));
    }
    return image_finish(image, "checks");
}

static LLVMValueRef offsets_constant(CodeModule *m, const LoopProgram *p) {
    uint32_t count = arena_buffer_count(p);
    int64_t *offsets = ARENA_ARRAY(m->ctx->arena, int64_t, count);
    for (uint32_t i = 0; i < p->buffers.len; i++)
        if (p->buffers.data[i].storage == STORAGE_ARENA)
            offsets[p->buffers.data[i].number] = p->buffers.data[i].offset;
    return bytes_constant(m, offsets, count * sizeof offsets[0]);
}

static LLVMValueRef variants_image(CodeModule *m, uint32_t entry) {
    const LoopProgram *p = m->entries[entry];
    uint32_t count = variant_count(m, entry);
    BmrtVariant *rows = ARENA_ARRAY(m->ctx->arena, BmrtVariant, count);
    for (uint32_t i = 0; i < count; i++) {
        const LoopVariant *v = &p->variants.data[i];
        rows[i].symbol = entry_symbol_index(&m->symbols[entry], v->symbol);
        rows[i].value = v->value;
        rows[i].alone = v->alone;
        rows[i].buffer_count = arena_buffer_count(v->program);
        rows[i].arena_bytes = v->program->arena_bytes;
    }
    Image *image = image_new(m, rows, count * sizeof(BmrtVariant));
    for (uint32_t i = 0; i < count; i++) {
        size_t at = i * sizeof(BmrtVariant);
        image_pointer(image, at + offsetof(BmrtVariant, run), m->variant_functions[entry][i]);
        image_pointer(image, at + offsetof(BmrtVariant, offsets),
                      offsets_constant(m, p->variants.data[i].program));
    }
    return image_finish(image, "variants");
}

static LLVMValueRef entries_image(CodeModule *m) {
    BmrtEntry *rows = ARENA_ARRAY(m->ctx->arena, BmrtEntry, m->entry_count);
    SlotNumbers *fits = ARENA_ARRAY(m->ctx->arena, SlotNumbers, m->entry_count);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const LoopProgram *p = m->entries[i];
        const Graph *g = p->entry->graph;
        rows[i].kind = p->entry->kind;
        rows[i].symbol_count = m->symbols[i].table.len;
        rows[i].input_count = g ? g->inputs.len : 0;
        rows[i].output_count = entry_outputs(p->entry);
        rows[i].show_count = p->entry->show_count;
        rows[i].buffer_count = arena_buffer_count(p);
        rows[i].arena_bytes = p->arena_bytes;
        const LoopWork work = loop_work(p);
        rows[i].work_ns = work.ns;
        rows[i].work_ns_one = work.ns_one_row;
        rows[i].meetings = work.meetings;
        rows[i].variant_count = variant_count(m, i);
        rows[i].writes_slots = entry_writes(p);
        rows[i].draws = entry_draws(p);
        if (p->entry->kind == BMRT_ENTRY_EXPORT) entry_fits(m, p, &fits[i]);
        rows[i].fit_count = fits[i].len;
    }
    LLVMValueRef *checks = ARENA_ARRAY(m->ctx->arena, LLVMValueRef, m->entry_count);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const Graph *g = m->entries[i]->entry->graph;
        if (g) checks[i] = checks_image(m, &m->symbols[i], g, &rows[i].check_count);
    }
    Image *image = image_new(m, rows, m->entry_count * sizeof(BmrtEntry));
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const LoopProgram *p = m->entries[i];
        const EntrySymbols *s = &m->symbols[i];
        const Graph *g = p->entry->graph;
        size_t at = i * sizeof(BmrtEntry);
        image_pointer(image, at + offsetof(BmrtEntry, name), text_constant(m, p->entry->name));
        image_pointer(image, at + offsetof(BmrtEntry, run), m->entry_functions[i]);
        symbols_image(image, at, s);
        image_pointer(image, at + offsetof(BmrtEntry, inputs),
                      g ? inputs_image(m, s, p->entry) : NULL);
        image_pointer(image, at + offsetof(BmrtEntry, outputs),
                      g ? outputs_image(m, s, p->entry, 0, entry_outputs(p->entry)) : NULL);
        image_pointer(
            image, at + offsetof(BmrtEntry, shows),
            g ? outputs_image(m, s, p->entry, entry_outputs(p->entry), p->entry->show_count)
              : NULL);
        image_pointer(image, at + offsetof(BmrtEntry, buffers), buffers_image(m, s, p));
        image_pointer(image, at + offsetof(BmrtEntry, fits),
                      bytes_constant(m, fits[i].data, fits[i].len * sizeof(uint32_t)));
        image_pointer(image, at + offsetof(BmrtEntry, checks), checks[i]);
        image_pointer(image, at + offsetof(BmrtEntry, variants), variants_image(m, i));
    }
    return image_finish(image, "entries");
}

/* ------------------------------------------------------------------ slots and the model */

static LLVMValueRef slots_image(CodeModule *m) {
    const Program *p = m->program;
    BmrtSlot *rows = ARENA_ARRAY(m->ctx->arena, BmrtSlot, p->slots.len);
    for (uint32_t i = 0; i < p->slots.len; i++) {
        const Slot *s = &p->slots.data[i];
        rows[i].kind = (BmrtSlotKind)s->kind;
        rows[i].dtype = (BmrtDtype)s->dtype;
        rows[i].rank = s->rank;
        rows[i].offset = m->slot_offsets[i];
        rows[i].bytes = dtype_bytes(s->dtype); /* overflow was checked by slots_layout */
        for (uint32_t d = 0; d < s->rank; d++) rows[i].bytes *= s->dims[d];
    }
    Image *image = image_new(m, rows, p->slots.len * sizeof(BmrtSlot));
    for (uint32_t i = 0; i < p->slots.len; i++) {
        const Slot *s = &p->slots.data[i];
        size_t at = i * sizeof(BmrtSlot);
        image_pointer(image, at + offsetof(BmrtSlot, path), text_constant(m, s->path->text));
        if (s->initial)
            image_pointer(image, at + offsetof(BmrtSlot, initial),
                          bytes_constant(m, s->initial, (size_t)rows[i].bytes));
        image_pointer(image, at + offsetof(BmrtSlot, dims),
                      bytes_constant(m, s->dims, s->rank * sizeof s->dims[0]));
    }
    return image_finish(image, "slots");
}

/* ------------------------------------------------------------------ versions */

/* Begins as names that objects_make_private leaves alone. */
static const char *version_name(const CodeModule *m) {
    return arena_printf(m->ctx->arena, "%s__%s_entries", m->program->stem, m->version);
}

void version_emit(CodeModule *m) {
    LLVMValueRef entries = entries_image(m);
    LLVMSetValueName2(entries, version_name(m), strlen(version_name(m)));
    LLVMSetLinkage(entries, LLVMExternalLinkage);
    LLVMSetVisibility(entries, LLVMHiddenVisibility);
}

static LLVMValueRef version_entries(CodeModule *m, const CodeModule *version) {
    LLVMValueRef entries =
        LLVMAddGlobal(m->module, LLVMInt8TypeInContext(m->llvm), version_name(version));
    LLVMSetVisibility(entries, LLVMHiddenVisibility);
    return entries;
}

static const char *target_text(const CodeModule *m) {
    return arena_printf(m->ctx->arena, "%s %s", m->target.triple, m->target.march);
}

/* The other versions, then this module's own, which asks for least. */
static LLVMValueRef versions_image(CodeModule *m, LLVMValueRef own) {
    const uint32_t count = m->version_count + 1;
    const CodeModule **all = ARENA_ARRAY(m->ctx->arena, const CodeModule *, count);
    BmrtVersion *rows = ARENA_ARRAY(m->ctx->arena, BmrtVersion, count);
    for (uint32_t i = 0; i < count; i++) {
        all[i] = i < m->version_count ? m->versions[i] : m;
        rows[i].level = all[i]->target.level_needed;
    }
    Image *image = image_new(m, rows, count * sizeof *rows);
#define POINTER(field, target)                                                                     \
    image_pointer(image, i * sizeof *rows + offsetof(BmrtVersion, field), target)
    for (uint32_t i = 0; i < count; i++) {
        POINTER(processor, text_constant(m, all[i]->target.march));
        POINTER(target, text_constant(m, target_text(all[i])));
        POINTER(entries, all[i] == m ? own : version_entries(m, all[i]));
    }
#undef POINTER
    return image_finish(image, "versions");
}

static LLVMValueRef choose_function(CodeModule *m) {
    LLVMTypeRef pointer = LLVMPointerTypeInContext(m->llvm, 0), types[] = {pointer, pointer};
    return LLVMAddFunction(m->module, "bmrt_version_choose",
                           LLVMFunctionType(pointer, types, 2, 0));
}

static const char *compiler_text(CodeModule *m) {
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    return arena_printf(m->ctx->arena, "bmc %s (LLVM %u.%u.%u)", BMC_VERSION, major, minor, patch);
}

void descriptor_emit(CodeModule *m) {
    const Program *p = m->program;
    BmrtModel *model = ARENA_NEW(m->ctx->arena, BmrtModel);
    const char *source = p->source ? p->source : "";
    model->abi = BMRT_ABI;
    model->size_bytes = sizeof(BmrtModel);
    model->source_hash = hash64(source, strlen(source));
    model->slots_bytes = m->slots_bytes;
    model->slot_count = p->slots.len;
    model->entry_count = m->entry_count;
    model->data_count = p->data.len;
    model->train_count = p->train.len;
    model->test_count = p->test.len;
    model->init_entry = p->init_entry;
    model->statistic_count = p->statistics.len;
    model->vocabulary_count = p->vocabularies.len;
    model->version_count = m->version_count ? m->version_count + 1 : 0;
    Image *image = image_new(m, model, sizeof *model);
#define POINTER(field, target) image_pointer(image, offsetof(BmrtModel, field), target)
    POINTER(name, text_constant(m, p->stem));
    POINTER(compiler, text_constant(m, compiler_text(m)));
    POINTER(target, text_constant(m, target_text(m)));
    POINTER(flags, text_constant(m, arena_printf(m->ctx->arena, "-O%d -march=%s", m->target.level,
                                                 m->target.march)));
    POINTER(source, text_constant(m, source));
    Text interface = {.arena = m->ctx->arena};
    interface_text(&interface, m);
    POINTER(interface, text_constant(m, text_str(&interface)));
    POINTER(slots, slots_image(m));
    LLVMValueRef entries = entries_image(m);
    POINTER(entries, entries);
    if (m->version_count) {
        POINTER(choose, choose_function(m));
        POINTER(versions, versions_image(m, entries));
    }
    POINTER(data, recipe_data(m));
    POINTER(train, recipe_train(m));
    POINTER(test, recipe_test(m));
    POINTER(statistics, recipe_statistics(m));
    POINTER(vocabularies, recipe_vocabularies(m));
#undef POINTER
    LLVMValueRef global = image_finish(image, arena_printf(m->ctx->arena, "%s_model", p->stem));
    LLVMSetLinkage(global, LLVMExternalLinkage);
    m->descriptor = global;
}
