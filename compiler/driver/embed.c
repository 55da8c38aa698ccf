/* bmc.h: the pipeline for a program that embeds bmc. A session without options and streams. */
#include "compiler/driver/embed.h"
#include "compiler/driver/extern_library.h"
#include "compiler/driver/file_output.h"
#include "compiler/driver/use_file.h"
#include <setjmp.h>
#include <stdlib.h>

enum { EMBED_SOURCE_LIMIT_BYTES = 16 << 20 };

/* SemaFindExtern: the program's own functions, then the libraries'. */
static BmrtExternFn find_extern(void *user, const char *name, const char **missing) {
    BmcModel *m = user;
    for (uint32_t i = 0; i < m->externs.len; i++)
        if (strcmp(m->externs.data[i].name, name) == 0) return m->externs.data[i].function;
    return extern_library_find(&m->pipeline, name, missing);
}

BmcDiagnostic embed_diagnostic(Arena *arena, const Sources *sources, const Diag *d) {
    Text text = {.arena = arena};
    diag_render(&text, sources, d, 0);
    Place place = {0};
    if (d->span.file) place = sources_place(sources, d->span);
    return (BmcDiagnostic){.is_error = d->severity == SEVERITY_ERROR,
                           .code = code_info(d->code)->id,
                           .message = d->message,
                           .file = place.name,
                           .line = place.line,
                           .column = place.column,
                           .text = text_str(&text)};
}

static void tell(const BmcModel *m, const BmcOptions *o) {
    const Context *ctx = m->session.ctx;
    for (uint32_t i = 0; o->on_diagnostic && i < diags_count(ctx->diags); i++) {
        Diag d = *diags_get(ctx->diags, i);
        if (o->warnings_are_errors) d.severity = SEVERITY_ERROR;
        const BmcDiagnostic told = embed_diagnostic(ctx->arena, ctx->sources, &d);
        o->on_diagnostic(o->user, &told);
    }
}

/* ------------------------------------------------------------------ options */

/* Copies what the caller's version of the struct has; false when it cannot be used. */
static bool take_options(const BmcOptions *given, BmcOptions *out) {
    const size_t first_version = offsetof(BmcOptions, cache);
    *out = (BmcOptions){0};
    if (given == NULL || given->size_bytes < first_version || given->size_bytes > sizeof *out)
        return false;
    memcpy(out, given, given->size_bytes);
    bool fine = out->level <= 3 && (out->defines || out->define_count == 0) &&
                (out->externs || out->extern_count == 0) &&
                (out->libraries || out->library_count == 0);
    for (uint32_t i = 0; fine && i < out->define_count; i++)
        fine = out->defines[i].name && out->defines[i].value;
    for (uint32_t i = 0; fine && i < out->extern_count; i++)
        fine = out->externs[i].name && out->externs[i].function;
    for (uint32_t i = 0; fine && i < out->library_count; i++) fine = out->libraries[i] != NULL;
    return fine;
}

static void set_options(BmcModel *m, const BmcOptions *o) {
    Session *s = &m->session;
    Arena *arena = s->ctx->arena;
    s->options.value[OPTION_march] = o->cpu ? arena_strdup(arena, o->cpu) : NULL;
    if (o->level >= 0) s->options.value[OPTION_level] = arena_printf(arena, "%d", o->level);
    for (uint32_t i = 0; i < o->define_count; i++) {
        Define define = {arena_strdup(arena, o->defines[i].name),
                         arena_strdup(arena, o->defines[i].value)};
        vec_push(arena, &s->options.defines, define);
    }
    for (uint32_t i = 0; i < o->library_count; i++)
        vec_push(arena, &s->options.libraries, (const char *)arena_strdup(arena, o->libraries[i]));
    for (uint32_t i = 0; i < o->extern_count; i++) {
        BmcExtern e = {arena_strdup(arena, o->externs[i].name), o->externs[i].function};
        vec_push(arena, &m->externs, e);
    }
    if (o->debug) s->options.value[OPTION_debug] = "";
    diags_warnings_are_errors(s->ctx->diags, o->warnings_are_errors != 0);
}

/* text NULL: read the file. */
static bool compile(BmcModel *m, const char *name, const char *text, size_t len,
                    const BmcOptions *o) {
    Session *s = &m->session;
    bool in_file = text == NULL;
    if (in_file) text = file_read(s->ctx, name, EMBED_SOURCE_LIMIT_BYTES, &len);
    if (text == NULL) return false;
    if (len > EMBED_SOURCE_LIMIT_BYTES) {
        session_error(s, E_LIMIT, "`%s` is larger than %d bytes", name, EMBED_SOURCE_LIMIT_BYTES);
        return false;
    }
    uint32_t file = sources_add(s->ctx->sources, name, text, (uint32_t)len, 0);
    pipeline_begin(&m->pipeline, s, file, session_stem(s, name),
                   o->exports_only ? SEMA_EXPORTS : SEMA_ALL);
    m->pipeline.wants_cache = o->cache != 0;
    m->pipeline.cache_folder =
        o->cache_folder ? arena_strdup(s->ctx->arena, o->cache_folder) : NULL;
    if (m->externs.len) {
        m->pipeline.sema.find_extern = find_extern;
        m->pipeline.sema.extern_user = m;
    }
    if (in_file) {
        m->pipeline.sema.open_file = use_file_open;
        m->pipeline.sema.open_user = s;
        m->pipeline.sema.identity = use_file_identity(s, name);
    }
    if (!pipeline_run(&m->pipeline, PASS_jit)) return false;
    const Program *program = m->pipeline.program;
    m->work = ARENA_ARRAY(s->ctx->arena, LoopWork, program->entries.len);
    for (uint32_t i = 0; i < program->entries.len; i++)
        m->work[i] = loop_work(m->pipeline.loops[i]);
    if (m->pipeline.cache)
        object_cache_close(m->pipeline.cache); /* its folder stays open no longer */
    return true;
}

static BmcStatus compile_model(const char *name, const char *text, size_t len,
                               const BmcOptions *given, BmcModel **out) {
    BmcOptions options;
    if (out) *out = NULL;
    if (name == NULL || out == NULL || !take_options(given, &options)) return BMC_ARGUMENT;
    BmcModel *m = calloc(1, sizeof *m);
    if (m == NULL) return BMC_MEMORY;
    m->session.ctx = context_create();
    jmp_buf recovery;
    if (m->session.ctx == NULL || setjmp(recovery)) {
        bmc_close(m);
        return BMC_MEMORY;
    }
    arena_on_oom(m->session.ctx->arena, &recovery);
    set_options(m, &options);
    bool fine = compile(m, name, text, len, &options);
    tell(m, &options);
    arena_on_oom(m->session.ctx->arena, NULL);
    if (fine)
        *out = m;
    else
        bmc_close(m);
    return fine ? BMC_OK : BMC_INPUT;
}

BmcStatus bmc_compile_text(const char *name, const char *text, size_t len,
                           const BmcOptions *options, BmcModel **out) {
    if (text == NULL) {
        if (out) *out = NULL;
        return BMC_ARGUMENT;
    }
    return compile_model(name, text, len, options, out);
}

BmcStatus bmc_compile_file(const char *path, const BmcOptions *options, BmcModel **out) {
    return compile_model(path, NULL, 0, options, out);
}

const BmrtModel *bmc_model(const BmcModel *model) {
    return model ? codegen_jit_model(model->pipeline.jit) : NULL;
}

void bmc_close(BmcModel *model) {
    if (model == NULL) return;
    if (model->pipeline.session) pipeline_close(&model->pipeline);
    if (model->session.ctx) context_destroy(model->session.ctx);
    free(model);
}

const char *bmc_version(void) {
    return BMC_VERSION;
}

const char *bmc_status_name(BmcStatus status) {
    static const char *const NAMES[] = {"ok", "argument", "input", "memory"};
    const size_t number = (size_t)status;
    return number < sizeof NAMES / sizeof *NAMES ? NAMES[number] : "?";
}
