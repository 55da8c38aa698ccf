/* Rows of a data block: CSV with every kind of field, binary records, runs of numbers. The first
 * byte chooses the source and its settings. */
#include "runtime/data/dataset.h"
#include "runtime/data/read_rows.h"
#include "runtime/data/row_table.h"
#include "tests/fuzz/fuzz_memory.h"
#include <string.h>

static const int64_t PAIR[] = {2};
static const char *const COLOURS[] = {"red", "green", "light blue"};
static const char *const MISSING[] = {"", "NA", "?"};
static const BmrtField FIELDS[] = {
    {.name = "a", .dtype = BMRT_F32},
    {.name = "b", .dtype = BMRT_I32},
    {.name = "c", .dtype = BMRT_I32, .kind = BMRT_FIELD_CATEGORY, .category_max = 5},
    {.name = "d", .dtype = BMRT_I32, .kind = BMRT_FIELD_NAMES, .name_count = 3, .names = COLOURS},
    {.name = "e", .dtype = BMRT_BOOL},
    {.name = "v", .dtype = BMRT_F64, .rank = 1, .dims = PAIR},
};
static const BmrtField RECORD[] = {
    {.name = "a", .dtype = BMRT_F32},
    {.name = "b", .dtype = BMRT_BOOL},
    {.name = "v", .dtype = BMRT_I16, .rank = 1, .dims = PAIR},
};
#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof *(a)))

typedef BmrtStatus (*RowsFn)(BmrtTable *t, const BmrtSource *source, BmrtFault *fault);
static BmrtStatus read_csv(BmrtTable *t, const BmrtSource *source, BmrtFault *fault) {
    return bmrt_csv_rows(t, source, "f", fault);
}
static BmrtStatus read_records(BmrtTable *t, const BmrtSource *source, BmrtFault *fault) {
    return bmrt_record_rows(t, source, "f", &fault->message);
}

static void read_table(const BmrtHooks *hooks, const BmrtField *fields, uint32_t count,
                       const BmrtSource *source, RowsFn read) {
    BmrtNames names[COUNT(FIELDS)];
    BmrtFault fault = {.line = 0};
    BmrtTable table;
    for (uint32_t f = 0; f < count; f++) bmrt_names_open(&names[f], hooks);
    BmrtStatus status = bmrt_table_open(&table, hooks, fields, count, names, &fault.message);
    if (status == BMRT_OK) status = read(&table, source, &fault);
    fuzz_require(status == BMRT_OK || fault.message.text[0] != 0, "a refusal says why");
    bmrt_table_free(&table);
    for (uint32_t f = 0; f < count; f++) bmrt_names_free(&names[f]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    FuzzMemory memory;
    if (size == 0) return 0;
    const BmrtHooks hooks = fuzz_hooks(&memory, data + 1, size - 1);
    const uint8_t how = data[0];
    BmrtSource source = {.field = -1,
                         .path = "f",
                         .missing_count = how & 4 ? COUNT(MISSING) : 0,
                         .missing = MISSING,
                         .delimiter = how & 8 ? '\t' : ',',
                         .header = how & 16 ? 1 : 0,
                         .skip = how & 32 ? 3 : 0};
    if ((how & 3) < 2) {
        read_table(&hooks, FIELDS, COUNT(FIELDS), &source, read_csv);
    } else if ((how & 3) == 2) {
        read_table(&hooks, RECORD, COUNT(RECORD), &source, read_records);
    } else {
        BmrtMessage message = {{0}};
        BmrtArray array;
        source.window = how & 4 ? 2 : 0;
        source.stride = how & 8 ? 1 : 2;
        if (bmrt_element_rows(&hooks, &RECORD[2], &source, "f", &array, &message) == BMRT_OK)
            bmrt_array_free(&hooks, &array);
        else
            fuzz_require(message.text[0] != 0, "a refusal says why");
    }
    fuzz_finish(&memory);
    return 0;
}
