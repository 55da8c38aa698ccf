/* Array files: IDX, npy, gzip; every damage to a file. */
#define _XOPEN_SOURCE 700
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "fake_model.h"
#include "runtime/data/array.h"
#include "runtime/data/dataset.h"
#include "runtime/data/shuffle.h"

static char folder[1024];

static void setup(void) {
    snprintf(folder, sizeof folder, "%s", fake_folder("array"));
}

static const char *in_folder(const char *name) {
    return fake_path(folder, name);
}

static void write_gzip(const char *path, const void *data, size_t bytes) {
    gzFile file = gzopen(path, "wb9");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, data, (unsigned)bytes), (int)bytes);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

/* Reads, checks that nothing leaks, and leaves the array to the caller. */
static BmrtStatus read_array(const char *path, BmrtFormat format, BmrtArray *a, BmrtMessage *m) {
    static FakeFaults faults;
    const BmrtHooks hooks = fake_hooks(&faults);
    memset(&faults, 0, sizeof faults);
    memset(m, 0, sizeof *m);
    const BmrtStatus status = bmrt_array_read(&hooks, path, format, a, m);
    ck_assert_int_eq(faults.live, status == BMRT_OK);
    ck_assert_int_eq(faults.files, 0);
    if (status != BMRT_OK) ck_assert(strlen(m->text) > 10);
    return status;
}

static void expect_refusal(const void *data, size_t bytes, BmrtFormat format, const char *why) {
    BmrtArray a;
    BmrtMessage m;
    fake_write(in_folder("bad"), data, bytes);
    ck_assert_int_eq(read_array(in_folder("bad"), format, &a, &m), BMRT_FORMAT);
    ck_assert_msg(strstr(m.text, why) != NULL, "`%s` does not say `%s`", m.text, why);
}

/* ------------------------------------------------------------------ IDX */

static const uint8_t idx_i16[] = {0, 0, 0x0b, 2,    0, 0, 0, 2, 0,    0, 0, 3,
                                  0, 1, 0xff, 0xff, 1, 0, 0, 7, 0x80, 0, 0, 9};

START_TEST(idx_of_every_type) {
    static const struct {
        uint8_t type;
        BmrtDtype dtype;
        size_t bytes;
    } types[] = {{0x08, BMRT_U8, 1},  {0x09, BMRT_I8, 1},  {0x0b, BMRT_I16, 2},
                 {0x0c, BMRT_I32, 4}, {0x0d, BMRT_F32, 4}, {0x0e, BMRT_F64, 8}};
    for (unsigned t = 0; t < 6; t++) {
        uint8_t file[8 + 24] = {0, 0, types[t].type, 1, 0, 0, 0, 3};
        for (size_t i = 0; i < 3 * types[t].bytes; i++) file[8 + i] = (uint8_t)(i * 37 + 1);
        for (int gzip = 0; gzip < 2; gzip++) {
            BmrtArray a;
            BmrtMessage m;
            const char *path = in_folder("a.idx");
            if (gzip)
                write_gzip(path, file, 8 + 3 * types[t].bytes);
            else
                fake_write(path, file, 8 + 3 * types[t].bytes);
            ck_assert_int_eq(read_array(path, BMRT_FORMAT_IDX, &a, &m), BMRT_OK);
            ck_assert_int_eq(a.dtype, types[t].dtype);
            ck_assert_int_eq(a.rank, 1);
            ck_assert_int_eq(a.dims[0], 3);
            for (size_t e = 0; e < 3; e++)
                for (size_t i = 0; i < types[t].bytes; i++)
                    ck_assert_int_eq((uint8_t)a.block.data[e * types[t].bytes + i],
                                     file[8 + e * types[t].bytes + types[t].bytes - 1 - i]);
            bmrt_array_free(bmrt_hooks_default(), &a);
        }
    }
}
END_TEST

START_TEST(idx_damaged) {
    uint8_t f[sizeof idx_i16 + 1];
    memcpy(f, idx_i16, sizeof idx_i16);
    for (size_t n = 0; n < sizeof idx_i16; n++)
        expect_refusal(f, n, BMRT_FORMAT_IDX,
                       n == 0   ? "empty"
                       : n < 12 ? "cut off"
                                : "says [2, 3] i16");
    expect_refusal(f, sizeof f, BMRT_FORMAT_IDX, "longer than its header says: [2, 3] i16");
    f[0] = 'P';
    expect_refusal(f, sizeof idx_i16, BMRT_FORMAT_IDX, "starts with the bytes 50 00");
    f[0] = 0, f[2] = 0x0a;
    expect_refusal(f, sizeof idx_i16, BMRT_FORMAT_IDX, "type byte is 0a");
    f[2] = 0x0b, f[3] = 0;
    expect_refusal(f, sizeof idx_i16, BMRT_FORMAT_IDX, "0 dims");
    f[3] = 200;
    expect_refusal(f, sizeof idx_i16, BMRT_FORMAT_IDX, "200 dims");
    f[3] = 2, f[4] = f[8] = 0xff;
    expect_refusal(f, sizeof idx_i16, BMRT_FORMAT_IDX, "only 24 bytes");
    memset(f + 3, 0xff, 9);
    f[3] = 8;
    expect_refusal(f, sizeof idx_i16, BMRT_FORMAT_IDX, "cut off in its header");
}
END_TEST

/* A gzip file that says it holds terabytes is refused before memory is taken. */
START_TEST(a_bomb_is_refused) {
    uint8_t f[16] = {0, 0, 0x08, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
    BmrtArray a;
    BmrtMessage m;
    write_gzip(in_folder("bomb.gz"), f, sizeof f);
    ck_assert_int_eq(read_array(in_folder("bomb.gz"), BMRT_FORMAT_IDX, &a, &m), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(m.text, "[65536, 65536, 256] u8"));
    ck_assert_ptr_nonnull(strstr(m.text, "too few for any compression"));
}
END_TEST

/* Every truncation of a gzip file is noticed; every bit flip is noticed or changes nothing. */
START_TEST(gzip_damaged) {
    uint8_t content[8 + 300] = {0, 0, 0x08, 1, 0, 0, 1, 44};
    size_t bytes;
    BmrtArray a;
    BmrtMessage m;
    for (size_t i = 8; i < sizeof content; i++) content[i] = (uint8_t)(i * i / 7);
    write_gzip(in_folder("whole.gz"), content, sizeof content);
    uint8_t *file = fake_read(in_folder("whole.gz"), &bytes);
    for (size_t n = 0; n < bytes; n++) {
        fake_write(in_folder("cut.gz"), file, n);
        ck_assert_int_eq(read_array(in_folder("cut.gz"), BMRT_FORMAT_IDX, &a, &m), BMRT_FORMAT);
    }
    int noticed = 0;
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        fake_write(in_folder("flip.gz"), file, bytes);
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const BmrtStatus status = read_array(in_folder("flip.gz"), BMRT_FORMAT_IDX, &a, &m);
        noticed += status != BMRT_OK;
        if (status != BMRT_OK)
            ck_assert_int_eq(status, BMRT_FORMAT);
        else
            ck_assert_mem_eq(a.block.data, content + 8, sizeof content - 8);
        bmrt_array_free(bmrt_hooks_default(), &a);
    }
    ck_assert_int_ge(noticed, (int)(bytes - 10) * 8); /* all but the ten header bytes */
    /* Something behind the end; and two members, which are one stream. */
    char *twice = malloc(2 * bytes);
    memcpy(twice, file, bytes);
    twice[bytes] = 'x';
    fake_write(in_folder("more.gz"), twice, bytes + 1);
    ck_assert_int_eq(read_array(in_folder("more.gz"), BMRT_FORMAT_IDX, &a, &m), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(m.text, "something follows"));
    free(twice);
    free(file);
    write_gzip(in_folder("1.gz"), content, 100);
    write_gzip(in_folder("2.gz"), content + 100, sizeof content - 100);
    size_t one, two;
    char *first = fake_read(in_folder("1.gz"), &one), *second = fake_read(in_folder("2.gz"), &two);
    first = realloc(first, one + two);
    memcpy(first + one, second, two);
    fake_write(in_folder("both.gz"), first, one + two);
    ck_assert_int_eq(read_array(in_folder("both.gz"), BMRT_FORMAT_IDX, &a, &m), BMRT_OK);
    ck_assert_mem_eq(a.block.data, content + 8, sizeof content - 8);
    bmrt_array_free(bmrt_hooks_default(), &a);
    free(first);
    free(second);
}
END_TEST

/* ------------------------------------------------------------------ npy */

static size_t make_npy(uint8_t *out, const char *dict, const void *data, size_t bytes,
                       int version) {
    const size_t n = strlen(dict), head = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[7] = 0;
    out[8] = (uint8_t)n, out[9] = (uint8_t)(n >> 8), out[10] = out[11] = 0;
    memcpy(out + head, dict, n);
    memcpy(out + head + n, data, bytes);
    return head + n + bytes;
}

START_TEST(npy_kinds_and_orders) {
    static const struct {
        const char *dict;
        BmrtDtype dtype;
        uint32_t rank;
        size_t bytes;
        uint8_t first, last; /* first and last byte of what is read */
    } good[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", BMRT_F32, 2, 24, 0, 23},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", BMRT_F32, 2, 24, 3, 20},
        {"{'shape': (3, ), 'descr': \"<i8\",'fortran_order':False}   \n", BMRT_I64, 1, 24, 0, 23},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (), }", BMRT_U8, 0, 1, 0, 0},
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", BMRT_U8, 2, 6, 0, 5},
        {"{'descr': '<u2', 'fortran_order': True, 'shape': (2L, 2L, 3L), }", BMRT_U16, 3, 24, 0,
         23},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (0, 3), }", BMRT_F16, 2, 0, 0, 0},
        {"{'descr': '<f8', 'fortran_order': True, 'shape': (3,), }", BMRT_F64, 1, 24, 0, 23},
    };
    uint8_t content[64], file[256];
    BmrtArray a;
    BmrtMessage m;
    for (unsigned i = 0; i < 64; i++) content[i] = (uint8_t)i;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
        for (int version = 1; version <= 3; version++) {
            const size_t n = make_npy(file, good[i].dict, content, good[i].bytes, version);
            fake_write(in_folder("a.npy"), file, n);
            ck_assert_msg(read_array(in_folder("a.npy"), BMRT_FORMAT_NPY, &a, &m) == BMRT_OK, "%s",
                          m.text);
            ck_assert_int_eq(a.dtype, good[i].dtype);
            ck_assert_int_eq(a.rank, good[i].rank);
            ck_assert_int_eq(a.bytes, (int64_t)good[i].bytes);
            if (a.bytes) {
                ck_assert_int_eq((uint8_t)a.block.data[0], good[i].first);
                ck_assert_int_eq((uint8_t)a.block.data[a.bytes - 1], good[i].last);
            }
            bmrt_array_free(bmrt_hooks_default(), &a);
            for (size_t cut = 0; cut < n; cut++) {
                fake_write(in_folder("cut.npy"), file, cut);
                ck_assert_int_eq(read_array(in_folder("cut.npy"), BMRT_FORMAT_NPY, &a, &m),
                                 BMRT_FORMAT);
            }
        }
    /* fortran [2, 3]: 0 2 4 / 1 3 5 */
    const size_t n = make_npy(file, good[4].dict, content, 6, 1);
    fake_write(in_folder("f.npy"), file, n);
    ck_assert_int_eq(read_array(in_folder("f.npy"), BMRT_FORMAT_NPY, &a, &m), BMRT_OK);
    ck_assert_mem_eq(a.block.data, "\0\2\4\1\3\5", 6);
    bmrt_array_free(bmrt_hooks_default(), &a);
}
END_TEST

START_TEST(npy_refused) {
    static const struct {
        const char *dict, *why;
    } bad[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "type `|O`"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", "type `<c8`"},
        {"{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }", "type `<U3`"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "records"},
        {"{'descr': '<f4', 'shape': (2,), }", "lacks"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "repeated"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", "neither"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "malformed shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", "malformed shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 4000000000, 4000000000), "
         "}",
         "only"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000,), }", "[1000] f32"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", "follows the dict"},
        {"('descr', '<f4')", "not a dict"},
        {"{'descr': '|b1', 'fortran_order': False, 'shape': (8,), }", "element 2 is 2, not a bool"},
    };
    uint8_t file[256], content[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refusal(file, make_npy(file, bad[i].dict, content, 8, 1), BMRT_FORMAT_NPY,
                       bad[i].why);
    size_t n =
        make_npy(file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", content, 8, 1);
    file[6] = 9;
    expect_refusal(file, n, BMRT_FORMAT_NPY, "unknown version");
    file[6] = 2;
    file[8] = file[9] = file[10] = file[11] = 0xff;
    expect_refusal(file, n, BMRT_FORMAT_NPY, "longer than 65,536");
    file[0] = 'x';
    expect_refusal(file, n, BMRT_FORMAT_NPY, "\\x93NUMPY");
}
END_TEST

/* No flip of any bit crashes a reader (the sanitizers watch). */
START_TEST(npy_flipped) {
    uint8_t file[256], content[24] = {1, 2, 3};
    BmrtArray a;
    BmrtMessage m;
    const size_t n = make_npy(file, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
                              content, 24, 1);
    for (size_t bit = 0; bit < n * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        fake_write(in_folder("flip.npy"), file, n);
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const BmrtStatus status = read_array(in_folder("flip.npy"), BMRT_FORMAT_NPY, &a, &m);
        ck_assert(status == BMRT_OK || status == BMRT_FORMAT);
        bmrt_array_free(bmrt_hooks_default(), &a);
    }
}
END_TEST

START_TEST(npy_written_and_read) {
    const int64_t dims[] = {2, 3};
    const float data[] = {1, 2, 3, 4, 5, 6};
    BmrtArray a;
    BmrtMessage m;
    const BmrtHooks *hooks = bmrt_hooks_default();
    ck_assert_int_eq(bmrt_npy_write(hooks, in_folder("w.npy"), BMRT_F32, 2, dims, data, &m),
                     BMRT_OK);
    ck_assert_int_eq(read_array(in_folder("w.npy"), BMRT_FORMAT_NPY, &a, &m), BMRT_OK);
    ck_assert_mem_eq(a.block.data, data, sizeof data);
    bmrt_array_free(hooks, &a);
    ck_assert_int_eq(bmrt_npy_write(hooks, in_folder("w.npy"), BMRT_BF16, 2, dims, data, &m),
                     BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_array_format("a/b.npy.gz"), BMRT_FORMAT_NPY);
    ck_assert_int_eq(bmrt_array_format("a/b-ubyte.gz"), BMRT_FORMAT_IDX);
}
END_TEST

START_TEST(not_a_file) {
    BmrtArray a;
    BmrtMessage m;
    ck_assert_int_eq(read_array(in_folder("none"), BMRT_FORMAT_IDX, &a, &m), BMRT_IO);
    ck_assert_ptr_nonnull(strstr(m.text, "No such file"));
    ck_assert_int_eq(read_array(folder, BMRT_FORMAT_IDX, &a, &m), BMRT_IO);
    ck_assert_ptr_nonnull(strstr(m.text, "not a regular file"));
    mkfifo(in_folder("fifo"), 0666);
    ck_assert_int_eq(read_array(in_folder("fifo"), BMRT_FORMAT_IDX, &a, &m), BMRT_IO);
}
END_TEST

int main(void) {
    Suite *s = suite_create("array");
    TCase *t = tcase_create("array");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, idx_of_every_type);
    tcase_add_test(t, idx_damaged);
    tcase_add_test(t, a_bomb_is_refused);
    tcase_add_test(t, gzip_damaged);
    tcase_add_test(t, npy_kinds_and_orders);
    tcase_add_test(t, npy_refused);
    tcase_add_test(t, npy_flipped);
    tcase_add_test(t, npy_written_and_read);
    tcase_add_test(t, not_a_file);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
