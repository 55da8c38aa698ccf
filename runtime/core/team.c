/* Thread team with spin-then-park waiting.
 *
 * A run is one store (job number) and one counter (done): workers watch `job`, the caller watches
 * `done`. A barrier is one counter and one phase number. Everybody who waits first spins, because
 * within a step the wait is far shorter than a system call, then sleeps on a futex, because between
 * steps, or when there are more threads than CPUs, spinning only steals the CPU from whoever is
 * awaited. A waker makes a system call only when somebody sleeps: it changes the word, then reads
 * the sleeper count; a sleeper raises the count, then reads the word again; both sequentially
 * consistent, so one of the two always sees the other (Dekker).
 *
 * Other processes may want the CPUs. A thread that lost its CPU comes back after milliseconds, and
 * sooner if the waiting one gives up its own: waits that turn out that long halve the time that is
 * spun, shorter ones double it again. And an entry that takes much longer than it can is run by the
 * caller alone for a while (its bits do not depend on how many threads there are), the longer the
 * more often that happens, unless alone turns out to be slower still. */
#define _GNU_SOURCE /* sched_getaffinity, syscall */
#include "runtime/core/team.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "runtime/core/environment.h"
#include "runtime/core/memory.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

enum {
    SPIN_FIRST = 64,          /* pauses before the clock is asked */
    YIELDS = 16,              /* when oversubscribed: let the awaited thread run */
    BARRIER_SPIN_NS = 500000, /* a step's imbalance; no system call inside a step below this */
    LEAST_SPIN_NS = 4000,
    JOB_SPIN_NS = 200000, /* between steps the caller gathers rows and makes metrics */
    STALL_NS = 100000,    /* beyond the noise of a run */
    ALONE_MOST = 512,     /* runs without the workers after a stall */
    SHARE_MOST = 8,       /* runs alone may cost so many halves of what stalls cost */
    SLOW_ALONE = 2,       /* runs in a row that are as slow without the workers: no accident */
    TRIALS = 8
};

typedef struct Worker {
    BmrtTeam *team;
    pthread_t thread;
    int32_t number;
} Worker;

typedef struct Watched { /* a word that threads wait on; alone on its cache line */
    _Alignas(64) _Atomic uint32_t word;
    _Atomic uint32_t sleepers;
} Watched;

/* How long an entry takes with the workers and without. */
typedef struct Trial {
    BmrtEntryFn run;
    int64_t best_ns, together_ns; /* the least, creeping up; of the last run with the workers */
    int64_t alone_ns;             /* the least without the workers; 0: not known */
    int32_t alone, share, slow; /* runs left to do alone; of SHARE_MOST; slow ones alone in a row */
    bool stalled;               /* the last run with the workers was one */
} Trial;

struct BmrtTeam {
    const BmrtHooks *hooks;
    Worker *workers; /* threads - 1 */
    int32_t threads;
    bool oversubscribed;
    bool quit;
    BmrtEntryFn run; /* of the current job; published by job.word */
    BmrtFrame *frame;
    Watched job;                 /* number of the current job */
    Watched done;                /* workers that have left it */
    Watched phase;               /* barriers passed */
    _Atomic int64_t patience_ns; /* spun at barriers; LEAST_SPIN_NS to BARRIER_SPIN_NS */
    Trial trials[TRIALS];        /* the caller's */
    _Alignas(64) _Atomic uint32_t arrived;
};

static inline void pause_briefly(void) {
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#elif defined __riscv
    __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010"); /* pause, a hint that all accept */
#endif
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Sleeps while *word == old. May return early. */
static void park(_Atomic uint32_t *word, uint32_t old) {
#ifdef __linux__
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
#else
    struct timespec nap = {0, 50000};
    if (atomic_load(word) == old) nanosleep(&nap, NULL);
#endif
}

static void unpark_all(_Atomic uint32_t *word) {
#ifdef __linux__
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff, NULL, NULL, 0);
#else
    (void)word;
#endif
}

/* true: the word has left `old`. */
static bool spin_while(const BmrtTeam *team, _Atomic uint32_t *word, uint32_t old,
                       int64_t spin_ns) {
    for (int i = 0; i < SPIN_FIRST; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return true;
        pause_briefly();
    }
    if (team->oversubscribed) {
        for (int i = 0; i < YIELDS; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != old) return true;
            sched_yield();
        }
        return false;
    }
    for (const int64_t end = now_ns() + spin_ns; now_ns() < end;) {
        for (int i = 0; i < SPIN_FIRST; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != old) return true;
            pause_briefly();
        }
    }
    return false;
}

static void wait_while(const BmrtTeam *team, Watched *w, uint32_t old, int64_t spin_ns) {
    if (spin_while(team, &w->word, old, spin_ns)) return;
    atomic_fetch_add(&w->sleepers, 1);
    while (atomic_load(&w->word) == old) park(&w->word, old);
    atomic_fetch_sub(&w->sleepers, 1);
}

/* Learns from a wait of `ns` inside a run. */
static void patience_adapt(BmrtTeam *team, int64_t ns) {
    int64_t spin = atomic_load_explicit(&team->patience_ns, memory_order_relaxed);
    spin = ns >= BARRIER_SPIN_NS ? spin / 2 : 2 * spin;
    if (spin < LEAST_SPIN_NS) spin = LEAST_SPIN_NS;
    if (spin > BARRIER_SPIN_NS) spin = BARRIER_SPIN_NS;
    atomic_store_explicit(&team->patience_ns, spin, memory_order_relaxed);
}

/* Waits inside a run: short ones without asking the clock. */
static void wait_inside(BmrtTeam *team, Watched *w, uint32_t old) {
    for (int i = 0; i < SPIN_FIRST; i++) {
        if (atomic_load_explicit(&w->word, memory_order_acquire) != old) return;
        pause_briefly();
    }
    const int64_t start = now_ns();
    wait_while(team, w, old, atomic_load_explicit(&team->patience_ns, memory_order_relaxed));
    const int64_t waited = now_ns() - start;
    patience_adapt(team, waited);
}

/* Adds one to the word and wakes who sleeps on it. */
static uint32_t advance(Watched *w, bool wake) {
    const uint32_t value = atomic_fetch_add(&w->word, 1) + 1;
    if (wake && atomic_load(&w->sleepers) != 0) unpark_all(&w->word);
    return value;
}

static void team_barrier(BmrtFrame *frame, int32_t thread) {
    BmrtTeam *team = frame->team;
    /* The phase cannot move before this thread has arrived, so it may be read first. */
    const uint32_t phase = atomic_load_explicit(&team->phase.word, memory_order_relaxed);
    (void)thread;
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 ==
        (uint32_t)team->threads) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        advance(&team->phase, true);
    } else {
        wait_inside(team, &team->phase, phase);
    }
}

static void lonely_barrier(BmrtFrame *frame, int32_t thread) {
    (void)frame;
    (void)thread;
}

static void *worker_main(void *argument) {
    Worker *self = argument;
    BmrtTeam *team = self->team;
    (void)bmrt_environment_enter();
    for (uint32_t job = 0;; job++) {
        wait_while(team, &team->job, job, JOB_SPIN_NS);
        if (team->quit) return NULL;
        team->run(team->frame, self->number, team->threads);
        /* Only the last one to leave wakes the caller. */
        if (advance(&team->done, false) == (uint32_t)team->threads - 1 &&
            atomic_load(&team->done.sleepers) != 0)
            unpark_all(&team->done.word);
    }
}

static void wait_for_workers(BmrtTeam *team) {
    const uint32_t all = (uint32_t)team->threads - 1;
    uint32_t seen = atomic_load_explicit(&team->done.word, memory_order_acquire);
    if (seen == all) return;
    const int64_t start = now_ns();
    while ((seen = atomic_load_explicit(&team->done.word, memory_order_acquire)) != all) {
        if (spin_while(team, &team->done.word, seen,
                       atomic_load_explicit(&team->patience_ns, memory_order_relaxed)))
            continue;
        atomic_fetch_add(&team->done.sleepers, 1);
        while ((seen = atomic_load(&team->done.word)) != all) park(&team->done.word, seen);
        atomic_fetch_sub(&team->done.sleepers, 1);
    }
    const int64_t waited = now_ns() - start;
    patience_adapt(team, waited);
}

void bmrt_team_run(BmrtTeam *team, BmrtEntryFn run, BmrtFrame *frame) {
    const BmrtEnvironment caller = bmrt_environment_enter();
    frame->team = team;
    frame->barrier = team ? team_barrier : lonely_barrier;
    if (!team) {
        run(frame, 0, 1);
    } else {
        team->run = run;
        team->frame = frame;
        atomic_store_explicit(&team->done.word, 0, memory_order_relaxed);
        advance(&team->job, true);
        run(frame, 0, team->threads);
        wait_for_workers(team);
    }
    bmrt_environment_leave(caller);
}

/* How many runs alone a stall of `excess` is worth: until together they have cost about as much,
 * and up to four times that when the next try stalls as well. So a run of microseconds, beside
 * which a stall is as long as hundreds, is tried with the workers seldom, and one of milliseconds
 * soon. */
static int32_t runs_alone(const Trial *t, int64_t excess) {
    int64_t loss = (t->alone_ns ? t->alone_ns : 2 * t->best_ns) - t->best_ns;
    if (loss < t->best_ns / 16) loss = t->best_ns / 16;
    const int64_t runs = excess / 2 * t->share / (loss > 0 ? loss : 1);
    return runs < 1 ? 1 : runs > ALONE_MOST ? ALONE_MOST : (int32_t)runs;
}

/* A long run is a stall: from then on alone. Other sizes of a batch take other times too; then
 * alone is no better, and this is how long it takes now. */
static void learn_together(Trial *t, int64_t ns) {
    t->best_ns += t->best_ns / 128;
    if (t->best_ns == 0 || ns < t->best_ns) t->best_ns = ns;
    t->together_ns = ns;
    const bool stall = ns > 2 * t->best_ns && ns - t->best_ns > STALL_NS;
    if (stall) {
        t->share = !t->stalled ? 2 : t->share < SHARE_MOST ? 2 * t->share : SHARE_MOST;
        t->alone = runs_alone(t, ns - t->best_ns);
    }
    t->stalled = stall;
}

static void learn_alone(Trial *t, int64_t ns) {
    t->alone--;
    t->alone_ns += t->alone_ns / 128;
    if (t->alone_ns == 0 || ns < t->alone_ns) t->alone_ns = ns;
    t->slow = ns < t->together_ns ? 0 : t->slow + 1;
    if (t->slow < SLOW_ALONE) return; /* one may have lost its CPU */
    t->slow = 0;
    t->alone = 0;
    t->stalled = false;
    t->best_ns = t->together_ns;
}

static Trial *trial_of(BmrtTeam *team, BmrtEntryFn run) {
    Trial *t = &team->trials[((uintptr_t)run >> 4) % TRIALS];
    if (t->run != run) *t = (Trial){.run = run, .share = 2};
    return t;
}

void bmrt_team_run_entry(BmrtTeam *team, BmrtEntryFn run, BmrtFrame *frame) {
    if (!team) {
        bmrt_team_run(NULL, run, frame);
        return;
    }
    Trial *t = trial_of(team, run);
    const bool alone = t->alone > 0;
    const int64_t start = now_ns();
    bmrt_team_run(alone ? NULL : team, run, frame);
    const int64_t ns = now_ns() - start;
    if (alone)
        learn_alone(t, ns);
    else
        learn_together(t, ns);
}

/* Workers take no signals: a host's handlers run on the host's threads. */
static int start_workers(BmrtTeam *team, int32_t *started) {
    sigset_t all, caller;
    int error = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &caller);
    for (*started = 0; *started < team->threads - 1; ++*started) {
        Worker *w = &team->workers[*started];
        w->team = team;
        w->number = *started + 1;
        error = team->hooks->thread(team->hooks->user, &w->thread, worker_main, w);
        if (error) break;
    }
    pthread_sigmask(SIG_SETMASK, &caller, NULL);
    return error;
}

static void stop_workers(BmrtTeam *team, int32_t started) {
    team->quit = true;
    advance(&team->job, true);
    for (int32_t i = 0; i < started; i++) pthread_join(team->workers[i].thread, NULL);
    bmrt_delete(team->hooks, team->workers, team->threads - 1, sizeof *team->workers);
    team->hooks->release(team->hooks->user, team, sizeof *team);
}

int bmrt_thread_start(void *user, pthread_t *out, void *(*start)(void *), void *argument) {
    (void)user;
    return pthread_create(out, NULL, start, argument);
}

int32_t bmrt_team_most(void) {
    return BMRT_THREADS_MAX;
}

BmrtTeam *bmrt_team_create(const BmrtHooks *hooks, int32_t threads, int *error) {
    BmrtTeam *team = hooks->alloc(hooks->user, sizeof *team, _Alignof(BmrtTeam));
    *error = ENOMEM;
    if (!team) return NULL;
    *team = (BmrtTeam){.hooks = hooks, .threads = threads};
    atomic_init(&team->patience_ns, BARRIER_SPIN_NS);
    team->oversubscribed = threads > bmrt_cpu_count();
    team->workers = bmrt_new(hooks, threads - 1, sizeof *team->workers);
    if (!team->workers) {
        hooks->release(hooks->user, team, sizeof *team);
        return NULL;
    }
    int32_t started;
    *error = start_workers(team, &started);
    if (!*error) return team;
    stop_workers(team, started);
    return NULL;
}

void bmrt_team_destroy(BmrtTeam *team) {
    if (team) stop_workers(team, team->threads - 1);
}

int32_t bmrt_cpu_count(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
    if (count > BMRT_THREADS_MAX) count = BMRT_THREADS_MAX;
    return count < 1 ? 1 : (int32_t)count;
}
