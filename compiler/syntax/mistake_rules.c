/* The causes of syntax errors: each rule recognises one by the refused token and its surroundings,
 * says what is wrong and shows what to write. Order matters: the most particular first.
 * (More than 600 lines, long because it is one ordered list of small rules.) */
#include "compiler/syntax/mistake.h"

#include "grammar/bmc.tab.h"

/* The first name after a token of this kind, e.g. of the first `model`. */
static const char *name_after(const Mistake *m, int kind, const char *otherwise) {
    for (uint32_t i = 0; i + 1 < m->parser->tokens.len; i++)
        if (mistake_token(m, i)->kind == kind && mistake_token(m, i + 1)->kind == TOKEN_NAME)
            return mistake_source(m, mistake_token(m, i + 1)->begin, mistake_token(m, i + 1)->end);
    return otherwise;
}

static void label_opener(const Mistake *m, Diag *diag) {
    if (m->open_token != TOKEN_NONE)
        diag_label(diag, parser_token_span(m->parser, m->open_token), "opened here");
}

/* ---------------------------------------------------------------- brackets and lists */

static bool closes_nothing(Mistake *m) {
    char open = m->got == ')' ? '(' : m->got == ']' ? '[' : m->got == '}' ? '{' : 0;
    if (!open || m->bracket == open) return false;
    if (!m->bracket || (m->bracket == '{' && open != '{')) {
        mistake_error(m, mistake_span(m), "this `%c` closes nothing", m->got);
        return true;
    }
    if (open == '{') return false; /* ( or [ not closed before } */
    Diag *diag = mistake_error(m, mistake_span(m), "`%c` cannot close `%c`", m->got, m->bracket);
    label_opener(m, diag);
    return true;
}

static bool not_closed(Mistake *m) {
    if (m->bracket != '(' && m->bracket != '[') return false;
    if (!m->previous || m->at == m->open_token + 1) return false;
    const char *text = m->parser->text;
    uint32_t line = mistake_begin(m);
    while (line > 0 && text[line - 1] != '\n') line--;
    bool new_line = line > mistake_previous_end(m) - 1;
    bool at_start = mistake_begin(m) - line == strspn(text + line, " \t");
    uint32_t open_line = mistake_token(m, m->open_token)->begin;
    while (open_line > 0 && text[open_line - 1] != '\n') open_line--;
    bool outdented = strspn(text + line, " \t") <= strspn(text + open_line, " \t");
    char close = m->bracket == '(' ? ')' : ']';
    bool ends_early = m->got == '}' || m->got == TOKEN_NL || m->got == '{';
    if (!ends_early && !(new_line && at_start && outdented && mistake_expects(m, close)))
        return false;
    Diag *diag = mistake_error(m, mistake_after_previous(m), "`%c` is not closed: expected `%c`",
                               m->bracket, close);
    label_opener(m, diag);
    Fix *fix = mistake_fix(m, diag, NULL, NULL);
    fix->end = mistake_previous_end(m);
    fix_edit(fix, mistake_previous_end(m), mistake_previous_end(m), close == ')' ? ")" : "]");
    return true;
}

static bool missing_comma(Mistake *m) {
    if ((m->bracket != '(' && m->bracket != '[') || !mistake_expects(m, ',')) return false;
    bool starts = token_starts_value(m->got) || m->got == TOKEN_ELLIPSIS;
    if (!starts || !token_ends_value(m->previous)) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "expected `,` or `%c` after %s, found %s",
                               m->bracket == '(' ? ')' : ']', mistake_text(m, m->at - 1),
                               mistake_text(m, m->at));
    label_opener(m, diag);
    Fix *fix = mistake_fix(m, diag, NULL, NULL);
    fix_edit(fix, mistake_previous_end(m), mistake_previous_end(m), ",");
    return true;
}

static bool argument_colon(Mistake *m) {
    if (m->got != ':' || m->bracket != '(' || m->previous != TOKEN_NAME) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "an argument is given its name by `=`, not `:`");
    Fix *fix = mistake_fix(m, diag, NULL, NULL);
    fix_edit(fix, mistake_previous_end(m), mistake_token(m, m->at)->end, " =");
    return true;
}

static bool empty_brackets(Mistake *m) {
    if (!m->previous || m->at != m->open_token + 1 || m->open_token == TOKEN_NONE) return false;
    if (m->got == ')' && mistake_expects_value(m)) {
        mistake_error(m, mistake_span(m), "expected a value between `(` and `)`");
        return true;
    }
    if (m->got != ']') return false;
    Diag *diag = mistake_error(m, mistake_span(m), "expected an index between `[` and `]`");
    diag_help(diag, "`x[0]`, `x[1:3]`, `x[:, -1]`; all of it is `x[...]`");
    return true;
}

/* ---------------------------------------------------------------- operators */

/* The last token of this kind before `at` in the same expression, TOKEN_NONE. */
static uint32_t last_before(const Mistake *m, bool (*is)(int)) {
    uint32_t depth = mistake_token(m, m->at)->depth, start = mistake_expr_start(m);
    for (uint32_t i = m->at; i-- > start;) {
        const Token *t = mistake_token(m, i);
        if (t->depth == depth && is(t->kind)) return i;
    }
    return TOKEN_NONE;
}

static bool is_pipe(int kind) {
    return kind == TOKEN_PIPE;
}

static bool operator_after_pipe(Mistake *m) {
    if (!token_is_operator(m->got) || mistake_expects(m, m->got)) return false;
    uint32_t pipe = last_before(m, is_pipe);
    if (pipe == TOKEN_NONE || !token_ends_value(m->previous)) return false;
    Diag *diag =
        mistake_error(m, mistake_span(m), "`|>` must be followed by a layer or function only");
    uint32_t end = mistake_expr_end(m, mistake_begin(m), 0, false);
    uint32_t start = mistake_token(m, mistake_expr_start(m))->begin;
    uint32_t callee = mistake_token(m, pipe + 1)->begin;
    diag_note(diag, "`%s` would belong to `%s`, not to the piped value",
              mistake_source(m, mistake_begin(m), end),
              mistake_source(m, callee, mistake_previous_end(m)));
    Fix *fix = mistake_fix(m, diag, "parentheses", "parentheses around the whole pipe");
    fix->begin = start;
    fix->end = end;
    fix_edit(fix, start, start, "(");
    fix_edit(fix, mistake_previous_end(m), mistake_previous_end(m), ")");
    return true;
}

static bool bounds_comparison(int kind) {
    return token_is_comparison(kind) || kind == TOKEN_AND || kind == TOKEN_OR || kind == TOKEN_NOT;
}

static bool chained_comparison(Mistake *m) {
    if (!token_is_comparison(m->got) || mistake_expects(m, m->got)) return false;
    uint32_t other = last_before(m, bounds_comparison);
    if (other == TOKEN_NONE || !token_is_comparison(mistake_token(m, other)->kind) ||
        other + 1 == m->at)
        return false;
    Diag *diag = mistake_error(m, mistake_span(m), "comparisons cannot be chained");
    diag_label(diag, parser_token_span(m->parser, other), "the first comparison");
    const char *middle =
        mistake_source(m, mistake_token(m, other + 1)->begin, mistake_previous_end(m));
    Fix *fix = mistake_fix(m, diag, NULL, "join two comparisons by `and`");
    fix->begin = mistake_token(m, mistake_expr_start(m))->begin;
    fix->end = mistake_expr_end(m, mistake_begin(m), 0, false);
    fix_edit(fix, mistake_previous_end(m), mistake_previous_end(m),
             arena_printf(m->parser->ctx->arena, " and %s", middle));
    return true;
}

/* Tokens after which a value must come. */
static bool is_dangling(int kind) {
    return token_is_operator(kind) || kind == '=' || kind == TOKEN_UPDATE || kind == TOKEN_ARROW ||
           kind == TOKEN_PIPE || kind == TOKEN_RETURN || kind == TOKEN_YIELD ||
           kind == TOKEN_ASSERT || kind == TOKEN_MINIMIZE || kind == TOKEN_MAXIMIZE ||
           kind == TOKEN_OVER || kind == TOKEN_WITH || kind == TOKEN_WHERE || kind == TOKEN_INIT;
}

/* `y = x +`, and the next line is a statement of its own: refused only there, at its `=` or at the
 * word it starts with. */
static bool unfinished_line(Mistake *m) {
    uint32_t i = m->at;
    if (m->got == '=' || m->got == TOKEN_UPDATE)
        while (i > m->first && !mistake_on_new_line(m, i)) i--;
    else if (!token_is_reserved(m->got))
        return false;
    if (i <= m->first || !mistake_on_new_line(m, i)) return false;
    if (!is_dangling(mistake_token(m, i - 1)->kind)) return false;
    mistake_error(m, parser_token_span(m->parser, i - 1),
                  "expected a value after %s, found the end of the line", mistake_text(m, i - 1));
    return true;
}

static bool missing_value(Mistake *m) {
    if (!m->previous || !mistake_expects_value(m)) return false;
    int p = m->previous;
    if (p == TOKEN_PIPE) {
        Diag *diag =
            mistake_error(m, mistake_span(m), "expected a layer or function after `|>`, found %s",
                          mistake_text(m, m->at));
        diag_help(diag, "`x |> relu`, `x |> dense(10)`");
        return true;
    }
    bool dangling = token_is_operator(p) || token_is_reserved(p) || p == '=' || p == ':' ||
                    p == TOKEN_UPDATE || p == TOKEN_ARROW || p == ',' || p == '(' || p == '[';
    if (!dangling) return false;
    bool ends = m->got == '}' || m->got == TOKEN_NL || m->got == ')' || m->got == ']' ||
                m->got == '{' || token_is_reserved(m->got);
    Diag *diag = mistake_error(m, ends ? parser_token_span(m->parser, m->at - 1) : mistake_span(m),
                               "expected a value after %s, found %s", mistake_text(m, m->at - 1),
                               mistake_text(m, m->at));
    if (p == '*' && m->got == '*') diag_help(diag, "powers are written `x^2`");
    if (m->got == '=' && p == '=') diag_help(diag, "`==` compares, `=` names");
    if (m->got == '.') diag_help(diag, "a number starts with a digit: `0.5`");
    if (token_is_reserved(m->got)) diag_note(diag, "%s is a reserved word", mistake_text(m, m->at));
    return true;
}

/* ---------------------------------------------------------------- statements */

static bool entry_is_a_value(Mistake *m) {
    if (!mistake_in_entries(m) || m->bracket != '{' || !mistake_expects(m, '=')) return false;
    if (m->got != TOKEN_NL && m->got != '}' && m->got != TOKEN_UPDATE) return false;
    if (m->got == TOKEN_UPDATE) {
        Diag *diag = mistake_error(m, mistake_span(m), "`:=` cannot stand in this block");
        diag_help(diag, "a column of each row is given by `=`, a setting by `:`");
        return true;
    }
    Span span = parser_span(m->parser, mistake_token(m, m->first)->begin, mistake_previous_end(m));
    Diag *diag = mistake_error(m, span, "this line has neither `:` nor `=`");
    diag_help(diag, "a setting is `name: value`, a column `name = value`");
    return true;
}

static bool missing_over(Mistake *m) {
    if (!mistake_expects(m, TOKEN_OVER)) return false;
    const char *word = m->starter == TOKEN_MAXIMIZE ? "maximize" : "minimize";
    Diag *diag = mistake_error(m, mistake_place(m), "`%s` needs `over` a model before %s", word,
                               mistake_text(m, m->at));
    const char *model = name_after(m, TOKEN_MODEL, "net");
    Arena *arena = m->parser->ctx->arena;
    Fix *fix = mistake_fix(m, diag, NULL, "`minimize loss over net with adam(1e-3)`");
    bool with = m->got == TOKEN_WITH;
    fix_edit(fix, mistake_previous_end(m), mistake_previous_end(m),
             arena_printf(arena, with ? " over %s" : " over %s with adam(1e-3)", model));
    return true;
}

static bool missing_with(Mistake *m) {
    bool minimizes = m->starter == TOKEN_MINIMIZE || m->starter == TOKEN_MAXIMIZE;
    if (!minimizes || !mistake_expects(m, TOKEN_WITH)) return false;
    Diag *diag = mistake_error(m, mistake_place(m), "expected `with` an optimizer, found %s",
                               mistake_text(m, m->at));
    Fix *fix = mistake_fix(m, diag, NULL, "`minimize loss over net with adam(1e-3)`");
    fix_edit(fix, mistake_previous_end(m), mistake_previous_end(m), " with adam(1e-3)");
    return true;
}

static bool missing_along(Mistake *m) {
    if (!mistake_expects(m, TOKEN_ALONG)) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "expected `along` an axis before %s",
                               mistake_text(m, m->at));
    Fix *fix = mistake_fix(m, diag, "by number or by the name of a dim",
                           "`scan xt = x along 1 with h = h0 { ... }`");
    fix_edit(fix, mistake_previous_end(m), mistake_previous_end(m), " along 1");
    return true;
}

/* `repeat 3 x = x + 1`, `if c: ...`, `if a = b { ... }`. */
static bool missing_brace(Mistake *m) {
    if (!mistake_expects(m, '{') || token_is_definition(m->starter)) return false;
    if (m->got == '=' && m->starter == TOKEN_IF) {
        Diag *diag = mistake_error(m, mistake_span(m), "`=` gives a name, it does not compare");
        Fix *fix = mistake_fix(m, diag, NULL, "`==` compares");
        fix_edit(fix, mistake_begin(m), mistake_begin(m) + 1, "==");
        return true;
    }
    int word = 0;
    for (uint32_t i = m->at; i-- > m->first && !word;) {
        int kind = mistake_token(m, i)->kind;
        if (kind == TOKEN_IF || kind == TOKEN_ELSE || kind == TOKEN_REPEAT || kind == TOKEN_SCAN ||
            kind == TOKEN_STEP || kind == TOKEN_TRAIN || kind == TOKEN_TEST || kind == TOKEN_DATA)
            word = kind;
    }
    if (!word) return false;
    bool ends = m->got == TOKEN_NL || m->got == '}';
    Diag *diag = mistake_error(m, ends ? mistake_after_previous(m) : mistake_span(m),
                               "expected `{` after %s of %s, found %s",
                               word == TOKEN_IF       ? "the condition"
                               : word == TOKEN_REPEAT ? "the count"
                                                      : "the head",
                               syntax_token_name(word), mistake_text(m, m->at));
    if (ends) return true;
    uint32_t end = mistake_expr_end(m, mistake_begin(m), 0, true);
    bool skip = m->got == ':' || mistake_token_is(m, m->at, "then");
    Fix *fix = mistake_fix(m, diag, NULL, "blocks stand in braces");
    fix_edit(fix, mistake_previous_end(m), skip ? mistake_token(m, m->at)->end : mistake_begin(m),
             skip ? " {" : " { ");
    fix_edit(fix, end, end, " }");
    return true;
}

static bool missing_init(Mistake *m) {
    bool declares = m->starter == TOKEN_PARAM || m->starter == TOKEN_STATE;
    if (!declares || !mistake_expects(m, TOKEN_INIT)) return false;
    bool equals = m->got == '=' || m->got == TOKEN_UPDATE;
    if (!equals && !token_starts_value(m->got)) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "%s is given its start by `init`",
                               mistake_text(m, m->first + 1));
    Fix *fix = mistake_fix(m, diag, NULL, "`param w[n] init zeros`");
    fix_edit(fix, mistake_previous_end(m), equals ? mistake_token(m, m->at)->end : mistake_begin(m),
             equals ? " init" : " init ");
    return true;
}

static bool two_statements(Mistake *m) {
    if (m->bracket == '(' || m->bracket == '[' || !mistake_expects(m, TOKEN_NL)) return false;
    bool starts =
        token_starts_value(m->got) || (token_is_reserved(m->got) && !mistake_expects(m, m->got));
    if (!starts || !token_ends_value(m->previous)) return false;
    Diag *diag =
        mistake_error(m, mistake_span(m), "expected an operator or the end of the line, found %s",
                      mistake_text(m, m->at));
    Fix *fix = mistake_fix(m, diag, "two statements on one line need `;`", NULL);
    fix_edit(fix, mistake_previous_end(m), mistake_begin(m), "; ");
    return true;
}

/* `fn f(x[B]) -> ([B], [B]) = x, x + 1`. */
static bool several_results(Mistake *m) {
    if (m->got != ',' || m->bracket || !token_is_definition(m->starter)) return false;
    uint32_t equals = 0;
    int depth = 0;
    for (uint32_t i = m->first; i < m->at && !equals; i++) {
        int kind = mistake_token(m, i)->kind;
        depth += (kind == '(' || kind == '[') - (kind == ')' || kind == ']');
        if (kind == '=' && depth == 0) equals = i;
    }
    if (!equals) return false;
    uint32_t begin = mistake_token(m, equals + 1)->begin;
    uint32_t end = mistake_expr_end(m, mistake_begin(m), 0, true);
    Diag *diag = mistake_error(m, mistake_span(m), "several results stand in parentheses");
    Fix *fix = mistake_fix(m, diag, NULL, "`= (a, b)`");
    fix_edit(fix, begin, begin, "(");
    fix_edit(fix, end, end, ")");
    return true;
}

MistakeRule *const MISTAKE_RULES[] = {
    mistake_foreign_word,
    unfinished_line,
    mistake_misplaced_word,
    mistake_stray_else,
    closes_nothing,
    mistake_setting_outside,
    mistake_top_level,
    mistake_bad_start,
    mistake_export_other,
    mistake_use_path,
    not_closed,
    empty_brackets,
    mistake_missing_equals,
    missing_init,
    mistake_reserved_name,
    mistake_missing_name,
    mistake_missing_list,
    mistake_header,
    mistake_setting_without_colon,
    argument_colon,
    several_results,
    missing_comma,
    operator_after_pipe,
    chained_comparison,
    missing_value,
    missing_over,
    missing_with,
    missing_along,
    missing_brace,
    entry_is_a_value,
    two_statements,
    NULL,
};
