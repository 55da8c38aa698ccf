/* Files that bmc writes: complete, or not there at all. */
#ifndef BMC_DRIVER_FILE_OUTPUT_H
#define BMC_DRIVER_FILE_OUTPUT_H

#include "compiler/support/context.h"

/* Writes a temporary file beside `path`, syncs it and renames it. E_FILE and false when any of it
 * fails; then `path` is as it was and the temporary file is gone. */
bool file_replace(Context *ctx, const char *path, const void *data, size_t len);
/* Whether `path` could be written now: its folder exists and takes new files, and `path` is no
 * folder. E_FILE and false else. Leaves nothing behind. */
bool file_writable(Context *ctx, const char *path);
/* The whole of a file, NUL-terminated, in the context's arena; NULL and E_FILE else. "-": standard
 * input. Refuses more than `limit` bytes (E_LIMIT). */
char *file_read(Context *ctx, const char *path, size_t limit, size_t *len);

#endif
