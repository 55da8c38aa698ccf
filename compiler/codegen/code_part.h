/* Parts of the code: LLVM modules of their own contexts, made into objects side by side. */
#ifndef BMC_CODEGEN_CODE_PART_H
#define BMC_CODEGEN_CODE_PART_H

#include "compiler/codegen/codegen_internal.h"

void part_open(CodePart *part, const Target *target, const char *name);
void part_close(CodePart *part);
void part_verify(const CodePart *part); /* BUG when LLVM refuses it */
/* The objects of all parts, in m->parts[i].object; made at the first call. */
void module_objects(CodeModule *m);
CodeModule *module_whole(CodeModule *m); /* owned by m */

#endif
