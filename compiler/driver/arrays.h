/* Dense arrays that `bmc run` passes in and out. */
#ifndef BMC_DRIVER_ARRAYS_H
#define BMC_DRIVER_ARRAYS_H

#include "compiler/support/context.h"
#include "runtime/include/bmrt.h"

enum { ARRAY_RANK_MAX = 12 };

typedef struct Array {
    BmrtDtype dtype;
    uint32_t rank;
    int64_t dims[ARRAY_RANK_MAX];
    void *data; /* row-major; in the context's arena */
    size_t bytes;
    bool strings; /* data: const char * per element, whatever dtype says */
} Array;

/* Elements of dims, or -1 when that overflows. */
int64_t array_elements(const Array *a);
/* Allocates zeros for dtype, rank and dims; E_LIMIT and false when too large. */
bool array_alloc(Context *ctx, Array *a);
/* A number, or nested lists of numbers, as f64: "3", "[1, 2.5]", "[[1], [2]]". */
bool array_literal(Context *ctx, const char *text, Array *out);
/* Values to another dtype; E_RUN_ARGUMENT and false when one does not fit exactly (3.5 to i32, 300
 * to u8). f64 to f32 rounds. `name`: of the input, for messages. */
bool array_convert(Context *ctx, const char *name, const Array *from, BmrtDtype to, Array *out);
/* Strings: `[a, "b, c"]`, the lines of a file whose name ends in .txt, or the text itself as one.
 */
bool array_strings(Context *ctx, const char *text, Array *out);
/* As array_alloc, for strings. */
bool array_alloc_strings(Context *ctx, Array *a);
typedef enum ArrayStyle {
    ARRAY_SHORT, /* one row a line; a large array is cut to its corners */
    ARRAY_FULL,
    ARRAY_JSON /* one line; what is not finite is null */
} ArrayStyle;
void array_print(Text *out, const Array *a, ArrayStyle style);

/* .npy, versions 1 to 3, little-endian, C order. */
bool npy_read(Context *ctx, const char *path, Array *out);
bool npy_write(Context *ctx, const char *path, const Array *a);

const char *array_dtype_name(BmrtDtype t);

#endif
