/* The object file of a module, made once. */
#ifndef BMC_CODEGEN_OBJECT_H
#define BMC_CODEGEN_OBJECT_H

#include "compiler/codegen/codegen_internal.h"

LLVMMemoryBufferRef module_object(CodeModule *m); /* owned by m */
/* Temporary file, then rename; reports E_FILE. */
bool file_write(Context *ctx, const char *path, const char *bytes, size_t size);

#endif
