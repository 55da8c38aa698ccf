/* An entry is one file, named by the SHA-256 of its key: a head, then the object. It is written
 * under another name and renamed, so readers and other writers see it whole or not at all; it is
 * not synced, because a torn entry fails its checksum and is made again. */
#include "compiler/driver/object_cache.h"
#include "runtime/core/sha256.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_DIGITS = 64, ENTRY_BYTES_MAX = 1 << 30, STALE_SECONDS = 3600 };

typedef struct EntryHead {
    char magic[8]; /* the last byte is the version of this layout */
    uint64_t bytes;
    char key[NAME_DIGITS], object[NAME_DIGITS]; /* SHA-256 of the two */
} EntryHead;
static const char MAGIC[8] = {'b', 'm', 'c', 'o', 'b', 'j', '\n', 1};
_Static_assert(sizeof(EntryHead) == 144, "the head has no padding");

static void digest(char out[NAME_DIGITS + 1], const char *first, size_t first_len,
                   const char *second, size_t second_len) {
    BmrtSha256 s;
    bmrt_sha256_start(&s);
    bmrt_sha256_add(&s, first, first_len);
    bmrt_sha256_add(&s, second, second_len);
    bmrt_sha256_hex(&s, out);
}

static void problem(ObjectCache *c, const char *what) {
    if (!c->problem) c->problem = arena_printf(c->arena, "%s: %s", what, strerror(errno));
}

/* ------------------------------------------------------------------ entries */

static bool read_all(int file, char *into, size_t size) {
    while (size > 0) {
        ssize_t got = read(file, into, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        into += got;
        size -= (size_t)got;
    }
    return true;
}

static bool write_all(int file, const char *from, size_t size) {
    while (size > 0) {
        ssize_t put = write(file, from, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        from += put;
        size -= (size_t)put;
    }
    return true;
}

/* A file of this user that nobody else can have written. */
static bool trusted(const struct stat *s) {
    return S_ISREG(s->st_mode) && s->st_uid == geteuid() && (s->st_mode & 022) == 0;
}

static bool entry_is_whole(const EntryHead *head, const char *name, const char *object,
                           size_t size) {
    char sum[NAME_DIGITS + 1];
    if (memcmp(head->magic, MAGIC, sizeof MAGIC) != 0 || head->bytes != size ||
        memcmp(head->key, name, NAME_DIGITS) != 0)
        return false;
    digest(sum, object, size, "", 0);
    return memcmp(head->object, sum, NAME_DIGITS) == 0;
}

/* NULL: not there, or damaged and removed. Room is taken before the file is opened: running out of
 * memory leaves through longjmp. */
static char *entry_read(ObjectCache *c, Arena *arena, const char *name, size_t *size) {
    struct stat before, s;
    if (fstatat(c->directory, name, &before, AT_SYMLINK_NOFOLLOW) != 0) return NULL;
    bool good = trusted(&before) && before.st_size >= (off_t)sizeof(EntryHead) &&
                before.st_size <= ENTRY_BYTES_MAX;
    *size = good ? (size_t)before.st_size - sizeof(EntryHead) : 0;
    char *object = arena_alloc(arena, *size + 1);
    EntryHead head;
    int file = openat(c->directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) return NULL; /* another bmc removed it just now */
    bool opened = file >= 0 && fstat(file, &s) == 0;
    if (opened && s.st_ino != before.st_ino) { /* ... or replaced it: as if it were not there */
        close(file);
        return NULL;
    }
    good = good && opened && trusted(&s) && s.st_size == before.st_size &&
           read_all(file, (char *)&head, sizeof head) && read_all(file, object, *size) &&
           entry_is_whole(&head, name, object, *size);
    if (good) futimens(file, NULL); /* used now: removed last */
    if (file >= 0) close(file);
    if (good) return object;
    c->damaged++;
    unlinkat(c->directory, name, 0);
    return NULL;
}

static bool cache_find(void *user, Arena *arena, const char *key, size_t key_len,
                       const char **bytes, size_t *size) {
    ObjectCache *c = user;
    char name[NAME_DIGITS + 1];
    digest(name, c->identity, strlen(c->identity) + 1, key, key_len);
    *bytes = entry_read(c, arena, name, size);
    if (*bytes)
        c->found++;
    else
        c->missed++;
    return *bytes != NULL;
}

static bool entry_write(ObjectCache *c, const char *temporary, const EntryHead *head,
                        const char *bytes, size_t size) {
    int file =
        openat(c->directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return false;
    bool written =
        write_all(file, (const char *)head, sizeof *head) && write_all(file, bytes, size);
    int error = errno;
    if (close(file) != 0 && written) return false;
    errno = error;
    return written;
}

static void cache_keep(void *user, const char *key, size_t key_len, const char *bytes,
                       size_t size) {
    ObjectCache *c = user;
    EntryHead head = {.bytes = size};
    char name[NAME_DIGITS + 1], sum[NAME_DIGITS + 1], temporary[64];
    if (c->problem || size > ENTRY_BYTES_MAX - sizeof head) return;
    digest(name, c->identity, strlen(c->identity) + 1, key, key_len);
    digest(sum, bytes, size, "", 0);
    memcpy(head.magic, MAGIC, sizeof MAGIC);
    memcpy(head.key, name, NAME_DIGITS);
    memcpy(head.object, sum, NAME_DIGITS);
    /* c: threads of one process write at once, too */
    snprintf(temporary, sizeof temporary, "new-%ld-%zx-%.16s", (long)getpid(), (size_t)c, name);
    if (entry_write(c, temporary, &head, bytes, size) &&
        renameat(c->directory, temporary, c->directory, name) == 0) {
        c->kept++;
        return;
    }
    /* gone before its rename: another bmc cleared the folder meanwhile, as it may */
    if (errno != ENOENT) problem(c, "nothing more is kept");
    unlinkat(c->directory, temporary, 0);
}

/* ------------------------------------------------------------------ the folder */

static const char *folder_name(Arena *arena) {
    const char *own = getenv("BMC_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (own) return *own ? own : NULL;
    if (xdg && *xdg == '/') return arena_printf(arena, "%s/bmc", xdg);
    if (home && *home == '/') return arena_printf(arena, "%s/.cache/bmc", home);
    return NULL;
}

/* Makes what is missing of it, each folder for its user alone. */
static void folder_make(Arena *arena, const char *folder) {
    char *path = arena_strdup(arena, folder);
    for (char *at = path + 1; *at; at++) {
        if (*at != '/') continue;
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    mkdir(path, 0700);
}

static bool folder_open(ObjectCache *c) {
    struct stat s;
    folder_make(c->arena, c->folder);
    c->directory = open(c->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (c->directory < 0 || fstat(c->directory, &s) != 0) {
        problem(c, "cannot be opened");
        return false;
    }
    if (s.st_uid == geteuid() && (s.st_mode & 077) == 0) return true;
    c->problem = s.st_uid == geteuid() ? "others may read or write it (`chmod 700` it)"
                                       : "it belongs to another user";
    return false;
}

bool object_cache_open(ObjectCache *c, Arena *arena, const char *folder) {
    *c = (ObjectCache){.arena = arena, .directory = -1, .limit_bytes = CACHE_LIMIT_BYTES};
    c->folder = folder ? folder : folder_name(arena);
    if (!c->folder) return false;
    const char *build = build_id(arena);
    if (!build) {
        c->problem = "this bmc was linked without a build id (`-Wl,--build-id`)";
        return false;
    }
    c->identity = arena_printf(arena, "bmc %s build %s", BMC_VERSION, build);
    c->store = (CodeStore){cache_find, cache_keep, c};
    if (folder_open(c)) return true;
    if (c->directory >= 0) close(c->directory);
    c->directory = -1;
    return false;
}

/* ------------------------------------------------------------------ all entries */

typedef struct EntryFile {
    char name[NAME_DIGITS + 1];
    uint64_t bytes;
    struct timespec used;
} EntryFile;
typedef VEC(EntryFile) EntryFiles;

static bool entry_name(const char *name) {
    return strlen(name) == NAME_DIGITS && strspn(name, "0123456789abcdef") == NAME_DIGITS;
}

/* Also removes what a writer left that was stopped long ago. */
static void list_entry(const ObjectCache *c, const char *name, EntryFiles *out) {
    struct stat s;
    bool leftover = strncmp(name, "new-", 4) == 0;
    if (!(leftover || entry_name(name)) ||
        fstatat(c->directory, name, &s, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (leftover) {
        if (s.st_mtim.tv_sec + STALE_SECONDS < time(NULL)) unlinkat(c->directory, name, 0);
        return;
    }
    EntryFile entry = {.bytes = (uint64_t)s.st_size, .used = s.st_mtim};
    memcpy(entry.name, name, sizeof entry.name);
    vec_push(c->arena, out, entry);
}

static EntryFiles list(const ObjectCache *c) {
    EntryFiles files = {0};
    int again = openat(c->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = again >= 0 ? fdopendir(again) : NULL;
    if (!folder && again >= 0) close(again);
    for (struct dirent *d; folder && (d = readdir(folder));) list_entry(c, d->d_name, &files);
    if (folder) closedir(folder);
    return files;
}

CacheUse object_cache_use(const ObjectCache *c) {
    EntryFiles files = list(c);
    CacheUse use = {.entries = files.len};
    for (uint32_t i = 0; i < files.len; i++) use.bytes += files.data[i].bytes;
    return use;
}

uint64_t object_cache_clear(ObjectCache *c) {
    EntryFiles files = list(c);
    uint64_t removed = 0;
    for (uint32_t i = 0; i < files.len; i++)
        removed += unlinkat(c->directory, files.data[i].name, 0) == 0;
    return removed;
}

static int by_age(const void *a, const void *b) {
    const EntryFile *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec) return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Down to three quarters, so that not every run has to. */
static void evict(ObjectCache *c) {
    EntryFiles files = list(c);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < files.len; i++) bytes += files.data[i].bytes;
    if (bytes <= c->limit_bytes) return;
    qsort(files.data, files.len, sizeof files.data[0], by_age);
    for (uint32_t i = 0; i < files.len && bytes > c->limit_bytes / 4 * 3; i++)
        if (unlinkat(c->directory, files.data[i].name, 0) == 0) bytes -= files.data[i].bytes;
}

void object_cache_close(ObjectCache *c) {
    if (c->directory < 0) return;
    if (c->kept > 0) evict(c);
    close(c->directory);
    c->directory = -1;
}
