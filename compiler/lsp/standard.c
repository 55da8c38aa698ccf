/* The prelude's trees, and its text as files for `go to definition`. */
#include "compiler/lsp/standard.h"
#include "compiler/lsp/lookup.h"
#include "compiler/prelude/prelude.h"
#include "compiler/syntax/syntax.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool standard_open(Standard *s) {
    jmp_buf recovery;
    memset(s, 0, sizeof *s);
    s->ctx = context_create();
    if (!s->ctx) return false;
    if (setjmp(recovery)) {
        standard_close(s);
        return false;
    }
    arena_on_oom(s->ctx->arena, &recovery);
    for (const BmcPrelude *file = BMC_PRELUDE; file->name; file++) {
        uint32_t id = sources_add(s->ctx->sources, file->name, file->text, file->len, 1);
        vec_push(s->ctx->arena, &s->trees, syntax_parse(s->ctx, id));
    }
    arena_on_oom(s->ctx->arena, NULL);
    return true;
}

void standard_close(Standard *s) {
    if (s->ctx) context_destroy(s->ctx);
    s->ctx = NULL;
}

const Node *standard_item(const Standard *s, const char *name) {
    const Node *item = NULL;
    for (uint32_t i = 0; i < s->trees.len && !item; i++) item = item_named(s->trees.data[i], name);
    return item;
}

/* Makes every folder of `path`, like mkdir -p; only this user may look inside. */
static bool folders_make(char *path) {
    for (char *c = path + 1; *c; c++) {
        if (*c != '/') continue;
        *c = '\0';
        mkdir(path, 0700); /* a failure shows when the file is opened */
        *c = '/';
    }
    return true;
}

const char *standard_uri(const Standard *s, const Node *item) {
    const Source *source = sources_get(s->ctx->sources, item->span.file);
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char path[1024], uri[1040], partial[1040];
    int length =
        cache && *cache == '/'
            ? snprintf(path, sizeof path, "%s/bmc/%s", cache, source->name)
            : snprintf(path, sizeof path, "%s/.cache/bmc/%s", home ? home : "", source->name);
    if (length <= 0 || (size_t)length >= sizeof path || path[0] != '/' || !folders_make(path))
        return NULL;
    snprintf(partial, sizeof partial, "%s.%ld", path, (long)getpid());
    FILE *file = fopen(partial, "w");
    if (!file) return NULL;
    bool written = fwrite(source->text, 1, source->len, file) == source->len;
    if (fclose(file) != 0 || !written || rename(partial, path) != 0) {
        unlink(partial);
        return NULL;
    }
    snprintf(uri, sizeof uri, "file://%s", path);
    return arena_strdup(s->ctx->arena, uri);
}
