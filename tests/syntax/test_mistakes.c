/* Syntax errors, from the text to the rendered message: one golden file per faulty program. */
#include "compiler/syntax/parser.h"
#include "syntax_helper.h"

#define ERRORS BMC_SOURCE_DIR "/tests/syntax/errors"

START_TEST(golden_messages) {
    Paths paths = list_files(ERRORS, ".bm");
    ck_assert_uint_ge(paths.count, 40);
    for (size_t i = 0; i < paths.count; i++) {
        Context *ctx = context_create();
        FileText text = read_file(paths.data[i]);
        Node *program = syntax_parse(ctx, add_text(ctx, paths.data[i], text.data, text.len));
        ck_assert_int_eq(program->kind, NODE_PROGRAM);
        ck_assert_msg(diags_errors(ctx->diags) > 0, "%s is accepted", paths.data[i]);
        ck_assert_uint_eq(diags_errors(ctx->diags), diags_count(ctx->diags));
        check_golden(paths.data[i], ".err", rendered(ctx));
        Text out = {.arena = ctx->arena};
        ck_assert(!syntax_format(ctx, 1, &out));
        ck_assert_uint_eq(out.len, 0);
        context_destroy(ctx);
        free(text.data);
    }
    free_paths(paths);
}
END_TEST

static uint32_t errors_of(const char *text, const char **messages) {
    static char copy[8192];
    Context *ctx = context_create();
    syntax_parse(ctx, add_text(ctx, "t.bm", text, (uint32_t)strlen(text)));
    uint32_t errors = diags_errors(ctx->diags);
    snprintf(copy, sizeof copy, "%s", rendered(ctx));
    *messages = copy;
    context_destroy(ctx);
    return errors;
}

/* Every statement with a mistake is reported once, and what is right stays in the tree. */
START_TEST(recovery_is_exact) {
    static const struct {
        const char *text;
        uint32_t errors;
    } CASES[] = {
        {"let a 1\nlet b 2\nlet c 3\n", 3},
        {"let a = f(\nlet b = 1\nlet c 3\n", 2},
        {"fn f(x) { a = 1 +; b = * 2; c = 3 }\nlet d 4\n", 3},
        {"fn f(x {\n  y = 1\n  z = 2\n}\nlet d 4\n", 2},
        {"fn f(x) {\n  if x {\n    y = = 1\n  }\n  z = = 2\n}\nlet d 4\n", 3},
        {"train {\n  loss x\n  step(x) {\n    a b\n  }\n  batch 3\n}\nlet d 4\n", 4},
        {"layer f(a b)(x) {\n  y = 1\n  if y {\n    z = 2\n  }\n}\nlet d 4\n", 2},
        {"fn f(x) {\n  y = g(1,\n    2 3,\n    4)\n  z 5\n}\n", 2},
        {"fn f(x) {\n  y = g(1, h(2\n  z = 3\n  w 5\n}\n", 2},
        {"}\n}\nlet a 3\n", 3},
        {"fn f(x) { { { (\n", 3},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *messages;
        uint32_t errors = errors_of(CASES[i].text, &messages);
        ck_assert_msg(errors == CASES[i].errors, "%s: %u errors\n%s", CASES[i].text, errors,
                      messages);
    }
}
END_TEST

START_TEST(poison_stands_in_the_tree) {
    static const char TEXT[] = "let a = 1\nlet b 2\nfn f(x) {\n  y = = x\n  return x\n}\n"
                               "train {\n  epochs 3\n  batch: 4\n}\n";
    Context *ctx = context_create();
    Node *program = syntax_parse(ctx, add_text(ctx, "t.bm", TEXT, sizeof TEXT - 1));
    ck_assert_uint_eq(diags_errors(ctx->diags), 3);
    ck_assert_uint_eq(program->count, 4);
    ck_assert_int_eq(program->kids[0]->kind, NODE_LET);
    ck_assert_int_eq(program->kids[1]->kind, NODE_POISON);
    const Node *body = program->kids[2]->kids[3];
    ck_assert_int_eq(body->kids[0]->kind, NODE_POISON);
    ck_assert_int_eq(body->kids[1]->kind, NODE_RETURN);
    ck_assert_int_eq(program->kids[3]->kids[0]->kind, NODE_POISON);
    ck_assert_int_eq(program->kids[3]->kids[1]->kind, NODE_SETTING);
    context_destroy(ctx);
}
END_TEST

typedef struct Tally {
    uint32_t refused, several, elsewhere;
} Tally;

static void tally(const char *text, uint32_t len, uint32_t at, Tally *t) {
    Context *ctx = context_create();
    uint32_t file = add_text(ctx, "t.bm", text, len);
    syntax_parse(ctx, file);
    uint32_t errors = diags_errors(ctx->diags);
    if (errors) {
        Place damaged = sources_place(ctx->sources, (Span){file, at, at});
        Place said = sources_place(ctx->sources, diags_get(ctx->diags, 0)->span);
        t->refused++;
        t->several += errors > 1;
        t->elsewhere += said.line < damaged.line || said.line > damaged.line + 1;
    }
    context_destroy(ctx);
}

/* One token less, or one said twice: almost always one message, on that line. (An exception is a
 * missing `}`, found where the next definition starts.) */
START_TEST(one_token_is_one_mistake) {
    static const char *const FILES[] = {CORPUS "/digits.bm", CORPUS "/cell.bm", CORPUS "/blocks.bm",
                                        CORPUS "/statements.bm"};
    Tally t = {0};
    for (size_t f = 0; f < sizeof FILES / sizeof *FILES; f++) {
        FileText file = read_file(FILES[f]);
        Context *ctx = context_create();
        Parser parser = {0};
        parser_run(&parser, ctx, add_text(ctx, "t.bm", file.data, file.len), false);
        char *text = malloc(2 * file.len + 2);
        for (uint32_t i = 0; i < parser.tokens.len; i++) {
            Token token = parser.tokens.data[i];
            uint32_t size = token.end - token.begin, rest = file.len - token.end;
            if (token.end > file.len || size == 0 || file.data[token.begin] == '\n') continue;
            memcpy(text, file.data, token.begin);
            memcpy(text + token.begin, file.data + token.end, rest);
            tally(text, file.len - size, token.begin, &t);
            memcpy(text, file.data, token.end);
            text[token.end] = ' ';
            memcpy(text + token.end + 1, file.data + token.begin, size + rest);
            tally(text, file.len + size + 1, token.begin, &t);
        }
        free(text);
        free(file.data);
        context_destroy(ctx);
    }
    ck_assert_uint_gt(t.refused, 1500);
    ck_assert_msg(t.several * 100 <= t.refused, "%u of %u say more", t.several, t.refused);
    ck_assert_msg(t.elsewhere * 50 <= t.refused, "%u of %u elsewhere", t.elsewhere, t.refused);
}
END_TEST

START_TEST(a_flood_is_stopped) {
    Context *ctx = context_create();
    Text text = {.arena = ctx->arena};
    for (int i = 0; i < 5000; i++) text_add(&text, "let a 1\n");
    syntax_parse(ctx, add_text(ctx, "t.bm", text_str(&text), (uint32_t)text.len));
    ck_assert_uint_ge(diags_errors(ctx->diags), 50);
    ck_assert_uint_le(diags_errors(ctx->diags), 200);
    context_destroy(ctx);
}
END_TEST

/* Faulty files of another folder: refused, each with at least one message in the file. */
START_TEST(other_folder) {
    const char *folder = getenv("BMC_LANGUAGE_DIR");
    if (!folder) return;
    char errors[1024];
    snprintf(errors, sizeof errors, "%s/errors", folder);
    Paths paths = list_files(errors, ".bm");
    for (size_t i = 0; i < paths.count; i++) {
        if (!strstr(paths.data[i], "syntax")) continue;
        FileText text = read_file(paths.data[i]);
        const char *messages;
        ck_assert_msg(errors_of(text.data, &messages) == 1, "%s\n%s", paths.data[i], messages);
        free(text.data);
    }
    free_paths(paths);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mistakes");
    TCase *tests = tcase_create("mistakes");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, golden_messages);
    tcase_add_test(tests, recovery_is_exact);
    tcase_add_test(tests, poison_stands_in_the_tree);
    tcase_add_test(tests, one_token_is_one_mistake);
    tcase_add_test(tests, a_flood_is_stopped);
    tcase_add_test(tests, other_folder);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
