/* Made-up inputs of an entry, and room for its outputs, at given sizes. */
#ifndef BMC_DRIVER_PROFILE_INPUTS_H
#define BMC_DRIVER_PROFILE_INPUTS_H

#include "compiler/support/context.h"
#include "runtime/include/bmrt.h"
#include <stdbool.h>

typedef struct MadeInputs {
    const void **inputs;
    void **outputs;
    void **owned; /* one an input, then one an output */
    uint32_t count;
} MadeInputs;

/* Floats uniform in [0, 1), indices uniform in their range, other integers below 256, truth values
 * either; always the same ones. False, with a diagnostic, for strings, sizes that overflow, or no
 * memory. Free them whatever it returns. */
bool made_inputs(Context *ctx, const BmrtEntry *entry, const int64_t *symbols, MadeInputs *out);
void made_inputs_free(MadeInputs *made);

#endif
