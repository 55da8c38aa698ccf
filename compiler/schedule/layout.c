/* Layout: operands of contractions in the order the vector loop wants them.
 *
 * The vector runs over the result's last label. Where the operand that carries it has another
 * stride than 1 along it (x @ w.T, the backward pass of a dense layer), the operand is copied once
 * with that axis last, by a kernel of its own. The copy costs a pass over the operand, the
 * contraction reads it once a row tile. Copies of one operand are shared.
 *
 * Long rows are copied in panels, the columns of one register tile side by side for all k: at rows
 * of 2 KB and more every k is another page and the lines of a column fall into few sets of the
 * cache, so that a tile would wait for each of them (Goto & van de Geijn 2008). */
#include "compiler/schedule/choice.h"

/* Many rows pay for the copy at a shorter k, too: their result is then written from one end to the
 * other (4,096 x 64 x 1,024: 17 to 20 % less time). */
enum {
    PACK_MIN_ROWS = 16,
    PANEL_MIN_ROWS = 64,
    PANEL_MIN_K = 128,
    PANEL_SHORT_K = 64,
    MANY_ROWS = 1024,
    PANEL_MIN_COLUMNS = 512
};

static bool slab_unit_stride(const Sched *s, const Slab *slab, uint32_t axis) {
    for (uint32_t i = slab->rank; i-- > 0;) {
        if (slab->axis[i] == (int32_t)axis) return true;
        if (!dim_equals(s->dims, slab->dims[i], 1)) return false;
    }
    return true;
}

/* One step along `axis` moves one element in memory. */
static bool unit_stride(const Sched *s, NodeId id, uint32_t axis) {
    for (;;) {
        const GNode *n = node_of(s, id);
        const Slab *slab = plan_of(s, id)->slab;
        if (slab) return slab_unit_stride(s, slab, axis);
        if (plan_of(s, id)->stored || n->nargs == 0) {
            for (uint32_t i = axis + 1; i < n->rank; i++)
                if (!dim_equals(s->dims, n->dims[i], 1)) return false;
            return true;
        }
        if (n->op == OP_PERMUTE) {
            axis = (uint32_t)n->attr[axis];
        } else if (n->op == OP_BROADCAST) {
            if (n->attr[axis] < 0) return true; /* one value for all */
            axis = (uint32_t)n->attr[axis];
        } else if (n->op == OP_SLICE) {
            if (n->attr[2 * axis + 1] != 1) return false;
        } else if (n->op == OP_WINDOW || n->op == OP_REVERSE) { /* other axes stay as they are */
            if (axis >= node_of(s, n->args[0])->rank) return false;
            for (uint32_t i = 0; i < n->nattr; i += n->op == OP_WINDOW ? WINDOW_WORDS : 1)
                if (n->attr[i] == (int64_t)axis) return false;
        } else if (n->op == OP_RESHAPE) {
            const GNode *x = node_of(s, n->args[0]);
            bool last =
                axis + 1 == n->rank && x->rank > 0 && dim_same(x->dims[x->rank - 1], n->dims[axis]);
            if (!last) return axis + 1 == n->rank && plan_of(s, n->args[0])->stored;
            axis = x->rank - 1;
        } else if (n->op != OP_AGAIN && n->op != OP_CAST) {
            return false;
        }
        id = n->args[0];
    }
}

bool operand_lies_along(const Sched *s, NodeId contract, uint32_t which, uint32_t label) {
    const GNode *n = node_of(s, contract), *x = node_of(s, n->args[which]);
    uint32_t first = which == 0 ? 1 : 1 + node_of(s, n->args[0])->rank;
    for (uint32_t i = 0; i < x->rank; i++)
        if (n->attr[first + i] == (int64_t)label) return unit_stride(s, n->args[which], i);
    return false;
}

/* The result's rows: elements per element of the operand. */
static int64_t rows_of(const Sched *s, NodeId contract, NodeId operand, uint32_t first_label) {
    const GNode *n = node_of(s, contract), *x = node_of(s, operand);
    int64_t rows = 1;
    for (uint32_t label = 0; label < n->rank; label++) {
        bool own = false;
        for (uint32_t i = 0; i < x->rank; i++) own |= n->attr[first_label + i] == (int64_t)label;
        int64_t size = dim_bound(s->dims, n->dims[label]);
        if (!own && (size == 0 || __builtin_mul_overflow(rows, size, &rows))) return INT64_MAX;
    }
    return rows;
}

static bool operand_reduces(const Sched *s, NodeId contract, NodeId operand, uint32_t axis) {
    const GNode *n = node_of(s, contract), *a = node_of(s, n->args[0]);
    uint32_t first = node_same(n->args[0], operand) ? 1 : 1 + a->rank;
    return n->attr[first + axis] >= (int64_t)n->rank;
}

static uint32_t pack_find(const Sched *s, NodeId operand, uint32_t axis, uint32_t panel,
                          uint32_t batch, bool of_rows) {
    for (uint32_t i = 0; i < s->groups.len; i++) {
        const Group *g = s->groups.data[i];
        if (node_same(g->transposed, operand) && g->last_axis == axis && g->panel == panel &&
            g->batch == batch && g->of_rows == of_rows)
            return i;
    }
    return NONE;
}

/* How an operand is copied. */
typedef struct Copy {
    bool wanted, of_rows;
    uint32_t axis, panel, batch;
} Copy;

static uint32_t pack_create(Sched *s, NodeId contract, NodeId operand, const Copy *c) {
    uint32_t known = pack_find(s, operand, c->axis, c->panel, c->batch, c->of_rows);
    if (known != NONE) return known;
    uint32_t level = plan_of(s, operand)->level;
    uint32_t number = group_create(s, NODE_NONE, operand, level == 0 ? 0 : level | 1);
    Group *g = s->groups.data[number];
    g->transposed = operand;
    g->wanted_by = contract;
    g->last_axis = c->axis;
    g->panel = c->panel;
    g->batch = c->batch;
    g->of_rows = c->of_rows;
    return number;
}

static bool sees_window(const Sched *s, NodeId id) {
    for (; !plan_of(s, id)->stored && node_of(s, id)->nargs > 0; id = node_of(s, id)->args[0])
        if (node_of(s, id)->op == OP_WINDOW) return true;
    return false;
}

/* Axes other than `axis` that are not k's. */
static uint32_t batch_axes(const Sched *s, NodeId contract, NodeId operand, uint32_t axis) {
    uint32_t batch = 0;
    for (uint32_t i = 0; i < node_of(s, operand)->rank; i++)
        if (i != axis && !operand_reduces(s, contract, operand, i)) batch |= 1u << i;
    return batch;
}

static NodeId behind_casts(const Sched *s, NodeId id) {
    while (node_of(s, id)->op == OP_CAST) id = node_of(s, id)->args[0];
    return id;
}

/* Panels of columns that are neighbours in memory: the copy is paid for by the rows of one
 * contraction, or by all iterations of a loop. Others are copied anyhow. */
static uint32_t panel_width(const Sched *s, NodeId contract, NodeId operand, uint32_t axis,
                            int64_t rows, uint32_t batch) {
    const GNode *x = node_of(s, operand);
    const GNode *made = node_of(s, behind_casts(s, operand));
    bool captured =
        s->body && made->op == OP_INPUT && made->attr[0] >= scan_capture_input(&s->body->scan, 0);
    if (dtype_bytes(x->dtype) != 4 || !dim_is_const(s->dims, x->dims[axis])) return 0;
    if (sees_window(s, node_of(s, contract)->args[0]) ||
        sees_window(s, node_of(s, contract)->args[1]))
        return 0;
    if ((uint32_t)__builtin_popcount(batch) + 1 == x->rank) return 0; /* no k */
    int64_t columns = dim_bound(s->dims, x->dims[axis]);
    const Way said = choice_of(s, contract)->panels;
    if (unit_stride(s, operand, axis) && said != WAY_ALWAYS) {
        if (said == WAY_NEVER) return 0;
        if (tile_in_blocks(s, contract)) return 0;
        if (batch != 0 || columns < PANEL_MIN_COLUMNS) return 0;
        int64_t k = node_bound(s, operand) / columns;
        if (k < (rows < MANY_ROWS ? PANEL_MIN_K : PANEL_SHORT_K)) return 0;
        if (rows < PANEL_MIN_ROWS && !(captured && rows >= PACK_MIN_ROWS)) return 0;
    }
    return columns > 0 ? tile_columns(s, contract) : 0;
}

bool layout_may_panel(const Sched *s, NodeId contract, uint32_t which) {
    enum { LEAST = 64 };
    const GNode *n = node_of(s, contract), *x = node_of(s, n->args[which]);
    uint32_t first = which == 0 ? 1 : 1 + node_of(s, n->args[0])->rank, axis = NONE;
    uint32_t along = contract_vector_label(s, contract);
    for (uint32_t i = 0; i < x->rank; i++)
        if (n->attr[first + i] == (int64_t)along) axis = i;
    if (axis == NONE || dtype_bytes(x->dtype) != 4 || plan_of(s, n->args[which])->absent)
        return false;
    if (sees_window(s, n->args[0]) || sees_window(s, n->args[1])) return false;
    if (x->rank < 2 || batch_axes(s, contract, n->args[which], axis) != 0) return false;
    return dim_is_const(s->dims, x->dims[axis]) && dim_value(s->dims, x->dims[axis]) >= LEAST &&
           rows_of(s, contract, n->args[which], first) >= PACK_MIN_ROWS;
}

/* Rows that are neighbours in memory (x.T @ dy): where a tile's rows are far from one k to the next
 * and k is long, they are copied in panels of a tile's rows. Paid for by the result's columns. */
static void layout_rows(const Sched *s, NodeId id, uint32_t which, Copy *copy) {
    enum { MIN_K = 512, MIN_COLUMNS = 64, MIN_ROWS = 64 };
    const GNode *n = node_of(s, id), *x = node_of(s, n->args[which]);
    uint32_t first = which == 0 ? 1 : 1 + node_of(s, n->args[0])->rank, label, axis = NONE;
    uint32_t rows = tile_row_count(s, id, &label);
    if (choice_of(s, id)->row_panels == WAY_NEVER) return;
    if (rows == 0 || plan_of(s, n->args[which])->absent || dtype_bytes(x->dtype) != 4) return;
    if (sees_window(s, n->args[0]) || sees_window(s, n->args[1])) return;
    for (uint32_t i = 0; i < x->rank; i++)
        if (n->attr[first + i] == (int64_t)label) axis = i;
    if (axis == NONE || !unit_stride(s, n->args[which], axis)) return;
    uint32_t batch = batch_axes(s, id, n->args[which], axis);
    int64_t all = node_bound(s, n->args[which]), own = dim_bound(s->dims, x->dims[axis]);
    if (batch != 0 || x->rank < 2 || own < MIN_ROWS || all / own < MIN_K) return;
    if (dim_bound(s->dims, n->dims[contract_vector_label(s, id)]) < MIN_COLUMNS) return;
    *copy = (Copy){.wanted = true, .of_rows = true, .axis = axis, .panel = rows, .batch = batch};
}

static void layout_choose(const Sched *s, NodeId id, Copy copy[2]) {
    const GNode *n = node_of(s, id);
    uint32_t first = 1;
    if (!s->options.fusion || n->rank == 0 || n->dtype == DTYPE_BOOL) return;
    uint32_t along = contract_vector_label(s, id);
    uint32_t held = 0, which = 0, axis = 0, label_at = 0;
    for (uint32_t k = 0; k < 2; first += node_of(s, n->args[k])->rank, k++) {
        const GNode *x = node_of(s, n->args[k]);
        for (uint32_t i = 0; i < x->rank; i++)
            if (n->attr[first + i] == (int64_t)along) {
                held++;
                which = k;
                axis = i;
                label_at = first;
            }
    }
    if (held != 1 || plan_of(s, n->args[which])->absent) return;
    int64_t rows = rows_of(s, id, n->args[which], label_at);
    uint32_t batch = batch_axes(s, id, n->args[which], axis);
    if (tile_turns_blocks(s, id)) return;
    uint32_t panel = panel_width(s, id, n->args[which], axis, rows, batch);
    bool lies_well = unit_stride(s, n->args[which], axis);
    if (!lies_well || !tile_in_blocks(s, id)) layout_rows(s, id, 1 - which, &copy[1 - which]);
    if (panel == 0 && (lies_well || rows < PACK_MIN_ROWS)) return;
    copy[which] =
        (Copy){.wanted = true, .axis = axis, .panel = panel, .batch = panel > 0 ? batch : 0};
}

void layout_contract(Sched *s, NodeId id, uint32_t packed[2]) {
    Copy copy[2] = {{.wanted = false}};
    layout_choose(s, id, copy);
    for (uint32_t k = 0; k < 2; k++)
        if (copy[k].wanted) packed[k] = pack_create(s, id, node_of(s, id)->args[k], &copy[k]);
}

/* Only copies of it are read: every reader is a contraction that copies it. */
bool layout_copies_all(const Sched *s, NodeId operand) {
    for (uint32_t i = s->user_first[operand.id]; i < s->user_first[operand.id + 1]; i++) {
        NodeId user = {s->users[i]};
        const GNode *u = node_of(s, user);
        if (u->op == OP_CONTRACT) {
            Copy copy[2] = {{.wanted = false}};
            layout_choose(s, user, copy);
            for (uint32_t k = 0; k < 2; k++)
                if (node_same(u->args[k], operand) && !copy[k].wanted) return false;
        } else {
            return false;
        }
    }
    return true;
}
