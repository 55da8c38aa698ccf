/* Hover, definition, formatting, outline. Completion has a file of its own. */
#include "compiler/lsp/features.h"
#include "compiler/lsp/lookup.h"
#include "compiler/lsp/text_position.h"
#include "compiler/sema/word_table.h"
#include "compiler/syntax/signature.h"

#include <stdlib.h>

/* The text of [begin, end) in the context's arena. */
static const char *slice(const Document *d, uint32_t begin, uint32_t end) {
    return arena_strndup(d->ctx->arena, d->text + begin, end - begin);
}

static void add_item(Text *t, Context *ctx, const Node *item) {
    const char *signature = syntax_signature(ctx, item);
    if (!signature) return;
    text_printf(t, "%s```bm\n%s\n```\n", t->len ? "\n" : "", signature);
    if (item->doc) text_printf(t, "\n%s\n", item->doc);
}

static void add_word(Text *t, const WordInfo *word) {
    if (!word) return;
    text_printf(t, "%s```bm\n%s\n```\n\n%s\n", t->len ? "\n" : "", word->signature, word->text);
    if (word->example) text_printf(t, "\n```bm\n%s\n```\n", word->example);
}

/* The value under the cursor, and what defines the name there. */
json_t *feature_hover(const Standard *standard, const Document *d, uint32_t offset) {
    uint32_t begin = 0, end = 0, from, to;
    Text t = {.arena = d->ctx->arena};
    const char *value = document_value(d, offset, &begin, &end);
    bool word = word_at(d->text, d->length, offset, &from, &to);
    if (value) text_printf(&t, "```bm\n%s: %s\n```\n", slice(d, begin, end), value);
    if (word) {
        const char *name = slice(d, from, to);
        Span local;
        const Node *item = item_named(d->tree, name);
        if (!local_definition(item_at(d->tree, offset), name, offset, &local)) {
            if (item)
                add_item(&t, d->ctx, item);
            else if ((item = standard_item(standard, name)))
                add_item(&t, standard->ctx, item);
            else
                add_word(&t, word_find(name));
        }
        if (!value) {
            begin = from;
            end = to;
        }
    }
    if (t.len == 0) return json_null();
    return json_pack("{s:{s:s,s:s},s:o}", "contents", "kind", "markdown", "value", text_str(&t),
                     "range", range_json(d->text, d->length, begin, end));
}

static json_t *location(const char *uri, const char *text, uint32_t length, Span span) {
    return json_pack("{s:s,s:o}", "uri", uri, "range",
                     range_json(text, length, span.begin, span.end));
}

json_t *feature_definition(const Standard *standard, const Document *d, uint32_t offset) {
    uint32_t from, to;
    Span span;
    if (!word_at(d->text, d->length, offset, &from, &to)) return json_null();
    const char *name = slice(d, from, to);
    if (local_definition(item_at(d->tree, offset), name, offset, &span))
        return location(d->uri, d->text, d->length, span);
    const Node *item = item_named(d->tree, name);
    if (item) return location(d->uri, d->text, d->length, item->name_span);
    item = standard_item(standard, name);
    const char *uri = item ? standard_uri(standard, item) : NULL;
    if (!uri) return json_null();
    const Source *source = sources_get(standard->ctx->sources, item->span.file);
    return location(uri, source->text, source->len, item->name_span);
}

json_t *feature_formatting(const Standard *standard, const Document *d, uint32_t offset) {
    (void)standard, (void)offset;
    char *text = document_formatted(d);
    if (!text) return json_null(); /* the diagnostics say why */
    json_t *edits = json_array();
    if (strcmp(text, d->text) != 0)
        json_array_append_new(edits, json_pack("{s:o,s:s}", "range",
                                               range_json(d->text, d->length, 0, d->length),
                                               "newText", text));
    free(text);
    return edits;
}

json_t *feature_symbols(const Standard *standard, const Document *d, uint32_t offset) {
    /* SymbolKind of the protocol: Class 5, Function 12, Constant 14, Struct 23, Event 24 */
    static const int kinds[NODE_KIND_COUNT] = {
        [NODE_LET] = 14,  [NODE_FN] = 12,   [NODE_LAYER] = 5,  [NODE_OPTIMIZER] = 5,
        [NODE_MODEL] = 5, [NODE_DATA] = 23, [NODE_TRAIN] = 24, [NODE_TEST] = 24};
    (void)standard, (void)offset;
    json_t *symbols = json_array();
    for (uint32_t i = 0; d->tree && i < d->tree->count; i++) {
        const Node *item = d->tree->kids[i];
        if (!item || kinds[item->kind] == 0) continue;
        Span name = item->name ? item->name_span : item->span;
        json_array_append_new(
            symbols,
            json_pack("{s:s,s:s,s:i,s:o,s:o}", "name",
                      item->name ? item->name->text : node_kind_name(item->kind), "detail",
                      node_kind_name(item->kind), "kind", kinds[item->kind], "range",
                      range_json(d->text, d->length, item->span.begin, item->span.end),
                      "selectionRange", range_json(d->text, d->length, name.begin, name.end)));
    }
    return symbols;
}
