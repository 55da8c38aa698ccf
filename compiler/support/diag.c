/* Collecting diagnostics; the table of codes. Rendering is in diag_render.c. */
#include "compiler/support/diag.h"

#include "compiler/support/context.h"
#include <strings.h>

static const CodeInfo CODES[CODE_COUNT] = {
#define CODE(name, id, title, page) [name] = {id, title, page},
#include "compiler/support/codes.def"
#undef CODE
};

const CodeInfo *code_info(Code code) {
    INVARIANT(code < CODE_COUNT);
    return &CODES[code];
}

static char upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

Code code_find(const char *id) {
    for (Code c = 0; c < CODE_COUNT; c++) {
        size_t i = 0;
        while (id[i] && upper(id[i]) == CODES[c].id[i]) i++;
        if (!id[i] && !CODES[c].id[i]) return c;
    }
    return CODE_COUNT;
}

struct Diags {
    Arena *arena;
    VEC(Diag *) list;
    uint32_t errors, warnings, limit;
    int warnings_are_errors;
    Diag overflow; /* receives what is beyond the limit */
};

Diags *diags_create(Arena *arena) {
    Diags *d = ARENA_NEW(arena, Diags);
    d->arena = arena;
    d->limit = 50;
    return d;
}

uint32_t diags_errors(const Diags *d) {
    return d->errors + (d->warnings_are_errors ? d->warnings : 0);
}
uint32_t diags_warnings(const Diags *d) {
    return d->warnings;
}
uint32_t diags_count(const Diags *d) {
    return d->list.len;
}
const Diag *diags_get(const Diags *d, uint32_t index) {
    INVARIANT(index < d->list.len);
    return d->list.data[index];
}
Diag *diags_change(Diags *d, uint32_t index) {
    INVARIANT(index < d->list.len);
    return d->list.data[index];
}
void diags_warnings_are_errors(Diags *d, int on) {
    d->warnings_are_errors = on;
}
void diags_limit(Diags *d, uint32_t limit) {
    d->limit = limit;
}

/* One mistake is reported once, however many instantiations meet it. */
static bool already_reported(const Diags *d, Code code, Span span, const char *message) {
    for (uint32_t i = 0; i < d->list.len; i++) {
        const Diag *o = d->list.data[i];
        if (o->code == code && o->span.file == span.file && o->span.begin == span.begin &&
            span.file && !strcmp(o->message, message))
            return true;
    }
    return false;
}

Diag *diag_report(Diags *d, Severity severity, Code code, Span span, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *message = arena_vprintf(d->arena, format, args);
    va_end(args);
    bool keep = d->list.len < d->limit && !already_reported(d, code, span, message);
    if (severity == SEVERITY_ERROR)
        d->errors++;
    else if (keep)
        d->warnings++;
    Diag *diag = keep ? ARENA_NEW(d->arena, Diag) : &d->overflow;
    *diag = (Diag){
        .severity = severity, .code = code, .span = span, .message = message, .arena = d->arena};
    if (keep) vec_push(d->arena, &d->list, diag);
    return diag;
}

#define FORMATTED(name)                                                                            \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    char *name = arena_vprintf(diag->arena, format, args);                                         \
    va_end(args)

void diag_caret(Diag *diag, const char *format, ...) {
    FORMATTED(text);
    diag->caret = text;
}

void diag_label(Diag *diag, Span span, const char *format, ...) {
    FORMATTED(text);
    vec_push(diag->arena, &diag->labels, ((DiagLabel){span, text}));
}

void diag_note(Diag *diag, const char *format, ...) {
    FORMATTED(text);
    vec_push(diag->arena, &diag->notes, text);
}

void diag_help(Diag *diag, const char *format, ...) {
    FORMATTED(text);
    vec_push(diag->arena, &diag->helps, text);
}

void diag_fix(Diag *diag, DiagFix fix, const char *format, ...) {
    FORMATTED(text);
    fix.help = diag->helps.len;
    vec_push(diag->arena, &diag->helps, text);
    vec_push(diag->arena, &diag->fixes, fix);
}

void diag_fix_drop(Diag *diag, uint32_t fix) {
    uint32_t help = diag->fixes.data[fix].help;
    if (diag->fixes.data[fix].keep) {
        diag->fixes.len--;
        for (uint32_t i = fix; i < diag->fixes.len; i++)
            diag->fixes.data[i] = diag->fixes.data[i + 1];
        return;
    }
    diag->helps.len--;
    for (uint32_t i = help; i < diag->helps.len; i++) diag->helps.data[i] = diag->helps.data[i + 1];
    diag->fixes.len--;
    for (uint32_t i = fix; i < diag->fixes.len; i++) diag->fixes.data[i] = diag->fixes.data[i + 1];
    for (uint32_t i = 0; i < diag->fixes.len; i++)
        diag->fixes.data[i].help -= diag->fixes.data[i].help > help;
}
