/* core/team.c for a library without threads (--single-thread): every entry runs on the caller's. */
#include <errno.h>

#include "runtime/core/environment.h"
#include "runtime/core/team.h"

static void no_barrier(BmrtFrame *frame, int32_t thread) {
    (void)frame;
    (void)thread;
}

void bmrt_team_run(BmrtTeam *team, BmrtEntryFn run, BmrtFrame *frame) {
    const BmrtEnvironment caller = bmrt_environment_enter();
    frame->team = team;
    frame->barrier = no_barrier;
    run(frame, 0, 1);
    bmrt_environment_leave(caller);
}

void bmrt_team_run_entry(BmrtTeam *team, BmrtEntryFn run, BmrtFrame *frame) {
    bmrt_team_run(team, run, frame);
}

int bmrt_thread_start(void *user, pthread_t *out, void *(*start)(void *), void *argument) {
    (void)user, (void)out, (void)start, (void)argument;
    return ENOTSUP;
}

BmrtTeam *bmrt_team_create(const BmrtHooks *hooks, int32_t threads, int *error) {
    (void)hooks, (void)threads;
    *error = ENOTSUP;
    return 0;
}

void bmrt_team_destroy(BmrtTeam *team) {
    (void)team;
}

int32_t bmrt_team_most(void) {
    return 1;
}

int32_t bmrt_cpu_count(void) {
    return 1;
}
