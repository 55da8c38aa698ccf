/* Names of the node kinds, safe access to kids. */
#include "compiler/syntax/ast.h"

const char *node_kind_name(NodeKind kind) {
    static const char *const NAMES[NODE_KIND_COUNT] = {
#define NODE(kind, text) [NODE_##kind] = text,
        AST_NODES(NODE)
#undef NODE
    };
    INVARIANT(kind < NODE_KIND_COUNT);
    return NAMES[kind];
}

Node *node_kid(const Node *node, uint32_t i) {
    return node && i < node->count ? node->kids[i] : NULL;
}
