/* Times one matrix product in every library there is, in turn, on one thread, for
 * tools/bench/gemm.py, which compiles it. Nothing of bmc depends on this.
 *
 * stdin:  LIBRARY.so STEM KIND M N K B H ROUNDS      (KIND: forward, dx, dw; gemm_shapes.txt)
 * stdout: NAME=NANOSECONDS ... the least CPU time of a call; "peak" is GFLOP/s of multiply-adds.
 * argv:   NAME=PATH ... of the CBLAS libraries; those of numpy have names of their own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#if __has_include(<dnnl.h>)
#include <dnnl.h>
#define HAVE_DNNL 1
#endif

enum { ENGINES_MAX = 8, BUILDS_MAX = 3, ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

/* c[M,N] = a[M,K] b[K,N] for each of `outer` x `inner` matrices; strides in elements. An operand
 * whose rows are not contiguous is read transposed. */
typedef struct Operand {
    float *data;
    size_t count;
    int64_t outer, inner, row, column;
    int turned; /* its columns are what lies one behind another */
} Operand;
typedef struct Product {
    int64_t m, n, k, outer, inner;
    Operand a, b, c;
} Product;

typedef struct Engine {
    const char *name;
    void (*run)(struct Engine *e, const Product *p);
    void *function, *model;
    int wide; /* 64-bit integers */
    const float *args[2];
    float *out;
    double best;
#ifdef HAVE_DNNL
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_exec_arg_t memories[3];
#endif
} Engine;

static double cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ------------------------------------------------------------------ the engines */

typedef void (*Sgemm32)(int, int, int, int, int, int, float, const float *, int, const float *, int,
                        float, float *, int);
typedef void (*Sgemm64)(int, int, int, int64_t, int64_t, int64_t, float, const float *, int64_t,
                        const float *, int64_t, float, float *, int64_t);

static void run_cblas(Engine *e, const Product *p) {
    int ta = p->a.turned ? TRANSPOSED : PLAIN, tb = p->b.turned ? TRANSPOSED : PLAIN;
    int64_t lda = p->a.turned ? p->a.column : p->a.row, ldb = p->b.turned ? p->b.column : p->b.row;
    for (int64_t o = 0; o < p->outer; o++)
        for (int64_t i = 0; i < p->inner; i++) {
            const float *a = p->a.data + o * p->a.outer + i * p->a.inner;
            const float *b = p->b.data + o * p->b.outer + i * p->b.inner;
            float *c = p->c.data + o * p->c.outer + i * p->c.inner;
            if (e->wide)
                ((Sgemm64)e->function)(ROW_MAJOR, ta, tb, p->m, p->n, p->k, 1, a, lda, b, ldb, 0, c,
                                       p->c.row);
            else
                ((Sgemm32)e->function)(ROW_MAJOR, ta, tb, (int)p->m, (int)p->n, (int)p->k, 1, a,
                                       (int)lda, b, (int)ldb, 0, c, (int)p->c.row);
        }
}

static void run_bmc(Engine *e, const Product *p) {
    (void)p;
    int status = ((int (*)(void *, const float *, const float *, float *))e->function)(
        e->model, e->args[0], e->args[1], e->out);
    if (status != 0) abort();
}

#ifdef HAVE_DNNL
static void check(dnnl_status_t s) {
    if (s != dnnl_success) abort();
}

static dnnl_memory_desc_t describe(const Product *p, const Operand *x, int64_t rows, int64_t cols) {
    dnnl_memory_desc_t md;
    dnnl_dims_t dims = {p->outer, p->inner, rows, cols};
    dnnl_dims_t strides = {x->outer, x->inner, x->row, x->column};
    int first = p->outer * p->inner == 1 ? 2 : 0;
    check(
        dnnl_memory_desc_init_by_strides(&md, 4 - first, dims + first, dnnl_f32, strides + first));
    return md;
}

static void dnnl_prepare(Engine *e, const Product *p) {
    static dnnl_engine_t engine;
    if (!engine) check(dnnl_engine_create(&engine, dnnl_cpu, 0));
    if (!e->stream) check(dnnl_stream_create(&e->stream, engine, dnnl_stream_default_flags));
    if (e->primitive) dnnl_primitive_destroy(e->primitive);
    dnnl_memory_desc_t a = describe(p, &p->a, p->m, p->k), b = describe(p, &p->b, p->k, p->n);
    dnnl_memory_desc_t c = describe(p, &p->c, p->m, p->n);
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t pd;
    check(dnnl_matmul_desc_init(&d, &a, &b, NULL, &c));
    check(dnnl_primitive_desc_create(&pd, &d, NULL, engine, NULL));
    check(dnnl_primitive_create(&e->primitive, pd));
    dnnl_primitive_desc_destroy(pd);
    const dnnl_memory_desc_t *md[] = {&a, &b, &c};
    float *data[] = {p->a.data, p->b.data, p->c.data};
    int numbers[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    for (int i = 0; i < 3; i++) {
        if (e->memories[i].memory) dnnl_memory_destroy(e->memories[i].memory);
        e->memories[i].arg = numbers[i];
        check(dnnl_memory_create(&e->memories[i].memory, md[i], engine, data[i]));
    }
}

static void run_dnnl(Engine *e, const Product *p) {
    (void)p;
    check(dnnl_primitive_execute(e->primitive, e->stream, 3, e->memories));
    check(dnnl_stream_wait(e->stream));
}
#endif

typedef float V16 __attribute__((vector_size(64)));

/* GFLOP/s of independent multiply-adds in registers. */
static double peak_now(void) {
    enum { CHAINS = 24, STEPS = 40000 };
    V16 a[CHAINS], x = {0}, y = {0};
    x += 0.999f;
    y += 1e-7f;
#pragma GCC unroll 24
    for (int c = 0; c < CHAINS; c++) a[c] = x + (float)c;
    double start = cpu_ns();
    for (int s = 0; s < STEPS; s++) {
#pragma GCC unroll 24
        for (int c = 0; c < CHAINS; c++) a[c] = a[c] * x + y;
    }
    double seconds = cpu_ns() - start;
    V16 sum = a[0];
#pragma GCC unroll 24
    for (int c = 1; c < CHAINS; c++) sum += a[c];
    volatile float sink = sum[0];
    (void)sink;
    return 2.0 * 16 * CHAINS * STEPS / seconds;
}

/* ------------------------------------------------------------------ one product */

static float *memory(size_t count) {
    size_t huge = 2u << 20, bytes = (count * sizeof(float) + 64 + huge - 1) / huge * huge;
    float *p = aligned_alloc(huge, bytes);
    if (!p) abort();
    if (bytes > huge) madvise(p, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < count; i++) p[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    return p;
}

/* Matrices per (B, H): dense each, or with the heads strided. */
static Operand operand(int64_t heads, int64_t rows, int64_t columns, int64_t batch, int strided) {
    Operand x = {.count = (size_t)(batch * heads * rows * columns), .column = 1};
    x.data = memory(x.count);
    x.outer = heads * rows * columns;
    x.inner = strided ? columns : rows * columns;
    x.row = strided ? heads * columns : columns;
    return x;
}

static Operand transposed(Operand x) {
    int64_t row = x.row;
    x.row = x.column;
    x.column = row;
    x.turned = 1;
    return x;
}

static Product product_of(const char *kind, int64_t m, int64_t n, int64_t k, int64_t b, int64_t h) {
    Product p = {.outer = b, .inner = h};
    Operand x = operand(h, m, k, b, 0), w = operand(h, k, n, b, 1), y = operand(h, m, n, b, 1);
    if (strcmp(kind, "forward") == 0) {
        p = (Product){m, n, k, b, h, x, w, y};
    } else if (strcmp(kind, "dx") == 0) {
        p = (Product){m, k, n, b, h, y, transposed(w), x};
    } else {
        p = (Product){k, n, m, b, h, transposed(x), y, w};
    }
    return p;
}

static void differ(const float *a, const float *b, size_t count, const char *name) {
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - b[i]) / (1 + fabs((double)b[i]));
        if (!(d <= worst)) worst = d;
    }
    if (!(worst < 1e-3)) fprintf(stderr, "%s differs by %g\n", name, worst);
}

static void engine_time(Engine *e, const Product *p, int rounds, Engine *engines, int count) {
    int calls[ENGINES_MAX];
    float *expected = NULL;
    (void)e;
    for (int i = 0; i < count; i++) {
        memset(p->c.data, 0xff, p->c.count * sizeof(float));
        engines[i].run(&engines[i], p);
        if (i == 0) {
            expected = malloc(p->c.count * sizeof(float));
            memcpy(expected, p->c.data, p->c.count * sizeof(float));
        } else {
            differ(p->c.data, expected, p->c.count, engines[i].name);
        }
        double start = cpu_ns(), took = 0;
        for (calls[i] = 0; took < 1.5e6; calls[i]++) {
            engines[i].run(&engines[i], p);
            took = cpu_ns() - start;
        }
        engines[i].best = took / calls[i];
        calls[i] = (int)(1.5e6 / engines[i].best) + 1;
    }
    free(expected);
    double peak = 0;
    for (int r = 0; r < rounds; r++) {
        double now = peak_now();
        if (now > peak) peak = now;
        for (int i = 0; i < count; i++) {
            engines[i].run(&engines[i], p);
            double start = cpu_ns();
            for (int c = 0; c < calls[i]; c++) engines[i].run(&engines[i], p);
            double each = (cpu_ns() - start) / calls[i];
            if (each < engines[i].best) engines[i].best = each;
        }
    }
    for (int i = 0; i < count; i++) printf("%s=%.1f ", engines[i].name, engines[i].best);
    printf("peak=%.1f\n", peak);
    fflush(stdout);
}

static void *symbol(void *library, const char *format, const char *a, const char *b) {
    char name[256];
    snprintf(name, sizeof name, format, a, b);
    return dlsym(library, name);
}

static void one_line(const char *line, Engine *engines, int count) {
    char path[BUILDS_MAX + 1][200], stem[BUILDS_MAX][64], kind[16];
    int rounds, fields, at = 0, versions = 0;
    long long m, n, k, b, h;
    for (;; versions++) { /* several builds of bmc, up to "-" */
        fields = sscanf(line + at, "%199s", path[versions]);
        if (fields != 1) return;
        at += (int)strspn(line + at, " ") + (int)strlen(path[versions]);
        if (strcmp(path[versions], "-") == 0) break;
        if (versions == BUILDS_MAX) return;
        if (sscanf(line + at, "%63s", stem[versions]) != 1) return;
        at += (int)strspn(line + at, " ") + (int)strlen(stem[versions]);
    }
    if (sscanf(line + at, "%15s %lld %lld %lld %lld %lld %d", kind, &m, &n, &k, &b, &h, &rounds) !=
        7)
        return;
    Product p = product_of(kind, m, n, k, b, h);
    void *libraries[BUILDS_MAX];
    for (int v = 0; v < versions; v++) {
        static const char *const names[] = {"bmc", "bmc2", "bmc3"};
        Engine *bmc = &engines[count++];
        *bmc = (Engine){.name = names[v], .run = run_bmc};
        libraries[v] = dlopen(path[v], RTLD_NOW | RTLD_LOCAL);
        if (!libraries[v]) {
            fprintf(stderr, "%s\n", dlerror());
            exit(1);
        }
        ((int (*)(void **, const char *))symbol(libraries[v], "%s%s", stem[v], "_open"))(
            &bmc->model, NULL);
        ((int (*)(void *, int32_t))symbol(libraries[v], "%s%s", stem[v], "_set_threads"))(
            bmc->model, 1);
        bmc->function = symbol(libraries[v], "%s_%s", stem[v], kind);
        bmc->args[0] = p.a.data;
        bmc->args[1] = p.b.data;
        bmc->out = p.c.data;
    }
#ifdef HAVE_DNNL
    for (int i = 0; i < count; i++)
        if (engines[i].run == run_dnnl) dnnl_prepare(&engines[i], &p);
#endif
    engine_time(engines, &p, rounds, engines, count);
    for (int v = 0; v < versions; v++) {
        ((void (*)(void *))symbol(libraries[v], "%s%s", stem[v], "_close"))(
            engines[count - versions + v].model);
        dlclose(libraries[v]);
    }
    free(p.a.data);
    free(p.b.data);
    free(p.c.data);
}

int main(int argc, char **argv) {
    Engine engines[ENGINES_MAX] = {0};
    int count = 0;
    for (int i = 1; i < argc && count + 4 < ENGINES_MAX; i++) {
        char *path = strchr(argv[i], '=');
        if (!path) return 2;
        *path++ = 0;
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        Engine *e = &engines[count++];
        e->name = argv[i];
        e->run = run_cblas;
        e->function = dlsym(library, "cblas_sgemm");
        if (!e->function) {
            e->function = dlsym(library, "scipy_cblas_sgemm64_");
            e->wide = 1;
        }
        if (!e->function) return 1;
        char *(*core)(void) = (char *(*)(void))dlsym(
            library, e->wide ? "scipy_openblas_get_corename64_" : "openblas_get_corename");
        if (core) fprintf(stderr, "%s: %s\n", e->name, core());
    }
#ifdef HAVE_DNNL
    engines[count].name = "onednn";
    engines[count++].run = run_dnnl;
#endif
    char line[512];
    while (fgets(line, sizeof line, stdin)) one_line(line, engines, count);
    return 0;
}
