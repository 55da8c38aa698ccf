/* The table of machines. Widths are those that tiles are chosen for: NEON has 32 registers of 16
 * bytes; RISC-V without vectors works on four floats at a time in 32 scalar registers, which is as
 * if it had 8 of 16 bytes. */
#include "compiler/codegen/machines.h"
#include <llvm-c/Target.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define NO_FMA(name)                                                                               \
    { name, NULL, "", 0, 0 }
#define AVX2(name)                                                                                 \
    { name, NULL, "", 32, 16 }
#define AVX512(name)                                                                               \
    { name, NULL, "", 64, 32 }
#define NEON(name)                                                                                 \
    { name, NULL, "", 16, 32 }

static const Processor x86_processors[] = {
    NO_FMA("x86-64"),         NO_FMA("x86-64-v2"),      NO_FMA("core2"),
    NO_FMA("nehalem"),        NO_FMA("westmere"),       NO_FMA("sandybridge"),
    NO_FMA("ivybridge"),      NO_FMA("silvermont"),     NO_FMA("goldmont"),
    NO_FMA("bdver1"),         NO_FMA("btver2"),         AVX2("x86-64-v3"),
    AVX2("haswell"),          AVX2("broadwell"),        AVX2("skylake"),
    AVX2("alderlake"),        AVX2("raptorlake"),       AVX2("meteorlake"),
    AVX2("arrowlake"),        AVX2("lunarlake"),        AVX2("pantherlake"),
    AVX2("gracemont"),        AVX2("sierraforest"),     AVX2("znver1"),
    AVX2("znver2"),           AVX2("znver3"),           AVX512("x86-64-v4"),
    AVX512("skylake-avx512"), AVX512("cascadelake"),    AVX512("cooperlake"),
    AVX512("cannonlake"),     AVX512("icelake-client"), AVX512("icelake-server"),
    AVX512("tigerlake"),      AVX512("rocketlake"),     AVX512("sapphirerapids"),
    AVX512("emeraldrapids"),  AVX512("graniterapids"),  AVX512("znver4"),
    AVX512("znver5"),
};

static const NativeWidth x86_widths[] = {
    {"+fma,+avx2,+f16c,+avx512f,+avx512vl,+avx512bw,+avx512dq", 64, 32},
    {"+fma,+avx2,+f16c", 32, 16},
};

/* NEON and its fused multiply-add belong to every 64-bit ARM. */
static const Processor arm_processors[] = {
    {"armv8-a", "generic", "", 16, 32},
    {"armv8.2-a", "generic", "+v8.2a,+fullfp16", 16, 32},
    {"armv9-a", "generic", "+v9a", 16, 32},
    NEON("cortex-a53"),
    NEON("cortex-a55"),
    NEON("cortex-a57"),
    NEON("cortex-a72"),
    NEON("cortex-a73"),
    NEON("cortex-a75"),
    NEON("cortex-a76"),
    NEON("cortex-a78"),
    NEON("cortex-a510"),
    NEON("cortex-a710"),
    NEON("cortex-x1"),
    NEON("cortex-x2"),
    NEON("neoverse-n1"),
    NEON("neoverse-n2"),
    NEON("neoverse-v1"),
    NEON("neoverse-v2"),
    NEON("ampere1"),
    NEON("apple-m1"),
    NEON("apple-m2"),
};

static const NativeWidth arm_widths[] = {{"+neon", 16, 32}};

#define RV64GC "+m,+a,+f,+d,+c"
static const Processor riscv_processors[] = {
    {"rv64i", "generic-rv64", "", 0, 0},
    {"rv64imac", "generic-rv64", "+m,+a,+c", 0, 0},
    {"rv64gc", "generic-rv64", RV64GC, 16, 8},
    {"rva22u64", "generic-rv64", RV64GC ",+zba,+zbb,+zbs,+zfhmin", 16, 8},
    {"rv64gcv", "generic-rv64", RV64GC ",+v", 16, 32},
    {"rva23u64", "generic-rv64", RV64GC ",+zba,+zbb,+zbs,+zfhmin,+v,+zvfhmin", 16, 32},
};

static const NativeWidth riscv_widths[] = {{"+d,+v", 16, 32}, {"+d", 16, 8}};

#define INITIALISE(function, name)                                                                 \
    static void function(void) {                                                                   \
        LLVMInitialize##name##TargetInfo();                                                        \
        LLVMInitialize##name##Target();                                                            \
        LLVMInitialize##name##TargetMC();                                                          \
        LLVMInitialize##name##AsmPrinter();                                                        \
    }
#ifdef BMC_LLVM_X86
INITIALISE(x86_initialise, X86)
#else
#define x86_initialise NULL
#endif
#ifdef BMC_LLVM_AARCH64
INITIALISE(arm_initialise, AArch64)
#else
#define arm_initialise NULL
#endif
#ifdef BMC_LLVM_RISCV
INITIALISE(riscv_initialise, RISCV)
#else
#define riscv_initialise NULL
#endif

static const Machine machines[] = {
    {"x86_64", "x86_64-linux-gnu", "elf_x86_64", NULL, NULL, "x86-64-v3",
     "the oldest that will do is `-march=x86-64-v3` (Intel Haswell, AMD Zen)", x86_initialise,
     x86_processors, COUNT(x86_processors), x86_widths, COUNT(x86_widths)},
    {"aarch64", "aarch64-linux-gnu", "aarch64linux", NULL, NULL, "armv8-a",
     "write `-march=armv8-a`: every 64-bit ARM has it", arm_initialise, arm_processors,
     COUNT(arm_processors), arm_widths, COUNT(arm_widths)},
    {"riscv64", "riscv64-linux-gnu", "elf64lriscv", "lp64d", "+zfhmin", "rv64gc",
     "write `-march=rv64gc`: it includes floating point (F and D)", riscv_initialise,
     riscv_processors, COUNT(riscv_processors), riscv_widths, COUNT(riscv_widths)},
};

const Machine *machine_at(uint32_t number) {
    return number < COUNT(machines) ? &machines[number] : NULL;
}

const Machine *machine_find(const char *triple) {
    for (uint32_t i = 0; i < COUNT(machines); i++) {
        size_t len = strlen(machines[i].arch);
        if (strncmp(triple, machines[i].arch, len) == 0 && triple[len] == '-') return &machines[i];
    }
    return NULL;
}
