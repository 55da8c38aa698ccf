/* The figures of a profile: one row a kernel, as a table or as JSON lines. */
#include "compiler/driver/profile.h"
#include "compiler/driver/table.h"
#include "compiler/support/json.h"
#include <stdlib.h>

static int by_number(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ms(const double *values, uint32_t count, Arena *arena) {
    if (count == 0) return 0;
    double *sorted = ARENA_ARRAY(arena, double, count);
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, by_number);
    return sorted[count / 2] * 1e-6;
}

static const LoopProgram *loops_of(const Profile *f) {
    return f->p->loops[f->entry];
}

/* One row for all places of the order where a kernel runs. */
static void add_rows(const Profile *f, ProfileResult *r) {
    const LoopProgram *l = loops_of(f);
    Context *ctx = f->p->ctx;
    for (uint32_t k = 0; k <= l->kernels.len; k++) { /* the last: barriers */
        KernelRow row = {.number = k};
        if (k < l->kernels.len) {
            row.kernel = l->kernels.data[k];
            if (row.kernel->span.file) row.place = sources_place(ctx->sources, row.kernel->span);
        }
        vec_push(ctx->arena, &r->rows, row);
    }
}

static uint32_t row_of(const LoopProgram *l, uint32_t position) {
    const Order *o = &l->order.data[position];
    return o->kind == ORDER_RUN ? o->number : l->kernels.len;
}

typedef struct StepOrder { /* for sorting steps by how long they took */
    double ns;
    uint32_t step;
} StepOrder;

static int by_time(const void *a, const void *b) {
    const StepOrder *x = a, *y = b;
    if (x->ns != y->ns) return x->ns < y->ns ? -1 : 1;
    return x->step < y->step ? -1 : 1;
}

/* The faster half of the steps: what other programs took from the rest is not the model's. */
static uint32_t undisturbed(const Profile *f, StepOrder **out) {
    const uint32_t count = f->marked_ns.len;
    *out = ARENA_ARRAY(f->p->ctx->arena, StepOrder, count);
    for (uint32_t i = 0; i < count; i++) (*out)[i] = (StepOrder){f->marked_ns.data[i], i};
    qsort(*out, count, sizeof **out, by_time);
    return (count + 1) / 2;
}

static void add_times(const Profile *f, ProfileResult *r) {
    const LoopProgram *l = loops_of(f);
    const Recorder *rec = f->recorder;
    double *spent = ARENA_ARRAY(f->p->ctx->arena, double, r->rows.len), all = 0;
    StepOrder *steps;
    const uint32_t used = undisturbed(f, &steps);
    for (uint32_t i = 0; i < used; i++) all += steps[i].ns * rec->team;
    r->other_share = 1;
    for (int32_t t = 0; t < rec->team; t++) {
        memset(spent, 0, r->rows.len * sizeof *spent);
        for (uint32_t i = 0; i < rec->positions; i++) {
            KernelRow *row = &r->rows.data[row_of(l, i)];
            double ticks = 0;
            for (uint32_t s = 0; s < used; s++)
                ticks += (double)f->kept.data[steps[s].step][(uint32_t)t * rec->positions + i];
            const double ns = ticks * rec->ns_per_tick;
            spent[row_of(l, i)] += ns;
            row->share += ns / all;
            r->other_share -= ns / all;
            if (t == 0) row->calls += (double)rec->of_thread[t].calls[i] / (double)f->marked_ns.len;
        }
        for (uint32_t k = 0; k < r->rows.len; k++) {
            const double ms = spent[k] / used * 1e-6;
            if (ms > r->rows.data[k].ms) r->rows.data[k].ms = ms;
        }
    }
}

static int by_share(const void *a, const void *b) {
    const KernelRow *x = a, *y = b;
    if ((x->kernel == NULL) != (y->kernel == NULL)) return x->kernel == NULL ? 1 : -1;
    if (x->share != y->share) return x->share < y->share ? 1 : -1;
    return x->number < y->number ? -1 : 1;
}

void profile_result(const Profile *f, ProfileResult *out) {
    Arena *arena = f->p->ctx->arena;
    const Entry *entry = &f->p->program->entries.data[f->entry];
    *out = (ProfileResult){.entry = entry->name,
                           .steps = (uint64_t)f->plain_ns.len + f->marked_ns.len,
                           .step_ms = median_ms(f->plain_ns.data, f->plain_ns.len, arena),
                           .marked_ms = median_ms(f->marked_ns.data, f->marked_ns.len, arena),
                           .flops = graph_contract_flops(entry->graph)};
    out->least_ms = out->step_ms;
    for (uint32_t i = 0; i < f->plain_ns.len; i++)
        if (f->plain_ns.data[i] * 1e-6 < out->least_ms) out->least_ms = f->plain_ns.data[i] * 1e-6;
    add_rows(f, out);
    add_times(f, out);
    for (uint32_t k = 0; k < out->rows.len; k++) {
        KernelRow *row = &out->rows.data[k];
        if (!row->kernel) continue;
        row->flops = row->kernel->flops * row->calls;
        row->bytes = row->kernel->bytes * row->calls;
    }
    qsort(out->rows.data, out->rows.len, sizeof *out->rows.data, by_share);
}

/* ------------------------------------------------------------------ table */

static const char *rate(Arena *arena, double work, double ms) {
    if (work <= 0 || ms <= 0) return "";
    const double giga = work / ms * 1e-6;
    return arena_printf(arena, giga < 9.95 ? "%.2f" : "%.1f", giga);
}
static const char *percent(Arena *arena, double part) {
    return arena_printf(arena, "%.1f %%", 100 * part);
}
/* Times of a table are all in one unit, the one that suits the whole step. */
typedef struct Unit {
    const char *name;
    double per_ms;
} Unit;
static Unit unit_for(double step_ms) {
    return step_ms < 0.1 ? (Unit){"us", 1000} : (Unit){"ms", 1};
}
static const char *time_text(Arena *arena, Unit unit, double ms) {
    const double time = ms * unit.per_ms;
    return arena_printf(arena, time < 0.0995 ? "%.4f" : time < 9.95 ? "%.3f" : "%.1f", time);
}
static const char *calls_text(Arena *arena, double calls) {
    const bool whole = calls == (double)(int64_t)calls;
    return whole ? table_count(arena, calls) : arena_printf(arena, "%.1f", calls);
}

const char *profile_place(const KernelRow *row, Arena *arena) {
    if (row->place.line == 0) return "";
    return arena_printf(arena, "%s:%u", row->place.name, row->place.line);
}

static void table_kernels(const Profile *f, const ProfileResult *r, Text *out) {
    Arena *arena = f->p->ctx->arena;
    const Unit unit = unit_for(r->step_ms);
    Table t;
    table_open(&t, arena, "><>>>>>><");
    table_row(&t, "#", "kernel", "calls", unit.name, "share", "GFLOP/s", "of peak", "GB/s",
              "where");
    for (uint32_t i = 0; i < r->rows.len; i++) {
        const KernelRow *k = &r->rows.data[i];
        if (!k->kernel) {
            if (k->calls == 0) continue;
            table_row(&t, "", "waiting at barriers", calls_text(arena, k->calls),
                      time_text(arena, unit, k->ms), percent(arena, k->share), "", "", "", "");
            continue;
        }
        const double gflops = k->ms > 0 ? k->flops / k->ms * 1e-6 : 0;
        table_row(&t, table_count(arena, k->number), k->kernel->name, calls_text(arena, k->calls),
                  time_text(arena, unit, k->ms), percent(arena, k->share),
                  rate(arena, k->flops, k->ms),
                  gflops > 0 ? percent(arena, gflops / f->peak.fma_gflops) : "",
                  rate(arena, k->bytes, k->ms), profile_place(k, arena));
    }
    table_line(&t);
    const double gflops = r->flops / r->step_ms * 1e-6;
    table_row(&t, "", "the step, its contractions", "", time_text(arena, unit, r->step_ms),
              "100.0 %", rate(arena, r->flops, r->step_ms),
              r->flops > 0 ? percent(arena, gflops / f->peak.fma_gflops) : "", "", "");
    table_print(&t, out);
}

void profile_table(const Profile *f, const ProfileResult *r, Text *out) {
    Arena *arena = f->p->ctx->arena;
    const BmrtEntry *entry = &codegen_jit_model(f->p->jit)->entries[f->entry];
    text_printf(out, "%s", r->entry);
    for (uint32_t i = 0; i < entry->symbol_count; i++)
        text_printf(out, ", %s = %lld", entry->symbol_names[i], (long long)f->symbols[i]);
    text_printf(out, ", on %s: %s steps on %d thread%s\n",
                f->real_data ? "the model's data" : "made-up inputs",
                table_count(arena, (double)r->steps), f->recorder->team,
                f->recorder->team == 1 ? "" : "s");
    if (f->recorder->team < f->recorder->threads)
        text_printf(out, "(%d threads would only wait for each other)\n", f->recorder->threads);
    const Unit unit = unit_for(r->step_ms);
    text_printf(out, "a step takes %s %s (median; least %s)", time_text(arena, unit, r->step_ms),
                unit.name, time_text(arena, unit, r->least_ms));
    text_printf(out, "; with time stamps at each kernel %s %s\n",
                time_text(arena, unit, r->marked_ms), unit.name);
    if (f->real_data)
        text_printf(out, "between two steps %s %s: rows are gathered, metrics added up\n",
                    time_text(arena, unit, f->data_ns * 1e-6), unit.name);
    if (f->alone)
        text_printf(out, "%u steps left out, which another number of threads ran\n", f->alone);
    text_printf(out,
                "this machine on %d thread%s: %.1f GFLOP/s; memory %.1f GB/s, cache %.1f GB/s\n\n",
                f->peak.threads, f->peak.threads == 1 ? "" : "s", f->peak.fma_gflops,
                f->peak.memory_gbs, f->peak.cache_gbs);
    table_kernels(f, r, out);
}

/* ------------------------------------------------------------------ JSON */

static void json_kernel(const Profile *f, const KernelRow *k, Text *t) {
    json_open(t, NULL, '{');
    json_text(t, "event", k->kernel ? "kernel" : "barriers");
    if (k->kernel) {
        json_integer(t, "number", k->number);
        json_text(t, "name", k->kernel->name);
    }
    if (k->place.line) {
        json_text(t, "file", k->place.name);
        json_integer(t, "line", k->place.line);
    }
    json_number(t, "calls", k->calls);
    json_number(t, "ms", k->ms);
    json_number(t, "share", k->share);
    if (k->kernel) {
        json_number(t, "flops", k->flops);
        json_number(t, "bytes", k->bytes);
        const double giga = k->ms > 0 ? 1e-6 / k->ms : 0;
        json_number(t, "gflops", k->flops * giga);
        json_number(t, "gbs", k->bytes * giga);
        json_number(t, "of_peak", k->flops * giga / f->peak.fma_gflops);
    }
    json_close(t, '}');
    text_char(t, '\n');
}

void profile_json(const Profile *f, const ProfileResult *r, Text *t) {
    json_open(t, NULL, '{');
    json_text(t, "event", "machine");
    json_integer(t, "threads", f->peak.threads);
    json_number(t, "fma_gflops", f->peak.fma_gflops);
    json_number(t, "memory_gbs", f->peak.memory_gbs);
    json_number(t, "cache_gbs", f->peak.cache_gbs);
    json_close(t, '}');
    text_char(t, '\n');
    for (uint32_t i = 0; i < r->rows.len; i++)
        if (r->rows.data[i].calls > 0) json_kernel(f, &r->rows.data[i], t);
    const BmrtEntry *entry = &codegen_jit_model(f->p->jit)->entries[f->entry];
    const double gflops = r->flops / r->step_ms * 1e-6;
    json_open(t, NULL, '{');
    json_text(t, "event", "step");
    json_text(t, "entry", r->entry);
    json_open(t, "sizes", '{');
    for (uint32_t i = 0; i < entry->symbol_count; i++)
        json_integer(t, entry->symbol_names[i], f->symbols[i]);
    json_close(t, '}');
    json_text(t, "inputs", f->real_data ? "data" : "made up");
    json_integer(t, "threads", f->recorder->team);
    json_integer(t, "steps", (int64_t)r->steps);
    json_number(t, "step_ms", r->step_ms);
    json_number(t, "least_ms", r->least_ms);
    json_number(t, "stamped_ms", r->marked_ms);
    if (f->real_data) json_number(t, "between_ms", f->data_ns * 1e-6);
    json_number(t, "flops", r->flops);
    json_number(t, "gflops", gflops);
    json_number(t, "of_peak", gflops / f->peak.fma_gflops);
    json_close(t, '}');
    text_char(t, '\n');
}
