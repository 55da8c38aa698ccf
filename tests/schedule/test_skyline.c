/* Boxes stacked from the bottom up: none overlap, none hang in the air for no reason, and boxes
 * that fit exactly leave nothing. */
#include "compiler/schedule/skyline.h"
#include "tests/kit/random.h"
#include <check.h>
#include <stdlib.h>

enum { COUNT = 60, PHASES = 20 };

static int64_t top_of(const Piece *pieces, uint32_t count) {
    int64_t top = 0;
    for (uint32_t i = 0; i < count; i++)
        if (pieces[i].offset + pieces[i].bytes > top) top = pieces[i].offset + pieces[i].bytes;
    return top;
}

static void check_apart(const Piece *pieces, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < i; k++) {
            const Piece *a = &pieces[i], *b = &pieces[k];
            bool meet = a->first <= b->last && b->first <= a->last;
            ck_assert(!meet || a->offset + a->bytes <= b->offset ||
                      b->offset + b->bytes <= a->offset);
        }
}

static void place(Piece *pieces, uint32_t count, SkylineChoice choice) {
    Context *ctx = context_create();
    Sched s = {.ctx = ctx, .arena = ctx->arena};
    Piece *order[COUNT];
    for (uint32_t i = 0; i < count; i++) order[i] = &pieces[i];
    ck_assert(skyline_place(&s, order, count, PHASES, choice));
    for (uint32_t i = 1; i < count; i++) { /* what stands on it comes later */
        const Piece *a = order[i - 1], *b = order[i];
        bool meet = a->first <= b->last && b->first <= a->last;
        ck_assert(!meet || a->offset < b->offset);
    }
    context_destroy(ctx);
}

START_TEST(random_boxes) {
    Random r = {(uint64_t)_i};
    Piece pieces[COUNT];
    int64_t live[PHASES] = {0}, least = 0, sum = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t first = random_below(&r, PHASES), room = PHASES - first;
        pieces[i] =
            (Piece){i, first, first + random_below(&r, room), 64 + random_below(&r, 500), 0};
        sum += pieces[i].bytes;
        for (uint32_t p = pieces[i].first; p <= pieces[i].last; p++) live[p] += pieces[i].bytes;
    }
    for (uint32_t p = 0; p < PHASES; p++) least = live[p] > least ? live[p] : least;
    for (int choice = 0; choice < SKYLINE_CHOICES; choice++) {
        place(pieces, COUNT, (SkylineChoice)choice);
        check_apart(pieces, COUNT);
        ck_assert_int_ge(top_of(pieces, COUNT), least);
        ck_assert_int_lt(top_of(pieces, COUNT), sum);
    }
}
END_TEST

/* A network: what layer i keeps lives from phase i to phase 19 - i; all of one size. */
START_TEST(nested_lives_leave_no_hole) {
    Piece pieces[PHASES / 2 + 4];
    uint32_t count = 0;
    for (uint32_t i = 0; i < PHASES / 2; i++)
        pieces[count++] = (Piece){i, i, PHASES - 1 - i, 1000, 0};
    for (uint32_t i = 0; i < 4; i++) pieces[count++] = (Piece){100 + i, i, i, 1000, 0};
    place(pieces, count, SKYLINE_LONGEST);
    check_apart(pieces, count);
    ck_assert_int_eq(top_of(pieces, count), 1000 * PHASES / 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("skyline");
    TCase *t = tcase_create("skyline");
    tcase_add_loop_test(t, random_boxes, 0, 50);
    tcase_add_test(t, nested_lives_leave_no_hole);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
