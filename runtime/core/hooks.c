/* The default hooks: libc and POSIX. Files are opened close-on-exec; calls cut short by a signal
 * are tried again, so that a host's signal handlers never look like I/O errors. */
#include "runtime/core/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *hook_alloc(void *user, size_t bytes, size_t alignment) {
    void *memory = NULL;
    (void)user;
    return posix_memalign(&memory, alignment, bytes ? bytes : 1) == 0 ? memory : NULL;
}

static void hook_release(void *user, void *memory, size_t bytes) {
    (void)user;
    (void)bytes;
    free(memory);
}

static int hook_open(void *user, const char *path, int flags, mode_t mode) {
    int file;
    (void)user;
    do file = open(path, flags | O_CLOEXEC, mode);
    while (file < 0 && errno == EINTR);
    return file;
}

static int hook_fstat(void *user, int file, struct stat *out) {
    (void)user;
    return fstat(file, out);
}

static ssize_t hook_read(void *user, int file, void *data, size_t bytes) {
    ssize_t got;
    (void)user;
    do got = read(file, data, bytes);
    while (got < 0 && errno == EINTR);
    return got;
}

static ssize_t hook_write(void *user, int file, const void *data, size_t bytes) {
    ssize_t put;
    (void)user;
    do put = write(file, data, bytes);
    while (put < 0 && errno == EINTR);
    return put;
}

static int hook_fsync(void *user, int file) {
    (void)user;
    return fsync(file);
}

/* close is not tried again on EINTR: on Linux the descriptor is gone either way. */
static int hook_close(void *user, int file) {
    (void)user;
    return close(file);
}

static int hook_rename(void *user, const char *from, const char *to) {
    (void)user;
    return rename(from, to);
}

static int hook_unlink(void *user, const char *path) {
    (void)user;
    return unlink(path);
}

const BmrtHooks *bmrt_hooks_default(void) {
    static const BmrtHooks hooks = {NULL,       hook_alloc,  hook_release, hook_open,
                                    hook_fstat, hook_read,   hook_write,   hook_fsync,
                                    hook_close, hook_rename, hook_unlink,  bmrt_thread_start};
    return &hooks;
}
