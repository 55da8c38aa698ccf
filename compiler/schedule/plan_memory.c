/* The arena: every buffer gets an offset, buffers that never live at the same time share bytes.
 *
 * Time is counted in phases, the stretches between barriers: within one, threads run at their own
 * pace, so two buffers of one phase never share. Placement is greedy by size, largest first, each
 * at the lowest free offset (after Pisarchyk & Lee, arXiv 2001.03288). Sizes are taken with every
 * symbol at its bound. A loop comes back to its beginning: what is shared with the outside lives
 * from its beginning to its end, and so does what lives in its first or last phase when no barrier
 * stands at its end (then the next iteration begins beside this one). Cost: O(buffers^2).
 * loop_verify_memory checks the result independently. */
#include "compiler/schedule/sched.h"
#include <stdlib.h>

enum { ALIGNMENT = 64 };

typedef struct Piece {
    uint32_t buffer;
    uint32_t first, last; /* phases */
    int64_t bytes, offset;
} Piece;

typedef struct Memory {
    Sched *s;
    VEC(Piece) pieces;
    uint32_t *piece_of;                 /* per buffer, or NONE */
    uint32_t *phase_first, *phase_last; /* positions in the order */
    uint32_t *phase_of;                 /* per position */
    uint32_t phases;
} Memory;

static void phases_number(Memory *m, uint32_t *phase_of) {
    const LoopProgram *p = m->s->out;
    m->phase_first = ARENA_ARRAY(m->s->arena, uint32_t, p->order.len + 1);
    m->phase_last = ARENA_ARRAY(m->s->arena, uint32_t, p->order.len + 1);
    for (uint32_t i = 0; i < p->order.len; i++) {
        phase_of[i] = m->phases;
        m->phase_last[m->phases] = i;
        OrderKind kind = p->order.data[i].kind;
        if (kind == ORDER_BARRIER || kind == ORDER_GUARD) m->phase_first[++m->phases] = i + 1;
    }
}

static bool piece_use(Memory *m, uint32_t buffer, uint32_t phase) {
    const LoopBuffer *b = &m->s->out->buffers.data[buffer];
    if (b->storage != STORAGE_ARENA) return true;
    if (m->piece_of[buffer] != NONE) {
        m->pieces.data[m->piece_of[buffer]].last = phase;
        return true;
    }
    int64_t bytes = dim_bound(m->s->dims, b->count);
    if (bytes < 0 || __builtin_mul_overflow(bytes, (int64_t)dtype_bytes(b->dtype), &bytes) ||
        __builtin_add_overflow(bytes, ALIGNMENT - 1, &bytes) || bytes > INT64_MAX / 4)
        return false;
    Piece piece = {buffer, phase, phase, bytes / ALIGNMENT * ALIGNMENT, 0};
    m->piece_of[buffer] = m->pieces.len;
    vec_push(m->s->arena, &m->pieces, piece);
    return true;
}

static void life_in_loop(void *user, uint32_t buffer, uint32_t begin, uint32_t end, bool through) {
    Memory *m = user;
    if (m->piece_of[buffer] == NONE) return;
    Piece *piece = &m->pieces.data[m->piece_of[buffer]];
    uint32_t head = m->phase_of[begin], tail = m->phase_of[end];
    bool met = m->s->out->order.data[end - 1].kind == ORDER_BARRIER;
    if (!through && (met || (piece->first != head && piece->last != tail))) return;
    if (head < piece->first) piece->first = head;
    if (tail > piece->last) piece->last = tail;
}

static bool lives_collect(Memory *m) {
    const LoopProgram *p = m->s->out;
    uint32_t *phase_of = m->phase_of = ARENA_ARRAY(m->s->arena, uint32_t, p->order.len);
    phases_number(m, phase_of);
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        if (o->kind == ORDER_GUARD && !piece_use(m, o->number, phase_of[i])) return false;
        if (o->kind != ORDER_RUN) continue;
        const Kernel *k = p->kernels.data[o->number];
        for (uint32_t b = 0; b < k->buffers.len; b++)
            if (!piece_use(m, k->buffers.data[b], phase_of[i])) return false;
    }
    loop_lives(m->s, life_in_loop, m);
    return true;
}

static int larger_first(const void *a, const void *b) {
    const Piece *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x->buffer < y->buffer ? -1 : 1;
}

/* The lowest offset at which `piece` fits between the placed pieces that live with it. `placed` is
 * sorted by offset and gains the piece. */
static bool piece_place(const Memory *m, Piece *piece, Piece **placed, uint32_t count) {
    int64_t offset = 0;
    for (uint32_t i = 0; i < count && placed[i]->offset < offset + piece->bytes; i++) {
        const Piece *o = placed[i];
        bool meet = o->first <= piece->last && piece->first <= o->last;
        if ((meet || !m->s->options.memory_plan) && o->offset + o->bytes > offset)
            offset = o->offset + o->bytes;
    }
    piece->offset = offset;
    uint32_t at = count;
    for (; at > 0 && placed[at - 1]->offset > offset; at--) placed[at] = placed[at - 1];
    placed[at] = piece;
    return offset <= INT64_MAX / 2;
}

static int64_t live_most(Memory *m) {
    int64_t *live = ARENA_ARRAY(m->s->arena, int64_t, m->phases + 1), most = 0;
    for (uint32_t i = 0; i < m->pieces.len; i++)
        for (uint32_t phase = m->pieces.data[i].first; phase <= m->pieces.data[i].last; phase++)
            if (__builtin_add_overflow(live[phase], m->pieces.data[i].bytes, &live[phase]))
                live[phase] = INT64_MAX;
    for (uint32_t i = 0; i <= m->phases; i++)
        if (live[i] > most) most = live[i];
    return most;
}

static bool too_large(Sched *s) {
    ctx_error(s->ctx, E_LIMIT, s->entry->span, "entry `%s` needs more memory than can be addressed",
              s->entry->name);
    return false;
}

bool plan_memory(Sched *s) {
    Memory m = {.s = s};
    m.piece_of = ARENA_ARRAY(s->arena, uint32_t, s->out->buffers.len);
    for (uint32_t i = 0; i < s->out->buffers.len; i++) m.piece_of[i] = NONE;
    if (!lives_collect(&m)) return too_large(s);
    if (m.pieces.len == 0) return true;
    qsort(m.pieces.data, m.pieces.len, sizeof *m.pieces.data, larger_first);
    Piece **placed = ARENA_ARRAY(s->arena, Piece *, m.pieces.len);
    for (uint32_t i = 0; i < m.pieces.len; i++) {
        const Piece *piece = &m.pieces.data[i];
        if (!piece_place(&m, &m.pieces.data[i], placed, i)) return too_large(s);
        LoopBuffer *b = &s->out->buffers.data[piece->buffer];
        b->offset = piece->offset;
        b->first = m.phase_first[piece->first];
        b->last = m.phase_last[piece->last];
        int64_t end = piece->offset + piece->bytes;
        if (end > s->out->arena_bytes) s->out->arena_bytes = end;
    }
    s->out->live_bytes_max = live_most(&m);
    return s->out->live_bytes_max < INT64_MAX ? true : too_large(s);
}
