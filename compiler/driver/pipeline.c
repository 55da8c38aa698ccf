/* The loop over passes.def. */
#include "compiler/driver/pipeline.h"
#include "compiler/driver/extern_library.h"
#include "compiler/driver/use_file.h"
#include "compiler/syntax/syntax.h"
#include <stdlib.h>
#include <time.h>

typedef bool (*PassFn)(Pipeline *p);
static const PassFn PASS_FUNCTIONS[] = {
#define PASS(name, from, to, help) pass_##name,
#include "compiler/driver/passes.def"
#undef PASS
};

void pipeline_begin(Pipeline *p, Session *s, uint32_t file, const char *stem, uint32_t roots) {
    const Options *o = &s->options;
    *p = (Pipeline){.session = s, .ctx = s->ctx, .file = file};
    p->sema.stem = stem;
    p->sema.defines = o->defines.data;
    p->sema.define_count = o->defines.len;
    p->sema.roots = roots;
    p->sema.debug = option_given(o, OPTION_debug);
    p->codegen.triple = o->value[OPTION_target];
    p->codegen.cpu = o->value[OPTION_march];
    p->codegen.freestanding = option_given(o, OPTION_freestanding);
    p->codegen.single_thread = option_given(o, OPTION_single_thread);
    if (o->value[OPTION_static_batch])
        p->static_batch = strtoll(o->value[OPTION_static_batch], NULL, 10);
    p->multiversion = option_given(o, OPTION_multiversion);
    if (p->multiversion) p->codegen.cpu = "x86-64-v3";
    p->codegen.linker = o->value[OPTION_linker];
    if (o->libraries.len) {
        p->sema.find_extern = extern_library_find;
        p->sema.extern_user = p;
    }
    p->codegen.libraries = o->libraries.data;
    p->codegen.library_count = o->libraries.len;
    p->codegen.level = (int)option_number(o, OPTION_level, 2);
}

bool pipeline_open(Pipeline *p, Session *s, const char *path, uint32_t roots) {
    const char *output =
        s->options.command == COMMAND_build ? s->options.value[OPTION_output] : NULL;
    const char *named = output && strcmp(output, "-") != 0 ? output : path;
    pipeline_begin(p, s, session_read(s, path), session_stem(s, named), roots);
    p->sema.open_file = use_file_open;
    p->sema.open_user = s;
    p->sema.identity = use_file_identity(s, path);
    p->wants_cache = !option_given(&s->options, OPTION_no_cache);
    return p->file != 0;
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static Form pipeline_form(const Pipeline *p) {
    return p->next == 0 ? FORM_TEXT : pass_info((PassId)(p->next - 1))->to;
}

/* ---- verifying: every rule of a form, after every pass; a broken one is a bug of bmc */

static void pipeline_verify(const Pipeline *p) {
    switch (pipeline_form(p)) {
    case FORM_GRAPH:
    case FORM_SEALED:
        for (uint32_t i = 0; i < p->program->entries.len; i++)
            graph_verify(p->program->entries.data[i].graph);
        break;
    case FORM_LOOP:
        for (uint32_t i = 0; i < p->program->entries.len; i++) {
            loop_verify(p->loops[i]);
            loop_verify_memory(p->loops[i]);
        }
        break;
    default: break; /* codegen verifies its own module; the others have no rules of their own */
    }
}

/* ---- printing */

static void print_entry_head(Text *out, const Entry *e) {
    static const char *const KINDS[] = {"init", "rows", "step", "eval", "finish", "export"};
    text_printf(out, "%sentry %s (%s)\n", out->len ? "\n" : "", e->name, KINDS[e->kind]);
}

void pipeline_print(Pipeline *p, Text *out) {
    Form form = pipeline_form(p);
    switch (form) {
    case FORM_TEXT: text_add(out, sources_get(p->ctx->sources, p->file)->text); break;
    case FORM_AST: syntax_print(out, p->tree); break;
    case FORM_GRAPH:
    case FORM_SEALED:
        for (uint32_t i = 0; i < p->program->entries.len; i++) {
            print_entry_head(out, &p->program->entries.data[i]);
            graph_print(out, p->program->entries.data[i].graph);
        }
        break;
    case FORM_LOOP:
        for (uint32_t i = 0; i < p->program->entries.len; i++) {
            print_entry_head(out, &p->program->entries.data[i]);
            loop_print(out, p->loops[i]);
        }
        break;
    case FORM_LLVM: codegen_text(p->module, CODE_LLVM, out); break;
    case FORM_OBJECT:
    case FORM_LIBRARY:
    case FORM_CODE: codegen_text(p->module, CODE_ASSEMBLY, out); break;
    case FORM_COUNT: BUG("no form");
    }
}

static bool wants_print(const Pipeline *p, PassId id) {
    const char *which = p->session->options.value[OPTION_print_after];
    return which && (strcmp(which, "all") == 0 || pass_find(which) == id);
}

static const char *printed_now(Pipeline *p) {
    Text t = {.arena = p->ctx->arena};
    pipeline_print(p, &t);
    return text_str(&t);
}

static void print_after(Pipeline *p, PassId id) {
    const char *text = printed_now(p);
    bool same =
        p->printed && pass_info(id)->from == pass_info(id)->to && strcmp(text, p->printed) == 0;
    fprintf(p->session->err, "---- after %s%s\n%s", pass_info(id)->name, same ? " (unchanged)" : "",
            same ? "" : text);
    p->printed = text;
}

/* ---- the loop */

static bool run_pass(Pipeline *p, PassId id) {
    bool print = wants_print(p, id);
    bool rewrites = pass_info(id)->from == pass_info(id)->to;
    if (print && rewrites && p->printed == NULL) p->printed = printed_now(p);
    double before = now_us();
    bool fine = PASS_FUNCTIONS[id](p);
    p->pass_us[id] += now_us() - before;
    if (!fine || diags_errors(p->ctx->diags) > 0) return false;
    p->next = (PassId)(id + 1);
    pipeline_verify(p);
    if (print)
        print_after(p, id);
    else
        p->printed = NULL;
    return true;
}

bool pipeline_run(Pipeline *p, PassId last) {
    while (p->next <= last && p->next < PASS_COUNT) {
        PassId id = p->next;
        if (id == PASS_link && last == PASS_jit) { /* link and jit are alternatives */
            p->next = PASS_jit;
            continue;
        }
        if (!run_pass(p, id)) return false;
    }
    return true;
}

void pipeline_cache(Pipeline *p) {
    if (!p->wants_cache || p->cache) return;
    p->cache = ARENA_NEW(p->ctx->arena, ObjectCache);
    if (object_cache_open(p->cache, p->ctx->arena, p->cache_folder))
        p->codegen.store = &p->cache->store;
}

/* A cache that does not work is no error; who asks for details is told. */
static void cache_note(const Pipeline *p) {
    const ObjectCache *c = p->cache;
    const Session *s = p->session;
    bool asked = s->verbose || option_given(&s->options, OPTION_time_passes);
    if (!asked || s->json || !c->folder) return;
    if (p->codegen.store)
        fprintf(s->err, "cache %s: %u objects found, %u made, %u damaged\n", c->folder, c->found,
                c->missed, c->damaged);
    if (c->problem) fprintf(s->err, "cache %s: %s\n", c->folder, c->problem);
}

void pipeline_close(Pipeline *p) {
    if (option_given(&p->session->options, OPTION_time_passes)) {
        double total = 0;
        for (int i = 0; i < PASS_COUNT; i++) {
            if (p->pass_us[i] <= 0) continue;
            fprintf(p->session->err, "%10.3f ms  %s\n", p->pass_us[i] * 1e-3,
                    pass_info((PassId)i)->name);
            total += p->pass_us[i];
        }
        fprintf(p->session->err, "%10.3f ms  in all\n", total * 1e-3);
    }
    if (p->cache) {
        cache_note(p);
        object_cache_close(p->cache);
        p->cache = NULL;
    }
    if (p->jit) codegen_jit_destroy(p->jit);
    if (p->module) codegen_destroy(p->module);
    if (p->version) codegen_destroy(p->version);
    p->jit = NULL;
    p->module = NULL;
    extern_library_close(p);
}
