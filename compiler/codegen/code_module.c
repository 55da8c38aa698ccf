/* codegen_module: from loop programs to LLVM modules. */
#include "compiler/codegen/api_functions.h"
#include "compiler/codegen/code_part.h"
#include "runtime/include/bare.h"

/* Slots lie one after another at multiples of 64 bytes. */
static bool slots_layout(CodeModule *m) {
    const Program *p = m->program;
    m->slot_offsets = ARENA_ARRAY(m->ctx->arena, int64_t, p->slots.len);
    for (uint32_t i = 0; i < p->slots.len; i++) {
        const Slot *s = &p->slots.data[i];
        int64_t bytes = (int64_t)dtype_bytes(s->dtype), next;
        bool overflow = false;
        for (uint32_t d = 0; d < s->rank; d++)
            overflow |= __builtin_mul_overflow(bytes, s->dims[d], &bytes);
        overflow |= __builtin_add_overflow(bytes, 63, &next);
        m->slot_offsets[i] = m->slots_bytes;
        overflow |= __builtin_add_overflow(m->slots_bytes, next & ~(int64_t)63, &m->slots_bytes);
        if (overflow) {
            ctx_error(m->ctx, E_LIMIT, s->span, "the parameters are too large: `%s` overflows",
                      s->path->text);
            return false;
        }
    }
    return true;
}

static void module_emit(CodeModule *m) {
    Arena *arena = m->ctx->arena;
    m->symbols = ARENA_ARRAY(arena, EntrySymbols, m->entry_count);
    m->entry_functions = ARENA_ARRAY(arena, LLVMValueRef, m->entry_count);
    m->variant_functions = ARENA_ARRAY(arena, LLVMValueRef *, m->entry_count);
    for (uint32_t i = 0; i < m->entry_count; i++) entry_symbols(m->entries[i], &m->symbols[i]);
    entries_emit(m);
    if (m->version) {
        version_emit(m);
    } else {
        descriptor_emit(m);
        wrappers_emit(m);
    }
    for (uint32_t i = 0; m->debug_verify && i < m->parts.len; i++) part_verify(m->parts.data[i]);
}

static bool is_called(const LoopProgram *p) {
    const BmrtEntryKind kind = p->entry->kind;
    return kind == BMRT_ENTRY_EXPORT || kind == BMRT_ENTRY_STEP || kind == BMRT_ENTRY_INIT;
}

/* Of an entry: what the runtime without an operating system cannot do. NULL: nothing. */
static const char *beyond_bare(const CodeModule *m, const LoopProgram *p) {
    const Entry *e = p->entry;
    const Graph *g = e->graph;
    EntrySymbols symbols = {0};
    entry_symbols(p, &symbols);
    if (symbols.table.len > 0) return "a size that is known only when it is called";
    if (e->show_count > 0) return "`show` (--debug)";
    for (uint32_t i = 0; e->input_strings && i < g->inputs.len; i++)
        if (e->input_strings[i]) return "strings among its inputs";
    for (uint32_t i = 0; e->output_strings && i < entry_outputs(e); i++)
        if (e->output_strings[i]) return "strings among its results";
    return m->mark ? "marks of the profiler" : NULL;
}

static bool suits_bare(const CodeModule *m) {
    bool fine = true;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const char *what = is_called(m->entries[i]) ? beyond_bare(m, m->entries[i]) : NULL;
        if (!what) continue;
        Diag *d = ctx_error(m->ctx, E_UNSUPPORTED, (Span){0},
                            "`%s` has %s, which is not supported yet by --freestanding",
                            m->entries[i]->entry->name, what);
        diag_help(d, "`--static-batch N` fixes the batch");
        fine = false;
    }
    return fine;
}

static CodeModule *module_make(Context *ctx, const Program *program, LoopProgram *const *entries,
                               uint32_t entry_count, const Target *target, bool whole,
                               const CodegenOptions *options) {
    CodeModule *m = ARENA_NEW(ctx->arena, CodeModule);
    m->ctx = ctx;
    m->program = program;
    m->entries = entries;
    m->entry_count = entry_count;
    m->target = *target;
    m->is_whole = whole;
    m->store = whole ? NULL : options->store;
    m->debug_verify = options->debug_verify;
    m->freestanding = options->freestanding;
    m->version = options->version;
    m->versions = options->versions;
    m->version_count = options->version_count;
    m->mark = options->mark;
    m->mark_user = options->mark_user;
    m->mark_entry = options->mark_entry;
    if (!slots_layout(m)) return NULL;
    m->machine = target_machine(target);
    if (!m->machine) BUG("LLVM was linked without the target %s", target->triple);
    CodePart *head = ARENA_NEW(ctx->arena, CodePart);
    vec_push(ctx->arena, &m->parts, head);
    part_open(m, head, program->stem);
    m->llvm = head->llvm;
    m->module = head->module;
    if (m->freestanding && !suits_bare(m)) m->failed = true;
    if (!m->failed) module_emit(m);
    if (!m->failed) return m;
    codegen_destroy(m);
    return NULL;
}

/* Functions of the model begin with its name: it must be an identifier of C that neither the
 * language nor the runtime has. */
static bool stem_is_free(Context *ctx, const char *stem) {
    Diag *d;
    if (is_c_keyword(stem))
        d = ctx_error(ctx, E_EXPORT_NAME, (Span){0},
                      "`%s` is a keyword of C, so no function can begin with it as a type", stem);
    else if (strcmp(stem, "bmrt") == 0)
        d = ctx_error(ctx, E_EXPORT_NAME, (Span){0},
                      "the functions of the runtime begin with `%s_`, so those of a model cannot",
                      stem);
    else
        return true;
    diag_help(d, "give the model file, or the file after `-o`, another name");
    return false;
}

CodeModule *codegen_module(Context *ctx, const Program *program, LoopProgram *const *entries,
                           uint32_t entry_count, const CodegenOptions *options) {
    double start = time_now_us();
    Target target;
    if (!target_resolve(ctx, options, &target)) return NULL;
    if (!stem_is_free(ctx, program->stem)) return NULL;
    CodeModule *m = module_make(ctx, program, entries, entry_count, &target, false, options);
    if (!m) return NULL;
    m->linker = options->linker;
    m->single_thread = options->single_thread;
    m->libraries = options->libraries;
    m->library_count = options->library_count;
    m->us[TIME_EMIT] = time_now_us() - start;
    return m;
}

CodeModule *module_whole(CodeModule *m) {
    const CodegenOptions options = {.debug_verify = m->debug_verify}; /* text is without marks */
    if (m->is_whole) return m;
    if (!m->whole)
        m->whole =
            module_make(m->ctx, m->program, m->entries, m->entry_count, &m->target, true, &options);
    INVARIANT(m->whole);
    return m->whole;
}

void codegen_destroy(CodeModule *m) {
    if (!m) return;
    if (m->whole) codegen_destroy(m->whole);
    for (uint32_t i = 0; i < m->parts.len; i++) part_close(m->parts.data[i]);
    if (m->machine) LLVMDisposeTargetMachine(m->machine);
}

static int64_t most_workspace(const CodeModule *m) {
    int64_t most = 0;
    for (uint32_t i = 0; i < m->entry_count; i++)
        if (is_called(m->entries[i]) && m->entries[i]->arena_bytes > most)
            most = m->entries[i]->arena_bytes;
    return most;
}

int64_t codegen_workspace(const CodeModule *m) {
    for (uint32_t i = 0; i < m->entry_count; i++)
        if (is_called(m->entries[i]) && m->symbols[i].table.len > 0) return -1;
    return most_workspace(m);
}

int64_t codegen_memory(const CodeModule *m) {
    int64_t buffers = 0;
    if (!m->freestanding) return 0;
    for (uint32_t i = 0; i < m->entry_count; i++) buffers += arena_buffer_count(m->entries[i]);
    return bmrt_bare_bytes(buffers, m->slots_bytes, most_workspace(m));
}

void codegen_times(const CodeModule *m, double us[4]) {
    memcpy(us, m->us, sizeof m->us);
}
