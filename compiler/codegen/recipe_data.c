/* The descriptor's data, train and test recipes: the runtime's own structs, as sema filled them in,
 * copied into the module with everything they point to. */
#include "compiler/codegen/data_image.h"

#define ROW(image, T, i, field, target)                                                            \
    image_pointer(image, (i) * sizeof(T) + offsetof(T, field), target)

static LLVMValueRef terms_image(CodeModule *m, const BmrtTerm *terms, uint32_t count) {
    Image *image = image_new(m, terms, count * sizeof *terms);
    for (uint32_t i = 0; i < count; i++)
        ROW(image, BmrtTerm, i, symbols,
            bytes_constant(m, terms[i].symbols, terms[i].count * sizeof terms[i].symbols[0]));
    return image_finish(image, "terms");
}

static LLVMValueRef sizes_image(CodeModule *m, const BmrtDim *dims, uint32_t count) {
    Image *image = image_new(m, dims, count * sizeof *dims);
    for (uint32_t i = 0; i < count; i++)
        ROW(image, BmrtDim, i, terms, terms_image(m, dims[i].terms, dims[i].count));
    return image_finish(image, "dims");
}

static LLVMValueRef columns_image(CodeModule *m, const BmrtValue *values, uint32_t count) {
    Image *image = image_new(m, values, count * sizeof *values);
    for (uint32_t i = 0; i < count; i++) {
        ROW(image, BmrtValue, i, name, text_constant(m, values[i].name));
        ROW(image, BmrtValue, i, dims, sizes_image(m, values[i].dims, values[i].rank));
    }
    return image_finish(image, "columns");
}

static LLVMValueRef texts_image(CodeModule *m, const char *const *texts, uint32_t count) {
    Image *image = image_new(m, texts, count * sizeof *texts);
    for (uint32_t i = 0; i < count; i++)
        image_pointer(image, i * sizeof *texts, text_constant(m, texts[i]));
    return image_finish(image, "texts");
}

static LLVMValueRef fields_image(CodeModule *m, const BmrtField *fields, uint32_t count) {
    Image *image = image_new(m, fields, count * sizeof *fields);
    for (uint32_t i = 0; i < count; i++) {
        ROW(image, BmrtField, i, name, text_constant(m, fields[i].name));
        ROW(image, BmrtField, i, dims,
            bytes_constant(m, fields[i].dims, fields[i].rank * sizeof fields[i].dims[0]));
        ROW(image, BmrtField, i, names, texts_image(m, fields[i].names, fields[i].name_count));
        ROW(image, BmrtField, i, text_column, text_constant(m, fields[i].text_column));
        ROW(image, BmrtField, i, words_path, text_constant(m, fields[i].words_path));
    }
    return image_finish(image, "fields");
}

static LLVMValueRef sources_image(CodeModule *m, const BmrtSource *sources, uint32_t count) {
    Image *image = image_new(m, sources, count * sizeof *sources);
    for (uint32_t i = 0; i < count; i++) {
        ROW(image, BmrtSource, i, path, text_constant(m, sources[i].path));
        ROW(image, BmrtSource, i, missing,
            texts_image(m, sources[i].missing, sources[i].missing_count));
    }
    return image_finish(image, "sources");
}

LLVMValueRef recipe_data(CodeModule *m) {
    const Program *p = m->program;
    Image *image = image_new(m, p->data.data, p->data.len * sizeof(BmrtData));
    for (uint32_t i = 0; i < p->data.len; i++) {
        const BmrtData *d = &p->data.data[i];
        ROW(image, BmrtData, i, name, text_constant(m, d->name));
        if (d->file) ROW(image, BmrtData, i, file, text_constant(m, d->file));
        ROW(image, BmrtData, i, fields, fields_image(m, d->fields, d->field_count));
        ROW(image, BmrtData, i, sources, sources_image(m, d->sources, d->source_count));
        ROW(image, BmrtData, i, columns, columns_image(m, d->columns, d->column_count));
        ROW(image, BmrtData, i, dedup,
            bytes_constant(m, d->dedup, d->dedup_count * sizeof d->dedup[0]));
        ROW(image, BmrtData, i, fit_entries,
            bytes_constant(m, d->fit_entries, d->fit_count * sizeof d->fit_entries[0]));
    }
    return image_finish(image, "data");
}

LLVMValueRef recipe_statistics(CodeModule *m) {
    const Program *p = m->program;
    return bytes_constant(m, p->statistics.data, p->statistics.len * sizeof(BmrtStatistic));
}

LLVMValueRef recipe_vocabularies(CodeModule *m) {
    const Program *p = m->program;
    Image *image = image_new(m, p->vocabularies.data, p->vocabularies.len * sizeof(BmrtVocabulary));
    for (uint32_t i = 0; i < p->vocabularies.len; i++) {
        const BmrtVocabulary *v = &p->vocabularies.data[i];
        ROW(image, BmrtVocabulary, i, path, text_constant(m, v->path));
        ROW(image, BmrtVocabulary, i, names,
            v->names ? bytes_constant(m, v->names, (size_t)v->names_bytes) : NULL);
    }
    return image_finish(image, "vocabularies");
}

/* The EVAL entry gives as many outputs as there are ways to combine them. */
static uint32_t eval_outputs(const Program *p, const BmrtEval *e) {
    if (e->eval_entry < 0 || (uint32_t)e->eval_entry >= p->entries.len) return 0;
    return entry_outputs(&p->entries.data[e->eval_entry]);
}

static void eval_image(Image *image, size_t at, const BmrtEval *e) {
    CodeModule *m = image->m;
    uint32_t outputs = e->combine ? eval_outputs(m->program, e) : 0;
    image_pointer(image, at + offsetof(BmrtEval, combine),
                  bytes_constant(m, e->combine, outputs * sizeof e->combine[0]));
    Image *names = image_new(m, e->metrics, e->metric_count * sizeof e->metrics[0]);
    for (uint32_t i = 0; i < e->metric_count; i++)
        image_pointer(names, i * sizeof e->metrics[0], text_constant(m, e->metrics[i]));
    image_pointer(image, at + offsetof(BmrtEval, metrics), image_finish(names, "metrics"));
}

static LLVMValueRef names_image(CodeModule *m, const char *const *names, uint32_t count) {
    Image *image = image_new(m, names, count * sizeof names[0]);
    for (uint32_t i = 0; i < count; i++)
        image_pointer(image, i * sizeof names[0], text_constant(m, names[i]));
    return image_finish(image, "names");
}

LLVMValueRef recipe_train(CodeModule *m) {
    const Program *p = m->program;
    Image *image = image_new(m, p->train.data, p->train.len * sizeof(BmrtTrain));
    for (uint32_t i = 0; i < p->train.len; i++) {
        const BmrtTrain *t = &p->train.data[i];
        ROW(image, BmrtTrain, i, name, text_constant(m, t->name));
        eval_image(image, i * sizeof(BmrtTrain) + offsetof(BmrtTrain, valid), &t->valid);
        ROW(image, BmrtTrain, i, save_path, text_constant(m, t->save_path));
        ROW(image, BmrtTrain, i, save_metric, text_constant(m, t->save_metric));
        ROW(image, BmrtTrain, i, patience_metric, text_constant(m, t->patience_metric));
        ROW(image, BmrtTrain, i, init_path, text_constant(m, t->init_path));
        ROW(image, BmrtTrain, i, init_only, names_image(m, t->init_only, t->init_only_count));
    }
    return image_finish(image, "train");
}

LLVMValueRef recipe_test(CodeModule *m) {
    const Program *p = m->program;
    Image *image = image_new(m, p->test.data, p->test.len * sizeof(BmrtTest));
    for (uint32_t i = 0; i < p->test.len; i++) {
        const BmrtTest *t = &p->test.data[i];
        ROW(image, BmrtTest, i, name, text_constant(m, t->name));
        eval_image(image, i * sizeof(BmrtTest) + offsetof(BmrtTest, eval), &t->eval);
    }
    return image_finish(image, "test");
}
