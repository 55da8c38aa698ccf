/* Kernels that follow each other over the same rows, a few rows at a time.
 *
 * Between two barriers a thread's kernels touch each other's values only in rows that are its own
 * (plan_threads.c). So it may run all of them on some rows, then on the next: what one kernel
 * stores the next one finds in the second-level cache, where otherwise a tensor larger than that
 * has gone through memory. Images are such rows: a convolution, its activation and the pooling
 * behind it. Kernels that read much besides their rows (a wide dense layer its weights) are left
 * alone: they would read it again for every strip. Inside a loop, of what is stacked over the
 * iterations only one iteration's part counts.
 *
 * Precondition: the order is final. Postcondition: Order.together and Order.rows of the first
 * kernel of each stretch. Any split of a thread's rows gives the same bits. Cost: O(kernels *
 * buffers). */
#include "compiler/schedule/sched.h"

enum { STRIP_BYTES = 640 * 1024, BESIDES_MAX = 192 * 1024, TOGETHER_MAX = 200 };

typedef struct Reach { /* of a kernel, in bytes, at the bounds of the symbols */
    double row, besides;
} Reach;

typedef VEC(uint32_t) Open; /* loops of the order around a kernel, outermost first */

static bool by_rows(const Group *g, uint32_t position) {
    return g->access.len > position && g->access.data[position] == ACCESS_ROWS;
}

static double rows_of(const Sched *s, const Kernel *k) {
    int64_t bound = dim_bound(s->dims, k->extent);
    return bound > 0 ? (double)bound : 1;
}

static Reach reach_of(const Sched *s, const Group *g, const Open *open) {
    const Kernel *k = g->kernel;
    Reach r = {0};
    double *bytes = ARENA_ARRAY(s->arena, double, k->buffers.len);
    loop_kernel_bytes(s->out, k, open->data, open->len, bytes);
    for (uint32_t b = 0; b < k->buffers.len; b++) {
        if (by_rows(g, b))
            r.row += bytes[b] / rows_of(s, k);
        else
            r.besides += bytes[b];
    }
    return r;
}

static const Group *group_at(const Sched *s, uint32_t at) {
    const Order *o = &s->out->order.data[at];
    return o->kind == ORDER_RUN ? s->kernel_groups.data[o->number] : NULL;
}

/* Both by rows of one partition, and the later one reads what the earlier one stores. */
static bool follows(const Sched *s, const Group *g, const Group *next) {
    const Kernel *a = g->kernel, *b = next->kernel;
    if (!dim_same(a->extent, b->extent) || a->grain != b->grain) return false;
    for (uint32_t i = 0; i < a->buffers.len; i++)
        for (uint32_t k = 0; k < b->buffers.len; k++)
            if (a->buffers.data[i] == b->buffers.data[k] && by_rows(g, i) && by_rows(next, k) &&
                dim_bound(s->dims, s->out->buffers.data[a->buffers.data[i]].count) > 0)
                return true;
    return false;
}

/* The kernels [from, *end) and what a row of the two widest neighbours among them takes. */
static double stretch(const Sched *s, uint32_t from, const Open *open, uint32_t *end,
                      int64_t *step) {
    double widest = 0, before = 0;
    *step = 1;
    for (*end = from; *end < s->out->order.len && *end - from < TOGETHER_MAX; ++*end) {
        const Group *g = group_at(s, *end);
        if (!g || !g->kernel->parallel) break;
        if (*end > from && !follows(s, group_at(s, *end - 1), g)) break;
        Reach r = reach_of(s, g, open);
        if (r.besides > BESIDES_MAX || r.row == 0) break;
        if (before + r.row > widest) widest = before + r.row;
        before = r.row;
        int64_t own = g->kernel->strip, most = *step > own ? *step : own;
        if (most % own != 0 || most % *step != 0) break;
        *step = most;
    }
    return widest;
}

void strips_choose(Sched *s) {
    if (!s->options.fusion) return;
    double cache = s->options.strip_bytes > 0 ? s->options.strip_bytes : STRIP_BYTES;
    Open open = {0};
    for (uint32_t at = 0, end; at<s->out->order.len; at = end> at ? end : at + 1) {
        int64_t step;
        const Order *o = &s->out->order.data[at];
        if (o->kind == ORDER_LOOP_BEGIN) vec_push(s->arena, &open, o->number);
        if (o->kind == ORDER_LOOP_END) open.len--;
        double row = stretch(s, at, &open, &end, &step);
        if (end < at + 2) continue;
        double all = row * rows_of(s, group_at(s, at)->kernel);
        int64_t rows = (int64_t)(cache / row) / step * step;
        if (all < 2.0 * cache) continue;
        Order *first = &s->out->order.data[at];
        first->together = end - at;
        first->rows = rows > 0 ? rows : step;
    }
}
