/* Orders drawn by counter-based random numbers (Philox4x32-10, Salmon et al. 2011), so that an
 * epoch's order depends on (seed, epoch) only and can be made again when a run is resumed. */
#ifndef BMRT_SHUFFLE_H
#define BMRT_SHUFFLE_H

#include <stdint.h>

typedef enum BmrtPurpose { BMRT_FOR_SHUFFLE, BMRT_FOR_SPLIT } BmrtPurpose;

/* Fisher-Yates: for i = count - 1 … 1, row i changes places with row j, j = floor(u (i + 1) /
 * 2^64), u the next 64-bit draw. Draws 2k and 2k + 1 are the low and high halves of Philox block k:
 * key = seed xor hash64(purpose), counter = (k, round), each as two 32-bit words, low first; hash64
 * is FNV-1a of "shuffle" or "split". round: the epoch from 0. */
void bmrt_shuffle(uint32_t *rows, int64_t count, BmrtPurpose purpose, uint64_t seed,
                  uint64_t round);

#endif
