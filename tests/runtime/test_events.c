/* Events rendered: JSON to the letter, lines, and a progress bar that keeps to its width. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/train/train.h"

static const BmrtMetric metrics[] = {{"loss", 0.5}, {"accuracy", 0.1}};
static const BmrtMetric valid[] = {{"loss", NAN}};

static void expect_json(BmrtEvent e, const char *expected) {
    char out[1024], small[16];
    const size_t need = bmrt_event_json(&e, out, sizeof out);
    ck_assert_str_eq(out, expected);
    ck_assert_uint_eq(need, strlen(expected));
    ck_assert_uint_eq(bmrt_event_json(&e, small, sizeof small), need);
    ck_assert_int_eq(strncmp(small, expected, strlen(small)), 0);
    ck_assert_uint_eq(bmrt_event_json(&e, NULL, 0), need);
}

START_TEST(json_is_exact) {
    expect_json(
        (BmrtEvent){.kind = BMRT_EVENT_EPOCH,
                    .epoch = 1,
                    .step = 469,
                    .metrics = metrics,
                    .metric_count = 2,
                    .seconds = 1.23456},
        "{\"event\":\"epoch\",\"epoch\":1,\"step\":469,\"train\":{\"loss\":0.5,\"accuracy\":"
        "0.1},\"seconds\":1.235}");
    expect_json(
        (BmrtEvent){.kind = BMRT_EVENT_EPOCH,
                    .name = "warm",
                    .epoch = 1,
                    .step = 1,
                    .metrics = metrics,
                    .metric_count = 1,
                    .valid = valid,
                    .valid_count = 1},
        "{\"event\":\"epoch\",\"name\":\"warm\",\"epoch\":1,\"step\":1,\"train\":{\"loss\":0.5},"
        "\"valid\":{\"loss\":null},\"seconds\":0}");
    expect_json((BmrtEvent){.kind = BMRT_EVENT_TEST, .metrics = metrics, .metric_count = 1},
                "{\"event\":\"test\",\"name\":\"test\",\"metrics\":{\"loss\":0.5}}");
    expect_json((BmrtEvent){.kind = BMRT_EVENT_SAVED, .path = "a \"b\"\\\n\t\xff\xc3\xa9"},
                "{\"event\":\"saved\",\"path\":\"a \\\"b\\\"\\\\\\n\\u0009\xef\xbf\xbd\xc3\xa9\"}");
    expect_json((BmrtEvent){.kind = BMRT_EVENT_WARNING, .message = "careful"},
                "{\"event\":\"warning\",\"message\":\"careful\"}");
    expect_json(
        (BmrtEvent){.kind = BMRT_EVENT_END, .steps = 10, .seconds = 2, .weights_sha256 = "ab"},
        "{\"event\":\"end\",\"steps\":10,\"seconds\":2,\"weights_sha256\":\"ab\"}");
    expect_json((BmrtEvent){.kind = BMRT_EVENT_TICK}, "");
}
END_TEST

START_TEST(json_numbers_read_back) {
    const double values[] = {0.1, 1.0 / 3, 1e300, -2.5e-308, 123456789.123, 0.87649999999999995};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        const BmrtMetric m = {"v", values[i]};
        char out[256];
        double back;
        bmrt_event_json(&(BmrtEvent){.kind = BMRT_EVENT_TEST, .metrics = &m, .metric_count = 1},
                        out, sizeof out);
        ck_assert_int_eq(sscanf(strstr(out, "\"v\":") + 4, "%lf", &back), 1);
        ck_assert(back == values[i]);
    }
}
END_TEST

static const char *line(BmrtEvent e) {
    static char out[512];
    ck_assert_uint_eq(bmrt_event_line(&e, 0, out, sizeof out), strlen(out));
    return out;
}

START_TEST(lines_for_people) {
    BmrtEvent e = {.kind = BMRT_EVENT_EPOCH,
                   .epoch = 3,
                   .epochs = 10,
                   .metrics = metrics,
                   .metric_count = 2,
                   .valid = valid,
                   .valid_count = 1,
                   .seconds = 61};
    ck_assert_str_eq(line(e),
                     "epoch 3/10  loss 0.5000  accuracy 0.1000  valid:  loss nan  1 min 01 s");
    e.kind = BMRT_EVENT_TEST;
    ck_assert_str_eq(line(e), "Test loss: 0.5000\nTest accuracy: 0.1000");
    ck_assert_str_eq(line((BmrtEvent){.kind = BMRT_EVENT_SAVED, .path = "x"}), "saved x");
    BmrtMetric chosen = {"loss", 0.25};
    ck_assert_str_eq(
        line((BmrtEvent){
            .kind = BMRT_EVENT_BEST, .epoch = 2, .metric_count = 1, .metrics = &chosen}),
        "on with the weights of epoch 2, the best by valid:  loss 0.2500");
    ck_assert_str_eq(line((BmrtEvent){.kind = BMRT_EVENT_END, .steps = 5, .seconds = 7300}),
                     "5 steps in 2 h 01 min");
    ck_assert_str_eq(line((BmrtEvent){.kind = BMRT_EVENT_TICK}), "");
}
END_TEST

/* Columns of a bar: no escapes but \r first and "erase to the end" last. */
static int columns(const char *bar) {
    int count = 0;
    ck_assert_int_eq(bar[0], '\r');
    ck_assert_str_eq(bar + strlen(bar) - 3, "\x1b[K");
    for (const char *at = bar + 1; at < bar + strlen(bar) - 3; at++)
        count += ((unsigned char)*at & 0xc0) != 0x80;
    return count;
}

START_TEST(the_bar_keeps_to_its_width) {
    char out[1024];
    for (int width = 1; width < 200; width++)
        for (int64_t step = 0; step <= 100; step += 5) {
            BmrtEvent e = {.kind = BMRT_EVENT_TICK,
                           .epoch = 2,
                           .epochs = 10,
                           .epoch_step = step,
                           .epoch_steps = 100,
                           .step = 100 + step,
                           .steps = 1000,
                           .seconds = 0.5,
                           .metrics = metrics,
                           .metric_count = 2};
            ck_assert_uint_lt(bmrt_progress_bar(&e, width, 0, width % 2, out, sizeof out),
                              sizeof out);
            ck_assert_int_lt(columns(out), width);
        }
    BmrtEvent e = {.kind = BMRT_EVENT_TICK,
                   .epoch = 1,
                   .epochs = 2,
                   .epoch_step = 50,
                   .epoch_steps = 100,
                   .step = 50,
                   .steps = 200,
                   .seconds = 0.5,
                   .metrics = metrics,
                   .metric_count = 1};
    bmrt_progress_bar(&e, 100, 0, 0, out, sizeof out);
    ck_assert_str_eq(
        out, "\repoch 1/2 [##########..........]  50%  100 step/s  ETA 1.5 s  loss 0.5000\x1b[K");
    e.kind = BMRT_EVENT_EPOCH;
    ck_assert_uint_eq(bmrt_progress_bar(&e, 100, 0, 0, out, sizeof out), 0);
    ck_assert_str_eq(out, "");
}
END_TEST

int main(void) {
    Suite *s = suite_create("events");
    TCase *t = tcase_create("events");
    tcase_add_test(t, json_is_exact);
    tcase_add_test(t, json_numbers_read_back);
    tcase_add_test(t, lines_for_people);
    tcase_add_test(t, the_bar_keeps_to_its_width);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
