/* What the files behind bmc.h share: a model and what was worked out while it was compiled. */
#ifndef BMC_DRIVER_EMBED_H
#define BMC_DRIVER_EMBED_H

#include "compiler/driver/pipeline.h"
#include "compiler/include/bmc.h"

struct BmcModel {
    Session session;
    Pipeline pipeline;
    VEC(BmcExtern) externs;
    LoopWork *work; /* per entry: later calls only read, so that they may run side by side */
};

/* A diagnostic as the host gets it: its texts in the arena. */
BmcDiagnostic embed_diagnostic(Arena *arena, const Sources *sources, const Diag *d);

#endif
