/* What a definition looks like from outside. */
#ifndef BMC_SYNTAX_SIGNATURE_H
#define BMC_SYNTAX_SIGNATURE_H

#include "compiler/syntax/ast.h"

/* "fn f(x[B]) -> [B]": the item's text without its body, on one line. NULL for items that define
 * nothing. */
const char *syntax_signature(Context *ctx, const Node *item);

#endif
