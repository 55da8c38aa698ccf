/* k folds: the rows are shuffled, then ordered by their value of the field `by` (stable), then
 * dealt one to each fold in turn. So every fold has every value in proportion (to within one row),
 * and folds differ by at most one row. */
#include <stdlib.h>
#include <string.h>

#include "runtime/data/shuffle.h"
#include "runtime/data/split.h"

typedef struct Dealt {
    uint64_t value; /* bits of the field `by` */
    uint32_t at;    /* in the shuffled order */
    uint32_t row;
} Dealt;

static int compare_dealt(const void *a, const void *b) {
    const Dealt *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int compare_rows(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t value_of(const BmrtDataset *data, BmrtSplit base, int32_t field, uint32_t row) {
    uint64_t bits = 0;
    if (field < 0) return 0;
    const BmrtArray *a = &data->fields[base][field];
    const size_t size = bmrt_dtype_bytes(a->dtype);
    const size_t step = a->row_step ? (size_t)a->row_step : size;
    memcpy(&bits, a->block.data + row * step, size);
    return bits;
}

static bool take_fold(BmrtDataset *data, BmrtRows *out, BmrtSplit base, const Dealt *dealt,
                      int64_t count, uint32_t fold, bool inside) {
    const uint32_t folds = data->recipe->split.folds;
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) n += (i % folds == fold) == inside;
    uint32_t *order = bmrt_new(data->hooks, n, sizeof *order);
    if (!order) return false;
    *out = (BmrtRows){.part = base, .count = n, .order = order, .present = 1};
    n = 0;
    for (int64_t i = 0; i < count; i++)
        if ((i % folds == fold) == inside) order[n++] = dealt[i].row;
    qsort(order, (size_t)n, sizeof *order, compare_rows);
    return true;
}

BmrtStatus bmrt_split_folds(BmrtDataset *data, BmrtSplit base, uint32_t fold, BmrtFault *fault) {
    const BmrtSplitRule *rule = &data->recipe->split;
    const BmrtRows *all = &data->kept[base];
    if (rule->folds < 2 || (int64_t)rule->folds > all->count || fold >= rule->folds)
        return bmrt_fail(&fault->message, BMRT_ARGUMENT, "data `%s`: %lld rows in %u folds",
                         data->recipe->name, (long long)all->count, rule->folds);
    if (rule->by >= (int32_t)data->recipe->field_count ||
        (rule->by >= 0 && data->recipe->fields[rule->by].rank != 0))
        return bmrt_fail(&fault->message, BMRT_ARGUMENT, "data `%s`: folds by no single field",
                         data->recipe->name);
    uint32_t *rows = bmrt_new(data->hooks, all->count, sizeof *rows);
    Dealt *dealt = bmrt_new(data->hooks, all->count, sizeof *dealt);
    bool done = rows && dealt;
    for (int64_t i = 0; done && i < all->count; i++)
        rows[i] = all->order ? all->order[i] : (uint32_t)i;
    if (done) bmrt_shuffle(rows, all->count, BMRT_FOR_SPLIT, rule->seed, 0);
    for (int64_t i = 0; done && i < all->count; i++)
        dealt[i] = (Dealt){value_of(data, base, rule->by, rows[i]), (uint32_t)i, rows[i]};
    if (done) qsort(dealt, (size_t)all->count, sizeof *dealt, compare_dealt);
    done = done &&
           take_fold(data, &data->splits[BMRT_SPLIT_VALID], base, dealt, all->count, fold, true);
    done = done &&
           take_fold(data, &data->splits[BMRT_SPLIT_TRAIN], base, dealt, all->count, fold, false);
    bmrt_delete(data->hooks, dealt, all->count, sizeof *dealt);
    bmrt_delete(data->hooks, rows, all->count, sizeof *rows);
    return done ? BMRT_OK : bmrt_fail(&fault->message, BMRT_MEMORY, "no memory to split the data");
}
