/* Paths, splits, shuffling and batches. */
#define _XOPEN_SOURCE 700
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_model.h"
#include "runtime/data/array.h"
#include "runtime/data/dataset.h"
#include "runtime/data/shuffle.h"

static char folder[1024];

static void setup(void) {
    snprintf(folder, sizeof folder, "%s", fake_folder("data"));
}

static const char *in_folder(const char *name) {
    return fake_path(folder, name);
}

/* ------------------------------------------------------------------ paths */

static BmrtStatus resolve(const BmrtPaths *paths, const char *path, const char **out) {
    static char found[BMRT_PATH_MAX];
    static BmrtMessage m;
    const BmrtStatus status = bmrt_path_resolve(paths, path, found, &m);
    *out = status == BMRT_OK ? found : m.text;
    return status;
}

START_TEST(paths_stay_inside) {
    char inner[1100], outer[1100];
    const char *text;
    snprintf(inner, sizeof inner, "%s/inner", folder);
    snprintf(outer, sizeof outer, "%s/outer.bin", folder);
    mkdir(inner, 0777);
    fake_write(outer, "x", 1);
    fake_write(in_folder("inner/a.bin"), "x", 1);
    unlink(in_folder("inner/link"));
    ck_assert_int_eq(symlink("../outer.bin", in_folder("inner/link")), 0);
    unlink(in_folder("inner/good"));
    ck_assert_int_eq(symlink("a.bin", in_folder("inner/good")), 0);
    BmrtPaths p = {.data_dir = inner, .model_dir = folder};
    ck_assert_int_eq(resolve(&p, "a.bin", &text), BMRT_OK);
    ck_assert_ptr_nonnull(strstr(text, "/inner/a.bin"));
    ck_assert_int_eq(resolve(&p, "good", &text), BMRT_OK);
    ck_assert_int_eq(resolve(&p, "outer.bin", &text), BMRT_OK); /* beside the model */
    ck_assert_int_eq(resolve(&p, "link", &text), BMRT_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(text, "leaves the folder"));
    ck_assert_int_eq(resolve(&p, "../outer.bin", &text), BMRT_ARGUMENT);
    ck_assert_int_eq(resolve(&p, "a/../../b", &text), BMRT_ARGUMENT);
    ck_assert_int_eq(resolve(&p, "..", &text), BMRT_ARGUMENT);
    ck_assert_int_eq(resolve(&p, "/etc/passwd", &text), BMRT_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(text, "absolute"));
    ck_assert_int_eq(resolve(&p, "", &text), BMRT_ARGUMENT);
    ck_assert_int_eq(resolve(&p, "no..thing", &text), BMRT_IO);
    ck_assert_ptr_nonnull(strstr(text, "(--data)"));
    p.allow = 1;
    ck_assert_int_eq(resolve(&p, "link", &text), BMRT_OK);
    ck_assert_int_eq(resolve(&p, "../outer.bin", &text), BMRT_OK);
    ck_assert_int_eq(resolve(&p, outer, &text), BMRT_OK);
    ck_assert_str_eq(text, outer);
}
END_TEST

/* ------------------------------------------------------------------ shuffling, splits, batches */

START_TEST(shuffles_are_permutations_and_repeat) {
    uint32_t a[1000], b[1000];
    char seen[1000] = {0};
    for (uint32_t i = 0; i < 1000; i++) a[i] = b[i] = i;
    bmrt_shuffle(a, 1000, BMRT_FOR_SHUFFLE, 7, 3);
    bmrt_shuffle(b, 1000, BMRT_FOR_SHUFFLE, 7, 3);
    ck_assert_mem_eq(a, b, sizeof a);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(seen[a[i]]++, 0);
    for (uint32_t i = 0; i < 1000; i++) b[i] = i;
    bmrt_shuffle(b, 1000, BMRT_FOR_SHUFFLE, 7, 4);
    ck_assert_mem_ne(a, b, sizeof a);
    for (uint32_t i = 0; i < 1000; i++) b[i] = i;
    bmrt_shuffle(b, 1000, BMRT_FOR_SPLIT, 7, 3);
    ck_assert_mem_ne(a, b, sizeof a);
    bmrt_shuffle(b, 0, BMRT_FOR_SPLIT, 7, 3);
    bmrt_shuffle(b, 1, BMRT_FOR_SPLIT, 7, 3);
}
END_TEST

/* The order is a promise (docs/runtime.md): these values were worked out from the definition by an
 * independent Philox in Python. */
START_TEST(the_order_is_the_documented_one) {
    uint32_t a[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    bmrt_shuffle(a, 8, BMRT_FOR_SHUFFLE, 1, 0);
    static const uint32_t expected[8] = {0, 2, 7, 6, 5, 3, 1, 4};
    for (int i = 0; i < 8; i++) ck_assert_uint_eq(a[i], expected[i]);
}
END_TEST

START_TEST(shuffles_are_uniform) {
    int counts[5][5] = {{0}};
    for (uint64_t round = 0; round < 10000; round++) {
        uint32_t a[5] = {0, 1, 2, 3, 4};
        bmrt_shuffle(a, 5, BMRT_FOR_SHUFFLE, 42, round);
        for (int i = 0; i < 5; i++) counts[i][a[i]]++;
    }
    for (int i = 0; i < 5; i++) /* 2000 expected, standard deviation 40 */
        for (int j = 0; j < 5; j++) ck_assert(abs(counts[i][j] - 2000) < 240);
}
END_TEST

static BmrtStatus load(FakeModel *fake, unsigned wanted, BmrtDataset *data, BmrtFault *fault) {
    const BmrtPaths paths = {.data_dir = folder};
    memset(fault, 0, sizeof *fault);
    const BmrtLoad how = {.paths = &paths, .wanted = wanted};
    return bmrt_dataset_load(data, fake->data, bmrt_hooks_default(), &how, fault);
}

enum { ALL_SPLITS = 1 << BMRT_SPLIT_TRAIN | 1 << BMRT_SPLIT_VALID | 1 << BMRT_SPLIT_TEST };

START_TEST(splits_divide_the_rows) {
    static const struct {
        BmrtSplitKind kind;
        double part[4];
        int64_t counts[4]; /* train 0: refused */
    } cases[] = {
        {BMRT_SPLITBY_RANDOM, {0, 0, 0.25, 0}, {0, 75, 25, 7}},
        {BMRT_SPLITBY_RANDOM, {0, 0.8, 0.1, 0}, {0, 80, 10, 7}},
        {BMRT_SPLITBY_BLOCKS, {0, 0, 10, 0}, {0, 90, 10, 7}},
        {BMRT_SPLITBY_BLOCKS, {0, 30, 10, 0}, {0, 30, 10, 7}},
        {BMRT_SPLITBY_NONE, {0, 0, 0, 0}, {0, 100, 0, 7}},
        {BMRT_SPLITBY_RANDOM, {0, 0, 100, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, 0.5, 0.6, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, 0, 1e30, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, -1, 0.5, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, 0, 0.001, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, 0.5, 0.1, 0.1}, {0, 0, 0, 0}}, /* test: files and rule */
    };
    FakeModel fake;
    BmrtDataset d;
    BmrtFault fault;
    fake_dataset(folder, "train", 100, 1);
    fake_dataset(folder, "test", 7, 2);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_model(&fake);
        fake.data[0].split.kind = cases[i].kind;
        memcpy(fake.data[0].split.part, cases[i].part, sizeof cases[i].part);
        const BmrtStatus status = load(&fake, ALL_SPLITS, &d, &fault);
        ck_assert_int_eq(status, cases[i].counts[1] ? BMRT_OK : BMRT_ARGUMENT);
        char seen[100] = {0};
        for (int split = 1; split < 4 && status == BMRT_OK; split++) {
            const BmrtRows *r = &d.splits[split];
            ck_assert_int_eq(r->count, cases[i].counts[split]);
            ck_assert_int_eq(r->present, r->count > 0);
            for (int64_t k = 0; r->order && k < r->count; k++) {
                ck_assert_int_eq(seen[r->order[k]]++, 0);
                if (k) ck_assert_uint_gt(r->order[k], r->order[k - 1]);
            }
        }
        if (cases[i].kind == BMRT_SPLITBY_BLOCKS && status == BMRT_OK)
            ck_assert_uint_eq(d.splits[BMRT_SPLIT_VALID].order[0], cases[i].counts[1]);
        bmrt_dataset_free(&d);
    }
    /* Only what is wanted is read. */
    fake_model(&fake);
    unlink(in_folder("train-x.idx"));
    ck_assert_int_eq(load(&fake, 1 << BMRT_SPLIT_TEST, &d, &fault), BMRT_OK);
    ck_assert_int_eq(d.splits[BMRT_SPLIT_TEST].count, 7);
    bmrt_dataset_free(&d);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_IO);
    ck_assert_uint_eq(fault.line, 3);
    bmrt_dataset_free(&d);
}
END_TEST

START_TEST(files_must_fit_the_fields) {
    FakeModel fake;
    BmrtDataset d;
    BmrtFault fault;
    uint8_t wrong[12 + 20 * 5] = {0, 0, 8, 2, 0, 0, 0, 20, 0, 0, 0, 5};
    fake_model(&fake);
    fake_dataset(folder, "train", 20, 1);
    fake_dataset(folder, "test", 7, 2);
    fake_write(in_folder("train-x.idx"), wrong, sizeof wrong);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_ptr_eq(
        strstr(fault.message.text, "train-x.idx holds [20, 5] u8, but field `x` is declared [4]\n"),
        fault.message.text);
    ck_assert_uint_eq(fault.line, 5);
    bmrt_dataset_free(&d);
    fake.fields[0].dtype = BMRT_F32;
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(fault.message.text, "declared [4]: f32"));
    bmrt_dataset_free(&d);
    fake_model(&fake);
    fake_dataset(folder, "train", 20, 1);
    size_t bytes;
    char *y = fake_read(in_folder("test-y.idx"), &bytes);
    fake_write(in_folder("train-y.idx"), y, bytes);
    free(y);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_str_eq(fault.message.text, "`train-y.idx` holds 7 rows, but `train-x.idx` holds 20");
    ck_assert_uint_eq(fault.column, 20);
    bmrt_dataset_free(&d);
    fake.data[0].source_count = 1;
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(fault.message.text, "names no train file for field `y`"));
    bmrt_dataset_free(&d);
    fake_model(&fake);
    memset(wrong + 4, 0, 4);
    wrong[11] = 4;
    fake_write(in_folder("train-x.idx"), wrong, 12);
    uint8_t none[8] = {0, 0, 0x0d, 1};
    fake_write(in_folder("train-y.idx"), none, 8);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(fault.message.text, "hold no rows"));
    bmrt_dataset_free(&d);
}
END_TEST

START_TEST(batches_gather_rows) {
    FakeModel fake;
    BmrtDataset d;
    BmrtFault fault;
    BmrtHandle *h;
    BmrtBatcher b;
    fake_model(&fake);
    fake_dataset(folder, "train", 100, 1);
    fake_dataset(folder, "test", 7, 2);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_OK);
    ck_assert_int_eq(bmrt_open(&h, &fake.model, NULL, 1, 2), BMRT_OK);
    const uint8_t *x = (const uint8_t *)d.fields[BMRT_SPLIT_TRAIN][0].block.data;
    const float *y = (const float *)d.fields[BMRT_SPLIT_TRAIN][1].block.data;
    for (int entry = -1; entry <= FAKE_ROWS; entry += 1 + FAKE_ROWS) {
        ck_assert_int_eq(
            bmrt_batcher_open(&b, h, bmrt_hooks_default(), &d, entry, 20, &fault.message), BMRT_OK);
        uint32_t order[20];
        for (uint32_t i = 0; i < 20; i++) order[i] = (i * 37 + 5) % 100;
        for (int ordered = 0; ordered < 2; ordered++) {
            ck_assert_int_eq(bmrt_batcher_make(&b, BMRT_SPLIT_TRAIN, ordered ? order : NULL, 30, 19,
                                               &fault.message),
                             BMRT_OK);
            BmrtValue wx = fake.entries[FAKE_ROWS].inputs[0],
                      wy = fake.entries[FAKE_ROWS].inputs[1];
            if (entry >= 0) wx = fake.entries[FAKE_ROWS].outputs[0];
            const float *by = bmrt_batcher_column(&b, &wy);
            const void *bx = bmrt_batcher_column(&b, &wx);
            ck_assert(bx && by);
            wy.dtype = BMRT_I32;
            ck_assert_ptr_null(bmrt_batcher_column(&b, &wy));
            wx.rank = 1;
            ck_assert_ptr_null(bmrt_batcher_column(&b, &wx));
            wx.rank = 2;
            wx.name = "z";
            ck_assert_ptr_null(bmrt_batcher_column(&b, &wx));
            for (uint32_t i = 0; i < 19; i++) {
                const uint32_t row = ordered ? order[i] : 30 + i;
                ck_assert(by[i] == y[row]);
                for (uint32_t j = 0; j < FAKE_FEATURES; j++)
                    if (entry < 0)
                        ck_assert_int_eq(((const uint8_t *)bx)[i * FAKE_FEATURES + j],
                                         x[row * FAKE_FEATURES + j]);
                    else
                        ck_assert(((const float *)bx)[i * FAKE_FEATURES + j] ==
                                  (float)x[row * FAKE_FEATURES + j] / 255);
            }
        }
        bmrt_batcher_free(&b);
    }
    bmrt_close(h);
    bmrt_dataset_free(&d);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data");
    TCase *t = tcase_create("data");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, paths_stay_inside);
    tcase_add_test(t, shuffles_are_permutations_and_repeat);
    tcase_add_test(t, the_order_is_the_documented_one);
    tcase_add_test(t, shuffles_are_uniform);
    tcase_add_test(t, splits_divide_the_rows);
    tcase_add_test(t, files_must_fit_the_fields);
    tcase_add_test(t, batches_gather_rows);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
