/* Files that a module is written to. */
#ifndef BMC_CODEGEN_OBJECT_H
#define BMC_CODEGEN_OBJECT_H

#include "compiler/codegen/code_part.h"

/* Temporary file, then rename; reports E_FILE. */
bool file_write(Context *ctx, const char *path, const char *bytes, size_t size);

#endif
