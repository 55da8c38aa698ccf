/* Shared by arguments (bind.c) and results (bind_result.c) of a definition. */
#ifndef BMC_SEMA_BIND_H
#define BMC_SEMA_BIND_H

#include "compiler/sema/elaborate.h"

const char *def_name(const Node *def); /* "this function" when it has none */
/* The size of that name as the brackets of a parameter see it; NULL: none, the name is a new one.
 */
Binding *known_dim(Sema *s, Scope *into, Sym name);
bool type_is_str(const Node *type);
/* type_names.c. A type that is not known is told by check_type, nowhere else. tensor: brackets
 * stand before it, so it must be a dtype. */
bool type_is_known(const Node *type);
void check_type(Sema *s, const Node *type, bool tensor);
void check_list_types(Sema *s, const Node *list);
/* The types of static parameters: `dim`, `num`, ... */
bool kind_is_known(const char *name);
void kinds_offer(Nearest *near);

#endif
