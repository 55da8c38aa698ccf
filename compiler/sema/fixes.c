/* Proposed changes of a wrong program are tried before they are shown: the file is changed, read
 * and elaborated once more, quietly. A change stays when the mistake is gone, the definition it
 * stands in has no new one, and there are not more mistakes elsewhere. (attempt.c tries single
 * expressions, where that is enough to find out what to propose.) */
#include "compiler/sema/use_files.h"

enum { FIXES_TRIED = 12, FIX_FILE_BYTES = 1 << 18, FIX_WORK = 1 << 16 };

void propose_call(Sema *s, Diag *d, const Node *e) {
    DiagFix fix = {.span = e->span, .text = arena_printf(s->arena, "%s()", node_text(s, e))};
    diag_fix(d, fix, "with its settings: `%s`", fix.text);
}

void propose_conversion(Sema *s, Diag *d, const Node *e, DType to) {
    DiagFix fix = {.span = e->span,
                   .text = arena_printf(s->arena, "%s(%s)", dtype_name(to), node_text(s, e))};
    diag_fix(d, fix, "convert it: `%s`", fix.text);
}

void propose_name(Diag *d, Span span, const char *name) {
    DiagFix fix = {.span = span, .text = name, .keep = true};
    diag_fix(d, fix, "did you mean `%s`?", name);
}

/* One pair of parentheses around the whole of it. */
static bool is_enclosed(const char *text, size_t len) {
    size_t depth = 0;
    for (size_t i = 0; i < len; i++) {
        depth += text[i] == '(';
        depth -= text[i] == ')' && depth;
        if (depth == 0) return i + 1 == len && len > 1;
    }
    return false;
}

bool propose_around(Sema *s, Diag *d, Span span, const char *around, const char *how) {
    const Source *source = span.file ? sources_get(s->ctx->sources, span.file) : NULL;
    if (!source || source->is_prelude || span.end <= span.begin || span.end > source->len ||
        memchr(source->text + span.begin, '\n', span.end - span.begin))
        return false;
    DiagFix fix = {.span = span};
    const char *text = source->text + span.begin;
    bool enclosed = is_enclosed(text, span.end - span.begin);
    fix.text = arena_printf(s->arena, enclosed ? "%s%.*s" : "%s(%.*s)", around,
                            (int)(span.end - span.begin), text);
    diag_fix(d, fix, "%s: `%s`", how, fix.text);
    return true;
}

typedef struct Trial {
    Sema *s;
    const Diag *diag;
    const DiagFix *fix;
    uint32_t edited;      /* the changed file */
    const char *name;     /* what it changes */
    Span item, item_then; /* the definition around the change, before and after */
    int64_t longer;       /* bytes */
} Trial;

static void find_item(Trial *t) {
    for (uint32_t f = 0; f < use_count(t->s); f++) {
        const Node *file = use_tree(t->s, f);
        for (uint32_t i = 0; file->span.file == t->fix->span.file && i < file->count; i++) {
            Span span = file->kids[i]->span;
            if (span.begin <= t->fix->span.begin && span.end >= t->fix->span.end) t->item = span;
        }
    }
    t->item_then = (Span){t->edited, t->item.begin, (uint32_t)((int64_t)t->item.end + t->longer)};
}

static uint32_t edited_file(Trial *t) {
    const Sema *s = t->s;
    const Source *source = sources_get(s->ctx->sources, t->fix->span.file);
    Text text = {.arena = s->arena};
    if (source->is_prelude || source->len > FIX_FILE_BYTES) return 0;
    text_add_n(&text, source->text, t->fix->span.begin);
    text_add(&text, t->fix->text);
    text_add_n(&text, source->text + t->fix->span.end, source->len - t->fix->span.end);
    t->longer = (int64_t)text.len - (int64_t)source->len;
    t->name = source->name;
    return sources_add(s->ctx->sources, source->name, text_str(&text), (uint32_t)text.len, 0);
}

/* As the program's own, with the changed file in the place of the one it changes. */
static bool open_changed(void *user, Span at, const char *path, SemaFile *out) {
    const Trial *t = user;
    const SemaOptions *o = t->s->options;
    if (!o->open_file(o->open_user, at, path, out)) return false;
    if (strcmp(sources_get(t->s->ctx->sources, out->file)->name, t->name) == 0)
        out->file = t->edited;
    return true;
}

static bool inside(Span a, Span b) {
    return a.file == b.file && a.begin >= b.begin && a.begin < b.end;
}

static bool same_mistake(const Diag *a, const Diag *b) {
    return a->code == b->code && strcmp(a->message, b->message) == 0;
}

/* Errors of the changed program in the definition that were not there before, or are `diag`. */
static bool item_is_worse(const Trial *t, const Diags *before, const Diags *after) {
    for (uint32_t i = 0; i < diags_count(after); i++) {
        const Diag *d = diags_get(after, i);
        if (d->severity != SEVERITY_ERROR || !inside(d->span, t->item_then)) continue;
        bool known = false;
        for (uint32_t k = 0; k < diags_count(before); k++) {
            const Diag *old = diags_get(before, k);
            known |= old != t->diag && same_mistake(old, d) && inside(old->span, t->item);
        }
        if (!known) return true;
    }
    return false;
}

static uint32_t errors_outside(const Diags *diags, Span item, const Diag *except, bool *found) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < diags_count(diags); i++) {
        const Diag *d = diags_get(diags, i);
        if (d->severity != SEVERITY_ERROR || inside(d->span, item)) continue;
        count++;
        if (found) *found |= same_mistake(d, except);
    }
    return count;
}

static bool fix_works(Sema *s, const Diag *d, const DiagFix *fix) {
    Trial t = {.s = s, .diag = d, .fix = fix};
    t.edited = edited_file(&t);
    if (!t.edited) return false;
    find_item(&t);
    Context trial = *s->ctx;
    trial.diags = diags_create(trial.arena);
    SemaOptions options = *s->options;
    options.watch = NULL;
    if (options.open_file) {
        options.open_file = open_changed;
        options.open_user = &t;
    }
    bool main = fix->span.file == s->file->span.file;
    const Node *file = main ? syntax_parse(&trial, t.edited) : s->file;
    if (diags_errors(trial.diags) == 0) sema_try_program(&trial, file, &options);
    if (item_is_worse(&t, s->ctx->diags, trial.diags)) return false;
    if (fix->interface) return true;
    bool left = false; /* the mistake itself, when it lies elsewhere */
    uint32_t now = errors_outside(trial.diags, t.item_then, d, &left);
    return now <= errors_outside(s->ctx->diags, t.item, d, NULL) &&
           (inside(d->span, t.item) || !left);
}

void fixes_check(Sema *s) {
    uint32_t tried = 0;
    for (uint32_t i = 0; i < diags_count(s->ctx->diags); i++) {
        Diag *d = diags_change(s->ctx->diags, i);
        for (uint32_t k = 0; k < d->fixes.len;) {
            bool works = d->fixes.data[k].tried || (s->work < FIX_WORK && tried++ < FIXES_TRIED &&
                                                    fix_works(s, d, &d->fixes.data[k]));
            if (works)
                k++;
            else
                diag_fix_drop(d, k);
        }
    }
}
