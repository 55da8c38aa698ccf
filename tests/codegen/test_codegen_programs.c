/* Whole programs, from their text to machine code: every entry of tests/sema/programs gives the
 * reference evaluator's bits. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/opt/opt.h"
#include "compiler/sema/sema.h"
#include "compiler/syntax/syntax.h"
#include "tests/codegen/compare.h"

static char *read_program(const char *path) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    char *text = calloc(1, 1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    ck_assert_uint_gt(n, 0);
    return text;
}

static const Graph *sealed(const Graph *g) {
    g = opt_simplify(autodiff_run(g));
    return opt_seal(opt_dce(opt_cse(opt_fold(g))));
}

/* Every run-time dim of one name has one size, so that symbols can be told by their names. */
static void choose_sizes(const Program *p, int64_t *symbols, int64_t rows) {
    for (uint32_t i = 0; i < dim_symbol_count(p->dims); i++)
        symbols[i] = strcmp(dim_symbol_name(p->dims, i)->text, "T") == 0 ? 3 : rows;
}

static void compare_program(const char *path, int64_t rows) {
    char *text = read_program(path);
    Context *ctx = context_create();
    uint32_t file = sources_add(ctx->sources, path, text, (uint32_t)strlen(text), 0);
    SemaOptions options = {.stem = "model", .roots = SEMA_ALL};
    Program *p = sema_run(ctx, syntax_parse(ctx, file), &options);
    ck_assert_msg(p != NULL, "%s does not elaborate", path);
    int64_t *symbols = ARENA_ARRAY(ctx->arena, int64_t, dim_symbol_count(p->dims) + 1);
    choose_sizes(p, symbols, rows);
    for (uint32_t i = 0; i < dim_symbol_count(p->dims); i++)
        ck_assert_int_ge(dim_symbol_bound(p->dims, i), symbols[i]); /* the plan holds */
    Random r = {1};
    for (uint32_t i = 0; i < p->entries.len; i++) {
        Entry entry = p->entries.data[i];
        Program one = *p;
        one.entries.data = &entry;
        one.entries.len = one.entries.cap = 1;
        one.init_entry = entry.kind == BMRT_ENTRY_INIT ? 0 : -1;
        one.data.len = one.train.len = one.test.len = 0;
        entry.graph = (Graph *)(uintptr_t)sealed(entry.graph);
        Compare c = {.ctx = ctx,
                     .program = &one,
                     .graph = entry.graph,
                     .symbols = symbols,
                     .seed = 42,
                     .step = 7,
                     .fusion = true,
                     .memory_plan = true,
                     .label = entry.name};
        ck_assert_msg(compare_run(&c, &r, false), "%s: %s is not scheduled", path, entry.name);
    }
    context_destroy(ctx);
    free(text);
}

static const char *const PROGRAMS[] = {BMC_SOURCE_DIR "/tests/sema/programs/tiny.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/gan.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/rich.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/expressions.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/effects.bm",
                                       BMC_SOURCE_DIR "/tests/sema/programs/settings.bm",
                                       BMC_SOURCE_DIR "/examples/linear_regression/linreg.bm"};

START_TEST(programs) {
    compare_program(PROGRAMS[_i], 3); /* within every batch of these files */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("programs");
    TCase *tc = tcase_create("programs");
    tcase_add_loop_test(tc, programs, 0, sizeof PROGRAMS / sizeof *PROGRAMS);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
