/* Shared by the files about `train` and `test` blocks. */
#ifndef BMC_SEMA_BLOCKS_H
#define BMC_SEMA_BLOCKS_H

#include "compiler/sema/elaborate.h"

typedef struct PartPaths { /* "net.body" ... as written in a setting */
    VEC(const char *) paths;
    VEC(Span) spans;
} PartPaths;

/* Each block's settings; a NULL name ends a list. */
extern const SettingSpec DATA_SETTINGS[], TRAIN_SETTINGS[], TEST_SETTINGS[];

/* One elaboration of a block. */
typedef struct BlockRun {
    const Node *node;
    const char *root; /* "train", or the block's name */
    DataBlock *data;  /* or NULL */
    int64_t bound;    /* of the batch */
    bool training, update;
    const PartPaths *frozen; /* or NULL */
    int64_t accumulate;      /* batches per update; 0 and 1: one */
    bool micro;              /* a batch that only accumulates */
    bool bf16;               /* `precision: bf16` */
    /* results */
    DimId rows;       /* of the batch */
    uint32_t metrics; /* the first outputs; `return` in a step adds more */
    Build build;
    uint32_t symbol; /* the batch */
    bool ok;
} BlockRun;

/* Settings; false: reported. An absent one leaves *out as it is. */
bool setting_int(Sema *s, const Node *block, const char *name, int64_t low, int64_t *out);
bool setting_batch(Sema *s, const Node *block, int64_t *out); /* `all`: 0 */
/* `data: NAME` or `data: NAME.valid`; *d NULL: the block has none. */
bool setting_data(Sema *s, const Node *block, DataBlock **d, int32_t *split);
void read_stop(Sema *s, const BlockRun *run, bool has_valid, BmrtTrain *train);
void read_save(Sema *s, const BlockRun *run, bool has_valid, BmrtTrain *train);
const Node *find_step(const Node *block);

/* train_settings.c; false: reported */
bool read_freeze(Sema *s, const Node *block, PartPaths *out);
bool check_freeze(Sema *s, const PartPaths *frozen); /* after the step: they are known then */
bool read_init(Sema *s, const Node *block, BmrtTrain *train);
bool read_machine(Sema *s, const Node *block, BmrtTrain *train, bool *bf16);
bool check_short_settings(Sema *s, const Node *block);
Value clip_gradient(Sema *s, const Node *block, Value g);
/* NONE: the batch only accumulates. */
Value accumulate_gradient(Sema *s, const BlockRun *run, Value model, Value g);

#endif
