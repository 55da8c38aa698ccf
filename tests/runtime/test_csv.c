/* Text tables: what RFC 4180 allows, what it does not, numbers as text, and every failing call. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fake_model.h"
#include "runtime/data/number_text.h"
#include "runtime/data/read_rows.h"

static char folder[1024];

static void setup(void) {
    snprintf(folder, sizeof folder, "%s", fake_folder("csv"));
}

static const char *path_of(const char *name) {
    static char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

enum { FIELDS = 4 };
static const char *const colors[] = {"red", "green"};
static const char *const nothing[] = {"", "NA"};
static const BmrtField fields[FIELDS] = {
    {.name = "x", .dtype = BMRT_F32, .line = 7, .column = 3},
    {.name = "n", .dtype = BMRT_I32},
    {.name = "who", .dtype = BMRT_I32, .kind = BMRT_FIELD_CATEGORY, .category_max = 9},
    {.name = "color",
     .dtype = BMRT_I32,
     .kind = BMRT_FIELD_NAMES,
     .names = colors,
     .name_count = 2,
     .text_column = "The color"}};
static const BmrtSource plain = {.format = BMRT_FORMAT_CSV,
                                 .field = -1,
                                 .delimiter = ',',
                                 .header = 1,
                                 .missing = nothing,
                                 .missing_count = 2};

typedef struct Got { /* what a file gives */
    BmrtArray arrays[FIELDS];
    BmrtNames names[FIELDS];
    int64_t rows;
    BmrtFault fault;
} Got;

static void got_free(const BmrtHooks *hooks, Got *g) {
    for (int f = 0; f < FIELDS; f++) {
        bmrt_array_free(hooks, &g->arrays[f]);
        bmrt_names_free(&g->names[f]);
    }
}

static BmrtStatus read_with(const BmrtHooks *hooks, const BmrtSource *source, Got *g) {
    BmrtTable t;
    memset(g, 0, sizeof *g);
    for (int f = 0; f < FIELDS; f++) bmrt_names_open(&g->names[f], hooks);
    BmrtStatus status = bmrt_table_open(&t, hooks, fields, FIELDS, g->names, &g->fault.message);
    if (status == BMRT_OK) status = bmrt_csv_rows(&t, source, path_of("a.csv"), &g->fault);
    g->rows = t.rows;
    if (status == BMRT_OK) bmrt_table_take(&t, g->arrays);
    bmrt_table_free(&t);
    return status;
}

/* Reads the text as a file; nothing may leak. */
static BmrtStatus read_bytes(const BmrtSource *source, const char *text, size_t bytes, Got *g) {
    static FakeFaults faults; /* what is read keeps the hooks */
    static BmrtHooks hooks;
    memset(&faults, 0, sizeof faults);
    hooks = fake_hooks(&faults);
    fake_write(path_of("a.csv"), text, bytes);
    const BmrtStatus status = read_with(&hooks, source, g);
    ck_assert_int_eq(faults.files, 0);
    if (status != BMRT_OK) {
        got_free(&hooks, g);
        ck_assert_int_eq(faults.live, 0);
    }
    return status;
}

static void refuses(const BmrtSource *source, const char *text, const char *why) {
    Got g;
    ck_assert_int_eq(read_bytes(source, text, strlen(text), &g), BMRT_FORMAT);
    ck_assert_msg(strstr(g.fault.message.text, why) != NULL, "`%s` does not say `%s`",
                  g.fault.message.text, why);
}

#define HEADER "x,n,who,The color\n"

START_TEST(rows_of_every_kind) {
    static const char text[] = "junk,\"x\",who,\"The color\",n\r\n"
                               "\"a,\"\"b\"\"\n\r\nc\",1.5,ann,red,-7\r\n"
                               "\r\n"
                               ",NA,,green,+3\r\n"
                               ",\" -2e1 \",\"bob \"\"x\"\"\",green, 12 \r\n"
                               ",inf,ann,red,0"; /* no line end */
    Got g;
    ck_assert_int_eq(read_bytes(&plain, text, sizeof text - 1, &g), BMRT_OK);
    ck_assert_int_eq(g.rows, 4);
    const float *x = (const float *)(const void *)g.arrays[0].block.data;
    const int32_t *n = (const int32_t *)(const void *)g.arrays[1].block.data;
    const int32_t *who = (const int32_t *)(const void *)g.arrays[2].block.data;
    const int32_t *color = (const int32_t *)(const void *)g.arrays[3].block.data;
    ck_assert(x[0] == 1.5f && isnan(x[1]) && x[2] == -20 && isinf(x[3]));
    ck_assert(n[0] == -7 && n[1] == 3 && n[2] == 12 && n[3] == 0);
    ck_assert(who[0] == 1 && who[1] == 0 && who[2] == 2 && who[3] == 1);
    ck_assert(color[0] == 0 && color[1] == 1 && color[2] == 1 && color[3] == 0);
    ck_assert_str_eq(bmrt_names_get(&g.names[2], 1), "bob \"x\"");
    got_free(g.names[0].hooks, &g);
}
END_TEST

START_TEST(without_a_header_and_by_tabs) {
    BmrtSource source = plain;
    Got g;
    source.header = 0;
    source.delimiter = '\t';
    ck_assert_int_eq(read_bytes(&source,
                                "\xef\xbb\xbf"
                                "1\t2\tann\tred\textra\n",
                                21, &g),
                     BMRT_OK);
    ck_assert_int_eq(g.rows, 1);
    ck_assert(*(const float *)(const void *)g.arrays[0].block.data == 1);
    got_free(g.names[0].hooks, &g);
    refuses(&source, "1\t2\tann\n", "3 columns, but the fields of the data block need 4");
    refuses(&source, "1\t2\tann\tred\n1\t2\tann\n", "a.csv:2:1: 3 cells, but the first line has 4");
}
END_TEST

/* A file many times the buffer, with cells that end exactly at its end. */
START_TEST(long_files) {
    const int rows = 60000;
    char *text = malloc(64 * (size_t)rows), *at = text;
    at += sprintf(at, HEADER);
    for (int i = 0; i < rows; i++)
        at += sprintf(at, i % 3 ? "%d,%d,w%d,red\r\n" : "%d,%d,\"w\n%d\",green\n", i, i, i % 50);
    Got g;
    for (int gzip = 0; gzip < 2; gzip++) {
        if (gzip) {
            gzFile file = gzopen(path_of("a.csv"), "wb1");
            gzwrite(file, text, (unsigned)(at - text));
            gzclose(file);
            ck_assert_int_eq(read_with(bmrt_hooks_default(), &plain, &g), BMRT_OK);
        } else {
            ck_assert_int_eq(read_bytes(&plain, text, (size_t)(at - text), &g), BMRT_OK);
        }
        ck_assert_int_eq(g.rows, rows);
        for (int i = 0; i < rows; i++) {
            ck_assert(((const float *)(const void *)g.arrays[0].block.data)[i] == (float)i);
            ck_assert_int_eq(((const int32_t *)(const void *)g.arrays[3].block.data)[i],
                             i % 3 == 0);
        }
        got_free(g.names[0].hooks, &g);
    }
    strcpy(at, "1,2,\"never closed,red\n");
    refuses(&plain, text, "a.csv:80002:5: this quote is never closed");
    free(text);
}
END_TEST

START_TEST(malformed) {
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "a.csv is empty"},
        {"\n\n", "is empty"},
        {"x,n,who\n1,2,a\n",
         "has no column `The color` for field `color`\nits columns are: `x`, `n`"},
        {"x,n,who,The color,x\n", "a.csv:1:19: a second column `x`"},
        {HEADER "1,2,a\n", "a.csv:2:1: 3 cells, but the header has 4"},
        {HEADER "1,2,a,red,5\n", "5 cells"},
        {HEADER "1,2,a,red\n1,2,\"a\nb\",blue\n",
         "a.csv:4:4: field `color`: `blue` is none of its names\nthe names are: `red`, `green`"},
        {HEADER "1,2,a,\n", "a.csv:2:7: field `color`: `` is missing, which only floats"},
        {HEADER "1,NA,a,red\n", "a.csv:2:3: field `n`: `NA` is missing"},
        {HEADER "1,2.5,a,red\n", "field `n`: `2.5` is not a whole number"},
        {HEADER "1,3000000000,a,red\n", "`3000000000` is out of range"},
        {HEADER "one,2,a,red\n", "a.csv:2:1: field `x`: `one` is not a number"},
        {HEADER "1e,2,a,red\n", "is not a number"},
        {HEADER "1,2,a\"b,red\n", "a.csv:2:6: a quote inside a cell that does not begin with one"},
        {HEADER "1,2,\"a\"b,red\n", "a.csv:2:8: text behind a closing quote"},
        {HEADER "1,2,\"a,red\n", "a.csv:2:5: this quote is never closed"},
        {HEADER "1,2,a\rb,red\n", "a carriage return without a line feed"},
        {"\xff\xfe"
         "x",
         "UTF-16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuses(&plain, cases[i].text, cases[i].why);
    Got g;
    ck_assert_int_eq(read_bytes(&plain, HEADER "1,2,\0,red\n", 28, &g), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(g.fault.message.text, "a.csv:2:5: a zero byte"));
    ck_assert_int_eq(read_bytes(&plain, HEADER "1,2,\"\0\",red\n", 30, &g), BMRT_FORMAT);
    ck_assert_ptr_nonnull(strstr(g.fault.message.text, "a zero byte"));
}
END_TEST

/* Any bytes give rows or a refusal, never anything worse: every prefix, every byte changed. */
START_TEST(mutations) {
    static const char text[] =
        HEADER "1.5,2,\"a \"\"q\"\"\",red\r\n-3e2,4,b,green\n,5,\"c\nd\",red\n";
    static const char bytes[] = {0, '"', ',', '\n', '\r', '9', 'x', (char)0xff};
    char copy[sizeof text];
    Got g;
    for (size_t n = 0; n < sizeof text; n++)
        if (read_bytes(&plain, text, n, &g) == BMRT_OK) got_free(g.names[0].hooks, &g);
    for (size_t at = 0; at + 1 < sizeof text; at++)
        for (size_t b = 0; b < sizeof bytes; b++) {
            memcpy(copy, text, sizeof text);
            copy[at] = bytes[b];
            if (read_bytes(&plain, copy, sizeof text - 1, &g) == BMRT_OK)
                got_free(g.names[0].hooks, &g);
            else
                ck_assert(strlen(g.fault.message.text) > 5);
        }
}
END_TEST

/* The n-th allocation or file call fails: a status, no leak. */
START_TEST(faults) {
    static const char text[] = HEADER "1,2,a,red\n3,4,b,green\n";
    fake_write(path_of("a.csv"), text, sizeof text - 1);
    for (int what = FAKE_ALLOC; what <= FAKE_FILE; what++) {
        bool done = false;
        for (long n = 1; !done; n++) {
            FakeFaults f = {.what = (FakeCall)what, .fail_at = n};
            const BmrtHooks hooks = fake_hooks(&f);
            Got g;
            const BmrtStatus status = read_with(&hooks, &plain, &g);
            done = f.failed == 0;
            if (done) ck_assert_int_eq(status, BMRT_OK);
            if (!done && what == FAKE_ALLOC) ck_assert_int_eq(status, BMRT_MEMORY);
            got_free(&hooks, &g);
            ck_assert_int_eq(f.live, 0);
            ck_assert_int_eq(f.files, 0);
            ck_assert_int_lt(n, 1000);
        }
    }
    FakeFaults f = {.short_writes = 1};
    const BmrtHooks hooks = fake_hooks(&f);
    Got g;
    ck_assert_int_eq(read_with(&hooks, &plain, &g), BMRT_OK);
    ck_assert_int_eq(g.rows, 2);
    got_free(&hooks, &g);
}
END_TEST

START_TEST(numbers) {
    static const char *const good[] = {"0",
                                       "-0",
                                       "1.",
                                       ".5",
                                       "123456789012345678901",
                                       "1e300",
                                       "1e-300",
                                       "4.9e-324",
                                       "0.1",
                                       "9007199254740993",
                                       "1E+2",
                                       "3.141592653589793238462643383279502884"};
    static const char *const bad[] = {"",     ".",   "-",   "+",    "e5",  "1e",     "1e+",
                                      "0x10", "1 2", "--1", "nanx", "1,5", "infinit"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_ptr_null(bmrt_number_parse(good[i], strlen(good[i]), BMRT_F64, &value));
        ck_assert_msg(value == strtod(good[i], NULL), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_ptr_nonnull(bmrt_number_parse(bad[i], strlen(bad[i]), BMRT_F64, &value));
    srand(1);
    for (int i = 0; i < 200000; i++) { /* against the C library */
        char text[64];
        snprintf(text, sizeof text, i % 2 ? "%.*g" : "%.*f", rand() % 18,
                 (rand() - 1e9) * pow(10, rand() % 40 - 20));
        ck_assert_ptr_null(bmrt_number_parse(text, strlen(text), BMRT_F64, &value));
        ck_assert_msg(value == strtod(text, NULL), "%s", text);
    }
    uint8_t byte;
    int64_t big;
    ck_assert_ptr_null(bmrt_number_parse("TRUE", 4, BMRT_BOOL, &byte));
    ck_assert_int_eq(byte, 1);
    ck_assert_ptr_nonnull(bmrt_number_parse("2", 1, BMRT_BOOL, &byte));
    ck_assert_ptr_null(bmrt_number_parse("255", 3, BMRT_U8, &byte));
    ck_assert_ptr_nonnull(bmrt_number_parse("256", 3, BMRT_U8, &byte));
    ck_assert_ptr_nonnull(bmrt_number_parse("-1", 2, BMRT_U8, &byte));
    ck_assert_ptr_null(bmrt_number_parse("-9223372036854775808", 20, BMRT_I64, &big));
    ck_assert(big == INT64_MIN);
    ck_assert_ptr_nonnull(bmrt_number_parse("9223372036854775808", 19, BMRT_I64, &big));
    ck_assert_ptr_nonnull(bmrt_number_parse("99999999999999999999999", 23, BMRT_U64, &big));
}
END_TEST

int main(void) {
    Suite *s = suite_create("csv");
    TCase *t = tcase_create("csv");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, rows_of_every_kind);
    tcase_add_test(t, without_a_header_and_by_tabs);
    tcase_add_test(t, long_files);
    tcase_add_test(t, malformed);
    tcase_add_test(t, mutations);
    tcase_add_test(t, faults);
    tcase_add_test(t, numbers);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
