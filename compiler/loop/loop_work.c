/* What a program asks of a machine: operations, bytes and a rough time.
 *
 * A kernel inside a loop of the order counts once an iteration. The time is a sum of operations,
 * bytes and calls at rates that one core of about 2020 reaches on data in its caches: right within
 * a factor of two or three, which is enough to tell microseconds from milliseconds. Symbols stand
 * at their bounds, or with `one_row` at 1: what is left then is what a call costs whatever its
 * batch. */
#include "compiler/loop/loop_internal.h"

static const double flops_a_ns = 64, bytes_a_ns = 64, call_ns = 5;

/* Visits the runs of the order, each with how often it happens. */
static void runs_visit(const LoopProgram *p, void (*visit)(void *, const Kernel *, double),
                       void *user) {
    VEC(double) times = {0};
    vec_push(p->ctx->arena, &times, 1.0);
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        double now = times.data[times.len - 1];
        if (o->kind == ORDER_RUN) visit(user, p->kernels.data[o->number], now);
        if (o->kind == ORDER_LOOP_END) times.len--;
        if (o->kind != ORDER_LOOP_BEGIN) continue;
        int64_t trip = dim_bound(p->program->dims, p->loops.data[o->number].trip);
        vec_push(p->ctx->arena, &times, now * (double)trip);
    }
}

typedef struct Sum {
    const LoopProgram *p;
    LoopWork work;
} Sum;

static void sum_add(void *user, const Kernel *k, double times) {
    Sum *s = user;
    double ns = k->flops / flops_a_ns + k->bytes / bytes_a_ns;
    bool sized = k->parallel && !dim_is_const(s->p->program->dims, k->extent);
    int64_t extent = sized ? dim_bound(s->p->program->dims, k->extent) : 1;
    s->work.flops += times * k->flops;
    s->work.bytes += times * k->bytes;
    s->work.ns += times * (ns + call_ns);
    s->work.ns_one_row += times * (ns / (double)(extent > 0 ? extent : 1) + call_ns);
}

LoopWork loop_work(const LoopProgram *p) {
    Sum s = {.p = p};
    runs_visit(p, sum_add, &s);
    for (uint32_t i = 0; i < p->order.len; i++)
        s.work.meetings +=
            p->order.data[i].kind == ORDER_BARRIER || p->order.data[i].kind == ORDER_GUARD;
    return s.work;
}
