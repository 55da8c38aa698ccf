/* Files that a module is written to. */
#ifndef BMC_CODEGEN_OBJECT_H
#define BMC_CODEGEN_OBJECT_H

#include "compiler/codegen/code_part.h"
#include "compiler/codegen/object_names.h"
#include "compiler/codegen/runtime_objects.h"

/* Temporary file, then rename; reports E_FILE. */
bool file_write(Context *ctx, const char *path, const char *bytes, size_t size);

/* The runtime part that suits the model; reports E_LINK when this bmc lacks it. */
const RuntimeObject *module_runtime(CodeModule *m);
/* All that is linked: the objects of the model, and last the runtime's. */
ObjectBytes *linked_objects(CodeModule *m, const RuntimeObject *runtime, uint32_t *count);

#endif
