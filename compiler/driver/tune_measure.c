/* One entry, as found and with other choices, in turn on the same made-up inputs.
 *
 * Kernels are timed inside their entry, where their operands are as near or far as they will be:
 * a clock is read after each (tune_clock.c). All candidates of one number are tried together, so an
 * entry is compiled at most 16 times whatever it consists of. */
#include "compiler/driver/profile_inputs.h"
#include "compiler/driver/tune.h"
#include "runtime/core/core.h"
#include <time.h>

enum {
    STEPS_CHECKED = 2, /* whose results are compared bit for bit */
    STEPS_LEAST = 5,   /* timed, of each of the two programs */
    STEPS_MOST = 300,
    ROUND_MS = 200, /* ... or until so much time went by */
    UNTIMED = -1
};
static const double WORTH = 0.97, CONFIRMED = 0.985; /* of the time as found */

/* What is measured of an entry: its program, or its variant number `variant` (from 1), for calls
 * where the size called `size` is `value`. */
typedef struct Measured {
    uint32_t entry, variant;
    const char *size;
    int64_t value;
} Measured;

typedef struct Subject { /* a program that runs */
    CodeModule *module;
    CodeJit *jit;
    BmrtHandle *handle;
    TuneClock *clock;
    MadeInputs made;
    const BmrtEntry *entry;
    uint32_t number;
    int64_t *symbols;
    uint32_t positions;
    int32_t *problem_at; /* per position of the order: number of the problem, or UNTIMED */
    double *ticks;       /* per problem, of a step */
} Subject;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + 1e-6 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------ a program that runs */

static void subject_close(Subject *s) {
    if (s->handle) bmrt_close(s->handle);
    made_inputs_free(&s->made);
    if (s->jit) codegen_jit_destroy(s->jit);
    if (s->module) codegen_destroy(s->module);
    *s = (Subject){0};
}

static void positions_note(Tuner *t, Subject *s, const LoopProgram *p) {
    Arena *arena = t->p->ctx->arena;
    s->positions = p->order.len;
    s->problem_at = ARENA_ARRAY(arena, int32_t, p->order.len);
    s->ticks = ARENA_ARRAY(arena, double, t->problems.len);
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        const char *problem = o->kind == ORDER_RUN ? p->kernels.data[o->number]->problem : NULL;
        const TuneProblem *found = problem ? tune_find(t, problem) : NULL;
        s->problem_at[i] = found ? (int32_t)(found - t->problems.data) : UNTIMED;
    }
}

/* Opens the model (anew): weights as a seed makes them, step 1 next. */
static bool subject_begin(Subject *s) {
    if (s->handle) bmrt_close(s->handle);
    s->handle = NULL;
    tune_clock_clear(s->clock);
    return bmrt_open(&s->handle, codegen_jit_model(s->jit), NULL, 1, 1) == BMRT_OK &&
           bmrt_set_schedule(s->handle, 1000000, 1000) == BMRT_OK;
}

/* False: nothing to be measured here, with a diagnostic only where code generation gave one. */
static bool subject_open(Tuner *t, LoopProgram *const *loops, Measured what, const CodeStore *store,
                         Subject *s) {
    const uint32_t entry = what.entry;
    Pipeline *p = t->p;
    CodegenOptions codegen = p->codegen;
    *s = (Subject){.number = entry};
    s->clock = tune_clock(p->ctx->arena, loops[entry]->order.len);
    codegen.store = store;
    codegen.mark = tune_clock_mark;
    codegen.mark_user = s->clock;
    codegen.mark_entry = entry;
    s->module = codegen_module(p->ctx, p->program, loops, p->program->entries.len, &codegen);
    s->jit = s->module ? codegen_jit(s->module) : NULL;
    if (!s->jit) return false;
    const BmrtModel *model = codegen_jit_model(s->jit);
    s->entry = &model->entries[entry];
    for (uint32_t i = 0; i < s->entry->input_count; i++)
        if (s->entry->inputs[i].vocabulary) return false;
    for (uint32_t i = 0; i < s->entry->output_count; i++)
        if (s->entry->outputs[i].vocabulary) return false;
    s->symbols = ARENA_ARRAY(p->ctx->arena, int64_t, s->entry->symbol_count);
    for (uint32_t i = 0; i < s->entry->symbol_count; i++)
        s->symbols[i] = what.size && strcmp(s->entry->symbol_names[i], what.size) == 0
                            ? what.value
                            : s->entry->symbol_bounds[i];
    positions_note(t, s, loops[entry]);
    return made_inputs(p->ctx, s->entry, s->symbols, &s->made);
}

static bool subject_step(Subject *s, bool timed) {
    const bool step = s->entry->kind == BMRT_ENTRY_STEP;
    tune_clock_step(s->clock, timed);
    BmrtStatus status = (step ? bmrt_step : bmrt_call)(s->handle, s->number, s->symbols,
                                                       s->made.inputs, s->made.outputs);
    tune_clock_step(s->clock, false);
    return status == BMRT_OK;
}

static void subject_sum(Subject *s, uint32_t problems) {
    for (uint32_t i = 0; i < problems; i++) s->ticks[i] = 0;
    for (uint32_t i = 0; i < s->positions; i++)
        if (s->problem_at[i] != UNTIMED)
            s->ticks[s->problem_at[i]] += tune_clock_ticks(s->clock, i);
}

/* ------------------------------------------------------------------ the same bits */

static bool same_outputs(const Subject *a, const Subject *b) {
    for (uint32_t i = 0; i < a->entry->output_count; i++) {
        const BmrtValue *v = &a->entry->outputs[i];
        int64_t count;
        if (!bmrt_dims_elements(v->rank, v->dims, a->symbols, &count)) return false;
        if (memcmp(a->made.outputs[i], b->made.outputs[i],
                   (size_t)count * bmrt_dtype_bytes(v->dtype)) != 0)
            return false;
    }
    return true;
}

static bool same_slots(const Subject *a, const Subject *b) {
    const BmrtModel *model = codegen_jit_model(a->jit), *other = codegen_jit_model(b->jit);
    for (uint32_t i = 0; i < model->slot_count; i++)
        if (memcmp(a->handle->slots.data + model->slots[i].offset,
                   b->handle->slots.data + other->slots[i].offset,
                   (size_t)model->slots[i].bytes) != 0)
            return false;
    return true;
}

/* Two steps of each from the same beginning. */
static bool same_bits(Subject *found, Subject *other) {
    for (int i = 0; i < STEPS_CHECKED; i++) {
        if (!subject_step(found, false) || !subject_step(other, false) ||
            !same_outputs(found, other))
            return false;
    }
    return same_slots(found, other);
}

/* ------------------------------------------------------------------ rounds */

typedef struct Round {
    double *ratio; /* per problem: time with its trial by time as found; 0: not measured */
    bool refused;  /* other bits, or it could not be run */
} Round;

/* The program with all trials beside the one as found. */
static Round round_run(Tuner *t, LoopProgram *const *loops, Subject *found, Measured what) {
    Arena *arena = t->p->ctx->arena;
    Round r = {.ratio = ARENA_ARRAY(arena, double, t->problems.len), .refused = true};
    const CodeStore *store = t->p->codegen.store ? &t->store : NULL;
    const uint32_t count = t->problems.len;
    Subject other = {0};
    if (subject_open(t, loops, what, store, &other) && subject_begin(&other) &&
        subject_begin(found) && same_bits(found, &other)) {
        const double start = now_ms();
        r.refused = false;
        for (int i = 0; i < STEPS_MOST && (i < STEPS_LEAST || now_ms() - start < ROUND_MS); i++) {
            Subject *first = i % 2 ? found : &other, *second = i % 2 ? &other : found;
            if (!subject_step(first, true) || !subject_step(second, true)) r.refused = true;
        }
        subject_sum(found, count);
        subject_sum(&other, count);
        for (uint32_t i = 0; i < count && !r.refused; i++)
            r.ratio[i] = found->ticks[i] > 0 ? other.ticks[i] / found->ticks[i] : 0;
    }
    subject_close(&other);
    return r;
}

/* The entry's program, or its variant number `variant` (from 1), with the trials. */
static LoopProgram *scheduled(Tuner *t, uint32_t entry, uint32_t variant) {
    Pipeline *p = t->p;
    LoopProgram *whole =
        schedule_entry(p->ctx, p->program, &p->program->entries.data[entry], t->options);
    if (!whole || variant == 0) return whole;
    INVARIANT(variant <= whole->variants.len);
    return whole->variants.data[variant - 1].program;
}

static LoopProgram **with_trials(Tuner *t, LoopProgram *const *found, Measured what) {
    Pipeline *p = t->p;
    uint32_t count = p->program->entries.len;
    LoopProgram **loops = ARENA_ARRAY(p->ctx->arena, LoopProgram *, count);
    for (uint32_t i = 0; i < count; i++) loops[i] = found[i];
    loops[what.entry] = scheduled(t, what.entry, what.variant);
    return loops[what.entry] ? loops : NULL;
}

/* Trial `round` of everything that has so many; how many that are. */
static uint32_t set_trials(Tuner *t, uint32_t round) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->problems.len; i++) {
        TuneProblem *problem = &t->problems.data[i];
        problem->trial = (Choice){0};
        if (!problem->measured || round >= problem->count) continue;
        problem->trial = problem->others[round];
        count++;
    }
    return count;
}

static void learn(Tuner *t, const Round *r, uint32_t round) {
    for (uint32_t i = 0; i < t->problems.len; i++) {
        TuneProblem *problem = &t->problems.data[i];
        if (!problem->measured || round >= problem->count) continue;
        problem->tried++;
        problem->refused += r->refused;
        const double best = 1 / problem->gain, enough = best < WORTH ? best : WORTH;
        if (r->refused || r->ratio[i] <= 0 || r->ratio[i] >= enough) continue;
        problem->gain = 1 / r->ratio[i];
        problem->best = problem->others[round];
    }
}

/* The winners together, measured anew: the least of many measurements flatters. */
static bool confirm(Tuner *t, LoopProgram *const *found, Subject *running, Measured what) {
    uint32_t count = 0;
    const Choice as_found = {0};
    for (uint32_t i = 0; i < t->problems.len; i++) {
        TuneProblem *problem = &t->problems.data[i];
        problem->trial = problem->measured ? problem->best : as_found;
        count += !choice_same(&problem->trial, &as_found);
    }
    if (count == 0) return true;
    LoopProgram **loops = with_trials(t, found, what);
    if (!loops) return false;
    Round r = round_run(t, loops, running, what);
    for (uint32_t i = 0; i < t->problems.len; i++) {
        TuneProblem *problem = &t->problems.data[i];
        if (!problem->measured || choice_same(&problem->best, &as_found)) continue;
        const bool holds = !r.refused && r.ratio[i] > 0 && r.ratio[i] < CONFIRMED;
        problem->gain = holds ? 1 / r.ratio[i] : 1;
        if (!holds) problem->best = as_found;
    }
    return true;
}

/* Problems of this program that are not known; the most candidates of one. */
static uint32_t begin(Tuner *t, const LoopProgram *p) {
    uint32_t rounds = 0;
    for (uint32_t i = 0; i < t->problems.len; i++) t->problems.data[i].measured = false;
    for (uint32_t i = 0; i < p->kernels.len; i++) {
        const char *problem = p->kernels.data[i]->problem;
        TuneProblem *found = problem ? tune_find(t, problem) : NULL;
        if (!found || found->known) continue;
        found->measured = true;
        if (found->count > rounds) rounds = found->count;
    }
    return rounds;
}

static bool measure(Tuner *t, LoopProgram *const *found, Measured what, uint32_t rounds) {
    const char *name = t->p->program->entries.data[what.entry].name;
    Subject running;
    bool fine = true;
    if (!subject_open(t, found, what, t->p->codegen.store, &running) || !subject_begin(&running) ||
        !subject_step(&running, false)) {
        subject_close(&running);
        for (uint32_t i = 0; i < t->problems.len; i++) t->problems.data[i].measured = false;
        return diags_errors(t->p->ctx->diags) == 0;
    }
    for (uint32_t round = 0; fine && round < rounds && set_trials(t, round) > 0; round++) {
        tune_progress(t, name, round, rounds + 1);
        LoopProgram **loops = with_trials(t, found, what);
        fine = loops != NULL;
        if (!fine) break;
        Round r = round_run(t, loops, &running, what);
        learn(t, &r, round);
    }
    fine = fine && confirm(t, found, &running, what);
    subject_close(&running);
    return fine;
}

static bool tune_one(Tuner *t, LoopProgram *const *found, Measured what) {
    uint32_t rounds = begin(t, found[what.entry]);
    if (rounds == 0) return true;
    if (!measure(t, found, what, rounds)) return false;
    for (uint32_t i = 0; i < t->problems.len; i++)
        if (t->problems.data[i].measured) t->problems.data[i].known = true;
    return true;
}

bool tune_entry(Tuner *t, uint32_t entry) {
    Pipeline *p = t->p;
    const Entry *e = &p->program->entries.data[entry];
    const double start = now_ms();
    uint32_t count = p->program->entries.len;
    if (e->kind != BMRT_ENTRY_STEP && e->kind != BMRT_ENTRY_EXPORT) return true;
    LoopProgram **found = ARENA_ARRAY(p->ctx->arena, LoopProgram *, count);
    for (uint32_t i = 0; i < t->problems.len; i++) t->problems.data[i].trial = (Choice){0};
    for (uint32_t i = 0; i < count; i++) {
        found[i] = scheduled(t, i, 0);
        if (!found[i]) return false;
    }
    bool fine = tune_one(t, found, (Measured){.entry = entry});
    const LoopProgram *whole = found[entry];
    for (uint32_t v = 0; fine && v < whole->variants.len; v++) {
        const LoopVariant *variant = &whole->variants.data[v];
        Measured what = {.entry = entry, .variant = v + 1, .value = variant->value};
        what.size = dim_symbol_name(p->program->dims, variant->symbol)->text;
        found[entry] = variant->program;
        fine = tune_one(t, found, what);
    }
    t->seconds += 1e-3 * (now_ms() - start);
    return fine && diags_errors(p->ctx->diags) == 0;
}
