/* Greedy memory plan: largest buffer first, each at the lowest place that is free during its whole
 * life (Pisarchyk and Lee, arXiv 2001.03288, "greedy by size"). The compiler's plan is better and
 * is used as long as the symbols stay within its bounds; this one serves larger batches. */
#include "runtime/core/plan.h"

#include <stdlib.h>

#include "runtime/core/memory.h"

enum { PLAN_GREEDY_MAX = 4096 }; /* more buffers than this lie apart: quadratic cost */

typedef struct Piece {
    int64_t bytes, offset;
    uint32_t buffer, first, last;
} Piece;

static bool piece_bytes(const BmrtBuffer *buffer, const int64_t *symbols, int64_t *out) {
    int64_t count, bytes;
    if (!bmrt_dim_value(&buffer->count, symbols, &count)) return false;
    if (__builtin_mul_overflow(count, (int64_t)buffer->element_bytes, &bytes)) return false;
    if (__builtin_add_overflow(bytes, 63, &bytes)) return false;
    bytes &= ~(int64_t)63;
    *out = bytes ? bytes : 64;
    return true;
}

static int by_size(const void *a, const void *b) {
    const Piece *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x->buffer < y->buffer ? -1 : x->buffer > y->buffer;
}

/* placed[0 .. count): ordered by offset. Returns false on overflow. */
static bool place(Piece *piece, Piece **placed, uint32_t count) {
    int64_t at = 0, end;
    for (uint32_t i = 0; i < count; i++) {
        const Piece *p = placed[i];
        if (p->last < piece->first || piece->last < p->first) continue;
        if (p->offset - at >= piece->bytes) break;
        if (p->offset + p->bytes > at) at = p->offset + p->bytes;
    }
    piece->offset = at;
    uint32_t i = count;
    for (; i > 0 && placed[i - 1]->offset > at; i--) placed[i] = placed[i - 1];
    placed[i] = piece;
    return !__builtin_add_overflow(at, piece->bytes, &end);
}

static int64_t plan_pieces(Piece *pieces, Piece **placed, uint32_t count, int64_t *offsets) {
    int64_t total = 0;
    if (count <= PLAN_GREEDY_MAX) qsort(pieces, count, sizeof *pieces, by_size);
    for (uint32_t i = 0; i < count; i++) {
        int64_t end;
        pieces[i].offset = total;
        if (count <= PLAN_GREEDY_MAX && !place(&pieces[i], placed, i)) return BMRT_PLAN_OVERFLOW;
        if (__builtin_add_overflow(pieces[i].offset, pieces[i].bytes, &end))
            return BMRT_PLAN_OVERFLOW;
        if (end > total) total = end;
        offsets[pieces[i].buffer] = pieces[i].offset;
    }
    return total;
}

int64_t bmrt_plan(const BmrtHooks *hooks, const BmrtEntry *entry, const int64_t *symbols,
                  int64_t *offsets) {
    const uint32_t count = entry->buffer_count;
    Piece *pieces = bmrt_new(hooks, count, sizeof *pieces);
    Piece **placed = bmrt_new(hooks, count, sizeof *placed);
    int64_t total = pieces && placed ? 0 : BMRT_PLAN_MEMORY;
    for (uint32_t i = 0; i < count && total == 0; i++) {
        const BmrtBuffer *b = &entry->buffers[i];
        pieces[i] = (Piece){.buffer = i, .first = b->first, .last = b->last};
        if (!piece_bytes(b, symbols, &pieces[i].bytes)) total = BMRT_PLAN_OVERFLOW;
    }
    if (total == 0) total = plan_pieces(pieces, placed, count, offsets);
    bmrt_delete(hooks, pieces, count, sizeof *pieces);
    bmrt_delete(hooks, placed, count, sizeof *placed);
    return total;
}
