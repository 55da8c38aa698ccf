/* Shared by the files of this folder: the module being made, and the target it is made for. */
#ifndef BMC_CODEGEN_INTERNAL_H
#define BMC_CODEGEN_INTERNAL_H

#include "compiler/codegen/codegen.h"
#include "compiler/codegen/machines.h"
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

/* What machine code is made for. Strings live in the context's arena. */
typedef struct Target {
    const Machine *machine;
    const char *triple, *march, *cpu, *features; /* march: as the user names it */
    uint32_t vector_bytes, vector_registers;
    int level;
    int level_needed;   /* of x86-64: 3 or 4; else 0 */
    bool software_half; /* conversions from and to f16 are made of integer instructions */
} Target;
/* Fills *out; reports E_TARGET_MACHINE and returns false when it cannot be compiled for. */
bool target_resolve(Context *ctx, const CodegenOptions *options, Target *out);
/* Whether this process may run its code; reports E_TARGET_MACHINE when not. */
bool target_runs_here(Context *ctx, const Target *t);
/* NULL when LLVM has no such target (bmc is linked without it). */
LLVMTargetMachineRef target_machine(const Target *t);
/* What of the target, and of LLVM, determines machine code, as bytes. */
void target_key(const Target *t, Text *out);

/* The symbols of one entry, in the order its frame holds them: table numbers of DimTable. */
typedef struct EntrySymbols {
    VEC(uint32_t) table;
} EntrySymbols;
void entry_symbols(const LoopProgram *p, EntrySymbols *out);
void graph_symbols(const Program *p, const Graph *g, EntrySymbols *out);
/* Position of table symbol `symbol` in the frame; BUG when the entry does not have it. */
uint32_t entry_symbol_index(const EntrySymbols *s, uint32_t symbol);

/* ---- the signature of a kernel function:
 * (ptr buffers..., i64 symbols..., i64 keys..., i64 lo, i64 hi, ptr frame) */
typedef struct KernelSignature {
    VEC(uint32_t) symbols; /* table numbers, in order of first use */
    VEC(uint64_t) keys;    /* random site keys, in order of first use */
} KernelSignature;

typedef struct SharedKernel { /* one function for all kernels of equal structure */
    uint64_t hash;
    const char *key;
    size_t key_len;
    const LoopProgram *program; /* where it was met first */
    Kernel *kernel;
    KernelSignature signature;
    const char *name;
    uint64_t weight;       /* of making its code, roughly */
    LLVMValueRef function; /* its NAME.call (kernel_call.c), as the head knows it */
} SharedKernel;

/* Code is made in parts, each an LLVM module of its own context, so that threads can turn them into
 * objects side by side. The first, the head, holds the entries and the descriptor, the others
 * kernels (code_kernels.c). What is in which part follows from the program alone, never from the
 * machine bmc runs on. */
typedef struct CodePart {
    LLVMContextRef llvm;
    LLVMModuleRef module; /* NULL: the object was kept from earlier, or has been made */
    LLVMValueRef zeros;   /* 64 bytes that a load whose predicate is false may read */
    /* routines for blocks of four bytes, of bf16, rounded; of 4, 8, 16; made when first wanted */
    LLVMValueRef transposes[3][3];
    LLVMMemoryBufferRef object; /* made once, for JIT and library alike */
    const char *problem;        /* LLVM's message when it could not be made */
    uint64_t weight;            /* of the kernels in it */
    Text key;                   /* for the store */
} CodePart;

typedef struct CodeTable { /* constants of the graph as data of the head */
    const int64_t *words;
    LLVMValueRef global;
} CodeTable;

struct CodeModule {
    Context *ctx;
    const Program *program;
    LoopProgram *const *entries;
    uint32_t entry_count;
    Target target;
    bool debug_verify;
    bool freestanding;
    bool single_thread; /* libraries are without threads */
    BmrtMark mark;
    void *mark_user;
    uint32_t mark_entry;
    const char *const *libraries;
    uint32_t library_count;
    const char *linker;  /* NULL: the first that is found */
    const char *version; /* one of several, without descriptor and wrappers; NULL: the model */
    struct CodeModule *const *versions; /* the others, which the model's library carries too */
    uint32_t version_count;
    const CodeStore *store; /* NULL: none */
    LLVMTargetMachineRef machine;
    VEC(CodePart *) parts; /* the head first */
    bool is_whole;         /* all in the head, and kernels have readable names */
    CodeModule *whole;     /* the same as a whole, for text and object files; made when asked for */
    LLVMContextRef llvm;   /* of the head */
    LLVMModuleRef module;
    VEC(SharedKernel) kernels;
    VEC(CodeTable) tables;
    VEC(uint64_t) constants; /* of all sequences: offsets of the slots, then random keys */
    LLVMValueRef kernel_table, table_table, constant_table;
    EntrySymbols *symbols; /* per entry */
    LLVMValueRef *entry_functions;
    LLVMValueRef **variant_functions; /* per entry and variant */
    int64_t *slot_offsets;            /* per slot of the program; 64-byte aligned */
    int64_t slots_bytes;
    LLVMValueRef descriptor;
    bool failed; /* something was reported that rules the module out */
    double us[4];
};

/* Names under which codegen_jit defines the profiler's function and its first argument. */
#define MARK_FUNCTION "bmc_profile_mark"
#define MARK_USER     "bmc_profile_user"
#define SEQUENCE_MARK "bmrt_sequence_mark"

enum { TIME_EMIT, TIME_OPTIMISE, TIME_OBJECT, TIME_JIT };
/* A module whose kernels are timed has none: the marks belong to the entry's own order. */
static inline uint32_t variant_count(const CodeModule *m, uint32_t entry) {
    return m->mark ? 0 : m->entries[entry]->variants.len;
}

double time_now_us(void);

/* nounwind, target-cpu, target-features, vector width: on every function. */
void function_attributes(const Target *target, LLVMValueRef function);
void attribute_add(LLVMValueRef function, unsigned index, const char *name);

/* ---- stages of codegen_module */
/* The number in m->kernels of kernel `k`; several kernels may share one. */
uint32_t kernel_number(CodeModule *m, const LoopProgram *p, Kernel *k,
                       const KernelSignature *signature);
/* The code, or the object kept from earlier, of all of m->kernels. */
void kernels_make(CodeModule *m);
/* The code of all kernels, and all of m->entry_functions and variant_functions. */
void entries_emit(CodeModule *m);
/* The runtime's function that an entry calls (runtime/include/sequence.h). */
#define SEQUENCE_RUN "bmrt_sequence_run"
/* Emits the kernel into a part; returns its function there. */
LLVMValueRef kernel_emit(CodeModule *m, CodePart *part, const LoopProgram *p, Kernel *k,
                         const KernelSignature *signature, const char *name);
/* The function through which sequences call it. */
LLVMValueRef kernel_call_emit(CodeModule *m, CodePart *part, LLVMValueRef kernel);
LLVMTypeRef kernel_type(LLVMContextRef c, const Kernel *k, const KernelSignature *s, Arena *arena);
void descriptor_emit(CodeModule *m);
uint32_t arena_buffer_count(const LoopProgram *p); /* of the descriptor's buffers */
/* The entries of a version, under the name by which the model's descriptor knows them. */
void version_emit(CodeModule *m);
LLVMValueRef recipe_data(CodeModule *m); /* arrays of BmrtData, BmrtTrain, BmrtTest; NULL: none */
LLVMValueRef recipe_train(CodeModule *m);
LLVMValueRef recipe_test(CodeModule *m);
LLVMValueRef recipe_statistics(CodeModule *m);
LLVMValueRef recipe_vocabularies(CodeModule *m);
void wrappers_emit(CodeModule *m);
void interface_text(Text *out, CodeModule *m); /* JSON */

/* What the first row of every range of a parallel kernel is a multiple of. */
static inline int64_t kernel_row_multiple(const Kernel *k) {
    return k->strip > 0 ? k->strip : k->grain;
}
void kernel_signature(const LoopProgram *p, const Kernel *k, KernelSignature *out);
/* Canonical bytes of everything that determines a kernel's code. */
void kernel_canonical(const LoopProgram *p, const Kernel *k, const KernelSignature *s, Text *out);
/* Table symbols that a size needs, quotients resolved to their operands' symbols. */
void dim_symbols(const DimTable *dims, DimId d, Arena *arena, EntrySymbols *out);
/* Code for a size; `value` gives the code for a plain symbol. */
typedef LLVMValueRef (*SymbolValue)(void *user, uint32_t symbol);
LLVMValueRef dim_code(LLVMBuilderRef b, LLVMContextRef c, const DimTable *dims, DimId d,
                      SymbolValue value, void *user);

#endif
