/* Signatures and comments of definitions, shared by `bmc doc` and `bmc help NAME`. */
#ifndef BMC_DRIVER_HELP_TOPICS_H
#define BMC_DRIVER_HELP_TOPICS_H

#include "compiler/driver/cli_session.h"
#include "compiler/syntax/ast.h"

/* "fn f(x[B]) -> [B]": the item's text without its body. NULL for items that define nothing. */
const char *definition_signature(Session *s, const Node *item);
/* Looks `name` up in the prelude; appends its signature and comment. Offers all names to `near`. */
bool help_definition(Session *s, Text *t, const char *name, Nearest *near);

#endif
