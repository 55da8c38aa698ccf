/* Every allocation, every file operation and every thread start of the runtime goes through this
 * table, so that tests can make the n-th one fail. The default is libc. A table is plain data owned
 * by the caller; it must outlive what was opened with it. */
#ifndef BMRT_HOOKS_H
#define BMRT_HOOKS_H

#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "runtime/include/bmrt.h"

typedef struct BmrtHooks BmrtHooks;
struct BmrtHooks {
    void *user;
    /* alignment: a power of two >= 16. NULL: no memory. The memory is not cleared. */
    void *(*alloc)(void *user, size_t bytes, size_t alignment);
    void (*release)(void *user, void *memory, size_t bytes); /* memory may be NULL */
    /* As the POSIX calls of these names: -1 and errno on failure. */
    int (*open)(void *user, const char *path, int flags, mode_t mode);
    int (*fstat)(void *user, int file, struct stat *out);
    ssize_t (*read)(void *user, int file, void *data, size_t bytes);
    ssize_t (*write)(void *user, int file, const void *data, size_t bytes);
    int (*fsync)(void *user, int file);
    int (*close)(void *user, int file);
    int (*rename)(void *user, const char *from, const char *to);
    int (*unlink)(void *user, const char *path);
    /* As pthread_create, which returns the error number. */
    int (*thread)(void *user, pthread_t *out, void *(*start)(void *), void *argument);
};

const BmrtHooks *bmrt_hooks_default(void);
/* team.c: pthread_create. */
int bmrt_thread_start(void *user, pthread_t *out, void *(*start)(void *), void *argument);

/* bmrt_open with other hooks (NULL: the default). */
BmrtStatus bmrt_open_hooked(BmrtHandle **out, const BmrtModel *model, const char *weights,
                            uint64_t seed, int32_t threads, const BmrtHooks *hooks);

#endif
