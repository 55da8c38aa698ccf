/* Reading whole files; writing them atomically. */
#include "compiler/driver/file_output.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void file_error(Context *ctx, const char *what, const char *path, int error) {
    ctx_error(ctx, E_FILE, ((Span){0}), "cannot %s `%s`: %s", what, path, strerror(error));
}

/* 0, or errno. */
static int write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        data += n;
        len -= (size_t)n;
    }
    return fsync(fd) != 0 && errno != EINVAL && errno != EROFS ? errno : 0;
}

/* mkstemp makes files that only the owner reads; a compiled model is as readable as the umask says.
 */
static int open_permissions(int fd) {
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd, 0666 & ~mask);
}

/* Devices and pipes (-o /dev/stdout) cannot be replaced; they are written as they are. */
static bool is_special(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static bool write_special(Context *ctx, const char *path, const char *data, size_t len) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : write_all(fd, data, len);
    if (fd >= 0 && close(fd) != 0 && error == 0) error = errno;
    if (error) file_error(ctx, "write", path, error);
    return error == 0;
}

/* A new file beside `path`, open for writing; -1 with a diagnostic when there can be none. */
static int temporary_open(Context *ctx, const char *path, char **name) {
    *name = arena_printf(ctx->arena, "%s.XXXXXX", path);
    int fd = mkstemp(*name);
    if (fd < 0) file_error(ctx, "write", path, errno);
    return fd;
}

bool file_replace(Context *ctx, const char *path, const void *data, size_t len) {
    if (is_special(path)) return write_special(ctx, path, data, len);
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        file_error(ctx, "write", path, EISDIR);
        return false;
    }
    char *temporary;
    int fd = temporary_open(ctx, path, &temporary);
    if (fd < 0) return false;
    int error = write_all(fd, data, len);
    if (error == 0 && open_permissions(fd) != 0) error = errno;
    if (close(fd) != 0 && error == 0) error = errno;
    if (error == 0 && rename(temporary, path) != 0) error = errno;
    if (error == 0) return true;
    unlink(temporary);
    file_error(ctx, "write", path, error);
    return false;
}

bool file_writable(Context *ctx, const char *path) {
    struct stat st;
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode)) {
        file_error(ctx, "write", path, EISDIR);
        return false;
    }
    if (exists && !S_ISREG(st.st_mode)) {
        if (access(path, W_OK) == 0) return true;
        file_error(ctx, "write", path, errno);
        return false;
    }
    char *temporary;
    int fd = temporary_open(ctx, path, &temporary);
    if (fd < 0) return false;
    close(fd);
    unlink(temporary);
    return true;
}

static bool read_stream(Context *ctx, FILE *f, const char *path, size_t limit, Text *text) {
    char block[65536];
    size_t n;
    while ((n = fread(block, 1, sizeof block, f)) > 0) {
        if (text->len + n > limit) {
            ctx_error(ctx, E_LIMIT, ((Span){0}), "`%s` is larger than %zu bytes", path, limit);
            return false;
        }
        text_add_n(text, block, n);
    }
    if (ferror(f)) file_error(ctx, "read", path, errno);
    return !ferror(f);
}

char *file_read(Context *ctx, const char *path, size_t limit, size_t *len) {
    bool standard_input = strcmp(path, "-") == 0;
    errno = 0;
    FILE *f = standard_input ? stdin : fopen(path, "rb");
    if (f == NULL) {
        file_error(ctx, "open", path, errno);
        return NULL;
    }
    Text text = {.arena = ctx->arena};
    text_add_n(&text, "", 0);
    bool fine = read_stream(ctx, f, path, limit, &text);
    if (!standard_input) fclose(f);
    if (!fine) return NULL;
    *len = text.len;
    return arena_strndup(ctx->arena, text_str(&text), text.len);
}
