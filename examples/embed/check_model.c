/* A tool that has the compiler inside: it compiles a model, shows what the compiler has to say in
 * its own format (here: one line a diagnostic, as editors and build servers like it), and lists
 * what the model offers and what was made of it: layers, parameters, exports, the costliest
 * kernels with the lines of the model they come from.
 *
 *     cc -o check_model check_model.c $(pkg-config --cflags --libs bmc)
 *     ./check_model mlp.bm */
#include <bmc.h>
#include <stdio.h>

static void show(void *user, const BmcDiagnostic *d) {
    int *count = user;
    ++*count;
    printf("%s:%u:%u: %s %s: %s\n", d->file ? d->file : "-", d->line, d->column,
           d->is_error ? "error" : "warning", d->code, d->message);
}

static void list_layers(const BmcInspection *i) {
    const BmcLayerInfo *l;
    for (uint32_t n = 0; (l = bmc_inspect_layer(i, n)); n++)
        printf("layer     %s: %s -> %s, %lld parameters\n", l->path, l->what, l->shape.text,
               (long long)l->parameters);
    const BmcParameterInfo *p;
    for (uint32_t n = 0; (p = bmc_inspect_parameter(i, n)); n++)
        printf("%-9s %s %s, %lld bytes\n", p->kind == BMRT_SLOT_PARAM ? "parameter" : "state",
               p->path, p->shape.text, (long long)p->bytes);
}

/* Half of an entry's work is usually in one or two kernels. */
static void list_kernels(const BmcInspection *i, uint32_t entry, double work) {
    const BmcKernelInfo *k;
    for (uint32_t n = 0; (k = bmc_inspect_kernel(i, entry, n)); n++)
        if (k->flops >= 0.1 * work)
            printf("  kernel  %s, line %u: %.0f%% of the work, %s rows in multiples of %lld\n",
                   k->name, k->place.line, 100 * k->flops / work, k->extent_text,
                   (long long)k->grain);
}

static void list_entries(const BmcInspection *i, const BmrtModel *model) {
    const BmcEntryInfo *e;
    for (uint32_t n = 0; (e = bmc_inspect_entry(i, n)); n++) {
        if (e->kind != BMRT_ENTRY_EXPORT && e->kind != BMRT_ENTRY_STEP) continue;
        printf(
            "%-9s %s: %u inputs, %u outputs; %u operations in %u kernels, %lld bytes to work in\n",
            e->kind == BMRT_ENTRY_EXPORT ? "export" : "step", e->name,
            model->entries[n].input_count, model->entries[n].output_count, e->nodes, e->kernels,
            (long long)e->arena_bytes);
        list_kernels(i, n, e->flops);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: %s MODEL.bm\n", argv[0]), 2;
    int count = 0;
    BmcOptions options = {
        .size_bytes = sizeof options, .level = 0, .on_diagnostic = show, .user = &count};
    BmcModel *model;
    BmcInspection *inspection = NULL;
    BmcStatus status = bmc_compile_file(argv[1], &options, &model);
    if (status == BMC_OK && bmc_inspect(model, &inspection) == BMC_OK) {
        list_layers(inspection);
        list_entries(inspection, bmc_model(model));
    }
    printf("%d diagnostics\n", count);
    bmc_inspection_close(inspection);
    bmc_close(model);
    return status == BMC_OK ? 0 : 1;
}
