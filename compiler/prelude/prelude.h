/* The standard library, embedded: written in the language itself, one file a subject. The array is
 * made from the *.bm of this folder at build time (embed.cmake). */
#ifndef BMC_PRELUDE_PRELUDE_H
#define BMC_PRELUDE_PRELUDE_H

#include <stdint.h>

typedef struct BmcPrelude {
    const char *name; /* "prelude/layers.bm"; NULL ends the list */
    const char *text;
    uint32_t len;
    const char *names; /* what it defines, separated by blanks: it is parsed when one is wanted */
} BmcPrelude;

extern const BmcPrelude BMC_PRELUDE[];

#endif
