/* Names of statuses, sizes of dtypes, the model's own text: constants that every part may ask for.
 */
#include "runtime/include/bmrt.h"

const char *bmrt_status_name(BmrtStatus s) {
    static const char *const names[] = {"ok",     "argument", "shape",   "memory", "io",
                                        "format", "mismatch", "numeric", "busy"};
    return (unsigned)s < sizeof names / sizeof *names ? names[s] : "unknown";
}

size_t bmrt_dtype_bytes(BmrtDtype t) {
    static const unsigned char bytes[BMRT_DTYPE_COUNT] = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1};
    return (unsigned)t < BMRT_DTYPE_COUNT ? bytes[t] : 0;
}

const char *bmrt_interface(const BmrtModel *model) {
    return model ? model->interface : NULL;
}
