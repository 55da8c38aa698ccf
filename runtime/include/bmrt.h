/* bmrt: the runtime of compiled models. Public header.
 *
 * A compiled model is described by one BmrtModel, the same whether it was JIT-compiled or loaded
 * from a .so: plain constant data plus function pointers. This header defines that descriptor, the
 * frame a compiled entry receives, and the handle API (open, call, read and write tensors, save).
 * The trainer (train.h) drives any descriptor. The runtime never includes the compiler, never
 * prints, never exits; every failure is a BmrtStatus with a message in the handle. */
#ifndef BMRT_H
#define BMRT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__ /* bmc is built with hidden symbols; these stay visible in libbmc.so */
#pragma GCC visibility push(default)
#endif

#define BMRT_ABI 7u

typedef enum BmrtStatus {
    BMRT_OK = 0,
    BMRT_ARGUMENT, /* a NULL, an unknown name, a wrong size */
    BMRT_SHAPE,    /* dims that do not fit the entry */
    BMRT_MEMORY,
    BMRT_IO,       /* open, read, write, sync, rename failed */
    BMRT_FORMAT,   /* a file is not what it claims to be */
    BMRT_MISMATCH, /* weights that do not fit the model */
    BMRT_NUMERIC,  /* non-finite loss, index out of range, integer division by zero */
    BMRT_BUSY      /* the handle is in use by another thread */
} BmrtStatus;

typedef enum BmrtDtype { /* order fixed: equals the compiler's DType */
                         BMRT_F64,
                         BMRT_F32,
                         BMRT_F16,
                         BMRT_BF16,
                         BMRT_I64,
                         BMRT_I32,
                         BMRT_I16,
                         BMRT_I8,
                         BMRT_U64,
                         BMRT_U32,
                         BMRT_U16,
                         BMRT_U8,
                         BMRT_BOOL,
                         BMRT_DTYPE_COUNT
} BmrtDtype;

/* ------------------------------------------------------------------ C functions of a model */

/* What a function declared with `extern fn` receives: a dense row-major array of its argument's
 * dtype (BOOL: one byte, 0 or 1). Nothing here may be kept, and `in` not be written to. */
typedef struct BmrtExternArray {
    void *data;
    const int64_t *dims; /* [rank] */
    uint32_t rank;
    uint32_t dtype; /* BmrtDtype */
} BmrtExternArray;

/* A function of `extern fn`: in[0 .. in_count) are the arguments in order; fills out[0]. Its
 * gradient: `in` goes on with the result and the result's adjoint, in_count is 2 more; it fills
 * out[i], the adjoint of the i-th argument that is a float. Must give equal results for equal
 * arguments and be safe to call from several threads at once. */
typedef void (*BmrtExternFn)(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out);

/* ------------------------------------------------------------------ compiled code */

enum { /* sticky bits in *frame->flags */
       BMRT_FLAG_INDEX = 1,
       BMRT_FLAG_DIVISION = 2,
       BMRT_FLAG_NONFINITE = 4,
       BMRT_FLAG_INPUT = 8
};

/* What an entry receives. Layout is ABI: compiled code reads it by offset (codegen/abi.c checks
 * them with offsetof). All pointers are valid for the whole call. */
typedef struct BmrtFrame BmrtFrame;
struct BmrtFrame {
    char *arena;            /* 64-byte aligned scratch; buffer i starts at arena + offsets[i] */
    const int64_t *offsets; /* as entry->buffers */
    char *slots; /* parameters and states; slot i starts at slots + model->slots[i].offset */
    const void *const *inputs; /* as entry->inputs */
    void *const *outputs;      /* as entry->outputs, then as entry->shows */
    const int64_t *symbols;    /* value of each dim symbol of the entry */
    uint64_t seed, step;       /* random numbers */
    double progress, epoch, iteration;
    uint32_t *flags; /* sticky; compiled code only ORs bits, atomically */
    void (*barrier)(BmrtFrame *frame,
                    int32_t thread); /* all threads of the team arrive, then go on */
    void *team;
    uint32_t skip; /* scratch of the guard: nonzero = this step writes nothing */
};

/* SPMD: every thread of the team calls it with its number; work is split by (thread, threads). */
typedef void (*BmrtEntryFn)(BmrtFrame *frame, int32_t thread, int32_t threads);

/* ------------------------------------------------------------------ descriptor */

typedef struct BmrtQuotient BmrtQuotient;
typedef struct BmrtTerm { /* coefficient * product of symbols and quotients */
    int64_t coefficient;
    uint32_t count, quotient_count;
    const uint32_t *symbols;
    const BmrtQuotient *quotients;
} BmrtTerm;
typedef struct BmrtDim { /* sum of terms; no terms: 0 */
    uint32_t count;
    const BmrtTerm *terms;
} BmrtDim;
struct BmrtQuotient { /* floor(over / under), of sizes */
    BmrtDim over, under;
};

typedef struct BmrtValue { /* an input or output of an entry */
    const char *name;
    BmrtDtype dtype;
    uint32_t rank;
    const BmrtDim *dims;
    int64_t index_limit; /* > 0: elements are used as positions and must lie in [0, limit) */
    /* > 0: strings by the vocabulary of number `vocabulary` - 1. The caller passes an array of
     * const char * (input: read during the call; output: pointers the handle owns); the entry
     * itself has i32. */
    uint32_t vocabulary;
    /* Of an input of texts: how many numbers the entry has for each, as a further axis (a field of
     * kind TOKENS). 0: one for each string, no further axis. */
    int64_t per_string;
    const void *fallback; /* of a rank-0 input: its value when the caller passes NULL; or NULL */
} BmrtValue;

enum { BMRT_FALLBACK_INPUTS_MAX = 64 }; /* an entry with a fallback has at most this many inputs */

typedef struct BmrtBuffer { /* one planned arena buffer */
    uint32_t element_bytes;
    BmrtDim count;        /* elements */
    uint32_t first, last; /* step numbers between which it is live, both included */
    int64_t offset;       /* planned with every symbol at its bound */
} BmrtBuffer;

typedef struct BmrtCheck { /* a condition on the sizes of a call */
    BmrtDim value;
    int zero;         /* value == 0, else value >= 0 */
    const char *text; /* "m.bm:3:9 `+` needs T = P" */
} BmrtCheck;

typedef enum BmrtEntryKind {
    BMRT_ENTRY_INIT,   /* writes the slots' first values; no inputs */
    BMRT_ENTRY_ROWS,   /* data: raw fields -> columns */
    BMRT_ENTRY_STEP,   /* training step: columns -> metrics; writes slots */
    BMRT_ENTRY_EVAL,   /* columns -> partial results over a batch */
    BMRT_ENTRY_FINISH, /* combined partial results (+ row count as symbol 0) -> metrics */
    BMRT_ENTRY_EXPORT,
    BMRT_ENTRY_FIT /* statistics: all rows -> writes a FIT slot */
} BmrtEntryKind;

/* The entry's code for calls where one size has one value and the others are within their bounds,
 * with a plan of its own. Same bits. */
typedef struct BmrtVariant {
    uint32_t symbol; /* number among the entry's */
    uint32_t buffer_count;
    int alone; /* by the calling thread only: too little work to share */
    int64_t value, arena_bytes;
    const int64_t *offsets; /* of the arena's buffers */
    BmrtEntryFn run;
} BmrtVariant;

typedef struct BmrtEntry {
    const char *name;
    BmrtEntryKind kind;
    BmrtEntryFn run;
    uint32_t symbol_count, input_count, output_count, buffer_count;
    const char *const *symbol_names;
    const int64_t *symbol_bounds; /* what the memory plan holds for */
    const BmrtValue *inputs, *outputs;
    const BmrtBuffer *buffers;
    int64_t arena_bytes;     /* planned at the bounds */
    int writes_slots, draws; /* changes slots; uses random numbers */
    uint32_t fit_count;      /* EXPORT: the FIT slots that it reads: they must have been fitted */
    const uint32_t *fits;
    uint32_t check_count;
    const BmrtCheck *checks; /* tested before anything runs */
    /* Roughly, for one thread: the time of a call at the bounds and with every symbol 1, and how
     * often a call's threads meet. 0: not known. */
    double work_ns, work_ns_one;
    uint32_t meetings;
    uint32_t show_count;    /* debug builds: what `show(x)` shows after a call, as outputs that */
    const BmrtValue *shows; /* the runtime keeps; the name says what and where */
    uint32_t variant_count;
    const BmrtVariant *variants; /* the first that fits runs instead */
} BmrtEntry;

typedef enum BmrtSlotKind {
    BMRT_SLOT_PARAM,
    BMRT_SLOT_STATE,
    BMRT_SLOT_OPTIMIZER,
    BMRT_SLOT_FIT
} BmrtSlotKind;
typedef struct BmrtSlot {
    const char *path; /* safetensors key */
    BmrtSlotKind kind;
    BmrtDtype dtype;
    uint32_t rank;
    const int64_t *dims;
    int64_t offset, bytes; /* in the slots block; offsets are 64-byte aligned */
    const void *initial;   /* embedded weights: its first value; NULL: what the init entry writes */
} BmrtSlot;

/* ---- how data is read, and what training does: what `data`, `train` and `test` blocks say */

typedef enum BmrtSplit {
    BMRT_SPLIT_ALL,
    BMRT_SPLIT_TRAIN,
    BMRT_SPLIT_VALID,
    BMRT_SPLIT_TEST,
    BMRT_SPLIT_COUNT
} BmrtSplit;
typedef enum BmrtFormat {
    BMRT_FORMAT_IDX,
    BMRT_FORMAT_NPY,
    BMRT_FORMAT_CSV,     /* text: one line a row, all fields */
    BMRT_FORMAT_RECORDS, /* binary records of fixed size, all fields in their order */
    BMRT_FORMAT_ELEMENTS /* a run of numbers; a row is `window` of them, or the field's size */
} BmrtFormat;

typedef enum BmrtFieldKind {
    BMRT_FIELD_NUMBER,
    BMRT_FIELD_CATEGORY, /* i32: 1 ... in order of first appearance in the train rows; 0 unknown */
    BMRT_FIELD_NAMES,    /* i32: position in `names`; anything else is an error */
    BMRT_FIELD_TOKENS    /* i32 [length]: the words of a text; 0 unknown, -1 behind its last */
} BmrtFieldKind;

typedef enum BmrtTokenRule { /* what a word of a text is: runtime/core/tokens.c */
                             BMRT_TOKENS_WORDS,
                             BMRT_TOKENS_SPACES,
                             BMRT_TOKENS_CHARACTERS
} BmrtTokenRule;

typedef struct BmrtField {
    const char *name;
    BmrtDtype dtype;
    uint32_t rank;
    const int64_t *dims;   /* of one row */
    uint32_t line, column; /* in the .bm, for messages */
    BmrtFieldKind kind;
    uint32_t name_count; /* NAMES */
    const char *const *names;
    int64_t category_max;    /* CATEGORY, TOKENS: the largest number */
    const char *text_column; /* CSV: the header's name of it; NULL: `name` */
    BmrtTokenRule rule;      /* TOKENS */
    const char *words_path; /* TOKENS: a file of words, one a line; NULL: those of the train rows */
} BmrtField;

typedef struct BmrtSource { /* one file (or one file per split and field) */
    BmrtSplit split;        /* ALL: to be split by the rule */
    BmrtFormat format;
    int32_t field;    /* the field it holds; -1: all of them */
    const char *path; /* CSV and RECORDS: `*` and `?` in its last part match several files */
    uint32_t line, column;
    uint32_t missing_count; /* CSV: cells that mean "missing" */
    const char *const *missing;
    char delimiter;         /* CSV; '\n': each line is one cell, quotes are text */
    uint8_t header;         /* CSV: the first line names the columns */
    int64_t skip;           /* RECORDS, ELEMENTS: bytes before the first */
    int64_t window, stride; /* ELEMENTS: in elements; window 0: rows follow each other */
} BmrtSource;

typedef enum BmrtSplitKind {
    BMRT_SPLITBY_NONE,
    BMRT_SPLITBY_RANDOM,
    BMRT_SPLITBY_BLOCKS,
    BMRT_SPLITBY_FOLDS /* one fold of `folds` is valid, the others are train */
} BmrtSplitKind;
typedef struct BmrtSplitRule { /* how the ALL (or, if there are train files, the TRAIN) rows divide
                                */
    BmrtSplitKind kind;
    double part[BMRT_SPLIT_COUNT]; /* per split: < 1 a fraction, >= 1 rows, 0 none; TRAIN 0: the
                                      rest */
    uint64_t seed;
    uint32_t folds;
    int32_t by; /* FOLDS: the field whose values every fold has in proportion; -1: none */
} BmrtSplitRule;

typedef struct BmrtData {
    const char *name;
    const char *file; /* the .bm where it stands, for messages; NULL: the model's own */
    uint32_t field_count, source_count, column_count;
    const BmrtField *fields;
    const BmrtSource *sources;
    BmrtSplitRule split;
    int32_t train_rows_entry; /* ROWS entry used for training rows (augmentation) */
    int32_t
        rows_entry; /* ... and everywhere else; inputs are named as fields, outputs as columns */
    const BmrtValue *columns; /* rank and dims include the leading row dim */
    int32_t drop_entry;       /* ROWS entry: fields -> bool, true for rows to leave out; -1: none */
    uint32_t dedup_count;     /* later rows with equal values in these fields are left out */
    const uint32_t *dedup;
    uint32_t fit_count;         /* FIT entries: all train rows -> a FIT slot each, in this order */
    const int32_t *fit_entries; /* inputs are named as fields */
} BmrtData;

/* A statistic of a split's columns that is not the data block's own (`fit(...)` in an export): the
 * FIT entry runs on all rows of the split whenever weights are saved. Inputs are named as columns.
 */
typedef struct BmrtStatistic {
    int32_t entry, data;
    BmrtSplit split;
} BmrtStatistic;

/* The names behind the numbers of a field, kept in the weights as the tensor `path` (U8, each name
 * ended by a zero byte); fields of kind NAMES have theirs in the descriptor. */
typedef struct BmrtVocabulary {
    const char *path; /* "films.user.names" */
    int32_t data;
    uint32_t field;
    const char *names; /* embedded weights: that tensor's bytes; NULL: none */
    int64_t names_bytes;
} BmrtVocabulary;

typedef enum BmrtCombine { BMRT_COMBINE_SUM, BMRT_COMBINE_MAX, BMRT_COMBINE_MIN } BmrtCombine;

/* Metrics over a split, as if the batch were the whole split: the EVAL entry runs on batches, its
 * outputs are combined (SUM in f64, ascending batches, rounded once), the FINISH entry turns them
 * into the metrics. finish_entry < 0: the EVAL entry needs all rows in one call and gives the
 * metrics. */
typedef struct BmrtEval {
    int32_t eval_entry, finish_entry;
    const BmrtCombine *combine; /* per EVAL output */
    uint32_t metric_count;
    const char *const *metrics;
} BmrtEval;

typedef enum BmrtSaveKind { BMRT_SAVE_LAST, BMRT_SAVE_BEST, BMRT_SAVE_EVERY } BmrtSaveKind;
typedef struct BmrtTrain {
    const char *name;      /* NULL: the unnamed block */
    int32_t data;          /* index; -1: none (a host drives the step) */
    int64_t epochs, steps; /* exactly one > 0 */
    int64_t batch;         /* 0: all rows */
    int shuffle;
    uint64_t seed;
    int64_t shards;
    int64_t devices;          /* that the block asks for; training here runs on one */
    int32_t step_entry;       /* inputs are named as columns; the first outputs are the metrics */
    uint32_t metric_count;    /* ... this many */
    int64_t accumulate;       /* batches per update; 0 and 1: one */
    int32_t accumulate_entry; /* with more: the step of every batch but a group's last */
    BmrtEval valid;           /* eval_entry < 0: no valid split */
    BmrtSaveKind save;
    const char *save_path;   /* NULL: STEM.safetensors */
    const char *save_metric; /* BEST: of valid */
    int save_highest;
    int64_t save_every_epochs, save_every_steps;
    int64_t patience; /* 0: no early stop */
    const char *patience_metric;
    int patience_highest;
    const char *init_path;        /* weights the block starts from; NULL: as they are */
    const char *const *init_only; /* only what lies at or below these paths; none: all */
    uint32_t init_only_count;
    uint32_t line, column; /* of `init` in the .bm, for messages */
} BmrtTrain;

typedef struct BmrtTest {
    const char *name; /* NULL: the unnamed block */
    int32_t data;
    BmrtSplit split;
    int64_t batch;
    BmrtEval eval;
} BmrtTest;

/* The entries again, as code for another processor. Same bits. */
typedef struct BmrtVersion {
    const char *processor; /* "x86-64-v4" */
    const char *target;    /* as the model's */
    int32_t level;         /* of x86-64: 3, 4 */
    const BmrtEntry *entries;
} BmrtVersion;

typedef struct BmrtModel BmrtModel;
struct BmrtModel {
    uint32_t abi, size_bytes; /* BMRT_ABI, sizeof(BmrtModel) */
    const char *name;         /* file stem */
    const char *compiler, *target, *flags;
    const char *source;    /* the .bm text */
    const char *interface; /* functions, shapes, parameters as one line of JSON */
    uint64_t source_hash;
    int64_t slots_bytes;
    uint32_t slot_count, entry_count, data_count, train_count, test_count;
    const BmrtSlot *slots;
    const BmrtEntry *entries;
    const BmrtData *data;
    const BmrtTrain *train;
    const BmrtTest *test;
    int32_t init_entry;
    uint32_t statistic_count, vocabulary_count;
    const BmrtStatistic *statistics;
    const BmrtVocabulary *vocabularies;
    /* NULL: `entries` are all there is. Else of `versions` (the first is the best) the one for this
     * processor; NULL, with a text that the last one's name completes, when there is none. */
    const BmrtVersion *(*choose)(const BmrtModel *model, const char **problem);
    uint32_t version_count;
    const BmrtVersion *versions;
};

/* ------------------------------------------------------------------ handles */

typedef struct BmrtHandle BmrtHandle;

/* Opens a model: allocates slots and arena, initialises the slots by the INIT entry with `seed`, or
 * from a safetensors file when `weights` is not NULL. *out is set even on failure, so that
 * bmrt_error can be read; NULL only when out of memory. Close it with bmrt_close either way.
 * threads: 0 = all CPUs this process may use.
 * ARGUMENT: `out` or `model` is NULL, threads below 0 or beyond a few thousand. MISMATCH: a model
 * of another version, weights that do not fit it. IO, FORMAT: the weights file. MEMORY.
 * After a wrong model or too little memory a handle refuses all (ARGUMENT); after wrong weights it
 * has the initial ones. */
BmrtStatus bmrt_open(BmrtHandle **out, const BmrtModel *model, const char *weights, uint64_t seed,
                     int32_t threads);
void bmrt_close(BmrtHandle *h);                   /* NULL is allowed */
const char *bmrt_error(const BmrtHandle *h);      /* "" when the last call succeeded; owned by h */
const BmrtModel *bmrt_model(const BmrtHandle *h); /* NULL: NULL */
/* Its functions, shapes, parameters as one line of JSON; owned by the model. NULL: NULL. */
const char *bmrt_interface(const BmrtModel *model);
/* The machine and the processor whose code runs: "x86_64-pc-linux-gnu x86-64-v4". */
const char *bmrt_target(const BmrtHandle *h);
int32_t bmrt_entry_find(const BmrtModel *m, const char *name); /* -1: none, or a NULL */

/* All functions of a handle: ARGUMENT for a NULL handle or one whose opening failed, BUSY while a
 * call on another thread (or around a BmrtShowFn) uses it; then nothing has happened. */

/* Runs an entry. symbols: one value per dim symbol; inputs and outputs: dense row-major arrays,
 * owned by the caller. A step whose guard is not finite, or whose index inputs are out of range,
 * writes no slot and returns BMRT_NUMERIC. Larger symbols than the bounds re-plan the arena first.
 * ARGUMENT: an entry that is not there, a NULL where an array has elements (or a symbol is needed),
 * `fit` statistics that were never computed. SHAPE: a negative symbol, sizes that overflow or that
 * the entry's checks refuse. MEMORY: no work space of that size. */
BmrtStatus bmrt_call(BmrtHandle *h, uint32_t entry, const int64_t *symbols,
                     const void *const *inputs, void *const *outputs);
/* As bmrt_call, also advancing the step counter and the clock; what training uses. */
BmrtStatus bmrt_step(BmrtHandle *h, uint32_t entry, const int64_t *symbols,
                     const void *const *inputs, void *const *outputs);
/* Arena bytes the entry needs at these symbol values; negative: overflow or a wrong entry. */
int64_t bmrt_workspace(const BmrtHandle *h, uint32_t entry, const int64_t *symbols);

/* As bmrt_open's `threads`; ARGUMENT, MEMORY as there, and the handle keeps those it has. */
BmrtStatus bmrt_set_threads(BmrtHandle *h, int32_t threads);
BmrtStatus bmrt_set_seed(BmrtHandle *h,
                         uint64_t seed); /* of dropout and the like; not re-initialising */
/* What `show(x, "h")` says in a model that was compiled for debugging: called on the calling thread
 * after each call of an entry, once a `show`, with some lines of text (shape, range, mean, a
 * corner; no newline at the end) that are valid during the call. It must not use the handle. NULL:
 * nothing is said. */
typedef void (*BmrtShowFn)(void *user, const char *text);
BmrtStatus bmrt_set_show(BmrtHandle *h, BmrtShowFn show, void *user);
/* Steps planned in all and per epoch: feeds progress() and epoch(). ARGUMENT: negative. */
BmrtStatus bmrt_set_schedule(BmrtHandle *h, int64_t steps, int64_t steps_per_epoch);
int64_t bmrt_iteration(const BmrtHandle *h); /* steps done; NULL: 0 */
void bmrt_set_iteration(BmrtHandle *h, int64_t iteration);

/* Copies a slot out or in. ARGUMENT: a NULL, a path that is not there, `bytes` that are not the
 * slot's size. */
BmrtStatus bmrt_get(BmrtHandle *h, const char *path, void *data, size_t bytes);
BmrtStatus bmrt_set(BmrtHandle *h, const char *path, const void *data, size_t bytes);

/* safetensors. Saving is atomic (temporary file, sync, rename). Loading checks every tensor before
 * it changes anything; missing or misfitting tensors: BMRT_MISMATCH with a list in the message.
 * `all` = 0: parameters, states and fits; 1: also optimizer slots. Extra metadata: alternating
 * keys and values, NULL-terminated, or NULL. ARGUMENT: a NULL path. IO: what the system refused.
 * FORMAT, MISMATCH (load): nothing has changed. MEMORY. */
BmrtStatus bmrt_save(BmrtHandle *h, const char *path, int all, const char *const *metadata);
BmrtStatus bmrt_load(BmrtHandle *h, const char *path);

const char *bmrt_status_name(BmrtStatus s); /* "ok", "argument" ...; "unknown" */
size_t bmrt_dtype_bytes(BmrtDtype t);       /* 0: no such dtype */

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
