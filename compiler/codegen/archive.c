/* model.a: the model's objects and the runtime's part, for a program that carries the model inside.
 * The format is ar's as System V and GNU have it, written here: LLVM's C API has none, and a tool
 * would have to be installed. No times, owners or folders: the same model gives the same bytes. */
#include "compiler/codegen/object_file.h"

/* One member's header: fields of fixed width, padded with blanks. */
static void put_header(Text *out, const char *name, size_t size) {
    text_printf(out, "%-16s%-12s%-6s%-6s%-8s%-10zu`\n", name, "0", "0", "0", "100644", size);
}

/* Members begin at even places. */
static void put_member(Text *out, const char *name, const char *bytes, size_t size) {
    put_header(out, name, size);
    text_add_n(out, bytes, size);
    if (size % 2) text_char(out, '\n');
}

static void put_big_endian(Text *out, size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) text_char(out, (char)(value >> shift & 0xff));
}

enum { HEADER_BYTES = 60, MAGIC_BYTES = 8, NAME_BYTES = 15 };

static size_t even(size_t size) {
    return size + size % 2;
}

/* Names that do not fit the header stand in a member of their own; the header has their place. */
static const char *member_name(Arena *arena, const char *name, Text *names) {
    if (strlen(name) <= NAME_BYTES) return arena_printf(arena, "%s/", name);
    const char *place = arena_printf(arena, "/%zu", names->len);
    text_printf(names, "%s/\n", name);
    return place;
}

/* The linker's index: which symbol is in the member at which place. False: the archive is larger
 * than the index can say. */
static bool put_index(Text *out, Arena *arena, const ObjectBytes *members, uint32_t count,
                      size_t names_bytes) {
    Text index = {.arena = arena}, symbols = {.arena = arena};
    uint32_t total = 0;
    SymbolNames *defined = ARENA_ARRAY(arena, SymbolNames, count);
    for (uint32_t i = 0; i < count; i++) {
        object_defines(arena, &members[i], &defined[i]);
        total += defined[i].len;
        for (uint32_t k = 0; k < defined[i].len; k++)
            text_add_n(&symbols, defined[i].data[k], strlen(defined[i].data[k]) + 1);
    }
    const size_t index_bytes = 4 + 4 * (size_t)total + symbols.len;
    size_t place = MAGIC_BYTES + HEADER_BYTES + even(index_bytes);
    if (names_bytes) place += HEADER_BYTES + even(names_bytes);
    put_big_endian(&index, total);
    for (uint32_t i = 0; i < count; i++) {
        if (place > UINT32_MAX) return false;
        for (uint32_t k = 0; k < defined[i].len; k++) put_big_endian(&index, place);
        place += HEADER_BYTES + even(members[i].size);
    }
    text_add_n(&index, text_str(&symbols), symbols.len);
    put_member(out, "/", index.data, index.len);
    return true;
}

static bool archive_text(Text *out, Arena *arena, const ObjectBytes *members, uint32_t count) {
    Text names = {.arena = arena};
    const char **headers = ARENA_ARRAY(arena, const char *, count);
    for (uint32_t i = 0; i < count; i++) headers[i] = member_name(arena, members[i].name, &names);
    text_add(out, "!<arch>\n");
    if (!put_index(out, arena, members, count, names.len)) return false;
    if (names.len) put_member(out, "//", names.data, names.len);
    for (uint32_t i = 0; i < count; i++)
        put_member(out, headers[i], members[i].bytes, members[i].size);
    return true;
}

bool codegen_archive(CodeModule *m, const char *path) {
    Arena *arena = m->ctx->arena;
    const RuntimeObject *runtime = module_runtime(m);
    if (!runtime) return false;
    uint32_t count;
    ObjectBytes *members = linked_objects(m, runtime, &count);
    objects_make_private(arena, members, count, m->program->stem);
    Text archive = {.arena = arena};
    if (archive_text(&archive, arena, members, count))
        return file_write(m->ctx, path, archive.data, archive.len);
    ctx_error(m->ctx, E_LIMIT, (Span){0}, "`%s` would be larger than the 4 GB of an archive", path);
    return false;
}
