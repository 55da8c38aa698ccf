/* The runtime parts that bmc carries, ready to be linked: one relocatable object for each row of
 * runtime/embedded.cmake, an architecture and a flavour. */
#ifndef BMC_CODEGEN_RUNTIME_OBJECTS_H
#define BMC_CODEGEN_RUNTIME_OBJECTS_H

#include "compiler/codegen/machines.h"
#include "compiler/support/context.h"

typedef enum RuntimeFlavour {
    RUNTIME_libc,          /* no runtime: a stand-in for the C library; perhaps empty */
    RUNTIME_threads,       /* all of it; needs the C library and its threads */
    RUNTIME_threads_plain, /* ... for models without strings and `show` */
    RUNTIME_single,        /* one thread: no threads library */
    RUNTIME_single_plain,
    RUNTIME_bare /* no operating system: runtime/bare */
} RuntimeFlavour;

typedef struct RuntimeObject {
    const char *arch; /* as in machines.h */
    RuntimeFlavour flavour;
    const char *begin, *end; /* the bytes of the object */
} RuntimeObject;

/* NULL: this bmc was built without it. */
const RuntimeObject *runtime_object_find(const char *arch, RuntimeFlavour flavour);
/* The same; reports E_LINK when there is none. */
const RuntimeObject *runtime_object_wanted(Context *ctx, const Machine *machine,
                                           RuntimeFlavour flavour);

#endif
