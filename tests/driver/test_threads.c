/* One model, many handles: 64 threads predict while one trains, each with a handle of its own, and
 * others compile and inspect. Built with -DCMAKE_BUILD_TYPE=Thread (preset `thread`) any race is
 * reported; in every build each result has the bits of a lone call.
 * BMC_ROUNDS=200 build-thread/tests/test_threads is the long run. */
#include "compiler/include/bmc.h"
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PREDICTORS = 64, ROWS = 5 };

static const char MODEL[] = "model net(x[B, 16]) -> [B, 3] {\n"
                            "  return x |> dense(32, relu) |> dropout(0.1) |> dense(3)\n"
                            "}\n"
                            "train {\n"
                            "  step(x[B, 16], y[B]: i32) {\n"
                            "    loss = cross_entropy(net(x), y)\n"
                            "    minimize loss over net with adam(0.01)\n"
                            "    metric loss = loss\n"
                            "  }\n"
                            "}\n"
                            "export fn predict(x[B, 16]) -> [B, 3] = softmax(net(x))\n";

typedef struct Shared {
    const BmcModel *model;
    int rounds;
    float x[ROWS * 16], want[ROWS * 3];
    int32_t y[ROWS];
    float want_loss; /* of the last step */
    atomic_int wrong;
} Shared;

static int rounds_wanted(void) {
    const char *given = getenv("BMC_ROUNDS");
    return given ? atoi(given) : 10;
}

static void expect(Shared *s, int fine) {
    if (!fine) atomic_fetch_add(&s->wrong, 1);
}

static BmrtStatus predict(const Shared *s, BmrtHandle *h, float *out) {
    const int64_t rows = ROWS;
    return bmrt_call(h, (uint32_t)bmrt_entry_find(bmc_model(s->model), "predict"), &rows,
                     (const void *[]){s->x}, (void *[]){out});
}

/* Every handle is opened with one seed, so all have the same weights. */
static void *predictor(void *user) {
    Shared *s = user;
    BmrtHandle *h = NULL;
    float out[ROWS * 3];
    expect(s, bmrt_open(&h, bmc_model(s->model), NULL, 3, 1) == BMRT_OK);
    for (int i = 0; i < s->rounds * 10; i++) {
        memset(out, 0, sizeof out);
        expect(s, predict(s, h, out) == BMRT_OK && memcmp(out, s->want, sizeof out) == 0);
    }
    bmrt_close(h);
    return NULL;
}

static float train(const Shared *s, int32_t threads, BmrtStatus *status) {
    BmrtHandle *h = NULL;
    float loss = 0;
    const int64_t rows = ROWS;
    const uint32_t step = (uint32_t)bmc_model(s->model)->train[0].step_entry;
    *status = bmrt_open(&h, bmc_model(s->model), NULL, 3, threads);
    for (int i = 0; i < s->rounds * 10 && *status == BMRT_OK; i++)
        *status = bmrt_step(h, step, &rows, (const void *[]){s->x, s->y}, (void *[]){&loss});
    bmrt_close(h);
    return loss;
}

static void *trainer(void *user) {
    Shared *s = user;
    BmrtStatus status;
    const float loss = train(s, 2, &status);
    expect(s, status == BMRT_OK && memcmp(&loss, &s->want_loss, sizeof loss) == 0);
    return NULL;
}

/* Two of them, with the same code, which meets in the code cache of neither. */
static void *compiler(void *user) {
    Shared *s = user;
    for (int i = 0; i < (s->rounds + 9) / 10; i++) {
        BmcOptions options = {.size_bytes = sizeof options, .level = 1};
        BmcModel *model = NULL;
        BmcInspection *inspection = NULL;
        expect(s, bmc_compile_text("m.bm", MODEL, strlen(MODEL), &options, &model) == BMC_OK);
        expect(s, bmc_inspect(model, &inspection) == BMC_OK);
        bmc_inspection_close(inspection);
        bmc_close(model);
        expect(s, bmc_inspect(s->model, &inspection) == BMC_OK);
        expect(s, bmc_inspect_kernel(inspection, 0, 0) != NULL);
        bmc_inspection_close(inspection);
    }
    return NULL;
}

START_TEST(side_by_side) {
    Shared s = {.rounds = rounds_wanted()};
    BmcOptions options = {.size_bytes = sizeof options, .level = 1};
    BmcModel *model = NULL;
    BmrtHandle *h = NULL;
    BmrtStatus status;
    for (int i = 0; i < ROWS * 16; i++) s.x[i] = (float)((i * 13) % 17) / 17;
    for (int i = 0; i < ROWS; i++) s.y[i] = i % 3;
    ck_assert_int_eq(bmc_compile_text("m.bm", MODEL, strlen(MODEL), &options, &model), BMC_OK);
    s.model = model;
    ck_assert_int_eq(bmrt_open(&h, bmc_model(model), NULL, 3, 1), BMRT_OK);
    ck_assert_int_eq(predict(&s, h, s.want), BMRT_OK);
    bmrt_close(h);
    s.want_loss = train(&s, 1, &status);
    ck_assert_int_eq(status, BMRT_OK);
    pthread_t threads[PREDICTORS + 3];
    for (int t = 0; t < PREDICTORS + 3; t++)
        ck_assert_int_eq(pthread_create(&threads[t], NULL,
                                        t == 0  ? trainer
                                        : t < 3 ? compiler
                                                : predictor,
                                        &s),
                         0);
    for (int t = 0; t < PREDICTORS + 3; t++) pthread_join(threads[t], NULL);
    ck_assert_int_eq(atomic_load(&s.wrong), 0);
    bmc_close(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("threads");
    TCase *cases = tcase_create("threads");
    tcase_set_timeout(cases, 0);
    tcase_add_test(cases, side_by_side);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the sanitizer reports at the process's end */
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
