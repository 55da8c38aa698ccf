/* The builder: literals, inputs and parameters, and what a definition does with them. */
#include "compiler/driver/builder.h"
#include <math.h>

#define NOTHING ((BmcValue){0})

/* ------------------------------------------------------------------ literals */

static BmcValue literal(BmcBuilder *b, const char *text) {
    return builder_value(b, text, true, VALUE_PLAIN);
}

/* In parentheses where it has a sign: -2 ^ 2 is -(2 ^ 2). A float keeps its point. */
BmcValue bmc_build_number(BmcBuilder *b, double value) {
    BUILDER_VALUE(b);
    if (!isfinite(value)) {
        builder_wrong(b, E_NUMBER, NULL, "`bmc_build_number`: %f is no number that a text can hold",
                      value);
        return NOTHING;
    }
    Text text = {.arena = b->ctx->arena};
    const bool sign = signbit(value) != 0;
    if (sign) text_add(&text, "(-");
    text_number(&text, fabs(value));
    if (strpbrk(text.data, ".e") == NULL) text_add(&text, ".0");
    if (sign) text_char(&text, ')');
    return literal(b, text_str(&text));
}

BmcValue bmc_build_integer(BmcBuilder *b, int64_t value) {
    const int64_t exact = INT64_C(1) << 53; /* static numbers are doubles */
    BUILDER_VALUE(b);
    if (value > exact || value < -exact) {
        builder_wrong(b, E_NUMBER, NULL, "`bmc_build_integer`: %lld is beyond 2^53",
                      (long long)value);
        return NOTHING;
    }
    const char *form = value < 0 ? "(%lld)" : "%lld";
    return literal(b, arena_printf(b->ctx->arena, form, (long long)value));
}

BmcValue bmc_build_bool(BmcBuilder *b, int value) {
    BUILDER_VALUE(b);
    return literal(b, value ? "true" : "false");
}

BmcValue bmc_build_string(BmcBuilder *b, const char *text) {
    BUILDER_VALUE(b);
    if (text == NULL) return NOTHING;
    Text quoted = {.arena = b->ctx->arena};
    text_char(&quoted, '"');
    for (const char *c = text; *c; c++) {
        static const char FROM[] = "\n\t\"\\", TO[] = "nt\"\\";
        const char *escape = strchr(FROM, *c);
        if (escape) text_char(&quoted, '\\');
        text_char(&quoted, escape ? TO[escape - FROM] : *c);
    }
    text_char(&quoted, '"');
    return literal(b, text_str(&quoted));
}

BmcValue bmc_build_name(BmcBuilder *b, const char *name) {
    BUILDER_VALUE(b);
    if (name == NULL || !builder_path(b, "bmc_build_name", name)) return NOTHING;
    return literal(b, arena_strdup(b->ctx->arena, name));
}

/* Of literals it is one; else it lives where its values do. */
static BmcValue composed(BmcBuilder *b, const char *text, const BmcValue *parts, uint32_t count,
                         ValueKind kind) {
    bool anywhere = true;
    for (uint32_t i = 0; i < count; i++)
        anywhere &= parts[i].id == 0 || b->values.data[parts[i].id - 1].definition == 0;
    return builder_value(b, text, anywhere, kind);
}

BmcValue bmc_build_list(BmcBuilder *b, const BmcValue *values, uint32_t count) {
    BUILDER_VALUE(b);
    if (values == NULL && count > 0) return NOTHING;
    const char *all = builder_operands(b, "bmc_build_list", values, count, VALUE_PLAIN);
    if (all == NULL) return NOTHING;
    return composed(b, arena_printf(b->ctx->arena, "[%s]", all), values, count, VALUE_PLAIN);
}

BmcValue bmc_build_range(BmcBuilder *b, BmcValue first, BmcValue end) {
    BUILDER_VALUE(b);
    const BmcValue ends[] = {first, end};
    const char *text[2];
    for (int i = 0; i < 2; i++) {
        text[i] = ends[i].id ? builder_operand(b, "bmc_build_range", ends[i], VALUE_PLAIN) : "";
        if (text[i] == NULL) return NOTHING;
    }
    return composed(b, arena_printf(b->ctx->arena, "%s:%s", text[0], text[1]), ends, 2,
                    VALUE_RANGE);
}

/* ------------------------------------------------------------------ inputs and parameters */

/* "w[4, 3]: f64"; f32 goes without saying. */
static const char *declaration(BmcBuilder *b, const char *call, const char *name, BmrtDtype dtype,
                               uint32_t rank, const BmcDim *dims) {
    if ((unsigned)dtype >= BMRT_DTYPE_COUNT) {
        builder_wrong(b, E_DTYPE, NULL, "`%s`: there is no dtype %d", call, (int)dtype);
        return NULL;
    }
    const char *shape = builder_dims(b, rank, dims);
    if (shape == NULL || !builder_declare(b, call, name, false)) return NULL;
    if (dtype == BMRT_F32) return arena_printf(b->ctx->arena, "%s%s", name, shape);
    return arena_printf(b->ctx->arena, "%s%s: %s", name, shape, dtype_name((DType)dtype));
}

static BmcValue named_value(BmcBuilder *b, const char *name) {
    return builder_value(b, arena_strdup(b->ctx->arena, name), false, VALUE_PLAIN);
}

/* Inputs and settings stand in the first line, so nothing may be below it yet. */
static bool before_body(BmcBuilder *b, const char *call) {
    if (b->has_body)
        builder_wrong(b, E_ARGUMENT, NULL, "`%s` comes before all else of a definition", call);
    return !b->has_body;
}

BmcValue bmc_build_setting(BmcBuilder *b, const char *name, const char *type, BmcValue fallback) {
    static const char CALL[] = "bmc_build_setting";
    BUILDER_VALUE(b);
    if (name == NULL || !builder_inside(b, CALL, IN(LAYER) | IN(OPTIMIZER)) ||
        !before_body(b, CALL) || !builder_declare(b, CALL, name, false))
        return NOTHING;
    const char *value = fallback.id ? builder_operand(b, CALL, fallback, VALUE_PLAIN) : "";
    if (value == NULL) return NOTHING;
    if (type && strcmp(type, "fn") != 0 && !builder_name(b, CALL, type)) return NOTHING;
    vec_push(b->ctx->arena, &b->settings,
             (const char *)arena_printf(b->ctx->arena, "%s%s%s%s%s", name, type ? ": " : "",
                                        type ? type : "", *value ? " = " : "", value));
    return named_value(b, name);
}

BmcValue bmc_build_input(BmcBuilder *b, const char *name, BmrtDtype dtype, uint32_t rank,
                         const BmcDim *dims) {
    static const char CALL[] = "bmc_build_input";
    BUILDER_VALUE(b);
    if (name == NULL || (rank > 0 && dims == NULL) || !builder_inside(b, CALL, IN_ANY) ||
        !before_body(b, CALL))
        return NOTHING;
    const char *text = declaration(b, CALL, name, dtype, rank, dims);
    if (text == NULL) return NOTHING;
    vec_push(b->ctx->arena, &b->inputs, text);
    return named_value(b, name);
}

static BmcValue owned(BmcBuilder *b, const char *call, const char *word, const char *name,
                      BmrtDtype dtype, uint32_t rank, const BmcDim *dims, BmcValue init) {
    if (name == NULL || (rank > 0 && dims == NULL) || !builder_inside(b, call, IN_OWNERS))
        return NOTHING;
    const char *from = builder_operand(b, call, init, VALUE_PLAIN);
    const char *text = from ? declaration(b, call, name, dtype, rank, dims) : NULL;
    if (text == NULL) return NOTHING;
    const BmcValue value = named_value(b, name);
    builder_line(b, value.id, arena_printf(b->ctx->arena, "%s %s init %s", word, text, from));
    return value;
}

BmcValue bmc_build_param(BmcBuilder *b, const char *name, BmrtDtype dtype, uint32_t rank,
                         const BmcDim *dims, BmcValue init) {
    BUILDER_VALUE(b);
    return owned(b, "bmc_build_param", "param", name, dtype, rank, dims, init);
}

BmcValue bmc_build_state(BmcBuilder *b, const char *name, BmrtDtype dtype, uint32_t rank,
                         const BmcDim *dims, BmcValue init) {
    BUILDER_VALUE(b);
    return owned(b, "bmc_build_state", "state", name, dtype, rank, dims, init);
}

/* ------------------------------------------------------------------ calls */

BmcValue bmc_build_call(BmcBuilder *b, const char *function, const BmcArg *args, uint32_t count) {
    static const char CALL[] = "bmc_build_call";
    BUILDER_VALUE(b);
    if (function == NULL || (args == NULL && count > 0) || !builder_inside(b, CALL, IN_ANY) ||
        !builder_path(b, CALL, function))
        return NOTHING;
    const char *all = builder_arguments(b, CALL, args, count);
    return all ? builder_bind(b, arena_printf(b->ctx->arena, "%s(%s)", function, all)) : NOTHING;
}

/* dense1, dense2 ...: as the language counts instances that have no name. */
static const char *layer_name(BmcBuilder *b, const char *layer) {
    const Sym sym = ctx_sym(b->ctx, layer);
    LayerCount *found = NULL;
    for (uint32_t i = 0; i < b->layers.len && !found; i++)
        if (b->layers.data[i].layer == sym) found = &b->layers.data[i];
    if (found == NULL) {
        LayerCount first = {sym, 0};
        vec_push(b->ctx->arena, &b->layers, first);
        found = &b->layers.data[b->layers.len - 1];
    }
    return arena_printf(b->ctx->arena, "%s%u", layer, ++found->count);
}

BmcValue bmc_build_layer(BmcBuilder *b, const char *name, const char *layer, const BmcArg *args,
                         uint32_t count) {
    static const char CALL[] = "bmc_build_layer";
    BUILDER_VALUE(b);
    if (layer == NULL || (args == NULL && count > 0) ||
        !builder_inside(b, CALL, IN_OWNERS | IN(STEP)) || !builder_name(b, CALL, layer))
        return NOTHING;
    const char *all = builder_arguments(b, CALL, args, count);
    if (all == NULL) return NOTHING;
    const char *own = name ? name : layer_name(b, layer);
    if (!builder_declare(b, CALL, own, false)) return NOTHING;
    const BmcValue value = named_value(b, own);
    builder_line(b, value.id, arena_printf(b->ctx->arena, "%s = %s(%s)", own, layer, all));
    return value;
}

BmcValue bmc_build_apply(BmcBuilder *b, BmcValue instance, const BmcArg *args, uint32_t count) {
    static const char CALL[] = "bmc_build_apply";
    BUILDER_VALUE(b);
    if ((args == NULL && count > 0) || !builder_inside(b, CALL, IN_ANY)) return NOTHING;
    const char *callee = builder_operand(b, CALL, instance, VALUE_PLAIN);
    const char *all = callee ? builder_arguments(b, CALL, args, count) : NULL;
    return all ? builder_bind(b, arena_printf(b->ctx->arena, "%s(%s)", callee, all)) : NOTHING;
}

BmcStatus bmc_build_parts(BmcBuilder *b, BmcValue result, BmcValue *parts, uint32_t count) {
    static const char CALL[] = "bmc_build_parts";
    BUILDER_STATUS(b);
    if (parts == NULL || count == 0) return BMC_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) parts[i] = NOTHING;
    if (!builder_inside(b, CALL, IN_ANY)) return BMC_INPUT;
    const char *whole = builder_operand(b, CALL, result, VALUE_PLAIN);
    if (whole == NULL) return BMC_INPUT;
    Text line = {.arena = b->ctx->arena};
    for (uint32_t i = 0; i < count; i++) {
        const char *name = builder_new_name(b);
        parts[i] = builder_value(b, name, false, VALUE_PLAIN);
        text_printf(&line, "%s%s", i ? ", " : "", name);
    }
    text_printf(&line, " = %s", whole);
    builder_line(b, parts[0].id, text_str(&line));
    return BMC_OK;
}

BmcValue bmc_build_index(BmcBuilder *b, BmcValue x, const BmcValue *indices, uint32_t count) {
    static const char CALL[] = "bmc_build_index";
    BUILDER_VALUE(b);
    if (indices == NULL || count == 0 || !builder_inside(b, CALL, IN_ANY)) return NOTHING;
    const char *of = builder_operand(b, CALL, x, VALUE_PLAIN);
    const char *all = of ? builder_operands(b, CALL, indices, count, VALUE_RANGE) : NULL;
    return all ? builder_bind(b, arena_printf(b->ctx->arena, "%s[%s]", of, all)) : NOTHING;
}

BmcValue bmc_build_cast(BmcBuilder *b, BmcValue x, BmrtDtype dtype) {
    static const char CALL[] = "bmc_build_cast";
    BUILDER_VALUE(b);
    if ((unsigned)dtype >= BMRT_DTYPE_COUNT || !builder_inside(b, CALL, IN_ANY)) return NOTHING;
    const char *of = builder_operand(b, CALL, x, VALUE_PLAIN);
    if (of == NULL) return NOTHING;
    return builder_bind(b, arena_printf(b->ctx->arena, "%s(%s)", dtype_name((DType)dtype), of));
}

BmcValue bmc_build_grad(BmcBuilder *b, BmcValue y, BmcValue x) {
    static const char CALL[] = "bmc_build_grad";
    BUILDER_VALUE(b);
    if (!builder_inside(b, CALL, IN_ANY)) return NOTHING;
    const BmcValue both[] = {y, x};
    const char *all = builder_operands(b, CALL, both, 2, VALUE_PLAIN);
    return all ? builder_bind(b, arena_printf(b->ctx->arena, "grad(%s)", all)) : NOTHING;
}

/* ------------------------------------------------------------------ statements */

BmcStatus bmc_build_write(BmcBuilder *b, BmcValue target, BmcValue value) {
    static const char CALL[] = "bmc_build_write";
    BUILDER_STATUS(b);
    if (!builder_inside(b, CALL, IN_ANY)) return BMC_INPUT;
    const char *to = builder_operand(b, CALL, target, VALUE_PLAIN);
    const char *from = to ? builder_operand(b, CALL, value, VALUE_PLAIN) : NULL;
    if (from == NULL) return BMC_INPUT;
    builder_line(b, value.id, arena_printf(b->ctx->arena, "%s := %s", to, from));
    return BMC_OK;
}

BmcStatus bmc_build_minimize(BmcBuilder *b, BmcValue loss, BmcValue over, BmcValue optimizer) {
    static const char CALL[] = "bmc_build_minimize";
    BUILDER_STATUS(b);
    if (!builder_inside(b, CALL, IN(STEP))) return BMC_INPUT;
    const char *what = builder_operand(b, CALL, loss, VALUE_PLAIN);
    const char *whose = what ? builder_operand(b, CALL, over, VALUE_PLAIN) : NULL;
    const char *how = whose ? builder_operand(b, CALL, optimizer, VALUE_PLAIN) : NULL;
    if (how == NULL) return BMC_INPUT;
    builder_line(b, loss.id,
                 arena_printf(b->ctx->arena, "minimize %s over %s with %s", what, whose, how));
    return BMC_OK;
}

BmcStatus bmc_build_metric(BmcBuilder *b, const char *name, BmcValue value) {
    static const char CALL[] = "bmc_build_metric";
    BUILDER_STATUS(b);
    if (name == NULL) return BMC_ARGUMENT;
    if (!builder_inside(b, CALL, IN(STEP)) || !builder_name(b, CALL, name)) return BMC_INPUT;
    const char *text = builder_operand(b, CALL, value, VALUE_PLAIN);
    if (text == NULL) return BMC_INPUT;
    builder_line(b, value.id, arena_printf(b->ctx->arena, "metric %s = %s", name, text));
    return BMC_OK;
}

BmcStatus bmc_build_return(BmcBuilder *b, const BmcValue *values, uint32_t count) {
    static const char CALL[] = "bmc_build_return";
    BUILDER_STATUS(b);
    if (values == NULL || count == 0) return BMC_ARGUMENT;
    if (!builder_inside(b, CALL, IN_ANY)) return BMC_INPUT;
    const char *all = builder_operands(b, CALL, values, count, VALUE_PLAIN);
    if (all == NULL) return BMC_INPUT;
    builder_line(b, values[0].id, arena_printf(b->ctx->arena, "return %s", all));
    return BMC_OK;
}
