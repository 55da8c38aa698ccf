/* Loop IR to machine code. The only folder that sees LLVM. JIT and AOT share every step up to the
 * object file: the JIT loads the object the AOT path would have written. */
#ifndef BMC_CODEGEN_CODEGEN_H
#define BMC_CODEGEN_CODEGEN_H

#include "compiler/loop/loop.h"
#include "runtime/include/sequence.h"

/* Keeps objects from one run to the next (the driver's cache). Keys and objects are bytes; a key
 * says all that determines the object but the version of bmc. Both are called by one thread at a
 * time. */
typedef struct CodeStore {
    /* True when something is kept under the key: then *bytes, in the arena. */
    bool (*find)(void *user, Arena *arena, const char *key, size_t key_len, const char **bytes,
                 size_t *size);
    void (*keep)(void *user, const char *key, size_t key_len, const char *bytes, size_t size);
    void *user;
} CodeStore;

typedef struct CodegenOptions {
    const char *triple;           /* NULL: this machine's */
    const char *cpu;              /* -march; NULL: "native", or of another machine the usual one */
    const char *linker;           /* path or name; NULL: the first that is found */
    const char *const *libraries; /* that `extern fn` needs: a .so is linked against them */
    uint32_t library_count;
    const CodeStore *store; /* NULL: none */
    /* NULL, or the name of a version ("x86-64-v4"): the module then holds the entries only, to be
     * one of the `versions` of another module of the same program: its best first. */
    const char *version;
    struct CodeModule *const *versions;
    uint32_t version_count;
    /* What a profiler has called at each step of one entry (bmrt_sequence_mark); NULL: none. Only
     * for code that codegen_jit loads. */
    BmrtMark mark;
    void *mark_user;
    uint32_t mark_entry;
    bool freestanding;  /* archives of it need no operating system: runtime/bare */
    bool single_thread; /* libraries and archives of it need no threads and refuse more than one */
    int level;          /* -O0 ... -O3; default 2 */
    bool debug_verify;  /* verify the LLVM module before and after its passes */
} CodegenOptions;

typedef struct CodeTarget { /* what schedule needs to know */
    char triple[128], cpu[64];
    uint32_t vector_bytes, vector_registers;
} CodeTarget;
/* Reports E_TARGET_MACHINE (unknown, or without fused multiply-add). */
bool codegen_target(Context *ctx, const CodegenOptions *options, CodeTarget *out);

typedef struct CodeModule CodeModule;
/* All entries, the descriptor `STEM_model` and the exported wrappers, in one LLVM module. */
CodeModule *codegen_module(Context *ctx, const Program *program, LoopProgram *const *entries,
                           uint32_t entry_count, const CodegenOptions *options);
void codegen_destroy(CodeModule *m);

/* Makes the objects now; what needs them would make them when first asked. */
void codegen_object(CodeModule *m);

typedef enum CodeFile { CODE_LLVM, CODE_ASSEMBLY, CODE_OBJECT } CodeFile;
bool codegen_write(CodeModule *m, CodeFile kind, const char *path);
bool codegen_text(CodeModule *m, CodeFile kind, Text *out); /* LLVM or ASSEMBLY */

/* model.so: object + the embedded runtime part, linked by what the system has; all symbols hidden
 * but the API. Reports E_LINK naming what to install. Writes to a temporary name, then renames. */
bool codegen_link(CodeModule *m, const char *path);
/* model.a: the same without a linker, for a program that carries the model inside. Its global
 * symbols all begin with `STEM_`, so that several models fit into one program. */
bool codegen_archive(CodeModule *m, const char *path);

typedef enum HeaderFor { HEADER_LIBRARY, HEADER_ARCHIVE, HEADER_OBJECT } HeaderFor;
typedef struct HeaderOptions {
    HeaderFor what;
    bool single_thread;
    int64_t static_batch;    /* 0: any */
    int64_t memory_bytes;    /* freestanding: of a handle, weights and all; 0: hosted */
    int64_t workspace_bytes; /* what no call needs more scratch memory than; -1: sizes decide */
} HeaderOptions;
/* For the header: -1 when one of the functions in it takes a size. */
int64_t codegen_workspace(const CodeModule *m);
int64_t codegen_memory(const CodeModule *m); /* 0 when hosted */
/* The typed C header of the model; it says how to link what it comes with. */
void codegen_header(Text *out, const Program *program, const HeaderOptions *options);

typedef struct CodeJit CodeJit;
/* Loads the objects into this process (never a page writable and executable). NULL with
 * E_TARGET_MACHINE when they are for another processor. */
CodeJit *codegen_jit(CodeModule *m);
const BmrtModel *codegen_jit_model(const CodeJit *jit);
void codegen_jit_destroy(CodeJit *jit);

/* Loops that find out what a machine can do, compiled for it. Each has the signature of an entry
 * and is run by a whole team. Of the frame they read: fma    step: rounds. Every thread multiplies
 * and adds in registers only; `fma_flops` a round. triad  step: rounds; symbols[0]: elements of
 * each thread, a multiple of 64; a = b + 3 c with a = outputs[0], b = inputs[0], c = inputs[1],
 * f32, 64-byte aligned. 12 bytes an element.
 */
typedef struct CodeProbes {
    BmrtEntryFn fma, triad;
    double fma_flops;
    struct ProbeCode *code; /* private */
} CodeProbes;
/* False, with E_TARGET_MACHINE, when this process may not run such code. */
bool codegen_probes(Context *ctx, const CodegenOptions *options, CodeProbes *out);
void codegen_probes_free(CodeProbes *probes);

/* Microseconds spent per phase since creation: emit, optimise, object, jit (for --time-passes). */
void codegen_times(const CodeModule *m, double us[4]);

#endif
