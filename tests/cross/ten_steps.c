/* Trains a compiled model for ten steps through the functions that its library exports and writes
 * all that it then knows: every parameter, state and optimizer slot, and what the steps and an
 * export gave. Equal libraries of other machines must write the same bytes.
 *
 *   ten_steps MODEL.so STEM ROWS THREADS WEIGHTS OUTPUTS
 *
 * Standard output gets the machine and processor that the code is for.
 * Inputs are numbers from a 64-bit congruence: no library, no machine has a say in them. */
#include "runtime/include/bmrt.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 10, POINTERS_MAX = 8 };

typedef struct Host {
    void *library, *model;
    const char *stem;
    const BmrtModel *descriptor;
    FILE *outputs;
    uint64_t state;
} Host;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "ten_steps: %s: %s\n", what, why);
    exit(1);
}

static void *symbol(const Host *h, const char *name) {
    char full[256];
    snprintf(full, sizeof full, "%s_%s", h->stem, name);
    void *address = dlsym(h->library, full);
    if (!address) fail(full, "the library has no such function");
    return address;
}

/* ISO C has no conversion from what dlsym gives. */
#define FUNCTION(type, variable, host, name)                                                       \
    type variable;                                                                                 \
    do {                                                                                           \
        void *address_ = symbol(host, name);                                                       \
        memcpy(&variable, &address_, sizeof address_);                                             \
    } while (0)

static uint64_t next(Host *h) {
    h->state = h->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return h->state >> 33;
}

static int64_t dim_value(const BmrtDim *d, int64_t rows) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        int64_t product = d->terms[i].coefficient;
        for (uint32_t k = 0; k < d->terms[i].count; k++) product *= rows;
        sum += product;
    }
    return sum;
}

static size_t value_count(const BmrtValue *v, int64_t rows) {
    size_t n = 1;
    for (uint32_t i = 0; i < v->rank; i++) n *= (size_t)dim_value(&v->dims[i], rows);
    return n;
}

static size_t dtype_size(BmrtDtype t) {
    if (t == BMRT_F32 || t == BMRT_I32) return 4;
    if (t == BMRT_F64 || t == BMRT_I64) return 8;
    return t == BMRT_F16 ? 2 : 0;
}

static void *array_new(const BmrtValue *v, int64_t rows, size_t *bytes) {
    *bytes = value_count(v, rows) * dtype_size(v->dtype);
    void *data = calloc(1, *bytes + 64);
    if (!data || dtype_size(v->dtype) == 0) fail(v->name, "cannot be made");
    return data;
}

static void fill(Host *h, const BmrtValue *v, void *data, size_t bytes) {
    float *reals = data;
    int32_t *integers = data;
    for (size_t i = 0; i < bytes / 4; i++) {
        if (v->dtype == BMRT_F32)
            reals[i] = (float)((int64_t)(next(h) % 4096) - 2048) / 1024;
        else
            integers[i] = (int32_t)(next(h) % (uint64_t)(v->index_limit > 0 ? v->index_limit : 2));
    }
}

/* Equal bytes of NaNs would prove nothing. An all-ones exponent is an infinity or a NaN. */
static void check_finite(const void *data, size_t bytes) {
    const uint32_t *bits = data;
    for (size_t i = 0; i < bytes / 4; i++)
        if ((bits[i] & 0x7f800000) == 0x7f800000) fail("output", "is not finite");
}

/* Every argument is an integer or a pointer, so one type of function serves all entries. */
typedef int (*EntryFn)(void *, int64_t, void *, void *, void *, void *, void *, void *, void *,
                       void *);
typedef const char *(*ErrorFn)(void *);
typedef int (*OpenFn)(void **, const char *);
typedef void (*CloseFn)(void *);
typedef int (*ThreadsFn)(void *, int32_t);
typedef int (*SaveFn)(void *, const char *, int);

static void call(Host *h, const BmrtEntry *e, const char *name, int64_t rows, int times) {
    void *pointers[POINTERS_MAX] = {NULL};
    size_t bytes[POINTERS_MAX];
    FUNCTION(EntryFn, run, h, name);
    FUNCTION(ErrorFn, error, h, "error");
    uint32_t count = e->input_count + e->output_count;
    if (e->symbol_count != 1 || count > POINTERS_MAX) fail(name, "not made for this program");
    for (uint32_t i = 0; i < count; i++)
        pointers[i] = array_new(
            i < e->input_count ? &e->inputs[i] : &e->outputs[i - e->input_count], rows, &bytes[i]);
    for (int t = 0; t < times; t++) {
        for (uint32_t i = 0; i < e->input_count; i++) fill(h, &e->inputs[i], pointers[i], bytes[i]);
        int status = run(h->model, rows, pointers[0], pointers[1], pointers[2], pointers[3],
                         pointers[4], pointers[5], pointers[6], pointers[7]);
        if (status != 0) fail(name, error(h->model));
        for (uint32_t i = e->input_count; i < count; i++) {
            if (e->outputs[i - e->input_count].dtype == BMRT_F32)
                check_finite(pointers[i], bytes[i]);
            fwrite(pointers[i], 1, bytes[i], h->outputs);
        }
    }
    for (uint32_t i = 0; i < count; i++) free(pointers[i]);
}

int main(int argc, char **argv) {
    if (argc != 7) fail("usage", "ten_steps MODEL.so STEM ROWS THREADS WEIGHTS OUTPUTS");
    Host h = {.library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL), .stem = argv[2], .state = 7};
    if (!h.library) fail(argv[1], dlerror());
    h.descriptor = symbol(&h, "model");
    h.outputs = fopen(argv[6], "wb");
    if (!h.outputs) fail(argv[6], "cannot be written");
    FUNCTION(OpenFn, open_model, &h, "open");
    FUNCTION(CloseFn, close_model, &h, "close");
    FUNCTION(ThreadsFn, set_threads, &h, "set_threads");
    FUNCTION(SaveFn, save, &h, "save");
    FUNCTION(ErrorFn, error, &h, "error");
    if (open_model(&h.model, NULL) != 0) fail("open", h.model ? error(h.model) : "out of memory");
    if (set_threads(h.model, atoi(argv[4])) != 0) fail("set_threads", error(h.model));
    FUNCTION(ErrorFn, target, &h, "target");
    printf("%s\n", target(h.model));
    const int64_t rows = atoll(argv[3]);
    for (uint32_t i = 0; i < h.descriptor->entry_count; i++) {
        const BmrtEntry *e = &h.descriptor->entries[i];
        if (e->kind == BMRT_ENTRY_STEP) call(&h, e, "train_step", rows, STEPS);
    }
    for (uint32_t i = 0; i < h.descriptor->entry_count; i++) {
        const BmrtEntry *e = &h.descriptor->entries[i];
        if (e->kind == BMRT_ENTRY_EXPORT) call(&h, e, e->name, rows, 1);
    }
    if (save(h.model, argv[5], 1) != 0) fail("save", error(h.model));
    close_model(h.model);
    if (fclose(h.outputs) != 0) fail(argv[6], "cannot be written");
    return dlclose(h.library);
}
