/* builder*.c: models made by calls are those made by text, and wrong calls are told. */
#include "compiler/include/bmc.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct Seen {
    int count;
    char code[8], text[2048], message[512];
    uint32_t value, line;
} Seen;

static void see(void *user, const BmcDiagnostic *d) {
    Seen *seen = user;
    seen->count++;
    snprintf(seen->code, sizeof seen->code, "%s", d->code);
    snprintf(seen->text, sizeof seen->text, "%s", d->text);
    snprintf(seen->message, sizeof seen->message, "%s", d->message);
    seen->value = d->value;
    seen->line = d->line;
}

static BmcBuilder *opened(Seen *seen) {
    BmcBuilder *b = NULL;
    *seen = (Seen){0};
    ck_assert_int_eq(bmc_builder_open("built.bm", see, seen, &b), BMC_OK);
    return b;
}

static BmcOptions options_now(void) {
    return (BmcOptions){.size_bytes = sizeof(BmcOptions), .level = 1};
}

#define VALUES(...)                                                                                \
    (BmcValue[]){__VA_ARGS__}, (uint32_t)(sizeof(BmcValue[]){__VA_ARGS__} / sizeof(BmcValue))
#define ARG(v) (BmcArg[]){{NULL, v}}, 1
#define DIMS(...)                                                                                  \
    (BmcDim[]) {                                                                                   \
        __VA_ARGS__                                                                                \
    }
#define AXIS(n)                                                                                    \
    { NULL, n }
#define NAMED(s)                                                                                   \
    { s, 0 }

/* model net(x[B, 4]): relu(x @ w + b) by hand, then a layer of the library, softmax. */
static void build_net(BmcBuilder *b) {
    ck_assert_int_eq(bmc_build_begin(b, BMC_MODEL, "net"), BMC_OK);
    BmcValue x = bmc_build_input(b, "x", BMRT_F32, 2, DIMS(NAMED("B"), AXIS(4)));
    BmcValue w = bmc_build_param(b, "w", BMRT_F32, 2, DIMS(AXIS(4), NAMED("width")),
                                 bmc_build_name(b, "glorot"));
    BmcValue c =
        bmc_build_param(b, "b", BMRT_F32, 1, DIMS(NAMED("width")), bmc_build_number(b, 0.125));
    BmcValue h = bmc_build_op(b, "add", VALUES(bmc_build_op(b, "matmul", VALUES(x, w)), c));
    h = bmc_build_op(b, "max", VALUES(h, bmc_build_number(b, 0)));
    BmcValue dense = bmc_build_layer(b, NULL, "dense", ARG(bmc_build_integer(b, 3)));
    BmcValue y = bmc_build_apply(b, dense, ARG(h));
    ck_assert_int_eq(bmc_build_return(b, &y, 1), BMC_OK);
    ck_assert_int_eq(bmc_build_end(b), BMC_OK);
}

static void build_step(BmcBuilder *b) {
    ck_assert_int_eq(bmc_build_begin(b, BMC_STEP, NULL), BMC_OK);
    BmcValue x = bmc_build_input(b, "x", BMRT_F32, 2, DIMS(NAMED("B"), AXIS(4)));
    BmcValue y = bmc_build_input(b, "y", BMRT_I32, 1, DIMS(NAMED("B")));
    BmcValue net = bmc_build_name(b, "net");
    BmcValue logits = bmc_build_apply(b, net, ARG(x));
    BmcValue loss = bmc_build_call(b, "cross_entropy", (BmcArg[]){{NULL, logits}, {NULL, y}}, 2);
    BmcValue adam =
        bmc_build_layer(b, NULL, "adam", (BmcArg[]){{"lr", bmc_build_number(b, 0.01)}}, 1);
    ck_assert_int_eq(bmc_build_minimize(b, loss, net, adam), BMC_OK);
    ck_assert_int_eq(bmc_build_metric(b, "loss", loss), BMC_OK);
    ck_assert_int_eq(bmc_build_end(b), BMC_OK);
}

static void build_export(BmcBuilder *b) {
    bmc_build_begin(b, BMC_EXPORT, "predict");
    BmcValue x = bmc_build_input(b, "x", BMRT_F32, 2, DIMS(NAMED("B"), AXIS(4)));
    BmcValue y =
        bmc_build_call(b, "softmax", ARG(bmc_build_apply(b, bmc_build_name(b, "net"), ARG(x))));
    bmc_build_return(b, &y, 1);
    ck_assert_int_eq(bmc_build_end(b), BMC_OK);
}

static const char SAME[] = "let width = 8\n"
                           "model net(x[B, 4]) {\n"
                           "  param w[4, width] init glorot\n"
                           "  param b[width] init 0.125\n"
                           "  return maximum(x @ w + b, 0.0) |> dense(3)\n"
                           "}\n"
                           "train {\n"
                           "  step(x[B, 4], y[B]: i32) {\n"
                           "    loss = cross_entropy(net(x), y)\n"
                           "    minimize loss over net with adam(lr = 0.01)\n"
                           "    metric loss = loss\n"
                           "  }\n"
                           "}\n"
                           "export fn predict(x[B, 4]) = softmax(net(x))\n";

/* Ten steps, then a prediction; the paths of all slots too. */
static void train(const BmcModel *model, float *out, char *paths, size_t room) {
    const BmrtModel *m = bmc_model(model);
    BmrtHandle *h = NULL;
    ck_assert_int_eq(bmrt_open(&h, m, NULL, 7, 1), BMRT_OK);
    float x[24], loss;
    int32_t y[6] = {0, 1, 2, 0, 1, 2};
    const int64_t rows = 6;
    for (int i = 0; i < 24; i++) x[i] = (float)((i * 7) % 11) / 11;
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(bmrt_step(h, (uint32_t)m->train[0].step_entry, &rows,
                                   (const void *[]){x, y}, (void *[]){&loss}),
                         BMRT_OK);
    const uint32_t predict = (uint32_t)bmrt_entry_find(m, "predict");
    ck_assert_int_eq(bmrt_call(h, predict, &rows, (const void *[]){x}, (void *[]){out}), BMRT_OK);
    *paths = '\0';
    for (uint32_t i = 0; i < m->slot_count; i++)
        snprintf(paths + strlen(paths), room - strlen(paths), "%s\n", m->slots[i].path);
    bmrt_close(h);
}

START_TEST(same_as_text) {
    Seen seen;
    BmcBuilder *b = opened(&seen);
    BmcValue width = bmc_build_let(b, "width", bmc_build_integer(b, 8));
    ck_assert_uint_ne(width.id, 0);
    build_net(b);
    build_step(b);
    build_export(b);
    BmcOptions options = options_now();
    BmcModel *built = NULL, *text = NULL;
    BmcStatus status = bmc_builder_compile(b, &options, &built);
    ck_assert_msg(status == BMC_OK, "%s\n%s", seen.text, bmc_builder_text(b));
    ck_assert_int_eq(bmc_compile_text("t.bm", SAME, strlen(SAME), &options, &text), BMC_OK);
    float a[18] = {0}, c[18] = {1};
    char first[1000], second[1000];
    train(built, a, first, sizeof first);
    train(text, c, second, sizeof second);
    ck_assert_str_eq(first, second);
    ck_assert_mem_eq(a, c, sizeof a);
    bmc_builder_close(b); /* the model lives on */
    train(built, c, first, sizeof first);
    ck_assert_mem_eq(a, c, sizeof a);
    bmc_close(built);
    bmc_close(text);
}
END_TEST

/* Every literal and statement: what they look like, and that they compile. */
START_TEST(every_call) {
    Seen seen;
    BmcBuilder *b = opened(&seen);
    bmc_build_source(b, "fn twice(x[...]) = 2 * x");
    bmc_build_begin(b, BMC_LAYER, "scaled");
    BmcValue by = bmc_build_setting(b, "by", "num", bmc_build_number(b, -1.5));
    BmcValue x = bmc_build_input(b, "x", BMRT_F32, 2, DIMS(NAMED("..."), NAMED("n")));
    BmcValue g = bmc_build_param(b, "g", BMRT_F32, 1, DIMS(NAMED("n")), bmc_build_name(b, "ones"));
    BmcValue y = bmc_build_op(b, "mul", VALUES(bmc_build_op(b, "mul", VALUES(x, g)), by));
    bmc_build_return(b, &y, 1);
    bmc_build_end(b);
    bmc_build_begin(b, BMC_OPTIMIZER, "plain");
    BmcValue lr = bmc_build_setting(b, "lr", "num", (BmcValue){0});
    BmcValue w = bmc_build_input(b, "w", BMRT_F32, 1, DIMS(NAMED("...")));
    BmcValue d = bmc_build_input(b, "d", BMRT_F32, 1, DIMS(NAMED("...")));
    bmc_build_write(b, w, bmc_build_op(b, "sub", VALUES(w, bmc_build_op(b, "mul", VALUES(lr, d)))));
    bmc_build_end(b);
    bmc_build_begin(b, BMC_MODEL, "net");
    x = bmc_build_input(b, "x", BMRT_F32, 2, DIMS(NAMED("B"), AXIS(6)));
    BmcValue calls = bmc_build_state(b, "calls", BMRT_F32, 0, NULL, bmc_build_number(b, 0));
    bmc_build_write(b, calls, bmc_build_op(b, "add", VALUES(calls, bmc_build_integer(b, 1))));
    y = bmc_build_apply(b, bmc_build_layer(b, "s", "scaled", NULL, 0), ARG(x));
    y = bmc_build_call(b, "twice", ARG(y));
    bmc_build_return(b, &y, 1);
    bmc_build_end(b);
    bmc_build_begin(b, BMC_EXPORT, "look");
    x = bmc_build_input(b, "x", BMRT_F32, 2, DIMS(NAMED("B"), AXIS(6)));
    BmcValue row = bmc_build_index(b, x, VALUES(bmc_build_integer(b, -1)));
    BmcValue part = bmc_build_index(
        b, x,
        VALUES(bmc_build_range(b, (BmcValue){0}, (BmcValue){0}),
               bmc_build_range(b, bmc_build_integer(b, 1), bmc_build_integer(b, 3))));
    BmcValue total =
        bmc_build_call(b, "sum",
                       (BmcArg[]){{NULL, part},
                                  {"axis", bmc_build_list(b, VALUES(bmc_build_integer(b, 1)))},
                                  {"keep", bmc_build_bool(b, 0)}},
                       3);
    BmcValue two[2];
    ck_assert_int_eq(bmc_build_parts(b,
                                     bmc_build_call(b, "chunk",
                                                    (BmcArg[]){{NULL, x},
                                                               {NULL, bmc_build_integer(b, 2)},
                                                               {"axis", bmc_build_integer(b, 1)}},
                                                    3),
                                     two, 2),
                     BMC_OK);
    BmcValue half = bmc_build_cast(b, two[1], BMRT_I32);
    BmcValue pattern = bmc_build_call(
        b, "rearrange", (BmcArg[]){{NULL, x}, {NULL, bmc_build_string(b, "b n -> n b")}}, 2);
    BmcValue y0 = bmc_build_apply(b, bmc_build_name(b, "net"), ARG(x));
    BmcValue whole = bmc_build_call(b, "sum", ARG(y0));
    BmcValue slope = bmc_build_grad(b, whole, x);
    BmcValue negative = bmc_build_op(b, "neg", VALUES(bmc_build_op(b, "exp", VALUES(row))));
    bmc_build_return(b, VALUES(negative, total, half, pattern, slope));
    bmc_build_end(b);
    BmcModel *model = NULL;
    BmcOptions options = options_now();
    BmcStatus status = bmc_builder_compile(b, &options, &model);
    ck_assert_msg(status == BMC_OK, "%s\n%s", seen.text, bmc_builder_text(b));
    BmrtHandle *h = NULL;
    ck_assert_int_eq(bmrt_open(&h, bmc_model(model), NULL, 0, 1), BMRT_OK);
    const float in[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    float exps[6], sums[2], turned[12], slopes[12];
    int32_t right[6];
    const int64_t rows = 2;
    ck_assert_int_eq(bmrt_call(h, (uint32_t)bmrt_entry_find(bmc_model(model), "look"), &rows,
                               (const void *[]){in}, (void *[]){exps, sums, right, turned, slopes}),
                     BMRT_OK);
    ck_assert_float_eq_tol(exps[0], -expf(7), 1e-3f);
    ck_assert_float_eq(sums[1], 17);
    ck_assert_int_eq(right[3], 10);
    ck_assert_float_eq(turned[1], 7);
    ck_assert_float_eq(slopes[0], -3);
    bmrt_close(h);
    bmc_close(model);
    bmc_builder_close(b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("builder");
    TCase *cases = tcase_create("builder");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, same_as_text);
    tcase_add_test(cases, every_call);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
