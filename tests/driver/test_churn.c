/* Compiling and closing over and over takes no more memory than doing it once.
 * BMC_CYCLES=10000 build/tests/test_churn is the long run; each cycle compiles a model with a
 * training step, opens it, steps, predicts, inspects, closes; every fourth one is wrong. */
#include "compiler/include/bmc.h"
#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char MODEL[] = "let width = 8\n"
                            "model net(x[B, 4]) -> [B, 3] = x |> dense(width, relu) |> dense(3)\n"
                            "train {\n"
                            "  step(x[B, 4], y[B]: i32) {\n"
                            "    loss = cross_entropy(net(x), y)\n"
                            "    minimize loss over net with adam(0.01)\n"
                            "    metric loss = loss\n"
                            "  }\n"
                            "}\n"
                            "export fn predict(x[B, 4]) -> [B, 3] = softmax(net(x))\n";
static const char WRONG[] = "model net(x[B, 4]) -> [B, 3] = x |> dense(8, reluu)\n"
                            "export fn f(x[B, 4]) -> [B, 4] = net(x)\n";

static void hear(void *user, const BmcDiagnostic *d) {
    *(int *)user += d->text[0] != '\0';
}

static void use(const BmcModel *model) {
    const BmrtModel *m = bmc_model(model);
    BmcInspection *inspection;
    BmrtHandle *h;
    float x[8] = {1, 2, 3}, out[6], loss;
    const int32_t y[2] = {0, 2};
    const int64_t two = 2;
    ck_assert_int_eq(bmrt_open(&h, m, NULL, 0, 1), BMRT_OK);
    ck_assert_int_eq(bmrt_step(h, (uint32_t)m->train[0].step_entry, &two, (const void *[]){x, y},
                               (void *[]){&loss}),
                     BMRT_OK);
    ck_assert_int_eq(bmrt_call(h, (uint32_t)bmrt_entry_find(m, "predict"), &two,
                               (const void *[]){x}, (void *[]){out}),
                     BMRT_OK);
    bmrt_close(h);
    ck_assert_int_eq(bmc_inspect(model, &inspection), BMC_OK);
    bmc_inspection_close(inspection);
}

static void cycle(int number) {
    char width[16];
    int told = 0;
    const int wrong = number % 4 == 3;
    snprintf(width, sizeof width, "%d", 5 + number % 13); /* other code, other sizes */
    const BmcDefine define = {"width", width};
    BmcOptions options = {.size_bytes = sizeof options,
                          .level = number % 3,
                          .on_diagnostic = hear,
                          .user = &told,
                          .defines = &define,
                          .define_count = !wrong};
    BmcModel *model;
    const char *text = wrong ? WRONG : MODEL;
    ck_assert_int_eq(bmc_compile_text("m.bm", text, strlen(text), &options, &model),
                     wrong ? BMC_INPUT : BMC_OK);
    ck_assert_int_eq(told > 0, wrong);
    if (!wrong) use(model);
    bmc_close(model);
}

/* Without what malloc keeps for later, which comes and goes with the sizes of the last models. */
static long resident_kib(void) {
    long pages = 0;
    malloc_trim(0);
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

START_TEST(flat_memory) {
    const char *given = getenv("BMC_CYCLES");
    const int cycles = given ? atoi(given) : 200, warm = 60;
    long resident = 0;
    size_t used = 0;
    ck_assert_int_gt(cycles, warm);
    for (int i = 0; i < cycles; i++) {
        cycle(i);
        if (i != warm) continue;
        resident = resident_kib();
        used = mallinfo2().uordblks;
    }
    const long grown = resident_kib() - resident;
    const long long kept = (long long)mallinfo2().uordblks - (long long)used;
    if (given) {
        printf("%d cycles: %lld bytes allocated more than after %d, resident %ld KiB more (%ld)\n",
               cycles, kept, warm, grown, resident);
        fflush(stdout); /* a failed check ends this process */
    }
#ifndef __SANITIZE_ADDRESS__          /* which keeps what was freed, and looks for leaks itself */
    ck_assert_int_le(kept, 16 << 10); /* not a byte a cycle */
    ck_assert_int_le(grown, 4 << 10);
#endif
}
END_TEST

int main(void) {
    Suite *suite = suite_create("churn");
    TCase *cases = tcase_create("churn");
    tcase_set_timeout(cases, 0);
    tcase_add_test(cases, flat_memory);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
