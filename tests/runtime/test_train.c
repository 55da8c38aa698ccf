/* Training and testing with the hand-written model: results, events, saving, resuming, faults. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_model.h"
#include "runtime/core/checkpoint.h"
#include "runtime/data/shuffle.h"
#include "runtime/train/train.h"

enum { ROWS = 50, TEST_ROWS = 21 }; /* 38 train rows: the last batch of an epoch is short */

static FakeModel fake;
static char folder[1024], save[1100], resume_file[1100];

typedef struct Log { /* what a run told */
    int kinds[BMRT_EVENT_END + 1];
    int stop_at_tick; /* 0: never */
    volatile sig_atomic_t stop;
    char sha[65], lines[1 << 16];
    double train_loss, test_mse, test_worst;
} Log;

static void on_event(void *user, const BmrtEvent *e) {
    Log *log = user;
    char line[2048];
    log->kinds[e->kind]++;
    if (log->stop_at_tick && e->kind == BMRT_EVENT_TICK && log->kinds[e->kind] == log->stop_at_tick)
        log->stop = 1;
    if (e->kind == BMRT_EVENT_EPOCH) log->train_loss = e->metrics[0].value;
    if (e->kind == BMRT_EVENT_TEST) {
        log->test_mse = e->metrics[0].value;
        log->test_worst = e->metrics[1].value;
    }
    if (e->kind == BMRT_EVENT_END) memcpy(log->sha, e->weights_sha256, 65);
    ck_assert_uint_lt(bmrt_event_json(e, line, sizeof line), sizeof line);
    if (*line && strlen(log->lines) + strlen(line) + 2 < sizeof log->lines)
        strcat(strcat(log->lines, line), "\n");
    ck_assert_uint_lt(bmrt_event_line(e, 1, line, sizeof line), sizeof line);
    ck_assert_uint_lt(bmrt_progress_bar(e, 80, 1, 1, line, sizeof line), sizeof line);
}

static void setup(void) {
    fake_model(&fake);
    snprintf(folder, sizeof folder, "%s", fake_folder("train"));
    snprintf(save, sizeof save, "%s/net.safetensors", folder);
    snprintf(resume_file, sizeof resume_file, "%s/net.resume.safetensors", folder);
    fake_dataset(folder, "train", ROWS, 1);
    fake_dataset(folder, "test", TEST_ROWS, 2);
}

static BmrtTrainOptions options(Log *log) {
    memset(log, 0, sizeof *log);
    return (BmrtTrainOptions){.size_bytes = sizeof(BmrtTrainOptions),
                              .data_dir = folder,
                              .threads = 2,
                              .save_path = save,
                              .tick_seconds = 1e-9,
                              .stop = &log->stop,
                              .event = on_event,
                              .user = log};
}

static BmrtStatus run(const BmrtTrainOptions *o, BmrtReport *report) {
    return bmrt_train(&fake.model, o, report);
}

static void expect_ok(const BmrtTrainOptions *o) {
    BmrtReport report;
    const BmrtStatus status = run(o, &report);
    ck_assert_msg(status == BMRT_OK, "%s: %s", report.message, report.note);
}

START_TEST(a_run_learns_and_tells) {
    Log log;
    BmrtTrainOptions o = options(&log);
    fake.train[0].epochs = 60;
    expect_ok(&o);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_EPOCH], 60);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_TEST], 1);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_SAVED], 1);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_END], 1);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_TICK], 60 * 4);
    ck_assert(log.train_loss < 0.01);
    ck_assert(log.test_mse < 0.01 && log.test_worst < 0.3);
    ck_assert_ptr_nonnull(
        strstr(log.lines, "{\"event\":\"epoch\",\"epoch\":60,\"step\":300,\"train\":{\"loss\":"));
    ck_assert_ptr_nonnull(
        strstr(log.lines, "{\"event\":\"test\",\"name\":\"test\",\"metrics\":{\"mse\":"));
    ck_assert_ptr_nonnull(strstr(log.lines, "{\"event\":\"end\",\"steps\":300,\"seconds\":"));
    ck_assert_int_eq(fake_leftovers(folder), 0);

    /* The saved weights test the same. */
    Log again;
    BmrtReport report;
    BmrtTrainOptions t = options(&again);
    t.init_path = save;
    ck_assert_int_eq(bmrt_test(&fake.model, &t, &report), BMRT_OK);
    ck_assert(again.test_mse == log.test_mse && again.test_worst == log.test_worst);
    ck_assert_int_eq(again.kinds[BMRT_EVENT_TEST], 1);
}
END_TEST

/* By hand, as docs/runtime.md says: partial sums of batches of 8 in f32, added in f64, rounded
 * once. */
START_TEST(metrics_are_of_the_whole_split) {
    Log log;
    size_t bytes;
    char path[1200];
    float w[FAKE_FEATURES], b, worst = 0;
    BmrtHandle *h;
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    ck_assert_int_eq(bmrt_open(&h, &fake.model, save, 0, 1), BMRT_OK);
    bmrt_get(h, "line.w", w, sizeof w);
    bmrt_get(h, "line.b", &b, sizeof b);
    bmrt_close(h);
    snprintf(path, sizeof path, "%s/test-x.idx", folder);
    uint8_t *x = fake_read(path, &bytes);
    snprintf(path, sizeof path, "%s/test-y.idx", folder);
    uint8_t *y = fake_read(path, &bytes);
    double total = 0;
    for (int first = 0; first < TEST_ROWS; first += 8) {
        float sum = 0;
        for (int i = first; i < TEST_ROWS && i < first + 8; i++) {
            const uint8_t *p = y + 8 + 4 * i;
            const uint32_t bits =
                (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
            float value, e;
            memcpy(&value, &bits, 4);
            e = b - value;
            for (int j = 0; j < FAKE_FEATURES; j++)
                e += w[j] * ((float)x[12 + i * FAKE_FEATURES + j] / 255);
            sum += e * e;
            if (fabsf(e) > worst) worst = fabsf(e);
        }
        total += (double)sum;
    }
    ck_assert(log.test_mse == (double)((float)total / (float)TEST_ROWS));
    ck_assert(log.test_worst == (double)worst);
    free(x);
    free(y);
}
END_TEST

/* The same training without the trainer: the documented order of rows, batch by batch, ends with
 * the same bits. */
START_TEST(a_run_by_hand_is_the_same) {
    Log log;
    size_t bytes;
    char path[1200];
    uint32_t order[ROWS];
    BmrtHandle *h;
    BmrtTrainOptions o = options(&log);
    fake.data[0].split.kind = BMRT_SPLITBY_NONE;
    fake.train[0].valid.eval_entry = -1;
    expect_ok(&o);
    snprintf(path, sizeof path, "%s/train-x.idx", folder);
    uint8_t *x = fake_read(path, &bytes);
    snprintf(path, sizeof path, "%s/train-y.idx", folder);
    uint8_t *y = fake_read(path, &bytes);
    ck_assert_int_eq(bmrt_open(&h, &fake.model, NULL, fake.train[0].seed, 1), BMRT_OK);
    bmrt_set_schedule(h, 3 * 7, 7);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        for (uint32_t i = 0; i < ROWS; i++) order[i] = i;
        bmrt_shuffle(order, ROWS, BMRT_FOR_SHUFFLE, fake.train[0].seed, epoch);
        for (int64_t first = 0; first < ROWS; first += 8) {
            const int64_t count = ROWS - first < 8 ? ROWS - first : 8;
            float bx[8 * FAKE_FEATURES], by[8], loss;
            for (int64_t i = 0; i < count; i++) {
                const uint32_t row = order[first + i];
                const uint8_t *p = y + 8 + 4 * row;
                const uint32_t bits =
                    (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
                memcpy(&by[i], &bits, 4);
                for (uint32_t j = 0; j < FAKE_FEATURES; j++)
                    bx[i * FAKE_FEATURES + j] = (float)x[12 + row * FAKE_FEATURES + j] / 255;
            }
            const void *inputs[] = {bx, by};
            void *outputs[] = {&loss};
            ck_assert_int_eq(bmrt_step(h, FAKE_STEP, &count, inputs, outputs), BMRT_OK);
        }
    }
    char sha[65];
    bmrt_weights_sha256(h, sha);
    ck_assert_str_eq(sha, log.sha);
    bmrt_close(h);
    free(x);
    free(y);
}
END_TEST

START_TEST(threads_change_nothing_and_the_seed_everything) {
    Log first, log;
    BmrtTrainOptions o = options(&first);
    expect_ok(&o);
    for (int threads = 1; threads <= 7; threads++) {
        o = options(&log);
        o.threads = threads;
        expect_ok(&o);
        ck_assert_str_eq(first.sha, log.sha);
    }
    o = options(&log);
    o.seed_given = 1;
    o.seed = 8;
    expect_ok(&o);
    ck_assert_str_ne(first.sha, log.sha);
    o = options(&log);
    o.seed_given = 1;
    o.seed = fake.train[0].seed;
    expect_ok(&o);
    ck_assert_str_eq(first.sha, log.sha);
    fake.train[0].shuffle = 0;
    expect_ok(&o);
    ck_assert_str_ne(first.sha, log.sha);
}
END_TEST

/* Stops after every possible step, resumes, and compares the weights and every later metric. */
static void stop_everywhere(int kind) {
    Log whole, cut, rest;
    BmrtReport report;
    char path[1200];
    fake.train[0].save = (BmrtSaveKind)kind;
    fake.train[0].save_metric = "mse";
    fake.train[0].patience = 2;
    fake.train[0].patience_metric = "worst";
    BmrtTrainOptions o = options(&whole);
    expect_ok(&o);
    const int ticks = whole.kinds[BMRT_EVENT_TICK];
    ck_assert_int_ge(ticks, 8);
    for (int at = 1; at <= ticks; at++) {
        unlink(save);
        unlink(resume_file);
        o = options(&cut);
        cut.stop_at_tick = at;
        ck_assert_int_eq(run(&o, &report), BMRT_OK);
        ck_assert_int_eq(report.interrupted, 1);
        ck_assert_int_eq(cut.kinds[BMRT_EVENT_END], 0);
        o = options(&rest);
        ck_assert_int_eq(bmrt_resume_path(&fake.model, &o, path, sizeof path), 1);
        o.resume_path = path;
        o.threads = 3;
        expect_ok(&o);
        ck_assert_str_eq(whole.sha, rest.sha);
        ck_assert(whole.train_loss == rest.train_loss && whole.test_mse == rest.test_mse);
        ck_assert_int_eq(whole.kinds[BMRT_EVENT_EPOCH],
                         cut.kinds[BMRT_EVENT_EPOCH] + rest.kinds[BMRT_EVENT_EPOCH]);
        ck_assert_int_ne(access(resume_file, F_OK), 0);
    }
}

START_TEST(a_stopped_run_resumes_bit_for_bit) {
    fake.train[0].save_every_steps = 3;
    stop_everywhere(_i);
}
END_TEST

START_TEST(resuming_another_run_is_refused) {
    Log log;
    BmrtReport report;
    BmrtTrainOptions o = options(&log);
    log.stop_at_tick = 2;
    ck_assert_int_eq(run(&o, &report), BMRT_OK);
    o = options(&log);
    o.resume_path = save;
    fake.train[0].batch = 4;
    ck_assert_int_eq(run(&o, &report), BMRT_MISMATCH);
    ck_assert_str_eq(report.message, "the checkpoint is of a run with batch = 8; here it is 4");
    fake.train[0].batch = 8;
    o.seed_given = 1;
    o.seed = 99;
    ck_assert_int_eq(run(&o, &report), BMRT_MISMATCH);
    ck_assert_str_eq(report.message, "the checkpoint is of a run with seed = 7; here it is 99");
    o.seed_given = 0;
    o.resume_path = "nowhere.safetensors";
    ck_assert_int_eq(run(&o, &report), BMRT_IO);
    /* Weights without a position. */
    BmrtHandle *h;
    char other[1200];
    snprintf(other, sizeof other, "%s/other.safetensors", folder);
    ck_assert_int_eq(bmrt_open(&h, &fake.model, NULL, 1, 1), BMRT_OK);
    ck_assert_int_eq(bmrt_save(h, other, 1, NULL), BMRT_OK);
    bmrt_close(h);
    o.resume_path = other;
    ck_assert_int_eq(run(&o, &report), BMRT_MISMATCH);
    ck_assert_ptr_nonnull(strstr(report.message, "holds no position"));
    /* A changed program only warns. */
    fake.model.source_hash++;
    o = options(&log);
    o.resume_path = save;
    expect_ok(&o);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_WARNING], 1);
}
END_TEST

START_TEST(a_finished_run_can_be_prolonged) {
    Log log;
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    o = options(&log);
    o.resume_path = save;
    expect_ok(&o); /* nothing left to do */
    ck_assert_int_eq(log.kinds[BMRT_EVENT_EPOCH], 0);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_TEST], 1);
    fake.train[0].epochs = 5;
    o = options(&log);
    o.resume_path = save;
    expect_ok(&o);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_EPOCH], 2);
}
END_TEST

START_TEST(init_takes_weights_only) {
    Log first, log;
    BmrtTrainOptions o = options(&first);
    expect_ok(&o);
    o = options(&log);
    o.init_path = save;
    expect_ok(&o);
    ck_assert_str_ne(first.sha, log.sha);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_EPOCH], 3);
    ck_assert(log.train_loss < first.train_loss);
}
END_TEST

START_TEST(the_best_epoch_is_kept) {
    Log log;
    char sha[65];
    fake.train[0].save = BMRT_SAVE_BEST;
    fake.train[0].save_metric = "mse";
    fake.train[0].save_highest = 1; /* the worst epoch: the first */
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    memcpy(sha, log.sha, 65);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_SAVED], 1);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_BEST], 1);
    ck_assert_ptr_nonnull(strstr(log.lines, "{\"event\":\"best\",\"epoch\":1,\"valid\":{\"mse\":"));
    /* The same as stopping after one epoch, seen by one who plans three. */
    Log cut;
    fake.train[0].save = BMRT_SAVE_LAST;
    o = options(&cut);
    o.save_seconds = -1;
    cut.stop_at_tick = 5; /* the first step of epoch 2: the file is of the end of epoch 1 */
    o.save_nothing = 0;
    BmrtReport report;
    ck_assert_int_eq(run(&o, &report), BMRT_OK);
    Log t;
    o = options(&t);
    o.init_path = save;
    ck_assert_int_eq(bmrt_test(&fake.model, &o, &report), BMRT_OK);
    ck_assert(log.test_mse != t.test_mse); /* one step further */
    ck_assert_int_eq(cut.kinds[BMRT_EVENT_SAVED], 2);
}
END_TEST

START_TEST(patience_stops) {
    Log log;
    fake.train[0].epochs = 100;
    fake.train[0].patience = 2;
    fake.train[0].patience_metric = "mse";
    fake.train[0].patience_highest = 1; /* it only falls: never better */
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_EPOCH], 3);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_WARNING], 1);
}
END_TEST

START_TEST(steps_instead_of_epochs) {
    Log log;
    fake.train[0].epochs = 0;
    fake.train[0].steps = 12; /* 5 an epoch */
    fake.train[0].save = BMRT_SAVE_EVERY;
    fake.train[0].save_every_steps = 5;
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_EPOCH], 3);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_SAVED], 3);
    ck_assert_ptr_nonnull(strstr(log.lines, "\"epoch\":3,\"step\":12,"));
}
END_TEST

START_TEST(all_rows_are_one_batch) {
    Log log;
    fake.train[0].batch = 0;
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    ck_assert_ptr_nonnull(strstr(log.lines, "\"epoch\":3,\"step\":3,"));
}
END_TEST

START_TEST(two_blocks_run_in_order) {
    Log log, one, two;
    fake.model.train_count = 2;
    fake.train[0].name = "warm";
    fake.train[1] = fake.train[0];
    fake.train[1].name = "main";
    fake.train[1].epochs = 2;
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    ck_assert_int_eq(log.kinds[BMRT_EVENT_EPOCH], 5);
    ck_assert_ptr_nonnull(strstr(log.lines, "\"name\":\"main\""));
    /* Interrupted in the second block. */
    BmrtReport report;
    unlink(save);
    o = options(&one);
    one.stop_at_tick = 14; /* 12 ticks in the first */
    ck_assert_int_eq(run(&o, &report), BMRT_OK);
    ck_assert_int_eq(report.interrupted, 1);
    o = options(&two);
    o.resume_path = save;
    expect_ok(&o);
    ck_assert_str_eq(log.sha, two.sha);
    o = options(&two);
    o.block = "cool";
    ck_assert_int_eq(run(&o, &report), BMRT_ARGUMENT);
    ck_assert_str_eq(report.message, "there is no train block `cool`");
}
END_TEST

START_TEST(a_loss_that_explodes_saves_nothing_new) {
    Log log;
    BmrtReport report;
    size_t before_bytes, after_bytes;
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    char *before = fake_read(save, &before_bytes);
    /* y of one row is infinite. */
    size_t bytes;
    char path[1200];
    snprintf(path, sizeof path, "%s/train-y.idx", folder);
    uint8_t *y = fake_read(path, &bytes);
    for (size_t i = 8; i < bytes; i += 4) y[i] = 0x7f, y[i + 1] = 0x80, y[i + 2] = y[i + 3] = 0;
    fake_write(path, y, bytes);
    free(y);
    ck_assert_int_eq(run(&o, &report), BMRT_NUMERIC);
    ck_assert_str_eq(report.message, "the loss is not finite at step 1; nothing was written");
    char *after = fake_read(save, &after_bytes);
    ck_assert_uint_eq(before_bytes, after_bytes);
    ck_assert_mem_eq(before, after, after_bytes);
    ck_assert_int_eq(fake_leftovers(folder), 0);
    free(before);
    free(after);
}
END_TEST

START_TEST(an_unwritable_output_is_found_before_training) {
    Log log;
    BmrtReport report;
    BmrtTrainOptions o = options(&log);
    o.save_path = "/nowhere/at/all/net.safetensors";
    ck_assert_int_eq(run(&o, &report), BMRT_IO);
    ck_assert_ptr_nonnull(strstr(report.message, "cannot write `/nowhere/at/all/net.safetensors`"));
    ck_assert_int_eq(log.kinds[BMRT_EVENT_EPOCH], 0);
    o.save_path = NULL;
    fake.train[0].save_path = "../net.safetensors";
    ck_assert_int_eq(run(&o, &report), BMRT_ARGUMENT);
    o.save_nothing = 1;
    expect_ok(&o);
}
END_TEST

/* Every allocation and every file call fails in turn: a status with a message, no leak, no litter,
 * and the weights file is the old one or the new one. */
static void fail_everything(FakeCall what, int for_ever, int error) {
    Log log;
    BmrtReport report;
    size_t old_bytes, new_bytes, bytes;
    BmrtTrainOptions o = options(&log);
    fake.train[0].epochs = 1;
    expect_ok(&o);
    char *old = fake_read(save, &old_bytes);
    o.seed_given = 1;
    o.seed = 3;
    expect_ok(&o);
    char *new = fake_read(save, &new_bytes);
    for (long n = 1;; n++) {
        FakeFaults faults = {.what = what, .fail_at = n, .for_ever = for_ever, .error = error};
        const BmrtHooks hooks = fake_hooks(&faults);
        o.hooks = &hooks;
        fake_write(save, old, old_bytes);
        const BmrtStatus status = run(&o, &report);
        ck_assert_int_eq(faults.live, 0);
        ck_assert_int_eq(faults.live_bytes, 0);
        ck_assert_int_eq(faults.files, 0);
        ck_assert_int_eq(fake_leftovers(folder), 0);
        char *now = fake_read(save, &bytes);
        ck_assert((bytes == old_bytes && memcmp(now, old, bytes) == 0) ||
                  (bytes == new_bytes && memcmp(now, new, bytes) == 0));
        free(now);
        if (!faults.failed) {
            ck_assert_int_eq(status, BMRT_OK);
            ck_assert_int_gt(n, 10);
            break;
        }
        if (status == BMRT_OK) continue; /* a failed close of a file only read */
        ck_assert_int_eq(status, what == FAKE_ALLOC ? BMRT_MEMORY : BMRT_IO);
        ck_assert(strlen(report.message) > 10);
    }
    free(old);
    free(new);
}

START_TEST(no_memory) {
    fail_everything(FAKE_ALLOC, _i, 0);
}
END_TEST

START_TEST(disk_full_or_broken) {
    fail_everything(FAKE_FILE, _i % 2, _i < 2 ? ENOSPC : EIO);
}
END_TEST

START_TEST(interrupted_calls_are_tried_again) {
    Log log, other;
    BmrtTrainOptions o = options(&log);
    expect_ok(&o);
    FakeFaults faults = {.what = FAKE_FILE, .short_writes = 1};
    const BmrtHooks hooks = fake_hooks(&faults);
    o = options(&other);
    o.hooks = &hooks;
    expect_ok(&o);
    ck_assert_str_eq(log.sha, other.sha);
    BmrtHandle *h;
    ck_assert_int_eq(bmrt_open(&h, &fake.model, save, 0, 1), BMRT_OK);
    bmrt_close(h);
}
END_TEST

int main(void) {
    Suite *s = suite_create("train");
    TCase *t = tcase_create("train");
    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_run_learns_and_tells);
    tcase_add_test(t, metrics_are_of_the_whole_split);
    tcase_add_test(t, a_run_by_hand_is_the_same);
    tcase_add_test(t, threads_change_nothing_and_the_seed_everything);
    tcase_add_loop_test(t, a_stopped_run_resumes_bit_for_bit, 0, 3);
    tcase_add_test(t, resuming_another_run_is_refused);
    tcase_add_test(t, a_finished_run_can_be_prolonged);
    tcase_add_test(t, init_takes_weights_only);
    tcase_add_test(t, the_best_epoch_is_kept);
    tcase_add_test(t, patience_stops);
    tcase_add_test(t, steps_instead_of_epochs);
    tcase_add_test(t, all_rows_are_one_batch);
    tcase_add_test(t, two_blocks_run_in_order);
    tcase_add_test(t, a_loss_that_explodes_saves_nothing_new);
    tcase_add_test(t, an_unwritable_output_is_found_before_training);
    tcase_add_loop_test(t, no_memory, 0, 2);
    tcase_add_loop_test(t, disk_full_or_broken, 0, 4);
    tcase_add_test(t, interrupted_calls_are_tried_again);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
