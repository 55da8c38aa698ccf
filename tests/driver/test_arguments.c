/* Every public function of bmc.h, bmrt.h and train.h with each wrong kind of argument: it returns
 * what its header says, and nothing else happens. The generated header: cli/arguments.test. */
#include "compiler/include/bmc.h"
#include "runtime/train/train.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Row { /* the call as text, what it must return, what it returned */
    const char *call;
    long long want, got;
} Row;
#define ROW(want, call)                                                                            \
    { #call, (long long)(want), (long long)(call) }
#define CHECK_ROWS(rows)                                                                           \
    for (size_t n = 0; n < sizeof(rows) / sizeof *(rows); n++)                                     \
    ck_assert_msg((rows)[n].got == (rows)[n].want, "%s is %lld, not %lld", (rows)[n].call,         \
                  (rows)[n].got, (rows)[n].want)

static const char MODEL[] = "model net(x[B, 4]) -> [B, 3] = dense(3)(x)\n"
                            "train {\n"
                            "  step(x[B, 4], y[B]: i32) {\n"
                            "    loss = cross_entropy(net(x), y)\n"
                            "    minimize loss over net with sgd(0.1)\n"
                            "    metric loss = loss\n"
                            "  }\n"
                            "}\n"
                            "export fn predict(x[B, 4]) -> [B, 3] = show(net(x))\n"
                            "export fn pick(i[B]: i32) -> [B, 5] = one_hot(i, 5)\n";
static const char OTHER[] = "model net(x[B, 2]) -> [B, 3] = dense(3)(x)\n"
                            "export fn predict(x[B, 2]) -> [B, 3] = net(x)\n";

static BmcOptions plain(void) {
    return (BmcOptions){.size_bytes = sizeof(BmcOptions), .level = 1, .debug = 1};
}

static BmcModel *compiled(const char *text) {
    BmcOptions options = plain();
    BmcModel *model = NULL;
    ck_assert_int_eq(bmc_compile_text("m.bm", text, strlen(text), &options, &model), BMC_OK);
    return model;
}

static char folder[] = "/tmp/bmc-arguments-XXXXXX";
static const char *in_folder(const char *name) {
    static char path[4][128];
    static unsigned next;
    snprintf(path[next % 4], sizeof path[0], "%s/%s", folder, name);
    return path[next++ % 4];
}

/* ------------------------------------------------------------------ bmc.h */

static BmcStatus with(const BmcOptions *options) {
    BmcModel *model = (BmcModel *)&model;
    BmcStatus status = bmc_compile_text("m.bm", OTHER, strlen(OTHER), options, &model);
    if (status != BMC_OK) ck_assert_ptr_null(model);
    bmc_close(status == BMC_OK ? model : NULL);
    return status;
}

START_TEST(compiling) {
    BmcModel *m;
    const BmcOptions good = plain();
    BmcOptions o[12];
    for (int i = 0; i < 12; i++) o[i] = good;
    o[0].size_bytes = 0;
    o[1].size_bytes = sizeof good + 8;
    o[2].level = 4;
    o[3].define_count = 1;
    o[4].defines = &(BmcDefine){NULL, "1"}, o[4].define_count = 1;
    o[5].defines = &(BmcDefine){"k", NULL}, o[5].define_count = 1;
    o[6].extern_count = 1;
    o[7].externs = &(BmcExtern){"f", NULL}, o[7].extern_count = 1;
    o[8].library_count = 1;
    o[9].libraries = (const char *const[]){NULL}, o[9].library_count = 1;
    o[10].cpu = "no-such-cpu";
    o[11].defines = &(BmcDefine){"no_such_let", "1"}, o[11].define_count = 1;
    BmcOptions old = good; /* a program built with the first version of the header */
    old.size_bytes = offsetof(BmcOptions, cache);
    BmcOptions closed = good; /* a cache that cannot be is as none */
    closed.cache = 1, closed.cache_folder = "/proc/no/such";
    const Row rows[] = {
        ROW(BMC_ARGUMENT, bmc_compile_text(NULL, OTHER, 1, &good, &m)),
        ROW(BMC_ARGUMENT, bmc_compile_text("m", NULL, 1, &good, &m)),
        ROW(BMC_ARGUMENT, bmc_compile_text("m", OTHER, 1, NULL, &m)),
        ROW(BMC_ARGUMENT, bmc_compile_text("m", OTHER, 1, &good, NULL)),
        ROW(BMC_INPUT, bmc_compile_text("m", OTHER, 1, &good, &m)),
        ROW(BMC_INPUT, bmc_compile_text("m", OTHER, (size_t)1 << 20 << 10, &good, &m)),
        ROW(BMC_ARGUMENT, bmc_compile_file(NULL, &good, &m)),
        ROW(BMC_ARGUMENT, bmc_compile_file("m", NULL, &m)),
        ROW(BMC_ARGUMENT, bmc_compile_file("m", &good, NULL)),
        ROW(BMC_INPUT, bmc_compile_file("/no/such.bm", &good, &m)),
        ROW(BMC_INPUT, bmc_compile_file("/", &good, &m)),
        ROW(BMC_ARGUMENT, with(&o[0])),
        ROW(BMC_ARGUMENT, with(&o[1])),
        ROW(BMC_ARGUMENT, with(&o[2])),
        ROW(BMC_ARGUMENT, with(&o[3])),
        ROW(BMC_ARGUMENT, with(&o[4])),
        ROW(BMC_ARGUMENT, with(&o[5])),
        ROW(BMC_ARGUMENT, with(&o[6])),
        ROW(BMC_ARGUMENT, with(&o[7])),
        ROW(BMC_ARGUMENT, with(&o[8])),
        ROW(BMC_ARGUMENT, with(&o[9])),
        ROW(BMC_INPUT, with(&o[10])),
        ROW(BMC_INPUT, with(&o[11])),
        ROW(BMC_OK, with(&old)),
        ROW(BMC_OK, with(&closed)),
        ROW(0, bmc_model(NULL) != NULL),
        ROW(0, strcmp("?", bmc_status_name((BmcStatus)99))),
        ROW(0, strcmp("input", bmc_status_name(BMC_INPUT))),
    };
    CHECK_ROWS(rows);
    bmc_close(NULL);
}
END_TEST

START_TEST(inspecting) {
    BmcModel *model = compiled(OTHER);
    BmcInspection *i = NULL, *j = (BmcInspection *)&i;
    ck_assert_int_eq(bmc_inspect(model, &i), BMC_OK);
    const Row rows[] = {
        ROW(BMC_ARGUMENT, bmc_inspect(NULL, &j)),
        ROW(BMC_ARGUMENT, bmc_inspect(model, NULL)),
        ROW(1, bmc_inspect_layer(NULL, 0) == NULL),
        ROW(1, bmc_inspect_layer(i, UINT32_MAX) == NULL),
        ROW(1, bmc_inspect_parameter(NULL, 0) == NULL),
        ROW(1, bmc_inspect_parameter(i, UINT32_MAX) == NULL),
        ROW(1, bmc_inspect_entry(NULL, 0) == NULL),
        ROW(1, bmc_inspect_entry(i, UINT32_MAX) == NULL),
        ROW(1, bmc_inspect_node(NULL, 0, 0) == NULL),
        ROW(1, bmc_inspect_node(i, UINT32_MAX, 0) == NULL),
        ROW(1, bmc_inspect_node(i, 0, UINT32_MAX) == NULL),
        ROW(1, bmc_inspect_kernel(NULL, 0, 0) == NULL),
        ROW(1, bmc_inspect_kernel(i, UINT32_MAX, 0) == NULL),
        ROW(1, bmc_inspect_kernel(i, 0, UINT32_MAX) == NULL),
        ROW(1, bmc_inspect_buffer(NULL, 0, 0) == NULL),
        ROW(1, bmc_inspect_buffer(i, UINT32_MAX, 0) == NULL),
        ROW(1, bmc_inspect_buffer(i, 0, UINT32_MAX) == NULL),
    };
    CHECK_ROWS(rows);
    ck_assert_ptr_null(j);
    bmc_inspection_close(i);
    bmc_inspection_close(NULL);
    bmc_close(model);
}
END_TEST

/* NULL for what is needed: ARGUMENT or no value; the builder is as before, nothing is told. */
START_TEST(building) {
    BmcBuilder *b = NULL, *c = (BmcBuilder *)&b;
    BmcModel *m = (BmcModel *)&b;
    BmcOptions good = plain(), bad = plain();
    bad.size_bytes = 3;
    ck_assert_int_eq(bmc_builder_open("m.bm", NULL, NULL, &b), BMC_OK);
    const BmcValue none = {0}, one = bmc_build_integer(b, 1);
    BmcValue parts[1];
    const Row without[] = {
        ROW(BMC_ARGUMENT, bmc_builder_open(NULL, NULL, NULL, &c)),
        ROW(BMC_ARGUMENT, bmc_builder_open("m", NULL, NULL, NULL)),
        ROW(0, bmc_builder_text(NULL) != NULL),
        ROW(BMC_ARGUMENT, bmc_builder_compile(NULL, &good, &m)),
        ROW(BMC_ARGUMENT, bmc_builder_compile(b, NULL, &m)),
        ROW(BMC_ARGUMENT, bmc_builder_compile(b, &bad, &m)),
        ROW(BMC_ARGUMENT, bmc_builder_compile(b, &good, NULL)),
        ROW(BMC_ARGUMENT, bmc_build_begin(NULL, BMC_MODEL, "f")),
        ROW(BMC_ARGUMENT, bmc_build_begin(b, BMC_MODEL, NULL)),
        ROW(BMC_ARGUMENT, bmc_build_begin(b, BMC_DEFINITION_COUNT, "f")),
        ROW(BMC_ARGUMENT, bmc_build_end(NULL)),
        ROW(0, bmc_build_let(NULL, "k", one).id),
        ROW(0, bmc_build_let(b, NULL, one).id),
        ROW(BMC_ARGUMENT, bmc_build_source(NULL, "")),
        ROW(BMC_ARGUMENT, bmc_build_source(b, NULL)),
        ROW(0, bmc_build_number(NULL, 1).id),
        ROW(0, bmc_build_integer(NULL, 1).id),
        ROW(0, bmc_build_bool(NULL, 1).id),
        ROW(0, bmc_build_string(NULL, "x").id),
        ROW(0, bmc_build_string(b, NULL).id),
        ROW(0, bmc_build_name(NULL, "x").id),
        ROW(0, bmc_build_name(b, NULL).id),
        ROW(0, bmc_build_list(NULL, &one, 1).id),
        ROW(0, bmc_build_list(b, NULL, 1).id),
        ROW(0, bmc_build_range(NULL, one, one).id),
    };
    CHECK_ROWS(without);
    ck_assert_ptr_null(c);
    ck_assert_ptr_null(m);
    ck_assert_int_eq(bmc_build_begin(b, BMC_LAYER, "l"), BMC_OK);
    const Row inside[] = {
        ROW(0, bmc_build_setting(NULL, "s", NULL, none).id),
        ROW(0, bmc_build_setting(b, NULL, NULL, none).id),
        ROW(0, bmc_build_input(NULL, "x", BMRT_F32, 0, NULL).id),
        ROW(0, bmc_build_input(b, NULL, BMRT_F32, 0, NULL).id),
        ROW(0, bmc_build_input(b, "x", BMRT_F32, 1, NULL).id),
        ROW(0, bmc_build_param(NULL, "w", BMRT_F32, 0, NULL, one).id),
        ROW(0, bmc_build_param(b, NULL, BMRT_F32, 0, NULL, one).id),
        ROW(0, bmc_build_param(b, "w", BMRT_F32, 1, NULL, one).id),
        ROW(0, bmc_build_state(NULL, "s", BMRT_F32, 0, NULL, one).id),
        ROW(0, bmc_build_state(b, NULL, BMRT_F32, 0, NULL, one).id),
        ROW(0, bmc_build_op(NULL, "exp", &one, 1).id),
        ROW(0, bmc_build_op(b, NULL, &one, 1).id),
        ROW(0, bmc_build_op(b, "exp", NULL, 1).id),
        ROW(0, bmc_build_call(NULL, "exp", NULL, 0).id),
        ROW(0, bmc_build_call(b, NULL, NULL, 0).id),
        ROW(0, bmc_build_call(b, "exp", NULL, 1).id),
        ROW(0, bmc_build_layer(NULL, NULL, "dense", NULL, 0).id),
        ROW(0, bmc_build_layer(b, NULL, NULL, NULL, 0).id),
        ROW(0, bmc_build_layer(b, NULL, "dense", NULL, 1).id),
        ROW(0, bmc_build_apply(NULL, one, NULL, 0).id),
        ROW(0, bmc_build_apply(b, one, NULL, 1).id),
        ROW(BMC_ARGUMENT, bmc_build_parts(NULL, one, parts, 1)),
        ROW(BMC_ARGUMENT, bmc_build_parts(b, one, NULL, 1)),
        ROW(BMC_ARGUMENT, bmc_build_parts(b, one, parts, 0)),
        ROW(0, bmc_build_index(NULL, one, &one, 1).id),
        ROW(0, bmc_build_index(b, one, NULL, 1).id),
        ROW(0, bmc_build_index(b, one, &one, 0).id),
        ROW(0, bmc_build_cast(NULL, one, BMRT_F32).id),
        ROW(0, bmc_build_cast(b, one, (BmrtDtype)77).id),
        ROW(0, bmc_build_grad(NULL, one, one).id),
        ROW(BMC_ARGUMENT, bmc_build_write(NULL, one, one)),
        ROW(BMC_ARGUMENT, bmc_build_minimize(NULL, one, one, one)),
        ROW(BMC_ARGUMENT, bmc_build_metric(NULL, "loss", one)),
        ROW(BMC_ARGUMENT, bmc_build_metric(b, NULL, one)),
        ROW(BMC_ARGUMENT, bmc_build_return(NULL, &one, 1)),
        ROW(BMC_ARGUMENT, bmc_build_return(b, NULL, 1)),
        ROW(BMC_ARGUMENT, bmc_build_return(b, &one, 0)),
        ROW(BMC_OK, bmc_build_end(b)),
    };
    CHECK_ROWS(inside);
    ck_assert_str_eq(bmc_builder_text(b), "layer l()() {\n}\n\n");
    bmc_builder_close(b);
    bmc_builder_close(NULL);
}
END_TEST

/* ------------------------------------------------------------------ bmrt.h */

static BmrtStatus opens(const BmrtModel *model, const char *weights, int32_t threads) {
    BmrtHandle *h = NULL;
    const BmrtStatus status = bmrt_open(&h, model, weights, 0, threads);
    ck_assert_ptr_nonnull(h); /* it says why */
    ck_assert_int_eq(strlen(bmrt_error(h)) > 0, status != BMRT_OK);
    bmrt_close(h);
    return status;
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    fputs(text, f);
    fclose(f);
}

START_TEST(opening) {
    BmcModel *model = compiled(MODEL), *other = compiled(OTHER);
    const BmrtModel *m = bmc_model(model);
    BmrtModel aged = *m;
    aged.abi = 1;
    BmrtHandle *h = NULL;
    ck_assert_int_eq(bmrt_open(&h, bmc_model(other), NULL, 0, 1), BMRT_OK);
    ck_assert_int_eq(bmrt_save(h, in_folder("other.safetensors"), 0, NULL), BMRT_OK);
    bmrt_close(h);
    write_file(in_folder("noise"), "this is no safetensors file at all, is it?");
    const Row rows[] = {
        ROW(BMRT_ARGUMENT, bmrt_open(NULL, m, NULL, 0, 1)),
        ROW(BMRT_ARGUMENT, opens(NULL, NULL, 1)),
        ROW(BMRT_MISMATCH, opens(&aged, NULL, 1)),
        ROW(BMRT_ARGUMENT, opens(m, NULL, -1)),
        ROW(BMRT_ARGUMENT, opens(m, NULL, 1 << 24)),
        ROW(BMRT_IO, opens(m, in_folder("nothing"), 1)),
        ROW(BMRT_FORMAT, opens(m, in_folder("noise"), 1)),
        ROW(BMRT_MISMATCH, opens(m, in_folder("other.safetensors"), 1)),
        ROW(BMRT_OK, opens(m, NULL, 3)),
        ROW(-1, bmrt_entry_find(NULL, "predict")),
        ROW(-1, bmrt_entry_find(m, NULL)),
        ROW(-1, bmrt_entry_find(m, "no_such")),
        ROW(1, bmrt_interface(NULL) == NULL),
        ROW(1, bmrt_model(NULL) == NULL),
        ROW(0, strcmp("no memory for a handle", bmrt_error(NULL))),
        ROW(0, strcmp("unknown", bmrt_status_name((BmrtStatus)99))),
        ROW(0, strcmp("unknown", bmrt_status_name((BmrtStatus)-1))),
        ROW(0, bmrt_dtype_bytes((BmrtDtype)99)),
        ROW(0, bmrt_dtype_bytes((BmrtDtype)-1)),
    };
    CHECK_ROWS(rows);
    bmrt_close(NULL);
    bmc_close(model);
    bmc_close(other);
}
END_TEST

typedef struct Reentry {
    BmrtHandle *h;
    int calls;
} Reentry;

/* Within a call the handle is in use: what it may not do, it refuses. */
static void use_again(void *user, const char *text) {
    Reentry *r = user;
    float x[4] = {0}, w[12];
    const int64_t one = 1;
    (void)text;
    const Row rows[] = {
        ROW(BMRT_BUSY, bmrt_call(r->h, 0, &one, (const void *[]){x}, (void *[]){w})),
        ROW(BMRT_BUSY, bmrt_get(r->h, "net.dense1.w", w, sizeof w)),
        ROW(BMRT_BUSY, bmrt_set(r->h, "net.dense1.w", w, sizeof w)),
        ROW(BMRT_BUSY, bmrt_save(r->h, in_folder("x"), 0, NULL)),
        ROW(BMRT_BUSY, bmrt_load(r->h, in_folder("x"))),
        ROW(BMRT_BUSY, bmrt_set_threads(r->h, 1)),
        ROW(BMRT_BUSY, bmrt_set_seed(r->h, 1)),
        ROW(BMRT_BUSY, bmrt_set_schedule(r->h, 1, 1)),
        ROW(BMRT_BUSY, bmrt_set_show(r->h, NULL, NULL)),
    };
    CHECK_ROWS(rows);
    r->calls++;
}

START_TEST(calling) {
    BmcModel *model = compiled(MODEL);
    const BmrtModel *m = bmc_model(model);
    BmrtHandle *h = NULL;
    ck_assert_int_eq(bmrt_open(&h, m, NULL, 0, 1), BMRT_OK);
    const uint32_t predict = (uint32_t)bmrt_entry_find(m, "predict");
    const uint32_t pick = (uint32_t)bmrt_entry_find(m, "pick");
    const uint32_t step = (uint32_t)m->train[0].step_entry;
    float x[8] = {0}, out[10], loss;
    int32_t wrong[2] = {0, 5}, label[2] = {0, 3};
    const int64_t two = 2, less = -1, most = INT64_MAX, zero = 0;
    const void *in[] = {x}, *no[] = {NULL}, *far[] = {wrong}, *rows_in[] = {x, label};
    void *outs[] = {out}, *no_out[] = {NULL}, *loss_out[] = {&loss};
    const Row rows[] = {
        ROW(BMRT_ARGUMENT, bmrt_call(NULL, predict, &two, in, outs)),
        ROW(BMRT_ARGUMENT, bmrt_call(h, m->entry_count, &two, in, outs)),
        ROW(BMRT_ARGUMENT, bmrt_call(h, predict, NULL, in, outs)),
        ROW(BMRT_ARGUMENT, bmrt_call(h, predict, &two, NULL, outs)),
        ROW(BMRT_ARGUMENT, bmrt_call(h, predict, &two, in, NULL)),
        ROW(BMRT_ARGUMENT, bmrt_call(h, predict, &two, no, outs)),
        ROW(BMRT_ARGUMENT, bmrt_call(h, predict, &two, in, no_out)),
        ROW(BMRT_SHAPE, bmrt_call(h, predict, &less, in, outs)),
        ROW(BMRT_SHAPE, bmrt_call(h, predict, &most, in, outs)),
        ROW(BMRT_OK, bmrt_call(h, predict, &zero, no, no_out)),
        ROW(BMRT_OK, bmrt_call(h, predict, &two, in, outs)),
        ROW(BMRT_NUMERIC, bmrt_call(h, pick, &two, far, outs)),
        ROW(BMRT_ARGUMENT, bmrt_step(NULL, step, &two, rows_in, loss_out)),
        ROW(BMRT_ARGUMENT, bmrt_step(h, m->entry_count, &two, rows_in, loss_out)),
        ROW(BMRT_ARGUMENT, bmrt_step(h, step, NULL, rows_in, loss_out)),
        ROW(BMRT_ARGUMENT, bmrt_step(h, step, &two, NULL, loss_out)),
        ROW(BMRT_ARGUMENT, bmrt_step(h, step, &two, rows_in, NULL)),
        ROW(BMRT_SHAPE, bmrt_step(h, step, &less, rows_in, loss_out)),
        ROW(BMRT_NUMERIC, bmrt_step(h, step, &two, rows_in, loss_out)),
        ROW(1, bmrt_workspace(NULL, predict, &two) < 0),
        ROW(1, bmrt_workspace(h, m->entry_count, &two) < 0),
        ROW(1, bmrt_workspace(h, predict, NULL) < 0),
        ROW(1, bmrt_workspace(h, predict, &less) < 0),
        ROW(1, bmrt_workspace(h, step, &most) < 0),
        ROW(1, bmrt_workspace(h, predict, &two) >= 0),
        ROW(0, bmrt_iteration(NULL)),
        ROW(0, bmrt_iteration(h)),
    };
    CHECK_ROWS(rows);
    bmrt_set_iteration(NULL, 1);
    Reentry again = {h, 0};
    ck_assert_int_eq(bmrt_set_show(h, use_again, &again), BMRT_OK);
    ck_assert_int_eq(bmrt_call(h, predict, &two, in, outs), BMRT_OK);
    ck_assert_int_eq(again.calls, 1);
    bmrt_close(h);
    bmc_close(model);
}
END_TEST

START_TEST(weights_and_settings) {
    BmcModel *model = compiled(MODEL), *other = compiled(OTHER);
    BmrtHandle *h = NULL;
    ck_assert_int_eq(bmrt_open(&h, bmc_model(other), NULL, 0, 1), BMRT_OK);
    ck_assert_int_eq(bmrt_save(h, in_folder("other.safetensors"), 0, NULL), BMRT_OK);
    bmrt_close(h);
    ck_assert_int_eq(bmrt_open(&h, bmc_model(model), NULL, 0, 1), BMRT_OK);
    write_file(in_folder("noise"), "this is no safetensors file at all, is it?");
    float w[12], kept[12];
    ck_assert_int_eq(bmrt_get(h, "net.dense1.w", kept, sizeof kept), BMRT_OK);
    const Row rows[] = {
        ROW(BMRT_ARGUMENT, bmrt_get(NULL, "net.dense1.w", w, sizeof w)),
        ROW(BMRT_ARGUMENT, bmrt_get(h, NULL, w, sizeof w)),
        ROW(BMRT_ARGUMENT, bmrt_get(h, "net.dense1.w", NULL, sizeof w)),
        ROW(BMRT_ARGUMENT, bmrt_get(h, "net.dense1.w", w, sizeof w - 1)),
        ROW(BMRT_ARGUMENT, bmrt_get(h, "net.dense9.w", w, sizeof w)),
        ROW(BMRT_ARGUMENT, bmrt_set(NULL, "net.dense1.w", w, sizeof w)),
        ROW(BMRT_ARGUMENT, bmrt_set(h, NULL, w, sizeof w)),
        ROW(BMRT_ARGUMENT, bmrt_set(h, "net.dense1.w", NULL, sizeof w)),
        ROW(BMRT_ARGUMENT, bmrt_set(h, "net.dense1.w", w, sizeof w + 1)),
        ROW(BMRT_ARGUMENT, bmrt_set(h, "", w, sizeof w)),
        ROW(BMRT_ARGUMENT, bmrt_save(NULL, in_folder("x"), 0, NULL)),
        ROW(BMRT_ARGUMENT, bmrt_save(h, NULL, 0, NULL)),
        ROW(BMRT_IO, bmrt_save(h, in_folder("no/such/x"), 0, NULL)),
        ROW(BMRT_IO, bmrt_save(h, folder, 0, NULL)),
        ROW(BMRT_ARGUMENT, bmrt_load(NULL, in_folder("x"))),
        ROW(BMRT_ARGUMENT, bmrt_load(h, NULL)),
        ROW(BMRT_IO, bmrt_load(h, in_folder("nothing"))),
        ROW(BMRT_FORMAT, bmrt_load(h, in_folder("noise"))),
        ROW(BMRT_MISMATCH, bmrt_load(h, in_folder("other.safetensors"))),
        ROW(BMRT_ARGUMENT, bmrt_set_threads(NULL, 1)),
        ROW(BMRT_ARGUMENT, bmrt_set_threads(h, -1)),
        ROW(BMRT_ARGUMENT, bmrt_set_threads(h, 1 << 24)),
        ROW(BMRT_ARGUMENT, bmrt_set_seed(NULL, 1)),
        ROW(BMRT_ARGUMENT, bmrt_set_schedule(NULL, 1, 1)),
        ROW(BMRT_ARGUMENT, bmrt_set_schedule(h, -1, 1)),
        ROW(BMRT_ARGUMENT, bmrt_set_schedule(h, 1, -1)),
        ROW(BMRT_ARGUMENT, bmrt_set_show(NULL, NULL, NULL)),
    };
    CHECK_ROWS(rows);
    ck_assert_int_eq(bmrt_get(h, "net.dense1.w", w, sizeof w), BMRT_OK);
    ck_assert_mem_eq(w, kept, sizeof w); /* nothing has changed */
    bmrt_close(h);
    bmc_close(model);
    bmc_close(other);
}
END_TEST

/* ------------------------------------------------------------------ train.h */

START_TEST(training) {
    BmcModel *model = compiled(MODEL);
    const BmrtModel *m = bmc_model(model);
    BmrtTrainOptions good = {.size_bytes = sizeof good, .save_nothing = 1}, bad = good,
                     block = good;
    BmrtReport report;
    char text[64];
    bad.size_bytes = 1;
    block.block = "no_such";
    const Row rows[] = {
        ROW(BMRT_ARGUMENT, bmrt_train(NULL, &good, &report)),
        ROW(BMRT_ARGUMENT, bmrt_train(m, NULL, &report)),
        ROW(BMRT_ARGUMENT, bmrt_train(m, &good, NULL)), /* its block has no data */
        ROW(BMRT_ARGUMENT, bmrt_train(m, &bad, &report)),
        ROW(BMRT_ARGUMENT, bmrt_train(m, &block, &report)),
        ROW(BMRT_ARGUMENT, bmrt_test(NULL, &good, &report)),
        ROW(BMRT_ARGUMENT, bmrt_test(m, NULL, &report)),
        ROW(BMRT_ARGUMENT, bmrt_test(m, &good, NULL)),
        ROW(BMRT_ARGUMENT, bmrt_test(m, &bad, &report)),
        ROW(BMRT_ARGUMENT, bmrt_test(m, &good, &report)), /* no weights to test */
        ROW(0, bmrt_save_path(NULL, &good, text, sizeof text)),
        ROW(0, bmrt_save_path(m, NULL, text, sizeof text)),
        ROW(0, bmrt_save_path(m, &good, NULL, sizeof text)),
        ROW(0, bmrt_save_path(m, &good, text, 2)),
        ROW(0, bmrt_resume_path(NULL, &good, text, sizeof text)),
        ROW(0, bmrt_resume_path(m, NULL, text, sizeof text)),
        ROW(0, bmrt_resume_path(m, &good, NULL, sizeof text)),
        ROW(0, bmrt_event_json(NULL, text, sizeof text)),
        ROW(0, bmrt_event_line(NULL, 0, text, sizeof text)),
        ROW(0, bmrt_progress_bar(NULL, 80, 0, 0, text, sizeof text)),
        ROW(2, bmrt_json_string(NULL, text, sizeof text)),
        ROW(3, bmrt_json_string("a", NULL, 0)),
    };
    CHECK_ROWS(rows);
    bmc_close(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("arguments");
    TCase *cases = tcase_create("arguments");
    if (!mkdtemp(folder)) return 1;
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, compiling);
    tcase_add_test(cases, inspecting);
    tcase_add_test(cases, building);
    tcase_add_test(cases, opening);
    tcase_add_test(cases, calling);
    tcase_add_test(cases, weights_and_settings);
    tcase_add_test(cases, training);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(in_folder("noise"));
    unlink(in_folder("other.safetensors"));
    return rmdir(folder) != 0 || failed != 0;
}
