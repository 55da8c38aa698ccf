/* A shared library with names and no code, to link against in place of one that is not there. */
#ifndef BMC_CODEGEN_STUB_LIBRARY_H
#define BMC_CODEGEN_STUB_LIBRARY_H

#include "compiler/codegen/object_names.h"

/* `soname`, offering `names` as functions, for the machine that `like`, an object, is for. */
void stub_library(Text *out, const char *soname, const SymbolNames *names, const ObjectBytes *like);

#endif
