/* Renaming in ELF objects. Every model carries the runtime's part, so in a program made of two
 * models each of its functions would be defined twice. A linker could make them local, but only a
 * linker; new names need none: they are appended to the object's table of strings and the symbols
 * pointed there. Nothing else in an object knows a symbol by its name. The objects are LLVM's and
 * our own, so what is not ELF for a 64-bit little-endian machine is a bug. */
#include "compiler/codegen/object_names.h"
#include <elf.h>
#include <stdlib.h>

typedef struct Elf {
    Arena *arena;
    const char *bytes;
    size_t size;
    Elf64_Ehdr header;
    Elf64_Shdr symbols, strings; /* .symtab and the section of its names */
    size_t strings_header;       /* where the latter's header lies */
} Elf;

static void elf_read(const Elf *elf, void *out, size_t at, size_t size) {
    if (at > elf->size || size > elf->size - at) BUG("an object file ends too early");
    memcpy(out, elf->bytes + at, size);
}

static size_t section_header(const Elf *elf, uint32_t number) {
    return elf->header.e_shoff + (size_t)number * sizeof(Elf64_Shdr);
}

/* False: the object has no symbols. */
static bool elf_open(Elf *elf, Arena *arena, const ObjectBytes *object) {
    static const unsigned char ident[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB};
    *elf = (Elf){.arena = arena, .bytes = object->bytes, .size = object->size};
    elf_read(elf, &elf->header, 0, sizeof elf->header);
    if (memcmp(elf->header.e_ident, ident, sizeof ident) != 0 || elf->header.e_type != ET_REL ||
        elf->header.e_shentsize != sizeof(Elf64_Shdr))
        BUG("`%s` is no object file of a 64-bit little-endian machine", object->name);
    for (uint32_t i = 0; i < elf->header.e_shnum; i++) {
        elf_read(elf, &elf->symbols, section_header(elf, i), sizeof elf->symbols);
        if (elf->symbols.sh_type != SHT_SYMTAB) continue;
        elf->strings_header = section_header(elf, elf->symbols.sh_link);
        elf_read(elf, &elf->strings, elf->strings_header, sizeof elf->strings);
        if (elf->strings.sh_offset > elf->size ||
            elf->strings.sh_size > elf->size - elf->strings.sh_offset)
            BUG("`%s` has a damaged table of strings", object->name);
        return true;
    }
    return false;
}

static size_t symbol_count(const Elf *elf) {
    return elf->symbols.sh_size / sizeof(Elf64_Sym);
}

static size_t symbol_place(const Elf *elf, size_t number) {
    return elf->symbols.sh_offset + number * sizeof(Elf64_Sym);
}

/* The symbol's name when it is global; NULL when it is local. */
static const char *global_name(const Elf *elf, size_t number, Elf64_Sym *out) {
    elf_read(elf, out, symbol_place(elf, number), sizeof *out);
    if (ELF64_ST_BIND(out->st_info) == STB_LOCAL) return NULL;
    const char *strings = elf->bytes + elf->strings.sh_offset;
    if (out->st_name >= elf->strings.sh_size ||
        !memchr(strings + out->st_name, 0, elf->strings.sh_size - out->st_name))
        BUG("an object file has a damaged name");
    return strings + out->st_name;
}

static void object_symbols(Arena *arena, const ObjectBytes *object, bool defined,
                           SymbolNames *out) {
    Elf elf;
    if (!elf_open(&elf, arena, object)) return;
    for (size_t i = 0; i < symbol_count(&elf); i++) {
        Elf64_Sym symbol;
        const char *name = global_name(&elf, i, &symbol);
        if (name && (symbol.st_shndx != SHN_UNDEF) == defined) vec_push(arena, out, name);
    }
}

void object_defines(Arena *arena, const ObjectBytes *object, SymbolNames *out) {
    object_symbols(arena, object, true, out);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_sort(SymbolNames *names) {
    if (names->len) qsort(names->data, names->len, sizeof names->data[0], by_name);
}

static bool is_among(const SymbolNames *names, const char *name) {
    return names->len > 0 &&
           bsearch(&name, names->data, names->len, sizeof names->data[0], by_name) != NULL;
}

/* ------------------------------------------------------------------ renaming */

typedef struct NewSymbol {
    size_t place;
    Elf64_Sym symbol;
} NewSymbol;
typedef VEC(NewSymbol) NewSymbols;

static void new_names(const Elf *elf, const SymbolNames *names, const char *stem, Text *strings,
                      NewSymbols *out) {
    for (size_t i = 0; i < symbol_count(elf); i++) {
        NewSymbol changed = {.place = symbol_place(elf, i)};
        Elf64_Sym *symbol = &changed.symbol;
        const char *name = global_name(elf, i, symbol);
        if (!name || !is_among(names, name)) continue;
        symbol->st_name = (Elf64_Word)(elf->strings.sh_size + strings->len);
        text_printf(strings, "%s__%s", stem, name);
        text_char(strings, '\0');
        if (symbol->st_shndx != SHN_UNDEF)
            symbol->st_other =
                (unsigned char)((symbol->st_other & ~ELF64_ST_VISIBILITY(0xff)) | STV_HIDDEN);
        vec_push(elf->arena, out, changed);
    }
}

/* The object with other names for the symbols among `names`: a copy, behind it a longer table of
 * strings, to which the old one's header points. */
static void rename_symbols(Arena *arena, ObjectBytes *object, const SymbolNames *names,
                           const char *stem) {
    Elf elf;
    Text strings = {.arena = arena};
    NewSymbols symbols = {0};
    if (!elf_open(&elf, arena, object)) return;
    new_names(&elf, names, stem, &strings, &symbols);
    const size_t old = elf.strings.sh_size, size = old + strings.len;
    if (size > UINT32_MAX) BUG("an object file has too many names");
    char *copy = arena_alloc(arena, object->size + size);
    memcpy(copy, object->bytes, object->size);
    memcpy(copy + object->size, elf.bytes + elf.strings.sh_offset, old);
    if (strings.len) memcpy(copy + object->size + old, strings.data, strings.len);
    for (uint32_t i = 0; i < symbols.len; i++)
        memcpy(copy + symbols.data[i].place, &symbols.data[i].symbol, sizeof(Elf64_Sym));
    elf.strings.sh_offset = object->size;
    elf.strings.sh_size = size;
    memcpy(copy + elf.strings_header, &elf.strings, sizeof elf.strings);
    object->bytes = copy;
    object->size += size;
}

void objects_make_private(Arena *arena, ObjectBytes *objects, uint32_t count, const char *stem) {
    SymbolNames defined = {0}, names = {0};
    const char *own = arena_printf(arena, "%s_", stem);
    for (uint32_t i = 0; i < count; i++) object_defines(arena, &objects[i], &defined);
    for (uint32_t i = 0; i < defined.len; i++)
        if (strncmp(defined.data[i], own, strlen(own)) != 0)
            vec_push(arena, &names, defined.data[i]);
    names_sort(&names);
    for (uint32_t i = 0; i < count; i++) rename_symbols(arena, &objects[i], &names, stem);
}
