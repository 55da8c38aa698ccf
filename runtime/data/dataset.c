/* Loading a data block: files to arrays, every shape and row count checked against the fields. */
#include "runtime/data/dataset.h"

#include <stdio.h>
#include <string.h>

#include "runtime/data/clean.h"
#include "runtime/data/read_rows.h"
#include "runtime/data/split.h"

static const char *const part_names[BMRT_SPLIT_COUNT] = {"data", "train", "valid", "test"};

static BmrtStatus blame(BmrtFault *fault, uint32_t line, uint32_t column, BmrtStatus status) {
    fault->line = line;
    fault->column = column;
    return status;
}

/* Axes of one element hold nothing: [28, 28] in the file is [28, 28, 1] in a field. */
static bool same_but_ones(const BmrtField *field, const BmrtArray *a) {
    uint32_t k = 1;
    for (uint32_t i = 0; i < field->rank; i++) {
        if (field->dims[i] == 1) continue;
        while (k < a->rank && a->dims[k] == 1) k++;
        if (k == a->rank || a->dims[k++] != field->dims[i]) return false;
    }
    while (k < a->rank && a->dims[k] == 1) k++;
    return k == a->rank;
}

/* rows x the field's dims, of its dtype? Then `a` has just these dims. */
static BmrtStatus check_shape(const BmrtField *field, BmrtArray *a, const char *name,
                              BmrtFault *fault) {
    bool fits = a->dtype == field->dtype && a->rank > 0 && field->rank < BMRT_ARRAY_RANK_MAX &&
                same_but_ones(field, a);
    if (fits) {
        a->rank = field->rank + 1;
        for (uint32_t i = 0; i < field->rank; i++) a->dims[i + 1] = field->dims[i];
    }
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

static BmrtStatus load_lines(BmrtDataset *data, const BmrtSource *source, const BmrtPaths *paths,
                             BmrtFault *fault);

static BmrtStatus load_array(BmrtDataset *data, const BmrtSource *source, const BmrtPaths *paths,
                             BmrtFault *fault) {
    char path[BMRT_PATH_MAX];
    const BmrtData *recipe = data->recipe;
    if (source->field < 0 || source->field >= (int32_t)recipe->field_count)
        return bmrt_fail(&fault->message, BMRT_ARGUMENT, "`%s`: which field is it?", source->path);
    const BmrtField *field = &recipe->fields[source->field];
    BmrtArray *array = &data->fields[source->split][source->field];
    if (array->block.data)
        return bmrt_fail(&fault->message, BMRT_ARGUMENT, "`%s`: a second file for field `%s`",
                         source->path, field->name);
    if (source->format == BMRT_FORMAT_CSV) return load_lines(data, source, paths, fault);
    BmrtStatus status = bmrt_path_resolve(paths, source->path, path, &fault->message);
    if (status != BMRT_OK) return status;
    if (source->format == BMRT_FORMAT_ELEMENTS)
        return bmrt_element_rows(data->hooks, field, source, path, array, &fault->message);
    status = bmrt_array_read(data->hooks, path, source->format, array, &fault->message);
    if (status != BMRT_OK) return status;
    const char *slash = strrchr(path, '/');
    return check_shape(field, array, slash ? slash + 1 : path, fault);
}

/* ------------------------------------------------------------------ tables: all fields at once */

static bool fills_table(const BmrtSource *source) {
    return (source->format == BMRT_FORMAT_CSV || source->format == BMRT_FORMAT_RECORDS) &&
           source->field < 0;
}

static BmrtStatus load_file(BmrtTable *table, const BmrtSource *source, const BmrtPaths *paths,
                            const char *name, BmrtFault *fault) {
    char path[BMRT_PATH_MAX];
    const BmrtStatus status = bmrt_path_resolve(paths, name, path, &fault->message);
    if (status != BMRT_OK) return status;
    if (source->format == BMRT_FORMAT_CSV) return bmrt_csv_rows(table, source, path, fault);
    return bmrt_record_rows(table, source, path, &fault->message);
}

/* Files that a pattern matches, sorted by name (bytewise), so that the rows' order does not depend
 * on the file system. Insertion: few files, found nearly sorted. */
static BmrtStatus load_matches(BmrtTable *table, const BmrtSource *source, const BmrtPaths *paths,
                               const BmrtNames *found, BmrtFault *fault) {
    uint32_t *sorted = bmrt_new(table->hooks, found->count, sizeof *sorted);
    if (!sorted)
        return bmrt_fail(&fault->message, BMRT_MEMORY, "no memory to list `%s`", source->path);
    for (uint32_t i = 0; i < found->count; i++) {
        uint32_t at = i;
        for (;
             at > 0 && strcmp(bmrt_names_get(found, sorted[at - 1]), bmrt_names_get(found, i)) > 0;
             at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = i;
    }
    BmrtStatus status = BMRT_OK;
    for (uint32_t i = 0; status == BMRT_OK && i < found->count; i++)
        status = load_file(table, source, paths, bmrt_names_get(found, sorted[i]), fault);
    bmrt_delete(table->hooks, sorted, found->count, sizeof *sorted);
    return status;
}

static BmrtStatus load_rows(BmrtTable *table, const BmrtSource *source, const BmrtPaths *paths,
                            BmrtFault *fault) {
    if (!bmrt_path_is_pattern(source->path))
        return load_file(table, source, paths, source->path, fault);
    BmrtNames found;
    bmrt_names_open(&found, table->hooks);
    BmrtStatus status = bmrt_path_expand(paths, source->path, &found, &fault->message);
    if (status == BMRT_OK) status = load_matches(table, source, paths, &found, fault);
    bmrt_names_free(&found);
    return status;
}

/* Text of one field: a table of one column. */
static BmrtStatus load_lines(BmrtDataset *data, const BmrtSource *source, const BmrtPaths *paths,
                             BmrtFault *fault) {
    BmrtTable table;
    const uint32_t f = (uint32_t)source->field;
    BmrtStatus status = bmrt_table_open(&table, data->hooks, &data->recipe->fields[f], 1,
                                        &data->names[f], &fault->message);
    if (status == BMRT_OK) status = load_rows(&table, source, paths, fault);
    if (status == BMRT_OK) bmrt_table_take(&table, &data->fields[source->split][f]);
    bmrt_table_free(&table);
    return status;
}

static BmrtStatus load_tables(BmrtDataset *data, BmrtSplit part, const BmrtPaths *paths,
                              BmrtFault *fault) {
    const BmrtData *recipe = data->recipe;
    BmrtTable table = {.hooks = NULL};
    BmrtStatus status = BMRT_OK;
    for (uint32_t i = 0; status == BMRT_OK && i < recipe->source_count; i++) {
        const BmrtSource *source = &recipe->sources[i];
        if (source->split != part || !fills_table(source)) continue;
        blame(fault, source->line, source->column, BMRT_OK);
        if (!table.hooks)
            status = bmrt_table_open(&table, data->hooks, recipe->fields, recipe->field_count,
                                     data->names, &fault->message);
        if (status == BMRT_OK) status = load_rows(&table, source, paths, fault);
    }
    if (status == BMRT_OK && table.hooks) bmrt_table_take(&table, data->fields[part]);
    bmrt_table_free(&table);
    return status;
}

static const BmrtSource *find_source(const BmrtData *recipe, BmrtSplit part, uint32_t field) {
    for (uint32_t i = 0; i < recipe->source_count; i++)
        if (recipe->sources[i].split == part &&
            (recipe->sources[i].field == (int32_t)field || fills_table(&recipe->sources[i])))
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
        if (source->split != part || fills_table(source)) continue;
        blame(fault, source->line, source->column, BMRT_OK);
        const BmrtStatus status = load_array(data, source, paths, fault);
        if (status != BMRT_OK) return status;
    }
    const BmrtStatus status = load_tables(data, part, paths, fault);
    return status == BMRT_OK ? check_rows(data, part, fault) : status;
}

static BmrtStatus open_names(BmrtDataset *data, BmrtFault *fault) {
    const uint32_t count = data->recipe->field_count;
    data->names = bmrt_new(data->hooks, count, sizeof *data->names);
    data->counts.missing = bmrt_new(data->hooks, count, sizeof *data->counts.missing);
    data->counts.unnamed = bmrt_new(data->hooks, count, sizeof *data->counts.unnamed);
    if (!data->names || !data->counts.missing || !data->counts.unnamed)
        return bmrt_fail(&fault->message, BMRT_MEMORY, "no memory for data `%s`",
                         data->recipe->name);
    for (uint32_t f = 0; f < count; f++) bmrt_names_open(&data->names[f], data->hooks);
    return BMRT_OK;
}

BmrtStatus bmrt_dataset_load(BmrtDataset *out, const BmrtData *recipe, const BmrtHooks *hooks,
                             const BmrtLoad *load, BmrtFault *fault) {
    unsigned parts = 0;
    *out = (BmrtDataset){.recipe = recipe, .hooks = hooks};
    BmrtStatus status = open_names(out, fault);
    if (status == BMRT_OK) status = bmrt_split_parts(recipe, load->wanted, &parts, fault);
    for (int part = 0; status == BMRT_OK && part < BMRT_SPLIT_COUNT; part++) {
        if (!(parts & 1u << part)) continue;
        status = load_part(out, (BmrtSplit)part, load->paths, fault);
        if (status == BMRT_OK) {
            blame(fault, 0, 0, BMRT_OK);
            status = bmrt_clean_part(out, (BmrtSplit)part, load->handle, &fault->message);
        }
    }
    if (status != BMRT_OK) return status;
    blame(fault, 0, 0, BMRT_OK);
    status = bmrt_split_rows(out, load->fold, fault);
    return status == BMRT_OK ? bmrt_number_categories(out, load->handle, load->paths, fault)
                             : status;
}

static void free_rows(const BmrtHooks *hooks, BmrtRows *rows) {
    bmrt_delete(hooks, rows->order, rows->count, sizeof *rows->order);
}

void bmrt_dataset_free(BmrtDataset *data) {
    if (!data->hooks) return;
    const uint32_t fields = data->recipe->field_count;
    for (int part = 0; part < BMRT_SPLIT_COUNT; part++) {
        BmrtArray *arrays = data->fields[part];
        for (uint32_t f = 0; arrays && f < fields; f++) bmrt_array_free(data->hooks, &arrays[f]);
        bmrt_delete(data->hooks, arrays, fields, sizeof *arrays);
        free_rows(data->hooks, &data->kept[part]);
        free_rows(data->hooks, &data->splits[part]);
    }
    for (uint32_t f = 0; data->names && f < fields; f++) bmrt_names_free(&data->names[f]);
    bmrt_delete(data->hooks, data->names, fields, sizeof *data->names);
    bmrt_delete(data->hooks, data->counts.missing, fields, sizeof *data->counts.missing);
    bmrt_delete(data->hooks, data->counts.unnamed, fields, sizeof *data->counts.unnamed);
    *data = (BmrtDataset){.hooks = NULL};
}
