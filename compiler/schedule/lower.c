/* Lowering of a value: the expression of a node's element at a position. Stored nodes are loaded,
 * others are evaluated from their operands, so one recursion (bounded by fuse.c) does elementwise
 * fusion, views and prologues alike.
 *
 * Every load and store also notes how the buffer is reached by the threads (rows of the parallel
 * axis, or anywhere): plan_threads.c decides from these notes where barriers stand. */
#include "compiler/schedule/lower.h"
#include "compiler/schedule/choice.h"

/* ------------------------------------------------------------------ memo: (node, position) ->
 * value */

typedef struct MemoEntry {
    uint32_t generation;
    NodeId node;
    Index at;
    ExprId value, present;
} MemoEntry;
struct Memo {
    uint32_t generation, count, slots; /* slots: power of two */
    MemoEntry *entries;
};

static bool index_same(const Lower *l, NodeId n, const Index *a, const Index *b) {
    if (a->flat != b->flat || a->pred.id != b->pred.id) return false;
    if (a->flat) return a->row == b->row && a->pos.id == b->pos.id;
    for (uint32_t i = 0; i < node_of(l->s, n)->rank; i++)
        if (a->axis[i].id != b->axis[i].id) return false;
    return true;
}

static uint32_t index_hash(const Lower *l, NodeId n, const Index *at) {
    uint64_t h = n.id * 0x9E3779B97F4A7C15u + at->pred.id;
    if (at->flat) h = (h ^ at->pos.id) * 0x9E3779B97F4A7C15u + at->row;
    for (uint32_t i = 0; !at->flat && i < node_of(l->s, n)->rank; i++)
        h = (h ^ (h >> 31) ^ at->axis[i].id) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

static MemoEntry *memo_find(Lower *l, NodeId n, const Index *at) {
    Memo *m = l->memo;
    uint32_t i = index_hash(l, n, at) & (m->slots - 1);
    for (;; i = (i + 1) & (m->slots - 1)) {
        MemoEntry *e = &m->entries[i];
        if (e->generation != m->generation) return e;
        if (node_same(e->node, n) && index_same(l, n, &e->at, at)) return e;
    }
}

void memo_clear(Lower *l) {
    if (!l->memo) {
        l->memo = ARENA_NEW(l->s->arena, Memo);
        l->memo->slots = 64;
        l->memo->entries = ARENA_ARRAY(l->s->arena, MemoEntry, l->memo->slots);
    }
    l->present = EXPR_NONE;
    l->memo->generation++;
    l->memo->count = 0;
}

static void memo_double(Lower *l) {
    Memo *m = l->memo, old = *m;
    m->slots *= 2;
    m->entries = ARENA_ARRAY(l->s->arena, MemoEntry, m->slots);
    for (uint32_t i = 0; i < old.slots; i++)
        if (old.entries[i].generation == m->generation)
            *memo_find(l, old.entries[i].node, &old.entries[i].at) = old.entries[i];
}

void lower_bind(Lower *l, NodeId n, const Index *at, ExprId value) {
    if ((l->memo->count + 1) * 2 > l->memo->slots) memo_double(l);
    MemoEntry *e = memo_find(l, n, at);
    if (e->generation != l->memo->generation) l->memo->count++;
    *e = (MemoEntry){l->memo->generation, n, *at, value, EXPR_NONE};
}

/* ------------------------------------------------------------------ positions */

void split_position(Lower *l, ExprId pos, const DimId *dims, uint32_t rank, ExprId *axis) {
    for (uint32_t i = rank; i-- > 0;) {
        ExprId d = l_dim(l, dims[i]);
        axis[i] = i == 0 ? pos : l_mod(l, pos, d);
        if (i > 0) pos = l_div(l, pos, d);
    }
}

void index_axes(Lower *l, NodeId n, const Index *at, ExprId *axis) {
    const GNode *x = node_of(l->s, n);
    if (!at->flat) {
        for (uint32_t i = 0; i < x->rank; i++) axis[i] = at->axis[i];
    } else if (at->row) {
        uint32_t lead = dims_leading(l->s, x->dims, x->rank);
        for (uint32_t i = 0; i < lead; i++) axis[i] = l_int(l, 0);
        axis[lead] = l->row;
        split_position(l, at->pos, x->dims + lead + 1, x->rank - lead - 1, axis + lead + 1);
    } else {
        split_position(l, at->pos, x->dims, x->rank, axis);
    }
}

/* Axes [*first, last] that split one position, as split_position does, stand at that position. */
static ExprId joined_axes(Lower *l, const GNode *x, const ExprId *axis, uint32_t last,
                          uint32_t *first) {
    const Expr *e = &l->k->exprs.data[axis[last].id];
    ExprId whole = axis[last];
    *first = last;
    if (e->kind != EXPR_IMOD) return whole;
    ExprId pos = e->args[0], rest = pos;
    for (uint32_t i = last; i > 0; i--) {
        ExprId size = l_dim(l, x->dims[i]);
        e = &l->k->exprs.data[axis[i].id];
        if (e->kind != EXPR_IMOD || e->args[0].id != rest.id || e->args[1].id != size.id) break;
        rest = l_div(l, rest, size);
        if (axis[i - 1].id != rest.id) continue;
        *first = i - 1;
        return pos;
    }
    return whole;
}

ExprId index_position(Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    if (at->flat && !at->row) return at->pos;
    if (at->flat) {
        uint32_t lead = dims_leading(l->s, x->dims, x->rank);
        DimId rest = dims_product(l->s, x->dims + lead + 1, x->rank - lead - 1);
        ExprId row_start = l_mul(l, l->row, l_dim(l, rest));
        return l_add(l, row_start, at->pos);
    }
    ExprId pos = l_int(l, 0);
    DimId stride = dim_const(l->s->dims, 1);
    for (uint32_t i = x->rank; i-- > 0;) {
        uint32_t first;
        ExprId along = joined_axes(l, x, at->axis, i, &first);
        pos = l_add(l, l_mul(l, along, l_dim(l, stride)), pos);
        for (; i > first; i--) stride = dim_mul(l->s->dims, stride, x->dims[i]);
        stride = dim_mul(l->s->dims, stride, x->dims[i]);
    }
    return pos;
}

bool index_in_row(const Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    uint32_t lead = dims_leading(l->s, x->dims, x->rank);
    if (expr_is_none(l->row) || lead == x->rank || !dim_same(x->dims[lead], l->extent))
        return false;
    return at->flat ? at->row : at->axis[lead].id == l->row.id;
}

/* Leading axes fixed: the value is a stretch. Else one coordinate an axis. */
ExprId slab_position(Lower *l, NodeId n, const Slab *slab, const Index *at) {
    if (!slab) return index_position(l, n, at);
    bool prefix = slab_is_prefix(slab);
    ExprId axis[RANK_MAX], pos = prefix ? index_position(l, n, at) : l_int(l, 0);
    if (!prefix) index_axes(l, n, at, axis);
    DimId stride = dim_const(l->s->dims, 1);
    for (uint32_t i = slab->rank; i-- > 0;) {
        bool fixed = slab->axis[i] < 0;
        if (fixed || !prefix) {
            ExprId step = l_dim(l, stride);
            ExprId along = fixed ? l_dim(l, slab->at[i]) : axis[slab->axis[i]];
            pos = l_add(l, l_mul(l, along, step), pos);
        }
        stride = dim_mul(l->s->dims, stride, slab->dims[i]);
    }
    return pos;
}

Access slab_access(const Lower *l, NodeId n, const Slab *slab, const Index *at) {
    if (!index_in_row(l, n, at)) return ACCESS_ANY;
    const GNode *x = node_of(l->s, n);
    int32_t lead = (int32_t)dims_leading(l->s, x->dims, x->rank);
    uint32_t row = 0;
    while (slab && slab->axis[row] != lead) row++;
    return row == 0 || dims_leading(l->s, slab->dims, row) == row ? ACCESS_ROWS
                                                                  : (Access)(ACCESS_ROWS_OF + row);
}

void access_note(Lower *l, uint32_t position, Access a) {
    while (l->group->access.len <= position) vec_push(l->s->arena, &l->group->access, ACCESS_NONE);
    Access *known = &l->group->access.data[position];
    if (!l->k->parallel) a = ACCESS_THREAD0;
    *known = *known == ACCESS_NONE || *known == a ? a : ACCESS_ANY;
}

/* ------------------------------------------------------------------ values */

bool lower_is_inline(const Lower *l, NodeId n) {
    const NodePlan *p = plan_of(l->s, n);
    if (node_is_given(l->s, n)) return false;
    return p->group != NONE ? p->group == l->number : !p->stored;
}

ExprId lower_load(Lower *l, NodeId n, uint32_t buffer, const Slab *slab, const Index *at) {
    const GNode *x = node_of(l->s, n);
    if (buffer == NONE)
        BUG("kernel %s reads node %u (%s), which has no buffer", l->k->name, n.id,
            op_info(x->op)->name);
    uint32_t position = loop_use(l->p, l->k, buffer, false);
    access_note(l, position, slab_access(l, n, slab, at));
    ExprId index = slab_position(l, n, slab, at);
    if (expr_is_none(at->pred)) return loop_load(l->p, l->k, position, index);
    Expr e = {.kind = EXPR_LOAD,
              .dtype = x->dtype,
              .nargs = 3,
              .args = {index, at->pred, l_bits(l, x->dtype, 0)},
              .buffer = position};
    return loop_expr(l->p, l->k, &e);
}

static ExprId no_rule(Lower *l, NodeId n, const Index *at) {
    (void)at;
    BUG("kernel %s: `%s` cannot be evaluated in place", l->k->name,
        op_info(node_of(l->s, n)->op)->name);
}

ExprId lower_INPUT(Lower *l, NodeId n, const Index *at) {
    if (node_counts(l->s, n)) return l_dim(l, l->s->body->iteration);
    return no_rule(l, n, at);
}
ExprId lower_READ(Lower *l, NodeId n, const Index *at) {
    return no_rule(l, n, at);
}
ExprId lower_SCAN(Lower *l, NodeId n, const Index *at) {
    return no_rule(l, n, at);
}
ExprId lower_TAKE(Lower *l, NodeId n, const Index *at) {
    return no_rule(l, n, at);
}
ExprId lower_GRAD(Lower *l, NodeId n, const Index *at) {
    return no_rule(l, n, at);
}

static const LowerRule rules[OP_COUNT] = {
#define RULE_LEAF(name)                  lower_##name,
#define RULE_UNARY(name)                 lower_elementwise,
#define RULE_BINARY(name)                lower_elementwise,
#define RULE_TERNARY(name)               lower_elementwise,
#define RULE_VIEW(name)                  lower_##name,
#define RULE_REDUCE(name)                lower_##name,
#define RULE_CONTRACT(name)              lower_##name,
#define RULE_INDEX(name)                 lower_##name,
#define RULE_LOOP(name)                  lower_##name,
#define RULE_GRAD(name)                  lower_##name,
#define OP(name, text, arity, cls, diff) RULE_##cls(name)
#include "compiler/graph/ops.def"
#undef OP
};

ExprId lower_value(Lower *l, NodeId n, const Index *at) {
    static const Index nowhere = {.pred = {UINT32_MAX}};
    if (node_of(l->s, n)->rank == 0) {
        if (!expr_is_none(l->s->scalar[n.id])) return l->s->scalar[n.id];
        at = &nowhere;
    }
    const NodePlan *p = plan_of(l->s, n);
    if (!lower_is_inline(l, n)) return lower_load(l, n, p->buffer, p->slab, at);
    const MemoEntry *e = memo_find(l, n, at);
    if (e->generation == l->memo->generation) {
        l->present = l_and(l, l->present, e->present);
        return e->value;
    }
    Index where = *at;
    ExprId before = l->present;
    l->present = EXPR_NONE;
    ExprId value = rules[node_of(l->s, n)->op](l, n, &where);
    lower_bind(l, n, &where, value);
    memo_find(l, n, &where)->present = l->present;
    l->present = l_and(l, before, l->present);
    return value;
}

ExprId lower_tap(Lower *l, NodeId n, const Index *at, ExprId *present) {
    ExprId before = l->present;
    l->present = EXPR_NONE;
    ExprId value = lower_value(l, n, at);
    *present = l->present;
    l->present = before;
    return value;
}

/* ------------------------------------------------------------------ stores */

static void store(Lower *l, const Target *t, const Index *at, ExprId value) {
    uint32_t position = loop_use(l->p, l->k, t->buffer, true);
    access_note(l, position, slab_access(l, t->node, t->slab, at));
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, position,
               slab_position(l, t->node, t->slab, at), value, EXPR_NONE);
}

static ExprId target_value(Lower *l, const Target *t, const Index *at) {
    if (t->from == NONE) return lower_value(l, t->node, at);
    return lower_load(l, t->node, t->from, t->from_slab, at);
}

/* All values are computed before the first is stored: a later one may read what an earlier store
 * replaces (a parameter and its moments, in place). */
void lower_targets(Lower *l, const Index *at) {
    uint32_t count = l->group->targets.len;
    const Target *targets = l->group->targets.data;
    if (count == 1) {
        store(l, &targets[0], at, target_value(l, &targets[0], at));
        return;
    }
    RegId *regs = ARENA_ARRAY(l->s->arena, RegId, count);
    for (uint32_t i = 0; i < count; i++) {
        ExprId value = target_value(l, &targets[i], at);
        regs[i] = l_new_reg(l, "v", l_dtype(l, value), NULL);
        l_set(l, regs[i], value);
        if (targets[i].from == NONE) lower_bind(l, targets[i].node, at, l_reg(l, regs[i]));
    }
    for (uint32_t i = 0; i < count; i++) store(l, &targets[i], at, l_reg(l, regs[i]));
}

/* ------------------------------------------------------------------ the kernel of a group */

typedef struct Scalars {
    Sched *s;
    VEC(NodeId) found;
} Scalars;

static void scalar_visit(void *user, NodeId n, bool exact, bool leaf) {
    Scalars *f = user;
    const GNode *x = node_of(f->s, n);
    const NodePlan *p = plan_of(f->s, n);
    if (x->rank > 0 || exact || x->op == OP_CONST || node_counts(f->s, n)) return;
    if (!leaf && (p->core || plan_in_region(p))) return;
    for (uint32_t i = f->s->user_first[n.id]; i < f->s->user_first[n.id + 1]; i++)
        if (node_of(f->s, (NodeId){f->s->users[i]})->rank > 0) {
            vec_push(f->s->arena, &f->found, n);
            return;
        }
}

/* Rank-0 values are the same for every element: computed once, before the loops. */
void lower_scalars(Lower *l) {
    Scalars f = {.s = l->s};
    memo_clear(l);
    if (node_of(l->s, l->group->like)->rank == 0) return;
    walk_group(l->s, l->group, l->number, scalar_visit, &f);
    Index at = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < f.found.len; i++) {
        NodeId n = f.found.data[i];
        if (!expr_is_none(l->s->scalar[n.id])) continue;
        ExprId value = lower_value(l, n, &at);
        RegId r = l_new_reg(l, "s", l_dtype(l, value), NULL);
        l_set(l, r, value);
        l->s->scalar[n.id] = l_reg(l, r);
        vec_push(l->s->arena, &l->scalars, n);
    }
}

static const char *kernel_name(Sched *s, const Group *g) {
    Text t = {.arena = s->arena};
    const char *path = NULL;
    for (uint32_t i = 0; i < g->reads.len && !path; i++) {
        const GNode *n = node_of(s, g->reads.data[i]);
        if (n->op == OP_READ) path = s->graph->slots[n->attr[0]].path->text;
    }
    if (path) {
        const char *dot = strrchr(path, '.');
        text_add_n(&t, path, dot ? (size_t)(dot - path) : strlen(path));
        text_add(&t, ": ");
    }
    if (!node_is_none(g->transposed)) text_add(&t, "transpose");
    if (g->partials.len > 0)
        text_printf(&t, "blocks of %u %ss", g->partials.len,
                    op_info(node_of(s, g->partials.data[0])->op)->name);
    if (!node_is_none(g->core)) text_add(&t, op_info(node_of(s, g->core)->op)->name);
    uint32_t listed = 0;
    for (uint32_t i = 0; i < g->targets.len; i++) {
        const Target *target = &g->targets.data[i];
        if (target->from == NONE && node_same(target->node, g->core)) continue;
        if (++listed > 3) continue;
        if (listed > 1 || !node_is_none(g->core)) text_char(&t, '+');
        text_add(&t, target->from != NONE ? "copy" : op_info(node_of(s, target->node)->op)->name);
    }
    if (listed > 3) text_printf(&t, "+%u more", listed - 3);
    return text_str(&t);
}

static void work_estimate(Sched *s, const Group *g, Kernel *k, double visited) {
    double elements = visited * (double)node_bound(s, g->like), each = 0, cost = 0;
    for (uint32_t i = 0; i < g->targets.len; i++) {
        cost += plan_of(s, g->targets.data[i].node)->cost;
        each += plan_of(s, g->targets.data[i].node)->flops;
    }
    if (!node_is_none(g->core)) {
        const GNode *c = node_of(s, g->core);
        double operand = (double)node_bound(s, c->nargs ? c->args[0] : g->core);
        if (c->op == OP_CONTRACT) {
            double inner = 2;
            uint32_t reduced = (uint32_t)c->attr[0];
            for (uint32_t label = c->rank; label < c->rank + reduced; label++)
                for (uint32_t i = 0, a = node_of(s, c->args[0])->rank; i < a; i++)
                    if (c->attr[1 + i] == label)
                        inner *= (double)dim_bound(s->dims, node_of(s, c->args[0])->dims[i]);
            each += inner;
            cost += inner;
        } else if (plan_of(s, g->core)->partial == NONE) {
            if (dtype_is_float(c->dtype)) k->flops += operand;
            k->cost += operand;
        }
    }
    each += g->partials.len;
    cost += g->partials.len;
    k->flops += elements * each;
    k->cost += elements * cost;
    for (uint32_t i = 0; i < k->buffers.len; i++) {
        const LoopBuffer *b = &s->out->buffers.data[k->buffers.data[i]];
        double all = (double)dim_bound(s->dims, b->count) * dtype_bytes(b->dtype);
        k->bytes += k->writes.data[i] ? visited * all : all;
    }
}

void lower_group(Sched *s, uint32_t number) {
    Group *g = s->groups.data[number];
    NodeId named = node_is_none(g->core) ? g->like : g->core;
    if (g->partials.len > 0) named = g->partials.data[0];
    if (group_is_loop(s, g)) {
        lower_loop(s, g);
        return;
    }
    walk_reads(s, g, number);
    Lower l = {
        .s = s, .p = s->out, .group = g, .number = number, .row = EXPR_NONE, .present = EXPR_NONE};
    l.lanes = s->options.vector_bytes / 4;
    l.k = g->kernel = loop_kernel(s->out, kernel_name(s, g), node_of(s, named)->span);
    g->number = s->root->kernel_groups.len;
    vec_push(s->arena, &s->root->kernel_groups, g);
    Op core = node_is_none(g->core) ? OP_COUNT : node_of(s, g->core)->op;
    if (core == OP_CONST)
        lower_constants(&l);
    else if (core == OP_SCATTER_ADD)
        lower_scatter(&l);
    else if (g->partials.len > 0)
        lower_partials(&l);
    else if (g->panel > 0)
        pack_panels(&l);
    else if (core == OP_ARGSORT)
        lower_sort(&l);
    else if (core == OP_EXTERN)
        lower_extern(&l);
    else if (core == OP_ATTENTION)
        lower_attention(&l);
    else if (core == OP_ATTENTION_GRAD)
        lower_attention_grad(&l);
    else if (!node_is_none(g->transposed)
                 ? !pack_matrix(&l)
                 : core != OP_CONTRACT || plan_of(s, g->core)->partial != NONE || !lower_tiles(&l))
        lower_loops(&l);
    for (uint32_t i = 0; i < l.scalars.len; i++) s->scalar[l.scalars.data[i].id] = EXPR_NONE;
    if (!node_is_none(g->transposed) && s->options.choices)
        l.k->problem = choice_problem(s, g->wanted_by);
    if (l.k->strip == 0) l.k->strip = l.k->grain;
    work_estimate(s, g, l.k, l.visited > 0 ? l.visited : 1);
}
