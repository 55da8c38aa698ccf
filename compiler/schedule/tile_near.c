/* Few rows times a matrix whose neighbours in memory are neighbours in k (a gradient at batch 1):
 * no sum may be split among lanes (docs/numerics.md), and a whole turned copy would go to memory
 * and back for each use of an element or two. So blocks of the matrix are turned in registers when
 * they are wanted, to a place that stays in the first-level cache, and go into the sums from there.
 *
 *     for tiles of columns j, for k by BLOCK:
 *         near[k, j] = matrix[j, k] for the block;  acc[j] = fma(a[k], near[k, j], acc[j])
 *
 * Each tile of columns has a place of its own, so that threads do not meet there. */
#include "compiler/schedule/choice.h"
#include "compiler/schedule/tile.h"

enum { BLOCK = 64, ROWS_MAX = 14, VECTORS = 4 };

int64_t tile_near_block(void) {
    return BLOCK;
}

static uint32_t vector_operand(const Tile *t) {
    return t->c.in_a[t->vector_label] ? 0 : 1;
}

bool tile_near_wanted(const Sched *s, const Tile *t) {
    const Contract *c = &t->c;
    uint32_t which = vector_operand(t), last = c->outer + c->reduced - 1;
    NodeId id = which ? c->b : c->a;
    DimId rows = c->size[t->row_label], columns = c->size[t->vector_label];
    if (c->reduced != 1 || c->slide_count > 0 || c->outer > 2 || !s->options.fusion) return false;
    if (dtype_bytes(node_of(s, id)->dtype) != 4 || plan_of(s, id)->absent) return false;
    if (!dim_is_const(s->dims, rows) || dim_value(s->dims, rows) > ROWS_MAX) return false;
    if (!dim_is_const(s->dims, columns) || dim_value(s->dims, columns) < 16) return false;
    return !operand_lies_along(s, c->node, which, t->vector_label) &&
           operand_lies_along(s, c->node, which, last) && choice_of(s, c->node)->near != WAY_NEVER;
}

bool tile_turns_blocks(const Sched *s, NodeId contract) {
    Tile t = {.c = contract_labels(s, contract), .parallel = -1};
    return tile_choose_labels(s, &t) && tile_near_wanted(s, &t);
}

/* Where the operand's element (column + j, k + i) is loaded from, i and j the steps of a block. */
static bool block_source(Lower *l, const Tile *t, ExprId k, ExprId column, LoopBlock *from) {
    const Contract *c = &t->c;
    NodeId id = vector_operand(t) ? c->b : c->a;
    const uint32_t *label = vector_operand(t) ? c->label_b : c->label_a;
    VarId i = l_new_var(l, "i"), j = l_new_var(l, "j");
    Index at = {.pred = EXPR_NONE};
    for (uint32_t a = 0; a < node_of(l->s, id)->rank; a++)
        at.axis[a] = label[a] == t->vector_label ? l_add(l, column, l_var(l, j))
                     : label[a] >= c->outer      ? l_add(l, k, l_var(l, i))
                                                 : t->label[label[a]];
    memo_clear(l);
    ExprId value = lower_value(l, id, &at);
    Expr e;
    int64_t unit;
    ExprId start;
    if (!pack_plain_load(l, value, &e, &from->rounds)) return false;
    from->buffer = e.buffer;
    if (!loop_affine(l->p, l->k, e.args[0], j, &start, &from->step)) return false;
    return loop_affine(l->p, l->k, start, i, &from->start, &unit) && unit == 1;
}

bool tile_near_open(Lower *l, Tile *t) {
    Sched *s = l->s;
    LoopBlock from;
    for (uint32_t a = 0; a < t->c.outer; a++) t->label[a] = l_var(l, l_new_var(l, "x"));
    ExprId k = l_var(l, l_new_var(l, "x")), column = l_var(l, l_new_var(l, "x"));
    bool fine = block_source(l, t, k, column, &from);
    for (uint32_t i = 0; i < l->group->access.len; i++) l->group->access.data[i] = ACCESS_NONE;
    if (!fine) return false;
    int64_t columns = dim_value(s->dims, t->c.size[t->vector_label]);
    if (t->vectors > VECTORS) t->vectors = VECTORS;
    while (t->vectors > 1 && (int64_t)(t->vectors - 1) * l->lanes >= columns) t->vectors--;
    l->near.width = t->vectors * l->lanes;
    int64_t count = (columns + l->near.width - 1) / l->near.width * l->near.width * BLOCK;
    DType dtype = node_of(s, vector_operand(t) ? t->c.b : t->c.a)->dtype;
    uint32_t b = buffer_create(s, arena_printf(s->arena, "near.%u", s->out->buffers.len),
                               STORAGE_ARENA, 0, dtype, dim_const(s->dims, count));
    l->near.on = true;
    l->near.which = vector_operand(t);
    l->near.position = loop_use(l->p, l->k, b, true);
    return true;
}

void tile_near_fill(Lower *l, Tile *t, ExprId column, uint32_t vectors, ExprId from, ExprId to) {
    LowerPlace place = l_place(l);
    access_note(l, l->near.position, ACCESS_ANY);
    l->near.k = from;
    l->near.column = column;
    ExprId width = l_int(l, l->near.width); /* tiles narrower than that share a place */
    l->near.start = l_mul(l, l_div(l, column, width), l_int(l, (int64_t)l->near.width * BLOCK));
    ExprId end = l_int(l, dim_value(l->s->dims, t->c.size[t->vector_label]));
    VarId part = l_new_var(l, "p"), block = l_new_var(l, "b");
    ExprId stop = l_min(l, l_add(l, column, l_int(l, vectors * l->lanes)), end);
    l_enter_for(l, part, column, stop, l->lanes);
    l_enter_for(l, block, from, to, l->lanes);
    LoopBlock source, target = {.buffer = l->near.position, .step = l->near.width};
    if (!block_source(l, t, l_var(l, block), l_var(l, part), &source))
        BUG("kernel %s: no block to turn", l->k->name);
    ExprId k = l_mul(l, l_sub(l, l_var(l, block), from), l_int(l, l->near.width));
    target.start = l_add(l, l->near.start, l_add(l, k, l_sub(l, l_var(l, part), column)));
    ExprId most = l_int(l, l->lanes);
    ExprId rows = l_min(l, l_sub(l, end, l_var(l, part)), most);
    ExprId columns = l_min(l, l_sub(l, to, l_var(l, block)), most);
    loop_transpose(l->p, l->k, &l->parent, source, target, rows, columns, l->lanes);
    l_return(l, place);
}

ExprId near_load(Lower *l, const Contract *c, const ExprId *label) {
    uint32_t vector = contract_vector_label(l->s, c->node);
    ExprId k = l_sub(l, label[c->outer + c->reduced - 1], l->near.k);
    ExprId at = l_add(l, l_mul(l, k, l_int(l, l->near.width)), l->near.start);
    at = l_add(l, at, l_sub(l, label[vector], l->near.column));
    return loop_load(l->p, l->k, l->near.position, at);
}
