/* bmc explain: layers, sizes, work, memory and kernels, as a table or as JSON lines. */
#include "compiler/driver/pipeline.h"
#include "compiler/driver/table.h"
#include "compiler/support/json.h"

static const char *shape_text(Pipeline *p, const Shape *shape) {
    Text t = {.arena = p->ctx->arena};
    text_char(&t, '[');
    for (uint32_t i = 0; i < shape->rank; i++) {
        if (i) text_add(&t, ", ");
        dim_print(&t, p->program->dims, shape->dims[i]);
    }
    text_char(&t, ']');
    return text_str(&t);
}

static void explain_layers(Pipeline *p, Text *out) {
    Table t;
    table_open(&t, p->ctx->arena, "<<<>>>");
    table_row(&t, "path", "layer", "output", "parameters", "FLOPs a row", "bytes");
    int64_t params = 0, bytes = 0;
    double flops = 0;
    for (uint32_t i = 0; i < p->program->layers.len; i++) {
        const LayerInfo *l = &p->program->layers.data[i];
        table_row(&t, l->path, l->what, shape_text(p, &l->shape),
                  table_count(p->ctx->arena, (double)l->params),
                  table_count(p->ctx->arena, l->flops),
                  table_count(p->ctx->arena, (double)l->param_bytes));
        params += l->params;
        bytes += l->param_bytes;
        flops += l->flops;
    }
    table_line(&t);
    table_row(&t, "total", "", "", table_count(p->ctx->arena, (double)params),
              table_count(p->ctx->arena, flops), table_count(p->ctx->arena, (double)bytes));
    table_print(&t, out);
}

static void explain_entries(Pipeline *p, Text *out) {
    Table t;
    table_open(&t, p->ctx->arena, "<>>>>>");
    table_row(&t, "entry", "kernels", "barriers", "FLOPs a call", "memory", "of it live at once");
    int64_t largest = 0;
    for (uint32_t i = 0; i < p->program->entries.len; i++) {
        const LoopProgram *l = p->loops[i];
        const LoopWork work = loop_work(l);
        table_row(&t, p->program->entries.data[i].name, table_count(p->ctx->arena, l->kernels.len),
                  table_count(p->ctx->arena, work.meetings), table_count(p->ctx->arena, work.flops),
                  table_count(p->ctx->arena, (double)l->arena_bytes),
                  table_count(p->ctx->arena, (double)l->live_bytes_max));
        if (l->arena_bytes > largest) largest = l->arena_bytes;
    }
    table_print(&t, out);
    int64_t slots = 0;
    for (uint32_t i = 0; i < p->program->slots.len; i++) {
        const Slot *slot = &p->program->slots.data[i];
        int64_t bytes = dtype_bytes(slot->dtype);
        for (uint32_t d = 0; d < slot->rank; d++) bytes *= slot->dims[d];
        slots += bytes;
    }
    text_printf(out,
                "\nmemory: %s bytes of parameters, states and optimizer slots, "
                "%s bytes of planned work space (entries share it), at the planned batch\n",
                table_count(p->ctx->arena, (double)slots),
                table_count(p->ctx->arena, (double)largest));
}

/* Which entries are of another class than f32 (docs/numerics.md, precision). */
static void explain_precision(Pipeline *p, Text *out) {
    const char *before = "\nprecision: bf16 in ";
    for (uint32_t i = 0; i < p->program->entries.len; i++) {
        const Entry *entry = &p->program->entries.data[i];
        if (!entry->graph->bf16) continue;
        text_printf(out, "%s`%s`", before, entry->name);
        before = ", ";
    }
    if (*before == ',')
        text_add(out, ": operands of contractions are rounded to bf16, sums, weights and the "
                      "optimizer's state are f32\n");
}

/* What each entry asks of the sizes it is called with. */
static void explain_checks(Pipeline *p, Text *out) {
    bool any = false;
    for (uint32_t i = 0; i < p->program->entries.len; i++) {
        const Graph *g = p->loops[i]->entry->graph;
        uint32_t count = 0;
        const GraphCheck *checks = g ? graph_size_checks(g, &count) : NULL;
        for (uint32_t k = 0; k < count; k++) {
            if (!any) text_add(out, "\nsizes checked when an entry is called\n");
            any = true;
            text_printf(out, "  %s: %s\n", p->program->entries.data[i].name, checks[k].text);
        }
    }
}

static void explain_kernels(Pipeline *p, Text *out) {
    for (uint32_t i = 0; i < p->program->entries.len; i++) {
        const LoopProgram *l = p->loops[i];
        text_printf(out, "\nkernels of %s\n", p->program->entries.data[i].name);
        Table t;
        table_open(&t, p->ctx->arena, "><>>><");
        table_row(&t, "#", "kernel", "split over", "FLOPs", "bytes", "tiles");
        for (uint32_t k = 0; k < l->kernels.len; k++) {
            const Kernel *kernel = l->kernels.data[k];
            Text extent = {.arena = p->ctx->arena};
            if (kernel->parallel)
                dim_print(&extent, p->program->dims, kernel->extent);
            else
                text_add(&extent, "-");
            table_row(&t, table_count(p->ctx->arena, k), kernel->name, text_str(&extent),
                      table_count(p->ctx->arena, kernel->flops),
                      table_count(p->ctx->arena, kernel->bytes),
                      kernel->choice ? kernel->choice : "");
        }
        table_print(&t, out);
    }
}

static void explain_kernels_json(const char *entry, const LoopProgram *l, Text *t) {
    for (uint32_t k = 0; k < l->kernels.len; k++) {
        const Kernel *kernel = l->kernels.data[k];
        json_open(t, NULL, '{');
        json_text(t, "event", "kernel");
        json_text(t, "entry", entry);
        json_integer(t, "number", k);
        json_text(t, "name", kernel->name);
        json_number(t, "flops", kernel->flops);
        json_number(t, "bytes", kernel->bytes);
        if (kernel->choice) json_text(t, "tiles", kernel->choice);
        json_close(t, '}');
        text_char(t, '\n');
    }
}

static void explain_json(Pipeline *p, Text *t) {
    for (uint32_t i = 0; i < p->program->layers.len; i++) {
        const LayerInfo *l = &p->program->layers.data[i];
        json_open(t, NULL, '{');
        json_text(t, "event", "layer");
        json_text(t, "path", l->path);
        json_text(t, "layer", l->what);
        json_text(t, "output", shape_text(p, &l->shape));
        json_text(t, "dtype", dtype_name(l->dtype));
        json_integer(t, "parameters", l->params);
        json_number(t, "flops", l->flops);
        json_integer(t, "bytes", l->param_bytes);
        json_close(t, '}');
        text_char(t, '\n');
    }
    for (uint32_t i = 0; i < p->program->entries.len; i++) {
        const LoopProgram *l = p->loops[i];
        const LoopWork work = loop_work(l);
        json_open(t, NULL, '{');
        json_text(t, "event", "entry");
        json_text(t, "name", p->program->entries.data[i].name);
        json_integer(t, "kernels", l->kernels.len);
        json_integer(t, "barriers", work.meetings);
        json_number(t, "flops", work.flops);
        json_integer(t, "memory_bytes", l->arena_bytes);
        json_integer(t, "live_bytes", l->live_bytes_max);
        json_text(t, "precision", p->program->entries.data[i].graph->bf16 ? "bf16" : "f32");
        json_close(t, '}');
        text_char(t, '\n');
        if (p->session->verbose) explain_kernels_json(p->program->entries.data[i].name, l, t);
    }
}

ExitCode command_explain(Session *s) {
    if (!session_words(s, 1, 1)) return EXIT_CODE_USAGE;
    Pipeline p;
    ExitCode code = EXIT_CODE_INPUT;
    if (pipeline_open(&p, s, s->options.words.data[0], SEMA_ALL) &&
        pipeline_run(&p, PASS_schedule)) {
        Text out = {.arena = s->ctx->arena};
        if (s->json) {
            explain_json(&p, &out);
        } else {
            explain_layers(&p, &out);
            text_char(&out, '\n');
            explain_entries(&p, &out);
            explain_precision(&p, &out);
            explain_checks(&p, &out);
            if (s->verbose) explain_kernels(&p, &out);
        }
        fputs(text_str(&out), s->out);
        code = EXIT_CODE_OK;
    }
    pipeline_close(&p);
    return code;
}
