/* bmc help NAME and bmc help SUBJECT: the prelude's own signatures and comments; bmc doc without a
 * file: all of them as one page (docs/prelude.md). */
#include "compiler/driver/help_topics.h"
#include "compiler/prelude/prelude.h"
#include "compiler/syntax/signature.h"
#include "compiler/syntax/syntax.h"

enum { BODY_DEPTH_MAX = 200, COLUMN = 18 };

/* ---- the prelude's files */

static const Node *parse_file(Session *s, const BmcPrelude *file) {
    uint32_t id = sources_add(s->ctx->sources, file->name, file->text, file->len, 1);
    return syntax_parse(s->ctx, id);
}

/* "losses" of "prelude/losses.bm". */
static const char *subject_of(Session *s, const BmcPrelude *file) {
    const char *slash = strrchr(file->name, '/'), *stem = slash ? slash + 1 : file->name;
    return arena_strndup(s->ctx->arena, stem, strcspn(stem, "."));
}

/* The comment that opens the file, without its marks. */
static const char *file_comment(Session *s, const BmcPrelude *file) {
    Text t = {.arena = s->ctx->arena};
    const char *at = file->text;
    while (*at == '#') {
        size_t len = strcspn(at, "\n"), skip = strspn(at, "# ");
        text_printf(&t, "%s%.*s", t.len ? " " : "", (int)(len - skip), at + skip);
        at += len + (at[len] == '\n');
    }
    return text_str(&t);
}

/* ---- parts of a definition */

static const char *slice(Session *s, const Node *n) {
    const Source *source = sources_get(s->ctx->sources, n->span.file);
    Text t = {.arena = s->ctx->arena};
    bool gap = false;
    for (uint32_t i = n->span.begin; i < n->span.end; i++) {
        bool space = strchr(" \t\r\n", source->text[i]) != NULL;
        if (!space && gap) text_char(&t, ' ');
        if (!space) text_char(&t, source->text[i]);
        gap = space;
    }
    return text_str(&t);
}

static const char *kind_of(Session *s, const Node *par) {
    static const struct {
        const char *type, *kind;
    } KINDS[] = {{"num", "number"},       {"int", "whole number"}, {"bool", "true or false"},
                 {"str", "string"},       {"dim", "size"},         {"shape", "shape"},
                 {"axis", "axis"},        {"list", "list"},        {"fn", "function"},
                 {"params", "parameters"}};
    const Node *dims = node_kid(par, 0), *type = node_kid(par, 1);
    if (dims || (type && !type->name))
        return arena_printf(s->ctx->arena, "%s %s", type ? slice(s, type) : "f32",
                            dims ? slice(s, dims) : "");
    for (size_t i = 0; type && i < sizeof KINDS / sizeof *KINDS; i++)
        if (strcmp(type->name->text, KINDS[i].type) == 0) return KINDS[i].kind;
    return type ? type->name->text : "any value";
}

static void add_list(Session *s, Text *t, const char *title, const Node *list) {
    if (!list || list->count == 0) return;
    text_printf(t, "\n%s\n", title);
    for (uint32_t i = 0; i < list->count; i++) {
        const Node *par = list->kids[i], *value = node_kid(par, 2);
        if (!par->name) continue;
        text_printf(t, "  %-*s%s", COLUMN, par->name->text, kind_of(s, par));
        if (value) text_printf(t, ", default %s", slice(s, value));
        text_char(t, '\n');
    }
}

typedef void (*SlotVisit)(Session *s, Text *t, const Node *slot);

/* Every `param` and `state` of a body. */
static void each_slot(Session *s, Text *t, const Node *n, uint32_t depth, SlotVisit visit) {
    if (!n || depth > BODY_DEPTH_MAX) return;
    if (n->kind == NODE_PARAM || n->kind == NODE_STATE) visit(s, t, n);
    for (uint32_t i = 0; i < n->count; i++) each_slot(s, t, n->kids[i], depth + 1, visit);
}

static void add_slot(Session *s, Text *t, const Node *slot) {
    const Node *par = node_kid(slot, 0), *init = node_kid(slot, 1);
    text_printf(t, "  %-*s%s", COLUMN, slice(s, par), slot->kind == NODE_PARAM ? "" : "state, ");
    text_printf(t, "starts as %s\n", init ? slice(s, init) : "zeros");
}

static const Node *body_of(const Node *item) {
    bool has = item->kind == NODE_LAYER || item->kind == NODE_OPTIMIZER || item->kind == NODE_FN;
    return has ? node_kid(item, 3) : NULL;
}

static void add_definition(Session *s, Text *t, const Node *item, const char *file) {
    const Node *first = node_kid(item, 0), *second = node_kid(item, 1);
    text_printf(t, "%s    (%s)\n", syntax_signature(s->ctx, item), file);
    if (item->doc) text_printf(t, "\n%s\n", item->doc);
    if (second) add_list(s, t, "settings", first);
    add_list(s, t, second ? "data" : "arguments", second ? second : first);
    Text slots = {.arena = s->ctx->arena};
    each_slot(s, &slots, body_of(item), 0, add_slot);
    if (slots.len) text_printf(t, "\nparameters\n%s", text_str(&slots));
}

/* ---- a subject */

/* The first sentence of a comment, on one line. */
static const char *first_sentence(Session *s, const char *comment) {
    Text t = {.arena = s->ctx->arena};
    for (const char *at = comment ? comment : ""; *at; at++) {
        if (*at == '\n' && at[1] == '\n') break;
        text_char(&t, *at == '\n' ? ' ' : *at);
        bool ends = *at == '.' && (at[1] == ' ' || at[1] == '\n' || !at[1]);
        if (ends && (at == comment || !strchr("0123456789.", at[-1]))) break;
    }
    return text_str(&t);
}

static bool is_definition(Session *s, const Node *item) {
    return item && item->name && syntax_signature(s->ctx, item);
}

static void add_subject(Session *s, Text *t, const BmcPrelude *file) {
    const Node *tree = parse_file(s, file);
    text_printf(t, "%s\n\n", file_comment(s, file));
    for (uint32_t i = 0; i < tree->count; i++)
        if (is_definition(s, tree->kids[i]))
            text_printf(t, "  %-*s %s\n", COLUMN + 4, tree->kids[i]->name->text,
                        first_sentence(s, tree->kids[i]->doc));
}

static void add_subjects(Session *s, Text *t) {
    text_add(t, "The standard library by subject; `bmc help SUBJECT` lists one.\n\n");
    for (const BmcPrelude *file = BMC_PRELUDE; file->name; file++)
        text_printf(t, "  %-*s %s\n", COLUMN, subject_of(s, file),
                    first_sentence(s, file_comment(s, file)));
}

/* ---- looking up */

bool help_subject(Session *s, Text *t, const char *name, Nearest *near) {
    nearest_offer(near, "prelude");
    if (strcmp(name, "prelude") == 0) {
        add_subjects(s, t);
        return true;
    }
    for (const BmcPrelude *file = BMC_PRELUDE; file->name; file++) {
        nearest_offer(near, subject_of(s, file));
        if (strcmp(subject_of(s, file), name) != 0) continue;
        add_subject(s, t, file);
        return true;
    }
    return false;
}

bool help_definition(Session *s, Text *t, const char *name, Nearest *near) {
    Sym wanted = ctx_sym(s->ctx, name);
    for (const BmcPrelude *file = BMC_PRELUDE; file->name; file++) {
        const Node *tree = parse_file(s, file);
        for (uint32_t i = 0; i < tree->count; i++) {
            const Node *item = tree->kids[i];
            if (!is_definition(s, item)) continue;
            nearest_offer(near, item->name->text);
            if (item->name != wanted) continue;
            add_definition(s, t, item, file->name);
            return true;
        }
    }
    return false;
}

static bool mentions(const char *doc, const char *word) {
    size_t n = strlen(word);
    for (const char *at = doc; doc && *at; at++)
        if (strncmp(at, word, n) == 0 && (at == doc || strchr(" \n(`", at[-1])) &&
            strchr(" \n.,;:)`", at[n]))
            return true;
    return false;
}

const char *help_mentions(Session *s, const char *word) {
    Text t = {.arena = s->ctx->arena};
    if (strlen(word) < 3) return NULL;
    for (const BmcPrelude *file = BMC_PRELUDE; file->name; file++) {
        const Node *tree = parse_file(s, file);
        for (uint32_t i = 0; i < tree->count; i++)
            if (is_definition(s, tree->kids[i]) && mentions(tree->kids[i]->doc, word))
                text_printf(&t, "%s`%s`", t.len ? ", " : "", tree->kids[i]->name->text);
    }
    return t.len ? text_str(&t) : NULL;
}

/* ---- the page */

static void add_slot_item(Session *s, Text *t, const Node *slot) {
    const Node *init = node_kid(slot, 1);
    text_printf(t, "%s`%s` %s%s", t->len ? "; " : "", slice(s, node_kid(slot, 0)),
                slot->kind == NODE_PARAM ? "" : "(state) ", init ? slice(s, init) : "zeros");
}

static void add_page_item(Session *s, Text *t, const Node *item) {
    Text slots = {.arena = s->ctx->arena};
    text_printf(t, "\n### %s\n\n    %s\n", item->name->text, syntax_signature(s->ctx, item));
    if (item->doc) text_printf(t, "\n%s\n", item->doc);
    each_slot(s, &slots, body_of(item), 0, add_slot_item);
    if (slots.len) text_printf(t, "\nParameters: %s.\n", text_str(&slots));
}

void help_page(Session *s, Text *t) {
    text_add(t,
             "# The standard library\n\nMade from compiler/prelude/*.bm by `bmc doc`; do not edit. "
             "`bmc help NAME` shows one definition.\n");
    for (const BmcPrelude *file = BMC_PRELUDE; file->name; file++) {
        const Node *tree = parse_file(s, file);
        text_printf(t, "\n## %s\n\n%s\n", subject_of(s, file), file_comment(s, file));
        for (uint32_t i = 0; i < tree->count; i++)
            if (is_definition(s, tree->kids[i])) add_page_item(s, t, tree->kids[i]);
    }
}
