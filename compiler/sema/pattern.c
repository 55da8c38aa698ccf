/* Parsing axis patterns. Errors point at the place inside the string when the string stands in the
 * program as it is, else at the argument. */
#include "compiler/sema/pattern.h"

#include <stdarg.h>

/* The span of some characters of the pattern; the whole argument when it is no plain literal. */
static Span inside(const Pattern *p, uint32_t from, uint32_t to) {
    size_t length = strlen(p->text);
    const Source *source = p->span.file ? sources_get(p->s->ctx->sources, p->span.file) : NULL;
    if (!source || p->span.end - p->span.begin != length + 2 ||
        source->text[p->span.begin] != '"' ||
        memcmp(source->text + p->span.begin + 1, p->text, length) != 0)
        return p->span;
    if (to > length) to = (uint32_t)length;
    if (from >= to) { /* an end: the last character, or the closing quote */
        from = to > 0 ? to - 1 : 0;
        to = from + 1;
    }
    Span span = p->span;
    span.begin = p->span.begin + 1 + from;
    span.end = p->span.begin + 1 + to;
    return span;
}

Diag *pattern_error(const Pattern *p, uint32_t from, uint32_t to, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    const char *message = arena_vprintf(p->s->arena, format, ap);
    va_end(ap);
    return sema_error(p->s, E_PATTERN, inside(p, from, to), "%s", message);
}

typedef struct Reader {
    Pattern *p;
    uint32_t at;
    uint32_t bracket; /* where the open one stands, plus 1; 0: none */
    bool ok;
} Reader;

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void fail(Reader *r, uint32_t from, uint32_t to, const char *what) {
    if (r->ok) pattern_error(r->p, from, to, "%s", what);
    r->ok = false;
}

static PatternItem *new_item(Reader *r, PatternSide *side, uint32_t from) {
    if (side->count == PATTERN_ITEMS) {
        fail(r, from, from + 1, "a pattern of so many axes");
        return NULL;
    }
    PatternItem *item = &side->items[side->count++];
    *item = (PatternItem){.number = -1, .from = from};
    item->group = side->groups;
    if (!r->bracket) side->groups++;
    return item;
}

static void read_word(Reader *r, PatternSide *side) {
    const char *text = r->p->text;
    uint32_t from = r->at;
    PatternItem *item = new_item(r, side, from);
    if (!item) return;
    if (is_letter(text[from])) {
        while (is_letter(text[r->at]) || is_digit(text[r->at])) r->at++;
        item->name = arena_printf(r->p->s->arena, "%.*s", (int)(r->at - from), text + from);
    } else {
        item->number = 0;
        for (; is_digit(text[r->at]); r->at++) {
            if (item->number > 100000000) fail(r, from, r->at + 1, "a size so large");
            item->number = item->number * 10 + (text[r->at] - '0');
            if (!r->ok) return;
        }
    }
    item->to = r->at;
}

static void read_item(Reader *r, PatternSide *side) {
    const char *text = r->p->text;
    char c = text[r->at];
    if (is_letter(c) || is_digit(c)) {
        read_word(r, side);
    } else if (strncmp(text + r->at, "...", 3) == 0) {
        PatternItem *item = new_item(r, side, r->at);
        if (item) item->row = true;
        r->at += 3;
        if (item) item->to = r->at;
    } else if (c == '(' && !r->bracket) {
        r->bracket = ++r->at;
    } else if (c == ')' && r->bracket &&
               (side->count == 0 || side->items[side->count - 1].group != side->groups)) {
        fail(r, r->bracket - 1, r->at + 1, "nothing stands between these brackets");
    } else if (c == ')' && r->bracket) {
        r->bracket = 0;
        r->at++;
        side->groups++;
    } else {
        fail(r, r->at, r->at + 1,
             c == '('   ? "a bracket inside a bracket"
             : c == ')' ? "this bracket was not opened"
                        : "a pattern holds names, `...`, brackets and one `->`");
    }
}

static void read_side(Reader *r) {
    Pattern *p = r->p;
    if (p->count == PATTERN_SIDES) {
        fail(r, r->at, r->at + 1, "a pattern of so many tensors");
        return;
    }
    PatternSide *side = &p->sides[p->count++];
    *side = (PatternSide){.from = r->at};
    while (r->ok && p->text[r->at] && p->text[r->at] != ',' &&
           strncmp(p->text + r->at, "->", 2) != 0) {
        if (p->text[r->at] == ' ')
            r->at++;
        else
            read_item(r, side);
    }
    side->to = r->at;
    if (r->ok && r->bracket) fail(r, r->bracket - 1, r->bracket, "this bracket is not closed");
}

bool pattern_parse(Sema *s, const char *text, Span span, Pattern *p) {
    p->s = s;
    p->text = text;
    p->span = span;
    p->count = 0;
    Reader r = {.p = p, .ok = true};
    read_side(&r);
    while (r.ok && text[r.at] == ',') {
        r.at++;
        read_side(&r);
    }
    if (r.ok && text[r.at] == 0) {
        Diag *d = pattern_error(p, r.at, r.at, "the pattern lacks `->` and the axes of the result");
        diag_help(d, "e.g. \"b t (h d) -> b h t d\"");
        return false;
    }
    r.at += 2;
    if (r.ok) read_side(&r);
    if (r.ok && text[r.at]) fail(&r, r.at, r.at + 1, "the result is one tensor");
    return r.ok;
}

const PatternItem *pattern_find(const PatternSide *side, const char *name) {
    for (uint32_t i = 0; i < side->count; i++) {
        const PatternItem *item = &side->items[i];
        if (name ? item->name && strcmp(item->name, name) == 0 : item->row) return item;
    }
    return NULL;
}

bool pattern_unique(const Pattern *p, const PatternSide *side) {
    for (uint32_t i = 0; i < side->count; i++) {
        const PatternItem *item = &side->items[i];
        if (!item->name && !item->row) continue;
        if (pattern_find(side, item->name) == item) continue;
        Diag *d = pattern_error(p, item->from, item->to, "`%s` stands twice here",
                                item->name ? item->name : "...");
        if (item->name) diag_help(d, "a diagonal is an index statement: `y[i] = x[i, i]`");
        return false;
    }
    return true;
}
