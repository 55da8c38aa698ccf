/* options.c: every spelling of every row of options.def is read back. */
#include "compiler/driver/options.h"
#include <check.h>
#include <stdio.h>

static const char *sample_value(OptionKind kind) {
    switch (kind) {
    case KIND_DEFINE: return "width=3";
    case KIND_RENAME: return "net.out=net.head";
    case KIND_LEVEL: return "3";
    case KIND_PASS: return "simplify";
    case KIND_THREADS: return "2";
    case KIND_COUNT: return "1073741824";
    case KIND_SEED: return "18446744073709551615";
    case KIND_COLOR: return "never";
    case KIND_PATHS:
    case KIND_LIBRARY:
    case KIND_TEXT:
    case KIND_OPTIONAL:
    case KIND_FLAG: break;
    }
    return "value";
}

static CommandId some_command(const OptionInfo *o) {
    uint32_t c = 0;
    while (!(o->commands >> c & 1u)) c++;
    return (CommandId)c;
}

static void accept(OptionId id, const char *first, const char *second, const char *want) {
    Context *ctx = context_create();
    const OptionInfo *o = option_info(id);
    char *argv[] = {(char *)"bmc", (char *)command_info(some_command(o))->name, (char *)first,
                    (char *)second};
    Options options;
    bool fine = options_parse(ctx, second ? 4 : 3, argv, &options);
    ck_assert_msg(fine, "%s %s was refused", first, second ? second : "");
    if (id != OPTION_help) ck_assert_str_eq(options.value[id], want);
    ck_assert_uint_eq(options.words.len, id == OPTION_help ? 1 : 0);
    context_destroy(ctx);
}

static void every_spelling(OptionId id, const char *spelling, bool is_short) {
    const OptionInfo *o = option_info(id);
    const char *value = sample_value(o->kind);
    char glued[128];
    if (o->kind == KIND_FLAG || o->kind == KIND_OPTIONAL) accept(id, spelling, NULL, "");
    if (o->kind == KIND_FLAG) return;
    bool joins = is_short || o->kind == KIND_LEVEL;
    snprintf(glued, sizeof glued, "%s%s%s", spelling, joins ? "" : "=", value);
    accept(id, glued, NULL, value);
    if (o->kind != KIND_LEVEL && o->kind != KIND_OPTIONAL) accept(id, spelling, value, value);
}

START_TEST(spellings) {
    OptionId id = (OptionId)_i;
    every_spelling(id, option_info(id)->spelling, false);
    if (option_info(id)->short_spelling) every_spelling(id, option_info(id)->short_spelling, true);
}
END_TEST

START_TEST(tables_are_sound) {
    const OptionInfo *o = option_info((OptionId)_i);
    ck_assert_uint_ne(o->commands, 0);
    ck_assert_int_eq(o->kind == KIND_FLAG, o->argument == NULL);
    ck_assert_uint_gt(strlen(o->help), 5);
    for (int other = 0; other < OPTION_COUNT; other++) {
        if (other == _i) continue;
        ck_assert_str_ne(o->spelling, option_info((OptionId)other)->spelling);
        const char *a = o->short_spelling, *b = option_info((OptionId)other)->short_spelling;
        if (a && b) ck_assert_str_ne(a, b);
    }
}
END_TEST

START_TEST(command_words) {
    Context *ctx = context_create();
    Options o;
    char *build[] = {(char *)"bmc", (char *)"-o", (char *)"a.so", (char *)"dir/m"};
    ck_assert(options_parse(ctx, 4, build, &o));
    ck_assert_int_eq(o.command, COMMAND_build);
    ck_assert_str_eq(o.words.data[0], "dir/m");
    char *run[] = {(char *)"bmc", (char *)"run", (char *)"m.bm", (char *)"--", (char *)"-x=1"};
    ck_assert(options_parse(ctx, 5, run, &o));
    ck_assert_int_eq(o.command, COMMAND_run);
    ck_assert_uint_eq(o.words.len, 2);
    ck_assert_str_eq(o.words.data[1], "-x=1");
    char *defines[] = {(char *)"bmc",     (char *)"train", (char *)"m.bm",
                       (char *)"-Da=1=2", (char *)"-D",    (char *)"b=3"};
    ck_assert(options_parse(ctx, 6, defines, &o));
    ck_assert_uint_eq(o.defines.len, 2);
    ck_assert_str_eq(o.defines.data[0].name, "a");
    ck_assert_str_eq(o.defines.data[0].text, "1=2");
    ck_assert_str_eq(o.defines.data[1].name, "b");
    ck_assert_uint_eq(option_number(&o, OPTION_seed, 5), 5);
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options");
    TCase *cases = tcase_create("options");
    tcase_add_loop_test(cases, spellings, 0, OPTION_COUNT);
    tcase_add_loop_test(cases, tables_are_sound, 0, OPTION_COUNT);
    tcase_add_test(cases, command_words);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
