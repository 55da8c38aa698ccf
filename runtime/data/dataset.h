/* A data block's rows in memory: raw fields as read, divided into splits, and batches of columns
 * made from them. docs/runtime.md has the rules (paths, splits, shuffling). */
#ifndef BMRT_DATASET_H
#define BMRT_DATASET_H

#include "runtime/core/names.h"
#include "runtime/data/array.h"

typedef struct BmrtFault { /* a failure and the place in the .bm to blame; line 0: none */
    BmrtMessage message;
    uint32_t line, column;
} BmrtFault;

typedef struct BmrtPaths {
    const char *data_dir;  /* NULL: none */
    const char *model_dir; /* NULL: the current folder */
    int allow;             /* absolute paths, `..`, and symlinks that leave the folder */
} BmrtPaths;

enum { BMRT_PATH_MAX = 4096 };
/* Where a path of a model file lies: below data_dir, else below model_dir. */
BmrtStatus bmrt_path_resolve(const BmrtPaths *paths, const char *path, char out[BMRT_PATH_MAX],
                             BmrtMessage *message);

/* `*` or `?` in the last part. */
bool bmrt_path_is_pattern(const char *path);
/* Adds the paths that match, below data_dir, else (when none does) below model_dir; none: an error.
 * Each must still be resolved. */
BmrtStatus bmrt_path_expand(const BmrtPaths *paths, const char *pattern, BmrtNames *found,
                            BmrtMessage *message);

typedef struct BmrtRows { /* a split: rows of a part */
    BmrtSplit part;       /* whose arrays they index */
    int64_t count;
    uint32_t *order; /* row numbers, ascending; NULL: 0 … count - 1 */
    int present;
} BmrtRows;

typedef struct BmrtCounts { /* what cleaning found, over all parts that were loaded */
    int64_t rows;           /* read */
    int64_t dropped;        /* by `drop:` */
    int64_t duplicates;
    int64_t *missing; /* per field: cells, in the rows that were kept */
    int64_t *unnamed; /* per field: names beyond category(max = N), all numbered 0 */
} BmrtCounts;

typedef struct BmrtDataset {
    const BmrtData *recipe;
    const BmrtHooks *hooks;
    int64_t part_rows[BMRT_SPLIT_COUNT];
    BmrtArray *fields[BMRT_SPLIT_COUNT]; /* per part: field_count arrays, or NULL when not loaded */
    BmrtRows kept[BMRT_SPLIT_COUNT];     /* per part: the rows that cleaning leaves */
    BmrtRows splits[BMRT_SPLIT_COUNT];   /* ALL: every row of the part that is to be split */
    BmrtNames *names;                    /* per field: the texts behind raw category numbers */
    BmrtCounts counts;
} BmrtDataset;

typedef struct BmrtLoad { /* how a data block is loaded */
    const BmrtPaths *paths;
    unsigned wanted; /* bits 1 << BmrtSplit */
    uint32_t fold;   /* which fold is valid, from 0 */
    /* Runs the block's `drop` entry and holds the vocabularies: those that came with weights are
     * kept, the others are made from the train rows. NULL: nothing of this is needed. */
    BmrtHandle *handle;
} BmrtLoad;

/* Loads what the wanted splits need, cleans it, splits it, numbers its categories; a wanted split
 * that the block does not have is not an error: look at splits[].present. Free it whatever load
 * returns. */
BmrtStatus bmrt_dataset_load(BmrtDataset *out, const BmrtData *recipe, const BmrtHooks *hooks,
                             const BmrtLoad *load, BmrtFault *fault);
/* Runs the block's FIT entries on all train rows, in order: each writes its slot. */
BmrtStatus bmrt_dataset_fit(const BmrtDataset *data, BmrtHandle *handle, BmrtMessage *message);
void bmrt_dataset_free(BmrtDataset *data);

/* ------------------------------------------------------------------ batches */

/* Makes batches of columns: gathers rows of the raw fields and runs a ROWS entry on them. */
typedef struct BmrtBatcher {
    BmrtHandle *handle;
    const BmrtHooks *hooks;
    const BmrtDataset *data;
    int32_t entry;        /* -1: columns are the fields themselves */
    int64_t room;         /* rows a batch may have */
    BmrtBlock *raw;       /* per field: gathered rows */
    BmrtBlock *made;      /* per column */
    const void **fields;  /* per field, of this batch */
    const void **columns; /* per column, of this batch */
    const void **inputs;  /* of the ROWS entry */
    uint32_t *field_of;   /* per input of the entry */
    int64_t rows;         /* of this batch */
} BmrtBatcher;

/* Free it whatever open returns. */
BmrtStatus bmrt_batcher_open(BmrtBatcher *out, BmrtHandle *handle, const BmrtHooks *hooks,
                             const BmrtDataset *data, int32_t rows_entry, int64_t room,
                             BmrtMessage *message);
/* The batch of `count` rows of a part: order[0 … count), or first … first + count when order is
 * NULL. columns are valid until the next call. */
BmrtStatus bmrt_batcher_make(BmrtBatcher *b, BmrtSplit part, const uint32_t *order, int64_t first,
                             int64_t count, BmrtMessage *message);
/* The current batch's column that an entry's input names; NULL when there is none of its dtype and
 * size. */
const void *bmrt_batcher_column(const BmrtBatcher *b, const BmrtValue *value);
void bmrt_batcher_free(BmrtBatcher *b);

/* The entry's symbols when its inputs have `rows` rows: at most one symbol, and the first dim of
 * every input must come out as `rows`. symbols has room for one. */
BmrtStatus bmrt_rows_symbols(const BmrtEntry *entry, int64_t rows, int64_t *symbols,
                             BmrtMessage *message);

#endif
