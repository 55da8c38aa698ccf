/* Shared by arguments (bind.c) and results (bind_result.c) of a definition. */
#ifndef BMC_SEMA_BIND_H
#define BMC_SEMA_BIND_H

#include "compiler/sema/elaborate.h"

const char *def_name(const Node *def); /* "this function" when it has none */
/* The size of that name as the brackets of a parameter see it; NULL: none, the name is a new one.
 */
Binding *known_dim(Sema *s, Scope *into, Sym name);
bool type_is_str(const Node *type);

#endif
