/* Everything is looked up by its text: this works on a file that does not compile yet. */
#include "compiler/lsp/lookup.h"

#include <ctype.h>

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

bool word_at(const char *text, uint32_t length, uint32_t offset, uint32_t *begin, uint32_t *end) {
    uint32_t from = offset > length ? length : offset, to = from;
    while (from > 0 && is_word(text[from - 1])) from--;
    while (to < length && is_word(text[to])) to++;
    *begin = from;
    *end = to;
    return from < to && !isdigit((unsigned char)text[from]);
}

const Node *item_at(const Node *tree, uint32_t offset) {
    const Node *found = NULL;
    for (uint32_t i = 0; tree && i < tree->count; i++)
        if (tree->kids[i] && tree->kids[i]->span.begin <= offset) found = tree->kids[i];
    return found;
}

const Node *item_named(const Node *tree, const char *name) {
    for (uint32_t i = 0; tree && i < tree->count; i++) {
        const Node *item = tree->kids[i];
        if (item && item->name && strcmp(item->name->text, name) == 0) return item;
    }
    return NULL;
}

/* ------------------------------------------------------------------ what an item binds */

typedef struct Names {
    NameVisit visit;
    void *user;
} Names;

static void give(Names *n, const Node *node) {
    if (node->name) n->visit(n->user, node->name->text, node->name_span);
}

/* The names of a target: `x`, `(a, b)`, `y[i, j]` (which also binds i and j). */
static void targets(Names *n, const Node *node) {
    if (!node) return;
    if (node->kind == NODE_NAME) n->visit(n->user, node->name->text, node->span);
    if (node->kind == NODE_TUPLE || node->kind == NODE_LIST || node->kind == NODE_INDEX)
        for (uint32_t i = 0; i < node->count; i++) targets(n, node->kids[i]);
}

static void dim_names(Names *n, const Node *dims) {
    for (uint32_t i = 0; dims && i < dims->count; i++)
        if (dims->kids[i] && dims->kids[i]->kind == NODE_NAME)
            n->visit(n->user, dims->kids[i]->name->text, dims->kids[i]->span);
}

static void names_of(Names *n, const Node *node) {
    if (!node) return;
    switch (node->kind) {
    case NODE_PAR:
        give(n, node);
        dim_names(n, node_kid(node, 0));
        break;
    case NODE_ASSIGN: targets(n, node_kid(node, 0)); break;
    case NODE_LAMBDA: targets(n, node_kid(node, 0)); break;
    case NODE_REPEAT:
    case NODE_BIND:
    case NODE_METRIC: give(n, node); break;
    default: break;
    }
    for (uint32_t i = 0; i < node->count; i++) names_of(n, node->kids[i]);
}

void item_names(const Node *item, NameVisit visit, void *user) {
    Names n = {visit, user};
    if (item) names_of(&n, item);
}

typedef struct Search {
    const char *name;
    uint32_t offset;
    bool found;
    Span span;
} Search;

static void search_visit(void *user, const char *name, Span span) {
    Search *s = user;
    if (strcmp(name, s->name) != 0) return;
    if (!s->found || span.begin <= s->offset) s->span = span;
    s->found = true;
}

bool local_definition(const Node *item, const char *name, uint32_t offset, Span *out) {
    Search s = {.name = name, .offset = offset};
    item_names(item, search_visit, &s);
    *out = s.span;
    return s.found;
}
