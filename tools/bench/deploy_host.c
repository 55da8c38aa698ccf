/* Latency of a compiled model's `predict(x[B, ...]) -> [B, ...]` from C, call by call:
 *   deploy_host MODEL.so STEM X.raw BATCH OUTPUTS THREADS SECONDS
 * X.raw: the input, f32. One JSON line: median, 99th percentile and minimum in microseconds; load_ms:
 * from dlopen to the first result; first_us: that first call; rss_mb: the most memory the process
 * had; checksum: mean |output|. */
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { CALLS_MAX = 4000000, WARM_UP = 50 };

typedef int (*OpenFn)(void **, const char *);
typedef int (*ThreadsFn)(void *, int32_t);
typedef int (*PredictFn)(void *, int64_t, const float *, float *);

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void *found(void *library, const char *stem, const char *name) {
    char symbol[256];
    snprintf(symbol, sizeof symbol, "%s_%s", stem, name);
    void *f = dlsym(library, symbol);
    if (!f) fprintf(stderr, "no %s\n", symbol), exit(1);
    return f;
}

static void *whole_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) fprintf(stderr, "cannot read %s\n", path), exit(1);
    const long size = ftell(f);
    void *data = malloc((size_t)size + 1);
    rewind(f);
    if (!data || fread(data, 1, (size_t)size, f) != (size_t)size) exit(1);
    fclose(f);
    return data;
}

int main(int argc, char **argv) {
    if (argc != 8) return fprintf(stderr, "wrong arguments; see the source\n"), 2;
    const char *stem = argv[2];
    const float *x = whole_file(argv[3]);
    const int64_t batch = atoll(argv[4]), outputs = batch * atoll(argv[5]);
    const double seconds = atof(argv[7]);
    float *out = calloc((size_t)outputs, sizeof *out);
    OpenFn open_model;
    ThreadsFn set_threads;
    PredictFn predict;
    void *m = NULL, *address;
    const int64_t start = now_ns();
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library || !out) return fprintf(stderr, "%s\n", dlerror()), 1;
    address = found(library, stem, "open");
    memcpy(&open_model, &address, sizeof address);
    address = found(library, stem, "set_threads");
    memcpy(&set_threads, &address, sizeof address);
    address = found(library, stem, "predict");
    memcpy(&predict, &address, sizeof address);
    if (open_model(&m, NULL) != 0) return fprintf(stderr, "open failed\n"), 1;
    const int64_t opened = now_ns();
    if (predict(m, batch, x, out) != 0) return fprintf(stderr, "predict failed\n"), 1;
    const int64_t loaded = now_ns();
    if (set_threads(m, atoi(argv[6])) != 0) return fprintf(stderr, "threads refused\n"), 1;
    double sum = 0;
    for (int64_t i = 0; i < outputs; i++) sum += fabs((double)out[i]);
    for (int i = 0; i < WARM_UP; i++) predict(m, batch, x, out);
    struct rusage usage; /* before the times are kept: those are not the model's */
    getrusage(RUSAGE_SELF, &usage);
    uint32_t *times = malloc(CALLS_MAX * sizeof *times);
    int64_t calls = 0;
    for (const int64_t end = now_ns() + (int64_t)(seconds * 1e9);
         times && calls < CALLS_MAX && (calls < 200 || now_ns() < end);) {
        const int64_t before = now_ns();
        predict(m, batch, x, out);
        times[calls++] = (uint32_t)(now_ns() - before);
    }
    if (!calls) return 1;
    qsort(times, (size_t)calls, sizeof *times, by_value);
    printf("{\"calls\": %lld, \"median_us\": %.2f, \"p99_us\": %.2f, \"min_us\": %.2f, "
           "\"load_ms\": %.3f, \"first_us\": %.1f, \"rss_mb\": %.1f, \"checksum\": %.5f}\n",
           (long long)calls, times[calls / 2] / 1e3, times[calls * 99 / 100] / 1e3,
           times[0] / 1e3, (double)(loaded - start) / 1e6, (double)(loaded - opened) / 1e3,
           (double)usage.ru_maxrss / 1024, sum / (double)outputs);
    return 0;
}
