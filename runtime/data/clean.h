/* Cleaning: which rows are left out, and what the numbers of categories are. */
#ifndef BMRT_CLEAN_H
#define BMRT_CLEAN_H

#include "runtime/data/dataset.h"

enum { BMRT_DEDUP_MAX = 256 };

/* Fills data->kept[part] and the counts: `drop:` first, then `dedup:`. */
BmrtStatus bmrt_clean_part(BmrtDataset *data, BmrtSplit part, BmrtHandle *handle,
                           BmrtMessage *message);
/* Raw numbers (order of appearance in the files) to final ones: 1 ... by first appearance in the
 * train rows, or by the vocabulary that came with the weights; everything else 0. */
BmrtStatus bmrt_number_categories(BmrtDataset *data, BmrtHandle *handle, const BmrtPaths *paths,
                                  BmrtFault *fault);
/* map[raw number]: the final one in a vocabulary. */
void bmrt_number_by_vocabulary(const BmrtDataset *data, uint32_t field, int32_t *map,
                               const BmrtNames *vocabulary);
/* words.c: the numbers of a TOKENS field, by its file of words, or by how often a word stands in
 * the train rows. vocabulary: receives the words; NULL: nobody keeps them. */
BmrtStatus bmrt_number_by_file(const BmrtDataset *data, uint32_t field, const BmrtPaths *paths,
                               int32_t *map, BmrtNames *vocabulary, BmrtFault *fault);
BmrtStatus bmrt_number_by_frequency(const BmrtDataset *data, uint32_t field, int32_t *map,
                                    BmrtNames *vocabulary, BmrtMessage *message);

#endif
