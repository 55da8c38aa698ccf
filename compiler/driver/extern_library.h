/* The shared libraries of --allow-extern: opened when the model first declares an `extern fn`. */
#ifndef BMC_DRIVER_EXTERN_LIBRARY_H
#define BMC_DRIVER_EXTERN_LIBRARY_H

#include "compiler/driver/pipeline.h"

/* SemaFindExtern; `user` is the Pipeline. The first library in the order of the options wins. */
BmrtExternFn extern_library_find(void *user, const char *name, const char **missing);
/* Closes them; addresses found are void. */
void extern_library_close(Pipeline *p);

#endif
