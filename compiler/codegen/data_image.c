/* Constants of the compiled module with the layout of C structs: the bytes of the struct as this
 * compiler lays it out (one ABI for bmc and its output: x86-64 System V), with pointers to other
 * constants put in at their offsets. Nothing is laid out twice. */
#include "compiler/codegen/data_image.h"

Image *image_new(CodeModule *m, const void *bytes, size_t size) {
    Image *image = ARENA_NEW(m->ctx->arena, Image);
    image->m = m;
    image->size = size;
    image->bytes = arena_alloc(m->ctx->arena, size);
    if (size > 0) memcpy(image->bytes, bytes, size);
    return image;
}

void image_pointer(Image *image, size_t offset, LLVMValueRef target) {
    INVARIANT(offset + sizeof(void *) <= image->size && offset % sizeof(void *) == 0);
    memset(image->bytes + offset, 0, sizeof(void *));
    if (!target) return;
    ImagePointer p = {offset, target};
    uint32_t at = image->pointers.len;
    vec_push(image->m->ctx->arena, &image->pointers, p);
    for (; at > 0 && image->pointers.data[at - 1].offset > offset; at--)
        image->pointers.data[at] = image->pointers.data[at - 1];
    image->pointers.data[at] = p;
}

static LLVMValueRef bytes_const(CodeModule *m, const char *bytes, size_t size) {
    return LLVMConstStringInContext2(m->llvm, bytes, size, 1);
}

static LLVMValueRef constant_add(CodeModule *m, LLVMValueRef value, const char *name,
                                 unsigned alignment) {
    LLVMValueRef global = LLVMAddGlobal(m->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetAlignment(global, alignment);
    return global;
}

LLVMValueRef image_finish(Image *image, const char *name) {
    CodeModule *m = image->m;
    VEC(LLVMValueRef) parts = {0};
    size_t at = 0;
    if (image->size == 0) return NULL;
    for (uint32_t i = 0; i < image->pointers.len; i++) {
        const ImagePointer *p = &image->pointers.data[i];
        if (p->offset > at)
            vec_push(m->ctx->arena, &parts, bytes_const(m, image->bytes + at, p->offset - at));
        vec_push(m->ctx->arena, &parts, p->target);
        at = p->offset + sizeof(void *);
    }
    if (at < image->size)
        vec_push(m->ctx->arena, &parts, bytes_const(m, image->bytes + at, image->size - at));
    LLVMValueRef value = LLVMConstStructInContext(m->llvm, parts.data, parts.len, 1);
    return constant_add(m, value, name, 16);
}

LLVMValueRef text_constant(CodeModule *m, const char *text) {
    if (!text) return NULL;
    LLVMValueRef value = LLVMConstStringInContext2(m->llvm, text, strlen(text), 0);
    LLVMValueRef global = constant_add(m, value, "text", 1);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    return global;
}

LLVMValueRef bytes_constant(CodeModule *m, const void *bytes, size_t size) {
    return image_finish(image_new(m, bytes, size), "table");
}

uint32_t words_number(CodeModule *m, const LoopBuffer *b) {
    for (uint32_t i = 0; i < m->tables.len; i++)
        if (m->tables.data[i].words == b->words) return i;
    uint32_t size = dtype_bytes(b->dtype);
    size_t count = (size_t)dim_value(m->program->dims, b->count);
    char *bytes = ARENA_ARRAY(m->ctx->arena, char, count *size);
    for (size_t i = 0; i < count; i++) memcpy(bytes + i * size, &b->words[i], size);
    CodeTable table = {b->words, bytes_constant(m, bytes, count * size)};
    LLVMSetAlignment(table.global, 64);
    vec_push(m->ctx->arena, &m->tables, table);
    return m->tables.len - 1;
}
