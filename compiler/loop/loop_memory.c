/* Checks a memory plan without trusting the planner: lives are derived again from the order and
 * from what each kernel touches.
 *
 * Between two barriers threads run at their own pace: thread 1 may be a kernel ahead of thread 0.
 * So two buffers may share bytes only when a barrier (or guard) stands between the last use of one
 * and the first use of the other. Time is therefore counted in phases: the stretches between
 * barriers.
 *
 * A loop of the order comes back to its beginning. What it shares with the outside, or reads before
 * it writes, must survive from its first iteration to its last. And unless a barrier stands at its
 * end, the phase at its end and the phase at its beginning run side by side: what lives in one of
 * them lives in both. */
#include "compiler/loop/loop_internal.h"

typedef struct Life {
    bool used;
    uint32_t first, last; /* positions in the order */
    uint32_t first_phase, last_phase;
    int64_t begin, end; /* bytes of the arena */
} Life;

static void life_extend(Life *life, uint32_t position, uint32_t phase) {
    if (!life->used || position < life->first) {
        life->first = position;
        life->first_phase = phase;
    }
    if (!life->used || position > life->last) {
        life->last = position;
        life->last_phase = phase;
    }
    life->used = true;
}

/* How often each buffer is touched at positions from .. to, and whether a reader comes first. */
static void touches_count(const LoopProgram *p, uint32_t from, uint32_t to, uint32_t *touches,
                          bool *read_first) {
    memset(touches, 0, p->buffers.len * sizeof *touches);
    for (uint32_t i = from; i <= to; i++) {
        const Order *o = &p->order.data[i];
        if (o->kind == ORDER_GUARD) touches[o->number]++;
        if (o->kind != ORDER_RUN) continue;
        const Kernel *k = p->kernels.data[o->number];
        for (uint32_t b = 0; b < k->buffers.len; b++) {
            uint32_t buffer = k->buffers.data[b];
            if (touches[buffer]++ == 0) read_first[buffer] = !k->writes.data[b];
        }
    }
}

static void lives_through_loop(const LoopProgram *p, Life *lives, const uint32_t *total,
                               uint32_t begin, uint32_t end, const uint32_t *phase_at) {
    uint32_t *inside = ARENA_ARRAY(p->ctx->arena, uint32_t, p->buffers.len);
    bool *read_first = ARENA_ARRAY(p->ctx->arena, bool, p->buffers.len);
    touches_count(p, begin, end, inside, read_first);
    uint32_t head = phase_at[begin], tail = phase_at[end];
    bool met = p->order.data[end - 1].kind == ORDER_BARRIER;
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        if (inside[i] == 0) continue;
        bool through = inside[i] < total[i] || read_first[i];
        bool ends = lives[i].first_phase == head || lives[i].last_phase == tail;
        if (!through && (met || !ends)) continue;
        life_extend(&lives[i], begin, head);
        life_extend(&lives[i], end, tail);
    }
}

static void lives_derive(const LoopProgram *p, Life *lives) {
    Arena *arena = p->ctx->arena;
    uint32_t phase = 0, *phase_at = ARENA_ARRAY(arena, uint32_t, p->order.len);
    uint32_t *total = ARENA_ARRAY(arena, uint32_t, p->buffers.len);
    bool *unused = ARENA_ARRAY(arena, bool, p->buffers.len);
    VEC(uint32_t) begins = {0};
    if (p->order.len > 0) touches_count(p, 0, p->order.len - 1, total, unused);
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        phase_at[i] = phase;
        if (o->kind == ORDER_RUN) {
            const Kernel *k = p->kernels.data[o->number];
            for (uint32_t b = 0; b < k->buffers.len; b++)
                life_extend(&lives[k->buffers.data[b]], i, phase);
        } else if (o->kind == ORDER_LOOP_BEGIN) {
            vec_push(arena, &begins, i);
        } else if (o->kind == ORDER_LOOP_END) {
            lives_through_loop(p, lives, total, begins.data[--begins.len], i, phase_at);
        } else {
            if (o->kind == ORDER_GUARD) life_extend(&lives[o->number], i, phase);
            phase++;
        }
    }
}

static void place_check(const LoopProgram *p, const LoopBuffer *b, Life *life) {
    int64_t count = dim_bound(p->program->dims, b->count), bytes;
    if (count < 0 || __builtin_mul_overflow(count, (int64_t)dtype_bytes(b->dtype), &bytes))
        BUG("buffer %s: its size overflows", b->name);
    if (b->offset < 0 || b->offset % 64 != 0)
        BUG("buffer %s: offset %lld is not a multiple of 64", b->name, (long long)b->offset);
    life->begin = b->offset;
    if (__builtin_add_overflow(b->offset, bytes, &life->end) || life->end > p->arena_bytes)
        BUG("buffer %s: [%lld, +%lld) leaves the arena of %lld bytes", b->name,
            (long long)b->offset, (long long)bytes, (long long)p->arena_bytes);
    if (b->first > life->first || b->last < life->last)
        BUG("buffer %s: declared live in [%u, %u], used in [%u, %u]", b->name, b->first, b->last,
            life->first, life->last);
}

/* At most one arena buffer a number, so that the descriptor's table is complete and exact. */
static void numbers_check(const LoopProgram *p) {
    bool *seen = ARENA_ARRAY(p->ctx->arena, bool, p->buffers.len);
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        const LoopBuffer *b = &p->buffers.data[i];
        if (b->storage != STORAGE_ARENA) continue;
        if (b->number >= p->buffers.len) BUG("buffer %s: arena number %u", b->name, b->number);
        if (seen[b->number]) BUG("buffer %s: arena number %u is taken", b->name, b->number);
        seen[b->number] = true;
    }
}

void loop_verify_memory(const LoopProgram *p) {
    Life *lives = ARENA_ARRAY(p->ctx->arena, Life, p->buffers.len);
    lives_derive(p, lives);
    numbers_check(p);
    for (uint32_t i = 0; i < p->buffers.len; i++)
        if (p->buffers.data[i].storage == STORAGE_ARENA && lives[i].used)
            place_check(p, &p->buffers.data[i], &lives[i]);
        else
            lives[i].used = false;
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        const Life *a = &lives[i];
        if (!a->used) continue;
        for (uint32_t j = 0; j < i; j++) {
            const Life *b = &lives[j];
            if (!b->used || a->begin >= b->end || b->begin >= a->end) continue;
            if (a->first_phase <= b->last_phase && b->first_phase <= a->last_phase)
                BUG("buffers %s and %s share bytes and both live in one phase (phases %u-%u and "
                    "%u-%u)",
                    p->buffers.data[j].name, p->buffers.data[i].name, b->first_phase, b->last_phase,
                    a->first_phase, a->last_phase);
        }
    }
    if (p->live_bytes_max > p->arena_bytes)
        BUG("the arena of %lld bytes is smaller than what lives at once (%lld)",
            (long long)p->arena_bytes, (long long)p->live_bytes_max);
}
