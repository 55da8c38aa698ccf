/* bmc grad: the graphs that contain gradients, differentiated and cleaned up, before sealing. */
#include "compiler/driver/pipeline.h"

static bool has_gradient(const Graph *g) {
    for (uint32_t i = 0; i < graph_size(g); i++)
        if (graph_node(g, (NodeId){i})->op == OP_GRAD) return true;
    return false;
}

static ExitCode unknown_entry(Session *s, const Program *program, const char *name) {
    Nearest near = {.wanted = name};
    Text all = {.arena = s->ctx->arena};
    for (uint32_t i = 0; i < program->entries.len; i++) {
        nearest_offer(&near, program->entries.data[i].name);
        text_printf(&all, " %s", program->entries.data[i].name);
    }
    Diag *d = session_error(s, E_OPTION, "the model has no entry `%s`", name);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    diag_note(d, "entries:%s", text_str(&all));
    return EXIT_CODE_USAGE;
}

static ExitCode print_gradients(Pipeline *p, const char *only) {
    uint32_t count = p->program->entries.len, chosen = 0, found = 0;
    bool *wanted = ARENA_ARRAY(p->ctx->arena, bool, count);
    for (uint32_t i = 0; i < count; i++) {
        const Entry *e = &p->program->entries.data[i];
        if (only && strcmp(only, e->name) != 0) continue;
        found++;
        wanted[i] = only || has_gradient(e->graph);
        chosen += wanted[i];
    }
    if (only && found == 0) return unknown_entry(p->session, p->program, only);
    if (!pipeline_run(p, PASS_dce)) return EXIT_CODE_INPUT;
    Text t = {.arena = p->ctx->arena};
    if (chosen == 0) text_add(&t, "# no entry of this model asks for a gradient\n");
    for (uint32_t i = 0; i < count; i++) {
        const Entry *e = &p->program->entries.data[i];
        if (!wanted[i]) continue;
        text_printf(&t, "%s# entry %s\n", t.len ? "\n" : "", e->name);
        (option_given(&p->session->options, OPTION_dot) ? graph_dot : graph_print)(&t, e->graph);
    }
    return session_write(p->session, text_str(&t), t.len);
}

ExitCode command_grad(Session *s) {
    if (!session_words(s, 1, 2)) return EXIT_CODE_USAGE;
    Pipeline p;
    ExitCode code = EXIT_CODE_INPUT;
    const char *only = s->options.words.len > 1 ? s->options.words.data[1] : NULL;
    if (pipeline_open(&p, s, s->options.words.data[0], SEMA_ALL) &&
        pipeline_run(&p, PASS_elaborate))
        code = print_gradients(&p, only);
    pipeline_close(&p);
    return code;
}
