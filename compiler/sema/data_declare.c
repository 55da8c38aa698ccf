/* What a `data` block declares: fields, files, split. */
#include "compiler/sema/blocks.h"
#include "compiler/sema/use_files.h"

const char *const SPLIT_NAMES[BMRT_SPLIT_COUNT] = {"from", "train", "valid", "test"};

const SettingSpec DATA_SETTINGS[] = {{"train", true}, {"valid", true}, {"test", true},
                                     {"from", true},  {"split", true}, {"drop", true},
                                     {"dedup", true}, {NULL, false}};

static bool fail(DataBlock *d) {
    d->poisoned = true;
    return false;
}

/* ------------------------------------------------------------------ fields */

int32_t data_field_find(const BmrtData *data, const char *name) {
    for (uint32_t i = 0; i < data->field_count; i++)
        if (strcmp(data->fields[i].name, name) == 0) return (int32_t)i;
    return -1;
}

const BmrtField *data_text_field(const BmrtData *data, const char *name) {
    int32_t f = data_field_find(data, name);
    return f >= 0 && data->fields[f].kind == BMRT_FIELD_TOKENS ? &data->fields[f] : NULL;
}

/* category(["no", "yes"]) */
static bool declare_names(Sema *s, const Node *type, Value v, BmrtField *out) {
    const char **names = ARENA_ARRAY(s->arena, const char *, v.as.list.count);
    for (uint32_t i = 0; i < v.as.list.count; i++) {
        Value item = v.as.list.items[i];
        if (item.kind != V_STR) {
            sema_error(s, E_DATA, type->span, "a category's names are strings, got %s",
                       value_kind_name(item.kind));
            return false;
        }
        names[i] = item.as.str;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(names[k], names[i]) == 0) {
                sema_error(s, E_DATA, type->span, "the name \"%s\" stands twice", names[i]);
                return false;
            }
    }
    out->kind = BMRT_FIELD_NAMES;
    out->names = names;
    out->name_count = v.as.list.count;
    return true;
}

static bool declare_category(Sema *s, const Node *type, BmrtField *out) {
    const Node *arg = type->count == 1 ? type->kids[0] : NULL;
    Value v = arg ? eval(s, node_kid(arg, 0)) : NONE;
    if (value_is_poison(v)) return false;
    out->dtype = BMRT_I32;
    if (arg && !arg->name && v.kind == V_LIST && v.as.list.count > 0)
        return declare_names(s, type, v, out);
    if (arg && arg->name && strcmp(arg->name->text, "max") == 0 &&
        value_is_int(v, &out->category_max) && out->category_max >= 1 &&
        out->category_max < INT32_MAX) {
        out->kind = BMRT_FIELD_CATEGORY;
        return true;
    }
    Diag *d = sema_error(s, E_DATA, type->span, "a category is told by its size or its names");
    diag_help(d, "`category(max = 1000)`: 1 ... 1000 in order of appearance, 0 unknown or missing");
    diag_help(d, "`category([\"no\", \"yes\"])`: 0 and 1, anything else is an error; for labels");
    return false;
}

static bool declare_type(Sema *s, const Node *type, BmrtField *out) {
    DType dtype = type ? type_dtype(type) : DTYPE_F32;
    const char *name = type && type->name ? type->name->text : "?";
    out->dtype = (BmrtDtype)dtype;
    if (dtype != DTYPE_COUNT) return true;
    if (strcmp(name, "category") == 0) return declare_category(s, type, out);
    Diag *d = sema_error(s, E_DATA, type->span, "a field cannot be of type `%s`", name);
    diag_help(d, "types: f32 f64 i64 i32 i16 i8 u64 u32 u16 u8 bool str category(...)");
    return false;
}

/* `field us: category(max = 60) = "Marital status"`: the name of the column in the file. */
static bool declare_column(Sema *s, const Node *par, BmrtField *out) {
    const Node *column = node_kid(par, 2);
    if (!column) return true;
    Value v = eval(s, column);
    if (v.kind == V_STR) {
        out->text_column = v.as.str;
        return true;
    }
    if (!value_is_poison(v)) {
        Diag *d = sema_error(s, E_DATA, column->span, "the column of a field is named by a string");
        diag_help(d, "`field %s = \"Column name\"`", out->name);
    }
    return false;
}

static void declare_field(Sema *s, DataBlock *d, const Node *entry, BmrtField *out) {
    const Node *par = node_kid(entry, 0);
    Shape shape = shape_scalar();
    Place place = sources_place(s->ctx->sources, entry->span);
    out->name = par->name->text;
    out->line = place.line;
    out->column = place.column;
    const Node *type = node_kid(par, 1);
    bool text = type && type->name && strcmp(type->name->text, "str") == 0;
    if (!declare_column(s, par, out) ||
        !(text ? tokens_declare(s, d->node, par, out)
               : declare_type(s, type, out) && eval_shape(s, node_kid(par, 0), &shape))) {
        fail(d);
        return;
    }
    if (text) return;
    int64_t *dims = ARENA_ARRAY(s->arena, int64_t, shape.rank);
    int64_t bytes = dtype_bytes((DType)out->dtype);
    for (uint32_t i = 0; i < shape.rank; i++) {
        dims[i] = dim_value(s->program->dims, shape.dims[i]);
        if (__builtin_mul_overflow(bytes, dims[i], &bytes) || bytes > (int64_t)1 << 32) {
            sema_error(s, E_LIMIT, entry->span, "a row of `%s` is larger than 4 GiB", out->name);
            fail(d);
            return;
        }
    }
    out->rank = shape.rank;
    out->dims = dims;
}

static void declare_fields(Sema *s, DataBlock *d, BmrtData *data) {
    uint32_t n = 0;
    /* a field may be what could not be parsed */
    bool faulty = d->node->count == 0 && diags_errors(s->ctx->diags) > 0;
    for (uint32_t i = 0; i < d->node->count; i++) {
        n += d->node->kids[i]->kind == NODE_FIELD;
        faulty |= d->node->kids[i]->kind == NODE_POISON;
    }
    BmrtField *fields = ARENA_ARRAY(s->arena, BmrtField, n);
    data->fields = fields;
    for (uint32_t i = 0; i < d->node->count; i++) {
        const Node *entry = d->node->kids[i];
        if (entry->kind != NODE_FIELD || !node_kid(entry, 0)) continue;
        const char *name = node_kid(entry, 0)->name->text;
        if (data_field_find(data, name) >= 0) {
            sema_error(s, E_DUPLICATE, entry->span, "field `%s` is declared twice", name);
            fail(d);
            continue;
        }
        declare_field(s, d, entry, &fields[data->field_count++]);
    }
    if (n == 0 && faulty) fail(d);
    if (n == 0 && !faulty) {
        Diag *e = sema_error(s, E_DATA, d->node->name_span, "data `%s` has no fields",
                             d->node->name->text);
        diag_help(e, "say what a row holds: `field x[28, 28]: u8`");
        fail(d);
    }
}

/* ------------------------------------------------------------------ split */

static bool split_part(Sema *s, const Node *arg, BmrtSplitRule *rule) {
    Value v = eval(s, node_kid(arg, 0));
    if (value_is_poison(v)) return false;
    const char *name = arg->name ? arg->name->text : "";
    int64_t i;
    if (strcmp(name, "seed") == 0) {
        if (value_is_int(v, &i) && i >= 0) {
            rule->seed = (uint64_t)i;
            return true;
        }
        sema_error(s, E_DATA, arg->span, "`seed` wants a whole number from 0 up, got %s",
                   value_string(s, v));
        return false;
    }
    for (int k = BMRT_SPLIT_TRAIN; k < BMRT_SPLIT_COUNT; k++) {
        if (strcmp(name, SPLIT_NAMES[k]) != 0) continue;
        double x = v.kind == V_NUM ? value_number(v) : -1;
        if (x < 0 || (x >= 1 && !value_is_int(v, &i))) {
            sema_error(s, E_DATA, arg->span,
                       "`%s` wants a fraction below 1 or a number of rows, got %s", name,
                       value_string(s, v));
            return false;
        }
        rule->part[k] = x;
        return true;
    }
    Diag *d = sema_error(s, E_DATA, arg->span, "a split has no `%s`", name);
    diag_help(d, "parts here: train valid test seed");
    return false;
}

/* folds(5, seed = 1, by = label) */
static bool fold_part(Sema *s, const Node *arg, bool first, BmrtData *data) {
    const char *name = arg->name ? arg->name->text : "";
    const Node *e = node_kid(arg, 0);
    if (strcmp(name, "by") == 0) {
        data->split.by = e && e->kind == NODE_NAME ? data_field_find(data, e->name->text) : -1;
        if (data->split.by >= 0 && data->fields[data->split.by].rank == 0) return true;
        sema_error(s, E_DATA, arg->span, "`by` wants the name of a field that holds one value");
        return false;
    }
    Value v = eval(s, e);
    int64_t i = -1;
    if (value_is_poison(v)) return false;
    bool whole = value_is_int(v, &i);
    if (strcmp(name, "seed") == 0 && whole && i >= 0) {
        data->split.seed = (uint64_t)i;
        return true;
    }
    if (first && !arg->name && whole && i >= 2 && i <= 1000) {
        data->split.folds = (uint32_t)i;
        return true;
    }
    Diag *d =
        sema_error(s, E_DATA, arg->span, "`folds` wants 2 to 1000 folds, then `seed` and `by`");
    diag_help(d, "`folds(5, seed = 1, by = label)`");
    return false;
}

static void declare_folds(Sema *s, DataBlock *d, BmrtData *data, const Node *e) {
    data->split.kind = BMRT_SPLITBY_FOLDS;
    for (uint32_t i = 1; i < e->count; i++)
        if (!fold_part(s, e->kids[i], i == 1, data)) fail(d);
    if (!d->poisoned && data->split.folds == 0) {
        sema_error(s, E_DATA, e->span, "`folds` wants their number first: `folds(5)`");
        fail(d);
    }
    if (d->has[BMRT_SPLIT_VALID]) {
        sema_error(s, E_DATA, e->span,
                   "the valid rows come from their own file and from the folds");
        fail(d);
    }
    d->has[BMRT_SPLIT_TRAIN] = d->has[BMRT_SPLIT_VALID] = true;
}

static void declare_split(Sema *s, DataBlock *d, BmrtData *data, const Node *setting) {
    const Node *e = node_kid(setting, 0);
    const Node *callee = e && e->kind == NODE_CALL ? node_kid(e, 0) : NULL;
    const char *kind = callee && callee->kind == NODE_NAME ? callee->name->text : "";
    if (strcmp(kind, "random") != 0 && strcmp(kind, "blocks") != 0) {
        if (strcmp(kind, "folds") == 0) {
            declare_folds(s, d, data, e);
            return;
        }
        fail(d);
        Diag *g = sema_error(s, E_DATA, e ? e->span : setting->span, "no such way to split");
        diag_help(g, "`random(valid = 5000, seed = 1)`, `blocks(valid = 0.1)` or `folds(5)`");
        return;
    }
    data->split.kind = kind[0] == 'r' ? BMRT_SPLITBY_RANDOM : BMRT_SPLITBY_BLOCKS;
    double fractions = 0;
    for (uint32_t i = 1; i < e->count; i++)
        if (!split_part(s, e->kids[i], &data->split)) fail(d);
    for (int k = BMRT_SPLIT_TRAIN; k < BMRT_SPLIT_COUNT; k++) {
        double part = data->split.part[k];
        if (part > 0) d->has[k] = true;
        if (part < 1) fractions += part;
        if (part > 0 && k != BMRT_SPLIT_TRAIN)
            for (uint32_t i = 0; i < data->source_count; i++)
                if (data->sources[i].split == (BmrtSplit)k) {
                    sema_error(s, E_DATA, setting->span,
                               "the %s rows come from their own file and from the split",
                               SPLIT_NAMES[k]);
                    fail(d);
                    break;
                }
    }
    if (fractions > 1 + 1e-9) {
        sema_error(s, E_DATA, setting->span, "the fractions add up to %g, more than 1", fractions);
        fail(d);
    }
    d->has[BMRT_SPLIT_TRAIN] = true;
}

/* ------------------------------------------------------------------ dedup */

static bool dedup_field(Sema *s, const BmrtData *data, const Node *e, uint32_t *out) {
    const char *name = e && e->kind == NODE_NAME ? e->name->text : NULL;
    int32_t field = name ? data_field_find(data, name) : -1;
    if (field >= 0) {
        *out = (uint32_t)field;
        return true;
    }
    if (name && !scope_find(s->scope, e->name)) return false; /* the resolver said so */
    Nearest near = {.wanted = name ? name : ""};
    for (uint32_t i = 0; i < data->field_count; i++) nearest_offer(&near, data->fields[i].name);
    Diag *d = name ? sema_error(s, E_DATA, e->span, "no field `%s` in data `%s`", name, data->name)
                   : sema_error(s, E_DATA, e->span, "`dedup` wants names of fields, or `all`");
    if (near.best) propose_name(d, e->span, near.best);
    return false;
}

/* dedup: (user, film); one name; or `all` fields. */
static void declare_dedup(Sema *s, DataBlock *d, BmrtData *data) {
    const Node *setting = block_setting(d->node, "dedup");
    const Node *e = setting ? node_kid(setting, 0) : NULL;
    if (!e || data->field_count == 0) return;
    bool all = e->kind == NODE_NAME && strcmp(e->name->text, "all") == 0;
    bool several = e->kind == NODE_TUPLE || e->kind == NODE_DIMS;
    uint32_t count = all ? data->field_count : several ? e->count : 1;
    uint32_t *fields = ARENA_ARRAY(s->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) {
        fields[i] = i;
        if (!all && !dedup_field(s, data, several ? e->kids[i] : e, &fields[i])) {
            fail(d);
            return;
        }
    }
    data->dedup = fields;
    data->dedup_count = count;
}

/* One for every category and text field: names are saved whether or not an export uses them. */
static void declare_vocabularies(Sema *s, const DataBlock *d, const BmrtData *data) {
    for (uint32_t i = 0; i < data->field_count; i++) {
        if (data->fields[i].kind == BMRT_FIELD_NUMBER) continue;
        BmrtVocabulary v = {
            .path = arena_printf(s->arena, "%s.%s.names", data->name, data->fields[i].name),
            .data = d->index,
            .field = i};
        vec_push(s->arena, &s->program->vocabularies, v);
    }
}

/* Two files may each have their own: but names in the saved weights begin with a block's name. */
static bool name_is_free(Sema *s, const Node *node) {
    for (uint32_t i = 0; i < s->data.len; i++) {
        const Node *other = s->data.data[i]->node;
        if (other->name != node->name || other->span.file == node->span.file) continue;
        Diag *d = sema_error(s, E_DUPLICATE, node->name_span, "two data blocks are called `%s`",
                             node->name->text);
        diag_label(d, other->name_span, "here is the other");
        diag_note(d, "what they learn is saved under their names");
        diag_help(d, "rename one of them");
        return false;
    }
    return true;
}

void data_declare(Sema *s, const Node *node) {
    if (!name_is_free(s, node)) return;
    DataBlock *d = ARENA_NEW(s->arena, DataBlock);
    d->node = node;
    d->index = (int32_t)s->program->data.len;
    BmrtData data = {.name = node->name->text,
                     .train_rows_entry = -1,
                     .rows_entry = -1,
                     .drop_entry = -1,
                     .split = {.by = -1}};
    Scope *saved = s->scope;
    s->scope = use_scope(s, node->span.file);
    if (node->span.file != s->file->span.file)
        data.file = sources_get(s->ctx->sources, node->span.file)->name;
    bool settings = check_settings(s, node, DATA_SETTINGS, "a data block");
    declare_fields(s, d, &data);
    bool bad_fields = d->poisoned;
    for (int k = 0; k < BMRT_SPLIT_COUNT; k++) {
        const Node *setting = block_setting(node, SPLIT_NAMES[k]);
        if (setting && !d->poisoned) data_source(s, d, &data, setting, (BmrtSplit)k);
    }
    const Node *split = block_setting(node, "split");
    if (split && !d->poisoned) declare_split(s, d, &data, split);
    declare_dedup(s, d, &data);
    if (d->has[BMRT_SPLIT_ALL] && !split) d->has[BMRT_SPLIT_TRAIN] = true;
    if (!d->poisoned && settings && data.source_count == 0) {
        Diag *e = sema_error(s, E_DATA, node->name_span, "data `%s` names no file", data.name);
        diag_help(e, "`train: idx(...)`, `from: npy(...)`");
        fail(d);
    }
    if (d->poisoned) memset(d->has, 1, sizeof d->has);
    d->poisoned = bad_fields; /* wrong files leave the columns worth checking */
    s->scope = saved;
    declare_vocabularies(s, d, &data);
    vec_push(s->arena, &s->program->data, data);
    vec_push(s->arena, &s->data, d);
}
