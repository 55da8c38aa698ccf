/* A safetensors file: read, checked and loaded into a model, in each of the ways of loading. */
#include "runtime/core/checkpoint.h"
#include "runtime/core/safetensors.h"
#include "tests/fuzz/fuzz_memory.h"
#include "tests/runtime/fake_model.h"
#include <string.h>

static void load(const BmrtHooks *hooks, const BmrtTensorFile *file, BmrtLoadMode mode) {
    static const char *const only[] = {"line"};
    FakeModel model;
    BmrtHandle *handle = NULL;
    fake_model(&model);
    if (bmrt_open_hooked(&handle, &model.model, NULL, 1, 1, hooks) != BMRT_OK) {
        bmrt_close(handle);
        return;
    }
    const BmrtLoadPart part = {.only = only, .only_count = 1};
    char before[65], after[65];
    bmrt_weights_sha256(handle, before);
    const BmrtStatus status =
        bmrt_load_tensors(handle, file, "f", mode, mode == BMRT_LOAD_FOUND ? &part : NULL);
    bmrt_weights_sha256(handle, after);
    fuzz_require(status == BMRT_OK || strcmp(before, after) == 0,
                 "a file that is refused changes nothing");
    fuzz_require(status == BMRT_OK || bmrt_error(handle)[0] != 0, "a refusal says why");
    bmrt_close(handle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    FuzzMemory memory;
    BmrtMessage message = {{0}};
    BmrtTensorFile file;
    const BmrtHooks hooks = fuzz_hooks(&memory, data, size);
    if (bmrt_tensors_read(&hooks, "f", &file, &message) == BMRT_OK) {
        load(&hooks, &file, BMRT_LOAD_WEIGHTS);
        load(&hooks, &file, BMRT_LOAD_ALL);
        load(&hooks, &file, BMRT_LOAD_FOUND);
        bmrt_tensors_free(&file);
    } else {
        fuzz_require(message.text[0] != 0, "a refusal says why");
    }
    fuzz_finish(&memory);
    return 0;
}
