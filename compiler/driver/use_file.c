/* Files named by `use`. A model file is not trusted: the path is relative to the file that names it
 * and stays below that file's folder, unless the user allows more (--allow-paths). */
#define _XOPEN_SOURCE 700 /* realpath */
#include "compiler/driver/use_file.h"
#include "compiler/driver/file_output.h"
#include <stdlib.h>

static const char *folder_of(Context *ctx, const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return ".";
    return slash == path ? "/" : arena_strndup(ctx->arena, path, (size_t)(slash - path));
}

/* The one name of an existing file; NULL: there is none. */
static const char *real_name(Context *ctx, const char *path) {
    char *real = realpath(path, NULL);
    const char *kept = real ? arena_strdup(ctx->arena, real) : NULL;
    free(real);
    return kept;
}

static bool climbs(const char *path) {
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2])) return true;
    }
    return false;
}

static bool refuse(Session *s, Span at, const char *path, const char *why) {
    Diag *d = ctx_error(s->ctx, E_FILE, at, "`%s` %s", path, why);
    diag_note(d, "a used file lies beside the file that uses it, or in a folder below");
    diag_help(d, "`--allow-paths` permits other places");
    return false;
}

static bool below(const char *real, const char *folder) {
    size_t n = strlen(folder);
    return strncmp(real, folder, n) == 0 && (real[n] == '/' || (n > 0 && folder[n - 1] == '/'));
}

bool use_file_open(void *user, Span at, const char *path, SemaFile *out) {
    Session *s = user;
    bool allow = option_given(&s->options, OPTION_allow_paths);
    const char *from = sources_get(s->ctx->sources, at.file)->name;
    if (*path == '\0') return refuse(s, at, path, "names no file");
    if (!allow && *path == '/') return refuse(s, at, path, "is an absolute path");
    if (!allow && climbs(path)) return refuse(s, at, path, "leaves its folder by `..`");
    const char *folder = folder_of(s->ctx, from);
    const char *name = *path == '/' || strcmp(folder, ".") == 0
                           ? path
                           : arena_printf(s->ctx->arena, "%s/%s", folder, path);
    out->identity = real_name(s->ctx, name);
    if (out->identity == NULL) {
        Diag *d = ctx_error(s->ctx, E_FILE, at, "there is no file `%s`", name);
        diag_help(d, "the path is relative to the folder of `%s`", from);
        return false;
    }
    const char *real_folder = real_name(s->ctx, folder);
    if (!allow && (real_folder == NULL || !below(out->identity, real_folder)))
        return refuse(s, at, path, "is a symbolic link that leaves its folder");
    out->file = session_read(s, name);
    return out->file != 0;
}

const char *use_file_identity(Session *s, const char *path) {
    const char *real = real_name(s->ctx, path);
    return real ? real : "";
}
