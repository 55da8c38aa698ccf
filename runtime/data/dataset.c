/* Loading a data block: files to arrays, every shape and row count checked against the fields. */
#include "runtime/data/dataset.h"

#include <stdio.h>
#include <string.h>

#include "runtime/data/split.h"

static const char *const part_names[BMRT_SPLIT_COUNT] = {"data", "train", "valid", "test"};

static BmrtStatus blame(BmrtFault *fault, uint32_t line, uint32_t column, BmrtStatus status) {
    fault->line = line;
    fault->column = column;
    return status;
}

/* rows x the field's dims, of its dtype? */
static BmrtStatus check_shape(const BmrtField *field, const BmrtArray *a, const char *name,
                              BmrtFault *fault) {
    bool fits = a->dtype == field->dtype && a->rank == field->rank + 1;
    for (uint32_t i = 0; fits && i < field->rank; i++) fits = a->dims[i + 1] == field->dims[i];
    if (fits && a->dims[0] > UINT32_MAX)
        return bmrt_fail(&fault->message, BMRT_FORMAT, "%s holds %lld rows; %u is the limit", name,
                         (long long)a->dims[0], UINT32_MAX);
    if (fits) return BMRT_OK;
    bmrt_fail(&fault->message, BMRT_FORMAT, "%s holds ", name);
    bmrt_message_add_shape(&fault->message, a->dtype, a->rank, a->dims);
    bmrt_message_add(&fault->message, ", but field `%s` is declared [", field->name);
    for (uint32_t i = 0; i < field->rank; i++)
        bmrt_message_add(&fault->message, "%s%lld", i ? ", " : "", (long long)field->dims[i]);
    bmrt_message_add(&fault->message, "]");
    if (a->dtype != field->dtype)
        bmrt_message_add(&fault->message, ": %s", bmrt_dtype_name(field->dtype));
    bmrt_message_add(&fault->message,
                     "\nfound when loading, before the first step; nothing was written");
    return blame(fault, field->line, field->column, BMRT_FORMAT);
}

static BmrtStatus load_source(BmrtDataset *data, const BmrtSource *source, const BmrtPaths *paths,
                              BmrtFault *fault) {
    char path[BMRT_PATH_MAX];
    const BmrtData *recipe = data->recipe;
    if (source->format == BMRT_FORMAT_CSV)
        return bmrt_fail(&fault->message, BMRT_ARGUMENT, "CSV files are not supported yet");
    if (source->field < 0 || source->field >= (int32_t)recipe->field_count)
        return bmrt_fail(&fault->message, BMRT_ARGUMENT, "`%s`: which field is it?", source->path);
    BmrtArray *array = &data->fields[source->split][source->field];
    if (array->block.data)
        return bmrt_fail(&fault->message, BMRT_ARGUMENT, "`%s`: a second file for field `%s`",
                         source->path, recipe->fields[source->field].name);
    BmrtStatus status = bmrt_path_resolve(paths, source->path, path, &fault->message);
    if (status == BMRT_OK)
        status = bmrt_array_read(data->hooks, path, source->format, array, &fault->message);
    if (status != BMRT_OK) return status;
    const char *slash = strrchr(path, '/');
    return check_shape(&recipe->fields[source->field], array, slash ? slash + 1 : path, fault);
}

static const BmrtSource *find_source(const BmrtData *recipe, BmrtSplit part, uint32_t field) {
    for (uint32_t i = 0; i < recipe->source_count; i++)
        if (recipe->sources[i].split == part && recipe->sources[i].field == (int32_t)field)
            return &recipe->sources[i];
    return NULL;
}

/* All fields are there and have the same number of rows. */
static BmrtStatus check_rows(BmrtDataset *data, BmrtSplit part, BmrtFault *fault) {
    const BmrtData *recipe = data->recipe;
    const BmrtArray *arrays = data->fields[part];
    for (uint32_t f = 0; f < recipe->field_count; f++) {
        const BmrtSource *source = find_source(recipe, part, f);
        if (!source)
            return bmrt_fail(&fault->message, BMRT_FORMAT,
                             "data `%s` names no %s file for field `%s`", recipe->name,
                             part_names[part], recipe->fields[f].name);
        if (arrays[f].dims[0] == arrays[0].dims[0]) continue;
        bmrt_fail(&fault->message, BMRT_FORMAT, "`%s` holds %lld rows, but `%s` holds %lld",
                  source->path, (long long)arrays[f].dims[0], find_source(recipe, part, 0)->path,
                  (long long)arrays[0].dims[0]);
        return blame(fault, source->line, source->column, BMRT_FORMAT);
    }
    data->part_rows[part] = recipe->field_count ? arrays[0].dims[0] : 0;
    if (data->part_rows[part] > 0) return BMRT_OK;
    return bmrt_fail(&fault->message, BMRT_FORMAT, "data `%s`: the %s files hold no rows",
                     recipe->name, part_names[part]);
}

static BmrtStatus load_part(BmrtDataset *data, BmrtSplit part, const BmrtPaths *paths,
                            BmrtFault *fault) {
    const BmrtData *recipe = data->recipe;
    data->fields[part] = bmrt_new(data->hooks, recipe->field_count, sizeof **data->fields);
    if (!data->fields[part])
        return bmrt_fail(&fault->message, BMRT_MEMORY, "no memory for data `%s`", recipe->name);
    for (uint32_t i = 0; i < recipe->source_count; i++) {
        const BmrtSource *source = &recipe->sources[i];
        if (source->split != part) continue;
        blame(fault, source->line, source->column, BMRT_OK);
        const BmrtStatus status = load_source(data, source, paths, fault);
        if (status != BMRT_OK) return status;
    }
    return check_rows(data, part, fault);
}

BmrtStatus bmrt_dataset_load(BmrtDataset *out, const BmrtData *recipe, const BmrtHooks *hooks,
                             const BmrtPaths *paths, unsigned wanted, BmrtFault *fault) {
    unsigned parts = 0;
    *out = (BmrtDataset){.recipe = recipe, .hooks = hooks};
    BmrtStatus status = bmrt_split_parts(recipe, wanted, &parts, fault);
    for (int part = 0; status == BMRT_OK && part < BMRT_SPLIT_COUNT; part++)
        if (parts & 1u << part) status = load_part(out, (BmrtSplit)part, paths, fault);
    if (status == BMRT_OK) blame(fault, 0, 0, BMRT_OK);
    return status == BMRT_OK ? bmrt_split_rows(out, fault) : status;
}

void bmrt_dataset_free(BmrtDataset *data) {
    if (!data->hooks) return;
    for (int part = 0; part < BMRT_SPLIT_COUNT; part++) {
        BmrtArray *arrays = data->fields[part];
        for (uint32_t f = 0; arrays && f < data->recipe->field_count; f++)
            bmrt_array_free(data->hooks, &arrays[f]);
        bmrt_delete(data->hooks, arrays, data->recipe->field_count, sizeof *arrays);
        BmrtRows *rows = &data->splits[part];
        bmrt_delete(data->hooks, rows->order, rows->count, sizeof *rows->order);
    }
    *data = (BmrtDataset){.hooks = NULL};
}
