/* Every choice that the schedule offers for a contraction (tiles, blocks of k, copies of operands),
 * one after the other: the reference evaluator's bits each time, with 1, 2, 3 and 7 threads,
 * AVX-512 and x86-64-v3. What `bmc --tune` picks from is nothing else. */
#include "tests/codegen/program_compare.h"

typedef struct Problem {
    const char *text;
    Choice others[CHOICE_OFFERS_MAX];
    uint32_t count;
} Problem;

typedef struct Chooser {
    Context *ctx;
    VEC(Problem) problems;
    uint32_t round, most;
    uint32_t said; /* how often something else was chosen */
} Chooser;

static Problem *problem_find(Chooser *c, const char *text) {
    for (uint32_t i = 0; i < c->problems.len; i++)
        if (strcmp(c->problems.data[i].text, text) == 0) return &c->problems.data[i];
    return NULL;
}

static const Choice *choose(void *user, const char *text) {
    Chooser *c = user;
    const Problem *p = problem_find(c, text);
    if (!p || c->round >= p->count) return NULL;
    c->said++;
    return &p->others[c->round];
}

static void offered(void *user, const char *text, const Choice *others, uint32_t count) {
    Chooser *c = user;
    Problem p = {.text = arena_strdup(c->ctx->arena, text), .count = count};
    ck_assert_uint_le(count, CHOICE_OFFERS_MAX);
    if (problem_find(c, text)) return;
    for (uint32_t i = 0; i < count; i++) p.others[i] = others[i];
    if (count > c->most) c->most = count;
    vec_push(c->ctx->arena, &c->problems, p);
}

typedef struct Case {
    const char *text;
    int64_t rows;
    uint32_t offers; /* of one problem, at least */
} Case;

static const Case CASES[] = {
    {"export fn f(x[37, 100], w[100, 70]) -> [37, 70] = x @ w\n", 1, 6},
    {"export fn f(x[B, 50], w[140, 50], b[140]) -> [B, 140] = relu(x @ w.T + b)\n", 19, 4},
    {"export fn f(x[130, 70], w[70, 530]) -> [130, 530] = x @ w\n", 1, 6},
    {"export fn f(x[520, 70], dy[520, 72]) -> [70, 72] = x.T @ dy\n", 1, 6},
    {"export fn f(x[4500, 30], dy[4500, 40]) -> [30, 40] = x.T @ dy\n", 1, 6},
    {"export fn f(x[1, 70], w[70, 530]) -> [1, 530] = x @ w\n", 1, 3},
    {"export fn f(dy[3, 70], w[130, 70]) -> [3, 130] = dy @ w.T\n", 1, 2},
    {"export fn f(x[2, 9, 8, 20], w[3, 3, 20, 33]) -> [2, 9, 8, 33] = conv(x, w, pad = 1)\n", 1, 1},
    {"layer r(n: dim)(x[B, T, d]) -> [B, T, n] {\n"
     "  param w[d, n] init glorot\n  param u[n, n] init glorot\n"
     "  return scan a = x @ w along 1 with h = zeros([B, n]) {\n"
     "    h = tanh(a + h @ u)\n    yield h\n  }\n}\n"
     "model net(x[B, 5, 24]) -> [B, 5, 40] = x |> r(40)\n"
     "train {\n  epochs: 1\n  batch: 20\n  step(x[B, 5, 24], y[B, 5, 40]) {\n"
     "    loss = mean((net(x) - y) ^ 2)\n    minimize loss over net with adam(1e-3)\n  }\n}\n",
     20, 3},
};

START_TEST(every_choice_has_the_same_bits) {
    const Case *t = &CASES[_i];
    Chooser c = {.ctx = context_create(), .round = UINT32_MAX};
    const ScheduleChoices choices = {choose, offered, &c};
    compare_text("as found", t->text, t->rows, NULL, false, &choices);
    ck_assert_uint_ge(c.most, t->offers);
    for (c.round = 0; c.round < c.most; c.round++) {
        c.said = 0;
        compare_text(t->text, t->text, t->rows, NULL, false, &choices);
        ck_assert_uint_gt(c.said, 0);
    }
    context_destroy(c.ctx);
}
END_TEST

START_TEST(choices_are_read_as_written) {
    Context *ctx = context_create();
    const Choice all[] = {{0},
                          {.rows = 14, .vectors = 2},
                          {.k_block = CHOICE_ALL_OF_K, .near = WAY_NEVER},
                          {.rows = 8, .vectors = 3, .panels = WAY_ALWAYS, .row_panels = WAY_NEVER}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *text = choice_text(ctx->arena, &all[i]);
        Choice read;
        ck_assert(choice_parse(text, strlen(text), &read));
        ck_assert(choice_same(&read, &all[i]));
        for (size_t len = 0; len < strlen(text); len++) ck_assert(!choice_parse(text, len, &read));
    }
    static const char *const wrong[] = {"",
                                        "tile 8x2",
                                        "tile 8x2 k 0 panels 3 rows 0 near 0",
                                        "tile 8x2 k 0 panels 0 rows 0 near 0 ",
                                        "tile 8x2 k 0 panels 0 rows 0 near 00",
                                        "tile -8x2 k 0 panels 0 rows 0 near 0",
                                        "tile 8x2 k 999999 panels 0 rows 0 near 0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Choice read;
        const bool taken = choice_parse(wrong[i], strlen(wrong[i]), &read);
        ck_assert_msg(!taken, "`%s` is taken for a choice", wrong[i]);
    }
    context_destroy(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("choices");
    TCase *tc = tcase_create("choices");
    tcase_add_loop_test(tc, every_choice_has_the_same_bits, 0, sizeof CASES / sizeof *CASES);
    tcase_add_test(tc, choices_are_read_as_written);
    tcase_set_timeout(tc, 280);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
