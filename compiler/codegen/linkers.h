/* Which linker makes a library: the first of a list that this system has. */
#ifndef BMC_CODEGEN_LINKERS_H
#define BMC_CODEGEN_LINKERS_H

#include "compiler/codegen/machines.h"
#include "compiler/support/context.h"

typedef struct Linker {
    const char *path;
    bool driver; /* a compiler that calls a linker: options for that need -Xlinker */
} Linker;

/* `wanted`: a path or a name in PATH (--linker); NULL: the first usable one. Reports E_LINK, naming
 * what to install, and returns false when there is none. `library`: what it is for. */
bool linker_find(Context *ctx, const Machine *machine, const char *wanted, const char *library,
                 Linker *out);

#endif
