/* `use "file.bm"`: the definitions of another file. A file is read once however often it is named;
 * its names are looked up in its own scope, which sees the prelude and what the file itself uses,
 * not the files that use it. Its `train` and `test` blocks and its exports take no part. */
#include "compiler/sema/use_files.h"
#include "compiler/sema/elaborate.h"

enum { USED_MAX = 200 };

struct UsedFile {
    const char *identity; /* the same for one file under several names */
    const Node *tree;
    Scope *scope;
    bool open; /* being read: naming it again is a cycle */
};

static UsedFile *find_used(Sema *s, const char *identity) {
    for (uint32_t i = 0; i < s->used.len; i++)
        if (strcmp(s->used.data[i]->identity, identity) == 0) return s->used.data[i];
    return NULL;
}

static UsedFile *add_used(Sema *s, const char *identity, const Node *tree, Scope *scope) {
    UsedFile *f = ARENA_NEW(s->arena, UsedFile);
    *f = (UsedFile){.identity = identity, .tree = tree, .scope = scope, .open = true};
    vec_push(s->arena, &s->used, f);
    return f;
}

static void report_cycle(Sema *s, const UsedFile *again, Span span) {
    Text chain = {.arena = s->arena};
    bool from = false;
    for (uint32_t i = 0; i < s->used.len; i++) {
        const UsedFile *f = s->used.data[i];
        from |= f == again;
        if (from && f->open)
            text_printf(&chain, "%s -> ", sources_get(s->ctx->sources, f->tree->span.file)->name);
    }
    const char *name = sources_get(s->ctx->sources, again->tree->span.file)->name;
    Diag *d = sema_error(s, E_RECURSION, span, "`%s` uses itself", name);
    diag_note(d, "%s%s", text_str(&chain), name);
    diag_help(d, "move what both need into a third file");
}

static bool is_definition(const Node *item) {
    return item->name && item->kind != NODE_TRAIN && item->kind != NODE_TEST &&
           item->kind != NODE_USE;
}

/* A name of the used file becomes one of the using file. */
static void import_name(Sema *s, Scope *into, const UsedFile *f, const Node *item, Span use) {
    const Binding *own = scope_find_here(f->scope, item->name);
    if (!own || own->def != item) return; /* a second definition of one name: reported there */
    const Binding *old = scope_find_here(into, item->name);
    if (old && old->def == item) return;
    if (old) {
        Diag *d =
            sema_error(s, E_DUPLICATE, use, "`%s` of `%s` is also defined here", item->name->text,
                       sources_get(s->ctx->sources, f->tree->span.file)->name);
        diag_label(d, old->span, "here");
        diag_label(d, item->name_span, "and there");
        diag_help(d, "rename one of them");
        return;
    }
    Binding b = {.name = item->name, .span = item->name_span, .def = item};
    vec_push(s->arena, &into->names, b);
}

static UsedFile *read_used(Sema *s, const Node *use) {
    SemaFile got = {.file = 0};
    const SemaOptions *o = s->options;
    const char *path = arena_strndup(s->arena, use->text, use->text_len);
    if (!o->open_file) {
        Diag *d = sema_error(s, E_FILE, use->span, "`use` needs a program that lies in a file");
        diag_note(d, "this one was given as text, so there is no folder to look in");
        return NULL;
    }
    if (s->used.len >= USED_MAX) {
        sema_error(s, E_LIMIT, use->span, "more than %d files are used", USED_MAX);
        return NULL;
    }
    if (!o->open_file(o->open_user, use->span, path, &got)) return NULL;
    UsedFile *f = find_used(s, got.identity);
    if (f && f->open) report_cycle(s, f, use->span);
    if (f) return f->open ? NULL : f;
    Scope *scope = scope_new(s, s->prelude, true);
    scope->file = true;
    f = add_used(s, got.identity, syntax_parse(s->ctx, got.file), scope);
    declare_file(s, f->tree, scope);
    f->open = false;
    return f;
}

void use_files(Sema *s, const Node *file, Scope *scope) {
    for (uint32_t i = 0; i < file->count; i++) {
        const Node *use = file->kids[i];
        if (use->kind != NODE_USE) continue;
        const UsedFile *f = read_used(s, use);
        for (uint32_t k = 0; f && k < f->tree->count; k++)
            if (is_definition(f->tree->kids[k]))
                import_name(s, scope, f, f->tree->kids[k], use->span);
    }
}

Scope *use_scope(Sema *s, uint32_t file) {
    for (uint32_t i = 0; i < s->used.len; i++)
        if (s->used.data[i]->tree->span.file == file) return s->used.data[i]->scope;
    return s->prelude;
}

uint32_t use_count(const Sema *s) {
    return s->used.len;
}

const Node *use_tree(const Sema *s, uint32_t i) {
    return s->used.data[i]->tree;
}

/* A definition is evaluated: so are its names in other files. */
void use_known(Sema *s, const Binding *own) {
    for (uint32_t i = 0; i < s->used.len; i++) {
        Binding *b = scope_find_here(s->used.data[i]->scope, own->name);
        if (!b || b == own || b->def != own->def || own->state != 2) continue;
        b->value = own->value;
        b->state = 2;
    }
}

void use_main(Sema *s) {
    const char *identity = s->options->identity ? s->options->identity : "";
    add_used(s, identity, s->file, s->user);
}

bool use_resolve(Sema *s) {
    bool ends = true;
    for (uint32_t i = 0; i < s->used.len; i++)
        ends &= resolve_file(s, s->used.data[i]->tree, s->used.data[i]->scope);
    return ends;
}

/* The main file, then every used one behind a line that names it: what is embedded and hashed. */
const char *use_source(Sema *s) {
    Text all = {.arena = s->arena};
    const Sources *sources = s->ctx->sources;
    text_add(&all, s->file->span.file ? sources_get(sources, s->file->span.file)->text : "");
    for (uint32_t i = 1; i < s->used.len; i++) {
        const Source *source = sources_get(sources, s->used.data[i]->tree->span.file);
        text_printf(&all, "%s# ---- %s\n", all.len && all.data[all.len - 1] != '\n' ? "\n" : "",
                    source->name);
        text_add(&all, source->text);
    }
    return text_str(&all);
}
