/* Arena, text, spelling, sources and the rendering of diagnostics. */
#include "compiler/support/context.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(arena_aligns_zeroes_and_recovers) {
    Arena *arena = arena_create();
    ck_assert_ptr_nonnull(arena);
    for (size_t n = 0; n < 3000; n += 7) {
        unsigned char *p = arena_alloc(arena, n);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++) ck_assert_uint_eq(p[i], 0);
        memset(p, 0xff, n);
    }
    jmp_buf recovery;
    volatile int jumped = 0;
    if (setjmp(recovery) == 0) {
        arena_on_oom(arena, &recovery);
        arena_fail_after(arena, 2);
        for (int i = 0; i < 1000; i++) arena_alloc(arena, 1 << 20);
    } else {
        jumped = 1;
    }
    ck_assert_int_eq(jumped, 1);
    if (setjmp(recovery) == 0) {
        arena_array(arena, SIZE_MAX / 2, 4);
        ck_abort_msg("an overflowing size was accepted");
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(interning_makes_equal_text_one_pointer) {
    Context *ctx = context_create();
    Sym a = ctx_sym(ctx, "dense");
    for (int i = 0; i < 2000; i++) intern(ctx->names, arena_printf(ctx->arena, "name%d", i));
    ck_assert_ptr_eq(a, intern_n(ctx->names, "denser", 5));
    ck_assert_ptr_ne(a, ctx_sym(ctx, "denser"));
    ck_assert_ptr_eq(ctx_sym(ctx, "name1999"), ctx_sym(ctx, "name1999"));
    context_destroy(ctx);
}
END_TEST

START_TEST(numbers_print_shortest) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {{3, "3"}, {0.1, "0.1"}, {1e-8, "1e-08"}, {-2.5, "-2.5"}, {1e300, "1e+300"}};
    Arena *arena = arena_create();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Text t = {.arena = arena};
        text_number(&t, cases[i].value);
        ck_assert_str_eq(text_str(&t), cases[i].text);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(spelling_finds_the_nearest) {
    ck_assert_uint_eq(edit_distance("widht", "width", 2), 1); /* a swap is one edit */
    ck_assert_uint_eq(edit_distance("kitten", "sitting", 5), 3);
    ck_assert_uint_eq(edit_distance("abc", "xyz", 2), 3);
    Nearest n = {.wanted = "optimiser"};
    nearest_offer(&n, "epochs");
    nearest_offer(&n, "optimizer");
    ck_assert_str_eq(n.best, "optimizer");
    Nearest none = {.wanted = "ab"};
    nearest_offer(&none, "xy");
    ck_assert_ptr_null(none.best);
}
END_TEST

START_TEST(hash64_is_stable) {
    /* part of the random-number contract: these values must never change */
    ck_assert_uint_eq(hash64("", 0), 0xf52a15e9a9b5e89bu);
    ck_assert_uint_eq(hash64("net.dense1.w", 12), hash64("net.dense1.w", 12));
    ck_assert_uint_ne(hash64("net.dense1.w", 12), hash64("net.dense1.b", 12));
}
END_TEST

START_TEST(a_diagnostic_renders_like_a_compiler) {
    Context *ctx = context_create();
    const char *text = "let width = 128\nmodel net(x[B]) = dense(widht)\n";
    uint32_t file = sources_add(ctx->sources, "a.bm", text, (uint32_t)strlen(text), 0);
    uint32_t at = (uint32_t)(strstr(text, "widht") - text);
    Diag *d = ctx_error(ctx, E_NAME, ((Span){file, at, at + 5}), "unknown name `%s`", "widht");
    diag_label(d, (Span){file, 4, 9}, "did you mean this?");
    diag_help(d, "write `width`");
    Text out = {.arena = ctx->arena};
    diag_render(&out, ctx->sources, diags_get(ctx->diags, 0), 0);
    ck_assert_str_eq(text_str(&out), "a.bm:2:25: error: unknown name `widht` [E0004]\n"
                                     "    2 | model net(x[B]) = dense(widht)\n"
                                     "      |                         ^~~~~\n"
                                     "    1 | let width = 128\n"
                                     "      |     ^~~~~ did you mean this?\n"
                                     "      = help: write `width`\n");
    ctx_error(ctx, E_NAME, ((Span){file, at, at + 5}), "unknown name `%s`", "widht");
    ck_assert_uint_eq(diags_count(ctx->diags), 1); /* the same mistake is shown once */
    ck_assert_int_eq(code_find("e0004"), E_NAME);
    ck_assert_int_eq(code_find("E9999"), CODE_COUNT);
    context_destroy(ctx);
}
END_TEST

START_TEST(codes_are_unique) {
    for (Code a = 0; a < CODE_COUNT; a++)
        for (Code b = 0; b < a; b++) ck_assert_str_ne(code_info(a)->id, code_info(b)->id);
}
END_TEST

START_TEST(control_characters_do_not_reach_the_terminal) {
    Context *ctx = context_create();
    const char text[] = "let \033[2J = \x01";
    uint32_t file = sources_add(ctx->sources, "b.bm", text, sizeof text - 1, 0);
    ctx_error(ctx, E_LEX, ((Span){file, 4, 5}), "bad character");
    Text out = {.arena = ctx->arena};
    diag_render(&out, ctx->sources, diags_get(ctx->diags, 0), 0);
    for (const char *c = text_str(&out); *c; c++) ck_assert(*c == '\n' || *c >= 32);
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("support");
    TCase *tc = tcase_create("support");
    tcase_add_test(tc, arena_aligns_zeroes_and_recovers);
    tcase_add_test(tc, interning_makes_equal_text_one_pointer);
    tcase_add_test(tc, numbers_print_shortest);
    tcase_add_test(tc, spelling_finds_the_nearest);
    tcase_add_test(tc, hash64_is_stable);
    tcase_add_test(tc, a_diagnostic_renders_like_a_compiler);
    tcase_add_test(tc, codes_are_unique);
    tcase_add_test(tc, control_characters_do_not_reach_the_terminal);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
