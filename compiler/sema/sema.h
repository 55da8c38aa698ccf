/* From the tree to graphs: names, static values, named dims, dtypes, instances. Elaboration starts
 * at the roots that were asked for and evaluates the program abstractly: static values are
 * computed, tensors become nodes. */
#ifndef BMC_SEMA_SEMA_H
#define BMC_SEMA_SEMA_H

#include "compiler/graph/program.h"
#include "compiler/syntax/ast.h"

enum {                   /* which entries to make */
       SEMA_TRAIN = 1,   /* init, data rows, steps, valid metrics */
       SEMA_TEST = 2,    /* test blocks, data rows */
       SEMA_EXPORTS = 4, /* export fns */
       SEMA_ALL = 7
};

typedef struct Define { /* -D name=text */
    const char *name, *text;
} Define;

typedef struct SemaFile { /* what `use "path"` named */
    uint32_t file;        /* in ctx->sources */
    const char *identity; /* equal for the same file under other names */
} SemaFile;
/* False: reported. `at`: the `use`; its file says what the path is relative to. */
typedef bool (*SemaOpenFile)(void *user, Span at, const char *path, SemaFile *out);

/* Sees what the elaboration computes, for editors: `text` ("f32[B, 10]", "128") is the value of the
 * source text at `span`; a place inside a layer is seen once per instance. */
typedef struct SemaWatch {
    void (*value)(void *user, Span span, const char *text);
    void *user;
} SemaWatch;

/* The address of a C function, from the libraries that the user allowed; NULL: not there. `missing`
 * says why. */
typedef BmrtExternFn (*SemaFindExtern)(void *user, const char *name, const char **missing);

typedef struct SemaOptions {
    const char *stem;
    const Define *defines;
    uint32_t define_count;
    uint32_t roots;         /* SEMA_... */
    SemaOpenFile open_file; /* NULL: `use` is refused */
    void *open_user;
    const char *identity;       /* of the main file */
    const char *only_export;    /* with SEMA_EXPORTS: just this one; NULL: all */
    const SemaWatch *watch;     /* or NULL */
    bool debug;                 /* `show` is heard: the entries get further outputs */
    SemaFindExtern find_extern; /* NULL: no library was allowed, `extern fn` is refused */
    void *extern_user;
} SemaOptions;

/* What can stand at the start of a line in a data, train or test block (NODE_DATA ...): calls visit
 * for each setting. */
void sema_settings(NodeKind block, void (*visit)(void *user, const char *name), void *user);
/* Names that the compiler itself gives: functions, `training`, `pi` ... */
void sema_builtins(void (*visit)(void *user, const char *name), void *user);

/* NULL, with diagnostics, when the program is wrong. Definitions that no root reaches are still
 * checked for names and duplicates. The prelude is parsed and resolved by sema itself. */
Program *sema_run(Context *ctx, const Node *file, const SemaOptions *options);

#endif
