/* Functions of the compiler: what the prelude is made of. One table row each; here is how a call's
 * arguments meet a row, and how an axis argument is read. */
#include "compiler/sema/elaborate.h"

static const Builtin *const TABLES[] = {
    BUILTINS_MATH,    BUILTINS_SHAPE,   BUILTINS_STATIC, BUILTINS_STEP, BUILTINS_ORDER,
    BUILTINS_PATTERN, BUILTINS_RUNNING, BUILTINS_WINDOW, BUILTINS_DATA, BUILTINS_SHOW};

/* A special form, met where it cannot be one: behind a pipe, or as a value. */
static Value around_only(Sema *s, const BuiltinCall *c) {
    const char *name = c->builtin->name;
    Diag *d = sema_error(s, E_ARGUMENT, c->span, "`%s` stands around a whole expression", name);
    const Node *pipe = c->node && c->node->kind == NODE_PIPE ? c->node : NULL;
    bool allowed = !c->builtin->op || s->rows || s->export_name;
    if (pipe && allowed && !span_in_prelude(s, pipe->span)) {
        DiagFix fix = {.span = pipe->span, .keep = true};
        fix.text = arena_printf(s->arena, "%s(%s)", name, written_text(s, node_kid(pipe, 0)));
        diag_fix(d, fix, "`%s`", fix.text);
    } else {
        diag_help(d, c->builtin->op ? "`%s(mean(x))`" : "`%s(x |> net)`", name);
    }
    return POISON;
}
static Value load_elsewhere(Sema *s, const BuiltinCall *c) {
    Diag *d = sema_error(s, E_ARGUMENT, c->span, "`load` belongs to the `init:` of a train block");
    diag_help(d, "`init: load(\"base.safetensors\", only = [net.body])`");
    return POISON;
}
static const Builtin ELSEWHERE[] = {{"load", NULL, load_elsewhere, 0},
                                    {"fit", NULL, around_only, 1},
                                    {"checkpoint", NULL, around_only, 0},
                                    {"infer", NULL, around_only, 0},
                                    {NULL, NULL, NULL, 0}};

static const Builtin *find_in(const Builtin *table, const char *name) {
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0) return table;
    return NULL;
}

const Builtin *builtin_find(const char *name) {
    for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++) {
        const Builtin *b = find_in(TABLES[i], name);
        if (b) return b;
    }
    return find_in(ELSEWHERE, name);
}

void builtin_each(void (*visit)(void *user, const char *name), void *user) {
    for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++)
        for (const Builtin *b = TABLES[i]; b->name; b++) visit(user, b->name);
    for (const Builtin *b = ELSEWHERE; b->name; b++) visit(user, b->name);
}

/* ------------------------------------------------------------------ arguments */

enum { PARAMETERS_MAX = 8 };

typedef struct Parameter {
    char name[24];
    bool optional;
} Parameter;

static uint32_t parse_parameters(const char *text, Parameter *out) {
    uint32_t n = 0;
    while (*text) {
        size_t len = strcspn(text, "?, ");
        INVARIANT(n < PARAMETERS_MAX && len < sizeof out[n].name);
        memcpy(out[n].name, text, len);
        out[n].name[len] = 0;
        text += len;
        out[n].optional = *text == '?';
        text += strspn(text, "?, ");
        n++;
    }
    return n;
}

static Value wrong_arguments(Sema *s, const Builtin *b, Span span, const char *what,
                             const char *which) {
    Diag *d = sema_error(s, E_ARGUMENT, span, what, b->name, which);
    diag_note(d, "declared as %s(%s)", b->name, b->parameters);
    if (strncmp(b->parameters, "parts", 5) == 0)
        diag_help(d, "the parts stand in a list: `%s([a, b])`", b->name);
    return POISON;
}

Value builtin_call(Sema *s, const Builtin *b, const Args *args, const Node *call, Span span) {
    BuiltinCall c = {.builtin = b, .node = call, .span = span};
    if (!b->parameters) return b->fn(s, &c);
    Parameter pars[PARAMETERS_MAX];
    Value values[PARAMETERS_MAX];
    Span spans[PARAMETERS_MAX];
    uint32_t n = parse_parameters(b->parameters, pars), next = 0;
    bool open = n > 0 && strcmp(pars[n - 1].name, "...") == 0; /* takes any number of others */
    n -= open;
    Value *more = ARENA_ARRAY(s->arena, Value, args->count + 1);
    Span *more_spans = ARENA_ARRAY(s->arena, Span, args->count + 1);
    Sym *more_names = ARENA_ARRAY(s->arena, Sym, args->count + 1);
    for (uint32_t i = 0; i < n; i++) {
        values[i] = NONE;
        spans[i] = span;
    }
    for (uint32_t a = 0; a < args->count; a++) {
        uint32_t i = next;
        Span at = args->nodes[a] ? args->nodes[a]->span : span;
        if (args->names[a]) {
            for (i = 0; i < n && strcmp(pars[i].name, args->names[a]->text) != 0;) i++;
            if (i == n && !open)
                return wrong_arguments(s, b, at, "`%s` has no parameter `%s`",
                                       args->names[a]->text);
        } else {
            next++;
        }
        if (i >= n && !open) return wrong_arguments(s, b, at, "`%s` has too many arguments%s", "");
        if (value_is_poison(args->values[a])) return POISON;
        if (i >= n) {
            more[c.more] = args->values[a];
            more_spans[c.more] = at;
            more_names[c.more++] = args->names[a];
            continue;
        }
        if (values[i].kind != V_NONE)
            return wrong_arguments(s, b, at, "`%s` is given `%s` twice", pars[i].name);
        values[i] = args->values[a];
        spans[i] = at;
    }
    for (uint32_t i = 0; i < n; i++)
        if (!pars[i].optional && values[i].kind == V_NONE)
            return wrong_arguments(s, b, span, "`%s` lacks the argument `%s`", pars[i].name);
    c.args = values;
    c.spans = spans;
    c.count = n;
    c.more_values = more;
    c.more_spans = more_spans;
    c.more_names = more_names;
    return b->fn(s, &c);
}

/* ------------------------------------------------------------------ axes */

/* Where `name` stands in a list of parameters: from the front, or, behind a row `...`, from the end
 * (negative). False: it stands at different places, or (places 0) nowhere. */
static bool dim_place(const Node *list, Sym name, int *place, uint32_t *places) {
    for (uint32_t i = 0; list && list->kind == NODE_LIST && i < list->count; i++) {
        const Node *dims = list->kids[i]->kind == NODE_PAR ? node_kid(list->kids[i], 0) : NULL;
        bool row = false;
        for (uint32_t k = 0; dims && k < dims->count; k++) {
            const Node *elem = dims->kids[k];
            row |= elem->kind == NODE_ELLIPSIS;
            if (elem->kind != NODE_NAME || elem->name != name) continue;
            int here = row ? (int)k - (int)dims->count : (int)k;
            if (*places && here != *place) return false;
            *place = here;
            ++*places;
        }
    }
    return true;
}

/* Several axes have the size of `name`: meant is the one that stands where the parameter that bound
 * the name has it, as T in x[B, T] means axis 1. */
static bool axis_by_place(Sema *s, Sym name, const Shape *shape, DimId want, uint32_t *axis) {
    const Node *def = s->frame ? s->frame->def : NULL;
    int place = 0;
    uint32_t places = 0;
    if (!def || !dim_place(node_kid(def, 0), name, &place, &places) ||
        !dim_place(node_kid(def, 1), name, &place, &places) || places == 0)
        return false;
    if (place < 0) place += (int)shape->rank;
    if (place < 0 || place >= (int)shape->rank || !dim_same(shape->dims[place], want)) return false;
    *axis = (uint32_t)place;
    return true;
}

static bool axis_of_dim(Sema *s, Value v, const Shape *shape, Span span, uint32_t *axis) {
    DimId want;
    uint32_t found = 0;
    if (!value_as_dim(s, v, &want)) return false;
    for (uint32_t i = 0; i < shape->rank; i++)
        if (dim_same(shape->dims[i], want)) {
            *axis = i;
            found++;
        }
    if (found == 1) return true;
    if (found > 1 && v.dim_name && axis_by_place(s, v.dim_name, shape, want, axis)) return true;
    Diag *d = sema_error(s, E_AXIS, span, "%s of %s is `%s`",
                         found ? "more than one axis" : "no axis", shape_string(s, shape, NULL),
                         v.dim_name ? v.dim_name->text : value_string(s, v));
    if (found < 2) {
        diag_help(d, "give the axis by its number, e.g. `-1` for the last");
        return false;
    }
    Text t = {.arena = s->arena};
    for (uint32_t i = 0, k = 0; i < shape->rank; i++)
        if (dim_same(shape->dims[i], want))
            text_printf(&t, "%s`%u`", k == 0 ? "" : k + 1 == found ? " or " : ", ", i), k++;
    diag_help(d, "give the axis by its number: %s", text_str(&t));
    return false;
}

static bool one_axis(Sema *s, Value v, const Shape *shape, Span span, uint32_t *axis) {
    int64_t i;
    if (v.dim_name || v.kind == V_DIM) return axis_of_dim(s, v, shape, span, axis);
    if (!value_is_int(v, &i)) {
        Diag *d = sema_error(s, E_AXIS, span,
                             "an axis is a number, a list of numbers or `all`, "
                             "not %s",
                             value_kind_name(v.kind));
        if (v.kind == V_TENSOR) diag_help(d, "element by element it is `maximum` or `minimum`");
        return false;
    }
    if (i < 0) i += shape->rank;
    if (i < 0 || i >= shape->rank) {
        sema_error(s, E_AXIS, span, "%s has no axis %s", shape_string(s, shape, NULL),
                   value_string(s, v));
        return false;
    }
    *axis = (uint32_t)i;
    return true;
}

bool axes_of(Sema *s, Value axis, const Shape *shape, Span span, uint32_t *axes, uint32_t *count) {
    bool used[RANK_MAX] = {0};
    *count = 0;
    if (axis.kind == V_NONE || axis.kind == V_ALL) {
        for (uint32_t i = 0; i < shape->rank; i++) used[i] = true;
    } else if (axis.kind == V_LIST) {
        for (uint32_t i = 0; i < axis.as.list.count; i++) {
            uint32_t at;
            if (!one_axis(s, axis.as.list.items[i], shape, span, &at)) return false;
            if (used[at]) {
                sema_error(s, E_AXIS, span, "axis %u is given twice", at);
                return false;
            }
            used[at] = true;
        }
    } else {
        uint32_t at;
        if (!one_axis(s, axis, shape, span, &at)) return false;
        used[at] = true;
    }
    for (uint32_t i = 0; i < shape->rank; i++)
        if (used[i]) axes[(*count)++] = i;
    return true;
}
