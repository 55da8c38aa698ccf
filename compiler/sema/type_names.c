/* The types that are written behind a parameter, a result, a `param` or a `state`: a name that is
 * none is told wherever it stands, also in definitions that nothing uses. */
#include "compiler/sema/bind.h"

/* What people who come from elsewhere write. */
static const struct {
    const char *theirs, *ours;
} OTHERS[] = {{"float", "f32"},   {"float32", "f32"},  {"single", "f32"},  {"double", "f64"},
              {"float64", "f64"}, {"half", "f16"},     {"float16", "f16"}, {"bfloat16", "bf16"},
              {"long", "i64"},    {"int64", "i64"},    {"int32", "i32"},   {"int16", "i16"},
              {"int8", "i8"},     {"uint64", "u64"},   {"uint32", "u32"},  {"uint16", "u16"},
              {"uint8", "u8"},    {"byte", "u8"},      {"char", "u8"},     {"boolean", "bool"},
              {"string", "str"},  {"integer", "int"},  {"number", "num"},  {"size", "dim"},
              {"function", "fn"}, {"bundle", "params"}};

static bool is_dtype_or_data(const char *name) {
    return dtype_find(name) != DTYPE_COUNT || strcmp(name, "str") == 0 ||
           strcmp(name, "category") == 0;
}

bool type_is_known(const Node *type) {
    if (!type || !type->name) return true;
    return is_dtype_or_data(type->name->text) || kind_is_known(type->name->text);
}

static const char *suggestion(const char *name) {
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (strcmp(OTHERS[i].theirs, name) == 0) return OTHERS[i].ours;
    Nearest near = {.wanted = name};
    for (DType t = 0; t < DTYPE_COUNT; t++) nearest_offer(&near, dtype_name(t));
    kinds_offer(&near);
    return near.best;
}

void check_type(Sema *s, const Node *type, bool tensor) {
    if (!type || !type->name) return;
    const char *name = type->name->text;
    if (!type_is_known(type)) {
        Diag *d = sema_error(s, E_NAME, type->span, "there is no type `%s`", name);
        const char *best = suggestion(name);
        if (best && (!tensor || is_dtype_or_data(best)))
            diag_help(d, "did you mean `%s`?", best);
        else
            diag_help(d, "of tensors: f32 f64 f16 bf16 i64 i32 i16 i8 u64 u32 u16 u8 bool%s",
                      tensor ? ""
                             : "; of settings: int num dim bool str shape axis list fn params");
    } else if (tensor && !is_dtype_or_data(name)) {
        Diag *d = sema_error(s, E_DTYPE, type->span, "`%s` is no type of a tensor", name);
        diag_help(d, strcmp(name, "int") == 0 ? "whole numbers: `i32`" : "floats: `f32`");
    }
}

void check_list_types(Sema *s, const Node *list) {
    for (uint32_t i = 0; list && i < list->count; i++)
        if (list->kids[i]->kind == NODE_PAR)
            check_type(s, node_kid(list->kids[i], 1), node_kid(list->kids[i], 0) != NULL);
}
