/* The causes of syntax errors: each rule recognises one by the refused token and its surroundings,
 * says what is wrong and shows what to write. Order matters: the most particular first.
 * (More than 600 lines, long because it is one ordered list of small rules.) */
#include "compiler/syntax/mistake.h"

#include "grammar/bmc.tab.h"

static const char *source_text(const Mistake *m, uint32_t begin, uint32_t end) {
    return arena_strndup(m->parser->ctx->arena, m->parser->text + begin, end - begin);
}

static uint32_t previous_end(const Mistake *m) {
    return mistake_token(m, m->at - 1)->end;
}

static uint32_t got_begin(const Mistake *m) {
    return mistake_token(m, m->at)->begin;
}

/* The character after the refused token and blanks. */
static char next_character(const Mistake *m) {
    const char *at = m->parser->text + mistake_token(m, m->at)->end;
    return at[strspn(at, " \t")];
}

/* The first name after a token of this kind, e.g. of the first `model`. */
static const char *name_after(const Mistake *m, int kind, const char *otherwise) {
    for (uint32_t i = 0; i + 1 < m->parser->tokens.len; i++)
        if (mistake_token(m, i)->kind == kind && mistake_token(m, i + 1)->kind == TOKEN_NAME)
            return source_text(m, mistake_token(m, i + 1)->begin, mistake_token(m, i + 1)->end);
    return otherwise;
}

static void label_opener(const Mistake *m, Diag *diag) {
    if (m->open_token != TOKEN_NONE)
        diag_label(diag, parser_token_span(m->parser, m->open_token), "opened here");
}

/* ---------------------------------------------------------------- words of other languages */

static const struct ForeignWord {
    const char *word, *help;
} FOREIGN_WORDS[] = {
    {"def", "functions are `fn f(x) = ...` or `fn f(x) { ... }`"},
    {"func", "functions are `fn f(x) = ...` or `fn f(x) { ... }`"},
    {"function", "functions are `fn f(x) = ...` or `fn f(x) { ... }`"},
    {"class", "weights and their use together are `layer f(settings)(x) { ... }`"},
    {"import", "another file is read by `use \"file.bm\"`; the standard library is always there"},
    {"from", "another file is read by `use \"file.bm\"`; the standard library is always there"},
    {"include", "another file is read by `use \"file.bm\"`"},
    {"const", "constants of a file are `let x = 1`; in a body write `x = 1`"},
    {"var", "constants of a file are `let x = 1`; in a body write `x = 1`"},
    {"for", "`repeat n as i { ... }` repeats while compiling, `scan` goes along an axis"},
    {"while", "`repeat n { ... }` repeats while compiling, `scan` goes along an axis"},
    {"elif", "write `else if`"},
    {"elsif", "write `else if`"},
    {"unless", "write `if not`"},
    {"print", "`show(x, \"name\")` prints a tensor in debug runs"},
    {"lambda", "a function value is `x -> x * x`"},
    {"del", "nothing is deleted: memory is planned by the compiler"},
};

static bool foreign_word(Mistake *m) {
    if (m->previous != TOKEN_NAME) return false;
    uint32_t at = m->at - 1;
    bool starts = at == m->first || mistake_token_is(m, at, "lambda") ||
                  mistake_token_is(m, at, "elif") || mistake_token_is(m, at, "elsif");
    if (!starts) return false;
    for (size_t i = 0; i < sizeof FOREIGN_WORDS / sizeof *FOREIGN_WORDS; i++) {
        if (!mistake_token_is(m, at, FOREIGN_WORDS[i].word)) continue;
        if (mistake_in_entries(m) && mistake_token_is(m, at, "from")) return false;
        Diag *diag = mistake_error(m, parser_token_span(m->parser, at), "there is no `%s` in bmc",
                                   FOREIGN_WORDS[i].word);
        diag_help(diag, "%s", FOREIGN_WORDS[i].help);
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------- the wrong place */

static const char IN_BODY[] = "it belongs in the body of a layer, model, fn, optimizer or step";
static const char AT_TOP[] = "definitions stand at the top of a file, outside of all braces";
static const char IN_BLOCK[] = "it belongs in a `data`, `train` or `test` block";

/* Which words start a line where; `setting`: it is also the name of a setting. */
static const struct Opening {
    int token;
    bool top, entry, body, setting;
    const char *place;
} OPENINGS[] = {
    {TOKEN_LET, true, false, false, false, AT_TOP},
    {TOKEN_USE, true, false, false, false, AT_TOP},
    {TOKEN_FN, true, false, false, false, AT_TOP},
    {TOKEN_EXPORT, true, false, false, false, AT_TOP},
    {TOKEN_LAYER, true, false, false, false, AT_TOP},
    {TOKEN_MODEL, true, false, false, false, AT_TOP},
    {TOKEN_OPTIMIZER, true, false, false, true, AT_TOP},
    {TOKEN_DATA, true, false, false, true, AT_TOP},
    {TOKEN_TRAIN, true, false, false, true, AT_TOP},
    {TOKEN_TEST, true, false, false, true, AT_TOP},
    {TOKEN_FIELD, false, true, false, false, "fields belong in a `data` block"},
    {TOKEN_STEP, false, true, false, false, "it belongs in a `train` block"},
    {TOKEN_METRIC, false, true, true, false, IN_BLOCK},
    {TOKEN_PARAM, false, false, true, false, IN_BODY},
    {TOKEN_STATE, false, false, true, false, IN_BODY},
    {TOKEN_RETURN, false, false, true, false, IN_BODY},
    {TOKEN_YIELD, false, false, true, false, "it belongs in the block of a `scan` or `repeat`"},
    {TOKEN_IF, false, false, true, false, IN_BODY},
    {TOKEN_REPEAT, false, true, true, false, IN_BODY},
    {TOKEN_SCAN, false, true, true, false, IN_BODY},
    {TOKEN_MINIMIZE, false, false, true, false,
     "it belongs in a step of a `train` block: `step(x, y) { minimize ... }`"},
    {TOKEN_MAXIMIZE, false, false, true, false,
     "it belongs in a step of a `train` block: `step(x, y) { maximize ... }`"},
    {TOKEN_ASSERT, false, false, true, false, IN_BODY},
    {TOKEN_INIT, false, false, false, true,
     "`init` follows a param or state: `param w[n] init zeros`"},
};

static const struct Opening *opening(int token) {
    for (size_t i = 0; i < sizeof OPENINGS / sizeof *OPENINGS; i++)
        if (OPENINGS[i].token == token) return &OPENINGS[i];
    return NULL;
}

static bool missing_colon(Mistake *m, uint32_t name, Span span, uint32_t gap_end) {
    Diag *diag =
        mistake_error(m, span, "expected `:` after the setting name %s", mistake_text(m, name));
    Fix *fix = mistake_fix(m, diag, NULL, NULL);
    fix_edit(fix, mistake_token(m, name)->end, gap_end, ": ");
    return true;
}

/* A reserved word where a line starts. */
static bool misplaced_word(Mistake *m) {
    if (m->at != m->first || !token_is_reserved(m->got)) return false;
    const struct Opening *o = opening(m->got);
    char next = next_character(m);
    if (next == '=' || next == ',' || next == '.' || !o) return false; /* meant as a name */
    uint32_t end = mistake_token(m, m->at)->end;
    uint32_t next_at = end + (uint32_t)strspn(m->parser->text + end, " \t");
    if (mistake_in_entries(m) && o->setting && next != '{')
        return missing_colon(m, m->at, parser_span(m->parser, next_at, next_at + 1), next_at);
    const char *where = !m->block               ? "at the top of a file"
                        : mistake_in_entries(m) ? "in a `data`, `train` or `test` block"
                                                : "in a body";
    if (m->got == TOKEN_LET) where = m->block ? "inside braces" : where;
    Diag *diag =
        mistake_error(m, mistake_span(m), "%s cannot stand %s", mistake_text(m, m->at), where);
    if (m->got == TOKEN_LET && !mistake_in_entries(m)) {
        Fix *fix = mistake_fix(m, diag, "in a body a name needs no `let`", o->place);
        fix_edit(fix, got_begin(m), next_at, "");
    } else {
        diag_help(diag, "%s", o->place);
    }
    if (o->top && next == '{') diag_help(diag, "or is a `}` missing above?");
    return true;
}

static bool stray_else(Mistake *m) {
    if (m->got != TOKEN_ELSE) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "this `else` follows no `if`");
    diag_help(diag, "`if condition { ... } else { ... }`");
    return true;
}

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

static bool setting_outside(Mistake *m) {
    if (m->got != TOKEN_KEY) return false;
    const char *text = mistake_text(m, m->at);
    if (mistake_token_is(m, m->at, "else") || mistake_token_is(m, m->at, "try")) {
        Diag *diag = mistake_error(m, mistake_span(m), "%s is not followed by `:`", text);
        diag_help(diag, "blocks stand in braces: `if condition { ... } else { ... }`");
        return true;
    }
    Diag *diag =
        mistake_error(m, mistake_span(m), "the setting %s stands outside of a block", text);
    diag_help(diag, "settings belong in `data`, `train` and `test` blocks");
    if (m->block) diag_help(diag, "a name in a body has no type of its own: `x = ...`");
    return true;
}

/* ---------------------------------------------------------------- items */

static bool top_level(Mistake *m) {
    if (m->block || m->at != m->first) return false;
    if (m->got == TOKEN_NAME && (next_character(m) == '=' || next_character(m) == ',')) {
        Diag *diag = mistake_error(m, mistake_span(m), "%s is not defined by a word of its kind",
                                   mistake_text(m, m->at));
        diag->message = "a name at the top of a file is given by `let`";
        Fix *fix = mistake_fix(m, diag, NULL, AT_TOP);
        fix_edit(fix, got_begin(m), got_begin(m), "let ");
        return true;
    }
    if (m->got != TOKEN_NAME && !token_starts_value(m->got)) return false;
    for (size_t i = 0; i < sizeof FOREIGN_WORDS / sizeof *FOREIGN_WORDS; i++) {
        if (!mistake_token_is(m, m->at, FOREIGN_WORDS[i].word)) continue;
        Diag *diag =
            mistake_error(m, mistake_span(m), "there is no `%s` in bmc", FOREIGN_WORDS[i].word);
        diag_help(diag, "%s", FOREIGN_WORDS[i].help);
        return true;
    }
    Diag *diag = mistake_error(m, mistake_span(m), "a definition cannot start with %s",
                               mistake_text(m, m->at));
    static const char *const WORDS[] = {"let",       "use",   "fn",   "export", "layer",
                                        "optimizer", "model", "data", "train",  "test"};
    Nearest nearest = {.wanted = source_text(m, got_begin(m), mistake_token(m, m->at)->end)};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) nearest_offer(&nearest, WORDS[i]);
    if (nearest.best)
        diag_help(diag, "did you mean `%s`?", nearest.best);
    else
        diag_help(diag,
                  "a file is made of let, use, fn, layer, model, optimizer, data, train, test");
    return true;
}

static bool export_other(Mistake *m) {
    if (m->previous != TOKEN_EXPORT) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "only a `fn` can be exported, not %s",
                               mistake_text(m, m->at));
    diag_help(diag, "`export fn predict(x[B, n]) = net(x)` makes a model callable from outside");
    return true;
}

static bool use_path(Mistake *m) {
    if (m->previous != TOKEN_USE) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "expected the file in quotes after `use`");
    uint32_t end = mistake_expr_end(m, got_begin(m), 0, false);
    Fix *fix = mistake_fix(m, diag, NULL, "`use \"layers.bm\"`");
    fix_edit(fix, got_begin(m), got_begin(m), "\"");
    fix_edit(fix, end, end, "\"");
    return true;
}

/* `let width 256`, `metric accuracy: f(x)`, `let x := 1`. */
static bool missing_equals(Mistake *m) {
    bool named = m->starter == TOKEN_LET || m->starter == TOKEN_METRIC;
    if (!named || !mistake_expects(m, '=') || m->bracket == '(' || m->bracket == '[') return false;
    if (m->at < m->first + 2) return false;
    bool replace =
        m->got == ':' || m->got == TOKEN_UPDATE || m->got == TOKEN_EQUAL || m->got == TOKEN_ARROW;
    const Token *name = mistake_token(m, m->first + 1);
    Diag *diag = mistake_error(
        m, replace ? mistake_span(m) : mistake_after_previous(m), "expected `=` after `%s %s`",
        m->starter == TOKEN_LET ? "let" : "metric", source_text(m, name->begin, name->end));
    if (m->got == TOKEN_NL) {
        diag_help(diag, "every name needs its value: `let width = 256`");
        return true;
    }
    if (!replace) diag->span = mistake_span(m);
    Fix *fix = mistake_fix(m, diag, NULL, NULL);
    uint32_t end = replace ? mistake_token(m, m->at)->end : got_begin(m);
    fix_edit(fix, previous_end(m), end, replace ? " =" : " = ");
    return true;
}

static bool missing_list(Mistake *m) {
    if (m->previous != TOKEN_NAME || !mistake_expects(m, '(')) return false;
    int keyword = mistake_token(m, m->at - 2 < m->at ? m->at - 2 : 0)->kind;
    if (m->at < m->first + 2) return false;
    bool defines = keyword == TOKEN_FN || keyword == TOKEN_LAYER || keyword == TOKEN_OPTIMIZER ||
                   keyword == TOKEN_MODEL;
    if (!defines) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "expected the parameters of %s, found %s",
                               mistake_text(m, m->at - 1), mistake_text(m, m->at));
    const char *name = source_text(m, mistake_token(m, m->at - 1)->begin, previous_end(m));
    if (keyword == TOKEN_MODEL)
        diag_help(diag, "`model %s(x[B, n]) { ... }`, or `model %s = ...` for an instance", name,
                  name);
    else if (keyword == TOKEN_FN)
        diag_help(diag, "`fn %s(x)`, or `fn %s()` without any", name, name);
    else
        diag_help(diag, "settings, then data: `%s %s(rate: num)(x[...])`",
                  keyword == TOKEN_LAYER ? "layer" : "optimizer", name);
    return true;
}

static bool is_definition(int kind) {
    return kind == TOKEN_FN || kind == TOKEN_LAYER || kind == TOKEN_OPTIMIZER ||
           kind == TOKEN_MODEL;
}

static bool header(Mistake *m) {
    if (!is_definition(m->starter) || m->bracket || !mistake_expects(m, '{')) return false;
    if (m->got == '(') {
        Diag *diag = mistake_error(m, mistake_span(m), "%s has too many lists of parameters",
                                   mistake_text(m, m->first + 1));
        diag_help(diag, m->starter == TOKEN_MODEL ? "a model has one list: its data"
                                                  : "there are two at most: settings, then data");
        return true;
    }
    if (m->got == ':') {
        char next = next_character(m);
        Diag *diag = mistake_error(m, mistake_span(m), "`:` cannot follow the parameters");
        if (next == '[' || (next >= 'a' && next <= 'z')) {
            Fix *fix = mistake_fix(m, diag, "the result follows `->`", NULL);
            fix_edit(fix, previous_end(m), mistake_token(m, m->at)->end, " ->");
        } else {
            diag_help(diag, "the body is `{ ... }`, or `= ...` for one expression");
        }
        return true;
    }
    Diag *diag =
        mistake_error(m, m->got == TOKEN_NL ? mistake_after_previous(m) : mistake_span(m),
                      "expected a body `{ ... }` or `= ...`, found %s", mistake_text(m, m->at));
    if (token_starts_value(m->got) || m->got == TOKEN_RETURN) {
        uint32_t after = m->got == TOKEN_RETURN ? mistake_token(m, m->at)->end : got_begin(m);
        Fix *fix = mistake_fix(m, diag, NULL, NULL);
        fix_edit(fix, previous_end(m), after, m->got == TOKEN_RETURN ? " =" : " = ");
    }
    return true;
}

/* ---------------------------------------------------------------- brackets and lists */

static bool not_closed(Mistake *m) {
    if (m->bracket != '(' && m->bracket != '[') return false;
    if (!m->previous || m->at == m->open_token + 1) return false;
    const char *text = m->parser->text;
    uint32_t line = got_begin(m);
    while (line > 0 && text[line - 1] != '\n') line--;
    bool new_line = line > previous_end(m) - 1;
    bool at_start = got_begin(m) - line == strspn(text + line, " \t");
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
    fix->end = previous_end(m);
    fix_edit(fix, previous_end(m), previous_end(m), close == ')' ? ")" : "]");
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
    fix_edit(fix, previous_end(m), previous_end(m), ",");
    return true;
}

static bool argument_colon(Mistake *m) {
    if (m->got != ':' || m->bracket != '(' || m->previous != TOKEN_NAME) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "an argument is given its name by `=`, not `:`");
    Fix *fix = mistake_fix(m, diag, NULL, NULL);
    fix_edit(fix, previous_end(m), mistake_token(m, m->at)->end, " =");
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

/* ---------------------------------------------------------------- names */

static bool reserved_name(Mistake *m) {
    if (!token_is_reserved(m->got) || !mistake_expects(m, TOKEN_NAME)) return false;
    if (m->got == TOKEN_IF && m->previous && mistake_expects_value(m)) {
        Diag *diag = mistake_error(m, mistake_span(m), "`if` is a statement, it has no value");
        diag_help(diag, "a choice between two values is `select(condition, a, b)`");
        return true;
    }
    if (m->got == TOKEN_FN && mistake_expects_value(m)) {
        Diag *diag =
            mistake_error(m, mistake_span(m), "a function inside an expression has no `fn`");
        diag_help(diag, "`x -> x * x`, `(a, b) -> a + b`");
        return true;
    }
    bool statement_word = opening(m->got) && m->previous && mistake_expects_value(m) &&
                          next_character(m) != '=' && m->got >= TOKEN_PARAM;
    if (statement_word) return false;
    const char *word = source_text(m, got_begin(m), mistake_token(m, m->at)->end);
    Diag *diag =
        mistake_error(m, mistake_span(m), "`%s` is a reserved word and cannot be a name", word);
    diag_help(diag, "another name will do: `%s_`, `my_%s`", word, word);
    return true;
}

static bool missing_name(Mistake *m) {
    if (!m->previous || !mistake_expects(m, TOKEN_NAME) || mistake_expects(m, TOKEN_NUMBER))
        return false;
    int p = m->previous;
    bool names = p == TOKEN_LET || p == TOKEN_FN || p == TOKEN_LAYER || p == TOKEN_OPTIMIZER ||
                 p == TOKEN_MODEL || p == TOKEN_DATA || p == TOKEN_FIELD || p == TOKEN_METRIC ||
                 p == TOKEN_PARAM || p == TOKEN_STATE || p == TOKEN_AS || p == '.' || p == ':';
    if (!names) return false;
    mistake_error(m, mistake_span(m), "expected %s after %s, found %s",
                  p == ':' ? "a type" : "a name", mistake_text(m, m->at - 1),
                  mistake_text(m, m->at));
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
    uint32_t end = mistake_expr_end(m, got_begin(m), 0, false);
    uint32_t start = mistake_token(m, mistake_expr_start(m))->begin;
    uint32_t callee = mistake_token(m, pipe + 1)->begin;
    diag_note(diag, "`%s` would belong to `%s`, not to the piped value",
              source_text(m, got_begin(m), end), source_text(m, callee, previous_end(m)));
    Fix *fix = mistake_fix(m, diag, "parentheses", "parentheses around the whole pipe");
    fix->begin = start;
    fix->end = end;
    fix_edit(fix, start, start, "(");
    fix_edit(fix, previous_end(m), previous_end(m), ")");
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
    const char *middle = source_text(m, mistake_token(m, other + 1)->begin, previous_end(m));
    Fix *fix = mistake_fix(m, diag, NULL, "join two comparisons by `and`");
    fix->begin = mistake_token(m, mistake_expr_start(m))->begin;
    fix->end = mistake_expr_end(m, got_begin(m), 0, false);
    fix_edit(fix, previous_end(m), previous_end(m),
             arena_printf(m->parser->ctx->arena, " and %s", middle));
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
    return true;
}

/* ---------------------------------------------------------------- statements */

static bool setting_without_colon(Mistake *m) {
    if (!mistake_in_entries(m) || m->bracket != '{' || m->at != m->first + 1) return false;
    if (m->starter != TOKEN_NAME || !token_starts_value(m->got)) return false;
    return missing_colon(m, m->first, mistake_span(m), got_begin(m));
}

static bool entry_is_a_value(Mistake *m) {
    if (!mistake_in_entries(m) || m->bracket != '{' || !mistake_expects(m, '=')) return false;
    if (m->got != TOKEN_NL && m->got != '}' && m->got != TOKEN_UPDATE) return false;
    if (m->got == TOKEN_UPDATE) {
        Diag *diag = mistake_error(m, mistake_span(m), "`:=` cannot stand in this block");
        diag_help(diag, "a column of each row is given by `=`, a setting by `:`");
        return true;
    }
    Span span = parser_span(m->parser, mistake_token(m, m->first)->begin, previous_end(m));
    Diag *diag = mistake_error(m, span, "this line has neither `:` nor `=`");
    diag_help(diag, "a setting is `name: value`, a column `name = value`");
    return true;
}

static bool missing_over(Mistake *m) {
    if (!mistake_expects(m, TOKEN_OVER)) return false;
    const char *word = m->starter == TOKEN_MAXIMIZE ? "maximize" : "minimize";
    Diag *diag = mistake_error(m, m->got == TOKEN_NL ? mistake_after_previous(m) : mistake_span(m),
                               "`%s` needs `over` a model before %s", word, mistake_text(m, m->at));
    const char *model = name_after(m, TOKEN_MODEL, "net");
    Arena *arena = m->parser->ctx->arena;
    Fix *fix = mistake_fix(m, diag, NULL, "`minimize loss over net with adam(1e-3)`");
    bool with = m->got == TOKEN_WITH;
    fix_edit(fix, previous_end(m), previous_end(m),
             arena_printf(arena, with ? " over %s" : " over %s with adam(1e-3)", model));
    return true;
}

static bool missing_with(Mistake *m) {
    bool minimizes = m->starter == TOKEN_MINIMIZE || m->starter == TOKEN_MAXIMIZE;
    if (!minimizes || !mistake_expects(m, TOKEN_WITH)) return false;
    Diag *diag = mistake_error(m, m->got == TOKEN_NL ? mistake_after_previous(m) : mistake_span(m),
                               "expected `with` an optimizer, found %s", mistake_text(m, m->at));
    Fix *fix = mistake_fix(m, diag, NULL, "`minimize loss over net with adam(1e-3)`");
    fix_edit(fix, previous_end(m), previous_end(m), " with adam(1e-3)");
    return true;
}

static bool missing_along(Mistake *m) {
    if (!mistake_expects(m, TOKEN_ALONG)) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "expected `along` an axis before %s",
                               mistake_text(m, m->at));
    Fix *fix = mistake_fix(m, diag, "by number or by the name of a dim",
                           "`scan xt = x along 1 with h = h0 { ... }`");
    fix_edit(fix, previous_end(m), previous_end(m), " along 1");
    return true;
}

/* `repeat 3 x = x + 1`, `if c: ...`, `if a = b { ... }`. */
static bool missing_brace(Mistake *m) {
    if (!mistake_expects(m, '{') || is_definition(m->starter)) return false;
    if (m->got == '=' && m->starter == TOKEN_IF) {
        Diag *diag = mistake_error(m, mistake_span(m), "`=` gives a name, it does not compare");
        Fix *fix = mistake_fix(m, diag, NULL, "`==` compares");
        fix_edit(fix, got_begin(m), got_begin(m) + 1, "==");
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
    uint32_t end = mistake_expr_end(m, got_begin(m), 0, true);
    bool skip = m->got == ':' || mistake_token_is(m, m->at, "then");
    Fix *fix = mistake_fix(m, diag, NULL, "blocks stand in braces");
    fix_edit(fix, previous_end(m), skip ? mistake_token(m, m->at)->end : got_begin(m),
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
    fix_edit(fix, previous_end(m), equals ? mistake_token(m, m->at)->end : got_begin(m),
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
    fix_edit(fix, previous_end(m), got_begin(m), "; ");
    return true;
}

MistakeRule *const MISTAKE_RULES[] = {
    foreign_word,
    misplaced_word,
    stray_else,
    closes_nothing,
    setting_outside,
    top_level,
    export_other,
    use_path,
    not_closed,
    empty_brackets,
    missing_equals,
    missing_init,
    reserved_name,
    missing_name,
    missing_list,
    header,
    setting_without_colon,
    argument_colon,
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
