/* Random graphs over every op, compiled and compared with the reference evaluator bit for bit.
 * A quarter of them under `precision: bf16`. BMC_RANDOM_FIRST and BMC_RANDOM_COUNT choose other
 * graphs. */
#include "compiler/opt/opt.h"
#include "tests/codegen/compare.h"
#include "tests/kit/random_graph.h"

static void graph_check(uint64_t seed) {
    Program program = {.stem = "random", .source = "", .init_entry = -1};
    Kit kit = kit_create(NULL, 0);
    program.ctx = kit.ctx;
    program.dims = kit.dims;
    Slot slots[] = {{.path = ctx_sym(kit.ctx, "s"), .dtype = DTYPE_F32, .rank = 2, .dims = {2, 3}},
                    {.path = ctx_sym(kit.ctx, "t"), .dtype = DTYPE_F64}};
    vec_push(kit.ctx->arena, &program.slots, slots[0]);
    vec_push(kit.ctx->arena, &program.slots, slots[1]);
    kit.g = graph_create(kit.ctx, kit.dims, program.slots.data, 2);
    Grow grow = {.kit = kit, .g = kit.g, .random = {seed}};
    grow.batch = dim_symbol(kit.dims, ctx_sym(kit.ctx, "B"), 4);
    kit.g->bf16 = seed % 4 == 3;
    grow_graph(&grow, 8 + random_below(&grow.random, 40));
    char name[32];
    for (uint32_t i = 0; i < grow.count; i++)
        if (i + 4 >= grow.count || random_below(&grow.random, 6) == 0) {
            snprintf(name, sizeof name, "out%u", i);
            graph_output(kit.g, ctx_sym(kit.ctx, name), grow.pool[i]);
        }
    Entry entry = {.name = "f", .kind = BMRT_ENTRY_EXPORT, .graph = opt_seal(opt_precision(kit.g))};
    vec_push(kit.ctx->arena, &program.entries, entry);
    int64_t symbols[] = {GROW_BATCH};
    char label[64];
    snprintf(label, sizeof label, "graph %llu", (unsigned long long)seed);
    Compare compare = {.ctx = kit.ctx,
                       .program = &program,
                       .graph = entry.graph,
                       .symbols = symbols,
                       .seed = 7 + seed,
                       .step = seed % 5,
                       .fusion = seed % 3 != 0,
                       .memory_plan = seed % 4 != 0,
                       .label = label};
    compare_run(&compare, &grow.random,
                seed % 2 == 0); /* what is not supported yet is passed over */
    kit_destroy(&kit);
}

START_TEST(compiled_equals_reference) {
    graph_check((uint64_t)(number_from("BMC_RANDOM_FIRST", 0) + _i));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_random");
    TCase *t = tcase_create("random");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, compiled_equals_reference, 0, number_from("BMC_RANDOM_COUNT", 40));
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
