/* Exported functions have code of their own for a batch of 1 (schedule/variants.c): it gives the
 * reference evaluator's bits, as the general code does, and calls find it. */
#include "tests/codegen/program_compare.h"
#include "tests/codegen/program_entry.h"

static const struct {
    const char *name, *text;
} programs[] = {
    {"dense", "model net(x[B, 70]) -> [B, 33] { return x |> dense(96, relu) |> dense(33) }\n"
              "export fn f(x[B, 70]) -> [B, 33] = softmax(net(x))\n"},
    {"conv", "model net(x[B, 9, 9, 3]) -> [B, 10] {\n"
             "  return x |> conv2d(8, stride = 2) |> batchnorm |> relu |> conv2d(16)\n"
             "    |> maxpool(2) |> flatten |> dense(10)\n}\n"
             "export fn f(x[B, 9, 9, 3]) -> [B, 10] = net(x)\n"},
    {"wide images",
     "model net(x[B, 20, 20, 2]) -> [B, 5] {\n"
     "  return x |> conv2d(16) |> relu |> avgpool(2) |> global_avgpool |> dense(5)\n}\n"
     "export fn f(x[B, 20, 20, 2]) -> [B, 5] = net(x)\n"},
    {"recurrent", "model net(x[B, 7]: i32) -> [B, 7, 12] {\n"
                  "  return x |> embedding(12, 8) |> lstm(40) |> gru(24) |> dense(12)\n}\n"
                  "export fn f(x[B, 7]: i32) -> [B, 7, 12] = net(x)\n"},
    {"both ways", "model net(x[B, 5, 6]) -> [B, 5, 16] { return x |> bilstm(8) }\n"
                  "export fn f(x[B, 5, 6]) -> [B, 5, 16] = net(x)\n"},
    {"attention", "layer block(x[B, T, d]) -> [B, T, d] {\n"
                  "  x = x + (x |> layernorm |> multihead(2, causal = true))\n"
                  "  return x + (x |> layernorm |> dense(2 * d, gelu_tanh) |> dense(d))\n}\n"
                  "model net(ids[B, 24]: i32) -> [B, 24, 11] {\n"
                  "  return embedding(11, 16)(ids) |> block |> block |> layernorm |> dense(11)\n}\n"
                  "export fn f(ids[B, 24]: i32) -> [B, 24, 11] = net(ids)\n"},
    {"lengths", "model net(x[B, T, 6]) -> [B, T, 4] { return x |> rnn(20) |> dense(4) }\n"
                "export fn f(x[B, T, 6]) -> [B, T, 4] = net(x)\n"},
    {"draws", "export fn f(x[B, 40]) -> [B, 40] = x + random([B, 40])\n"},
    {"rows of a gradient",
     "model net(x[B, 30]) -> [B, 3] { return x |> dense(20, tanh) |> dense(3) }\n"
     "export fn f(x[B, 30]) -> [B, 30] { return grad(sum(net(x) ** 2), x) }\n"},
};
enum { PROGRAMS = sizeof programs / sizeof programs[0] };

START_TEST(one_row) {
    compare_program(programs[_i].name, programs[_i].text, 1);
}
END_TEST

START_TEST(other_rows) {
    compare_program(programs[_i].name, programs[_i].text, 3);
}
END_TEST

/* Work space of the variant, and whether it runs alone. */
static LoopVariant variant_of(Context *ctx, const char *text) {
    Program *p = elaborate(ctx, text);
    Entry *entry = entry_f(p);
    entry->graph = (Graph *)(uintptr_t)sealed(entry->graph);
    ScheduleOptions options;
    schedule_options_default(&options);
    const LoopProgram *l = schedule_entry(ctx, p, entry, &options);
    ck_assert_ptr_nonnull(l);
    ck_assert_uint_eq(l->variants.len, 1);
    ck_assert_int_le(l->variants.data[0].program->arena_bytes, l->arena_bytes);
    return l->variants.data[0];
}

START_TEST(little_work_is_done_alone) {
    Context *ctx = context_create();
    ck_assert(variant_of(ctx, programs[0].text).alone);
    LoopVariant large = variant_of(ctx, "model net(x[B, 900]) -> [B, 900] {\n"
                                        "  return x |> dense(900) |> dense(900)\n}\n"
                                        "export fn f(x[B, 900]) -> [B, 900] = net(x)\n");
    ck_assert(!large.alone);
    context_destroy(ctx);
}
END_TEST

/* One row leaves nothing to share but columns. */
START_TEST(threads_share_columns) {
    Context *ctx = context_create();
    LoopVariant v =
        variant_of(ctx, "model net(x[B, 256]) -> [B, 1024] { return x |> dense(1024) }\n"
                        "export fn f(x[B, 256]) -> [B, 1024] = net(x)\n");
    bool shared = false;
    for (uint32_t i = 0; i < v.program->kernels.len; i++) {
        const Kernel *k = v.program->kernels.data[i];
        shared |= k->parallel && dim_equals(v.program->program->dims, k->extent, 1024);
    }
    ck_assert(shared);
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *s = suite_create("variants");
    TCase *t = tcase_create("bits");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, one_row, 0, PROGRAMS);
    tcase_add_loop_test(t, other_rows, 0, PROGRAMS);
    tcase_add_test(t, little_work_is_done_alone);
    tcase_add_test(t, threads_share_columns);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
