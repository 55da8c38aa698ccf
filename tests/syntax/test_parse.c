/* Parsing: every construction gives the tree it should; spans, docs, limits; no leak at any
 * allocation that fails. */
#include "syntax_helper.h"

static Context *ctx;

static void setup(void) {
    ctx = context_create();
}
static void teardown(void) {
    context_destroy(ctx);
}

static Node *parse(const char *text) {
    return syntax_parse(ctx, add_text(ctx, "test.bm", text, (uint32_t)strlen(text)));
}

static Node *parse_clean(const char *text) {
    Node *program = parse(text);
    ck_assert_msg(!diags_errors(ctx->diags), "%.200s\n%s", text, rendered(ctx));
    return program;
}

static const char *tree(const Node *node) {
    Text out = {.arena = ctx->arena};
    syntax_print(&out, node);
    return text_str(&out);
}

START_TEST(corpus_trees) {
    Paths paths = list_files(CORPUS, ".bm");
    ck_assert_uint_ge(paths.count, 10);
    for (size_t i = 0; i < paths.count; i++) {
        FileText text = read_file(paths.data[i]);
        Node *program = syntax_parse(ctx, add_text(ctx, paths.data[i], text.data, text.len));
        ck_assert_msg(!diags_errors(ctx->diags), "%s", rendered(ctx));
        check_golden(paths.data[i], ".ast", tree(program));
        free(text.data);
    }
    free_paths(paths);
}
END_TEST

static void check_span(const Node *node, const Node *parent) {
    ck_assert_uint_le(node->span.begin, node->span.end);
    ck_assert_uint_ge(node->span.begin, parent->span.begin);
    ck_assert_uint_le(node->span.end, parent->span.end);
    ck_assert_uint_lt(node->depth, parent->depth);
    for (uint32_t i = 0; i < node->count; i++)
        if (node->kids[i]) check_span(node->kids[i], node);
}

START_TEST(spans_are_nested) {
    Paths paths = list_files(CORPUS, ".bm");
    for (size_t i = 0; i < paths.count; i++) {
        FileText text = read_file(paths.data[i]);
        Node *program = syntax_parse(ctx, add_text(ctx, paths.data[i], text.data, text.len));
        for (uint32_t k = 0; k < program->count; k++) check_span(program->kids[k], program);
        free(text.data);
    }
    free_paths(paths);
}
END_TEST

static void expect_text(const Node *node, Span span, const char *expected) {
    const Source *source = sources_get(ctx->sources, span.file);
    size_t len = span.end - span.begin;
    ck_assert_msg(len == strlen(expected) && !memcmp(source->text + span.begin, expected, len),
                  "%s: `%.*s`, not `%s`", node_kind_name(node->kind), (int)len,
                  source->text + span.begin, expected);
}

START_TEST(names_and_spans) {
    Node *fn = parse_clean("export fn f(x[B]: i32 = 0) -> [B] = g(x + 1).T\n")->kids[0];
    expect_text(fn, fn->name_span, "f");
    expect_text(fn, fn->span, "export fn f(x[B]: i32 = 0) -> [B] = g(x + 1).T");
    const Node *par = fn->kids[0]->kids[0];
    expect_text(par, par->span, "x[B]: i32 = 0");
    expect_text(par, par->name_span, "x");
    const Node *member = fn->kids[3];
    expect_text(member, member->name_span, "T");
    const Node *call = node_kid(member, 0);
    expect_text(call, call->span, "g(x + 1)");
    const Node *sum = node_kid(node_kid(call, 1), 0);
    expect_text(sum, sum->name_span, "+");
    ck_assert_ptr_null(node_kid(fn, 1));
    ck_assert_ptr_null(node_kid(fn, 99));
}
END_TEST

/* Left and right give the same tree, however blanks and newlines stand. */
START_TEST(newlines) {
    static const char *const SAME[][2] = {
        {"let a = f(1,\n\n2)\n", "let a = f(1, 2)"},
        {"let a = x # c\n  # d\n\n  |> f\n", "let a = x |> f"},
        {"let a =\n  1 +\n  2\n", "let a = 1 + 2"},
        {"fn f(x)\n  -> [B] = x", "fn f(x) -> [B] = x"},
        {"fn f(x) { a = 1; b = 2; ; }", "fn f(x) {\na = 1\nb = 2\n}"},
        {"let a = [1,\n2]; let b = 2", "let a = [1, 2]\n\n\nlet b = 2\n"},
    };
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++)
        ck_assert_str_eq(tree(parse_clean(SAME[i][0])), tree(parse_clean(SAME[i][1])));
}
END_TEST

START_TEST(words) {
    parse_clean("train { data: d; train: 1; split: f(train = 0.8, with = 2) }\n"
                "fn f(x) { v := 1; x = d.test.data.init }\n");
    ck_assert_uint_eq(diags_count(ctx->diags), 0);
    parse("let data = 1\n");
    ck_assert_uint_eq(diags_errors(ctx->diags), 1);
}
END_TEST

START_TEST(numbers_and_strings) {
    Node *list = parse_clean("let a = [200_000, 0.5, 1e-3, 7]")->kids[0]->kids[1];
    static const double EXPECTED[] = {200000, 0.5, 1e-3, 7};
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert(list->kids[i]->number == EXPECTED[i]);
        ck_assert(!!(list->kids[i]->flags & NODE_FLAG_INTEGER) == (i == 0 || i == 3));
    }
    ck_assert_str_eq(list->kids[0]->text, "200_000");
    Node *text = parse_clean("let a = \"x\\n\\\"\\\\\"")->kids[0]->kids[1];
    ck_assert_uint_eq(text->text_len, 4);
    ck_assert_str_eq(text->text, "x\n\"\\");
}
END_TEST

START_TEST(docs) {
    Node *p = parse_clean("# far\n\n# one\n#two  \nlet a = 1\nlet b = 2 # no\nlet c = 3\n"
                          "# ---- heading\nlet d = 4\n# export\nexport fn e() = 1\n");
    ck_assert_str_eq(p->kids[0]->doc, "one\ntwo");
    for (int i = 1; i < 4; i++) ck_assert_ptr_null(p->kids[i]->doc);
    ck_assert_str_eq(p->kids[4]->doc, "export");
}
END_TEST

START_TEST(expression_text) {
    static const char *const SAME[] = {"a + b * -c^2 @ d",
                                       "(a + b) * c",
                                       "not (a and b) or c < d",
                                       "x |> f(1, k = 2) |> g",
                                       "(x |> f) + 1",
                                       "x[1:3, :, ..., ...s, -1]",
                                       "(a, b) -> a + b",
                                       "x -> y -> x",
                                       "a.b(c)[0].T",
                                       "[1, [2, 3], \"t\\n\\\"\\\\\"]",
                                       "(a, b)",
                                       "2^-1",
                                       "(2^3)^4",
                                       "(-2)^2",
                                       "- -x",
                                       "true",
                                       "200_000",
                                       "scan a = x along T with h = 0 { ... }",
                                       "repeat 3 as i { ... }"};
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++) {
        const char *expected = SAME[i];
        Text source = {.arena = ctx->arena}, out = {.arena = ctx->arena};
        size_t len = strlen(expected);
        if (expected[len - 1] == '}') /* blocks are not shown */
            text_printf(&source, "let a = %.*s{ yield 1 }", (int)(len - 7), expected);
        else
            text_printf(&source, "let a = %s", expected);
        syntax_expr_text(&out, parse_clean(text_str(&source))->kids[0]->kids[1]);
        ck_assert_str_eq(text_str(&out), strcmp(expected, "- -x") ? expected : "--x");
    }
}
END_TEST

static const char *repeated(const char *start, const char *part, int count, const char *end) {
    Text text = {.arena = ctx->arena};
    text_add(&text, start);
    for (int i = 0; i < count; i++) text_add(&text, part);
    text_add(&text, end);
    return text_str(&text);
}

START_TEST(nesting_is_bounded) {
    static const struct {
        const char *start, *part, *end;
    } DEEP[] = {
        {"let a = ", "(", ""},
        {"let a = ", "[", ""},
        {"let a = ", "f(", ""},
        {"let a = ", "not ", "b"},
        {"let a = ", "- ", "b"},
        {"let a = b", " + b", ""},
        {"let a = b", "^b", ""},
        {"let a = ", "x -> ", "b"},
        {"let a = b", " |> f", ""},
        {"let a = b", ".c", ""},
        {"fn f(x) {", "if x {", ""},
        {"let a = b", "(c)", ""},
        {"let a = b", "[c]", ""},
        {"let a = b", " or c", ""},
        {"let a = ", "repeat 2 {", ""},
        {"let a = ", "repeat ", "2"},
        {"fn f(x) { if x {}", " else if x {}", "}"},
    };
    for (size_t i = 0; i < sizeof DEEP / sizeof *DEEP; i++) {
        uint32_t before = diags_count(ctx->diags);
        Node *program = parse(repeated(DEEP[i].start, DEEP[i].part, 20000, DEEP[i].end));
        ck_assert_uint_eq(diags_count(ctx->diags), before + 1);
        ck_assert_msg(diags_get(ctx->diags, before)->code == E_NESTING, "%s", DEEP[i].part);
        ck_assert_uint_le(program->depth, NODE_DEPTH_LIMIT);
    }
    teardown();
    setup();
    parse_clean(repeated("let a = b", " + b", 900, ""));
}
END_TEST

START_TEST(long_is_not_deep) {
    parse_clean(repeated("let a = [0", ", 0", 100000, "]\n"));
    parse_clean(repeated("", "let a = f(x)[0] # note\n", 20000, ""));
    parse_clean(repeated("fn f(x) {\n", "if x { y = 1 }\n", 20000, "}"));
}
END_TEST

START_TEST(not_text) {
    static const char BINARY[] = "let a = 1\nlet \0 = 3\n";
    syntax_parse(ctx, add_text(ctx, "t.bm", BINARY, sizeof BINARY - 1));
    ck_assert_uint_eq(diags_errors(ctx->diags), 1);
    ck_assert_int_eq(diags_get(ctx->diags, 0)->code, E_LEX);
    parse("let a = 1\n# gr\xfc\xdf"
          "e\nlet b = \"\xff\"\n");
    ck_assert_uint_eq(diags_errors(ctx->diags), 2); /* once a file */
}
END_TEST

/* Every allocation fails once: parsing and formatting leave by the arena's jump. */
START_TEST(out_of_memory) {
    FileText text = read_file(CORPUS "/expressions.bm");
    int failures = 0;
    for (size_t nth = 1; nth < 60; nth++) {
        Context *small = context_create();
        jmp_buf recovery;
        if (setjmp(recovery) == 0) {
            arena_on_oom(small->arena, &recovery);
            arena_fail_after(small->arena, nth);
            Text out = {.arena = small->arena};
            syntax_format(small, add_text(small, "t.bm", text.data, text.len), &out);
        } else {
            failures++;
        }
        context_destroy(small);
    }
    free(text.data);
    ck_assert_int_gt(failures, 3);
}
END_TEST

/* Files the project does not own: every one must parse and be formatted, when the folder is given.
 */
START_TEST(other_folder) {
    const char *folder = getenv("BMC_LANGUAGE_DIR");
    if (!folder) return;
    Paths paths = list_files(folder, ".bm");
    ck_assert_uint_gt(paths.count, 0);
    for (size_t i = 0; i < paths.count; i++) {
        FileText text = read_file(paths.data[i]);
        Text out = {.arena = ctx->arena};
        bool good = syntax_format(ctx, add_text(ctx, paths.data[i], text.data, text.len), &out);
        ck_assert_msg(good, "%s", rendered(ctx));
        free(text.data);
    }
    free_paths(paths);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parse");
    TCase *tests = tcase_create("parse");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, corpus_trees);
    tcase_add_test(tests, spans_are_nested);
    tcase_add_test(tests, names_and_spans);
    tcase_add_test(tests, newlines);
    tcase_add_test(tests, words);
    tcase_add_test(tests, numbers_and_strings);
    tcase_add_test(tests, docs);
    tcase_add_test(tests, expression_text);
    tcase_add_test(tests, nesting_is_bounded);
    tcase_add_test(tests, long_is_not_deep);
    tcase_add_test(tests, not_text);
    tcase_add_test(tests, out_of_memory);
    tcase_add_test(tests, other_folder);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
