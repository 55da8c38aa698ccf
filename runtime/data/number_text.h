/* Numbers written as text in data files. */
#ifndef BMRT_NUMBER_TEXT_H
#define BMRT_NUMBER_TEXT_H

#include "runtime/include/bmrt.h"

/* Reads all of text[0 ... length) as one element of `dtype` and stores it at `to`: decimal numbers
 * with an optional fraction and exponent, `nan` and `inf` for floats (rounded to the nearest f64,
 * then to the dtype), whole numbers within range for integers, 0 1 true false for bool. Spaces
 * around it are skipped. NULL: done; else why it is no such element ("is not a number"). */
const char *bmrt_number_parse(const char *text, size_t length, BmrtDtype dtype, void *to);

#endif
