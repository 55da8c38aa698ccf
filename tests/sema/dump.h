/* A program as text: what sema made of a file, for golden files. */
#ifndef BMC_TESTS_SEMA_DUMP_H
#define BMC_TESTS_SEMA_DUMP_H

#include "compiler/sema/sema.h"
#include "compiler/syntax/syntax.h"
#include <stdio.h>
#include <stdlib.h>

static inline char *read_text(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    char *text = malloc((size_t)size + 1);
    *len = fread(text, 1, (size_t)size, f);
    text[*len] = 0;
    fclose(f);
    return text;
}

static inline Program *elaborate_text(Context *ctx, const char *name, const char *text,
                                      const SemaOptions *options) {
    uint32_t file = sources_add(ctx->sources, name, text, (uint32_t)strlen(text), 0);
    const Node *tree = syntax_parse(ctx, file);
    if (diags_errors(ctx->diags)) return NULL;
    return sema_run(ctx, tree, options);
}

static inline void dump_diags(Context *ctx, Text *out) {
    for (uint32_t i = 0; i < diags_count(ctx->diags); i++)
        diag_render(out, ctx->sources, diags_get(ctx->diags, i), 0);
}

static inline void dump_slots(const Program *p, Text *out) {
    static const char *const kinds[] = {"param", "state", "optimizer", "fit"};
    for (uint32_t i = 0; i < p->slots.len; i++) {
        const Slot *s = &p->slots.data[i];
        text_printf(out, "slot %u %s %s %s [", i, kinds[s->kind], s->path->text,
                    dtype_name(s->dtype));
        for (uint32_t k = 0; k < s->rank; k++)
            text_printf(out, "%s%lld", k ? ", " : "", (long long)s->dims[k]);
        text_add(out, "]\n");
    }
}

static inline void dump_layers(const Program *p, Text *out) {
    for (uint32_t i = 0; i < p->layers.len; i++) {
        const LayerInfo *l = &p->layers.data[i];
        text_printf(out, "layer %s = %s %s [", l->path, l->what, dtype_name(l->dtype));
        for (uint32_t k = 0; k < l->shape.rank; k++) {
            if (k) text_add(out, ", ");
            dim_print(out, p->dims, l->shape.dims[k]);
        }
        text_printf(out, "] params %lld bytes %lld flops %.0f\n", (long long)l->params,
                    (long long)l->param_bytes, l->flops);
    }
}

static inline void dump_eval(const BmrtEval *e, Text *out) {
    text_printf(out, " eval %d finish %d metrics", e->eval_entry, e->finish_entry);
    for (uint32_t i = 0; i < e->metric_count; i++) text_printf(out, " %s", e->metrics[i]);
    text_add(out, "\n");
}

static inline void dump_recipes(const Program *p, Text *out) {
    for (uint32_t i = 0; i < p->data.len; i++) {
        const BmrtData *d = &p->data.data[i];
        text_printf(out, "data %s rows %d train rows %d split %d seed %llu\n", d->name,
                    d->rows_entry, d->train_rows_entry, d->split.kind,
                    (unsigned long long)d->split.seed);
        for (uint32_t k = 0; k < d->field_count; k++)
            text_printf(out, "  field %s %s rank %u\n", d->fields[k].name,
                        dtype_name((DType)d->fields[k].dtype), d->fields[k].rank);
        for (uint32_t k = 0; k < d->source_count; k++)
            text_printf(out, "  source split %d format %d field %d %s\n", d->sources[k].split,
                        d->sources[k].format, d->sources[k].field, d->sources[k].path);
        for (uint32_t k = 0; k < d->column_count; k++)
            text_printf(out, "  column %s %s rank %u\n", d->columns[k].name,
                        dtype_name((DType)d->columns[k].dtype), d->columns[k].rank);
    }
    for (uint32_t i = 0; i < p->train.len; i++) {
        const BmrtTrain *t = &p->train.data[i];
        text_printf(out, "train %s data %d epochs %lld steps %lld batch %lld step %d save %d %s\n",
                    t->name ? t->name : "-", t->data, (long long)t->epochs, (long long)t->steps,
                    (long long)t->batch, t->step_entry, t->save, t->save_path ? t->save_path : "-");
        dump_eval(&t->valid, out);
    }
    for (uint32_t i = 0; i < p->test.len; i++) {
        text_printf(out, "test %s data %d split %d batch %lld\n",
                    p->test.data[i].name ? p->test.data[i].name : "-", p->test.data[i].data,
                    p->test.data[i].split, (long long)p->test.data[i].batch);
        dump_eval(&p->test.data[i].eval, out);
    }
}

/* level 0: without the graphs. */
static inline void dump_program(const Program *p, Text *out, int level) {
    dump_slots(p, out);
    dump_layers(p, out);
    dump_recipes(p, out);
    for (uint32_t i = 0; i < p->entries.len; i++) {
        text_printf(out, "entry %u %s kind %d\n", i, p->entries.data[i].name,
                    p->entries.data[i].kind);
        graph_verify(p->entries.data[i].graph);
        if (level) graph_print(out, p->entries.data[i].graph);
    }
}

#endif
