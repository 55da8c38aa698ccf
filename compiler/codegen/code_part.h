/* Parts of the code: LLVM modules of their own contexts, made into objects side by side. */
#ifndef BMC_CODEGEN_CODE_PART_H
#define BMC_CODEGEN_CODE_PART_H

#include "compiler/codegen/codegen_internal.h"

/* An empty module for the part's code. */
void part_open(CodeModule *m, CodePart *part, const char *name);
void part_close(CodePart *part);
void part_verify(const CodePart *part); /* BUG when LLVM refuses it */
/* The part's object from the module's store, by its key; false when it is not there. */
bool part_recall(CodeModule *m, CodePart *part);
/* The objects of all parts, in m->parts; made at the first call. */
void module_objects(CodeModule *m);
CodeModule *module_whole(CodeModule *m); /* owned by m */

#endif
