/* Training steps: scheduled, they give the reference evaluator's bits, for every option, thread
 * count and batch size, full and short. */
#include "compare_kit.h"
#include "step_sample.h"

static void check_step(const StepSpec *spec, const int64_t *batches, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        Context *ctx = context_create();
        StepSample *s = step_sample(ctx, spec);
        Compare c = {.ctx = ctx,
                     .program = &s->program,
                     .entry = &s->entry,
                     .seed = 11 + i,
                     .index_limit = (double)spec->width[spec->layers]};
        c.symbols[0] = batches[i];
        compare_inputs(&c);
        const char *problem = compare_all(&c);
        ck_assert_msg(!problem, "batch %lld: %s", (long long)batches[i], problem);
        context_destroy(ctx);
    }
}

START_TEST(small_layers) {
    StepSpec spec = {.batch = 32, .width = {7, 20, 5}, .layers = 2, .dtype = DTYPE_F32};
    check_step(&spec, (const int64_t[]){32, 1, 9, 17}, 4);
}
END_TEST

START_TEST(dropout_and_tiles) {
    StepSpec spec = {
        .batch = 24, .width = {33, 64, 48, 10}, .layers = 3, .dropout = true, .dtype = DTYPE_F32};
    check_step(&spec, (const int64_t[]){24, 5}, 2);
}
END_TEST

START_TEST(doubles) {
    StepSpec spec = {.batch = 16, .width = {6, 18, 3}, .layers = 2, .dtype = DTYPE_F64};
    check_step(&spec, (const int64_t[]){16, 11}, 2);
}
END_TEST

START_TEST(one_layer_wide) {
    StepSpec spec = {.batch = 40, .width = {3, 100}, .layers = 1, .dtype = DTYPE_F32};
    check_step(&spec, (const int64_t[]){40, 39}, 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schedule step");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, small_layers);
    tcase_add_test(t, dropout_and_tiles);
    tcase_add_test(t, doubles);
    tcase_add_test(t, one_layer_wide);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
