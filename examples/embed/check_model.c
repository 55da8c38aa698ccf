/* A tool that has the compiler inside: it compiles a model, shows what the compiler has to say in
 * its own format (here: one line a diagnostic, as editors and build servers like it), and lists
 * what the model offers. cc -o check_model check_model.c $(pkg-config --cflags --libs bmc) &&
 * ./check_model mlp.bm */
#include <bmc.h>
#include <stdio.h>

static void show(void *user, const BmcDiagnostic *d) {
    int *count = user;
    ++*count;
    printf("%s:%u:%u: %s %s: %s\n", d->file ? d->file : "-", d->line, d->column,
           d->is_error ? "error" : "warning", d->code, d->message);
}

static void list(const BmrtModel *model) {
    for (uint32_t i = 0; i < model->slot_count; i++) {
        const BmrtSlot *slot = &model->slots[i];
        printf("%-9s %s, %lld bytes\n", slot->kind == BMRT_SLOT_PARAM ? "parameter" : "state",
               slot->path, (long long)slot->bytes);
    }
    for (uint32_t i = 0; i < model->entry_count; i++)
        if (model->entries[i].kind == BMRT_ENTRY_EXPORT)
            printf("export    %s: %u inputs, %u outputs\n", model->entries[i].name,
                   model->entries[i].input_count, model->entries[i].output_count);
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: %s MODEL.bm\n", argv[0]), 2;
    int count = 0;
    BmcOptions options = {
        .size_bytes = sizeof options, .level = 0, .on_diagnostic = show, .user = &count};
    BmcModel *model;
    BmcStatus status = bmc_compile_file(argv[1], &options, &model);
    if (status == BMC_OK) list(bmc_model(model));
    printf("%d diagnostics\n", count);
    bmc_close(model);
    return status == BMC_OK ? 0 : 1;
}
