/* Constants with the layout of C structs. */
#ifndef BMC_CODEGEN_DATA_IMAGE_H
#define BMC_CODEGEN_DATA_IMAGE_H

#include "compiler/codegen/codegen_internal.h"

typedef struct ImagePointer {
    size_t offset;
    LLVMValueRef target;
} ImagePointer;
typedef struct Image {
    CodeModule *m;
    char *bytes;
    size_t size;
    VEC(ImagePointer) pointers; /* ascending */
} Image;

/* Copies the bytes. Every pointer field must then be given its target (NULL: a null pointer). */
Image *image_new(CodeModule *m, const void *bytes, size_t size);
void image_pointer(Image *image, size_t offset, LLVMValueRef target);
/* A private constant; NULL when it has no bytes. */
LLVMValueRef image_finish(Image *image, const char *name);
/* NUL-terminated text; NULL for NULL. */
LLVMValueRef text_constant(CodeModule *m, const char *text);
LLVMValueRef bytes_constant(CodeModule *m, const void *bytes, size_t size);
/* The number in m->tables of the data of a CONST buffer, 64-byte aligned; made once. */
uint32_t words_number(CodeModule *m, const LoopBuffer *b);
/* Puts the BmrtDim of `size` at `offset` of the image. */
void dim_image(Image *image, size_t offset, const EntrySymbols *symbols, DimId size);

#endif
