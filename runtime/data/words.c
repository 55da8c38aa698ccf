/* The vocabulary of a field that `tokens` reads: a file of words, or the most frequent words of the
 * train rows. */
#include <stdlib.h>
#include <string.h>

#include "runtime/data/clean.h"
#include "runtime/data/csv.h"

static BmrtStatus no_memory(const BmrtDataset *data, uint32_t f, BmrtMessage *message) {
    return bmrt_fail(message, BMRT_MEMORY, "no memory for the words of field `%s`",
                     data->recipe->fields[f].name);
}

/* ------------------------------------------------------------------ a file, one word a line */

static BmrtStatus add_line(BmrtCsv *file, const BmrtField *field, BmrtNames *words) {
    const BmrtCell *cell = &file->cells[0];
    const int64_t before = words->count;
    if (cell->length == 0) return bmrt_csv_fail(file, cell->line, 1, "a word is missing here");
    if (before == field->category_max)
        return bmrt_csv_fail(file, cell->line, 1,
                             "more than %lld words: `max` of `%s` is too small",
                             (long long)field->category_max, field->name);
    const int64_t number = bmrt_names_add(words, cell->text, (size_t)cell->length);
    if (number < 0) return bmrt_fail(file->message, BMRT_MEMORY, "no memory for the words");
    if (number < before)
        return bmrt_csv_fail(file, cell->line, 1, "the word `%.60s` stands twice",
                             bmrt_names_get(words, number));
    return BMRT_OK;
}

static BmrtStatus read_words(const BmrtHooks *hooks, const BmrtField *field, const char *path,
                             BmrtNames *words, BmrtMessage *message) {
    BmrtCsv file;
    int64_t count = 0;
    BmrtStatus status = bmrt_csv_open(&file, hooks, path, '\n', message);
    if (status == BMRT_OK) status = bmrt_csv_next(&file, &count);
    while (status == BMRT_OK && count > 0) {
        status = add_line(&file, field, words);
        if (status == BMRT_OK) status = bmrt_csv_next(&file, &count);
    }
    if (status == BMRT_OK && words->count == 0)
        status = bmrt_fail(message, BMRT_FORMAT, "%s holds no words", file.stream.name);
    bmrt_csv_close(&file);
    return status;
}

BmrtStatus bmrt_number_by_file(const BmrtDataset *data, uint32_t f, const BmrtPaths *paths,
                               int32_t *map, BmrtNames *vocabulary, BmrtFault *fault) {
    const BmrtField *field = &data->recipe->fields[f];
    char path[BMRT_PATH_MAX];
    BmrtNames own;
    fault->line = field->line;
    fault->column = field->column;
    BmrtStatus status = bmrt_path_resolve(paths, field->words_path, path, &fault->message);
    if (status != BMRT_OK) return status;
    bmrt_names_open(&own, data->hooks);
    BmrtNames *words = vocabulary ? vocabulary : &own;
    status = read_words(data->hooks, field, path, words, &fault->message);
    if (status == BMRT_OK) bmrt_number_by_vocabulary(data, f, map, words);
    bmrt_names_free(&own);
    if (status == BMRT_OK) fault->line = fault->column = 0;
    return status;
}

/* ------------------------------------------------------------------ the most frequent words */

typedef struct Word {
    int64_t count, first; /* times in the train rows; its first place there */
    int64_t raw;
} Word;

/* More frequent first, then earlier first: no two are equal, so any sort gives one order. */
static int compare_words(const void *a, const void *b) {
    const Word *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

static void count_words(const BmrtDataset *data, uint32_t f, Word *words) {
    const BmrtRows *train = &data->splits[BMRT_SPLIT_TRAIN];
    const int32_t *cells = (const int32_t *)(const void *)data->fields[train->part][f].block.data;
    const int64_t n = data->recipe->fields[f].dims[0];
    for (int64_t r = 0; r < train->count; r++) {
        const int64_t row = train->order ? train->order[r] : r;
        for (int64_t i = 0; i < n && cells[row * n + i] > 0; i++) {
            Word *word = &words[cells[row * n + i] - 1];
            if (word->count++ == 0) word->first = r * n + i;
        }
    }
}

BmrtStatus bmrt_number_by_frequency(const BmrtDataset *data, uint32_t f, int32_t *map,
                                    BmrtNames *vocabulary, BmrtMessage *message) {
    const int64_t count = data->names[f].count, most = data->recipe->fields[f].category_max;
    Word *words = bmrt_new(data->hooks, count, sizeof *words);
    if (!words) return no_memory(data, f, message);
    for (int64_t i = 0; i < count; i++) words[i].raw = i + 1;
    count_words(data, f, words);
    if (count) qsort(words, (size_t)count, sizeof *words, compare_words);
    BmrtStatus status = BMRT_OK;
    for (int64_t i = 0; status == BMRT_OK && i < count && i < most && words[i].count > 0; i++) {
        const char *word = bmrt_names_get(&data->names[f], words[i].raw - 1);
        map[words[i].raw] = (int32_t)(i + 1);
        if (vocabulary && bmrt_names_add(vocabulary, word, strlen(word)) < 0)
            status = no_memory(data, f, message);
    }
    bmrt_delete(data->hooks, words, count, sizeof *words);
    return status;
}
