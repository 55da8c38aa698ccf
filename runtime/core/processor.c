/* The choice among the versions of a model's code that a library of `--multiversion` carries: the
 * first whose instructions this processor, and the system on it, has. A processor's name in the
 * environment's BMC_PROCESSOR rules out the versions before that one: to compare them, or to keep
 * a processor from lowering its clock for wide vectors. */
#include "runtime/core/core.h"

#include <stdlib.h>
#include <string.h>

#if defined __x86_64__
#include <cpuid.h>

#define LEAF7_V4 0xd0030000u /* AVX-512 F DQ CD BW VL: bits 16 17 28 30 31 */

/* Bits of CPUID leaf 1, ECX; leaf 7, EBX; extended leaf 1, ECX. x86-64 psABI, "micro-architecture
 * levels". */
enum {
    LEAF1_FMA = 1 << 12,
    LEAF1_MOVBE = 1 << 22,
    LEAF1_OSXSAVE = 1 << 27,
    LEAF1_AVX = 1 << 28,
    LEAF1_F16C = 1 << 29,
    LEAF7_V3 = 1 << 3 | 1 << 5 | 1 << 8, /* BMI1 AVX2 BMI2 */
    EXTENDED_LZCNT = 1 << 5,
    LEAF1_V3 = LEAF1_FMA | LEAF1_MOVBE | LEAF1_OSXSAVE | LEAF1_AVX | LEAF1_F16C,
    STATE_V3 = 0x06, /* the system saves 256-bit registers */
    STATE_V4 = 0xe6  /* ... and 512-bit ones and masks */
};

static bool has_all(unsigned bits, unsigned wanted) {
    return (bits & wanted) == wanted;
}

/* x86-64-vN; less than 3 counts as 0. */
static int32_t processor_level(void) {
    unsigned a, b, c, d, leaf7, state, state_high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, LEAF1_V3)) return 0;
    if (!__get_cpuid_count(7, 0, &a, &leaf7, &c, &d) || !has_all(leaf7, LEAF7_V3)) return 0;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !has_all(c, EXTENDED_LZCNT)) return 0;
    __asm__("xgetbv" : "=a"(state), "=d"(state_high) : "c"(0));
    if (!has_all(state, STATE_V3)) return 0;
    return has_all(leaf7, LEAF7_V4) && has_all(state, STATE_V4) ? 4 : 3;
}
#else
static int32_t processor_level(void) {
    return 0;
}
#endif

const BmrtVersion *bmrt_version_choose(const BmrtModel *model, const char **problem) {
    const int32_t level = processor_level();
    const char *wanted = getenv("BMC_PROCESSOR");
    bool open = wanted == NULL || wanted[0] == 0;
    for (uint32_t i = 0; i < model->version_count; i++) {
        const BmrtVersion *v = &model->versions[i];
        if (!open && strcmp(v->processor, wanted) == 0) open = true;
        if (open && v->level <= level) return v;
    }
    *problem = open ? "this processor has none of the instruction sets that the library has code "
                      "for: the least is"
                    : "the environment's BMC_PROCESSOR names a processor that the library has no "
                      "code for: the last it has is";
    return NULL;
}
