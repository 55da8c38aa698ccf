/* Times training steps (or calls) of a compiled model.so on demand, for tools/bench/run.py.
 *
 *   step_worker MODEL.so SYMBOL ENTRY B THREADS
 *
 * Inputs are random: floats in [0,1), integers below the input's index limit. Each line "N" on
 * stdin runs N steps and answers with the milliseconds per step; eight batches are cycled, as the
 * peers do. A line "each N" times N steps one by one: median and 99th percentile. */
#include "runtime/include/bmrt.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCHES = 8, VALUES_MAX = 32 };

static int64_t dim_value(const BmrtDim *d, const int64_t *symbols) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        int64_t product = d->terms[i].coefficient;
        for (uint32_t k = 0; k < d->terms[i].count; k++) product *= symbols[d->terms[i].symbols[k]];
        sum += product;
    }
    return sum;
}

static size_t value_count(const BmrtValue *v, const int64_t *symbols) {
    size_t n = 1;
    for (uint32_t i = 0; i < v->rank; i++) n *= (size_t)dim_value(&v->dims[i], symbols);
    return n;
}

static void *random_value(const BmrtValue *v, const int64_t *symbols) {
    size_t n = value_count(v, symbols), size = bmrt_dtype_bytes(v->dtype);
    char *data = aligned_alloc(64, (n * size + 64) / 64 * 64);
    if (!data) abort();
    for (size_t i = 0; i < n; i++) {
        double u = rand() / (RAND_MAX + 1.0);
        int32_t limit = v->index_limit > 0 ? (int32_t)v->index_limit : 256;
        float f = (float)u;
        int32_t k = (int32_t)(u * limit);
        memcpy(data + i * size, v->dtype == BMRT_F32 ? (void *)&f : (void *)&k, size);
    }
    return data;
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_percentiles(double *each, int steps) {
    qsort(each, (size_t)steps, sizeof *each, by_value);
    printf("%.6f %.6f\n", each[steps / 2], each[steps * 99 / 100]);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: %s MODEL.so SYMBOL ENTRY B THREADS\n", argv[0]);
        return 2;
    }
    void *lib = dlopen(argv[1], RTLD_NOW);
    const BmrtModel *model = lib ? dlsym(lib, argv[2]) : NULL;
    if (!model) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    BmrtHandle *h;
    int32_t entry = bmrt_entry_find(model, argv[3]);
    if (entry < 0 || bmrt_open(&h, model, NULL, 1, atoi(argv[5])) != BMRT_OK) {
        fprintf(stderr, "no entry %s, or it cannot be opened\n", argv[3]);
        return 1;
    }
    const BmrtEntry *e = &model->entries[entry];
    int64_t symbols[VALUES_MAX];
    for (uint32_t i = 0; i < VALUES_MAX; i++) symbols[i] = atoll(argv[4]);
    const void *inputs[BATCHES][VALUES_MAX];
    void *outputs[VALUES_MAX];
    if (e->input_count > VALUES_MAX || e->output_count > VALUES_MAX) return 1;
    for (uint32_t b = 0; b < BATCHES; b++)
        for (uint32_t i = 0; i < e->input_count; i++)
            inputs[b][i] = random_value(&e->inputs[i], symbols);
    for (uint32_t i = 0; i < e->output_count; i++)
        outputs[i] = random_value(&e->outputs[i], symbols);
    bmrt_set_schedule(h, 1000000000, 1000);
    char line[64];
    for (uint32_t next = 0; fgets(line, sizeof line, stdin);) {
        const bool single = strncmp(line, "each ", 5) == 0;
        int steps = atoi(single ? line + 5 : line);
        double *each = single && steps > 0 ? malloc((size_t)steps * sizeof *each) : NULL;
        double start = now_ms();
        for (int i = 0; i < steps; i++, next++) {
            const double before = each ? now_ms() : 0;
            BmrtStatus s = bmrt_step(h, (uint32_t)entry, symbols, inputs[next % BATCHES], outputs);
            if (s != BMRT_OK) {
                fprintf(stderr, "%s: %s\n", bmrt_status_name(s), bmrt_error(h));
                return 1;
            }
            if (each) each[i] = now_ms() - before;
        }
        if (each)
            print_percentiles(each, steps);
        else
            printf("%.6f\n", (now_ms() - start) / steps);
        free(each);
        fflush(stdout);
    }
    bmrt_close(h);
    dlclose(lib);
    return 0;
}
