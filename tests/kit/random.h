/* A small deterministic generator for tests (splitmix64). */
#ifndef BMC_TESTS_RANDOM_H
#define BMC_TESTS_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

typedef struct Random {
    uint64_t state;
} Random;

static inline uint64_t random_bits(Random *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A test's size from the environment: how many, from where. */
static inline int number_from(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

/* In [0, n). */
static inline uint32_t random_below(Random *r, uint32_t n) {
    return (uint32_t)(random_bits(r) % n);
}

/* In [low, high). */
static inline double random_between(Random *r, double low, double high) {
    return low + (high - low) * ((double)(random_bits(r) >> 11) * 0x1p-53);
}

#endif
