/* Processors and triples: what is accepted, what is refused and how. */
#include "compiler/codegen/codegen.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static Context *ctx;
static void setup(void) {
    ctx = context_create();
}
static void teardown(void) {
    context_destroy(ctx);
}

static bool accepted(const char *triple, const char *cpu, CodeTarget *out) {
    CodegenOptions options = {.triple = triple, .cpu = cpu, .level = 2};
    return codegen_target(ctx, &options, out);
}

static const Diag *refused(const char *triple, const char *cpu) {
    CodeTarget t;
    ck_assert(!accepted(triple, cpu, &t));
    ck_assert_uint_eq(diags_errors(ctx->diags), 1);
    const Diag *d = diags_get(ctx->diags, 0);
    ck_assert_int_eq(d->code, E_TARGET_MACHINE);
    return d;
}

START_TEST(widths) {
    CodeTarget t;
    ck_assert(accepted(NULL, "x86-64-v3", &t));
    ck_assert_uint_eq(t.vector_bytes, 32);
    ck_assert_uint_eq(t.vector_registers, 16);
    ck_assert_str_eq(t.cpu, "x86-64-v3");
    ck_assert(accepted("x86_64-linux-gnu", "znver4", &t));
    ck_assert_uint_eq(t.vector_bytes, 64);
    ck_assert_uint_eq(t.vector_registers, 32);
    ck_assert(accepted(NULL, NULL, &t));
    ck_assert(accepted(NULL, "native", &t));
    ck_assert_ptr_nonnull(strstr(t.triple, "x86_64"));
}
END_TEST

START_TEST(unknown_processor_is_guessed) {
    const Diag *d = refused(NULL, "znver44");
    ck_assert_ptr_nonnull(strstr(d->message, "`znver44`"));
    ck_assert_ptr_nonnull(strstr(d->helps.data[0], "`znver4`"));
}
END_TEST

START_TEST(processor_without_fma) {
    const Diag *d = refused(NULL, "nehalem");
    ck_assert_ptr_nonnull(strstr(d->message, "fused multiply-add"));
    ck_assert_ptr_nonnull(strstr(d->helps.data[0], "x86-64-v3"));
}
END_TEST

START_TEST(other_machines) {
    CodeTarget t;
    ck_assert(accepted("aarch64-linux-gnu", NULL, &t));
    ck_assert_str_eq(t.cpu, "generic");
    ck_assert_uint_eq(t.vector_bytes, 16);
    ck_assert_uint_eq(t.vector_registers, 32);
    ck_assert(accepted("aarch64-unknown-linux-gnu", "neoverse-n1", &t));
    ck_assert(accepted("riscv64-linux-gnu", NULL, &t));
    ck_assert_uint_eq(t.vector_bytes, 16);
    ck_assert_uint_eq(t.vector_registers, 8);
    ck_assert(accepted("riscv64-linux-gnu", "rv64gcv", &t));
    ck_assert_uint_eq(t.vector_registers, 32);
}
END_TEST

START_TEST(riscv_without_floats) {
    const Diag *d = refused("riscv64-linux-gnu", "rv64imac");
    ck_assert_ptr_nonnull(strstr(d->message, "fused multiply-add"));
    ck_assert_ptr_nonnull(strstr(d->helps.data[0], "rv64gc"));
}
END_TEST

START_TEST(processor_of_another_machine) {
    const Diag *d = refused("aarch64-linux-gnu", "x86-64-v3");
    ck_assert_ptr_nonnull(strstr(d->message, "aarch64-linux-gnu"));
    ck_assert_ptr_nonnull(strstr(d->helps.data[0], "--target=x86_64-linux-gnu"));
}
END_TEST

START_TEST(native_is_this_machine) {
#ifdef __x86_64__
    const Diag *d = refused("riscv64-linux-gnu", "native");
#else
    const Diag *d = refused("x86_64-linux-gnu", "native");
#endif
    ck_assert_ptr_nonnull(strstr(d->message, "-march=native"));
}
END_TEST

START_TEST(unknown_machine_lists_the_known) {
    const Diag *d = refused("arm-linux-gnueabihf", NULL);
    ck_assert_ptr_nonnull(strstr(d->message, "arm-linux-gnueabihf"));
    ck_assert_ptr_nonnull(strstr(d->notes.data[0], "`x86_64-linux-gnu`"));
    ck_assert_ptr_nonnull(strstr(d->notes.data[0], "`riscv64-linux-gnu`"));
}
END_TEST

START_TEST(nonsense_triples) {
    static const char *const triples[] = {"",
                                          "-",
                                          "x86_64",
                                          "x86_64-windows-msvc",
                                          "\xff\xfe",
                                          "x86_64-pc-linux-gnu-and-more-and-more-and-more-and-more"
                                          "-and-more-and-more-and-more-and-more-and-more-and-more"
                                          "-and-more-and-more-and-more-and-more-and-more"};
    for (size_t i = 0; i < sizeof triples / sizeof triples[0]; i++) {
        CodeTarget t;
        bool ok = accepted(triples[i], "x86-64-v3", &t); /* refused or cut, never a crash */
        ck_assert(!ok || strlen(t.triple) < sizeof t.triple);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_target");
    TCase *t = tcase_create("target");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, widths);
    tcase_add_test(t, unknown_processor_is_guessed);
    tcase_add_test(t, processor_without_fma);
    tcase_add_test(t, other_machines);
    tcase_add_test(t, riscv_without_floats);
    tcase_add_test(t, processor_of_another_machine);
    tcase_add_test(t, native_is_this_machine);
    tcase_add_test(t, unknown_machine_lists_the_known);
    tcase_add_test(t, nonsense_triples);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
