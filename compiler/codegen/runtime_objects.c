/* The rows of generated/runtime_objects.def as bytes of this program, and the choice among them. */
#include "compiler/codegen/runtime_objects.h"
#include <string.h>

#define NAME(arch, flavour, edge) bmrt_object_##arch##_##flavour##_##edge

#define RUNTIME_OBJECT(arch, flavour, path)                                                        \
    extern const char NAME(arch, flavour, begin)[], NAME(arch, flavour, end)[];                    \
    __asm__(".section .rodata\n"                                                                   \
            ".balign 16\n"                                                                         \
            ".globl bmrt_object_" #arch "_" #flavour "_begin\n"                                    \
            ".hidden bmrt_object_" #arch "_" #flavour "_begin\n"                                   \
            "bmrt_object_" #arch "_" #flavour "_begin:\n"                                          \
            ".incbin \"" path "\"\n"                                                               \
            ".globl bmrt_object_" #arch "_" #flavour "_end\n"                                      \
            ".hidden bmrt_object_" #arch "_" #flavour "_end\n"                                     \
            "bmrt_object_" #arch "_" #flavour "_end:\n"                                            \
            ".byte 0\n"                                                                            \
            ".previous\n");
#include "runtime_objects.def"
#undef RUNTIME_OBJECT

static const RuntimeObject objects[] = {
#define RUNTIME_OBJECT(arch, flavour, path)                                                        \
    {#arch, RUNTIME_##flavour, NAME(arch, flavour, begin), NAME(arch, flavour, end)},
#include "runtime_objects.def"
#undef RUNTIME_OBJECT
};

const RuntimeObject *runtime_object_find(const char *arch, RuntimeFlavour flavour) {
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
        if (objects[i].flavour == flavour && strcmp(objects[i].arch, arch) == 0) return &objects[i];
    return NULL;
}

const RuntimeObject *runtime_object_wanted(Context *ctx, const Machine *machine,
                                           RuntimeFlavour flavour) {
    const RuntimeObject *runtime = runtime_object_find(machine->arch, flavour);
    if (runtime) return runtime;
    Diag *d = ctx_error(ctx, E_LINK, (Span){0},
                        "this bmc was built without the runtime for `%s`, so it cannot link "
                        "libraries for it",
                        machine->triple);
    diag_help(d,
              "build bmc again with `%s-gcc` installed (Debian: `apt install gcc-%s`; in bmc's "
              "source: `tools/deps --cross`)",
              machine->triple, machine->triple);
    diag_help(d, "`-o MODEL.o` works without");
    return NULL;
}
