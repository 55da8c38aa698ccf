/* Every word of the language that no definition of the standard library explains: functions of the
 * compiler, operators, types, keywords, sources and settings. One table (words_*.def), for `bmc
 * help`, for editors, and for the test that compiles every example. */
#ifndef BMC_SEMA_WORDS_H
#define BMC_SEMA_WORDS_H

#include "compiler/support/text.h"

typedef enum WordKind { /* where it stands, and so what its example is (words_*.def) */
                        WORD_FUNCTION,
                        WORD_BODY,
                        WORD_DATA,
                        WORD_TRAIN,
                        WORD_FILE
} WordKind;

typedef struct WordInfo {
    const char *name, *other; /* other: a second name, or NULL */
    WordKind kind;
    const char *signature, *text;
    const char *example; /* NULL: it cannot stand without other files */
} WordInfo;

const WordInfo *word_at_number(uint32_t i);  /* NULL past the last */
const WordInfo *word_find(const char *name); /* by either name; NULL: none */
void word_page(Text *out, const WordInfo *word);
/* All of them by where they stand, in one line each. */
void word_list(Text *out);

#endif
