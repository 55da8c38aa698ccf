/* An open file as the editor has it, and what the compiler says about its present text. */
#ifndef BMC_LSP_DOCUMENT_H
#define BMC_LSP_DOCUMENT_H

#include "compiler/sema/sema.h"

#include <jansson.h>

/* How `use` reads a file, into the context of the analysis (sema.h, SemaOpenFile). */
typedef struct UseFiles {
    bool (*open)(void *user, Context *ctx, Span at, const char *path, SemaFile *out);
    void *user;
    SemaFindExtern find_extern; /* NULL: nothing is called here, so a C function is taken as it is
                                   declared */
    void *extern_user;
} UseFiles;

typedef struct Note { /* a value that elaboration computed for a place */
    Span span;
    const char *text;
} Note;

typedef struct Document {
    char *uri, *text; /* owned */
    uint32_t length;
    /* of the last analysis; all of it lives in the context */
    Context *ctx; /* NULL: none yet, or memory was short */
    uint32_t file;
    const Node *tree;
    VEC(Note) notes;
    struct Document *next;
} Document;

/* NULL when memory is short. */
Document *document_open(const char *uri, const char *text, size_t length);
bool document_change(Document *d, const char *text, size_t length);
void document_close(Document *d);

/* Parses, elaborates and differentiates the text; fills what stands above. */
void document_analyse(Document *d, const UseFiles *files);
/* The diagnostics of the last analysis as an LSP array; new reference. */
json_t *document_diagnostics(const Document *d);
/* The value at a byte: that of the smallest text around it. *begin, *end: its place. NULL: none. */
const char *document_value(const Document *d, uint32_t offset, uint32_t *begin, uint32_t *end);
/* The text in canonical form (owned by the caller: free), or NULL when it does not parse. */
char *document_formatted(const Document *d);

#endif
