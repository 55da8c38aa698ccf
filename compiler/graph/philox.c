/* Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3" (SC 2011). A draw is a pure function of seed, place in the program,
 * step and element, so it does not depend on threads, order or fusion. */
#include "compiler/graph/mathfn.h"

void philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = UINT64_C(0xD2511F53) * c0;
        uint64_t p1 = UINT64_C(0xCD9E8D57) * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += UINT32_C(0x9E3779B9); /* the golden ratio */
        k1 += UINT32_C(0xBB67AE85); /* sqrt(3) - 1 */
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): different iterations, unrelated
 * keys. */
uint64_t philox_site_at(uint64_t site, int64_t iteration) {
    uint64_t z = ((uint64_t)iteration + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return site ^ z ^ (z >> 31);
}

float philox_uniform(uint64_t seed, uint64_t site, uint64_t step, uint32_t draw, uint64_t element) {
    uint64_t key = seed ^ site, block = element / 4;
    uint64_t time = (step << 16) + draw; /* draws are below 2^16 */
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)time,
                           (uint32_t)(time >> 32)};
    uint32_t keys[2] = {(uint32_t)key, (uint32_t)(key >> 32)}, words[4];
    philox4x32_10(counter, keys, words);
    return (float)(words[element % 4] >> 8) * 0x1p-24f;
}
