/* `use`: several files, each with its scope. */
#ifndef BMC_SEMA_USE_FILES_H
#define BMC_SEMA_USE_FILES_H

#include "compiler/sema/elaborate.h"

void use_main(Sema *s);
void use_files(Sema *s, const Node *file, Scope *scope); /* reads and imports */
Scope *use_scope(Sema *s, uint32_t file);                /* of a file; the prelude's, too */
uint32_t use_count(const Sema *s);                       /* files, the main one first */
const Node *use_tree(const Sema *s, uint32_t i);
void use_known(Sema *s, const Binding *own);
bool use_resolve(Sema *s); /* as resolve_file, of all files */
const char *use_source(Sema *s);

#endif
