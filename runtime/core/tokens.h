/* Words of a text, for fields that `tokens` reads. Training and serving cut by the same code. */
#ifndef BMRT_TOKENS_H
#define BMRT_TOKENS_H

#include "runtime/core/names.h"

enum { BMRT_WORD_MAX = 255 }; /* bytes; a longer one goes on as another word */

typedef struct BmrtTokens {
    BmrtTokenRule rule;
    const char *at, *end;
    char word[BMRT_WORD_MAX + 1];
    size_t length; /* of word, which has no zero byte at its end */
} BmrtTokens;

/* `text` stays the caller's. */
void bmrt_tokens_open(BmrtTokens *t, BmrtTokenRule rule, const char *text, size_t length);
/* The next word, in t->word; false: there is none. */
bool bmrt_tokens_next(BmrtTokens *t);
/* out[0 .. count): 1 + each word's place in the vocabulary, 0 for one that is not in it, -1 behind
 * the last. text ends with a zero byte. */
void bmrt_tokens_number(BmrtTokenRule rule, const BmrtNames *vocabulary, const char *text,
                        int64_t count, int32_t *out);

#endif
