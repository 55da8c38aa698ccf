/* safetensors files: format, damage, mismatches, checksums, SHA-256 itself. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_model.h"
#include "runtime/core/checkpoint.h"
#include "runtime/core/sha256.h"

static FakeModel fake;
static char folder[1024], path[1100], other[1100];

static void setup(void) {
    fake_model(&fake);
    snprintf(folder, sizeof folder, "%s", fake_folder("checkpoint"));
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    snprintf(other, sizeof other, "%s/b.safetensors", folder);
}

static BmrtHandle *open_seed(uint64_t seed) {
    BmrtHandle *h;
    ck_assert_int_eq(bmrt_open(&h, &fake.model, NULL, seed, 1), BMRT_OK);
    return h;
}

static void save_some(int all) {
    BmrtHandle *h = open_seed(5);
    const char *const metadata[] = {"note", "a \"quote\", a \\ and a \n in ünïcode 😀", NULL};
    const float m[] = {9, 8, 7, 6};
    bmrt_set_iteration(h, 41);
    ck_assert_int_eq(bmrt_set(h, "train.momentum1.line.w.m", m, sizeof m), BMRT_OK);
    ck_assert_int_eq(bmrt_save(h, path, all, metadata), BMRT_OK);
    ck_assert_int_eq(fake_leftovers(folder), 0);
    bmrt_close(h);
}

START_TEST(saved_and_loaded) {
    for (int all = 0; all < 2; all++) {
        float w[4], w0[4], m[4], expected;
        save_some(all);
        BmrtHandle *from = open_seed(5), *to = open_seed(6);
        bmrt_get(from, "line.w", w0, sizeof w0);
        ck_assert_int_eq(bmrt_load(to, path), BMRT_OK);
        bmrt_get(to, "line.w", w, sizeof w);
        bmrt_get(to, "train.momentum1.line.w.m", m, sizeof m);
        ck_assert_mem_eq(w, w0, sizeof w);
        expected = all ? 9 : 0;
        ck_assert(m[0] == expected);
        ck_assert_int_eq(bmrt_iteration(to), all ? 41 : 0);
        bmrt_close(from);
        bmrt_close(to);
        ck_assert_int_eq(bmrt_open(&to, &fake.model, path, 6, 1), BMRT_OK);
        bmrt_get(to, "line.w", w, sizeof w);
        ck_assert_mem_eq(w, w0, sizeof w);
        bmrt_close(to);
    }
}
END_TEST

START_TEST(metadata_comes_back) {
    BmrtTensorFile f;
    BmrtMessage m;
    save_some(1);
    ck_assert_int_eq(bmrt_tensors_read(bmrt_hooks_default(), path, &f, &m), BMRT_OK);
    ck_assert_str_eq(bmrt_tensors_metadata(&f, "note"), "a \"quote\", a \\ and a \n in ünïcode 😀");
    ck_assert_str_eq(bmrt_tensors_metadata(&f, "bmc.iteration"), "41");
    ck_assert_str_eq(bmrt_tensors_metadata(&f, "bmc.seed"), "5");
    ck_assert_str_eq(bmrt_tensors_metadata(&f, "bmc.source"), "0000000000001234");
    ck_assert_ptr_null(bmrt_tensors_metadata(&f, "nothing"));
    ck_assert_int_eq(f.checked, 1);
    ck_assert_uint_eq(f.tensor_count, 4);
    ck_assert_ptr_nonnull(bmrt_tensors_find(&f, "line.b"));
    ck_assert_ptr_null(bmrt_tensors_find(&f, "line.c"));
    /* Data start at a multiple of 64, and every tensor is aligned to its elements. */
    ck_assert_int_eq((8 + f.header_bytes) % 64, 0);
    for (uint32_t i = 0; i < f.tensor_count; i++)
        ck_assert_int_eq(((const char *)f.tensors[i].data - f.content.data) %
                             (long)bmrt_dtype_bytes(f.tensors[i].dtype),
                         0);
    bmrt_tensors_free(&f);
}
END_TEST

/* 100 % of truncations and bit flips are refused, and the handle keeps its weights. */
START_TEST(every_damage_is_noticed) {
    size_t bytes;
    float before[4], after[4];
    save_some(1);
    uint8_t *file = fake_read(path, &bytes);
    BmrtHandle *h = open_seed(9);
    bmrt_get(h, "line.w", before, sizeof before);
    for (size_t n = 0; n < bytes; n++) {
        fake_write(other, file, n);
        ck_assert_int_eq(bmrt_load(h, other), BMRT_FORMAT);
    }
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        fake_write(other, file, bytes);
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const BmrtStatus status = bmrt_load(h, other);
        /* A flip in the checksum's key leaves the format key, one in that leaves the checksum. */
        ck_assert_msg(status == BMRT_FORMAT || status == BMRT_MISMATCH, "bit %zu: %d", bit, status);
    }
    bmrt_get(h, "line.w", after, sizeof after);
    ck_assert_mem_eq(before, after, sizeof before);
    ck_assert_int_eq(bmrt_iteration(h), 0);
    uint8_t *longer = malloc(bytes + 1);
    memcpy(longer, file, bytes);
    longer[bytes] = 0;
    fake_write(other, longer, bytes + 1);
    ck_assert_int_eq(bmrt_load(h, other), BMRT_FORMAT);
    bmrt_close(h);
    free(longer);
    free(file);
}
END_TEST

/* Files of others: no checksum; hand-written headers. */
static void write_foreign(const char *header, size_t data_bytes) {
    char file[4096] = {0};
    const size_t n = strlen(header);
    file[0] = (char)(n & 255), file[1] = (char)(n >> 8);
    memcpy(file + 8, header, n);
    memset(file + 8 + n, 1, data_bytes);
    fake_write(other, file, 8 + n + data_bytes);
}

START_TEST(foreign_files) {
    static const struct {
        const char *header;
        size_t bytes;
        const char *why; /* NULL: good */
    } cases[] = {
        {"{\"line.w\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},"
         "\"line.b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[16,20]},"
         "\"line.seen\":{\"shape\":[],\"data_offsets\":[20,28],\"dtype\":\"I64\"}}   ",
         28, NULL},
        {"{\"line.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
         "\"line.b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]},"
         "\"other\":{\"shape\":[1],\"data_offsets\":[16,24],\"dtype\":\"I64\"}}",
         24, "does not fit this model"},
        {"{}", 0, "does not fit"},
        {"{} x", 0, "something after"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "8 are there"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
         "starts at data byte 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, "starts at data byte 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, "there twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "does not fit its"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,4],\"data_offsets\":[0,4]}}", 4,
         "does not fit its"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,4]}}", 4,
         "too large"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
         "expected a number"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}", 4, "leading zero"},
        {"{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "beyond"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, "beyond"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "needs dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]}}", 4, "a key twice"},
        {"{\"a\":{\"kind\":\"F32\"}}", 4, "unknown key"},
        {"{\"a\":{}}", 4, "expected"},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 4, "expected `{`"},
        {"{\"a\\u0000b\":{}}", 0, "zero character"},
        {"{\"a\\ud800b\":{}}", 0, "surrogate"},
        {"{\"a\\x\":{}}", 0, "unknown escape"},
        {"{\"\xff\":{}}", 0, "invalid UTF-8"},
        {"{\"\xc0\x80\":{}}", 0, "invalid UTF-8"},
        {"{\"a", 0, "unfinished"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "expected `\"`"},
        {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "metadata key twice"},
        {"[]", 0, "expected `{`"},
        {"", 0, "expected `{`"},
        {"{\"__metadata__\":{\"bmc.format\":\"1\"}}", 0, "its checksum is missing"},
        {"{\"__metadata__\":{\"bmc.sha256\":\"00\"}}", 0, "is damaged"},
    };
    BmrtHandle *h = open_seed(1);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_foreign(cases[i].header, cases[i].bytes);
        const BmrtStatus status = bmrt_load(h, other);
        ck_assert_msg((status == BMRT_OK) == (cases[i].why == NULL), "%u: %s", i, bmrt_error(h));
        if (cases[i].why)
            ck_assert_msg(strstr(bmrt_error(h), cases[i].why) != NULL, "`%s` does not say `%s`",
                          bmrt_error(h), cases[i].why);
    }
    uint8_t huge[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
    fake_write(other, huge, sizeof huge);
    ck_assert_int_eq(bmrt_load(h, other), BMRT_FORMAT);
    bmrt_close(h);
}
END_TEST

START_TEST(a_misfit_is_listed) {
    BmrtHandle *h = open_seed(1);
    write_foreign("{\"line.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
                  "\"line.b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]},"
                  "\"other.w\":{\"shape\":[1],\"data_offsets\":[16,24],\"dtype\":\"I64\"}}",
                  24);
    ck_assert_int_eq(bmrt_load(h, other), BMRT_MISMATCH);
    char expected[2048];
    snprintf(expected, sizeof expected,
             "`%s` does not fit this model\n"
             "missing: line.seen [] i64\n"
             "other shape: line.w is [3] f32 in the file, [4] f32 in the model\n"
             "in the file and unused: other.w [1] i64",
             other);
    ck_assert_str_eq(bmrt_error(h), expected);
    bmrt_close(h);
}
END_TEST

START_TEST(the_fingerprint_is_of_the_weights) {
    BmrtHandle *a = open_seed(1), *b = open_seed(1);
    char x[65], y[65];
    const float m[] = {9, 8, 7, 6};
    bmrt_set(b, "train.momentum1.line.w.m", m, sizeof m);
    bmrt_weights_sha256(a, x);
    bmrt_weights_sha256(b, y);
    ck_assert_str_eq(x, y);
    /* As docs/checkpoint.md says. */
    BmrtSha256 s;
    float w[4], bias;
    int64_t seen;
    bmrt_get(a, "line.w", w, sizeof w);
    bmrt_get(a, "line.b", &bias, sizeof bias);
    bmrt_get(a, "line.seen", &seen, sizeof seen);
    bmrt_sha256_start(&s);
    bmrt_sha256_add(&s, "line.b", 7);
    bmrt_sha256_add(&s, &bias, 4);
    bmrt_sha256_add(&s, "line.seen", 10);
    bmrt_sha256_add(&s, &seen, 8);
    bmrt_sha256_add(&s, "line.w", 7);
    bmrt_sha256_add(&s, w, sizeof w);
    bmrt_sha256_hex(&s, y);
    ck_assert_str_eq(x, y);
    w[0] += 1;
    bmrt_set(a, "line.w", w, sizeof w);
    bmrt_weights_sha256(a, x);
    ck_assert_str_ne(x, y);
    bmrt_close(a);
    bmrt_close(b);
}
END_TEST

/* FIPS 180-4 examples, and every way to cut a message. */
START_TEST(sha256_is_right) {
    static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char hex[65], whole[65];
    BmrtSha256 s;
    bmrt_sha256_start(&s);
    bmrt_sha256_hex(&s, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    bmrt_sha256_start(&s);
    bmrt_sha256_add(&s, "abc", 3);
    bmrt_sha256_hex(&s, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    bmrt_sha256_start(&s);
    bmrt_sha256_add(&s, long_text, strlen(long_text));
    bmrt_sha256_hex(&s, hex);
    ck_assert_str_eq(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    bmrt_sha256_start(&s);
    bmrt_sha256_add(&s, million, 1000000); /* the instructions, where the CPU has them */
    bmrt_sha256_hex(&s, whole);
    ck_assert_str_eq(whole, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    bmrt_sha256_start(&s);
    for (size_t at = 0, n = 1; at < 1000000;
         at += n, n = at % 64 + 1) /* block by block: portable */
        bmrt_sha256_add(&s, million + at, n < 1000000 - at ? n : 1000000 - at);
    bmrt_sha256_hex(&s, hex);
    ck_assert_str_eq(whole, hex);
    for (size_t cut = 0; cut <= 300; cut++) {
        bmrt_sha256_start(&s);
        bmrt_sha256_add(&s, million, cut);
        bmrt_sha256_add(&s, million, 300 - cut);
        bmrt_sha256_hex(&s, hex);
        if (cut == 0) memcpy(whole, hex, 65);
        ck_assert_str_eq(whole, hex);
    }
    free(million);
}
END_TEST

START_TEST(saving_where_it_cannot_be) {
    BmrtHandle *h = open_seed(1);
    ck_assert_int_eq(bmrt_save(h, "/nowhere/x.safetensors", 0, NULL), BMRT_IO);
    ck_assert_int_eq(bmrt_save(h, folder, 0, NULL), BMRT_IO); /* a folder */
    ck_assert_int_eq(fake_leftovers(folder), 0);
    ck_assert_int_eq(bmrt_save(h, "", 0, NULL), BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_save(h, NULL, 0, NULL), BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_load(h, NULL), BMRT_ARGUMENT);
    ck_assert_int_eq(bmrt_load(h, folder), BMRT_IO);
    ck_assert_int_eq(bmrt_load(h, "/nowhere"), BMRT_IO);
    bmrt_close(h);
    ck_assert_int_eq(bmrt_open(&h, &fake.model, "/nowhere", 0, 1), BMRT_IO);
    ck_assert_str_eq(bmrt_error(h), "cannot open `/nowhere`: No such file or directory");
    bmrt_close(h);
}
END_TEST

int main(void) {
    Suite *s = suite_create("checkpoint");
    TCase *t = tcase_create("checkpoint");
    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, saved_and_loaded);
    tcase_add_test(t, metadata_comes_back);
    tcase_add_test(t, every_damage_is_noticed);
    tcase_add_test(t, foreign_files);
    tcase_add_test(t, a_misfit_is_listed);
    tcase_add_test(t, the_fingerprint_is_of_the_weights);
    tcase_add_test(t, sha256_is_right);
    tcase_add_test(t, saving_where_it_cannot_be);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
