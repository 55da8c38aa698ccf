/* Convolutions, pooling and their gradients, compiled and compared with the reference evaluator bit
 * for bit, for several numbers of threads and processors. BMC_RANDOM_FIRST and BMC_RANDOM_COUNT
 * choose other graphs. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/opt/opt.h"
#include "tests/codegen/compare.h"
#include "tests/kit/conv_graph.h"

static void conv_check(uint64_t seed) {
    Program program = {.stem = "conv", .source = "", .init_entry = -1};
    Random random = {seed};
    Kit kit = kit_create(NULL, 0);
    program.ctx = kit.ctx;
    program.dims = kit.dims;
    bool fixed = random_below(&random, 3) == 0;
    ConvGraph c = {.random = &random, .widest = seed % 4 == 0 ? 40 : 7};
    c.batch = dim_symbol(kit.dims, ctx_sym(kit.ctx, "B"), 5);
    if (fixed) c.batch = dim_const(kit.dims, 1 + random_below(&random, 3));
    conv_graph(&kit, &c);
    const Graph *g = opt_simplify(autodiff_run(kit.g));
    g = opt_dce(opt_cse(opt_fold(g)));
    Entry entry = {
        .name = "f", .kind = BMRT_ENTRY_EXPORT, .graph = opt_seal((Graph *)(uintptr_t)g)};
    vec_push(kit.ctx->arena, &program.entries, entry);
    int64_t symbols[] = {1 + (int64_t)(seed % 5)};
    char label[64];
    snprintf(label, sizeof label, "graph %llu", (unsigned long long)seed);
    Compare compare = {.ctx = kit.ctx,
                       .program = &program,
                       .graph = entry.graph,
                       .symbols = symbols,
                       .seed = 7 + seed,
                       .fusion = seed % 3 != 0,
                       .memory_plan = seed % 4 != 0,
                       .label = label};
    ck_assert_msg(compare_run(&compare, &random, seed % 2 == 0), "%s is refused", label);
    kit_destroy(&kit);
}

START_TEST(compiled_equals_reference) {
    conv_check((uint64_t)(number_from("BMC_RANDOM_FIRST", 0) + _i));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_conv");
    TCase *t = tcase_create("random");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, compiled_equals_reference, 0, number_from("BMC_RANDOM_COUNT", 24));
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
