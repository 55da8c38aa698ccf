/* One entry: void STEM_entry(BmrtFrame *frame, i32 thread, i32 threads). Its order of kernels,
 * barriers and loops becomes constant data (runtime/include/sequence.h), the function hands it to
 * the runtime's core. Code an entry would be calls and nothing else, and as many as the model is
 * deep. */
#include "compiler/codegen/data_image.h"
#include "runtime/include/sequence.h"

typedef struct SequenceMaker {
    CodeModule *m;
    const LoopProgram *p, *program; /* the one that runs, and the entry's */
    const EntrySymbols *symbols;
    BmrtSequence sequence; /* the counts; where the arrays lie is known to the module */
    VEC(BmrtStep) steps;
    VEC(BmrtWord) words;
    VEC(uint32_t) shares; /* a kernel of each partition of rows */
    uint32_t *depths;     /* per loop of the order: how many are open around it */
    VEC(uint32_t) open;   /* the steps where the open loops begin */
    bool marked;          /* a profiler watches it */
} SequenceMaker;

static void word_add(SequenceMaker *s, BmrtWordSource source, uint32_t number) {
    BmrtWord word = {source, number};
    vec_push(s->m->ctx->arena, &s->words, word);
}

/* Constants of the module: the slots' offsets first, then the keys of random sites. */
static uint32_t constant_number(CodeModule *m, uint64_t value) {
    vec_push(m->ctx->arena, &m->constants, value);
    return m->constants.len - 1;
}

static void buffer_word(SequenceMaker *s, uint32_t buffer) {
    static const BmrtWordSource sources[] = {[STORAGE_ARENA] = BMRT_FROM_ARENA,
                                             [STORAGE_SLOT] = BMRT_FROM_SLOTS,
                                             [STORAGE_INPUT] = BMRT_FROM_INPUT,
                                             [STORAGE_OUTPUT] = BMRT_FROM_OUTPUT,
                                             [STORAGE_CONST] = BMRT_FROM_TABLE};
    const LoopBuffer *b = &s->p->buffers.data[buffer];
    word_add(s, sources[b->storage],
             b->storage == STORAGE_CONST ? words_number(s->m, b) : b->number);
}

static void symbol_word(SequenceMaker *s, uint32_t symbol) {
    for (uint32_t i = 0; i < s->p->loops.len; i++) {
        if (s->p->loops.data[i].symbol != symbol) continue;
        word_add(s, BMRT_FROM_COUNT, s->depths[i]);
        return;
    }
    word_add(s, BMRT_FROM_SYMBOL, entry_symbol_index(s->symbols, symbol));
}

/* ------------------------------------------------------------------ steps */

static uint16_t share_number(SequenceMaker *s, uint32_t kernel) {
    const Kernel *k = s->p->kernels.data[kernel];
    if (!k->parallel) return BMRT_SHARE_ALONE;
    for (uint32_t i = 0; i < s->shares.len; i++) {
        const Kernel *other = s->p->kernels.data[s->shares.data[i]];
        if (dim_same(other->extent, k->extent) && other->grain == k->grain) return (uint16_t)i;
    }
    if (s->shares.len == BMRT_SHARE_ALONE) {
        if (!s->m->failed)
            ctx_error(s->m->ctx, E_LIMIT, k->span,
                      "`%s` has operations over more than %u different numbers of rows",
                      s->p->entry->name, (unsigned)BMRT_SHARE_ALONE);
        s->m->failed = true;
        return 0;
    }
    vec_push(s->m->ctx->arena, &s->shares, kernel);
    return (uint16_t)(s->shares.len - 1);
}

static BmrtStep run_step(SequenceMaker *s, uint32_t kernel) {
    Kernel *k = s->p->kernels.data[kernel];
    KernelSignature signature;
    kernel_signature(s->p, k, &signature);
    BmrtStep step = {
        .kind = BMRT_STEP_RUN, .share = share_number(s, kernel), .first = s->words.len};
    step.number = kernel_number(s->m, s->p, k, &signature);
    for (uint32_t i = 0; i < k->buffers.len; i++) buffer_word(s, k->buffers.data[i]);
    for (uint32_t i = 0; i < signature.symbols.len; i++) symbol_word(s, signature.symbols.data[i]);
    for (uint32_t i = 0; i < signature.keys.len; i++)
        word_add(s, BMRT_FROM_CONSTANT, constant_number(s->m, signature.keys.data[i]));
    step.words = s->words.len - step.first;
    if (step.words > s->sequence.words_max) s->sequence.words_max = step.words;
    return step;
}

static BmrtStep guard_step(SequenceMaker *s, uint32_t buffer) {
    bool wide = s->p->buffers.data[buffer].dtype == DTYPE_F64;
    BmrtStep step = {.kind = BMRT_STEP_GUARD, .first = s->words.len, .words = wide ? 2 : 1};
    buffer_word(s, buffer);
    return step;
}

static BmrtStep begin_step(SequenceMaker *s, uint32_t loop) {
    s->depths[loop] = s->open.len;
    vec_push(s->m->ctx->arena, &s->open, s->steps.len);
    if (s->open.len > s->sequence.loop_depth) s->sequence.loop_depth = s->open.len;
    return (BmrtStep){.kind = BMRT_STEP_LOOP_BEGIN, .number = loop};
}

static BmrtStep end_step(SequenceMaker *s, uint32_t loop) {
    uint32_t begin = s->open.data[--s->open.len];
    s->steps.data[begin].first = s->steps.len;
    return (BmrtStep){.kind = BMRT_STEP_LOOP_END, .number = loop, .first = begin};
}

/* A step for each item of the order, with its number. */
static void steps_make(SequenceMaker *s) {
    for (uint32_t i = 0; i < s->p->order.len; i++) {
        const Order *o = &s->p->order.data[i];
        BmrtStep step = {.kind = BMRT_STEP_BARRIER};
        switch (o->kind) {
        case ORDER_RUN:
            step = run_step(s, o->number);
            step.together = (uint8_t)o->together;
            step.rows = (uint32_t)o->rows;
            break;
        case ORDER_BARRIER: break;
        case ORDER_GUARD: step = guard_step(s, o->number); break;
        case ORDER_LOOP_BEGIN: step = begin_step(s, o->number); break;
        case ORDER_LOOP_END: step = end_step(s, o->number); break;
        }
        vec_push(s->m->ctx->arena, &s->steps, step);
    }
}

/* ------------------------------------------------------------------ as data */

static LLVMValueRef shares_image(SequenceMaker *s) {
    uint32_t count = s->shares.len;
    BmrtShare *rows = ARENA_ARRAY(s->m->ctx->arena, BmrtShare, count);
    for (uint32_t i = 0; i < count; i++)
        rows[i].grain = s->p->kernels.data[s->shares.data[i]]->grain;
    Image *image = image_new(s->m, rows, count * sizeof(BmrtShare));
    for (uint32_t i = 0; i < count; i++)
        dim_image(image, i * sizeof(BmrtShare) + offsetof(BmrtShare, extent), s->symbols,
                  s->p->kernels.data[s->shares.data[i]]->extent);
    return image_finish(image, "shares");
}

static LLVMValueRef loops_image(SequenceMaker *s) {
    uint32_t count = s->p->loops.len;
    BmrtLoop *rows = ARENA_ARRAY(s->m->ctx->arena, BmrtLoop, count);
    for (uint32_t i = 0; i < count; i++) {
        rows[i].depth = s->depths[i];
        rows[i].reverse = s->p->loops.data[i].reverse;
    }
    Image *image = image_new(s->m, rows, count * sizeof(BmrtLoop));
    for (uint32_t i = 0; i < count; i++)
        dim_image(image, i * sizeof(BmrtLoop) + offsetof(BmrtLoop, trip), s->symbols,
                  s->p->loops.data[i].trip);
    return image_finish(image, "loops");
}

static LLVMValueRef sequence_image(SequenceMaker *s) {
    CodeModule *m = s->m;
    Image *image = image_new(m, &s->sequence, sizeof s->sequence);
#define POINTER(field, target) image_pointer(image, offsetof(BmrtSequence, field), target)
    POINTER(steps, bytes_constant(m, s->steps.data, s->steps.len * sizeof(BmrtStep)));
    POINTER(words, bytes_constant(m, s->words.data, s->words.len * sizeof(BmrtWord)));
    POINTER(kernels, m->kernel_table);
    POINTER(shares, shares_image(s));
    POINTER(loops, loops_image(s));
    POINTER(tables, m->table_table);
    POINTER(constants, m->constant_table);
#undef POINTER
    return image_finish(image, "sequence");
}

/* ------------------------------------------------------------------ the function */

static LLVMValueRef function_of(CodeModule *m, const char *name, LLVMTypeRef type) {
    LLVMValueRef found = LLVMGetNamedFunction(m->module, name);
    return found ? found : LLVMAddFunction(m->module, name, type);
}

/* What goes through the sequence: for a profiler, with its function, which codegen_jit names. */
static void run_emit(SequenceMaker *s, LLVMBuilderRef b, LLVMValueRef *args) {
    CodeModule *m = s->m;
    LLVMTypeRef nothing = LLVMVoidTypeInContext(m->llvm), types[7];
    if (s->marked) {
        LLVMTypeRef i32 = LLVMInt32TypeInContext(m->llvm);
        LLVMTypeRef pointer = LLVMPointerTypeInContext(m->llvm, 0);
        LLVMTypeRef mark[] = {pointer, i32, i32, i32};
        args[5] = function_of(m, MARK_FUNCTION, LLVMFunctionType(nothing, mark, 4, 0));
        args[6] = LLVMGetNamedGlobal(m->module, MARK_USER);
        if (!args[6]) args[6] = LLVMAddGlobal(m->module, LLVMInt8TypeInContext(m->llvm), MARK_USER);
    }
    const unsigned count = s->marked ? 7 : 5;
    for (unsigned i = 0; i < count; i++) types[i] = LLVMTypeOf(args[i]);
    LLVMTypeRef type = LLVMFunctionType(nothing, types, count, 0);
    LLVMValueRef run = function_of(m, s->marked ? SEQUENCE_MARK : SEQUENCE_RUN, type);
    LLVMBuildCall2(b, type, run, args, count, "");
}

static LLVMValueRef function_emit(SequenceMaker *s) {
    CodeModule *m = s->m;
    LLVMContextRef c = m->llvm;
    LLVMTypeRef pointer = LLVMPointerTypeInContext(c, 0), i32 = LLVMInt32TypeInContext(c);
    LLVMTypeRef i64 = LLVMInt64TypeInContext(c), nothing = LLVMVoidTypeInContext(c);
    LLVMTypeRef params[] = {pointer, i32, i32};
    bool whole = s->p == s->program;
    const char *name = arena_printf(m->ctx->arena, "%s.%s.%s", m->program->stem,
                                    whole ? "entry" : "variant", s->p->entry->name);
    LLVMValueRef function =
        LLVMAddFunction(m->module, name, LLVMFunctionType(nothing, params, 3, 0));
    LLVMSetLinkage(function, LLVMInternalLinkage);
    function_attributes(&m->target, function);
    LLVMBuilderRef b = LLVMCreateBuilderInContext(c);
    LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(c, function, "entry"));
    LLVMTypeRef room = LLVMArrayType2(i64, BMRT_SEQUENCE_ROOM(&s->sequence));
    LLVMValueRef args[7] = {sequence_image(s), LLVMGetParam(function, 0), LLVMGetParam(function, 1),
                            LLVMGetParam(function, 2)};
    args[4] = LLVMBuildAlloca(b, room, "room");
    run_emit(s, b, args);
    LLVMBuildRetVoid(b);
    LLVMDisposeBuilder(b);
    return function;
}

/* ------------------------------------------------------------------ all entries */

static LLVMValueRef kernel_table_image(CodeModule *m) {
    size_t size = m->kernels.len * sizeof(BmrtKernelFn);
    Image *image = image_new(m, ARENA_ARRAY(m->ctx->arena, char, size), size);
    for (uint32_t i = 0; i < m->kernels.len; i++)
        image_pointer(image, i * sizeof(BmrtKernelFn), m->kernels.data[i].function);
    return image_finish(image, "kernels");
}

static LLVMValueRef table_table_image(CodeModule *m) {
    size_t size = m->tables.len * sizeof(void *);
    Image *image = image_new(m, ARENA_ARRAY(m->ctx->arena, char, size), size);
    for (uint32_t i = 0; i < m->tables.len; i++)
        image_pointer(image, i * sizeof(void *), m->tables.data[i].global);
    return image_finish(image, "tables");
}

static SequenceMaker sequence_make(CodeModule *m, uint32_t entry, const LoopProgram *p) {
    SequenceMaker s = {.m = m, .p = p, .program = m->entries[entry], .symbols = &m->symbols[entry]};
    s.marked = m->mark != NULL && m->mark_entry == entry;
    s.depths = ARENA_ARRAY(m->ctx->arena, uint32_t, p->loops.len);
    steps_make(&s);
    s.sequence.step_count = s.steps.len;
    s.sequence.share_count = s.shares.len;
    return s;
}

/* Tables of kernels and constants are complete when all sequences are. */
void entries_emit(CodeModule *m) {
    Arena *arena = m->ctx->arena;
    VEC(SequenceMaker) makers = {0};
    for (uint32_t i = 0; i < m->program->slots.len; i++)
        constant_number(m, (uint64_t)m->slot_offsets[i]);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        vec_push(arena, &makers, sequence_make(m, i, m->entries[i]));
        for (uint32_t v = 0; v < variant_count(m, i); v++)
            vec_push(arena, &makers, sequence_make(m, i, m->entries[i]->variants.data[v].program));
    }
    kernels_make(m);
    m->kernel_table = kernel_table_image(m);
    m->table_table = table_table_image(m);
    m->constant_table = bytes_constant(m, m->constants.data, m->constants.len * sizeof(uint64_t));
    for (uint32_t i = 0, at = 0; i < m->entry_count; i++) {
        uint32_t variants = variant_count(m, i);
        m->entry_functions[i] = function_emit(&makers.data[at++]);
        m->variant_functions[i] = ARENA_ARRAY(arena, LLVMValueRef, variants);
        for (uint32_t v = 0; v < variants; v++)
            m->variant_functions[i][v] = function_emit(&makers.data[at++]);
    }
}
