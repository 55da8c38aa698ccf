/* model.so: the object, linked with the runtime part that every model carries. That part is
 * embedded here as one relocatable object, so making a library needs no C compiler and no installed
 * bmc, only a linker. All symbols are local to the library but the model's own API. */
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
extern const char bmrt_core_object[], bmrt_core_object_end[];
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".globl bmrt_core_object\n.hidden bmrt_core_object\nbmrt_core_object:\n"
        ".incbin \"" BMRT_CORE_OBJECT "\"\n"
        ".globl bmrt_core_object_end\n.hidden bmrt_core_object_end\nbmrt_core_object_end:\n"
        ".byte 0\n"
        ".previous\n");

const char *runtime_object(size_t *size) {
    *size = (size_t)(bmrt_core_object_end - bmrt_core_object);
    return bmrt_core_object;
}

typedef struct Linker {
    const char *program;
    bool driver; /* a compiler driver: linker options need -Wl, */
} Linker;
static const Linker linkers[] = {{"ld", false}, {"ld.lld", false}, {"cc", true}};

typedef struct LinkFiles { /* all in one temporary folder beside the result */
    const char *folder, **objects, *runtime, *script, *log, *library;
} LinkFiles;

static bool link_files_write(CodeModule *m, const char *path, LinkFiles *f) {
    Arena *arena = m->ctx->arena;
    char *folder = arena_printf(arena, "%s.link-XXXXXX", path);
    *f = (LinkFiles){0};
    if (!mkdtemp(folder)) {
        ctx_error(m->ctx, E_FILE, (Span){0}, "cannot write `%s`: %s", path, strerror(errno));
        return false;
    }
    f->folder = folder;
    f->runtime = arena_printf(arena, "%s/runtime.o", folder);
    f->script = arena_printf(arena, "%s/exports", folder);
    f->log = arena_printf(arena, "%s/log", folder);
    f->library = arena_printf(arena, "%s/library.so", folder);
    module_objects(m);
    f->objects = ARENA_ARRAY(arena, const char *, m->parts.len + 1);
    for (uint32_t i = 0; i < m->parts.len; i++) {
        LLVMMemoryBufferRef object = m->parts.data[i]->object;
        f->objects[i] = arena_printf(arena, "%s/model%u.o", folder, i);
        if (!file_write(m->ctx, f->objects[i], LLVMGetBufferStart(object),
                        LLVMGetBufferSize(object)))
            return false;
    }
    const char *script = arena_printf(arena, "{ global: %s_*; local: *; };\n", m->program->stem);
    size_t size;
    const char *runtime = runtime_object(&size);
    return file_write(m->ctx, f->runtime, runtime, size) &&
           file_write(m->ctx, f->script, script, strlen(script));
}

static void link_files_remove(const LinkFiles *f) {
    if (!f->folder) return;
    const char *const files[] = {f->runtime, f->script, f->log, f->library};
    for (uint32_t i = 0; f->objects && f->objects[i]; i++) unlink(f->objects[i]);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) unlink(files[i]);
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
    static const char *const options[] = {"--gc-sections",
                                          "--no-undefined-version",
                                          "-z",
                                          "relro",
                                          "-z",
                                          "now",
                                          "-z",
                                          "noexecstack",
                                          "--build-id=none",
                                          "--strip-all",
                                          "--hash-style=gnu"};
    VEC(char *) args = {0};
#define ARGUMENT(text) vec_push(arena, &args, arena_strdup(arena, text))
    ARGUMENT(linker->program);
    ARGUMENT("-shared");
    if (linker->driver) ARGUMENT("-nostdlib");
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i], "--no-undefined-version") == 0) continue;
        if (linker->driver) ARGUMENT("-Xlinker");
        ARGUMENT(options[i]);
    }
    const char *soname = arena_printf(arena, "-soname=%s.so", m->program->stem);
    const char *script = arena_printf(arena, "--version-script=%s", f->script);
    if (linker->driver) ARGUMENT("-Xlinker");
    ARGUMENT(soname);
    if (linker->driver) ARGUMENT("-Xlinker");
    ARGUMENT(script);
    ARGUMENT("-o");
    ARGUMENT(f->library);
    for (uint32_t i = 0; i < m->parts.len; i++) ARGUMENT(f->objects[i]);
    ARGUMENT(f->runtime);
    for (uint32_t i = 0; i < m->library_count; i++) { /* as dlopen looks: a bare name is no path */
        const char *library = m->libraries[i];
        ARGUMENT(strchr(library, '/') ? library : arena_printf(arena, "-l:%s", library));
    }
#undef ARGUMENT
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

static bool link_report(CodeModule *m, const char *path, const char *program, const char *log) {
    if (program) {
        Diag *d = ctx_error(m->ctx, E_LINK, (Span){0}, "`%s` could not link `%s`", program, path);
        if (log[0]) diag_note(d, "%s", log);
        return false;
    }
    Diag *d = ctx_error(m->ctx, E_LINK, (Span){0}, "no linker to make `%s` with", path);
    diag_note(d, "looked for `ld`, `ld.lld` and `cc` in PATH");
    diag_help(d, "install binutils (Debian: `apt install binutils`) or lld");
    diag_help(d, "`-o MODEL.o` needs no linker");
    return false;
}

bool codegen_link(CodeModule *m, const char *path) {
    LinkFiles files;
    bool ok = link_files_write(m, path, &files);
    const char *used = NULL;
    int status = -1;
    for (size_t i = 0; ok && status < 0 && i < sizeof linkers / sizeof linkers[0]; i++) {
        status = run_linker(m, &linkers[i], &files);
        if (status >= 0) used = linkers[i].program;
    }
    if (ok && status != 0) ok = link_report(m, path, used, used ? log_text(m, files.log) : "");
    if (ok && rename(files.library, path) != 0) {
        ctx_error(m->ctx, E_FILE, (Span){0}, "cannot write `%s`: %s", path, strerror(errno));
        ok = false;
    }
    link_files_remove(&files);
    return ok;
}
