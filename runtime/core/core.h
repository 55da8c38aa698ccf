/* The inside of a handle, shared by the files of this folder. */
#ifndef BMRT_CORE_H
#define BMRT_CORE_H

#include <stdatomic.h>

#include "runtime/core/memory.h"
#include "runtime/core/message.h"
#include "runtime/core/names.h"
#include "runtime/core/plan.h"
#include "runtime/core/safetensors.h"
#include "runtime/core/team.h"

typedef struct BmrtEntryPlan {
    int64_t *offsets; /* at the bounds, as the compiler planned */
    int64_t *larger;  /* planned for `symbols`; NULL until needed */
    int64_t *symbols;
    int64_t larger_bytes;
    bool larger_valid;
} BmrtEntryPlan;

struct BmrtHandle {
    const BmrtModel *model;
    BmrtModel chosen; /* of a model in several versions: it, with the entries for this processor */
    const BmrtHooks *hooks;
    BmrtTeam *team; /* NULL: one thread */
    int32_t threads;
    _Atomic uint32_t busy;
    BmrtBlock slots, arena;
    BmrtEntryPlan *plans;    /* one an entry */
    BmrtNames *vocabularies; /* one a vocabulary of the model; name i has number i + 1 (or i) */
    bool names_in_use;       /* rows in memory are numbered by them */
    uint64_t seed;
    uint64_t draws; /* calls of exports that draw */
    int64_t iteration, steps, steps_per_epoch;
    uint32_t flags;
    BmrtShowFn show; /* NULL: nobody listens */
    void *show_user;
    int64_t bad_row; /* of the input whose index was refused last; -1: none */
    const char *bad_input;
    BmrtMessage message;
};

/* BmrtModel.choose of libraries with several versions; linked in only there. */
const BmrtVersion *bmrt_version_choose(const BmrtModel *model, const char **problem);

/* Every public call brackets itself with these two: one thread at a time may use a handle. */
BmrtStatus bmrt_handle_enter(BmrtHandle *h);
BmrtStatus bmrt_handle_leave(BmrtHandle *h, BmrtStatus status); /* returns status */

/* Runs an entry as random step `step`. The handle is entered. *wrote: 0 when the entry's guard
 * stopped it before it wrote a slot. */
BmrtStatus bmrt_entry_run(BmrtHandle *h, uint32_t entry, const int64_t *symbols,
                          const void *const *inputs, void *const *outputs, uint64_t step,
                          bool *wrote);

/* Room for calls that need `bytes` of scratch memory; `what` is the entry that needs it. */
BmrtStatus bmrt_arena_reserve(BmrtHandle *h, const char *what, int64_t bytes);

/* show.c: what a debug build shows. `given`: the caller's outputs; *all: those and room for what is
 * shown, to be given back by bmrt_shows_close whatever happened. */
typedef struct BmrtShows {
    void **all;
    BmrtBlock *blocks;
} BmrtShows;
BmrtStatus bmrt_shows_open(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                           void *const *given, BmrtShows *shows);
void bmrt_shows_tell(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                     const BmrtShows *shows);
void bmrt_shows_close(BmrtHandle *h, const BmrtEntry *entry, BmrtShows *shows);

/* vocabulary.c */
BmrtStatus bmrt_vocabularies_open(BmrtHandle *h);
void bmrt_vocabularies_close(BmrtHandle *h);
/* The names of a field; NULL: it has none, or h is NULL. */
BmrtNames *bmrt_vocabulary_of(BmrtHandle *h, const BmrtData *data, uint32_t field);
/* Tensors to be saved, at most one a vocabulary; gives their number. */
uint32_t bmrt_vocabulary_tensors(const BmrtHandle *h, BmrtTensor *out);
/* Those that the file has replace those that the handle has. */
BmrtStatus bmrt_vocabularies_load(BmrtHandle *h, const BmrtTensorFile *file, const char *path);
bool bmrt_entry_has_strings(const BmrtEntry *entry);
/* As bmrt_entry_run, for an entry with strings among its values. */
BmrtStatus bmrt_entry_run_strings(BmrtHandle *h, uint32_t entry, const int64_t *symbols,
                                  const void *const *inputs, void *const *outputs, uint64_t step,
                                  bool *wrote);

#endif
