/* Which files a split needs, and which rows it gets. */
#ifndef BMRT_SPLIT_H
#define BMRT_SPLIT_H

#include "runtime/data/dataset.h"

/* Bits of the parts (sources by their split) that must be loaded for the wanted splits. */
BmrtStatus bmrt_split_parts(const BmrtData *recipe, unsigned wanted, unsigned *parts,
                            BmrtFault *fault);
/* Fills data->splits from what is loaded. */
BmrtStatus bmrt_split_rows(BmrtDataset *data, BmrtFault *fault);

#endif
