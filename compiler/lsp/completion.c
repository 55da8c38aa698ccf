/* Completion: what can stand here. At the start of a line in a block its settings; after `|>`
 * layers and functions; else every name in sight. The editor filters by what was typed. */
#include "compiler/lsp/features.h"
#include "compiler/lsp/lookup.h"
#include "compiler/sema/sema.h"
#include "compiler/sema/word_table.h"
#include "compiler/syntax/signature.h"
#include "compiler/syntax/syntax.h"

/* CompletionItemKind of the protocol. */
enum {
    KIND_FUNCTION = 3,
    KIND_VARIABLE = 6,
    KIND_CLASS = 7,
    KIND_PROPERTY = 10,
    KIND_KEYWORD = 14,
    KIND_CONSTANT = 21
};

static const int ITEM_KINDS[NODE_KIND_COUNT] = {
    [NODE_LET] = KIND_CONSTANT,    [NODE_FN] = KIND_FUNCTION, [NODE_LAYER] = KIND_CLASS,
    [NODE_OPTIMIZER] = KIND_CLASS, [NODE_MODEL] = KIND_CLASS, [NODE_DATA] = KIND_VARIABLE};

typedef struct List {
    json_t *items, *seen; /* seen: an object, so that a name is offered once */
    int kind;
    bool applied; /* after a pipe: only what can be applied */
} List;

static void offer(List *l, const char *label, int kind, const char *detail, const char *doc) {
    if (json_object_get(l->seen, label)) return;
    json_object_set_new(l->seen, label, json_true());
    json_t *item = json_pack("{s:s,s:i}", "label", label, "kind", kind);
    if (detail) json_object_set_new(item, "detail", json_string(detail));
    if (doc) json_object_set_new(item, "documentation", json_string(doc));
    json_array_append_new(l->items, item);
}

/* A word of the language. */
static void offer_name(void *user, const char *name) {
    List *l = user;
    const WordInfo *word = word_find(name);
    offer(l, name, l->kind, word ? word->signature : NULL, word ? word->text : NULL);
}
static void offer_local(void *user, const char *name, Span span) {
    List *l = user;
    (void)span;
    offer(l, name, l->kind, NULL, NULL);
}

static void offer_items(List *l, Context *ctx, const Node *tree) {
    for (uint32_t i = 0; tree && i < tree->count; i++) {
        const Node *item = tree->kids[i];
        int kind = item ? ITEM_KINDS[item->kind] : 0;
        if (!kind || !item->name) continue;
        if (l->applied && kind != KIND_FUNCTION && kind != KIND_CLASS) continue;
        offer(l, item->name->text, kind, syntax_signature(ctx, item), item->doc);
    }
}

/* Blanks only between the start of the line and `offset`. */
static bool starts_line(const Document *d, uint32_t offset) {
    while (offset > 0 && (d->text[offset - 1] == ' ' || d->text[offset - 1] == '\t')) offset--;
    return offset == 0 || d->text[offset - 1] == '\n';
}

static bool after_pipe(const Document *d, uint32_t offset) {
    while (offset > 0 && strchr(" \t\r\n", d->text[offset - 1])) offset--;
    return offset >= 2 && d->text[offset - 2] == '|' && d->text[offset - 1] == '>';
}

static bool is_block(const Node *item) {
    return item && (item->kind == NODE_DATA || item->kind == NODE_TRAIN || item->kind == NODE_TEST);
}

/* Words that mean something only in such a block: `random(...)`, `patience(...)`. */
static void offer_words(List *l, const Node *item) {
    const WordInfo *word;
    for (uint32_t i = 0; is_block(item) && (word = word_at_number(i)); i++)
        if (word->kind == (item->kind == NODE_DATA ? WORD_DATA : WORD_TRAIN))
            offer_name(l, word->name);
}

json_t *feature_completion(const Standard *standard, const Document *d, uint32_t offset) {
    uint32_t begin, end;
    if (!word_at(d->text, d->length, offset, &begin, &end)) begin = offset;
    const Node *item = item_at(d->tree, begin);
    List l = {.items = json_array(), .seen = json_object(), .applied = after_pipe(d, begin)};
    bool line = starts_line(d, begin);
    if (line && is_block(item)) {
        l.kind = KIND_PROPERTY;
        sema_settings(item->kind, offer_name, &l);
    }
    l.kind = KIND_VARIABLE;
    if (!l.applied) item_names(item, offer_local, &l);
    offer_items(&l, d->ctx, d->tree);
    for (uint32_t i = 0; i < standard->trees.len; i++)
        offer_items(&l, standard->ctx, standard->trees.data[i]);
    l.kind = KIND_FUNCTION;
    sema_builtins(offer_name, &l);
    offer_words(&l, item);
    const char *word;
    for (uint32_t i = 0; !l.applied && (word = syntax_reserved_word(i)); i++)
        l.kind = KIND_KEYWORD, offer_name(&l, word);
    json_decref(l.seen);
    return l.items;
}
