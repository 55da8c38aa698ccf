/* Shared by the files about `train` and `test` blocks. */
#ifndef BMC_SEMA_BLOCKS_H
#define BMC_SEMA_BLOCKS_H

#include "compiler/sema/elaborate.h"

/* One elaboration of a block. */
typedef struct BlockRun {
    const Node *node;
    const char *root; /* "train", or the block's name */
    DataBlock *data;  /* or NULL */
    int64_t bound;    /* of the batch */
    bool training, update;
    /* results */
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

#endif
