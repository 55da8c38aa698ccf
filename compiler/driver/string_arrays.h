/* Strings among the arrays of `bmc run`; the rest of the interface is in arrays.h. */
#ifndef BMC_DRIVER_STRING_ARRAYS_H
#define BMC_DRIVER_STRING_ARRAYS_H

#include "compiler/driver/arrays.h"

void string_print(Text *out, const char *text); /* as JSON, with quotes */

#endif
