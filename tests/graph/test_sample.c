/* Every generator makes valid nodes of its op, the same ones for the same seed, with values in
 * their domain. */
#include "compiler/graph/sample.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static Context *ctx;
static void setup(void) {
    ctx = context_create();
}
static void teardown(void) {
    context_destroy(ctx);
}

static bool has_op(const Graph *g, Op op) {
    for (uint32_t i = 0; i < graph_size(g); i++)
        if (graph_node(g, (NodeId){i})->op == op) return true;
    return false;
}

START_TEST(every_op_has_valid_samples) {
    Op op = (Op)_i;
    int made = 0, kept = 0;
    if (op == OP_EXTERN) return;
    for (uint32_t d = 0; d < DTYPE_COUNT; d++)
        for (uint64_t seed = 0; seed < 40; seed++) {
            Sample *s = sample_create(ctx, seed);
            NodeId id = sample_op(s, op, (DType)d);
            if (node_is_none(id)) continue;
            made++;
            kept += has_op(s->graph, op); /* an identity view is its operand */
            graph_output(s->graph, ctx_sym(ctx, "y"), id);
            graph_verify(s->graph);
            ck_assert_uint_eq(s->inputs.len, s->graph->inputs.len);
        }
    ck_assert_int_gt(made, 0);
    ck_assert_msg(2 * kept > made, "%s: %d of %d", op_info(op)->name, kept, made);
}
END_TEST

START_TEST(differentiable_ops_have_f64_samples) {
    for (uint32_t op = 0; op < OP_COUNT; op++) {
        if (!op_info((Op)op)->differentiable || op == OP_EXTERN) continue;
        Sample *s = sample_create(ctx, 1);
        ck_assert_msg(!node_is_none(sample_op(s, (Op)op, DTYPE_F64)), "%s", op_info((Op)op)->name);
    }
}
END_TEST

static const char *graph_text(uint64_t seed) {
    Sample *s = sample_create(ctx, seed);
    Text out = {.arena = ctx->arena};
    sample_graph(s, DTYPE_F32, 40);
    graph_verify(s->graph);
    graph_print(&out, s->graph);
    return text_str(&out);
}

START_TEST(equal_seeds_give_equal_graphs) {
    for (uint64_t seed = 0; seed < 30; seed++) ck_assert_str_eq(graph_text(seed), graph_text(seed));
    ck_assert_str_ne(graph_text(1), graph_text(2));
}
END_TEST

START_TEST(values_stay_in_their_domain) {
    Sample *s = sample_create(ctx, 5);
    Shape shape = {.rank = 1, .dims = {dim_const(s->graph->dims, 24)}};
    double a[24], b[24];
    sample_operand(s, DTYPE_F64, &shape, (SampleInput){.domain = SAMPLE_LATTICE, .phase = 0});
    sample_operand(s, DTYPE_F64, &shape, (SampleInput){.domain = SAMPLE_LATTICE, .phase = 1});
    sample_operand(s, DTYPE_F64, &shape, (SampleInput){.domain = SAMPLE_FRACTION});
    for (int round = 0; round < 20; round++) {
        sample_fill(s, 0, a, 24);
        sample_fill(s, 1, b, 24);
        for (int i = 0; i < 24; i++)
            for (int k = 0; k < 24; k++) {
                ck_assert(i == k || fabs(a[i] - a[k]) > 0.01);
                ck_assert(fabs(a[i] - b[k]) > 0.01);
                ck_assert(fabs(a[i]) > 0.01);
            }
        sample_fill(s, 2, a, 24);
        for (int i = 0; i < 24; i++)
            ck_assert(a[i] - floor(a[i]) > 0.19 && a[i] - floor(a[i]) < 0.81);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("sample");
    TCase *c = tcase_create("sample");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, every_op_has_valid_samples, 0, OP_COUNT);
    tcase_add_test(c, differentiable_ops_have_f64_samples);
    tcase_add_test(c, equal_seeds_give_equal_graphs);
    tcase_add_test(c, values_stay_in_their_domain);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
