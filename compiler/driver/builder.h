/* The builder of bmc.h: what its files share. It writes a program in bmc's language, a line a call,
 * so that a built model goes the way of every other; names keep values of definitions apart. */
#ifndef BMC_DRIVER_BUILDER_H
#define BMC_DRIVER_BUILDER_H

#include "compiler/driver/embed.h"

typedef enum ValueKind {
    VALUE_PLAIN,
    VALUE_RANGE /* `a:b`: an index, no value */
} ValueKind;

typedef struct BuiltValue {
    const char *text;    /* what stands for it: a name or a literal */
    uint32_t definition; /* number of the one it lives in; 0: anywhere */
    ValueKind kind;
} BuiltValue;

typedef struct LayerCount { /* instances without a name of their own, in this definition */
    Sym layer;
    uint32_t count;
} LayerCount;

struct BmcBuilder {
    Context *ctx;
    const char *name;
    BmcDiagnosticFn on_diagnostic;
    void *user;
    Text text;
    VEC(uint32_t) line_values; /* per line: the id of the value made there, or 0 */
    VEC(BuiltValue) values;    /* id - 1 */
    VEC(Sym) globals;          /* names of definitions and `let`s */
    VEC(Sym) mentioned;        /* names the host uses that look as if the builder had made them */
    uint32_t generated;        /* names v1 ... v<generated> are the builder's own */
    /* the open definition */
    bool open, has_body; /* it has_body once its first line is written */
    BmcDefinition kind;
    uint32_t definition; /* numbered from 1 */
    const char *title;
    VEC(const char *) settings, inputs;
    VEC(Sym) locals;
    VEC(LayerCount) layers;
    VEC(const char *) titles; /* of all definitions so far, for messages */
    bool wrong, out_of_memory;
    jmp_buf recovery;
};

/* Opens every public function: what to return for no builder, and when memory ends. */
#define BUILDER_ENTER(b, no_builder, no_memory)                                                    \
    do {                                                                                           \
        if ((b) == NULL) return no_builder;                                                        \
        if ((b)->out_of_memory) return no_memory;                                                  \
        if (setjmp((b)->recovery)) {                                                               \
            (b)->out_of_memory = true;                                                             \
            return no_memory;                                                                      \
        }                                                                                          \
        arena_on_oom((b)->ctx->arena, &(b)->recovery);                                             \
    } while (0)
#define BUILDER_VALUE(b)  BUILDER_ENTER(b, ((BmcValue){0}), ((BmcValue){0}))
#define BUILDER_STATUS(b) BUILDER_ENTER(b, BMC_ARGUMENT, BMC_MEMORY)

/* ---- builder.c */

/* Reports a wrong call and spoils the program; the note and help may be NULL. */
void builder_wrong(BmcBuilder *b, Code code, const char *help, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A host's text as it may stand in a message. */
const char *builder_shown(BmcBuilder *b, const char *text);
/* Adds a line to the open definition; `value`: the id of what it makes, or 0. */
void builder_line(BmcBuilder *b, uint32_t value, const char *line);
/* A new value that `text` stands for. */
BmcValue builder_value(BmcBuilder *b, const char *text, bool anywhere, ValueKind kind);
/* A line `v3 = expression` and its value. */
BmcValue builder_bind(BmcBuilder *b, const char *expression);
/* A name that no host's name is and that none may become. */
const char *builder_new_name(BmcBuilder *b);
const char *builder_dims(BmcBuilder *b, uint32_t rank, const BmcDim *dims); /* NULL: told */

/* ---- builder_check.c: each false or NULL after a diagnostic; `call` is the public function */

/* A definition is open (and `in` says of which kinds: bits 1 << BmcDefinition). */
bool builder_inside(BmcBuilder *b, const char *call, unsigned in);
bool builder_outside(BmcBuilder *b, const char *call);
bool builder_name(BmcBuilder *b, const char *call, const char *name);
bool builder_path(BmcBuilder *b, const char *call, const char *path); /* names and dots */
bool builder_declare(BmcBuilder *b, const char *call, const char *name, bool global);
/* What stands for a value here. Silent when an earlier call was wrong. */
const char *builder_operand(BmcBuilder *b, const char *call, BmcValue value, ValueKind most);
/* "a, n = b" of all arguments. */
const char *builder_arguments(BmcBuilder *b, const char *call, const BmcArg *args, uint32_t count);
const char *builder_operands(BmcBuilder *b, const char *call, const BmcValue *values,
                             uint32_t count, ValueKind most);

#define IN_ANY    (~0u)
#define IN(kind)  (1u << BMC_##kind)
#define IN_OWNERS (IN(MODEL) | IN(LAYER) | IN(OPTIMIZER))

#endif
