/* The table of words (compiler/sema/words_*.def): every word of the language has a row, what a row
 * says of a function is what the compiler knows, and every example is a program that compiles. */
#include "compiler/sema/elaborate.h"
#include "compiler/sema/word_table.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Context *ctx;

static bool compiles(const char *text) {
    uint32_t file = sources_add(ctx->sources, "example.bm", text, (uint32_t)strlen(text), 0);
    SemaOptions options = {.stem = "example", .roots = SEMA_ALL, .identity = "example.bm"};
    bool ok = sema_run(ctx, syntax_parse(ctx, file), &options) && diags_errors(ctx->diags) == 0;
    for (uint32_t i = 0; !ok && i < diags_count(ctx->diags); i++) {
        Text t = {.arena = ctx->arena};
        diag_render(&t, ctx->sources, diags_get(ctx->diags, i), 0);
        fputs(text_str(&t), stderr);
    }
    return ok;
}

/* Is there a line `NAME: ...` or `NAME(...` in the example? */
static bool gives(const char *example, const char *name) {
    size_t n = strlen(name);
    for (const char *at = example; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, name, n) == 0 && (at[n] == ':' || at[n] == '(')) return true;
    return false;
}

static const char *train_program(const char *example) {
    Text t = {.arena = ctx->arena};
    bool step = gives(example, "step"), timed = gives(example, "epochs") || gives(example, "steps");
    text_add(&t, "data d {\n  from: npy(x = \"x.npy\", y = \"y.npy\")\n  field x[8]: f32\n"
                 "  field y: f32\n  split: random(valid = 0.1)\n}\n"
                 "model net(x[B, 8]) = x |> dense(4) |> dense(1) |> squeeze\ntrain {\n  data: d\n");
    if (!timed) text_add(&t, "  epochs: 10\n");
    if (!step && !gives(example, "loss")) text_add(&t, "  loss: mse(net(x), y)\n");
    if (!step) text_add(&t, "  optimizer: adam()\n");
    text_printf(&t, "%s\n}\n", example);
    return text_str(&t);
}

static const char *program_of(const WordInfo *word) {
    const char *e = word->example;
    switch (word->kind) {
    case WORD_FUNCTION:
        return arena_printf(
            ctx->arena,
            "export fn f(x[B, 8], y[B, 8], c[B, 8]: bool, i[B]: i32, v[8], n[]: i32, "
            "w[8, 4], a[B, 6, 6, 3], k[3, 3, 3, 4]) = %s\n",
            e);
    case WORD_BODY:
        return arena_printf(ctx->arena,
                            "layer word(n: dim)(x[B, d]) -> [B, d] {\n%s\n%s}\n"
                            "model net(x[B, 4]) -> [B, 4] = x |> word(4)\n"
                            "export fn f(x[B, 4]) = net(x)\n",
                            e, strstr(e, "return") ? "" : "return x\n");
    case WORD_DATA:
        return arena_printf(ctx->arena,
                            "data d {\n%s\n}\ntrain {\n  data: d\n  epochs: 1\n"
                            "  batch: all\n  step() { metric one = 1 }\n}\n",
                            e);
    case WORD_TRAIN: return train_program(e);
    case WORD_FILE: return e;
    }
    return e;
}

static const WordInfo *every;
START_TEST(examples_compile) {
    ctx = context_create();
    const WordInfo *word = word_at_number((uint32_t)_i);
    if (word->example)
        ck_assert_msg(compiles(program_of(word)), "the example of `%s` does not compile:\n%s",
                      word->name, program_of(word));
    context_destroy(ctx);
}
END_TEST

static void has_row(void *user, const char *name) {
    int *missing = user;
    if (word_find(name)) return;
    fprintf(stderr, "no row for `%s`\n", name);
    ++*missing;
}

START_TEST(every_word_has_a_row) {
    int missing = 0;
    const char *word;
    sema_builtins(has_row, &missing);
    for (uint32_t i = 0; (word = syntax_reserved_word(i)); i++) has_row(&missing, word);
    sema_settings(NODE_DATA, has_row, &missing);
    sema_settings(NODE_TRAIN, has_row, &missing);
    sema_settings(NODE_TEST, has_row, &missing);
    ck_assert_int_eq(missing, 0);
}
END_TEST

START_TEST(names_are_unique) {
    for (uint32_t i = 0; word_at_number(i); i++) {
        ck_assert_ptr_eq(word_find(word_at_number(i)->name), word_at_number(i));
        ck_assert_ptr_nonnull(word_at_number(i)->signature);
        ck_assert_uint_ge(strlen(word_at_number(i)->text), 4);
    }
}
END_TEST

/* The parameters of a builtin stand in its signature, in their order. */
START_TEST(signatures_name_the_parameters) {
    for (uint32_t i = 0; (every = word_at_number(i)); i++) {
        const Builtin *b = builtin_find(every->name);
        const char *at = every->signature;
        for (const char *p = b && b->parameters ? b->parameters : ""; *p;) {
            size_t n = strcspn(p, "?, ");
            bool row = strncmp(p, "...", 3) == 0;
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)n, p);
            const char *found = strstr(at, name);
            bool pattern =
                strcmp(every->name, "rearrange") == 0 || strcmp(every->name, "einsum") == 0;
            bool forms = every->name[0] == 'm' && strcmp(every->name, "map") == 0;
            bool list = strcmp(p, "parts, axis?") == 0 || strcmp(every->name, "card") == 0 ||
                        strcmp(every->name, "show") == 0;
            ck_assert_msg(found || row || pattern || forms || list, "`%s` has a parameter `%s`: %s",
                          every->name, name, every->signature);
            if (found) at = found;
            p += n;
            p += strspn(p, "?, ");
        }
    }
}
END_TEST

int main(void) {
    int count = 0;
    while (word_at_number((uint32_t)count)) count++;
    Suite *suite = suite_create("words");
    TCase *c = tcase_create("words");
    tcase_add_loop_test(c, examples_compile, 0, count);
    tcase_add_test(c, every_word_has_a_row);
    tcase_add_test(c, names_are_unique);
    tcase_add_test(c, signatures_name_the_parameters);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
