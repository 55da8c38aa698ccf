/* `assert`, and the values in its message: "{d % heads}" is an expression like any other, parsed
 * where it stands in the file, so that mistakes in it have their place. */
#include "compiler/sema/elaborate.h"

/* ------------------------------------------------------------------ pieces of a message */

/* The next piece of a message as it is written, from *at on: text, or what `{...}` holds. {{ and }}
 * are braces. */
typedef struct Piece {
    uint32_t begin, end; /* in the file */
    bool value;
} Piece;

static bool next_piece(const char *text, uint32_t *at, uint32_t end, Piece *out) {
    if (*at >= end) return false;
    *out = (Piece){.begin = *at};
    if (text[*at] == '{' && (*at + 1 == end || text[*at + 1] != '{')) {
        uint32_t depth = 0, i = *at;
        for (; i < end; i++) {
            depth += text[i] == '{';
            if (text[i] == '}' && --depth == 0) break;
        }
        out->begin = *at + 1;
        out->end = i;
        out->value = i < end;
        *at = i < end ? i + 1 : end;
        if (!out->value) out->begin--, out->end = end;
        return true;
    }
    uint32_t i = *at;
    while (i < end && text[i] != '{')
        i += 1 + (i + 1 < end && text[i] == '}' && text[i + 1] == '}');
    if (i + 1 < end && i == *at) i += 2; /* {{ */
    out->end = i;
    *at = i;
    return true;
}

typedef void (*VisitPiece)(void *user, const Piece *piece, const Node *value);

/* message: a STRING as it stands in a file. */
static void each_piece(Sema *s, const Node *message, VisitPiece visit, void *user) {
    const char *text = sources_get(s->ctx->sources, message->span.file)->text;
    uint32_t at = message->span.begin + 1, end = message->span.end - 1;
    Piece piece;
    while (next_piece(text, &at, end, &piece)) {
        const Node *value = NULL;
        Span span = {message->span.file, piece.begin, piece.end};
        if (piece.value && strspn(text + piece.begin, " \t") >= piece.end - piece.begin) {
            span.begin--, span.end++;
            Diag *d = sema_error(s, E_SYNTAX, span, "nothing stands between these braces");
            diag_help(d, "`{d}` is the value of d; for braces write `{{` and `}}`");
        } else if (piece.value) {
            value = syntax_parse_expr(s->ctx, span);
        }
        visit(user, &piece, value);
    }
}

typedef struct Values {
    Sema *s;
    void (*visit)(void *user, const Node *value);
    void *user;
} Values;

static void visit_value(void *user, const Piece *piece, const Node *value) {
    Values *v = user;
    (void)piece;
    if (value) v->visit(v->user, value);
}

void message_values(Sema *s, const Node *message, void (*visit)(void *user, const Node *value),
                    void *user) {
    Values v = {s, visit, user};
    each_piece(s, message, visit_value, &v);
}

typedef struct Filled {
    Sema *s;
    Text out;
    const char *source;
    bool failed;
} Filled;

/* As the lexer reads a string. */
static void add_text(Filled *f, uint32_t begin, uint32_t end) {
    static const char from[] = "nt\"\\", to[] = "\n\t\"\\";
    for (uint32_t i = begin; i < end; i++) {
        char c = f->source[i];
        const char *known = c == '\\' && i + 1 < end ? strchr(from, f->source[i + 1]) : NULL;
        if (known) i++;
        if ((c == '{' || c == '}') && i + 1 < end && f->source[i + 1] == c) i++;
        text_char(&f->out, known ? to[known - from] : c);
    }
}

static void fill(void *user, const Piece *piece, const Node *value) {
    Filled *f = user;
    f->failed |= piece->value && !value;
    if (!value) {
        add_text(f, piece->begin, piece->end);
        return;
    }
    Value v = eval(f->s, value);
    f->failed |= value_is_poison(v);
    if (v.kind == V_TENSOR)
        text_add(&f->out, value_shape_string(f->s, v));
    else
        value_text(f->s, &f->out, v);
}

/* The message of an assertion; what is no literal is taken as it is. NULL: something in it is
 * wrong.
 */
static const char *message_text(Sema *s, const Node *message) {
    if (message->kind != NODE_STRING) {
        Value v = eval(s, message);
        return v.kind == V_STR ? v.as.str : value_string(s, v);
    }
    Filled f = {.s = s, .out = {.arena = s->arena}};
    f.source = sources_get(s->ctx->sources, message->span.file)->text;
    each_piece(s, message, fill, &f);
    return f.failed ? NULL : text_str(&f.out);
}

/* ------------------------------------------------------------------ assert */

static bool is_binary(const Node *n, const char *op) {
    return n && n->kind == NODE_BINARY && strcmp(n->name->text, op) == 0;
}

/* `assert d % heads == 0`: which heads would do? */
static void help_divisors(Sema *s, Diag *d, const Node *cond) {
    enum { SHOWN = 16 };
    int64_t whole, part;
    const Node *mod = is_binary(cond, "==") ? node_kid(cond, 0) : NULL;
    if (!is_binary(mod, "%") || node_kid(mod, 1)->kind != NODE_NAME) return;
    if (!value_is_int(eval(s, node_kid(mod, 0)), &whole) || whole < 1 || whole > 1 << 24) return;
    if (!value_is_int(eval(s, node_kid(mod, 1)), &part)) return;
    Text list = {.arena = s->arena};
    uint32_t count = 0;
    for (int64_t i = 1; i <= whole && count < SHOWN; i++)
        if (whole % i == 0) text_printf(&list, count++ ? ", %lld" : "%lld", (long long)i);
    diag_help(d, "%s that fit: %s%s", node_kid(mod, 1)->name->text, text_str(&list),
              count == SHOWN ? " ..." : "");
}

/* `T <= context`, with a T that only a call knows: checked at the door, before anything is done. */
static bool assert_at_door(Sema *s, const Node *cond, const Node *message) {
    static const struct {
        const char *op;
        bool zero;         /* the difference must be 0, else at least 0 */
        bool right;        /* difference: right - left */
        int64_t shortfall; /* ... less this */
    } RULES[] = {{"==", true, false, 0},
                 {"<=", false, true, 0},
                 {"<", false, true, 1},
                 {">=", false, false, 0},
                 {">", false, false, 1}};
    DimTable *t = s->program->dims;
    DimId a, b;
    if (!s->build || s->generic || cond->kind != NODE_BINARY) return false;
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++) {
        if (!is_binary(cond, RULES[i].op)) continue;
        Value x = eval(s, node_kid(cond, 0)), y = eval(s, node_kid(cond, 1));
        if (!value_as_dim(s, x, &a) || !value_as_dim(s, y, &b)) return false;
        DimId gap = RULES[i].right ? dim_sub(t, b, a) : dim_sub(t, a, b);
        if (dim_is_const(t, gap) || dim_is_overflow(t, gap)) return false;
        gap = dim_sub(t, gap, dim_const(t, RULES[i].shortfall));
        const char *said = message ? message_text(s, message) : NULL;
        const char *text = arena_printf(s->arena, "%s asserts %s%s%s", place_string(s, cond->span),
                                        node_text(s, cond), said ? ": " : "", said ? said : "");
        graph_require(sema_graph(s), gap, RULES[i].zero, text, cond->span);
        return true;
    }
    return false;
}

void exec_assert(Sema *s, const Node *stmt) {
    bool ok;
    const Node *cond = node_kid(stmt, 0), *message = node_kid(stmt, 1);
    if (assert_at_door(s, cond, message)) return;
    if (!eval_static_bool(s, cond, &ok, "`assert`") || ok) return;
    const char *text = message ? message_text(s, message) : NULL;
    Diag *d = text ? sema_error(s, E_ASSERT, stmt->span, "%s", text)
                   : sema_error(s, E_ASSERT, stmt->span, "the assertion `%s` does not hold",
                                node_text(s, cond));
    help_divisors(s, d, cond);
    s->frame->returned = true;
    s->frame->result = POISON;
}
