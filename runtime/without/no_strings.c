/* core/vocabulary.c and core/show.c for a model that has neither categories with names nor a
 * `show`: a quarter of the runtime's part of a small library. */
#include "runtime/core/core.h"

BmrtNames *bmrt_vocabulary_of(BmrtHandle *h, const BmrtData *data, uint32_t field) {
    (void)h, (void)data, (void)field;
    return 0;
}

BmrtStatus bmrt_vocabularies_open(BmrtHandle *h) {
    (void)h;
    return BMRT_OK;
}

void bmrt_vocabularies_close(BmrtHandle *h) {
    (void)h;
}

uint32_t bmrt_vocabulary_tensors(const BmrtHandle *h, BmrtTensor *out) {
    (void)h, (void)out;
    return 0;
}

BmrtStatus bmrt_vocabularies_load(BmrtHandle *h, const BmrtTensorFile *file, const char *path) {
    (void)h, (void)file, (void)path;
    return BMRT_OK;
}

bool bmrt_entry_has_strings(const BmrtEntry *entry) {
    (void)entry;
    return false;
}

BmrtStatus bmrt_entry_run_strings(BmrtHandle *h, uint32_t number, const int64_t *symbols,
                                  const void *const *inputs, void *const *outputs, uint64_t step,
                                  bool *wrote) {
    return bmrt_entry_run(h, number, symbols, inputs, outputs, step, wrote);
}

BmrtStatus bmrt_shows_open(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                           void *const *given, BmrtShows *shows) {
    (void)h, (void)entry, (void)symbols, (void)given, (void)shows;
    return BMRT_OK;
}

void bmrt_shows_tell(BmrtHandle *h, const BmrtEntry *entry, const int64_t *symbols,
                     const BmrtShows *shows) {
    (void)h, (void)entry, (void)symbols, (void)shows;
}

void bmrt_shows_close(BmrtHandle *h, const BmrtEntry *entry, BmrtShows *shows) {
    (void)h, (void)entry, (void)shows;
}
