/* Every sampled node of every dtype can be evaluated, and equal runs give equal bits. */
#include "compiler/graph/sample.h"
#include "compiler/interp/interp.h"

#include <check.h>
#include <stdlib.h>

static Context *ctx;
static void setup(void) {
    ctx = context_create();
}
static void teardown(void) {
    context_destroy(ctx);
}

static Tensor tensor_of(const Sample *s, DType dtype, const Shape *shape) {
    Tensor t = {.dtype = dtype, .rank = shape->rank};
    for (uint32_t i = 0; i < shape->rank; i++)
        ck_assert(dim_eval(s->graph->dims, shape->dims[i], &s->batch_value, &t.dims[i]));
    t.data = arena_alloc(ctx->arena, tensor_bytes(&t));
    return t;
}

static void run(Sample *s, InterpRun *r) {
    Graph *g = s->graph;
    Tensor *inputs = ARENA_ARRAY(ctx->arena, Tensor, g->inputs.len);
    Tensor *slots = ARENA_ARRAY(ctx->arena, Tensor, g->slot_count);
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        inputs[i] = tensor_of(s, g->inputs.data[i].dtype, &g->inputs.data[i].shape);
        sample_fill(s, i, inputs[i].data, tensor_count(&inputs[i]));
    }
    for (uint32_t i = 0; i < g->slot_count; i++) {
        slots[i] = (Tensor){.dtype = g->slots[i].dtype, .rank = 2, .dims = {2, 3}};
        slots[i].data = arena_alloc(ctx->arena, tensor_bytes(&slots[i]));
        sample_fill_slot(s, i, slots[i].data, 6);
    }
    *r = (InterpRun){.symbols = &s->batch_value,
                     .inputs = inputs,
                     .slots = slots,
                     .arena = ctx->arena,
                     .seed = 1,
                     .step = 2,
                     .progress = 0.25,
                     .epoch = 1,
                     .iteration = 17};
    ck_assert(interp_run(g, r));
}

START_TEST(every_op_evaluates) {
    Op op = (Op)_i;
    if (op == OP_GRAD) return;
    for (uint32_t d = 0; d < DTYPE_COUNT; d++)
        for (uint64_t seed = 0; seed < 10; seed++) {
            Sample *s = sample_create(ctx, seed);
            InterpRun r;
            NodeId id = sample_op(s, op, (DType)d);
            if (node_is_none(id)) continue;
            graph_output(s->graph, ctx_sym(ctx, "y"), id);
            run(s, &r);
            ck_assert_uint_eq(r.flags & ~(uint32_t)INTERP_DIVISION, 0);
        }
}
END_TEST

START_TEST(random_graphs_evaluate_alike_twice) {
    static const DType dtypes[] = {DTYPE_F32, DTYPE_F64, DTYPE_F16,
                                   DTYPE_I32, DTYPE_U8,  DTYPE_BOOL};
    for (uint64_t seed = 0; seed < 60; seed++) {
        InterpRun r[2];
        Sample *s[2];
        for (int k = 0; k < 2; k++) {
            s[k] = sample_create(ctx, seed);
            sample_graph(s[k], dtypes[seed % 6], 30);
            graph_verify(s[k]->graph);
            run(s[k], &r[k]);
        }
        for (uint32_t i = 0; i < s[0]->graph->outputs.len; i++)
            ck_assert_mem_eq(r[0].outputs[i].data, r[1].outputs[i].data,
                             tensor_bytes(&r[0].outputs[i]));
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("samples_run");
    TCase *c = tcase_create("samples_run");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, every_op_evaluates, 0, OP_COUNT);
    tcase_add_test(c, random_graphs_evaluate_alike_twice);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
