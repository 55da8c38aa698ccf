/* The table of choices, what is kept of it from run to run, and what is said about it. */
#include "compiler/driver/tune.h"
#include "compiler/support/json.h"
#include <time.h>
#include <unistd.h>

TuneProblem *tune_find(Tuner *t, const char *problem) {
    for (uint32_t i = 0; i < t->problems.len; i++)
        if (strcmp(t->problems.data[i].problem, problem) == 0) return &t->problems.data[i];
    return NULL;
}

static const Choice *find_choice(void *user, const char *problem) {
    const TuneProblem *known = tune_find(user, problem);
    return known ? &known->trial : NULL;
}

static void collect(void *user, const char *problem, const Choice *others, uint32_t count) {
    Tuner *t = user;
    Arena *arena = t->p->ctx->arena;
    if (tune_find(t, problem)) return;
    TuneProblem new = {.problem = problem, .count = count, .gain = 1};
    Choice *copy = ARENA_ARRAY(arena, Choice, count);
    for (uint32_t i = 0; i < count; i++) copy[i] = others[i];
    new.others = copy;
    vec_push(arena, &t->problems, new);
}

/* ------------------------------------------------------------------ kept from run to run */

/* What a measurement depends on besides the problem: the machine and the code made for it. */
static const char *cache_key(const Tuner *t, const TuneProblem *problem) {
    const CodeTarget *target = &t->p->target;
    return arena_printf(t->p->ctx->arena, "choice 1\n%s %s %u %u -O%d caches %ld %ld %ld\n%s",
                        target->triple, target->cpu, target->vector_bytes, target->vector_registers,
                        t->p->codegen.level, sysconf(_SC_LEVEL1_DCACHE_SIZE),
                        sysconf(_SC_LEVEL2_CACHE_SIZE), sysconf(_SC_LEVEL3_CACHE_SIZE),
                        problem->problem);
}

static bool is_offered(const TuneProblem *problem, const Choice *c) {
    const Choice as_found = {0};
    if (choice_same(c, &as_found)) return true;
    for (uint32_t i = 0; i < problem->count; i++)
        if (choice_same(c, &problem->others[i])) return true;
    return false;
}

/* An entry that is damaged, or of another user, the cache itself refuses; one that says what is not
 * offered for this problem is as if it were not there. */
static void recall(Tuner *t, TuneProblem *problem) {
    const CodeStore *store = t->p->codegen.store;
    const char *key = cache_key(t, problem), *text;
    size_t size;
    Choice c;
    if (problem->count == 0) problem->known = true;
    if (!store || problem->known) return;
    if (!store->find(store->user, t->p->ctx->arena, key, strlen(key), &text, &size)) return;
    if (!choice_parse(text, size, &c) || !is_offered(problem, &c)) return;
    problem->best = c;
    problem->known = problem->cached = true;
}

static void keep(const Tuner *t, const TuneProblem *problem) {
    const CodeStore *store = t->p->codegen.store;
    if (!store || problem->cached || problem->count == 0 || !problem->known) return;
    const char *key = cache_key(t, problem);
    const char *text = choice_text(t->p->ctx->arena, &problem->best);
    store->keep(store->user, key, strlen(key), text, strlen(text));
}

static bool find_object(void *user, Arena *arena, const char *key, size_t key_len,
                        const char **bytes, size_t *size) {
    const CodeStore *under = user;
    return under->find(under->user, arena, key, key_len, bytes, size);
}

static void drop_object(void *user, const char *key, size_t key_len, const char *bytes,
                        size_t size) {
    (void)user, (void)key, (void)key_len, (void)bytes, (void)size;
}

/* ------------------------------------------------------------------ telling */

void tune_progress(Tuner *t, const char *entry, uint32_t round, uint32_t rounds) {
    enum { WIDTH = 24 };
    const Session *s = t->p->session;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (!s->progress || seconds - t->told < 0.1) return;
    t->told = seconds;
    char bar[WIDTH + 1] = {0};
    for (uint32_t i = 0; i < WIDTH; i++) bar[i] = i * rounds < round * WIDTH ? '#' : '.';
    fprintf(s->err, "\rtuning %s [%s] %u of %u candidates a kernel\x1b[K", entry, bar, round,
            rounds);
    fflush(s->err);
}

static void tell_json(const Tuner *t) {
    Text out = {.arena = t->p->ctx->arena};
    for (uint32_t i = 0; i < t->problems.len; i++) {
        const TuneProblem *problem = &t->problems.data[i];
        const Choice as_found = {0};
        json_open(&out, NULL, '{');
        json_text(&out, "event", "tuned");
        json_text(&out, "problem", problem->problem);
        json_text(&out, "choice",
                  choice_same(&problem->best, &as_found)
                      ? "as found"
                      : choice_text(t->p->ctx->arena, &problem->best));
        json_number(&out, "gain", problem->gain);
        json_integer(&out, "candidates", problem->tried);
        json_integer(&out, "refused", problem->refused);
        json_member(&out, "from_cache");
        text_add(&out, problem->cached ? "true" : "false");
        json_close(&out, '}');
        text_char(&out, '\n');
    }
    fputs(text_str(&out), t->p->session->out);
}

static void tell(const Tuner *t) {
    const Session *s = t->p->session;
    uint32_t changed = 0, cached = 0, tried = 0;
    const Choice as_found = {0};
    if (t->told > 0) fputs("\r\x1b[K", s->err);
    for (uint32_t i = 0; i < t->problems.len; i++) {
        const TuneProblem *problem = &t->problems.data[i];
        changed += !choice_same(&problem->best, &as_found);
        cached += problem->cached;
        tried += problem->tried;
    }
    if (s->json) {
        tell_json(t);
        return;
    }
    if (s->quiet) return;
    fprintf(s->err,
            "tuned %u kernels: %u from the cache, %u candidates measured in %.1f s, %u run "
            "otherwise than without --tune\n",
            t->problems.len, cached, tried, t->seconds, changed);
}

/* ------------------------------------------------------------------ all entries */

bool tune_program(Pipeline *p, ScheduleOptions *options) {
    Tuner *t = ARENA_NEW(p->ctx->arena, Tuner);
    *t = (Tuner){.p = p, .options = options};
    t->choices = (ScheduleChoices){find_choice, collect, t};
    options->choices = &t->choices;
    pipeline_cache(p);
    if (p->codegen.store)
        t->store = (CodeStore){find_object, drop_object, (void *)(uintptr_t)p->codegen.store};
    for (uint32_t i = 0; i < p->program->entries.len; i++)
        if (!schedule_entry(p->ctx, p->program, &p->program->entries.data[i], options))
            return false;
    t->choices.offer = NULL;
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < t->problems.len; i++) {
        recall(t, &t->problems.data[i]);
        unknown += !t->problems.data[i].known;
    }
    for (uint32_t i = 0; unknown > 0 && i < p->program->entries.len; i++)
        if (!tune_entry(t, i)) return false;
    for (uint32_t i = 0; i < t->problems.len; i++) {
        keep(t, &t->problems.data[i]);
        t->problems.data[i].trial = t->problems.data[i].best;
    }
    tell(t);
    return true;
}
