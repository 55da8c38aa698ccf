#include "compiler/codegen/codegen_internal.h"
void wrappers_emit(CodeModule *m) {
    (void)m;
}
