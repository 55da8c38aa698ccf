/* The language server, spoken to as an editor does: messages in a file, answers from a file. */
#include "compiler/lsp/lsp_message.h"
#include "compiler/lsp/server.h"
#include "compiler/lsp/text_position.h"
#include "compiler/support/text.h"
#include "compiler/syntax/syntax.h"

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static FILE *in, *out;
static json_t *answers; /* all that came back, in order */
static int code;

static void setup(void) {
    in = tmpfile();
    out = tmpfile();
    answers = json_array();
    setenv("XDG_CACHE_HOME", BMC_BINARY_DIR "/lsp-cache", 1);
}
static void teardown(void) {
    fclose(in);
    fclose(out);
    json_decref(answers);
}

static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    json_error_t error;
    json_t *message = json_vpack_ex(&error, 0, format, args);
    va_end(args);
    ck_assert_msg(message != NULL, "%s", error.text);
    ck_assert(message_write(in, message));
    json_decref(message);
}

static void request(int id, const char *method, json_t *params) {
    say("{s:s,s:i,s:s,s:o}", "jsonrpc", "2.0", "id", id, "method", method, "params", params);
}
static void notify(const char *method, json_t *params) {
    say("{s:s,s:s,s:o}", "jsonrpc", "2.0", "method", method, "params", params);
}

static const char uri[] = "file:///tmp/a%20b.bm";

static void open_text(const char *text) {
    notify("textDocument/didOpen", json_pack("{s:{s:s,s:s,s:i,s:s}}", "textDocument", "uri", uri,
                                             "languageId", "bm", "version", 1, "text", text));
}
static void ask(int id, const char *method, int line, int character) {
    request(id, method,
            json_pack("{s:{s:s},s:{s:i,s:i}}", "textDocument", "uri", uri, "position", "line", line,
                      "character", character));
}

/* Serves what was said so far. */
static void serve(void) {
    json_t *message;
    rewind(in);
    code = lsp_serve(in, out, "test", NULL);
    rewind(out);
    while (message_read(out, &message) == MESSAGE_OK) json_array_append_new(answers, message);
}

static void begin(void) {
    request(1, "initialize", json_object());
    notify("initialized", json_object());
}
static void end(void) {
    request(99, "shutdown", json_null());
    notify("exit", json_null());
    serve();
    ck_assert_int_eq(code, 0);
}

static const json_t *result(int id) {
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_t *a = json_array_get(answers, i);
        if (json_integer_value(json_object_get(a, "id")) == id) return json_object_get(a, "result");
    }
    ck_abort_msg("no answer to request %d", id);
    return NULL;
}
static int error_code(int id) {
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_t *a = json_array_get(answers, i), *e = json_object_get(a, "error");
        if (json_integer_value(json_object_get(a, "id")) == id)
            return (int)json_integer_value(json_object_get(e, "code"));
    }
    return 0;
}
/* The n-th published list of diagnostics. */
static const json_t *published(int n) {
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_t *a = json_array_get(answers, i), *params = json_object_get(a, "params");
        if (json_object_get(a, "method") && n-- == 0) return json_object_get(params, "diagnostics");
    }
    ck_abort_msg("no such diagnostics");
    return NULL;
}
static int at(const json_t *range, const char *edge, const char *part) {
    return (int)json_integer_value(json_object_get(json_object_get(range, edge), part));
}
static const char *hover_text(int id) {
    return json_string_value(json_object_get(json_object_get(result(id), "contents"), "value"));
}
static bool offers(int id, const char *label) {
    const json_t *list = result(id);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(item, "label")), label) == 0) return true;
    }
    return false;
}

static const char MODEL[] = "let width = 32\n"
                            "model net(x[B, 4]) -> [B, 3] {\n"
                            "  h = x |> dense(width, relu)\n"
                            "  return h |> dense(3)\n"
                            "}\n"
                            "export fn predict(x[B, 4]) -> [B, 3] = net(x)\n";

START_TEST(says_what_it_can_do) {
    begin();
    end();
    const json_t *c = json_object_get(result(1), "capabilities");
    ck_assert(json_is_true(json_object_get(c, "hoverProvider")));
    ck_assert(json_is_true(json_object_get(c, "documentFormattingProvider")));
    ck_assert(json_is_null(result(99)));
}
END_TEST

START_TEST(a_fine_program_has_no_diagnostics) {
    begin();
    open_text(MODEL);
    end();
    ck_assert_uint_eq(json_array_size(published(0)), 0);
}
END_TEST

START_TEST(mistakes_come_with_their_place_and_go_when_mended) {
    begin();
    open_text("let width = 128\nmodel net(x[B, 7]) = x |> dense(widht)\n"
              "export fn f(x[B, 7]) = net(x)\n");
    notify("textDocument/didChange", json_pack("{s:{s:s,s:i},s:[{s:s}]}", "textDocument", "uri",
                                               uri, "version", 2, "contentChanges", "text", MODEL));
    end();
    const json_t *d = json_array_get(published(0), 0), *range = json_object_get(d, "range");
    ck_assert_uint_eq(json_array_size(published(0)), 1);
    ck_assert_str_eq(json_string_value(json_object_get(d, "code")), "E0004");
    ck_assert_int_eq(at(range, "start", "line"), 1);
    ck_assert_int_eq(at(range, "start", "character"), 32);
    ck_assert_int_eq(at(range, "end", "character"), 37);
    ck_assert_uint_eq(json_array_size(json_object_get(d, "relatedInformation")), 1);
    ck_assert_uint_eq(json_array_size(published(1)), 0);
}
END_TEST

START_TEST(hover_tells_shape_and_definition) {
    begin();
    open_text(MODEL);
    ask(10, "textDocument/hover", 2, 2);  /* h */
    ask(11, "textDocument/hover", 2, 12); /* dense */
    ask(12, "textDocument/hover", 2, 18); /* width */
    ask(13, "textDocument/hover", 4, 0);  /* } */
    ask(14, "textDocument/hover", 1, 2);  /* model */
    end();
    ck_assert_ptr_nonnull(strstr(hover_text(10), "h: f32[B, 32]"));
    ck_assert_ptr_nonnull(strstr(hover_text(11), "layer dense(out: dim"));
    ck_assert_ptr_nonnull(strstr(hover_text(12), "width: 32"));
    ck_assert(json_is_null(result(13)));
    ck_assert_ptr_nonnull(strstr(hover_text(14), "the root of weight paths"));
}
END_TEST

START_TEST(definitions_are_found_here_and_in_the_standard_library) {
    begin();
    open_text(MODEL);
    ask(10, "textDocument/definition", 3, 9);  /* h */
    ask(11, "textDocument/definition", 2, 18); /* width */
    ask(12, "textDocument/definition", 2, 24); /* relu */
    ask(13, "textDocument/definition", 5, 40); /* net */
    end();
    ck_assert_int_eq(at(json_object_get(result(10), "range"), "start", "line"), 2);
    ck_assert_int_eq(at(json_object_get(result(11), "range"), "start", "line"), 0);
    ck_assert_int_eq(at(json_object_get(result(13), "range"), "start", "line"), 1);
    const char *prelude = json_string_value(json_object_get(result(12), "uri"));
    ck_assert_ptr_nonnull(prelude);
    FILE *file = fopen(prelude + strlen("file://"), "r");
    ck_assert_ptr_nonnull(file);
    char line[200] = "";
    int wanted = at(json_object_get(result(12), "range"), "start", "line");
    for (int i = 0; i <= wanted; i++) ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    fclose(file);
    ck_assert_ptr_nonnull(strstr(line, "fn relu("));
}
END_TEST

START_TEST(completion_knows_where_it_is) {
    begin();
    open_text("data d {\n  fr\n}\nmodel net(x[B, 4]) {\n  hidden = x\n  return hidden |> de\n}\n");
    ask(10, "textDocument/completion", 1, 4);
    ask(11, "textDocument/completion", 5, 21);
    ask(12, "textDocument/completion", 5, 15);
    end();
    ck_assert(offers(10, "from") && offers(10, "split") && !offers(10, "epochs"));
    ck_assert(offers(10, "csv") && offers(10, "tokens") && !offers(10, "patience"));
    ck_assert(offers(11, "dense") && !offers(11, "hidden") && !offers(11, "return"));
    ck_assert(offers(12, "hidden") && offers(12, "x") && offers(12, "exp"));
}
END_TEST

START_TEST(formatting_gives_the_canonical_text) {
    begin();
    open_text("let   a=1\n");
    request(10, "textDocument/formatting",
            json_pack("{s:{s:s},s:{}}", "textDocument", "uri", uri, "options"));
    end();
    const json_t *edit = json_array_get(result(10), 0);
    ck_assert_str_eq(json_string_value(json_object_get(edit, "newText")), "let a = 1\n");
}
END_TEST

START_TEST(an_outline_lists_the_items) {
    begin();
    open_text(MODEL);
    request(10, "textDocument/documentSymbol", json_pack("{s:{s:s}}", "textDocument", "uri", uri));
    end();
    ck_assert_uint_eq(json_array_size(result(10)), 3);
}
END_TEST

START_TEST(nonsense_is_refused_and_survived) {
    begin();
    fputs("Content-Length: 5\r\n\r\n{{{{{", in);
    request(10, "textDocument/rename", json_object());
    ask(11, "textDocument/hover", 0, 0); /* not open */
    open_text(MODEL);
    request(12, "textDocument/hover", json_pack("{s:{s:s}}", "textDocument", "uri", uri));
    ask(13, "textDocument/hover", 4000, 4000);
    ask(14, "textDocument/hover", -1, 0);
    notify("textDocument/didOpen", json_null());
    notify("textDocument/didChange", json_array());
    notify("textDocument/didClose", json_object());
    end();
    ck_assert_int_eq(error_code(10), -32601);
    ck_assert_int_eq(error_code(11), -32602);
    ck_assert_int_eq(error_code(12), -32602);
    ck_assert_int_eq(error_code(14), -32602);
    ck_assert(json_is_null(result(13)));
}
END_TEST

START_TEST(a_client_that_leaves_early_is_an_error) {
    begin();
    open_text(MODEL);
    serve();
    ck_assert_int_eq(code, 1);
}
END_TEST

/* Every reserved word is coloured: the words are those the lexer knows. */
START_TEST(the_textmate_grammar_knows_the_words) {
    json_t *g = json_load_file(BMC_SOURCE_DIR "/tools/editors/bm.tmLanguage.json", 0, NULL);
    ck_assert_ptr_nonnull(g);
    json_t *repository = json_object_get(g, "repository");
    const char *word;
    Text all = {.arena = arena_create()};
    static const char *const rules[] = {"keyword", "constant"};
    for (int i = 0; i < 2; i++)
        text_add(&all, json_string_value(
                           json_object_get(json_object_get(repository, rules[i]), "match")));
    for (uint32_t i = 0; (word = syntax_reserved_word(i)); i++) {
        char between[4][32];
        bool found = false;
        static const char *const edges[] = {"(|", "||", "|)", "()"};
        for (int k = 0; k < 4; k++) {
            snprintf(between[k], sizeof between[k], "%c%s%c", edges[k][0], word, edges[k][1]);
            found |= strstr(text_str(&all), between[k]) != NULL;
        }
        ck_assert_msg(found, "`%s` is not in the grammar", word);
    }
    arena_destroy(all.arena);
    json_decref(g);
}
END_TEST

START_TEST(positions_count_utf16_units) {
    const char *text = "a\xC3\xA9\xF0\x9F\x98\x80z\nb";
    uint32_t length = (uint32_t)strlen(text);
    Position z = position_of(text, length, 7);
    ck_assert_uint_eq(z.character, 4); /* a, e acute, two for the smiley */
    ck_assert_uint_eq(position_offset(text, length, z), 7);
    ck_assert_uint_eq(position_of(text, length, 9).line, 1);
    ck_assert_uint_eq(position_offset(text, length, (Position){0, 99}), 8);
    ck_assert_uint_eq(position_offset(text, length, (Position){9, 0}), length);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("lsp");
    TCase *tc = tcase_create("lsp");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, says_what_it_can_do);
    tcase_add_test(tc, a_fine_program_has_no_diagnostics);
    tcase_add_test(tc, mistakes_come_with_their_place_and_go_when_mended);
    tcase_add_test(tc, hover_tells_shape_and_definition);
    tcase_add_test(tc, definitions_are_found_here_and_in_the_standard_library);
    tcase_add_test(tc, completion_knows_where_it_is);
    tcase_add_test(tc, formatting_gives_the_canonical_text);
    tcase_add_test(tc, an_outline_lists_the_items);
    tcase_add_test(tc, nonsense_is_refused_and_survived);
    tcase_add_test(tc, a_client_that_leaves_early_is_an_error);
    tcase_add_test(tc, the_textmate_grammar_knows_the_words);
    tcase_add_test(tc, positions_count_utf16_units);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
