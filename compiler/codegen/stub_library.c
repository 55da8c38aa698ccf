/* What a linker must see of the C library to write down that a model needs it. The library itself
 * may not be there (no development files, another machine), and linking against the one that is
 * would bind the model to its version: names without versions run with older ones too. */
#include "compiler/codegen/stub_library.h"
#include <elf.h>

enum { SECTION_NONE, SECTION_TEXT, SECTION_DYNSYM, SECTION_DYNSTR, SECTION_DYNAMIC, SECTION_NAMES };
enum { SECTION_COUNT = SECTION_NAMES + 1, DYNAMIC_COUNT = 6 };

typedef struct Stub {
    Text *out;
    size_t start;
    Elf64_Shdr sections[SECTION_COUNT];
    Text names; /* of the sections */
} Stub;

/* The bytes as a section of its own, at the next multiple of 16; addresses are places in the file.
 */
static void put_section(Stub *s, int number, const char *name, Elf64_Shdr header, const void *bytes,
                        size_t size) {
    while ((s->out->len - s->start) % 16) text_char(s->out, '\0');
    header.sh_name = (Elf64_Word)s->names.len;
    header.sh_offset = header.sh_addr = s->out->len - s->start;
    header.sh_size = size;
    header.sh_addralign = 16;
    text_add_n(&s->names, name, strlen(name) + 1);
    text_add_n(s->out, bytes, size);
    s->sections[number] = header;
}

static void put_symbols(Stub *s, const char *soname, const SymbolNames *names) {
    Arena *arena = s->out->arena;
    Text strings = {.arena = arena};
    Elf64_Sym *symbols = ARENA_ARRAY(arena, Elf64_Sym, (size_t)names->len + 1);
    text_char(&strings, '\0');
    text_add_n(&strings, soname, strlen(soname) + 1);
    for (uint32_t i = 0; i < names->len; i++) {
        symbols[i + 1] = (Elf64_Sym){.st_name = (Elf64_Word)strings.len,
                                     .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                                     .st_shndx = SECTION_TEXT,
                                     .st_value = s->sections[SECTION_TEXT].sh_addr,
                                     .st_size = 1};
        text_add_n(&strings, names->data[i], strlen(names->data[i]) + 1);
    }
    const size_t bytes = ((size_t)names->len + 1) * sizeof *symbols;
    put_section(s, SECTION_DYNSYM, ".dynsym",
                (Elf64_Shdr){.sh_type = SHT_DYNSYM,
                             .sh_flags = SHF_ALLOC,
                             .sh_link = SECTION_DYNSTR,
                             .sh_info = 1,
                             .sh_entsize = sizeof(Elf64_Sym)},
                symbols, bytes);
    put_section(s, SECTION_DYNSTR, ".dynstr",
                (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_flags = SHF_ALLOC}, strings.data,
                strings.len);
}

static void put_dynamic(Stub *s) {
    const Elf64_Dyn dynamic[DYNAMIC_COUNT] = {{DT_SONAME, {1}}, /* behind the empty name */
                                              {DT_SYMTAB, {s->sections[SECTION_DYNSYM].sh_addr}},
                                              {DT_SYMENT, {sizeof(Elf64_Sym)}},
                                              {DT_STRTAB, {s->sections[SECTION_DYNSTR].sh_addr}},
                                              {DT_STRSZ, {s->sections[SECTION_DYNSTR].sh_size}},
                                              {DT_NULL, {0}}};
    put_section(s, SECTION_DYNAMIC, ".dynamic",
                (Elf64_Shdr){.sh_type = SHT_DYNAMIC,
                             .sh_flags = SHF_ALLOC | SHF_WRITE,
                             .sh_link = SECTION_DYNSTR,
                             .sh_entsize = sizeof(Elf64_Dyn)},
                dynamic, sizeof dynamic);
}

static void put_program_headers(Stub *s, size_t at) {
    const Elf64_Shdr *dynamic = &s->sections[SECTION_DYNAMIC];
    const size_t size = s->out->len - s->start;
    const Elf64_Phdr headers[2] = {{.p_type = PT_LOAD,
                                    .p_flags = PF_R | PF_W,
                                    .p_filesz = size,
                                    .p_memsz = size,
                                    .p_align = 0x1000},
                                   {.p_type = PT_DYNAMIC,
                                    .p_flags = PF_R | PF_W,
                                    .p_offset = dynamic->sh_offset,
                                    .p_vaddr = dynamic->sh_addr,
                                    .p_paddr = dynamic->sh_addr,
                                    .p_filesz = dynamic->sh_size,
                                    .p_memsz = dynamic->sh_size,
                                    .p_align = 16}};
    memcpy(s->out->data + s->start + at, headers, sizeof headers);
}

void stub_library(Text *out, const char *soname, const SymbolNames *names,
                  const ObjectBytes *like) {
    Stub stub = {.out = out, .start = out->len, .names = {.arena = out->arena}}, *s = &stub;
    const Elf64_Phdr room[2] = {{0}};
    Elf64_Ehdr header;
    INVARIANT(like->size >= sizeof header);
    memcpy(&header, like->bytes, sizeof header); /* the machine, its flags */
    header.e_type = ET_DYN;
    header.e_entry = 0;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    header.e_shnum = SECTION_COUNT;
    header.e_shstrndx = SECTION_NAMES;
    text_add_n(out, (const char *)&header, sizeof header);
    text_add_n(out, (const char *)room, sizeof room);
    text_char(&s->names, '\0');
    put_section(s, SECTION_TEXT, ".text",
                (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR}, "",
                1);
    put_symbols(s, soname, names);
    put_dynamic(s);
    const Text before = s->names; /* of all others; its own comes with it */
    Text all = {.arena = out->arena};
    text_add_n(&all, before.data, before.len);
    text_add_n(&all, ".shstrtab", sizeof ".shstrtab");
    put_section(s, SECTION_NAMES, ".shstrtab", (Elf64_Shdr){.sh_type = SHT_STRTAB}, all.data,
                all.len);
    s->sections[SECTION_NAMES].sh_addr = 0;
    put_program_headers(s, sizeof header);
    while ((out->len - s->start) % 16) text_char(out, '\0');
    header.e_shoff = out->len - s->start;
    memcpy(out->data + s->start, &header, sizeof header);
    text_add_n(out, (const char *)s->sections, sizeof s->sections);
}
