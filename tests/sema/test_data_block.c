/* The data block as it is evaluated: statistics over a column skip what is missing, training rows
 * and `encode` give the same bits, `drop` says which rows go. */
#include "machine.h"
#include <math.h>

static const char source[] = "data d {\n"
                             "  from: csv(\"a.csv\")\n"
                             "  field who: category(max = 5)\n"
                             "  field a: f32\n"
                             "  field v[2]: f32\n"
                             "  drop: missing(who) or a > 50\n"
                             "  known = f32(not missing(a))\n"
                             "  middle = fit(median(a))\n"
                             "  lower = fit(quantile(a, 0.25))\n"
                             "  a = standardize(fill(a, fit(mean(a))))\n"
                             "  low = fit(min(v, axis = 0))\n"
                             "  v = minmax(v)\n"
                             "  n = fit(count(v))\n"
                             "  w = class_weight(who, card(who))\n"
                             "}\n"
                             "model net(a[B]) = a * 2\n"
                             "train {\n"
                             "  data: d\n"
                             "  step(a) { metric loss = mean(net(a)) }\n"
                             "}\n"
                             "export fn serve(who[B]: i32, a[B], v[B, 2]) {\n"
                             "  r = d.encode(who = who, a = a, v = v)\n"
                             "  return r.who, r.a, r.v, r.known, r.low, r.n, r.w\n"
                             "}\n"
                             "export fn one(a[B]) -> [B] = d.a(a)\n";

enum { ROWS = 6 };
static int32_t who[ROWS] = {1, 2, 1, 0, 1, 2};
static float a[ROWS] = {1, NAN, 3, 8, NAN, 60},
             v[ROWS][2] = {{0, 5}, {1, NAN}, {2, 5}, {3, 5}, {4, 5}, {8, 5}};

static void *input_of(const Machine *m, const char *entry, uint32_t i) {
    const char *name = machine_entry(m, entry)->graph->inputs.data[i].name->text;
    return strcmp(name, "who") == 0 ? (void *)who : strcmp(name, "a") == 0 ? (void *)a : (void *)v;
}

static Tensor *run(Machine *m, const char *entry) {
    const Graph *g = machine_entry(m, entry)->graph;
    void **inputs = ARENA_ARRAY(m->ctx->arena, void *, g->inputs.len + 1);
    for (uint32_t i = 0; i < g->inputs.len; i++) inputs[i] = input_of(m, entry, i);
    return machine_run(m, entry, ROWS, inputs);
}

/* Runs a FIT entry; its slot must have its name. */
static float *fit(Machine *m, const char *entry) {
    const Graph *g = autodiff_run(machine_entry(m, entry)->graph);
    ck_assert_uint_eq(g->writes.len, 1);
    ck_assert_str_eq(m->p->slots.data[g->writes.data[0].slot].path->text, entry);
    ck_assert_int_eq(m->p->slots.data[g->writes.data[0].slot].kind, SLOT_FIT);
    run(m, entry);
    return machine_slot(m, entry);
}

START_TEST(statistics_and_transforms) {
    Machine m = machine_open(source, NULL, 0);
    near(*fit(&m, "d.a.fit1"), 18, 0); /* (1 + 3 + 8 + 60) / 4: what is missing does not count */
    near(*fit(&m, "d.a.fit3"), 18, 0);
    near(*fit(&m, "d.a.fit2"), sqrt((17. * 17 + 15 * 15 + 10 * 10 + 42 * 42) / 6), 1e-5);
    ck_assert(*fit(&m, "d.middle.fit1") == 5.5f); /* of 1 3 8 60 */
    ck_assert(*fit(&m, "d.lower.fit1") == 2.5f);
    const float *low = fit(&m, "d.low.fit1");
    ck_assert(low[0] == 0 && low[1] == 5);
    fit(&m, "d.v.fit1");
    const float *high = fit(&m, "d.v.fit2");
    ck_assert(high[0] == 8 && high[1] == 5);
    ck_assert(*fit(&m, "d.n.fit1") == 11);
    const float *share = fit(&m, "d.w.fit1");
    near(share[1], 0.5, 1e-6);
    near(share[2], 1. / 3, 1e-6);

    const Tensor *rows = run(&m, "d.rows"), *serve = run(&m, "serve"), *one = run(&m, "one");
    const Graph *g = machine_entry(&m, "d.rows")->graph;
    static const char *const order[] = {"who", "a", "v", "known", "low", "n", "w"};
    for (uint32_t k = 0; k < 7; k++) {
        uint32_t at = 0;
        while (strcmp(g->outputs.data[at].name->text, order[k]) != 0) at++;
        ck_assert_uint_eq(tensor_bytes(&rows[at]), tensor_bytes(&serve[k]));
        ck_assert_mem_eq(rows[at].data, serve[k].data, tensor_bytes(&rows[at]));
        if (strcmp(order[k], "a") == 0)
            ck_assert_mem_eq(rows[at].data, one[0].data, tensor_bytes(&one[0]));
    }
    const float *wide = serve[2].data, *weight = serve[6].data;
    ck_assert(wide[2 * 5] == 1 && wide[0] == 0); /* 8 is the largest, 0 the smallest */
    ck_assert(wide[1] == 0);                     /* a constant column */
    near(weight[0], 1 / (6 * 0.5), 1e-5);

    const bool *drop = run(&m, "d.drop")[0].data;
    static const bool expected[ROWS] = {false, false, false, true, false, true};
    ck_assert_mem_eq(drop, expected, sizeof expected);
    machine_close(&m);
}
END_TEST

START_TEST(recipe) {
    Machine m = machine_open(source, NULL, 0);
    const BmrtData *d = &m.p->data.data[0];
    ck_assert_uint_eq(d->fit_count, 10);
    for (uint32_t i = 0; i < d->fit_count; i++)
        ck_assert_int_eq(m.p->entries.data[d->fit_entries[i]].kind, BMRT_ENTRY_FIT);
    ck_assert_str_eq(m.p->entries.data[d->drop_entry].name, "d.drop");
    ck_assert_uint_eq(m.p->vocabularies.len, 1);
    ck_assert_str_eq(m.p->vocabularies.data[0].path, "d.who.names");
    machine_close(&m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_block");
    TCase *t = tcase_create("data_block");
    tcase_add_test(t, statistics_and_transforms);
    tcase_add_test(t, recipe);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
