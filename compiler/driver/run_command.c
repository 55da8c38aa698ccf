/* bmc run MODEL.bm ENTRY NAME=VALUE...: one call of an export. */
#include "compiler/driver/arrays.h"
#include "compiler/driver/file_output.h"
#include "compiler/driver/model_run.h"
#include "compiler/support/json.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

typedef struct Call {
    Pipeline *p;
    BmrtHandle *handle;
    const BmrtModel *model;
    const BmrtEntry *entry;
    uint32_t number;
    int64_t *symbols; /* INT64_MIN: not bound yet */
    int64_t *sizes;   /* given as NAME=NUMBER; or INT64_MIN */
    Array *inputs, *outputs;
} Call;

/* ---- which entry */

static bool find_entry(Call *c, const char *name) {
    Nearest near = {.wanted = name};
    Text all = {.arena = c->p->ctx->arena};
    for (uint32_t i = 0; i < c->model->entry_count; i++) {
        const BmrtEntry *e = &c->model->entries[i];
        if (e->kind != BMRT_ENTRY_EXPORT) continue;
        if (strcmp(e->name, name) == 0) {
            c->entry = e;
            c->number = i;
            return true;
        }
        nearest_offer(&near, e->name);
        text_printf(&all, " %s", e->name);
    }
    Diag *d = session_error(c->p->session, E_OPTION, "the model exports no `%s`", name);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    diag_note(d, "exports:%s", all.len ? text_str(&all) : " none (`export fn NAME(...) = ...`)");
    return false;
}

/* ---- sizes */

/* The symbol when the dim is exactly one; else -1. */
static int64_t dim_symbol_only(const BmrtDim *d) {
    bool one = d->count == 1 && d->terms[0].coefficient == 1 && d->terms[0].count == 1;
    return one ? (int64_t)d->terms[0].symbols[0] : -1;
}

/* False when a symbol of it is not bound or the value overflows. */
static bool dim_number(const Call *c, const BmrtDim *d, int64_t *out) {
    *out = 0;
    for (uint32_t t = 0; t < d->count; t++) {
        int64_t term = d->terms[t].coefficient;
        for (uint32_t s = 0; s < d->terms[t].count; s++) {
            int64_t value = c->symbols[d->terms[t].symbols[s]];
            if (value == INT64_MIN || __builtin_mul_overflow(term, value, &term)) return false;
        }
        if (__builtin_add_overflow(*out, term, out)) return false;
    }
    return true;
}

static const char *dims_text(const Call *c, const BmrtValue *v) {
    Text t = {.arena = c->p->ctx->arena};
    text_char(&t, '[');
    for (uint32_t i = 0; i < v->rank; i++) {
        int64_t symbol = dim_symbol_only(&v->dims[i]), value;
        if (i) text_add(&t, ", ");
        if (symbol >= 0)
            text_add(&t, c->entry->symbol_names[symbol]);
        else if (dim_number(c, &v->dims[i], &value))
            text_printf(&t, "%" PRId64, value);
        else
            text_char(&t, '?');
    }
    text_char(&t, ']');
    return text_str(&t);
}

static const char *array_dims_text(const Call *c, const Array *a) {
    Text t = {.arena = c->p->ctx->arena};
    text_char(&t, '[');
    for (uint32_t i = 0; i < a->rank; i++) text_printf(&t, "%s%" PRId64, i ? ", " : "", a->dims[i]);
    text_char(&t, ']');
    return text_str(&t);
}

static bool shape_error(const Call *c, const BmrtValue *v, const Array *a) {
    Diag *d = session_error(c->p->session, E_RUN_SHAPE, "input `%s` of `%s` is %s, got %s", v->name,
                            c->entry->name, dims_text(c, v), array_dims_text(c, a));
    for (uint32_t i = 0; i < c->entry->symbol_count; i++)
        if (c->symbols[i] != INT64_MIN)
            diag_note(d, "%s = %" PRId64, c->entry->symbol_names[i], c->symbols[i]);
    return false;
}

static bool bind_symbols(Call *c) {
    for (uint32_t i = 0; i < c->entry->symbol_count; i++) c->symbols[i] = c->sizes[i];
    for (uint32_t i = 0; i < c->entry->input_count; i++) {
        const BmrtValue *v = &c->entry->inputs[i];
        const Array *a = &c->inputs[i];
        if (a->rank != v->rank) return shape_error(c, v, a);
        for (uint32_t d = 0; d < v->rank; d++) {
            int64_t symbol = dim_symbol_only(&v->dims[d]);
            if (symbol >= 0 && c->symbols[symbol] == INT64_MIN) c->symbols[symbol] = a->dims[d];
        }
    }
    for (uint32_t i = 0; i < c->entry->input_count; i++) {
        const BmrtValue *v = &c->entry->inputs[i];
        for (uint32_t d = 0; d < v->rank; d++) {
            int64_t want;
            if (!dim_number(c, &v->dims[d], &want) || want != c->inputs[i].dims[d])
                return shape_error(c, v, &c->inputs[i]);
        }
    }
    for (uint32_t i = 0; i < c->entry->symbol_count; i++) {
        if (c->symbols[i] != INT64_MIN) continue;
        session_error(c->p->session, E_OPTION, "`%s` wants the size `%s=...`, a whole number",
                      c->entry->name, c->entry->symbol_names[i]);
        return false;
    }
    return true;
}

/* ---- inputs: NAME=VALUE words */

static bool read_value(Call *c, const char *text, Array *out) {
    bool literal = strchr("[+-.0123456789", *text) != NULL && !strstr(text, ".npy");
    return literal ? array_literal(c->p->ctx, text, out) : npy_read(c->p->ctx, text, out);
}

/* `n=5`: a size by its name. */
static bool take_size(Call *c, const char *name, const char *text, bool *taken) {
    *taken = false;
    for (uint32_t i = 0; i < c->entry->symbol_count; i++) {
        if (strcmp(c->entry->symbol_names[i], name) != 0) continue;
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        *taken = true;
        if (*end || errno || value < 0) {
            session_error(c->p->session, E_OPTION, "the size `%s` is a whole number, not `%s`",
                          name, text);
            return false;
        }
        c->sizes[i] = value;
        return true;
    }
    return true;
}

static bool take_input(Call *c, const char *word, bool *given) {
    const char *equals = strchr(word, '=');
    if (equals == NULL || equals == word || equals[1] == '\0') {
        Diag *d = session_error(c->p->session, E_OPTION, "`%s` is no NAME=VALUE", word);
        diag_help(d, "`x=images.npy`, `x=3` or `x=[1, 2]`");
        return false;
    }
    const char *name = arena_strndup(c->p->ctx->arena, word, (size_t)(equals - word));
    Nearest near = {.wanted = name};
    for (uint32_t i = 0; i < c->entry->input_count; i++) {
        const BmrtValue *v = &c->entry->inputs[i];
        nearest_offer(&near, v->name);
        if (strcmp(v->name, name) != 0) continue;
        Array read;
        given[i] = true;
        if (v->vocabulary) {
            if (!array_strings(c->p->ctx, equals + 1, &c->inputs[i])) return false;
            if (v->rank == 0 && c->inputs[i].dims[0] == 1) c->inputs[i].rank = 0;
            return true;
        }
        return read_value(c, equals + 1, &read) &&
               array_convert(c->p->ctx, name, &read, v->dtype, &c->inputs[i]);
    }
    bool size;
    if (!take_size(c, name, equals + 1, &size)) return false;
    if (size) return true;
    Diag *d =
        session_error(c->p->session, E_OPTION, "`%s` has no input `%s`", c->entry->name, name);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    return false;
}

static ExitCode take_inputs(Call *c) {
    const Options *o = &c->p->session->options;
    bool *given = ARENA_ARRAY(c->p->ctx->arena, bool, c->entry->input_count);
    for (uint32_t i = 2; i < o->words.len; i++)
        if (!take_input(c, o->words.data[i], given)) {
            const Diag *last = diags_get(c->p->ctx->diags, diags_count(c->p->ctx->diags) - 1);
            return last->code == E_OPTION ? EXIT_CODE_USAGE : EXIT_CODE_RUN;
        }
    for (uint32_t i = 0; i < c->entry->input_count; i++) {
        const BmrtValue *v = &c->entry->inputs[i];
        if (given[i]) continue;
        if (v->fallback) {
            size_t bytes = bmrt_dtype_bytes(v->dtype);
            c->inputs[i] = (Array){.dtype = v->dtype, .bytes = bytes};
            c->inputs[i].data = arena_alloc(c->p->ctx->arena, bytes);
            memcpy(c->inputs[i].data, v->fallback, bytes);
            continue;
        }
        for (uint32_t s = 0; s < c->entry->symbol_count; s++) c->symbols[s] = INT64_MIN;
        session_error(c->p->session, E_OPTION, "`%s` wants `%s=...`, %s of %s", c->entry->name,
                      v->name, v->vocabulary ? "strings" : array_dtype_name(v->dtype),
                      dims_text(c, v));
        return EXIT_CODE_USAGE;
    }
    if (bind_symbols(c)) return EXIT_CODE_OK;
    const Diag *last = diags_get(c->p->ctx->diags, diags_count(c->p->ctx->diags) - 1);
    return last->code == E_OPTION ? EXIT_CODE_USAGE : EXIT_CODE_RUN;
}

/* ---- the call */

static bool alloc_outputs(Call *c) {
    for (uint32_t i = 0; i < c->entry->output_count; i++) {
        const BmrtValue *v = &c->entry->outputs[i];
        Array *a = &c->outputs[i];
        *a = (Array){.dtype = v->dtype, .rank = v->rank};
        for (uint32_t d = 0; d < v->rank; d++)
            if (!dim_number(c, &v->dims[d], &a->dims[d])) a->dims[d] = -1;
        if (v->vocabulary ? !array_alloc_strings(c->p->ctx, a) : !array_alloc(c->p->ctx, a))
            return false;
    }
    return true;
}

static ExitCode show_outputs(Call *c) {
    Session *s = c->p->session;
    const char *path = s->options.value[OPTION_output];
    if (path && c->outputs[0].strings) {
        session_error(s, E_OPTION, "`%s` gives strings, which npy does not hold", c->entry->name);
        return EXIT_CODE_USAGE;
    }
    if (path && strcmp(path, "-") != 0)
        return npy_write(s->ctx, path, &c->outputs[0]) ? EXIT_CODE_OK : EXIT_CODE_RUN;
    for (uint32_t i = 0; i < c->entry->output_count; i++) {
        Text t = {.arena = s->ctx->arena};
        if (s->json) {
            json_open(&t, NULL, '{');
            json_text(&t, "event", "output");
            json_text(&t, "name", c->entry->outputs[i].name);
            json_text(&t, "dtype",
                      c->outputs[i].strings ? "str" : array_dtype_name(c->outputs[i].dtype));
            json_member(&t, "value");
            array_print(&t, &c->outputs[i], ARRAY_JSON);
            json_close(&t, '}');
        } else {
            if (c->entry->output_count > 1) text_printf(&t, "%s = ", c->entry->outputs[i].name);
            array_print(&t, &c->outputs[i], ARRAY_SHORT);
        }
        fprintf(s->out, "%s\n", text_str(&t));
    }
    return EXIT_CODE_OK;
}

static ExitCode call_entry(Call *c) {
    Arena *arena = c->p->ctx->arena;
    c->symbols = ARENA_ARRAY(arena, int64_t, c->entry->symbol_count);
    c->sizes = ARENA_ARRAY(arena, int64_t, c->entry->symbol_count);
    for (uint32_t i = 0; i < c->entry->symbol_count; i++) c->sizes[i] = INT64_MIN;
    c->inputs = ARENA_ARRAY(arena, Array, c->entry->input_count);
    c->outputs = ARENA_ARRAY(arena, Array, c->entry->output_count);
    ExitCode code = take_inputs(c);
    if (code != EXIT_CODE_OK) return code;
    if (!alloc_outputs(c)) return EXIT_CODE_RUN;
    const void **in = ARENA_ARRAY(arena, const void *, c->entry->input_count);
    void **out = ARENA_ARRAY(arena, void *, c->entry->output_count);
    for (uint32_t i = 0; i < c->entry->input_count; i++) in[i] = c->inputs[i].data;
    for (uint32_t i = 0; i < c->entry->output_count; i++) out[i] = c->outputs[i].data;
    BmrtStatus status = bmrt_call(c->handle, c->number, c->symbols, in, out);
    if (status == BMRT_OK) return show_outputs(c);
    model_run_error(c->p, status, bmrt_error(c->handle));
    return EXIT_CODE_RUN;
}

/* `show` of a --debug run; beside the results, which stand on standard output. */
static void show_text(void *user, const char *text) {
    const Session *s = user;
    if (!s->json) {
        fprintf(s->err, "%s\n", text);
        return;
    }
    Text t = {.arena = s->ctx->arena};
    json_open(&t, NULL, '{');
    json_text(&t, "event", "show");
    json_text(&t, "message", text);
    json_close(&t, '}');
    fprintf(s->out, "%s\n", text_str(&t));
}

/* A model without parameters, states or fits needs no weights. */
static bool needs_weights(const BmrtModel *model) {
    for (uint32_t i = 0; i < model->slot_count; i++)
        if (model->slots[i].kind != BMRT_SLOT_OPTIMIZER) return true;
    return false;
}

static ExitCode run_model(Pipeline *p) {
    const Options *o = &p->session->options;
    Call c = {.p = p, .model = codegen_jit_model(p->jit)};
    if (!find_entry(&c, o->words.data[1])) return EXIT_CODE_USAGE;
    if (option_given(o, OPTION_output) && c.entry->output_count != 1) {
        session_error(p->session, E_OPTION, "`%s` has %u outputs; `-o` writes exactly one",
                      c.entry->name, c.entry->output_count);
        return EXIT_CODE_USAGE;
    }
    const char *weights = o->value[OPTION_init];
    char path[4096];
    if (weights == NULL && needs_weights(c.model)) {
        BmrtTrainOptions options = {.size_bytes = sizeof options, .model_dir = model_folder(p)};
        weights = model_weights(p, &options, path, sizeof path);
        if (weights == NULL) return EXIT_CODE_RUN;
    }
    BmrtStatus status = bmrt_open(&c.handle, c.model, weights, option_number(o, OPTION_seed, 0),
                                  (int32_t)option_number(o, OPTION_threads, 0));
    ExitCode code = EXIT_CODE_RUN;
    if (status == BMRT_OK) (void)bmrt_set_show(c.handle, show_text, p->session);
    if (status == BMRT_OK)
        code = call_entry(&c);
    else
        model_run_error(p, status, c.handle ? bmrt_error(c.handle) : "out of memory");
    bmrt_close(c.handle);
    return code;
}

ExitCode command_run(Session *s) {
    if (!session_words(s, 2, UINT32_MAX)) return EXIT_CODE_USAGE;
    Pipeline p;
    ExitCode code = EXIT_CODE_INPUT;
    if (pipeline_open(&p, s, s->options.words.data[0], SEMA_EXPORTS) && pipeline_run(&p, PASS_jit))
        code = run_model(&p);
    pipeline_close(&p);
    return code;
}
