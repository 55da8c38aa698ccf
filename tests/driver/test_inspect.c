/* inspect.c: what bmc.h tells of a compiled model agrees with itself and with the descriptor. */
#include "compiler/include/bmc.h"
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static const char MODEL[] = "model net(x[B, 6]) -> [B, 3] {\n"
                            "  return x |> dense(8, relu) |> dense(3)\n"
                            "}\n"
                            "train {\n"
                            "  step(x[B, 6], y[B]: i32) {\n"
                            "    loss = cross_entropy(net(x), y)\n"
                            "    minimize loss over net with adam(0.01)\n"
                            "    metric loss = loss\n"
                            "  }\n"
                            "}\n"
                            "export fn predict(x[B, 6]) -> [B, 3] = softmax(net(x))\n";

static BmcModel *compiled(void) {
    BmcOptions options = {.size_bytes = sizeof options, .level = 1};
    BmcModel *model = NULL;
    ck_assert_int_eq(bmc_compile_text("m.bm", MODEL, strlen(MODEL), &options, &model), BMC_OK);
    return model;
}

static BmcInspection *inspected(const BmcModel *model) {
    BmcInspection *i = NULL;
    ck_assert_int_eq(bmc_inspect(model, &i), BMC_OK);
    return i;
}

static void check_shape(const BmcShape *s) {
    ck_assert_ptr_nonnull(s->text);
    ck_assert_int_eq(s->text[0], '[');
    for (uint32_t d = 0; d < s->rank; d++) ck_assert_int_ge(s->dims[d], 0);
}

static const BmcLayerInfo *layer_at(const BmcInspection *i, const char *path) {
    const BmcLayerInfo *l;
    for (uint32_t k = 0; (l = bmc_inspect_layer(i, k)); k++)
        if (strcmp(l->path, path) == 0) return l;
    return NULL;
}

START_TEST(layers_and_parameters) {
    BmcModel *model = compiled();
    const BmrtModel *m = bmc_model(model);
    BmcInspection *i = inspected(model);
    const BmcLayerInfo *first = layer_at(i, "net.dense1"), *second = layer_at(i, "net.dense2");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_str_eq(first->what, "dense(8, relu)");
    ck_assert_str_eq(first->shape.text, "[B, 8]");
    ck_assert_int_eq(first->parameters, 6 * 8 + 8);
    ck_assert_int_eq(second->parameter_bytes, 4 * (8 * 3 + 3));
    ck_assert_uint_eq(first->place.line, 2);
    ck_assert_str_eq(first->place.file, "m.bm");
    uint32_t count = 0;
    const BmcParameterInfo *p;
    for (; (p = bmc_inspect_parameter(i, count)); count++) {
        const BmrtSlot *slot = &m->slots[count];
        ck_assert_str_eq(p->path, slot->path);
        ck_assert_int_eq(p->offset, slot->offset);
        ck_assert_int_eq(p->bytes, slot->bytes);
        ck_assert_int_eq(p->kind, slot->kind);
        ck_assert_uint_eq(p->shape.rank, slot->rank);
        ck_assert(slot->rank == 0 || memcmp(p->shape.dims, slot->dims, 8 * slot->rank) == 0);
        check_shape(&p->shape);
    }
    ck_assert_uint_eq(count, m->slot_count);
    bmc_inspection_close(i);
    bmc_close(model);
}
END_TEST

static void check_nodes(const BmcInspection *i, uint32_t entry, uint32_t count) {
    const BmcNodeInfo *n;
    uint32_t k = 0;
    for (; (n = bmc_inspect_node(i, entry, k)); k++) {
        check_shape(&n->shape);
        for (uint32_t a = 0; a < n->operand_count; a++) ck_assert_uint_lt(n->operands[a], k);
        ck_assert_int_eq(n->name != NULL, !strcmp(n->op, "input") || !strcmp(n->op, "read"));
    }
    ck_assert_uint_eq(k, count);
}

static void check_kernels(const BmcInspection *i, uint32_t entry, const BmcEntryInfo *e) {
    const BmcKernelInfo *kernel;
    double flops = 0, bytes = 0;
    uint32_t k = 0;
    for (; (kernel = bmc_inspect_kernel(i, entry, k)); k++) {
        flops += kernel->flops;
        bytes += kernel->bytes;
        ck_assert_int_ge(kernel->grain, 1);
        uint32_t written = 0;
        for (uint32_t b = 0; b < kernel->buffer_count; b++) {
            ck_assert_ptr_nonnull(bmc_inspect_buffer(i, entry, kernel->buffers[b]));
            written += kernel->writes[b];
        }
        ck_assert_uint_ge(written, 1);
    }
    ck_assert_uint_eq(k, e->kernels);
    ck_assert_double_eq_tol(flops, e->flops, 0.5); /* there are no loops */
    ck_assert_double_eq_tol(bytes, e->bytes, 0.5);
}

static void check_buffers(const BmcInspection *i, uint32_t entry, const BmcEntryInfo *e) {
    const BmcBufferInfo *b;
    uint32_t k = 0;
    for (; (b = bmc_inspect_buffer(i, entry, k)); k++) {
        ck_assert_int_eq(b->bytes, b->elements * (int64_t)bmrt_dtype_bytes(b->dtype));
        if (b->storage == BMC_STORAGE_PARAMETER)
            ck_assert_int_eq(bmc_inspect_parameter(i, b->number)->bytes, b->bytes);
        if (b->storage != BMC_STORAGE_ARENA) continue;
        ck_assert_int_le(b->offset + b->bytes, e->arena_bytes);
        ck_assert_uint_le(b->first_step, b->last_step);
    }
    ck_assert_uint_eq(k, e->buffers);
    ck_assert_int_le(e->live_bytes, e->arena_bytes);
}

START_TEST(entries) {
    BmcModel *model = compiled();
    BmcInspection *i = inspected(model);
    const BmrtModel *m = bmc_model(model);
    const BmcEntryInfo *e;
    uint32_t k = 0;
    bool line_seen = false;
    for (; (e = bmc_inspect_entry(i, k)); k++) {
        ck_assert_str_eq(e->name, m->entries[k].name);
        ck_assert_int_eq(e->kind, m->entries[k].kind);
        ck_assert_int_eq(e->arena_bytes, m->entries[k].arena_bytes);
        check_nodes(i, k, e->nodes);
        check_kernels(i, k, e);
        check_buffers(i, k, e);
        const BmcKernelInfo *kernel;
        for (uint32_t n = 0; (kernel = bmc_inspect_kernel(i, k, n)); n++)
            line_seen |= kernel->place.line == 2;
    }
    ck_assert_uint_eq(k, m->entry_count);
    ck_assert(line_seen);
    ck_assert_ptr_null(bmc_inspect_node(i, k, 0));
    ck_assert_ptr_null(bmc_inspect_kernel(i, k, 0));
    ck_assert_ptr_null(bmc_inspect_buffer(i, k, 0));
    bmc_close(model); /* the inspection outlives it */
    ck_assert_str_eq(bmc_inspect_parameter(i, 0)->path, "net.dense1.w");
    bmc_inspection_close(i);
}
END_TEST

/* Ranges of all threads: whole grains, in order, every row once. */
START_TEST(rows_of_threads) {
    BmcKernelInfo kernel = {.parallel = 1, .grain = 16};
    int64_t first, end;
    for (int64_t extent = 0; extent < 200; extent += 7)
        for (int32_t threads = 1; threads < 9; threads++) {
            int64_t at = 0;
            for (int32_t t = 0; t < threads; t++) {
                ck_assert_int_eq(bmc_kernel_rows(&kernel, extent, t, threads, &first, &end),
                                 BMC_OK);
                if (end <= first) continue;
                ck_assert_int_eq(first, at);
                ck_assert(end == extent || end % kernel.grain == 0);
                at = end;
            }
            ck_assert_int_eq(at, extent);
        }
    kernel.parallel = 0;
    ck_assert_int_eq(bmc_kernel_rows(&kernel, 5, 1, 2, &first, &end), BMC_OK);
    ck_assert_int_eq(end - first, 0);
    ck_assert_int_eq(bmc_kernel_rows(NULL, 5, 0, 2, &first, &end), BMC_ARGUMENT);
    ck_assert_int_eq(bmc_kernel_rows(&kernel, 5, 2, 2, &first, &end), BMC_ARGUMENT);
    ck_assert_int_eq(bmc_kernel_rows(&kernel, 5, -1, 2, &first, &end), BMC_ARGUMENT);
    ck_assert_int_eq(bmc_kernel_rows(&kernel, -5, 0, 2, &first, &end), BMC_ARGUMENT);
    ck_assert_int_eq(bmc_kernel_rows(&kernel, INT64_MAX, 0, 2, &first, &end), BMC_ARGUMENT);
    ck_assert_int_eq(bmc_kernel_rows(&kernel, 5, 0, 2, NULL, &end), BMC_ARGUMENT);
    ck_assert_int_eq(bmc_kernel_rows(&kernel, 5, 0, 2, &first, NULL), BMC_ARGUMENT);
}
END_TEST

static void *inspect_often(void *user) {
    for (int n = 0; n < 20; n++) {
        BmcInspection *i = NULL;
        if (bmc_inspect(user, &i) != BMC_OK) return user;
        bool fine = layer_at(i, "net.dense1") && bmc_inspect_kernel(i, 0, 0);
        bmc_inspection_close(i);
        if (!fine) return user;
    }
    return NULL;
}

START_TEST(side_by_side) {
    BmcModel *model = compiled();
    pthread_t threads[4];
    void *wrong;
    for (int t = 0; t < 4; t++) pthread_create(&threads[t], NULL, inspect_often, model);
    for (int t = 0; t < 4; t++) {
        pthread_join(threads[t], &wrong);
        ck_assert_ptr_null(wrong);
    }
    bmc_close(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("inspect");
    TCase *cases = tcase_create("inspect");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, layers_and_parameters);
    tcase_add_test(cases, entries);
    tcase_add_test(cases, rows_of_threads);
    tcase_add_test(cases, side_by_side);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
