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
BmrtStatus bmrt_number_categories(BmrtDataset *data, BmrtHandle *handle, BmrtFault *fault);

#endif
