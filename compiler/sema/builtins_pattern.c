/* rearrange(x, "b t (h d) -> b h t d", h = 8): split, permute, join.
 * einsum("b i, i o -> b o", x, w): the sum of products over the names that the result lacks. */
#include "compiler/sema/index_space.h"
#include "compiler/sema/pattern.h"

static bool pattern_arg(Sema *s, const BuiltinCall *c, Value v, Span span, Pattern *p) {
    if (v.kind == V_STR) return pattern_parse(s, v.as.str, span, p);
    Diag *d = sema_error(s, E_ARGUMENT, span, "`%s` wants a pattern in quotes, got %s",
                         c->builtin->name, value_kind_name(v.kind));
    diag_help(d, "e.g. \"b t (h d) -> b h t d\"");
    return false;
}

/* Axes that a row stands for; -1: the numbers do not fit. */
static int32_t row_axes(const PatternSide *side, uint32_t rank) {
    bool row = pattern_find(side, NULL) != NULL;
    uint32_t fixed = side->groups - row;
    if (row ? fixed > rank : fixed != rank) return -1;
    return row ? (int32_t)(rank - fixed) : 0;
}

static void wrong_rank(const Pattern *p, const PatternSide *side, const char *what,
                       const Shape *x) {
    uint32_t from = side->from, to = side->to;
    while (from < to && p->text[from] == ' ') from++;
    while (to > from && p->text[to - 1] == ' ') to--;
    Diag *d = pattern_error(p, from, to, "the pattern has %u %s for %s %s", side->groups,
                            side->groups == 1 ? "axis" : "axes", what, shape_string(p->s, x, NULL));
    for (uint32_t i = 0; side->groups < x->rank && i < side->count; i++)
        if (side->items[i].name && strlen(side->items[i].name) > 1) {
            diag_help(d, "names are separated by spaces: \"b t d\"");
            return;
        }
}

/* ------------------------------------------------------------------ rearrange */

typedef struct Atom { /* an axis when all joined ones are split */
    const PatternItem *item;
    uint32_t row;  /* position in the row, when item->row */
    uint32_t axis; /* of the operand */
    DimId size;
    bool known;
} Atom;

typedef struct Atoms {
    Atom list[PATTERN_ITEMS + RANK_MAX];
    uint32_t count;
} Atoms;

static DimId dim_one(Sema *s) {
    return dim_const(s->program->dims, 1);
}

/* `h = 8`: sizes given by name. */
static bool given_size(Sema *s, const BuiltinCall *c, const char *name, DimId *out, bool *found) {
    *found = false;
    for (uint32_t i = 0; i < c->more; i++) {
        if (strcmp(c->more_names[i]->text, name) != 0) continue;
        *found = true;
        if (value_as_dim(s, c->more_values[i], out)) return true;
        sema_error(s, E_ARGUMENT, c->more_spans[i], "`%s` is a size in the pattern, not %s", name,
                   value_kind_name(c->more_values[i].kind));
        return false;
    }
    return true;
}

static bool left_atoms(const Pattern *p, const BuiltinCall *c, const Shape *x, int32_t row,
                       Atoms *atoms) {
    Sema *s = p->s;
    const PatternSide *side = &p->sides[0];
    const PatternItem *rest = pattern_find(side, NULL);
    atoms->count = 0;
    for (uint32_t i = 0; i < side->count; i++) {
        const PatternItem *item = &side->items[i];
        uint32_t axis = item->group;
        if (rest && item->group > rest->group) axis = item->group + (uint32_t)row - 1;
        if (item != rest && rest && item->group == rest->group) {
            pattern_error(p, rest->from, rest->to, "`...` in brackets stands right of `->` only");
            return false;
        }
        for (uint32_t k = 0; item->row && k < (uint32_t)row; k++)
            atoms->list[atoms->count++] = (Atom){item, k, axis + k, x->dims[axis + k], true};
        if (item->row) continue;
        Atom a = {.item = item, .axis = axis, .known = true};
        a.size = dim_const(s->program->dims, item->number);
        if (item->name && !given_size(s, c, item->name, &a.size, &a.known)) return false;
        atoms->list[atoms->count++] = a;
    }
    return true;
}

/* The one unknown size of a joined axis follows from the others. */
static bool solve_axis(const Pattern *p, Atoms *atoms, uint32_t axis, const Shape *x) {
    Sema *s = p->s;
    DimTable *t = s->program->dims;
    DimId known = dim_one(s);
    Atom *unknown = NULL, *first = NULL, *last = NULL;
    for (uint32_t i = 0; i < atoms->count; i++) {
        Atom *a = &atoms->list[i];
        if (a->axis != axis) continue;
        if (!first) first = a;
        last = a;
        if (a->known) {
            known = dim_mul(t, known, a->size);
        } else if (unknown) {
            Diag *d = pattern_error(p, unknown->item->from, a->item->to,
                                    "neither `%s` nor `%s` has a size", unknown->item->name,
                                    a->item->name);
            diag_help(d, "give one: `%s = 8`", unknown->item->name);
            return false;
        } else {
            unknown = a;
        }
    }
    bool exact = dim_same(known, x->dims[axis]);
    if (unknown) {
        exact = false;
        if (!dim_equals(t, known, 0)) unknown->size = dim_div(t, x->dims[axis], known, &exact);
    }
    if (exact) return true;
    Text size = {.arena = s->arena}, part = {.arena = s->arena};
    dim_print(&size, t, x->dims[axis]);
    dim_print(&part, t, known);
    pattern_error(p, first->item->from, last->item->to,
                  unknown ? "axis %u of size %s does not divide by %s"
                          : "axis %u has size %s, but the pattern gives it %s",
                  axis, text_str(&size), text_str(&part));
    return false;
}

static Atom *find_atom(Atoms *atoms, const PatternItem *item, uint32_t row) {
    for (uint32_t i = 0; i < atoms->count; i++) {
        Atom *a = &atoms->list[i];
        if (item->row ? a->item->row && a->row == row
                      : a->item->name && strcmp(a->item->name, item->name) == 0)
            return a;
    }
    return NULL;
}

/* Both sides name the same axes. */
static bool same_names(const Pattern *p) {
    for (uint32_t side = 0; side < 2; side++) {
        const PatternSide *here = &p->sides[side], *there = &p->sides[1 - side];
        for (uint32_t i = 0; i < here->count; i++) {
            const PatternItem *item = &here->items[i];
            const char *name = item->name ? item->name : "...";
            if (!item->name && !item->row) {
                if (item->number == 1) continue;
                pattern_error(p, item->from, item->to, "only an axis of size 1 comes and goes");
                return false;
            }
            if (pattern_find(there, item->name)) continue;
            Diag *d = pattern_error(p, item->from, item->to,
                                    side ? "`%s` does not stand left of `->`"
                                         : "`%s` is lost: it does not stand right of `->`",
                                    name);
            if (side)
                diag_help(d, "a new axis of size 1 is `1`; `broadcast` repeats");
            else
                diag_help(d, "an axis is reduced with `sum`, `mean` or `max`, not here");
            return false;
        }
    }
    return true;
}

static bool all_used(const Pattern *p, const BuiltinCall *c) {
    for (uint32_t i = 0; i < c->more; i++) {
        if (pattern_find(&p->sides[0], c->more_names[i]->text)) continue;
        sema_error(p->s, E_ARGUMENT, c->more_spans[i], "`%s` does not stand in the pattern \"%s\"",
                   c->more_names[i]->text, p->text);
        return false;
    }
    return true;
}

/* The right side as a permutation of the atoms and the shape they are joined to. */
static bool right_side(const Pattern *p, Atoms *atoms, int32_t row, uint32_t *perm, uint32_t *n,
                       Shape *to) {
    Sema *s = p->s;
    DimTable *t = s->program->dims;
    const PatternSide *side = &p->sides[1];
    *n = 0;
    to->rank = 0;
    for (uint32_t i = 0; i < side->count; i++) {
        const PatternItem *item = &side->items[i];
        bool joined = i > 0 && item->group == side->items[i - 1].group;
        bool group = joined || (i + 1 < side->count && side->items[i + 1].group == item->group);
        uint32_t times = item->row ? (uint32_t)row : 1;
        if (item->row && group && times == 0 && !joined) to->dims[to->rank++] = dim_one(s);
        for (uint32_t k = 0; k < times; k++) {
            DimId size = dim_one(s);
            if (item->name || item->row) {
                Atom *a = find_atom(atoms, item, k);
                perm[(*n)++] = (uint32_t)(a - atoms->list);
                size = a->size;
            }
            bool new_axis = group ? !joined && k == 0 : true;
            if (new_axis && to->rank == RANK_MAX) {
                pattern_error(p, side->from, side->to, "more than %d axes", RANK_MAX);
                return false;
            }
            if (new_axis)
                to->dims[to->rank++] = size;
            else
                to->dims[to->rank - 1] = dim_mul(t, to->dims[to->rank - 1], size);
        }
    }
    return true;
}

static Value rearranged(Sema *s, const BuiltinCall *c, const Pattern *p, Value v, Atoms *atoms,
                        int32_t row) {
    Shape split = {.rank = 0}, to;
    uint32_t perm[PATTERN_ITEMS + RANK_MAX], n, place[PATTERN_ITEMS + RANK_MAX];
    for (uint32_t i = 0; i < atoms->count; i++) {
        if (!atoms->list[i].item->name && !atoms->list[i].item->row) continue; /* a 1 that goes */
        if (split.rank == RANK_MAX) {
            pattern_error(p, p->sides[0].from, p->sides[0].to, "more than %d axes", RANK_MAX);
            return POISON;
        }
        place[i] = split.rank;
        split.dims[split.rank++] = atoms->list[i].size;
    }
    if (!right_side(p, atoms, row, perm, &n, &to)) return POISON;
    for (uint32_t i = 0; i < n; i++) perm[i] = place[perm[i]];
    Value r = tensor_reshape(s, v, &split, c->span);
    if (n) r = tensor_permute(s, r, perm, c->span);
    return tensor_reshape(s, r, &to, c->span);
}

static Value rearrange(Sema *s, const BuiltinCall *c) {
    Value v = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]);
    Pattern *p = ARENA_NEW(s->arena, Pattern);
    Atoms *atoms = ARENA_NEW(s->arena, Atoms);
    if (value_is_poison(v) || node_is_none(tensor_node(s, v, c->span)) ||
        !pattern_arg(s, c, c->args[1], c->spans[1], p))
        return POISON;
    if (p->count != 2) {
        pattern_error(p, p->sides[1].from, p->sides[1].to, "`rearrange` takes one tensor");
        return POISON;
    }
    if (!pattern_unique(p, &p->sides[0]) || !pattern_unique(p, &p->sides[1]) || !same_names(p) ||
        !all_used(p, c))
        return POISON;
    Shape shape = tensor_shape(s, v);
    int32_t row = row_axes(&p->sides[0], shape.rank);
    if (row < 0) {
        wrong_rank(p, &p->sides[0], "the tensor", &shape);
        return POISON;
    }
    if (!left_atoms(p, c, &shape, row, atoms)) return POISON;
    for (uint32_t axis = 0; axis < shape.rank; axis++)
        if (!solve_axis(p, atoms, axis, &shape)) return POISON;
    return rearranged(s, c, p, v, atoms, row);
}

/* ------------------------------------------------------------------ einsum */

static uint32_t named_label(IndexSpace *ix, const char *name, Span span) {
    Sym sym = ctx_sym(ix->s->ctx, name);
    int32_t label = index_label(ix, sym);
    return label >= 0 ? (uint32_t)label : index_add(ix, sym, span);
}

static bool label_size(IndexSpace *ix, const Pattern *p, const PatternItem *item, uint32_t label,
                       DimId size) {
    Label *l = &ix->labels[label];
    Text text = {.arena = ix->s->arena};
    dim_print(&text, ix->s->program->dims, size);
    if (!l->known) {
        l->known = true;
        l->size = size;
        l->size_text = text_str(&text);
        return true;
    }
    if (dim_same(l->size, size)) return true;
    pattern_error(p, item->from, item->to, "`%s` is %s here but %s before",
                  item->name ? item->name : "...", text_str(&text), l->size_text);
    return false;
}

/* The operand's axes get the labels of its names. */
static bool einsum_operand(IndexSpace *ix, const Pattern *p, uint32_t side, Value v, Indexed *out,
                           Span span) {
    Sema *s = ix->s;
    Shape shape = tensor_shape(s, v);
    const PatternSide *names = &p->sides[side];
    int32_t row = row_axes(names, shape.rank);
    uint32_t labels[RANK_MAX], axis = 0;
    if (row < 0) {
        wrong_rank(p, names, "an operand", &shape);
        return false;
    }
    if (pattern_find(names, NULL) && !ix->rows_known) {
        ix->rows_known = true;
        ix->row_rank = (uint32_t)row;
        for (int32_t i = 0; i < row; i++) ix->row[i] = index_add(ix, NULL, span);
    }
    for (uint32_t i = 0; i < names->count; i++) {
        const PatternItem *item = &names->items[i];
        if (item->row && ix->row_rank != (uint32_t)row) {
            pattern_error(p, item->from, item->to, "`...` is %u axes here but %u before",
                          (uint32_t)row, ix->row_rank);
            return false;
        }
        for (uint32_t k = 0; k < (item->row ? (uint32_t)row : 1); k++, axis++) {
            labels[axis] = item->row ? ix->row[k] : named_label(ix, item->name, span);
            if (ix->failed || !label_size(ix, p, item, labels[axis], shape.dims[axis]))
                return false;
        }
    }
    *out = index_labelled(ix, v, labels, shape.rank, span);
    return !ix->failed;
}

/* No brackets, no numbers, and the result's names stand somewhere on the left. */
static bool einsum_names(const Pattern *p) {
    const PatternSide *result = &p->sides[p->count - 1];
    for (uint32_t k = 0; k < p->count; k++) {
        const PatternSide *side = &p->sides[k];
        /* a name twice in an operand is its diagonal; `...` stands once, and so does a result's
         * name */
        if (side == result && !pattern_unique(p, side)) return false;
        for (uint32_t i = 0; i < side->count; i++) {
            const PatternItem *item = &side->items[i];
            bool again = item->row && pattern_find(side, NULL) != item;
            if (again) pattern_error(p, item->from, item->to, "`...` stands twice here");
            if (again) return false;
            bool joined = i > 0 && item->group == side->items[i - 1].group;
            if (!joined && (item->name || item->row)) continue;
            pattern_error(p, item->from, item->to, "`einsum` takes names and `...` only");
            return false;
        }
    }
    for (uint32_t i = 0; i < result->count; i++) {
        const PatternItem *item = &result->items[i];
        bool found = false;
        for (uint32_t k = 0; k + 1 < p->count; k++)
            found |= pattern_find(&p->sides[k], item->name) != NULL;
        if (found) continue;
        pattern_error(p, item->from, item->to, "`%s` does not stand left of `->`",
                      item->name ? item->name : "...");
        return false;
    }
    return true;
}

/* Labels of the result in its order; all others are summed, in the order they were first met. */
static Value einsum_value(IndexSpace *ix, const Pattern *p, const Indexed *factors, uint32_t count,
                          const BuiltinCall *c) {
    const PatternSide *result = &p->sides[p->count - 1];
    uint32_t labels[RANK_MAX], rank = 0, summed[LABEL_MAX], gone = 0;
    for (uint32_t i = 0; i < result->count; i++) {
        const PatternItem *item = &result->items[i];
        for (uint32_t k = 0; k < (item->row ? ix->row_rank : 1); k++) {
            if (rank == RANK_MAX) {
                pattern_error(p, item->from, item->to, "more than %d axes", RANK_MAX);
                return POISON;
            }
            labels[rank++] = item->row ? ix->row[k] : named_label(ix, item->name, c->span);
        }
    }
    for (uint32_t i = 0; i < ix->count; i++)
        if (!index_has(labels, rank, i)) summed[gone++] = i;
    Indexed r = index_contract(ix, factors, count, summed, gone, c->node);
    return ix->failed ? POISON : index_result(ix, r, labels, rank, c->span);
}

static Value einsum(Sema *s, const BuiltinCall *c) {
    Pattern *p = ARENA_NEW(s->arena, Pattern);
    IndexSpace *ix = ARENA_NEW(s->arena, IndexSpace);
    Indexed factors[PATTERN_SIDES];
    uint32_t text = 0, count = 0;
    ix->s = s;
    while (text < c->more && c->more_values[text].kind != V_STR) text++;
    if (text == c->more) {
        Diag *d = sema_error(s, E_ARGUMENT, c->span, "`einsum` wants a pattern in quotes");
        diag_help(d, "`einsum(\"b i, i o -> b o\", x, w)`");
        return POISON;
    }
    if (!pattern_arg(s, c, c->more_values[text], c->more_spans[text], p) || !einsum_names(p))
        return POISON;
    if (p->count != c->more) {
        sema_error(s, E_ARGUMENT, c->span, "the pattern \"%s\" is for %u tensors, not %u", p->text,
                   p->count - 1, c->more - 1);
        return POISON;
    }
    for (uint32_t i = 0; i < c->more; i++) {
        if (i == text) continue;
        Value v = to_tensor(s, c->more_values[i], DTYPE_COUNT, c->more_spans[i]);
        if (value_is_poison(v) || node_is_none(tensor_node(s, v, c->more_spans[i]))) return POISON;
        if (!einsum_operand(ix, p, count, v, &factors[count], c->more_spans[i])) return POISON;
        count++;
    }
    return einsum_value(ix, p, factors, count, c);
}

const Builtin BUILTINS_PATTERN[] = {{"rearrange", "x, pattern, ...", rearrange, 0},
                                    {"einsum", "...", einsum, 0},
                                    {NULL, NULL, NULL, 0}};
