/* Paths of a model file are not trusted: it may come from anywhere. They stay below the data folder
 * or the model's own, unless the user allows more. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "runtime/data/dataset.h"

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
