/* The cache of objects: what is kept is found, what is damaged, foreign or open to others is not,
 * and nothing that goes wrong with the folder stops anybody. */
#define _GNU_SOURCE
#include "compiler/driver/object_cache.h"
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char root[256], folder[300];
static Context *ctx;
static ObjectCache cache;

static void setup(void) {
    snprintf(root, sizeof root, "%s/cache-test-XXXXXX", BMC_BINARY_DIR);
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(folder, sizeof folder, "%s/a/b", root);
    setenv("BMC_CACHE_DIR", folder, 1);
    ctx = context_create();
    ck_assert(object_cache_open(&cache, ctx->arena, NULL));
}

static void teardown(void) {
    char command[400];
    object_cache_close(&cache);
    context_destroy(ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

static void keep(const char *key, const char *bytes) {
    cache.store.keep(&cache, key, strlen(key), bytes, strlen(bytes));
}
static const char *find(const char *key) {
    const char *bytes;
    size_t size;
    if (!cache.store.find(&cache, ctx->arena, key, strlen(key), &bytes, &size)) return NULL;
    return arena_strndup(ctx->arena, bytes, size);
}

/* Path of the only entry, NULL when there is none; *others: files that are no entries. */
static const char *only_entry(int *others) {
    static char path[700];
    DIR *d = opendir(folder);
    int entries = 0;
    *others = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        if (strlen(e->d_name) != 64) {
            ++*others;
            continue;
        }
        entries++;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    }
    closedir(d);
    ck_assert_int_le(entries, 1);
    return entries ? path : NULL;
}

START_TEST(kept_is_found) {
    struct stat s;
    int others;
    ck_assert_ptr_null(find("key"));
    keep("key", "object");
    ck_assert_str_eq(find("key"), "object");
    ck_assert_ptr_null(find("kez"));
    ck_assert_ptr_null(find("ke"));
    ck_assert_uint_eq(cache.found, 1);
    ck_assert_uint_eq(cache.missed, 3);
    keep("key", "other"); /* the newer one */
    ck_assert_str_eq(find("key"), "other");
    keep("empty", "");
    ck_assert_str_eq(find("empty"), "");
    ck_assert_uint_eq(object_cache_use(&cache).entries, 2);
    ck_assert_uint_eq(object_cache_clear(&cache), 2);
    keep("key", "object");
    ck_assert_int_eq(stat(folder, &s), 0);
    ck_assert_uint_eq(s.st_mode & 0777, 0700);
    ck_assert_int_eq(stat(only_entry(&others), &s), 0);
    ck_assert_uint_eq(s.st_mode & 0777, 0600);
    ck_assert_int_eq(others, 0);
    ck_assert_ptr_null(cache.problem);
    cache.identity = "another build of bmc";
    ck_assert_ptr_null(find("key"));
}
END_TEST

static size_t file_load(const char *path, char *into, size_t room) {
    FILE *f = fopen(path, "rb");
    size_t size = fread(into, 1, room, f);
    fclose(f);
    return size;
}
static void file_store(const char *path, const char *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    fclose(f);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

static void expect_removed(const char *path, uint32_t damaged) {
    ck_assert_ptr_null(find("key"));
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_uint_eq(cache.damaged, damaged);
}

/* Every bit-flipped byte, every shorter length, and something behind the end. */
START_TEST(damage_is_seen_and_removed) {
    int others;
    char whole[1024], bad[1024], path[700];
    uint32_t damaged = 0;
    keep("key", "an object of some length");
    snprintf(path, sizeof path, "%s", only_entry(&others));
    size_t size = file_load(path, whole, sizeof whole);
    ck_assert_uint_eq(size, 144 + strlen("an object of some length"));
    for (size_t i = 0; i < size; i++) {
        memcpy(bad, whole, size);
        bad[i] = (char)(bad[i] ^ (1 << i % 8));
        file_store(path, bad, size);
        expect_removed(path, ++damaged);
    }
    for (size_t i = 0; i < size; i++) {
        file_store(path, whole, i);
        expect_removed(path, ++damaged);
    }
    memcpy(bad, whole, size);
    bad[size] = 0;
    file_store(path, bad, size + 1);
    expect_removed(path, ++damaged);
    file_store(path, whole, size);
    ck_assert_str_eq(find("key"), "an object of some length");
    keep("other", "x"); /* an entry under the name of another */
    ck_assert_uint_eq(object_cache_use(&cache).entries, 2);
}
END_TEST

START_TEST(an_entry_under_a_foreign_name) {
    int others;
    char path[700], saved[700];
    keep("other", "what belongs to another key");
    snprintf(saved, sizeof saved, "%s", only_entry(&others));
    snprintf(path, sizeof path, "%s/kept", root);
    ck_assert_int_eq(rename(saved, path), 0);
    keep("key", "object");
    snprintf(saved, sizeof saved, "%s", only_entry(&others));
    ck_assert_int_eq(rename(path, saved), 0);
    expect_removed(saved, 1);
}
END_TEST

START_TEST(entries_that_others_may_have_written) {
    int others;
    char path[700], target[700];
    keep("key", "object");
    snprintf(path, sizeof path, "%s", only_entry(&others));
    ck_assert_int_eq(chmod(path, 0622), 0);
    expect_removed(path, 1);
    keep("key", "object"); /* a link to a good entry elsewhere */
    snprintf(target, sizeof target, "%s/elsewhere", root);
    ck_assert_int_eq(rename(path, target), 0);
    ck_assert_int_eq(symlink(target, path), 0);
    expect_removed(path, 2);
    ck_assert_int_eq(mkfifo(path, 0600), 0); /* does not wait for a writer */
    expect_removed(path, 3);
}
END_TEST

static const char *refused(void) {
    ObjectCache c;
    ck_assert(!object_cache_open(&c, ctx->arena, NULL));
    ck_assert_int_eq(c.directory, -1);
    object_cache_close(&c);
    return c.problem;
}

START_TEST(folders_that_are_not_used) {
    char path[400];
    ck_assert_int_eq(chmod(folder, 0750), 0);
    ck_assert_ptr_nonnull(strstr(refused(), "others may"));
    ck_assert_int_eq(chmod(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/link", root);
    ck_assert_int_eq(symlink(folder, path), 0);
    setenv("BMC_CACHE_DIR", path, 1);
    ck_assert_ptr_nonnull(strstr(refused(), "cannot be opened"));
    snprintf(path, sizeof path, "%s/file", root);
    file_store(path, "x", 1);
    setenv("BMC_CACHE_DIR", path, 1);
    ck_assert_ptr_nonnull(strstr(refused(), strerror(ENOTDIR)));
    strcat(path, "/below");
    setenv("BMC_CACHE_DIR", path, 1);
    ck_assert_ptr_nonnull(strstr(refused(), strerror(ENOTDIR)));
    setenv("BMC_CACHE_DIR", "", 1);
    ck_assert_ptr_null(refused());
}
END_TEST

START_TEST(where_it_is) {
    ObjectCache c;
    char path[400];
    unsetenv("BMC_CACHE_DIR");
    setenv("XDG_CACHE_HOME", root, 1);
    ck_assert(object_cache_open(&c, ctx->arena, NULL));
    snprintf(path, sizeof path, "%s/bmc", root);
    ck_assert_str_eq(c.folder, path);
    object_cache_close(&c);
    setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, says its specification */
    setenv("HOME", root, 1);
    ck_assert(object_cache_open(&c, ctx->arena, NULL));
    snprintf(path, sizeof path, "%s/.cache/bmc", root);
    ck_assert_str_eq(c.folder, path);
    object_cache_close(&c);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    ck_assert_ptr_null(refused());
}
END_TEST

/* A file system that is full, as far as a limit on file sizes can play one. */
START_TEST(no_room) {
    int others;
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (rlim_t room = 0; room < 150; room += 48) {
        small = (struct rlimit){room, old.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        cache.problem = NULL;
        keep("key", "an object of some length");
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        ck_assert_ptr_nonnull(strstr(cache.problem, "nothing more is kept"));
        ck_assert_ptr_null(find("key"));
        ck_assert_ptr_null(only_entry(&others));
        ck_assert_int_eq(others, 0);
    }
    keep("key", "object"); /* one failure is enough: no more attempts in this run */
    ck_assert_ptr_null(find("key"));
}
END_TEST

/* Processes that keep and find the same entries: each find gives a whole object or none. */
static void busy_writer(unsigned seed) {
    char key[32], bytes[4096];
    for (int i = 0; i < 150; i++) {
        int number = rand_r(&seed) % 5;
        snprintf(key, sizeof key, "key %d", number);
        const char *got = find(key);
        memset(bytes, 'a' + number, sizeof bytes);
        bytes[1000 + 500 * number] = '\0';
        if (got && strcmp(got, bytes) != 0) _exit(1);
        if (!got || i % 3 == 0) keep(key, bytes);
        if (i % 50 == 49) object_cache_clear(&cache);
    }
    if (cache.problem) fprintf(stderr, "problem: %s\n", cache.problem);
    _exit(cache.damaged > 0 ? 2 : cache.problem ? 3 : 0);
}

START_TEST(several_processes) {
    pid_t children[6];
    for (unsigned i = 0; i < 6; i++) {
        children[i] = fork();
        if (children[i] == 0) busy_writer(i + 1);
        ck_assert_int_gt(children[i], 0);
    }
    for (int i = 0; i < 6; i++) {
        int status;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);
    }
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) ck_assert_int_ne(strncmp(e->d_name, "new-", 4), 0);
    closedir(d);
}
END_TEST

/* Entries that were used in this minute were last used `seconds` ago. */
static void make_older(time_t seconds) {
    char path[700];
    const time_t now = time(NULL);
    const struct timespec times[2] = {{.tv_sec = now - seconds}, {.tv_sec = now - seconds}};
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat s;
        snprintf(path, sizeof path, "%s/%.64s", folder, e->d_name);
        if (strlen(e->d_name) == 64 && stat(path, &s) == 0 && s.st_mtim.tv_sec + 60 > now)
            utimensat(AT_FDCWD, path, times, 0);
    }
    closedir(d);
}

START_TEST(what_was_used_longest_ago_goes_first) {
    char key[16], object[300], left[400];
    memset(object, 'x', sizeof object - 1);
    object[sizeof object - 1] = '\0';
    for (int i = 0; i < 10; i++) { /* 10 entries of 443 bytes; key 0 the oldest */
        snprintf(key, sizeof key, "%d", i);
        keep(key, object);
        make_older(10000 - 100 * i);
    }
    snprintf(left, sizeof left, "%s/new-1-0123456789abcdef", folder); /* of a writer long gone */
    file_store(left, "x", 1);
    struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    utimensat(AT_FDCWD, left, long_ago, 0);
    ck_assert_ptr_nonnull(find("0")); /* used now */
    cache.limit_bytes = 4000;
    object_cache_close(&cache);
    ck_assert(object_cache_open(&cache, ctx->arena, NULL));
    ck_assert_uint_le(object_cache_use(&cache).bytes, 3000);
    ck_assert_uint_ge(object_cache_use(&cache).entries, 6);
    ck_assert_ptr_nonnull(find("0"));
    ck_assert_ptr_nonnull(find("9"));
    ck_assert_ptr_null(find("1"));
    ck_assert_int_ne(access(left, F_OK), 0);
}
END_TEST

START_TEST(builds_have_an_identity) {
    const char *id = build_id(ctx->arena);
    ck_assert_ptr_nonnull(id);
    ck_assert_uint_ge(strlen(id), 16);
    ck_assert_uint_eq(strspn(id, "0123456789abcdef"), strlen(id));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("object_cache");
    TCase *t = tcase_create("cache");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, kept_is_found);
    tcase_add_test(t, damage_is_seen_and_removed);
    tcase_add_test(t, an_entry_under_a_foreign_name);
    tcase_add_test(t, entries_that_others_may_have_written);
    tcase_add_test(t, folders_that_are_not_used);
    tcase_add_test(t, where_it_is);
    tcase_add_test(t, no_room);
    tcase_add_test(t, several_processes);
    tcase_add_test(t, what_was_used_longest_ago_goes_first);
    tcase_add_test(t, builds_have_an_identity);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
