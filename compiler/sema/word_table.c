#include "compiler/sema/word_table.h"

#include <string.h>

static const WordInfo WORDS[] = {
#define WORD(name, other, kind, signature, text, example)                                          \
    {name, other, WORD_##kind, signature, text, example},
#include "compiler/sema/words_data.def"
#include "compiler/sema/words_file.def"
#include "compiler/sema/words_functions.def"
#include "compiler/sema/words_operators.def"
#include "compiler/sema/words_train.def"
#undef WORD
};
enum { WORD_COUNT = sizeof WORDS / sizeof *WORDS, LINE_WIDTH = 90 };

static const char *const PLACES[] = {[WORD_FUNCTION] = "in expressions",
                                     [WORD_BODY] = "in functions, layers and steps",
                                     [WORD_DATA] = "in data blocks",
                                     [WORD_TRAIN] = "in train blocks",
                                     [WORD_FILE] = "in files"};

const WordInfo *word_at_number(uint32_t i) {
    return i < WORD_COUNT ? &WORDS[i] : NULL;
}

const WordInfo *word_find(const char *name) {
    for (uint32_t i = 0; i < WORD_COUNT; i++)
        if (strcmp(WORDS[i].name, name) == 0) return &WORDS[i];
    for (uint32_t i = 0; i < WORD_COUNT; i++)
        if (WORDS[i].other && strcmp(WORDS[i].other, name) == 0) return &WORDS[i];
    return NULL;
}

/* In lines of at most LINE_WIDTH characters. */
static void put_wrapped(Text *out, const char *text) {
    size_t column = 0;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (column && column + 1 + length > LINE_WIDTH) {
            text_char(out, '\n');
            column = 0;
        } else if (column) {
            text_char(out, ' ');
            column++;
        }
        text_add_n(out, text, length);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    text_char(out, '\n');
}

void word_page(Text *out, const WordInfo *word) {
    text_printf(out, "%s    (%s)\n\n", word->signature, PLACES[word->kind]);
    put_wrapped(out, word->text);
    if (!word->example) return;
    text_add(out, "\nexample\n  ");
    for (const char *at = word->example; *at; at++) {
        text_char(out, *at);
        if (*at == '\n') text_add(out, "  ");
    }
    text_char(out, '\n');
}

void word_list(Text *out) {
    for (size_t kind = 0; kind < sizeof PLACES / sizeof *PLACES; kind++) {
        Text names = {.arena = out->arena};
        for (uint32_t i = 0; i < WORD_COUNT; i++)
            if (WORDS[i].kind == (WordKind)kind) text_printf(&names, " %s", WORDS[i].name);
        text_printf(out, "%s%s\n", kind ? "\n" : "", PLACES[kind]);
        put_wrapped(out, text_str(&names) + 1);
    }
}
