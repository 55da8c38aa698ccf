/* The sources of a `data` block: which files, of which format, hold which fields. Each source is a
 * call with its own settings; the rows below say which. */
#include "compiler/sema/elaborate.h"

typedef struct Declared { /* the block, the setting it stands in, and the source so far */
    Sema *s;
    DataBlock *block;
    BmrtData *data;
    const Node *setting;
    BmrtSource source;
    DType dtype;    /* of ELEMENTS */
    int64_t length; /* windows; 0: none */
} Declared;

static bool fail(Declared *d) {
    d->block->poisoned = true;
    return false;
}

static bool wrong(Declared *d, Span span, const char *what, const char *help) {
    Diag *e = sema_error(d->s, E_DATA, span, "%s", what);
    if (help) diag_help(e, "%s", help);
    return fail(d);
}

static void add_source(Declared *d, Span span) {
    BmrtData *data = d->data;
    BmrtSource *all = ARENA_ARRAY(d->s->arena, BmrtSource, data->source_count + 1);
    if (data->source_count) memcpy(all, data->sources, data->source_count * sizeof *all);
    Place place = sources_place(d->s->ctx->sources, span);
    d->source.line = place.line;
    d->source.column = place.column;
    all[data->source_count++] = d->source;
    data->sources = all;
}

/* ------------------------------------------------------------------ one file a field: idx, npy */

static bool which_field(Declared *d, const Node *arg) {
    const BmrtData *data = d->data;
    d->source.field =
        arg->name ? data_field_find(data, arg->name->text) : (data->field_count == 1 ? 0 : -1);
    if (d->source.field >= 0) return true;
    Diag *e = arg->name ? sema_error(d->s, E_DATA, arg->span, "no field `%s` in data `%s`",
                                     arg->name->text, data->name)
                        : sema_error(d->s, E_DATA, arg->span, "which field does this file hold?");
    Nearest near = {.wanted = arg->name ? arg->name->text : ""};
    for (uint32_t i = 0; i < data->field_count; i++) nearest_offer(&near, data->fields[i].name);
    if (near.best)
        propose_name(e, arg->name_span, near.best);
    else
        diag_help(e, "write `NAME = \"file\"` with the name of a field");
    return fail(d);
}

/* `lines`: a line is a cell. */
static bool one_cell(Declared *d, Span span) {
    const BmrtField *f = &d->data->fields[d->source.field];
    if (f->kind == BMRT_FIELD_TOKENS || f->rank == 0) return true;
    sema_error(d->s, E_DATA, span, "a line is one value, but field `%s` has axes", f->name);
    return fail(d);
}

static bool source_files(Declared *d, const Node *call) {
    uint32_t before = d->data->source_count;
    for (uint32_t i = 1; i < call->count; i++) {
        const Node *arg = call->kids[i];
        Value v = eval(d->s, node_kid(arg, 0));
        if (value_is_poison(v)) return fail(d);
        if (v.kind != V_STR) {
            sema_error(d->s, E_DATA, arg->span, "a file name in quotes is needed, got %s",
                       value_kind_name(v.kind));
            return fail(d);
        }
        if (!which_field(d, arg)) return false;
        if (d->source.format != BMRT_FORMAT_CSV &&
            d->data->fields[d->source.field].kind != BMRT_FIELD_NUMBER)
            return wrong(d, arg->span, "a category or a text is read from `csv` or `lines`", NULL);
        if (d->source.format == BMRT_FORMAT_CSV && !one_cell(d, arg->span)) return false;
        d->source.path = v.as.str;
        add_source(d, arg->span);
    }
    for (uint32_t k = 0; k < d->data->field_count; k++) {
        bool found = false;
        for (uint32_t i = before; i < d->data->source_count; i++)
            found |= d->data->sources[i].field == (int32_t)k;
        if (found) continue;
        sema_error(d->s, E_DATA, call->span, "no file for field `%s` here",
                   d->data->fields[k].name);
        return fail(d);
    }
    return true;
}

static bool source_lines(Declared *d, const Node *call) {
    static const char *const nothing[] = {""};
    d->source.delimiter = '\n';
    d->source.missing = nothing;
    d->source.missing_count = 1;
    return source_files(d, call);
}

/* ------------------------------------------------------------------ settings of a source */

typedef bool (*Setting)(Declared *d, Value v);

static bool set_path(Declared *d, Value v) {
    d->source.path = v.kind == V_STR ? v.as.str : NULL;
    return v.kind == V_STR && *v.as.str;
}
static bool set_header(Declared *d, Value v) {
    d->source.header = v.kind == V_BOOL && v.as.truth;
    return v.kind == V_BOOL;
}
static bool set_delimiter(Declared *d, Value v) {
    bool one = v.kind == V_STR && strlen(v.as.str) == 1;
    d->source.delimiter = one ? v.as.str[0] : ',';
    return one && !strchr("\"\r\n", v.as.str[0]);
}
static bool set_missing(Declared *d, Value v) {
    if (v.kind != V_LIST) return false;
    const char **all = ARENA_ARRAY(d->s->arena, const char *, v.as.list.count);
    for (uint32_t i = 0; i < v.as.list.count; i++) {
        if (v.as.list.items[i].kind != V_STR) return false;
        all[i] = v.as.list.items[i].as.str;
    }
    d->source.missing = all;
    d->source.missing_count = v.as.list.count;
    return true;
}
static bool set_skip(Declared *d, Value v) {
    return value_is_int(v, &d->source.skip) && d->source.skip >= 0;
}
static bool set_dtype(Declared *d, Value v) {
    d->dtype = v.kind == V_DTYPE ? v.as.dtype : DTYPE_COUNT;
    return v.kind == V_DTYPE;
}
static bool set_length(Declared *d, Value v) {
    return value_is_int(v, &d->length) && d->length > 0;
}
static bool set_stride(Declared *d, Value v) {
    return value_is_int(v, &d->source.stride) && d->source.stride > 0;
}

typedef struct SettingRow {
    const char *name; /* positional ones come first, in their order */
    bool positional, required;
    Setting set;
    const char *wants;
} SettingRow;

static const SettingRow CSV_SETTINGS[] = {
    {"path", true, true, set_path, "a file name in quotes"},
    {"header", false, false, set_header, "`true` or `false`"},
    {"missing", false, false, set_missing, "a list of strings, such as [\"\", \"NA\"]"},
    {"delimiter", false, false, set_delimiter, "one character, such as \"\\t\""},
    {NULL, false, false, NULL, NULL}};
static const SettingRow RECORD_SETTINGS[] = {
    {"path", true, true, set_path, "a file name in quotes"},
    {"skip", false, false, set_skip, "a number of bytes from 0 up"},
    {NULL, false, false, NULL, NULL}};
static const SettingRow BINARY_SETTINGS[] = {
    {"path", true, true, set_path, "a file name in quotes"},
    {"dtype", true, true, set_dtype, "a dtype, such as u16"},
    {"skip", false, false, set_skip, "a number of bytes from 0 up"},
    {NULL, false, false, NULL, NULL}};
static const SettingRow WINDOW_SETTINGS[] = {
    {"length", false, true, set_length, "a number of elements from 1 up"},
    {"stride", false, false, set_stride, "a number of elements from 1 up"},
    {NULL, false, false, NULL, NULL}};

static const SettingRow *find_setting(const SettingRow *rows, const Node *arg, uint32_t position) {
    for (uint32_t i = 0; rows[i].name; i++)
        if (arg->name ? strcmp(rows[i].name, arg->name->text) == 0
                      : rows[i].positional && i == position)
            return &rows[i];
    return NULL;
}

static bool unknown_setting(Declared *d, const SettingRow *rows, const Node *arg,
                            const char *what) {
    Text all = {.arena = d->s->arena};
    Nearest near = {.wanted = arg->name ? arg->name->text : ""};
    for (uint32_t i = 0; rows[i].name; i++) {
        nearest_offer(&near, rows[i].name);
        text_printf(&all, "%s%s", i ? " " : "", rows[i].name);
    }
    Diag *e = arg->name ? sema_error(d->s, E_DATA, arg->span, "`%s` has no setting `%s`", what,
                                     arg->name->text)
                        : sema_error(d->s, E_DATA, arg->span, "`%s` has too many arguments", what);
    if (near.best) propose_name(e, arg->name_span, near.best);
    diag_help(e, "settings here: %s", text_str(&all));
    return fail(d);
}

/* Arguments from number `first` on. */
static bool read_settings(Declared *d, const Node *call, uint32_t first, const SettingRow *rows) {
    const char *what = node_kid(call, 0)->name->text;
    uint32_t given = 0;
    for (uint32_t i = first; i < call->count; i++) {
        const Node *arg = call->kids[i];
        const SettingRow *row = find_setting(rows, arg, i - first);
        if (!row) return unknown_setting(d, rows, arg, what);
        if (given & 1u << (row - rows)) {
            sema_error(d->s, E_DATA, arg->span, "`%s` is given twice", row->name);
            return fail(d);
        }
        given |= 1u << (row - rows);
        Value v = eval(d->s, node_kid(arg, 0));
        if (value_is_poison(v)) return fail(d);
        if (row->set(d, v)) continue;
        sema_error(d->s, E_DATA, arg->span, "`%s` of `%s` wants %s, got %s", row->name, what,
                   row->wants, value_string(d->s, v));
        return fail(d);
    }
    for (uint32_t i = 0; rows[i].name; i++) {
        if (!rows[i].required || given & 1u << i) continue;
        sema_error(d->s, E_DATA, call->span, "`%s` wants `%s`: %s", what, rows[i].name,
                   rows[i].wants);
        return fail(d);
    }
    return true;
}

/* ------------------------------------------------------------------ tables and runs of numbers */

static bool source_csv(Declared *d, const Node *call) {
    static const char *const nothing[] = {""};
    d->source.delimiter = ',';
    d->source.header = 1;
    d->source.missing = nothing;
    d->source.missing_count = 1;
    for (uint32_t i = 0; i < d->data->field_count; i++) {
        DType t = (DType)d->data->fields[i].dtype;
        if (t == DTYPE_F16 || t == DTYPE_BF16)
            return wrong(d, call->span, "f16 and bf16 fields are not read from text",
                         "read `f32` and convert in a transform");
    }
    if (!read_settings(d, call, 1, CSV_SETTINGS)) return false;
    add_source(d, call->span);
    return true;
}

static bool source_records(Declared *d, const Node *call) {
    for (uint32_t i = 0; i < d->data->field_count; i++)
        if (d->data->fields[i].kind != BMRT_FIELD_NUMBER)
            return wrong(d, call->span, "a category or a text is read from `csv` or `lines`",
                         "in binary records it is a number: `u8`, `i32`");
    if (!read_settings(d, call, 1, RECORD_SETTINGS)) return false;
    add_source(d, call->span);
    return true;
}

/* The one field must hold what a row of the source is. */
static bool check_elements(Declared *d, const Node *call) {
    Sema *s = d->s;
    const BmrtField *f = &d->data->fields[0];
    int64_t row = 1;
    if (d->data->field_count != 1)
        return wrong(d, call->span, "this source fills one field, but the block has several",
                     "one `field`, the rest as transforms of it");
    for (uint32_t i = 0; i < f->rank; i++) row *= f->dims[i];
    if ((DType)f->dtype != d->dtype || f->kind != BMRT_FIELD_NUMBER) {
        Diag *e = sema_error(s, E_DATA, call->span, "the source holds %s, but field `%s` is %s",
                             dtype_name(d->dtype), f->name, dtype_name((DType)f->dtype));
        diag_help(e, "`field %s[...]: %s`", f->name, dtype_name(d->dtype));
        return fail(d);
    }
    if (d->length == 0 || row == d->length) return true;
    Diag *e =
        sema_error(s, E_DATA, call->span, "a window is %lld elements, but field `%s` holds %lld",
                   (long long)d->length, f->name, (long long)row);
    diag_help(e, "`field %s[%lld]: %s`", f->name, (long long)d->length, dtype_name(d->dtype));
    return fail(d);
}

static bool source_elements(Declared *d, const Node *call) {
    bool typed = strcmp(node_kid(call, 0)->name->text, "binary") == 0;
    d->dtype = DTYPE_U8;
    d->source.field = 0;
    if (!read_settings(d, call, 1, typed ? BINARY_SETTINGS : RECORD_SETTINGS)) return false;
    if (!check_elements(d, call)) return false;
    d->source.window = d->length;
    add_source(d, call->span);
    return true;
}

static bool source_windows(Declared *d, const Node *call) {
    const Node *arg = call->count > 1 ? call->kids[1] : NULL;
    const Node *inner = arg && !arg->name ? node_kid(arg, 0) : NULL;
    const Node *callee = inner && inner->kind == NODE_CALL ? node_kid(inner, 0) : NULL;
    const char *name = callee && callee->kind == NODE_NAME ? callee->name->text : "";
    if (strcmp(name, "bytes") != 0 && strcmp(name, "binary") != 0)
        return wrong(d, call->span, "`windows` wants a run of numbers first",
                     "`windows(bytes(\"text.txt\"), length = 65, stride = 64)`");
    if (!read_settings(d, call, 2, WINDOW_SETTINGS)) return false;
    if (d->source.stride == 0) d->source.stride = d->length;
    d->source.format = BMRT_FORMAT_ELEMENTS;
    return source_elements(d, inner);
}

static const struct {
    const char *name;
    BmrtFormat format;
    bool (*declare)(Declared *, const Node *);
} SOURCES[] = {{"idx", BMRT_FORMAT_IDX, source_files},
               {"npy", BMRT_FORMAT_NPY, source_files},
               {"lines", BMRT_FORMAT_CSV, source_lines},
               {"csv", BMRT_FORMAT_CSV, source_csv},
               {"records", BMRT_FORMAT_RECORDS, source_records},
               {"bytes", BMRT_FORMAT_ELEMENTS, source_elements},
               {"binary", BMRT_FORMAT_ELEMENTS, source_elements},
               {"windows", BMRT_FORMAT_ELEMENTS, source_windows}};

void data_source(Sema *s, DataBlock *block, BmrtData *data, const Node *setting, BmrtSplit split) {
    const Node *e = node_kid(setting, 0);
    const Node *callee = e && e->kind == NODE_CALL ? node_kid(e, 0) : NULL;
    Declared d = {.s = s, .block = block, .data = data, .setting = setting};
    Nearest near = {.wanted = ""};
    block->has[split] = true;
    if (callee && callee->kind == NODE_NAME) near.wanted = callee->name->text;
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++) {
        nearest_offer(&near, SOURCES[i].name);
        if (strcmp(SOURCES[i].name, near.wanted) != 0) continue;
        d.source =
            (BmrtSource){.split = split, .format = SOURCES[i].format, .field = -1, .path = ""};
        SOURCES[i].declare(&d, e);
        return;
    }
    fail(&d);
    Diag *g = sema_error(s, E_DATA, e ? e->span : setting->span,
                         "`%s` wants a source such as idx(x = \"images.gz\")", setting->name->text);
    if (near.best) propose_name(g, node_kid(e, 0)->span, near.best);
    diag_help(g, "sources: idx npy csv lines records bytes binary windows");
}
