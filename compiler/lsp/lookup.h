/* Names in a syntax tree: what stands at a place, where it is defined, what could stand there. */
#ifndef BMC_LSP_LOOKUP_H
#define BMC_LSP_LOOKUP_H

#include "compiler/syntax/ast.h"

/* The word around a byte of the text: [*begin, *end). False: no word there. */
bool word_at(const char *text, uint32_t length, uint32_t offset, uint32_t *begin, uint32_t *end);

/* The top-level item around a byte, or NULL. */
const Node *item_at(const Node *tree, uint32_t offset);
/* The item that defines a name, or NULL. */
const Node *item_named(const Node *tree, const char *name);
/* Calls visit for each name that an item binds inside: parameters, sizes, params, states, locals,
 * loop variables, fields and columns, in the order of the text. */
typedef void (*NameVisit)(void *user, const char *name, Span span);
void item_names(const Node *item, NameVisit visit, void *user);
/* Where the name at `offset` is bound within its item: the last place before it, else the first.
 * False: nowhere in this item. */
bool local_definition(const Node *item, const char *name, uint32_t offset, Span *out);

#endif
