/* What could be tried instead of the choice that the cost model finds: one thing varied at a time,
 * each only where the kernel can be made so. */
#include "compiler/schedule/choice.h"
#include "compiler/schedule/tile.h"

/* Rows by vectors of accumulators, the likeliest first. */
typedef struct TileSize {
    uint8_t rows, vectors;
} TileSize;
static const TileSize SIZES[] = {{8, 2}, {8, 3},  {14, 2}, {12, 2}, {4, 4}, {6, 4}, {4, 6},
                                 {8, 1}, {16, 1}, {4, 3},  {4, 2},  {2, 4}, {6, 2}, {2, 8}};

typedef struct Offers {
    Choice list[CHOICE_OFFERS_MAX];
    uint32_t count;
} Offers;

static void offer(Offers *o, Choice c) {
    if (o->count < CHOICE_OFFERS_MAX) o->list[o->count++] = c;
}

static int64_t ceiling(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Accumulators, vectors of the operand and one more fit the registers, and there are so many rows
 * and columns. Rows that threads share come in grains, which whole tiles must make up. */
static bool size_fits(const Sched *s, const Kernel *k, const Tile *t, TileSize z) {
    int64_t lanes = s->options.vector_bytes / 4;
    DimId columns = t->c.size[t->vector_label], rows = t->c.size[t->row_label];
    if ((uint32_t)z.rows * z.vectors + z.vectors + 1 > s->options.vector_registers) return false;
    if (z.rows == t->rows && z.vectors == t->vectors) return false;
    if (z.vectors > ceiling(dim_bound(s->dims, columns), lanes)) return false;
    if (z.rows > dim_bound(s->dims, rows)) return false;
    bool shared = t->parallel == (int32_t)t->row_label;
    return !shared || k->grain % z.rows == 0;
}

static void offer_sizes(const Sched *s, const Kernel *k, const Tile *t, bool near, Offers *o) {
    bool one_tile = dim_is_const(s->dims, t->c.size[t->row_label]) &&
                    dim_value(s->dims, t->c.size[t->row_label]) == t->rows;
    if (t->rows == 1 && tile_sums_windows(t)) return; /* rows are taps */
    for (uint32_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        if (one_tile || o->count >= CHOICE_OFFERS_MAX - 5) break;
        if (size_fits(s, k, t, SIZES[i]))
            offer(o, (Choice){.rows = SIZES[i].rows, .vectors = SIZES[i].vectors});
    }
    for (uint32_t v = 1; one_tile && v <= 16; v *= 2) { /* all rows, another number of columns */
        TileSize z = {(uint8_t)t->rows, (uint8_t)v};
        if (size_fits(s, k, t, z) && !(near && v > 4))
            offer(o, (Choice){.rows = z.rows, .vectors = z.vectors});
    }
}

static void offer_blocks(const Sched *s, const Tile *t, Offers *o) {
    int64_t most = dim_bound(s->dims, t->c.k), block = t->k_block;
    if (t->stage == STAGE_PART) block = tile_block_of_k(s, t);
    if (block == 0) return;
    if (block < 64) { /* few rows: so many rows of the matrix side by side */
        offer(o, (Choice){.k_block = 16});
        offer(o, (Choice){.k_block = CHOICE_ALL_OF_K});
        return;
    }
    for (int64_t other = block / 4; other <= 4 * block; other *= 2)
        if (other != block && other >= 64 && other <= K_CHUNK && other < most)
            offer(o, (Choice){.k_block = (uint32_t)other});
}

void choice_note(const Sched *s, Kernel *k, const Tile *t, bool panels, bool row_panels,
                 bool near) {
    Text how = {.arena = s->arena};
    int64_t block = t->stage == STAGE_PART ? tile_block_of_k(s, t) : t->k_block;
    text_printf(&how, "%u x %u", t->rows, t->vectors * (s->options.vector_bytes / 4));
    if (block > 0) text_printf(&how, ", k by %lld", (long long)block);
    if (near) text_add(&how, ", blocks turned");
    if (panels) text_add(&how, ", columns in panels");
    if (row_panels) text_add(&how, ", rows in panels");
    k->choice = text_str(&how);
    const ScheduleChoices *choices = s->options.choices;
    if (!choices) return;
    k->problem = choice_problem(s, t->c.node);
    if (!choices->offer) return;
    Offers o = {.count = 0};
    offer_sizes(s, k, t, near, &o);
    offer_blocks(s, t, &o);
    if (near) offer(&o, (Choice){.near = WAY_NEVER});
    if (row_panels) offer(&o, (Choice){.row_panels = WAY_NEVER});
    uint32_t which = t->c.in_a[t->vector_label] ? 0 : 1;
    if (!near && operand_lies_along(s, t->c.node, which, t->vector_label)) {
        if (panels)
            offer(&o, (Choice){.panels = WAY_NEVER});
        else if (layout_may_panel(s, t->c.node, which))
            offer(&o, (Choice){.panels = WAY_ALWAYS});
    }
    choices->offer(choices->user, k->problem, o.list, o.count);
}
