/* The arena: every buffer gets an offset, buffers that never live at the same time share bytes.
 *
 * Time is counted in phases, the stretches between barriers: within one, threads run at their own
 * pace, so two buffers of one phase never share. Placement is greedy by size, largest first, each
 * at the lowest free offset (after Pisarchyk & Lee, arXiv 2001.03288); where that leaves holes,
 * other orders are tried. Sizes are taken with every symbol at its bound. A loop comes back
 * to its beginning: what is shared with the outside lives from its beginning to its end, and so
 * does what lives in its first or last phase when no barrier stands at its end (then the next
 * iteration begins beside this one). Cost: O(buffers^2). loop_verify_memory checks the result
 * independently. */
#include "compiler/schedule/skyline.h"
#include <stdlib.h>

enum {
    ALIGNMENT = 64,
    TRY_MOST = 4096,
    ROUNDS = 200,
    SLICES = 10,
    EFFORT = 1 << 23,
    SEARCHED_BYTES = 1 << 20
};

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

/* ------------------------------------------------------------------ places */

static int larger_first(const void *a, const void *b) {
    const Piece *x = *(Piece *const *)a, *y = *(Piece *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    /* intervals of one size taken by their beginnings need the least room there is */
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->buffer < y->buffer ? -1 : 1;
}

static int longer_first(const void *a, const void *b) {
    const Piece *x = *(Piece *const *)a, *y = *(Piece *const *)b;
    uint32_t mine = x->last - x->first, other = y->last - y->first;
    return mine != other ? (mine > other ? -1 : 1) : larger_first(a, b);
}

static int larger_area_first(const void *a, const void *b) {
    const Piece *x = *(Piece *const *)a, *y = *(Piece *const *)b;
    double mine = (double)x->bytes * (x->last - x->first + 1);
    double other = (double)y->bytes * (y->last - y->first + 1);
    return mine != other ? (mine > other ? -1 : 1) : larger_first(a, b);
}

static int earlier_first(const void *a, const void *b) {
    const Piece *x = *(Piece *const *)a, *y = *(Piece *const *)b;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : larger_first(a, b);
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

/* The bytes that the first `count` of an order take together, or -1. */
static int64_t pieces_place(const Memory *m, Piece **order, Piece **placed, uint32_t count) {
    int64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        Piece *piece = order[i];
        if (!piece_place(m, piece, placed, i)) return -1;
        if (piece->offset + piece->bytes > total) total = piece->offset + piece->bytes;
    }
    return total;
}

/* What lives in one phase at most: no placement takes less. */
static double phase_most(const Memory *m) {
    double *change = ARENA_ARRAY(m->s->arena, double, m->phases + 2), live = 0, most = 0;
    for (uint32_t i = 0; i < m->pieces.len; i++) {
        change[m->pieces.data[i].first] += (double)m->pieces.data[i].bytes;
        change[m->pieces.data[i].last + 1] -= (double)m->pieces.data[i].bytes;
    }
    for (uint32_t i = 0; i <= m->phases; i++) {
        live += change[i];
        if (live > most) most = live;
    }
    return most;
}

typedef int (*PieceOrder)(const void *, const void *);

typedef struct Search {
    Memory *m;
    Piece **order, **placed;
    int64_t *kept; /* per piece: its offset in the best placement so far */
    int64_t best;
    uint64_t draws;
} Search;

/* Places all, and keeps the places if they are the best so far. */
static void attempt(Search *x) {
    int64_t total = pieces_place(x->m, x->order, x->placed, x->m->pieces.len);
    if (total < 0 || (x->best >= 0 && total >= x->best)) return;
    x->best = total;
    for (uint32_t i = 0; i < x->m->pieces.len; i++) x->kept[i] = x->m->pieces.data[i].offset;
}

static uint32_t draw(Search *x, uint32_t below) { /* always the same sequence */
    uint64_t z = ++x->draws * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    return (uint32_t)((z >> 33) % below);
}

/* Fills order with all pieces, those of `large` bytes first; returns how many these are. */
static uint32_t large_first(Search *x, double large, PieceOrder compare) {
    uint32_t count = x->m->pieces.len, first = 0, last = count;
    for (uint32_t i = 0; i < count; i++) {
        Piece *piece = &x->m->pieces.data[i];
        x->order[(double)piece->bytes >= large ? first++ : --last] = piece;
    }
    qsort(x->order, first, sizeof *x->order, compare);
    qsort(x->order + first, count - first, sizeof *x->order, larger_first);
    return first;
}

/* Pieces of `large` bytes as they stack up, each then as low as it fits; the others into the holes.
 */
static void attempt_skyline(Search *x, double large, SkylineChoice choice) {
    uint32_t count = large_first(x, large, larger_first);
    if (skyline_place(x->m->s, x->order, count, x->m->phases + 1, choice)) attempt(x);
}

static void piece_move(Piece **order, uint32_t from, uint32_t to) {
    Piece *piece = order[from];
    for (; from > to; from--) order[from] = order[from - 1];
    for (; from < to; from++) order[from] = order[from + 1];
    order[to] = piece;
}

/* The first `count` of the order: one of them, in every other round the one that ends last, goes
 * somewhere else; what is no worse stays. */
static void improve(Search *x, uint32_t count, uint32_t rounds, double enough) {
    int64_t best = pieces_place(x->m, x->order, x->placed, count);
    uint32_t top = 0;
    for (uint32_t round = 0; round < rounds && count > 1 && (double)best > enough; round++) {
        for (uint32_t i = 0; i < count && round % 2 == 0; i++)
            if (x->order[i]->offset + x->order[i]->bytes == best) top = i;
        uint32_t from = round % 2 == 0 ? top : draw(x, count), to = draw(x, count);
        piece_move(x->order, from, to);
        int64_t total = pieces_place(x->m, x->order, x->placed, count);
        if (total >= 0 && total <= best) {
            best = total;
            continue;
        }
        piece_move(x->order, to, from);
        (void)pieces_place(x->m, x->order, x->placed, count);
    }
}

static int lower_first(const void *a, const void *b) {
    const Piece *x = *(Piece *const *)a, *y = *(Piece *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return larger_first(a, b);
}

/* Moves the large pieces (a 256th of the whole) of an order about, for a few milliseconds at most:
 * small ones fit into the holes that are left. */
static void search(Search *x, double least, double enough, PieceOrder compare) {
    for (uint32_t i = 0; i < x->m->pieces.len; i++) x->m->pieces.data[i].offset = x->kept[i];
    uint32_t large = large_first(x, least / 256, compare);
    uint64_t rounds = EFFORT / ((uint64_t)large * large + 1);
    /* the small ones are placed now and then: where they fit is not known before */
    for (uint32_t i = 0; i < SLICES && (double)x->best > enough; i++) {
        improve(x, large, rounds > ROUNDS ? ROUNDS : (uint32_t)rounds, enough);
        attempt(x);
    }
}

/* Largest first is nearly always best. Where it leaves holes, other orders are tried, then the
 * skyline (skyline.h) of all pieces or of the large ones; then the best placement so far is
 * searched for a better one, and then those orders. */
static int64_t best_place(Memory *m) {
    static const PieceOrder orders[] = {larger_first, larger_area_first, longer_first,
                                        earlier_first, lower_first};
    static const double parts[] = {0, 1.0 / 1024, 1.0 / 256, 1.0 / 64};
    enum { PARTS = sizeof parts / sizeof *parts };
    const uint32_t count = m->pieces.len, kinds = count > TRY_MOST ? 1 : 4;
    const double least = phase_most(m), enough = least * 1.01, fine = least * 1.045;
    Search x = {.m = m, .best = -1};
    x.order = ARENA_ARRAY(m->s->arena, Piece *, count);
    x.placed = ARENA_ARRAY(m->s->arena, Piece *, count);
    x.kept = ARENA_ARRAY(m->s->arena, int64_t, count);
    for (uint32_t k = 0; k < kinds && (k == 0 || (double)x.best > enough); k++) {
        (void)large_first(&x, 0, orders[k]);
        attempt(&x);
    }
    const bool much = x.best > SEARCHED_BYTES, few = kinds > 1;
    for (uint32_t k = 0; k < SKYLINE_CHOICES * PARTS && much && few && (double)x.best > enough; k++)
        attempt_skyline(&x, least * parts[k % PARTS], (SkylineChoice)(k / PARTS));
    for (uint32_t k = kinds + (few ? 1 : 0); k-- > 0 && much && (double)x.best > fine;)
        search(&x, least, fine, orders[k]);
    for (uint32_t i = 0; i < count; i++) m->pieces.data[i].offset = x.kept[i];
    return x.best;
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
    s->out->arena_bytes = best_place(&m);
    if (s->out->arena_bytes < 0) return too_large(s);
    for (uint32_t i = 0; i < m.pieces.len; i++) {
        const Piece *piece = &m.pieces.data[i];
        LoopBuffer *b = &s->out->buffers.data[piece->buffer];
        b->offset = piece->offset;
        b->first = m.phase_first[piece->first];
        b->last = m.phase_last[piece->last];
    }
    return true;
}
