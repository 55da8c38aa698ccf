/* arrays.c, npy_file.c, json.c, table.c: what bmc run and --json rely on. */
#include "compiler/driver/arrays.h"
#include "compiler/driver/file_output.h"
#include "compiler/driver/table.h"
#include "compiler/support/json.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static Context *ctx;
static void setup(void) {
    ctx = context_create();
}
static void teardown(void) {
    context_destroy(ctx);
}

START_TEST(literals) {
    Array a;
    ck_assert(array_literal(ctx, " [[1, 2.5, -3], [4, 5, 6e2]] ", &a));
    ck_assert_uint_eq(a.rank, 2);
    ck_assert_int_eq(a.dims[0], 2);
    ck_assert_int_eq(a.dims[1], 3);
    ck_assert_double_eq(((double *)a.data)[5], 600.0);
    ck_assert(array_literal(ctx, "7", &a));
    ck_assert_uint_eq(a.rank, 0);
    static const char *const WRONG[] = {
        "",      "[",        "[1",       "[1,]", "[[1],[2,3]]", "[1]]",
        "[1 2]", "[[1], 2]", "[1, [2]]", "[]",   "x",           "[[[[[[[[[[[[[1]]]]]]]]]]]]]"};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        uint32_t before = diags_errors(ctx->diags);
        ck_assert_msg(!array_literal(ctx, WRONG[i], &a), "accepted %s", WRONG[i]);
        ck_assert_uint_eq(diags_errors(ctx->diags), before + 1);
    }
}
END_TEST

static bool converts(double value, BmrtDtype to, Array *out) {
    Array from = {.dtype = BMRT_F64};
    ck_assert(array_alloc(ctx, &from));
    *(double *)from.data = value;
    return array_convert(ctx, "x", &from, to, out);
}

START_TEST(conversion_is_exact) {
    Array a;
    ck_assert(converts(255, BMRT_U8, &a));
    ck_assert_uint_eq(*(uint8_t *)a.data, 255);
    ck_assert(!converts(256, BMRT_U8, &a));
    ck_assert(!converts(-1, BMRT_U8, &a));
    ck_assert(converts(-128, BMRT_I8, &a));
    ck_assert_int_eq(*(int8_t *)a.data, -128);
    ck_assert(!converts(-129, BMRT_I8, &a));
    ck_assert(!converts(1.5, BMRT_I32, &a));
    ck_assert(converts(-9223372036854775808.0, BMRT_I64, &a));
    ck_assert_int_eq(*(int64_t *)a.data, INT64_MIN);
    ck_assert(!converts(9223372036854775808.0, BMRT_I64, &a));
    ck_assert(converts(9223372036854775808.0, BMRT_U64, &a));
    ck_assert(*(uint64_t *)a.data == UINT64_C(1) << 63);
    ck_assert(!converts(18446744073709551616.0, BMRT_U64, &a));
    ck_assert(!converts(2, BMRT_BOOL, &a));
    ck_assert(converts(0.1, BMRT_F32, &a));
    ck_assert_float_eq(*(float *)a.data, 0.1f);
    ck_assert(converts(0.1, BMRT_F16, &a));
    ck_assert_uint_eq(*(uint16_t *)a.data, 0x2e66);
    ck_assert(converts(0.1, BMRT_BF16, &a));
    ck_assert_uint_eq(*(uint16_t *)a.data, 0x3dcd);
}
END_TEST

/* As few digits as give the same number of its type again; a half is no integer. */
START_TEST(prints_its_type) {
    static const struct {
        BmrtDtype dtype;
        double value;
        const char *text;
    } CASES[] = {{BMRT_F64, 0.1, "0.1"},          {BMRT_F32, 0.1, "0.1"},
                 {BMRT_F16, 0.1, "0.1"},          {BMRT_BF16, 0.1, "0.1"},
                 {BMRT_F16, 0.333, "0.333"},      {BMRT_F16, 65504, "6.55e+04"},
                 {BMRT_BF16, 1.0 / 3, "0.334"},   {BMRT_F16, 1e9, "inf"},
                 {BMRT_F32, 16777217, "16777216"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Array a;
        ck_assert(converts(CASES[i].value, CASES[i].dtype, &a));
        Text out = {.arena = ctx->arena};
        array_print(&out, &a, ARRAY_FULL);
        ck_assert_str_eq(text_str(&out), CASES[i].text);
    }
}
END_TEST

START_TEST(npy_round_trip) {
    static const BmrtDtype DTYPES_[] = {BMRT_F64, BMRT_F32, BMRT_I64, BMRT_I32, BMRT_I16, BMRT_I8,
                                        BMRT_U64, BMRT_U32, BMRT_U16, BMRT_U8,  BMRT_BOOL};
    char folder[] = "/tmp/bmc-arrays-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    const char *path = arena_printf(ctx->arena, "%s/a.npy", folder);
    for (size_t i = 0; i < sizeof DTYPES_ / sizeof *DTYPES_; i++) {
        for (uint32_t rank = 0; rank < 4; rank++) {
            Array a = {.dtype = DTYPES_[i], .rank = rank, .dims = {2, 3, 1}}, b;
            ck_assert(array_alloc(ctx, &a));
            for (size_t k = 0; k < a.bytes; k++) ((char *)a.data)[k] = (char)(k % 2);
            ck_assert(npy_write(ctx, path, &a));
            ck_assert(npy_read(ctx, path, &b));
            ck_assert_uint_eq(b.rank, rank);
            ck_assert_int_eq(b.dtype, a.dtype);
            ck_assert_uint_eq(b.bytes, a.bytes);
            ck_assert_mem_eq(a.data, b.data, a.bytes);
        }
    }
    unlink(path);
    rmdir(folder);
}
END_TEST

/* Every prefix of a good file and every single damaged byte: refused or read, never a crash. */
START_TEST(npy_damage) {
    char path[] = "/tmp/bmc-npy-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    Array a = {.dtype = BMRT_F32, .rank = 2, .dims = {2, 2}}, b;
    ck_assert(array_alloc(ctx, &a));
    ck_assert(npy_write(ctx, path, &a));
    size_t len = 0;
    char *file = file_read(ctx, path, 1 << 20, &len);
    for (size_t cut = 0; cut < len; cut++) {
        ck_assert(file_replace(ctx, path, file, cut));
        ck_assert_msg(!npy_read(ctx, path, &b), "accepted the first %zu bytes", cut);
    }
    for (size_t at = 0; at < 80; at++) {
        char *damaged = arena_alloc(ctx->arena, len);
        memcpy(damaged, file, len);
        damaged[at] = (char)(damaged[at] ^ 0x11);
        ck_assert(file_replace(ctx, path, damaged, len));
        npy_read(ctx, path, &b);
    }
    unlink(path);
}
END_TEST

START_TEST(printing) {
    Array a;
    Text t = {.arena = ctx->arena};
    ck_assert(array_literal(ctx, "[[1, 2], [3, 0.1]]", &a));
    array_print(&t, &a, ARRAY_SHORT);
    ck_assert_str_eq(text_str(&t), "[[1, 2],\n [3, 0.1]]");
    Text j = {.arena = ctx->arena};
    ((double *)a.data)[0] = 0.0 / 0.0;
    array_print(&j, &a, ARRAY_JSON);
    ck_assert_str_eq(text_str(&j), "[[null,2],[3,0.1]]");
}
END_TEST

START_TEST(json_text_is_json) {
    Text t = {.arena = ctx->arena};
    json_open(&t, NULL, '{');
    json_text(&t, "a", "q\"\\\n\t\x01\xc3\xa9 \xff \xed\xa0\x80 \xc0\x80");
    json_integer(&t, "b", -3);
    json_open(&t, "c", '[');
    json_number(&t, NULL, 0.5);
    json_number(&t, NULL, 1.0 / 0.0);
    json_close(&t, ']');
    json_close(&t, '}');
    ck_assert_str_eq(text_str(&t),
                     "{\"a\":\"q\\\"\\\\\\n\\u0009\\u0001\xc3\xa9 \\ufffd "
                     "\\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\",\"b\":-3,\"c\":[0.5,\"inf\"]}");
}
END_TEST

START_TEST(table_aligns) {
    Table table;
    Text t = {.arena = ctx->arena};
    table_open(&table, ctx->arena, "<>");
    table_row(&table, "name", "count");
    table_line(&table);
    table_row(&table, "\xc3\xa9", table_count(ctx->arena, 1234567));
    table_print(&table, &t);
    ck_assert_str_eq(text_str(&t), "name      count\n---------------\n\xc3\xa9     1,234,567\n");
}
END_TEST

START_TEST(writing_is_all_or_nothing) {
    char folder[] = "/tmp/bmc-output-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    const char *path = arena_printf(ctx->arena, "%s/no/a", folder);
    ck_assert(!file_replace(ctx, path, "x", 1));
    ck_assert(!file_writable(ctx, path));
    ck_assert(!file_writable(ctx, folder));
    ck_assert(!file_replace(ctx, folder, "x", 1));
    ck_assert(!file_replace(ctx, "/dev/full", "x", 1));
    path = arena_printf(ctx->arena, "%s/a", folder);
    ck_assert(file_writable(ctx, path));
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert(file_replace(ctx, path, "xy", 2));
    size_t len = 0;
    ck_assert_str_eq(file_read(ctx, path, 10, &len), "xy");
    ck_assert_uint_eq(len, 2);
    ck_assert_ptr_null(file_read(ctx, path, 1, &len));
    ck_assert_ptr_null(file_read(ctx, folder, 10, &len));
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("arrays");
    TCase *cases = tcase_create("arrays");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, literals);
    tcase_add_test(cases, conversion_is_exact);
    tcase_add_test(cases, prints_its_type);
    tcase_add_test(cases, npy_round_trip);
    tcase_add_test(cases, npy_damage);
    tcase_add_test(cases, printing);
    tcase_add_test(cases, json_text_is_json);
    tcase_add_test(cases, table_aligns);
    tcase_add_test(cases, writing_is_all_or_nothing);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
