/* Placement from the bottom up. Over time lies a line: how high what is placed reaches in each
 * phase. The lowest stretch of it is filled next, by the piece that lives within it and is greatest
 * in the sense of the choice; where none does, the stretch rises to its lower neighbour.
 *
 * Why beside greedy by size: pieces of nearly one size and many lives (the activations of a deep
 * network and panels packed from them) leave holes when the largest go first; stacked by time they
 * leave few. Cost: O(pieces * (pieces + phases)).
 *
 * Source: best fit on the skyline, Burke, Kendall and Whitwell 2004 (strip packing); for buffers,
 * Sekiyama et al. 2018 (arXiv 1804.10001). */
#include "compiler/schedule/skyline.h"

typedef struct Line {
    int64_t *height; /* per phase */
    uint32_t phases;
} Line;

/* The lowest stretch of equal height, the first of several. */
static void lowest(const Line *l, uint32_t *from, uint32_t *to) {
    uint32_t at = 0;
    for (uint32_t i = 1; i < l->phases; i++)
        if (l->height[i] < l->height[at]) at = i;
    *from = at;
    while (*from > 0 && l->height[*from - 1] == l->height[at]) (*from)--;
    *to = at;
    while (*to + 1 < l->phases && l->height[*to + 1] == l->height[at]) (*to)++;
}

static void rise(Line *l, uint32_t from, uint32_t to) {
    int64_t left = from > 0 ? l->height[from - 1] : INT64_MAX;
    int64_t right = to + 1 < l->phases ? l->height[to + 1] : INT64_MAX;
    for (uint32_t i = from; i <= to; i++) l->height[i] = left < right ? left : right;
}

static double worth(const Piece *p, SkylineChoice choice) {
    double life = p->last - p->first + 1, bytes = (double)p->bytes;
    if (choice == SKYLINE_LARGEST) return bytes;
    return choice == SKYLINE_AREA ? bytes * life : life;
}

/* The best of order[placed ..] that lives within the stretch, or `count`. */
static uint32_t best_within(Piece **order, uint32_t placed, uint32_t count, uint32_t from,
                            uint32_t to, SkylineChoice choice) {
    uint32_t best = count;
    for (uint32_t i = placed; i < count; i++) {
        const Piece *p = order[i];
        if (p->first < from || p->last > to) continue;
        if (best == count) {
            best = i;
            continue;
        }
        const Piece *b = order[best];
        double mine = worth(p, choice), other = worth(b, choice);
        bool better = mine != other          ? mine > other
                      : p->bytes != b->bytes ? p->bytes > b->bytes
                      : p->last != b->last   ? p->last > b->last
                                             : p->buffer < b->buffer;
        if (better) best = i;
    }
    return best;
}

bool skyline_place(Sched *s, Piece **order, uint32_t count, uint32_t phases, SkylineChoice choice) {
    Line l = {ARENA_ARRAY(s->arena, int64_t, phases + 1), phases};
    for (uint32_t placed = 0; placed < count;) {
        uint32_t from, to;
        lowest(&l, &from, &to);
        uint32_t at = best_within(order, placed, count, from, to, choice);
        if (at == count) {
            rise(&l, from, to);
            continue;
        }
        Piece *p = order[at];
        order[at] = order[placed];
        order[placed++] = p;
        p->offset = l.height[from];
        if (p->offset > INT64_MAX / 2 - p->bytes) return false;
        for (uint32_t i = p->first; i <= p->last; i++) l.height[i] = p->offset + p->bytes;
    }
    return true;
}
