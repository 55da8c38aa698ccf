/* Sequences: arguments from every source, rows of every thread, loops in loops, guards. The kernels
 * here write down how they were called. */
#include "runtime/include/sequence.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = 256, WORDS = 8 };
typedef struct Note {
    uint64_t words[WORDS];
    int64_t lo, hi;
} Note;
static Note notes[NOTES];
static uint32_t note_count;
static uint32_t words_noted;

static void kernel_note(const uint64_t *words, int64_t lo, int64_t hi, BmrtFrame *frame) {
    ck_assert_ptr_nonnull(frame);
    ck_assert_uint_lt(note_count, NOTES);
    Note *n = &notes[note_count++];
    n->lo = lo;
    n->hi = hi;
    memcpy(n->words, words, words_noted * sizeof *words);
}

/* ---- a sequence in the making */
static BmrtStep steps[32];
static BmrtWord words[32];
static BmrtLoop loops[4];
static BmrtShare shares[4];
static const BmrtKernelFn kernels[] = {kernel_note};
static const uint32_t first_symbol[] = {0};
static const BmrtTerm seven = {7, 0, 0, NULL, NULL}, symbol = {1, 1, 0, first_symbol, NULL},
                      twice = {2, 1, 0, first_symbol, NULL};
static BmrtDim one_term(const BmrtTerm *term) {
    return (BmrtDim){1, term};
}
static BmrtSequence s;
static BmrtFrame frame;
static uint32_t flags;
static uint64_t room[64];

static void setup(void) {
    memset(steps, 0, sizeof steps);
    s = (BmrtSequence){
        .steps = steps, .words = words, .kernels = kernels, .shares = shares, .loops = loops};
    flags = 0;
    frame = (BmrtFrame){.flags = &flags};
    note_count = 0;
    words_noted = 0;
}

static void step(BmrtStepKind kind, uint32_t number, uint32_t first, uint32_t count,
                 uint16_t share) {
    steps[s.step_count++] = (BmrtStep){
        .kind = (uint8_t)kind, .number = number, .first = first, .words = count, .share = share};
}

static void run(int32_t thread, int32_t threads) {
    ck_assert_uint_le(BMRT_SEQUENCE_ROOM(&s), sizeof room / sizeof room[0]);
    memset(room, 0xEE, sizeof room);
    bmrt_sequence_run(&s, &frame, thread, threads, room);
    for (size_t i = BMRT_SEQUENCE_ROOM(&s); i < sizeof room / sizeof room[0]; i++)
        ck_assert_uint_eq(room[i], UINT64_C(0xEEEEEEEEEEEEEEEE)); /* stays in its room */
}

START_TEST(arguments_of_every_source) {
    char arena[1], slots[1], in[1], out[1], table[1];
    int64_t offsets[] = {64, 128}, symbols[] = {5, 6};
    uint64_t constants[] = {256, 512, UINT64_MAX - 1};
    const void *inputs[] = {NULL, in}, *tables[] = {table};
    void *outputs[] = {out};
    frame.arena = arena;
    frame.slots = slots;
    frame.offsets = offsets;
    frame.symbols = symbols;
    frame.inputs = inputs;
    frame.outputs = outputs;
    s.constants = constants;
    s.tables = tables;
    const BmrtWord all[] = {{BMRT_FROM_ARENA, 1},   {BMRT_FROM_SLOTS, 1}, {BMRT_FROM_INPUT, 1},
                            {BMRT_FROM_OUTPUT, 0},  {BMRT_FROM_TABLE, 0}, {BMRT_FROM_SYMBOL, 1},
                            {BMRT_FROM_CONSTANT, 2}};
    memcpy(words, all, sizeof all);
    s.words_max = words_noted = 7;
    step(BMRT_STEP_RUN, 0, 0, 7, BMRT_SHARE_ALONE);
    run(0, 1);
    ck_assert_uint_eq(note_count, 1);
    const uint64_t *w = notes[0].words;
    ck_assert_uint_eq(w[0], (uintptr_t)arena + 128);
    ck_assert_uint_eq(w[1], (uintptr_t)slots + 512);
    ck_assert_uint_eq(w[2], (uintptr_t)in);
    ck_assert_uint_eq(w[3], (uintptr_t)out);
    ck_assert_uint_eq(w[4], (uintptr_t)table);
    ck_assert_uint_eq(w[5], 6);
    ck_assert_uint_eq(w[6], UINT64_MAX - 1);
    ck_assert_int_eq(notes[0].lo, 0);
    ck_assert_int_eq(notes[0].hi, 1);
}
END_TEST

static uint32_t meetings;
static void barrier_count(BmrtFrame *f, int32_t thread) {
    (void)f, (void)thread;
    meetings++;
}

START_TEST(rows_of_every_thread) {
    frame.barrier = barrier_count;
    static const BmrtTerm *const extents[] = {&seven, &symbol, &twice};
    for (int e = 0; e < 3; e++)
        for (int64_t batch = 0; batch < 40; batch++)
            for (int32_t threads = 1; threads <= 5; threads++)
                for (int64_t grain = 1; grain <= 8; grain *= 2) {
                    setup();
                    frame.symbols = &batch;
                    shares[0] = (BmrtShare){one_term(extents[e]), grain};
                    s.share_count = 1;
                    step(BMRT_STEP_RUN, 0, 0, 0, 0);
                    int64_t extent = e == 0 ? 7 : e * batch, at = 0;
                    for (int32_t t = 0; t < threads; t++) run(t, threads);
                    for (uint32_t i = 0; i < note_count; i++) { /* side by side, and all of them */
                        ck_assert_int_eq(notes[i].lo, at);
                        ck_assert_int_gt(notes[i].hi, at);
                        ck_assert(notes[i].hi % grain == 0 || notes[i].hi == extent);
                        at = notes[i].hi;
                    }
                    ck_assert_int_eq(at, extent);
                }
}
END_TEST

/* Two kernels together, three rows at a time; a third by itself. */
START_TEST(strips_of_rows) {
    frame.barrier = barrier_count;
    for (int64_t batch = 0; batch < 20; batch++)
        for (int32_t threads = 1; threads <= 3; threads++) {
            setup();
            frame.symbols = &batch;
            shares[0] = (BmrtShare){one_term(&symbol), 2};
            s.share_count = 1;
            for (int i = 0; i < 3; i++) step(BMRT_STEP_RUN, 0, 0, 0, 0);
            steps[0].together = 2;
            steps[0].rows = 3;
            int64_t at = 0;
            for (int32_t t = 0; t < threads; t++) {
                uint32_t first = note_count, i;
                run(t, threads);
                for (i = first; i + 1 < note_count; i += 2) { /* both, on the same rows */
                    ck_assert_int_eq(notes[i].lo, at);
                    ck_assert_int_eq(notes[i + 1].lo, at);
                    ck_assert_int_eq(notes[i].hi, notes[i + 1].hi);
                    ck_assert_int_le(notes[i].hi - at, 3);
                    at = notes[i].hi;
                }
                if (note_count == first) continue;
                ck_assert_uint_eq(i + 1, note_count);
                ck_assert_int_eq(notes[i].lo, notes[first].lo);
                ck_assert_int_eq(notes[i].hi, at);
            }
            ck_assert_int_eq(at, batch);
        }
}
END_TEST

START_TEST(only_thread_0_runs_what_is_not_shared) {
    frame.barrier = barrier_count;
    step(BMRT_STEP_RUN, 0, 0, 0, BMRT_SHARE_ALONE);
    step(BMRT_STEP_BARRIER, 0, 0, 0, 0);
    meetings = 0;
    run(1, 2);
    ck_assert_uint_eq(note_count, 0);
    ck_assert_uint_eq(meetings, 1);
    run(0, 2);
    ck_assert_uint_eq(note_count, 1);
    ck_assert_uint_eq(meetings, 2);
    run(0, 1); /* meets nobody */
    ck_assert_uint_eq(meetings, 2);
}
END_TEST

/* 3 times { 2 times backwards { note } ; B times { note } } */
static void nested(int64_t *batch) {
    static const BmrtTerm three = {3, 0, 0, NULL, NULL}, two = {2, 0, 0, NULL, NULL};
    frame.symbols = batch;
    loops[0] = (BmrtLoop){one_term(&three), 0, 0};
    loops[1] = (BmrtLoop){one_term(&two), 1, 1};
    loops[2] = (BmrtLoop){one_term(&symbol), 1, 0};
    words[0] = (BmrtWord){BMRT_FROM_COUNT, 0};
    words[1] = (BmrtWord){BMRT_FROM_COUNT, 1};
    s.loop_depth = 2;
    s.words_max = words_noted = 2;
    step(BMRT_STEP_LOOP_BEGIN, 0, 7, 0, 0);
    step(BMRT_STEP_LOOP_BEGIN, 1, 3, 0, 0);
    step(BMRT_STEP_RUN, 0, 0, 2, BMRT_SHARE_ALONE);
    step(BMRT_STEP_LOOP_END, 1, 1, 0, 0);
    step(BMRT_STEP_LOOP_BEGIN, 2, 6, 0, 0);
    step(BMRT_STEP_RUN, 0, 0, 2, BMRT_SHARE_ALONE);
    step(BMRT_STEP_LOOP_END, 2, 4, 0, 0);
    step(BMRT_STEP_LOOP_END, 0, 0, 0, 0);
    step(BMRT_STEP_RUN, 0, 0, 0, BMRT_SHARE_ALONE);
}

START_TEST(loops_in_loops) {
    for (int64_t batch = 0; batch <= 3; batch++) {
        setup();
        nested(&batch);
        run(0, 1);
        uint32_t at = 0;
        for (uint64_t i = 0; i < 3; i++) {
            for (uint64_t j = 0; j < 2; j++, at++) {
                ck_assert_uint_eq(notes[at].words[0], i);
                ck_assert_uint_eq(notes[at].words[1], 1 - j);
            }
            for (uint64_t j = 0; j < (uint64_t)batch; j++, at++) {
                ck_assert_uint_eq(notes[at].words[0], i);
                ck_assert_uint_eq(notes[at].words[1], j);
            }
        }
        ck_assert_uint_eq(note_count, at + 1); /* and the one behind the loops */
    }
}
END_TEST

START_TEST(guards) {
    const float narrow[] = {1e30f, INFINITY, -INFINITY, NAN};
    const double wide[] = {1e300, (double)INFINITY, -(double)INFINITY, (double)NAN};
    for (int w = 0; w < 2; w++)
        for (int i = 0; i < 4; i++) {
            setup();
            const void *inputs[] = {w ? (const void *)&wide[i] : (const void *)&narrow[i]};
            frame.inputs = inputs;
            frame.skip = 99;
            words[0] = (BmrtWord){BMRT_FROM_INPUT, 0};
            step(BMRT_STEP_GUARD, 0, 0, w ? 2 : 1, 0);
            step(BMRT_STEP_RUN, 0, 0, 0, BMRT_SHARE_ALONE);
            run(0, 1);
            ck_assert_uint_eq(note_count, i == 0 ? 1 : 0);
            ck_assert_uint_eq(flags, i == 0 ? 0 : BMRT_FLAG_NONFINITE);
            ck_assert_int_eq(frame.skip != 0, i != 0);
        }
}
END_TEST

/* ---- marks */
static uint32_t marks[64], mark_count;
static void mark_note(void *user, int32_t thread, int32_t threads, uint32_t position) {
    ck_assert_ptr_eq(user, marks);
    ck_assert_int_eq(thread, 0);
    ck_assert_int_eq(threads, 1);
    marks[mark_count++] = position;
}

START_TEST(marks_tell_which_step_is_done) {
    int64_t batch = 1;
    nested(&batch);
    mark_count = 0;
    bmrt_sequence_mark(&s, &frame, 0, 1, room, mark_note, marks);
    const uint32_t expected[] = {BMRT_MARK_BEGIN, 2, 2, 5, 2, 2, 5, 2, 2, 5, 8, BMRT_MARK_END};
    ck_assert_uint_eq(mark_count, sizeof expected / sizeof expected[0]);
    ck_assert_mem_eq(marks, expected, sizeof expected);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sequence");
    TCase *t = tcase_create("sequence");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, arguments_of_every_source);
    tcase_add_test(t, rows_of_every_thread);
    tcase_add_test(t, strips_of_rows);
    tcase_add_test(t, only_thread_0_runs_what_is_not_shared);
    tcase_add_test(t, loops_in_loops);
    tcase_add_test(t, guards);
    tcase_add_test(t, marks_tell_which_step_is_done);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
