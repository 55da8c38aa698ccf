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

/* ------------------------------------------------------------------ wrong calls */

static BmcValue in_export(BmcBuilder *b) {
    bmc_build_begin(b, BMC_EXPORT, "f");
    return bmc_build_input(b, "x", BMRT_F32, 1, DIMS(NAMED("B")));
}

static void no_such_op(BmcBuilder *b) {
    BmcValue x = in_export(b);
    ck_assert_uint_eq(bmc_build_op(b, "substract", VALUES(x, x)).id, 0);
}
static void near_op(BmcBuilder *b) {
    BmcValue x = in_export(b);
    ck_assert_uint_eq(bmc_build_op(b, "matmull", VALUES(x, x)).id, 0);
}
static void op_elsewhere(BmcBuilder *b) {
    BmcValue x = in_export(b);
    ck_assert_uint_eq(bmc_build_op(b, "contract", VALUES(x, x)).id, 0);
}
static void too_few_operands(BmcBuilder *b) {
    BmcValue x = in_export(b);
    ck_assert_uint_eq(bmc_build_op(b, "add", &x, 1).id, 0);
}
static void no_value(BmcBuilder *b) {
    in_export(b);
    ck_assert_uint_eq(bmc_build_op(b, "exp", (BmcValue[]){{0}}, 1).id, 0);
}
static void strange_value(BmcBuilder *b) {
    in_export(b);
    ck_assert_uint_eq(bmc_build_op(b, "exp", (BmcValue[]){{99}}, 1).id, 0);
}
static void value_of_another(BmcBuilder *b) {
    BmcValue x = in_export(b);
    bmc_build_return(b, &x, 1);
    bmc_build_end(b);
    bmc_build_begin(b, BMC_EXPORT, "g");
    ck_assert_int_eq(bmc_build_return(b, &x, 1), BMC_INPUT);
}
static void bad_name(BmcBuilder *b) {
    ck_assert_int_eq(bmc_build_begin(b, BMC_MODEL, "net }\n{"), BMC_INPUT);
}
static void reserved_name(BmcBuilder *b) {
    ck_assert_int_eq(bmc_build_begin(b, BMC_MODEL, "train"), BMC_INPUT);
}
static void name_twice(BmcBuilder *b) {
    in_export(b);
    ck_assert_uint_eq(bmc_build_input(b, "x", BMRT_F32, 0, NULL).id, 0);
}
static void name_of_the_builder(BmcBuilder *b) {
    BmcValue x = in_export(b);
    bmc_build_op(b, "exp", &x, 1);
    ck_assert_uint_eq(bmc_build_name(b, "v1").id, 0);
}
static void outside(BmcBuilder *b) {
    BmcValue one = bmc_build_number(b, 1);
    ck_assert_uint_eq(bmc_build_op(b, "exp", &one, 1).id, 0);
}
static void nested(BmcBuilder *b) {
    in_export(b);
    ck_assert_int_eq(bmc_build_begin(b, BMC_EXPORT, "g"), BMC_INPUT);
}
static void end_without(BmcBuilder *b) {
    ck_assert_int_eq(bmc_build_end(b), BMC_INPUT);
}
static void param_in_export(BmcBuilder *b) {
    in_export(b);
    ck_assert_uint_eq(bmc_build_param(b, "w", BMRT_F32, 0, NULL, bmc_build_number(b, 0)).id, 0);
}
static void late_input(BmcBuilder *b) {
    BmcValue x = in_export(b);
    bmc_build_op(b, "exp", &x, 1);
    ck_assert_uint_eq(bmc_build_input(b, "y", BMRT_F32, 0, NULL).id, 0);
}
static void no_dtype(BmcBuilder *b) {
    in_export(b);
    ck_assert_uint_eq(bmc_build_input(b, "y", (BmrtDtype)99, 0, NULL).id, 0);
}
static void many_axes(BmcBuilder *b) {
    BmcDim dims[13] = {{NULL, 1}};
    in_export(b);
    ck_assert_uint_eq(bmc_build_input(b, "y", BMRT_F32, 13, dims).id, 0);
}
static void negative_size(BmcBuilder *b) {
    in_export(b);
    ck_assert_uint_eq(bmc_build_input(b, "y", BMRT_F32, 1, DIMS(AXIS(-3))).id, 0);
}
static void not_finite(BmcBuilder *b) {
    ck_assert_uint_eq(bmc_build_number(b, NAN).id, 0);
}
static void large_integer(BmcBuilder *b) {
    ck_assert_uint_eq(bmc_build_integer(b, INT64_MAX).id, 0);
}
static void range_as_value(BmcBuilder *b) {
    in_export(b);
    BmcValue all = bmc_build_range(b, (BmcValue){0}, (BmcValue){0});
    ck_assert_uint_eq(bmc_build_op(b, "exp", &all, 1).id, 0);
}
static void source_inside(BmcBuilder *b) {
    in_export(b);
    ck_assert_int_eq(bmc_build_source(b, "let a = 1"), BMC_INPUT);
}
static void unfinished(BmcBuilder *b) {
    in_export(b);
}
static void path_of_nothing(BmcBuilder *b) {
    ck_assert_uint_eq(bmc_build_name(b, "net..w").id, 0);
}
static void bad_argument_name(BmcBuilder *b) {
    BmcValue x = in_export(b);
    ck_assert_uint_eq(bmc_build_call(b, "sum", (BmcArg[]){{"a b", x}}, 1).id, 0);
}

static const struct WrongCall {
    void (*call)(BmcBuilder *b);
    const char *code, *text;
} WRONG_CALLS[] = {
    {no_such_op, "E0004", "there is no operation `substract`"},
    {near_op, "E0004", "did you mean `matmul`?"},
    {op_elsewhere, "E0201", "use `matmul`, or `bmc_build_call` of `einsum`"},
    {too_few_operands, "E0201", "`add` takes 2 operands, not 1"},
    {no_value, "E0201", "the value of id 0, which this builder did not make"},
    {strange_value, "E0201", "the value of id 99"},
    {value_of_another, "E0004", "the value `x` of `f`, which lives only there"},
    {bad_name, "E0004", "`net }?{` is no name"},
    {reserved_name, "E0004", "`train` is a word of the language"},
    {name_twice, "E0200", "there is a `x` already"},
    {name_of_the_builder, "E0200", "`v1` is the builder's own name"},
    {outside, "E0201", "`bmc_build_op` outside of a definition"},
    {nested, "E0201", "`bmc_build_begin` while `f` is not finished"},
    {end_without, "E0201", "`bmc_build_end` outside of a definition"},
    {param_in_export, "E0201", "`bmc_build_param` does not go into an export"},
    {late_input, "E0201", "`bmc_build_input` comes before all else"},
    {no_dtype, "E0010", "there is no dtype 99"},
    {many_axes, "E0301", "13 axes are more than the 12 there can be"},
    {negative_size, "E0300", "axis 0 has the size -3"},
    {not_finite, "E0102", "nan is no number"},
    {large_integer, "E0102", "is beyond 2^53"},
    {range_as_value, "E0202", "the range `:`, which is no value"},
    {source_inside, "E0201", "`bmc_build_source` while `f` is not finished"},
    {unfinished, "E0201", "`bmc_builder_compile` while `f` is not finished"},
    {path_of_nothing, "E0004", "`net..w` is neither a name nor a path"},
    {bad_argument_name, "E0004", "`a b` is no name of an argument"},
};

/* Each is told once, with its place; the program is refused from then on, without more words. */
START_TEST(wrong_calls) {
    const struct WrongCall *wrong = &WRONG_CALLS[_i];
    Seen seen;
    BmcBuilder *b = opened(&seen);
    BmcOptions options = options_now();
    BmcModel *model = (BmcModel *)&seen;
    wrong->call(b);
    if (wrong->call != unfinished) {
        ck_assert_int_eq(seen.count, 1);
        bmc_build_op(b, "exp", (BmcValue[]){{0}}, 1); /* what follows from it is silent */
        bmc_build_end(b);
    }
    ck_assert_int_eq(bmc_builder_compile(b, &options, &model), BMC_INPUT);
    ck_assert_ptr_null(model);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_msg(strcmp(wrong->code, seen.code) == 0 && strstr(seen.text, wrong->text),
                  "%d: %s %s", _i, seen.code, seen.text);
    ck_assert_uint_ge(seen.line, 1);
    bmc_builder_close(b);
}
END_TEST

/* What the compiler finds wrong points to the call that is meant. */
START_TEST(told_by_the_compiler) {
    Seen seen;
    BmcBuilder *b = opened(&seen);
    bmc_build_begin(b, BMC_EXPORT, "f");
    BmcValue x = bmc_build_input(b, "x", BMRT_F32, 2, DIMS(NAMED("B"), AXIS(4)));
    BmcValue y = bmc_build_input(b, "y", BMRT_F32, 2, DIMS(AXIS(3), AXIS(5)));
    BmcValue e = bmc_build_op(b, "exp", &x, 1);
    BmcValue z = bmc_build_op(b, "matmul", VALUES(e, y));
    bmc_build_return(b, &z, 1);
    bmc_build_end(b);
    BmcOptions options = options_now();
    BmcModel *model;
    ck_assert_int_eq(bmc_builder_compile(b, &options, &model), BMC_INPUT);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_str_eq(seen.code, "E0001");
    ck_assert_uint_eq(seen.value, z.id);
    ck_assert_ptr_nonnull(strstr(seen.text, "v2 = v1 @ y"));
    bmc_builder_close(b);
}
END_TEST

/* A host's names never meet those that the builder makes. */
START_TEST(names_apart) {
    Seen seen;
    BmcBuilder *b = opened(&seen);
    bmc_build_begin(b, BMC_EXPORT, "f");
    BmcValue x = bmc_build_input(b, "v1", BMRT_F32, 1, DIMS(NAMED("B")));
    BmcValue y = bmc_build_input(b, "v2", BMRT_F32, 1, DIMS(NAMED("B")));
    BmcValue z = bmc_build_op(b, "exp", &x, 1);
    z = bmc_build_op(b, "add", VALUES(bmc_build_op(b, "add", VALUES(z, x)), y));
    bmc_build_return(b, &z, 1);
    bmc_build_end(b);
    BmcOptions options = options_now();
    BmcModel *model = NULL;
    ck_assert_msg(bmc_builder_compile(b, &options, &model) == BMC_OK, "%s", seen.text);
    BmrtHandle *h = NULL;
    ck_assert_int_eq(bmrt_open(&h, bmc_model(model), NULL, 0, 1), BMRT_OK);
    const float a[1] = {0}, c[1] = {5};
    float out[1];
    const int64_t one = 1;
    const uint32_t entry = (uint32_t)bmrt_entry_find(bmc_model(model), "f");
    ck_assert_int_eq(bmrt_call(h, entry, &one, (const void *[]){a, c}, (void *[]){out}), BMRT_OK);
    ck_assert_float_eq(*out, 6);
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
    tcase_add_loop_test(cases, wrong_calls, 0, sizeof WRONG_CALLS / sizeof *WRONG_CALLS);
    tcase_add_test(cases, told_by_the_compiler);
    tcase_add_test(cases, names_apart);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
