/* dlopen and dlsym, on behalf of `extern fn`. */
#include "compiler/driver/extern_library.h"
#include <dlfcn.h>

static bool libraries_open(Pipeline *p) {
    const Options *o = &p->session->options;
    while (p->libraries.len < o->libraries.len) {
        const char *path = o->libraries.data[p->libraries.len];
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            Diag *d = session_error(p->session, E_FILE, "cannot load the library `%s`", path);
            diag_note(d, "%s", dlerror());
            if (!strchr(path, '/'))
                diag_help(d,
                          "a name without `/` is looked for where the system's libraries are; "
                          "`--allow-extern=./%s` means this folder",
                          path);
            return false;
        }
        vec_push(p->ctx->arena, &p->libraries, library);
    }
    return true;
}

BmrtExternFn extern_library_find(void *user, const char *name, const char **missing) {
    Pipeline *p = user;
    BmrtExternFn found = NULL;
    *missing = "a library could not be loaded";
    if (!libraries_open(p)) return NULL;
    Text looked = {.arena = p->ctx->arena};
    text_add(&looked, "looked in");
    for (uint32_t i = 0; i < p->libraries.len; i++) {
        void *address = dlsym(p->libraries.data[i], name);
        /* how POSIX says that dlsym's result becomes a function pointer */
        if (address) memcpy(&found, &address, sizeof found);
        if (found) return found;
        text_printf(&looked, " `%s`", p->session->options.libraries.data[i]);
    }
    *missing = text_str(&looked);
    return NULL;
}

void extern_library_close(Pipeline *p) {
    for (uint32_t i = 0; i < p->libraries.len; i++) dlclose(p->libraries.data[i]);
    p->libraries.len = 0;
}
