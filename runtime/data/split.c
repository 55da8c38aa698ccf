/* Dividing rows. The part that is divided (the base) is the train files, or without those the files
 * named for all. Train, valid and test take their rows from the base in this order: `random` from
 * the base in shuffled order, `blocks` from the front on; each then holds its rows in file order. A
 * split with files of its own is those files. */
#include "runtime/data/split.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/data/shuffle.h"

static const BmrtSplit order_of_splits[] = {BMRT_SPLIT_TRAIN, BMRT_SPLIT_VALID, BMRT_SPLIT_TEST};
static const char *const split_names[BMRT_SPLIT_COUNT] = {"all", "train", "valid", "test"};

static bool has_files(const BmrtData *recipe, BmrtSplit part) {
    for (uint32_t i = 0; i < recipe->source_count; i++)
        if (recipe->sources[i].split == part) return true;
    return false;
}

static BmrtSplit base_part(const BmrtData *recipe) {
    return has_files(recipe, BMRT_SPLIT_TRAIN) ? BMRT_SPLIT_TRAIN : BMRT_SPLIT_ALL;
}

static bool takes_rows(const BmrtData *recipe, BmrtSplit split) {
    if (recipe->split.kind == BMRT_SPLITBY_NONE) return split == BMRT_SPLIT_TRAIN;
    if (recipe->split.kind == BMRT_SPLITBY_FOLDS) return split != BMRT_SPLIT_TEST;
    return split == BMRT_SPLIT_TRAIN || recipe->split.part[split] > 0;
}

BmrtStatus bmrt_split_parts(const BmrtData *recipe, unsigned wanted, unsigned *parts,
                            BmrtFault *fault) {
    const BmrtSplit base = base_part(recipe);
    *parts = 0;
    for (int split = 0; split < BMRT_SPLIT_COUNT; split++) {
        if (!(wanted & 1u << split)) continue;
        const bool own = split != BMRT_SPLIT_ALL && split != BMRT_SPLIT_TRAIN &&
                         has_files(recipe, (BmrtSplit)split);
        const bool taken = split == BMRT_SPLIT_ALL || takes_rows(recipe, (BmrtSplit)split);
        if (own && split != BMRT_SPLIT_TRAIN && taken)
            return bmrt_fail(&fault->message, BMRT_ARGUMENT,
                             "data `%s`: the %s rows come from files and from `split:` as well",
                             recipe->name, split_names[split]);
        if (own)
            *parts |= 1u << split;
        else if (taken && has_files(recipe, base))
            *parts |= 1u << base;
    }
    return BMRT_OK;
}

/* Rows of each split: part < 1: that fraction, rounded; >= 1: so many; train 0: the rest. */
static BmrtStatus count_rows(const BmrtDataset *data, int64_t rows, int64_t *counts,
                             BmrtFault *fault) {
    const BmrtSplitRule *rule = &data->recipe->split;
    int64_t taken = 0;
    bool fits = true;
    for (int split = BMRT_SPLIT_TRAIN; split < BMRT_SPLIT_COUNT; split++) {
        const double part = rule->part[split];
        /* !(part >= 0) also refuses NaN; more rows than there are is caught below. */
        if (!(part >= 0) || part > (double)UINT32_MAX) fits = false;
        counts[split] = !fits ? 0 : part < 1 ? (int64_t)(part * (double)rows + 0.5) : (int64_t)part;
        taken += counts[split];
    }
    if (fits && rule->part[BMRT_SPLIT_TRAIN] <= 0) {
        counts[BMRT_SPLIT_TRAIN] = rows - taken;
        fits = rows - taken > 0;
        taken = rows;
    } else if (taken > rows && taken - rows <= 2) { /* 0.5 + 0.5 of an odd number */
        counts[BMRT_SPLIT_TRAIN] -= taken - rows;
        taken = rows;
    }
    for (int split = BMRT_SPLIT_VALID; split < BMRT_SPLIT_COUNT; split++)
        fits = fits && (rule->part[split] <= 0 || counts[split] > 0);
    if (fits && taken <= rows && counts[BMRT_SPLIT_TRAIN] > 0) return BMRT_OK;
    return bmrt_fail(&fault->message, BMRT_ARGUMENT,
                     "data `%s`: its %lld rows cannot be split into train %g, valid %g, test %g",
                     data->recipe->name, (long long)rows, rule->part[BMRT_SPLIT_TRAIN],
                     rule->part[BMRT_SPLIT_VALID], rule->part[BMRT_SPLIT_TEST]);
}

static int ascending(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static BmrtStatus deal(BmrtDataset *data, BmrtSplit base, const uint32_t *all,
                       const int64_t *counts, BmrtFault *fault) {
    int64_t at = 0;
    for (int i = 0; i < 3; i++) {
        const BmrtSplit split = order_of_splits[i];
        BmrtRows *rows = &data->splits[split];
        if (counts[split] == 0) continue;
        *rows = (BmrtRows){.part = base, .count = counts[split], .present = 1};
        rows->order = bmrt_new(data->hooks, rows->count, sizeof *rows->order);
        if (!rows->order)
            return bmrt_fail(&fault->message, BMRT_MEMORY, "no memory to split the data");
        for (int64_t r = 0; r < rows->count; r++) rows->order[r] = all[at + r];
        qsort(rows->order, (size_t)rows->count, sizeof *rows->order, ascending);
        at += rows->count;
    }
    return BMRT_OK;
}

static BmrtStatus split_base(BmrtDataset *data, BmrtSplit base, BmrtFault *fault) {
    const BmrtSplitRule *rule = &data->recipe->split;
    const int64_t rows = data->kept[base].count;
    int64_t counts[BMRT_SPLIT_COUNT] = {0};
    BmrtStatus status = count_rows(data, rows, counts, fault);
    if (status != BMRT_OK) return status;
    uint32_t *all = bmrt_new(data->hooks, rows, sizeof *all);
    if (!all) return bmrt_fail(&fault->message, BMRT_MEMORY, "no memory to split the data");
    for (int64_t r = 0; r < rows; r++)
        all[r] = data->kept[base].order ? data->kept[base].order[r] : (uint32_t)r;
    if (rule->kind == BMRT_SPLITBY_RANDOM) bmrt_shuffle(all, rows, BMRT_FOR_SPLIT, rule->seed, 0);
    status = deal(data, base, all, counts, fault);
    bmrt_delete(data->hooks, all, rows, sizeof *all);
    return status;
}

/* The rows that cleaning left of a part. */
static BmrtStatus whole_part(BmrtDataset *data, BmrtSplit part, BmrtRows *out, BmrtFault *fault) {
    *out = data->kept[part];
    if (!out->order) return BMRT_OK;
    out->order = bmrt_new(data->hooks, out->count, sizeof *out->order);
    if (!out->order) {
        *out = (BmrtRows){.present = 0};
        return bmrt_fail(&fault->message, BMRT_MEMORY, "no memory to split the data");
    }
    memcpy(out->order, data->kept[part].order, (size_t)out->count * sizeof *out->order);
    return BMRT_OK;
}

BmrtStatus bmrt_split_rows(BmrtDataset *data, uint32_t fold, BmrtFault *fault) {
    const BmrtSplit base = base_part(data->recipe);
    BmrtStatus status = BMRT_OK;
    for (int split = BMRT_SPLIT_VALID; status == BMRT_OK && split < BMRT_SPLIT_COUNT; split++)
        if (data->fields[split])
            status = whole_part(data, (BmrtSplit)split, &data->splits[split], fault);
    if (!data->fields[base] || status != BMRT_OK) return status;
    status = whole_part(data, base, &data->splits[BMRT_SPLIT_ALL], fault);
    if (status != BMRT_OK) return status;
    if (data->recipe->split.kind == BMRT_SPLITBY_FOLDS)
        return bmrt_split_folds(data, base, fold, fault);
    if (data->recipe->split.kind != BMRT_SPLITBY_NONE) return split_base(data, base, fault);
    return whole_part(data, base, &data->splits[BMRT_SPLIT_TRAIN], fault);
}
