/* The last steps as Chrome's trace format, which Perfetto (ui.perfetto.dev) and chrome://tracing
 * draw: a row a thread, a box a kernel. Times are microseconds. */
#include "compiler/driver/file_output.h"
#include "compiler/driver/profile.h"
#include "compiler/support/json.h"

static void thread_name(Text *t, int32_t thread, Arena *arena) {
    json_open(t, NULL, '{');
    json_text(t, "name", "thread_name");
    json_text(t, "ph", "M");
    json_integer(t, "pid", 1);
    json_integer(t, "tid", thread);
    json_open(t, "args", '{');
    json_text(t, "name", arena_printf(arena, "thread %d", thread));
    json_close(t, '}');
    json_close(t, '}');
}

typedef struct Box {
    const char *name, *category;
    double from_us, to_us;
    int32_t thread;
    const Kernel *kernel; /* or NULL */
} Box;

static void add_box(const Profile *f, Text *t, const Box *b) {
    json_open(t, NULL, '{');
    json_text(t, "name", b->name);
    json_text(t, "cat", b->category);
    json_text(t, "ph", "X");
    json_number(t, "ts", b->from_us);
    json_number(t, "dur", b->to_us - b->from_us);
    json_integer(t, "pid", 1);
    json_integer(t, "tid", b->thread);
    if (b->kernel) {
        json_open(t, "args", '{');
        if (b->kernel->span.file) {
            KernelRow row = {.place = sources_place(f->p->ctx->sources, b->kernel->span)};
            json_text(t, "where", profile_place(&row, f->p->ctx->arena));
        }
        json_number(t, "flops", b->kernel->flops);
        json_number(t, "bytes", b->kernel->bytes);
        json_close(t, '}');
    }
    json_close(t, '}');
}

/* Each stamp ends what began at the stamp before it. */
static void thread_boxes(const Profile *f, Text *t, int32_t thread, uint64_t zero) {
    const LoopProgram *l = f->p->loops[f->entry];
    const ThreadRecord *record = &f->recorder->of_thread[thread];
    const double us = f->recorder->ns_per_tick * 1e-3;
    double last = 0;
    for (uint32_t i = 0; i < record->stamp_count; i++) {
        const Stamp *s = &record->stamps[i];
        Box box = {.category = "wait", .from_us = last, .thread = thread};
        box.to_us = last = (double)(int64_t)(s->ticks - zero) * us;
        if (s->position == BMRT_MARK_BEGIN || s->position == BMRT_MARK_END) continue;
        const Order *o = &l->order.data[s->position];
        if (o->kind == ORDER_RUN) {
            box.kernel = l->kernels.data[o->number];
            box.category = "kernel";
        }
        box.name = box.kernel ? box.kernel->name : o->kind == ORDER_GUARD ? "guard" : "barrier";
        add_box(f, t, &box);
    }
}

bool profile_trace(const Profile *f, const char *path) {
    Context *ctx = f->p->ctx;
    if (f->traced == 0) {
        session_error(f->p->session, E_RUN_NUMERIC,
                      "there were too few steps for a trace: `%s` was not written", path);
        return false;
    }
    Text t = {.arena = ctx->arena};
    uint64_t zero = UINT64_MAX;
    for (int32_t i = 0; i < f->recorder->team; i++)
        if (f->recorder->of_thread[i].stamp_count &&
            f->recorder->of_thread[i].stamps[0].ticks < zero)
            zero = f->recorder->of_thread[i].stamps[0].ticks;
    json_open(&t, NULL, '{');
    json_text(&t, "displayTimeUnit", "ns");
    json_open(&t, "traceEvents", '[');
    for (int32_t i = 0; i < f->recorder->team; i++) thread_name(&t, i, ctx->arena);
    for (int32_t i = 0; i < f->recorder->team; i++) thread_boxes(f, &t, i, zero);
    json_close(&t, ']');
    json_close(&t, '}');
    text_char(&t, '\n');
    return file_replace(ctx, path, text_str(&t), t.len);
}
