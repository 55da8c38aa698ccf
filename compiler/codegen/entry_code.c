/* One entry: void STEM_entry(BmrtFrame *frame, i32 thread, i32 threads). All threads of the team
 * run it; each calls the kernels in order on its share of the rows, goes round loops at its own
 * pace, and meets the others at barriers. */
#include "compiler/codegen/data_image.h"

typedef struct RowRange { /* of a parallel axis, for this thread */
    DimId extent;
    int64_t grain;
    LLVMValueRef lo, hi, some; /* some: lo < hi */
} RowRange;

typedef struct OpenLoop {
    uint32_t number;
    LLVMBasicBlockRef body, exit;
    LLVMValueRef count, trip; /* iterations done (a phi); of all */
} OpenLoop;

typedef struct EntryCode {
    CodeModule *m;
    const LoopProgram *p;
    const EntrySymbols *symbols;
    LLVMContextRef c;
    LLVMBuilderRef b;
    LLVMValueRef function, frame, thread, threads; /* thread numbers as i64 */
    LLVMValueRef thread32;
    LLVMBasicBlockRef finish;
    LLVMValueRef *iterations; /* per loop of the order: its symbol, while it is open */
    VEC(RowRange) ranges;     /* this thread's rows of each partition; computed at the top */
    VEC(OpenLoop) open;
    LLVMTypeRef i8, i32, i64, pointer;
} EntryCode;

static LLVMValueRef field_at(EntryCode *c, size_t offset) {
    LLVMValueRef at = LLVMConstInt(c->i64, offset, 0);
    return LLVMBuildGEP2(c->b, c->i8, c->frame, &at, 1, "");
}
static LLVMValueRef field(EntryCode *c, size_t offset, LLVMTypeRef type) {
    return LLVMBuildLoad2(c->b, type, field_at(c, offset), "");
}
static LLVMValueRef element(EntryCode *c, LLVMValueRef array, LLVMTypeRef type, uint64_t index) {
    LLVMValueRef at = LLVMConstInt(c->i64, index, 0);
    return LLVMBuildLoad2(c->b, type, LLVMBuildGEP2(c->b, type, array, &at, 1, ""), "");
}

static LLVMValueRef symbol_value(void *user, uint32_t symbol) {
    EntryCode *c = user;
    for (uint32_t i = 0; i < c->p->loops.len; i++)
        if (c->p->loops.data[i].symbol == symbol) return c->iterations[i];
    LLVMValueRef symbols = field(c, offsetof(BmrtFrame, symbols), c->pointer);
    return element(c, symbols, c->i64, entry_symbol_index(c->symbols, symbol));
}
static LLVMValueRef size_code(EntryCode *c, DimId d) {
    return dim_code(c->b, c->c, c->p->program->dims, d, symbol_value, c);
}

/* Addresses and sizes are loaded where they are used: hundreds of values that live from the top to
 * the end of an entry cost a register allocator a time that grows with the square of a model's
 * depth, and a few loads are nothing beside a kernel. */
static LLVMValueRef base_code(EntryCode *c, uint32_t buffer) {
    static const size_t fields[] = {[STORAGE_ARENA] = offsetof(BmrtFrame, arena),
                                    [STORAGE_SLOT] = offsetof(BmrtFrame, slots),
                                    [STORAGE_INPUT] = offsetof(BmrtFrame, inputs),
                                    [STORAGE_OUTPUT] = offsetof(BmrtFrame, outputs)};
    const LoopBuffer *b = &c->p->buffers.data[buffer];
    if (b->storage == STORAGE_CONST) return words_constant(c->m, b);
    LLVMValueRef start = field(c, fields[b->storage], c->pointer), offset;
    if (b->storage == STORAGE_INPUT || b->storage == STORAGE_OUTPUT)
        return element(c, start, c->pointer, b->number);
    if (b->storage == STORAGE_ARENA)
        offset = element(c, field(c, offsetof(BmrtFrame, offsets), c->pointer), c->i64, b->number);
    else
        offset = LLVMConstInt(c->i64, (uint64_t)c->m->slot_offsets[b->number], 0);
    return LLVMBuildGEP2(c->b, c->i8, start, &offset, 1, "");
}

/* ------------------------------------------------------------------ kernels */

static LLVMBasicBlockRef block_new(EntryCode *c, const char *name) {
    return LLVMAppendBasicBlockInContext(c->c, c->function, name);
}

static void call_kernel(EntryCode *c, const Kernel *k, const KernelSignature *s,
                        const SharedKernel *shared, LLVMValueRef lo, LLVMValueRef hi) {
    Arena *arena = c->m->ctx->arena;
    VEC(LLVMValueRef) args = {0};
    for (uint32_t i = 0; i < k->buffers.len; i++)
        vec_push(arena, &args, base_code(c, k->buffers.data[i]));
    for (uint32_t i = 0; i < s->symbols.len; i++)
        vec_push(arena, &args, symbol_value(c, s->symbols.data[i]));
    for (uint32_t i = 0; i < s->keys.len; i++)
        vec_push(arena, &args, LLVMConstInt(c->i64, s->keys.data[i], 0));
    vec_push(arena, &args, lo);
    vec_push(arena, &args, hi);
    vec_push(arena, &args, c->frame);
    LLVMBuildCall2(c->b, shared->type, shared->function, args.data, args.len, "");
}

/* Grains [n*t/T, n*(t+1)/T) of n = ceil(extent / grain), in rows, the last one cut at the extent.
 */
static LLVMValueRef share_code(EntryCode *c, LLVMValueRef grains, LLVMValueRef thread,
                               int64_t grain) {
    LLVMValueRef g = LLVMBuildUDiv(c->b, LLVMBuildMul(c->b, grains, thread, ""), c->threads, "");
    return LLVMBuildMul(c->b, g, LLVMConstInt(c->i64, (uint64_t)grain, 0), "");
}

static RowRange range_code(EntryCode *c, const Kernel *k) {
    RowRange r = {.extent = k->extent, .grain = k->grain};
    LLVMValueRef extent = size_code(c, k->extent);
    LLVMValueRef grain = LLVMConstInt(c->i64, (uint64_t)k->grain, 0);
    LLVMValueRef up = LLVMConstInt(c->i64, (uint64_t)k->grain - 1, 0);
    LLVMValueRef grains = LLVMBuildUDiv(c->b, LLVMBuildAdd(c->b, extent, up, ""), grain, "");
    LLVMValueRef following = LLVMBuildAdd(c->b, c->thread, LLVMConstInt(c->i64, 1, 0), "");
    r.lo = share_code(c, grains, c->thread, k->grain);
    r.hi = share_code(c, grains, following, k->grain);
    LLVMValueRef cut = LLVMBuildICmp(c->b, LLVMIntSGT, r.hi, extent, "");
    r.hi = LLVMBuildSelect(c->b, cut, extent, r.hi, "");
    r.some = LLVMBuildICmp(c->b, LLVMIntSLT, r.lo, r.hi, "");
    return r;
}

static const RowRange *range_find(const EntryCode *c, const Kernel *k) {
    for (uint32_t i = 0; i < c->ranges.len; i++)
        if (dim_same(c->ranges.data[i].extent, k->extent) && c->ranges.data[i].grain == k->grain)
            return &c->ranges.data[i];
    return NULL;
}

static void ranges_code(EntryCode *c) {
    for (uint32_t i = 0; i < c->p->kernels.len; i++) {
        const Kernel *k = c->p->kernels.data[i];
        if (k->parallel && !range_find(c, k))
            vec_push(c->m->ctx->arena, &c->ranges, range_code(c, k));
    }
}

static void run_code(EntryCode *c, const Kernel *k, const KernelSignature *s,
                     const SharedKernel *shared) {
    LLVMBasicBlockRef run = block_new(c, "run"), next = block_new(c, "next");
    LLVMValueRef lo, hi, mine;
    if (k->parallel) {
        const RowRange *r = range_find(c, k);
        lo = r->lo;
        hi = r->hi;
        mine = r->some;
    } else {
        lo = LLVMConstInt(c->i64, 0, 0);
        hi = LLVMConstInt(c->i64, 1, 0);
        mine = LLVMBuildICmp(c->b, LLVMIntEQ, c->thread, lo, "");
    }
    LLVMBuildCondBr(c->b, mine, run, next);
    LLVMPositionBuilderAtEnd(c->b, run);
    call_kernel(c, k, s, shared, lo, hi);
    LLVMBuildBr(c->b, next);
    LLVMPositionBuilderAtEnd(c->b, next);
}

/* ------------------------------------------------------------------ meeting points */

static void barrier_code(EntryCode *c) {
    LLVMBasicBlockRef meet = block_new(c, "meet"), next = block_new(c, "met");
    LLVMValueRef alone = LLVMBuildICmp(c->b, LLVMIntEQ, c->threads, LLVMConstInt(c->i64, 1, 0), "");
    LLVMBuildCondBr(c->b, alone, next, meet);
    LLVMPositionBuilderAtEnd(c->b, meet);
    LLVMTypeRef params[] = {c->pointer, c->i32};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(c->c), params, 2, 0);
    LLVMValueRef barrier = field(c, offsetof(BmrtFrame, barrier), c->pointer);
    LLVMValueRef args[] = {c->frame, c->thread32};
    LLVMBuildCall2(c->b, type, barrier, args, 2, "");
    LLVMBuildBr(c->b, next);
    LLVMPositionBuilderAtEnd(c->b, next);
}

static LLVMValueRef or_flags(EntryCode *c, LLVMValueRef bits) {
    LLVMValueRef flags = field(c, offsetof(BmrtFrame, flags), c->pointer);
    return LLVMBuildAtomicRMW(c->b, LLVMAtomicRMWBinOpOr, flags, bits, LLVMAtomicOrderingMonotonic,
                              0);
}

/* Thread 0 decides and everyone reads the decision after the barrier. An all-ones exponent,
 * compared on the bits, is an infinity or a NaN. */
static void guard_decide(EntryCode *c, const LoopBuffer *b, LLVMValueRef base) {
    bool wide = b->dtype == DTYPE_F64;
    LLVMTypeRef bits_type = wide ? c->i64 : c->i32;
    LLVMValueRef exponent = LLVMConstInt(bits_type, wide ? 0x7FF0000000000000u : 0x7F800000u, 0);
    LLVMValueRef bits = LLVMBuildLoad2(c->b, bits_type, base, "");
    LLVMSetAlignment(bits, dtype_bytes(b->dtype));
    LLVMValueRef infinite =
        LLVMBuildICmp(c->b, LLVMIntEQ, LLVMBuildAnd(c->b, bits, exponent, ""), exponent, "");
    LLVMValueRef zero = LLVMConstInt(c->i32, 0, 0);
    LLVMValueRef up =
        LLVMBuildSelect(c->b, infinite, LLVMConstInt(c->i32, BMRT_FLAG_NONFINITE, 0), zero, "");
    or_flags(c, up);
    LLVMBuildStore(c->b, up, field_at(c, offsetof(BmrtFrame, skip)));
}

static void guard_code(EntryCode *c, uint32_t buffer) {
    LLVMBasicBlockRef decide = block_new(c, "decide"), decided = block_new(c, "decided");
    LLVMValueRef first = LLVMBuildICmp(c->b, LLVMIntEQ, c->thread, LLVMConstInt(c->i64, 0, 0), "");
    LLVMBuildCondBr(c->b, first, decide, decided);
    LLVMPositionBuilderAtEnd(c->b, decide);
    guard_decide(c, &c->p->buffers.data[buffer], base_code(c, buffer));
    LLVMBuildBr(c->b, decided);
    LLVMPositionBuilderAtEnd(c->b, decided);
    barrier_code(c);
    LLVMBasicBlockRef go_on = block_new(c, "go_on");
    LLVMValueRef skip = field(c, offsetof(BmrtFrame, skip), c->i32);
    LLVMValueRef stop = LLVMBuildICmp(c->b, LLVMIntNE, skip, LLVMConstInt(c->i32, 0, 0), "");
    LLVMBuildCondBr(c->b, stop, c->finish, go_on);
    LLVMPositionBuilderAtEnd(c->b, go_on);
}

/* ------------------------------------------------------------------ loops */

/* Tested at the bottom. The count is a phi: every thread has its own, none is in the frame. */
static void loop_begin_code(EntryCode *c, uint32_t number) {
    const OrderLoop *loop = &c->p->loops.data[number];
    OpenLoop open = {.number = number, .trip = size_code(c, loop->trip)};
    LLVMValueRef zero = LLVMConstInt(c->i64, 0, 0), one = LLVMConstInt(c->i64, 1, 0);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(c->b);
    open.body = block_new(c, "iteration");
    open.exit = block_new(c, "iterated");
    LLVMValueRef any = LLVMBuildICmp(c->b, LLVMIntSGT, open.trip, zero, "");
    LLVMBuildCondBr(c->b, any, open.body, open.exit);
    LLVMPositionBuilderAtEnd(c->b, open.body);
    open.count = LLVMBuildPhi(c->b, c->i64, "");
    LLVMAddIncoming(open.count, &zero, &before, 1);
    LLVMValueRef last = LLVMBuildSub(c->b, open.trip, one, "");
    c->iterations[number] = loop->reverse ? LLVMBuildSub(c->b, last, open.count, "") : open.count;
    vec_push(c->m->ctx->arena, &c->open, open);
}

static void loop_end_code(EntryCode *c) {
    OpenLoop open = c->open.data[--c->open.len];
    LLVMValueRef next = LLVMBuildAdd(c->b, open.count, LLVMConstInt(c->i64, 1, 0), "");
    LLVMValueRef again = LLVMBuildICmp(c->b, LLVMIntSLT, next, open.trip, "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(c->b);
    LLVMBuildCondBr(c->b, again, open.body, open.exit);
    LLVMAddIncoming(open.count, &next, &latch, 1);
    LLVMPositionBuilderAtEnd(c->b, open.exit);
    c->iterations[open.number] = NULL;
}

/* ------------------------------------------------------------------ */

static void order_code(EntryCode *c) {
    Arena *arena = c->m->ctx->arena;
    uint32_t count = c->p->kernels.len;
    SharedKernel *shared = ARENA_ARRAY(arena, SharedKernel, count);
    KernelSignature *signatures = ARENA_ARRAY(arena, KernelSignature, count);
    for (uint32_t i = 0; i < c->p->order.len; i++) {
        const Order *o = &c->p->order.data[i];
        if (o->kind == ORDER_BARRIER) {
            barrier_code(c);
        } else if (o->kind == ORDER_GUARD) {
            guard_code(c, o->number);
        } else if (o->kind == ORDER_LOOP_BEGIN) {
            loop_begin_code(c, o->number);
        } else if (o->kind == ORDER_LOOP_END) {
            loop_end_code(c);
        } else {
            Kernel *k = c->p->kernels.data[o->number];
            if (!shared[o->number].function) {
                kernel_signature(c->p, k, &signatures[o->number]);
                shared[o->number] = kernel_function(c->m, c->p, k, &signatures[o->number]);
            }
            run_code(c, k, &signatures[o->number], &shared[o->number]);
        }
    }
}

/* An entry is a list of calls: nothing in it is worth optimising, and in a deep model it is long.
 * `optnone` (which wants `noinline`) has LLVM take its quick paths through it. */
static void plain_code(EntryCode *c) {
    static const char *const names[] = {"noinline", "optnone"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsigned kind = LLVMGetEnumAttributeKindForName(names[i], strlen(names[i]));
        LLVMAddAttributeAtIndex(c->function, LLVMAttributeFunctionIndex,
                                LLVMCreateEnumAttribute(c->c, kind, 0));
    }
}

LLVMValueRef entry_function(CodeModule *m, uint32_t number) {
    EntryCode code = {
        .m = m, .p = m->entries[number], .symbols = &m->symbols[number], .c = m->llvm};
    EntryCode *c = &code;
    c->i8 = LLVMInt8TypeInContext(c->c);
    c->i32 = LLVMInt32TypeInContext(c->c);
    c->i64 = LLVMInt64TypeInContext(c->c);
    c->pointer = LLVMPointerTypeInContext(c->c, 0);
    LLVMTypeRef params[] = {c->pointer, c->i32, c->i32};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(c->c), params, 3, 0);
    const char *name =
        arena_printf(m->ctx->arena, "%s.entry.%s", m->program->stem, c->p->entry->name);
    c->function = LLVMAddFunction(m->module, name, type);
    LLVMSetLinkage(c->function, LLVMInternalLinkage);
    function_attributes(&m->target, c->function);
    plain_code(c);
    c->b = LLVMCreateBuilderInContext(c->c);
    LLVMPositionBuilderAtEnd(c->b, block_new(c, "entry"));
    c->finish = block_new(c, "finish");
    c->frame = LLVMGetParam(c->function, 0);
    c->thread32 = LLVMGetParam(c->function, 1);
    c->thread = LLVMBuildSExt(c->b, c->thread32, c->i64, "");
    c->threads = LLVMBuildSExt(c->b, LLVMGetParam(c->function, 2), c->i64, "");
    ranges_code(c);
    c->iterations = ARENA_ARRAY(m->ctx->arena, LLVMValueRef, c->p->loops.len);
    order_code(c);
    LLVMBuildBr(c->b, c->finish);
    LLVMPositionBuilderAtEnd(c->b, c->finish);
    LLVMBuildRetVoid(c->b);
    LLVMDisposeBuilder(c->b);
    return c->function;
}
