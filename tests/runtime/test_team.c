/* The thread team: barriers under stress and oversubscription, the floating-point environment.
 * Built with -fsanitize=thread it also shows that the team has no race
 * (tests/runtime/runtime.cmake). */
#define _DEFAULT_SOURCE /* usleep */
#include <check.h>
#include <fenv.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake_model.h"
#include "runtime/core/team.h"

#ifdef TSAN /* ten times slower */
enum { THREADS_MAX = 5, ROUNDS = 20 };
#else
enum { THREADS_MAX = 16, ROUNDS = 50 };
#endif

/* Each round every thread writes its own cell, meets the others, reads all cells, meets again.
 * Plain memory on purpose: only the barrier orders it. */
typedef struct Board {
    int64_t cells[THREADS_MAX];
    int64_t sums[THREADS_MAX];
    int wrong[THREADS_MAX]; /* Check's own asserts are not for threads */
    int rounds, runs, naps;
} Board;

static void play(BmrtFrame *f, int32_t thread, int32_t threads) {
    Board *board = (Board *)f->slots;
    int64_t sum = 0;
    for (int round = 0; round < board->rounds; round++) {
        board->cells[thread] = round * (thread + 1);
        if (board->naps && (round + thread) % 7 == 0) usleep(300);
        f->barrier(f, thread);
        for (int t = 0; t < threads; t++) {
            board->wrong[thread] += board->cells[t] != (int64_t)round * (t + 1);
            sum += board->cells[t];
        }
        f->barrier(f, thread);
    }
    board->sums[thread] = sum;
    if (thread == 0) board->runs++;
}

static void play_many(int threads, int runs, int rounds, int naps) {
    int error;
    Board board = {.rounds = rounds, .naps = naps};
    BmrtFrame frame = {.slots = (char *)&board};
    BmrtTeam *team = threads > 1 ? bmrt_team_create(bmrt_hooks_default(), threads, &error) : NULL;
    ck_assert((team != NULL) == (threads > 1));
    for (int i = 0; i < runs; i++) {
        bmrt_team_run(team, play, &frame);
        for (int t = 0; t < threads; t++) {
            ck_assert_int_eq(board.wrong[t], 0);
            ck_assert_int_eq(board.sums[t], board.sums[0]);
        }
        if (naps) usleep(500); /* lets the workers park */
    }
    ck_assert_int_eq(board.runs, runs);
    bmrt_team_destroy(team);
}

START_TEST(barriers_hold) {
    play_many(_i, 10, ROUNDS, 0); /* up to 16 threads, whatever the CPUs */
}
END_TEST

START_TEST(sleepers_are_woken) {
    play_many(_i, 20, 15, 1);
}
END_TEST

START_TEST(many_short_runs) {
    play_many(2, 5000, 0, 0);
    play_many(3, 1000, 1, 0);
}
END_TEST

/* The worker sleeps when told to; notes how many threads took part. */
typedef struct Naps {
    int32_t threads;
    bool sleep;
} Naps;
static void nap(BmrtFrame *f, int32_t thread, int32_t threads) {
    Naps *n = (Naps *)f->slots;
    if (thread == 0) n->threads = threads;
    if (thread != 0 && n->sleep) usleep(30000);
    f->barrier(f, thread);
}

/* Runs that take much longer than they can are followed by runs without the workers, then tried
 * again: the longer it stays so, the rarer. */
START_TEST(stalled_workers_are_left_out) {
    int error, together = 0;
    Naps naps = {.threads = 0};
    BmrtFrame frame = {.slots = (char *)&naps};
    BmrtTeam *team = bmrt_team_create(bmrt_hooks_default(), 2, &error);
    ck_assert_ptr_nonnull(team);
    for (int i = 0; i < 300; i++) bmrt_team_run_entry(team, nap, &frame);
    naps.sleep = true;
    for (int i = 0; i < 300; i++) {
        bmrt_team_run_entry(team, nap, &frame);
        together += naps.threads == 2;
        ck_assert(naps.threads == 1 || naps.threads == 2);
    }
    /* a stall is worth hundreds of such runs alone */
    ck_assert_int_le(together, 12);
    naps.sleep = false;
    for (int i = 0; i < 600 && naps.threads == 1; i++) bmrt_team_run_entry(team, nap, &frame);
    ck_assert_int_eq(naps.threads, 2);
    bmrt_team_destroy(team);
}
END_TEST

START_TEST(teams_come_and_go) {
    for (int i = 0; i < 100; i++) play_many(2 + i % (THREADS_MAX - 1), 1, 1, 0);
}
END_TEST

/* ------------------------------------------------------------------ environment */

static void observe(BmrtFrame *f, int32_t thread, int32_t threads) {
    int *wrong = (int *)f->slots;
    volatile double tiny = 5e-324, one = 1, three = 3;
    (void)threads;
    /* A denormal survives, and 1/3 is rounded to nearest. */
    wrong[thread] = tiny * one == 0 || -one / three != -0x1.5555555555555p-2 ||
                    one / three != 0x1.5555555555555p-2;
}

START_TEST(the_environment_is_the_contract_s) {
    int error, wrong[4];
    BmrtFrame frame = {.slots = (char *)wrong};
    BmrtTeam *team = bmrt_team_create(bmrt_hooks_default(), 4, &error);
    for (int threads = 1; threads <= 4; threads += 3) {
        memset(wrong, 0, sizeof wrong);
        fesetround(FE_UPWARD);
#if defined __SSE__
        __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040); /* FTZ and DAZ */
        const unsigned before = __builtin_ia32_stmxcsr();
#endif
        bmrt_team_run(threads > 1 ? team : NULL, observe, &frame);
        for (int t = 0; t < threads; t++) ck_assert_int_eq(wrong[t], 0);
#if defined __SSE__
        ck_assert_uint_eq(__builtin_ia32_stmxcsr(), before);
        __builtin_ia32_ldmxcsr(0x1f80);
#endif
        ck_assert_int_eq(fegetround(), FE_UPWARD);
        fesetround(FE_TONEAREST);
    }
    bmrt_team_destroy(team);
}
END_TEST

/* Handles of several threads at once, and one handle used by two: BUSY, never a mix. */
static FakeModel fake;

typedef struct Caller {
    BmrtHandle *h;
    int ok, busy, bad;
} Caller;

static void *call_often(void *argument) {
    Caller *c = argument;
    for (int i = 0; i < 2000; i++) {
        const int64_t rows = 8;
        float x[32] = {0}, y[8] = {0}, loss;
        const void *inputs[] = {x, y};
        void *outputs[] = {&loss};
        const BmrtStatus status = bmrt_step(c->h, FAKE_STEP, &rows, inputs, outputs);
        if (status == BMRT_OK)
            c->ok++;
        else if (status == BMRT_BUSY)
            c->busy++;
        else
            c->bad++;
    }
    return NULL;
}

START_TEST(handles_and_threads) {
    fake_model(&fake);
    for (int shared = 0; shared < 2; shared++) {
        BmrtHandle *h[2];
        Caller callers[2] = {{.ok = 0}};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(bmrt_open(&h[i], &fake.model, NULL, 1, 2), BMRT_OK);
            callers[i].h = h[shared ? 0 : i];
        }
        for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, call_often, &callers[i]);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
        ck_assert_int_eq(callers[0].bad + callers[1].bad, 0);
        const int64_t steps = bmrt_iteration(h[0]) + (shared ? 0 : bmrt_iteration(h[1]));
        ck_assert_int_eq(callers[0].ok + callers[1].ok, steps);
        if (!shared) ck_assert_int_eq(steps, 4000);
        bmrt_close(h[0]);
        bmrt_close(h[1]);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("team");
    TCase *t = tcase_create("team");
    tcase_set_timeout(t, 240);
    tcase_add_loop_test(t, barriers_hold, 1, THREADS_MAX + 1);
    tcase_add_loop_test(t, sleepers_are_woken, 2, 6);
    tcase_add_test(t, many_short_runs);
    tcase_add_test(t, stalled_workers_are_left_out);
    tcase_add_test(t, teams_come_and_go);
    tcase_add_test(t, the_environment_is_the_contract_s);
    tcase_add_test(t, handles_and_threads);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
