/* IDX and npy files, plain and gzip. The first byte chooses the format. */
#include "runtime/data/array.h"
#include "tests/fuzz/fuzz_memory.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    FuzzMemory memory;
    BmrtMessage message = {{0}};
    BmrtArray array;
    if (size == 0) return 0;
    const BmrtHooks hooks = fuzz_hooks(&memory, data + 1, size - 1);
    const BmrtFormat format = data[0] & 1 ? BMRT_FORMAT_NPY : BMRT_FORMAT_IDX;
    if (bmrt_array_read(&hooks, "f", format, &array, &message) == BMRT_OK) {
        fuzz_require(array.rank <= BMRT_ARRAY_RANK_MAX && array.elements >= 0, "a sound shape");
        volatile uint8_t last = array.bytes ? (uint8_t)array.block.data[array.bytes - 1] : 0;
        (void)last;
        bmrt_array_free(&hooks, &array);
    } else {
        fuzz_require(message.text[0] != 0, "a refusal says why");
    }
    fuzz_finish(&memory);
    return 0;
}
