/* A run that is killed (SIGKILL) at random moments and resumed each time ends with the very weights
 * of one that ran through. BMC_KILLS: how many kills (default 25). */
#define _DEFAULT_SOURCE /* usleep */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_model.h"
#include "runtime/core/checkpoint.h"
#include "runtime/train/train.h"

enum { EPOCHS = 60 };

static FakeModel fake;
static char folder[1024], save[1100];

static void on_event(void *user, const BmrtEvent *e) {
    (void)user;
    (void)e;
}

static BmrtStatus train(const char *resume, BmrtReport *report) {
    const BmrtTrainOptions o = {.size_bytes = sizeof o,
                                .data_dir = folder,
                                .threads = 2,
                                .save_path = save,
                                .resume_path = resume,
                                .save_seconds = -1, /* at every epoch */
                                .event = on_event};
    return bmrt_train(&fake.model, &o, report);
}

static void fingerprint(const char *path, char out[65]) {
    BmrtHandle *h;
    ck_assert_int_eq(bmrt_open(&h, &fake.model, path, 0, 1), BMRT_OK);
    bmrt_weights_sha256(h, out);
    bmrt_close(h);
}

/* In a child: trains on from whatever is there. Never returns. */
static void child(void) {
    char path[1200];
    BmrtReport report;
    const BmrtTrainOptions o = {.size_bytes = sizeof o, .save_path = save};
    const int there = bmrt_resume_path(&fake.model, &o, path, sizeof path);
    const BmrtStatus status = train(there ? path : NULL, &report);
    if (status != BMRT_OK) fprintf(stderr, "%s\n", report.message);
    _exit(status == BMRT_OK ? 0 : 1);
}

START_TEST(killed_and_resumed) {
    char whole[65], killed[65];
    BmrtReport report;
    unsigned random = 12345;
    const char *wish = getenv("BMC_KILLS");
    const int kills = wish ? atoi(wish) : 25;
    fake_model(&fake);
    fake.train[0].epochs = EPOCHS;
    fake.train[0].save = (BmrtSaveKind)_i;
    fake.train[0].save_metric = "mse";
    snprintf(folder, sizeof folder, "%s", fake_folder("kill"));
    snprintf(save, sizeof save, "%s/net.safetensors", folder);
    fake_dataset(folder, "train", 80, 1);
    fake_dataset(folder, "test", 20, 2);
    ck_assert_int_eq(train(NULL, &report), BMRT_OK);
    fingerprint(save, whole);
    unlink(save);
    int done = 0, killed_count = 0;
    while (!done) {
        int status;
        const pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) child();
        random = random * 1664525u + 1013904223u;
        if (killed_count < kills) {
            usleep(random >> 16 & 0xfff); /* up to 4 ms */
            kill(pid, SIGKILL);
            killed_count++;
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        done = WIFEXITED(status);
        if (done) ck_assert_int_eq(WEXITSTATUS(status), 0);
    }
    fingerprint(save, killed);
    ck_assert_str_eq(whole, killed);
    printf("%d kills, the same weights\n", killed_count);
}
END_TEST

int main(void) {
    Suite *s = suite_create("kill");
    TCase *t = tcase_create("kill");
    tcase_set_timeout(t, 3600);
    tcase_add_loop_test(t, killed_and_resumed, 0, 2); /* LAST and BEST */
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
