/* profile_record.c: what a recorder makes of the marks of threads. */
#include "compiler/driver/profile.h"
#include <check.h>

static Recorder *two_threads(Context *ctx) {
    Recorder *r = recorder_create(ctx->arena, 2, 3);
    r->team = 2;
    return r;
}

static void one_step(Recorder *r, int32_t threads) {
    for (int32_t t = 0; t < threads; t++) {
        recorder_mark(r, t, threads, BMRT_MARK_BEGIN);
        for (uint32_t i = 0; i < r->positions; i++) recorder_mark(r, t, threads, i);
        recorder_mark(r, t, threads, BMRT_MARK_END);
    }
}

START_TEST(kernels_are_counted_and_fill_the_step) {
    Context *ctx = context_create();
    Recorder *r = two_threads(ctx);
    r->mode = RECORD_KERNELS;
    for (int i = 0; i < 5; i++) one_step(r, 2);
    for (int32_t t = 0; t < 2; t++)
        for (uint32_t i = 0; i < 3; i++) ck_assert_uint_eq(r->of_thread[t].calls[i], 5);
    const ThreadRecord *first = &r->of_thread[0];
    ck_assert_uint_ge(first->last, first->begin);
    ck_assert_uint_ge(first->end, first->last);
    ck_assert(recorder_step_ns(r) >= (double)(first->end - first->begin));
    context_destroy(ctx);
}
END_TEST

START_TEST(a_step_as_a_whole_times_no_kernel) {
    Context *ctx = context_create();
    Recorder *r = two_threads(ctx);
    r->mode = RECORD_STEP;
    one_step(r, 2);
    ck_assert(recorder_step_ns(r) >= 0);
    ck_assert_uint_eq(r->of_thread[0].calls[0], 0);
    ck_assert_uint_eq(r->of_thread[0].ticks[0], 0);
    context_destroy(ctx);
}
END_TEST

START_TEST(warming_up_leaves_nothing_but_the_number_of_threads) {
    Context *ctx = context_create();
    Recorder *r = two_threads(ctx);
    one_step(r, 2);
    ck_assert_int_eq(r->ran, 2);
    ck_assert_uint_eq(r->of_thread[0].begin, 0);
    one_step(r, 1);
    ck_assert_int_eq(r->ran, 1);
    context_destroy(ctx);
}
END_TEST

START_TEST(another_number_of_threads_is_left_out) {
    Context *ctx = context_create();
    Recorder *r = two_threads(ctx);
    r->mode = RECORD_KERNELS;
    one_step(r, 1);
    ck_assert(recorder_step_ns(r) < 0);
    ck_assert_uint_eq(r->of_thread[0].calls[0], 0);
    one_step(r, 2);
    ck_assert(recorder_step_ns(r) >= 0);
    ck_assert_uint_eq(r->of_thread[0].calls[0], 1);
    context_destroy(ctx);
}
END_TEST

START_TEST(stamps_stay_within_their_room) {
    Context *ctx = context_create();
    Recorder *r = two_threads(ctx);
    r->mode = RECORD_KERNELS;
    one_step(r, 2);
    recorder_trace_room(r, ctx->arena, 1, 2);
    const uint32_t room = r->of_thread[0].stamp_room;
    ck_assert_uint_ge(room, 2 * 5);
    r->mode = RECORD_TRACE;
    for (int i = 0; i < 100; i++) one_step(r, 2);
    ck_assert_uint_eq(r->of_thread[0].stamp_count, room);
    ck_assert_uint_eq(r->of_thread[0].stamps[0].position, BMRT_MARK_BEGIN);
    for (uint32_t i = 1; i < room; i++)
        ck_assert_uint_ge(r->of_thread[0].stamps[i].ticks, r->of_thread[0].stamps[i - 1].ticks);
    context_destroy(ctx);
}
END_TEST

START_TEST(the_machine_has_a_peak) {
    Context *ctx = context_create();
    MachinePeak one;
    CodegenOptions options = {.cpu = "x86-64-v3", .debug_verify = true};
    ck_assert(machine_peak(ctx, &options, 1, &one));
    ck_assert(one.fma_gflops > 1 && one.fma_gflops < 2000);
    ck_assert(one.memory_gbs > 0.1 && one.memory_gbs < 5000);
    ck_assert(one.cache_gbs > 0.1 && one.cache_gbs < 10000);
    CodegenOptions elsewhere = {.cpu = "sapphirerapids-of-mars"};
    ck_assert(!machine_peak(ctx, &elsewhere, 1, &one));
    ck_assert_uint_eq(diags_errors(ctx->diags), 1);
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("profile_record");
    TCase *cases = tcase_create("marks");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, kernels_are_counted_and_fill_the_step);
    tcase_add_test(cases, a_step_as_a_whole_times_no_kernel);
    tcase_add_test(cases, warming_up_leaves_nothing_but_the_number_of_threads);
    tcase_add_test(cases, another_number_of_threads_is_left_out);
    tcase_add_test(cases, stamps_stay_within_their_room);
    tcase_add_test(cases, the_machine_has_a_peak);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
