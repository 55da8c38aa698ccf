/* Which files a split needs, and which rows it gets. */
#ifndef BMRT_SPLIT_H
#define BMRT_SPLIT_H

#include "runtime/data/dataset.h"

/* Bits of the parts (sources by their split) that must be loaded for the wanted splits. */
BmrtStatus bmrt_split_parts(const BmrtData *recipe, unsigned wanted, unsigned *parts,
                            BmrtFault *fault);
/* Fills data->splits from what is loaded. */
BmrtStatus bmrt_split_rows(BmrtDataset *data, uint32_t fold, BmrtFault *fault);
/* folds.c: fold number `fold` of the base part's rows is valid, the others are train. */
BmrtStatus bmrt_split_folds(BmrtDataset *data, BmrtSplit base, uint32_t fold, BmrtFault *fault);

#endif
