/* bmc.h: the pipeline for a program that embeds bmc. A session without options and streams. */
#include "compiler/driver/extern_library.h"
#include "compiler/driver/file_output.h"
#include "compiler/driver/pipeline.h"
#include "compiler/driver/use_file.h"
#include "compiler/include/bmc.h"
#include <setjmp.h>
#include <stdlib.h>

enum { EMBED_SOURCE_LIMIT_BYTES = 16 << 20 };

struct BmcModel {
    Session session;
    Pipeline pipeline;
    VEC(BmcExtern) externs;
};

/* SemaFindExtern: the program's own functions, then the libraries'. */
static BmrtExternFn find_extern(void *user, const char *name, const char **missing) {
    BmcModel *m = user;
    for (uint32_t i = 0; i < m->externs.len; i++)
        if (strcmp(m->externs.data[i].name, name) == 0) return m->externs.data[i].function;
    return extern_library_find(&m->pipeline, name, missing);
}

static void tell(const BmcModel *m, const BmcOptions *o) {
    const Context *ctx = m->session.ctx;
    for (uint32_t i = 0; o->on_diagnostic && i < diags_count(ctx->diags); i++) {
        const Diag *d = diags_get(ctx->diags, i);
        Text text = {.arena = ctx->arena};
        diag_render(&text, ctx->sources, d, 0);
        Place place = {0};
        if (d->span.file) place = sources_place(ctx->sources, d->span);
        o->on_diagnostic(o->user, &(BmcDiagnostic){.is_error = d->severity == SEVERITY_ERROR,
                                                   .code = code_info(d->code)->id,
                                                   .message = d->message,
                                                   .file = place.name,
                                                   .line = place.line,
                                                   .column = place.column,
                                                   .text = text_str(&text)});
    }
}

static void set_options(BmcModel *m, const BmcOptions *o) {
    Session *s = &m->session;
    s->options.value[OPTION_march] = o->cpu ? arena_strdup(s->ctx->arena, o->cpu) : NULL;
    if (o->level >= 0) s->options.value[OPTION_level] = arena_printf(s->ctx->arena, "%d", o->level);
    for (uint32_t i = 0; i < o->define_count; i++) {
        Define define = {arena_strdup(s->ctx->arena, o->defines[i].name),
                         arena_strdup(s->ctx->arena, o->defines[i].value)};
        vec_push(s->ctx->arena, &s->options.defines, define);
    }
    for (uint32_t i = 0; i < o->library_count; i++)
        vec_push(s->ctx->arena, &s->options.libraries,
                 (const char *)arena_strdup(s->ctx->arena, o->libraries[i]));
    for (uint32_t i = 0; i < o->extern_count; i++) {
        BmcExtern e = {arena_strdup(s->ctx->arena, o->externs[i].name), o->externs[i].function};
        vec_push(s->ctx->arena, &m->externs, e);
    }
    if (o->debug) s->options.value[OPTION_debug] = "";
}

/* text NULL: read the file. */
static bool compile(BmcModel *m, const char *name, const char *text, size_t len) {
    Session *s = &m->session;
    bool in_file = text == NULL;
    if (in_file) text = file_read(s->ctx, name, EMBED_SOURCE_LIMIT_BYTES, &len);
    if (text == NULL) return false;
    if (len > EMBED_SOURCE_LIMIT_BYTES) {
        session_error(s, E_LIMIT, "`%s` is larger than %d bytes", name, EMBED_SOURCE_LIMIT_BYTES);
        return false;
    }
    uint32_t file = sources_add(s->ctx->sources, name, text, (uint32_t)len, 0);
    pipeline_begin(&m->pipeline, s, file, session_stem(s, name), SEMA_ALL);
    if (m->externs.len) {
        m->pipeline.sema.find_extern = find_extern;
        m->pipeline.sema.extern_user = m;
    }
    if (in_file) {
        m->pipeline.sema.open_file = use_file_open;
        m->pipeline.sema.open_user = s;
        m->pipeline.sema.identity = use_file_identity(s, name);
    }
    return pipeline_run(&m->pipeline, PASS_jit);
}

static BmcStatus compile_model(const char *name, const char *text, size_t len, const BmcOptions *o,
                               BmcModel **out) {
    if (out) *out = NULL;
    if (name == NULL || out == NULL || o == NULL || o->size_bytes != sizeof *o || o->level > 3)
        return BMC_ARGUMENT;
    BmcModel *m = calloc(1, sizeof *m);
    if (m == NULL) return BMC_MEMORY;
    m->session.ctx = context_create();
    jmp_buf recovery;
    if (m->session.ctx == NULL || setjmp(recovery)) {
        bmc_close(m);
        return BMC_MEMORY;
    }
    arena_on_oom(m->session.ctx->arena, &recovery);
    set_options(m, o);
    bool fine = compile(m, name, text, len);
    tell(m, o);
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
    return codegen_jit_model(model->pipeline.jit);
}

void bmc_close(BmcModel *model) {
    if (model == NULL) return;
    if (model->pipeline.session) pipeline_close(&model->pipeline);
    if (model->session.ctx) context_destroy(model->session.ctx);
    free(model);
}
