/* The builder: what may be refused before there is a line: names, values of other definitions,
 * calls in the wrong place. All else is left to the compiler, which says it better. */
#include "compiler/driver/builder.h"
#include "compiler/syntax/syntax.h"
#include <ctype.h>

#define FINISH_FIRST "`bmc_build_end` ends the definition"

/* After a wrong call these are silent: a `bmc_build_begin` that failed would make all that follows
 * stand outside. */
bool builder_inside(BmcBuilder *b, const char *call, unsigned in) {
    static const char *const KINDS[BMC_DEFINITION_COUNT] = {
        [BMC_MODEL] = "a model", [BMC_EXPORT] = "an export",
        [BMC_STEP] = "a step",   [BMC_FUNCTION] = "a function",
        [BMC_LAYER] = "a layer", [BMC_OPTIMIZER] = "an optimizer"};
    if (!b->open && !b->wrong)
        builder_wrong(b, E_ARGUMENT, "`bmc_build_begin` starts a definition",
                      "`%s` outside of a definition", call);
    else if (b->open && !(in >> b->kind & 1))
        builder_wrong(b, E_ARGUMENT, NULL, "`%s` does not go into %s", call, KINDS[b->kind]);
    return b->open && (in >> b->kind & 1);
}

bool builder_outside(BmcBuilder *b, const char *call) {
    if (b->open && !b->wrong)
        builder_wrong(b, E_ARGUMENT, FINISH_FIRST, "`%s` while `%s` is not finished", call,
                      b->titles.data[b->definition - 1]);
    return !b->open;
}

/* ------------------------------------------------------------------ names */

static bool is_name(const char *name, size_t len) {
    if (len == 0 || isdigit((unsigned char)*name)) return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_') return false;
    return true;
}

static bool is_reserved(const char *name, size_t len) {
    const char *word;
    for (uint32_t i = 0; (word = syntax_reserved_word(i)); i++)
        if (strlen(word) == len && memcmp(word, name, len) == 0) return true;
    return false;
}

/* v1 ... v<generated> stand for values of the builder. */
static bool is_generated(const BmcBuilder *b, const char *name) {
    if (*name != 'v' || name[1] < '1' || name[1] > '9') return false;
    uint64_t number = 0;
    for (const char *c = name + 1; *c; c++) {
        if (*c < '0' || *c > '9' || number > b->generated) return false;
        number = number * 10 + (uint64_t)(*c - '0');
    }
    return number <= b->generated;
}

bool builder_name(BmcBuilder *b, const char *call, const char *name) {
    const char *shown = builder_shown(b, name);
    if (!is_name(name, strlen(name)))
        builder_wrong(b, E_NAME, "a name has letters, digits and `_`, and begins with no digit",
                      "`%s`: `%s` is no name", call, shown);
    else if (is_reserved(name, strlen(name)))
        builder_wrong(b, E_NAME, NULL, "`%s`: `%s` is a word of the language", call, shown);
    else if (is_generated(b, name))
        builder_wrong(b, E_DUPLICATE, "use the value that the call returned",
                      "`%s`: `%s` is the builder's own name of a value", call, shown);
    else {
        if (*name == 'v' && isdigit((unsigned char)name[1]))
            vec_push(b->ctx->arena, &b->mentioned, ctx_sym(b->ctx, name));
        return true;
    }
    return false;
}

bool builder_path(BmcBuilder *b, const char *call, const char *path) {
    for (const char *at = path;; at++) {
        const size_t len = strcspn(at, ".");
        const char *part = arena_strndup(b->ctx->arena, at, len);
        if (at == path && at[len] == '\0') return builder_name(b, call, path);
        if (!is_name(part, len) || (at == path && !builder_name(b, call, part))) {
            builder_wrong(b, E_NAME, NULL, "`%s`: `%s` is neither a name nor a path of names", call,
                          builder_shown(b, path));
            return false;
        }
        at += len;
        if (*at == '\0') return true;
    }
}

/* Two things of one name would be one in the text, so the second one is refused. */
bool builder_declare(BmcBuilder *b, const char *call, const char *name, bool global) {
    if (!builder_name(b, call, name)) return false;
    const Sym sym = ctx_sym(b->ctx, name);
    bool twice = false;
    for (uint32_t i = 0; i < b->globals.len; i++) twice |= b->globals.data[i] == sym;
    for (uint32_t i = 0; i < b->locals.len; i++) twice |= b->locals.data[i] == sym;
    if (twice) {
        builder_wrong(b, E_DUPLICATE, NULL, "`%s`: there is a `%s` already", call, name);
        return false;
    }
    if (global)
        vec_push(b->ctx->arena, &b->globals, sym);
    else
        vec_push(b->ctx->arena, &b->locals, sym);
    return true;
}

/* ------------------------------------------------------------------ values */

const char *builder_operand(BmcBuilder *b, const char *call, BmcValue value, ValueKind most) {
    if (value.id == 0 && b->wrong) return NULL; /* told already */
    if (value.id == 0 || value.id > b->values.len) {
        builder_wrong(b, E_ARGUMENT, NULL,
                      "`%s` got the value of id %u, which this builder did not make", call,
                      value.id);
        return NULL;
    }
    const BuiltValue *v = &b->values.data[value.id - 1];
    if (v->definition && (!b->open || v->definition != b->definition)) {
        builder_wrong(b, E_NAME,
                      "a definition takes values as inputs and gives them by `bmc_build_return`",
                      "`%s` got the value `%s` of `%s`, which lives only there", call, v->text,
                      b->titles.data[v->definition - 1]);
        return NULL;
    }
    if (v->kind == VALUE_RANGE && most != VALUE_RANGE) {
        builder_wrong(b, E_KIND, "`bmc_build_index` takes ranges",
                      "`%s` got the range `%s`, which is no value", call, v->text);
        return NULL;
    }
    return v->text;
}

const char *builder_operands(BmcBuilder *b, const char *call, const BmcValue *values,
                             uint32_t count, ValueKind most) {
    Text text = {.arena = b->ctx->arena};
    for (uint32_t i = 0; i < count; i++) {
        const char *operand = builder_operand(b, call, values[i], most);
        if (operand == NULL) return NULL;
        if (i) text_add(&text, ", ");
        text_add(&text, operand);
    }
    return text_str(&text);
}

const char *builder_arguments(BmcBuilder *b, const char *call, const BmcArg *args, uint32_t count) {
    Text text = {.arena = b->ctx->arena};
    for (uint32_t i = 0; i < count; i++) {
        const char *operand = builder_operand(b, call, args[i].value, VALUE_PLAIN);
        if (operand == NULL || (args[i].name && !is_name(args[i].name, strlen(args[i].name)))) {
            if (operand)
                builder_wrong(b, E_NAME, NULL, "`%s`: `%s` is no name of an argument", call,
                              builder_shown(b, args[i].name));
            return NULL;
        }
        if (i) text_add(&text, ", ");
        if (args[i].name) text_printf(&text, "%s = ", args[i].name);
        text_add(&text, operand);
    }
    return text_str(&text);
}

const char *builder_dims(BmcBuilder *b, uint32_t rank, const BmcDim *dims) {
    Text text = {.arena = b->ctx->arena};
    text_char(&text, '[');
    if (rank > RANK_MAX) {
        builder_wrong(b, E_RANK, NULL, "%u axes are more than the %d there can be", rank, RANK_MAX);
        return NULL;
    }
    for (uint32_t i = 0; i < rank; i++) {
        const BmcDim *d = &dims[i];
        if (i) text_add(&text, ", ");
        if (d->name == NULL && d->size < 0) {
            builder_wrong(b, E_SHAPE, NULL, "axis %u has the size %lld", i, (long long)d->size);
            return NULL;
        }
        const char *dots = d->name && strncmp(d->name, "...", 3) == 0 ? "..." : "";
        const char *rest = d->name ? d->name + strlen(dots) : "";
        if (d->name && (*rest || !*dots) && !builder_name(b, "BmcDim", rest)) return NULL;
        if (d->name)
            text_printf(&text, "%s%s", dots, rest);
        else
            text_printf(&text, "%lld", (long long)d->size);
    }
    text_char(&text, ']');
    return text_str(&text);
}
