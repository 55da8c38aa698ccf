/* The prelude against PyTorch: the cases that tools/compare_torch.py computed, through the
 * compiler. */
#include "tests/prelude/replay.h"

static void show(void *user, const BmcDiagnostic *d) {
    (void)user;
    fputs(d->text, stderr);
}

static const char *const GROUPS[] = {"activations", "convolutions", "losses",
                                     "layers",      "recurrent",    "training"};

START_TEST(group) {
    char path[512], *text = malloc(REPLAY_LINE);
    BmcOptions options = {.size_bytes = sizeof options, .level = -1, .on_diagnostic = show};
    BmcModel *model = NULL;
    snprintf(path, sizeof path, BMC_SOURCE_DIR "/tests/prelude/torch/%s.bm", GROUPS[_i]);
    ck_assert_int_eq(bmc_compile_file(path, &options, &model), BMC_OK);
    Replay r = {.model = bmc_model(model), .group = GROUPS[_i]};
    ck_assert_int_eq(bmrt_open(&r.handle, r.model, NULL, 0, 1), BMRT_OK);
    snprintf(path, sizeof path, BMC_SOURCE_DIR "/tests/prelude/torch/%s.txt", GROUPS[_i]);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(text, REPLAY_LINE, f)) {
        ck_assert_msg(strchr(text, '\n') != NULL, "a line too long");
        replay_line(&r, text);
    }
    fclose(f);
    printf("%s: %u comparisons, worst error %.2g of what is allowed\n", r.group, r.compared,
           r.worst);
    numbers_clear(r.inputs, &r.input_count);
    bmrt_close(r.handle);
    bmc_close(model);
    free(text);
    ck_assert_uint_gt(r.compared, 0);
    ck_assert_msg(r.failed == 0, "%u of %u comparisons of %s failed", r.failed, r.compared,
                  r.group);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("prelude against torch");
    TCase *tests = tcase_create("groups");
    tcase_add_loop_test(tests, group, 0, sizeof GROUPS / sizeof *GROUPS);
    tcase_set_timeout(tests, 280);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
