/* `checkpoint(e)`. */
#ifndef BMC_SEMA_RECOMPUTE_H
#define BMC_SEMA_RECOMPUTE_H

#include "compiler/sema/elaborate.h"

/* The call with its unevaluated argument. */
Value checkpoint_form(Sema *s, const Node *call);

#endif
