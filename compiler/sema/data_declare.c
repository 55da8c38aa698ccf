/* What a `data` block declares: fields, files, split. */
#include "compiler/sema/blocks.h"

const char *const SPLIT_NAMES[BMRT_SPLIT_COUNT] = {"from", "train", "valid", "test"};

const SettingSpec DATA_SETTINGS[] = {{"train", true},  {"valid", true}, {"test", true},
                                     {"from", true},   {"split", true}, {"drop", false},
                                     {"dedup", false}, {NULL, false}};

static bool fail(DataBlock *d) {
    d->poisoned = true;
    return false;
}

/* ------------------------------------------------------------------ fields */

static int32_t field_find(const BmrtData *data, const char *name) {
    for (uint32_t i = 0; i < data->field_count; i++)
        if (strcmp(data->fields[i].name, name) == 0) return (int32_t)i;
    return -1;
}

static void declare_field(Sema *s, DataBlock *d, const Node *entry, BmrtField *out) {
    const Node *par = node_kid(entry, 0), *type = node_kid(par, 1);
    DType dtype = type ? type_dtype(type) : DTYPE_F32;
    Shape shape = shape_scalar();
    Place place = sources_place(s->ctx->sources, entry->span);
    out->name = par->name->text;
    out->line = place.line;
    out->column = place.column;
    if (dtype == DTYPE_COUNT) {
        sema_unsupported(
            s, type->span,
            arena_printf(s->arena, "a field of type `%s`", type->name ? type->name->text : "?"));
        fail(d);
        return;
    }
    out->dtype = (BmrtDtype)dtype;
    if (!eval_shape(s, node_kid(par, 0), &shape)) {
        fail(d);
        return;
    }
    int64_t *dims = ARENA_ARRAY(s->arena, int64_t, shape.rank);
    int64_t bytes = dtype_bytes(dtype);
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
    for (uint32_t i = 0; i < d->node->count; i++) n += d->node->kids[i]->kind == NODE_FIELD;
    BmrtField *fields = ARENA_ARRAY(s->arena, BmrtField, n);
    data->fields = fields;
    for (uint32_t i = 0; i < d->node->count; i++) {
        const Node *entry = d->node->kids[i];
        if (entry->kind != NODE_FIELD || !node_kid(entry, 0)) continue;
        const char *name = node_kid(entry, 0)->name->text;
        if (field_find(data, name) >= 0) {
            sema_error(s, E_DUPLICATE, entry->span, "field `%s` is declared twice", name);
            fail(d);
            continue;
        }
        declare_field(s, d, entry, &fields[data->field_count++]);
    }
    if (n == 0) {
        Diag *e = sema_error(s, E_DATA, d->node->name_span, "data `%s` has no fields",
                             d->node->name->text);
        diag_help(e, "say what a row holds: `field x[28, 28]: u8`");
        fail(d);
    }
}

/* ------------------------------------------------------------------ files */

static void add_source(Sema *s, BmrtData *data, BmrtSplit split, BmrtFormat format, int32_t field,
                       const char *path, Span span) {
    BmrtSource *all = ARENA_ARRAY(s->arena, BmrtSource, data->source_count + 1);
    if (data->source_count) memcpy(all, data->sources, data->source_count * sizeof *all);
    Place place = sources_place(s->ctx->sources, span);
    all[data->source_count++] = (BmrtSource){.split = split,
                                             .format = format,
                                             .field = field,
                                             .path = path,
                                             .line = place.line,
                                             .column = place.column};
    data->sources = all;
}

static void source_argument(Sema *s, DataBlock *d, BmrtData *data, const Node *arg, BmrtSplit split,
                            BmrtFormat format) {
    Value v = eval(s, node_kid(arg, 0));
    int32_t field =
        arg->name ? field_find(data, arg->name->text) : (data->field_count == 1 ? 0 : -1);
    if (value_is_poison(v)) {
        fail(d);
        return;
    }
    if (v.kind != V_STR) {
        sema_error(s, E_DATA, arg->span, "a file name in quotes is needed, got %s",
                   value_kind_name(v.kind));
        fail(d);
        return;
    }
    if (field < 0) {
        Diag *e = arg->name ? sema_error(s, E_DATA, arg->span, "no field `%s` in data `%s`",
                                         arg->name->text, data->name)
                            : sema_error(s, E_DATA, arg->span, "which field does this file hold?");
        Nearest near = {.wanted = arg->name ? arg->name->text : ""};
        for (uint32_t i = 0; i < data->field_count; i++) nearest_offer(&near, data->fields[i].name);
        if (near.best)
            diag_help(e, "did you mean `%s`?", near.best);
        else
            diag_help(e, "write `NAME = \"file\"` with the name of a field");
        fail(d);
        return;
    }
    add_source(s, data, split, format, field, v.as.str, arg->span);
}

static void declare_source(Sema *s, DataBlock *d, BmrtData *data, const Node *setting,
                           BmrtSplit split) {
    static const struct {
        const char *name;
        BmrtFormat format;
    } formats[] = {{"idx", BMRT_FORMAT_IDX}, {"npy", BMRT_FORMAT_NPY}};
    const Node *e = node_kid(setting, 0);
    const Node *callee = e && e->kind == NODE_CALL ? node_kid(e, 0) : NULL;
    uint32_t before = data->source_count;
    d->has[split] = true;
    if (callee && callee->kind == NODE_NAME) {
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
            if (strcmp(formats[f].name, callee->name->text) != 0) continue;
            for (uint32_t i = 1; i < e->count; i++)
                source_argument(s, d, data, e->kids[i], split, formats[f].format);
            for (uint32_t k = 0; k < data->field_count && !d->poisoned; k++) {
                bool found = false;
                for (uint32_t i = before; i < data->source_count; i++)
                    found |= data->sources[i].field == (int32_t)k;
                if (found) continue;
                sema_error(s, E_DATA, e->span, "no file for field `%s` here", data->fields[k].name);
                fail(d);
            }
            return;
        }
    }
    fail(d);
    if (callee && callee->kind == NODE_NAME && builtin_find(callee->name->text)) {
        sema_unsupported(s, e->span,
                         arena_printf(s->arena, "reading with `%s(...)`", callee->name->text));
        return;
    }
    Diag *g = sema_error(s, E_DATA, e ? e->span : setting->span,
                         "`%s` wants a source such as idx(x = \"images.gz\")", setting->name->text);
    diag_help(g, "sources: idx npy");
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

static void declare_split(Sema *s, DataBlock *d, BmrtData *data, const Node *setting) {
    const Node *e = node_kid(setting, 0);
    const Node *callee = e && e->kind == NODE_CALL ? node_kid(e, 0) : NULL;
    const char *kind = callee && callee->kind == NODE_NAME ? callee->name->text : "";
    if (strcmp(kind, "random") != 0 && strcmp(kind, "blocks") != 0) {
        fail(d);
        if (strcmp(kind, "folds") == 0) {
            sema_unsupported(s, e->span, "`folds`");
            return;
        }
        Diag *g = sema_error(s, E_DATA, e ? e->span : setting->span, "no such way to split");
        diag_help(g, "`random(valid = 5000, seed = 1)` or `blocks(valid = 0.1)`");
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

void data_declare(Sema *s, const Node *node) {
    DataBlock *d = ARENA_NEW(s->arena, DataBlock);
    d->node = node;
    d->index = (int32_t)s->program->data.len;
    BmrtData data = {.name = node->name->text, .train_rows_entry = -1, .rows_entry = -1};
    Scope *saved = s->scope;
    s->scope = s->user;
    bool settings = check_settings(s, node, DATA_SETTINGS, "a data block");
    declare_fields(s, d, &data);
    bool bad_fields = d->poisoned;
    for (int k = 0; k < BMRT_SPLIT_COUNT; k++) {
        const Node *setting = block_setting(node, SPLIT_NAMES[k]);
        if (setting && !d->poisoned) declare_source(s, d, &data, setting, (BmrtSplit)k);
    }
    const Node *split = block_setting(node, "split");
    if (split && !d->poisoned) declare_split(s, d, &data, split);
    if (d->has[BMRT_SPLIT_ALL] && !split) d->has[BMRT_SPLIT_TRAIN] = true;
    if (!d->poisoned && settings && data.source_count == 0) {
        Diag *e = sema_error(s, E_DATA, node->name_span, "data `%s` names no file", data.name);
        diag_help(e, "`train: idx(...)`, `from: npy(...)`");
        fail(d);
    }
    if (d->poisoned) memset(d->has, 1, sizeof d->has);
    d->poisoned = bad_fields; /* wrong files leave the columns worth checking */
    s->scope = saved;
    vec_push(s->arena, &s->program->data, data);
    vec_push(s->arena, &s->data, d);
}
