/* model.so: the object, linked with the runtime part that every model carries. That part is
 * embedded here as one relocatable object, so making a library needs no C compiler and no installed
 * bmc, only a linker. All symbols are local to the library but the model's own API. It says that it
 * needs the C library, by means of a stand-in for it (runtime/system_stub.cmake). */
#include "compiler/codegen/linkers.h"
#include "compiler/codegen/object_file.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct LinkFiles { /* all in one temporary folder beside the result */
    const char *folder, **objects, *script, *libc, *log, *library;
    uint32_t count; /* of objects */
} LinkFiles;

static bool link_files_open(CodeModule *m, const char *path, LinkFiles *f) {
    Arena *arena = m->ctx->arena;
    char *folder = arena_printf(arena, "%s.link-XXXXXX", path);
    *f = (LinkFiles){0};
    if (!mkdtemp(folder)) {
        ctx_error(m->ctx, E_FILE, (Span){0}, "cannot write `%s`: %s", path, strerror(errno));
        return false;
    }
    f->folder = folder;
    f->script = arena_printf(arena, "%s/exports", folder);
    f->log = arena_printf(arena, "%s/log", folder);
    f->library = arena_printf(arena, "%s/library.so", folder);
    return true;
}

static bool link_files_write(CodeModule *m, const RuntimeObject *runtime, LinkFiles *f) {
    Arena *arena = m->ctx->arena;
    const RuntimeObject *libc = runtime_object_find(runtime->arch, RUNTIME_libc);
    INVARIANT(libc);
    ObjectBytes *objects = linked_objects(m, runtime, &f->count);
    f->objects = ARENA_ARRAY(arena, const char *, f->count);
    for (uint32_t i = 0; i < f->count; i++) {
        f->objects[i] = arena_printf(arena, "%s/%s", f->folder, objects[i].name);
        if (!file_write(m->ctx, f->objects[i], objects[i].bytes, objects[i].size)) return false;
    }
    if (libc->end > libc->begin) f->libc = arena_printf(arena, "%s/libc.so", f->folder);
    const char *script = arena_printf(arena, "{ global: %s_*; local: *; };\n", m->program->stem);
    return (!f->libc ||
            file_write(m->ctx, f->libc, libc->begin, (size_t)(libc->end - libc->begin))) &&
           file_write(m->ctx, f->script, script, strlen(script));
}

static void link_files_remove(const LinkFiles *f) {
    if (!f->folder) return;
    const char *const files[] = {f->script, f->libc, f->log, f->library};
    for (uint32_t i = 0; f->objects && i < f->count && f->objects[i]; i++) unlink(f->objects[i]);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i]) unlink(files[i]);
    rmdir(f->folder);
}

/* The exit status, or -1 when the program cannot be started. Its messages go to `log`. */
static int run_program(char *const *args, const char *log) {
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 0;
    if (posix_spawn_file_actions_init(&actions) != 0) return -1;
    bool ready = posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC,
                                                  0600) == 0 &&
                 posix_spawn_file_actions_adddup2(&actions, 1, 2) == 0;
    int error = ready ? posix_spawnp(&child, args[0], &actions, NULL, args, environ) : ENOMEM;
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return -1;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    /* 127: started, but the program is not there (how some libcs report it) */
    if (WIFEXITED(status)) return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
    return 1;
}

static int run_linker(CodeModule *m, const Linker *linker, const LinkFiles *f) {
    Arena *arena = m->ctx->arena;
    static const char *const options[] = {
        "--gc-sections",   "-z",          "relro",           "-z", "now", "-z", "noexecstack",
        "--build-id=none", "--strip-all", "--hash-style=gnu"};
    VEC(char *) args = {0};
#define ARGUMENT(text) vec_push(arena, &args, arena_strdup(arena, text))
#define OPTION(text)                                                                               \
    do {                                                                                           \
        if (linker->driver) ARGUMENT("-Xlinker");                                                  \
        ARGUMENT(text);                                                                            \
    } while (0)
    ARGUMENT(linker->path);
    ARGUMENT("-shared");
    ARGUMENT(linker->driver ? "-nostdlib" : "-m");
    if (!linker->driver) ARGUMENT(m->target.machine->emulation);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) OPTION(options[i]);
    if (!strstr(linker->path, "gold")) { /* which does not know it, and does it anyway */
        OPTION("-z");
        OPTION("noseparate-code"); /* a page less between sections: small models are small files */
    }
    OPTION(arena_printf(arena, "-soname=%s.so", m->program->stem));
    OPTION(arena_printf(arena, "--version-script=%s", f->script));
    ARGUMENT("-o");
    ARGUMENT(f->library);
    for (uint32_t i = 0; i < f->count; i++) ARGUMENT(f->objects[i]);
    for (uint32_t i = 0; i < m->library_count; i++) { /* as dlopen looks: a bare name is no path */
        const char *library = m->libraries[i];
        ARGUMENT(strchr(library, '/') ? library : arena_printf(arena, "-l:%s", library));
    }
    if (f->libc) { /* last: what nothing else has. What that lacks too is found now */
        OPTION("-z");
        OPTION("defs");
        OPTION("--as-needed");
        ARGUMENT(f->libc);
    }
#undef ARGUMENT
#undef OPTION
    vec_push(arena, &args, (char *)NULL);
    return run_program(args.data, f->log);
}

static const char *log_text(CodeModule *m, const char *path) {
    char text[2048];
    FILE *file = fopen(path, "r");
    if (!file) return "";
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    return arena_strdup(m->ctx->arena, text);
}

static bool link_report(CodeModule *m, const char *path, const Linker *linker, const char *log) {
    Diag *d = ctx_error(m->ctx, E_LINK, (Span){0}, "`%s` could not link `%s`", linker->path, path);
    if (log[0]) diag_note(d, "%s", log);
    if (linker->driver)
        diag_help(d, "a compiler needs a linker itself: install lld or binutils (Debian: `apt "
                     "install lld`)");
    diag_help(d, "`--linker FILE` takes another linker");
    return false;
}

bool codegen_link(CodeModule *m, const char *path) {
    Linker linker;
    const RuntimeObject *runtime = module_runtime(m);
    if (!runtime || !linker_find(m->ctx, m->target.machine, m->linker, path, &linker)) return false;
    LinkFiles files;
    bool ok = link_files_open(m, path, &files) && link_files_write(m, runtime, &files);
    if (ok && run_linker(m, &linker, &files) != 0)
        ok = link_report(m, path, &linker, log_text(m, files.log));
    if (ok && rename(files.library, path) != 0) {
        ctx_error(m->ctx, E_FILE, (Span){0}, "cannot write `%s`: %s", path, strerror(errno));
        ok = false;
    }
    link_files_remove(&files);
    return ok;
}
