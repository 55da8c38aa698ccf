/* The symbols of ELF objects: what they define, and how two models' objects fit into one program.
 */
#ifndef BMC_CODEGEN_OBJECT_NAMES_H
#define BMC_CODEGEN_OBJECT_NAMES_H

#include "compiler/support/context.h"

typedef struct ObjectBytes {
    const char *name; /* as a member of an archive: "mlp.o" */
    const char *bytes;
    size_t size;
} ObjectBytes;

typedef VEC(const char *) SymbolNames;

/* The global symbols that the object defines, in the order of its table. */
void object_defines(Arena *arena, const ObjectBytes *object, SymbolNames *out);

/* Every global symbol that one of the objects defines and that does not begin with `STEM_` gets
 * `STEM__` in front of its name, in all of them, and becomes hidden: the runtime's part and the
 * kernels of two models then are two, and stay out of what a library made of them exports. The
 * objects get new bytes, in the arena. */
void objects_make_private(Arena *arena, ObjectBytes *objects, uint32_t count, const char *stem);

#endif
