/* Help on the definitions of the prelude. */
#ifndef BMC_DRIVER_HELP_TOPICS_H
#define BMC_DRIVER_HELP_TOPICS_H

#include "compiler/driver/cli_session.h"
#include "compiler/syntax/ast.h"

/* Looks `name` up in the prelude; appends its signature and comment. Offers all names to `near`. */
bool help_definition(Session *s, Text *t, const char *name, Nearest *near);

#endif
