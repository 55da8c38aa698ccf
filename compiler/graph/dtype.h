/* Element types. */
#ifndef BMC_GRAPH_DTYPE_H
#define BMC_GRAPH_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

/* DTYPE(enum, text, bytes, class, safetensors name): class f float, i signed, u unsigned, b bool.
 * The order is the order of BmrtDtype in the public runtime header; a test holds them equal. */
#define DTYPES(DTYPE)                                                                              \
    DTYPE(F64, "f64", 8, 'f', "F64")                                                               \
    DTYPE(F32, "f32", 4, 'f', "F32")                                                               \
    DTYPE(F16, "f16", 2, 'f', "F16")                                                               \
    DTYPE(BF16, "bf16", 2, 'f', "BF16")                                                            \
    DTYPE(I64, "i64", 8, 'i', "I64")                                                               \
    DTYPE(I32, "i32", 4, 'i', "I32")                                                               \
    DTYPE(I16, "i16", 2, 'i', "I16")                                                               \
    DTYPE(I8, "i8", 1, 'i', "I8")                                                                  \
    DTYPE(U64, "u64", 8, 'u', "U64")                                                               \
    DTYPE(U32, "u32", 4, 'u', "U32")                                                               \
    DTYPE(U16, "u16", 2, 'u', "U16")                                                               \
    DTYPE(U8, "u8", 1, 'u', "U8")                                                                  \
    DTYPE(BOOL, "bool", 1, 'b', "BOOL")

typedef enum DType {
#define DTYPE(name, text, bytes, cls, st) DTYPE_##name,
    DTYPES(DTYPE)
#undef DTYPE
        DTYPE_COUNT
} DType;

const char *dtype_name(DType t);
const char *dtype_safetensors(DType t);
uint32_t dtype_bytes(DType t);
bool dtype_is_float(DType t);
bool dtype_is_signed(DType t);  /* signed integer */
bool dtype_is_integer(DType t); /* signed or unsigned; not bool */
/* DTYPE_COUNT when `text` names none. */
DType dtype_find(const char *text);

/* One rounding, to nearest even; NaN becomes the quiet NaN. */
uint16_t f16_from_f64(double value);
double f16_to_f64(uint16_t bits);
uint16_t bf16_from_f64(double value);
double bf16_to_f64(uint16_t bits);

/* A word holds one element's bits, zero-extended: the attributes of `const`. From a double: rounded
 * once; integers saturate, NaN gives 0; bool is value != 0. From an int: integers wrap. */
int64_t dtype_word_from_f64(DType t, double value);
int64_t dtype_word_from_int(DType t, int64_t value);
double dtype_word_to_f64(DType t, int64_t word);  /* i64 and u64 beyond 2^53 round */
int64_t dtype_word_to_int(DType t, int64_t word); /* of an integer or bool dtype; u64 as its bits */

#endif
