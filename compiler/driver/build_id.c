/* What tells one build of bmc from another: the build id that the linker put into the program. A
 * version number is not enough, because the code changes between versions. */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include "compiler/driver/object_cache.h"
#include <elf.h>
#include <link.h>

typedef struct Search {
    Arena *arena;
    uintptr_t inside; /* an address of the program or library that is meant */
    const char *id;
} Search;

static bool contains(const struct dl_phdr_info *info, uintptr_t address) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && address >= info->dlpi_addr + p->p_vaddr &&
            address - info->dlpi_addr - p->p_vaddr < p->p_memsz)
            return true;
    }
    return false;
}

static const char *hex(Arena *arena, const unsigned char *bytes, size_t count) {
    Text text = {.arena = arena};
    for (size_t i = 0; i < count; i++) text_printf(&text, "%02x", bytes[i]);
    return text_str(&text);
}

static size_t padded(size_t size) {
    return (size + 3) & ~(size_t)3;
}

static const char *note_id(Arena *arena, const char *at, size_t size) {
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) head;
        memcpy(&head, at, sizeof head);
        const size_t content = sizeof head + padded(head.n_namesz);
        const size_t whole = content + padded(head.n_descsz);
        if (whole > size) return NULL;
        bool gnu = head.n_namesz == 4 && memcmp(at + sizeof head, "GNU", 4) == 0;
        if (gnu && head.n_type == NT_GNU_BUILD_ID)
            return hex(arena, (const unsigned char *)at + content, head.n_descsz);
        at += whole;
        size -= whole;
    }
    return NULL;
}

static int look(struct dl_phdr_info *info, size_t size, void *user) {
    Search *s = user;
    (void)size;
    if (!contains(info, s->inside)) return 0;
    for (int i = 0; i < info->dlpi_phnum && !s->id; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_NOTE)
            s->id = note_id(s->arena, (const char *)info->dlpi_addr + p->p_vaddr, p->p_memsz);
    }
    return 1;
}

const char *build_id(Arena *arena) {
    Search s = {.arena = arena, .inside = (uintptr_t)build_id};
    dl_iterate_phdr(look, &s);
    return s.id;
}
