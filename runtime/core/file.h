/* Whole-file input and atomic output over the hooks. */
#ifndef BMRT_FILE_H
#define BMRT_FILE_H

#include "runtime/core/memory.h"
#include "runtime/core/message.h"

/* Reads a regular file whole. limit: refuse larger ones. The caller frees out. */
BmrtStatus bmrt_file_read(const BmrtHooks *hooks, const char *path, int64_t limit, BmrtBlock *out,
                          int64_t *bytes, BmrtMessage *message);

/* An output file under a temporary name in the same folder. Either commit (sync, rename, sync the
 * folder) or abandon it; both free everything. Until commit has renamed, the old file is untouched.
 */
typedef struct BmrtOutput {
    const BmrtHooks *hooks;
    const char *path; /* the caller's; must outlive this */
    char *temporary;
    int64_t temporary_bytes;
    int file;
} BmrtOutput;

BmrtStatus bmrt_output_open(const BmrtHooks *hooks, const char *path, BmrtOutput *out,
                            BmrtMessage *message);
/* On failure the output is already abandoned. */
BmrtStatus bmrt_output_write(BmrtOutput *out, const void *data, size_t bytes, BmrtMessage *message);
BmrtStatus bmrt_output_commit(BmrtOutput *out, BmrtMessage *message);
void bmrt_output_abandon(BmrtOutput *out);

#endif
