/* Paths of a model file are not trusted: it may come from anywhere. They stay below the data folder
 * or the model's own, unless the user allows more. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "runtime/data/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool climbs(const char *path) {
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2])) return true;
    }
    return false;
}

/* Both absolute and free of symlinks. */
static bool lies_below(const char *path, const char *folder) {
    const size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || (n > 0 && folder[n - 1] == '/'));
}

/* 1 found, 0 not there, -1 refused. */
static int look(const BmrtPaths *paths, const char *folder, const char *path,
                char out[BMRT_PATH_MAX], BmrtMessage *message) {
    const int n = snprintf(out, BMRT_PATH_MAX, "%s/%s", folder, path);
    if (n < 0 || n >= BMRT_PATH_MAX) {
        bmrt_fail(message, BMRT_ARGUMENT, "the path `%s` is too long", path);
        return -1;
    }
    char *real = realpath(out, NULL), *base = real ? realpath(folder, NULL) : NULL;
    const bool found = real != NULL, inside = base && lies_below(real, base);
    free(real);
    free(base);
    if (!found || inside || paths->allow) return found;
    bmrt_fail(message, BMRT_ARGUMENT,
              "`%s` is a symbolic link that leaves the folder `%s`\n--allow-paths permits it", path,
              folder);
    return -1;
}

BmrtStatus bmrt_path_resolve(const BmrtPaths *paths, const char *path, char out[BMRT_PATH_MAX],
                             BmrtMessage *message) {
    const char *beside = paths->model_dir && *paths->model_dir ? paths->model_dir : ".";
    if (!*path) return bmrt_fail(message, BMRT_ARGUMENT, "an empty path");
    if (!paths->allow && *path == '/')
        return bmrt_fail(message, BMRT_ARGUMENT,
                         "`%s` is an absolute path\ngive the folder with --data, or permit it with "
                         "--allow-paths",
                         path);
    if (!paths->allow && climbs(path))
        return bmrt_fail(message, BMRT_ARGUMENT,
                         "`%s` leaves its folder by `..`\n--allow-paths permits it", path);
    if (*path == '/') {
        const int n = snprintf(out, BMRT_PATH_MAX, "%s", path);
        return n < BMRT_PATH_MAX ? BMRT_OK
                                 : bmrt_fail(message, BMRT_ARGUMENT, "`%s` is too long", path);
    }
    int found = paths->data_dir ? look(paths, paths->data_dir, path, out, message) : 0;
    if (found == 0) found = look(paths, beside, path, out, message);
    if (found != 0) return found > 0 ? BMRT_OK : BMRT_ARGUMENT;
    if (paths->data_dir)
        return bmrt_fail(message, BMRT_IO, "cannot find `%s`, neither in `%s` (--data) nor in `%s`",
                         path, paths->data_dir, beside);
    return bmrt_fail(message, BMRT_IO,
                     "cannot find `%s` in `%s`\nsay where the data lie with --data DIR", path,
                     beside);
}

/* ------------------------------------------------------------------ several files */

enum { FILES_MAX = 10000 };

bool bmrt_path_is_pattern(const char *path) {
    const char *slash = strrchr(path, '/');
    return strpbrk(slash ? slash : path, "*?") != NULL;
}

/* `*` any bytes, `?` one; a leading point is matched by a point only. The last star is where a
 * mismatch goes back to, so the time is at most the product of the lengths. */
static bool matches(const char *pattern, const char *name) {
    const char *star = NULL, *retry = NULL;
    if (*name == '.' && *pattern != '.') return false;
    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

static BmrtStatus add_match(BmrtNames *found, const char *pattern, size_t folder_length,
                            const char *name, BmrtMessage *message) {
    char path[BMRT_PATH_MAX];
    const int n = snprintf(path, sizeof path, "%.*s%s", (int)folder_length, pattern, name);
    if (n < 0 || n >= BMRT_PATH_MAX)
        return bmrt_fail(message, BMRT_ARGUMENT, "a path that `%s` matches is too long", pattern);
    if (found->count == FILES_MAX)
        return bmrt_fail(message, BMRT_ARGUMENT, "`%s` matches more than %d files", pattern,
                         FILES_MAX);
    if (bmrt_names_add(found, path, (size_t)n) < 0)
        return bmrt_fail(message, BMRT_MEMORY, "no memory to list `%s`", pattern);
    return BMRT_OK;
}

/* The files of base/FOLDER OF PATTERN; a folder that is not there has none. */
static BmrtStatus match_below(const char *base, const char *pattern, BmrtNames *found,
                              BmrtMessage *message) {
    char folder[BMRT_PATH_MAX];
    const char *slash = strrchr(pattern, '/');
    const size_t length = slash ? (size_t)(slash - pattern) + 1 : 0;
    const int n = *pattern == '/'
                      ? snprintf(folder, sizeof folder, "%.*s", (int)length, pattern)
                      : snprintf(folder, sizeof folder, "%s/%.*s", base, (int)length, pattern);
    if (n < 0 || n >= BMRT_PATH_MAX)
        return bmrt_fail(message, BMRT_ARGUMENT, "the path `%s` is too long", pattern);
    DIR *open = opendir(folder);
    BmrtStatus status = BMRT_OK;
    if (!open) return BMRT_OK;
    for (struct dirent *d; status == BMRT_OK && (d = readdir(open)) != NULL;)
        if (matches(pattern + length, d->d_name))
            status = add_match(found, pattern, length, d->d_name, message);
    closedir(open);
    return status;
}

BmrtStatus bmrt_path_expand(const BmrtPaths *paths, const char *pattern, BmrtNames *found,
                            BmrtMessage *message) {
    const char *beside = paths->model_dir && *paths->model_dir ? paths->model_dir : ".";
    if (!paths->allow && (*pattern == '/' || climbs(pattern))) {
        char unused[BMRT_PATH_MAX];
        return bmrt_path_resolve(paths, pattern, unused, message);
    }
    BmrtStatus status = BMRT_OK;
    if (paths->data_dir) status = match_below(paths->data_dir, pattern, found, message);
    if (status == BMRT_OK && found->count == 0)
        status = match_below(beside, pattern, found, message);
    if (status != BMRT_OK || found->count > 0) return status;
    return bmrt_fail(message, BMRT_IO,
                     "no file matches `%s`\nsay where the data lie with --data DIR", pattern);
}
