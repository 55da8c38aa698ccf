/* The table of functions of a compiled model's C API. */
#include "compiler/codegen/api_functions.h"

static const ApiFunction hosted[] = {
    {"open", "bmrt_open", "pMpZz", "$ **m, const char *weights", "int",
     "Opens the model: its own weights (initial ones, or those it was compiled with), or those\n"
     " * of a safetensors file when `weights` is not NULL.\n"
     " * *m is set even on failure, so that $_error can be read; NULL only when out of memory.\n"
     " * Close it with $_close either way. Uses all CPUs of the process: see $_set_threads.",
     "Opens the model: its own weights (initial ones, or those it was compiled with), or those\n"
     " * of a safetensors file when `weights` is not NULL.\n"
     " * *m is set even on failure, so that $_error can be read; NULL only when out of memory.\n"
     " * Close it with $_close either way. Runs on the calling thread."},
    {"close", "bmrt_close", "p", "$ *m", "void", "Frees everything; m may be NULL.", NULL},
    {"error", "bmrt_error", "p", "const $ *m", "const char *",
     "What went wrong in the last call; \"\" when nothing did. Owned by m, until the next call.",
     NULL},
    {"get", "bmrt_get", "pppl", "$ *m, const char *path, void *data, size_t bytes", "int",
     "Copies a parameter or state out. `bytes` must be its size: ARGUMENT otherwise.", NULL},
    {"set", "bmrt_set", "pppl", "$ *m, const char *path, const void *data, size_t bytes", "int",
     "Copies a parameter or state in. `bytes` must be its size: ARGUMENT otherwise.", NULL},
    {"save", "bmrt_save", "ppi0", "$ *m, const char *path, int all", "int",
     "Writes a safetensors file, atomically. all = 0: parameters and states; 1: also the\n"
     " * optimizer's. IO when it cannot be written.",
     NULL},
    {"load", "bmrt_load", "pp", "$ *m, const char *path", "int",
     "Reads a safetensors file. IO, FORMAT, or MISMATCH; then nothing has changed.", NULL},
    {"set_threads", "bmrt_set_threads", "pi", "$ *m, int32_t threads", "int",
     "Threads that calls run on, the caller's included; 0: all CPUs. Results do not depend on it.",
     "1, or 0: this library is for a single thread. ARGUMENT otherwise."},
    {"set_seed", "bmrt_set_seed", "pu", "$ *m, uint64_t seed", "int",
     "Seed of dropout and other draws; weights are not initialised again.", NULL},
    {"set_schedule", "bmrt_set_schedule", "pll", "$ *m, int64_t steps, int64_t steps_per_epoch",
     "int", "Steps planned in all and per epoch: what progress() and epoch() count by.", NULL},
    {"set_show", "bmrt_set_show", "ppp",
     "$ *m, void (*show)(void *user, const char *text), void *user", "int",
     "Of a library built with --debug: called after each call of an entry, once a `show`, with "
     "lines\n"
     " * of text about that tensor; NULL: nothing is said.",
     NULL},
    {"workspace", "bmrt_workspace", "pEp", "$ *m, const char *entry, const int64_t *dims",
     "int64_t",
     "Bytes of scratch memory the entry needs at these dims; negative when they overflow or the\n"
     " * entry is unknown.",
     NULL},
    {"target", "bmrt_target", "p", "const $ *m", "const char *",
     "The machine and the processor whose code runs: \"x86_64-pc-linux-gnu x86-64-v4\".", NULL},
    {"interface", "bmrt_interface", "M", "void", "const char *",
     "The functions below with their arrays, and the parameters, as one line of JSON: for "
     "bindings.",
     NULL},
};

static const ApiFunction bare[] = {
    {"open", "bmrt_bare_open", "pMpl", "$ **m, void *memory, size_t bytes", "int",
     "Makes a handle of `memory`, which is the caller's: $_MEMORY_BYTES at a multiple of\n"
     " * $_MEMORY_ALIGNMENT, in use as long as the handle. Weights are those that the model "
     "carries\n"
     " * (--embed-weights), else initial ones; $_set replaces them. ARGUMENT: a NULL or "
     "misaligned\n"
     " * memory; MEMORY: too small. *m is NULL when not even a handle fits.",
     NULL},
    {"error", "bmrt_error", "p", "const $ *m", "const char *",
     "What went wrong in the last call; \"\" when nothing did. A constant.", NULL},
    {"get", "bmrt_get", "pppl", "$ *m, const char *path, void *data, size_t bytes", "int",
     "Copies a parameter or state out. `bytes` must be its size: ARGUMENT otherwise.", NULL},
    {"set", "bmrt_set", "pppl", "$ *m, const char *path, const void *data, size_t bytes", "int",
     "Copies a parameter or state in. `bytes` must be its size: ARGUMENT otherwise.", NULL},
    {"set_seed", "bmrt_set_seed", "pu", "$ *m, uint64_t seed", "int",
     "Seed of dropout and other draws; weights are not initialised again.", NULL},
    {"set_schedule", "bmrt_set_schedule", "pll", "$ *m, int64_t steps, int64_t steps_per_epoch",
     "int", "Steps planned in all and per epoch: what progress() and epoch() count by.", NULL},
    {"interface", "bmrt_interface", "M", "void", "const char *",
     "The functions below with their arrays, and the parameters, as one line of JSON.", NULL},
};

const ApiFunction *api_functions(bool freestanding, uint32_t *count) {
    *count = freestanding ? sizeof bare / sizeof bare[0] : sizeof hosted / sizeof hosted[0];
    return freestanding ? bare : hosted;
}

void api_entries(const Program *p, ApiVisit visit, void *user) {
    for (uint32_t i = 0; i < p->entries.len; i++) {
        const Entry *e = &p->entries.data[i];
        ApiEntry api = {e->name, i, false};
        if (e->kind == BMRT_ENTRY_EXPORT) visit(user, &api);
    }
    for (uint32_t i = 0; i < p->train.len; i++) {
        const BmrtTrain *t = &p->train.data[i];
        if (t->step_entry < 0 || (uint32_t)t->step_entry >= p->entries.len) continue;
        const char *name = t->name ? arena_printf(p->ctx->arena, "%s_step", t->name) : "train_step";
        ApiEntry api = {name, (uint32_t)t->step_entry, true};
        visit(user, &api);
    }
}

static const char *const keywords[] = {
    "alignas",   "alignof",   "and",           "asm",          "auto",
    "bitand",    "bitor",     "bool",          "break",        "case",
    "catch",     "char",      "class",         "compl",        "concept",
    "const",     "constexpr", "const_cast",    "continue",     "co_await",
    "co_return", "co_yield",  "decltype",      "default",      "delete",
    "do",        "double",    "dynamic_cast",  "else",         "enum",
    "explicit",  "export",    "extern",        "false",        "float",
    "for",       "friend",    "goto",          "if",           "inline",
    "int",       "long",      "mutable",       "namespace",    "new",
    "noexcept",  "not",       "nullptr",       "operator",     "or",
    "private",   "protected", "public",        "register",     "reinterpret_cast",
    "requires",  "restrict",  "return",        "short",        "signed",
    "sizeof",    "static",    "static_assert", "static_cast",  "struct",
    "switch",    "template",  "this",          "thread_local", "throw",
    "true",      "try",       "typedef",       "typeid",       "typename",
    "typeof",    "union",     "unsigned",      "using",        "virtual",
    "void",      "volatile",  "wchar_t",       "while",        "xor",
    "NULL",      "int8_t",    "int16_t",       "int32_t",      "int64_t",
    "uint8_t",   "uint16_t",  "uint32_t",      "uint64_t",     "size_t",
};

bool is_c_keyword(const char *name) {
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (strcmp(name, keywords[i]) == 0) return true;
    return false;
}
