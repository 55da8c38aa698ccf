/* embed.c: a program that compiles models through bmc.h. */
#include "compiler/include/bmc.h"
#include <check.h>
#include <stdio.h>
#include <string.h>

typedef struct Seen {
    int errors;
    char code[8], text[2048];
    unsigned line, column;
} Seen;

static void see(void *user, const BmcDiagnostic *d) {
    Seen *seen = user;
    seen->errors += d->is_error;
    snprintf(seen->code, sizeof seen->code, "%s", d->code);
    snprintf(seen->text, sizeof seen->text, "%s", d->text);
    seen->line = d->line;
    seen->column = d->column;
}

static BmcOptions options_for(Seen *seen) {
    return (BmcOptions){
        .size_bytes = sizeof(BmcOptions), .level = -1, .on_diagnostic = see, .user = seen};
}

static const char MODEL[] = "let k = 3\n"
                            "export fn scale(x[B, 4]) -> [B, 4] = k * x\n";

static void call_scale(BmcModel *model, float want) {
    BmrtHandle *h = NULL;
    ck_assert_int_eq(bmrt_open(&h, bmc_model(model), NULL, 0, 1), BMRT_OK);
    int32_t entry = bmrt_entry_find(bmc_model(model), "scale");
    ck_assert_int_ge(entry, 0);
    const float x[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    float y[8] = {0};
    const int64_t rows = 2;
    ck_assert_int_eq(bmrt_call(h, (uint32_t)entry, &rows, (const void *[]){x}, (void *[]){y}),
                     BMRT_OK);
    for (int i = 0; i < 8; i++) ck_assert_float_eq(y[i], want);
    bmrt_close(h);
}

START_TEST(compile_and_call) {
    Seen seen = {0};
    BmcOptions o = options_for(&seen);
    BmcModel *model = NULL;
    ck_assert_int_eq(bmc_compile_text("scale.bm", MODEL, strlen(MODEL), &o, &model), BMC_OK);
    ck_assert_str_eq(bmc_model(model)->name, "scale");
    ck_assert_ptr_nonnull(strstr(bmrt_interface(bmc_model(model)),
                                 "\"dims\":[\"B\"],\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\","
                                 "\"shape\":[\"B\",4]}]"));
    call_scale(model, 3);
    const BmcDefine define = {"k", "5"};
    o.defines = &define;
    o.define_count = 1;
    BmcModel *other = NULL; /* two models live side by side */
    ck_assert_int_eq(bmc_compile_text("scale.bm", MODEL, strlen(MODEL), &o, &other), BMC_OK);
    call_scale(other, 5);
    call_scale(model, 3);
    bmc_close(model);
    bmc_close(other);
}
END_TEST

START_TEST(mistakes) {
    Seen seen = {0};
    BmcOptions o = options_for(&seen);
    BmcModel *model = (BmcModel *)&seen;
    static const char wrong[] = "export fn f(x[B]) -> [B] = x +\n   yy\n";
    ck_assert_int_eq(bmc_compile_text("w.bm", wrong, strlen(wrong), &o, &model), BMC_INPUT);
    ck_assert_ptr_null(model);
    ck_assert_int_eq(seen.errors, 1);
    ck_assert_str_eq(seen.code, "E0004");
    ck_assert_uint_eq(seen.line, 2);
    ck_assert_uint_eq(seen.column, 4);
    ck_assert_ptr_nonnull(strstr(seen.text, "w.bm:2:4: error: unknown name `yy`"));
    ck_assert_int_eq(bmc_compile_file("/no/such.bm", &o, &model), BMC_INPUT);
    ck_assert_str_eq(seen.code, "E0501");
    ck_assert_int_eq(bmc_compile_file(NULL, &o, &model), BMC_ARGUMENT);
    ck_assert_int_eq(bmc_compile_text("x", NULL, 0, &o, &model), BMC_ARGUMENT);
    o.size_bytes = 4;
    ck_assert_int_eq(bmc_compile_text("x", wrong, 3, &o, &model), BMC_ARGUMENT);
    bmc_close(NULL);
}
END_TEST

static void doubled(const BmrtExternArray *in, uint32_t in_count, BmrtExternArray *out) {
    const float *x = in[0].data;
    float *y = out[0].data;
    (void)in_count;
    for (int64_t i = 0; i < in[0].dims[0] * in[0].dims[1]; i++) y[i] = 2 * x[i];
}

/* A model calls the host's function; without the option it is refused. */
START_TEST(functions_of_the_host) {
    static const char TEXT[] = "extern fn doubled(x[B, n]) -> [B, n]\n"
                               "export fn scale(x[B, 4]) -> [B, 4] = doubled(doubled(x)) + 1\n";
    Seen seen = {0};
    BmcOptions o = options_for(&seen);
    BmcModel *model = NULL;
    ck_assert_int_eq(bmc_compile_text("m.bm", TEXT, strlen(TEXT), &o, &model), BMC_INPUT);
    ck_assert_str_eq(seen.code, "E0502");
    const BmcExtern externs[] = {{"doubled", doubled}};
    o.externs = externs;
    o.extern_count = 1;
    ck_assert_int_eq(bmc_compile_text("m.bm", TEXT, strlen(TEXT), &o, &model), BMC_OK);
    call_scale(model, 5);
    bmc_close(model);
    const char *const libraries[] = {"./nowhere.so"};
    o.extern_count = 0;
    o.libraries = libraries;
    o.library_count = 1;
    seen = (Seen){0};
    ck_assert_int_eq(bmc_compile_text("m.bm", TEXT, strlen(TEXT), &o, &model), BMC_INPUT);
    ck_assert_int_gt(seen.errors, 0);
}
END_TEST

static void count_shown(void *user, const char *text) {
    ck_assert_ptr_nonnull(strstr(text, "[2, 4] f32, 3"));
    ++*(int *)user;
}

START_TEST(shown_to_the_host) {
    static const char TEXT[] = "export fn scale(x[B, 4]) -> [B, 4] = show(3 * x)\n";
    Seen seen = {0};
    BmcOptions o = options_for(&seen);
    o.debug = 1;
    BmcModel *model = NULL;
    ck_assert_int_eq(bmc_compile_text("m.bm", TEXT, strlen(TEXT), &o, &model), BMC_OK);
    BmrtHandle *h = NULL;
    int shown = 0;
    float x[8] = {1, 1, 1, 1, 1, 1, 1, 1}, y[8];
    const int64_t rows = 2;
    ck_assert_int_eq(bmrt_open(&h, bmc_model(model), NULL, 0, 2), BMRT_OK);
    ck_assert_int_eq(bmrt_set_show(h, count_shown, &shown), BMRT_OK);
    const uint32_t entry = (uint32_t)bmrt_entry_find(bmc_model(model), "scale");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(bmrt_call(h, entry, &rows, (const void *[]){x}, (void *[]){y}), BMRT_OK);
    ck_assert_int_eq(shown, 3);
    bmrt_close(h);
    bmc_close(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("embed");
    TCase *cases = tcase_create("embed");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, functions_of_the_host);
    tcase_add_test(cases, shown_to_the_host);
    tcase_add_test(cases, compile_and_call);
    tcase_add_test(cases, mistakes);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
