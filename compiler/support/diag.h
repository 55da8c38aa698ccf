/* Diagnostics: bad input is reported here, never printed, never fatal.
 *
 *   Diag *d = diag_error(ctx, E_UNKNOWN_NAME, span, "unknown name `%s`", name);
 *   diag_label(d, other_span, "did you mean this?");
 *   diag_note(d, "...");  diag_help(d, "...");
 *
 * All diagnostics of a compilation are kept; the driver renders them (diag_render) or turns them
 * into JSON; an embedding program gets them as data. Codes stand in codes.def and never change
 * their meaning; `bmc help E0007` prints their page. */
#ifndef BMC_SUPPORT_DIAG_H
#define BMC_SUPPORT_DIAG_H

#include "compiler/support/source.h"
#include "compiler/support/text.h"
#include "compiler/support/vec.h"

typedef enum Code {
#define CODE(name, id, title, page) name,
#include "compiler/support/codes.def"
#undef CODE
    CODE_COUNT
} Code;

typedef struct CodeInfo {
    const char *id;    /* "E0007" */
    const char *title; /* a few words */
    const char *page;  /* a paragraph or two for `bmc help`, with an example */
} CodeInfo;
const CodeInfo *code_info(Code code);
/* Finds "E0007" (any case); returns CODE_COUNT when there is none. */
Code code_find(const char *id);

typedef enum Severity { SEVERITY_ERROR, SEVERITY_WARNING } Severity;

typedef struct DiagLabel {
    Span span;
    const char *text;
} DiagLabel;

typedef struct DiagFix { /* a change of the text that a help proposes */
    Span span;           /* what is replaced */
    const char *text;
    uint32_t help;  /* its number among the helps */
    bool tried;     /* it is known to work */
    bool keep;      /* the help is worth reading even where the change alone does not help */
    bool interface; /* other places have to follow: calls of what becomes a layer */
} DiagFix;

typedef struct Diag {
    Severity severity;
    Code code;
    Span span;
    const char *message;
    const char *caret; /* text after the carets, or NULL */
    VEC(DiagLabel) labels;
    VEC(const char *) notes;
    VEC(const char *) helps;
    VEC(DiagFix) fixes;
    Arena *arena;
} Diag;

typedef struct Diags Diags;
Diags *diags_create(Arena *arena);
uint32_t diags_errors(const Diags *d); /* errors so far; warnings count when they are made errors */
uint32_t diags_warnings(const Diags *d);
uint32_t diags_count(const Diags *d);
const Diag *diags_get(const Diags *d, uint32_t index); /* in the order they were reported */
Diag *diags_change(Diags *d, uint32_t index);
void diags_warnings_are_errors(Diags *d, int on);
/* Errors after this many are counted but not kept (default 50): a damaged file must not flood. */
void diags_limit(Diags *d, uint32_t limit);

Diag *diag_report(Diags *d, Severity severity, Code code, Span span, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void diag_caret(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diag_label(Diag *diag, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_note(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diag_help(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A help that says what to write, and the change itself; `help` need not be set. Whoever reports it
 * sees to it that only changes that work are left (sema/fixes.c). */
void diag_fix(Diag *diag, DiagFix fix, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Takes the fix away, and its help unless that is to be kept. */
void diag_fix_drop(Diag *diag, uint32_t fix);

/* Renders as compilers do: file:line:col: error: message, source line, carets, labels, notes,
 * helps. `color`: ANSI. */
void diag_render(Text *out, const Sources *sources, const Diag *diag, int color);

#endif
