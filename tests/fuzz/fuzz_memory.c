#include "tests/fuzz/fuzz_memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FUZZ_FILE = 77 }; /* the descriptor; nothing else is open */

void fuzz_require(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "promise broken: %s\n", what);
    abort();
}

static void *memory_alloc(void *user, size_t bytes, size_t alignment) {
    FuzzMemory *m = user;
    void *out = NULL;
    if (bytes > FUZZ_MEMORY_MAX - m->live_bytes) return NULL; /* asked for too much: told so */
    if (posix_memalign(&out, alignment, bytes ? bytes : 1) != 0) return NULL;
    m->live_bytes += bytes;
    m->live++;
    return out;
}

static void memory_release(void *user, void *memory, size_t bytes) {
    FuzzMemory *m = user;
    if (!memory) return;
    fuzz_require(m->live > 0 && m->live_bytes >= bytes, "released more than was allocated");
    m->live--;
    m->live_bytes -= bytes;
    free(memory);
}

static int memory_open(void *user, const char *path, int flags, mode_t mode) {
    FuzzMemory *m = user;
    (void)path, (void)flags, (void)mode;
    m->position = 0;
    m->files++;
    return FUZZ_FILE;
}

static int memory_fstat(void *user, int file, struct stat *out) {
    const FuzzMemory *m = user;
    (void)file;
    memset(out, 0, sizeof *out);
    out->st_mode = S_IFREG | 0600;
    out->st_size = (off_t)m->size;
    return 0;
}

static ssize_t memory_read(void *user, int file, void *data, size_t bytes) {
    FuzzMemory *m = user;
    fuzz_require(file == FUZZ_FILE && m->files > 0, "read from a closed file");
    const size_t rest = m->size - m->position, n = bytes < rest ? bytes : rest;
    if (n) memcpy(data, m->data + m->position, n);
    m->position += n;
    return (ssize_t)n;
}

static int memory_close(void *user, int file) {
    FuzzMemory *m = user;
    fuzz_require(file == FUZZ_FILE && m->files-- > 0, "closed twice");
    return 0;
}

static ssize_t no_write(void *user, int file, const void *data, size_t bytes) {
    (void)user, (void)file, (void)data, (void)bytes;
    errno = EROFS;
    return -1;
}
static int no_fsync(void *user, int file) {
    (void)user, (void)file;
    errno = EROFS;
    return -1;
}
static int no_rename(void *user, const char *from, const char *to) {
    (void)user, (void)from, (void)to;
    errno = EROFS;
    return -1;
}
static int no_unlink(void *user, const char *path) {
    (void)user, (void)path;
    errno = EROFS;
    return -1;
}
static int no_thread(void *user, pthread_t *out, void *(*start)(void *), void *argument) {
    (void)user, (void)out, (void)start, (void)argument;
    return EAGAIN;
}

BmrtHooks fuzz_hooks(FuzzMemory *memory, const uint8_t *data, size_t size) {
    *memory = (FuzzMemory){.data = data, .size = size};
    return (BmrtHooks){memory,       memory_alloc, memory_release, memory_open,
                       memory_fstat, memory_read,  no_write,       no_fsync,
                       memory_close, no_rename,    no_unlink,      no_thread};
}

void fuzz_finish(const FuzzMemory *memory) {
    fuzz_require(memory->live == 0 && memory->live_bytes == 0, "memory was not released");
    fuzz_require(memory->files == 0, "a file was not closed");
}
