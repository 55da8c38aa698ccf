/* Philox4x32-10 and Fisher-Yates. */
#include "runtime/data/shuffle.h"

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

static void philox(uint64_t key, uint64_t low, uint64_t high, uint64_t out[2]) {
    uint32_t c[4] = {(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high, (uint32_t)(high >> 32)};
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)PHILOX_M0 * c[0], b = (uint64_t)PHILOX_M1 * c[2];
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b,
                                  (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        for (int i = 0; i < 4; i++) c[i] = next[i];
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = (uint64_t)c[1] << 32 | c[0];
    out[1] = (uint64_t)c[3] << 32 | c[2];
}

static uint64_t fnv1a(const char *text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

/* High 64 bits of a * b. */
static uint64_t multiply_high(uint64_t a, uint64_t b) {
    const uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    const uint64_t middle = ah * bl + (al * bl >> 32), other = al * bh + (uint32_t)middle;
    return ah * bh + (middle >> 32) + (other >> 32);
}

void bmrt_shuffle(uint32_t *rows, int64_t count, BmrtPurpose purpose, uint64_t seed,
                  uint64_t round) {
    const uint64_t key = seed ^ fnv1a(purpose == BMRT_FOR_SHUFFLE ? "shuffle" : "split");
    uint64_t draws[2];
    for (int64_t i = count - 1, drawn = 0; i > 0; i--, drawn++) {
        if (drawn % 2 == 0) philox(key, (uint64_t)drawn / 2, round, draws);
        const uint64_t j = multiply_high(draws[drawn % 2], (uint64_t)i + 1);
        const uint32_t row = rows[i];
        rows[i] = rows[j];
        rows[j] = row;
    }
}
