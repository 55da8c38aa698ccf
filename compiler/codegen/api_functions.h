/* The functions every compiled model exports besides its entries: one table for the code
 * (wrappers.c) and the header (model_header.c), so that the two cannot disagree. */
#ifndef BMC_CODEGEN_API_FUNCTIONS_H
#define BMC_CODEGEN_API_FUNCTIONS_H

#include "compiler/graph/program.h"

typedef struct ApiFunction {
    const char *name;   /* STEM_name */
    const char *target; /* the runtime function that does it */
    const char *pass;   /* how its arguments arise: a pointer p, int32 i, int64 l or uint64 u of the
                           wrapper's own; M the model constant, 0 a NULL, z a zero (int32), Z (u64),
                           E the number of the entry named by the wrapper's next pointer */
    const char *params; /* C parameters; $ is the stem */
    const char *returns; /* C type */
    const char *comment;
    const char *comment_single; /* in a library for a single thread; NULL: the same */
} ApiFunction;

/* Those of a library, or of one without an operating system. */
const ApiFunction *api_functions(bool freestanding, uint32_t *count);

/* An entry that gets a typed function: an export, or the step of a train block. */
typedef struct ApiEntry {
    const char *name; /* after STEM_: "predict", "train_step", "A_step" */
    uint32_t entry;
    bool step;
} ApiEntry;
/* Calls visit for each, exports first. */
typedef void (*ApiVisit)(void *user, const ApiEntry *entry);
void api_entries(const Program *p, ApiVisit visit, void *user);

bool is_c_keyword(const char *name); /* of C or C++ */

#endif
