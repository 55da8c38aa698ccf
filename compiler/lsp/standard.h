/* The standard library as an editor needs it: parsed once, for all documents. */
#ifndef BMC_LSP_STANDARD_H
#define BMC_LSP_STANDARD_H

#include "compiler/syntax/ast.h"

typedef struct Standard {
    Context *ctx;
    VEC(const Node *) trees; /* one a file */
} Standard;

bool standard_open(Standard *s); /* false: memory is short */
void standard_close(Standard *s);
/* The definition of that name, or NULL. */
const Node *standard_item(const Standard *s, const char *name);
/* A file:// URI of the file that `item` stands in, so that an editor can show it: the text is
 * written to the user's cache folder. NULL when that fails. */
const char *standard_uri(const Standard *s, const Node *item);

#endif
