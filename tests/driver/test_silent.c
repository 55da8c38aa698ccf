/* libbmc inside a program: whatever happens, nothing goes to standard output or error, nothing
 * exits, and the program's locale and floating-point environment stay as they are. */
#include "compiler/include/bmc.h"
#include "runtime/train/train.h"
#include <check.h>
#include <fenv.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char GOOD[] = "model net(x[B, 4]) -> [B, 3] = x |> dense(8, relu) |> dense(3)\n"
                           "train {\n"
                           "  epochs: 2\n"
                           "  step(x[B, 4], y[B]: i32) {\n"
                           "    loss = cross_entropy(net(x), y)\n"
                           "    minimize loss over net with adam(0.01)\n"
                           "    metric loss = loss\n"
                           "  }\n"
                           "}\n"
                           "export fn predict(x[B, 4]) -> [B, 3] = show(softmax(net(x)))\n";
static const char *const WRONG[] = {"export fn f(x[B]) -> [B] = x +\n  yy\n",
                                    "model { ] } \"",
                                    "\xff\xfe\x00",
                                    "let a = 1 let b",
                                    "export fn f(x[B, 4], w[3, 5]) -> [B, 5] = x @ w\n",
                                    "use \"nowhere.bm\"\n",
                                    "train {\n  data: nothing\n  loss: 1\n}\n",
                                    ""};

static void hear(void *user, const BmcDiagnostic *d) {
    *(int *)user += d->text[0] != '\0';
}

static void compile_wrong(void) {
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        int told = 0;
        BmcOptions options = {
            .size_bytes = sizeof options, .level = 1, .on_diagnostic = hear, .user = &told};
        BmcModel *model;
        BmcStatus status = bmc_compile_text("w.bm", WRONG[i], strlen(WRONG[i]), &options, &model);
        ck_assert_msg(status == (told ? BMC_INPUT : BMC_OK), "%zu: %d, %d told", i, status, told);
        bmc_close(model);
        options.on_diagnostic = NULL;
        ck_assert_int_eq(bmc_compile_text("w.bm", WRONG[i], strlen(WRONG[i]), &options, &model),
                         status);
        bmc_close(model);
    }
}

static void use_good(void) {
    BmcOptions options = {.size_bytes = sizeof options, .level = 1, .debug = 1};
    BmcModel *model;
    BmcInspection *inspection;
    BmrtHandle *h;
    ck_assert_int_eq(bmc_compile_text("g.bm", GOOD, strlen(GOOD), &options, &model), BMC_OK);
    ck_assert_int_eq(bmc_inspect(model, &inspection), BMC_OK);
    bmc_inspection_close(inspection);
    const BmrtModel *m = bmc_model(model);
    ck_assert_int_eq(bmrt_open(&h, m, "/no/such/weights", 0, 2), BMRT_IO);
    float x[8] = {0}, out[6], loss;
    int32_t y[2] = {0, 9};
    const int64_t two = 2;
    ck_assert_int_eq(bmrt_call(h, (uint32_t)bmrt_entry_find(m, "predict"), &two,
                               (const void *[]){x}, (void *[]){out}),
                     BMRT_OK);
    ck_assert_int_eq(bmrt_step(h, (uint32_t)m->train[0].step_entry, &two, (const void *[]){x, y},
                               (void *[]){&loss}),
                     BMRT_NUMERIC);
    bmrt_close(h);
    BmrtReport report;
    BmrtTrainOptions train = {.size_bytes = sizeof train, .save_nothing = 1};
    ck_assert_int_ne(bmrt_train(m, &train, &report), BMRT_OK); /* it has no data */
    ck_assert_int_ne(bmrt_test(m, &train, &report), BMRT_OK);
    bmc_close(model);
}

static void build_wrong(void) {
    BmcBuilder *b;
    BmcModel *model;
    BmcOptions options = {.size_bytes = sizeof options};
    ck_assert_int_eq(bmc_builder_open("b.bm", NULL, NULL, &b), BMC_OK);
    bmc_build_op(b, "no such op", NULL, 0);
    ck_assert_int_eq(bmc_builder_compile(b, &options, &model), BMC_INPUT);
    bmc_builder_close(b);
}

START_TEST(silent) {
    char name[] = "/tmp/bmc-silent-XXXXXX";
    const int file = mkstemp(name), out = dup(1), err = dup(2);
    struct stat written;
    char *locale = strdup(setlocale(LC_ALL, NULL));
    fflush(NULL);
    dup2(file, 1);
    dup2(file, 2);
    fesetround(FE_DOWNWARD);
    compile_wrong();
    use_good();
    build_wrong();
    const int rounding = fegetround();
    fesetround(FE_TONEAREST);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    ck_assert_int_eq(fstat(file, &written), 0);
    ck_assert_int_eq(written.st_size, 0);
    ck_assert_int_eq(rounding, FE_DOWNWARD);
    ck_assert_str_eq(locale, setlocale(LC_ALL, NULL));
    free(locale);
    unlink(name);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("silent");
    TCase *cases = tcase_create("silent");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, silent);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
