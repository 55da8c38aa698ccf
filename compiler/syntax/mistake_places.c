/* Syntax errors of definitions, names and of words in the wrong place; words of other languages. */
#include "compiler/syntax/mistake.h"

#include "grammar/bmc.tab.h"

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

bool mistake_foreign_word(Mistake *m) {
    if (m->got == TOKEN_NAME && m->previous == '}' &&
        (mistake_token_is(m, m->at, "elif") || mistake_token_is(m, m->at, "elsif"))) {
        Diag *diag =
            mistake_error(m, mistake_span(m), "there is no %s in bmc", mistake_text(m, m->at));
        Fix *fix = mistake_fix(m, diag, NULL, "write `else if`");
        fix_edit(fix, mistake_begin(m), mistake_token(m, m->at)->end, "else if");
        return true;
    }
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
static const char OWNED[] = "it belongs in the body of a layer, model or optimizer";
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
    {TOKEN_EXTERN, true, false, false, false, AT_TOP},
    {TOKEN_LAYER, true, false, false, false, AT_TOP},
    {TOKEN_MODEL, true, false, false, false, AT_TOP},
    {TOKEN_OPTIMIZER, true, false, false, true, AT_TOP},
    {TOKEN_DATA, true, false, false, true, AT_TOP},
    {TOKEN_TRAIN, true, false, false, true, AT_TOP},
    {TOKEN_TEST, true, false, false, true, AT_TOP},
    {TOKEN_FIELD, false, true, false, false, "fields belong in a `data` block"},
    {TOKEN_STEP, false, true, false, false, "it belongs in a `train` block"},
    {TOKEN_METRIC, false, true, true, false, IN_BLOCK},
    {TOKEN_PARAM, false, false, true, false, OWNED},
    {TOKEN_STATE, false, false, true, false, OWNED},
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

/* Something indented stands outside of all blocks: perhaps the block before was closed too early.
 */
static void label_early(const Mistake *m, Diag *diag) {
    uint32_t at = m->parser->closed_early;
    if (!m->block && at != TOKEN_NONE && at > 0)
        diag_label(diag, parser_span(m->parser, at, at + 1), "does this `}` close too much?");
}

/* A reserved word where a line starts. */
bool mistake_misplaced_word(Mistake *m) {
    if (m->at != m->first || !token_is_reserved(m->got)) return false;
    const struct Opening *o = opening(m->got);
    char next = mistake_next_character(m);
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
        fix_edit(fix, mistake_begin(m), next_at, "");
    } else {
        diag_help(diag, "%s", o->place);
    }
    if (o->top && next == '{') diag_help(diag, "or is a `}` missing above?");
    label_early(m, diag);
    return true;
}

bool mistake_stray_else(Mistake *m) {
    if (m->got != TOKEN_ELSE) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "this `else` follows no `if`");
    diag_help(diag, "`if condition { ... } else { ... }`");
    return true;
}

bool mistake_setting_outside(Mistake *m) {
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
    uint32_t open = mistake_open_indent(m);
    if (m->block && m->parser->line_indent <= open)
        diag_label(diag, parser_token_span(m->parser, m->open_token), "is its `}` missing?");
    else if (m->block)
        diag_help(diag, "a name in a body has no type of its own: `x = ...`");
    return true;
}

/* ---------------------------------------------------------------- items */

bool mistake_top_level(Mistake *m) {
    if (m->block || m->at != m->first) return false;
    char next = mistake_next_character(m);
    if (m->got == TOKEN_NAME && m->parser->line_indent && m->parser->closed_early != TOKEN_NONE) {
        label_early(m, mistake_error(m, mistake_span(m), "this stands outside of all blocks"));
        return true;
    }
    if (m->got == TOKEN_NAME && (next == '=' || next == ',')) {
        Diag *diag =
            mistake_error(m, mistake_span(m), "a name at the top of a file is given by `let`");
        Fix *fix = mistake_fix(m, diag, NULL, "one name each: `let a = 1`");
        fix_edit(fix, mistake_begin(m), mistake_begin(m), "let ");
        return true;
    }
    for (size_t i = 0; i < sizeof FOREIGN_WORDS / sizeof *FOREIGN_WORDS; i++) {
        if (!mistake_token_is(m, m->at, FOREIGN_WORDS[i].word)) continue;
        Diag *diag =
            mistake_error(m, mistake_span(m), "there is no `%s` in bmc", FOREIGN_WORDS[i].word);
        diag_help(diag, "%s", FOREIGN_WORDS[i].help);
        return true;
    }
    Diag *diag = mistake_error(m, mistake_span(m), "a definition cannot start with %s",
                               mistake_text(m, m->at));
    label_early(m, diag);
    static const char *const WORDS[] = {"let",       "use",   "fn",   "export", "layer",
                                        "optimizer", "model", "data", "train",  "test"};
    Nearest nearest = {.wanted = mistake_source(m, mistake_begin(m), mistake_token(m, m->at)->end)};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) nearest_offer(&nearest, WORDS[i]);
    if (nearest.best)
        diag_help(diag, "did you mean `%s`?", nearest.best);
    else if (m->got == '{')
        diag_help(diag, "a block starts with its kind: `data digits {`, `train {`, `test {`");
    else
        diag_help(diag,
                  "a file is made of let, use, fn, layer, model, optimizer, data, train, test");
    return true;
}

bool mistake_bad_start(Mistake *m) {
    if (m->at != m->first || !m->block || m->got == TOKEN_NL || m->got == TOKEN_NAME) return false;
    if (token_is_reserved(m->got) && !token_is_connector(m->got)) return false;
    Diag *diag =
        mistake_error(m, mistake_span(m), "a line cannot start with %s", mistake_text(m, m->at));
    if (token_is_operator(m->got))
        diag_help(diag, "a line that goes on ends with its operator, or stands in parentheses");
    return true;
}

bool mistake_export_other(Mistake *m) {
    if (m->previous != TOKEN_EXPORT) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "only a `fn` can be exported, not %s",
                               mistake_text(m, m->at));
    diag_help(diag, "`export fn predict(x[B, n]) = net(x)` makes a model callable from outside");
    return true;
}

bool mistake_use_path(Mistake *m) {
    if (m->previous != TOKEN_USE) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "expected the file in quotes after `use`");
    uint32_t end = mistake_expr_end(m, mistake_begin(m), 0, false);
    Fix *fix = mistake_fix(m, diag, NULL, "`use \"layers.bm\"`");
    fix_edit(fix, mistake_begin(m), mistake_begin(m), "\"");
    fix_edit(fix, end, end, "\"");
    return true;
}

/* `let width 256`, `metric accuracy: f(x)`, `let x := 1`. */
bool mistake_missing_equals(Mistake *m) {
    bool named = m->starter == TOKEN_LET || m->starter == TOKEN_METRIC;
    if (!named || !mistake_expects(m, '=') || m->bracket == '(' || m->bracket == '[') return false;
    if (m->at < m->first + 2) return false;
    bool replace =
        m->got == ':' || m->got == TOKEN_UPDATE || m->got == TOKEN_EQUAL || m->got == TOKEN_ARROW;
    const Token *name = mistake_token(m, m->first + 1);
    Diag *diag = mistake_error(
        m, replace ? mistake_span(m) : mistake_after_previous(m), "expected `=` after `%s %s`",
        m->starter == TOKEN_LET ? "let" : "metric", mistake_source(m, name->begin, name->end));
    if (m->got == TOKEN_NL) {
        diag_help(diag, "every name needs its value: `let width = 256`");
        return true;
    }
    if (!replace) diag->span = mistake_span(m);
    Fix *fix = mistake_fix(m, diag, NULL, NULL);
    uint32_t end = replace ? mistake_token(m, m->at)->end : mistake_begin(m);
    fix_edit(fix, mistake_previous_end(m), end, replace ? " =" : " = ");
    return true;
}

bool mistake_missing_list(Mistake *m) {
    if (m->previous != TOKEN_NAME || !mistake_expects(m, '(')) return false;
    int keyword = mistake_token(m, m->at - 2 < m->at ? m->at - 2 : 0)->kind;
    if (m->at < m->first + 2) return false;
    bool defines = keyword == TOKEN_FN || keyword == TOKEN_LAYER || keyword == TOKEN_OPTIMIZER ||
                   keyword == TOKEN_MODEL;
    if (!defines) return false;
    Diag *diag = mistake_error(m, mistake_span(m), "expected the parameters of %s, found %s",
                               mistake_text(m, m->at - 1), mistake_text(m, m->at));
    const char *name =
        mistake_source(m, mistake_token(m, m->at - 1)->begin, mistake_previous_end(m));
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

bool mistake_header(Mistake *m) {
    if (!token_is_definition(m->starter) || m->bracket || !mistake_expects(m, '{')) return false;
    if (m->got == '(') {
        Diag *diag = mistake_error(m, mistake_span(m), "%s has too many lists of parameters",
                                   mistake_text(m, m->first + 1));
        diag_help(diag, m->starter == TOKEN_MODEL ? "a model has one list: its data"
                                                  : "there are two at most: settings, then data");
        return true;
    }
    if (m->got == ':') {
        char next = mistake_next_character(m);
        Diag *diag = mistake_error(m, mistake_span(m), "`:` cannot follow the parameters");
        if (next == '[' || (next >= 'a' && next <= 'z')) {
            Fix *fix = mistake_fix(m, diag, "the result follows `->`", NULL);
            fix_edit(fix, mistake_previous_end(m), mistake_token(m, m->at)->end, " ->");
        } else {
            diag_help(diag, "the body is `{ ... }`, or `= ...` for one expression");
        }
        return true;
    }
    Diag *diag =
        mistake_error(m, mistake_place(m), "expected a body `{ ... }` or `= ...`, found %s",
                      mistake_text(m, m->at));
    if (token_starts_value(m->got) || m->got == TOKEN_RETURN) {
        uint32_t after = m->got == TOKEN_RETURN ? mistake_token(m, m->at)->end : mistake_begin(m);
        Fix *fix = mistake_fix(m, diag, NULL, NULL);
        fix_edit(fix, mistake_previous_end(m), after, m->got == TOKEN_RETURN ? " =" : " = ");
    }
    return true;
}

/* ---------------------------------------------------------------- names */

bool mistake_reserved_name(Mistake *m) {
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
    if (token_is_connector(m->got) && mistake_expects_value(m) && mistake_next_character(m) != '=')
        return false;
    bool statement_word = opening(m->got) && m->previous && mistake_expects_value(m) &&
                          mistake_next_character(m) != '=' && m->got >= TOKEN_PARAM;
    if (statement_word) return false;
    const char *word = mistake_source(m, mistake_begin(m), mistake_token(m, m->at)->end);
    Diag *diag =
        mistake_error(m, mistake_span(m), "`%s` is a reserved word and cannot be a name", word);
    diag_help(diag, "another name will do: `%s_`, `my_%s`", word, word);
    return true;
}

bool mistake_missing_name(Mistake *m) {
    if (!m->previous || !mistake_expects(m, TOKEN_NAME) || mistake_expects(m, TOKEN_NUMBER))
        return false;
    int p = m->previous;
    bool names = p == TOKEN_LET || p == TOKEN_FN || p == TOKEN_LAYER || p == TOKEN_OPTIMIZER ||
                 p == TOKEN_MODEL || p == TOKEN_DATA || p == TOKEN_FIELD || p == TOKEN_METRIC ||
                 p == TOKEN_PARAM || p == TOKEN_STATE || p == TOKEN_AS || p == '.' || p == ':';
    if (!names) return false;
    mistake_error(m, mistake_place(m), "expected %s after %s, found %s",
                  p == ':' ? "a type" : "a name", mistake_text(m, m->at - 1),
                  mistake_text(m, m->at));
    return true;
}

bool mistake_setting_without_colon(Mistake *m) {
    if (!mistake_in_entries(m) || m->bracket != '{' || m->at != m->first + 1) return false;
    if (m->starter != TOKEN_NAME || !token_starts_value(m->got)) return false;
    return missing_colon(m, m->first, mistake_span(m), mistake_begin(m));
}
