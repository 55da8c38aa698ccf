/* The SPMD thread team: all threads enter one function together, meet at barriers, and leave. */
#ifndef BMRT_TEAM_H
#define BMRT_TEAM_H

#include "runtime/core/hooks.h"

#define BMRT_THREADS_MAX 1024

typedef struct BmrtTeam BmrtTeam;

/* Starts threads - 1 workers; the caller is thread 0. threads >= 2. On failure NULL and *error is
 * an errno value; nothing is left running. */
BmrtTeam *bmrt_team_create(const BmrtHooks *hooks, int32_t threads, int *error);
/* Stops and joins the workers. Not while a run is in progress. */
void bmrt_team_destroy(BmrtTeam *team);
/* Runs `run` on all threads and returns when all have left it. Sets frame->barrier and frame->team.
 * team NULL: runs inline as the only thread. The floating-point environment inside is the default
 * one (round to nearest, denormals kept); the caller's is restored. */
void bmrt_team_run(BmrtTeam *team, BmrtEntryFn run, BmrtFrame *frame);
/* The same for code whose results do not depend on the number of threads (compiled entries): while
 * other processes keep the workers from their CPUs, the caller runs it alone. */
void bmrt_team_run_entry(BmrtTeam *team, BmrtEntryFn run, BmrtFrame *frame);

int32_t bmrt_team_most(void); /* threads that a team may have */
int32_t bmrt_cpu_count(void); /* CPUs this process may use, >= 1 */

#endif
