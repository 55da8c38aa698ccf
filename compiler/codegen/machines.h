/* The machines that code can be made for: architectures, and the processors of each that `-march`
 * names. A new one is a row here, and a runtime object of it (runtime/embedded.cmake). */
#ifndef BMC_CODEGEN_MACHINES_H
#define BMC_CODEGEN_MACHINES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Processor {
    const char *name;          /* of -march */
    const char *cpu;           /* LLVM's name; NULL: the same */
    const char *features;      /* LLVM's, beyond those of the cpu */
    uint32_t vector_bytes;     /* 0: no fused multiply-add */
    uint32_t vector_registers; /* of that width */
} Processor;

/* What of a processor's features, as LLVM lists them, decides between rows: the first row whose
 * features are all there gives the width of -march=native. */
typedef struct NativeWidth {
    const char *features; /* separated by commas */
    uint32_t vector_bytes, vector_registers;
} NativeWidth;

typedef struct Machine {
    const char *arch;      /* how its triples begin */
    const char *triple;    /* as --target and as the names of GNU's cross tools */
    const char *emulation; /* of a linker that knows several machines */
    const char *abi;       /* LLVM's target-abi; NULL: there is one */
    const char *half;      /* the feature that converts f16; NULL: every processor here does */
    const char *usual;     /* -march of code for another machine than this one */
    const char *without;   /* help when a processor lacks fused multiply-add */
    void (*initialise)(void);
    const Processor *processors;
    uint32_t processor_count;
    const NativeWidth *widths;
    uint32_t width_count;
} Machine;

/* NULL when there is none of that name (the first part of a triple). */
const Machine *machine_find(const char *triple);
/* The first `count` rows; NULL at the end. */
const Machine *machine_at(uint32_t number);
/* Whether the LLVM that bmc is linked with makes code for it. */
static inline bool machine_has_code(const Machine *m) {
    return m->initialise != 0;
}

#endif
