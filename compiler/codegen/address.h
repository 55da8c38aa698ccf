/* Addresses of loads and stores. */
#ifndef BMC_CODEGEN_ADDRESS_H
#define BMC_CODEGEN_ADDRESS_H

#include "compiler/codegen/emit.h"

/* buffer + index, lane part left out. */
LLVMValueRef address_of(Emit *e, uint32_t buffer, const Linear *index);

#endif
