/* From the module to text, assembly and the object file: always of the whole program in one part.
 * Code generation rewrites the module it is given, so it gets a copy: `--emit=llvm` shows the same
 * text before and after. */
#include "compiler/codegen/object_file.h"
#include "compiler/codegen/codegen_internal.h"
#include <errno.h>
#include <stdio.h>

static LLVMMemoryBufferRef machine_code(CodeModule *m, LLVMCodeGenFileType kind) {
    LLVMModuleRef copy = LLVMCloneModule(m->module);
    LLVMMemoryBufferRef out = NULL;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(m->machine, copy, kind, &message, &out))
        BUG("LLVM could not generate code: %s", message);
    LLVMDisposeModule(copy);
    return out;
}

bool codegen_text(CodeModule *m, CodeFile kind, Text *out) {
    m = module_whole(m);
    if (kind == CODE_LLVM) {
        char *text = LLVMPrintModuleToString(m->module);
        text_add(out, text);
        LLVMDisposeMessage(text);
        return true;
    }
    INVARIANT(kind == CODE_ASSEMBLY);
    LLVMMemoryBufferRef assembly = machine_code(m, LLVMAssemblyFile);
    text_add_n(out, LLVMGetBufferStart(assembly), LLVMGetBufferSize(assembly));
    LLVMDisposeMemoryBuffer(assembly);
    return true;
}

bool file_write(Context *ctx, const char *path, const char *bytes, size_t size) {
    const char *temporary = arena_printf(ctx->arena, "%s.tmp", path);
    FILE *f = fopen(temporary, "wb");
    bool ok = f != NULL;
    int error = errno;
    if (f) {
        ok = fwrite(bytes, 1, size, f) == size;
        if (!ok) error = errno;
        if (fclose(f) != 0 && ok) {
            ok = false;
            error = errno;
        }
        if (ok && rename(temporary, path) != 0) {
            ok = false;
            error = errno;
        }
        if (!ok) remove(temporary);
    }
    if (!ok) ctx_error(ctx, E_FILE, (Span){0}, "cannot write `%s`: %s", path, strerror(error));
    return ok;
}

bool codegen_write(CodeModule *m, CodeFile kind, const char *path) {
    if (kind == CODE_OBJECT) {
        m = module_whole(m);
        LLVMMemoryBufferRef object = machine_code(m, LLVMObjectFile);
        bool written =
            file_write(m->ctx, path, LLVMGetBufferStart(object), LLVMGetBufferSize(object));
        LLVMDisposeMemoryBuffer(object);
        return written;
    }
    Text text = {.arena = m->ctx->arena};
    if (!codegen_text(m, kind, &text)) return false;
    return file_write(m->ctx, path, text_str(&text), text.len);
}

const RuntimeObject *module_runtime(CodeModule *m) {
    static const RuntimeFlavour flavours[2][2] = {
        /* plain: */ {RUNTIME_threads, RUNTIME_threads_plain},
        /* single: */ {RUNTIME_single, RUNTIME_single_plain}};
    if (m->freestanding) return runtime_object_wanted(m->ctx, m->target.machine, RUNTIME_bare);
    bool plain = m->program->vocabularies.len == 0;
    for (uint32_t i = 0; i < m->program->entries.len; i++)
        plain &= m->program->entries.data[i].show_count == 0;
    return runtime_object_wanted(m->ctx, m->target.machine, flavours[m->single_thread][plain]);
}

/* The objects of all parts of the module; a version's kernels get names of their own, because the
 * model's may be called the same. */
static void module_members(CodeModule *m, Arena *arena, ObjectBytes *out) {
    const char *name = m->version ? m->version : "";
    module_objects(m);
    for (uint32_t i = 0; i < m->parts.len; i++) {
        LLVMMemoryBufferRef object = m->parts.data[i]->object;
        out[i] = (ObjectBytes){arena_printf(arena, "%s%s%u.o", m->program->stem, name, i),
                               LLVMGetBufferStart(object), LLVMGetBufferSize(object)};
    }
    if (m->version)
        objects_make_private(arena, out, m->parts.len,
                             arena_printf(arena, "%s__%s", m->program->stem, name));
}

ObjectBytes *linked_objects(CodeModule *m, const RuntimeObject *runtime, uint32_t *count) {
    Arena *arena = m->ctx->arena;
    uint32_t parts = m->parts.len;
    for (uint32_t i = 0; i < m->version_count; i++) parts += m->versions[i]->parts.len;
    ObjectBytes *objects = ARENA_ARRAY(arena, ObjectBytes, parts + 1), *at = objects;
    module_members(m, arena, at);
    at += m->parts.len;
    for (uint32_t i = 0; i < m->version_count; i++) {
        module_members(m->versions[i], arena, at);
        at += m->versions[i]->parts.len;
    }
    *at = (ObjectBytes){arena_printf(arena, "%s_bmrt.o", m->program->stem), runtime->begin,
                        (size_t)(runtime->end - runtime->begin)};
    *count = parts + 1;
    return objects;
}
