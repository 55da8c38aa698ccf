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
    double operations = k->cost > k->flops ? k->cost : k->flops;
    double ns = operations / flops_a_ns + k->bytes / bytes_a_ns;
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

/* ------------------------------------------------------------------ parts of an iteration */

typedef struct Access {
    bool any, fixed; /* there is one; one that does not move with the loop */
} Access;

/* `e` moves with the loop's number. Expressions precede what they are made of nowhere: operands
 * have smaller ids, so one pass marks all of a kernel. */
static void moving_mark(const LoopProgram *p, const Kernel *k, uint32_t symbol, bool *moving) {
    for (uint32_t i = 0; i < k->exprs.len; i++) {
        const Expr *e = &k->exprs.data[i];
        moving[i] = e->kind == EXPR_DIM && dim_has_symbol(p->program->dims, e->dim, symbol);
        for (uint32_t a = 0; a < e->nargs; a++)
            if (!expr_is_none(e->args[a])) moving[i] |= moving[e->args[a].id];
    }
}

static void access_note(Access *a, const bool *moving, ExprId index) {
    a->any = true;
    a->fixed |= !moving[index.id];
}

static void slices_of(const LoopProgram *p, const Kernel *k, const OrderLoop *loop, double *bytes,
                      Arena *arena) {
    const int64_t trip = dim_bound(p->program->dims, loop->trip);
    Access *access = ARENA_ARRAY(arena, Access, k->buffers.len);
    bool *moving = ARENA_ARRAY(arena, bool, k->exprs.len);
    moving_mark(p, k, loop->symbol, moving);
    for (uint32_t i = 0; i < k->exprs.len; i++)
        if (k->exprs.data[i].kind == EXPR_LOAD)
            access_note(&access[k->exprs.data[i].buffer], moving, k->exprs.data[i].args[0]);
    for (uint32_t i = 0; i < k->stmts.len; i++) {
        const Stmt *s = &k->stmts.data[i];
        if (s->kind == STMT_STORE) access_note(&access[s->buffer], moving, s->index);
        for (uint32_t c = 0; s->kind == STMT_CALL && c < s->arrays.len; c++)
            access_note(&access[s->arrays.data[c].buffer], moving, s->arrays.data[c].offset);
    }
    for (uint32_t b = 0; b < k->buffers.len && trip > 1; b++)
        if (access[b].any && !access[b].fixed) bytes[b] /= (double)trip;
}

void loop_kernel_bytes(const LoopProgram *p, const Kernel *k, const uint32_t *open, uint32_t count,
                       double *bytes) {
    for (uint32_t b = 0; b < k->buffers.len; b++) {
        const LoopBuffer *buffer = &p->buffers.data[k->buffers.data[b]];
        bytes[b] = (double)dim_bound(p->program->dims, buffer->count) * dtype_bytes(buffer->dtype);
    }
    for (uint32_t l = 0; l < count; l++)
        slices_of(p, k, &p->loops.data[open[l]], bytes, p->ctx->arena);
}

void loop_work_slices(LoopProgram *p) {
    Arena *arena = p->ctx->arena;
    VEC(uint32_t) open = {0};
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        if (o->kind == ORDER_LOOP_BEGIN) vec_push(arena, &open, o->number);
        if (o->kind == ORDER_LOOP_END) open.len--;
        if (o->kind != ORDER_RUN || open.len == 0) continue;
        Kernel *k = p->kernels.data[o->number];
        double *bytes = ARENA_ARRAY(arena, double, k->buffers.len);
        loop_kernel_bytes(p, k, open.data, open.len, bytes);
        k->bytes = 0;
        for (uint32_t b = 0; b < k->buffers.len; b++) k->bytes += bytes[b];
    }
}
