/* `bmc fmt`: goldens, idempotence, every comment kept, lines that fit, time linear in the file. */
#include "syntax_helper.h"
#include <time.h>

static Context *ctx;

static void setup(void) {
    ctx = context_create();
}
static void teardown(void) {
    context_destroy(ctx);
}

static const char *format_n(const char *text, uint32_t len) {
    Text out = {.arena = ctx->arena};
    bool good = syntax_format(ctx, add_text(ctx, "t.bm", text, len), &out);
    ck_assert_msg(good, "%.300s\n%s", text, rendered(ctx));
    return text_str(&out);
}

static const char *format(const char *text) {
    return format_n(text, (uint32_t)strlen(text));
}

START_TEST(goldens) {
    Paths paths = list_files(CORPUS, ".bm");
    for (size_t i = 0; i < paths.count; i++) {
        FileText text = read_file(paths.data[i]);
        const char *once = format_n(text.data, text.len);
        check_golden(paths.data[i], ".fmt", once);
        ck_assert_str_eq(format(once), once);
        free(text.data);
    }
    free_paths(paths);
}
END_TEST

static size_t count_of(const char *text, char c) {
    size_t count = 0;
    for (; *text; text++) count += *text == c;
    return count;
}

START_TEST(comments_are_kept) {
    Paths paths = list_files(CORPUS, ".bm");
    for (size_t i = 0; i < paths.count; i++) {
        FileText text = read_file(paths.data[i]);
        ck_assert_uint_eq(count_of(format_n(text.data, text.len), '#'), count_of(text.data, '#'));
        free(text.data);
    }
    free_paths(paths);
}
END_TEST

/* What is laid out well already stays; the right column is the layout of the left one. */
START_TEST(layouts) {
    static const char *const PAIRS[][2] = {
        {"", ""},
        {"\n\n", ""},
        {"# a\n\n\n\n# b", "# a\n\n# b\n"},
        {"let  a=1", "let a = 1\n"},
        {"let a=-x^2*-3", "let a = -x^2 * -3\n"},
        {"let a = x[ 1 : 3 , : , ...s ,n-1: ]", "let a = x[1:3, :, ...s, n - 1:]\n"},
        {"let a = 2 .T", "let a = 2 .T\n"},
        {"let a=f ( x ) [ 0 ] . b(k=1)", "let a = f(x)[0].b(k = 1)\n"},
        {"let a=x->x|>f", "let a = x -> x |> f\n"},
        {"let a=not(b)or(c)", "let a = not (b) or (c)\n"},
        {"fn f(x[B,4*n,n/2,a+b])->([B],[B])=x", "fn f(x[B, 4*n, n/2, a + b]) -> ([B], [B]) = x\n"},
        {"train{epochs:3;batch:4}", "train { epochs: 3; batch: 4 }\n"},
        {"train{epochs:3\nbatch:4}", "train {\n  epochs: 3\n  batch:  4\n}\n"},
        {"fn f(x){if x{return 1}else{return 2}}",
         "fn f(x) { if x { return 1 } else { return 2 } }\n"},
        {"fn f(x){}", "fn f(x) {}\n"},
        {"fn f(x){# c\n}", "fn f(x) {  # c\n}\n"},
        {"let a = 1 # x\nlet bcd = 2 # y\n", "let a   = 1  # x\nlet bcd = 2  # y\n"},
        {"let a = f(1,\n2)", "let a = f(1,\n          2)\n"},
        {"let a = f(\n1,\n2\n)", "let a = f(\n  1,\n  2\n)\n"},
        {"let a = x\n|> f\n|> g", "let a = x\n  |> f\n  |> g\n"},
        {"let a = x +\n1", "let a = x +\n  1\n"},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        ck_assert_str_eq(format(PAIRS[i][0]), PAIRS[i][1]);
        ck_assert_str_eq(format(PAIRS[i][1]), PAIRS[i][1]);
    }
}
END_TEST

/* A pseudo-random expression of `budget` names, so that long lines of all kinds occur. */
static void random_expression(Text *out, uint32_t *seed, int budget) {
    static const char *const BETWEEN[] = {" + ", " * ", " and ", " < 1 or ", " @ ", " - "};
    *seed = *seed * 1664525u + 1013904223u;
    uint32_t pick = *seed >> 16;
    if (budget <= 1) {
        static const char *const LEAVES[] = {"alpha", "x", "200_000", "\"text here\"", "width"};
        text_add(out, LEAVES[pick % 5]);
        return;
    }
    int left = 1 + (int)(pick / 16) % (budget - 1);
    if (pick % 5 == 0) {
        text_add(out, "(");
        random_expression(out, seed, left);
        text_add(out, " |> layer_name(");
        random_expression(out, seed, budget - left);
        text_add(out, ", key = 3) |> relu)");
    } else if (pick % 5 == 1) {
        text_add(out, "function(");
        random_expression(out, seed, left);
        text_add(out, ", name = [");
        random_expression(out, seed, budget - left);
        text_add(out, ", x[1:2]])");
    } else {
        text_add(out, "(");
        random_expression(out, seed, left);
        text_add(out, BETWEEN[pick / 8 % 6]);
        random_expression(out, seed, budget - left);
        text_add(out, ")");
    }
}

static size_t longest_line(const char *text) {
    size_t longest = 0;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (len > longest) longest = len;
        line += len + (line[len] == '\n');
    }
    return longest;
}

START_TEST(long_lines_are_broken) {
    static const char *const HEADS[] = {
        "let a = %s\n", "fn f(x[B, n], y: num = 3)(z[B]) -> [B] = %s\n",
        "train {\n  loss: %s\n  metric m = %s\n}\n",
        "fn f(x) { if %s { y = %s } else { return x } }\n",
        "layer f()(x) {\n  a, b[i] = %s where i < n\n  return x |> f(%s) |> g\n}\n"};
    for (uint32_t seed = 1; seed <= 300; seed++) {
        uint32_t state = seed;
        Text e = {.arena = ctx->arena}, program = {.arena = ctx->arena};
        random_expression(&e, &state, 4 + (int)(seed % 60));
        const char *head = HEADS[seed % 5];
        for (const char *c = head; *c; c++) {
            if (c[0] == '%') {
                text_add(&program, text_str(&e));
                c++;
            } else {
                text_char(&program, *c);
            }
        }
        const char *once = format(text_str(&program));
        ck_assert_str_eq(format(once), once);
        ck_assert_msg(longest_line(once) <= 100 || seed % 60 > 40, "%s", once);
    }
}
END_TEST

static double seconds_for(const char *start, const char *part, int count, const char *end) {
    Text text = {.arena = ctx->arena};
    text_add(&text, start);
    for (int i = 0; i < count; i++) text_add(&text, part);
    text_add(&text, end);
    clock_t before = clock();
    format(text_str(&text));
    return (double)(clock() - before) / CLOCKS_PER_SEC;
}

START_TEST(time_is_linear) {
    static const struct {
        const char *start, *part, *end;
    } LARGE[] = {
        {"let a = [0", ", 0", "]"},
        {"", "let a = 1  # note\n", ""},
        {"", "# note\n", "let a = 1"},
        {"", "\n", ""},
        {"fn f(x) {", "y = x; ", "}"},
        {"fn f(x) {", "if x { y = 1 };", "}"},
        {"train {\n", "key: 3\nmetric m = 1\n", "}"},
        {"let a = f(", "# c\n", ")"},
        {"let a = f(0", ", g(x |> h, k = [1])", ")"},
    };
    for (size_t i = 0; i < sizeof LARGE / sizeof *LARGE; i++) {
        double seconds = seconds_for(LARGE[i].start, LARGE[i].part, 30000, LARGE[i].end);
        ck_assert_msg(seconds < 10, "`%s` takes %.1f s", LARGE[i].part, seconds);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("format");
    TCase *tests = tcase_create("format");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, goldens);
    tcase_add_test(tests, comments_are_kept);
    tcase_add_test(tests, layouts);
    tcase_add_test(tests, long_lines_are_broken);
    tcase_add_test(tests, time_is_linear);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
