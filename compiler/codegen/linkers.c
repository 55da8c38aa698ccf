/* The list of linkers. LLD comes first: one program links for every machine, and the same version
 * gives the same bytes everywhere. A compiler comes last: it needs one of the others itself. */
#include "compiler/codegen/linkers.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Candidate {
    const char *name; /* %s: the machine's triple; %d: a version, the newest first */
    bool driver;
    bool host_only; /* it links for the machine that it runs on */
} Candidate;

static const Candidate candidates[] = {
    {"ld.lld", false, false},  {"ld.lld-%d", false, false}, {"ld", false, true},
    {"%s-ld", false, false},   {"ld.gold", false, true},    {"gold", false, true},
    {"ld.mold", false, false}, {"mold", false, false},      {"cc", true, true},
    {"%s-gcc", true, false},   {"gcc", true, true},         {"clang", true, true},
};
enum { CANDIDATES = sizeof candidates / sizeof candidates[0], LLD_NEWEST = 40, LLD_OLDEST = 11 };

static bool is_program(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* The file that running `name` would start; NULL when there is none. */
static const char *program_path(Arena *arena, const char *name) {
    const char *folders = getenv("PATH");
    if (strchr(name, '/')) return is_program(name) ? arena_strdup(arena, name) : NULL;
    while (folders && *folders) {
        size_t len = strcspn(folders, ":");
        const char *path = arena_printf(arena, "%.*s/%s", (int)len, folders, name);
        if (len > 0 && is_program(path)) return path;
        folders += len + (folders[len] == ':');
    }
    return NULL;
}

static const char *candidate_path(Arena *arena, const Candidate *c, const Machine *machine) {
    if (strstr(c->name, "%s"))
        return program_path(arena, arena_printf(arena, "%s%s", machine->triple, c->name + 2));
    if (!strstr(c->name, "%d")) return program_path(arena, c->name);
    for (int version = LLD_NEWEST; version >= LLD_OLDEST; version--) {
        const char *path = program_path(arena, arena_printf(arena, "ld.lld-%d", version));
        if (path) return path;
    }
    return NULL;
}

static bool is_host(const Machine *machine) {
#if defined __x86_64__
    return strcmp(machine->arch, "x86_64") == 0;
#elif defined __aarch64__
    return strcmp(machine->arch, "aarch64") == 0;
#elif defined __riscv
    return strcmp(machine->arch, "riscv64") == 0;
#else
    return false;
#endif
}

/* By its name: gcc, cc, clang, x86_64-linux-gnu-gcc-12, but not ld. */
static bool is_driver(const char *path) {
    static const char *const names[] = {"gcc", "clang", "cc", "g++", "c++"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *at = strstr(name, names[i]);
        if (at && (at == name || at[-1] == '-')) return true;
    }
    return false;
}

static bool no_linker(Context *ctx, const Machine *machine, const char *library) {
    Diag *d = ctx_error(ctx, E_LINK, (Span){0}, "no linker to make `%s` with", library);
    if (is_host(machine)) {
        diag_note(d, "looked in PATH for `ld.lld`, `ld`, `gold`, `mold` and `cc`");
        diag_help(d, "install lld or binutils (Debian: `apt install lld`)");
    } else {
        diag_note(d, "looked in PATH for `ld.lld`, `%s-ld`, `mold` and `%s-gcc`", machine->triple,
                  machine->triple);
        diag_help(d, "install lld, which links for every machine (Debian: `apt install lld`)");
    }
    diag_help(d, "`--linker FILE` names one elsewhere; `-o MODEL.o` needs none");
    return false;
}

bool linker_find(Context *ctx, const Machine *machine, const char *wanted, const char *library,
                 Linker *out) {
    *out = (Linker){0};
    if (wanted) {
        *out = (Linker){program_path(ctx->arena, wanted), is_driver(wanted)};
        if (out->path) return true;
        Diag *d = ctx_error(ctx, E_LINK, (Span){0}, "there is no linker `%s`", wanted);
        diag_help(d, "`--linker` wants a program: a path, or a name in PATH");
        return false;
    }
    for (uint32_t i = 0; i < CANDIDATES && !out->path; i++)
        if (is_host(machine) || !candidates[i].host_only)
            *out =
                (Linker){candidate_path(ctx->arena, &candidates[i], machine), candidates[i].driver};
    return out->path || no_linker(ctx, machine, library);
}
