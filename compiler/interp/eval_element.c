/* Reading and writing single elements. Floats narrower than f32 are f32 in registers and are
 * rounded once when stored. */
#include "compiler/interp/interp_internal.h"

#include <string.h>

static char *element(const Tensor *t, size_t i) {
    return (char *)t->data + i * dtype_bytes(t->dtype);
}

int64_t load_word(const Tensor *t, size_t i) {
    uint8_t b1;
    uint16_t b2;
    uint32_t b4;
    int64_t b8;
    switch (dtype_bytes(t->dtype)) {
    case 1: memcpy(&b1, element(t, i), 1); return b1;
    case 2: memcpy(&b2, element(t, i), 2); return b2;
    case 4: memcpy(&b4, element(t, i), 4); return b4;
    default: memcpy(&b8, element(t, i), 8); return b8;
    }
}

void store_word(Tensor *t, size_t i, int64_t word) {
    uint8_t b1 = (uint8_t)word;
    uint16_t b2 = (uint16_t)word;
    uint32_t b4 = (uint32_t)word;
    switch (dtype_bytes(t->dtype)) {
    case 1: memcpy(element(t, i), &b1, 1); break;
    case 2: memcpy(element(t, i), &b2, 2); break;
    case 4: memcpy(element(t, i), &b4, 4); break;
    default: memcpy(element(t, i), &word, 8); break;
    }
}

float load_narrow(const Tensor *t, size_t i) {
    return (float)dtype_word_to_f64(t->dtype, load_word(t, i));
}

void store_f32(Tensor *t, size_t i, float value) {
    if (t->dtype == DTYPE_F32)
        memcpy(element(t, i), &value, sizeof value);
    else
        store_word(t, i, dtype_word_from_f64(t->dtype, (double)value));
}

void store_f64(Tensor *t, size_t i, double value) {
    memcpy(element(t, i), &value, sizeof value);
}

int64_t load_int(const Tensor *t, size_t i) {
    return dtype_word_to_int(t->dtype, load_word(t, i));
}

void store_int(Tensor *t, size_t i, int64_t value) {
    store_word(t, i, dtype_word_from_int(t->dtype, value));
}
