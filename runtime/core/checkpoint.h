/* Loading in parts, for who needs more than bmrt_load: the trainer. */
#ifndef BMRT_CHECKPOINT_H
#define BMRT_CHECKPOINT_H

#include "runtime/core/safetensors.h"

typedef enum BmrtLoadMode {
    BMRT_LOAD_WEIGHTS, /* parameters, states and fits; optimizer slots and counters stay */
    BMRT_LOAD_ALL,     /* optimizer slots must be there too; sets iteration, draws and seed */
    BMRT_LOAD_FOUND    /* as ALL when every optimizer slot is there and fits, else as WEIGHTS */
} BmrtLoadMode;

typedef struct BmrtLoadPart {
    const char *const *only; /* what lies at or below these paths; none: everything */
    uint32_t only_count;
    const char *const *rename; /* pairs: a path in the file, its path in the model */
    uint32_t rename_count;
} BmrtLoadPart;

/* Checks every tensor, then copies. `path` is for messages. part NULL: everything, by its name. */
BmrtStatus bmrt_load_tensors(BmrtHandle *h, const BmrtTensorFile *file, const char *path,
                             BmrtLoadMode mode, const BmrtLoadPart *part);
/* A fingerprint of parameters, states and fits: SHA-256 over, for each in bytewise order of its
 * path, the path, a zero byte, and its little-endian data. */
void bmrt_weights_sha256(const BmrtHandle *h, char out[65]);

#endif
