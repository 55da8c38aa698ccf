/* The builder: operations by their names in ops.def, and how the language writes each. */
#include "compiler/driver/builder.h"

typedef enum OpForm {
    INFIX,    /* a + b */
    PREFIX,   /* -a */
    CALLED,   /* exp(a) */
    ELSEWHERE /* not by bmc_build_op: `word` says how */
} OpForm;

typedef struct Spelling {
    OpForm form;
    const char *word;
} Spelling;

/* One for each row of ops.def, so that a new op does not compile without. */
#define SPELL_INPUT                                                                                \
    { ELSEWHERE, "`bmc_build_input`" }
#define SPELL_READ                                                                                 \
    { ELSEWHERE, "the value of `bmc_build_param` or `bmc_build_state`" }
#define SPELL_CONST                                                                                \
    { ELSEWHERE, "`bmc_build_number`" }
#define SPELL_IOTA                                                                                 \
    { CALLED, "iota" }
#define SPELL_RANDOM                                                                               \
    { CALLED, "random" }
#define SPELL_SIZE                                                                                 \
    { ELSEWHERE, "`bmc_build_name` of the size" }
#define SPELL_CLOCK                                                                                \
    { ELSEWHERE, "`bmc_build_call` of `progress`, `epoch` or `iteration`" }
#define SPELL_NEG                                                                                  \
    { PREFIX, "-" }
#define SPELL_ABS                                                                                  \
    { CALLED, "abs" }
#define SPELL_SIGN                                                                                 \
    { CALLED, "sign" }
#define SPELL_FLOOR                                                                                \
    { CALLED, "floor" }
#define SPELL_EXP                                                                                  \
    { CALLED, "exp" }
#define SPELL_LOG                                                                                  \
    { CALLED, "log" }
#define SPELL_EXPM1                                                                                \
    { CALLED, "expm1" }
#define SPELL_LOG1P                                                                                \
    { CALLED, "log1p" }
#define SPELL_SQRT                                                                                 \
    { CALLED, "sqrt" }
#define SPELL_SIN                                                                                  \
    { CALLED, "sin" }
#define SPELL_COS                                                                                  \
    { CALLED, "cos" }
#define SPELL_TANH                                                                                 \
    { CALLED, "tanh" }
#define SPELL_ERF                                                                                  \
    { CALLED, "erf" }
#define SPELL_CAST                                                                                 \
    { ELSEWHERE, "`bmc_build_cast`" }
#define SPELL_NOT                                                                                  \
    { PREFIX, "not " }
#define SPELL_STOP                                                                                 \
    { CALLED, "stop" }
#define SPELL_ADD                                                                                  \
    { INFIX, "+" }
#define SPELL_SUB                                                                                  \
    { INFIX, "-" }
#define SPELL_MUL                                                                                  \
    { INFIX, "*" }
#define SPELL_DIV                                                                                  \
    { INFIX, "/" }
#define SPELL_MOD                                                                                  \
    { INFIX, "%" }
#define SPELL_POW                                                                                  \
    { INFIX, "^" }
#define SPELL_MAX                                                                                  \
    { CALLED, "maximum" }
#define SPELL_MIN                                                                                  \
    { CALLED, "minimum" }
#define SPELL_LESS                                                                                 \
    { INFIX, "<" }
#define SPELL_EQUAL                                                                                \
    { INFIX, "==" }
#define SPELL_AND                                                                                  \
    { INFIX, "and" }
#define SPELL_OR                                                                                   \
    { INFIX, "or" }
#define SPELL_SELECT                                                                               \
    { CALLED, "select" }
#define SPELL_FMA                                                                                  \
    {                                                                                              \
        ELSEWHERE, "`mul` and `add`: sums of products are fused where the order of "               \
                   "docs/numerics.md says so"                                                      \
    }
#define SPELL_RESHAPE                                                                              \
    { CALLED, "reshape" }
#define SPELL_PERMUTE                                                                              \
    { CALLED, "permute" }
#define SPELL_BROADCAST                                                                            \
    { CALLED, "broadcast" }
#define SPELL_SLICE                                                                                \
    { ELSEWHERE, "`bmc_build_index` with ranges" }
#define SPELL_PAD                                                                                  \
    { CALLED, "pad_with" }
#define SPELL_REVERSE                                                                              \
    { CALLED, "reverse" }
#define SPELL_CONCAT                                                                               \
    { CALLED, "concat" }
#define SPELL_WINDOW                                                                               \
    { ELSEWHERE, "`bmc_build_call` of `conv`, `window_sum` or `window_max`" }
#define SPELL_AGAIN                                                                                \
    { ELSEWHERE, "`bmc_build_source`, for `checkpoint`" }
#define SPELL_SUM                                                                                  \
    { CALLED, "sum" }
#define SPELL_REDUCE_MAX                                                                           \
    { CALLED, "max" }
#define SPELL_REDUCE_MIN                                                                           \
    { CALLED, "min" }
#define SPELL_ARGMAX                                                                               \
    { CALLED, "argmax" }
#define SPELL_CONTRACT                                                                             \
    { ELSEWHERE, "`matmul`, or `bmc_build_call` of `einsum`" }
#define SPELL_GATHER                                                                               \
    { ELSEWHERE, "`bmc_build_index` with a tensor of positions" }
#define SPELL_SCATTER_ADD                                                                          \
    { ELSEWHERE, "`bmc_build_source`: an index statement" }
#define SPELL_ARGSORT                                                                              \
    { CALLED, "argsort" }
#define SPELL_ATTENTION                                                                            \
    { ELSEWHERE, "`bmc_build_call` of `attention`" }
#define SPELL_ATTENTION_GRAD                                                                       \
    { ELSEWHERE, "`bmc_build_grad`" }
#define SPELL_EXTERN                                                                               \
    { ELSEWHERE, "`bmc_build_source` of `extern fn`, then `bmc_build_call`" }
#define SPELL_SCAN                                                                                 \
    { ELSEWHERE, "`bmc_build_source`: a function with `scan`" }
#define SPELL_TAKE                                                                                 \
    { ELSEWHERE, "`bmc_build_parts`" }
#define SPELL_RANDOM_AT                                                                            \
    { ELSEWHERE, "`bmc_build_call` of `random`" }
#define SPELL_GRAD                                                                                 \
    { ELSEWHERE, "`bmc_build_grad`" }

typedef struct NamedOp {
    const char *name;
    int arity; /* of INFIX and PREFIX */
    Spelling spelling;
} NamedOp;
static const NamedOp NAMED_OPS[] = {
#define OP(op, name, arity, cls, gradient) {name, arity, SPELL_##op},
#include "compiler/graph/ops.def"
#undef OP
    {"matmul", 2, {INFIX, "@"}},         {"not_equal", 2, {INFIX, "!="}},
    {"less_equal", 2, {INFIX, "<="}},    {"greater", 2, {INFIX, ">"}},
    {"greater_equal", 2, {INFIX, ">="}},
};

static const NamedOp *find_op(BmcBuilder *b, const char *name) {
    static const char CALL[] = "bmc_build_op";
    Nearest near = {.wanted = name};
    for (size_t i = 0; i < sizeof NAMED_OPS / sizeof *NAMED_OPS; i++) {
        const NamedOp *op = &NAMED_OPS[i];
        if (strcmp(op->name, name) == 0 && op->spelling.form != ELSEWHERE) return op;
        if (strcmp(op->name, name) == 0) {
            builder_wrong(b, E_ARGUMENT, arena_printf(b->ctx->arena, "use %s", op->spelling.word),
                          "`%s` does not make `%s`", CALL, name);
            return NULL;
        }
        if (op->spelling.form != ELSEWHERE) nearest_offer(&near, op->name);
    }
    const char *help = near.best ? arena_printf(b->ctx->arena, "did you mean `%s`?", near.best)
                                 : "functions of the language go by `bmc_build_call`";
    builder_wrong(b, E_NAME, help, "`%s`: there is no operation `%s`", CALL,
                  builder_shown(b, name));
    return NULL;
}

BmcValue bmc_build_op(BmcBuilder *b, const char *name, const BmcValue *operands, uint32_t count) {
    static const char CALL[] = "bmc_build_op";
    BUILDER_VALUE(b);
    if (name == NULL || (operands == NULL && count > 0) || !builder_inside(b, CALL, IN_ANY))
        return (BmcValue){0};
    const NamedOp *op = find_op(b, name);
    if (op == NULL) return (BmcValue){0};
    const bool counted = op->spelling.form != CALLED;
    if (counted && count != (uint32_t)op->arity) {
        builder_wrong(b, E_ARGUMENT, NULL, "`%s`: `%s` takes %d operand%s, not %u", CALL, name,
                      op->arity, op->arity == 1 ? "" : "s", count);
        return (BmcValue){0};
    }
    const char *all = builder_operands(b, CALL, operands, count, VALUE_PLAIN);
    if (all == NULL) return (BmcValue){0};
    Arena *arena = b->ctx->arena;
    const char *word = op->spelling.word;
    if (op->spelling.form == CALLED)
        return builder_bind(b, arena_printf(arena, "%s(%s)", word, all));
    const char *first = b->values.data[operands[0].id - 1].text;
    if (op->spelling.form == PREFIX)
        return builder_bind(b, arena_printf(arena, "%s%s", word, first));
    const char *second = b->values.data[operands[1].id - 1].text;
    return builder_bind(b, arena_printf(arena, "%s %s %s", first, word, second));
}
