/* The hand-written model, failing hooks and small files of the runtime's tests. */
#define _GNU_SOURCE
#include "fake_model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Asking for more than there can be must look the same under the address sanitizer. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

/* ------------------------------------------------------------------ entries */

enum { SLOT_W, SLOT_B, SLOT_SEEN, SLOT_MOMENT, SLOT_COUNT };
static const int64_t dims_w[] = {FAKE_FEATURES};
static const BmrtSlot slots[SLOT_COUNT] = {
    {"line.w", BMRT_SLOT_PARAM, BMRT_F32, 1, dims_w, 0, 4 * FAKE_FEATURES, NULL},
    {"line.b", BMRT_SLOT_PARAM, BMRT_F32, 0, NULL, 64, 4, NULL},
    {"line.seen", BMRT_SLOT_STATE, BMRT_I64, 0, NULL, 128, 8, NULL},
    {"train.momentum1.line.w.m", BMRT_SLOT_OPTIMIZER, BMRT_F32, 1, dims_w, 192, 4 * FAKE_FEATURES,
     NULL}};

static void *slot(const BmrtFrame *f, int number) {
    return f->slots + slots[number].offset;
}

static float noise(uint64_t seed, uint64_t step, uint64_t element) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u ^ step * 0xbf58476d1ce4e5b9u ^ element;
    x ^= x >> 31, x *= 0x94d049bb133111ebu, x ^= x >> 29;
    return (float)(x >> 40) * 0x1p-24f - 0.5f;
}

static void run_init(BmrtFrame *f, int32_t thread, int32_t threads) {
    (void)threads;
    if (thread != 0) return;
    for (int i = 0; i < FAKE_FEATURES; i++)
        ((float *)slot(f, SLOT_W))[i] = noise(f->seed, f->step, (uint64_t)i);
    *(float *)slot(f, SLOT_B) = 0;
    *(int64_t *)slot(f, SLOT_SEEN) = 0;
    memset(slot(f, SLOT_MOMENT), 0, 4 * FAKE_FEATURES);
}

static void range(int64_t n, int32_t thread, int32_t threads, int64_t *from, int64_t *to) {
    *from = n * thread / threads;
    *to = n * (thread + 1) / threads;
}

static void run_rows(BmrtFrame *f, int32_t thread, int32_t threads) {
    const uint8_t *x = f->inputs[0];
    const float *y = f->inputs[1];
    float *ox = f->outputs[0], *oy = f->outputs[1];
    int64_t from, to;
    range(f->symbols[0], thread, threads, &from, &to);
    for (int64_t i = from * FAKE_FEATURES; i < to * FAKE_FEATURES; i++) ox[i] = (float)x[i] / 255;
    for (int64_t i = from; i < to; i++) oy[i] = y[i];
}

/* Buffer 0: errors, one a row. Buffer 1: gradient and loss. */
static void run_step(BmrtFrame *f, int32_t thread, int32_t threads) {
    const float *x = f->inputs[0], *y = f->inputs[1];
    float *w = slot(f, SLOT_W), *b = slot(f, SLOT_B), *m = slot(f, SLOT_MOMENT);
    float *e = (float *)(f->arena + f->offsets[0]), *g = (float *)(f->arena + f->offsets[1]);
    const int64_t rows = f->symbols[0];
    int64_t from, to;
    range(rows, thread, threads, &from, &to);
    for (int64_t i = from; i < to; i++) {
        e[i] = *b - y[i] + 0.01f * noise(f->seed, f->step, (uint64_t)i);
        for (int j = 0; j < FAKE_FEATURES; j++) e[i] += w[j] * x[i * FAKE_FEATURES + j];
    }
    f->barrier(f, thread);
    if (thread == 0) {
        memset(g, 0, sizeof(float) * (FAKE_FEATURES + 2));
        for (int64_t i = 0; i < rows; i++) {
            for (int j = 0; j < FAKE_FEATURES; j++)
                g[j] += 2 * e[i] * x[i * FAKE_FEATURES + j] / (float)rows;
            g[FAKE_FEATURES] += 2 * e[i] / (float)rows;
            g[FAKE_FEATURES + 1] += e[i] * e[i] / (float)rows;
        }
        *(float *)f->outputs[0] = g[FAKE_FEATURES + 1];
        if (!isfinite(g[FAKE_FEATURES + 1])) {
            *f->flags |= BMRT_FLAG_NONFINITE;
            f->skip = 1;
        }
    }
    f->barrier(f, thread);
    if (f->skip) return;
    range(FAKE_FEATURES, thread, threads, &from, &to);
    const float rate = 0.2f * (1 - 0.5f * (float)f->progress) / (1 + 0.05f * (float)f->epoch);
    for (int64_t j = from; j < to; j++) {
        m[j] = 0.5f * m[j] + g[j];
        w[j] -= rate * m[j];
    }
    if (thread == 0) *b -= rate * g[FAKE_FEATURES];
    if (thread == 0) *(int64_t *)slot(f, SLOT_SEEN) += rows;
}

static void run_eval(BmrtFrame *f, int32_t thread, int32_t threads) {
    const float *x = f->inputs[0], *y = f->inputs[1], *w = slot(f, SLOT_W), *b = slot(f, SLOT_B);
    float sum = 0, top = 0;
    (void)threads;
    if (thread != 0) return;
    for (int64_t i = 0; i < f->symbols[0]; i++) {
        float e = *b - y[i];
        for (int j = 0; j < FAKE_FEATURES; j++) e += w[j] * x[i * FAKE_FEATURES + j];
        sum += e * e;
        top = fabsf(e) > top ? fabsf(e) : top;
    }
    *(float *)f->outputs[0] = sum;
    *(float *)f->outputs[1] = top;
}

static void run_finish(BmrtFrame *f, int32_t thread, int32_t threads) {
    (void)threads;
    if (thread != 0) return;
    *(float *)f->outputs[0] = *(const float *)f->inputs[0] / (float)f->symbols[0];
    *(float *)f->outputs[1] = *(const float *)f->inputs[1];
}

static void run_predict(BmrtFrame *f, int32_t thread, int32_t threads) {
    const float *x = f->inputs[0], *w = slot(f, SLOT_W), *b = slot(f, SLOT_B);
    float *y = (float *)(f->arena + f->offsets[0]), *out = f->outputs[0];
    int64_t from, to;
    range(f->symbols[0], thread, threads, &from, &to);
    for (int64_t i = from; i < to; i++) {
        y[i] = *b;
        for (int j = 0; j < FAKE_FEATURES; j++) y[i] += w[j] * x[i * FAKE_FEATURES + j];
    }
    f->barrier(f, thread);
    /* Reads what another thread wrote: a missing barrier would show. */
    range(f->symbols[0], threads - 1 - thread, threads, &from, &to);
    for (int64_t i = from; i < to; i++) out[i] = y[i];
}

static void run_check(BmrtFrame *f, int32_t thread, int32_t threads) {
    (void)threads;
    const double counters[] = {(double)f->step, f->progress, f->epoch, f->iteration};
    if (thread == 0) memcpy(f->outputs[0], counters, sizeof counters);
}

/* ------------------------------------------------------------------ descriptor */

#define VALUE(text, type, axes, sizes, limit)                                                      \
    { .name = (text), .dtype = (type), .rank = (axes), .dims = (sizes), .index_limit = (limit) }
static const uint32_t symbol0[] = {0};
static const BmrtTerm term_rows[] = {{.coefficient = 1, .count = 1, .symbols = symbol0}},
                      term_features[] = {{.coefficient = FAKE_FEATURES}};
static const BmrtTerm term_small[] = {{.coefficient = FAKE_FEATURES + 2}};
static const BmrtDim dim_rows_features[] = {{1, term_rows}, {1, term_features}};
static const BmrtDim dim_features[] = {{1, term_features}};
static const BmrtDim dim_rows[] = {{1, term_rows}};
static const BmrtValue raw[] = {VALUE("x", BMRT_U8, 2, dim_rows_features, 0),
                                VALUE("y", BMRT_F32, 1, dim_rows, 0)};
static const BmrtValue columns[] = {VALUE("x", BMRT_F32, 2, dim_rows_features, 0),
                                    VALUE("y", BMRT_F32, 1, dim_rows, 0)};
static const BmrtValue loss[] = {VALUE("loss", BMRT_F32, 0, NULL, 0)};
static const BmrtValue partial[] = {VALUE("sum", BMRT_F32, 0, NULL, 0),
                                    VALUE("top", BMRT_F32, 0, NULL, 0)};
static const BmrtValue metrics[] = {VALUE("mse", BMRT_F32, 0, NULL, 0),
                                    VALUE("worst", BMRT_F32, 0, NULL, 0)};
static const BmrtValue predicted[] = {VALUE("out", BMRT_F32, 1, dim_rows, 0)};
static const BmrtValue label[] = {VALUE("label", BMRT_I32, 1, dim_rows, FAKE_CLASSES)};
static const BmrtValue counter[] = {VALUE("counters", BMRT_F64, 1, dim_features, 0)};
static const char *const names[] = {"B"};
static const int64_t bounds[] = {8};
static const BmrtBuffer step_buffers[] = {{4, {1, term_rows}, 0, 1, 0},
                                          {4, {1, term_small}, 1, 2, 64}};

#define INPUTS(list)  .inputs = list, .input_count = sizeof list / sizeof *list
#define OUTPUTS(list) .outputs = list, .output_count = sizeof list / sizeof *list
#define ROWS          .symbol_count = 1, .symbol_names = names, .symbol_bounds = bounds
static const BmrtEntry entries[FAKE_ENTRIES] = {
    {.name = "init", .kind = BMRT_ENTRY_INIT, .run = run_init, .writes_slots = 1, .draws = 1},
    {.name = "d.rows",
     .kind = BMRT_ENTRY_ROWS,
     .run = run_rows,
     ROWS,
     INPUTS(raw),
     OUTPUTS(columns)},
    {.name = "step",
     .kind = BMRT_ENTRY_STEP,
     .run = run_step,
     ROWS,
     INPUTS(columns),
     OUTPUTS(loss),
     .buffers = step_buffers,
     .buffer_count = 2,
     .arena_bytes = 128,
     .writes_slots = 1,
     .draws = 1},
    {.name = "eval",
     .kind = BMRT_ENTRY_EVAL,
     .run = run_eval,
     ROWS,
     INPUTS(columns),
     OUTPUTS(partial)},
    {.name = "finish",
     .kind = BMRT_ENTRY_FINISH,
     .run = run_finish,
     ROWS,
     INPUTS(partial),
     OUTPUTS(metrics)},
    {.name = "predict",
     .kind = BMRT_ENTRY_EXPORT,
     .run = run_predict,
     ROWS,
     .inputs = columns,
     .input_count = 1,
     OUTPUTS(predicted),
     .buffers = step_buffers,
     .buffer_count = 1,
     .arena_bytes = 64},
    {.name = "check",
     .kind = BMRT_ENTRY_EXPORT,
     .run = run_check,
     ROWS,
     INPUTS(label),
     OUTPUTS(counter),
     .draws = 1}};

static const BmrtCombine combine[] = {BMRT_COMBINE_SUM, BMRT_COMBINE_MAX};
static const char *const metric_names[] = {"mse", "worst"};
static const int64_t row_dims[] = {FAKE_FEATURES};

static BmrtSource fake_source(BmrtSplit split, int32_t field, const char *path, uint32_t line,
                              uint32_t column) {
    return (BmrtSource){.split = split,
                        .format = BMRT_FORMAT_IDX,
                        .field = field,
                        .path = path,
                        .line = line,
                        .column = column};
}

void fake_model(FakeModel *out) {
    memset(out, 0, sizeof *out);
    memcpy(out->entries, entries, sizeof entries);
    out->fields[0] = (BmrtField){
        .name = "x", .dtype = BMRT_U8, .rank = 1, .dims = row_dims, .line = 5, .column = 3};
    out->fields[1] = (BmrtField){.name = "y", .dtype = BMRT_F32, .line = 6, .column = 3};
    out->sources[0] = fake_source(BMRT_SPLIT_TRAIN, 0, "train-x.idx", 3, 10);
    out->sources[1] = fake_source(BMRT_SPLIT_TRAIN, 1, "train-y.idx", 3, 20);
    out->sources[2] = fake_source(BMRT_SPLIT_TEST, 0, "test-x.idx", 4, 10);
    out->sources[3] = fake_source(BMRT_SPLIT_TEST, 1, "test-y.idx", 4, 20);
    out->data[0] = (BmrtData){.name = "d",
                              .field_count = 2,
                              .source_count = 4,
                              .column_count = 2,
                              .fields = out->fields,
                              .sources = out->sources,
                              .columns = columns,
                              .train_rows_entry = FAKE_ROWS,
                              .rows_entry = FAKE_ROWS,
                              .drop_entry = -1};
    out->data[0].split =
        (BmrtSplitRule){.kind = BMRT_SPLITBY_RANDOM, .part = {0, 0, 0.25, 0}, .seed = 1, .by = -1};
    const BmrtEval eval = {FAKE_EVAL, FAKE_FINISH, combine, 2, metric_names};
    out->train[0] = (BmrtTrain){.data = 0,
                                .epochs = 3,
                                .batch = 8,
                                .shuffle = 1,
                                .seed = 7,
                                .shards = 1,
                                .step_entry = FAKE_STEP,
                                .metric_count = 2,
                                .valid = eval};
    out->test[0] = (BmrtTest){.data = 0, .split = BMRT_SPLIT_TEST, .batch = 8, .eval = eval};
    out->model = (BmrtModel){.abi = BMRT_ABI,
                             .size_bytes = sizeof(BmrtModel),
                             .name = "fake",
                             .compiler = "hand",
                             .target = "any",
                             .flags = "",
                             .source = "",
                             .source_hash = 0x1234,
                             .slots_bytes = 256,
                             .slot_count = SLOT_COUNT,
                             .entry_count = FAKE_ENTRIES,
                             .data_count = 1,
                             .train_count = 1,
                             .test_count = 1,
                             .slots = slots,
                             .entries = out->entries,
                             .data = out->data,
                             .train = out->train,
                             .test = out->test,
                             .init_entry = FAKE_INIT};
}

/* ------------------------------------------------------------------ hooks that fail */

static int fails(FakeFaults *f, FakeCall kind) {
    if (f->what != FAKE_ANY && f->what != kind) return 0;
    f->calls++;
    if (f->fail_at == 0 || f->calls < f->fail_at) return 0;
    if (f->calls > f->fail_at && !f->for_ever) return 0;
    f->failed++;
    errno = f->error ? f->error : EIO;
    return 1;
}

static void *fake_alloc(void *user, size_t bytes, size_t alignment) {
    FakeFaults *f = user;
    void *memory;
    if (fails(f, FAKE_ALLOC)) return NULL;
    memory = bmrt_hooks_default()->alloc(NULL, bytes, alignment);
    if (memory) {
        memset(memory, 0xa5, bytes); /* nothing may rely on fresh memory being zero */
        f->live++;
        f->live_bytes += (long)bytes;
    }
    return memory;
}

static void fake_release(void *user, void *memory, size_t bytes) {
    FakeFaults *f = user;
    if (memory) {
        f->live--;
        f->live_bytes -= (long)bytes;
    }
    bmrt_hooks_default()->release(NULL, memory, bytes);
}

static int fake_open(void *user, const char *path, int flags, mode_t mode) {
    FakeFaults *f = user;
    if (fails(f, FAKE_FILE)) return -1;
    const int file = bmrt_hooks_default()->open(NULL, path, flags, mode);
    f->files += file >= 0;
    return file;
}

static int fake_fstat(void *user, int file, struct stat *out) {
    return fails(user, FAKE_FILE) ? -1 : bmrt_hooks_default()->fstat(NULL, file, out);
}

static ssize_t fake_read_call(void *user, int file, void *data, size_t bytes) {
    FakeFaults *f = user;
    if (fails(f, FAKE_FILE)) return -1;
    if (f->short_writes && f->calls % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    if (f->short_writes && bytes > 1000) bytes = 1000;
    return bmrt_hooks_default()->read(NULL, file, data, bytes);
}

static ssize_t fake_write_call(void *user, int file, const void *data, size_t bytes) {
    FakeFaults *f = user;
    if (fails(f, FAKE_FILE)) return -1;
    if (f->short_writes && f->calls % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    if (f->short_writes && bytes > 7) bytes = 7;
    return bmrt_hooks_default()->write(NULL, file, data, bytes);
}

static int fake_fsync(void *user, int file) {
    return fails(user, FAKE_FILE) ? -1 : bmrt_hooks_default()->fsync(NULL, file);
}

static int fake_close(void *user, int file) {
    FakeFaults *f = user;
    f->files--;
    const int failed = fails(f, FAKE_FILE), error = errno; /* the descriptor is gone either way */
    const int status = bmrt_hooks_default()->close(NULL, file);
    if (failed) errno = error;
    return failed ? -1 : status;
}

static int fake_rename(void *user, const char *from, const char *to) {
    return fails(user, FAKE_FILE) ? -1 : bmrt_hooks_default()->rename(NULL, from, to);
}

static int fake_unlink(void *user, const char *path) {
    (void)user; /* cleaning up after a failure is not made to fail */
    return bmrt_hooks_default()->unlink(NULL, path);
}

static int fake_thread(void *user, pthread_t *out, void *(*start)(void *), void *argument) {
    FakeFaults *f = user;
    if (fails(f, FAKE_ALLOC)) return EAGAIN;
    return bmrt_hooks_default()->thread(NULL, out, start, argument);
}

BmrtHooks fake_hooks(FakeFaults *faults) {
    return (BmrtHooks){faults,     fake_alloc,     fake_release,    fake_open,
                       fake_fstat, fake_read_call, fake_write_call, fake_fsync,
                       fake_close, fake_rename,    fake_unlink,     fake_thread};
}

/* ------------------------------------------------------------------ files */

void fake_write(const char *path, const void *data, size_t bytes) {
    unlink(path); /* rewriting in place makes some file systems flush at once */
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) abort();
}

void *fake_read(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*bytes + 1);
    if (!data || fread(data, 1, *bytes, file) != *bytes) abort();
    fclose(file);
    data[*bytes] = 0;
    return data;
}

static void for_files(const char *folder, const char *part, int remove, int *count) {
    char path[2048];
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.' || !strstr(d->d_name, part)) continue;
        ++*count;
        snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
        if (remove) unlink(path);
    }
    closedir(dir);
}

const char *fake_folder(const char *name) {
    static char folder[1024];
    int count = 0;
    snprintf(folder, sizeof folder, "%s/runtime-tests", BMC_BINARY_DIR);
    mkdir(folder, 0777);
    snprintf(folder, sizeof folder, "%s/runtime-tests/%s", BMC_BINARY_DIR, name);
    mkdir(folder, 0777);
    for_files(folder, "", 1, &count);
    return folder;
}

int fake_leftovers(const char *folder) {
    int count = 0;
    for_files(folder, ".tmp-", 0, &count);
    return count;
}

static void put_big(uint8_t *to, uint32_t value) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

void fake_dataset(const char *folder, const char *prefix, int rows, unsigned seed) {
    static const float truth[] = {1.5f, -2, 0.5f, 3};
    const size_t x_bytes = 12 + (size_t)rows * FAKE_FEATURES, y_bytes = 8 + (size_t)rows * 4;
    uint8_t *x = calloc(x_bytes, 1), *y = calloc(y_bytes, 1);
    char path[1200];
    if (!x || !y) abort();
    x[2] = 0x08, x[3] = 2;
    put_big(x + 4, (uint32_t)rows);
    put_big(x + 8, FAKE_FEATURES);
    y[2] = 0x0d, y[3] = 1;
    put_big(y + 4, (uint32_t)rows);
    for (int i = 0; i < rows; i++) {
        float value = 0.25f;
        uint32_t bits;
        for (int j = 0; j < FAKE_FEATURES; j++) {
            const float r = noise(seed, 1000, (uint64_t)(i * FAKE_FEATURES + j)) + 0.5f;
            x[12 + i * FAKE_FEATURES + j] = (uint8_t)(r * 255);
            value += truth[j] * (float)(uint8_t)(r * 255) / 255;
        }
        memcpy(&bits, &value, 4);
        put_big(y + 8 + 4 * i, bits);
    }
    snprintf(path, sizeof path, "%s/%s-x.idx", folder, prefix);
    fake_write(path, x, x_bytes);
    snprintf(path, sizeof path, "%s/%s-y.idx", folder, prefix);
    fake_write(path, y, y_bytes);
    free(x);
    free(y);
}

const char *fake_path(const char *folder, const char *name) {
    static char paths[4][1200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}
