/* `tokens(text, length, max, vocab?, by?)` in a data block: what the one call says about a field
 * `text: str` becomes part of the field, because the words are numbered where files are read and
 * where an export is given strings. In the row's graph the field is i32 [length], -1 behind the
 * last word; the call gives the numbers and a mask. */
#include "compiler/sema/blocks.h"

typedef struct Wanted { /* the calls that read one field */
    Sym field;
    const Node *call;
    bool piped; /* the text stands before `|>` */
    const Node *second;
} Wanted;

static bool is_tokens(const Node *e) {
    const Node *callee = e && e->kind == NODE_CALL ? node_kid(e, 0) : NULL;
    return callee && callee->kind == NODE_NAME && strcmp(callee->name->text, "tokens") == 0;
}

static void find_calls(const Node *e, Wanted *w) {
    bool pipe = e && e->kind == NODE_PIPE;
    const Node *call = pipe ? node_kid(e, 1) : e, *text = pipe ? node_kid(e, 0) : NULL;
    if (is_tokens(call)) {
        for (uint32_t i = 1; !pipe && i < call->count && !text; i++) {
            const Node *arg = call->kids[i];
            if (arg->kind == NODE_ARG &&
                (arg->name ? strcmp(arg->name->text, "text") == 0 : i == 1))
                text = node_kid(arg, 0);
        }
        if (text && text->kind == NODE_NAME && text->name == w->field) {
            if (w->call) w->second = call;
            if (!w->call) w->piped = pipe;
            if (!w->call) w->call = call;
        }
    }
    for (uint32_t i = 0; e && i < e->count; i++) find_calls(e->kids[i], w);
}

/* ------------------------------------------------------------------ settings */

static bool set_length(BmrtField *f, Value v, int64_t *length) {
    (void)f;
    return value_is_int(v, length) && *length >= 1 && *length <= INT32_MAX / 4;
}
static bool set_max(BmrtField *f, Value v, int64_t *length) {
    (void)length;
    return value_is_int(v, &f->category_max) && f->category_max >= 1 && f->category_max < INT32_MAX;
}
static bool set_vocab(BmrtField *f, Value v, int64_t *length) {
    (void)length;
    f->words_path = v.kind == V_STR ? v.as.str : NULL;
    return v.kind == V_STR && *v.as.str;
}
static bool set_by(BmrtField *f, Value v, int64_t *length) {
    static const char *const rules[] = {"words", "spaces", "characters"};
    (void)length;
    for (size_t i = 0; v.kind == V_STR && i < sizeof rules / sizeof *rules; i++)
        if (strcmp(v.as.str, rules[i]) == 0) {
            f->rule = (BmrtTokenRule)i;
            return true;
        }
    return false;
}

static const struct TokenSetting {
    const char *name;
    bool required;
    bool (*set)(BmrtField *, Value, int64_t *length);
    const char *wants;
} SETTINGS[] = {{"length", true, set_length, "a number of words from 1 up"},
                {"max", true, set_max, "how many words are known, from 1 up"},
                {"vocab", false, set_vocab, "the name of a file of words, in quotes"},
                {"by", false, set_by, "\"words\", \"spaces\" or \"characters\""}};
enum { SETTING_COUNT = sizeof SETTINGS / sizeof *SETTINGS };

static Diag *usage(Diag *d) {
    diag_help(d, "`ids, mask = tokens(text, length = 64, max = 10000)`");
    return d;
}

/* -1: reported. */
static int which_setting(Sema *s, const Node *arg, uint32_t position) {
    for (int i = 0; i < SETTING_COUNT; i++)
        if (arg->name ? strcmp(arg->name->text, SETTINGS[i].name) == 0 : position == (uint32_t)i)
            return i;
    Nearest near = {.wanted = arg->name ? arg->name->text : ""};
    for (int i = 0; i < SETTING_COUNT; i++) nearest_offer(&near, SETTINGS[i].name);
    Diag *d = arg->name ? sema_error(s, E_DATA, arg->span, "`tokens` has no setting `%s`",
                                     arg->name->text)
                        : sema_error(s, E_DATA, arg->span, "`tokens` has too many arguments");
    if (near.best) propose_name(d, arg->name_span, near.best);
    usage(d);
    return -1;
}

static bool read_settings(Sema *s, const Wanted *w, BmrtField *out, int64_t *length) {
    bool given[SETTING_COUNT] = {false};
    uint32_t position = 0;
    bool text = !w->piped; /* the first place is the text's */
    for (uint32_t i = 1; i < w->call->count; i++) {
        const Node *arg = w->call->kids[i];
        if (text && (arg->name ? strcmp(arg->name->text, "text") == 0 : true)) {
            text = false;
            continue;
        }
        int at = which_setting(s, arg, position);
        if (at < 0) return false;
        if (!arg->name) position++;
        Value v = eval(s, node_kid(arg, 0));
        if (value_is_poison(v)) return false;
        if (given[at] || !SETTINGS[at].set(out, v, length)) {
            if (given[at])
                sema_error(s, E_DATA, arg->span, "`%s` is given twice", SETTINGS[at].name);
            else
                sema_error(s, E_DATA, arg->span, "`%s` of `tokens` wants %s, got %s",
                           SETTINGS[at].name, SETTINGS[at].wants, value_string(s, v));
            return false;
        }
        given[at] = true;
    }
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (!SETTINGS[i].required || given[i]) continue;
        usage(sema_error(s, E_DATA, w->call->span, "`tokens` wants `%s`: %s", SETTINGS[i].name,
                         SETTINGS[i].wants));
        return false;
    }
    return true;
}

bool tokens_declare(Sema *s, const Node *block, const Node *par, BmrtField *out) {
    Wanted w = {.field = par->name};
    for (uint32_t i = 0; i < block->count; i++)
        if (block->kids[i]->kind == NODE_ASSIGN) find_calls(block->kids[i], &w);
    const char *name = par->name->text;
    if (!w.call) {
        Diag *d = sema_error(s, E_DATA, node_kid(par, 1)->span, "nothing says how text is read");
        diag_help(d, "as words: `ids, mask = tokens(%s, length = 64, max = 10000)`", name);
        diag_help(d,
                  "as one name: `field %s: category(max = 1000)`, or `category([\"no\", \"yes\"])` "
                  "for labels",
                  name);
        return false;
    }
    if (w.second) {
        Diag *d = sema_error(s, E_DATA, w.second->span, "`%s` is read by `tokens` twice", name);
        diag_label(d, w.call->span, "here is the first");
        diag_help(d, "make it two fields of one column: `field %s2: str = \"%s\"`", name,
                  out->text_column ? out->text_column : name);
        return false;
    }
    if (node_kid(par, 0)) {
        Diag *d = sema_error(s, E_DATA, par->span, "a text is one cell of a row");
        diag_help(d, "`field %s: str`; `length` of `tokens` says how many words", name);
        return false;
    }
    int64_t *length = ARENA_NEW(s->arena, int64_t);
    out->kind = BMRT_FIELD_TOKENS;
    out->dtype = BMRT_I32;
    if (!read_settings(s, &w, out, length)) return false;
    out->rank = 1;
    out->dims = length;
    return true;
}

/* ------------------------------------------------------------------ in the row */

Value tokens_field(Sema *s, const DataBlock *d, const BmrtField *f, NodeId raw, const Node *par) {
    Value v = {.kind = V_STRINGS, .decl = par};
    v.as.strings.node = raw;
    v.as.strings.input = -1;
    v.as.strings.vocabulary = strings_vocabulary(s, d, ctx_sym(s->ctx, f->name));
    return v;
}

bool is_tokens_field(Value v) {
    return v.kind == V_STRINGS && v.as.strings.input < 0 && v.decl && v.decl->kind == NODE_PAR;
}

Value tokens_missing(Sema *s, Value text, Span span) {
    Graph *g = sema_graph(s);
    DimId none = dim_const(s->program->dims, 0), one = dim_const(s->program->dims, 1);
    const int64_t step = 1;
    Shape scalar = shape_scalar();
    NodeId first = g_slice(g, text.as.strings.node, &none, &one, &step, span);
    first = g_reshape(g, first, &scalar, span);
    NodeId zero = g_const_int(g, DTYPE_I32, &scalar, 0, span);
    return value_tensor(s, g_binary(g, OP_LESS, first, zero, span));
}

Value tokens_call(Sema *s, const BuiltinCall *c) {
    Value text = c->args[0];
    if (!is_tokens_field(text) || !s->rows || s->dropping) {
        Diag *d = sema_error(s, E_DATA, c->span,
                             s->dropping ? "words have no numbers yet where `drop` looks at a row"
                             : s->rows   ? "`tokens` reads a field `text: str`, got %s"
                                         : "`tokens` belongs among the transforms of a data block",
                             value_kind_name(text.kind));
        if (s->rows && !s->dropping)
            diag_help(d, "`field review: str`, then `tokens(review, ...)`");
        if (!s->rows)
            diag_help(d, "in an export: `NAME.encode(text = ...)`, or the column: `NAME.ids(...)`");
        return POISON;
    }
    Graph *g = sema_graph(s);
    NodeId raw = text.as.strings.node;
    Shape shape = graph_shape(g, raw);
    NodeId zero = g_const_int(g, DTYPE_I32, &shape, 0, c->span);
    Value both[2] = {
        value_tensor(s, g_binary(g, OP_MAX, raw, zero, c->span)),
        value_tensor(s, g_unary(g, OP_NOT, g_binary(g, OP_LESS, raw, zero, c->span), c->span))};
    Value v = value_list(s, both, 2);
    v.kind = V_TUPLE;
    return v;
}
