/* bmc profile: where the time of a step goes. */
#include "compiler/driver/file_output.h"
#include "compiler/driver/profile.h"
#include "runtime/core/team.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { SECONDS_DEFAULT = 2 };

/* ---- which entry */

static bool is_export(const Node *n) {
    return (n->flags & NODE_FLAG_EXPORT) != 0 && n->name != NULL;
}

static bool names_export(const Node *tree, const char *name) {
    for (uint32_t i = 0; i < tree->count; i++)
        if (tree->kids[i] && is_export(tree->kids[i]) &&
            strcmp(tree->kids[i]->name->text, name) == 0)
            return true;
    return false;
}

static bool has_train(const Node *tree) {
    for (uint32_t i = 0; i < tree->count; i++)
        if (tree->kids[i] && tree->kids[i]->kind == NODE_TRAIN) return true;
    return false;
}

/* Only what is profiled is compiled: a train block's entries, or one export. */
static void choose_roots(Pipeline *p, const char *name) {
    const bool export = name ? names_export(p->tree, name) : !has_train(p->tree);
    p->sema.roots = export ? SEMA_EXPORTS : SEMA_TRAIN;
    if (export && name) p->sema.only_export = name;
}

/* "step" or, of a named block, its name or "block.step". */
static bool block_matches(const Pipeline *p, const BmrtTrain *t, const char *name) {
    const char *entry = p->program->entries.data[t->step_entry].name;
    return strcmp(entry, name) == 0 || (t->name && strcmp(t->name, name) == 0);
}

static void unknown_entry(const Pipeline *p, const char *name) {
    Nearest near = {.wanted = name};
    Text all = {.arena = p->ctx->arena};
    for (uint32_t i = 0; i < p->tree->count; i++) {
        const Node *n = p->tree->kids[i];
        if (!n || !is_export(n)) continue;
        nearest_offer(&near, n->name->text);
        text_printf(&all, " %s", n->name->text);
    }
    for (uint32_t i = 0; i < p->program->train.len; i++) {
        const BmrtTrain *t = &p->program->train.data[i];
        const char *own = t->name ? t->name : p->program->entries.data[t->step_entry].name;
        nearest_offer(&near, own);
        text_printf(&all, " %s", own);
    }
    Diag *d = session_error(p->session, E_OPTION, "there is no entry `%s` to profile", name);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    diag_note(d, "entries:%s", all.len ? text_str(&all) : " none");
}

static ExitCode find_entry(Profile *f, const char *name) {
    const Pipeline *p = f->p;
    for (uint32_t i = 0; i < p->program->train.len; i++) {
        const BmrtTrain *t = &p->program->train.data[i];
        if (name && !block_matches(p, t, name)) continue;
        f->entry = (uint32_t)t->step_entry;
        f->block = t->name;
        f->batch = t->batch;
        return EXIT_CODE_OK;
    }
    for (uint32_t i = 0; i < p->program->entries.len; i++) {
        const Entry *e = &p->program->entries.data[i];
        if (e->kind != BMRT_ENTRY_EXPORT || (name && strcmp(e->name, name) != 0)) continue;
        f->entry = i;
        return EXIT_CODE_OK;
    }
    if (name) {
        unknown_entry(p, name);
        return EXIT_CODE_USAGE;
    }
    Diag *d = session_error(p->session, E_BLOCK, "`%s` has nothing to profile",
                            p->session->options.words.data[0]);
    diag_help(d, "write a `train` block, or an `export fn`");
    return EXIT_CODE_INPUT;
}

/* ---- sizes: NAME=N words. Memory, tiles and the counts of work are planned for them. */

static bool set_size(const Pipeline *p, const char *word) {
    DimTable *dims = p->program->dims;
    const char *equals = strchr(word, '=');
    char *end = NULL;
    errno = 0;
    const long long value = equals ? strtoll(equals + 1, &end, 10) : 0;
    if (!equals || equals == word || end == equals + 1 || *end || errno || value < 1) {
        Diag *d = session_error(p->session, E_OPTION, "`%s` is no size", word);
        diag_help(d, "sizes are NAME=NUMBER, as in `B=1`; `--entry NAME` chooses what to profile");
        return false;
    }
    const char *name = arena_strndup(p->ctx->arena, word, (size_t)(equals - word));
    Nearest near = {.wanted = name};
    bool found = false;
    for (uint32_t i = 0; i < dim_symbol_count(dims); i++) {
        const char *symbol = dim_symbol_name(dims, i)->text;
        nearest_offer(&near, symbol);
        if (strcmp(symbol, name) != 0) continue;
        dim_set_bound(dims, i, value);
        found = true;
    }
    if (found) return true;
    Diag *d = session_error(p->session, E_OPTION, "no size of the model is called `%s`", name);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    return false;
}

static bool set_sizes(const Profile *f) {
    const Options *o = &f->p->session->options;
    if (f->real_data && o->words.len > 1) {
        session_error(f->p->session, E_OPTION, "with `--data` the data say how large `%s` is",
                      o->words.data[1]);
        return false;
    }
    for (uint32_t i = 1; i < o->words.len; i++)
        if (!set_size(f->p, o->words.data[i])) return false;
    return true;
}

/* ---- what can be wrong before anything is compiled */

static ExitCode check_options(Profile *f) {
    Session *s = f->p->session;
    const Options *o = &s->options;
    const char *folder = o->value[OPTION_data];
    struct stat facts;
    f->real_data = folder != NULL;
    if (folder && f->p->program->entries.data[f->entry].kind != BMRT_ENTRY_STEP) {
        session_error(s, E_OPTION, "`--data` goes with a `train` block, not with an export");
        return EXIT_CODE_USAGE;
    }
    if (folder && (stat(folder, &facts) != 0 || !S_ISDIR(facts.st_mode))) {
        session_error(s, E_RUN_IO, "`--data %s`: there is no such folder", folder);
        return EXIT_CODE_RUN;
    }
    if (!set_sizes(f)) return EXIT_CODE_USAGE;
    static const OptionId written[] = {OPTION_trace, OPTION_roofline};
    for (int i = 0; i < 2; i++)
        if (o->value[written[i]] && !file_writable(s->ctx, o->value[written[i]]))
            return EXIT_CODE_RUN;
    return EXIT_CODE_OK;
}

static void tell(const Session *s, const char *what) {
    if (!s->progress) return;
    fprintf(s->err, "\r%s\x1b[K", what);
    fflush(s->err);
}

/* The recorder must be there before the code that calls it. */
static bool compile(Profile *f) {
    Pipeline *p = f->p;
    const Options *o = &p->session->options;
    const int32_t threads = (int32_t)option_number(o, OPTION_threads, (uint64_t)bmrt_cpu_count());
    tell(p->session, "compiling ...");
    if (!pipeline_run(p, PASS_schedule)) return false;
    f->recorder = recorder_create(p->ctx->arena, threads, p->loops[f->entry]->order.len);
    p->codegen.mark = recorder_mark;
    p->codegen.mark_user = f->recorder;
    p->codegen.mark_entry = f->entry;
    if (!pipeline_run(p, PASS_jit)) return false;
    const BmrtEntry *entry = &codegen_jit_model(p->jit)->entries[f->entry];
    f->symbols = ARENA_ARRAY(p->ctx->arena, int64_t, entry->symbol_count);
    for (uint32_t i = 0; i < entry->symbol_count; i++) f->symbols[i] = entry->symbol_bounds[i];
    return true;
}

static ExitCode show(const Profile *f) {
    Session *s = f->p->session;
    const Options *o = &s->options;
    ProfileResult result;
    profile_result(f, &result);
    Text out = {.arena = s->ctx->arena};
    (s->json ? profile_json : profile_table)(f, &result, &out);
    fputs(text_str(&out), s->out);
    const char *trace = o->value[OPTION_trace], *roofline = o->value[OPTION_roofline];
    if (trace && !profile_trace(f, trace)) return EXIT_CODE_RUN;
    if (roofline && !profile_roofline(f, &result, roofline)) return EXIT_CODE_RUN;
    return EXIT_CODE_OK;
}

static ExitCode measure(Profile *f) {
    Pipeline *p = f->p;
    session_show(p->session); /* warnings come before the work */
    const ExitCode code = profile_run(f);
    if (code != EXIT_CODE_OK) return code;
    tell(p->session, "measuring the machine ...");
    if (!machine_peak(p->ctx, &p->codegen, f->recorder->team, &f->peak)) return EXIT_CODE_RUN;
    tell(p->session, "");
    return show(f);
}

static ExitCode profile_model(Profile *f) {
    Pipeline *p = f->p;
    const char *name = p->session->options.value[OPTION_entry];
    if (!pipeline_run(p, PASS_parse)) return EXIT_CODE_INPUT;
    choose_roots(p, name);
    if (!pipeline_run(p, PASS_elaborate)) return EXIT_CODE_INPUT;
    ExitCode code = find_entry(f, name);
    if (code == EXIT_CODE_OK) code = check_options(f);
    if (code != EXIT_CODE_OK) return code;
    code = compile(f) ? EXIT_CODE_OK : EXIT_CODE_INPUT;
    if (code == EXIT_CODE_OK) code = measure(f);
    tell(p->session, "");
    return code;
}

ExitCode command_profile(Session *s) {
    if (!session_words(s, 1, UINT32_MAX)) return EXIT_CODE_USAGE;
    Pipeline p;
    Profile f = {.p = &p,
                 .seconds = (double)option_number(&s->options, OPTION_seconds, SECONDS_DEFAULT)};
    ExitCode code = EXIT_CODE_INPUT;
    if (pipeline_open(&p, s, s->options.words.data[0], SEMA_TRAIN)) code = profile_model(&f);
    pipeline_close(&p);
    return code;
}
