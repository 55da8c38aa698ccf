/* Files named by `use`, for sema. */
#ifndef BMC_DRIVER_USE_FILE_H
#define BMC_DRIVER_USE_FILE_H

#include "compiler/driver/cli_session.h"

/* SemaOptions.open_file; user: the Session. */
bool use_file_open(void *user, Span at, const char *path, SemaFile *out);
/* SemaOptions.identity of the main file. */
const char *use_file_identity(Session *s, const char *path);

#endif
