/* A model written by hand as the compiler would emit it: linear regression with momentum, so that
 * the runtime is tested without the compiler. Every entry is SPMD with barriers, uses the arena,
 * random numbers (seed, step) and the clock, so that any wrong counter shows in the weights' bits.
 */
#ifndef FAKE_MODEL_H
#define FAKE_MODEL_H

#include "runtime/core/hooks.h"
#include "runtime/include/bmrt.h"

enum { FAKE_FEATURES = 4, FAKE_CLASSES = 10 };
enum {
    FAKE_INIT,
    FAKE_ROWS,
    FAKE_STEP,
    FAKE_EVAL,
    FAKE_FINISH,
    FAKE_PREDICT,
    FAKE_CHECK,
    FAKE_ENTRIES
};

typedef struct FakeModel { /* a copy a test may change before use */
    BmrtModel model;
    BmrtTrain train[2];
    BmrtTest test[1];
    BmrtData data[1];
    BmrtSource sources[4];
    BmrtField fields[2];
    BmrtEntry entries[FAKE_ENTRIES];
} FakeModel;

void fake_model(FakeModel *out);

/* ---- hooks that fail */
typedef enum FakeCall { FAKE_ANY, FAKE_ALLOC, FAKE_FILE } FakeCall;
typedef struct FakeFaults {
    FakeCall what;
    long fail_at;     /* the n-th call (from 1) of that kind fails; 0: none */
    int for_ever;     /* ... and all after it */
    int error;        /* errno of file calls; 0: EIO */
    int short_writes; /* write at most 7 bytes at once, every third call EINTR */
    long calls, failed;
    long live, live_bytes; /* allocations not released */
    long files;            /* descriptors not closed */
} FakeFaults;
BmrtHooks fake_hooks(FakeFaults *faults);

/* ---- files */
void fake_write(const char *path, const void *data, size_t bytes);
void *fake_read(const char *path, size_t *bytes); /* malloc'ed; NULL: none */
/* A new folder under the build folder, emptied; "%s/" of it is valid until the next call. */
const char *fake_folder(const char *name);
/* folder/name; stands until the fourth call after this one. */
const char *fake_path(const char *folder, const char *name);
/* IDX files x.idx (u8 [rows, 4]) and y.idx (f32 [rows]) of a noisy linear function. */
void fake_dataset(const char *folder, const char *prefix, int rows, unsigned seed);
int fake_leftovers(const char *folder); /* files whose name contains ".tmp-" */

#endif
