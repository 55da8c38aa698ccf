/* Which definition uses which, and whether some use themselves. */
#ifndef BMC_SEMA_CYCLES_H
#define BMC_SEMA_CYCLES_H

#include "compiler/sema/elaborate.h"

typedef struct Edge { /* between items of a file, by number */
    uint32_t from, to;
} Edge;

/* Reports every cycle; true when there is one. */
bool cycles_report(Sema *s, const Node *file, const Edge *edges, uint32_t edge_count);

#endif
