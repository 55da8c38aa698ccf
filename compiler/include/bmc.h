/* bmc as a library: compile a model into this process, look into it, build one without a text.
 *
 *   BmcOptions options = {.size_bytes = sizeof options, .level = 2, .on_diagnostic = show};
 *   BmcModel *model;
 *   if (bmc_compile_file("mlp.bm", &options, &model) == BMC_OK) {
 *       BmrtHandle *h;
 *       bmrt_open(&h, bmc_model(model), "mlp.safetensors", 0, 0);    // bmrt.h: call, step, save
 *       ...
 *       bmrt_close(h);
 *   }
 *   bmc_close(model);
 *
 * No globals: several threads may compile at once; a compiled model may be looked into and opened
 * by several threads at once; a builder serves one thread at a time. Nothing here prints or exits;
 * a bug of bmc aborts. Structs that the caller makes start with their size, so that later versions
 * can add members; members are only ever added at the end. docs/embed.md says more. */
#ifndef BMC_H
#define BMC_H

#include "runtime/include/bmrt.h"

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__ /* bmc is built with hidden symbols; these stay visible in libbmc.so */
#pragma GCC visibility push(default)
#endif

typedef enum BmcStatus {
    BMC_OK = 0,
    BMC_ARGUMENT, /* a NULL, a struct of unknown size, a value out of its range; nothing was done */
    BMC_INPUT,    /* the model is wrong: see the diagnostics */
    BMC_MEMORY    /* out of memory */
} BmcStatus;
const char *bmc_status_name(BmcStatus status); /* "ok", "argument", ...; "?" for other numbers */
const char *bmc_version(void);                 /* "0.1.0" */

typedef struct BmcDiagnostic {
    int is_error;               /* else a warning */
    const char *code, *message; /* "E0004", "unknown name `widht`" */
    const char *file;           /* NULL: no place */
    uint32_t line, column;      /* from 1; columns count characters */
    const char *text;           /* all of it, as bmc prints it: source line, carets, notes, help */
    uint32_t value; /* of a builder: the BmcValue.id that its place is the making of; 0: none */
} BmcDiagnostic;
/* Called for each diagnostic, on the calling thread; its texts are valid during the call. It must
 * not use what the call that reports works on (the builder). */
typedef void (*BmcDiagnosticFn)(void *user, const BmcDiagnostic *diagnostic);

typedef struct BmcDefine { /* -D name=value */
    const char *name, *value;
} BmcDefine;

typedef struct BmcExtern { /* a C function of this program that models may call (`extern fn name`)
                            */
    const char *name;
    BmrtExternFn function;
} BmcExtern;

typedef struct BmcOptions { /* zero it, set size_bytes, then what you need */
    size_t size_bytes;
    const BmcDefine *defines;
    uint32_t define_count;
    const char *cpu; /* as -march; NULL: this machine */
    int level;       /* as -O: 0 to 3; negative: the default. 0 in a zeroed struct is -O0 */
    BmcDiagnosticFn on_diagnostic;
    void *user;
    int debug; /* as --debug: `show` is told to bmrt_set_show */
    const BmcExtern
        *externs; /* `extern fn`: these, then those of the libraries; neither: refused */
    uint32_t extern_count;
    const char *const *libraries; /* as --allow-extern: "./libfast.so" */
    uint32_t library_count;
    int cache;                /* 1: code made earlier is taken from the disk, and kept there */
    const char *cache_folder; /* NULL: $BMC_CACHE_DIR, $XDG_CACHE_HOME/bmc or $HOME/.cache/bmc. A
                                 folder that others may write to, or that fails, is as none */
    int exports_only;         /* as --no-train: no training step, no optimizer */
    int warnings_are_errors;  /* as -Werror */
} BmcOptions;

typedef struct BmcModel BmcModel;

/* Compiles a model into this process. `name` stands in messages; its stem names the model. `text`
 * holds `len` bytes and need not end with 0. Paths of `use` are looked up beside the file; a text
 * has no files beside it.
 * BMC_OK: *out is a model, which the caller closes. Else *out is NULL. BMC_ARGUMENT: `name`, `text`
 * or `out` is NULL, `options` is NULL, of unknown size, of a level above 3, or names a NULL.
 * BMC_INPUT: the diagnostics said why. */
BmcStatus bmc_compile_text(const char *name, const char *text, size_t len,
                           const BmcOptions *options, BmcModel **out);
BmcStatus bmc_compile_file(const char *path, const BmcOptions *options, BmcModel **out);
/* What the runtime drives; valid until bmc_close. Close its handles first. NULL: NULL. */
const BmrtModel *bmc_model(const BmcModel *model);
void bmc_close(BmcModel *model); /* NULL is allowed */

/* ------------------------------------------------------------------ looking into a model */

/* What the compiler knows of a model, as tables. They belong to the inspection, which outlives the
 * model; any number of threads may read it. Each function gives one row, NULL past the last one:
 *   for (uint32_t k = 0; (kernel = bmc_inspect_kernel(i, entry, k)); k++) ...
 * Sizes that a call tells (the batch `B`) count as their bounds, what memory is planned for. */
typedef struct BmcInspection BmcInspection;
/* BMC_ARGUMENT: a NULL. *out is NULL unless BMC_OK is returned; the caller closes it. */
BmcStatus bmc_inspect(const BmcModel *model, BmcInspection **out);
void bmc_inspection_close(BmcInspection *inspection); /* NULL is allowed */

typedef struct BmcPlace { /* in the model's text */
    const char *file;     /* NULL: none (bmc made it) */
    uint32_t line, column;
} BmcPlace;

typedef struct BmcShape {
    uint32_t rank;
    const int64_t *dims; /* [rank], at their bounds */
    const char *text;    /* "[B, 10]" */
} BmcShape;

typedef struct BmcLayerInfo { /* a layer's instance, in the order they are applied */
    const char *path, *what;  /* "net.dense1", "dense(256, relu)" */
    BmrtDtype dtype;          /* of its output */
    BmcShape shape;
    int64_t parameters, parameter_bytes;
    double flops; /* forward, of one row of the batch */
    BmcPlace place;
} BmcLayerInfo;
const BmcLayerInfo *bmc_inspect_layer(const BmcInspection *i, uint32_t layer);

typedef struct BmcParameterInfo { /* numbered as BmrtModel.slots */
    const char *path;             /* the key in safetensors files: "net.dense1.w" */
    BmrtSlotKind kind;
    BmrtDtype dtype;
    BmcShape shape;
    int64_t offset, bytes; /* in the block of a handle that holds them all */
    BmcPlace place;
} BmcParameterInfo;
const BmcParameterInfo *bmc_inspect_parameter(const BmcInspection *i, uint32_t parameter);

typedef struct BmcEntryInfo { /* a training step, an export ...; numbered as BmrtModel.entries */
    const char *name;
    BmrtEntryKind kind;
    uint32_t nodes, kernels, buffers;
    uint32_t meetings;               /* how often a call's threads wait for each other */
    double flops, bytes;             /* of a call */
    int64_t arena_bytes, live_bytes; /* work space; most of it in use at once */
    BmcPlace place;
} BmcEntryInfo;
const BmcEntryInfo *bmc_inspect_entry(const BmcInspection *i, uint32_t entry);

typedef struct BmcNodeInfo { /* of the sealed graph; operands come before what uses them */
    const char *op;          /* "contract": docs/ops.md */
    const char *name;        /* of an input, or the path of what is read; NULL: none */
    BmrtDtype dtype;
    BmcShape shape;
    uint32_t operand_count;
    const uint32_t *operands; /* nodes of this entry */
    BmcPlace place;
} BmcNodeInfo;
const BmcNodeInfo *bmc_inspect_node(const BmcInspection *i, uint32_t entry, uint32_t node);

typedef struct BmcKernelInfo { /* in the order they run, one row each */
    const char *name;          /* "net.dense1: contract+relu" */
    double flops, bytes;       /* of one run */
    int parallel;              /* threads share it; else one thread runs it */
    const char *extent_text;   /* rows that are shared: "B" */
    int64_t extent, grain;     /* ... at the bound; threads get multiples of `grain` */
    uint32_t buffer_count;
    const uint32_t *buffers; /* of the entry: what it reads and writes */
    const uint8_t *writes;   /* [buffer_count]: 1 where it writes */
    BmcPlace place;
} BmcKernelInfo;
const BmcKernelInfo *bmc_inspect_kernel(const BmcInspection *i, uint32_t entry, uint32_t kernel);
/* The rows [*first, *end) that thread `thread` of `threads` runs, for `extent` rows. An empty range
 * when the kernel is not parallel and thread > 0. BMC_ARGUMENT: a NULL, a thread out of range, a
 * negative extent. */
BmcStatus bmc_kernel_rows(const BmcKernelInfo *kernel, int64_t extent, int32_t thread,
                          int32_t threads, int64_t *first, int64_t *end);

typedef enum BmcStorage {
    BMC_STORAGE_ARENA,
    BMC_STORAGE_PARAMETER, /* `number` counts parameters; the other kinds of slots, too */
    BMC_STORAGE_INPUT,     /* ... the entry's inputs */
    BMC_STORAGE_OUTPUT,
    BMC_STORAGE_CONSTANT
} BmcStorage;

typedef struct BmcBufferInfo {
    const char *name;
    BmcStorage storage;
    uint32_t number;
    BmrtDtype dtype;
    const char *elements_text;      /* "256*B" */
    int64_t elements, bytes;        /* at the bounds */
    int64_t offset;                 /* ARENA: in the work space; else -1 */
    uint32_t first_step, last_step; /* ARENA: of a call, between which it is in use */
} BmcBufferInfo;
const BmcBufferInfo *bmc_inspect_buffer(const BmcInspection *i, uint32_t entry, uint32_t buffer);

/* ------------------------------------------------------------------ building a model */

/* A model made by calls instead of a text. Each call adds one line of a program in bmc's language
 * (bmc_builder_text shows it), which bmc_builder_compile then compiles as any other: same checks,
 * same diagnostics, whose `value` tells which call is meant.
 *
 *   bmc_build_begin(b, BMC_MODEL, "net");
 *   BmcValue x = bmc_build_input(b, "x", BMRT_F32, 2, (BmcDim[]){{"B", 0}, {NULL, 4}});
 *   BmcValue w = bmc_build_param(b, "w", BMRT_F32, 2, (BmcDim[]){{NULL, 4}, {NULL, 3}},
 *                                bmc_build_name(b, "glorot"));
 *   BmcValue y = bmc_build_op(b, "matmul", (BmcValue[]){x, w}, 2);
 *   bmc_build_return(b, &y, 1);
 *   bmc_build_end(b);
 *
 * A wrong call (a name that is none, a value of another definition, ...) is told to the diagnostic
 * function at once; it returns BMC_INPUT or the value of id 0. That value may be handed to later
 * calls, which then do nothing, silently. NULL for the builder, or for a text or array that is
 * needed: BMC_ARGUMENT, or the value of id 0. What a call is given is copied. */
typedef struct BmcBuilder BmcBuilder;
typedef struct BmcValue {
    uint32_t id; /* 0: none */
} BmcValue;
typedef struct BmcDim { /* a size: a number, or if `name` is not NULL a name: a size that a call */
    const char *name;   /* tells ("B"), a `let`, or "..." */
    int64_t size;
} BmcDim;
typedef struct BmcArg { /* of a call; `name` NULL: by position */
    const char *name;
    BmcValue value;
} BmcArg;

/* `name`: as for bmc_compile_text. on_diagnostic may be NULL. *out is NULL unless BMC_OK. */
BmcStatus bmc_builder_open(const char *name, BmcDiagnosticFn on_diagnostic, void *user,
                           BmcBuilder **out);
void bmc_builder_close(BmcBuilder *b); /* NULL is allowed; models it made live on */
/* The program so far; owned by the builder, valid until its next call. NULL: NULL, or no memory. */
const char *bmc_builder_text(BmcBuilder *b);
/* Compiles what was built; more may be built later. As bmc_compile_text; the diagnostics go to the
 * builder's function, not to that of `options`. BMC_INPUT also after a wrong call. */
BmcStatus bmc_builder_compile(BmcBuilder *b, const BmcOptions *options, BmcModel **out);

/* ---- at the top */
typedef enum BmcDefinition {
    BMC_MODEL,     /* root of the paths of parameters */
    BMC_EXPORT,    /* a function that the host calls */
    BMC_STEP,      /* a training step; `name` NULL: the unnamed `train` block */
    BMC_FUNCTION,  /* a function that the model calls */
    BMC_LAYER,     /* may have parameters; used by bmc_build_layer */
    BMC_OPTIMIZER, /* inputs: the parameter, the gradient */
    BMC_DEFINITION_COUNT
} BmcDefinition;
/* Starts a definition; settings and inputs come first, then the rest; definitions do not nest. */
BmcStatus bmc_build_begin(BmcBuilder *b, BmcDefinition kind, const char *name);
BmcStatus bmc_build_end(BmcBuilder *b);
/* `let name = value`: a number that `defines` may replace. The value: a literal or a name. */
BmcValue bmc_build_let(BmcBuilder *b, const char *name, BmcValue value);
/* Items written in the language, such as a data block: added as they are. */
BmcStatus bmc_build_source(BmcBuilder *b, const char *text);

/* ---- literals: valid anywhere */
BmcValue bmc_build_number(BmcBuilder *b, double value); /* finite */
BmcValue bmc_build_integer(BmcBuilder *b, int64_t value);
BmcValue bmc_build_bool(BmcBuilder *b, int value);
BmcValue bmc_build_string(BmcBuilder *b, const char *text);
/* A definition, a `let`, a size, a path: "relu", "width", "B", "net.dec". */
BmcValue bmc_build_name(BmcBuilder *b, const char *name);
BmcValue bmc_build_list(BmcBuilder *b, const BmcValue *values, uint32_t count); /* [a, b] */
/* first:end, for bmc_build_index. Of id 0: open. */
BmcValue bmc_build_range(BmcBuilder *b, BmcValue first, BmcValue end);

/* ---- within a definition */
/* LAYER and OPTIMIZER: what stands in the first list. type: "num", "dim", "fn" ...; NULL: any.
 * fallback of id 0: none. */
BmcValue bmc_build_setting(BmcBuilder *b, const char *name, const char *type, BmcValue fallback);
BmcValue bmc_build_input(BmcBuilder *b, const char *name, BmrtDtype dtype, uint32_t rank,
                         const BmcDim *dims);
/* Parameters (trained) and states (written by bmc_build_write), of MODEL, LAYER and OPTIMIZER.
 * init: a number, or a function of the shape by name ("zeros", "glorot"). */
BmcValue bmc_build_param(BmcBuilder *b, const char *name, BmrtDtype dtype, uint32_t rank,
                         const BmcDim *dims, BmcValue init);
BmcValue bmc_build_state(BmcBuilder *b, const char *name, BmrtDtype dtype, uint32_t rank,
                         const BmcDim *dims, BmcValue init);
/* An operation of docs/ops.md by name ("add", "exp", "select", "matmul"), of values alone; those
 * with axes and the like are called by bmc_build_call. */
BmcValue bmc_build_op(BmcBuilder *b, const char *op, const BmcValue *operands, uint32_t count);
/* Any function of the language, the standard library or this program: "sum", "conv", "softmax". */
BmcValue bmc_build_call(BmcBuilder *b, const char *function, const BmcArg *args, uint32_t count);
/* An instance of a layer or optimizer with its settings. `name`: its part of the paths of
 * parameters; NULL: dense1, dense2 ... */
BmcValue bmc_build_layer(BmcBuilder *b, const char *name, const char *layer, const BmcArg *args,
                         uint32_t count);
/* Applies an instance: y = dense1(x). */
BmcValue bmc_build_apply(BmcBuilder *b, BmcValue instance, const BmcArg *args, uint32_t count);
/* The parts of a result that has several, into parts[count]. */
BmcStatus bmc_build_parts(BmcBuilder *b, BmcValue result, BmcValue *parts, uint32_t count);
BmcValue bmc_build_index(BmcBuilder *b, BmcValue x, const BmcValue *indices, uint32_t count);
BmcValue bmc_build_cast(BmcBuilder *b, BmcValue x, BmrtDtype dtype);
/* dy/dx: y has rank 0; x is a value, or a model's or instance's parameters by name. */
BmcValue bmc_build_grad(BmcBuilder *b, BmcValue y, BmcValue x);
BmcStatus bmc_build_write(BmcBuilder *b, BmcValue target, BmcValue value); /* target := value */
BmcStatus bmc_build_minimize(BmcBuilder *b, BmcValue loss, BmcValue over, BmcValue optimizer);
BmcStatus bmc_build_metric(BmcBuilder *b, const char *name, BmcValue value); /* of STEP */
BmcStatus bmc_build_return(BmcBuilder *b, const BmcValue *values, uint32_t count);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
