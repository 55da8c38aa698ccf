/* SHA-256 (FIPS 180-4), for the checksum of files and the fingerprint of weights. */
#ifndef BMRT_SHA256_H
#define BMRT_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct BmrtSha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} BmrtSha256;

void bmrt_sha256_start(BmrtSha256 *s);
void bmrt_sha256_add(BmrtSha256 *s, const void *data, size_t bytes);
void bmrt_sha256_hex(BmrtSha256 *s, char out[65]); /* ends it: 64 lower-case digits and a 0 */

#endif
