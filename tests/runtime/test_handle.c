/* Handles: opening, calling, stepping, re-planning, indices, reading and writing tensors, faults.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fake_model.h"
#include "runtime/core/core.h"

static FakeModel fake;

static void setup(void) {
    fake_model(&fake);
}

static BmrtHandle *open_fake(int threads) {
    BmrtHandle *h;
    ck_assert_int_eq(bmrt_open(&h, &fake.model, NULL, 7, threads), BMRT_OK);
    ck_assert_str_eq(bmrt_error(h), "");
    return h;
}

static BmrtStatus step(BmrtHandle *h, int64_t rows, float *loss) {
    float *x = calloc((size_t)rows * FAKE_FEATURES + 1, 4), *y = calloc((size_t)rows + 1, 4);
    for (int64_t i = 0; i < rows; i++) {
        for (int j = 0; j < FAKE_FEATURES; j++)
            x[i * FAKE_FEATURES + j] = (float)((i * 7 + j * 3) % 11) / 11;
        y[i] = x[i * FAKE_FEATURES] - 2 * x[i * FAKE_FEATURES + 2];
    }
    const void *inputs[] = {x, y};
    void *outputs[] = {loss};
    const BmrtStatus status = bmrt_step(h, FAKE_STEP, &rows, inputs, outputs);
    free(x);
    free(y);
    return status;
}

START_TEST(same_bits_for_any_number_of_threads) {
    float first[FAKE_FEATURES], w[FAKE_FEATURES], loss, first_loss = 0;
    for (int threads = 1; threads <= 16; threads++) {
        BmrtHandle *h = open_fake(threads);
        for (int i = 0; i < 50; i++) ck_assert_int_eq(step(h, 8, &loss), BMRT_OK);
        ck_assert_int_eq(bmrt_iteration(h), 50);
        ck_assert_int_eq(bmrt_get(h, "line.w", w, sizeof w), BMRT_OK);
        if (threads == 1) memcpy(first, w, sizeof w), first_loss = loss;
        ck_assert_mem_eq(first, w, sizeof w);
        ck_assert_mem_eq(&first_loss, &loss, 4);
        bmrt_close(h);
    }
    ck_assert(first_loss < 0.05f);
}
END_TEST

/* Stores how many threads took part. */
static void run_count(BmrtFrame *f, int32_t thread, int32_t threads) {
    if (thread == 0) *(float *)f->outputs[0] = (float)threads;
    f->barrier(f, thread);
}

static float threads_of_call(BmrtHandle *h, int64_t rows) {
    float x[FAKE_FEATURES * 16] = {0}, out[16];
    const void *inputs[] = {x};
    void *outputs[] = {out};
    ck_assert_int_eq(bmrt_call(h, FAKE_PREDICT, &rows, inputs, outputs), BMRT_OK);
    return out[0];
}

/* The most threads that a call gets: on a busy machine the team leaves some calls to the caller
 * alone (team.c), however much work they say they are. */
static float threads_at(BmrtHandle *h, int64_t rows) {
    float most = 0;
    for (int i = 0; i < 2000 && most < 2; i++) {
        float threads = threads_of_call(h, rows);
        if (threads > most) most = threads;
    }
    return most;
}

/* A run that takes a few microseconds is done before workers could help. What it takes grows with
 * the rows; an entry that does not say is run by all. */
START_TEST(little_work_is_done_alone) {
    BmrtModel model = fake.model;
    BmrtEntry entries[FAKE_ENTRIES];
    memcpy(entries, model.entries, sizeof entries);
    model.entries = entries;
    entries[FAKE_PREDICT].run = run_count;
    BmrtHandle *h;
    ck_assert_int_eq(bmrt_open(&h, &model, NULL, 7, 2), BMRT_OK);
    ck_assert(threads_at(h, 8) == 2);
    entries[FAKE_PREDICT].work_ns = 800;
    ck_assert(threads_at(h, 8) == 1);
    entries[FAKE_PREDICT].work_ns = 16000;
    ck_assert(threads_at(h, 8) == 2);
    ck_assert(threads_at(h, 1) == 1);
    entries[FAKE_PREDICT].work_ns_one = 15000;
    ck_assert(threads_at(h, 1) == 2);
    entries[FAKE_PREDICT].meetings = 13;
    ck_assert(threads_at(h, 1) == 1);
    ck_assert(threads_at(h, 16) == 2);
    bmrt_close(h);
}
END_TEST

START_TEST(larger_batches_are_planned_again) {
    BmrtHandle *h = open_fake(3);
    const int64_t rows[] = {8, 9, 1000, 1000, 3, 100000, 0, 9};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t n = (size_t)rows[i];
        float *x = malloc((n * FAKE_FEATURES + 1) * 4), *out = malloc((n + 1) * 4), w[4], b;
        for (size_t k = 0; k < n * FAKE_FEATURES; k++) x[k] = (float)(k % 17);
        const void *inputs[] = {x};
        void *outputs[] = {out};
        ck_assert_int_eq(bmrt_call(h, FAKE_PREDICT, &rows[i], inputs, outputs), BMRT_OK);
        bmrt_get(h, "line.w", w, sizeof w);
        bmrt_get(h, "line.b", &b, sizeof b);
        for (size_t k = 0; k < n; k++) {
            float y = b;
            for (int j = 0; j < FAKE_FEATURES; j++) y += w[j] * x[k * FAKE_FEATURES + j];
            ck_assert_mem_eq(&y, &out[k], 4);
        }
        free(x);
        free(out);
    }
    ck_assert_int_eq(bmrt_workspace(h, FAKE_PREDICT, &rows[0]), 64);
    ck_assert_int_eq(bmrt_workspace(h, FAKE_PREDICT, &rows[2]), 4032);
    const int64_t huge = INT64_MAX / 3, negative = -1;
    ck_assert_int_lt(bmrt_workspace(h, FAKE_PREDICT, &huge), 0);
    ck_assert_int_lt(bmrt_workspace(h, FAKE_PREDICT, &negative), 0);
    ck_assert_int_lt(bmrt_workspace(h, 99, &negative), 0);
    bmrt_close(h);
}
END_TEST

START_TEST(impossible_sizes_are_refused) {
    BmrtHandle *h = open_fake(2);
    float some[64] = {0};
    const void *inputs[] = {some, some}, *none[] = {NULL, some};
    void *outputs[] = {some};
    const int64_t sizes[] = {-1, INT64_MIN, INT64_MAX, INT64_MAX / 4, INT64_MAX / 16};
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(bmrt_call(h, FAKE_PREDICT, &sizes[i], inputs, outputs),
                         i == 4 ? BMRT_MEMORY : BMRT_SHAPE);
        ck_assert_ptr_nonnull(strstr(bmrt_error(h), "predict"));
    }
    const int64_t eight = 8;
    ck_assert_int_eq(bmrt_call(h, FAKE_PREDICT, &eight, none, outputs), BMRT_ARGUMENT);
    ck_assert_str_eq(bmrt_error(h), "`predict`: input `x` is a null pointer");
    ck_assert_int_eq(bmrt_call(h, FAKE_PREDICT, NULL, inputs, outputs), BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_call(h, 77, &eight, inputs, outputs), BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_call(NULL, 0, NULL, NULL, NULL), BMRT_ARGUMENT);
    /* The handle is as good as before. */
    ck_assert_int_eq(bmrt_call(h, FAKE_PREDICT, &eight, inputs, outputs), BMRT_OK);
    ck_assert_str_eq(bmrt_error(h), "");
    bmrt_close(h);
}
END_TEST

START_TEST(an_index_out_of_range_is_named) {
    BmrtHandle *h = open_fake(2);
    int32_t labels[20];
    double counters[4] = {0};
    const void *inputs[] = {labels};
    void *outputs[] = {counters};
    const int64_t rows = 20;
    for (int i = 0; i < 20; i++) labels[i] = i % FAKE_CLASSES;
    ck_assert_int_eq(bmrt_call(h, FAKE_CHECK, &rows, inputs, outputs), BMRT_OK);
    ck_assert(counters[0] == 1);
    labels[17] = 12;
    ck_assert_int_eq(bmrt_call(h, FAKE_CHECK, &rows, inputs, outputs), BMRT_NUMERIC);
    ck_assert_str_eq(bmrt_error(h), "row 17 of `label` is 12, but must lie in 0 … 9");
    labels[3] = -1;
    ck_assert_int_eq(bmrt_call(h, FAKE_CHECK, &rows, inputs, outputs), BMRT_NUMERIC);
    ck_assert_str_eq(bmrt_error(h), "row 3 of `label` is -1, but must lie in 0 … 9");
    bmrt_close(h);
    /* Several a row, of another type. */
    BmrtValue ids = fake.entries[FAKE_CHECK].inputs[0];
    const uint8_t bytes[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 200};
    ids.rank = 2;
    ids.dims = fake.entries[FAKE_STEP].inputs[0].dims; /* [B, 4] */
    ids.dtype = BMRT_U8;
    fake.entries[FAKE_CHECK].inputs = &ids;
    const void *more[] = {bytes};
    const int64_t five = 5;
    h = open_fake(1);
    ck_assert_int_eq(bmrt_call(h, FAKE_CHECK, &five, more, outputs), BMRT_NUMERIC);
    ck_assert_str_eq(bmrt_error(h), "row 2 of `label`, element 2, is 200, but must lie in 0 … 9");
    ck_assert_int_eq(h->bad_row, 2);
    bmrt_close(h);
}
END_TEST

/* step of the n-th call, progress, epoch, iteration: docs/runtime.md */
START_TEST(counters_and_schedule) {
    static const struct {
        int64_t iteration, steps, epoch_steps;
        double progress, epoch;
    } cases[] = {{0, 0, 0, 0, 0},    {7, 0, 0, 0, 0},     {7, 20, 3, 0.35, 2},
                 {6, 20, 3, 0.3, 2}, {5, 20, 3, 0.25, 1}, {20, 20, 3, 1, 6}};
    BmrtHandle *h = open_fake(2);
    const int64_t rows = 1;
    const int32_t label = 0;
    double counters[4];
    const void *inputs[] = {&label};
    void *outputs[] = {counters};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        bmrt_set_iteration(h, cases[i].iteration);
        ck_assert_int_eq(bmrt_set_schedule(h, cases[i].steps, cases[i].epoch_steps), BMRT_OK);
        ck_assert_int_eq(bmrt_call(h, FAKE_CHECK, &rows, inputs, outputs), BMRT_OK);
        ck_assert(counters[0] == i + 1);
        ck_assert(counters[1] == cases[i].progress);
        ck_assert(counters[2] == cases[i].epoch);
        ck_assert(counters[3] == (double)cases[i].iteration);
    }
    bmrt_set_iteration(h, 9); /* a step draws with one more than the steps done */
    ck_assert_int_eq(bmrt_step(h, FAKE_CHECK, &rows, inputs, outputs), BMRT_OK);
    ck_assert(counters[0] == 10 && counters[3] == 9);
    ck_assert_int_eq(bmrt_iteration(h), 10);
    bmrt_close(h);
}
END_TEST

START_TEST(a_loss_that_is_not_finite_writes_nothing) {
    BmrtHandle *h = open_fake(2);
    float before[FAKE_FEATURES], after[FAKE_FEATURES], loss, bad = INFINITY;
    ck_assert_int_eq(step(h, 8, &loss), BMRT_OK);
    bmrt_set(h, "line.b", &bad, sizeof bad);
    bmrt_get(h, "line.w", before, sizeof before);
    ck_assert_int_eq(step(h, 8, &loss), BMRT_NUMERIC);
    ck_assert_str_eq(bmrt_error(h), "the loss is not finite at step 2; nothing was written");
    bmrt_get(h, "line.w", after, sizeof after);
    ck_assert_mem_eq(before, after, sizeof before);
    ck_assert_int_eq(bmrt_iteration(h), 1);
    bmrt_close(h);
}
END_TEST

START_TEST(tensors_are_read_and_written_by_path) {
    BmrtHandle *h = open_fake(1);
    float w[FAKE_FEATURES] = {1, 2, 3, 4}, got[FAKE_FEATURES];
    ck_assert_int_eq(bmrt_set(h, "line.w", w, sizeof w), BMRT_OK);
    ck_assert_int_eq(bmrt_get(h, "line.w", got, sizeof got), BMRT_OK);
    ck_assert_mem_eq(w, got, sizeof w);
    ck_assert_int_eq(bmrt_get(h, "line.w", got, 8), BMRT_ARGUMENT);
    ck_assert_str_eq(bmrt_error(h), "`line.w` has 16 bytes: [4] f32; 8 were given");
    ck_assert_int_eq(bmrt_get(h, "line.v", got, 8), BMRT_ARGUMENT);
    ck_assert_str_eq(bmrt_error(h), "the model has no parameter or state `line.v`");
    ck_assert_int_eq(bmrt_set(h, NULL, w, 4), BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_set_threads(h, 5), BMRT_OK);
    ck_assert_int_eq(bmrt_set_threads(h, 0), BMRT_OK);
    ck_assert_int_eq(bmrt_set_threads(h, -1), BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_set_threads(h, 5000), BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_set_schedule(h, -1, 0), BMRT_ARGUMENT);
    bmrt_close(h);
}
END_TEST

START_TEST(a_wrong_descriptor_is_refused) {
    BmrtHandle *h;
    fake.model.abi = 99;
    ck_assert_int_eq(bmrt_open(&h, &fake.model, NULL, 0, 1), BMRT_MISMATCH);
    ck_assert_ptr_nonnull(strstr(bmrt_error(h), "ABI 99"));
    float w[4];
    ck_assert_int_eq(bmrt_get(h, "line.w", w, 16), BMRT_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(bmrt_error(h), "ABI 99"));
    bmrt_close(h);
    fake_model(&fake);
    fake.model.slots_bytes = 200;
    ck_assert_int_eq(bmrt_open(&h, &fake.model, NULL, 0, 1), BMRT_MISMATCH);
    bmrt_close(h);
    ck_assert_int_eq(bmrt_open(&h, NULL, NULL, 0, 1), BMRT_ARGUMENT);
    bmrt_close(h);
    bmrt_close(NULL);
}
END_TEST

/* Every allocation (and thread start) fails in turn, once and for ever: a clear status, no leak. */
START_TEST(out_of_memory_is_a_status) {
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (long n = 1;; n++) {
            FakeFaults faults = {.what = FAKE_ALLOC, .fail_at = n, .for_ever = for_ever};
            const BmrtHooks hooks = fake_hooks(&faults);
            BmrtHandle *h;
            BmrtStatus status = bmrt_open_hooked(&h, &fake.model, NULL, 7, 3, &hooks);
            if (status == BMRT_OK) {
                float loss;
                const int64_t rows = 20;
                float in[80] = {0}, out[20];
                const void *inputs[] = {in};
                void *outputs[] = {out};
                status = step(h, 8, &loss);
                if (status == BMRT_OK) status = step(h, 20, &loss);
                if (status == BMRT_OK) status = bmrt_call(h, FAKE_PREDICT, &rows, inputs, outputs);
                if (status == BMRT_MEMORY && !for_ever) {
                    ck_assert(strlen(bmrt_error(h)) > 0);
                    ck_assert_int_eq(step(h, 20, &loss), BMRT_OK); /* usable again */
                }
            }
            if (faults.failed) ck_assert_int_eq(status, BMRT_MEMORY);
            bmrt_close(h);
            ck_assert_int_eq(faults.live, 0);
            ck_assert_int_eq(faults.live_bytes, 0);
            if (!faults.failed) {
                ck_assert_int_gt(n, 10);
                break;
            }
        }
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("handle");
    TCase *t = tcase_create("handle");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, same_bits_for_any_number_of_threads);
    tcase_add_test(t, little_work_is_done_alone);
    tcase_add_test(t, larger_batches_are_planned_again);
    tcase_add_test(t, impossible_sizes_are_refused);
    tcase_add_test(t, an_index_out_of_range_is_named);
    tcase_add_test(t, counters_and_schedule);
    tcase_add_test(t, a_loss_that_is_not_finite_writes_nothing);
    tcase_add_test(t, tensors_are_read_and_written_by_path);
    tcase_add_test(t, a_wrong_descriptor_is_refused);
    tcase_add_test(t, out_of_memory_is_a_status);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
