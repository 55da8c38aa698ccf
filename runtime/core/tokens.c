/* What a word is. The rules see bytes: ASCII letters are the only ones made small, and what is not
 * ASCII counts as letters, so the same text gives the same words whatever the machine's locale. */
#include "runtime/core/tokens.h"

#include <string.h>

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter(char c) {
    return (unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

/* Inside a character of UTF-8. */
static bool continues(char c) {
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Where a word that begins at `at` ends. */
typedef const char *(*WordEnd)(const char *at, const char *end);

static const char *end_of_letters(const char *at, const char *end) {
    if (!is_letter(*at)) return at + 1;
    while (at < end && is_letter(*at)) at++;
    return at;
}

static const char *end_of_visible(const char *at, const char *end) {
    while (at < end && !is_space(*at)) at++;
    return at;
}

static const char *end_of_character(const char *at, const char *end) {
    int bytes = 1;
    for (at++; at < end && bytes < 4 && continues(*at); bytes++) at++;
    return at;
}

static const struct {
    WordEnd end;
    bool skips_space, small;
} RULES[] = {[BMRT_TOKENS_WORDS] = {end_of_letters, true, true},
             [BMRT_TOKENS_SPACES] = {end_of_visible, true, false},
             [BMRT_TOKENS_CHARACTERS] = {end_of_character, false, false}};

void bmrt_tokens_open(BmrtTokens *t, BmrtTokenRule rule, const char *text, size_t length) {
    t->rule = rule;
    t->at = text;
    t->end = text + length;
    t->length = 0;
}

bool bmrt_tokens_next(BmrtTokens *t) {
    while (RULES[t->rule].skips_space && t->at < t->end && is_space(*t->at)) t->at++;
    if (t->at == t->end) return false;
    const char *stop = RULES[t->rule].end(t->at, t->end);
    if (stop - t->at > BMRT_WORD_MAX) {
        stop = t->at + BMRT_WORD_MAX;
        while (stop > t->at + BMRT_WORD_MAX - 3 && continues(*stop)) stop--;
    }
    t->length = (size_t)(stop - t->at);
    memcpy(t->word, t->at, t->length);
    for (size_t i = 0; RULES[t->rule].small && i < t->length; i++)
        if (t->word[i] >= 'A' && t->word[i] <= 'Z') t->word[i] = (char)(t->word[i] | 0x20);
    t->at = stop;
    return true;
}

void bmrt_tokens_number(BmrtTokenRule rule, const BmrtNames *vocabulary, const char *text,
                        int64_t count, int32_t *out) {
    BmrtTokens t;
    bmrt_tokens_open(&t, rule, text, strlen(text));
    for (int64_t i = 0; i < count; i++)
        out[i] = bmrt_tokens_next(&t) ? (int32_t)(bmrt_names_find(vocabulary, t.word, t.length) + 1)
                                      : -1;
}
