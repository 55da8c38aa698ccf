/* Reading a file whole and replacing a file atomically.
 *
 * Replacing: create PATH.tmp-PID-N with O_EXCL, write, fsync, rename over PATH, fsync the folder. A
 * crash or power loss at any point leaves the old file or the new one. After a failed fsync the
 * kernel may have dropped the dirty pages, so the temporary file is given up, never synced again.
 */
#include "runtime/core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEMPORARY_TRIES = 100, TEMPORARY_EXTRA = 48 };

static BmrtStatus read_all(const BmrtHooks *hooks, const char *path, int file, BmrtBlock *block,
                           int64_t bytes, BmrtMessage *message) {
    for (int64_t done = 0; done < bytes;) {
        ssize_t got = hooks->read(hooks->user, file, block->data + done, (size_t)(bytes - done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return bmrt_fail(message, BMRT_IO, "cannot read `%s`: %s", path, strerror(errno));
        if (got == 0)
            return bmrt_fail(message, BMRT_IO,
                             "`%s` became shorter while it was read: %lld of %lld bytes", path,
                             (long long)done, (long long)bytes);
        done += got;
    }
    return BMRT_OK;
}

BmrtStatus bmrt_file_read(const BmrtHooks *hooks, const char *path, int64_t limit, BmrtBlock *out,
                          int64_t *bytes, BmrtMessage *message) {
    struct stat facts;
    BmrtStatus status;
    *out = (BmrtBlock){NULL, 0};
    /* O_NONBLOCK: opening a FIFO must not wait for a writer; it is refused below. */
    const int file = hooks->open(hooks->user, path, O_RDONLY | O_NONBLOCK, 0);
    if (file < 0) return bmrt_fail(message, BMRT_IO, "cannot open `%s`: %s", path, strerror(errno));
    if (hooks->fstat(hooks->user, file, &facts) != 0)
        status = bmrt_fail(message, BMRT_IO, "cannot examine `%s`: %s", path, strerror(errno));
    else if (!S_ISREG(facts.st_mode))
        status = bmrt_fail(message, BMRT_IO, "`%s` is not a regular file", path);
    else if (facts.st_size > limit)
        status = bmrt_fail(message, BMRT_FORMAT, "`%s` is too large: %lld bytes, the limit is %lld",
                           path, (long long)facts.st_size, (long long)limit);
    else if (!bmrt_block_alloc(hooks, out, facts.st_size))
        status = bmrt_fail(message, BMRT_MEMORY, "no memory for `%s` (%lld bytes)", path,
                           (long long)facts.st_size);
    else
        status = read_all(hooks, path, file, out, *bytes = facts.st_size, message);
    hooks->close(hooks->user, file);
    if (status != BMRT_OK) bmrt_block_free(hooks, out);
    return status;
}

/* A rename would put a regular file in the place of a device, a pipe or a folder: refused instead.
 */
static BmrtStatus check_replaceable(const BmrtHooks *hooks, const char *path,
                                    BmrtMessage *message) {
    struct stat facts;
    const int file = hooks->open(hooks->user, path, O_RDONLY | O_NONBLOCK, 0);
    if (file < 0) return BMRT_OK; /* not there, or not readable: the rename will tell */
    const int known = hooks->fstat(hooks->user, file, &facts) == 0;
    hooks->close(hooks->user, file);
    if (known && S_ISREG(facts.st_mode)) return BMRT_OK;
    return bmrt_fail(message, BMRT_IO, "cannot write `%s`: it is not a regular file", path);
}

BmrtStatus bmrt_output_open(const BmrtHooks *hooks, const char *path, BmrtOutput *out,
                            BmrtMessage *message) {
    *out = (BmrtOutput){.hooks = hooks, .path = path, .file = -1};
    if (!*path) return bmrt_fail(message, BMRT_ARGUMENT, "the path to save to is empty");
    const BmrtStatus status = check_replaceable(hooks, path, message);
    if (status != BMRT_OK) return status;
    out->temporary_bytes = (int64_t)strlen(path) + TEMPORARY_EXTRA;
    out->temporary = bmrt_new(hooks, out->temporary_bytes, 1);
    if (!out->temporary) return bmrt_fail(message, BMRT_MEMORY, "no memory to save `%s`", path);
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        snprintf(out->temporary, (size_t)out->temporary_bytes, "%s.tmp-%ld-%d", path,
                 (long)getpid(), i);
        out->file = hooks->open(hooks->user, out->temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (out->file >= 0) return BMRT_OK;
        if (errno != EEXIST) break;
    }
    bmrt_fail(message, BMRT_IO, "cannot write `%s`: %s", path, strerror(errno));
    bmrt_delete(hooks, out->temporary, out->temporary_bytes, 1);
    out->temporary = NULL;
    return BMRT_IO;
}

void bmrt_output_abandon(BmrtOutput *out) {
    const BmrtHooks *hooks = out->hooks;
    if (out->file >= 0) hooks->close(hooks->user, out->file);
    if (out->temporary) {
        hooks->unlink(hooks->user, out->temporary);
        bmrt_delete(hooks, out->temporary, out->temporary_bytes, 1);
    }
    out->file = -1;
    out->temporary = NULL;
}

static BmrtStatus output_failed(BmrtOutput *out, const char *what, BmrtMessage *message) {
    bmrt_fail(message, BMRT_IO, "cannot write `%s`: %s failed: %s\nthe old file, if any, is intact",
              out->path, what, strerror(errno));
    bmrt_output_abandon(out);
    return BMRT_IO;
}

BmrtStatus bmrt_output_write(BmrtOutput *out, const void *data, size_t bytes,
                             BmrtMessage *message) {
    const char *from = data;
    while (bytes) {
        ssize_t put = out->hooks->write(out->hooks->user, out->file, from, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put == 0) errno = ENOSPC;
        if (put <= 0) return output_failed(out, "writing", message);
        from += put;
        bytes -= (size_t)put;
    }
    return BMRT_OK;
}

/* Makes the rename itself durable. Some file systems cannot sync a folder (EINVAL): nothing to do.
 */
static BmrtStatus sync_folder(const BmrtOutput *out, BmrtMessage *message) {
    const BmrtHooks *hooks = out->hooks;
    char *slash = strrchr(out->temporary, '/');
    const char *folder = slash == out->temporary ? "/" : slash ? out->temporary : ".";
    if (slash && slash != out->temporary) *slash = 0;
    const int file = hooks->open(hooks->user, folder, O_RDONLY | O_DIRECTORY, 0);
    int failed = file < 0;
    if (!failed && hooks->fsync(hooks->user, file) != 0) failed = errno != EINVAL;
    const int error = errno;
    if (file >= 0) hooks->close(hooks->user, file);
    if (!failed) return BMRT_OK;
    return bmrt_fail(message, BMRT_IO,
                     "`%s` is written, but its folder could not be synced (%s): a power loss might "
                     "bring the old file back",
                     out->path, strerror(error));
}

BmrtStatus bmrt_output_commit(BmrtOutput *out, BmrtMessage *message) {
    const BmrtHooks *hooks = out->hooks;
    if (hooks->fsync(hooks->user, out->file) != 0) return output_failed(out, "syncing", message);
    const int file = out->file;
    out->file = -1;
    if (hooks->close(hooks->user, file) != 0) return output_failed(out, "closing", message);
    if (hooks->rename(hooks->user, out->temporary, out->path) != 0)
        return output_failed(out, "renaming", message);
    const BmrtStatus status = sync_folder(out, message);
    bmrt_delete(hooks, out->temporary, out->temporary_bytes, 1);
    out->temporary = NULL;
    return status;
}
