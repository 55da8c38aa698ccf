/* The cache of objects on disk: what code generation made once is found again by the next run, of
 * any model that has the same kernels. Made for one user, trusted by him alone: the folder is his
 * and closed to others, and every entry says its version, its key, its length and its checksum, all
 * of which are verified. Whatever goes wrong, the object is made as if there were no cache. */
#ifndef BMC_DRIVER_OBJECT_CACHE_H
#define BMC_DRIVER_OBJECT_CACHE_H

#include "compiler/codegen/codegen.h"

enum { CACHE_LIMIT_BYTES = 256000000 };

typedef struct ObjectCache {
    CodeStore store;      /* for CodegenOptions, when there is a cache */
    const char *folder;   /* NULL: not known either */
    const char *problem;  /* why there is none, or why nothing more is kept; NULL: all is well */
    const char *identity; /* of this program: version and build */
    Arena *arena;
    int directory;        /* -1: no cache */
    uint64_t limit_bytes; /* CACHE_LIMIT_BYTES */
    uint32_t found, missed, damaged, kept;
} ObjectCache;

/* folder NULL: $BMC_CACHE_DIR, else $XDG_CACHE_HOME/bmc, else $HOME/.cache/bmc; made when missing.
 * False when there can be no cache: `problem` says why, NULL when BMC_CACHE_DIR is empty, which
 * means none. */
bool object_cache_open(ObjectCache *c, Arena *arena, const char *folder);
/* Removes the entries used longest ago when all together have grown beyond the limit. */
void object_cache_close(ObjectCache *c);

typedef struct CacheUse {
    uint64_t entries, bytes;
} CacheUse;
CacheUse object_cache_use(const ObjectCache *c);
/* Removes all entries; how many. */
uint64_t object_cache_clear(ObjectCache *c);

/* Of the program or library this code is in, as the linker noted it; NULL: none. */
const char *build_id(Arena *arena);

#endif
