/* bmc cache: what the cache of objects holds, and how to empty it. */
#include "compiler/driver/cli_session.h"
#include "compiler/driver/object_cache.h"
#include "compiler/support/json.h"

static ExitCode no_cache(Session *s, const ObjectCache *c) {
    if (!c->folder) {
        fprintf(s->out,
                "no cache: neither BMC_CACHE_DIR nor XDG_CACHE_HOME nor HOME names a folder\n");
        return EXIT_CODE_OK;
    }
    Diag *d = session_error(s, E_FILE, "the cache `%s` is not used", c->folder);
    diag_note(d, "%s", c->problem);
    return EXIT_CODE_RUN;
}

static void show(Session *s, const ObjectCache *c) {
    CacheUse use = object_cache_use(c);
    if (s->json) {
        Text t = {.arena = s->ctx->arena};
        json_open(&t, NULL, '{');
        json_text(&t, "event", "cache");
        json_text(&t, "folder", c->folder);
        json_integer(&t, "entries", (int64_t)use.entries);
        json_integer(&t, "bytes", (int64_t)use.bytes);
        json_close(&t, '}');
        fprintf(s->out, "%s\n", text_str(&t));
        return;
    }
    fprintf(s->out, "folder   %s\nentries  %llu\nsize     %.1f MB of at most %d MB\n", c->folder,
            (unsigned long long)use.entries, (double)use.bytes * 1e-6, CACHE_LIMIT_BYTES / 1000000);
}

ExitCode command_cache(Session *s) {
    if (!session_words(s, 0, 1)) return EXIT_CODE_USAGE;
    const char *word = s->options.words.len ? s->options.words.data[0] : NULL;
    if (word && strcmp(word, "clear") != 0) {
        Diag *d =
            session_error(s, E_OPTION, "`bmc cache` does not know what to do with `%s`", word);
        diag_help(d, "usage: bmc cache [clear]");
        return EXIT_CODE_USAGE;
    }
    ObjectCache c;
    if (!object_cache_open(&c, s->ctx->arena, NULL)) return no_cache(s, &c);
    if (word)
        fprintf(s->out, "removed %llu entries of %s\n", (unsigned long long)object_cache_clear(&c),
                c.folder);
    else
        show(s, &c);
    object_cache_close(&c);
    return EXIT_CODE_OK;
}
