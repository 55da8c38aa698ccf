/* Array files (IDX, npy, gzip), paths, splits, shuffling and batches; every damage to a file. */
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
    snprintf(folder, sizeof folder, "%s", fake_folder("data"));
}

static const char *in_folder(const char *name) {
    static char paths[4][1200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
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

/* ------------------------------------------------------------------ paths */

static BmrtStatus resolve(const BmrtPaths *paths, const char *path, const char **out) {
    static char found[BMRT_PATH_MAX];
    static BmrtMessage m;
    const BmrtStatus status = bmrt_path_resolve(paths, path, found, &m);
    *out = status == BMRT_OK ? found : m.text;
    return status;
}

START_TEST(paths_stay_inside) {
    char inner[1100], outer[1100];
    const char *text;
    snprintf(inner, sizeof inner, "%s/inner", folder);
    snprintf(outer, sizeof outer, "%s/outer.bin", folder);
    mkdir(inner, 0777);
    fake_write(outer, "x", 1);
    fake_write(in_folder("inner/a.bin"), "x", 1);
    unlink(in_folder("inner/link"));
    ck_assert_int_eq(symlink("../outer.bin", in_folder("inner/link")), 0);
    unlink(in_folder("inner/good"));
    ck_assert_int_eq(symlink("a.bin", in_folder("inner/good")), 0);
    BmrtPaths p = {.data_dir = inner, .model_dir = folder};
    ck_assert_int_eq(resolve(&p, "a.bin", &text), BMRT_OK);
    ck_assert_ptr_nonnull(strstr(text, "/inner/a.bin"));
    ck_assert_int_eq(resolve(&p, "good", &text), BMRT_OK);
    ck_assert_int_eq(resolve(&p, "outer.bin", &text), BMRT_OK); /* beside the model */
    ck_assert_int_eq(resolve(&p, "link", &text), BMRT_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(text, "leaves the folder"));
    ck_assert_int_eq(resolve(&p, "../outer.bin", &text), BMRT_ARGUMENT);
    ck_assert_int_eq(resolve(&p, "a/../../b", &text), BMRT_ARGUMENT);
    ck_assert_int_eq(resolve(&p, "..", &text), BMRT_ARGUMENT);
    ck_assert_int_eq(resolve(&p, "/etc/passwd", &text), BMRT_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(text, "absolute"));
    ck_assert_int_eq(resolve(&p, "", &text), BMRT_ARGUMENT);
    ck_assert_int_eq(resolve(&p, "no..thing", &text), BMRT_IO);
    ck_assert_ptr_nonnull(strstr(text, "(--data)"));
    p.allow = 1;
    ck_assert_int_eq(resolve(&p, "link", &text), BMRT_OK);
    ck_assert_int_eq(resolve(&p, "../outer.bin", &text), BMRT_OK);
    ck_assert_int_eq(resolve(&p, outer, &text), BMRT_OK);
    ck_assert_str_eq(text, outer);
}
END_TEST

/* ------------------------------------------------------------------ shuffling, splits, batches */

START_TEST(shuffles_are_permutations_and_repeat) {
    uint32_t a[1000], b[1000];
    char seen[1000] = {0};
    for (uint32_t i = 0; i < 1000; i++) a[i] = b[i] = i;
    bmrt_shuffle(a, 1000, BMRT_FOR_SHUFFLE, 7, 3);
    bmrt_shuffle(b, 1000, BMRT_FOR_SHUFFLE, 7, 3);
    ck_assert_mem_eq(a, b, sizeof a);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(seen[a[i]]++, 0);
    for (uint32_t i = 0; i < 1000; i++) b[i] = i;
    bmrt_shuffle(b, 1000, BMRT_FOR_SHUFFLE, 7, 4);
    ck_assert_mem_ne(a, b, sizeof a);
    for (uint32_t i = 0; i < 1000; i++) b[i] = i;
    bmrt_shuffle(b, 1000, BMRT_FOR_SPLIT, 7, 3);
    ck_assert_mem_ne(a, b, sizeof a);
    bmrt_shuffle(b, 0, BMRT_FOR_SPLIT, 7, 3);
    bmrt_shuffle(b, 1, BMRT_FOR_SPLIT, 7, 3);
}
END_TEST

/* The order is a promise (docs/runtime.md): these values were worked out from the definition by an
 * independent Philox in Python. */
START_TEST(the_order_is_the_documented_one) {
    uint32_t a[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    bmrt_shuffle(a, 8, BMRT_FOR_SHUFFLE, 1, 0);
    static const uint32_t expected[8] = {0, 2, 7, 6, 5, 3, 1, 4};
    for (int i = 0; i < 8; i++) ck_assert_uint_eq(a[i], expected[i]);
}
END_TEST

START_TEST(shuffles_are_uniform) {
    int counts[5][5] = {{0}};
    for (uint64_t round = 0; round < 10000; round++) {
        uint32_t a[5] = {0, 1, 2, 3, 4};
        bmrt_shuffle(a, 5, BMRT_FOR_SHUFFLE, 42, round);
        for (int i = 0; i < 5; i++) counts[i][a[i]]++;
    }
    for (int i = 0; i < 5; i++) /* 2000 expected, standard deviation 40 */
        for (int j = 0; j < 5; j++) ck_assert(abs(counts[i][j] - 2000) < 240);
}
END_TEST

static BmrtStatus load(FakeModel *fake, unsigned wanted, BmrtDataset *data, BmrtFault *fault) {
    const BmrtPaths paths = {.data_dir = folder};
    memset(fault, 0, sizeof *fault);
    const BmrtLoad how = {.paths = &paths, .wanted = wanted};
    return bmrt_dataset_load(data, fake->data, bmrt_hooks_default(), &how, fault);
}

enum { ALL_SPLITS = 1 << BMRT_SPLIT_TRAIN | 1 << BMRT_SPLIT_VALID | 1 << BMRT_SPLIT_TEST };

START_TEST(splits_divide_the_rows) {
    static const struct {
        BmrtSplitKind kind;
        double part[4];
        int64_t counts[4]; /* train 0: refused */
    } cases[] = {
        {BMRT_SPLITBY_RANDOM, {0, 0, 0.25, 0}, {0, 75, 25, 7}},
        {BMRT_SPLITBY_RANDOM, {0, 0.8, 0.1, 0}, {0, 80, 10, 7}},
        {BMRT_SPLITBY_BLOCKS, {0, 0, 10, 0}, {0, 90, 10, 7}},
        {BMRT_SPLITBY_BLOCKS, {0, 30, 10, 0}, {0, 30, 10, 7}},
        {BMRT_SPLITBY_NONE, {0, 0, 0, 0}, {0, 100, 0, 7}},
        {BMRT_SPLITBY_RANDOM, {0, 0, 100, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, 0.5, 0.6, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, 0, 1e30, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, -1, 0.5, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, 0, 0.001, 0}, {0, 0, 0, 0}},
        {BMRT_SPLITBY_RANDOM, {0, 0.5, 0.1, 0.1}, {0, 0, 0, 0}}, /* test: files and rule */
    };
    FakeModel fake;
    BmrtDataset d;
    BmrtFault fault;
    fake_dataset(folder, "train", 100, 1);
    fake_dataset(folder, "test", 7, 2);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_model(&fake);
        fake.data[0].split.kind = cases[i].kind;
        memcpy(fake.data[0].split.part, cases[i].part, sizeof cases[i].part);
        const BmrtStatus status = load(&fake, ALL_SPLITS, &d, &fault);
        ck_assert_int_eq(status, cases[i].counts[1] ? BMRT_OK : BMRT_ARGUMENT);
        char seen[100] = {0};
        for (int split = 1; split < 4 && status == BMRT_OK; split++) {
            const BmrtRows *r = &d.splits[split];
            ck_assert_int_eq(r->count, cases[i].counts[split]);
            ck_assert_int_eq(r->present, r->count > 0);
            for (int64_t k = 0; r->order && k < r->count; k++) {
                ck_assert_int_eq(seen[r->order[k]]++, 0);
                if (k) ck_assert_uint_gt(r->order[k], r->order[k - 1]);
            }
        }
        if (cases[i].kind == BMRT_SPLITBY_BLOCKS && status == BMRT_OK)
            ck_assert_uint_eq(d.splits[BMRT_SPLIT_VALID].order[0], cases[i].counts[1]);
        bmrt_dataset_free(&d);
    }
    /* Only what is wanted is read. */
    fake_model(&fake);
    unlink(in_folder("train-x.idx"));
    ck_assert_int_eq(load(&fake, 1 << BMRT_SPLIT_TEST, &d, &fault), BMRT_OK);
    ck_assert_int_eq(d.splits[BMRT_SPLIT_TEST].count, 7);
    bmrt_dataset_free(&d);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_IO);
    ck_assert_uint_eq(fault.line, 3);
    bmrt_dataset_free(&d);
}
END_TEST

START_TEST(files_must_fit_the_fields) {
    FakeModel fake;
    BmrtDataset d;
    BmrtFault fault;
    uint8_t wrong[12 + 20 * 5] = {0, 0, 8, 2, 0, 0, 0, 20, 0, 0, 0, 5};
    fake_model(&fake);
    fake_dataset(folder, "train", 20, 1);
    fake_dataset(folder, "test", 7, 2);
    fake_write(in_folder("train-x.idx"), wrong, sizeof wrong);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_ptr_eq(
        strstr(fault.message.text, "train-x.idx holds [20, 5] u8, but field `x` is declared [4]\n"),
        fault.message.text);
    ck_assert_uint_eq(fault.line, 5);
    bmrt_dataset_free(&d);
    fake.fields[0].dtype = BMRT_F32;
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(fault.message.text, "declared [4]: f32"));
    bmrt_dataset_free(&d);
    fake_model(&fake);
    fake_dataset(folder, "train", 20, 1);
    size_t bytes;
    char *y = fake_read(in_folder("test-y.idx"), &bytes);
    fake_write(in_folder("train-y.idx"), y, bytes);
    free(y);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_str_eq(fault.message.text, "`train-y.idx` holds 7 rows, but `train-x.idx` holds 20");
    ck_assert_uint_eq(fault.column, 20);
    bmrt_dataset_free(&d);
    fake.data[0].source_count = 1;
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(fault.message.text, "names no train file for field `y`"));
    bmrt_dataset_free(&d);
    fake_model(&fake);
    memset(wrong + 4, 0, 4);
    wrong[11] = 4;
    fake_write(in_folder("train-x.idx"), wrong, 12);
    uint8_t none[8] = {0, 0, 0x0d, 1};
    fake_write(in_folder("train-y.idx"), none, 8);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(fault.message.text, "hold no rows"));
    bmrt_dataset_free(&d);
}
END_TEST

START_TEST(batches_gather_rows) {
    FakeModel fake;
    BmrtDataset d;
    BmrtFault fault;
    BmrtHandle *h;
    BmrtBatcher b;
    fake_model(&fake);
    fake_dataset(folder, "train", 100, 1);
    fake_dataset(folder, "test", 7, 2);
    ck_assert_int_eq(load(&fake, ALL_SPLITS, &d, &fault), BMRT_OK);
    ck_assert_int_eq(bmrt_open(&h, &fake.model, NULL, 1, 2), BMRT_OK);
    const uint8_t *x = (const uint8_t *)d.fields[BMRT_SPLIT_TRAIN][0].block.data;
    const float *y = (const float *)d.fields[BMRT_SPLIT_TRAIN][1].block.data;
    for (int entry = -1; entry <= FAKE_ROWS; entry += 1 + FAKE_ROWS) {
        ck_assert_int_eq(
            bmrt_batcher_open(&b, h, bmrt_hooks_default(), &d, entry, 20, &fault.message), BMRT_OK);
        uint32_t order[20];
        for (uint32_t i = 0; i < 20; i++) order[i] = (i * 37 + 5) % 100;
        for (int ordered = 0; ordered < 2; ordered++) {
            ck_assert_int_eq(bmrt_batcher_make(&b, BMRT_SPLIT_TRAIN, ordered ? order : NULL, 30, 19,
                                               &fault.message),
                             BMRT_OK);
            BmrtValue wx = fake.entries[FAKE_ROWS].inputs[0],
                      wy = fake.entries[FAKE_ROWS].inputs[1];
            if (entry >= 0) wx = fake.entries[FAKE_ROWS].outputs[0];
            const float *by = bmrt_batcher_column(&b, &wy);
            const void *bx = bmrt_batcher_column(&b, &wx);
            ck_assert(bx && by);
            wy.dtype = BMRT_I32;
            ck_assert_ptr_null(bmrt_batcher_column(&b, &wy));
            wx.rank = 1;
            ck_assert_ptr_null(bmrt_batcher_column(&b, &wx));
            wx.rank = 2;
            wx.name = "z";
            ck_assert_ptr_null(bmrt_batcher_column(&b, &wx));
            for (uint32_t i = 0; i < 19; i++) {
                const uint32_t row = ordered ? order[i] : 30 + i;
                ck_assert(by[i] == y[row]);
                for (uint32_t j = 0; j < FAKE_FEATURES; j++)
                    if (entry < 0)
                        ck_assert_int_eq(((const uint8_t *)bx)[i * FAKE_FEATURES + j],
                                         x[row * FAKE_FEATURES + j]);
                    else
                        ck_assert(((const float *)bx)[i * FAKE_FEATURES + j] ==
                                  (float)x[row * FAKE_FEATURES + j] / 255);
            }
        }
        bmrt_batcher_free(&b);
    }
    bmrt_close(h);
    bmrt_dataset_free(&d);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data");
    TCase *t = tcase_create("data");
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
    tcase_add_test(t, paths_stay_inside);
    tcase_add_test(t, shuffles_are_permutations_and_repeat);
    tcase_add_test(t, the_order_is_the_documented_one);
    tcase_add_test(t, shuffles_are_uniform);
    tcase_add_test(t, splits_divide_the_rows);
    tcase_add_test(t, files_must_fit_the_fields);
    tcase_add_test(t, batches_gather_rows);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
