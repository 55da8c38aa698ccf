/* The weights are read by the runtime itself, into a model that has slots but no code: so a file is
 * accepted, and a wrong one described, exactly as when a library loads it. */
#include "compiler/driver/embed_weights.h"
#include "compiler/driver/model_run.h"
#include "runtime/core/core.h"

static int64_t slot_bytes(const Slot *s) {
    int64_t bytes = dtype_bytes(s->dtype);
    for (uint32_t d = 0; d < s->rank; d++)
        if (__builtin_mul_overflow(bytes, s->dims[d], &bytes)) return -1;
    return bytes;
}

/* False when the sizes overflow, which code generation reports. */
static bool describe_slots(Pipeline *p, BmrtModel *model) {
    const Program *program = p->program;
    BmrtSlot *slots = ARENA_ARRAY(p->ctx->arena, BmrtSlot, program->slots.len);
    for (uint32_t i = 0; i < program->slots.len; i++) {
        const Slot *s = &program->slots.data[i];
        int64_t bytes = slot_bytes(s), room;
        if (bytes < 0 || __builtin_add_overflow(bytes, 63, &room)) return false;
        slots[i] = (BmrtSlot){.path = s->path->text,
                              .kind = (BmrtSlotKind)s->kind,
                              .dtype = (BmrtDtype)s->dtype,
                              .rank = s->rank,
                              .dims = s->dims,
                              .offset = model->slots_bytes,
                              .bytes = bytes};
        if (__builtin_add_overflow(model->slots_bytes, room & ~(int64_t)63, &model->slots_bytes))
            return false;
    }
    model->slots = slots;
    model->slot_count = program->slots.len;
    return true;
}

static void keep_slots(Pipeline *p, const BmrtHandle *h, const BmrtModel *model) {
    for (uint32_t i = 0; i < model->slot_count; i++) {
        const BmrtSlot *s = &model->slots[i];
        if (s->kind == BMRT_SLOT_OPTIMIZER) continue; /* a library's training starts anew */
        char *copy = arena_alloc(p->ctx->arena, (size_t)s->bytes);
        memcpy(copy, (const char *)h->slots.data + s->offset, (size_t)s->bytes);
        p->program->slots.data[i].initial = copy;
    }
}

static void keep_names(Pipeline *p, const BmrtHandle *h) {
    uint32_t count = p->program->vocabularies.len;
    BmrtTensor *tensors = ARENA_ARRAY(p->ctx->arena, BmrtTensor, count);
    uint32_t found = bmrt_vocabulary_tensors(h, tensors);
    for (uint32_t i = 0; i < count; i++) {
        BmrtVocabulary *v = &p->program->vocabularies.data[i];
        for (uint32_t k = 0; k < found; k++) {
            if (strcmp(tensors[k].name, v->path) != 0) continue;
            char *copy = arena_alloc(p->ctx->arena, (size_t)tensors[k].bytes);
            memcpy(copy, tensors[k].data, (size_t)tensors[k].bytes);
            v->names = copy;
            v->names_bytes = tensors[k].bytes;
        }
    }
}

bool embed_weights(Pipeline *p, const char *path) {
    const Program *program = p->program;
    BmrtModel model = {.abi = BMRT_ABI,
                       .size_bytes = sizeof model,
                       .name = program->stem,
                       .data = program->data.data,
                       .data_count = program->data.len,
                       .vocabularies = program->vocabularies.data,
                       .vocabulary_count = program->vocabularies.len,
                       .init_entry = -1};
    if (!describe_slots(p, &model)) return true;
    BmrtHandle *h = NULL;
    BmrtStatus status = bmrt_open(&h, &model, path, 0, 1);
    if (status == BMRT_OK) {
        keep_slots(p, h, &model);
        keep_names(p, h);
    } else
        model_run_error(p, status, h ? bmrt_error(h) : "out of memory");
    bmrt_close(h);
    return status == BMRT_OK;
}
