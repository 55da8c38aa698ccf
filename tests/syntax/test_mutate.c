/* Damaged programs: thousands of deterministic byte edits of the corpus and of the faulty programs.
 * Nothing may crash, leak or hang; what still parses must be formatted the same twice. Run under
 * the sanitize preset this looks at every byte that is read. BMC_MUTATIONS sets the count. */
#include "syntax_helper.h"
#include <time.h>

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static const char *const SNIPPETS[] = {
    "(",     ")",      "[",     "]",     "{",    "}",         "\n",     " ",     "|>",
    "->",    ":",      ":=",    "=",     "...",  ",",         ";",      "\"",    "#",
    "'",     "0x",     "1e",    "_",     "let ", "fn ",       "train ", "if ",   "else ",
    "scan ", "along ", "with ", "over ", "not ", "export ",   "\xff",   "\xc3",  "\xe2\x80\x9c",
    "\t",    "\r\n",   "@",     "^",     "-",    "repeat 2 ", "where ", "param "};

/* Damages text in place (capacity is large enough); returns the new length. */
static uint32_t damage(char *text, uint32_t len, uint64_t *state) {
    uint32_t edits = 1 + (uint32_t)(next_random(state) % 3);
    for (uint32_t e = 0; e < edits; e++) {
        uint32_t at = len ? (uint32_t)(next_random(state) % len) : 0;
        uint32_t span = (uint32_t)(next_random(state) % 12);
        switch (next_random(state) % 5) {
        case 0: /* another byte */
            if (len) text[at] = (char)next_random(state);
            break;
        case 1: /* less */
            if (at + span > len) span = len - at;
            memmove(text + at, text + at + span, len - at - span);
            len -= span;
            break;
        case 2: /* cut off */
            if (next_random(state) % 8 == 0) len = at;
            break;
        case 3: { /* a part said twice */
            if (at + span > len) span = len - at;
            memmove(text + at + span, text + at, len - at);
            len += span;
            break;
        }
        default: { /* something in between */
            const char *piece = SNIPPETS[next_random(state) % (sizeof SNIPPETS / sizeof *SNIPPETS)];
            uint32_t size = (uint32_t)strlen(piece);
            memmove(text + at + size, text + at, len - at);
            memcpy(text + at, piece, size);
            len += size;
        }
        }
    }
    return len;
}

static void try_text(const char *text, uint32_t len, uint32_t *accepted) {
    Context *ctx = context_create();
    uint32_t file = add_text(ctx, "t.bm", text, len);
    Text once = {.arena = ctx->arena}, twice = {.arena = ctx->arena};
    if (syntax_format(ctx, file, &once)) {
        uint32_t again = add_text(ctx, "t.bm", text_str(&once), (uint32_t)once.len);
        ck_assert(syntax_format(ctx, again, &twice));
        ck_assert_msg(!strcmp(text_str(&once), text_str(&twice)), "--- once\n%s--- twice\n%s",
                      text_str(&once), text_str(&twice));
        ++*accepted;
    } else {
        ck_assert_uint_gt(diags_count(ctx->diags), 0);
        rendered(ctx);
    }
    context_destroy(ctx);
}

static void mutate_folder(const char *folder, uint32_t rounds, uint32_t *accepted) {
    Paths paths = list_files(folder, ".bm");
    ck_assert_uint_gt(paths.count, 0);
    for (size_t i = 0; i < paths.count; i++) {
        FileText file = read_file(paths.data[i]);
        char *text = malloc(file.len + 256);
        uint64_t state = 0x9e3779b97f4a7c15u ^ (i * 2654435761u);
        for (uint32_t round = 0; round < rounds; round++) {
            memcpy(text, file.data, file.len);
            uint32_t len = damage(text, file.len, &state);
            try_text(text, len, accepted);
        }
        free(text);
        free(file.data);
    }
    free_paths(paths);
}

START_TEST(damaged_programs) {
    const char *wanted = getenv("BMC_MUTATIONS");
    uint32_t rounds = wanted ? (uint32_t)atoi(wanted) : 1500, accepted = 0;
    mutate_folder(CORPUS, rounds, &accepted);
    mutate_folder(BMC_SOURCE_DIR "/tests/syntax/errors", rounds / 5, &accepted);
    ck_assert_uint_gt(accepted, 30);
}
END_TEST

/* Every prefix of every corpus file. */
START_TEST(cut_programs) {
    Paths paths = list_files(CORPUS, ".bm");
    uint32_t accepted = 0;
    for (size_t i = 0; i < paths.count; i++) {
        FileText file = read_file(paths.data[i]);
        for (uint32_t len = 0; len < file.len; len += 1 + file.len / 150)
            try_text(file.data, len, &accepted);
        free(file.data);
    }
    free_paths(paths);
}
END_TEST

START_TEST(noise) {
    static char bytes[1 << 16];
    uint64_t state = 42;
    uint32_t accepted = 0;
    for (int round = 0; round < 40; round++) {
        static const char ALPHABET[] = "ab1 \n\n(){}[],:;.=+-*/|>#\"xletfn";
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = round % 2 ? ALPHABET[next_random(&state) % (sizeof ALPHABET - 1)]
                                 : (char)next_random(&state);
        try_text(bytes, 1u << (round % 17), &accepted);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mutate");
    TCase *tests = tcase_create("mutate");
    tcase_set_timeout(tests, 280);
    tcase_add_test(tests, damaged_programs);
    tcase_add_test(tests, cut_programs);
    tcase_add_test(tests, noise);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
