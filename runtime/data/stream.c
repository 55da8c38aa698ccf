/* Plain and gzip streams. zlib's memory comes from the hooks too. Several gzip members one after
 * the other are one stream, as gzip(1) has it; anything else after the end is an error. */
#include "runtime/data/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { BUFFER_BYTES = 1 << 16, DEFLATE_RATIO = 1032 };

/* zlib gives no size when it frees: keep it in front. */
static void *zlib_alloc(void *user, unsigned count, unsigned size) {
    const BmrtHooks *hooks = user;
    size_t bytes;
    if (__builtin_mul_overflow((size_t)count, (size_t)size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    char *memory = hooks->alloc(hooks->user, bytes + 16, 16);
    if (!memory) return NULL;
    memset(memory, 0, bytes + 16);
    memcpy(memory, &bytes, sizeof bytes);
    return memory + 16;
}

static void zlib_free(void *user, void *data) {
    const BmrtHooks *hooks = user;
    char *memory = (char *)data - 16;
    size_t bytes;
    memcpy(&bytes, memory, sizeof bytes);
    hooks->release(hooks->user, memory, bytes + 16);
}

static BmrtStatus no_memory(BmrtStream *s) {
    return bmrt_fail(s->message, BMRT_MEMORY, "no memory to read `%s`", s->name);
}

static BmrtStatus damaged(BmrtStream *s, const char *why) {
    return bmrt_fail(s->message, BMRT_FORMAT, "%s is damaged: %s (after %lld bytes of content)",
                     s->name, why, (long long)s->position);
}

/* One read into `out`; 0 bytes: the file's end. */
static BmrtStatus read_some(BmrtStream *s, void *out, int64_t bytes, int64_t *got) {
    ssize_t n;
    do n = s->hooks->read(s->hooks->user, s->file, out, (size_t)bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return bmrt_fail(s->message, BMRT_IO, "cannot read `%s`: %s", s->path, strerror(errno));
    *got = n;
    return BMRT_OK;
}

static BmrtStatus fill(BmrtStream *s) {
    s->used = 0;
    s->held = 0;
    return read_some(s, s->buffer, s->room, &s->held);
}

BmrtStatus bmrt_stream_open(BmrtStream *s, const BmrtHooks *hooks, const char *path,
                            BmrtMessage *message) {
    struct stat facts;
    const char *slash = strrchr(path, '/');
    *s = (BmrtStream){.hooks = hooks, .path = path, .name = slash ? slash + 1 : path, .file = -1};
    s->message = message;
    s->file = hooks->open(hooks->user, path, O_RDONLY | O_NONBLOCK, 0);
    if (s->file < 0)
        return bmrt_fail(message, BMRT_IO, "cannot open `%s`: %s", path, strerror(errno));
    if (hooks->fstat(hooks->user, s->file, &facts) != 0)
        return bmrt_fail(message, BMRT_IO, "cannot examine `%s`: %s", path, strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return bmrt_fail(message, BMRT_IO, "`%s` is not a regular file", path);
    s->file_bytes = facts.st_size;
    s->room = s->file_bytes < BUFFER_BYTES ? s->file_bytes + 1 : BUFFER_BYTES;
    s->buffer = bmrt_new(hooks, s->room, 1);
    if (!s->buffer) return no_memory(s);
    const BmrtStatus status = fill(s);
    if (status != BMRT_OK) return status;
    s->gzip = s->held >= 2 && s->buffer[0] == 0x1f && s->buffer[1] == 0x8b;
    if (!s->gzip) return BMRT_OK;
    s->z.zalloc = zlib_alloc;
    s->z.zfree = zlib_free;
    s->z.opaque = (void *)hooks; /* zlib only hands it back */
    s->inflating = inflateInit2(&s->z, 15 + 16) == Z_OK;
    return s->inflating ? BMRT_OK : no_memory(s);
}

static BmrtStatus read_plain(BmrtStream *s, uint8_t *out, int64_t bytes, int64_t *got) {
    BmrtStatus status = BMRT_OK;
    const int64_t held = s->held - s->used, take = held < bytes ? held : bytes;
    memcpy(out, s->buffer + s->used, (size_t)take);
    s->used += take;
    *got = take;
    while (status == BMRT_OK && *got < bytes) {
        int64_t n = 0;
        status = read_some(s, out + *got, bytes - *got, &n);
        if (status != BMRT_OK || n == 0) break;
        *got += n;
    }
    return status;
}

/* After a member's end: another member, or nothing. */
static BmrtStatus next_member(BmrtStream *s) {
    if (s->used == s->held) {
        const BmrtStatus status = fill(s);
        if (status != BMRT_OK) return status;
    }
    s->ended = s->held == 0;
    if (s->ended) return BMRT_OK;
    if (s->buffer[s->used] != 0x1f) return damaged(s, "something follows the end of the gzip data");
    return inflateReset(&s->z) == Z_OK ? BMRT_OK : no_memory(s);
}

static BmrtStatus inflate_some(BmrtStream *s, uint8_t *out, int64_t room, int64_t *got) {
    if (s->used == s->held) {
        const BmrtStatus status = fill(s);
        if (status != BMRT_OK) return status;
        if (s->held == 0) return damaged(s, "the gzip data are cut off");
    }
    const int64_t most = room < 1 << 30 ? room : 1 << 30;
    s->z.next_in = s->buffer + s->used;
    s->z.avail_in = (unsigned)(s->held - s->used);
    s->z.next_out = out;
    s->z.avail_out = (unsigned)most;
    const int code = inflate(&s->z, Z_NO_FLUSH);
    s->used = s->held - s->z.avail_in;
    *got = most - s->z.avail_out;
    s->position += *got;
    if (code == Z_STREAM_END) return next_member(s);
    if (code == Z_MEM_ERROR) return no_memory(s);
    if (code != Z_OK && code != Z_BUF_ERROR)
        return damaged(s, s->z.msg ? s->z.msg : "invalid gzip data");
    return BMRT_OK;
}

BmrtStatus bmrt_stream_read(BmrtStream *s, void *out, int64_t bytes, int64_t *got) {
    BmrtStatus status = BMRT_OK;
    *got = 0;
    if (!s->gzip) {
        status = read_plain(s, out, bytes, got);
        s->position += *got;
        return status;
    }
    while (status == BMRT_OK && *got < bytes && !s->ended) {
        int64_t n = 0;
        status = inflate_some(s, (uint8_t *)out + *got, bytes - *got, &n);
        *got += n;
    }
    return status;
}

int64_t bmrt_stream_limit(const BmrtStream *s) {
    int64_t limit;
    if (!s->gzip) return s->file_bytes;
    return __builtin_mul_overflow(s->file_bytes, DEFLATE_RATIO, &limit) ? INT64_MAX : limit;
}

void bmrt_stream_close(BmrtStream *s) {
    if (s->inflating) inflateEnd(&s->z);
    bmrt_delete(s->hooks, s->buffer, s->room, 1);
    if (s->file >= 0) s->hooks->close(s->hooks->user, s->file);
    s->inflating = 0;
    s->buffer = NULL;
    s->file = -1;
}
